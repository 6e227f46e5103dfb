//! `sigillo swtpm ...`: takes swtpm's own options.
use std::{ffi::OsString, process::ExitCode};

/// Runs with the arguments that follow `sigillo swtpm`.
pub(crate) fn run(_args: &[OsString]) -> ExitCode {
    eprintln!("sigillo: this build has no TPM process");
    ExitCode::from(70)
}
