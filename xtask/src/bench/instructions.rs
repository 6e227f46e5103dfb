//! `cargo xtask bench --instructions`: how many instructions some commands take inside the engine, counted by callgrind, against the counts kept
//! in instructions.tsv.
//!
//! The counts do not depend on what else the machine does, nor much on the machine: valgrind's processor has neither AVX-512 nor SHA
//! instructions, and big numbers are built `portable`. They do depend on the compiler, which is in the file.

use crate::{
    apt,
    sh::{self, Result, cmd},
};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What a count may differ by before it is said to have changed, in percent: where an allocation lies moves a count a little.
const TOLERANCE: f64 = 2.0;
/// The function in the example that is counted.
const COUNTED: &str = "instructions::counted_command";

type Counts = Vec<(String, u64)>;

fn kept() -> PathBuf {
    sh::root().join("xtask/src/bench/instructions.tsv")
}

pub(super) fn run(update: bool) -> Result<ExitCode> {
    apt::ensure(&["valgrind"])?;
    let counts = count()?;
    let compiler = sh::read(&mut cmd("rustc", ["--version"]))?;
    if update {
        write(&counts, compiler.trim())?;
        println!("{} counts are written to {}", counts.len(), kept().display());
        return Ok(ExitCode::SUCCESS);
    }
    let text = String::from_utf8_lossy(&sh::read_file(&kept())?).into_owned();
    let before: BTreeMap<&str, u64> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(name, count)| Some((name, count.parse().ok()?)))
        .collect();
    if !text.contains(compiler.trim()) {
        println!(
            "these counts are of another compiler than {}: differences may be its own\n",
            compiler.trim()
        );
    }
    println!("{:<34} {:>14} {:>14} {:>9}", "command", "kept", "now", "change");
    let mut grown = 0;
    let mut fallen = 0;
    for (name, now) in &counts {
        let Some(kept) = before.get(name.as_str()) else {
            println!("{name:<34} {:>14} {now:>14}   new: keep it with --update", "");
            grown += 1;
            continue;
        };
        let change = change(*kept, *now);
        let remark = if change > TOLERANCE {
            grown += 1;
            "  grew"
        } else if change < -TOLERANCE {
            fallen += 1;
            "  fell: keep it with --update"
        } else {
            ""
        };
        println!("{name:<34} {kept:>14} {now:>14} {change:>+8.1}%{remark}");
    }
    for name in before.keys().filter(|name| counts.iter().all(|(now, _)| now != *name)) {
        println!("{name:<34} is kept but not counted any more");
        grown += 1;
    }
    println!("\n{grown} grew by more than {TOLERANCE} % or are not those kept, {fallen} fell");
    Ok(if grown == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn change(kept: u64, now: u64) -> f64 {
    (now as f64 / kept.max(1) as f64 - 1.0) * 100.0
}

/// Runs the engine's example under callgrind, which writes a file each time the counted function returns.
fn count() -> Result<Counts> {
    let build = ["build", "--quiet", "--release", "-p", "sigillo-engine", "-p", "sigillo-crypto"];
    let mut build = sh::cargo(build);
    sh::pass(build.args(["--features", "sigillo-crypto/portable", "--example", "instructions"]))?;
    let dir = sh::target().join("bench").join("callgrind");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).map_err(|e| e.to_string())?;
    }
    sh::mkdir(&dir)?;
    let out = dir.join("out");
    let mut valgrind = cmd("valgrind", ["--quiet", "--tool=callgrind", "--collect-atstart=no"]);
    valgrind
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--dump-after={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(sh::target().join("release/examples/instructions"));
    let names = sh::read(&mut valgrind)?;
    names
        .lines()
        .zip(1..)
        .map(|(name, number)| {
            let path = dir.join(format!("out.{number}"));
            Ok((name.to_owned(), total(&path)?))
        })
        .collect()
}

/// The instructions of one file of callgrind's.
fn total(path: &Path) -> Result<u64> {
    let text = String::from_utf8_lossy(&sh::read_file(path)?).into_owned();
    let number = |prefix: &str| {
        text.lines().find_map(|line| line.strip_prefix(prefix)).and_then(|number| number.trim().parse().ok())
    };
    match number("totals:").or_else(|| number("summary:")) {
        Some(0) | None => Err(format!("{}: callgrind counted nothing", path.display())),
        Some(count) => Ok(count),
    }
}

fn write(counts: &Counts, compiler: &str) -> Result<()> {
    let mut text = format!(
        "# Instructions a command takes inside the engine, counted by `cargo xtask bench --instructions`; written by it with --update.\n# {compiler}, release, portable, under callgrind\n"
    );
    for (name, count) in counts {
        let _ = writeln!(text, "{name}\t{count}");
    }
    sh::write(&kept(), text)
}
