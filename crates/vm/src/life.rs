//! What can go wrong when a VM is suspended, resumed, or taken to a snapshot; and how far a long step has come.
use sigillo_messages::{Words, text};
use std::path::PathBuf;

/// Is told how far a step has come: its name, and bytes done of bytes in all (zero where that is not known).
pub type Watch<'a> = &'a mut dyn FnMut(Words, u64, u64);

/// A failure of a verb of a VM's life.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifeError {
    /// The operation would part the saved state from what belongs to it.
    #[error("{}", text!("vm-suspended", ?name, action))]
    Suspended {
        /// The VM.
        name: String,
        /// What was wanted.
        action: Words,
    },
    /// There is no saved state.
    #[error("{}", text!("vm-not-suspended", ?name))]
    NotSuspended {
        /// The VM.
        name: String,
    },
    /// The console is where QEMU was started.
    #[error("{}", text!("console-elsewhere", ?name))]
    NoConsole {
        /// The VM.
        name: String,
    },
    /// One at a time.
    #[error("{}", text!("console-taken", ?name))]
    ConsoleTaken {
        /// The VM.
        name: String,
    },
    /// libvirt has it.
    #[error("{}", text!("libvirt-console", ?name, uri))]
    LibvirtConsole {
        /// The VM.
        name: String,
        /// The connection.
        uri: String,
    },
    /// The guest was not saved.
    #[error("{}", text!("vm-not-saved", ?name, why, guest))]
    NotSaved {
        /// The VM.
        name: String,
        /// The reason.
        why: String,
        /// What the guest does now.
        guest: Words,
    },
    /// The saved state is not whole.
    #[error("{}", text!("saved-damaged", ?name, path = path.display(), why))]
    Damaged {
        /// The VM.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The store went on without the guest.
    #[error("{}", text!("saved-store", ?name))]
    OtherStore {
        /// The VM.
        name: String,
    },
    /// A disk went on without the guest.
    #[error("{}", text!("saved-disk", ?name, path = path.display(), what))]
    OtherDisk {
        /// The VM.
        name: String,
        /// The disk, or the firmware's variables.
        path: PathBuf,
        /// What happened to it.
        what: Words,
    },
    /// The configuration is another one.
    #[error("{}", text!("saved-config", ?name, saved = saved.display()))]
    OtherConfig {
        /// The VM.
        name: String,
        /// The configuration as it was.
        saved: PathBuf,
    },
    /// The record that opens the store is not there.
    #[error("{}", text!("saved-record-missing", ?name, ?record))]
    RecordMissing {
        /// The VM.
        name: String,
        /// The record's name.
        record: String,
    },
    /// The guest could not be brought back.
    #[error("{}", text!("vm-not-loaded", ?name, why))]
    NotLoaded {
        /// The VM.
        name: String,
        /// The reason.
        why: String,
    },
    /// Nothing goes by that name.
    #[error("{}", text!("snapshot-not-found", ?name, ?snapshot))]
    NoSnapshot {
        /// The VM.
        name: String,
        /// As asked for.
        snapshot: String,
    },
    /// More than one goes by that name.
    #[error("{}", text!("snapshot-ambiguous", ?snapshot, ?name))]
    Ambiguous {
        /// The VM.
        name: String,
        /// As asked for.
        snapshot: String,
    },
    /// The name is taken, or cannot be one.
    #[error("{}", text!("snapshot-name", ?snapshot, why))]
    SnapshotName {
        /// As asked for.
        snapshot: String,
        /// Why.
        why: String,
    },
    /// A disk that no snapshot can hold.
    #[error("{}", text!("snapshot-disk", ?name, disk = disk.display()))]
    ForeignDisk {
        /// The VM.
        name: String,
        /// The disk.
        disk: PathBuf,
    },
    /// The snapshot is not whole.
    #[error("{}", text!("snapshot-damaged", ?snapshot, ?name, path = path.display(), why))]
    SnapshotDamaged {
        /// The VM.
        name: String,
        /// The snapshot.
        snapshot: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The snapshot's store has a password that is nowhere.
    #[error("{}", text!("snapshot-key", ?name, ?snapshot, key_ids, record))]
    SnapshotKey {
        /// The VM.
        name: String,
        /// The snapshot.
        snapshot: String,
        /// The keys that would open it.
        key_ids: String,
        /// The name under which a record is looked for.
        record: String,
    },
    /// Deleting would take more with it.
    #[error("{}", text!("vm-holds-more", ?name, what))]
    HoldsMore {
        /// The VM.
        name: String,
        /// Snapshots, a saved state.
        what: String,
    },
}

impl LifeError {
    /// The stable name of this kind of failure, as in `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Suspended { .. } => "SIG_ERR_VM_SUSPENDED",
            Self::NotSuspended { .. } => "SIG_ERR_VM_NOT_SUSPENDED",
            Self::NoConsole { .. } | Self::ConsoleTaken { .. } | Self::LibvirtConsole { .. } => {
                "SIG_ERR_VM_CONSOLE"
            }
            Self::NotSaved { .. } => "SIG_ERR_VM_SUSPEND",
            Self::Damaged { .. } => "SIG_ERR_VM_SAVED_DAMAGED",
            Self::OtherStore { .. } => "SIG_ERR_VM_SAVED_STORE",
            Self::OtherDisk { .. } => "SIG_ERR_VM_SAVED_DISK",
            Self::OtherConfig { .. } => "SIG_ERR_VM_SAVED_CONFIG",
            Self::RecordMissing { .. } => "SIG_ERR_TPM_RECORD_MISSING",
            Self::NotLoaded { .. } => "SIG_ERR_VM_RESUME",
            Self::NoSnapshot { .. } => "SIG_ERR_SNAPSHOT_NOT_FOUND",
            Self::Ambiguous { .. } => "SIG_ERR_SNAPSHOT_AMBIGUOUS",
            Self::SnapshotName { .. } => "SIG_ERR_SNAPSHOT_NAME",
            Self::ForeignDisk { .. } => "SIG_ERR_SNAPSHOT_DISK",
            Self::SnapshotDamaged { .. } => "SIG_ERR_SNAPSHOT_DAMAGED",
            Self::SnapshotKey { .. } => "SIG_ERR_SNAPSHOT_KEY",
            Self::HoldsMore { .. } => "SIG_ERR_VM_HOLDS_MORE",
        }
    }
}
