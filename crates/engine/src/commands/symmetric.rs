//! Symmetric primitives. Part 3, 15.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    session::sized,
    state::{Object, object::SequenceKind},
    ticket,
};
use alloc::sync::Arc;
use core::mem;
use sigillo_crypto::{cmac::Cmac, hash::hash as digest, hmac::Hmac, sym::Cipher};
use sigillo_types::{
    Fmt1, Position, Rc,
    alg::{CipherMode, MacScheme, SymMode},
    attributes::TpmaObject,
    buffers::{Tpm2bIv, Tpm2bSecretBuffer},
    commands::{
        EncryptDecrypt, EncryptDecrypt2, EncryptDecrypt2Response, EncryptDecryptResponse, Hash, HashResponse,
        Mac, MacResponse,
    },
    handles::ObjectHandle,
    rc,
    structures::{KeyedHashScheme, PublicParms, SensitiveComposite, SymDefObject},
};
use zeroize::Zeroizing;

pub(crate) const COMMANDS: &[Entry] = entries![
    EncryptDecrypt => encrypt_decrypt,
    EncryptDecrypt2 => encrypt_decrypt2,
    Hash => hash,
    Mac => mac,
];

/// What both commands take, and where it stands.
struct Job<'a> {
    key: (ObjectHandle, Position),
    decrypt: bool,
    mode: (Option<CipherMode>, Position),
    iv: (&'a Tpm2bIv, Position),
    data: (&'a Tpm2bSecretBuffer, Position),
}

impl Job<'_> {
    /// Encrypts or decrypts, and gives the result and the IV to go on with.
    fn run(&self, tpm: &Tpm) -> Result<(Tpm2bSecretBuffer, Tpm2bIv), Rc> {
        let (handle, handle_at) = self.key;
        let no_key = rc::KEY.at(handle_at);
        let key = tpm.object(handle.raw()).map_err(|_| no_key)?;
        let (sym, secret) = cipher_key(key).ok_or(no_key)?;
        let use_of_key = if self.decrypt { TpmaObject::DECRYPT } else { TpmaObject::SIGN };
        if key.attributes().contains(TpmaObject::RESTRICTED) || !key.attributes().contains(use_of_key) {
            return Err(rc::ATTRIBUTES.at(handle_at));
        }
        let (asked, mode_at) = self.mode;
        let mode = match sym.mode() {
            None => asked.ok_or(rc::MODE.at(mode_at))?,
            Some(own) => {
                let own = own.cipher_mode().ok_or(rc::MODE.at(handle_at))?;
                if asked.is_some_and(|asked| asked != own) {
                    return Err(rc::MODE.at(mode_at));
                }
                own
            }
        };
        let block = sym.cipher().block_size();
        let (iv, iv_at) = self.iv;
        if iv.len() != if mode == CipherMode::Ecb { 0 } else { block } {
            return Err(rc::SIZE.at(iv_at));
        }
        let (data, data_at) = self.data;
        if mode.takes_whole_blocks() && !data.len().is_multiple_of(block) {
            return Err(rc::SIZE.at(data_at));
        }
        // What is decrypted is secret, and so is keystream that nobody has used yet.
        let (mut data, mut iv) = (Zeroizing::new(data.to_vec()), Zeroizing::new(iv.to_vec()));
        let cipher = Cipher::new(sym.cipher(), secret).map_err(|_| no_key)?;
        let crypt = if self.decrypt { Cipher::decrypt } else { Cipher::encrypt };
        crypt(&cipher, mode, &mut iv, &mut data).map_err(|_| rc::SIZE.at(data_at))?;
        Ok((mem::take(&mut *data).try_into()?, Tpm2bIv::new(&iv)?))
    }
}

/// The cipher of a symmetric cipher object and its key.
fn cipher_key(object: &Object) -> Option<(SymDefObject, &[u8])> {
    let PublicParms::SymCipher(parms) = object.public.parameters else { return None };
    match object.sensitive.as_ref().map(|sensitive| &sensitive.sensitive) {
        Some(SensitiveComposite::Sym(key)) => Some((parms.sym, key)),
        Some(SensitiveComposite::Rsa(_) | SensitiveComposite::Ecc(_) | SensitiveComposite::Bits(_))
        | None => None,
    }
}

/// TPM2_EncryptDecrypt. Part 3, 15.2.
///
/// # Response codes
/// - `KEY` (handle 1): a sequence, or not a symmetric cipher object.
/// - `ATTRIBUTES` (handle 1): the key is restricted, or not for this direction: `sign` encrypts, `decrypt` decrypts.
/// - `MODE` (handle 1): the key is for CMAC; (mode): neither the key nor the command names a mode, or they name different ones.
/// - `SIZE` (ivIn): not one block, or something for ECB; (inData): not whole blocks for CBC or ECB.
pub(crate) fn encrypt_decrypt(tpm: &mut Tpm, cmd: EncryptDecrypt) -> Result<EncryptDecryptResponse, Rc> {
    let job = Job {
        key: (cmd.key_handle, EncryptDecrypt::KEY_HANDLE),
        decrypt: cmd.decrypt,
        mode: (cmd.mode, EncryptDecrypt::MODE),
        iv: (&cmd.iv_in, EncryptDecrypt::IV_IN),
        data: (&cmd.in_data, EncryptDecrypt::IN_DATA),
    };
    let (out_data, iv_out) = job.run(tpm)?;
    Ok(EncryptDecryptResponse { out_data, iv_out })
}

/// TPM2_EncryptDecrypt2: the same, with the data where a session can encrypt it. Part 3, 15.3.
///
/// # Response codes
/// As [`encrypt_decrypt`].
pub(crate) fn encrypt_decrypt2(tpm: &mut Tpm, cmd: EncryptDecrypt2) -> Result<EncryptDecrypt2Response, Rc> {
    let job = Job {
        key: (cmd.key_handle, EncryptDecrypt2::KEY_HANDLE),
        decrypt: cmd.decrypt,
        mode: (cmd.mode, EncryptDecrypt2::MODE),
        iv: (&cmd.iv_in, EncryptDecrypt2::IV_IN),
        data: (&cmd.in_data, EncryptDecrypt2::IN_DATA),
    };
    let (out_data, iv_out) = job.run(tpm)?;
    Ok(EncryptDecrypt2Response { out_data, iv_out })
}

/// TPM2_Hash. Part 3, 15.4. This is all of the data, so that less than four octets are as safe to sign as any that begin otherwise than a
/// structure of the TPM's own; a sequence must think of what could follow.
pub(crate) fn hash(tpm: &mut Tpm, cmd: Hash) -> Result<HashResponse, Rc> {
    let out_hash = sized(&digest(cmd.hash_alg, &[&cmd.data]));
    let safe = !ticket::is_generated(&cmd.data);
    let validation = ticket::hash_check(tpm, cmd.hierarchy, &out_hash, safe);
    Ok(HashResponse { out_hash, validation })
}

/// TPM2_MAC, and TPM2_HMAC, which has the same code. Part 3, 15.5 and 15.6.
///
/// # Response codes
/// As [`start_mac`].
pub(crate) fn mac(tpm: &mut Tpm, cmd: Mac) -> Result<MacResponse, Rc> {
    let mut mac = start_mac(tpm, (cmd.handle, Mac::HANDLE), (cmd.in_scheme, Mac::IN_SCHEME))?;
    mac.update(&cmd.buffer)?;
    let out_mac = sized(&mac.finish_mac()?);
    Ok(MacResponse { out_mac })
}

/// What TPM2_MAC and TPM2_MAC_Start begin with: the type of the key decides between HMAC and CMAC. Part 3, 15.6 and 17.3.
///
/// # Errors
/// - `TYPE` (handle): a sequence, or neither a keyed hash nor a symmetric cipher object.
/// - `ATTRIBUTES` (handle): the key is restricted, whatever the scheme.
/// - `VALUE` (scheme): neither the key nor the command names one, they name different ones, or one that is not for the key's type.
/// - `SCHEME` (scheme): the key's own mode is no MAC, and the command names none.
/// - `KEY` (handle): the key does not sign.
pub(crate) fn start_mac(
    tpm: &Tpm,
    (handle, handle_at): (ObjectHandle, Position),
    (asked, asked_at): (Option<MacScheme>, Position),
) -> Result<SequenceKind, Rc> {
    let no_type = rc::TYPE.at(handle_at);
    let key: Arc<Object> = Arc::clone(tpm.object(handle.raw()).map_err(|code| code.at(handle_at))?);
    if matches!(key.public.parameters, PublicParms::Rsa(_) | PublicParms::Ecc(_)) {
        return Err(no_type);
    }
    if key.attributes().contains(TpmaObject::RESTRICTED) {
        return Err(rc::ATTRIBUTES.at(handle_at));
    }
    let scheme = mac_scheme(&key, asked).map_err(|code| code.at(asked_at))?;
    if !key.attributes().contains(TpmaObject::SIGN) {
        return Err(rc::KEY.at(handle_at));
    }
    match scheme {
        MacScheme::Hmac(hash_alg) => {
            let bits = key_bits(&key).map_err(|code| code.at(handle_at))?;
            Ok(SequenceKind::Hmac(Hmac::new(hash_alg, bits)))
        }
        MacScheme::Cmac => {
            let (sym, secret) = cipher_key(&key).ok_or(no_type)?;
            Cmac::new(sym.cipher(), secret).map(SequenceKind::Cmac).map_err(|_| no_type)
        }
    }
}

/// The scheme of a MAC: the key's own, else the one asked for. Part 3, 15.6 and 17.3.
///
/// # Errors
/// `VALUE` if there is none, it is not for the key's type, or another than the key's own is asked for; `SCHEME` if the key's own is no MAC.
fn mac_scheme(key: &Object, asked: Option<MacScheme>) -> Result<MacScheme, Fmt1> {
    let (own, by_hash) = match key.public.parameters {
        PublicParms::KeyedHash(parms) => {
            let own = parms.scheme.map(|scheme| match scheme {
                KeyedHashScheme::Hmac { hash_alg } | KeyedHashScheme::Xor { hash_alg, .. } => {
                    MacScheme::Hmac(hash_alg)
                }
            });
            (own, true)
        }
        PublicParms::SymCipher(parms) => match parms.sym.mode() {
            None => (None, false),
            Some(SymMode::Cmac) => (Some(MacScheme::Cmac), false),
            // A key for encryption.
            Some(_) => return Err(if asked.is_none() { rc::SCHEME } else { rc::VALUE }),
        },
        PublicParms::Rsa(_) | PublicParms::Ecc(_) => return Err(rc::SCHEME),
    };
    let scheme = match (own, asked) {
        (Some(own), None) => own,
        (Some(own), Some(asked)) if own != asked => return Err(rc::VALUE),
        (_, Some(asked)) => asked,
        (None, None) => return Err(rc::VALUE),
    };
    if by_hash == matches!(scheme, MacScheme::Hmac(_)) { Ok(scheme) } else { Err(rc::VALUE) }
}

/// The octets of an HMAC key.
///
/// # Errors
/// `TYPE` if there are none.
pub(crate) fn key_bits(key: &Object) -> Result<&[u8], Fmt1> {
    match key.sensitive.as_ref().map(|sensitive| &sensitive.sensitive) {
        Some(SensitiveComposite::Bits(bits)) => Ok(bits),
        Some(SensitiveComposite::Rsa(_) | SensitiveComposite::Ecc(_) | SensitiveComposite::Sym(_)) | None => {
            Err(rc::TYPE)
        }
    }
}
