//! EdDSA on curve 25519: Ed25519 and Ed25519ph of RFC 8032. Part 1, 44.3.2; FIPS 186-5, 7.
//!
//! Keys and signatures are strings of octets as RFC 8032 has them, little-endian. Part 1, 44.5.

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::backend::edwards::{self as backend, Octets};
use crate::hash::{Hasher, hash};
use crate::{Error, HashAlg, Rng, ct_eq};

/// Octets of a private key, of a public key and of half a signature.
pub const KEY_SIZE: usize = 32;

/// Octets of a signature: R and S.
pub const SIGNATURE_SIZE: usize = 64;

/// The one hash of both variants. Of Ed25519ph it also makes the digest that is signed.
pub const HASH: HashAlg = HashAlg::Sha512;

/// What goes before everything else that Ed25519ph hashes: with an empty context, the only one a TPM signs by. RFC 8032, 2; Part 2, 11.3.7.
const DOM2: &[u8] = b"SigEd25519 no Ed25519 collisions\x01\x00";

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The message: Ed25519, PureEdDSA.
    Message,
    /// Its digest: Ed25519ph, HashEdDSA.
    Digest,
}

impl Variant {
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Message => b"",
            Self::Digest => DOM2,
        }
    }
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdPublic {
    a: Octets,
}

impl EdPublic {
    /// The public key with this encoding.
    ///
    /// # Errors
    /// - [`Error::BadSize`] if it is not 32 octets.
    /// - [`Error::BadPoint`] if it is no point, not the encoding that the point has, or the point is not of prime order.
    pub fn new(encoded: &[u8]) -> Result<Self, Error> {
        let a = encoded.try_into().map_err(|_| Error::BadSize)?;
        backend::check_point(&a)?;
        Ok(Self { a })
    }

    /// The encoding.
    #[must_use]
    pub fn encoded(&self) -> &[u8; KEY_SIZE] {
        &self.a
    }

    /// Begins to verify a signature whose first half is `r`: the hash takes the message, or the digest, piece by piece.
    #[must_use]
    pub fn challenge(&self, variant: Variant, r: &[u8; KEY_SIZE]) -> Hasher {
        let mut hasher = Hasher::new(HASH);
        for part in [variant.prefix(), r, &self.a] {
            hasher.update(part);
        }
        hasher
    }

    /// Verifies a signature over what was given to `challenge`, which began with its first half.
    ///
    /// # Errors
    /// [`Error::BadSignature`] if it does not verify, whatever the reason.
    pub fn verify_challenge(&self, challenge: Hasher, signature: &[u8]) -> Result<(), Error> {
        let check = || {
            let (r, s) = halves(signature)?;
            let k = backend::reduce(&wide(&challenge.finish())?);
            // The same encoding is the same point: whatever is not the one encoding of R fails. RFC 8032, 5.1.7.
            Ok::<_, Error>(ct_eq(&backend::combination(s, &k, &self.a)?, r))
        };
        if check() == Ok(true) { Ok(()) } else { Err(Error::BadSignature) }
    }

    /// Verifies a signature over a message, or over a digest. RFC 8032, 5.1.7.
    ///
    /// # Errors
    /// [`Error::BadSignature`] if it does not verify, whatever the reason.
    pub fn verify(&self, variant: Variant, signed: &[u8], signature: &[u8]) -> Result<(), Error> {
        let (r, _) = halves(signature)?;
        let mut challenge = self.challenge(variant, r);
        challenge.update(signed);
        self.verify_challenge(challenge, signature)
    }
}

fn halves(signature: &[u8]) -> Result<(&Octets, &Octets), Error> {
    match signature.as_chunks() {
        ([r, s], []) => Ok((r, s)),
        _ => Err(Error::BadSignature),
    }
}

fn wide(digest: &[u8]) -> Result<[u8; 64], Error> {
    digest.try_into().map_err(|_| Error::BadSize)
}

/// A private key, zeroised when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct EdPrivate {
    /// As it was drawn; all else comes from it.
    seed: Octets,
    /// The secret number.
    s: Octets,
    /// What nonces are hashed from, with the message.
    prefix: Octets,
    #[zeroize(skip)]
    public: Octets,
}

impl fmt::Debug for EdPrivate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EdPrivate([secret])")
    }
}

impl EdPrivate {
    /// The private key with these 32 octets: any will do. RFC 8032, 5.1.5.
    ///
    /// # Errors
    /// [`Error::BadSize`] if they are not so many.
    pub fn new(seed: &[u8]) -> Result<Self, Error> {
        let seed = Zeroizing::new(Octets::try_from(seed).map_err(|_| Error::BadSize)?);
        let hashed = Zeroizing::new(wide(&hash(HASH, &[&*seed]))?);
        let (half, prefix) = halves(&*hashed)?;
        let s = backend::clamp(half);
        Ok(Self { seed: *seed, s: *s, prefix: *prefix, public: backend::base_mul(&s)? })
    }

    /// A new one: the next 32 octets of `rng`. FIPS 186-5, A.2.3.
    ///
    /// # Errors
    /// None.
    pub fn generate(rng: &mut dyn Rng) -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; KEY_SIZE]);
        rng.fill(&mut *seed);
        Self::new(&*seed)
    }

    /// The 32 octets that it was made of.
    #[must_use]
    pub fn seed(&self) -> &[u8; KEY_SIZE] {
        &self.seed
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> EdPublic {
        EdPublic { a: self.public }
    }

    /// Signs a message, or a digest that [`HASH`] made. RFC 8032, 5.1.6. Nothing is drawn: one message has one signature. It is verified
    /// before it is given, since two that differ by a fault tell the key.
    ///
    /// # Errors
    /// [`Error::Fault`] if it does not verify.
    pub fn sign(&self, variant: Variant, signed: &[u8]) -> Result<[u8; SIGNATURE_SIZE], Error> {
        let nonce = Zeroizing::new(wide(&hash(HASH, &[variant.prefix(), &self.prefix, signed]))?);
        let nonce = backend::reduce(&nonce);
        let r = backend::base_mul(&nonce)?;
        let mut challenge = self.public().challenge(variant, &r);
        challenge.update(signed);
        let k = backend::reduce(&wide(&challenge.finish())?);
        let s = backend::mul_add(&k, &self.s, &nonce)?;
        let mut signature = [0; SIGNATURE_SIZE];
        signature[..KEY_SIZE].copy_from_slice(&r);
        signature[KEY_SIZE..].copy_from_slice(&s);
        self.public().verify(variant, signed, &signature).map_err(|_| Error::Fault)?;
        Ok(signature)
    }
}
