//! What can go wrong with a VM's identity and place.
use std::path::PathBuf;
use uuid::Uuid;

/// Why a VM was not cloned, moved, deleted, exported or imported. `docs/errors.md` explains every code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The VM is suspended.
    #[error(
        "VM {name:?} is suspended: its disks, its memory and its TPM belong together as they are, so {action} needs it off. Nothing \
         was changed. Start it, shut the guest down, and try again"
    )]
    Suspended {
        /// The VM.
        name: String,
        /// What was wanted.
        action: &'static str,
    },
    /// A disk of the host.
    #[error(
        "VM {name:?} uses the host's disk {disk}: {action} would need a copy of a whole disk that others may be writing. \
         Nothing was changed. Put an image of that disk into the VM first", disk = disk.display()
    )]
    HostDisk {
        /// The VM.
        name: String,
        /// The block device.
        disk: PathBuf,
        /// What was wanted.
        action: &'static str,
    },
    /// The bundle is not whole.
    #[error(
        "the bundle of VM {name:?} is not whole: {what}. Nothing was changed. A bundle that was copied while the VM ran, or whose \
         copy was interrupted, looks so: copy it anew from where it came"
    )]
    NotWhole {
        /// The VM.
        name: String,
        /// What is missing or strange.
        what: String,
    },
    /// The store in the bundle is another VM's.
    #[error(
        "the store {store} in the bundle of VM {name:?} belongs to another VM, so the bundle is not one VM. Nothing was \
         changed. Put the VM's own store back", store = store.display()
    )]
    ForeignStore {
        /// The VM.
        name: String,
        /// The store.
        store: PathBuf,
    },
    /// The record that the store needs is not here.
    #[error(
        "the TPM of VM {name:?} was not copied: the system keychain of this host has no record {record:?} that opens its store. \
         Nothing was made. Bring the record (`sigillo keychain copy`), or clone with `--tpm replace`, which needs none"
    )]
    NoRecord {
        /// The VM.
        name: String,
        /// The record's name.
        record: String,
    },
    /// A VM with this UUID is here.
    #[error(
        "a VM with the UUID {uuid} is here already: {there:?}. Two VMs of one UUID would share one keychain record and one TPM, so \
         nothing was imported. To go on with the one in the file, delete the one that is here (`sigillo vm delete`: its TPM is kept); \
         for a second VM beside it, `sigillo vm clone {there:?} NAME`"
    )]
    UuidTaken {
        /// The UUID.
        uuid: Uuid,
        /// The VM that is here.
        there: String,
    },
    /// A VM cannot be put there.
    #[error("VM {name:?} was not moved: {path}: {why}. It is where it was", path = path.display())]
    Place {
        /// The VM.
        name: String,
        /// Where it should go.
        path: PathBuf,
        /// What is wrong with that.
        why: String,
    },
    /// The VM is not in the home.
    #[error(
        "{path} is not one of the VMs in {home}, and only those are {action}. Nothing was changed. Rename or move the directory itself \
         while the VM is off, or move it to {home} first",
        path = path.display(), home = home.display()
    )]
    NotInHome {
        /// The bundle.
        path: PathBuf,
        /// The home.
        home: PathBuf,
        /// What was wanted.
        action: &'static str,
    },
    /// Nothing is kept of such a VM, or more than one thing.
    #[error(
        "nothing was brought back of the deleted VM {which:?}: {why}. Nothing was changed. `sigillo tpm restore-backup --list` shows what is \
         kept of deleted VMs"
    )]
    NotKept {
        /// What was asked for.
        which: String,
        /// What is there.
        why: String,
    },
    /// The deleted VM, or a copy of it, is here again.
    #[error(
        "a VM with the UUID {uuid} is here again: {there:?}, so nothing else becomes one. Nothing was changed. `sigillo tpm restore-backup \
         {there:?}` gives it the TPM that was kept"
    )]
    IsBack {
        /// The UUID.
        uuid: Uuid,
        /// The VM that is here.
        there: String,
    },
    /// A moved VM is not where it was moved to.
    #[error(
        "VM {name:?} was moved to {path}, where it is not now: {why}. Bring back the file system it lies on; if the VM is somewhere else, \
         `sigillo vm start PATH` starts it there, and {link} is a link that can be removed",
        path = path.display(), link = link.display()
    )]
    Away {
        /// The VM.
        name: String,
        /// Where it should be.
        path: PathBuf,
        /// The link in the home.
        link: PathBuf,
        /// Why it is not used.
        why: String,
    },
    /// The file of an export is not one.
    #[error("{path} was not imported: it is no exported VM ({what}). Nothing was changed. Check the path", path = path.display())]
    NotAnExport {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        what: String,
    },
    /// A later release wrote it.
    #[error(
        "{path} was not imported: it has format {version}, which a later sigillo wrote. Nothing was changed. Use that release, or export the \
         VM with this one", path = path.display()
    )]
    ExportTooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
    /// The file is damaged, or was made to do harm.
    #[error(
        "{path} was not imported: {what}. Nothing of it is on this host. The file is cut or was changed on the way: copy it anew and \
         compare checksums, or export the VM again", path = path.display()
    )]
    ExportDamaged {
        /// The file.
        path: PathBuf,
        /// What does not hold.
        what: String,
    },
    /// A file of that name is there.
    #[error("{path} is already there; the VM was not exported. Choose another name, or remove that file", path = path.display())]
    ExportExists {
        /// The file.
        path: PathBuf,
    },
}

impl IdentityError {
    /// The stable name of this kind of failure, as in `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Suspended { .. } => "SIG_ERR_VM_SUSPENDED",
            Self::HostDisk { .. } => "SIG_ERR_VM_HOST_DISK",
            Self::NotWhole { .. } => "SIG_ERR_VM_NOT_WHOLE",
            Self::ForeignStore { .. } => "SIG_ERR_TPM_STORE",
            Self::NoRecord { .. } => "SIG_ERR_TPM_RECORD_MISSING",
            Self::UuidTaken { .. } => "SIG_ERR_VM_UUID_EXISTS",
            Self::Place { .. } => "SIG_ERR_VM_PLACE",
            Self::NotInHome { .. } => "SIG_ERR_VM_NOT_IN_HOME",
            Self::IsBack { .. } => "SIG_ERR_VM_UUID_EXISTS",
            Self::NotKept { .. } => "SIG_ERR_VM_NOT_KEPT",
            Self::Away { .. } => "SIG_ERR_VM_AWAY",
            Self::NotAnExport { .. } => "SIG_ERR_VM_EXPORT_FORMAT",
            Self::ExportTooNew { .. } => "SIG_ERR_VM_EXPORT_TOO_NEW",
            Self::ExportDamaged { .. } => "SIG_ERR_VM_EXPORT_DAMAGED",
            Self::ExportExists { .. } => "SIG_ERR_VM_EXPORT_EXISTS",
        }
    }
}
