//! Elliptic curves: points, keys, agreement and signatures on curves of prime order; [`eddsa`] on curve 25519, which has keys and
//! signatures of its own. Part 1, 44 and 45; SP 800-186;
//! FIPS 186-5.
//!
//! Numbers cross this interface as big-endian octets. Those given may be shorter than the curve's
//! coordinates or carry leading zeros; those returned always have `coordinate_size` octets.

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::backend::curve::{self as backend, MAX_WIDTH, Number, Pair};
use crate::{EccCurve, Error, Rng};

mod agreement;
pub mod eddsa;
mod encryption;
mod parameters;
mod signature;

pub use agreement::{KeyPair, mqv, sm2_exchange};
pub use encryption::{EcCiphertext, decrypt, encrypt};
pub use parameters::{CurveParameters, parameters};
pub use signature::{EcSignature, sm2_identity, verify, verify_ecdaa, verify_schnorr, verify_sm2};

/// `value` in exactly the curve's width.
///
/// # Errors
/// [`Error::BadSize`] if it has a nonzero octet beyond that width.
fn fit(curve: EccCurve, value: &[u8]) -> Result<Zeroizing<Number>, Error> {
    let width = curve.coordinate_size();
    let (excess, value) = value.split_at(value.len().saturating_sub(width));
    if excess.iter().fold(0, |all, octet| all | octet) != 0 {
        return Err(Error::BadSize);
    }
    let mut out = Zeroizing::new([0; MAX_WIDTH]);
    out[width - value.len()..width].copy_from_slice(value);
    Ok(out)
}

/// A point on its curve, not the one at infinity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EcPoint {
    curve: EccCurve,
    coordinates: Pair,
}

impl EcPoint {
    /// The point (x, y).
    ///
    /// # Errors
    /// - [`Error::BadSize`] if a coordinate is too long.
    /// - [`Error::BadPoint`] if the point is not on the curve.
    pub fn new(curve: EccCurve, x: &[u8], y: &[u8]) -> Result<Self, Error> {
        let width = curve.coordinate_size();
        let (x, y) = (fit(curve, x)?, fit(curve, y)?);
        backend::check_point(curve, [&x[..width], &y[..width]])?;
        Ok(Self { curve, coordinates: [*x, *y] })
    }

    /// The curve.
    #[must_use]
    pub fn curve(&self) -> EccCurve {
        self.curve
    }

    /// The x-coordinate, in the curve's width.
    #[must_use]
    pub fn x(&self) -> &[u8] {
        &self.coordinates[0][..self.curve.coordinate_size()]
    }

    /// The y-coordinate, in the curve's width.
    #[must_use]
    pub fn y(&self) -> &[u8] {
        &self.coordinates[1][..self.curve.coordinate_size()]
    }

    /// Both coordinates, in the curve's width.
    fn coordinates(&self) -> [&[u8]; 2] {
        [self.x(), self.y()]
    }

    /// k times this point, for k in 1..n. With a private key this is ECDH's Z point: the cofactor of every
    /// curve is 1. Part 1, 44.8.3; SP 800-56A, 5.7.1.2.
    ///
    /// # Errors
    /// [`Error::BadSize`] or [`Error::BadValue`] if k is out of range.
    pub fn mul(&self, k: &[u8]) -> Result<Self, Error> {
        let k = fit(self.curve, k)?;
        let width = self.curve.coordinate_size();
        Ok(Self {
            curve: self.curve,
            coordinates: backend::mul(self.curve, &k[..width], self.coordinates())?,
        })
    }
}

impl fmt::Debug for EcPoint {
    /// Points also carry shared secrets, so the coordinates are not printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcPoint({:?}, [secret])", self.curve)
    }
}

impl Zeroize for EcPoint {
    /// Leaves no coordinates; the value is not a point any more.
    fn zeroize(&mut self) {
        self.coordinates.zeroize();
    }
}

/// The point of a base name: its x-coordinate is the digest modulo the prime of the field. Part 1, 44.2.3.
///
/// # Errors
/// As [`EcPoint::new`].
pub fn point_of_digest(curve: EccCurve, digest: &[u8], y: &[u8]) -> Result<EcPoint, Error> {
    let x = backend::reduce(digest, parameters(curve).p)?;
    EcPoint::new(curve, &x[..curve.coordinate_size()], y)
}

/// Whether (x, y) is on the curve; not, if a coordinate is too long.
#[must_use]
pub fn is_on_curve(curve: EccCurve, x: &[u8], y: &[u8]) -> bool {
    EcPoint::new(curve, x, y).is_ok()
}

/// k times the generator, for k in 1..n.
///
/// # Errors
/// [`Error::BadSize`] or [`Error::BadValue`] if k is out of range.
pub fn base_mul(curve: EccCurve, k: &[u8]) -> Result<EcPoint, Error> {
    let k = fit(curve, k)?;
    Ok(EcPoint { curve, coordinates: backend::base_mul(curve, &k[..curve.coordinate_size()])? })
}

/// A private key, zeroised when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct EcPrivate {
    #[zeroize(skip)]
    curve: EccCurve,
    d: Number,
}

impl fmt::Debug for EcPrivate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcPrivate({:?}, [secret])", self.curve)
    }
}

impl EcPrivate {
    /// The private key `d`.
    ///
    /// # Errors
    /// [`Error::BadSize`] or [`Error::BadValue`] if d is not in 1..n.
    pub fn new(curve: EccCurve, d: &[u8]) -> Result<Self, Error> {
        let d = fit(curve, d)?;
        backend::check_scalar(curve, &d[..curve.coordinate_size()])?;
        Ok(Self { curve, d: *d })
    }

    /// The private key `value` modulo n, for a value of at most 80 octets.
    ///
    /// # Errors
    /// [`Error::BadSize`] if the value is longer, [`Error::BadValue`] if n divides it.
    pub fn from_reduced(curve: EccCurve, value: &[u8]) -> Result<Self, Error> {
        let d = backend::reduce(value, parameters(curve).n)?;
        Self::new(curve, &d[..curve.coordinate_size()])
    }

    /// The curve.
    #[must_use]
    pub fn curve(&self) -> EccCurve {
        self.curve
    }

    /// The private key, in the curve's width.
    #[must_use]
    pub fn d(&self) -> &[u8] {
        &self.d[..self.curve.coordinate_size()]
    }

    /// The public point.
    ///
    /// # Errors
    /// None for a key that [`EcPrivate::new`] accepted.
    pub fn public(&self) -> Result<EcPoint, Error> {
        base_mul(self.curve, self.d())
    }

    /// ECDH: the point Z, whose x-coordinate is the shared secret.
    ///
    /// # Errors
    /// [`Error::BadValue`] if the point is on another curve.
    pub fn ecdh(&self, public: &EcPoint) -> Result<EcPoint, Error> {
        if public.curve != self.curve {
            return Err(Error::BadValue);
        }
        public.mul(self.d())
    }
}

/// A scalar in 1..n from one draw of eight octets more than n has. FIPS 186-5, A.2.1.
pub(crate) fn scalar_with_extra_bits(curve: EccCurve, rng: &mut dyn Rng) -> Result<Zeroizing<Number>, Error> {
    let mut wide = Zeroizing::new([0; MAX_WIDTH + 8]);
    let wide = &mut wide[..curve.coordinate_size() + 8];
    rng.fill(wide);
    backend::reduce_extra_bits(wide, parameters(curve).n)
}
