//! Capabilities. Part 3, 30.

mod properties;

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    state::SessionSlot,
};
use alloc::{vec, vec::Vec};
use sigillo_types::{
    Rc,
    attributes::TpmaCc,
    command::Done,
    commands::{GetCapability, GetCapabilityResponse, SetCapability, TestParms},
    constants::Capability,
    handles::{HandleType, hc},
    rc, rh,
    structures::{
        CapabilityData, List, PcrSelect, TpmlActData, TpmlAlgProperty, TpmlCc, TpmlCca, TpmlEccCurve,
        TpmlHandle, TpmlPcrSelection, TpmlTaggedPcrProperty, TpmlTaggedPolicy, TpmsAlgProperty,
        TpmsPcrSelection, TpmsTaggedPolicy, TpmtHa,
    },
};

pub(crate) const COMMANDS: &[Entry] = entries![
    GetCapability => get_capability,
    TestParms => test_parms,
    SetCapability => set_capability,
];

/// The permanent handles that TPM_CAP_HANDLES lists before those of countdown timers.
const PERMANENT: [u32; 7] =
    [rh::OWNER, rh::NULL, rh::PW, rh::LOCKOUT, rh::ENDORSEMENT, rh::PLATFORM, rh::PLATFORM_NV];

/// TPM2_GetCapability. In failure mode it tells who made the TPM and nothing else. Part 3, 30.2.
///
/// # Response codes
/// - `VALUE` (capability): unknown.
/// - `HANDLE` (property): handles of a type that does not exist.
/// - `VALUE` (property): not a permanent handle where one is asked for, or not zero for the PCR allocation.
pub(crate) fn get_capability(tpm: &mut Tpm, cmd: GetCapability) -> Result<GetCapabilityResponse, Rc> {
    let page = Page { from: cmd.property, count: usize::try_from(cmd.property_count).unwrap_or(usize::MAX) };
    if tpm.failure.is_some() {
        return in_failure_mode(tpm, cmd.capability, page);
    }
    let (more_data, capability_data) = match cmd.capability {
        Capability::Algs => {
            let all = tpm.algorithms().map(|algorithm| {
                let odd = tpm.profile.odd_attributes.iter().find(|(id, _)| *id == algorithm.id);
                let alg_properties = odd.map_or(algorithm.attributes, |(_, attributes)| *attributes);
                (u32::from(algorithm.id), TpmsAlgProperty { alg: algorithm.id, alg_properties })
            });
            page.of(all)?.map(CapabilityData::Algorithms)
        }
        Capability::Handles => handles(tpm, page)?.map(CapabilityData::Handles),
        Capability::Commands => {
            let mut all: Vec<u32> = tpm.profile.commands().map(|entry| entry.spec.attributes()).collect();
            all.sort_by_key(|attributes| TpmaCc::from_raw(*attributes).code());
            let all = all.into_iter().map(TpmaCc::from_raw);
            page.of(all.map(|attributes| (attributes.code(), attributes)))?.map(CapabilityData::Command)
        }
        Capability::PpCommands => {
            page.of(tpm.presence_commands().map(|code| (code, code)))?.map(CapabilityData::PpCommands)
        }
        Capability::AuditCommands => {
            let all = tpm.state.persistent.audit_commands.iter().copied();
            page.of(all.map(|code| (code, code)))?.map(CapabilityData::AuditCommands)
        }
        Capability::Pcrs if cmd.property != 0 => return Err(rc::VALUE.at(GetCapability::PROPERTY)),
        Capability::Pcrs => (false, CapabilityData::AssignedPcr(assigned_pcr(tpm)?)),
        Capability::TpmProperties => {
            let page = Page { from: page.from.max(sigillo_types::pt::FIXED), ..page };
            page.of(properties::group_of(tpm, page.from))?.map(CapabilityData::TpmProperties)
        }
        Capability::PcrProperties => page.of(properties::of_pcr(tpm))?.map(CapabilityData::PcrProperties),
        Capability::EccCurves => {
            let all = tpm.profile.curves().map(|curve| (u32::from(curve.id()), curve.id()));
            page.of(all)?.map(CapabilityData::EccCurves)
        }
        Capability::AuthPolicies => {
            require_permanent(cmd.property)?;
            page.of(auth_policies(tpm).into_iter())?.map(CapabilityData::AuthPolicies)
        }
        Capability::Act => {
            require_permanent(cmd.property)?;
            page.of(tpm.act_data())?.map(CapabilityData::ActData)
        }
    };
    Ok(GetCapabilityResponse { more_data, capability_data })
}

/// Part 3, 30.2: what is not available in failure mode has no values.
fn in_failure_mode(tpm: &Tpm, capability: Capability, page: Page) -> Result<GetCapabilityResponse, Rc> {
    let (more_data, capability_data) = match capability {
        Capability::TpmProperties => page.of(properties::of_vendor(tpm))?.map(CapabilityData::TpmProperties),
        Capability::Algs => (false, CapabilityData::Algorithms(TpmlAlgProperty::default())),
        Capability::Handles => (false, CapabilityData::Handles(TpmlHandle::default())),
        Capability::Commands => (false, CapabilityData::Command(TpmlCca::default())),
        Capability::PpCommands => (false, CapabilityData::PpCommands(TpmlCc::default())),
        Capability::AuditCommands => (false, CapabilityData::AuditCommands(TpmlCc::default())),
        Capability::Pcrs => (false, CapabilityData::AssignedPcr(TpmlPcrSelection::default())),
        Capability::PcrProperties => (false, CapabilityData::PcrProperties(TpmlTaggedPcrProperty::default())),
        Capability::EccCurves => (false, CapabilityData::EccCurves(TpmlEccCurve::default())),
        Capability::AuthPolicies => (false, CapabilityData::AuthPolicies(TpmlTaggedPolicy::default())),
        Capability::Act => (false, CapabilityData::ActData(TpmlActData::default())),
    };
    Ok(GetCapabilityResponse { more_data, capability_data })
}

/// Which values were asked for: the first `count` from number `from` on.
#[derive(Clone, Copy)]
struct Page {
    from: u32,
    count: usize,
}

/// Whether there is more, and what fits.
struct Found<T>(bool, T);

impl<T> Found<T> {
    fn map<U>(self, to: impl FnOnce(T) -> U) -> (bool, U) {
        (self.0, to(self.1))
    }
}

impl Page {
    /// The values asked for out of `all`, which come with their numbers, ascending.
    fn of<T, const MAX: usize>(
        self,
        all: impl Iterator<Item = (u32, T)>,
    ) -> Result<Found<List<T, 0, MAX>>, Rc> {
        let mut rest = all.filter(|(number, _)| *number >= self.from).map(|(_, value)| value);
        let values: Vec<T> = rest.by_ref().take(self.count.min(MAX)).collect();
        Ok(Found(rest.next().is_some(), List::new(values)?))
    }
}

fn require_permanent(property: u32) -> Result<(), Rc> {
    match HandleType::of(property) {
        Some(HandleType::Permanent) => Ok(()),
        _ => Err(rc::VALUE.at(GetCapability::PROPERTY)),
    }
}

/// TPM_CAP_HANDLES. Session handles are counted by their index, whatever their type. Part 3, 30.2.
fn handles(tpm: &Tpm, page: Page) -> Result<Found<TpmlHandle>, Rc> {
    let state = &tpm.state;
    let numbered = |handles: Vec<u32>| handles.into_iter().map(|handle| (handle, handle));
    let sessions = |loaded: bool| {
        let of_kind = state.volatile.sessions.iter().filter_map(move |(index, slot)| match slot {
            SessionSlot::Loaded(session) => loaded.then_some((*index, session.handle)),
            SessionSlot::Saved(_) => (!loaded).then_some((*index, hc::HMAC_SESSION | index)),
        });
        Page { from: page.from & hc::HANDLE_MASK, ..page }.of(of_kind)
    };
    match HandleType::of(page.from).ok_or(rc::HANDLE.at(GetCapability::PROPERTY))? {
        HandleType::Pcr => page.of(PcrSelect::ALL.iter().map(|pcr| (pcr.raw(), pcr.raw()))),
        of_type @ (HandleType::NvIndex | HandleType::ExternalNv | HandleType::PermanentNv) => {
            let indices = state.nv.indices.keys().copied();
            page.of(numbered(indices.filter(|handle| HandleType::of(*handle) == Some(of_type)).collect()))
        }
        HandleType::HmacSession => sessions(true),
        HandleType::PolicySession => sessions(false),
        HandleType::Permanent => page.of(numbered(PERMANENT.into_iter().chain(tpm.act_handles()).collect())),
        HandleType::Transient => {
            let slots = (hc::TRANSIENT..).zip(&state.volatile.slots);
            page.of(slots.filter(|(_, slot)| slot.is_some()).map(|(handle, _)| (handle, handle)))
        }
        HandleType::Persistent => page.of(numbered(state.nv.evict.keys().copied().collect())),
    }
}

/// Every bank of the profile and the PCR it has now.
fn assigned_pcr(tpm: &Tpm) -> Result<TpmlPcrSelection, Rc> {
    let banks = tpm.profile.banks.iter().map(|hash| {
        let allocated = tpm.state.pcrs.bank(*hash).map_or(PcrSelect::NONE, |bank| bank.allocated);
        TpmsPcrSelection { hash: *hash, pcr_select: allocated }
    });
    Ok(TpmlPcrSelection::new(banks.collect())?)
}

/// The policies of the permanent handles that have one.
fn auth_policies(tpm: &Tpm) -> Vec<(u32, TpmsTaggedPolicy)> {
    let persistent = &tpm.state.persistent;
    let (owner, endorsement, clear) = (&persistent.owner, &persistent.endorsement, &tpm.state.clear);
    let mut all = vec![
        (rh::OWNER, owner.policy_alg, &owner.policy),
        (rh::LOCKOUT, persistent.lockout_policy_alg, &persistent.lockout_policy),
        (rh::ENDORSEMENT, endorsement.policy_alg, &endorsement.policy),
        (rh::PLATFORM, clear.platform_alg, &clear.platform_policy),
    ];
    all.extend(clear.acts.iter().map(|(handle, act)| (*handle, act.policy_alg, &act.policy)));
    let set = all.into_iter().filter_map(|(handle, alg, policy)| {
        let policy_hash = TpmtHa::new(alg?, policy).ok()?;
        Some((handle, TpmsTaggedPolicy { handle, policy_hash: Some(policy_hash) }))
    });
    set.collect()
}

/// TPM2_TestParms: reading the parameters has tested them. Part 3, 30.3.
///
/// # Response codes
/// - those of reading TPMT_PUBLIC_PARMS.
pub(crate) fn test_parms(_: &mut Tpm, _: TestParms) -> Result<Done, Rc> {
    Ok(Done {})
}

/// TPM2_SetCapability. Part 3, 30.4.
///
/// # Response codes
/// - `VALUE` (setCapabilityData): not a settable capability, of which v185 has none.
pub(crate) fn set_capability(_: &mut Tpm, _: SetCapability) -> Result<Done, Rc> {
    Err(rc::VALUE.at(SetCapability::SET_CAPABILITY_DATA))
}
