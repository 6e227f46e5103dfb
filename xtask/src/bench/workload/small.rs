//! Commands that are done in microseconds, so that the way to the TPM and back is most of their time.

use super::{
    Action, Result, Target, Tpm, Workload, coded, define, flush, object, pcrs, primary, run, told, workload,
};
use sigillo_client::{SessionOptions, template};
use sigillo_types::{
    HashAlg,
    buffers::Tpm2bMaxNvBuffer,
    commands::{GetCapability, GetRandom, NvRead, NvWrite, PcrExtend, PcrRead, ReadPublic},
    constants::{Capability, SessionType},
    handles::{Hierarchy, PcrHandle},
    structures::{TpmlDigestValues, TpmtHa},
};

const TARGET: Target = Target::AtMost(0.9);
const ROUNDS: u32 = 12000;

pub(super) fn all() -> Vec<Workload> {
    vec![
        workload("GetRandom 32", ROUNDS, TARGET, |_| {
            Ok(Box::new(|tpm| run(tpm, &GetRandom { bytes_requested: 32 })))
        }),
        workload("PCR_Read SHA-256 0-7", ROUNDS, TARGET, |_| {
            let command = PcrRead { pcr_selection_in: pcrs()? };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("PCR_Extend SHA-256", ROUNDS, TARGET, |_| {
            let command = extend()?;
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("GetCapability properties", ROUNDS, TARGET, |_| {
            let command = properties();
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("ReadPublic P-256", ROUNDS, TARGET, |tpm| {
            let object_handle = object(primary(tpm, Hierarchy::Owner, template::ecc_storage())?)?;
            let command = ReadPublic { object_handle };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("NV_Read 64", ROUNDS, TARGET, |tpm| {
            let command = nv_read(tpm)?;
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
        workload("StartAuthSession + Flush", 2000, Target::None, |_| {
            Ok(Box::new(|tpm| {
                let session = tpm
                    .start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256))
                    .map_err(told)?;
                flush(tpm, session.handle)
            }))
        }),
        workload("NV_Write 64", 300, Target::None, nv_write),
        workload("NV_Write 64, same data", 2000, Target::None, |tpm| {
            let (auth_handle, nv_index) = define(tpm)?;
            let data = Tpm2bMaxNvBuffer::new(&[3; 64]).map_err(coded)?;
            let command = NvWrite { auth_handle, nv_index, data, offset: 0 };
            Ok(Box::new(move |tpm| run(tpm, &command)))
        }),
    ]
}

pub(super) fn extend() -> Result<PcrExtend> {
    let digests = TpmlDigestValues::new(vec![TpmtHa::Sha256([7; 32])]).map_err(coded)?;
    Ok(PcrExtend { pcr_handle: Some(PcrHandle::new(16).map_err(coded)?), digests })
}

pub(super) fn properties() -> GetCapability {
    GetCapability { capability: Capability::TpmProperties, property: 0x100, property_count: 64 }
}

/// Reads an index of 64 octets that is written.
pub(super) fn nv_read(tpm: &mut Tpm) -> Result<NvRead> {
    let (auth_handle, nv_index) = define(tpm)?;
    let data = Tpm2bMaxNvBuffer::new(&[9; 64]).map_err(coded)?;
    run(tpm, &NvWrite { auth_handle, nv_index, data, offset: 0 })?;
    Ok(NvRead { auth_handle, nv_index, size: 64, offset: 0 })
}

/// Writes other data every round: what does not change anything need not be stored.
pub(crate) fn nv_write(tpm: &mut Tpm) -> Result<Action> {
    let (auth_handle, nv_index) = define(tpm)?;
    let mut round = 0_u64;
    Ok(Box::new(move |tpm| {
        round += 1;
        let data = Tpm2bMaxNvBuffer::new(&round.to_be_bytes().repeat(8)).map_err(coded)?;
        run(tpm, &NvWrite { auth_handle, nv_index, data, offset: 0 })
    }))
}
