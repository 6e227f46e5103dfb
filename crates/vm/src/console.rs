//! The serial console of a VM that runs in the background.
use crate::{
    bundle::{Bundle, lock_dir},
    error::{Error, Result},
    life::LifeError,
    rundir::RunBy,
};
use sigillo_messages::words;
use std::{
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

/// A guest's first serial port, for one at a time. Dropped, it is free again; the guest notices nothing.
#[derive(Debug)]
pub struct Console {
    stream: UnixStream,
    _lock: File,
}

impl Bundle {
    /// Connects to the serial console. What the guest said before is in [`Bundle::serial_log`].
    ///
    /// # Errors
    /// [`Error::NotRunning`]; [`LifeError::ConsoleTaken`] while somebody else has it; [`LifeError::NoConsole`] when QEMU was started
    /// with its console on a terminal.
    pub fn console(&self) -> Result<Console> {
        let name = || self.name().to_owned();
        match self.run_by()? {
            RunBy::Libvirt(libvirt) => {
                return Err(LifeError::LibvirtConsole { name: name(), uri: libvirt.uri().to_owned() }.into());
            }
            RunBy::Qemu(_) => {}
            RunBy::Nobody => return Err(Error::NotRunning { name: name() }),
        }
        let run = self.run_dir(false)?;
        let path = run.console();
        // QEMU takes one connection and lets a second one wait without a word.
        let lock = lock_dir(run.path()).map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => LifeError::ConsoleTaken { name: name() }.into(),
            _ => Error::io(words!("do-lock"), run.path(), e),
        })?;
        let stream = UnixStream::connect(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                LifeError::NoConsole { name: name() }.into()
            }
            _ => Error::io(words!("do-connect-to"), &path, e),
        })?;
        Ok(Console { stream, _lock: lock })
    }
}

impl Console {
    /// From here on reading and writing return [`io::ErrorKind::WouldBlock`] in place of waiting.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        self.stream.set_nonblocking(true)
    }
}

impl Read for Console {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl AsFd for Console {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
