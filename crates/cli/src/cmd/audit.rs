//! `sigillo audit show | verify`: what was done to TPMs and their records on this host.
use super::{Done, Failure, output};
use serde_json::json;
use sigillo_keychain::audit::{AuditError, AuditLog};
use sigillo_messages::text;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show the lines of the log, oldest first
    Show,
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
        Command::Show => {
            let entries = log.entries()?;
            let shown = output::report(
                || json!(entries),
                || {
                    for entry in &entries {
                        say!(
                            "{:>6}  {}  uid {:<6} {:18} {}  {}",
                            entry.n,
                            entry.time,
                            entry.uid,
                            entry.act,
                            entry.subject,
                            entry.detail
                        );
                    }
                },
            );
            // A list that does not hold must not pass for one that does.
            log.verify()?;
            shown
        }
        Command::Verify => {
            let verified = log.verify()?;
            let path = verified.path.display();
            output::report(
                || {
                    json!({
                        "log": path.to_string(),
                        "lines": verified.lines,
                        "last_hash": verified.last_hash.to_string(),
                        "torn": verified.torn,
                    })
                },
                || {
                    say!("{}", text!("audit-says-whole", path, lines = #verified.lines));
                    say!("{}", text!("audit-last-hash", hash = verified.last_hash));
                    if verified.torn {
                        say!("{}", text!("audit-says-torn"));
                    }
                },
            )
        }
    }
}
