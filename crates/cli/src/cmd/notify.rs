//! Telling the service manager that what it started is up: the protocol of sd_notify(3), one datagram.
use std::{
    env,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// A service manager that waits. Connected before a sandbox forbids sockets; what is sent later only writes.
pub(crate) struct Notify(UnixDatagram);

impl Notify {
    /// Whoever started this process and named a socket in its environment.
    pub(crate) fn of_this_process() -> Option<Self> {
        let name = env::var_os("NOTIFY_SOCKET")?;
        let address = match name.as_bytes().split_first()? {
            (b'@', rest) => SocketAddr::from_abstract_name(rest),
            _ => SocketAddr::from_pathname(&name),
        };
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect_addr(&address.ok()?).ok()?;
        Some(Self(socket))
    }

    /// It is up. One that is not told waits until its own patience ends, and says so better than we could.
    pub(crate) fn ready(&self) {
        let _ = self.0.send(b"READY=1");
    }
}
