//! Duplication. Part 3, 13.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    object::{
        load,
        protect::{self, Inner, Outer},
        secret::DUPLICATE,
    },
    secret::Secret,
    state::Object,
};
use alloc::sync::Arc;
use core::mem;
use sigillo_crypto::{HashAlg, derive};
use sigillo_types::{
    Fmt1, Position, Rc,
    alg::BlockCipher,
    attributes::TpmaObject,
    buffers::{Tpm2bEncryptedSecret, Tpm2bSecretData},
    commands::{Duplicate, DuplicateResponse, Import, ImportResponse, Rewrap, RewrapResponse},
    handles::ObjectHandle,
    rc,
    structures::SymDefObject,
};

pub(crate) const COMMANDS: &[Entry] = entries![
    Duplicate => duplicate,
    Rewrap => rewrap,
    Import => import,
];

/// The asymmetric storage key at a handle; `None` for TPM_RH_NULL.
///
/// # Errors
/// `TYPE` for anything else.
fn storage_key(tpm: &Tpm, handle: Option<ObjectHandle>) -> Result<Option<Arc<Object>>, Fmt1> {
    let Some(handle) = handle else { return Ok(None) };
    let key = tpm.object(handle.raw())?;
    if key.is_asymmetric_storage() { Ok(Some(Arc::clone(key))) } else { Err(rc::TYPE) }
}

/// The key of the inner wrapping, if there is such a wrapping.
///
/// # Errors
/// `SIZE` if the key is not of the cipher's size, or there is a key and no cipher.
fn inner_key(cipher: Option<SymDefObject>, given: Tpm2bSecretData) -> Result<Option<InnerKey>, Fmt1> {
    let size = cipher.map_or(0, |cipher| cipher.cipher().key_size());
    if given.len() != size {
        return Err(rc::SIZE);
    }
    Ok(cipher.map(|cipher| InnerKey { cipher: cipher.cipher(), key: given }))
}

/// A cipher and its key.
struct InnerKey {
    cipher: BlockCipher,
    key: Tpm2bSecretData,
}

impl InnerKey {
    fn wrapping(&self, name_alg: HashAlg) -> Inner<'_> {
        Inner { name_alg, cipher: self.cipher, key: &self.key }
    }
}

impl Tpm {
    /// A seed for the outer wrapping, and its encryption to the new parent; neither without one.
    fn outer_seed(
        &mut self,
        parent: Option<&Arc<Object>>,
        parent_at: Position,
    ) -> Result<(Secret, Tpm2bEncryptedSecret), Rc> {
        match parent {
            Some(parent) => self.encrypt_secret(parent, DUPLICATE).map_err(|code| code.at(parent_at)),
            None => Ok((Secret::default(), Tpm2bEncryptedSecret::default())),
        }
    }
}

/// TPM2_Duplicate. Part 3, 13.1.
///
/// # Response codes
/// - `TYPE` (handle 1): a sequence, or an object without a Name; (handle 2): not an asymmetric storage key.
/// - `ATTRIBUTES` (handle 1): fixedParent is SET.
/// - `SYMMETRIC` (symmetricAlg), `HIERARCHY` (handle 2): encryptedDuplication is SET and one of the wrappings is missing.
/// - `SIZE` (encryptionKeyIn): not a key of the cipher.
pub(crate) fn duplicate(tpm: &mut Tpm, cmd: Duplicate) -> Result<DuplicateResponse, Rc> {
    let object = tpm.object(cmd.object_handle.raw()).map_err(|code| code.at(Duplicate::OBJECT_HANDLE))?;
    let object = Arc::clone(object);
    if object.attributes().contains(TpmaObject::FIXED_PARENT) {
        return Err(rc::ATTRIBUTES.at(Duplicate::OBJECT_HANDLE));
    }
    let no_type = rc::TYPE.at(Duplicate::OBJECT_HANDLE);
    let name_alg = object.name_alg().ok_or(no_type)?;
    let sensitive = object.sensitive.as_ref().ok_or(no_type)?;
    let parent =
        storage_key(tpm, cmd.new_parent_handle).map_err(|code| code.at(Duplicate::NEW_PARENT_HANDLE))?;
    if object.attributes().contains(TpmaObject::ENCRYPTED_DUPLICATION) {
        if cmd.symmetric_alg.is_none() {
            return Err(rc::SYMMETRIC.at(Duplicate::SYMMETRIC_ALG));
        }
        if parent.is_none() {
            return Err(rc::HIERARCHY.at(Duplicate::NEW_PARENT_HANDLE));
        }
    }
    let mut encryption_key_out = Tpm2bSecretData::default();
    let key = match cmd.symmetric_alg {
        Some(cipher) if cmd.encryption_key_in.is_empty() => {
            let cipher = cipher.cipher();
            let mut octets = derive::cipher_key(&mut tpm.rng, cipher);
            let key = Tpm2bSecretData::try_from(mem::take(&mut *octets))?;
            encryption_key_out = key.clone();
            Some(InnerKey { cipher, key })
        }
        cipher => {
            inner_key(cipher, cmd.encryption_key_in).map_err(|code| code.at(Duplicate::ENCRYPTION_KEY_IN))?
        }
    };
    let (seed, out_sym_seed) = tpm.outer_seed(parent.as_ref(), Duplicate::NEW_PARENT_HANDLE)?;
    let inner = key.as_ref().map(|key| key.wrapping(name_alg));
    let outer = parent.as_ref().map(|parent| Outer { parent, seed: &seed });
    let duplicate = protect::duplicate(sensitive, &object.name, name_alg, inner.as_ref(), outer.as_ref())?;
    Ok(DuplicateResponse { encryption_key_out, duplicate, out_sym_seed })
}

/// TPM2_Rewrap. Part 3, 13.2.
///
/// # Response codes
/// - `TYPE` (handle 1 or 2): not an asymmetric storage key.
/// - `HANDLE` (handle 1): there is a seed but no old parent, or the other way round.
/// - `VALUE` (inSymSeed): it was not made for the old parent, whatever shows it.
/// - `INTEGRITY` (inDuplicate): it was not made for this Name and seed.
pub(crate) fn rewrap(tpm: &mut Tpm, cmd: Rewrap) -> Result<RewrapResponse, Rc> {
    if cmd.in_sym_seed.is_empty() != cmd.old_parent.is_none() {
        return Err(rc::HANDLE.at(Rewrap::OLD_PARENT));
    }
    let old = storage_key(tpm, cmd.old_parent).map_err(|code| code.at(Rewrap::OLD_PARENT))?;
    let new = storage_key(tpm, cmd.new_parent).map_err(|code| code.at(Rewrap::NEW_PARENT))?;
    let old_seed = match &old {
        Some(old) => tpm
            .decrypt_secret(old, &cmd.in_sym_seed, DUPLICATE)
            .map_err(|error| error.as_value().at(Rewrap::IN_SYM_SEED))?,
        None => Secret::default(),
    };
    let outer = old.as_ref().map(|parent| Outer { parent, seed: &old_seed });
    let data = protect::unwrap_outer(&cmd.in_duplicate, &cmd.name, outer.as_ref())
        .map_err(|code| code.at(Rewrap::IN_DUPLICATE))?;
    let (seed, out_sym_seed) = tpm.outer_seed(new.as_ref(), Rewrap::NEW_PARENT)?;
    let outer = new.as_ref().map(|parent| Outer { parent, seed: &seed });
    let out_duplicate = protect::wrap_outer(&data, &cmd.name, outer.as_ref())
        .map_err(|code| code.at(Rewrap::IN_DUPLICATE))?;
    Ok(RewrapResponse { out_duplicate, out_sym_seed })
}

/// TPM2_Import. Part 3, 13.3. The parts are checked here and again each time the object is loaded.
///
/// # Response codes
/// - `ATTRIBUTES` (objectPublic): fixedTPM, fixedParent or a limit to a hierarchy is SET; (encryptionKey, inSymSeed):
///   encryptedDuplication is SET and one of the wrappings is missing.
/// - `TYPE` (handle 1): a sequence or no storage parent, or one without an asymmetric key for the outer wrapping.
/// - `SIZE` (encryptionKey): not a key of the cipher.
/// - `SIZE`, `VALUE`, `ECC_POINT` (inSymSeed): it was not made for the parent.
/// - `INTEGRITY` (duplicate): one of the wrappings was not made for this public area; `SENSITIVE`: it holds no sensitive area.
/// - what is wrong with the parts, as TPM2_Load.
pub(crate) fn import(tpm: &mut Tpm, cmd: Import) -> Result<ImportResponse, Rc> {
    let public = cmd.object_public.public_area;
    let own = public.object_attributes;
    let bound = TpmaObject::FIXED_TPM
        | TpmaObject::FIXED_PARENT
        | TpmaObject::FIRMWARE_LIMITED
        | TpmaObject::SVN_LIMITED;
    if own.intersects(bound) {
        return Err(rc::ATTRIBUTES.at(Import::OBJECT_PUBLIC));
    }
    let parent =
        Arc::clone(tpm.object(cmd.parent_handle.raw()).map_err(|code| code.at(Import::PARENT_HANDLE))?);
    if !parent.is_storage_parent() {
        return Err(rc::TYPE.at(Import::PARENT_HANDLE));
    }
    let key =
        inner_key(cmd.symmetric_alg, cmd.encryption_key).map_err(|code| code.at(Import::ENCRYPTION_KEY))?;
    if own.contains(TpmaObject::ENCRYPTED_DUPLICATION) {
        if key.is_none() {
            return Err(rc::ATTRIBUTES.at(Import::ENCRYPTION_KEY));
        }
        if cmd.in_sym_seed.is_empty() {
            return Err(rc::ATTRIBUTES.at(Import::IN_SYM_SEED));
        }
    }
    let seed = if cmd.in_sym_seed.is_empty() {
        None
    } else if parent.is_asymmetric_storage() {
        let seed = tpm.decrypt_secret(&parent, &cmd.in_sym_seed, DUPLICATE);
        Some(seed.map_err(|error| error.at(Import::IN_SYM_SEED))?)
    } else {
        return Err(rc::TYPE.at(Import::PARENT_HANDLE));
    };
    let name_alg = public.name_alg.ok_or(rc::HASH.at(Import::OBJECT_PUBLIC))?;
    let name = crate::object::name(&public);
    let inner = key.as_ref().map(|key| key.wrapping(name_alg));
    let outer = seed.as_ref().map(|seed| Outer { parent: &parent, seed });
    let sensitive = protect::read_duplicate(&cmd.duplicate, &name, inner.as_ref(), outer.as_ref())
        .map_err(|error| error.at(Import::DUPLICATE))?;
    let object = load::object(public, Some(sensitive), load::Place::Under(&parent))
        .map_err(|flaw| flaw.at(Import::OBJECT_PUBLIC, Import::DUPLICATE))?;
    let sensitive = object.sensitive.as_ref().ok_or(rc::SENSITIVE)?;
    let iv = tpm.fresh_iv();
    let out_private = protect::wrap(sensitive, &name, name_alg, &parent, iv)?;
    Ok(ImportResponse { out_private })
}
