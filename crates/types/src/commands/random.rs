//! The random number generator. Part 3, 16.

use crate::{
    buffers::{Tpm2bSecretDigest, Tpm2bSensitiveData},
    command::Done,
    derive::{Command, Response},
};

/// TPM2_GetRandom: answers random octets. Part 3, 16.1.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x017B, name = "TPM2_GetRandom", clause = "16.1", response = GetRandomResponse)]
pub struct GetRandom {
    /// How many octets; no more than a digest's come.
    pub bytes_requested: u16,
}

/// What [`GetRandom`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Response)]
pub struct GetRandomResponse {
    /// The octets.
    pub random_bytes: Tpm2bSecretDigest,
}

/// TPM2_StirRandom: adds to the state of the generator. Part 3, 16.2.
#[derive(Clone, Debug, PartialEq, Eq, Command)]
#[command(code = 0x0146, name = "TPM2_StirRandom", clause = "16.2", nv, response = Done)]
pub struct StirRandom {
    /// What to add.
    pub in_data: Tpm2bSensitiveData,
}
