//! Labeled key encapsulation: a seed or salt for whoever has a private key. Part 1, 43.10 and 44.7.

use super::key::{self, PrivateKey};
use crate::{Tpm, secret::Secret, state::Object};
use alloc::vec::Vec;
use core::mem;
use sigillo_crypto::{
    HashAlg, Rng, derive,
    ecc::{EcPoint, EcPrivate},
    kdf::kdfe,
    rsa::{oaep_decrypt, oaep_encrypt},
};
use sigillo_types::{
    Fmt1, Marshal, Rc, Unmarshal,
    buffers::Tpm2bEncryptedSecret,
    rc,
    structures::{PublicParms, RsaScheme, TpmsEccPoint},
};
use zeroize::Zeroizing;

/// The label of duplicates.
pub(crate) const DUPLICATE: &[u8] = b"DUPLICATE";
/// The label of credentials.
pub(crate) const IDENTITY: &[u8] = b"IDENTITY";

/// The hash of the padding: that of the key's scheme, else its nameAlg. Part 1, 43.10.
///
/// # Errors
/// `VALUE` for another scheme than OAEP.
fn oaep_hash(key: &Object) -> Result<HashAlg, Fmt1> {
    match key.public.parameters {
        PublicParms::Rsa(parms) => match parms.scheme {
            Some(RsaScheme::Oaep { hash_alg }) => Ok(hash_alg),
            None => key.name_alg().ok_or(rc::VALUE),
            Some(RsaScheme::Rsassa { .. } | RsaScheme::Rsapss { .. } | RsaScheme::Rsaes) => Err(rc::VALUE),
        },
        PublicParms::Ecc(_) | PublicParms::KeyedHash(_) | PublicParms::SymCipher(_) => Err(rc::KEY),
    }
}

/// The seed that both sides make of the shared point. Part 1, 44.7.
fn seed(alg: HashAlg, z: &EcPoint, label: &[u8], ephemeral: &EcPoint, receiver: &EcPoint) -> Secret {
    // A digest has at most 512 bits.
    let bits = u32::try_from(alg.digest_size() * 8).unwrap_or(0);
    Secret::new(mem::take(&mut *kdfe(alg, z.x(), label, ephemeral.x(), receiver.x(), bits)))
}

/// The label of OAEP: with the zero that ends it. Part 1, 43.4.
fn terminated(label: &[u8]) -> Vec<u8> {
    [label, &[0]].concat()
}

impl Tpm {
    /// Makes a seed and its encryption to the public part of `key`. `label` comes without its final zero.
    ///
    /// # Errors
    /// `KEY` if the key is not asymmetric, `VALUE` if its scheme is not for that, `ECC_POINT` if its point is not on the curve.
    pub(crate) fn encrypt_secret(
        &mut self,
        key: &Object,
        label: &[u8],
    ) -> Result<(Secret, Tpm2bEncryptedSecret), Fmt1> {
        match key.public.parameters {
            PublicParms::Rsa(_) => {
                let public = key::rsa_public(&key.public)?;
                let hash = oaep_hash(key)?;
                let seed = Secret::filled(hash.digest_size(), |seed| self.rng.fill(seed));
                let block = oaep_encrypt(&public, hash, hash, &terminated(label), &seed, &mut self.rng)
                    .map_err(|_| rc::SIZE)?;
                Ok((seed, block.try_into()?))
            }
            PublicParms::Ecc(parms) => {
                let receiver = key::ecc_public(&key.public)?;
                let alg = key.name_alg().ok_or(rc::VALUE)?;
                let ephemeral = derive::ecc(&mut self.rng, parms.curve_id).map_err(|_| rc::KEY)?;
                let public = ephemeral.public().map_err(|_| rc::KEY)?;
                let z = Zeroizing::new(ephemeral.ecdh(&receiver).map_err(|_| rc::ECC_POINT)?);
                let secret = key::tpms_point(&public)?.to_bytes();
                Ok((seed(alg, &z, label, &public, &receiver), secret.try_into()?))
            }
            PublicParms::KeyedHash(_) | PublicParms::SymCipher(_) => Err(rc::KEY),
        }
    }

    /// Recovers what [`Tpm::encrypt_secret`] made for `key`. `label` comes without its final zero.
    ///
    /// # Errors
    /// - `KEY` if the key is not asymmetric, is one of EdDSA, or its sensitive area is not loaded.
    /// - `VALUE` if the key's scheme is not for that, or the padding is wrong: one code for every cause.
    /// - `SIZE` if the secret has the wrong size; `ECC_POINT` if its point is not on the curve.
    /// - `FAILURE` for a fault of the private operation.
    pub(crate) fn decrypt_secret(
        &mut self,
        key: &Object,
        secret: &Tpm2bEncryptedSecret,
        label: &[u8],
    ) -> Result<Secret, SecretError> {
        let private = key.private().ok_or(rc::KEY)?;
        match &*private {
            PrivateKey::Rsa(private) => {
                let hash = oaep_hash(key)?;
                if secret.len() != private.public().size() {
                    return Err(rc::SIZE.into());
                }
                let mut seed = oaep_decrypt(private, hash, hash, &terminated(label), secret, &mut self.rng)
                    .map_err(|error| SecretError(key::caller_or_fault(error, rc::VALUE)))?;
                // A longer one than the digest is not for this use. Part 1, 43.10.
                if seed.len() > hash.digest_size() {
                    return Err(rc::VALUE.into());
                }
                Ok(Secret::new(mem::take(&mut *seed)))
            }
            PrivateKey::Ecc(private) => ecc_seed(key, private, secret, label).map_err(Into::into),
            PrivateKey::Ed25519(_) => Err(rc::KEY.into()),
        }
    }
}

fn ecc_seed(
    key: &Object,
    private: &EcPrivate,
    secret: &Tpm2bEncryptedSecret,
    label: &[u8],
) -> Result<Secret, Fmt1> {
    let alg = key.name_alg().ok_or(rc::VALUE)?;
    let sent = TpmsEccPoint::from_bytes(secret)?;
    let ephemeral = EcPoint::new(private.curve(), &sent.x, &sent.y).map_err(|_| rc::ECC_POINT)?;
    let receiver = key::ecc_public(&key.public)?;
    let z = Zeroizing::new(private.ecdh(&ephemeral).map_err(|_| rc::ECC_POINT)?);
    Ok(seed(alg, &z, label, &ephemeral, &receiver))
}

/// Why a secret could not be recovered: the caller's mistake, or a fault that has no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SecretError(Rc);

impl SecretError {
    /// The same, with `VALUE` for every mistake of the caller.
    pub(crate) fn as_value(self) -> Self {
        self.0.fmt1().map_or(self, |_| rc::VALUE.into())
    }

    /// The response code, about the handle or parameter at `position` if it is the caller's mistake.
    pub(crate) fn at(self, position: sigillo_types::Position) -> Rc {
        self.0.fmt1().map_or(self.0, |code| code.at(position))
    }
}

impl From<Fmt1> for SecretError {
    fn from(code: Fmt1) -> Self {
        Self(code.into())
    }
}
