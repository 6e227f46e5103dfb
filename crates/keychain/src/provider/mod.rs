//! Where the key of the system keychain comes from.

mod credential;
mod key_file;
mod private_file;
mod sealed;
mod systemd_creds;

use core::fmt;
use core::str::FromStr;
use sigillo_messages::{text, words};
use std::fs::File;
use std::io::Read;

use sigillo_store::files;
use sigillo_store::{EntropyError, Secret};
use zeroize::Zeroizing;

pub use credential::SystemdCredential;
pub use key_file::KeyFile;
pub use sealed::{SealedKey, Sealer};
pub use systemd_creds::SystemdCreds;

const MIN_KEY_LEN: usize = 32;
const MAX_KEY_LEN: usize = 4096;

/// The kinds of providers, as the keychain's header records them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// A file beside the keychain that only its owner can read. Guards against a copy of the keychain alone, not
    /// against a copy of the whole disk.
    KeyFile,
    /// A credential the service manager hands to the service.
    SystemdCredential,
    /// A file beside the keychain, sealed to the TPM 2.0 of this host: a copy of the whole disk does not open elsewhere.
    HostTpm,
    /// A file beside the keychain, sealed by `systemd-creds`.
    SystemdCreds,
}

impl ProviderKind {
    /// Every kind.
    pub const ALL: [ProviderKind; 4] = [
        ProviderKind::SystemdCredential,
        ProviderKind::HostTpm,
        ProviderKind::SystemdCreds,
        ProviderKind::KeyFile,
    ];

    /// The number in the file.
    pub fn number(self) -> u16 {
        match self {
            ProviderKind::KeyFile => 1,
            ProviderKind::SystemdCredential => 2,
            ProviderKind::HostTpm => 3,
            ProviderKind::SystemdCreds => 4,
        }
    }

    /// The word for it on the command line.
    pub fn word(self) -> &'static str {
        match self {
            ProviderKind::KeyFile => "key-file",
            ProviderKind::SystemdCredential => "systemd-credential",
            ProviderKind::HostTpm => "tpm",
            ProviderKind::SystemdCreds => "systemd-creds",
        }
    }

    pub(crate) fn from_number(number: u16) -> Option<Self> {
        ProviderKind::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

impl FromStr for ProviderKind {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        ProviderKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| {
            text!("provider-there-are", words = ProviderKind::ALL.map(ProviderKind::word).join(", "))
        })
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            ProviderKind::KeyFile => words!("provider-key-file"),
            ProviderKind::SystemdCredential => words!("provider-systemd-credential"),
            ProviderKind::HostTpm => words!("provider-host-tpm"),
            ProviderKind::SystemdCreds => words!("provider-systemd-creds"),
        };
        words.fmt(f)
    }
}

/// Why a provider gave no key.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It has none on this host: the next one in the chain may.
    #[error("{0}")]
    Absent(String),
    /// It has one that must not be used, or cannot be read: the chain stops here.
    #[error("{0}")]
    Refused(String),
    /// No random bytes for a new key.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Gives the key that seals the system keychain: at least 32 bytes with 256 bits of entropy in them.
pub trait KeyProvider: Send + Sync {
    /// What is recorded in the keychain's header.
    fn kind(&self) -> ProviderKind;

    /// The key there is.
    ///
    /// # Errors
    /// See [`ProviderError`].
    fn key(&self) -> Result<Secret, ProviderError>;

    /// The key there is, or a new one where the provider can make one. Called only for a new keychain.
    ///
    /// # Errors
    /// See [`ProviderError`].
    fn key_for_new_keychain(&self) -> Result<Secret, ProviderError>;

    /// Whether it works on this host, without making anything: what it has or would do, in a few words.
    ///
    /// # Errors
    /// See [`ProviderError`].
    fn probe(&self) -> Result<String, ProviderError>;

    /// Removes what it keeps on the disk, durably, once the keychain is sealed under another provider's key.
    ///
    /// # Errors
    /// See [`ProviderError`].
    fn retire(&self) -> Result<(), ProviderError> {
        Ok(())
    }
}

fn read_key(file: &File) -> Result<Secret, String> {
    require_key(read_bounded(file, MAX_KEY_LEN)?)
}

/// At most `max` bytes, through a buffer that never moves.
fn read_bounded(file: &File, max: usize) -> Result<Secret, String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(max.saturating_add(1)));
    let limit = u64::try_from(max.saturating_add(1)).map_err(|error| error.to_string())?;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > max {
        return Err(text!("file-too-long", max));
    }
    Ok(Secret::from_slice(&bytes))
}

fn require_key(key: Secret) -> Result<Secret, String> {
    if !(MIN_KEY_LEN..=MAX_KEY_LEN).contains(&key.len()) {
        return Err(text!("provider-no-key", min = MIN_KEY_LEN, max = MAX_KEY_LEN));
    }
    Ok(key)
}

/// Requires that only this process's user can use the file or directory; says why not.
pub(crate) fn require_private(fd: impl std::os::fd::AsFd) -> Result<(), String> {
    let (owner, mode) = files::owner_and_mode(fd).map_err(|error| error.to_string())?;
    let us = rustix::process::geteuid().as_raw();
    if owner != us {
        return Err(text!("file-of-other-user", owner, us));
    }
    if mode & 0o077 != 0 {
        return Err(text!("file-open-to-others", mode = format_args!("{mode:04o}")));
    }
    Ok(())
}
