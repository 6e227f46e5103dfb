//! Credentials: a secret for the TPM that holds both of two keys. Part 1, 21.

use super::protect::Protection;
use crate::{secret::Secret, state::Object};
use sigillo_types::{
    Fmt1, Marshal, Unmarshal,
    buffers::{Tpm2bIdObject, Tpm2bName, Tpm2bSecretDigest},
};
use zeroize::Zeroizing;

/// Protects `credential` for the object `name`, under a seed that the key `key` can recover. Part 1, 21.6.
///
/// # Errors
/// `SIZE` if the result would be too large.
pub(crate) fn make(
    credential: &[u8],
    name: &Tpm2bName,
    key: &Object,
    seed: &Secret,
) -> Result<Tpm2bIdObject, Fmt1> {
    let clear = Zeroizing::new(Tpm2bSecretDigest::new(credential)?.to_bytes());
    Protection::by_seed(key, seed, name)?.protect(&clear, None)?.try_into()
}

/// Undoes [`make`].
///
/// # Errors
/// `INTEGRITY` if the blob was not made for this name and seed, `SIZE` if its parts do not fit.
pub(crate) fn open(
    blob: &Tpm2bIdObject,
    name: &Tpm2bName,
    key: &Object,
    seed: &Secret,
) -> Result<Tpm2bSecretDigest, Fmt1> {
    let clear = Protection::by_seed(key, seed, name)?.unprotect(blob, false)?;
    Tpm2bSecretDigest::from_bytes(&clear)
}
