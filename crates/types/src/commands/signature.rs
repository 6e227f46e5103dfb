//! Signatures. Part 3, 20.

use crate::{
    buffers::Tpm2bDigest,
    derive::{Command, Response},
    handles::ObjectHandle,
    structures::{SigScheme, TpmtSignature, TpmtTkHashcheck, TpmtTkVerified},
};

/// TPM2_VerifySignature: verifies a signature over a digest. Part 3, 20.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0177, name = "TPM2_VerifySignature", clause = "20.2", response = VerifySignatureResponse)]
pub struct VerifySignature {
    /// The key.
    #[handle]
    pub key_handle: ObjectHandle,
    /// The digest.
    pub digest: Tpm2bDigest,
    /// The signature.
    pub signature: TpmtSignature,
}

/// What [`VerifySignature`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct VerifySignatureResponse {
    /// Proof that the signature was verified.
    pub validation: TpmtTkVerified,
}

/// TPM2_Sign: signs a digest. Part 3, 20.5.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x015D, name = "TPM2_Sign", clause = "20.5", response = SignResponse)]
pub struct Sign {
    /// The key.
    #[handle(auth = user)]
    pub key_handle: ObjectHandle,
    /// The digest.
    pub digest: Tpm2bDigest,
    /// The scheme, if the key does not fix one.
    pub in_scheme: Option<SigScheme>,
    /// Proof that a restricted key may sign the digest.
    pub validation: TpmtTkHashcheck,
}

/// What [`Sign`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct SignResponse {
    /// The signature.
    pub signature: TpmtSignature,
}
