//! Everything that can go wrong with a virtual machine: what happened, what it means for the guest, what to do next.
use crate::file_system::{self, Trouble};
use crate::identity::IdentityError;
use crate::libvirt::LibvirtError;
use crate::life::LifeError;
use sigillo_keychain::{anchor::AnchorError, audit::AuditError};
use sigillo_messages::{Words, text};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Shorthand for this crate's results.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of a VM operation. `docs/errors.md` explains every code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("{}", text!("io", action, path = path.display(), source))]
    Io {
        /// A verb: open, read, write.
        action: Words,
        /// On what.
        path: PathBuf,
        /// The reason given.
        source: io::Error,
    },
    /// There is no space left.
    #[error("{}", text!("file-system-full", place = place.display(), mount = mount.display()))]
    Full {
        /// What was to be written lies in this directory.
        place: PathBuf,
        /// Where its file system is mounted.
        mount: PathBuf,
    },
    /// Nothing can be written there.
    #[error("{}", text!("file-system-read-only", place = place.display(), mount = mount.display()))]
    ReadOnly {
        /// What was to be written lies in this directory.
        place: PathBuf,
        /// Where its file system is mounted.
        mount: PathBuf,
    },
    /// `vm.toml` is not usable.
    #[error("{}", text!("vm-config", path = path.display(), what))]
    Config {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong with it.
        what: String,
    },
    /// Nothing goes by that name.
    #[error("{}", text!("vm-not-found", ?name, home = home.display()))]
    NotFound {
        /// As asked for.
        name: String,
        /// Where it was looked for.
        home: PathBuf,
    },
    /// The name is taken.
    #[error("{}", text!("vm-exists", path = path.display()))]
    Exists {
        /// The bundle in the way.
        path: PathBuf,
    },
    /// A name that cannot be a VM's.
    #[error("{0}")]
    Name(String),
    /// The operation needs the VM off.
    #[error("{}", text!("vm-running", ?name, action))]
    Running {
        /// The VM.
        name: String,
        /// What was wanted.
        action: Words,
    },
    /// Another sigillo command works on the VM.
    #[error("{}", text!("vm-busy", ?name))]
    Busy {
        /// The VM.
        name: String,
    },
    /// The VM is not running.
    #[error("{}", text!("vm-not-running", ?name))]
    NotRunning {
        /// The VM.
        name: String,
    },
    /// S2.
    #[error("{}", text!("tpm-legacy-bios", ?name))]
    LegacyBios {
        /// The VM.
        name: String,
    },
    /// S15.
    #[error("{}", text!("tpm-physical-disk", ?name, disk = disk.display()))]
    PhysicalDisk {
        /// The VM.
        name: String,
        /// The block device.
        disk: PathBuf,
    },
    /// The VM has a TPM.
    #[error("{}", text!("tpm-exists", ?name))]
    TpmExists {
        /// The VM.
        name: String,
    },
    /// The keychain could not be written.
    #[error("{}", text!("tpm-keychain-setup", ?name, code, why))]
    KeychainSetup {
        /// The VM.
        name: String,
        /// The keychain's code.
        code: &'static str,
        /// The keychain's words.
        why: String,
    },
    /// The record is not there: the VM was moved, or the record deleted.
    #[error("{}", text!("tpm-record-missing", ?name, ?record, quoted = for_shell(record)))]
    KeychainRecordMissing {
        /// The VM.
        name: String,
        /// The record's name.
        record: String,
    },
    /// The record is for another store.
    #[error("{}", text!("tpm-record-other", ?name, ?record, key_id, hint))]
    KeychainRecordOther {
        /// The VM.
        name: String,
        /// The record's name.
        record: String,
        /// The key id of the record found.
        key_id: String,
        /// What to do.
        hint: String,
    },
    /// The keychain cannot be read.
    #[error("{}", text!("vm-keychain", ?name, code, why))]
    Keychain {
        /// The VM.
        name: String,
        /// The keychain's code.
        code: &'static str,
        /// The keychain's words.
        why: String,
    },
    /// The store refused.
    #[error("{}", text!("vm-store", ?name, why))]
    Store {
        /// The VM.
        name: String,
        /// The store's code.
        code: &'static str,
        /// The store's words.
        why: String,
    },
    /// The store is gone.
    #[error("{}", text!("vm-store-gone", ?name, store = store.display(), hint))]
    StoreGone {
        /// The VM.
        name: String,
        /// Where it should be.
        store: PathBuf,
        /// What to do.
        hint: String,
    },
    /// An older state was put back.
    #[error("{}", text!("tpm-rolled-back", ?name, #by, seen))]
    RolledBack {
        /// The VM.
        name: String,
        /// Commits that are missing.
        by: u64,
        /// A date.
        seen: String,
    },
    /// A state of another history.
    #[error("{}", text!("tpm-twin", ?name, generation, seen))]
    Twin {
        /// The VM.
        name: String,
        /// A commit that differs.
        generation: u64,
        /// A date.
        seen: String,
    },
    /// Another store of the same VM.
    #[error("{}", text!("tpm-other-store", ?name))]
    OtherStore {
        /// The VM.
        name: String,
    },
    /// The anchor says nothing.
    #[error("{}", text!("tpm-anchor", ?name))]
    AnchorUnreadable {
        /// The VM.
        name: String,
    },
    /// A copy of the store is alive.
    #[error("{}", text!(
        "tpm-in-use", ?name, holder = pid.map_or_else(|| text!("another-process"), |pid| text!("process-pid", pid))
    ))]
    InUse {
        /// The VM.
        name: String,
        /// Who runs it, where the system tells.
        pid: Option<u32>,
    },
    /// An anchor cannot be used.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// A verb of the VM's life.
    #[error(transparent)]
    Life(#[from] LifeError),
    /// Between sigillo and libvirt.
    #[error(transparent)]
    Libvirt(#[from] LibvirtError),
    /// What was to be done could not be logged.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The host's configuration cannot be used.
    #[error("{}", text!("host-config", path = path.display(), what))]
    HostConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// No backup, or more than one.
    #[error("{}", text!("tpm-backup", ?name, why))]
    Backup {
        /// The VM.
        name: String,
        /// Why.
        why: String,
    },
    /// The backup's record is not here.
    #[error("{}", text!("tpm-backup-record", ?name, key_ids))]
    BackupRecord {
        /// The VM.
        name: String,
        /// The keys that would open it.
        key_ids: String,
    },
    /// A part of the host that the VM needs is not installed.
    #[error("{}", text!("host-part", what, path = path.display(), package))]
    HostPart {
        /// In words.
        what: Words,
        /// Where it was looked for.
        path: PathBuf,
        /// What brings it.
        package: &'static str,
    },
    /// The TPM's process did not come up.
    #[error("{}", text!("vm-worker", ?name, why))]
    Worker {
        /// The VM.
        name: String,
        /// The code of what it said, or this crate's own.
        code: String,
        /// Its own words.
        why: String,
    },
    /// The serial log's process did not come up.
    #[error("{}", text!("vm-serial-log", ?name, why))]
    SerialLog {
        /// The VM.
        name: String,
        /// Its own words.
        why: String,
    },
    /// QEMU did not come up.
    #[error("{}", text!("vm-qemu", ?name, why))]
    Qemu {
        /// The VM.
        name: String,
        /// Its own words.
        why: String,
    },
    /// The firmware's variables are cut, or something else.
    #[error("{}", text!("vm-variables", ?name, path = path.display(), why, template = template.display()))]
    FirmwareVariables {
        /// The VM.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What a fresh one is a copy of.
        template: PathBuf,
    },
    /// `accel = "kvm"` on a host that cannot.
    #[error("{}", text!("vm-no-kvm", ?name, why))]
    NoKvm {
        /// The VM.
        name: String,
        /// What the probe saw.
        why: String,
    },
    /// The QEMU monitor did not answer as it should.
    #[error("{}", text!("vm-monitor", why = .0))]
    Qmp(String),
    /// The guest ignored the power button.
    #[error("{}", text!("vm-stop-timeout", ?name, seconds))]
    StopTimeout {
        /// The VM.
        name: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// No directory for sockets.
    #[error("{}", text!("vm-run-directory", why = .0))]
    RunDirectory(String),
    /// A VM's identity or place.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A key file or key set for Secure Boot that cannot be used.
    #[error("{}", text!("secure-boot-keys", why = .0))]
    SecureBootKeys(String),
    /// A host's disk that cannot be imported.
    #[error("{}", text!("vm-import-disk", disk = disk.display(), why))]
    ImportDisk {
        /// The block device.
        disk: PathBuf,
        /// Why.
        why: String,
    },
    /// A new VM was asked for that no `vm.toml` could describe.
    #[error("{}", text!("vm-draft", why = .0))]
    Impossible(String),
    /// What a person made of a new VM's `vm.toml`.
    #[error("{}", text!("vm-draft", why = .0))]
    Draft(String),
    /// A disk that cannot grow.
    #[error("{}", text!("vm-disk-size", disk = disk.display(), why))]
    DiskSize {
        /// The image.
        disk: PathBuf,
        /// Why.
        why: String,
    },
    /// A screen that cannot be shown.
    #[error("{}", text!("vm-not-started", ?name, why))]
    Display {
        /// The VM.
        name: String,
        /// Why, and what to do.
        why: String,
    },
    /// A device that cannot be added or removed.
    #[error("{}", text!("vm-hardware", ?name, why))]
    Hardware {
        /// The VM.
        name: String,
        /// Why, and what to do.
        why: String,
    },
    /// No TPM to remove, or to have keys to.
    #[error("{}", text!("tpm-none", ?name))]
    NoTpm {
        /// The VM.
        name: String,
    },
    /// The administrator does not want it.
    #[error("{}", text!("tpm-policy", ?name, file = file.display(), why))]
    TpmPolicy {
        /// The VM.
        name: String,
        /// The host's file.
        file: PathBuf,
        /// What it says.
        why: String,
    },
    /// The host cannot run one.
    #[error("{}", text!("tpm-unavailable", ?name, why))]
    TpmUnavailable {
        /// The VM.
        name: String,
        /// What is missing, and what brings it.
        why: String,
    },
}

impl Error {
    /// The stable name of this kind of failure, as in `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Io { .. } => "SIG_ERR_IO",
            Self::Full { .. } => "SIG_ERR_DISK_FULL",
            Self::ReadOnly { .. } => "SIG_ERR_READ_ONLY",
            Self::Config { .. } => "SIG_ERR_VM_CONFIG",
            Self::NotFound { .. } => "SIG_ERR_VM_NOT_FOUND",
            Self::Exists { .. } => "SIG_ERR_VM_EXISTS",
            Self::Name(_) => "SIG_ERR_VM_NAME",
            Self::Running { .. } => "SIG_ERR_VM_RUNNING",
            Self::Busy { .. } => "SIG_ERR_VM_BUSY",
            Self::NotRunning { .. } => "SIG_ERR_VM_NOT_RUNNING",
            Self::LegacyBios { .. } => "SIG_ERR_TPM_LEGACY_BIOS",
            Self::PhysicalDisk { .. } => "SIG_ERR_TPM_PHYSICAL_DISK",
            Self::TpmExists { .. } => "SIG_ERR_TPM_EXISTS",
            Self::KeychainSetup { .. } => "SIG_ERR_TPM_SETUP_KEYCHAIN_FAILED",
            Self::KeychainRecordMissing { .. } => "SIG_ERR_TPM_RECORD_MISSING",
            Self::KeychainRecordOther { .. } => "SIG_ERR_TPM_RECORD_OTHER",
            Self::Keychain { .. } => "SIG_ERR_KEYCHAIN",
            Self::Store { code, .. } => code,
            Self::StoreGone { .. } => "SIG_ERR_STORE_NOT_FOUND",
            Self::RolledBack { .. } => "SIG_ERR_TPM_ROLLED_BACK",
            Self::Twin { .. } => "SIG_ERR_TPM_TWIN",
            Self::OtherStore { .. } => "SIG_ERR_TPM_OTHER_STORE",
            Self::AnchorUnreadable { .. } => "SIG_ERR_TPM_ANCHOR",
            Self::InUse { .. } => "SIG_ERR_TPM_IN_USE",
            Self::Anchor(error) => error.code(),
            Self::Life(error) => error.code(),
            Self::Libvirt(error) => error.code(),
            Self::Audit(error) => error.code(),
            Self::HostConfig { .. } => "SIG_ERR_HOST_CONFIG",
            Self::Backup { .. } => "SIG_ERR_TPM_BACKUP",
            Self::BackupRecord { .. } => "SIG_ERR_TPM_BACKUP_RECORD",
            Self::HostPart { .. } => "SIG_ERR_HOST_PART_MISSING",
            Self::Worker { code, .. } => code,
            Self::SerialLog { .. } => "SIG_ERR_VM_SERIAL_LOG",
            Self::Qemu { .. } => "SIG_ERR_VM_START",
            Self::FirmwareVariables { .. } => "SIG_ERR_FIRMWARE_VARIABLES",
            Self::NoKvm { .. } => "SIG_ERR_VM_NO_KVM",
            Self::Qmp(_) => "SIG_ERR_VM_MONITOR",
            Self::StopTimeout { .. } => "SIG_ERR_VM_STOP_TIMEOUT",
            Self::RunDirectory(_) => "SIG_ERR_VM_RUN_DIRECTORY",
            Self::Identity(error) => error.code(),
            Self::SecureBootKeys(_) => "SIG_ERR_SECURE_BOOT_KEYS",
            Self::ImportDisk { .. } => "SIG_ERR_VM_IMPORT_DISK",
            Self::Impossible(_) => "SIG_ERR_USAGE",
            Self::Draft(_) => "SIG_ERR_VM_DRAFT",
            Self::DiskSize { .. } => "SIG_ERR_VM_DISK_SIZE",
            Self::Display { .. } => "SIG_ERR_VM_DISPLAY",
            Self::Hardware { .. } => "SIG_ERR_VM_HARDWARE",
            Self::NoTpm { .. } => "SIG_ERR_TPM_NONE",
            Self::TpmPolicy { .. } => "SIG_ERR_TPM_POLICY",
            Self::TpmUnavailable { .. } => "SIG_ERR_TPM_UNAVAILABLE",
        }
    }

    pub(crate) fn io(action: Words, path: &Path, source: io::Error) -> Self {
        let Some(trouble) = Trouble::of(&source) else {
            return Self::Io { action, path: path.to_owned(), source };
        };
        let place = file_system::place_of(path);
        let mount = file_system::mount_of(&place);
        match trouble {
            Trouble::Full => Self::Full { place, mount },
            Trouble::ReadOnly => Self::ReadOnly { place, mount },
        }
    }
}

/// A record's name, which has braces, as a shell takes it.
fn for_shell(record: &str) -> String {
    format!("'{record}'")
}
