//! The generator: CTR_DRBG with AES-256 and the derivation function. SP 800-90A, 10.2.1; Part 1, 8.4.11.
//!
//! One algorithm serves two ends. With entropy it is the TPM's source of randomness; seeded with nothing but
//! a hierarchy's seed and a template ([`crate::derive::seeded`]) it is the endless octet stream from which a
//! primary object is made. CTR_DRBG was chosen over HMAC_DRBG because an RSA key search draws some 90 KiB.

use alloc::vec::Vec;
use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::backend::block::Aes256Key;
use crate::{Error, Rng};

/// Octets of key and counter together: SP 800-90A's seedlen.
const SEED_LEN: usize = 48;
/// The fewest octets of entropy that give the security strength of 256 bits.
pub const MIN_ENTROPY: usize = 32;
/// The most octets one request may ask for (2^19 bits). [`Rng::fill`] splits larger ones.
pub const MAX_REQUEST: usize = 1 << 16;
/// Requests after which [`Drbg::generate`] wants entropy. SP 800-90A allows 2^48; this leaves a margin that
/// [`Rng::fill`], which cannot refuse, does not use up in years.
pub const RESEED_INTERVAL: u64 = 1 << 32;
/// The first octet of an exported state.
const STATE_VERSION: u8 = 1;
const STATE_LEN: usize = 1 + SEED_LEN + 8;

/// A CTR_DRBG, zeroised when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Drbg {
    key: [u8; 32],
    v: [u8; 16],
    reseed_counter: u64,
}

impl fmt::Debug for Drbg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drbg([secret])")
    }
}

impl Drbg {
    /// Instantiates the generator. SP 800-90A, 10.2.1.3.2.
    ///
    /// # Errors
    /// [`Error::BadSize`] if `entropy` has fewer than [`MIN_ENTROPY`] octets.
    pub fn instantiate(entropy: &[u8], nonce: &[u8], personalization: &[u8]) -> Result<Self, Error> {
        if entropy.len() < MIN_ENTROPY {
            return Err(Error::BadSize);
        }
        Ok(Self::from_seed_material(&[entropy, nonce, personalization]))
    }

    /// Instantiates from parts whose sufficiency the caller answers for.
    pub(crate) fn from_seed_material(parts: &[&[u8]]) -> Self {
        let mut drbg = Self { key: [0; 32], v: [0; 16], reseed_counter: 1 };
        drbg.update(&derivation_function(parts));
        drbg
    }

    /// Mixes in fresh entropy, with whatever else the caller has, and starts the interval anew. SP 800-90A,
    /// 10.2.1.4.2.
    ///
    /// # Errors
    /// [`Error::BadSize`] if `entropy` has fewer than [`MIN_ENTROPY`] octets; the state is unchanged.
    pub fn reseed(&mut self, entropy: &[u8], additional: &[u8]) -> Result<(), Error> {
        if entropy.len() < MIN_ENTROPY {
            return Err(Error::BadSize);
        }
        self.update(&derivation_function(&[entropy, additional]));
        self.reseed_counter = 1;
        Ok(())
    }

    /// Whether [`Drbg::generate`] would ask for a reseed.
    #[must_use]
    pub fn reseed_due(&self) -> bool {
        self.reseed_counter > RESEED_INTERVAL
    }

    /// One request: overwrites `out` and moves the state on, so that it does not tell what was given.
    /// SP 800-90A, 10.2.1.5.2.
    ///
    /// # Errors
    /// - [`Error::BadSize`] if `out` is longer than [`MAX_REQUEST`].
    /// - [`Error::ReseedRequired`] after [`RESEED_INTERVAL`] requests.
    pub fn generate(&mut self, out: &mut [u8], additional: &[u8]) -> Result<(), Error> {
        if out.len() > MAX_REQUEST {
            return Err(Error::BadSize);
        }
        if self.reseed_due() {
            return Err(Error::ReseedRequired);
        }
        self.request(out, additional);
        Ok(())
    }

    fn request(&mut self, out: &mut [u8], additional: &[u8]) {
        let mut mixed = Zeroizing::new([0u8; SEED_LEN]);
        if !additional.is_empty() {
            mixed = derivation_function(&[additional]);
            self.update(&mixed);
        }
        let cipher = Aes256Key::new(&self.key);
        self.keystream(&cipher, out);
        self.update_with(&cipher, &mixed);
        self.reseed_counter = self.reseed_counter.saturating_add(1);
    }

    /// Encrypts the counter, under the key, once for every 16 octets of `out`.
    fn keystream(&mut self, cipher: &Aes256Key, out: &mut [u8]) {
        let mut counter = u128::from_be_bytes(self.v);
        // Eight blocks at a time keep a pipelined AES busy.
        let mut blocks = Zeroizing::new([[0u8; 16]; 8]);
        for chunk in out.chunks_mut(8 * 16) {
            let used = &mut blocks[..chunk.len().div_ceil(16)];
            for block in used.iter_mut() {
                counter = counter.wrapping_add(1);
                *block = counter.to_be_bytes();
            }
            cipher.encrypt_blocks(used);
            chunk.copy_from_slice(&used.as_flattened()[..chunk.len()]);
        }
        self.v = counter.to_be_bytes();
    }

    /// SP 800-90A, 10.2.1.2.
    fn update(&mut self, provided: &[u8; SEED_LEN]) {
        self.update_with(&Aes256Key::new(&self.key), provided);
    }

    /// The same, with the key already expanded.
    fn update_with(&mut self, cipher: &Aes256Key, provided: &[u8; SEED_LEN]) {
        let mut temp = Zeroizing::new([0u8; SEED_LEN]);
        self.keystream(cipher, &mut temp[..]);
        for (octet, mask) in temp.iter_mut().zip(provided) {
            *octet ^= mask;
        }
        let (key, v) = temp.split_at(32);
        self.key.copy_from_slice(key);
        self.v.copy_from_slice(v);
    }

    /// The state, as secret as what will be generated: version (1), key, V, and the reseed counter
    /// big-endian.
    #[must_use]
    pub fn export(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(STATE_LEN));
        out.push(STATE_VERSION);
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&self.v);
        out.extend_from_slice(&self.reseed_counter.to_be_bytes());
        out
    }

    /// Continues from an exported state. A state that can have been restored twice, as after a virtual
    /// machine's snapshot, must be reseeded before use.
    ///
    /// # Errors
    /// [`Error::BadState`] if the state is not one that [`Drbg::export`] can have written.
    pub fn import(state: &[u8]) -> Result<Self, Error> {
        let state: &[u8; STATE_LEN] = state.try_into().map_err(|_| Error::BadState)?;
        let (&[version], rest) = state.split_first_chunk().ok_or(Error::BadState)?;
        let (key, rest) = rest.split_first_chunk().ok_or(Error::BadState)?;
        let (v, rest) = rest.split_first_chunk().ok_or(Error::BadState)?;
        let counter = rest.try_into().map_err(|_| Error::BadState)?;
        let reseed_counter = u64::from_be_bytes(counter);
        if version != STATE_VERSION || reseed_counter == 0 {
            return Err(Error::BadState);
        }
        Ok(Self { key: *key, v: *v, reseed_counter })
    }
}

impl Rng for Drbg {
    /// One request for every [`MAX_REQUEST`] octets, or part of them. It does not refuse when a reseed is
    /// due: the owner asks [`Drbg::reseed_due`] between commands.
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(MAX_REQUEST) {
            self.request(chunk, &[]);
        }
    }
}

/// Block_Cipher_df with AES-256 for 48 octets. SP 800-90A, 10.3.2.
fn derivation_function(parts: &[&[u8]]) -> Zeroizing<[u8; SEED_LEN]> {
    const KEY: [u8; 32] = {
        let mut key = [0; 32];
        let mut i = 0u8;
        while i < 32 {
            key[i as usize] = i;
            i += 1;
        }
        key
    };
    let total: usize = parts.iter().map(|part| part.len()).sum();
    let mut input = Zeroizing::new(Vec::with_capacity(total + 32));
    // Seeds are at most a few hundred octets; the length field takes 32 bits.
    input.extend_from_slice(&u32::try_from(total).unwrap_or(u32::MAX).to_be_bytes());
    input.extend_from_slice(&[0, 0, 0, 48]);
    for part in parts {
        input.extend_from_slice(part);
    }
    input.push(0x80);
    let padded = input.len().next_multiple_of(16);
    input.resize(padded, 0);

    let mut temp = Zeroizing::new([0u8; SEED_LEN]);
    let cipher = Aes256Key::new(&KEY);
    for (counter, chunk) in (0u32..).zip(temp.chunks_exact_mut(16)) {
        let mut chain = Zeroizing::new([[0u8; 16]]);
        chain[0][..4].copy_from_slice(&counter.to_be_bytes());
        cipher.encrypt_blocks(&mut chain[..]);
        for block in input.chunks_exact(16) {
            for (octet, input) in chain[0].iter_mut().zip(block) {
                *octet ^= input;
            }
            cipher.encrypt_blocks(&mut chain[..]);
        }
        chunk.copy_from_slice(&chain[0]);
    }

    let mut key = Zeroizing::new([0u8; 32]);
    key.copy_from_slice(&temp[..32]);
    let mut x = Zeroizing::new([[0u8; 16]]);
    x[0].copy_from_slice(&temp[32..]);
    let cipher = Aes256Key::new(&key);
    for chunk in temp.chunks_exact_mut(16) {
        cipher.encrypt_blocks(&mut x[..]);
        chunk.copy_from_slice(&x[0]);
    }
    temp
}
