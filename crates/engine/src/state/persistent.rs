//! Data that is always there. Part 1, 34.5.

use super::cbor;
use crate::secret::Secret;
use alloc::collections::BTreeSet;
use minicbor::{Decode, Encode};
use sigillo_types::{
    HashAlg,
    buffers::{Tpm2bAuth, Tpm2bDigest},
    structures::TpmlPcrSelection,
};

/// One of the three persistent hierarchies. Part 1, 12.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct HierarchyRecord {
    /// The primary seed.
    #[n(0)]
    pub(crate) seed: Secret,
    /// The proof: tags tickets and contexts.
    #[n(1)]
    pub(crate) proof: Secret,
    /// How primary keys are derived from the seed: 16 is ours. See docs/adr/0005-primary-key-derivation.md.
    #[n(2)]
    pub(crate) derivation_level: u8,
    /// Unused for the platform, whose values are clear data.
    #[cbor(n(3), with = "cbor::canonical")]
    pub(crate) auth: Tpm2bAuth,
    #[cbor(n(4), with = "cbor::canonical_option")]
    pub(crate) policy_alg: Option<HashAlg>,
    #[cbor(n(5), with = "cbor::canonical")]
    pub(crate) policy: Tpm2bDigest,
}

/// The PERSISTENT_DATA of Part 1, Table 42.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Persistent {
    #[n(0)]
    pub(crate) owner: HierarchyRecord,
    #[n(1)]
    pub(crate) endorsement: HierarchyRecord,
    #[n(2)]
    pub(crate) platform: HierarchyRecord,
    #[cbor(n(3), with = "cbor::canonical")]
    pub(crate) lockout_auth: Tpm2bAuth,
    #[cbor(n(4), with = "cbor::canonical_option")]
    pub(crate) lockout_policy_alg: Option<HashAlg>,
    #[cbor(n(5), with = "cbor::canonical")]
    pub(crate) lockout_policy: Tpm2bDigest,
    /// SET: the owner may not use TPM2_Clear.
    #[n(6)]
    pub(crate) disable_clear: bool,
    /// TPM Resets since the last TPM2_Clear.
    #[n(7)]
    pub(crate) reset_count: u32,
    /// TPM Resets ever; tags saved contexts.
    #[n(8)]
    pub(crate) total_reset_count: u64,
    /// For each bank, the PCR in it; every bank of the profile is named. Takes effect at the next _TPM_Init. Part 3, 22.5.
    #[cbor(n(9), with = "cbor::canonical")]
    pub(crate) pcr_allocation: TpmlPcrSelection,
    /// The commands that the command audit counts. Part 1, 32.
    #[n(10)]
    pub(crate) audit_commands: BTreeSet<u32>,
    #[cbor(n(11), with = "cbor::canonical")]
    pub(crate) audit_hash_alg: HashAlg,
    #[n(12)]
    pub(crate) audit_counter: u64,
    /// Commands with platform authorization that need physical presence. Part 3, 26.2.
    #[n(13)]
    pub(crate) pp_commands: BTreeSet<u32>,
    /// How the TPM was shut down, if nothing has changed since.
    #[n(14)]
    pub(crate) shutdown: Option<Shutdown>,
    /// The highest value any deleted NV counter had. Part 1, 34.2.6.3.
    #[n(15)]
    pub(crate) max_counter: u64,
    /// tpmEstablished. PC Client profile: set by a D-RTM event, reset from locality 3 or 4.
    #[n(16)]
    pub(crate) established: bool,
    /// The EPS came with the TPM and was not changed by the user. TPMA_PERMANENT.tpmGeneratedEPS.
    #[n(17)]
    pub(crate) tpm_generated_eps: bool,
    /// The policy of the PCR that have one. Part 3, 22.6.
    #[cbor(n(18), with = "cbor::canonical_option", default)]
    pub(crate) pcr_policy_alg: Option<HashAlg>,
    #[cbor(n(19), with = "cbor::canonical", default)]
    pub(crate) pcr_policy: Tpm2bDigest,
    /// TPM2_SetAlgorithmSet has run: TPM2_Startup(CLEAR) must come next. Part 3, 26.3.
    #[cbor(n(20), default)]
    pub(crate) startup_clear_due: bool,
}

/// The type of the TPM2_Shutdown that last took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Shutdown {
    /// TPM_SU_CLEAR.
    #[n(0)]
    Clear,
    /// TPM_SU_STATE.
    #[n(1)]
    State,
}

/// Dictionary-attack protection. Part 1, 17.8.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct DictionaryAttack {
    #[n(0)]
    pub(crate) failed_tries: u32,
    #[n(1)]
    pub(crate) max_tries: u32,
    /// Seconds until one failed try is forgiven; 0 turns the protection off.
    #[n(2)]
    pub(crate) recovery_time_s: u32,
    /// Seconds that lockoutAuth is disabled after a failure; 0 means until the next TPM Reset.
    #[n(3)]
    pub(crate) lockout_recovery_s: u32,
    /// CLEAR after a failed use of lockoutAuth.
    #[n(4)]
    pub(crate) lockout_auth_enabled: bool,
    /// Time (ms since power on) from which the next forgiveness counts.
    #[n(5)]
    pub(crate) self_heal_ms: u64,
    /// Time (ms since power on) from which the lockout recovery counts.
    #[n(6)]
    pub(crate) lockout_ms: u64,
}
