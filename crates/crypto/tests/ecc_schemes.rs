//! Signatures and two-phase agreement on every curve, against another implementation and the standards' examples.

mod support;

use sigillo_crypto::ecc::{self, EcPoint, EcPrivate, KeyPair};
use sigillo_crypto::hash::hash;
use sigillo_crypto::kdf::kdf2;
use sigillo_crypto::{EccCurve, Error, HashAlg, Rng, derive};
use support::{Record, drbg, hex, records};

fn all_records() -> Vec<Record> {
    let mut out = records(include_str!("vectors/ecc.txt"));
    out.extend(records(include_str!("vectors/sm2.txt")));
    out
}

fn point(record: &Record, name: &str) -> EcPoint {
    let [x, y] = ["x", "y"].map(|axis| record.hex(&format!("{name}_{axis}")));
    EcPoint::new(record.curve().unwrap(), &x, &y).unwrap()
}

fn private(record: &Record, name: &str) -> EcPrivate {
    EcPrivate::new(record.curve().unwrap(), &record.hex(name)).unwrap()
}

type Verify = fn(&EcPoint, HashAlg, &[u8], &[u8], &[u8]) -> Result<(), Error>;

fn verify(scheme: &str) -> Verify {
    match scheme {
        "ecdsa" => |public, _, digest, r, s| ecc::verify(public, digest, r, s),
        "schnorr" => ecc::verify_schnorr,
        "sm2" => |public, _, digest, r, s| ecc::verify_sm2(public, digest, r, s),
        _ => panic!("{scheme}"),
    }
}

#[test]
fn signatures_of_another_implementation_verify_and_no_others() {
    let mut seen = 0;
    for record in all_records() {
        let scheme = record.text("scheme");
        if matches!(scheme, "ecdaa" | "encryption" | "mqv" | "sm2_exchange") {
            continue;
        }
        let verify = verify(scheme);
        let alg = if record.get("hash").is_some() { record.hash() } else { HashAlg::Sha256 };
        let public = point(&record, "public");
        let (digest, r, s) = (record.hex("digest"), record.hex("r"), record.hex("s"));
        assert_eq!(verify(&public, alg, &digest, &r, &s), Ok(()), "{scheme} {:?}", record.curve());
        let bad = Err(Error::BadSignature);
        let mut other = digest.clone();
        other[0] ^= 1;
        assert_eq!(verify(&public, alg, &other, &r, &s), bad);
        assert_eq!(verify(&public, alg, &digest, &s, &r), bad);
        let generator = ecc::base_mul(public.curve(), &[1]).unwrap();
        assert_eq!(verify(&generator, alg, &digest, &r, &s), bad);
        let n = ecc::parameters(public.curve()).n;
        for out_of_range in [&[][..], &[0], n, &[0xFF; 67]] {
            assert_eq!(verify(&public, alg, &digest, out_of_range, &s), bad);
            assert_eq!(verify(&public, alg, &digest, &r, out_of_range), bad);
        }
        seen += 1;
    }
    assert_eq!(seen, 7 * 4 * 3 + 1);
}

#[test]
fn own_signatures_verify_on_every_curve() {
    let mut rng = drbg(1);
    for curve in EccCurve::WEIERSTRASS {
        let key = derive::ecc(&mut rng, curve).unwrap();
        let public = key.public().unwrap();
        for alg in HashAlg::ALL {
            let digest = hash(alg, &[b"message"]);
            let schnorr = key.sign_schnorr(alg, &digest, &mut rng).unwrap();
            ecc::verify_schnorr(&public, alg, &digest, schnorr.r(), schnorr.s()).unwrap();
            let sm2 = key.sign_sm2(&digest, &mut rng).unwrap();
            ecc::verify_sm2(&public, &digest, sm2.r(), sm2.s()).unwrap();
            assert!(ecc::verify(&public, &digest, sm2.r(), sm2.s()).is_err());
        }
    }
}

#[test]
fn a_key_that_sm2_cannot_sign_with_says_so() {
    for curve in EccCurve::WEIERSTRASS {
        let mut d = ecc::parameters(curve).n.to_vec();
        *d.last_mut().unwrap() -= 1;
        let key = EcPrivate::new(curve, &d).unwrap();
        assert_eq!(key.sign_sm2(&[1; 32], &mut drbg(1)).unwrap_err(), Error::BadValue);
    }
}

/// A source that always gives the same: a virtual machine that went back to its snapshot.
struct Stuck;

impl Rng for Stuck {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(0x42);
    }
}

#[test]
fn a_stuck_generator_repeats_no_nonce_for_another_digest_or_scheme() {
    for curve in EccCurve::WEIERSTRASS {
        let key = derive::ecc(&mut drbg(1), curve).unwrap();
        let [a, b] = [[1; 32], [2; 32]].map(|digest| key.sign_sm2(&digest, &mut Stuck).unwrap());
        // r is the nonce's x-coordinate and the digest.
        let difference = |r: &[u8], other: &[u8]| r.last().unwrap().wrapping_sub(*other.last().unwrap());
        assert_ne!(difference(a.r(), b.r()), 0xFF);
        let [a, b] =
            [[1; 32], [2; 32]].map(|digest| key.sign_schnorr(HashAlg::Sha256, &digest, &mut Stuck).unwrap());
        assert_ne!(a.r(), b.r());
    }
}

#[test]
fn what_another_implementation_signs_by_ecdaa_verifies() {
    let mut seen = 0;
    for record in all_records().iter().filter(|record| record.text("scheme") == "ecdaa") {
        let (public, committed) = (point(record, "public"), point(record, "committed"));
        let (digest, k, s) = (record.hex("digest"), record.hex("r"), record.hex("s"));
        let verify =
            |committed, digest: &[u8]| ecc::verify_ecdaa(&public, committed, record.hash(), digest, &k, &s);
        assert_eq!(verify(&committed, &digest), Ok(()));
        assert_eq!(verify(&public, &digest), Err(Error::BadSignature));
        assert_eq!(verify(&committed, b"another"), Err(Error::BadSignature));
        seen += 1;
    }
    assert_eq!(seen, 7);
}

/// s G = R + T Q, computed with P-256's own crate: what a verifier of ECDAA checks of the TPM's part.
#[test]
fn an_ecdaa_signature_answers_for_the_key_and_the_commitment() {
    use p256::elliptic_curve::PrimeField as _;
    use p256::elliptic_curve::ops::Reduce as _;
    let scalar =
        |octets: &[u8]| p256::Scalar::from_repr(<[u8; 32]>::try_from(octets).unwrap().into()).unwrap();
    let mut rng = drbg(1);
    let key = derive::ecc(&mut rng, EccCurve::NistP256).unwrap();
    let committed = derive::ecc(&mut rng, EccCurve::NistP256).unwrap();
    let signature = key.sign_ecdaa(HashAlg::Sha256, b"value", &committed, &mut rng).unwrap();
    let t = hash(HashAlg::Sha256, &[signature.r(), b"value"]);
    let t = p256::Scalar::reduce(&p256::FieldBytes::from(<[u8; 32]>::try_from(&t[..]).unwrap()));
    assert_eq!(scalar(signature.s()), scalar(committed.d()) + t * scalar(key.d()));
    let [public, commitment] = [&key, &committed].map(|key| key.public().unwrap());
    let (k, s) = (signature.r(), signature.s());
    ecc::verify_ecdaa(&public, &commitment, HashAlg::Sha256, b"value", k, s).unwrap();
    let again = key.sign_ecdaa(HashAlg::Sha256, b"value", &committed, &mut rng).unwrap();
    assert_ne!(again.r(), signature.r());
    let other = derive::ecc(&mut rng, EccCurve::Sm2P256).unwrap();
    assert_eq!(key.sign_ecdaa(HashAlg::Sha256, b"value", &other, &mut rng), Err(Error::BadValue));
}

#[test]
fn two_phase_agreements_are_those_of_another_implementation() {
    let mut seen = 0;
    for record in all_records() {
        let agree = match record.text("scheme") {
            "mqv" => ecc::mqv,
            "sm2_exchange" => ecc::sm2_exchange,
            _ => continue,
        };
        let (static_key, ephemeral) = (private(&record, "static"), private(&record, "ephemeral"));
        let other_static = point(&record, "other_static");
        let other_ephemeral = match record.get("other_ephemeral") {
            Some(_) => private(&record, "other_ephemeral").public().unwrap(),
            None => point(&record, "other_ephemeral"),
        };
        let own = KeyPair { static_key: &static_key, ephemeral: &ephemeral };
        let other = KeyPair { static_key: &other_static, ephemeral: &other_ephemeral };
        assert_eq!(agree(&own, &other).unwrap(), point(&record, "z"), "{:?}", record.curve());
        seen += 1;
    }
    assert_eq!(seen, 7 * 2 + 2);
}

#[test]
fn what_another_implementation_encrypted_is_decrypted() {
    let mut seen = 0;
    for record in all_records().iter().filter(|record| record.text("scheme") == "encryption") {
        let (key, ephemeral, alg) = (private(record, "d"), point(record, "ephemeral"), record.hash());
        let (data, integrity) = (record.hex("data"), record.hex("integrity"));
        let message = ecc::decrypt(&key, alg, &ephemeral, &data, &integrity).unwrap();
        assert_eq!(message[..], record.hex("message")[..]);
        let mut other = data.clone();
        other[3] ^= 1;
        assert_eq!(ecc::decrypt(&key, alg, &ephemeral, &other, &integrity), Err(Error::BadPadding));
        assert_eq!(ecc::decrypt(&key, alg, &ephemeral, &data, &integrity[1..]), Err(Error::BadPadding));
        seen += 1;
    }
    assert_eq!(seen, 7 * 2 + 1);
}

#[test]
fn what_is_encrypted_is_decrypted_on_every_curve() {
    let mut rng = drbg(1);
    for curve in EccCurve::WEIERSTRASS {
        let key = derive::ecc(&mut rng, curve).unwrap();
        for len in [0, 1, 32, 33, 1000] {
            let message = vec![7; len];
            let made = ecc::encrypt(&key.public().unwrap(), HashAlg::Sha256, &message, &mut rng).unwrap();
            let back = ecc::decrypt(&key, HashAlg::Sha256, &made.ephemeral, &made.data, &made.integrity);
            assert_eq!(back.unwrap()[..], message[..]);
        }
    }
}

#[test]
fn both_sides_of_a_two_phase_agreement_agree() {
    let mut rng = drbg(1);
    for curve in EccCurve::WEIERSTRASS {
        let keys: [EcPrivate; 4] = std::array::from_fn(|_| derive::ecc(&mut rng, curve).unwrap());
        let points = keys.each_ref().map(|key| key.public().unwrap());
        for agree in [ecc::mqv, ecc::sm2_exchange] {
            let a = agree(
                &KeyPair { static_key: &keys[0], ephemeral: &keys[1] },
                &KeyPair { static_key: &points[2], ephemeral: &points[3] },
            );
            let b = agree(
                &KeyPair { static_key: &keys[2], ephemeral: &keys[3] },
                &KeyPair { static_key: &points[0], ephemeral: &points[1] },
            );
            assert_eq!(a.unwrap(), b.unwrap());
        }
    }
    let own = [EccCurve::NistP256, EccCurve::Sm2P256].map(|curve| derive::ecc(&mut rng, curve).unwrap());
    let other = own[0].public().unwrap();
    let mixed = ecc::mqv(
        &KeyPair { static_key: &own[0], ephemeral: &own[1] },
        &KeyPair { static_key: &other, ephemeral: &other },
    );
    assert_eq!(mixed.unwrap_err(), Error::BadValue);
}

#[test]
fn a_base_name_gives_the_point_with_the_digest_modulo_p() {
    for curve in EccCurve::WEIERSTRASS {
        let generator = ecc::base_mul(curve, &[1]).unwrap();
        // x + p is x again.
        let mut carry = 0u16;
        let mut longer: Vec<u8> = Vec::new();
        for (x, p) in generator.x().iter().zip(ecc::parameters(curve).p).rev() {
            carry += u16::from(*x) + u16::from(*p);
            longer.insert(0, (carry & 0xFF) as u8);
            carry >>= 8;
        }
        longer.insert(0, carry as u8);
        assert_eq!(ecc::point_of_digest(curve, &longer, generator.y()).unwrap(), generator);
        assert_eq!(ecc::point_of_digest(curve, &longer, generator.x()).unwrap_err(), Error::BadPoint);
    }
}

#[test]
fn kdf2_is_the_hash_of_the_key_and_a_counter() {
    // Python: (sha256(b"abc" + bytes([0, 0, 0, 1])).digest() + sha256(b"abc" + bytes([0, 0, 0, 2])).digest())[:33].
    let expected = "46c386ebccef82ba0bb0b095aaa5548b03cdff6951871c6fb505af68af688332f8";
    assert_eq!(kdf2(HashAlg::Sha256, &[b"ab", b"c"], 264)[..], hex(expected)[..]);
}
