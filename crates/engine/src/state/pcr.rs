//! Platform configuration registers and their banks. Part 1, 11.6.

use alloc::vec::Vec;
use sigillo_crypto::hash::{Digest, hash};
use sigillo_types::HashAlg;

/// The number of PCR in the PC Client profile.
pub(crate) const PCR_COUNT: usize = 24;

/// The PCR of all banks.
#[derive(Clone, Debug)]
pub(crate) struct Pcrs {
    pub(crate) banks: Vec<Bank>,
}

/// The PCR of one hash algorithm.
#[derive(Clone, Debug)]
pub(crate) struct Bank {
    pub(crate) hash: HashAlg,
    /// Which PCR the bank has: bit n is PCR n.
    pub(crate) allocated: u32,
    pub(crate) values: [Digest; PCR_COUNT],
}

impl Bank {
    /// The value of a PCR that this bank has.
    pub(crate) fn value(&self, pcr: usize) -> Option<&Digest> {
        let has = u32::try_from(pcr).ok().is_some_and(|n| n < 32 && self.allocated & (1 << n) != 0);
        self.values.get(pcr).filter(|_| has)
    }

    /// Sets a PCR that this bank has.
    pub(crate) fn set(&mut self, pcr: usize, value: Digest) {
        if self.value(pcr).is_some()
            && let Some(slot) = self.values.get_mut(pcr)
        {
            *slot = value;
        }
    }

    /// `PCR := H(PCR || digest)`. Part 1, 11.6.3.
    pub(crate) fn extend(&mut self, pcr: usize, digest: &[u8]) {
        if let Some(old) = self.value(pcr) {
            let new = hash(self.hash, &[old, digest]);
            self.set(pcr, new);
        }
    }
}

impl Pcrs {
    /// The bank of an algorithm, if it is allocated.
    pub(crate) fn bank(&self, hash: HashAlg) -> Option<&Bank> {
        self.banks.iter().find(|bank| bank.hash == hash)
    }

    /// The bank of an algorithm, about to change.
    pub(crate) fn bank_mut(&mut self, hash: HashAlg) -> Option<&mut Bank> {
        self.banks.iter_mut().find(|bank| bank.hash == hash)
    }
}
