//! Signatures and attestation. Part 3, 18 and 20.

mod common;
mod support;

use common::{TestTpm, refused, started, started_with_everything};
use sigillo_client::template;
use sigillo_crypto::{
    ecc::{self, EcPoint},
    hash::hash,
    hmac::hmac,
    rsa::{RsaPublic, pkcs1_verify, pss_verify},
};
use sigillo_types::{
    EccCurve, HashAlg, Unmarshal,
    alg::{AesKeyBits, ObjectType, SymMode},
    attributes::TpmaObject,
    buffers::{Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bMaxBuffer},
    commands::{
        Certify, CertifyCreation, GetTime, Hash, HashSequenceStart, LoadExternal, Quote, ReadClock,
        ReadPublic, SequenceComplete, SequenceUpdate, Sign, VerifySignature,
    },
    handles::{EndorsementHandle, Hierarchy, ObjectHandle},
    rc,
    structures::{
        Attested, EccScheme, PcrSelect, PublicId, PublicParms, SigScheme, SymDefObject, TkVerifiedMeta,
        TpmlPcrSelection, TpmsAttest, TpmsPcrSelection, TpmsSymcipherParms, TpmtPublic, TpmtSignature,
        TpmtTkHashcheck,
    },
};
use support::{create_primary, external, flush, handle, primary, primary_response, sensitive};

fn sign(key_handle: ObjectHandle, digest: &[u8], in_scheme: Option<SigScheme>) -> Sign {
    let digest = Tpm2bDigest::new(digest).expect("a digest");
    Sign { key_handle, digest, in_scheme, validation: TpmtTkHashcheck::null() }
}

fn ecdsa(hash_alg: HashAlg) -> SigScheme {
    SigScheme::Ecdsa { hash_alg }
}

/// Verifies with the cryptography alone.
fn verifies(public: &TpmtPublic, digest: &[u8], signature: &TpmtSignature) -> bool {
    match (&public.unique, signature) {
        (PublicId::Rsa(n), TpmtSignature::Rsassa(of)) => {
            let key = RsaPublic::new(n, 65537).expect("a modulus");
            pkcs1_verify(&key, Some(of.hash), digest, &of.sig).is_ok()
        }
        (PublicId::Rsa(n), TpmtSignature::Rsapss(of)) => {
            let key = RsaPublic::new(n, 65537).expect("a modulus");
            pss_verify(&key, of.hash, digest, &of.sig).is_ok()
        }
        (
            PublicId::Ecc(point),
            TpmtSignature::Ecdsa(of) | TpmtSignature::EcSchnorr(of) | TpmtSignature::Sm2(of),
        ) => {
            let PublicParms::Ecc(parms) = &public.parameters else { panic!("an ECC key") };
            let key = EcPoint::new(parms.curve_id, &point.x, &point.y).expect("a point");
            let (r, s) = (&of.signature_r, &of.signature_s);
            match signature {
                TpmtSignature::EcSchnorr(_) => ecc::verify_schnorr(&key, of.hash, digest, r, s),
                TpmtSignature::Sm2(_) => ecc::verify_sm2(&key, digest, r, s),
                _ => ecc::verify(&key, digest, r, s),
            }
            .is_ok()
        }
        _ => false,
    }
}

#[test]
fn what_a_key_signs_verifies_inside_and_outside() {
    let mut tpm = started_with_everything();
    let hash_alg = HashAlg::Sha384;
    let (schnorr, own_schnorr) = (SigScheme::EcSchnorr { hash_alg }, EccScheme::EcSchnorr { hash_alg });
    let (sm2, own_sm2) = (SigScheme::Sm2 { hash_alg }, EccScheme::Sm2 { hash_alg });
    for (public, scheme) in [
        (template::rsa_signing(None, false), SigScheme::Rsassa { hash_alg: HashAlg::Sha256 }),
        (template::rsa_signing(None, false), SigScheme::Rsapss { hash_alg: HashAlg::Sha384 }),
        (template::ecc_signing(EccCurve::NistP256, None, false), ecdsa(HashAlg::Sha256)),
        (template::ecc_signing(EccCurve::NistP384, None, false), ecdsa(HashAlg::Sha1)),
        (template::ecc_signing(EccCurve::NistP192, None, false), ecdsa(HashAlg::Sha256)),
        (template::ecc_signing(EccCurve::NistP521, None, false), ecdsa(HashAlg::Sha512)),
        (template::ecc_signing(EccCurve::NistP224, None, false), schnorr),
        (template::ecc_signing(EccCurve::BnP256, Some(own_schnorr), false), schnorr),
        (template::ecc_signing(EccCurve::Sm2P256, Some(own_sm2), false), sm2),
        (template::ecc_signing(EccCurve::NistP256, None, false), sm2),
    ] {
        let made = primary_response(&mut tpm, Hierarchy::Owner, public);
        let key_handle = handle(made.object_handle);
        let digest = hash(scheme.hash_alg().expect("a hash"), &[b"message"]);
        let signature = tpm.call(&sign(key_handle, &digest, Some(scheme))).expect("signed").signature;
        assert_eq!(signature.scheme(), scheme);
        assert!(verifies(&made.out_public.public_area, &digest, &signature));
        let digest = Tpm2bDigest::new(&digest).expect("a digest");
        let verify = VerifySignature { key_handle, digest, signature };
        let ticket = tpm.call(&verify).expect("it verifies").validation;
        assert_eq!((ticket.hierarchy, ticket.metadata), (Hierarchy::Owner, TkVerifiedMeta::Verified));
        assert_eq!(ticket.hmac.len(), 64);
        let mut other = verify;
        other.digest =
            Tpm2bDigest::new(&hash(scheme.hash_alg().expect("a hash"), &[b"another"])).expect("a digest");
        assert_eq!(refused(&mut tpm, &other), rc::SIGNATURE.at(VerifySignature::SIGNATURE));
        flush(&mut tpm, key_handle);
    }
}

#[test]
fn an_hmac_key_signs_and_verifies_by_its_own_hash() {
    let mut tpm = started();
    let mut public = template::hmac_key(HashAlg::Sha256);
    public.object_attributes.remove(TpmaObject::SENSITIVE_DATA_ORIGIN);
    let mut command = create_primary(Hierarchy::Owner, public);
    command.in_sensitive = sensitive(b"", b"a shared key");
    let key_handle = handle(tpm.call(&command).expect("made").object_handle);
    let digest = hash(HashAlg::Sha256, &[b"message"]);
    let signature = tpm.call(&sign(key_handle, &digest, None)).expect("signed").signature;
    let TpmtSignature::Hmac(mac) = &signature else { panic!("{signature:?}") };
    assert_eq!(mac.digest(), &*hmac(HashAlg::Sha256, b"a shared key", &[&digest]));
    let digest = Tpm2bDigest::new(&digest).expect("a digest");
    tpm.call(&VerifySignature { key_handle, digest: digest.clone(), signature: signature.clone() })
        .expect("it verifies");
    let other = sign(key_handle, &[1; 48], Some(SigScheme::Hmac { hash_alg: HashAlg::Sha384 }));
    assert_eq!(refused(&mut tpm, &other), rc::SCHEME.at(Sign::IN_SCHEME));
}

#[test]
fn a_public_key_in_the_null_hierarchy_gives_a_null_ticket() {
    let mut tpm = started();
    let made =
        primary_response(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    let digest = hash(HashAlg::Sha256, &[b"message"]);
    let key = handle(made.object_handle);
    let signature = tpm.call(&sign(key, &digest, Some(ecdsa(HashAlg::Sha256)))).expect("signed").signature;
    let digest = Tpm2bDigest::new(&digest).expect("a digest");
    for (hierarchy, size) in [(Hierarchy::Null, 0), (Hierarchy::Platform, 64)] {
        let load: LoadExternal = external(made.out_public.public_area.clone(), None, hierarchy);
        let key_handle = handle(tpm.call(&load).expect("it loads").object_handle);
        let verify = VerifySignature { key_handle, digest: digest.clone(), signature: signature.clone() };
        let ticket = tpm.call(&verify).expect("it verifies").validation;
        assert_eq!((ticket.hierarchy, ticket.hmac.len()), (hierarchy, size));
        flush(&mut tpm, key_handle);
    }
}

#[test]
fn signatures_of_another_family_are_refused_by_their_scheme() {
    let mut tpm = started();
    let ecc = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    let rsa = primary(&mut tpm, Hierarchy::Owner, template::rsa_signing(None, false));
    let digest = [7; 32];
    let signature = tpm.call(&sign(ecc, &digest, Some(ecdsa(HashAlg::Sha256)))).expect("signed").signature;
    let verify = VerifySignature { key_handle: rsa, digest: digest.into(), signature };
    assert_eq!(refused(&mut tpm, &verify), rc::SCHEME.at(VerifySignature::SIGNATURE));
    let storage = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let verify = VerifySignature { key_handle: storage, ..verify };
    assert_eq!(refused(&mut tpm, &verify), rc::ATTRIBUTES.at(VerifySignature::KEY_HANDLE));
}

#[test]
fn signing_refuses_what_the_key_is_not_for() {
    let mut tpm = started();
    let scheme = Some(ecdsa(HashAlg::Sha256));
    let storage = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    assert_eq!(refused(&mut tpm, &sign(storage, &[7; 32], scheme)), rc::KEY.at(Sign::KEY_HANDLE));
    let mut certificates = template::ecc_signing(EccCurve::NistP256, None, false);
    certificates.object_attributes |= TpmaObject::X509_SIGN;
    let certificates = primary(&mut tpm, Hierarchy::Owner, certificates);
    assert_eq!(refused(&mut tpm, &sign(certificates, &[7; 32], scheme)), rc::ATTRIBUTES.at(Sign::KEY_HANDLE));
    flush(&mut tpm, certificates);
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    assert_eq!(refused(&mut tpm, &sign(key, &[7; 20], scheme)), rc::SIZE.at(Sign::DIGEST));
    assert_eq!(refused(&mut tpm, &sign(key, &[7; 32], None)), rc::SCHEME.at(Sign::IN_SCHEME));
    let rsassa = Some(SigScheme::Rsassa { hash_alg: HashAlg::Sha256 });
    assert_eq!(refused(&mut tpm, &sign(key, &[7; 32], rsassa)), rc::SCHEME.at(Sign::IN_SCHEME));
}

fn attestation_key(tpm: &mut TestTpm, hierarchy: Hierarchy) -> ObjectHandle {
    let scheme = EccScheme::Ecdsa { hash_alg: HashAlg::Sha256 };
    primary(tpm, hierarchy, template::ecc_signing(EccCurve::NistP256, Some(scheme), true))
}

fn hash_command(data: &[u8], hierarchy: Hierarchy) -> Hash {
    let data = Tpm2bMaxBuffer::new(data).expect("short");
    Hash { data, hash_alg: HashAlg::Sha256, hierarchy }
}

#[test]
fn a_restricted_key_signs_only_what_the_tpm_has_hashed() {
    let mut tpm = started();
    let key = attestation_key(&mut tpm, Hierarchy::Owner);
    let hashed = tpm.call(&hash_command(b"a message", Hierarchy::Endorsement)).expect("hashed");
    let ticket = rc::TICKET.at(Sign::VALIDATION);
    let signed = Sign { validation: hashed.validation.clone(), ..sign(key, &hashed.out_hash, None) };
    tpm.call(&signed).expect("it may be signed");
    assert_eq!(refused(&mut tpm, &sign(key, &hashed.out_hash, None)), ticket);
    let other = Sign { digest: [1; 32].into(), ..signed.clone() };
    assert_eq!(refused(&mut tpm, &other), ticket);
    let mut elsewhere = signed;
    elsewhere.validation.hierarchy = Hierarchy::Owner;
    assert_eq!(refused(&mut tpm, &elsewhere), ticket);
    for (data, hierarchy) in
        [(&[0xFF, 0x54, 0x43, 0x47, 1][..], Hierarchy::Owner), (b"abcd", Hierarchy::Null)]
    {
        let hashed = tpm.call(&hash_command(data, hierarchy)).expect("hashed");
        assert_eq!(hashed.validation, TpmtTkHashcheck::null());
        let signed = Sign { validation: hashed.validation, ..sign(key, &hashed.out_hash, None) };
        assert_eq!(refused(&mut tpm, &signed), ticket);
    }
}

#[test]
fn short_data_hashed_at_once_is_safe_to_sign() {
    let mut tpm = started();
    let key = attestation_key(&mut tpm, Hierarchy::Owner);
    for data in [&b""[..], b"abc"] {
        let hashed = tpm.call(&hash_command(data, Hierarchy::Owner)).expect("hashed");
        let signed = Sign { validation: hashed.validation, ..sign(key, &hashed.out_hash, None) };
        tpm.call(&signed).expect("nothing can follow that would make it a structure of the TPM's");
    }
}

#[test]
fn a_symmetric_key_signs_nothing_though_it_has_the_attribute() {
    let mut tpm = started();
    let symmetric = TpmtPublic {
        object_attributes: TpmaObject::USER_WITH_AUTH | TpmaObject::SENSITIVE_DATA_ORIGIN | TpmaObject::SIGN,
        parameters: PublicParms::SymCipher(TpmsSymcipherParms {
            sym: SymDefObject::Aes { key_bits: AesKeyBits::Aes128, mode: Some(SymMode::Cfb) },
        }),
        unique: PublicId::empty(ObjectType::SymCipher),
        ..template::ecc_signing(EccCurve::NistP256, None, false)
    };
    let key = primary(&mut tpm, Hierarchy::Owner, symmetric);
    assert_eq!(refused(&mut tpm, &sign(key, &[7; 32], None)), rc::KEY.at(Sign::KEY_HANDLE));
    assert_eq!(refused(&mut tpm, &quote(Some(key), None)), rc::KEY.at(Quote::SIGN_HANDLE));
}

#[test]
fn a_wrong_ticket_counts_for_an_unrestricted_key_too() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    let mut command = sign(key, &[7; 32], Some(ecdsa(HashAlg::Sha256)));
    tpm.call(&command).expect("no ticket is needed");
    command.validation.digest = [1; 64].into();
    assert_eq!(refused(&mut tpm, &command), rc::TICKET.at(Sign::VALIDATION));
}

#[test]
fn only_the_first_piece_of_a_sequence_decides_about_its_ticket() {
    let mut tpm = started();
    for (pieces, safe) in [
        (&[&b"abcd"[..], b""][..], true),
        (&[b"abc", b"d"], false),
        (&[b"", b"abcdefgh"], false),
        (&[&[0xFF, 0x54, 0x43, 0x47], b"abcd"], false),
        (&[b"abcd", &[0xFF, 0x54, 0x43, 0x47]], true),
    ] {
        let start = HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg: Some(HashAlg::Sha256) };
        let sequence_handle = handle(tpm.call(&start).expect("it starts").sequence_handle);
        for piece in pieces {
            let buffer = Tpm2bMaxBuffer::new(piece).expect("short");
            tpm.call(&SequenceUpdate { sequence_handle, buffer }).expect("it goes on");
        }
        let complete = SequenceComplete {
            sequence_handle,
            buffer: Tpm2bMaxBuffer::default(),
            hierarchy: Hierarchy::Owner,
        };
        let done = tpm.call(&complete).expect("it ends");
        assert_eq!(done.result.to_vec(), hash(HashAlg::Sha256, pieces).to_vec());
        assert_eq!(done.validation != TpmtTkHashcheck::null(), safe, "{pieces:?}");
    }
}

fn quote(sign_handle: Option<ObjectHandle>, in_scheme: Option<SigScheme>) -> Quote {
    let all = TpmsPcrSelection { hash: HashAlg::Sha256, pcr_select: PcrSelect::ALL };
    Quote {
        sign_handle,
        qualifying_data: Tpm2bData::new(b"nonce").expect("short"),
        in_scheme,
        pcr_select: TpmlPcrSelection::new(vec![all]).expect("one bank"),
    }
}

#[test]
fn a_quote_is_signed_over_the_digest_of_the_pcr() {
    let mut tpm = started();
    let key = attestation_key(&mut tpm, Hierarchy::Endorsement);
    let public = tpm.call(&ReadPublic { object_handle: key }).expect("readable");
    let answer = tpm.call(&quote(Some(key), None)).expect("quoted");
    let attest = TpmsAttest::from_bytes(&answer.quoted).expect("an attestation");
    assert_eq!(attest.qualified_signer, public.qualified_name);
    assert_eq!(attest.extra_data.to_vec(), b"nonce");
    let Attested::Quote(info) = attest.attested else { panic!("not a quote") };
    let mut values = [[0; 32]; 24];
    values[17..23].fill([0xFF; 32]);
    assert_eq!(info.pcr_digest.to_vec(), hash(HashAlg::Sha256, &[values.as_flattened()]).to_vec());
    let signature = answer.signature.expect("signed");
    let digest = hash(HashAlg::Sha256, &[&answer.quoted]);
    assert!(verifies(&public.out_public.public_area, &digest, &signature));
}

#[test]
fn the_counters_are_plain_for_the_privacy_administrator_only() {
    let mut tpm = started();
    let clock = tpm.call(&ReadClock {}).expect("readable").current_time.clock_info;
    let info = |tpm: &mut TestTpm, key| {
        let quoted = tpm.call(&quote(key, Some(ecdsa(HashAlg::Sha256)))).expect("quoted").quoted;
        TpmsAttest::from_bytes(&quoted).expect("an attestation")
    };
    for hierarchy in [Hierarchy::Endorsement, Hierarchy::Platform] {
        let key = attestation_key(&mut tpm, hierarchy);
        let plain = info(&mut tpm, Some(key));
        assert_eq!(plain.clock_info.reset_count, clock.reset_count);
        assert_eq!(plain.clock_info.restart_count, clock.restart_count);
        flush(&mut tpm, key);
    }
    let key = attestation_key(&mut tpm, Hierarchy::Owner);
    let first = info(&mut tpm, Some(key));
    let second = info(&mut tpm, Some(key));
    let unsigned = info(&mut tpm, None);
    assert_ne!(first.clock_info.reset_count, clock.reset_count);
    assert_eq!(first.clock_info.reset_count, second.clock_info.reset_count);
    assert_ne!(first.firmware_version, unsigned.firmware_version);
    assert_eq!(unsigned.qualified_signer.to_vec(), 0x4000_0007_u32.to_be_bytes());
}

#[test]
fn a_quote_without_a_key_still_needs_a_hash() {
    let mut tpm = started();
    assert_eq!(refused(&mut tpm, &quote(None, None)), rc::SCHEME.at(Quote::IN_SCHEME));
    let answer = tpm.call(&quote(None, Some(ecdsa(HashAlg::Sha256)))).expect("quoted");
    assert_eq!(answer.signature, None);
    let storage = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    assert_eq!(refused(&mut tpm, &quote(Some(storage), None)), rc::KEY.at(Quote::SIGN_HANDLE));
    let key = attestation_key(&mut tpm, Hierarchy::Owner);
    let other = quote(Some(key), Some(ecdsa(HashAlg::Sha384)));
    assert_eq!(refused(&mut tpm, &other), rc::SCHEME.at(Quote::IN_SCHEME));
}

#[test]
fn certify_names_the_object_and_its_place() {
    let mut tpm = started();
    let key = attestation_key(&mut tpm, Hierarchy::Endorsement);
    let object = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let public = tpm.call(&ReadPublic { object_handle: object }).expect("readable");
    let command = Certify {
        object_handle: object,
        sign_handle: Some(key),
        qualifying_data: Tpm2bData::default(),
        in_scheme: None,
    };
    let answer = tpm.call(&command).expect("certified");
    let attest = TpmsAttest::from_bytes(&answer.certify_info).expect("an attestation");
    let Attested::Certify(info) = attest.attested else { panic!("not a certification") };
    assert_eq!((info.name, info.qualified_name), (public.name, public.qualified_name));
}

#[test]
fn creation_is_certified_for_the_object_and_data_of_the_ticket_only() {
    let mut tpm = started();
    let key = attestation_key(&mut tpm, Hierarchy::Endorsement);
    let made = primary_response(&mut tpm, Hierarchy::Null, template::ecc_storage());
    let command = CertifyCreation {
        sign_handle: Some(key),
        object_handle: handle(made.object_handle),
        qualifying_data: Tpm2bData::default(),
        creation_hash: made.creation_hash.clone(),
        in_scheme: None,
        creation_ticket: made.creation_ticket.clone(),
    };
    let answer = tpm.call(&command).expect("certified");
    let attest = TpmsAttest::from_bytes(&answer.certify_info).expect("an attestation");
    let Attested::Creation(info) = attest.attested else { panic!("not a creation") };
    assert_eq!((info.object_name, info.creation_hash), (made.name, made.creation_hash));
    let ticket = rc::TICKET.at(CertifyCreation::CREATION_TICKET);
    let other_object = CertifyCreation { object_handle: key, ..command.clone() };
    assert_eq!(refused(&mut tpm, &other_object), ticket);
    let other_data = CertifyCreation { creation_hash: [1; 32].into(), ..command };
    assert_eq!(refused(&mut tpm, &other_data), ticket);
}

#[test]
fn the_time_that_is_attested_is_never_obfuscated() {
    let mut tpm = started();
    let key = attestation_key(&mut tpm, Hierarchy::Owner);
    common::wait_ms(&mut tpm, 5_000);
    let command = GetTime {
        privacy_admin_handle: EndorsementHandle::Endorsement,
        sign_handle: Some(key),
        qualifying_data: Tpm2bData::default(),
        in_scheme: None,
    };
    let answer = tpm.call(&command).expect("attested");
    let attest = TpmsAttest::from_bytes(&answer.time_info).expect("an attestation");
    let Attested::Time(info) = attest.attested else { panic!("not the time") };
    let clock = tpm.call(&ReadClock {}).expect("readable").current_time;
    assert_eq!(info.time, clock);
    assert_ne!(attest.clock_info.reset_count, info.time.clock_info.reset_count);
}

#[test]
fn an_hmac_key_without_its_secret_verifies_nothing() {
    let mut tpm = started();
    let key = primary_response(&mut tpm, Hierarchy::Owner, template::hmac_key(HashAlg::Sha256));
    let digest = hash(HashAlg::Sha256, &[b"message"]);
    let signature = tpm.call(&sign(handle(key.object_handle), &digest, None)).expect("signed").signature;
    let load = external(key.out_public.public_area, None, Hierarchy::Null);
    let key_handle = handle(tpm.call(&load).expect("it loads").object_handle);
    let digest = Tpm2bDigest::new(&digest).expect("a digest");
    let verify = VerifySignature { key_handle, digest, signature };
    assert_eq!(refused(&mut tpm, &verify), rc::HANDLE.at(VerifySignature::SIGNATURE));
}
