//! Compression functions: SHA-1 and SHA-256 over 64-octet blocks, SHA-384 and SHA-512 over 128.

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
