//! A command's outcome, held until its changes are durable.

use crate::{Tpm, few::Few, state::State};
use alloc::vec::Vec;
use sigillo_types::rc;
use zeroize::Zeroizing;

/// The outcome of a command that has run but is not answered yet.
///
/// Dropping it without [`Pending::stored`] undoes the command.
#[derive(Debug)]
#[must_use = "a command is undone if its outcome is dropped"]
pub struct Pending<'a> {
    tpm: &'a mut Tpm,
    /// To go back to if the changes cannot be stored; taken once the outcome is decided.
    before: Option<State>,
    /// Wiped where it is not given out.
    reply: Zeroizing<Vec<u8>>,
    permanent: Option<Zeroizing<Vec<u8>>>,
}

impl<'a> Pending<'a> {
    pub(crate) fn new(
        tpm: &'a mut Tpm,
        before: State,
        reply: Zeroizing<Vec<u8>>,
        permanent: Option<Zeroizing<Vec<u8>>>,
    ) -> Self {
        Self { tpm, before: Some(before), reply, permanent }
    }

    /// The permanent state to store durably before calling [`Pending::stored`]; `None` if it has not changed.
    #[must_use]
    pub fn permanent(&self) -> Option<&[u8]> {
        self.permanent.as_ref().map(|state| state.as_slice())
    }

    /// The reply, now that [`Pending::permanent`] is durable. The command's sessions get their new nonceTPM.
    #[must_use]
    pub fn stored(mut self) -> Vec<u8> {
        self.before = None;
        if self.permanent.is_some() {
            self.tpm.mark_stored();
        }
        self.tpm.roll_nonces();
        core::mem::take(&mut *self.reply)
    }

    /// The reply when the state could not be stored: the command is undone and answered with `TPM_RC_NV_UNAVAILABLE`.
    #[must_use]
    pub fn not_stored(self) -> Vec<u8> {
        crate::execute::error_reply(rc::NV_UNAVAILABLE)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            self.tpm.state = before;
            self.tpm.call.nonces = Few::default();
        }
    }
}
