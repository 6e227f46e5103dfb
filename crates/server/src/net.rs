//! Sockets of either family behind one type, with timeouts and without surprises from a peer's flags.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, Shutdown, SocketType};

/// Descriptors one message may carry. More are closed by the kernel.
const MAX_FDS: usize = 4;

/// A connected stream socket. It may be in non-blocking mode: what then does not wait itself waits by `poll`.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// What a receive brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// This many bytes, at least one.
    Bytes(usize),
    /// The peer is gone.
    Closed,
    /// Nothing came in time.
    Idle,
}

impl Socket {
    /// Takes over a descriptor that must be a stream socket.
    ///
    /// # Errors
    /// It is something else.
    pub fn new(fd: OwnedFd) -> io::Result<Socket> {
        if rustix::net::sockopt::socket_type(&fd)? != SocketType::STREAM {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a stream socket"));
        }
        Ok(Socket(fd))
    }

    /// Receives into `buffer`, waiting `timeout` for the first byte, or for ever.
    ///
    /// # Errors
    /// The connection broke.
    pub fn receive(&self, buffer: &mut [u8], timeout: Option<Duration>) -> io::Result<Received> {
        // A wait for ever is the receive's own: a command costs one call here, and one to answer.
        let mut blocks = timeout.is_none();
        loop {
            if !blocks && !wait(self.0.as_fd(), PollFlags::IN, timeout)? {
                return Ok(Received::Idle);
            }
            let flags = if blocks { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
            match rustix::net::recv(&self.0, &mut *buffer, flags) {
                Ok((0, _)) => return Ok(Received::Closed),
                Ok((n, _)) => return Ok(Received::Bytes(n)),
                // It is in non-blocking mode.
                Err(Errno::AGAIN) => blocks = false,
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Ok(Received::Closed),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// As [`Socket::receive`], and appends descriptors that came along to `fds`.
    ///
    /// # Errors
    /// The connection broke.
    pub fn receive_with_fds(
        &self,
        buffer: &mut [u8],
        fds: &mut Vec<OwnedFd>,
        timeout: Option<Duration>,
    ) -> io::Result<Received> {
        loop {
            if !wait(self.0.as_fd(), PollFlags::IN, timeout)? {
                return Ok(Received::Idle);
            }
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let received = rustix::net::recvmsg(&self.0, &mut [IoSliceMut::new(buffer)], &mut control, flags);
            match received {
                Ok(message) => {
                    for message in control.drain() {
                        if let RecvAncillaryMessage::ScmRights(rights) = message {
                            fds.extend(rights.take(MAX_FDS.saturating_sub(fds.len())));
                        }
                    }
                    return Ok(match message.bytes {
                        0 => Received::Closed,
                        n => Received::Bytes(n),
                    });
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Ok(Received::Closed),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Sends everything.
    ///
    /// # Errors
    /// The connection broke. `BrokenPipe` where the peer has only left.
    pub fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::net::send(&self.0, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                // There is room for a response, but with a peer that does not read.
                Err(Errno::AGAIN) => {
                    wait(self.0.as_fd(), PollFlags::OUT, None)?;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Receives exactly `buffer.len()` bytes; `false` if the peer left before.
    ///
    /// # Errors
    /// The connection broke.
    pub fn receive_exact(&self, mut buffer: &mut [u8]) -> io::Result<bool> {
        while !buffer.is_empty() {
            match self.receive(buffer, None)? {
                Received::Bytes(n) => buffer = buffer.get_mut(n..).unwrap_or_default(),
                Received::Closed => return Ok(false),
                Received::Idle => {}
            }
        }
        Ok(true)
    }

    /// Throws bytes away until `bound` of them came or none comes for `idle`. Answers how many.
    ///
    /// # Errors
    /// The connection broke.
    pub fn discard(&self, bound: u64, idle: Duration) -> io::Result<u64> {
        let mut scratch = zeroize::Zeroizing::new([0; 4096]);
        let mut gone: u64 = 0;
        while gone < bound {
            let most = usize::try_from(bound.saturating_sub(gone)).unwrap_or(usize::MAX);
            let part = scratch.get_mut(..most.min(4096)).unwrap_or_default();
            match self.receive(part, Some(idle))? {
                Received::Bytes(n) => gone = gone.saturating_add(u64::try_from(n).unwrap_or(u64::MAX)),
                Received::Closed | Received::Idle => break,
            }
        }
        Ok(gone)
    }

    /// Ends the connection for every holder of the descriptor.
    pub fn shutdown(&self) {
        // The peer may have left first; then there is nothing to end.
        let _ = rustix::net::shutdown(&self.0, Shutdown::Both);
    }
}

fn wait(fd: BorrowedFd<'_>, flags: PollFlags, timeout: Option<Duration>) -> io::Result<bool> {
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    loop {
        match poll(&mut [PollFd::from_borrowed_fd(fd, flags)], timeout.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// A socket that takes connections.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    /// What to remove when done.
    path: Option<PathBuf>,
}

impl Listener {
    /// Listens on a Unix socket with exactly this mode. A socket nobody listens on any more is replaced; anything
    /// else in its place is not.
    ///
    /// # Errors
    /// The operating system refused, somebody listens there, or something other than a socket has the path.
    pub fn unix(path: &Path, mode: u32) -> io::Result<Listener> {
        match std::fs::symlink_metadata(path) {
            Ok(meta) if meta.file_type().is_socket() => {
                if is_alive(path)? {
                    let text = format!("somebody listens on {}", path.display());
                    return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
                }
                std::fs::remove_file(path)?;
            }
            Ok(_) => {
                let text = format!("{} is there and is no socket", path.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // Nobody may connect between bind and chmod. The umask is the process's, which has one thread yet.
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o777));
        let bound = UnixListener::bind(path);
        rustix::process::umask(before);
        let listener = Listener { fd: bound?.into(), path: Some(path.to_owned()) };
        let (_fd, inode) = listener.inode()?;
        std::fs::set_permissions(inode, std::fs::Permissions::from_mode(mode))?;
        Ok(listener)
    }

    /// Gives the Unix socket made here to another user or group.
    ///
    /// # Errors
    /// The operating system refused, or the path leads to something else by now.
    pub fn give_to(&self, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let (_fd, inode) = self.inode()?;
        std::os::unix::fs::chown(inode, uid, gid)
    }

    /// The inode under the path, which must be a socket, and a path that leads nowhere else: between two looks at a name
    /// somebody may put a link there.
    fn inode(&self) -> io::Result<(OwnedFd, PathBuf)> {
        let path = self.path.as_deref().ok_or(io::ErrorKind::Unsupported)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        if FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) != FileType::Socket {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "another file took the socket's name"));
        }
        let inode = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        Ok((fd, inode))
    }

    /// Listens on a TCP address.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn tcp(address: SocketAddr) -> io::Result<Listener> {
        Ok(Listener { fd: TcpListener::bind(address)?.into(), path: None })
    }

    /// Takes over a descriptor that must be a listening stream socket.
    ///
    /// # Errors
    /// It is something else.
    pub fn new(fd: OwnedFd) -> io::Result<Listener> {
        if !rustix::net::sockopt::socket_acceptconn(&fd)? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a listening socket"));
        }
        Ok(Listener { fd, path: None })
    }

    /// Waits for the next client.
    ///
    /// # Errors
    /// The socket is broken, or the process has no descriptor left.
    pub fn accept(&self) -> io::Result<Socket> {
        loop {
            wait(self.fd.as_fd(), PollFlags::IN, None)?;
            if let Some(socket) = self.accepted()? {
                return Ok(socket);
            }
        }
    }

    /// Waits for the next client as long as the other end of `pipe` is open; `None` when it is closed and none is there.
    ///
    /// # Errors
    /// As of [`Listener::accept`].
    pub fn accept_before(&self, pipe: BorrowedFd<'_>) -> io::Result<Option<Socket>> {
        loop {
            // Nobody writes to the pipe, so that all it can tell is its end.
            let mut waiting = [
                PollFd::from_borrowed_fd(self.fd.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(pipe, PollFlags::empty()),
            ];
            match poll(&mut waiting, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let [client, end] = waiting.map(|fd| !fd.revents().is_empty());
            // A client that came while the other end closed is served.
            if client {
                if let Some(socket) = self.accepted()? {
                    return Ok(Some(socket));
                }
            } else if end {
                return Ok(None);
            }
        }
    }

    /// The client that waits, unless it is gone again.
    fn accepted(&self) -> io::Result<Option<Socket>> {
        match rustix::net::accept_with(&self.fd, rustix::net::SocketFlags::CLOEXEC) {
            Ok(fd) => {
                // Small answers must not wait for more; a Unix socket has no such option.
                let _ = rustix::net::sockopt::set_tcp_nodelay(&fd, true);
                Ok(Some(Socket(fd)))
            }
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The path of a Unix socket made here.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The port of a TCP socket.
    pub fn port(&self) -> Option<u16> {
        let address = rustix::net::getsockname(&self.fd).ok()?;
        SocketAddr::try_from(address).ok().map(|address| address.port())
    }
}

/// Whether somebody listens on a Unix socket. A connection of its own type would be a client to them, so one of
/// another type asks: a living socket refuses the type, a dead one everything.
fn is_alive(path: &Path) -> io::Result<bool> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, socket_with};
    let probe = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    match rustix::net::connect(&probe, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        // Of another type; or of this one, which is none of ours.
        Err(Errno::PROTOTYPE) | Ok(()) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

/// A file made here, to be removed at the end if it is still the same one.
#[derive(Debug)]
pub struct Leftover {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl Leftover {
    /// What has this name now.
    pub fn at(path: PathBuf) -> Leftover {
        let identity = identity(&path);
        Leftover { path, identity }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it; what took its name since stays.
    ///
    /// # Errors
    /// The operating system refused, or another file has the name.
    pub fn remove(&self) -> io::Result<()> {
        if self.identity.is_none() || identity(&self.path) != self.identity {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "another file took its name, or none is there",
            ));
        }
        std::fs::remove_file(&self.path)
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_file_is_no_socket_and_a_socket_is_no_listener() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(Socket::new(file.into()).is_err());
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(Listener::new(one.into()).is_err());
    }

    #[test]
    fn a_non_blocking_descriptor_is_waited_for() {
        let (one, other) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        let socket = Socket::new(one.into()).unwrap();
        let mut buffer = [0; 8];
        let waited = socket.receive(&mut buffer, Some(Duration::from_millis(20))).unwrap();
        assert_eq!(waited, Received::Idle);
        drop(other);
        assert_eq!(socket.receive(&mut buffer, None).unwrap(), Received::Closed);
    }

    #[test]
    fn a_unix_listener_replaces_a_stale_socket_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(Listener::unix(&path, 0o600).unwrap());
        let listener = Listener::unix(&path, 0o640).unwrap();
        assert_eq!(std::fs::metadata(listener.path().unwrap()).unwrap().permissions().mode() & 0o7777, 0o640);
        let file = dir.path().join("file");
        std::fs::write(&file, "keep").unwrap();
        assert!(Listener::unix(&file, 0o600).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "keep");
    }

    #[test]
    fn a_socket_somebody_listens_on_is_not_taken_from_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = Listener::unix(&path, 0o600).unwrap();
        let error = Listener::unix(&path, 0o600).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        // They saw no client.
        let (closed, _) = rustix::pipe::pipe().unwrap();
        assert!(listener.accept_before(closed.as_fd()).unwrap().is_none());
        // A client that is there is served, closed or not.
        let _client = UnixStream::connect(&path).unwrap();
        assert!(listener.accept_before(closed.as_fd()).unwrap().is_some());
    }

    #[test]
    fn a_link_that_took_a_sockets_name_is_neither_given_away_nor_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, victim) = (dir.path().join("s"), dir.path().join("victim"));
        std::fs::write(&victim, "keep").unwrap();
        let listener = Listener::unix(&path, 0o600).unwrap();
        let leftover = Leftover::at(path.clone());
        listener.give_to(None, Some(rustix::process::getgid().as_raw())).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert!(listener.give_to(None, Some(12345)).is_err());
        assert!(leftover.remove().is_err());
        assert!(std::fs::symlink_metadata(&path).unwrap().is_symlink());
        let leftover = Leftover::at(path.clone());
        leftover.remove().unwrap();
        assert!(std::fs::symlink_metadata(&path).is_err());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "keep");
    }
}
