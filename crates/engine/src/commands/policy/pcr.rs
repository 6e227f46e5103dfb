//! A policy on PCR. Part 3, 23.7.

use crate::Tpm;
use sigillo_types::{Marshal, Rc, cc, command::Done, commands::PolicyPcr, rc};

/// TPM2_PolicyPCR. Part 3, 23.7.
///
/// # Response codes
/// - `PCR_CHANGED`: PCR changed since an earlier PolicyPCR of this session.
/// - `VALUE` (pcrDigest): the PCR have other values.
pub(crate) fn policy_pcr(tpm: &mut Tpm, cmd: PolicyPcr) -> Result<Done, Rc> {
    let session = tpm.policy_session(cmd.policy_session)?;
    let (alg, trial) = (session.auth_hash, session.is_trial());
    let counter = tpm.state.reset.pcr_update_counter;
    let implemented = tpm.pcr_selection(&cmd.pcrs);
    let current = tpm.pcr_digest(&implemented, alg);
    let selection = if trial { &cmd.pcrs } else { &implemented };
    if !trial {
        let earlier = session.policy().and_then(|policy| policy.pcr_counter);
        if earlier.is_some_and(|earlier| earlier != counter) {
            return Err(rc::PCR_CHANGED);
        }
        if !cmd.pcr_digest.is_empty() && *cmd.pcr_digest != *current {
            return Err(rc::VALUE.at(PolicyPcr::PCR_DIGEST));
        }
    }
    let digest: &[u8] = if trial && !cmd.pcr_digest.is_empty() { &cmd.pcr_digest } else { &current };

    let session = tpm.policy_session_mut(cmd.policy_session)?;
    session.extend_policy(&[&cc::POLICY_PCR.to_be_bytes(), &selection.to_bytes(), digest]);
    if !trial && let Some(policy) = session.policy_mut() {
        policy.pcr_counter = Some(counter);
    }
    Ok(Done {})
}
