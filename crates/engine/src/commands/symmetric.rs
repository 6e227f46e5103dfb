//! Symmetric primitives. Part 3, 15.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    session::sized,
    state::Object,
    ticket,
};
use alloc::sync::Arc;
use sigillo_crypto::{hash::hash as digest, hmac::hmac as mac};
use sigillo_types::{
    Fmt1, HashAlg, Position, Rc,
    attributes::TpmaObject,
    commands::{Hash, HashResponse, Hmac, HmacResponse},
    handles::ObjectHandle,
    rc,
    structures::{KeyedHashScheme, PublicParms, SensitiveComposite},
};

pub(crate) const COMMANDS: &[Entry] = entries![Hash => hash, Hmac => hmac];

/// TPM2_Hash. Part 3, 15.4. This is all of the data, so that less than four octets are as safe to sign as any that begin otherwise than a
/// structure of the TPM's own; a sequence must think of what could follow.
pub(crate) fn hash(tpm: &mut Tpm, cmd: Hash) -> Result<HashResponse, Rc> {
    let out_hash = sized(&digest(cmd.hash_alg, &[&cmd.data]));
    let safe = !ticket::is_generated(&cmd.data);
    let validation = ticket::hash_check(tpm, cmd.hierarchy, &out_hash, safe);
    Ok(HashResponse { out_hash, validation })
}

/// TPM2_HMAC. Part 3, 15.5.
///
/// # Response codes
/// As [`hmac_key`].
pub(crate) fn hmac(tpm: &mut Tpm, cmd: Hmac) -> Result<HmacResponse, Rc> {
    let (key, hash_alg) = hmac_key(tpm, cmd.handle, Hmac::HANDLE, cmd.hash_alg, Hmac::HASH_ALG)?;
    let bits = key_bits(&key).map_err(|code| code.at(Hmac::HANDLE))?;
    Ok(HmacResponse { out_hmac: sized(&mac(hash_alg, bits, &[&cmd.buffer])) })
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

/// The key and hash of TPM2_HMAC and TPM2_HMAC_Start. Part 3, 15.5 and 17.2.
///
/// # Errors
/// - `TYPE` (handle): a sequence, or not a keyed hash object.
/// - `ATTRIBUTES` (handle): the key is restricted.
/// - `KEY` (handle): the key does not sign.
/// - `VALUE` (hash): neither the key nor the command names one, or they name different ones.
pub(crate) fn hmac_key(
    tpm: &Tpm,
    handle: ObjectHandle,
    handle_at: Position,
    asked: Option<HashAlg>,
    asked_at: Position,
) -> Result<(Arc<Object>, HashAlg), Rc> {
    let key = Arc::clone(tpm.object(handle.raw()).map_err(|code| code.at(handle_at))?);
    let PublicParms::KeyedHash(parms) = key.public.parameters else { return Err(rc::TYPE.at(handle_at)) };
    if key.attributes().contains(TpmaObject::RESTRICTED) {
        return Err(rc::ATTRIBUTES.at(handle_at));
    }
    if !key.is_signing() {
        return Err(rc::KEY.at(handle_at));
    }
    let own = match parms.scheme {
        None => None,
        Some(KeyedHashScheme::Hmac { hash_alg } | KeyedHashScheme::Xor { hash_alg, .. }) => Some(hash_alg),
    };
    match (own, asked) {
        (Some(own), Some(asked)) if own != asked => Err(rc::VALUE.at(asked_at)),
        (Some(hash_alg), _) | (None, Some(hash_alg)) => Ok((key, hash_alg)),
        (None, None) => Err(rc::VALUE.at(asked_at)),
    }
}
