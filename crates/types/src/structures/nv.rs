//! NV indices. Part 2, 13.

use crate::{
    HashAlg,
    attributes::{TpmaNv, TpmaNvExp},
    buffers::Tpm2bDigest,
    derive::{Marshal, Unmarshal},
    handles::{HandleType, NvExpIndexHandle, NvLegacyIndexHandle},
    limits,
};

/// TPMS_NV_PIN_COUNTER_PARAMETERS: the contents of a PIN index. Part 2, 13.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsNvPinCounterParameters {
    /// Uses counted so far.
    pub pin_count: u32,
    /// Uses allowed.
    pub pin_limit: u32,
}

/// TPMS_NV_PUBLIC. Part 2, 13.6.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsNvPublic {
    /// The index.
    pub nv_index: NvLegacyIndexHandle,
    /// The hash of the Name, and of the data of an index that is extended.
    pub name_alg: HashAlg,
    /// The attributes.
    pub attributes: TpmaNv,
    /// The policy, or the Empty Buffer.
    pub auth_policy: Tpm2bDigest,
    /// Octets of data, at most [`limits::MAX_NV_INDEX_SIZE`]; more is `SIZE`.
    #[tpm(max = limits::MAX_NV_INDEX_SIZE)]
    pub data_size: u16,
}

/// TPM2B_NV_PUBLIC. Part 2, 13.7.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(sized)]
pub struct Tpm2bNvPublic {
    /// The public area.
    pub nv_public: TpmsNvPublic,
}

/// TPMS_NV_PUBLIC_EXP_ATTR. Part 2, 13.8.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsNvPublicExpAttr {
    /// The index.
    pub nv_index: NvExpIndexHandle,
    /// The hash of the Name, and of the data of an index that is extended.
    pub name_alg: HashAlg,
    /// The attributes.
    pub attributes: TpmaNvExp,
    /// The policy, or the Empty Buffer.
    pub auth_policy: Tpm2bDigest,
    /// Octets of data, at most [`limits::MAX_NV_INDEX_SIZE`]; more is `SIZE`.
    #[tpm(max = limits::MAX_NV_INDEX_SIZE)]
    pub data_size: u16,
}

/// TPMU_NV_PUBLIC_2; with its selector in front, TPMT_NV_PUBLIC_2. Part 2, 13.9 and 13.10.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(tag = u8, error = SELECTOR)]
pub enum NvPublic2 {
    /// With 32-bit attributes.
    #[tpm(tag = HandleType::NvIndex.id())]
    NvIndex(TpmsNvPublic),
    /// With expanded attributes.
    #[tpm(tag = HandleType::ExternalNv.id())]
    External(TpmsNvPublicExpAttr),
    /// Assigned by a platform specification. Part 2, 13.6 has no such handle, and so there is none here.
    #[tpm(tag = HandleType::PermanentNv.id())]
    Permanent(TpmsNvPublic),
}

/// TPM2B_NV_PUBLIC_2. Part 2, 13.11.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(sized)]
pub struct Tpm2bNvPublic2 {
    /// The public area.
    pub nv_public: NvPublic2,
}
