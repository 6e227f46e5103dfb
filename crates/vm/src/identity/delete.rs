//! `vm delete`: a VM goes, and its TPM is kept unless it is deleted by name.
//!
//! What is kept lies in `.kept/NAME-UUID.sigillo` in the home: a bundle without disks, with the stores of the TPM. Their records stay in
//! the keychain. `restore-backup` finds it when a VM of that UUID is there again, and `vm undelete` makes a VM of it.
use super::hidden::{Building, Kind, stores_in};
use crate::{
    backup::{Backup, described, volatile},
    bundle::{Bundle, CONFIG, Home, VARS},
    config::Config,
    copy::Source,
    crash,
    error::{Error, Result},
    files::{is_own_dir, make_dirs},
    host::Host,
    libvirt,
};
use sigillo_keychain::{Keychain, audit::Act};
use sigillo_messages::words;
use std::{
    fs,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// The directory in a home for what is kept of deleted VMs.
const KEPT: &str = ".kept";

/// Of this many that are kept of one VM the next is refused.
const MOST: u32 = 1000;

/// What deleting a VM did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Where its TPM is kept.
    pub kept: Option<PathBuf>,
    /// The records that were deleted with it.
    pub records: Vec<String>,
}

/// Deletes a VM that is off, with its disks. Its TPM is kept, and with `with_tpm` deleted as well, with its keychain records.
///
/// # Errors
/// [`Error::Running`], or what the system says. Once the VM is out of sight, the next command goes on with what is left.
pub fn delete_vm(home: &Home, vm: &mut Bundle, host: &Host<'_>, with_tpm: bool) -> Result<Deleted> {
    let _lock = vm.lock_as_it_is()?;
    vm.require_ended(words!("doing-deletion"))?;
    libvirt::forget(vm)?;
    let stores = stores_in(vm.path())?;
    let kept = if with_tpm || stores.is_empty() { None } else { Some(keep(home, vm, host, &stores)?) };
    crash::point();
    let records = home.doom(vm, with_tpm, host)?;
    Ok(Deleted { kept, records })
}

/// Copies what makes a VM's TPM to where it is kept.
fn keep(home: &Home, vm: &Bundle, host: &Host<'_>, stores: &[PathBuf]) -> Result<PathBuf> {
    let uuid = vm.config().uuid;
    let building = Building::new(home.path(), &uuid, Kind::New)?;
    let vars = vm.path().join(VARS);
    let beside: Vec<PathBuf> = stores.iter().map(|store| volatile(store)).chain([vars]).collect();
    for path in stores.iter().chain(beside.iter().filter(|path| path.symlink_metadata().is_ok())) {
        let name = Path::new(path.file_name().unwrap_or_default());
        let source = Source::beneath(vm.path(), name).map_err(|e| Error::io(words!("do-keep"), path, e))?;
        source.copy_to(&building.path().join(name), &mut |_| {})?;
    }
    let config = Config { disks: Vec::new(), ..vm.config().clone() };
    config.write(&building.path().join(CONFIG))?;
    make_dirs(&home.path().join(KEPT), 0o700)?;
    // As after a deletion that was interrupted. Another state of the same TPM is kept beside the first: it may be the newer one.
    let is_there = |dir: &Path| {
        stores.iter().all(|store| {
            let kept = dir.join(store.file_name().unwrap_or_default());
            fs::read(store).is_ok_and(|ours| fs::read(kept).is_ok_and(|theirs| ours == theirs))
        })
    };
    for number in 1..=MOST {
        let again = if number == 1 { String::new() } else { format!("-{number}") };
        let path = home.path().join(KEPT).join(format!("{}-{uuid}{again}.sigillo", vm.name()));
        if is_own_dir(&path).unwrap_or(false) && is_there(&path) {
            return Ok(path);
        }
        if path.symlink_metadata().is_ok() {
            continue;
        }
        let detail = format!("the TPM of VM {:?}, which is deleted", vm.name());
        host.audit.record(Act::BackupMade, &path.display().to_string(), &detail)?;
        building.publish(&path)?;
        return Ok(path);
    }
    Err(Error::Exists { path: home.path().join(KEPT) })
}

/// The directories in a home in which something is kept of deleted VMs of this UUID.
pub(super) fn kept_of(home: &Path, uuid: &Uuid) -> Vec<PathBuf> {
    let mut all = entries_of(home);
    all.retain(|dir| Config::read(&dir.join(CONFIG)).is_ok_and(|config| config.uuid == *uuid));
    all
}

/// What is kept of deleted VMs of this UUID: the names and paths of their stores.
pub(crate) fn kept_stores(vm: &Bundle) -> Vec<(String, PathBuf)> {
    let Some(home) = vm.path().parent() else { return Vec::new() };
    let mut found = Vec::new();
    for dir in kept_of(home, &vm.config().uuid) {
        for store in stores_in(&dir).unwrap_or_default() {
            let name = store.strip_prefix(home.join(KEPT)).unwrap_or(&store).display().to_string();
            found.push((name, store));
        }
    }
    found.sort();
    found
}

/// What is kept of deleted VMs whose UUID no VM of the home has: their names, and their stores.
///
/// # Errors
/// The home or the keychain cannot be read.
pub fn kept_backups(home: &Home, keychain: &dyn Keychain) -> Result<Vec<(String, Backup)>> {
    let there: Vec<Uuid> =
        home.list()?.into_iter().filter_map(|(_, bundle)| Some(bundle.ok()?.config().uuid)).collect();
    let mut found = Vec::new();
    for dir in entries_of(home.path()) {
        let Ok(vm) = Bundle::load(&dir) else { continue };
        if there.contains(&vm.config().uuid) {
            continue;
        }
        for store in stores_in(vm.path())? {
            let backup = described(&vm, keychain, store.display().to_string(), store)?;
            found.push((vm.name().to_owned(), backup));
        }
    }
    Ok(found)
}

/// The directories of this user's in which something is kept.
pub(crate) fn entries_of(home: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(home.join(KEPT)) else { return Vec::new() };
    let mut all: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    all.retain(|dir| is_own_dir(dir).unwrap_or(false));
    all.sort();
    all
}

/// Removes what is kept of a deleted VM once no store is left in it.
pub(crate) fn forget_kept(dir: &Path) -> Result<()> {
    if stores_in(dir)?.is_empty() {
        fs::remove_dir_all(dir).map_err(|e| Error::io(words!("do-remove"), dir, e))?;
    }
    Ok(())
}
