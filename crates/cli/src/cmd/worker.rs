//! `sigillo worker ...`: one TPM behind inherited descriptors, as `vm start` runs it.
//!
//! ```text
//! sigillo worker --store-dir-fd N --store-name NAME [--key-fd N] --ctrl-fd N --vm-uuid UUID
//!                [--log-fd N] [--log-level N] [--ready-fd N] [--seccomp kill|log|none] [--terminate]
//!                [--starter-fd N] [--anchor-fd N [--accept STATE]] [--goes-on STATE]...
//! ```
//! - `--key-fd`: the store's password, read to its end. Without it the store must be unencrypted.
//! - `--ctrl-fd`: a listening stream socket for the control channel; the data channel comes by SET_DATAFD.
//! - `--vm-uuid`: the store must have been made for this VM, and hold its TPM: none is made here.
//! - `--ready-fd`: gets `ready\n` once clients are served (and before the line's end what the store is to the newest state
//!   seen, if it was written where this host did not see it), or one line that says why not, under an error code if there
//!   is one. `held` and a JSON object: the store is not the newest seen.
//! - `--anchor-fd`: the file that remembers the newest state of the store. A store that is older or has another history is not
//!   run, but for the one state that `--accept` names.
//! - `--goes-on`, repeated: the guest was suspended over this store. It is not run unless it is in one of the states named
//!   (GENERATION:HASH) or was last written by one of the openings named (their salts, in hexadecimal).
//! - `--terminate`: the process ends when the control client leaves.
//! - `--starter-fd`: a pipe whose other end only the starter has. The process ends when it closes before a control client came, which is when
//!   the starter was killed, or interrupted, before QEMU ran.
//!
//! State blobs leave sealed, and only sealed ones are taken, under a key of the store's: a snapshot or a migration
//! stream holds no more of the TPM than the store does, and QEMU cannot put another TPM in its place. The blobs of an
//! unencrypted store are open.
//!
//! The descriptors are duplicated, never taken over, so their numbers stay open until the process ends.

use sigillo_messages::{Language, speaking, text};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use sigillo_keychain::anchor::{AnchorFile, Held, Seen, Verdict, state_name};
use sigillo_server::key::KeyMaterial;
use sigillo_server::log::{Level, Log};
use sigillo_server::net::Listener;
use sigillo_server::persist::{AnchorKeeper, Missing, StorePersist};
use sigillo_server::sandbox::{Sandbox, Seccomp};
use sigillo_server::serve::{EndSignals, Endpoint, Endpoints, Server, Setup, Start};
use sigillo_server::{Behaviour, fds, info, machine};
use sigillo_store::{Store, files::Dir};
use std::os::fd::AsFd;
use uuid::Uuid;

/// One TPM behind inherited descriptors.
#[derive(Parser)]
#[command(name = "sigillo worker")]
struct Args {
    /// The directory the store lies in
    #[arg(long, value_name = "FD")]
    store_dir_fd: i32,
    /// The store's name in it
    #[arg(long, value_name = "NAME")]
    store_name: OsString,
    /// The store's password, in a pipe
    #[arg(long, value_name = "FD")]
    key_fd: Option<i32>,
    /// The listening control socket
    #[arg(long, value_name = "FD")]
    ctrl_fd: i32,
    /// The VM the TPM belongs to
    #[arg(long, value_name = "UUID")]
    vm_uuid: Uuid,
    /// Where to log [default: standard error]
    #[arg(long, value_name = "FD")]
    log_fd: Option<i32>,
    /// How much to log: 0 nothing, 1 what happens, 5 each command by its code
    #[arg(long, value_name = "N", default_value_t = 1)]
    log_level: u32,
    /// Where to say `ready`
    #[arg(long, value_name = "FD")]
    ready_fd: Option<i32>,
    /// What a forbidden system call does
    #[arg(long, value_enum, default_value_t = Action::Kill)]
    seccomp: Action,
    /// End when the control client leaves
    #[arg(long)]
    terminate: bool,
    /// End when this pipe closes before a control client came
    #[arg(long, value_name = "FD")]
    starter_fd: Option<i32>,
    /// Where the newest state of the store is remembered
    #[arg(long, value_name = "FD")]
    anchor_fd: Option<i32>,
    /// Run this state of the store whatever is remembered
    #[arg(long, value_name = "GENERATION:HASH", requires = "anchor_fd")]
    accept: Option<String>,
    /// Run the store only in one of these states, or as one of these openings left it
    #[arg(long, value_name = "GENERATION:HASH|OPENING")]
    goes_on: Vec<String>,
}

/// What a forbidden system call does.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Action {
    /// It ends the process.
    Kill,
    /// It goes into the kernel's log.
    Log,
    /// There is no filter.
    None,
}

impl From<Action> for Seccomp {
    fn from(action: Action) -> Seccomp {
        match action {
            Action::Kill => Seccomp::Kill,
            Action::Log => Seccomp::Log,
            Action::None => Seccomp::None,
        }
    }
}

/// Runs with the arguments that follow `sigillo worker`.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let program = OsString::from("sigillo worker");
    let args = match Args::try_parse_from(std::iter::once(&program).chain(args)) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    let ready = match args.ready_fd.map(fds::inherited).transpose() {
        Ok(ready) => ready.map(File::from),
        Err(error) => {
            eprintln!("sigillo worker: {error}");
            return ExitCode::FAILURE;
        }
    };
    let tell = |line: &str| tell(ready.as_ref(), line);
    // What is told through `--ready-fd` is read by the person who starts the VM; the starter says in which language.
    match speaking(Language::of_environment(), || serve(&args, tell)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("sigillo worker: {why}");
            tell(&why.replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

/// Tells the starter a line through `--ready-fd`, if it listens.
pub(super) fn tell(ready: Option<&File>, line: &str) {
    if let Some(mut ready) = ready {
        // Whoever started us may have given up by now; then nobody needs to be told.
        let _ = ready.write_all(format!("{line}\n").as_bytes());
    }
}

/// Remembers the newest state in the anchor's file.
#[derive(Debug)]
struct Keeper(AnchorFile);

impl AnchorKeeper for Keeper {
    fn keep(&mut self, store: &Store) -> std::io::Result<()> {
        self.0.write(&Seen::of(store))
    }
}

/// Takes the anchor's lock, and looks what the store is to the newest state seen. `Err`: it must not run.
fn guard(
    persist: &mut StorePersist,
    mut anchor: AnchorFile,
    accepted: Option<&str>,
) -> Result<Verdict, String> {
    let text = |error: std::io::Error| text!("worker-anchor", error);
    let store = persist.store();
    let state = state_name(store);
    let verdict = anchor.judge(store).map_err(text)?;
    let consent = accepted == Some(&state) && !matches!(verdict, Verdict::InUse { .. });
    if !verdict.is_in_order() && !consent {
        let held = serde_json::to_string(&Held { verdict, state }).map_err(|e| e.to_string())?;
        return Err(format!("held {held}"));
    }
    persist.guard(Box::new(Keeper(anchor))).map_err(|e| e.to_string())?;
    Ok(verdict)
}

/// Whether a guest that was suspended over one of these states may go on over this store.
fn goes_on(store: &Store, states: &[String]) -> bool {
    let writer: String = store.lineage().session.iter().map(|octet| format!("{octet:02x}")).collect();
    states.iter().any(|state| *state == state_name(store) || *state == writer)
}

fn serve(args: &Args, tell: impl Fn(&str)) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let level = Level::from_number(args.log_level);
    let log = match args.log_fd {
        Some(fd) => Log::to_file(level, File::from(fds::inherited(fd).map_err(text)?)),
        None => Log::to_stderr(level),
    };
    let key = match args.key_fd {
        Some(fd) => {
            let secret = fds::read_secret(File::from(fds::inherited(fd).map_err(text)?)).map_err(text)?;
            Some(KeyMaterial::Random(secret))
        }
        None => None,
    };
    let dir = Dir::from(fds::inherited(args.store_dir_fd).map_err(text)?);
    let name: &OsStr = &args.store_name;
    let mut persist =
        StorePersist::open(&dir, name, key.clone(), Missing::Refuse).map_err(|e| match e.code() {
            Some(code) => format!("{code}: {e}"),
            None => e.to_string(),
        })?;
    let store = persist.store().info();
    if !store.is_for_vm(args.vm_uuid.as_bytes()) {
        return Err(text!("worker-foreign-store", uuid = args.vm_uuid));
    }
    if persist.store().state().is_empty() {
        return Err(text!("worker-empty-store"));
    }
    if !args.goes_on.is_empty() && !goes_on(persist.store(), &args.goes_on) {
        return Err(text!("worker-saved-store"));
    }
    super::swtpm::report(&persist, &log);
    let verdict = match args.anchor_fd {
        Some(fd) => {
            let anchor = AnchorFile::new(File::from(fds::inherited(fd).map_err(text)?));
            Some(guard(&mut persist, anchor, args.accept.as_deref())?)
        }
        None => None,
    };
    let control = Listener::new(fds::inherited(args.ctrl_fd).map_err(text)?).map_err(text)?;
    let starter = args.starter_fd.map(fds::inherited).transpose().map_err(text)?;
    let signals = EndSignals::catch().map_err(text)?;

    let sandbox = Sandbox { store_dir: dir.as_fd(), cleanup_dirs: Vec::new(), seccomp: args.seccomp.into() };
    sandbox.enter(&log).map_err(|e| e.to_string())?;
    let mut options = machine::Options::default();
    options.keys.state = key;
    options.keys.migration = persist.store().outside_key(b"state blob").map(KeyMaterial::Random);
    let setup = Setup {
        options,
        behaviour: Behaviour { terminate_with_control: args.terminate, ..Behaviour::default() },
        attributes: info::ATTRIBUTES_OF_THIS_TPM,
        start: Start::Wait,
        cleanup: Vec::new(),
        signals,
        log,
    };
    let endpoints = Endpoints { control: Some(Endpoint::Listener(control)), starter, ..Endpoints::default() };
    let server = Server::new(Box::new(persist), endpoints, setup).map_err(|e| e.to_string())?;
    match verdict {
        Some(moved @ Verdict::MovedOn { .. }) => {
            tell(&format!("ready {}", serde_json::to_string(&moved).map_err(|e| e.to_string())?));
        }
        _ => tell("ready"),
    }
    // From here on it is the log that is spoken to.
    speaking(Language::English, || server.run()).map(drop).map_err(|e| e.to_string())
}
