//! Platform configuration registers and their banks. Part 1, 14.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;
use sigillo_crypto::hash::{MAX_DIGEST, hash};
use sigillo_types::{HashAlg, handles::PcrHandle, structures::PcrSelect};

/// The number of PCR in the PC Client profile.
pub(crate) const PCR_COUNT: usize = 24;
/// The PCR of an H-CRTM event, and the one that tells the locality of TPM2_Startup.
pub(crate) const HCRTM_PCR: u32 = 0;
/// The PCR of a D-RTM event.
pub(crate) const DRTM_PCR: u32 = 17;

/// What one PCR holds: as many octets as a digest of its bank.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PcrValue {
    octets: [u8; MAX_DIGEST],
    size: usize,
}

impl PcrValue {
    /// A PCR of a bank with every octet the same: `0x00` or `0xFF`.
    pub(crate) fn filled(hash: HashAlg, octet: u8) -> Self {
        Self { octets: [octet; MAX_DIGEST], size: hash.digest_size() }
    }

    /// A PCR of a bank with zeros and, in its last octet, the locality that the first measurement came from. Part 1, 14.1.
    pub(crate) fn locality(hash: HashAlg, locality: u8) -> Self {
        let mut value = Self::filled(hash, 0);
        if let Some(last) = value.octets.get_mut(..value.size).and_then(<[u8]>::last_mut) {
            *last = locality;
        }
        value
    }

    /// A PCR of a bank from its octets; `None` if they are not as many as a digest has.
    pub(crate) fn from_slice(hash: HashAlg, octets: &[u8]) -> Option<Self> {
        let mut value = Self::filled(hash, 0);
        if octets.len() != value.size {
            return None;
        }
        value.octets.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(value)
    }

    /// `H(self || digest)`. Part 1, 14.2.
    pub(crate) fn extended(&self, alg: HashAlg, digest: &[u8]) -> Self {
        let new = hash(alg, &[self.as_slice(), digest]);
        Self::from_slice(alg, &new).unwrap_or(*self)
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.size).unwrap_or_default()
    }
}

impl fmt::Debug for PcrValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// The PCR of all banks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pcrs {
    /// The allocated banks in the order of their algorithms, each by itself: a command that extends one copies no other.
    pub(crate) banks: Vec<Arc<Bank>>,
}

/// The PCR of one hash algorithm.
#[derive(Clone, Debug)]
pub(crate) struct Bank {
    pub(crate) hash: HashAlg,
    /// Which PCR the bank has.
    pub(crate) allocated: PcrSelect,
    pub(crate) values: [PcrValue; PCR_COUNT],
}

impl Bank {
    /// A bank with all its PCR zero.
    pub(crate) fn zero(hash: HashAlg, allocated: PcrSelect) -> Self {
        Self { hash, allocated, values: [PcrValue::filled(hash, 0); PCR_COUNT] }
    }

    /// The value of a PCR that this bank has.
    pub(crate) fn value(&self, pcr: PcrHandle) -> Option<&PcrValue> {
        self.values.get(pcr.index()).filter(|_| self.allocated.contains(pcr))
    }

    /// Sets a PCR if this bank has it.
    pub(crate) fn set(&mut self, pcr: PcrHandle, value: PcrValue) {
        if self.allocated.contains(pcr)
            && let Some(slot) = self.values.get_mut(pcr.index())
        {
            *slot = value;
        }
    }

    /// `PCR := H(PCR || digest)` if this bank has the PCR. Part 1, 14.2.
    pub(crate) fn extend(&mut self, pcr: PcrHandle, digest: &[u8]) {
        if let Some(old) = self.value(pcr) {
            let new = old.extended(self.hash, digest);
            self.set(pcr, new);
        }
    }
}

impl Pcrs {
    /// The bank of an algorithm, if it is allocated.
    pub(crate) fn bank(&self, hash: HashAlg) -> Option<&Bank> {
        self.banks.iter().find(|bank| bank.hash == hash).map(|bank| &**bank)
    }

    /// The bank of an algorithm, about to change.
    pub(crate) fn bank_mut(&mut self, hash: HashAlg) -> Option<&mut Bank> {
        self.banks.iter_mut().find(|bank| bank.hash == hash).map(Arc::make_mut)
    }

    /// All banks, about to change.
    pub(crate) fn banks_mut(&mut self) -> impl Iterator<Item = &mut Bank> {
        self.banks.iter_mut().map(Arc::make_mut)
    }
}
