//! Object commands. Part 3, 12.

use crate::{
    Tpm,
    dispatch::{Entry, entries},
    object::{
        create::{self, CreationParent, Refused},
        credential, load, protect, qualified_name,
        secret::IDENTITY,
        template, trimmed_auth,
    },
};
use alloc::sync::Arc;
use sigillo_crypto::Rng;
use sigillo_types::{
    HashAlg, Position, Rc,
    attributes::TpmaObject,
    buffers::Tpm2bPrivate,
    commands::{
        ActivateCredential, ActivateCredentialResponse, Create, CreateLoaded, CreateLoadedResponse,
        CreateResponse, Load, LoadExternal, LoadExternalResponse, LoadResponse, MakeCredential,
        MakeCredentialResponse, ObjectChangeAuth, ObjectChangeAuthResponse, ReadPublic, ReadPublicResponse,
        Unseal, UnsealResponse,
    },
    handles::{Hierarchy, ParentHandle},
    rc,
    structures::{PublicParms, SensitiveComposite, TpmtSensitive},
};

pub(crate) const COMMANDS: &[Entry] = entries![
    Create => create,
    Load => load,
    LoadExternal => load_external,
    ReadPublic => read_public,
    ActivateCredential => activate_credential,
    MakeCredential => make_credential,
    Unseal => unseal,
    ObjectChangeAuth => object_change_auth,
    CreateLoaded => create_loaded,
];

impl Refused {
    /// The response code, given where the two creation parameters stand.
    pub(crate) fn at(self, sensitive: Position, public: Position) -> Rc {
        match self {
            Self::Sensitive(code) => code.at(sensitive),
            Self::Public(code) => code.at(public),
            Self::Failure(code) => code,
        }
    }
}

impl Tpm {
    /// An IV that no other encryption with the same key has had.
    pub(crate) fn fresh_iv(&mut self) -> [u8; 16] {
        let mut iv = [0; 16];
        self.rng.fill(&mut iv);
        iv
    }
}

/// TPM2_Create. Part 3, 12.1.
///
/// # Response codes
/// - `TYPE` (handle 1): the parent is a sequence or no storage parent.
/// - `ATTRIBUTES`, `HASH`, `KDF`, `RANGE`, `SCHEME`, `SIZE`, `SYMMETRIC`, `VALUE` (inPublic): the template contradicts itself, the
///   parent or inSensitive, or asks for a key that is not made here.
/// - `SIZE`, `KEY_SIZE` (inSensitive): userAuth is longer than a Name's digest, or the key given has a wrong size.
/// - `KEY` (inSensitive): a TDES key that is weak.
pub(crate) fn create(tpm: &mut Tpm, cmd: Create) -> Result<CreateResponse, Rc> {
    let parent =
        Arc::clone(tpm.object(cmd.parent_handle.raw()).map_err(|code| code.at(Create::PARENT_HANDLE))?);
    if !parent.is_storage_parent() {
        return Err(rc::TYPE.at(Create::PARENT_HANDLE));
    }
    let created = tpm
        .create_child(&parent, cmd.in_public.public_area, &cmd.in_sensitive.sensitive)
        .map_err(|refused| refused.at(Create::IN_SENSITIVE, Create::IN_PUBLIC))?;
    let under = CreationParent::Object(&parent);
    let record = tpm.creation_record(&created.public, &under, cmd.outside_info, &cmd.creation_pcr)?;
    let out_private = tpm.wrap_child(&created, &parent)?;
    Ok(CreateResponse {
        out_private,
        out_public: created.public.into(),
        creation_data: record.data,
        creation_hash: record.hash,
        creation_ticket: record.ticket,
    })
}

/// TPM2_Load. Part 3, 12.2.
///
/// # Response codes
/// - `OBJECT_MEMORY`: no slot is free.
/// - `SIZE` (inPrivate): it is empty.
/// - `TYPE` (handle 1): the parent is a sequence or no storage parent; (inPrivate): the parts are of different types.
/// - `INTEGRITY` (inPrivate): it was not made for this public area under this parent.
/// - `SENSITIVE`: it decrypts to something else than a sensitive area.
/// - `ATTRIBUTES`, `SCHEME`, ... (inPublic): the public area contradicts itself or the parent.
/// - `BINDING`: the parts are not of one object.
pub(crate) fn load(tpm: &mut Tpm, cmd: Load) -> Result<LoadResponse, Rc> {
    tpm.require_free_slot()?;
    if cmd.in_private.is_empty() {
        return Err(rc::SIZE.at(Load::IN_PRIVATE));
    }
    let parent =
        Arc::clone(tpm.object(cmd.parent_handle.raw()).map_err(|code| code.at(Load::PARENT_HANDLE))?);
    if !parent.is_storage_parent() {
        return Err(rc::TYPE.at(Load::PARENT_HANDLE));
    }
    let public = cmd.in_public.public_area;
    let name = crate::object::name(&public);
    let sensitive =
        protect::unwrap(&cmd.in_private, &name, &parent).map_err(|error| error.at(Load::IN_PRIVATE))?;
    let object = load::object(public, Some(sensitive), load::Place::Under(&parent))
        .map_err(|flaw| flaw.at(Load::IN_PUBLIC, Load::IN_PRIVATE))?;
    let object_handle = tpm.add_object(object)?.raw();
    Ok(LoadResponse { object_handle, name })
}

/// TPM2_LoadExternal. Part 3, 12.3.
///
/// # Response codes
/// - `OBJECT_MEMORY`: no slot is free.
/// - `HIERARCHY` (hierarchy): it is disabled, or not NULL although there is a sensitive area.
/// - `ATTRIBUTES` (inPublic): with a sensitive area, one of fixedTPM, fixedParent, restricted and the limits to a hierarchy is SET, or the
///   attributes contradict each other.
/// - `SIZE` (inPublic): authPolicy is neither empty nor a digest of nameAlg.
/// - `KEY`, `ECC_POINT`, `VALUE`, `SCHEME`, ... (inPublic): it is the public area of no key.
/// - `TYPE`, `SIZE`, `KEY_SIZE` (inPrivate), `BINDING`: the parts are not of one object.
/// - `KEY` (inPrivate): a TDES key that is weak.
pub(crate) fn load_external(tpm: &mut Tpm, cmd: LoadExternal) -> Result<LoadExternalResponse, Rc> {
    tpm.require_free_slot()?;
    tpm.require_enabled(cmd.hierarchy).map_err(|code| code.at(LoadExternal::HIERARCHY))?;
    let public = cmd.in_public.public_area;
    if cmd.in_private.is_some() {
        if cmd.hierarchy != Hierarchy::Null {
            return Err(rc::HIERARCHY.at(LoadExternal::HIERARCHY));
        }
        let of_a_hierarchy = TpmaObject::FIXED_TPM
            | TpmaObject::FIXED_PARENT
            | TpmaObject::RESTRICTED
            | TpmaObject::FIRMWARE_LIMITED
            | TpmaObject::SVN_LIMITED;
        if public.object_attributes.intersects(of_a_hierarchy) {
            return Err(rc::ATTRIBUTES.at(LoadExternal::IN_PUBLIC));
        }
    }
    let sensitive = cmd.in_private.map(|private| private.sensitive_area);
    let object = load::object(public, sensitive, load::Place::External(cmd.hierarchy))
        .map_err(|flaw| flaw.at(LoadExternal::IN_PUBLIC, LoadExternal::IN_PRIVATE))?;
    let name = object.name.clone();
    let object_handle = tpm.add_object(object)?.raw();
    Ok(LoadExternalResponse { object_handle, name })
}

/// TPM2_ReadPublic. Part 3, 12.4.
///
/// # Response codes
/// - `SEQUENCE`: the handle is that of a sequence.
pub(crate) fn read_public(tpm: &mut Tpm, cmd: ReadPublic) -> Result<ReadPublicResponse, Rc> {
    let object = tpm.object(cmd.object_handle.raw()).map_err(|_| rc::SEQUENCE)?;
    Ok(ReadPublicResponse {
        out_public: object.public.clone().into(),
        name: object.name.clone(),
        qualified_name: object.qualified_name.clone(),
    })
}

/// TPM2_ActivateCredential. Part 3, 12.5.
///
/// # Response codes
/// - `TYPE` (handle 1): a sequence; (handle 2): not an asymmetric storage key.
/// - `SIZE`, `VALUE`, `ECC_POINT` (secret): it was not made for the key.
/// - `INTEGRITY` (credentialBlob): it was not made for the object, or not with this seed; `SIZE`: its parts do not fit.
pub(crate) fn activate_credential(
    tpm: &mut Tpm,
    cmd: ActivateCredential,
) -> Result<ActivateCredentialResponse, Rc> {
    let object = tpm.object(cmd.activate_handle.raw());
    let name = object.map_err(|code| code.at(ActivateCredential::ACTIVATE_HANDLE))?.name.clone();
    let key = tpm.object(cmd.key_handle.raw()).map_err(|code| code.at(ActivateCredential::KEY_HANDLE))?;
    let key = Arc::clone(key);
    if !key.is_asymmetric_storage() {
        return Err(rc::TYPE.at(ActivateCredential::KEY_HANDLE));
    }
    let seed = tpm
        .decrypt_secret(&key, &cmd.secret, IDENTITY)
        .map_err(|error| error.at(ActivateCredential::SECRET))?;
    let cert_info = credential::open(&cmd.credential_blob, &name, &key, &seed)
        .map_err(|code| code.at(ActivateCredential::CREDENTIAL_BLOB))?;
    Ok(ActivateCredentialResponse { cert_info })
}

/// TPM2_MakeCredential. Part 3, 12.6.
///
/// # Response codes
/// - `TYPE` (handle 1): not an asymmetric storage key.
/// - `SIZE` (credential): longer than a digest of the key's nameAlg.
pub(crate) fn make_credential(tpm: &mut Tpm, cmd: MakeCredential) -> Result<MakeCredentialResponse, Rc> {
    let key = Arc::clone(tpm.object(cmd.handle.raw()).map_err(|code| code.at(MakeCredential::HANDLE))?);
    if !key.is_asymmetric_storage() {
        return Err(rc::TYPE.at(MakeCredential::HANDLE));
    }
    if cmd.credential.len() > key.name_alg().map_or(0, HashAlg::digest_size) {
        return Err(rc::SIZE.at(MakeCredential::CREDENTIAL));
    }
    let (seed, secret) =
        tpm.encrypt_secret(&key, IDENTITY).map_err(|code| code.at(MakeCredential::HANDLE))?;
    let credential_blob = credential::make(&cmd.credential, &cmd.object_name, &key, &seed)
        .map_err(|code| code.at(MakeCredential::CREDENTIAL))?;
    Ok(MakeCredentialResponse { credential_blob, secret })
}

/// TPM2_Unseal. Part 3, 12.7.
///
/// # Response codes
/// - `TYPE` (handle 1): not a keyed hash object.
/// - `ATTRIBUTES` (handle 1): a key, not sealed data.
pub(crate) fn unseal(tpm: &mut Tpm, cmd: Unseal) -> Result<UnsealResponse, Rc> {
    let object = tpm.object(cmd.item_handle.raw()).map_err(|code| code.at(Unseal::ITEM_HANDLE))?;
    if !matches!(object.public.parameters, PublicParms::KeyedHash(_)) {
        return Err(rc::TYPE.at(Unseal::ITEM_HANDLE));
    }
    if !template::is_data_object(&object.public) || object.attributes().contains(TpmaObject::RESTRICTED) {
        return Err(rc::ATTRIBUTES.at(Unseal::ITEM_HANDLE));
    }
    match object.sensitive.as_ref().map(|sensitive| &sensitive.sensitive) {
        Some(SensitiveComposite::Bits(data)) => Ok(UnsealResponse { out_data: data.clone() }),
        Some(SensitiveComposite::Rsa(_) | SensitiveComposite::Ecc(_) | SensitiveComposite::Sym(_)) | None => {
            Err(rc::TYPE.at(Unseal::ITEM_HANDLE))
        }
    }
}

/// TPM2_ObjectChangeAuth. Part 3, 12.8. The parent is known by the object's Qualified Name.
///
/// # Response codes
/// - `TYPE` (handle 1): a sequence; (handle 2): not the storage parent of the object.
/// - `SIZE` (newAuth): longer than a digest of the object's nameAlg.
pub(crate) fn object_change_auth(
    tpm: &mut Tpm,
    cmd: ObjectChangeAuth,
) -> Result<ObjectChangeAuthResponse, Rc> {
    let object =
        tpm.object(cmd.object_handle.raw()).map_err(|code| code.at(ObjectChangeAuth::OBJECT_HANDLE))?;
    let object = Arc::clone(object);
    let auth_value =
        trimmed_auth(&cmd.new_auth, object.name_alg()).map_err(|code| code.at(ObjectChangeAuth::NEW_AUTH))?;
    let parent =
        tpm.object(cmd.parent_handle.raw()).map_err(|code| code.at(ObjectChangeAuth::PARENT_HANDLE))?;
    let parent = Arc::clone(parent);
    let below = qualified_name(&parent.qualified_name, object.name_alg(), &object.name);
    if below.is_empty() || below != object.qualified_name || !parent.is_storage_parent() {
        return Err(rc::TYPE.at(ObjectChangeAuth::PARENT_HANDLE));
    }
    let sensitive = object.sensitive.as_ref().ok_or(rc::TYPE.at(ObjectChangeAuth::OBJECT_HANDLE))?;
    let sensitive = TpmtSensitive { auth_value, ..sensitive.clone() };
    let iv = tpm.fresh_iv();
    let alg = object.name_alg().ok_or(rc::TYPE.at(ObjectChangeAuth::OBJECT_HANDLE))?;
    let out_private = protect::wrap(&sensitive, &object.name, alg, &parent, iv)?;
    Ok(ObjectChangeAuthResponse { out_private })
}

/// TPM2_CreateLoaded: below a hierarchy as TPM2_CreatePrimary, below a storage parent as TPM2_Create and TPM2_Load, below a derivation
/// parent a derived object. Part 3, 12.9.
///
/// # Response codes
/// - `OBJECT_MEMORY`: no slot is free.
/// - `TYPE` (handle 1): the parent is a sequence or no parent.
/// - `SIZE`, `INSUFFICIENT`, `TYPE`, `HASH`, ... (inPublic): the template is no public area.
/// - `TYPE` (inPublic): an RSA key is not derived. `ATTRIBUTES` (inPublic): of a derived object, sensitiveDataOrigin is SET or
///   fixedParent CLEAR.
/// - `SIZE`, `INSUFFICIENT` (inSensitive): of a derived object, the data are no label and context.
/// - as TPM2_Create and TPM2_CreatePrimary for the template and the sensitive data.
pub(crate) fn create_loaded(tpm: &mut Tpm, cmd: CreateLoaded) -> Result<CreateLoadedResponse, Rc> {
    let refused = |refused: Refused| refused.at(CreateLoaded::IN_SENSITIVE, CreateLoaded::IN_PUBLIC);
    let given = &cmd.in_sensitive.sensitive;
    let read = |tpm: &Tpm, derivation| {
        tpm.require_free_slot()?;
        let (template, derive) = create::read_template(tpm.reader(&cmd.in_public), derivation)
            .map_err(|code| code.at(CreateLoaded::IN_PUBLIC))?;
        // Other than the two commands it stands for, it looks at userAuth before it looks at what the template says.
        trimmed_auth(&given.user_auth, template.name_alg)
            .map_err(|code| code.at(CreateLoaded::IN_SENSITIVE))?;
        Ok::<_, Rc>((template, derive))
    };
    let (object, out_private) = match cmd.parent_handle {
        ParentHandle::Hierarchy(hierarchy) => {
            let (template, _) = read(tpm, false)?;
            (tpm.create_primary(hierarchy, template, given).map_err(refused)?, Tpm2bPrivate::default())
        }
        ParentHandle::Object(handle) => {
            let parent = tpm.object(handle.raw()).map_err(|code| code.at(CreateLoaded::PARENT_HANDLE))?;
            let parent = Arc::clone(parent);
            if !parent.is_parent() {
                return Err(rc::TYPE.at(CreateLoaded::PARENT_HANDLE));
            }
            let derivation = !parent.is_storage_parent();
            let (template, derive) = read(tpm, derivation)?;
            if derivation {
                let object =
                    create::derive(&tpm.profile, &parent, template, derive, given).map_err(refused)?;
                (object, Tpm2bPrivate::default())
            } else {
                tpm.create_loaded_child(&parent, template, given).map_err(refused)?
            }
        }
    };
    let (out_public, name) = (object.public.clone().into(), object.name.clone());
    let object_handle = tpm.add_object(object)?.raw();
    Ok(CreateLoadedResponse { object_handle, out_private, out_public, name })
}
