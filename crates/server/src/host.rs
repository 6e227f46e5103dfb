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
}

impl SystemHost {
    /// `cancel` is raised by the control channel and read while a command runs.
    pub fn new(cancel: Arc<AtomicBool>) -> Self {
        SystemHost { start: Instant::now(), cancel }
    }
}

impl Host for SystemHost {
    fn monotonic_ms(&mut self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn entropy(&mut self, out: &mut [u8]) -> Result<(), EntropyUnavailable> {
        getrandom::fill(out).map_err(|_| EntropyUnavailable)
    }

    fn canceled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}
