//! RSA: keys, the raw operations and the schemes on top. Part 1, 43; RFC 8017.
//!
//! Blocks have exactly the modulus's length. The private operation always works on a blinded number and
//! gives nothing away that its public key contradicts. Encodings and decodings are branch-free.

mod encryption;
mod signature;

pub use encryption::{oaep_decrypt, oaep_encrypt, pkcs1_decrypt, pkcs1_encrypt};
pub use signature::{pkcs1_sign, pkcs1_verify, pss_sign, pss_verify};

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::backend::bignum::{self, RsaCrt};
use crate::{Error, Rng};

/// The exponent that a TPMS_RSA_PARMS of zero stands for: 2^16 + 1. Part 2, 12.2.3.4.
pub const DEFAULT_EXPONENT: u32 = 65537;

/// Whether a modulus of `bits` bits is supported for loading and public operations.
#[must_use]
pub fn is_key_size(bits: u32) -> bool {
    matches!(bits, 1024 | 2048 | 3072 | 4096)
}

/// An RSA public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaPublic {
    n: Vec<u8>,
    e: u32,
}

impl RsaPublic {
    /// The key with the modulus `n`, big-endian and exactly as long as its size says, and the exponent `e`
    /// (not zero; see [`DEFAULT_EXPONENT`]).
    ///
    /// # Errors
    /// - [`Error::BadSize`] if the modulus has a length that is not supported.
    /// - [`Error::BadValue`] if n is even or its top bit clear, or e is even or 1.
    pub fn new(n: &[u8], e: u32) -> Result<Self, Error> {
        if !bignum::MODULUS_OCTETS.contains(&n.len()) {
            return Err(Error::BadSize);
        }
        let top = n.first().is_some_and(|octet| octet & 0x80 != 0);
        let odd = n.last().is_some_and(|octet| octet & 1 != 0);
        if !top || !odd || e < 3 || e.is_multiple_of(2) {
            return Err(Error::BadValue);
        }
        Ok(Self { n: n.to_vec(), e })
    }

    /// The modulus.
    #[must_use]
    pub fn n(&self) -> &[u8] {
        &self.n
    }

    /// The public exponent.
    #[must_use]
    pub fn e(&self) -> u32 {
        self.e
    }

    /// Octets in the modulus, and in every block.
    #[must_use]
    pub fn size(&self) -> usize {
        self.n.len()
    }

    /// RSAEP and RSAVP1: `message`^e mod n. Part 1, 43.2.
    ///
    /// # Errors
    /// - [`Error::BadSize`] if `message` is not as long as the modulus.
    /// - [`Error::BadValue`] if it is not below the modulus.
    pub fn raw(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = vec![0; self.n.len()];
        bignum::rsa_public(&self.n, self.e, message, &mut out)?;
        Ok(out)
    }
}

/// An RSA private key with its Chinese remainder parameters, zeroised when dropped.
#[derive(Clone)]
pub struct RsaPrivate {
    public: RsaPublic,
    pub(crate) crt: RsaCrt,
}

impl fmt::Debug for RsaPrivate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPrivate({} bits, [secret])", self.public.size() * 8)
    }
}

impl RsaPrivate {
    /// The key with this public part of which `prime` is one prime: what TPM2_Load has. The other prime is
    /// the quotient. Neither is tested for primality. Part 1, 43.1.
    ///
    /// # Errors
    /// - [`Error::BadSize`] if `prime` is not half as long as the modulus.
    /// - [`Error::BadValue`] if it does not divide the modulus, the factors are out of range or not coprime,
    ///   or e has no inverse.
    pub fn from_prime(public: &RsaPublic, prime: &[u8]) -> Result<Self, Error> {
        Ok(Self { crt: RsaCrt::from_prime(&public.n, public.e, prime)?, public: public.clone() })
    }

    /// The key with these two primes.
    pub(crate) fn from_primes(p: &[u8], q: &[u8], e: u32) -> Result<Self, Error> {
        let crt = RsaCrt::from_primes(p, q, e)?;
        let mut n = vec![0; crt.size()];
        crt.modulus(&mut n);
        Ok(Self { public: RsaPublic::new(&n, crt.e())?, crt })
    }

    /// The public part.
    #[must_use]
    pub fn public(&self) -> &RsaPublic {
        &self.public
    }

    /// Both primes. The first is the one to keep in a TPMT_SENSITIVE.
    #[must_use]
    pub fn primes(&self) -> [Zeroizing<Vec<u8>>; 2] {
        let half = self.public.size() / 2;
        let mut primes = [(); 2].map(|()| Zeroizing::new(vec![0; half]));
        let [p, q] = &mut primes;
        self.crt.primes(p, q);
        primes
    }

    /// RSADP and RSASP1: `block`^d mod n, blinded with octets of `rng`. Part 1, 43.3.
    ///
    /// # Errors
    /// - [`Error::BadSize`] if `block` is not as long as the modulus.
    /// - [`Error::BadValue`] if it is not below the modulus.
    /// - [`Error::Fault`] if the result does not check against the public key, or `rng` gives nothing usable.
    pub fn raw(&self, block: &[u8], rng: &mut dyn Rng) -> Result<Zeroizing<Vec<u8>>, Error> {
        let size = self.public.size();
        let mut out = Zeroizing::new(vec![0; size]);
        let mut blind = Zeroizing::new(vec![0; size]);
        // A number without an inverse is zero or a factor; two in a row come from a dead generator.
        for _ in 0..2 {
            rng.fill(&mut blind);
            if let Some(first) = blind.first_mut() {
                *first &= 0x7F;
            }
            match self.crt.private(block, &blind, &mut out) {
                Err(Error::NoResult) => {}
                Err(error) => {
                    out.zeroize();
                    return Err(error);
                }
                Ok(()) => return Ok(out),
            }
        }
        Err(Error::Fault)
    }
}
