//! `vm clone`: a second VM like one there is, with a TPM of its own, with a copy of the other's, or with none.
use super::{
    IdentityError,
    hidden::{Building, Kind},
};
use crate::{
    backup::{find, volatile},
    bundle::{Bundle, CONFIG, Home, STORE, VARS},
    config::{self, Config, Disk, DiskFormat, Firmware},
    copy::{Progress, Source, Tally},
    crash,
    error::{Error, Result},
    files::require_one_file,
    host::Host,
    tpm::record_for,
};
use sigillo_keychain::{KeychainError, Record, RecordName, audit::Act};
use sigillo_messages::{Words, text, words};
use sigillo_store::{Algorithm, CreateOptions, Key, KeyId, RecoveryCode, Secret, Store};
use std::{
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// What becomes of the TPM.
#[derive(Clone, Debug)]
pub enum CloneTpm {
    /// A new one, as its process stores it: another identity. Where the other VM has none, it is not used.
    Replace {
        /// The new TPM.
        state: Secret,
        /// Its profile's name.
        profile: String,
    },
    /// The same one once more: what either is asked, both would answer.
    Copy,
    /// None.
    None,
}

/// How a VM is cloned.
#[derive(Clone, Debug)]
pub struct CloneVm {
    /// The new VM's name.
    pub name: String,
    /// What becomes of the TPM.
    pub tpm: CloneTpm,
    /// A recovery code for the new store.
    pub recovery_code: Option<RecoveryCode>,
}

/// What cloning did.
#[derive(Clone, Debug)]
pub struct Cloned {
    /// The new VM.
    pub vm: Bundle,
    /// Its keychain record, if it has a TPM.
    pub record: Option<String>,
    /// The recovery code's name in its store.
    pub recovery_key: Option<KeyId>,
    /// What of the other VM is not in it: snapshots, backups of the TPM, and what sigillo does not know.
    pub left_out: Vec<String>,
}

/// Makes a VM like one that is off, under a new UUID: whole, or not at all.
///
/// # Errors
/// A name that is taken or cannot be one, [`Error::Running`], [`IdentityError`], [`Error::KeychainSetup`], or what the system says.
pub fn clone_vm(
    home: &Home,
    vm: &mut Bundle,
    host: &Host<'_>,
    options: &CloneVm,
    progress: &mut Progress<'_>,
) -> Result<Cloned> {
    config::check_name(&options.name).map_err(Error::Name)?;
    let path = home.bundle_path(&options.name);
    if path.symlink_metadata().is_ok() {
        return Err(Error::Exists { path });
    }
    let _lock = vm.lock_as_it_is()?;
    require_quiet(vm, words!("doing-clone"))?;
    let parts = Parts::of(vm, words!("a-clone"))?;
    let tpm = vm.config().tpm.as_ref().filter(|_| !matches!(options.tpm, CloneTpm::None));
    if tpm.is_some() {
        // Whether new or copied, it is one TPM more on this host.
        host.policy.require_guest(&options.name, vm.config().guest)?;
    }
    // Before anything is copied, which may take long.
    let state = match (&options.tpm, tpm) {
        (_, None) | (CloneTpm::None, _) => None,
        (CloneTpm::Replace { state, .. }, Some(_)) => Some(state.clone()),
        (CloneTpm::Copy, Some(_)) => Some(state_of(vm, host)?),
    };
    let uuid = Uuid::new_v4();
    let kind = if state.is_some() { Kind::NewWithRecord } else { Kind::New };
    let building = Building::new(home.path(), &uuid, kind)?;
    let mut new =
        Config { uuid, name: options.name.clone(), tpm: None, removed_tpm: None, ..vm.config().clone() };
    // Two machines of one address would not both be heard.
    new.networks.iter_mut().for_each(|network| network.mac = None);
    new.disks = parts.copy(building.path(), progress)?;
    let mut made = None;
    if let (Some(state), Some(tpm)) = (state, tpm) {
        let record =
            record_for(&uuid, &options.name).map_err(|e| store_failed(options, e.code(), e.to_string()))?;
        let algorithm = vm.store_path().and_then(|path| Store::peek(&path).ok()).map(|info| info.algorithm);
        let algorithm = algorithm.unwrap_or(Algorithm::Aes128Gcm);
        let recovery_key = make_store(vm, host, options, building.path(), &record, algorithm, &state)?;
        let profile = match &options.tpm {
            CloneTpm::Replace { profile, .. } => Some(profile.clone()),
            CloneTpm::Copy | CloneTpm::None => tpm.profile.clone(),
        };
        new.tpm = Some(config::Tpm { store: STORE.to_owned(), encrypted: true, profile, ..tpm.clone() });
        made = Some((record, recovery_key));
    }
    new.write(&building.path().join(CONFIG))?;
    if let Some((record, _)) = &made {
        insert(host, options, record)?;
    }
    let left_out = parts.left_out;
    match building.publish(&path) {
        Ok(()) => {}
        Err(error) => {
            // The store that it opens is gone with what was built.
            if let Some((record, _)) = &made {
                take_back(host, record);
            }
            return Err(error);
        }
    }
    let (record, recovery_key) =
        made.map_or((None, None), |(record, key)| (Some(record.name.to_string()), key));
    Ok(Cloned { vm: home.open(&options.name)?, record, recovery_key, left_out })
}

fn store_failed(options: &CloneVm, code: &'static str, why: String) -> Error {
    Error::Store { name: options.name.clone(), code, why }
}

/// Requires a VM that is off, and did not leave half of itself in memory.
pub(super) fn require_quiet(vm: &Bundle, action: Words) -> Result<()> {
    vm.require_off(action)?;
    if vm.store_path().is_some_and(|store| volatile(&store).symlink_metadata().is_ok()) {
        return Err(IdentityError::Suspended { name: vm.name().to_owned(), action }.into());
    }
    Ok(())
}

/// The state of a VM's TPM, opened with its record.
fn state_of(vm: &Bundle, host: &Host<'_>) -> Result<Secret> {
    let failed = |code, why: String| Error::Store { name: vm.name().to_owned(), code, why };
    let Some(path) = vm.store_path() else { return Ok(Secret::from_slice(&[])) };
    let name = RecordName::for_vm(vm.config().uuid.as_bytes());
    let info = Store::peek(&path).map_err(|e| failed(e.code(), e.to_string()))?;
    if !info.is_for_vm(vm.config().uuid.as_bytes()) {
        return Err(IdentityError::ForeignStore { name: vm.name().to_owned(), store: path }.into());
    }
    let key = if info.is_unencrypted() {
        Key::None
    } else {
        let record = find(vm, host.keychain, &name)?.filter(|record| info.key_ids.contains(&record.key_id));
        let missing = || IdentityError::NoRecord { name: vm.name().to_owned(), record: name.to_string() };
        let record = record.ok_or_else(missing)?;
        let detail = format!("key {}, to copy the TPM of VM {:?}", record.key_id, vm.name());
        host.audit.record(Act::RecordRead, &name.to_string(), &detail)?;
        Key::Password(record.secret)
    };
    let store = Store::open(&path, &key).map_err(|e| failed(e.code(), e.to_string()))?;
    if store.state().is_empty() {
        return Err(failed("SIG_ERR_TPM_STORE", text!("store-holds-no-tpm", path = path.display())));
    }
    Ok(Secret::from_slice(store.state()))
}

/// Makes the new VM's store where the VM is built; the recovery code's name.
fn make_store(
    vm: &Bundle,
    host: &Host<'_>,
    options: &CloneVm,
    building: &Path,
    record: &Record,
    algorithm: Algorithm,
    state: &Secret,
) -> Result<Option<KeyId>> {
    let (act, what) = match options.tpm {
        CloneTpm::Copy => (Act::StoreCopied, "a copy of the TPM"),
        CloneTpm::Replace { .. } | CloneTpm::None => (Act::StoreCreated, "a new TPM beside the one"),
    };
    host.audit.record(
        act,
        &record.name.to_string(),
        &format!("{what} of VM {:?} for its clone {:?}, key {}", vm.name(), options.name, record.key_id),
    )?;
    let uuid = record.name.vm_uuid();
    let mut create = CreateOptions::new(*uuid, Key::Password(record.secret.clone()), record.key_id);
    create.algorithm = algorithm;
    let mut store = Store::create(&building.join(STORE), &create)
        .map_err(|e| store_failed(options, e.code(), e.to_string()))?;
    store.commit(state.expose()).map_err(|e| store_failed(options, e.code(), e.to_string()))?;
    let mut recovery_key = None;
    if let Some(code) = &options.recovery_code {
        let key_id = KeyId::random().map_err(|e| store_failed(options, e.code(), e.to_string()))?;
        host.audit.record(Act::KeyAdded, &record.name.to_string(), &format!("key {key_id}"))?;
        store
            .add_key(&Key::RecoveryCode(code.clone()), key_id)
            .map_err(|e| store_failed(options, e.code(), e.to_string()))?;
        recovery_key = Some(key_id);
    }
    host.anchors.accept(uuid, &store)?;
    host.anchors.set_current(uuid, &store.info().file_uuid)?;
    crash::point();
    Ok(recovery_key)
}

/// Keeps the record. From now on the hidden directory is what knows that nobody uses it yet.
fn insert(host: &Host<'_>, options: &CloneVm, record: &Record) -> Result<()> {
    let failed = |error: &KeychainError| Error::KeychainSetup {
        name: options.name.clone(),
        code: error.code(),
        why: error.to_string(),
    };
    host.audit.record(Act::RecordAdded, &record.name.to_string(), &format!("key {}", record.key_id))?;
    host.keychain.insert_new(record).map_err(|error| {
        if matches!(error, KeychainError::Unsure { .. }) {
            take_back(host, record);
        }
        failed(&error)
    })?;
    crash::point();
    Ok(())
}

/// Deletes a record whose store nobody used. The failure that led here is the one to report.
fn take_back(host: &Host<'_>, record: &Record) {
    if host.keychain.get(&record.name).is_ok_and(|there| there.key_id == record.key_id) {
        let _ =
            host.audit.record(Act::RecordDeleted, &record.name.to_string(), "of a clone that was not made");
        let _ = host.keychain.delete(&record.name, record.key_id);
    }
}

/// What of a bundle makes another VM like it.
pub(super) struct Parts {
    /// The disks, as the new VM names them.
    pub(super) disks: Vec<(Source, Disk)>,
    /// The firmware's variables.
    pub(super) vars: Option<Source>,
    /// Files and directories that are none of these.
    pub(super) left_out: Vec<String>,
}

impl Parts {
    /// Opens all of them, so that a bundle that is not whole is refused before anything is made.
    pub(super) fn of(vm: &Bundle, action: Words) -> Result<Self> {
        let not_whole = |path: &Path, e: &io::Error| {
            let what = format!("{}: {e}", path.display());
            Error::from(IdentityError::NotWhole { name: vm.name().to_owned(), what })
        };
        let mut disks = Vec::new();
        for (index, disk) in vm.config().disks.iter().enumerate() {
            let source = if disk.path.is_absolute() {
                let found = fs::metadata(&disk.path).map_err(|e| not_whole(&disk.path, &e))?;
                if found.file_type().is_block_device() {
                    let disk = disk.path.clone();
                    return Err(IdentityError::HostDisk { name: vm.name().to_owned(), disk, action }.into());
                }
                crate::files::open_plain(&disk.path).and_then(|file| Source::of(file, disk.path.clone()))
            } else {
                Source::beneath(vm.path(), &disk.path)
            };
            let source = source.map_err(|e| not_whole(&disk.path, &e))?;
            let ending = match disk.format {
                DiskFormat::Raw => "img",
                DiskFormat::Qcow2 => {
                    require_one_file(&source.path)
                        .map_err(|e| Error::io(words!("do-use"), &source.path, e))?;
                    "qcow2"
                }
            };
            let path = PathBuf::from(format!("disk{index}.{ending}"));
            disks.push((source, Disk { path, ..disk.clone() }));
        }
        let vars = match vm.config().firmware {
            Firmware::Uefi => {
                let path = Path::new(VARS);
                Some(Source::beneath(vm.path(), path).map_err(|e| not_whole(path, &e))?)
            }
            Firmware::Bios => None,
        };
        Ok(Self { disks, vars, left_out: left_out(vm)? })
    }

    fn copy(&self, to: &Path, progress: &mut Progress<'_>) -> Result<Vec<Disk>> {
        let all = self.disks.iter().map(|(source, _)| source).chain(&self.vars);
        let mut tally = Tally::new(all.map(|source| source.len).sum(), progress);
        if let Some(vars) = &self.vars {
            vars.copy_to(&to.join(VARS), &mut |octets| tally.add(octets))?;
        }
        for (source, disk) in &self.disks {
            source.copy_to(&to.join(&disk.path), &mut |octets| tally.add(octets))?;
            crash::point();
        }
        Ok(self.disks.iter().map(|(_, disk)| disk.clone()).collect())
    }
}

/// What else lies in a bundle: not what only means something while the VM runs, nor the store, which each verb sees to.
fn left_out(vm: &Bundle) -> Result<Vec<String>> {
    let in_use = vm.store_path();
    let mut names = Vec::new();
    for entry in fs::read_dir(vm.path()).map_err(|e| Error::io(words!("do-read"), vm.path(), e))? {
        let entry = entry.map_err(|e| Error::io(words!("do-read"), vm.path(), e))?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_disk = vm.config().disks.iter().any(|disk| vm.disk_path(disk) == path);
        let known = [CONFIG, VARS, "run"].contains(&name.as_str()) || in_use.as_ref() == Some(&path);
        if !(known || is_disk || name.starts_with('.')) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
