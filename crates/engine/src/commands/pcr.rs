//! PCR. Part 3, 22.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    entity::trimmed,
    state::pcr::{DRTM_PCR, HCRTM_PCR},
};
use alloc::vec::Vec;
use sigillo_crypto::hash::hash;
use sigillo_types::{
    HashAlg, Rc,
    buffers::{Tpm2bAuth, Tpm2bDigest},
    command::Done,
    commands::{
        PcrAllocate, PcrAllocateResponse, PcrEvent, PcrEventResponse, PcrExtend, PcrRead, PcrReadResponse,
        PcrReset, PcrSetAuthPolicy, PcrSetAuthValue,
    },
    handles::PcrHandle,
    limits, rc,
    structures::{PcrSelect, TpmlDigest, TpmlDigestValues, TpmlPcrSelection, TpmsPcrSelection, TpmtHa},
};

pub(crate) const COMMANDS: &[Entry] = entries![
    PcrExtend => pcr_extend,
    PcrEvent => pcr_event,
    PcrRead => pcr_read,
    PcrAllocate => pcr_allocate,
    PcrSetAuthPolicy => pcr_set_auth_policy,
    PcrSetAuthValue => pcr_set_auth_value,
    PcrReset => pcr_reset,
];

/// TPM2_PCR_Extend: nothing is extended for TPM_RH_NULL. Part 3, 22.2.
///
/// # Response codes
/// - `LOCALITY`: this locality may not extend the PCR.
pub(crate) fn pcr_extend(tpm: &mut Tpm, cmd: PcrExtend) -> Result<Done, Rc> {
    let Some(pcr) = cmd.pcr_handle else { return Ok(Done {}) };
    if !tpm.may_extend(pcr) {
        return Err(rc::LOCALITY);
    }
    tpm.extend_pcr(pcr, &cmd.digests);
    Ok(Done {})
}

/// TPM2_PCR_Event: answers the digest of each bank, also for TPM_RH_NULL. Part 3, 22.3.
///
/// # Response codes
/// - `LOCALITY`: this locality may not extend the PCR.
pub(crate) fn pcr_event(tpm: &mut Tpm, cmd: PcrEvent) -> Result<PcrEventResponse, Rc> {
    if cmd.pcr_handle.is_some_and(|pcr| !tpm.may_extend(pcr)) {
        return Err(rc::LOCALITY);
    }
    let banks =
        tpm.state.pcrs.banks.iter().map(|bank| TpmtHa::new(bank.hash, &hash(bank.hash, &[&cmd.event_data])));
    let digests = TpmlDigestValues::new(banks.collect::<Result<_, _>>()?)?;
    if let Some(pcr) = cmd.pcr_handle {
        tpm.extend_pcr(pcr, &digests);
    }
    Ok(PcrEventResponse { digests })
}

/// TPM2_PCR_Read: as many of the selected PCR as fit one answer. Part 3, 22.4.
pub(crate) fn pcr_read(tpm: &mut Tpm, cmd: PcrRead) -> Result<PcrReadResponse, Rc> {
    let asked: u32 = cmd.pcr_selection_in.iter().map(|of| of.pcr_select.count()).sum();
    let room = usize::try_from(asked).unwrap_or(usize::MAX).min(TpmlDigest::MAX);
    let mut values = TpmlDigest::new(Vec::with_capacity(room))?;
    let mut read = Vec::with_capacity(cmd.pcr_selection_in.len());
    for of in &cmd.pcr_selection_in {
        let bank = tpm.state.pcrs.bank(of.hash);
        let mut pcr_select = PcrSelect::NONE;
        for pcr in of.pcr_select.iter() {
            if let Some(value) = bank.and_then(|bank| bank.value(pcr))
                && values.push(Tpm2bDigest::new(value.as_slice())?).is_ok()
            {
                pcr_select.insert(pcr);
            }
        }
        read.push(TpmsPcrSelection { hash: of.hash, pcr_select });
    }
    Ok(PcrReadResponse {
        pcr_update_counter: tpm.state.reset.pcr_update_counter,
        pcr_selection_out: TpmlPcrSelection::new(read)?,
        pcr_values: values,
    })
}

/// TPM2_PCR_Allocate: banks that are not named stay as they are; what is asked for holds from the next _TPM_Init, and replaces all that an
/// earlier one before that has asked for. Part 3, 22.5.
///
/// # Response codes
/// - `HASH` (pcrAllocation): PCR in a bank that the profile does not have.
/// - `PCR`: no bank would have the PCR of the H-CRTM or that of the D-RTM.
pub(crate) fn pcr_allocate(tpm: &mut Tpm, cmd: PcrAllocate) -> Result<PcrAllocateResponse, Rc> {
    let mut allocation: Vec<TpmsPcrSelection> = tpm.state.persistent.pcr_allocation.to_vec();
    for stored in &mut allocation {
        stored.pcr_select = tpm.state.pcrs.bank(stored.hash).map_or(PcrSelect::NONE, |bank| bank.allocated);
    }
    for asked in &cmd.pcr_allocation {
        match allocation.iter_mut().find(|bank| bank.hash == asked.hash) {
            Some(bank) => *bank = *asked,
            None if asked.pcr_select.is_empty() => {}
            None => return Err(rc::HASH.at(PcrAllocate::PCR_ALLOCATION)),
        }
    }
    for pcr in [HCRTM_PCR, DRTM_PCR] {
        let pcr = PcrHandle::new(pcr)?;
        if !allocation.iter().any(|bank| bank.pcr_select.contains(pcr)) {
            return Err(rc::PCR);
        }
    }
    let needed = allocation.iter().map(|bank| octets(bank.hash, bank.pcr_select)).sum();
    let available = allocation.iter().map(|bank| octets(bank.hash, PcrSelect::ALL)).sum();
    tpm.state.persistent_mut().pcr_allocation = TpmlPcrSelection::new(allocation)?;
    tpm.state.volatile_mut().pcr_reallocated = true;
    Ok(PcrAllocateResponse {
        allocation_success: true,
        max_pcr: limits::IMPLEMENTATION_PCR,
        size_needed: needed,
        size_available: available,
    })
}

/// Octets that some PCR of a bank take.
fn octets(hash: HashAlg, pcrs: PcrSelect) -> u32 {
    u32::try_from(hash.digest_size()).unwrap_or(0) * pcrs.count()
}

/// TPM2_PCR_SetAuthPolicy: sets the policy of all PCR that have one. Part 3, 22.6.
///
/// # Response codes
/// - `SIZE` (authPolicy): not the size of a digest of hashAlg.
/// - `VALUE` (pcrNum): the PCR takes no policy.
pub(crate) fn pcr_set_auth_policy(tpm: &mut Tpm, cmd: PcrSetAuthPolicy) -> Result<Done, Rc> {
    if cmd.auth_policy.len() != cmd.hash_alg.map_or(0, HashAlg::digest_size) {
        return Err(rc::SIZE.at(PcrSetAuthPolicy::AUTH_POLICY));
    }
    if !tpm.is_authorized_pcr(cmd.pcr_num.raw()) {
        return Err(rc::VALUE.at(PcrSetAuthPolicy::PCR_NUM));
    }
    let persistent = tpm.state.persistent_mut();
    (persistent.pcr_policy_alg, persistent.pcr_policy) = (cmd.hash_alg, cmd.auth_policy);
    Ok(Done {})
}

/// TPM2_PCR_SetAuthValue: sets the authValue of all PCR that have one. Part 3, 22.7.
///
/// # Response codes
/// - `VALUE`: the PCR takes no authValue.
pub(crate) fn pcr_set_auth_value(tpm: &mut Tpm, cmd: PcrSetAuthValue) -> Result<Done, Rc> {
    if !tpm.is_authorized_pcr(cmd.pcr_handle.raw()) {
        return Err(rc::VALUE.into());
    }
    tpm.state.clear_mut().pcr_auth = Tpm2bAuth::new(trimmed(&cmd.auth))?;
    Ok(Done {})
}

/// TPM2_PCR_Reset. Part 3, 22.8.
///
/// # Response codes
/// - `LOCALITY`: this locality may not reset the PCR, or none may.
pub(crate) fn pcr_reset(tpm: &mut Tpm, cmd: PcrReset) -> Result<Done, Rc> {
    if !tpm.may_reset(cmd.pcr_handle) {
        return Err(rc::LOCALITY);
    }
    tpm.reset_pcr(cmd.pcr_handle);
    Ok(Done {})
}
