//! Duplication of objects. Part 3, 13.

use crate::{
    buffers::{Tpm2bEncryptedSecret, Tpm2bName, Tpm2bPrivate, Tpm2bSecretData},
    derive::{Command, Response},
    handles::ObjectHandle,
    structures::{SymDefObject, Tpm2bPublic},
};

/// TPM2_Duplicate: wraps an object for another parent. Part 3, 13.1.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x014B, name = "TPM2_Duplicate", clause = "13.1", response = DuplicateResponse)]
pub struct Duplicate {
    /// The object.
    #[handle(auth = dup)]
    pub object_handle: ObjectHandle,
    /// The new parent; `None` leaves out the outer wrapping.
    #[handle]
    pub new_parent_handle: Option<ObjectHandle>,
    /// The key of the inner wrapping; empty if the TPM shall make it.
    pub encryption_key_in: Tpm2bSecretData,
    /// The cipher of the inner wrapping; `None` for no such wrapping.
    pub symmetric_alg: Option<SymDefObject>,
}

/// What [`Duplicate`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct DuplicateResponse {
    /// The key of the inner wrapping if the TPM made it.
    pub encryption_key_out: Tpm2bSecretData,
    /// The wrapped sensitive area.
    pub duplicate: Tpm2bPrivate,
    /// The seed of the outer wrapping, encrypted to the new parent.
    pub out_sym_seed: Tpm2bEncryptedSecret,
}

/// TPM2_Rewrap: wraps a duplicate for yet another parent. Part 3, 13.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0152, name = "TPM2_Rewrap", clause = "13.2", response = RewrapResponse)]
pub struct Rewrap {
    /// The parent it is wrapped for; `None` if there is no outer wrapping.
    #[handle(auth = user)]
    pub old_parent: Option<ObjectHandle>,
    /// The parent to wrap it for; `None` leaves out the outer wrapping.
    #[handle]
    pub new_parent: Option<ObjectHandle>,
    /// The wrapped sensitive area.
    pub in_duplicate: Tpm2bPrivate,
    /// The Name of the object.
    pub name: Tpm2bName,
    /// The seed of the outer wrapping, encrypted to the old parent.
    pub in_sym_seed: Tpm2bEncryptedSecret,
}

/// What [`Rewrap`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct RewrapResponse {
    /// The sensitive area in its new wrapping.
    pub out_duplicate: Tpm2bPrivate,
    /// The seed of the outer wrapping, encrypted to the new parent.
    pub out_sym_seed: Tpm2bEncryptedSecret,
}

/// TPM2_Import: turns a duplicate into a child of a parent here. Part 3, 13.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0156, name = "TPM2_Import", clause = "13.3", response = ImportResponse)]
pub struct Import {
    /// The parent.
    #[handle(auth = user)]
    pub parent_handle: ObjectHandle,
    /// The key of the inner wrapping; empty without one.
    pub encryption_key: Tpm2bSecretData,
    /// The public area.
    pub object_public: Tpm2bPublic,
    /// The wrapped sensitive area.
    pub duplicate: Tpm2bPrivate,
    /// The seed of the outer wrapping, encrypted to the parent; empty without one.
    pub in_sym_seed: Tpm2bEncryptedSecret,
    /// The cipher of the inner wrapping; `None` without one.
    pub symmetric_alg: Option<SymDefObject>,
}

/// What [`Import`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct ImportResponse {
    /// The sensitive area, protected by the parent.
    pub out_private: Tpm2bPrivate,
}
