//! Attestation. Part 3, 18.

use crate::{
    Tpm,
    der::{NotDer, unsigned},
    dispatch::{Entry, entries},
    session::sized,
    signing::select_scheme,
    ticket,
    x509::{self, Added, Partial},
};
use alloc::{sync::Arc, vec::Vec};
use sigillo_crypto::{Rng, hash::hash};
use sigillo_types::{
    Rc,
    buffers::{Tpm2bDigest, Tpm2bMaxBuffer},
    commands::{
        Certify, CertifyCreation, CertifyCreationResponse, CertifyResponse, CertifyX509, CertifyX509Response,
        GetCommandAuditDigest, GetCommandAuditDigestResponse, GetSessionAuditDigest,
        GetSessionAuditDigestResponse, GetTime, GetTimeResponse, Quote, QuoteResponse,
    },
    rc,
    structures::{
        Attested, SigScheme, TpmsCertifyInfo, TpmsCommandAuditInfo, TpmsCreationInfo, TpmsQuoteInfo,
        TpmsSessionAuditInfo, TpmsTimeAttestInfo,
    },
};

pub(crate) const COMMANDS: &[Entry] = entries![
    Certify => certify,
    CertifyCreation => certify_creation,
    Quote => quote,
    GetSessionAuditDigest => get_session_audit_digest,
    GetCommandAuditDigest => get_command_audit_digest,
    GetTime => get_time,
    CertifyX509 => certify_x509,
];

/// TPM2_Certify. Part 3, 18.2.
///
/// # Response codes
/// - `TYPE` (handle 1 or 2): a sequence.
/// - `KEY` (handle 2): the key does not sign.
/// - `SCHEME` (inScheme): none, not the key's, or not one for keys of its type.
/// - `RANGE`, `VALUE` (inScheme): no commitment of that count, or it was used.
pub(crate) fn certify(tpm: &mut Tpm, cmd: Certify) -> Result<CertifyResponse, Rc> {
    let object = tpm.object(cmd.object_handle.raw()).map_err(|code| code.at(Certify::OBJECT_HANDLE))?;
    let info = TpmsCertifyInfo { name: object.name.clone(), qualified_name: object.qualified_name.clone() };
    let signer = tpm.signer(cmd.sign_handle, Certify::SIGN_HANDLE, cmd.in_scheme, Certify::IN_SCHEME)?;
    let (certify_info, signature) = tpm.sign_attest(&signer, cmd.qualifying_data, Attested::Certify(info))?;
    Ok(CertifyResponse { certify_info, signature })
}

/// TPM2_CertifyCreation. Part 3, 18.3.
///
/// # Response codes
/// - `TYPE` (handle 1 or 2): a sequence.
/// - `TICKET` (creationTicket): not made here for this object and creationHash.
/// - `KEY` (handle 1), `SCHEME`, `RANGE`, `VALUE` (inScheme): as TPM2_Certify.
pub(crate) fn certify_creation(tpm: &mut Tpm, cmd: CertifyCreation) -> Result<CertifyCreationResponse, Rc> {
    let signer =
        tpm.signer(cmd.sign_handle, CertifyCreation::SIGN_HANDLE, cmd.in_scheme, CertifyCreation::IN_SCHEME)?;
    let object =
        tpm.object(cmd.object_handle.raw()).map_err(|code| code.at(CertifyCreation::OBJECT_HANDLE))?;
    if !ticket::is_creation(tpm, &cmd.creation_ticket, &object.name, &cmd.creation_hash) {
        return Err(rc::TICKET.at(CertifyCreation::CREATION_TICKET));
    }
    let info = TpmsCreationInfo { object_name: object.name.clone(), creation_hash: cmd.creation_hash };
    let (certify_info, signature) =
        tpm.sign_attest(&signer, cmd.qualifying_data, Attested::Creation(info))?;
    Ok(CertifyCreationResponse { certify_info, signature })
}

/// TPM2_Quote. Part 3, 18.4.
///
/// # Response codes
/// - `TYPE`, `KEY` (handle 1): as TPM2_Certify.
/// - `SCHEME`, `RANGE`, `VALUE` (inScheme): as TPM2_Certify; `SCHEME` also without a key, since the scheme's hash makes the digest of the PCR.
pub(crate) fn quote(tpm: &mut Tpm, cmd: Quote) -> Result<QuoteResponse, Rc> {
    let signer = tpm.signer(cmd.sign_handle, Quote::SIGN_HANDLE, cmd.in_scheme, Quote::IN_SCHEME)?;
    let hash_alg = signer.scheme.and_then(SigScheme::hash_alg).ok_or(rc::SCHEME.at(Quote::IN_SCHEME))?;
    let info = TpmsQuoteInfo {
        pcr_select: tpm.pcr_selection(&cmd.pcr_select),
        pcr_digest: sized(&tpm.pcr_digest(&cmd.pcr_select, hash_alg)),
    };
    let (quoted, signature) = tpm.sign_attest(&signer, cmd.qualifying_data, Attested::Quote(info))?;
    Ok(QuoteResponse { quoted, signature })
}

/// TPM2_GetSessionAuditDigest. Part 3, 18.5.
///
/// # Response codes
/// - `TYPE` (handle 3): the session never audited.
/// - `TYPE`, `KEY` (handle 2), `SCHEME`, `RANGE`, `VALUE` (inScheme): as TPM2_Certify.
pub(crate) fn get_session_audit_digest(
    tpm: &mut Tpm,
    cmd: GetSessionAuditDigest,
) -> Result<GetSessionAuditDigestResponse, Rc> {
    let signer = tpm.signer(
        cmd.sign_handle,
        GetSessionAuditDigest::SIGN_HANDLE,
        cmd.in_scheme,
        GetSessionAuditDigest::IN_SCHEME,
    )?;
    let handle = cmd.session_handle.raw();
    let session = tpm.session(handle).map_err(|_| rc::FAILURE)?;
    let not_auditing = rc::TYPE.at(GetSessionAuditDigest::SESSION_HANDLE);
    let session_digest = session.audit_digest.clone().ok_or(not_auditing)?;
    let exclusive_session = tpm.state.volatile.exclusive_audit == Some(handle);
    let info = TpmsSessionAuditInfo { exclusive_session, session_digest };
    let (audit_info, signature) =
        tpm.sign_attest(&signer, cmd.qualifying_data, Attested::SessionAudit(info))?;
    Ok(GetSessionAuditDigestResponse { audit_info, signature })
}

/// TPM2_GetCommandAuditDigest: a signature ends the log, whose digest is then empty. Part 3, 18.6.
///
/// # Response codes
/// - `TYPE`, `KEY` (handle 2), `SCHEME`, `RANGE`, `VALUE` (inScheme): as TPM2_Certify.
pub(crate) fn get_command_audit_digest(
    tpm: &mut Tpm,
    cmd: GetCommandAuditDigest,
) -> Result<GetCommandAuditDigestResponse, Rc> {
    let signer = tpm.signer(
        cmd.sign_handle,
        GetCommandAuditDigest::SIGN_HANDLE,
        cmd.in_scheme,
        GetCommandAuditDigest::IN_SCHEME,
    )?;
    let persistent = &tpm.state.persistent;
    let codes: Vec<u8> = persistent.audit_commands.iter().flat_map(|code| code.to_be_bytes()).collect();
    let info = TpmsCommandAuditInfo {
        audit_counter: persistent.audit_counter,
        digest_alg: persistent.audit_hash_alg.id(),
        audit_digest: Tpm2bDigest::new(&tpm.state.reset.command_audit_digest)?,
        command_digest: sized(&hash(persistent.audit_hash_alg, &[&codes])),
    };
    let (audit_info, signature) =
        tpm.sign_attest(&signer, cmd.qualifying_data, Attested::CommandAudit(info))?;
    if cmd.sign_handle.is_some() && !tpm.state.reset.command_audit_digest.is_empty() {
        tpm.state.reset_mut().command_audit_digest.clear();
    }
    Ok(GetCommandAuditDigestResponse { audit_info, signature })
}

/// TPM2_GetTime. Part 3, 18.7. What is attested is never obfuscated: the privacy administrator has authorized the command.
///
/// # Response codes
/// - `TYPE`, `KEY` (handle 2), `SCHEME`, `RANGE`, `VALUE` (inScheme): as TPM2_Certify.
pub(crate) fn get_time(tpm: &mut Tpm, cmd: GetTime) -> Result<GetTimeResponse, Rc> {
    let signer = tpm.signer(cmd.sign_handle, GetTime::SIGN_HANDLE, cmd.in_scheme, GetTime::IN_SCHEME)?;
    let info = TpmsTimeAttestInfo { time: tpm.time_info(), firmware_version: tpm.profile.firmware_version };
    let (time_info, signature) = tpm.sign_attest(&signer, cmd.qualifying_data, Attested::Time(info))?;
    Ok(GetTimeResponse { time_info, signature })
}

/// TPM2_CertifyX509. The serial number is random: no certificate has had it. Part 3, 18.8.
///
/// # Response codes
/// - `TYPE` (handle 1 or 2): a sequence.
/// - `ASYMMETRIC` (handle 1): a key without a public part. `CURVE` (handle 1): X.509 has no name for its curve.
/// - `SIZE` (reserved): it is not empty.
/// - `KEY` (handle 2): the key does not sign.
/// - `SCHEME` (inScheme): as TPM2_Certify; or there is no identifier for the scheme, and none is given.
/// - `SIZE` (partialCertificate): it is not one SEQUENCE; `VALUE`: not of the four or five elements in DER, or without one key usage.
/// - `ATTRIBUTES` (partialCertificate): the key usage or the attributes it names are not those of the object.
pub(crate) fn certify_x509(tpm: &mut Tpm, cmd: CertifyX509) -> Result<CertifyX509Response, Rc> {
    let object = tpm.object(cmd.object_handle.raw()).map_err(|code| code.at(CertifyX509::OBJECT_HANDLE))?;
    let object = Arc::clone(object);
    let signer = tpm.object(cmd.sign_handle.raw()).map_err(|code| code.at(CertifyX509::SIGN_HANDLE))?;
    let signer = Arc::clone(signer);
    if !cmd.reserved.is_empty() {
        return Err(rc::SIZE.at(CertifyX509::RESERVED));
    }
    if !signer.is_signing() {
        return Err(rc::KEY.at(CertifyX509::SIGN_HANDLE));
    }
    let scheme = select_scheme(&signer, cmd.in_scheme).map_err(|code| code.at(CertifyX509::IN_SCHEME))?;
    let key = x509::public_key(&object).map_err(|code| code.at(CertifyX509::OBJECT_HANDLE))?;
    let at = CertifyX509::PARTIAL_CERTIFICATE;
    let fields = x509::fields(&cmd.partial_certificate).map_err(|NotDer| rc::SIZE.at(at))?;
    let partial = Partial::read(fields).map_err(|NotDer| rc::VALUE.at(at))?;
    partial.check(&object).map_err(|code| code.at(at))?;
    let algorithm = partial.missing_algorithm(&signer, scheme);
    let algorithm = algorithm.map_err(|code| code.at(CertifyX509::IN_SCHEME))?;
    let mut serial = [0; 16];
    tpm.rng.fill(&mut serial);
    let added = Added { serial: unsigned(&serial), algorithm, key };
    let hash_alg = scheme.hash_alg().ok_or(rc::SCHEME.at(CertifyX509::IN_SCHEME))?;
    let tbs_digest = sized(&hash(hash_alg, &[&partial.complete(&added)]));
    let signature = tpm.sign(&signer, scheme, &tbs_digest)?;
    let added_to_certificate = Tpm2bMaxBuffer::try_from(added.to_der())?;
    Ok(CertifyX509Response { added_to_certificate, tbs_digest, signature })
}
