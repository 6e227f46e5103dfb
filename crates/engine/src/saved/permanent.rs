//! The permanent state: what storage holds.

use super::{Kind, check, open, seal};
use crate::{
    Profile, RestoreError, Tpm, lifecycle,
    object::key::Link,
    pcr,
    secret::Secret,
    state::{
        ClearData, Commits, DictionaryAttack, NvIndex, NvMemory, Object, Orderly, PcrValue, Pcrs, Persistent,
        ResetData, State, Volatile, cbor, persistent::Shutdown,
    },
};
use alloc::{collections::BTreeMap, string::String, sync::Arc, vec::Vec};
use minicbor::{Decode, Encode};
use sigillo_types::{
    HashAlg,
    structures::{PcrSelect, TpmlPcrSelection, TpmsPcrSelection},
};
use zeroize::Zeroizing;

/// The body of a permanent state.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Permanent {
    /// The name of the [`Profile`].
    #[n(0)]
    profile: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    id: [u8; 16],
    #[n(2)]
    revision: u64,
    #[cbor(n(3), with = "cbor::shared")]
    persistent: Arc<Persistent>,
    #[cbor(n(4), with = "cbor::shared")]
    da: Arc<DictionaryAttack>,
    #[cbor(n(5), with = "cbor::shared")]
    orderly: Arc<Orderly>,
    #[n(6)]
    indices: Vec<SavedIndex>,
    #[n(7)]
    evict: Vec<SavedObject>,
    /// Only after TPM2_Shutdown(STATE), as the rest.
    #[n(8)]
    state: Option<SavedState>,
}

/// An NV index; its handle is in its public area.
#[derive(Encode, Decode)]
#[cbor(transparent)]
struct SavedIndex(#[cbor(n(0), with = "cbor::shared")] Arc<NvIndex>);

/// A persistent object.
#[derive(Encode, Decode)]
#[cbor(map)]
struct SavedObject {
    #[n(0)]
    handle: u32,
    #[cbor(n(1), with = "cbor::shared")]
    object: Arc<Object>,
}

/// What TPM2_Shutdown(STATE) saves. Part 1, 34.4.
#[derive(Encode, Decode)]
#[cbor(map)]
struct SavedState {
    #[cbor(n(0), with = "cbor::shared")]
    clear: Arc<ClearData>,
    #[cbor(n(1), with = "cbor::shared")]
    reset: Arc<ResetData>,
    #[n(2)]
    pcrs: Vec<SavedBank>,
}

/// The PCR of one bank.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct SavedBank {
    #[cbor(n(0), with = "cbor::canonical")]
    selection: TpmsPcrSelection,
    /// The digests of the selected PCR, ascending.
    #[cbor(n(1), with = "minicbor::bytes")]
    values: Vec<u8>,
}

pub(super) fn save_pcrs(pcrs: &Pcrs) -> Vec<SavedBank> {
    let banks = pcrs.banks.iter().map(|bank| {
        let values = bank.allocated.iter().filter_map(|pcr| bank.value(pcr));
        SavedBank {
            selection: TpmsPcrSelection { hash: bank.hash, pcr_select: bank.allocated },
            values: values.flat_map(PcrValue::as_slice).copied().collect(),
        }
    });
    banks.collect()
}

/// The PCR of some banks, if the profile has them and they are complete.
pub(super) fn load_pcrs(profile: &Profile, saved: &[SavedBank]) -> Result<Pcrs, RestoreError> {
    let mut pcrs = Pcrs::default();
    for SavedBank { selection: TpmsPcrSelection { hash, pcr_select }, values } in saved {
        if !profile.banks.contains(hash) || pcrs.bank(*hash).is_some() || *pcr_select == PcrSelect::NONE {
            return Err(RestoreError::Damaged);
        }
        let mut bank = crate::state::pcr::Bank::zero(*hash, *pcr_select);
        let mut digests = values.chunks(hash.digest_size());
        for pcr in pcr_select.iter() {
            let value = digests.next().and_then(|digest| PcrValue::from_slice(*hash, digest));
            bank.set(pcr, value.ok_or(RestoreError::Damaged)?);
        }
        if digests.next().is_some() {
            return Err(RestoreError::Damaged);
        }
        pcrs.banks.push(Arc::new(bank));
    }
    Ok(pcrs)
}

pub(super) fn encode(tpm: &Tpm, state: &State, revision: u64) -> Zeroizing<Vec<u8>> {
    let saved = || SavedState {
        clear: state.clear.clone(),
        reset: state.reset.clone(),
        pcrs: save_pcrs(&state.pcrs),
    };
    let objects = state.nv.evict.iter();
    seal(
        Kind::Permanent,
        &Permanent {
            profile: tpm.profile.name.into(),
            id: tpm.id,
            revision,
            persistent: state.persistent.clone(),
            da: state.da.clone(),
            orderly: state.orderly.clone(),
            indices: state.nv.indices.values().map(|index| SavedIndex(index.clone())).collect(),
            evict: objects
                .map(|(handle, object)| SavedObject { handle: *handle, object: object.clone() })
                .collect(),
            state: (state.persistent.shutdown == Some(Shutdown::State)).then(saved),
        },
    )
}

/// A permanent state that was read and checked.
pub(super) struct Stored {
    pub(super) profile: Profile,
    pub(super) state: State,
    pub(super) id: [u8; 16],
    pub(super) revision: u64,
}

pub(super) fn decode(bytes: &[u8]) -> Result<Stored, RestoreError> {
    let mut saved: Permanent = open(Kind::Permanent, bytes)?;
    let profile = Profile::named(&saved.profile).ok_or(RestoreError::UnknownProfile)?;
    let allocation = complete(&profile, &saved.persistent.pcr_allocation)?;
    Arc::make_mut(&mut saved.persistent).pcr_allocation = allocation;
    let mut nv = NvMemory::default();
    for SavedIndex(index) in saved.indices {
        if nv.indices.insert(index.public.nv_index.raw(), index).is_some() {
            return Err(RestoreError::Damaged);
        }
    }
    for SavedObject { handle, object } in saved.evict {
        // Its private key is taken apart now, and not again at each use.
        let object = Arc::new(Arc::unwrap_or_clone(object).prepared(Link::Unknown));
        if nv.evict.insert(handle, object).is_some() {
            return Err(RestoreError::Damaged);
        }
    }
    let (clear, reset, pcrs) = match saved.state {
        Some(state) => (state.clear, state.reset, load_pcrs(&profile, &state.pcrs)?),
        None if saved.persistent.shutdown == Some(Shutdown::State) => return Err(RestoreError::Damaged),
        // TPM Reset makes these anew before anything uses them.
        None => {
            (Arc::default(), Arc::new(lost_reset_data()), pcr::allocated(&saved.persistent.pcr_allocation))
        }
    };
    let state = State {
        persistent: saved.persistent,
        nv: Arc::new(nv),
        da: saved.da,
        orderly: saved.orderly,
        clear,
        reset,
        pcrs: Arc::new(pcrs),
        volatile: Arc::new(Volatile::default()),
    };
    check::permanent(&profile, &state)?;
    Ok(Stored { profile, state, id: saved.id, revision: saved.revision })
}

/// Reset data of a TPM that was not shut down with STATE.
fn lost_reset_data() -> ResetData {
    let nothing = || Secret::new(alloc::vec![0; lifecycle::SEED_SIZE]);
    ResetData {
        null_proof: nothing(),
        null_seed: nothing(),
        clear_count: 0,
        object_context_id: 0,
        context_counter: 0,
        saved_sessions: BTreeMap::new(),
        command_audit_digest: Vec::new(),
        restart_count: 0,
        pcr_update_counter: 0,
        commits: Commits::default(),
    }
}

/// The allocation with every bank of the profile: one that the profile got later has no PCR.
fn complete(profile: &Profile, saved: &TpmlPcrSelection) -> Result<TpmlPcrSelection, RestoreError> {
    let mut banks = saved.to_vec();
    for hash in profile.banks {
        if !banks.iter().any(|bank| bank.hash == *hash) {
            banks.push(TpmsPcrSelection { hash: *hash, pcr_select: PcrSelect::NONE });
        }
    }
    let named = |hash: &HashAlg| banks.iter().filter(|bank| bank.hash == *hash).count() == 1;
    if banks.len() != profile.banks.len() || !profile.banks.iter().all(named) {
        return Err(RestoreError::Damaged);
    }
    TpmlPcrSelection::new(banks).map_err(|_| RestoreError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banks(hashes: &[HashAlg]) -> TpmlPcrSelection {
        let banks = hashes.iter().map(|hash| TpmsPcrSelection { hash: *hash, pcr_select: PcrSelect::ALL });
        TpmlPcrSelection::new(banks.collect()).unwrap()
    }

    #[test]
    fn a_bank_that_the_profile_got_later_has_no_pcr() {
        let profile = Profile::pc_client();
        let completed = complete(&profile, &banks(&[HashAlg::Sha256, HashAlg::Sha1])).unwrap();
        let counts: Vec<(HashAlg, u32)> =
            completed.iter().map(|bank| (bank.hash, bank.pcr_select.count())).collect();
        assert_eq!(counts, [(HashAlg::Sha256, 24), (HashAlg::Sha1, 24), (HashAlg::Sha384, 0)]);
    }

    #[test]
    fn a_bank_that_is_unknown_or_named_twice_is_damage() {
        let profile = Profile::pc_client();
        for wrong in [&[HashAlg::Sha512][..], &[HashAlg::Sha1, HashAlg::Sha1]] {
            assert_eq!(complete(&profile, &banks(wrong)), Err(RestoreError::Damaged));
        }
    }
}
