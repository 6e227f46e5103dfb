//! Changing what an index holds, in the way of its type. Part 3, 31.7 to 31.10.

use super::index_at;
use crate::{Tpm, nv::number};
use alloc::vec;
use sigillo_crypto::hash::hash;
use sigillo_types::{
    Rc,
    attributes::{NvType, TpmaNv},
    command::Done,
    commands::{NvExtend, NvIncrement, NvSetBits, NvWrite},
    rc,
};

/// TPM2_NV_Write. Part 3, 31.7.
///
/// # Response codes
/// - `NV_LOCKED`, `NV_AUTHORIZATION`: the index is locked, or the authorization may not write it.
/// - `ATTRIBUTES`: a counter, a bit field or an index that is extended.
/// - `VALUE` (offset): behind the end of the index.
/// - `NV_RANGE`: the data reach over its end, or are not all of it although WRITEALL is set.
pub(crate) fn nv_write(tpm: &mut Tpm, cmd: NvWrite) -> Result<Done, Rc> {
    let index = index_at(tpm, cmd.nv_index, NvWrite::NV_INDEX)?;
    tpm.check_nv_write(cmd.auth_handle, &index)?;
    if index.is(NvType::Counter) || index.is(NvType::Bits) || index.is(NvType::Extend) {
        return Err(rc::ATTRIBUTES.into());
    }
    let offset = usize::from(cmd.offset);
    let room = index.size().checked_sub(offset).ok_or(rc::VALUE.at(NvWrite::OFFSET))?;
    if cmd.data.len() > room || (index.has(TpmaNv::WRITEALL) && cmd.data.len() < index.size()) {
        return Err(rc::NV_RANGE);
    }
    let mut data = tpm.nv_data_or_zero(&index);
    data.get_mut(offset..offset + cmd.data.len()).ok_or(rc::NV_RANGE)?.copy_from_slice(&cmd.data);
    tpm.write_nv(cmd.nv_index.raw(), data);
    Ok(Done {})
}

/// TPM2_NV_Increment: a counter begins behind every counter that was ever there. Part 3, 31.8.
///
/// # Response codes
/// - `NV_LOCKED`, `NV_AUTHORIZATION`: as TPM2_NV_Write.
/// - `ATTRIBUTES` (handle 2): not a counter.
pub(crate) fn nv_increment(tpm: &mut Tpm, cmd: NvIncrement) -> Result<Done, Rc> {
    let index = index_at(tpm, cmd.nv_index, NvIncrement::NV_INDEX)?;
    tpm.check_nv_write(cmd.auth_handle, &index)?;
    if !index.is(NvType::Counter) {
        return Err(rc::ATTRIBUTES.at(NvIncrement::NV_INDEX));
    }
    let count = if index.has(TpmaNv::WRITTEN) { number(tpm.nv_data(&index)) } else { tpm.highest_counter() };
    tpm.write_nv(cmd.nv_index.raw(), count.wrapping_add(1).to_be_bytes().to_vec());
    Ok(Done {})
}

/// TPM2_NV_Extend. Part 3, 31.9.
///
/// # Response codes
/// - `NV_LOCKED`, `NV_AUTHORIZATION`: as TPM2_NV_Write.
/// - `ATTRIBUTES` (handle 2): not an index that is extended.
pub(crate) fn nv_extend(tpm: &mut Tpm, cmd: NvExtend) -> Result<Done, Rc> {
    let index = index_at(tpm, cmd.nv_index, NvExtend::NV_INDEX)?;
    tpm.check_nv_write(cmd.auth_handle, &index)?;
    if !index.is(NvType::Extend) {
        return Err(rc::ATTRIBUTES.at(NvExtend::NV_INDEX));
    }
    let old = tpm.nv_data_or_zero(&index);
    let new = hash(index.public.name_alg, &[&old, &cmd.data]);
    tpm.write_nv(cmd.nv_index.raw(), new.to_vec());
    Ok(Done {})
}

/// TPM2_NV_SetBits. Part 3, 31.10.
///
/// # Response codes
/// - `NV_LOCKED`, `NV_AUTHORIZATION`: as TPM2_NV_Write.
/// - `ATTRIBUTES` (handle 2): not a bit field.
pub(crate) fn nv_set_bits(tpm: &mut Tpm, cmd: NvSetBits) -> Result<Done, Rc> {
    let index = index_at(tpm, cmd.nv_index, NvSetBits::NV_INDEX)?;
    tpm.check_nv_write(cmd.auth_handle, &index)?;
    if !index.is(NvType::Bits) {
        return Err(rc::ATTRIBUTES.at(NvSetBits::NV_INDEX));
    }
    let bits = number(&tpm.nv_data_or_zero(&index)) | cmd.bits;
    tpm.write_nv(cmd.nv_index.raw(), vec::Vec::from(bits.to_be_bytes()));
    Ok(Done {})
}
