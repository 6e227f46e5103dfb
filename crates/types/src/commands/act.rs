//! Authenticated countdown timers. Part 3, 33.

use crate::{command::Done, derive::Command, handles::ActHandle};

/// TPM2_ACT_SetTimeout: sets the time until a countdown timer runs out. Part 3, 33.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0198, name = "TPM2_ACT_SetTimeout", clause = "33.2", response = Done)]
pub struct ActSetTimeout {
    /// The timer.
    #[handle(auth = user)]
    pub act_handle: ActHandle,
    /// Seconds; 0 lets it run out at once.
    pub start_timeout: u32,
}
