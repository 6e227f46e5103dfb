//! A file that only its owner can read: where a key or a sealed key lies.

use core::fmt;
use sigillo_messages::text;
use std::io;
use std::path::{Path, PathBuf};

use sigillo_store::Secret;
use sigillo_store::files::{self, Dir, FileError, PublishError};

use super::{ProviderError, read_bounded, require_private};

/// A file of mode 0400 that is made once and never changed.
#[derive(Clone, Debug)]
pub(super) struct PrivateFile {
    path: PathBuf,
}

impl PrivateFile {
    pub(super) fn new(path: PathBuf) -> Self {
        PrivateFile { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn refused(&self, why: impl fmt::Display) -> ProviderError {
        ProviderError::Refused(format!("{}: {why}", self.path.display()))
    }

    /// What is in it, at most `max` bytes.
    pub(super) fn read(&self, max: usize) -> Result<Secret, ProviderError> {
        let absent = || ProviderError::Absent(text!("file-not-there", path = self.path.display()));
        let (dir, name) = match Dir::of(&self.path) {
            Ok(Some(home)) => home,
            Ok(None) => return Err(self.refused(text!("names-no-file"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(absent()),
            Err(error) => return Err(self.refused(error)),
        };
        let file = match dir.open_file(&name, false) {
            Ok(file) => file,
            Err(FileError::NotFound) => return Err(absent()),
            Err(FileError::Unsafe(why)) => return Err(self.refused(why)),
            Err(FileError::Io(error)) => return Err(self.refused(error)),
        };
        require_private(&file).map_err(|why| self.refused(why))?;
        read_bounded(&file, max).map_err(|why| self.refused(why))
    }

    /// Makes it, durably. `false` if another process was first, whose file stays.
    pub(super) fn publish(&self, contents: &[u8]) -> Result<bool, ProviderError> {
        let refused = |error: io::Error| self.refused(error);
        let (dir, name) =
            Dir::of(&self.path).map_err(refused)?.ok_or_else(|| self.refused(text!("names-no-file")))?;
        let temporary = files::temporary_name(&name).map_err(refused)?;
        match dir.stage(temporary, 0o400, contents).map_err(refused)?.publish_new(&name) {
            Ok(_) => Ok(true),
            Err(PublishError::Exists) => Ok(false),
            Err(PublishError::Refused(error) | PublishError::Unsure(error)) => Err(refused(error)),
        }
    }

    /// Removes it, durably; one that is not there is no error.
    pub(super) fn remove(&self) -> Result<(), ProviderError> {
        let removed = Dir::of(&self.path).and_then(|home| match home {
            Some((dir, name)) => dir.remove(&name).and_then(|()| dir.sync()),
            None => Ok(()),
        });
        removed.map_err(|error| self.refused(error))
    }
}
