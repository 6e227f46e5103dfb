//! The TPM as its host sees it.

use crate::{
    Profile,
    da::WrongTry,
    execute::MAX_SESSIONS,
    few::Few,
    selftest::SelfTests,
    state::{Object, Sequence, Slot, State},
    time::Timing,
};
use alloc::sync::Arc;
use core::fmt;
use minicbor::{Decode, Encode};
use sigillo_crypto::drbg::Drbg;
use sigillo_types::{Fmt1, Reader, buffers::Tpm2bNonce, rc};

/// What a TPM needs from the machine it runs on, given with each call.
pub trait Host {
    /// Milliseconds since some fixed moment; never goes back while a [`Tpm`] lives.
    fn monotonic_ms(&mut self) -> u64;

    /// Fills `out` with fresh entropy of the operating system.
    ///
    /// # Errors
    /// When there is none: the TPM then enters failure mode rather than go on without.
    fn entropy(&mut self, out: &mut [u8]) -> Result<(), EntropyUnavailable>;

    /// Whether somebody at the machine asserts physical presence. Without such a signal what needs it cannot be done. Part 3, 26.2.
    fn physical_presence(&self) -> bool {
        false
    }

    /// Whether the driver asked to cancel the command.
    fn canceled(&self) -> bool {
        false
    }
}

/// The host has no entropy to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntropyUnavailable;

impl fmt::Display for EntropyUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host gave no entropy; the TPM cannot make keys or nonces without it")
    }
}

impl core::error::Error for EntropyUnavailable {}

/// Saved state that cannot be restored. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// Not state of a sigillo TPM.
    NotTpmState,
    /// Written by a newer version than this one can read.
    TooNew {
        /// The format number found.
        format: u32,
    },
    /// It names a profile that this version does not have.
    UnknownProfile,
    /// It does not decode, or says impossible things.
    Damaged,
    /// The permanent and the volatile state are not of the same TPM at the same time.
    Mismatch,
    /// The host gave no entropy for the restored TPM's random number generator.
    EntropyUnavailable,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTpmState => f.write_str("this is not the state of a sigillo TPM"),
            Self::TooNew { format } => {
                write!(f, "this TPM state has format {format}, which a newer sigillo wrote")
            }
            Self::UnknownProfile => {
                f.write_str("this TPM state is of a profile that this sigillo does not have")
            }
            Self::Damaged => f.write_str("this TPM state is damaged"),
            Self::Mismatch => f.write_str("the permanent and the volatile state do not belong together"),
            Self::EntropyUnavailable => fmt::Display::fmt(&EntropyUnavailable, f),
        }
    }
}

impl core::error::Error for RestoreError {}

/// A TPM 2.0.
#[derive(Debug)]
pub struct Tpm {
    pub(crate) profile: Profile,
    /// What commands read and change.
    pub(crate) state: State,
    /// What the host's storage holds: where power loss would lead back to.
    pub(crate) stored: State,
    /// Outside the transaction: output once drawn is never drawn again.
    pub(crate) rng: Drbg,
    /// `Some`: failure mode. Part 1, 10.2.6.
    pub(crate) failure: Option<Failure>,
    /// The bytes that a command or response may have. TPM_PT_MAX_COMMAND_SIZE.
    pub(crate) buffer_size: u32,
    /// _TPM_Init has been received.
    pub(crate) powered: bool,
    /// Outside the transaction: what failed does not turn time back.
    pub(crate) time: Timing,
    /// Outside the transaction: the verdict of the self-tests.
    pub(crate) tests: SelfTests,
    /// Drawn once at manufacture: tells this TPM's states from another's.
    pub(crate) id: [u8; 16],
    /// How many permanent states this TPM has given to be stored.
    pub(crate) revision: u64,
    /// About the command being executed.
    pub(crate) call: Call,
}

/// Why the TPM is in failure mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Failure {
    /// The host had no entropy.
    #[n(0)]
    Entropy,
    /// A self-test gave a wrong answer.
    #[n(1)]
    SelfTest,
    /// Our own bug: a state that should not be possible.
    #[n(2)]
    Internal,
}

/// What holds for the command being executed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) locality: u8,
    pub(crate) physical_presence: bool,
    /// Its command code; 0 while an indication is handled.
    pub(crate) code: u32,
    /// It is a TPM2_Shutdown that succeeded: what it changes does not nullify it.
    pub(crate) shut_down: bool,
    /// A wrong authorization, to be counted after the command is undone.
    pub(crate) wrong_try: Option<WrongTry>,
    /// Set by a handler whose command the command audit passes over. Part 3, 21.2.
    pub(crate) unaudited: bool,
    /// nonceTPM of its sessions from when the answer leaves: nobody has seen them before, and nothing is to be undone until then.
    pub(crate) nonces: Few<(u32, Tpm2bNonce), MAX_SESSIONS>,
}

impl Tpm {
    /// A cursor over what a caller sent: it knows no algorithm that the profile does not have.
    pub(crate) fn reader<'a>(&'a self, bytes: &'a [u8]) -> Reader<'a> {
        Reader::within(&self.profile.implemented, bytes)
    }

    /// The object at a transient or persistent handle.
    ///
    /// The pipeline has checked that the handle exists. A sequence is not an object: it answers `TYPE`, whatever the slot held before.
    pub(crate) fn object(&self, handle: u32) -> Result<&Arc<Object>, Fmt1> {
        if let Some(object) = self.state.nv.evict.get(&handle) {
            return Ok(object);
        }
        match self.slot(handle) {
            Some(Slot::Object(object)) => Ok(object),
            Some(Slot::Sequence(_)) => Err(rc::TYPE),
            None => Err(rc::HANDLE),
        }
    }

    /// The sequence at a transient handle; an object, which may be persistent, answers `MODE`.
    pub(crate) fn sequence(&self, handle: u32) -> Result<&Arc<Sequence>, Fmt1> {
        match self.slot(handle) {
            Some(Slot::Sequence(sequence)) => Ok(sequence),
            Some(Slot::Object(_)) => Err(rc::MODE),
            None if self.state.nv.evict.contains_key(&handle) => Err(rc::MODE),
            None => Err(rc::HANDLE),
        }
    }

    /// What a transient handle names.
    pub(crate) fn slot(&self, handle: u32) -> Option<&Slot> {
        let index = handle.checked_sub(sigillo_types::handles::hc::TRANSIENT)?;
        self.state.volatile.slots.get(usize::try_from(index).ok()?)?.as_ref()
    }
}
