//! Asymmetric primitives. Part 3, 14.

use crate::{
    EccCurve,
    alg::EccKeyExchange,
    buffers::{
        Tpm2bData, Tpm2bDigest, Tpm2bMaxBuffer, Tpm2bPublicKeyRsa, Tpm2bRsaMessage, Tpm2bSecretBuffer,
    },
    derive::{Command, Response},
    handles::ObjectHandle,
    structures::{KdfScheme, RsaDecryptScheme, Tpm2bEccPoint, Tpm2bEccSecretPoint, TpmsAlgorithmDetailEcc},
};

/// TPM2_RSA_Encrypt: encrypts with an RSA public key. Part 3, 14.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0174, name = "TPM2_RSA_Encrypt", clause = "14.2", response = RsaEncryptResponse)]
pub struct RsaEncrypt {
    /// The key.
    #[handle]
    pub key_handle: ObjectHandle,
    /// The message.
    pub message: Tpm2bRsaMessage,
    /// The padding, if the key does not fix one.
    pub in_scheme: Option<RsaDecryptScheme>,
    /// The label of OAEP, with its final zero octet.
    pub label: Tpm2bData,
}

/// What [`RsaEncrypt`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct RsaEncryptResponse {
    /// The encrypted message.
    pub out_data: Tpm2bPublicKeyRsa,
}

/// TPM2_RSA_Decrypt: decrypts with an RSA private key. Part 3, 14.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0159, name = "TPM2_RSA_Decrypt", clause = "14.3", response = RsaDecryptResponse)]
pub struct RsaDecrypt {
    /// The key.
    #[handle(auth = user)]
    pub key_handle: ObjectHandle,
    /// The encrypted message.
    pub cipher_text: Tpm2bPublicKeyRsa,
    /// The padding, if the key does not fix one.
    pub in_scheme: Option<RsaDecryptScheme>,
    /// The label of OAEP, with its final zero octet.
    pub label: Tpm2bData,
}

/// What [`RsaDecrypt`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct RsaDecryptResponse {
    /// The message.
    pub message: Tpm2bRsaMessage,
}

/// TPM2_ECDH_KeyGen: makes an ephemeral key and the secret it shares with a public key. Part 3, 14.4.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0163, name = "TPM2_ECDH_KeyGen", clause = "14.4", response = EcdhKeyGenResponse)]
pub struct EcdhKeyGen {
    /// The key.
    #[handle]
    pub key_handle: ObjectHandle,
}

/// What [`EcdhKeyGen`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct EcdhKeyGenResponse {
    /// The shared secret.
    pub z_point: Tpm2bEccSecretPoint,
    /// The ephemeral public key.
    pub pub_point: Tpm2bEccPoint,
}

/// TPM2_ECDH_ZGen: multiplies a point by a private key. Part 3, 14.5.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0154, name = "TPM2_ECDH_ZGen", clause = "14.5", response = EcdhZGenResponse)]
pub struct EcdhZGen {
    /// The key.
    #[handle(auth = user)]
    pub key_handle: ObjectHandle,
    /// The point.
    pub in_point: Tpm2bEccPoint,
}

/// What [`EcdhZGen`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct EcdhZGenResponse {
    /// The product.
    pub out_point: Tpm2bEccSecretPoint,
}

/// TPM2_ECC_Parameters: answers the parameters of a curve. Part 3, 14.6.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0178, name = "TPM2_ECC_Parameters", clause = "14.6", response = EccParametersResponse)]
pub struct EccParameters {
    /// The curve.
    pub curve_id: EccCurve,
}

/// What [`EccParameters`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct EccParametersResponse {
    /// Its parameters.
    pub parameters: TpmsAlgorithmDetailEcc,
}

/// TPM2_ZGen_2Phase: agrees on secrets with a static and an ephemeral key of each side. Part 3, 14.7.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x018D, name = "TPM2_ZGen_2Phase", clause = "14.7", response = ZGen2PhaseResponse)]
pub struct ZGen2Phase {
    /// The static key of this side.
    #[handle(auth = user)]
    pub key_a: ObjectHandle,
    /// The static public key of the other side.
    pub in_qs_b: Tpm2bEccPoint,
    /// The ephemeral public key of the other side.
    pub in_qe_b: Tpm2bEccPoint,
    /// The scheme.
    pub in_scheme: EccKeyExchange,
    /// What TPM2_EC_Ephemeral answered about the ephemeral key of this side.
    pub counter: u16,
}

/// What [`ZGen2Phase`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct ZGen2PhaseResponse {
    /// The shared secret, or that of the static keys.
    pub out_z1: Tpm2bEccSecretPoint,
    /// The shared secret of the ephemeral keys; an Empty Point where the scheme has one secret.
    pub out_z2: Tpm2bEccSecretPoint,
}

/// TPM2_ECC_Encrypt: encrypts with an ECC public key. Part 3, 14.8.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0199, name = "TPM2_ECC_Encrypt", clause = "14.8", response = EccEncryptResponse)]
pub struct EccEncrypt {
    /// The key.
    #[handle]
    pub key_handle: ObjectHandle,
    /// The message.
    pub plain_text: Tpm2bSecretBuffer,
    /// The key derivation, if the key does not fix one.
    pub in_scheme: Option<KdfScheme>,
}

/// What [`EccEncrypt`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct EccEncryptResponse {
    /// The ephemeral public key.
    pub c1: Tpm2bEccPoint,
    /// The encrypted message.
    pub c2: Tpm2bMaxBuffer,
    /// The integrity value.
    pub c3: Tpm2bDigest,
}

/// TPM2_ECC_Decrypt: decrypts with an ECC private key. Part 3, 14.9.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x019A, name = "TPM2_ECC_Decrypt", clause = "14.9", response = EccDecryptResponse)]
pub struct EccDecrypt {
    /// The key.
    #[handle(auth = user)]
    pub key_handle: ObjectHandle,
    /// The ephemeral public key.
    pub c1: Tpm2bEccPoint,
    /// The encrypted message.
    pub c2: Tpm2bMaxBuffer,
    /// The integrity value.
    pub c3: Tpm2bDigest,
    /// The key derivation, if the key does not fix one.
    pub in_scheme: Option<KdfScheme>,
}

/// What [`EccDecrypt`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct EccDecryptResponse {
    /// The message.
    pub plain_text: Tpm2bSecretBuffer,
}
