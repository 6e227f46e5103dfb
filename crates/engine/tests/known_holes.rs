//! Published holes of virtual and firmware TPMs, each as the test it demands. The identifiers are those of the advisories.

mod common;

use common::{TestTpm, power_cycle, powered, refused, reset_line, shutdown, started, startup};
use sigillo_client::template;
use sigillo_types::{
    EccCurve, HashAlg, Rc,
    buffers::{Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bSensitiveData},
    commands::{
        ActivateCredential, Certify, Create, CreatePrimary, FlushContext, HashSequenceStart, Load, PcrRead,
        Quote, ReadPublic, RsaDecrypt, SelfTest, Sign, Unseal,
    },
    constants::StartupType,
    handles::{ContextHandle, Hierarchy, ObjectHandle},
    rc,
    structures::{
        EccScheme, PcrSelect, RsaScheme, SigScheme, Tpm2bPublic, Tpm2bSensitiveCreate, TpmlPcrSelection,
        TpmsPcrSelection, TpmsSensitiveCreate, TpmtPublic, TpmtTkHashcheck,
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
