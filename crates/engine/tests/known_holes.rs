//! Published holes of virtual and firmware TPMs, each as the test it demands. The identifiers are those of the advisories.

mod common;

use common::{
    TestHost, TestTpm, migrate, power_cycle, powered, refused, reset_line, shutdown, started, startup,
};
use sigillo_client::template;
use sigillo_crypto::hash::hash;
use sigillo_engine::Tpm;
use sigillo_sample::{Random, rough};
use sigillo_types::{
    EccCurve, HashAlg, Rc,
    alg::{AesKeyBits, CipherMode},
    attributes::{TpmaNv, TpmaObject},
    buffers::{
        Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bIv, Tpm2bOperand, Tpm2bPublicKeyRsa, Tpm2bRsaMessage,
        Tpm2bSecretBuffer, Tpm2bSensitiveData,
    },
    commands::{
        ActivateCredential, Certify, Create, CreatePrimary, EncryptDecrypt2, FlushContext, HashSequenceStart,
        Load, NvDefineSpace, NvWrite, PcrRead, PolicyNv, Quote, ReadPublic, RsaDecrypt, RsaEncrypt, SelfTest,
        Sign, Unseal,
    },
    constants::{Operation, StartupType},
    handles::{
        ContextHandle, Hierarchy, NvAuthHandle, NvIndexHandle, NvLegacyIndexHandle, ObjectHandle,
        PolicySessionHandle, ProvisionHandle,
    },
    rc,
    structures::{
        EccScheme, PcrSelect, PublicId, PublicParms, RsaDecryptScheme, RsaScheme, SigScheme, SymDefObject,
        Tpm2bNvPublic, Tpm2bPublic, Tpm2bSensitiveCreate, TpmlPcrSelection, TpmsNvPublic, TpmsPcrSelection,
        TpmsSensitiveCreate, TpmsSymcipherParms, TpmtPublic, TpmtTkHashcheck,
    },
};

fn primary(tpm: &mut TestTpm, hierarchy: Hierarchy, public: TpmtPublic) -> ObjectHandle {
    let made = tpm.call(&primary_command(hierarchy, public)).expect("a primary object is made");
    ObjectHandle::new(made.object_handle).expect("a transient handle")
}

fn primary_command(primary_handle: Hierarchy, public_area: TpmtPublic) -> CreatePrimary {
    CreatePrimary {
        primary_handle,
        in_sensitive: Tpm2bSensitiveCreate::default(),
        in_public: Tpm2bPublic { public_area },
        outside_info: Tpm2bData::default(),
        creation_pcr: TpmlPcrSelection::default(),
    }
}

fn flush(tpm: &mut TestTpm, handle: ObjectHandle) {
    let flush_handle = ContextHandle::new(handle.raw()).expect("a transient handle");
    tpm.call(&FlushContext { flush_handle }).expect("a loaded object can be flushed");
}

/// TCGVRT0010 / CVE-2026-6726: a slot used for a sequence still answered as the key it held before.
#[test]
fn a_sequence_in_the_slot_of_a_key_is_never_the_key() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Endorsement, template::ecc_endorsement());
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    flush(&mut tpm, key);
    let sequence = tpm
        .call(&HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg: Some(HashAlg::Sha256) })
        .expect("a sequence starts");
    assert_eq!(sequence.sequence_handle, key.raw(), "the slot is used again");

    assert_eq!(refused(&mut tpm, &ReadPublic { object_handle: key }), rc::SEQUENCE);
    let sign = Sign {
        key_handle: key,
        digest: [1; 32].into(),
        in_scheme: Some(SigScheme::Ecdsa { hash_alg: HashAlg::Sha256 }),
        validation: TpmtTkHashcheck::null(),
    };
    assert!(is_wrong_kind(refused(&mut tpm, &sign)));
    let certify = Certify {
        object_handle: key,
        sign_handle: None,
        qualifying_data: Tpm2bData::default(),
        in_scheme: None,
    };
    assert!(is_wrong_kind(refused(&mut tpm, &certify)));
    assert!(is_wrong_kind(refused(&mut tpm, &Unseal { item_handle: key })));
    let decrypt = RsaDecrypt {
        key_handle: key,
        cipher_text: [1; 256].into(),
        in_scheme: None,
        label: Tpm2bData::default(),
    };
    assert!(is_wrong_kind(refused(&mut tpm, &decrypt)));
    let activate = ActivateCredential {
        activate_handle: key,
        key_handle: parent,
        credential_blob: Default::default(),
        secret: Default::default(),
    };
    assert!(tpm.call(&activate).is_err());
}

fn is_wrong_kind(code: Rc) -> bool {
    let kinds = [rc::TYPE, rc::MODE, rc::KEY, rc::HANDLE, rc::ATTRIBUTES];
    code == rc::SEQUENCE || code.fmt1().is_some_and(|code| kinds.contains(&code))
}

/// CVE-2025-2884 / TCGVRT0009: a signing scheme of another key type read out of bounds.
#[test]
fn no_pair_of_key_and_scheme_breaks_signing() {
    let ecdsa = |hash_alg| SigScheme::Ecdsa { hash_alg };
    let mut tpm = started();
    for public in [
        template::hmac_key(HashAlg::Sha256),
        template::sealed(Tpm2bDigest::default()),
        template::ecc_signing(EccCurve::NistP256, None, false),
        template::ecc_signing(
            EccCurve::NistP384,
            Some(EccScheme::Ecdsa { hash_alg: HashAlg::Sha384 }),
            false,
        ),
        template::ecc_decryption(EccCurve::NistP256),
        template::ecc_storage(),
        template::rsa_signing(None, false),
        template::rsa_signing(Some(RsaScheme::Rsassa { hash_alg: HashAlg::Sha256 }), true),
    ] {
        let mut command = primary_command(Hierarchy::Owner, public);
        if command.in_public.public_area == template::sealed(Tpm2bDigest::default()) {
            command.in_sensitive.sensitive.data = Tpm2bSensitiveData::new(b"sealed").expect("short");
        }
        let made = tpm.call(&command).expect("a primary object is made");
        let key_handle = ObjectHandle::new(made.object_handle).expect("a transient handle");
        for hash_alg in HashAlg::ALL {
            for in_scheme in [
                None,
                Some(SigScheme::Rsassa { hash_alg }),
                Some(SigScheme::Rsapss { hash_alg }),
                Some(ecdsa(hash_alg)),
                Some(SigScheme::Hmac { hash_alg }),
            ] {
                for size in [20, 32, 48, 64] {
                    let digest = Tpm2bDigest::new(&vec![7; size]).expect("a digest");
                    let sign = Sign { key_handle, digest, in_scheme, validation: TpmtTkHashcheck::null() };
                    if let Err(error) = tpm.call(&sign) {
                        let code = error.rc().expect("an answer, not an abort");
                        assert_ne!(code, rc::FAILURE, "{in_scheme:?}");
                    }
                }
                let quote = Quote {
                    sign_handle: Some(key_handle),
                    qualifying_data: Tpm2bData::default(),
                    in_scheme,
                    pcr_select: TpmlPcrSelection::default(),
                };
                if let Err(error) = tpm.call(&quote) {
                    assert_ne!(error.rc().expect("an answer"), rc::FAILURE);
                }
            }
        }
        flush(&mut tpm, key_handle);
    }
}

/// CVE-2023-1017 and 1018: an encrypted first parameter without room for its size.
#[test]
fn a_decrypt_session_over_an_absent_parameter_is_an_error() {
    for extra in 0..2_usize {
        let mut tpm = started();
        // A password entry cannot decrypt, so the attribute itself is refused; a session entry must reach the size check.
        let session = tpm
            .start_session(sigillo_client::SessionOptions {
                symmetric: Some(sigillo_types::structures::SymDef::Xor(HashAlg::Sha256)),
                ..sigillo_client::SessionOptions::new(
                    sigillo_types::constants::SessionType::Hmac,
                    HashAlg::Sha256,
                )
            })
            .expect("a session starts");
        let mut body = vec![0x40, 0, 0, 1];
        let mut area = session.handle.to_be_bytes().to_vec();
        area.extend_from_slice(&[0, 0, 0x21, 0, 0]);
        body.extend_from_slice(&(area.len() as u32).to_be_bytes());
        body.extend_from_slice(&area);
        body.extend(vec![0xFF; extra]);
        let mut command = vec![0x80, 2];
        command.extend_from_slice(&(10 + body.len() as u32).to_be_bytes());
        command.extend_from_slice(&0x131_u32.to_be_bytes());
        command.extend_from_slice(&body);
        let reply = tpm.raw(&command).expect("an answer");
        let code = u32::from_be_bytes(reply[6..10].try_into().expect("a header"));
        assert_ne!(code, 0);
        assert_ne!(Rc::from_raw(code), rc::FAILURE);
    }
}

/// "Bad Dream", CVE-2018-6622: resuming without saved state must not put PCR to known values.
#[test]
fn startup_state_without_shutdown_state_is_refused() {
    let mut tpm = powered();
    assert_eq!(
        startup(&mut tpm, StartupType::State).expect_err("nothing to resume").rc(),
        Some(rc::VALUE.at(sigillo_types::Position::Parameter(1)))
    );
    startup(&mut tpm, StartupType::Clear).expect("a fresh TPM starts");
    shutdown(&mut tpm, StartupType::Clear).expect("an orderly shutdown");
    reset_line(&mut tpm);
    assert!(startup(&mut tpm, StartupType::State).is_err());
}

/// CVE-2020-26933: power loss between wrong guesses must not forget them.
#[test]
fn a_failed_authorization_is_on_disk_before_it_is_answered() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let sensitive = TpmsSensitiveCreate {
        user_auth: Tpm2bAuth::new(b"right").expect("short"),
        data: Tpm2bSensitiveData::new(b"secret").expect("short"),
    };
    let made = tpm
        .call(&Create {
            parent_handle: parent,
            in_sensitive: Tpm2bSensitiveCreate { sensitive },
            in_public: Tpm2bPublic { public_area: template::sealed(Tpm2bDigest::default()) },
            outside_info: Tpm2bData::default(),
            creation_pcr: TpmlPcrSelection::default(),
        })
        .expect("an object is made");
    let mut codes = Vec::new();
    for _ in 0..6 {
        let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
        let load = Load {
            parent_handle: parent,
            in_private: made.out_private.clone(),
            in_public: made.out_public.clone(),
        };
        let item =
            ObjectHandle::new(tpm.call(&load).expect("it loads").object_handle).expect("a transient handle");
        let guess =
            tpm.call_with(&Unseal { item_handle: item }, &mut [sigillo_client::Auth::password(b"wrong")]);
        codes.push(guess.expect_err("a wrong guess").rc().expect("an answer"));
        power_cycle(&mut tpm);
        startup(&mut tpm, StartupType::Clear).expect("it starts again");
    }
    assert!(codes.contains(&rc::LOCKOUT), "power loss must not reset the count: {codes:?}");
}

/// dfKey out-of-bounds read of a reference derivative: primary keys differed after every boot.
#[test]
fn a_primary_key_is_the_same_after_every_restart() {
    let mut tpm = started();
    for public in [template::ecc_endorsement(), template::rsa_endorsement(), template::ecc_storage()] {
        let first = tpm.call(&primary_command(Hierarchy::Endorsement, public.clone())).expect("made");
        power_cycle(&mut tpm);
        startup(&mut tpm, StartupType::Clear).expect("it starts again");
        let second = tpm.call(&primary_command(Hierarchy::Endorsement, public)).expect("made");
        assert_eq!(first.out_public, second.out_public);
        assert_eq!(first.name, second.name);
        power_cycle(&mut tpm);
        startup(&mut tpm, StartupType::Clear).expect("it starts again");
    }
}

/// CVE-2021-3623: what a failed command had unmarshalled stayed in the TPM's state.
#[test]
fn a_refused_command_changes_nothing() {
    let mut tpm = started();
    let read = PcrRead {
        pcr_selection_in: TpmlPcrSelection::new(vec![TpmsPcrSelection {
            hash: HashAlg::Sha256,
            pcr_select: PcrSelect::ALL,
        }])
        .expect("one bank"),
    };
    // A refused command may have run the tests that its answer would need.
    tpm.call(&SelfTest { full_test: false }).expect("the tests pass");
    let before = tpm.call(&read).expect("PCR are readable");
    let volatile = tpm.transport().tpm.volatile_state();
    for code in 0x11F_u32..=0x1AA {
        for tag in [[0x80, 1], [0x80, 2], [0, 0xC4]] {
            for size in 0..24_u32 {
                let mut command = tag.to_vec();
                command.extend_from_slice(&(10 + size).to_be_bytes());
                command.extend_from_slice(&code.to_be_bytes());
                command.extend(vec![0xFF; size as usize]);
                let reply = tpm.raw(&command).expect("an answer");
                assert_ne!(&reply[6..10], &[0, 0, 1, 1], "failure mode by {command:02x?}");
            }
        }
    }
    let after = tpm.call(&read).expect("PCR are readable");
    assert_eq!(before.pcr_values, after.pcr_values);
    assert_eq!(volatile.len(), tpm.transport().tpm.volatile_state().len());
}

/// CVE-2026-6727 / TCGVRT0011: a decryption that tells one wrong padding from another decrypts for whoever asks often enough.
#[test]
fn every_wrong_oaep_padding_is_answered_alike() {
    let mut tpm = started();
    let key_handle = primary(&mut tpm, Hierarchy::Owner, template::rsa_decryption(None));
    let label = Tpm2bData::default();
    let hash_alg = HashAlg::Sha256;
    let label_hash = hash(hash_alg, &[]).to_vec();
    // DB: the label's hash, zeros, a one and the message. RFC 8017, 7.1.1.
    let mut right = [label_hash.as_slice(), &[0; 183], &[1], &[7; 7]].concat();
    assert_eq!(right.len(), 223);
    let mut decrypt = |first: u8, db: &[u8]| {
        let encoded = oaep(first, db);
        let message = Tpm2bRsaMessage::new(&encoded).expect("as long as the key");
        let raw = RsaEncrypt { key_handle, message, in_scheme: None, label: label.clone() };
        let cipher_text =
            tpm.call(&raw).expect("octets below the modulus are encrypted as they are").out_data;
        let in_scheme = Some(RsaDecryptScheme::Oaep { hash_alg });
        tpm.call(&RsaDecrypt { key_handle, cipher_text, in_scheme, label: label.clone() })
            .map(|answer| answer.message.to_vec())
            .map_err(|error| error.rc().expect("an answer"))
    };
    assert_eq!(decrypt(0, &right), Ok(vec![7; 7]));
    let mut codes = vec![decrypt(1, &right)];
    // Another label, octets before the one, no one at all.
    for (at, octet) in [(0, !right[0]), (31, !right[31]), (32, 2), (120, 9), (214, 255)] {
        let kept = std::mem::replace(&mut right[at], octet);
        codes.push(decrypt(0, &right));
        right[at] = kept;
    }
    right[215..].fill(0);
    codes.push(decrypt(0, &right));
    let alike = codes.first().cloned().expect("some");
    assert!(alike.is_err() && codes.iter().all(|code| *code == alike), "{codes:?}");
}

/// EME-OAEP's masking with MGF1 over SHA-256, for a key of 256 octets.
fn oaep(first: u8, db: &[u8]) -> Vec<u8> {
    let mask = |seed: &[u8], count: usize| -> Vec<u8> {
        (0..8_u32)
            .flat_map(|block| hash(HashAlg::Sha256, &[seed, &block.to_be_bytes()]).to_vec())
            .take(count)
            .collect()
    };
    let xor = |a: &[u8], b: &[u8]| -> Vec<u8> { a.iter().zip(b).map(|(a, b)| a ^ b).collect() };
    let seed = [0x5A; 32];
    let masked_db = xor(db, &mask(&seed, db.len()));
    let masked_seed = xor(&seed, &mask(&masked_db, 32));
    [&[first], masked_seed.as_slice(), &masked_db].concat()
}

/// CVE-2021-3746: crafted commands left objects that broke the TPM when its volatile state was written.
#[test]
fn the_state_can_be_moved_after_every_command() {
    let mut random = Random::new(0x3746);
    let specs: Vec<_> = sigillo_engine::implemented().collect();
    let mut tpm = started();
    for _ in 0..2_000 {
        if random.one_in(100) {
            power_cycle(&mut tpm);
            startup(&mut tpm, StartupType::Clear).expect("it starts again");
            primary(&mut tpm, Hierarchy::Null, template::ecc_storage());
        }
        let spec = random.pick(&specs);
        let command = rough::command(&mut random, spec, &rough::HANDLES);
        tpm.raw(&command).expect("an answer");
        migrate(&mut tpm, 0);
    }
}

/// CVE-2021-3569: ciphertexts as long as the key, and longer, met buffers that were too short.
#[test]
fn an_rsa_ciphertext_of_any_length_is_answered() {
    let mut tpm = started();
    let key_handle = primary(&mut tpm, Hierarchy::Owner, template::rsa_decryption(None));
    let schemes = [
        None,
        Some(RsaDecryptScheme::Rsaes),
        Some(RsaDecryptScheme::Oaep { hash_alg: HashAlg::Sha1 }),
        Some(RsaDecryptScheme::Oaep { hash_alg: HashAlg::Sha384 }),
    ];
    for size in [0, 1, 11, 255, 256, 257, 384, 512] {
        for octet in [0, 1, 0x7F, 0xFF] {
            for in_scheme in schemes {
                let cipher_text = Tpm2bPublicKeyRsa::new(&vec![octet; size]).expect("within the type");
                let decrypt = RsaDecrypt { key_handle, cipher_text, in_scheme, label: Tpm2bData::default() };
                match tpm.call(&decrypt) {
                    Ok(answer) => assert!(answer.message.len() <= 256),
                    Err(error) => {
                        assert_ne!(error.rc().expect("an answer"), rc::FAILURE, "{size} of {octet}");
                    }
                }
            }
        }
    }
    // The longest messages come back whole.
    for (in_scheme, longest) in schemes.into_iter().zip([256, 245, 214, 158]) {
        let text = [&[0x55], vec![0xAA; longest - 1].as_slice()].concat();
        let message = Tpm2bRsaMessage::new(&text).expect("within the type");
        let label = Tpm2bData::default();
        let encrypted =
            tpm.call(&RsaEncrypt { key_handle, message, in_scheme, label: label.clone() }).expect("it fits");
        let decrypt = RsaDecrypt { key_handle, cipher_text: encrypted.out_data, in_scheme, label };
        assert_eq!(*tpm.call(&decrypt).expect("it was encrypted so").message, *text);
    }
}

/// "TpmFail" of OpenHCL: a restored TPM did not know how large its NV was, and wrote behind its end.
#[test]
fn a_full_nv_is_full_after_a_restart() {
    let mut tpm = started();
    let define = |number: u32| {
        let nv_public = TpmsNvPublic {
            nv_index: NvLegacyIndexHandle::new(0x0150_0000 + number).expect("an index"),
            name_alg: HashAlg::Sha256,
            attributes: TpmaNv::OWNERREAD | TpmaNv::OWNERWRITE,
            auth_policy: Tpm2bDigest::default(),
            data_size: 2048,
        };
        let public_info = Tpm2bNvPublic { nv_public };
        NvDefineSpace { auth_handle: ProvisionHandle::Owner, auth: Tpm2bAuth::default(), public_info }
    };
    let full = (0..1000).find(|number| match tpm.call(&define(*number)) {
        Ok(_) => false,
        Err(error) => error.rc() == Some(rc::NV_SPACE),
    });
    let full = full.expect("NV ends somewhere");
    for moved in [false, true] {
        if moved {
            migrate(&mut tpm, 0);
        } else {
            power_cycle(&mut tpm);
            startup(&mut tpm, StartupType::Clear).expect("it starts again");
        }
        assert_eq!(refused(&mut tpm, &define(full)), rc::NV_SPACE);
    }
}

/// CVE-2022-23645, and libtpms in 2026: headers that lie, and states that were restored in part.
#[test]
fn a_state_that_is_cut_or_lies_is_refused_as_a_whole() {
    let mut tpm = started();
    primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let local = tpm.transport();
    let (permanent, volatile) = (local.disk.clone(), local.tpm.volatile_state().to_vec());
    let mut host = TestHost::default();
    for cut in 0..permanent.len() {
        assert!(Tpm::restore(&permanent[..cut], &mut host).is_err(), "permanent cut at {cut}");
    }
    for cut in 0..volatile.len() {
        assert!(Tpm::resume(&permanent, &volatile[..cut], &mut host).is_err(), "volatile cut at {cut}");
    }
    // The header: magic, kind, format, length.
    for at in 0..20 {
        for flip in [0x01, 0x80, 0xFF] {
            let mut lying = permanent.clone();
            lying[at] ^= flip;
            assert!(Tpm::restore(&lying, &mut host).is_err(), "permanent header at {at}");
            let mut lying = volatile.clone();
            lying[at] ^= flip;
            assert!(Tpm::resume(&permanent, &lying, &mut host).is_err(), "volatile header at {at}");
        }
    }
    let longer = [permanent.as_slice(), &[0]].concat();
    assert!(Tpm::restore(&longer, &mut host).is_err());
    assert!(Tpm::resume(&permanent, &volatile, &mut host).is_ok(), "nothing of all that stayed");
}

/// "SignedCompareB" of the reference code: signed operands of different signs and lengths compared wrongly.
#[test]
fn policy_nv_compares_as_numbers_do() {
    let mut tpm = started();
    let nv_index = NvIndexHandle::new(0x0150_0000).expect("an index");
    let nv_public = TpmsNvPublic {
        nv_index: NvLegacyIndexHandle::new(0x0150_0000).expect("an index"),
        name_alg: HashAlg::Sha256,
        attributes: TpmaNv::OWNERREAD | TpmaNv::OWNERWRITE,
        auth_policy: Tpm2bDigest::default(),
        data_size: 8,
    };
    let public_info = Tpm2bNvPublic { nv_public };
    tpm.call(&NvDefineSpace { auth_handle: ProvisionHandle::Owner, auth: Tpm2bAuth::default(), public_info })
        .expect("there is room");
    let session = tpm
        .start_session(sigillo_client::SessionOptions::new(
            sigillo_types::constants::SessionType::Policy,
            HashAlg::Sha256,
        ))
        .expect("a session starts");
    let policy_session = PolicySessionHandle::new(session.handle).expect("a policy session");
    let edges = [i64::MIN, i64::MIN + 1, -256, -2, -1, 0, 1, 2, 127, 128, 255, i64::MAX - 1, i64::MAX];
    for a in edges {
        let data = a.to_be_bytes().into();
        tpm.call(&NvWrite { auth_handle: NvAuthHandle::Owner, nv_index, data, offset: 0 })
            .expect("it is written");
        for b in edges {
            let (ua, ub) = (a as u64, b as u64);
            for (operation, holds) in [
                (Operation::Eq, a == b),
                (Operation::Neq, a != b),
                (Operation::SignedGt, a > b),
                (Operation::SignedLt, a < b),
                (Operation::SignedGe, a >= b),
                (Operation::SignedLe, a <= b),
                (Operation::UnsignedGt, ua > ub),
                (Operation::UnsignedLt, ua < ub),
                (Operation::UnsignedGe, ua >= ub),
                (Operation::UnsignedLe, ua <= ub),
                (Operation::BitSet, ua & ub == ub),
                (Operation::BitClear, ua & ub == 0),
            ] {
                let operand_b = Tpm2bOperand::from(b.to_be_bytes());
                let auth_handle = NvAuthHandle::Owner;
                let compare =
                    PolicyNv { auth_handle, nv_index, policy_session, operand_b, offset: 0, operation };
                let answered = tpm.call(&compare).map(drop).map_err(|error| error.rc());
                let expected = if holds { Ok(()) } else { Err(Some(rc::POLICY)) };
                assert_eq!(answered, expected, "{a} {operation:?} {b}");
            }
        }
    }
}

/// CVE-2021-3446 and CVE-2026-21444: EncryptDecrypt gave the IV back that it had been given, so that messages in pieces repeated keystream.
#[test]
fn a_message_encrypted_in_pieces_is_encrypted_as_a_whole() {
    let mut tpm = started();
    let sym = SymDefObject::Aes { key_bits: AesKeyBits::Aes256, mode: None };
    let public = TpmtPublic {
        name_alg: Some(HashAlg::Sha256),
        object_attributes: TpmaObject::USER_WITH_AUTH
            | TpmaObject::SENSITIVE_DATA_ORIGIN
            | TpmaObject::SIGN
            | TpmaObject::DECRYPT,
        auth_policy: Tpm2bDigest::default(),
        parameters: PublicParms::SymCipher(TpmsSymcipherParms { sym }),
        unique: PublicId::SymCipher(Tpm2bDigest::default()),
    };
    let key_handle = primary(&mut tpm, Hierarchy::Owner, public);
    let message: Vec<u8> = (0..200u8).collect();
    for mode in [CipherMode::Ctr, CipherMode::Ofb, CipherMode::Cbc, CipherMode::Cfb] {
        let message = if mode.takes_whole_blocks() { &message[..192] } else { &message[..] };
        for decrypt in [false, true] {
            let mut run = |iv_in: Tpm2bIv, data: &[u8]| {
                let in_data = Tpm2bSecretBuffer::new(data).expect("a piece");
                let done =
                    tpm.call(&EncryptDecrypt2 { key_handle, in_data, decrypt, mode: Some(mode), iv_in });
                done.map(|done| (done.out_data.to_vec(), done.iv_out)).expect("done")
            };
            let first = Tpm2bIv::from([7; 16]);
            let (whole, end) = run(first.clone(), message);
            for blocks in 1..12 {
                let (mut iv, mut pieces) = (first.clone(), Vec::new());
                for piece in message.chunks(blocks * 16) {
                    let (out, next) = run(iv.clone(), piece);
                    assert_ne!(next, iv, "{mode:?}");
                    pieces.extend(out);
                    iv = next;
                }
                assert_eq!((pieces, &iv), (whole.clone(), &end), "{mode:?} {blocks}");
            }
        }
    }
}
