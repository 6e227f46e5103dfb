//! External NV indices. Part 3, 31.17 and 31.18; Part 2, 13.5 and 13.8 to 13.11.

mod common;

use common::{TestTpm, power_cycle, refused, started, startup};
use sigillo_types::{
    HashAlg, Marshal, Position,
    attributes::{NvExpansion, NvType, TpmaNv, TpmaNvExp},
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bMaxNvBuffer},
    commands::{
        GetCapability, NvDefineSpace, NvDefineSpace2, NvRead, NvReadPublic, NvReadPublic2, NvUndefineSpace,
        NvWrite,
    },
    constants::{Capability, StartupType},
    handles::{
        NvAuthHandle, NvDefinedIndexHandle, NvExpIndexHandle, NvIndexHandle, NvLegacyIndexHandle,
        ProvisionHandle, hc,
    },
    rc,
    structures::{
        CapabilityData, NvPublic2, Tpm2bNvPublic, Tpm2bNvPublic2, TpmsNvPublic, TpmsNvPublicExpAttr,
    },
};

const EXTERNAL: u32 = 0x1100_0001;
const LEGACY: u32 = 0x0150_0001;
const BY_OWNER: TpmaNv = TpmaNv::OWNERREAD.union(TpmaNv::OWNERWRITE);

fn external(expansion: NvExpansion) -> NvPublic2 {
    NvPublic2::External(TpmsNvPublicExpAttr {
        nv_index: NvExpIndexHandle::new(EXTERNAL).unwrap(),
        name_alg: HashAlg::Sha256,
        attributes: TpmaNvExp { expansion, nv: BY_OWNER },
        auth_policy: Tpm2bDigest::default(),
        data_size: 8,
    })
}

fn legacy() -> TpmsNvPublic {
    TpmsNvPublic {
        nv_index: NvLegacyIndexHandle::new(LEGACY).unwrap(),
        name_alg: HashAlg::Sha256,
        attributes: BY_OWNER,
        auth_policy: Tpm2bDigest::default(),
        data_size: 8,
    }
}

fn definition(nv_public: NvPublic2) -> NvDefineSpace2 {
    NvDefineSpace2 {
        auth_handle: ProvisionHandle::Owner,
        auth: Tpm2bAuth::default(),
        public_info: Tpm2bNvPublic2 { nv_public },
    }
}

fn index() -> NvIndexHandle {
    NvIndexHandle::new(EXTERNAL).unwrap()
}

fn name(canonical: &[u8]) -> Vec<u8> {
    [&[0, 0x0B], &sigillo_crypto::hash::hash(HashAlg::Sha256, &[canonical])[..]].concat()
}

fn write(tpm: &mut TestTpm) {
    let data = Tpm2bMaxNvBuffer::from(*b"contents");
    let write = NvWrite { auth_handle: NvAuthHandle::Owner, nv_index: index(), data, offset: 0 };
    tpm.call(&write).unwrap();
}

fn read(tpm: &mut TestTpm) -> Vec<u8> {
    let read = NvRead { auth_handle: NvAuthHandle::Owner, nv_index: index(), size: 8, offset: 0 };
    tpm.call(&read).unwrap().data.to_vec()
}

#[test]
fn an_external_index_has_a_name_with_its_64_bit_attributes() {
    let mut tpm = started();
    tpm.call(&definition(external(NvExpansion::empty()))).unwrap();
    write(&mut tpm);
    assert_eq!(read(&mut tpm), b"contents");
    let answer = tpm.call(&NvReadPublic2 { nv_index: index() }).unwrap();
    let NvPublic2::External(public) = &answer.nv_public.nv_public else { panic!("external") };
    assert_eq!(public.attributes.nv, BY_OWNER | TpmaNv::WRITTEN);
    assert_eq!(public.attributes.to_bytes().len(), 8);
    assert_eq!(answer.nv_name.to_vec(), name(&public.to_bytes()));
}

#[test]
fn a_legacy_index_has_one_name_whichever_command_defines_and_reads_it() {
    let mut tpm = started();
    tpm.call(&definition(NvPublic2::NvIndex(legacy()))).unwrap();
    let one = tpm.call(&NvReadPublic { nv_index: legacy().nv_index }).unwrap();
    let two = tpm.call(&NvReadPublic2 { nv_index: legacy().nv_index.into() }).unwrap();
    assert_eq!(one.nv_public.nv_public, legacy());
    assert_eq!(two.nv_public.nv_public, NvPublic2::NvIndex(legacy()));
    assert_eq!(one.nv_name, two.nv_name);
    assert_eq!(one.nv_name.to_vec(), name(&legacy().to_bytes()));
}

#[test]
fn what_cannot_be_defined_is_refused() {
    let mut tpm = started();
    let info = NvDefineSpace2::PUBLIC_INFO;
    let permanent = definition(NvPublic2::Permanent(legacy()));
    assert_eq!(refused(&mut tpm, &permanent), rc::HANDLE.at(info));
    for expansion in NvExpansion::all() {
        let protected = definition(external(expansion));
        assert_eq!(refused(&mut tpm, &protected), rc::ATTRIBUTES.at(info));
    }
    let mut counter = definition(external(NvExpansion::empty()));
    if let NvPublic2::External(public) = &mut counter.public_info.nv_public {
        public.attributes.nv = BY_OWNER.with_nt(NvType::Counter);
        public.data_size = 9;
    }
    assert_eq!(refused(&mut tpm, &counter), rc::SIZE.at(info));
    tpm.call(&definition(external(NvExpansion::empty()))).unwrap();
    assert_eq!(refused(&mut tpm, &definition(external(NvExpansion::empty()))), rc::NV_DEFINED);
}

#[test]
fn an_index_of_another_type_or_one_that_is_gone_is_no_handle() {
    let mut tpm = started();
    let at = Position::Handle(1);
    let permanent = NvIndexHandle::new(hc::PERMANENT_NV).unwrap();
    assert_eq!(refused(&mut tpm, &NvReadPublic2 { nv_index: permanent }), rc::HANDLE.at(at));
    assert_eq!(refused(&mut tpm, &NvReadPublic2 { nv_index: index() }), rc::HANDLE.at(at));
    tpm.call(&definition(external(NvExpansion::empty()))).unwrap();
    let nv_index = NvDefinedIndexHandle::new(EXTERNAL).unwrap();
    tpm.call(&NvUndefineSpace { auth_handle: ProvisionHandle::Owner, nv_index }).unwrap();
    assert_eq!(refused(&mut tpm, &NvReadPublic2 { nv_index: index() }), rc::HANDLE.at(at));
}

#[test]
fn the_handles_of_each_type_are_listed_apart() {
    let mut tpm = started();
    let public_info = Tpm2bNvPublic { nv_public: legacy() };
    let define =
        NvDefineSpace { auth_handle: ProvisionHandle::Owner, auth: Tpm2bAuth::default(), public_info };
    tpm.call(&define).unwrap();
    tpm.call(&definition(external(NvExpansion::empty()))).unwrap();
    for (from, found) in
        [(hc::NV_INDEX, vec![LEGACY]), (hc::EXTERNAL_NV, vec![EXTERNAL]), (hc::PERMANENT_NV, vec![])]
    {
        let ask = GetCapability { capability: Capability::Handles, property: from, property_count: 9 };
        let CapabilityData::Handles(handles) = tpm.call(&ask).unwrap().capability_data else {
            panic!("handles")
        };
        assert_eq!(handles.to_vec(), found);
    }
}

#[test]
fn an_external_index_outlives_the_power() {
    let mut tpm = started();
    tpm.call(&definition(external(NvExpansion::empty()))).unwrap();
    write(&mut tpm);
    let before = tpm.call(&NvReadPublic2 { nv_index: index() }).unwrap();
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::Clear).unwrap();
    assert_eq!(tpm.call(&NvReadPublic2 { nv_index: index() }).unwrap(), before);
    assert_eq!(read(&mut tpm), b"contents");
}
