//! `cargo xtask sim`: seed after seed through the simulator; see the crate `sigillo-sim`.

use crate::sh::Result;
use sigillo_sim::Tally;
use std::{
    panic,
    process::ExitCode,
    time::{Duration, Instant},
};

/// Steps of one life: long enough to fill the TPM, short enough to be repeated while it is being looked at.
const STEPS: usize = 500;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The first seed; drawn if it is not given
    #[arg(long)]
    seed: Option<u64>,
    /// For how long seeds are run, one after the other
    #[arg(long, default_value_t = 60, conflicts_with = "steps")]
    seconds: u64,
    /// Runs so many steps of the one seed
    #[arg(long, requires = "seed")]
    steps: Option<usize>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let seed = match args.seed {
        Some(seed) => seed,
        None => {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes).map_err(|e| e.to_string())?;
            u32::from_be_bytes(bytes).into()
        }
    };
    let outcome = match args.steps {
        Some(steps) => {
            quietly(|| sigillo_sim::run(seed, steps)).map(drop).map_err(|failure| failure.to_string())
        }
        None => campaign(seed, Duration::from_secs(args.seconds)),
    };
    Ok(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("  FAILED:\n{failure}");
            ExitCode::FAILURE
        }
    })
}

/// Runs seeds from `first` on until the time is over.
///
/// # Errors
/// The first failure, with what repeats it.
pub(crate) fn campaign(first: u64, time: Duration) -> Result<()> {
    println!("simulating for {} s from seed {first}, {STEPS} steps each", time.as_secs());
    let start = Instant::now();
    let mut total = Tally::default();
    let mut lives = 0;
    for seed in first.. {
        if start.elapsed() >= time {
            break;
        }
        let tally = quietly(|| sigillo_sim::run(seed, STEPS)).map_err(|failure| failure.to_string())?;
        total += tally;
        lives += 1;
    }
    println!("  {lives} lives: {total}");
    Ok(())
}

/// A panic is reported with its seed; the default message would only interleave.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    panic::set_hook(Box::new(|_| {}));
    let outcome = run();
    let _ = panic::take_hook();
    outcome
}
