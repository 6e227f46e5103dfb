//! A TPM process to measure: ours or Debian's swtpm, started with the same options.

use crate::sh::{self, Result, cmd};
use sigillo_client::{Client, UnixTransport};
use sigillo_types::{
    commands::{FlushContext, GetCapability, GetRandom},
    constants::Capability,
    handles::{ContextHandle, hc},
    structures::CapabilityData,
};
use std::{
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A client as the workloads use it.
pub(crate) type Tpm = Client<UnixTransport>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sigillo,
    Swtpm,
    /// Another sigillo, by the path of its program.
    Other(&'static Path),
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sigillo => "sigillo",
            Self::Swtpm => "swtpm",
            Self::Other(_) => "other",
        }
    }
}

pub(crate) struct Peer {
    pub(crate) kind: Kind,
    pub(crate) client: Tpm,
    child: Child,
    dir: PathBuf,
}

const PATIENCE: Duration = Duration::from_secs(10);

impl Peer {
    /// Starts with fresh state.
    pub(crate) fn start(kind: Kind) -> Result<Self> {
        Self::start_as(kind, kind.name())
    }

    /// Starts one of several with fresh state.
    pub(crate) fn start_as(kind: Kind, name: &str) -> Result<Self> {
        Self::first_answer(kind, name).map(|(peer, _)| peer)
    }

    /// Starts with fresh state; the time from start to first answer.
    pub(crate) fn first_answer(kind: Kind, name: &str) -> Result<(Self, Duration)> {
        let dir = sh::target().join("bench").join(name);
        if dir.exists() {
            std::fs::remove_dir_all(&dir).map_err(|e| e.to_string())?;
        }
        sh::mkdir(&dir)?;
        let start = Instant::now();
        let (child, client) = launch(kind, &dir)?;
        let mut peer = Self { kind, client, child, dir };
        peer.answer()?;
        Ok((peer, start.elapsed()))
    }

    fn answer(&mut self) -> Result<()> {
        self.client.call(&GetRandom { bytes_requested: 8 }).map(drop).map_err(|e| e.to_string())
    }

    /// Ends the process and starts another on the same state; the time from start to first answer.
    pub(crate) fn restart(&mut self) -> Result<Duration> {
        self.stop()?;
        let start = Instant::now();
        let (child, client) = launch(self.kind, &self.dir)?;
        self.child = child;
        self.client = client;
        self.answer()?;
        Ok(start.elapsed())
    }

    /// Flushes what a workload left loaded.
    pub(crate) fn flush_transient(&mut self) -> Result<()> {
        for class in [hc::TRANSIENT, hc::HMAC_SESSION, hc::POLICY_SESSION] {
            let query =
                GetCapability { capability: Capability::Handles, property: class, property_count: 64 };
            let answer = self.client.call(&query).map_err(|e| e.to_string())?;
            if let CapabilityData::Handles(handles) = answer.capability_data {
                for handle in &*handles {
                    let flush_handle = ContextHandle::new(*handle).map_err(|e| format!("{e:?}"))?;
                    self.client.call(&FlushContext { flush_handle }).map_err(|e| e.to_string())?;
                }
            }
        }
        Ok(())
    }

    /// The process's share of memory.
    pub(crate) fn pss_kib(&self) -> Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
            .ok_or(format!("{path}: no Pss"))
    }

    /// Nanoseconds that the process has had a processor for, in all its threads: what other programs do on the machine shows in it only by
    /// the caches that they empty.
    pub(crate) fn processor_ns(&self) -> Result<u64> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut sum = 0;
        for task in std::fs::read_dir(&tasks).map_err(|e| format!("{tasks}: {e}"))? {
            let path = task.map_err(|e| format!("{tasks}: {e}"))?.path().join("schedstat");
            // A thread that has ended meanwhile.
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let first = text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
            sum += first.ok_or_else(|| format!("{}: no time", path.display()))?;
        }
        Ok(sum)
    }

    fn stop(&mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        sh::pass(&mut cmd("kill", ["-TERM", &pid]))?;
        sh::wait_within(&mut self.child, PATIENCE)?
            .map(drop)
            .ok_or_else(|| format!("{} did not end on SIGTERM", self.kind.name()))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Nothing to do about a process that has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(kind: Kind, dir: &Path) -> Result<(Child, Tpm)> {
    let socket = dir.join("data.sock");
    let control = dir.join("ctrl.sock");
    for path in [&socket, &control] {
        let _ = std::fs::remove_file(path);
    }
    let mut command = match kind {
        Kind::Sigillo => cmd(sh::target().join("release/sigillo"), ["swtpm"]),
        Kind::Swtpm => cmd("swtpm", [] as [&str; 0]),
        Kind::Other(program) => cmd(program, ["swtpm"]),
    };
    let child = command
        .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
        .args(["--server", &format!("type=unixio,path={}", socket.display())])
        .args(["--ctrl", &format!("type=unixio,path={}", control.display())])
        .args(["--tpmstate", &format!("dir={}", dir.display())])
        .stdin(Stdio::null())
        .spawn()
        .map_err(|e| format!("cannot start {}: {e}", kind.name()))?;
    let end = Instant::now() + PATIENCE;
    loop {
        match UnixTransport::connect(&socket) {
            Ok(transport) => {
                transport.set_timeout(Duration::from_secs(60)).map_err(|e| e.to_string())?;
                return Ok((child, Client::new(transport)));
            }
            Err(error) if Instant::now() > end => {
                return Err(format!("{} does not listen: {error}", kind.name()));
            }
            Err(_) => thread::sleep(Duration::from_micros(200)),
        }
    }
}

/// What we measure against.
pub(crate) fn version() -> Result<String> {
    let text = sh::read(&mut cmd(
        "dpkg-query",
        ["-W", "-f", "${Package} ${Version}, ", "swtpm", "libtpms0", "libssl3"],
    ))?;
    Ok(text.trim_end_matches(", ").to_owned())
}
