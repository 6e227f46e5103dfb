//! What commands do with PCR: their initial values, localities, changes and digests. Part 1, 14.

use crate::{
    Tpm,
    profile::PcrAttributes,
    state::{
        PcrValue, Pcrs,
        pcr::{Bank, DRTM_PCR, HCRTM_PCR},
    },
};
use alloc::sync::Arc;
use sigillo_crypto::hash::{Digest, Hasher};
use sigillo_types::{
    HashAlg,
    handles::PcrHandle,
    structures::{PcrSelect, TpmlDigestValues, TpmlPcrSelection, TpmsPcrSelection},
};

/// Banks with the PCR of an allocation, all zero. Banks without PCR are left out.
pub(crate) fn allocated(allocation: &TpmlPcrSelection) -> Pcrs {
    let banks = allocation.iter().filter(|bank| !bank.pcr_select.is_empty());
    Pcrs { banks: banks.map(|bank| Arc::new(Bank::zero(bank.hash, bank.pcr_select))).collect() }
}

/// Whether a set of localities that a bit map stands for has `locality`.
fn allows(localities: u8, locality: u8) -> bool {
    locality < 5 && localities & (1 << locality) != 0
}

impl Tpm {
    /// How a PCR behaves.
    pub(crate) fn pcr_attributes(&self, pcr: PcrHandle) -> Option<&'static PcrAttributes> {
        self.profile.pcr.get(pcr.index())
    }

    /// Whether the command's locality may extend a PCR.
    pub(crate) fn may_extend(&self, pcr: PcrHandle) -> bool {
        self.pcr_attributes(pcr).is_some_and(|pcr| allows(pcr.extend_localities, self.call.locality))
    }

    /// Whether the command's locality may reset a PCR.
    pub(crate) fn may_reset(&self, pcr: PcrHandle) -> bool {
        self.pcr_attributes(pcr).is_some_and(|pcr| allows(pcr.reset_localities, self.call.locality))
    }

    /// Whether the handle is that of a PCR with an authValue and a policy.
    pub(crate) fn is_authorized_pcr(&self, handle: u32) -> bool {
        let pcr = PcrHandle::new(handle).ok().and_then(|pcr| self.pcr_attributes(pcr));
        pcr.is_some_and(|pcr| pcr.authorized)
    }

    /// The PCR of the profile for which something holds.
    pub(crate) fn pcrs_with(&self, holds: impl Fn(&PcrAttributes) -> bool) -> PcrSelect {
        PcrSelect::of(PcrSelect::ALL.iter().filter(|pcr| self.pcr_attributes(*pcr).is_some_and(&holds)))
    }

    /// Extends one PCR with a digest for each of some banks; banks that do not have the PCR are passed over. Each bank that changes counts
    /// in pcrUpdateCounter. Part 3, 22.1.
    pub(crate) fn extend_pcr(&mut self, pcr: PcrHandle, digests: &TpmlDigestValues) {
        for digest in digests {
            let has = self.state.pcrs.bank(digest.hash_alg()).is_some_and(|bank| bank.value(pcr).is_some());
            if has && let Some(bank) = self.state.pcrs_mut().bank_mut(digest.hash_alg()) {
                bank.extend(pcr, digest.digest());
                self.count_pcr_change(pcr);
            }
        }
    }

    /// Sets one PCR to zero in all banks.
    pub(crate) fn reset_pcr(&mut self, pcr: PcrHandle) {
        for bank in self.state.pcrs_mut().banks_mut() {
            let zero = PcrValue::filled(bank.hash, 0);
            bank.set(pcr, zero);
        }
        self.count_pcr_change(pcr);
    }

    /// Counts one change of a PCR unless the profile excludes it. Part 3, 22.1.
    fn count_pcr_change(&mut self, pcr: PcrHandle) {
        if self.pcr_attributes(pcr).is_some_and(|pcr| !pcr.no_increment) {
            let reset = self.state.reset_mut();
            reset.pcr_update_counter = reset.pcr_update_counter.wrapping_add(1);
        }
    }

    /// The initial value of a PCR. `h_crtm` is what an event before TPM2_Startup made of PCR 0. Part 1, 14.1 and 31.3.
    fn initial_pcr(
        &self,
        hash: HashAlg,
        pcr: PcrHandle,
        locality: u8,
        h_crtm: Option<&[(HashAlg, PcrValue)]>,
    ) -> PcrValue {
        if pcr.raw() == HCRTM_PCR {
            let measured = h_crtm.and_then(|banks| banks.iter().find(|(bank, _)| *bank == hash));
            return measured.map_or_else(|| PcrValue::locality(hash, locality), |(_, value)| *value);
        }
        let drtm = self.pcr_attributes(pcr).is_some_and(|pcr| pcr.drtm);
        PcrValue::filled(hash, if drtm { 0xFF } else { 0x00 })
    }

    /// Gives the PCR their initial values; `keep` are those that TPM Resume restores. Part 3, 9.3.
    pub(crate) fn start_pcrs(&mut self, locality: u8, keep: PcrSelect) {
        let h_crtm = self.state.volatile.h_crtm.clone();
        let mut pcrs = allocated(&self.state.persistent.pcr_allocation);
        for bank in pcrs.banks_mut() {
            let saved = self.state.pcrs.bank(bank.hash);
            for pcr in bank.allocated.iter() {
                let kept = saved.and_then(|saved| saved.value(pcr)).filter(|_| keep.contains(pcr));
                let value = kept
                    .copied()
                    .unwrap_or_else(|| self.initial_pcr(bank.hash, pcr, locality, h_crtm.as_deref()));
                bank.set(pcr, value);
            }
        }
        *self.state.pcrs_mut() = pcrs;
    }

    /// A D-RTM event: its PCR become zero, then PCR 17 is extended. Part 3, 22.11.
    pub(crate) fn drtm_pcrs(&mut self, digests: &[(HashAlg, Digest)]) {
        let drtm = self.pcrs_with(|pcr| pcr.drtm);
        for bank in self.state.pcrs_mut().banks_mut() {
            for pcr in drtm.iter() {
                let zero = PcrValue::filled(bank.hash, 0);
                bank.set(pcr, zero);
            }
        }
        if let Ok(pcr) = PcrHandle::new(DRTM_PCR) {
            for (hash, digest) in digests {
                if let Some(bank) = self.state.pcrs_mut().bank_mut(*hash) {
                    bank.extend(pcr, digest);
                }
            }
            self.count_pcr_change(pcr);
        }
    }

    /// The selection without the PCR that do not exist. Part 1, 14.6.2.
    pub(crate) fn pcr_selection(&self, selection: &TpmlPcrSelection) -> TpmlPcrSelection {
        let filtered = selection.iter().map(|of| {
            let bank = self.state.pcrs.bank(of.hash).map_or(PcrSelect::NONE, |bank| bank.allocated);
            TpmsPcrSelection { hash: of.hash, pcr_select: of.pcr_select.intersection(bank) }
        });
        TpmlPcrSelection::new(filtered.collect()).unwrap_or_default()
    }

    /// The digest of the selected PCR, in the order of the selection; those that do not exist are passed over. Part 1, 14.6.2.
    pub(crate) fn pcr_digest(&self, selection: &TpmlPcrSelection, hash: HashAlg) -> Digest {
        let mut hasher = Hasher::new(hash);
        for of in selection {
            let Some(bank) = self.state.pcrs.bank(of.hash) else { continue };
            for value in of.pcr_select.iter().filter_map(|pcr| bank.value(pcr)) {
                hasher.update(value.as_slice());
            }
        }
        hasher.finish()
    }
}
