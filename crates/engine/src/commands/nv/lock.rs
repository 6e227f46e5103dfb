//! Locks against writing and reading. Part 3, 31.11, 31.12 and 31.14.

use super::index_at;
use crate::Tpm;
use alloc::vec::Vec;
use sigillo_types::{
    Rc,
    attributes::TpmaNv,
    command::Done,
    commands::{NvGlobalWriteLock, NvReadLock, NvWriteLock},
    rc,
};

/// TPM2_NV_WriteLock. Part 3, 31.11.
///
/// # Response codes
/// - `NV_AUTHORIZATION`: the authorization may not write the index.
/// - `ATTRIBUTES` (handle 2): the index has neither WRITEDEFINE nor WRITE_STCLEAR.
pub(crate) fn nv_write_lock(tpm: &mut Tpm, cmd: NvWriteLock) -> Result<Done, Rc> {
    let index = index_at(tpm, cmd.nv_index, NvWriteLock::NV_INDEX)?;
    match tpm.check_nv_write(cmd.auth_handle, &index) {
        // It is what was asked for.
        Err(rc::NV_LOCKED) => return Ok(Done {}),
        checked => checked?,
    }
    if !index.attributes().intersects(TpmaNv::WRITEDEFINE | TpmaNv::WRITE_STCLEAR) {
        return Err(rc::ATTRIBUTES.at(NvWriteLock::NV_INDEX));
    }
    tpm.set_nv_attributes(cmd.nv_index.raw(), index.attributes() | TpmaNv::WRITELOCKED);
    Ok(Done {})
}

/// TPM2_NV_GlobalWriteLock: locks every index with GLOBALLOCK, whoever defined it. Part 3, 31.12.
pub(crate) fn nv_global_write_lock(tpm: &mut Tpm, _: NvGlobalWriteLock) -> Result<Done, Rc> {
    let indices = tpm.state.nv.indices.iter().filter(|(_, index)| index.has(TpmaNv::GLOBALLOCK));
    let locked: Vec<(u32, TpmaNv)> =
        indices.map(|(handle, index)| (*handle, index.attributes() | TpmaNv::WRITELOCKED)).collect();
    for (handle, attributes) in locked {
        tpm.set_nv_attributes(handle, attributes);
    }
    Ok(Done {})
}

/// TPM2_NV_ReadLock: an index that was not written yet can be locked too. Part 3, 31.14.
///
/// # Response codes
/// - `NV_AUTHORIZATION`: the authorization may not read the index.
/// - `ATTRIBUTES` (handle 2): the index does not have READ_STCLEAR.
pub(crate) fn nv_read_lock(tpm: &mut Tpm, cmd: NvReadLock) -> Result<Done, Rc> {
    let index = index_at(tpm, cmd.nv_index, NvReadLock::NV_INDEX)?;
    match tpm.check_nv_read(cmd.auth_handle, &index) {
        Err(rc::NV_LOCKED) => return Ok(Done {}),
        Err(rc::NV_UNINITIALIZED) => {}
        checked => checked?,
    }
    if !index.has(TpmaNv::READ_STCLEAR) {
        return Err(rc::ATTRIBUTES.at(NvReadLock::NV_INDEX));
    }
    tpm.set_nv_attributes(cmd.nv_index.raw(), index.attributes() | TpmaNv::READLOCKED);
    Ok(Done {})
}
