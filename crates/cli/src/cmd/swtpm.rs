//! `sigillo swtpm ...`: takes swtpm's own options, so that whatever starts swtpm can start this.
//!
//! What is not as in swtpm:
//! - The state is one sigillo store, `tpm2-00.sigillo` in the state's directory, made at the first INIT. With `--key`
//!   it is sealed with AES-128-GCM whatever the cipher's name says: `mode=` names the length of a key in a file.
//!   A passphrase is stretched with Argon2id whatever `kdf=` says. Without a key it is not encrypted, and the log and
//!   `--print-states` say so.
//! - Blobs of GET_STATEBLOB are in a form of ours, sealed under `--migration-key` where there is one.
//! - `sigillo swtpm mssim` serves the TPM simulator's protocol instead.
//! - `--profile NAME` or `--profile name=NAME` says what a new TPM is; the names are ours, not those of libtpms.
//! - `--runas`, `--chroot`, `--migration`, `--pcap`, TPM 1.2 and the character devices are refused.

mod background;
mod options;
mod sources;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use sigillo_server::blob::BlobKeys;
use sigillo_server::log::{Level, Log};
use sigillo_server::machine::{self, Su};
use sigillo_server::net::Listener;
use sigillo_server::persist::{self, Missing, StorePersist};
use sigillo_server::sandbox::{Sandbox, Seccomp};
use sigillo_server::serve::{EndSignals, Endpoint, Endpoints, Server, Setup, Start};
use sigillo_server::{Behaviour, fds, info};
use sigillo_store::files::Dir;

use super::notify::Notify;
use options::{Args, Words};

/// The store's name in a state directory.
const STORE: &str = "tpm2-00.sigillo";

/// Runs with the arguments that follow `sigillo swtpm`.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let program = OsString::from("sigillo swtpm");
    // As in swtpm, these need no interface before them.
    let asks = |word: &str| args.iter().any(|arg| arg == word);
    let bare = args.first().is_none_or(|arg| arg.to_string_lossy().starts_with('-'));
    let interface = OsString::from("socket");
    let default =
        (bare && (asks("--version") || asks("-v") || asks("--print-capabilities"))).then_some(&interface);
    let parsed = match Args::try_parse_from([&program].into_iter().chain(default).chain(args)) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help is an answer; anything else is swtpm's exit code for a wrong command line.
            let code = if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
            return error.print().map_or(ExitCode::FAILURE, |()| code);
        }
    };
    let done = if parsed.daemon && !parsed.detached { background::start(args) } else { act(&parsed) };
    done.unwrap_or_else(|why| {
        eprintln!("sigillo swtpm: {why}");
        ExitCode::FAILURE
    })
}

fn act(args: &Args) -> Result<ExitCode, String> {
    if args.version {
        println!("sigillo swtpm {}, a TPM 2.0", env!("CARGO_PKG_VERSION"));
        return Ok(ExitCode::SUCCESS);
    }
    match args.interface.as_str() {
        "socket" | "mssim" => {}
        "chardev" | "cuse" => {
            return Err(format!("there is no {} interface here; use socket", args.interface));
        }
        other => return Err(format!("{other} is no interface; socket and mssim are")),
    }
    if args.print_capabilities {
        println!("{}", info::capabilities());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(mask) = &args.print_info {
        let mask = match mask.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => mask.parse(),
        };
        let mask = mask.map_err(|_| "--print-info: not a mask".to_owned())?;
        println!("{}", info::facts(mask, &info::ATTRIBUTES_OF_THIS_TPM));
        return Ok(ExitCode::SUCCESS);
    }
    let refused = [
        ("runas", &args.runas, "start it as that user instead"),
        ("chroot", &args.chroot, "the process confines itself to its state directory"),
        ("migration", &args.migration, "the state's lock is held as long as the process lives"),
        ("pcap", &args.pcap, "commands are never written down, they may hold secrets"),
    ];
    for (option, value, why) in refused {
        if value.is_some() {
            return Err(format!("--{option} is not supported: {why}"));
        }
    }
    let place = Place::new(args.tpmstate.as_deref())?;
    if args.print_states {
        println!("{}", place.states()?);
        return Ok(ExitCode::SUCCESS);
    }
    if !args.tpm2 {
        return Err("this is a TPM 2.0 and not a TPM 1.2; give --tpm2".to_owned());
    }
    serve(args, &place)
}

fn serve(args: &Args, place: &Place) -> Result<ExitCode, String> {
    let log = log(args.log.as_deref())?;
    let flags = Flags::new(args.flags.as_deref())?;
    let seccomp = seccomp(args.seccomp.as_deref())?;
    let mut locality = Words::new("locality", args.locality.as_deref().unwrap_or_default());
    let reject_locality_4 = locality.flag("reject-locality-4");
    let allow_set_locality = locality.flag("allow-set-locality");
    locality.end()?;
    let profile = profile(args.profile.as_deref())?;
    let keys = BlobKeys {
        state: args.key.as_deref().map(|text| sources::key("key", text)).transpose()?,
        migration: args
            .migration_key
            .as_deref()
            .map(|text| sources::key("migration-key", text))
            .transpose()?,
    };
    let mut sockets = sources::sockets(args)?;
    if sockets.endpoints.control.is_none()
        && sockets.endpoints.data.is_none()
        && sockets.endpoints.simulator.is_none()
    {
        return Err("nothing to listen on; give --server, --port, --fd or --ctrl".to_owned());
    }

    let dir = Dir::open(&place.dir)
        .map_err(|e| format!("the state directory {} cannot be opened: {e}", place.dir.display()))?;
    let fresh = dir.identity(&place.name).map_err(|e| e.to_string())?.is_none();
    // A store made here belongs to no VM that we know of.
    let missing = Missing::Create([0; 16]);
    let persist =
        StorePersist::open(&dir, &place.name, keys.state.clone(), missing).map_err(|e| e.to_string())?;
    if fresh && let Some(mode) = place.mode {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(place.dir.join(&place.name), std::fs::Permissions::from_mode(mode))
            .map_err(|e| e.to_string())?;
    }
    report(&persist, &log);
    let pid_file = args.pid.as_deref().map(write_pid).transpose()?.flatten();

    if args.detached {
        background::leave_session()?;
    }
    let manager = Notify::of_this_process();
    let signals = EndSignals::catch().map_err(|e| e.to_string())?;
    let mut cleanup_dirs: Vec<&Path> = Vec::new();
    let paths = sockets.paths();
    cleanup_dirs.extend(paths.iter().chain(&pid_file).filter_map(|path| path.parent()));
    Sandbox { store_dir: dir.as_fd(), cleanup_dirs, seccomp }.enter(&log).map_err(|e| e.to_string())?;

    let setup = Setup {
        options: machine::Options {
            auto_shutdown: !flags.disable_auto_shutdown,
            reject_locality_4,
            keys,
            profile,
        },
        behaviour: Behaviour {
            terminate_with_control: args.terminate || sockets.terminate_with_control,
            terminate_with_data: args.terminate,
            disconnect: sockets.disconnect,
            allow_set_locality,
        },
        attributes: info::ATTRIBUTES_OF_THIS_TPM,
        start: flags.start,
        cleanup: pid_file.into_iter().collect(),
        signals,
        log,
    };
    let endpoints = std::mem::take(&mut sockets.endpoints);
    let server = Server::new(Box::new(persist), endpoints, setup).map_err(|e| e.to_string())?;
    if args.detached {
        background::ready(sockets.null.as_ref())?;
    }
    if let Some(manager) = &manager {
        manager.ready();
    }
    server.run().map(|_| ExitCode::SUCCESS).map_err(|e| e.to_string())
}

/// Says in the log what an opened store is, above all where nobody needs a key to read it.
pub(crate) fn report(persist: &StorePersist, log: &Log) {
    let store = persist.store();
    if store.info().is_unencrypted() {
        log.info(format_args!("the TPM's state is NOT encrypted on the disk"));
    }
    if !store.notes().is_clean() {
        log.error(format_args!("the store opened, and not everything was in order: {:?}", store.notes()));
    }
}

/// Where the state lies.
struct Place {
    dir: PathBuf,
    name: OsString,
    mode: Option<u32>,
}

impl Place {
    fn new(text: Option<&str>) -> Result<Place, String> {
        let from_environment = || std::env::var_os("TPM_PATH").map(PathBuf::from);
        let Some(text) = text else {
            let dir = from_environment().ok_or("no state directory; give --tpmstate dir=DIR")?;
            return Ok(Place { dir, name: STORE.into(), mode: None });
        };
        let mut words = Words::new("tpmstate", text);
        let dir = words.path("dir")?;
        let uri = words.value("backend-uri")?;
        let mode = words.number("mode", 8)?;
        // The store is always locked and always synced.
        words.flag("lock");
        words.flag("fsync");
        let (dir, name) = match (dir, uri.as_deref()) {
            (Some(dir), None) => (dir, STORE.into()),
            (None, Some(uri)) => match (uri.strip_prefix("dir://"), uri.strip_prefix("file://")) {
                (Some(dir), _) => (PathBuf::from(dir), STORE.into()),
                (_, Some(file)) => {
                    let file = std::path::absolute(file).map_err(|e| e.to_string())?;
                    match (file.parent(), file.file_name()) {
                        (Some(dir), Some(name)) => (dir.to_owned(), name.to_owned()),
                        _ => return Err(words.error("the URI names no file")),
                    }
                }
                _ => return Err(words.error("backend-uri is dir://DIR or file://FILE")),
            },
            (Some(_), Some(_)) => return Err(words.error("either dir or backend-uri")),
            (None, None) => {
                let dir = from_environment().ok_or_else(|| words.error("give dir=DIR or backend-uri="))?;
                (dir, STORE.into())
            }
        };
        words.end()?;
        Ok(Place { dir, name, mode })
    }

    fn states(&self) -> Result<String, String> {
        let dir = Dir::open(&self.dir).map_err(|e| format!("{}: {e}", self.dir.display()))?;
        let there = |name: &OsStr| dir.identity(name).map_err(|e| e.to_string());
        if there(&self.name)?.is_none() {
            return Ok(info::states(None, None, false).to_string());
        }
        let store = persist::peek(&dir, &self.name).map_err(|e| e.to_string())?;
        let volatile = persist::volatile_len(&dir, &self.name);
        Ok(info::states(Some(store.file_len), volatile, !store.is_unencrypted()).to_string())
    }
}

fn log(text: Option<&str>) -> Result<Log, String> {
    let Some(text) = text else { return Ok(Log::to_stderr(Level::Error)) };
    let mut words = Words::new("log", text);
    let level = Level::from_number(words.number("level", 10)?.unwrap_or(1));
    let prefix = words.value("prefix")?;
    let truncate = words.flag("truncate");
    let file = match (words.path("file")?, words.number::<i32>("fd", 10)?) {
        (Some(path), None) if path.as_os_str() == "-" => None,
        (Some(path), None) => {
            Some(Log::open(&path, truncate).map_err(|e| words.error(&format!("{}: {e}", path.display())))?)
        }
        (None, Some(fd)) => Some(File::from(fds::inherited(fd).map_err(|e| words.error(&e.to_string()))?)),
        _ => return Err(words.error("give file=FILE or fd=FD")),
    };
    words.end()?;
    let log = file.map_or_else(|| Log::to_stderr(level), |file| Log::to_file(level, file));
    Ok(match prefix {
        Some(prefix) => log.with_prefix(&format!("{prefix} ")),
        None => log,
    })
}

/// The profile of a new TPM: a name alone, or as swtpm spells it.
fn profile(text: Option<&str>) -> Result<machine::Profile, String> {
    let Some(text) = text else { return Ok(machine::Options::default().profile) };
    let mut words = Words::new("profile", text);
    let name = match words.value("name")? {
        Some(name) => name,
        None if !text.contains(['=', ',', '{']) && words.flag(text) => text.to_owned(),
        None => return Err(words.error("give NAME or name=NAME")),
    };
    words.end()?;
    machine::profile(&name).map_err(|why| format!("--profile: {why}"))
}

fn seccomp(text: Option<&str>) -> Result<Seccomp, String> {
    let mut words = Words::new("seccomp", text.unwrap_or("action=kill"));
    let action = match words.value("action")?.as_deref() {
        Some("kill") => Seccomp::Kill,
        Some("log") => Seccomp::Log,
        Some("none") => Seccomp::None,
        _ => return Err(words.error("action is kill, log or none")),
    };
    words.end()?;
    Ok(action)
}

/// What `--flags` asks for.
struct Flags {
    start: Start,
    disable_auto_shutdown: bool,
}

impl Flags {
    fn new(text: Option<&str>) -> Result<Flags, String> {
        let mut words = Words::new("flags", text.unwrap_or_default());
        let disable_auto_shutdown = words.flag("disable-auto-shutdown");
        let not_need_init = words.flag("not-need-init");
        let clear = words.flag("startup-clear");
        let state = words.flag("startup-state");
        let none = words.flag("startup-none");
        if words.flag("startup-deactivated") {
            return Err(words.error("startup-deactivated is for TPM 1.2"));
        }
        let start = match (clear, state, none) {
            (false, false, _) if not_need_init => Start::Init,
            (false, false, _) => Start::Wait,
            (true, false, false) => Start::Startup(Su::Clear),
            (false, true, false) => Start::Startup(Su::State),
            _ => return Err(words.error("one startup-... only")),
        };
        words.end()?;
        Ok(Flags { start, disable_auto_shutdown })
    }
}

/// Writes our process number where `--pid` says; the path, to be removed at the end.
fn write_pid(text: &str) -> Result<Option<PathBuf>, String> {
    let mut words = Words::new("pid", text);
    let number = format!("{}\n", std::process::id());
    let failed = |error: std::io::Error| format!("--pid: {error}");
    let (mut file, path) = match (words.path("file")?, words.number::<i32>("fd", 10)?) {
        (Some(path), None) => {
            let path = std::path::absolute(path).map_err(failed)?;
            (sources::create_plain(&path).map_err(failed)?, Some(path))
        }
        (None, Some(fd)) => (File::from(fds::inherited(fd).map_err(failed)?), None),
        _ => return Err(words.error("give file=FILE or fd=FD")),
    };
    words.end()?;
    file.write_all(number.as_bytes()).map_err(failed)?;
    Ok(path)
}

/// The sockets of a command line.
struct Sockets {
    endpoints: Endpoints,
    terminate_with_control: bool,
    disconnect: bool,
    /// `/dev/null`, opened before the sandbox for the background process.
    null: Option<File>,
}

impl Sockets {
    fn paths(&self) -> Vec<PathBuf> {
        let path = |endpoint: &Endpoint| match endpoint {
            Endpoint::Listener(listener) => listener.path().map(Path::to_owned),
            Endpoint::Client(_) => None,
        };
        [&self.endpoints.control, &self.endpoints.data].into_iter().flatten().filter_map(path).collect()
    }
}

fn listen(address: std::net::SocketAddr) -> Result<Listener, String> {
    Listener::tcp(address).map_err(|e| format!("{address}: {e}"))
}
