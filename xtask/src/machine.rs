//! A machine that can be snapshot and migrated: QEMU as a management tool would start it, and its TPM in a process of
//! swtpm's options. `sigillo vm` has neither yet, so this is what libvirt does, by hand.
use crate::{
    guest::{self, Direct},
    sh::{self, Result, cmd},
};
use serde_json::{Value, json};
use sigillo_client::Transport;
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Under TCG a boot takes 6 s on an idle machine, and several times that on a busy one.
const BOOT: Duration = Duration::from_secs(180);
const QUICK: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// What a machine is started with.
pub(crate) struct Setup<'a> {
    /// The command line under test.
    pub(crate) sigillo: &'a Path,
    pub(crate) guest: &'a Direct,
    /// The sockets and logs of this one process pair.
    pub(crate) dir: PathBuf,
    /// Where the TPM's state lies.
    pub(crate) state: &'a Path,
    /// Files with the key of the state and of what leaves the host.
    pub(crate) keys: [&'a Path; 2],
    /// A disk that holds snapshots.
    pub(crate) disk: &'a Path,
    /// A migration file to go on from.
    pub(crate) incoming: Option<&'a Path>,
}

/// QEMU and the TPM.
pub(crate) struct Machine {
    qemu: Child,
    tpm: Child,
    monitor: BufReader<UnixStream>,
    dir: PathBuf,
}

/// Starts the TPM's process with swtpm's options: control channel on `ctrl` in `dir`, and what more says.
pub(crate) fn start_tpm(setup: &Setup<'_>, more: &[&str]) -> Result<Child> {
    sh::mkdir(setup.state)?;
    let socket = setup.dir.join("ctrl");
    let [key, migration_key] = setup.keys.map(|key| format!("file={},mode=aes-256-cbc", key.display()));
    let log = std::fs::File::create(setup.dir.join("tpm.log")).map_err(|e| e.to_string())?;
    let mut command = cmd(setup.sigillo, ["swtpm", "socket", "--tpm2", "--terminate", "--tpmstate"]);
    command.arg(format!("dir={}", setup.state.display()));
    command.args(["--key", &key, "--migration-key", &migration_key, "--log", "fd=2,level=5"]);
    command.arg("--ctrl").arg(format!("type=unixio,path={}", socket.display())).args(more);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    let mut child = child.map_err(|e| format!("cannot start the TPM: {e}"))?;
    let end = Instant::now() + QUICK;
    while !socket.exists() {
        if child.try_wait().map_err(|e| e.to_string())?.is_some() || Instant::now() > end {
            return Err(format!("the TPM did not start: {}", text(&setup.dir.join("tpm.log"))));
        }
        thread::sleep(PAUSE);
    }
    Ok(child)
}

impl Machine {
    /// Starts both; a machine that is to go on from a migration waits for nothing more.
    pub(crate) fn start(setup: &Setup<'_>) -> Result<(Self, Wire)> {
        sh::mkdir(&setup.dir)?;
        let mut tpm = start_tpm(setup, &[])?;
        let path = |name: &str| setup.dir.join(name).display().to_string();
        let disk = setup.disk.display();
        let log = std::fs::File::create(setup.dir.join("qemu.log")).map_err(|e| e.to_string())?;
        let mut command = cmd("qemu-system-x86_64", ["-nodefaults", "-no-user-config", "-display", "none"]);
        command.args(["-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "384M"]);
        command.args(["-global", "ICH9-LPC.disable_s3=0", "-no-reboot"]);
        command.arg("-kernel").arg(&setup.guest.kernel).arg("-initrd").arg(&setup.guest.initrd);
        command.args(["-append", &format!("{} no_console_suspend", guest::DIRECT_CMDLINE)]);
        command.args(["-serial", &format!("file:{}", path("serial.log"))]);
        command.args(["-chardev", &format!("socket,id=relay,path={},server=on,wait=off", path("relay"))]);
        command.args(["-serial", "chardev:relay"]);
        command.args(["-drive", &format!("if=none,id=disk,format=qcow2,file={disk}")]);
        command.args(["-device", "virtio-blk-pci,drive=disk"]);
        command.args(["-chardev", &format!("socket,id=tpmchar,path={}", path("ctrl"))]);
        command.args(["-tpmdev", "emulator,id=tpm,chardev=tpmchar", "-device", "tpm-crb,tpmdev=tpm"]);
        command.args(["-qmp", &format!("unix:{},server=on,wait=off", path("monitor"))]);
        if let Some(file) = setup.incoming {
            command.args(["-incoming", &format!("exec:cat {}", file.display())]);
        }
        match connected(&mut command, log, &setup.dir) {
            Ok((qemu, monitor, relay)) => {
                let mut machine = Self { qemu, tpm, monitor, dir: setup.dir.clone() };
                machine.object()?;
                machine.run("qmp_capabilities", Value::Null)?;
                Ok((machine, Wire(BufReader::new(relay))))
            }
            Err(why) => {
                end(&mut tpm);
                Err(why)
            }
        }
    }

    /// The guest's console.
    pub(crate) fn console(&self) -> String {
        text(&self.dir.join("serial.log")).replace('\r', "")
    }

    /// Waits until the console, from the byte `from` on, has what `find` looks for.
    pub(crate) fn wait_for<T>(
        &mut self,
        what: &str,
        from: usize,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let end = Instant::now() + BOOT;
        loop {
            let console = self.console();
            if let Some(found) = console.get(from..).and_then(&find) {
                return Ok(found);
            }
            let tail: String = console.lines().rev().take(12).collect::<Vec<_>>().join("\n");
            if self.qemu.try_wait().map_err(|e| e.to_string())?.is_some() {
                return Err(format!("QEMU ended while {what} was awaited; last lines first:\n{tail}"));
            }
            if Instant::now() > end {
                return Err(format!("{what} never came; the console, last lines first:\n{tail}"));
            }
            thread::sleep(PAUSE);
        }
    }

    /// Runs a command of QEMU's monitor protocol; null stands for no arguments.
    pub(crate) fn run(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let mut request = json!({ "execute": command });
        if !arguments.is_null() {
            request["arguments"] = arguments;
        }
        let line = format!("{request}\n");
        self.monitor.get_mut().write_all(line.as_bytes()).map_err(|e| format!("{command}: {e}"))?;
        loop {
            let mut answer = self.object()?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                return Err(format!("{command}: {error}"));
            }
        }
    }

    /// Runs a command for people, which says something only when it fails.
    pub(crate) fn human(&mut self, line: &str) -> Result<()> {
        let said = self.run("human-monitor-command", json!({ "command-line": line }))?;
        match said.as_str().map(str::trim) {
            Some("") => Ok(()),
            _ => Err(format!("{line}: {said}")),
        }
    }

    /// The run state, in QEMU's words.
    pub(crate) fn status(&mut self) -> Result<String> {
        let answer = self.run("query-status", Value::Null)?;
        answer["status"].as_str().map(str::to_owned).ok_or_else(|| "query-status names no status".to_owned())
    }

    /// Waits for a run state.
    pub(crate) fn wait_status(&mut self, wanted: &str) -> Result<()> {
        let end = Instant::now() + QUICK;
        loop {
            let status = self.status()?;
            if status == wanted {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("the machine is {status} and never {wanted}"));
            }
            thread::sleep(PAUSE);
        }
    }

    /// Migrates into a file and leaves the machine stopped.
    pub(crate) fn migrate_to(&mut self, file: &Path) -> Result<()> {
        self.run("migrate", json!({ "uri": format!("exec:cat > {}", file.display()) }))?;
        let end = Instant::now() + QUICK;
        loop {
            let answer = self.run("query-migrate", Value::Null)?;
            match answer["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => return Err(format!("the migration failed: {answer}")),
                _ if Instant::now() > end => return Err(format!("the migration does not end: {answer}")),
                _ => thread::sleep(PAUSE),
            }
        }
    }

    /// Takes the machine's power, and waits until both processes have ended by themselves.
    pub(crate) fn quit(mut self) -> Result<()> {
        // The connection may be cut before the answer.
        let _ = self.run("quit", Value::Null);
        for (child, name) in [(&mut self.qemu, "QEMU"), (&mut self.tpm, "the TPM's process")] {
            match sh::wait_within(child, QUICK)? {
                Some(status) if status.success() => {}
                Some(status) => return Err(format!("{name} ended with {status}")),
                None => return Err(format!("{name} did not end by itself")),
            }
        }
        Ok(())
    }

    fn object(&mut self) -> Result<Value> {
        let mut line = String::new();
        match self.monitor.read_line(&mut line) {
            Ok(0) => Err("QEMU closed its monitor".to_owned()),
            Ok(_) => serde_json::from_str(&line).map_err(|e| format!("the monitor: {e}")),
            Err(e) => Err(format!("the monitor: {e}")),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        end(&mut self.qemu);
        end(&mut self.tpm);
    }
}

fn end(child: &mut Child) {
    // It has ended already, or it must.
    let _ = child.kill();
    let _ = child.wait();
}

/// QEMU, its monitor and the guest's second serial port.
fn connected(
    command: &mut Command,
    log: std::fs::File,
    dir: &Path,
) -> Result<(Child, BufReader<UnixStream>, UnixStream)> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    let mut child = child.map_err(|e| format!("cannot start QEMU: {e}"))?;
    let mut streams = Vec::new();
    let deadline = Instant::now() + QUICK;
    while streams.len() < 2 {
        let name = if streams.is_empty() { "monitor" } else { "relay" };
        match UnixStream::connect(dir.join(name)) {
            Ok(stream) => {
                stream.set_read_timeout(Some(BOOT)).map_err(|e| e.to_string())?;
                streams.push(stream);
            }
            Err(e) if child.try_wait().map_err(|e| e.to_string())?.is_some() || Instant::now() > deadline => {
                end(&mut child);
                return Err(format!("QEMU did not start ({e}): {}", text(&dir.join("qemu.log"))));
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
    match <[UnixStream; 2]>::try_from(streams) {
        Ok([monitor, relay]) => Ok((child, BufReader::new(monitor), relay)),
        Err(_) => Err("two sockets were wanted".to_owned()),
    }
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// The way of a command through the guest: its second serial port, its shell, its kernel's driver, and back.
pub(crate) struct Wire(BufReader<UnixStream>);

impl Wire {
    /// Says a line and gives the one that answers it.
    pub(crate) fn say(&mut self, line: &str) -> Result<String> {
        self.send(line)?;
        self.hear()
    }

    /// Says a line.
    pub(crate) fn send(&mut self, line: &str) -> Result<()> {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).map_err(|e| format!("the guest: {e}"))
    }

    /// The next line.
    pub(crate) fn hear(&mut self) -> Result<String> {
        let mut answer = String::new();
        self.0.read_line(&mut answer).map_err(|e| format!("the guest does not answer: {e}"))?;
        Ok(answer.trim().to_owned())
    }
}

impl Transport for Wire {
    type Error = String;

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>> {
        let line: String = command.iter().map(|octet| format!("\\x{octet:02x}")).collect();
        let answer = self.say(&line)?;
        let octet = |at: usize| answer.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let octets: Option<Vec<u8>> = (0..answer.len()).step_by(2).map(octet).collect();
        octets.filter(|octets| octets.len() >= 10).ok_or_else(|| format!("the guest answered {answer:?}"))
    }
}
