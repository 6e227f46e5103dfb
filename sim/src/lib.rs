//! A deterministic simulator, in the manner of TigerBeetle's: a seed is a whole life of a TPM and of the machine around it.
//!
//! A run sends commands (sensible ones on what is there, well-formed ones of any values, rough and damaged ones), starts and ends the TPM in
//! every way, lets time pass and jump, moves the TPM between processes and goes back to snapshots; the disk fails and fills up, and power
//! goes between any two steps and in the middle of a write. After every command the simulator looks into the saved state itself and checks:
//!
//! - a command that failed has changed nothing, but for what is documented to outlive it;
//! - what was acknowledged is stored, and after a crash the store holds that or the state that was being written;
//! - a state that was stored or saved is restored to the last octet, and a restored twin gives the same answers;
//! - NV counters, the highest deleted counter, failed tries, the counts of resets and of audited commands never go back, and Clock does not
//!   where it says that it is safe;
//! - no authValue, seed, proof, private key or session key is in a response that is not there to give it;
//! - the TPM never enters failure mode while its host is well, and never panics.
//!
//! Everything follows from the seed: a failure prints the one that repeats it. See docs/adr/0013-simulator.md.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test tool: what it does wrong has to be loud"
)]

mod check;
mod driver;
mod saved;
mod world;

pub use world::Tally;

use std::fmt;

/// A broken promise, and how to see it again.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed of the run.
    pub seed: u64,
    /// The step at which it was seen, from 1.
    pub step: usize,
    /// What does not hold.
    pub what: String,
    /// The steps before it, the last one last.
    pub history: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.history {
            writeln!(f, "    {line}")?;
        }
        writeln!(f, "  {}", self.what)?;
        write!(f, "  again: cargo xtask sim --seed {} --steps {}", self.seed, self.step)
    }
}

/// Runs `steps` steps of a seed.
///
/// # Errors
/// The first promise that does not hold.
pub fn run(seed: u64, steps: usize) -> Result<Tally, Box<Failure>> {
    let mut history = Vec::new();
    let mut step = 0;
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| -> Result<Tally, String> {
        let mut driver = driver::Driver::new(seed)?;
        for number in 1..=steps {
            step = number;
            driver.step(&mut history)?;
        }
        Ok(driver.tally())
    }));
    let what = match outcome {
        Ok(Ok(tally)) => return Ok(tally),
        Ok(Err(what)) => what,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            format!("a panic: {}", text.unwrap_or_default())
        }
    };
    let recent = history.len().saturating_sub(RECENT);
    Err(Box::new(Failure { seed, step, what, history: history.split_off(recent) }))
}

/// Steps that a report shows.
const RECENT: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself() {
        let runs = [(); 2].map(|()| run(7, 150).map_err(|failure| failure.to_string()).unwrap().to_string());
        assert_eq!(runs[0], runs[1]);
    }
}
