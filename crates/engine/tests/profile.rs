//! Profiles: what each kind of TPM reports, makes and refuses. docs/adr/0008-profiles.md.

mod common;
mod support;

use common::{TestHost, TestTpm, power_cycle, refused, reset_line, started, started_as, startup};
use sigillo_client::{Auth, SessionOptions, template};
use sigillo_engine::{Profile, RestoreError, Tpm};
use sigillo_types::{
    EccCurve, HashAlg, Position,
    alg::{RsaKeyBits, SymMode, id},
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bEncryptedSecret},
    cc,
    commands::{
        ChangePps, CreatePrimary, GetCapability, Hash, HashSequenceStart, LoadExternal, PcrExtend, PcrRead,
        PcrReset, PcrSetAuthPolicy, PcrSetAuthValue, PolicyCommandCode, StartAuthSession, TestParms,
    },
    constants::{Capability, SessionType, StartupType},
    handles::{Hierarchy, PcrHandle, PlatformHandle, PolicySessionHandle},
    pt, rc,
    structures::{
        CapabilityData, List, PcrSelect, PublicParms, SymDefObject, Tpm2bPublicPlus, TpmsPcrSelection,
        TpmsSymcipherParms, TpmtHa, TpmtPublic,
    },
};
use std::collections::BTreeSet;
use support::create_primary;

/// What another TPM answered: kind, number and value of each line.
const LIBTPMS: &str = include_str!("vectors/libtpms-0.9.2.txt");

fn expected(kind: &str) -> Vec<(u32, u32)> {
    let number = |text: &str| u32::from_str_radix(text, 16).unwrap();
    let lines = LIBTPMS.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' '));
    lines
        .map(|line| match line.split_once(' ') {
            Some((first, second)) => (number(first), number(second)),
            None => (number(line), 0),
        })
        .collect()
}

fn get(tpm: &mut TestTpm, capability: Capability, property: u32) -> CapabilityData {
    tpm.call(&GetCapability { capability, property, property_count: 127 }).unwrap().capability_data
}

fn fixed(tpm: &mut TestTpm) -> Vec<(u32, u32)> {
    match get(tpm, Capability::TpmProperties, pt::FIXED) {
        CapabilityData::TpmProperties(all) => all.iter().map(|one| (one.property, one.value)).collect(),
        other => panic!("{other:?}"),
    }
}

fn property(tpm: &mut TestTpm, number: u32) -> u32 {
    fixed(tpm).into_iter().find(|(property, _)| *property == number).unwrap().1
}

fn algorithms(tpm: &mut TestTpm) -> Vec<(u32, u32)> {
    match get(tpm, Capability::Algs, 0) {
        CapabilityData::Algorithms(all) => {
            all.iter().map(|one| (one.alg.into(), one.alg_properties.bits())).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn curves(tpm: &mut TestTpm) -> Vec<(u32, u32)> {
    match get(tpm, Capability::EccCurves, 0) {
        CapabilityData::EccCurves(all) => all.iter().map(|curve| ((*curve).into(), 0)).collect(),
        other => panic!("{other:?}"),
    }
}

/// A selection as its octets read.
fn octets(select: PcrSelect) -> u32 {
    use sigillo_types::Marshal;
    select.to_bytes().iter().skip(1).fold(0, |number, octet| number << 8 | u32::from(*octet))
}

fn banks(tpm: &mut TestTpm) -> Vec<(u32, u32)> {
    match get(tpm, Capability::Pcrs, 0) {
        CapabilityData::AssignedPcr(all) => {
            all.iter().map(|bank| (bank.hash.id().into(), octets(bank.pcr_select))).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// Answers that tell of this engine and not of what it resembles: sizes of its contexts, and its commands.
const OWN: [u32; 5] = [
    pt::MAX_OBJECT_CONTEXT,
    pt::MAX_SESSION_CONTEXT,
    pt::SPLIT_MAX,
    pt::TOTAL_COMMANDS,
    pt::LIBRARY_COMMANDS,
];

#[test]
fn libtpms_reports_the_fixed_properties_of_libtpms() {
    let mut tpm = started_as(Profile::libtpms());
    let others = |all: Vec<(u32, u32)>| -> Vec<(u32, u32)> {
        all.into_iter().filter(|(number, _)| !OWN.contains(number)).collect()
    };
    assert_eq!(others(fixed(&mut tpm)), others(expected("fixed")));
}

#[test]
fn libtpms_has_no_algorithm_or_curve_that_libtpms_does_not_have() {
    let mut tpm = started_as(Profile::libtpms());
    let (known, known_curves) = (expected("algorithm"), expected("curve"));
    let (found, found_curves) = (algorithms(&mut tpm), curves(&mut tpm));
    assert!(found.iter().all(|one| known.contains(one)), "{found:x?}");
    assert!(found_curves.iter().all(|one| known_curves.contains(one)), "{found_curves:x?}");
    assert!(found.len() > 20 && found_curves.len() > 1);
}

#[test]
fn the_signing_commands_of_v185_are_not_in_libtpms() {
    let from = cc::VERIFY_SEQUENCE_COMPLETE;
    let commands = |tpm: &mut TestTpm| match get(tpm, Capability::Commands, from) {
        CapabilityData::Command(all) => all.iter().map(|one| one.code()).collect::<Vec<u32>>(),
        other => panic!("{other:?}"),
    };
    let added = [
        cc::VERIFY_SEQUENCE_COMPLETE,
        cc::SIGN_SEQUENCE_COMPLETE,
        cc::VERIFY_DIGEST_SIGNATURE,
        cc::SIGN_DIGEST,
        cc::VERIFY_SEQUENCE_START,
        cc::SIGN_SEQUENCE_START,
    ];
    for profile in Profile::ALL {
        let there = profile.name() != "libtpms";
        let mut tpm = started_as(profile);
        assert_eq!(commands(&mut tpm), if there { &added[..] } else { &[] });
        let total = property(&mut tpm, pt::TOTAL_COMMANDS);
        let all = sigillo_engine::implemented().map(|spec| spec.code).collect::<BTreeSet<u32>>();
        assert_eq!(all.len() - total as usize, if there { 0 } else { added.len() });
        let session = tpm.start_session(SessionOptions::new(SessionType::Trial, HashAlg::Sha256)).unwrap();
        let policy_session = PolicySessionHandle::new(session.handle).unwrap();
        let limited = tpm.call(&PolicyCommandCode { policy_session, code: cc::SIGN_DIGEST });
        assert_eq!(limited.is_ok(), there);
    }
}

#[test]
fn libtpms_has_the_pcr_of_libtpms() {
    let mut tpm = started_as(Profile::libtpms());
    assert_eq!(banks(&mut tpm), expected("bank"));
    let properties: Vec<(u32, u32)> = match get(&mut tpm, Capability::PcrProperties, 0) {
        CapabilityData::PcrProperties(all) => {
            all.iter().map(|one| (one.tag, octets(one.pcr_select))).collect()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(properties, expected("pcr"));
}

#[test]
fn ptp_1_07_reports_itself_and_what_it_asks_for() {
    let mut tpm = started_as(Profile::ptp_1_07());
    for (number, value) in
        [(pt::PS_FAMILY_INDICATOR, 1), (pt::PS_REVISION, 0x107), (pt::REVISION, 185), (pt::PS_YEAR, 0)]
    {
        assert_eq!(property(&mut tpm, number), value, "{number:#x}");
    }
    for (number, least) in [
        (pt::HR_TRANSIENT_MIN, 3),
        (pt::HR_PERSISTENT_MIN, 9),
        (pt::HR_LOADED_MIN, 3),
        (pt::ACTIVE_SESSIONS_MAX, 64),
        (pt::PCR_COUNT, 24),
        (pt::PCR_SELECT_MIN, 3),
        (pt::NV_INDEX_MAX, 8500),
        (pt::NV_BUFFER_MAX, 512),
    ] {
        assert!(property(&mut tpm, number) >= least, "{number:#x}");
    }
    let banks: Vec<u32> = banks(&mut tpm).into_iter().map(|(hash, _)| hash).collect();
    assert_eq!(banks, [id::SHA256.into(), id::SHA384.into()]);
    assert!(!algorithms(&mut tpm).iter().any(|(alg, _)| [id::SHA1.into(), id::TDES.into()].contains(alg)));
    let curves: Vec<u32> = curves(&mut tpm).into_iter().map(|(curve, _)| curve).collect();
    assert_eq!(curves, [EccCurve::NistP256.id().into(), EccCurve::NistP384.id().into()]);
}

fn create(public: TpmtPublic) -> CreatePrimary {
    create_primary(Hierarchy::Owner, public)
}

fn rsa(bits: RsaKeyBits) -> TpmtPublic {
    let mut public = template::rsa_signing(None, false);
    if let PublicParms::Rsa(parms) = &mut public.parameters {
        parms.key_bits = bits;
    }
    public
}

#[test]
fn what_a_profile_lacks_is_refused_where_it_stands() {
    let mut tpm = started_as(Profile::ptp_1_07());
    let hash = Hash { data: [1].into(), hash_alg: HashAlg::Sha1, hierarchy: Hierarchy::Null };
    assert_eq!(refused(&mut tpm, &hash), rc::HASH.at(Hash::HASH_ALG));
    let sequence = HashSequenceStart { auth: [].into(), hash_alg: Some(HashAlg::Sha1) };
    assert_eq!(refused(&mut tpm, &sequence), rc::HASH.at(HashSequenceStart::HASH_ALG));
    let selection =
        List::new(vec![TpmsPcrSelection { hash: HashAlg::Sha1, pcr_select: PcrSelect::ALL }]).unwrap();
    let read = PcrRead { pcr_selection_in: selection };
    assert_eq!(refused(&mut tpm, &read), rc::HASH.at(PcrRead::PCR_SELECTION_IN));
    let digests = List::new(vec![TpmtHa::Sha256([0; 32]), TpmtHa::Sha1([0; 20])]).unwrap();
    let extend = PcrExtend { pcr_handle: Some(PcrHandle::new(16).unwrap()), digests };
    assert_eq!(refused(&mut tpm, &extend), rc::HASH.at(PcrExtend::DIGESTS));
    let mut named = template::ecc_storage();
    named.name_alg = Some(HashAlg::Sha1);
    assert_eq!(refused(&mut tpm, &create(named)), rc::HASH.at(CreatePrimary::IN_PUBLIC));
    assert_eq!(refused(&mut tpm, &create(rsa(RsaKeyBits::Rsa1024))), rc::VALUE.at(CreatePrimary::IN_PUBLIC));
    let start = StartAuthSession {
        tpm_key: None,
        bind: None,
        nonce_caller: [0; 16].into(),
        encrypted_salt: Tpm2bEncryptedSecret::default(),
        session_type: SessionType::Hmac,
        symmetric: None,
        auth_hash: HashAlg::Sha1,
    };
    assert_eq!(refused(&mut tpm, &start), rc::HASH.at(StartAuthSession::AUTH_HASH));
}

#[test]
fn rsa_1024_is_made_only_where_the_profile_says_so() {
    let mut tpm = started();
    let small = rsa(RsaKeyBits::Rsa1024);
    assert_eq!(refused(&mut tpm, &create(small.clone())), rc::VALUE.at(CreatePrimary::IN_PUBLIC));
    let mut tpm = started_as(Profile::libtpms());
    let made = tpm.call(&create(small.clone())).unwrap();
    let again = tpm.call(&create(small)).unwrap();
    assert_eq!(made.name, again.name, "a primary key is derived");
    let external = LoadExternal {
        in_private: None,
        in_public: Tpm2bPublicPlus { public_area: made.out_public.public_area },
        hierarchy: Hierarchy::Null,
    };
    started().call(&external).unwrap();
    let mut strict = started_as(Profile::ptp_1_07());
    assert_eq!(refused(&mut strict, &external), rc::VALUE.at(LoadExternal::IN_PUBLIC));
}

#[test]
fn key_sizes_are_those_of_the_profile() {
    let aes = |key_bits| TestParms {
        parameters: PublicParms::SymCipher(TpmsSymcipherParms {
            sym: SymDefObject::Aes { key_bits, mode: Some(SymMode::Cfb) },
        }),
    };
    use sigillo_types::alg::AesKeyBits::{Aes128, Aes192, Aes256};
    for (profile, sizes) in
        [(Profile::pc_client(), &[Aes128, Aes192, Aes256][..]), (Profile::libtpms(), &[Aes128, Aes256])]
    {
        let mut tpm = started_as(profile);
        for size in [Aes128, Aes192, Aes256] {
            let answer = tpm.call(&aes(size)).map(drop).map_err(|error| error.rc().unwrap());
            let expected =
                if sizes.contains(&size) { Ok(()) } else { Err(rc::VALUE.at(TestParms::PARAMETERS)) };
            assert_eq!(answer, expected, "{size:?}");
        }
    }
}

#[test]
fn a_restored_tpm_keeps_its_profile() {
    for profile in Profile::ALL {
        let mut tpm = started_as(profile.clone());
        let before = (fixed(&mut tpm), algorithms(&mut tpm), banks(&mut tpm));
        common::shutdown(&mut tpm, StartupType::Clear).unwrap();
        power_cycle(&mut tpm);
        common::startup(&mut tpm, StartupType::Clear).unwrap();
        assert_eq!((fixed(&mut tpm), algorithms(&mut tpm), banks(&mut tpm)), before);
        assert_eq!(tpm.transport().tpm.profile().name(), profile.name());
    }
}

#[test]
fn a_state_of_an_unknown_profile_is_refused_as_that() {
    let mut tpm = started();
    let mut state = tpm.transport().tpm.permanent_state().to_vec();
    let name = state.windows(9).position(|window| window == b"pc-client").unwrap();
    state[name + 8] = b'x';
    let error = Tpm::restore(&state, &mut TestHost::default()).unwrap_err();
    assert_eq!(error, RestoreError::UnknownProfile);
    assert!(error.to_string().contains("profile"));
}

#[test]
fn a_profile_without_a_bank_extends_the_others() {
    let mut tpm = started_as(Profile::ptp_1_07());
    let event = sigillo_types::commands::PcrEvent {
        pcr_handle: Some(PcrHandle::new(16).unwrap()),
        event_data: [1, 2, 3].into(),
    };
    let algs: Vec<HashAlg> =
        tpm.call(&event).unwrap().digests.iter().map(sigillo_types::structures::TpmtHa::hash_alg).collect();
    assert_eq!(algs, [HashAlg::Sha256, HashAlg::Sha384]);
}

/// Only libtpms has PCR with an authValue and a policy: 20, 21 and 22 share them.
#[test]
fn pcr_of_the_group_share_an_auth_value_until_the_next_startup() {
    let mut tpm = started_as(Profile::libtpms());
    tpm.transport().locality = 2;
    let auth: &[u8] = b"pcr";
    let set = |pcr, auth: &[u8]| PcrSetAuthValue {
        pcr_handle: PcrHandle::new(pcr).unwrap(),
        auth: Tpm2bAuth::new(auth).unwrap(),
    };
    assert_eq!(refused(&mut tpm, &set(16, auth)), rc::VALUE.into());
    tpm.call(&set(20, auth)).unwrap();
    let reset = PcrReset { pcr_handle: PcrHandle::new(22).unwrap() };
    assert_eq!(refused(&mut tpm, &reset), rc::BAD_AUTH.at(Position::Session(1)));
    tpm.call_with(&reset, &mut [Auth::password(auth)]).unwrap();
    tpm.call(&PcrReset { pcr_handle: PcrHandle::new(23).unwrap() }).unwrap();
    tpm.transport().locality = 0;
    reset_line(&mut tpm);
    startup(&mut tpm, StartupType::Clear).unwrap();
    tpm.transport().locality = 2;
    tpm.call(&reset).unwrap();
}

#[test]
fn pcr_of_the_group_share_a_policy_until_the_platform_seed_changes() {
    let mut tpm = started_as(Profile::libtpms());
    tpm.transport().locality = 2;
    let set = |pcr, digest: &[u8], hash_alg| PcrSetAuthPolicy {
        auth_handle: PlatformHandle::Platform,
        auth_policy: Tpm2bDigest::new(digest).unwrap(),
        hash_alg,
        pcr_num: PcrHandle::new(pcr).unwrap(),
    };
    let sha256 = Some(HashAlg::Sha256);
    assert_eq!(refused(&mut tpm, &set(20, &[1; 20], sha256)), rc::SIZE.at(PcrSetAuthPolicy::AUTH_POLICY));
    assert_eq!(refused(&mut tpm, &set(19, &[0; 32], sha256)), rc::VALUE.at(PcrSetAuthPolicy::PCR_NUM));
    // An empty policy session has a policyDigest of zeros.
    tpm.call(&set(21, &[0; 32], sha256)).unwrap();
    let reset = PcrReset { pcr_handle: PcrHandle::new(20).unwrap() };
    let mut session = tpm.start_session(SessionOptions::new(SessionType::Policy, HashAlg::Sha256)).unwrap();
    tpm.call_with(&reset, &mut [Auth::session(&mut session, b"")]).unwrap();
    let other = PcrReset { pcr_handle: PcrHandle::new(23).unwrap() };
    let answer = tpm.call_with(&other, &mut [Auth::session(&mut session, b"")]);
    assert_eq!(answer.unwrap_err().rc(), Some(rc::AUTH_UNAVAILABLE));
    tpm.call(&ChangePps { auth_handle: PlatformHandle::Platform }).unwrap();
    let answer = tpm.call_with(&reset, &mut [Auth::session(&mut session, b"")]);
    assert_eq!(answer.unwrap_err().rc(), Some(rc::AUTH_UNAVAILABLE));
}
