//! libvirt's own program for its daemon. It is found on the PATH, gets arguments that hold no secret, and is not waited for
//! longer than its command may take.
use sigillo_messages::{printable, text};
use std::{
    ffi::OsStr,
    io::Read,
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub(super) const VIRSH: &str = "virsh";
/// More is in none of its answers that are looked at. Bytes.
const ANSWER: u64 = 4 << 20;
const PAUSE: Duration = Duration::from_millis(20);

/// The command for a connection, without what it is to do.
pub(super) fn virsh(uri: &str) -> Command {
    let mut command = Command::new(VIRSH);
    // Its words are read.
    command.args(["--connect", uri, "--quiet"]).env("LC_ALL", "C").env_remove("LANGUAGE").current_dir("/");
    command
}

/// What it answers; or its words, when it failed.
pub(super) fn run<S: AsRef<OsStr>>(
    uri: &str,
    args: &[S],
    limit: Duration,
    mut meanwhile: impl FnMut(),
) -> Result<String, String> {
    let mut command = virsh(uri);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("{VIRSH}: {e}"))?;
    let (said, complained) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let end = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if Instant::now() >= end => {
                kill(&mut child);
                break Err(text!("virsh-silent", seconds = #limit.as_secs()));
            }
            Ok(None) => thread::sleep(PAUSE),
            Err(e) => break Err(e.to_string()),
        }
        meanwhile();
    };
    let (said, complained) = (joined(said), joined(complained));
    match status? {
        status if status.success() => Ok(said),
        status => {
            let words: Vec<&str> =
                complained.lines().map(|line| line.trim_start_matches("error:").trim()).collect();
            let words: Vec<&str> = words.into_iter().filter(|line| !line.is_empty()).collect();
            match (words.is_empty(), status.signal()) {
                // libvirt quotes QEMU, which may be the guest's by then.
                (false, _) => Err(printable(&words.join("; "))),
                (true, Some(signal)) => Err(text!("program-signal", program = VIRSH, signal)),
                (true, None) => {
                    let code = status.code().unwrap_or_default();
                    Err(text!("program-ended", program = VIRSH, code))
                }
            }
        }
    }
}

fn kill(child: &mut Child) {
    // It has ended by now, or it must.
    let _ = child.kill();
    let _ = child.wait();
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let mut pipe = pipe.take(ANSWER);
            // What cannot be read is missing from its words.
            let _ = pipe.read_to_end(&mut bytes);
            // Or it would wait for somebody to read the rest.
            let _ = std::io::copy(&mut pipe.into_inner(), &mut std::io::sink());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn joined(thread: JoinHandle<String>) -> String {
    thread.join().unwrap_or_default()
}
