//! Dictionary-attack protection. Part 3, 25.

use crate::{command::Done, derive::Command, handles::LockoutHandle};

/// TPM2_DictionaryAttackLockReset: forgets failed tries. Part 3, 25.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0139, name = "TPM2_DictionaryAttackLockReset", clause = "25.2", nv, response = Done)]
pub struct DictionaryAttackLockReset {
    /// lockoutAuth.
    #[handle(auth = user)]
    pub lock_handle: LockoutHandle,
}

/// TPM2_DictionaryAttackParameters: sets the parameters of dictionary-attack protection. Part 3, 25.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x013A, name = "TPM2_DictionaryAttackParameters", clause = "25.3", nv, response = Done)]
pub struct DictionaryAttackParameters {
    /// lockoutAuth.
    #[handle(auth = user)]
    pub lock_handle: LockoutHandle,
    /// Failed tries before lockout.
    pub new_max_tries: u32,
    /// Seconds until one failed try is forgotten; zero disables the protection.
    pub new_recovery_time: u32,
    /// Seconds until lockoutAuth can be tried again; zero asks for a TPM Reset.
    pub lockout_recovery: u32,
}
