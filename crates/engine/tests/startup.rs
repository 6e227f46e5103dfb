//! Startup and shutdown in all their forms. Part 3, 9.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use common::{TestTpm, power_cycle, powered, refused, reset_line, shutdown, started, startup, wait_ms};
use sigillo_types::{
    HashAlg, Rc,
    attributes::{NvType, TpmaNv, TpmaStartupClear},
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bMaxNvBuffer},
    commands::{
        GetCapability, GetRandom, HierarchyChangeAuth, HierarchyControl, NvDefineSpace, NvIncrement, NvRead,
        NvReadLock, NvReadPublic, NvWrite, NvWriteLock, PcrAllocate, PcrExtend, PcrRead, PcrReset, ReadClock,
        SetPrimaryPolicy, Shutdown, Startup,
    },
    constants::{
        Capability,
        StartupType::{self, Clear, State},
    },
    handles::{
        BaseHierarchy, EnablesHandle, HierarchyAuthHandle, HierarchyPolicyHandle, NvAuthHandle,
        NvIndexHandle, NvLegacyIndexHandle, PcrHandle, PlatformHandle, ProvisionHandle,
    },
    pt, rc,
    structures::{
        CapabilityData, PcrSelect, Tpm2bNvPublic, TpmlDigestValues, TpmlPcrSelection, TpmsNvPublic,
        TpmsPcrSelection, TpmsTimeInfo, TpmtHa,
    },
};

fn pcr(number: u32) -> PcrHandle {
    PcrHandle::new(number).unwrap()
}

fn read_pcr(tpm: &mut TestTpm, number: u32) -> Vec<u8> {
    let selection = TpmsPcrSelection { hash: HashAlg::Sha256, pcr_select: PcrSelect::of([pcr(number)]) };
    let read =
        tpm.call(&PcrRead { pcr_selection_in: TpmlPcrSelection::new(vec![selection]).unwrap() }).unwrap();
    read.pcr_values.first().unwrap().to_vec()
}

fn extend(tpm: &mut TestTpm, number: u32) {
    let digests = TpmlDigestValues::new(vec![TpmtHa::Sha256([7; 32])]).unwrap();
    tpm.call(&PcrExtend { pcr_handle: Some(pcr(number)), digests }).unwrap();
}

fn pcr_update_counter(tpm: &mut TestTpm) -> u32 {
    tpm.call(&PcrRead { pcr_selection_in: TpmlPcrSelection::default() }).unwrap().pcr_update_counter
}

fn time(tpm: &mut TestTpm) -> TpmsTimeInfo {
    tpm.call(&ReadClock {}).unwrap().current_time
}

fn startup_clear(tpm: &mut TestTpm) -> TpmaStartupClear {
    let capability = GetCapability {
        capability: Capability::TpmProperties,
        property: pt::STARTUP_CLEAR,
        property_count: 1,
    };
    match tpm.call(&capability).unwrap().capability_data {
        CapabilityData::TpmProperties(properties) => {
            TpmaStartupClear::from_bits(properties.first().unwrap().value).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

fn last_octet(octet: u8) -> Vec<u8> {
    let mut value = vec![0; 32];
    value[31] = octet;
    value
}

const INDEX: u32 = 0x0150_0001;

fn index(nt: NvType, attributes: TpmaNv) -> NvDefineSpace {
    let all = TpmaNv::AUTHREAD | TpmaNv::AUTHWRITE | TpmaNv::NO_DA | attributes;
    NvDefineSpace {
        auth_handle: ProvisionHandle::Owner,
        auth: Tpm2bAuth::default(),
        public_info: Tpm2bNvPublic {
            nv_public: TpmsNvPublic {
                nv_index: NvLegacyIndexHandle::new(INDEX).unwrap(),
                name_alg: HashAlg::Sha256,
                attributes: all.with_nt(nt),
                auth_policy: Tpm2bDigest::default(),
                data_size: 8,
            },
        },
    }
}

fn itself() -> (NvAuthHandle, NvIndexHandle) {
    (NvAuthHandle::new(INDEX).unwrap(), NvIndexHandle::new(INDEX).unwrap())
}

fn write(tpm: &mut TestTpm) {
    let (auth_handle, nv_index) = itself();
    tpm.call(&NvWrite { auth_handle, nv_index, data: Tpm2bMaxNvBuffer::from(*b"contents"), offset: 0 })
        .unwrap();
}

fn increment(tpm: &mut TestTpm) {
    let (auth_handle, nv_index) = itself();
    tpm.call(&NvIncrement { auth_handle, nv_index }).unwrap();
}

fn read(tpm: &mut TestTpm) -> Result<Vec<u8>, Rc> {
    let (auth_handle, nv_index) = itself();
    let read = tpm.call(&NvRead { auth_handle, nv_index, size: 8, offset: 0 });
    read.map(|read| read.data.to_vec()).map_err(|error| error.rc().unwrap())
}

fn count(tpm: &mut TestTpm) -> u64 {
    u64::from_be_bytes(read(tpm).unwrap().try_into().unwrap())
}

fn attributes(tpm: &mut TestTpm) -> TpmaNv {
    tpm.call(&NvReadPublic { nv_index: NvLegacyIndexHandle::new(INDEX).unwrap() })
        .unwrap()
        .nv_public
        .nv_public
        .attributes
}

/// Shutdown with one type, power off, and Startup with another.
fn cycle(tpm: &mut TestTpm, shutdown_type: Option<StartupType>, startup_type: StartupType) -> Result<(), Rc> {
    if let Some(shutdown_type) = shutdown_type {
        shutdown(tpm, shutdown_type).unwrap();
    }
    power_cycle(tpm);
    startup(tpm, startup_type).map_err(|error| error.rc().unwrap())
}

#[test]
fn nothing_but_startup_is_executed_before_startup() {
    let mut tpm = powered();
    assert_eq!(refused(&mut tpm, &GetRandom { bytes_requested: 1 }), rc::INITIALIZE);
    startup(&mut tpm, Clear).unwrap();
    assert_eq!(refused(&mut tpm, &Startup { startup_type: Clear }), rc::INITIALIZE);
}

#[test]
fn startup_comes_from_locality_0_or_3_and_pcr_0_tells_which() {
    for (locality, started) in [(0, true), (1, false), (2, false), (3, true), (4, false)] {
        let mut tpm = powered();
        tpm.transport().locality = locality;
        if started {
            startup(&mut tpm, Clear).unwrap();
            assert_eq!(read_pcr(&mut tpm, 0), last_octet(locality));
        } else {
            assert_eq!(refused(&mut tpm, &Startup { startup_type: Clear }), rc::LOCALITY);
        }
    }
}

#[test]
fn pcr_begin_as_the_profile_says() {
    let mut tpm = started();
    for number in 1..24 {
        let octet = if (17..=22).contains(&number) { 0xFF } else { 0x00 };
        assert_eq!(read_pcr(&mut tpm, number), vec![octet; 32], "PCR {number}");
    }
    assert_eq!(pcr_update_counter(&mut tpm), 0);
}

#[test]
fn resume_needs_a_saved_state() {
    for before in [None, Some(Clear)] {
        let mut tpm = started();
        assert_eq!(cycle(&mut tpm, before, State), Err(rc::VALUE.at(Startup::STARTUP_TYPE)));
        startup(&mut tpm, Clear).unwrap();
    }
    let mut tpm = started();
    assert_eq!(cycle(&mut tpm, Some(State), State), Ok(()));
}

#[test]
fn resume_restores_the_static_pcr_and_resets_the_dynamic_ones() {
    let mut tpm = started();
    extend(&mut tpm, 7);
    extend(&mut tpm, 16);
    tpm.transport().locality = 2;
    tpm.call(&PcrReset { pcr_handle: pcr(20) }).unwrap();
    tpm.transport().locality = 0;
    let (seven, counter) = (read_pcr(&mut tpm, 7), pcr_update_counter(&mut tpm));
    cycle(&mut tpm, Some(State), State).unwrap();
    assert_eq!(read_pcr(&mut tpm, 7), seven);
    assert_eq!(read_pcr(&mut tpm, 16), vec![0; 32]);
    assert_eq!(read_pcr(&mut tpm, 20), vec![0xFF; 32]);
    assert!(pcr_update_counter(&mut tpm) > counter, "policies over PCR 20 must not hold any longer");
}

#[test]
fn restart_and_reset_forget_the_pcr() {
    for (shutdown_type, counter) in [(Some(State), 2), (Some(Clear), 0), (None, 0)] {
        let mut tpm = started();
        extend(&mut tpm, 7);
        cycle(&mut tpm, shutdown_type, Clear).unwrap();
        assert_eq!(read_pcr(&mut tpm, 7), vec![0; 32]);
        assert_eq!(pcr_update_counter(&mut tpm), counter);
    }
}

#[test]
fn resume_comes_from_the_locality_of_the_startup_before_it() {
    let mut tpm = started();
    shutdown(&mut tpm, State).unwrap();
    power_cycle(&mut tpm);
    tpm.transport().locality = 3;
    assert_eq!(refused(&mut tpm, &Startup { startup_type: State }), rc::LOCALITY);
    tpm.transport().locality = 0;
    startup(&mut tpm, State).unwrap();
    assert_eq!(read_pcr(&mut tpm, 0), vec![0; 32]);
}

#[test]
fn the_counters_tell_reset_restart_and_resume_apart() {
    let mut tpm = started();
    let counts = |tpm: &mut TestTpm| {
        let info = time(tpm).clock_info;
        (info.reset_count, info.restart_count)
    };
    assert_eq!(counts(&mut tpm), (1, 0));
    cycle(&mut tpm, Some(State), State).unwrap();
    assert_eq!(counts(&mut tpm), (1, 1));
    cycle(&mut tpm, Some(State), Clear).unwrap();
    assert_eq!(counts(&mut tpm), (1, 2));
    cycle(&mut tpm, Some(Clear), Clear).unwrap();
    assert_eq!(counts(&mut tpm), (2, 0));
    cycle(&mut tpm, None, Clear).unwrap();
    assert_eq!(counts(&mut tpm), (3, 0));
}

#[test]
fn a_change_after_shutdown_nullifies_it() {
    let mut tpm = started();
    shutdown(&mut tpm, State).unwrap();
    extend(&mut tpm, 3);
    power_cycle(&mut tpm);
    assert_eq!(refused(&mut tpm, &Startup { startup_type: State }), rc::VALUE.at(Startup::STARTUP_TYPE));
    startup(&mut tpm, Clear).unwrap();
    assert!(!startup_clear(&mut tpm).contains(TpmaStartupClear::ORDERLY));
}

#[test]
fn reading_after_shutdown_does_not_nullify_it() {
    let mut tpm = started();
    shutdown(&mut tpm, State).unwrap();
    let commits = tpm.transport().commits;
    read_pcr(&mut tpm, 0);
    tpm.call(&GetRandom { bytes_requested: 8 }).unwrap();
    assert_eq!(tpm.transport().commits, commits);
    power_cycle(&mut tpm);
    startup(&mut tpm, State).unwrap();
    assert!(startup_clear(&mut tpm).contains(TpmaStartupClear::ORDERLY));
}

#[test]
fn showing_clock_after_shutdown_nullifies_it() {
    let mut tpm = started();
    shutdown(&mut tpm, State).unwrap();
    wait_ms(&mut tpm, 100);
    time(&mut tpm);
    power_cycle(&mut tpm);
    assert_eq!(refused(&mut tpm, &Startup { startup_type: State }), rc::VALUE.at(Startup::STARTUP_TYPE));
}

#[test]
fn a_refused_command_does_not_nullify_a_shutdown() {
    let mut tpm = started();
    shutdown(&mut tpm, State).unwrap();
    let commits = tpm.transport().commits;
    // TPM2_ReadClock with an octet too many shows no Clock.
    let reply = tpm.raw(&[0x80, 1, 0, 0, 0, 11, 0, 0, 1, 0x81, 0]).unwrap();
    assert_ne!(reply[6..10], [0; 4]);
    assert_eq!(tpm.transport().commits, commits);
    power_cycle(&mut tpm);
    startup(&mut tpm, State).unwrap();
}

#[test]
fn the_second_shutdown_counts() {
    let mut tpm = started();
    shutdown(&mut tpm, State).unwrap();
    shutdown(&mut tpm, Clear).unwrap();
    power_cycle(&mut tpm);
    assert_eq!(refused(&mut tpm, &Startup { startup_type: State }), rc::VALUE.at(Startup::STARTUP_TYPE));
}

#[test]
fn a_saved_state_is_restored_once() {
    let mut tpm = started();
    cycle(&mut tpm, Some(State), State).unwrap();
    power_cycle(&mut tpm);
    assert_eq!(refused(&mut tpm, &Startup { startup_type: State }), rc::VALUE.at(Startup::STARTUP_TYPE));
}

#[test]
fn the_reset_line_takes_what_was_not_stored() {
    let mut tpm = started();
    extend(&mut tpm, 5);
    reset_line(&mut tpm);
    startup(&mut tpm, Clear).unwrap();
    assert_eq!(read_pcr(&mut tpm, 5), vec![0; 32]);
    assert_eq!(time(&mut tpm).clock_info.reset_count, 2);
}

#[test]
fn platform_controls_survive_resume_only() {
    let auth = Tpm2bAuth::from(*b"platform");
    for (startup_type, kept) in [(State, true), (Clear, false)] {
        let mut tpm = started();
        let change =
            HierarchyChangeAuth { auth_handle: HierarchyAuthHandle::Platform, new_auth: auth.clone() };
        tpm.call(&HierarchyControl {
            auth_handle: BaseHierarchy::Owner,
            enable: EnablesHandle::Owner,
            state: false,
        })
        .unwrap();
        tpm.call(&change).unwrap();
        cycle(&mut tpm, Some(State), startup_type).unwrap();
        let attributes = startup_clear(&mut tpm);
        assert!(attributes.contains(TpmaStartupClear::PH_ENABLE));
        assert_eq!(attributes.contains(TpmaStartupClear::SH_ENABLE), !kept);
        let policy = SetPrimaryPolicy {
            auth_handle: HierarchyPolicyHandle::Platform,
            auth_policy: Tpm2bDigest::default(),
            hash_alg: None,
        };
        assert_eq!(tpm.call(&policy).is_err(), kept, "the empty authValue");
    }
}

#[test]
fn ph_enable_is_set_by_every_startup() {
    let mut tpm = started();
    tpm.call(&HierarchyControl {
        auth_handle: BaseHierarchy::Platform,
        enable: EnablesHandle::Platform,
        state: false,
    })
    .unwrap();
    assert!(!startup_clear(&mut tpm).contains(TpmaStartupClear::PH_ENABLE));
    cycle(&mut tpm, Some(State), State).unwrap();
    assert!(startup_clear(&mut tpm).contains(TpmaStartupClear::PH_ENABLE));
}

#[test]
fn clock_is_safe_after_an_orderly_shutdown_and_not_after_a_power_loss() {
    let mut tpm = started();
    wait_ms(&mut tpm, 1_000);
    assert_eq!((time(&mut tpm).clock_info.clock, time(&mut tpm).clock_info.safe), (1_000, true));
    cycle(&mut tpm, Some(Clear), Clear).unwrap();
    assert_eq!(
        (time(&mut tpm).time, time(&mut tpm).clock_info.clock, time(&mut tpm).clock_info.safe),
        (0, 1_000, true)
    );
    wait_ms(&mut tpm, 500);
    assert_eq!(time(&mut tpm).clock_info.clock, 1_500);
    cycle(&mut tpm, None, Clear).unwrap();
    assert_eq!(
        (time(&mut tpm).clock_info.clock, time(&mut tpm).clock_info.safe),
        (1_000, false),
        "may repeat"
    );
    wait_ms(&mut tpm, 4_096);
    assert!(time(&mut tpm).clock_info.safe, "NV Clock was written");
}

#[test]
fn no_clock_that_may_repeat_is_made_safe_by_shutdown() {
    let mut tpm = started();
    cycle(&mut tpm, None, Clear).unwrap();
    wait_ms(&mut tpm, 10);
    cycle(&mut tpm, Some(Clear), Clear).unwrap();
    assert!(!time(&mut tpm).clock_info.safe);
}

#[test]
fn no_state_is_saved_between_an_allocation_and_its_effect() {
    let mut tpm = started();
    let allocation = TpmsPcrSelection { hash: HashAlg::Sha1, pcr_select: PcrSelect::NONE };
    let allocate = PcrAllocate {
        auth_handle: PlatformHandle::Platform,
        pcr_allocation: TpmlPcrSelection::new(vec![allocation]).unwrap(),
    };
    tpm.call(&allocate).unwrap();
    assert_eq!(refused(&mut tpm, &Shutdown { shutdown_type: State }), rc::TYPE.at(Shutdown::SHUTDOWN_TYPE));
    cycle(&mut tpm, Some(Clear), Clear).unwrap();
    shutdown(&mut tpm, State).unwrap();
}

#[test]
fn write_locks_end_with_reset_and_restart_unless_they_are_to_last() {
    for (lock, written, lasts) in [
        (TpmaNv::WRITE_STCLEAR, true, false),
        (TpmaNv::WRITEDEFINE, true, true),
        (TpmaNv::WRITEDEFINE, false, false),
    ] {
        for shutdown_type in [Some(State), Some(Clear), None] {
            let mut tpm = started();
            tpm.call(&index(NvType::Ordinary, lock)).unwrap();
            if written {
                write(&mut tpm);
            }
            let (auth_handle, nv_index) = itself();
            tpm.call(&NvWriteLock { auth_handle, nv_index }).unwrap();
            cycle(&mut tpm, shutdown_type, Clear).unwrap();
            assert_eq!(
                attributes(&mut tpm).contains(TpmaNv::WRITELOCKED),
                lasts,
                "{lock:?} {written} {shutdown_type:?}"
            );
        }
    }
}

#[test]
fn locks_survive_resume() {
    let mut tpm = started();
    tpm.call(&index(NvType::Ordinary, TpmaNv::WRITE_STCLEAR | TpmaNv::READ_STCLEAR)).unwrap();
    let (auth_handle, nv_index) = itself();
    tpm.call(&NvWriteLock { auth_handle, nv_index }).unwrap();
    tpm.call(&NvReadLock { auth_handle, nv_index }).unwrap();
    cycle(&mut tpm, Some(State), State).unwrap();
    assert!(attributes(&mut tpm).contains(TpmaNv::WRITELOCKED | TpmaNv::READLOCKED));
    cycle(&mut tpm, Some(State), Clear).unwrap();
    assert!(!attributes(&mut tpm).intersects(TpmaNv::WRITELOCKED | TpmaNv::READLOCKED));
}

#[test]
fn clear_stclear_unwrites_at_reset_and_restart() {
    for (shutdown_type, startup_type, kept) in
        [(Some(State), State, true), (Some(State), Clear, false), (None, Clear, false)]
    {
        let mut tpm = started();
        tpm.call(&index(NvType::Ordinary, TpmaNv::CLEAR_STCLEAR)).unwrap();
        write(&mut tpm);
        cycle(&mut tpm, shutdown_type, startup_type).unwrap();
        let expected = if kept { Ok(b"contents".to_vec()) } else { Err(rc::NV_UNINITIALIZED) };
        assert_eq!(read(&mut tpm), expected, "{shutdown_type:?} {startup_type:?}");
    }
}

#[test]
fn orderly_indices_survive_what_shutdown_state_saves() {
    for (shutdown_type, startup_type, kept) in [
        (Some(State), State, true),
        (Some(State), Clear, true),
        (Some(Clear), Clear, false),
        (None, Clear, false),
    ] {
        let mut tpm = started();
        tpm.call(&index(NvType::Ordinary, TpmaNv::ORDERLY)).unwrap();
        write(&mut tpm);
        cycle(&mut tpm, shutdown_type, startup_type).unwrap();
        let expected = if kept { Ok(b"contents".to_vec()) } else { Err(rc::NV_UNINITIALIZED) };
        assert_eq!(read(&mut tpm), expected, "{shutdown_type:?} {startup_type:?}");
    }
}

#[test]
fn an_orderly_counter_never_goes_back() {
    let mut tpm = started();
    tpm.call(&index(NvType::Counter, TpmaNv::ORDERLY)).unwrap();
    (0..5).for_each(|_| increment(&mut tpm));
    assert_eq!(count(&mut tpm), 5);
    cycle(&mut tpm, Some(Clear), Clear).unwrap();
    assert_eq!(count(&mut tpm), 5, "an orderly shutdown saves it");
    let commits = tpm.transport().commits;
    increment(&mut tpm);
    assert_eq!(tpm.transport().commits, commits, "kept in RAM");
    cycle(&mut tpm, None, Clear).unwrap();
    assert_eq!(count(&mut tpm), 255, "as far as it can have come unseen");
    let commits = tpm.transport().commits;
    increment(&mut tpm);
    assert_eq!((count(&mut tpm), tpm.transport().commits), (256, commits + 1), "a roll-over is stored");
    cycle(&mut tpm, None, Clear).unwrap();
    assert_eq!(count(&mut tpm), 511);
}

#[test]
fn an_unwritten_orderly_counter_stays_unwritten() {
    let mut tpm = started();
    tpm.call(&index(NvType::Counter, TpmaNv::ORDERLY)).unwrap();
    cycle(&mut tpm, None, Clear).unwrap();
    assert_eq!(read(&mut tpm), Err(rc::NV_UNINITIALIZED));
}
