//! The same random commands to sigillo and Debian's swtpm, for half a minute and with the same seeds each time.
use super::Context;
use crate::{differential, report::Report, sh::Result};
use std::time::Duration;

const SECONDS: u64 = 30;

pub(crate) fn run(_: &mut Context, report: &mut Report) -> Result<()> {
    differential::prepare()?;
    let outcome = differential::campaign(1, Duration::from_secs(SECONDS), false)?;
    println!("{}", outcome.summary());
    for (difference, ..) in outcome.findings.values() {
        println!("{}", difference.report);
    }
    let found = outcome.findings.keys().cloned().collect::<Vec<_>>().join("; ");
    report.check("no difference is unexplained", outcome.findings.is_empty(), found);
    report.check("most commands were compared", outcome.succeeded * 5 > outcome.sent, outcome.summary());
    Ok(())
}
