//! `cargo test`, counted.
use super::Context;
use crate::{
    apt,
    report::Report,
    sh::{self, Result},
};
use std::process::Command;

/// Every test of the workspace is a check of its own.
pub(crate) fn run(_: &mut Context, report: &mut Report) -> Result<()> {
    // Some tests make VMs and need the firmware.
    apt::ensure(apt::GUEST)?;
    apt::ensure(apt::SHELLS)?;
    apt::ensure(apt::SERVICES)?;
    apt::ensure(apt::LIBVIRT)?;
    let mut command = sh::cargo(["test", "--workspace", "--no-fail-fast"]);
    count(command.args(sh::ALL_FEATURES), report)
}

/// Runs `cargo test` as given; every test is a check.
pub(super) fn count(command: &mut Command, report: &mut Report) -> Result<()> {
    let output = sh::output(command)?;
    let mut part = String::new();
    let mut seen = 0;
    // Cargo names the test programs on stderr and they speak on stdout, so a test is named by itself alone.
    for line in output.stdout.lines() {
        if let Some(name) = line.strip_prefix("Doc-tests ") {
            part = format!("{name} ");
        }
        let Some((name, verdict)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
        else {
            continue;
        };
        match verdict {
            "ok" => report.count_passed(),
            verdict if verdict.starts_with("FAILED") => {
                report.check(format!("{part}{name}"), false, "");
            }
            // An ignored test proves nothing and counts as nothing.
            _ => continue,
        }
        seen += 1;
    }
    let failed = report.failed() > 0;
    if failed || !output.status.success() {
        println!("{}\n{}", output.stdout, output.stderr);
    }
    report.check("cargo test ran tests and ended well", seen > 0 && output.status.success(), "");
    Ok(())
}
