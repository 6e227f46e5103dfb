//! CMAC, in pieces that can be saved. Part 1, 8.4.2; SP 800-38B.

use alloc::vec::Vec;
use core::fmt;

use sigillo_types::alg::BlockCipher;
use sigillo_types::{Marshal, Reader, Unmarshal};
use zeroize::{Zeroize, Zeroizing};

use crate::Error;
use crate::hash::{Digest, HashState};
use crate::sym::{Cipher, MAX_BLOCK};

/// The first octet of an exported state.
const STATE_VERSION: u8 = 1;

/// A CMAC in progress, zeroised when dropped.
#[derive(Clone)]
pub struct Cmac {
    cipher: BlockCipher,
    key: Zeroizing<Vec<u8>>,
    /// The encryption of what was taken in so far.
    chain: [u8; MAX_BLOCK],
    /// What waits: the last block, whole or not, is treated unlike the others.
    waiting: [u8; MAX_BLOCK],
    held: usize,
}

impl Drop for Cmac {
    fn drop(&mut self) {
        self.chain.zeroize();
        self.waiting.zeroize();
    }
}

impl fmt::Debug for Cmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cmac({:?}, [secret])", self.cipher)
    }
}

/// Twice a number of the field GF(2^b), b being the bits of a block: a subkey from the one before. SP 800-38B, 6.1.
fn double(block: &mut [u8]) {
    let reduction = if block.len() == 8 { 0x1B } else { 0x87 };
    let mut carry = 0;
    for octet in block.iter_mut().rev() {
        let out = *octet >> 7;
        *octet = *octet << 1 | carry;
        carry = out;
    }
    if let Some(last) = block.last_mut() {
        *last ^= reduction & 0u8.wrapping_sub(carry);
    }
}

/// One step of the chain.
fn absorb(cipher: &Cipher, chain: &mut [u8], block: &[u8]) {
    for (octet, data) in chain.iter_mut().zip(block) {
        *octet ^= data;
    }
    cipher.encrypt_block(chain);
}

impl Cmac {
    /// Starts a CMAC.
    ///
    /// # Errors
    /// [`Error::BadSize`] if the key does not have the size that the cipher asks for.
    pub fn new(cipher: BlockCipher, key: &[u8]) -> Result<Self, Error> {
        Cipher::new(cipher, key)?;
        let key = Zeroizing::new(key.to_vec());
        Ok(Self { cipher, key, chain: [0; MAX_BLOCK], waiting: [0; MAX_BLOCK], held: 0 })
    }

    /// Adds `data` to the message.
    ///
    /// # Errors
    /// None for a key that [`Cmac::new`] has taken.
    pub fn update(&mut self, mut data: &[u8]) -> Result<(), Error> {
        let size = self.cipher.block_size();
        let (head, rest) = data.split_at(data.len().min(size - self.held));
        self.waiting[self.held..self.held + head.len()].copy_from_slice(head);
        self.held += head.len();
        if rest.is_empty() {
            return Ok(());
        }
        data = rest;
        // Another block follows, so the one that waits is not the last.
        let cipher = Cipher::new(self.cipher, &self.key)?;
        let chain = &mut self.chain[..size];
        absorb(&cipher, chain, &self.waiting[..size]);
        let last = (data.len() - 1) / size * size;
        for block in data[..last].chunks_exact(size) {
            absorb(&cipher, chain, block);
        }
        data = &data[last..];
        self.waiting[..data.len()].copy_from_slice(data);
        self.held = data.len();
        Ok(())
    }

    /// Ends the message and gives the MAC, a block long.
    ///
    /// # Errors
    /// None for a key that [`Cmac::new`] has taken.
    pub fn finish(mut self) -> Result<Digest, Error> {
        let size = self.cipher.block_size();
        let cipher = Cipher::new(self.cipher, &self.key)?;
        let mut subkey = Zeroizing::new([0; MAX_BLOCK]);
        let subkey = &mut subkey[..size];
        cipher.encrypt_block(subkey);
        double(subkey);
        if self.held < size {
            double(subkey);
            self.waiting[self.held..].fill(0);
            self.waiting[self.held] = 0x80;
        }
        let chain = &mut self.chain[..size];
        for (octet, subkey) in chain.iter_mut().zip(&*subkey) {
            *octet ^= subkey;
        }
        absorb(&cipher, chain, &self.waiting[..size]);
        Ok(Digest::of(chain))
    }

    /// The state, to be continued with [`Cmac::import`]. It holds the key.
    ///
    /// One octet of version (1), the TPM_ALG_ID and the key size in bits in two each, the key, one block of chain, then the octets that
    /// wait: none at the start of the message only.
    #[must_use]
    pub fn export(&self) -> HashState {
        let size = self.cipher.block_size();
        let mut out = Vec::with_capacity(5 + self.key.len() + size + self.held);
        out.push(STATE_VERSION);
        self.cipher.marshal(&mut out);
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&self.chain[..size]);
        out.extend_from_slice(&self.waiting[..self.held]);
        HashState::from_bytes(out)
    }

    /// Continues from an exported state.
    ///
    /// # Errors
    /// [`Error::BadState`] if the state is not one that [`Cmac::export`] can have written.
    pub fn import(state: &HashState) -> Result<Self, Error> {
        let mut r = Reader::new(state.as_bytes());
        let read = |_| Error::BadState;
        if u8::unmarshal(&mut r).map_err(read)? != STATE_VERSION {
            return Err(Error::BadState);
        }
        let cipher = BlockCipher::unmarshal(&mut r).map_err(read)?;
        let size = cipher.block_size();
        let mut mac = Self::new(cipher, r.take(cipher.key_size()).map_err(read)?)?;
        mac.chain[..size].copy_from_slice(r.take(size).map_err(read)?);
        let waiting = r.rest();
        if waiting.len() > size || waiting.is_empty() && mac.chain != [0; MAX_BLOCK] {
            return Err(Error::BadState);
        }
        mac.waiting[..waiting.len()].copy_from_slice(waiting);
        mac.held = waiting.len();
        Ok(mac)
    }
}
