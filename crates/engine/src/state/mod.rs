//! Everything a TPM remembers, grouped by how long it is remembered. Part 1, 34.4 and 34.5.
//!
//! | group | survives | Part 1 |
//! |---|---|---|
//! | [`Persistent`], [`NvMemory`] | everything | 34.5, 34.2 |
//! | [`DictionaryAttack`] | everything, and the undoing of a failed command | 17.8 |
//! | [`Orderly`] | an orderly shutdown | 34.4.2 |
//! | [`ClearData`] | TPM Resume | 34.4.3 |
//! | [`ResetData`] | TPM Resume and Restart | 34.4.4 |
//! | [`Pcrs`] | as the PC Client profile says, TPM Resume | 34.4.3 |
//! | [`Volatile`] | nothing | |
//!
//! Each group stands behind an `Arc`: a clone of the whole is a handful of counters, a write copies only what it touches, and "has
//! it changed" is a comparison of pointers.

pub(crate) mod act;
pub(crate) mod cbor;
pub(crate) mod commit;
pub(crate) mod nv;
pub(crate) mod object;
pub(crate) mod pcr;
pub(crate) mod persistent;
pub(crate) mod session;

pub(crate) use act::Act;
pub(crate) use commit::Commits;
pub(crate) use nv::{NvIndex, NvMemory, NvPublic};
pub(crate) use object::{Object, Sequence, Slot};
pub(crate) use pcr::{PcrValue, Pcrs};
pub(crate) use persistent::{DictionaryAttack, HierarchyRecord, Persistent};
pub(crate) use session::{Session, SessionSlot};

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use minicbor::{Decode, Encode};
use sigillo_types::{HashAlg, buffers::Tpm2bAuth, buffers::Tpm2bDigest};

use crate::secret::Secret;

/// The state of a TPM.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) persistent: Arc<Persistent>,
    pub(crate) nv: Arc<NvMemory>,
    /// Not undone when a command fails: a failed try must count.
    pub(crate) da: Arc<DictionaryAttack>,
    pub(crate) orderly: Arc<Orderly>,
    pub(crate) clear: Arc<ClearData>,
    pub(crate) reset: Arc<ResetData>,
    /// The PCR that Shutdown(STATE) saves are clear data; the others are volatile.
    pub(crate) pcrs: Arc<Pcrs>,
    pub(crate) volatile: Arc<Volatile>,
}

macro_rules! groups_mut {
    ($($(#[$doc:meta])* $name:ident => $field:ident: $group:ty;)+) => {$(
        $(#[$doc])*
        pub(crate) fn $name(&mut self) -> &mut $group {
            Arc::make_mut(&mut self.$field)
        }
    )+};
}

impl State {
    groups_mut! {
        /// The persistent data, about to change.
        persistent_mut => persistent: Persistent;
        /// NV indices and persistent objects, about to change.
        nv_mut => nv: NvMemory;
        /// The dictionary-attack data, about to change.
        da_mut => da: DictionaryAttack;
        /// The orderly data, about to change.
        orderly_mut => orderly: Orderly;
        /// The clear data, about to change.
        clear_mut => clear: ClearData;
        /// The reset data, about to change.
        reset_mut => reset: ResetData;
        /// The PCR, about to change.
        pcrs_mut => pcrs: Pcrs;
        /// The volatile data, about to change.
        volatile_mut => volatile: Volatile;
    }
}

/// NV orderly data: saved by every Shutdown. Part 1, 34.4.2.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Orderly {
    /// `Clock` in ms, as last written to NV. Part 1, 33.3.
    #[n(0)]
    pub(crate) clock: u64,
    /// `Safe`: no value of `Clock` greater than this one was ever reported. Part 1, 33.3.4.
    #[n(1)]
    pub(crate) clock_safe: bool,
    /// The contents of orderly NV indices, by handle. Part 1, 34.2.4.
    #[cbor(n(2), with = "cbor::byte_map")]
    pub(crate) nv: BTreeMap<u32, Vec<u8>>,
}

/// NV clear data: saved by Shutdown(STATE), lost by TPM Restart and TPM Reset. Part 1, 34.4.3.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ClearData {
    #[n(0)]
    pub(crate) sh_enable: bool,
    #[n(1)]
    pub(crate) eh_enable: bool,
    #[n(2)]
    pub(crate) ph_enable_nv: bool,
    #[cbor(n(3), with = "cbor::canonical_option")]
    pub(crate) platform_alg: Option<HashAlg>,
    #[cbor(n(4), with = "cbor::canonical")]
    pub(crate) platform_policy: Tpm2bDigest,
    #[cbor(n(5), with = "cbor::canonical")]
    pub(crate) platform_auth: Tpm2bAuth,
    /// The locality that TPM2_Startup(CLEAR) came from: TPM Resume has to come from the same. Part 1, 31.3.
    #[n(6)]
    pub(crate) startup_locality: u8,
    /// An H-CRTM event came before TPM2_Startup(CLEAR): one has to come before TPM Resume too. Part 1, 31.3.
    #[n(7)]
    pub(crate) h_crtm: bool,
    /// The authValue of the PCR that have one. Part 3, 22.7.
    #[cbor(n(8), with = "cbor::canonical", default)]
    pub(crate) pcr_auth: Tpm2bAuth,
    /// Nothing persistent may change. TPMA_STARTUP_CLEAR.readOnly.
    #[cbor(n(9), default)]
    pub(crate) read_only: bool,
    /// The countdown timers that were ever used, by handle. Part 1, 40.
    #[cbor(n(10), default)]
    pub(crate) acts: BTreeMap<u32, Act>,
}

impl ClearData {
    /// The handles of the timers that have run out, and were not set since.
    pub(crate) fn signaled_acts(&self) -> impl Iterator<Item = u32> {
        self.acts.iter().filter(|(_, act)| act.signaled).map(|(handle, _)| *handle)
    }
}

impl Default for ClearData {
    fn default() -> Self {
        Self {
            sh_enable: true,
            eh_enable: true,
            ph_enable_nv: true,
            platform_alg: None,
            platform_policy: Tpm2bDigest::default(),
            platform_auth: Tpm2bAuth::default(),
            startup_locality: 0,
            h_crtm: false,
            pcr_auth: Tpm2bAuth::default(),
            read_only: false,
            acts: BTreeMap::new(),
        }
    }
}

/// NV reset data: saved by Shutdown(STATE), lost by TPM Reset. Part 1, 34.4.4.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ResetData {
    #[n(0)]
    pub(crate) null_proof: Secret,
    #[n(1)]
    pub(crate) null_seed: Secret,
    /// TPM Restarts since the last TPM Reset; tags the contexts of stClear objects.
    #[n(2)]
    pub(crate) clear_count: u32,
    /// Numbers the saved object contexts, and is in the key of each.
    #[n(3)]
    pub(crate) object_context_id: u64,
    /// The version number of the next saved session context.
    #[n(4)]
    pub(crate) context_counter: u64,
    /// As `Volatile::sessions` at Shutdown(STATE): index and version number of each session saved outside the TPM.
    #[n(5)]
    pub(crate) saved_sessions: BTreeMap<u32, u64>,
    /// Empty until an audited command ran.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub(crate) command_audit_digest: Vec<u8>,
    /// TPM Resumes, TPM Restarts and D-RTM events since the last TPM Reset.
    #[n(7)]
    pub(crate) restart_count: u32,
    /// Changes of PCR.
    #[n(8)]
    pub(crate) pcr_update_counter: u32,
    /// The split operations since the last TPM Reset.
    #[cbor(n(9), default)]
    pub(crate) commits: Commits,
}

/// What a TPM forgets without power.
#[derive(Clone, Debug, Default)]
pub(crate) struct Volatile {
    /// TPM2_Startup has run since _TPM_Init.
    pub(crate) started: bool,
    /// Nothing that an orderly shutdown saves was lost before it. TPMA_STARTUP_CLEAR.orderly.
    pub(crate) orderly: bool,
    pub(crate) ph_enable: bool,
    /// Transient objects and sequences by slot; the handle is `0x80000000 + slot`.
    pub(crate) slots: Vec<Option<Slot>>,
    /// Sessions by index, loaded or saved; at most the number of active sessions.
    pub(crate) sessions: BTreeMap<u32, SessionSlot>,
    /// The session handle of the exclusive audit session.
    pub(crate) exclusive_audit: Option<u32>,
    /// H-CRTM: what an event sequence between _TPM_Init and TPM2_Startup made of PCR 0, for each bank. Part 1, 31.3.
    pub(crate) h_crtm: Option<Vec<(HashAlg, PcrValue)>>,
    /// TPM2_PCR_Allocate has run: until the next _TPM_Init no Shutdown(STATE). Part 3, 22.5.
    pub(crate) pcr_reallocated: bool,
    /// Clock is Time and this, modulo 2^64.
    pub(crate) clock_offset: u64,
    /// How much faster than the host's clock Time advances, in millionths. Part 3, 29.3.
    pub(crate) rate_ppm: i32,
    /// The open _TPM_Hash_Start sequence.
    pub(crate) hash_sequence: Option<Arc<Sequence>>,
}
