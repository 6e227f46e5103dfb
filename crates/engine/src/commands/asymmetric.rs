//! Asymmetric primitives. Part 3, 14.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    object::key::{self, PrivateKey, caller_or_fault},
};
use alloc::sync::Arc;
use sigillo_crypto::{
    derive, ecc,
    rsa::{oaep_decrypt, oaep_encrypt, pkcs1_decrypt, pkcs1_encrypt},
};
use sigillo_types::{
    EccCurve, Fmt1, HashAlg, Rc,
    attributes::TpmaObject,
    buffers::Tpm2bData,
    commands::{
        EccParameters, EccParametersResponse, EcdhKeyGen, EcdhKeyGenResponse, EcdhZGen, EcdhZGenResponse,
        RsaDecrypt, RsaDecryptResponse, RsaEncrypt, RsaEncryptResponse,
    },
    rc,
    structures::{
        EccScheme, KdfScheme, PublicParms, RsaDecryptScheme, RsaScheme, TpmsAlgorithmDetailEcc, TpmsRsaParms,
    },
};
use zeroize::Zeroizing;

pub(crate) const COMMANDS: &[Entry] = entries![
    RsaEncrypt => rsa_encrypt,
    RsaDecrypt => rsa_decrypt,
    EcdhKeyGen => ecdh_key_gen,
    EcdhZGen => ecdh_z_gen,
    EccParameters => ecc_parameters,
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
    let message = message
        .map_err(|error| caller_or_fault(error, rc::VALUE))
        .map_err(|code| code.fmt1().map_or(code, |code| code.at(RsaDecrypt::CIPHER_TEXT)))?;
    Ok(RsaDecryptResponse { message: message.as_slice().try_into()? })
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
    let z = ephemeral.ecdh(&receiver).map_err(failed)?;
    let public = ephemeral.public().map_err(failed)?;
    Ok(EcdhKeyGenResponse { z_point: key::sized_point(&z)?, pub_point: key::sized_point(&public)? })
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
    let key = Arc::clone(tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(EcdhZGen::KEY_HANDLE))?);
    let PublicParms::Ecc(parms) = &key.public.parameters else {
        return Err(rc::KEY.at(EcdhZGen::KEY_HANDLE));
    };
    let attributes = key.attributes();
    if attributes.contains(TpmaObject::RESTRICTED) || !attributes.contains(TpmaObject::DECRYPT) {
        return Err(rc::ATTRIBUTES.at(EcdhZGen::KEY_HANDLE));
    }
    if !matches!(parms.scheme, None | Some(EccScheme::Ecdh { .. })) {
        return Err(rc::SCHEME.at(EcdhZGen::KEY_HANDLE));
    }
    let private = key.private();
    let Some(PrivateKey::Ecc(private)) = private.as_deref() else {
        return Err(rc::KEY.at(EcdhZGen::KEY_HANDLE));
    };
    let point = key::point(parms.curve_id, &cmd.in_point).map_err(|code| code.at(EcdhZGen::IN_POINT))?;
    let z = private.ecdh(&point).map_err(|_| rc::NO_RESULT)?;
    Ok(EcdhZGenResponse { out_point: key::sized_point(&z)? })
}

/// TPM2_ECC_Parameters. Part 3, 14.6.
pub(crate) fn ecc_parameters(_: &mut Tpm, cmd: EccParameters) -> Result<EccParametersResponse, Rc> {
    let curve = ecc::parameters(cmd.curve_id);
    // The registry's default key derivation of each curve.
    let hash_alg = match cmd.curve_id {
        EccCurve::NistP192 | EccCurve::NistP224 | EccCurve::NistP256 => Some(HashAlg::Sha256),
        EccCurve::NistP384 => Some(HashAlg::Sha384),
        EccCurve::NistP521 => Some(HashAlg::Sha512),
        EccCurve::BnP256 | EccCurve::Sm2P256 => None,
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
