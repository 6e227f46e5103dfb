//! Running other programs: every failure names the program, its exit status and what it said.
use std::{
    ffi::OsStr,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// An error is a sentence for the person who ran the command.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// What a finished program left.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command from a program and its arguments.
pub(crate) fn cmd<I, S>(program: impl AsRef<OsStr>, args: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// Runs to the end and returns what it printed; a non-zero exit is an error.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if output.status.success() { Ok(output.stdout) } else { Err(failure(command, &output)) }
}

/// Runs to the end, with this program's own stdout and stderr; a non-zero exit is an error.
pub(crate) fn pass(command: &mut Command) -> Result<()> {
    let status =
        command.stdin(Stdio::null()).status().map_err(|e| format!("cannot run {}: {e}", name(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", name(command))) }
}

/// Runs to the end and returns everything, whatever the exit status.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let out =
        command.stdin(Stdio::null()).output().map_err(|e| format!("cannot run {}: {e}", name(command)))?;
    Ok(Output {
        status: out.status,
        stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
    })
}

/// Runs with a limit; when it passes, the program is killed and that is an error.
pub(crate) fn output_within(command: &mut Command, limit: Duration) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot run {}: {e}", name(command)))?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let status = wait_within(&mut child, limit)?;
    let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    match status {
        Some(status) => Ok(Output { status, stdout, stderr }),
        None => Err(format!("{} was still running after {} s: {stderr}", name(command), limit.as_secs())),
    }
}

/// Waits for the child; `None` after the limit, when it has been killed.
pub(crate) fn wait_within(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let status = wait_for(child, limit)?;
    if status.is_none() {
        child.kill().map_err(|e| e.to_string())?;
        child.wait().map_err(|e| e.to_string())?;
    }
    Ok(status)
}

/// Waits for the child; `None` after the limit, when it still runs.
pub(crate) fn wait_for(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let end = Instant::now() + limit;
    loop {
        let status = child.try_wait().map_err(|e| e.to_string())?;
        if status.is_some() || Instant::now() >= end {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // A reader that fails only shortens what the error message can quote.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// The sentence for a program that failed.
pub(crate) fn failure(command: &Command, output: &Output) -> String {
    let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
    let tail: Vec<&str> = said.trim().lines().rev().take(15).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    format!("{} ended with {}: {}", name(command), output.status, tail.join("\n  "))
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    // xtask/ lies directly under it.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// What the tests build: all of the command line but the feature `aws-lc`, which has a step of its own. What is shipped
/// without them is what `demo` and `conformance` build.
pub(crate) const ALL_FEATURES: [&str; 2] = ["--features", "sigillo/secret-service"];

/// Cargo as the one that started us.
pub(crate) fn cargo<I, S>(args: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = cmd(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), args);
    command.current_dir(root());
    command
}

/// Writes a file, naming it when that fails.
pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display()))
}

/// Reads a file, naming it when that fails.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Makes a directory and its parents.
pub(crate) fn mkdir(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| format!("{}: {e}", path.display()))
}
