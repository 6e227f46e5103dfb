//! Virtual machines as bundles: a directory with a configuration a person can read, firmware variables, disks and the
//! TPM's store; and the hypervisor (QEMU) that runs them beside the TPM's own process.
//!
//! - [`Home`]: where bundles lie; [`Bundle`]: one of them; [`Config`]: its `vm.toml`.
//! - [`add_tpm`]: gives a VM that is off its TPM, Secure Boot firmware, an encrypted store and a keychain record.
//! - [`list_keys`], [`add_key`], [`rotate`], [`restore_record`]: the ways into the store.
//! - [`Host`]: what the host keeps for its VMs outside of them: the keychain, the audit log, the newest states seen.
//! - [`restore_backup`]: a TPM that was set aside comes back.
//! - [`start`], [`stop`], [`Bundle::status`]: the running machine.
//! - [`suspend`], [`discard`]: a guest's memory in its bundle; [`start`] goes on from it.
//! - [`snapshot()`], [`revert`]: states of a VM with its TPM that it can be taken back to.
//! - [`eventlog`]: the firmware's measurements, replayed to PCR values.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod accel;
mod backup;
mod bundle;
pub mod config;
mod crash;
mod error;
pub mod eventlog;
mod files;
mod firmware;
mod guard;
mod host;
mod keys;
mod life;
mod open;
mod policy;
mod process;
mod qemu;
mod qmp;
mod resume;
mod rundir;
mod saved;
mod snapshot;
mod start;
mod stop;
mod suspend;
mod tpm;
mod worker;

pub use accel::{Accel, Choice};
pub use backup::{Backup, RestoredBackup, backups, restore_backup};
pub use bundle::{Bundle, Create, Home};
pub use config::{Accelerator, Config, Disk, DiskFormat, Firmware, Guest, Interface, MAX_CONFIG_BYTES, Tpm};
pub use error::{Error, Result};
pub use firmware::Keys;
pub use guard::announce_revert;
pub use host::{Event, Host, Question, Starter};
pub use keys::{
    KeyList, KeysError, RecordState, Reencrypt, Reencrypted, Restored, Rotated, add_key, list_keys,
    reencrypt, remove_key, restore_record, rotate,
};
pub use life::{LifeError, Watch};
pub use policy::{HostPolicy, WhenRecordMissing, WhenRolledBack};
pub use rundir::{RunState, Status};
pub use snapshot::{
    NewSnapshot, Reverted, Snapshot, delete_snapshot, find_snapshot, life_files_stay_inside,
    require_deletable, revert, snapshot, snapshots,
};
pub use start::{Attach, Start, Started, start};
pub use stop::{Stop, Stopped, stop};
pub use suspend::{Suspended, discard, pause, suspend, unpause};
pub use tpm::{AddTpm, TpmAdded, add_tpm, record_name};
