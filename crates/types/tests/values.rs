//! What the types say beyond their octets.

use sigillo_types::{
    HashAlg, attributes::*, buffers::*, cc, commands::*, constants::*, handles::*, rc, structures::*, *,
};

#[test]
fn a_secret_is_not_printed() {
    let sensitive = TpmtSensitive {
        auth_value: Tpm2bAuth::from(*b"auth"),
        seed_value: Tpm2bSecretDigest::from([0x5A; 32]),
        sensitive: SensitiveComposite::Bits(Tpm2bSensitiveData::from(*b"data")),
    };
    let printed = format!("{sensitive:?}");
    assert_eq!(
        printed,
        "TpmtSensitive { auth_value: [secret], seed_value: [secret], sensitive: Bits([secret]) }"
    );
}

#[test]
fn what_a_command_takes_and_gives_in_secret_is_not_printed() {
    let coordinate = || Tpm2bEccPrivate::from([0x5A; 32]);
    let point = || Tpm2bEccSecretPoint { point: TpmsEccSecretPoint { x: coordinate(), y: coordinate() } };
    let octets = || Tpm2bSecretBuffer::from([0x5A; 32]);
    let wrapping = || Tpm2bSecretData::from([0x5A; 16]);
    let printed = [
        format!("{:?}", GetRandomResponse { random_bytes: [0x5A; 32].into() }),
        format!("{:?}", EncryptDecryptResponse { out_data: octets(), iv_out: Tpm2bIv::default() }),
        format!("{:?}", EncryptDecrypt2Response { out_data: octets(), iv_out: Tpm2bIv::default() }),
        format!("{:?}", EccDecryptResponse { plain_text: octets() }),
        format!("{:?}", EcdhZGenResponse { out_point: point() }),
        format!("{:?}", ZGen2PhaseResponse { out_z1: point(), out_z2: point() }),
        format!(
            "{:?}",
            DuplicateResponse {
                encryption_key_out: wrapping(),
                duplicate: Tpm2bPrivate::default(),
                out_sym_seed: Tpm2bEncryptedSecret::default(),
            }
        ),
    ];
    for printed in printed {
        assert!(printed.contains("[secret]") && !printed.contains("5a5a"), "{printed}");
    }
}

#[test]
fn secrets_are_equal_only_in_every_octet_and_in_length() {
    let secret = Tpm2bAuth::from(*b"secret");
    assert_eq!(secret, Tpm2bAuth::from(*b"secret"));
    assert_ne!(secret, Tpm2bAuth::from(*b"secreT"));
    assert_ne!(secret, Tpm2bAuth::from(*b"secret\0"));
    assert_ne!(secret, Tpm2bAuth::default());
}

#[test]
fn a_buffer_that_is_no_secret_prints_its_octets() {
    assert_eq!(format!("{:?}", Tpm2bDigest::from([0xAB, 0x01])), "Tpm2bDigest(ab01)");
}

#[test]
fn a_pcr_has_its_bit_in_the_octet_of_its_eight() {
    let select = PcrSelect::of([0, 8, 23].map(|pcr| PcrHandle::new(pcr).unwrap()));
    assert_eq!(select.to_bytes(), [3, 0x01, 0x01, 0x80]);
    assert_eq!(select.count(), 3);
    assert_eq!(select.iter().map(PcrHandle::raw).collect::<Vec<_>>(), [0, 8, 23]);
    assert_eq!(PcrSelect::ALL.count(), limits::IMPLEMENTATION_PCR);
}

#[test]
fn a_selection_can_be_changed() {
    let pcr = PcrHandle::new(7).unwrap();
    let mut select = PcrSelect::ALL;
    select.remove(pcr);
    assert!(!select.contains(pcr));
    assert_eq!(select.count(), 23);
    assert!(select.intersection(PcrSelect::of([pcr])).is_empty());
}

#[test]
fn a_locality_from_five_to_thirty_one_does_not_exist() {
    for locality in 5..32 {
        assert_eq!(TpmaLocality::of(locality), None);
        assert!(!TpmaLocality::all().allows(locality));
    }
}

#[test]
fn a_set_of_localities_allows_its_members_and_an_extended_locality_only_itself() {
    let set = TpmaLocality::ZERO | TpmaLocality::THREE;
    assert_eq!((0..=255).filter(|locality| set.allows(*locality)).collect::<Vec<u8>>(), [0, 3]);
    let extended = TpmaLocality::of(67).unwrap();
    assert!(extended.is_extended());
    assert_eq!((0..=255).filter(|locality| extended.allows(*locality)).collect::<Vec<u8>>(), [67]);
}

#[test]
fn an_index_type_can_be_put_in_and_read_back() {
    for nt in
        [NvType::Ordinary, NvType::Counter, NvType::Bits, NvType::Extend, NvType::PinFail, NvType::PinPass]
    {
        let attributes = (TpmaNv::AUTHWRITE | TpmaNv::NT | TpmaNv::WRITTEN).with_nt(nt);
        assert_eq!(attributes.nt(), Some(nt));
        assert!(attributes.contains(TpmaNv::AUTHWRITE | TpmaNv::WRITTEN));
    }
    assert_eq!(TpmaNv::from_bits_retain(3 << 4).nt(), None);
}

#[test]
fn a_handle_has_the_type_of_its_top_octet() {
    for (handle, handle_type) in [
        (0x0000_0017, HandleType::Pcr),
        (0x01C0_0002, HandleType::NvIndex),
        (0x0200_0000, HandleType::HmacSession),
        (0x0300_0001, HandleType::PolicySession),
        (0x1100_0001, HandleType::ExternalNv),
        (0x1200_0001, HandleType::PermanentNv),
        (rh::OWNER, HandleType::Permanent),
        (0x8000_0000, HandleType::Transient),
        (0x8100_0001, HandleType::Persistent),
    ] {
        assert_eq!(HandleType::of(handle), Some(handle_type));
        assert_eq!(u32::from(handle_type.id()), handle >> 24);
    }
    assert_eq!(HandleType::of(0x1000_0000), None);
}

#[test]
fn the_upper_half_of_the_persistent_handles_is_the_platforms() {
    assert!(!PersistentHandle::new(0x817F_FFFF).unwrap().is_platform());
    assert!(PersistentHandle::new(0x8180_0000).unwrap().is_platform());
}

#[test]
fn a_tagged_digest_takes_only_its_algorithms_size() {
    for hash_alg in HashAlg::ALL {
        let digest = vec![7; hash_alg.digest_size()];
        let tagged = TpmtHa::new(hash_alg, &digest).unwrap();
        assert_eq!((tagged.hash_alg(), tagged.digest()), (hash_alg, digest.as_slice()));
        assert_eq!(TpmtHa::new(hash_alg, &digest[1..]), Err(rc::SIZE));
    }
}

#[test]
fn a_full_list_takes_no_more() {
    let mut list = TpmlDigestValues::default();
    for _ in 0..limits::HASH_COUNT {
        list.push(TpmtHa::Sha1([0; 20])).unwrap();
    }
    assert_eq!(list.push(TpmtHa::Sha1([0; 20])), Err(rc::SIZE));
    assert_eq!(list.len(), limits::HASH_COUNT);
}

#[test]
fn the_largest_attestation_fits_its_buffer() {
    let name = Tpm2bName::from([1; Tpm2bName::MAX]);
    let attest = TpmsAttest {
        qualified_signer: name.clone(),
        extra_data: Tpm2bData::from([2; Tpm2bData::MAX]),
        clock_info: TpmsClockInfo { clock: 0, reset_count: 0, restart_count: 0, safe: true },
        firmware_version: 0,
        attested: Attested::Nv(TpmsNvCertifyInfo {
            index_name: name,
            offset: 0,
            nv_contents: Tpm2bMaxNvBuffer::from([3; Tpm2bMaxNvBuffer::MAX]),
        }),
    };
    let octets = Tpm2bAttest::from(&attest);
    assert_eq!(octets.len(), Tpm2bAttest::MAX);
    assert_eq!(TpmsAttest::from_bytes(&octets), Ok(attest));
}

#[test]
fn a_template_can_hold_the_largest_public_area() {
    let public = TpmtPublic {
        name_alg: Some(HashAlg::Sha512),
        object_attributes: TpmaObject::all(),
        auth_policy: Tpm2bDigest::from([1; 64]),
        parameters: PublicParms::Rsa(TpmsRsaParms {
            symmetric: Some(SymDefObject::Aes { key_bits: alg::AesKeyBits::Aes256, mode: None }),
            scheme: Some(RsaScheme::Oaep { hash_alg: HashAlg::Sha512 }),
            key_bits: alg::RsaKeyBits::Rsa4096,
            exponent: 0,
        }),
        unique: PublicId::Rsa(Tpm2bPublicKeyRsa::from([0xFF; 512])),
    };
    assert!(public.to_bytes().len() <= Tpm2bTemplate::MAX);
}

/// Each name in the list of command codes has the code of Part 3's table with that name.
#[test]
fn command_codes_are_those_of_part_3() {
    let constants = include_str!("../src/constants.rs");
    let mut named = 0;
    for line in include_str!("data/part3.tsv").lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let name = columns.next().unwrap();
        let code = columns.nth(1).unwrap().replace("0x0000", "0x0000_").replace("0x2000", "0x2000_");
        let (_, behind) = constants.split_once(&format!("/// {name}.\n")).unwrap();
        assert!(behind.lines().next().unwrap().ends_with(&format!(": u32 = {code};")), "{name}");
        named += 1;
    }
    assert_eq!(named, constants.matches("/// TPM2_").count());
    assert_eq!((cc::FIRST, cc::LAST), (cc::NV_UNDEFINE_SPACE_SPECIAL, cc::SIGN_SEQUENCE_START));
}

#[test]
fn a_capability_is_that_of_its_data() {
    let data = CapabilityData::TpmProperties(TpmlTaggedTpmProperty::default());
    assert_eq!(data.capability(), Capability::TpmProperties);
    assert_eq!(data.capability().to_bytes(), data.selector().to_bytes());
}
