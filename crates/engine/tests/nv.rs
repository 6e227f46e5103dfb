//! Non-volatile storage. Part 3, 31.

mod common;
mod support;

use common::{TestTpm, power_cycle, refused, started, startup};
use sigillo_client::{Auth, Session, SessionOptions, template};
use sigillo_types::{
    HashAlg, Marshal, Rc, Unmarshal,
    attributes::{NvType, TpmaNv},
    buffers::{Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bMaxNvBuffer},
    cc,
    command::Command,
    commands::{
        NvCertify, NvChangeAuth, NvDefineSpace, NvExtend, NvGlobalWriteLock, NvIncrement, NvRead, NvReadLock,
        NvReadPublic, NvSetBits, NvUndefineSpace, NvUndefineSpaceSpecial, NvWrite, NvWriteLock,
        PolicyCommandCode,
    },
    constants::{SessionType, StartupType},
    handles::{
        Hierarchy, NvAuthHandle, NvLegacyIndexHandle, PlatformHandle, PolicySessionHandle, ProvisionHandle,
    },
    rc,
    structures::{
        Attested, RsaScheme, SigScheme, Tpm2bNvPublic, TpmsAttest, TpmsNvPinCounterParameters, TpmsNvPublic,
    },
};

const INDEX: u32 = 0x0150_0001;
const ALL: TpmaNv =
    TpmaNv::AUTHREAD.union(TpmaNv::AUTHWRITE).union(TpmaNv::OWNERREAD).union(TpmaNv::OWNERWRITE);

fn index() -> NvLegacyIndexHandle {
    NvLegacyIndexHandle::new(INDEX).unwrap()
}

fn itself() -> NvAuthHandle {
    NvAuthHandle::new(INDEX).unwrap()
}

fn definition(nt: NvType, attributes: TpmaNv, data_size: u16) -> NvDefineSpace {
    let auth_handle = if attributes.contains(TpmaNv::PLATFORMCREATE) {
        ProvisionHandle::Platform
    } else {
        ProvisionHandle::Owner
    };
    let nv_public = TpmsNvPublic {
        nv_index: index(),
        name_alg: HashAlg::Sha256,
        attributes: attributes.with_nt(nt),
        auth_policy: Tpm2bDigest::default(),
        data_size,
    };
    NvDefineSpace { auth_handle, auth: Tpm2bAuth::default(), public_info: Tpm2bNvPublic { nv_public } }
}

fn define(tpm: &mut TestTpm, nt: NvType, attributes: TpmaNv, data_size: u16) {
    tpm.call(&definition(nt, attributes, data_size)).unwrap();
}

fn attributes(tpm: &mut TestTpm) -> TpmaNv {
    tpm.call(&NvReadPublic { nv_index: index() }).unwrap().nv_public.nv_public.attributes
}

fn write_as(auth_handle: NvAuthHandle, data: &[u8], offset: u16) -> NvWrite {
    NvWrite { auth_handle, nv_index: index().into(), data: Tpm2bMaxNvBuffer::new(data).unwrap(), offset }
}

fn write(data: &[u8], offset: u16) -> NvWrite {
    write_as(itself(), data, offset)
}

fn read_as(auth_handle: NvAuthHandle, size: u16, offset: u16) -> NvRead {
    NvRead { auth_handle, nv_index: index().into(), size, offset }
}

fn read(size: u16, offset: u16) -> NvRead {
    read_as(itself(), size, offset)
}

fn result<C: Command>(tpm: &mut TestTpm, command: &C) -> Result<(), Rc> {
    tpm.call(command).map(drop).map_err(|error| error.rc().unwrap())
}

fn contents(tpm: &mut TestTpm, size: u16) -> Vec<u8> {
    tpm.call(&read(size, 0)).unwrap().data.to_vec()
}

fn hash(parts: &[&[u8]]) -> Vec<u8> {
    sigillo_crypto::hash::hash(HashAlg::Sha256, parts).to_vec()
}

#[test]
fn a_definition_is_read_back_with_its_name() {
    let mut tpm = started();
    let definition = definition(NvType::Ordinary, ALL, 10);
    tpm.call(&definition).unwrap();
    let answer = tpm.call(&NvReadPublic { nv_index: index() }).unwrap();
    assert_eq!(answer.nv_public, definition.public_info);
    let name =
        [&HashAlg::Sha256.to_bytes()[..], &hash(&[&definition.public_info.nv_public.to_bytes()])].concat();
    assert_eq!(answer.nv_name.as_slice(), name);
}

#[test]
fn a_definition_that_is_wrong_names_what_is() {
    let mut tpm = started();
    let attributes = |attributes| definition(NvType::Ordinary, attributes, 8);
    let with = |change: &dyn Fn(&mut NvDefineSpace)| {
        let mut definition = definition(NvType::Ordinary, ALL, 8);
        change(&mut definition);
        definition
    };
    let public_info = NvDefineSpace::PUBLIC_INFO;
    let long_auth = with(&|define| define.auth = Tpm2bAuth::from([1; 33]));
    assert_eq!(refused(&mut tpm, &long_auth), rc::SIZE.at(NvDefineSpace::AUTH));
    let too_large = with(&|define| {
        define.auth = Tpm2bAuth::from([1; 33]);
        define.public_info.nv_public.data_size = 8501;
        define.public_info.nv_public.attributes = ALL | TpmaNv::WRITTEN;
    });
    assert_eq!(refused(&mut tpm, &too_large), rc::SIZE.at(public_info), "the structure comes first");
    let policy = with(&|define| define.public_info.nv_public.auth_policy = Tpm2bDigest::from([1; 20]));
    assert_eq!(refused(&mut tpm, &policy), rc::SIZE.at(public_info));
    for wrong in [ALL | TpmaNv::WRITTEN, TpmaNv::AUTHREAD, TpmaNv::AUTHWRITE, ALL | TpmaNv::POLICY_DELETE] {
        assert_eq!(refused(&mut tpm, &attributes(wrong)), rc::ATTRIBUTES.at(public_info), "{wrong:?}");
    }
    let platforms = with(&|define| define.auth_handle = ProvisionHandle::Platform);
    assert_eq!(refused(&mut tpm, &platforms), rc::ATTRIBUTES.at(NvDefineSpace::AUTH_HANDLE));
    for (nt, size) in
        [(NvType::Counter, 7), (NvType::Bits, 9), (NvType::Extend, 20), (NvType::Ordinary, 8501)]
    {
        assert_eq!(refused(&mut tpm, &definition(nt, ALL, size)), rc::SIZE.at(public_info), "{nt:?}");
    }
    let counter = definition(NvType::Counter, ALL | TpmaNv::CLEAR_STCLEAR, 8);
    assert_eq!(refused(&mut tpm, &counter), rc::ATTRIBUTES.at(public_info));
    let whole = definition(NvType::Ordinary, ALL | TpmaNv::WRITEALL, 1025);
    assert_eq!(refused(&mut tpm, &whole), rc::SIZE.at(public_info));
    // An unknown type: TPM_NT 3.
    let mut odd = Vec::new();
    with(&|_| ()).marshal_parameters(&mut odd);
    let at = odd.len() - 8;
    odd[at..at + 4].copy_from_slice(&(ALL.bits() | 0x30).to_be_bytes());
    let mut command = vec![0x80, 2, 0, 0, 0, 0];
    command.extend(cc::NV_DEFINE_SPACE.to_be_bytes());
    command.extend(0x4000_0001_u32.to_be_bytes());
    command.extend([0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0]);
    command.extend(odd);
    let size = u32::try_from(command.len()).unwrap().to_be_bytes();
    command[2..6].copy_from_slice(&size);
    assert_eq!(tpm.raw(&command).unwrap()[6..], rc::ATTRIBUTES.at(public_info).raw().to_be_bytes());

    tpm.call(&definition(NvType::Ordinary, ALL, 8)).unwrap();
    assert_eq!(refused(&mut tpm, &definition(NvType::Ordinary, ALL, 8)), rc::NV_DEFINED);
}

#[test]
fn nv_is_full_at_some_point_and_free_again_after_deletion() {
    let mut tpm = started();
    let mut defined = 0;
    let full = loop {
        let mut large = definition(NvType::Ordinary, ALL, 8500);
        large.public_info.nv_public.nv_index = NvLegacyIndexHandle::new(INDEX + defined).unwrap();
        match result(&mut tpm, &large) {
            Ok(()) => defined += 1,
            Err(code) => break code,
        }
    };
    assert_eq!((full, defined), (rc::NV_SPACE, 13), "room for nine persistent objects is kept");
    let commits = tpm.transport().commits;
    tpm.call(&NvUndefineSpace { auth_handle: ProvisionHandle::Owner, nv_index: index().into() }).unwrap();
    assert_eq!(tpm.transport().commits, commits + 1);
    define(&mut tpm, NvType::Ordinary, ALL, 8500);
}

#[test]
fn orderly_ram_is_full_at_some_point() {
    let mut tpm = started();
    define(&mut tpm, NvType::Ordinary, ALL | TpmaNv::ORDERLY, 1000);
    let mut counter = definition(NvType::Counter, ALL | TpmaNv::ORDERLY, 8);
    for more in 1..=3 {
        counter.public_info.nv_public.nv_index = NvLegacyIndexHandle::new(INDEX + more).unwrap();
        tpm.call(&counter).unwrap();
    }
    counter.public_info.nv_public.nv_index = NvLegacyIndexHandle::new(INDEX + 4).unwrap();
    assert_eq!(refused(&mut tpm, &counter), rc::NV_SPACE);
}

#[test]
fn what_is_written_is_read_and_the_rest_is_zero() {
    let mut tpm = started();
    define(&mut tpm, NvType::Ordinary, ALL, 8);
    assert_eq!(refused(&mut tpm, &read(8, 0)), rc::NV_UNINITIALIZED);
    assert_eq!(refused(&mut tpm, &read(0, 0)), rc::NV_UNINITIALIZED);
    tpm.call(&write(b"abc", 2)).unwrap();
    assert_eq!(contents(&mut tpm, 8), b"\0\0abc\0\0\0");
    assert!(attributes(&mut tpm).contains(TpmaNv::WRITTEN));
    tpm.call(&write(b"", 8)).unwrap();
    tpm.call(&write(b"xy", 0)).unwrap();
    assert_eq!(tpm.call(&read(3, 1)).unwrap().data.as_slice(), b"yab");
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::Clear).unwrap();
    assert_eq!(contents(&mut tpm, 8), b"xyabc\0\0\0");
}

#[test]
fn an_unwritten_index_says_so_before_its_auth_value_is_tried() {
    let mut tpm = started();
    tpm.call(&NvDefineSpace { auth: Tpm2bAuth::from(*b"right"), ..definition(NvType::Ordinary, ALL, 8) })
        .unwrap();
    let wrong = tpm.call_with(&read(8, 0), &mut [Auth::password(b"wrong")]).unwrap_err().rc();
    assert_eq!(wrong, Some(rc::NV_UNINITIALIZED));
    tpm.call_with(&write(b"x", 0), &mut [Auth::password(b"right")]).unwrap();
    let wrong = tpm.call_with(&read(8, 0), &mut [Auth::password(b"wrong")]).unwrap_err().rc().unwrap();
    assert_eq!(wrong.fmt1(), Some(rc::AUTH_FAIL));
}

#[test]
fn an_hmac_session_writes_and_reads() {
    let mut tpm = started();
    define(&mut tpm, NvType::Ordinary, ALL, 4);
    let mut session = tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).unwrap();
    tpm.call_with(&write(b"abcd", 0), &mut [Auth::session(&mut session, b"")]).unwrap();
    let mut session = tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).unwrap();
    let read = tpm.call_with(&read(4, 0), &mut [Auth::session(&mut session, b"")]).unwrap();
    assert_eq!(read.data.as_slice(), b"abcd");
}

#[test]
fn writing_what_is_there_costs_no_write_of_storage() {
    let mut tpm = started();
    define(&mut tpm, NvType::Ordinary, ALL, 8);
    tpm.call(&write(b"same", 0)).unwrap();
    let commits = tpm.transport().commits;
    tpm.call(&write(b"same", 0)).unwrap();
    assert_eq!(tpm.transport().commits, commits);
    tpm.call(&write(b"else", 0)).unwrap();
    assert_eq!(tpm.transport().commits, commits + 1);
}

#[test]
fn ranges_are_those_of_the_index() {
    let mut tpm = started();
    define(&mut tpm, NvType::Ordinary, ALL, 2000);
    assert_eq!(refused(&mut tpm, &write(b"x", 2001)), rc::VALUE.at(NvWrite::OFFSET));
    assert_eq!(refused(&mut tpm, &write(b"xy", 1999)), rc::NV_RANGE);
    tpm.call(&write(b"x", 1999)).unwrap();
    assert_eq!(refused(&mut tpm, &read(1025, 0)), rc::VALUE.at(NvRead::SIZE));
    assert_eq!(refused(&mut tpm, &read(1, 2001)), rc::VALUE.at(NvRead::OFFSET));
    assert_eq!(refused(&mut tpm, &read(2, 1999)), rc::NV_RANGE);
    assert_eq!(tpm.call(&read(0, 2000)).unwrap().data.len(), 0);
    assert_eq!(tpm.call(&read(1024, 976)).unwrap().data.last(), Some(&b'x'));
}

#[test]
fn writeall_takes_all_or_nothing() {
    let mut tpm = started();
    define(&mut tpm, NvType::Ordinary, ALL | TpmaNv::WRITEALL, 4);
    assert_eq!(refused(&mut tpm, &write(b"abc", 0)), rc::NV_RANGE);
    assert_eq!(refused(&mut tpm, &write(b"abcd", 1)), rc::NV_RANGE);
    tpm.call(&write(b"abcd", 0)).unwrap();
}

#[test]
fn the_attributes_say_who_reads_and_writes() {
    for (attributes, writes, reads) in [
        (TpmaNv::OWNERWRITE | TpmaNv::PPREAD, [true, false, false], [false, true, false]),
        (TpmaNv::PPWRITE | TpmaNv::AUTHREAD, [false, true, false], [false, false, true]),
        (TpmaNv::AUTHWRITE | TpmaNv::OWNERREAD, [false, false, true], [true, false, false]),
    ] {
        let mut tpm = started();
        define(&mut tpm, NvType::Ordinary, attributes, 4);
        let auths = [NvAuthHandle::Owner, NvAuthHandle::Platform, itself()];
        let round = |tpm: &mut TestTpm,
                     allowed: [bool; 3],
                     run: &dyn Fn(&mut TestTpm, NvAuthHandle) -> Result<(), Rc>| {
            for (auth, allowed) in auths.into_iter().zip(allowed) {
                let refusal = if auth == itself() { rc::AUTH_UNAVAILABLE } else { rc::NV_AUTHORIZATION };
                assert_eq!(
                    run(tpm, auth),
                    if allowed { Ok(()) } else { Err(refusal) },
                    "{attributes:?} {auth:?}"
                );
            }
        };
        round(&mut tpm, writes, &|tpm, auth| result(tpm, &write_as(auth, b"abcd", 0)));
        round(&mut tpm, reads, &|tpm, auth| result(tpm, &read_as(auth, 4, 0)));
    }
}

#[test]
fn one_index_does_not_authorize_another() {
    let mut tpm = started();
    define(&mut tpm, NvType::Ordinary, ALL, 4);
    let mut other = definition(NvType::Ordinary, ALL, 4);
    other.public_info.nv_public.nv_index = NvLegacyIndexHandle::new(INDEX + 1).unwrap();
    tpm.call(&other).unwrap();
    let wrong = NvAuthHandle::new(INDEX + 1).unwrap();
    assert_eq!(refused(&mut tpm, &write_as(wrong, b"abcd", 0)), rc::NV_AUTHORIZATION);
}

#[test]
fn each_type_is_changed_in_its_own_way() {
    let increment = NvIncrement { auth_handle: itself(), nv_index: index().into() };
    let extend =
        NvExtend { auth_handle: itself(), nv_index: index().into(), data: Tpm2bMaxNvBuffer::from(*b"more") };
    let set_bits = NvSetBits { auth_handle: itself(), nv_index: index().into(), bits: 1 };
    for (nt, size, allowed) in
        [(NvType::Ordinary, 8, 0), (NvType::Counter, 8, 1), (NvType::Extend, 32, 2), (NvType::Bits, 8, 3)]
    {
        let mut tpm = started();
        define(&mut tpm, nt, ALL, size);
        let results = [
            result(&mut tpm, &write(b"x", 0)),
            result(&mut tpm, &increment),
            result(&mut tpm, &extend),
            result(&mut tpm, &set_bits),
        ];
        let refusals = [
            rc::ATTRIBUTES.into(),
            rc::ATTRIBUTES.at(NvIncrement::NV_INDEX),
            rc::ATTRIBUTES.at(NvExtend::NV_INDEX),
            rc::ATTRIBUTES.at(NvSetBits::NV_INDEX),
        ];
        for (n, (got, refusal)) in results.into_iter().zip(refusals).enumerate() {
            assert_eq!(got, if n == allowed { Ok(()) } else { Err(refusal) }, "{nt:?} {n}");
        }
    }
}

#[test]
fn extending_begins_with_zeros() {
    let mut tpm = started();
    define(&mut tpm, NvType::Extend, ALL, 32);
    let extend = |data: &[u8]| NvExtend {
        auth_handle: itself(),
        nv_index: index().into(),
        data: Tpm2bMaxNvBuffer::new(data).unwrap(),
    };
    tpm.call(&extend(b"one")).unwrap();
    tpm.call(&extend(b"")).unwrap();
    assert_eq!(contents(&mut tpm, 32), hash(&[&hash(&[&[0; 32], b"one"])]));
}

#[test]
fn bits_can_only_be_set() {
    let mut tpm = started();
    define(&mut tpm, NvType::Bits, ALL, 8);
    for bits in [0, 0x8000_0000_0000_0001, 0x10] {
        tpm.call(&NvSetBits { auth_handle: itself(), nv_index: index().into(), bits }).unwrap();
        assert!(attributes(&mut tpm).contains(TpmaNv::WRITTEN));
    }
    assert_eq!(contents(&mut tpm, 8), 0x8000_0000_0000_0011_u64.to_be_bytes());
}

#[test]
fn a_counter_begins_behind_every_counter_there_ever_was() {
    let mut tpm = started();
    let increment = NvIncrement { auth_handle: itself(), nv_index: index().into() };
    define(&mut tpm, NvType::Counter, ALL, 8);
    (0..7).for_each(|_| tpm.call(&increment).map(drop).unwrap());
    assert_eq!(contents(&mut tpm, 8), 7_u64.to_be_bytes());
    tpm.call(&NvUndefineSpace { auth_handle: ProvisionHandle::Owner, nv_index: index().into() }).unwrap();
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::Clear).unwrap();
    define(&mut tpm, NvType::Counter, ALL, 8);
    assert_eq!(refused(&mut tpm, &read(8, 0)), rc::NV_UNINITIALIZED);
    tpm.call(&increment).unwrap();
    assert_eq!(contents(&mut tpm, 8), 8_u64.to_be_bytes());
}

#[test]
fn a_write_lock_needs_an_attribute_and_keeps_writers_out() {
    let lock = NvWriteLock { auth_handle: itself(), nv_index: index().into() };
    let mut tpm = started();
    define(&mut tpm, NvType::Ordinary, ALL, 4);
    assert_eq!(refused(&mut tpm, &lock), rc::ATTRIBUTES.at(NvWriteLock::NV_INDEX));
    for attribute in [TpmaNv::WRITEDEFINE, TpmaNv::WRITE_STCLEAR] {
        let mut tpm = started();
        define(&mut tpm, NvType::Ordinary, ALL | attribute, 4);
        tpm.call(&write(b"abcd", 0)).unwrap();
        tpm.call(&lock).unwrap();
        tpm.call(&lock).unwrap();
        assert_eq!(refused(&mut tpm, &write(b"x", 0)), rc::NV_LOCKED);
        assert_eq!(contents(&mut tpm, 4), b"abcd");
    }
}

#[test]
fn the_global_lock_locks_what_asked_for_it() {
    let mut tpm = started();
    define(&mut tpm, NvType::Ordinary, ALL | TpmaNv::GLOBALLOCK, 4);
    let mut other = definition(NvType::Ordinary, ALL, 4);
    other.public_info.nv_public.nv_index = NvLegacyIndexHandle::new(INDEX + 1).unwrap();
    tpm.call(&other).unwrap();
    tpm.call(&NvGlobalWriteLock { auth_handle: ProvisionHandle::Owner }).unwrap();
    assert_eq!(refused(&mut tpm, &write(b"x", 0)), rc::NV_LOCKED);
    let handle = INDEX + 1;
    let other = NvWrite {
        auth_handle: NvAuthHandle::new(handle).unwrap(),
        nv_index: NvLegacyIndexHandle::new(handle).unwrap().into(),
        ..write(b"x", 0)
    };
    tpm.call(&other).unwrap();
}

#[test]
fn a_read_lock_needs_its_attribute_and_keeps_readers_out() {
    let lock = NvReadLock { auth_handle: itself(), nv_index: index().into() };
    let mut tpm = started();
    define(&mut tpm, NvType::Ordinary, ALL, 4);
    assert_eq!(refused(&mut tpm, &lock), rc::ATTRIBUTES.at(NvReadLock::NV_INDEX));
    let mut tpm = started();
    define(&mut tpm, NvType::Ordinary, ALL | TpmaNv::READ_STCLEAR, 4);
    tpm.call(&lock).unwrap();
    tpm.call(&lock).unwrap();
    tpm.call(&write(b"abcd", 0)).unwrap();
    assert_eq!(refused(&mut tpm, &read(4, 0)), rc::NV_LOCKED);
}

#[test]
fn the_owner_does_not_delete_what_is_the_platforms() {
    let mut tpm = started();
    define(&mut tpm, NvType::Ordinary, ALL | TpmaNv::PLATFORMCREATE, 4);
    let undefine = |auth_handle| NvUndefineSpace { auth_handle, nv_index: index().into() };
    assert_eq!(refused(&mut tpm, &undefine(ProvisionHandle::Owner)), rc::NV_AUTHORIZATION);
    tpm.call(&undefine(ProvisionHandle::Platform)).unwrap();
    assert_eq!(
        refused(&mut tpm, &undefine(ProvisionHandle::Platform)),
        rc::HANDLE.at(NvUndefineSpace::NV_INDEX)
    );
    define(&mut tpm, NvType::Ordinary, ALL, 4);
    tpm.call(&undefine(ProvisionHandle::Platform)).unwrap();
}

/// A policy session for one command on the index, and the policy it satisfies.
fn command_policy(tpm: &mut TestTpm, kind: SessionType, code: u32) -> Session {
    let session = tpm.start_session(SessionOptions::new(kind, HashAlg::Sha256)).unwrap();
    let policy_session = PolicySessionHandle::new(session.handle).unwrap();
    tpm.call(&PolicyCommandCode { policy_session, code }).unwrap();
    session
}

/// `PolicyCommandCode(code)` as a policy. Part 3, 23.11.
fn policy_of(code: u32) -> Tpm2bDigest {
    Tpm2bDigest::new(&hash(&[&[0; 32], &cc::POLICY_COMMAND_CODE.to_be_bytes(), &code.to_be_bytes()])).unwrap()
}

#[test]
fn policy_delete_is_deleted_by_its_policy_only() {
    let mut tpm = started();
    let mut special = definition(NvType::Ordinary, ALL | TpmaNv::PLATFORMCREATE | TpmaNv::POLICY_DELETE, 4);
    special.public_info.nv_public.auth_policy = policy_of(cc::NV_UNDEFINE_SPACE_SPECIAL);
    tpm.call(&special).unwrap();
    let plain = NvUndefineSpace { auth_handle: ProvisionHandle::Platform, nv_index: index().into() };
    assert_eq!(refused(&mut tpm, &plain), rc::ATTRIBUTES.at(NvUndefineSpace::NV_INDEX));
    let mut session = command_policy(&mut tpm, SessionType::Policy, cc::NV_UNDEFINE_SPACE_SPECIAL);
    let undefine = NvUndefineSpaceSpecial { nv_index: index().into(), platform: PlatformHandle::Platform };
    tpm.call_with(&undefine, &mut [Auth::session(&mut session, b""), Auth::password(b"")]).unwrap();
    assert_eq!(refused(&mut tpm, &plain), rc::HANDLE.at(NvUndefineSpace::NV_INDEX));
}

#[test]
fn the_auth_value_is_changed_by_its_policy() {
    let mut tpm = started();
    let mut with_policy = definition(NvType::Ordinary, ALL, 4);
    with_policy.public_info.nv_public.auth_policy = policy_of(cc::NV_CHANGE_AUTH);
    tpm.call(&with_policy).unwrap();
    tpm.call(&write(b"abcd", 0)).unwrap();
    let change = |tpm: &mut TestTpm, new_auth: &[u8]| {
        let mut session = command_policy(tpm, SessionType::Policy, cc::NV_CHANGE_AUTH);
        let change = NvChangeAuth { nv_index: index().into(), new_auth: Tpm2bAuth::new(new_auth).unwrap() };
        let changed = tpm.call_with(&change, &mut [Auth::session(&mut session, b"")]);
        changed.map(drop).map_err(|error| error.rc())
    };
    assert_eq!(change(&mut tpm, &[1; 33]), Err(Some(rc::SIZE.at(NvChangeAuth::NEW_AUTH))));
    assert_eq!(change(&mut tpm, b"new"), Ok(()));
    assert!(tpm.call(&read(4, 0)).is_err());
    let read = tpm.call_with(&read(4, 0), &mut [Auth::password(b"new")]).unwrap();
    assert_eq!(read.data.as_slice(), b"abcd");
}

fn certify(size: u16, offset: u16, key: sigillo_types::handles::ObjectHandle) -> NvCertify {
    NvCertify {
        sign_handle: Some(key),
        auth_handle: itself(),
        nv_index: index().into(),
        qualifying_data: Tpm2bData::from(*b"nonce"),
        in_scheme: None,
        size,
        offset,
    }
}

#[test]
fn contents_and_digest_are_certified() {
    let mut tpm = started();
    let scheme = RsaScheme::Rsassa { hash_alg: HashAlg::Sha384 };
    let key = support::primary(&mut tpm, Hierarchy::Endorsement, template::rsa_signing(Some(scheme), true));
    define(&mut tpm, NvType::Ordinary, ALL, 8);
    assert_eq!(refused(&mut tpm, &certify(0, 0, key)), rc::NV_UNINITIALIZED);
    tpm.call(&write(b"contents", 0)).unwrap();
    let answer = tpm.call(&certify(3, 2, key)).unwrap();
    assert!(answer.signature.is_some());
    let attest = TpmsAttest::from_bytes(&answer.certify_info).unwrap();
    assert_eq!(attest.extra_data.as_slice(), b"nonce");
    let name = tpm.call(&NvReadPublic { nv_index: index() }).unwrap().nv_name;
    match attest.attested {
        Attested::Nv(nv) => {
            assert_eq!((nv.index_name, nv.offset, nv.nv_contents.as_slice()), (name.clone(), 2, &b"nte"[..]));
        }
        other => panic!("{other:?}"),
    }
    let answer = tpm.call(&certify(0, 0, key)).unwrap();
    match TpmsAttest::from_bytes(&answer.certify_info).unwrap().attested {
        Attested::NvDigest(nv) => {
            assert_eq!(nv.index_name, name);
            assert_eq!(*nv.nv_digest, *sigillo_crypto::hash::hash(HashAlg::Sha384, &[b"contents"]));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(refused(&mut tpm, &certify(2, 7, key)), rc::NV_RANGE);
    let unsigned = NvCertify { sign_handle: None, ..certify(0, 0, key) };
    let refusal = refused(&mut tpm, &unsigned);
    assert_eq!(refusal, rc::SCHEME.at(NvCertify::IN_SCHEME));
    let hashed = NvCertify { in_scheme: Some(SigScheme::Rsassa { hash_alg: HashAlg::Sha256 }), ..unsigned };
    assert!(tpm.call(&hashed).unwrap().signature.is_none());
}

#[test]
fn more_than_one_answer_holds_is_not_certified() {
    let mut tpm = started();
    let scheme = RsaScheme::Rsassa { hash_alg: HashAlg::Sha256 };
    let key = support::primary(&mut tpm, Hierarchy::Endorsement, template::rsa_signing(Some(scheme), true));
    define(&mut tpm, NvType::Ordinary, ALL, 2000);
    tpm.call(&write(b"x", 0)).unwrap();
    assert_eq!(refused(&mut tpm, &certify(1025, 0, key)), rc::VALUE.at(NvCertify::SIZE));
    tpm.call(&certify(1024, 0, key)).unwrap();
}

fn pin(tpm: &mut TestTpm) -> (u32, u32) {
    let read = tpm.call(&read_as(NvAuthHandle::Owner, 8, 0)).unwrap();
    let pin = TpmsNvPinCounterParameters::from_bytes(&read.data).unwrap();
    (pin.pin_count, pin.pin_limit)
}

/// A PIN index whose PIN is `pin`, with a limit of two.
fn pin_index(tpm: &mut TestTpm, nt: NvType) {
    let attributes = TpmaNv::OWNERWRITE | TpmaNv::OWNERREAD | TpmaNv::AUTHREAD | TpmaNv::NO_DA;
    let define = NvDefineSpace { auth: Tpm2bAuth::from(*b"pin"), ..definition(nt, attributes, 8) };
    tpm.call(&define).unwrap();
    let limit = TpmsNvPinCounterParameters { pin_count: 0, pin_limit: 2 };
    tpm.call(&write_as(NvAuthHandle::Owner, &limit.to_bytes(), 0)).unwrap();
}

fn use_pin(tpm: &mut TestTpm, password: &[u8]) -> Result<(), Rc> {
    let used = tpm.call_with(&read(8, 0), &mut [Auth::password(password)]);
    used.map(drop).map_err(|error| error.rc().unwrap())
}

#[test]
fn pin_fail_counts_wrong_uses_and_forgets_them_after_a_right_one() {
    let mut tpm = started();
    pin_index(&mut tpm, NvType::PinFail);
    assert!(use_pin(&mut tpm, b"wrong").is_err());
    assert_eq!(pin(&mut tpm), (1, 2));
    use_pin(&mut tpm, b"pin").unwrap();
    assert_eq!(pin(&mut tpm), (0, 2));
    assert!(use_pin(&mut tpm, b"wrong").is_err());
    assert!(use_pin(&mut tpm, b"wrong").is_err());
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::Clear).unwrap();
    assert_eq!(pin(&mut tpm), (2, 2));
    assert!(use_pin(&mut tpm, b"pin").is_err(), "the limit is reached");
}

#[test]
fn pin_pass_counts_right_uses() {
    let mut tpm = started();
    pin_index(&mut tpm, NvType::PinPass);
    use_pin(&mut tpm, b"pin").unwrap();
    assert!(use_pin(&mut tpm, b"wrong").is_err());
    assert_eq!(pin(&mut tpm), (1, 2));
    use_pin(&mut tpm, b"pin").unwrap();
    assert!(use_pin(&mut tpm, b"pin").is_err(), "the limit is reached");
    assert_eq!(pin(&mut tpm), (2, 2));
}

#[test]
fn an_index_nobody_could_store_is_not_there() {
    let mut tpm = started();
    tpm.transport().disk_full = true;
    assert_eq!(refused(&mut tpm, &definition(NvType::Ordinary, ALL, 4)), rc::NV_UNAVAILABLE);
    tpm.transport().disk_full = false;
    assert_eq!(refused(&mut tpm, &NvReadPublic { nv_index: index() }).fmt1(), Some(rc::HANDLE));
}

#[test]
fn who_may_delete_is_checked_before_how() {
    let mut tpm = started();
    let mut definition =
        definition(NvType::Ordinary, ALL | TpmaNv::PLATFORMCREATE | TpmaNv::POLICY_DELETE, 8);
    definition.auth_handle = ProvisionHandle::Owner;
    assert_eq!(refused(&mut tpm, &definition), rc::ATTRIBUTES.at(NvDefineSpace::AUTH_HANDLE));
    definition.public_info.nv_public.attributes.remove(TpmaNv::PLATFORMCREATE);
    assert_eq!(refused(&mut tpm, &definition), rc::ATTRIBUTES.at(NvDefineSpace::PUBLIC_INFO));
}
