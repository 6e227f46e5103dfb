//! What can go wrong with a keychain, in words for the person who runs the VM.

use sigillo_messages::{Words, text};
use std::io;
use std::path::PathBuf;

use sigillo_store::{EntropyError, KeyId};

use crate::provider::ProviderKind;
use crate::record::{InvalidRecord, RecordName};

/// Why a keychain did not do what was asked. It holds what it held before, but see [`KeychainError::Unsure`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeychainError {
    /// A record of this name is there.
    #[error("{}", text!("keychain-duplicate", name, key_id, created, host = or_unknown(.host)))]
    Duplicate {
        /// The name.
        name: RecordName,
        /// The key of the record that is there.
        key_id: KeyId,
        /// When that record was made, for people.
        created: String,
        /// Where that record was made.
        host: String,
    },
    /// No record of this name.
    #[error("{}", text!("keychain-not-found", name = .0))]
    NotFound(RecordName),
    /// The record is not the one the caller knew.
    #[error("{}", text!("keychain-conflict", name, found, expected))]
    Conflict {
        /// The name.
        name: RecordName,
        /// What the caller knew.
        expected: KeyId,
        /// What is there.
        found: KeyId,
    },
    /// The record is not one every keychain can keep.
    #[error("{}", text!("keychain-invalid-record", why = .0))]
    InvalidRecord(#[from] InvalidRecord),
    /// The host's key is not the one the file was sealed with.
    #[error("{}", text!("keychain-wrong-key", provider, path = .path.display()))]
    WrongKey {
        /// Where the key came from.
        provider: ProviderKind,
        /// The keychain's file.
        path: PathBuf,
    },
    /// The host's key is not to be had.
    #[error("{}", text!("keychain-key-unavailable", provider, reason))]
    KeyUnavailable {
        /// Where the key should come from.
        provider: ProviderKind,
        /// What is missing.
        reason: String,
    },
    /// The file is a keychain and is damaged.
    #[error("{}", text!("keychain-damaged", path = .path.display(), what))]
    Damaged {
        /// The keychain's file.
        path: PathBuf,
        /// What does not hold.
        what: Words,
    },
    /// The file is something else.
    #[error("{}", text!("keychain-not-a-keychain", path = .0.display()))]
    NotAKeychain(PathBuf),
    /// A later release wrote it.
    #[error("{}", text!("keychain-too-new", path = .path.display(), version))]
    TooNew {
        /// The keychain's file.
        path: PathBuf,
        /// Its format.
        version: u16,
    },
    /// Others than the owner could read or swap the file.
    #[error("{}", text!("keychain-unsafe", path = .path.display(), why))]
    Unsafe {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another process kept the lock too long.
    #[error("{}", text!("keychain-busy", path = .0.display()))]
    Busy(PathBuf),
    /// The keychain would become longer than is read back.
    #[error("{}", text!("keychain-full", path = .0.display()))]
    Full(PathBuf),
    /// It was locked with `sigillo keychain lock`.
    #[error("{}", text!("keychain-locked", path = .0.display()))]
    Locked(PathBuf),
    /// The file of a new custom keychain is there already.
    #[error("{}", text!("keychain-file-exists", path = .0.display()))]
    FileExists(PathBuf),
    /// There is no custom keychain of this name.
    #[error("{}", text!("keychain-no-file", path = .0.display()))]
    NoFile(PathBuf),
    /// The name of a custom keychain leads to something that must not be opened or replaced.
    #[error("{}", text!("keychain-unsafe-file", path = .path.display(), why))]
    UnsafeFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        why: Words,
    },
    /// The password does not open the custom keychain.
    #[error("{}", text!("keychain-wrong-password", path = .0.display()))]
    WrongPassword(PathBuf),
    /// No custom keychain can have this password.
    #[error("{}", text!("keychain-bad-password", why = .0))]
    BadPassword(Words),
    /// A KeePass file that is not opened.
    #[error("{}", text!("keychain-unsupported", path = .path.display(), what))]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Why.
        what: Words,
    },
    /// A KeePass file that asks for more than is given to one.
    #[error("{}", text!("keychain-too-costly", path = .path.display(), what))]
    TooCostly {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        what: String,
    },
    /// The Secret Service of the desktop session.
    #[error("{}", text!("keychain-secret-service", why = .0))]
    SecretService(String),
    /// There is no place for a keychain.
    #[error("{}", text!("keychain-no-place", why = .0))]
    NoPlace(Words),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The operating system refused.
    #[error("{}", text!("keychain-io", path = .path.display(), source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The change may or may not be durable.
    #[error("{}", text!("keychain-unsure", path = .path.display(), source))]
    Unsure {
        /// The keychain's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn or_unknown(host: &str) -> String {
    if host.is_empty() { text!("unknown-host") } else { host.to_owned() }
}

impl KeychainError {
    /// The stable error code, as in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            KeychainError::Duplicate { .. } => "SIG_ERR_KEYCHAIN_DUPLICATE",
            KeychainError::NotFound(_) => "SIG_ERR_KEYCHAIN_NOT_FOUND",
            KeychainError::Conflict { .. } => "SIG_ERR_KEYCHAIN_CONFLICT",
            KeychainError::InvalidRecord(_) => "SIG_ERR_KEYCHAIN_INVALID_RECORD",
            KeychainError::WrongKey { .. } => "SIG_ERR_KEYCHAIN_WRONG_KEY",
            KeychainError::KeyUnavailable { .. } => "SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE",
            KeychainError::Damaged { .. } => "SIG_ERR_KEYCHAIN_DAMAGED",
            KeychainError::NotAKeychain(_) => "SIG_ERR_KEYCHAIN_NOT_A_KEYCHAIN",
            KeychainError::TooNew { .. } => "SIG_ERR_KEYCHAIN_TOO_NEW",
            KeychainError::Unsafe { .. } => "SIG_ERR_KEYCHAIN_UNSAFE",
            KeychainError::Busy(_) => "SIG_ERR_KEYCHAIN_BUSY",
            KeychainError::Full(_) => "SIG_ERR_KEYCHAIN_FULL",
            KeychainError::Locked(_) => "SIG_ERR_KEYCHAIN_LOCKED",
            KeychainError::FileExists(_) => "SIG_ERR_KEYCHAIN_FILE_EXISTS",
            KeychainError::NoFile(_) => "SIG_ERR_KEYCHAIN_NO_FILE",
            KeychainError::UnsafeFile { .. } => "SIG_ERR_KEYCHAIN_UNSAFE_FILE",
            KeychainError::WrongPassword(_) => "SIG_ERR_KEYCHAIN_WRONG_PASSWORD",
            KeychainError::BadPassword(_) => "SIG_ERR_KEYCHAIN_BAD_PASSWORD",
            KeychainError::Unsupported { .. } => "SIG_ERR_KEYCHAIN_UNSUPPORTED",
            KeychainError::TooCostly { .. } => "SIG_ERR_KEYCHAIN_TOO_COSTLY",
            KeychainError::SecretService(_) => "SIG_ERR_KEYCHAIN_SECRET_SERVICE",
            KeychainError::NoPlace(_) => "SIG_ERR_KEYCHAIN_NO_PLACE",
            KeychainError::Entropy(error) => error.code(),
            KeychainError::Io { .. } => "SIG_ERR_KEYCHAIN_IO",
            KeychainError::Unsure { .. } => "SIG_ERR_KEYCHAIN_UNSURE",
        }
    }
}
