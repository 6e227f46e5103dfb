//! The two programs under test. Suites start `swtpm` and find the first of that name on PATH, so each has a directory of
//! its own with that name in it.
use super::empty;
use crate::sh::{self, Result, cmd};
use std::{
    ffi::OsString,
    fs::{File, Permissions},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const SWTPM: &str = "/usr/bin/swtpm";
/// For a TPM to listen, on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Peer {
    /// `sigillo` or `swtpm`.
    pub(super) name: &'static str,
    /// For the table's head.
    pub(super) version: String,
    bin: PathBuf,
}

impl Peer {
    pub(super) fn sigillo(program: &Path, bins: &Path) -> Result<Self> {
        let commit = sh::read(cmd("git", ["rev-parse", "--short", "HEAD"]).current_dir(sh::root()))?;
        let version = format!("sigillo {}", commit.trim());
        // Suites give swtpm's options and no profile, so a script adds the one that answers as libtpms does; the process is
        // still named swtpm, by the link that the script turns into.
        let link = link(bins, "sigillo-as", program)?.join("swtpm");
        let bin = bins.join("sigillo");
        empty(&bin)?;
        let script = bin.join("swtpm");
        sh::write(&script, format!("#!/bin/sh\nexec '{}' \"$@\" --profile libtpms\n", link.display()))?;
        std::fs::set_permissions(&script, Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
        Ok(Self { name: "sigillo", version, bin })
    }

    pub(super) fn swtpm(bins: &Path) -> Result<Self> {
        let version = |package| sh::read(&mut cmd("dpkg-query", ["-W", "-f", "${Version}", package]));
        let version = format!("swtpm {}, libtpms {}", version("swtpm")?, version("libtpms0")?);
        Ok(Self { name: "swtpm", version, bin: link(bins, "swtpm", Path::new(SWTPM))? })
    }

    /// PATH with this one's `swtpm` first.
    pub(super) fn path(&self) -> OsString {
        let mut path = self.bin.clone().into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into()));
        path
    }

    /// A TPM with fresh state in `dir` on two TCP ports, already started up.
    pub(super) fn start(&self, dir: &Path) -> Result<Running> {
        self.launch(dir, &["socket", "--flags", "not-need-init,startup-clear"], "swtpm")
    }

    /// The same before TPM2_Startup, as IBM's TSS reaches it: sigillo by the simulator's protocol, swtpm, which does not
    /// speak that, by its own.
    pub(super) fn start_for_tss2(&self, dir: &Path) -> Result<Running> {
        match self.name {
            "sigillo" => self.launch(dir, &["mssim"], "mssim"),
            _ => self.launch(dir, &["socket", "--flags", "not-need-init"], "raw"),
        }
    }

    /// A TPM with fresh state and its control socket, as QEMU wants it: QEMU powers it on and it ends with QEMU.
    pub(super) fn start_for_qemu(&self, dir: &Path) -> Result<(Process, PathBuf)> {
        let socket = dir.join("control");
        let mut command = cmd(self.bin.join("swtpm"), ["socket", "--terminate", "--ctrl"]);
        command.arg(format!("type=unixio,path={}", socket.display()));
        let mut process = self.spawn(command, dir)?;
        process.wait_until(dir, || socket.exists())?;
        Ok((process, socket))
    }

    fn launch(&self, dir: &Path, args: &[&str], protocol: &'static str) -> Result<Running> {
        let port = free_ports()?;
        let mut command = cmd(self.bin.join("swtpm"), args);
        if protocol == "mssim" {
            command.arg("--port").arg(port.to_string());
        } else {
            command.arg("--server").arg(format!("type=tcp,port={port}"));
            command.arg("--ctrl").arg(format!("type=tcp,port={}", port + 1));
        }
        let mut process = self.spawn(command, dir)?;
        // The second channel opens last; a connection to the first would take its one place.
        process.wait_until(dir, || TcpStream::connect((Ipv4Addr::LOCALHOST, port + 1)).is_ok())?;
        Ok(Running { _process: process, port, protocol })
    }

    fn spawn(&self, mut command: Command, dir: &Path) -> Result<Process> {
        let state = dir.join("state");
        sh::mkdir(&state)?;
        let log = File::create(dir.join("tpm.log")).map_err(|e| e.to_string())?;
        command
            .args(["--tpm2", "--tpmstate"])
            .arg(format!("dir={}", state.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map(Process)
            .map_err(|e| format!("cannot start {}: {e}", self.name))
    }
}

/// A TPM process, ended when dropped.
pub(super) struct Process(Child);

impl Process {
    fn wait_until(&mut self, dir: &Path, listening: impl Fn() -> bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !listening() {
            let ended = self.0.try_wait().map_err(|e| e.to_string())?;
            if ended.is_some() || Instant::now() > end {
                return Err(format!("the TPM does not listen; see {}/tpm.log", dir.display()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has already ended has nothing left to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A TPM that listens on TCP.
pub(super) struct Running {
    _process: Process,
    /// Of the data channel; the control channel is on the next one.
    port: u16,
    protocol: &'static str,
}

impl Running {
    /// What the scripts find the TPM by.
    pub(super) fn tell(&self, command: &mut Command) {
        command.env("TCTI", self.tcti());
        // IBM's TSS.
        command.env("TPM_SERVER_TYPE", self.protocol);
        command.env("TPM_COMMAND_PORT", self.port.to_string());
        command.env("TPM_PLATFORM_PORT", (self.port + 1).to_string());
    }

    /// For tpm2-tss and everything above it.
    pub(super) fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    /// A port for a server of the suite's own, apart from the two of the TPM.
    pub(super) fn third_port(&self) -> Result<u16> {
        (self.port + 2..u16::MAX)
            .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
            .ok_or_else(|| "no free TCP port".to_owned())
    }
}

fn link(bins: &Path, name: &str, program: &Path) -> Result<PathBuf> {
    let bin = bins.join(name);
    sh::mkdir(&bin)?;
    let link = bin.join("swtpm");
    if link.symlink_metadata().is_ok() {
        std::fs::remove_file(&link).map_err(|e| format!("{}: {e}", link.display()))?;
    }
    symlink(program, &link).map_err(|e| format!("{}: {e}", link.display()))?;
    Ok(bin)
}

/// Two free ports in a row, both below the range that the kernel hands out to clients.
fn free_ports() -> Result<u16> {
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let offset = u16::try_from(std::process::id() % 5000).unwrap_or_default() * 4;
    (10_000 + offset..32_000)
        .step_by(2)
        .find(|port| free(*port) && free(*port + 1))
        .ok_or_else(|| "no two free TCP ports in a row".to_owned())
}
