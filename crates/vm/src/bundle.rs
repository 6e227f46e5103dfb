//! Bundles on disk: where they lie, how one is made, found and deleted.
use crate::{
    config::{self, Accelerator, Config, Disk, DiskFormat, Firmware, Guest},
    error::{Error, Result},
    files::{make_dirs, new_file, require_one_file, sync_dir},
    firmware,
    life::LifeError,
    snapshot,
};
use rustix::fs::{FlockOperation, RenameFlags};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::FileTypeExt,
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

    /// Makes a VM: whole, or not at all.
    ///
    /// # Errors
    /// A bad name, a name that is taken, a disk that cannot be read, firmware that is not installed.
    pub fn create(&self, create: &Create) -> Result<Bundle> {
        config::check_name(&create.name).map_err(Error::Name)?;
        let path = self.bundle_path(&create.name);
        if path.exists() {
            return Err(Error::Exists { path });
        }
        make_dirs(&self.0, 0o700)?;
        let uuid = Uuid::new_v4();
        let building = self.0.join(format!(".{uuid}.new"));
        let made = self.fill(create, uuid, &building).and_then(|()| {
            // The rename decides between two creations of one name.
            rustix::fs::renameat_with(
                rustix::fs::CWD,
                &building,
                rustix::fs::CWD,
                &path,
                RenameFlags::NOREPLACE,
            )
            .map_err(|e| match e {
                rustix::io::Errno::EXIST => Error::Exists { path: path.clone() },
                e => Error::io("make", &path, e.into()),
            })?;
            sync_dir(&self.0)?;
            Bundle::load(&path)
        });
        if made.is_err() && building.exists() {
            fs::remove_dir_all(&building).map_err(|e| Error::io("remove", &building, e))?;
        }
        made
    }

    fn fill(&self, create: &Create, uuid: Uuid, building: &Path) -> Result<()> {
        make_dirs(building, 0o700)?;
        let mut disks = Vec::new();
        for source in &create.disks {
            disks.push(import_disk(source, building, disks.len())?);
        }
        if let Some(gib) = create.new_disk_gib {
            let path = PathBuf::from(format!("disk{}.img", disks.len()));
            let full = building.join(&path);
            let file = new_file(&full, 0o600)?;
            file.set_len(u64::from(gib) << 30).map_err(|e| Error::io("size", &full, e))?;
            disks.push(Disk { path, format: DiskFormat::Raw });
        }
        if create.firmware == Firmware::Uefi {
            firmware::plain_vars(&building.join(VARS))?;
        }
        let config = Config {
            version: config::VERSION,
            uuid,
            name: create.name.clone(),
            guest: create.guest,
            firmware: create.firmware,
            secure_boot: false,
            memory_mib: create.memory_mib,
            cpus: create.cpus,
            accel: create.accel,
            disks,
            tpm: None,
        };
        config.write(&building.join(CONFIG))
    }

    fn bundle_path(&self, name: &str) -> PathBuf {
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
        self.require_ended("deleting it")?;
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

    /// The same bundle as the machine that this configuration makes of it.
    pub(crate) fn running_as(&self, config: Config) -> Self {
        Self { path: self.path.clone(), config }
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

    /// Requires that the VM is off for good: what is suspended would not fit any more what `action` changes. A revert to a
    /// snapshot that was interrupted is brought to its end before.
    pub(crate) fn require_off(&self, action: &'static str) -> Result<()> {
        self.require_ended(action)?;
        if self.is_suspended() {
            return Err(LifeError::Suspended { name: self.config.name.clone(), action }.into());
        }
        Ok(())
    }

    /// Requires that no process of the VM lives; it may be suspended.
    pub(crate) fn require_ended(&self, action: &'static str) -> Result<()> {
        if self.status()?.is_off() {
            snapshot::finish(self)
        } else {
            Err(Error::Running { name: self.config.name.clone(), action })
        }
    }
}

fn import_disk(source: &Path, bundle: &Path, index: usize) -> Result<Disk> {
    let source = fs::canonicalize(source).map_err(|e| Error::io("find", source, e))?;
    let qcow2 = source.extension().is_some_and(|e| e.eq_ignore_ascii_case("qcow2"));
    let format = if qcow2 { DiskFormat::Qcow2 } else { DiskFormat::Raw };
    let kind = fs::metadata(&source).map_err(|e| Error::io("read", &source, e))?.file_type();
    if kind.is_block_device() {
        return Ok(Disk { path: source, format: DiskFormat::Raw });
    }
    if qcow2 {
        require_one_file(&source).map_err(|e| Error::io("import", &source, e))?;
    }
    let name = PathBuf::from(format!("disk{index}.{}", if qcow2 { "qcow2" } else { "img" }));
    copy_sparse(&source, &bundle.join(&name))?;
    Ok(Disk { path: name, format })
}

/// Copies a disk image, leaving holes where it is zero.
fn copy_sparse(from: &Path, to: &Path) -> Result<()> {
    let mut source = File::open(from).map_err(|e| Error::io("open", from, e))?;
    let mut target = new_file(to, 0o600)?;
    let mut block = vec![0u8; 1 << 20];
    let mut length = 0u64;
    loop {
        let got = source.read(&mut block).map_err(|e| Error::io("read", from, e))?;
        let Some(part) = block.get(..got).filter(|part| !part.is_empty()) else { break };
        let step = u64::try_from(got).map_err(|e| Error::io("read", from, std::io::Error::other(e)))?;
        if part.iter().any(|byte| *byte != 0) {
            target
                .seek(SeekFrom::Start(length))
                .and_then(|_| target.write_all(part))
                .map_err(|e| Error::io("write", to, e))?;
        }
        length += step;
    }
    target.set_len(length).and_then(|()| target.sync_all()).map_err(|e| Error::io("write", to, e))
}
