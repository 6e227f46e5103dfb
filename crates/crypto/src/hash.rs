//! Hash algorithms, at once and in pieces whose state can be saved. Part 1, 8.4.3; FIPS 180-4, FIPS 202
//! and GB/T 32905.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Error, HashAlg, backend};

/// The first octet of a [`HashState`].
const STATE_VERSION: u8 = 1;
/// Octets before the chaining words: version, algorithm, total length.
const STATE_HEADER: usize = 1 + 2 + 8;
/// The longest message: its length in bits has to fit in 64.
const MAX_TOTAL: u64 = u64::MAX / 8;

/// The longest digest, in octets.
pub const MAX_DIGEST: usize = 64;
/// The longest block, in octets: the rate of SHA3-256.
pub(crate) const MAX_BLOCK: usize = 136;
/// Octets in the longest chaining words: the lanes of SHA-3.
const MAX_WORDS: usize = 200;

/// The contents of the object identifier of an algorithm, for DER: without tag and length. RFC 8017, B.1; FIPS 202; GM/T 0006.
#[must_use]
pub const fn hash_oid(alg: HashAlg) -> &'static [u8] {
    match alg {
        HashAlg::Sha1 => &[0x2B, 0x0E, 0x03, 0x02, 0x1A],
        HashAlg::Sha256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
        HashAlg::Sha384 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
        HashAlg::Sha512 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
        // 1.2.156.10197.1.401: SM3 as such. OpenSSL signs with another in its place, that of the signature with RSA.
        HashAlg::Sm3_256 => &[0x2A, 0x81, 0x1C, 0xCF, 0x55, 0x01, 0x83, 0x11],
        HashAlg::Sha3_256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x08],
        HashAlg::Sha3_384 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x09],
        HashAlg::Sha3_512 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x0A],
    }
}

/// A digest, without a heap. It dereferences to its octets and is zeroised when dropped, since digests
/// also serve as keys.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Digest {
    bytes: [u8; MAX_DIGEST],
    len: usize,
}

impl Digest {
    fn zeroed(len: usize) -> Self {
        Self { bytes: [0; MAX_DIGEST], len: len.min(MAX_DIGEST) }
    }

    /// A digest or MAC of these octets, [`MAX_DIGEST`] of them at most.
    pub(crate) fn of(octets: &[u8]) -> Self {
        let mut digest = Self::zeroed(octets.len());
        digest.bytes[..digest.len].copy_from_slice(&octets[..digest.len]);
        digest
    }
}

impl Deref for Digest {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        crate::ct_eq(self, other)
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest([secret]; {})", self.len)
    }
}

/// The digest of the concatenation of `data`.
#[must_use]
pub fn hash(alg: HashAlg, data: &[&[u8]]) -> Digest {
    let mut hasher = Hasher::new(alg);
    for part in data {
        hasher.update(part);
    }
    hasher.finish()
}

/// A saved [`Hasher`], [`crate::hmac::Hmac`] or [`crate::cmac::Cmac`], zeroised when dropped. It may have come from outside:
/// importing it is what checks it.
///
/// The form of a hash is ours and versioned: one octet of version (1), the TPM_ALG_ID in two, the number
/// of octets hashed so far in eight, the chaining words (five or eight, of four or eight octets each; of
/// SHA-3 the 25 lanes), then the octets that wait for their block to fill. All numbers are big-endian, but
/// for the lanes, which lie in the octet order of FIPS 202.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct HashState(Vec<u8>);

impl HashState {
    /// Takes bytes that [`HashState::as_bytes`] once gave.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        core::mem::take(&mut self.0)
    }
}

impl fmt::Debug for HashState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashState([secret])")
    }
}

/// Chaining words.
#[derive(Clone, Zeroize)]
enum Words {
    Sha1([u32; 5]),
    Sha256([u32; 8]),
    Sha512([u64; 8]),
    Sm3([u32; 8]),
    Sha3([u64; 25]),
}

/// A digest in progress, zeroised when dropped.
#[derive(Clone)]
pub struct Hasher {
    alg: HashAlg,
    words: Words,
    total: u64,
    buffer: [u8; MAX_BLOCK],
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.words.zeroize();
        self.buffer.zeroize();
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({:?}, [secret])", self.alg)
    }
}

impl Hasher {
    /// Starts a digest. The initial words are those of FIPS 180-4, 5.3, and of GB/T 32905, 4.1.
    #[must_use]
    pub fn new(alg: HashAlg) -> Self {
        let words = match alg {
            HashAlg::Sha1 => Words::Sha1([0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]),
            HashAlg::Sha256 => Words::Sha256([
                0x6A09_E667,
                0xBB67_AE85,
                0x3C6E_F372,
                0xA54F_F53A,
                0x510E_527F,
                0x9B05_688C,
                0x1F83_D9AB,
                0x5BE0_CD19,
            ]),
            HashAlg::Sha384 => Words::Sha512([
                0xCBBB_9D5D_C105_9ED8,
                0x629A_292A_367C_D507,
                0x9159_015A_3070_DD17,
                0x152F_ECD8_F70E_5939,
                0x6733_2667_FFC0_0B31,
                0x8EB4_4A87_6858_1511,
                0xDB0C_2E0D_64F9_8FA7,
                0x47B5_481D_BEFA_4FA4,
            ]),
            HashAlg::Sha512 => Words::Sha512([
                0x6A09_E667_F3BC_C908,
                0xBB67_AE85_84CA_A73B,
                0x3C6E_F372_FE94_F82B,
                0xA54F_F53A_5F1D_36F1,
                0x510E_527F_ADE6_82D1,
                0x9B05_688C_2B3E_6C1F,
                0x1F83_D9AB_FB41_BD6B,
                0x5BE0_CD19_137E_2179,
            ]),
            HashAlg::Sm3_256 => Words::Sm3([
                0x7380_166F,
                0x4914_B2B9,
                0x1724_42D7,
                0xDA8A_0600,
                0xA96F_30BC,
                0x1631_38AA,
                0xE38D_EE4D,
                0xB0FB_0E4E,
            ]),
            HashAlg::Sha3_256 | HashAlg::Sha3_384 | HashAlg::Sha3_512 => Words::Sha3([0; 25]),
        };
        Self { alg, words, total: 0, buffer: [0; MAX_BLOCK] }
    }

    /// The hash algorithm.
    #[must_use]
    pub fn alg(&self) -> HashAlg {
        self.alg
    }

    /// Octets hashed so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Octets waiting in the buffer.
    fn buffered(&self) -> usize {
        // The remainder is below the size of a block.
        usize::try_from(self.total % self.alg.block_size() as u64).unwrap_or(0)
    }

    /// Adds `data` to the message.
    pub fn update(&mut self, mut data: &[u8]) {
        let size = self.alg.block_size();
        let held = self.buffered();
        self.total = self.total.saturating_add(data.len() as u64).min(MAX_TOTAL);
        if held > 0 {
            let (head, rest) = data.split_at(data.len().min(size - held));
            self.buffer[held..held + head.len()].copy_from_slice(head);
            if held + head.len() < size {
                return;
            }
            self.words.compress(&self.buffer[..size], size);
            data = rest;
        }
        let (blocks, tail) = data.split_at(data.len() - data.len() % size);
        self.words.compress(blocks, size);
        self.buffer[..tail.len()].copy_from_slice(tail);
    }

    /// Ends the message and gives its digest. FIPS 180-4, 5.1; FIPS 202, 5.1 and 6.1.
    #[must_use]
    pub fn finish(mut self) -> Digest {
        let size = self.alg.block_size();
        let bits = self.total.wrapping_mul(8).to_be_bytes();
        let held = self.buffered();
        let last = &mut self.buffer[..size];
        last[held..].fill(0);
        match self.words {
            // What waits, a one bit, zeros, and in the block after it if there is no room, the length (8 octets,
            // or 16 of which the upper 8 are zero).
            Words::Sha1(_) | Words::Sha256(_) | Words::Sha512(_) | Words::Sm3(_) => {
                last[held] = 0x80;
                if held + 1 + size / 8 > size {
                    self.words.compress(last, size);
                    last.fill(0);
                }
                last[size - 8..].copy_from_slice(&bits);
            }
            // One block: what waits, the bits 0 and 1 that make it a hash, a one bit, zeros, a one bit. The
            // lowest bit of an octet comes first.
            Words::Sha3(_) => {
                last[held] = 0x06;
                last[size - 1] |= 0x80;
            }
        }
        self.words.compress(last, size);
        let mut out = Digest::zeroed(self.alg.digest_size());
        self.words.write(&mut out.bytes);
        out.bytes[out.len..].zeroize();
        out
    }

    /// The state, to be continued with [`Hasher::import`].
    #[must_use]
    pub fn export(&self) -> HashState {
        let held = self.buffered();
        let mut words = Zeroizing::new([0u8; MAX_WORDS]);
        let size = self.words.write(&mut *words);
        let mut out = Vec::with_capacity(STATE_HEADER + size + held);
        out.push(STATE_VERSION);
        out.extend_from_slice(&self.alg.id().to_be_bytes());
        out.extend_from_slice(&self.total.to_be_bytes());
        out.extend_from_slice(&words[..size]);
        out.extend_from_slice(&self.buffer[..held]);
        HashState(out)
    }

    /// Continues from an exported state.
    ///
    /// # Errors
    /// [`Error::BadState`] if the version or algorithm is unknown, or the lengths do not agree.
    pub fn import(state: &HashState) -> Result<Self, Error> {
        let (&[version, a0, a1], rest) = state.0.split_first_chunk().ok_or(Error::BadState)?;
        let (total, rest) = rest.split_first_chunk().ok_or(Error::BadState)?;
        let id = u16::from_be_bytes([a0, a1]);
        let alg = HashAlg::ALL.into_iter().find(|alg| alg.id() == id);
        let mut hasher = Self::new(alg.ok_or(Error::BadState)?);
        hasher.total = u64::from_be_bytes(*total);
        let waiting = hasher.words.read(rest).ok_or(Error::BadState)?;
        let known = version == STATE_VERSION && hasher.total <= MAX_TOTAL;
        if !known || waiting.len() != hasher.buffered() {
            return Err(Error::BadState);
        }
        hasher.buffer[..waiting.len()].copy_from_slice(waiting);
        Ok(hasher)
    }
}

impl Words {
    /// Mixes in whole blocks of `size` octets.
    fn compress(&mut self, blocks: &[u8], size: usize) {
        match self {
            Self::Sha1(words) => backend::hash::compress_sha1(words, blocks.as_chunks().0),
            Self::Sha256(words) => backend::hash::compress_sha256(words, blocks.as_chunks().0),
            Self::Sha512(words) => backend::hash::compress_sha512(words, blocks.as_chunks().0),
            Self::Sm3(words) => backend::hash::compress_sm3(words, blocks.as_chunks().0),
            Self::Sha3(lanes) => {
                for block in blocks.chunks_exact(size) {
                    backend::hash::absorb_sha3(lanes, block.as_chunks().0);
                }
            }
        }
    }

    /// Writes the words in their octet order, as far as they fit, and says how many octets that is.
    fn write(&self, out: &mut [u8]) -> usize {
        fn put<const N: usize>(out: &mut [u8], words: impl Iterator<Item = [u8; N]>) -> usize {
            let mut size = 0;
            for (chunk, word) in out.chunks_exact_mut(N).zip(words) {
                chunk.copy_from_slice(&word);
                size += N;
            }
            size
        }
        match self {
            Self::Sha1(words) => put(out, words.iter().map(|word| word.to_be_bytes())),
            Self::Sha256(words) | Self::Sm3(words) => put(out, words.iter().map(|word| word.to_be_bytes())),
            Self::Sha512(words) => put(out, words.iter().map(|word| word.to_be_bytes())),
            Self::Sha3(lanes) => put(out, lanes.iter().map(|lane| lane.to_le_bytes())),
        }
    }

    /// Reads the words from the start of `bytes` and gives the rest; `None` if there are too few.
    fn read<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        fn take<'a, T, const N: usize>(
            words: &mut [T],
            bytes: &'a [u8],
            word: fn([u8; N]) -> T,
        ) -> Option<&'a [u8]> {
            let (mine, rest) = bytes.split_at_checked(words.len() * N)?;
            for (target, chunk) in words.iter_mut().zip(mine.as_chunks::<N>().0) {
                *target = word(*chunk);
            }
            Some(rest)
        }
        match self {
            Self::Sha1(words) => take(words, bytes, u32::from_be_bytes),
            Self::Sha256(words) | Self::Sm3(words) => take(words, bytes, u32::from_be_bytes),
            Self::Sha512(words) => take(words, bytes, u64::from_be_bytes),
            Self::Sha3(lanes) => take(lanes, bytes, u64::from_le_bytes),
        }
    }
}
