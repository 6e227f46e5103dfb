//! `sigillo serial-log ...`: writes what a guest says on its serial port, as `vm start` runs it.
//!
//! ```text
//! sigillo serial-log --pipe-fd N --dir-fd N [--ready-fd N]
//! ```
//! - `--pipe-fd`: the end to read of a pipe that QEMU writes into. The process ends when nobody can write into it any more, and by
//!   nothing else: a signal to a whole group would cut off what a guest says while it shuts down.
//! - `--dir-fd`: the run directory, in which `serial.log` lies.
//! - `--ready-fd`: gets `ready`, or one line that says why not.
//!
//! The descriptors are duplicated, never taken over, so their numbers stay open until the process ends.

use super::worker;
use clap::Parser;
use sigillo_messages::{Language, speaking};
use sigillo_server::{
    fds,
    log::{Level, Log},
    sandbox::{Sandbox, Seccomp},
};
use sigillo_vm::SerialWriter;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::{
    ffi::OsString,
    fs::File,
    os::fd::AsFd,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

/// What a guest says on its serial port, in files that are bounded.
#[derive(Parser)]
#[command(name = "sigillo serial-log")]
struct Args {
    /// What the guest says
    #[arg(long, value_name = "FD")]
    pipe_fd: i32,
    /// The run directory
    #[arg(long, value_name = "FD")]
    dir_fd: i32,
    /// Where to say `ready`
    #[arg(long, value_name = "FD")]
    ready_fd: Option<i32>,
}

/// Runs with the arguments that follow `sigillo serial-log`.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let program = OsString::from("sigillo serial-log");
    let args = match Args::try_parse_from(std::iter::once(&program).chain(args)) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    match speaking(Language::of_environment(), || write(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("sigillo serial-log: {why}");
            ExitCode::FAILURE
        }
    }
}

fn write(args: &Args) -> Result<(), String> {
    let ready = args.ready_fd.map(fds::inherited).transpose().map_err(|e| e.to_string())?.map(File::from);
    let tell = |line: &str| worker::tell(ready.as_ref(), line);
    let (writer, pipe) = prepared(args).inspect_err(|why| tell(&why.replace('\n', " ")))?;
    tell("ready");
    drop(ready);
    writer.run(pipe).map_err(|e| e.to_string())
}

/// All that can fail, and then the sandbox: what is read is the guest's.
fn prepared(args: &Args) -> Result<(SerialWriter, File), String> {
    let text = |error: std::io::Error| error.to_string();
    let pipe = File::from(fds::inherited(args.pipe_fd).map_err(text)?);
    let dir = fds::inherited(args.dir_fd).map_err(text)?;
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).map_err(text)?;
    }
    let log = Log::to_stderr(Level::Error);
    let sandbox = Sandbox { store_dir: dir.as_fd(), cleanup_dirs: Vec::new(), seccomp: Seccomp::Kill };
    sandbox.enter(&log).map_err(|e| e.to_string())?;
    Ok((SerialWriter::open(dir).map_err(text)?, pipe))
}
