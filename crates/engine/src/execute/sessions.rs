//! The authorization area. Part 3, 5.5 and Part 1, 15.6.

use super::header::Header;
use crate::{Tpm, few::Few, session::NoSession};
use alloc::vec::Vec;
use sigillo_types::{
    Fmt1, Position, Rc, Reader, Unmarshal,
    attributes::TpmaSession,
    buffers::{Tpm2bAuth, Tpm2bNonce},
    command::{AuthRole, CommandSpec},
    handles::{HandleType, rh},
    rc,
};
use zeroize::Zeroizing;

/// The most sessions in a command.
pub(crate) const MAX_SESSIONS: usize = 3;
/// The smallest authorization: handle, empty nonce, attributes, empty HMAC.
const MIN_SIZE: usize = 9;

/// What a session authorizes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    /// The handle of the entity.
    pub(super) handle: u32,
    /// Its place in the handle area.
    pub(super) index: usize,
    pub(super) role: AuthRole,
}

/// The sessions of a command, in their order.
pub(super) type Sessions<'a> = Few<SessionUse<'a>, MAX_SESSIONS>;

/// One session of a command, or a password.
#[derive(Default)]
pub(super) struct SessionUse<'a> {
    /// TPM_RS_PW for a password.
    pub(super) handle: u32,
    pub(super) nonce_caller: &'a [u8],
    pub(super) attributes: TpmaSession,
    /// The HMAC or password.
    pub(super) proof: &'a [u8],
    /// `None`: it decrypts, encrypts or audits only.
    pub(super) target: Option<Target>,
    /// The entity's authValue is part of the HMAC key. Decided by the authorization, and the same in the response.
    pub(super) includes_auth: bool,
    /// The answer carries no HMAC: a password was given, or the key is empty and the caller left the HMAC out.
    pub(super) unanswered: bool,
    /// The authValue of an object as it was: what the command does to it does not change the response.
    pub(super) object_auth: Option<Zeroizing<Vec<u8>>>,
    /// nonceTPM of the response; empty until there is one.
    pub(super) nonce_tpm: Tpm2bNonce,
}

impl SessionUse<'_> {
    pub(super) fn is_password(&self) -> bool {
        self.handle == rh::PW
    }

    pub(super) fn has(&self, attribute: TpmaSession) -> bool {
        self.attributes.contains(attribute)
    }
}

/// `code` about the session at `index`, counted from 0.
pub(super) fn at(code: Fmt1, index: usize) -> Rc {
    code.at(Position::Session(u8::try_from(index + 1).unwrap_or(7)))
}

/// Reads the sessions of a command, checks that they go together, and gives the parameter area behind them.
///
/// # Errors
/// - `AUTH_CONTEXT`: the command takes no sessions.
/// - `AUTH_MISSING`: fewer authorizations than handles that need one.
/// - `AUTHSIZE`: authorizationSize is out of range or not the size of at most three sessions.
/// - `REFERENCE_S0` and following: the session is not loaded.
/// - `EXCLUSIVE`: it must be the exclusive audit session and is not.
/// - At the session: `INSUFFICIENT`, `SIZE` and `RESERVED_BITS` of its fields; `HANDLE` for a handle that is no session's, is of the other
///   type, or was used before; `ATTRIBUTES` for attributes that are not allowed together or with the command, or a trial session; `NONCE`
///   for a password with a nonce; `SYMMETRIC` if it is to encrypt without an algorithm.
pub(super) fn read<'a>(
    tpm: &Tpm,
    header: &Header<'a>,
    handles: &[u32],
    rest: &'a [u8],
) -> Result<(Sessions<'a>, &'a [u8]), Rc> {
    let spec = header.entry.spec;
    if !header.has_sessions {
        return if spec.authorizations() == 0 {
            Ok((Sessions::default(), rest))
        } else {
            Err(rc::AUTH_MISSING)
        };
    }
    if spec.no_sessions {
        return Err(rc::AUTH_CONTEXT);
    }
    let mut r = Reader::new(rest);
    let size = usize::try_from(u32::unmarshal(&mut r)?).map_err(|_| rc::AUTHSIZE)?;
    if size < MIN_SIZE {
        return Err(rc::AUTHSIZE);
    }
    let area = r.take(size).map_err(|_| rc::AUTHSIZE)?;
    let mut sessions = read_area(tpm, spec, area)?;

    let needed = spec.handles.iter().zip(handles).enumerate();
    let needed = needed
        .filter_map(|(index, (field, handle))| Some(Target { handle: *handle, index, role: field.auth? }));
    if sessions.len() < spec.authorizations() {
        return Err(rc::AUTH_MISSING);
    }
    for (session, target) in sessions.iter_mut().zip(needed) {
        session.target = Some(target);
    }
    for (index, session) in sessions.iter().enumerate() {
        check_purpose(tpm, session).map_err(|code| at(code, index))?;
    }
    Ok((sessions, r.rest()))
}

/// Reads all sessions of an authorization area.
fn read_area<'a>(tpm: &Tpm, spec: &CommandSpec, area: &'a [u8]) -> Result<Sessions<'a>, Rc> {
    let mut r = Reader::new(area);
    let mut sessions = Sessions::default();
    while !r.rest().is_empty() {
        let index = sessions.len();
        if index == MAX_SESSIONS {
            return Err(rc::AUTHSIZE);
        }
        let session = read_session(&mut r).map_err(|code| at(code, index))?;
        check_session(tpm, spec, &session, &sessions, index)?;
        let fits = sessions.push(session);
        debug_assert!(fits);
    }
    Ok(sessions)
}

fn read_session<'a>(r: &mut Reader<'a>) -> Result<SessionUse<'a>, Fmt1> {
    let handle = u32::unmarshal(r)?;
    let is_session =
        matches!(HandleType::of(handle), Some(HandleType::HmacSession | HandleType::PolicySession));
    if !is_session && handle != rh::PW {
        return Err(rc::HANDLE);
    }
    Ok(SessionUse {
        handle,
        nonce_caller: r.sized(Tpm2bNonce::MAX)?,
        attributes: TpmaSession::unmarshal(r)?,
        proof: r.sized(Tpm2bAuth::MAX)?,
        ..SessionUse::default()
    })
}

/// Checks one session by itself and beside those before it.
fn check_session(
    tpm: &Tpm,
    spec: &CommandSpec,
    session: &SessionUse<'_>,
    earlier: &[SessionUse<'_>],
    index: usize,
) -> Result<(), Rc> {
    let refuse = |code| Err(at(code, index));
    let wants = |attribute| session.attributes.intersects(attribute);
    if session.is_password() {
        if session.attributes.intersects(TpmaSession::CONTINUE_SESSION.complement()) {
            return refuse(rc::ATTRIBUTES);
        }
        return if session.nonce_caller.is_empty() { Ok(()) } else { refuse(rc::NONCE) };
    }
    let loaded = match tpm.session(session.handle) {
        Ok(loaded) => loaded,
        Err(NoSession::NotLoaded) => return Err(rc::reference_s(u8::try_from(index).unwrap_or(7))),
        Err(NoSession::OtherType) => return refuse(rc::HANDLE),
    };
    if earlier.iter().any(|other| other.handle == session.handle) {
        return refuse(rc::HANDLE);
    }
    for attribute in [TpmaSession::DECRYPT, TpmaSession::ENCRYPT, TpmaSession::AUDIT] {
        if wants(attribute) && earlier.iter().any(|other| other.has(attribute)) {
            return refuse(rc::ATTRIBUTES);
        }
    }
    if (wants(TpmaSession::DECRYPT) && !spec.can_decrypt())
        || (wants(TpmaSession::ENCRYPT) && !spec.can_encrypt())
    {
        return refuse(rc::ATTRIBUTES);
    }
    if wants(TpmaSession::DECRYPT | TpmaSession::ENCRYPT) && loaded.symmetric.is_none() {
        return refuse(rc::SYMMETRIC);
    }
    if wants(TpmaSession::AUDIT) {
        if loaded.policy().is_some() {
            return refuse(rc::ATTRIBUTES);
        }
        let exclusive = tpm.state.volatile.exclusive_audit == Some(session.handle);
        if wants(TpmaSession::AUDIT_EXCLUSIVE) && !exclusive {
            return Err(rc::EXCLUSIVE);
        }
    } else if wants(TpmaSession::AUDIT_EXCLUSIVE | TpmaSession::AUDIT_RESET) {
        return refuse(rc::ATTRIBUTES);
    }
    Ok(())
}

/// Checks that a session is there for something: it authorizes, decrypts, encrypts or audits. A trial session does nothing of this.
fn check_purpose(tpm: &Tpm, session: &SessionUse<'_>) -> Result<(), Fmt1> {
    if session.is_password() {
        return if session.target.is_some() { Ok(()) } else { Err(rc::HANDLE) };
    }
    if tpm.session(session.handle).is_ok_and(|loaded| loaded.is_trial()) {
        return Err(rc::ATTRIBUTES);
    }
    let purpose = TpmaSession::DECRYPT | TpmaSession::ENCRYPT | TpmaSession::AUDIT;
    if session.target.is_none() && !session.attributes.intersects(purpose) {
        return Err(rc::ATTRIBUTES);
    }
    Ok(())
}
