//! Signatures. Part 3, 20.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    ticket,
};
use alloc::sync::Arc;
use sigillo_types::{
    Rc,
    attributes::TpmaObject,
    commands::{Sign, SignResponse, VerifySignature, VerifySignatureResponse},
    rc,
    structures::TkVerifiedMeta,
};

pub(crate) const COMMANDS: &[Entry] = entries![VerifySignature => verify_signature, Sign => sign];

/// TPM2_VerifySignature. Part 3, 20.2.
///
/// # Response codes
/// - `TYPE` (handle 1): a sequence.
/// - `ATTRIBUTES` (handle 1): the key does not sign.
/// - `SCHEME` (signature): not of the key's family.
/// - `HANDLE` (signature): an HMAC key whose sensitive area is not loaded.
/// - `SIGNATURE` (signature): it does not verify.
pub(crate) fn verify_signature(tpm: &mut Tpm, cmd: VerifySignature) -> Result<VerifySignatureResponse, Rc> {
    let key = tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(VerifySignature::KEY_HANDLE))?;
    if !key.attributes().contains(TpmaObject::SIGN) {
        return Err(rc::ATTRIBUTES.at(VerifySignature::KEY_HANDLE));
    }
    tpm.verify_signature(key, &cmd.digest, &cmd.signature)
        .map_err(|code| code.at(VerifySignature::SIGNATURE))?;
    let validation = ticket::verified(tpm, key.hierarchy, TkVerifiedMeta::Verified, &cmd.digest, &key.name);
    Ok(VerifySignatureResponse { validation })
}

/// TPM2_Sign. Part 3, 20.5.
///
/// # Response codes
/// - `TYPE` (handle 1): a sequence.
/// - `KEY` (handle 1): the key does not sign.
/// - `ATTRIBUTES` (handle 1): the key signs certificates only.
/// - `SCHEME` (inScheme): none, not the key's, or not one for keys of its type.
/// - `RANGE`, `VALUE` (inScheme): no commitment of that count, or it was used.
/// - `TICKET` (validation): it does not prove that the TPM made the digest by the hash of the scheme; a restricted key needs one.
/// - `SIZE` (digest): not a digest of the scheme's hash.
pub(crate) fn sign(tpm: &mut Tpm, cmd: Sign) -> Result<SignResponse, Rc> {
    let key = Arc::clone(tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(Sign::KEY_HANDLE))?);
    if !key.is_signing() {
        return Err(rc::KEY.at(Sign::KEY_HANDLE));
    }
    if key.attributes().contains(TpmaObject::X509_SIGN) {
        return Err(rc::ATTRIBUTES.at(Sign::KEY_HANDLE));
    }
    let scheme = tpm.signing_scheme(&key, cmd.in_scheme).map_err(|code| code.at(Sign::IN_SCHEME))?;
    let fits = cmd.digest.len() == scheme.hash_alg().digest_size();
    if !cmd.validation.digest.is_empty() || key.attributes().contains(TpmaObject::RESTRICTED) {
        // Every hash here has its own digest size, so the size says by which hash the digest was made.
        if !fits || !ticket::is_hash_check(tpm, &cmd.validation, &cmd.digest) {
            return Err(rc::TICKET.at(Sign::VALIDATION));
        }
    } else if !fits {
        return Err(rc::SIZE.at(Sign::DIGEST));
    }
    Ok(SignResponse { signature: tpm.sign(&key, scheme, &cmd.digest)? })
}
