//! Serves the control channel: one client at a time, each request answered before the next is looked at.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::control::{self, CAPABILITIES, Fault, Parsed, Reply, Request};
use crate::data_channel;
use crate::info;
use crate::machine::{BUFFER_MAX, BUFFER_MIN};
use crate::net::{Received, Socket};
use crate::shared::{Exit, Shared};

/// A request of fixed length whose bytes stop coming is answered as a wrong one after this.
const STALL: Duration = Duration::from_millis(500);
/// As [`STALL`], in the middle of a state blob, which a busy migration may send slowly.
const BLOB_STALL: Duration = Duration::from_secs(10);
/// A locality of one byte is taken for whole after this; clients that pad it send everything at once.
const PADDING: Duration = Duration::from_millis(25);

/// How a client's time here ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It left.
    Left,
    /// It asked for the process to end.
    Shutdown,
}

/// Bytes received and not yet understood. They may hold a state, so nothing of them is left behind in memory.
struct Inbox(Zeroizing<Vec<u8>>);

impl Inbox {
    fn append(&mut self, bytes: &[u8]) {
        let needed = self.0.len().saturating_add(bytes.len());
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.saturating_mul(2)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    fn consume(&mut self, used: usize) {
        if used >= self.0.len() {
            // A blob's memory is not kept for the next locality.
            self.0 = Zeroizing::new(Vec::new());
        } else {
            self.0.drain(..used);
        }
    }
}

/// Serves one client until it leaves.
///
/// # Errors
/// The connection broke.
pub(crate) fn serve(socket: &Socket, shared: &Arc<Shared>) -> io::Result<Ended> {
    let mut inbox = Inbox(Zeroizing::new(Vec::new()));
    let mut fds: Vec<OwnedFd> = Vec::new();
    loop {
        let wait = match control::parse(&inbox.0) {
            Parsed::Request { request, used } => {
                let reply = answer(&request, &mut fds, shared);
                let shutdown = request == Request::Shutdown;
                socket.send(&reply.encode())?;
                if shutdown {
                    return Ok(Ended::Shutdown);
                }
                inbox.consume(used);
                continue;
            }
            Parsed::Refused { fault, skip } => {
                shared.log.debug(format_args!("control: refused with {:#x}", fault.code()));
                inbox.consume(usize::MAX);
                fds.clear();
                // What belongs to the refused request must not be read as the next one, and a length that lies must not
                // hold the reply back for ever.
                socket.discard(skip, STALL)?;
                socket.send(&Reply::Fault(fault).encode())?;
                continue;
            }
            Parsed::Unless { .. } => Some(PADDING),
            Parsed::More if inbox.0.is_empty() => None,
            Parsed::More if inbox.0.len() >= 16 => Some(BLOB_STALL),
            Parsed::More => Some(STALL),
        };
        let mut buffer = Zeroizing::new([0; 16 * 1024]);
        match socket.receive_with_fds(buffer.as_mut(), &mut fds, wait)? {
            Received::Bytes(n) => inbox.append(buffer.get(..n).unwrap_or_default()),
            Received::Closed => return Ok(Ended::Left),
            Received::Idle => {
                let reply = match control::parse(&inbox.0) {
                    Parsed::Unless { request, .. } => answer(&request, &mut fds, shared),
                    _ => Reply::Fault(Fault::BadParameter),
                };
                inbox.consume(usize::MAX);
                fds.clear();
                socket.send(&reply.encode())?;
            }
        }
    }
}

fn answer(request: &Request<'_>, fds: &mut Vec<OwnedFd>, shared: &Arc<Shared>) -> Reply {
    let reply = act(request, fds, shared).unwrap_or_else(Reply::Fault);
    // Descriptors mean something with SET_DATAFD only, which has taken its own.
    fds.clear();
    shared.log.debug(format_args!("control: {}: {}", name(request), outcome(&reply)));
    reply
}

fn act(request: &Request<'_>, fds: &mut Vec<OwnedFd>, shared: &Arc<Shared>) -> Result<Reply, Fault> {
    match *request {
        // These must be answered while a command runs.
        Request::GetCapability => return Ok(Reply::Capability(CAPABILITIES)),
        Request::GetConfig => return Ok(Reply::Config(shared.config)),
        Request::CancelTpmCmd => {
            if !shared.is_running() {
                return Err(Fault::BadOrdinal);
            }
            shared.set_cancel(true);
        }
        Request::GetInfo { flags, offset } => {
            let text = info::facts(flags, &shared.attributes).to_string();
            let (total, data) = info::chunk(&text, offset).ok_or(Fault::BadParameter)?;
            return Ok(Reply::Info { total, data });
        }
        // The lock of the store is held as long as the process lives.
        Request::LockStorage { retries: _ } => {}
        Request::SetDataFd => set_data_fd(fds, shared)?,
        Request::Init { flags } => shared.machine().init(flags)?,
        Request::Shutdown | Request::Stop => shared.machine().stop(),
        Request::GetTpmEstablished => return Ok(Reply::Established(shared.machine().established()?)),
        Request::SetLocality(locality) => shared.machine().set_locality(locality)?,
        Request::ResetTpmEstablished(locality) => shared.machine().reset_established(locality)?,
        Request::HashStart => shared.machine().hash_start()?,
        Request::HashData(bytes) => shared.machine().hash_data(bytes)?,
        Request::HashEnd => shared.machine().hash_end()?,
        Request::StoreVolatile => shared.machine().store_volatile()?,
        Request::GetStateBlob { flags, kind, offset } => {
            return Ok(shared.machine().state_blob(flags, kind, offset));
        }
        Request::SetStateBlob { flags: _, kind, blob } => shared.machine().set_state_blob(kind, blob)?,
        Request::SetBufferSize(size) => {
            let in_use = shared.machine().set_buffer_size(size)?;
            return Ok(Reply::BufferSize(in_use, BUFFER_MIN, BUFFER_MAX));
        }
    }
    Ok(Reply::Done)
}

fn set_data_fd(fds: &mut Vec<OwnedFd>, shared: &Arc<Shared>) -> Result<(), Fault> {
    if fds.is_empty() {
        return Err(Fault::BadParameter);
    }
    let fd = fds.swap_remove(0);
    let slot = shared.take_data().ok_or(Fault::IoError)?;
    let socket = Socket::new(fd).map_err(|error| {
        shared.log.error(format_args!("SET_DATAFD: {error}"));
        Fault::BadParameter
    })?;
    let shared_with_thread = Arc::clone(shared);
    let started = std::thread::Builder::new().name("data".into()).spawn(move || {
        // A guest writes what arrives here, framed by nobody.
        let _ = data_channel::serve(&socket, &shared_with_thread, data_channel::Peer::Guest);
        drop(slot);
    });
    started.map(drop).map_err(|error| {
        shared.log.error(format_args!("SET_DATAFD: {error}"));
        Fault::IoError
    })
}

/// Serves client after client. Ends when the process should, or when `starter` closes before the first one came.
pub(crate) fn serve_all(listener: &crate::net::Listener, mut starter: Option<OwnedFd>, shared: &Arc<Shared>) {
    loop {
        let accepted = match &starter {
            Some(starter) => listener.accept_before(starter.as_fd()),
            None => listener.accept().map(Some),
        };
        match accepted {
            Ok(Some(socket)) => {
                starter = None;
                if serve_one(&socket, shared) {
                    return;
                }
            }
            Ok(None) => {
                shared
                    .log
                    .error(format_args!("who started this process is gone, and no control client came"));
                shared.exit(Exit::Terminate);
                return;
            }
            Err(error) => {
                shared.log.error(format_args!("the control socket takes no connection: {error}"));
                std::thread::sleep(STALL);
            }
        }
    }
}

/// Serves one client and says whether the process is ending.
pub(crate) fn serve_one(socket: &Socket, shared: &Arc<Shared>) -> bool {
    let ended = serve(socket, shared).unwrap_or_else(|error| {
        // A client may leave without reading its last reply.
        if error.kind() != io::ErrorKind::BrokenPipe {
            shared.log.error(format_args!("the control connection broke: {error}"));
        }
        Ended::Left
    });
    match ended {
        Ended::Shutdown => {
            shared.exit(Exit::Shutdown);
            true
        }
        Ended::Left if shared.options.terminate_with_control => {
            shared.exit(Exit::Terminate);
            true
        }
        Ended::Left => false,
    }
}

fn name(request: &Request<'_>) -> &'static str {
    match request {
        Request::GetCapability => "GET_CAPABILITY",
        Request::Init { .. } => "INIT",
        Request::Shutdown => "SHUTDOWN",
        Request::GetTpmEstablished => "GET_TPMESTABLISHED",
        Request::SetLocality(_) => "SET_LOCALITY",
        Request::HashStart => "HASH_START",
        Request::HashData(_) => "HASH_DATA",
        Request::HashEnd => "HASH_END",
        Request::CancelTpmCmd => "CANCEL_TPM_CMD",
        Request::StoreVolatile => "STORE_VOLATILE",
        Request::ResetTpmEstablished(_) => "RESET_TPMESTABLISHED",
        Request::GetStateBlob { .. } => "GET_STATEBLOB",
        Request::SetStateBlob { .. } => "SET_STATEBLOB",
        Request::Stop => "STOP",
        Request::GetConfig => "GET_CONFIG",
        Request::SetDataFd => "SET_DATAFD",
        Request::SetBufferSize(_) => "SET_BUFFERSIZE",
        Request::GetInfo { .. } => "GET_INFO",
        Request::LockStorage { .. } => "LOCK_STORAGE",
    }
}

fn outcome(reply: &Reply) -> String {
    match reply {
        Reply::Fault(fault) | Reply::NoBlob(fault) => format!("{:#x}", fault.code()),
        _ => "0x0".to_owned(),
    }
}
