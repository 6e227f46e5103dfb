//! Dictionary-attack protection: when an authValue may be tried, and what a wrong try costs. Part 1, 16.8.
//!
//! Other TPMs first note in NV that a protected authValue is about to be tried, and answer TPM_RC_RETRY to the command that made them do
//! it: then a power loss before the try is counted costs one. Here the count is stored before the answer leaves ([`crate::Pending`]), and
//! nothing that a guest can do comes between the two, so that the first use is answered at once. Part 1, 16.8.6.

use crate::{
    Tpm,
    entity::Entity,
    state::{NvIndex, Session},
};
use sigillo_types::{
    Fmt1, Marshal, Rc, Unmarshal,
    attributes::{NvType, TpmaNv},
    handles::rh,
    rc,
    structures::TpmsNvPinCounterParameters,
};

/// A wrong authorization, and what it has to cost although the command is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongTry {
    counts: Counts,
    /// The PIN Fail index whose authValue was tried.
    pin: Option<u32>,
}

/// What dictionary-attack protection counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    /// Nothing: what was tried is not protected.
    Nothing,
    /// A failed try.
    Try,
    /// lockoutAuth, which is disabled at once.
    Lockout,
}

impl WrongTry {
    /// `AUTH_FAIL` if it counts, `BAD_AUTH` if the entity is not protected. Part 1, 16.8.3.
    pub(crate) fn code(self) -> Fmt1 {
        match self.counts {
            Counts::Nothing => rc::BAD_AUTH,
            Counts::Try | Counts::Lockout => rc::AUTH_FAIL,
        }
    }
}

impl Tpm {
    /// Checks that a protected authValue may be tried.
    ///
    /// # Errors
    /// `LOCKOUT` after too many failed tries; for lockoutAuth, after one.
    pub(crate) fn require_not_locked_out(&self, is_lockout_auth: bool) -> Result<(), Rc> {
        let da = &self.state.da;
        let locked = if is_lockout_auth { !da.lockout_auth_enabled } else { da.failed_tries >= da.max_tries };
        if locked { Err(rc::LOCKOUT) } else { Ok(()) }
    }

    /// What a wrong password or HMAC has to cost. `entity` is the handle that was to be authorized; `auth_used` says whether its authValue
    /// was part of what was wrong; `session` is `None` for a password.
    ///
    /// A session bound to a protected entity stands for that entity's authValue wherever it is used. Part 1, 16.8.7.
    pub(crate) fn wrong_try(
        &self,
        entity: Option<u32>,
        auth_used: bool,
        session: Option<&Session>,
    ) -> WrongTry {
        let tried = entity.filter(|_| auth_used);
        let protected = tried.is_some_and(|handle| !self.is_da_exempt(handle));
        let (da_bound, lockout_bound) =
            session.map_or((false, false), |session| (session.da_bound, session.lockout_bound));
        let counts = if lockout_bound || (protected && tried == Some(rh::LOCKOUT)) {
            Counts::Lockout
        } else if da_bound || protected {
            Counts::Try
        } else {
            Counts::Nothing
        };
        let pin = tried.filter(|handle| self.pin_index(*handle).is_some_and(|(_, nt)| nt == NvType::PinFail));
        WrongTry { counts, pin }
    }

    /// Counts a wrong try. Called after the command is undone.
    pub(crate) fn count_wrong_try(&mut self, wrong: WrongTry) {
        let now_ms = self.time_ms();
        match wrong.counts {
            Counts::Nothing => {}
            Counts::Try if self.state.da.recovery_time_s == 0 => {}
            Counts::Try => {
                let da = self.state.da_mut();
                da.failed_tries = da.failed_tries.saturating_add(1);
                da.self_heal_ms = now_ms;
            }
            Counts::Lockout => {
                let da = self.state.da_mut();
                da.lockout_auth_enabled = false;
                da.lockout_ms = now_ms;
            }
        }
        if let Some(handle) = wrong.pin {
            self.change_pin_count(handle, |count| count.saturating_add(1));
        }
    }

    /// A right use of an authValue: it resets a PIN Fail index and is counted by a PIN Pass index. Part 1, 34.2.6.6.
    pub(crate) fn count_right_try(&mut self, handle: u32) {
        match self.pin_index(handle).map(|(_, nt)| nt) {
            Some(NvType::PinFail) => self.change_pin_count(handle, |_| 0),
            Some(NvType::PinPass) => self.change_pin_count(handle, |count| count.saturating_add(1)),
            Some(NvType::Ordinary | NvType::Counter | NvType::Bits | NvType::Extend) | None => {}
        }
    }

    /// The PIN index at a handle.
    pub(crate) fn pin_index(&self, handle: u32) -> Option<(&NvIndex, NvType)> {
        let Some(Entity::Nv(index)) = self.entity(handle) else { return None };
        let nt = index.public.attributes.nt()?;
        matches!(nt, NvType::PinFail | NvType::PinPass).then_some((index, nt))
    }

    /// Whether the authValue of a PIN index may be tried: it is written and pinCount is below pinLimit. Part 1, 34.2.6.6.
    pub(crate) fn is_pin_open(&self, handle: u32) -> bool {
        self.pin(handle).is_some_and(|pin| pin.pin_count < pin.pin_limit)
    }

    /// The contents of a PIN index that is written.
    fn pin(&self, handle: u32) -> Option<TpmsNvPinCounterParameters> {
        let (index, _) = self.pin_index(handle)?;
        if !index.public.attributes.contains(TpmaNv::WRITTEN) {
            return None;
        }
        TpmsNvPinCounterParameters::from_bytes(self.nv_data(index)).ok()
    }

    fn change_pin_count(&mut self, handle: u32, change: impl FnOnce(u32) -> u32) {
        let Some(mut pin) = self.pin(handle) else { return };
        let count = change(pin.pin_count);
        if count != pin.pin_count {
            pin.pin_count = count;
            self.write_nv(handle, pin.to_bytes());
        }
    }
}
