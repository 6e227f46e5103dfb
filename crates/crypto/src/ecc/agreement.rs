//! Key exchange with two keys of each side. Part 1, 44.8.4 and 45.2.3.

use super::{EcPoint, EcPrivate};
use crate::backend::curve::{self as backend, MAX_WIDTH, Number};
use crate::{EccCurve, Error};

/// The keys of one side: the private ones of ours, or the public ones of the other.
#[derive(Debug)]
pub struct KeyPair<'a, K> {
    /// The one that lasts.
    pub static_key: &'a K,
    /// The one made for this exchange.
    pub ephemeral: &'a K,
}

/// What a public key counts for: 2^f and the f low bits of its x-coordinate, for `f` bits. Part 1, 44.8.4.3.
fn associated_value(point: &EcPoint, f: usize) -> Number {
    let mut out = [0; MAX_WIDTH];
    let width = point.curve().coordinate_size();
    for (place, (out, x)) in out[..width].iter_mut().rev().zip(point.x().iter().rev()).enumerate() {
        let below = f.saturating_sub(place * 8);
        *out = match below {
            0 if place * 8 == f => 1,
            0 => 0,
            1..=7 => *x & (0xFF >> (8 - below)) | 1 << below,
            _ => *x,
        };
    }
    out
}

/// Half of the bits that the order has, rounded up.
fn half(curve: EccCurve) -> usize {
    usize::from(curve.bits()).div_ceil(2)
}

/// `(own1 + avf(public own2) own2) (other1 + avf(other2) other2)`, where the keys numbered 2 count by their
/// associated values of `f` bits.
fn exchange(
    [own1, own2]: [&EcPrivate; 2],
    ephemeral: &EcPoint,
    [other1, other2]: [&EcPoint; 2],
    (own_value, other_value): (Number, Number),
) -> Result<EcPoint, Error> {
    let curve = own1.curve();
    if [own2.curve(), ephemeral.curve(), other1.curve(), other2.curve()].iter().any(|other| *other != curve) {
        return Err(Error::BadValue);
    }
    let width = curve.coordinate_size();
    let t = backend::mul_add(curve, &own_value[..width], own2.d(), own1.d())?;
    let (other1, other2) = (other1.coordinates(), other2.coordinates());
    let sum = backend::mul_add_point(curve, &other_value[..width], other2, other1)?;
    // t = 0 would give the point at infinity.
    backend::check_scalar(curve, &t[..width]).map_err(|_| Error::NoResult)?;
    let coordinates = backend::mul(curve, &t[..width], [&sum[0][..width], &sum[1][..width]])?;
    Ok(EcPoint { curve, coordinates })
}

/// Full MQV: the shared point. SP 800-56A, 5.7.2.3; Part 1, 44.8.4.3.
///
/// # Errors
/// - [`Error::BadValue`] if the keys are not all on one curve.
/// - [`Error::NoResult`] if the result is the point at infinity.
pub fn mqv(own: &KeyPair<'_, EcPrivate>, other: &KeyPair<'_, EcPoint>) -> Result<EcPoint, Error> {
    let f = half(own.static_key.curve());
    let ephemeral = own.ephemeral.public()?;
    exchange(
        [own.ephemeral, own.static_key],
        &ephemeral,
        [other.ephemeral, other.static_key],
        (associated_value(&ephemeral, f), associated_value(other.ephemeral, f)),
    )
}

/// The key exchange of SM2: the shared point. GB/T 32918.3-2016, 6.1; Part 1, 45.2.3.2.
///
/// # Errors
/// As [`mqv`].
pub fn sm2_exchange(own: &KeyPair<'_, EcPrivate>, other: &KeyPair<'_, EcPoint>) -> Result<EcPoint, Error> {
    let f = half(own.static_key.curve()) - 1;
    let ephemeral = own.ephemeral.public()?;
    exchange(
        [own.static_key, own.ephemeral],
        &ephemeral,
        [other.static_key, other.ephemeral],
        (associated_value(&ephemeral, f), associated_value(other.ephemeral, f)),
    )
}
