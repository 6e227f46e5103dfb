//! A key in a file.

use sigillo_messages::text;
use std::path::PathBuf;

use sigillo_store::Secret;

use super::private_file::PrivateFile;
use super::{KeyProvider, MAX_KEY_LEN, ProviderError, ProviderKind, require_key};

/// A file of mode 0400, made with 256 random bits when the keychain is.
#[derive(Clone, Debug)]
pub struct KeyFile(PrivateFile);

impl KeyFile {
    /// The key in this file.
    pub fn new(path: PathBuf) -> Self {
        KeyFile(PrivateFile::new(path))
    }
}

impl KeyProvider for KeyFile {
    fn kind(&self) -> ProviderKind {
        ProviderKind::KeyFile
    }

    fn key(&self) -> Result<Secret, ProviderError> {
        require_key(self.0.read(MAX_KEY_LEN)?).map_err(|why| self.0.refused(why))
    }

    fn key_for_new_keychain(&self) -> Result<Secret, ProviderError> {
        match self.key() {
            Err(ProviderError::Absent(_)) => {}
            other => return other,
        }
        let key = Secret::random_text()?;
        // If another process was first, its key is the one.
        if self.0.publish(key.expose())? { Ok(key) } else { self.key() }
    }

    fn probe(&self) -> Result<String, ProviderError> {
        match self.key() {
            Ok(_) => Ok(text!("provider-has-key", path = self.0.path().display())),
            Err(ProviderError::Absent(_)) => Ok(text!("provider-would-make", path = self.0.path().display())),
            Err(error) => Err(error),
        }
    }

    fn retire(&self) -> Result<(), ProviderError> {
        self.0.remove()
    }
}
