//! Attestation. Part 3, 18.

use crate::{
    buffers::{Tpm2bAttest, Tpm2bData, Tpm2bDigest, Tpm2bMaxBuffer},
    derive::{Command, Response},
    handles::{EndorsementHandle, HmacSessionHandle, ObjectHandle},
    structures::{SigScheme, TpmlPcrSelection, TpmtSignature, TpmtTkCreation},
};

/// TPM2_Certify: attests that an object is loaded. Part 3, 18.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0148, name = "TPM2_Certify", clause = "18.2", response = CertifyResponse)]
pub struct Certify {
    /// The object.
    #[handle(auth = admin)]
    pub object_handle: ObjectHandle,
    /// The signing key; `None` leaves the attestation unsigned.
    #[handle(auth = user)]
    pub sign_handle: Option<ObjectHandle>,
    /// Goes into the attestation as it is.
    pub qualifying_data: Tpm2bData,
    /// The scheme, if the key does not fix one.
    pub in_scheme: Option<SigScheme>,
}

/// What [`Certify`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct CertifyResponse {
    /// The attestation.
    pub certify_info: Tpm2bAttest,
    /// Its signature.
    pub signature: Option<TpmtSignature>,
}

/// TPM2_CertifyCreation: attests how an object was created. Part 3, 18.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x014A, name = "TPM2_CertifyCreation", clause = "18.3", response = CertifyCreationResponse)]
pub struct CertifyCreation {
    /// The signing key; `None` leaves the attestation unsigned.
    #[handle(auth = user)]
    pub sign_handle: Option<ObjectHandle>,
    /// The object.
    #[handle]
    pub object_handle: ObjectHandle,
    /// Goes into the attestation as it is.
    pub qualifying_data: Tpm2bData,
    /// The digest of the creation data.
    pub creation_hash: Tpm2bDigest,
    /// The scheme, if the key does not fix one.
    pub in_scheme: Option<SigScheme>,
    /// Proof that the creation data are those of the object.
    pub creation_ticket: TpmtTkCreation,
}

/// What [`CertifyCreation`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct CertifyCreationResponse {
    /// The attestation.
    pub certify_info: Tpm2bAttest,
    /// Its signature.
    pub signature: Option<TpmtSignature>,
}

/// TPM2_Quote: attests PCR. Part 3, 18.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0158, name = "TPM2_Quote", clause = "18.4", response = QuoteResponse)]
pub struct Quote {
    /// The signing key; `None` leaves the attestation unsigned.
    #[handle(auth = user)]
    pub sign_handle: Option<ObjectHandle>,
    /// Goes into the attestation as it is.
    pub qualifying_data: Tpm2bData,
    /// The scheme, if the key does not fix one.
    pub in_scheme: Option<SigScheme>,
    /// The PCR to quote.
    pub pcr_select: TpmlPcrSelection,
}

/// What [`Quote`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct QuoteResponse {
    /// The attestation.
    pub quoted: Tpm2bAttest,
    /// Its signature.
    pub signature: Option<TpmtSignature>,
}

/// TPM2_GetSessionAuditDigest: attests the audit digest of a session. Part 3, 18.5.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x014D, name = "TPM2_GetSessionAuditDigest", clause = "18.5", response = GetSessionAuditDigestResponse)]
pub struct GetSessionAuditDigest {
    /// Allows the use of the endorsement hierarchy's secrets.
    #[handle(auth = user)]
    pub privacy_admin_handle: EndorsementHandle,
    /// The signing key; `None` leaves the attestation unsigned.
    #[handle(auth = user)]
    pub sign_handle: Option<ObjectHandle>,
    /// The session.
    #[handle]
    pub session_handle: HmacSessionHandle,
    /// Goes into the attestation as it is.
    pub qualifying_data: Tpm2bData,
    /// The scheme, if the key does not fix one.
    pub in_scheme: Option<SigScheme>,
}

/// What [`GetSessionAuditDigest`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct GetSessionAuditDigestResponse {
    /// The attestation.
    pub audit_info: Tpm2bAttest,
    /// Its signature.
    pub signature: Option<TpmtSignature>,
}

/// TPM2_GetCommandAuditDigest: attests the command audit digest. Part 3, 18.6.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0133, name = "TPM2_GetCommandAuditDigest", clause = "18.6", nv, response = GetCommandAuditDigestResponse)]
pub struct GetCommandAuditDigest {
    /// Allows the use of the endorsement hierarchy's secrets.
    #[handle(auth = user)]
    pub privacy_handle: EndorsementHandle,
    /// The signing key; `None` leaves the attestation unsigned.
    #[handle(auth = user)]
    pub sign_handle: Option<ObjectHandle>,
    /// Goes into the attestation as it is.
    pub qualifying_data: Tpm2bData,
    /// The scheme, if the key does not fix one.
    pub in_scheme: Option<SigScheme>,
}

/// What [`GetCommandAuditDigest`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct GetCommandAuditDigestResponse {
    /// The attestation.
    pub audit_info: Tpm2bAttest,
    /// Its signature.
    pub signature: Option<TpmtSignature>,
}

/// TPM2_GetTime: attests the time. Part 3, 18.7.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x014C, name = "TPM2_GetTime", clause = "18.7", response = GetTimeResponse)]
pub struct GetTime {
    /// Allows the use of the endorsement hierarchy's secrets.
    #[handle(auth = user)]
    pub privacy_admin_handle: EndorsementHandle,
    /// The signing key; `None` leaves the attestation unsigned.
    #[handle(auth = user)]
    pub sign_handle: Option<ObjectHandle>,
    /// Goes into the attestation as it is.
    pub qualifying_data: Tpm2bData,
    /// The scheme, if the key does not fix one.
    pub in_scheme: Option<SigScheme>,
}

/// What [`GetTime`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct GetTimeResponse {
    /// The attestation.
    pub time_info: Tpm2bAttest,
    /// Its signature.
    pub signature: Option<TpmtSignature>,
}

/// TPM2_CertifyX509: signs a certificate over a public key. Part 3, 18.8.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0197, name = "TPM2_CertifyX509", clause = "18.8", response = CertifyX509Response)]
pub struct CertifyX509 {
    /// The object.
    #[handle(auth = admin)]
    pub object_handle: ObjectHandle,
    /// The signing key.
    #[handle(auth = user)]
    pub sign_handle: ObjectHandle,
    /// Must be empty.
    pub reserved: Tpm2bData,
    /// The scheme, if the key does not fix one.
    pub in_scheme: Option<SigScheme>,
    /// The certificate without what the TPM adds, in DER.
    pub partial_certificate: Tpm2bMaxBuffer,
}

/// What [`CertifyX509`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct CertifyX509Response {
    /// What the TPM added, in DER.
    pub added_to_certificate: Tpm2bMaxBuffer,
    /// The digest that was signed.
    pub tbs_digest: Tpm2bDigest,
    /// Its signature.
    pub signature: TpmtSignature,
}
