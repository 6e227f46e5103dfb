//! Ephemeral EC keys. Part 3, 19.

use crate::{
    EccCurve,
    buffers::{Tpm2bEccParameter, Tpm2bSensitiveData},
    derive::{Command, Response},
    handles::ObjectHandle,
    structures::Tpm2bEccPoint,
};

/// TPM2_Commit: performs the first half of an anonymous signature. Part 3, 19.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x018B, name = "TPM2_Commit", clause = "19.2", response = CommitResponse)]
pub struct Commit {
    /// The key that will sign.
    #[handle(auth = user)]
    pub sign_handle: ObjectHandle,
    /// A point to multiply by the ephemeral key, or an Empty Point.
    pub p1: Tpm2bEccPoint,
    /// The base name, whose digest is the x-coordinate of a point to multiply by both keys, or empty.
    pub s2: Tpm2bSensitiveData,
    /// The y-coordinate of that point, or empty.
    pub y2: Tpm2bEccParameter,
}

/// What [`Commit`] answers. A point that was not asked for is an Empty Point.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct CommitResponse {
    /// The point of the base name times the private key.
    pub k: Tpm2bEccPoint,
    /// The point of the base name times the ephemeral key.
    pub l: Tpm2bEccPoint,
    /// P1, or without any point the generator, times the ephemeral key.
    pub e: Tpm2bEccPoint,
    /// Tells the signing command which ephemeral key to use.
    pub counter: u16,
}

/// TPM2_EC_Ephemeral: makes a key for one two-phase key exchange. Part 3, 19.3.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x018E, name = "TPM2_EC_Ephemeral", clause = "19.3", response = EcEphemeralResponse)]
pub struct EcEphemeral {
    /// The curve.
    pub curve_id: EccCurve,
}

/// What [`EcEphemeral`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct EcEphemeralResponse {
    /// The ephemeral public key.
    pub q: Tpm2bEccPoint,
    /// Tells TPM2_ZGen_2Phase which ephemeral key to use.
    pub counter: u16,
}
