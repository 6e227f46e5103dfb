//! Signatures by a key's own scheme, over a digest or over a message that comes in pieces. Part 1, 29.4.5; Part 3, 17.5, 17.6 and 20.

use super::{digest_hash, hmac_key, own_scheme};
use crate::{
    Tpm,
    object::key::{self, PrivateKey},
    state::{
        Object,
        object::{MessageDigest, SignedMessage},
    },
};
use sigillo_crypto::{
    HashAlg, ct_eq,
    ecc::{self, eddsa},
    hash::{Digest, Hasher},
    hmac::{Hmac, hmac},
};
use sigillo_types::{
    Fmt1, Marshal, Rc, rc,
    structures::{SensitiveComposite, SigScheme, TpmtHa, TpmtSignature},
};

/// Octets of what tells one key from another.
pub(crate) const IDENTITY_SIZE: usize = 64;

/// What tells a key from all others, its hierarchy included: a key without a nameAlg has no Name, and two HMAC keys without one may have
/// the same public area.
fn identity(key: &Object) -> Digest {
    let secret = match key.sensitive.as_ref().map(|sensitive| &sensitive.sensitive) {
        Some(SensitiveComposite::Bits(bits)) => bits.as_slice(),
        // The public area tells.
        Some(SensitiveComposite::Rsa(_) | SensitiveComposite::Ecc(_) | SensitiveComposite::Sym(_)) | None => {
            &[]
        }
    };
    hmac(HashAlg::Sha512, secret, &[&key.hierarchy.to_bytes(), &key.public.to_bytes()])
}

/// The scheme of a key that signs by no other: the commands of v185 cannot ask for one.
///
/// # Errors
/// `KEY` if the key does not sign, `SCHEME` if it has no scheme or one that does not sign.
pub(crate) fn fixed_scheme(key: &Object) -> Result<SigScheme, Fmt1> {
    if !key.is_signing() {
        return Err(rc::KEY);
    }
    own_scheme(key)?.ok_or(rc::SCHEME)
}

/// A scheme with what a command gives as context: the count of ECDAA; of SM2, where the message is given, the identity. All others take
/// none. Part 2, Table 220; Part 3, Table 115.
///
/// # Errors
/// `SIZE` for a context that the scheme does not take.
pub(crate) fn with_context(scheme: SigScheme, context: &[u8], is_message: bool) -> Result<SigScheme, Fmt1> {
    match scheme {
        SigScheme::Ecdaa { hash_alg, .. } => {
            let count = context.try_into().map(u16::from_be_bytes).map_err(|_| rc::SIZE)?;
            Ok(SigScheme::Ecdaa { hash_alg, count })
        }
        SigScheme::Sm2 { .. } if is_message => Ok(scheme),
        _ if context.is_empty() => Ok(scheme),
        _ => Err(rc::SIZE),
    }
}

impl SignedMessage {
    /// Begins a message for `key`. To verify by EdDSA, `r` is the first half of the signature.
    ///
    /// # Errors
    /// `HANDLE` if an HMAC key's sensitive area is not loaded; `ECC_POINT` for a public key that is not on its curve.
    pub(crate) fn begin(
        key: &Object,
        scheme: SigScheme,
        context: &[u8],
        r: Option<&[u8; eddsa::KEY_SIZE]>,
    ) -> Result<Self, Fmt1> {
        let digest = match (scheme, digest_hash(scheme)) {
            (SigScheme::Hmac { hash_alg }, _) => MessageDigest::Hmac(Hmac::new(hash_alg, hmac_key(key)?)),
            (SigScheme::Sm2 { hash_alg }, _) => {
                let public = key::ecc_public(&key.public)?;
                let mut hasher = Hasher::new(hash_alg);
                hasher.update(&ecc::sm2_identity(hash_alg, &public, context).map_err(|_| rc::SIZE)?);
                MessageDigest::Hash(hasher)
            }
            (_, Some(hash_alg)) => MessageDigest::Hash(Hasher::new(hash_alg)),
            (_, None) => match r {
                Some(r) => {
                    let public = key::eddsa_public(&key.public)?;
                    MessageDigest::Hash(public.challenge(eddsa::Variant::Message, r))
                }
                None => MessageDigest::Whole,
            },
        };
        Ok(Self { key: identity(key).to_vec(), digest })
    }

    /// Takes the next piece.
    pub(crate) fn update(&mut self, data: &[u8]) {
        match &mut self.digest {
            MessageDigest::Hash(hasher) => hasher.update(data),
            MessageDigest::Hmac(mac) => mac.update(data),
            MessageDigest::Whole => {}
        }
    }

    /// Whether it was begun for this key.
    pub(crate) fn is_for(&self, key: &Object) -> bool {
        ct_eq(&self.key, &identity(key))
    }
}

impl Tpm {
    /// Signs a message of which `last` comes last; `scheme` is that of the key it was begun for.
    ///
    /// # Errors
    /// As [`Tpm::sign`].
    pub(crate) fn sign_message(
        &mut self,
        key: &Object,
        scheme: SigScheme,
        mut message: SignedMessage,
        last: &[u8],
    ) -> Result<TpmtSignature, Rc> {
        message.update(last);
        match (message.digest, scheme) {
            (MessageDigest::Hmac(mac), SigScheme::Hmac { hash_alg }) => {
                Ok(TpmtSignature::Hmac(TpmtHa::new(hash_alg, &mac.finish())?))
            }
            (MessageDigest::Hash(hasher), _) => self.sign(key, scheme, &hasher.finish()),
            (MessageDigest::Whole, SigScheme::Eddsa) => match key.private().as_deref() {
                Some(PrivateKey::Ed25519(private)) => {
                    let signature = private.sign(eddsa::Variant::Message, last).map_err(|_| rc::FAILURE)?;
                    Ok(TpmtSignature::Eddsa(signature.into()))
                }
                _ => Err(rc::SCHEME.into()),
            },
            _ => Err(rc::SCHEME.into()),
        }
    }

    /// Verifies a signature over a message by the scheme of the key it was begun for.
    ///
    /// # Errors
    /// `SCHEME` if the signature is of another scheme, or one that no TPM verifies; `SIGNATURE` if it does not verify.
    pub(crate) fn verify_message(
        &self,
        key: &Object,
        scheme: SigScheme,
        message: SignedMessage,
        signature: &TpmtSignature,
    ) -> Result<(), Fmt1> {
        if signature.scheme() != scheme {
            return Err(rc::SCHEME);
        }
        match (message.digest, signature) {
            (MessageDigest::Hmac(mac), TpmtSignature::Hmac(of)) => {
                if ct_eq(of.digest(), &mac.finish()) {
                    Ok(())
                } else {
                    Err(rc::SIGNATURE)
                }
            }
            (MessageDigest::Hash(hasher), TpmtSignature::Eddsa(of)) => {
                let public = key::eddsa_public(&key.public)?;
                public.verify_challenge(hasher, of).map_err(|_| rc::SIGNATURE)
            }
            (MessageDigest::Hash(hasher), _) => self.verify_digest(key, scheme, &hasher.finish(), signature),
            _ => Err(rc::SCHEME),
        }
    }

    /// Verifies a signature over a digest by the key's own scheme.
    ///
    /// # Errors
    /// As [`Tpm::verify_message`].
    pub(crate) fn verify_digest(
        &self,
        key: &Object,
        scheme: SigScheme,
        digest: &[u8],
        signature: &TpmtSignature,
    ) -> Result<(), Fmt1> {
        if signature.scheme() != scheme {
            return Err(rc::SCHEME);
        }
        match signature {
            TpmtSignature::HashEddsa(of) => {
                let public = key::eddsa_public(&key.public)?;
                public.verify(eddsa::Variant::Digest, digest, of).map_err(|_| rc::SIGNATURE)
            }
            _ => self.verify_signature(key, digest, signature),
        }
    }
}
