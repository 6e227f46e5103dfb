//! The directory of a running VM: sockets, logs, and who runs. Unix socket paths have 107 bytes, so a bundle that lies deep
//! has it elsewhere, in a private directory.
use crate::{
    bundle::{Bundle, make_dirs, replace_file},
    error::{Error, Result},
    process::Process,
    qmp::Qmp,
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::Read,
    os::unix::fs::MetadataExt,
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
        self == Self::Stopped
    }

    /// As listings print it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
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
    /// QEMU.
    pub qemu: Process,
    /// The TPM's process, if the VM has a TPM.
    pub worker: Option<Process>,
    /// `kvm` or `tcg`.
    pub accel: String,
    /// Why that one.
    pub accel_reason: String,
}

/// A VM's run directory.
#[derive(Clone, Debug)]
pub(crate) struct RunDir(PathBuf);

impl RunDir {
    pub(crate) fn monitor(&self) -> PathBuf {
        self.0.join("monitor.sock")
    }
    pub(crate) fn tpm_socket(&self) -> PathBuf {
        self.0.join("tpm.sock")
    }
    pub(crate) fn tpm_log(&self) -> PathBuf {
        self.0.join("tpm.log")
    }
    pub(crate) fn serial_log(&self) -> PathBuf {
        self.0.join("serial.log")
    }
    pub(crate) fn qemu_log(&self) -> PathBuf {
        self.0.join("qemu.log")
    }
    pub(crate) fn qemu_pid(&self) -> PathBuf {
        self.0.join("qemu.pid")
    }

    pub(crate) fn write_state(&self, state: &RunState) -> Result<()> {
        let path = self.0.join(STATE);
        let text = serde_json::to_vec(state).map_err(|e| Error::io("write", &path, e.into()))?;
        replace_file(&path, &text, 0o600)
    }

    /// Removes what only means something while the VM runs; logs stay.
    pub(crate) fn clear(&self) -> Result<()> {
        for path in [self.0.join(STATE), self.monitor(), self.tpm_socket(), self.qemu_pid()] {
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io("remove", &path, e)),
            }
        }
        Ok(())
    }

    fn state(&self) -> Option<RunState> {
        let mut text = Vec::new();
        fs::File::open(self.0.join(STATE)).ok()?.take(64 * 1024).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

impl Bundle {
    /// The VM's run directory; made when `make`.
    pub(crate) fn run_dir(&self, make: bool) -> Result<RunDir> {
        let inside = self.path().join("run");
        if inside.as_os_str().len() + 1 + LONGEST_NAME <= SOCKET_PATH_BYTES {
            if make {
                make_dirs(&inside, 0o700)?;
            }
            return Ok(RunDir(inside));
        }
        let path = private_dir()?.join(self.config().uuid.to_string());
        if path.as_os_str().len() + 1 + LONGEST_NAME > SOCKET_PATH_BYTES {
            return Err(Error::RunDirectory(format!("{} is too long as well", path.display())));
        }
        if make {
            make_dirs(&path, 0o700)?;
        }
        Ok(RunDir(path))
    }

    /// Who runs the VM, if it runs.
    ///
    /// # Errors
    /// When there is no place for a run directory.
    pub fn run_state(&self) -> Result<Option<RunState>> {
        Ok(self.run_dir(false)?.state().filter(|state| state.qemu.is_alive()))
    }

    /// What the VM is doing: by its processes and, when they live, by what QEMU says.
    ///
    /// # Errors
    /// When there is no place for a run directory.
    pub fn status(&self) -> Result<Status> {
        if self.run_state()?.is_none() {
            return Ok(Status::Stopped);
        }
        // A monitor that is busy with another client says nothing; the process lives all the same.
        let said = Qmp::connect(&self.run_dir(false)?.monitor(), Duration::from_millis(500))
            .and_then(|mut qmp| qmp.status());
        Ok(match said.as_deref() {
            Ok("paused" | "prelaunch" | "suspended" | "save-vm" | "restore-vm") => Status::Paused,
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

/// A directory nobody else can enter, for this user's sockets. Refuses one that is somebody else's or open to others.
pub(crate) fn private_dir() -> Result<PathBuf> {
    let uid = rustix::process::geteuid();
    let base = match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| Path::new(dir).is_dir()) {
        Some(dir) => PathBuf::from(dir).join("sigillo"),
        None if uid.is_root() => PathBuf::from("/run/sigillo"),
        None => PathBuf::from(format!("/tmp/sigillo-{}", uid.as_raw())),
    };
    make_dirs(&base, 0o700)?;
    let found = fs::symlink_metadata(&base).map_err(|e| Error::io("look at", &base, e))?;
    if found.is_dir() && found.uid() == uid.as_raw() && found.mode().trailing_zeros() >= 6 {
        Ok(base)
    } else {
        Err(Error::RunDirectory(format!("{} is not a directory of yours alone (0700)", base.display())))
    }
}
