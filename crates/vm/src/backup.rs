//! Stores beside the one in use: the next one, which is not in use yet, and backups, which are never deleted here.
//!
//! Each step leaves names from which a later command can tell where the one before was interrupted:
//!
//! | the store | `.STORE.next` | the record opens | interrupted |
//! |---|---|---|---|
//! | there | there | nothing, or the store | before the new record: the next one is nobody's and is made anew |
//! | there | there | the next one | before the store was set aside |
//! | missing | there | the next one | before the next one got the store's name |
use crate::{
    bundle::{Bundle, STORE},
    copy::copy_new,
    crash,
    error::{Error, Result},
    files::{remove, sync_dir},
    host::Host,
    identity::{forget_kept, kept_stores},
    removal,
};
use rustix::{fs::RenameFlags, io::Errno};
use sigillo_keychain::{Keychain, KeychainError, Record, RecordName, audit::Act, date};
use sigillo_messages::{text, words};
use sigillo_store::{Algorithm, CreateOptions, Key, KeyId, OpenError, Secret, Store, StoreInfo, now_unix_s};
use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

pub(crate) const BACKUP: &str = ".backup-";
/// Of this many backups in one second under one key the next is refused.
const MOST_IN_A_SECOND: u32 = 100;

/// A store that was set aside.
#[derive(Clone, Debug)]
pub struct Backup {
    /// Its file name in the bundle.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// What its header says; `None` if it cannot be read.
    pub info: Option<StoreInfo>,
    /// The key id of a record in the keychain that opens it.
    pub record: Option<KeyId>,
}

/// What restoring a backup did.
#[derive(Clone, Debug)]
pub struct RestoredBackup {
    /// The VM's store now.
    pub store: PathBuf,
    /// The backup's old name.
    pub backup: String,
    /// The store that was in use, as a backup.
    pub set_aside: Option<PathBuf>,
}

/// The name of a record that belongs to one store of a VM rather than to the VM: it stays when the VM's own record becomes
/// another store's.
pub(crate) fn parked_name(info: &StoreInfo) -> RecordName {
    RecordName::for_vm(&info.file_uuid)
}

/// A record, if there is one.
pub(crate) fn find(vm: &Bundle, keychain: &dyn Keychain, name: &RecordName) -> Result<Option<Record>> {
    match keychain.get(name) {
        Ok(record) => Ok(Some(record)),
        Err(KeychainError::NotFound(_)) => Ok(None),
        Err(error) => Err(keychain_error(vm, &error)),
    }
}

pub(crate) fn keychain_error(vm: &Bundle, error: &KeychainError) -> Error {
    Error::Keychain { name: vm.name().to_owned(), code: error.code(), why: error.to_string() }
}

fn store_error(vm: &Bundle, error: &OpenError) -> Error {
    Error::Store { name: vm.name().to_owned(), code: error.code(), why: error.to_string() }
}

/// What a store's header says; `None` if there is no file.
pub(crate) fn peek(vm: &Bundle, path: &Path) -> Result<Option<StoreInfo>> {
    match Store::peek(path) {
        Ok(info) => Ok(Some(info)),
        Err(OpenError::NotFound) => Ok(None),
        Err(error) => Err(store_error(vm, &error)),
    }
}

/// Where a store is made before it is in use.
pub(crate) fn next_path(store: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(store.file_name().unwrap_or_default());
    name.push(".next");
    store.with_file_name(name)
}

/// Makes the next store, whole, under a record's password. One that an interrupted command left is nobody's and goes.
pub(crate) fn make_next(
    vm: &Bundle,
    host: &Host<'_>,
    record: &Record,
    path: &Path,
    algorithm: Algorithm,
    state: &Secret,
) -> Result<StoreInfo> {
    let failed = |code, why: String| Error::Store { name: vm.name().to_owned(), code, why };
    let next = next_path(path);
    remove(&next)?;
    let uuid = *vm.config().uuid.as_bytes();
    let mut create = CreateOptions::new(uuid, Key::Password(record.secret.clone()), record.key_id);
    create.algorithm = algorithm;
    let mut store = Store::create(&next, &create).map_err(|e| failed(e.code(), e.to_string()))?;
    store.commit(state.expose()).map_err(|e| failed(e.code(), e.to_string()))?;
    host.anchors.accept(&uuid, &store)?;
    Ok(store.info())
}

/// The next store, if this record opens it: then only names are missing to what was interrupted.
pub(crate) fn next_of(vm: &Bundle, path: &Path, record: &Record) -> Option<StoreInfo> {
    let next = next_path(path);
    let info = Store::peek(&next).ok().filter(|info| info.is_for_vm(vm.config().uuid.as_bytes()))?;
    if !info.key_ids.contains(&record.key_id) {
        return None;
    }
    // The header alone proves nothing.
    let store = Store::open(&next, &Key::Password(record.secret.clone())).ok()?;
    (!store.state().is_empty()).then_some(info)
}

/// Gives the next store the name of the VM's store, which must be free.
pub(crate) fn publish_next(vm: &Bundle, host: &Host<'_>, path: &Path, info: &StoreInfo) -> Result<()> {
    // Before the name: a crash in between leaves a store that is missing, which the next start finishes.
    host.anchors.set_current(vm.config().uuid.as_bytes(), &info.file_uuid)?;
    crash::point();
    move_new(&next_path(path), path)
}

/// Renames a store as a backup that knows its key.
pub(crate) fn set_aside(vm: &Bundle, host: &Host<'_>, path: &Path) -> Result<PathBuf> {
    let key = match Store::peek(path).map(|info| info.key_ids.first().copied()) {
        Ok(Some(key_id)) => key_id.to_string(),
        Ok(None) => "unencrypted".to_owned(),
        Err(_) => "damaged".to_owned(),
    };
    let date = date(now_unix_s()).replace(':', "");
    for number in 1..=MOST_IN_A_SECOND {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!("{BACKUP}{date}-{key}"));
        if number > 1 {
            name.push(format!("-{number}"));
        }
        let backup = path.with_file_name(name);
        if backup.symlink_metadata().is_ok() {
            continue;
        }
        host.audit.record(
            Act::BackupMade,
            &backup.display().to_string(),
            &format!("the TPM store of VM {:?}", vm.name()),
        )?;
        move_new(path, &backup)?;
        return Ok(backup);
    }
    Err(Error::io(words!("do-set-aside"), path, io::ErrorKind::AlreadyExists.into()))
}

/// Renames a store, and the volatile state kept beside it, to a name that is free. Durable on return.
fn move_new(from: &Path, to: &Path) -> Result<()> {
    let rename = |from: &Path, to: &Path| {
        rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, RenameFlags::NOREPLACE)
    };
    rename(from, to).map_err(|e| Error::io(words!("do-rename"), from, e.into()))?;
    crash::point();
    match rename(&volatile(from), &volatile(to)) {
        // It belongs to one state of one TPM, which checks that; without it the TPM starts as after a power cut.
        Ok(()) | Err(Errno::NOENT | Errno::EXIST) => {}
        Err(e) => return Err(Error::io(words!("do-rename"), &volatile(from), e.into())),
    }
    to.parent().map_or(Ok(()), sync_dir)
}

pub(crate) fn volatile(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".volatile");
    PathBuf::from(name)
}

/// Where a VM's store is, or was before its TPM was removed.
pub(crate) fn store_of(vm: &Bundle) -> PathBuf {
    let tpm = vm.config().tpm.as_ref().or(vm.config().removed_tpm.as_ref());
    vm.path().join(tpm.map_or(STORE, |tpm| tpm.store.as_str()))
}

/// The backups of a VM's store, by name: those in its bundle, and those kept of deleted VMs of its UUID.
///
/// # Errors
/// The bundle or the keychain cannot be read.
pub fn backups(vm: &Bundle, keychain: &dyn Keychain) -> Result<Vec<Backup>> {
    let store = store_of(vm);
    let mut prefix = store.file_name().unwrap_or_default().to_owned();
    prefix.push(BACKUP);
    let mut all = Vec::new();
    let entries = fs::read_dir(vm.path()).map_err(|e| Error::io(words!("do-read"), vm.path(), e))?;
    for entry in entries {
        let path = entry.map_err(|e| Error::io(words!("do-read"), vm.path(), e))?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default().to_owned();
        if !name.starts_with(&*prefix.to_string_lossy()) || name.ends_with(".volatile") {
            continue;
        }
        all.push(described(vm, keychain, name, path)?);
    }
    for (name, path) in kept_stores(vm) {
        all.push(described(vm, keychain, name, path)?);
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// A store as a backup, with the record that opens it.
pub(crate) fn described(vm: &Bundle, keychain: &dyn Keychain, name: String, path: PathBuf) -> Result<Backup> {
    let info = Store::peek(&path).ok();
    let mut record = None;
    if let Some(info) = &info {
        for of in [RecordName::for_vm(vm.config().uuid.as_bytes()), parked_name(info)] {
            let found = find(vm, keychain, &of)?.map(|record| record.key_id);
            record = record.or(found.filter(|key_id| info.key_ids.contains(key_id)));
        }
    }
    Ok(Backup { name, path, info, record })
}

/// Makes a backup the VM's store again, and the store in use a backup; nothing is deleted, and a crash at any point leaves what
/// the same command brings to its end. `which` is a backup's name, its key id, or the beginning of one; `None` takes the only one
/// that has its record here.
///
/// # Errors
/// [`Error::Backup`] where none or more than one fits, [`Error::BackupRecord`] without its record, [`Error::Running`], or
/// [`Error::Store`] if the backup does not open. A VM whose TPM was removed has one again: `vm` is as it was, so it has to be loaded
/// anew.
pub fn restore_backup(vm: &Bundle, host: &Host<'_>, which: Option<&str>) -> Result<RestoredBackup> {
    let _lock = vm.lock()?;
    vm.require_off(words!("doing-restore"))?;
    let mut vm = Bundle::load(vm.path())?;
    if vm.config().tpm.is_none() {
        removal::finish(&vm, host)?;
    }
    let store = store_of(&vm);
    let backup = choose(&vm, backups(&vm, host.keychain)?, which)?;
    let record = record_of(&vm, host, &backup)?;
    let info = opened(&vm, &backup, &record)?;
    let kept = backup.path.parent().filter(|dir| *dir != vm.path()).map(Path::to_owned);
    let backup = adopt(&store, backup)?;
    let in_use = Store::peek(&store);
    let name = RecordName::for_vm(vm.config().uuid.as_bytes());
    host.audit.record(
        Act::BackupRestored,
        &backup.path.display().to_string(),
        &format!("it becomes the TPM store of VM {:?}", vm.name()),
    )?;
    removal::undo(&mut vm)?;
    make_own(&vm, host, &name, &record, in_use.as_ref().ok())?;
    crash::point();
    host.anchors.set_current(vm.config().uuid.as_bytes(), &info.file_uuid)?;
    let set_aside_as = match in_use {
        Err(OpenError::NotFound) => {
            move_new(&backup.path, &store)?;
            None
        }
        _ => {
            let aside = set_aside(&vm, host, &store)?;
            move_new(&backup.path, &store)?;
            Some(aside)
        }
    };
    if let Some(kept) = kept {
        forget_kept(&kept)?;
    }
    Ok(RestoredBackup { store, backup: backup.name, set_aside: set_aside_as })
}

/// Takes a store that was kept of a deleted VM into the bundle, as a backup.
fn adopt(store: &Path, backup: Backup) -> Result<Backup> {
    if backup.path.parent() == store.parent() {
        return Ok(backup);
    }
    let key = backup.info.as_ref().and_then(|info| info.key_ids.first()).map(KeyId::to_string);
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(format!("{BACKUP}kept-{}", key.unwrap_or_default()));
    let path = store.with_file_name(name);
    match move_new(&backup.path, &path) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::CrossesDevices => {
            copy_new(&backup.path, &path)?;
            remove(&backup.path)?;
        }
        other => other?,
    }
    Ok(Backup { path, ..backup })
}

fn choose(vm: &Bundle, all: Vec<Backup>, which: Option<&str>) -> Result<Backup> {
    let names = |found: &[Backup]| found.iter().map(|b| b.name.clone()).collect::<Vec<_>>().join(", ");
    let fail = |why: String| Error::Backup { name: vm.name().to_owned(), why };
    if all.is_empty() {
        return Err(fail(text!("backup-none")));
    }
    let listed = names(&all);
    let mut fitting: Vec<Backup> = match which {
        Some(which) => {
            let by_key = |b: &Backup| {
                b.info.as_ref().is_some_and(|i| i.key_ids.iter().any(|id| id.to_string().starts_with(which)))
            };
            all.into_iter().filter(|b| b.name.starts_with(which) || by_key(b)).collect()
        }
        None => {
            let ids = either(all.iter().filter_map(|b| b.info.as_ref()?.key_ids.first()));
            let with_record: Vec<Backup> = all.into_iter().filter(|b| b.record.is_some()).collect();
            if with_record.is_empty() {
                return Err(Error::BackupRecord { name: vm.name().to_owned(), key_ids: ids });
            }
            with_record
        }
    };
    match (fitting.pop(), fitting.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(fail(text!("backup-no-such", listed))),
        (Some(_), false) => Err(fail(text!("backup-several", listed))),
    }
}

/// Key ids as a choice.
pub(crate) fn either<'a>(ids: impl Iterator<Item = &'a KeyId>) -> String {
    ids.map(KeyId::to_string).reduce(|first, second| text!("either", first, second)).unwrap_or_default()
}

fn record_of(vm: &Bundle, host: &Host<'_>, backup: &Backup) -> Result<Record> {
    let damaged = || Error::Store {
        name: vm.name().to_owned(),
        code: "SIG_ERR_STORE_DAMAGED",
        why: text!("backup-unreadable", backup = backup.name),
    };
    let info = backup.info.as_ref().ok_or_else(damaged)?;
    for name in [RecordName::for_vm(vm.config().uuid.as_bytes()), parked_name(info)] {
        if let Some(record) = find(vm, host.keychain, &name)?
            && info.key_ids.contains(&record.key_id)
        {
            return Ok(record);
        }
    }
    let key_ids = either(info.key_ids.iter());
    Err(Error::BackupRecord { name: vm.name().to_owned(), key_ids })
}

/// Requires that the backup is this VM's, opens, and holds a TPM.
fn opened(vm: &Bundle, backup: &Backup, record: &Record) -> Result<StoreInfo> {
    let store = Store::open(&backup.path, &Key::Password(record.secret.clone()))
        .map_err(|error| store_error(vm, &error))?;
    if !store.info().is_for_vm(vm.config().uuid.as_bytes()) || store.state().is_empty() {
        let why = text!("backup-foreign", backup = backup.name);
        return Err(Error::Store { name: vm.name().to_owned(), code: "SIG_ERR_TPM_STORE", why });
    }
    Ok(store.info())
}

/// Makes a record the VM's own. The one that was it stays, under the name of the store it opens.
pub(crate) fn make_own(
    vm: &Bundle,
    host: &Host<'_>,
    name: &RecordName,
    record: &Record,
    in_use: Option<&StoreInfo>,
) -> Result<()> {
    let failed = |error| keychain_error(vm, &error);
    let own = Record { name: *name, ..record.clone() };
    let Some(was) = find(vm, host.keychain, name)? else {
        host.audit.record(Act::RecordAdded, &name.to_string(), &format!("key {}", record.key_id))?;
        return host.keychain.insert_new(&own).map_err(failed);
    };
    if was.key_id == record.key_id {
        return Ok(());
    }
    if let Some(info) = in_use
        && info.key_ids.contains(&was.key_id)
    {
        park(vm, host, &was, info)?;
    }
    host.audit.record(
        Act::RecordReplaced,
        &name.to_string(),
        &format!("key {} in place of {}", record.key_id, was.key_id),
    )?;
    host.keychain.replace(was.key_id, &own).map_err(failed)
}

/// Keeps a record under the name of the store it opens as well.
pub(crate) fn park(vm: &Bundle, host: &Host<'_>, record: &Record, info: &StoreInfo) -> Result<()> {
    let name = parked_name(info);
    let failed = |error| keychain_error(vm, &error);
    let comment = format!("of one of the TPM stores of VM {:?}", vm.name());
    let parked = Record { name, comment, ..record.clone() };
    match find(vm, host.keychain, &name)? {
        Some(there) if there.key_id == record.key_id => Ok(()),
        Some(there) => host.keychain.replace(there.key_id, &parked).map_err(failed),
        None => host.keychain.insert_new(&parked).map_err(failed),
    }
}
