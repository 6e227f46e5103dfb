//! Curve 25519 in its Edwards form: points in the compressed form of RFC 8032, 5.1.2, and numbers modulo the order, both as 32
//! little-endian octets.

use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::clamp_integer;
use curve25519_dalek::{EdwardsPoint, Scalar};
use zeroize::Zeroizing;

use crate::Error;

/// A point or a number.
pub(crate) type Octets = [u8; 32];

fn canonical(value: &Octets) -> Result<Scalar, Error> {
    Option::from(Scalar::from_canonical_bytes(*value)).ok_or(Error::BadValue)
}

fn point(encoded: &Octets) -> Result<EdwardsPoint, Error> {
    CompressedEdwardsY(*encoded).decompress().ok_or(Error::BadPoint)
}

/// Whether `encoded` is a public key: the one encoding that its point has, and a point of the subgroup of prime order. SP 800-186,
/// D.1.3.2.
pub(crate) fn check_point(encoded: &Octets) -> Result<(), Error> {
    let point = point(encoded)?;
    let is_key = point.compress().0 == *encoded && !point.is_small_order() && point.is_torsion_free();
    if is_key { Ok(()) } else { Err(Error::BadPoint) }
}

/// The secret number of the first half of a hashed private key, modulo the order. RFC 8032, 5.1.5.
pub(crate) fn clamp(half: &Octets) -> Zeroizing<Octets> {
    let clamped = Zeroizing::new(clamp_integer(*half));
    let number = Zeroizing::new(Scalar::from_bytes_mod_order(*clamped));
    Zeroizing::new(number.to_bytes())
}

/// A digest of 64 octets modulo the order.
pub(crate) fn reduce(digest: &[u8; 64]) -> Zeroizing<Octets> {
    let number = Zeroizing::new(Scalar::from_bytes_mod_order_wide(digest));
    Zeroizing::new(number.to_bytes())
}

/// kB, for a number k.
pub(crate) fn base_mul(k: &Octets) -> Result<Octets, Error> {
    let k = Zeroizing::new(canonical(k)?);
    Ok(EdwardsPoint::mul_base(&k).compress().0)
}

/// ab + c modulo the order.
pub(crate) fn mul_add(a: &Octets, b: &Octets, c: &Octets) -> Result<Octets, Error> {
    let (a, b) = (Zeroizing::new(canonical(a)?), Zeroizing::new(canonical(b)?));
    let (product, c) = (Zeroizing::new(*a * *b), Zeroizing::new(canonical(c)?));
    Ok((*product + *c).to_bytes())
}

/// sB - kP, for a public key P that was checked. In a time that tells the numbers, which are public.
pub(crate) fn combination(s: &Octets, k: &Octets, p: &Octets) -> Result<Octets, Error> {
    let (s, k, p) = (canonical(s)?, canonical(k)?, point(p)?);
    Ok(EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-p, &s).compress().0)
}
