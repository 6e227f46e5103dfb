//! The log: what happened to a TPM, never what it was told or what it answered.

use sigillo_messages::{Language, speaking};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

use rustix::fs::{Mode, OFlags};

/// How much is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Off,
    /// What went wrong.
    Error,
    /// What happened to the TPM: started, stopped, taken over.
    Info,
    /// Each control command by name, and each TPM command by its code and response code.
    Debug,
}

impl Level {
    /// swtpm's `level=N`: 0 is silence, 1 what happened, 5 and above each command.
    pub fn from_number(number: u32) -> Level {
        match number {
            0 => Level::Off,
            1..=4 => Level::Info,
            _ => Level::Debug,
        }
    }
}

/// Where log lines go. Clones write to the same place.
#[derive(Clone, Debug)]
pub struct Log {
    level: Level,
    prefix: Arc<str>,
    sink: Arc<Mutex<Sink>>,
}

#[derive(Debug)]
enum Sink {
    File(File),
    Stderr,
    #[cfg(test)]
    Memory(Vec<u8>),
}

impl Log {
    /// Lines go to standard error.
    pub fn to_stderr(level: Level) -> Log {
        Log::new(level, Sink::Stderr)
    }

    /// Lines go to an open file.
    pub fn to_file(level: Level, file: File) -> Log {
        Log::new(level, Sink::File(file))
    }

    fn new(level: Level, sink: Sink) -> Log {
        Log { level, prefix: "".into(), sink: Arc::new(Mutex::new(sink)) }
    }

    /// The same place, each line starting with `prefix`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Log {
        self.prefix = prefix.into();
        self
    }

    /// Opens a log file for appending, made with mode 0640 if it is not there. A symbolic link is not followed.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn open(path: &Path, truncate: bool) -> io::Result<File> {
        let mut flags = OFlags::WRONLY
            | OFlags::APPEND
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC
            | OFlags::NOCTTY;
        if truncate {
            flags |= OFlags::TRUNC;
        }
        let fd = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR | Mode::RGRP)?;
        Ok(File::from(fd))
    }

    /// Something went wrong.
    pub fn error(&self, message: fmt::Arguments<'_>) {
        self.line(Level::Error, "error: ", message);
    }

    /// Something happened.
    pub fn info(&self, message: fmt::Arguments<'_>) {
        self.line(Level::Info, "", message);
    }

    /// Something for whoever hunts a bug.
    pub fn debug(&self, message: fmt::Arguments<'_>) {
        self.line(Level::Debug, "", message);
    }

    fn line(&self, level: Level, kind: &str, message: fmt::Arguments<'_>) {
        if level > self.level {
            return;
        }
        // A log is in one language, whatever the person at the terminal reads.
        let line = speaking(Language::English, || format!("{}{kind}{message}\n", self.prefix));
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk must not stop the TPM: a line that cannot be written is lost.
        let _ = match &mut *sink {
            Sink::File(file) => file.write_all(line.as_bytes()),
            Sink::Stderr => io::stderr().write_all(line.as_bytes()),
            #[cfg(test)]
            Sink::Memory(lines) => lines.write_all(line.as_bytes()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_hides_what_is_above_it() {
        let log = Log::new(Level::Info, Sink::Memory(Vec::new())).with_prefix("vm1 ");
        log.debug(format_args!("hidden"));
        log.info(format_args!("seen {}", 1));
        log.error(format_args!("seen too"));
        let Sink::Memory(lines) = &*log.sink.lock().unwrap() else { panic!("another sink") };
        assert_eq!(String::from_utf8_lossy(lines), "vm1 seen 1\nvm1 error: seen too\n");
    }

    #[test]
    fn a_symbolic_link_is_no_log_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("victim"), "keep").unwrap();
        std::os::unix::fs::symlink("victim", dir.path().join("log")).unwrap();
        assert!(Log::open(&dir.path().join("log"), true).is_err());
        assert_eq!(std::fs::read_to_string(dir.path().join("victim")).unwrap(), "keep");
    }
}
