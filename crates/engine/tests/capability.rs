//! Capabilities, self-tests and failure mode. Part 3, 10 and 30.

mod common;
mod support;

use common::{TestTpm, powered, refused, reset_line, started, started_with_everything, startup};
use sigillo_client::{Auth, SessionOptions, template};
use sigillo_types::{
    HashAlg, Rc,
    alg::{RsaKeyBits, SymMode, id},
    attributes::TpmaNv,
    buffers::{Tpm2bAuth, Tpm2bDigest},
    commands::{
        GetCapability, GetRandom, GetTestResult, IncrementalSelfTest, NvDefineSpace, PcrRead, SelfTest,
        SetCapability, SetCommandCodeAuditStatus, TestParms,
    },
    constants::{Capability, SessionType, StartupType},
    handles::{Hierarchy, HierarchyAuthHandle, NvLegacyIndexHandle, ProvisionHandle, TpmHandle},
    pt, rc, rh,
    structures::{
        CapabilityData, KdfScheme, List, PcrSelect, PublicParms, SymDefObject, Tpm2bNvPublic,
        Tpm2bSetCapabilityData, TpmlPcrSelection, TpmsEccParms, TpmsNvPublic, TpmsRsaParms,
        TpmsSetCapabilityData, TpmsSymcipherParms,
    },
};

fn get(
    tpm: &mut TestTpm,
    capability: Capability,
    property: u32,
    property_count: u32,
) -> (bool, CapabilityData) {
    let answer = tpm.call(&GetCapability { capability, property, property_count }).unwrap();
    (answer.more_data, answer.capability_data)
}

fn handles(tpm: &mut TestTpm, first: u32) -> Vec<TpmHandle> {
    match get(tpm, Capability::Handles, first, 254) {
        (false, CapabilityData::Handles(handles)) => handles.into_vec(),
        other => panic!("{other:?}"),
    }
}

fn properties(tpm: &mut TestTpm, first: u32, count: u32) -> (bool, Vec<(u32, u32)>) {
    match get(tpm, Capability::TpmProperties, first, count) {
        (more, CapabilityData::TpmProperties(all)) => {
            (more, all.iter().map(|one| (one.property, one.value)).collect())
        }
        other => panic!("{other:?}"),
    }
}

fn property(tpm: &mut TestTpm, number: u32) -> u32 {
    let (_, all) = properties(tpm, number, 1);
    assert_eq!(all.first().unwrap().0, number);
    all.first().unwrap().1
}

#[test]
fn the_pcr_allocation_has_no_properties() {
    let mut tpm = started();
    let asked = GetCapability { capability: Capability::Pcrs, property: 1, property_count: 1 };
    assert_eq!(refused(&mut tpm, &asked), rc::VALUE.at(GetCapability::PROPERTY));
    get(&mut tpm, Capability::Pcrs, 0, 1);
}

#[test]
fn properties_come_in_pages_within_their_group() {
    let mut tpm = started();
    let (more, fixed) = properties(&mut tpm, 0, 127);
    assert!(!more, "the next group is another question");
    assert_eq!(fixed.first(), Some(&(pt::FAMILY_INDICATOR, 0x322E_3000)));
    assert_eq!(fixed.last(), Some(&(pt::ML_PARAMETER_SETS, 0)));
    assert!(fixed.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let (more, page) = properties(&mut tpm, pt::FIXED, 3);
    assert!(more);
    assert_eq!(page, fixed[..3]);
    let (more, rest) = properties(&mut tpm, page[2].0 + 1, 127);
    assert!(!more);
    assert_eq!(rest, fixed[3..]);
    assert_eq!(properties(&mut tpm, 0x115, 1).1, [(pt::NV_COUNTERS_MAX, 0)], "a gap in the numbers");
    let (more, variable) = properties(&mut tpm, pt::VAR, 127);
    assert!(!more);
    assert_eq!(
        (variable.first().unwrap().0, variable.last().unwrap().0),
        (pt::PERMANENT, pt::AUDIT_COUNTER_1)
    );
    assert_eq!(properties(&mut tpm, 0x300, 1), (false, Vec::new()));
    assert_eq!(properties(&mut tpm, u32::MAX, 1), (false, Vec::new()));
    assert_eq!(properties(&mut tpm, pt::FIXED, 0), (true, Vec::new()));
}

#[test]
fn the_fixed_properties_are_those_of_v185_and_the_pc_client_profile() {
    let mut tpm = started();
    for (number, value) in [
        (pt::LEVEL, 0),
        (pt::REVISION, 185),
        (pt::YEAR, 0),
        (pt::MANUFACTURER, u32::from_be_bytes(*b"SGLO")),
        (pt::VENDOR_STRING_1, u32::from_be_bytes(*b"sigi")),
        (pt::VENDOR_STRING_2, u32::from_be_bytes(*b"llo ")),
        (pt::VENDOR_STRING_3, u32::from_be_bytes(*b"vTPM")),
        (pt::INPUT_BUFFER, 1024),
        (pt::PCR_COUNT, 24),
        (pt::PCR_SELECT_MIN, 3),
        (pt::ACTIVE_SESSIONS_MAX, 64),
        (pt::CONTEXT_GAP_MAX, 0xFFFF),
        (pt::CLOCK_UPDATE, 4096),
        (pt::ORDERLY_COUNT, 255),
        (pt::MAX_COMMAND_SIZE, 4096),
        (pt::MAX_DIGEST, 64),
        (pt::PS_FAMILY_INDICATOR, 1),
        (pt::VENDOR_COMMANDS, 0),
        (pt::NV_BUFFER_MAX, 1024),
    ] {
        assert_eq!(property(&mut tpm, number), value, "{number:#x}");
    }
    assert!(property(&mut tpm, pt::NV_INDEX_MAX) >= 8500);
    assert!(property(&mut tpm, pt::HR_PERSISTENT_MIN) >= 9);
}

#[test]
fn the_buffer_size_is_reported() {
    let mut tpm = started();
    assert_eq!(tpm.transport().tpm.set_buffer_size(3968), 3968);
    assert_eq!(tpm.transport().tpm.set_buffer_size(0), 3968);
    assert_eq!(property(&mut tpm, pt::MAX_COMMAND_SIZE), 3968);
    assert_eq!(property(&mut tpm, pt::MAX_RESPONSE_SIZE), 3968);
    assert_eq!(tpm.transport().tpm.set_buffer_size(1), 1024);
}

#[test]
fn the_commands_are_those_that_are_implemented() {
    let mut tpm = started();
    let mut expected: Vec<u32> = sigillo_engine::implemented().map(|spec| spec.code).collect();
    expected.sort_unstable();
    // TPM2_HMAC and TPM2_MAC have one code.
    expected.dedup();
    let mut found = Vec::new();
    let mut from = 0;
    loop {
        let (more, CapabilityData::Command(page)) = get(&mut tpm, Capability::Commands, from, 7) else {
            panic!()
        };
        found.extend(page.iter().map(|attributes| attributes.code()));
        if !more {
            break;
        }
        from = found.last().unwrap() + 1;
    }
    assert_eq!(found, expected);
    assert_eq!(property(&mut tpm, pt::TOTAL_COMMANDS) as usize, expected.len());
    let (_, CapabilityData::Command(one)) = get(&mut tpm, Capability::Commands, 0x17A, 1) else { panic!() };
    assert_eq!(one.first().unwrap().raw(), 0x0000_017A);
}

#[test]
fn algorithms_come_ascending_and_without_null() {
    let mut tpm = started();
    let (false, CapabilityData::Algorithms(all)) = get(&mut tpm, Capability::Algs, 0, 100) else { panic!() };
    let ids: Vec<u16> = all.iter().map(|one| one.alg).collect();
    assert!(ids.is_sorted());
    for id in [id::RSA, id::SHA1, id::HMAC, id::AES, id::SHA256, id::SHA384, id::ECDSA, id::ECC, id::CFB] {
        assert!(ids.contains(&id), "{id:#x}");
    }
    assert!(!ids.contains(&id::NULL));
    let (more, CapabilityData::Algorithms(page)) = get(&mut tpm, Capability::Algs, 2, 1) else { panic!() };
    assert_eq!((more, page.first().unwrap().alg), (true, id::SHA1));
}

#[test]
fn curves_pcr_and_pcr_properties_are_listed() {
    let mut tpm = started();
    assert_eq!(
        get(&mut tpm, Capability::EccCurves, 0, 10),
        (false, CapabilityData::EccCurves(List::new(vec![3, 4, 5, 0x10]).unwrap()))
    );
    let (false, CapabilityData::AssignedPcr(banks)) = get(&mut tpm, Capability::Pcrs, 0, 1) else { panic!() };
    let hashes: Vec<HashAlg> = banks.iter().map(|bank| bank.hash).collect();
    assert_eq!(hashes, [HashAlg::Sha1, HashAlg::Sha256, HashAlg::Sha384], "all of them, whatever the count");
    assert!(banks.iter().all(|bank| bank.pcr_select == PcrSelect::ALL));
    let (false, CapabilityData::PcrProperties(all)) = get(&mut tpm, Capability::PcrProperties, 0, 100) else {
        panic!()
    };
    let tags: Vec<u32> = all.iter().map(|one| one.tag).collect();
    assert_eq!(tags, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0x11, 0x12, 0x13, 0x14]);
    let counts: Vec<u32> = all.iter().map(|one| one.pcr_select.count()).collect();
    assert_eq!(counts, [16, 18, 2, 19, 2, 24, 5, 22, 5, 20, 6, 4, 6, 0, 0]);
}

#[test]
fn handles_of_every_type_are_listed() {
    let mut tpm = started();
    assert_eq!(handles(&mut tpm, 0).len(), 24);
    let permanent =
        [rh::OWNER, rh::NULL, rh::PW, rh::LOCKOUT, rh::ENDORSEMENT, rh::PLATFORM, rh::PLATFORM_NV, rh::ACT_0];
    assert_eq!(handles(&mut tpm, rh::FIRST), permanent);
    for first in [0x0100_0000, 0x0200_0000, 0x0300_0000, 0x8000_0000, 0x8100_0000] {
        assert_eq!(handles(&mut tpm, first), [], "{first:#x}");
    }
    support::primary(&mut tpm, Hierarchy::Null, template::ecc_storage());
    support::primary(&mut tpm, Hierarchy::Null, template::ecc_storage());
    assert_eq!(handles(&mut tpm, 0x8000_0000), [0x8000_0000, 0x8000_0001]);
    assert_eq!(handles(&mut tpm, 0x8000_0001), [0x8000_0001]);
    tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).unwrap();
    tpm.start_session(SessionOptions::new(SessionType::Policy, HashAlg::Sha256)).unwrap();
    assert_eq!(handles(&mut tpm, 0x0200_0000), [0x0200_0000, 0x0300_0001], "loaded ones of both types");
    assert_eq!(handles(&mut tpm, 0x0300_0000), []);
    let nv_public = TpmsNvPublic {
        nv_index: NvLegacyIndexHandle::new(0x0180_0000).unwrap(),
        name_alg: HashAlg::Sha256,
        attributes: TpmaNv::AUTHREAD | TpmaNv::AUTHWRITE,
        auth_policy: Tpm2bDigest::default(),
        data_size: 1,
    };
    let public_info = Tpm2bNvPublic { nv_public };
    tpm.call(&NvDefineSpace { auth_handle: ProvisionHandle::Owner, auth: Tpm2bAuth::default(), public_info })
        .unwrap();
    assert_eq!(handles(&mut tpm, 0x0100_0000), [0x0180_0000]);
    assert_eq!((property(&mut tpm, pt::HR_NV_INDEX), property(&mut tpm, pt::HR_LOADED)), (1, 2));
    assert_eq!(
        (property(&mut tpm, pt::HR_TRANSIENT_AVAIL), property(&mut tpm, pt::HR_ACTIVE_AVAIL)),
        (1, 62)
    );
}

#[test]
fn what_is_asked_for_has_to_exist() {
    let mut tpm = started();
    let command = |capability, property| GetCapability { capability, property, property_count: 1 };
    let handle = refused(&mut tpm, &command(Capability::Handles, 0x5000_0000));
    assert_eq!(handle, rc::HANDLE.at(GetCapability::PROPERTY));
    for capability in [Capability::AuthPolicies, Capability::Act] {
        assert_eq!(
            refused(&mut tpm, &command(capability, 0x8000_0000)),
            rc::VALUE.at(GetCapability::PROPERTY)
        );
        assert!(!get(&mut tpm, capability, rh::FIRST, 1).0);
    }
    let unknown = [0x80, 1, 0, 0, 0, 22, 0, 0, 1, 0x7A, 0, 0, 0, 0x0B, 0, 0, 0, 0, 0, 0, 0, 1];
    let reply = tpm.raw(&unknown).unwrap();
    assert_eq!(reply[6..], rc::VALUE.at(GetCapability::CAPABILITY).raw().to_be_bytes());
}

/// v185 has no capability that can be set, with whatever authorization.
#[test]
fn no_capability_can_be_set() {
    let mut tpm = started();
    let handles = [
        None,
        Some(HierarchyAuthHandle::Owner),
        Some(HierarchyAuthHandle::Endorsement),
        Some(HierarchyAuthHandle::Platform),
        Some(HierarchyAuthHandle::Lockout),
    ];
    let capabilities = [0, 0x0A, 0x100, 0x8000_0000, 0x8100_0001, 0x8280_0001, 0x8500_0000, 0xFFFF_FFFF];
    for auth_handle in handles {
        for set_capability in capabilities {
            let set_capability_data = TpmsSetCapabilityData { set_capability, data: vec![1, 2, 3] };
            let set_capability_data = Tpm2bSetCapabilityData { set_capability_data };
            let refused = refused(&mut tpm, &SetCapability { auth_handle, set_capability_data });
            assert_eq!(refused, rc::VALUE.at(SetCapability::SET_CAPABILITY_DATA), "{set_capability:#x}");
        }
    }
    let set_capability_data = TpmsSetCapabilityData { set_capability: 0x8000_0000, data: Vec::new() };
    let command = SetCapability {
        auth_handle: Some(HierarchyAuthHandle::Owner),
        set_capability_data: Tpm2bSetCapabilityData { set_capability_data },
    };
    let wrong = tpm.call_with(&command, &mut [Auth::password(b"wrong")]).unwrap_err().rc().unwrap();
    assert_eq!(wrong.fmt1(), Some(rc::BAD_AUTH), "it must be authorized first");
}

#[test]
fn the_audited_commands_are_listed() {
    let mut tpm = started();
    let list = |tpm: &mut TestTpm| match get(tpm, Capability::AuditCommands, 0, 100) {
        (false, CapabilityData::AuditCommands(codes)) => codes.into_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(list(&mut tpm), [0x140], "SetCommandCodeAuditStatus, always");
    let set = SetCommandCodeAuditStatus {
        auth: ProvisionHandle::Owner,
        audit_alg: None,
        set_list: List::new(vec![0x17B]).unwrap(),
        clear_list: List::default(),
    };
    tpm.call(&set).unwrap();
    assert_eq!(list(&mut tpm), [0x140, 0x17B]);
    assert!(
        matches!(get(&mut tpm, Capability::PpCommands, 0, 1), (false, CapabilityData::PpCommands(codes)) if *codes == [0x12D])
    );
}

fn test(tpm: &mut TestTpm, parameters: PublicParms) -> Result<(), Rc> {
    tpm.call(&TestParms { parameters }).map(drop).map_err(|error| error.rc().unwrap())
}

#[test]
fn parameters_are_tested_by_reading_them() {
    let mut tpm = started();
    let rsa = |key_bits, mode| {
        let symmetric =
            Some(SymDefObject::Aes { key_bits: sigillo_types::alg::AesKeyBits::Aes128, mode: Some(mode) });
        PublicParms::Rsa(TpmsRsaParms { symmetric, scheme: None, key_bits, exponent: 0 })
    };
    assert_eq!(test(&mut tpm, rsa(RsaKeyBits::Rsa2048, SymMode::Cfb)), Ok(()));
    let key_bits = sigillo_types::alg::AesKeyBits::Aes256;
    let cipher = |sym| PublicParms::SymCipher(TpmsSymcipherParms { sym });
    for mode in [SymMode::Cmac, SymMode::Ctr, SymMode::Ofb, SymMode::Cbc, SymMode::Cfb, SymMode::Ecb] {
        assert_eq!(test(&mut tpm, cipher(SymDefObject::Aes { key_bits, mode: Some(mode) })), Ok(()));
    }
    let sm4 = SymDefObject::Sm4 { key_bits: sigillo_types::alg::Sm4KeyBits::Sm4_128, mode: None };
    assert_eq!(test(&mut tpm, cipher(sm4)), Err(rc::SYMMETRIC.at(TestParms::PARAMETERS)));
    let mut everything = started_with_everything();
    assert_eq!(test(&mut everything, cipher(sm4)), Ok(()));
    let kdf = Some(KdfScheme::Kdf1Sp800108 { hash_alg: HashAlg::Sha256 });
    let ecc =
        TpmsEccParms { symmetric: None, scheme: None, curve_id: sigillo_types::EccCurve::NistP384, kdf };
    assert_eq!(test(&mut tpm, PublicParms::Ecc(ecc)), Ok(()));
    // TPM_ALG_RSA with 2047 bits.
    let odd = [0x80, 1, 0, 0, 0, 22, 0, 0, 1, 0x8A, 0, 1, 0, 0x10, 0, 0x10, 0x07, 0xFF, 0, 0, 0, 0];
    assert_eq!(tpm.raw(&odd).unwrap()[6..], rc::VALUE.at(TestParms::PARAMETERS).raw().to_be_bytes());
}

fn test_result(tpm: &mut TestTpm) -> (Vec<u8>, Rc) {
    let answer = tpm.call(&GetTestResult {}).unwrap();
    (answer.out_data.to_vec(), answer.test_result)
}

#[test]
fn self_tests_run_when_they_are_asked_for() {
    let mut tpm = started();
    let incremental = |ids: &[u16]| IncrementalSelfTest { to_test: List::new(ids.to_vec()).unwrap() };
    let to_do = tpm.call(&incremental(&[])).unwrap().to_do_list.into_vec();
    let left = tpm.call(&incremental(&[id::SHA256, id::AES])).unwrap().to_do_list.into_vec();
    assert_eq!(left.len(), to_do.len() - 2);
    assert!(to_do.contains(&id::AES) && !left.contains(&id::AES));
    assert_eq!(
        refused(&mut tpm, &incremental(&[id::SHA256, 0x7777])),
        rc::VALUE.at(IncrementalSelfTest::TO_TEST)
    );
    tpm.call(&SelfTest { full_test: false }).unwrap();
    assert_eq!(tpm.call(&incremental(&[])).unwrap().to_do_list.into_vec(), []);
    assert_eq!(test_result(&mut tpm), (Vec::new(), rc::SUCCESS));
    tpm.call(&SelfTest { full_test: true }).unwrap();
    reset_line(&mut tpm);
    startup(&mut tpm, StartupType::Clear).unwrap();
    assert_eq!(tpm.call(&incremental(&[])).unwrap().to_do_list.into_vec(), to_do);
}

#[test]
fn the_test_result_is_about_every_algorithm() {
    let mut tpm = started();
    let incremental =
        IncrementalSelfTest { to_test: List::new(vec![id::RSA, id::ECC, id::XOR, id::AES]).unwrap() };
    assert_ne!(tpm.call(&incremental).unwrap().to_do_list.into_vec(), []);
    assert_eq!(test_result(&mut tpm), (Vec::new(), rc::SUCCESS));
    assert_eq!(tpm.call(&incremental).unwrap().to_do_list.into_vec(), []);
}

#[test]
fn what_a_command_depends_on_is_tested_before_it_answers() {
    let mut tpm = started();
    let left = |tpm: &mut TestTpm| {
        tpm.call(&IncrementalSelfTest { to_test: List::default() }).unwrap().to_do_list.into_vec()
    };
    tpm.call(&GetRandom { bytes_requested: 8 }).unwrap();
    let untested = left(&mut tpm);
    assert!(!untested.contains(&id::SHA256) && untested.contains(&id::ECDSA));
    support::primary(&mut tpm, Hierarchy::Null, template::ecc_storage());
    assert_eq!(left(&mut tpm), []);
}

#[test]
fn failure_mode_tells_who_made_the_tpm_and_why_it_failed() {
    let mut tpm = powered();
    tpm.transport().host.out_of_entropy = true;
    reset_line(&mut tpm);
    assert_eq!(refused(&mut tpm, &GetRandom { bytes_requested: 1 }), rc::FAILURE);
    assert_eq!(refused(&mut tpm, &PcrRead { pcr_selection_in: TpmlPcrSelection::default() }), rc::FAILURE);
    assert_eq!(test_result(&mut tpm), (vec![1], rc::FAILURE));
    let (more, all) = properties(&mut tpm, 0, 100);
    assert!(!more);
    assert_eq!((all.first().unwrap().0, all.last().unwrap().0), (pt::MANUFACTURER, pt::FIRMWARE_VERSION_2));
    assert_eq!(properties(&mut tpm, pt::FIRMWARE_VERSION_2 + 1, 100), (false, Vec::new()));
    assert_eq!(get(&mut tpm, Capability::Handles, 0, 10), (false, CapabilityData::Handles(List::default())));
    tpm.transport().host.out_of_entropy = false;
    reset_line(&mut tpm);
    startup(&mut tpm, StartupType::Clear).unwrap();
}
