//! Sequences. Part 3, 17.

use crate::{
    HashAlg,
    alg::MacScheme,
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bMaxBuffer, Tpm2bSignatureCtx, Tpm2bSignatureHint},
    command::Done,
    derive::{Command, Response},
    handles::{Hierarchy, ObjectHandle, PcrHandle, TpmHandle},
    structures::{TpmlDigestValues, TpmtTkHashcheck},
};

/// TPM2_HMAC_Start: starts an HMAC sequence. Part 3, 17.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x015B, name = "TPM2_HMAC_Start", clause = "17.2", response = HmacStartResponse)]
pub struct HmacStart {
    /// The HMAC key.
    #[handle(auth = user)]
    pub handle: ObjectHandle,
    /// The authValue of the sequence.
    pub auth: Tpm2bAuth,
    /// The hash, if the key does not fix one.
    pub hash_alg: Option<HashAlg>,
}

/// What [`HmacStart`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct HmacStartResponse {
    /// The new sequence.
    #[handle]
    pub sequence_handle: TpmHandle,
}

/// TPM2_MAC_Start: starts an HMAC or block cipher MAC sequence. It has the code of TPM2_HMAC_Start and does what that does. Part 3,
/// 17.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x015B, name = "TPM2_MAC_Start", clause = "17.3", response = MacStartResponse)]
pub struct MacStart {
    /// The key, whose type decides what is computed.
    #[handle(auth = user)]
    pub handle: ObjectHandle,
    /// The authValue of the sequence.
    pub auth: Tpm2bAuth,
    /// The hash or MAC, if the key does not fix one.
    pub in_scheme: Option<MacScheme>,
}

/// What [`MacStart`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct MacStartResponse {
    /// The new sequence.
    #[handle]
    pub sequence_handle: TpmHandle,
}

/// TPM2_HashSequenceStart: starts a hash or event sequence. Part 3, 17.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0186, name = "TPM2_HashSequenceStart", clause = "17.4", response = HashSequenceStartResponse)]
pub struct HashSequenceStart {
    /// The authValue of the sequence.
    pub auth: Tpm2bAuth,
    /// The hash; `None` starts an event sequence over all banks.
    pub hash_alg: Option<HashAlg>,
}

/// What [`HashSequenceStart`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct HashSequenceStartResponse {
    /// The new sequence.
    #[handle]
    pub sequence_handle: TpmHandle,
}

/// TPM2_SignSequenceStart: starts a sequence that signs its message. Part 3, 17.5.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x01AA, name = "TPM2_SignSequenceStart", clause = "17.5", response = SignSequenceStartResponse)]
pub struct SignSequenceStart {
    /// The key that will sign.
    #[handle]
    pub key_handle: ObjectHandle,
    /// The authValue of the sequence.
    pub auth: Tpm2bAuth,
    /// What else the scheme signs by: ECDAA's count, SM2's identity.
    pub context: Tpm2bSignatureCtx,
}

/// What [`SignSequenceStart`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct SignSequenceStartResponse {
    /// The new sequence.
    #[handle]
    pub sequence_handle: TpmHandle,
}

/// TPM2_VerifySequenceStart: starts a sequence that verifies a signature over its message. Part 3, 17.6.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x01A9, name = "TPM2_VerifySequenceStart", clause = "17.6", response = VerifySequenceStartResponse)]
pub struct VerifySequenceStart {
    /// The key that will verify.
    #[handle]
    pub key_handle: ObjectHandle,
    /// The authValue of the sequence.
    pub auth: Tpm2bAuth,
    /// The point R of an EdDSA signature; empty for every other scheme.
    pub hint: Tpm2bSignatureHint,
    /// What else the signature was made by.
    pub context: Tpm2bSignatureCtx,
}

/// What [`VerifySequenceStart`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct VerifySequenceStartResponse {
    /// The new sequence.
    #[handle]
    pub sequence_handle: TpmHandle,
}

/// TPM2_SequenceUpdate: adds to a sequence. Part 3, 17.7.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x015C, name = "TPM2_SequenceUpdate", clause = "17.7", response = Done)]
pub struct SequenceUpdate {
    /// The sequence.
    #[handle(auth = user)]
    pub sequence_handle: ObjectHandle,
    /// The next of the message.
    pub buffer: Tpm2bMaxBuffer,
}

/// TPM2_SequenceComplete: adds the last of a sequence and answers its digest. Part 3, 17.8.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x013E, name = "TPM2_SequenceComplete", clause = "17.8", flushed, response = SequenceCompleteResponse)]
pub struct SequenceComplete {
    /// The sequence.
    #[handle(auth = user)]
    pub sequence_handle: ObjectHandle,
    /// The last of the message.
    pub buffer: Tpm2bMaxBuffer,
    /// The hierarchy of the ticket.
    pub hierarchy: Hierarchy,
}

/// What [`SequenceComplete`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct SequenceCompleteResponse {
    /// The digest or HMAC.
    pub result: Tpm2bDigest,
    /// Proof that the digest may be signed by a restricted key; NULL if it may not.
    pub validation: TpmtTkHashcheck,
}

/// TPM2_EventSequenceComplete: ends an event sequence and extends a PCR with its digests. Part 3, 17.9.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0185, name = "TPM2_EventSequenceComplete", clause = "17.9", nv, flushed, response = EventSequenceCompleteResponse)]
pub struct EventSequenceComplete {
    /// The PCR; `None` extends none.
    #[handle(auth = user)]
    pub pcr_handle: Option<PcrHandle>,
    /// The sequence.
    #[handle(auth = user)]
    pub sequence_handle: ObjectHandle,
    /// The last of the message.
    pub buffer: Tpm2bMaxBuffer,
}

/// What [`EventSequenceComplete`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct EventSequenceCompleteResponse {
    /// The digests, one for each bank.
    pub results: TpmlDigestValues,
}
