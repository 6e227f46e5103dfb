//! Which VM is which, and where: clones, names, places, deletion, and VMs on their way between hosts.
//!
//! Nothing here takes a VM's TPM away without being told to, and each verb has one moment before which nothing happened and after
//! which all of it did. What a crash leaves is a hidden entry of the home, whose name says what is to become of it:
//! [`hidden`]. Why it is so: `docs/adr/0023-identity.md`.
mod archive;
mod clone;
#[cfg(test)]
mod crashes;
mod delete;
mod error;
pub(crate) mod hidden;
mod place;
mod transfer;
mod undelete;

pub use archive::{Flaw, Manifest, Member, check_export, forged_export};
pub use clone::{CloneTpm, CloneVm, Cloned, clone_vm};
pub use delete::{Deleted, delete_vm, kept_backups};
pub use error::IdentityError;
pub use hidden::Swept;
pub use place::{move_vm, rename_vm};
pub use transfer::{Exported, export_vm, import_vm};
pub use undelete::undelete;

pub(crate) use delete::{entries_of, forget_kept, kept_stores};
pub(crate) use hidden::stores_in;
