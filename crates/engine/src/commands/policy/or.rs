//! Alternatives, and reading the digest. Part 3, 23.6 and 23.19.

use crate::Tpm;
use alloc::vec::Vec;
use sigillo_types::{
    Rc, cc,
    command::Done,
    commands::{PolicyGetDigest, PolicyGetDigestResponse, PolicyOr},
    rc,
};

/// TPM2_PolicyOR. Part 3, 23.6.
///
/// # Response codes
/// - `VALUE` (pHashList): policyDigest is not in the list.
pub(crate) fn policy_or(tpm: &mut Tpm, cmd: PolicyOr) -> Result<Done, Rc> {
    let session = tpm.policy_session_mut(cmd.policy_session)?;
    let is_listed = session.policy().is_some_and(|policy| cmd.p_hash_list.contains(&policy.digest));
    if !is_listed && !session.is_trial() {
        return Err(rc::VALUE.at(PolicyOr::P_HASH_LIST));
    }
    let digests: Vec<u8> = cmd.p_hash_list.iter().flat_map(|digest| digest.iter().copied()).collect();
    session.reset_policy_digest();
    session.extend_policy(&[&cc::POLICY_OR.to_be_bytes(), &digests]);
    Ok(Done {})
}

/// TPM2_PolicyGetDigest. Part 3, 23.19.
pub(crate) fn policy_get_digest(tpm: &mut Tpm, cmd: PolicyGetDigest) -> Result<PolicyGetDigestResponse, Rc> {
    let session = tpm.policy_session(cmd.policy_session)?;
    let policy_digest = session.policy().map(|policy| policy.digest.clone()).unwrap_or_default();
    Ok(PolicyGetDigestResponse { policy_digest })
}
