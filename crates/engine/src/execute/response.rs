//! The response: encryption, audit, and what sessions answer. Part 3, 5.9.

use super::{
    Request, audit,
    authorization::hmac_key,
    hashes::{self, Nonces},
    parameters,
    sessions::SessionUse,
};
use crate::{Tpm, dispatch::Answer, state::Session};
use alloc::{sync::Arc, vec::Vec};
use core::mem;
use sigillo_crypto::Rng;
use sigillo_types::{
    Marshal, Rc, attributes::TpmaSession, buffers::Tpm2bNonce, constants::st, marshal::marshal_sized, rc,
};
use zeroize::Zeroizing;

/// Builds the response to a command that succeeded, and brings its sessions up to date.
///
/// # Errors
/// `SIZE` if the response is larger than the buffer; the command is undone then.
pub(super) fn build(
    tpm: &mut Tpm,
    request: &mut Request<'_>,
    has_sessions: bool,
    answer: Answer,
) -> Result<Vec<u8>, Rc> {
    let Answer { reply, start } = answer;
    // Wiped where it does not come to be given out.
    let mut reply = Zeroizing::new(reply);
    let end = reply.len();
    if has_sessions {
        let size = u32::try_from(end - start).unwrap_or(u32::MAX);
        fill(&mut reply, start - 4, size.to_be_bytes());
        renew_nonces(tpm, request)?;
        if let Some(session) = request.sessions.iter().find(|session| session.has(TpmaSession::ENCRYPT)) {
            let loaded = tpm.session(session.handle).map_err(|_| rc::FAILURE)?;
            let parameters = reply.get_mut(start..).unwrap_or_default();
            parameters::encrypt(tpm, session, loaded, parameters)?;
        }
    }
    let parameters = reply.get(start..end).unwrap_or_default();
    audit::extend_session(tpm, request, parameters);
    audit::extend_command(tpm, request, parameters);
    for session in request.sessions.iter() {
        answer_session(tpm, request.entry.spec.code, session, start..end, &mut reply)?;
    }
    for session in request.sessions.iter() {
        finish_session(tpm, session);
    }
    let size = u32::try_from(reply.len()).ok().filter(|size| *size <= tpm.buffer_size).ok_or(rc::SIZE)?;
    let tag = if has_sessions { st::SESSIONS } else { st::NO_SESSIONS };
    fill(&mut reply, 0, tag.to_be_bytes());
    fill(&mut reply, 2, size.to_be_bytes());
    fill(&mut reply, 6, rc::SUCCESS.raw().to_be_bytes());
    Ok(mem::take(&mut *reply))
}

/// Writes a number whose place the answer has left.
fn fill<const N: usize>(reply: &mut [u8], place: usize, number: [u8; N]) {
    if let Some(field) = reply.get_mut(place..).and_then(<[u8]>::first_chunk_mut) {
        *field = number;
    }
}

/// Makes a new nonceTPM for every session, of the size it was started with; the session has it once the answer leaves.
fn renew_nonces(tpm: &mut Tpm, request: &mut Request<'_>) -> Result<(), Rc> {
    for session in request.sessions.iter_mut().filter(|session| !session.is_password()) {
        let mut octets = [0; Tpm2bNonce::MAX];
        let size = tpm.session(session.handle).map_err(|_| rc::FAILURE)?.nonce_tpm.len();
        let octets = octets.get_mut(..size).unwrap_or_default();
        tpm.rng.fill(octets);
        session.nonce_tpm = Tpm2bNonce::new(octets)?;
        let fits = tpm.call.nonces.push((session.handle, session.nonce_tpm.clone()));
        debug_assert!(fits);
    }
    Ok(())
}

/// Appends what a session answers: nonceTPM, attributes and HMAC. The parameters are `range` of the reply.
fn answer_session(
    tpm: &Tpm,
    code: u32,
    session: &SessionUse<'_>,
    range: core::ops::Range<usize>,
    reply: &mut Vec<u8>,
) -> Result<(), Rc> {
    if session.is_password() {
        Tpm2bNonce::default().marshal(reply);
        TpmaSession::CONTINUE_SESSION.marshal(reply);
        0_u16.marshal(reply);
        return Ok(());
    }
    let loaded: &Arc<Session> = tpm.session(session.handle).map_err(|_| rc::FAILURE)?;
    let mut attributes = session.attributes;
    let exclusive =
        session.has(TpmaSession::AUDIT) && tpm.state.volatile.exclusive_audit == Some(session.handle);
    attributes.set(TpmaSession::AUDIT_EXCLUSIVE, exclusive);
    session.nonce_tpm.marshal(reply);
    attributes.marshal(reply);
    if session.unanswered {
        0_u16.marshal(reply);
        return Ok(());
    }
    let rp_hash = hashes::rp_hash(loaded.auth_hash, code, reply.get(range).unwrap_or_default());
    let key = hmac_key(tpm, loaded, session);
    let nonces = Nonces { newer: &session.nonce_tpm, older: session.nonce_caller, ..Nonces::default() };
    let hmac = hashes::session_hmac(loaded.auth_hash, key, &rp_hash, nonces, attributes);
    marshal_sized(reply, |out| out.extend_from_slice(&hmac));
    Ok(())
}

/// Ends a session that is not to be continued; a policy session that authorized starts anew. Part 1, 16.6.18 and 16.7.8.
fn finish_session(tpm: &mut Tpm, session: &SessionUse<'_>) {
    if session.is_password() {
        return;
    }
    if !session.has(TpmaSession::CONTINUE_SESSION) {
        tpm.flush_session(session.handle);
        return;
    }
    let (now_ms, epoch) = (tpm.time_ms(), tpm.time_epoch());
    // Asked first: what is about to change is copied.
    let is_policy = tpm.session(session.handle).is_ok_and(|loaded| loaded.policy().is_some());
    if session.target.is_some()
        && is_policy
        && let Some(loaded) = tpm.session_mut(session.handle)
    {
        loaded.restart_policy();
        loaded.start_ms = now_ms;
        loaded.time_epoch = epoch;
    }
}
