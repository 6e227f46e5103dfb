//! Policies on a number: in NV, of the clock, or of a capability. Part 3, 23.9, 23.10 and 23.23.

use super::compare;
use crate::{Tpm, commands::capability, nv};
use alloc::{sync::Arc, vec::Vec};
use sigillo_crypto::hash::hash;
use sigillo_types::{
    HashAlg, Marshal, Rc,
    attributes::TpmaNv,
    cc,
    command::Done,
    commands::{GetCapability, PolicyCapability, PolicyCounterTimer, PolicyNv},
    constants::{Capability, Operation},
    rc,
};

/// The hash of what is compared and how.
fn arguments(
    alg: HashAlg,
    operand: &[u8],
    offset: u16,
    operation: Operation,
) -> sigillo_crypto::hash::Digest {
    hash(alg, &[operand, &offset.to_be_bytes(), &operation.to_bytes()])
}

/// TPM2_PolicyNV. Part 3, 23.9.
///
/// # Response codes
/// - `NV_AUTHORIZATION`, `NV_LOCKED`, `NV_UNINITIALIZED`: the index cannot be read, or not with this authorization; of a trial session,
///   only the authorization counts.
/// - `VALUE` (offset): behind the end of the index.
/// - `NV_RANGE`: operandB reaches behind the end of the index.
/// - `POLICY`: the comparison does not hold.
pub(crate) fn policy_nv(tpm: &mut Tpm, cmd: PolicyNv) -> Result<Done, Rc> {
    let index = Arc::clone(tpm.nv_index(cmd.nv_index.raw()).map_err(|code| code.at(PolicyNv::NV_INDEX))?);
    let session = tpm.policy_session(cmd.policy_session)?;
    let (alg, trial) = (session.auth_hash, session.is_trial());
    if trial {
        nv::check_nv_auth(cmd.auth_handle, &index, TpmaNv::OWNERREAD, TpmaNv::PPREAD)?;
    } else {
        tpm.check_nv_read(cmd.auth_handle, &index)?;
        let (offset, size) = (usize::from(cmd.offset), cmd.operand_b.len());
        let data = tpm.nv_data(&index);
        let rest = data.get(offset..).ok_or(rc::VALUE.at(PolicyNv::OFFSET))?;
        let operand_a = rest.get(..size).ok_or(rc::NV_RANGE)?;
        if !compare::holds(cmd.operation, operand_a, &cmd.operand_b) {
            return Err(rc::POLICY);
        }
    }
    let args = arguments(alg, &cmd.operand_b, cmd.offset, cmd.operation);
    let name = nv::name(&index);
    tpm.policy_session_mut(cmd.policy_session)?.extend_policy(&[&cc::POLICY_NV.to_be_bytes(), &args, &name]);
    Ok(Done {})
}

/// TPM2_PolicyCounterTimer. Part 3, 23.10.
///
/// `Time` compared with UNSIGNED_LT from offset 0 is a time limit: the operand is in seconds since nonceTPM was made.
///
/// # Response codes
/// - `VALUE` (offset): behind the end of TPMS_TIME_INFO.
/// - `RANGE`: operandB reaches behind the end of TPMS_TIME_INFO.
/// - `EXPIRED` (operandB): the time limit has passed.
/// - `POLICY`: the comparison does not hold.
pub(crate) fn policy_counter_timer(tpm: &mut Tpm, cmd: PolicyCounterTimer) -> Result<Done, Rc> {
    let session = tpm.policy_session(cmd.policy_session)?;
    let (alg, trial, start_ms) = (session.auth_hash, session.is_trial(), session.start_ms);
    let same_epoch = session.time_epoch == tpm.time_epoch();
    let mut timeout_ms = None;
    if !trial {
        let info = tpm.time_info().to_bytes();
        let rest = info.get(usize::from(cmd.offset)..).ok_or(rc::VALUE.at(PolicyCounterTimer::OFFSET))?;
        let operand_a = rest.get(..cmd.operand_b.len()).ok_or(rc::RANGE)?;
        let limit_s = cmd.operand_b.as_slice().try_into().ok().map(u64::from_be_bytes);
        match limit_s {
            Some(limit_s) if cmd.operation == Operation::UnsignedLt && cmd.offset == 0 => {
                let limit_ms = limit_s.saturating_mul(1000).saturating_add(start_ms);
                if limit_ms < tpm.time_ms() || !same_epoch {
                    return Err(rc::EXPIRED.at(PolicyCounterTimer::OPERAND_B));
                }
                timeout_ms = Some(limit_ms);
            }
            Some(_) | None => {
                if !compare::holds(cmd.operation, operand_a, &cmd.operand_b) {
                    return Err(rc::POLICY);
                }
            }
        }
    }
    let args = arguments(alg, &cmd.operand_b, cmd.offset, cmd.operation);
    let session = tpm.policy_session_mut(cmd.policy_session)?;
    session.extend_policy(&[&cc::POLICY_COUNTER_TIMER.to_be_bytes(), &args]);
    if let Some(policy) = session.policy_mut() {
        policy.limit_time(timeout_ms);
    }
    Ok(Done {})
}

/// The property as GetCapability gives it, without the list around it; `None` if there is none of that number.
fn property(tpm: &mut Tpm, capability: Capability, property: u32) -> Option<Vec<u8>> {
    /// The capability and the number of entries.
    const HEAD: usize = 4 + 4;
    let mut first_from = |property| {
        let cmd = GetCapability { capability, property, property_count: 1 };
        let data = capability::get_capability(tpm, cmd).ok()?.capability_data.to_bytes();
        data.get(HEAD..).filter(|entry| !entry.is_empty()).map(<[u8]>::to_vec)
    };
    let found = first_from(property)?;
    // What the next number gives too is of a later number.
    let later = property.checked_add(1).and_then(first_from);
    (later.as_ref() != Some(&found)).then_some(found)
}

/// TPM2_PolicyCapability. Part 3, 23.23.
///
/// # Response codes
/// - `VALUE` (capability): the PCR allocation, which has no properties.
/// - `VALUE` (offset): behind the end of the property.
/// - `RANGE`: operandB reaches behind the end of the property.
/// - `POLICY`: the comparison does not hold, or there is no such property and the comparison is not for inequality.
pub(crate) fn policy_capability(tpm: &mut Tpm, cmd: PolicyCapability) -> Result<Done, Rc> {
    if cmd.capability == Capability::Pcrs {
        return Err(rc::VALUE.at(PolicyCapability::CAPABILITY));
    }
    let session = tpm.policy_session(cmd.policy_session)?;
    let (alg, trial) = (session.auth_hash, session.is_trial());
    if !trial {
        match property(tpm, cmd.capability, cmd.property) {
            Some(found) => {
                let rest =
                    found.get(usize::from(cmd.offset)..).ok_or(rc::VALUE.at(PolicyCapability::OFFSET))?;
                let operand_a = rest.get(..cmd.operand_b.len()).ok_or(rc::RANGE)?;
                if !compare::holds(cmd.operation, operand_a, &cmd.operand_b) {
                    return Err(rc::POLICY);
                }
            }
            None if cmd.operation == Operation::Neq => {}
            None => return Err(rc::POLICY),
        }
    }
    let args = hash(
        alg,
        &[
            cmd.operand_b.as_slice(),
            &cmd.offset.to_be_bytes(),
            &cmd.operation.to_bytes(),
            &cmd.capability.to_bytes(),
            &cmd.property.to_be_bytes(),
        ],
    );
    let session = tpm.policy_session_mut(cmd.policy_session)?;
    session.extend_policy(&[&cc::POLICY_CAPABILITY.to_be_bytes(), &args]);
    Ok(Done {})
}
