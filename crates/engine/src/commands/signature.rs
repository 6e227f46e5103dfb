//! Signatures. Part 3, 20.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    signing::{digest_hash, fixed_scheme, with_context},
    state::{Object, object::SequenceKind},
    ticket,
};
use alloc::sync::Arc;
use sigillo_types::{
    HashAlg, Position, Rc,
    attributes::TpmaObject,
    buffers::Tpm2bDigest,
    commands::{
        Sign, SignDigest, SignDigestResponse, SignResponse, SignSequenceComplete,
        SignSequenceCompleteResponse, VerifyDigestSignature, VerifyDigestSignatureResponse,
        VerifySequenceComplete, VerifySequenceCompleteResponse, VerifySignature, VerifySignatureResponse,
    },
    rc,
    structures::{SigScheme, TkVerifiedMeta, TpmtSignature, TpmtTkHashcheck},
};

pub(crate) const COMMANDS: &[Entry] = entries![
    VerifySignature => verify_signature,
    VerifySequenceComplete => verify_sequence_complete,
    VerifyDigestSignature => verify_digest_signature,
    Sign => sign,
    SignSequenceComplete => sign_sequence_complete,
    SignDigest => sign_digest,
];

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
    let hash_alg = scheme.hash_alg().ok_or(rc::SCHEME.at(Sign::IN_SCHEME))?;
    check_digest(tpm, &key, hash_alg, (&cmd.digest, Sign::DIGEST), (&cmd.validation, Sign::VALIDATION))?;
    Ok(SignResponse { signature: tpm.sign(&key, scheme, &cmd.digest)? })
}

/// Whether a key may sign a digest that should be of `hash_alg`, with the ticket that comes with it. Part 3, 20.5 and 20.7.
///
/// # Errors
/// `TICKET` if the ticket proves nothing of the digest, and is not the NULL ticket of an unrestricted key; `SIZE` for a digest of another
/// length.
fn check_digest(
    tpm: &Tpm,
    key: &Object,
    hash_alg: HashAlg,
    (digest, digest_at): (&Tpm2bDigest, Position),
    (validation, validation_at): (&TpmtTkHashcheck, Position),
) -> Result<(), Rc> {
    let fits = digest.len() == hash_alg.digest_size();
    if !validation.digest.is_empty() || key.attributes().contains(TpmaObject::RESTRICTED) {
        // The ticket does not name the hash; the size is all that tells. Part 2, 10.6.7.
        if !fits || !ticket::is_hash_check(tpm, validation, digest) {
            return Err(rc::TICKET.at(validation_at));
        }
    } else if !fits {
        return Err(rc::SIZE.at(digest_at));
    }
    Ok(())
}

/// TPM2_SignDigest. Part 3, 20.7.
///
/// # Response codes
/// - `TYPE` (handle 1): a sequence.
/// - `KEY` (handle 1): the key does not sign.
/// - `ATTRIBUTES` (handle 1): the key signs certificates only.
/// - `SCHEME` (handle 1): the key has no scheme of its own, or one that signs messages: HMAC, EdDSA.
/// - `SIZE` (context): not the count of a key of ECDAA; of any other, not empty.
/// - `RANGE`, `VALUE` (context): no commitment of that count, or it was used.
/// - `SIZE` (digest): not a digest of the scheme's hash.
/// - `TICKET` (validation): as TPM2_Sign.
pub(crate) fn sign_digest(tpm: &mut Tpm, cmd: SignDigest) -> Result<SignDigestResponse, Rc> {
    let at = SignDigest::KEY_HANDLE;
    let key = Arc::clone(tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(at))?);
    let scheme = fixed_scheme(&key).map_err(|code| code.at(at))?;
    if key.attributes().contains(TpmaObject::X509_SIGN) {
        return Err(rc::ATTRIBUTES.at(at));
    }
    let hash_alg = digest_hash(scheme).ok_or(rc::SCHEME.at(at))?;
    let scheme = with_context(scheme, &cmd.context, false).map_err(|code| code.at(SignDigest::CONTEXT))?;
    tpm.require_commitment(&key, scheme).map_err(|code| code.at(SignDigest::CONTEXT))?;
    let validation = (&cmd.validation, SignDigest::VALIDATION);
    check_digest(tpm, &key, hash_alg, (&cmd.digest, SignDigest::DIGEST), validation)?;
    Ok(SignDigestResponse { signature: tpm.sign(&key, scheme, &cmd.digest)? })
}

/// TPM2_VerifyDigestSignature. Part 3, 20.4.
///
/// # Response codes
/// - `TYPE` (handle 1): a sequence.
/// - `KEY` (handle 1): the key does not sign.
/// - `SCHEME` (handle 1): the key has no scheme of its own, or one that signs messages: HMAC, EdDSA.
/// - `SIZE` (context): as TPM2_SignDigest.
/// - `SIZE` (digest): not a digest of the scheme's hash.
/// - `SCHEME` (signature): not by the key's scheme and hash, or by ECDAA, which no TPM verifies.
/// - `SIGNATURE` (signature): it does not verify.
pub(crate) fn verify_digest_signature(
    tpm: &mut Tpm,
    cmd: VerifyDigestSignature,
) -> Result<VerifyDigestSignatureResponse, Rc> {
    let at = VerifyDigestSignature::KEY_HANDLE;
    let key = tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(at))?;
    let scheme = fixed_scheme(key).map_err(|code| code.at(at))?;
    let hash_alg = digest_hash(scheme).ok_or(rc::SCHEME.at(at))?;
    with_context(scheme, &cmd.context, false).map_err(|code| code.at(VerifyDigestSignature::CONTEXT))?;
    if cmd.digest.len() != hash_alg.digest_size() {
        return Err(rc::SIZE.at(VerifyDigestSignature::DIGEST));
    }
    tpm.verify_digest(key, scheme, &cmd.digest, &cmd.signature)
        .map_err(|code| code.at(VerifyDigestSignature::SIGNATURE))?;
    let metadata = TkVerifiedMeta::DigestVerified(hash_alg);
    let validation = ticket::verified(tpm, key.hierarchy, metadata, &cmd.digest, &key.name);
    Ok(VerifyDigestSignatureResponse { validation })
}

/// TPM2_SignSequenceComplete. Part 3, 20.6.
///
/// # Response codes
/// - `MODE` (handle 1): not a sequence that signs.
/// - `TYPE` (handle 2): a sequence.
/// - `SIGN_CONTEXT_KEY` (handle 2): not the key that the sequence was started with.
/// - `ATTRIBUTES` (handle 2): the key signs certificates only.
/// - `ONE_SHOT_SIGNATURE` (handle 1): a part of the message came before, and the key signs by EdDSA.
/// - `VALUE` (buffer): the key is restricted, and the first piece of the message has fewer than four octets or begins as what only the TPM
///   makes.
/// - `RANGE`, `VALUE` (handle 1): the commitment that the sequence was started with is too old by now, or was used.
pub(crate) fn sign_sequence_complete(
    tpm: &mut Tpm,
    cmd: SignSequenceComplete,
) -> Result<SignSequenceCompleteResponse, Rc> {
    let (sequence_at, key_at) = (SignSequenceComplete::SEQUENCE_HANDLE, SignSequenceComplete::KEY_HANDLE);
    let mode = rc::MODE.at(sequence_at);
    let sequence = tpm.sequence(cmd.sequence_handle.raw()).map_err(|_| mode)?;
    let SequenceKind::Sign { message, safe, count } = sequence.kind.clone() else { return Err(mode) };
    let key = Arc::clone(tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(key_at))?);
    if !message.is_for(&key) {
        return Err(rc::SIGN_CONTEXT_KEY.at(key_at));
    }
    if key.attributes().contains(TpmaObject::X509_SIGN) {
        return Err(rc::ATTRIBUTES.at(key_at));
    }
    let scheme = match (fixed_scheme(&key).map_err(|code| code.at(key_at))?, count) {
        (SigScheme::Ecdaa { hash_alg, .. }, Some(count)) => SigScheme::Ecdaa { hash_alg, count },
        (scheme, _) => scheme,
    };
    if scheme == SigScheme::Eddsa && safe.is_some() {
        return Err(rc::ONE_SHOT_SIGNATURE.at(sequence_at));
    }
    let safe = safe.unwrap_or_else(|| ticket::is_safe_to_sign(&cmd.buffer));
    if key.attributes().contains(TpmaObject::RESTRICTED) && !safe {
        return Err(rc::VALUE.at(SignSequenceComplete::BUFFER));
    }
    tpm.require_commitment(&key, scheme).map_err(|code| code.at(sequence_at))?;
    let signature = tpm.sign_message(&key, scheme, message, &cmd.buffer)?;
    tpm.end_sequence(cmd.sequence_handle).map_err(|_| mode)?;
    Ok(SignSequenceCompleteResponse { signature })
}

/// TPM2_VerifySequenceComplete. Part 3, 20.3. A sequence that was given nothing is one over the empty message.
///
/// # Response codes
/// - `MODE` (handle 1): not a sequence that verifies.
/// - `TYPE` (handle 2): a sequence.
/// - `SIGN_CONTEXT_KEY` (handle 2): not the key that the sequence was started with.
/// - `SCHEME` (signature): not by the key's scheme and hash, or by ECDAA, which no TPM verifies.
/// - `SIGNATURE` (signature): it does not verify, or does not begin with the hint.
pub(crate) fn verify_sequence_complete(
    tpm: &mut Tpm,
    cmd: VerifySequenceComplete,
) -> Result<VerifySequenceCompleteResponse, Rc> {
    let mode = rc::MODE.at(VerifySequenceComplete::SEQUENCE_HANDLE);
    let key_at = VerifySequenceComplete::KEY_HANDLE;
    let sequence = tpm.sequence(cmd.sequence_handle.raw()).map_err(|_| mode)?;
    let SequenceKind::Verify { message, ticket, hint } = sequence.kind.clone() else { return Err(mode) };
    let key = Arc::clone(tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(key_at))?);
    if !message.is_for(&key) {
        return Err(rc::SIGN_CONTEXT_KEY.at(key_at));
    }
    let scheme = fixed_scheme(&key).map_err(|code| code.at(key_at))?;
    let verified = match &cmd.signature {
        TpmtSignature::Eddsa(signature) if !signature.starts_with(&hint) => Err(rc::SIGNATURE),
        signature => tpm.verify_message(&key, scheme, message, signature),
    };
    verified.map_err(|code| code.at(VerifySequenceComplete::SIGNATURE))?;
    let validation = ticket::message_verified(key.hierarchy, ticket, &key.name);
    tpm.end_sequence(cmd.sequence_handle).map_err(|_| mode)?;
    Ok(VerifySequenceCompleteResponse { validation })
}
