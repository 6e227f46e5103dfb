//! Clocks and timers. Part 3, 29.

use crate::{
    command::Done,
    constants::ClockAdjust,
    derive::{Command, Response},
    handles::ProvisionHandle,
    structures::TpmsTimeInfo,
};

/// TPM2_ReadClock: answers time, clock and counters. Part 3, 29.1.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0181, name = "TPM2_ReadClock", clause = "29.1", response = ReadClockResponse)]
pub struct ReadClock {}

/// What [`ReadClock`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct ReadClockResponse {
    /// Time, clock and counters.
    pub current_time: TpmsTimeInfo,
}

/// TPM2_ClockSet: moves Clock forward. Part 3, 29.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0128, name = "TPM2_ClockSet", clause = "29.2", nv, response = Done)]
pub struct ClockSet {
    /// Who manages the clock.
    #[handle(auth = user)]
    pub auth: ProvisionHandle,
    /// The new value of Clock, in milliseconds.
    pub new_time: u64,
}

/// TPM2_ClockRateAdjust: changes the rate of Clock and Time. Part 3, 29.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0130, name = "TPM2_ClockRateAdjust", clause = "29.3", response = Done)]
pub struct ClockRateAdjust {
    /// Who manages the clock.
    #[handle(auth = user)]
    pub auth: ProvisionHandle,
    /// By how much.
    pub rate_adjust: ClockAdjust,
}
