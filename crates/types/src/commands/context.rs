//! Contexts and persistent objects. Part 3, 28.

use crate::{
    command::Done,
    derive::{Command, Response},
    handles::{ContextHandle, ObjectHandle, PersistentHandle, ProvisionHandle, TpmHandle},
    structures::TpmsContext,
};

/// TPM2_ContextSave: saves an object, sequence or session outside the TPM. Part 3, 28.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0162, name = "TPM2_ContextSave", clause = "28.2", no_sessions, response = ContextSaveResponse)]
pub struct ContextSave {
    /// What to save.
    #[handle]
    pub save_handle: ContextHandle,
}

/// What [`ContextSave`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct ContextSaveResponse {
    /// The saved context.
    pub context: TpmsContext,
}

/// TPM2_ContextLoad: loads a saved context. Part 3, 28.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0161, name = "TPM2_ContextLoad", clause = "28.3", no_sessions, response = ContextLoadResponse)]
pub struct ContextLoad {
    /// The saved context.
    pub context: TpmsContext,
}

/// What [`ContextLoad`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct ContextLoadResponse {
    /// What was loaded.
    #[handle]
    pub loaded_handle: TpmHandle,
}

/// TPM2_FlushContext: removes an object, sequence or session. Part 3, 28.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0165, name = "TPM2_FlushContext", clause = "28.4", no_sessions, response = Done)]
pub struct FlushContext {
    /// What to remove; a parameter, although a handle.
    pub flush_handle: ContextHandle,
}

/// TPM2_EvictControl: makes an object persistent or removes a persistent one. Part 3, 28.5.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0120, name = "TPM2_EvictControl", clause = "28.5", nv, response = Done)]
pub struct EvictControl {
    /// Who manages the object.
    #[handle(auth = user)]
    pub auth: ProvisionHandle,
    /// The object to make persistent, or the persistent object.
    #[handle]
    pub object_handle: ObjectHandle,
    /// The persistent handle.
    pub persistent_handle: PersistentHandle,
}
