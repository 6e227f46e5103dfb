//! Multiples of points by AWS-LC, on the curves that it has code of its own for; on the others, and whatever else is asked of a curve, as in
//! [`super::curve`].

use sigillo_accel::aws_lc::{Curve, Multiple};

use super::curve::{Pair, check_point, check_reduced, check_scalar, portable};
use crate::{EccCurve, Error};

fn known(curve: EccCurve) -> Option<Curve> {
    match curve {
        EccCurve::NistP256 => Some(Curve::P256),
        EccCurve::NistP384 => Some(Curve::P384),
        EccCurve::NistP521 => Some(Curve::P521),
        EccCurve::NistP192
        | EccCurve::NistP224
        | EccCurve::BnP256
        | EccCurve::Sm2P256
        | EccCurve::Curve25519 => None,
    }
}

/// Nothing at all comes of a lack of memory, or of a point that AWS-LC computed and did not find on its curve.
fn finite(multiple: Option<Multiple>) -> Result<Pair, Error> {
    match multiple {
        Some(Multiple::Point(point)) => Ok(point),
        Some(Multiple::Infinity) => Err(Error::NoResult),
        None => Err(Error::Fault),
    }
}

/// kG, for k in 1..n.
pub(crate) fn base_mul(curve: EccCurve, k: &[u8]) -> Result<Pair, Error> {
    let Some(known) = known(curve) else { return portable::base_mul(curve, k) };
    check_scalar(curve, k)?;
    finite(known.multiple_of_generator(k))
}

/// kP, for k in 1..n.
pub(crate) fn mul(curve: EccCurve, k: &[u8], p: [&[u8]; 2]) -> Result<Pair, Error> {
    let Some(known) = known(curve) else { return portable::mul(curve, k, p) };
    check_point(curve, p)?;
    check_scalar(curve, k)?;
    finite(known.multiple(k, p))
}

/// kG + lP, for k and l below n, all of them public as for the portable backend.
pub(crate) fn combination_vartime(curve: EccCurve, k: &[u8], l: &[u8], p: [&[u8]; 2]) -> Result<Pair, Error> {
    let Some(known) = known(curve) else { return portable::combination_vartime(curve, k, l, p) };
    check_reduced(curve, k)?;
    check_point(curve, p)?;
    check_reduced(curve, l)?;
    finite(known.combination(k, l, p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::backend::curve::{MAX_WIDTH, Number, negate, reduce};
    use crate::drbg::Drbg;
    use crate::ecc::parameters;

    const KNOWN: [EccCurve; 3] = [EccCurve::NistP256, EccCurve::NistP384, EccCurve::NistP521];

    fn small(curve: EccCurve, value: u8) -> Number {
        let mut out = [0; MAX_WIDTH];
        out[curve.coordinate_size() - 1] = value;
        out
    }

    /// Zero, one, two, three, n - 2, n - 1, n, one more than n where it fits, all ones, a single bit in the middle, and random ones below n.
    fn scalars(curve: EccCurve, rng: &mut Drbg) -> alloc::vec::Vec<Number> {
        let (width, n) = (curve.coordinate_size(), parameters(curve).n);
        let mut order = [0; MAX_WIDTH];
        order[..width].copy_from_slice(n);
        let mut above = order;
        above[width - 1] += 1;
        let mut middle = [0; MAX_WIDTH];
        middle[width / 2] = 0x10;
        let mut ones = [0; MAX_WIDTH];
        ones[..width].fill(0xFF);
        let mut all: alloc::vec::Vec<_> = [0, 1, 2, 3].map(|value| small(curve, value)).into();
        all.extend([1, 2].map(|value| *negate(curve, &small(curve, value)[..width]).unwrap()));
        all.extend([order, above, middle, ones]);
        for _ in 0..6 {
            let mut wide = [0; 80];
            rng.fill(&mut wide);
            all.push(*reduce(&wide, n).unwrap());
        }
        all
    }

    /// The generator, its negative, a random point, one off the curve, zero, a coordinate that is p.
    fn points(curve: EccCurve, rng: &mut Drbg) -> alloc::vec::Vec<Pair> {
        let width = curve.coordinate_size();
        let minus_one = negate(curve, &small(curve, 1)[..width]).unwrap();
        let k = scalars(curve, rng).pop().unwrap();
        let generator = portable::base_mul(curve, &small(curve, 1)[..width]).unwrap();
        let mut off = generator;
        off[1][width - 1] ^= 1;
        let mut beyond = generator;
        beyond[0][..width].copy_from_slice(parameters(curve).p);
        let minus = portable::base_mul(curve, &minus_one[..width]).unwrap();
        alloc::vec![
            generator,
            minus,
            portable::base_mul(curve, &k[..width]).unwrap(),
            off,
            [[0; MAX_WIDTH]; 2],
            beyond
        ]
    }

    #[test]
    fn multiples_are_those_of_the_portable_backend_and_so_are_refusals() {
        let mut rng = Drbg::instantiate(&[5; 48], &[], &[]).unwrap();
        for curve in KNOWN {
            let width = curve.coordinate_size();
            let (scalars, points) = (scalars(curve, &mut rng), points(curve, &mut rng));
            let mut given = [0; 2];
            for k in &scalars {
                let k = &k[..width];
                assert_eq!(base_mul(curve, k), portable::base_mul(curve, k), "{curve:?} {k:x?}");
                for [x, y] in &points {
                    let p = [&x[..width], &y[..width]];
                    let expected = portable::mul(curve, k, p);
                    given[usize::from(expected.is_ok())] += 1;
                    assert_eq!(mul(curve, k, p), expected, "{curve:?} {k:x?} {p:x?}");
                }
            }
            assert!(given[0] > 20 && given[1] > 20, "{given:?}");
        }
    }

    #[test]
    fn sums_of_multiples_are_those_of_the_portable_backend_up_to_the_point_at_infinity() {
        let mut rng = Drbg::instantiate(&[6; 48], &[], &[]).unwrap();
        for curve in KNOWN {
            let width = curve.coordinate_size();
            let (scalars, points) = (scalars(curve, &mut rng), points(curve, &mut rng));
            let (mut finite, mut infinite) = (0, 0);
            for k in scalars.iter().map(|k| &k[..width]) {
                for l in scalars.iter().map(|l| &l[..width]) {
                    for [x, y] in &points {
                        let p = [&x[..width], &y[..width]];
                        let expected = portable::combination_vartime(curve, k, l, p);
                        finite += u32::from(expected.is_ok());
                        infinite += u32::from(expected == Err(Error::NoResult));
                        let seen = combination_vartime(curve, k, l, p);
                        assert_eq!(seen, expected, "{curve:?} {k:x?} {l:x?} {p:x?}");
                    }
                }
            }
            assert!(finite > 200 && infinite > 5, "{finite} {infinite}");
        }
    }

    #[test]
    fn other_widths_are_refused_as_the_portable_backend_refuses_them() {
        for curve in KNOWN {
            let width = curve.coordinate_size();
            let [x, y] = portable::base_mul(curve, &small(curve, 2)[..width]).unwrap();
            let k = [1; MAX_WIDTH + 1];
            for (k_width, p_width) in [(width - 1, width), (width + 1, width), (0, width), (width, width - 1)]
            {
                let (k, p) = (&k[..k_width], [&x[..p_width], &y[..p_width]]);
                assert_eq!(base_mul(curve, k), portable::base_mul(curve, k));
                assert_eq!(mul(curve, k, p), Err(Error::BadSize));
                assert_eq!(combination_vartime(curve, k, k, p), Err(Error::BadSize));
            }
        }
    }

    #[test]
    fn curves_that_aws_lc_does_not_have_are_computed_as_before() {
        for curve in [EccCurve::NistP192, EccCurve::NistP224, EccCurve::BnP256, EccCurve::Sm2P256] {
            let k = small(curve, 7);
            let k = &k[..curve.coordinate_size()];
            assert_eq!(base_mul(curve, k), portable::base_mul(curve, k));
        }
        assert_eq!(base_mul(EccCurve::Curve25519, &[1; 32]), Err(Error::BadValue));
    }
}
