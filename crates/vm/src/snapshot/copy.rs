//! Copies of a VM's files.
use crate::{
    copy::{Source, Tally},
    error::{Error, Result},
    files::open_itself,
};
use sigillo_messages::words;
use std::path::Path;

/// Copies a file with the time of its last change. Durable on return.
pub(super) fn file(from: &Path, to: &Path, tally: &mut Tally<'_>) -> Result<()> {
    let source = open_itself(from).and_then(|file| Source::of(file, from.to_owned()));
    source.map_err(|e| Error::io(words!("do-copy"), from, e))?.copy_to(to, &mut |octets| tally.add(octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, Timespec, Timestamps};
    use std::{
        fs::{self, File},
        io::{self, Seek, Write},
        os::unix::fs::MetadataExt,
    };

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
        let mut progress = |done, all| seen = (done, all);
        file(&from, &to, &mut Tally::new(64 << 20, &mut progress)).unwrap();
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
