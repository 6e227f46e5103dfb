//! Snapshots of a VM: its disks, the firmware's variables, `vm.toml`, the TPM's store and, of a suspended VM, its saved state,
//! copied together into `snapshots/ID/` of the bundle. What a snapshot holds shares nothing with what the VM uses but, where the
//! file system can do that, the blocks on the disk. Why copies: `docs/adr/0021-life.md`.
mod copy;
mod manifest;
mod revert;

pub(crate) use revert::finish;
pub use revert::{Reverted, life_files_stay_inside, revert};

use crate::{
    bundle::{Bundle, CONFIG},
    copy::Tally,
    crash,
    error::{Error, Result},
    files::{is_own_dir, make_dirs, sync_dir},
    life::{LifeError, Watch},
    saved::{self, remove_tree},
    whole,
};
use manifest::Manifest;
use sigillo_messages::{text, words};
use sigillo_store::now_unix_s;
use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use uuid::Uuid;

const DIR: &str = "snapshots";
/// Characters of a name.
const MAX_NAME: usize = 64;
/// Characters of a description.
const MAX_DESCRIPTION: usize = 1024;
/// More are refused: a listing reads them all.
const MOST: usize = 1000;

/// One snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its own, and its directory's name.
    pub id: Uuid,
    /// As the user calls it; unique in its VM.
    pub name: String,
    /// The user's words.
    pub description: String,
    /// Seconds since 1970.
    pub created_unix_s: u64,
    /// Made by a revert, of what it took away.
    pub automatic: bool,
    /// It holds the memory of a guest that was suspended.
    pub suspended: bool,
    /// It holds a TPM.
    pub tpm: bool,
    /// Of all its files, as they would be copied.
    pub bytes: u64,
    /// What is wrong with it; then nothing but the id is known.
    pub damaged: Option<String>,
}

/// What a new snapshot is called.
#[derive(Clone, Debug, Default)]
pub struct NewSnapshot {
    /// `None`: by its date.
    pub name: Option<String>,
    /// For people.
    pub description: String,
}

pub(crate) fn root(vm: &Bundle) -> PathBuf {
    vm.path().join(DIR)
}

/// The directory of a VM's snapshots, if it is there; a link or somebody else's is refused, for files are renamed and removed
/// in it.
fn own_root(vm: &Bundle) -> Result<Option<PathBuf>> {
    let root = root(vm);
    match is_own_dir(&root) {
        Ok(true) => Ok(Some(root)),
        Ok(false) => {
            let why = std::io::Error::other(text!("it-dir-not-own"));
            Err(Error::io(words!("do-use"), &root, why))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io(words!("do-look-at"), &root, e)),
    }
}

/// Removes what interrupted commands left.
fn sweep(vm: &Bundle) -> Result<()> {
    saved::sweep(vm)?;
    let Some(root) = own_root(vm)? else { return Ok(()) };
    for entry in fs::read_dir(&root).map_err(|e| Error::io(words!("do-read"), &root, e))? {
        let entry = entry.map_err(|e| Error::io(words!("do-read"), &root, e))?;
        let name = entry.file_name();
        let ours = name.to_str().and_then(|name| {
            let name = name.strip_prefix('.')?;
            let id = name.strip_suffix(".new").or_else(|| name.strip_suffix(".deleted"))?;
            Uuid::try_parse(id).ok()
        });
        if ours.is_some() {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// The snapshots of a VM, oldest first.
///
/// # Errors
/// The bundle cannot be read.
pub fn snapshots(vm: &Bundle) -> Result<Vec<Snapshot>> {
    let Some(root) = own_root(vm)? else { return Ok(Vec::new()) };
    let entries = fs::read_dir(&root).map_err(|e| Error::io(words!("do-read"), &root, e))?;
    let mut all = Vec::new();
    for entry in entries.take(MOST) {
        let path = entry.map_err(|e| Error::io(words!("do-read"), &root, e))?.path();
        let id = path.file_name().and_then(OsStr::to_str).and_then(|name| Uuid::try_parse(name).ok());
        let Some(id) = id else { continue };
        all.push(match Manifest::read(&path, vm, id) {
            Ok(manifest) => manifest.listed(),
            Err(why) => Snapshot {
                id,
                name: id.to_string(),
                description: String::new(),
                created_unix_s: 0,
                automatic: false,
                suspended: false,
                tpm: false,
                bytes: 0,
                damaged: Some(why),
            },
        });
    }
    all.sort_by_key(|one| (one.created_unix_s, one.id));
    Ok(all)
}

/// The snapshot of that name, that id, or whose id begins so.
///
/// # Errors
/// [`LifeError::NoSnapshot`], [`LifeError::Ambiguous`].
pub fn find_snapshot(vm: &Bundle, which: &str) -> Result<Snapshot> {
    let mut all = snapshots(vm)?;
    if let Some(at) = all.iter().position(|snapshot| snapshot.name == which) {
        return Ok(all.swap_remove(at));
    }
    let lower = which.to_ascii_lowercase();
    all.retain(|snapshot| lower.len() >= 4 && snapshot.id.to_string().starts_with(&lower));
    let (name, snapshot) = (vm.name().to_owned(), which.to_owned());
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(LifeError::NoSnapshot { name, snapshot }.into()),
        (Some(_), false) => Err(LifeError::Ambiguous { name, snapshot }.into()),
    }
}

/// The TPM's store in a snapshot, to be looked into; `None` if the VM had no TPM then. Its other files are not looked at.
///
/// # Errors
/// [`LifeError::NoSnapshot`], [`LifeError::Ambiguous`], [`LifeError::SnapshotDamaged`].
pub fn snapshot_store(vm: &Bundle, which: &str) -> Result<Option<PathBuf>> {
    let snapshot = find_snapshot(vm, which)?;
    let path = root(vm).join(snapshot.id.to_string());
    match snapshot.damaged {
        Some(why) => {
            Err(LifeError::SnapshotDamaged { name: vm.name().to_owned(), snapshot: snapshot.name, path, why }
                .into())
        }
        None => Ok(snapshot.tpm.then(|| path.join("tpm.store"))),
    }
}

/// Where the TPM's stores of all snapshots are: of one that is damaged perhaps.
pub(crate) fn snapshot_stores(vm: &Bundle) -> Vec<PathBuf> {
    let with_tpm = |one: &Snapshot| one.tpm || one.damaged.is_some();
    let all = snapshots(vm).unwrap_or_default().into_iter().filter(with_tpm);
    all.map(|one| root(vm).join(one.id.to_string()).join("tpm.store")).collect()
}

/// A name that is free, checked.
fn name_for(vm: &Bundle, wanted: Option<&str>, otherwise: &str) -> Result<String> {
    let all = snapshots(vm)?;
    let taken = |name: &str| all.iter().any(|snapshot| snapshot.name == name);
    let fail = |snapshot: &str, why: &str| {
        let (snapshot, why) = (snapshot.to_owned(), why.to_owned());
        Err(LifeError::SnapshotName { snapshot, why }.into())
    };
    if all.len() >= MOST {
        return fail(wanted.unwrap_or(otherwise), &text!("snapshot-most"));
    }
    let Some(name) = wanted else {
        let numbered = (2..=MOST + 1).map(|number| format!("{otherwise}-{number}"));
        let mut names = std::iter::once(otherwise.to_owned()).chain(numbered);
        return Ok(names.find(|name| !taken(name)).unwrap_or_else(|| otherwise.to_owned()));
    };
    if name.is_empty() || name.chars().count() > MAX_NAME || name.trim() != name {
        return fail(name, &text!("snapshot-name-length"));
    }
    if name.contains(char::is_control) || name.starts_with('-') {
        return fail(name, &text!("snapshot-name-control"));
    }
    if taken(name) {
        return fail(name, &text!("snapshot-name-taken"));
    }
    Ok(name.to_owned())
}

/// Makes a snapshot of a VM that is off or suspended: whole, or not at all.
///
/// # Errors
/// [`Error::Running`], [`LifeError::ForeignDisk`], [`LifeError::SnapshotName`], or what the operating system says.
pub fn snapshot(vm: &Bundle, new: &NewSnapshot, progress: Watch<'_>) -> Result<Snapshot> {
    let _lock = vm.lock()?;
    vm.require_ended(words!("doing-snapshot"))?;
    sweep(vm)?;
    whole::require_own_store(vm)?;
    let parts = manifest::parts_of(vm)?;
    let name = name_for(vm, new.name.as_deref(), &sigillo_keychain::date(now_unix_s()))?;
    let description: String =
        new.description.chars().filter(|c| !c.is_control() || *c == '\n').take(MAX_DESCRIPTION).collect();
    let id = Uuid::new_v4();
    let building = make_dir(vm, &format!(".{id}.new"))?;
    let made = fill(vm, parts, &building, progress).and_then(|parts| {
        let manifest = Manifest::new(vm, id, name, description, parts);
        manifest.write(&building)?;
        crash::point();
        publish(vm, &building, id)?;
        Ok(manifest.listed())
    });
    if made.is_err() {
        // The first failure is the one to tell; the next command sweeps.
        let _ = remove_tree(&building);
    }
    made
}

fn make_dir(vm: &Bundle, name: &str) -> Result<PathBuf> {
    make_dirs(&root(vm), 0o700)?;
    own_root(vm)?;
    let dir = root(vm).join(name);
    remove_tree(&dir)?;
    fs::DirBuilder::new().mode(0o700).create(&dir).map_err(|e| Error::io(words!("do-make"), &dir, e))?;
    Ok(dir)
}

/// Copies what a VM is made of.
fn fill(
    vm: &Bundle,
    mut parts: Vec<manifest::Part>,
    to: &Path,
    progress: Watch<'_>,
) -> Result<Vec<manifest::Part>> {
    let _held = manifest::hold_store(vm)?;
    let all = parts.iter().map(|part| part.bytes).sum();
    let mut tell = |done, all| progress(words!("step-copying"), done, all);
    let mut tally = Tally::new(all, &mut tell);
    for part in &mut parts {
        let copied = to.join(&part.file);
        copy::file(&vm.path().join(&part.place), &copied, &mut tally)?;
        part.measure(&copied)?;
        crash::point();
    }
    Ok(parts)
}

/// Gives a snapshot its name: from here on it is there.
fn publish(vm: &Bundle, building: &Path, id: Uuid) -> Result<()> {
    sync_dir(building)?;
    let to = root(vm).join(id.to_string());
    fs::rename(building, &to).map_err(|e| Error::io(words!("do-rename"), building, e))?;
    sync_dir(&root(vm))?;
    sync_dir(vm.path())
}

/// Deletes a snapshot: what it held is gone. The VM may run.
///
/// # Errors
/// [`LifeError::NoSnapshot`], or what the operating system says.
pub fn delete_snapshot(vm: &Bundle, id: Uuid) -> Result<()> {
    let _lock = vm.lock()?;
    own_root(vm)?;
    let dir = root(vm).join(id.to_string());
    let away = root(vm).join(format!(".{id}.deleted"));
    remove_tree(&away)?;
    match fs::rename(&dir, &away) {
        Ok(()) => sync_dir(&root(vm))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(LifeError::NoSnapshot { name: vm.name().to_owned(), snapshot: id.to_string() }.into());
        }
        Err(e) => return Err(Error::io(words!("do-rename"), &dir, e)),
    }
    crash::point();
    remove_tree(&away)
}

/// Requires that nothing but the VM itself goes when its bundle is deleted, unless that is what was asked for.
///
/// # Errors
/// [`LifeError::HoldsMore`].
pub fn require_deletable(vm: &Bundle, with_snapshots: bool) -> Result<()> {
    let count = snapshots(vm)?.len();
    let mut what = Vec::new();
    if count > 0 {
        what.push(text!("hold-snapshots", #count));
    }
    if vm.is_suspended() {
        what.push(text!("guest-memory"));
    }
    if what.is_empty() || with_snapshots {
        return Ok(());
    }
    Err(LifeError::HoldsMore {
        name: vm.name().to_owned(),
        what: what.into_iter().reduce(|first, second| text!("and", first, second)).unwrap_or_default(),
    }
    .into())
}

/// A part's file that is the configuration: the one whose renaming decides a revert.
fn is_config(part: &manifest::Part) -> bool {
    part.place == Path::new(CONFIG)
}
