//! A key that lies beside the keychain, sealed to this host.

use sigillo_messages::text;
use std::path::PathBuf;

use sigillo_store::Secret;

use super::private_file::PrivateFile;
use super::{KeyProvider, ProviderError, ProviderKind, require_key};

/// The longest sealed key that is read, in bytes.
const MAX_SEALED_LEN: usize = 64 * 1024;

/// What seals a key so that only this host opens it. Every error says why, for the person who runs the host.
pub trait Sealer: Send + Sync {
    /// What is recorded in the keychain's header.
    fn kind(&self) -> ProviderKind;

    /// What it would seal with on this host. Makes and changes nothing.
    ///
    /// # Errors
    /// Why it cannot work here.
    fn probe(&self) -> Result<String, String>;

    /// Seals a key.
    ///
    /// # Errors
    /// Why it did not.
    fn seal(&self, key: &Secret) -> Result<Vec<u8>, String>;

    /// Opens what [`Sealer::seal`] made.
    ///
    /// # Errors
    /// Why it did not.
    fn open(&self, sealed: &[u8]) -> Result<Secret, String>;
}

/// A file of mode 0400 with a sealed key of 256 random bits, made when the keychain is.
pub struct SealedKey<S> {
    file: PrivateFile,
    sealer: S,
}

impl<S: Sealer> SealedKey<S> {
    /// The sealed key in this file.
    pub fn new(path: PathBuf, sealer: S) -> Self {
        SealedKey { file: PrivateFile::new(path), sealer }
    }
}

impl<S: Sealer> KeyProvider for SealedKey<S> {
    fn kind(&self) -> ProviderKind {
        self.sealer.kind()
    }

    fn key(&self) -> Result<Secret, ProviderError> {
        let sealed = self.file.read(MAX_SEALED_LEN)?;
        self.sealer.open(sealed.expose()).and_then(require_key).map_err(|why| self.file.refused(why))
    }

    fn key_for_new_keychain(&self) -> Result<Secret, ProviderError> {
        match self.key() {
            Err(ProviderError::Absent(_)) => {}
            other => return other,
        }
        let key = Secret::random_text()?;
        // No key is lost where none was made yet, so the next provider may be asked.
        let sealed = self.sealer.seal(&key).map_err(ProviderError::Absent)?;
        match self.sealer.open(&sealed) {
            Ok(opened) if opened == key => {}
            Ok(_) => return Err(ProviderError::Absent(text!("provider-opens-otherwise"))),
            Err(why) => return Err(ProviderError::Absent(text!("provider-does-not-open", why))),
        }
        if self.file.publish(&sealed)? { Ok(key) } else { self.key() }
    }

    fn probe(&self) -> Result<String, ProviderError> {
        match self.key() {
            Ok(_) => Ok(text!("provider-has-sealed-key", path = self.file.path().display())),
            Err(ProviderError::Absent(_)) => self.sealer.probe().map_err(ProviderError::Absent),
            Err(error) => Err(error),
        }
    }

    fn retire(&self) -> Result<(), ProviderError> {
        self.file.remove()
    }
}
