//! NIST P-256 and P-384: scalars and affine points as fixed-width big-endian octets.
//!
//! Widths are exact here; [`crate::ecc`] pads what comes from outside.

use p256::elliptic_curve::Curve as _;
use p256::elliptic_curve::group::{CurveAffine as _, Group as _};
use p256::elliptic_curve::ops::{LinearCombination as _, Reduce as _};
use p256::elliptic_curve::point::AffineCoordinates as _;
use p256::elliptic_curve::{Field as _, PrimeField as _};
use zeroize::Zeroizing;

use crate::{EccCurve, Error};

/// The widest coordinate, in octets.
pub(crate) const MAX_WIDTH: usize = 48;

/// Two numbers below a curve's prime or order, each in the first `coordinate_size` octets: an affine point
/// or a signature.
pub(crate) type Pair = [[u8; MAX_WIDTH]; 2];

macro_rules! curve {
    ($module:ident, $krate:ident, $curve:ident, $width:literal, $uint:ident, $wide:ident) => {
        mod $module {
            use super::*;
            use crypto_bigint::{$uint, $wide};
            use $krate::{AffinePoint, FieldBytes, ProjectivePoint, Scalar};

            fn bytes(value: &[u8]) -> Result<FieldBytes, Error> {
                let value: [u8; $width] = value.try_into().map_err(|_| Error::BadSize)?;
                Ok(value.into())
            }

            fn widen(value: &FieldBytes) -> [u8; MAX_WIDTH] {
                let mut out = [0; MAX_WIDTH];
                out[..$width].copy_from_slice(value);
                out
            }

            /// A scalar in 1..n.
            fn scalar(value: &[u8]) -> Result<Zeroizing<Scalar>, Error> {
                let value = Zeroizing::new(bytes(value)?);
                match Option::from(Scalar::from_repr(*value)).map(Zeroizing::new) {
                    Some(scalar) if !bool::from(Scalar::is_zero(&scalar)) => Ok(scalar),
                    _ => Err(Error::BadValue),
                }
            }

            fn point(x: &[u8], y: &[u8]) -> Result<ProjectivePoint, Error> {
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

            pub(super) fn check_point(x: &[u8], y: &[u8]) -> Result<(), Error> {
                point(x, y).map(|_| ())
            }

            pub(super) fn base_mul(k: &[u8]) -> Result<Pair, Error> {
                affine(&ProjectivePoint::mul_by_generator(&*scalar(k)?))
            }

            pub(super) fn mul(k: &[u8], x: &[u8], y: &[u8]) -> Result<Pair, Error> {
                affine(&(point(x, y)? * *scalar(k)?))
            }

            pub(super) fn reduce_extra_bits(wide: &[u8]) -> Result<Zeroizing<[u8; MAX_WIDTH]>, Error> {
                if wide.len() != $width + 8 {
                    return Err(Error::BadSize);
                }
                let wide = Zeroizing::new($wide::from_be_slice(wide));
                let limit = $krate::$curve::ORDER.as_ref().wrapping_sub(&$uint::ONE);
                let limit = Option::from(limit.to_nz()).ok_or(Error::BadValue)?;
                let value = Zeroizing::new(wide.rem(&limit).wrapping_add(&$uint::ONE));
                let mut out = Zeroizing::new([0; MAX_WIDTH]);
                out[..$width].copy_from_slice(value.to_be_bytes().as_ref());
                Ok(out)
            }

            pub(super) fn sign(d: &[u8], k: &[u8], z: &[u8]) -> Result<Pair, Error> {
                let d = scalar(d)?;
                let k = scalar(k)?;
                let z = Scalar::reduce(&bytes(z)?);
                let x = ProjectivePoint::mul_by_generator(&*k).to_affine().x();
                let r = Scalar::reduce(&x);
                let inverse: Option<Scalar> = k.invert().into();
                let inverse = Zeroizing::new(inverse.ok_or(Error::BadValue)?);
                let s = *inverse * (z + r * *d);
                if bool::from(r.is_zero() | s.is_zero()) {
                    return Err(Error::NoResult);
                }
                Ok([widen(&r.to_repr()), widen(&s.to_repr())])
            }

            pub(super) fn verify(x: &[u8], y: &[u8], z: &[u8], r: &[u8], s: &[u8]) -> Result<(), Error> {
                let q = point(x, y)?;
                let r = scalar(r).map_err(|_| Error::BadSignature)?;
                let s = scalar(s).map_err(|_| Error::BadSignature)?;
                let z = Scalar::reduce(&bytes(z)?);
                let inverse: Option<Scalar> = s.invert().into();
                let inverse = inverse.ok_or(Error::BadSignature)?;
                let sum = ProjectivePoint::lincomb(&[
                    (ProjectivePoint::generator(), z * inverse),
                    (q, *r * inverse),
                ]);
                // The point at infinity has no x; r is not zero, so it could not match either.
                if bool::from(sum.is_identity()) || Scalar::reduce(&sum.to_affine().x()) != *r {
                    return Err(Error::BadSignature);
                }
                Ok(())
            }
        }
    };
}

curve!(nist_p256, p256, NistP256, 32, U256, U320);
curve!(nist_p384, p384, NistP384, 48, U384, U448);

/// Whether `value` is a private key: in 1..n.
pub(crate) fn check_scalar(curve: EccCurve, value: &[u8]) -> Result<(), Error> {
    match curve {
        EccCurve::NistP256 => nist_p256::check_scalar(value),
        EccCurve::NistP384 => nist_p384::check_scalar(value),
    }
}

/// Whether (x, y) is on the curve.
pub(crate) fn check_point(curve: EccCurve, x: &[u8], y: &[u8]) -> Result<(), Error> {
    match curve {
        EccCurve::NistP256 => nist_p256::check_point(x, y),
        EccCurve::NistP384 => nist_p384::check_point(x, y),
    }
}

/// k times the generator, for k in 1..n.
pub(crate) fn base_mul(curve: EccCurve, k: &[u8]) -> Result<Pair, Error> {
    match curve {
        EccCurve::NistP256 => nist_p256::base_mul(k),
        EccCurve::NistP384 => nist_p384::base_mul(k),
    }
}

/// k times (x, y), for k in 1..n.
pub(crate) fn mul(curve: EccCurve, k: &[u8], x: &[u8], y: &[u8]) -> Result<Pair, Error> {
    match curve {
        EccCurve::NistP256 => nist_p256::mul(k, x, y),
        EccCurve::NistP384 => nist_p384::mul(k, x, y),
    }
}

/// `wide`, 64 bits longer than the order n, modulo n - 1, plus 1. FIPS 186-5, A.2.1 and A.3.1.
pub(crate) fn reduce_extra_bits(curve: EccCurve, wide: &[u8]) -> Result<Zeroizing<[u8; MAX_WIDTH]>, Error> {
    match curve {
        EccCurve::NistP256 => nist_p256::reduce_extra_bits(wide),
        EccCurve::NistP384 => nist_p384::reduce_extra_bits(wide),
    }
}

/// ECDSA over the number `z`, which may exceed n, with the private key `d` and the nonce `k`.
///
/// # Errors
/// [`Error::NoResult`] if r or s is zero: another nonce is needed.
pub(crate) fn sign(curve: EccCurve, d: &[u8], k: &[u8], z: &[u8]) -> Result<Pair, Error> {
    match curve {
        EccCurve::NistP256 => nist_p256::sign(d, k, z),
        EccCurve::NistP384 => nist_p384::sign(d, k, z),
    }
}

/// Verifies ECDSA over the number `z`.
pub(crate) fn verify(curve: EccCurve, [x, y]: [&[u8]; 2], z: &[u8], [r, s]: [&[u8]; 2]) -> Result<(), Error> {
    match curve {
        EccCurve::NistP256 => nist_p256::verify(x, y, z, r, s),
        EccCurve::NistP384 => nist_p384::verify(x, y, z, r, s),
    }
}
