//! Processes of ours, named so that a reused process id is never taken for them.
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::Path,
    time::{Duration, Instant},
};

/// More is not looked at of a command line. Bytes.
const COMMAND_LINE: u64 = 1 << 20;

/// A process id and when that process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// The process id.
    pub pid: i32,
    /// Clock ticks since the host's boot (proc(5), field 22 of stat).
    pub started: u64,
}

impl Process {
    /// The living process of that id.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let (state, started) = stat(pid)?;
        // A zombie has ended; only its parent has not looked yet.
        (!"ZXx".contains(state)).then_some(Self { pid, started })
    }

    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Waits until it has ended; false when the time passes first.
    pub(crate) fn wait_end(self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while self.is_alive() {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// Waits until it has ended; one that takes longer is killed.
    pub(crate) fn end(self, limit: Duration) {
        if !self.wait_end(limit) {
            self.kill();
            self.wait_end(limit);
        }
    }

    /// Ends it without asking.
    pub(crate) fn kill(self) {
        let Some(pid) = Pid::from_raw(self.pid) else { return };
        // A handle is of one process for ever: looked at after it was taken, the number cannot be another's by now.
        let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty());
        if !self.is_alive() {
            return;
        }
        // It may end between the look and the signal: then there is nothing to do.
        let _ = match handle {
            Ok(handle) => rustix::process::pidfd_send_signal(handle, Signal::KILL),
            // A kernel or a container without handles.
            Err(_) => rustix::process::kill_process(pid, Signal::KILL),
        };
    }
}

/// The living QEMU of the machine with that UUID, whoever started it. An error where not all processes of the host can be seen: then
/// one that is not found proves nothing.
pub(crate) fn qemu_of(uuid: &str) -> io::Result<Option<Process>> {
    // Where others' processes are hidden, this is one of them.
    command_line(1)?;
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that has ended since the directory was read, or while it is looked at, is none.
        if command_line(pid).is_ok_and(|line| is_qemu_of(&line, uuid))
            && let Some(process) = Process::of(pid)
        {
            return Ok(Some(process));
        }
    }
    if sees_the_host() {
        Ok(None)
    } else {
        Err(io::Error::other("the host's processes are not to be seen in a namespace of its own"))
    }
}

/// Whether `/proc` is of the host's own namespace of processes, whose number the kernel has fixed: in a container a QEMU of the host is not
/// to be seen.
fn sees_the_host() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|namespace| namespace.as_os_str() == "pid:[4026531836]")
}

fn command_line(pid: i32) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    File::open(format!("/proc/{pid}/cmdline"))?.take(COMMAND_LINE).read_to_end(&mut line)?;
    Ok(line)
}

/// Whoever starts a QEMU for a machine of ours, libvirt too, gives it the machine's UUID there.
fn is_qemu_of(line: &[u8], uuid: &str) -> bool {
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let program = words.first().and_then(|program| Path::new(OsStr::from_bytes(program)).file_name());
    program.is_some_and(|name| name.as_bytes().starts_with(b"qemu"))
        && words.windows(2).any(|two| two == [&b"-uuid"[..], uuid.as_bytes()])
}

/// State and start time. The second field may hold anything, parentheses too, so fields are counted from the last one.
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = text.get(text.rfind(')')? + 1..)?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_qemu_is_known_by_its_program_and_its_machine() {
        let line = |words: &[&str]| words.join("\0").into_bytes();
        let uuid = "4f83b81b-2fcf-4a5b-b334-7815ee860574";
        assert!(is_qemu_of(&line(&["/usr/bin/qemu-system-x86_64", "-S", "-uuid", uuid, "-m", "64"]), uuid));
        assert!(is_qemu_of(&line(&["/usr/libexec/qemu-kvm", "-uuid", uuid, ""]), uuid));
        assert!(!is_qemu_of(&line(&["/usr/bin/qemu-system-x86_64", "-uuid", "another"]), uuid));
        assert!(!is_qemu_of(&line(&["grep", "-uuid", uuid]), uuid));
        assert!(!is_qemu_of(b"", uuid));
        assert_eq!(qemu_of("a machine that nobody has").ok(), sees_the_host().then_some(None));
    }

    #[test]
    fn a_process_is_known_by_its_start_and_a_zombie_is_dead() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id().try_into().unwrap()).unwrap();
        assert!(process.is_alive());
        assert!(!Process { started: process.started + 1, ..process }.is_alive());
        process.kill();
        assert!(process.wait_end(Duration::from_secs(5)), "killed, not yet waited for: a zombie");
        child.wait().unwrap();
        assert!(!process.is_alive());
    }
}
