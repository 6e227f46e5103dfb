//! The two TPMs: sigillo's engine in this process, and Debian's swtpm behind sockets. Both are asked by the same calls.

use crate::{
    sh::{Result, cmd},
    steps,
};
use sigillo_client::{Transport, UnixTransport};
use sigillo_engine::{EntropyUnavailable, Host, Profile, Tpm};
use sigillo_types::rc;
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What is done to a TPM beside sending commands.
pub(crate) trait Peer: Transport<Error = String> {
    /// _TPM_Init.
    fn init(&mut self) -> Result<()>;
    /// The locality of the commands that follow.
    fn set_locality(&mut self, locality: u8) -> Result<()>;
}

/// Entropy that a seed repeats, and the real clock.
#[derive(Debug)]
struct SeededHost {
    drawn: u64,
    started: Instant,
}

impl Host for SeededHost {
    fn monotonic_ms(&mut self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn entropy(&mut self, out: &mut [u8]) -> std::result::Result<(), EntropyUnavailable> {
        for octet in out {
            self.drawn = self.drawn.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (self.drawn ^ (self.drawn >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            *octet = mixed.to_be_bytes()[0];
        }
        Ok(())
    }
}

/// Our engine.
pub(crate) struct Ours {
    tpm: Tpm,
    host: SeededHost,
    locality: u8,
}

impl Ours {
    pub(crate) fn new(seed: u64) -> Result<Self> {
        let mut host = SeededHost { drawn: seed, started: Instant::now() };
        let profile = Profile::named("libtpms").unwrap_or(Profile::pc_client());
        let tpm = Tpm::manufacture(profile, &mut host).map_err(|e| e.to_string())?;
        Ok(Self { tpm, host, locality: 0 })
    }
}

impl Transport for Ours {
    type Error = String;

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>> {
        Ok(self.tpm.execute(self.locality, command, &mut self.host).stored())
    }
}

impl Peer for Ours {
    fn init(&mut self) -> Result<()> {
        self.tpm.init(&mut self.host);
        Ok(())
    }

    fn set_locality(&mut self, locality: u8) -> Result<()> {
        self.locality = locality;
        Ok(())
    }
}

/// Debian's.
pub(crate) struct Theirs {
    child: Child,
    data: UnixTransport,
    control: UnixStream,
    directory: PathBuf,
}

/// How long swtpm may need for anything: it says only that it has ended, never that the machine is slow.
const PATIENCE: Duration = Duration::from_secs(300);

impl Theirs {
    /// Starts one without any state.
    pub(crate) fn new() -> Result<Self> {
        let directory = steps::fresh_dir(&format!("differential-{}", std::process::id()))?;
        let (data, control) = (directory.join("data.sock"), directory.join("ctrl.sock"));
        let child = cmd("swtpm", ["socket", "--tpm2", "--flags", "not-need-init"])
            .args(["--server", &format!("type=unixio,path={}", data.display())])
            .args(["--ctrl", &format!("type=unixio,path={}", control.display())])
            .args(["--tpmstate", &format!("dir={}", directory.display())])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("cannot start swtpm: {e}"))?;
        let control = connect(&control)?;
        control.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
        let data = UnixTransport::from_stream(connect(&data)?);
        data.set_timeout(PATIENCE).map_err(|e| e.to_string())?;
        Ok(Self { child, data, control, directory })
    }

    /// One request of the control channel whose answer is a result code.
    fn request(&mut self, request: &[u8]) -> Result<()> {
        self.control.write_all(request).map_err(|e| format!("control channel: {e}"))?;
        let mut result = [0; 4];
        self.control.read_exact(&mut result).map_err(|e| format!("control channel: {e}"))?;
        if result == [0; 4] {
            Ok(())
        } else {
            Err(format!("control channel: {request:02x?} gave {result:02x?}"))
        }
    }
}

fn connect(path: &Path) -> Result<UnixStream> {
    let end = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > end => return Err(format!("{}: {error}", path.display())),
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

impl Transport for Theirs {
    type Error = String;

    /// Again as long as it says that it could not start: libtpms does so on the first use of an object under dictionary-attack protection.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>> {
        loop {
            let reply = self.data.transmit(command).map_err(|e| e.to_string())?;
            if super::response::code(&reply) != Some(rc::RETRY.raw()) {
                return Ok(reply);
            }
        }
    }
}

impl Peer for Theirs {
    fn init(&mut self) -> Result<()> {
        self.request(&[0, 0, 0, 2, 0, 0, 0, 0])
    }

    fn set_locality(&mut self, locality: u8) -> Result<()> {
        self.request(&[0, 0, 0, 5, locality])
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        // Nothing to do about a process that has already ended, or files that are gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
