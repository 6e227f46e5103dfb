//! Key derivation and sealing, shared by the store file and the keychain file.
//!
//! Every key made here seals under nonces that cannot repeat: either the key is derived from a salt drawn for one
//! sealing (nonce zero), or its user counts.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::secret::{EntropyError, Secret, random};

/// Bytes AES-GCM adds to what it seals.
pub const TAG_LEN: usize = 16;
/// Bytes of a GCM nonce.
pub const NONCE_LEN: usize = 12;
/// Bytes of every salt in our files.
pub const SALT_LEN: usize = 32;

/// Opening or sealing failed. Says nothing more on purpose.
#[derive(Debug, PartialEq, Eq)]
pub struct SealError;

/// What turning a passphrase into a key costs: Argon2id, version 1.3 (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Stretch {
    /// The second choice of RFC 9106, 4: 64 MiB, three passes, four lanes.
    pub const DEFAULT: Self = Stretch { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
    /// The least that a store takes.
    pub const LEAST: Self = Stretch { memory_kib: 8 * 1024, passes: 1, lanes: 1 };
    /// The most: what a hostile header can cost whoever tries a passphrase on it.
    pub const MOST: Self = Stretch { memory_kib: 1024 * 1024, passes: 16, lanes: 16 };

    /// Memory in KiB, passes, lanes; `None` out of bounds.
    pub fn from_numbers([memory_kib, passes, lanes]: [u32; 3]) -> Option<Self> {
        let within = (Self::LEAST.memory_kib..=Self::MOST.memory_kib).contains(&memory_kib)
            && (Self::LEAST.passes..=Self::MOST.passes).contains(&passes)
            && (Self::LEAST.lanes..=Self::MOST.lanes).contains(&lanes);
        within.then_some(Stretch { memory_kib, passes, lanes })
    }

    /// As in the file.
    pub fn numbers(self) -> [u32; 3] {
        [self.memory_kib, self.passes, self.lanes]
    }
}

/// Stretches a passphrase to 32 octets.
///
/// # Errors
/// There is not enough memory.
pub fn stretch(passphrase: &Secret, salt: &[u8; SALT_LEN], cost: Stretch) -> Result<Secret, SealError> {
    let params =
        argon2::Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(|_| SealError)?;
    let mut out = Secret::new(vec![0; 32]);
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(passphrase.expose(), salt, out.expose_mut())
        .map_err(|_| SealError)?;
    Ok(out)
}

/// Draws a fresh salt.
///
/// # Errors
/// The operating system gave no random bytes.
pub fn fresh_salt() -> Result<[u8; SALT_LEN], EntropyError> {
    let mut salt = [0; SALT_LEN];
    random(&mut salt)?;
    Ok(salt)
}

/// HKDF-SHA-256 (RFC 5869) to `len` bytes. `info` is the concatenation of the parts; callers use a label and then
/// fields of fixed length, so that no two meanings share one info.
///
/// # Errors
/// `len` is above 8160.
pub fn derive(secret: &[u8], salt: &[u8], info: &[&[u8]], len: usize) -> Result<Secret, SealError> {
    let mut out = Secret::new(vec![0; len]);
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand_multi_info(info, out.expose_mut())
        .map_err(|_| SealError)?;
    Ok(out)
}

/// Seals `buffer` in place with AES-GCM and appends the tag. A 16-byte key is AES-128, a 32-byte key AES-256.
///
/// # Errors
/// The key has another length, or the buffer is longer than GCM allows.
pub fn seal(key: &Secret, nonce: [u8; NONCE_LEN], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), SealError> {
    // A buffer that moves while growing would leave plaintext behind in freed memory.
    if buffer.capacity().saturating_sub(buffer.len()) < TAG_LEN {
        let mut roomy = Vec::with_capacity(buffer.len().saturating_add(TAG_LEN));
        roomy.extend_from_slice(buffer);
        drop(Zeroizing::new(core::mem::replace(buffer, roomy)));
    }
    let nonce = Nonce::from(nonce);
    match key.len() {
        16 => Aes128Gcm::new_from_slice(key.expose())
            .map_err(|_| SealError)?
            .encrypt_in_place(&nonce, aad, buffer),
        32 => Aes256Gcm::new_from_slice(key.expose())
            .map_err(|_| SealError)?
            .encrypt_in_place(&nonce, aad, buffer),
        _ => return Err(SealError),
    }
    .map_err(|_| SealError)
}

/// Opens what [`seal`] made. The answer is wiped when dropped.
///
/// # Errors
/// The tag does not verify, or the key has no legal length.
pub fn open(
    key: &Secret,
    nonce: [u8; NONCE_LEN],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::from(nonce);
    match key.len() {
        16 => Aes128Gcm::new_from_slice(key.expose()).map_err(|_| SealError)?.decrypt_in_place(
            &nonce,
            aad,
            &mut *buffer,
        ),
        32 => Aes256Gcm::new_from_slice(key.expose()).map_err(|_| SealError)?.decrypt_in_place(
            &nonce,
            aad,
            &mut *buffer,
        ),
        _ => return Err(SealError),
    }
    .map_err(|_| SealError)?;
    Ok(buffer)
}

/// SHA-256 over the parts in order.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

fn hmac(key: &Secret, message: &[u8]) -> Result<Hmac<Sha256>, SealError> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.expose()).map_err(|_| SealError)?;
    mac.update(message);
    Ok(mac)
}

/// HMAC-SHA-256.
///
/// # Errors
/// None in practice: HMAC takes keys of any length.
pub fn mac(key: &Secret, message: &[u8]) -> Result<[u8; 32], SealError> {
    Ok(hmac(key, message)?.finalize().into_bytes().into())
}

/// Verifies an HMAC-SHA-256 in constant time.
///
/// # Errors
/// It does not verify.
pub fn verify_mac(key: &Secret, message: &[u8], expected: &[u8; 32]) -> Result<(), SealError> {
    hmac(key, message)?.verify_slice(expected).map_err(|_| SealError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    }

    /// RFC 5869, A.1.
    #[test]
    fn derivation_is_hkdf_sha_256() {
        let okm = derive(
            &[0x0b; 22],
            &hex("000102030405060708090a0b0c"),
            &[&hex("f0f1f2f3"), &hex("f4f5f6f7f8f9")],
            42,
        )
        .unwrap();
        assert_eq!(
            okm.expose(),
            hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
        );
    }

    /// NIST's GCM test cases 3 and 4 share this key and nonce; case 4 has associated data.
    #[test]
    fn sealing_is_aes_128_gcm() {
        let key = Secret::new(hex("feffe9928665731c6d6a8f9467308308"));
        let nonce = hex("cafebabefacedbaddecaf888").try_into().unwrap();
        let plain = hex(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let mut buffer = plain.clone();
        let aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        seal(&key, nonce, &aad, &mut buffer).unwrap();
        assert_eq!(buffer[plain.len()..], hex("5bc94fbc3221a5db94fae95ae7121a47"));
        assert_eq!(*open(&key, nonce, &aad, &buffer).unwrap(), plain);
        buffer[3] ^= 1;
        assert_eq!(open(&key, nonce, &aad, &buffer), Err(SealError));
    }

    #[test]
    fn the_cost_of_a_passphrase_is_bounded() {
        for cost in [Stretch::DEFAULT, Stretch::LEAST, Stretch::MOST] {
            assert_eq!(Stretch::from_numbers(cost.numbers()), Some(cost));
        }
        for numbers in
            [[8191, 1, 1], [1 << 20 | 1, 1, 1], [8192, 0, 1], [8192, 17, 1], [8192, 1, 0], [8192, 1, 17]]
        {
            assert_eq!(Stretch::from_numbers(numbers), None, "{numbers:?}");
        }
    }

    #[test]
    fn a_key_of_another_length_seals_nothing() {
        let mut buffer = vec![1, 2, 3];
        assert_eq!(seal(&Secret::new(vec![0; 24]), [0; 12], b"", &mut buffer), Err(SealError));
        assert_eq!(buffer, [1, 2, 3]);
    }
}
