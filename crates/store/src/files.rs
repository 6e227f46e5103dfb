//! File operations that do not follow, do not clobber and do not lose: shared by the store and the keychain.
//!
//! Everything goes through a directory handle and a single file name, so that nothing on the path can be swapped
//! between two steps.

use sigillo_messages::{Words, text, words};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dev, FileType, FlockOperation, Mode, OFlags, RawMode, RenameFlags, Stat};
use rustix::io::Errno;

use crate::secret::random;

/// Why a file was not opened.
#[derive(Debug)]
pub enum FileError {
    /// No such file.
    NotFound,
    /// Not a plain file with one name; what it is instead.
    Unsafe(Words),
    /// The operating system refused.
    Io(io::Error),
}

impl From<Errno> for FileError {
    fn from(errno: Errno) -> Self {
        FileError::Io(errno.into())
    }
}

/// Which file a handle or a name refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: Dev,
    inode: u64,
}

impl Identity {
    // The inode has another width on other systems; there the conversion is needed.
    #[allow(clippy::useless_conversion)]
    fn of(stat: &Stat) -> Self {
        Identity { device: stat.st_dev, inode: stat.st_ino.into() }
    }

    /// Of an open file.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn of_file(file: &File) -> io::Result<Self> {
        Ok(Identity::of(&rustix::fs::fstat(file)?))
    }
}

/// A handle to a directory.
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl From<OwnedFd> for Dir {
    /// The descriptor must be open for reading (not `O_PATH`): a directory has to be synced.
    fn from(fd: OwnedFd) -> Self {
        Dir(fd)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Dir {
    /// Opens a directory. Symbolic links on the way are followed.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Dir(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens the directory a path lies in and gives its last name; `None` if the path ends in no name.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn of(path: &Path) -> io::Result<Option<(Self, OsString)>> {
        let Some(name) = path.file_name() else { return Ok(None) };
        Ok(Some((Dir::open(path.parent().unwrap_or(Path::new(".")))?, name.to_owned())))
    }

    /// A second handle to the same directory.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Dir(self.0.try_clone()?))
    }

    /// Opens a plain file: no symbolic link is followed, no device waited for.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn open_file(&self, name: &OsStr, write: bool) -> Result<File, FileError> {
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        match rustix::fs::openat(&self.0, name, flags, Mode::empty()) {
            Ok(fd) => {
                let file = File::from(fd);
                require_plain(&file)?;
                Ok(file)
            }
            Err(Errno::NOENT) => Err(FileError::NotFound),
            Err(Errno::LOOP) => Err(FileError::Unsafe(words!("file-symlink"))),
            Err(Errno::ISDIR) => Err(FileError::Unsafe(words!("file-directory"))),
            Err(Errno::NXIO) => Err(FileError::Unsafe(words!("file-special"))),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens a plain file for writing, made with this mode if it is not there.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn open_or_create(&self, name: &OsStr, mode: u32) -> Result<File, FileError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.0, name, flags, permissions(mode)) {
            Ok(fd) => Ok(File::from(fd)),
            Err(Errno::EXIST) => self.open_file(name, true),
            Err(errno) => Err(errno.into()),
        }
    }

    /// What a name refers to now; `None` if nothing.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn identity(&self, name: &OsStr) -> io::Result<Option<Identity>> {
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Identity::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Writes and syncs a file under a temporary name, locked, with exactly this mode whatever the umask.
    ///
    /// # Errors
    /// The operating system refused; nothing is left behind.
    pub fn stage(&self, temporary: OsString, mode: u32, contents: &[u8]) -> io::Result<Staged<'_>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.0, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
        let mut staged = Staged { dir: self, temporary, file: Some(File::from(fd)) };
        if let Some(file) = &mut staged.file {
            rustix::fs::fchmod(&*file, permissions(mode))?;
            rustix::fs::flock(&*file, FlockOperation::NonBlockingLockExclusive)?;
            file.write_all(contents)?;
            file.sync_all()?;
        }
        Ok(staged)
    }

    /// Writes a file under a temporary name and gives it `name`, in place of what had it: whoever looks finds the one or the other,
    /// whole. Durable on return.
    ///
    /// # Errors
    /// See [`PublishError`]; what cannot be written is [`PublishError::Refused`].
    pub fn write_over(&self, name: &OsStr, mode: u32, contents: &[u8]) -> Result<File, PublishError> {
        let temporary = temporary_name(name).map_err(PublishError::Refused)?;
        self.stage(temporary, mode, contents).map_err(PublishError::Refused)?.publish_over(name)
    }

    /// Removes a name; one that is not there is no error.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes renames and removals in the directory durable.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }
}

/// Makes a directory, and those it lies in, with this mode; what is there already is left as it is. Durable on return: a
/// file in a directory whose own name is lost in a power cut is lost with it.
///
/// # Errors
/// The operating system refused.
pub fn make_dirs(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_dirs(parent, mode)?;
    match std::fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(error),
    }
    Dir::open(parent)?.sync()
}

/// A hidden name beside `name` that no other process picks.
///
/// # Errors
/// The operating system gave no random bytes.
pub fn temporary_name(name: &OsStr) -> io::Result<OsString> {
    let mut tail = [0; 8];
    random(&mut tail).map_err(io::Error::other)?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{:016x}.new", u64::from_le_bytes(tail)));
    Ok(temporary)
}

/// A file that is whole on the disk and has no proper name yet. Dropped, it is removed.
#[derive(Debug)]
pub struct Staged<'a> {
    dir: &'a Dir,
    temporary: OsString,
    file: Option<File>,
}

/// Why a staged file did not get its name.
#[derive(Debug)]
pub enum PublishError {
    /// The name is taken.
    Exists,
    /// It was refused: what was there before is there still.
    Refused(io::Error),
    /// It happened or not; only a look after the next start of the host can say.
    Unsure(io::Error),
}

/// Where it makes no difference whether it was refused or is not known.
impl From<PublishError> for io::Error {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Exists => io::ErrorKind::AlreadyExists.into(),
            PublishError::Refused(error) | PublishError::Unsure(error) => error,
        }
    }
}

impl Staged<'_> {
    /// The file under its temporary name.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Gives the file its name, which must be free. Durable on return.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn publish_new(mut self, name: &OsStr) -> Result<File, PublishError> {
        let renamed =
            rustix::fs::renameat_with(self.dir, &self.temporary, self.dir, name, RenameFlags::NOREPLACE);
        match renamed {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                // A file system without RENAME_NOREPLACE: a hard link refuses a taken name as well.
                rustix::fs::linkat(self.dir, &self.temporary, self.dir, name, AtFlags::empty())
                    .map_err(refused)?;
                self.dir.remove(&self.temporary).map_err(PublishError::Unsure)?;
            }
            Err(errno) => return Err(refused(errno)),
        }
        self.finish()
    }

    /// Gives the file its name, in place of what had it. Durable on return.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn publish_over(mut self, name: &OsStr) -> Result<File, PublishError> {
        rustix::fs::renameat(self.dir, &self.temporary, self.dir, name).map_err(refused)?;
        self.finish()
    }

    fn finish(&mut self) -> Result<File, PublishError> {
        // From here on the temporary name is gone, and dropping must not remove what took it since.
        let file = self.file.take();
        self.dir.sync().map_err(PublishError::Unsure)?;
        file.ok_or_else(|| PublishError::Unsure(io::Error::other(text!("store-staged-published"))))
    }
}

fn refused(errno: Errno) -> PublishError {
    match errno {
        Errno::EXIST => PublishError::Exists,
        Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::NOSPC | Errno::DQUOT | Errno::NAMETOOLONG => {
            PublishError::Refused(errno.into())
        }
        _ => PublishError::Unsure(errno.into()),
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if self.file.is_some() {
            // Best effort: the file is complete but unnamed, and a leftover is found by its name.
            let _ = self.dir.remove(&self.temporary);
        }
    }
}

/// Requires a regular file with at most one name. A file whose name is already gone is let through: see the lock.
///
/// # Errors
/// See [`FileError`].
pub fn require_plain(file: &File) -> Result<(), FileError> {
    let stat = rustix::fs::fstat(file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if stat.st_nlink > 1 => Err(FileError::Unsafe(words!("store-hard-link"))),
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(FileError::Unsafe(words!("file-directory"))),
        FileType::Symlink => Err(FileError::Unsafe(words!("file-symlink"))),
        _ => Err(FileError::Unsafe(words!("file-special"))),
    }
}

/// Owner and permission bits (07777).
///
/// # Errors
/// The operating system refused.
// Modes have another width on other systems; there the conversion is needed.
#[allow(clippy::useless_conversion)]
pub fn owner_and_mode(fd: impl AsFd) -> io::Result<(u32, u32)> {
    let stat = rustix::fs::fstat(fd)?;
    Ok((stat.st_uid, u32::from(Mode::from_raw_mode(stat.st_mode).as_raw_mode()) & 0o7777))
}

/// Permission bits as the system wants them.
#[allow(clippy::useless_conversion)]
fn permissions(mode: u32) -> Mode {
    // Twelve bits fit every system's type.
    Mode::from_raw_mode(RawMode::try_from(mode & 0o7777).unwrap_or(0o600))
}

/// Gives a staged file the owner and mode of another.
///
/// # Errors
/// The operating system refused.
pub fn copy_owner(from: &File, to: &File) -> io::Result<()> {
    let wanted = rustix::fs::fstat(from)?;
    let now = rustix::fs::fstat(to)?;
    if (wanted.st_uid, wanted.st_gid) != (now.st_uid, now.st_gid) {
        let uid = rustix::fs::Uid::from_raw(wanted.st_uid);
        let gid = rustix::fs::Gid::from_raw(wanted.st_gid);
        rustix::fs::fchown(to, Some(uid), Some(gid))?;
    }
    Ok(rustix::fs::fchmod(to, Mode::from_raw_mode(wanted.st_mode) & Mode::from_raw_mode(0o777))?)
}

/// Takes the exclusive lock of an open file or directory without waiting: `false` if another has it. The lock belongs to the open
/// file, so it goes with the descriptor to a child that inherits it, and ends with the last copy
/// or when one of them gives it back.
///
/// # Errors
/// The operating system refused.
pub fn try_lock(file: impl AsFd) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Gives the lock of an open file back, for all copies of its descriptor.
pub(crate) fn unlock(file: &File) {
    // Best effort: closing the last copy does the same.
    let _ = rustix::fs::flock(file, FlockOperation::NonBlockingUnlock);
}

/// The process that holds the lock of a file, where the system tells (Linux: `/proc/locks`).
///
/// The kernel writes the table a buffer at a time and finds its place again by counting, so that a
/// line is missed when locks before it go away between two reads; hence more than one look.
pub fn lock_holder(file: &File) -> Option<u32> {
    const LOOKS: usize = 16;
    let identity = Identity::of_file(file).ok()?;
    (0..LOOKS).find_map(|_| find_holder(&lock_table().ok()?, identity))
}

/// `/proc/locks` in as few reads as it takes. [`std::fs::read`] begins with a read of a few octets.
fn lock_table() -> std::io::Result<String> {
    const ONE_READ: usize = 64 * 1024;
    const MOST: usize = 16 * 1024 * 1024;
    let mut file = File::open("/proc/locks")?;
    let mut table = Vec::new();
    loop {
        let held = table.len();
        table.resize(held + ONE_READ, 0);
        let read = file.read(table.get_mut(held..).unwrap_or_default())?;
        table.truncate(held + read);
        if read == 0 || table.len() > MOST {
            return Ok(String::from_utf8_lossy(&table).into_owned());
        }
    }
}

fn find_holder(table: &str, identity: Identity) -> Option<u32> {
    let wanted = format!(
        "{:02x}:{:02x}:{}",
        rustix::fs::major(identity.device),
        rustix::fs::minor(identity.device),
        identity.inode
    );
    table.lines().find_map(|line| {
        // "1: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF"; a waiter has "->" in second place.
        let mut words = line.split_whitespace().skip(1);
        (words.next()? == "FLOCK").then_some(())?;
        let pid = words.nth(2)?.parse().ok().filter(|pid| *pid != 0)?;
        (words.next()? == wanted).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn the_holder_is_found_by_device_and_inode_and_waiters_are_not_holders() {
        let table = "1: POSIX  ADVISORY  WRITE 10 fe:01:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 20 fe:01:78 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 21 fe:01:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 30 fe:01:77 0 EOF\n";
        let identity = Identity { device: rustix::fs::makedev(0xfe, 1), inode: 77 };
        assert_eq!(find_holder(table, identity), Some(30));
        assert_eq!(find_holder(table, Identity { inode: 79, ..identity }), None);
    }

    #[test]
    fn our_own_lock_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("f")).unwrap();
        assert!(try_lock(&file).unwrap());
        assert_eq!(lock_holder(&file), Some(std::process::id()));
    }

    #[test]
    fn a_lock_is_found_while_others_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let create = |name: &str| File::create(dir.path().join(name)).unwrap();
        // More than the kernel writes into one buffer.
        let others: Vec<File> = (0..200).map(|number| create(&number.to_string())).collect();
        let file = create("f");
        assert!(try_lock(&file).unwrap());
        std::thread::scope(|scope| {
            let looks = scope.spawn(|| (0..300).map(|_| lock_holder(&file)).collect::<Vec<_>>());
            while !looks.is_finished() {
                for other in &others {
                    assert!(try_lock(other).unwrap());
                }
                others.iter().for_each(unlock);
            }
            assert!(looks.join().unwrap().into_iter().all(|pid| pid == Some(std::process::id())));
        });
    }

    #[test]
    fn a_staged_file_that_is_dropped_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let handle = Dir::open(dir.path()).unwrap();
        drop(handle.stage("t".into(), 0o600, b"x").unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn publishing_a_new_file_never_replaces_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), b"old").unwrap();
        let handle = Dir::open(dir.path()).unwrap();
        let staged = handle.stage("t".into(), 0o600, b"new").unwrap();
        assert!(matches!(staged.publish_new(OsStr::new("f")), Err(PublishError::Exists)));
        assert_eq!(std::fs::read(dir.path().join("f")).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn directories_are_made_with_their_mode_and_a_file_in_the_way_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        make_dirs(&deep, 0o700).unwrap();
        make_dirs(&deep, 0o755).unwrap();
        for made in [dir.path().join("a"), deep] {
            assert_eq!(std::fs::metadata(made).unwrap().mode() & 0o777, 0o700);
        }
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(make_dirs(&dir.path().join("file"), 0o700).is_err());
        assert!(make_dirs(&dir.path().join("file/below"), 0o700).is_err());
    }

    #[test]
    fn growing_keeps_owner_and_mode() {
        let dir = tempfile::tempdir().unwrap();
        let old = File::create(dir.path().join("old")).unwrap();
        old.set_permissions(std::fs::Permissions::from_mode(0o640)).unwrap();
        let new = File::create(dir.path().join("new")).unwrap();
        copy_owner(&old, &new).unwrap();
        let (old, new) = (old.metadata().unwrap(), new.metadata().unwrap());
        assert_eq!((new.mode(), new.uid(), new.gid()), (old.mode(), old.uid(), old.gid()));
    }
}
