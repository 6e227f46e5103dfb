//! Hidden entries of a home: what is being made, and what is going. Whatever ends a command, the next one can tell from the name
//! what is to become of them.
//!
//! | name | it is | the next command |
//! |---|---|---|
//! | `.UUID.making` | a VM being made | removes it |
//! | `.UUID.making-with-record` | the same, with a keychain record made for it | removes both |
//! | `.UUID.gone` | a VM, or a copy of one, that is not wanted any more, or a link to it | removes it |
//! | `.UUID.gone-with-record` | the same, deleted with its TPM | removes both |
//!
//! Whoever works on one holds its lock, as of a VM; nothing that is locked is touched.
use super::delete::kept_of;
use crate::{
    backup::parked_name,
    bundle::{Bundle, CONFIG, Home, STORE, lock_dir},
    config::Config,
    crash,
    error::{Error, Result},
    files::{is_own_dir, make_dirs, new_file, read_plain, remove, sync_dir},
    host::Host,
};
use rustix::{
    fs::{CWD, FlockOperation, RenameFlags},
    io::Errno,
};
use sigillo_keychain::{KeychainError, RecordName, audit::Act};
use sigillo_messages::{text, words};
use sigillo_store::{Key, Store};
use std::{
    ffi::OsStr,
    fmt,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// In a copy outside of the home that is not whole yet: whose it is.
const UNFINISHED: &str = ".unfinished";

/// What is to become of a hidden entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Being made.
    New,
    /// Being made, and a record was made for it.
    NewWithRecord,
    /// Going.
    Gone,
    /// Going with its record.
    GoneWithRecord,
}

impl Kind {
    const ALL: [Self; 4] = [Self::New, Self::NewWithRecord, Self::Gone, Self::GoneWithRecord];

    fn suffix(self) -> &'static str {
        match self {
            Self::New => "making",
            Self::NewWithRecord => "making-with-record",
            Self::Gone => "gone",
            Self::GoneWithRecord => "gone-with-record",
        }
    }

    fn with_record(self) -> bool {
        matches!(self, Self::NewWithRecord | Self::GoneWithRecord)
    }

    pub(crate) fn entry(self, home: &Path, uuid: &Uuid) -> PathBuf {
        home.join(format!(".{uuid}.{}", self.suffix()))
    }

    /// The VM and the kind that a name in a home stands for.
    pub(crate) fn of(name: &OsStr) -> Option<(Uuid, Self)> {
        let (uuid, suffix) = name.to_str()?.strip_prefix('.')?.split_once('.')?;
        let kind = Self::ALL.into_iter().find(|kind| kind.suffix() == suffix)?;
        Some((Uuid::parse_str(uuid).ok()?, kind))
    }
}

/// A directory in which a VM is made. Removed with all that is in it unless it is published.
#[derive(Debug)]
pub(crate) struct Building {
    path: PathBuf,
    lock: File,
    published: bool,
}

impl Building {
    /// Makes it, and takes its lock.
    pub(crate) fn new(home: &Path, uuid: &Uuid, kind: Kind) -> Result<Self> {
        make_dirs(home, 0o700)?;
        Self::at(kind.entry(home, uuid))
    }

    /// At a path that is free.
    pub(super) fn at(path: PathBuf) -> Result<Self> {
        rustix::fs::mkdir(&path, rustix::fs::Mode::RWXU)
            .map_err(|e| Error::io(words!("do-make"), &path, e.into()))?;
        match lock_dir(&path) {
            Ok(lock) => Ok(Self { path, lock, published: false }),
            // Somebody took it for a leftover in the moment before it was locked.
            Err(e) => Err(Error::io(words!("do-lock"), &path, e)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, which must be free, durably.
    pub(crate) fn publish(mut self, path: &Path) -> Result<()> {
        sync_dir(&self.path)?;
        crash::point();
        rustix::fs::renameat_with(CWD, &self.path, CWD, path, RenameFlags::NOREPLACE).map_err(
            |e| match e {
                Errno::EXIST => Error::Exists { path: path.to_owned() },
                e => Error::io(words!("do-make"), path, e.into()),
            },
        )?;
        self.published = true;
        crash::point();
        path.parent().map_or(Ok(()), sync_dir)
    }

    /// It has become what it was made for by other means.
    pub(super) fn keep(mut self) {
        self.published = true;
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        // A fall over a bug of ours is like a crash: the next command clears up.
        if !self.published && !std::thread::panicking() {
            // The failure that led here is the one to report.
            let _ = fs::remove_dir_all(&self.path);
        }
        // As for a VM's lock.
        let _ = rustix::fs::flock(&self.lock, FlockOperation::Unlock);
    }
}

/// What was found of an interrupted command, and what was done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Swept {
    /// It is gone.
    Removed {
        /// The hidden entry.
        path: PathBuf,
        /// Records that only it needed, and that are gone as well.
        records: Vec<String>,
    },
    /// It could not be cleared away.
    Left {
        /// The hidden entry.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed { path, records } => {
                f.write_str(&text!("swept-removed", path = path.display()))?;
                records.iter().try_for_each(|record| write!(f, "; {}", text!("swept-record", record)))
            }
            Self::Left { path, why } => {
                write!(f, "{}", text!("swept-left", path = path.display(), why))
            }
        }
    }
}

impl Home {
    /// Clears away what interrupted commands left in this home. A record goes only with the store that it opens, which nobody ever used
    /// or which was deleted with its TPM.
    #[must_use]
    pub fn sweep(&self, host: &Host<'_>) -> Vec<Swept> {
        let Ok(entries) = fs::read_dir(self.path()) else { return Vec::new() };
        let mut swept = Vec::new();
        for entry in entries.flatten() {
            let Some((uuid, kind)) = Kind::of(&entry.file_name()) else { continue };
            let path = entry.path();
            match self.clear(&path, &uuid, kind, host) {
                Ok(Some(records)) => swept.push(Swept::Removed { path, records }),
                Ok(None) => {}
                Err(error) => swept.push(Swept::Left { path, why: error.to_string() }),
            }
        }
        swept
    }

    /// Removes what a hidden entry is, or is a link to. `None`: somebody works on it.
    pub(super) fn clear(
        &self,
        entry: &Path,
        uuid: &Uuid,
        kind: Kind,
        host: &Host<'_>,
    ) -> Result<Option<Vec<String>>> {
        let linked = match fs::read_link(entry) {
            Ok(to) => Some(to),
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => None,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(words!("do-read"), entry, e)),
        };
        let Some(target) = linked else {
            let Ok(_lock) = lock_dir(entry) else { return Ok(None) };
            return self.drop_dir(entry, uuid, kind, host).map(Some);
        };
        match is_own_dir(&target) {
            Ok(true) => {
                let Ok(_lock) = lock_dir(&target) else { return Ok(None) };
                require_of(&target, uuid)?;
                let records = self.drop_dir(&target, uuid, kind, host)?;
                remove(entry)?;
                Ok(Some(records))
            }
            Ok(false) => {
                let why = text!("it-dir-not-own");
                Err(Error::io(words!("do-remove"), &target, io::Error::new(io::ErrorKind::InvalidInput, why)))
            }
            // Its directory is there, so the file system is: it is gone.
            Err(e) if e.kind() == io::ErrorKind::NotFound && target.parent().is_some_and(Path::is_dir) => {
                remove(entry)?;
                Ok(Some(Vec::new()))
            }
            Err(e) => Err(Error::io(words!("do-remove"), &target, e)),
        }
    }

    fn drop_dir(&self, dir: &Path, uuid: &Uuid, kind: Kind, host: &Host<'_>) -> Result<Vec<String>> {
        let mut records = Vec::new();
        if kind.with_record() {
            let others = self.list()?.into_iter().filter_map(|(_, bundle)| bundle.ok());
            let needed = others.map(|bundle| bundle.config().uuid).any(|other| other == *uuid)
                || kept_of(self.path(), uuid).iter().any(|kept| kept != dir);
            if !needed {
                records = forget_records(dir, uuid, host)?;
            }
        }
        crash::point();
        remove_bundle(dir)?;
        Ok(records)
    }

    /// Takes a VM out of sight and removes it. Once this has begun, the next command goes on with it.
    pub(super) fn doom(&self, vm: &Bundle, with_record: bool, host: &Host<'_>) -> Result<Vec<String>> {
        let uuid = vm.config().uuid;
        let kind = if with_record { Kind::GoneWithRecord } else { Kind::Gone };
        make_dirs(self.path(), 0o700)?;
        let entry = kind.entry(self.path(), &uuid);
        if self.holds(vm) {
            rustix::fs::renameat_with(CWD, vm.path(), CWD, &entry, RenameFlags::NOREPLACE)
                .map_err(|e| Error::io(words!("do-move"), vm.path(), e.into()))?;
        } else {
            symlink(vm.path(), &entry).map_err(|e| Error::io(words!("do-make"), &entry, e))?;
        }
        sync_dir(self.path())?;
        crash::point();
        self.clear_held(&entry, &uuid, kind, host)
    }

    /// As [`Home::clear`], for who holds the lock.
    pub(super) fn clear_held(
        &self,
        entry: &Path,
        uuid: &Uuid,
        kind: Kind,
        host: &Host<'_>,
    ) -> Result<Vec<String>> {
        let target = fs::read_link(entry).unwrap_or_else(|_| entry.to_owned());
        let records = self.drop_dir(&target, uuid, kind, host)?;
        if target != *entry {
            remove(entry)?;
        }
        sync_dir(self.path())?;
        Ok(records)
    }
}

/// Says in a directory outside of the home that it is not whole, and whose it is.
pub(super) fn mark_unfinished(dir: &Path, uuid: &Uuid) -> Result<()> {
    let path = dir.join(UNFINISHED);
    new_file(&path, 0o600)?
        .write_all(uuid.to_string().as_bytes())
        .map_err(|e| Error::io(words!("do-write"), &path, e))
}

/// Whether a directory is a copy that is not whole.
pub(crate) fn is_unfinished(dir: &Path) -> bool {
    dir.join(UNFINISHED).symlink_metadata().is_ok()
}

pub(super) fn unmark(dir: &Path) -> Result<()> {
    remove(&dir.join(UNFINISHED))
}

/// Requires that a directory is what the link to it says: nothing else is removed because of a link.
fn require_of(dir: &Path, uuid: &Uuid) -> Result<()> {
    let marked = read_plain(&dir.join(UNFINISHED), 64).is_ok_and(|text| text == uuid.to_string().as_bytes());
    let is_empty = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if marked || is_empty || Config::read(&dir.join(CONFIG)).is_ok_and(|config| config.uuid == *uuid) {
        return Ok(());
    }
    let why = text!("link-other-vm", uuid);
    Err(Error::io(words!("do-remove"), dir, io::Error::new(io::ErrorKind::InvalidInput, why)))
}

/// Removes a bundle; what says whose it is goes last.
fn remove_bundle(dir: &Path) -> Result<()> {
    let entries = fs::read_dir(dir).map_err(|e| Error::io(words!("do-read"), dir, e))?;
    for entry in entries {
        let entry = entry.map_err(|e| Error::io(words!("do-read"), dir, e))?;
        let path = entry.path();
        if [CONFIG, UNFINISHED].iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }
            .map_err(|e| Error::io(words!("do-remove"), &path, e))?;
    }
    remove(&dir.join(CONFIG))?;
    remove(&dir.join(UNFINISHED))?;
    fs::remove_dir(dir).map_err(|e| Error::io(words!("do-remove"), dir, e))
}

/// The TPM stores in a bundle: the one in use, and backups.
pub(crate) fn stores_in(dir: &Path) -> Result<Vec<PathBuf>> {
    // Also of a TPM that was taken out: its store is set aside under its name.
    let tpm = Config::read(&dir.join(CONFIG)).ok().and_then(|config| config.tpm.or(config.removed_tpm));
    let store = tpm.map(|tpm| tpm.store);
    let store = store.unwrap_or_else(|| STORE.to_owned());
    let mut stores = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| Error::io(words!("do-read"), dir, e))? {
        let name = entry.map_err(|e| Error::io(words!("do-read"), dir, e))?.file_name();
        let is_store = name.to_str().is_some_and(|name| {
            let backup =
                name.strip_prefix(store.as_str()).is_some_and(|rest| rest.starts_with(crate::backup::BACKUP));
            name == store || (backup && !name.ends_with(".volatile"))
        });
        if is_store {
            stores.push(dir.join(name));
        }
    }
    stores.sort();
    Ok(stores)
}

/// Deletes the records that open the stores in a bundle, and no others.
fn forget_records(dir: &Path, uuid: &Uuid, host: &Host<'_>) -> Result<Vec<String>> {
    let vm = uuid.as_bytes();
    let failed = |error: KeychainError| Error::Keychain {
        name: uuid.to_string(),
        code: error.code(),
        why: error.to_string(),
    };
    let mut forgotten = Vec::new();
    for path in stores_in(dir)? {
        let Ok(info) = Store::peek(&path) else { continue };
        if !info.is_for_vm(vm) {
            continue;
        }
        for name in [RecordName::for_vm(vm), parked_name(&info)] {
            let record = match host.keychain.get(&name) {
                Ok(record) => record,
                Err(KeychainError::NotFound(_)) => continue,
                Err(error) => return Err(failed(error)),
            };
            // The header alone proves nothing: it may name the key of a store elsewhere.
            if info.key_ids.contains(&record.key_id)
                && Store::open(&path, &Key::Password(record.secret)).is_ok()
            {
                let detail = format!("key {}, with the store {}", record.key_id, path.display());
                host.audit.record(Act::RecordDeleted, &name.to_string(), &detail)?;
                host.keychain.delete(&name, record.key_id).map_err(failed)?;
                forgotten.push(name.to_string());
            }
        }
    }
    Ok(forgotten)
}
