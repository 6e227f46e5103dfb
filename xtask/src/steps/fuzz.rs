//! Every fuzz target for a bounded time, on the stable toolchain.
use super::{Context, setting};
use crate::{fuzz, report::Report, sh::Result};
use std::time::Duration;

/// How long each target runs; `SIGILLO_FUZZ_SECONDS` says otherwise.
const SECONDS: u64 = 40;

pub(crate) fn run(_: &mut Context, report: &mut Report) -> Result<()> {
    let seconds = setting("SIGILLO_FUZZ_SECONDS", SECONDS)?;
    let findings = fuzz::campaign(None, Duration::from_secs(seconds), None)?;
    report.check("no target has a finding", findings == 0, format!("{findings} findings"));
    Ok(())
}
