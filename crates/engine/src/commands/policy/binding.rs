//! Policies for one hash only: of a command, its Names, its parameters or a template. Part 3, 23.13 to 23.15, 23.21 and 23.24.
//!
//! A session holds one such hash at most; setting it to the same value again is allowed where the specification says so.

use crate::{
    Tpm,
    state::session::{BoundHash, Policy},
};
use sigillo_crypto::hash::hash;
use sigillo_types::{
    Position, Rc,
    buffers::Tpm2bDigest,
    cc,
    command::Done,
    commands::{PolicyCpHash, PolicyDuplicationSelect, PolicyNameHash, PolicyParameters, PolicyTemplate},
    handles::PolicySessionHandle,
    rc,
};

/// Checks the size of `bound`'s digest, lets `check` compare it with what the session holds, and binds the session to it.
fn bind(
    tpm: &mut Tpm,
    handle: PolicySessionHandle,
    code: u32,
    digest: &Tpm2bDigest,
    position: Position,
    bound: BoundHash,
    check: impl FnOnce(&BoundHash) -> Result<(), Rc>,
) -> Result<Done, Rc> {
    let session = tpm.policy_session_mut(handle)?;
    let trial = session.is_trial();
    if !trial && let Some(earlier) = session.policy().and_then(|policy| policy.bound_hash.as_ref()) {
        check(earlier)?;
    }
    if digest.len() != session.auth_hash.digest_size() {
        return Err(rc::SIZE.at(position));
    }
    session.extend_policy(&[&code.to_be_bytes(), digest]);
    if let Some(policy) = session.policy_mut() {
        policy.bound_hash = Some(bound);
    }
    Ok(Done {})
}

/// TPM2_PolicyCpHash. Part 3, 23.13.
///
/// # Response codes
/// - `CPHASH`: the session is bound to another hash.
/// - `SIZE` (cpHashA): not a digest of the session's algorithm.
pub(crate) fn policy_cp_hash(tpm: &mut Tpm, cmd: PolicyCpHash) -> Result<Done, Rc> {
    let bound = BoundHash::CpHash(cmd.cp_hash_a.clone());
    let same = bound.clone();
    bind(
        tpm,
        cmd.policy_session,
        cc::POLICY_CP_HASH,
        &cmd.cp_hash_a,
        PolicyCpHash::CP_HASH_A,
        bound,
        |earlier| {
            if *earlier == same { Ok(()) } else { Err(rc::CPHASH) }
        },
    )
}

/// TPM2_PolicyNameHash. Part 3, 23.14.
///
/// # Response codes
/// - `CPHASH`: the session is bound to a hash.
/// - `SIZE` (nameHash): not a digest of the session's algorithm.
pub(crate) fn policy_name_hash(tpm: &mut Tpm, cmd: PolicyNameHash) -> Result<Done, Rc> {
    let bound = BoundHash::NameHash(cmd.name_hash.clone());
    let position = PolicyNameHash::NAME_HASH;
    bind(tpm, cmd.policy_session, cc::POLICY_NAME_HASH, &cmd.name_hash, position, bound, |_| Err(rc::CPHASH))
}

/// TPM2_PolicyParameters. Part 3, 23.24.
///
/// # Response codes
/// - `CPHASH`: the session is bound to a hash.
/// - `SIZE` (pHash): not a digest of the session's algorithm.
pub(crate) fn policy_parameters(tpm: &mut Tpm, cmd: PolicyParameters) -> Result<Done, Rc> {
    let bound = BoundHash::Parameters(cmd.p_hash.clone());
    let position = PolicyParameters::P_HASH;
    bind(tpm, cmd.policy_session, cc::POLICY_PARAMETERS, &cmd.p_hash, position, bound, |_| Err(rc::CPHASH))
}

/// TPM2_PolicyTemplate. Part 3, 23.21.
///
/// # Response codes
/// - `VALUE` (templateHash): the session is bound to another template.
/// - `CPHASH`: the session is bound to a hash of another kind.
/// - `SIZE` (templateHash): not a digest of the session's algorithm.
pub(crate) fn policy_template(tpm: &mut Tpm, cmd: PolicyTemplate) -> Result<Done, Rc> {
    let bound = BoundHash::Template(cmd.template_hash.clone());
    let same = bound.clone();
    let position = PolicyTemplate::TEMPLATE_HASH;
    bind(tpm, cmd.policy_session, cc::POLICY_TEMPLATE, &cmd.template_hash, position, bound, |earlier| {
        match earlier {
            earlier if *earlier == same => Ok(()),
            BoundHash::Template(_) => Err(rc::VALUE.at(position)),
            BoundHash::CpHash(_)
            | BoundHash::NameHash(_)
            | BoundHash::Duplication(_)
            | BoundHash::Parameters(_) => Err(rc::CPHASH),
        }
    })
}

/// TPM2_PolicyDuplicationSelect. Part 3, 23.15.
///
/// # Response codes
/// - `CPHASH`: the session is bound to a hash.
/// - `POLICY_CC`: the policy is for another command than Duplicate.
pub(crate) fn policy_duplication_select(tpm: &mut Tpm, cmd: PolicyDuplicationSelect) -> Result<Done, Rc> {
    let session = tpm.policy_session_mut(cmd.policy_session)?;
    let allowed = |policy: &Policy| {
        if policy.bound_hash.is_some() {
            return Err(rc::CPHASH);
        }
        let other = policy.command_code.is_some_and(|code| code != cc::DUPLICATE);
        if other { Err(rc::POLICY_CC.into()) } else { Ok(()) }
    };
    if !session.is_trial() {
        session.policy().map_or(Ok(()), allowed)?;
    }
    let names = hash(session.auth_hash, &[&cmd.object_name, &cmd.new_parent_name]);
    let object: &[u8] = if cmd.include_object { &cmd.object_name } else { &[] };
    session.extend_policy(&[
        &cc::POLICY_DUPLICATION_SELECT.to_be_bytes(),
        object,
        &cmd.new_parent_name,
        &[u8::from(cmd.include_object)],
    ]);
    if let Some(policy) = session.policy_mut() {
        policy.bound_hash = Some(BoundHash::Duplication(crate::session::sized(&names)));
        policy.command_code = Some(cc::DUPLICATE);
    }
    Ok(Done {})
}
