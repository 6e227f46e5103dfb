//! Symmetric protection of parameters, of stored objects and of the caller's data. Part 1, 8.4.7 and 18; SP 800-38A.
//!
//! The modes are written here, over whole blocks: a TPM hands the IV back and forth, and what it is after the last, perhaps short
//! block is the TPM's own rule. Of the ciphers AES alone takes the same time for every key; see docs/adr/0010-symmetric-algorithms.md.

use core::fmt;

use sigillo_types::alg::{BlockCipher, CipherMode};
use zeroize::Zeroizing;

use crate::backend::block::{BlockKey, is_strong_tdes_key};
use crate::{Error, HashAlg, kdf};

/// The longest block, in octets.
pub const MAX_BLOCK: usize = 16;
/// Octets in the longest key.
pub const MAX_KEY: usize = 32;
/// Octets of keystream made at a time: whole blocks of every cipher.
const STREAM: usize = 8 * MAX_BLOCK;

/// A block cipher with its key, zeroised when dropped.
pub struct Cipher {
    key: BlockKey,
    block: usize,
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher([secret])")
    }
}

/// Combines `data` with as much of `mask` (exclusive or).
fn xor(data: &mut [u8], mask: &[u8]) {
    for (octet, mask) in data.iter_mut().zip(mask) {
        *octet ^= mask;
    }
}

/// Adds one to a big-endian number, which may turn over.
fn increment(counter: &mut [u8]) {
    for octet in counter.iter_mut().rev() {
        *octet = octet.wrapping_add(1);
        if *octet != 0 {
            break;
        }
    }
}

impl Cipher {
    /// The cipher with a key.
    ///
    /// # Errors
    /// [`Error::BadSize`] if the key does not have the size that the cipher asks for.
    pub fn new(cipher: BlockCipher, key: &[u8]) -> Result<Self, Error> {
        Ok(Self { key: BlockKey::new(cipher, key)?, block: cipher.block_size() })
    }

    /// One block in place.
    pub(crate) fn encrypt_block(&self, block: &mut [u8]) {
        self.key.encrypt_blocks(block);
    }

    /// What every mode asks of its IV and data.
    fn check(&self, mode: CipherMode, iv: &[u8], data: &[u8]) -> Result<(), Error> {
        let iv_size = if mode == CipherMode::Ecb { 0 } else { self.block };
        let whole = data.len().is_multiple_of(self.block);
        if iv.len() == iv_size && (whole || !mode.takes_whole_blocks()) {
            Ok(())
        } else {
            Err(Error::BadSize)
        }
    }

    /// Encrypts `data` in place. `iv`, a block long and empty for ECB, becomes the one to go on with. If the last block is short, that
    /// is the counter or the output block after it and, in CFB mode, the short block with zeros behind it.
    ///
    /// # Errors
    /// [`Error::BadSize`] for an IV of another size, and for data that is not whole blocks in CBC or ECB mode. Nothing is changed.
    pub fn encrypt(&self, mode: CipherMode, iv: &mut [u8], data: &mut [u8]) -> Result<(), Error> {
        self.check(mode, iv, data)?;
        match mode {
            CipherMode::Ecb => self.key.encrypt_blocks(data),
            CipherMode::Cbc => {
                for block in data.chunks_exact_mut(self.block) {
                    xor(block, iv);
                    self.encrypt_block(block);
                    iv.copy_from_slice(block);
                }
            }
            CipherMode::Cfb => {
                for block in data.chunks_mut(self.block) {
                    self.encrypt_block(iv);
                    xor(block, iv);
                    iv.fill(0);
                    iv[..block.len()].copy_from_slice(block);
                }
            }
            CipherMode::Ofb => {
                for block in data.chunks_mut(self.block) {
                    self.encrypt_block(iv);
                    xor(block, iv);
                }
            }
            CipherMode::Ctr => {
                let mut stream = Zeroizing::new([0; STREAM]);
                for piece in data.chunks_mut(STREAM) {
                    let counters = &mut stream[..piece.len().next_multiple_of(self.block)];
                    for counter in counters.chunks_exact_mut(self.block) {
                        counter.copy_from_slice(iv);
                        increment(iv);
                    }
                    self.key.encrypt_blocks(counters);
                    xor(piece, counters);
                }
            }
        }
        Ok(())
    }

    /// Undoes [`Cipher::encrypt`]; `iv` becomes what it became there.
    ///
    /// # Errors
    /// As [`Cipher::encrypt`].
    pub fn decrypt(&self, mode: CipherMode, iv: &mut [u8], data: &mut [u8]) -> Result<(), Error> {
        self.check(mode, iv, data)?;
        match mode {
            CipherMode::Ofb | CipherMode::Ctr => return self.encrypt(mode, iv, data),
            CipherMode::Ecb => self.key.decrypt_blocks(data),
            CipherMode::Cbc => {
                let mut next = [0; MAX_BLOCK];
                for block in data.chunks_exact_mut(self.block) {
                    next[..block.len()].copy_from_slice(block);
                    self.key.decrypt_blocks(block);
                    xor(block, iv);
                    iv.copy_from_slice(&next[..block.len()]);
                }
            }
            CipherMode::Cfb => {
                // Each block is combined with the encryption of the one before it, and all of those are known.
                let mut stream = Zeroizing::new([0; STREAM]);
                for piece in data.chunks_mut(STREAM) {
                    let before = &mut stream[..piece.len().next_multiple_of(self.block)];
                    let last = before.len() - self.block;
                    before[..self.block].copy_from_slice(iv);
                    before[self.block..].copy_from_slice(&piece[..last]);
                    iv.fill(0);
                    iv[..piece.len() - last].copy_from_slice(&piece[last..]);
                    self.key.encrypt_blocks(before);
                    xor(piece, before);
                }
            }
        }
        Ok(())
    }
}

/// Encrypts `data` in place in CFB mode, with a key and an IV that are used once; a short last block is allowed.
///
/// # Errors
/// [`Error::BadSize`] if the key or the IV has another size than the cipher asks for.
pub fn cfb_encrypt(cipher: BlockCipher, key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), Error> {
    Cipher::new(cipher, key)?.encrypt(CipherMode::Cfb, &mut Zeroizing::new(iv.to_vec()), data)
}

/// Undoes [`cfb_encrypt`].
///
/// # Errors
/// As [`cfb_encrypt`].
pub fn cfb_decrypt(cipher: BlockCipher, key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), Error> {
    Cipher::new(cipher, key)?.decrypt(CipherMode::Cfb, &mut Zeroizing::new(iv.to_vec()), data)
}

/// Whether a key may be used: of TDES the 64 weak keys are refused, and DES keys that undo each other. The parity bits do not count.
/// Part 1, 8.4.10.4.
#[must_use]
pub fn is_strong_key(cipher: BlockCipher, key: &[u8]) -> bool {
    match cipher {
        BlockCipher::Tdes(_) => {
            let mut key = Zeroizing::new(key.to_vec());
            set_odd_parity(&mut key);
            is_strong_tdes_key(&key)
        }
        BlockCipher::Aes(_) | BlockCipher::Sm4(_) | BlockCipher::Camellia(_) => true,
    }
}

/// Sets the lowest bit of each octet so that its count of ones is odd: the form of a DES key.
pub(crate) fn set_odd_parity(key: &mut [u8]) {
    for octet in key {
        let even = (*octet >> 1).count_ones().is_multiple_of(2);
        *octet = *octet & 0xFE | u8::from(even);
    }
}

/// XOR obfuscation: `data` is combined with KDFa(hash, key, "XOR", context_u, context_v). The same call
/// undoes it. Part 1, 8.4.7.
pub fn xor_obfuscate(hash: HashAlg, key: &[u8], context_u: &[u8], context_v: &[u8], data: &mut [u8]) {
    // A parameter's size is a UINT16, so its length in bits always fits.
    let bits = u32::try_from(data.len().saturating_mul(8)).unwrap_or(u32::MAX);
    xor(data, &kdf::kdfa(hash, key, b"XOR", context_u, context_v, bits));
}
