//! Cryptography in TPM 2.0 terms, for version 185 of the TPM 2.0 Library.
//!
//! Algorithms come from RustCrypto, arithmetic of our own and, with the feature `aws-lc`, AWS-LC, through
//! one private module, `backend`, chosen at compile time and spoken to in bytes. Everything that decides
//! which key comes out of which seed lies above it and is written here: KDFa and KDFe ([`kdf`]), the
//! generator ([`drbg`]), the derivation of keys ([`mod@derive`]), paddings and nonces ([`rsa`], [`ecc`]). No backend can
//! therefore change a derived key.
//!
//! Nothing here panics on bytes from outside; operations that can fail return [`Error`], whose variants
//! the caller turns into response codes. Secrets are zeroised when dropped, print as `[secret]`, and are
//! compared with [`ct_eq`].
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable))]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod backend;
pub mod cmac;
pub mod derive;
pub mod drbg;
pub mod ecc;
mod error;
pub mod hash;
pub mod hmac;
pub mod kdf;
pub mod rsa;
pub mod sym;

pub use error::Error;
pub use sigillo_types::{EccCurve, HashAlg};

/// A source of random octets that does not fail.
///
/// [`drbg::Drbg`] is the one the TPM uses: entropy is gathered, and may fail, when it is instantiated or
/// reseeded, never here.
pub trait Rng {
    /// Overwrites the whole of `out`.
    fn fill(&mut self, out: &mut [u8]);
}

impl<R: Rng + ?Sized> Rng for &mut R {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

/// Compares two octet strings in a time that depends on their lengths only.
#[must_use]
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq;
    bool::from(a.ct_eq(b))
}

/// The processor's vectors in which primes are searched and, without the feature `aws-lc`, private RSA operations done, if it has any of
/// use; not with the feature `portable`.
#[must_use]
pub fn vectors() -> Option<&'static str> {
    sigillo_accel::Simd::detect().map(sigillo_accel::Simd::name)
}
