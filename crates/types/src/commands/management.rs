//! Miscellaneous management. Part 3, 26.

use crate::{command::Done, derive::Command, handles::PlatformHandle, structures::TpmlCc};

/// TPM2_PP_Commands: says which commands need physical presence. Part 3, 26.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x012D, name = "TPM2_PP_Commands", clause = "26.2", nv, response = Done)]
pub struct PpCommands {
    /// platformAuth, with physical presence.
    #[handle(auth = user)]
    pub auth: PlatformHandle,
    /// Commands that need it from now on.
    pub set_list: TpmlCc,
    /// Commands that do not need it any more.
    pub clear_list: TpmlCc,
}

/// TPM2_SetAlgorithmSet: chooses an algorithm set of the vendor. Part 3, 26.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x013F, name = "TPM2_SetAlgorithmSet", clause = "26.3", nv, response = Done)]
pub struct SetAlgorithmSet {
    /// platformAuth.
    #[handle(auth = user)]
    pub auth_handle: PlatformHandle,
    /// The set.
    pub algorithm_set: u32,
}
