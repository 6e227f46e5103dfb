//! Dictionary-attack protection. Part 3, 25.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
};
use sigillo_types::{
    Rc,
    command::Done,
    commands::{DictionaryAttackLockReset, DictionaryAttackParameters},
};

pub(crate) const COMMANDS: &[Entry] = entries![
    DictionaryAttackLockReset => dictionary_attack_lock_reset,
    DictionaryAttackParameters => dictionary_attack_parameters,
];

/// TPM2_DictionaryAttackLockReset. Authorized with lockoutPolicy it also enables lockoutAuth again. Part 3, 25.2 and Part 1, 16.8.5.
pub(crate) fn dictionary_attack_lock_reset(tpm: &mut Tpm, _: DictionaryAttackLockReset) -> Result<Done, Rc> {
    let da = tpm.state.da_mut();
    da.failed_tries = 0;
    da.lockout_auth_enabled = true;
    Ok(Done {})
}

/// TPM2_DictionaryAttackParameters. Part 3, 25.3.
pub(crate) fn dictionary_attack_parameters(
    tpm: &mut Tpm,
    cmd: DictionaryAttackParameters,
) -> Result<Done, Rc> {
    let now_ms = tpm.time_ms();
    let da = tpm.state.da_mut();
    if da.recovery_time_s != cmd.new_recovery_time {
        // Time that passed under the old interval is not measured with the new one.
        da.self_heal_ms = now_ms;
    }
    da.max_tries = cmd.new_max_tries;
    da.recovery_time_s = cmd.new_recovery_time;
    da.lockout_recovery_s = cmd.lockout_recovery;
    Ok(Done {})
}
