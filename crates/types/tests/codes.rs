//! The response code that Part 2 names for what is wrong with each type.

use sigillo_types::command::Command as _;
use sigillo_types::{
    alg::*, attributes::*, buffers::*, commands::*, constants::*, handles::*, structures::*, *,
};
use std::fmt::Debug;

/// Octets from hexadecimal groups.
fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[track_caller]
fn refuses<T: Unmarshal + Debug>(octets: &str, code: Fmt1) {
    match T::from_bytes(&hex(octets)) {
        Err(refused) => assert_eq!(refused, code, "{octets}"),
        Ok(value) => panic!("{octets} was read as {value:?}"),
    }
}

#[test]
fn a_yes_or_no_is_zero_or_one() {
    refuses::<bool>("02", rc::VALUE);
    refuses::<bool>("", rc::INSUFFICIENT);
}

/// Algorithms that Part 2 knows and this TPM does not, and numbers that are no algorithm.
#[test]
fn an_unknown_algorithm_gets_the_code_of_its_use() {
    for octets in ["0000", "0013", "002A", "0044", "FFFF"] {
        refuses::<HashAlg>(octets, rc::HASH);
        refuses::<Option<HashAlg>>(octets, rc::HASH);
    }
    refuses::<HashAlg>("0010", rc::HASH);
    refuses::<ObjectType>("0010", rc::TYPE);
    refuses::<ObjectType>("00A1", rc::TYPE);
    refuses::<SymMode>("0010", rc::MODE);
    refuses::<Option<SymMode>>("0045", rc::MODE);
    refuses::<CipherMode>("0010", rc::MODE);
    refuses::<Option<CipherMode>>("003F", rc::MODE);
    for octets in ["0000", "0013", "0040", "FFFF"] {
        refuses::<MacScheme>(octets, rc::SYMMETRIC);
        refuses::<Option<MacScheme>>(octets, rc::SYMMETRIC);
    }
    refuses::<MacScheme>("0010", rc::SYMMETRIC);
    refuses::<MacScheme>("00", rc::INSUFFICIENT);
    refuses::<KdfAlg>("0010", rc::KDF);
    refuses::<Option<KdfAlg>>("001F", rc::KDF);
    refuses::<EccCurve>("0000", rc::CURVE);
    refuses::<EccCurve>("0006", rc::CURVE);
    refuses::<EccCurve>("0011", rc::CURVE);
    refuses::<Option<EccCurve>>("0030", rc::CURVE);
    refuses::<AesKeyBits>("0081", rc::VALUE);
    refuses::<TdesKeyBits>("0040", rc::VALUE);
    refuses::<Sm4KeyBits>("0100", rc::VALUE);
    refuses::<CamelliaKeyBits>("0040", rc::VALUE);
    refuses::<AesKeyBits>("0000", rc::VALUE);
    refuses::<RsaKeyBits>("0801", rc::VALUE);
    refuses::<RsaKeyBits>("2000", rc::VALUE);
}

#[test]
fn a_symmetric_definition_that_is_not_supported_is_symmetric() {
    refuses::<SymDef>("0003 0100 0043", rc::VALUE);
    refuses::<SymDef>("0013 0080 0099", rc::MODE);
    refuses::<SymDef>("0010", rc::SYMMETRIC);
    refuses::<SymDef>("0006 0081 0043", rc::VALUE);
    refuses::<SymDef>("0006 0080 0099", rc::MODE);
    refuses::<SymDef>("000A 0099", rc::HASH);
    refuses::<SymDef>("000A 0010", rc::HASH);
    refuses::<Option<SymDef>>("0014 0080 0043", rc::SYMMETRIC);
    refuses::<SymDefObject>("000A 000B", rc::SYMMETRIC);
    refuses::<SymDefObject>("0010", rc::SYMMETRIC);
    refuses::<Option<SymDefObject>>("0027 0080 0043", rc::SYMMETRIC);
    refuses::<Option<SymDefObject>>("0026 0081 0043", rc::VALUE);
}

#[test]
fn a_scheme_that_is_not_supported_gets_the_code_of_its_interface_type() {
    refuses::<Option<KeyedHashScheme>>("003F", rc::VALUE);
    refuses::<Option<KeyedHashScheme>>("0005 0010", rc::HASH);
    refuses::<Option<KeyedHashScheme>>("000A 000B 0099", rc::KDF);
    refuses::<KeyedHashScheme>("0010", rc::VALUE);
    refuses::<Option<SigScheme>>("0017 000B", rc::SCHEME);
    refuses::<Option<SigScheme>>("0099 000B", rc::SCHEME);
    refuses::<Option<SigScheme>>("0014 0010", rc::HASH);
    refuses::<SigScheme>("0010", rc::SCHEME);
    refuses::<Option<KdfScheme>>("001F 000B", rc::KDF);
    refuses::<Option<KdfScheme>>("0007 0010", rc::HASH);
    refuses::<Option<RsaScheme>>("0018 000B", rc::VALUE);
    refuses::<Option<RsaScheme>>("0017 0099", rc::HASH);
    refuses::<Option<RsaDecryptScheme>>("0014 000B", rc::VALUE);
    refuses::<Option<EccScheme>>("0014 000B", rc::SCHEME);
    refuses::<Option<EccScheme>>("0099 000B", rc::SCHEME);
    refuses::<Option<TpmtSignature>>("0015", rc::SCHEME);
    refuses::<TpmtSignature>("0010", rc::SCHEME);
    refuses::<TpmtSignature>("0014 0010 0000", rc::HASH);
    refuses::<TpmtSignature>("0005 0010", rc::HASH);
}

#[test]
fn a_constant_that_is_not_in_its_table_is_value() {
    refuses::<StartupType>("0002", rc::VALUE);
    refuses::<SessionType>("02", rc::VALUE);
    refuses::<SessionType>("04", rc::VALUE);
    refuses::<Operation>("000C", rc::VALUE);
    refuses::<ClockAdjust>("04", rc::VALUE);
    refuses::<ClockAdjust>("FC", rc::VALUE);
    refuses::<Capability>("0000000B", rc::VALUE);
    refuses::<Capability>("00000100", rc::VALUE);
    refuses::<CapabilityData>("0000000B", rc::VALUE);
}

/// Types that no command's handle area has; the others are in `part3.rs`.
#[test]
fn a_handle_that_is_not_of_its_type_is_value() {
    for handle in ["40000007", "40000000", "4000000A", "80000000"] {
        refuses::<EnablesHandle>(handle, rc::VALUE);
    }
    for handle in ["80000000", "8200 0000", "40000007"] {
        refuses::<PersistentHandle>(handle, rc::VALUE);
    }
    for handle in ["80000003", "02000040", "03000040", "81000000", "40000007"] {
        refuses::<SavedHandle>(handle, rc::VALUE);
    }
    for handle in ["40000009", "02000040", "03000040", "80000000"] {
        refuses::<AuthSessionHandle>(handle, rc::VALUE);
    }
    refuses::<Option<AuthSessionHandle>>("40000007", rc::VALUE);
    refuses::<Option<PcrHandle>>("00000018", rc::VALUE);
    refuses::<Hierarchy>("40000140", rc::VALUE);
    refuses::<Hierarchy>("4000000A", rc::VALUE);
    refuses::<NvIndexHandle>("10000000", rc::VALUE);
    refuses::<NvDefinedIndexHandle>("12000000", rc::VALUE);
    refuses::<NvLegacyIndexHandle>("11000000", rc::VALUE);
    refuses::<NvExpIndexHandle>("01000000", rc::VALUE);
    refuses::<NvPublic2>("02", rc::SELECTOR);
    refuses::<TpmaNvExp>("0000000800000000", rc::RESERVED_BITS);
    refuses::<TpmaNvExp>("0000000000000100", rc::RESERVED_BITS);
    refuses::<ObjectHandle>("800000", rc::INSUFFICIENT);
}

#[test]
fn a_reserved_bit_is_reserved_bits() {
    for bit in (4..8).chain(11..32) {
        refuses::<TpmaAlgorithm>(&format!("{:08X}", 1u32 << bit), rc::RESERVED_BITS);
    }
    for bit in [0, 3].into_iter().chain(12..16).chain(20..32) {
        refuses::<TpmaObject>(&format!("{:08X}", 1u32 << bit), rc::RESERVED_BITS);
    }
    for bit in [3, 4] {
        refuses::<TpmaSession>(&format!("{:02X}", 1u8 << bit), rc::RESERVED_BITS);
    }
    for bit in (3..8).chain(11..32) {
        refuses::<TpmaPermanent>(&format!("{:08X}", 1u32 << bit), rc::RESERVED_BITS);
    }
    for bit in 5..31 {
        refuses::<TpmaStartupClear>(&format!("{:08X}", 1u32 << bit), rc::RESERVED_BITS);
    }
    for bit in 3..32 {
        refuses::<TpmaMemory>(&format!("{:08X}", 1u32 << bit), rc::RESERVED_BITS);
    }
    for bit in 4..32 {
        refuses::<TpmaModes>(&format!("{:08X}", 1u32 << bit), rc::RESERVED_BITS);
    }
    for bit in (8..10).chain(20..25) {
        refuses::<TpmaNv>(&format!("{:08X}", 1u32 << bit), rc::RESERVED_BITS);
    }
    for bit in (16..22).chain(30..32) {
        refuses::<TpmaCc>(&format!("{:08X}", 1u32 << bit), rc::RESERVED_BITS);
    }
}

/// Every bit that is not reserved is read.
#[test]
fn a_bit_with_a_name_is_accepted() {
    assert_eq!(TpmaObject::from_bytes(&hex("000F0FF6")).unwrap(), TpmaObject::all());
    assert_eq!(TpmaNv::from_bytes(&hex("FE0FFCFF")).unwrap(), TpmaNv::all());
    assert_eq!(TpmaSession::from_bytes(&hex("E7")).unwrap(), TpmaSession::all());
    assert_eq!(TpmaLocality::from_bytes(&hex("FF")).unwrap(), TpmaLocality::all());
}

/// The maxima of Part 2, 10.3 and 11.
#[test]
fn a_buffer_above_its_maximum_is_size() {
    macro_rules! maxima {
        ($($name:ident $max:literal),+ $(,)?) => {$(
            let octets = |length: u16| [length.to_be_bytes().as_slice(), &vec![0x5A; usize::from(length)]].concat();
            assert_eq!($name::from_bytes(&octets($max)).unwrap().len(), $max, stringify!($name));
            assert_eq!($name::from_bytes(&octets($max + 1)).unwrap_err(), rc::SIZE, stringify!($name));
            refuses::<$name>("0002 AA", rc::INSUFFICIENT);
            refuses::<$name>("00", rc::INSUFFICIENT);
            refuses::<$name>("FFFF", rc::SIZE);
        )+};
    }
    maxima!(
        Tpm2bDigest 64,
        Tpm2bData 66,
        Tpm2bNonce 64,
        Tpm2bAuth 64,
        Tpm2bSecretDigest 64,
        Tpm2bSecretData 66,
        Tpm2bSecretBuffer 1024,
        Tpm2bOperand 64,
        Tpm2bEvent 1024,
        Tpm2bMaxBuffer 1024,
        Tpm2bMaxNvBuffer 1024,
        Tpm2bTimeout 8,
        Tpm2bIv 16,
        Tpm2bName 68,
        Tpm2bSymKey 64,
        Tpm2bLabel 32,
        Tpm2bSensitiveData 128,
        Tpm2bPublicKeyRsa 512,
        Tpm2bRsaMessage 512,
        Tpm2bPrivateKeyRsa 256,
        Tpm2bEccParameter 66,
        Tpm2bEccPrivate 66,
        Tpm2bEncryptedSecret 512,
        Tpm2bPrivate 1568,
        Tpm2bIdObject 132,
        Tpm2bContextData 3940,
    );
}

#[test]
fn a_list_with_too_many_or_too_few_is_size() {
    refuses::<TpmlCc>("000000FF", rc::SIZE);
    refuses::<TpmlAlg>("00000041", rc::SIZE);
    refuses::<TpmlHandle>("000000FF", rc::SIZE);
    refuses::<TpmlDigestMin2>("00000000", rc::SIZE);
    refuses::<TpmlDigestMin2>("00000001 0000", rc::SIZE);
    refuses::<TpmlDigestMin2>("00000009", rc::SIZE);
    refuses::<TpmlDigest>("00000009", rc::SIZE);
    refuses::<TpmlDigestValues>("00000009", rc::SIZE);
    refuses::<TpmlPcrSelection>("00000009", rc::SIZE);
    refuses::<TpmlPcrSelection>("FFFFFFFF", rc::SIZE);
    refuses::<TpmlCc>("00000001 000001", rc::INSUFFICIENT);
}

#[test]
fn a_pcr_selection_has_three_octets() {
    for selection in ["02 FFFF", "04 FFFFFFFF", "00", "FF"] {
        refuses::<TpmsPcrSelection>(&format!("000B {selection}"), rc::VALUE);
        refuses::<TpmsTaggedPcrSelect>(&format!("00000000 {selection}"), rc::VALUE);
    }
    refuses::<TpmsPcrSelection>("0010 03 000000", rc::HASH);
    refuses::<TpmsPcrSelection>("000B 03 0000", rc::INSUFFICIENT);
}

#[test]
fn a_tagged_digest_has_the_size_of_its_algorithm() {
    refuses::<TpmtHa>("0010", rc::HASH);
    refuses::<TpmtHa>("0013", rc::HASH);
    refuses::<TpmtHa>(&format!("000B {}", "00".repeat(31)), rc::INSUFFICIENT);
    refuses::<TpmlDigestValues>("00000001 0010", rc::HASH);
}

#[test]
fn a_ticket_with_another_tag_is_tag() {
    refuses::<TpmtTkCreation>("8022 40000001 0000", rc::TAG);
    refuses::<TpmtTkHashcheck>("8021 40000001 0000", rc::TAG);
    refuses::<TpmtTkVerified>("8024 40000001 0000", rc::TAG);
    refuses::<TpmtTkAuth>("8022 40000001 0000", rc::TAG);
    refuses::<TpmtTkCreation>("8021 4000000A 0000", rc::VALUE);
    refuses::<TpmtTkHashcheck>("8024 80000000 0000", rc::VALUE);
    refuses::<TpmtTkAuth>("8025 40000001 0041", rc::SIZE);
    refuses::<TpmtTkVerified>("8027 40000001 0099 0000", rc::HASH);
}

/// The tag is read first, whatever stands behind it.
#[test]
fn a_wrong_tag_comes_before_a_wrong_hierarchy() {
    refuses::<TpmtTkCreation>("8022 FFFFFFFF FFFF", rc::TAG);
    refuses::<TpmtTkVerified>("8024 FFFFFFFF FFFF", rc::TAG);
}

/// A public area of an HMAC key, with one of its parts replaced.
fn public(kind: &str, name_alg: &str, attributes: &str, rest: &str) -> String {
    let area = format!("{kind}{name_alg}{attributes}{rest}").replace(' ', "");
    format!("{:04X} {area}", area.len() / 2)
}

#[test]
fn a_public_area_answers_for_its_first_wrong_part() {
    let rest = "0000 0005 000B 0000";
    Tpm2bPublic::from_bytes(&hex(&public("0008", "000B", "00040040", rest))).unwrap();
    refuses::<Tpm2bPublic>(&public("0010", "0099", "FFFFFFFF", rest), rc::TYPE);
    refuses::<Tpm2bPublic>(&public("0008", "0099", "FFFFFFFF", rest), rc::HASH);
    refuses::<Tpm2bPublic>(&public("0008", "000B", "FFFFFFFF", rest), rc::RESERVED_BITS);
    refuses::<Tpm2bPublic>(&public("0008", "000B", "00040040", "0041"), rc::SIZE);
    refuses::<Tpm2bPublic>(&public("0008", "000B", "00040040", "0000 0014 000B 0000"), rc::VALUE);
    refuses::<Tpm2bPublic>(
        &public("0001", "000B", "00040040", "0000 0010 0010 0801 00000000 0000"),
        rc::VALUE,
    );
    refuses::<Tpm2bPublic>(
        &public("0023", "000B", "00040040", "0000 0010 0010 0006 0010 0000 0000"),
        rc::CURVE,
    );
    refuses::<Tpm2bPublic>(
        &public("0023", "000B", "00040040", "0000 0010 0010 0003 0099 0000 0000"),
        rc::KDF,
    );
    refuses::<Tpm2bPublic>(&public("0025", "000B", "00040040", "0000 0010 0000"), rc::SYMMETRIC);
    refuses::<PublicParms>("0010", rc::TYPE);
}

#[test]
fn only_a_public_area_with_a_plus_may_lack_a_name() {
    let octets = public("0008", "0010", "00040040", "0000 0010 0000");
    refuses::<Tpm2bPublic>(&octets, rc::HASH);
    assert_eq!(Tpm2bPublicPlus::from_bytes(&hex(&octets)).unwrap().public_area.name_alg, None);
}

#[test]
fn a_structure_of_another_size_than_it_says_is_size() {
    refuses::<Tpm2bPublic>("0000", rc::SIZE);
    refuses::<Tpm2bPublicPlus>("0000", rc::SIZE);
    refuses::<Tpm2bPublic>("0011 0008 000B 00040040 0000 0005 000B 0000", rc::SIZE);
    refuses::<Tpm2bPublic>("000F 0008 000B 00040040 0000 0005 000B 0000 00", rc::SIZE);
    refuses::<Tpm2bSensitiveCreate>("0000", rc::SIZE);
    refuses::<Tpm2bSensitiveCreate>("0005 0000 0000 00", rc::SIZE);
    refuses::<Tpm2bSensitiveCreate>("0003 0000 0000", rc::SIZE);
    refuses::<Tpm2bSensitiveCreate>("0004 0000 0081", rc::SIZE);
    refuses::<Tpm2bSensitive>("0000", rc::SIZE);
    refuses::<Tpm2bEccPoint>("0000", rc::SIZE);
    refuses::<Tpm2bEccSecretPoint>("0000", rc::SIZE);
    refuses::<Tpm2bEccPoint>("0006 0001 07 0000", rc::SIZE);
    refuses::<Tpm2bEccPoint>("0005 0001 07 00", rc::INSUFFICIENT);
    refuses::<Tpm2bNvPublic>("0000", rc::SIZE);
    refuses::<Tpm2bCreationData>("0000", rc::SIZE);
}

#[test]
fn a_sensitive_area_of_an_unknown_type_is_type() {
    refuses::<TpmtSensitive>("0010 0000 0000 0000", rc::TYPE);
    refuses::<TpmtSensitive>("0008 0041", rc::SIZE);
    refuses::<TpmtSensitive>("0001 0000 0000 0101", rc::SIZE);
    assert_eq!(Option::<Tpm2bSensitive>::from_bytes(&hex("0000")), Ok(None));
}

#[test]
fn an_index_answers_for_its_first_wrong_part() {
    let index = |handle: &str, name_alg: &str, attributes: &str, size: &str| {
        format!("000E {handle} {name_alg} {attributes} 0000 {size}")
    };
    Tpm2bNvPublic::from_bytes(&hex(&index("01000000", "000B", "00020002", "2800"))).unwrap();
    refuses::<Tpm2bNvPublic>(&index("02000000", "0010", "00000100", "FFFF"), rc::VALUE);
    refuses::<Tpm2bNvPublic>(&index("01000000", "0010", "00000100", "FFFF"), rc::HASH);
    refuses::<Tpm2bNvPublic>(&index("01000000", "000B", "00000100", "FFFF"), rc::RESERVED_BITS);
    refuses::<Tpm2bNvPublic>(&index("01000000", "000B", "00000000", "2801"), rc::SIZE);
}

#[test]
fn an_attestation_begins_as_a_tpm_generates_it() {
    refuses::<TpmsAttest>("FF544346 8018", rc::VALUE);
    refuses::<TpmsAttest>(&format!("FF544347 8021 0000 0000 {}", "00".repeat(17 + 8)), rc::TAG);
}

#[test]
fn a_context_is_of_a_kind_that_can_be_saved() {
    refuses::<TpmsContext>("0000000000000001 80000003 40000007 0000", rc::VALUE);
    refuses::<TpmsContext>("0000000000000001 80000000 4000000A 0000", rc::VALUE);
    refuses::<TpmsContext>("0000000000000001 80000000 40000007 0F65", rc::SIZE);
}

#[test]
fn a_command_says_which_handle_or_parameter_is_wrong() {
    let in_public = hex(&format!("0004 0000 0000 {}", public("0008", "0099", "00000000", "")));
    assert_eq!(
        Create::from_parts(&[0x8000_0000], Reader::new(&in_public)).unwrap_err(),
        rc::HASH.at(Create::IN_PUBLIC)
    );
    assert_eq!(rc::HASH.at(Create::IN_PUBLIC).raw(), 0x2C3);

    let refused = NvWrite::from_parts(&[rh::OWNER, rh::OWNER], Reader::new(&[])).unwrap_err();
    assert_eq!(refused.raw(), 0x284);
    assert_eq!(refused, rc::VALUE.at(NvWrite::NV_INDEX));

    let refused =
        NvWrite::from_parts(&[rh::OWNER, 0x0100_0000], Reader::new(&hex("0001 AA 00"))).unwrap_err();
    assert_eq!(refused, rc::INSUFFICIENT.at(NvWrite::OFFSET));

    let refused =
        NvWrite::from_parts(&[rh::OWNER, 0x0100_0000], Reader::new(&hex("0001 AA 0000 00"))).unwrap_err();
    assert_eq!(refused.raw(), 0x095);
}
