//! Symmetric protection of parameters and of stored objects. Part 1, 8.4.7 and 18.

use crate::{Error, HashAlg, backend, kdf};

/// Encrypts `data` in place with AES in CFB mode over whole blocks. The key has 16, 24 or 32 octets; a
/// short last block is allowed.
///
/// # Errors
/// [`Error::BadSize`] if the key has another length.
pub fn cfb_encrypt(key: &[u8], iv: &[u8; 16], data: &mut [u8]) -> Result<(), Error> {
    backend::aes::cfb_encrypt(key, iv, data)
}

/// Decrypts what [`cfb_encrypt`] encrypted, in place.
///
/// # Errors
/// [`Error::BadSize`] if the key has another length than 16, 24 or 32 octets.
pub fn cfb_decrypt(key: &[u8], iv: &[u8; 16], data: &mut [u8]) -> Result<(), Error> {
    backend::aes::cfb_decrypt(key, iv, data)
}

/// XOR obfuscation: `data` is combined with KDFa(hash, key, "XOR", context_u, context_v). The same call
/// undoes it. Part 1, 8.4.7.
pub fn xor_obfuscate(hash: HashAlg, key: &[u8], context_u: &[u8], context_v: &[u8], data: &mut [u8]) {
    // A parameter's size is a UINT16, so its length in bits always fits.
    let bits = u32::try_from(data.len().saturating_mul(8)).unwrap_or(u32::MAX);
    let mask = kdf::kdfa(hash, key, b"XOR", context_u, context_v, bits);
    for (octet, mask) in data.iter_mut().zip(mask.iter()) {
        *octet ^= mask;
    }
}
