//! Miscellaneous management. Part 3, 26.

use crate::{
    Profile, Tpm,
    dispatch::{Entry, entries},
};
use alloc::vec::Vec;
use sigillo_types::{
    Rc, cc,
    command::Done,
    commands::{PpCommands, SetAlgorithmSet},
    rc,
};

pub(crate) const COMMANDS: &[Entry] = entries![
    PpCommands => pp_commands,
    SetAlgorithmSet => set_algorithm_set,
];

/// The algorithm set that there is: that of the profile. TPM_PT_ALGORITHM_SET.
pub(crate) const ALGORITHM_SET: u32 = 0;

/// Whether a command can be made to need physical presence: its table has `TPM_RH_PLATFORM+{PP}`, or the handle that authorizes it is a
/// TPMI_RH_PLATFORM. TPM2_PP_Commands itself always needs it. Part 3, 4.2.5 and 26.2.
fn can_need_presence(profile: &Profile, code: u32) -> bool {
    let handles_fit = matches!(
        code,
        cc::CREATE_LOADED
            | cc::CREATE_PRIMARY
            | cc::HIERARCHY_CONTROL
            | cc::SET_PRIMARY_POLICY
            | cc::CHANGE_PPS
            | cc::CHANGE_EPS
            | cc::CLEAR
            | cc::CLEAR_CONTROL
            | cc::HIERARCHY_CHANGE_AUTH
            | cc::READ_ONLY_CONTROL
            | cc::SET_COMMAND_CODE_AUDIT_STATUS
            | cc::PCR_ALLOCATE
            | cc::PCR_SET_AUTH_POLICY
            | cc::SET_ALGORITHM_SET
            | cc::EVICT_CONTROL
            | cc::CLOCK_SET
            | cc::CLOCK_RATE_ADJUST
            | cc::SET_CAPABILITY
            | cc::NV_DEFINE_SPACE
            | cc::NV_DEFINE_SPACE2
            | cc::NV_UNDEFINE_SPACE
            | cc::NV_UNDEFINE_SPACE_SPECIAL
            | cc::NV_GLOBAL_WRITE_LOCK
    );
    handles_fit && profile.command(code).is_some()
}

impl Tpm {
    /// The commands that need physical presence when platformAuth authorizes them, ascending. TPM_CAP_PP_COMMANDS.
    pub(crate) fn presence_commands(&self) -> impl Iterator<Item = u32> {
        let chosen = &self.state.persistent.pp_commands;
        let below = chosen.range(..cc::PP_COMMANDS).copied();
        let above = chosen.range(cc::PP_COMMANDS + 1..).copied();
        below.chain([cc::PP_COMMANDS]).chain(above)
    }

    /// Whether a command needs physical presence when platformAuth authorizes it.
    pub(crate) fn needs_presence(&self, code: u32) -> bool {
        code == cc::PP_COMMANDS || self.state.persistent.pp_commands.contains(&code)
    }
}

/// TPM2_PP_Commands: a command in both lists needs no presence; one that cannot be gated is passed over. Part 3, 26.2.
///
/// # Response codes
/// - `PP` (session): physical presence is not asserted; the pipeline has checked it.
pub(crate) fn pp_commands(tpm: &mut Tpm, cmd: PpCommands) -> Result<Done, Rc> {
    let gated = |code: &u32| can_need_presence(&tpm.profile, *code);
    let set: Vec<u32> = cmd.set_list.iter().copied().filter(gated).collect();
    let list = &mut tpm.state.persistent_mut().pp_commands;
    list.extend(set);
    for code in &cmd.clear_list {
        list.remove(code);
    }
    Ok(Done {})
}

/// TPM2_SetAlgorithmSet: there is one set, and choosing it asks for a TPM Reset or Restart all the same. Part 3, 26.3.
///
/// # Response codes
/// - `VALUE` (algorithmSet): another set.
pub(crate) fn set_algorithm_set(tpm: &mut Tpm, cmd: SetAlgorithmSet) -> Result<Done, Rc> {
    if cmd.algorithm_set != ALGORITHM_SET {
        return Err(rc::VALUE.at(SetAlgorithmSet::ALGORITHM_SET));
    }
    tpm.state.persistent_mut().startup_clear_due = true;
    Ok(Done {})
}
