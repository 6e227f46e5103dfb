//! The command line: virtual machines with their own TPM.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the program that talks to people")]

mod cmd;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Every command may come to hold a password. One that cannot be protected is told by the sandbox of those that stay.
    let _ = sigillo_server::sandbox::forbid_dumps();
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    // These two take other programs' options, word for word, so clap does not see them.
    match args.split_first() {
        Some((word, rest)) if word == "swtpm" => cmd::swtpm::run(rest),
        Some((word, rest)) if word == "worker" => cmd::worker::run(rest),
        _ => cmd::run(),
    }
}
