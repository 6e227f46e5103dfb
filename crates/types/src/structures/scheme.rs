//! Choices of a symmetric algorithm, scheme or key derivation with its details. Part 2, 11.1 and 11.2. `None` of each is
//! TPM_ALG_NULL.

use crate::{
    HashAlg,
    alg::{AesKeyBits, BlockCipher, CamelliaKeyBits, KdfAlg, Sm4KeyBits, SymMode, TdesKeyBits, id},
    derive::{Marshal, Unmarshal},
};

/// TPMT_SYM_DEF: how a session encrypts parameters. Part 2, 11.1.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(tag = u16, error = SYMMETRIC, null = id::NULL, gate = algorithm)]
pub enum SymDef {
    /// TDES in a mode.
    #[tpm(tag = id::TDES)]
    Tdes {
        /// The size of the key.
        key_bits: TdesKeyBits,
        /// The mode.
        mode: Option<SymMode>,
    },
    /// AES in a mode.
    #[tpm(tag = id::AES)]
    Aes {
        /// The size of the key.
        key_bits: AesKeyBits,
        /// The mode.
        mode: Option<SymMode>,
    },
    /// SM4 in a mode.
    #[tpm(tag = id::SM4)]
    Sm4 {
        /// The size of the key.
        key_bits: Sm4KeyBits,
        /// The mode.
        mode: Option<SymMode>,
    },
    /// Camellia in a mode.
    #[tpm(tag = id::CAMELLIA)]
    Camellia {
        /// The size of the key.
        key_bits: CamelliaKeyBits,
        /// The mode.
        mode: Option<SymMode>,
    },
    /// XOR with a mask from this hash.
    #[tpm(tag = id::XOR)]
    Xor(HashAlg),
}

impl SymDef {
    /// As the block cipher of an object; `None` for XOR.
    #[must_use]
    pub const fn block_cipher(self) -> Option<SymDefObject> {
        match self {
            Self::Tdes { key_bits, mode } => Some(SymDefObject::Tdes { key_bits, mode }),
            Self::Aes { key_bits, mode } => Some(SymDefObject::Aes { key_bits, mode }),
            Self::Sm4 { key_bits, mode } => Some(SymDefObject::Sm4 { key_bits, mode }),
            Self::Camellia { key_bits, mode } => Some(SymDefObject::Camellia { key_bits, mode }),
            Self::Xor(_) => None,
        }
    }
}

/// TPMT_SYM_DEF_OBJECT: the block cipher of an object. Part 2, 11.1.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(tag = u16, error = SYMMETRIC, null = id::NULL, gate = algorithm)]
pub enum SymDefObject {
    /// TDES in a mode; `None` leaves it to the command.
    #[tpm(tag = id::TDES)]
    Tdes {
        /// The size of the key.
        key_bits: TdesKeyBits,
        /// The mode.
        mode: Option<SymMode>,
    },
    /// AES in a mode; `None` leaves it to the command.
    #[tpm(tag = id::AES)]
    Aes {
        /// The size of the key.
        key_bits: AesKeyBits,
        /// The mode.
        mode: Option<SymMode>,
    },
    /// SM4 in a mode; `None` leaves it to the command.
    #[tpm(tag = id::SM4)]
    Sm4 {
        /// The size of the key.
        key_bits: Sm4KeyBits,
        /// The mode.
        mode: Option<SymMode>,
    },
    /// Camellia in a mode; `None` leaves it to the command.
    #[tpm(tag = id::CAMELLIA)]
    Camellia {
        /// The size of the key.
        key_bits: CamelliaKeyBits,
        /// The mode.
        mode: Option<SymMode>,
    },
}

impl SymDefObject {
    /// The cipher with the size of its key.
    #[must_use]
    pub const fn cipher(self) -> BlockCipher {
        match self {
            Self::Tdes { key_bits, .. } => BlockCipher::Tdes(key_bits),
            Self::Aes { key_bits, .. } => BlockCipher::Aes(key_bits),
            Self::Sm4 { key_bits, .. } => BlockCipher::Sm4(key_bits),
            Self::Camellia { key_bits, .. } => BlockCipher::Camellia(key_bits),
        }
    }

    /// The mode.
    #[must_use]
    pub const fn mode(self) -> Option<SymMode> {
        match self {
            Self::Tdes { mode, .. }
            | Self::Aes { mode, .. }
            | Self::Sm4 { mode, .. }
            | Self::Camellia { mode, .. } => mode,
        }
    }
}

/// TPMT_KEYEDHASH_SCHEME. `None` is sealed data, or a key that leaves its use to the command. Part 2, 11.1.23.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(tag = u16, error = VALUE, null = id::NULL, gate = algorithm)]
pub enum KeyedHashScheme {
    /// Signs with HMAC.
    #[tpm(tag = id::HMAC)]
    Hmac {
        /// The hash of the HMAC.
        hash_alg: HashAlg,
    },
    /// Obfuscates with XOR.
    #[tpm(tag = id::XOR)]
    Xor {
        /// The hash of the key derivation.
        hash_alg: HashAlg,
        /// The key derivation.
        kdf: Option<KdfAlg>,
    },
}

/// TPMT_SIG_SCHEME: how to sign. Part 2, 11.2.1.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(tag = u16, error = SCHEME, null = id::NULL, gate = algorithm)]
pub enum SigScheme {
    /// RSASSA-PKCS1-v1_5.
    #[tpm(tag = id::RSASSA)]
    Rsassa {
        /// The hash of the digest.
        hash_alg: HashAlg,
    },
    /// RSASSA-PSS.
    #[tpm(tag = id::RSAPSS)]
    Rsapss {
        /// The hash of the digest and of the padding.
        hash_alg: HashAlg,
    },
    /// ECDSA.
    #[tpm(tag = id::ECDSA)]
    Ecdsa {
        /// The hash of the digest.
        hash_alg: HashAlg,
    },
    /// ECDAA: the second half of a split signature.
    #[tpm(tag = id::ECDAA)]
    Ecdaa {
        /// The hash of the digest.
        hash_alg: HashAlg,
        /// What TPM2_Commit answered.
        count: u16,
    },
    /// SM2.
    #[tpm(tag = id::SM2)]
    Sm2 {
        /// The hash of the digest.
        hash_alg: HashAlg,
    },
    /// EC Schnorr.
    #[tpm(tag = id::ECSCHNORR)]
    EcSchnorr {
        /// The hash of the digest.
        hash_alg: HashAlg,
    },
    /// EdDSA, which signs messages.
    #[tpm(tag = id::EDDSA)]
    Eddsa,
    /// EdDSA of a digest.
    #[tpm(tag = id::HASH_EDDSA)]
    HashEddsa,
    /// HMAC.
    #[tpm(tag = id::HMAC)]
    Hmac {
        /// The hash of the HMAC.
        hash_alg: HashAlg,
    },
}

impl SigScheme {
    /// The hash that the scheme names; EdDSA's is fixed by its curve, and not named.
    #[must_use]
    pub const fn hash_alg(self) -> Option<HashAlg> {
        match self {
            Self::Rsassa { hash_alg }
            | Self::Rsapss { hash_alg }
            | Self::Ecdsa { hash_alg }
            | Self::Ecdaa { hash_alg, .. }
            | Self::Sm2 { hash_alg }
            | Self::EcSchnorr { hash_alg }
            | Self::Hmac { hash_alg } => Some(hash_alg),
            Self::Eddsa | Self::HashEddsa => None,
        }
    }
}

/// TPMT_KDF_SCHEME. Part 2, 11.2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(tag = u16, error = KDF, null = id::NULL, gate = algorithm)]
pub enum KdfScheme {
    /// The mask generation function of PKCS #1.
    #[tpm(tag = id::MGF1)]
    Mgf1 {
        /// The hash.
        hash_alg: HashAlg,
    },
    /// The concatenation KDF of SP 800-56A.
    #[tpm(tag = id::KDF1_SP800_56A)]
    Kdf1Sp80056a {
        /// The hash.
        hash_alg: HashAlg,
    },
    /// The KDF of IEEE 1363a.
    #[tpm(tag = id::KDF2)]
    Kdf2 {
        /// The hash.
        hash_alg: HashAlg,
    },
    /// The counter-mode KDF of SP 800-108.
    #[tpm(tag = id::KDF1_SP800_108)]
    Kdf1Sp800108 {
        /// The hash.
        hash_alg: HashAlg,
    },
}

/// TPMT_RSA_SCHEME: what an RSA key is for. `None` leaves it to the command. Part 2, 11.2.4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(tag = u16, error = VALUE, null = id::NULL, gate = algorithm)]
pub enum RsaScheme {
    /// Signs by RSASSA-PKCS1-v1_5.
    #[tpm(tag = id::RSASSA)]
    Rsassa {
        /// The hash of the digest.
        hash_alg: HashAlg,
    },
    /// Encrypts by RSAES-PKCS1-v1_5.
    #[tpm(tag = id::RSAES)]
    Rsaes,
    /// Signs by RSASSA-PSS.
    #[tpm(tag = id::RSAPSS)]
    Rsapss {
        /// The hash of the digest and of the padding.
        hash_alg: HashAlg,
    },
    /// Encrypts by RSAES-OAEP.
    #[tpm(tag = id::OAEP)]
    Oaep {
        /// The hash of the padding.
        hash_alg: HashAlg,
    },
}

/// TPMT_RSA_DECRYPT: how RSA_Encrypt and RSA_Decrypt pad. `None` is raw RSA. Part 2, 11.2.4.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(tag = u16, error = VALUE, null = id::NULL, gate = algorithm)]
pub enum RsaDecryptScheme {
    /// RSAES-PKCS1-v1_5.
    #[tpm(tag = id::RSAES)]
    Rsaes,
    /// RSAES-OAEP.
    #[tpm(tag = id::OAEP)]
    Oaep {
        /// The hash of the padding.
        hash_alg: HashAlg,
    },
}

/// TPMT_ECC_SCHEME: what an ECC key is for. `None` leaves it to the command. Part 2, 11.2.5.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Marshal, Unmarshal)]
#[tpm(tag = u16, error = SCHEME, null = id::NULL, gate = algorithm)]
pub enum EccScheme {
    /// Signs by ECDSA.
    #[tpm(tag = id::ECDSA)]
    Ecdsa {
        /// The hash of the digest.
        hash_alg: HashAlg,
    },
    /// Signs by ECDAA.
    #[tpm(tag = id::ECDAA)]
    Ecdaa {
        /// The hash of the digest.
        hash_alg: HashAlg,
        /// Of no account in a key.
        count: u16,
    },
    /// Signs by SM2, or agrees on keys by it: the attributes of the key tell.
    #[tpm(tag = id::SM2)]
    Sm2 {
        /// The hash of the digest or of the key derivation.
        hash_alg: HashAlg,
    },
    /// Signs by EC Schnorr.
    #[tpm(tag = id::ECSCHNORR)]
    EcSchnorr {
        /// The hash of the digest.
        hash_alg: HashAlg,
    },
    /// Signs messages by EdDSA.
    #[tpm(tag = id::EDDSA)]
    Eddsa,
    /// Signs digests by EdDSA.
    #[tpm(tag = id::HASH_EDDSA)]
    HashEddsa,
    /// Agrees on keys by MQV.
    #[tpm(tag = id::ECMQV)]
    Ecmqv {
        /// The hash of the key derivation.
        hash_alg: HashAlg,
    },
    /// Agrees on keys by ECDH.
    #[tpm(tag = id::ECDH)]
    Ecdh {
        /// The hash of the key derivation.
        hash_alg: HashAlg,
    },
}
