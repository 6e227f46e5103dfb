//! Assertions that are checked when the policy is used: locality, command, presence, authValue, WRITTEN, secure
//! channel. Part 3, 23.8 to 23.25.

use crate::{Tpm, state::session::Policy};
use sigillo_crypto::hash::hash;
use sigillo_types::{
    HashAlg, Marshal, Position, Rc, Reader, Unmarshal,
    attributes::TpmaLocality,
    buffers::Tpm2bName,
    cc,
    command::Done,
    commands::{
        PolicyAuthValue, PolicyCommandCode, PolicyLocality, PolicyNvWritten, PolicyPassword,
        PolicyPhysicalPresence, PolicyTransportSpdm,
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
    let earlier = checked(tpm, cmd.policy_session)?.and_then(|policy| policy.command_code);
    if earlier.is_some_and(|earlier| earlier != cmd.code) {
        return Err(rc::VALUE.at(PolicyCommandCode::CODE));
    }
    if tpm.profile.command(cmd.code).is_none() {
        return Err(rc::POLICY_CC.at(PolicyCommandCode::CODE));
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

/// The Name of an object, or none.
fn check_name(tpm: &Tpm, name: &Tpm2bName, position: Position) -> Result<(), Rc> {
    if name.is_empty() {
        return Ok(());
    }
    let mut r: Reader<'_> = tpm.reader(name);
    // Where an algorithm has no room, the size is wrong.
    let alg = HashAlg::unmarshal(&mut r).map_err(|code| if name.len() < 2 { rc::SIZE } else { code });
    let alg = alg.map_err(|code| code.at(position))?;
    if r.rest().len() == alg.digest_size() { Ok(()) } else { Err(rc::SIZE.at(position)) }
}

/// TPM2_PolicyTransportSPDM: no channel ends in this TPM, so that whatever needs one is refused when the policy is used. Part 3, 23.25.
///
/// # Response codes
/// - `VALUE`: the policy needs a channel already.
/// - `HASH` (reqKeyName, tpmKeyName): not the Name of an object.
/// - `SIZE` (reqKeyName, tpmKeyName): the digest in the Name has another size.
pub(crate) fn policy_transport_spdm(tpm: &mut Tpm, cmd: PolicyTransportSpdm) -> Result<Done, Rc> {
    let session = tpm.policy_session(cmd.policy_session)?;
    if session.policy().is_some_and(|policy| policy.channel_needed) {
        return Err(rc::VALUE.into());
    }
    check_name(tpm, &cmd.req_key_name, PolicyTransportSpdm::REQ_KEY_NAME)?;
    check_name(tpm, &cmd.tpm_key_name, PolicyTransportSpdm::TPM_KEY_NAME)?;
    let any = cmd.req_key_name.is_empty() && cmd.tpm_key_name.is_empty();
    let names = hash(session.auth_hash, &[&cmd.req_key_name.to_bytes(), &cmd.tpm_key_name.to_bytes()]);
    let argument: &[u8] = if any { &[] } else { &names };
    assert(tpm, cmd.policy_session, cc::POLICY_TRANSPORT_SPDM, argument, |policy| {
        policy.channel_needed = true;
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
