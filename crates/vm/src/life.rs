//! What can go wrong when a VM is suspended, resumed, or taken to a snapshot; and how far a long step has come.
use std::path::PathBuf;

/// Is told how far a step has come: its name, and bytes done of bytes in all (zero where that is not known).
pub type Watch<'a> = &'a mut dyn FnMut(&'static str, u64, u64);

/// A failure of a verb of a VM's life.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifeError {
    /// The operation would part the saved state from what belongs to it.
    #[error(
        "VM {name:?} is suspended: {action} would make its saved state useless. Nothing was changed. Resume it and shut the guest \
         down, or give the saved state up with `sigillo vm resume {name:?} --discard`, which is to the guest as pulling the plug"
    )]
    Suspended {
        /// The VM.
        name: String,
        /// What was wanted.
        action: &'static str,
    },
    /// There is no saved state.
    #[error("VM {name:?} is not suspended; `sigillo vm start {name:?}` starts it")]
    NotSuspended {
        /// The VM.
        name: String,
    },
    /// The console is where QEMU was started.
    #[error(
        "VM {name:?} has its serial console on the terminal it was started from with --serial; shut it down there and start it \
         without --serial to reach its console from anywhere"
    )]
    NoConsole {
        /// The VM.
        name: String,
    },
    /// One at a time.
    #[error(
        "another terminal is at the serial console of VM {name:?}; leave it there with Ctrl-] first. The guest is not affected"
    )]
    ConsoleTaken {
        /// The VM.
        name: String,
    },
    /// The guest was not saved.
    #[error("VM {name:?} was not suspended: {why}. {guest}")]
    NotSaved {
        /// The VM.
        name: String,
        /// The reason.
        why: String,
        /// What the guest does now.
        guest: &'static str,
    },
    /// The saved state is not whole.
    #[error(
        "VM {name:?} was not resumed: its saved state {path} cannot be used: {why}. Nothing was changed. If a copy of it is \
         somewhere, put it back; otherwise `sigillo vm resume {name:?} --discard` gives the saved state up: disks and TPM stay, and \
         the guest starts as after pulling the plug", path = path.display()
    )]
    Damaged {
        /// The VM.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The store went on without the guest.
    #[error(
        "VM {name:?} was not resumed: its TPM store is not the one that the saved state belongs to: it was used since, put back \
         from a copy, or is another one. The guest would meet a TPM that does not fit its memory. Nothing was changed. Put the store \
         back that was there when the VM was suspended, or give the saved state up with `sigillo vm resume {name:?} --discard`: the \
         guest then starts with the store that is there"
    )]
    OtherStore {
        /// The VM.
        name: String,
    },
    /// A disk went on without the guest.
    #[error(
        "VM {name:?} was not resumed: {path} {what} since it was suspended. A guest that goes on over another disk than it \
         remembers destroys its file systems. Nothing was changed. Put that file back as it was (time of last change included), or \
         give the saved state up with `sigillo vm resume {name:?} --discard`: the guest then starts anew from the disks as they are",
        path = path.display()
    )]
    OtherDisk {
        /// The VM.
        name: String,
        /// The disk, or the firmware's variables.
        path: PathBuf,
        /// What happened to it.
        what: &'static str,
    },
    /// The configuration is another one.
    #[error(
        "VM {name:?} was not resumed: its vm.toml was changed since it was suspended, and a running guest's hardware cannot change. \
         Nothing was changed. Put back what {saved} has, or give the saved state up with `sigillo vm resume {name:?} --discard`",
        saved = saved.display()
    )]
    OtherConfig {
        /// The VM.
        name: String,
        /// The configuration as it was.
        saved: PathBuf,
    },
    /// The record that opens the store is not there.
    #[error(
        "VM {name:?} was not resumed: the system keychain of this host has no record {record:?}, which holds the password of its TPM \
         store. Nothing was changed; a suspended VM never gets another TPM. Bring the record from the host where the VM was \
         suspended, or make a new one with the recovery code or a passphrase: `sigillo tpm key restore-record {name:?}`"
    )]
    RecordMissing {
        /// The VM.
        name: String,
        /// The record's name.
        record: String,
    },
    /// The guest could not be brought back.
    #[error(
        "VM {name:?} was not resumed: {why}. The saved state was kept: try again where it was suspended, with the same QEMU, or \
         give it up with `sigillo vm resume {name:?} --discard`"
    )]
    NotLoaded {
        /// The VM.
        name: String,
        /// The reason.
        why: String,
    },
    /// Nothing goes by that name.
    #[error(
        "VM {name:?} has no snapshot {snapshot:?}. `sigillo vm snapshot list {name:?}` shows those it has"
    )]
    NoSnapshot {
        /// The VM.
        name: String,
        /// As asked for.
        snapshot: String,
    },
    /// More than one goes by that name.
    #[error("{snapshot:?} fits more than one snapshot of VM {name:?}; name it by its id or by more of it")]
    Ambiguous {
        /// The VM.
        name: String,
        /// As asked for.
        snapshot: String,
    },
    /// The name is taken, or cannot be one.
    #[error("a snapshot cannot be called {snapshot:?}: {why}. Nothing was changed; choose another name")]
    SnapshotName {
        /// As asked for.
        snapshot: String,
        /// Why.
        why: String,
    },
    /// A disk that no snapshot can hold.
    #[error(
        "VM {name:?} can have no snapshots: its disk {disk} does not lie in its bundle, so it could not be taken back together with \
         the TPM. Nothing was changed. Copy the disk into the bundle and name it in vm.toml", disk = disk.display()
    )]
    ForeignDisk {
        /// The VM.
        name: String,
        /// The disk.
        disk: PathBuf,
    },
    /// The snapshot is not whole.
    #[error(
        "the snapshot {snapshot:?} of VM {name:?} cannot be used: {path}: {why}. Nothing was changed. If a copy of the bundle is \
         somewhere, put that file back; `sigillo vm snapshot delete` removes the snapshot", path = path.display()
    )]
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
    #[error(
        "VM {name:?} was not taken back to {snapshot:?}: the snapshot's TPM store opens with key {key_ids}, which no record of this \
         host's keychain has, because the store was encrypted anew or the TPM replaced since. Nothing was changed. Bring that \
         record back (`sigillo keychain copy`, or a backup of the keychain) as {record}, and try again"
    )]
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
    #[error(
        "VM {name:?} was not deleted: its bundle holds {what}, which would be gone with it. Nothing was changed; \
         `--with-snapshots` deletes all of it"
    )]
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
            Self::NoConsole { .. } | Self::ConsoleTaken { .. } => "SIG_ERR_VM_CONSOLE",
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
