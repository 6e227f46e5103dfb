//! Taking a VM back to a snapshot.
//!
//! All that takes long is done beside the VM, in `.revert`: `new` gets copies of the snapshot's files, `old` becomes a snapshot of
//! what is there now. Then the keychain's anchor is told, and `vm.toml` is replaced: that one renaming decides. Before it, what
//! is in `.revert` is nobody's; after it, [`finish`] brings the renaming of the other files to its end, from whatever command comes
//! next.
use super::{
    Snapshot, copy, is_config,
    manifest::{Manifest, Part, hold_store, parts_there, require_own_way},
    name_for, own_root, root, sweep,
};
use crate::{
    backup::{either, find, make_own, parked_name, peek},
    bundle::{Bundle, CONFIG},
    config::Config,
    copy::Tally,
    crash,
    error::{Error, Result},
    files::{is_own_dir, make_dirs, open_itself, read_plain, remove, replace_file, sync_dir},
    guard,
    host::Host,
    life::{LifeError, Watch},
    saved::{Saved, remove_tree},
};
use serde::{Deserialize, Serialize};
use sigillo_keychain::{Record, RecordName};
use sigillo_messages::{text, words};
use sigillo_store::{Key, Store, now_unix_s};
use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Component, Path, PathBuf},
};
use uuid::Uuid;

const DIR: &str = ".revert";
const PLAN: &str = "plan.json";
const MAX_PLAN: u64 = 256 * 1024;

/// What a revert did.
#[derive(Clone, Debug)]
pub struct Reverted {
    /// The snapshot's name.
    pub snapshot: String,
    /// The snapshot made of what was there before, by its name.
    pub kept: Option<String>,
    /// The VM is suspended now, as it was when the snapshot was made.
    pub suspended: bool,
    /// The VM has a TPM now.
    pub tpm: bool,
    /// The state before was kept although it was to be given up: its TPM is in no other place.
    pub kept_for_tpm: bool,
}

/// What is left to do once `vm.toml` is the snapshot's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    /// The snapshot that `old` becomes; `None` if what was there is given up.
    keep: Option<Uuid>,
    /// Files of the VM as it was: to `old`.
    old: Vec<Part>,
    /// Files of the snapshot: from `new`.
    new: Vec<Part>,
}

impl Plan {
    /// The error is a sentence.
    fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let plan: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let sane = plan.old.iter().chain(&plan.new).all(Part::is_sane);
        if sane { Ok(plan) } else { Err(text!("leads-out")) }
    }
}

/// Reads octets as each of the files that say what is renamed in a bundle, as whoever made the bundle may have written them.
/// Whether all that is accepted stays in the bundle. For fuzzing.
#[doc(hidden)]
#[must_use]
pub fn life_files_stay_inside(bytes: &[u8]) -> bool {
    let inside = |part: &Part| {
        let name = Path::new(&part.file).components().count() == 1 && part.file != "..";
        let normal = |step: Component<'_>| matches!(step, Component::Normal(_));
        name && part.place.components().count() > 0 && part.place.components().all(normal)
    };
    let plan = Plan::parse(bytes).map(|plan| [plan.old, plan.new].concat());
    let manifest = Manifest::parse(bytes).map(|manifest| manifest.parts);
    let machine = Saved::parse(bytes).map_or(true, |saved| !saved.machine.contains([',', ' ']));
    machine && [plan, manifest].into_iter().flatten().flatten().all(|part| inside(&part))
}

/// Takes a VM that is off or suspended back to a snapshot. What is there now becomes a snapshot of its own, unless
/// `discard_current`; whoever undoes a TPM's counters on purpose has that in the audit log.
///
/// # Errors
/// [`Error::Running`], [`LifeError::SnapshotDamaged`], [`LifeError::SnapshotKey`], or what the operating system says: then nothing
/// was changed.
pub fn revert(
    vm: &Bundle,
    host: &Host<'_>,
    snapshot: &Snapshot,
    discard_current: bool,
    progress: Watch<'_>,
) -> Result<Reverted> {
    let _lock = vm.lock()?;
    vm.require_ended(words!("doing-revert"))?;
    sweep(vm)?;
    let dir = root(vm).join(snapshot.id.to_string());
    let damaged = |why: String| LifeError::SnapshotDamaged {
        name: vm.name().to_owned(),
        snapshot: snapshot.name.clone(),
        path: dir.clone(),
        why,
    };
    let manifest = Manifest::read(&dir, vm, snapshot.id).map_err(damaged)?;
    let mut config = manifest.require_whole(&dir, vm)?;
    // The name is the directory's, and a snapshot does not take it back.
    vm.name().clone_into(&mut config.name);
    let staging = vm.path().join(DIR);
    let prepared = Prepare { vm, host, manifest: &manifest, dir: &dir, staging: &staging, discard_current }
        .run(&config, progress);
    let done = match prepared {
        Ok(done) => done,
        Err(error) => {
            // The first failure is the one to tell; the next command sweeps.
            let _ = forget(&staging);
            return Err(error);
        }
    };
    crash::point();
    let own = vm.path().join(CONFIG);
    fs::rename(staging.join(CONFIG), &own).map_err(|e| Error::io(words!("do-replace"), &own, e))?;
    sync_dir(vm.path())?;
    crash::point();
    finish(vm)?;
    Ok(done)
}

/// Everything up to the moment that decides.
struct Prepare<'a> {
    vm: &'a Bundle,
    host: &'a Host<'a>,
    manifest: &'a Manifest,
    dir: &'a Path,
    staging: &'a Path,
    discard_current: bool,
}

impl Prepare<'_> {
    fn run(&self, config: &Config, progress: Watch<'_>) -> Result<Reverted> {
        let (vm, staging) = (self.vm, self.staging);
        forget(staging)?;
        for path in [staging.to_owned(), staging.join("new"), staging.join("old")] {
            fs::DirBuilder::new()
                .mode(0o700)
                .create(&path)
                .map_err(|e| Error::io(words!("do-make"), &path, e))?;
        }
        let new: Vec<Part> = self.manifest.parts.iter().filter(|part| !is_config(part)).cloned().collect();
        let mut tell = |done, all| progress(words!("step-copying"), done, all);
        let mut tally = Tally::new(new.iter().map(|part| part.bytes).sum(), &mut tell);
        for part in &new {
            let staged = staging.join("new").join(&part.file);
            copy::file(&self.dir.join(&part.file), &staged, &mut tally)?;
            let touch = |file: fs::File| {
                crate::copy::set_modified(&file, part.modified).and_then(|()| file.sync_all())
            };
            open_itself(&staged).and_then(touch).map_err(|e| Error::io(words!("do-write"), &staged, e))?;
            crash::point();
        }
        let mut old = parts_there(vm);
        for part in &mut old {
            part.measure(&vm.path().join(&part.place))?;
        }
        // A TPM that the snapshot has not is not deleted on the way.
        let kept_for_tpm = self.discard_current && loses_tpm(vm, &new, &staging.join("new"))?;
        let listed = self.manifest.listed();
        let keeps = !self.discard_current || kept_for_tpm;
        let kept = if keeps { Some(keep(vm, &old, &listed, staging)?) } else { None };
        // Before the plan: a plan without it is one that was decided.
        config.write(&staging.join(CONFIG))?;
        let plan = Plan {
            keep: kept.as_ref().map(|kept| kept.id),
            old: old.into_iter().filter(|part| !is_config(part)).collect(),
            new,
        };
        let path = staging.join(PLAN);
        let text = serde_json::to_vec(&plan).map_err(|e| Error::io(words!("do-write"), &path, e.into()))?;
        for sub in ["new", "old"] {
            sync_dir(&staging.join(sub))?;
        }
        replace_file(&path, &text, 0o600)?;
        crash::point();
        if listed.tpm {
            take_back_tpm(vm, self.host, &listed, &staging.join("new/tpm.store"))?;
        }
        Ok(Reverted {
            snapshot: listed.name,
            kept: kept.map(|kept| kept.name),
            suspended: listed.suspended,
            tpm: listed.tpm,
            kept_for_tpm,
        })
    }
}

/// Takes away what is no revert, or one that is done. The plan first: what is left without it decides nothing.
fn forget(staging: &Path) -> Result<()> {
    if there(staging) {
        remove(&staging.join(PLAN))?;
        sync_dir(staging)?;
    }
    remove_tree(staging)
}

/// Describes what is there now as a snapshot, whose files come when they are renamed.
fn keep(vm: &Bundle, parts: &[Part], to: &Snapshot, staging: &Path) -> Result<Manifest> {
    let date = sigillo_keychain::date(now_unix_s());
    let name = name_for(vm, None, &format!("before-revert-{date}"))?;
    let description = text!("snapshot-description", snapshot = ?to.name);
    let mut manifest = Manifest::new(vm, Uuid::new_v4(), name, description, parts.to_vec());
    manifest.automatic = true;
    let old = staging.join("old");
    let config = old.join(CONFIG);
    copy::file(&vm.path().join(CONFIG), &config, &mut Tally::new(0, &mut |_, _| {}))?;
    manifest.write(&old)?;
    Ok(manifest)
}

/// Whether the VM has a TPM that the snapshot does not have an older state of.
fn loses_tpm(vm: &Bundle, new: &[Part], dir: &Path) -> Result<bool> {
    let Some(path) = vm.store_path() else { return Ok(false) };
    let Some(now) = peek(vm, &path)? else { return Ok(false) };
    if !new.iter().any(|part| part.file == "tpm.store") {
        return Ok(true);
    }
    Ok(peek(vm, &dir.join("tpm.store"))?.is_none_or(|then| then.file_uuid != now.file_uuid))
}

/// Makes the copy of the snapshot's store one that starts: with a key that the keychain has, and known to the anchor.
fn take_back_tpm(vm: &Bundle, host: &Host<'_>, snapshot: &Snapshot, path: &Path) -> Result<()> {
    let store_error = |code, why: String| Error::Store { name: vm.name().to_owned(), code, why };
    let own_name = RecordName::for_vm(vm.config().uuid.as_bytes());
    let gone = || store_error("SIG_ERR_STORE_NOT_FOUND", text!("snapshot-store-gone"));
    let info = peek(vm, path)?.ok_or_else(gone)?;
    if !info.is_for_vm(vm.config().uuid.as_bytes()) {
        return Err(store_error("SIG_ERR_TPM_STORE", text!("snapshot-store-foreign")));
    }
    let own = find(vm, host.keychain, &own_name)?;
    drop(hold_store(vm)?);
    let live = match (&own, vm.store_path()) {
        (Some(record), Some(live)) => Store::open(&live, &Key::Password(record.secret.clone())).ok(),
        _ => None,
    };
    let through_live = match &live {
        Some(live) => live.open_copy(path).map_err(|e| store_error(e.code(), e.to_string()))?,
        None => None,
    };
    let in_use = live.as_ref().map(Store::info);
    drop(live);
    let copy = match through_live {
        Some(copy) => copy,
        None if info.is_unencrypted() => {
            Store::open(path, &Key::None).map_err(|e| store_error(e.code(), e.to_string()))?
        }
        None => {
            let parked = find(vm, host.keychain, &parked_name(&info))?;
            let fits = |record: &Record| info.key_ids.contains(&record.key_id);
            let Some(record) = [own, parked].into_iter().flatten().find(fits) else {
                return Err(LifeError::SnapshotKey {
                    name: vm.name().to_owned(),
                    snapshot: snapshot.name.clone(),
                    key_ids: either(info.key_ids.iter()),
                    record: parked_name(&info).to_string(),
                }
                .into());
            };
            let copy = Store::open(path, &Key::Password(record.secret.clone()))
                .map_err(|e| store_error(e.code(), e.to_string()))?;
            make_own(vm, host, &own_name, &record, in_use.as_ref())?;
            crash::point();
            copy
        }
    };
    if copy.state().is_empty() {
        return Err(store_error("SIG_ERR_TPM_STORE", text!("snapshot-store-empty")));
    }
    let why = format!("snapshot {:?} ({})", snapshot.name, snapshot.id);
    let state = root(vm).join(snapshot.id.to_string()).join("tpm.store");
    guard::announce(vm, host, &copy, &state, &why)
}

/// Brings a revert to its end that was interrupted after it was decided, and takes away what is left of one that was not. The
/// VM is locked and off.
pub(crate) fn finish(vm: &Bundle) -> Result<()> {
    let staging = vm.path().join(DIR);
    match is_own_dir(&staging) {
        Ok(true) => {}
        // None of ours: a link, or what somebody else made.
        Ok(false) => return remove_tree(&staging),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io(words!("do-look-at"), &staging, e)),
    }
    let undecided = staging.join(CONFIG).symlink_metadata().is_ok();
    let path = staging.join(PLAN);
    let bytes = match read_plain(&path, MAX_PLAN) {
        Ok(bytes) if !undecided => bytes,
        Ok(_) => return forget(&staging),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return forget(&staging),
        Err(e) => return Err(Error::io(words!("do-read"), &path, e)),
    };
    let bad = |why: &str| {
        Error::io(words!("do-follow"), &path, io::Error::new(io::ErrorKind::InvalidData, why.to_owned()))
    };
    let plan = Plan::parse(&bytes).map_err(|why| bad(&why))?;
    let (old_dir, new_dir) = (staging.join("old"), staging.join("new"));
    let own = |part: &Part| require_own_way(vm, &part.place).is_ok();
    if !plan.old.iter().chain(&plan.new).all(own) {
        return Err(bad(&text!("leads-out")));
    }
    let waits = |part: &Part| there(&new_dir.join(&part.file));
    for part in &plan.old {
        // Where the new file has its place already, that is not the old one any more.
        let switched = plan.new.iter().any(|new| new.place == part.place && !waits(new));
        let (place, aside) = (vm.path().join(&part.place), old_dir.join(&part.file));
        if !switched && there(&place) && !there(&aside) {
            rename(&place, &aside)?;
            crash::point();
        }
    }
    for part in plan.new.iter().filter(|part| waits(part)) {
        let place = vm.path().join(&part.place);
        if let Some(parent) = place.parent() {
            make_dirs(parent, 0o700)?;
        }
        rename(&new_dir.join(&part.file), &place)?;
        crash::point();
    }
    let mut dirs: Vec<PathBuf> = plan
        .old
        .iter()
        .chain(&plan.new)
        .filter_map(|part| Some(vm.path().join(part.place.parent()?)))
        .collect();
    dirs.sort_unstable();
    dirs.dedup();
    for dir in dirs.iter().filter(|dir| there(dir)) {
        // One that is empty now was the saved state's, or a disk's that is gone.
        if dir.as_path() == vm.path() || fs::remove_dir(dir).is_err() {
            sync_dir(dir)?;
        }
    }
    if let Some(id) = plan.keep.filter(|_| there(&old_dir)) {
        make_dirs(&root(vm), 0o700)?;
        own_root(vm)?;
        sync_dir(&old_dir)?;
        rename(&old_dir, &root(vm).join(id.to_string()))?;
        sync_dir(&root(vm))?;
        crash::point();
    }
    sync_dir(vm.path())?;
    forget(&staging)
}

fn there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| Error::io(words!("do-rename"), from, e))
}
