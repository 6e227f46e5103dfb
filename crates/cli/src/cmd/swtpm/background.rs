//! Going into the background without fork: the program starts itself again and waits until that one serves.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, ExitCode, Stdio};

/// Starts the same command line as a background process. Inherited descriptors go along under their numbers; what
/// goes wrong until clients are served is on our standard error and in our exit code.
pub(super) fn start(args: &[OsString]) -> Result<ExitCode, String> {
    let program = std::env::current_exe().map_err(|e| format!("this program does not find itself: {e}"))?;
    let mut child = Command::new(program)
        .arg("swtpm")
        .args(args)
        .arg("--detached")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("the background process does not start: {e}"))?;
    let mut said = String::new();
    if let Some(stdout) = child.stdout.take() {
        // It closes its end when it serves or ends.
        let _ = stdout.take(64).read_to_string(&mut said);
    }
    if said == "ready\n" {
        return Ok(ExitCode::SUCCESS);
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    // It has said itself what went wrong.
    Ok(code.filter(|code| *code != 0).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// In the background process: a session of its own, and no directory held.
pub(super) fn leave_session() -> Result<(), String> {
    rustix::process::setsid().map_err(|e| e.to_string())?;
    std::env::set_current_dir("/").map_err(|e| e.to_string())
}

/// In the background process: leaves the terminal for good and lets the one who waits go.
pub(super) fn ready(null: Option<&File>) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    std::io::stdout().write_all(b"ready\n").map_err(text)?;
    if let Some(null) = null {
        rustix::stdio::dup2_stdin(null).map_err(|e| e.to_string())?;
        rustix::stdio::dup2_stdout(null).map_err(|e| e.to_string())?;
        rustix::stdio::dup2_stderr(null).map_err(|e| e.to_string())?;
    }
    Ok(())
}
