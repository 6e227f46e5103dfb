//! `sigillo audit show | verify`: what was done to TPMs and their records on this host.
use super::{Done, Failure};
use sigillo_keychain::audit::{AuditError, AuditLog};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show the lines of the log, oldest first
    Show {
        /// As JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Check that no line was changed, taken out or lost
    Verify,
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// The audit log of this host.
pub(crate) fn log() -> Result<AuditLog, Failure> {
    Ok(AuditLog::of_this_host()?)
}

pub(crate) fn run(command: &Command) -> Done {
    let log = log()?;
    match command {
        Command::Show { json } => {
            for entry in log.entries()? {
                if *json {
                    let object = serde_json::to_string(&entry)
                        .map_err(|error| Failure::new("SIG_ERR_AUDIT_READ", error.to_string()))?;
                    println!("{object}");
                } else {
                    println!(
                        "{:>6}  {}  uid {:<6} {:18} {}  {}",
                        entry.n, entry.time, entry.uid, entry.act, entry.subject, entry.detail
                    );
                }
            }
            // A list that does not hold must not pass for one that does.
            log.verify()?;
        }
        Command::Verify => {
            let verified = log.verify()?;
            println!("{}: {} lines, whole and in order", verified.path.display(), verified.lines);
            println!("last hash {}", verified.last_hash);
            if verified.torn {
                println!(
                    "a crash left the beginning of one more line, which stands for nothing that was done"
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
