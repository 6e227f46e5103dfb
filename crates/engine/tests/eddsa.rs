//! Ed25519 keys in every place where a key can stand. Part 1, 44.3.2 and 44.5; Part 2, 12.2.3.5.

mod common;
mod support;

use common::{TestTpm, migrate, power_cycle, refused, started, started_with_everything, startup};
use sigillo_client::template;
use sigillo_crypto::{
    ecc::eddsa::{EdPublic, Variant},
    hash::hash,
};
use sigillo_types::{
    EccCurve, HashAlg, Marshal,
    alg::{AesKeyBits, SymMode, id},
    attributes::TpmaObject,
    buffers::{
        Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bEccPrivate, Tpm2bMaxBuffer, Tpm2bPrivate, Tpm2bSecretBuffer,
        Tpm2bSecretData, Tpm2bSecretDigest,
    },
    commands::{
        Certify, Create, CreatePrimary, EccEncrypt, EcdhKeyGen, EvictControl, GetCapability, Import, Load,
        LoadExternal, PolicySigned, Quote, ReadPublic, Sign, SignDigest, SignSequenceComplete,
        SignSequenceStart, TestParms, VerifySignature,
    },
    constants::{Capability, SessionType, StartupType},
    handles::{Hierarchy, ObjectHandle, PersistentHandle, PolicySessionHandle, ProvisionHandle},
    rc,
    structures::{
        CapabilityData, EccScheme, KdfScheme, PublicId, PublicParms, SensitiveComposite, SigScheme,
        SymDefObject, Tpm2bPublic, Tpm2bSensitive, TpmlPcrSelection, TpmsEccPoint, TpmtPublic, TpmtSensitive,
        TpmtSignature, TpmtTkHashcheck,
    },
};
use support::{child, create_command, create_primary, external, flush, handle, primary};

/// RFC 8032, 7.1, test 3: private and public key, and the signature over AF 82.
const PRIVATE: &str = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7";
const PUBLIC: &str = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
const SIGNATURE: &str = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
                         18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

fn eddsa(scheme: EccScheme) -> TpmtPublic {
    template::ecc_signing(EccCurve::Curve25519, Some(scheme), false)
}

/// A key of RFC 8032 that did not come from a TPM.
fn rfc_8032() -> (TpmtPublic, TpmtSensitive) {
    let mut public = eddsa(EccScheme::Eddsa);
    public.object_attributes = TpmaObject::USER_WITH_AUTH | TpmaObject::SIGN;
    public.unique = PublicId::Ecc(TpmsEccPoint {
        x: hex(PUBLIC).as_slice().try_into().expect("a coordinate"),
        y: Default::default(),
    });
    let sensitive = TpmtSensitive {
        auth_value: Tpm2bAuth::default(),
        seed_value: Tpm2bSecretDigest::default(),
        sensitive: SensitiveComposite::Ecc(Tpm2bEccPrivate::new(&hex(PRIVATE)).expect("a private key")),
    };
    (public, sensitive)
}

fn sign(tpm: &mut TestTpm, key_handle: ObjectHandle, message: &[u8]) -> TpmtSignature {
    let start = SignSequenceStart { key_handle, auth: Tpm2bAuth::default(), context: Default::default() };
    let sequence_handle = handle(tpm.call(&start).expect("it starts").sequence_handle);
    let buffer = Tpm2bMaxBuffer::new(message).expect("one piece");
    tpm.call(&SignSequenceComplete { sequence_handle, key_handle, buffer }).expect("signed").signature
}

fn public_key(tpm: &mut TestTpm, object_handle: ObjectHandle) -> EdPublic {
    let public = tpm.call(&ReadPublic { object_handle }).expect("it is loaded").out_public.public_area;
    let PublicId::Ecc(point) = public.unique else { panic!("an ECC key") };
    assert_eq!((point.x.len(), point.y.len()), (32, 0));
    EdPublic::new(&point.x).expect("a public key")
}

/// The key signs messages, and what it signs verifies outside.
#[track_caller]
fn signs(tpm: &mut TestTpm, key: ObjectHandle) {
    let public = public_key(tpm, key);
    let TpmtSignature::Eddsa(signature) = sign(tpm, key, b"message") else { panic!("EdDSA") };
    assert_eq!(public.verify(Variant::Message, b"message", &signature), Ok(()));
}

#[test]
fn a_primary_key_signs_messages_and_is_made_again() {
    let mut tpm = started_with_everything();
    let mut keys = Vec::new();
    for hierarchy in [Hierarchy::Owner, Hierarchy::Owner, Hierarchy::Endorsement, Hierarchy::Null] {
        let key = primary(&mut tpm, hierarchy, eddsa(EccScheme::Eddsa));
        signs(&mut tpm, key);
        keys.push(*public_key(&mut tpm, key).encoded());
        flush(&mut tpm, key);
    }
    assert_eq!(keys[0], keys[1]);
    assert!(keys[0] != keys[2] && keys[2] != keys[3]);
}

#[test]
fn a_created_key_signs_wherever_it_lies() {
    let mut tpm = started_with_everything();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let key = child(&mut tpm, parent, eddsa(EccScheme::Eddsa));
    signs(&mut tpm, key);
    migrate(&mut tpm, 0);
    signs(&mut tpm, key);
    let persistent_handle = PersistentHandle::new(0x8100_0001).expect("persistent");
    let auth = ProvisionHandle::Owner;
    tpm.call(&EvictControl { auth, object_handle: key, persistent_handle }).expect("it persists");
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::Clear).expect("it starts");
    signs(&mut tpm, handle(0x8100_0001));
}

#[test]
fn a_key_from_elsewhere_signs_as_there() {
    let mut tpm = started_with_everything();
    let (public, private) = rfc_8032();
    let loaded =
        tpm.call(&external(public.clone(), Some(private.clone()), Hierarchy::Null)).expect("it loads");
    let expected = TpmtSignature::Eddsa(hex(SIGNATURE).as_slice().try_into().expect("a signature"));
    let key = handle(loaded.object_handle);
    assert_eq!(sign(&mut tpm, key, &[0xAF, 0x82]), expected);
    flush(&mut tpm, key);

    let parent_handle = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let import = Import {
        parent_handle,
        encryption_key: Tpm2bSecretData::default(),
        object_public: Tpm2bPublic { public_area: public.clone() },
        duplicate: Tpm2bPrivate::new(&Tpm2bSensitive::from(private).to_bytes()).expect("a sensitive area"),
        in_sym_seed: Default::default(),
        symmetric_alg: None,
    };
    let in_private = tpm.call(&import).expect("imported").out_private;
    let load = Load { parent_handle, in_private, in_public: Tpm2bPublic { public_area: public } };
    let key = handle(tpm.call(&load).expect("it loads").object_handle);
    assert_eq!(sign(&mut tpm, key, &[0xAF, 0x82]), expected);
}

#[test]
fn parts_that_do_not_belong_together_are_not_loaded() {
    let mut tpm = started_with_everything();
    let (public, private) = rfc_8032();
    let other = |d: &[u8]| TpmtSensitive {
        sensitive: SensitiveComposite::Ecc(Tpm2bEccPrivate::new(d).expect("short")),
        ..private.clone()
    };
    let load = |private| external(public.clone(), Some(private), Hierarchy::Null);
    assert_eq!(refused(&mut tpm, &load(other(&[1; 32]))), rc::BINDING.into());
    for size in [31, 33] {
        let code = refused(&mut tpm, &load(other(&vec![1; size])));
        assert_eq!(code, rc::KEY_SIZE.at(LoadExternal::IN_PRIVATE));
    }
    let mut with_y = public.clone();
    let mut not_a_point = public.clone();
    if let (PublicId::Ecc(with_y), PublicId::Ecc(point)) = (&mut with_y.unique, &mut not_a_point.unique) {
        with_y.y = [0; 32].into();
        point.x = [2; 32].into();
    }
    let empty = eddsa(EccScheme::Eddsa);
    for public in [with_y, not_a_point, empty] {
        let mut public = public;
        public.object_attributes = TpmaObject::USER_WITH_AUTH | TpmaObject::SIGN;
        let code = refused(&mut tpm, &external(public, None, Hierarchy::Null));
        assert_eq!(code, rc::ECC_POINT.at(LoadExternal::IN_PUBLIC));
    }
}

#[test]
fn the_curve_and_its_schemes_are_for_each_other_alone() {
    let mut tpm = started_with_everything();
    let at = CreatePrimary::IN_PUBLIC;
    let hash_alg = HashAlg::Sha256;
    let signing =
        |curve, scheme| create_primary(Hierarchy::Owner, template::ecc_signing(curve, scheme, false));
    for scheme in [None, Some(EccScheme::Ecdsa { hash_alg }), Some(EccScheme::Ecdaa { hash_alg, count: 0 })] {
        let code = refused(&mut tpm, &signing(EccCurve::Curve25519, scheme));
        assert_eq!(code, rc::SCHEME.at(at), "{scheme:?}");
    }
    for scheme in [EccScheme::Eddsa, EccScheme::HashEddsa] {
        assert_eq!(refused(&mut tpm, &signing(EccCurve::NistP256, Some(scheme))), rc::SCHEME.at(at));
        // Whoever agrees on keys does not sign.
        let mut agreement = template::ecc_decryption(EccCurve::Curve25519);
        if let PublicParms::Ecc(parms) = &mut agreement.parameters {
            parms.scheme = Some(scheme);
        }
        assert_eq!(refused(&mut tpm, &create_primary(Hierarchy::Owner, agreement)), rc::SCHEME.at(at));
    }
    // X25519 is not here: neither for agreement nor for storage.
    let mut agreement = template::ecc_decryption(EccCurve::Curve25519);
    assert_eq!(refused(&mut tpm, &create_primary(Hierarchy::Owner, agreement.clone())), rc::SCHEME.at(at));
    if let PublicParms::Ecc(parms) = &mut agreement.parameters {
        parms.scheme = Some(EccScheme::Ecdh { hash_alg });
    }
    assert_eq!(refused(&mut tpm, &create_primary(Hierarchy::Owner, agreement)), rc::SCHEME.at(at));
    let mut storage = template::ecc_storage();
    if let PublicParms::Ecc(parms) = &mut storage.parameters {
        parms.curve_id = EccCurve::Curve25519;
    }
    assert_eq!(refused(&mut tpm, &create_primary(Hierarchy::Owner, storage.clone())), rc::CURVE.at(at));
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let code = refused(&mut tpm, &create_command(parent, storage, b"", b""));
    assert_eq!(code, rc::CURVE.at(Create::IN_PUBLIC));
    let mut ciphered = eddsa(EccScheme::Eddsa);
    let mut derives = eddsa(EccScheme::Eddsa);
    if let (PublicParms::Ecc(one), PublicParms::Ecc(two)) =
        (&mut ciphered.parameters, &mut derives.parameters)
    {
        one.symmetric = Some(SymDefObject::Aes { key_bits: AesKeyBits::Aes128, mode: Some(SymMode::Cfb) });
        two.kdf = Some(KdfScheme::Kdf1Sp800108 { hash_alg });
    }
    assert_eq!(refused(&mut tpm, &create_primary(Hierarchy::Owner, ciphered)), rc::SYMMETRIC.at(at));
    assert_eq!(refused(&mut tpm, &create_primary(Hierarchy::Owner, derives)), rc::KDF.at(at));
}

#[test]
fn only_the_commands_of_v185_sign_and_verify_by_eddsa() {
    let mut tpm = started_with_everything();
    let signer = primary(
        &mut tpm,
        Hierarchy::Owner,
        template::ecc_signing(
            EccCurve::NistP256,
            Some(EccScheme::Ecdsa { hash_alg: HashAlg::Sha256 }),
            false,
        ),
    );
    for (scheme, asked) in
        [(EccScheme::Eddsa, SigScheme::Eddsa), (EccScheme::HashEddsa, SigScheme::HashEddsa)]
    {
        for restricted in [false, true] {
            let public = template::ecc_signing(EccCurve::Curve25519, Some(scheme), restricted);
            let key = primary(&mut tpm, Hierarchy::Endorsement, public);
            let digest = Tpm2bDigest::from([7; 64]);
            for in_scheme in [None, Some(asked)] {
                let validation = TpmtTkHashcheck::null();
                let command = Sign { key_handle: key, digest: digest.clone(), in_scheme, validation };
                assert_eq!(refused(&mut tpm, &command), rc::SCHEME.at(Sign::IN_SCHEME));
                let quote = Quote {
                    sign_handle: Some(key),
                    qualifying_data: Tpm2bData::default(),
                    in_scheme,
                    pcr_select: TpmlPcrSelection::default(),
                };
                assert_eq!(refused(&mut tpm, &quote), rc::SCHEME.at(Quote::IN_SCHEME));
                let certify = Certify {
                    object_handle: signer,
                    sign_handle: Some(key),
                    qualifying_data: Tpm2bData::default(),
                    in_scheme,
                };
                assert_eq!(refused(&mut tpm, &certify), rc::SCHEME.at(Certify::IN_SCHEME));
            }
            // A quote that nobody signs has no hash for its PCR either.
            let quote = Quote {
                sign_handle: None,
                qualifying_data: Tpm2bData::default(),
                in_scheme: Some(asked),
                pcr_select: TpmlPcrSelection::default(),
            };
            assert_eq!(refused(&mut tpm, &quote), rc::SCHEME.at(Quote::IN_SCHEME));
            // It is certified as any other key.
            let certify = Certify {
                object_handle: key,
                sign_handle: Some(signer),
                qualifying_data: Tpm2bData::default(),
                in_scheme: None,
            };
            tpm.call(&certify).expect("certified");
            flush(&mut tpm, key);
        }
        let key = primary(&mut tpm, Hierarchy::Owner, eddsa(scheme));
        let signature = match scheme {
            EccScheme::Eddsa => sign(&mut tpm, key, &[7; 64]),
            _ => {
                let command = SignDigest {
                    key_handle: key,
                    context: Default::default(),
                    digest: [7; 64].into(),
                    validation: TpmtTkHashcheck::null(),
                };
                tpm.call(&command).expect("signed").signature
            }
        };
        let command =
            VerifySignature { key_handle: key, digest: [7; 64].into(), signature: signature.clone() };
        assert_eq!(refused(&mut tpm, &command), rc::SCHEME.at(VerifySignature::SIGNATURE));
        let options = sigillo_client::SessionOptions::new(SessionType::Policy, HashAlg::Sha256);
        let session = tpm.start_session(options).expect("it starts");
        let command = PolicySigned {
            auth_object: key,
            policy_session: PolicySessionHandle::new(session.handle).expect("a policy session"),
            nonce_tpm: Default::default(),
            cp_hash_a: Default::default(),
            policy_ref: Default::default(),
            expiration: 0,
            auth: signature,
        };
        assert_eq!(refused(&mut tpm, &command), rc::SCHEME.at(PolicySigned::AUTH));
        let command = EcdhKeyGen { key_handle: key };
        assert_eq!(refused(&mut tpm, &command), rc::KEY.at(EcdhKeyGen::KEY_HANDLE));
        let command = EccEncrypt {
            key_handle: key,
            plain_text: Tpm2bSecretBuffer::default(),
            in_scheme: Some(KdfScheme::Kdf2 { hash_alg: HashAlg::Sha256 }),
        };
        assert_eq!(refused(&mut tpm, &command), rc::KEY.at(EccEncrypt::KEY_HANDLE));
        flush(&mut tpm, key);
    }
}

#[test]
fn one_key_never_signs_both_messages_and_digests() {
    let mut tpm = started_with_everything();
    let message = hash(HashAlg::Sha512, &[b"message"]);
    let key = primary(&mut tpm, Hierarchy::Owner, eddsa(EccScheme::HashEddsa));
    let public = public_key(&mut tpm, key);
    let TpmtSignature::HashEddsa(signature) = sign(&mut tpm, key, b"message") else { panic!("HashEdDSA") };
    assert_eq!(public.verify(Variant::Digest, &message, &signature), Ok(()));
    let command = SignDigest {
        key_handle: key,
        context: Default::default(),
        digest: Tpm2bDigest::new(&message).expect("a digest"),
        validation: TpmtTkHashcheck::null(),
    };
    assert_eq!(tpm.call(&command).expect("signed").signature, TpmtSignature::HashEddsa(signature));
    let pure = primary(&mut tpm, Hierarchy::Owner, eddsa(EccScheme::Eddsa));
    assert_ne!(public_key(&mut tpm, pure), public);
    let command = SignDigest { key_handle: pure, ..command };
    assert_eq!(refused(&mut tpm, &command), rc::SCHEME.at(SignDigest::KEY_HANDLE));
}

#[test]
fn eddsa_is_in_the_profile_that_has_everything() {
    let capability = |capability, property| GetCapability { capability, property, property_count: 1 };
    let first = |tpm: &mut TestTpm, property| {
        let command = capability(Capability::Algs, property);
        match tpm.call(&command).expect("listed").capability_data {
            CapabilityData::Algorithms(list) => list.first().map(|entry| u32::from(entry.alg)),
            other => panic!("{other:?}"),
        }
    };
    let parameters = eddsa(EccScheme::Eddsa).parameters;
    let mut tpm = started_with_everything();
    assert_eq!(first(&mut tpm, u32::from(id::EDDSA)), Some(u32::from(id::EDDSA)));
    assert_eq!(first(&mut tpm, u32::from(id::HASH_EDDSA)), Some(u32::from(id::HASH_EDDSA)));
    tpm.call(&TestParms { parameters }).expect("it has them");
    let command = capability(Capability::EccCurves, 0x40);
    let CapabilityData::EccCurves(curves) = tpm.call(&command).expect("listed").capability_data else {
        panic!("curves");
    };
    assert_eq!(curves.to_vec(), [0x40]);

    let mut tpm = started();
    assert_eq!(first(&mut tpm, u32::from(id::EDDSA)), None);
    assert_eq!(refused(&mut tpm, &TestParms { parameters }), rc::SCHEME.at(TestParms::PARAMETERS));
}
