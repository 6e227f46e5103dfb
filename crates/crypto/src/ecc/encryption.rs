//! The encryption of SM2, on any curve and with any hash. Part 1, 45.2.4; GB/T 32918.4-2016.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::{EcPoint, EcPrivate};
use crate::drbg::Drbg;
use crate::hash::{Digest, hash};
use crate::kdf::kdf2;
use crate::{Error, HashAlg, ct_eq, derive};

/// An encrypted message.
#[derive(Clone)]
pub struct EcCiphertext {
    /// C1: the ephemeral public key.
    pub ephemeral: EcPoint,
    /// C2: as long as the message.
    pub data: Vec<u8>,
    /// C3: the digest of the message and the shared point.
    pub integrity: Digest,
}

impl fmt::Debug for EcCiphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcCiphertext({} octets)", self.data.len())
    }
}

/// Combines `data` with the stream that comes of the shared point.
fn apply_stream(alg: HashAlg, z: &EcPoint, data: &mut [u8]) -> Result<(), Error> {
    let bits = u32::try_from(data.len()).ok().and_then(|len| len.checked_mul(8)).ok_or(Error::BadSize)?;
    let stream = kdf2(alg, &[z.x(), z.y()], bits);
    for (octet, key) in data.iter_mut().zip(stream.iter()) {
        *octet ^= key;
    }
    Ok(())
}

/// Encrypts `message` to whoever has the private key of `public`.
///
/// # Errors
/// [`Error::BadSize`] if the message has half a gigabyte or more.
pub fn encrypt(
    public: &EcPoint,
    alg: HashAlg,
    message: &[u8],
    rng: &mut Drbg,
) -> Result<EcCiphertext, Error> {
    let key = derive::ecc(rng, public.curve())?;
    let z = Zeroizing::new(key.ecdh(public)?);
    let integrity = hash(alg, &[z.x(), message, z.y()]);
    let mut data = message.to_vec();
    apply_stream(alg, &z, &mut data)?;
    Ok(EcCiphertext { ephemeral: key.public()?, data, integrity })
}

/// Recovers what [`encrypt`] made, or another implementation.
///
/// # Errors
/// - [`Error::BadValue`] if the ephemeral key is on another curve than the private one.
/// - [`Error::BadPadding`] if the integrity value is not that of the message.
pub fn decrypt(
    private: &EcPrivate,
    alg: HashAlg,
    ephemeral: &EcPoint,
    data: &[u8],
    integrity: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let z = Zeroizing::new(private.ecdh(ephemeral)?);
    let mut message = Zeroizing::new(data.to_vec());
    apply_stream(alg, &z, &mut message)?;
    if !ct_eq(&hash(alg, &[z.x(), &message, z.y()]), integrity) {
        return Err(Error::BadPadding);
    }
    Ok(message)
}
