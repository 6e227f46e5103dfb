//! Hierarchies. Part 3, 24.

use crate::{
    HashAlg,
    buffers::{Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bName},
    command::Done,
    derive::{Command, Response},
    handles::{
        BaseHierarchy, ClearHandle, EnablesHandle, Hierarchy, HierarchyAuthHandle, HierarchyPolicyHandle,
        PlatformHandle, TpmHandle,
    },
    structures::{Tpm2bCreationData, Tpm2bPublic, Tpm2bSensitiveCreate, TpmlPcrSelection, TpmtTkCreation},
};

/// TPM2_CreatePrimary: creates a primary object from a seed and loads it. Part 3, 24.1.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0131, name = "TPM2_CreatePrimary", clause = "24.1", response = CreatePrimaryResponse)]
pub struct CreatePrimary {
    /// The hierarchy.
    #[handle(auth = user)]
    pub primary_handle: Hierarchy,
    /// The authValue, and data to seal or a key.
    pub in_sensitive: Tpm2bSensitiveCreate,
    /// The template.
    pub in_public: Tpm2bPublic,
    /// Goes into the creation data as it is.
    pub outside_info: Tpm2bData,
    /// PCR to record in the creation data.
    pub creation_pcr: TpmlPcrSelection,
}

/// What [`CreatePrimary`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct CreatePrimaryResponse {
    /// The new object.
    #[handle]
    pub object_handle: TpmHandle,
    /// The public area.
    pub out_public: Tpm2bPublic,
    /// How the object was created.
    pub creation_data: Tpm2bCreationData,
    /// The digest of the creation data.
    pub creation_hash: Tpm2bDigest,
    /// Proof that the creation data are those of the object.
    pub creation_ticket: TpmtTkCreation,
    /// Its Name.
    pub name: Tpm2bName,
}

/// TPM2_HierarchyControl: enables or disables a hierarchy. Part 3, 24.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0121, name = "TPM2_HierarchyControl", clause = "24.2", nv, extensive, response = Done)]
pub struct HierarchyControl {
    /// The hierarchy that asks.
    #[handle(auth = user)]
    pub auth_handle: BaseHierarchy,
    /// What to enable or disable.
    pub enable: EnablesHandle,
    /// Whether to enable it.
    pub state: bool,
}

/// TPM2_SetPrimaryPolicy: sets the policy of a hierarchy. Part 3, 24.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x012E, name = "TPM2_SetPrimaryPolicy", clause = "24.3", nv, response = Done)]
pub struct SetPrimaryPolicy {
    /// The hierarchy, lockout or timer.
    #[handle(auth = user)]
    pub auth_handle: HierarchyPolicyHandle,
    /// The policy; empty for none.
    pub auth_policy: Tpm2bDigest,
    /// The hash of the policy; `None` for none.
    pub hash_alg: Option<HashAlg>,
}

/// TPM2_ChangePPS: replaces the platform seed. Part 3, 24.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0125, name = "TPM2_ChangePPS", clause = "24.4", nv, extensive, response = Done)]
pub struct ChangePps {
    /// platformAuth.
    #[handle(auth = user)]
    pub auth_handle: PlatformHandle,
}

/// TPM2_ChangeEPS: replaces the endorsement seed. Part 3, 24.5.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0124, name = "TPM2_ChangeEPS", clause = "24.5", nv, extensive, response = Done)]
pub struct ChangeEps {
    /// platformAuth.
    #[handle(auth = user)]
    pub auth_handle: PlatformHandle,
}

/// TPM2_Clear: takes the TPM from its owner. Part 3, 24.6.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0126, name = "TPM2_Clear", clause = "24.6", nv, extensive, response = Done)]
pub struct Clear {
    /// lockoutAuth or platformAuth.
    #[handle(auth = user)]
    pub auth_handle: ClearHandle,
}

/// TPM2_ClearControl: disables and enables TPM2_Clear. Part 3, 24.7.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0127, name = "TPM2_ClearControl", clause = "24.7", nv, response = Done)]
pub struct ClearControl {
    /// lockoutAuth or platformAuth; lockoutAuth can only disable.
    #[handle(auth = user)]
    pub auth: ClearHandle,
    /// Whether to disable it.
    pub disable: bool,
}

/// TPM2_HierarchyChangeAuth: changes the authValue of a hierarchy or of lockout. Part 3, 24.8.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0129, name = "TPM2_HierarchyChangeAuth", clause = "24.8", nv, response = Done)]
pub struct HierarchyChangeAuth {
    /// Whose authValue.
    #[handle(auth = user)]
    pub auth_handle: HierarchyAuthHandle,
    /// The new authValue.
    pub new_auth: Tpm2bAuth,
}

/// TPM2_ReadOnlyControl: enters or leaves read-only mode. Part 3, 24.9.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x01A0, name = "TPM2_ReadOnlyControl", clause = "24.9", response = Done)]
pub struct ReadOnlyControl {
    /// platformAuth.
    #[handle(auth = user)]
    pub auth_handle: PlatformHandle,
    /// Whether to enter the mode.
    pub state: bool,
}
