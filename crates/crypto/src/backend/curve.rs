//! The short Weierstrass curves: scalars and affine points as fixed-width big-endian octets.
//!
//! Widths are exact here; [`crate::ecc`] pads what comes from outside and makes schemes of these operations.

use crypto_bigint::{NonZero, U640};
use primeorder::elliptic_curve::PrimeField as _;
use primeorder::elliptic_curve::group::{CurveAffine as _, Group as _};
#[cfg(not(feature = "std"))]
use primeorder::elliptic_curve::ops::LinearCombination as _;
use primeorder::elliptic_curve::ops::Reduce as _;
use primeorder::elliptic_curve::point::AffineCoordinates as _;
use zeroize::Zeroizing;
#[cfg(feature = "std")]
use {alloc::boxed::Box, primeorder::BasepointTable, std::sync::LazyLock};

use crate::{EccCurve, Error};

/// The widest coordinate, in octets.
pub(crate) const MAX_WIDTH: usize = 66;

/// A number below a curve's prime or order in the first `coordinate_size` octets.
pub(crate) type Number = [u8; MAX_WIDTH];

/// Two of them: an affine point or a signature.
pub(crate) type Pair = [Number; 2];

macro_rules! curve {
    ($module:ident, $width:literal, $($path:tt)+) => {
        mod $module {
            use super::*;
            use $($path)+::{AffinePoint, FieldBytes, ProjectivePoint, Scalar};

            /// Multiples of the generator, made when first used. On the heap: the curves' crates would have them in the binary, 20 to 116
            /// kilobytes a curve of nothing yet.
            #[cfg(feature = "std")]
            static MULTIPLES: LazyLock<Box<BasepointTable<ProjectivePoint, { $width + 1 }>>> = LazyLock::new(Box::default);

            fn bytes(value: &[u8]) -> Result<FieldBytes, Error> {
                let value: [u8; $width] = value.try_into().map_err(|_| Error::BadSize)?;
                Ok(value.into())
            }

            fn widen(value: &FieldBytes) -> Number {
                let mut out = [0; MAX_WIDTH];
                out[..$width].copy_from_slice(value);
                out
            }

            /// A number below n.
            fn reduced(value: &[u8]) -> Result<Zeroizing<Scalar>, Error> {
                let value = Zeroizing::new(bytes(value)?);
                Option::from(Scalar::from_repr(*value)).map(Zeroizing::new).ok_or(Error::BadValue)
            }

            /// A scalar in 1..n.
            fn scalar(value: &[u8]) -> Result<Zeroizing<Scalar>, Error> {
                let scalar = reduced(value)?;
                if bool::from(Scalar::is_zero(&scalar)) { Err(Error::BadValue) } else { Ok(scalar) }
            }

            fn point([x, y]: [&[u8]; 2]) -> Result<ProjectivePoint, Error> {
                let point = AffinePoint::from_coordinates(&bytes(x)?, &bytes(y)?);
                let point: Option<AffinePoint> = point.into();
                Ok(point.ok_or(Error::BadPoint)?.to_curve())
            }

            fn affine(point: &ProjectivePoint) -> Result<Pair, Error> {
                if bool::from(point.is_identity()) {
                    return Err(Error::NoResult);
                }
                let point = point.to_affine();
                Ok([widen(&point.x()), widen(&point.y())])
            }

            pub(super) fn check_scalar(value: &[u8]) -> Result<(), Error> {
                scalar(value).map(|_| ())
            }

            #[cfg(feature = "aws-lc")]
            pub(super) fn check_reduced(value: &[u8]) -> Result<(), Error> {
                reduced(value).map(|_| ())
            }

            pub(super) fn check_point(p: [&[u8]; 2]) -> Result<(), Error> {
                point(p).map(|_| ())
            }

            pub(super) fn base_mul(k: &[u8]) -> Result<Pair, Error> {
                #[cfg(feature = "std")]
                let product = MULTIPLES.mul(&*scalar(k)?);
                #[cfg(not(feature = "std"))]
                let product = ProjectivePoint::generator() * *scalar(k)?;
                affine(&product)
            }

            pub(super) fn mul(k: &[u8], p: [&[u8]; 2]) -> Result<Pair, Error> {
                affine(&(point(p)? * *scalar(k)?))
            }

            pub(super) fn mul_add_point(k: &[u8], p: [&[u8]; 2], q: [&[u8]; 2]) -> Result<Pair, Error> {
                affine(&(point(p)? * *scalar(k)? + point(q)?))
            }

            pub(super) fn combination_vartime(k: &[u8], l: &[u8], p: [&[u8]; 2]) -> Result<Pair, Error> {
                let (k, p, l) = (reduced(k)?, point(p)?, reduced(l)?);
                #[cfg(feature = "std")]
                let sum = MULTIPLES.mul_vartime(&k) + p.mul_vartime(&l);
                #[cfg(not(feature = "std"))]
                let sum = ProjectivePoint::lincomb_vartime(&[(ProjectivePoint::generator(), *k), (p, *l)]);
                affine(&sum)
            }

            pub(super) fn mul_add(a: &[u8], b: &[u8], c: &[u8]) -> Result<Zeroizing<Number>, Error> {
                let product = Zeroizing::new(*reduced(a)? * *reduced(b)?);
                let sum = Zeroizing::new(*product + *reduced(c)?);
                Ok(Zeroizing::new(widen(&sum.to_repr())))
            }

            pub(super) fn reduce_once(a: &[u8]) -> Result<Zeroizing<Number>, Error> {
                Ok(Zeroizing::new(widen(&Scalar::reduce(&bytes(a)?).to_repr())))
            }

            pub(super) fn negate(a: &[u8]) -> Result<Zeroizing<Number>, Error> {
                Ok(Zeroizing::new(widen(&(-*reduced(a)?).to_repr())))
            }

            pub(super) fn invert(a: &[u8]) -> Result<Zeroizing<Number>, Error> {
                let inverse: Option<Scalar> = scalar(a)?.invert().into();
                let inverse = Zeroizing::new(inverse.ok_or(Error::BadValue)?);
                Ok(Zeroizing::new(widen(&inverse.to_repr())))
            }
        }
    };
}

curve!(nist_p192, 24, crate::backend::weierstrass::nist_p192);
curve!(nist_p224, 28, crate::backend::weierstrass::nist_p224);
curve!(nist_p256, 32, crate::backend::weierstrass::nist_p256);
curve!(nist_p384, 48, ::p384);
curve!(nist_p521, 66, ::p521);
curve!(bn_p256, 32, crate::backend::weierstrass::bn_p256);
curve!(sm2_p256, 32, crate::backend::weierstrass::sm2_p256);

macro_rules! on_curve {
    ($(
        $(#[$doc:meta])*
        $name:ident($($argument:ident: $type:ty),*) -> $result:ty;
    )+) => {$(
        $(#[$doc])*
        pub(crate) fn $name(curve: EccCurve, $($argument: $type),*) -> Result<$result, Error> {
            match curve {
                EccCurve::NistP192 => nist_p192::$name($($argument),*),
                EccCurve::NistP224 => nist_p224::$name($($argument),*),
                EccCurve::NistP256 => nist_p256::$name($($argument),*),
                EccCurve::NistP384 => nist_p384::$name($($argument),*),
                EccCurve::NistP521 => nist_p521::$name($($argument),*),
                EccCurve::BnP256 => bn_p256::$name($($argument),*),
                EccCurve::Sm2P256 => sm2_p256::$name($($argument),*),
                // It has another form and other operations: `edwards`.
                EccCurve::Curve25519 => Err(Error::BadValue),
            }
        }
    )+};
}

/// Operations that another implementation may have as well, by this one.
pub(crate) mod portable {
    use super::*;

    on_curve! {
        /// kG, for k in 1..n.
        base_mul(k: &[u8]) -> Pair;

        /// kP, for k in 1..n.
        mul(k: &[u8], p: [&[u8]; 2]) -> Pair;

        /// kG + lP, for k and l below n. Takes a time that depends on them: for verification, where all is public.
        combination_vartime(k: &[u8], l: &[u8], p: [&[u8]; 2]) -> Pair;
    }
}

#[cfg(not(feature = "aws-lc"))]
pub(crate) use portable::{base_mul, combination_vartime, mul};

#[cfg(feature = "aws-lc")]
pub(crate) use super::curve_aws_lc::{base_mul, combination_vartime, mul};

on_curve! {
    /// Whether `value` is a private key: in 1..n.
    check_scalar(value: &[u8]) -> ();

    /// Whether p is on the curve.
    check_point(p: [&[u8]; 2]) -> ();

    /// kP + Q, for k in 1..n.
    mul_add_point(k: &[u8], p: [&[u8]; 2], q: [&[u8]; 2]) -> Pair;

    /// Whether `value` is below n.
    #[cfg(feature = "aws-lc")]
    check_reduced(value: &[u8]) -> ();

    /// ab + c modulo n, for numbers below n.
    mul_add(a: &[u8], b: &[u8], c: &[u8]) -> Zeroizing<Number>;

    /// a modulo n, for a below 2n: a coordinate, or a digest cut to the bits of n.
    reduce_once(a: &[u8]) -> Zeroizing<Number>;

    /// -a modulo n, for a below n.
    negate(a: &[u8]) -> Zeroizing<Number>;

    /// The inverse of a modulo n, for a in 1..n.
    invert(a: &[u8]) -> Zeroizing<Number>;
}

/// Octets of [`U640`]: the digests and draws below are shorter.
const WIDE: usize = 80;

fn wide(value: &[u8]) -> Result<Zeroizing<U640>, Error> {
    let mut padded = Zeroizing::new([0; WIDE]);
    let start = WIDE.checked_sub(value.len()).ok_or(Error::BadSize)?;
    padded[start..].copy_from_slice(value);
    Ok(Zeroizing::new(U640::from_be_slice(&padded[..])))
}

fn modulo(value: &[u8], modulus: &U640) -> Result<Zeroizing<U640>, Error> {
    let modulus: Option<NonZero<U640>> = modulus.to_nz().into();
    Ok(Zeroizing::new(wide(value)?.rem(&modulus.ok_or(Error::BadValue)?)))
}

/// The low octets of a number, as many as the modulus has.
fn narrow(value: &U640, width: usize) -> Zeroizing<Number> {
    let octets = Zeroizing::new(value.to_be_bytes());
    let mut out = Zeroizing::new([0; MAX_WIDTH]);
    out[..width].copy_from_slice(&octets.as_ref()[WIDE - width..]);
    out
}

/// `value`, of at most 80 octets, modulo the prime or order of a curve.
pub(crate) fn reduce(value: &[u8], modulus: &[u8]) -> Result<Zeroizing<Number>, Error> {
    Ok(narrow(&*modulo(value, &*wide(modulus)?)?, modulus.len()))
}

/// `value`, 64 bits longer than the order n, modulo n - 1, plus 1. FIPS 186-5, A.2.1 and A.3.1.
pub(crate) fn reduce_extra_bits(value: &[u8], n: &[u8]) -> Result<Zeroizing<Number>, Error> {
    if value.len() != n.len() + 8 {
        return Err(Error::BadSize);
    }
    let remainder = modulo(value, &wide(n)?.wrapping_sub(&U640::ONE))?;
    Ok(narrow(&remainder.wrapping_add(&U640::ONE), n.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::drbg::Drbg;
    use crate::ecc::parameters;
    use alloc::vec::Vec;

    /// Zero, one, two, n - 2, n - 1, a power of two, and random numbers below n.
    fn scalars(curve: EccCurve, rng: &mut Drbg) -> Vec<Number> {
        let width = curve.coordinate_size();
        let small = [0_u8, 1, 2].map(|value| {
            let mut out = [0; MAX_WIDTH];
            out[width - 1] = value;
            out
        });
        let mut power = [0; MAX_WIDTH];
        power[width / 2] = 0x10;
        let mut all: Vec<_> = small.into();
        all.extend([2, 1].map(|value| *negate(curve, &small[value][..width]).unwrap()));
        all.push(power);
        for _ in 0..4 {
            let mut draw = [0; WIDE];
            rng.fill(&mut draw);
            all.push(*reduce(&draw, parameters(curve).n).unwrap());
        }
        all
    }

    #[test]
    fn the_sum_in_variable_time_is_that_of_the_multiples_in_constant_time() {
        let mut rng = Drbg::instantiate(&[7; 48], &[], &[]).unwrap();
        for curve in [
            EccCurve::NistP192,
            EccCurve::NistP224,
            EccCurve::NistP256,
            EccCurve::NistP384,
            EccCurve::NistP521,
            EccCurve::BnP256,
            EccCurve::Sm2P256,
        ] {
            let width = curve.coordinate_size();
            let scalars = scalars(curve, &mut rng);
            let is_zero = |value: &[u8]| value.iter().all(|&octet| octet == 0);
            // Points that the sums meet as well: G, -G, 2G and one of a random logarithm.
            for by in [1, 2, 4, 9] {
                let [x, y] = portable::base_mul(curve, &scalars[by][..width]).unwrap();
                let p = [&x[..width], &y[..width]];
                for k in scalars.iter().map(|k| &k[..width]) {
                    for l in scalars.iter().map(|l| &l[..width]) {
                        let expected = match (is_zero(k), is_zero(l)) {
                            (true, true) => Err(Error::NoResult),
                            (true, false) => portable::mul(curve, l, p),
                            (false, true) => portable::base_mul(curve, k),
                            (false, false) => {
                                let [x, y] = portable::base_mul(curve, k).unwrap();
                                mul_add_point(curve, l, p, [&x[..width], &y[..width]])
                            }
                        };
                        let seen = portable::combination_vartime(curve, k, l, p);
                        assert_eq!(seen, expected, "{curve:?} {k:x?} {l:x?} {by}");
                    }
                }
            }
        }
    }
}
