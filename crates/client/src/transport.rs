//! How commands reach a TPM.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// Carries one command to a TPM and brings its response back.
pub trait Transport {
    /// What can go wrong on the way.
    type Error: fmt::Debug + fmt::Display;

    /// Sends `command` and waits for the whole response.
    ///
    /// # Errors
    /// When the TPM cannot be reached or the connection ends.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Self::Error>;

    /// Fills `out` with what makes a nonce: the operating system's entropy, unless a simulation has to be repeatable.
    ///
    /// # Errors
    /// When there is no entropy.
    fn entropy(&mut self, out: &mut [u8]) -> Result<(), getrandom::Error> {
        getrandom::fill(out)
    }
}

/// The longest response a client accepts.
const MAX_RESPONSE: usize = 64 * 1024;

/// A data channel over a Unix socket.
#[derive(Debug)]
pub struct UnixTransport(UnixStream);

/// A TPM of this host, by the kernel's resource manager.
#[derive(Debug)]
pub struct DeviceTransport(File);

impl DeviceTransport {
    /// Opens a device such as `/dev/tpmrm0`.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        File::options().read(true).write(true).open(path).map(Self)
    }
}

impl Transport for DeviceTransport {
    type Error = io::Error;

    /// The kernel takes a command in one write and gives its response in one read.
    fn transmit(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        self.0.write_all(command)?;
        let mut reply = vec![0; 4096];
        let count = self.0.read(&mut reply)?;
        reply.truncate(count);
        Ok(reply)
    }
}

/// A data channel over TCP.
#[derive(Debug)]
pub struct TcpTransport(TcpStream);

impl UnixTransport {
    /// Connects to a socket path.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        UnixStream::connect(path).map(Self)
    }

    /// Uses a connected socket.
    #[must_use]
    pub fn from_stream(stream: UnixStream) -> Self {
        Self(stream)
    }

    /// Limits the wait for a response.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.0.set_read_timeout(Some(timeout))
    }
}

impl TcpTransport {
    /// Connects to an address.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }
}

impl Transport for UnixTransport {
    type Error = io::Error;

    fn transmit(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        exchange(&mut self.0, command)
    }
}

impl Transport for TcpTransport {
    type Error = io::Error;

    fn transmit(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        exchange(&mut self.0, command)
    }
}

fn exchange(stream: &mut (impl Read + Write), command: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(command)?;
    let mut reply = vec![0; 4096];
    let mut have = 0;
    loop {
        let count = stream.read(reply.get_mut(have..).unwrap_or_default())?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        have += count;
        let size =
            reply.get(2..6).and_then(|field| field.first_chunk()).map(|field| u32::from_be_bytes(*field));
        let size = if have < 10 { 10 } else { usize::try_from(size.unwrap_or(0)).unwrap_or(usize::MAX) };
        if !(10..=MAX_RESPONSE).contains(&size) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the response says an impossible size"));
        }
        if have >= 10 && have >= size {
            reply.truncate(have);
            return Ok(reply);
        }
        if reply.len() < size {
            reply.resize(size, 0);
        }
    }
}
