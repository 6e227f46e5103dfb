//! Signatures. Part 3, 20.

use crate::{
    buffers::{Tpm2bDigest, Tpm2bMaxBuffer, Tpm2bSignatureCtx},
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

/// TPM2_VerifySequenceComplete: verifies a signature over the message of a sequence. Part 3, 20.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x01A3, name = "TPM2_VerifySequenceComplete", clause = "20.3", flushed, response = VerifySequenceCompleteResponse)]
pub struct VerifySequenceComplete {
    /// The sequence.
    #[handle(auth = user)]
    pub sequence_handle: ObjectHandle,
    /// The key that the sequence was started with.
    #[handle]
    pub key_handle: ObjectHandle,
    /// The signature.
    pub signature: TpmtSignature,
}

/// What [`VerifySequenceComplete`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct VerifySequenceCompleteResponse {
    /// Proof that the signature over the message was verified.
    pub validation: TpmtTkVerified,
}

/// TPM2_VerifyDigestSignature: verifies a signature over a digest by the key's own scheme. Part 3, 20.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x01A5, name = "TPM2_VerifyDigestSignature", clause = "20.4", response = VerifyDigestSignatureResponse)]
pub struct VerifyDigestSignature {
    /// The key.
    #[handle]
    pub key_handle: ObjectHandle,
    /// What else the signature was made by.
    pub context: Tpm2bSignatureCtx,
    /// The digest.
    pub digest: Tpm2bDigest,
    /// The signature.
    pub signature: TpmtSignature,
}

/// What [`VerifyDigestSignature`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct VerifyDigestSignatureResponse {
    /// Proof that the signature over the digest was verified.
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

/// TPM2_SignSequenceComplete: adds the last of a sequence and signs its message. Part 3, 20.6.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x01A4, name = "TPM2_SignSequenceComplete", clause = "20.6", flushed, response = SignSequenceCompleteResponse)]
pub struct SignSequenceComplete {
    /// The sequence.
    #[handle(auth = user)]
    pub sequence_handle: ObjectHandle,
    /// The key that the sequence was started with.
    #[handle(auth = user)]
    pub key_handle: ObjectHandle,
    /// The last of the message.
    pub buffer: Tpm2bMaxBuffer,
}

/// What [`SignSequenceComplete`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct SignSequenceCompleteResponse {
    /// The signature.
    pub signature: TpmtSignature,
}

/// TPM2_SignDigest: signs a digest by the key's own scheme. Part 3, 20.7.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x01A6, name = "TPM2_SignDigest", clause = "20.7", response = SignDigestResponse)]
pub struct SignDigest {
    /// The key.
    #[handle(auth = user)]
    pub key_handle: ObjectHandle,
    /// What else the scheme signs by: ECDAA's count.
    pub context: Tpm2bSignatureCtx,
    /// The digest.
    pub digest: Tpm2bDigest,
    /// Proof that a restricted key may sign the digest.
    pub validation: TpmtTkHashcheck,
}

/// What [`SignDigest`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct SignDigestResponse {
    /// The signature.
    pub signature: TpmtSignature,
}
