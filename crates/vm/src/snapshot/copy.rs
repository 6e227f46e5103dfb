//! Copies of files: sharing blocks where the file system can, and leaving holes where the file has them or is zero.
use crate::{
    error::{Error, Result},
    files::new_file,
    life::Watch,
};
use rustix::{
    fs::{Mode, OFlags, SeekFrom, Timespec, Timestamps},
    io::Errno,
};
use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

const BLOCK: usize = 1 << 20;

/// Counts bytes over several files.
pub(super) struct Meter<'a> {
    step: &'static str,
    done: u64,
    all: u64,
    progress: Watch<'a>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(step: &'static str, all: u64, progress: Watch<'a>) -> Self {
        Meter { step, done: 0, all, progress }
    }

    fn add(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        (self.progress)(self.step, self.done, self.all);
    }
}

/// Opens a file itself, and no link to one.
pub(super) fn open_itself(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    Ok(file)
}

/// Sets the time of a file's last change: seconds since 1970, and nanoseconds.
pub(super) fn set_modified(file: &File, (tv_sec, tv_nsec): (i64, i64)) -> io::Result<()> {
    let modified = Timespec { tv_sec, tv_nsec };
    let times = Timestamps { last_access: modified, last_modification: modified };
    Ok(rustix::fs::futimens(file, &times)?)
}

/// Copies a file with the time of its last change, by which a suspended guest knows its disks. Durable on return.
pub(super) fn file(from: &Path, to: &Path, meter: &mut Meter<'_>) -> Result<()> {
    let source = open_itself(from).map_err(|e| Error::io("copy", from, e))?;
    let target = new_file(to, 0o600)?;
    let failed = |e: io::Error| Error::io("write", to, e);
    let found = source.metadata().map_err(failed)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        meter.add(found.len());
    } else {
        extents(source, &target, found.len(), meter).map_err(failed)?;
    }
    set_modified(&target, (found.mtime(), found.mtime_nsec())).map_err(failed)?;
    target.sync_all().map_err(failed)
}

fn extents(mut source: File, mut target: &File, len: u64, meter: &mut Meter<'_>) -> io::Result<()> {
    // A clone that failed half way leaves nothing, but what it left would count.
    target.set_len(0)?;
    target.set_len(len)?;
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    while at < len {
        let data = match rustix::fs::seek(&source, SeekFrom::Data(at)) {
            Ok(data) => data.min(len),
            // No data any more.
            Err(Errno::NXIO) => len,
            // A file system that knows no holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => at,
            Err(e) => return Err(e.into()),
        };
        meter.add(data.saturating_sub(at));
        if data >= len {
            break;
        }
        let end = match rustix::fs::seek(&source, SeekFrom::Hole(data)) {
            Ok(end) => end.min(len),
            Err(_) => len,
        };
        source.seek(io::SeekFrom::Start(data))?;
        at = data;
        while at < end {
            let wanted = usize::try_from(end.saturating_sub(at)).unwrap_or(BLOCK).min(BLOCK);
            let part = block.get_mut(..wanted).unwrap_or_default();
            let got = match source.read(part) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter")),
                Ok(got) => got,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            let part = part.get(..got).unwrap_or_default();
            if part.iter().any(|octet| *octet != 0) {
                target.seek(io::SeekFrom::Start(at))?;
                target.write_all(part)?;
            }
            at = at.saturating_add(got as u64);
            meter.add(got as u64);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_copy_has_the_bytes_the_holes_and_the_time_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let mut file_from = File::create(&from).unwrap();
        file_from.set_len(64 << 20).unwrap();
        for at in [0, 5 << 20, (64 << 20) - 3] {
            file_from.seek(io::SeekFrom::Start(at)).unwrap();
            file_from.write_all(b"abc").unwrap();
        }
        let old = Timespec { tv_sec: 1_000_000_007, tv_nsec: 123_456_789 };
        rustix::fs::futimens(&file_from, &Timestamps { last_access: old, last_modification: old }).unwrap();
        let mut seen = (0, 0);
        let mut progress = |_: &'static str, done, all| seen = (done, all);
        file(&from, &to, &mut Meter::new("copying", 64 << 20, &mut progress)).unwrap();
        assert_eq!(seen, (64 << 20, 64 << 20));
        assert!(fs::read(&from).unwrap() == fs::read(&to).unwrap());
        let found = fs::metadata(&to).unwrap();
        assert_eq!((found.mtime(), found.mtime_nsec()), (1_000_000_007, 123_456_789));
        assert_eq!(found.mode() & 0o777, 0o600);
        assert!(found.blocks() * 512 < 16 << 20, "{}", found.blocks());
    }

    #[test]
    fn no_link_is_followed_and_no_pipe_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link, pipe) = (dir.path().join("real"), dir.path().join("link"), dir.path().join("pipe"));
        fs::write(&real, "secret").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        for path in [link, pipe] {
            assert!(open_itself(&path).is_err(), "{}", path.display());
        }
    }
}
