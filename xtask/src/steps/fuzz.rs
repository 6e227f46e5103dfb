//! Every fuzz target for a bounded time, on the stable toolchain.
use super::Context;
use crate::{fuzz, report::Report, sh::Result};
use std::time::Duration;

/// How long each target runs; `SIGILLO_FUZZ_SECONDS` says otherwise.
const SECONDS: u64 = 60;

pub(crate) fn run(_: &mut Context, report: &mut Report) -> Result<()> {
    let given = std::env::var("SIGILLO_FUZZ_SECONDS").ok();
    let seconds = match given {
        Some(text) => text.parse().map_err(|_| format!("SIGILLO_FUZZ_SECONDS={text} is not a number"))?,
        None => SECONDS,
    };
    let findings = fuzz::campaign(None, Duration::from_secs(seconds), None)?;
    report.check("no target has a finding", findings == 0, format!("{findings} findings"));
    Ok(())
}
