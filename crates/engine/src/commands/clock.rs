//! Clocks and timers. Part 3, 29.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    time::{CLOCK_MAX_MS, adjusted},
};
use sigillo_types::{
    Rc,
    command::Done,
    commands::{ClockRateAdjust, ClockSet, ReadClock, ReadClockResponse},
    rc,
};

pub(crate) const COMMANDS: &[Entry] = entries![
    ReadClock => read_clock,
    ClockSet => clock_set,
    ClockRateAdjust => clock_rate_adjust,
];

/// TPM2_ReadClock. Part 3, 29.1.
pub(crate) fn read_clock(tpm: &mut Tpm, _: ReadClock) -> Result<ReadClockResponse, Rc> {
    Ok(ReadClockResponse { current_time: tpm.time_info() })
}

/// TPM2_ClockSet. Part 3, 29.2.
///
/// # Response codes
/// - `VALUE` (newTime): below Clock, or so high that Clock could roll over.
pub(crate) fn clock_set(tpm: &mut Tpm, cmd: ClockSet) -> Result<Done, Rc> {
    if cmd.new_time < tpm.clock_ms() || cmd.new_time > CLOCK_MAX_MS {
        return Err(rc::VALUE.at(ClockSet::NEW_TIME));
    }
    tpm.set_clock(cmd.new_time);
    if cmd.new_time.saturating_sub(tpm.state.orderly.clock) > tpm.profile.clock_update_ms {
        tpm.save_clock();
    }
    Ok(Done {})
}

/// TPM2_ClockRateAdjust. Part 3, 29.3.
///
/// # Response codes
/// - `VALUE` (rateAdjust): the rate would leave the range of adjustment.
pub(crate) fn clock_rate_adjust(tpm: &mut Tpm, cmd: ClockRateAdjust) -> Result<Done, Rc> {
    let rate = adjusted(tpm.state.volatile.rate_ppm, cmd.rate_adjust);
    tpm.state.volatile_mut().rate_ppm = rate.ok_or(rc::VALUE.at(ClockRateAdjust::RATE_ADJUST))?;
    Ok(Done {})
}
