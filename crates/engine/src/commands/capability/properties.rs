//! TPM_PT and TPM_PT_PCR: the numbers that describe the TPM. Part 2, 6.13 and 6.14.

use crate::{
    Tpm,
    commands::management::ALGORITHM_SET,
    session::CONTEXT_GAP_MAX,
    state::{SessionSlot, commit},
    ticket::CONTEXT_HASH,
};
use alloc::vec::Vec;
use sigillo_types::{
    alg::id,
    attributes::{NvType, TpmaModes, TpmaPermanent, TpmaStartupClear},
    buffers::Tpm2bContextData,
    constants::pt_pcr,
    limits, pt,
    structures::{TpmsTaggedPcrSelect, TpmsTaggedProperty},
};

/// Octets of a TPMS_CONTEXT around its blob.
const CONTEXT_HEADER: usize = 8 + 4 + 4 + 2;

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn high(value: u64) -> u32 {
    u32::try_from(value >> 32).unwrap_or(0)
}

fn low(value: u64) -> u32 {
    u32::try_from(value & 0xFFFF_FFFF).unwrap_or(0)
}

fn tagged(all: Vec<(u32, u32)>) -> impl Iterator<Item = (u32, TpmsTaggedProperty)> {
    all.into_iter().map(|(property, value)| (property, TpmsTaggedProperty { property, value }))
}

/// Who made the TPM: all that failure mode tells. Part 3, 30.2.
fn vendor(tpm: &Tpm) -> [(u32, u32); 8] {
    let vendor = &tpm.profile.vendor;
    let [first, second, third, fourth] = vendor.strings.map(u32::from_be_bytes);
    [
        (pt::MANUFACTURER, u32::from_be_bytes(vendor.manufacturer)),
        (pt::VENDOR_STRING_1, first),
        (pt::VENDOR_STRING_2, second),
        (pt::VENDOR_STRING_3, third),
        (pt::VENDOR_STRING_4, fourth),
        (pt::VENDOR_TPM_TYPE, vendor.tpm_type),
        (pt::FIRMWARE_VERSION_1, high(tpm.profile.firmware_version)),
        (pt::FIRMWARE_VERSION_2, low(tpm.profile.firmware_version)),
    ]
}

/// The properties of failure mode.
pub(super) fn of_vendor(tpm: &Tpm) -> impl Iterator<Item = (u32, TpmsTaggedProperty)> {
    tagged(vendor(tpm).to_vec())
}

/// The properties of the group that `property` is in. Part 3, 30.2.
pub(super) fn group_of(tpm: &Tpm, property: u32) -> impl Iterator<Item = (u32, TpmsTaggedProperty)> {
    tagged(match property & !0xFF {
        pt::FIXED => fixed(tpm),
        pt::VAR => variable(tpm),
        _ => Vec::new(),
    })
}

fn fixed(tpm: &Tpm) -> Vec<(u32, u32)> {
    let profile = &tpm.profile;
    let commands = number(profile.commands().count());
    let mut all = Vec::with_capacity(64);
    all.extend([
        (pt::FAMILY_INDICATOR, u32::from_be_bytes(*b"2.0\0")),
        (pt::LEVEL, 0),
        (pt::REVISION, profile.library.revision),
        (pt::ERRATA, profile.library.errata),
        (pt::YEAR, profile.library.year),
    ]);
    all.extend(vendor(tpm));
    all.extend([
        (pt::INPUT_BUFFER, number(limits::MAX_2B_BUFFER_SIZE)),
        (pt::HR_TRANSIENT_MIN, number(profile.transient_slots)),
        (pt::HR_PERSISTENT_MIN, number(profile.persistent_min)),
        (pt::HR_LOADED_MIN, number(profile.loaded_sessions)),
        (pt::ACTIVE_SESSIONS_MAX, number(profile.active_sessions)),
        (pt::PCR_COUNT, limits::IMPLEMENTATION_PCR),
        (pt::PCR_SELECT_MIN, number(limits::PCR_SELECT)),
        (pt::CONTEXT_GAP_MAX, low(CONTEXT_GAP_MAX)),
        (pt::NV_COUNTERS_MAX, 0),
        (pt::NV_INDEX_MAX, number(profile.nv_index_max)),
        (pt::MEMORY, profile.memory.bits()),
        (pt::CLOCK_UPDATE, low(profile.clock_update_ms)),
        (pt::CONTEXT_HASH, CONTEXT_HASH.id().into()),
        (pt::CONTEXT_SYM, id::AES.into()),
        (pt::CONTEXT_SYM_SIZE, 256),
        (pt::ORDERLY_COUNT, low(profile.orderly_count - 1)),
        (pt::MAX_COMMAND_SIZE, tpm.buffer_size),
        (pt::MAX_RESPONSE_SIZE, tpm.buffer_size),
        (pt::MAX_DIGEST, number(limits::MAX_DIGEST)),
        (pt::MAX_OBJECT_CONTEXT, number(CONTEXT_HEADER + Tpm2bContextData::MAX)),
        (pt::MAX_SESSION_CONTEXT, number(CONTEXT_HEADER + Tpm2bContextData::MAX)),
        (pt::PS_FAMILY_INDICATOR, profile.platform.family),
        (pt::PS_LEVEL, profile.platform.level),
        (pt::PS_REVISION, profile.platform.revision),
        (pt::PS_DAY_OF_YEAR, profile.platform.day_of_year),
        (pt::PS_YEAR, profile.platform.year),
        (pt::SPLIT_MAX, commit::WAITING_BITS.into()),
        (pt::TOTAL_COMMANDS, commands),
        (pt::LIBRARY_COMMANDS, commands),
        (pt::VENDOR_COMMANDS, 0),
        (pt::NV_BUFFER_MAX, number(limits::MAX_NV_BUFFER_SIZE)),
        (pt::MODES, TpmaModes::empty().bits()),
        (pt::MAX_CAP_BUFFER, number(limits::MAX_CAP_BUFFER)),
        (pt::FIRMWARE_SVN, 0),
        (pt::FIRMWARE_MAX_SVN, 0),
        (pt::ML_PARAMETER_SETS, 0),
    ]);
    all.retain(|(property, _)| *property <= profile.last_fixed_property);
    all
}

fn permanent(tpm: &Tpm) -> TpmaPermanent {
    let (persistent, da) = (&tpm.state.persistent, &tpm.state.da);
    let mut attributes = TpmaPermanent::empty();
    attributes.set(TpmaPermanent::OWNER_AUTH_SET, !persistent.owner.auth.is_empty());
    attributes.set(TpmaPermanent::ENDORSEMENT_AUTH_SET, !persistent.endorsement.auth.is_empty());
    attributes.set(TpmaPermanent::LOCKOUT_AUTH_SET, !persistent.lockout_auth.is_empty());
    attributes.set(TpmaPermanent::DISABLE_CLEAR, persistent.disable_clear);
    attributes.set(TpmaPermanent::IN_LOCKOUT, da.failed_tries >= da.max_tries);
    attributes.set(TpmaPermanent::TPM_GENERATED_EPS, persistent.tpm_generated_eps);
    attributes
}

fn startup_clear(tpm: &Tpm) -> TpmaStartupClear {
    let (clear, volatile) = (&tpm.state.clear, &tpm.state.volatile);
    let mut attributes = TpmaStartupClear::empty();
    attributes.set(TpmaStartupClear::PH_ENABLE, volatile.ph_enable);
    attributes.set(TpmaStartupClear::SH_ENABLE, clear.sh_enable);
    attributes.set(TpmaStartupClear::EH_ENABLE, clear.eh_enable);
    attributes.set(TpmaStartupClear::PH_ENABLE_NV, clear.ph_enable_nv);
    attributes.set(TpmaStartupClear::READ_ONLY, clear.read_only);
    attributes.set(TpmaStartupClear::ORDERLY, volatile.orderly);
    attributes
}

fn variable(tpm: &Tpm) -> Vec<(u32, u32)> {
    let (profile, state, da) = (&tpm.profile, &tpm.state, &tpm.state.da);
    let sessions = &state.volatile.sessions;
    let loaded = sessions.values().filter(|slot| matches!(slot, SessionSlot::Loaded(_))).count();
    let objects = state.volatile.slots.iter().flatten().count();
    let counters = state.nv.indices.values().filter(|index| index.is(NvType::Counter)).count();
    let (persistent_available, counters_available) = tpm.nv_available();
    alloc::vec![
        (pt::PERMANENT, permanent(tpm).bits()),
        (pt::STARTUP_CLEAR, startup_clear(tpm).bits()),
        (pt::HR_NV_INDEX, number(state.nv.indices.len())),
        (pt::HR_LOADED, number(loaded)),
        (pt::HR_LOADED_AVAIL, number(profile.loaded_sessions.saturating_sub(loaded))),
        (pt::HR_ACTIVE, number(sessions.len())),
        (pt::HR_ACTIVE_AVAIL, number(profile.active_sessions.saturating_sub(sessions.len()))),
        (pt::HR_TRANSIENT_AVAIL, number(profile.transient_slots.saturating_sub(objects))),
        (pt::HR_PERSISTENT, number(state.nv.evict.len())),
        (pt::HR_PERSISTENT_AVAIL, number(persistent_available)),
        (pt::NV_COUNTERS, number(counters)),
        (pt::NV_COUNTERS_AVAIL, number(counters_available)),
        (pt::ALGORITHM_SET, ALGORITHM_SET),
        (pt::LOADED_CURVES, number(profile.curves().count())),
        (pt::LOCKOUT_COUNTER, da.failed_tries),
        (pt::MAX_AUTH_FAIL, da.max_tries),
        (pt::LOCKOUT_INTERVAL, da.recovery_time_s),
        (pt::LOCKOUT_RECOVERY, da.lockout_recovery_s),
        (pt::NV_WRITE_RECOVERY, 0),
        (pt::AUDIT_COUNTER_0, high(state.persistent.audit_counter)),
        (pt::AUDIT_COUNTER_1, low(state.persistent.audit_counter)),
    ]
}

/// TPM_PT_PCR: for each property the PCR that have it.
pub(super) fn of_pcr(tpm: &Tpm) -> impl Iterator<Item = (u32, TpmsTaggedPcrSelect)> {
    let locality = |reset: bool, locality: u8| {
        tpm.pcrs_with(|pcr| {
            (if reset { pcr.reset_localities } else { pcr.extend_localities }) & (1 << locality) != 0
        })
    };
    let all = [
        (pt_pcr::SAVE, tpm.pcrs_with(|pcr| pcr.state_saved)),
        (pt_pcr::EXTEND_L0, locality(false, 0)),
        (pt_pcr::RESET_L0, locality(true, 0)),
        (pt_pcr::EXTEND_L1, locality(false, 1)),
        (pt_pcr::RESET_L1, locality(true, 1)),
        (pt_pcr::EXTEND_L2, locality(false, 2)),
        (pt_pcr::RESET_L2, locality(true, 2)),
        (pt_pcr::EXTEND_L3, locality(false, 3)),
        (pt_pcr::RESET_L3, locality(true, 3)),
        (pt_pcr::EXTEND_L4, locality(false, 4)),
        (pt_pcr::RESET_L4, locality(true, 4)),
        (pt_pcr::NO_INCREMENT, tpm.pcrs_with(|pcr| pcr.no_increment)),
        (pt_pcr::DRTM_RESET, tpm.pcrs_with(|pcr| pcr.drtm)),
        (pt_pcr::POLICY, tpm.pcrs_with(|pcr| pcr.authorized)),
        (pt_pcr::AUTH, tpm.pcrs_with(|pcr| pcr.authorized)),
    ];
    all.into_iter().map(|(tag, pcr_select)| (tag, TpmsTaggedPcrSelect { tag, pcr_select }))
}
