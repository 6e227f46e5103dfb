//! Elliptic curves: keys, ECDH and ECDSA on NIST P-256 and P-384. Part 1, 44; SP 800-186; FIPS 186-5.
//!
//! Numbers cross this interface as big-endian octets. Those given may be shorter than the curve's
//! coordinates or carry leading zeros; those returned always have `coordinate_size` octets.

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::backend::curve::{self as backend, MAX_WIDTH, Pair};
use crate::drbg::Drbg;
use crate::{EccCurve, Error, Rng};

/// `value` in exactly the curve's width.
///
/// # Errors
/// [`Error::BadSize`] if it has a nonzero octet beyond that width.
fn fit(curve: EccCurve, value: &[u8]) -> Result<Zeroizing<[u8; MAX_WIDTH]>, Error> {
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
        backend::check_point(curve, &x[..width], &y[..width])?;
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

    /// k times this point, for k in 1..n. With a private key this is ECDH's Z point: the cofactor of both
    /// curves is 1. Part 1, 44.8.3; SP 800-56A, 5.7.1.2.
    ///
    /// # Errors
    /// [`Error::BadSize`] or [`Error::BadValue`] if k is out of range.
    pub fn mul(&self, k: &[u8]) -> Result<Self, Error> {
        let k = fit(self.curve, k)?;
        let width = self.curve.coordinate_size();
        Ok(Self {
            curve: self.curve,
            coordinates: backend::mul(self.curve, &k[..width], self.x(), self.y())?,
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
    d: [u8; MAX_WIDTH],
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

    /// ECDSA over a digest of any length; of one longer than the order, the leftmost bits count. FIPS 186-5,
    /// 6.4.1; Part 1, 44.3.1.
    ///
    /// The nonce comes from a generator seeded with octets of `rng`, the private key and the digest (extra
    /// random bits, FIPS 186-5, A.3.1): unpredictable as long as either the octets are random or the key is
    /// secret, and never the same for two digests, even after a virtual machine went back to a snapshot.
    ///
    /// # Errors
    /// None for a key that [`EcPrivate::new`] accepted.
    pub fn sign(&self, digest: &[u8], rng: &mut dyn Rng) -> Result<EcdsaSignature, Error> {
        let width = self.curve.coordinate_size();
        let z = truncate(self.curve, digest);
        let mut entropy = Zeroizing::new([0; 48]);
        rng.fill(&mut entropy[..]);
        let id = self.curve.id().to_be_bytes();
        let mut nonces = Drbg::from_seed_material(&[&*entropy, self.d(), b"ECDSA", &id, digest]);
        loop {
            let k = scalar_with_extra_bits(self.curve, &mut nonces)?;
            match backend::sign(self.curve, self.d(), &k[..width], &z[..width]) {
                // r or s was zero, which nobody has seen yet.
                Err(Error::NoResult) => {}
                other => {
                    return other.map(|pair| EcdsaSignature { curve: self.curve, pair });
                }
            }
        }
    }
}

/// An ECDSA signature: two numbers in the curve's width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcdsaSignature {
    curve: EccCurve,
    pair: Pair,
}

impl EcdsaSignature {
    /// signatureR.
    #[must_use]
    pub fn r(&self) -> &[u8] {
        &self.pair[0][..self.curve.coordinate_size()]
    }

    /// signatureS.
    #[must_use]
    pub fn s(&self) -> &[u8] {
        &self.pair[1][..self.curve.coordinate_size()]
    }
}

/// Verifies an ECDSA signature over a digest of any length. FIPS 186-5, 6.4.2.
///
/// # Errors
/// [`Error::BadSignature`] if it does not verify, whatever the reason.
pub fn verify(public: &EcPoint, digest: &[u8], r: &[u8], s: &[u8]) -> Result<(), Error> {
    let curve = public.curve;
    let width = curve.coordinate_size();
    let r = fit(curve, r).map_err(|_| Error::BadSignature)?;
    let s = fit(curve, s).map_err(|_| Error::BadSignature)?;
    let z = truncate(curve, digest);
    backend::verify(curve, [public.x(), public.y()], &z[..width], [&r[..width], &s[..width]])
}

/// The leftmost bits of a digest, as many as the order has: a whole number of octets on both curves.
fn truncate(curve: EccCurve, digest: &[u8]) -> [u8; MAX_WIDTH] {
    let width = curve.coordinate_size();
    let digest = &digest[..digest.len().min(width)];
    let mut out = [0; MAX_WIDTH];
    out[width - digest.len()..width].copy_from_slice(digest);
    out
}

/// A scalar in 1..n from one draw of 64 bits more than n has. FIPS 186-5, A.2.1.
pub(crate) fn scalar_with_extra_bits(
    curve: EccCurve,
    rng: &mut dyn Rng,
) -> Result<Zeroizing<[u8; MAX_WIDTH]>, Error> {
    let mut wide = Zeroizing::new([0; MAX_WIDTH + 8]);
    let wide = &mut wide[..curve.coordinate_size() + 8];
    rng.fill(wide);
    backend::reduce_extra_bits(curve, wide)
}

/// The numbers that define a curve, each in the curve's width, as TPM2_ECC_Parameters reports them. The
/// cofactor of both curves is 1. SP 800-186, 3.2.1.
#[derive(Clone, Copy, Debug)]
pub struct CurveParameters {
    /// The prime of the field.
    pub p: &'static [u8],
    /// The coefficient of x.
    pub a: &'static [u8],
    /// The constant coefficient.
    pub b: &'static [u8],
    /// The generator's x-coordinate.
    pub gx: &'static [u8],
    /// The generator's y-coordinate.
    pub gy: &'static [u8],
    /// The order of the generator.
    pub n: &'static [u8],
    /// The cofactor.
    pub h: &'static [u8],
}

/// The parameters of `curve`.
#[must_use]
pub fn parameters(curve: EccCurve) -> &'static CurveParameters {
    match curve {
        EccCurve::NistP256 => &P256,
        EccCurve::NistP384 => &P384,
    }
}

/// The octets of a hexadecimal literal, at compile time.
const fn hex<const N: usize>(text: &str) -> [u8; N] {
    const fn digit(c: u8) -> u8 {
        match c {
            b'0'..=b'9' => c - b'0',
            _ => c - b'a' + 10,
        }
    }
    let text = text.as_bytes();
    assert!(text.len() == 2 * N);
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
        i += 1;
    }
    out
}

static P256: CurveParameters = CurveParameters {
    p: &hex::<32>("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
    a: &hex::<32>("ffffffff00000001000000000000000000000000fffffffffffffffffffffffc"),
    b: &hex::<32>("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"),
    gx: &hex::<32>("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
    gy: &hex::<32>("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"),
    n: &hex::<32>("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    h: &[1],
};

static P384: CurveParameters = CurveParameters {
    p: &hex::<48>(
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
    ),
    a: &hex::<48>(
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffc",
    ),
    b: &hex::<48>(
        "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
    ),
    gx: &hex::<48>(
        "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
    ),
    gy: &hex::<48>(
        "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
    ),
    n: &hex::<48>(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
    h: &[1],
};
