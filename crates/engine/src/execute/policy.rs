//! A policy session at the moment it authorizes a command. Part 3, 5.6 item 8.

use super::{Request, hashes, sessions::Target};
use crate::{
    Tpm,
    entity::Entity,
    state::{
        Session,
        session::{BoundHash, Policy},
    },
};
use sigillo_crypto::{ct_eq, hash::hash};
use sigillo_types::{HashAlg, Rc, Reader, attributes::TpmaNv, cc, command::AuthRole, rc};

/// Checks that a policy session is satisfied and made for this command and this entity.
///
/// # Errors
/// - `POLICY_FAIL`: ADMIN or DUP role without a command code in the policy; another cpHash, Names, parameters, template or policyDigest;
///   the WRITTEN attribute is not as the policy says.
/// - `MODE`: PolicySecret, and the policy does not ask for the authValue.
/// - `EXPIRED`: the time of the policy is over.
/// - `POLICY_CC`: the policy is for another command.
/// - `PCR_CHANGED`: a PCR changed since PolicyPCR.
/// - `LOCALITY`: the policy is for another locality.
/// - `PP`: the policy needs physical presence.
/// - `CHANNEL`: the policy needs a secure channel. None ends in this TPM. Part 3, 23.25.
pub(super) fn check(
    tpm: &Tpm,
    request: &mut Request<'_>,
    target: Target,
    session: &Session,
) -> Result<(), Rc> {
    let Some(policy) = session.policy() else { return Err(rc::FAILURE) };
    let code = request.entry.spec.code;
    if target.role != AuthRole::User && policy.command_code.is_none() {
        return Err(rc::POLICY_FAIL.into());
    }
    if code == cc::POLICY_SECRET && !policy.auth_value_needed && !policy.password_needed {
        return Err(rc::MODE.into());
    }
    if let Some(timeout_ms) = policy.timeout_ms
        && (timeout_ms < tpm.time_ms() || session.time_epoch != tpm.time_epoch())
    {
        return Err(rc::EXPIRED.into());
    }
    check_bound_hash(request, session.auth_hash, policy)?;
    if policy.command_code.is_some_and(|allowed| allowed != code) {
        return Err(rc::POLICY_CC.into());
    }
    let satisfied = tpm
        .auth_policy(target.handle)
        .is_some_and(|(alg, digest)| alg == session.auth_hash && ct_eq(digest, &policy.digest));
    if !satisfied {
        return Err(rc::POLICY_FAIL.into());
    }
    if policy.pcr_counter.is_some_and(|counter| counter != tpm.state.reset.pcr_update_counter) {
        return Err(rc::PCR_CHANGED);
    }
    if policy.locality.is_some_and(|locality| !locality.allows(tpm.call.locality)) {
        return Err(rc::LOCALITY);
    }
    if policy.pp_needed && !tpm.call.physical_presence {
        return Err(rc::PP.into());
    }
    if policy.channel_needed {
        return Err(rc::CHANNEL.into());
    }
    check_written(tpm, target, policy)
}

/// Compares what the policy is bound to with the command.
fn check_bound_hash(request: &mut Request<'_>, alg: HashAlg, policy: &Policy) -> Result<(), Rc> {
    let Some(bound) = &policy.bound_hash else { return Ok(()) };
    let code = request.entry.spec.code;
    let matches = match bound {
        BoundHash::CpHash(digest) => ct_eq(digest, &request.cp_hash(alg)),
        BoundHash::NameHash(digest) | BoundHash::Duplication(digest) => {
            ct_eq(digest, &hashes::name_hash(alg, &request.names))
        }
        BoundHash::Parameters(digest) => {
            ct_eq(digest, &hashes::cp_hash::<&[u8]>(alg, code, &[], request.parameters))
        }
        BoundHash::Template(digest) => {
            template(code, request.parameters).is_some_and(|template| ct_eq(digest, &hash(alg, &[template])))
        }
    };
    if matches { Ok(()) } else { Err(rc::POLICY_FAIL.into()) }
}

/// The octets of inPublic of a command that creates an object: the second parameter of each of them.
fn template(code: u32, parameters: &[u8]) -> Option<&[u8]> {
    if !matches!(code, cc::CREATE | cc::CREATE_PRIMARY | cc::CREATE_LOADED) {
        return None;
    }
    let mut r = Reader::new(parameters);
    r.sized(usize::MAX).ok()?;
    r.sized(usize::MAX).ok()
}

/// Compares the WRITTEN attribute with what the policy asks for; of anything but an NV index it makes no sense.
fn check_written(tpm: &Tpm, target: Target, policy: &Policy) -> Result<(), Rc> {
    let Some(written) = policy.nv_written else { return Ok(()) };
    match tpm.entity(target.handle) {
        Some(Entity::Nv(index)) if index.public.attributes.contains(TpmaNv::WRITTEN) == written => Ok(()),
        Some(_) | None => Err(rc::POLICY_FAIL.into()),
    }
}
