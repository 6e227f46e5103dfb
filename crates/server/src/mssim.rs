//! The TPM simulator's TCP protocol: a command port N and a platform port N+1.
//!
//! A request is a u32 number and its arguments; almost every answer ends with a u32 zero.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::bytes::{len_from_u32, len_to_u32};
use crate::data;
use crate::machine::BUFFER_MAX;
use crate::net::{Listener, Socket};
use crate::shared::{Exit, Shared};

/// The protocol version a handshake answers.
const SERVER_VERSION: u32 = 1;
/// What a handshake says of this end: raw commands 4, platform signals 1, physical presence 8.
const ENDPOINT: u32 = 0x0d;
/// After an argument of impossible length, what belongs to it is over when so long nothing comes.
const PAUSE: Duration = Duration::from_millis(50);

/// How a client's time here ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Left,
    Stop,
}

/// Serves the command port, client after client.
pub(crate) fn serve_commands(listener: &Listener, shared: &Arc<Shared>) {
    serve_all(listener, shared, commands);
}

/// Serves the platform port, client after client.
pub(crate) fn serve_platform(listener: &Listener, shared: &Arc<Shared>) {
    serve_all(listener, shared, platform);
}

fn serve_all(
    listener: &Listener,
    shared: &Arc<Shared>,
    serve: fn(&Socket, &Arc<Shared>) -> io::Result<Ended>,
) {
    loop {
        let ended = match listener.accept() {
            Ok(socket) => serve(&socket, shared).unwrap_or(Ended::Left),
            Err(error) => {
                shared.log.error(format_args!("a simulator port takes no connection: {error}"));
                std::thread::sleep(PAUSE);
                Ended::Left
            }
        };
        if ended == Ended::Stop {
            shared.exit(Exit::Shutdown);
            return;
        }
    }
}

fn word(socket: &Socket) -> io::Result<Option<u32>> {
    let mut bytes = [0; 4];
    Ok(socket.receive_exact(&mut bytes)?.then(|| u32::from_be_bytes(bytes)))
}

/// A length and so many bytes. `Some(None)` if there are more than a command buffer takes: they are thrown away.
fn bytes(socket: &Socket) -> io::Result<Option<Option<Zeroizing<Vec<u8>>>>> {
    let Some(len) = word(socket)? else { return Ok(None) };
    if len > BUFFER_MAX {
        socket.discard(u64::from(len), PAUSE)?;
        return Ok(Some(None));
    }
    let mut bytes = Zeroizing::new(vec![0; len_from_u32(len)]);
    Ok(socket.receive_exact(&mut bytes)?.then_some(Some(bytes)))
}

fn send_bytes(socket: &Socket, bytes: &[u8]) -> io::Result<()> {
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len().saturating_add(8)));
    out.extend_from_slice(&len_to_u32(bytes.len()).to_be_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(&[0; 4]);
    socket.send(&out)
}

/// Serves one client of the command port until it leaves.
pub(crate) fn commands(socket: &Socket, shared: &Arc<Shared>) -> io::Result<Ended> {
    while let Some(number) = word(socket)? {
        match number {
            // _TPM_Hash_Start, _TPM_Hash_Data, _TPM_Hash_End. Where the TPM is off they reach nothing.
            5 => drop(shared.machine().hash_start()),
            6 => match bytes(socket)? {
                Some(Some(data)) => drop(shared.machine().hash_data(&data)),
                Some(None) => {}
                None => return Ok(Ended::Left),
            },
            7 => drop(shared.machine().hash_end()),
            8 => {
                let mut locality = [0];
                if !socket.receive_exact(&mut locality)? {
                    return Ok(Ended::Left);
                }
                let response = match bytes(socket)? {
                    Some(Some(command)) => execute(locality, &command, shared),
                    Some(None) => data::COMMAND_SIZE.to_vec(),
                    None => return Ok(Ended::Left),
                };
                send_bytes(socket, &Zeroizing::new(response))?;
                continue;
            }
            15 => {
                let Some(version) = word(socket)? else { return Ok(Ended::Left) };
                if version == 0 {
                    return Ok(Ended::Left);
                }
                let words = [SERVER_VERSION, ENDPOINT].map(u32::to_be_bytes).concat();
                socket.send(&words)?;
            }
            20 => return Ok(Ended::Left),
            21 => return Ok(Ended::Stop),
            _ => return Ok(Ended::Left),
        }
        socket.send(&[0; 4])?;
    }
    Ok(Ended::Left)
}

fn execute([locality]: [u8; 1], command: &[u8], shared: &Arc<Shared>) -> Vec<u8> {
    // The frame is whole whatever the command says of its own size, so that is the TPM's to judge.
    if command.len() < data::HEADER {
        return data::COMMAND_SIZE.to_vec();
    }
    let mut machine = shared.machine();
    match machine.set_locality(locality) {
        Ok(()) => machine.execute(command),
        Err(_) => data::LOCALITY.to_vec(),
    }
}

/// Serves one client of the platform port until it leaves.
pub(crate) fn platform(socket: &Socket, shared: &Arc<Shared>) -> io::Result<Ended> {
    while let Some(number) = word(socket)? {
        match number {
            1 => {
                let mut machine = shared.machine();
                if !machine.is_running() && machine.init(0).is_err() {
                    // There is no answer for a TPM that does not start.
                    return Ok(Ended::Left);
                }
            }
            2 => shared.machine().stop(),
            3 => shared.machine().set_physical_presence(true),
            4 => shared.machine().set_physical_presence(false),
            // NV and key cache switches: this TPM has none of them to switch.
            11..=14 => {}
            9 => shared.set_cancel(true),
            10 => shared.set_cancel(false),
            17 | 18 => {
                let mut machine = shared.machine();
                if machine.is_running() && machine.init(0).is_err() {
                    return Ok(Ended::Left);
                }
            }
            20 => return Ok(Ended::Left),
            21 => return Ok(Ended::Stop),
            _ => {
                socket.send(&1_u32.to_be_bytes())?;
                return Ok(Ended::Left);
            }
        }
        socket.send(&[0; 4])?;
    }
    Ok(Ended::Left)
}
