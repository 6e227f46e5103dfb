//! Sessions in the authorization area, and saved contexts. Part 2, 10.12 and 14.

use crate::{
    attributes::TpmaSession,
    buffers::{Tpm2bAuth, Tpm2bContextData, Tpm2bNonce},
    derive::{Marshal, Unmarshal},
    handles::{AuthSessionHandle, Hierarchy, SavedHandle},
};

/// TPMS_AUTH_COMMAND. Part 2, 10.12.2.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsAuthCommand {
    /// The session; `None` is a password.
    pub session_handle: Option<AuthSessionHandle>,
    /// nonceCaller.
    pub nonce: Tpm2bNonce,
    /// What the session does.
    pub session_attributes: TpmaSession,
    /// The HMAC, the password or the Empty Buffer.
    pub hmac: Tpm2bAuth,
}

/// TPMS_AUTH_RESPONSE. Part 2, 10.12.3.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsAuthResponse {
    /// nonceTPM.
    pub nonce: Tpm2bNonce,
    /// What the session did.
    pub session_attributes: TpmaSession,
    /// The HMAC or the Empty Buffer.
    pub hmac: Tpm2bAuth,
}

/// TPMS_CONTEXT. Part 2, 14.5.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsContext {
    /// When it was saved, in counts of contexts.
    pub sequence: u64,
    /// What was saved.
    pub saved_handle: SavedHandle,
    /// The hierarchy whose proof protects it.
    pub hierarchy: Hierarchy,
    /// The protected part.
    pub context_blob: Tpm2bContextData,
}
