//! The feature `aws-lc`: the same tests of the cryptography, and those that compare both backends.
use super::{Context, cargo_tests};
use crate::{
    apt,
    report::Report,
    sh::{self, Result},
};

/// Lints and tests of the two crates that the feature changes, and a look that the program takes it.
pub(crate) fn run(_: &mut Context, report: &mut Report) -> Result<()> {
    // aws-lc-sys asks for nothing but a C compiler here: its assembler comes as sources for it.
    apt::ensure(&["gcc", "libc6-dev"])?;
    let mut lint = sh::cargo(["clippy", "--quiet", "--all-targets"]);
    lint.args(PACKAGES).args(["--", "-D", "warnings"]);
    let result = sh::output(&mut lint)?;
    if !report.check("cargo clippy with the feature aws-lc", result.status.success(), "") {
        println!("{}{}", result.stdout, result.stderr);
    }
    // By the program's own name of it, which goes through the server and the engine.
    let program = sh::output(&mut sh::cargo(["check", "--quiet", "-p", "sigillo", "--features", "aws-lc"]))?;
    if !report.check("cargo check of sigillo with the feature aws-lc", program.status.success(), "") {
        println!("{}{}", program.stdout, program.stderr);
    }
    let mut tests = sh::cargo(["test", "--no-fail-fast"]);
    cargo_tests::count(tests.args(PACKAGES), report)
}

const PACKAGES: [&str; 6] =
    ["-p", "sigillo-accel", "-p", "sigillo-crypto", "--features", "sigillo-crypto/aws-lc"];
