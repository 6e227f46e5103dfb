//! Bundles on disk: where they lie, how one is made and found.
use crate::{
    config::{self, Accelerator, Config, Disk, Firmware, Guest},
    error::{Error, Result},
    files::is_own_dir,
    identity::{IdentityError, hidden},
    libvirt,
    life::LifeError,
    plan::Plan,
    snapshot,
};
use rustix::fs::FlockOperation;
use sigillo_messages::{Words, text, words};
use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use uuid::Uuid;

const SUFFIX: &str = ".sigillo";
pub(crate) const CONFIG: &str = "vm.toml";
pub(crate) const VARS: &str = "firmware-vars.fd";
/// Where root's VMs are.
pub(crate) const ROOT_HOME: &str = "/var/lib/sigillo/vms";
/// The TPM store's usual name.
pub(crate) const STORE: &str = "tpm.store";

/// The directory that holds a user's VMs.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

/// What a new VM is made of.
#[derive(Clone, Debug)]
pub struct Create {
    /// The VM's name.
    pub name: String,
    /// What will run in it.
    pub guest: Guest,
    /// What starts it.
    pub firmware: Firmware,
    /// In MiB.
    pub memory_mib: u32,
    /// Virtual processors.
    pub cpus: u32,
    /// How they are run.
    pub accel: Accelerator,
    /// Disk images to copy into the bundle; host block devices are used where they are.
    pub disks: Vec<PathBuf>,
    /// A new, empty raw disk of so many GiB.
    pub new_disk_gib: Option<u32>,
}

/// One virtual machine on disk.
#[derive(Clone, Debug)]
pub struct Bundle {
    path: PathBuf,
    config: Config,
}

/// Held while a command changes, starts or stops a VM.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that is just being started holds a copy of the descriptor until it has become
        // another program. It fails for no descriptor of ours.
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

impl Home {
    /// The directory given, else `SIGILLO_HOME`, else `/var/lib/sigillo/vms` for root and
    /// `~/.local/share/sigillo/vms` for others.
    #[must_use]
    pub fn find(given: Option<&Path>) -> Self {
        if let Some(path) = given {
            return Self(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        }
        let env = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(path) = env("SIGILLO_HOME") {
            return Self(std::path::absolute(&path).unwrap_or(path));
        }
        if rustix::process::geteuid().is_root() {
            return Self(PathBuf::from(ROOT_HOME));
        }
        let data = env("XDG_DATA_HOME").or_else(|| env("HOME").map(|home| home.join(".local/share")));
        Self(data.unwrap_or_else(|| PathBuf::from(".")).join("sigillo/vms"))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether a bundle is one of these VMs, by its own name or by a link to where it was moved.
    pub(crate) fn holds(&self, vm: &Bundle) -> bool {
        vm.path.parent() == Some(&self.0)
            && vm.path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
    }

    /// All bundles by name; one whose configuration cannot be used is listed with the reason.
    ///
    /// # Errors
    /// When the directory cannot be read; one that does not exist is empty.
    pub fn list(&self) -> Result<Vec<(String, Result<Bundle>)>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io(words!("do-read"), &self.0, e)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| Error::io(words!("do-read"), &self.0, e))?.path();
            let name = path.file_name().and_then(OsStr::to_str).and_then(|n| n.strip_suffix(SUFFIX));
            if let Some(name) = name.filter(|n| !n.is_empty() && !n.starts_with('.')) {
                all.push((name.to_owned(), Self::load(name, &path)));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
    }

    /// The VM of that name or UUID (with or without braces), or, where it has a slash, at that path.
    ///
    /// # Errors
    /// [`Error::NotFound`], or what is wrong with its configuration.
    pub fn open(&self, name: &str) -> Result<Bundle> {
        let not_found = || Error::NotFound { name: name.to_owned(), home: self.0.clone() };
        if config::check_name(name).is_ok() {
            let path = self.bundle_path(name);
            if path.join(CONFIG).exists() || path.is_symlink() {
                return Self::load(name, &path);
            }
        }
        if name.contains('/') && Path::new(name).join(CONFIG).exists() {
            return self.open_path(Path::new(name));
        }
        let Ok(uuid) = Uuid::parse_str(name) else { return Err(not_found()) };
        self.list()?
            .into_iter()
            .filter_map(|(_, bundle)| bundle.ok())
            .find(|bundle| bundle.config.uuid == uuid)
            .ok_or_else(not_found)
    }

    /// A bundle in this directory, or one that was moved from here. Its directory's name is the VM's: a bundle that was renamed has
    /// another one in it until it is next written.
    fn load(name: &str, path: &Path) -> Result<Bundle> {
        if let Ok(to) = fs::read_link(path) {
            let away = |why: String| IdentityError::Away {
                name: name.to_owned(),
                path: to.clone(),
                link: path.to_owned(),
                why,
            };
            match is_own_dir(&to) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(away(text!("it-dir-not-own")).into());
                }
                Err(e) => return Err(away(e.to_string()).into()),
            }
        }
        let mut bundle = Bundle::load(path)?;
        if config::check_name(name).is_ok() {
            name.clone_into(&mut bundle.config.name);
        }
        Ok(bundle)
    }

    /// A bundle anywhere. One of this directory is opened as such.
    fn open_path(&self, path: &Path) -> Result<Bundle> {
        let real = fs::canonicalize(path).map_err(|e| Error::io(words!("do-find"), path, e))?;
        let unusable = |why: &str| {
            Error::io(
                words!("do-use"),
                &real,
                std::io::Error::new(std::io::ErrorKind::InvalidInput, why.to_owned()),
            )
        };
        if hidden::is_unfinished(&real) {
            return Err(unusable(&text!("copy-not-whole")));
        }
        if !is_own_dir(&real).map_err(|e| Error::io(words!("do-use"), &real, e))? {
            return Err(unusable(&text!("it-dir-not-own")));
        }
        for (name, bundle) in self.list()? {
            if bundle.is_ok_and(|bundle| fs::canonicalize(&bundle.path).is_ok_and(|there| there == real)) {
                return Self::load(&name, &self.bundle_path(&name));
            }
        }
        Bundle::load(&real)
    }

    /// Makes a VM with its guest's defaults: whole, or not at all.
    ///
    /// # Errors
    /// A bad name, a name that is taken, a disk that cannot be read, firmware that is not installed.
    pub fn create(&self, create: &Create) -> Result<Bundle> {
        self.make(&Plan::new(create)?, &mut |_, _| {})
    }

    pub(crate) fn bundle_path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}{SUFFIX}"))
    }
}

impl Bundle {
    /// Reads the bundle at `path`.
    ///
    /// # Errors
    /// What is wrong with its configuration.
    pub fn load(path: &Path) -> Result<Self> {
        let config = Config::read(&path.join(CONFIG))?;
        Ok(Self { path: path.to_owned(), config })
    }

    /// The bundle's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The VM's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The TPM store's path, if the VM has a TPM.
    #[must_use]
    pub fn store_path(&self) -> Option<PathBuf> {
        self.config.tpm.as_ref().map(|tpm| self.path.join(&tpm.store))
    }

    /// A disk's place on the host.
    #[must_use]
    pub fn disk_path(&self, disk: &Disk) -> PathBuf {
        self.path.join(&disk.path)
    }

    pub(crate) fn set_place(&mut self, path: PathBuf, name: &str) {
        self.path = path;
        name.clone_into(&mut self.config.name);
    }

    pub(crate) fn set_config(&mut self, config: Config) -> Result<()> {
        config.write(&self.path.join(CONFIG))?;
        self.config = config;
        Ok(())
    }

    /// The same VM with something changed that is not written to its file.
    pub(crate) fn with_config(&self, change: impl FnOnce(&mut Config)) -> Result<Self> {
        let mut config = self.config.clone();
        change(&mut config);
        config.require_possible(&self.path.join(CONFIG))?;
        Ok(Self { path: self.path.clone(), config })
    }

    /// The same bundle as the machine that this configuration makes of it.
    pub(crate) fn running_as(&self, config: Config) -> Self {
        Self { path: self.path.clone(), config }
    }

    /// Takes the VM for one command. The lock goes with the process.
    pub(crate) fn lock(&self) -> Result<Lock> {
        lock_dir(&self.path).map(Lock).map_err(|e| match e.kind() {
            std::io::ErrorKind::WouldBlock => Error::Busy { name: self.config.name.clone() },
            // Another command deleted, renamed or moved it since it was found.
            std::io::ErrorKind::NotFound => Error::NotFound {
                name: self.config.name.clone(),
                home: self.path.parent().unwrap_or(&self.path).to_owned(),
            },
            _ => Error::io(words!("do-lock"), &self.path, e),
        })
    }

    /// As [`Bundle::lock`], and reads the configuration again: another command may have changed it since it was read.
    pub(crate) fn lock_as_it_is(&mut self) -> Result<Lock> {
        let lock = self.lock()?;
        let name = std::mem::take(&mut self.config.name);
        self.config = Config { name, ..Config::read(&self.path.join(CONFIG))? };
        Ok(lock)
    }

    /// Requires that the VM is off for good: what is suspended would not fit any more what `action` changes. A revert to a
    /// snapshot that was interrupted is brought to its end before.
    pub(crate) fn require_off(&self, action: Words) -> Result<()> {
        self.require_ended(action)?;
        if self.is_suspended() {
            return Err(LifeError::Suspended { name: self.config.name.clone(), action }.into());
        }
        Ok(())
    }

    /// Requires that no process of the VM lives; it may be suspended.
    pub(crate) fn require_ended(&self, action: Words) -> Result<()> {
        if self.status()?.is_off() {
            libvirt::finish(self)?;
            snapshot::finish(self)
        } else {
            Err(Error::Running { name: self.config.name.clone(), action })
        }
    }
}

/// Opens and locks a bundle's directory, or one that becomes a bundle. Fails with `WouldBlock` where somebody has it, and where it was
/// moved away or replaced in the meantime.
pub(crate) fn lock_dir(path: &Path) -> std::io::Result<File> {
    let dir = File::open(path)?;
    match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(std::io::ErrorKind::WouldBlock.into()),
        Err(e) => return Err(e.into()),
    }
    let same =
        |found: &fs::Metadata, now: &fs::Metadata| (found.dev(), found.ino()) == (now.dev(), now.ino());
    if fs::metadata(path).is_ok_and(|now| dir.metadata().is_ok_and(|found| same(&found, &now))) {
        return Ok(dir);
    }
    Err(std::io::ErrorKind::WouldBlock.into())
}
