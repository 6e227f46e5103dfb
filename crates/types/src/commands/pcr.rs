//! PCR. Part 3, 22.

use crate::{
    HashAlg,
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bEvent},
    command::Done,
    derive::{Command, Response},
    handles::{PcrHandle, PlatformHandle},
    structures::{TpmlDigest, TpmlDigestValues, TpmlPcrSelection},
};

/// TPM2_PCR_Extend: extends one PCR in each bank named. Part 3, 22.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0182, name = "TPM2_PCR_Extend", clause = "22.2", nv, response = Done)]
pub struct PcrExtend {
    /// `None` is TPM_RH_NULL: nothing is extended.
    #[handle(auth = user)]
    pub pcr_handle: Option<PcrHandle>,
    /// What to extend with, one digest for each bank.
    pub digests: TpmlDigestValues,
}

/// TPM2_PCR_Event: measures data into one PCR of every bank. Part 3, 22.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x013C, name = "TPM2_PCR_Event", clause = "22.3", nv, response = PcrEventResponse)]
pub struct PcrEvent {
    /// `None` is TPM_RH_NULL: the digests are answered and nothing is extended.
    #[handle(auth = user)]
    pub pcr_handle: Option<PcrHandle>,
    /// The data to measure.
    pub event_data: Tpm2bEvent,
}

/// What [`PcrEvent`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct PcrEventResponse {
    /// Their digests, one for each bank.
    pub digests: TpmlDigestValues,
}

/// TPM2_PCR_Read: reads PCR. Part 3, 22.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x017E, name = "TPM2_PCR_Read", clause = "22.4", response = PcrReadResponse)]
pub struct PcrRead {
    /// What to read.
    pub pcr_selection_in: TpmlPcrSelection,
}

/// What [`PcrRead`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct PcrReadResponse {
    /// How many changes of PCR there were.
    pub pcr_update_counter: u32,
    /// What was read.
    pub pcr_selection_out: TpmlPcrSelection,
    /// The values, in the order of the selection.
    pub pcr_values: TpmlDigest,
}

/// TPM2_PCR_Allocate: says which banks there are from the next TPM Reset on. Part 3, 22.5.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x012B, name = "TPM2_PCR_Allocate", clause = "22.5", nv, response = PcrAllocateResponse)]
pub struct PcrAllocate {
    /// platformAuth.
    #[handle(auth = user)]
    pub auth_handle: PlatformHandle,
    /// The PCR of each bank.
    pub pcr_allocation: TpmlPcrSelection,
}

/// What [`PcrAllocate`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct PcrAllocateResponse {
    /// Whether the allocation will be used.
    pub allocation_success: bool,
    /// PCR that a bank can have.
    pub max_pcr: u32,
    /// Octets the allocation needs.
    pub size_needed: u32,
    /// Octets there are.
    pub size_available: u32,
}

/// TPM2_PCR_SetAuthPolicy: sets the policy of a group of PCR. Part 3, 22.6.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x012C, name = "TPM2_PCR_SetAuthPolicy", clause = "22.6", nv, response = Done)]
pub struct PcrSetAuthPolicy {
    /// platformAuth.
    #[handle(auth = user)]
    pub auth_handle: PlatformHandle,
    /// The policy; empty for none.
    pub auth_policy: Tpm2bDigest,
    /// The hash of the policy; `None` for none.
    pub hash_alg: Option<HashAlg>,
    /// A PCR of the group.
    pub pcr_num: PcrHandle,
}

/// TPM2_PCR_SetAuthValue: sets the authValue of a group of PCR. Part 3, 22.7.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0183, name = "TPM2_PCR_SetAuthValue", clause = "22.7", response = Done)]
pub struct PcrSetAuthValue {
    /// The PCR.
    #[handle(auth = user)]
    pub pcr_handle: PcrHandle,
    /// The authValue.
    pub auth: Tpm2bAuth,
}

/// TPM2_PCR_Reset: resets one PCR in every bank. Part 3, 22.8.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x013D, name = "TPM2_PCR_Reset", clause = "22.8", nv, response = Done)]
pub struct PcrReset {
    /// The PCR.
    #[handle(auth = user)]
    pub pcr_handle: PcrHandle,
}
