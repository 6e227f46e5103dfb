//! Resuming a suspended VM: the same start, with QEMU reading the saved state before the guest runs.
//!
//! The guest runs from a saved state at most once: the state is taken away before the guest goes on, and until then whatever
//! breaks leaves it where it is.
use crate::{
    accel::{self, Accel, Choice, Reason},
    bundle::Bundle,
    config::Accelerator,
    crash,
    error::{Error, Result},
    files::open_plain,
    life::LifeError,
    process::Process,
    qmp::Qmp,
    rundir::RunDir,
    saved::{self, Saved},
    suspend::PIPE_BYTES,
};
use rustix::{
    fd::OwnedFd,
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
};
use sigillo_messages::{text, words};
use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const ANSWER: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);
/// A load that moves nothing for so long is given up.
const STALL: Duration = Duration::from_secs(120);

/// A saved state on its way into QEMU.
pub(crate) struct Load {
    /// QEMU's end of the pipe.
    input: Option<OwnedFd>,
    /// QEMU's machine type with its version.
    machine: String,
    done: Arc<AtomicU64>,
    bytes: u64,
    feeder: JoinHandle<io::Result<()>>,
}

impl Saved {
    /// The accelerator that ran the guest: another one's processor would have other features.
    pub(crate) fn accel(&self, vm: &Bundle) -> Result<Choice> {
        let wanted = if self.accel == Accel::Kvm.as_str() { Accelerator::Kvm } else { Accelerator::Tcg };
        let chosen = accel::choose(wanted, vm.name()).map_err(|error| match error {
            Error::NoKvm { name, why } => {
                let why = text!("ran-on-kvm", why);
                LifeError::NotLoaded { name, why }.into()
            }
            other => other,
        })?;
        Ok(Choice { reason: Reason::Suspended, ..chosen })
    }

    /// Begins to hand the saved state over.
    pub(crate) fn load(&self, vm: &Bundle) -> Result<Load> {
        let path = vm.saved_dir().join(saved::MEMORY);
        let file = open_plain(&path).map_err(|e| Error::io(words!("do-open"), &path, e))?;
        let (input, output) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|e| Error::io(words!("do-read"), &path, e.into()))?;
        // Only faster.
        let _ = fcntl_setpipe_size(&output, PIPE_BYTES);
        let done = Arc::new(AtomicU64::new(0));
        let (count, sum, bytes) = (Arc::clone(&done), self.memory_sha256.clone(), self.memory_bytes);
        let feeder = thread::spawn(move || feed(file, output, bytes, &sum, &count));
        Ok(Load { input: Some(input), machine: self.machine.clone(), done, bytes, feeder })
    }
}

/// From the file into the pipe. The last block is held back until the sum is right: QEMU then has not all it needs, and ends.
fn feed(file: File, output: OwnedFd, bytes: u64, wanted: &str, done: &AtomicU64) -> io::Result<()> {
    let mut output = File::from(output);
    let mut held = Vec::new();
    let (total, sum) = saved::summed(file, |part, total| {
        output.write_all(&held)?;
        held = part.to_vec();
        done.store(total, Ordering::Relaxed);
        Ok(())
    })?;
    if total != bytes || sum != wanted {
        return Err(io::Error::new(io::ErrorKind::InvalidData, text!("memory-changed")));
    }
    output.write_all(&held)
}

impl Load {
    /// Makes the command line of the machine that was suspended: of the same version, held, reading from `input`.
    pub(crate) fn adapt(&self, args: &mut Vec<OsString>, input: &str) {
        let at = args.iter().position(|arg| arg == "-machine");
        if let Some(machine) = at.and_then(|at| args.get_mut(at.saturating_add(1)))
            && let Some(text) = machine.to_str()
        {
            let rest = text.find(',').and_then(|at| text.get(at..)).unwrap_or_default();
            *machine = OsString::from(format!("{}{rest}", self.machine));
        }
        args.extend(["-S".into(), "-incoming".into(), OsString::from(format!("fd:{input}"))]);
    }

    /// The descriptor that QEMU is to inherit; taken once.
    pub(crate) fn take_input(&mut self) -> Option<OwnedFd> {
        self.input.take()
    }

    /// Waits until QEMU has read everything, takes the saved state away, and lets the guest go on.
    pub(crate) fn finish(
        self,
        vm: &Bundle,
        run: &RunDir,
        qemu: Process,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<()> {
        let not_loaded = |why: String| Error::from(LifeError::NotLoaded { name: vm.name().to_owned(), why });
        let (mut last, mut moved) = (0, Instant::now());
        let loaded = loop {
            let (bytes, now) = (self.done.load(Ordering::Relaxed), Instant::now());
            progress(bytes, self.bytes);
            if bytes != last {
                (last, moved) = (bytes, now);
            }
            match Qmp::connect(&run.monitor(), ANSWER).and_then(|mut qmp| Ok((qmp.status()?, qmp))) {
                Ok((status, qmp)) if status != "inmigrate" && status != "prelaunch" => break Some(qmp),
                _ if !qemu.is_alive() => break None,
                _ if now.duration_since(moved) > STALL => {
                    return Err(not_loaded(text!("qemu-stalls")));
                }
                _ => thread::sleep(PAUSE),
            }
        };
        // QEMU has read all of it or has ended, so the feeder has come to its end as well.
        let fed = self.feeder.join().unwrap_or_else(|_| Err(io::Error::other(text!("reader-fell"))));
        let mut qmp = match (loaded, fed) {
            (Some(qmp), Ok(())) => qmp,
            (_, Err(e)) if e.kind() == io::ErrorKind::InvalidData => {
                let path = vm.saved_dir().join(saved::MEMORY);
                let why = text!("memory-damaged", error = e);
                return Err(LifeError::Damaged { name: vm.name().to_owned(), path, why }.into());
            }
            (Some(_), Err(e)) => return Err(not_loaded(e.to_string())),
            (None, _) => return Err(not_loaded(text!("qemu-no-resume"))),
        };
        crash::point();
        saved::retire(vm)?;
        crash::point();
        qmp.execute("cont").map(drop)
    }
}
