//! Authenticated countdown timers. Part 1, 40.

use super::cbor;
use minicbor::{Decode, Encode};
use sigillo_types::{HashAlg, attributes::TpmaAct, buffers::Tpm2bDigest};

/// startTimeout that stops a timer which has run out. Part 3, 33.2.
const STOP: u32 = u32::MAX;

/// A countdown timer. It counts by Time, and so not while the TPM has no power; its authValue is platformAuth.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Act {
    /// Time (ms since power on) at which it runs out; `None` if it does not count.
    #[n(0)]
    runs_out_ms: Option<u64>,
    /// It ran out, and was not set since.
    #[n(1)]
    pub(super) signaled: bool,
    /// It had run out before the last TPM Resume, and was not set since.
    #[n(2)]
    preserve_signaled: bool,
    /// TPM2_ACT_SetTimeout came since the last TPM2_Startup.
    #[n(3)]
    was_set: bool,
    /// The timeout that TPM2_Shutdown(STATE) saved, in seconds.
    #[n(4)]
    saved_s: u32,
    #[cbor(n(5), with = "cbor::canonical_option")]
    pub(crate) policy_alg: Option<HashAlg>,
    #[cbor(n(6), with = "cbor::canonical")]
    pub(crate) policy: Tpm2bDigest,
}

impl Act {
    /// Seconds left; a second that has begun counts.
    pub(crate) fn timeout_s(&self, time_ms: u64) -> u32 {
        let left_ms = self.runs_out_ms.map_or(0, |end_ms| end_ms.saturating_sub(time_ms));
        u32::try_from(left_ms.div_ceil(1000)).unwrap_or(u32::MAX)
    }

    pub(crate) fn attributes(&self) -> TpmaAct {
        let mut attributes = TpmaAct::empty();
        attributes.set(TpmaAct::SIGNALED, self.signaled);
        attributes.set(TpmaAct::PRESERVE_SIGNALED, self.preserve_signaled);
        attributes
    }

    /// TPM2_ACT_SetTimeout. Part 3, 33.2.
    pub(crate) fn set(&mut self, start_s: u32, time_ms: u64) {
        let counts = self.runs_out_ms.is_some();
        let stops = start_s == STOP && self.signaled && !counts;
        self.count(if stops { 0 } else { start_s }, time_ms);
        if start_s != 0 {
            self.signaled = false;
        } else if counts {
            self.signaled = true;
        }
        (self.preserve_signaled, self.was_set) = (false, true);
    }

    fn count(&mut self, seconds: u32, time_ms: u64) {
        self.runs_out_ms = (seconds != 0).then(|| time_ms.saturating_add(u64::from(seconds) * 1000));
    }

    /// Whether it counted, and nothing is left.
    pub(crate) fn has_run_out(&self, time_ms: u64) -> bool {
        self.runs_out_ms.is_some_and(|end_ms| end_ms <= time_ms)
    }

    /// Signals: it has run out. After TPM2_Shutdown(STATE) nothing of it is left to count either.
    pub(crate) fn signal(&mut self) {
        (self.runs_out_ms, self.signaled, self.saved_s) = (None, true, 0);
    }

    /// TPM2_Shutdown(STATE): half of a timeout that was not set since the last startup, so that suspending again and again does not put
    /// it off. Part 1, 40.2.
    pub(crate) fn save(&mut self, time_ms: u64) {
        let left_s = self.timeout_s(time_ms);
        self.saved_s = if self.was_set { left_s } else { left_s / 2 };
    }

    /// TPM Resume: counts what was saved. Part 2, 8.12.
    pub(crate) fn resume(&mut self, time_ms: u64) {
        self.count(self.saved_s, time_ms);
        (self.preserve_signaled, self.was_set) = (self.signaled, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_counts_whole_seconds() {
        let mut act = Act::default();
        act.set(2, 10_500);
        let left = [10_500, 10_501, 11_500, 11_501, 12_499, 12_500].map(|time_ms| act.timeout_s(time_ms));
        assert_eq!(left, [2, 2, 1, 1, 1, 0]);
        assert!(!act.has_run_out(12_499) && act.has_run_out(12_500));
        act.set(u32::MAX, u64::MAX - 1);
        assert_eq!(act.timeout_s(u64::MAX - 1), 1, "Time ends first");
    }
}
