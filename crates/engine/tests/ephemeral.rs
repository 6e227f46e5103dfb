//! Commitments, what signs by them, and ephemeral keys. Part 3, 19.

mod common;
mod support;

use common::{TestTpm, migrate, power_cycle, refused, shutdown, started_with_everything, startup};
use p256::elliptic_curve::{
    PrimeField as _, group::CurveAffine as _, ops::Reduce as _, point::AffineCoordinates as _,
};
use sigillo_client::template;
use sigillo_crypto::{
    ecc::{self, EcPoint},
    hash::hash,
};
use sigillo_types::{
    EccCurve, HashAlg, Unmarshal,
    attributes::TpmaObject,
    buffers::{Tpm2bData, Tpm2bDigest, Tpm2bEccParameter, Tpm2bSensitiveData},
    commands::{Commit, EcEphemeral, Quote, ReadPublic, Sign, VerifySignature},
    constants::StartupType,
    handles::{Hierarchy, ObjectHandle},
    rc,
    structures::{
        EccScheme, PcrSelect, PublicId, SensitiveComposite, SigScheme, Tpm2bEccPoint, TpmlPcrSelection,
        TpmsAttest, TpmsEccPoint, TpmsPcrSelection, TpmsSignatureEcc, TpmtSensitive, TpmtSignature,
        TpmtTkHashcheck,
    },
};
use support::{external, flush, handle, primary};

const SHA256: HashAlg = HashAlg::Sha256;

/// A base name whose SHA-256 is the x-coordinate of a point of P-256, and the y-coordinate: the square root computed with Python.
const BASE_NAME: &[u8] = b"base name 1";
const BASE_Y: [u8; 32] = [
    0xFC, 0xFB, 0xDE, 0x90, 0x8A, 0xDA, 0x13, 0xB5, 0xEE, 0x02, 0x2E, 0x3E, 0x20, 0x62, 0xA9, 0x3D, 0xBD,
    0xFD, 0x2B, 0x12, 0x4A, 0x13, 0x4F, 0x97, 0x9C, 0x0E, 0xF0, 0x8D, 0x6F, 0x6E, 0x7F, 0x58,
];

fn ecdaa_key(tpm: &mut TestTpm, curve: EccCurve) -> ObjectHandle {
    let scheme = EccScheme::Ecdaa { hash_alg: SHA256, count: 0 };
    primary(tpm, Hierarchy::Owner, template::ecc_signing(curve, Some(scheme), false))
}

fn public_point(tpm: &mut TestTpm, key: ObjectHandle, curve: EccCurve) -> EcPoint {
    let public = tpm.call(&ReadPublic { object_handle: key }).expect("it is loaded").out_public.public_area;
    let PublicId::Ecc(TpmsEccPoint { x, y }) = public.unique else { panic!("an ECC key") };
    EcPoint::new(curve, &x, &y).expect("on the curve")
}

/// A commitment to the generator.
fn commit(sign_handle: ObjectHandle) -> Commit {
    Commit {
        sign_handle,
        p1: Tpm2bEccPoint::default(),
        s2: Tpm2bSensitiveData::default(),
        y2: Tpm2bEccParameter::default(),
    }
}

fn commit_to_base_name(sign_handle: ObjectHandle) -> Commit {
    let s2 = Tpm2bSensitiveData::new(BASE_NAME).expect("a short name");
    Commit { s2, y2: BASE_Y.into(), ..commit(sign_handle) }
}

fn sized(point: &EcPoint) -> Tpm2bEccPoint {
    let [x, y] = [point.x(), point.y()].map(|octets| octets.try_into().expect("a coordinate"));
    Tpm2bEccPoint { point: TpmsEccPoint { x, y } }
}

fn point(curve: EccCurve, sized: &Tpm2bEccPoint) -> EcPoint {
    EcPoint::new(curve, &sized.point.x, &sized.point.y).expect("on the curve")
}

fn ecdaa(count: u16) -> SigScheme {
    SigScheme::Ecdaa { hash_alg: SHA256, count }
}

fn sign(key_handle: ObjectHandle, count: u16) -> Sign {
    let digest = Tpm2bDigest::new(&hash(SHA256, &[b"message"])).expect("a digest");
    Sign { key_handle, digest, in_scheme: Some(ecdaa(count)), validation: TpmtTkHashcheck::null() }
}

fn ecdaa_signature(signature: TpmtSignature) -> TpmsSignatureEcc {
    let TpmtSignature::Ecdaa(signature) = signature else { panic!("{signature:?}") };
    signature
}

#[test]
fn what_is_committed_to_the_generator_verifies_as_a_signature() {
    let mut tpm = started_with_everything();
    for curve in EccCurve::WEIERSTRASS {
        let key = ecdaa_key(&mut tpm, curve);
        let public = public_point(&mut tpm, key, curve);
        let made = tpm.call(&commit(key)).expect("a commitment");
        assert_eq!((made.k, made.l), (Tpm2bEccPoint::default(), Tpm2bEccPoint::default()));
        let command = sign(key, made.counter);
        let signature = ecdaa_signature(tpm.call(&command).expect("signed").signature);
        let committed = point(curve, &made.e);
        let verify = |digest: &[u8]| {
            ecc::verify_ecdaa(
                &public,
                &committed,
                SHA256,
                digest,
                &signature.signature_r,
                &signature.signature_s,
            )
        };
        assert!(verify(&command.digest).is_ok() && verify(&[0; 32]).is_err());
        flush(&mut tpm, key);
    }
}

/// With the base name's point B: K = dB, and sB = L + TK, as the verifier of a pseudonymous signature checks with arithmetic of its own.
#[test]
fn a_base_name_ties_the_signature_to_a_pseudonym() {
    let mut tpm = started_with_everything();
    let curve = EccCurve::NistP256;
    let key = ecdaa_key(&mut tpm, curve);
    let generator = ecc::base_mul(curve, &[1]).expect("the generator");
    let command = Commit { p1: sized(&generator), ..commit_to_base_name(key) };
    let made = tpm.call(&command).expect("a commitment");
    let public = public_point(&mut tpm, key, curve);
    let signing = sign(key, made.counter);
    let signature = ecdaa_signature(tpm.call(&signing).expect("signed").signature);
    let (k, s) = (&signature.signature_r, &signature.signature_s);
    assert_eq!(ecc::verify_ecdaa(&public, &point(curve, &made.e), SHA256, &signing.digest, k, s), Ok(()));

    let octets = |octets: &[u8]| p256::FieldBytes::from(<[u8; 32]>::try_from(octets).expect("32 octets"));
    let affine = |x: &[u8], y: &[u8]| {
        p256::AffinePoint::from_coordinates(&octets(x), &octets(y)).expect("on the curve").to_curve()
    };
    let of = |sized: &Tpm2bEccPoint| affine(&sized.point.x, &sized.point.y);
    let base = affine(&hash(SHA256, &[BASE_NAME]), &BASE_Y);
    let t = p256::Scalar::reduce(&octets(&hash(SHA256, &[k, &signing.digest])));
    let s = p256::Scalar::from_repr(octets(s)).expect("below the order");
    assert_eq!(base * s, of(&made.l) + of(&made.k) * t);
    // The pseudonym is the same for another commitment.
    let again = tpm.call(&commit_to_base_name(key)).expect("a commitment");
    assert_eq!((again.k, again.e), (made.k, Tpm2bEccPoint::default()));
    assert_ne!(again.l, made.l);
}

#[test]
fn a_commitment_signs_once_and_only_while_it_is_one_of_the_last() {
    let mut tpm = started_with_everything();
    let key = ecdaa_key(&mut tpm, EccCurve::NistP256);
    let (used, range) = (rc::VALUE.at(Sign::IN_SCHEME), rc::RANGE.at(Sign::IN_SCHEME));
    assert_eq!(refused(&mut tpm, &sign(key, 0)), range, "none was made");
    let first = tpm.call(&commit(key)).expect("a commitment").counter;
    let mut short = sign(key, first);
    short.digest = [1; 20].into();
    assert_eq!(refused(&mut tpm, &short), rc::SIZE.at(Sign::DIGEST));
    tpm.call(&sign(key, first)).expect("what failed did not use it");
    assert_eq!(refused(&mut tpm, &sign(key, first)), used);
    let second = tpm.call(&commit(key)).expect("a commitment").counter;
    assert_eq!(second, first + 1);
    for _ in 0..126 {
        tpm.call(&commit(key)).expect("a commitment");
    }
    tpm.call(&sign(key, second)).expect("it is the oldest that may be used");
    let third = second + 1;
    tpm.call(&commit(key)).expect("a commitment");
    tpm.call(&commit(key)).expect("a commitment");
    assert_eq!(refused(&mut tpm, &sign(key, third)), range);
    assert_eq!(refused(&mut tpm, &sign(key, 0x7FFF)), range);
}

#[test]
fn a_commitment_belongs_to_its_key() {
    let mut tpm = started_with_everything();
    let key = ecdaa_key(&mut tpm, EccCurve::NistP256);
    let mut other = template::ecc_signing(
        EccCurve::NistP256,
        Some(EccScheme::Ecdaa { hash_alg: SHA256, count: 1 }),
        false,
    );
    other.unique = PublicId::Ecc(TpmsEccPoint { x: [1; 32].into(), y: [0; 32].into() });
    let other = primary(&mut tpm, Hierarchy::Owner, other);
    let public = public_point(&mut tpm, other, EccCurve::NistP256);
    let made = tpm.call(&commit(key)).expect("a commitment");
    let signature = ecdaa_signature(tpm.call(&sign(other, made.counter)).expect("signed").signature);
    let committed = point(EccCurve::NistP256, &made.e);
    let digest = hash(SHA256, &[b"message"]);
    let (k, s) = (&signature.signature_r, &signature.signature_s);
    assert!(ecc::verify_ecdaa(&public, &committed, SHA256, &digest, k, s).is_err(), "another ephemeral key");
}

#[test]
fn an_anonymous_quote_names_neither_signer_nor_caller() {
    let mut tpm = started_with_everything();
    let scheme = EccScheme::Ecdaa { hash_alg: SHA256, count: 0 };
    let key =
        primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::BnP256, Some(scheme), true));
    let public = public_point(&mut tpm, key, EccCurve::BnP256);
    let made = tpm.call(&commit(key)).expect("a commitment");
    let selection = TpmsPcrSelection { hash: SHA256, pcr_select: PcrSelect::ALL };
    let quote = Quote {
        sign_handle: Some(key),
        qualifying_data: Tpm2bData::new(b"nonce").expect("short"),
        in_scheme: Some(ecdaa(made.counter)),
        pcr_select: TpmlPcrSelection::new(vec![selection]).expect("one bank"),
    };
    let answer = tpm.call(&quote).expect("a quote");
    let attest = TpmsAttest::from_bytes(&answer.quoted).expect("an attestation");
    assert!(attest.qualified_signer.is_empty() && attest.extra_data.is_empty());
    let signature = ecdaa_signature(answer.signature.expect("it is signed"));
    let signed = hash(SHA256, &[b"nonce", &hash(SHA256, &[&answer.quoted])]);
    let (k, s) = (&signature.signature_r, &signature.signature_s);
    let committed = point(EccCurve::BnP256, &made.e);
    assert_eq!(ecc::verify_ecdaa(&public, &committed, SHA256, &signed, k, s), Ok(()));
    assert_eq!(refused(&mut tpm, &quote), rc::VALUE.at(Quote::IN_SCHEME));
    let never = Quote { in_scheme: Some(ecdaa(made.counter + 1)), ..quote };
    assert_eq!(refused(&mut tpm, &never), rc::RANGE.at(Quote::IN_SCHEME));
}

#[test]
fn an_ecdaa_key_signs_by_that_scheme_and_a_count() {
    let mut tpm = started_with_everything();
    let key = ecdaa_key(&mut tpm, EccCurve::NistP256);
    let count = tpm.call(&commit(key)).expect("a commitment").counter;
    let scheme = rc::SCHEME.at(Sign::IN_SCHEME);
    for in_scheme in [
        None,
        Some(SigScheme::Ecdsa { hash_alg: SHA256 }),
        Some(SigScheme::Ecdaa { hash_alg: HashAlg::Sha384, count }),
    ] {
        assert_eq!(refused(&mut tpm, &Sign { in_scheme, ..sign(key, count) }), scheme);
    }
    let signature = tpm.call(&sign(key, count)).expect("signed").signature;
    let verify = VerifySignature { key_handle: key, digest: sign(key, count).digest, signature };
    assert_eq!(refused(&mut tpm, &verify), rc::SCHEME.at(VerifySignature::SIGNATURE), "no TPM verifies it");
}

#[test]
fn commit_wants_an_ecdaa_key_with_a_name() {
    let mut tpm = started_with_everything();
    let rsa = primary(&mut tpm, Hierarchy::Owner, template::rsa_signing(None, false));
    assert_eq!(refused(&mut tpm, &commit(rsa)), rc::KEY.at(Commit::SIGN_HANDLE));
    flush(&mut tpm, rsa);
    for scheme in [None, Some(EccScheme::Ecdsa { hash_alg: SHA256 })] {
        let public = template::ecc_signing(EccCurve::NistP256, scheme, false);
        let key = primary(&mut tpm, Hierarchy::Owner, public);
        assert_eq!(refused(&mut tpm, &commit(key)), rc::SCHEME.at(Commit::SIGN_HANDLE));
        flush(&mut tpm, key);
    }
    let generator = ecc::base_mul(EccCurve::NistP256, &[1]).expect("the generator");
    let scheme = EccScheme::Ecdaa { hash_alg: SHA256, count: 0 };
    let mut public = template::ecc_signing(EccCurve::NistP256, Some(scheme), false);
    public.unique = PublicId::Ecc(sized(&generator).point);
    public.name_alg = None;
    public.object_attributes = TpmaObject::USER_WITH_AUTH | TpmaObject::SIGN;
    let private = TpmtSensitive {
        auth_value: Default::default(),
        seed_value: Default::default(),
        sensitive: SensitiveComposite::Ecc([1].into()),
    };
    let load = external(public, Some(private), Hierarchy::Null);
    let nameless = handle(tpm.call(&load).expect("it loads").object_handle);
    assert_eq!(refused(&mut tpm, &commit(nameless)), rc::HASH.at(Commit::SIGN_HANDLE));
    assert_eq!(refused(&mut tpm, &sign(nameless, 0)), rc::VALUE.at(Sign::IN_SCHEME));
}

#[test]
fn commit_refuses_what_is_no_point() {
    let mut tpm = started_with_everything();
    let key = ecdaa_key(&mut tpm, EccCurve::NistP256);
    let whole = commit_to_base_name(key);
    let half = Commit { y2: Tpm2bEccParameter::default(), ..whole.clone() };
    assert_eq!(refused(&mut tpm, &half), rc::SIZE.at(Commit::Y2));
    let half = Commit { s2: Tpm2bSensitiveData::default(), ..whole.clone() };
    assert_eq!(refused(&mut tpm, &half), rc::SIZE.at(Commit::Y2));
    let off = Commit { y2: [1].into(), ..whole.clone() };
    assert_eq!(refused(&mut tpm, &off), rc::ECC_POINT.at(Commit::S2));
    let p1 = Tpm2bEccPoint { point: TpmsEccPoint { x: [1; 32].into(), y: [1; 32].into() } };
    assert_eq!(refused(&mut tpm, &Commit { p1, ..whole.clone() }), rc::ECC_POINT.at(Commit::P1));
    // None of them took a count.
    assert_eq!(tpm.call(&whole).expect("a commitment").counter, 0);
}

#[test]
fn a_commitment_lives_until_tpm_reset() {
    let mut tpm = started_with_everything();
    let key = ecdaa_key(&mut tpm, EccCurve::NistP256);
    let counters: [u16; 4] = core::array::from_fn(|_| tpm.call(&commit(key)).expect("a commitment").counter);
    migrate(&mut tpm, 5000);
    tpm.call(&sign(key, counters[0])).expect("it went along");
    for (turn, startup_type) in [StartupType::State, StartupType::Clear].into_iter().enumerate() {
        shutdown(&mut tpm, StartupType::State).expect("saved");
        power_cycle(&mut tpm);
        startup(&mut tpm, startup_type).expect("started");
        let key = ecdaa_key(&mut tpm, EccCurve::NistP256);
        assert_eq!(refused(&mut tpm, &sign(key, counters[0])), rc::VALUE.at(Sign::IN_SCHEME), "used before");
        tpm.call(&sign(key, counters[turn + 1])).expect("TPM Resume and TPM Restart keep it");
    }
    shutdown(&mut tpm, StartupType::Clear).expect("saved");
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::Clear).expect("started");
    let key = ecdaa_key(&mut tpm, EccCurve::NistP256);
    assert_eq!(refused(&mut tpm, &sign(key, counters[3])), rc::RANGE.at(Sign::IN_SCHEME));
    assert_eq!(tpm.call(&commit(key)).expect("a commitment").counter, 0);
}

#[test]
fn ephemeral_keys_are_points_of_their_curve_and_count_with_commitments() {
    let mut tpm = started_with_everything();
    for (count, curve_id) in (0..).zip(EccCurve::WEIERSTRASS) {
        let made = tpm.call(&EcEphemeral { curve_id }).expect("an ephemeral key");
        point(curve_id, &made.q);
        assert_eq!((made.q.point.x.len(), made.counter), (curve_id.coordinate_size(), count));
    }
    let command = EcEphemeral { curve_id: EccCurve::Curve25519 };
    assert_eq!(refused(&mut tpm, &command), rc::CURVE.at(EcEphemeral::CURVE_ID));
    let again = tpm.call(&EcEphemeral { curve_id: EccCurve::NistP256 }).expect("an ephemeral key");
    let other = tpm.call(&EcEphemeral { curve_id: EccCurve::NistP256 }).expect("an ephemeral key");
    assert_ne!(again.q, other.q);
    let key = ecdaa_key(&mut tpm, EccCurve::NistP256);
    let commitment = tpm.call(&commit(key)).expect("a commitment");
    assert_eq!(usize::from(commitment.counter), EccCurve::WEIERSTRASS.len() + 2);
}
