//! A TPM from its manufacture through power on and the indications of its interface. Part 1, 10.2 and 31; Part 3, 9.2 and 22.9.

use crate::{
    EntropyUnavailable, Host, Pending, Profile, Tpm, pcr,
    secret::Secret,
    selftest::SelfTests,
    state::{
        ClearData, Commits, DictionaryAttack, HierarchyRecord, NvMemory, Orderly, PcrValue, Persistent,
        ResetData, Sequence, State, Volatile, object::SequenceKind, persistent::Shutdown,
    },
    ticket::CONTEXT_HASH,
    time::Timing,
    tpm::{Call, Failure},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec,
    vec::Vec,
};
use sigillo_crypto::{
    Rng,
    drbg::Drbg,
    hash::{Digest, Hasher},
};
use sigillo_types::{
    HashAlg,
    buffers::{Tpm2bAuth, Tpm2bDigest},
    cc,
    structures::{PcrSelect, TpmlPcrSelection, TpmsPcrSelection},
};
use zeroize::Zeroizing;

/// Octets in a primary seed and in a proof.
pub(crate) const SEED_SIZE: usize = 64;
/// How this version derives primary keys from the seeds it draws. See docs/adr/0005-primary-key-derivation.md.
pub(crate) const DERIVATION_LEVEL: u8 = 16;
/// What [`Tpm::set_buffer_size`] begins with.
pub(crate) const DEFAULT_BUFFER_SIZE: u32 = 4096;
/// The smallest buffer the PC Client profile's mandatory commands fit in.
pub(crate) const MIN_BUFFER_SIZE: u32 = 1024;
/// The largest buffer: more would only be a larger allocation for a guest to ask for.
pub(crate) const MAX_BUFFER_SIZE: u32 = 16 * 1024;
/// The dictionary-attack parameters of a new owner, as shipping virtual TPMs have them.
const MAX_TRIES: u32 = 3;
const RECOVERY_TIME_S: u32 = 1000;
const LOCKOUT_RECOVERY_S: u32 = 1000;

/// A generator with fresh entropy of the host.
pub(crate) fn generator(host: &mut dyn Host) -> Result<Drbg, EntropyUnavailable> {
    let mut entropy = Zeroizing::new([0; 64]);
    host.entropy(&mut entropy[..])?;
    Drbg::instantiate(&entropy[..], &[], b"sigillo TPM").map_err(|_| EntropyUnavailable)
}

/// A seed or proof that was never there before.
pub(crate) fn fresh_seed(rng: &mut Drbg) -> Secret {
    Secret::filled(SEED_SIZE, |out| rng.fill(out))
}

fn fresh_hierarchy(rng: &mut Drbg) -> HierarchyRecord {
    HierarchyRecord {
        seed: fresh_seed(rng),
        proof: fresh_seed(rng),
        derivation_level: DERIVATION_LEVEL,
        auth: Tpm2bAuth::default(),
        policy_alg: None,
        policy: Tpm2bDigest::default(),
    }
}

/// The reset data that a TPM Reset begins with. Part 1, 34.4.4.
pub(crate) fn fresh_reset_data(rng: &mut Drbg) -> ResetData {
    ResetData {
        null_proof: fresh_seed(rng),
        null_seed: fresh_seed(rng),
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

/// The dictionary-attack data of a TPM without an owner. Part 1, 16.8.2.
pub(crate) fn fresh_da() -> DictionaryAttack {
    DictionaryAttack {
        failed_tries: 0,
        max_tries: MAX_TRIES,
        recovery_time_s: RECOVERY_TIME_S,
        lockout_recovery_s: LOCKOUT_RECOVERY_S,
        lockout_auth_enabled: true,
        self_heal_ms: 0,
        lockout_ms: 0,
    }
}

/// All PCR in every bank of the profile.
fn full_allocation(profile: &Profile) -> TpmlPcrSelection {
    let banks = profile.banks.iter().map(|hash| TpmsPcrSelection { hash: *hash, pcr_select: PcrSelect::ALL });
    TpmlPcrSelection::new(banks.collect()).unwrap_or_default()
}

fn fresh_state(profile: &Profile, rng: &mut Drbg) -> State {
    let pcr_allocation = full_allocation(profile);
    let pcrs = pcr::allocated(&pcr_allocation);
    let persistent = Persistent {
        owner: fresh_hierarchy(rng),
        endorsement: fresh_hierarchy(rng),
        platform: fresh_hierarchy(rng),
        lockout_auth: Tpm2bAuth::default(),
        lockout_policy_alg: None,
        lockout_policy: Tpm2bDigest::default(),
        disable_clear: false,
        reset_count: 0,
        total_reset_count: 0,
        pcr_allocation,
        audit_commands: BTreeSet::from([cc::SET_COMMAND_CODE_AUDIT_STATUS]),
        audit_hash_alg: CONTEXT_HASH,
        audit_counter: 0,
        pp_commands: BTreeSet::new(),
        // Nothing was lost yet: the first TPM2_Startup is an orderly one.
        shutdown: Some(Shutdown::Clear),
        max_counter: 0,
        established: false,
        tpm_generated_eps: true,
        pcr_policy_alg: None,
        pcr_policy: Tpm2bDigest::default(),
        startup_clear_due: false,
    };
    State {
        persistent: Arc::new(persistent),
        nv: Arc::new(NvMemory::default()),
        da: Arc::new(fresh_da()),
        orderly: Arc::new(Orderly { clock: 0, clock_safe: true, nv: BTreeMap::new() }),
        clear: Arc::new(ClearData::default()),
        reset: Arc::new(fresh_reset_data(rng)),
        pcrs: Arc::new(pcrs),
        volatile: Arc::new(Volatile::default()),
    }
}

impl Tpm {
    /// A new TPM with its own seeds and proofs. It is off: [`Tpm::init`] powers it on. Part 1, 12.
    ///
    /// Its state is not stored anywhere yet: store [`Tpm::permanent_state`] before the first command.
    ///
    /// # Errors
    /// When the host has no entropy.
    pub fn manufacture(profile: Profile, host: &mut dyn Host) -> Result<Self, EntropyUnavailable> {
        let mut rng = generator(host)?;
        let state = fresh_state(&profile, &mut rng);
        let mut id = [0; 16];
        rng.fill(&mut id);
        Ok(Self::assemble(profile, state, rng, id, 0))
    }

    /// What kind of TPM it was made as.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// A TPM that is off, from the parts that manufacture draws or storage holds.
    pub(crate) fn assemble(profile: Profile, state: State, rng: Drbg, id: [u8; 16], revision: u64) -> Self {
        Self {
            tests: SelfTests::with(&profile, &[]),
            profile,
            stored: state.clone(),
            state,
            rng,
            failure: None,
            buffer_size: DEFAULT_BUFFER_SIZE,
            powered: false,
            time: Timing::default(),
            id,
            revision,
            call: Call::default(),
        }
    }

    /// _TPM_Init: power on, or a reset of the platform. What was not stored is gone, and TPM2_Startup must come next. Part 3, 9.2.
    ///
    /// If the host has no entropy the TPM is in failure mode until the next call.
    pub fn init(&mut self, host: &mut dyn Host) {
        self.back_to_stored();
        let slots = vec![None; self.profile.transient_slots];
        self.state.volatile = Arc::new(Volatile { slots, ..Volatile::default() });
        if self.state.persistent.shutdown != Some(Shutdown::State) {
            self.state.clear = Arc::new(ClearData::default());
            self.state.pcrs = Arc::new(pcr::allocated(&self.state.persistent.pcr_allocation));
        }
        self.call = Call::default();
        self.tests = SelfTests::with(&self.profile, &[]);
        self.time = Timing { seen_ms: host.monotonic_ms(), ..Timing::default() };
        self.failure = None;
        self.powered = true;
        self.take_entropy(host);
    }

    /// Power off: only what was stored remains. Commands are refused until [`Tpm::init`].
    pub fn power_off(&mut self) {
        self.back_to_stored();
        self.powered = false;
    }

    /// Takes what was not stored, but for failed tries that could not be: a reset does not make room for more.
    fn back_to_stored(&mut self) {
        self.state = State { da: self.state.da.clone(), volatile: Arc::default(), ..self.stored.clone() };
    }

    /// Mixes fresh entropy into the generator; without any the TPM is in failure mode.
    pub(crate) fn take_entropy(&mut self, host: &mut dyn Host) {
        let mut entropy = Zeroizing::new([0; 64]);
        let reseeded = host.entropy(&mut entropy[..]).is_ok() && self.rng.reseed(&entropy[..], &[]).is_ok();
        if !reseeded {
            self.enter_failure(Failure::Entropy);
        }
    }

    /// Enters failure mode as the TPM was last stored: for a host that caught a panic of this crate, which is a bug, and cannot know what
    /// it left half done. [`Tpm::init`] ends it.
    pub fn fail(&mut self) {
        self.back_to_stored();
        self.call = Call::default();
        self.enter_failure(Failure::Internal);
    }

    /// Enters failure mode; the first reason stays. Part 1, 10.2.
    pub(crate) fn enter_failure(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// Whether [`Tpm::init`] was called since manufacture, restoring or [`Tpm::power_off`].
    #[must_use]
    pub fn is_powered(&self) -> bool {
        self.powered
    }

    /// Sets the octets that a command or response may have, and gives what holds now: `requested` brought into what is possible. Zero asks
    /// without changing. TPM_PT_MAX_COMMAND_SIZE.
    pub fn set_buffer_size(&mut self, requested: u32) -> u32 {
        if requested != 0 {
            self.buffer_size = requested.clamp(MIN_BUFFER_SIZE, MAX_BUFFER_SIZE);
        }
        self.buffer_size
    }

    /// The smallest and the largest size that [`Tpm::set_buffer_size`] gives.
    #[must_use]
    pub const fn buffer_size_range() -> (u32, u32) {
        (MIN_BUFFER_SIZE, MAX_BUFFER_SIZE)
    }

    /// tpmEstablished: whether a D-RTM event happened since it was last reset. PC Client profile, TPM_ACCESS.
    #[must_use]
    pub fn established(&self) -> bool {
        self.state.persistent.established
    }

    /// Resets tpmEstablished; `None` if `locality` may not (only 3 and 4 may). PC Client profile, resetEstablishmentBit.
    pub fn reset_established(&mut self, locality: u8) -> Option<Pending<'_>> {
        if !matches!(locality, 3 | 4) {
            return None;
        }
        let before = self.state.clone();
        self.call = Call::default();
        if self.state.persistent.established {
            self.state.persistent_mut().established = false;
        }
        Some(self.pending(before, Zeroizing::default()))
    }

    /// _TPM_Hash_Start: begins to measure an H-CRTM (before TPM2_Startup) or a D-RTM (after it). The reply of an indication is empty.
    /// Part 3, 22.9.
    pub fn hash_start(&mut self, host: &mut dyn Host) -> Pending<'_> {
        let before = self.indication(host);
        if self.powered && self.failure.is_none() {
            let hashers = self.state.pcrs.banks.iter().map(|bank| Hasher::new(bank.hash)).collect();
            let sequence = Sequence { auth: Tpm2bAuth::default(), kind: SequenceKind::Event(hashers) };
            self.state.volatile_mut().hash_sequence = Some(Arc::new(sequence));
        }
        self.pending(before, Zeroizing::default())
    }

    /// _TPM_Hash_Data: more of what is measured; nothing without a _TPM_Hash_Start. Part 3, 22.10.
    pub fn hash_data(&mut self, data: &[u8], host: &mut dyn Host) -> Pending<'_> {
        let before = self.indication(host);
        if self.state.volatile.hash_sequence.is_some()
            && let Some(sequence) = self.state.volatile_mut().hash_sequence.as_mut()
            && let SequenceKind::Event(hashers) = &mut Arc::make_mut(sequence).kind
        {
            for hasher in hashers {
                hasher.update(data);
            }
        }
        self.pending(before, Zeroizing::default())
    }

    /// _TPM_Hash_End: what was measured goes to PCR 0 (before TPM2_Startup) or PCR 17; nothing without a _TPM_Hash_Start. Part 3, 22.11.
    pub fn hash_end(&mut self, host: &mut dyn Host) -> Pending<'_> {
        let before = self.indication(host);
        if self.state.volatile.hash_sequence.is_some()
            && let Some(sequence) = self.state.volatile_mut().hash_sequence.take()
            && let SequenceKind::Event(hashers) = &sequence.kind
        {
            let digests: Vec<(HashAlg, Digest)> =
                hashers.iter().map(|hasher| (hasher.alg(), hasher.clone().finish())).collect();
            if self.state.volatile.started {
                self.drtm_event(&digests);
            } else {
                self.h_crtm_event(&digests);
            }
        }
        self.pending(before, Zeroizing::default())
    }

    /// Part 1, 31.2.
    fn drtm_event(&mut self, digests: &[(HashAlg, Digest)]) {
        self.drtm_pcrs(digests);
        let reset = self.state.reset_mut();
        reset.restart_count = reset.restart_count.wrapping_add(1);
        self.state.persistent_mut().established = true;
    }

    /// Part 1, 31.3: PCR 0 begins with the locality of the H-CRTM, which is 4. TPM2_Startup puts it there.
    fn h_crtm_event(&mut self, digests: &[(HashAlg, Digest)]) {
        let measured = digests
            .iter()
            .map(|(hash, digest)| (*hash, PcrValue::locality(*hash, 4).extended(*hash, digest)));
        self.state.volatile_mut().h_crtm = Some(measured.collect());
    }

    /// Lets time pass for an indication and gives the state to go back to. The open hash sequence stays.
    fn indication(&mut self, host: &mut dyn Host) -> State {
        let now_ms = host.monotonic_ms();
        self.call = Call::default();
        self.pass_time(now_ms);
        self.state.clone()
    }

    /// The outcome of what ran since `before`.
    pub(crate) fn pending(&mut self, before: State, reply: Zeroizing<Vec<u8>>) -> Pending<'_> {
        let permanent = self.settle(&before);
        Pending::new(self, before, reply, permanent)
    }
}
