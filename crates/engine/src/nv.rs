//! NV indices as commands see them: who may use one, what it holds, whether there is room. Part 1, 34.2 and Part 3, 31.

use crate::{
    Tpm,
    state::{NvIndex, NvMemory, Object},
};
use alloc::{sync::Arc, vec, vec::Vec};
use sigillo_crypto::hash::hash;
use sigillo_types::{
    Fmt1, Marshal, Rc,
    attributes::{NvType, TpmaNv},
    buffers::Tpm2bName,
    handles::NvAuthHandle,
    rc, rh,
};
use zeroize::Zeroizing;

/// NV octets that an index takes beside its data: what a public area with the largest policy and authValue needs.
const INDEX_OVERHEAD: usize = 160;
/// NV octets that a persistent object takes beside its public and sensitive areas: Names and flags.
const OBJECT_OVERHEAD: usize = 160;
/// NV octets kept free for each persistent object that is guaranteed to fit: an RSA-4096 storage key is smaller.
const OBJECT_RESERVE: usize = 1536;

/// The Name of an index. Part 1, 13.
pub(crate) fn name(index: &NvIndex) -> Tpm2bName {
    let public = &index.public;
    let mut name = public.name_alg.to_bytes();
    name.extend_from_slice(&hash(public.name_alg, &[&public.to_bytes()]));
    // An algorithm and its digest are what the type is made for.
    Tpm2bName::try_from(name).unwrap_or_default()
}

/// NV octets that a persistent object takes.
pub(crate) fn object_size(object: &Object) -> usize {
    let sensitive =
        object.sensitive.as_ref().map_or(0, |sensitive| Zeroizing::new(sensitive.to_bytes()).len());
    OBJECT_OVERHEAD + object.public.to_bytes().len() + sensitive
}

/// NV octets in use.
pub(crate) fn used(nv: &NvMemory) -> usize {
    let indices = nv.indices.values().map(|index| INDEX_OVERHEAD + index.size());
    indices.chain(nv.evict.values().map(|object| object_size(object))).sum()
}

/// RAM octets that orderly indices take.
pub(crate) fn orderly_used(nv: &NvMemory) -> usize {
    nv.indices.values().filter(|index| index.has(TpmaNv::ORDERLY)).map(|index| index.size()).sum()
}

impl NvIndex {
    pub(crate) fn attributes(&self) -> TpmaNv {
        self.public.attributes
    }

    pub(crate) fn has(&self, attributes: TpmaNv) -> bool {
        self.public.attributes.contains(attributes)
    }

    pub(crate) fn is(&self, nt: NvType) -> bool {
        self.public.attributes.nt() == Some(nt)
    }

    /// Octets of data.
    pub(crate) fn size(&self) -> usize {
        usize::from(self.public.data_size)
    }
}

/// A counter's or bit field's value. Part 1, 34.2.6.
pub(crate) fn number(data: &[u8]) -> u64 {
    data.first_chunk::<8>().map_or(0, |octets| u64::from_be_bytes(*octets))
}

impl Tpm {
    /// The index at a handle, if it is defined and the hierarchy it belongs to lets it be used; otherwise `HANDLE`. Part 3, 5.4 and
    /// 24.2.
    pub(crate) fn nv_index(&self, handle: u32) -> Result<&Arc<NvIndex>, Fmt1> {
        let index = self.state.nv.indices.get(&handle).ok_or(rc::HANDLE)?;
        let enabled = if index.has(TpmaNv::PLATFORMCREATE) {
            self.state.clear.ph_enable_nv
        } else {
            self.state.clear.sh_enable
        };
        if enabled { Ok(index) } else { Err(rc::HANDLE) }
    }

    /// The data of an index, whether in NV or in orderly RAM.
    pub(crate) fn nv_data<'a>(&'a self, index: &'a NvIndex) -> &'a [u8] {
        if index.has(TpmaNv::ORDERLY) {
            self.state.orderly.nv.get(&index.public.nv_index.raw()).map_or(&index.data, |data| data)
        } else {
            &index.data
        }
    }

    /// Replaces the data of an index that is there, and sets WRITTEN. Nothing that stays the same is written.
    ///
    /// The data of an orderly index go to RAM; a counter's to NV as well when it is written for the first time or its low bits roll over.
    /// Part 1, 34.2.4 and 34.2.6.3.
    pub(crate) fn write_nv(&mut self, handle: u32, data: Vec<u8>) {
        let Some(index) = self.state.nv.indices.get(&handle) else { return };
        let written = index.has(TpmaNv::WRITTEN);
        let orderly = index.has(TpmaNv::ORDERLY);
        let rolled_over = number(&data) & (self.profile.orderly_count - 1) == 0;
        let to_nv = !orderly || (index.is(NvType::Counter) && (!written || rolled_over));
        let changed = index.data != data;
        if orderly {
            self.state.orderly_mut().nv.insert(handle, data.clone());
        }
        if (!written || (to_nv && changed))
            && let Some(index) = self.state.nv_mut().indices.get_mut(&handle)
        {
            let index = Arc::make_mut(index);
            index.public.attributes |= TpmaNv::WRITTEN;
            if to_nv {
                index.data = data;
            }
        }
    }

    /// Changes the attributes of an index that is there, if they differ.
    pub(crate) fn set_nv_attributes(&mut self, handle: u32, attributes: TpmaNv) {
        if self.state.nv.indices.get(&handle).is_some_and(|index| index.attributes() != attributes)
            && let Some(index) = self.state.nv_mut().indices.get_mut(&handle)
        {
            Arc::make_mut(index).public.attributes = attributes;
        }
    }

    /// The data to change in part: what the index holds, or zeros if it was not written yet. Part 1, 34.2.6.2.
    pub(crate) fn nv_data_or_zero(&self, index: &NvIndex) -> Vec<u8> {
        if index.has(TpmaNv::WRITTEN) { self.nv_data(index).to_vec() } else { vec![0; index.size()] }
    }

    /// The highest value that any counter has or had. Part 1, 34.2.6.3.
    pub(crate) fn highest_counter(&self) -> u64 {
        let counters = self.state.nv.indices.values().filter(|index| index.is(NvType::Counter));
        let written = counters.filter(|index| index.has(TpmaNv::WRITTEN));
        written.map(|index| number(self.nv_data(index))).fold(self.state.persistent.max_counter, u64::max)
    }

    /// Deletes an index and remembers how far a counter had come. Part 1, 34.2.3.
    pub(crate) fn delete_nv(&mut self, handle: u32) {
        let Some(index) = self.state.nv.indices.get(&handle) else { return };
        if index.is(NvType::Counter) && index.has(TpmaNv::WRITTEN) {
            let reached = number(self.nv_data(index));
            if reached > self.state.persistent.max_counter {
                self.state.persistent_mut().max_counter = reached;
            }
        }
        self.state.nv_mut().indices.remove(&handle);
        if self.state.orderly.nv.contains_key(&handle) {
            self.state.orderly_mut().nv.remove(&handle);
        }
    }

    /// Whether an index with `size` octets of data still fits; the persistent objects that the profile guarantees keep their place.
    pub(crate) fn nv_index_fits(&self, size: usize) -> bool {
        let guaranteed =
            self.profile.persistent_min.saturating_sub(self.state.nv.evict.len()) * OBJECT_RESERVE;
        used(&self.state.nv) + guaranteed + INDEX_OVERHEAD + size <= self.profile.nv_bytes
    }

    /// Whether an orderly index with `size` octets of data still fits in RAM.
    pub(crate) fn nv_orderly_fits(&self, size: usize) -> bool {
        orderly_used(&self.state.nv) + size <= self.profile.orderly_bytes
    }

    /// Whether a persistent object still fits. Part 3, 28.5.
    pub(crate) fn nv_object_fits(&self, object: &Object) -> bool {
        used(&self.state.nv) + object_size(object) <= self.profile.nv_bytes
    }

    /// How many more persistent objects of the largest kind, and how many more orderly counters, fit.
    pub(crate) fn nv_available(&self) -> (usize, usize) {
        let free = self.profile.nv_bytes.saturating_sub(used(&self.state.nv));
        let guaranteed =
            self.profile.persistent_min.saturating_sub(self.state.nv.evict.len()) * OBJECT_RESERVE;
        let ram = self.profile.orderly_bytes.saturating_sub(orderly_used(&self.state.nv));
        let counters = (free.saturating_sub(guaranteed) / (INDEX_OVERHEAD + 8)).min(ram / 8);
        (free / OBJECT_RESERVE, counters)
    }

    /// Whether `auth` may read the index. The authorization of the index itself was checked with the session. Part 3, 31.1 and 31.13.
    ///
    /// # Errors
    /// - `NV_LOCKED`: READLOCKED is set.
    /// - `NV_AUTHORIZATION`: `auth` is another index, or OWNERREAD or PPREAD is clear.
    /// - `NV_UNINITIALIZED`: the index was not written yet.
    pub(crate) fn check_nv_read(&self, auth: NvAuthHandle, index: &NvIndex) -> Result<(), Rc> {
        if index.has(TpmaNv::READLOCKED) {
            return Err(rc::NV_LOCKED);
        }
        check_nv_auth(auth, index, TpmaNv::OWNERREAD, TpmaNv::PPREAD)?;
        if index.has(TpmaNv::WRITTEN) { Ok(()) } else { Err(rc::NV_UNINITIALIZED) }
    }

    /// Whether `auth` may write the index. Part 3, 31.1 and 31.7.
    ///
    /// # Errors
    /// - `NV_LOCKED`: WRITELOCKED is set.
    /// - `NV_AUTHORIZATION`: `auth` is another index, or OWNERWRITE or PPWRITE is clear.
    pub(crate) fn check_nv_write(&self, auth: NvAuthHandle, index: &NvIndex) -> Result<(), Rc> {
        if index.has(TpmaNv::WRITELOCKED) {
            return Err(rc::NV_LOCKED);
        }
        check_nv_auth(auth, index, TpmaNv::OWNERWRITE, TpmaNv::PPWRITE)
    }

    /// Brings the indices over a TPM Reset or Restart. Part 3, 9.3.
    pub(crate) fn start_nv(&mut self, reset: bool, orderly: bool) {
        let mask = self.profile.orderly_count - 1;
        let handles: Vec<u32> = self.state.nv.indices.keys().copied().collect();
        for handle in handles {
            let Some(index) = self.state.nv.indices.get(&handle) else { continue };
            let mut attributes = index.attributes() - TpmaNv::READLOCKED;
            let counter = index.is(NvType::Counter);
            let lost = index.has(TpmaNv::CLEAR_STCLEAR) || (index.has(TpmaNv::ORDERLY) && reset);
            if lost && !counter {
                attributes -= TpmaNv::WRITTEN;
            }
            if !attributes.contains(TpmaNv::WRITTEN | TpmaNv::WRITEDEFINE) {
                attributes -= TpmaNv::WRITELOCKED;
            }
            if counter && !orderly && index.has(TpmaNv::ORDERLY | TpmaNv::WRITTEN) {
                // What was stored last may be behind what was reported last, by less than a roll-over.
                let reached = number(self.nv_data(index)).max(number(&index.data)) | mask;
                self.state.orderly_mut().nv.insert(handle, reached.to_be_bytes().to_vec());
            }
            self.set_nv_attributes(handle, attributes);
        }
    }
}

/// Whether `auth` may use the index at all: the owner or platform by the attribute that says so, otherwise the index by itself. Part 3, 31.1.
pub(crate) fn check_nv_auth(
    auth: NvAuthHandle,
    index: &NvIndex,
    owner: TpmaNv,
    platform: TpmaNv,
) -> Result<(), Rc> {
    let allowed = match auth.raw() {
        rh::OWNER => index.has(owner),
        rh::PLATFORM => index.has(platform),
        handle => handle == index.public.nv_index.raw(),
    };
    if allowed { Ok(()) } else { Err(rc::NV_AUTHORIZATION) }
}
