//! Startup and shutdown. Part 3, 9.

use crate::{command::Done, constants::StartupType, derive::Command};

/// TPM2_Startup: starts the TPM after _TPM_Init. Part 3, 9.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0144, name = "TPM2_Startup", clause = "9.3", nv, no_sessions, response = Done)]
pub struct Startup {
    /// TPM_SU_STATE restores what Shutdown(STATE) kept.
    pub startup_type: StartupType,
}

/// TPM2_Shutdown: prepares for the loss of power. Part 3, 9.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0145, name = "TPM2_Shutdown", clause = "9.4", nv, response = Done)]
pub struct Shutdown {
    /// What the next startup may be.
    pub shutdown_type: StartupType,
}
