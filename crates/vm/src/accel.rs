//! KVM or TCG. A `/dev/kvm` that opens proves little: nested and paravirtual hosts have one that lacks System Management
//! Mode or cannot run firmware at all. So QEMU itself is asked, for two seconds, with the firmware a VM would have.
use crate::{
    config::Accelerator,
    error::{Error, Result},
    files::replace_file,
    firmware, qemu,
    qmp::Qmp,
    rundir::private_dir,
};
use serde::{Deserialize, Serialize};
use sigillo_messages::{text, words};
use std::{
    fmt, fs,
    io::Read,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const DEVICE: &str = "/dev/kvm";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// How long the firmware has to run without an error.
const TRIAL: Duration = Duration::from_secs(2);

/// What runs the virtual processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// The processor, through the kernel.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

/// An accelerator and why it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which.
    pub accel: Accel,
    /// Why.
    pub reason: Reason,
}

/// Why an accelerator was taken. It is kept while the VM runs, and put into words when it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The configuration asks for it.
    Configuration,
    /// KVM ran the firmware in a trial.
    Trial,
    /// KVM cannot be had, and why.
    NoKvm(String),
    /// It ran the guest that is resumed.
    Suspended,
    /// Nobody could say it.
    Unknown,
    /// libvirt started the domain without being asked by sigillo.
    Libvirt,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::Configuration => text!("accel-configuration"),
            Self::Trial => text!("accel-trial"),
            Self::NoKvm(why) => text!("accel-no-kvm", why),
            Self::Suspended => text!("accel-suspended"),
            Self::Unknown => text!("accel-unknown"),
            Self::Libvirt => text!("accel-libvirt"),
        })
    }
}

/// The result of a trial, good until the host is started again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    boot_id: String,
    /// Why not; `None` when KVM does.
    fault: Option<Fault>,
}

/// What a trial of KVM ended with.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Fault {
    /// The firmware stopped, in a run state of QEMU's.
    Stopped(String),
    /// QEMU ended, with these words.
    Said(String),
}

impl Fault {
    fn in_words(&self) -> String {
        match self {
            Self::Stopped(status) => text!("kvm-firmware-stopped", status),
            Self::Said(said) => said.clone(),
        }
    }
}

impl Accel {
    /// As QEMU and listings call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    pub(crate) fn qemu_accel(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg,thread=multi",
        }
    }

    pub(crate) fn qemu_cpu(self) -> &'static str {
        match self {
            Self::Kvm => "host",
            Self::Tcg => "max",
        }
    }
}

/// Chooses as the configuration asks. `name` is the VM's, for the error.
pub(crate) fn choose(wanted: Accelerator, name: &str) -> Result<Choice> {
    if wanted == Accelerator::Tcg {
        return Ok(Choice { accel: Accel::Tcg, reason: Reason::Configuration });
    }
    match (fault()?, wanted) {
        (None, _) => Ok(Choice { accel: Accel::Kvm, reason: Reason::Trial }),
        (Some(why), Accelerator::Kvm) => Err(Error::NoKvm { name: name.to_owned(), why }),
        (Some(why), _) => Ok(Choice { accel: Accel::Tcg, reason: Reason::NoKvm(why) }),
    }
}

/// Why KVM cannot be used here, if it cannot.
pub(crate) fn fault() -> Result<Option<String>> {
    if let Err(e) = fs::OpenOptions::new().read(true).write(true).open(DEVICE) {
        return Ok(Some(format!("{DEVICE}: {e}")));
    }
    let dir = private_dir()?;
    let cache = dir.join("kvm-trial.json");
    let boot_id =
        fs::read_to_string(BOOT_ID).map_err(|e| Error::io(words!("do-read"), Path::new(BOOT_ID), e))?;
    let known = fs::read(&cache).ok().and_then(|text| serde_json::from_slice::<Verdict>(&text).ok());
    if let Some(verdict) = known.filter(|v| v.boot_id == boot_id) {
        return Ok(verdict.fault.as_ref().map(Fault::in_words));
    }
    let fault = trial(&dir)?;
    let verdict = Verdict { boot_id, fault };
    let text = serde_json::to_vec(&verdict).map_err(|e| Error::io(words!("do-write"), &cache, e.into()))?;
    replace_file(&cache, &text, 0o600)?;
    Ok(verdict.fault.as_ref().map(Fault::in_words))
}

/// Runs the Secure Boot firmware under KVM for a moment.
fn trial(dir: &Path) -> Result<Option<Fault>> {
    let socket = dir.join(format!("trial-{}.sock", std::process::id()));
    let mut command = Command::new(qemu::QEMU);
    command.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-machine",
        "q35,smm=on",
        "-m",
        "128M",
    ]);
    command.args(["-accel", Accel::Kvm.qemu_accel(), "-cpu", Accel::Kvm.qemu_cpu()]);
    let mut monitor = std::ffi::OsString::from("unix:");
    monitor.push(qemu::escaped(&socket));
    monitor.push(",server=on,wait=off");
    command.arg("-qmp").arg(monitor);
    if let Ok(code) = firmware::code(true) {
        let mut drive = std::ffi::OsString::from("if=pflash,format=raw,unit=0,readonly=on,file=");
        drive.push(qemu::escaped(&code));
        command.arg("-drive").arg(drive);
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|e| Error::io(words!("do-run"), Path::new(qemu::QEMU), e))?;
    let end = Instant::now() + TRIAL;
    let mut fault = None;
    let mut ended = false;
    while Instant::now() < end && !ended && fault.is_none() {
        std::thread::sleep(Duration::from_millis(100));
        ended = matches!(child.try_wait(), Ok(Some(_)));
        let status = Qmp::connect(&socket, Duration::from_millis(500)).and_then(|mut qmp| qmp.status());
        fault = status.ok().filter(|s| s != "running").map(Fault::Stopped);
    }
    // It may have ended by itself; either way it has to be gone before the verdict.
    let _ = child.kill();
    let _ = child.wait();
    let _ = fs::remove_file(&socket);
    if ended {
        let mut said = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            let _ = stderr.take(16 * 1024).read_to_end(&mut said);
        }
        // The first line is the cause; what follows is how QEMU fell over it.
        let said = qemu::last_words(said.split(|byte| *byte == b'\n').next().unwrap_or_default());
        let said = said.trim_start_matches("qemu-system-x86_64:").trim_start_matches(" error:").trim();
        fault = Some(Fault::Said(said.to_owned()));
    }
    Ok(fault)
}
