//! What the guest says on its serial port, in a file of the run directory that does not grow for ever.
//!
//! QEMU writes into a pipe, and a process of ours from the pipe into the file; when that is full it becomes `serial.log.1`, and the
//! oldest is dropped. The process ends when the pipe does, which is when QEMU has ended, however it did. Why it is done so:
//! `docs/adr/0032-serial-log.md`.
use crate::{
    bundle::Bundle,
    error::{Error, Result},
    files::{fresh_file, remove},
    rundir::RunDir,
    worker::{Inherited, Worker},
};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, Mode, OFlags},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};
use sigillo_messages::{text, words};
use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// The file's name, and what older ones begin with.
pub(crate) const NAME: &str = "serial.log";
/// One that is not in its place yet.
const NEXT: &str = "serial.log.new";
/// No file is longer. Bytes; libvirt's logger has the same limits.
const FILE: u64 = 2 << 20;
/// So many older ones are kept.
const OLDER: u32 = 3;
/// A file that is full but for so little ends with a whole line. Bytes.
const LINE: u64 = 4096;
/// What is read at once. Bytes; a pipe holds as much.
const PART: usize = 64 << 10;

/// The process that writes the log, and QEMU's way to it.
#[derive(Debug)]
pub(crate) struct SerialLog {
    worker: Worker,
    pipe: Option<OwnedFd>,
}

impl SerialLog {
    /// Begins an empty log and starts the process for it. What a former run left is gone.
    pub(crate) fn start(vm: &Bundle, run: &RunDir, program: &Path) -> Result<Self> {
        let failed = |why: String| Error::SerialLog { name: vm.name().to_owned(), why };
        let system = |e: Errno| failed(e.to_string());
        begin(run)?;
        let dir = File::open(run.path()).map_err(|e| Error::io(words!("do-open"), run.path(), e))?;
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(system)?;
        let (ready, ready_child) = pipe_with(PipeFlags::CLOEXEC).map_err(system)?;
        let mut inherited = Inherited::default();
        let mut command = Command::new(program);
        command.arg("serial-log");
        command.arg("--pipe-fd").arg(inherited.give(read).map_err(system)?);
        command.arg("--dir-fd").arg(inherited.give(dir.into()).map_err(system)?);
        command.arg("--ready-fd").arg(inherited.give(ready_child).map_err(system)?);
        command.stderr(Stdio::null());
        match Worker::raise(&mut command, inherited, &ready).map_err(failed)? {
            (Some(worker), _) => Ok(Self { worker, pipe: Some(write) }),
            (None, Ok(said)) if !said.trim().is_empty() => Err(failed(said.trim().to_owned())),
            (None, Ok(_)) => Err(failed(text!("said-nothing"))),
            (None, Err(why)) => Err(failed(why)),
        }
    }

    pub(crate) fn worker(&self) -> &Worker {
        &self.worker
    }

    /// The end that QEMU writes to; taken once. Nobody else may keep it: the process ends when it is closed.
    pub(crate) fn take_pipe(&mut self) -> Option<OwnedFd> {
        self.pipe.take()
    }

    /// Waits until all that QEMU wrote is in the log.
    pub(crate) fn end(mut self, limit: Duration) {
        self.pipe = None;
        self.worker.end(limit);
    }
}

/// Begins an empty log; what a former run left is gone, whoever wrote it. Whatever is found under these names is not followed.
pub(crate) fn begin(run: &RunDir) -> Result<()> {
    remove(&run.path().join(NEXT))?;
    // libvirt's logger counts from 0.
    for number in 0..=OLDER {
        remove(&run.path().join(older(number)))?;
    }
    fresh_file(&run.serial_log(), 0o600).map(drop)
}

/// The name of an older file; 1 is the youngest.
fn older(number: u32) -> String {
    format!("{NAME}.{number}")
}

/// The log as its process has it.
#[derive(Debug)]
pub struct SerialWriter {
    dir: OwnedFd,
    file: File,
    written: u64,
    limit: u64,
    /// The last byte ended a line.
    line_ended: bool,
    /// Bytes that are missing since the last one written.
    lost: u64,
}

impl SerialWriter {
    /// Goes on with the log in an open run directory.
    ///
    /// # Errors
    /// It is not there, or is no file.
    pub fn open(dir: OwnedFd) -> io::Result<Self> {
        Self::with_limit(dir, FILE)
    }

    fn with_limit(dir: OwnedFd, limit: u64) -> io::Result<Self> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&dir, NAME, flags, Mode::empty())?);
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text!("not-a-file")));
        }
        Ok(Self { dir, file, written: found.len(), limit, line_ended: true, lost: 0 })
    }

    /// Writes what comes out of the pipe, until nobody can write into it any more. A disk that is full does not end it, and does not
    /// stop the guest: what cannot be written is counted and missed.
    ///
    /// # Errors
    /// The pipe cannot be read.
    pub fn run(mut self, mut pipe: impl Read) -> io::Result<()> {
        let mut part = vec![0; PART];
        loop {
            match pipe.read(&mut part) {
                Ok(0) => return Ok(()),
                Ok(count) => self.add(part.get(..count).unwrap_or_default()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.lost > 0 {
            let note =
                format!("\n[sigillo: {} bytes are missing here, they could not be written]\n", self.lost);
            if self.write(note.as_bytes()).is_err() {
                self.lost = self.lost.saturating_add(count(bytes));
                return;
            }
            self.lost = 0;
        }
        for part in bytes.chunks(usize::try_from(self.limit).unwrap_or(PART).max(1)) {
            if let Err(missing) = self.write(part) {
                self.lost = self.lost.saturating_add(missing);
            }
        }
    }

    /// Not more than a file holds; the error is how much of it is missing.
    fn write(&mut self, bytes: &[u8]) -> std::result::Result<(), u64> {
        if self.is_full(count(bytes)) {
            self.rotate().map_err(|_| count(bytes))?;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(count(rest)),
                Ok(done) => {
                    let (done, left) = rest.split_at_checked(done).unwrap_or((rest, &[]));
                    self.written = self.written.saturating_add(count(done));
                    self.line_ended = done.ends_with(b"\n");
                    rest = left;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(count(rest)),
            }
        }
        Ok(())
    }

    fn is_full(&self, more: u64) -> bool {
        let soon = LINE.min(self.limit / 16);
        self.written.saturating_add(more) > self.limit
            || self.line_ended && self.written.saturating_add(soon) > self.limit
    }

    /// Begins the next file. The new one is made first: where it cannot be, the older ones stay.
    fn rotate(&mut self) -> rustix::io::Result<()> {
        absent(rustix::fs::unlinkat(&self.dir, NEXT, AtFlags::empty()))?;
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let next = rustix::fs::openat(&self.dir, NEXT, flags, Mode::RUSR | Mode::WUSR)?;
        for number in (1..OLDER).rev() {
            self.rename(&older(number), &older(number.saturating_add(1)))?;
        }
        self.rename(NAME, &older(1))?;
        self.rename(NEXT, NAME)?;
        (self.file, self.written) = (next.into(), 0);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> rustix::io::Result<()> {
        absent(rustix::fs::renameat(&self.dir, from, &self.dir, to))
    }
}

fn count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// What is not there, since somebody removed it or it never was, is no failure.
fn absent(result: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A log with files of that many bytes, in a directory of its own.
    fn log(limit: u64) -> (tempfile::TempDir, SerialWriter) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), "").unwrap();
        let log = SerialWriter::with_limit(File::open(dir.path()).unwrap().into(), limit).unwrap();
        (dir, log)
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn read(dir: &Path, name: &str) -> String {
        fs::read_to_string(dir.join(name)).unwrap()
    }

    /// All that is kept, from the oldest on.
    fn kept(dir: &Path) -> String {
        names(dir).iter().rev().map(|name| read(dir, name)).collect()
    }

    #[test]
    fn a_guest_that_prints_for_ever_fills_four_files_and_its_last_words_are_whole() {
        for size in [1, 7, 100, 999] {
            let (dir, mut log) = log(1000);
            let all: String = (0..3000).map(|n| format!("line {n}\n")).collect();
            for part in all.as_bytes().chunks(size) {
                log.add(part);
            }
            assert_eq!(names(dir.path()), ["serial.log", "serial.log.1", "serial.log.2", "serial.log.3"]);
            for name in names(dir.path()) {
                assert!(fs::metadata(dir.path().join(name)).unwrap().len() <= 1000);
            }
            let kept = kept(dir.path());
            assert!(all.ends_with(&kept) && kept.len() > 2000, "in parts of {size}: {kept}");
        }
    }

    #[test]
    fn a_file_ends_with_a_whole_line_where_lines_are_short() {
        let (dir, mut log) = log(1000);
        for number in 0..400 {
            log.add(format!("line {number}\n").as_bytes());
        }
        for name in names(dir.path()) {
            let text = read(dir.path(), &name);
            assert!(text.starts_with("line ") && text.ends_with('\n'), "{name}: {text}");
        }
    }

    #[test]
    fn what_does_not_fit_one_file_goes_into_the_next() {
        let (dir, mut log) = log(10);
        log.add(b"0123456789abcdefghijABCDE");
        assert_eq!(kept(dir.path()), "0123456789abcdefghijABCDE");
        assert_eq!(read(dir.path(), NAME), "ABCDE");
    }

    #[test]
    fn a_log_that_somebody_removed_is_made_anew_when_the_next_file_begins() {
        let (dir, mut log) = log(10);
        log.add(b"01234567");
        fs::remove_file(dir.path().join(NAME)).unwrap();
        log.add(b"abcdefgh");
        assert_eq!(names(dir.path()), [NAME]);
        assert_eq!(read(dir.path(), NAME), "abcdefgh");
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_the_log_says_so_later() {
        let (dir, mut log) = log(100);
        log.add(&[b'a'; 95]);
        // A directory in the way of the next file, as a disk that is full would be.
        fs::create_dir(dir.path().join(NEXT)).unwrap();
        log.add(b"lost for ever");
        log.add(b"this too");
        assert_eq!(read(dir.path(), NAME).len(), 95, "what there is stays");
        fs::remove_dir(dir.path().join(NEXT)).unwrap();
        log.add(b"here again");
        assert_eq!(read(dir.path(), "serial.log.1").len(), 95);
        let text = read(dir.path(), NAME);
        assert!(text.contains("21 bytes are missing here") && text.ends_with("here again"), "{text}");
    }

    #[test]
    fn a_link_in_the_place_of_the_log_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        fs::write(&other, "").unwrap();
        std::os::unix::fs::symlink(&other, dir.path().join(NAME)).unwrap();
        assert!(SerialWriter::open(File::open(dir.path()).unwrap().into()).is_err());
    }

    #[test]
    fn the_log_is_whole_when_the_pipe_ends() {
        let (dir, log) = log(FILE);
        let (read_end, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let writer = std::thread::spawn(move || log.run(File::from(read_end)));
        let mut guest = File::from(write);
        for _ in 0..3 {
            guest.write_all(&[b'x'; 100_000]).unwrap();
        }
        drop(guest);
        writer.join().unwrap().unwrap();
        assert_eq!(read(dir.path(), NAME).len(), 300_000);
    }
}
