//! `cargo xtask bench --constant-time`: the statistical test of the crypto crate's example on each backend, and docs/side-channels.md.

use super::table;
use crate::sh::{self, Result};
use std::{fmt::Write as _, process::ExitCode};

/// Beyond this |t| there is a difference; below the other, nothing was found.
const LEAK: f64 = 10.0;
const DOUBT: f64 = 4.5;

/// What lies above and below the table.
const ABOUT: &str = include_str!("constant_time.md");
/// The row that shows that the test sees what is there.
const CONTROL: &str = "control";

struct Row {
    name: String,
    samples: u64,
    median_ns: f64,
    difference_ns: f64,
    t: f64,
}

impl Row {
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let name = fields.next()?.to_owned();
        let mut number = || fields.next()?.parse::<f64>().ok();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let samples = number()? as u64;
        Some(Self { name, samples, median_ns: number()?, difference_ns: number()?, t: number()? })
    }

    fn verdict(&self) -> &'static str {
        match self.t.abs() {
            t if t > LEAK => "differs",
            t if t > DOUBT => "in doubt",
            _ => "nothing found",
        }
    }
}

pub(super) fn run(effort: f64) -> Result<ExitCode> {
    let mut tables = String::new();
    let mut failed = false;
    for (backend, features) in backends() {
        let build = ["build", "--quiet", "--release", "-p", "sigillo-crypto", "--example", "constant_time"];
        sh::pass(sh::cargo(build).args(features))?;
        let program = sh::target().join("release/examples/constant_time");
        println!("\n{backend}\n");
        let text = sh::read(&mut sh::cmd(program, [format!("{}", 6.0 * effort)]))?;
        let _ = writeln!(
            tables,
            "\n### {backend}\n\n| what, and its two classes | samples | median | difference | t | |\n|---|---|---|---|---|---|"
        );
        for line in text.lines() {
            let row = Row::read(line).ok_or_else(|| format!("the example printed {line:?}"))?;
            failed |= row.name.starts_with(CONTROL) != (row.t.abs() > LEAK);
            println!(
                "{:<66} {:>8} {:>11.1} ns {:>+9.2} ns   t {:>+8.2}   {}",
                row.name,
                row.samples,
                row.median_ns,
                row.difference_ns,
                row.t,
                row.verdict()
            );
            let _ = writeln!(
                tables,
                "| {} | {} | {:.1} ns | {:+.2} ns | {:+.2} | {} |",
                row.name,
                row.samples,
                row.median_ns,
                row.difference_ns,
                row.t,
                row.verdict()
            );
        }
    }
    let path = sh::root().join("docs/side-channels.md");
    sh::write(
        &path,
        ABOUT.replace("{machine}", table::machine()?.trim_end()).replace("{tables}", tables.trim()),
    )?;
    println!("\n{} is written", path.display());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Each backend with its features.
fn backends() -> Vec<(String, &'static [&'static str])> {
    let mut backends: Vec<(String, &'static [&'static str])> = Vec::new();
    if let Some(vectors) = sigillo_crypto::vectors() {
        backends.push((format!("RSA in {vectors}"), &[]));
    }
    backends.push(("portable".to_owned(), &["--features", "portable"]));
    backends.push(("AWS-LC (feature `aws-lc`)".to_owned(), &["--features", "aws-lc"]));
    backends
}
