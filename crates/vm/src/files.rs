//! Files of a bundle. A bundle may come from anywhere, so nothing in it is followed, waited for, or taken for ours because
//! of its name alone.
use crate::error::{Error, Result};
use rustix::fs::{Mode, OFlags};
use sigillo_messages::{text, words};
use sigillo_store::files::{Dir, FileError};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

/// Makes a file that must not be there.
pub(crate) fn new_file(path: &Path, mode: u32) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|e| Error::io(words!("do-create"), path, e))
}

/// An empty file in place of whatever had the name.
pub(crate) fn fresh_file(path: &Path, mode: u32) -> Result<File> {
    remove(path)?;
    new_file(path, mode)
}

/// Removes a name; one that is not there is no error.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::io(words!("do-remove"), path, e)),
    }
}

/// A log that is added to, made with mode 0600 if it is not there.
pub(crate) fn log_file(path: &Path) -> Result<File> {
    let failed = |e: io::Error| Error::io(words!("do-open"), path, e);
    let (dir, name) = home(path).map_err(failed)?;
    let file = dir.open_or_create(&name, 0o600).map_err(|e| failed(plain(e)))?;
    rustix::fs::fcntl_setfl(&file, OFlags::APPEND).map_err(|e| failed(e.into()))?;
    Ok(file)
}

/// Requires a regular file: a link would lead out of the bundle.
pub(crate) fn require_plain(path: &Path) -> Result<()> {
    let failed = |e: io::Error| Error::io(words!("do-use"), path, e);
    let (dir, name) = home(path).map_err(failed)?;
    dir.open_file(&name, false).map(drop).map_err(|e| failed(plain(e)))
}

fn home(path: &Path) -> io::Result<(Dir, OsString)> {
    Dir::of(path)?.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, text!("names-no-file")))
}

/// What the operating system would say.
pub(crate) fn plain(error: FileError) -> io::Error {
    match error {
        FileError::NotFound => io::ErrorKind::NotFound.into(),
        FileError::Unsafe(why) => io::Error::new(io::ErrorKind::InvalidInput, why),
        FileError::Io(error) => error,
    }
}

/// Opens a regular file for reading. Nothing else is waited for.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    open_regular(path, OFlags::empty())
}

/// The same, and no link to one.
pub(crate) fn open_itself(path: &Path) -> io::Result<File> {
    open_regular(path, OFlags::NOFOLLOW)
}

fn open_regular(path: &Path, more: OFlags) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | more;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text!("not-a-file")));
    }
    Ok(file)
}

/// Reads a regular file, at most one byte more than `limit`.
pub(crate) fn read_plain(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open_plain(path)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Replaces a file's content, whole or not at all, durably.
pub(crate) fn replace_file(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let next = path.with_file_name(name);
    let mut file = fresh_file(&next, mode)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|e| Error::io(words!("do-write"), &next, e))?;
    fs::rename(&next, path).map_err(|e| Error::io(words!("do-replace"), path, e))?;
    path.parent().map_or(Ok(()), sync_dir)
}

pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|e| Error::io(words!("do-sync"), path, e))
}

pub(crate) fn make_dirs(path: &Path, mode: u32) -> Result<()> {
    sigillo_store::files::make_dirs(path, mode).map_err(|e| Error::io(words!("do-make"), path, e))
}

/// Whether a path is a directory itself (and no link to one), this user's, and no other's to write into.
pub(crate) fn is_own_dir(path: &Path) -> io::Result<bool> {
    let found = fs::symlink_metadata(path)?;
    Ok(found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0)
}

/// Requires a disk image that names no other file: QEMU would open what a foreign image tells it to, and show it to the
/// guest. QEMU, docs/interop/qcow2.txt: the header.
pub(crate) fn require_one_file(path: &Path) -> io::Result<()> {
    const EXTERNAL_DATA_FILE: u8 = 1 << 2;
    let header = read_plain(path, 103)?;
    let field = |from: usize, to: usize| header.get(from..to).unwrap_or_default();
    if field(0, 4) != b"QFI\xfb" {
        return Err(io::Error::new(io::ErrorKind::InvalidData, text!("qcow2-none")));
    }
    if field(8, 16).iter().any(|octet| *octet != 0) {
        let why = text!("qcow2-backing");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let version_3 = field(4, 8) != [0, 0, 0, 2];
    if version_3 && field(79, 80).iter().any(|octet| octet & EXTERNAL_DATA_FILE != 0) {
        let why = text!("qcow2-data-file");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_log_is_added_to_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        log_file(&log).unwrap().write_all(b"one\n").unwrap();
        log_file(&log).unwrap().write_all(b"two\n").unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "one\ntwo\n");
        assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
        let link = dir.path().join("link");
        symlink(&log, &link).unwrap();
        assert!(log_file(&link).is_err());
        assert!(require_plain(&link).is_err());
        fresh_file(&link, 0o600).unwrap().write_all(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&link).unwrap(), "three\n");
    }

    #[test]
    fn an_image_that_names_another_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.qcow2");
        let mut image = vec![0; 512];
        image[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        let check = |image: &[u8]| {
            fs::write(&path, image).unwrap();
            require_one_file(&path).is_ok()
        };
        assert!(check(&image));
        let mut backed = image.clone();
        backed[14] = 1;
        assert!(!check(&backed));
        let mut external = image.clone();
        external[79] = 4;
        assert!(!check(&external));
        // Version 2 has no such feature: the octet is something else there.
        external[7] = 2;
        assert!(check(&external));
        assert!(!check(b"RAW DISK"));
        assert!(!check(b""));
    }
}
