//! Read-only mode: what persists does not change. Part 1, 42 and Part 3, 24.9.

use crate::Tpm;
use sigillo_types::{Rc, attributes::TpmaNv, cc, rc};

/// Refuses what changes persistent state, before anything is authorized.
///
/// # Errors
/// `READ_ONLY`: not permitted in the mode the TPM is in.
pub(super) fn check(tpm: &Tpm, code: u32, handles: &[u32]) -> Result<(), Rc> {
    if tpm.state.clear.read_only && !is_permitted(tpm, code, handles) { Err(rc::READ_ONLY) } else { Ok(()) }
}

/// Part 3, 24.9, Table 207.
fn is_permitted(tpm: &Tpm, code: u32, handles: &[u32]) -> bool {
    match code {
        // An index that no Shutdown but that of STATE keeps, and no startup but TPM Resume.
        cc::NV_WRITE | cc::NV_EXTEND | cc::NV_SET_BITS | cc::NV_WRITE_LOCK | cc::NV_READ_LOCK => {
            let index = handles.get(1).and_then(|handle| tpm.nv_index(*handle).ok());
            index.is_some_and(|index| index.has(TpmaNv::ORDERLY) && index.has(TpmaNv::CLEAR_STCLEAR))
        }
        // It would count a try.
        cc::POLICY_SECRET => handles.first().is_none_or(|entity| tpm.pin_index(*entity).is_none()),
        _ => !matches!(
            code,
            cc::CREATE
                | cc::OBJECT_CHANGE_AUTH
                | cc::CREATE_LOADED
                | cc::SET_COMMAND_CODE_AUDIT_STATUS
                | cc::PCR_ALLOCATE
                | cc::PCR_SET_AUTH_POLICY
                | cc::PCR_SET_AUTH_VALUE
                | cc::CREATE_PRIMARY
                | cc::HIERARCHY_CONTROL
                | cc::SET_PRIMARY_POLICY
                | cc::CHANGE_PPS
                | cc::CHANGE_EPS
                | cc::CLEAR
                | cc::CLEAR_CONTROL
                | cc::HIERARCHY_CHANGE_AUTH
                | cc::DICTIONARY_ATTACK_PARAMETERS
                | cc::PP_COMMANDS
                | cc::SET_ALGORITHM_SET
                | cc::FIELD_UPGRADE_START
                | cc::FIELD_UPGRADE_DATA
                | cc::EVICT_CONTROL
                | cc::CLOCK_SET
                | cc::CLOCK_RATE_ADJUST
                | cc::SET_CAPABILITY
                | cc::NV_DEFINE_SPACE
                | cc::NV_DEFINE_SPACE2
                | cc::NV_UNDEFINE_SPACE
                | cc::NV_UNDEFINE_SPACE_SPECIAL
                | cc::NV_INCREMENT
                | cc::NV_GLOBAL_WRITE_LOCK
                | cc::NV_CHANGE_AUTH
        ),
    }
}
