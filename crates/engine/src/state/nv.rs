//! NV indices and persistent objects. Part 1, 34.2 and 34.3.

use super::{Object, cbor};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use minicbor::{Decode, Encode};
use sigillo_types::{
    Fmt1, HashAlg, Marshal, MarshalUnion, Reader, Unmarshal,
    attributes::{NvExpansion, TpmaNv, TpmaNvExp},
    buffers::{Tpm2bAuth, Tpm2bDigest},
    handles::NvDefinedIndexHandle,
    rc,
    structures::{NvPublic2, TpmsNvPublic, TpmsNvPublicExpAttr},
};

/// What is defined in NV: each record behind its own `Arc`, so that a change copies one.
#[derive(Clone, Debug, Default)]
pub(crate) struct NvMemory {
    pub(crate) indices: BTreeMap<u32, Arc<NvIndex>>,
    /// Persistent objects by their persistent handle.
    pub(crate) evict: BTreeMap<u32, Arc<Object>>,
}

/// One NV index.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct NvIndex {
    /// With the attributes that change: WRITTEN, WRITELOCKED, READLOCKED.
    #[cbor(n(0), with = "cbor::canonical")]
    pub(crate) public: NvPublic,
    #[cbor(n(1), with = "cbor::canonical")]
    pub(crate) auth: Tpm2bAuth,
    /// `dataSize` bytes. Of an orderly index this is no more than where a counter was at its last roll-over: its value is orderly data.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) data: Vec<u8>,
}

/// The public area of an index of any type that can be defined. None has expanded attributes: they choose how the memory of an external
/// index is protected, and there is no memory but the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NvPublic {
    pub(crate) nv_index: NvDefinedIndexHandle,
    pub(crate) name_alg: HashAlg,
    pub(crate) attributes: TpmaNv,
    pub(crate) auth_policy: Tpm2bDigest,
    pub(crate) data_size: u16,
}

impl From<TpmsNvPublic> for NvPublic {
    fn from(public: TpmsNvPublic) -> Self {
        let TpmsNvPublic { nv_index, name_alg, attributes, auth_policy, data_size } = public;
        Self {
            nv_index: NvDefinedIndexHandle::Legacy(nv_index),
            name_alg,
            attributes,
            auth_policy,
            data_size,
        }
    }
}

/// `ATTRIBUTES` for expanded attributes.
impl TryFrom<TpmsNvPublicExpAttr> for NvPublic {
    type Error = Fmt1;

    fn try_from(public: TpmsNvPublicExpAttr) -> Result<Self, Fmt1> {
        let TpmsNvPublicExpAttr { nv_index, name_alg, attributes, auth_policy, data_size } = public;
        if !attributes.expansion.is_empty() {
            return Err(rc::ATTRIBUTES);
        }
        Ok(Self {
            nv_index: NvDefinedIndexHandle::External(nv_index),
            name_alg,
            attributes: attributes.nv,
            auth_policy,
            data_size,
        })
    }
}

/// `HANDLE` for a permanent index, which cannot be defined.
impl TryFrom<NvPublic2> for NvPublic {
    type Error = Fmt1;

    fn try_from(public: NvPublic2) -> Result<Self, Fmt1> {
        match public {
            NvPublic2::NvIndex(public) => Ok(public.into()),
            NvPublic2::External(public) => public.try_into(),
            NvPublic2::Permanent(_) => Err(rc::HANDLE),
        }
    }
}

impl From<NvPublic> for NvPublic2 {
    fn from(public: NvPublic) -> Self {
        let NvPublic { nv_index, name_alg, attributes, auth_policy, data_size } = public;
        match nv_index {
            NvDefinedIndexHandle::Legacy(nv_index) => {
                Self::NvIndex(TpmsNvPublic { nv_index, name_alg, attributes, auth_policy, data_size })
            }
            NvDefinedIndexHandle::External(nv_index) => Self::External(TpmsNvPublicExpAttr {
                nv_index,
                name_alg,
                attributes: TpmaNvExp { expansion: NvExpansion::empty(), nv: attributes },
                auth_policy,
                data_size,
            }),
        }
    }
}

/// As TPMU_NV_PUBLIC_2 without its selector: what the Name is made of, and what is saved. The handle that it begins with tells the type.
impl Marshal for NvPublic {
    fn marshal(&self, out: &mut Vec<u8>) {
        NvPublic2::from(self.clone()).marshal_body(out);
    }
}

impl Unmarshal for NvPublic {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        match NvDefinedIndexHandle::unmarshal(&mut r.clone())? {
            NvDefinedIndexHandle::Legacy(_) => TpmsNvPublic::unmarshal(r).map(Self::from),
            NvDefinedIndexHandle::External(_) => TpmsNvPublicExpAttr::unmarshal(r)?.try_into(),
        }
    }
}
