//! Virtual machines as bundles: a directory with a configuration a person can read, firmware variables, disks and the
//! TPM's store; and the hypervisor (QEMU) that runs them beside the TPM's own process.
//!
//! - [`Home`]: where bundles lie; [`Bundle`]: one of them; [`Config`]: its `vm.toml`.
//! - [`add_tpm`]: gives a VM that is off its TPM, Secure Boot firmware, an encrypted store and a keychain record.
//! - [`list_keys`], [`add_key`], [`rotate`], [`restore_record`]: the ways into the store.
//! - [`Host`]: what the host keeps for its VMs outside of them: the keychain, the audit log, the newest states seen.
//! - [`restore_backup`]: a TPM that was set aside comes back.
//! - [`Plan`]: a VM before it is made; [`hardware`]: its devices; [`windows_11`]: what it lacks for Windows 11.
//! - [`remove_tpm`]: takes the TPM out, and keeps its store as a backup; [`availability`]: where a TPM can be had.
//! - [`clone_vm`], [`rename_vm`], [`move_vm`], [`delete_vm`], [`export_vm`], [`import_vm`]: which VM is which, and where.
//! - [`start`], [`stop`], [`Bundle::status`]: the running machine.
//! - [`SerialWriter`]: what the guest says on its serial port, in files that are bounded.
//! - [`doctor`]: what is wrong with a host and its VMs, and what to do.
//! - [`variables`]: what firmware variables say of Secure Boot.
//! - [`certificate`]: what an EK certificate says it is.
//! - [`suspend`], [`discard`]: a guest's memory in its bundle; [`start`] goes on from it.
//! - [`snapshot()`], [`revert`]: states of a VM with its TPM that it can be taken back to.
//! - [`Hypervisor`]: QEMU directly, or a domain of libvirt's with the same verbs ([`LibvirtError`]).
//! - [`eventlog`]: the firmware's measurements, replayed to PCR values.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod accel;
pub mod availability;
mod backup;
mod bundle;
pub mod certificate;
pub mod config;
mod console;
mod copy;
mod crash;
mod display;
pub mod doctor;
mod error;
pub mod eventlog;
mod file_system;
mod files;
mod firmware;
mod guard;
mod hardware;
mod host;
mod identity;
mod image;
mod keys;
mod libvirt;
mod life;
mod needs;
mod open;
mod plan;
mod policy;
mod process;
mod qemu;
mod qmp;
mod removal;
mod resume;
mod rundir;
mod saved;
mod serial_log;
mod snapshot;
mod start;
mod stop;
mod suspend;
mod tpm;
mod upgrade;
pub mod variables;
mod whole;
mod worker;

pub use accel::{Accel, Choice, Reason};
pub use backup::{Backup, RestoredBackup, backups, restore_backup};
pub use bundle::{Bundle, Create, Home};
pub use config::{
    Accelerator, Bus, CPUS, Cdrom, Config, Disk, DiskFormat, Display, DisplayKind, Firmware, Forward, Guest,
    Hypervisor, Interface, MAX_CONFIG_BYTES, MEMORY_MIB, Network, NetworkModel, Tpm,
};
pub use console::Console;
pub use copy::Progress;
pub use error::{Error, Result};
pub use firmware::Keys;
pub use guard::announce_revert;
pub use hardware::{
    Device, Hardware, NewDevice, NewDisk, Offer, RemovedDevice, add_device, hardware, remove_device,
};
pub use host::{Event, Host, Question, Starter, loss};
pub use identity::{
    CloneTpm, CloneVm, Cloned, Deleted, Exported, Flaw, IdentityError, Manifest, Member, Swept, check_export,
    clone_vm, delete_vm, export_vm, forged_export, import_vm, kept_backups, move_vm, rename_vm, undelete,
};
pub use keys::{
    KeyList, KeysError, RecordState, Reencrypt, Reencrypted, Restored, Rotated, add_key, list_keys,
    reencrypt, remove_key, restore_record, rotate,
};
pub use libvirt::{LibvirtError, check_uri};
pub use life::{LifeError, Watch};
pub use needs::{Needed, OpenedStore, needed_by};
pub use plan::Plan;
pub use policy::{HostPolicy, KeychainPlace, WhenRecordMissing, WhenRolledBack};
pub use removal::{TpmRemoved, remove_tpm, require_removable};
pub use rundir::{RunState, Status};
pub use serial_log::SerialWriter;
pub use snapshot::{
    NewSnapshot, Reverted, Snapshot, delete_snapshot, find_snapshot, life_files_stay_inside,
    require_deletable, revert, snapshot, snapshot_store, snapshots,
};
pub use start::{Attach, Start, Started, start};
pub use stop::{Stop, Stopped, stop};
pub use suspend::{Suspended, discard, pause, suspend, unpause};
pub use tpm::{AddTpm, TpmAdded, add_tpm, record_name, require_addable};
pub use upgrade::{Requirement, raise, windows_11};
