//! Enhanced authorization. Part 3, 23.

use crate::{
    attributes::TpmaLocality,
    buffers::{Tpm2bDigest, Tpm2bName, Tpm2bNonce, Tpm2bOperand, Tpm2bTimeout},
    command::Done,
    constants::{Capability, Operation},
    derive::{Command, Response},
    handles::{EntityHandle, NvAuthHandle, NvIndexHandle, ObjectHandle, PolicySessionHandle},
    structures::{TpmlDigestMin2, TpmlPcrSelection, TpmtSignature, TpmtTkAuth, TpmtTkVerified},
};

/// TPM2_PolicySigned: includes the consent of a signing key. Part 3, 23.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0160, name = "TPM2_PolicySigned", clause = "23.3", response = PolicySignedResponse)]
pub struct PolicySigned {
    /// The key that signs the consent.
    #[handle]
    pub auth_object: ObjectHandle,
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// The nonce of the session the consent is for; empty for any.
    pub nonce_tpm: Tpm2bNonce,
    /// The digest of the command the consent is for; empty for any.
    pub cp_hash_a: Tpm2bDigest,
    /// Further describes the consent.
    pub policy_ref: Tpm2bNonce,
    /// Seconds the consent lasts; zero for no end, negative to get a ticket.
    pub expiration: i32,
    /// The signed consent.
    pub auth: TpmtSignature,
}

/// What [`PolicySigned`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct PolicySignedResponse {
    /// When the consent ends; empty without a ticket.
    pub timeout: Tpm2bTimeout,
    /// The consent, for later; NULL unless asked for.
    pub policy_ticket: TpmtTkAuth,
}

/// TPM2_PolicySecret: includes the consent of an entity's authValue. Part 3, 23.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0151, name = "TPM2_PolicySecret", clause = "23.4", response = PolicySecretResponse)]
pub struct PolicySecret {
    /// The entity.
    #[handle(auth = user)]
    pub auth_handle: EntityHandle,
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// The nonce of the session the consent is for; empty for any.
    pub nonce_tpm: Tpm2bNonce,
    /// The digest of the command the consent is for; empty for any.
    pub cp_hash_a: Tpm2bDigest,
    /// Further describes the consent.
    pub policy_ref: Tpm2bNonce,
    /// Seconds the consent lasts; zero for no end, negative to get a ticket.
    pub expiration: i32,
}

/// What [`PolicySecret`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct PolicySecretResponse {
    /// When the consent ends; empty without a ticket.
    pub timeout: Tpm2bTimeout,
    /// The consent, for later; NULL unless asked for.
    pub policy_ticket: TpmtTkAuth,
}

/// TPM2_PolicyTicket: includes a consent that was given before. Part 3, 23.5.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0172, name = "TPM2_PolicyTicket", clause = "23.5", response = Done)]
pub struct PolicyTicket {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// When the consent ends.
    pub timeout: Tpm2bTimeout,
    /// The digest of the command the consent is for; empty for any.
    pub cp_hash_a: Tpm2bDigest,
    /// Further describes the consent.
    pub policy_ref: Tpm2bNonce,
    /// The Name of what consented.
    pub auth_name: Tpm2bName,
    /// The consent.
    pub ticket: TpmtTkAuth,
}

/// TPM2_PolicyOR: accepts any of some policies. Part 3, 23.6.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0171, name = "TPM2_PolicyOR", clause = "23.6", response = Done)]
pub struct PolicyOr {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// The policies.
    pub p_hash_list: TpmlDigestMin2,
}

/// TPM2_PolicyPCR: asks for values of PCR. Part 3, 23.7.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x017F, name = "TPM2_PolicyPCR", clause = "23.7", response = Done)]
pub struct PolicyPcr {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// The digest of their values; empty for the present ones.
    pub pcr_digest: Tpm2bDigest,
    /// The PCR.
    pub pcrs: TpmlPcrSelection,
}

/// TPM2_PolicyLocality: asks for a locality. Part 3, 23.8.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x016F, name = "TPM2_PolicyLocality", clause = "23.8", response = Done)]
pub struct PolicyLocality {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// The localities.
    pub locality: TpmaLocality,
}

/// TPM2_PolicyNV: asks for contents of an index. Part 3, 23.9.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0149, name = "TPM2_PolicyNV", clause = "23.9", response = Done)]
pub struct PolicyNv {
    /// Who allows reading.
    #[handle(auth = user)]
    pub auth_handle: NvAuthHandle,
    /// The index.
    #[handle]
    pub nv_index: NvIndexHandle,
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// What to compare with.
    pub operand_b: Tpm2bOperand,
    /// Where in the index the operand begins, in octets.
    pub offset: u16,
    /// How to compare.
    pub operation: Operation,
}

/// TPM2_PolicyCounterTimer: asks for a state of the clock and counters. Part 3, 23.10.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x016D, name = "TPM2_PolicyCounterTimer", clause = "23.10", response = Done)]
pub struct PolicyCounterTimer {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// What to compare with.
    pub operand_b: Tpm2bOperand,
    /// Where in TPMS_TIME_INFO the operand begins, in octets.
    pub offset: u16,
    /// How to compare.
    pub operation: Operation,
}

/// TPM2_PolicyCommandCode: asks for a command. Part 3, 23.11.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x016C, name = "TPM2_PolicyCommandCode", clause = "23.11", response = Done)]
pub struct PolicyCommandCode {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// The command.
    pub code: u32,
}

/// TPM2_PolicyPhysicalPresence: asks for physical presence. Part 3, 23.12.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0187, name = "TPM2_PolicyPhysicalPresence", clause = "23.12", response = Done)]
pub struct PolicyPhysicalPresence {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
}

/// TPM2_PolicyCpHash: asks for a command with all its parameters. Part 3, 23.13.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x016E, name = "TPM2_PolicyCpHash", clause = "23.13", response = Done)]
pub struct PolicyCpHash {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// The digest of the command.
    pub cp_hash_a: Tpm2bDigest,
}

/// TPM2_PolicyNameHash: asks for entities by their Names. Part 3, 23.14.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0170, name = "TPM2_PolicyNameHash", clause = "23.14", response = Done)]
pub struct PolicyNameHash {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// The digest of the Names.
    pub name_hash: Tpm2bDigest,
}

/// TPM2_PolicyDuplicationSelect: asks for a duplication to a parent. Part 3, 23.15.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0188, name = "TPM2_PolicyDuplicationSelect", clause = "23.15", response = Done)]
pub struct PolicyDuplicationSelect {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// The Name of the object.
    pub object_name: Tpm2bName,
    /// The Name of the new parent.
    pub new_parent_name: Tpm2bName,
    /// Whether the object's Name goes into the policy.
    pub include_object: bool,
}

/// TPM2_PolicyAuthorize: accepts what a key has approved. Part 3, 23.16.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x016A, name = "TPM2_PolicyAuthorize", clause = "23.16", response = Done)]
pub struct PolicyAuthorize {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// The policy that was approved.
    pub approved_policy: Tpm2bDigest,
    /// Further describes the consent.
    pub policy_ref: Tpm2bNonce,
    /// The Name of the key.
    pub key_sign: Tpm2bName,
    /// Proof that the key signed the approval.
    pub check_ticket: TpmtTkVerified,
}

/// TPM2_PolicyAuthValue: asks for the authValue in the HMAC. Part 3, 23.17.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x016B, name = "TPM2_PolicyAuthValue", clause = "23.17", response = Done)]
pub struct PolicyAuthValue {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
}

/// TPM2_PolicyPassword: asks for the authValue as a password. Part 3, 23.18.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x018C, name = "TPM2_PolicyPassword", clause = "23.18", response = Done)]
pub struct PolicyPassword {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
}

/// TPM2_PolicyGetDigest: answers the policy digest of a session. Part 3, 23.19.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0189, name = "TPM2_PolicyGetDigest", clause = "23.19", response = PolicyGetDigestResponse)]
pub struct PolicyGetDigest {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
}

/// What [`PolicyGetDigest`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct PolicyGetDigestResponse {
    /// The digest.
    pub policy_digest: Tpm2bDigest,
}

/// TPM2_PolicyNvWritten: asks for an index that was or was not written. Part 3, 23.20.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x018F, name = "TPM2_PolicyNvWritten", clause = "23.20", response = Done)]
pub struct PolicyNvWritten {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// Whether the index must have been written.
    pub written_set: bool,
}

/// TPM2_PolicyTemplate: asks for a creation with a template. Part 3, 23.21.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0190, name = "TPM2_PolicyTemplate", clause = "23.21", response = Done)]
pub struct PolicyTemplate {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// The digest of the template.
    pub template_hash: Tpm2bDigest,
}

/// TPM2_PolicyAuthorizeNV: accepts the policy in an index. Part 3, 23.22.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0192, name = "TPM2_PolicyAuthorizeNV", clause = "23.22", response = Done)]
pub struct PolicyAuthorizeNv {
    /// Who allows reading.
    #[handle(auth = user)]
    pub auth_handle: NvAuthHandle,
    /// The index.
    #[handle]
    pub nv_index: NvIndexHandle,
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
}

/// TPM2_PolicyCapability: asks for a capability. Part 3, 23.23.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x019B, name = "TPM2_PolicyCapability", clause = "23.23", response = Done)]
pub struct PolicyCapability {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// What to compare with.
    pub operand_b: Tpm2bOperand,
    /// Where in the answer the operand begins, in octets.
    pub offset: u16,
    /// How to compare.
    pub operation: Operation,
    /// Which capability.
    pub capability: Capability,
    /// Which property.
    pub property: u32,
}

/// TPM2_PolicyParameters: asks for a command with all its parameters, whatever its handles. Part 3, 23.24.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x019C, name = "TPM2_PolicyParameters", clause = "23.24", response = Done)]
pub struct PolicyParameters {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// The digest of the parameters.
    pub p_hash: Tpm2bDigest,
}

/// TPM2_PolicyTransportSPDM: asks for a secure channel, perhaps with certain keys at its ends. Part 3, 23.25.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x01A1, name = "TPM2_PolicyTransportSPDM", clause = "23.25", response = Done)]
pub struct PolicyTransportSpdm {
    /// The session.
    #[handle]
    pub policy_session: PolicySessionHandle,
    /// The Name of the requester's key; empty for any.
    pub req_key_name: Tpm2bName,
    /// The Name of the TPM's key; empty for any.
    pub tpm_key_name: Tpm2bName,
}
