//! Policies: what each assertion makes of policyDigest, and what it takes to use it. Part 3, 23.

mod channel;
#[path = "../common/mod.rs"]
mod common;
mod nv;
#[path = "../support/mod.rs"]
mod support;

use common::{TestTpm, refused, started, wait_ms};
use sigillo_client::{Auth, Session, SessionOptions, template};
use sigillo_crypto::hash::hash;
use sigillo_types::{
    EccCurve, HashAlg, Marshal, Position, Rc,
    attributes::{NvType, TpmaLocality, TpmaNv, TpmaObject},
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bMaxNvBuffer, Tpm2bName, Tpm2bNonce, Tpm2bOperand},
    cc,
    command::Done,
    commands::{
        HierarchyChangeAuth, NvChangeAuth, NvDefineSpace, NvRead, NvReadLock, NvReadPublic, NvWrite,
        PcrExtend, PolicyAuthValue, PolicyAuthorize, PolicyAuthorizeNv, PolicyCommandCode,
        PolicyCounterTimer, PolicyCpHash, PolicyDuplicationSelect, PolicyGetDigest, PolicyLocality,
        PolicyNameHash, PolicyNv, PolicyNvWritten, PolicyOr, PolicyParameters, PolicyPassword, PolicyPcr,
        PolicyPhysicalPresence, PolicySecret, PolicySigned, PolicyTemplate, PolicyTicket, SetPrimaryPolicy,
        Sign, Unseal, VerifySignature,
    },
    constants::{Operation, SessionType},
    handles::{
        EntityHandle, Hierarchy, HierarchyAuthHandle, HierarchyPolicyHandle, NvAuthHandle,
        NvLegacyIndexHandle, ObjectHandle, PcrHandle, PolicySessionHandle, ProvisionHandle,
    },
    rc,
    structures::{
        EccScheme, PcrSelect, TkAuthTag, Tpm2bNvPublic, TpmlDigestMin2, TpmlDigestValues, TpmlPcrSelection,
        TpmsNvPublic, TpmsPcrSelection, TpmtHa, TpmtTkAuth, TpmtTkHashcheck, TpmtTkVerified,
    },
};
use support::{child, create, flush, load, primary};

const SHA256: HashAlg = HashAlg::Sha256;

fn start(tpm: &mut TestTpm, kind: SessionType) -> (Session, PolicySessionHandle) {
    let mut session = tpm.start_session(SessionOptions::new(kind, SHA256)).unwrap();
    session.includes_auth = false;
    let handle = PolicySessionHandle::new(session.handle).unwrap();
    (session, handle)
}

fn digest_of(tpm: &mut TestTpm, policy_session: PolicySessionHandle) -> Vec<u8> {
    tpm.call(&PolicyGetDigest { policy_session }).unwrap().policy_digest.to_vec()
}

/// What the specification makes of a digest: `H(old || code || parts)`.
fn extended(old: &[u8], code: u32, parts: &[&[u8]]) -> Vec<u8> {
    hash(SHA256, &[old, &code.to_be_bytes(), &parts.concat()]).to_vec()
}

/// PolicyUpdate(). Part 3, 23.2.3.
fn updated(old: &[u8], code: u32, name: &[u8], policy_ref: &[u8]) -> Vec<u8> {
    hash(SHA256, &[&extended(old, code, &[name]), policy_ref]).to_vec()
}

const ZERO: [u8; 32] = [0; 32];

/// What a policy does, in a trial session.
fn trial(tpm: &mut TestTpm, act: impl FnOnce(&mut TestTpm, PolicySessionHandle)) -> Tpm2bDigest {
    let (session, handle) = start(tpm, SessionType::Trial);
    act(tpm, handle);
    let digest = digest_of(tpm, handle);
    flush_session(tpm, session.handle);
    Tpm2bDigest::new(&digest).unwrap()
}

fn flush_session(tpm: &mut TestTpm, handle: u32) {
    let flush_handle = sigillo_types::handles::ContextHandle::new(handle).unwrap();
    tpm.call(&sigillo_types::commands::FlushContext { flush_handle }).unwrap();
}

/// Gives the owner a policy.
fn owner_policy(tpm: &mut TestTpm, auth_policy: Tpm2bDigest) {
    let auth_handle = HierarchyPolicyHandle::Owner;
    tpm.call(&SetPrimaryPolicy { auth_handle, auth_policy, hash_alg: Some(SHA256) }).unwrap();
}

fn owner_auth(new: &[u8]) -> HierarchyChangeAuth {
    HierarchyChangeAuth { auth_handle: HierarchyAuthHandle::Owner, new_auth: Tpm2bAuth::new(new).unwrap() }
}

/// Uses a policy session to change ownerAuth to what it is.
fn use_policy(tpm: &mut TestTpm, session: &mut Session) -> Result<(), Rc> {
    let result = tpm.call_with(&owner_auth(b""), &mut [Auth::session(session, b"")]);
    result.map(drop).map_err(|error| error.rc().expect("the TPM answers"))
}

fn first(code: sigillo_types::Fmt1) -> Rc {
    code.at(Position::Session(1))
}

fn all_pcrs(hash: HashAlg, pcr: u32) -> TpmlPcrSelection {
    let pcr_select = PcrSelect::of([PcrHandle::new(pcr).unwrap()]);
    TpmlPcrSelection::new(vec![TpmsPcrSelection { hash, pcr_select }]).unwrap()
}

fn extend(tpm: &mut TestTpm, pcr: u32) {
    let digests = TpmlDigestValues::new(vec![TpmtHa::Sha256([1; 32])]).unwrap();
    tpm.call(&PcrExtend { pcr_handle: Some(PcrHandle::new(pcr).unwrap()), digests }).unwrap();
}

#[test]
fn each_assertion_extends_the_digest_as_its_equation_says() {
    let mut tpm = started();
    let (_, s) = start(&mut tpm, SessionType::Trial);
    let mut expected = ZERO.to_vec();
    let mut check = |tpm: &mut TestTpm, code: u32, parts: &[&[u8]]| {
        expected = extended(&expected, code, parts);
        assert_eq!(digest_of(tpm, s), expected, "{code:#x}");
    };
    tpm.call(&PolicyAuthValue { policy_session: s }).unwrap();
    check(&mut tpm, cc::POLICY_AUTH_VALUE, &[]);
    tpm.call(&PolicyPassword { policy_session: s }).unwrap();
    check(&mut tpm, cc::POLICY_AUTH_VALUE, &[]);
    tpm.call(&PolicyCommandCode { policy_session: s, code: cc::UNSEAL }).unwrap();
    check(&mut tpm, cc::POLICY_COMMAND_CODE, &[&cc::UNSEAL.to_be_bytes()]);
    tpm.call(&PolicyLocality { policy_session: s, locality: TpmaLocality::THREE }).unwrap();
    check(&mut tpm, cc::POLICY_LOCALITY, &[&[0x08]]);
    tpm.call(&PolicyNvWritten { policy_session: s, written_set: true }).unwrap();
    check(&mut tpm, cc::POLICY_NV_WRITTEN, &[&[1]]);
    tpm.call(&PolicyPhysicalPresence { policy_session: s }).unwrap();
    check(&mut tpm, cc::POLICY_PHYSICAL_PRESENCE, &[]);
    let digest = Tpm2bDigest::from([9; 32]);
    tpm.call(&PolicyCpHash { policy_session: s, cp_hash_a: digest.clone() }).unwrap();
    check(&mut tpm, cc::POLICY_CP_HASH, &[&[9; 32]]);
    tpm.call(&PolicyNameHash { policy_session: s, name_hash: digest.clone() }).unwrap();
    check(&mut tpm, cc::POLICY_NAME_HASH, &[&[9; 32]]);
    tpm.call(&PolicyTemplate { policy_session: s, template_hash: digest.clone() }).unwrap();
    check(&mut tpm, cc::POLICY_TEMPLATE, &[&[9; 32]]);
    tpm.call(&PolicyParameters { policy_session: s, p_hash: digest.clone() }).unwrap();
    check(&mut tpm, cc::POLICY_PARAMETERS, &[&[9; 32]]);
    let (object_name, new_parent_name) = (Tpm2bName::from([1; 34]), Tpm2bName::from([2; 34]));
    for include_object in [true, false] {
        let select = PolicyDuplicationSelect {
            policy_session: s,
            object_name: object_name.clone(),
            new_parent_name: new_parent_name.clone(),
            include_object,
        };
        tpm.call(&select).unwrap();
        let object: &[u8] = if include_object { &object_name } else { &[] };
        check(
            &mut tpm,
            cc::POLICY_DUPLICATION_SELECT,
            &[object, &new_parent_name, &[u8::from(include_object)]],
        );
    }
    let pcrs = all_pcrs(SHA256, 7);
    tpm.call(&PolicyPcr { policy_session: s, pcr_digest: digest, pcrs: pcrs.clone() }).unwrap();
    check(&mut tpm, cc::POLICY_PCR, &[&pcrs.to_bytes(), &[9; 32]]);
    let timer = PolicyCounterTimer {
        policy_session: s,
        operand_b: Tpm2bOperand::from([7; 4]),
        offset: 16,
        operation: Operation::UnsignedGt,
    };
    tpm.call(&timer).unwrap();
    let args = hash(SHA256, &[&[7; 4], &[0, 16], &[0, 3]]);
    check(&mut tpm, cc::POLICY_COUNTER_TIMER, &[&args]);
    let digests = TpmlDigestMin2::new(vec![[1; 32].into(), [2; 32].into(), [3; 20].into()]).unwrap();
    tpm.call(&PolicyOr { policy_session: s, p_hash_list: digests }).unwrap();
    expected = extended(&ZERO, cc::POLICY_OR, &[&[1; 32], &[2; 32], &[3; 20]]);
    assert_eq!(digest_of(&mut tpm, s), expected);
    let name = Tpm2bName::new(&[&SHA256.to_bytes()[..], &[5; 32]].concat()).unwrap();
    let authorize = PolicyAuthorize {
        policy_session: s,
        approved_policy: Tpm2bDigest::default(),
        policy_ref: Tpm2bNonce::from(*b"ref"),
        key_sign: name.clone(),
        check_ticket: TpmtTkVerified::null(),
    };
    tpm.call(&authorize).unwrap();
    assert_eq!(digest_of(&mut tpm, s), updated(&ZERO, cc::POLICY_AUTHORIZE, &name, b"ref"));
}

#[test]
fn the_policy_of_an_endorsement_key_is_the_one_that_was_published() {
    let mut tpm = started();
    let policy = trial(&mut tpm, |tpm, s| {
        tpm.call(&secret(EntityHandle::Endorsement, s, 0)).unwrap();
    });
    assert_eq!(policy.as_slice(), template::EK_POLICY);
}

fn secret(auth_handle: EntityHandle, policy_session: PolicySessionHandle, expiration: i32) -> PolicySecret {
    PolicySecret {
        auth_handle,
        policy_session,
        nonce_tpm: Tpm2bNonce::default(),
        cp_hash_a: Tpm2bDigest::default(),
        policy_ref: Tpm2bNonce::default(),
        expiration,
    }
}

#[test]
fn a_policy_session_is_reset_by_its_use_and_not_by_its_refusal() {
    let mut tpm = started();
    let policy = trial(&mut tpm, |tpm, s| {
        tpm.call(&PolicyLocality { policy_session: s, locality: TpmaLocality::ONE }).unwrap();
    });
    owner_policy(&mut tpm, policy.clone());
    let (mut session, s) = start(&mut tpm, SessionType::Policy);
    tpm.call(&PolicyLocality { policy_session: s, locality: TpmaLocality::ONE }).unwrap();
    assert_eq!(use_policy(&mut tpm, &mut session), Err(rc::LOCALITY));
    assert_eq!(digest_of(&mut tpm, s), policy.as_slice());
    tpm.transport().locality = 1;
    use_policy(&mut tpm, &mut session).unwrap();
    assert_eq!(digest_of(&mut tpm, s), ZERO);
    assert_eq!(use_policy(&mut tpm, &mut session), Err(first(rc::POLICY_FAIL)));
}

#[test]
fn an_entity_without_a_policy_is_not_authorized_by_one() {
    let mut tpm = started();
    let (mut session, _) = start(&mut tpm, SessionType::Policy);
    assert_eq!(use_policy(&mut tpm, &mut session), Err(rc::AUTH_UNAVAILABLE));
}

#[test]
fn a_policy_of_another_hash_does_not_count() {
    let mut tpm = started();
    let policy = trial(&mut tpm, |tpm, s| {
        tpm.call(&PolicyAuthValue { policy_session: s }).unwrap();
    });
    let auth_handle = HierarchyPolicyHandle::Owner;
    let wrong =
        SetPrimaryPolicy { auth_handle, auth_policy: policy.clone(), hash_alg: Some(HashAlg::Sha384) };
    assert_eq!(refused(&mut tpm, &wrong), rc::SIZE.at(SetPrimaryPolicy::AUTH_POLICY));
    owner_policy(&mut tpm, policy);
    let mut session = tpm.start_session(SessionOptions::new(SessionType::Policy, HashAlg::Sha384)).unwrap();
    let s = PolicySessionHandle::new(session.handle).unwrap();
    tpm.call(&PolicyAuthValue { policy_session: s }).unwrap();
    assert_eq!(use_policy(&mut tpm, &mut session), Err(first(rc::POLICY_FAIL)));
}

#[test]
fn pcr_that_change_between_assertion_and_use_are_noticed() {
    let mut tpm = started();
    let assert_pcr = |tpm: &mut TestTpm, s, digest: &[u8]| {
        let pcr_digest = Tpm2bDigest::new(digest).unwrap();
        let command = PolicyPcr { policy_session: s, pcr_digest, pcrs: all_pcrs(SHA256, 7) };
        tpm.call(&command).map(drop).map_err(|error| error.rc().unwrap())
    };
    let policy = trial(&mut tpm, |tpm, s| assert_pcr(tpm, s, &[]).unwrap());
    assert_eq!(
        policy.as_slice(),
        extended(&ZERO, cc::POLICY_PCR, &[&all_pcrs(SHA256, 7).to_bytes(), &hash(SHA256, &[&ZERO])])
    );
    owner_policy(&mut tpm, policy);
    let (mut session, s) = start(&mut tpm, SessionType::Policy);
    assert_eq!(assert_pcr(&mut tpm, s, &[1; 32]), Err(rc::VALUE.at(PolicyPcr::PCR_DIGEST)));
    assert_pcr(&mut tpm, s, &hash(SHA256, &[&ZERO])).unwrap();
    use_policy(&mut tpm, &mut session).unwrap();
    assert_pcr(&mut tpm, s, &[]).unwrap();
    // PCR 16 is not counted, PCR 10 is, though it is not part of the policy.
    extend(&mut tpm, 16);
    assert_eq!(assert_pcr(&mut tpm, s, &[]), Ok(()));
    extend(&mut tpm, 10);
    assert_eq!(assert_pcr(&mut tpm, s, &[]), Err(rc::PCR_CHANGED));
    tpm.call(&sigillo_types::commands::PolicyRestart { session_handle: s }).unwrap();
    assert_pcr(&mut tpm, s, &[]).unwrap();
    extend(&mut tpm, 10);
    assert_eq!(use_policy(&mut tpm, &mut session), Err(rc::PCR_CHANGED));
}

#[test]
fn a_command_code_limits_a_policy_to_its_command() {
    let mut tpm = started();
    let (mut session, s) = start(&mut tpm, SessionType::Policy);
    let code = |code| PolicyCommandCode { policy_session: s, code };
    assert_eq!(refused(&mut tpm, &code(0x1FFF)), rc::POLICY_CC.at(PolicyCommandCode::CODE));
    tpm.call(&code(cc::UNSEAL)).unwrap();
    assert_eq!(refused(&mut tpm, &code(cc::SIGN)), rc::VALUE.at(PolicyCommandCode::CODE));
    let policy = Tpm2bDigest::new(&digest_of(&mut tpm, s)).unwrap();
    owner_policy(&mut tpm, policy);
    assert_eq!(use_policy(&mut tpm, &mut session), Err(first(rc::POLICY_CC)));
}

#[test]
fn a_list_of_alternatives_has_to_hold_the_digest() {
    let mut tpm = started();
    let (_, s) = start(&mut tpm, SessionType::Policy);
    let list = |digests: &[[u8; 32]]| PolicyOr {
        policy_session: s,
        p_hash_list: TpmlDigestMin2::new(digests.iter().map(|digest| (*digest).into()).collect()).unwrap(),
    };
    assert_eq!(refused(&mut tpm, &list(&[[1; 32], [2; 32]])), rc::VALUE.at(PolicyOr::P_HASH_LIST));
    tpm.call(&list(&[[1; 32], ZERO])).unwrap();
    assert_eq!(digest_of(&mut tpm, s), extended(&ZERO, cc::POLICY_OR, &[&[1; 32], &ZERO]));
}

#[test]
fn localities_run_out() {
    let mut tpm = started();
    let (_, s) = start(&mut tpm, SessionType::Policy);
    let locality = |locality| PolicyLocality { policy_session: s, locality };
    tpm.call(&locality(TpmaLocality::ZERO | TpmaLocality::ONE)).unwrap();
    let range = rc::RANGE.at(PolicyLocality::LOCALITY);
    assert_eq!(refused(&mut tpm, &locality(TpmaLocality::TWO)), range);
    assert_eq!(refused(&mut tpm, &locality(TpmaLocality::from_bits_retain(40))), range);
    assert_eq!(refused(&mut tpm, &locality(TpmaLocality::empty())), range);
}

#[test]
fn an_auth_value_in_a_policy_is_proved_by_hmac_or_password() {
    let mut tpm = started();
    let policy = trial(&mut tpm, |tpm, s| {
        tpm.call(&PolicyAuthValue { policy_session: s }).unwrap();
    });
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let made = create(&mut tpm, parent, template::sealed(policy), b"pin", b"secret");
    let item_handle = load(&mut tpm, parent, &made);
    let unseal = |tpm: &mut TestTpm, session: &mut Session, auth: &[u8]| {
        let result = tpm.call_with(&Unseal { item_handle }, &mut [Auth::session(session, auth)]);
        result
            .map(|unsealed| unsealed.out_data.to_vec())
            .map_err(|error| error.rc().expect("the TPM answers"))
    };
    let (mut session, s) = start(&mut tpm, SessionType::Policy);
    tpm.call(&PolicyAuthValue { policy_session: s }).unwrap();
    session.includes_auth = true;
    assert_eq!(unseal(&mut tpm, &mut session, b"guess"), Err(first(rc::AUTH_FAIL)));
    assert_eq!(unseal(&mut tpm, &mut session, b"pin").as_deref(), Ok(&b"secret"[..]));
    tpm.call(&PolicyPassword { policy_session: s }).unwrap();
    session.sends_password = true;
    assert_eq!(unseal(&mut tpm, &mut session, b"guess"), Err(first(rc::AUTH_FAIL)));
    assert_eq!(unseal(&mut tpm, &mut session, b"pin").as_deref(), Ok(&b"secret"[..]));
}

#[test]
fn a_policy_for_one_hash_fits_one_command() {
    let mut tpm = started();
    let command = owner_auth(b"");
    let names = [0x4000_0001_u32.to_bytes()];
    let cp_hash = sigillo_client::session::cp_hash(SHA256, &command, &names);
    let parameters = hash(SHA256, &[&cc::HIERARCHY_CHANGE_AUTH.to_be_bytes(), &[0, 0]]);
    let name_hash = hash(SHA256, &names.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let asserts: [fn(&mut TestTpm, PolicySessionHandle, Tpm2bDigest) -> Done; 3] = [
        |tpm, policy_session, cp_hash_a| tpm.call(&PolicyCpHash { policy_session, cp_hash_a }).unwrap(),
        |tpm, policy_session, name_hash| tpm.call(&PolicyNameHash { policy_session, name_hash }).unwrap(),
        |tpm, policy_session, p_hash| tpm.call(&PolicyParameters { policy_session, p_hash }).unwrap(),
    ];
    let right: [&[u8]; 3] = [&cp_hash, &name_hash, &parameters];
    for (assert, right) in asserts.iter().zip(right) {
        for (digest, outcome) in [(right, Ok(())), (&[3; 32][..], Err(first(rc::POLICY_FAIL)))] {
            let digest = Tpm2bDigest::new(digest).unwrap();
            let policy = trial(&mut tpm, |tpm, s| {
                assert(tpm, s, digest.clone());
            });
            owner_policy(&mut tpm, policy);
            let (mut session, s) = start(&mut tpm, SessionType::Policy);
            assert(&mut tpm, s, digest);
            assert_eq!(use_policy(&mut tpm, &mut session), outcome);
            flush_session(&mut tpm, session.handle);
        }
    }
}

#[test]
fn a_policy_is_bound_to_one_hash_at_most() {
    let mut tpm = started();
    let (_, s) = start(&mut tpm, SessionType::Policy);
    let digest = || Tpm2bDigest::from([9; 32]);
    let cp = |cp_hash_a| PolicyCpHash { policy_session: s, cp_hash_a };
    assert_eq!(refused(&mut tpm, &cp([9; 20].into())), rc::SIZE.at(PolicyCpHash::CP_HASH_A));
    tpm.call(&cp(digest())).unwrap();
    tpm.call(&cp(digest())).unwrap();
    assert_eq!(refused(&mut tpm, &cp([8; 32].into())), rc::CPHASH);
    assert_eq!(refused(&mut tpm, &PolicyNameHash { policy_session: s, name_hash: digest() }), rc::CPHASH);
    assert_eq!(refused(&mut tpm, &PolicyParameters { policy_session: s, p_hash: digest() }), rc::CPHASH);
    let template = |template_hash| PolicyTemplate { policy_session: s, template_hash };
    assert_eq!(refused(&mut tpm, &template(digest())), rc::CPHASH);
    tpm.call(&sigillo_types::commands::PolicyRestart { session_handle: s }).unwrap();
    tpm.call(&template(digest())).unwrap();
    assert_eq!(refused(&mut tpm, &template([8; 32].into())), rc::VALUE.at(PolicyTemplate::TEMPLATE_HASH));
}

#[test]
fn a_template_limits_what_may_be_created() {
    let mut tpm = started();
    let allowed = template::ecc_storage();
    let template_hash = || Tpm2bDigest::new(&hash(SHA256, &[&template::ecc_storage().to_bytes()])).unwrap();
    let policy = trial(&mut tpm, |tpm, policy_session| {
        tpm.call(&PolicyTemplate { policy_session, template_hash: template_hash() }).unwrap();
    });
    owner_policy(&mut tpm, policy);
    let (mut session, policy_session) = start(&mut tpm, SessionType::Policy);
    tpm.call(&PolicyTemplate { policy_session, template_hash: template_hash() }).unwrap();
    assert_eq!(use_policy(&mut tpm, &mut session), Err(first(rc::POLICY_FAIL)), "not a command that creates");
    let other = support::create_primary(Hierarchy::Owner, template::ecc_decryption(EccCurve::NistP256));
    let error = tpm.call_with(&other, &mut [Auth::session(&mut session, b"")]).unwrap_err();
    assert_eq!(error.rc(), Some(first(rc::POLICY_FAIL)));
    let command = support::create_primary(Hierarchy::Owner, allowed);
    tpm.call_with(&command, &mut [Auth::session(&mut session, b"")]).unwrap();
}

#[test]
fn physical_presence_must_be_asserted() {
    let mut tpm = started();
    let assert_presence = |tpm: &mut TestTpm, s| {
        tpm.call(&PolicyPhysicalPresence { policy_session: s }).unwrap();
    };
    let policy = trial(&mut tpm, assert_presence);
    owner_policy(&mut tpm, policy);
    let (mut session, s) = start(&mut tpm, SessionType::Policy);
    assert_presence(&mut tpm, s);
    assert_eq!(use_policy(&mut tpm, &mut session), Err(first(rc::PP)));
    tpm.transport().host.physical_presence = true;
    assert_eq!(use_policy(&mut tpm, &mut session), Ok(()));
}

#[test]
fn the_secret_of_a_policy_is_asked_for_even_in_a_trial() {
    let mut tpm = started();
    tpm.call(&owner_auth(b"owner")).unwrap();
    for kind in [SessionType::Policy, SessionType::Trial] {
        let (session, s) = start(&mut tpm, kind);
        assert_eq!(refused(&mut tpm, &secret(EntityHandle::Owner, s, 0)), first(rc::BAD_AUTH));
        let proof = &mut [Auth::password(b"owner")];
        let answer = tpm.call_with(&secret(EntityHandle::Owner, s, 0), proof).unwrap();
        assert_eq!(answer.policy_ticket, TpmtTkAuth::null(TkAuthTag::Secret));
        assert!(answer.timeout.is_empty());
        assert_eq!(
            digest_of(&mut tpm, s),
            updated(&ZERO, cc::POLICY_SECRET, &0x4000_0001_u32.to_bytes(), b"")
        );
        flush_session(&mut tpm, session.handle);
    }
}

#[test]
fn a_policy_as_proof_of_a_secret_has_to_prove_the_secret() {
    let mut tpm = started();
    let policy = trial(&mut tpm, |tpm, s| {
        tpm.call(&PolicyLocality { policy_session: s, locality: TpmaLocality::ZERO }).unwrap();
    });
    owner_policy(&mut tpm, policy);
    let (mut proving, p) = start(&mut tpm, SessionType::Policy);
    tpm.call(&PolicyLocality { policy_session: p, locality: TpmaLocality::ZERO }).unwrap();
    let (_, s) = start(&mut tpm, SessionType::Policy);
    let command = secret(EntityHandle::Owner, s, 0);
    let error = tpm.call_with(&command, &mut [Auth::session(&mut proving, b"")]).unwrap_err();
    assert_eq!(error.rc(), Some(first(rc::MODE)));
}

#[test]
fn the_qualifiers_of_a_secret_are_checked() {
    let mut tpm = started();
    let (_, s) = start(&mut tpm, SessionType::Policy);
    let plain = || secret(EntityHandle::Owner, s, 0);
    let nonce_tpm = Tpm2bNonce::from([1; 32]);
    assert_eq!(
        refused(&mut tpm, &PolicySecret { nonce_tpm, ..plain() }),
        rc::VALUE.at(PolicySecret::NONCE_TPM)
    );
    let cp_hash_a = Tpm2bDigest::from([1; 20]);
    assert_eq!(
        refused(&mut tpm, &PolicySecret { cp_hash_a, ..plain() }),
        rc::SIZE.at(PolicySecret::CP_HASH_A)
    );
    tpm.call(&PolicySecret { cp_hash_a: [1; 32].into(), ..plain() }).unwrap();
    let cp_hash_a = Tpm2bDigest::from([2; 32]);
    assert_eq!(refused(&mut tpm, &PolicySecret { cp_hash_a, ..plain() }), rc::CPHASH);
    wait_ms(&mut tpm, 10_000);
    let late = PolicySecret { expiration: 9, ..plain() };
    assert_eq!(refused(&mut tpm, &late), rc::EXPIRED.at(PolicySecret::EXPIRATION));
}

#[test]
fn a_policy_with_a_time_limit_expires() {
    let mut tpm = started();
    let policy = trial(&mut tpm, |tpm, s| {
        tpm.call(&secret(EntityHandle::Owner, s, 0)).unwrap();
    });
    owner_policy(&mut tpm, policy);
    wait_ms(&mut tpm, 3_000);
    let (mut session, s) = start(&mut tpm, SessionType::Policy);
    // The limit is counted from Time zero without a nonce.
    tpm.call(&secret(EntityHandle::Owner, s, 5)).unwrap();
    wait_ms(&mut tpm, 2_000);
    use_policy(&mut tpm, &mut session).unwrap();
    tpm.call(&secret(EntityHandle::Owner, s, 6)).unwrap();
    wait_ms(&mut tpm, 1_001);
    assert_eq!(use_policy(&mut tpm, &mut session), Err(first(rc::EXPIRED)));
}

#[test]
fn a_ticket_grants_what_the_secret_granted_until_it_expires() {
    let mut tpm = started();
    let (_, s) = start(&mut tpm, SessionType::Policy);
    let granted = tpm.call(&secret(EntityHandle::Owner, s, -60)).unwrap();
    let digest = digest_of(&mut tpm, s);
    assert_eq!(granted.policy_ticket.hierarchy, Hierarchy::Owner);
    tpm.call(&sigillo_types::commands::PolicyRestart { session_handle: s }).unwrap();
    let ticket = PolicyTicket {
        policy_session: s,
        timeout: granted.timeout.clone(),
        cp_hash_a: Tpm2bDigest::default(),
        policy_ref: Tpm2bNonce::default(),
        auth_name: Tpm2bName::from(0x4000_0001_u32.to_be_bytes()),
        ticket: granted.policy_ticket,
    };
    for forged in [
        PolicyTicket { policy_ref: Tpm2bNonce::from([1]), ..ticket.clone() },
        PolicyTicket { cp_hash_a: [1; 32].into(), ..ticket.clone() },
        PolicyTicket { auth_name: Tpm2bName::from(0x4000_000C_u32.to_be_bytes()), ..ticket.clone() },
        PolicyTicket { timeout: u64::MAX.to_be_bytes().into(), ..ticket.clone() },
        PolicyTicket {
            ticket: TpmtTkAuth { tag: TkAuthTag::Signed, ..ticket.ticket.clone() },
            ..ticket.clone()
        },
    ] {
        assert_eq!(refused(&mut tpm, &forged), rc::TICKET.at(PolicyTicket::TICKET));
    }
    let timeout = [1; 7].into();
    assert_eq!(
        refused(&mut tpm, &PolicyTicket { timeout, ..ticket.clone() }),
        rc::SIZE.at(PolicyTicket::TIMEOUT)
    );
    tpm.call(&ticket).unwrap();
    assert_eq!(digest_of(&mut tpm, s), digest);
    wait_ms(&mut tpm, 60_001);
    assert_eq!(refused(&mut tpm, &ticket), rc::EXPIRED.at(PolicyTicket::TIMEOUT));
}

#[test]
fn a_signature_approves_what_it_says_and_nothing_else() {
    let mut tpm = started();
    let scheme = Some(EccScheme::Ecdsa { hash_alg: SHA256 });
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, scheme, false));
    let name = tpm.name_of(key.raw()).unwrap();
    let (_, s) = start(&mut tpm, SessionType::Policy);
    let to_be_signed = hash(SHA256, &[&(-60_i32).to_be_bytes(), b"ref"]);
    let sign = Sign {
        key_handle: key,
        digest: Tpm2bDigest::new(&to_be_signed).unwrap(),
        in_scheme: None,
        validation: TpmtTkHashcheck::null(),
    };
    let signed = PolicySigned {
        auth_object: key,
        policy_session: s,
        nonce_tpm: Tpm2bNonce::default(),
        cp_hash_a: Tpm2bDigest::default(),
        policy_ref: Tpm2bNonce::from(*b"ref"),
        expiration: -60,
        auth: tpm.call(&sign).unwrap().signature,
    };
    let fail = rc::POLICY_FAIL.at(PolicySigned::AUTH);
    assert_eq!(refused(&mut tpm, &PolicySigned { expiration: -61, ..signed.clone() }), fail);
    assert_eq!(
        refused(&mut tpm, &PolicySigned { policy_ref: Tpm2bNonce::default(), ..signed.clone() }),
        fail
    );
    assert_eq!(digest_of(&mut tpm, s), ZERO);
    let granted = tpm.call(&signed).unwrap();
    assert_eq!(granted.policy_ticket.tag, TkAuthTag::Signed);
    assert_eq!(granted.policy_ticket.hierarchy, Hierarchy::Owner);
    assert_eq!(digest_of(&mut tpm, s), updated(&ZERO, cc::POLICY_SIGNED, &name, b"ref"));
    // A trial takes any signature.
    let (_, s) = start(&mut tpm, SessionType::Trial);
    let tried = tpm.call(&PolicySigned { policy_session: s, expiration: -61, ..signed }).unwrap();
    assert_eq!(tried.policy_ticket, TpmtTkAuth::null(TkAuthTag::Signed));
    assert_eq!(digest_of(&mut tpm, s), updated(&ZERO, cc::POLICY_SIGNED, &name, b"ref"));
}

#[test]
fn an_authority_can_approve_another_policy() {
    let mut tpm = started();
    let scheme = Some(EccScheme::Ecdsa { hash_alg: SHA256 });
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, scheme, false));
    let key_sign = Tpm2bName::new(&tpm.name_of(key.raw()).unwrap()).unwrap();
    let (_, policy_session) = start(&mut tpm, SessionType::Policy);
    tpm.call(&PolicyAuthValue { policy_session }).unwrap();
    let approved_policy = Tpm2bDigest::new(&digest_of(&mut tpm, policy_session)).unwrap();
    let digest = Tpm2bDigest::new(&hash(SHA256, &[&approved_policy, b"ref"])).unwrap();
    let sign = Sign {
        key_handle: key,
        digest: digest.clone(),
        in_scheme: None,
        validation: TpmtTkHashcheck::null(),
    };
    let signature = tpm.call(&sign).unwrap().signature;
    let check_ticket = tpm.call(&VerifySignature { key_handle: key, digest, signature }).unwrap().validation;
    let authorize = PolicyAuthorize {
        policy_session,
        approved_policy,
        policy_ref: Tpm2bNonce::from(*b"ref"),
        key_sign: key_sign.clone(),
        check_ticket,
    };
    let at_key = PolicyAuthorize::KEY_SIGN;
    let short = PolicyAuthorize { key_sign: Tpm2bName::from([0, 11, 1, 2]), ..authorize.clone() };
    assert_eq!(refused(&mut tpm, &short), rc::SIZE.at(at_key));
    let unknown = PolicyAuthorize { key_sign: Tpm2bName::from([0; 34]), ..authorize.clone() };
    assert_eq!(refused(&mut tpm, &unknown), rc::HASH.at(at_key));
    let other = PolicyAuthorize { approved_policy: [1; 32].into(), ..authorize.clone() };
    assert_eq!(refused(&mut tpm, &other), rc::VALUE.at(PolicyAuthorize::APPROVED_POLICY));
    let unsigned = PolicyAuthorize { policy_ref: Tpm2bNonce::default(), ..authorize.clone() };
    assert_eq!(refused(&mut tpm, &unsigned), rc::POLICY);
    let null = PolicyAuthorize { check_ticket: TpmtTkVerified::null(), ..authorize.clone() };
    assert_eq!(refused(&mut tpm, &null), rc::POLICY);
    tpm.call(&authorize).unwrap();
    assert_eq!(digest_of(&mut tpm, policy_session), updated(&ZERO, cc::POLICY_AUTHORIZE, &key_sign, b"ref"));
}

#[test]
fn a_counter_or_timer_is_compared_where_it_lies() {
    let mut tpm = started();
    wait_ms(&mut tpm, 5_000);
    let (mut session, s) = start(&mut tpm, SessionType::Policy);
    let timer = |operand: &[u8], offset, operation| PolicyCounterTimer {
        policy_session: s,
        operand_b: Tpm2bOperand::new(operand).unwrap(),
        offset,
        operation,
    };
    let at_offset = rc::VALUE.at(PolicyCounterTimer::OFFSET);
    assert_eq!(refused(&mut tpm, &timer(&[0], 26, Operation::Eq)), at_offset);
    assert_eq!(refused(&mut tpm, &timer(&[0, 0], 24, Operation::Eq)), rc::RANGE.into());
    assert_eq!(refused(&mut tpm, &timer(&5_001_u64.to_be_bytes(), 0, Operation::UnsignedGe)), rc::POLICY);
    tpm.call(&timer(&5_000_u64.to_be_bytes(), 0, Operation::UnsignedGe)).unwrap();
    tpm.call(&sigillo_types::commands::PolicyRestart { session_handle: s }).unwrap();

    // Time below a limit is a limit from now on.
    let limit = timer(&5_u64.to_be_bytes(), 0, Operation::UnsignedLt);
    tpm.call(&limit).unwrap();
    let policy = Tpm2bDigest::new(&digest_of(&mut tpm, s)).unwrap();
    owner_policy(&mut tpm, policy);
    use_policy(&mut tpm, &mut session).unwrap();
    tpm.call(&limit).unwrap();
    wait_ms(&mut tpm, 5_001);
    assert_eq!(use_policy(&mut tpm, &mut session), Err(first(rc::EXPIRED)));
    assert_eq!(refused(&mut tpm, &limit), rc::EXPIRED.at(PolicyCounterTimer::OPERAND_B));
}

#[test]
fn a_key_for_certification_needs_a_policy_that_names_the_command() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let mut public = template::ecc_signing(EccCurve::NistP256, None, false);
    public.object_attributes |= TpmaObject::ADMIN_WITH_POLICY;
    let object_handle: ObjectHandle = child(&mut tpm, parent, public);
    flush(&mut tpm, parent);
    let certify = sigillo_types::commands::Certify {
        object_handle,
        sign_handle: None,
        qualifying_data: Default::default(),
        in_scheme: None,
    };
    assert_eq!(refused(&mut tpm, &certify), rc::AUTH_TYPE);
}
