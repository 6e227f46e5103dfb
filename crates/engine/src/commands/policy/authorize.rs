//! Policies that can be changed: by a signature, or by what an NV index holds. Part 3, 23.16 and 23.22.

use crate::{Tpm, nv, ticket};
use alloc::sync::Arc;
use sigillo_crypto::{ct_eq, hash::hash};
use sigillo_types::{
    HashAlg, Rc, Reader, Unmarshal,
    attributes::TpmaNv,
    cc,
    command::Done,
    commands::{PolicyAuthorize, PolicyAuthorizeNv},
    rc,
    structures::TkVerifiedMeta,
};

/// The algorithm of a Name, if its digest has the algorithm's size.
fn name_alg(tpm: &Tpm, name: &[u8]) -> Result<HashAlg, sigillo_types::Fmt1> {
    let mut r = tpm.reader(name);
    let alg = HashAlg::unmarshal(&mut r).map_err(|_| rc::HASH)?;
    if r.rest().len() == alg.digest_size() { Ok(alg) } else { Err(rc::SIZE) }
}

/// TPM2_PolicyAuthorize. Part 3, 23.16.
///
/// # Response codes
/// - `HASH`, `SIZE` (keySign): not the Name of an object.
/// - `VALUE` (approvedPolicy): not the session's policyDigest.
/// - `POLICY`: the ticket does not say that the key signed this.
pub(crate) fn policy_authorize(tpm: &mut Tpm, cmd: PolicyAuthorize) -> Result<Done, Rc> {
    let alg = name_alg(tpm, &cmd.key_sign).map_err(|code| code.at(PolicyAuthorize::KEY_SIGN))?;
    let session = tpm.policy_session(cmd.policy_session)?;
    if !session.is_trial() {
        let current = session.policy().map(|policy| &policy.digest);
        if current != Some(&cmd.approved_policy) {
            return Err(rc::VALUE.at(PolicyAuthorize::APPROVED_POLICY));
        }
        let message: [&[u8]; 2] = [&cmd.approved_policy, &cmd.policy_ref];
        let valid = match cmd.check_ticket.metadata {
            TkVerifiedMeta::Verified => {
                ticket::is_verified(tpm, &cmd.check_ticket, &hash(alg, &message), &cmd.key_sign)
            }
            TkVerifiedMeta::DigestVerified(alg) => {
                ticket::is_verified(tpm, &cmd.check_ticket, &hash(alg, &message), &cmd.key_sign)
            }
            TkVerifiedMeta::MessageVerified => {
                ticket::is_verified(tpm, &cmd.check_ticket, &message.concat(), &cmd.key_sign)
            }
        };
        if !valid {
            return Err(rc::POLICY);
        }
    }
    let session = tpm.policy_session_mut(cmd.policy_session)?;
    session.reset_policy_digest();
    session.update_policy(cc::POLICY_AUTHORIZE, &cmd.key_sign, &cmd.policy_ref);
    Ok(Done {})
}

/// TPM2_PolicyAuthorizeNV. Part 3, 23.22.
///
/// # Response codes
/// - `NV_AUTHORIZATION`, `NV_LOCKED`, `NV_UNINITIALIZED`: the index cannot be read, or not with this authorization; of a trial session,
///   only the authorization counts.
/// - `INSUFFICIENT` (nvIndex): too small for a TPMT_HA.
/// - `HASH` (nvIndex): holds no digest of the session's algorithm.
/// - `VALUE` (nvIndex): holds another digest than the session's policyDigest.
pub(crate) fn policy_authorize_nv(tpm: &mut Tpm, cmd: PolicyAuthorizeNv) -> Result<Done, Rc> {
    let at_index = |code: sigillo_types::Fmt1| code.at(PolicyAuthorizeNv::NV_INDEX);
    let index = Arc::clone(tpm.nv_index(cmd.nv_index.raw()).map_err(at_index)?);
    let session = tpm.policy_session(cmd.policy_session)?;
    let trial = session.is_trial();
    if trial {
        nv::check_nv_auth(cmd.auth_handle, &index, TpmaNv::OWNERREAD, TpmaNv::PPREAD)?;
    } else {
        tpm.check_nv_read(cmd.auth_handle, &index)?;
        let mut r = Reader::new(tpm.nv_data(&index));
        let alg = HashAlg::unmarshal(&mut r).map_err(at_index)?;
        if alg != session.auth_hash {
            return Err(at_index(rc::HASH));
        }
        let approved = r.take(alg.digest_size()).map_err(at_index)?;
        if !session.policy().is_some_and(|policy| ct_eq(&policy.digest, approved)) {
            return Err(at_index(rc::VALUE));
        }
    }
    let name = nv::name(&index);
    let session = tpm.policy_session_mut(cmd.policy_session)?;
    session.reset_policy_digest();
    session.extend_policy(&[&cc::POLICY_AUTHORIZE_NV.to_be_bytes(), &name]);
    Ok(Done {})
}
