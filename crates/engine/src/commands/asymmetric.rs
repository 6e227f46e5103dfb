//! Asymmetric primitives. Part 3, 14.

use crate::{
    Tpm,
    commit::Purpose,
    dispatch::{Entry, entries},
    object::key::{self, PrivateKey, caller_or_fault},
    state::Object,
};
use alloc::sync::Arc;
use core::mem;
use sigillo_crypto::{
    Error, derive,
    ecc::{self, EcPoint, EcPrivate, KeyPair},
    rsa::{oaep_decrypt, oaep_encrypt, pkcs1_decrypt, pkcs1_encrypt},
};
use sigillo_types::{
    EccCurve, Fmt1, HashAlg, Rc,
    alg::EccKeyExchange,
    attributes::TpmaObject,
    buffers::{Tpm2bData, Tpm2bDigest},
    commands::{
        EccDecrypt, EccDecryptResponse, EccEncrypt, EccEncryptResponse, EccParameters, EccParametersResponse,
        EcdhKeyGen, EcdhKeyGenResponse, EcdhZGen, EcdhZGenResponse, RsaDecrypt, RsaDecryptResponse,
        RsaEncrypt, RsaEncryptResponse, ZGen2Phase, ZGen2PhaseResponse,
    },
    rc,
    structures::{
        EccScheme, KdfScheme, PublicParms, RsaDecryptScheme, RsaScheme, Tpm2bEccSecretPoint,
        TpmsAlgorithmDetailEcc, TpmsEccParms, TpmsRsaParms,
    },
};
use zeroize::Zeroizing;

pub(crate) const COMMANDS: &[Entry] = entries![
    RsaEncrypt => rsa_encrypt,
    RsaDecrypt => rsa_decrypt,
    EcdhKeyGen => ecdh_key_gen,
    EcdhZGen => ecdh_z_gen,
    EccParameters => ecc_parameters,
    ZGen2Phase => z_gen_2phase,
    EccEncrypt => ecc_encrypt,
    EccDecrypt => ecc_decrypt,
];

/// The padding: the key's own if it has one, and then no other may be asked for; else what the command asks for. `None` is raw RSA.
/// Part 3, Table 42.
///
/// # Errors
/// `SCHEME` for another padding than the key's, or a key that signs only.
fn select_padding(
    parms: &TpmsRsaParms,
    asked: Option<RsaDecryptScheme>,
) -> Result<Option<RsaDecryptScheme>, Fmt1> {
    let own = match parms.scheme {
        None => return Ok(asked),
        Some(RsaScheme::Rsaes) => RsaDecryptScheme::Rsaes,
        Some(RsaScheme::Oaep { hash_alg }) => RsaDecryptScheme::Oaep { hash_alg },
        Some(RsaScheme::Rsassa { .. } | RsaScheme::Rsapss { .. }) => return Err(rc::SCHEME),
    };
    if asked.is_none_or(|asked| asked == own) { Ok(Some(own)) } else { Err(rc::SCHEME) }
}

/// # Errors
/// `VALUE` for a label that does not end in zero.
fn check_label(label: &Tpm2bData) -> Result<(), Fmt1> {
    if label.last().is_none_or(|last| *last == 0) { Ok(()) } else { Err(rc::VALUE) }
}

/// TPM2_RSA_Encrypt. Part 3, 14.2. The attributes of the key are of no account: only its public area needs to be loaded.
///
/// # Response codes
/// - `KEY` (handle 1): not an RSA key.
/// - `VALUE` (label): it does not end in zero; (message): it is too long for the padding, or not below the modulus.
/// - `SCHEME` (inScheme): not the key's, or the key's is one for signing.
pub(crate) fn rsa_encrypt(tpm: &mut Tpm, cmd: RsaEncrypt) -> Result<RsaEncryptResponse, Rc> {
    let key = Arc::clone(tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(RsaEncrypt::KEY_HANDLE))?);
    let PublicParms::Rsa(parms) = &key.public.parameters else {
        return Err(rc::KEY.at(RsaEncrypt::KEY_HANDLE));
    };
    let public = key::rsa_public(&key.public).map_err(|code| code.at(RsaEncrypt::KEY_HANDLE))?;
    check_label(&cmd.label).map_err(|code| code.at(RsaEncrypt::LABEL))?;
    let padding = select_padding(parms, cmd.in_scheme).map_err(|code| code.at(RsaEncrypt::IN_SCHEME))?;
    let encrypted = match padding {
        Some(RsaDecryptScheme::Rsaes) => pkcs1_encrypt(&public, &cmd.message, &mut tpm.rng),
        Some(RsaDecryptScheme::Oaep { hash_alg }) => {
            // Part 1, 43.4 would have nameAlg in the mask; what encrypts and decrypts outside of TPMs uses one hash for both.
            oaep_encrypt(&public, hash_alg, hash_alg, &cmd.label, &cmd.message, &mut tpm.rng)
        }
        None => raw_block(&cmd.message, public.size())
            .ok_or(sigillo_crypto::Error::BadSize)
            .and_then(|block| public.raw(&block)),
    };
    let encrypted = encrypted
        .map_err(|error| caller_or_fault(error, rc::VALUE))
        .map_err(|code| code.fmt1().map_or(code, |code| code.at(RsaEncrypt::MESSAGE)))?;
    Ok(RsaEncryptResponse { out_data: encrypted.try_into()? })
}

/// A number in exactly `size` octets; `None` if it does not fit.
fn raw_block(message: &[u8], size: usize) -> Option<Zeroizing<alloc::vec::Vec<u8>>> {
    let zeros = message.iter().take_while(|octet| **octet == 0).count();
    let number = message.get(zeros..)?;
    let mut block = Zeroizing::new(alloc::vec![0; size]);
    let start = size.checked_sub(number.len())?;
    block.get_mut(start..)?.copy_from_slice(number);
    Some(block)
}

/// TPM2_RSA_Decrypt. Part 3, 14.3.
///
/// # Response codes
/// - `KEY` (handle 1): not an RSA key.
/// - `ATTRIBUTES` (handle 1): the key is restricted or does not decrypt.
/// - `VALUE` (label): it does not end in zero; (cipherText): it is not below the modulus or not padded as the scheme says, one code for
///   all causes.
/// - `SCHEME` (inScheme): not the key's.
/// - `SIZE` (cipherText): not as long as the modulus.
pub(crate) fn rsa_decrypt(tpm: &mut Tpm, cmd: RsaDecrypt) -> Result<RsaDecryptResponse, Rc> {
    let key = Arc::clone(tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(RsaDecrypt::KEY_HANDLE))?);
    let PublicParms::Rsa(parms) = &key.public.parameters else {
        return Err(rc::KEY.at(RsaDecrypt::KEY_HANDLE));
    };
    let attributes = key.attributes();
    if attributes.contains(TpmaObject::RESTRICTED) || !attributes.contains(TpmaObject::DECRYPT) {
        return Err(rc::ATTRIBUTES.at(RsaDecrypt::KEY_HANDLE));
    }
    check_label(&cmd.label).map_err(|code| code.at(RsaDecrypt::LABEL))?;
    let padding = select_padding(parms, cmd.in_scheme).map_err(|code| code.at(RsaDecrypt::IN_SCHEME))?;
    let private = key.private();
    let Some(PrivateKey::Rsa(private)) = private.as_deref() else {
        return Err(rc::KEY.at(RsaDecrypt::KEY_HANDLE));
    };
    if cmd.cipher_text.len() != private.public().size() {
        return Err(rc::SIZE.at(RsaDecrypt::CIPHER_TEXT));
    }
    let message = match padding {
        Some(RsaDecryptScheme::Rsaes) => pkcs1_decrypt(private, &cmd.cipher_text, &mut tpm.rng),
        Some(RsaDecryptScheme::Oaep { hash_alg }) => {
            oaep_decrypt(private, hash_alg, hash_alg, &cmd.label, &cmd.cipher_text, &mut tpm.rng)
        }
        None => private.raw(&cmd.cipher_text, &mut tpm.rng),
    };
    let mut message = message
        .map_err(|error| caller_or_fault(error, rc::VALUE))
        .map_err(|code| code.fmt1().map_or(code, |code| code.at(RsaDecrypt::CIPHER_TEXT)))?;
    Ok(RsaDecryptResponse { message: mem::take(&mut *message).try_into()? })
}

/// TPM2_ECDH_KeyGen. Part 3, 14.4.
///
/// # Response codes
/// - `KEY` (handle 1): not an ECC key.
pub(crate) fn ecdh_key_gen(tpm: &mut Tpm, cmd: EcdhKeyGen) -> Result<EcdhKeyGenResponse, Rc> {
    let key = tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(EcdhKeyGen::KEY_HANDLE))?;
    let receiver = key::ecc_public(&key.public).map_err(|code| code.at(EcdhKeyGen::KEY_HANDLE))?;
    let failed = |_| rc::NO_RESULT;
    let ephemeral = derive::ecc(&mut tpm.rng, receiver.curve()).map_err(failed)?;
    let z = Zeroizing::new(ephemeral.ecdh(&receiver).map_err(failed)?);
    let public = ephemeral.public().map_err(failed)?;
    Ok(EcdhKeyGenResponse { z_point: key::secret_point(&z)?, pub_point: key::sized_point(&public)? })
}

/// TPM2_ECDH_ZGen. Part 3, 14.5.
///
/// # Response codes
/// - `KEY` (handle 1): not an ECC key.
/// - `ATTRIBUTES` (handle 1): the key is restricted or does not decrypt.
/// - `SCHEME` (handle 1): the key is for another scheme than ECDH.
/// - `ECC_POINT` (inPoint): not on the key's curve.
/// - `NO_RESULT`: the product is the point at infinity.
pub(crate) fn ecdh_z_gen(tpm: &mut Tpm, cmd: EcdhZGen) -> Result<EcdhZGenResponse, Rc> {
    let key = tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(EcdhZGen::KEY_HANDLE))?;
    let private = key.private();
    let (parms, private) =
        unrestricted_decryption(key, &private).map_err(|code| code.at(EcdhZGen::KEY_HANDLE))?;
    if !matches!(parms.scheme, None | Some(EccScheme::Ecdh { .. })) {
        return Err(rc::SCHEME.at(EcdhZGen::KEY_HANDLE));
    }
    let point = key::point(parms.curve_id, &cmd.in_point).map_err(|code| code.at(EcdhZGen::IN_POINT))?;
    let z = Zeroizing::new(private.ecdh(&point).map_err(|_| rc::NO_RESULT)?);
    Ok(EcdhZGenResponse { out_point: key::secret_point(&z)? })
}

/// TPM2_ECC_Parameters. Part 3, 14.6. No curve has a scheme that its keys must sign by: curve 25519 has two.
pub(crate) fn ecc_parameters(_: &mut Tpm, cmd: EccParameters) -> Result<EccParametersResponse, Rc> {
    let curve = ecc::parameters(cmd.curve_id);
    // The registry's default key derivation of each curve.
    let hash_alg = match cmd.curve_id {
        EccCurve::NistP192 | EccCurve::NistP224 | EccCurve::NistP256 => Some(HashAlg::Sha256),
        EccCurve::NistP384 => Some(HashAlg::Sha384),
        EccCurve::NistP521 => Some(HashAlg::Sha512),
        EccCurve::Sm2P256 => Some(HashAlg::Sm3_256),
        EccCurve::BnP256 | EccCurve::Curve25519 => None,
    };
    let parameters = TpmsAlgorithmDetailEcc {
        curve_id: cmd.curve_id,
        key_size: cmd.curve_id.bits(),
        kdf: hash_alg.map(|hash_alg| KdfScheme::Kdf1Sp80056a { hash_alg }),
        sign: None,
        p: curve.p.try_into()?,
        a: curve.a.try_into()?,
        b: curve.b.try_into()?,
        g_x: curve.gx.try_into()?,
        g_y: curve.gy.try_into()?,
        n: curve.n.try_into()?,
        h: curve.h.try_into()?,
    };
    Ok(EccParametersResponse { parameters })
}

/// The private key of an object that may be used for any decryption or agreement.
///
/// # Errors
/// `KEY` if it is not an ECC key, or a policy authorized one without its private part; `ATTRIBUTES` if it is restricted or does not decrypt.
fn unrestricted_decryption<'a>(
    key: &Object,
    private: &'a Option<Arc<PrivateKey>>,
) -> Result<(TpmsEccParms, &'a EcPrivate), Fmt1> {
    let PublicParms::Ecc(parms) = key.public.parameters else { return Err(rc::KEY) };
    let attributes = key.attributes();
    if attributes.contains(TpmaObject::RESTRICTED) || !attributes.contains(TpmaObject::DECRYPT) {
        return Err(rc::ATTRIBUTES);
    }
    match private.as_deref() {
        Some(PrivateKey::Ecc(private)) => Ok((parms, private)),
        Some(PrivateKey::Rsa(_) | PrivateKey::Ed25519(_)) | None => Err(rc::KEY),
    }
}

/// A point at infinity is an Empty Point. Part 3, 14.7.
fn point_or_empty(point: Result<EcPoint, Error>) -> Result<Tpm2bEccSecretPoint, Rc> {
    match point.map(Zeroizing::new) {
        Ok(point) => Ok(key::secret_point(&point)?),
        Err(Error::NoResult) => Ok(Tpm2bEccSecretPoint::default()),
        Err(error) => Err(caller_or_fault(error, rc::ECC_POINT)),
    }
}

/// TPM2_ZGen_2Phase. Part 3, 14.7; Part 1, 44.8.4 and 45.2.3.
///
/// # Response codes
/// - `KEY` (handle 1): not an ECC key.
/// - `ATTRIBUTES` (handle 1): the key is restricted or does not decrypt.
/// - `SCHEME` (inScheme): not the key's.
/// - `ECC_POINT` (inQsB, inQeB): not on the key's curve.
/// - `RANGE`, `VALUE` (counter): no ephemeral key of that count, or it was used.
pub(crate) fn z_gen_2phase(tpm: &mut Tpm, cmd: ZGen2Phase) -> Result<ZGen2PhaseResponse, Rc> {
    let key = Arc::clone(tpm.object(cmd.key_a.raw()).map_err(|code| code.at(ZGen2Phase::KEY_A))?);
    let private = key.private();
    let (parms, private) =
        unrestricted_decryption(&key, &private).map_err(|code| code.at(ZGen2Phase::KEY_A))?;
    let own = match parms.scheme {
        None => Some(cmd.in_scheme),
        Some(EccScheme::Ecdh { .. }) => Some(EccKeyExchange::Ecdh),
        Some(EccScheme::Sm2 { .. }) => Some(EccKeyExchange::Sm2),
        Some(EccScheme::Ecmqv { .. }) => Some(EccKeyExchange::Ecmqv),
        Some(
            EccScheme::Ecdsa { .. }
            | EccScheme::Ecdaa { .. }
            | EccScheme::EcSchnorr { .. }
            | EccScheme::Eddsa
            | EccScheme::HashEddsa,
        ) => None,
    };
    if own != Some(cmd.in_scheme) {
        return Err(rc::SCHEME.at(ZGen2Phase::IN_SCHEME));
    }
    let curve = parms.curve_id;
    let static_b = key::point(curve, &cmd.in_qs_b).map_err(|code| code.at(ZGen2Phase::IN_QS_B))?;
    let ephemeral_b = key::point(curve, &cmd.in_qe_b).map_err(|code| code.at(ZGen2Phase::IN_QE_B))?;
    let ephemeral = tpm
        .waiting_commit(curve, Purpose::Agreement, cmd.counter)
        .map_err(|code| code.at(ZGen2Phase::COUNTER))?;
    let own = KeyPair { static_key: private, ephemeral: &ephemeral };
    let other = KeyPair { static_key: &static_b, ephemeral: &ephemeral_b };
    let (z1, z2) = match cmd.in_scheme {
        EccKeyExchange::Ecdh => (private.ecdh(&static_b), Some(ephemeral.ecdh(&ephemeral_b))),
        EccKeyExchange::Sm2 => (ecc::sm2_exchange(&own, &other), None),
        EccKeyExchange::Ecmqv => (ecc::mqv(&own, &other), None),
    };
    let out_z1 = point_or_empty(z1)?;
    let out_z2 = z2.map_or(Ok(Tpm2bEccSecretPoint::default()), point_or_empty)?;
    tpm.end_commit(cmd.counter);
    Ok(ZGen2PhaseResponse { out_z1, out_z2 })
}

/// The hash of the one key derivation that encrypts. Part 3, 14.8; Part 1, 45.2.4.2. The key's own does not count: no ECC key has one.
///
/// # Errors
/// `SCHEME` for another derivation than KDF2, or none.
fn encryption_hash(asked: Option<KdfScheme>) -> Result<HashAlg, Fmt1> {
    match asked {
        Some(KdfScheme::Kdf2 { hash_alg }) => Ok(hash_alg),
        Some(KdfScheme::Mgf1 { .. } | KdfScheme::Kdf1Sp80056a { .. } | KdfScheme::Kdf1Sp800108 { .. })
        | None => Err(rc::SCHEME),
    }
}

/// TPM2_ECC_Encrypt. Part 3, 14.8. As with TPM2_RSA_Encrypt, the attributes of the key are of no account.
///
/// # Response codes
/// - `KEY` (handle 1): not an ECC key.
/// - `SCHEME` (inScheme): not KDF2.
pub(crate) fn ecc_encrypt(tpm: &mut Tpm, cmd: EccEncrypt) -> Result<EccEncryptResponse, Rc> {
    let key = Arc::clone(tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(EccEncrypt::KEY_HANDLE))?);
    let public = key::ecc_public(&key.public).map_err(|code| code.at(EccEncrypt::KEY_HANDLE))?;
    let alg = encryption_hash(cmd.in_scheme).map_err(|code| code.at(EccEncrypt::IN_SCHEME))?;
    let made = ecc::encrypt(&public, alg, &cmd.plain_text, &mut tpm.rng)
        .map_err(|error| caller_or_fault(error, rc::VALUE))?;
    Ok(EccEncryptResponse {
        c1: key::sized_point(&made.ephemeral)?,
        c2: made.data.try_into()?,
        c3: Tpm2bDigest::new(&made.integrity)?,
    })
}

/// TPM2_ECC_Decrypt. Part 3, 14.9.
///
/// # Response codes
/// - `KEY` (handle 1): not an ECC key.
/// - `ATTRIBUTES` (handle 1): the key is restricted or does not decrypt.
/// - `SCHEME` (inScheme): not KDF2.
/// - `ECC_POINT` (C1): not on the key's curve.
/// - `VALUE` (C3): not that of the message.
pub(crate) fn ecc_decrypt(tpm: &mut Tpm, cmd: EccDecrypt) -> Result<EccDecryptResponse, Rc> {
    let key = tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(EccDecrypt::KEY_HANDLE))?;
    let private = key.private();
    let (parms, private) =
        unrestricted_decryption(key, &private).map_err(|code| code.at(EccDecrypt::KEY_HANDLE))?;
    let alg = encryption_hash(cmd.in_scheme).map_err(|code| code.at(EccDecrypt::IN_SCHEME))?;
    let ephemeral = key::point(parms.curve_id, &cmd.c1).map_err(|code| code.at(EccDecrypt::C1))?;
    let mut message = ecc::decrypt(private, alg, &ephemeral, &cmd.c2, &cmd.c3)
        .map_err(|error| caller_or_fault(error, rc::VALUE))
        .map_err(|code| code.fmt1().map_or(code, |code| code.at(EccDecrypt::C3)))?;
    Ok(EccDecryptResponse { plain_text: mem::take(&mut *message).try_into()? })
}
