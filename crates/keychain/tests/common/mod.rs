//! What the tests of keychains in files share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::path::PathBuf;

use sigillo_keychain::KeychainError;

/// A directory of a test's own.
pub struct Place {
    pub root: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Place { root: tempfile::tempdir().unwrap() }
    }

    /// Of the system keychain.
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("keychain")
    }

    /// The system keychain's key, where a key file is its provider.
    pub fn key_file(&self) -> PathBuf {
        self.dir().join("host.key")
    }
}

pub fn code<T: std::fmt::Debug>(result: Result<T, KeychainError>) -> &'static str {
    result.unwrap_err().code()
}
