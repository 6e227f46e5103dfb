//! What a TPM says it has, to those who look at its state from outside.

mod common;
mod support;

use common::{TestTpm, power_cycle, shutdown, started};
use sigillo_client::{Auth, template};
use sigillo_engine::{Tpm, inventory::Resumes};
use sigillo_types::{
    HashAlg,
    attributes::{NvType, TpmaNv},
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bMaxNvBuffer},
    commands::{Clear, EvictControl, HierarchyChangeAuth, NvDefineSpace, NvWrite, PcrExtend},
    constants::StartupType,
    handles::{
        ClearHandle, Hierarchy, HierarchyAuthHandle, NvAuthHandle, NvIndexHandle, NvLegacyIndexHandle,
        PcrHandle, PersistentHandle, ProvisionHandle,
    },
    structures::{Tpm2bNvPublic, TpmlDigestValues, TpmsNvPublic, TpmtHa},
};
use support::primary;

const OPEN: u32 = 0x0150_0001;
const WITH_AUTH: u32 = 0x0150_0002;
const LOCKABLE: u32 = 0x0150_0003;
const OWNERS: u32 = 0x0150_0004;
const BY_POLICY: u32 = 0x0150_0005;
const CONTENTS: [u8; 8] = *b"contents";

fn define(tpm: &mut TestTpm, raw: u32, auth: &[u8], attributes: TpmaNv) {
    let nv_public = TpmsNvPublic {
        nv_index: NvLegacyIndexHandle::new(raw).unwrap(),
        name_alg: HashAlg::Sha256,
        attributes: (TpmaNv::AUTHWRITE | attributes).with_nt(NvType::Ordinary),
        auth_policy: Tpm2bDigest::default(),
        data_size: 8,
    };
    let define = NvDefineSpace {
        auth_handle: ProvisionHandle::Owner,
        auth: Tpm2bAuth::new(auth).unwrap(),
        public_info: Tpm2bNvPublic { nv_public },
    };
    tpm.call(&define).unwrap();
    let write = NvWrite {
        auth_handle: NvAuthHandle::new(raw).unwrap(),
        nv_index: NvIndexHandle::new(raw).unwrap(),
        data: Tpm2bMaxNvBuffer::from(CONTENTS),
        offset: 0,
    };
    tpm.call_with(&write, &mut [Auth::password(auth)]).unwrap();
}

fn own(tpm: &mut TestTpm, auth: &[u8]) {
    let new_auth = Tpm2bAuth::new(auth).unwrap();
    tpm.call(&HierarchyChangeAuth { auth_handle: HierarchyAuthHandle::Owner, new_auth }).unwrap();
}

fn readable(tpm: &mut TestTpm) -> Vec<u32> {
    let inventory = tpm.transport().tpm.inventory();
    inventory.indices.iter().filter(|index| index.contents.is_some()).map(|index| index.handle).collect()
}

#[test]
fn only_contents_that_everybody_in_the_guest_can_read_are_shown() {
    let mut tpm = started();
    define(&mut tpm, OPEN, b"", TpmaNv::AUTHREAD);
    define(&mut tpm, WITH_AUTH, b"secret", TpmaNv::AUTHREAD);
    define(&mut tpm, LOCKABLE, b"", TpmaNv::AUTHREAD | TpmaNv::READ_STCLEAR);
    define(&mut tpm, OWNERS, b"secret", TpmaNv::OWNERREAD);
    define(&mut tpm, BY_POLICY, b"", TpmaNv::POLICYREAD);
    assert_eq!(readable(&mut tpm), [OPEN, OWNERS]);
    own(&mut tpm, b"owner");
    assert_eq!(readable(&mut tpm), [OPEN]);
    let inventory = tpm.transport().tpm.inventory();
    let all: Vec<_> = inventory.indices.iter().map(|index| index.contents_fingerprint).collect();
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "they hold the same");
    let text = format!("{inventory:?}");
    assert!(text.contains("[fingerprint]") && !text.contains("secret"), "{text}");
}

#[test]
fn objects_have_their_names_templates_and_nothing_private() {
    let mut tpm = started();
    let storage = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let persistent_handle = PersistentHandle::new(0x8100_0001).unwrap();
    tpm.call(&EvictControl { auth: ProvisionHandle::Owner, object_handle: storage, persistent_handle })
        .unwrap();
    let inventory = tpm.transport().tpm.inventory();
    let [object] = &inventory.objects[..] else { panic!("{:?}", inventory.objects) };
    assert_eq!((object.handle, object.hierarchy, object.primary), (0x8100_0001, Hierarchy::Owner, true));
    assert_eq!(object.auth_set, Some(false));
    assert_eq!(object.public.parameters, template::ecc_storage().parameters);
    assert_eq!(object.name.len(), 34);
    assert!(inventory.nv_used > 0 && inventory.nv_used < inventory.nv_bytes);
}

#[test]
fn what_power_takes_is_known_only_where_it_is_kept() {
    let mut tpm = started();
    let digests = TpmlDigestValues::new(vec![TpmtHa::Sha256([7; 32])]).unwrap();
    tpm.call(&PcrExtend { pcr_handle: Some(PcrHandle::new(7).unwrap()), digests }).unwrap();
    let local = tpm.transport();
    let volatile = local.tpm.volatile_state();
    let resumed = Tpm::resume(&local.disk, &volatile, &mut local.host).unwrap().inventory();
    assert_eq!(resumed.resumes, Resumes::Running);
    let value = |inventory: &sigillo_engine::Inventory| {
        let bank = inventory.banks.iter().find(|bank| bank.hash == HashAlg::Sha256).unwrap();
        bank.values.iter().find(|(pcr, _)| *pcr == 7).map(|(_, value)| value.clone())
    };
    let extended = value(&resumed).unwrap();
    assert!(extended.iter().any(|octet| *octet != 0));
    assert_eq!(resumed.owner.enabled, Some(true));

    let at_rest = |tpm: &mut TestTpm| {
        let local = tpm.transport();
        Tpm::restore(&local.disk, &mut local.host).unwrap().inventory()
    };
    let lost = at_rest(&mut tpm);
    assert_eq!((lost.resumes, value(&lost), lost.owner.enabled), (Resumes::AfterPowerLoss, None, None));
    assert_eq!((lost.platform.auth_set, lost.clock.restart_count), (None, None));
    assert!(lost.banks.iter().all(|bank| bank.allocated.count() == 24));

    shutdown(&mut tpm, StartupType::State).unwrap();
    let kept = at_rest(&mut tpm);
    assert_eq!((kept.resumes, value(&kept)), (Resumes::AfterShutdownState, Some(extended)));
    shutdown(&mut tpm, StartupType::Clear).unwrap();
    assert_eq!(at_rest(&mut tpm).resumes, Resumes::AfterShutdownClear);
}

#[test]
fn a_new_seed_shows_as_another_fingerprint_and_the_same_tpm() {
    let mut tpm = started();
    own(&mut tpm, b"owner");
    let before = tpm.transport().tpm.inventory();
    assert_eq!(before.owner.auth_set, Some(true));
    tpm.call(&Clear { auth_handle: ClearHandle::Lockout }).unwrap();
    power_cycle(&mut tpm);
    let after = tpm.transport().tpm.inventory();
    assert_eq!(after.owner.auth_set, Some(false));
    assert_eq!(after.tpm, before.tpm);
    assert_ne!(after.owner.seed, before.owner.seed);
    assert_eq!(after.endorsement.seed, before.endorsement.seed);
    assert_ne!(started().transport().tpm.inventory().tpm, before.tpm);
}
