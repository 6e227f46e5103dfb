//! Block ciphers: keys, and whole blocks under them.
//!
//! AES uses the processor's instructions, or bit slices where there are none. The others look their S-boxes up in tables, so the cache
//! can tell a neighbour on the same machine about their keys. See docs/adr/0010-symmetric-algorithms.md.

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, KeyInit};
use aes::{Aes128, Aes192, Aes256, Aes256Enc};
use camellia::{Camellia128, Camellia192, Camellia256};
use des::{TdesEde2, TdesEde3};
use sigillo_types::alg::{AesKeyBits, BlockCipher, CamelliaKeyBits, Sm4KeyBits, TdesKeyBits};
use sm4::Sm4;

use crate::Error;

/// An AES-256 key expanded for encryption, zeroised when dropped.
pub(crate) struct Aes256Key(Aes256Enc);

impl Aes256Key {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Enc::new(&Array::from(*key)))
    }

    /// Encrypts every block in place, each by itself.
    pub(crate) fn encrypt_blocks(&self, blocks: &mut [[u8; 16]]) {
        self.0.encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
    }
}

/// An expanded key, zeroised when dropped.
pub(crate) enum BlockKey {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
    Tdes2(TdesEde2),
    Tdes3(TdesEde3),
    Sm4(Sm4),
    Camellia128(Camellia128),
    Camellia192(Camellia192),
    Camellia256(Camellia256),
}

/// `$body` with `$key` bound to the cipher, whichever it is.
macro_rules! with_cipher {
    ($block_key:expr, $key:ident => $body:expr) => {
        match $block_key {
            BlockKey::Aes128($key) => $body,
            BlockKey::Aes192($key) => $body,
            BlockKey::Aes256($key) => $body,
            BlockKey::Tdes2($key) => $body,
            BlockKey::Tdes3($key) => $body,
            BlockKey::Sm4($key) => $body,
            BlockKey::Camellia128($key) => $body,
            BlockKey::Camellia192($key) => $body,
            BlockKey::Camellia256($key) => $body,
        }
    };
}

impl BlockKey {
    /// # Errors
    /// [`Error::BadSize`] if the key has another length than the cipher's.
    pub(crate) fn new(cipher: BlockCipher, key: &[u8]) -> Result<Self, Error> {
        fn of<C: KeyInit>(to: fn(C) -> BlockKey, key: &[u8]) -> Result<BlockKey, Error> {
            C::new_from_slice(key).map(to).map_err(|_| Error::BadSize)
        }
        match cipher {
            BlockCipher::Aes(AesKeyBits::Aes128) => of(Self::Aes128, key),
            BlockCipher::Aes(AesKeyBits::Aes192) => of(Self::Aes192, key),
            BlockCipher::Aes(AesKeyBits::Aes256) => of(Self::Aes256, key),
            BlockCipher::Tdes(TdesKeyBits::Tdes128) => of(Self::Tdes2, key),
            BlockCipher::Tdes(TdesKeyBits::Tdes192) => of(Self::Tdes3, key),
            BlockCipher::Sm4(Sm4KeyBits::Sm4_128) => of(Self::Sm4, key),
            BlockCipher::Camellia(CamelliaKeyBits::Camellia128) => of(Self::Camellia128, key),
            BlockCipher::Camellia(CamelliaKeyBits::Camellia192) => of(Self::Camellia192, key),
            BlockCipher::Camellia(CamelliaKeyBits::Camellia256) => of(Self::Camellia256, key),
        }
    }

    /// Encrypts every whole block of `data` in place, each by itself.
    pub(crate) fn encrypt_blocks(&self, data: &mut [u8]) {
        fn encrypt<C: BlockCipherEncrypt>(key: &C, data: &mut [u8]) {
            key.encrypt_blocks(Array::<u8, <C as BlockSizeUser>::BlockSize>::slice_as_chunks_mut(data).0);
        }
        with_cipher!(self, key => encrypt(key, data));
    }

    /// Decrypts every whole block of `data` in place, each by itself.
    pub(crate) fn decrypt_blocks(&self, data: &mut [u8]) {
        fn decrypt<C: BlockCipherDecrypt>(key: &C, data: &mut [u8]) {
            key.decrypt_blocks(Array::<u8, <C as BlockSizeUser>::BlockSize>::slice_as_chunks_mut(data).0);
        }
        with_cipher!(self, key => decrypt(key, data));
    }
}

/// Whether every DES key in a TDES key, with its parity set right, is outside the list of weak ones and unlike its neighbours.
pub(crate) fn is_strong_tdes_key(key: &[u8]) -> bool {
    let keys = key.as_chunks::<8>().0;
    keys.windows(2).all(|pair| des::weak_key_test(pair.as_flattened()).is_ok())
}
