//! `vm delete`: a VM goes, and its TPM is kept unless it is deleted by name.
//!
//! What is kept lies in `.kept/NAME-UUID.sigillo` in the home: a bundle without disks, with the stores of the TPM. Their records stay in
//! the keychain. `restore-backup` finds it when a VM of that UUID is there again.
use super::hidden::{Building, Kind, stores_in};
use crate::{
    backup::volatile,
    bundle::{Bundle, CONFIG, Home, VARS},
    config::Config,
    copy::{Source, Tally},
    crash,
    error::{Error, Result},
    files::{is_own_dir, make_dirs, sync_dir},
    host::Host,
};
use rustix::fs::{CWD, RenameFlags};
use sigillo_keychain::audit::Act;
use sigillo_store::Store;
use std::{
    fs,
    path::{Path, PathBuf},
};

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
    vm.require_off("deleting it")?;
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
    let mut nobody = |_, _| {};
    let mut tally = Tally::new(0, &mut nobody);
    for path in stores.iter().chain(beside.iter().filter(|path| path.symlink_metadata().is_ok())) {
        let name = Path::new(path.file_name().unwrap_or_default());
        let source = Source::beneath(vm.path(), name).map_err(|e| Error::io("keep", path, e))?;
        source.copy_to(&building.path().join(name), &mut tally)?;
    }
    let config = Config { disks: Vec::new(), ..vm.config().clone() };
    config.write(&building.path().join(CONFIG))?;
    make_dirs(&home.path().join(KEPT), 0o700)?;
    let identity = |dir: &Path| {
        let store = vm.store_path()?;
        Some(Store::peek(&dir.join(store.file_name()?)).ok()?.file_uuid)
    };
    for number in 1..=MOST {
        let again = if number == 1 { String::new() } else { format!("-{number}") };
        let path = home.path().join(KEPT).join(format!("{}-{uuid}{again}.sigillo", vm.name()));
        if path.symlink_metadata().is_ok() {
            // An earlier state of the same TPM, of a deletion that was interrupted.
            let ours = identity(vm.path());
            if ours.is_none() || identity(&path) != ours {
                continue;
            }
            told(vm, host, &path)?;
            rustix::fs::renameat_with(CWD, building.path(), CWD, &path, RenameFlags::EXCHANGE)
                .map_err(|e| Error::io("replace", &path, e.into()))?;
            path.parent().map_or(Ok(()), sync_dir)?;
            return Ok(path);
        }
        told(vm, host, &path)?;
        building.publish(&path)?;
        return Ok(path);
    }
    Err(Error::Exists { path: home.path().join(KEPT) })
}

fn told(vm: &Bundle, host: &Host<'_>, path: &Path) -> Result<()> {
    let detail = format!("the TPM of VM {:?}, which is deleted", vm.name());
    Ok(host.audit.record(Act::BackupMade, &path.display().to_string(), &detail)?)
}

/// What is kept of deleted VMs of this UUID: the names and paths of their stores.
pub(crate) fn kept_stores(vm: &Bundle) -> Vec<(String, PathBuf)> {
    let kept = vm.path().with_file_name(KEPT);
    let Ok(entries) = fs::read_dir(&kept) else { return Vec::new() };
    let mut found = Vec::new();
    for dir in entries.flatten().map(|entry| entry.path()) {
        if !is_own_dir(&dir).unwrap_or(false)
            || Config::read(&dir.join(CONFIG)).ok().is_none_or(|config| config.uuid != vm.config().uuid)
        {
            continue;
        }
        for store in stores_in(&dir).unwrap_or_default() {
            let name = store.strip_prefix(&kept).unwrap_or(&store).display().to_string();
            found.push((name, store));
        }
    }
    found.sort();
    found
}

/// Removes what is kept of a deleted VM once no store is left in it.
pub(crate) fn forget_kept(dir: &Path) -> Result<()> {
    if stores_in(dir)?.is_empty() {
        fs::remove_dir_all(dir).map_err(|e| Error::io("remove", dir, e))?;
    }
    Ok(())
}
