//! RSASSA-PKCS1-v1_5 and RSASSA-PSS. RFC 8017, 8; Part 1, 43.6 and 43.7.

use alloc::vec;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::{RsaPrivate, RsaPublic};
use crate::hash::{hash, hash_oid};
use crate::kdf::mgf1_xor;
use crate::{Error, HashAlg, Rng};

/// The DER of a DigestInfo up to the digest: the algorithm and NULL, then the head of an OCTET STRING. RFC 8017, 9.2, note 1; Part 1, 43.6.
fn digest_info(alg: HashAlg) -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    const OID: u8 = 0x06;
    const NULL: [u8; 2] = [0x05, 0];
    const OCTET_STRING: u8 = 0x04;
    // Identifiers and digests are so short that every length is one octet.
    let length = |octets: usize| u8::try_from(octets).unwrap_or(0);
    let (oid, digest) = (hash_oid(alg), alg.digest_size());
    let algorithm = 2 + oid.len() + NULL.len();
    let mut info = vec![SEQUENCE, length(2 + algorithm + 2 + digest), SEQUENCE, length(algorithm)];
    info.extend([OID, length(oid.len())]);
    info.extend(oid);
    info.extend(NULL);
    info.extend([OCTET_STRING, length(digest)]);
    info
}

/// EMSA-PKCS1-v1_5. RFC 8017, 9.2.
fn pkcs1_encode(size: usize, alg: Option<HashAlg>, digest: &[u8]) -> Result<Vec<u8>, Error> {
    let info = match alg {
        Some(alg) if digest.len() != alg.digest_size() => return Err(Error::BadSize),
        Some(alg) => digest_info(alg),
        None => Vec::new(),
    };
    let content = info.len() + digest.len();
    if size < content + 11 {
        return Err(Error::BadSize);
    }
    let mut block = vec![0xFF; size];
    block[0] = 0;
    block[1] = 1;
    let (padding, rest) = block.split_at_mut(size - content);
    padding[size - content - 1] = 0;
    rest[..info.len()].copy_from_slice(&info);
    rest[info.len()..].copy_from_slice(digest);
    Ok(block)
}

/// RSASSA-PKCS1-v1_5 over a digest. With no algorithm (TPM_ALG_NULL) the octets are signed as they are,
/// without a DigestInfo. RFC 8017, 8.2.1.
///
/// # Errors
/// - [`Error::BadSize`] if the digest is not of the algorithm's size, or does not fit the key.
/// - [`Error::Fault`] as for [`RsaPrivate::raw`].
pub fn pkcs1_sign(
    key: &RsaPrivate,
    alg: Option<HashAlg>,
    digest: &[u8],
    rng: &mut dyn Rng,
) -> Result<Vec<u8>, Error> {
    let block = pkcs1_encode(key.public().size(), alg, digest)?;
    // A signature is public.
    Ok(key.raw(&block, rng)?.to_vec())
}

/// Verifies what [`pkcs1_sign`] made, by comparing whole blocks. RFC 8017, 8.2.2.
///
/// # Errors
/// - [`Error::BadSize`] if the digest is not of the algorithm's size, or does not fit the key.
/// - [`Error::BadSignature`] if the signature does not verify, whatever the reason.
pub fn pkcs1_verify(
    key: &RsaPublic,
    alg: Option<HashAlg>,
    digest: &[u8],
    signature: &[u8],
) -> Result<(), Error> {
    let expected = pkcs1_encode(key.size(), alg, digest)?;
    let block = key.raw(signature).map_err(|_| Error::BadSignature)?;
    if crate::ct_eq(&block, &expected) { Ok(()) } else { Err(Error::BadSignature) }
}

/// H(eight zeros, digest, salt): the hash that PSS signs.
fn pss_hash(alg: HashAlg, digest: &[u8], salt: &[u8]) -> crate::hash::Digest {
    hash(alg, &[&[0; 8], digest, salt])
}

/// RSASSA-PSS over a digest, with a salt as long as the digest, or as long as fits if that is less. RFC 8017,
/// 8.1.1; Part 1, 43.7; FIPS 186-5, 5.4.
///
/// # Errors
/// - [`Error::BadSize`] if the digest is not of the algorithm's size, or does not fit the key.
/// - [`Error::Fault`] as for [`RsaPrivate::raw`].
pub fn pss_sign(key: &RsaPrivate, alg: HashAlg, digest: &[u8], rng: &mut dyn Rng) -> Result<Vec<u8>, Error> {
    let (size, len) = (key.public().size(), alg.digest_size());
    let room = size.checked_sub(len + 2).ok_or(Error::BadSize)?;
    if digest.len() != len {
        return Err(Error::BadSize);
    }
    let mut salt = Zeroizing::new(vec![0; len.min(room)]);
    rng.fill(&mut salt);
    let mut block = vec![0; size];
    let (data, tail) = block.split_at_mut(size - len - 1);
    let (padding, end) = data.split_at_mut(data.len() - salt.len());
    if let Some(last) = padding.last_mut() {
        *last = 1;
    }
    end.copy_from_slice(&salt);
    tail[..len].copy_from_slice(&pss_hash(alg, digest, &salt));
    tail[len] = 0xBC;
    mgf1_xor(alg, &tail[..len], data);
    // The modulus has a whole number of octets, so the encoded message is one bit shorter than the block.
    data[0] &= 0x7F;
    Ok(key.raw(&block, rng)?.to_vec())
}

/// Verifies an RSASSA-PSS signature with a salt of any length: earlier TPMs used the longest that fits.
/// RFC 8017, 8.1.2; Part 1, 43.7.
///
/// # Errors
/// - [`Error::BadSize`] if the digest is not of the algorithm's size, or does not fit the key.
/// - [`Error::BadSignature`] if the signature does not verify, whatever the reason.
pub fn pss_verify(key: &RsaPublic, alg: HashAlg, digest: &[u8], signature: &[u8]) -> Result<(), Error> {
    let (size, len) = (key.size(), alg.digest_size());
    if digest.len() != len || size < len + 2 {
        return Err(Error::BadSize);
    }
    let mut block = key.raw(signature).map_err(|_| Error::BadSignature)?;
    let (data, tail) = block.split_at_mut(size - len - 1);
    let (signed, trailer) = tail.split_at(len);
    if data[0] & 0x80 != 0 || trailer != [0xBC] {
        return Err(Error::BadSignature);
    }
    mgf1_xor(alg, signed, data);
    data[0] &= 0x7F;
    let padding = data.iter().take_while(|octet| **octet == 0).count();
    match data[padding..].split_first() {
        Some((1, salt)) if crate::ct_eq(signed, &pss_hash(alg, digest, salt)) => Ok(()),
        _ => Err(Error::BadSignature),
    }
}
