//! What a TPM has, for those who look at it from outside: a doctor, a comparison of two stores. A copy without a secret in it, made from the
//! state's own groups, so that nothing is decoded twice.
//!
//! Seeds, proofs, authValues, private keys and the contents of indices that take a secret to read are there as [`Fingerprint`]s alone: whether
//! two states have the same ones can be told, and nothing else.

use crate::{
    Tpm, nv,
    state::{NvIndex, Object, persistent::Shutdown},
};
use alloc::{sync::Arc, vec::Vec};
use core::fmt;
use sigillo_crypto::hash::hash;
use sigillo_types::{
    HashAlg, Marshal,
    attributes::{NvType, TpmaNv},
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bName},
    handles::Hierarchy,
    structures::{PcrSelect, TpmtPublic},
};
use zeroize::Zeroizing;

/// Stands for octets that are not shown: equal for equal octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(octets: &[u8]) -> Self {
        let digest = hash(HashAlg::Sha256, &[b"sigillo fingerprint", octets]);
        let mut value = [0; 32];
        for (to, from) in value.iter_mut().zip(digest.iter()) {
            *to = *from;
        }
        Self(value)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The digest of a short secret would give it away to whoever tries them all.
        f.write_str("[fingerprint]")
    }
}

/// What a TPM has. [`Tpm::inventory`] makes it.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The name of its [`crate::Profile`].
    pub profile: &'static str,
    /// Drawn at manufacture: the same in all states of one TPM and its copies.
    pub tpm: Fingerprint,
    /// How many permanent states it has given to be stored.
    pub revision: u64,
    /// What it would go on from.
    pub resumes: Resumes,
    /// Its clock and counters.
    pub clock: Clock,
    /// The storage hierarchy.
    pub owner: HierarchyView,
    /// The endorsement hierarchy.
    pub endorsement: HierarchyView,
    /// The platform hierarchy. Its authValue and policy are lost with TPM Reset.
    pub platform: HierarchyView,
    /// The lockout authorization, which has no seed.
    pub lockout: HierarchyView,
    /// TPMA_PERMANENT.disableClear.
    pub disable_clear: bool,
    /// TPMA_PERMANENT.tpmGeneratedEPS.
    pub tpm_generated_eps: bool,
    /// Dictionary-attack protection.
    pub dictionary_attack: DictionaryAttackView,
    /// Persistent objects in the order of their handles.
    pub objects: Vec<ObjectView>,
    /// NV indices in the order of their handles.
    pub indices: Vec<NvIndexView>,
    /// NV octets that indices and objects take.
    pub nv_used: usize,
    /// NV octets that there are.
    pub nv_bytes: usize,
    /// Every bank of the profile, in the order of the allocation.
    pub banks: Vec<PcrBank>,
    /// The hash of the command audit.
    pub audit_hash: HashAlg,
    /// The audit counter.
    pub audit_counter: u64,
    /// How many commands are audited.
    pub audited_commands: usize,
    /// Loaded transient objects and sequences: of a running state.
    pub transient: usize,
    /// Sessions, loaded and saved: of a running state, or saved by TPM2_Shutdown(STATE).
    pub sessions: usize,
}

/// Where a TPM goes on when it gets power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumes {
    /// It lost power without TPM2_Shutdown, or something changed after one.
    AfterPowerLoss,
    /// After TPM2_Shutdown(CLEAR).
    AfterShutdownClear,
    /// After TPM2_Shutdown(STATE): TPM2_Startup(STATE) brings back PCR, sessions and platform data.
    AfterShutdownState,
    /// It is in the middle of running: a state that was suspended.
    Running,
}

/// Time and counts. Part 1, 33.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// `Clock` in ms, as last written.
    pub clock_ms: u64,
    /// `Safe`: no greater value was ever reported.
    pub safe: bool,
    /// TPM Resets since the last TPM2_Clear.
    pub reset_count: u32,
    /// TPM Resumes and Restarts since the last TPM Reset; known only where that state is kept.
    pub restart_count: Option<u32>,
    /// TPM Resets ever.
    pub total_reset_count: u64,
}

/// A hierarchy, or the lockout authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HierarchyView {
    /// Whether it can be used; `None` where that is decided at the next TPM2_Startup.
    pub enabled: Option<bool>,
    /// It has an authValue that is not empty; `None` where it is lost with power.
    pub auth_set: Option<bool>,
    /// Its policy, if it has one.
    pub policy: Option<(HashAlg, Tpm2bDigest)>,
    /// How primary keys are derived from its seed.
    pub derivation_level: Option<u8>,
    /// Its primary seed: another one means other primary keys.
    pub seed: Option<Fingerprint>,
    /// Its proof: with another one no ticket or saved context of the hierarchy is good any more.
    pub proof: Option<Fingerprint>,
    /// Its authValue.
    pub auth: Fingerprint,
}

/// Dictionary-attack protection. Part 1, 16.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DictionaryAttackView {
    /// failedTries.
    pub failed_tries: u32,
    /// maxTries.
    pub max_tries: u32,
    /// recoveryTime in seconds; 0 turns the protection off.
    pub recovery_time_s: u32,
    /// lockoutRecovery in seconds; 0: until the next TPM Reset.
    pub lockout_recovery_s: u32,
    /// What is protected answers TPM_RC_LOCKOUT.
    pub in_lockout: bool,
    /// lockoutAuth may be used.
    pub lockout_auth_enabled: bool,
}

/// A persistent object.
#[derive(Clone, Debug)]
pub struct ObjectView {
    /// Its persistent handle.
    pub handle: u32,
    /// The hierarchy it belongs to.
    pub hierarchy: Hierarchy,
    /// Its Name.
    pub name: Tpm2bName,
    /// Its Qualified Name.
    pub qualified_name: Tpm2bName,
    /// Its public area: what it is, what it may do, and the template it was made from.
    pub public: TpmtPublic,
    /// It was made from a primary seed.
    pub primary: bool,
    /// It has an authValue that is not empty; `None` without a sensitive area.
    pub auth_set: Option<bool>,
    /// Its sensitive area.
    pub sensitive: Option<Fingerprint>,
}

/// An NV index.
#[derive(Clone, Debug)]
pub struct NvIndexView {
    /// Its handle.
    pub handle: u32,
    /// Its Name.
    pub name: Tpm2bName,
    /// The hash of its Name.
    pub name_alg: HashAlg,
    /// TPMA_NV.
    pub attributes: TpmaNv,
    /// The policy, or the Empty Buffer.
    pub auth_policy: Tpm2bDigest,
    /// Octets of data.
    pub size: usize,
    /// It has an authValue that is not empty.
    pub auth_set: bool,
    /// Its authValue.
    pub auth: Fingerprint,
    /// What it holds, if it was written and it takes no secret to read it.
    pub contents: Option<Vec<u8>>,
    /// What it holds, if it was written.
    pub contents_fingerprint: Option<Fingerprint>,
}

/// The PCR of one hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcrBank {
    /// The hash.
    pub hash: HashAlg,
    /// The PCR it has from the next _TPM_Init on.
    pub allocated: PcrSelect,
    /// PCR and their values, where such a state is kept.
    pub values: Vec<(u32, Vec<u8>)>,
}

fn policy(alg: Option<HashAlg>, digest: &Tpm2bDigest) -> Option<(HashAlg, Tpm2bDigest)> {
    alg.map(|alg| (alg, digest.clone()))
}

impl Tpm {
    /// What this TPM has: of one that was restored, what storage holds; of one that was resumed, what runs.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        let state = &self.state;
        let (persistent, clear, da) = (&state.persistent, &state.clear, &state.da);
        let resumes = match (state.volatile.started, persistent.shutdown) {
            (true, _) => Resumes::Running,
            (false, Some(Shutdown::State)) => Resumes::AfterShutdownState,
            (false, Some(Shutdown::Clear)) => Resumes::AfterShutdownClear,
            (false, None) => Resumes::AfterPowerLoss,
        };
        // Otherwise TPM2_Startup makes clear and reset data and PCR anew before anything uses them.
        let kept = matches!(resumes, Resumes::Running | Resumes::AfterShutdownState);
        let running = resumes == Resumes::Running;
        let hierarchy =
            |record: &crate::state::HierarchyRecord, enabled: bool, auth: &Tpm2bAuth| HierarchyView {
                enabled: kept.then_some(enabled),
                auth_set: Some(!auth.is_empty()),
                policy: policy(record.policy_alg, &record.policy),
                derivation_level: Some(record.derivation_level),
                seed: Some(Fingerprint::of(&record.seed)),
                proof: Some(Fingerprint::of(&record.proof)),
                auth: Fingerprint::of(auth),
            };
        let (owner, endorsement, platform) =
            (&persistent.owner, &persistent.endorsement, &persistent.platform);
        Inventory {
            profile: self.profile.name,
            tpm: Fingerprint::of(&self.id),
            revision: self.revision,
            resumes,
            clock: Clock {
                clock_ms: state.orderly.clock,
                safe: state.orderly.clock_safe,
                reset_count: persistent.reset_count,
                restart_count: kept.then_some(state.reset.restart_count),
                total_reset_count: persistent.total_reset_count,
            },
            owner: hierarchy(owner, clear.sh_enable, &owner.auth),
            endorsement: hierarchy(endorsement, clear.eh_enable, &endorsement.auth),
            platform: HierarchyView {
                enabled: running.then_some(state.volatile.ph_enable),
                auth_set: kept.then_some(!clear.platform_auth.is_empty()),
                policy: policy(clear.platform_alg, &clear.platform_policy).filter(|_| kept),
                ..hierarchy(platform, false, &clear.platform_auth)
            },
            lockout: HierarchyView {
                enabled: None,
                auth_set: Some(!persistent.lockout_auth.is_empty()),
                policy: policy(persistent.lockout_policy_alg, &persistent.lockout_policy),
                derivation_level: None,
                seed: None,
                proof: None,
                auth: Fingerprint::of(&persistent.lockout_auth),
            },
            disable_clear: persistent.disable_clear,
            tpm_generated_eps: persistent.tpm_generated_eps,
            dictionary_attack: DictionaryAttackView {
                failed_tries: da.failed_tries,
                max_tries: da.max_tries,
                recovery_time_s: da.recovery_time_s,
                lockout_recovery_s: da.lockout_recovery_s,
                in_lockout: da.failed_tries >= da.max_tries,
                lockout_auth_enabled: da.lockout_auth_enabled,
            },
            objects: state.nv.evict.iter().map(|(handle, object)| object_view(*handle, object)).collect(),
            indices: state.nv.indices.iter().map(|(handle, index)| self.index_view(*handle, index)).collect(),
            nv_used: nv::used(&state.nv),
            nv_bytes: self.profile.nv_bytes,
            banks: self.bank_views(kept),
            audit_hash: persistent.audit_hash_alg,
            audit_counter: persistent.audit_counter,
            audited_commands: persistent.audit_commands.len(),
            transient: state.volatile.slots.iter().flatten().count(),
            sessions: if running { state.volatile.sessions.len() } else { state.reset.saved_sessions.len() },
        }
    }

    fn bank_views(&self, kept: bool) -> Vec<PcrBank> {
        let banks = self.state.persistent.pcr_allocation.iter().map(|bank| {
            let values = self.state.pcrs.bank(bank.hash).filter(|_| kept);
            let values = values.map(|values| {
                let pcrs = values.allocated.iter();
                pcrs.filter_map(|pcr| Some((pcr.raw(), values.value(pcr)?.as_slice().to_vec()))).collect()
            });
            PcrBank { hash: bank.hash, allocated: bank.pcr_select, values: values.unwrap_or_default() }
        });
        banks.collect()
    }

    fn index_view(&self, handle: u32, index: &Arc<NvIndex>) -> NvIndexView {
        let written = index.has(TpmaNv::WRITTEN);
        let data = Some(self.nv_data(index)).filter(|_| written);
        NvIndexView {
            handle,
            name: nv::name(index),
            name_alg: index.public.name_alg,
            attributes: index.attributes(),
            auth_policy: index.public.auth_policy.clone(),
            size: index.size(),
            auth_set: !index.auth.is_empty(),
            auth: Fingerprint::of(&index.auth),
            contents: data.filter(|_| self.is_public(index)).map(<[u8]>::to_vec),
            contents_fingerprint: data.map(Fingerprint::of),
        }
    }

    /// Whether everybody in the guest can read an index at any time: with an empty authValue, its own or the owner's, and without a read lock
    /// that would keep it for those who come first. What only a policy or the platform may read is not public. Part 3, 31.13.
    fn is_public(&self, index: &NvIndex) -> bool {
        let pin = index.is(NvType::PinFail) || index.is(NvType::PinPass);
        let by_auth = index.has(TpmaNv::AUTHREAD) && index.auth.is_empty() && !pin;
        let by_owner = index.has(TpmaNv::OWNERREAD) && self.state.persistent.owner.auth.is_empty();
        (by_auth || by_owner) && !index.attributes().intersects(TpmaNv::READLOCKED | TpmaNv::READ_STCLEAR)
    }
}

fn object_view(handle: u32, object: &Object) -> ObjectView {
    ObjectView {
        handle,
        hierarchy: object.hierarchy,
        name: object.name.clone(),
        qualified_name: object.qualified_name.clone(),
        public: object.public.clone(),
        primary: object.primary,
        auth_set: object.sensitive.as_ref().map(|sensitive| !sensitive.auth_value.is_empty()),
        sensitive: object
            .sensitive
            .as_ref()
            .map(|sensitive| Fingerprint::of(&Zeroizing::new(sensitive.to_bytes()))),
    }
}
