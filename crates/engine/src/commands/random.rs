//! The random number generator. Part 3, 16.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
};
use alloc::vec;
use sigillo_crypto::Rng;
use sigillo_types::{
    Rc,
    buffers::Tpm2bSecretDigest,
    command::Done,
    commands::{GetRandom, GetRandomResponse, StirRandom},
    rc,
};

pub(crate) const COMMANDS: &[Entry] = entries![GetRandom => get_random, StirRandom => stir_random];

/// TPM2_GetRandom. Part 3, 16.1. No more octets than the longest digest has.
pub(crate) fn get_random(tpm: &mut Tpm, cmd: GetRandom) -> Result<GetRandomResponse, Rc> {
    let mut octets = vec![0; usize::from(cmd.bytes_requested).min(Tpm2bSecretDigest::MAX)];
    tpm.rng.fill(&mut octets);
    Ok(GetRandomResponse { random_bytes: octets.try_into()? })
}

/// TPM2_StirRandom. Part 3, 16.2. The data is additional input: it cannot make the generator weaker.
///
/// # Response codes
/// - `FAILURE`: the generator needs entropy that the host did not give.
pub(crate) fn stir_random(tpm: &mut Tpm, cmd: StirRandom) -> Result<Done, Rc> {
    tpm.rng.generate(&mut [], &cmd.in_data).map_err(|_| rc::FAILURE)?;
    Ok(Done {})
}
