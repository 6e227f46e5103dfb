//! Capabilities. Part 3, 30.

use crate::{
    command::Done,
    constants::Capability,
    derive::{Command, Response},
    handles::HierarchyAuthHandle,
    structures::{CapabilityData, PublicParms, Tpm2bSetCapabilityData},
};

/// TPM2_GetCapability: answers what the TPM can do and how it stands. Part 3, 30.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x017A, name = "TPM2_GetCapability", clause = "30.2", response = GetCapabilityResponse)]
pub struct GetCapability {
    /// Which kind.
    pub capability: Capability,
    /// The first value wanted.
    pub property: u32,
    /// How many values are wanted.
    pub property_count: u32,
}

/// What [`GetCapability`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct GetCapabilityResponse {
    /// Whether there are more.
    pub more_data: bool,
    /// The values.
    pub capability_data: CapabilityData,
}

/// TPM2_TestParms: says whether parameters are supported. Part 3, 30.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x018A, name = "TPM2_TestParms", clause = "30.3", response = Done)]
pub struct TestParms {
    /// The parameters.
    pub parameters: PublicParms,
}

/// TPM2_SetCapability: sets a settable capability. Part 3, 30.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x019F, name = "TPM2_SetCapability", clause = "30.4", nv, response = Done)]
pub struct SetCapability {
    /// The authorization that the capability asks for; `None` for none.
    #[handle(auth = user)]
    pub auth_handle: Option<HierarchyAuthHandle>,
    /// The capability and its value.
    pub set_capability_data: Tpm2bSetCapabilityData,
}
