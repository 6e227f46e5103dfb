//! What must hold for state from outside, whoever wrote it, before a TPM may run on it.

use crate::{
    Profile, RestoreError, nv,
    object::{self, key::Link, load},
    signing,
    state::{
        ClearData, HierarchyRecord, NvIndex, Object, Orderly, ResetData, Sequence, Session, SessionSlot,
        Slot, State,
        object::{MessageDigest, SequenceKind},
        pcr::{DRTM_PCR, HCRTM_PCR},
        session::{Policy, SessionKind},
    },
    time::{RATE_LIMIT_PPM, Timing},
};
use sigillo_crypto::ecc::eddsa::KEY_SIZE;
use sigillo_types::{
    HashAlg,
    attributes::{NvType, TpmaNv},
    buffers::Tpm2bDigest,
    handles::{
        ActHandle, Hierarchy, HmacSessionHandle, PcrHandle, PersistentHandle, PolicySessionHandle, hc,
    },
};

/// The levels of primary-key derivation this version knows: two of libtpms and ours.
const DERIVATION_LEVELS: [u8; 3] = [0, 1, 16];

fn require(holds: bool) -> Result<(), RestoreError> {
    if holds { Ok(()) } else { Err(RestoreError::Damaged) }
}

/// Seeds and proofs of this and of other TPMs have 32 or 64 octets.
fn is_seed(seed: &[u8]) -> bool {
    matches!(seed.len(), 32 | 64)
}

/// A policy is a digest of its algorithm, or neither is there.
fn is_policy(alg: Option<HashAlg>, policy: &Tpm2bDigest) -> bool {
    policy.len() == alg.map_or(0, HashAlg::digest_size)
}

/// Checks a permanent state.
pub(super) fn permanent(profile: &Profile, state: &State) -> Result<(), RestoreError> {
    let persistent = &state.persistent;
    for hierarchy in [&persistent.owner, &persistent.endorsement, &persistent.platform] {
        require(is_hierarchy(hierarchy))?;
    }
    require(is_policy(persistent.lockout_policy_alg, &persistent.lockout_policy))?;
    require(is_policy(persistent.pcr_policy_alg, &persistent.pcr_policy))?;
    for pcr in [HCRTM_PCR, DRTM_PCR] {
        let pcr = PcrHandle::new(pcr).map_err(|_| RestoreError::Damaged)?;
        require(persistent.pcr_allocation.iter().any(|bank| bank.pcr_select.contains(pcr)))?;
    }
    for index in state.nv.indices.values() {
        require(is_index(profile, index))?;
    }
    for (handle, object) in &state.nv.evict {
        require(is_evict_object(*handle, object))?;
    }
    require(nv::used(&state.nv) <= profile.nv_bytes && nv::orderly_used(&state.nv) <= profile.orderly_bytes)?;
    groups(profile, state)
}

fn is_hierarchy(hierarchy: &HierarchyRecord) -> bool {
    is_seed(&hierarchy.seed)
        && is_seed(&hierarchy.proof)
        && DERIVATION_LEVELS.contains(&hierarchy.derivation_level)
        && is_policy(hierarchy.policy_alg, &hierarchy.policy)
}

/// Checks the groups that both kinds of state have.
fn groups(profile: &Profile, state: &State) -> Result<(), RestoreError> {
    require(is_orderly(&state.orderly, state))?;
    require(is_clear_data(profile, &state.clear))?;
    require(is_reset_data(profile, &state.reset, state.persistent.audit_hash_alg))
}

/// Orderly data belong to orderly indices and have their size.
fn is_orderly(orderly: &Orderly, state: &State) -> bool {
    orderly.nv.iter().all(|(handle, data)| {
        let index = state.nv.indices.get(handle);
        index.is_some_and(|index| index.has(TpmaNv::ORDERLY) && index.size() == data.len())
    })
}

fn is_clear_data(profile: &Profile, clear: &ClearData) -> bool {
    let has = |handle: u32| ActHandle::new(handle).is_ok_and(|handle| handle.index() < profile.acts);
    is_policy(clear.platform_alg, &clear.platform_policy)
        && matches!(clear.startup_locality, 0..=4)
        && clear.acts.iter().all(|(handle, act)| has(*handle) && is_policy(act.policy_alg, &act.policy))
}

fn is_reset_data(profile: &Profile, reset: &ResetData, audit_alg: HashAlg) -> bool {
    let audit = reset.command_audit_digest.len();
    is_seed(&reset.null_seed)
        && is_seed(&reset.null_proof)
        && reset.saved_sessions.len() <= profile.active_sessions
        && reset.saved_sessions.keys().all(|index| is_session_index(profile, *index))
        && (audit == 0 || audit == audit_alg.digest_size())
        && (is_seed(&reset.commits.secret) || reset.commits.secret.is_empty() && reset.commits.count == 0)
}

fn is_session_index(profile: &Profile, index: u32) -> bool {
    usize::try_from(index).is_ok_and(|index| index < profile.active_sessions)
}

/// What TPM2_NV_DefineSpace would have let through, as far as other commands rely on it. Part 3, 31.3.
fn is_index(profile: &Profile, index: &NvIndex) -> bool {
    let public = &index.public;
    let digest = public.name_alg.digest_size();
    let size_of_type = match public.attributes.nt() {
        None => return false,
        Some(NvType::Ordinary) => index.size() <= profile.nv_index_max,
        Some(NvType::Counter | NvType::Bits | NvType::PinFail | NvType::PinPass) => index.size() == 8,
        Some(NvType::Extend) => index.size() == digest,
    };
    size_of_type
        && index.data.len() == index.size()
        && index.auth.len() <= digest
        && matches!(public.auth_policy.len(), size if size == 0 || size == digest)
}

/// Part 3, 28.5.
fn is_evict_object(handle: u32, object: &Object) -> bool {
    let platform = match object.hierarchy {
        Hierarchy::Owner | Hierarchy::Endorsement => false,
        Hierarchy::Platform => true,
        Hierarchy::Null => return false,
    };
    PersistentHandle::new(handle).is_ok_and(|handle| handle.is_platform() == platform)
        && !object.st_clear
        && is_object(object)
}

fn is_object(object: &Object) -> bool {
    object.name == object::name(&object.public)
        && load::consistent(&object.public, object.sensitive.as_ref(), Link::Unknown).is_ok()
}

/// Checks a running state on top of a permanent one that was checked.
pub(super) fn running(profile: &Profile, state: &State, time: &Timing) -> Result<(), RestoreError> {
    groups(profile, state)?;
    let volatile = &state.volatile;
    require(volatile.slots.len() <= profile.transient_slots)?;
    for slot in volatile.slots.iter().flatten() {
        require(match slot {
            Slot::Object(object) => is_object(object),
            Slot::Sequence(sequence) => is_sequence(sequence),
        })?;
    }
    require(volatile.hash_sequence.as_deref().is_none_or(is_sequence))?;
    let mut loaded = 0;
    for (index, slot) in &volatile.sessions {
        require(is_session_index(profile, *index))?;
        if let SessionSlot::Loaded(session) = slot {
            loaded += 1;
            require(is_session(*index, session))?;
        }
    }
    require(loaded <= profile.loaded_sessions)?;
    require(volatile.exclusive_audit.is_none_or(|handle| {
        let slot = volatile.sessions.get(&(handle & hc::HANDLE_MASK));
        match slot {
            Some(SessionSlot::Loaded(session)) => session.handle == handle,
            // Saving it does not end its exclusivity. Part 1, 17.2.
            Some(SessionSlot::Saved(_)) => true,
            None => false,
        }
    }))?;
    require(volatile.rate_ppm.unsigned_abs() <= RATE_LIMIT_PPM.unsigned_abs() && time.rest < 1_000_000)?;
    let clock_ms = time.time_ms.wrapping_add(volatile.clock_offset);
    require(clock_ms >= state.orderly.clock || !volatile.started)
}

/// An event sequence hashes once for each algorithm at most.
fn is_sequence(sequence: &Sequence) -> bool {
    match &sequence.kind {
        SequenceKind::Hash { .. } | SequenceKind::Hmac(_) | SequenceKind::Cmac(_) => true,
        SequenceKind::Sign { message, .. } => message.key.len() == signing::IDENTITY_SIZE,
        // What verifies never waits for the whole message.
        SequenceKind::Verify { message, hint, .. } => {
            message.key.len() == signing::IDENTITY_SIZE
                && matches!(hint.len(), 0 | KEY_SIZE)
                && !matches!(message.digest, MessageDigest::Whole)
        }
        SequenceKind::Event(hashers) => hashers
            .iter()
            .enumerate()
            .all(|(n, hasher)| !hashers.iter().skip(n + 1).any(|other| other.alg() == hasher.alg())),
    }
}

fn is_session(index: u32, session: &Session) -> bool {
    let digest = session.auth_hash.digest_size();
    let (first, policy) = match &session.kind {
        SessionKind::Hmac => (HmacSessionHandle::FIRST, None),
        SessionKind::Policy(policy) | SessionKind::Trial(policy) => {
            (PolicySessionHandle::FIRST, Some(policy))
        }
    };
    session.handle == first + index
        && matches!(session.key.len(), size if size == 0 || size == digest)
        && (16..=digest.max(16)).contains(&session.nonce_tpm.len())
        && session.audit_digest.as_ref().is_none_or(|audit| audit.len() == digest)
        && policy.is_none_or(|policy| is_policy_context(digest, policy))
}

fn is_policy_context(digest: usize, policy: &Policy) -> bool {
    policy.digest.len() == digest
}
