//! Policies that somebody else approves: with a key, a secret, or a ticket from either. Part 3, 23.2 to 23.5.

use crate::{
    Tpm,
    state::{
        Session,
        session::{BoundHash, Policy},
    },
    ticket,
};
use alloc::vec::Vec;
use sigillo_crypto::hash::hash;
use sigillo_types::{
    Position, Rc,
    attributes::NvType,
    buffers::{Tpm2bDigest, Tpm2bName, Tpm2bNonce, Tpm2bTimeout},
    cc,
    command::Done,
    commands::{PolicySecret, PolicySecretResponse, PolicySigned, PolicySignedResponse, PolicyTicket},
    handles::Hierarchy,
    rc,
    structures::{TkAuthTag, TpmtTkAuth},
};

/// Marks, in a TPM2B_TIMEOUT, an authorization that a TPM Reset ends: it was not tied to a nonceTPM.
const UNTIL_RESET: u64 = 1 << 63;

/// What the three commands have in common: the qualifiers of an authorization. Part 3, 23.2.
struct Qualifiers<'a> {
    nonce_tpm: &'a [u8],
    cp_hash_a: &'a Tpm2bDigest,
    policy_ref: &'a Tpm2bNonce,
    /// Time (ms) when it expires.
    timeout_ms: Option<u64>,
}

/// Where the qualifiers stand in the command.
struct Places {
    nonce_tpm: Position,
    cp_hash_a: Position,
    expiration: Position,
}

impl Qualifiers<'_> {
    /// The checks of Part 3, 23.2.2.
    ///
    /// # Errors
    /// - `VALUE` (nonceTPM): not the session's.
    /// - `EXPIRED` (expiration): the time is over.
    /// - `CPHASH`: the session is bound to another hash.
    /// - `SIZE` (cpHashA): not a digest of the session's algorithm.
    fn check(&self, tpm: &Tpm, session: &Session, places: &Places) -> Result<(), Rc> {
        if !self.nonce_tpm.is_empty() && self.nonce_tpm != session.nonce_tpm.as_slice() {
            return Err(rc::VALUE.at(places.nonce_tpm));
        }
        if let Some(timeout_ms) = self.timeout_ms
            && (timeout_ms < tpm.time_ms() || session.time_epoch != tpm.time_epoch())
        {
            return Err(rc::EXPIRED.at(places.expiration));
        }
        if self.cp_hash_a.is_empty() {
            return Ok(());
        }
        let bound = session.policy().and_then(|policy| policy.bound_hash.as_ref());
        if bound.is_some_and(|bound| *bound != BoundHash::CpHash(self.cp_hash_a.clone())) {
            return Err(rc::CPHASH);
        }
        if self.cp_hash_a.len() != session.auth_hash.digest_size() {
            return Err(rc::SIZE.at(places.cp_hash_a));
        }
        Ok(())
    }

    /// Brings the session up to date: PolicyUpdate() and the rest of the context. Part 3, 23.2.3 and 23.2.4.
    fn update(&self, session: &mut Session, code: u32, name: &[u8]) {
        session.update_policy(code, name, self.policy_ref);
        if let Some(policy) = session.policy_mut() {
            if !self.cp_hash_a.is_empty() {
                policy.bound_hash = Some(BoundHash::CpHash(self.cp_hash_a.clone()));
            }
            policy.limit_time(self.timeout_ms);
        }
    }

    /// The ticket that grants the same again until it expires, and its timeout. Part 3, 23.2.5.
    fn ticket(
        &self,
        tpm: &Tpm,
        tag: TkAuthTag,
        hierarchy: Hierarchy,
        name: &Tpm2bName,
    ) -> (Tpm2bTimeout, TpmtTkAuth) {
        let timeout_ms = self.timeout_ms.unwrap_or(0);
        let until_reset = self.nonce_tpm.is_empty();
        let parts = ticket_parts(tpm, timeout_ms, until_reset);
        let ticket = ticket::auth(tpm, tag, hierarchy, &[self.cp_hash_a, self.policy_ref, name, &parts]);
        let timeout = if until_reset { timeout_ms | UNTIL_RESET } else { timeout_ms };
        (Tpm2bTimeout::from(timeout.to_be_bytes()), ticket)
    }
}

/// The part of a ticket that makes it expire: timeout, the time epoch if there is a timeout, and resetCount if no nonce ties it.
fn ticket_parts(tpm: &Tpm, timeout_ms: u64, until_reset: bool) -> Vec<u8> {
    let mut parts = timeout_ms.to_be_bytes().to_vec();
    if timeout_ms != 0 {
        parts.extend_from_slice(&tpm.time_epoch().to_be_bytes());
        if until_reset {
            parts.extend_from_slice(&tpm.state.persistent.total_reset_count.to_be_bytes());
        }
    }
    parts
}

/// When an authorization expires: so many seconds after the session's nonceTPM was made, or, without a nonce, after Time was zero. Part 3,
/// 23.2.2.
fn timeout_ms(session: &Session, expiration: i32, nonce_tpm: &[u8]) -> Option<u64> {
    if expiration == 0 {
        return None;
    }
    let after = u64::from(expiration.unsigned_abs()) * 1000;
    Some(if nonce_tpm.is_empty() { after } else { session.start_ms.saturating_add(after) })
}

impl Policy {
    /// Lets the policy expire at `timeout_ms` unless it does so earlier. Part 3, 23.2.4.
    pub(super) fn limit_time(&mut self, timeout_ms: Option<u64>) {
        self.timeout_ms = match (self.timeout_ms, timeout_ms) {
            (Some(earlier), Some(timeout_ms)) => Some(earlier.min(timeout_ms)),
            (earlier, timeout_ms) => earlier.or(timeout_ms),
        };
    }
}

impl Session {
    /// PolicyUpdate(): two hashes, so that what belongs to the Name and what to policyRef cannot be confused. Part 3, 23.2.3.
    pub(super) fn update_policy(&mut self, code: u32, name: &[u8], policy_ref: &[u8]) {
        self.extend_policy(&[&code.to_be_bytes(), name]);
        self.extend_policy(&[policy_ref]);
    }
}

/// TPM2_PolicySigned. Part 3, 23.3.
///
/// # Response codes
/// - Those of Part 3, 23.2.2: `VALUE` (nonceTPM), `EXPIRED` (expiration), `CPHASH`, `SIZE` (cpHashA).
/// - `POLICY_FAIL` (auth): not a signature of authObject over the qualifiers.
/// - `SCHEME`, `KEY`, `HANDLE` and others (auth): not a signature of authObject's kind.
pub(crate) fn policy_signed(tpm: &mut Tpm, cmd: PolicySigned) -> Result<PolicySignedResponse, Rc> {
    const PLACES: Places = Places {
        nonce_tpm: PolicySigned::NONCE_TPM,
        cp_hash_a: PolicySigned::CP_HASH_A,
        expiration: PolicySigned::EXPIRATION,
    };
    let object = tpm.object(cmd.auth_object.raw()).map_err(|code| code.at(PolicySigned::AUTH_OBJECT))?;
    let (name, hierarchy) = (object.name.clone(), object.hierarchy);
    let session = tpm.policy_session(cmd.policy_session)?;
    let trial = session.is_trial();
    let mut qualifiers = Qualifiers {
        nonce_tpm: &cmd.nonce_tpm,
        cp_hash_a: &cmd.cp_hash_a,
        policy_ref: &cmd.policy_ref,
        timeout_ms: None,
    };
    if !trial {
        qualifiers.timeout_ms = timeout_ms(session, cmd.expiration, &cmd.nonce_tpm);
        qualifiers.check(tpm, session, &PLACES)?;
        let to_be_signed: [&[u8]; 4] =
            [&cmd.nonce_tpm, &cmd.expiration.to_be_bytes(), &cmd.cp_hash_a, &cmd.policy_ref];
        // EdDSA signs by other commands, and names no hash. Part 1, 44.3.2.
        let hash_alg = cmd.auth.hash_alg().ok_or(rc::SCHEME.at(PolicySigned::AUTH))?;
        let digest = hash(hash_alg, &to_be_signed);
        tpm.verify_signature(object, &digest, &cmd.auth).map_err(|code| {
            let code = if code == rc::SIGNATURE { rc::POLICY_FAIL } else { code };
            code.at(PolicySigned::AUTH)
        })?;
    }
    let (timeout, policy_ticket) = if cmd.expiration < 0 && !trial {
        qualifiers.ticket(tpm, TkAuthTag::Signed, hierarchy, &name)
    } else {
        (Tpm2bTimeout::default(), TpmtTkAuth::null(TkAuthTag::Signed))
    };
    qualifiers.update(tpm.policy_session_mut(cmd.policy_session)?, cc::POLICY_SIGNED, &name);
    Ok(PolicySignedResponse { timeout, policy_ticket })
}

/// TPM2_PolicySecret. Part 3, 23.4. The authorization of authHandle is the assertion.
///
/// # Response codes
/// Those of Part 3, 23.2.2: `VALUE` (nonceTPM), `EXPIRED` (expiration), `CPHASH`, `SIZE` (cpHashA).
pub(crate) fn policy_secret(tpm: &mut Tpm, cmd: PolicySecret) -> Result<PolicySecretResponse, Rc> {
    const PLACES: Places = Places {
        nonce_tpm: PolicySecret::NONCE_TPM,
        cp_hash_a: PolicySecret::CP_HASH_A,
        expiration: PolicySecret::EXPIRATION,
    };
    let entity = cmd.auth_handle.raw();
    let session = tpm.policy_session(cmd.policy_session)?;
    let trial = session.is_trial();
    let mut qualifiers = Qualifiers {
        nonce_tpm: &cmd.nonce_tpm,
        cp_hash_a: &cmd.cp_hash_a,
        policy_ref: &cmd.policy_ref,
        timeout_ms: None,
    };
    if !trial {
        qualifiers.timeout_ms = timeout_ms(session, cmd.expiration, &cmd.nonce_tpm);
        qualifiers.check(tpm, session, &PLACES)?;
    }
    let name = tpm.name_of(entity);
    // A ticket would outlast the uses that a PIN Pass index counts.
    let counted = tpm.pin_index(entity).is_some_and(|(_, nt)| nt == NvType::PinPass);
    let (timeout, policy_ticket) = if cmd.expiration < 0 && !trial && !counted {
        qualifiers.ticket(tpm, TkAuthTag::Secret, tpm.hierarchy_of(entity), &name)
    } else {
        (Tpm2bTimeout::default(), TpmtTkAuth::null(TkAuthTag::Secret))
    };
    qualifiers.update(tpm.policy_session_mut(cmd.policy_session)?, cc::POLICY_SECRET, &name);
    Ok(PolicySecretResponse { timeout, policy_ticket })
}

/// TPM2_PolicyTicket. Part 3, 23.5.
///
/// # Response codes
/// - `SIZE` (timeout): not a timeout of this TPM.
/// - `EXPIRED` (timeout), `CPHASH`, `SIZE` (cpHashA): as Part 3, 23.2.2.
/// - `TICKET` (ticket): not the ticket for these qualifiers.
pub(crate) fn policy_ticket(tpm: &mut Tpm, cmd: PolicyTicket) -> Result<Done, Rc> {
    const PLACES: Places = Places {
        // No nonce is given, so none can be wrong.
        nonce_tpm: PolicyTicket::TIMEOUT,
        cp_hash_a: PolicyTicket::CP_HASH_A,
        expiration: PolicyTicket::TIMEOUT,
    };
    let timeout = cmd.timeout.as_slice().try_into().map(u64::from_be_bytes);
    let timeout = timeout.map_err(|_| rc::SIZE.at(PolicyTicket::TIMEOUT))?;
    let (timeout_ms, until_reset) = (timeout & !UNTIL_RESET, timeout & UNTIL_RESET != 0);
    let qualifiers = Qualifiers {
        nonce_tpm: &[],
        cp_hash_a: &cmd.cp_hash_a,
        policy_ref: &cmd.policy_ref,
        timeout_ms: Some(timeout_ms).filter(|timeout_ms| *timeout_ms != 0),
    };
    let session = tpm.policy_session(cmd.policy_session)?;
    if !session.is_trial() {
        qualifiers.check(tpm, session, &PLACES)?;
        let parts = ticket_parts(tpm, timeout_ms, until_reset);
        let said: [&[u8]; 4] = [&cmd.cp_hash_a, &cmd.policy_ref, &cmd.auth_name, &parts];
        if !ticket::is_auth(tpm, &cmd.ticket, &said) {
            return Err(rc::TICKET.at(PolicyTicket::TICKET));
        }
    }
    let code = match cmd.ticket.tag {
        TkAuthTag::Secret => cc::POLICY_SECRET,
        TkAuthTag::Signed => cc::POLICY_SIGNED,
    };
    qualifiers.update(tpm.policy_session_mut(cmd.policy_session)?, code, &cmd.auth_name);
    Ok(Done {})
}
