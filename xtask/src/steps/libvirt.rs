//! The main job under libvirt: a real libvirtd of its own, as Debian packages it, in a mount namespace where its directories
//! are empty. QEMU runs as Debian's user `libvirt-qemu`. There is no AppArmor here, so nothing of that is tested.
use super::Context;
use crate::{
    apt,
    report::{Report, Summary},
    scenario::{self, Setup},
    sh::{self, Result, cmd},
};
use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const QUICK: Duration = Duration::from_secs(60);
/// What libvirtd writes to, besides its sockets and its pid.
const DIRECTORIES: &str = "/run/libvirt /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt \
                           /var/lib/swtpm-localca /var/log/swtpm";
const QEMU_CONF: &str = "security_driver = \"none\"\ncgroup_controllers = []\n";

/// A libvirtd with its logger, and a directory that QEMU's user can reach.
pub(crate) struct Daemon {
    libvirtd: Child,
    virtlogd: Option<Child>,
    dir: PathBuf,
}

impl Daemon {
    /// Finds `sigillo` under the name of swtpm.
    fn begin(sigillo: &Path) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("sigillo-libvirt-{}", std::process::id()));
        sh::mkdir(&dir)?;
        std::fs::set_permissions(&dir, Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
        let sockets = dir.display();
        let conf = format!(
            "unix_sock_dir = \"{sockets}\"\nunix_sock_group = \"root\"\nauth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\n"
        );
        sh::write(&dir.join("libvirtd.conf"), conf)?;
        sh::write(&dir.join("qemu.conf"), QEMU_CONF)?;
        // A copy: libvirt runs it as a user who may not reach the original.
        sh::mkdir(&dir.join("bin"))?;
        std::fs::copy(sigillo, dir.join("bin/swtpm")).map_err(|e| format!("{}: {e}", sigillo.display()))?;
        let script = format!(
            "for dir in {DIRECTORIES}; do mkdir -p $dir && mount -t tmpfs -o mode=755 tmpfs $dir || exit 1; done; \
             chown tss /var/lib/swtpm-localca && cp $1/qemu.conf /etc/libvirt/ && \
             PATH=$1/bin:$PATH exec libvirtd --config $1/libvirtd.conf --pid-file $1/libvirtd.pid"
        );
        let mut command = cmd("unshare", ["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
        let libvirtd = spawn(command.arg(&dir), &dir.join("libvirtd.log"))?;
        let mut daemon = Self { libvirtd, virtlogd: None, dir };
        daemon.wait("libvirtd", |daemon| daemon.virsh(&["uri"]).is_ok())?;
        // In the same namespace, which is the process's by now.
        let pid = daemon.libvirtd.id().to_string();
        let mut command = cmd("nsenter", ["--mount", "--target", &pid, "virtlogd", "--pid-file"]);
        let virtlogd = spawn(command.arg(daemon.dir.join("virtlogd.pid")), &daemon.dir.join("virtlogd.log"))?;
        daemon.virtlogd = Some(virtlogd);
        let socket = PathBuf::from(format!("/proc/{pid}/root/run/libvirt/virtlogd-sock"));
        daemon.wait("virtlogd", |_| socket.exists())?;
        Ok(daemon)
    }

    fn wait(&mut self, what: &str, ready: impl Fn(&Self) -> bool) -> Result<()> {
        let end = Instant::now() + QUICK;
        while !ready(self) {
            let ended = self.libvirtd.try_wait().map_err(|e| e.to_string())?.is_some();
            if ended || Instant::now() > end {
                let log = sh::read_file(&self.dir.join("libvirtd.log")).unwrap_or_default();
                return Err(format!("{what} does not come up: {}", String::from_utf8_lossy(&log)));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// The connection, as `vm.toml` names it.
    pub(crate) fn uri(&self) -> String {
        format!("qemu:///system?socket={}/libvirt-sock", self.dir.display())
    }

    /// libvirt's own program.
    pub(crate) fn virsh(&self, args: &[&str]) -> Result<String> {
        let uri = self.uri();
        let mut command = cmd("virsh", ["--connect", &uri, "--quiet"]);
        let output = sh::output_within(command.env("LC_ALL", "C").args(args), QUICK)?;
        if output.status.success() {
            Ok(output.stdout.trim().to_owned())
        } else {
            Err(output.stderr.trim().to_owned())
        }
    }

    /// Whether its logger, which bounds what it writes, has a file open.
    pub(crate) fn logs_into(&self, file: &Path) -> bool {
        let pid = self.virtlogd.as_ref().map(Child::id).unwrap_or_default();
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|path| path == file)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A guest that a failure left: libvirtd's end would not be its.
        for uuid in self.virsh(&["list", "--uuid"]).unwrap_or_default().lines() {
            let _ = self.virsh(&["destroy", uuid]);
        }
        for child in self.virtlogd.iter_mut().chain([&mut self.libvirtd]) {
            // In good order, or it leaves its helpers.
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = sh::wait_within(child, QUICK);
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn spawn(command: &mut Command, log: &Path) -> Result<Child> {
    let log = std::fs::File::create(log).map_err(|e| e.to_string())?;
    let errors = log.try_clone().map_err(|e| e.to_string())?;
    let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
    child.map_err(|e| format!("cannot run {}: {e}", command.get_program().to_string_lossy()))
}

/// A domain that somebody else made, whose TPM libvirt starts by the name of swtpm.
fn emulator(daemon: &Daemon, report: &mut Report) -> Result<bool> {
    let uuid = "a6a5e09e-3d1b-4c3c-9f0c-0e0f9a4a0009";
    let file = daemon.dir().join("emulator.xml");
    let text = format!(
        "<domain type='qemu'><name>old</name><uuid>{uuid}</uuid><memory unit='MiB'>128</memory>\
         <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><devices>\
         <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices></domain>"
    );
    sh::write(&file, text)?;
    daemon.virsh(&["define", &file.to_string_lossy()])?;
    let started = daemon.virsh(&["start", uuid]);
    let mut ok = report.succeeds("a domain with the backend emulator starts", started).is_some();
    let running = |what: &str| -> Result<bool> {
        let all = sh::read(&mut cmd("ps", ["-e", "-o", "args"]))?;
        let program = daemon.dir().join("bin/swtpm").display().to_string();
        Ok(all.lines().any(|line| line.starts_with(&program) && line.contains(what)))
    };
    ok &= report.check("its swtpm is sigillo", running(uuid)?, "");
    let saved = daemon.dir().join("old.save");
    let saved = saved.to_string_lossy();
    let back = daemon.virsh(&["save", uuid, &saved]).and_then(|_| daemon.virsh(&["restore", &saved]));
    ok &= report.succeeds("it is saved and restored", back).is_some();
    daemon.virsh(&["destroy", uuid])?;
    ok &= report.check("its TPM ends with it", !running(uuid)?, "");
    daemon.virsh(&["undefine", uuid])?;
    Ok(ok)
}

pub(crate) fn run(context: &mut Context, report: &mut Report) -> Result<()> {
    // A libvirtd in the machine's own directories would be in somebody's way, and QEMU runs as another user.
    let namespaces = sh::output(&mut cmd("unshare", ["--mount", "true"]))?.status.success();
    if !namespaces {
        return Err("this step needs root and mount namespaces; `--skip libvirt` leaves it out".to_owned());
    }
    apt::ensure(apt::GUEST)?;
    apt::ensure(apt::LIBVIRT)?;
    let sigillo = context.sigillo()?;
    let guest = context.guest()?;
    let daemon = Daemon::begin(&sigillo)?;
    let setup = Setup {
        sigillo,
        dir: daemon.dir().join("scenario"),
        name: "e2e libvirt".to_owned(),
        interface: "crb".to_owned(),
    };
    sh::mkdir(&setup.dir)?;
    let mut summary = Summary::new();
    let emulator = emulator(&daemon, report)?;
    summary.row(
        "a domain of somebody else's",
        emulator,
        "backend `emulator`: sigillo is its swtpm, manufactured by swtpm_setup",
    );
    scenario::libvirt(&setup, &daemon, guest, report, &mut summary)?;
    summary.print();
    Ok(())
}
