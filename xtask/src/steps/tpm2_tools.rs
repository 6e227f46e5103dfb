//! A tpm2-tools session over swtpm's protocol, as scripts of administrators would run it. The lines are in
//! `tpm2_tools.session`. With `SIGILLO_TEST_TPM=PROGRAM` the same lines run against another program that takes swtpm's
//! options, to tell a fault of the session from one of the TPM.
use super::{Context, fresh_dir};
use crate::{
    apt,
    report::Report,
    sh::{self, Result, cmd},
};
use std::{
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const SESSION: &str = include_str!("tpm2_tools.session");
const START: Duration = Duration::from_secs(20);
const LINE: Duration = Duration::from_secs(60);

pub(crate) fn run(context: &mut Context, report: &mut Report) -> Result<()> {
    apt::ensure(apt::TOOLS)?;
    let dir = fresh_dir("tpm2-tools")?;
    let mut program = match std::env::var_os("SIGILLO_TEST_TPM") {
        Some(program) => cmd(program, [] as [&str; 0]),
        None => cmd(context.sigillo()?, ["swtpm"]),
    };
    let mut tpm = start(&mut program, &dir)?;
    let result = session(&dir, report);
    // It serves one client after the other and does not end by itself.
    tpm.kill().and_then(|()| tpm.wait()).map_err(|e| e.to_string())?;
    result
}

/// Starts a program with swtpm's options; it listens on `s` in `dir` and keeps its state in `state`.
pub(super) fn start(program: &mut Command, dir: &Path) -> Result<Child> {
    sh::mkdir(&dir.join("state"))?;
    let socket = dir.join("s");
    for name in ["s", "s.ctrl"] {
        // Left by a process that was killed.
        let _ = std::fs::remove_file(dir.join(name));
    }
    let path = |name: &str| format!("type=unixio,path={}", dir.join(name).display());
    program.args(["socket", "--tpm2", "--tpmstate"]).arg(format!("dir={}", dir.join("state").display()));
    program.args([
        "--server",
        &path("s"),
        "--ctrl",
        &path("s.ctrl"),
        "--flags",
        "not-need-init,startup-clear",
    ]);
    let log = std::fs::File::create(dir.join("tpm.log")).map_err(|e| e.to_string())?;
    let mut child = program
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|e| format!("cannot start the TPM: {e}"))?;
    let end = Instant::now() + START;
    // The socket is there a moment before anyone listens.
    while UnixStream::connect(&socket).is_err() {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            let log = String::from_utf8_lossy(&sh::read_file(&dir.join("tpm.log"))?).into_owned();
            return Err(format!("the TPM ended with {status}: {}", log.trim()));
        }
        if Instant::now() > end {
            child.kill().and_then(|()| child.wait()).map_err(|e| e.to_string())?;
            return Err(format!("the TPM did not listen within {} s", START.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(child)
}

fn session(dir: &Path, report: &mut Report) -> Result<()> {
    let tcti = format!("swtpm:path={}", dir.join("s").display());
    let lines = SESSION.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let (expected, rest) =
            line.split_once(' ').ok_or_else(|| format!("the session has a line {line:?}"))?;
        let script = if expected == "sh" { rest.to_owned() } else { format!("tpm2 {rest}") };
        let mut command = cmd("sh", ["-c", &script]);
        command.current_dir(dir).env("TPM2TOOLS_TCTI", &tcti);
        let output = sh::output_within(&mut command, LINE)?;
        let said = output.stderr.trim().to_owned();
        let ok = match expected {
            "ok" | "sh" => output.status.success(),
            code => {
                let digits = code.trim_start_matches("0x");
                !output.status.success() && said.to_lowercase().contains(&format!("{digits:0>8}"))
            }
        };
        if ok {
            report.count_passed();
        } else {
            report.check(line, false, format!("{} {said} {}", output.status, output.stdout.trim()));
        }
        if expected != "sh" {
            // A tool that fails leaves its session loaded; one that succeeds has saved it.
            for kind in ["-t", "-l"] {
                sh::read(cmd("tpm2", ["flushcontext", kind]).env("TPM2TOOLS_TCTI", &tcti))?;
            }
        }
    }
    Ok(())
}
