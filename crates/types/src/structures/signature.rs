//! Signatures. Part 2, 11.3.

use super::{SigScheme, TpmtHa};
use crate::{
    HashAlg,
    alg::id,
    buffers::{Tpm2bEccParameter, Tpm2bPublicKeyRsa},
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
    /// By HMAC.
    #[tpm(tag = id::HMAC)]
    Hmac(TpmtHa),
}

impl TpmtSignature {
    /// The hash of the digest that was signed.
    #[must_use]
    pub const fn hash_alg(&self) -> HashAlg {
        match self {
            Self::Rsassa(signature) | Self::Rsapss(signature) => signature.hash,
            Self::Ecdsa(signature)
            | Self::Ecdaa(signature)
            | Self::Sm2(signature)
            | Self::EcSchnorr(signature) => signature.hash,
            Self::Hmac(hmac) => hmac.hash_alg(),
        }
    }

    /// The scheme that made it; the count of an ECDAA signature is not known any more, and zero here.
    #[must_use]
    pub const fn scheme(&self) -> SigScheme {
        let hash_alg = self.hash_alg();
        match self {
            Self::Rsassa(_) => SigScheme::Rsassa { hash_alg },
            Self::Rsapss(_) => SigScheme::Rsapss { hash_alg },
            Self::Ecdsa(_) => SigScheme::Ecdsa { hash_alg },
            Self::Ecdaa(_) => SigScheme::Ecdaa { hash_alg, count: 0 },
            Self::Sm2(_) => SigScheme::Sm2 { hash_alg },
            Self::EcSchnorr(_) => SigScheme::EcSchnorr { hash_alg },
            Self::Hmac(_) => SigScheme::Hmac { hash_alg },
        }
    }
}
