//! The directory of a running VM: sockets, logs, and who runs. Unix socket paths have 107 bytes, so a bundle that lies deep
//! has it elsewhere, in a private directory.
use crate::{
    accel::Reason,
    bundle::Bundle,
    config::Config,
    error::{Error, Result},
    files::{is_own_dir, make_dirs, open_plain, read_plain, remove, replace_file},
    libvirt::{self, Libvirt},
    process::Process,
    qmp::Qmp,
    serial_log,
    start::WORKER_END,
};
use rustix::process::{Flock, FlockOffsetType, FlockType};
use serde::{Deserialize, Serialize};
use sigillo_messages::{text, words};
use std::{
    fs::Permissions,
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// The longest path a Unix socket can have on Linux (unix(7): 108 bytes with the final zero).
const SOCKET_PATH_BYTES: usize = 107;
/// The longest file name used in a run directory.
const LONGEST_NAME: usize = "monitor.sock".len();
const STATE: &str = "state.json";

/// What a VM is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Off.
    Stopped,
    /// Off, and its guest saved: the next start goes on from there.
    Suspended,
    /// QEMU runs the guest.
    Running,
    /// QEMU is there and the guest is held.
    Paused,
    /// QEMU is there and could not go on.
    Failed,
}

impl Status {
    /// No process of the VM is left.
    #[must_use]
    pub fn is_off(self) -> bool {
        matches!(self, Self::Stopped | Self::Suspended)
    }

    /// As listings print it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Suspended => "suspended",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Failed => "failed",
        }
    }
}

/// Who runs a VM; kept in its run directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// QEMU, where it is ours; libvirt's is not named.
    pub qemu: Option<Process>,
    /// The TPM's process, if the VM has a TPM.
    pub worker: Option<Process>,
    /// The process that writes the serial log, where it is ours; libvirt has one of its own.
    #[serde(default)]
    pub serial_log: Option<Process>,
    /// `kvm` or `tcg`.
    pub accel: String,
    /// Why that one.
    pub accel_reason: Reason,
}

impl RunState {
    /// Waits for the processes beside a QEMU that has ended; they end by themselves.
    pub(crate) fn end_workers(&self) {
        for process in [self.worker, self.serial_log].into_iter().flatten() {
            process.end(WORKER_END);
        }
    }
}

/// What a VM runs as.
enum Runner {
    /// A process of ours.
    Qemu(RunState),
    /// A domain, and what it does.
    Libvirt(Libvirt, Status, RunState),
}

/// Who a verb has to speak to.
pub(crate) enum RunBy {
    /// QEMU, a process of ours that lives.
    Qemu(RunState),
    /// The libvirt that runs the VM, or that is to run it.
    Libvirt(Libvirt),
    /// Nobody: it is off, and would be a process of ours.
    Nobody,
}

/// A VM's run directory.
#[derive(Clone, Debug)]
pub(crate) struct RunDir(PathBuf);

impl RunDir {
    pub(crate) fn monitor(&self) -> PathBuf {
        self.0.join("monitor.sock")
    }
    pub(crate) fn console(&self) -> PathBuf {
        self.0.join("console.sock")
    }
    pub(crate) fn tpm_socket(&self) -> PathBuf {
        self.0.join("tpm.sock")
    }
    pub(crate) fn tpm_log(&self) -> PathBuf {
        self.0.join("tpm.log")
    }
    pub(crate) fn serial_log(&self) -> PathBuf {
        self.0.join(serial_log::NAME)
    }
    pub(crate) fn qemu_log(&self) -> PathBuf {
        self.0.join("qemu.log")
    }
    pub(crate) fn qemu_pid(&self) -> PathBuf {
        self.0.join("qemu.pid")
    }

    pub(crate) fn display_socket(&self) -> PathBuf {
        self.0.join("display.sock")
    }
    pub(crate) fn display_password(&self) -> PathBuf {
        self.0.join("display.key")
    }
    /// Where a viewer finds the screen, in words.
    pub(crate) fn display_note(&self) -> PathBuf {
        self.0.join("display.txt")
    }
    /// The machine as it was started, which may be another one than `vm.toml` says by now.
    pub(crate) fn started_as(&self) -> PathBuf {
        self.0.join("vm.toml")
    }

    /// What libvirt is told of the VM, for a moment.
    pub(crate) fn domain(&self) -> PathBuf {
        self.0.join("domain.xml")
    }
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write_state(&self, state: &RunState) -> Result<()> {
        let path = self.0.join(STATE);
        let text = serde_json::to_vec(state).map_err(|e| Error::io(words!("do-write"), &path, e.into()))?;
        replace_file(&path, &text, 0o600)
    }

    /// What only means something while the VM runs.
    pub(crate) fn of_a_run(&self) -> [PathBuf; 9] {
        [
            self.0.join(STATE),
            self.monitor(),
            self.console(),
            self.tpm_socket(),
            self.qemu_pid(),
            self.display_socket(),
            self.display_password(),
            self.display_note(),
            self.domain(),
        ]
    }

    /// Removes what only means something while the VM runs; logs stay.
    pub(crate) fn clear(&self) -> Result<()> {
        self.of_a_run().iter().try_for_each(|path| remove(path))
    }

    /// QEMU without a state file: whoever started it was killed before it could write one. QEMU holds a lock on its pid file
    /// as long as it lives.
    fn unregistered(&self) -> Option<RunState> {
        let file = open_plain(&self.qemu_pid()).ok()?;
        let wanted = Flock {
            start: 0,
            length: 0,
            pid: None,
            typ: FlockType::WriteLock,
            offset_type: FlockOffsetType::Set,
        };
        let holder = rustix::process::fcntl_getlk(&file, &wanted).ok()??.pid?;
        Some(RunState {
            qemu: Some(Process::of(holder.as_raw_pid())?),
            worker: None,
            serial_log: None,
            accel: "unknown".to_owned(),
            accel_reason: Reason::Unknown,
        })
    }

    pub(crate) fn state(&self) -> Option<RunState> {
        serde_json::from_slice(&read_plain(&self.0.join(STATE), 64 * 1024).ok()?).ok()
    }
}

impl Bundle {
    /// The VM's run directory; made when `make`. What is in it decides which processes are ended and which files QEMU
    /// writes, so one that others could have filled is refused.
    pub(crate) fn run_dir(&self, make: bool) -> Result<RunDir> {
        let inside = self.path().join("run");
        let path = if fits(&inside) {
            inside
        } else {
            let path = private_dir()?.join(self.config().uuid.to_string());
            if !fits(&path) {
                return Err(Error::RunDirectory(text!("run-path-too-long", path = path.display())));
            }
            path
        };
        if make {
            make_dirs(&path, 0o700)?;
        }
        match is_own_dir(&path) {
            Ok(true) => {}
            Ok(false) => {
                let why = text!("dir-not-own", path = path.display());
                return Err(Error::RunDirectory(why));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound && !make => {}
            Err(e) => return Err(Error::io(words!("do-look-at"), &path, e)),
        }
        if make {
            std::fs::set_permissions(&path, Permissions::from_mode(0o700))
                .map_err(|e| Error::io(words!("do-protect"), &path, e))?;
        }
        Ok(RunDir(path))
    }

    /// Who runs the VM, if it runs.
    ///
    /// # Errors
    /// When there is no place for a run directory; libvirt does not answer, and the host's processes cannot be seen.
    pub fn run_state(&self) -> Result<Option<RunState>> {
        Ok(self.runner()?.map(|runner| match runner {
            Runner::Qemu(state) | Runner::Libvirt(_, _, state) => state,
        }))
    }

    /// Who runs the VM, or is to run it.
    pub(crate) fn run_by(&self) -> Result<RunBy> {
        Ok(match self.runner()? {
            Some(Runner::Qemu(state)) => RunBy::Qemu(state),
            Some(Runner::Libvirt(libvirt, ..)) => RunBy::Libvirt(libvirt),
            None => Libvirt::of(self.config()).map_or(RunBy::Nobody, RunBy::Libvirt),
        })
    }

    /// What counts is who was started, and not what `vm.toml` says by now.
    fn runner(&self) -> Result<Option<Runner>> {
        let run = self.run_dir(false)?;
        let state = run.state();
        let alive = |state: &RunState| state.qemu.is_some_and(Process::is_alive);
        if let Some(state) = state.clone().filter(alive).or_else(|| run.unregistered()) {
            return Ok(Some(Runner::Qemu(state)));
        }
        let state = state.filter(|state| state.qemu.is_none());
        // The TPM's process ends when its guest does.
        let ended = |state: &RunState| state.worker.is_some_and(|worker| !worker.is_alive());
        let started = match &state {
            Some(state) if !ended(state) => Config::read(&run.started_as()).ok(),
            Some(_) | None => None,
        };
        let was = started.as_ref().and_then(Libvirt::of);
        let is = Libvirt::of(self.config());
        let same = |one: &Libvirt| was.as_ref().is_some_and(|other| one.uri() == other.uri());
        for libvirt in was.clone().into_iter().chain(is.filter(|is| !same(is))) {
            let domain = libvirt.domain_or_qemu()?;
            if let Some(status) = domain.status() {
                let unknown = || RunState {
                    qemu: None,
                    worker: None,
                    serial_log: None,
                    accel: "unknown".to_owned(),
                    accel_reason: Reason::Libvirt,
                };
                return Ok(Some(Runner::Libvirt(libvirt, status, state.unwrap_or_else(unknown))));
            }
        }
        Ok(None)
    }

    /// Why what is said of the VM is by its processes alone: libvirt is to know it, and does not answer.
    #[must_use]
    pub fn unanswered(&self) -> Option<Error> {
        match self.run_by().ok()? {
            RunBy::Libvirt(libvirt) => libvirt.domain().err(),
            RunBy::Qemu(_) | RunBy::Nobody => None,
        }
    }

    /// What the VM is doing: by its processes and, when they live, by what QEMU says.
    ///
    /// # Errors
    /// When there is no place for a run directory; libvirt does not answer, and the host's processes cannot be seen.
    pub fn status(&self) -> Result<Status> {
        match self.runner()? {
            Some(Runner::Libvirt(_, status, _)) => return Ok(status),
            Some(Runner::Qemu(_)) => {}
            None if self.is_suspended() || libvirt::is_saved(self) => return Ok(Status::Suspended),
            None => return Ok(Status::Stopped),
        }
        // A monitor that is busy with another client says nothing; the process lives all the same.
        let said = Qmp::connect(&self.run_dir(false)?.monitor(), Duration::from_millis(500))
            .and_then(|mut qmp| qmp.status());
        Ok(match said.as_deref() {
            Ok(
                "paused" | "prelaunch" | "suspended" | "save-vm" | "restore-vm" | "postmigrate" | "inmigrate",
            ) => Status::Paused,
            Ok("internal-error" | "io-error" | "guest-panicked") => Status::Failed,
            Ok(_) | Err(_) => Status::Running,
        })
    }

    /// Clears the run directory of a VM that has ended, unless somebody is starting it anew.
    pub(crate) fn tidy_up(&self) -> Result<()> {
        match self.lock() {
            Ok(_lock) if self.run_state()?.is_none() => self.run_dir(false)?.clear(),
            Ok(_) | Err(Error::Busy { .. }) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Where the guest's serial console is logged.
    ///
    /// # Errors
    /// When there is no place for a run directory.
    pub fn serial_log(&self) -> Result<PathBuf> {
        Ok(self.run_dir(false)?.serial_log())
    }
}

/// Whether the sockets of a run directory have a path that can be.
fn fits(dir: &Path) -> bool {
    dir.as_os_str().len() + 1 + LONGEST_NAME <= SOCKET_PATH_BYTES
}

/// A directory nobody else can enter, for this user's sockets. Refuses one that is somebody else's or open to others.
pub(crate) fn private_dir() -> Result<PathBuf> {
    private_dir_in(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from))
}

/// `runtime` is taken where it is this user's own: after `sudo` or `su` it may be another's, who could put what they like
/// in its place at any time.
fn private_dir_in(runtime: Option<PathBuf>) -> Result<PathBuf> {
    let uid = rustix::process::geteuid();
    let base = match runtime.filter(|dir| is_own_dir(dir).unwrap_or(false)) {
        Some(dir) => dir.join("sigillo"),
        None if uid.is_root() => PathBuf::from("/run/sigillo"),
        None => PathBuf::from(format!("/tmp/sigillo-{}", uid.as_raw())),
    };
    make_dirs(&base, 0o700)?;
    let found = std::fs::symlink_metadata(&base).map_err(|e| Error::io(words!("do-look-at"), &base, e))?;
    if found.is_dir() && found.uid() == uid.as_raw() && found.mode().trailing_zeros() >= 6 {
        Ok(base)
    } else {
        Err(Error::RunDirectory(text!("dir-not-private", path = base.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_directory_that_others_can_write_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = dir.path().join("runtime");
        std::fs::create_dir(&runtime).unwrap();
        std::fs::set_permissions(&runtime, Permissions::from_mode(0o700)).unwrap();
        assert_eq!(private_dir_in(Some(runtime.clone())).unwrap(), runtime.join("sigillo"));
        std::fs::set_permissions(&runtime, Permissions::from_mode(0o777)).unwrap();
        assert!(!private_dir_in(Some(runtime.clone())).unwrap().starts_with(&runtime));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&runtime, &link).unwrap();
        assert!(!private_dir_in(Some(link.clone())).unwrap().starts_with(&link));
    }
}
