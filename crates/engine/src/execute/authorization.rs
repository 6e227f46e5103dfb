//! Authorization. Part 3, 5.6: its checks, in its order.

use super::{
    Request,
    hashes::{self, Nonces},
    policy,
    sessions::{SessionUse, Target, at},
};
use crate::{
    Tpm,
    entity::{Entity, trimmed},
    state::Session,
};
use alloc::{sync::Arc, vec::Vec};
use sigillo_crypto::ct_eq;
use sigillo_types::{
    Fmt1, Rc,
    attributes::{TpmaNv, TpmaObject, TpmaSession},
    cc,
    command::AuthRole,
    handles::{Hierarchy, rh},
    rc,
};
use zeroize::Zeroizing;

/// Checks every session of a command: what it authorizes, and its HMAC.
///
/// # Errors
/// - `LOCKOUT`: a protected authValue may not be tried now.
/// - `AUTH_UNAVAILABLE`, `AUTH_TYPE`: the entity cannot be authorized in this way.
/// - `PCR_CHANGED`, `LOCALITY`: of a policy, as [`policy::check`].
/// - At the session: `PP`, `POLICY_FAIL`, `POLICY_CC`, `EXPIRED`, `MODE` of a policy; `AUTH_FAIL` for a wrong password or HMAC that counts
///   as a failed try, `BAD_AUTH` for one that does not.
pub(super) fn check(tpm: &mut Tpm, request: &mut Request<'_>) -> Result<(), Rc> {
    for index in 0..request.sessions.len() {
        let Some(session) = request.sessions.get(index) else { break };
        let loaded = tpm.session(session.handle).ok().cloned();
        if let Some(loaded) = &loaded
            && loaded.da_bound
        {
            tpm.require_not_locked_out(loaded.lockout_bound)?;
        }
        match session.target {
            Some(target) => authorize(tpm, request, index, target, loaded.as_ref()),
            None => verify_hmac(tpm, request, index, loaded.as_ref()),
        }
        .map_err(|code| place(code, index))?;
    }
    Ok(())
}

/// A code that can say where gets the session's number.
fn place(code: Rc, index: usize) -> Rc {
    match code.fmt1() {
        Some(fmt1) => at(fmt1, index),
        None => code,
    }
}

/// How the caller shows that the entity may be used.
enum Method<'a> {
    Password,
    Hmac(&'a Session),
    Policy(&'a Session),
}

/// Checks that a session authorizes the use of an entity.
fn authorize(
    tpm: &mut Tpm,
    request: &mut Request<'_>,
    index: usize,
    target: Target,
    loaded: Option<&Arc<Session>>,
) -> Result<(), Rc> {
    let code = request.entry.spec.code;
    require_sensitive(tpm, target.handle)?;
    if target.handle == rh::PLATFORM && tpm.needs_presence(code) && !tpm.call.physical_presence {
        return Err(rc::PP.into());
    }
    let method = match loaded {
        None => Method::Password,
        Some(session) if session.policy().is_some() => Method::Policy(session),
        Some(session) => Method::Hmac(session),
    };
    let (includes_auth, by_password) = match &method {
        Method::Password => (true, true),
        Method::Hmac(session) => (!is_bound_to(tpm, session, request, target), false),
        Method::Policy(session) => session.policy().map_or((false, false), |policy| {
            (policy.auth_value_needed || policy.password_needed, policy.password_needed)
        }),
    };
    if includes_auth && !tpm.is_da_exempt(target.handle) {
        tpm.require_not_locked_out(target.handle == rh::LOCKOUT)?;
    }
    match &method {
        Method::Password | Method::Hmac(_) => {
            require_auth_value(tpm, target, code)?;
            require_written(tpm, target.handle, code)?;
        }
        Method::Policy(session) => {
            require_policy(tpm, target, code)?;
            policy::check(tpm, request, target, session)?;
        }
    }
    if includes_auth && tpm.pin_index(target.handle).is_some() && !tpm.is_pin_open(target.handle) {
        return Err(rc::AUTH_UNAVAILABLE);
    }
    if let Some(session) = request.sessions.get_mut(index) {
        session.includes_auth = includes_auth;
        session.unanswered = by_password;
        session.object_auth = object_auth(tpm, target.handle);
    }
    if by_password {
        verify_password(tpm, request, index, target, loaded)?;
    } else {
        verify_hmac(tpm, request, index, loaded)?;
    }
    if includes_auth {
        tpm.count_right_try(target.handle);
    }
    Ok(())
}

/// An object whose public area alone is loaded authorizes nothing.
fn require_sensitive(tpm: &Tpm, handle: u32) -> Result<(), Rc> {
    match tpm.entity(handle) {
        Some(Entity::Object(object)) if object.sensitive.is_none() => Err(rc::AUTH_UNAVAILABLE),
        Some(_) => Ok(()),
        None => Err(rc::AUTH_UNAVAILABLE),
    }
}

/// Whether the authValue may be used in the role. Part 3, 5.6 items 4, 5 and 7.
///
/// An object without userWithAuth answers `AUTH_UNAVAILABLE`, the code Part 2 has for it and every TPM gives.
fn require_auth_value(tpm: &Tpm, target: Target, code: u32) -> Result<(), Rc> {
    let available = match (tpm.entity(target.handle), target.role) {
        (_, AuthRole::Dup) | (Some(Entity::Nv(_)), AuthRole::Admin) => return Err(rc::AUTH_TYPE),
        (Some(Entity::Object(object)), AuthRole::Admin) => {
            if object.attributes().contains(TpmaObject::ADMIN_WITH_POLICY) {
                return Err(rc::AUTH_TYPE);
            }
            true
        }
        (Some(Entity::Permanent(_) | Entity::Act(_)), AuthRole::Admin) => return Err(rc::AUTH_TYPE),
        // Its authValue is the platform's, and only there while the platform is. Part 1, 40.2.
        (Some(Entity::Act(_)), AuthRole::User) => tpm.is_enabled(Hierarchy::Platform),
        (Some(Entity::Object(object)), AuthRole::User) => {
            object.attributes().contains(TpmaObject::USER_WITH_AUTH)
        }
        (Some(Entity::Nv(index)), AuthRole::User) => {
            let pin_secret = code == cc::POLICY_SECRET && tpm.pin_index(target.handle).is_some();
            let needed = if writes_nv(code) { TpmaNv::AUTHWRITE } else { TpmaNv::AUTHREAD };
            pin_secret || index.public.attributes.contains(needed)
        }
        (Some(Entity::Permanent(_) | Entity::Open | Entity::Pcr | Entity::Sequence(_)), AuthRole::User)
        | (Some(Entity::Open | Entity::Pcr | Entity::Sequence(_)), AuthRole::Admin) => true,
        (None, _) => false,
    };
    if available { Ok(()) } else { Err(rc::AUTH_UNAVAILABLE) }
}

/// An index without contents says so before its authValue is tried: nothing is to be learnt or counted. Part 3, 31.1.
fn require_written(tpm: &Tpm, handle: u32, code: u32) -> Result<(), Rc> {
    match tpm.entity(handle) {
        Some(Entity::Nv(index))
            if matches!(code, cc::NV_READ | cc::NV_CERTIFY) && !index.has(TpmaNv::WRITTEN) =>
        {
            Err(rc::NV_UNINITIALIZED)
        }
        _ => Ok(()),
    }
}

/// Whether a policy may be used. An object's Empty Policy is a policy that nothing satisfies.
fn require_policy(tpm: &Tpm, target: Target, code: u32) -> Result<(), Rc> {
    let has_policy = tpm.auth_policy(target.handle).is_some();
    let available = match tpm.entity(target.handle) {
        Some(Entity::Object(_)) => true,
        Some(Entity::Nv(index)) if target.role == AuthRole::User => {
            let needed = if writes_nv(code) { TpmaNv::POLICYWRITE } else { TpmaNv::POLICYREAD };
            has_policy && index.public.attributes.contains(needed)
        }
        Some(Entity::Nv(_) | Entity::Permanent(_) | Entity::Pcr | Entity::Act(_)) => has_policy,
        Some(Entity::Open | Entity::Sequence(_)) | None => false,
    };
    if available { Ok(()) } else { Err(rc::AUTH_UNAVAILABLE) }
}

/// Whether a command changes the index that it is authorized by; the others read it.
fn writes_nv(code: u32) -> bool {
    matches!(code, cc::NV_WRITE | cc::NV_INCREMENT | cc::NV_EXTEND | cc::NV_SET_BITS | cc::NV_WRITE_LOCK)
}

/// Whether an HMAC session is bound to the entity as it is now: then the authValue is in the session key already. Part 1, 16.6.10.
fn is_bound_to(tpm: &Tpm, session: &Session, request: &Request<'_>, target: Target) -> bool {
    let name = request.names.get(target.index);
    let auth = tpm.auth_value(target.handle);
    session
        .bound_to
        .as_ref()
        .is_some_and(|bound| Some(&bound.name) == name && auth.is_some_and(|auth| ct_eq(auth, &bound.auth)))
}

/// The authValue of an object or sequence, which the response uses as it was before the command.
fn object_auth(tpm: &Tpm, handle: u32) -> Option<Zeroizing<Vec<u8>>> {
    match tpm.entity(handle)? {
        Entity::Object(_) | Entity::Sequence(_) => {
            tpm.auth_value(handle).map(|auth| Zeroizing::new(auth.to_vec()))
        }
        Entity::Permanent(_) | Entity::Open | Entity::Pcr | Entity::Act(_) | Entity::Nv(_) => None,
    }
}

/// Compares a password with the authValue. Zeros at the end count in neither. Part 1, 16.4.
fn verify_password(
    tpm: &mut Tpm,
    request: &Request<'_>,
    index: usize,
    target: Target,
    loaded: Option<&Arc<Session>>,
) -> Result<(), Rc> {
    let password = request.sessions.get(index).map_or(&[][..], |session| trimmed(session.proof));
    if tpm.auth_value(target.handle).is_some_and(|auth| ct_eq(auth, password)) {
        return Ok(());
    }
    Err(blame(tpm, Some(target.handle), true, loaded).into())
}

/// Checks the HMAC of a session. With an empty key it may be left out. Part 1, 16.6.5 and 16.6.16.
fn verify_hmac(
    tpm: &mut Tpm,
    request: &mut Request<'_>,
    index: usize,
    loaded: Option<&Arc<Session>>,
) -> Result<(), Rc> {
    let Some(loaded) = loaded else { return Err(rc::FAILURE) };
    let cp_hash = request.cp_hash(loaded.auth_hash);
    let Some(session) = request.sessions.get_mut(index) else { return Err(rc::FAILURE) };
    let (includes_auth, target) = (session.includes_auth, session.target);
    if session.proof.is_empty() && hmac_key(tpm, loaded, session).iter().all(|part| part.is_empty()) {
        session.unanswered = true;
        return Ok(());
    }
    let Some(session) = request.sessions.get(index) else { return Err(rc::FAILURE) };
    let key = hmac_key(tpm, loaded, session);
    let nonces = Nonces {
        newer: session.nonce_caller,
        older: &loaded.nonce_tpm,
        ..if index == 0 && target.is_some() {
            other_nonces(tpm, &request.sessions)
        } else {
            Nonces::default()
        }
    };
    let expected = hashes::session_hmac(loaded.auth_hash, key, &cp_hash, nonces, session.attributes);
    if ct_eq(&expected, session.proof) {
        return Ok(());
    }
    Err(blame(tpm, target.map(|target| target.handle), includes_auth, Some(loaded)).into())
}

/// The key of a session's HMAC, in its parts: sessionKey, and the entity's authValue if it is included.
pub(super) fn hmac_key<'a>(tpm: &'a Tpm, loaded: &'a Session, session: &'a SessionUse<'_>) -> [&'a [u8]; 2] {
    [&loaded.key, if session.includes_auth { target_auth(tpm, session) } else { &[] }]
}

/// The value parameters are encrypted with, in its parts: sessionKey, and the authValue of the entity that the session authorizes. Part 1, 18.1.
pub(super) fn session_value<'a>(
    tpm: &'a Tpm,
    loaded: &'a Session,
    session: &'a SessionUse<'_>,
) -> [&'a [u8]; 2] {
    [&loaded.key, target_auth(tpm, session)]
}

/// The authValue that the HMAC or encryption of a session uses: of an object as it was before the command, of a hierarchy or NV index as it
/// is now, of one that is gone none. Part 3, 12.8, 24.6, 24.8, 31.5 and 31.15.
fn target_auth<'a>(tpm: &'a Tpm, session: &'a SessionUse<'_>) -> &'a [u8] {
    match (&session.object_auth, session.target) {
        (Some(auth), _) => auth,
        (None, Some(target)) => tpm.auth_value(target.handle).unwrap_or_default(),
        (None, None) => &[],
    }
}

/// nonceTPM of the sessions behind the first that decrypt and encrypt: without them they could be taken away unseen. Part 1, 16.6.3.4.
fn other_nonces<'a>(tpm: &'a Tpm, sessions: &[SessionUse<'_>]) -> Nonces<'a> {
    let with = |attribute| {
        sessions.iter().skip(1).find(|session| session.has(attribute)).map(|session| session.handle)
    };
    let nonce = |handle: Option<u32>| {
        handle
            .and_then(|handle| tpm.session(handle).ok())
            .map_or(&[][..], |session| session.nonce_tpm.as_slice())
    };
    let decrypt = with(TpmaSession::DECRYPT);
    let encrypt = with(TpmaSession::ENCRYPT).filter(|handle| Some(*handle) != decrypt);
    Nonces { decrypt: nonce(decrypt), encrypt: nonce(encrypt), ..Nonces::default() }
}

/// Remembers a wrong try, to be counted once the command is undone, and says its code.
fn blame(tpm: &mut Tpm, entity: Option<u32>, auth_used: bool, loaded: Option<&Arc<Session>>) -> Fmt1 {
    let wrong = tpm.wrong_try(entity, auth_used, loaded.map(|session| &**session));
    tpm.call.wrong_try = Some(wrong);
    wrong.code()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigillo_types::Position;

    #[test]
    fn only_codes_that_have_a_place_get_one() {
        assert_eq!(place(rc::AUTH_FAIL.into(), 0), rc::AUTH_FAIL.at(Position::Session(1)));
        assert_eq!(place(rc::LOCKOUT, 1), rc::LOCKOUT);
    }
}
