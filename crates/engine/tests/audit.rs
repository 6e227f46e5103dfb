//! Audit sessions and command audit. Part 3, 18.5, 18.6 and 21; Part 1, 17 and 32.

mod common;
mod support;

use common::{TestTpm, power_cycle, refused, shutdown, started, startup};
use sigillo_client::{Auth, Session, SessionOptions, template};
use sigillo_crypto::hash::hash;
use sigillo_types::{
    EccCurve, HashAlg, Marshal, Position, Reader, Unmarshal,
    attributes::TpmaSession,
    buffers::{Tpm2bAuth, Tpm2bData},
    cc,
    command::{Command, Response},
    commands::{
        FlushContext, GetCommandAuditDigest, GetRandom, GetSessionAuditDigest, Hash, HierarchyChangeAuth,
        ReadPublic, SetCommandCodeAuditStatus,
    },
    constants::{SessionType, StartupType},
    handles::{
        ContextHandle, EndorsementHandle, EntityHandle, Hierarchy, HierarchyAuthHandle, HmacSessionHandle,
        ObjectHandle, ProvisionHandle,
    },
    rc,
    structures::{Attested, EccScheme, TpmlCc, TpmsAttest, TpmsCommandAuditInfo, TpmsSessionAuditInfo},
};
use support::primary;

const SHA256: HashAlg = HashAlg::Sha256;
const AUDIT: TpmaSession = TpmaSession::AUDIT.union(TpmaSession::CONTINUE_SESSION);
const ZERO: [u8; 32] = [0; 32];

fn hmac_session(tpm: &mut TestTpm) -> Session {
    tpm.start_session(SessionOptions::new(SessionType::Hmac, SHA256)).unwrap()
}

/// A command whose answer is always the same.
fn hash_command() -> Hash {
    Hash { data: b"abc".to_vec().try_into().unwrap(), hash_alg: SHA256, hierarchy: Hierarchy::Null }
}

/// Runs the command with an audit session and says whether the session is exclusive.
fn audited(
    tpm: &mut TestTpm,
    session: &mut Session,
    attributes: TpmaSession,
) -> Result<bool, sigillo_types::Rc> {
    let result = tpm.call_with(&hash_command(), &mut [Auth::session_with(session, b"", attributes)]);
    result.map_err(|error| error.rc().expect("the TPM answers"))?;
    let reply = &tpm.transport().last_reply;
    let mut r = Reader::new(&reply[10..]);
    let size = u32::unmarshal(&mut r).unwrap();
    r.take(size as usize).unwrap();
    r.sized(64).unwrap();
    Ok(TpmaSession::unmarshal(&mut r).unwrap().contains(TpmaSession::AUDIT_EXCLUSIVE))
}

fn attested(attest: &[u8]) -> Attested {
    TpmsAttest::from_bytes(attest).unwrap().attested
}

fn session_info(tpm: &mut TestTpm, session: &Session) -> TpmsSessionAuditInfo {
    let command = GetSessionAuditDigest {
        privacy_admin_handle: EndorsementHandle::Endorsement,
        sign_handle: None,
        session_handle: HmacSessionHandle::new(session.handle).unwrap(),
        qualifying_data: Tpm2bData::default(),
        in_scheme: None,
    };
    match attested(&tpm.call(&command).unwrap().audit_info) {
        Attested::SessionAudit(info) => info,
        other => panic!("{other:?}"),
    }
}

/// cpHash and rpHash of a command without handles, for its answer.
fn hashes<C: Command>(command: &C, answer: &C::Response) -> [Vec<u8>; 2] {
    let mut parameters = Vec::new();
    answer.marshal_parameters(&mut parameters);
    let rp_hash = hash(SHA256, &[&0_u32.to_bytes(), &C::SPEC.code.to_bytes(), &parameters]).to_vec();
    [sigillo_client::session::cp_hash(SHA256, command, &[]), rp_hash]
}

#[test]
fn an_audit_digest_is_extended_with_what_was_asked_and_answered() {
    let mut tpm = started();
    let mut session = hmac_session(&mut tpm);
    let answer = tpm.call(&hash_command()).unwrap();
    let [cp_hash, rp_hash] = hashes(&hash_command(), &answer);
    audited(&mut tpm, &mut session, AUDIT).unwrap();
    let once = hash(SHA256, &[&ZERO, &cp_hash, &rp_hash]);
    let twice = hash(SHA256, &[&once, &cp_hash, &rp_hash]);
    audited(&mut tpm, &mut session, AUDIT).unwrap();
    assert_eq!(session_info(&mut tpm, &session).session_digest.as_slice(), &*twice);
    audited(&mut tpm, &mut session, AUDIT | TpmaSession::AUDIT_RESET).unwrap();
    assert_eq!(session_info(&mut tpm, &session).session_digest.as_slice(), &*once);
}

#[test]
fn a_session_that_never_audited_has_no_digest() {
    let mut tpm = started();
    let session = hmac_session(&mut tpm);
    let command = GetSessionAuditDigest {
        privacy_admin_handle: EndorsementHandle::Endorsement,
        sign_handle: None,
        session_handle: HmacSessionHandle::new(session.handle).unwrap(),
        qualifying_data: Tpm2bData::default(),
        in_scheme: None,
    };
    assert_eq!(refused(&mut tpm, &command), rc::TYPE.at(GetSessionAuditDigest::SESSION_HANDLE));
    let storage = support::primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let by_parent = GetSessionAuditDigest { sign_handle: Some(storage), ..command };
    let no_signer = rc::KEY.at(GetSessionAuditDigest::SIGN_HANDLE);
    assert_eq!(refused(&mut tpm, &by_parent), no_signer, "the signer comes first");
}

#[test]
fn a_session_is_exclusive_until_another_command_comes() {
    let mut tpm = started();
    let mut session = hmac_session(&mut tpm);
    let exclusive = AUDIT | TpmaSession::AUDIT_EXCLUSIVE;
    assert_eq!(audited(&mut tpm, &mut session, exclusive), Err(rc::EXCLUSIVE), "not before its first use");
    assert_eq!(audited(&mut tpm, &mut session, AUDIT), Ok(true));
    assert_eq!(audited(&mut tpm, &mut session, exclusive), Ok(true));
    // A command that fails changes nothing.
    let absent = ObjectHandle::new(0x8000_0000).unwrap();
    assert_eq!(refused(&mut tpm, &ReadPublic { object_handle: absent }), rc::REFERENCE_H0);
    assert_eq!(audited(&mut tpm, &mut session, exclusive), Ok(true));
    tpm.call(&GetRandom { bytes_requested: 1 }).unwrap();
    assert_eq!(audited(&mut tpm, &mut session, exclusive), Err(rc::EXCLUSIVE));
    assert_eq!(audited(&mut tpm, &mut session, AUDIT), Ok(false));
    assert_eq!(audited(&mut tpm, &mut session, AUDIT | TpmaSession::AUDIT_RESET), Ok(true));
}

#[test]
fn a_command_that_takes_no_sessions_leaves_the_exclusive_one_alone() {
    let mut tpm = started();
    let other = hmac_session(&mut tpm);
    let mut session = hmac_session(&mut tpm);
    assert_eq!(audited(&mut tpm, &mut session, AUDIT), Ok(true));
    let flush_handle = ContextHandle::new(other.handle).unwrap();
    tpm.call(&FlushContext { flush_handle }).unwrap();
    assert_eq!(audited(&mut tpm, &mut session, AUDIT | TpmaSession::AUDIT_EXCLUSIVE), Ok(true));
}

#[test]
fn the_audit_digest_says_whether_its_session_was_exclusive() {
    let mut tpm = started();
    let mut session = hmac_session(&mut tpm);
    audited(&mut tpm, &mut session, AUDIT).unwrap();
    assert!(session_info(&mut tpm, &session).exclusive_session);
    assert!(!session_info(&mut tpm, &session).exclusive_session, "that command was not audited");
}

#[test]
fn a_bound_session_that_audits_is_bound_no_longer() {
    let mut tpm = started();
    let auth = || Tpm2bAuth::new(b"owner").unwrap();
    let change = HierarchyChangeAuth { auth_handle: HierarchyAuthHandle::Owner, new_auth: auth() };
    tpm.call(&change).unwrap();
    let bind = Some((EntityHandle::Owner, &b"owner"[..]));
    let mut session =
        tpm.start_session(SessionOptions { bind, ..SessionOptions::new(SessionType::Hmac, SHA256) }).unwrap();
    session.includes_auth = false;
    let audit = &mut [Auth::session_with(&mut session, b"owner", AUDIT)];
    tpm.call_with(&change, audit).unwrap();
    let stale = tpm.call_with(&change, &mut [Auth::session(&mut session, b"owner")]).unwrap_err();
    assert_eq!(stale.rc(), Some(rc::BAD_AUTH.at(Position::Session(1))));
    session.includes_auth = true;
    tpm.call_with(&change, &mut [Auth::session(&mut session, b"owner")]).unwrap();
}

/// A TPM whose command audit uses SHA-256.
fn started_sha256() -> TestTpm {
    let mut tpm = started();
    tpm.call(&set_status(Some(SHA256), &[], &[])).unwrap();
    tpm
}

fn set_status(audit_alg: Option<HashAlg>, set: &[u32], clear: &[u32]) -> SetCommandCodeAuditStatus {
    SetCommandCodeAuditStatus {
        auth: ProvisionHandle::Owner,
        audit_alg,
        set_list: TpmlCc::new(set.to_vec()).unwrap(),
        clear_list: TpmlCc::new(clear.to_vec()).unwrap(),
    }
}

fn command_info(tpm: &mut TestTpm, sign_handle: Option<ObjectHandle>) -> TpmsCommandAuditInfo {
    let command = GetCommandAuditDigest {
        privacy_handle: EndorsementHandle::Endorsement,
        sign_handle,
        qualifying_data: Tpm2bData::default(),
        in_scheme: None,
    };
    match attested(&tpm.call(&command).unwrap().audit_info) {
        Attested::CommandAudit(info) => info,
        other => panic!("{other:?}"),
    }
}

/// H(codes), ascending.
fn command_digest(codes: &[u32]) -> Vec<u8> {
    hash(SHA256, &[&codes.iter().flat_map(|code| code.to_be_bytes()).collect::<Vec<_>>()]).to_vec()
}

#[test]
fn audited_commands_are_logged_with_and_without_sessions() {
    let mut tpm = started_sha256();
    let set = set_status(None, &[cc::HASH, cc::SHUTDOWN, 0x1FFF], &[]);
    tpm.call(&set).unwrap();
    let started_log = command_info(&mut tpm, None);
    assert_eq!(started_log.audit_counter, 1, "setting the list is audited itself");
    assert_eq!(started_log.digest_alg, SHA256.id());
    let audited_codes = [cc::SET_COMMAND_CODE_AUDIT_STATUS, cc::HASH];
    assert_eq!(started_log.command_digest.as_slice(), command_digest(&audited_codes));

    let answer = tpm.call(&hash_command()).unwrap();
    let [cp_hash, rp_hash] = hashes(&hash_command(), &answer);
    let logged = hash(SHA256, &[&started_log.audit_digest, &cp_hash, &rp_hash]);
    assert_eq!(command_info(&mut tpm, None).audit_digest.as_slice(), &*logged);
    let mut session = hmac_session(&mut tpm);
    audited(&mut tpm, &mut session, AUDIT).unwrap();
    let logged = hash(SHA256, &[&logged, &cp_hash, &rp_hash]);
    let info = command_info(&mut tpm, None);
    assert_eq!(info.audit_digest.as_slice(), &*logged);
    assert_eq!(info.audit_counter, 1);
    tpm.call(&GetRandom { bytes_requested: 1 }).unwrap();
    assert_eq!(command_info(&mut tpm, None).audit_digest.as_slice(), &*logged, "not audited");
}

#[test]
fn a_signed_log_ends_and_the_next_one_counts() {
    let mut tpm = started_sha256();
    tpm.call(&set_status(None, &[cc::HASH], &[])).unwrap();
    let scheme = Some(EccScheme::Ecdsa { hash_alg: SHA256 });
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, scheme, false));
    assert_eq!(command_info(&mut tpm, Some(key)).audit_digest.len(), 32);
    assert_eq!(command_info(&mut tpm, None).audit_digest.len(), 0);
    let answer = tpm.call(&hash_command()).unwrap();
    let [cp_hash, rp_hash] = hashes(&hash_command(), &answer);
    let info = command_info(&mut tpm, None);
    assert_eq!(info.audit_digest.as_slice(), &*hash(SHA256, &[&ZERO, &cp_hash, &rp_hash]));
    assert_eq!(info.audit_counter, 2);
}

#[test]
fn the_audit_algorithm_changes_alone_and_unlogged() {
    let mut tpm = started_sha256();
    let both = set_status(Some(HashAlg::Sha384), &[cc::HASH], &[]);
    assert_eq!(refused(&mut tpm, &both), rc::VALUE.at(SetCommandCodeAuditStatus::AUDIT_ALG));
    tpm.call(&set_status(Some(SHA256), &[cc::HASH], &[])).unwrap();
    tpm.call(&set_status(Some(HashAlg::Sha384), &[], &[])).unwrap();
    let info = command_info(&mut tpm, None);
    assert_eq!((info.digest_alg, info.audit_digest.len(), info.audit_counter), (HashAlg::Sha384.id(), 0, 1));
    tpm.call(&hash_command()).unwrap();
    let info = command_info(&mut tpm, None);
    assert_eq!((info.audit_digest.len(), info.audit_counter), (48, 2));
    // What sets the list cannot be taken out of it.
    tpm.call(&set_status(None, &[], &[cc::HASH, cc::SET_COMMAND_CODE_AUDIT_STATUS])).unwrap();
    let only = hash(HashAlg::Sha384, &[&cc::SET_COMMAND_CODE_AUDIT_STATUS.to_be_bytes()]);
    assert_eq!(command_info(&mut tpm, None).command_digest.as_slice(), &*only);
}

#[test]
fn the_log_survives_an_orderly_shutdown_and_no_other() {
    let mut tpm = started_sha256();
    tpm.call(&set_status(None, &[cc::HASH], &[])).unwrap();
    tpm.call(&hash_command()).unwrap();
    let before = command_info(&mut tpm, None);
    shutdown(&mut tpm, StartupType::State).unwrap();
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::State).unwrap();
    assert_eq!(command_info(&mut tpm, None), before);
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::Clear).unwrap();
    let after = command_info(&mut tpm, None);
    assert_eq!((after.audit_digest.len(), after.audit_counter), (0, before.audit_counter));
    assert_eq!(after.command_digest, before.command_digest);
}
