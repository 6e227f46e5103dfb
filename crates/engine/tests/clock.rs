//! Time, Clock and the dictionary-attack protection that heals with them. Part 3, 25 and 29.

mod common;

use common::{TestTpm, power_cycle, refused, started, startup, wait_ms};
use sigillo_client::Auth;
use sigillo_types::{
    Rc,
    buffers::Tpm2bAuth,
    commands::{
        Clear, ClockRateAdjust, ClockSet, DictionaryAttackLockReset, DictionaryAttackParameters,
        GetCapability, HierarchyChangeAuth, ReadClock,
    },
    constants::{Capability, ClockAdjust, StartupType},
    handles::{ClearHandle, HierarchyAuthHandle, LockoutHandle, ProvisionHandle},
    pt, rc,
    structures::{CapabilityData, TpmsTimeInfo},
};

fn time(tpm: &mut TestTpm) -> TpmsTimeInfo {
    tpm.call(&ReadClock {}).unwrap().current_time
}

fn clock(tpm: &mut TestTpm) -> u64 {
    time(tpm).clock_info.clock
}

fn set(new_time: u64) -> ClockSet {
    ClockSet { auth: ProvisionHandle::Owner, new_time }
}

fn property(tpm: &mut TestTpm, property: u32) -> u32 {
    let get = GetCapability { capability: Capability::TpmProperties, property, property_count: 1 };
    match tpm.call(&get).unwrap().capability_data {
        CapabilityData::TpmProperties(properties) => properties.first().unwrap().value,
        other => panic!("{other:?}"),
    }
}

fn lockout_auth(tpm: &mut TestTpm, auth: [u8; 4]) {
    let change =
        HierarchyChangeAuth { auth_handle: HierarchyAuthHandle::Lockout, new_auth: Tpm2bAuth::from(auth) };
    tpm.call(&change).unwrap();
}

fn lock_reset(tpm: &mut TestTpm, password: &[u8]) -> Result<(), Rc> {
    let reset = DictionaryAttackLockReset { lock_handle: LockoutHandle::Lockout };
    tpm.call_with(&reset, &mut [Auth::password(password)]).map(drop).map_err(|error| error.rc().unwrap())
}

fn parameters(
    new_max_tries: u32,
    new_recovery_time: u32,
    lockout_recovery: u32,
) -> DictionaryAttackParameters {
    DictionaryAttackParameters {
        lock_handle: LockoutHandle::Lockout,
        new_max_tries,
        new_recovery_time,
        lockout_recovery,
    }
}

#[test]
fn time_and_clock_follow_the_host() {
    let mut tpm = started();
    wait_ms(&mut tpm, 1234);
    assert_eq!((time(&mut tpm).time, clock(&mut tpm)), (1234, 1234));
}

#[test]
fn clock_goes_to_storage_once_an_interval() {
    let mut tpm = started();
    let commits = tpm.transport().commits;
    for _ in 0..4 {
        wait_ms(&mut tpm, 1023);
        clock(&mut tpm);
    }
    assert_eq!(tpm.transport().commits, commits);
    wait_ms(&mut tpm, 4);
    clock(&mut tpm);
    assert_eq!(tpm.transport().commits, commits + 1);
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::Clear).unwrap();
    assert_eq!(clock(&mut tpm), 4096);
}

#[test]
fn clock_is_set_forward_only() {
    let mut tpm = started();
    wait_ms(&mut tpm, 100);
    tpm.call(&set(50_000)).unwrap();
    assert_eq!((time(&mut tpm).time, clock(&mut tpm)), (100, 50_000));
    assert_eq!(refused(&mut tpm, &set(49_999)), rc::VALUE.at(ClockSet::NEW_TIME));
    assert_eq!(refused(&mut tpm, &set(0xFFFF_0000_0000_0001)), rc::VALUE.at(ClockSet::NEW_TIME));
    wait_ms(&mut tpm, 10);
    assert_eq!(clock(&mut tpm), 50_010);
    tpm.call(&set(0xFFFF_0000_0000_0000)).unwrap();
    assert_eq!(clock(&mut tpm), 0xFFFF_0000_0000_0000);
}

#[test]
fn a_clock_set_far_is_stored_and_one_set_near_is_not() {
    let mut tpm = started();
    let commits = tpm.transport().commits;
    tpm.call(&set(4_000)).unwrap();
    assert_eq!(tpm.transport().commits, commits);
    tpm.call(&set(10_000)).unwrap();
    assert_eq!(tpm.transport().commits, commits + 1);
}

#[test]
fn a_clock_that_cannot_be_stored_was_not_set() {
    let mut tpm = started();
    tpm.transport().disk_full = true;
    assert_eq!(refused(&mut tpm, &set(1_000_000)), rc::NV_UNAVAILABLE);
    assert_eq!(clock(&mut tpm), 0);
}

#[test]
fn the_rate_can_be_adjusted_within_its_range() {
    let mut tpm = started();
    let adjust = |rate_adjust| ClockRateAdjust { auth: ProvisionHandle::Owner, rate_adjust };
    tpm.call(&adjust(ClockAdjust::CoarseFaster)).unwrap();
    wait_ms(&mut tpm, 1_000_000);
    assert_eq!(clock(&mut tpm), 1_010_000);
    for _ in 0..14 {
        tpm.call(&adjust(ClockAdjust::CoarseFaster)).unwrap();
    }
    for rate in [ClockAdjust::CoarseFaster, ClockAdjust::FineFaster] {
        assert_eq!(refused(&mut tpm, &adjust(rate)), rc::VALUE.at(ClockRateAdjust::RATE_ADJUST));
    }
    tpm.call(&adjust(ClockAdjust::NoChange)).unwrap();
}

#[test]
fn a_canceled_adjustment_leaves_the_rate() {
    let mut tpm = started();
    tpm.transport().host.canceled = true;
    let adjust = ClockRateAdjust { auth: ProvisionHandle::Owner, rate_adjust: ClockAdjust::CoarseFaster };
    assert_eq!(refused(&mut tpm, &adjust), rc::CANCELED);
    tpm.transport().host.canceled = false;
    wait_ms(&mut tpm, 1_000_000);
    assert_eq!(clock(&mut tpm), 1_000_000);
}

#[test]
fn clear_sets_clock_and_counters_to_zero() {
    let mut tpm = started();
    tpm.call(&set(100_000)).unwrap();
    tpm.call(&Clear { auth_handle: ClearHandle::Lockout }).unwrap();
    let info = time(&mut tpm).clock_info;
    assert_eq!((info.clock, info.reset_count, info.restart_count, info.safe), (0, 0, 0, true));
}

#[test]
fn a_clear_that_cannot_be_stored_leaves_clock() {
    let mut tpm = started();
    tpm.call(&set(100_000)).unwrap();
    tpm.transport().disk_full = true;
    assert_eq!(refused(&mut tpm, &Clear { auth_handle: ClearHandle::Lockout }), rc::NV_UNAVAILABLE);
    assert_eq!(clock(&mut tpm), 100_000);
}

#[test]
fn a_new_tpm_protects_against_dictionary_attacks() {
    let mut tpm = started();
    let expected = [
        (pt::LOCKOUT_COUNTER, 0),
        (pt::MAX_AUTH_FAIL, 3),
        (pt::LOCKOUT_INTERVAL, 1000),
        (pt::LOCKOUT_RECOVERY, 1000),
    ];
    for (number, value) in expected {
        assert_eq!(property(&mut tpm, number), value);
    }
    tpm.call(&parameters(32, 600, 86400)).unwrap();
    assert_eq!(property(&mut tpm, pt::MAX_AUTH_FAIL), 32);
    assert_eq!(property(&mut tpm, pt::LOCKOUT_INTERVAL), 600);
    assert_eq!(property(&mut tpm, pt::LOCKOUT_RECOVERY), 86400);
}

#[test]
fn a_wrong_lockout_auth_disables_it_until_its_recovery() {
    let mut tpm = started();
    tpm.call(&parameters(3, 1000, 100)).unwrap();
    lockout_auth(&mut tpm, *b"lock");
    wait_ms(&mut tpm, 7_000);
    assert_eq!(lock_reset(&mut tpm, b"guess").unwrap_err().fmt1(), Some(rc::AUTH_FAIL));
    assert_eq!(lock_reset(&mut tpm, b"lock"), Err(rc::LOCKOUT));
    wait_ms(&mut tpm, 99_999);
    assert_eq!(lock_reset(&mut tpm, b"lock"), Err(rc::LOCKOUT));
    wait_ms(&mut tpm, 1);
    assert_eq!(lock_reset(&mut tpm, b"lock"), Ok(()));
}

#[test]
fn a_recovery_of_zero_lasts_until_the_next_startup() {
    let mut tpm = started();
    tpm.call(&parameters(3, 1000, 0)).unwrap();
    lockout_auth(&mut tpm, *b"lock");
    assert!(lock_reset(&mut tpm, b"guess").is_err());
    wait_ms(&mut tpm, 1_000_000_000);
    assert_eq!(lock_reset(&mut tpm, b"lock"), Err(rc::LOCKOUT));
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::Clear).unwrap();
    assert_eq!(lock_reset(&mut tpm, b"lock"), Ok(()));
}

#[test]
fn lockout_recovery_starts_anew_with_power() {
    let mut tpm = started();
    tpm.call(&parameters(3, 1000, 100)).unwrap();
    lockout_auth(&mut tpm, *b"lock");
    wait_ms(&mut tpm, 90_000);
    assert!(lock_reset(&mut tpm, b"guess").is_err());
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::Clear).unwrap();
    wait_ms(&mut tpm, 50_000);
    assert_eq!(lock_reset(&mut tpm, b"lock"), Err(rc::LOCKOUT));
    wait_ms(&mut tpm, 50_000);
    assert_eq!(lock_reset(&mut tpm, b"lock"), Ok(()));
}
