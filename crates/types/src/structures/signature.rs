//! Signatures. Part 2, 11.3.

use super::{SigScheme, TpmtHa};
use crate::{
    HashAlg,
    alg::id,
    buffers::{Tpm2bEccParameter, Tpm2bPublicKeyRsa, Tpm2bSignatureEddsa},
    derive::{Marshal, Unmarshal},
};

/// TPMS_SIGNATURE_RSA. Part 2, 11.3.1.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsSignatureRsa {
    /// The hash of the digest that was signed.
    pub hash: HashAlg,
    /// The signature, as long as the modulus.
    pub sig: Tpm2bPublicKeyRsa,
}

/// TPMS_SIGNATURE_ECC. Part 2, 11.3.2.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsSignatureEcc {
    /// The hash of the digest that was signed.
    pub hash: HashAlg,
    /// The number r, big-endian.
    pub signature_r: Tpm2bEccParameter,
    /// The number s, big-endian.
    pub signature_s: Tpm2bEccParameter,
}

/// TPMT_SIGNATURE. `None` is TPM_ALG_NULL, no signature. Part 2, 11.3.6.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(tag = u16, error = SCHEME, null = id::NULL, gate = algorithm)]
pub enum TpmtSignature {
    /// By RSASSA-PKCS1-v1_5.
    #[tpm(tag = id::RSASSA)]
    Rsassa(TpmsSignatureRsa),
    /// By RSASSA-PSS.
    #[tpm(tag = id::RSAPSS)]
    Rsapss(TpmsSignatureRsa),
    /// By ECDSA.
    #[tpm(tag = id::ECDSA)]
    Ecdsa(TpmsSignatureEcc),
    /// By ECDAA.
    #[tpm(tag = id::ECDAA)]
    Ecdaa(TpmsSignatureEcc),
    /// By SM2.
    #[tpm(tag = id::SM2)]
    Sm2(TpmsSignatureEcc),
    /// By EC Schnorr.
    #[tpm(tag = id::ECSCHNORR)]
    EcSchnorr(TpmsSignatureEcc),
    /// By EdDSA over the message.
    #[tpm(tag = id::EDDSA)]
    Eddsa(Tpm2bSignatureEddsa),
    /// By EdDSA over a digest of the message.
    #[tpm(tag = id::HASH_EDDSA)]
    HashEddsa(Tpm2bSignatureEddsa),
    /// By HMAC.
    #[tpm(tag = id::HMAC)]
    Hmac(TpmtHa),
}

impl TpmtSignature {
    /// The hash that the signature names; one of EdDSA names none.
    #[must_use]
    pub const fn hash_alg(&self) -> Option<HashAlg> {
        match self {
            Self::Rsassa(signature) | Self::Rsapss(signature) => Some(signature.hash),
            Self::Ecdsa(signature)
            | Self::Ecdaa(signature)
            | Self::Sm2(signature)
            | Self::EcSchnorr(signature) => Some(signature.hash),
            Self::Hmac(hmac) => Some(hmac.hash_alg()),
            Self::Eddsa(_) | Self::HashEddsa(_) => None,
        }
    }

    /// The scheme that made it; the count of an ECDAA signature is not known any more, and zero here.
    #[must_use]
    pub const fn scheme(&self) -> SigScheme {
        match self {
            Self::Rsassa(of) => SigScheme::Rsassa { hash_alg: of.hash },
            Self::Rsapss(of) => SigScheme::Rsapss { hash_alg: of.hash },
            Self::Ecdsa(of) => SigScheme::Ecdsa { hash_alg: of.hash },
            Self::Ecdaa(of) => SigScheme::Ecdaa { hash_alg: of.hash, count: 0 },
            Self::Sm2(of) => SigScheme::Sm2 { hash_alg: of.hash },
            Self::EcSchnorr(of) => SigScheme::EcSchnorr { hash_alg: of.hash },
            Self::Eddsa(_) => SigScheme::Eddsa,
            Self::HashEddsa(_) => SigScheme::HashEddsa,
            Self::Hmac(hmac) => SigScheme::Hmac { hash_alg: hmac.hash_alg() },
        }
    }
}
