//! Key derivation functions. Part 1, 8.4.10; RFC 8017, B.2.1 for MGF1.

use alloc::vec;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::HashAlg;
use crate::hash::Hasher;
use crate::hmac::Hmac;

/// The octet that ends a label which does not end in zero itself.
fn terminator(label: &[u8]) -> &'static [u8] {
    if label.last() == Some(&0) { &[] } else { &[0] }
}

/// Clears the bits of the first octet that are above `bits`.
fn mask_top(out: &mut [u8], bits: u32) {
    let used = bits % 8;
    if used != 0
        && let Some(first) = out.first_mut()
    {
        *first &= 0xFF >> (8 - used);
    }
}

/// Fills `bits` bits with what `block` gives for the counters 1, 2, 3, ...
fn expand(bits: u32, mut block: impl FnMut(u32) -> crate::hash::Digest) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(vec![0u8; bits.div_ceil(8) as usize]);
    let mut counter = 0u32;
    let mut rest = &mut out[..];
    while !rest.is_empty() {
        counter = counter.wrapping_add(1);
        let digest = block(counter);
        let (now, later) = rest.split_at_mut(digest.len().min(rest.len()));
        now.copy_from_slice(&digest[..now.len()]);
        rest = later;
    }
    mask_top(&mut out, bits);
    out
}

/// KDFa: the counter-mode KDF of SP 800-108 with HMAC. `label` is given without its terminating zero (one
/// that has it already gets no second). The result has `bits.div_ceil(8)` octets, with the bits above
/// `bits` in the first octet clear. Part 1, 8.4.10.2.
#[must_use]
pub fn kdfa(
    hash: HashAlg,
    key: &[u8],
    label: &[u8],
    context_u: &[u8],
    context_v: &[u8],
    bits: u32,
) -> Zeroizing<Vec<u8>> {
    let keyed = Hmac::new(hash, key);
    expand(bits, |counter| {
        let mut mac = keyed.clone();
        mac.update(&counter.to_be_bytes());
        mac.update(label);
        mac.update(terminator(label));
        mac.update(context_u);
        mac.update(context_v);
        mac.update(&bits.to_be_bytes());
        mac.finish()
    })
}

/// KDFe: the one-step KDF of SP 800-56C with a hash, for ECDH. `label` as in [`kdfa`]; `z`, `party_u` and
/// `party_v` are x-coordinates padded to the size of the curve. Part 1, 8.4.10.3.
#[must_use]
pub fn kdfe(
    hash: HashAlg,
    z: &[u8],
    label: &[u8],
    party_u: &[u8],
    party_v: &[u8],
    bits: u32,
) -> Zeroizing<Vec<u8>> {
    expand(bits, |counter| {
        let mut hasher = Hasher::new(hash);
        hasher.update(&counter.to_be_bytes());
        hasher.update(z);
        hasher.update(label);
        hasher.update(terminator(label));
        hasher.update(party_u);
        hasher.update(party_v);
        hasher.finish()
    })
}

/// KDF2: the key derivation of SM2 encryption, a hash of the key and a counter. ISO/IEC 18033-2, 6.2.3;
/// GB/T 32918.4-2016, 5.4.3.
#[must_use]
pub fn kdf2(hash: HashAlg, key: &[&[u8]], bits: u32) -> Zeroizing<Vec<u8>> {
    let mut keyed = Hasher::new(hash);
    key.iter().for_each(|part| keyed.update(part));
    expand(bits, |counter| {
        let mut hasher = keyed.clone();
        hasher.update(&counter.to_be_bytes());
        hasher.finish()
    })
}

/// MGF1: combines `out` with the mask made from `seed` (exclusive or). RFC 8017, B.2.1.
pub fn mgf1_xor(hash: HashAlg, seed: &[u8], out: &mut [u8]) {
    let mut seeded = Hasher::new(hash);
    seeded.update(seed);
    for (counter, chunk) in (0u32..).zip(out.chunks_mut(hash.digest_size())) {
        let mut hasher = seeded.clone();
        hasher.update(&counter.to_be_bytes());
        let mask = hasher.finish();
        for (octet, mask) in chunk.iter_mut().zip(mask.iter()) {
            *octet ^= mask;
        }
    }
}
