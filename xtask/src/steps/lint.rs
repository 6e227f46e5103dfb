//! What cargo can say without running anything.
use super::Context;
use crate::{
    report::Report,
    sh::{self, Result},
    spec, tidy,
};
use std::process::Command;

pub(crate) fn fmt(_: &mut Context, report: &mut Report) -> Result<()> {
    holds(report, "cargo fmt --check", &mut sh::cargo(["fmt", "--all", "--check"]))
}

pub(crate) fn clippy(_: &mut Context, report: &mut Report) -> Result<()> {
    let mut command = sh::cargo(["clippy", "--quiet", "--workspace", "--all-targets"]);
    command.args(sh::ALL_FEATURES).args(["--", "-D", "warnings"]);
    holds(report, "cargo clippy", &mut command)
}

pub(crate) fn doc(_: &mut Context, report: &mut Report) -> Result<()> {
    let mut command = sh::cargo(["doc", "--quiet", "--workspace", "--no-deps"]);
    command.args(sh::ALL_FEATURES);
    holds(report, "cargo doc", command.env("RUSTDOCFLAGS", "-D warnings"))
}

/// The version that CI installs; any other that is there serves as well.
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn deny(_: &mut Context, report: &mut Report) -> Result<()> {
    if !sh::output(&mut sh::cargo(["deny", "--version"]))?.status.success() {
        println!("installing cargo-deny {CARGO_DENY}");
        sh::read(&mut sh::cargo(["install", "--quiet", "--locked", "cargo-deny", "--version", CARGO_DENY]))?;
    }
    holds(report, "cargo deny", &mut sh::cargo(["deny", "check", "bans", "licenses", "sources"]))
}

pub(crate) fn spec(_: &mut Context, report: &mut Report) -> Result<()> {
    let verdict = spec::verdict()?;
    println!("{}", verdict.summary);
    let wrong = verdict.wrong.join("; ");
    report.check("no difference from the tables is unexplained", verdict.wrong.is_empty(), wrong);
    Ok(())
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
