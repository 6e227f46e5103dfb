//! Hierarchies: who is enabled, whose seeds and secrets change. Part 3, 24.2 to 24.8.

mod common;
mod support;

use common::{TestTpm, power_cycle, refused, shutdown, started, startup};
use sigillo_client::{Auth, SessionOptions, template};
use sigillo_types::{
    HashAlg, Rc,
    attributes::{TpmaNv, TpmaPermanent, TpmaStartupClear},
    buffers::{Tpm2bAuth, Tpm2bDigest},
    command::Command,
    commands::{
        ChangeEps, ChangePps, Clear, ClearControl, ContextLoad, ContextSave, EvictControl, GetCapability,
        HierarchyChangeAuth, HierarchyControl, NvDefineSpace, NvReadPublic, PcrRead, ReadPublic,
        SetPrimaryPolicy,
    },
    constants::{Capability, SessionType, StartupType},
    handles::{
        BaseHierarchy, ClearHandle, ContextHandle, EnablesHandle, Hierarchy, HierarchyAuthHandle,
        HierarchyPolicyHandle, NvLegacyIndexHandle, ObjectHandle, PersistentHandle, PlatformHandle,
        ProvisionHandle,
    },
    pt, rc, rh,
    structures::{CapabilityData, Tpm2bNvPublic, TpmlPcrSelection, TpmsNvPublic, TpmsTaggedPolicy, TpmtHa},
};
use support::{child, primary, primary_response};

fn property(tpm: &mut TestTpm, property: u32) -> u32 {
    let get = GetCapability { capability: Capability::TpmProperties, property, property_count: 1 };
    match tpm.call(&get).unwrap().capability_data {
        CapabilityData::TpmProperties(properties) => properties.first().unwrap().value,
        other => panic!("{other:?}"),
    }
}

fn permanent(tpm: &mut TestTpm) -> TpmaPermanent {
    TpmaPermanent::from_bits(property(tpm, pt::PERMANENT)).unwrap()
}

fn enabled(tpm: &mut TestTpm) -> TpmaStartupClear {
    TpmaStartupClear::from_bits(property(tpm, pt::STARTUP_CLEAR)).unwrap()
}

fn policies(tpm: &mut TestTpm) -> Vec<TpmsTaggedPolicy> {
    let get = GetCapability { capability: Capability::AuthPolicies, property: rh::FIRST, property_count: 10 };
    match tpm.call(&get).unwrap().capability_data {
        CapabilityData::AuthPolicies(policies) => policies.into_vec(),
        other => panic!("{other:?}"),
    }
}

fn control(auth_handle: BaseHierarchy, enable: EnablesHandle, state: bool) -> HierarchyControl {
    HierarchyControl { auth_handle, enable, state }
}

fn change_auth(auth_handle: HierarchyAuthHandle, new_auth: &[u8]) -> HierarchyChangeAuth {
    HierarchyChangeAuth { auth_handle, new_auth: Tpm2bAuth::new(new_auth).unwrap() }
}

fn policy(auth_handle: HierarchyPolicyHandle, digest: &[u8], hash_alg: Option<HashAlg>) -> SetPrimaryPolicy {
    SetPrimaryPolicy { auth_handle, auth_policy: Tpm2bDigest::new(digest).unwrap(), hash_alg }
}

fn counter(tpm: &mut TestTpm) -> u32 {
    tpm.call(&PcrRead { pcr_selection_in: TpmlPcrSelection::default() }).unwrap().pcr_update_counter
}

fn index(handle: u32, auth_handle: ProvisionHandle) -> NvDefineSpace {
    let mut attributes = TpmaNv::AUTHREAD | TpmaNv::AUTHWRITE;
    attributes.set(TpmaNv::PLATFORMCREATE, auth_handle == ProvisionHandle::Platform);
    let nv_public = TpmsNvPublic {
        nv_index: NvLegacyIndexHandle::new(handle).unwrap(),
        name_alg: HashAlg::Sha256,
        attributes,
        auth_policy: Tpm2bDigest::default(),
        data_size: 4,
    };
    NvDefineSpace { auth_handle, auth: Tpm2bAuth::default(), public_info: Tpm2bNvPublic { nv_public } }
}

const OWNERS: u32 = 0x0150_0001;
const PLATFORMS: u32 = 0x0140_0001;

fn is_defined(tpm: &mut TestTpm, handle: u32) -> bool {
    tpm.call(&NvReadPublic { nv_index: NvLegacyIndexHandle::new(handle).unwrap() }).is_ok()
}

fn persist(tpm: &mut TestTpm, auth: ProvisionHandle, object_handle: ObjectHandle, handle: u32) {
    let persistent_handle = PersistentHandle::new(handle).unwrap();
    tpm.call(&EvictControl { auth, object_handle, persistent_handle }).unwrap();
}

fn is_there(tpm: &mut TestTpm, handle: u32) -> bool {
    tpm.call(&ReadPublic { object_handle: ObjectHandle::new(handle).unwrap() }).is_ok()
}

fn with_password<C: Command>(tpm: &mut TestTpm, command: &C, password: &[u8]) -> Result<(), Rc> {
    tpm.call_with(command, &mut [Auth::password(password)]).map(drop).map_err(|error| error.rc().unwrap())
}

/// One object of a hierarchy, made persistent and left loaded.
fn populate(tpm: &mut TestTpm, hierarchy: Hierarchy, auth: ProvisionHandle, handle: u32) -> ObjectHandle {
    let object = primary(tpm, hierarchy, template::ecc_storage());
    persist(tpm, auth, object, handle);
    object
}

#[test]
fn a_hierarchy_is_disabled_by_its_own_or_by_the_platform() {
    use BaseHierarchy::{Endorsement, Owner, Platform};
    for (auth, enable, allowed) in [
        (Owner, EnablesHandle::Owner, true),
        (Endorsement, EnablesHandle::Endorsement, true),
        (Platform, EnablesHandle::Owner, true),
        (Platform, EnablesHandle::Endorsement, true),
        (Platform, EnablesHandle::Platform, true),
        (Platform, EnablesHandle::PlatformNv, true),
        (Owner, EnablesHandle::Endorsement, false),
        (Endorsement, EnablesHandle::Owner, false),
        (Owner, EnablesHandle::Platform, false),
        (Owner, EnablesHandle::PlatformNv, false),
        (Endorsement, EnablesHandle::PlatformNv, false),
    ] {
        let mut tpm = started();
        let result = tpm.call(&control(auth, enable, false)).map(drop).map_err(|error| error.rc().unwrap());
        assert_eq!(result, if allowed { Ok(()) } else { Err(rc::AUTH_TYPE) }, "{auth:?} {enable:?}");
    }
}

#[test]
fn only_the_platform_enables_again() {
    let mut tpm = started();
    tpm.call(&control(BaseHierarchy::Endorsement, EnablesHandle::Endorsement, false)).unwrap();
    assert!(!enabled(&mut tpm).contains(TpmaStartupClear::EH_ENABLE));
    let own = control(BaseHierarchy::Endorsement, EnablesHandle::Endorsement, true);
    assert_eq!(refused(&mut tpm, &own).fmt1(), Some(rc::HIERARCHY), "it cannot even authorize");
    tpm.call(&control(BaseHierarchy::Platform, EnablesHandle::Endorsement, true)).unwrap();
    assert!(enabled(&mut tpm).contains(TpmaStartupClear::EH_ENABLE));
}

#[test]
fn disabling_flushes_what_is_loaded_and_hides_what_is_persistent() {
    let mut tpm = started();
    let object = populate(&mut tpm, Hierarchy::Owner, ProvisionHandle::Owner, 0x8100_0001);
    let other = primary(&mut tpm, Hierarchy::Null, template::ecc_storage());
    tpm.call(&index(OWNERS, ProvisionHandle::Owner)).unwrap();
    tpm.call(&control(BaseHierarchy::Owner, EnablesHandle::Owner, false)).unwrap();
    assert!(!is_there(&mut tpm, object.raw()));
    assert!(is_there(&mut tpm, other.raw()));
    assert!(!is_there(&mut tpm, 0x8100_0001));
    assert!(!is_defined(&mut tpm, OWNERS));
    tpm.call(&control(BaseHierarchy::Platform, EnablesHandle::Owner, true)).unwrap();
    assert!(is_there(&mut tpm, 0x8100_0001));
    assert!(is_defined(&mut tpm, OWNERS));
}

#[test]
fn ph_enable_nv_hides_the_indices_of_the_platform_only() {
    let mut tpm = started();
    tpm.call(&index(PLATFORMS, ProvisionHandle::Platform)).unwrap();
    tpm.call(&index(OWNERS, ProvisionHandle::Owner)).unwrap();
    tpm.call(&control(BaseHierarchy::Platform, EnablesHandle::PlatformNv, false)).unwrap();
    assert!(!is_defined(&mut tpm, PLATFORMS));
    assert!(is_defined(&mut tpm, OWNERS));
    let more = index(PLATFORMS + 1, ProvisionHandle::Platform);
    assert_eq!(refused(&mut tpm, &more), rc::HIERARCHY.at(NvDefineSpace::AUTH_HANDLE));
    let hidden = NvDefineSpace {
        public_info: index(PLATFORMS, ProvisionHandle::Owner).public_info,
        ..index(0x0150_0002, ProvisionHandle::Owner)
    };
    assert_eq!(refused(&mut tpm, &hidden), rc::NV_DEFINED, "it is hidden, not gone");
}

#[test]
fn a_policy_has_the_size_of_its_algorithm() {
    let mut tpm = started();
    for (digest, hash_alg) in
        [(&[1; 31][..], Some(HashAlg::Sha256)), (&[], Some(HashAlg::Sha1)), (&[1; 20], None)]
    {
        let wrong = policy(HierarchyPolicyHandle::Owner, digest, hash_alg);
        assert_eq!(refused(&mut tpm, &wrong), rc::SIZE.at(SetPrimaryPolicy::AUTH_POLICY));
    }
    assert_eq!(policies(&mut tpm), []);
    for (handle, raw) in [
        (HierarchyPolicyHandle::Owner, rh::OWNER),
        (HierarchyPolicyHandle::Endorsement, rh::ENDORSEMENT),
        (HierarchyPolicyHandle::Lockout, rh::LOCKOUT),
        (HierarchyPolicyHandle::Platform, rh::PLATFORM),
    ] {
        tpm.call(&policy(handle, &[7; 32], Some(HashAlg::Sha256))).unwrap();
        let set = TpmsTaggedPolicy { handle: raw, policy_hash: Some(TpmtHa::Sha256([7; 32])) };
        assert_eq!(policies(&mut tpm), [set]);
        tpm.call(&policy(handle, &[], None)).unwrap();
        assert_eq!(policies(&mut tpm), []);
    }
}

#[test]
fn an_auth_value_is_changed_and_needed_from_then_on() {
    for handle in [
        HierarchyAuthHandle::Owner,
        HierarchyAuthHandle::Endorsement,
        HierarchyAuthHandle::Platform,
        HierarchyAuthHandle::Lockout,
    ] {
        let mut tpm = started();
        tpm.call(&change_auth(handle, b"secret\0\0")).unwrap();
        assert!(tpm.call(&change_auth(handle, b"")).is_err());
    }
    let mut tpm = started();
    tpm.call(&change_auth(HierarchyAuthHandle::Owner, b"secret\0\0")).unwrap();
    assert_eq!(
        with_password(&mut tpm, &change_auth(HierarchyAuthHandle::Owner, b""), b"secret"),
        Ok(()),
        "no zeros"
    );
    tpm.call(&change_auth(HierarchyAuthHandle::Owner, &[1; 64])).unwrap();
}

#[test]
fn the_attributes_tell_which_auth_values_are_set() {
    let mut tpm = started();
    assert_eq!(permanent(&mut tpm), TpmaPermanent::TPM_GENERATED_EPS);
    tpm.call(&change_auth(HierarchyAuthHandle::Owner, b"o")).unwrap();
    tpm.call(&change_auth(HierarchyAuthHandle::Endorsement, b"e")).unwrap();
    tpm.call(&change_auth(HierarchyAuthHandle::Lockout, b"l")).unwrap();
    let set =
        TpmaPermanent::OWNER_AUTH_SET | TpmaPermanent::ENDORSEMENT_AUTH_SET | TpmaPermanent::LOCKOUT_AUTH_SET;
    assert_eq!(permanent(&mut tpm), set | TpmaPermanent::TPM_GENERATED_EPS);
}

#[test]
fn clear_removes_the_owner_and_keeps_the_platform() {
    let mut tpm = started();
    let storage = primary_response(&mut tpm, Hierarchy::Owner, template::ecc_storage()).name;
    let endorsement = primary_response(&mut tpm, Hierarchy::Endorsement, template::ecc_storage()).name;
    let platform = primary_response(&mut tpm, Hierarchy::Platform, template::ecc_storage()).name;
    for raw in [0x8000_0000, 0x8000_0001] {
        persist(&mut tpm, ProvisionHandle::Owner, ObjectHandle::new(raw).unwrap(), raw + 0x0100_0000);
    }
    persist(&mut tpm, ProvisionHandle::Platform, ObjectHandle::new(0x8000_0002).unwrap(), 0x8180_0000);
    tpm.call(&index(OWNERS, ProvisionHandle::Owner)).unwrap();
    tpm.call(&index(PLATFORMS, ProvisionHandle::Platform)).unwrap();
    tpm.call(&policy(HierarchyPolicyHandle::Owner, &[7; 32], Some(HashAlg::Sha256))).unwrap();
    tpm.call(&policy(HierarchyPolicyHandle::Lockout, &[7; 32], Some(HashAlg::Sha256))).unwrap();
    tpm.call(&change_auth(HierarchyAuthHandle::Owner, b"o")).unwrap();
    let before = counter(&mut tpm);

    tpm.call(&Clear { auth_handle: ClearHandle::Platform }).unwrap();

    assert_eq!(permanent(&mut tpm), TpmaPermanent::TPM_GENERATED_EPS);
    assert_eq!(policies(&mut tpm), []);
    for (handle, kept) in [
        (0x8000_0000, false),
        (0x8000_0001, false),
        (0x8000_0002, true),
        (0x8100_0000, false),
        (0x8100_0001, false),
        (0x8180_0000, true),
    ] {
        assert_eq!(is_there(&mut tpm, handle), kept, "{handle:#x}");
    }
    assert!(!is_defined(&mut tpm, OWNERS));
    assert!(is_defined(&mut tpm, PLATFORMS));
    assert_eq!(counter(&mut tpm), before + 1);
    assert_ne!(
        primary_response(&mut tpm, Hierarchy::Owner, template::ecc_storage()).name,
        storage,
        "a new seed"
    );
    assert_eq!(primary_response(&mut tpm, Hierarchy::Endorsement, template::ecc_storage()).name, endorsement);
    support::flush(&mut tpm, ObjectHandle::new(0x8000_0002).unwrap());
    assert_eq!(primary_response(&mut tpm, Hierarchy::Platform, template::ecc_storage()).name, platform);
}

#[test]
fn clear_control_is_set_by_both_and_cleared_by_the_platform() {
    let mut tpm = started();
    let control = |auth, disable| ClearControl { auth, disable };
    tpm.call(&control(ClearHandle::Lockout, true)).unwrap();
    assert!(permanent(&mut tpm).contains(TpmaPermanent::DISABLE_CLEAR));
    for auth_handle in [ClearHandle::Lockout, ClearHandle::Platform] {
        assert_eq!(refused(&mut tpm, &Clear { auth_handle }), rc::DISABLED);
    }
    assert_eq!(refused(&mut tpm, &control(ClearHandle::Lockout, false)).fmt1(), Some(rc::AUTH_FAIL));
    tpm.call(&control(ClearHandle::Platform, false)).unwrap();
    tpm.call(&Clear { auth_handle: ClearHandle::Lockout }).unwrap();
}

#[test]
fn change_pps_replaces_the_platform_seed_and_keeps_its_indices() {
    let mut tpm = started();
    let old = primary_response(&mut tpm, Hierarchy::Platform, template::ecc_storage()).name;
    persist(&mut tpm, ProvisionHandle::Platform, ObjectHandle::new(0x8000_0000).unwrap(), 0x8180_0000);
    tpm.call(&index(PLATFORMS, ProvisionHandle::Platform)).unwrap();
    tpm.call(&policy(HierarchyPolicyHandle::Platform, &[7; 32], Some(HashAlg::Sha256))).unwrap();
    tpm.call(&ChangePps { auth_handle: PlatformHandle::Platform }).unwrap();
    assert!(!is_there(&mut tpm, 0x8000_0000) && !is_there(&mut tpm, 0x8180_0000));
    assert!(is_defined(&mut tpm, PLATFORMS));
    assert_eq!(policies(&mut tpm), []);
    assert_ne!(primary_response(&mut tpm, Hierarchy::Platform, template::ecc_storage()).name, old);
}

#[test]
fn change_eps_replaces_the_endorsement_seed_and_its_controls() {
    let mut tpm = started();
    let old = primary_response(&mut tpm, Hierarchy::Endorsement, template::ecc_storage()).name;
    persist(&mut tpm, ProvisionHandle::Owner, ObjectHandle::new(0x8000_0000).unwrap(), 0x8100_0001);
    let owners = populate(&mut tpm, Hierarchy::Owner, ProvisionHandle::Owner, 0x8100_0002);
    tpm.call(&change_auth(HierarchyAuthHandle::Endorsement, b"e")).unwrap();
    tpm.call(&control(BaseHierarchy::Platform, EnablesHandle::Endorsement, false)).unwrap();
    tpm.call(&ChangeEps { auth_handle: PlatformHandle::Platform }).unwrap();
    assert!(enabled(&mut tpm).contains(TpmaStartupClear::EH_ENABLE));
    assert!(!permanent(&mut tpm).contains(TpmaPermanent::ENDORSEMENT_AUTH_SET));
    assert!(!is_there(&mut tpm, 0x8100_0001));
    assert!(is_there(&mut tpm, 0x8100_0002) && is_there(&mut tpm, owners.raw()));
    assert_ne!(primary_response(&mut tpm, Hierarchy::Endorsement, template::ecc_storage()).name, old);
}

#[test]
fn flushing_a_hierarchy_takes_the_children_too() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let leaf = child(&mut tpm, parent, template::hmac_key(HashAlg::Sha256));
    tpm.call(&control(BaseHierarchy::Owner, EnablesHandle::Owner, false)).unwrap();
    assert!(!is_there(&mut tpm, parent.raw()) && !is_there(&mut tpm, leaf.raw()));
}

/// The platform, once it has left, comes back with the next startup only. Part 3, 24.2.
#[test]
fn a_disabled_platform_authorizes_nothing_until_a_startup() {
    for kind in [StartupType::Clear, StartupType::State] {
        let mut tpm = started();
        tpm.call(&control(BaseHierarchy::Platform, EnablesHandle::Platform, true)).unwrap();
        tpm.call(&control(BaseHierarchy::Platform, EnablesHandle::Platform, false)).unwrap();
        let again = control(BaseHierarchy::Platform, EnablesHandle::Platform, true);
        assert_eq!(refused(&mut tpm, &again), rc::HIERARCHY.at(HierarchyControl::AUTH_HANDLE));
        let by_owner = control(BaseHierarchy::Owner, EnablesHandle::Platform, true);
        assert_eq!(refused(&mut tpm, &by_owner), rc::AUTH_TYPE);
        shutdown(&mut tpm, kind).unwrap();
        power_cycle(&mut tpm);
        startup(&mut tpm, kind).unwrap();
        assert!(enabled(&mut tpm).contains(TpmaStartupClear::PH_ENABLE));
    }
}

/// Its own authValue and policy go with a hierarchy that is disabled. Part 3, 24.3 and 24.8.
#[test]
fn a_disabled_hierarchy_changes_neither_its_policy_nor_its_auth_value() {
    for (auth, enable, policy_of, auth_of) in [
        (
            BaseHierarchy::Owner,
            EnablesHandle::Owner,
            HierarchyPolicyHandle::Owner,
            HierarchyAuthHandle::Owner,
        ),
        (
            BaseHierarchy::Endorsement,
            EnablesHandle::Endorsement,
            HierarchyPolicyHandle::Endorsement,
            HierarchyAuthHandle::Endorsement,
        ),
        (
            BaseHierarchy::Platform,
            EnablesHandle::Platform,
            HierarchyPolicyHandle::Platform,
            HierarchyAuthHandle::Platform,
        ),
    ] {
        let mut tpm = started();
        tpm.call(&control(auth, enable, false)).unwrap();
        let set = policy(policy_of, &[7; 32], Some(HashAlg::Sha256));
        assert_eq!(refused(&mut tpm, &set), rc::HIERARCHY.at(SetPrimaryPolicy::AUTH_HANDLE), "{auth:?}");
        let change = change_auth(auth_of, b"new");
        let code = refused(&mut tpm, &change);
        assert_eq!(code, rc::HIERARCHY.at(HierarchyChangeAuth::AUTH_HANDLE), "{auth:?}");
    }
}

/// The endorsement hierarchy has no NV of its own; its persistent objects are the owner's to manage.
#[test]
fn disabling_the_endorsement_hierarchy_leaves_the_owner_alone() {
    let mut tpm = started();
    let ek = populate(&mut tpm, Hierarchy::Endorsement, ProvisionHandle::Owner, 0x8100_0001);
    let srk = populate(&mut tpm, Hierarchy::Owner, ProvisionHandle::Owner, 0x8100_0002);
    tpm.call(&index(OWNERS, ProvisionHandle::Owner)).unwrap();
    tpm.call(&control(BaseHierarchy::Endorsement, EnablesHandle::Endorsement, false)).unwrap();
    assert!(!is_there(&mut tpm, ek.raw()) && !is_there(&mut tpm, 0x8100_0001));
    assert!(is_there(&mut tpm, srk.raw()) && is_there(&mut tpm, 0x8100_0002));
    assert!(is_defined(&mut tpm, OWNERS));
}

type Change = fn(&mut TestTpm);

/// Contexts and tickets of a hierarchy end with the proof behind it. Part 3, 24.4 to 24.6.
#[test]
fn contexts_end_with_the_seed_of_their_hierarchy() {
    let all = [Hierarchy::Owner, Hierarchy::Endorsement, Hierarchy::Platform, Hierarchy::Null];
    let changes: [(Change, &[Hierarchy]); 3] = [
        (
            |tpm| tpm.call(&ChangePps { auth_handle: PlatformHandle::Platform }).map(drop).unwrap(),
            &[Hierarchy::Platform],
        ),
        (
            |tpm| tpm.call(&ChangeEps { auth_handle: PlatformHandle::Platform }).map(drop).unwrap(),
            &[Hierarchy::Endorsement],
        ),
        (
            |tpm| tpm.call(&Clear { auth_handle: ClearHandle::Platform }).map(drop).unwrap(),
            &[Hierarchy::Owner, Hierarchy::Endorsement],
        ),
    ];
    for (change, ended) in changes {
        let mut tpm = started();
        let contexts = all.map(|hierarchy| {
            let object = primary(&mut tpm, hierarchy, template::ecc_storage());
            let save_handle = ContextHandle::new(object.raw()).unwrap();
            let context = tpm.call(&ContextSave { save_handle }).unwrap().context;
            support::flush(&mut tpm, object);
            (hierarchy, context)
        });
        change(&mut tpm);
        for (hierarchy, context) in contexts {
            let load = ContextLoad { context };
            if ended.contains(&hierarchy) {
                assert_eq!(refused(&mut tpm, &load), rc::INTEGRITY.at(ContextLoad::CONTEXT), "{hierarchy:?}");
            } else {
                let loaded = tpm.call(&load).unwrap().loaded_handle;
                support::flush(&mut tpm, ObjectHandle::new(loaded).unwrap());
            }
        }
    }
}

#[test]
fn a_new_seed_leaves_the_auth_value_of_the_platform_and_takes_the_policy_of_the_endorsement() {
    let mut tpm = started();
    tpm.call(&policy(HierarchyPolicyHandle::Endorsement, &[7; 32], Some(HashAlg::Sha256))).unwrap();
    tpm.call(&change_auth(HierarchyAuthHandle::Platform, b"p")).unwrap();
    let change_pps = ChangePps { auth_handle: PlatformHandle::Platform };
    with_password(&mut tpm, &change_pps, b"p").unwrap();
    with_password(&mut tpm, &change_pps, b"p").unwrap();
    assert_eq!(policies(&mut tpm).len(), 1);
    with_password(&mut tpm, &ChangeEps { auth_handle: PlatformHandle::Platform }, b"p").unwrap();
    assert_eq!(policies(&mut tpm), []);
}

#[test]
fn clear_enables_what_was_disabled_and_answers_under_the_empty_lockout_auth() {
    let mut tpm = started();
    for (auth, enable) in [
        (BaseHierarchy::Owner, EnablesHandle::Owner),
        (BaseHierarchy::Endorsement, EnablesHandle::Endorsement),
    ] {
        tpm.call(&control(auth, enable, false)).unwrap();
    }
    tpm.call(&change_auth(HierarchyAuthHandle::Lockout, b"lock")).unwrap();
    let mut session = tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).unwrap();
    let cleared = tpm
        .call_with(&Clear { auth_handle: ClearHandle::Lockout }, &mut [Auth::session(&mut session, b"lock")]);
    assert!(
        matches!(cleared, Err(sigillo_client::Error::ResponseHmac)),
        "the client checked with the old lockoutAuth"
    );
    let both = TpmaStartupClear::SH_ENABLE | TpmaStartupClear::EH_ENABLE;
    assert!(enabled(&mut tpm).contains(both));
    assert!(!permanent(&mut tpm).contains(TpmaPermanent::LOCKOUT_AUTH_SET));
    // The session goes on under the new one.
    let again = Clear { auth_handle: ClearHandle::Lockout };
    tpm.call_with(&again, &mut [Auth::session(&mut session, b"")]).unwrap();
}
