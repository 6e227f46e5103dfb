//! Session slots: which handles name a session, and where one may be put. Part 1, 16.5 and 27.5.

use crate::{
    Tpm,
    state::{
        Session, SessionSlot,
        session::{Policy, SessionKind},
    },
};
use alloc::sync::Arc;
use sigillo_crypto::hash::{Digest, hash};
use sigillo_types::{
    Rc,
    buffers::Tpm2bDigest,
    handles::{PolicySessionHandle, hc},
    rc,
};

/// The greatest distance between the version numbers of saved sessions. TPM_PT_CONTEXT_GAP_MAX.
pub(crate) const CONTEXT_GAP_MAX: u64 = 0xFFFF;

/// Why a session handle names no session that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSession {
    /// It was never started, is flushed, or is saved.
    NotLoaded,
    /// It is loaded, but of the other type than the handle says.
    OtherType,
}

/// A digest in the form that structures hold.
pub(crate) fn sized(digest: &Digest) -> Tpm2bDigest {
    // No digest is longer than the type's maximum.
    Tpm2bDigest::new(digest).unwrap_or_default()
}

impl Session {
    /// The policy context of a policy or trial session.
    pub(crate) fn policy(&self) -> Option<&Policy> {
        match &self.kind {
            SessionKind::Hmac => None,
            SessionKind::Policy(policy) | SessionKind::Trial(policy) => Some(policy),
        }
    }

    /// The policy context, about to change.
    pub(crate) fn policy_mut(&mut self) -> Option<&mut Policy> {
        match &mut self.kind {
            SessionKind::Hmac => None,
            SessionKind::Policy(policy) | SessionKind::Trial(policy) => Some(policy),
        }
    }

    /// Whether it computes a policy digest only.
    pub(crate) fn is_trial(&self) -> bool {
        matches!(self.kind, SessionKind::Trial(_))
    }

    /// Sets policyDigest to the hash of the old one and `parts`.
    pub(crate) fn extend_policy(&mut self, parts: &[&[u8]]) {
        let alg = self.auth_hash;
        let Some(policy) = self.policy_mut() else { return };
        let mut all: [&[u8]; 6] = [&[]; 6];
        for (place, part) in all.iter_mut().zip(core::iter::once(&policy.digest.as_slice()).chain(parts)) {
            *place = part;
        }
        policy.digest = sized(&hash(alg, &all));
    }

    /// Sets policyDigest to a Zero Digest.
    pub(crate) fn reset_policy_digest(&mut self) {
        let zero = zero_digest(self.auth_hash.digest_size());
        if let Some(policy) = self.policy_mut() {
            policy.digest = zero;
        }
    }

    /// Returns a policy session to the state it was started in, as Part 1, 16.7.8 lists it.
    pub(crate) fn restart_policy(&mut self) {
        let start = Policy::start(self.auth_hash.digest_size());
        if let Some(policy) = self.policy_mut() {
            *policy = start;
        }
    }
}

impl Policy {
    /// The policy context of a new session whose digests have `size` octets.
    pub(crate) fn start(size: usize) -> Self {
        Self {
            digest: zero_digest(size),
            auth_value_needed: false,
            password_needed: false,
            pp_needed: false,
            command_code: None,
            bound_hash: None,
            locality: None,
            nv_written: None,
            pcr_counter: None,
            timeout_ms: None,
            channel_needed: false,
        }
    }
}

/// A digest of zeros.
pub(crate) fn zero_digest(size: usize) -> Tpm2bDigest {
    const ZEROS: [u8; Tpm2bDigest::MAX] = [0; Tpm2bDigest::MAX];
    Tpm2bDigest::new(ZEROS.get(..size).unwrap_or_default()).unwrap_or_default()
}

impl Tpm {
    /// The loaded session at a handle of its own type.
    pub(crate) fn session(&self, handle: u32) -> Result<&Arc<Session>, NoSession> {
        match self.state.volatile.sessions.get(&(handle & hc::HANDLE_MASK)) {
            Some(SessionSlot::Loaded(session)) if session.handle == handle => Ok(session),
            Some(SessionSlot::Loaded(_)) => Err(NoSession::OtherType),
            Some(SessionSlot::Saved(_)) | None => Err(NoSession::NotLoaded),
        }
    }

    /// The loaded session at a handle, about to change. Sessions are volatile: nothing of this reaches a disk.
    pub(crate) fn session_mut(&mut self, handle: u32) -> Option<&mut Session> {
        match self.state.volatile_mut().sessions.get_mut(&(handle & hc::HANDLE_MASK)) {
            Some(SessionSlot::Loaded(session)) if session.handle == handle => Some(Arc::make_mut(session)),
            Some(SessionSlot::Loaded(_) | SessionSlot::Saved(_)) | None => None,
        }
    }

    /// The policy or trial session at a handle of a command. The pipeline has seen that it is loaded.
    pub(crate) fn policy_session(&self, handle: PolicySessionHandle) -> Result<&Arc<Session>, Rc> {
        self.session(handle.raw()).map_err(|_| rc::FAILURE)
    }

    /// The policy or trial session at a handle of a command, about to change.
    pub(crate) fn policy_session_mut(&mut self, handle: PolicySessionHandle) -> Result<&mut Session, Rc> {
        self.session_mut(handle.raw()).ok_or(rc::FAILURE)
    }

    /// Gives the sessions of the command their new nonceTPM. Nothing holds the state before the command any more: no copy of it is made.
    pub(crate) fn roll_nonces(&mut self) {
        for (handle, nonce) in core::mem::take(&mut self.call.nonces).iter() {
            // A session that was not to be continued is gone.
            if let Some(session) = self.session_mut(*handle) {
                session.nonce_tpm = nonce.clone();
            }
        }
    }

    /// Forgets the session at a handle, loaded or saved; says whether there was one.
    pub(crate) fn flush_session(&mut self, handle: u32) -> bool {
        let index = handle & hc::HANDLE_MASK;
        if !self.state.volatile.sessions.contains_key(&index) {
            return false;
        }
        let volatile = self.state.volatile_mut();
        volatile.sessions.remove(&index);
        volatile.exclusive_audit =
            volatile.exclusive_audit.filter(|exclusive| exclusive & hc::HANDLE_MASK != index);
        true
    }

    /// How many sessions are loaded.
    pub(crate) fn loaded_sessions(&self) -> usize {
        let sessions = self.state.volatile.sessions.values();
        sessions.filter(|slot| matches!(slot, SessionSlot::Loaded(_))).count()
    }

    /// Whether the oldest saved session must be loaded before another version number is given out. Part 1, 27.5.
    pub(crate) fn is_context_gap(&self) -> bool {
        let saved = self.state.volatile.sessions.values().filter_map(|slot| match slot {
            SessionSlot::Saved(version) => Some(*version),
            SessionSlot::Loaded(_) => None,
        });
        saved
            .min()
            .is_some_and(|oldest| self.state.reset.context_counter.saturating_sub(oldest) >= CONTEXT_GAP_MAX)
    }

    /// What changes whenever Time starts anew: each TPM2_Startup counts in one of the two. Part 1, 16.7.12.
    pub(crate) fn time_epoch(&self) -> u64 {
        (self.state.persistent.total_reset_count << 32) | u64::from(self.state.reset.restart_count)
    }

    /// An index for a new session.
    ///
    /// # Errors
    /// - `SESSION_MEMORY`: as many are loaded as can be.
    /// - `CONTEXT_GAP`: a saved session is too old.
    /// - `SESSION_HANDLES`: as many are active as can be.
    pub(crate) fn free_session(&self) -> Result<u32, Rc> {
        if self.loaded_sessions() >= self.profile.loaded_sessions {
            return Err(rc::SESSION_MEMORY);
        }
        if self.is_context_gap() {
            return Err(rc::CONTEXT_GAP);
        }
        let max = u32::try_from(self.profile.active_sessions).unwrap_or(u32::MAX);
        (0..max).find(|index| !self.state.volatile.sessions.contains_key(index)).ok_or(rc::SESSION_HANDLES)
    }
}
