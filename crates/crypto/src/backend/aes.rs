//! AES: one block for the generator, cipher feedback over 128 bits for TPM data.

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};

use crate::Error;

/// An expanded AES-256 key, zeroised when dropped.
pub(crate) struct Aes256Key(Aes256);

impl Aes256Key {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Aes256::new(&Array::from(*key)))
    }

    /// Encrypts every block in place, each by itself.
    pub(crate) fn encrypt_blocks(&self, blocks: &mut [[u8; 16]]) {
        self.0.encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
    }
}

/// CFB-128 encryption in place; a short last block is allowed.
///
/// # Errors
/// [`Error::BadSize`] if the key does not have 16, 24 or 32 octets.
pub(crate) fn cfb_encrypt(key: &[u8], iv: &[u8; 16], data: &mut [u8]) -> Result<(), Error> {
    type Enc<C> = cfb_mode::Encryptor<C>;
    match key.len() {
        16 => Enc::<Aes128>::new_from_slices(key, iv).map(|c| c.encrypt(data)),
        24 => Enc::<Aes192>::new_from_slices(key, iv).map(|c| c.encrypt(data)),
        32 => Enc::<Aes256>::new_from_slices(key, iv).map(|c| c.encrypt(data)),
        _ => return Err(Error::BadSize),
    }
    .map_err(|_| Error::BadSize)
}

/// CFB-128 decryption in place; a short last block is allowed.
///
/// # Errors
/// [`Error::BadSize`] if the key does not have 16, 24 or 32 octets.
pub(crate) fn cfb_decrypt(key: &[u8], iv: &[u8; 16], data: &mut [u8]) -> Result<(), Error> {
    type Dec<C> = cfb_mode::Decryptor<C>;
    match key.len() {
        16 => Dec::<Aes128>::new_from_slices(key, iv).map(|c| c.decrypt(data)),
        24 => Dec::<Aes192>::new_from_slices(key, iv).map(|c| c.decrypt(data)),
        32 => Dec::<Aes256>::new_from_slices(key, iv).map(|c| c.decrypt(data)),
        _ => return Err(Error::BadSize),
    }
    .map_err(|_| Error::BadSize)
}
