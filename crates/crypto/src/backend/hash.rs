//! Compression functions: SHA-1, SHA-256 and SM3 over 64-octet blocks, SHA-384 and SHA-512 over 128, SHA-3 over its rate.

use sm3::Sm3Core;
use sm3::digest::array::Array;
use sm3::digest::block_api::UpdateCore;
use sm3::digest::common::hazmat::{SerializableState, SerializedState};
use zeroize::Zeroize;

/// Mixes `blocks` into the SHA-1 chaining words.
pub(crate) fn compress_sha1(state: &mut [u32; 5], blocks: &[[u8; 64]]) {
    sha1::block_api::compress(state, blocks);
}

/// Mixes `blocks` into the SHA-256 chaining words.
pub(crate) fn compress_sha256(state: &mut [u32; 8], blocks: &[[u8; 64]]) {
    sha2::block_api::compress256(state, blocks);
}

/// Mixes `blocks` into the chaining words of SHA-384 and SHA-512.
pub(crate) fn compress_sha512(state: &mut [u64; 8], blocks: &[[u8; 128]]) {
    sha2::block_api::compress512(state, blocks);
}

/// Mixes `blocks` into the SM3 chaining words.
pub(crate) fn compress_sm3(state: &mut [u32; 8], blocks: &[[u8; 64]]) {
    // The crate gives its words away in its saved form only: eight of them, then the count of blocks, little-endian.
    // The known answers tell if that ever changes.
    let mut saved = SerializedState::<Sm3Core>::default();
    for (octets, word) in saved.chunks_exact_mut(4).zip(&*state) {
        octets.copy_from_slice(&word.to_le_bytes());
    }
    if let Ok(mut core) = Sm3Core::deserialize(&saved) {
        core.update_blocks(Array::cast_slice_from_core(blocks));
        saved = core.serialize();
    }
    for (word, octets) in state.iter_mut().zip(saved.as_chunks().0) {
        *word = u32::from_le_bytes(*octets);
    }
    saved.zeroize();
}

/// Absorbs one block, given as its lanes in their octet order, into the lanes of SHA-3.
pub(crate) fn absorb_sha3(lanes: &mut [u64; 25], block: &[[u8; 8]]) {
    for (lane, octets) in lanes.iter_mut().zip(block) {
        *lane ^= u64::from_le_bytes(*octets);
    }
    keccak::Keccak::new().with_f1600(|permute| permute(lanes));
}
