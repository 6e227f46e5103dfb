//! The command line: virtual machines with their own TPM.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the program that talks to people")]

mod cmd;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    match args.first().and_then(|word| word.to_str()) {
        Some("swtpm") => cmd::swtpm::run(&args[1..]),
        Some("worker") => cmd::worker::run(&args[1..]),
        _ => ExitCode::from(64),
    }
}
