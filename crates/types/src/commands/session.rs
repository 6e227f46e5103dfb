//! Sessions. Part 3, 11.

use crate::{
    HashAlg,
    buffers::{Tpm2bEncryptedSecret, Tpm2bNonce},
    command::Done,
    constants::SessionType,
    derive::{Command, Response},
    handles::{EntityHandle, ObjectHandle, PolicySessionHandle, TpmHandle},
    structures::SymDef,
};

/// TPM2_StartAuthSession: starts an HMAC, policy or trial session. Part 3, 11.1.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0176, name = "TPM2_StartAuthSession", clause = "11.1", response = StartAuthSessionResponse)]
pub struct StartAuthSession {
    /// The key that decrypts the salt; `None` is a session without salt.
    #[handle]
    pub tpm_key: Option<ObjectHandle>,
    /// The entity whose authValue goes into the session key; `None` is an unbound session.
    #[handle]
    pub bind: Option<EntityHandle>,
    /// The first nonce; at least 16 octets.
    pub nonce_caller: Tpm2bNonce,
    /// The salt, encrypted to `tpm_key`; empty without it.
    pub encrypted_salt: Tpm2bEncryptedSecret,
    /// Which kind of session.
    pub session_type: SessionType,
    /// How to encrypt parameters; `None` if no session use will.
    pub symmetric: Option<SymDef>,
    /// The hash of the session.
    pub auth_hash: HashAlg,
}

/// What [`StartAuthSession`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct StartAuthSessionResponse {
    /// The new session.
    #[handle]
    pub session_handle: TpmHandle,
    /// The first nonce of the TPM.
    pub nonce_tpm: Tpm2bNonce,
}

/// TPM2_PolicyRestart: puts a policy session back to its start. Part 3, 11.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0180, name = "TPM2_PolicyRestart", clause = "11.2", response = Done)]
pub struct PolicyRestart {
    /// The session.
    #[handle]
    pub session_handle: PolicySessionHandle,
}
