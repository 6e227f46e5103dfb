//! Everything that can go wrong with a virtual machine: what happened, what it means for the guest, what to do next.
use crate::identity::IdentityError;
use crate::libvirt::LibvirtError;
use crate::life::LifeError;
use sigillo_keychain::{anchor::AnchorError, audit::AuditError};
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
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// A verb: open, read, write.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The reason given.
        source: io::Error,
    },
    /// `vm.toml` is not usable.
    #[error("{path}: {what}. The VM was not touched; correct the file and try again", path = path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong with it.
        what: String,
    },
    /// Nothing goes by that name.
    #[error("there is no VM {name:?} in {home}. `sigillo vm list -a` shows what is there", home = home.display())]
    NotFound {
        /// As asked for.
        name: String,
        /// Where it was looked for.
        home: PathBuf,
    },
    /// The name is taken.
    #[error("{path} is already there; choose another name or delete that VM first", path = path.display())]
    Exists {
        /// The bundle in the way.
        path: PathBuf,
    },
    /// A name that cannot be a VM's.
    #[error("{0}")]
    Name(String),
    /// The operation needs the VM off.
    #[error(
        "VM {name:?} is running: {action} needs it off. Shut the guest down or run `sigillo vm stop {name:?}` first"
    )]
    Running {
        /// The VM.
        name: String,
        /// What was wanted.
        action: &'static str,
    },
    /// Another sigillo command works on the VM.
    #[error("another sigillo command is at work on VM {name:?}; wait for it to end and try again")]
    Busy {
        /// The VM.
        name: String,
    },
    /// The VM is not running.
    #[error("VM {name:?} is not running")]
    NotRunning {
        /// The VM.
        name: String,
    },
    /// S2.
    #[error(
        "VM {name:?} starts from a legacy BIOS, and the TPM works only with UEFI firmware: the guest would not be measured \
         and Secure Boot is impossible. A guest installed for BIOS does not start under UEFI, so the firmware of this VM \
         cannot be changed; make a new VM with `sigillo vm create NAME --firmware uefi` and install the guest there"
    )]
    LegacyBios {
        /// The VM.
        name: String,
    },
    /// S15.
    #[error(
        "VM {name:?} uses the host's disk {disk}: the same system can be started outside the VM, where its TPM does not \
         exist, so keys kept in the TPM would be lost to it. Import the disk into an ordinary VM and add the TPM there: \
         `sigillo vm create NAME --import-disk {disk}` copies it into an image and leaves it as it is",
        disk = disk.display()
    )]
    PhysicalDisk {
        /// The VM.
        name: String,
        /// The block device.
        disk: PathBuf,
    },
    /// The VM has a TPM.
    #[error("VM {name:?} already has a TPM; it was not touched")]
    TpmExists {
        /// The VM.
        name: String,
    },
    /// The keychain could not be written.
    #[error(
        "the TPM of VM {name:?} was not added: its password cannot be kept in the system keychain ({code}: {why}). \
         Nothing was changed. Make the keychain writable (see `sigillo keychain list`) and try again"
    )]
    KeychainSetup {
        /// The VM.
        name: String,
        /// The keychain's code.
        code: &'static str,
        /// The keychain's words.
        why: String,
    },
    /// The record is not there: the VM was moved, or the record deleted.
    #[error(
        "VM {name:?} was not started: it is tied to the host it was made on, or ran on last, because the password of its TPM store is in \
         the record {record:?}, which the system keychain of this host does not have. The store was not touched. Two ways bring it: \
         (1) carry the record in a keychain file: on that host `sigillo keychain create carry.kdbx` and `sigillo keychain copy \
         '{record}' --from system --to carry.kdbx`, then on this one `sigillo keychain copy '{record}' --from carry.kdbx --to \
         system` (also from a keychain file kept as a backup); (2) with the recovery code printed when the TPM was added, or a passphrase, \
         `sigillo tpm key restore-record {name:?}` makes a new record. Without either the guest's keys cannot be recovered; a guest \
         that uses BitLocker or LUKS with the TPM can still be opened with its recovery key, and `sigillo vm start {name:?} \
         --when-record-missing new` keeps the store as a backup and gives the VM a new TPM"
    )]
    KeychainRecordMissing {
        /// The VM.
        name: String,
        /// The record's name.
        record: String,
    },
    /// The record is for another store.
    #[error(
        "VM {name:?} was not started: the record {record:?} of this host's system keychain (key id {key_id}) does not open \
         its TPM store, which was made or re-keyed under another password. The store was not touched. {hint}"
    )]
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
    #[error(
        "the system keychain cannot be used for VM {name:?} ({code}: {why}). That is not a missing record: the TPM store was \
         not touched, and the VM not started"
    )]
    Keychain {
        /// The VM.
        name: String,
        /// The keychain's code.
        code: &'static str,
        /// The keychain's words.
        why: String,
    },
    /// The store refused.
    #[error("the TPM store of VM {name:?} cannot be used: {why}")]
    Store {
        /// The VM.
        name: String,
        /// The store's code.
        code: &'static str,
        /// The store's words.
        why: String,
    },
    /// The store is gone.
    #[error(
        "VM {name:?} was not started: its TPM store {store} is not there. {hint}", store = store.display()
    )]
    StoreGone {
        /// The VM.
        name: String,
        /// Where it should be.
        store: PathBuf,
        /// What to do.
        hint: String,
    },
    /// An older state was put back.
    #[error(
        "VM {name:?} was not started: its TPM store was rolled back by {by} commits, last seen {seen}. Counters, failed tries and \
         what the guest removed since then would be undone. Nothing was changed. Put the newest store back; if it is lost, or the \
         VM was taken back on purpose, `sigillo vm start {name:?} --when-rolled-back accept` goes on from the older one"
    )]
    RolledBack {
        /// The VM.
        name: String,
        /// Commits that are missing.
        by: u64,
        /// A date.
        seen: String,
    },
    /// A state of another history.
    #[error(
        "VM {name:?} was not started: its TPM store is a twin: at commit {generation} or before it left the history that this \
         host saw last {seen}, so a copy of the VM went on by itself elsewhere. Nothing was changed. Find out which of the two \
         the guest shall go on with and put that store here; `sigillo vm start {name:?} --when-rolled-back accept` goes on \
         with this one"
    )]
    Twin {
        /// The VM.
        name: String,
        /// A commit that differs.
        generation: u64,
        /// A date.
        seen: String,
    },
    /// Another store of the same VM.
    #[error(
        "VM {name:?} was not started: its TPM store is another one than the VM ran with last on this host: another TPM to the \
         guest. Nothing was changed. Put the VM's own store back (`sigillo tpm restore-backup` does that with a backup); if this \
         one is right, `sigillo vm start {name:?} --when-rolled-back accept`"
    )]
    OtherStore {
        /// The VM.
        name: String,
    },
    /// The anchor says nothing.
    #[error(
        "VM {name:?} was not started: what this host remembers of its TPM store is damaged, so it cannot be told whether the store \
         was rolled back. Nothing was changed. If you are sure of the store, `sigillo vm start {name:?} --when-rolled-back \
         accept` begins to remember anew"
    )]
    AnchorUnreadable {
        /// The VM.
        name: String,
    },
    /// A copy of the store is alive.
    #[error(
        "VM {name:?} was not started: {holder} on this host runs a copy of its TPM store. One TPM may not run twice: the guests \
         would undo each other's changes. Nothing was changed. Stop the other VM; a copied VM needs a TPM of its own",
        holder = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
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
    #[error(
        "{path}: {what}. It says what is done when a TPM's record is missing or its store was rolled back, so no VM is \
         started without it; correct the file and try again", path = path.display()
    )]
    HostConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// No backup, or more than one.
    #[error(
        "no backup of the TPM of VM {name:?} was restored: {why}. Nothing was changed; `sigillo tpm restore-backup {name:?} --list` shows them"
    )]
    Backup {
        /// The VM.
        name: String,
        /// Why.
        why: String,
    },
    /// The backup's record is not here.
    #[error(
        "no backup of the TPM of VM {name:?} was restored: the system keychain has no record with key {key_ids}. Nothing was \
         changed, and the VM keeps the TPM it has. Bring the record from the host the VM came from and try again"
    )]
    BackupRecord {
        /// The VM.
        name: String,
        /// The keys that would open it.
        key_ids: String,
    },
    /// A part of the host that the VM needs is not installed.
    #[error("{what} is not there: {path}. Install Debian's package {package}", path = path.display())]
    HostPart {
        /// In words.
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// What brings it.
        package: &'static str,
    },
    /// The TPM's process did not come up.
    #[error("VM {name:?} was not started: its TPM did not come up: {why}")]
    Worker {
        /// The VM.
        name: String,
        /// The code of what it said, or this crate's own.
        code: String,
        /// Its own words.
        why: String,
    },
    /// QEMU did not come up.
    #[error("VM {name:?} was not started: QEMU did not come up: {why}")]
    Qemu {
        /// The VM.
        name: String,
        /// Its own words.
        why: String,
    },
    /// `accel = "kvm"` on a host that cannot.
    #[error(
        "VM {name:?} was not started: it asks for KVM, and this host's KVM does not do: {why}. Set accel = \"auto\""
    )]
    NoKvm {
        /// The VM.
        name: String,
        /// What the probe saw.
        why: String,
    },
    /// The QEMU monitor did not answer as it should.
    #[error("QEMU's monitor: {0}")]
    Qmp(String),
    /// The guest ignored the power button.
    #[error(
        "VM {name:?} did not shut down within {seconds} s. The guest may be ignoring the power button; \
         `sigillo vm stop {name:?} --force` ends it at once, as pulling the plug would"
    )]
    StopTimeout {
        /// The VM.
        name: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// No directory for sockets.
    #[error("no private directory for the VM's sockets: {0}")]
    RunDirectory(String),
    /// A VM's identity or place.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A key file or key set for Secure Boot that cannot be used.
    #[error("Secure Boot keys: {0}")]
    SecureBootKeys(String),
    /// A host's disk that cannot be imported.
    #[error("{disk} was not imported, and it was not changed: {why}", disk = disk.display())]
    ImportDisk {
        /// The block device.
        disk: PathBuf,
        /// Why.
        why: String,
    },
    /// What a person made of a new VM's `vm.toml`.
    #[error("no VM was made: {0}")]
    Draft(String),
    /// A disk that cannot grow.
    #[error("the disk {disk} was not made larger: {why}", disk = disk.display())]
    DiskSize {
        /// The image.
        disk: PathBuf,
        /// Why.
        why: String,
    },
    /// A screen that cannot be shown.
    #[error("VM {name:?} was not started: {why}")]
    Display {
        /// The VM.
        name: String,
        /// Why, and what to do.
        why: String,
    },
    /// A device that cannot be added or removed.
    #[error("the hardware of VM {name:?} was not changed: {why}")]
    Hardware {
        /// The VM.
        name: String,
        /// Why, and what to do.
        why: String,
    },
    /// No TPM to remove.
    #[error("VM {name:?} has no TPM; nothing was changed. `sigillo tpm add {name:?}` gives it one")]
    NoTpm {
        /// The VM.
        name: String,
    },
    /// The administrator does not want it.
    #[error(
        "VM {name:?} gets no TPM: the policy of this host ({file}) {why}. Nothing was changed. Ask the host's administrator, \
         who can change that file",
        file = file.display()
    )]
    TpmPolicy {
        /// The VM.
        name: String,
        /// The host's file.
        file: PathBuf,
        /// What it says.
        why: String,
    },
    /// The host cannot run one.
    #[error(
        "VM {name:?} gets no TPM: this host cannot run one: {why}. Nothing was changed; `sigillo availability` shows what is \
         needed"
    )]
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
            Self::Qemu { .. } => "SIG_ERR_VM_START",
            Self::NoKvm { .. } => "SIG_ERR_VM_NO_KVM",
            Self::Qmp(_) => "SIG_ERR_VM_MONITOR",
            Self::StopTimeout { .. } => "SIG_ERR_VM_STOP_TIMEOUT",
            Self::RunDirectory(_) => "SIG_ERR_VM_RUN_DIRECTORY",
            Self::Identity(error) => error.code(),
            Self::SecureBootKeys(_) => "SIG_ERR_SECURE_BOOT_KEYS",
            Self::ImportDisk { .. } => "SIG_ERR_VM_IMPORT_DISK",
            Self::Draft(_) => "SIG_ERR_VM_DRAFT",
            Self::DiskSize { .. } => "SIG_ERR_VM_DISK_SIZE",
            Self::Display { .. } => "SIG_ERR_VM_DISPLAY",
            Self::Hardware { .. } => "SIG_ERR_VM_HARDWARE",
            Self::NoTpm { .. } => "SIG_ERR_TPM_NONE",
            Self::TpmPolicy { .. } => "SIG_ERR_TPM_POLICY",
            Self::TpmUnavailable { .. } => "SIG_ERR_TPM_UNAVAILABLE",
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}
