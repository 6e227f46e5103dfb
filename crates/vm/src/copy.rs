//! Copies of what lies in a bundle: without following anything in it, and without writing its holes.
use crate::{
    error::{Error, Result},
    files::{new_file, remove, sync_dir},
};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, SeekFrom, Timespec, Timestamps, ioctl_ficlone},
    io::Errno,
};
use sigillo_messages::{text, words};
use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

/// Is told how many octets are done, of how many in all.
pub type Progress<'a> = dyn FnMut(u64, u64) + 'a;

/// Octets are looked at so many at a time; a piece of nothing but zeros becomes a hole. A multiple of [`ALIGN`].
pub(crate) const PIECE: u64 = 256 * 1024;
/// Holes begin and end at multiples of this.
pub(crate) const ALIGN: u64 = 4096;

/// How far a long command is.
pub(crate) struct Tally<'a> {
    done: u64,
    total: u64,
    tell: &'a mut Progress<'a>,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(total: u64, tell: &'a mut Progress<'a>) -> Self {
        Tally { done: 0, total, tell }
    }

    pub(crate) fn add(&mut self, octets: u64) {
        self.done = self.done.saturating_add(octets).min(self.total);
        (self.tell)(self.done, self.total);
    }
}

/// A regular file in a bundle, opened for reading.
pub(crate) struct Source {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) len: u64,
}

impl Source {
    /// Opens `name` in a bundle. A link on the way there is refused: it would lead out of the bundle.
    pub(crate) fn beneath(bundle: &Path, name: &Path) -> io::Result<Self> {
        let dir = File::open(bundle)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = rustix::fs::openat2(&dir, name, flags, Mode::empty(), resolve).map_err(|e| match e {
            Errno::LOOP => io::Error::new(io::ErrorKind::InvalidInput, text!("behind-symlink")),
            e => e.into(),
        })?;
        Self::of(file.into(), bundle.join(name))
    }

    /// Takes an open file, which has to be a regular one.
    pub(crate) fn of(file: File, path: PathBuf) -> io::Result<Self> {
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text!("not-a-file")));
        }
        Ok(Self { file, path, len: found.len() })
    }

    /// Hands on what the file holds, in order, without its holes: pieces that begin at a multiple of [`ALIGN`], and end at one or
    /// with the file. `passed` is told what was gone over.
    pub(crate) fn each_piece(
        &self,
        mut passed: impl FnMut(u64),
        mut piece: impl FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let failed = |e: io::Error| Error::io(words!("do-read"), &self.path, e);
        let mut buffer = vec![0; usize::try_from(PIECE).map_err(|e| failed(io::Error::other(e)))?];
        let mut at = 0;
        while at < self.len {
            let data = match rustix::fs::seek(&self.file, SeekFrom::Data(at)) {
                Ok(data) => (data - data % ALIGN).max(at),
                // Nothing but a hole from here on.
                Err(Errno::NXIO) => self.len,
                // A file system that knows no holes has none.
                Err(Errno::INVAL | Errno::OPNOTSUPP) => at,
                Err(e) => return Err(failed(e.into())),
            };
            passed(data.min(self.len) - at);
            at = data;
            if at >= self.len {
                break;
            }
            let hole = match rustix::fs::seek(&self.file, SeekFrom::Hole(at)) {
                Ok(hole) => hole.next_multiple_of(ALIGN).min(self.len),
                Err(Errno::INVAL | Errno::OPNOTSUPP) => self.len,
                Err(e) => return Err(failed(e.into())),
            };
            while at < hole {
                let want = usize::try_from((hole - at).min(PIECE)).unwrap_or(buffer.len());
                let part = buffer.get_mut(..want).unwrap_or_default();
                self.file.read_exact_at(part, at).map_err(failed)?;
                if part.iter().any(|octet| *octet != 0) {
                    piece(at, part)?;
                }
                let step = u64::try_from(want).unwrap_or(PIECE);
                at += step;
                passed(step);
            }
        }
        Ok(())
    }

    /// Copies it to a new file: as one that shares its blocks where the file system can do that, else without the holes. The copy has
    /// the time of the last change, by which a suspended guest knows its disks. `passed` is told what was gone over.
    pub(crate) fn copy_to(&self, to: &Path, passed: &mut dyn FnMut(u64)) -> Result<()> {
        let failed = |e: io::Error| Error::io(words!("do-write"), to, e);
        let target = new_file(to, 0o600)?;
        if ioctl_ficlone(&target, &self.file).is_ok() {
            passed(self.len);
        } else {
            self.each_piece(&mut *passed, |at, part| target.write_all_at(part, at).map_err(failed))?;
            target.set_len(self.len).map_err(failed)?;
        }
        let found = self.file.metadata().map_err(failed)?;
        set_modified(&target, (found.mtime(), found.mtime_nsec())).map_err(failed)?;
        target.sync_all().map_err(failed)
    }
}

/// Sets the time of a file's last change: seconds since 1970, and nanoseconds.
pub(crate) fn set_modified(file: &File, (tv_sec, tv_nsec): (i64, i64)) -> io::Result<()> {
    let modified = Timespec { tv_sec, tv_nsec };
    let times = Timestamps { last_access: modified, last_modification: modified };
    Ok(rustix::fs::futimens(file, &times)?)
}

/// Copies a small file to a name that is free, whole or not at all.
pub(crate) fn copy_new(from: &Path, to: &Path) -> Result<()> {
    let name = Path::new(from.file_name().unwrap_or_default());
    let source = Source::beneath(from.parent().unwrap_or(Path::new(".")), name)
        .map_err(|e| Error::io(words!("do-copy"), from, e))?;
    let mut next = std::ffi::OsString::from(".");
    next.push(to.file_name().unwrap_or_default());
    let next = to.with_file_name(next);
    remove(&next)?;
    source.copy_to(&next, &mut |_| {})?;
    rustix::fs::renameat_with(
        rustix::fs::CWD,
        &next,
        rustix::fs::CWD,
        to,
        rustix::fs::RenameFlags::NOREPLACE,
    )
    .map_err(|e| Error::io(words!("do-rename"), &next, e.into()))?;
    to.parent().map_or(Ok(()), sync_dir)
}
