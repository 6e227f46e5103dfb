//! State as bytes: what storage holds, and what a suspended or migrated TPM needs besides. See docs/adr/0004-state-encoding.md.
//!
//! | octets | content |
//! |---|---|
//! | 8 | `SIGILLO` and a zero |
//! | 4 | kind: 1 permanent, 2 volatile |
//! | 4 | format: 1 |
//! | 4 | length of the body |
//! | ... | body: one CBOR map |
//!
//! Numbers are big-endian. Fields of the maps are never renumbered; unknown ones are ignored, so that a later version may add some.
//! Whatever the bytes say, reading them allocates no more than a small multiple of their length, and what comes out keeps every
//! promise that the rest of the engine relies on ([`check`]).

mod check;
mod permanent;
mod volatile;

use crate::{
    EntropyUnavailable, Host, RestoreError, Tpm, lifecycle, state::SessionSlot, state::State,
    state::persistent::Shutdown,
};
use alloc::{sync::Arc, vec::Vec};
use core::convert::Infallible;
use minicbor::{Decode, Decoder, Encode, Encoder, encode};
use sigillo_types::cc;
use zeroize::{Zeroize, Zeroizing};

const MAGIC: &[u8; 8] = b"SIGILLO\0";
const FORMAT: u32 = 1;
/// More than the fullest TPM needs: 128 KiB of NV, sixteen loaded objects, sixty-four sessions.
const MAX_BODY: usize = 1024 * 1024;

/// What a blob holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// What storage holds.
    Permanent = 1,
    /// What power loss takes.
    Volatile = 2,
}

/// Bytes that leave no copy behind when they grow.
#[derive(Default)]
struct SecretWriter(Vec<u8>);

impl encode::Write for SecretWriter {
    type Error = Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        let needed = self.0.len().saturating_add(bytes.len());
        if needed > self.0.capacity() {
            let mut larger = Vec::with_capacity(needed.next_power_of_two().max(4096));
            larger.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

fn seal<T: Encode<()>>(kind: Kind, body: &T) -> Zeroizing<Vec<u8>> {
    let mut encoder = Encoder::new(SecretWriter::default());
    // Writing into memory does not fail, and no field of the state refuses to be encoded.
    let encoded = encoder.encode(body).is_ok();
    debug_assert!(encoded);
    let body = Zeroizing::new(encoder.into_writer().0);
    let mut out = Zeroizing::new(Vec::with_capacity(20 + body.len()));
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&(kind as u32).to_be_bytes());
    out.extend_from_slice(&FORMAT.to_be_bytes());
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(&body);
    out
}

fn open<'b, T: Decode<'b, ()>>(kind: Kind, bytes: &'b [u8]) -> Result<T, RestoreError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(RestoreError::NotTpmState)?;
    let (header, body) = rest.split_first_chunk::<12>().ok_or(RestoreError::Damaged)?;
    let [found, format, length] = [0, 4, 8].map(|at| {
        let octets = header.get(at..at + 4).and_then(<[u8]>::first_chunk);
        octets.map_or(0, |octets| u32::from_be_bytes(*octets))
    });
    if found != kind as u32 {
        return Err(RestoreError::NotTpmState);
    }
    if format > FORMAT {
        return Err(RestoreError::TooNew { format });
    }
    if format == 0 || body.len() > MAX_BODY || usize::try_from(length) != Ok(body.len()) {
        return Err(RestoreError::Damaged);
    }
    let mut decoder = Decoder::new(body);
    let value = decoder.decode().map_err(|_| RestoreError::Damaged)?;
    if decoder.position() == body.len() { Ok(value) } else { Err(RestoreError::Damaged) }
}

/// Whether a command's answer shows Clock, so that an orderly shutdown before it would let Clock repeat. Part 1, 33.3.3.
fn shows_clock(code: u32) -> bool {
    matches!(
        code,
        cc::READ_CLOCK
            | cc::GET_TIME
            | cc::QUOTE
            | cc::CERTIFY
            | cc::CERTIFY_CREATION
            | cc::NV_CERTIFY
            | cc::GET_SESSION_AUDIT_DIGEST
            | cc::GET_COMMAND_AUDIT_DIGEST
            | cc::POLICY_COUNTER_TIMER
    )
}

impl Tpm {
    /// Ends what ran since `before`: an earlier TPM2_Shutdown is nullified if what it saved has changed, and the permanent state is
    /// given if what storage holds is behind. Part 3, 9.4.
    pub(crate) fn settle(&mut self, before: &State) -> Option<Zeroizing<Vec<u8>>> {
        if !self.call.shut_down
            && self.state.persistent.shutdown.is_some()
            && (self.changed_since(before) || shows_clock(self.call.code))
        {
            self.state.persistent_mut().shutdown = None;
        }
        let (state, stored) = (&self.state, &self.stored);
        let behind = !Arc::ptr_eq(&state.persistent, &stored.persistent)
            || !Arc::ptr_eq(&state.nv, &stored.nv)
            || !Arc::ptr_eq(&state.da, &stored.da)
            || state.orderly.clock != stored.orderly.clock
            || state.orderly.clock_safe != stored.orderly.clock_safe
            // What TPM2_Shutdown(STATE) saved: a timer that has run out since stays so.
            || state.persistent.shutdown == Some(Shutdown::State)
                && !state.clear.signaled_acts().eq(stored.clear.signaled_acts());
        behind.then(|| self.encode_permanent())
    }

    /// The permanent state to be stored next.
    pub(crate) fn encode_permanent(&self) -> Zeroizing<Vec<u8>> {
        permanent::encode(self, &self.state, self.revision.wrapping_add(1))
    }

    /// Whether anything that TPM2_Shutdown saves has changed.
    fn changed_since(&self, before: &State) -> bool {
        let state = &self.state;
        let saved = &state.reset.saved_sessions;
        let sessions = state.volatile.sessions.iter().filter_map(|(index, slot)| match slot {
            SessionSlot::Saved(version) => Some((index, version)),
            SessionSlot::Loaded(_) => None,
        });
        !Arc::ptr_eq(&state.persistent, &before.persistent)
            || !Arc::ptr_eq(&state.nv, &before.nv)
            || !Arc::ptr_eq(&state.orderly, &before.orderly)
            || !Arc::ptr_eq(&state.clear, &before.clear)
            || !Arc::ptr_eq(&state.reset, &before.reset)
            || !Arc::ptr_eq(&state.pcrs, &before.pcrs)
            || (state.persistent.shutdown == Some(Shutdown::State) && !sessions.eq(saved))
    }

    /// Storage holds the state as it is now.
    pub(crate) fn mark_stored(&mut self) {
        self.stored = State { volatile: Arc::default(), ..self.state.clone() };
        self.revision = self.revision.wrapping_add(1);
    }

    /// The permanent state as it was last given to be stored.
    #[must_use]
    pub fn permanent_state(&self) -> Zeroizing<Vec<u8>> {
        permanent::encode(self, &self.stored, self.revision)
    }

    /// What power loss would take: together with the permanent state the TPM continues from it in another process or on another host.
    #[must_use]
    pub fn volatile_state(&self) -> Zeroizing<Vec<u8>> {
        volatile::encode(self)
    }

    /// A TPM that is off, from its permanent state; [`Tpm::init`] powers it on.
    ///
    /// # Errors
    /// What is wrong with the bytes, or [`RestoreError::EntropyUnavailable`].
    pub fn restore(permanent: &[u8], host: &mut dyn Host) -> Result<Self, RestoreError> {
        let stored = permanent::decode(permanent)?;
        let rng = lifecycle::generator(host)?;
        Ok(Self::assemble(stored.profile, stored.state, rng, stored.id, stored.revision))
    }

    /// A TPM that continues where [`Tpm::volatile_state`] was taken. Its generator starts anew, so that two copies of one state do not draw
    /// the same numbers; Time goes on from where it was.
    ///
    /// # Errors
    /// What is wrong with the bytes, [`RestoreError::Mismatch`] if the two are not of the same TPM at the same time, or
    /// [`RestoreError::EntropyUnavailable`].
    pub fn resume(permanent: &[u8], volatile: &[u8], host: &mut dyn Host) -> Result<Self, RestoreError> {
        let mut tpm = Self::restore(permanent, host)?;
        volatile::apply(&mut tpm, volatile, host.monotonic_ms())?;
        Ok(tpm)
    }
}

impl From<EntropyUnavailable> for RestoreError {
    fn from(_: EntropyUnavailable) -> Self {
        Self::EntropyUnavailable
    }
}
