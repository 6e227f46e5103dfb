//! What can go wrong with a store, in words for the person who runs the VM.

use sigillo_messages::{Words, text};
use std::io;

use crate::format::SlotIndex;
use crate::key::{KeyId, KeyKind};
use crate::secret::EntropyError;

/// What is damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Both header copies are unreadable; the reason for each.
    #[error("{}", text!("store-damage-headers", first = .0, second = .1))]
    Headers(String, String),
    /// The header copies have one sequence number and different contents.
    #[error("{}", text!("store-damage-headers-differ"))]
    HeadersDiffer,
    /// The header is whole but was not made with this store's key.
    #[error("{}", text!("store-damage-header-mac"))]
    HeaderMac,
    /// The password is right and the wrapped data key does not open.
    #[error("{}", text!("store-damage-key-slot", key = .0))]
    KeySlot(KeyId),
    /// The file's length is not what its header says, in bytes.
    #[error("{}", text!("store-damage-length", actual, expected))]
    Length {
        /// By the header.
        expected: u64,
        /// On the disk.
        actual: u64,
    },
    /// Neither state slot verifies.
    #[error("{}", text!("store-damage-slots"))]
    Slots,
    /// Both state slots verify with the same generation.
    #[error("{}", text!("store-damage-twins", generation = .0))]
    Twins(u64),
    /// The slot verifies and does not hold what a store writes.
    #[error("{}", text!("store-damage-contents", slot = .0))]
    Contents(SlotIndex),
}

/// Why a store does not open. Nothing on the disk was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such file.
    #[error("{}", text!("store-open-not-found"))]
    NotFound,
    /// Another process has it open.
    #[error("{}", text!("store-open-locked", holder = holder(.pid)))]
    Locked {
        /// The holder, where the system tells.
        pid: Option<u32>,
    },
    /// The key is not one of this store's.
    #[error(
        "{}",
        text!("store-open-wrong-key", kind = kind_of(*.given), given, count = #key_ids.len(), keys = ids(.key_ids))
    )]
    WrongKey {
        /// What was tried.
        given: KeyKind,
        /// The keys of that kind that would open it.
        key_ids: Vec<KeyId>,
    },
    /// The file is a store and is damaged.
    #[error("{}", text!("store-open-damaged", damage = .0))]
    Damaged(Damage),
    /// The file is something else.
    #[error("{}", text!("store-open-not-a-store", what = .0))]
    NotAStore(Words),
    /// A later release wrote it.
    #[error("{}", text!("store-open-too-new", version, newest = crate::format::VERSION))]
    TooNew {
        /// Its format.
        version: u16,
    },
    /// The store is encrypted and no password was given.
    #[error("{}", text!("store-open-needs-key", keys = ids(.key_ids)))]
    NeedsKey {
        /// The keys that would open it.
        key_ids: Vec<KeyId>,
    },
    /// A password was given and the store is not encrypted.
    #[error("{}", text!("store-open-unencrypted"))]
    Unencrypted,
    /// The path is a symbolic link, a directory, a device, or has a second name.
    #[error("{}", text!("store-open-unsafe", what = .0))]
    Unsafe(Words),
    /// The file was replaced again and again while it was being opened.
    #[error("{}", text!("store-open-replaced"))]
    Replaced,
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The operating system refused.
    #[error("{}", text!("store-open-io", error = .0))]
    Io(#[source] io::Error),
}

impl OpenError {
    /// The stable error code, as in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            OpenError::NotFound => "SIG_ERR_STORE_NOT_FOUND",
            OpenError::Locked { .. } => "SIG_ERR_STORE_LOCKED",
            OpenError::WrongKey { .. } => "SIG_ERR_STORE_WRONG_KEY",
            OpenError::Damaged(_) => "SIG_ERR_STORE_DAMAGED",
            OpenError::NotAStore(_) => "SIG_ERR_STORE_NOT_A_STORE",
            OpenError::TooNew { .. } => "SIG_ERR_STORE_TOO_NEW",
            OpenError::NeedsKey { .. } => "SIG_ERR_STORE_NEEDS_KEY",
            OpenError::Unencrypted => "SIG_ERR_STORE_UNENCRYPTED",
            OpenError::Unsafe(_) => "SIG_ERR_STORE_UNSAFE",
            OpenError::Replaced => "SIG_ERR_STORE_REPLACED",
            OpenError::Entropy(error) => error.code(),
            OpenError::Io(_) => "SIG_ERR_STORE_IO",
        }
    }
}

/// Why a store was not made. No file was left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The name is taken.
    #[error("{}", text!("store-create-exists"))]
    Exists,
    /// The path has no usable file name.
    #[error("{}", text!("store-create-bad-path"))]
    BadPath,
    /// The password has no characters.
    #[error("{}", text!("store-create-empty-password"))]
    EmptyPassword,
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The operating system refused.
    #[error("{}", text!("store-create-io", error = .0))]
    Io(#[source] io::Error),
}

impl CreateError {
    /// The stable error code, as in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            CreateError::Exists => "SIG_ERR_STORE_EXISTS",
            CreateError::BadPath => "SIG_ERR_STORE_BAD_PATH",
            CreateError::EmptyPassword => "SIG_ERR_STORE_EMPTY_PASSWORD",
            CreateError::Entropy(error) => error.code(),
            CreateError::Io(_) => "SIG_ERR_STORE_CREATE",
        }
    }
}

/// Why a change was not stored. The caller must not answer the guest as if it were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The state is longer than any store takes, in bytes.
    #[error("{}", text!("store-commit-too-large", len, limit = crate::MAX_STATE_LEN))]
    TooLarge {
        /// Its length.
        len: usize,
    },
    /// The file has to be replaced by a longer one and could not be. The state before is intact and in place.
    #[error("{}", text!("store-commit-cannot-grow", error = .0))]
    CannotGrow(#[source] io::Error),
    /// The whole file has to be written anew and could not be. The state before is intact and in place.
    #[error("{}", text!("store-commit-cannot-reencrypt", error = .0))]
    CannotReencrypt(#[source] io::Error),
    /// A key could not be added or taken away as asked.
    #[error("{}", text!("store-commit-keys", what = .0))]
    Keys(Words),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A write or sync failed. What reached the disk is unknown, so the store takes nothing more.
    #[error("{}", text!("store-commit-io", error = .0))]
    Io(#[source] io::Error),
    /// An earlier write failed.
    #[error("{}", text!("store-commit-poisoned"))]
    Poisoned,
}

impl CommitError {
    /// The stable error code, as in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            CommitError::TooLarge { .. } => "SIG_ERR_STORE_FULL",
            CommitError::CannotGrow(_) => "SIG_ERR_STORE_CANNOT_GROW",
            CommitError::CannotReencrypt(_) => "SIG_ERR_STORE_CANNOT_REENCRYPT",
            CommitError::Keys(_) => "SIG_ERR_STORE_KEYS",
            CommitError::Entropy(error) => error.code(),
            CommitError::Io(_) => "SIG_ERR_STORE_WRITE",
            CommitError::Poisoned => "SIG_ERR_STORE_POISONED",
        }
    }
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(|| text!("another-process"), |pid| text!("process-pid", pid))
}

fn ids(ids: &[KeyId]) -> String {
    ids.iter()
        .map(KeyId::to_string)
        .reduce(|first, second| text!("either", first, second))
        .unwrap_or_default()
}

/// The variants of a message that depends on the kind of key.
fn kind_of(given: KeyKind) -> &'static str {
    match given {
        KeyKind::Password => "password",
        KeyKind::RecoveryCode => "recovery-code",
        KeyKind::Passphrase => "passphrase",
        KeyKind::Other(_) => "other",
    }
}
