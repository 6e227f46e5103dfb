//! The same commands to sigillo and to Debian's swtpm: the same runs each time, however long they take, so that a change is to blame for
//! what they bring. `cargo xtask differential` goes on for as long as it is told.
use super::{Context, setting};
use crate::{
    differential::{self, Until},
    report::Report,
    sh::Result,
};

/// How many runs: about half a minute on two free cores; `SIGILLO_DIFFERENTIAL_RUNS` says otherwise.
const RUNS: u64 = 250;
/// The first run.
const SEED: u64 = 1;

pub(crate) fn run(_: &mut Context, report: &mut Report) -> Result<()> {
    let runs = setting("SIGILLO_DIFFERENTIAL_RUNS", RUNS)?;
    differential::prepare()?;
    let outcome = differential::campaign(SEED, Until::Runs(runs), false)?;
    println!("{}", outcome.summary());
    let found: Vec<&str> =
        outcome.findings.values().map(|(difference, ..)| difference.report.as_str()).collect();
    report.check(
        "sigillo and swtpm answer alike, or it is known why not",
        found.is_empty(),
        found.join("\n"),
    );
    let (sent, succeeded) = (outcome.sent, outcome.succeeded);
    report.check(
        "an eighth of the commands succeeded, so that not refusals alone are compared",
        succeeded > sent / 8,
        format!("{succeeded} of {sent} succeeded"),
    );
    Ok(())
}
