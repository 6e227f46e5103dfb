//! HMAC, at once and in pieces that can be saved. Part 1, 8.4.4; FIPS 198-1.

use alloc::vec::Vec;

use zeroize::{Zeroize, Zeroizing};

use crate::hash::{Digest, HashState, Hasher};
use crate::{Error, HashAlg};

const MAX_BLOCK: usize = crate::hash::MAX_BLOCK;

/// HMAC with `alg` over the concatenation of `data`.
#[must_use]
pub fn hmac(alg: HashAlg, key: &[u8], data: &[&[u8]]) -> Digest {
    let mut mac = Hmac::new(alg, key);
    for part in data {
        mac.update(part);
    }
    mac.finish()
}

/// An HMAC in progress.
#[derive(Clone)]
pub struct Hmac {
    inner: Hasher,
    outer: Hasher,
}

impl core::fmt::Debug for Hmac {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Hmac({:?}, [secret])", self.inner.alg())
    }
}

impl Hmac {
    /// Starts an HMAC. A key longer than a block of `alg` is hashed first.
    #[must_use]
    pub fn new(alg: HashAlg, key: &[u8]) -> Self {
        Self::of_parts(alg, &[key])
    }

    /// The same with a key in parts, which are one behind the other.
    #[must_use]
    pub fn of_parts(alg: HashAlg, key: &[&[u8]]) -> Self {
        let mut block = Zeroizing::new([0u8; MAX_BLOCK]);
        let size = alg.block_size();
        if key.iter().map(|part| part.len()).sum::<usize>() > size {
            let digest = crate::hash::hash(alg, key);
            block[..digest.len()].copy_from_slice(&digest);
        } else {
            let mut rest = &mut block[..];
            for part in key {
                let (now, later) = rest.split_at_mut(part.len());
                now.copy_from_slice(part);
                rest = later;
            }
        }
        let mut start = |pad: u8| {
            let mut hasher = Hasher::new(alg);
            block.iter_mut().for_each(|octet| *octet ^= pad);
            hasher.update(&block[..size]);
            hasher
        };
        let inner = start(0x36);
        // The first pass left the inner pad in the block; the second removes it.
        let outer = start(0x36 ^ 0x5C);
        Self { inner, outer }
    }

    /// The hash algorithm.
    #[must_use]
    pub fn alg(&self) -> HashAlg {
        self.inner.alg()
    }

    /// Adds `data` to the message.
    pub fn update(&mut self, data: &[u8]) {
        self.inner.update(data);
    }

    /// Ends the message and gives the HMAC.
    #[must_use]
    pub fn finish(mut self) -> Digest {
        let digest = self.inner.finish();
        self.outer.update(&digest);
        self.outer.finish()
    }

    /// The state, to be continued with [`Hmac::import`]. It is as secret as the key.
    ///
    /// The inner hash's state as [`Hasher::export`] writes it, preceded by its length in two octets, then
    /// the outer one's.
    #[must_use]
    pub fn export(&self) -> HashState {
        let mut inner = self.inner.export().into_bytes();
        let mut outer = self.outer.export().into_bytes();
        let mut out = Vec::with_capacity(2 + inner.len() + outer.len());
        // A hash state has at most 346 octets.
        out.extend_from_slice(&u16::try_from(inner.len()).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&inner);
        out.extend_from_slice(&outer);
        inner.zeroize();
        outer.zeroize();
        HashState::from_bytes(out)
    }

    /// Continues from an exported state.
    ///
    /// # Errors
    /// [`Error::BadState`] if the state is not one that [`Hmac::export`] can have written.
    pub fn import(state: &HashState) -> Result<Self, Error> {
        let bytes = state.as_bytes();
        let (len, rest) = bytes.split_first_chunk::<2>().ok_or(Error::BadState)?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (inner, outer) = rest.split_at_checked(len).ok_or(Error::BadState)?;
        let inner = Hasher::import(&HashState::from_bytes(inner.to_vec()))?;
        let outer = Hasher::import(&HashState::from_bytes(outer.to_vec()))?;
        // The outer hash has seen the padded key and nothing else; the inner one at least that.
        let block = inner.alg().block_size() as u64;
        if inner.alg() != outer.alg() || outer.total() != block || inner.total() < block {
            return Err(Error::BadState);
        }
        Ok(Self { inner, outer })
    }
}
