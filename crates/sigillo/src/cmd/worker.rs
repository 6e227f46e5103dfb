//! `sigillo worker ...`: one TPM behind inherited descriptors.
use std::{ffi::OsString, process::ExitCode};

/// Runs with the arguments that follow `sigillo worker`.
pub(crate) fn run(_args: &[OsString]) -> ExitCode {
    eprintln!("sigillo: this build has no TPM process");
    ExitCode::from(70)
}
