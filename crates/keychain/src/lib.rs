//! Keychains and their records: where the password of a store comes from.
//!
//! A record is one VM's password under a name of its own. A new record never replaces one that is there: losing a
//! password is losing a TPM. The file of the system keychain is described in `docs/state-format.md`, its rules in
//! `docs/adr/0007-system-keychain.md`.
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

pub mod anchor;
pub mod audit;
mod error;
#[doc(hidden)]
pub mod format;
#[doc(hidden)]
pub mod kdbx;
mod lock;
#[cfg(target_os = "macos")]
mod macos;
mod memory;
mod provider;
mod record;
#[cfg(feature = "secret-service")]
mod secret_service;
mod system;

pub use error::KeychainError;
pub use kdbx::{Cost, CustomKeychain, CustomStatus};
#[cfg(target_os = "macos")]
pub use macos::MacSystemKeychain;
pub use memory::MemoryKeychain;
pub use provider::{
    KeyFile, KeyProvider, ProviderError, ProviderKind, SealedKey, Sealer, SystemdCredential, SystemdCreds,
};
pub use record::{InvalidRecord, Record, RecordInfo, RecordName, calendar, date};
#[cfg(feature = "secret-service")]
pub use secret_service::SecretServiceKeychain;
pub use sigillo_store::{KeyId, Secret};
pub use system::{ProviderChange, ProviderStatus, SystemKeychain, SystemStatus};

/// A place that keeps records. Every back-end passes the same tests, in `tests/conformance.rs`.
pub trait Keychain: Send + Sync {
    /// Adds a record. Durable on return.
    ///
    /// # Errors
    /// [`KeychainError::Duplicate`] if the name is taken; the record there is not touched.
    fn insert_new(&self, record: &Record) -> Result<(), KeychainError>;

    /// Reads a record with its password.
    ///
    /// # Errors
    /// [`KeychainError::NotFound`] if there is none, and only then.
    fn get(&self, name: &RecordName) -> Result<Record, KeychainError>;

    /// Lists the records by name, without their passwords.
    ///
    /// # Errors
    /// The keychain cannot be read.
    fn list(&self) -> Result<Vec<RecordInfo>, KeychainError>;

    /// Puts a record in place of the one of the same name, which must have this key id. Durable on return.
    ///
    /// # Errors
    /// [`KeychainError::NotFound`], or [`KeychainError::Conflict`] if the record is another by now.
    fn replace(&self, expect: KeyId, record: &Record) -> Result<(), KeychainError>;

    /// Removes the record of this name, which must have this key id. Durable on return.
    ///
    /// # Errors
    /// [`KeychainError::NotFound`], or [`KeychainError::Conflict`] if the record is another by now; it stays.
    fn delete(&self, name: &RecordName, expect: KeyId) -> Result<(), KeychainError>;
}
