//! QEMU's command line for a bundle.
#[cfg(test)]
mod accepted;
mod devices;

pub(crate) use devices::BootOrder;

use crate::{
    accel::Choice,
    bundle::{Bundle, VARS},
    config::Firmware,
    error::Result,
    firmware,
    rundir::RunDir,
};
use sigillo_messages::text;
use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

/// The hypervisor.
pub(crate) const QEMU: &str = "qemu-system-x86_64";

/// What QEMU gives up: a guest that breaks out of it starts no program and gains no privilege.
const SANDBOX: &str = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/// QEMU's number for what the serial log is written into.
const LOG_SET: u32 = 1;

/// Where the guest's first serial port goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serial {
    /// Into the run directory's log, and to whoever connects to its socket.
    Socket,
    /// To this terminal, and into the log.
    Terminal,
}

/// All arguments but the program's name, and [`log_into`].
pub(crate) fn arguments(
    bundle: &Bundle,
    run: &RunDir,
    accel: &Choice,
    serial: Serial,
) -> Result<Vec<OsString>> {
    let config = bundle.config();
    let mut args = Args::default();
    let smm = config.secure_boot;
    args.flag("-nodefaults").flag("-no-user-config");
    args.pair("-sandbox", SANDBOX);
    args.pair("-name", format!("{},process=sigillo:{}", config.name, config.name.replace(' ', "_")));
    args.pair("-uuid", config.uuid.to_string());
    args.pair("-machine", format!("q35,smm={}", if smm { "on" } else { "off" }));
    args.pair("-accel", accel.accel.qemu_accel()).pair("-cpu", accel.accel.qemu_cpu());
    args.pair("-smp", config.cpus.to_string()).pair("-m", format!("{}M", config.memory_mib));
    args.pair("-display", "none").pair("-device", "virtio-rng-pci");
    args.path("-qmp", "unix:", &run.monitor(), ",server=on,wait=off");
    let mut chardev = match serial {
        Serial::Terminal => OsString::from("stdio,id=serial0,mux=off,signal=off"),
        Serial::Socket => {
            let mut socket = OsString::from("socket,id=serial0,server=on,wait=off,path=");
            socket.push(escaped(&run.console()));
            socket
        }
    };
    // Added to, since QEMU would shorten what it opens otherwise, which a pipe does not take.
    chardev.push(format!(",logfile=/dev/fdset/{LOG_SET},logappend=on"));
    args.pair("-chardev", chardev);
    args.pair("-serial", "chardev:serial0");
    if config.firmware == Firmware::Uefi {
        if smm {
            // Only System Management Mode may write the variables, or the guest could enrol keys of its own.
            args.pair("-global", "driver=cfi.pflash01,property=secure,value=on");
        }
        let code = firmware::code(smm)?;
        args.path("-drive", "if=pflash,format=raw,unit=0,readonly=on,file=", &code, "");
        args.path("-drive", "if=pflash,format=raw,unit=1,file=", &bundle.path().join(VARS), "");
    }
    devices::add(&mut args, bundle, run);
    if let Some(tpm) = &config.tpm {
        args.path("-chardev", "socket,id=tpmchar0,path=", &run.tpm_socket(), "");
        args.pair("-tpmdev", "emulator,id=tpm0,chardev=tpmchar0");
        args.pair("-device", format!("tpm-{},tpmdev=tpm0", tpm.interface));
    }
    Ok(args.0)
}

/// Gives QEMU the descriptor that takes the serial log.
pub(crate) fn log_into(args: &mut Vec<OsString>, fd: &str) {
    args.extend(["-add-fd".into(), format!("fd={fd},set={LOG_SET},opaque=serial-log").into()]);
}

#[derive(Default)]
struct Args(Vec<OsString>);

impl Args {
    fn flag(&mut self, flag: &str) -> &mut Self {
        self.0.push(flag.into());
        self
    }

    fn pair(&mut self, flag: &str, value: impl Into<OsString>) -> &mut Self {
        self.flag(flag).0.push(value.into());
        self
    }

    fn path(&mut self, flag: &str, before: impl AsRef<OsStr>, path: &Path, after: &str) -> &mut Self {
        let mut value = before.as_ref().to_owned();
        value.push(escaped(path));
        value.push(after);
        self.pair(flag, value)
    }
}

/// In a list of options a comma ends a value; two stand for one.
pub(crate) fn escaped(path: &Path) -> OsString {
    let mut bytes = Vec::with_capacity(path.as_os_str().len());
    for byte in path.as_os_str().as_bytes() {
        if *byte == b',' {
            bytes.push(b',');
        }
        bytes.push(*byte);
    }
    OsString::from_vec(bytes)
}

/// The last words of a failed program, for an error message.
pub(crate) fn last_words(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut lines: Vec<&str> = text.trim().lines().rev().take(4).collect();
    lines.reverse();
    if lines.is_empty() { text!("said-nothing") } else { lines.join("; ") }
}

/// True when `name` is found on the PATH.
pub(crate) fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsStr::new("/usr/bin:/bin").to_owned());
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_a_path_cannot_add_options() {
        assert_eq!(escaped(Path::new("/a,readonly=off/b")), "/a,,readonly=off/b");
    }

    #[test]
    fn last_words_are_few_and_never_empty() {
        assert_eq!(last_words(b""), "it said nothing");
        assert_eq!(last_words(b"1\n2\n3\n4\n5\n"), "2; 3; 4; 5");
    }
}
