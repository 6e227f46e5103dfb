//! Giving a VM its TPM.
use crate::{
    availability, backup,
    bundle::{Bundle, STORE, VARS},
    config::{Config, Firmware, Interface, Tpm},
    crash,
    error::{Error, Result},
    files::replace_file,
    firmware::Keys,
    host::Host,
    image::is_block_device,
    plan::Plan,
};
use sigillo_keychain::{Keychain, KeychainError, Record, RecordName, audit::Act};
use sigillo_messages::words;
use sigillo_store::{Algorithm, EntropyError, KeyId, Secret};
use std::{fs, path::PathBuf};
use uuid::Uuid;

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

/// The name of a VM's record in a keychain.
#[must_use]
pub fn record_name(uuid: &Uuid) -> String {
    RecordName::for_vm(uuid.as_bytes()).to_string()
}

/// Adds a TPM to a VM that is off: Secure Boot firmware with enrolled keys, a keychain record, an encrypted store. All or
/// nothing; interrupted by a crash, the same command goes on.
///
/// # Errors
/// [`Error::LegacyBios`], [`Error::PhysicalDisk`], [`Error::TpmExists`], [`Error::TpmPolicy`], [`Error::TpmUnavailable`],
/// [`Error::Running`], [`Error::KeychainSetup`], [`Error::Store`], [`Error::SecureBootKeys`].
pub fn add_tpm(vm: &mut Bundle, host: &Host<'_>, options: &AddTpm) -> Result<TpmAdded> {
    let _lock = vm.lock_as_it_is()?;
    let name = vm.name().to_owned();
    require_possible(vm, host)?;
    vm.require_off(words!("doing-tpm-addition"))?;
    require_kind(&name, host, options.profile.as_deref(), options.algorithm)?;
    let variables = options.keys.variables()?;
    let store = vm.path().join(STORE);
    let setup = |code, why: String| Error::KeychainSetup { name: name.clone(), code, why };
    let from_keychain = |e: KeychainError| setup(e.code(), e.to_string());

    // A record without a TPM is what an interrupted command left, or a TPM that was taken out by hand: its password is good for
    // another store, and whoever still has the old one keeps its key.
    let record_name = RecordName::for_vm(vm.config().uuid.as_bytes());
    let (record, is_new) = match host.keychain.get(&record_name) {
        Ok(record) => (record, false),
        Err(KeychainError::NotFound(_)) => {
            (new_record(vm).map_err(|e| setup(e.code(), e.to_string()))?, true)
        }
        Err(e) => return Err(from_keychain(e)),
    };
    host.audit.record(
        Act::StoreCreated,
        &store.display().to_string(),
        &format!("the TPM of VM {name:?}, key {}", record.key_id),
    )?;
    let mut undo = Undo { keychain: host.keychain, record: None, store: None, vars: None, armed: true };
    undo.store = Some(backup::next_path(&store));
    let info = backup::make_next(vm, host, &record, &store, options.algorithm, &options.state)?;
    crash::point();
    if is_new {
        host.audit.record(Act::RecordAdded, &record.name.to_string(), &format!("key {}", record.key_id))?;
        host.keychain.insert_new(&record).map_err(from_keychain)?;
        undo.record = Some((record.name, record.key_id));
    }
    crash::point();
    if store.symlink_metadata().is_ok() {
        // Of an interrupted command, or of a TPM that was taken out: it may hold a guest's keys.
        backup::set_aside(vm, host, &store)?;
    }
    let vars = vm.path().join(VARS);
    undo.vars = Some((vars.clone(), fs::read(&vars).map_err(|e| Error::io(words!("do-read"), &vars, e))?));
    replace_file(&vars, &variables, 0o600)?;
    crash::point();
    backup::publish_next(vm, host, &store, &info)?;
    undo.store = Some(store.clone());
    crash::point();
    let mut config = vm.config().clone();
    config.secure_boot = true;
    config.removed_tpm = None;
    config.tpm = Some(Tpm {
        interface: options.interface,
        store: STORE.to_owned(),
        encrypted: true,
        profile: options.profile.clone(),
        when_record_missing: None,
        when_rolled_back: None,
    });
    vm.set_config(config)?;
    undo.armed = false;
    Ok(TpmAdded { record: record.name.to_string(), keys: options.keys.clone(), store })
}

/// Requires that a VM can have a TPM, and has none.
pub(crate) fn require_possible(vm: &Bundle, host: &Host<'_>) -> Result<()> {
    require_fit(vm.config(), physical_disk(vm))?;
    let name = vm.name().to_owned();
    if vm.config().tpm.is_some() {
        return Err(Error::TpmExists { name });
    }
    host.policy.require_guest(&name, vm.config().guest)
}

/// Requires of what a VM is made of that a TPM can be in it.
fn require_fit(config: &Config, physical: Option<PathBuf>) -> Result<()> {
    let name = config.name.clone();
    if config.firmware == Firmware::Bios {
        return Err(Error::LegacyBios { name });
    }
    physical.map_or(Ok(()), |disk| Err(Error::PhysicalDisk { name, disk }))
}

/// Requires that a TPM of this kind is what the host's administrator wants, and that the QEMU here reaches one.
fn require_kind(name: &str, host: &Host<'_>, profile: Option<&str>, algorithm: Algorithm) -> Result<()> {
    host.policy.require_kind(name, profile, algorithm)?;
    match availability::no_emulator() {
        Some(why) => Err(Error::TpmUnavailable { name: name.to_owned(), why }),
        None => Ok(()),
    }
}

/// Requires, before the VM of a plan is made and its disks are copied, that it can get the TPM that the plan gives it: all that
/// [`add_tpm`] would find out later, but for what changes until then.
///
/// # Errors
/// [`Error::LegacyBios`], [`Error::PhysicalDisk`], [`Error::TpmPolicy`], [`Error::TpmUnavailable`], [`Error::SecureBootKeys`],
/// [`Error::KeychainSetup`].
pub fn require_addable(
    plan: &Plan,
    host: &Host<'_>,
    profile: Option<&str>,
    algorithm: Algorithm,
) -> Result<()> {
    let config = plan.config();
    require_fit(config, plan.physical_disk())?;
    host.policy.require_guest(&config.name, config.guest)?;
    require_kind(&config.name, host, profile, algorithm)?;
    plan.keys().variables()?;
    match host.keychain.get(&RecordName::for_vm(config.uuid.as_bytes())) {
        Ok(_) | Err(KeychainError::NotFound(_)) => Ok(()),
        Err(e) => Err(Error::KeychainSetup { name: config.name.clone(), code: e.code(), why: e.to_string() }),
    }
}

/// A disk of the host that the VM uses.
pub(crate) fn physical_disk(vm: &Bundle) -> Option<PathBuf> {
    vm.config().disks.iter().map(|disk| vm.disk_path(disk)).find(|path| is_block_device(path))
}

/// A record with a new password for a VM.
pub(crate) fn new_record(vm: &Bundle) -> std::result::Result<Record, EntropyError> {
    record_for(&vm.config().uuid, vm.name())
}

/// A record with a new password for a VM of that UUID and name.
pub(crate) fn record_for(uuid: &Uuid, name: &str) -> std::result::Result<Record, EntropyError> {
    Record::generate(uuid.as_bytes(), &host_name(), name)
}

/// Takes back what was done when the rest fails. After a crash the same command goes on from what is there.
struct Undo<'a> {
    keychain: &'a dyn Keychain,
    record: Option<(RecordName, KeyId)>,
    store: Option<PathBuf>,
    vars: Option<(PathBuf, Vec<u8>)>,
    armed: bool,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        // A fall over a bug of ours is like a crash: what is there is left for the next try.
        if !self.armed || std::thread::panicking() {
            return;
        }
        // The first failure is the one to report; what an undo that fails as well leaves is what a crash leaves.
        if let Some((path, bytes)) = &self.vars {
            let _ = replace_file(path, bytes, 0o600);
        }
        if let Some(store) = &self.store {
            let _ = fs::remove_file(store);
        }
        if let Some((name, key_id)) = &self.record {
            let _ = self.keychain.delete(name, *key_id);
        }
    }
}

/// As records carry it, for people: where a record was made.
pub(crate) fn host_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}
