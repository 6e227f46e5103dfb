//! Startup and shutdown. Part 3, 9.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    lifecycle::fresh_reset_data,
    state::{ClearData, SessionSlot, Volatile, persistent},
};
use alloc::{collections::BTreeMap, sync::Arc, vec};
use sigillo_types::{
    Rc,
    command::Done,
    commands::{Shutdown, Startup},
    constants::StartupType,
    rc,
    structures::PcrSelect,
};

pub(crate) const COMMANDS: &[Entry] = entries![Startup => startup, Shutdown => shutdown];

/// What a shutdown and a startup make together. Part 1, 10.2.4 and Part 3, 9.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sequence {
    /// Startup(CLEAR) after Shutdown(CLEAR) or none.
    Reset,
    /// Startup(CLEAR) after Shutdown(STATE).
    Restart,
    /// Startup(STATE) after Shutdown(STATE).
    Resume,
}

/// `None` if what Startup(STATE) would restore was not saved.
fn sequence(startup: StartupType, shutdown: Option<persistent::Shutdown>) -> Option<Sequence> {
    match (startup, shutdown) {
        (StartupType::State, Some(persistent::Shutdown::State)) => Some(Sequence::Resume),
        (StartupType::State, Some(persistent::Shutdown::Clear) | None) => None,
        (StartupType::Clear, Some(persistent::Shutdown::State)) => Some(Sequence::Restart),
        (StartupType::Clear, Some(persistent::Shutdown::Clear) | None) => Some(Sequence::Reset),
    }
}

/// TPM2_Startup. Part 3, 9.3.
///
/// # Response codes
/// - `INITIALIZE`: the TPM is started already.
/// - `LOCALITY`: the command came from another locality than 0 and 3 (PC Client profile); or a TPM Resume from another locality, or with
///   another use of an H-CRTM, than the Startup(CLEAR) before it.
/// - `VALUE` (startupType): STATE without a saved state, or after TPM2_SetAlgorithmSet.
pub(crate) fn startup(tpm: &mut Tpm, cmd: Startup) -> Result<Done, Rc> {
    if tpm.state.volatile.started {
        return Err(rc::INITIALIZE);
    }
    let locality = tpm.call.locality;
    if !matches!(locality, 0 | 3) {
        return Err(rc::LOCALITY);
    }
    let shutdown = tpm.state.persistent.shutdown;
    let sequence = sequence(cmd.startup_type, shutdown)
        .filter(|sequence| *sequence != Sequence::Resume || !tpm.state.persistent.startup_clear_due)
        .ok_or(rc::VALUE.at(Startup::STARTUP_TYPE))?;
    let h_crtm = tpm.state.volatile.h_crtm.is_some();
    if sequence == Sequence::Resume {
        let clear = &tpm.state.clear;
        if clear.h_crtm != h_crtm || (!h_crtm && clear.startup_locality != locality) {
            return Err(rc::LOCALITY);
        }
    }

    start_counters(tpm, sequence);
    start_sessions(tpm, sequence, shutdown.is_some());
    start_dictionary_attack(tpm);
    tpm.set_clock(tpm.state.orderly.clock);
    if shutdown.is_none() {
        tpm.state.orderly_mut().clock_safe = false;
    }
    let saved = tpm.pcrs_with(|pcr| pcr.state_saved);
    match sequence {
        Sequence::Resume => {
            tpm.start_pcrs(locality, saved);
            let time_ms = tpm.time_ms();
            tpm.state.clear_mut().acts.values_mut().for_each(|act| act.resume(time_ms));
        }
        Sequence::Reset | Sequence::Restart => {
            *tpm.state.clear_mut() = ClearData { startup_locality: locality, h_crtm, ..ClearData::default() };
            tpm.start_pcrs(locality, PcrSelect::NONE);
            tpm.start_nv(sequence == Sequence::Reset, shutdown.is_some());
        }
    }
    let persistent = tpm.state.persistent_mut();
    (persistent.shutdown, persistent.startup_clear_due) = (None, false);
    Ok(Done {})
}

/// What counts startups, and what TPM Reset makes anew. Part 1, 33.4, 33.5 and 34.4.4.
fn start_counters(tpm: &mut Tpm, sequence: Sequence) {
    if sequence == Sequence::Reset {
        *tpm.state.reset_mut() = fresh_reset_data(&mut tpm.rng);
        let persistent = tpm.state.persistent_mut();
        persistent.reset_count = persistent.reset_count.wrapping_add(1);
        persistent.total_reset_count = persistent.total_reset_count.wrapping_add(1);
        return;
    }
    let reset = tpm.state.reset_mut();
    reset.restart_count = reset.restart_count.wrapping_add(1);
    // PCR change now without being extended: policies that checked them before must not hold any longer. Part 3, 22.1.
    reset.pcr_update_counter = reset.pcr_update_counter.wrapping_add(1);
    if sequence == Sequence::Restart {
        reset.clear_count = reset.clear_count.wrapping_add(1);
    }
}

/// Sessions that were saved outside the TPM can be loaded again; whatever was in it is gone. Part 3, 9.3.
fn start_sessions(tpm: &mut Tpm, sequence: Sequence, orderly: bool) {
    let mut sessions = BTreeMap::new();
    if sequence != Sequence::Reset {
        let saved = core::mem::take(&mut tpm.state.reset_mut().saved_sessions);
        sessions.extend(saved.into_iter().map(|(index, version)| (index, SessionSlot::Saved(version))));
    }
    tpm.state.volatile = Arc::new(Volatile {
        started: true,
        orderly,
        ph_enable: true,
        slots: vec![None; tpm.profile.transient_slots],
        sessions,
        h_crtm: tpm.state.volatile.h_crtm.clone(),
        ..Volatile::default()
    });
}

/// Time starts at zero, and lockoutAuth comes back if it waits for a startup. Part 1, 16.8.5.
///
/// A power loss costs no try: each wrong one is stored before its answer leaves, so none is lost with power. Part 1, 16.8.6.
fn start_dictionary_attack(tpm: &mut Tpm) {
    let da = tpm.state.da_mut();
    (da.self_heal_ms, da.lockout_ms) = (0, 0);
    if da.lockout_recovery_s == 0 {
        da.lockout_auth_enabled = true;
    }
}

/// TPM2_Shutdown. Part 3, 9.4.
///
/// # Response codes
/// - `TYPE` (shutdownType): STATE after TPM2_PCR_Allocate, whose effect begins with the next _TPM_Init. Part 3, 22.5.
pub(crate) fn shutdown(tpm: &mut Tpm, cmd: Shutdown) -> Result<Done, Rc> {
    let state = cmd.shutdown_type == StartupType::State;
    if state && tpm.state.volatile.pcr_reallocated {
        return Err(rc::TYPE.at(Shutdown::SHUTDOWN_TYPE));
    }
    // A Clock that may repeat itself is not written before its interval is over. Part 1, 33.3.3.
    if tpm.state.orderly.clock_safe {
        tpm.save_clock();
    }
    if state {
        let sessions = tpm.state.volatile.sessions.iter().filter_map(|(index, slot)| match slot {
            SessionSlot::Saved(version) => Some((*index, *version)),
            SessionSlot::Loaded(_) => None,
        });
        let saved = sessions.collect();
        tpm.state.reset_mut().saved_sessions = saved;
        let time_ms = tpm.time_ms();
        tpm.state.clear_mut().acts.values_mut().for_each(|act| act.save(time_ms));
    }
    tpm.state.persistent_mut().shutdown =
        Some(if state { persistent::Shutdown::State } else { persistent::Shutdown::Clear });
    tpm.call.shut_down = true;
    Ok(Done {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shutdown_and_startup_makes_one_sequence() {
        use persistent::Shutdown;
        let expected = [
            (StartupType::Clear, None, Some(Sequence::Reset)),
            (StartupType::Clear, Some(Shutdown::Clear), Some(Sequence::Reset)),
            (StartupType::Clear, Some(Shutdown::State), Some(Sequence::Restart)),
            (StartupType::State, None, None),
            (StartupType::State, Some(Shutdown::Clear), None),
            (StartupType::State, Some(Shutdown::State), Some(Sequence::Resume)),
        ];
        for (startup, shutdown, made) in expected {
            assert_eq!(sequence(startup, shutdown), made, "{startup:?} after {shutdown:?}");
        }
    }
}
