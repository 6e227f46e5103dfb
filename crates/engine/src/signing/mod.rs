//! Signatures: which scheme, by which key, over what. Part 1, 28; Part 3, 18.1 and 20.

use crate::{
    Tpm,
    commit::Purpose,
    object::{
        handle_name,
        key::{self, PrivateKey},
    },
    state::Object,
    ticket::CONTEXT_HASH,
};
use alloc::sync::Arc;
use sigillo_crypto::{
    HashAlg, ct_eq,
    ecc::{self, EcPrivate, EcSignature, eddsa},
    hash::hash,
    hmac::hmac,
    kdf::kdfa,
    rsa::{pkcs1_sign, pkcs1_verify, pss_sign, pss_verify},
};
use sigillo_types::{
    Fmt1, Position, Rc,
    buffers::{Tpm2bAttest, Tpm2bData, Tpm2bName},
    handles::{Hierarchy, ObjectHandle, rh},
    rc,
    structures::{
        Attested, EccScheme, KeyedHashScheme, PublicParms, RsaScheme, SensitiveComposite, SigScheme,
        TpmsAttest, TpmsSignatureEcc, TpmsSignatureRsa, TpmtHa, TpmtSignature,
    },
};

mod message;

pub(crate) use message::{IDENTITY_SIZE, fixed_scheme, with_context};

/// The scheme of a key itself; `None` if it leaves that to the command. The count of one of ECDAA is not the key's to say.
///
/// # Errors
/// `SCHEME` if it is not one that signs.
fn own_scheme(key: &Object) -> Result<Option<SigScheme>, Fmt1> {
    Ok(match key.public.parameters {
        PublicParms::Rsa(parms) => match parms.scheme {
            None => None,
            Some(RsaScheme::Rsassa { hash_alg }) => Some(SigScheme::Rsassa { hash_alg }),
            Some(RsaScheme::Rsapss { hash_alg }) => Some(SigScheme::Rsapss { hash_alg }),
            Some(RsaScheme::Rsaes | RsaScheme::Oaep { .. }) => return Err(rc::SCHEME),
        },
        PublicParms::Ecc(parms) => match parms.scheme {
            None => None,
            Some(EccScheme::Ecdsa { hash_alg }) => Some(SigScheme::Ecdsa { hash_alg }),
            Some(EccScheme::Sm2 { hash_alg }) => Some(SigScheme::Sm2 { hash_alg }),
            Some(EccScheme::EcSchnorr { hash_alg }) => Some(SigScheme::EcSchnorr { hash_alg }),
            Some(EccScheme::Ecdaa { hash_alg, .. }) => Some(SigScheme::Ecdaa { hash_alg, count: 0 }),
            Some(EccScheme::Eddsa) => Some(SigScheme::Eddsa),
            Some(EccScheme::HashEddsa) => Some(SigScheme::HashEddsa),
            Some(EccScheme::Ecdh { .. } | EccScheme::Ecmqv { .. }) => return Err(rc::SCHEME),
        },
        PublicParms::KeyedHash(parms) => match parms.scheme {
            None => None,
            Some(KeyedHashScheme::Hmac { hash_alg }) => Some(SigScheme::Hmac { hash_alg }),
            Some(KeyedHashScheme::Xor { .. }) => return Err(rc::SCHEME),
        },
        PublicParms::SymCipher(_) => return Err(rc::SCHEME),
    })
}

/// The scheme that `key` signs by when the command asks for `asked`: the key's own if it has one, and then no other may be asked for.
///
/// EdDSA is in no command that can ask for a scheme: not in TPM2_Sign and not in attestations. Part 1, 44.3.2; Part 3, Table 115.
///
/// # Errors
/// `SCHEME` if there is none, it is another than the key's, or not one that keys of this type sign by. Part 3, 18.1 and 20.5.
pub(crate) fn select_scheme(key: &Object, asked: Option<SigScheme>) -> Result<SigScheme, Fmt1> {
    let scheme = match (own_scheme(key)?, asked) {
        (None, None) => return Err(rc::SCHEME),
        // Which commitment is used is for the command to say. Part 2, 11.1.18.
        (Some(SigScheme::Ecdaa { hash_alg, .. }), asked) => match asked {
            Some(asked @ SigScheme::Ecdaa { hash_alg: other, .. }) if other == hash_alg => asked,
            _ => return Err(rc::SCHEME),
        },
        (Some(own), Some(asked)) if own != asked => return Err(rc::SCHEME),
        (Some(scheme), _) | (None, Some(scheme)) => scheme,
    };
    let fits = match key.public.parameters {
        PublicParms::Rsa(_) => matches!(scheme, SigScheme::Rsassa { .. } | SigScheme::Rsapss { .. }),
        PublicParms::Ecc(_) => matches!(
            scheme,
            SigScheme::Ecdsa { .. }
                | SigScheme::Ecdaa { .. }
                | SigScheme::Sm2 { .. }
                | SigScheme::EcSchnorr { .. }
        ),
        PublicParms::KeyedHash(_) => matches!(scheme, SigScheme::Hmac { .. }),
        PublicParms::SymCipher(_) => false,
    };
    if fits { Ok(scheme) } else { Err(rc::SCHEME) }
}

/// The hash of the digest that a scheme signs; `None` for one that signs the message itself. Part 3, Table 115.
pub(crate) fn digest_hash(scheme: SigScheme) -> Option<HashAlg> {
    match scheme {
        SigScheme::Hmac { .. } | SigScheme::Eddsa => None,
        SigScheme::HashEddsa => Some(eddsa::HASH),
        SigScheme::Rsassa { .. }
        | SigScheme::Rsapss { .. }
        | SigScheme::Ecdsa { .. }
        | SigScheme::Ecdaa { .. }
        | SigScheme::Sm2 { .. }
        | SigScheme::EcSchnorr { .. } => scheme.hash_alg(),
    }
}

fn ecc_signature(hash: HashAlg, signature: &EcSignature) -> Result<TpmsSignatureEcc, Fmt1> {
    let (signature_r, signature_s) = (signature.r().try_into()?, signature.s().try_into()?);
    Ok(TpmsSignatureEcc { hash, signature_r, signature_s })
}

/// The HMAC key in an object.
///
/// # Errors
/// `HANDLE` if its sensitive area is not loaded or it is of another type.
fn hmac_key(key: &Object) -> Result<&[u8], Fmt1> {
    match key.sensitive.as_ref().map(|sensitive| &sensitive.sensitive) {
        Some(SensitiveComposite::Bits(bits)) => Ok(bits),
        Some(SensitiveComposite::Rsa(_) | SensitiveComposite::Ecc(_) | SensitiveComposite::Sym(_)) | None => {
            Err(rc::HANDLE)
        }
    }
}

/// Who signs an attestation, and how.
pub(crate) struct Signer {
    key: Option<Arc<Object>>,
    /// Without a key, what the command asked for.
    pub(crate) scheme: Option<SigScheme>,
}

impl Tpm {
    /// As [`select_scheme`], and a commitment that the scheme names waits for its use.
    ///
    /// # Errors
    /// As [`select_scheme`]; `RANGE` if the commitment is not one of the last, `VALUE` if it was used. Part 1, 44.2.5.
    pub(crate) fn signing_scheme(&self, key: &Object, asked: Option<SigScheme>) -> Result<SigScheme, Fmt1> {
        let scheme = select_scheme(key, asked)?;
        self.require_commitment(key, scheme)?;
        Ok(scheme)
    }

    /// Whether the commitment that a scheme names waits for its use, if it names one.
    ///
    /// # Errors
    /// `RANGE` if it is not one of the last, `VALUE` if it was used. Part 1, 44.2.5.
    pub(crate) fn require_commitment(&self, key: &Object, scheme: SigScheme) -> Result<(), Fmt1> {
        if let SigScheme::Ecdaa { count, .. } = scheme {
            self.committed(key, count)?;
        }
        Ok(())
    }

    /// The ephemeral key of a commitment for `key`.
    fn committed(&self, key: &Object, count: u16) -> Result<EcPrivate, Fmt1> {
        let PublicParms::Ecc(parms) = &key.public.parameters else { return Err(rc::SCHEME) };
        // TPM2_Commit refuses a key without a nameAlg.
        let alg = key.name_alg().ok_or(rc::VALUE)?;
        self.waiting_commit(parms.curve_id, Purpose::Signing(alg, key), count)
    }

    /// The signer of an attestation command whose parameters stand at `handle_at` and `scheme_at`. Part 3, 18.1.
    ///
    /// # Errors
    /// `TYPE` for a sequence and `KEY` for a key that does not sign, at the handle; those of [`Tpm::signing_scheme`] at the scheme.
    pub(crate) fn signer(
        &self,
        handle: Option<ObjectHandle>,
        handle_at: Position,
        scheme: Option<SigScheme>,
        scheme_at: Position,
    ) -> Result<Signer, Rc> {
        let Some(handle) = handle else { return Ok(Signer { key: None, scheme }) };
        let key = Arc::clone(self.object(handle.raw()).map_err(|code| code.at(handle_at))?);
        if !key.is_signing() {
            return Err(rc::KEY.at(handle_at));
        }
        let scheme = self.signing_scheme(&key, scheme).map_err(|code| code.at(scheme_at))?;
        Ok(Signer { key: Some(key), scheme: Some(scheme) })
    }

    /// Signs a digest; `scheme` comes from [`Tpm::signing_scheme`].
    ///
    /// # Errors
    /// - `NO_RESULT` if the number that would sign is zero.
    /// - `SCHEME` if the key is not of the scheme's family.
    /// - `SIZE` if the digest is not one of the scheme's hash.
    /// - `FAILURE` for a fault of the private operation.
    pub(crate) fn sign(
        &mut self,
        key: &Object,
        scheme: SigScheme,
        digest: &[u8],
    ) -> Result<TpmtSignature, Rc> {
        // An HMAC key signs a digest as a message of that length. Part 3, Table 115.
        let hash = digest_hash(scheme).or(scheme.hash_alg()).ok_or(rc::SCHEME)?;
        if digest.len() != hash.digest_size() {
            return Err(rc::SIZE.into());
        }
        if let SigScheme::Hmac { hash_alg } = scheme {
            let mac = hmac(hash_alg, hmac_key(key)?, &[digest]);
            return Ok(TpmtSignature::Hmac(TpmtHa::new(hash_alg, &mac)?));
        }
        let private = key.private().ok_or(rc::SCHEME)?;
        let failed = |error| key::caller_or_fault(error, rc::SIZE);
        match (scheme, &*private) {
            (SigScheme::Rsassa { .. }, PrivateKey::Rsa(private)) => {
                let sig = pkcs1_sign(private, Some(hash), digest, &mut self.rng).map_err(failed)?;
                Ok(TpmtSignature::Rsassa(TpmsSignatureRsa { hash, sig: sig.try_into()? }))
            }
            (SigScheme::Rsapss { .. }, PrivateKey::Rsa(private)) => {
                let sig = pss_sign(private, hash, digest, &mut self.rng).map_err(failed)?;
                Ok(TpmtSignature::Rsapss(TpmsSignatureRsa { hash, sig: sig.try_into()? }))
            }
            (SigScheme::Ecdsa { .. }, PrivateKey::Ecc(private)) => {
                let signature = private.sign(digest, &mut self.rng).map_err(failed)?;
                Ok(TpmtSignature::Ecdsa(ecc_signature(hash, &signature)?))
            }
            (SigScheme::EcSchnorr { .. }, PrivateKey::Ecc(private)) => {
                let signature = private.sign_schnorr(hash, digest, &mut self.rng).map_err(failed)?;
                Ok(TpmtSignature::EcSchnorr(ecc_signature(hash, &signature)?))
            }
            (SigScheme::Sm2 { .. }, PrivateKey::Ecc(private)) => {
                let signature = private.sign_sm2(digest, &mut self.rng).map_err(failed)?;
                Ok(TpmtSignature::Sm2(ecc_signature(hash, &signature)?))
            }
            (SigScheme::HashEddsa, PrivateKey::Ed25519(private)) => {
                let signature = private.sign(eddsa::Variant::Digest, digest).map_err(failed)?;
                Ok(TpmtSignature::HashEddsa(signature.into()))
            }
            (SigScheme::Ecdaa { count, .. }, PrivateKey::Ecc(private)) => {
                let committed = self.committed(key, count)?;
                let signature =
                    private.sign_ecdaa(hash, digest, &committed, &mut self.rng).map_err(|_| rc::NO_RESULT)?;
                self.end_commit(count);
                Ok(TpmtSignature::Ecdaa(ecc_signature(hash, &signature)?))
            }
            _ => Err(rc::SCHEME.into()),
        }
    }

    /// Verifies a signature over a digest; one of ECDAA no TPM verifies. An HMAC key with a scheme verifies by that scheme only. Part 3, 20.2.
    ///
    /// # Errors
    /// - `SCHEME` if the signature is not of the key's family.
    /// - `HANDLE` if an HMAC key's sensitive area is not loaded.
    /// - `SIGNATURE` if it does not verify, whatever the reason.
    pub(crate) fn verify_signature(
        &self,
        key: &Object,
        digest: &[u8],
        signature: &TpmtSignature,
    ) -> Result<(), Fmt1> {
        let verified = match (&key.public.parameters, signature) {
            (PublicParms::Rsa(_), TpmtSignature::Rsassa(of)) => {
                let public = key::rsa_public(&key.public)?;
                pkcs1_verify(&public, Some(of.hash), digest, &of.sig).is_ok()
            }
            (PublicParms::Rsa(_), TpmtSignature::Rsapss(of)) => {
                let public = key::rsa_public(&key.public)?;
                pss_verify(&public, of.hash, digest, &of.sig).is_ok()
            }
            (PublicParms::Ecc(_), TpmtSignature::Ecdsa(of)) => {
                let public = key::ecc_public(&key.public)?;
                ecc::verify(&public, digest, &of.signature_r, &of.signature_s).is_ok()
            }
            (PublicParms::Ecc(_), TpmtSignature::EcSchnorr(of)) => {
                let public = key::ecc_public(&key.public)?;
                ecc::verify_schnorr(&public, of.hash, digest, &of.signature_r, &of.signature_s).is_ok()
            }
            (PublicParms::Ecc(_), TpmtSignature::Sm2(of)) => {
                let public = key::ecc_public(&key.public)?;
                ecc::verify_sm2(&public, digest, &of.signature_r, &of.signature_s).is_ok()
            }
            (PublicParms::KeyedHash(parms), TpmtSignature::Hmac(of)) => {
                let bits = hmac_key(key)?;
                let hash_alg = of.hash_alg();
                let allowed = parms.scheme.is_none_or(|own| own == KeyedHashScheme::Hmac { hash_alg });
                ct_eq(of.digest(), &hmac(hash_alg, bits, &[digest])) && allowed
            }
            _ => return Err(rc::SCHEME),
        };
        if verified { Ok(()) } else { Err(rc::SIGNATURE) }
    }

    /// Builds an attestation and signs it; without a key it stays unsigned. One signed by ECDAA names neither the signer nor the caller's
    /// data, which is signed beside it. Part 1, 28.2 and 44.3.3.3; Part 3, 18.1.
    ///
    /// # Errors
    /// As [`Tpm::sign`].
    pub(crate) fn sign_attest(
        &mut self,
        signer: &Signer,
        mut extra_data: Tpm2bData,
        attested: Attested,
    ) -> Result<(Tpm2bAttest, Option<TpmtSignature>), Rc> {
        let anonymous = matches!((&signer.key, signer.scheme), (Some(_), Some(SigScheme::Ecdaa { .. })));
        let qualifying_data = if anonymous { Some(core::mem::take(&mut extra_data)) } else { None };
        let mut attest = TpmsAttest {
            qualified_signer: signer
                .key
                .as_ref()
                .map_or_else(|| handle_name(rh::NULL), |key| key.qualified_name.clone()),
            extra_data,
            clock_info: self.clock_info(),
            firmware_version: self.profile.firmware_version,
            attested,
        };
        self.obfuscate(signer, &mut attest);
        if anonymous {
            attest.qualified_signer = Tpm2bName::default();
        }
        let attest = Tpm2bAttest::from(&attest);
        let signature = match (&signer.key, signer.scheme) {
            (Some(key), Some(scheme)) => {
                let alg = scheme.hash_alg().ok_or(rc::SCHEME)?;
                let mut digest = hash(alg, &[&attest]);
                if let Some(data) = &qualifying_data {
                    digest = hash(alg, &[data, &digest]);
                }
                Some(self.sign(key, scheme, &digest)?)
            }
            _ => None,
        };
        Ok((attest, signature))
    }

    /// Adds numbers of the signer's own to what would tell that two keys are in one TPM, unless the privacy administrator or the platform
    /// answers for the key. Part 1, 28.3 and Part 3, 18.1.
    fn obfuscate(&self, signer: &Signer, attest: &mut TpmsAttest) {
        let hierarchy = signer.key.as_ref().map_or(Hierarchy::Null, |key| key.hierarchy);
        if matches!(hierarchy, Hierarchy::Endorsement | Hierarchy::Platform) {
            return;
        }
        let alg: HashAlg = signer.key.as_ref().and_then(|key| key.name_alg()).unwrap_or(CONTEXT_HASH);
        let proof = self.proof(Hierarchy::Owner);
        let mask = kdfa(alg, proof, b"OBFUSCATE", &attest.qualified_signer, &[], 128);
        let mut words = mask.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
        let mut word = || words.next().unwrap_or(0);
        let version = (u64::from(word()) << 32) | u64::from(word());
        attest.firmware_version = attest.firmware_version.wrapping_add(version);
        attest.clock_info.reset_count = attest.clock_info.reset_count.wrapping_add(word());
        attest.clock_info.restart_count = attest.clock_info.restart_count.wrapping_add(word());
    }
}
