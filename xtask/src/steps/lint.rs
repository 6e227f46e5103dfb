//! What cargo can say without running anything.
use super::Context;
use crate::{
    report::Report,
    sh::{self, Result},
    tidy,
};
use std::process::Command;

pub(crate) fn fmt(_: &mut Context, report: &mut Report) -> Result<()> {
    holds(report, "cargo fmt --check", &mut sh::cargo(["fmt", "--all", "--check"]))
}

pub(crate) fn clippy(_: &mut Context, report: &mut Report) -> Result<()> {
    let args = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
    holds(report, "cargo clippy", &mut sh::cargo(args))
}

pub(crate) fn doc(_: &mut Context, report: &mut Report) -> Result<()> {
    let mut command = sh::cargo(["doc", "--quiet", "--workspace", "--no-deps"]);
    holds(report, "cargo doc", command.env("RUSTDOCFLAGS", "-D warnings"))
}

pub(crate) fn tidy(_: &mut Context, report: &mut Report) -> Result<()> {
    report.succeeds("cargo xtask tidy", tidy::run());
    Ok(())
}

fn holds(report: &mut Report, what: &str, command: &mut Command) -> Result<()> {
    let result = sh::output(command)?;
    if !report.check(what, result.status.success(), "") {
        println!("{}{}", result.stdout, result.stderr);
    }
    Ok(())
}
