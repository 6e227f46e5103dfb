//! Assertions that are checked when the policy is used: locality, command, presence, authValue, WRITTEN. Part 3, 23.8 to 23.20.

use crate::{Tpm, dispatch, state::session::Policy};
use sigillo_types::{
    Rc,
    attributes::TpmaLocality,
    cc,
    command::Done,
    commands::{
        PolicyAuthValue, PolicyCommandCode, PolicyLocality, PolicyNvWritten, PolicyPassword,
        PolicyPhysicalPresence,
    },
    handles::PolicySessionHandle,
    rc,
};

/// Extends policyDigest with a command code and `argument`, and records what was asserted.
fn assert(
    tpm: &mut Tpm,
    session: PolicySessionHandle,
    code: u32,
    argument: &[u8],
    record: impl FnOnce(&mut Policy),
) -> Result<Done, Rc> {
    let session = tpm.policy_session_mut(session)?;
    session.extend_policy(&[&code.to_be_bytes(), argument]);
    if let Some(policy) = session.policy_mut() {
        record(policy);
    }
    Ok(Done {})
}

/// The policy context, to be checked; `None` for a trial session, whose assertions are not.
fn checked(tpm: &Tpm, session: PolicySessionHandle) -> Result<Option<&Policy>, Rc> {
    let session = tpm.policy_session(session)?;
    Ok(if session.is_trial() { None } else { session.policy() })
}

/// What is left of the localities allowed so far; `None` if nothing is.
fn narrowed(earlier: Option<TpmaLocality>, locality: TpmaLocality) -> Option<TpmaLocality> {
    let Some(earlier) = earlier else { return Some(locality).filter(|locality| !locality.is_empty()) };
    if earlier.is_extended() || locality.is_extended() {
        return (earlier == locality).then_some(locality);
    }
    Some(earlier & locality).filter(|left| !left.is_empty())
}

/// TPM2_PolicyLocality. Part 3, 23.8.
///
/// # Response codes
/// - `RANGE` (locality): no locality would be left, or an extended locality meets another one or a set.
pub(crate) fn policy_locality(tpm: &mut Tpm, cmd: PolicyLocality) -> Result<Done, Rc> {
    let left = match checked(tpm, cmd.policy_session)? {
        Some(policy) => {
            narrowed(policy.locality, cmd.locality).ok_or(rc::RANGE.at(PolicyLocality::LOCALITY))?
        }
        None => cmd.locality,
    };
    assert(tpm, cmd.policy_session, cc::POLICY_LOCALITY, &[cmd.locality.bits()], |policy| {
        policy.locality = Some(left);
    })
}

/// TPM2_PolicyCommandCode. Part 3, 23.11.
///
/// # Response codes
/// - `POLICY_CC` (code): not implemented.
/// - `VALUE` (code): the policy is for another command already.
pub(crate) fn policy_command_code(tpm: &mut Tpm, cmd: PolicyCommandCode) -> Result<Done, Rc> {
    if dispatch::find(cmd.code).is_none() {
        return Err(rc::POLICY_CC.at(PolicyCommandCode::CODE));
    }
    let earlier = checked(tpm, cmd.policy_session)?.and_then(|policy| policy.command_code);
    if earlier.is_some_and(|earlier| earlier != cmd.code) {
        return Err(rc::VALUE.at(PolicyCommandCode::CODE));
    }
    assert(tpm, cmd.policy_session, cc::POLICY_COMMAND_CODE, &cmd.code.to_be_bytes(), |policy| {
        policy.command_code = Some(cmd.code);
    })
}

/// TPM2_PolicyPhysicalPresence. Part 3, 23.12.
pub(crate) fn policy_physical_presence(tpm: &mut Tpm, cmd: PolicyPhysicalPresence) -> Result<Done, Rc> {
    assert(tpm, cmd.policy_session, cc::POLICY_PHYSICAL_PRESENCE, &[], |policy| policy.pp_needed = true)
}

/// TPM2_PolicyAuthValue. Part 3, 23.17.
pub(crate) fn policy_auth_value(tpm: &mut Tpm, cmd: PolicyAuthValue) -> Result<Done, Rc> {
    assert(tpm, cmd.policy_session, cc::POLICY_AUTH_VALUE, &[], |policy| {
        policy.auth_value_needed = true;
        policy.password_needed = false;
    })
}

/// TPM2_PolicyPassword: the digest is that of PolicyAuthValue, only the form of the proof differs. Part 3, 23.18.
pub(crate) fn policy_password(tpm: &mut Tpm, cmd: PolicyPassword) -> Result<Done, Rc> {
    assert(tpm, cmd.policy_session, cc::POLICY_AUTH_VALUE, &[], |policy| {
        policy.auth_value_needed = false;
        policy.password_needed = true;
    })
}

/// TPM2_PolicyNvWritten. Part 3, 23.20.
///
/// # Response codes
/// - `VALUE` (writtenSet): the policy asks for the other state already.
pub(crate) fn policy_nv_written(tpm: &mut Tpm, cmd: PolicyNvWritten) -> Result<Done, Rc> {
    let earlier = checked(tpm, cmd.policy_session)?.and_then(|policy| policy.nv_written);
    if earlier.is_some_and(|earlier| earlier != cmd.written_set) {
        return Err(rc::VALUE.at(PolicyNvWritten::WRITTEN_SET));
    }
    let argument = [u8::from(cmd.written_set)];
    assert(tpm, cmd.policy_session, cc::POLICY_NV_WRITTEN, &argument, |policy| {
        policy.nv_written = Some(cmd.written_set);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localities_can_only_become_fewer() {
        let zero_and_one = TpmaLocality::ZERO | TpmaLocality::ONE;
        assert_eq!(narrowed(None, zero_and_one), Some(zero_and_one));
        assert_eq!(
            narrowed(Some(zero_and_one), TpmaLocality::ONE | TpmaLocality::TWO),
            Some(TpmaLocality::ONE)
        );
        assert_eq!(narrowed(Some(zero_and_one), TpmaLocality::FOUR), None);
        assert_eq!(narrowed(None, TpmaLocality::empty()), None);
    }

    #[test]
    fn an_extended_locality_goes_with_itself_only() {
        let extended = TpmaLocality::from_bits_retain(40);
        assert_eq!(narrowed(None, extended), Some(extended));
        assert_eq!(narrowed(Some(extended), extended), Some(extended));
        assert_eq!(narrowed(Some(extended), TpmaLocality::from_bits_retain(41)), None);
        assert_eq!(narrowed(Some(TpmaLocality::ZERO), extended), None);
    }
}
