//! Time, Clock and the healing they bring. Part 1, 33 and 16.8.

use crate::Tpm;
use sigillo_types::{
    constants::ClockAdjust,
    structures::{TpmsClockInfo, TpmsTimeInfo},
};

/// The rate at which Clock advances may leave that of the host by this much, in millionths. Part 1, 33.3.6.
pub(crate) const RATE_LIMIT_PPM: i32 = 150_000;
/// The last value Clock may be set to. Part 1, 33.3.1.
pub(crate) const CLOCK_MAX_MS: u64 = 0xFFFF_0000_0000_0000;

/// Time as it runs, outside the transaction: no failed command turns it back.
///
/// What commands change of it belongs to the transaction: the offset of Clock from Time (`Volatile::clock_offset`), whose copy in NV is
/// `Orderly::clock`, and the rate (`Volatile::rate_ppm`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timing {
    /// Time: milliseconds since _TPM_Init. Part 1, 33.2.
    pub(crate) time_ms: u64,
    /// The host's monotonic milliseconds up to which it was counted.
    pub(crate) seen_ms: u64,
    /// Millionths of a millisecond that were not counted yet.
    pub(crate) rest: u32,
}

impl Timing {
    /// Counts what has passed until `now_ms`, `rate_ppm` millionths faster than on the host. A clock that went back counts nothing.
    pub(crate) fn advance(&mut self, now_ms: u64, rate_ppm: i32) {
        const MILLION: u128 = 1_000_000;
        let passed = u128::from(now_ms.saturating_sub(self.seen_ms));
        self.seen_ms = now_ms;
        let rate = MILLION.saturating_add_signed(i128::from(rate_ppm));
        let total = passed * rate + u128::from(self.rest);
        self.rest = u32::try_from(total % MILLION).unwrap_or(0);
        let advance = u64::try_from(total / MILLION).unwrap_or(u64::MAX);
        self.time_ms = self.time_ms.saturating_add(advance);
    }
}

/// A rate one step away from `rate_ppm`; `None` if that would leave the range of adjustment. Part 3, 29.3.
pub(crate) fn adjusted(rate_ppm: i32, by: ClockAdjust) -> Option<i32> {
    let step = match by {
        ClockAdjust::CoarseSlower => -10_000,
        ClockAdjust::MediumSlower => -1_000,
        ClockAdjust::FineSlower => -30,
        ClockAdjust::NoChange => 0,
        ClockAdjust::FineFaster => 30,
        ClockAdjust::MediumFaster => 1_000,
        ClockAdjust::CoarseFaster => 10_000,
    };
    let rate = rate_ppm.saturating_add(step);
    (rate.abs() <= RATE_LIMIT_PPM).then_some(rate)
}

impl Tpm {
    /// A command came: time passes until the host's `now_ms`, and a _TPM_Hash_Start that had no end yet is abandoned (Part 1, 31.1).
    ///
    /// Called before a command, outside its transaction.
    pub(crate) fn tick(&mut self, now_ms: u64) {
        if self.state.volatile.hash_sequence.is_some() {
            self.state.volatile_mut().hash_sequence = None;
        }
        self.pass_time(now_ms);
    }

    /// Lets time pass until the host's `now_ms`: Time and Clock advance, Clock goes to NV when its interval is over, failed tries heal.
    pub(crate) fn pass_time(&mut self, now_ms: u64) {
        self.time.advance(now_ms, self.state.volatile.rate_ppm);
        if self.state.volatile.started {
            let interval = self.profile.clock_update_ms.max(1);
            if self.clock_ms() / interval > self.state.orderly.clock / interval {
                self.save_clock();
            }
            self.heal();
            self.run_acts();
        }
    }

    /// Writes Clock to NV; what is reported from now on was never reported before. Part 1, 33.3.1.
    pub(crate) fn save_clock(&mut self) {
        let clock = self.clock_ms();
        let orderly = self.state.orderly_mut();
        orderly.clock = clock;
        orderly.clock_safe = true;
    }

    /// Clock, in milliseconds.
    pub(crate) fn clock_ms(&self) -> u64 {
        self.time.time_ms.wrapping_add(self.state.volatile.clock_offset)
    }

    /// Sets Clock; it advances from there.
    pub(crate) fn set_clock(&mut self, clock_ms: u64) {
        let offset = clock_ms.wrapping_sub(self.time.time_ms);
        self.state.volatile_mut().clock_offset = offset;
    }

    /// Time: milliseconds since power on.
    pub(crate) fn time_ms(&self) -> u64 {
        self.time.time_ms
    }

    /// TPMS_CLOCK_INFO. Part 2, 10.11.1.
    pub(crate) fn clock_info(&self) -> TpmsClockInfo {
        TpmsClockInfo {
            clock: self.clock_ms(),
            reset_count: self.state.persistent.reset_count,
            restart_count: self.state.reset.restart_count,
            safe: self.state.orderly.clock_safe,
        }
    }

    /// TPMS_TIME_INFO. Part 2, 10.7.
    pub(crate) fn time_info(&self) -> TpmsTimeInfo {
        TpmsTimeInfo { time: self.time.time_ms, clock_info: self.clock_info() }
    }

    /// Forgives failed tries for the time that passed, and enables lockoutAuth again. Part 1, 16.8.2 and 16.8.5.
    fn heal(&mut self) {
        let da = &self.state.da;
        let now_ms = self.time.time_ms;
        if da.failed_tries != 0 {
            match now_ms.saturating_sub(da.self_heal_ms).checked_div(u64::from(da.recovery_time_s) * 1000) {
                None => self.state.da_mut().failed_tries = 0,
                Some(0) => {}
                Some(periods) => {
                    let da = self.state.da_mut();
                    da.failed_tries =
                        da.failed_tries.saturating_sub(u32::try_from(periods).unwrap_or(u32::MAX));
                    // The rest of the time counts towards the next one.
                    da.self_heal_ms += periods * u64::from(da.recovery_time_s) * 1000;
                }
            }
        }
        let da = &self.state.da;
        if !da.lockout_auth_enabled
            && da.lockout_recovery_s != 0
            && now_ms.saturating_sub(da.lockout_ms) / 1000 >= u64::from(da.lockout_recovery_s)
        {
            self.state.da_mut().lockout_auth_enabled = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn time_that_passes_is_counted_once() {
        let mut timing = Timing { seen_ms: 1_000, ..Timing::default() };
        timing.advance(1_010, 0);
        timing.advance(1_010, 0);
        assert_eq!(timing.time_ms, 10);
    }

    #[test]
    fn a_host_clock_that_goes_back_counts_nothing() {
        let mut timing = Timing { seen_ms: 1_000, ..Timing::default() };
        timing.advance(10, 0);
        timing.advance(25, 0);
        assert_eq!(timing.time_ms, 15);
    }

    #[test]
    fn an_adjusted_rate_loses_no_fraction_of_a_millisecond() {
        let mut timing = Timing::default();
        let rate = adjusted(0, ClockAdjust::CoarseFaster).unwrap();
        for now in 1..=1_000_000 {
            timing.advance(now, rate);
        }
        assert_eq!(timing.time_ms, 1_010_000);
    }

    #[test]
    fn the_rate_stays_within_fifteen_percent() {
        let slower = |rate: &i32| adjusted(*rate, ClockAdjust::CoarseSlower);
        let rates: Vec<i32> = core::iter::successors(Some(0), slower).collect();
        assert_eq!((rates.len(), rates.last()), (16, Some(&-RATE_LIMIT_PPM)));
        assert_eq!(adjusted(-RATE_LIMIT_PPM, ClockAdjust::FineSlower), None);
        assert_eq!(adjusted(-RATE_LIMIT_PPM, ClockAdjust::FineFaster), Some(30 - RATE_LIMIT_PPM));
    }
}
