//! What a command may allocate: counted, as time on a shared machine tells nothing.
//!
//! The state's clone before a command costs counters only, however full the TPM is; a number that a guest names is never a size to
//! allocate.

mod common;
mod support;

use allocation_counter::{AllocationInfo, measure};
use common::{Local, TestTpm, started};
use sigillo_client::{Auth, Client, Session, SessionOptions, Transport, template};
use sigillo_sample::rough;
use sigillo_types::{
    HashAlg, Marshal,
    attributes::TpmaNv,
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bMaxNvBuffer},
    cc,
    command::Command,
    commands::{
        EvictControl, GetCapability, GetRandom, NvDefineSpace, NvRead, NvWrite, PcrExtend, PcrRead, ReadClock,
    },
    constants::{Capability, SessionType},
    handles::{
        Hierarchy, NvAuthHandle, NvIndexHandle, NvLegacyIndexHandle, PcrHandle, PersistentHandle,
        ProvisionHandle, rh,
    },
    structures::{
        PcrSelect, Tpm2bNvPublic, TpmlDigestValues, TpmlPcrSelection, TpmsNvPublic, TpmsPcrSelection, TpmtHa,
    },
};
use std::convert::Infallible;
use support::primary;

/// A TPM whose every command is counted.
struct Counted {
    local: Local,
    last: AllocationInfo,
}

impl Transport for Counted {
    type Error = Infallible;

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Infallible> {
        let mut reply = Vec::new();
        let local = &mut self.local;
        self.last = measure(|| {
            let pending = local.tpm.execute(0, command, &mut local.host);
            reply = pending.stored();
        });
        Ok(reply)
    }
}

fn counted(tpm: TestTpm) -> Client<Counted> {
    Client::new(Counted { local: tpm.into_transport(), last: AllocationInfo::default() })
}

/// The allocations of a command that succeeds.
#[track_caller]
fn cost<C: Command>(tpm: &mut Client<Counted>, command: &C) -> AllocationInfo
where
    C::Response: std::fmt::Debug,
{
    tpm.call(command).expect("it succeeds");
    tpm.transport().last
}

const INDEX: u32 = 0x0150_0000;

fn define(number: u32, data_size: u16) -> NvDefineSpace {
    let nv_public = TpmsNvPublic {
        nv_index: NvLegacyIndexHandle::new(INDEX + number).unwrap(),
        name_alg: HashAlg::Sha256,
        attributes: TpmaNv::OWNERREAD | TpmaNv::OWNERWRITE,
        auth_policy: Tpm2bDigest::default(),
        data_size,
    };
    let public_info = Tpm2bNvPublic { nv_public };
    NvDefineSpace { auth_handle: ProvisionHandle::Owner, auth: Tpm2bAuth::default(), public_info }
}

fn nv_read(size: u16) -> NvRead {
    let nv_index = NvIndexHandle::new(INDEX).unwrap();
    NvRead { auth_handle: NvAuthHandle::Owner, nv_index, size, offset: 0 }
}

/// A TPM with one index to read; if `full`, with all of NV, the slots and the sessions in use.
fn furnished(full: bool) -> (Client<Counted>, Session) {
    let mut tpm = started();
    tpm.call(&define(0, 64)).unwrap();
    let nv_index = NvIndexHandle::new(INDEX).unwrap();
    let data = Tpm2bMaxNvBuffer::from([7; 64]);
    tpm.call(&NvWrite { auth_handle: NvAuthHandle::Owner, nv_index, data, offset: 0 }).unwrap();
    if full {
        for number in 0..4 {
            let object_handle = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
            let persistent_handle = PersistentHandle::new(0x8100_0000 + number).unwrap();
            let evict = EvictControl { auth: ProvisionHandle::Owner, object_handle, persistent_handle };
            tpm.call(&evict).unwrap();
            support::flush(&mut tpm, object_handle);
        }
        for _ in 0..3 {
            primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
        }
        let more = (1..).take_while(|number| tpm.call(&define(*number, 2048)).is_ok()).count();
        assert!(more > 20, "NV was empty before");
        for _ in 0..2 {
            tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).unwrap();
        }
    }
    let session = tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).unwrap();
    (counted(tpm), session)
}

fn extend() -> PcrExtend {
    let digests = TpmlDigestValues::new(vec![TpmtHa::Sha256([7; 32])]).unwrap();
    PcrExtend { pcr_handle: PcrHandle::new(7).ok(), digests }
}

fn pcr_read() -> PcrRead {
    let pcr_select = PcrSelect::of([PcrHandle::new(7).unwrap()]);
    let selection = TpmsPcrSelection { hash: HashAlg::Sha256, pcr_select };
    PcrRead { pcr_selection_in: TpmlPcrSelection::new(vec![selection]).unwrap() }
}

/// Allocations and octets of some commands.
fn costs(full: bool) -> Vec<(&'static str, u64, u64)> {
    let (mut tpm, mut session) = furnished(full);
    let mut costs = Vec::new();
    // The first command of a kind may have self-tests to run.
    for _ in 0..2 {
        costs = vec![
            ("ReadClock", cost(&mut tpm, &ReadClock {})),
            ("GetRandom", cost(&mut tpm, &GetRandom { bytes_requested: 32 })),
            ("PCR_Read", cost(&mut tpm, &pcr_read())),
            ("PCR_Extend", cost(&mut tpm, &extend())),
            ("NV_Read", cost(&mut tpm, &nv_read(64))),
        ];
        tpm.call_with(&extend(), &mut [Auth::session(&mut session, b"")]).unwrap();
        costs.push(("PCR_Extend with an HMAC session", tpm.transport().last));
    }
    costs.into_iter().map(|(name, cost)| (name, cost.count_total, cost.bytes_total)).collect()
}

#[test]
fn a_command_costs_the_same_however_full_the_tpm_is() {
    let (empty, full) = (costs(false), costs(true));
    for ((name, count, bytes), (_, full_count, full_bytes)) in empty.iter().zip(&full) {
        assert!(full_count <= count, "{name}: {count} allocations and {full_count} when full");
        assert!(full_bytes <= bytes, "{name}: {bytes} octets and {full_bytes} when full");
    }
}

#[test]
fn a_command_costs_a_few_small_allocations() {
    let bounds = [
        // The reply, which has 512 octets set aside for it.
        ("ReadClock", 1, 512),
        ("GetRandom", 2, 576),
        ("PCR_Read", 4, 768),
        // The group of the PCR and that of the reset data are copied when they change, but of the banks only the one that does.
        ("PCR_Extend", 6, 3 * 1024),
        ("NV_Read", 2, 640),
        // No more than without: the session's own part takes none.
        ("PCR_Extend with an HMAC session", 6, 3 * 1024),
    ];
    for ((name, count, bytes), (_, most, most_bytes)) in costs(true).into_iter().zip(bounds) {
        assert!(count <= most, "{name}: {count} allocations");
        assert!(bytes <= most_bytes, "{name}: {bytes} octets");
    }
}

/// Octets at a time for a command that is refused: an object's public area, twice over.
const BOUND: u64 = 4 * 1024;

#[test]
fn a_number_a_guest_names_is_no_size_to_allocate() {
    let (mut tpm, _) = furnished(false);
    let mut most = |what: &str, command: &[u8]| {
        tpm.raw(command).unwrap();
        let taken = tpm.transport().last;
        assert!(taken.bytes_max <= BOUND, "{what}: {} octets at once", taken.bytes_max);
        assert!(taken.count_total <= 100, "{what}: {} allocations", taken.count_total);
    };
    let plain = |code, body: &[u8]| rough::frame(false, code, body);
    most("GetRandom", &plain(cc::GET_RANDOM, &[0xFF, 0xFF]));
    most("a TPM2B", &plain(cc::HASH, &[0xFF, 0xFF, 0, 0x0B, 0x40, 0, 0, 7]));
    most("a list", &plain(cc::PCR_READ, &[0xFF; 4]));
    most("a list's entries", &plain(cc::POLICY_OR, &[3, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]));
    most("PCR_Event", &rough::frame(true, cc::PCR_EVENT, &password(0x10, &[0xFF, 0xFF])));
    let capability =
        GetCapability { capability: Capability::Handles, property: 0x8000_0000, property_count: u32::MAX };
    let mut body = Vec::new();
    capability.marshal_parameters(&mut body);
    most("GetCapability", &plain(cc::GET_CAPABILITY, &body));
    let index = [rh::OWNER.to_bytes(), INDEX.to_bytes()].concat();
    let area = [0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 1, 0, 0];
    let read = [index.as_slice(), &area, &[0xFF, 0xFF, 0xFF, 0xFF]].concat();
    most("NV_Read", &rough::frame(true, cc::NV_READ, &read));
    let sessions = [rh::OWNER.to_bytes().as_slice(), &[0xFF; 4], &[0x40, 0, 0, 9, 0xFF, 0xFF]].concat();
    most("the authorization area", &rough::frame(true, cc::CLEAR_CONTROL, &sessions));
    // The header's own size, and every command with the largest numbers there are.
    most("the header", &[0x80, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 1, 0x7B]);
    for spec in sigillo_engine::implemented() {
        let handles: Vec<u8> = spec
            .handles
            .iter()
            .flat_map(|field| {
                let fitting = rough::HANDLES.iter().find(|handle| (field.check)(**handle).is_ok());
                fitting.copied().unwrap_or(INDEX).to_be_bytes()
            })
            .collect();
        let count = spec.authorizations();
        let entries = [0x40, 0, 0, 9, 0, 0, 1, 0, 0].repeat(count);
        let size = u32::try_from(entries.len()).unwrap().to_be_bytes();
        let area = if count > 0 { [size.as_slice(), &entries].concat() } else { Vec::new() };
        for fill in [0xFF, 0x7F] {
            let body = [handles.as_slice(), &area, &[fill; 64]].concat();
            most(spec.name, &rough::frame(count > 0, spec.code, &body));
        }
    }
}

/// A handle, a password session and parameters.
fn password(handle: u32, parameters: &[u8]) -> Vec<u8> {
    let area = [0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 1, 0, 0];
    [handle.to_be_bytes().as_slice(), &area, parameters].concat()
}
