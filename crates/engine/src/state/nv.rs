//! NV indices and persistent objects. Part 1, 34.2 and 34.3.

use super::{Object, cbor};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use minicbor::{Decode, Encode};
use sigillo_types::{buffers::Tpm2bAuth, structures::TpmsNvPublic};

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
    pub(crate) public: TpmsNvPublic,
    #[cbor(n(1), with = "cbor::canonical")]
    pub(crate) auth: Tpm2bAuth,
    /// `dataSize` bytes. Of an orderly index this is no more than where a counter was at its last roll-over: its value is orderly data.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) data: Vec<u8>,
}
