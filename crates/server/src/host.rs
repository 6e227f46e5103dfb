//! What the engine needs from this machine: time, entropy, and whether to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sigillo_engine::{EntropyUnavailable, Host};

/// The operating system as a TPM's host.
#[derive(Debug)]
pub struct SystemHost {
    start: Instant,
    cancel: Arc<AtomicBool>,
    /// Asserted through the platform channel of the simulator's protocol.
    pub physical_presence: bool,
}

impl SystemHost {
    /// `cancel` is raised by the control channel and read while a command runs.
    pub fn new(cancel: Arc<AtomicBool>) -> Self {
        SystemHost { start: Instant::now(), cancel, physical_presence: false }
    }
}

impl Host for SystemHost {
    fn monotonic_ms(&mut self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn entropy(&mut self, out: &mut [u8]) -> Result<(), EntropyUnavailable> {
        getrandom::fill(out).map_err(|_| EntropyUnavailable)
    }

    fn physical_presence(&self) -> bool {
        self.physical_presence
    }

    fn canceled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}
