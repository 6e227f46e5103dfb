//! Elliptic curves: parameters, agreement, signatures, and what is refused.

mod support;

use sigillo_crypto::ecc::{self, EcPoint, EcPrivate};
use sigillo_crypto::{EccCurve, Error, Rng, derive};
use support::drbg;

/// A big-endian number less a small one.
fn less(n: &[u8], mut small: u8) -> Vec<u8> {
    let mut out = n.to_vec();
    for octet in out.iter_mut().rev() {
        let (difference, borrow) = octet.overflowing_sub(small);
        (*octet, small) = (difference, u8::from(borrow));
    }
    out
}

#[test]
fn the_parameters_are_those_of_the_arithmetic() {
    for curve in EccCurve::WEIERSTRASS {
        let parameters = ecc::parameters(curve);
        let generator = EcPoint::new(curve, parameters.gx, parameters.gy).unwrap();
        assert_eq!(ecc::base_mul(curve, &[1]).unwrap(), generator);
        // (n - 1) G = -G: the same x, and y's that add up to p.
        let last = ecc::base_mul(curve, &less(parameters.n, 1)).unwrap();
        assert_eq!(last.x(), generator.x());
        let mut carry = 0u16;
        for ((a, b), p) in last.y().iter().zip(generator.y()).zip(parameters.p).rev() {
            carry += u16::from(*a) + u16::from(*b);
            assert_eq!(carry & 0xFF, u16::from(*p));
            carry >>= 8;
        }
        // a = p - 3, but for the one curve without a linear term.
        let a = if curve == EccCurve::BnP256 { vec![0; 32] } else { less(parameters.p, 3) };
        assert_eq!(parameters.a, a);
        assert_eq!(parameters.b.len(), curve.coordinate_size());
        assert_eq!(parameters.n.len(), curve.coordinate_size());
        assert_eq!(parameters.h, [1]);
    }
}

#[test]
fn scalars_outside_the_group_are_refused() {
    for curve in EccCurve::WEIERSTRASS {
        let n = ecc::parameters(curve).n;
        let width = curve.coordinate_size();
        let generator = ecc::base_mul(curve, &[1]).unwrap();
        for (k, error) in [
            (vec![], Error::BadValue),
            (vec![0; width], Error::BadValue),
            (n.to_vec(), Error::BadValue),
            (vec![0xFF; width], Error::BadValue),
            (vec![1; width + 1], Error::BadSize),
        ] {
            assert_eq!(EcPrivate::new(curve, &k).unwrap_err(), error);
            assert_eq!(ecc::base_mul(curve, &k).unwrap_err(), error);
            assert_eq!(generator.mul(&k).unwrap_err(), error);
        }
        EcPrivate::new(curve, &less(n, 1)).unwrap();
        // Leading zeros and short forms are the same number.
        let padded = [vec![0; width + 5], vec![2]].concat();
        assert_eq!(generator.mul(&padded).unwrap(), generator.mul(&[2]).unwrap());
        assert_eq!(generator.mul(&[2]).unwrap(), ecc::base_mul(curve, &[2]).unwrap());
    }
}

#[test]
fn points_off_the_curve_are_refused() {
    for curve in EccCurve::WEIERSTRASS {
        let parameters = ecc::parameters(curve);
        let generator = ecc::base_mul(curve, &[1]).unwrap();
        assert!(ecc::is_on_curve(curve, generator.x(), generator.y()));
        for (x, y, error) in [
            (generator.y(), generator.x(), Error::BadPoint),
            (&[], &[], Error::BadPoint),
            (parameters.p, generator.y(), Error::BadPoint),
            (&[0xFF; 66][..curve.coordinate_size()], generator.y(), Error::BadPoint),
            (&[1; 67], generator.y(), Error::BadSize),
        ] {
            assert_eq!(EcPoint::new(curve, x, y).unwrap_err(), error);
            assert!(!ecc::is_on_curve(curve, x, y));
        }
    }
    let p256 = ecc::base_mul(EccCurve::NistP256, &[1]).unwrap();
    assert!(!ecc::is_on_curve(EccCurve::NistP384, p256.x(), p256.y()));
    let other = derive::ecc(&mut drbg(1), EccCurve::NistP384).unwrap();
    assert_eq!(other.ecdh(&p256).unwrap_err(), Error::BadValue);
}

#[test]
fn both_sides_of_an_agreement_agree() {
    let mut rng = drbg(1);
    for curve in EccCurve::WEIERSTRASS {
        let a = derive::ecc(&mut rng, curve).unwrap();
        let b = derive::ecc(&mut rng, curve).unwrap();
        assert_ne!(a.d(), b.d());
        let z = a.ecdh(&b.public().unwrap()).unwrap();
        assert_eq!(b.ecdh(&a.public().unwrap()).unwrap(), z);
        assert_eq!(z.x().len(), curve.coordinate_size());
    }
}

#[test]
fn signatures_verify_for_digests_of_every_length_and_nothing_else_does() {
    let mut rng = drbg(1);
    for curve in EccCurve::WEIERSTRASS {
        let key = derive::ecc(&mut rng, curve).unwrap();
        let public = key.public().unwrap();
        let stranger = derive::ecc(&mut rng, curve).unwrap().public().unwrap();
        for len in [0, 1, 20, 32, 48, 64, 66, 70] {
            let digest = vec![0xA5; len];
            let signature = key.sign(&digest, &mut rng).unwrap();
            let (r, s) = (signature.r(), signature.s());
            ecc::verify(&public, &digest, r, s).unwrap();
            let bad = Err(Error::BadSignature);
            assert_eq!(ecc::verify(&stranger, &digest, r, s), bad);
            assert_eq!(
                ecc::verify(&public, &[&digest[..], &[1]].concat(), r, s).is_ok(),
                len >= curve.coordinate_size()
            );
            assert_eq!(ecc::verify(&public, &digest, s, r), bad);
            for out_of_range in [&[][..], &[0], ecc::parameters(curve).n, &[0xFF; 67]] {
                assert_eq!(ecc::verify(&public, &digest, out_of_range, s), bad);
                assert_eq!(ecc::verify(&public, &digest, r, out_of_range), bad);
            }
        }
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
fn a_stuck_generator_repeats_no_nonce_for_another_digest_or_key() {
    let mut rng = drbg(1);
    for curve in EccCurve::WEIERSTRASS {
        let key = derive::ecc(&mut rng, curve).unwrap();
        let other = derive::ecc(&mut rng, curve).unwrap();
        let first = key.sign(&[1; 32], &mut Stuck).unwrap();
        assert_eq!(key.sign(&[1; 32], &mut Stuck).unwrap(), first);
        // The same r is the same nonce.
        assert_ne!(key.sign(&[2; 32], &mut Stuck).unwrap().r(), first.r());
        assert_ne!(other.sign(&[1; 32], &mut Stuck).unwrap().r(), first.r());
        assert_ne!(key.sign(&[1; 32], &mut rng).unwrap().r(), first.r());
    }
}

/// Our field under the same group law against a crate that has another one.
#[test]
fn p256_multiplies_as_the_p256_crate_does() {
    use p256::elliptic_curve::{PrimeField as _, group::CurveAffine as _, point::AffineCoordinates as _};
    let theirs = |point: p256::ProjectivePoint| {
        let point = point.to_affine();
        [point.x().to_vec(), point.y().to_vec()]
    };
    let ours = |point: EcPoint| [point.x().to_vec(), point.y().to_vec()];
    let curve = EccCurve::NistP256;
    let n = ecc::parameters(curve).n;
    let mut rng = drbg(9);
    let mut scalars: Vec<Vec<u8>> = (1..=8).map(|small| less(n, small)).collect();
    scalars.extend((1..=17_u8).map(|small| [vec![0; 31], vec![small]].concat()));
    scalars.extend((0..32).map(|octet| (0..32).map(|at| u8::from(at == octet)).collect()));
    scalars.push([vec![0; 16], vec![0xFF; 16]].concat());
    for _ in 0..500 {
        scalars.push(derive::ecc(&mut rng, curve).unwrap().d().to_vec());
    }
    let mut base = ecc::base_mul(curve, &[7]).unwrap();
    for k in scalars {
        let scalar = p256::Scalar::from_repr(<[u8; 32]>::try_from(&k[..]).unwrap().into()).unwrap();
        let multiple = ecc::base_mul(curve, &k).unwrap();
        assert_eq!(ours(multiple), theirs(p256::ProjectivePoint::GENERATOR * scalar));
        let coordinate = |octets: &[u8]| p256::FieldBytes::from(<[u8; 32]>::try_from(octets).unwrap());
        let point =
            p256::AffinePoint::from_coordinates(&coordinate(base.x()), &coordinate(base.y())).unwrap();
        let product = base.mul(&k).unwrap();
        assert_eq!(ours(product), theirs(point.to_curve() * scalar));
        base = product;
    }
}
