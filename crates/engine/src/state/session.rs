//! Authorization sessions. Part 1, 17.

use crate::secret::Secret;
use alloc::sync::Arc;
use sigillo_types::{
    HashAlg,
    attributes::TpmaLocality,
    buffers::{Tpm2bDigest, Tpm2bName, Tpm2bNonce},
    structures::SymDef,
};

/// What a session index names.
#[derive(Clone, Debug)]
pub(crate) enum SessionSlot {
    /// In the TPM.
    Loaded(Arc<Session>),
    /// Outside, with this version number. Part 1, 27.5.
    Saved(u64),
}

/// A loaded session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// `0x02000000 + index` (HMAC) or `0x03000000 + index` (policy, trial).
    pub(crate) handle: u32,
    pub(crate) auth_hash: HashAlg,
    /// Empty for an unbound, unsalted session. Part 1, 17.6.10.
    pub(crate) key: Secret,
    pub(crate) nonce_tpm: Tpm2bNonce,
    /// The algorithm of parameter encryption.
    pub(crate) symmetric: Option<SymDef>,
    /// Bound sessions: Name and authValue digest of the entity at binding time. Part 1, 17.6.11.
    pub(crate) bound_to: Option<Bound>,
    pub(crate) kind: SessionKind,
    /// Audit: `Some` once the session was used with the audit attribute. Part 1, 30.
    pub(crate) audit_digest: Option<Tpm2bDigest>,
    /// Time (ms since power on) when the session started, for policy expiry.
    pub(crate) start_ms: u64,
}

/// The entity a session is bound to, as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) name: Tpm2bName,
    pub(crate) auth: Secret,
}

/// HMAC, policy or trial.
#[derive(Clone, Debug)]
pub(crate) enum SessionKind {
    /// TPM_SE_HMAC.
    Hmac,
    /// TPM_SE_POLICY.
    Policy(Policy),
    /// TPM_SE_TRIAL: computes a digest, authorizes nothing.
    Trial(Policy),
}

/// The policy session context. Part 1, 17.7.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) digest: Tpm2bDigest,
    /// TPM2_PolicyAuthValue: the entity's authValue goes into the HMAC.
    pub(crate) auth_value_needed: bool,
    /// TPM2_PolicyPassword: the entity's authValue comes as a password.
    pub(crate) password_needed: bool,
    pub(crate) pp_needed: bool,
    pub(crate) command_code: Option<u32>,
    /// What the policy was made for: a cpHash, nameHash, template hash, ... at most one.
    pub(crate) bound_hash: Option<BoundHash>,
    /// `None`: any locality.
    pub(crate) locality: Option<TpmaLocality>,
    /// TPM2_PolicyNvWritten: the state NV WRITTEN must have.
    pub(crate) nv_written: Option<bool>,
    /// pcrUpdateCounter at TPM2_PolicyPCR.
    pub(crate) pcr_counter: Option<u32>,
    /// Time (ms since power on) when the policy expires.
    pub(crate) timeout_ms: Option<u64>,
}

/// The one hash a policy session may be bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BoundHash {
    /// TPM2_PolicyCpHash, PolicySigned/Secret/Ticket with cpHashA.
    CpHash(Tpm2bDigest),
    /// TPM2_PolicyNameHash.
    NameHash(Tpm2bDigest),
    /// TPM2_PolicyTemplate.
    Template(Tpm2bDigest),
    /// TPM2_PolicyDuplicationSelect: the Names of object and new parent.
    Duplication(Tpm2bDigest),
}
