//! A credential of the service manager.

use sigillo_messages::text;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use sigillo_store::Secret;
use sigillo_store::files::{Dir, FileError};

use super::{KeyProvider, ProviderError, ProviderKind, read_key};

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
            return Err(ProviderError::Absent(text!("provider-no-credentials")));
        };
        let refused =
            |why: String| ProviderError::Refused(text!("provider-credential", credential = CREDENTIAL, why));
        let dir = Dir::open(directory).map_err(|error| refused(error.to_string()))?;
        // The service manager owns the directory and keeps others out, so owner and mode are its business.
        match dir.open_file(OsStr::new(CREDENTIAL), false) {
            Ok(file) => read_key(&file).map_err(refused),
            Err(FileError::NotFound) => {
                Err(ProviderError::Absent(text!("provider-no-credential", credential = CREDENTIAL)))
            }
            Err(FileError::Unsafe(why)) => Err(refused(why.to_string())),
            Err(FileError::Io(error)) => Err(refused(error.to_string())),
        }
    }

    fn key_for_new_keychain(&self) -> Result<Secret, ProviderError> {
        self.key()
    }

    fn probe(&self) -> Result<String, ProviderError> {
        self.key().map(|_| text!("provider-has-credential", credential = CREDENTIAL))
    }
}
