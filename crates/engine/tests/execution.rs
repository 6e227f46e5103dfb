//! What happens to a command before and after its actions. Part 3, 5.

mod common;
mod support;

use common::{TestTpm, power_cycle, powered, refused, started, wait_ms};
use sigillo_client::{Auth, SessionOptions, template};
use sigillo_types::{
    EccCurve, HashAlg, Marshal, Position, Rc, Reader, Unmarshal,
    alg::{AesKeyBits, SymMode},
    attributes::TpmaSession,
    buffers::{Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bMaxBuffer},
    cc,
    command::Command,
    commands::{
        Certify, DictionaryAttackLockReset, DictionaryAttackParameters, GetCapability, GetRandom,
        GetTestResult, Hash, HierarchyChangeAuth, HierarchyControl, NvReadPublic, PolicyGetDigest,
        ReadPublic, StirRandom, Unseal,
    },
    constants::{Capability, SessionType},
    handles::{
        BaseHierarchy, EnablesHandle, Hierarchy, HierarchyAuthHandle, LockoutHandle, NvLegacyIndexHandle,
        ObjectHandle, PolicySessionHandle, rh,
    },
    rc,
    structures::{CapabilityData, SymDef},
};
use support::{create, load, primary};

const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;
const CONTINUE: u8 = 0x01;
const AUDIT_RESET: u8 = 0x04;
const DECRYPT: u8 = 0x20;
const ENCRYPT: u8 = 0x40;
const AUDIT: u8 = 0x80;

/// A command put together by hand: `area` is the authorization area without its size.
fn frame<C: Command>(command: &C, area: Option<&[u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    for handle in command.handles() {
        handle.marshal(&mut body);
    }
    if let Some(area) = area {
        u32::try_from(area.len()).unwrap().marshal(&mut body);
        body.extend_from_slice(area);
    }
    command.marshal_parameters(&mut body);
    header(if area.is_some() { SESSIONS } else { NO_SESSIONS }, C::SPEC.code, &body)
}

fn header(tag: u16, code: u32, body: &[u8]) -> Vec<u8> {
    let mut command = tag.to_bytes();
    u32::try_from(10 + body.len()).unwrap().marshal(&mut command);
    code.marshal(&mut command);
    command.extend_from_slice(body);
    command
}

fn session(handle: u32, nonce: &[u8], attributes: u8, proof: &[u8]) -> Vec<u8> {
    let sized = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    [handle.to_bytes(), sized(nonce), vec![attributes], sized(proof)].concat()
}

/// The response code of raw bytes.
#[track_caller]
fn code(tpm: &mut TestTpm, command: &[u8]) -> Rc {
    let reply = tpm.raw(command).unwrap();
    let mut r = Reader::new(&reply[6..]);
    let code = Rc::from_raw(u32::unmarshal(&mut r).unwrap());
    if code != rc::SUCCESS {
        assert_eq!(reply.len(), 10, "an error has a header only");
        assert_eq!(reply[..2], if code == rc::BAD_TAG { [0x00, 0xC4] } else { [0x80, 0x01] });
    }
    code
}

#[track_caller]
fn with_area<C: Command>(tpm: &mut TestTpm, command: &C, sessions: &[Vec<u8>]) -> Rc {
    code(tpm, &frame(command, Some(&sessions.concat())))
}

fn at_session(code: sigillo_types::Fmt1, number: u8) -> Rc {
    code.at(Position::Session(number))
}

const RANDOM: GetRandom = GetRandom { bytes_requested: 8 };

fn stir() -> StirRandom {
    StirRandom { in_data: b"entropy".to_vec().try_into().unwrap() }
}

fn owner_auth(new: &[u8]) -> HierarchyChangeAuth {
    HierarchyChangeAuth { auth_handle: HierarchyAuthHandle::Owner, new_auth: Tpm2bAuth::new(new).unwrap() }
}

fn hmac_session(tpm: &mut TestTpm) -> u32 {
    tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).unwrap().handle
}

fn encrypting() -> SessionOptions<'static> {
    let symmetric = Some(SymDef::Aes { key_bits: AesKeyBits::Aes128, mode: Some(SymMode::Cfb) });
    SessionOptions { symmetric, ..SessionOptions::new(SessionType::Hmac, HashAlg::Sha256) }
}

#[test]
fn a_header_is_checked_from_left_to_right() {
    let mut tpm = started();
    assert_eq!(code(&mut tpm, &[]), rc::BAD_TAG);
    assert_eq!(code(&mut tpm, &[0x80, 0x03, 0, 0, 0, 9]), rc::BAD_TAG);
    assert_eq!(code(&mut tpm, &[0x80, 0x01, 0, 0]), rc::COMMAND_SIZE);
    assert_eq!(code(&mut tpm, &[0x80, 0x01, 0, 0, 0, 11, 0, 0, 1, 0x7B]), rc::COMMAND_SIZE);
    assert_eq!(code(&mut tpm, &[0x80, 0x01, 0, 0, 0, 7, 0]), rc::COMMAND_CODE);
    assert_eq!(code(&mut tpm, &header(NO_SESSIONS, 0x1FF, &[])), rc::COMMAND_CODE);
    let long = header(NO_SESSIONS, GetRandom::SPEC.code, &[0; 4087]);
    assert_eq!(code(&mut tpm, &long), rc::COMMAND_SIZE);
}

/// Field upgrade and attached components: a TPM without them does not have their commands. Part 3, 27.1 and 32.1.
#[test]
fn what_a_virtual_tpm_has_no_use_for_is_not_there() {
    let mut tpm = started();
    let absent = [
        cc::FIELD_UPGRADE_START,
        cc::FIELD_UPGRADE_DATA,
        cc::FIRMWARE_READ,
        cc::AC_GET_CAPABILITY,
        cc::AC_SEND,
        cc::POLICY_AC_SEND_SELECT,
        cc::VENDOR_TCG_TEST,
    ];
    for absent in absent {
        for tag in [NO_SESSIONS, SESSIONS] {
            assert_eq!(code(&mut tpm, &header(tag, absent, &[0; 64])), rc::COMMAND_CODE, "{absent:#x}");
        }
        let ask = GetCapability { capability: Capability::Commands, property: absent, property_count: 1 };
        match tpm.call(&ask).unwrap().capability_data {
            CapabilityData::Command(found) => assert!(found.first().is_none_or(|next| next.code() != absent)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn before_startup_only_startup_runs() {
    let mut tpm = powered();
    assert_eq!(refused(&mut tpm, &RANDOM), rc::INITIALIZE);
    assert_eq!(refused(&mut tpm, &GetTestResult {}), rc::INITIALIZE);
    // The header is checked first.
    assert_eq!(code(&mut tpm, &header(NO_SESSIONS, 0x1FF, &[])), rc::COMMAND_CODE);
}

#[test]
fn without_power_nothing_runs() {
    let mut tpm = started();
    tpm.transport().tpm.power_off();
    assert_eq!(refused(&mut tpm, &RANDOM), rc::FAILURE);
    assert_eq!(code(&mut tpm, &[]), rc::FAILURE);
}

#[test]
fn a_failing_tpm_says_why_and_nothing_else() {
    let mut tpm = powered();
    tpm.transport().host.out_of_entropy = true;
    common::reset_line(&mut tpm);
    assert_eq!(refused(&mut tpm, &RANDOM), rc::FAILURE);
    assert_eq!(
        common::startup(&mut tpm, sigillo_types::constants::StartupType::Clear).unwrap_err().rc(),
        Some(rc::FAILURE)
    );
    assert!(tpm.call(&GetTestResult {}).is_ok());
    let password = session(rh::PW, &[], CONTINUE, &[]);
    assert_eq!(with_area(&mut tpm, &GetTestResult {}, &[password]), rc::FAILURE);
}

#[test]
fn a_handle_that_is_missing_or_of_another_type_is_named_by_its_number() {
    let mut tpm = started();
    assert_eq!(
        code(&mut tpm, &header(NO_SESSIONS, ReadPublic::SPEC.code, &[0x80, 0])),
        rc::INSUFFICIENT.at(Position::Handle(1))
    );
    let wrong = header(NO_SESSIONS, ReadPublic::SPEC.code, &rh::OWNER.to_bytes());
    assert_eq!(code(&mut tpm, &wrong), rc::VALUE.at(Position::Handle(1)));
    // The first handle is right, the second is missing.
    let short = header(SESSIONS, Certify::SPEC.code, &0x8000_0000_u32.to_bytes());
    assert_eq!(code(&mut tpm, &short), rc::INSUFFICIENT.at(Position::Handle(2)));
}

#[test]
fn what_a_handle_names_has_to_be_there() {
    let mut tpm = started();
    let absent = ObjectHandle::new(0x8000_0001).unwrap();
    assert_eq!(refused(&mut tpm, &ReadPublic { object_handle: absent }), rc::REFERENCE_H0);
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    let certify = Certify {
        object_handle: key,
        sign_handle: Some(absent),
        qualifying_data: Tpm2bData::default(),
        in_scheme: None,
    };
    assert_eq!(refused(&mut tpm, &certify), rc::REFERENCE_H1);
    let persistent = ObjectHandle::new(0x8100_0001).unwrap();
    assert_eq!(
        refused(&mut tpm, &ReadPublic { object_handle: persistent }),
        rc::HANDLE.at(Position::Handle(1))
    );
    let nv_index = NvLegacyIndexHandle::new(0x0150_0000).unwrap();
    assert_eq!(refused(&mut tpm, &NvReadPublic { nv_index }), rc::HANDLE.at(Position::Handle(1)));
}

#[test]
fn a_session_handle_names_a_loaded_session_of_its_own_type() {
    let mut tpm = started();
    let policy_session = PolicySessionHandle::new(0x0300_0000).unwrap();
    assert_eq!(refused(&mut tpm, &PolicyGetDigest { policy_session }), rc::REFERENCE_H0);
    assert_eq!(hmac_session(&mut tpm), 0x0200_0000);
    assert_eq!(refused(&mut tpm, &PolicyGetDigest { policy_session }), rc::HANDLE.at(Position::Handle(1)));
}

#[test]
fn a_disabled_hierarchy_authorizes_nothing() {
    let mut tpm = started();
    let disable =
        HierarchyControl { auth_handle: BaseHierarchy::Owner, enable: EnablesHandle::Owner, state: false };
    tpm.call(&disable).unwrap();
    assert_eq!(refused(&mut tpm, &owner_auth(b"new")), rc::HIERARCHY.at(Position::Handle(1)));
}

#[test]
fn sessions_are_neither_missing_nor_where_none_are_taken() {
    let mut tpm = started();
    let without = frame(&owner_auth(b"new"), None);
    assert_eq!(code(&mut tpm, &without), rc::AUTH_MISSING);
    let password = session(rh::PW, &[], CONTINUE, &[]);
    let flush_context = header(SESSIONS, 0x165, &[9_u32.to_bytes(), password].concat());
    assert_eq!(code(&mut tpm, &flush_context), rc::AUTH_CONTEXT);
    // The first handle has an authorization, the second has none.
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    let certify = Certify {
        object_handle: key,
        sign_handle: Some(key),
        qualifying_data: Tpm2bData::default(),
        in_scheme: None,
    };
    let one = session(rh::PW, &[], CONTINUE, &[]);
    assert_eq!(with_area(&mut tpm, &certify, &[one]), rc::AUTH_MISSING);
}

#[test]
fn the_size_of_the_authorization_area_is_that_of_its_sessions() {
    let mut tpm = started();
    let body =
        |size: u32, area: &[u8]| [rh::OWNER.to_bytes(), size.to_bytes(), area.to_vec(), vec![0, 0]].concat();
    let password = session(rh::PW, &[], CONTINUE, &[]);
    let change = HierarchyChangeAuth::SPEC.code;
    for size in [0, 1, 8, 12, 0xFFFF, u32::MAX] {
        assert_eq!(code(&mut tpm, &header(SESSIONS, change, &body(size, &password))), rc::AUTHSIZE, "{size}");
    }
    let torn = header(SESSIONS, change, &body(10, &password));
    assert_eq!(code(&mut tpm, &torn), at_session(rc::INSUFFICIENT, 2));
    let four = [password.clone(), password.clone(), password.clone(), password].concat();
    assert_eq!(code(&mut tpm, &header(SESSIONS, change, &body(36, &four))), rc::AUTHSIZE);
    assert_eq!(code(&mut tpm, &header(SESSIONS, change, &rh::OWNER.to_bytes())), rc::INSUFFICIENT.into());
}

#[test]
fn a_session_is_named_by_a_session_handle_once() {
    let mut tpm = started();
    assert_eq!(
        with_area(&mut tpm, &RANDOM, &[session(rh::OWNER, &[], AUDIT, &[])]),
        at_session(rc::HANDLE, 1)
    );
    assert_eq!(with_area(&mut tpm, &RANDOM, &[session(0x0200_0000, &[], AUDIT, &[])]), rc::REFERENCE_S0);
    let handle = hmac_session(&mut tpm);
    assert_eq!(
        with_area(&mut tpm, &RANDOM, &[session(handle | 0x0100_0000, &[], AUDIT, &[])]),
        at_session(rc::HANDLE, 1)
    );
    let twice = [session(handle, &[], AUDIT, &[]), session(handle, &[], AUDIT, &[])];
    assert_eq!(with_area(&mut tpm, &RANDOM, &twice), at_session(rc::HANDLE, 2));
    let second = [session(handle, &[], AUDIT, &[]), session(0x0200_0005, &[], AUDIT, &[])];
    assert_eq!(with_area(&mut tpm, &RANDOM, &second), rc::REFERENCE_S1);
}

#[test]
fn a_password_is_a_password_and_nothing_else() {
    let mut tpm = started();
    let change = owner_auth(b"new");
    for attributes in [DECRYPT, ENCRYPT, AUDIT, AUDIT_RESET, 0x02] {
        let area = [session(rh::PW, &[], CONTINUE | attributes, &[])];
        assert_eq!(with_area(&mut tpm, &change, &area), at_session(rc::ATTRIBUTES, 1), "{attributes:#x}");
    }
    assert_eq!(
        with_area(&mut tpm, &change, &[session(rh::PW, &[], 0x08, &[])]),
        at_session(rc::RESERVED_BITS, 1)
    );
    assert_eq!(
        with_area(&mut tpm, &change, &[session(rh::PW, &[1], CONTINUE, &[])]),
        at_session(rc::NONCE, 1)
    );
    let spare = [session(rh::PW, &[], CONTINUE, &[]), session(rh::PW, &[], CONTINUE, &[])];
    assert_eq!(with_area(&mut tpm, &change, &spare), at_session(rc::HANDLE, 2));
}

#[test]
fn one_session_decrypts_one_encrypts_and_one_audits() {
    let mut tpm = started();
    let first = tpm.start_session(encrypting()).unwrap().handle;
    let second = tpm.start_session(encrypting()).unwrap().handle;
    let hash =
        Hash { data: Tpm2bMaxBuffer::default(), hash_alg: HashAlg::Sha256, hierarchy: Hierarchy::Null };
    for attribute in [DECRYPT, ENCRYPT, AUDIT] {
        let both = [session(first, &[], attribute, &[]), session(second, &[], attribute, &[])];
        assert_eq!(with_area(&mut tpm, &hash, &both), at_session(rc::ATTRIBUTES, 2), "{attribute:#x}");
    }
    // Without a purpose, and with an audit attribute that does not audit.
    assert_eq!(
        with_area(&mut tpm, &hash, &[session(first, &[], CONTINUE, &[])]),
        at_session(rc::ATTRIBUTES, 1)
    );
    let reset = [session(first, &[], CONTINUE | ENCRYPT | AUDIT_RESET, &[])];
    assert_eq!(with_area(&mut tpm, &hash, &reset), at_session(rc::ATTRIBUTES, 1));
}

#[test]
fn a_parameter_is_encrypted_only_where_there_is_a_sized_one_and_an_algorithm() {
    let mut tpm = started();
    let able = tpm.start_session(encrypting()).unwrap().handle;
    assert_eq!(
        with_area(&mut tpm, &RANDOM, &[session(able, &[], DECRYPT, &[])]),
        at_session(rc::ATTRIBUTES, 1)
    );
    assert_eq!(
        with_area(&mut tpm, &stir(), &[session(able, &[], ENCRYPT, &[])]),
        at_session(rc::ATTRIBUTES, 1)
    );
    let unable = hmac_session(&mut tpm);
    assert_eq!(
        with_area(&mut tpm, &RANDOM, &[session(unable, &[], ENCRYPT, &[])]),
        at_session(rc::SYMMETRIC, 1)
    );
}

#[test]
fn a_policy_session_does_not_audit_and_a_trial_session_does_nothing() {
    let mut tpm = started();
    let policy =
        tpm.start_session(SessionOptions { kind: SessionType::Policy, ..encrypting() }).unwrap().handle;
    assert_eq!(
        with_area(&mut tpm, &RANDOM, &[session(policy, &[], AUDIT, &[])]),
        at_session(rc::ATTRIBUTES, 1)
    );
    let trial =
        tpm.start_session(SessionOptions { kind: SessionType::Trial, ..encrypting() }).unwrap().handle;
    assert_eq!(
        with_area(&mut tpm, &RANDOM, &[session(trial, &[], ENCRYPT, &[])]),
        at_session(rc::ATTRIBUTES, 1)
    );
}

#[test]
fn a_wrong_password_of_a_hierarchy_is_not_counted() {
    let mut tpm = started();
    tpm.call(&owner_auth(b"owner")).unwrap();
    let commits = tpm.transport().commits;
    for _ in 0..5 {
        assert_eq!(refused(&mut tpm, &owner_auth(b"")), at_session(rc::BAD_AUTH, 1));
    }
    assert_eq!(tpm.transport().commits, commits, "nothing was written");
    let padded = &mut [Auth::password(b"owner\0\0")];
    tpm.call_with(&owner_auth(b""), padded).unwrap();
}

/// A protected sealed object with an authValue, and the handle of its parent.
fn sealed(tpm: &mut TestTpm) -> ObjectHandle {
    let parent = primary(tpm, Hierarchy::Owner, template::ecc_storage());
    let made = create(tpm, parent, template::sealed(Tpm2bDigest::default()), b"pin", b"secret");
    let item = load(tpm, parent, &made);
    support::flush(tpm, parent);
    item
}

fn unseal(tpm: &mut TestTpm, item_handle: ObjectHandle, auth: &[u8]) -> Result<Vec<u8>, Rc> {
    match tpm.call_with(&Unseal { item_handle }, &mut [Auth::password(auth)]) {
        Ok(unsealed) => Ok(unsealed.out_data.to_vec()),
        Err(error) => Err(error.rc().expect("the TPM answers")),
    }
}

#[test]
fn wrong_passwords_of_a_protected_object_lock_the_tpm_out_until_it_heals() {
    let mut tpm = started();
    let item = sealed(&mut tpm);
    for _ in 0..3 {
        assert_eq!(unseal(&mut tpm, item, b"wrong"), Err(at_session(rc::AUTH_FAIL, 1)));
    }
    assert_eq!(unseal(&mut tpm, item, b"pin"), Err(rc::LOCKOUT));
    assert!(tpm.call(&owner_auth(b"")).is_ok(), "what is not protected goes on");
    wait_ms(&mut tpm, 1_000_000);
    assert_eq!(unseal(&mut tpm, item, b"pin").as_deref(), Ok(&b"secret"[..]));
}

#[test]
fn a_wrong_try_is_on_disk_before_its_answer() {
    let mut tpm = started();
    let item = sealed(&mut tpm);
    let commits = tpm.transport().commits;
    for _ in 0..3 {
        assert_eq!(unseal(&mut tpm, item, b"wrong"), Err(at_session(rc::AUTH_FAIL, 1)));
    }
    assert_eq!(tpm.transport().commits, commits + 3);
    power_cycle(&mut tpm);
    common::startup(&mut tpm, sigillo_types::constants::StartupType::Clear).unwrap();
    let item = sealed(&mut tpm);
    assert_eq!(unseal(&mut tpm, item, b"pin"), Err(rc::LOCKOUT));
}

#[test]
fn a_wrong_try_counts_even_if_it_cannot_be_stored() {
    let mut tpm = started();
    let item = sealed(&mut tpm);
    tpm.transport().disk_full = true;
    for _ in 0..3 {
        assert_eq!(unseal(&mut tpm, item, b"wrong"), Err(rc::NV_UNAVAILABLE));
    }
    tpm.transport().disk_full = false;
    assert_eq!(unseal(&mut tpm, item, b"pin"), Err(rc::LOCKOUT));
}

#[test]
fn one_wrong_try_of_lockout_auth_disables_it() {
    let mut tpm = started();
    let parameters = DictionaryAttackParameters {
        lock_handle: LockoutHandle::Lockout,
        new_max_tries: 5,
        new_recovery_time: 10,
        lockout_recovery: 20,
    };
    tpm.call(&parameters).unwrap();
    let reset = DictionaryAttackLockReset { lock_handle: LockoutHandle::Lockout };
    let error = tpm.call_with(&reset, &mut [Auth::password(b"guess")]).unwrap_err();
    assert_eq!(error.rc(), Some(at_session(rc::AUTH_FAIL, 1)));
    assert_eq!(refused(&mut tpm, &reset), rc::LOCKOUT);
    wait_ms(&mut tpm, 19_000);
    assert_eq!(refused(&mut tpm, &reset), rc::LOCKOUT);
    wait_ms(&mut tpm, 1_000);
    tpm.call(&reset).unwrap();
}

#[test]
fn a_session_bound_to_a_protected_object_is_protected_everywhere() {
    let mut tpm = started();
    let item = sealed(&mut tpm);
    for _ in 0..3 {
        let bind = Some((sigillo_types::handles::EntityHandle::Object(item), &b"guess"[..]));
        let options = SessionOptions { bind, ..SessionOptions::new(SessionType::Hmac, HashAlg::Sha256) };
        let mut session = tpm.start_session(options).unwrap();
        let error = tpm.call_with(&owner_auth(b""), &mut [Auth::session(&mut session, b"")]).unwrap_err();
        assert_eq!(error.rc(), Some(at_session(rc::AUTH_FAIL, 1)));
        flush_session(&mut tpm, session.handle);
    }
    assert_eq!(unseal(&mut tpm, item, b"pin"), Err(rc::LOCKOUT));
}

fn flush_session(tpm: &mut TestTpm, handle: u32) {
    let flush_handle = sigillo_types::handles::ContextHandle::new(handle).unwrap();
    tpm.call(&sigillo_types::commands::FlushContext { flush_handle }).unwrap();
}

#[test]
fn a_refused_command_writes_nothing() {
    let mut tpm = started();
    let commits = tpm.transport().commits;
    let disable =
        HierarchyControl { auth_handle: BaseHierarchy::Owner, enable: EnablesHandle::Platform, state: false };
    refused(&mut tpm, &disable);
    assert_eq!(tpm.transport().commits, commits);
}

#[test]
fn a_canceled_command_has_not_happened() {
    let mut tpm = started();
    tpm.transport().host.canceled = true;
    assert_eq!(refused(&mut tpm, &owner_auth(b"new")), rc::CANCELED);
    tpm.transport().host.canceled = false;
    tpm.call(&owner_auth(b"")).unwrap();
}

#[test]
fn an_object_without_user_with_auth_takes_no_password() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let made = create(&mut tpm, parent, template::sealed([7; 32].into()), b"pin", b"secret");
    let item_handle = load(&mut tpm, parent, &made);
    assert_eq!(unseal(&mut tpm, item_handle, b"pin"), Err(rc::AUTH_UNAVAILABLE));
}

#[test]
fn a_response_may_be_no_larger_than_the_buffer() {
    let mut tpm = started();
    assert_eq!(tpm.transport().tpm.set_buffer_size(1024), 1024);
    let data = Tpm2bMaxBuffer::new(&[1; 1000]).unwrap();
    let hash = Hash { data, hash_alg: HashAlg::Sha256, hierarchy: Hierarchy::Null };
    assert!(tpm.call(&hash).is_ok());
    let data = Tpm2bMaxBuffer::new(&[1; 1020]).unwrap();
    let hash = Hash { data, hash_alg: HashAlg::Sha256, hierarchy: Hierarchy::Null };
    assert_eq!(refused(&mut tpm, &hash), rc::COMMAND_SIZE);
}

#[test]
fn parameters_left_over_are_an_error() {
    let mut tpm = started();
    let long = header(NO_SESSIONS, GetRandom::SPEC.code, &[0, 8, 0]);
    assert_eq!(code(&mut tpm, &long), rc::SIZE.into());
    let short = header(NO_SESSIONS, GetRandom::SPEC.code, &[0]);
    assert_eq!(code(&mut tpm, &short), rc::INSUFFICIENT.at(Position::Parameter(1)));
}

#[test]
fn an_answer_to_sessions_has_as_many() {
    let mut tpm = started();
    let handle = hmac_session(&mut tpm);
    let command = frame(&RANDOM, Some(&session(handle, &[], CONTINUE | AUDIT, &[])));
    let reply = tpm.raw(&command).unwrap();
    let mut r = Reader::new(&reply);
    assert_eq!(u16::unmarshal(&mut r), Ok(SESSIONS));
    assert_eq!(u32::unmarshal(&mut r).map(|size| size as usize), Ok(reply.len()));
    assert_eq!(u32::unmarshal(&mut r), Ok(0));
    assert_eq!(u32::unmarshal(&mut r), Ok(10), "parameterSize");
    assert_eq!(r.sized(64).map(<[u8]>::len), Ok(8));
    assert_eq!(r.sized(64).map(<[u8]>::len), Ok(32), "nonceTPM");
    // Its first use as an audit session makes it exclusive.
    assert_eq!(
        TpmaSession::unmarshal(&mut r).map(|attributes| attributes.bits()),
        Ok(CONTINUE | AUDIT | 0x02)
    );
    assert_eq!(r.sized(64), Ok(&[][..]), "no HMAC was sent and the key is empty");
    assert_eq!(r.finish(), Ok(()));
}
