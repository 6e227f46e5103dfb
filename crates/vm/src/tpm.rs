//! Giving a VM its TPM, and finding the password of its store when it starts.
use crate::{
    bundle::{Bundle, STORE, VARS},
    config::{Firmware, Interface, Tpm},
    error::{Error, Result},
    files::replace_file,
    firmware::Keys,
};
use sigillo_keychain::{Keychain, KeychainError, Record, RecordName};
use sigillo_store::{Algorithm, CreateOptions, Key, Secret, Store};
use std::{fs, os::unix::fs::FileTypeExt, path::PathBuf};
use uuid::Uuid;
use zeroize::Zeroizing;

/// How a TPM is added.
#[derive(Clone, Debug)]
pub struct AddTpm {
    /// How the guest reaches it.
    pub interface: Interface,
    /// Whose keys Secure Boot trusts.
    pub keys: Keys,
    /// The TPM's profile by its name; `None` is the default of whoever makes the TPM.
    pub profile: Option<String>,
    /// How its store is sealed.
    pub algorithm: Algorithm,
    /// The new TPM, as its process stores it. It is in the store from the first moment on: an old copy of the store then
    /// holds this TPM, or a state of it, and never nothing.
    pub state: Secret,
}

/// What adding a TPM did, for the person who asked.
#[derive(Clone, Debug)]
pub struct TpmAdded {
    /// The keychain record's name.
    pub record: String,
    /// Whose keys were enrolled.
    pub keys: Keys,
    /// The store.
    pub store: PathBuf,
}

/// What opens a store when its VM starts.
pub(crate) enum StoreKey {
    /// The record's password.
    Password(Zeroizing<Vec<u8>>),
    /// The store is not encrypted.
    Unencrypted,
}

/// The name of a VM's record in a keychain.
#[must_use]
pub fn record_name(uuid: &Uuid) -> String {
    RecordName::for_vm(uuid.as_bytes()).to_string()
}

/// Adds a TPM to a VM that is off: Secure Boot firmware with enrolled keys, a keychain record, an encrypted store. All or
/// nothing.
///
/// # Errors
/// [`Error::LegacyBios`], [`Error::PhysicalDisk`], [`Error::TpmExists`], [`Error::Running`], [`Error::KeychainSetup`],
/// [`Error::Store`], [`Error::SecureBootKeys`].
pub fn add_tpm(vm: &mut Bundle, keychain: &dyn Keychain, options: &AddTpm) -> Result<TpmAdded> {
    let _lock = vm.lock()?;
    let name = vm.name().to_owned();
    if vm.config().firmware == Firmware::Bios {
        return Err(Error::LegacyBios { name });
    }
    for disk in &vm.config().disks {
        let path = vm.disk_path(disk);
        if fs::metadata(&path).is_ok_and(|found| found.file_type().is_block_device()) {
            return Err(Error::PhysicalDisk { name, disk: path });
        }
    }
    if vm.config().tpm.is_some() {
        return Err(Error::TpmExists { name });
    }
    vm.require_off("adding the TPM")?;
    let variables = options.keys.variables()?;
    let store = vm.path().join(STORE);
    if store.exists() {
        let why =
            format!("{} is already there, though the VM has no TPM; move it away first", store.display());
        return Err(Error::Store { name, why });
    }

    let uuid = vm.config().uuid;
    let setup = |why: String| Error::KeychainSetup { name: name.clone(), why };
    let record = Record::generate(uuid.as_bytes(), &host_name(), &name).map_err(|e| setup(e.to_string()))?;
    // The record first: a store whose password is nowhere must not exist, even after a crash here.
    keychain.insert_new(&record).map_err(|e| setup(e.to_string()))?;
    let mut undo = Undo { keychain, record: record.name, store: None, vars: None, armed: true };
    let mut create =
        CreateOptions::new(*uuid.as_bytes(), Key::Password(record.secret.clone()), record.key_id);
    create.algorithm = options.algorithm;
    let failed = |why: String| Error::Store { name: name.clone(), why };
    let mut made = Store::create(&store, &create).map_err(|e| failed(e.to_string()))?;
    undo.store = Some(store.clone());
    made.commit(options.state.expose()).map_err(|e| failed(e.to_string()))?;
    drop(made);
    let vars = vm.path().join(VARS);
    undo.vars = Some((vars.clone(), fs::read(&vars).map_err(|e| Error::io("read", &vars, e))?));
    replace_file(&vars, &variables, 0o600)?;
    let mut config = vm.config().clone();
    config.secure_boot = true;
    config.tpm = Some(Tpm {
        interface: options.interface,
        store: STORE.to_owned(),
        encrypted: true,
        profile: options.profile.clone(),
    });
    vm.set_config(config)?;
    undo.armed = false;
    Ok(TpmAdded { record: record.name.to_string(), keys: options.keys.clone(), store })
}

/// Takes back what was done when the rest fails.
struct Undo<'a> {
    keychain: &'a dyn Keychain,
    record: RecordName,
    store: Option<PathBuf>,
    vars: Option<(PathBuf, Vec<u8>)>,
    armed: bool,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        // The first failure is the one to report; an undo that fails as well leaves a file that the next try names.
        if let Some((path, bytes)) = &self.vars {
            let _ = replace_file(path, bytes, 0o600);
        }
        if let Some(store) = &self.store {
            let _ = fs::remove_file(store);
        }
        let _ = self.keychain.delete(&self.record);
    }
}

/// The key of a VM's store; `None` when the VM has no TPM.
pub(crate) fn key_for_start(vm: &Bundle, keychain: &dyn Keychain) -> Result<Option<StoreKey>> {
    let Some(path) = vm.store_path() else { return Ok(None) };
    let name = vm.name().to_owned();
    let refused = |why: String| Error::Store { name: name.clone(), why };
    let info = Store::peek(&path).map_err(|e| refused(e.to_string()))?;
    if !info.is_for_vm(vm.config().uuid.as_bytes()) {
        return Err(refused(format!("{} belongs to another VM; it was not touched", path.display())));
    }
    let record = RecordName::for_vm(vm.config().uuid.as_bytes());
    let found = keychain.get(&record);
    let encrypted = vm.config().tpm.as_ref().is_some_and(|tpm| tpm.encrypted);
    if info.is_unencrypted() {
        return match found {
            Err(KeychainError::NotFound { .. }) if !encrypted => Ok(Some(StoreKey::Unencrypted)),
            // Another TPM would otherwise take the place of the one that the guest's keys are in.
            _ => Err(refused(format!(
                "{} is not encrypted, and the VM's store was; it is another one and was not touched; put the VM's own \
                 store back",
                path.display()
            ))),
        };
    }
    let found = found.map_err(|e| match e {
        KeychainError::NotFound { .. } => {
            Error::KeychainRecordMissing { name: name.clone(), record: record.to_string() }
        }
        e => Error::Keychain { name: name.clone(), why: e.to_string() },
    })?;
    if !info.key_ids.contains(&found.key_id) {
        return Err(Error::KeychainRecordOther {
            name,
            record: record.to_string(),
            key_id: found.key_id.to_string(),
        });
    }
    Ok(Some(StoreKey::Password(Zeroizing::new(found.secret.expose().to_vec()))))
}

/// As records carry it, for people: where a record was made.
pub(crate) fn host_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}
