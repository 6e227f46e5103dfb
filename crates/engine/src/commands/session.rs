//! Session commands. Part 3, 11.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    entity::Entity,
    secret::Secret,
    state::{
        Session, SessionSlot,
        session::{Bound, Policy, SessionKind},
    },
};
use alloc::{sync::Arc, vec, vec::Vec};
use sigillo_crypto::{Rng, kdf::kdfa};
use sigillo_types::{
    Rc,
    alg::{ObjectType, SymMode},
    attributes::TpmaObject,
    buffers::Tpm2bNonce,
    command::Done,
    commands::{PolicyRestart, StartAuthSession, StartAuthSessionResponse},
    constants::SessionType,
    handles::{hc, rh},
    rc,
    structures::SymDef,
};
use zeroize::Zeroizing;

pub(crate) const COMMANDS: &[Entry] = entries![
    StartAuthSession => start_auth_session,
    PolicyRestart => policy_restart,
];

/// The label of a salt's encapsulation. Part 1, 16.6.13.
const SALT_LABEL: &[u8] = b"SECRET";
/// The fewest octets in nonceCaller when a session starts.
const MIN_NONCE: usize = 16;

/// TPM2_StartAuthSession. Part 3, 11.1.
///
/// # Response codes
/// - `SIZE` (nonceCaller): below 16 octets or above the digest of authHash.
/// - `KEY`, `HANDLE`, `ATTRIBUTES` (tpmKey): not asymmetric, without its sensitive area, or not for decryption.
/// - `VALUE` (encryptedSalt): not empty without tpmKey, or not a salt for tpmKey.
/// - `HANDLE` (bind): without its sensitive area, or a PIN index.
/// - `MODE` (symmetric): a block cipher in another mode than CFB.
/// - `SESSION_MEMORY`, `CONTEXT_GAP`, `SESSION_HANDLES`: no place for another session.
pub(crate) fn start_auth_session(
    tpm: &mut Tpm,
    cmd: StartAuthSession,
) -> Result<StartAuthSessionResponse, Rc> {
    let digest_size = cmd.auth_hash.digest_size();
    if cmd.nonce_caller.len() < MIN_NONCE || cmd.nonce_caller.len() > digest_size {
        return Err(rc::SIZE.at(StartAuthSession::NONCE_CALLER));
    }
    let salt = salt(tpm, &cmd)?;
    let bind = cmd.bind.map(|bind| bind.raw());
    if let Some(bind) = bind {
        check_bind(tpm, bind)?;
    }
    let cipher = cmd.symmetric.and_then(SymDef::block_cipher);
    if cipher.is_some_and(|cipher| cipher.mode() != Some(SymMode::Cfb)) {
        return Err(rc::MODE.at(StartAuthSession::SYMMETRIC));
    }
    let index = tpm.free_session()?;

    let mut nonce = vec![0; cmd.nonce_caller.len()];
    tpm.rng.fill(&mut nonce);
    let nonce_tpm = Tpm2bNonce::try_from(nonce)?;
    let key = if bind.is_some() || salt.is_some() {
        let auth = bind.and_then(|bind| tpm.auth_value(bind)).unwrap_or_default();
        let secret = Zeroizing::new([auth, salt.as_deref().unwrap_or_default()].concat());
        // A digest's size always fits.
        let bits = u32::try_from(digest_size * 8).unwrap_or_default();
        Secret::new(kdfa(cmd.auth_hash, &secret, b"ATH", &nonce_tpm, &cmd.nonce_caller, bits).to_vec())
    } else {
        Secret::default()
    };
    let (kind, range) = match cmd.session_type {
        SessionType::Hmac => (SessionKind::Hmac, hc::HMAC_SESSION),
        SessionType::Policy => (SessionKind::Policy(Policy::start(digest_size)), hc::POLICY_SESSION),
        SessionType::Trial => (SessionKind::Trial(Policy::start(digest_size)), hc::POLICY_SESSION),
    };
    let session = Session {
        handle: range + index,
        auth_hash: cmd.auth_hash,
        key,
        nonce_tpm: nonce_tpm.clone(),
        symmetric: cmd.symmetric,
        bound_to: bind.filter(|_| cmd.session_type == SessionType::Hmac).map(|bind| bound(tpm, bind)),
        kind,
        audit_digest: None,
        start_ms: tpm.time_ms(),
        time_epoch: tpm.time_epoch(),
        da_bound: bind.is_some_and(|bind| !tpm.is_da_exempt(bind)),
        lockout_bound: bind == Some(rh::LOCKOUT),
    };
    let session_handle = session.handle;
    tpm.state.volatile_mut().sessions.insert(index, SessionSlot::Loaded(Arc::new(session)));
    Ok(StartAuthSessionResponse { session_handle, nonce_tpm })
}

/// Recovers the salt, if there is one.
fn salt(tpm: &mut Tpm, cmd: &StartAuthSession) -> Result<Option<Secret>, Rc> {
    let bad_salt = || rc::VALUE.at(StartAuthSession::ENCRYPTED_SALT);
    let Some(handle) = cmd.tpm_key else {
        return if cmd.encrypted_salt.is_empty() { Ok(None) } else { Err(bad_salt()) };
    };
    let bad_key = |code: sigillo_types::Fmt1| code.at(StartAuthSession::TPM_KEY);
    // A sequence is not an asymmetric key either.
    let key = Arc::clone(tpm.object(handle.raw()).map_err(|_| bad_key(rc::KEY))?);
    match key.public.object_type() {
        ObjectType::Rsa | ObjectType::Ecc => {}
        ObjectType::KeyedHash | ObjectType::SymCipher => return Err(bad_key(rc::KEY)),
    }
    if cmd.encrypted_salt.is_empty() {
        return Err(bad_salt());
    }
    if key.sensitive.is_none() {
        return Err(bad_key(rc::HANDLE));
    }
    if !key.attributes().contains(TpmaObject::DECRYPT) {
        return Err(bad_key(rc::ATTRIBUTES));
    }
    tpm.decrypt_secret(&key, &cmd.encrypted_salt, SALT_LABEL).map(Some).map_err(|_| bad_salt())
}

/// Whether a session may be bound to an entity: its authValue is here. An object without a Name is told from others by that alone.
fn check_bind(tpm: &Tpm, bind: u32) -> Result<(), Rc> {
    let possible = match tpm.entity(bind) {
        Some(Entity::Object(object)) => object.sensitive.is_some(),
        Some(Entity::Nv(_)) => tpm.pin_index(bind).is_none(),
        Some(Entity::Permanent(_) | Entity::Open | Entity::Pcr) => true,
        // TPMI_DH_ENTITY has no timers. Part 2, 9.6.
        Some(Entity::Act(_) | Entity::Sequence(_)) | None => false,
    };
    if possible { Ok(()) } else { Err(rc::HANDLE.at(StartAuthSession::BIND)) }
}

/// The entity as it is now.
fn bound(tpm: &Tpm, bind: u32) -> Bound {
    let auth: Vec<u8> = tpm.auth_value(bind).unwrap_or_default().to_vec();
    Bound { name: tpm.name_of(bind), auth: Secret::new(auth) }
}

/// TPM2_PolicyRestart. Part 3, 11.2.
///
/// nonceTPM and the start time stay, so the assertions can be made again.
pub(crate) fn policy_restart(tpm: &mut Tpm, cmd: PolicyRestart) -> Result<Done, Rc> {
    tpm.policy_session_mut(cmd.session_handle)?.restart_policy();
    Ok(Done {})
}
