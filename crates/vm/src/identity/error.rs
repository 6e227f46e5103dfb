//! What can go wrong with a VM's identity and place.
use sigillo_messages::{Words, text};
use std::path::PathBuf;
use uuid::Uuid;

/// Why a VM was not cloned, moved, deleted, exported or imported. `docs/errors.md` explains every code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The VM is suspended.
    #[error("{}", text!("identity-suspended", ?name, action))]
    Suspended {
        /// The VM.
        name: String,
        /// What was wanted.
        action: Words,
    },
    /// A disk of the host.
    #[error("{}", text!("identity-host-disk", ?name, disk = disk.display(), action))]
    HostDisk {
        /// The VM.
        name: String,
        /// The block device.
        disk: PathBuf,
        /// What was wanted.
        action: Words,
    },
    /// The bundle is not whole.
    #[error("{}", text!("identity-not-whole", ?name, what))]
    NotWhole {
        /// The VM.
        name: String,
        /// What is missing or strange.
        what: String,
    },
    /// The store in the bundle is another VM's.
    #[error("{}", text!("identity-foreign-store", store = store.display(), ?name))]
    ForeignStore {
        /// The VM.
        name: String,
        /// The store.
        store: PathBuf,
    },
    /// The record that the store needs is not here.
    #[error("{}", text!("identity-no-record", ?name, ?record))]
    NoRecord {
        /// The VM.
        name: String,
        /// The record's name.
        record: String,
    },
    /// A VM with this UUID is here.
    #[error("{}", text!("identity-uuid-taken", uuid, ?there))]
    UuidTaken {
        /// The UUID.
        uuid: Uuid,
        /// The VM that is here.
        there: String,
    },
    /// A VM cannot be put there.
    #[error("{}", text!("identity-place", ?name, path = path.display(), why))]
    Place {
        /// The VM.
        name: String,
        /// Where it should go.
        path: PathBuf,
        /// What is wrong with that.
        why: String,
    },
    /// The VM is not in the home.
    #[error("{}", text!("identity-not-in-home", path = path.display(), home = home.display(), action))]
    NotInHome {
        /// The bundle.
        path: PathBuf,
        /// The home.
        home: PathBuf,
        /// What was wanted.
        action: Words,
    },
    /// Nothing is kept of such a VM, or more than one thing.
    #[error("{}", text!("identity-not-kept", ?which, why))]
    NotKept {
        /// What was asked for.
        which: String,
        /// What is there.
        why: String,
    },
    /// The deleted VM, or a copy of it, is here again.
    #[error("{}", text!("identity-is-back", uuid, ?there))]
    IsBack {
        /// The UUID.
        uuid: Uuid,
        /// The VM that is here.
        there: String,
    },
    /// A moved VM is not where it was moved to.
    #[error("{}", text!("identity-away", ?name, path = path.display(), why, link = link.display()))]
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
    #[error("{}", text!("export-not-one", path = path.display(), what))]
    NotAnExport {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        what: String,
    },
    /// A later release wrote it.
    #[error("{}", text!("export-too-new", path = path.display(), version))]
    ExportTooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
    /// The file is damaged, or was made to do harm.
    #[error("{}", text!("export-damaged", path = path.display(), what))]
    ExportDamaged {
        /// The file.
        path: PathBuf,
        /// What does not hold.
        what: String,
    },
    /// A file of that name is there.
    #[error("{}", text!("export-exists", path = path.display()))]
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
