//! OAEP and PKCS #1 v1.5 encryption. RFC 8017, 7; Part 1, 43.4 and 43.5.
//!
//! Decoding looks at every octet whatever they are, and has one error. Only the length of a message that
//! decoded shows in the time.

use alloc::vec;
use alloc::vec::Vec;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{RsaPrivate, RsaPublic};
use crate::hash::hash;
use crate::kdf::mgf1_xor;
use crate::{Error, HashAlg, Rng};

/// RSAES-OAEP encryption. `label` is hashed as it is, with the terminating zero that TPM labels have. The TPM
/// takes `alg` from the key's scheme, else its nameAlg, and `mgf` from its nameAlg. RFC 8017, 7.1.1; Part 1,
/// 43.4.
///
/// # Errors
/// [`Error::BadSize`] if `message` is longer than the key and the hash allow.
pub fn oaep_encrypt(
    key: &RsaPublic,
    alg: HashAlg,
    mgf: HashAlg,
    label: &[u8],
    message: &[u8],
    rng: &mut dyn Rng,
) -> Result<Vec<u8>, Error> {
    let (size, digest) = (key.size(), alg.digest_size());
    let room = size.checked_sub(2 * digest + 2).ok_or(Error::BadSize)?;
    let free = room.checked_sub(message.len()).ok_or(Error::BadSize)?;
    let mut block = Zeroizing::new(vec![0; size]);
    let (seed, data) = block[1..].split_at_mut(digest);
    data[..digest].copy_from_slice(&hash(alg, &[label]));
    data[digest + free] = 1;
    data[digest + free + 1..].copy_from_slice(message);
    rng.fill(seed);
    mgf1_xor(mgf, seed, data);
    mgf1_xor(mgf, data, seed);
    key.raw(&block)
}

/// RSAES-OAEP decryption. RFC 8017, 7.1.2.
///
/// # Errors
/// - [`Error::BadSize`] if `block` is not as long as the modulus, or the key is too short for the hash.
/// - [`Error::BadValue`] if `block` is not below the modulus.
/// - [`Error::BadPadding`] if it was not made for this key, hash and label.
/// - [`Error::Fault`] as for [`RsaPrivate::raw`].
pub fn oaep_decrypt(
    key: &RsaPrivate,
    alg: HashAlg,
    mgf: HashAlg,
    label: &[u8],
    block: &[u8],
    rng: &mut dyn Rng,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let digest = alg.digest_size();
    if key.public().size() < 2 * digest + 2 {
        return Err(Error::BadSize);
    }
    let mut block = key.raw(block, rng)?;
    let (first, rest) = block.split_at_mut(1);
    let (seed, data) = rest.split_at_mut(digest);
    mgf1_xor(mgf, data, seed);
    mgf1_xor(mgf, seed, data);
    let (label_hash, padded) = data.split_at(digest);
    let mut valid = first.ct_eq(&[0]) & label_hash.ct_eq(&hash(alg, &[label]));

    // Zeros, a one, the message.
    let mut in_padding = Choice::from(1);
    let mut start = 0u32;
    for (next, octet) in (1u32..).zip(padded) {
        let one = octet.ct_eq(&1);
        start.conditional_assign(&next, in_padding & one);
        valid &= !in_padding | one | octet.ct_eq(&0);
        in_padding &= !one;
    }
    message(padded, start, valid & !in_padding)
}

/// RSAES-PKCS1-v1_5 encryption. RFC 8017, 7.2.1.
///
/// # Errors
/// [`Error::BadSize`] if `message` leaves no room for eleven octets of padding.
pub fn pkcs1_encrypt(key: &RsaPublic, message: &[u8], rng: &mut dyn Rng) -> Result<Vec<u8>, Error> {
    let room = key.size().checked_sub(11).ok_or(Error::BadSize)?;
    let free = room.checked_sub(message.len()).ok_or(Error::BadSize)?;
    let mut block = Zeroizing::new(vec![0; key.size()]);
    let (padding, data) = block.split_at_mut(2 + 8 + free);
    padding[1] = 2;
    for octet in &mut padding[2..] {
        // A zero would end the padding. A generator that gives nothing else is cut short.
        for _ in 0..256 {
            rng.fill(core::slice::from_mut(octet));
            if *octet != 0 {
                break;
            }
        }
        if *octet == 0 {
            return Err(Error::Fault);
        }
    }
    data[1..].copy_from_slice(message);
    key.raw(&block)
}

/// RSAES-PKCS1-v1_5 decryption. RFC 8017, 7.2.2.
///
/// # Errors
/// - [`Error::BadSize`] or [`Error::BadValue`] as for [`RsaPrivate::raw`].
/// - [`Error::BadPadding`] if the block is not padded for encryption.
/// - [`Error::Fault`] as for [`RsaPrivate::raw`].
pub fn pkcs1_decrypt(key: &RsaPrivate, block: &[u8], rng: &mut dyn Rng) -> Result<Zeroizing<Vec<u8>>, Error> {
    let block = key.raw(block, rng)?;
    let (head, rest) = block.split_at(2);
    let mut valid = head.ct_eq(&[0, 2]);

    // At least eight octets that are not zero, a zero, the message.
    let mut in_padding = Choice::from(1);
    let mut start = 0u32;
    for (next, octet) in (1u32..).zip(rest) {
        let zero = octet.ct_eq(&0);
        start.conditional_assign(&next, in_padding & zero);
        valid &= !(in_padding & zero & Choice::from(u8::from(next <= 8)));
        in_padding &= !zero;
    }
    message(rest, start, valid & !in_padding)
}

/// What follows the padding, if it was right.
fn message(padded: &[u8], start: u32, valid: Choice) -> Result<Zeroizing<Vec<u8>>, Error> {
    let start = usize::try_from(start).map_err(|_| Error::BadPadding)?;
    match padded.get(start..) {
        Some(message) if bool::from(valid) => Ok(Zeroizing::new(message.to_vec())),
        _ => Err(Error::BadPadding),
    }
}
