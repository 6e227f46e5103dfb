//! Keys from a generator: the frozen contract, level 16.
//!
//! A primary object is made again and again from its hierarchy's seed (Part 1, 24.6.3), so what this module
//! computes may never change: not with a crate, a build, a machine or an optimisation. A change is a new
//! level beside this one. The vectors in `tests/vectors` fix it.
//!
//! # The stream
//!
//! [`seeded`] takes a seed, a label and a context. With `||` for concatenation:
//!
//! ```text
//! material = KDFa(SHA-512, seed, label, [16], context, 512)                  64 octets
//! stream   = CTR_DRBG(AES-256, with derivation function), instantiated with
//!            entropy_input = material, nonce = empty,
//!            personalization_string = empty; no reseeding but the caller's
//! ```
//!
//! The one octet of contextU is the level. Every draw below is one request without additional input; where
//! one request ends matters, since the generator moves its key after each.
//!
//! # RSA
//!
//! [`rsa`] with k bits and the exponent e draws k/16 octets for each candidate, reads them as a big-endian
//! number, and sets its two most significant bits and its least significant one. p is the first candidate
//! that is accepted, q the first accepted after it. A candidate c is accepted if
//!
//! 1. gcd(c - 1, e) = 1;
//! 2. for q: |c - p| > 2^(k/2 - 100);
//! 3. c passes the Miller-Rabin test to the base 2 and to five more: base i, from 0 to 4, is
//!    `KDFa(SHA-512, c, "MR BASE", [i], empty, k/2)` with the most significant bit cleared and the second least
//!    significant one set;
//! 4. c is not 1 modulo 2^64.
//!
//! There is no limit to the number of candidates. Candidates are independent draws, as in FIPS 186-5, A.1.3,
//! and bases come from the candidate, not from the stream: neither a sieve, nor trial division, nor a batch
//! of any size can change the result. The lower bound on d that FIPS 186-5 adds cannot be missed without a
//! common factor of p - 1 and q - 1 of nearly their own size, and is not tested.
//!
//! # Elliptic curves, and the rest
//!
//! [`ecc`] draws eight octets more than the order n has, takes the number modulo n - 1 and adds 1 (FIPS 186-5,
//! A.2.1). [`eddsa`], for Ed25519, draws the 32 octets that are the private key (RFC 8032, 5.1.5; FIPS 186-5,
//! A.2.3). [`octets`] (symmetric keys, HMAC keys, seedValue) is the draw itself.
//!
//! [`cipher_key`] is [`octets`] too; of TDES the lowest bit of each octet is then set to odd parity, and a key that is weak or whose
//! neighbouring DES keys are equal is thrown away for the next draw.

use alloc::vec;
use alloc::vec::Vec;

use sigillo_types::alg::BlockCipher;
use zeroize::Zeroizing;

use crate::backend::primality::Tester;
use crate::drbg::Drbg;
use crate::ecc::{EcPrivate, eddsa::EdPrivate, scalar_with_extra_bits};
use crate::kdf::kdfa;
use crate::rsa::{RsaPrivate, is_key_size};
use crate::{EccCurve, Error, HashAlg, Rng, sym};

mod search;
mod trial;

/// The level of this contract, as saved states record it.
pub const LEVEL: u8 = 16;

/// The generator for an object made from `seed`. `label` says what for, without a terminating zero; `context`
/// is whatever else the object depends on, in a form that cannot be read in two ways.
#[must_use]
pub fn seeded(seed: &[u8], label: &[u8], context: &[u8]) -> Drbg {
    let material = kdfa(HashAlg::Sha512, seed, label, &[LEVEL], context, 512);
    Drbg::from_seed_material(&[&material])
}

/// An RSA key of `bits` bits with the public exponent `e`, from the next draws of `generator`. Part 1, 43.8.
///
/// The search looks ahead on a copy; `generator` is left as the draw of q left it.
///
/// # Errors
/// - [`Error::BadSize`] if keys of that size are not made here.
/// - [`Error::BadValue`] if e is even or below 2^16.
pub fn rsa<R: Rng + Clone>(generator: &mut R, bits: u32, e: u32) -> Result<RsaPrivate, Error> {
    if !is_key_size(bits) {
        return Err(Error::BadSize);
    }
    if e.is_multiple_of(2) || e < 1 << 16 {
        return Err(Error::BadValue);
    }
    let [p, q] = search::primes(generator, bits / 2, e, Tester::detect())?;
    RsaPrivate::from_primes(&p, &q, e)
}

/// A private key on `curve`, from the next draw of `drbg`. Part 1, 44.6.
///
/// # Errors
/// [`Error::BadValue`] for curve 25519, whose keys are made by [`eddsa`]; else none: the number drawn is always in range.
pub fn ecc(drbg: &mut dyn Rng, curve: EccCurve) -> Result<EcPrivate, Error> {
    let d = scalar_with_extra_bits(curve, drbg)?;
    EcPrivate::new(curve, &d[..curve.coordinate_size()])
}

/// A private key of Ed25519, from the next draw of `drbg`.
///
/// # Errors
/// None.
pub fn eddsa(drbg: &mut dyn Rng) -> Result<EdPrivate, Error> {
    EdPrivate::generate(drbg)
}

/// `len` octets: a symmetric key, an HMAC key or a seedValue.
#[must_use]
pub fn octets(drbg: &mut dyn Rng, len: usize) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(vec![0; len]);
    drbg.fill(&mut out);
    out
}

/// A key for a block cipher.
#[must_use]
pub fn cipher_key(generator: &mut dyn Rng, cipher: BlockCipher) -> Zeroizing<Vec<u8>> {
    loop {
        let mut key = octets(generator, cipher.key_size());
        if matches!(cipher, BlockCipher::Tdes(_)) {
            sym::set_odd_parity(&mut key);
        }
        if sym::is_strong_key(cipher, &key) {
            return key;
        }
    }
}
