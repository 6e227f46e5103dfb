//! The simulator for a bounded time, from the same seed each time: a change is to blame for what it brings. `cargo xtask sim` draws
//! another.
use super::{Context, setting};
use crate::{report::Report, sh::Result, sim};
use std::time::Duration;

/// How long it runs; `SIGILLO_SIM_SECONDS` says otherwise.
const SECONDS: u64 = 60;
/// The first life.
const SEED: u64 = 1;

pub(crate) fn run(_: &mut Context, report: &mut Report) -> Result<()> {
    let seconds = setting("SIGILLO_SIM_SECONDS", SECONDS)?;
    let outcome = sim::campaign(SEED, Duration::from_secs(seconds));
    report.check("every life keeps every promise", outcome.is_ok(), outcome.err().unwrap_or_default());
    Ok(())
}
