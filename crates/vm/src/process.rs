//! Processes of ours, named so that a reused process id is never taken for them.
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    time::{Duration, Instant},
};

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
