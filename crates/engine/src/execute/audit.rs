//! Session audit and command audit. Part 1, 17 and 32.

use super::{Request, hashes};
use crate::{
    Tpm,
    session::{sized, zero_digest},
};
use sigillo_crypto::hash::hash;
use sigillo_types::attributes::TpmaSession;

/// Whether the command audit counts a command; not in failure mode. Part 3, 21.1.
pub(super) fn is_audited(tpm: &Tpm, code: u32) -> bool {
    tpm.failure.is_none() && tpm.state.persistent.audit_commands.contains(&code)
}

/// Extends the audit session's digest, and says which session is exclusive from now on. Part 1, 17.1 and 17.2.
pub(super) fn extend_session(tpm: &mut Tpm, request: &mut Request<'_>, parameters: &[u8]) {
    let auditing = request.sessions.iter().find(|session| session.has(TpmaSession::AUDIT));
    let Some((handle, attributes)) = auditing.map(|session| (session.handle, session.attributes)) else {
        if !request.entry.spec.no_sessions && tpm.state.volatile.exclusive_audit.is_some() {
            tpm.state.volatile_mut().exclusive_audit = None;
        }
        return;
    };
    let Ok(session) = tpm.session(handle) else { return };
    let alg = session.auth_hash;
    let continued = session.audit_digest.clone().filter(|_| !attributes.contains(TpmaSession::AUDIT_RESET));
    let started = continued.is_none();
    let old = continued.unwrap_or_else(|| zero_digest(alg.digest_size()));
    let rp_hash = hashes::rp_hash(alg, request.entry.spec.code, parameters);
    let digest = hash(alg, &[&old, &request.cp_hash(alg), &rp_hash]);
    if let Some(session) = tpm.session_mut(handle) {
        session.audit_digest = Some(sized(&digest));
        session.bound_to = None;
    }
    let exclusive = tpm.state.volatile.exclusive_audit;
    if started {
        tpm.state.volatile_mut().exclusive_audit = Some(handle);
    } else if exclusive.is_some_and(|exclusive| exclusive != handle) {
        tpm.state.volatile_mut().exclusive_audit = None;
    }
}

/// Extends the command audit digest; a new log counts. Part 1, 32.
pub(super) fn extend_command(tpm: &mut Tpm, request: &mut Request<'_>, parameters: &[u8]) {
    let code = request.entry.spec.code;
    // A command that has just become audited is not part of the log: its cpHash was not needed when it came.
    let alg = tpm.state.persistent.audit_hash_alg;
    let counted = request.cp_hashes.iter().flatten().any(|(known, _)| *known == alg);
    if tpm.call.unaudited || !is_audited(tpm, code) || !counted {
        return;
    }
    let rp_hash = hashes::rp_hash(alg, code, parameters);
    let cp_hash = request.cp_hash(alg);
    if tpm.state.reset.command_audit_digest.is_empty() {
        let persistent = tpm.state.persistent_mut();
        persistent.audit_counter = persistent.audit_counter.wrapping_add(1);
    }
    let reset = tpm.state.reset_mut();
    if reset.command_audit_digest.is_empty() {
        reset.command_audit_digest = zero_digest(alg.digest_size()).to_vec();
    }
    let digest = hash(alg, &[&reset.command_audit_digest, &cp_hash, &rp_hash]);
    reset.command_audit_digest = digest.to_vec();
}
