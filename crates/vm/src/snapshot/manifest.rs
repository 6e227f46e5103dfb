//! What a snapshot holds: `snapshot.json` in its directory.
use super::Snapshot;
use crate::{
    backup::volatile,
    bundle::{Bundle, CONFIG, VARS},
    config::{Config, Firmware},
    error::{Error, Result},
    files::{is_own_dir, open_itself, read_plain, replace_file},
    life::LifeError,
    saved, whole,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sigillo_messages::{text, words};
use sigillo_store::now_unix_s;
use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};
use uuid::Uuid;

pub(super) const MANIFEST: &str = "snapshot.json";
/// How a disk's file is called in a snapshot, before its number.
const DISK: &str = "disk-";
const VERSION: u32 = 1;
/// A longer `snapshot.json` is none of ours.
const MAX_MANIFEST: u64 = 256 * 1024;
/// Files up to this length are known by their sum as well: store, variables, configuration. Bytes.
const SUMMED: u64 = 16 << 20;

/// One snapshot's description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) version: u32,
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) created_unix_s: u64,
    pub(super) automatic: bool,
    pub(super) vm_uuid: Uuid,
    pub(super) parts: Vec<Part>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Its name in the snapshot.
    pub(super) file: String,
    /// Its place in the bundle.
    pub(super) place: PathBuf,
    pub(super) bytes: u64,
    /// When it was changed last, in the VM: seconds since 1970, and nanoseconds. A suspended guest knows its disks by it, and
    /// a bundle may lose it on its way to another file system.
    pub(super) modified: (i64, i64),
    /// Of short ones.
    pub(super) sha256: Option<String>,
}

impl Part {
    fn new(file: impl Into<String>, place: impl Into<PathBuf>) -> Self {
        Part { file: file.into(), place: place.into(), bytes: 0, modified: (0, 0), sha256: None }
    }

    /// Takes length and sum from a file.
    pub(super) fn measure(&mut self, path: &Path) -> Result<()> {
        let failed = |e| Error::io(words!("do-read"), path, e);
        let file = open_itself(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        self.bytes = found.len();
        self.modified = (found.mtime(), found.mtime_nsec());
        self.sha256 = if self.bytes <= SUMMED { Some(sum(file).map_err(failed)?) } else { None };
        Ok(())
    }

    /// What is wrong with a file that should be this part.
    fn wrong(&self, path: &Path) -> Option<String> {
        let mut found = Part::new(self.file.clone(), self.place.clone());
        match found.measure(path) {
            Ok(()) if found.bytes != self.bytes => {
                Some(text!("part-length", found = found.bytes, wanted = self.bytes))
            }
            Ok(()) if self.sha256.is_some() && found.sha256 != self.sha256 => Some(text!("part-changed")),
            Ok(()) => None,
            Err(Error::Io { source, .. }) => Some(source.to_string()),
            Err(other) => Some(other.to_string()),
        }
    }

    /// Whether it leads from the snapshot into the bundle and nowhere else.
    pub(super) fn is_sane(&self) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        !self.file.starts_with('.')
            && !self.file.is_empty()
            && self.file.chars().all(plain)
            && is_inside(&self.place)
    }
}

fn sum(file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(SUMMED).read_to_end(&mut bytes)?;
    Ok(saved::hex(&Sha256::digest(&bytes)))
}

/// Whether a path leads to a place in the bundle that is a VM's own.
pub(super) fn is_inside(place: &Path) -> bool {
    let mut parts = place.components();
    let hidden = |part: &std::ffi::OsStr| part.to_str().is_none_or(|text| text.starts_with('.'));
    parts.clone().next().is_some()
        && parts.all(|part| matches!(part, Component::Normal(name) if !hidden(name)))
        && !place.starts_with("snapshots")
        && !place.starts_with("run")
}

/// Requires that no directory on the way to a place is a link out of the bundle.
pub(super) fn require_own_way(vm: &Bundle, place: &Path) -> io::Result<()> {
    let mut way = PathBuf::new();
    for part in place.parent().unwrap_or(Path::new("")).components() {
        way.push(part);
        match is_own_dir(&vm.path().join(&way)) {
            Ok(true) => {}
            Ok(false) => {
                return Err(io::Error::other(text!("way-not-own")));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// The files of which a VM is made, with their lengths.
pub(super) fn parts_of(vm: &Bundle) -> Result<Vec<Part>> {
    let mut parts = named(vm);
    for part in &mut parts {
        let path = vm.path().join(&part.place);
        if part.file.starts_with(DISK) {
            let own = is_inside(&part.place) && require_own_way(vm, &part.place).is_ok();
            if !own || path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
                return Err(LifeError::ForeignDisk { name: vm.name().to_owned(), disk: path }.into());
            }
        }
        let found = path.symlink_metadata().map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => whole::missing(vm, &path),
            _ => Error::io(words!("do-read"), &path, e),
        })?;
        part.bytes = found.len();
    }
    Ok(parts)
}

/// Those of a VM that may have lost some: what is there, and is the bundle's own.
pub(super) fn parts_there(vm: &Bundle) -> Vec<Part> {
    let own = |part: &Part| {
        is_inside(&part.place)
            && require_own_way(vm, &part.place).is_ok()
            && vm.path().join(&part.place).symlink_metadata().is_ok_and(|found| found.is_file())
    };
    named(vm).into_iter().filter(own).collect()
}

fn named(vm: &Bundle) -> Vec<Part> {
    let config = vm.config();
    let mut parts = vec![Part::new(CONFIG, CONFIG)];
    let disks = config.disks.iter().enumerate();
    parts.extend(disks.map(|(index, disk)| Part::new(format!("{DISK}{index}"), &disk.path)));
    if config.firmware == Firmware::Uefi {
        parts.push(Part::new(VARS, VARS));
    }
    if let Some(tpm) = &config.tpm {
        parts.push(Part::new("tpm.store", &tpm.store));
        let volatile = volatile(Path::new(&tpm.store));
        if vm.path().join(&volatile).symlink_metadata().is_ok() {
            parts.push(Part::new("tpm.store.volatile", volatile));
        }
    }
    if vm.is_suspended() {
        let saved = Path::new(saved::DIR);
        parts.extend(saved::FILES.map(|file| Part::new(format!("suspended-{file}"), saved.join(file))));
    }
    parts
}

/// Holds the VM's store while it is copied; it must not be in use.
pub(super) fn hold_store(vm: &Bundle) -> Result<Option<File>> {
    let Some(path) = vm.store_path() else { return Ok(None) };
    let file = match open_itself(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(words!("do-open"), &path, e)),
    };
    if sigillo_store::files::try_lock(&file).map_err(|e| Error::io(words!("do-lock"), &path, e))? {
        return Ok(Some(file));
    }
    let pid = sigillo_store::files::lock_holder(&file);
    Err(Error::InUse { name: vm.name().to_owned(), pid })
}

impl Manifest {
    pub(super) fn new(vm: &Bundle, id: Uuid, name: String, description: String, parts: Vec<Part>) -> Self {
        let (vm_uuid, created_unix_s) = (vm.config().uuid, now_unix_s());
        let automatic = false;
        Manifest { version: VERSION, id, name, description, created_unix_s, automatic, vm_uuid, parts }
    }

    /// Reads the description in a snapshot's directory. The error is what is wrong with it.
    pub(super) fn read(dir: &Path, vm: &Bundle, id: Uuid) -> std::result::Result<Self, String> {
        if !is_own_dir(dir).map_err(|e| e.to_string())? {
            return Err(text!("its-dir-not-private"));
        }
        let bytes = read_plain(&dir.join(MANIFEST), MAX_MANIFEST).map_err(|e| e.to_string())?;
        let manifest = Self::parse(&bytes)?;
        if manifest.id != id || manifest.vm_uuid != vm.config().uuid {
            return Err(text!("manifest-foreign"));
        }
        Ok(manifest)
    }

    /// What a `snapshot.json` says, if it can be one. The error is a sentence.
    pub(super) fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if manifest.version != VERSION {
            return Err(text!("manifest-version", version = manifest.version));
        }
        let text = |text: &str| !text.contains(|c: char| c.is_control() && c != '\n');
        let mut places: Vec<&Path> = manifest.parts.iter().map(|part| part.place.as_path()).collect();
        places.sort_unstable();
        places.dedup();
        if !manifest.parts.iter().all(Part::is_sane)
            || places.len() != manifest.parts.len()
            || !manifest.parts.iter().any(super::is_config)
            || !text(&manifest.name)
            || !text(&manifest.description)
        {
            return Err(text!("manifest-strange"));
        }
        Ok(manifest)
    }

    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(MANIFEST);
        let text =
            serde_json::to_vec_pretty(self).map_err(|e| Error::io(words!("do-write"), &path, e.into()))?;
        replace_file(&path, &text, 0o600)
    }

    pub(super) fn listed(&self) -> Snapshot {
        let has = |file: &str| self.parts.iter().any(|part| part.file == file);
        Snapshot {
            id: self.id,
            name: self.name.clone(),
            description: self.description.clone(),
            created_unix_s: self.created_unix_s,
            automatic: self.automatic,
            suspended: has("suspended-state.json"),
            tpm: has("tpm.store"),
            bytes: self.parts.iter().map(|part| part.bytes).sum(),
            damaged: None,
        }
    }

    /// Requires that every file is there as it was, and that the configuration is this VM's. The configuration.
    pub(super) fn require_whole(&self, dir: &Path, vm: &Bundle) -> Result<Config> {
        let damaged = |path: PathBuf, why: String| LifeError::SnapshotDamaged {
            name: vm.name().to_owned(),
            snapshot: self.name.clone(),
            path,
            why,
        };
        for part in &self.parts {
            let path = dir.join(&part.file);
            if let Some(why) = part.wrong(&path) {
                return Err(damaged(path, why).into());
            }
            require_own_way(vm, &part.place)
                .map_err(|e| damaged(vm.path().join(&part.place), e.to_string()))?;
        }
        let path = dir.join(CONFIG);
        let config = Config::read(&path)?;
        if config.uuid != vm.config().uuid {
            return Err(damaged(path, text!("config-foreign")).into());
        }
        Ok(config)
    }
}
