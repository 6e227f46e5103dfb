//! Bundles on disk: where they lie, how one is made, found and deleted.
use crate::{
    config::{self, Accelerator, Config, Disk, Firmware, Guest},
    error::{Error, Result},
    plan::Plan,
};
use rustix::fs::FlockOperation;
use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
};
use uuid::Uuid;

const SUFFIX: &str = ".sigillo";
pub(crate) const CONFIG: &str = "vm.toml";
pub(crate) const VARS: &str = "firmware-vars.fd";
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
            return Self(PathBuf::from("/var/lib/sigillo/vms"));
        }
        let data = env("XDG_DATA_HOME").or_else(|| env("HOME").map(|home| home.join(".local/share")));
        Self(data.unwrap_or_else(|| PathBuf::from(".")).join("sigillo/vms"))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// All bundles by name; one whose configuration cannot be used is listed with the reason.
    ///
    /// # Errors
    /// When the directory cannot be read; one that does not exist is empty.
    pub fn list(&self) -> Result<Vec<(String, Result<Bundle>)>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io("read", &self.0, e)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| Error::io("read", &self.0, e))?.path();
            let name = path.file_name().and_then(OsStr::to_str).and_then(|n| n.strip_suffix(SUFFIX));
            if let Some(name) = name.filter(|n| !n.is_empty() && !n.starts_with('.')) {
                all.push((name.to_owned(), Bundle::load(&path)));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
    }

    /// The VM of that name or UUID (with or without braces).
    ///
    /// # Errors
    /// [`Error::NotFound`], or what is wrong with its configuration.
    pub fn open(&self, name: &str) -> Result<Bundle> {
        let not_found = || Error::NotFound { name: name.to_owned(), home: self.0.clone() };
        if config::check_name(name).is_ok() {
            let path = self.bundle_path(name);
            if path.join(CONFIG).exists() {
                return Bundle::load(&path);
            }
        }
        let Ok(uuid) = Uuid::parse_str(name) else { return Err(not_found()) };
        self.list()?
            .into_iter()
            .filter_map(|(_, bundle)| bundle.ok())
            .find(|bundle| bundle.config.uuid == uuid)
            .ok_or_else(not_found)
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

    /// Deletes the bundle and everything in it. The keychain record stays: it is the caller's to keep or delete.
    ///
    /// # Errors
    /// [`Error::Running`], or what the operating system says.
    pub fn delete(self) -> Result<()> {
        let _lock = self.lock()?;
        self.require_off("deleting it")?;
        // Out of sight first: a crash half way leaves no half VM in the list.
        let away = self.path.with_file_name(format!(".{}.deleted", self.config.uuid));
        fs::rename(&self.path, &away).map_err(|e| Error::io("move", &self.path, e))?;
        fs::remove_dir_all(&away).map_err(|e| Error::io("remove", &away, e))
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

    /// Takes the VM for one command. The lock goes with the process.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let dir = File::open(&self.path).map_err(|e| Error::io("open", &self.path, e))?;
        match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock(dir)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Busy { name: self.config.name.clone() }),
            Err(e) => Err(Error::io("lock", &self.path, e.into())),
        }
    }

    pub(crate) fn require_off(&self, action: &'static str) -> Result<()> {
        if self.status()?.is_off() {
            Ok(())
        } else {
            Err(Error::Running { name: self.config.name.clone(), action })
        }
    }
}
