//! Split operations: a key for one use, made in one command and used in another. Part 1, 44.2.
//!
//! The TPM keeps no such key, only a secret and a count, and makes the key again from them. A bit for each of the last counts tells whether
//! the key still waits for its use.

use crate::{Tpm, lifecycle::fresh_seed, state::Object, ticket::CONTEXT_HASH};
use sigillo_crypto::{EccCurve, HashAlg, ecc::EcPrivate, kdf::kdfa};
use sigillo_types::{Fmt1, Rc, rc};

const LABEL: &[u8] = b"ECDAA Commit";

/// What an ephemeral key is for: no key of one is ever one of another.
#[derive(Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// The signatures of a key, by its nameAlg and Name.
    Signing(HashAlg, &'a Object),
    /// An agreement on keys.
    Agreement,
}

impl Tpm {
    /// The ephemeral key of a count; `None` for the one number in 2^n that is not a key. Part 1, 44.2.2.
    fn ephemeral_key(&self, curve: EccCurve, purpose: Purpose<'_>, count: u64) -> Option<EcPrivate> {
        let id = curve.id().to_be_bytes();
        // A Name is longer than the identifier of a curve.
        let (alg, context): (HashAlg, &[u8]) = match purpose {
            Purpose::Signing(alg, key) => (alg, &key.name),
            Purpose::Agreement => (CONTEXT_HASH, &id),
        };
        let bits = u32::from(curve.bits()).next_multiple_of(8);
        let secret = &self.state.reset.commits.secret;
        let r = kdfa(alg, secret, LABEL, context, &count.to_be_bytes(), bits);
        EcPrivate::from_reduced(curve, &r).ok()
    }

    /// A new ephemeral key and its counter. Part 1, 44.2.3.
    ///
    /// # Errors
    /// `NO_RESULT` if what was made is not a key.
    pub(crate) fn begin_commit(
        &mut self,
        curve: EccCurve,
        purpose: Purpose<'_>,
    ) -> Result<(EcPrivate, u16), Rc> {
        if self.state.reset.commits.secret.is_empty() {
            let secret = fresh_seed(&mut self.rng);
            self.state.reset_mut().commits.secret = secret;
        }
        let count = self.state.reset.commits.count;
        let key = self.ephemeral_key(curve, purpose, count).ok_or(rc::NO_RESULT)?;
        Ok((key, self.state.reset_mut().commits.begin()))
    }

    /// The ephemeral key of a counter that waits for its use. Part 1, 44.2.5.
    ///
    /// # Errors
    /// - `RANGE` if the counter is not one of the last.
    /// - `VALUE` if its key was used already.
    pub(crate) fn waiting_commit(
        &self,
        curve: EccCurve,
        purpose: Purpose<'_>,
        counter: u16,
    ) -> Result<EcPrivate, Fmt1> {
        let count = self.state.reset.commits.waiting(counter)?;
        self.ephemeral_key(curve, purpose, count).ok_or(rc::VALUE)
    }

    /// Notes that the key of a counter was used.
    pub(crate) fn end_commit(&mut self, counter: u16) {
        self.state.reset_mut().commits.end(counter);
    }
}
