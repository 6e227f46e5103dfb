//! The simulator for a bounded time, from another seed each time: a failure names it.
use super::Context;
use crate::{report::Report, sh::Result, sim};
use std::time::Duration;

/// How long it runs; `SIGILLO_SIM_SECONDS` says otherwise.
const SECONDS: u64 = 60;

pub(crate) fn run(_: &mut Context, report: &mut Report) -> Result<()> {
    let seconds = match std::env::var("SIGILLO_SIM_SECONDS") {
        Ok(text) => text.parse().map_err(|_| format!("SIGILLO_SIM_SECONDS={text} is not a number"))?,
        Err(_) => SECONDS,
    };
    let mut seed = [0; 4];
    getrandom::fill(&mut seed).map_err(|e| e.to_string())?;
    let outcome = sim::campaign(u32::from_be_bytes(seed).into(), Duration::from_secs(seconds));
    report.check("every life keeps every promise", outcome.is_ok(), outcome.err().unwrap_or_default());
    Ok(())
}
