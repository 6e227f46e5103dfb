//! Symmetric primitives. Part 3, 15.

use crate::{
    HashAlg,
    alg::{CipherMode, MacScheme},
    buffers::{Tpm2bDigest, Tpm2bIv, Tpm2bMaxBuffer, Tpm2bSecretBuffer},
    derive::{Command, Response},
    handles::{Hierarchy, ObjectHandle},
    structures::TpmtTkHashcheck,
};

/// TPM2_EncryptDecrypt: encrypts or decrypts with a symmetric key. Part 3, 15.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0164, name = "TPM2_EncryptDecrypt", clause = "15.2", response = EncryptDecryptResponse)]
pub struct EncryptDecrypt {
    /// The key.
    #[handle(auth = user)]
    pub key_handle: ObjectHandle,
    /// Whether to decrypt.
    pub decrypt: bool,
    /// The mode, if the key does not fix one.
    pub mode: Option<CipherMode>,
    /// The initial value.
    pub iv_in: Tpm2bIv,
    /// The data.
    pub in_data: Tpm2bSecretBuffer,
}

/// What [`EncryptDecrypt`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct EncryptDecryptResponse {
    /// The result, as long as the data.
    pub out_data: Tpm2bSecretBuffer,
    /// The initial value for what follows.
    pub iv_out: Tpm2bIv,
}

/// TPM2_EncryptDecrypt2: encrypts or decrypts with a symmetric key; its data can be encrypted in a session. Part 3, 15.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0193, name = "TPM2_EncryptDecrypt2", clause = "15.3", response = EncryptDecrypt2Response)]
pub struct EncryptDecrypt2 {
    /// The key.
    #[handle(auth = user)]
    pub key_handle: ObjectHandle,
    /// The data.
    pub in_data: Tpm2bSecretBuffer,
    /// Whether to decrypt.
    pub decrypt: bool,
    /// The mode, if the key does not fix one.
    pub mode: Option<CipherMode>,
    /// The initial value.
    pub iv_in: Tpm2bIv,
}

/// What [`EncryptDecrypt2`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct EncryptDecrypt2Response {
    /// The result, as long as the data.
    pub out_data: Tpm2bSecretBuffer,
    /// The initial value for what follows.
    pub iv_out: Tpm2bIv,
}

/// TPM2_Hash: hashes a message. Part 3, 15.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x017D, name = "TPM2_Hash", clause = "15.4", response = HashResponse)]
pub struct Hash {
    /// The message.
    pub data: Tpm2bMaxBuffer,
    /// The hash.
    pub hash_alg: HashAlg,
    /// The hierarchy of the ticket.
    pub hierarchy: Hierarchy,
}

/// What [`struct@Hash`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct HashResponse {
    /// The digest.
    pub out_hash: Tpm2bDigest,
    /// Proof that the digest may be signed by a restricted key; NULL if it may not.
    pub validation: TpmtTkHashcheck,
}

/// TPM2_HMAC: computes the HMAC of a message. Part 3, 15.5.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0155, name = "TPM2_HMAC", clause = "15.5", response = HmacResponse)]
pub struct Hmac {
    /// The HMAC key.
    #[handle(auth = user)]
    pub handle: ObjectHandle,
    /// The message.
    pub buffer: Tpm2bMaxBuffer,
    /// The hash, if the key does not fix one.
    pub hash_alg: Option<HashAlg>,
}

/// What [`Hmac`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct HmacResponse {
    /// The HMAC.
    pub out_hmac: Tpm2bDigest,
}

/// TPM2_MAC: computes the HMAC or block cipher MAC of a message. It has the code of TPM2_HMAC and does what that does. Part 3, 15.6.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0155, name = "TPM2_MAC", clause = "15.6", response = MacResponse)]
pub struct Mac {
    /// The key, whose type decides what is computed.
    #[handle(auth = user)]
    pub handle: ObjectHandle,
    /// The message.
    pub buffer: Tpm2bMaxBuffer,
    /// The hash or MAC, if the key does not fix one.
    pub in_scheme: Option<MacScheme>,
}

/// What [`Mac`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct MacResponse {
    /// The MAC.
    pub out_mac: Tpm2bDigest,
}
