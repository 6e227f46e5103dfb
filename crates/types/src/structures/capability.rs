//! What GetCapability answers. Part 2, 10.7 and 10.9.

use super::{
    PcrSelect, TpmlActData, TpmlAlgProperty, TpmlCc, TpmlCca, TpmlEccCurve, TpmlHandle, TpmlPcrSelection,
    TpmlTaggedPcrProperty, TpmlTaggedPolicy, TpmlTaggedTpmProperty, TpmtHa,
};
use crate::{
    Fmt1,
    alg::AlgId,
    attributes::{TpmaAct, TpmaAlgorithm},
    constants::Capability,
    derive::{Marshal, Unmarshal},
    handles::TpmHandle,
    limits,
    marshal::{self, Bytes, Reader, marshal_sized},
};
use alloc::vec::Vec;

/// TPMS_ALG_PROPERTY. Part 2, 10.7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsAlgProperty {
    /// The algorithm.
    pub alg: AlgId,
    /// What it is for.
    pub alg_properties: TpmaAlgorithm,
}

/// TPMS_TAGGED_PROPERTY. Part 2, 10.7.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsTaggedProperty {
    /// The property, from [`pt`](crate::constants::pt).
    pub property: u32,
    /// Its value.
    pub value: u32,
}

/// TPMS_TAGGED_PCR_SELECT. Part 2, 10.7.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsTaggedPcrSelect {
    /// The property, from [`pt_pcr`](crate::constants::pt_pcr).
    pub tag: u32,
    /// The PCR that have it.
    pub pcr_select: PcrSelect,
}

/// TPMS_TAGGED_POLICY. Part 2, 10.7.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsTaggedPolicy {
    /// Whose policy it is.
    pub handle: TpmHandle,
    /// The policy; `None` if none is set.
    pub policy_hash: Option<TpmtHa>,
}

/// TPMS_ACT_DATA. Part 2, 10.7.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsActData {
    /// The timer.
    pub handle: TpmHandle,
    /// Seconds left.
    pub timeout: u32,
    /// Whether it ran out.
    pub attributes: TpmaAct,
}

/// TPMS_CAPABILITY_DATA. Part 2, 10.9.2.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(tag = u32, error = VALUE)]
pub enum CapabilityData {
    /// TPM_CAP_ALGS.
    #[tpm(tag = 0)]
    Algorithms(TpmlAlgProperty),
    /// TPM_CAP_HANDLES.
    #[tpm(tag = 1)]
    Handles(TpmlHandle),
    /// TPM_CAP_COMMANDS.
    #[tpm(tag = 2)]
    Command(TpmlCca),
    /// TPM_CAP_PP_COMMANDS.
    #[tpm(tag = 3)]
    PpCommands(TpmlCc),
    /// TPM_CAP_AUDIT_COMMANDS.
    #[tpm(tag = 4)]
    AuditCommands(TpmlCc),
    /// TPM_CAP_PCRS.
    #[tpm(tag = 5)]
    AssignedPcr(TpmlPcrSelection),
    /// TPM_CAP_TPM_PROPERTIES.
    #[tpm(tag = 6)]
    TpmProperties(TpmlTaggedTpmProperty),
    /// TPM_CAP_PCR_PROPERTIES.
    #[tpm(tag = 7)]
    PcrProperties(TpmlTaggedPcrProperty),
    /// TPM_CAP_ECC_CURVES.
    #[tpm(tag = 8)]
    EccCurves(TpmlEccCurve),
    /// TPM_CAP_AUTH_POLICIES.
    #[tpm(tag = 9)]
    AuthPolicies(TpmlTaggedPolicy),
    /// TPM_CAP_ACT.
    #[tpm(tag = 10)]
    ActData(TpmlActData),
}

impl CapabilityData {
    /// What was asked.
    #[must_use]
    pub const fn capability(&self) -> Capability {
        match self {
            Self::Algorithms(_) => Capability::Algs,
            Self::Handles(_) => Capability::Handles,
            Self::Command(_) => Capability::Commands,
            Self::PpCommands(_) => Capability::PpCommands,
            Self::AuditCommands(_) => Capability::AuditCommands,
            Self::AssignedPcr(_) => Capability::Pcrs,
            Self::TpmProperties(_) => Capability::TpmProperties,
            Self::PcrProperties(_) => Capability::PcrProperties,
            Self::EccCurves(_) => Capability::EccCurves,
            Self::AuthPolicies(_) => Capability::AuthPolicies,
            Self::ActData(_) => Capability::Act,
        }
    }
}

/// TPMS_SET_CAPABILITY_DATA. Part 2, 10.9.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmsSetCapabilityData {
    /// What to set: Part 2, 6.12.1 numbers settable capabilities from 0x80000000 on.
    pub set_capability: u32,
    /// Its value. Part 2 has no settable capability yet, and so no form of a value.
    pub data: Vec<u8>,
}

/// TPM2B_SET_CAPABILITY_DATA. Part 2, 10.9.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tpm2bSetCapabilityData {
    /// What to set to which value.
    pub set_capability_data: TpmsSetCapabilityData,
}

impl Tpm2bSetCapabilityData {
    /// The most octets it can hold.
    pub const MAX: usize = limits::MAX_CAP_BUFFER;
}

impl marshal::Marshal for Tpm2bSetCapabilityData {
    const SIZED: bool = true;

    fn marshal(&self, out: &mut Bytes) {
        marshal_sized(out, |out| {
            self.set_capability_data.set_capability.marshal(out);
            out.extend_from_slice(&self.set_capability_data.data);
        });
    }
}

/// `SIZE` if it is too large; `INSUFFICIENT` if there is no room for the capability.
impl marshal::Unmarshal for Tpm2bSetCapabilityData {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        let mut body = Reader::new(r.sized(Self::MAX)?);
        let set_capability = marshal::Unmarshal::unmarshal(&mut body)?;
        let data = body.rest().to_vec();
        Ok(Self { set_capability_data: TpmsSetCapabilityData { set_capability, data } })
    }
}
