//! The file under a store, behind a seam so that tests can make it fail.

use sigillo_messages::text;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::files::{Dir, Identity, PublishError, copy_owner};

/// A locked file of fixed length that can be replaced as a whole.
pub(crate) trait Medium: Send {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Reads as many bytes as the buffer has.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Writes in place, inside the length.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes the writes durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Puts another file in place of this one, atomically and durably, and locked all the time.
    fn replace(&mut self, contents: &[u8]) -> Result<(), ReplaceError>;
}

/// Why the file was not replaced.
#[derive(Debug)]
pub(crate) enum ReplaceError {
    /// The old file is in place and untouched.
    Kept(io::Error),
    /// Either is in place.
    Unsure(io::Error),
}

/// A real file.
pub(crate) struct FileMedium {
    file: File,
    home: Option<(Dir, OsString)>,
}

impl FileMedium {
    /// Takes over a locked file; without a home it cannot be replaced.
    pub(crate) fn new(file: File, home: Option<(Dir, OsString)>) -> Self {
        FileMedium { file, home }
    }
}

impl Drop for FileMedium {
    fn drop(&mut self) {
        // Closing is not enough: a process this one is just starting holds a copy of the descriptor until it has
        // become another program, and the lock with it.
        crate::files::unlock(&self.file);
    }
}

impl Medium for FileMedium {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn replace(&mut self, contents: &[u8]) -> Result<(), ReplaceError> {
        let Some((dir, name)) = &self.home else {
            return Err(ReplaceError::Kept(io::Error::new(
                io::ErrorKind::Unsupported,
                text!("store-without-directory"),
            )));
        };
        // Only the holder of the store's lock writes this name, so what is there is left from a crash.
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(".grow");
        dir.remove(&temporary).map_err(ReplaceError::Kept)?;
        let staged = dir.stage(temporary, 0o600, contents).map_err(ReplaceError::Kept)?;
        if let Some(file) = staged.file() {
            copy_owner(&self.file, file).and_then(|()| file.sync_all()).map_err(ReplaceError::Kept)?;
        }
        let ours = Identity::of_file(&self.file).map_err(ReplaceError::Kept)?;
        if dir.identity(name).map_err(ReplaceError::Kept)? != Some(ours) {
            return Err(ReplaceError::Kept(io::Error::other(text!("store-moved"))));
        }
        self.file = staged.publish_over(name).map_err(|error| match error {
            PublishError::Refused(error) => ReplaceError::Kept(error),
            PublishError::Unsure(error) => ReplaceError::Unsure(error),
            PublishError::Exists => ReplaceError::Unsure(io::Error::from(io::ErrorKind::AlreadyExists)),
        })?;
        Ok(())
    }
}
