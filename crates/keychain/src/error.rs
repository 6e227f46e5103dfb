//! What can go wrong with a keychain, in words for the person who runs the VM.

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
    #[error(
        "the record {name} is already in this keychain (key {key_id}, made {created} on {host}) and no second one can be \
         added; it was left as it is, because the VM's TPM may need it; if the other one shall take its place, copy that \
         with `--replace {key_id}`, or remove this one first (`sigillo keychain delete {name}`)", host = or_unknown(.host)
    )]
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
    #[error(
        "the keychain has no record {0}; without it the VM's TPM store stays closed and the VM does not start; bring \
         the record from the host the VM ran on"
    )]
    NotFound(RecordName),
    /// The record is not the one the caller knew.
    #[error(
        "the record {name} has key {found} by now, not {expected}; nothing was replaced and the VM's TPM is unchanged; \
         look at the record again and repeat the command"
    )]
    Conflict {
        /// The name.
        name: RecordName,
        /// What the caller knew.
        expected: KeyId,
        /// What is there.
        found: KeyId,
    },
    /// The record is not one every keychain can keep.
    #[error("the record was not stored: {0}; the VM's TPM is unchanged; correct the record and try again")]
    InvalidRecord(#[from] InvalidRecord),
    /// The host's key is not the one the file was sealed with.
    #[error(
        "the host's key ({provider}) does not open the keychain {}; the VMs' passwords in it cannot be read here and \
         their TPMs cannot start; nothing was changed; put back the key the keychain was made with", .path.display()
    )]
    WrongKey {
        /// Where the key came from.
        provider: ProviderKind,
        /// The keychain's file.
        path: PathBuf,
    },
    /// The host's key is not to be had.
    #[error(
        "the host's key for the keychain ({provider}) is not available: {reason}; the VMs' passwords in it cannot be \
         read and their TPMs cannot start; nothing was changed; make the key available again, or restore it from a backup"
    )]
    KeyUnavailable {
        /// Where the key should come from.
        provider: ProviderKind,
        /// What is missing.
        reason: String,
    },
    /// The file is a keychain and is damaged.
    #[error(
        "the keychain {} is damaged ({what}); the VMs' passwords in it cannot be read and their TPMs cannot start; the \
         file was left as it is; restore it from a backup, or bring the records from another host", .path.display()
    )]
    Damaged {
        /// The keychain's file.
        path: PathBuf,
        /// What does not hold.
        what: &'static str,
    },
    /// The file is something else.
    #[error(
        "the file {} is not a keychain; it was left as it is and no VM's TPM can start from it; check the directory of \
         the keychain", .0.display()
    )]
    NotAKeychain(PathBuf),
    /// A later release wrote it.
    #[error(
        "the keychain {} has format {version}, which a later sigillo wrote; it was left as it is and its VMs' TPMs \
         cannot start with this one; use that later release", .path.display()
    )]
    TooNew {
        /// The keychain's file.
        path: PathBuf,
        /// Its format.
        version: u16,
    },
    /// Others than the owner could read or swap the file.
    #[error(
        "{} is not safe to use as part of a keychain: {why}; no password was read from or written to it, and TPMs \
         that need it do not start; correct owner and mode (directory 0700, files 0600, owned by the user who runs sigillo) \
         once it is clear that nobody else read it", .path.display()
    )]
    Unsafe {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another process kept the lock too long.
    #[error(
        "the keychain {} is being changed by another process; nothing was changed and the VM's TPM is as it was; try \
         again, and see which sigillo hangs if it happens again", .0.display()
    )]
    Busy(PathBuf),
    /// The keychain would become longer than is read back.
    #[error(
        "the keychain {} is full; the record was not stored and the VM has no usable TPM yet; remove records of VMs that \
         are gone", .0.display()
    )]
    Full(PathBuf),
    /// It was locked with `sigillo keychain lock`.
    #[error(
        "the keychain {} is locked: it gives no password out and takes no change, so TPMs that need it do not start; \
         nothing was changed; unlock it with `sigillo keychain unlock`", .0.display()
    )]
    Locked(PathBuf),
    /// The file of a new custom keychain is there already.
    #[error(
        "there is a file {} already; it was left as it is and no record was copied; choose another name, or use that file", .0.display()
    )]
    FileExists(PathBuf),
    /// There is no custom keychain of this name.
    #[error(
        "there is no keychain file {}; no record was read or copied; check the path, or make one with `sigillo keychain create`", .0.display()
    )]
    NoFile(PathBuf),
    /// The name of a custom keychain leads to something that must not be opened or replaced.
    #[error(
        "the keychain file {} cannot be used: {why}; no record was read or copied; name the file itself", .path.display()
    )]
    UnsafeFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        why: &'static str,
    },
    /// The password does not open the custom keychain.
    #[error(
        "the password does not open the keychain file {}; no record was read or copied and the file is as it was; try \
         again, or bring the file anew if the password is certainly right: damage of its first bytes looks the same", .0.display()
    )]
    WrongPassword(PathBuf),
    /// No custom keychain can have this password.
    #[error(
        "this password cannot be used for a keychain file: {0}; no record was read or copied; choose another"
    )]
    BadPassword(&'static str),
    /// A KeePass file that is not opened.
    #[error(
        "the keychain file {} cannot be opened here: {what}; no record was read or copied and the file is as it was; save \
         it in KeePassXC as KDBX 4 with AES-256 and Argon2id", .path.display()
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Why.
        what: &'static str,
    },
    /// A KeePass file that asks for more than is given to one.
    #[error(
        "the keychain file {} asks for {what} before its password can even be tried, which is more than a keychain file \
         gets here; no record was read or copied and the file is as it was; find out who made it, or save it in KeePassXC \
         with less", .path.display()
    )]
    TooCostly {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        what: String,
    },
    /// The Secret Service of the desktop session.
    #[error(
        "the Secret Service of this session cannot be used: {0}; no record was changed and the VM's TPM is as it was; log in to the \
         desktop whose keyring holds the records, unlock it, and try again"
    )]
    SecretService(String),
    /// There is no place for a keychain.
    #[error(
        "there is no place for the keychain: {0}; no password can be kept, so no TPM was made or started; set \
         SIGILLO_KEYCHAIN_DIR to a directory of your own"
    )]
    NoPlace(&'static str),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The operating system refused.
    #[error(
        "the keychain {} cannot be read or written ({source}); it holds what it held before and the VM's TPM is \
         unchanged; check the disk and the rights of the user who runs sigillo", .path.display()
    )]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The change may or may not be durable.
    #[error(
        "writing the keychain {} failed at the last step ({source}); it is whole, but holds either what it held before \
         or the change; list the keychain before using the record", .path.display()
    )]
    Unsure {
        /// The keychain's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn or_unknown(host: &str) -> &str {
    if host.is_empty() { "an unknown host" } else { host }
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
