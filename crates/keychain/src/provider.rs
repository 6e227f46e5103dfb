//! Where the key of the system keychain comes from.

use core::fmt;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sigillo_store::files::{self, Dir, FileError, PublishError};
use sigillo_store::{EntropyError, Secret};
use zeroize::Zeroizing;

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
}

impl ProviderKind {
    /// The number in the file.
    pub fn number(self) -> u16 {
        match self {
            ProviderKind::KeyFile => 1,
            ProviderKind::SystemdCredential => 2,
        }
    }

    pub(crate) fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(ProviderKind::KeyFile),
            2 => Some(ProviderKind::SystemdCredential),
            _ => None,
        }
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProviderKind::KeyFile => "key file",
            ProviderKind::SystemdCredential => "systemd credential",
        })
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
}

/// A file of mode 0400, made with 256 random bits when the keychain is.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// The key in this file.
    pub fn new(path: PathBuf) -> Self {
        KeyFile { path }
    }

    fn refused(&self, why: impl fmt::Display) -> ProviderError {
        ProviderError::Refused(format!("{}: {why}", self.path.display()))
    }
}

impl KeyProvider for KeyFile {
    fn kind(&self) -> ProviderKind {
        ProviderKind::KeyFile
    }

    fn key(&self) -> Result<Secret, ProviderError> {
        let absent = || ProviderError::Absent(format!("{} is not there", self.path.display()));
        let (dir, name) = match Dir::of(&self.path) {
            Ok(Some(home)) => home,
            Ok(None) => return Err(self.refused("it names no file")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(absent()),
            Err(error) => return Err(self.refused(error)),
        };
        let file = match dir.open_file(&name, false) {
            Ok(file) => file,
            Err(FileError::NotFound) => return Err(absent()),
            Err(FileError::Unsafe(why)) => return Err(self.refused(why)),
            Err(FileError::Io(error)) => return Err(self.refused(error)),
        };
        require_private(&file).map_err(|why| self.refused(why))?;
        read_key(&file).map_err(|why| self.refused(why))
    }

    fn key_for_new_keychain(&self) -> Result<Secret, ProviderError> {
        match self.key() {
            Err(ProviderError::Absent(_)) => {}
            other => return other,
        }
        let refused = |error: std::io::Error| self.refused(error);
        let (dir, name) =
            Dir::of(&self.path).map_err(refused)?.ok_or_else(|| self.refused("it names no file"))?;
        let key = Secret::random_text()?;
        let temporary = files::temporary_name(&name).map_err(refused)?;
        match dir.stage(temporary, 0o400, key.expose()).map_err(refused)?.publish_new(&name) {
            Ok(_) => Ok(key),
            // Another process was first; its key is the one.
            Err(PublishError::Exists) => self.key(),
            Err(PublishError::Refused(error) | PublishError::Unsure(error)) => Err(refused(error)),
        }
    }
}

/// The credential `sigillo-keychain` of a systemd service (`LoadCredentialEncrypted=`).
#[derive(Clone, Debug)]
pub struct SystemdCredential {
    directory: Option<PathBuf>,
}

/// The name to give the credential in the unit.
const CREDENTIAL: &str = "sigillo-keychain";

impl SystemdCredential {
    /// The credential of this process, by `$CREDENTIALS_DIRECTORY`.
    pub fn of_this_process() -> Self {
        SystemdCredential { directory: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from) }
    }

    /// The credential in another directory.
    pub fn in_directory(directory: &Path) -> Self {
        SystemdCredential { directory: Some(directory.to_owned()) }
    }
}

impl KeyProvider for SystemdCredential {
    fn kind(&self) -> ProviderKind {
        ProviderKind::SystemdCredential
    }

    fn key(&self) -> Result<Secret, ProviderError> {
        let Some(directory) = &self.directory else {
            return Err(ProviderError::Absent("the service manager handed over no credentials".to_owned()));
        };
        let refused = |why: String| ProviderError::Refused(format!("credential {CREDENTIAL}: {why}"));
        let dir = Dir::open(directory).map_err(|error| refused(error.to_string()))?;
        // The service manager owns the directory and keeps others out, so owner and mode are its business.
        match dir.open_file(OsStr::new(CREDENTIAL), false) {
            Ok(file) => read_key(&file).map_err(refused),
            Err(FileError::NotFound) => {
                Err(ProviderError::Absent(format!("the service has no credential {CREDENTIAL}")))
            }
            Err(FileError::Unsafe(why)) => Err(refused(why.to_owned())),
            Err(FileError::Io(error)) => Err(refused(error.to_string())),
        }
    }

    fn key_for_new_keychain(&self) -> Result<Secret, ProviderError> {
        self.key()
    }
}

fn read_key(file: &File) -> Result<Secret, String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEY_LEN + 1));
    let limit = u64::try_from(MAX_KEY_LEN + 1).map_err(|error| error.to_string())?;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if !(MIN_KEY_LEN..=MAX_KEY_LEN).contains(&bytes.len()) {
        return Err(format!("it holds no key: a key has {MIN_KEY_LEN} to {MAX_KEY_LEN} bytes"));
    }
    Ok(Secret::from_slice(&bytes))
}

/// Requires that only this process's user can use the file or directory; says why not.
pub(crate) fn require_private(fd: impl std::os::fd::AsFd) -> Result<(), String> {
    let (owner, mode) = files::owner_and_mode(fd).map_err(|error| error.to_string())?;
    let us = rustix::process::geteuid().as_raw();
    if owner != us {
        return Err(format!("it belongs to user {owner}, not to user {us} who runs this"));
    }
    if mode & 0o077 != 0 {
        return Err(format!("its mode {mode:04o} lets others at it"));
    }
    Ok(())
}
