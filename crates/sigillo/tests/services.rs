//! The systemd units in contrib/systemd: well-formed, hardened, and doing what they say. Needs Debian's `ovmf`, `qemu-system-x86`, `systemd`, `socat`
//! and `libvirt-daemon-system`.
mod exit;
mod place;

use place::Place;
use serde_json::Value;
use std::{
    fs,
    os::unix::{net::UnixDatagram, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Nothing takes longer on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/systemd")
}

/// Runs a program that must be there.
fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap_or_else(|e| {
        panic!("{command:?}: {e}; `cargo xtask test` installs what the tests need");
    });
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn the_units_are_well_formed_and_expose_little() {
    let dir = tempfile::tempdir().unwrap();
    // In tenths: what QEMU needs costs the VM its points, above all code that it makes and a network.
    for (unit, exposure) in [("vm", "25"), ("tpm", "10")] {
        let text = fs::read_to_string(units().join(format!("sigillo-{unit}@.service"))).unwrap();
        let here = text.replace("/usr/bin/sigillo", env!("CARGO_BIN_EXE_sigillo"));
        fs::write(dir.path().join(format!("sigillo-{unit}@.service")), here).unwrap();
        let instance = dir.path().join(format!("sigillo-{unit}@demo.service"));
        let verified = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&instance));
        assert_eq!(verified, (true, String::new()), "{unit}");
        let threshold = format!("--threshold={exposure}");
        let (ok, said) = run(Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", &threshold])
            .arg(units().join(format!("sigillo-{unit}@.service"))));
        assert!(ok, "{unit}: {said}");
    }
}

/// The words of a line of a unit, with what systemd puts in place of its specifiers.
fn words(unit: &str, line: &str, with: &[(&str, &str)]) -> Vec<String> {
    let text = fs::read_to_string(units().join(unit)).unwrap().replace("\\\n", " ");
    let value = text.lines().find_map(|one| one.strip_prefix(&format!("{line}="))).unwrap();
    let mut value = value.trim_start_matches('-').to_owned();
    for (word, place) in with {
        assert!(value.contains(word), "{line}: {word}");
        value = value.replace(word, place);
    }
    assert!(!value.contains('%'), "{value}");
    let mut words: Vec<String> = value.split_whitespace().map(str::to_owned).collect();
    assert_eq!(words.remove(0), "/usr/bin/sigillo");
    words
}

/// A command of a unit as its service manager starts it: without capabilities where there are any to lose, and with somebody to tell.
struct Service {
    child: Child,
    manager: UnixDatagram,
}

impl Service {
    fn start(place: &Place, args: &[String]) -> Self {
        let socket = place.dir.path().join("notify");
        let _ = fs::remove_file(&socket);
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let root = rustix::process::geteuid().is_root();
        let mut command = Command::new(if root { "setpriv" } else { env!("CARGO_BIN_EXE_sigillo") });
        if root {
            command.args(["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]);
            command.arg(env!("CARGO_BIN_EXE_sigillo"));
        }
        let child = command
            .args(args)
            .env("SIGILLO_HOME", place.dir.path().join("vms"))
            .env("SIGILLO_KEYCHAIN_DIR", place.kept())
            .env("SIGILLO_CONFIG", place.dir.path().join("host.toml"))
            .env("XDG_RUNTIME_DIR", place.dir.path())
            .env("NOTIFY_SOCKET", &socket)
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        Self { child, manager }
    }

    fn ready(&mut self) {
        let start = Instant::now();
        let mut said = [0; 64];
        loop {
            if let Ok(len) = self.manager.recv(&mut said) {
                assert_eq!(&said[..len], b"READY=1");
                return;
            }
            assert_eq!(self.child.try_wait().unwrap(), None, "it ended before it was ready");
            assert!(start.elapsed() < PATIENCE);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        if self.child.try_wait().unwrap().is_none() {
            let group = rustix::process::Pid::from_child(&self.child);
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// The line of docs/cli.md for a command.
fn keys(command: &str) -> Vec<String> {
    let page = exit::page();
    let row = page.lines().find_map(|line| line.strip_prefix(&format!("| `{command}` | "))).unwrap();
    let words = row.split_whitespace().filter(|word| word.starts_with('`') && word.ends_with('`'));
    let mut keys: Vec<String> = words.map(|word| word.trim_matches('`').to_owned()).collect();
    keys.sort();
    keys
}

#[test]
fn the_lines_of_the_vms_unit_start_a_vm_and_shut_it_down_and_a_running_vms_verbs_speak_json() {
    let place = Place::empty();
    place.ok(&["vm", "create", "demo", "--accel", "tcg", "--memory", "256", "--network", "none"]);
    place.ok(&["tpm", "add", "demo", "--no-recovery-code"]);
    let unit = "sigillo-vm@.service";
    let start = words(unit, "ExecStart", &[("%I", "demo")]);
    // The guest is firmware alone, which no power button ends: it gets a second.
    let stop = words(unit, "ExecStop", &[("%I", "demo"), ("--timeout 90", "--timeout 1")]);
    let status = || place.json(&["vm", "info", "demo", "--json"])["status"].clone();

    let mut service = Service::start(&place, &start);
    service.ready();
    assert_eq!(status(), "running");
    let said = |command: &str, args: &[&str]| -> Value {
        let value = place.json(&[args, &["--json"]].concat());
        let documented = keys(command);
        let printed: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let required = documented.iter().filter(|key| !key.ends_with('?'));
        assert!(required.clone().all(|key| printed.contains(&key.as_str())), "{command}: {value}");
        let known = |key: &&&str| documented.iter().any(|one| one.trim_end_matches('?') == **key);
        assert_eq!(printed.iter().filter(known).count(), printed.len(), "{command}: {value}");
        value
    };
    assert_eq!(said("vm pause", &["vm", "pause", "demo"])["status"], "paused");
    assert_eq!(said("vm unpause", &["vm", "unpause", "demo"])["status"], "running");
    // Suspended from outside, the service has ended in good order.
    assert_eq!(said("vm suspend", &["vm", "suspend", "demo"])["status"], "suspended");
    assert!(service.child.wait().unwrap().success());

    // It goes on by the same line.
    let mut service = Service::start(&place, &start);
    service.ready();
    assert_eq!(status(), "running");
    let stop: Vec<&str> = stop.iter().map(String::as_str).collect();
    place.ok(&stop);
    assert!(service.child.wait().unwrap().success());
    assert_eq!(status(), "stopped");
    // Which a service manager may run after the guest has shut down by itself.
    assert_eq!(place.ends(&stop).0, exit::status("SIG_ERR_VM_NOT_RUNNING").unwrap());

    assert_eq!(said("vm start", &["vm", "start", "demo"])["status"], "running");
    said("vm suspend", &["vm", "suspend", "demo"]);
    let discarded = said("vm resume --discard", &["vm", "resume", "demo", "--discard", "--yes"]);
    assert_eq!((&discarded["status"], &discarded["discarded"]), (&"stopped".into(), &true.into()));
    said("vm start", &["vm", "start", "demo"]);
    assert_eq!(said("vm stop", &["vm", "stop", "demo", "--force"])["how"], "ended");
}

#[test]
fn the_line_of_the_tpms_unit_serves_a_tpm_sealed_under_its_credential() {
    let place = Place::empty();
    let dir = place.dir.path();
    let text = |path: &Path| path.display().to_string();
    for new in ["state/sigillo-tpm/other", "run/sigillo-tpm/other", "credentials"] {
        fs::create_dir_all(dir.join(new)).unwrap();
    }
    fs::write(dir.join("credentials/sigillo-tpm"), [7; 32]).unwrap();
    let (state, run, credentials) = (dir.join("state"), dir.join("run"), dir.join("credentials"));
    let with: &[(&str, &str)] =
        &[("%S", &text(&state)), ("%t", &text(&run)), ("%d", &text(&credentials)), ("%i", "other")];
    let mut service = Service::start(&place, &words("sigillo-tpm@.service", "ExecStart", with));
    service.ready();
    let mut socket = std::os::unix::net::UnixStream::connect(run.join("sigillo-tpm/other/ctrl")).unwrap();
    use std::io::{Read, Write};
    // GET_CAPABILITY.
    socket.write_all(&[0, 0, 0, 1]).unwrap();
    let mut reply = [0; 8];
    socket.read_exact(&mut reply).unwrap();
    assert_eq!(reply, [0, 0, 0, 0, 0, 1, 0xff, 0xff]);
    drop(socket);
    let pid = rustix::process::Pid::from_child(&service.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(service.child.wait().unwrap().success());
    let store = sigillo_store::Store::peek(&state.join("sigillo-tpm/other/tpm2-00.sigillo")).unwrap();
    assert!(!store.is_unencrypted());
}

/// The cgroups of a systemd that ended, from the innermost.
fn remove_cgroup(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        remove_cgroup(&entry.path());
    }
    let _ = fs::remove_dir(path);
}

/// A cgroup for it, or nothing where this process may make none.
fn cgroup(name: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let place = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let path = fields.next()?;
        (fields.next()? == "cgroup2").then(|| PathBuf::from(path))
    })?;
    let path = place.join(format!("sigillo-{name}-{}", std::process::id()));
    fs::create_dir(&path).ok()?;
    Some(path)
}

/// What a job said that was done under a systemd of its own, with a file of ours in /mnt; or nothing where the system gives it none.
#[allow(clippy::print_stderr, reason = "who runs the tests should know what was not tried")]
fn under_a_systemd(job: &str, name: &str, file: Option<&Path>) -> Option<String> {
    let boxed = tempfile::tempdir().unwrap();
    for new in ["root", "out"] {
        fs::create_dir(boxed.path().join(new)).unwrap();
    }
    fs::write(boxed.path().join("root.sh"), include_str!("services/root.sh")).unwrap();
    fs::write(boxed.path().join("job.sh"), job).unwrap();
    if let Some(file) = file {
        fs::copy(file, boxed.path().join("out").join(file.file_name().unwrap())).unwrap();
    }
    let without = |why: &str| {
        eprintln!("without a systemd of its own: {why}");
        None
    };
    let Some(cgroup) = cgroup(name) else { return without("no cgroup can be made here") };
    let script = "echo $$ > \"$0/cgroup.procs\" && exec unshare --fork --kill-child --pid --mount --uts --ipc --cgroup sh \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(&cgroup)
        .arg(boxed.path().join("root.sh"))
        .arg(boxed.path())
        .arg(env!("CARGO_BIN_EXE_sigillo"))
        .arg(units())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    remove_cgroup(&cgroup);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(77) || words.contains("unshare:") {
        return without(words.trim());
    }
    let said = fs::read_to_string(boxed.path().join("out/said")).unwrap_or_else(|e| panic!("{e}: {words}"));
    Some(format!("{said}\n{words}"))
}

#[test]
fn under_a_systemd_of_its_own_the_units_start_confine_and_stop_what_they_are_for() {
    let Some(said) = under_a_systemd(include_str!("services/job.sh"), "units", None) else { return };
    let has = |line: &str| assert!(said.lines().any(|one| one == line), "{line:?} in\n{said}");
    let none = "0000000000000000";
    for line in [
        "vm start: 0 active",
        &format!("process: {none} {none} 1 2"),
        "worker: 0 0",
        "vm stop: 0 inactive success",
        "vm resume: 0 active",
        "vm nobody: 1 3",
        "vm without record: 1",
        "SIG_ERR_TPM_RECORD_MISSING",
        "tpm start: 0 active",
        &format!("tpm: {none} {none} 1 2"),
        "tpm socket: 660 kvm",
        "tpm says: 00 00 00 00 00 01 ff ff",
        "tpm interfaces: 1",
        "tpm again: 0 00 00 00 00 00 01 ff ff",
        "tpm stop: 0 inactive",
        "tpm without key: 1",
        "end",
    ] {
        has(line);
    }
    // The program that waits, the TPM's process, the serial log's and QEMU.
    assert_eq!(said.lines().filter(|line| line.starts_with("process: ")).count(), 4, "{said}");
    assert!(
        said.lines().filter(|line| line.starts_with("process: ")).all(|line| line.ends_with(" 1 2")),
        "{said}"
    );
    assert!(!said.contains("a TPM without a key") && !said.contains("no sigillo-"), "{said}");
    let killed = said.lines().find_map(|line| line.strip_prefix("killed: ")).unwrap();
    assert!(killed.contains("\"stopped\"") && killed.ends_with(" 0"), "{said}");
}

#[test]
fn under_a_systemd_of_its_own_and_a_libvirt_the_units_drop_in_lets_a_domain_start_and_stop() {
    assert!(run(Command::new("libvirtd").arg("--version")).0);
    let drop_in = units().join("sigillo-vm-libvirt.conf");
    let job = include_str!("services/libvirt.sh");
    let Some(said) = under_a_systemd(job, "libvirt", Some(&drop_in)) else { return };
    for line in [
        "libvirtd: 0",
        "without drop-in: 1",
        "SIG_ERR_IO",
        "vm start: 0 active running",
        // CAP_CHOWN alone.
        "process: 0000000000000001 1 2",
        "disk: libvirt-qemu 600",
        "vm stop: 0 inactive success shut off",
        "disk: root 600",
        "again: 0 running",
        "vm suspend: shut off success",
        "vm resume: 0 running",
        "killed: running",
        "suspended after that: 0 0",
        "resumed after that: 0 running",
        "ended by libvirt: success",
        "end",
    ] {
        assert!(said.lines().any(|one| one == line), "{line:?} in\n{said}");
    }
    let refused = format!("while it runs: 1 {} running", exit::status("SIG_ERR_VM_RUNNING").unwrap());
    assert!(said.lines().any(|one| one == refused), "{refused:?} in\n{said}");
    let processes = said.lines().filter(|line| line.starts_with("process: ")).count();
    assert_eq!(processes, 2, "the program that waits and the TPM's: {said}");
    let left = said.lines().find(|line| line.ends_with(" sigillo") || line.contains("qemu-system"));
    assert_eq!(left, None, "{said}");
}
