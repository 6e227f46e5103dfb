//! What the TPM signs about itself, the clock, and what is recorded of an object's creation. Part 2, 10.10, 10.11 and 15.

use super::TpmlPcrSelection;
use crate::{
    Fmt1,
    alg::AlgId,
    attributes::TpmaLocality,
    buffers::{Tpm2bAttest, Tpm2bData, Tpm2bDigest, Tpm2bMaxNvBuffer, Tpm2bName},
    constants::{TPM_GENERATED_VALUE, st},
    derive::{Marshal, Unmarshal},
    marshal::{self, Bytes, MarshalUnion, Reader, UnmarshalUnion},
    rc,
};

/// TPMS_CLOCK_INFO. Part 2, 10.10.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsClockInfo {
    /// Clock, in milliseconds.
    pub clock: u64,
    /// TPM Resets since TPM2_Clear.
    pub reset_count: u32,
    /// Shutdowns that were followed by no TPM Reset, since the last one.
    pub restart_count: u32,
    /// Whether no value of Clock this high was reported before.
    pub safe: bool,
}

/// TPMS_TIME_INFO. Part 2, 10.10.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsTimeInfo {
    /// Time since power-on, in milliseconds.
    pub time: u64,
    /// Clock and counters.
    pub clock_info: TpmsClockInfo,
}

/// TPMS_TIME_ATTEST_INFO. Part 2, 10.11.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsTimeAttestInfo {
    /// The time.
    pub time: TpmsTimeInfo,
    /// The firmware version.
    pub firmware_version: u64,
}

/// TPMS_CERTIFY_INFO. Part 2, 10.11.3.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsCertifyInfo {
    /// The Name of the object.
    pub name: Tpm2bName,
    /// Its Qualified Name.
    pub qualified_name: Tpm2bName,
}

/// TPMS_QUOTE_INFO. Part 2, 10.11.4.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsQuoteInfo {
    /// Which PCR.
    pub pcr_select: TpmlPcrSelection,
    /// The digest of their values.
    pub pcr_digest: Tpm2bDigest,
}

/// TPMS_COMMAND_AUDIT_INFO. Part 2, 10.11.5.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsCommandAuditInfo {
    /// How many times the digest was started anew.
    pub audit_counter: u64,
    /// The hash of the audit.
    pub digest_alg: AlgId,
    /// The digest of the audited commands.
    pub audit_digest: Tpm2bDigest,
    /// The digest of which commands are audited.
    pub command_digest: Tpm2bDigest,
}

/// TPMS_SESSION_AUDIT_INFO. Part 2, 10.11.6.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsSessionAuditInfo {
    /// Whether no command ran outside the session since it began.
    pub exclusive_session: bool,
    /// The digest of the session's commands.
    pub session_digest: Tpm2bDigest,
}

/// TPMS_CREATION_INFO. Part 2, 10.11.7.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsCreationInfo {
    /// The Name of the object.
    pub object_name: Tpm2bName,
    /// The digest of its creation data.
    pub creation_hash: Tpm2bDigest,
}

/// TPMS_NV_CERTIFY_INFO. Part 2, 10.11.8.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsNvCertifyInfo {
    /// The Name of the index.
    pub index_name: Tpm2bName,
    /// Where in the index the contents begin, in octets.
    pub offset: u16,
    /// The contents.
    pub nv_contents: Tpm2bMaxNvBuffer,
}

/// TPMS_NV_DIGEST_CERTIFY_INFO. Part 2, 10.11.9.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsNvDigestCertifyInfo {
    /// The Name of the index.
    pub index_name: Tpm2bName,
    /// The digest of its contents.
    pub nv_digest: Tpm2bDigest,
}

/// TPMU_ATTEST; its selector is TPMI_ST_ATTEST. Part 2, 10.11.10 and 10.11.11.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(tag = u16, error = TAG)]
pub enum Attested {
    /// By Certify.
    #[tpm(tag = st::ATTEST_CERTIFY)]
    Certify(TpmsCertifyInfo),
    /// By CertifyCreation.
    #[tpm(tag = st::ATTEST_CREATION)]
    Creation(TpmsCreationInfo),
    /// By Quote.
    #[tpm(tag = st::ATTEST_QUOTE)]
    Quote(TpmsQuoteInfo),
    /// By GetCommandAuditDigest.
    #[tpm(tag = st::ATTEST_COMMAND_AUDIT)]
    CommandAudit(TpmsCommandAuditInfo),
    /// By GetSessionAuditDigest.
    #[tpm(tag = st::ATTEST_SESSION_AUDIT)]
    SessionAudit(TpmsSessionAuditInfo),
    /// By GetTime.
    #[tpm(tag = st::ATTEST_TIME)]
    Time(TpmsTimeAttestInfo),
    /// By NV_Certify with data.
    #[tpm(tag = st::ATTEST_NV)]
    Nv(TpmsNvCertifyInfo),
    /// By NV_Certify with size and offset zero.
    #[tpm(tag = st::ATTEST_NV_DIGEST)]
    NvDigest(TpmsNvDigestCertifyInfo),
}

/// TPMS_ATTEST. Part 2, 10.11.12.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmsAttest {
    /// The Qualified Name of the signing key.
    pub qualified_signer: Tpm2bName,
    /// What the caller gave.
    pub extra_data: Tpm2bData,
    /// Clock and counters; obfuscated unless the key is in the endorsement or platform hierarchy.
    pub clock_info: TpmsClockInfo,
    /// The firmware version, obfuscated likewise.
    pub firmware_version: u64,
    /// What is attested.
    pub attested: Attested,
}

impl marshal::Marshal for TpmsAttest {
    fn marshal(&self, out: &mut Bytes) {
        TPM_GENERATED_VALUE.marshal(out);
        self.attested.selector().marshal(out);
        self.qualified_signer.marshal(out);
        self.extra_data.marshal(out);
        self.clock_info.marshal(out);
        self.firmware_version.marshal(out);
        self.attested.marshal_body(out);
    }
}

/// `VALUE` if the magic is not that of a TPM, `TAG` for an unknown type.
impl marshal::Unmarshal for TpmsAttest {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        use marshal::Unmarshal;
        if u32::unmarshal(r)? != TPM_GENERATED_VALUE {
            return Err(rc::VALUE);
        }
        let selector = u16::unmarshal(r)?;
        Ok(Self {
            qualified_signer: Unmarshal::unmarshal(r)?,
            extra_data: Unmarshal::unmarshal(r)?,
            clock_info: Unmarshal::unmarshal(r)?,
            firmware_version: Unmarshal::unmarshal(r)?,
            attested: Attested::unmarshal_body(selector, r)?,
        })
    }
}

/// The octets that are signed.
impl From<&TpmsAttest> for Tpm2bAttest {
    fn from(attest: &TpmsAttest) -> Self {
        // The maximum of the buffer is computed from those of the fields, so this cannot be refused.
        Self::try_from(marshal::Marshal::to_bytes(attest)).unwrap_or_default()
    }
}

/// TPMS_CREATION_DATA. Part 2, 15.1.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsCreationData {
    /// Which PCR.
    pub pcr_select: TpmlPcrSelection,
    /// The digest of their values.
    pub pcr_digest: Tpm2bDigest,
    /// The locality at which the object was created.
    pub locality: TpmaLocality,
    /// The parent's nameAlg, or TPM_ALG_NULL.
    pub parent_name_alg: AlgId,
    /// The parent's Name.
    pub parent_name: Tpm2bName,
    /// The parent's Qualified Name.
    pub parent_qualified_name: Tpm2bName,
    /// What the caller gave.
    pub outside_info: Tpm2bData,
}

/// TPM2B_CREATION_DATA. Part 2, 15.2.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(sized)]
pub struct Tpm2bCreationData {
    /// The creation data.
    pub creation_data: TpmsCreationData,
}
