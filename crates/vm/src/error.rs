//! Everything that can go wrong with a virtual machine: what happened, what it means for the guest, what to do next.
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
         exist, so keys kept in the TPM would be lost to it. Import the disk into an ordinary VM \
         (`sigillo vm create NAME --disk FILE` with an image of it) and add the TPM there",
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
        "the TPM of VM {name:?} was not added: its password cannot be kept in the system keychain ({why}). \
         Nothing was changed. Make the keychain writable (see `sigillo keychain list`) and try again"
    )]
    KeychainSetup {
        /// The VM.
        name: String,
        /// The keychain's words.
        why: String,
    },
    /// The record is not there: the VM was moved, or the record deleted.
    #[error(
        "VM {name:?} was not started: the system keychain of this host has no record {record:?}, which holds the password \
         of its TPM store. The store was not touched. If the VM came from another host, bring the record from there; \
         if the record was deleted, restore the keychain from a backup. With the recovery code printed when the TPM was added, or \
         a passphrase, `sigillo tpm key restore-record {name:?}` makes a new record. Without all of these the guest's keys cannot \
         be recovered; a guest that uses BitLocker or LUKS with the TPM can still be opened with its recovery key"
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
         its TPM store, which was made or re-keyed under another password. The store was not touched. Bring the record \
         from the host where the VM ran last"
    )]
    KeychainRecordOther {
        /// The VM.
        name: String,
        /// The record's name.
        record: String,
        /// The key id of the record found.
        key_id: String,
    },
    /// The keychain cannot be read.
    #[error(
        "VM {name:?} was not started: the system keychain cannot be read ({why}). The TPM store was not touched"
    )]
    Keychain {
        /// The VM.
        name: String,
        /// The keychain's words.
        why: String,
    },
    /// The store refused.
    #[error("the TPM store of VM {name:?} cannot be used: {why}")]
    Store {
        /// The VM.
        name: String,
        /// The store's words.
        why: String,
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
    /// A key file or key set for Secure Boot that cannot be used.
    #[error("Secure Boot keys: {0}")]
    SecureBootKeys(String),
}

impl Error {
    /// The stable name of this kind of failure, as in `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
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
            Self::Store { .. } => "SIG_ERR_TPM_STORE",
            Self::HostPart { .. } => "SIG_ERR_HOST_PART_MISSING",
            Self::Worker { .. } => "SIG_ERR_TPM_START",
            Self::Qemu { .. } => "SIG_ERR_VM_START",
            Self::NoKvm { .. } => "SIG_ERR_VM_NO_KVM",
            Self::Qmp(_) => "SIG_ERR_VM_MONITOR",
            Self::StopTimeout { .. } => "SIG_ERR_VM_STOP_TIMEOUT",
            Self::RunDirectory(_) => "SIG_ERR_VM_RUN_DIRECTORY",
            Self::SecureBootKeys(_) => "SIG_ERR_SECURE_BOOT_KEYS",
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}
