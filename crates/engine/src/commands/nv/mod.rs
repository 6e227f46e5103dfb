//! Non-volatile storage. Part 3, 31.

mod define;
mod lock;
mod read;
mod write;

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    state::NvIndex,
};
use alloc::sync::Arc;
use sigillo_types::{
    Position, Rc,
    commands::{
        NvCertify, NvChangeAuth, NvDefineSpace, NvDefineSpace2, NvExtend, NvGlobalWriteLock, NvIncrement,
        NvRead, NvReadLock, NvReadPublic, NvReadPublic2, NvSetBits, NvUndefineSpace, NvUndefineSpaceSpecial,
        NvWrite, NvWriteLock,
    },
    handles::NvIndexHandle,
};

pub(crate) const COMMANDS: &[Entry] = entries![
    NvDefineSpace => define::nv_define_space,
    NvUndefineSpace => define::nv_undefine_space,
    NvUndefineSpaceSpecial => define::nv_undefine_space_special,
    NvReadPublic => read::nv_read_public,
    NvWrite => write::nv_write,
    NvIncrement => write::nv_increment,
    NvExtend => write::nv_extend,
    NvSetBits => write::nv_set_bits,
    NvWriteLock => lock::nv_write_lock,
    NvGlobalWriteLock => lock::nv_global_write_lock,
    NvRead => read::nv_read,
    NvReadLock => lock::nv_read_lock,
    NvChangeAuth => define::nv_change_auth,
    NvCertify => read::nv_certify,
    NvDefineSpace2 => define::nv_define_space2,
    NvReadPublic2 => read::nv_read_public2,
];

/// The index of a command; the pipeline has checked that it is there.
fn index_at(tpm: &Tpm, handle: NvIndexHandle, position: Position) -> Result<Arc<NvIndex>, Rc> {
    tpm.nv_index(handle.raw()).cloned().map_err(|code| code.at(position))
}
