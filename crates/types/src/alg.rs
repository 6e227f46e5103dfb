//! Algorithm identifiers and the interface types over them. Part 2, 6.3, 6.4 and 9.27 to 9.37.

use crate::derive::{Marshal, Unmarshal};

/// TPMI_ALG_HASH. `Option<HashAlg>` is `TPMI_ALG_HASH+`. Part 2, 9.27.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = HASH, null = 0x0010)]
pub enum HashAlg {
    /// TPM_ALG_SHA1.
    Sha1 = 0x0004,
    /// TPM_ALG_SHA256.
    Sha256 = 0x000B,
    /// TPM_ALG_SHA384.
    Sha384 = 0x000C,
    /// TPM_ALG_SHA512.
    Sha512 = 0x000D,
}

impl HashAlg {
    /// Every hash algorithm this crate knows, in the order of their identifiers.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The TPM_ALG_ID.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// Bytes in a digest.
    #[must_use]
    pub const fn digest_size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Bytes in an input block.
    #[must_use]
    pub const fn block_size(self) -> usize {
        match self {
            Self::Sha1 | Self::Sha256 => 64,
            Self::Sha384 | Self::Sha512 => 128,
        }
    }
}

/// TPMI_ECC_CURVE. `Option<EccCurve>` is `TPMI_ECC_CURVE+`. Part 2, 6.4 and 11.2.5.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Marshal, Unmarshal)]
#[tpm(repr = u16, error = CURVE, null = 0x0000)]
pub enum EccCurve {
    /// TPM_ECC_NIST_P256.
    NistP256 = 0x0003,
    /// TPM_ECC_NIST_P384.
    NistP384 = 0x0004,
}

impl EccCurve {
    /// Every curve this crate knows, in the order of their identifiers.
    pub const ALL: [Self; 2] = [Self::NistP256, Self::NistP384];

    /// The TPM_ECC_CURVE.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// Bytes in one coordinate.
    #[must_use]
    pub const fn coordinate_size(self) -> usize {
        match self {
            Self::NistP256 => 32,
            Self::NistP384 => 48,
        }
    }
}
