//! Command audit. Part 3, 21.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
};
use sigillo_types::{Rc, cc, command::Done, commands::SetCommandCodeAuditStatus, rc};

pub(crate) const COMMANDS: &[Entry] = entries![SetCommandCodeAuditStatus => set_command_code_audit_status];

/// TPM2_SetCommandCodeAuditStatus. Part 3, 21.2.
///
/// Commands that are not implemented, and Shutdown, which cannot be audited, are passed over in both lists.
///
/// # Response codes
/// - `VALUE` (auditAlg): the algorithm and the lists were to change at the same time.
pub(crate) fn set_command_code_audit_status(
    tpm: &mut Tpm,
    cmd: SetCommandCodeAuditStatus,
) -> Result<Done, Rc> {
    let current = tpm.state.persistent.audit_hash_alg;
    if let Some(alg) = cmd.audit_alg.filter(|alg| *alg != current) {
        if !cmd.set_list.is_empty() || !cmd.clear_list.is_empty() {
            return Err(rc::VALUE.at(SetCommandCodeAuditStatus::AUDIT_ALG));
        }
        tpm.state.persistent_mut().audit_hash_alg = alg;
        tpm.state.reset_mut().command_audit_digest.clear();
        tpm.call.unaudited = true;
        return Ok(Done {});
    }
    let mut audited = tpm.state.persistent.audit_commands.clone();
    let has = |code: u32| tpm.profile.command(code).is_some();
    audited.extend(cmd.set_list.iter().filter(|code| **code != cc::SHUTDOWN && has(**code)));
    for code in cmd.clear_list.iter().filter(|code| **code != cc::SET_COMMAND_CODE_AUDIT_STATUS) {
        audited.remove(code);
    }
    if audited != tpm.state.persistent.audit_commands {
        tpm.state.persistent_mut().audit_commands = audited;
    }
    Ok(Done {})
}
