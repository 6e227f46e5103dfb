//! Authorization sessions. Part 1, 17.

use super::cbor;
use crate::secret::Secret;
use alloc::sync::Arc;
use minicbor::{Decode, Encode};
use sigillo_types::{
    HashAlg,
    attributes::TpmaLocality,
    buffers::{Tpm2bDigest, Tpm2bName, Tpm2bNonce},
    structures::SymDef,
};

/// What a session index names.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum SessionSlot {
    /// In the TPM.
    #[n(0)]
    Loaded(#[cbor(n(0), with = "cbor::shared")] Arc<Session>),
    /// Outside, with this version number. Part 1, 27.5.
    #[n(1)]
    Saved(#[n(0)] u64),
}

/// A loaded session.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Session {
    /// `0x02000000 + index` (HMAC) or `0x03000000 + index` (policy, trial).
    #[n(0)]
    pub(crate) handle: u32,
    #[cbor(n(1), with = "cbor::canonical")]
    pub(crate) auth_hash: HashAlg,
    /// Empty for an unbound, unsalted session. Part 1, 17.6.10.
    #[n(2)]
    pub(crate) key: Secret,
    #[cbor(n(3), with = "cbor::canonical")]
    pub(crate) nonce_tpm: Tpm2bNonce,
    /// The algorithm of parameter encryption.
    #[cbor(n(4), with = "cbor::canonical_option")]
    pub(crate) symmetric: Option<SymDef>,
    /// Bound sessions: Name and authValue digest of the entity at binding time. Part 1, 17.6.11.
    #[n(5)]
    pub(crate) bound_to: Option<Bound>,
    #[n(6)]
    pub(crate) kind: SessionKind,
    /// Audit: `Some` once the session was used with the audit attribute. Part 1, 30.
    #[cbor(n(7), with = "cbor::maybe")]
    pub(crate) audit_digest: Option<Tpm2bDigest>,
    /// Time (ms since power on) when the session started, for policy expiry.
    #[n(8)]
    pub(crate) start_ms: u64,
    /// The time epoch that `start_ms` belongs to: no timeout outlives it. Part 1, 16.7.12.
    #[n(9)]
    pub(crate) time_epoch: u64,
    /// The bind entity is protected against dictionary attacks; so is every use of the session. Part 1, 16.8.7.
    #[n(10)]
    pub(crate) da_bound: bool,
    /// The bind entity is TPM_RH_LOCKOUT.
    #[n(11)]
    pub(crate) lockout_bound: bool,
}

/// The entity a session is bound to, as it was.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Bound {
    #[cbor(n(0), with = "cbor::canonical")]
    pub(crate) name: Tpm2bName,
    #[n(1)]
    pub(crate) auth: Secret,
}

/// HMAC, policy or trial.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum SessionKind {
    /// TPM_SE_HMAC.
    #[n(0)]
    Hmac,
    /// TPM_SE_POLICY.
    #[n(1)]
    Policy(#[n(0)] Policy),
    /// TPM_SE_TRIAL: computes a digest, authorizes nothing.
    #[n(2)]
    Trial(#[n(0)] Policy),
}

/// The policy session context. Part 1, 17.7.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Policy {
    #[cbor(n(0), with = "cbor::canonical")]
    pub(crate) digest: Tpm2bDigest,
    /// TPM2_PolicyAuthValue: the entity's authValue goes into the HMAC.
    #[n(1)]
    pub(crate) auth_value_needed: bool,
    /// TPM2_PolicyPassword: the entity's authValue comes as a password.
    #[n(2)]
    pub(crate) password_needed: bool,
    #[n(3)]
    pub(crate) pp_needed: bool,
    #[n(4)]
    pub(crate) command_code: Option<u32>,
    /// What the policy was made for: a cpHash, nameHash, template hash, ... at most one.
    #[n(5)]
    pub(crate) bound_hash: Option<BoundHash>,
    /// `None`: any locality.
    #[cbor(n(6), with = "cbor::maybe")]
    pub(crate) locality: Option<TpmaLocality>,
    /// TPM2_PolicyNvWritten: the state NV WRITTEN must have.
    #[n(7)]
    pub(crate) nv_written: Option<bool>,
    /// pcrUpdateCounter at TPM2_PolicyPCR.
    #[n(8)]
    pub(crate) pcr_counter: Option<u32>,
    /// Time (ms since power on) when the policy expires.
    #[n(9)]
    pub(crate) timeout_ms: Option<u64>,
    /// TPM2_PolicyTransportSPDM: the command must come through a secure channel.
    #[cbor(n(10), default)]
    pub(crate) channel_needed: bool,
}

/// The one hash a policy session may be bound to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum BoundHash {
    /// TPM2_PolicyCpHash, PolicySigned/Secret/Ticket with cpHashA.
    #[n(0)]
    CpHash(#[cbor(n(0), with = "cbor::canonical")] Tpm2bDigest),
    /// TPM2_PolicyNameHash.
    #[n(1)]
    NameHash(#[cbor(n(0), with = "cbor::canonical")] Tpm2bDigest),
    /// TPM2_PolicyTemplate.
    #[n(2)]
    Template(#[cbor(n(0), with = "cbor::canonical")] Tpm2bDigest),
    /// TPM2_PolicyDuplicationSelect: the Names of object and new parent.
    #[n(3)]
    Duplication(#[cbor(n(0), with = "cbor::canonical")] Tpm2bDigest),
    /// TPM2_PolicyParameters: command code and parameters.
    #[n(4)]
    Parameters(#[cbor(n(0), with = "cbor::canonical")] Tpm2bDigest),
}
