//! A TPM process: its sockets, its threads, its end.

use sigillo_messages::text;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::host::SystemHost;
use crate::info::Attributes;
use crate::log::Log;
use crate::machine::{Machine, Options, Su};
use crate::net::{Leftover, Listener, Socket};
use crate::persist::Persist;
use crate::shared::{Behaviour, Exit, Shared};
use crate::{control_channel, data_channel, mssim};

/// Where clients come from.
#[derive(Debug)]
pub enum Endpoint {
    /// They connect.
    Listener(Listener),
    /// One is connected already.
    Client(Socket),
}

impl Endpoint {
    fn path(&self) -> Option<PathBuf> {
        match self {
            Endpoint::Listener(listener) => listener.path().map(ToOwned::to_owned),
            Endpoint::Client(_) => None,
        }
    }
}

/// What a TPM process listens on.
#[derive(Debug, Default)]
pub struct Endpoints {
    /// The control channel.
    pub control: Option<Endpoint>,
    /// A pipe whose other end is open as long as whoever started the process for a client lives: the process ends when it closes before the
    /// first one has connected to the control channel.
    pub starter: Option<OwnedFd>,
    /// The data channel; without one, the control channel must bring it.
    pub data: Option<Endpoint>,
    /// The simulator's command and platform ports.
    pub simulator: Option<(Listener, Listener)>,
}

/// How the TPM is started before the first client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Not at all: INIT does.
    Wait,
    /// As by INIT.
    Init,
    /// As by INIT and TPM2_Startup.
    Startup(Su),
}

/// The TPM did not start, or the process could not be set up. The log has the reason.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// INIT failed.
    #[error("{}", text!("tpm-not-started"))]
    Init,
    /// TPM2_Startup failed with this response code.
    #[error("{}", text!("startup-failed", code = format_args!("{_0:#x}")))]
    Startup(u32),
    /// Threads or signal handling are not to be had.
    #[error("{}", text!("process-not-set-up", error = .0))]
    Io(#[from] std::io::Error),
}

/// The signals that end a TPM process in good order: SIGTERM, SIGINT and SIGHUP. Until one is waited for they do
/// nothing.
#[derive(Debug)]
pub struct EndSignals(Signals);

impl EndSignals {
    /// Catches them from now on. Before the sandbox: it takes a pair of sockets.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn catch() -> std::io::Result<EndSignals> {
        Signals::new([SIGTERM, SIGINT, SIGHUP]).map(EndSignals)
    }
}

/// A TPM process that is ready to serve.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    exits: std::sync::mpsc::Receiver<Exit>,
    endpoints: Endpoints,
    signals: EndSignals,
    cleanup: Vec<Leftover>,
}

/// What a process is made of besides its sockets.
#[derive(Debug)]
pub struct Setup {
    /// The machine's options.
    pub options: Options,
    /// The channels' options.
    pub behaviour: Behaviour,
    /// What GET_INFO says.
    pub attributes: Attributes,
    /// Before the first client.
    pub start: Start,
    /// Removed at the end besides the sockets: the pid file.
    pub cleanup: Vec<PathBuf>,
    /// What ends the process.
    pub signals: EndSignals,
    /// The log.
    pub log: Log,
}

impl Server {
    /// Puts a TPM behind its sockets, started as wished. No thread runs yet.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub fn new(persist: Box<dyn Persist>, endpoints: Endpoints, setup: Setup) -> Result<Self, ServeError> {
        let cancel = Arc::new(AtomicBool::new(false));
        let host = SystemHost::new(Arc::clone(&cancel));
        let mut machine = Machine::new(persist, host, setup.options, setup.log.clone());
        if setup.start != Start::Wait {
            machine.init(0).map_err(|_| ServeError::Init)?;
        }
        if let Start::Startup(su) = setup.start {
            let response = machine.startup(su);
            let code = response.get(6..10).and_then(|code| code.first_chunk::<4>());
            match code.map(|code| u32::from_be_bytes(*code)) {
                // INITIALIZE: a kept volatile state was started already.
                Some(0 | 0x100) => {}
                code => return Err(ServeError::Startup(code.unwrap_or_default())),
            }
        }
        let (exit, exits) = channel();
        let shared = Shared::new(machine, cancel, exit, setup.attributes, setup.log, setup.behaviour);
        let mut cleanup = setup.cleanup;
        cleanup
            .extend([&endpoints.control, &endpoints.data].into_iter().flatten().filter_map(Endpoint::path));
        let cleanup = cleanup.into_iter().map(Leftover::at).collect();
        Ok(Server { shared, exits, endpoints, signals: setup.signals, cleanup })
    }

    /// Serves until a client, a signal or the loss of the client ends it; then the TPM is shut down in good order.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn run(self) -> Result<Exit, ServeError> {
        let Server { shared, exits, endpoints, mut signals, cleanup } = self;
        spawn("signals", &shared, move |shared| {
            if signals.0.forever().next().is_some() {
                shared.exit(Exit::Signal);
            }
        })?;
        if let Some(control) = endpoints.control {
            let starter = endpoints.starter;
            spawn("control", &shared, move |shared| match &control {
                Endpoint::Listener(listener) => control_channel::serve_all(listener, starter, shared),
                Endpoint::Client(socket) => {
                    control_channel::serve_one(socket, shared);
                    // Nobody else can reach this channel any more.
                    shared.exit(Exit::Terminate);
                }
            })?;
        }
        if let Some(data) = endpoints.data {
            spawn("data", &shared, move |shared| match &data {
                Endpoint::Listener(listener) => data_channel::serve_all(listener, shared),
                Endpoint::Client(socket) => drop(data_channel::serve_one(socket, shared)),
            })?;
        }
        if let Some((commands, platform)) = endpoints.simulator {
            spawn("commands", &shared, move |shared| mssim::serve_commands(&commands, shared))?;
            spawn("platform", &shared, move |shared| mssim::serve_platform(&platform, shared))?;
        }
        // Every thread holds a sender, so this waits for a reason and not for their end.
        let reason = exits.recv().unwrap_or(Exit::Broken);
        // Held to the end of the process: no command runs after the TPM was shut down.
        let mut machine = shared.machine();
        if reason != Exit::Broken {
            machine.stop();
        }
        shared.log.info(format_args!("the TPM process ends: {reason:?}"));
        for leftover in cleanup {
            if let Err(error) = leftover.remove() {
                shared.log.debug(format_args!("{} stays: {error}", leftover.path().display()));
            }
        }
        drop(machine);
        Ok(reason)
    }
}

fn spawn(
    name: &str,
    shared: &Arc<Shared>,
    serve: impl FnOnce(&Arc<Shared>) + Send + 'static,
) -> Result<(), ServeError> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new().name(name.into()).spawn(move || {
        let _fall = Fall(Arc::clone(&shared));
        serve(&shared);
    })?;
    Ok(())
}

/// Ends the process when a thread of it falls over a bug of ours: without that thread it would stay and serve nobody.
/// What is on the disk is whole, so nothing more is written.
struct Fall(Arc<Shared>);

impl Drop for Fall {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.exit(Exit::Broken);
        }
    }
}
