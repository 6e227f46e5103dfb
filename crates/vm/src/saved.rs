//! The saved state of a suspended VM: the directory `suspended` of its bundle.
//!
//! | file | what |
//! |---|---|
//! | `memory` | QEMU's migration stream: the guest's memory and devices; the TPM's state in it is sealed under a key of its store |
//! | `state.json` | what the stream belongs to: machine, disks, the TPM's store |
//! | `vm.toml` | the configuration as it was |
//! | `machine.toml` | the machine as it was started: what the command line had changed for that time is in it |
//!
//! It is made under another name and renamed, so it is there whole or not at all. It is gone before the guest runs again:
//! a guest goes on from it once.
use crate::{
    bundle::{Bundle, CONFIG, VARS},
    config::{Config, Firmware},
    error::{Error, Result},
    files::{is_own_dir, open_plain, read_plain, replace_file, sync_dir},
    life::LifeError,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sigillo_keychain::anchor::{Anchored, Anchors, Seen};
use sigillo_messages::{text, words};
use std::{
    fs,
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};
use uuid::Uuid;

pub(crate) const DIR: &str = "suspended";
const BUILDING: &str = ".suspended.new";
const GONE: &str = ".suspended.old";
pub(crate) const MEMORY: &str = "memory";
const STATE: &str = "state.json";
pub(crate) const MACHINE: &str = "machine.toml";
/// All of them.
pub(crate) const FILES: [&str; 4] = [MEMORY, STATE, CONFIG, MACHINE];
const VERSION: u32 = 1;
/// Memory is moved so many bytes at a time.
const BLOCK: usize = 256 * 1024;
/// A longer `state.json` is none of ours.
const MAX_STATE: u64 = 256 * 1024;
/// Of so many tries to resume the store may bear the mark; a store that is older than that is refused.
const MAX_WRITERS: usize = 64;

/// What a saved state belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    pub(crate) version: u32,
    pub(crate) vm_uuid: Uuid,
    /// Seconds since 1970.
    pub(crate) suspended_unix_s: u64,
    /// QEMU's machine type with its version.
    pub(crate) machine: String,
    /// `kvm` or `tcg`.
    pub(crate) accel: String,
    pub(crate) memory_bytes: u64,
    pub(crate) memory_sha256: String,
    /// The disks, the images in drives and the firmware's variables.
    pub(crate) files: Vec<Stamp>,
    pub(crate) store: Option<SavedStore>,
}

/// How a file was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stamp {
    /// As `vm.toml` names it.
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// Of the last change: seconds since 1970, and nanoseconds. Absent for a block device, which has none.
    pub(crate) modified: Option<(i64, i64)>,
}

/// Which state of which store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedStore {
    pub(crate) file_uuid: Uuid,
    /// The last commit that was known.
    pub(crate) generation: u64,
    pub(crate) hash: String,
    /// The openings that may have written since: of the process that was suspended, which ends the TPM in good order after
    /// the guest is saved, and of those that tried to resume. In none of them did the guest run.
    pub(crate) writers: Vec<String>,
}

impl SavedStore {
    /// A store as its anchor has it while its TPM's process lives.
    pub(crate) fn of(seen: &Seen) -> Self {
        SavedStore {
            file_uuid: Uuid::from_bytes(seen.file_uuid),
            generation: seen.generation,
            hash: hex(&seen.hash),
            writers: vec![hex(&seen.session)],
        }
    }

    /// What the TPM's process is to compare its store with: a state, or one of the openings that wrote it last.
    pub(crate) fn goes_on(&self) -> Vec<String> {
        let state = format!("{}:{}", self.generation, self.hash);
        std::iter::once(state).chain(self.writers.iter().cloned()).collect()
    }
}

impl Stamp {
    /// A file as it is now, with all that was written to it durable.
    pub(crate) fn of(vm: &Bundle, path: &Path) -> Result<Self> {
        let full = vm.path().join(path);
        let failed = |e| Error::io(words!("do-look-at"), &full, e);
        let found = fs::metadata(&full).map_err(failed)?;
        if found.file_type().is_block_device() {
            let mut device = fs::File::open(&full).map_err(failed)?;
            device.sync_all().map_err(failed)?;
            let bytes = io::Seek::seek(&mut device, io::SeekFrom::End(0)).map_err(failed)?;
            return Ok(Stamp { path: path.to_owned(), bytes, modified: None });
        }
        let file = open_plain(&full).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        let modified = Some((found.mtime(), found.mtime_nsec()));
        Ok(Stamp { path: path.to_owned(), bytes: found.len(), modified })
    }
}

/// The files that the guest's memory has to fit, as `vm.toml` names them.
pub(crate) fn files_of(config: &Config) -> Vec<PathBuf> {
    let vars = (config.firmware == Firmware::Uefi).then(|| PathBuf::from(VARS));
    let images = config.cdroms.iter().map(|cdrom| cdrom.path.clone());
    config.disks.iter().map(|disk| disk.path.clone()).chain(images).chain(vars).collect()
}

/// What the host remembers of a VM's store now; `None` if it remembers nothing.
pub(crate) fn seen(anchors: &Anchors, vm: &Bundle, file_uuid: &[u8; 16]) -> Result<Option<Seen>> {
    let mut anchor = anchors.open(vm.config().uuid.as_bytes(), file_uuid)?;
    let store = || vm.store_path().unwrap_or_default();
    Ok(match anchor.read().map_err(|e| Error::io(words!("do-read-the-anchor-of"), &store(), e))? {
        Anchored::State(seen) => Some(seen),
        Anchored::Nothing | Anchored::Damaged => None,
    })
}

impl Bundle {
    /// Whether a saved state is there.
    pub(crate) fn is_suspended(&self) -> bool {
        self.saved_dir().join(STATE).symlink_metadata().is_ok()
    }

    pub(crate) fn saved_dir(&self) -> PathBuf {
        self.path().join(DIR)
    }

    /// Seconds since 1970 when the VM was suspended, and the bytes of its memory's file; `None` if it is not suspended or the
    /// saved state cannot be read.
    #[must_use]
    pub fn suspended_since(&self) -> Option<(u64, u64)> {
        let saved = Saved::of(self).ok()??;
        Some((saved.suspended_unix_s, saved.memory_bytes))
    }
}

impl Saved {
    /// The saved state of a VM, if there is one.
    pub(crate) fn of(vm: &Bundle) -> Result<Option<Self>> {
        if !vm.is_suspended() {
            return Ok(None);
        }
        let dir = vm.saved_dir();
        let path = dir.join(STATE);
        let damaged =
            |why: String| LifeError::Damaged { name: vm.name().to_owned(), path: path.clone(), why };
        if !is_own_dir(&dir).map_err(|e| Error::io(words!("do-look-at"), &dir, e))? {
            return Err(damaged(text!("its-dir-not-private")).into());
        }
        let bytes = read_plain(&path, MAX_STATE).map_err(|e| Error::io(words!("do-read"), &path, e))?;
        let saved = Self::parse(&bytes).map_err(damaged)?;
        if saved.vm_uuid != vm.config().uuid {
            return Err(damaged(text!("saved-foreign")).into());
        }
        Ok(Some(saved))
    }

    /// What a `state.json` says, if it can be one. The error is a sentence.
    pub(crate) fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let saved: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if saved.version != VERSION {
            return Err(text!("manifest-version", version = saved.version));
        }
        // It becomes a part of QEMU's command line.
        if !saved.machine.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)) {
            return Err(text!("saved-no-machine"));
        }
        Ok(saved)
    }

    /// Requires that everything the guest remembers is as it was, as far as that is seen without the store's key.
    pub(crate) fn require_fit(&self, vm: &Bundle) -> Result<()> {
        let name = || vm.name().to_owned();
        let path = vm.saved_dir().join(MEMORY);
        let damaged =
            |why: &str| LifeError::Damaged { name: name(), path: path.clone(), why: why.to_owned() };
        let memory = open_plain(&path).and_then(|file| file.metadata());
        let memory = memory.map_err(|e| damaged(&e.to_string()))?;
        if memory.len() != self.memory_bytes {
            return Err(damaged(&text!("memory-length")).into());
        }
        let saved = vm.saved_dir().join(CONFIG);
        // A VM that goes by another name is the same machine.
        let then = Config { name: name(), ..Config::read(&saved)? };
        if then != *vm.config() {
            return Err(LifeError::OtherConfig { name: name(), saved }.into());
        }
        let files = files_of(vm.config());
        if !files.iter().eq(self.files.iter().map(|stamp| &stamp.path)) {
            return Err(damaged(&text!("saved-disks")).into());
        }
        for stamp in &self.files {
            let path = vm.path().join(&stamp.path);
            let other = |what| Error::from(LifeError::OtherDisk { name: name(), path: path.clone(), what });
            let now = match Stamp::of(vm, &stamp.path) {
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    return Err(other(words!("disk-is-gone")));
                }
                now => now?,
            };
            if now != *stamp {
                return Err(other(words!("disk-was-changed")));
            }
        }
        Ok(())
    }

    /// The VM as the machine that was suspended.
    pub(crate) fn machine(&self, vm: &Bundle) -> Result<Bundle> {
        let path = vm.saved_dir().join(MACHINE);
        let config = Config { name: vm.name().to_owned(), ..Config::read(&path)? };
        // It says how the guest's devices are seen, and nothing of what they are.
        let same = config.uuid == vm.config().uuid && config.tpm == vm.config().tpm;
        if !same
            || config.disks != vm.config().disks
            || config.cdroms != vm.config().cdroms
            || config.firmware != vm.config().firmware
        {
            let why = text!("saved-machine-foreign");
            return Err(LifeError::Damaged { name: vm.name().to_owned(), path, why }.into());
        }
        Ok(vm.running_as(config))
    }

    /// Adds what the anchor has now to what the store may have been written by. Durable on return.
    pub(crate) fn add_writer(&mut self, vm: &Bundle, anchors: &Anchors) -> Result<()> {
        let Some(store) = &mut self.store else { return Ok(()) };
        let Some(seen) = seen(anchors, vm, store.file_uuid.as_bytes())? else { return Ok(()) };
        let session = hex(&seen.session);
        if !store.writers.contains(&session) {
            if store.writers.len() >= MAX_WRITERS {
                store.writers.remove(1);
            }
            store.writers.push(session);
            self.write(&vm.saved_dir())?;
        }
        Ok(())
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(STATE);
        let text =
            serde_json::to_vec_pretty(self).map_err(|e| Error::io(words!("do-write"), &path, e.into()))?;
        replace_file(&path, &text, 0o600)
    }
}

/// Where a saved state is made.
pub(crate) fn building_dir(vm: &Bundle) -> PathBuf {
    vm.path().join(BUILDING)
}

/// The same, emptied.
pub(crate) fn building(vm: &Bundle) -> Result<PathBuf> {
    let dir = building_dir(vm);
    remove_tree(&dir)?;
    fs::DirBuilder::new().mode(0o700).create(&dir).map_err(|e| Error::io(words!("do-make"), &dir, e))?;
    Ok(dir)
}

/// Gives what was made its name: from here on the VM is suspended.
pub(crate) fn publish(vm: &Bundle, building: &Path) -> Result<()> {
    sync_dir(building)?;
    let dir = vm.saved_dir();
    fs::rename(building, &dir).map_err(|e| Error::io(words!("do-rename"), building, e))?;
    sync_dir(vm.path())
}

/// Takes the saved state away: from here on the VM is not suspended any more.
pub(crate) fn retire(vm: &Bundle) -> Result<()> {
    let (dir, gone) = (vm.saved_dir(), vm.path().join(GONE));
    remove_tree(&gone)?;
    match fs::rename(&dir, &gone) {
        Ok(()) => sync_dir(vm.path())?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io(words!("do-rename"), &dir, e)),
    }
    // What counts is done. What cannot be removed now goes with the next sweep.
    let _ = remove_tree(&gone);
    Ok(())
}

/// Removes what interrupted commands left.
pub(crate) fn sweep(vm: &Bundle) -> Result<()> {
    remove_tree(&building_dir(vm))?;
    remove_tree(&vm.path().join(GONE))
}

/// Removes a directory of ours with all that is in it; a link in its place is removed and not followed.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io(words!("do-remove"), path, e)),
        _ => Ok(()),
    }
}

/// Reads a guest's memory to its end, a block at a time: how many octets there were, and their SHA-256. `each` is handed the block and how
/// many octets there are with it.
pub(crate) fn summed(
    mut input: impl Read,
    mut each: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<(u64, String)> {
    let mut sum = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut bytes: u64 = 0;
    loop {
        let got = match input.read(&mut block) {
            Ok(0) => return Ok((bytes, hex(&sum.finalize()))),
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let part = block.get(..got).unwrap_or_default();
        sum.update(part);
        bytes = bytes.saturating_add(got as u64);
        each(part, bytes)?;
    }
}

pub(crate) fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::with_capacity(octets.len().saturating_mul(2)), |mut text, octet| {
        // Writing to a String does not fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Create, Guest, Home, config::Accelerator};
    use sha2::{Digest, Sha256};

    fn suspended() -> (tempfile::TempDir, Bundle) {
        let dir = tempfile::tempdir().unwrap();
        let create = Create {
            name: "vm".to_owned(),
            guest: Guest::Linux,
            firmware: Firmware::Bios,
            memory_mib: 64,
            cpus: 1,
            accel: Accelerator::Tcg,
            disks: Vec::new(),
            new_disk_gib: Some(1),
        };
        let vm = Home::find(Some(dir.path())).create(&create).unwrap();
        let building = building(&vm).unwrap();
        fs::write(building.join(MEMORY), b"memory").unwrap();
        vm.config().write(&building.join(CONFIG)).unwrap();
        vm.config().write(&building.join(MACHINE)).unwrap();
        let files = files_of(vm.config());
        let saved = Saved {
            version: VERSION,
            vm_uuid: vm.config().uuid,
            suspended_unix_s: 7,
            machine: "pc-q35-7.2".to_owned(),
            accel: "tcg".to_owned(),
            memory_bytes: 6,
            memory_sha256: hex(&Sha256::digest(b"memory")),
            files: files.iter().map(|path| Stamp::of(&vm, path).unwrap()).collect(),
            store: None,
        };
        saved.write(&building).unwrap();
        assert!(!vm.is_suspended(), "only the name decides");
        publish(&vm, &building).unwrap();
        (dir, vm)
    }

    fn fits(vm: &Bundle) -> std::result::Result<(), String> {
        let checked = Saved::of(vm).and_then(|saved| {
            let saved = saved.unwrap();
            saved.require_fit(vm)?;
            saved.machine(vm).map(drop)
        });
        checked.map_err(|error| error.code().to_owned())
    }

    #[test]
    fn a_saved_state_fits_its_disks_its_configuration_and_nothing_else() {
        let (_dir, vm) = suspended();
        assert_eq!(vm.suspended_since(), Some((7, 6)));
        assert_eq!(vm.status().unwrap().as_str(), "suspended");
        fits(&vm).unwrap();
        let disk = vm.path().join("disk0.img");
        let file = fs::OpenOptions::new().write(true).open(&disk).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        io::Write::write_all(&mut &file, b"x").unwrap();
        assert_eq!(fits(&vm).unwrap_err(), "SIG_ERR_VM_SAVED_DISK");
        file.set_modified(modified).unwrap();
        fits(&vm).unwrap();
        file.set_len(5).unwrap();
        file.set_modified(modified).unwrap();
        assert_eq!(fits(&vm).unwrap_err(), "SIG_ERR_VM_SAVED_DISK");
        fs::remove_file(&disk).unwrap();
        assert_eq!(fits(&vm).unwrap_err(), "SIG_ERR_VM_SAVED_DISK");

        let (_dir, mut vm) = suspended();
        let config = vm.config().clone();
        vm.set_config(Config { name: "renamed".to_owned(), ..config.clone() }).unwrap();
        fits(&vm).unwrap();
        vm.set_config(Config { cpus: 2, ..config }).unwrap();
        assert_eq!(fits(&vm).unwrap_err(), "SIG_ERR_VM_SAVED_CONFIG");
    }

    #[test]
    fn a_saved_state_that_is_cut_foreign_or_from_elsewhere_is_refused() {
        let (_dir, vm) = suspended();
        let memory = vm.saved_dir().join(MEMORY);
        fs::write(&memory, b"memo").unwrap();
        assert_eq!(fits(&vm).unwrap_err(), "SIG_ERR_VM_SAVED_DAMAGED");
        fs::write(&memory, b"memory").unwrap();
        let state = vm.saved_dir().join(STATE);
        let text = fs::read_to_string(&state).unwrap();
        let other = Uuid::new_v4().to_string();
        for bad in [
            "{".to_owned(),
            text.replace("\"version\": 1", "\"version\": 2"),
            text.replace("pc-q35-7.2", "q35,accel=kvm"),
            text.replace(&vm.config().uuid.to_string(), &other),
            text.replace("disk0.img", "../disk0.img"),
            text.replace("\"store\"", "\"stores\""),
        ] {
            fs::write(&state, bad).unwrap();
            assert_eq!(fits(&vm).unwrap_err(), "SIG_ERR_VM_SAVED_DAMAGED");
        }
        fs::write(&state, text).unwrap();
        fits(&vm).unwrap();
        let other = Config { disks: Vec::new(), ..vm.config().clone() };
        other.write(&vm.saved_dir().join(MACHINE)).unwrap();
        assert_eq!(fits(&vm).unwrap_err(), "SIG_ERR_VM_SAVED_DAMAGED");
        vm.config().write(&vm.saved_dir().join(MACHINE)).unwrap();
        fits(&vm).unwrap();
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(vm.saved_dir(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(fits(&vm).unwrap_err(), "SIG_ERR_VM_SAVED_DAMAGED");
    }

    #[test]
    fn what_would_not_fit_any_more_is_refused_while_a_vm_is_suspended() {
        let (_dir, vm) = suspended();
        assert_eq!(vm.require_off(words!("doing-start")).unwrap_err().code(), "SIG_ERR_VM_SUSPENDED");
        vm.require_ended(words!("doing-start")).unwrap();
        crate::discard(&vm).unwrap();
        assert_eq!(crate::discard(&vm).unwrap_err().code(), "SIG_ERR_VM_NOT_SUSPENDED");
        vm.require_off(words!("doing-start")).unwrap();
        assert!(!vm.saved_dir().exists() && !vm.path().join(GONE).exists());
    }

    #[test]
    fn a_store_is_known_by_its_state_and_by_who_writes_it() {
        let seen =
            Seen { file_uuid: [1; 16], generation: 4, hash: [2; 32], session: [3; 32], seen_unix_s: 0 };
        let store = SavedStore::of(&seen);
        assert_eq!(store.goes_on(), [format!("4:{}", "02".repeat(32)), "03".repeat(32)]);
    }
}
