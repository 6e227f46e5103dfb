//! One encrypted, crash-safe file that holds a TPM.
//!
//! The crate knows no TPM: it keeps one opaque blob, the *state*, durable and sealed. [`Store::commit`]
//! returns only when the state is on the disk; a crash in the middle of it leaves the state before.
//! The file is described to the byte in `docs/state-format.md`; why it looks as it does is in
//! `docs/adr/0006-store-file.md`.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use sigillo_store::{CreateOptions, Key, KeyId, Secret, Store};
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("tpm.sigillo");
//! let password = Secret::random_text()?;
//! let options = CreateOptions::new([7; 16], Key::Password(password.clone()), KeyId::random()?);
//! let mut store = Store::create(&path, &options)?;
//! store.commit(b"state")?;
//! drop(store);
//! let store = Store::open(&path, &Key::Password(password))?;
//! assert_eq!(store.state(), b"state");
//! # Ok(()) }
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

mod bytes;
mod error;
#[cfg(test)]
mod fault_kinds;
#[cfg(test)]
mod faults;
#[cfg(any(test, feature = "faulty"))]
#[doc(hidden)]
pub mod faulty;
pub mod files;
#[doc(hidden)]
pub mod format;
mod key;
#[doc(hidden)]
pub mod key_slot;
mod keys;
mod medium;
mod open;
mod recovery;
pub mod salvage;
#[doc(hidden)]
pub mod seal;
mod secret;
mod store;
mod vault;

pub use error::{CommitError, CreateError, Damage, OpenError};
pub use format::{Algorithm, MAX_STATE_LEN};
pub use key::{Key, KeyId, KeyKind, SlotInfo};
pub use keys::MIN_PASSPHRASE_LEN;
pub use recovery::{RecoveryCode, RecoveryCodeError};
pub use secret::{EntropyError, Secret};
pub use store::{Anchor, CreateOptions, Lineage, Looked, OpenNotes, Store, StoreInfo, now_unix_s};
