//! The volatile state: what power loss would take.

use super::{
    Kind, check, open,
    permanent::{SavedBank, load_pcrs, save_pcrs},
    seal,
};
use crate::{
    RestoreError, Tpm,
    selftest::SelfTests,
    state::{
        ClearData, DictionaryAttack, Orderly, PcrValue, Pcrs, ResetData, Sequence, SessionSlot, Slot, State,
        Volatile, cbor,
        pcr::{Bank, HCRTM_PCR},
    },
    time::Timing,
    tpm::Failure,
};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use minicbor::{Decode, Encode};
use sigillo_types::{alg::AlgId, handles::PcrHandle, structures::PcrSelect};
use zeroize::Zeroizing;

/// The body of a volatile state.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Running {
    /// Which TPM, and which of its permanent states this belongs to.
    #[cbor(n(0), with = "minicbor::bytes")]
    id: [u8; 16],
    #[n(1)]
    revision: u64,
    #[cbor(n(2), with = "cbor::shared")]
    da: Arc<DictionaryAttack>,
    #[cbor(n(3), with = "cbor::shared")]
    orderly: Arc<Orderly>,
    #[cbor(n(4), with = "cbor::shared")]
    clear: Arc<ClearData>,
    #[cbor(n(5), with = "cbor::shared")]
    reset: Arc<ResetData>,
    #[n(6)]
    pcrs: Vec<SavedBank>,
    #[n(7)]
    powered: bool,
    #[n(8)]
    started: bool,
    #[n(13)]
    orderly_startup: bool,
    #[n(9)]
    ph_enable: bool,
    #[n(10)]
    slots: Vec<Option<Slot>>,
    #[n(11)]
    sessions: BTreeMap<u32, SessionSlot>,
    #[n(12)]
    exclusive_audit: Option<u32>,
    /// PCR 0 in each bank after an H-CRTM event.
    #[n(14)]
    h_crtm: Option<Vec<SavedBank>>,
    #[n(15)]
    pcr_reallocated: bool,
    #[n(16)]
    hash_sequence: Option<Sequence>,
    #[n(17)]
    time_ms: u64,
    #[n(18)]
    clock_offset: u64,
    #[n(19)]
    rate_ppm: i32,
    #[n(20)]
    rest: u32,
    #[n(21)]
    buffer_size: u32,
    #[n(23)]
    failure: Option<Failure>,
    // 22 was a bit set over a list that grows.
    #[cbor(n(24), default)]
    tested: Vec<AlgId>,
}

fn h_crtm_pcr() -> PcrSelect {
    PcrSelect::of(PcrHandle::new(HCRTM_PCR))
}

fn save_h_crtm(measured: &[(sigillo_types::HashAlg, PcrValue)]) -> Vec<SavedBank> {
    let banks = measured.iter().map(|(hash, value)| {
        let mut bank = Bank::zero(*hash, h_crtm_pcr());
        h_crtm_pcr().iter().for_each(|pcr| bank.set(pcr, *value));
        Arc::new(bank)
    });
    save_pcrs(&Pcrs { banks: banks.collect() })
}

pub(super) fn encode(tpm: &Tpm) -> Zeroizing<Vec<u8>> {
    let state = &tpm.state;
    let volatile = &state.volatile;
    seal(
        Kind::Volatile,
        &Running {
            id: tpm.id,
            revision: tpm.revision,
            da: state.da.clone(),
            orderly: state.orderly.clone(),
            clear: state.clear.clone(),
            reset: state.reset.clone(),
            pcrs: save_pcrs(&state.pcrs),
            powered: tpm.powered,
            started: volatile.started,
            orderly_startup: volatile.orderly,
            ph_enable: volatile.ph_enable,
            slots: volatile.slots.clone(),
            sessions: volatile.sessions.clone(),
            exclusive_audit: volatile.exclusive_audit,
            h_crtm: volatile.h_crtm.as_deref().map(save_h_crtm),
            pcr_reallocated: volatile.pcr_reallocated,
            hash_sequence: volatile.hash_sequence.as_deref().cloned(),
            time_ms: tpm.time.time_ms,
            clock_offset: volatile.clock_offset,
            rate_ppm: volatile.rate_ppm,
            rest: tpm.time.rest,
            buffer_size: tpm.buffer_size,
            failure: tpm.failure,
            tested: tpm.algorithms_tested(true),
        },
    )
}

/// Brings a TPM that was restored from its permanent state to where the volatile one was taken. Nothing is changed on an error.
pub(super) fn apply(tpm: &mut Tpm, bytes: &[u8], now_ms: u64) -> Result<(), RestoreError> {
    let running: Running = open(Kind::Volatile, bytes)?;
    if running.id != tpm.id || running.revision != tpm.revision {
        return Err(RestoreError::Mismatch);
    }
    let h_crtm = match running.h_crtm {
        None => None,
        Some(saved) => {
            let pcrs = load_pcrs(&tpm.profile, &saved)?;
            let values = pcrs.banks.iter().filter_map(|bank| Some((bank.hash, *bank.values.first()?)));
            Some(values.collect())
        }
    };
    let volatile = Volatile {
        started: running.started,
        orderly: running.orderly_startup,
        ph_enable: running.ph_enable,
        slots: running.slots,
        sessions: running.sessions,
        exclusive_audit: running.exclusive_audit,
        h_crtm,
        pcr_reallocated: running.pcr_reallocated,
        clock_offset: running.clock_offset,
        rate_ppm: running.rate_ppm,
        hash_sequence: running.hash_sequence.map(Arc::new),
    };
    let state = State {
        persistent: tpm.stored.persistent.clone(),
        nv: tpm.stored.nv.clone(),
        // The same data are the same group: nothing waits to be stored.
        da: if *running.da == *tpm.stored.da { tpm.stored.da.clone() } else { running.da },
        orderly: running.orderly,
        clear: running.clear,
        reset: running.reset,
        pcrs: Arc::new(load_pcrs(&tpm.profile, &running.pcrs)?),
        volatile: Arc::new(volatile),
    };
    let time = Timing { time_ms: running.time_ms, seen_ms: now_ms, rest: running.rest };
    check::running(&tpm.profile, &state, &time)?;
    tpm.state = state;
    tpm.time = time;
    tpm.powered = running.powered;
    tpm.set_buffer_size(running.buffer_size);
    tpm.tests = SelfTests::with(&tpm.profile, &running.tested);
    tpm.failure = running.failure;
    Ok(())
}
