//! Objects. Part 3, 12.

use crate::{
    buffers::{
        Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bEncryptedSecret, Tpm2bIdObject, Tpm2bName, Tpm2bPrivate,
        Tpm2bSecretDigest, Tpm2bSensitiveData, Tpm2bTemplate,
    },
    derive::{Command, Response},
    handles::{Hierarchy, ObjectHandle, ParentHandle, TpmHandle},
    structures::{
        Tpm2bCreationData, Tpm2bPublic, Tpm2bPublicPlus, Tpm2bSensitive, Tpm2bSensitiveCreate,
        TpmlPcrSelection, TpmtTkCreation,
    },
};

/// TPM2_Create: creates an object under a parent and answers its two parts. Part 3, 12.1.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0153, name = "TPM2_Create", clause = "12.1", response = CreateResponse)]
pub struct Create {
    /// The parent.
    #[handle(auth = user)]
    pub parent_handle: ObjectHandle,
    /// The authValue, and data to seal or a key.
    pub in_sensitive: Tpm2bSensitiveCreate,
    /// The template.
    pub in_public: Tpm2bPublic,
    /// Goes into the creation data as it is.
    pub outside_info: Tpm2bData,
    /// PCR to record in the creation data.
    pub creation_pcr: TpmlPcrSelection,
}

/// What [`Create`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct CreateResponse {
    /// The sensitive area, protected by the parent.
    pub out_private: Tpm2bPrivate,
    /// The public area.
    pub out_public: Tpm2bPublic,
    /// How the object was created.
    pub creation_data: Tpm2bCreationData,
    /// The digest of the creation data.
    pub creation_hash: Tpm2bDigest,
    /// Proof that the creation data are those of the object.
    pub creation_ticket: TpmtTkCreation,
}

/// TPM2_Load: loads a created object. Part 3, 12.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0157, name = "TPM2_Load", clause = "12.2", response = LoadResponse)]
pub struct Load {
    /// The parent.
    #[handle(auth = user)]
    pub parent_handle: ObjectHandle,
    /// The sensitive area, protected by the parent.
    pub in_private: Tpm2bPrivate,
    /// The public area.
    pub in_public: Tpm2bPublic,
}

/// What [`Load`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct LoadResponse {
    /// The loaded object.
    #[handle]
    pub object_handle: TpmHandle,
    /// Its Name.
    pub name: Tpm2bName,
}

/// TPM2_LoadExternal: loads an object that has no parent here. Part 3, 12.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0167, name = "TPM2_LoadExternal", clause = "12.3", response = LoadExternalResponse)]
pub struct LoadExternal {
    /// The sensitive area; `None` loads the public area alone.
    pub in_private: Option<Tpm2bSensitive>,
    /// The public area; its nameAlg may be TPM_ALG_NULL.
    pub in_public: Tpm2bPublicPlus,
    /// The hierarchy it is loaded into.
    pub hierarchy: Hierarchy,
}

/// What [`LoadExternal`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct LoadExternalResponse {
    /// The loaded object.
    #[handle]
    pub object_handle: TpmHandle,
    /// Its Name.
    pub name: Tpm2bName,
}

/// TPM2_ReadPublic: answers the public area of a loaded object. Part 3, 12.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0173, name = "TPM2_ReadPublic", clause = "12.4", response = ReadPublicResponse)]
pub struct ReadPublic {
    /// The object.
    #[handle]
    pub object_handle: ObjectHandle,
}

/// What [`ReadPublic`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct ReadPublicResponse {
    /// The public area.
    pub out_public: Tpm2bPublicPlus,
    /// The Name.
    pub name: Tpm2bName,
    /// The Qualified Name.
    pub qualified_name: Tpm2bName,
}

/// TPM2_ActivateCredential: opens a credential that was made for two keys of this TPM. Part 3, 12.5.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0147, name = "TPM2_ActivateCredential", clause = "12.5", response = ActivateCredentialResponse)]
pub struct ActivateCredential {
    /// The object the credential is about.
    #[handle(auth = admin)]
    pub activate_handle: ObjectHandle,
    /// The key that protects the credential.
    #[handle(auth = user)]
    pub key_handle: ObjectHandle,
    /// The protected credential.
    pub credential_blob: Tpm2bIdObject,
    /// The seed, encrypted to `key_handle`.
    pub secret: Tpm2bEncryptedSecret,
}

/// What [`ActivateCredential`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct ActivateCredentialResponse {
    /// The credential.
    pub cert_info: Tpm2bSecretDigest,
}

/// TPM2_MakeCredential: protects a credential for a key and a Name. Part 3, 12.6.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0168, name = "TPM2_MakeCredential", clause = "12.6", response = MakeCredentialResponse)]
pub struct MakeCredential {
    /// The key to protect the credential for.
    #[handle]
    pub handle: ObjectHandle,
    /// The credential.
    pub credential: Tpm2bSecretDigest,
    /// The Name of the object the credential is about.
    pub object_name: Tpm2bName,
}

/// What [`MakeCredential`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct MakeCredentialResponse {
    /// The protected credential.
    pub credential_blob: Tpm2bIdObject,
    /// The seed, encrypted to the key.
    pub secret: Tpm2bEncryptedSecret,
}

/// TPM2_Unseal: answers sealed data. Part 3, 12.7.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x015E, name = "TPM2_Unseal", clause = "12.7", response = UnsealResponse)]
pub struct Unseal {
    /// The sealed data object.
    #[handle(auth = user)]
    pub item_handle: ObjectHandle,
}

/// What [`Unseal`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct UnsealResponse {
    /// The data.
    pub out_data: Tpm2bSensitiveData,
}

/// TPM2_ObjectChangeAuth: answers an object's sensitive area with another authValue. Part 3, 12.8.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0150, name = "TPM2_ObjectChangeAuth", clause = "12.8", response = ObjectChangeAuthResponse)]
pub struct ObjectChangeAuth {
    /// The object.
    #[handle(auth = admin)]
    pub object_handle: ObjectHandle,
    /// The parent of the object.
    #[handle]
    pub parent_handle: ObjectHandle,
    /// The new authValue.
    pub new_auth: Tpm2bAuth,
}

/// What [`ObjectChangeAuth`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct ObjectChangeAuthResponse {
    /// The sensitive area, protected by the parent.
    pub out_private: Tpm2bPrivate,
}

/// TPM2_CreateLoaded: creates a primary, ordinary or derived object and loads it. Part 3, 12.9.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0191, name = "TPM2_CreateLoaded", clause = "12.9", response = CreateLoadedResponse)]
pub struct CreateLoaded {
    /// The parent, or the hierarchy of a primary object.
    #[handle(auth = user)]
    pub parent_handle: ParentHandle,
    /// The authValue, and data to seal or a key.
    pub in_sensitive: Tpm2bSensitiveCreate,
    /// The template, marshalled; its `unique` depends on the parent.
    pub in_public: Tpm2bTemplate,
}

/// What [`CreateLoaded`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct CreateLoadedResponse {
    /// The new object.
    #[handle]
    pub object_handle: TpmHandle,
    /// The sensitive area, protected by the parent; empty for a primary object.
    pub out_private: Tpm2bPrivate,
    /// The public area.
    pub out_public: Tpm2bPublic,
    /// Its Name.
    pub name: Tpm2bName,
}
