//! Authenticated countdown timers. Part 1, 40 and Part 3, 33.

mod common;

use common::{TestTpm, migrate, power_cycle, refused, shutdown, started, started_as, startup, wait_ms};
use sigillo_client::{Auth, SessionOptions};
use sigillo_crypto::hash::hash;
use sigillo_engine::Profile;
use sigillo_types::{
    HashAlg, Marshal, Rc,
    attributes::TpmaAct,
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bNonce, Tpm2bOperand},
    cc,
    command::Command,
    commands::{
        ActSetTimeout, ChangePps, Clear, GetCapability, HierarchyChangeAuth, HierarchyControl,
        PolicyCapability, PolicySecret, ReadOnlyControl, SetPrimaryPolicy, Startup,
    },
    constants::{Capability, Operation, SessionType, StartupType},
    handles::{
        ActHandle, BaseHierarchy, ClearHandle, EnablesHandle, EntityHandle, HierarchyAuthHandle,
        HierarchyPolicyHandle, PlatformHandle, PolicySessionHandle,
    },
    rc, rh,
    structures::{CapabilityData, TpmsActData},
};

const NONE: TpmaAct = TpmaAct::empty();
const SIGNALED: TpmaAct = TpmaAct::SIGNALED;
const BOTH: TpmaAct = TpmaAct::all();

fn act(number: u32) -> ActHandle {
    ActHandle::new(rh::ACT_0 + number).unwrap()
}

fn timeout(start_timeout: u32) -> ActSetTimeout {
    ActSetTimeout { act_handle: act(0), start_timeout }
}

fn set(tpm: &mut TestTpm, start_timeout: u32) {
    tpm.call(&timeout(start_timeout)).unwrap();
}

fn timers(tpm: &mut TestTpm, property: u32, property_count: u32) -> (bool, Vec<TpmsActData>) {
    let found = tpm.call(&GetCapability { capability: Capability::Act, property, property_count }).unwrap();
    match found.capability_data {
        CapabilityData::ActData(all) => (found.more_data, all.into_vec()),
        other => panic!("{other:?}"),
    }
}

/// Seconds left and attributes of the first timer.
fn state(tpm: &mut TestTpm) -> (u32, TpmaAct) {
    let data = timers(tpm, rh::FIRST, 1).1[0];
    assert_eq!(data.handle, rh::ACT_0);
    (data.timeout, data.attributes)
}

fn with<C: Command>(tpm: &mut TestTpm, command: &C, auth: Auth<'_>) -> Result<(), Rc> {
    tpm.call_with(command, &mut [auth]).map(drop).map_err(|error| error.rc().unwrap())
}

fn platform(tpm: &mut TestTpm, enable: EnablesHandle, state: bool) {
    tpm.call(&HierarchyControl { auth_handle: BaseHierarchy::Platform, enable, state }).unwrap();
}

fn platform_auth(tpm: &mut TestTpm, new_auth: [u8; 4]) {
    let auth_handle = HierarchyAuthHandle::Platform;
    tpm.call(&HierarchyChangeAuth { auth_handle, new_auth: Tpm2bAuth::from(new_auth) }).unwrap();
}

/// PolicySecret with ownerAuth: what hands a timer to the owner. Part 1, 40.2.
fn owner_policy() -> Vec<u8> {
    let owner =
        hash(HashAlg::Sha256, &[&[0; 32], &cc::POLICY_SECRET.to_be_bytes(), &rh::OWNER.to_be_bytes()]);
    hash(HashAlg::Sha256, &[&owner]).to_vec()
}

fn policy(number: u32, digest: &[u8]) -> SetPrimaryPolicy {
    SetPrimaryPolicy {
        auth_handle: HierarchyPolicyHandle::Act(act(number)),
        auth_policy: Tpm2bDigest::new(digest).unwrap(),
        hash_alg: (!digest.is_empty()).then_some(HashAlg::Sha256),
    }
}

/// Authorizes a command by the owner's consent.
fn by_owner<C: Command>(tpm: &mut TestTpm, command: &C) -> Result<(), Rc> {
    let mut session = tpm.start_session(SessionOptions::new(SessionType::Policy, HashAlg::Sha256)).unwrap();
    session.includes_auth = false;
    let consent = PolicySecret {
        auth_handle: EntityHandle::Owner,
        policy_session: PolicySessionHandle::new(session.handle).unwrap(),
        nonce_tpm: Tpm2bNonce::default(),
        cp_hash_a: Tpm2bDigest::default(),
        policy_ref: Tpm2bNonce::default(),
        expiration: 0,
    };
    tpm.call(&consent).unwrap();
    let done = with(tpm, command, Auth::session(&mut session, b""));
    let flush_handle = sigillo_types::handles::ContextHandle::new(session.handle).unwrap();
    tpm.call(&sigillo_types::commands::FlushContext { flush_handle }).unwrap();
    done
}

#[test]
fn a_timer_counts_down_once_a_second_and_signals_at_zero() {
    let mut tpm = started();
    assert_eq!(state(&mut tpm), (0, NONE));
    set(&mut tpm, 3);
    for (ms, left) in [(0, 3), (999, 3), (1, 2), (1000, 1), (999, 1)] {
        wait_ms(&mut tpm, ms);
        assert_eq!(state(&mut tpm), (left, NONE));
    }
    assert_eq!(tpm.transport().tpm.signaled_acts().count(), 0);
    wait_ms(&mut tpm, 1);
    assert_eq!(state(&mut tpm), (0, SIGNALED));
    assert_eq!(tpm.transport().tpm.signaled_acts().collect::<Vec<_>>(), [rh::ACT_0]);
}

/// The four cases of Part 3, 33.2.1, and the value that stops.
#[test]
fn setting_a_timeout_clears_or_sets_signaled() {
    let mut tpm = started();
    let steps = [
        (0, (0, NONE), "zero, nothing counts: unchanged"),
        (10, (10, NONE), "from zero"),
        (20, (20, NONE), "from another"),
        (5, (5, NONE), "less than what is left"),
        (0, (0, SIGNALED), "to zero: it runs out"),
        (0, (0, SIGNALED), "zero, nothing counts: unchanged"),
        (7, (7, NONE), "from zero, signaled"),
        (0, (0, SIGNALED), "to zero"),
        (u32::MAX, (0, NONE), "clears signaled without counting"),
        (u32::MAX, (u32::MAX, NONE), "not signaled: a long time"),
        (u32::MAX, (u32::MAX, NONE), "counting: a long time"),
    ];
    for (start_timeout, expected, why) in steps {
        set(&mut tpm, start_timeout);
        assert_eq!(state(&mut tpm), expected, "{why}");
    }
}

#[test]
fn a_refused_command_sets_nothing_and_does_not_stop_the_time() {
    let mut tpm = started();
    set(&mut tpm, 10);
    tpm.transport().host.canceled = true;
    wait_ms(&mut tpm, 4_000);
    assert_eq!(refused(&mut tpm, &timeout(0)), rc::CANCELED);
    tpm.transport().host.canceled = false;
    assert_eq!(state(&mut tpm), (6, NONE));
    tpm.transport().host.canceled = true;
    wait_ms(&mut tpm, 6_000);
    assert_eq!(refused(&mut tpm, &timeout(100)), rc::CANCELED);
    tpm.transport().host.canceled = false;
    assert_eq!(state(&mut tpm), (0, SIGNALED));
}

/// What TPM2_Shutdown(STATE) saves: all of a timeout that was set since the last startup, half of another.
#[test]
fn a_timeout_goes_on_after_a_resume() {
    let mut tpm = started();
    set(&mut tpm, 100);
    wait_ms(&mut tpm, 20_000);
    for left in [80, 40, 20] {
        shutdown(&mut tpm, StartupType::State).unwrap();
        power_cycle(&mut tpm);
        wait_ms(&mut tpm, 1_000_000);
        startup(&mut tpm, StartupType::State).unwrap();
        assert_eq!(state(&mut tpm), (left, NONE), "it does not count without a startup");
    }
    shutdown(&mut tpm, StartupType::State).unwrap();
    shutdown(&mut tpm, StartupType::State).unwrap();
    assert_eq!(state(&mut tpm), (20, NONE), "what runs is not halved");
    wait_ms(&mut tpm, 20_000);
    assert_eq!(state(&mut tpm), (0, SIGNALED), "it runs out although the TPM was shut down");
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::State).unwrap();
    assert_eq!(state(&mut tpm), (0, BOTH), "and stays so");
}

#[test]
fn that_a_timer_was_signaled_is_preserved_once() {
    let mut tpm = started();
    set(&mut tpm, 1);
    wait_ms(&mut tpm, 1_000);
    shutdown(&mut tpm, StartupType::State).unwrap();
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::State).unwrap();
    assert_eq!(state(&mut tpm), (0, BOTH));
    set(&mut tpm, 0);
    assert_eq!(state(&mut tpm), (0, SIGNALED));
    shutdown(&mut tpm, StartupType::State).unwrap();
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::State).unwrap();
    assert_eq!(state(&mut tpm), (0, BOTH));
    set(&mut tpm, 5);
    assert_eq!(state(&mut tpm), (5, NONE));
}

#[test]
fn a_reset_and_a_restart_stop_every_timer_silently() {
    for kind in [StartupType::Clear, StartupType::State] {
        let mut tpm = started();
        tpm.call(&policy(0, &owner_policy())).unwrap();
        for start_timeout in [1, 60] {
            set(&mut tpm, start_timeout);
            wait_ms(&mut tpm, 1_000);
            shutdown(&mut tpm, kind).unwrap();
            power_cycle(&mut tpm);
            startup(&mut tpm, StartupType::Clear).unwrap();
            assert_eq!(state(&mut tpm), (0, NONE));
        }
        assert_eq!(by_owner(&mut tpm, &timeout(1)), Err(rc::AUTH_UNAVAILABLE), "its policy is gone");
    }
}

#[test]
fn setting_a_timeout_nullifies_a_shutdown() {
    let mut tpm = started();
    shutdown(&mut tpm, StartupType::State).unwrap();
    set(&mut tpm, 10);
    power_cycle(&mut tpm);
    let code = startup(&mut tpm, StartupType::State).unwrap_err().rc();
    assert_eq!(code, Some(rc::VALUE.at(Startup::STARTUP_TYPE)));
}

#[test]
fn a_timeout_goes_on_in_another_process() {
    let mut tpm = started();
    wait_ms(&mut tpm, 7_000);
    set(&mut tpm, 10);
    wait_ms(&mut tpm, 4_000);
    assert_eq!(state(&mut tpm), (6, NONE));
    migrate(&mut tpm, 123_456);
    assert_eq!(state(&mut tpm), (6, NONE));
    wait_ms(&mut tpm, 6_000);
    assert_eq!(state(&mut tpm), (0, SIGNALED));
    migrate(&mut tpm, 5);
    assert_eq!(state(&mut tpm), (0, SIGNALED));
}

#[test]
fn platform_auth_is_the_auth_value_while_the_platform_is_enabled() {
    let mut tpm = started();
    platform_auth(&mut tpm, *b"auth");
    assert_eq!(with(&mut tpm, &timeout(1), Auth::password(b"")).unwrap_err().fmt1(), Some(rc::BAD_AUTH));
    assert_eq!(with(&mut tpm, &timeout(1), Auth::password(b"auth")), Ok(()));
    let mut session = tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).unwrap();
    assert_eq!(with(&mut tpm, &timeout(2), Auth::session(&mut session, b"auth")), Ok(()));
    let change = HierarchyControl {
        auth_handle: BaseHierarchy::Platform,
        enable: EnablesHandle::Platform,
        state: false,
    };
    assert_eq!(with(&mut tpm, &change, Auth::password(b"auth")), Ok(()));
    assert_eq!(with(&mut tpm, &timeout(3), Auth::password(b"auth")), Err(rc::AUTH_UNAVAILABLE));
    let by_session = with(&mut tpm, &timeout(3), Auth::session(&mut session, b"auth"));
    assert_eq!(by_session, Err(rc::AUTH_UNAVAILABLE));
    assert_eq!(state(&mut tpm), (2, NONE));
}

#[test]
fn a_policy_of_its_own_works_without_the_platform() {
    let mut tpm = started();
    assert_eq!(by_owner(&mut tpm, &timeout(1)), Err(rc::AUTH_UNAVAILABLE), "it has no policy yet");
    tpm.call(&policy(0, &owner_policy())).unwrap();
    platform(&mut tpm, EnablesHandle::Platform, false);
    assert_eq!(by_owner(&mut tpm, &timeout(30)), Ok(()));
    assert_eq!(state(&mut tpm), (30, NONE));
    shutdown(&mut tpm, StartupType::State).unwrap();
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::State).unwrap();
    platform(&mut tpm, EnablesHandle::Platform, false);
    assert_eq!(by_owner(&mut tpm, &timeout(40)), Ok(()), "a resume keeps it");
    assert_eq!(by_owner(&mut tpm, &policy(0, &[])), Ok(()), "it changes itself");
    assert_eq!(by_owner(&mut tpm, &timeout(50)), Err(rc::AUTH_UNAVAILABLE));
}

#[test]
fn the_policy_of_a_timer_is_listed_and_is_of_one_timer() {
    let mut tpm = started_as(Profile::everything());
    let wrong = SetPrimaryPolicy { auth_policy: Tpm2bDigest::from([1; 20]), ..policy(3, &[1; 32]) };
    assert_eq!(refused(&mut tpm, &wrong), rc::SIZE.at(SetPrimaryPolicy::AUTH_POLICY));
    tpm.call(&policy(3, &owner_policy())).unwrap();
    let ask =
        GetCapability { capability: Capability::AuthPolicies, property: rh::ACT_0, property_count: 100 };
    match tpm.call(&ask).unwrap().capability_data {
        CapabilityData::AuthPolicies(policies) => {
            let of: Vec<u32> = policies.iter().map(|policy| policy.handle).collect();
            assert_eq!(of, [rh::ACT_0 + 3]);
            assert_eq!(policies[0].policy_hash.unwrap().digest(), owner_policy());
        }
        other => panic!("{other:?}"),
    }
    let three = ActSetTimeout { act_handle: act(3), start_timeout: 9 };
    assert_eq!(by_owner(&mut tpm, &three), Ok(()));
    assert_eq!(by_owner(&mut tpm, &timeout(9)), Err(rc::AUTH_UNAVAILABLE));
}

#[test]
fn a_profile_says_which_timers_there_are() {
    for (profile, count) in [
        (Profile::pc_client(), 1),
        (Profile::ptp_1_07(), 1),
        (Profile::libtpms(), 1),
        (Profile::everything(), 16),
    ] {
        let mut tpm = started_as(profile);
        let (more, all) = timers(&mut tpm, rh::FIRST, 100);
        let expected: Vec<u32> = (rh::ACT_0..).take(count).collect();
        let handles: Vec<u32> = all.iter().map(|timer| timer.handle).collect();
        assert_eq!((more, &handles), (false, &expected));
        assert_eq!(timers(&mut tpm, rh::ACT_F + 1, 1), (false, vec![]));
        assert_eq!(timers(&mut tpm, rh::FIRST, 1).0, count > 1);
        for number in 0..16 {
            let set = ActSetTimeout { act_handle: act(number), start_timeout: number + 1 };
            if expected.contains(&(rh::ACT_0 + number)) {
                tpm.call(&set).unwrap();
                assert_eq!(timers(&mut tpm, rh::ACT_0 + number, 1).1[0].timeout, number + 1);
            } else {
                assert_eq!(refused(&mut tpm, &set), rc::VALUE.at(ActSetTimeout::ACT_HANDLE));
                let policy = refused(&mut tpm, &policy(number, &[1; 32]));
                assert_eq!(policy, rc::VALUE.at(SetPrimaryPolicy::AUTH_HANDLE));
            }
        }
    }
}

/// Operand A is the TPMS_ACT_DATA: its attributes are at offset 8. Part 3, 23.23.
#[test]
fn a_policy_can_ask_whether_a_timer_has_run_out() {
    let mut tpm = started();
    let session = tpm.start_session(SessionOptions::new(SessionType::Policy, HashAlg::Sha256)).unwrap();
    let ask = |property| PolicyCapability {
        policy_session: PolicySessionHandle::new(session.handle).unwrap(),
        operand_b: Tpm2bOperand::new(&SIGNALED.to_bytes()).unwrap(),
        offset: 8,
        operation: Operation::BitSet,
        capability: Capability::Act,
        property,
    };
    set(&mut tpm, 1);
    assert_eq!(refused(&mut tpm, &ask(rh::ACT_0)), rc::POLICY);
    wait_ms(&mut tpm, 1_000);
    tpm.call(&ask(rh::ACT_0)).unwrap();
    assert_eq!(refused(&mut tpm, &ask(rh::ACT_0 + 1)), rc::POLICY, "there is no such property");
}

#[test]
fn a_timer_is_set_in_read_only_mode_and_outlives_its_owner() {
    let mut tpm = started();
    set(&mut tpm, 10);
    tpm.call(&Clear { auth_handle: ClearHandle::Platform }).unwrap();
    tpm.call(&ChangePps { auth_handle: PlatformHandle::Platform }).unwrap();
    assert_eq!(state(&mut tpm), (10, NONE));
    tpm.call(&ReadOnlyControl { auth_handle: PlatformHandle::Platform, state: true }).unwrap();
    set(&mut tpm, 20);
    assert_eq!(refused(&mut tpm, &policy(0, &[])), rc::READ_ONLY);
    assert_eq!(state(&mut tpm), (20, NONE));
}
