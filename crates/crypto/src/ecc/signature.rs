//! Signatures of two numbers. Part 1, 44.3 and 45.2.2.

use zeroize::Zeroizing;

use super::{EcPoint, EcPrivate, fit, parameters, scalar_with_extra_bits};
use crate::backend::curve::{self as backend, MAX_WIDTH, Number, Pair};
use crate::drbg::Drbg;
use crate::hash::{Digest, hash};
use crate::{EccCurve, Error, HashAlg, Rng};

/// A signature: two numbers in the curve's width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcSignature {
    curve: EccCurve,
    pair: Pair,
}

impl EcSignature {
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

fn is_zero(value: &[u8]) -> bool {
    value.iter().fold(0, |all, octet| all | octet) == 0
}

impl EcPrivate {
    /// The generator of the nonces for one signature, seeded with octets of `rng`, the private key and the
    /// digest (extra random bits, FIPS 186-5, A.3.1): unpredictable as long as either the octets are random or
    /// the key is secret, and never the same for two digests or schemes, even after a virtual machine went back
    /// to a snapshot.
    fn nonces(&self, scheme: &[u8], digest: &[u8], rng: &mut dyn Rng) -> Drbg {
        let mut entropy = Zeroizing::new([0; 48]);
        rng.fill(&mut entropy[..]);
        let id = self.curve().id().to_be_bytes();
        Drbg::from_seed_material(&[&*entropy, self.d(), scheme, &id, digest])
    }

    /// Tries nonces until one gives a signature: the first, but for accidents that nobody has seen yet.
    fn sign_with(
        &self,
        nonces: &mut Drbg,
        attempt: impl Fn(&[u8]) -> Result<Option<[Zeroizing<Number>; 2]>, Error>,
    ) -> Result<EcSignature, Error> {
        loop {
            let k = scalar_with_extra_bits(self.curve(), nonces)?;
            if let Some([r, s]) = attempt(&k[..self.curve().coordinate_size()])? {
                return Ok(EcSignature { curve: self.curve(), pair: [*r, *s] });
            }
        }
    }

    /// ECDSA over a digest of any length; of one longer than the order, the leftmost bits count. FIPS 186-5,
    /// 6.4.1; Part 1, 44.3.1.
    ///
    /// # Errors
    /// None for a key that [`EcPrivate::new`] accepted.
    pub fn sign(&self, digest: &[u8], rng: &mut dyn Rng) -> Result<EcSignature, Error> {
        let (curve, width) = (self.curve(), self.curve().coordinate_size());
        let z = backend::reduce_once(curve, &truncate(curve, digest)[..width])?;
        self.sign_with(&mut self.nonces(b"ECDSA", digest, rng), |k| {
            let [x, _] = backend::base_mul(curve, k)?;
            let r = backend::reduce_once(curve, &x[..width])?;
            let sum = backend::mul_add(curve, &r[..width], self.d(), &z[..width])?;
            let inverse = backend::invert(curve, k)?;
            let s = backend::mul_add(curve, &inverse[..width], &sum[..width], &[0; MAX_WIDTH][..width])?;
            Ok((!is_zero(&r[..]) && !is_zero(&s[..])).then_some([r, s]))
        })
    }

    /// EC Schnorr over a digest. Part 1, 44.3.4.2.
    ///
    /// # Errors
    /// None for a key that [`EcPrivate::new`] accepted.
    pub fn sign_schnorr(&self, alg: HashAlg, digest: &[u8], rng: &mut dyn Rng) -> Result<EcSignature, Error> {
        let (curve, width) = (self.curve(), self.curve().coordinate_size());
        self.sign_with(&mut self.nonces(b"ECSCHNORR", digest, rng), |k| {
            let [x, _] = backend::base_mul(curve, k)?;
            let r = schnorr_r(curve, alg, &x[..width], digest)?;
            let e = backend::reduce(&r[..width], parameters(curve).n)?;
            let s = backend::mul_add(curve, &e[..width], self.d(), k)?;
            Ok((!is_zero(&e[..]) && !is_zero(&s[..])).then_some([r, s]))
        })
    }

    /// The signature of ECDAA over the value `p`, with the private key of TPM2_Commit: (k, s). Part 1, 44.3.3.3.
    ///
    /// # Errors
    /// - [`Error::BadValue`] if `committed` is on another curve.
    /// - [`Error::NoResult`] if s would be zero.
    pub fn sign_ecdaa(
        &self,
        alg: HashAlg,
        p: &[u8],
        committed: &Self,
        rng: &mut dyn Rng,
    ) -> Result<EcSignature, Error> {
        let (curve, width) = (self.curve(), self.curve().coordinate_size());
        if committed.curve() != curve {
            return Err(Error::BadValue);
        }
        let k = scalar_with_extra_bits(curve, rng)?;
        let t = backend::reduce(&hash(alg, &[&k[..width], p]), parameters(curve).n)?;
        let s = backend::mul_add(curve, &t[..width], self.d(), committed.d())?;
        if is_zero(&s[..]) {
            return Err(Error::NoResult);
        }
        Ok(EcSignature { curve, pair: [*k, *s] })
    }

    /// SM2 over the digest e, which includes Z_A where the whole standard is wanted. Part 1, 45.2.2.1.
    ///
    /// # Errors
    /// [`Error::BadValue`] if d + 1 is the order: the one key that cannot sign.
    pub fn sign_sm2(&self, e: &[u8], rng: &mut dyn Rng) -> Result<EcSignature, Error> {
        let (curve, width) = (self.curve(), self.curve().coordinate_size());
        let n = parameters(curve).n;
        let (one, zero) = (one(width), [0; MAX_WIDTH]);
        let number = backend::reduce(e, n)?;
        let inverse = {
            let sum = backend::mul_add(curve, self.d(), &one[..width], &one[..width])?;
            backend::invert(curve, &sum[..width])?
        };
        self.sign_with(&mut self.nonces(b"SM2", e, rng), |k| {
            let [x, _] = backend::base_mul(curve, k)?;
            let x = backend::reduce_once(curve, &x[..width])?;
            let r = backend::mul_add(curve, &number[..width], &one[..width], &x[..width])?;
            let r_plus_k = backend::mul_add(curve, &r[..width], &one[..width], k)?;
            let minus_r = backend::negate(curve, &r[..width])?;
            let difference = backend::mul_add(curve, &minus_r[..width], self.d(), k)?;
            let s = backend::mul_add(curve, &inverse[..width], &difference[..width], &zero[..width])?;
            let good = !is_zero(&r[..]) && !is_zero(&r_plus_k[..]) && !is_zero(&s[..]);
            Ok(good.then_some([r, s]))
        })
    }
}

/// The number one in `width` octets.
fn one(width: usize) -> Number {
    let mut out = [0; MAX_WIDTH];
    out[width - 1] = 1;
    out
}

/// TRUNC(H(x || digest)): the leftmost octets, as many as the order has, in the curve's width.
fn schnorr_r(curve: EccCurve, alg: HashAlg, x: &[u8], digest: &[u8]) -> Result<Zeroizing<Number>, Error> {
    let hashed = hash(alg, &[x, digest]);
    fit(curve, &hashed[..hashed.len().min(curve.coordinate_size())])
}

/// Verifies an EC Schnorr signature over a digest. Part 1, 44.3.4.3.
///
/// # Errors
/// [`Error::BadSignature`] if it does not verify, whatever the reason.
pub fn verify_schnorr(
    public: &EcPoint,
    alg: HashAlg,
    digest: &[u8],
    r: &[u8],
    s: &[u8],
) -> Result<(), Error> {
    let curve = public.curve();
    let width = curve.coordinate_size();
    verified(|| {
        let r = fit(curve, r)?;
        let s = in_range(curve, s)?;
        let e = backend::reduce(&r[..width], parameters(curve).n)?;
        let minus_e = backend::negate(curve, &e[..width])?;
        let [x, _] =
            backend::combination_vartime(curve, &s[..width], &minus_e[..width], public.coordinates())?;
        // A signer never gives r = 0: it would tell nothing of the key.
        Ok(!is_zero(&e[..]) && schnorr_r(curve, alg, &x[..width], digest)? == r)
    })
}

/// Verifies what the TPM contributes to an ECDAA signature: (k, s) over the value `p`, with the point that
/// TPM2_Commit made of the generator. Part 1, 44.3.3.3.
///
/// # Errors
/// [`Error::BadSignature`] if it does not verify, whatever the reason.
pub fn verify_ecdaa(
    public: &EcPoint,
    committed: &EcPoint,
    alg: HashAlg,
    p: &[u8],
    k: &[u8],
    s: &[u8],
) -> Result<(), Error> {
    let curve = public.curve();
    let width = curve.coordinate_size();
    verified(|| {
        let (k, s) = (in_range(curve, k)?, in_range(curve, s)?);
        let t = backend::reduce(&hash(alg, &[&k[..width], p]), parameters(curve).n)?;
        let minus_t = backend::negate(curve, &t[..width])?;
        let pair = backend::combination_vartime(curve, &s[..width], &minus_t[..width], public.coordinates())?;
        Ok(EcPoint { curve, coordinates: pair } == *committed)
    })
}

/// Z_A: the digest of who signs, which is hashed before the message to make the digest e. The length in it is in bits, as GB/T 32918.2, 5.5
/// and every verifier have it; Part 1, 45.2.2.1 says octets (ADR 0019).
///
/// # Errors
/// [`Error::BadSize`] for an identity of 8192 octets or more.
pub fn sm2_identity(alg: HashAlg, public: &EcPoint, id: &[u8]) -> Result<Digest, Error> {
    let bits = id.len().checked_mul(8).and_then(|bits| u16::try_from(bits).ok()).ok_or(Error::BadSize)?;
    let of = parameters(public.curve());
    Ok(hash(alg, &[&bits.to_be_bytes(), id, of.a, of.b, of.gx, of.gy, public.x(), public.y()]))
}

/// Verifies an SM2 signature over the digest e. Part 1, 45.2.2.2.
///
/// # Errors
/// [`Error::BadSignature`] if it does not verify, whatever the reason.
pub fn verify_sm2(public: &EcPoint, e: &[u8], r: &[u8], s: &[u8]) -> Result<(), Error> {
    let curve = public.curve();
    let width = curve.coordinate_size();
    let n = parameters(curve).n;
    let one = one(width);
    verified(|| {
        let (r, s) = (in_range(curve, r)?, in_range(curve, s)?);
        let t = backend::mul_add(curve, &r[..width], &one[..width], &s[..width])?;
        let [x, _] = backend::combination_vartime(curve, &s[..width], &t[..width], public.coordinates())?;
        let x = backend::reduce_once(curve, &x[..width])?;
        let e = backend::reduce(e, n)?;
        let expected = backend::mul_add(curve, &e[..width], &one[..width], &x[..width])?;
        Ok(!is_zero(&t[..]) && expected == r)
    })
}

/// Verifies an ECDSA signature over a digest of any length. FIPS 186-5, 6.4.2.
///
/// # Errors
/// [`Error::BadSignature`] if it does not verify, whatever the reason.
pub fn verify(public: &EcPoint, digest: &[u8], r: &[u8], s: &[u8]) -> Result<(), Error> {
    let curve = public.curve();
    let width = curve.coordinate_size();
    verified(|| {
        let r = in_range(curve, r)?;
        let inverse = backend::invert(curve, &in_range(curve, s)?[..width])?;
        let z = backend::reduce_once(curve, &truncate(curve, digest)[..width])?;
        let zero = &[0; MAX_WIDTH][..width];
        let k = backend::mul_add(curve, &z[..width], &inverse[..width], zero)?;
        let l = backend::mul_add(curve, &r[..width], &inverse[..width], zero)?;
        // The point at infinity has no x; r is not zero, so it could not match either.
        let [x, _] = backend::combination_vartime(curve, &k[..width], &l[..width], public.coordinates())?;
        Ok(backend::reduce_once(curve, &x[..width])? == r)
    })
}

/// One error for every cause.
fn verified(check: impl FnOnce() -> Result<bool, Error>) -> Result<(), Error> {
    if check() == Ok(true) { Ok(()) } else { Err(Error::BadSignature) }
}

/// A number of a signature in the curve's width, which must be in 1..n.
fn in_range(curve: EccCurve, value: &[u8]) -> Result<Zeroizing<Number>, Error> {
    let value = fit(curve, value)?;
    backend::check_scalar(curve, &value[..curve.coordinate_size()])?;
    Ok(value)
}

/// The leftmost bits of a digest, as many as the order has, as a number in the curve's width.
fn truncate(curve: EccCurve, digest: &[u8]) -> Number {
    let width = curve.coordinate_size();
    let digest = &digest[..digest.len().min(width)];
    let mut out = [0; MAX_WIDTH];
    out[width - digest.len()..width].copy_from_slice(digest);
    // What a full width of octets has more than the order.
    let excess = (width * 8).saturating_sub(usize::from(curve.bits()));
    if digest.len() == width && excess != 0 {
        let mut above = 0;
        for octet in &mut out[..width] {
            let low = *octet << (8 - excess);
            *octet = above | *octet >> excess;
            above = low;
        }
    }
    out
}
