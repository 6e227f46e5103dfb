//! Key derivation functions. Part 1, 8.4.10 and 25.4; RFC 8017, B.2.1 for MGF1.

use alloc::vec;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::hash::{Digest, Hasher};
use crate::hmac::Hmac;
use crate::{Error, HashAlg, Rng};

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
fn expand(bits: u32, block: impl FnMut(u32) -> crate::hash::Digest) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(vec![0u8; bits.div_ceil(8) as usize]);
    fill(&mut out, block);
    mask_top(&mut out, bits);
    out
}

/// Fills octets in the same way.
fn fill(out: &mut [u8], mut block: impl FnMut(u32) -> crate::hash::Digest) {
    let mut counter = 0u32;
    let mut rest = out;
    while !rest.is_empty() {
        counter = counter.wrapping_add(1);
        let digest = block(counter);
        let (now, later) = rest.split_at_mut(digest.len().min(rest.len()));
        now.copy_from_slice(&digest[..now.len()]);
        rest = later;
    }
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
    expand(bits, |counter| kdfa_block(&keyed, counter, label, context_u, context_v, bits))
}

/// KDFa into octets that the caller has, with an HMAC that has its key and no message yet.
///
/// # Errors
/// [`Error::BadSize`] if `out` has 2^32 bits or more.
pub fn kdfa_fill(
    keyed: &Hmac,
    label: &[u8],
    context_u: &[u8],
    context_v: &[u8],
    out: &mut [u8],
) -> Result<(), Error> {
    let bits = out.len().checked_mul(8).and_then(|bits| u32::try_from(bits).ok()).ok_or(Error::BadSize)?;
    fill(out, |counter| kdfa_block(keyed, counter, label, context_u, context_v, bits));
    Ok(())
}

fn kdfa_block(
    keyed: &Hmac,
    counter: u32,
    label: &[u8],
    context_u: &[u8],
    context_v: &[u8],
    bits: u32,
) -> Digest {
    let mut mac = keyed.clone();
    mac.update(&counter.to_be_bytes());
    mac.update(label);
    mac.update(terminator(label));
    mac.update(context_u);
    mac.update(context_v);
    mac.update(&bits.to_be_bytes());
    mac.finish()
}

/// The bits that the KDFa behind a [`KdfaStream`] is asked for. `TPM_MAX_DERIVATION_BITS`.
const DERIVATION_BITS: u32 = 8192;

/// The octets of one KDFa over `DERIVATION_BITS` bits, handed out one after the other, none skipped: what derived objects are made of.
/// It goes on with the next counters beyond that number, which takes more draws than any key needs. Part 1, 25.4.
#[derive(Clone)]
pub struct KdfaStream {
    keyed: Hmac,
    label: Zeroizing<Vec<u8>>,
    context: Zeroizing<Vec<u8>>,
    counter: u32,
    block: Zeroizing<Vec<u8>>,
    used: usize,
}

impl KdfaStream {
    /// The stream of a key, a label and a context. `label` as in [`kdfa`].
    #[must_use]
    pub fn new(hash: HashAlg, key: &[u8], label: &[u8], context: &[u8]) -> Self {
        Self {
            keyed: Hmac::new(hash, key),
            label: Zeroizing::new(label.to_vec()),
            context: Zeroizing::new(context.to_vec()),
            counter: 0,
            block: Zeroizing::default(),
            used: 0,
        }
    }

    fn next_block(&mut self) -> Digest {
        self.counter = self.counter.wrapping_add(1);
        let mut mac = self.keyed.clone();
        mac.update(&self.counter.to_be_bytes());
        mac.update(&self.label);
        mac.update(terminator(&self.label));
        mac.update(&self.context);
        mac.update(&DERIVATION_BITS.to_be_bytes());
        mac.finish()
    }
}

impl Rng for KdfaStream {
    fn fill(&mut self, out: &mut [u8]) {
        for octet in out {
            if self.used == self.block.len() {
                self.block = Zeroizing::new(self.next_block().to_vec());
                self.used = 0;
            }
            *octet = self.block[self.used];
            self.used += 1;
        }
    }
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
