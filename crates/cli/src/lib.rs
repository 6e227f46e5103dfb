//! The command line: virtual machines with their own TPM.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is what talks to people")]

mod cmd;
mod host_tpm;

use std::{path::Path, process::ExitCode};

/// What the program does with the arguments it was started with. Returns its exit status: docs/cli.md.
pub fn main() -> ExitCode {
    // Every command may come to hold a password. One that cannot be protected is told by the sandbox of those that stay.
    let _ = sigillo_server::sandbox::forbid_dumps();
    let mut args = std::env::args_os();
    let name = args.next();
    let args: Vec<_> = args.collect();
    // A link named swtpm stands in for it where a program starts swtpm by that name alone.
    if name.as_deref().is_some_and(|name| Path::new(name).file_name().is_some_and(|file| file == "swtpm")) {
        return cmd::swtpm::run(&args);
    }
    // These take other programs' options, word for word, so clap does not see them.
    match args.split_first() {
        Some((word, rest)) if word == "swtpm" => cmd::swtpm::run(rest),
        Some((word, rest)) if word == "worker" => cmd::worker::run(rest),
        Some((word, rest)) if word == "serial-log" => cmd::serial_log::run(rest),
        _ => cmd::run(),
    }
}
