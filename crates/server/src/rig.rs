//! The channels without a process around them: what a client sends goes to a machine in memory. For fuzzing.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;

use crate::host::SystemHost;
use crate::log::{Level, Log};
use crate::machine::{Machine, Options};
use crate::net::Socket;
use crate::persist::MemoryPersist;
use crate::shared::{Behaviour, Shared};
use crate::{control_channel, data_channel, info, mssim};

/// The channels a client may talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// swtpm's control channel.
    Control,
    /// swtpm's data channel.
    Data,
    /// The TPM simulator's command port.
    SimulatorCommands,
    /// The TPM simulator's platform port.
    SimulatorPlatform,
}

/// Serves one client that sends `input` and then listens until it is answered; what it was answered. The TPM begins with the permanent state
/// `permanent` (empty: a new one), running if `running`.
///
/// # Errors
/// There are no sockets or threads to be had, or INIT failed.
pub fn converse(
    channel_kind: Channel,
    permanent: &[u8],
    running: bool,
    input: &[u8],
) -> std::io::Result<Vec<u8>> {
    let persist = MemoryPersist::default();
    persist.state().permanent.extend_from_slice(permanent);
    let cancel = Arc::new(AtomicBool::new(false));
    let log = Log::to_stderr(Level::Off);
    let host = SystemHost::new(Arc::clone(&cancel));
    let mut machine = Machine::new(Box::new(persist), host, Options::default(), log.clone());
    if running {
        machine.init(0).map_err(|_| std::io::Error::other("INIT failed"))?;
    }
    let (exit, _exits) = channel();
    let shared = Shared::new(machine, cancel, exit, info::ATTRIBUTES_OF_THIS_TPM, log, Behaviour::default());
    let (ours, theirs) = UnixStream::pair()?;
    let socket = Socket::new(OwnedFd::from(ours))?;
    std::thread::scope(|scope| {
        let client = std::thread::Builder::new().spawn_scoped(scope, move || {
            let mut theirs = theirs;
            let sent = std::io::Write::write_all(&mut theirs, input);
            let ended = theirs.shutdown(std::net::Shutdown::Write);
            let mut answered = Vec::new();
            // A server that hangs up in the middle of what is sent has still answered what it answered.
            let read = theirs.read_to_end(&mut answered);
            drop((sent, ended, read));
            answered
        })?;
        // A broken connection is the client's affair.
        match channel_kind {
            Channel::Control => drop(control_channel::serve(&socket, &shared)),
            Channel::Data => drop(data_channel::serve(&socket, &shared, data_channel::Peer::Program)),
            Channel::SimulatorCommands => drop(mssim::commands(&socket, &shared)),
            Channel::SimulatorPlatform => drop(mssim::platform(&socket, &shared)),
        }
        drop(socket);
        client.join().map_err(|_| std::io::Error::other("the client panicked"))
    })
}
