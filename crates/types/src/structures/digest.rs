//! TPMT_HA: a digest that says by which algorithm it was made. Part 2, 10.2.

use crate::{
    Fmt1, HashAlg,
    alg::id,
    derive::{Marshal, Unmarshal},
    rc,
};

/// TPMT_HA. `None` is TPM_ALG_NULL without a digest. Part 2, 10.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(tag = u16, error = HASH, null = id::NULL, gate = algorithm)]
pub enum TpmtHa {
    /// A SHA-1 digest.
    #[tpm(tag = id::SHA1)]
    Sha1([u8; 20]),
    /// A SHA-256 digest.
    #[tpm(tag = id::SHA256)]
    Sha256([u8; 32]),
    /// A SHA-384 digest.
    #[tpm(tag = id::SHA384)]
    Sha384([u8; 48]),
    /// A SHA-512 digest.
    #[tpm(tag = id::SHA512)]
    Sha512([u8; 64]),
    /// An SM3 digest.
    #[tpm(tag = id::SM3_256)]
    Sm3_256([u8; 32]),
    /// A SHA3-256 digest.
    #[tpm(tag = id::SHA3_256)]
    Sha3_256([u8; 32]),
    /// A SHA3-384 digest.
    #[tpm(tag = id::SHA3_384)]
    Sha3_384([u8; 48]),
    /// A SHA3-512 digest.
    #[tpm(tag = id::SHA3_512)]
    Sha3_512([u8; 64]),
}

impl TpmtHa {
    /// The digest `digest` of `hash_alg`.
    ///
    /// # Errors
    /// `SIZE` if that is not the size of the algorithm's digest.
    pub fn new(hash_alg: HashAlg, digest: &[u8]) -> Result<Self, Fmt1> {
        match hash_alg {
            HashAlg::Sha1 => digest.try_into().map(Self::Sha1),
            HashAlg::Sha256 => digest.try_into().map(Self::Sha256),
            HashAlg::Sha384 => digest.try_into().map(Self::Sha384),
            HashAlg::Sha512 => digest.try_into().map(Self::Sha512),
            HashAlg::Sm3_256 => digest.try_into().map(Self::Sm3_256),
            HashAlg::Sha3_256 => digest.try_into().map(Self::Sha3_256),
            HashAlg::Sha3_384 => digest.try_into().map(Self::Sha3_384),
            HashAlg::Sha3_512 => digest.try_into().map(Self::Sha3_512),
        }
        .map_err(|_| rc::SIZE)
    }

    /// The algorithm.
    #[must_use]
    pub const fn hash_alg(&self) -> HashAlg {
        match self {
            Self::Sha1(_) => HashAlg::Sha1,
            Self::Sha256(_) => HashAlg::Sha256,
            Self::Sha384(_) => HashAlg::Sha384,
            Self::Sha512(_) => HashAlg::Sha512,
            Self::Sm3_256(_) => HashAlg::Sm3_256,
            Self::Sha3_256(_) => HashAlg::Sha3_256,
            Self::Sha3_384(_) => HashAlg::Sha3_384,
            Self::Sha3_512(_) => HashAlg::Sha3_512,
        }
    }

    /// The digest alone.
    #[must_use]
    pub const fn digest(&self) -> &[u8] {
        match self {
            Self::Sha1(digest) => digest,
            Self::Sha256(digest) | Self::Sm3_256(digest) | Self::Sha3_256(digest) => digest,
            Self::Sha384(digest) | Self::Sha3_384(digest) => digest,
            Self::Sha512(digest) | Self::Sha3_512(digest) => digest,
        }
    }
}
