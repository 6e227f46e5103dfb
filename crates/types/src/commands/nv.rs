//! Non-volatile storage. Part 3, 31.

use crate::{
    buffers::{Tpm2bAttest, Tpm2bAuth, Tpm2bData, Tpm2bMaxNvBuffer, Tpm2bName},
    command::Done,
    derive::{Command, Response},
    handles::{
        NvAuthHandle, NvDefinedIndexHandle, NvIndexHandle, NvLegacyIndexHandle, ObjectHandle, PlatformHandle,
        ProvisionHandle,
    },
    structures::{SigScheme, Tpm2bNvPublic, Tpm2bNvPublic2, TpmtSignature},
};

/// TPM2_NV_DefineSpace: defines an index. Part 3, 31.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x012A, name = "TPM2_NV_DefineSpace", clause = "31.3", nv, response = Done)]
pub struct NvDefineSpace {
    /// Who defines the index.
    #[handle(auth = user)]
    pub auth_handle: ProvisionHandle,
    /// The authValue of the index.
    pub auth: Tpm2bAuth,
    /// The public area.
    pub public_info: Tpm2bNvPublic,
}

/// TPM2_NV_UndefineSpace: removes an index. Part 3, 31.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0122, name = "TPM2_NV_UndefineSpace", clause = "31.4", nv, response = Done)]
pub struct NvUndefineSpace {
    /// Who removes the index.
    #[handle(auth = user)]
    pub auth_handle: ProvisionHandle,
    /// The index.
    #[handle]
    pub nv_index: NvDefinedIndexHandle,
}

/// TPM2_NV_UndefineSpaceSpecial: removes an index whose policy must agree. Part 3, 31.5.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x011F, name = "TPM2_NV_UndefineSpaceSpecial", clause = "31.5", nv, response = Done)]
pub struct NvUndefineSpaceSpecial {
    /// The index.
    #[handle(auth = admin)]
    pub nv_index: NvDefinedIndexHandle,
    /// platformAuth.
    #[handle(auth = user)]
    pub platform: PlatformHandle,
}

/// TPM2_NV_ReadPublic: answers the public area and Name of an index. Part 3, 31.6.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0169, name = "TPM2_NV_ReadPublic", clause = "31.6", response = NvReadPublicResponse)]
pub struct NvReadPublic {
    /// The index.
    #[handle]
    pub nv_index: NvLegacyIndexHandle,
}

/// What [`NvReadPublic`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct NvReadPublicResponse {
    /// The public area.
    pub nv_public: Tpm2bNvPublic,
    /// The Name.
    pub nv_name: Tpm2bName,
}

/// TPM2_NV_Write: writes to an index. Part 3, 31.7.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0137, name = "TPM2_NV_Write", clause = "31.7", nv, response = Done)]
pub struct NvWrite {
    /// Who allows writing.
    #[handle(auth = user)]
    pub auth_handle: NvAuthHandle,
    /// The index.
    #[handle]
    pub nv_index: NvIndexHandle,
    /// The data.
    pub data: Tpm2bMaxNvBuffer,
    /// Where in the index to begin, in octets.
    pub offset: u16,
}

/// TPM2_NV_Increment: increments a counter. Part 3, 31.8.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0134, name = "TPM2_NV_Increment", clause = "31.8", nv, response = Done)]
pub struct NvIncrement {
    /// Who allows writing.
    #[handle(auth = user)]
    pub auth_handle: NvAuthHandle,
    /// The index.
    #[handle]
    pub nv_index: NvIndexHandle,
}

/// TPM2_NV_Extend: extends an index. Part 3, 31.9.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0136, name = "TPM2_NV_Extend", clause = "31.9", nv, response = Done)]
pub struct NvExtend {
    /// Who allows writing.
    #[handle(auth = user)]
    pub auth_handle: NvAuthHandle,
    /// The index.
    #[handle]
    pub nv_index: NvIndexHandle,
    /// What to extend with.
    pub data: Tpm2bMaxNvBuffer,
}

/// TPM2_NV_SetBits: sets bits of an index. Part 3, 31.10.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0135, name = "TPM2_NV_SetBits", clause = "31.10", nv, response = Done)]
pub struct NvSetBits {
    /// Who allows writing.
    #[handle(auth = user)]
    pub auth_handle: NvAuthHandle,
    /// The index.
    #[handle]
    pub nv_index: NvIndexHandle,
    /// The bits to set.
    pub bits: u64,
}

/// TPM2_NV_WriteLock: locks an index against writing. Part 3, 31.11.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0138, name = "TPM2_NV_WriteLock", clause = "31.11", nv, response = Done)]
pub struct NvWriteLock {
    /// Who allows writing.
    #[handle(auth = user)]
    pub auth_handle: NvAuthHandle,
    /// The index.
    #[handle]
    pub nv_index: NvIndexHandle,
}

/// TPM2_NV_GlobalWriteLock: locks every index that allows it against writing. Part 3, 31.12.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0132, name = "TPM2_NV_GlobalWriteLock", clause = "31.12", nv, response = Done)]
pub struct NvGlobalWriteLock {
    /// Who locks.
    #[handle(auth = user)]
    pub auth_handle: ProvisionHandle,
}

/// TPM2_NV_Read: reads from an index. Part 3, 31.13.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x014E, name = "TPM2_NV_Read", clause = "31.13", response = NvReadResponse)]
pub struct NvRead {
    /// Who allows reading.
    #[handle(auth = user)]
    pub auth_handle: NvAuthHandle,
    /// The index.
    #[handle]
    pub nv_index: NvIndexHandle,
    /// How many octets.
    pub size: u16,
    /// Where in the index to begin, in octets.
    pub offset: u16,
}

/// What [`NvRead`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct NvReadResponse {
    /// The data.
    pub data: Tpm2bMaxNvBuffer,
}

/// TPM2_NV_ReadLock: locks an index against reading. Part 3, 31.14.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x014F, name = "TPM2_NV_ReadLock", clause = "31.14", nv, response = Done)]
pub struct NvReadLock {
    /// Who allows reading.
    #[handle(auth = user)]
    pub auth_handle: NvAuthHandle,
    /// The index.
    #[handle]
    pub nv_index: NvIndexHandle,
}

/// TPM2_NV_ChangeAuth: changes the authValue of an index. Part 3, 31.15.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x013B, name = "TPM2_NV_ChangeAuth", clause = "31.15", nv, response = Done)]
pub struct NvChangeAuth {
    /// The index.
    #[handle(auth = admin)]
    pub nv_index: NvIndexHandle,
    /// The new authValue.
    pub new_auth: Tpm2bAuth,
}

/// TPM2_NV_Certify: attests contents of an index. Part 3, 31.16.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0184, name = "TPM2_NV_Certify", clause = "31.16", response = NvCertifyResponse)]
pub struct NvCertify {
    /// The signing key; `None` leaves the attestation unsigned.
    #[handle(auth = user)]
    pub sign_handle: Option<ObjectHandle>,
    /// Who allows reading.
    #[handle(auth = user)]
    pub auth_handle: NvAuthHandle,
    /// The index.
    #[handle]
    pub nv_index: NvIndexHandle,
    /// Goes into the attestation as it is.
    pub qualifying_data: Tpm2bData,
    /// The scheme, if the key does not fix one.
    pub in_scheme: Option<SigScheme>,
    /// How many octets; with size and offset zero the digest of the index is attested.
    pub size: u16,
    /// Where in the index to begin, in octets.
    pub offset: u16,
}

/// What [`NvCertify`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct NvCertifyResponse {
    /// The attestation.
    pub certify_info: Tpm2bAttest,
    /// Its signature.
    pub signature: Option<TpmtSignature>,
}

/// TPM2_NV_DefineSpace2: defines an index of any type that can be defined. Part 3, 31.17.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x019D, name = "TPM2_NV_DefineSpace2", clause = "31.17", nv, response = Done)]
pub struct NvDefineSpace2 {
    /// Who defines the index.
    #[handle(auth = user)]
    pub auth_handle: ProvisionHandle,
    /// The authValue of the index.
    pub auth: Tpm2bAuth,
    /// The public area.
    pub public_info: Tpm2bNvPublic2,
}

/// TPM2_NV_ReadPublic2: answers the public area and Name of an index of any type. Part 3, 31.18.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x019E, name = "TPM2_NV_ReadPublic2", clause = "31.18", response = NvReadPublic2Response)]
pub struct NvReadPublic2 {
    /// The index.
    #[handle]
    pub nv_index: NvIndexHandle,
}

/// What [`NvReadPublic2`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct NvReadPublic2Response {
    /// The public area.
    pub nv_public: Tpm2bNvPublic2,
    /// The Name.
    pub nv_name: Tpm2bName,
}
