//! Physical presence, algorithm sets, read-only mode and policies on capabilities. Part 3, 23.23, 24.9 and 26.

mod common;
mod support;

use common::{TestTpm, power_cycle, refused, shutdown, started, startup};
use sigillo_client::{Auth, SessionOptions, template};
use sigillo_types::{
    HashAlg, Position, Rc,
    attributes::{NvType, TpmaNv, TpmaStartupClear},
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bMaxNvBuffer, Tpm2bNonce, Tpm2bOperand},
    cc,
    commands::{
        Clear, ClearControl, GetCapability, GetRandom, HierarchyChangeAuth, NvDefineSpace, NvRead, NvWrite,
        PolicyCapability, PolicyGetDigest, PolicySecret, PpCommands, ReadOnlyControl, SetAlgorithmSet,
    },
    constants::{Capability, Operation, SessionType, StartupType},
    handles::{
        ClearHandle, EntityHandle, Hierarchy, HierarchyAuthHandle, NvAuthHandle, NvIndexHandle,
        NvLegacyIndexHandle, PlatformHandle, PolicySessionHandle, ProvisionHandle,
    },
    pt, rc, rh,
    structures::{CapabilityData, List, Tpm2bNvPublic, TpmsNvPublic},
};

const SESSION: Position = Position::Session(1);

fn pp(set: &[u32], clear: &[u32]) -> PpCommands {
    PpCommands {
        auth: PlatformHandle::Platform,
        set_list: List::new(set.to_vec()).unwrap(),
        clear_list: List::new(clear.to_vec()).unwrap(),
    }
}

fn presence_commands(tpm: &mut TestTpm) -> Vec<u32> {
    let ask = GetCapability { capability: Capability::PpCommands, property: 0, property_count: 100 };
    match tpm.call(&ask).unwrap().capability_data {
        CapabilityData::PpCommands(all) => all.into_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pp_commands_needs_physical_presence_itself() {
    let mut tpm = started();
    assert_eq!(presence_commands(&mut tpm), [cc::PP_COMMANDS]);
    assert_eq!(refused(&mut tpm, &pp(&[cc::CLEAR], &[])), rc::PP.at(SESSION));
    tpm.transport().host.physical_presence = true;
    tpm.call(&pp(&[cc::CLEAR], &[cc::PP_COMMANDS])).unwrap();
    assert_eq!(presence_commands(&mut tpm), [cc::CLEAR, cc::PP_COMMANDS]);
}

#[test]
fn a_listed_command_needs_presence_with_platform_auth_only() {
    let mut tpm = started();
    tpm.transport().host.physical_presence = true;
    tpm.call(&pp(&[cc::CLEAR_CONTROL, cc::CLEAR], &[])).unwrap();
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::Clear).unwrap();
    tpm.transport().host.physical_presence = false;
    let by = |auth| ClearControl { auth, disable: false };
    assert_eq!(refused(&mut tpm, &by(ClearHandle::Platform)), rc::PP.at(SESSION));
    assert_eq!(refused(&mut tpm, &by(ClearHandle::Lockout)), rc::AUTH_FAIL.into());
    tpm.call(&Clear { auth_handle: ClearHandle::Lockout }).unwrap();
    tpm.transport().host.physical_presence = true;
    tpm.call(&by(ClearHandle::Platform)).unwrap();
    tpm.call(&pp(&[], &[cc::CLEAR_CONTROL])).unwrap();
    tpm.transport().host.physical_presence = false;
    tpm.call(&by(ClearHandle::Platform)).unwrap();
}

#[test]
fn a_command_that_cannot_be_gated_or_is_in_both_lists_is_not_gated() {
    let mut tpm = started();
    tpm.transport().host.physical_presence = true;
    let set = [cc::GET_RANDOM, cc::POLICY_SECRET, cc::NV_WRITE, 0xFFFF, cc::CHANGE_EPS, cc::CHANGE_PPS];
    tpm.call(&pp(&set, &[cc::CHANGE_PPS, 7])).unwrap();
    assert_eq!(presence_commands(&mut tpm), [cc::CHANGE_EPS, cc::PP_COMMANDS]);
}

/// Those with `TPM_RH_PLATFORM+{PP}` in their tables, of the commands that are there. Part 3, 4.2.5.
#[test]
fn the_commands_that_can_be_gated_are_those_of_the_tables() {
    let mut tpm = started();
    tpm.transport().host.physical_presence = true;
    let every: Vec<u32> = (cc::FIRST..=cc::LAST).collect();
    for some in every.chunks(100) {
        tpm.call(&pp(some, &[])).unwrap();
    }
    let expected = [
        cc::NV_UNDEFINE_SPACE_SPECIAL,
        cc::EVICT_CONTROL,
        cc::HIERARCHY_CONTROL,
        cc::NV_UNDEFINE_SPACE,
        cc::CHANGE_EPS,
        cc::CHANGE_PPS,
        cc::CLEAR,
        cc::CLEAR_CONTROL,
        cc::CLOCK_SET,
        cc::HIERARCHY_CHANGE_AUTH,
        cc::NV_DEFINE_SPACE,
        cc::PCR_ALLOCATE,
        cc::PCR_SET_AUTH_POLICY,
        cc::PP_COMMANDS,
        cc::SET_PRIMARY_POLICY,
        cc::CLOCK_RATE_ADJUST,
        cc::CREATE_PRIMARY,
        cc::NV_GLOBAL_WRITE_LOCK,
        cc::SET_ALGORITHM_SET,
        cc::SET_COMMAND_CODE_AUDIT_STATUS,
        cc::CREATE_LOADED,
        cc::NV_DEFINE_SPACE2,
        cc::SET_CAPABILITY,
        cc::READ_ONLY_CONTROL,
    ];
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(presence_commands(&mut tpm), expected);
}

fn set_algorithms(algorithm_set: u32) -> SetAlgorithmSet {
    SetAlgorithmSet { auth_handle: PlatformHandle::Platform, algorithm_set }
}

#[test]
fn the_one_algorithm_set_can_be_chosen_and_the_tpm_must_start_anew() {
    let mut tpm = started();
    assert_eq!(refused(&mut tpm, &set_algorithms(1)), rc::VALUE.at(SetAlgorithmSet::ALGORITHM_SET));
    tpm.call(&set_algorithms(0)).unwrap();
    shutdown(&mut tpm, StartupType::State).unwrap();
    power_cycle(&mut tpm);
    let code = startup(&mut tpm, StartupType::State).unwrap_err().rc();
    assert_eq!(code, Some(rc::VALUE.at(sigillo_types::commands::Startup::STARTUP_TYPE)));
    startup(&mut tpm, StartupType::Clear).unwrap();
    shutdown(&mut tpm, StartupType::State).unwrap();
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::State).unwrap();
}

fn read_only(tpm: &mut TestTpm, state: bool) {
    tpm.call(&ReadOnlyControl { auth_handle: PlatformHandle::Platform, state }).unwrap();
}

fn is_read_only(tpm: &mut TestTpm) -> bool {
    let ask = GetCapability {
        capability: Capability::TpmProperties,
        property: pt::STARTUP_CLEAR,
        property_count: 1,
    };
    match tpm.call(&ask).unwrap().capability_data {
        CapabilityData::TpmProperties(all) => {
            TpmaStartupClear::from_bits_retain(all[0].value).contains(TpmaStartupClear::READ_ONLY)
        }
        other => panic!("{other:?}"),
    }
}

fn define(tpm: &mut TestTpm, number: u32, more: TpmaNv) -> NvIndexHandle {
    let nv_index = NvIndexHandle::new(0x0100_0000 + number).unwrap();
    let attributes = TpmaNv::OWNERWRITE | TpmaNv::OWNERREAD | TpmaNv::NO_DA | more;
    let public = TpmsNvPublic {
        nv_index: NvLegacyIndexHandle::new(0x0100_0000 + number).unwrap(),
        name_alg: HashAlg::Sha256,
        attributes,
        auth_policy: Tpm2bDigest::default(),
        data_size: 8,
    };
    tpm.call(&NvDefineSpace {
        auth_handle: ProvisionHandle::Owner,
        auth: Tpm2bAuth::default(),
        public_info: Tpm2bNvPublic { nv_public: public },
    })
    .unwrap();
    nv_index
}

fn write(nv_index: NvIndexHandle) -> NvWrite {
    NvWrite { auth_handle: NvAuthHandle::Owner, nv_index, data: Tpm2bMaxNvBuffer::from([1; 8]), offset: 0 }
}

#[test]
fn in_read_only_mode_nothing_that_persists_changes() {
    let mut tpm = started();
    let ordinary = define(&mut tpm, 1, TpmaNv::empty());
    let passing = define(&mut tpm, 2, TpmaNv::ORDERLY | TpmaNv::CLEAR_STCLEAR);
    tpm.call(&write(ordinary)).unwrap();
    assert!(!is_read_only(&mut tpm));
    read_only(&mut tpm, true);
    assert!(is_read_only(&mut tpm));
    let primary = support::create_primary(Hierarchy::Owner, template::ecc_storage());
    assert_eq!(refused(&mut tpm, &primary), rc::READ_ONLY);
    assert_eq!(refused(&mut tpm, &write(ordinary)), rc::READ_ONLY);
    assert_eq!(refused(&mut tpm, &Clear { auth_handle: ClearHandle::Lockout }), rc::READ_ONLY);
    tpm.call(&write(passing)).unwrap();
    tpm.call(&NvRead { auth_handle: NvAuthHandle::Owner, nv_index: ordinary, size: 8, offset: 0 }).unwrap();
    tpm.call(&GetRandom { bytes_requested: 8 }).unwrap();
    read_only(&mut tpm, false);
    tpm.call(&write(ordinary)).unwrap();
}

/// Part 3, 24.9, Table 207, by each command's code and the handles it takes: what is not permitted, and every other command that is there.
#[test]
fn every_command_is_permitted_in_read_only_mode_or_not_as_the_table_says() {
    const NOT_PERMITTED: [u32; 27] = [
        cc::CREATE,
        cc::OBJECT_CHANGE_AUTH,
        cc::CREATE_LOADED,
        cc::SET_COMMAND_CODE_AUDIT_STATUS,
        cc::PCR_ALLOCATE,
        cc::PCR_SET_AUTH_POLICY,
        cc::PCR_SET_AUTH_VALUE,
        cc::CREATE_PRIMARY,
        cc::HIERARCHY_CONTROL,
        cc::SET_PRIMARY_POLICY,
        cc::CHANGE_PPS,
        cc::CHANGE_EPS,
        cc::CLEAR,
        cc::CLEAR_CONTROL,
        cc::HIERARCHY_CHANGE_AUTH,
        cc::DICTIONARY_ATTACK_PARAMETERS,
        cc::PP_COMMANDS,
        cc::SET_ALGORITHM_SET,
        cc::EVICT_CONTROL,
        cc::CLOCK_SET,
        cc::CLOCK_RATE_ADJUST,
        cc::SET_CAPABILITY,
        cc::NV_DEFINE_SPACE,
        cc::NV_DEFINE_SPACE2,
        cc::NV_UNDEFINE_SPACE,
        cc::NV_UNDEFINE_SPACE_SPECIAL,
        cc::NV_INCREMENT,
    ];
    /// Those with notes: of ordinary indices, which is what [`define`] makes here.
    const OF_AN_INDEX: [u32; 7] = [
        cc::NV_WRITE,
        cc::NV_EXTEND,
        cc::NV_SET_BITS,
        cc::NV_WRITE_LOCK,
        cc::NV_READ_LOCK,
        cc::NV_GLOBAL_WRITE_LOCK,
        cc::NV_CHANGE_AUTH,
    ];
    let mut tpm = started();
    let object = support::primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let index = define(&mut tpm, 1, TpmaNv::empty());
    let policy_session = policy(&mut tpm, SessionType::Policy).raw();
    let hmac = tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).unwrap().handle;
    read_only(&mut tpm, true);
    let there = [
        rh::OWNER,
        rh::PLATFORM,
        rh::ENDORSEMENT,
        rh::LOCKOUT,
        rh::ACT_0,
        0,
        object.raw(),
        index.raw(),
        policy_session,
        hmac,
    ];
    for spec in sigillo_engine::implemented() {
        let handles = spec.handles.iter().map(|field| {
            // An index where one fits, since the notes are about indices.
            let fits = [index.raw()].into_iter().chain(there).find(|handle| (field.check)(*handle).is_ok());
            fits.unwrap_or_else(|| panic!("{}: no handle", spec.name))
        });
        let handles: Vec<u8> = handles.flat_map(u32::to_be_bytes).collect();
        let size = u32::try_from(10 + handles.len()).unwrap();
        let command = [&[0x80, 0x01][..], &size.to_be_bytes(), &spec.code.to_be_bytes(), &handles].concat();
        let reply = tpm.raw(&command).unwrap();
        let refused = reply[6..] == rc::READ_ONLY.raw().to_be_bytes();
        let expected = NOT_PERMITTED.contains(&spec.code) || OF_AN_INDEX.contains(&spec.code);
        assert_eq!(refused, expected, "{}: {:02x?}", spec.name, &reply[6..]);
    }
}

/// Its use would be counted.
#[test]
fn no_policy_uses_a_pin_in_read_only_mode() {
    let mut tpm = started();
    let ordinary = define(&mut tpm, 1, TpmaNv::empty());
    let pin = define(&mut tpm, 2, TpmaNv::empty().with_nt(NvType::PinFail));
    let policy_session = policy(&mut tpm, SessionType::Trial);
    read_only(&mut tpm, true);
    let mut secret_of = |index: NvIndexHandle| {
        let secret = PolicySecret {
            auth_handle: EntityHandle::new(index.raw()).unwrap(),
            policy_session,
            nonce_tpm: Tpm2bNonce::default(),
            cp_hash_a: Tpm2bDigest::default(),
            policy_ref: Tpm2bNonce::default(),
            expiration: 0,
        };
        refused(&mut tpm, &secret)
    };
    assert_eq!(secret_of(pin), rc::READ_ONLY);
    assert_ne!(secret_of(ordinary), rc::READ_ONLY, "only that nobody may read it with its authValue");
}

#[test]
fn read_only_mode_comes_before_authorization() {
    let mut tpm = started();
    let change =
        HierarchyChangeAuth { auth_handle: HierarchyAuthHandle::Lockout, new_auth: Tpm2bAuth::from([1]) };
    tpm.call(&change).unwrap();
    read_only(&mut tpm, true);
    // A wrong password for lockout would lock it.
    let answer: Result<_, _> = tpm.call_with(&change, &mut [Auth::password(b"wrong")]);
    assert_eq!(answer.map(drop).unwrap_err().rc(), Some(rc::READ_ONLY));
    read_only(&mut tpm, false);
    tpm.call_with(&change, &mut [Auth::password(&[1])]).unwrap();
}

#[test]
fn read_only_mode_outlives_tpm_resume_only() {
    let mut tpm = started();
    read_only(&mut tpm, true);
    for (startup_type, kept) in [(StartupType::State, true), (StartupType::Clear, false)] {
        shutdown(&mut tpm, StartupType::State).unwrap();
        power_cycle(&mut tpm);
        startup(&mut tpm, startup_type).unwrap();
        assert_eq!(is_read_only(&mut tpm), kept);
    }
}

fn capability(
    policy_session: PolicySessionHandle,
    operand: &[u8],
    offset: u16,
    operation: Operation,
    (capability, property): (Capability, u32),
) -> PolicyCapability {
    let operand_b = Tpm2bOperand::new(operand).unwrap();
    PolicyCapability { policy_session, operand_b, offset, operation, capability, property }
}

fn policy(tpm: &mut TestTpm, kind: SessionType) -> PolicySessionHandle {
    let session = tpm.start_session(SessionOptions::new(kind, HashAlg::Sha256)).unwrap();
    PolicySessionHandle::new(session.handle).unwrap()
}

#[test]
fn a_policy_can_ask_for_a_capability() {
    let mut tpm = started();
    let session = policy(&mut tpm, SessionType::Policy);
    let revision = (Capability::TpmProperties, pt::REVISION);
    let ask = |operand: &[u8], offset, operation, what| capability(session, operand, offset, operation, what);
    let value = 185u32.to_be_bytes();
    let answer = |tpm: &mut TestTpm, command: &PolicyCapability| -> Result<(), Rc> {
        tpm.call(command).map(drop).map_err(|error| error.rc().unwrap())
    };
    assert_eq!(answer(&mut tpm, &ask(&value, 4, Operation::Eq, revision)), Ok(()));
    assert_eq!(answer(&mut tpm, &ask(&value, 4, Operation::UnsignedGt, revision)), Err(rc::POLICY));
    assert_eq!(
        answer(&mut tpm, &ask(&value, 9, Operation::Eq, revision)),
        Err(rc::VALUE.at(PolicyCapability::OFFSET))
    );
    assert_eq!(answer(&mut tpm, &ask(&value, 5, Operation::Eq, revision)), Err(rc::RANGE.into()));
    let pcrs = (Capability::Pcrs, 0);
    assert_eq!(
        answer(&mut tpm, &ask(&value, 0, Operation::Eq, pcrs)),
        Err(rc::VALUE.at(PolicyCapability::CAPABILITY))
    );
    // 0x115 is a gap between two properties.
    let gap = (Capability::TpmProperties, 0x115);
    assert_eq!(answer(&mut tpm, &ask(&value, 0, Operation::Eq, gap)), Err(rc::POLICY));
    assert_eq!(answer(&mut tpm, &ask(&value, 0, Operation::Neq, gap)), Ok(()));
    let command = (Capability::Commands, cc::GET_RANDOM);
    assert_eq!(answer(&mut tpm, &ask(&[0x01, 0x7B], 2, Operation::Eq, command)), Ok(()));
    let beyond = (Capability::Commands, cc::LAST + 1);
    assert_eq!(answer(&mut tpm, &ask(&[], 0, Operation::Eq, beyond)), Err(rc::POLICY));
}

/// The digest by hand: SHA-256(zeros || TPM_CC || SHA-256(operandB || offset || operation || capability || property)).
#[test]
fn a_trial_of_a_capability_compares_nothing() {
    use sigillo_crypto::hash::hash;
    let mut tpm = started();
    let session = policy(&mut tpm, SessionType::Trial);
    tpm.call(&capability(session, &[9], 77, Operation::Eq, (Capability::Algs, 0x7777))).unwrap();
    let digest = tpm.call(&PolicyGetDigest { policy_session: session }).unwrap().policy_digest;
    let args = hash(HashAlg::Sha256, &[&[9, 0, 77, 0, 0, 0, 0, 0, 0, 0, 0, 0x77, 0x77]]);
    let expected = hash(HashAlg::Sha256, &[&[0; 32], &[0, 0, 1, 0x9B], &args]);
    assert_eq!(*digest, *expected);
}
