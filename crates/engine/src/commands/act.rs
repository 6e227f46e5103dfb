//! Authenticated countdown timers. Part 3, 33; Part 1, 40.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
};
use sigillo_types::{
    Rc,
    command::Done,
    commands::ActSetTimeout,
    handles::{ActHandle, rh},
    structures::TpmsActData,
};

pub(crate) const COMMANDS: &[Entry] = entries![ActSetTimeout => act_set_timeout];

/// TPM2_ACT_SetTimeout. Part 3, 33.2.
///
/// # Response codes
/// - `VALUE` (actHandle): the profile has no such timer; the pipeline has checked it.
pub(crate) fn act_set_timeout(tpm: &mut Tpm, cmd: ActSetTimeout) -> Result<Done, Rc> {
    let time_ms = tpm.time_ms();
    tpm.state.clear_mut().acts.entry(cmd.act_handle.raw()).or_default().set(cmd.start_timeout, time_ms);
    Ok(Done {})
}

impl Tpm {
    /// The handles of the timers that the profile has, ascending.
    pub(crate) fn act_handles(&self) -> impl Iterator<Item = u32> {
        (rh::ACT_0..=rh::ACT_F).take(self.profile.acts)
    }

    /// Whether the profile has the timer with a handle; `None` if it is not the handle of a timer.
    pub(crate) fn has_act(&self, handle: u32) -> Option<bool> {
        ActHandle::new(handle).ok().map(|act| act.index() < self.profile.acts)
    }

    /// TPM_CAP_ACT.
    pub(crate) fn act_data(&self) -> impl Iterator<Item = (u32, TpmsActData)> {
        self.act_handles().map(|handle| {
            let act = self.state.clear.acts.get(&handle).cloned().unwrap_or_default();
            let timeout = act.timeout_s(self.time_ms());
            (handle, TpmsActData { handle, timeout, attributes: act.attributes() })
        })
    }

    /// Signals the timers that have run out.
    pub(crate) fn run_acts(&mut self) {
        let time_ms = self.time_ms();
        if self.state.clear.acts.values().any(|act| act.has_run_out(time_ms)) {
            let acts = self.state.clear_mut().acts.values_mut();
            acts.filter(|act| act.has_run_out(time_ms)).for_each(|act| act.signal());
        }
    }

    /// The handles of the timers that are signaled, for a host that would act on it: they ran out, and were not set since. A timer that
    /// runs out while the host asks nothing of the TPM is signaled with the next command or indication. Part 1, 40.
    pub fn signaled_acts(&self) -> impl Iterator<Item = u32> {
        self.state.clear.signaled_acts()
    }
}
