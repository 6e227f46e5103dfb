//! What can go wrong with a store, in words for the person who runs the VM.

use std::io;

use crate::format::SlotIndex;
use crate::key::{KeyId, KeyKind};
use crate::secret::EntropyError;

/// What is damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Both header copies are unreadable; the reason for each.
    #[error("both header copies are damaged ({0}; {1})")]
    Headers(String, String),
    /// The header copies have one sequence number and different contents.
    #[error("the two header copies contradict each other")]
    HeadersDiffer,
    /// The header is whole but was not made with this store's key.
    #[error("the header was changed by something that does not know the store's key")]
    HeaderMac,
    /// The password is right and the wrapped data key does not open.
    #[error("the wrapped data key {0} was changed")]
    KeySlot(KeyId),
    /// The file's length is not what its header says, in bytes.
    #[error("the file is {actual} bytes long and should be {expected}")]
    Length {
        /// By the header.
        expected: u64,
        /// On the disk.
        actual: u64,
    },
    /// Neither state slot verifies.
    #[error("neither copy of the state verifies")]
    Slots,
    /// Both state slots verify with the same generation.
    #[error("both copies of the state claim generation {0}")]
    Twins(u64),
    /// The slot verifies and does not hold what a store writes.
    #[error("slot {0} verifies but its contents make no sense")]
    Contents(SlotIndex),
}

/// Why a store does not open. Nothing on the disk was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such file.
    #[error(
        "there is no TPM store at this path; the guest's keys are not lost if the file was only moved; put it back, \
         or add a new TPM to the VM, which the guest will meet as a different chip"
    )]
    NotFound,
    /// Another process has it open.
    #[error(
        "the TPM store is in use by {}; one TPM may not run twice, so the guest was not started; stop the VM (or \
         whatever holds the file) first", holder(.pid)
    )]
    Locked {
        /// The holder, where the system tells.
        pid: Option<u32>,
    },
    /// The key is not one of this store's.
    #[error(
        "the {given} does not open this TPM store, {}; the guest's TPM is unchanged and cannot start with it; {}",
        needs(*.given, .key_ids), wrong_key_way_out(*.given)
    )]
    WrongKey {
        /// What was tried.
        given: KeyKind,
        /// The keys of that kind that would open it.
        key_ids: Vec<KeyId>,
    },
    /// The file is a store and is damaged.
    #[error(
        "the TPM store is damaged: {0}; the guest's TPM cannot start from it and the file was left as it is; keep it, \
         and see what `sigillo tpm salvage` recovers from it into a new one, or restore a backup"
    )]
    Damaged(Damage),
    /// The file is something else.
    #[error(
        "the file is not a TPM store ({0}); the guest was not started and the file was left as it is; check the path"
    )]
    NotAStore(&'static str),
    /// A later release wrote it.
    #[error(
        "the TPM store has format {version}, which a later sigillo wrote; this one reads up to format {}; the file was \
         left as it is; start the VM with that later release",
        crate::format::VERSION
    )]
    TooNew {
        /// Its format.
        version: u16,
    },
    /// The store is encrypted and no password was given.
    #[error(
        "the TPM store is encrypted under key {} and no password was given; the guest's TPM is unchanged and cannot \
         start; bring the keychain record with that key id to this host", ids(.key_ids)
    )]
    NeedsKey {
        /// The keys that would open it.
        key_ids: Vec<KeyId>,
    },
    /// A password was given and the store is not encrypted.
    #[error(
        "the TPM store is not encrypted although a password was given; someone may have put another file in its place, \
         so the guest was not started; check where the file comes from, or open it without a password"
    )]
    Unencrypted,
    /// The path is a symbolic link, a directory, a device, or has a second name.
    #[error(
        "the TPM store is not safe to open: {0}; the guest was not started and nothing was changed; put the store \
         itself, as a plain file with one name, in the VM's directory"
    )]
    Unsafe(&'static str),
    /// The file was replaced again and again while it was being opened.
    #[error(
        "the TPM store was replaced while it was being opened; the guest was not started; see what else writes to the \
         VM's directory and try again"
    )]
    Replaced,
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The operating system refused.
    #[error(
        "the TPM store cannot be read or written ({0}); the guest was not started; check the disk and the file's \
         owner and mode, and try again"
    )]
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
    #[error(
        "there is already a file where the new TPM store should go; it may hold the guest's keys, so it was left as it \
         is; use that store, or move it away under another name first"
    )]
    Exists,
    /// The path has no usable file name.
    #[error(
        "the path of the new TPM store names no file; nothing was made; give a path that ends in a file name"
    )]
    BadPath,
    /// The password has no characters.
    #[error(
        "the password for the new TPM store is empty; nothing was made, because anyone could open the guest's TPM; give a \
         password, or ask for an unencrypted store"
    )]
    EmptyPassword,
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The operating system refused.
    #[error(
        "the new TPM store could not be written ({0}); the guest has no TPM yet and nothing was left behind; check the \
         directory and the free space, and try again"
    )]
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
    #[error(
        "the TPM's state of {len} bytes is longer than a store holds ({}); the change was not stored and the guest gets \
         an error; the state stored before is intact; free objects or NV indices in the guest",
        crate::MAX_STATE_LEN
    )]
    TooLarge {
        /// Its length.
        len: usize,
    },
    /// The file has to be replaced by a longer one and could not be. The state before is intact and in place.
    #[error(
        "the TPM store has to grow and could not ({0}); the change was not stored and the guest gets an error; the state \
         stored before is intact; free space on the disk, or check that the VM's directory may be written to"
    )]
    CannotGrow(#[source] io::Error),
    /// The whole file has to be written anew and could not be. The state before is intact and in place.
    #[error(
        "the TPM store could not be encrypted anew ({0}); it is as it was, under the keys it had; free space on the \
         disk, or check that the VM's directory may be written to, and try again"
    )]
    CannotReencrypt(#[source] io::Error),
    /// A key could not be added or taken away as asked.
    #[error(
        "the store's keys were not changed: {0}; the guest's TPM is unchanged; run the command again with another key"
    )]
    Keys(&'static str),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A write or sync failed. What reached the disk is unknown, so the store takes nothing more.
    #[error(
        "writing the TPM store failed ({0}); the last change is not known to be on the disk, so the TPM stops and the \
         guest gets no answer; the state before it is intact; check the disk, then stop and start the VM"
    )]
    Io(#[source] io::Error),
    /// An earlier write failed.
    #[error(
        "an earlier write of the TPM store failed, so it takes no more changes: after such a failure the system may \
         report success for data that is not on the disk; check the disk, then stop and start the VM"
    )]
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
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn ids(ids: &[KeyId]) -> String {
    ids.iter().map(KeyId::to_string).collect::<Vec<_>>().join(" or ")
}

fn needs(given: KeyKind, key_ids: &[KeyId]) -> String {
    if key_ids.is_empty() {
        return format!("which has no {given}");
    }
    format!("which needs that of key {}", ids(key_ids))
}

fn wrong_key_way_out(given: KeyKind) -> &'static str {
    match given {
        KeyKind::Password => "bring the keychain record with that key id to this host",
        KeyKind::RecoveryCode | KeyKind::Passphrase | KeyKind::Other(_) => {
            "`sigillo tpm key list` shows what else opens it"
        }
    }
}
