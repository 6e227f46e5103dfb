//! Serves the data channel: commands in, responses out, one client at a time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use zeroize::{Zeroize, Zeroizing};

use crate::control::Fault;
use crate::data::{self, MAX_DRAIN, Parsed};
use crate::machine::BUFFER_MAX;
use crate::net::{Listener, Received, Socket};
use crate::shared::{Exit, Shared};

/// A command whose bytes stop coming is answered `COMMAND_SIZE` after this.
///
/// A VMM passes on as many bytes as the guest's own size field says, at most a buffer: without an answer to a size
/// below ten it would wait for ever, and the guest could not even be reset.
const STALL: Duration = Duration::from_secs(2);
/// Where a size is impossible, the stream must pause for so long before what follows is read as a command.
const PAUSE: Duration = Duration::from_millis(50);

/// Who writes the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A program that speaks for itself; it may name a locality in the TCG's prefix.
    Program,
    /// A VMM passing on what a guest wrote. The control channel sets the locality: a prefix that names another is the
    /// guest's own forgery, and is answered `LOCALITY`.
    Guest,
}

/// Serves one client until it leaves.
///
/// # Errors
/// The connection broke.
pub(crate) fn serve(socket: &Socket, shared: &Arc<Shared>, peer: Peer) -> io::Result<()> {
    let mut buffer = Zeroizing::new([0; 8192]);
    let mut len: usize = 0;
    loop {
        let inbox = buffer.get(..len).unwrap_or_default();
        match data::parse(inbox, BUFFER_MAX) {
            Parsed::Command { prefix, command, used } => {
                let response = Zeroizing::new(execute(prefix, command, shared, peer));
                if prefix.is_some() {
                    socket.send(&data::framed(&response))?;
                } else {
                    socket.send(&response)?;
                }
                if shared.options.disconnect && peer == Peer::Program {
                    socket.shutdown();
                    return Ok(());
                }
                buffer.copy_within(used..len, 0);
                let gone = len;
                len = len.saturating_sub(used);
                // Passwords do not wait for the next command to be written over.
                buffer.get_mut(len..gone).unwrap_or_default().zeroize();
            }
            Parsed::BadSize { prefixed } => {
                if socket.discard(MAX_DRAIN, PAUSE)? >= MAX_DRAIN {
                    shared.log.error(format_args!("a data client sends without end; it is cut off"));
                    socket.shutdown();
                    return Ok(());
                }
                len = 0;
                refuse(socket, prefixed)?;
            }
            Parsed::More => {
                let wait = (len > 0).then_some(STALL);
                let space = buffer.get_mut(len..).unwrap_or_default();
                match socket.receive(space, wait)? {
                    Received::Bytes(n) => len = len.saturating_add(n),
                    Received::Closed => return Ok(()),
                    Received::Idle => {
                        let prefixed = buffer.starts_with(&[0, 0, 0, 8]);
                        len = 0;
                        refuse(socket, prefixed)?;
                    }
                }
            }
        }
    }
}

fn refuse(socket: &Socket, prefixed: bool) -> io::Result<()> {
    if prefixed { socket.send(&data::framed(&data::COMMAND_SIZE)) } else { socket.send(&data::COMMAND_SIZE) }
}

fn execute(prefix: Option<u8>, command: &[u8], shared: &Arc<Shared>, peer: Peer) -> Vec<u8> {
    // A cancel that came while nothing ran was for nothing.
    shared.set_cancel(false);
    let mut machine = shared.machine();
    if let Some(locality) = prefix {
        let allowed = match peer {
            Peer::Program => machine.set_locality(locality),
            Peer::Guest if locality == machine.locality() => Ok(()),
            Peer::Guest => Err(Fault::BadLocality),
        };
        if allowed.is_err() {
            return data::LOCALITY.to_vec();
        }
    }
    if shared.options.allow_set_locality
        && let Some(locality) = data::set_locality(command)
    {
        let done = machine.set_locality(locality);
        return if done.is_ok() { data::SUCCESS.to_vec() } else { data::LOCALITY.to_vec() };
    }
    machine.execute(command)
}

/// Serves client after client.
pub(crate) fn serve_all(listener: &Listener, shared: &Arc<Shared>) {
    loop {
        match listener.accept() {
            Ok(socket) => {
                if serve_one(&socket, shared) {
                    return;
                }
            }
            Err(error) => {
                shared.log.error(format_args!("the data socket takes no connection: {error}"));
                std::thread::sleep(STALL);
            }
        }
    }
}

/// Serves one client and says whether the process is ending. While another has the channel it is turned away.
pub(crate) fn serve_one(socket: &Socket, shared: &Arc<Shared>) -> bool {
    let Some(slot) = shared.take_data() else {
        socket.shutdown();
        return false;
    };
    if let Err(error) = serve(socket, shared, Peer::Program)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        shared.log.error(format_args!("the data connection broke: {error}"));
    }
    drop(slot);
    if shared.options.terminate_with_data {
        shared.exit(Exit::Terminate);
    }
    shared.options.terminate_with_data
}
