//! Policies over NV indices, and PIN indices as proof of a secret. Part 3, 23.9, 23.20 and 23.22; Part 1, 34.2.8.

use super::*;

/// An NV index of a type; its authValue is `nv`.
fn define(
    tpm: &mut TestTpm,
    nt: NvType,
    attributes: TpmaNv,
    auth_policy: Tpm2bDigest,
    data_size: u16,
) -> NvLegacyIndexHandle {
    let nv_index = NvLegacyIndexHandle::new(0x0150_0000).unwrap();
    let nv_public = TpmsNvPublic {
        nv_index,
        name_alg: SHA256,
        attributes: attributes.with_nt(nt),
        auth_policy,
        data_size,
    };
    let public_info = Tpm2bNvPublic { nv_public };
    let auth = Tpm2bAuth::new(b"nv").unwrap();
    tpm.call(&NvDefineSpace { auth_handle: ProvisionHandle::Owner, auth, public_info }).unwrap();
    nv_index
}

fn write(tpm: &mut TestTpm, nv_index: NvLegacyIndexHandle, data: &[u8]) {
    let data = Tpm2bMaxNvBuffer::new(data).unwrap();
    tpm.call(&NvWrite { auth_handle: NvAuthHandle::Owner, nv_index: nv_index.into(), data, offset: 0 })
        .unwrap();
}

const BY_OWNER: TpmaNv = TpmaNv::OWNERREAD.union(TpmaNv::OWNERWRITE).union(TpmaNv::NO_DA);

#[test]
fn a_policy_compares_what_an_index_holds() {
    let mut tpm = started();
    let nv_index = define(&mut tpm, NvType::Ordinary, BY_OWNER | TpmaNv::AUTHREAD, Tpm2bDigest::default(), 8);
    let (_, s) = start(&mut tpm, SessionType::Policy);
    let compare = |operand: &[u8], offset, operation| PolicyNv {
        auth_handle: NvAuthHandle::Owner,
        nv_index: nv_index.into(),
        policy_session: s,
        operand_b: Tpm2bOperand::new(operand).unwrap(),
        offset,
        operation,
    };
    assert_eq!(refused(&mut tpm, &compare(&[0], 0, Operation::Eq)), rc::NV_UNINITIALIZED);
    write(&mut tpm, nv_index, &[0x80, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(refused(&mut tpm, &compare(&[0x80], 9, Operation::Eq)), rc::VALUE.at(PolicyNv::OFFSET));
    assert_eq!(refused(&mut tpm, &compare(&[6, 7, 8], 6, Operation::Eq)), rc::NV_RANGE);
    assert_eq!(refused(&mut tpm, &compare(&[0x7F], 0, Operation::SignedGt)), rc::POLICY);
    assert_eq!(digest_of(&mut tpm, s), ZERO);
    tpm.call(&compare(&[0x7F, 0], 0, Operation::UnsignedGt)).unwrap();
    let name = tpm.call(&NvReadPublic { nv_index }).unwrap().nv_name;
    let args = hash(SHA256, &[&[0x7F, 0], &[0, 0], &[0, 3]]);
    assert_eq!(digest_of(&mut tpm, s), extended(&ZERO, cc::POLICY_NV, &[&args, &name]));
    let other = PolicyNv { auth_handle: NvAuthHandle::Platform, ..compare(&[0x80], 0, Operation::Eq) };
    assert_eq!(refused(&mut tpm, &other), rc::NV_AUTHORIZATION);
}

#[test]
fn a_trial_compares_nothing_but_needs_the_authorization() {
    let mut tpm = started();
    let nv_index =
        define(&mut tpm, NvType::Ordinary, BY_OWNER | TpmaNv::READ_STCLEAR, Tpm2bDigest::default(), 8);
    write(&mut tpm, nv_index, &[0; 8]);
    tpm.call(&NvReadLock { auth_handle: NvAuthHandle::Owner, nv_index: nv_index.into() }).unwrap();
    let (_, policy_session) = start(&mut tpm, SessionType::Trial);
    let compare = |auth_handle| PolicyNv {
        auth_handle,
        nv_index: nv_index.into(),
        policy_session,
        operand_b: Tpm2bOperand::from([1; 20]),
        offset: 0,
        operation: Operation::Eq,
    };
    tpm.call(&compare(NvAuthHandle::Owner)).unwrap();
    assert_eq!(refused(&mut tpm, &compare(NvAuthHandle::Platform)), rc::NV_AUTHORIZATION);
}

#[test]
fn an_index_can_hold_the_policy_that_is_approved() {
    let mut tpm = started();
    let nv_index = define(&mut tpm, NvType::Ordinary, BY_OWNER, Tpm2bDigest::default(), 40);
    let (_, policy_session) = start(&mut tpm, SessionType::Policy);
    tpm.call(&PolicyAuthValue { policy_session }).unwrap();
    let authorize =
        PolicyAuthorizeNv { auth_handle: NvAuthHandle::Owner, nv_index: nv_index.into(), policy_session };
    assert_eq!(refused(&mut tpm, &authorize), rc::NV_UNINITIALIZED);
    let at_index = PolicyAuthorizeNv::NV_INDEX;
    write(&mut tpm, nv_index, &[0; 34]);
    assert_eq!(refused(&mut tpm, &authorize), rc::HASH.at(at_index));
    write(&mut tpm, nv_index, &[0, 0x0C]);
    assert_eq!(refused(&mut tpm, &authorize), rc::HASH.at(at_index));
    write(&mut tpm, nv_index, &[0, 0x0B]);
    assert_eq!(refused(&mut tpm, &authorize), rc::VALUE.at(at_index));
    let approved = [&[0, 0x0B][..], &digest_of(&mut tpm, policy_session)].concat();
    write(&mut tpm, nv_index, &approved);
    tpm.call(&authorize).unwrap();
    let name = tpm.call(&NvReadPublic { nv_index }).unwrap().nv_name;
    assert_eq!(digest_of(&mut tpm, policy_session), extended(&ZERO, cc::POLICY_AUTHORIZE_NV, &[&name]));
}

#[test]
fn an_index_too_small_for_a_digest_approves_nothing() {
    let mut tpm = started();
    let nv_index = define(&mut tpm, NvType::Ordinary, BY_OWNER, Tpm2bDigest::default(), 33);
    write(&mut tpm, nv_index, &[&[0, 0x0B][..], &[0; 31]].concat());
    let (_, policy_session) = start(&mut tpm, SessionType::Policy);
    let authorize =
        PolicyAuthorizeNv { auth_handle: NvAuthHandle::Owner, nv_index: nv_index.into(), policy_session };
    assert_eq!(refused(&mut tpm, &authorize), rc::INSUFFICIENT.at(PolicyAuthorizeNv::NV_INDEX));
}

#[test]
fn a_policy_for_an_unwritten_index_allows_its_first_write_only() {
    let mut tpm = started();
    let assert_unwritten = |tpm: &mut TestTpm, s| {
        tpm.call(&PolicyNvWritten { policy_session: s, written_set: false }).unwrap();
    };
    let policy = trial(&mut tpm, assert_unwritten);
    let attributes = TpmaNv::POLICYWRITE | TpmaNv::OWNERREAD | TpmaNv::NO_DA;
    let nv_index = define(&mut tpm, NvType::Ordinary, attributes, policy, 8);
    let (mut session, s) = start(&mut tpm, SessionType::Policy);
    assert_unwritten(&mut tpm, s);
    assert_eq!(
        refused(&mut tpm, &PolicyNvWritten { policy_session: s, written_set: true }),
        rc::VALUE.at(PolicyNvWritten::WRITTEN_SET)
    );
    let data = Tpm2bMaxNvBuffer::from([1; 8]);
    let write =
        NvWrite { auth_handle: NvAuthHandle::NvIndex(nv_index), nv_index: nv_index.into(), data, offset: 0 };
    let password = tpm.call_with(&write, &mut [Auth::password(b"nv")]).unwrap_err();
    assert_eq!(password.rc(), Some(rc::AUTH_UNAVAILABLE));
    tpm.call_with(&write, &mut [Auth::session(&mut session, b"")]).unwrap();
    assert_unwritten(&mut tpm, s);
    let again = tpm.call_with(&write, &mut [Auth::session(&mut session, b"")]).unwrap_err();
    assert_eq!(again.rc(), Some(first(rc::POLICY_FAIL)));
    assert_unwritten(&mut tpm, s);
    let read = NvRead {
        auth_handle: NvAuthHandle::NvIndex(nv_index),
        nv_index: nv_index.into(),
        size: 8,
        offset: 0,
    };
    let unreadable = tpm.call_with(&read, &mut [Auth::session(&mut session, b"")]).unwrap_err();
    assert_eq!(unreadable.rc(), Some(rc::AUTH_UNAVAILABLE));
}

#[test]
fn the_admin_of_an_index_needs_a_policy_for_the_command() {
    let mut tpm = started();
    let assert_value = |tpm: &mut TestTpm, s| {
        tpm.call(&PolicyAuthValue { policy_session: s }).unwrap();
    };
    let policy = trial(&mut tpm, assert_value);
    let nv_index = define(&mut tpm, NvType::Ordinary, BY_OWNER, policy, 8);
    let change = NvChangeAuth { nv_index: nv_index.into(), new_auth: Tpm2bAuth::default() };
    let password = tpm.call_with(&change, &mut [Auth::password(b"nv")]).unwrap_err();
    assert_eq!(password.rc(), Some(rc::AUTH_TYPE));
    let (mut session, s) = start(&mut tpm, SessionType::Policy);
    assert_value(&mut tpm, s);
    session.includes_auth = true;
    let uncoded = tpm.call_with(&change, &mut [Auth::session(&mut session, b"nv")]).unwrap_err();
    assert_eq!(uncoded.rc(), Some(first(rc::POLICY_FAIL)));
}

/// A PIN index that allows `limit` tries. The owner writes it.
fn pin(tpm: &mut TestTpm, nt: NvType, limit: u8) -> NvLegacyIndexHandle {
    let nv_index = define(tpm, nt, BY_OWNER, Tpm2bDigest::default(), 8);
    write(tpm, nv_index, &[0, 0, 0, 0, 0, 0, 0, limit]);
    nv_index
}

fn pin_count(tpm: &mut TestTpm, nv_index: NvLegacyIndexHandle) -> u8 {
    let read = NvRead { auth_handle: NvAuthHandle::Owner, nv_index: nv_index.into(), size: 8, offset: 0 };
    tpm.call(&read).unwrap().data[3]
}

fn try_pin(
    tpm: &mut TestTpm,
    s: PolicySessionHandle,
    nv_index: NvLegacyIndexHandle,
    pin: &[u8],
) -> Result<TpmtTkAuth, Rc> {
    let command = secret(EntityHandle::NvIndex(nv_index), s, -60);
    let result = tpm.call_with(&command, &mut [Auth::password(pin)]);
    result.map(|granted| granted.policy_ticket).map_err(|error| error.rc().expect("the TPM answers"))
}

#[test]
fn a_pin_fail_index_counts_wrong_pins_and_forgives_them_at_a_right_one() {
    let mut tpm = started();
    let nv_index = pin(&mut tpm, NvType::PinFail, 3);
    let (_, s) = start(&mut tpm, SessionType::Policy);
    for _ in 0..2 {
        assert_eq!(try_pin(&mut tpm, s, nv_index, b"guess"), Err(first(rc::BAD_AUTH)));
    }
    assert_eq!(pin_count(&mut tpm, nv_index), 2);
    assert!(try_pin(&mut tpm, s, nv_index, b"nv").is_ok());
    assert_eq!(pin_count(&mut tpm, nv_index), 0);
    for _ in 0..3 {
        assert_eq!(try_pin(&mut tpm, s, nv_index, b"guess"), Err(first(rc::BAD_AUTH)));
    }
    assert_eq!(try_pin(&mut tpm, s, nv_index, b"nv"), Err(rc::AUTH_UNAVAILABLE));
    common::power_cycle(&mut tpm);
    common::startup(&mut tpm, sigillo_types::constants::StartupType::Clear).unwrap();
    assert_eq!(pin_count(&mut tpm, nv_index), 3);
}

#[test]
fn a_pin_pass_index_counts_right_pins_and_gives_no_ticket() {
    let mut tpm = started();
    let nv_index = pin(&mut tpm, NvType::PinPass, 2);
    let (_, s) = start(&mut tpm, SessionType::Policy);
    assert_eq!(try_pin(&mut tpm, s, nv_index, b"guess"), Err(first(rc::BAD_AUTH)));
    assert_eq!(pin_count(&mut tpm, nv_index), 0);
    for used in 1..=2 {
        assert_eq!(try_pin(&mut tpm, s, nv_index, b"nv"), Ok(TpmtTkAuth::null(TkAuthTag::Secret)));
        assert_eq!(pin_count(&mut tpm, nv_index), used);
    }
    assert_eq!(try_pin(&mut tpm, s, nv_index, b"nv"), Err(rc::AUTH_UNAVAILABLE));
}
