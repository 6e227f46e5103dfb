//! Descriptors inherited by number.
//!
//! Owning a number needs `unsafe`, since nothing proves that nobody else does. A duplicate does not: the kernel makes
//! one of any descriptor of this very process (`pidfd_getfd`), and the number itself is left alone.

use sigillo_messages::text;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use sigillo_store::Secret;
use zeroize::Zeroizing;

/// The longest key or passphrase read from a descriptor, in bytes.
pub const MAX_KEY: usize = 4096;

/// A duplicate of the inherited descriptor `number`.
///
/// # Errors
/// There is none of this number, or the kernel has no way to duplicate it safely.
pub fn inherited(number: i32) -> io::Result<OwnedFd> {
    let named = |error: io::Error| io::Error::new(error.kind(), text!("descriptor-unusable", number, error));
    if number < 0 {
        return Err(named(rustix::io::Errno::BADF.into()));
    }
    let duplicate = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|myself| pidfd_getfd(myself, number, PidfdGetfdFlags::empty()));
    match duplicate {
        Ok(fd) => Ok(fd),
        Err(rustix::io::Errno::BADF) => Err(named(rustix::io::Errno::BADF.into())),
        // An old kernel, or a container that forbids it: whatever has a path can be opened again, a socket cannot.
        Err(errno) => reopened(number).map_err(|_| named(errno.into())),
    }
}

/// As it is open already: a pipe that is read and came back writable as well would wait for itself to close its end.
fn reopened(number: i32) -> io::Result<OwnedFd> {
    let facts = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}"))?;
    let flags = facts.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok());
    let access = OFlags::from_bits_retain(flags.ok_or(io::ErrorKind::InvalidData)?) & OFlags::RWMODE;
    let path = format!("/proc/self/fd/{number}");
    Ok(rustix::fs::open(path, access | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())?)
}

/// Reads a secret to its end.
///
/// # Errors
/// It cannot be read, is empty, or longer than [`MAX_KEY`].
pub fn read_secret(file: File) -> io::Result<Secret> {
    // Large enough from the start: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEY.saturating_add(1)));
    let bound = u64::try_from(MAX_KEY).unwrap_or(u64::MAX).saturating_add(1);
    file.take(bound).read_to_end(&mut bytes)?;
    if bytes.is_empty() || bytes.len() > MAX_KEY {
        let limit = MAX_KEY;
        let why =
            if bytes.is_empty() { text!("key-is-empty", limit) } else { text!("key-is-too-long", limit) };
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(Secret::from_slice(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_duplicate_of_a_socket_reaches_the_same_peer() {
        let (one, mut other) = UnixStream::pair().unwrap();
        let duplicate = UnixStream::from(inherited(one.as_raw_fd()).unwrap());
        other.write_all(b"x").unwrap();
        drop(one);
        let mut byte = [0];
        (&duplicate).read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn a_pipe_that_had_to_be_opened_again_is_read_to_its_end() {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        std::fs::File::from(write).write_all(b"key").unwrap();
        let again = reopened(read.as_raw_fd()).unwrap();
        drop(read);
        let access = rustix::fs::fcntl_getfl(&again).unwrap() & OFlags::RWMODE;
        assert_eq!(access, OFlags::RDONLY);
        assert_eq!(read_secret(File::from(again)).unwrap().expose(), b"key");
    }

    #[test]
    fn a_closed_number_is_an_error() {
        assert!(inherited(9999).is_err());
        assert!(inherited(-1).is_err());
    }

    #[test]
    fn what_has_a_path_can_be_reopened_instead() {
        let file = File::open("/dev/null").unwrap();
        reopened(file.as_raw_fd()).unwrap();
    }

    #[test]
    fn a_secret_has_bounds() {
        let file = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            file
        };
        assert_eq!(read_secret(file(b"abc")).unwrap().expose(), b"abc");
        assert!(read_secret(file(b"")).is_err());
        assert!(read_secret(file(&vec![1; MAX_KEY])).is_ok());
        assert!(read_secret(file(&vec![1; MAX_KEY + 1])).is_err());
    }
}
