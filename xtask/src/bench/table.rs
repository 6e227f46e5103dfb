//! The table: printed row by row, and written to docs/performance.md at the end of a whole run.

use super::{Pair, workload::Target};
use crate::sh::{self, Result, cmd};
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

/// What rows that miss their target have as a reason.
const EXPLAINED: &str = include_str!("explained.tsv");

/// Some numbers in order: microseconds, or what else a row is in.
#[derive(Clone, Copy)]
pub(super) struct Summary {
    count: usize,
    median: f64,
    p95: f64,
}

impl Summary {
    /// In microseconds.
    pub(super) fn of(times: Vec<Duration>) -> Self {
        Self::of_numbers(microseconds(times))
    }

    pub(super) fn of_numbers(numbers: Vec<f64>) -> Self {
        let count = numbers.len();
        let [median, p95] = percentiles(numbers, [50, 95]);
        Self { count, median, p95 }
    }
}

pub(super) fn microseconds(times: Vec<Duration>) -> Vec<f64> {
    times.into_iter().map(|time| time.as_secs_f64() * 1e6).collect()
}

/// Those of so many in a hundred; not a number where there are none.
pub(super) fn percentiles<const N: usize>(mut numbers: Vec<f64>, shares: [usize; N]) -> [f64; N] {
    numbers.sort_unstable_by(f64::total_cmp);
    let last = numbers.len().saturating_sub(1);
    shares.map(|share| numbers.get((numbers.len() * share / 100).min(last)).copied().unwrap_or(f64::NAN))
}

/// One line.
pub(super) struct Row {
    name: &'static str,
    target: Option<f64>,
    wall: Pair<Summary>,
    /// The servers' own time, by parts of the run.
    processor: Option<Pair<Summary>>,
}

impl Row {
    pub(super) fn new(name: &'static str, target: Target, wall: Pair<Summary>) -> Self {
        Self { name, target: target.here(), wall, processor: None }
    }

    pub(super) fn with_processor(self, processor: Pair<Summary>) -> Self {
        Self { processor: Some(processor), ..self }
    }

    fn ratio([ours, theirs]: &Pair<Summary>) -> f64 {
        ours.median / theirs.median
    }

    fn is_missed(&self) -> bool {
        self.target.is_some_and(|target| Self::ratio(&self.wall) > target)
    }

    /// By the clock on the wall; the processor's time beside it says whose the time is.
    fn verdict(&self) -> &'static str {
        let holds = self.target.zip(self.processor).map(|(target, pair)| Self::ratio(&pair) <= target);
        match (self.target, self.is_missed(), holds) {
            (None, ..) => "",
            (_, false, _) => "met",
            (_, true, Some(true)) => "missed (met in processor time)",
            (_, true, _) => "missed",
        }
    }

    /// The cells behind the name.
    fn cells(&self) -> [String; 11] {
        let number = |number: f64| format!("{number:.1}");
        let [ours, theirs] = self.wall;
        let processor = self.processor.map(|pair| [number(pair[0].median), number(pair[1].median)]);
        let [ours_cpu, theirs_cpu] = processor.unwrap_or_default();
        [
            ours.count.to_string(),
            number(ours.median),
            number(ours.p95),
            number(theirs.median),
            number(theirs.p95),
            format!("{:.2}", Self::ratio(&self.wall)),
            ours_cpu,
            theirs_cpu,
            self.processor.map(|pair| format!("{:.2}", Self::ratio(&pair))).unwrap_or_default(),
            self.target.map(|target| format!("{target:.2}")).unwrap_or_default(),
            self.verdict().to_owned(),
        ]
    }
}

/// Whom the targets are about.
const SWTPM: &str = "swtpm";
const HEAD: [&str; 11] =
    ["rounds", "sigillo", "p95", SWTPM, "p95", "ratio", "cpu", "cpu", "ratio", "at most", ""];
const WIDTHS: [usize; 11] = [7, 10, 10, 10, 10, 7, 10, 10, 7, 8, 0];

pub(super) struct Table {
    started: Instant,
    versions: String,
    /// Who is beside sigillo.
    other: &'static str,
    rows: Vec<Row>,
    remarks: Vec<String>,
}

impl Table {
    pub(super) fn begin(versions: &str, other: &'static str) -> Self {
        println!(
            "{versions}, times in microseconds; cpu is each server's own processor time (sigillo, {other})\n"
        );
        print_line("command", &HEAD.map(|head| if head == SWTPM { other } else { head }.to_owned()));
        Self {
            started: Instant::now(),
            versions: versions.to_owned(),
            other,
            rows: Vec::new(),
            remarks: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, mut row: Row) {
        if self.other != SWTPM {
            // Targets are swtpm's.
            row.target = None;
        }
        print_line(row.name, &row.cells());
        self.rows.push(row);
    }

    /// Text beneath the table.
    pub(super) fn say(&mut self, text: &str) {
        println!("\n{}", text.trim_end());
        self.remarks.push(text.trim_end().to_owned());
    }

    /// Writes docs/performance.md.
    pub(super) fn end(&self) -> Result<()> {
        let took = self.started.elapsed().as_secs();
        let missed = self.rows.iter().filter(|row| row.is_missed()).count();
        let with_target = self.rows.iter().filter(|row| row.target.is_some()).count();
        println!(
            "\n{missed} of {with_target} targets missed, in {took} s; ratio: median of sigillo by median of swtpm"
        );
        let path = sh::root().join("docs/performance.md");
        sh::write(&path, self.markdown(took, missed, with_target)?)?;
        println!("{} is written", path.display());
        Ok(())
    }

    fn markdown(&self, took: u64, missed: usize, with_target: usize) -> Result<String> {
        let mut text = format!(
            "# Performance\n\n\
             Written by `cargo xtask bench`, which runs the same commands through the same kind of socket against Debian's swtpm, turn by turn in one run ({took} s). Medians in \
             microseconds by the clock on the wall, from the client's first octet to its last; the ratio is sigillo's median by swtpm's, and below 1 sigillo is faster.\n\n\
             *cpu* is each server's own processor time a command (`/proc/PID/task/*/schedstat`, all threads, median over {} parts of the run). It leaves out the client \
             and the wait for a processor, so it says what a server costs; the wall says what a guest waits for. Targets are judged by the wall. Client and servers \
             share one processor, or which of them is woken on another would decide about the small commands.\n\n",
            super::measure::PARTS
        );
        let _ = writeln!(text, "- {}\n{}", self.versions, machine()?);
        text.push_str("| command | rounds | sigillo | p95 | swtpm | p95 | ratio | sigillo cpu | swtpm cpu | cpu ratio | at most | |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n");
        for row in &self.rows {
            let _ = writeln!(text, "| {} | {} |", row.name, row.cells().join(" | "));
        }
        let _ = writeln!(text, "\n{missed} of {with_target} targets missed.\n");
        text.push_str("## Missed, and why\n\n");
        for row in self.rows.iter().filter(|row| row.is_missed()) {
            let _ = writeln!(text, "- **{}**: {}", row.name, explained(row.name));
        }
        for remark in &self.remarks {
            let _ = write!(text, "\n```\n{remark}\n```\n");
        }
        text.push_str(
            "\nInstruction counts, which do not depend on the machine's mood: `cargo xtask bench --instructions`, against \
             [instructions.tsv](../xtask/src/bench/instructions.tsv). Constant time: [side-channels.md](side-channels.md). Decisions: \
             [ADR 0028](adr/0028-performance.md), [ADR 0031](adr/0031-size-and-sessions.md).\n",
        );
        Ok(text)
    }
}

/// The first reason whose name the row's begins with.
fn explained(name: &str) -> &'static str {
    let lines =
        EXPLAINED.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'));
    lines
        .filter(|(prefix, _)| name.starts_with(prefix))
        .map(|(_, reason)| reason)
        .next()
        .unwrap_or("not explained yet; met in other runs, or new")
}

fn print_line(name: &str, cells: &[String; 11]) {
    let mut line = format!("{name:<38}");
    for (cell, width) in cells.iter().zip(WIDTHS) {
        let _ = write!(line, " {cell:>width$}");
    }
    println!("{}", line.trim_end());
}

/// What it ran on, as a list.
pub(super) fn machine() -> Result<String> {
    let read = |path: &str| std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
    let cpuinfo = read("/proc/cpuinfo")?;
    let field = |name: &str| {
        cpuinfo
            .lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim())
    };
    let flags: Vec<&str> = field("flags").unwrap_or_default().split(' ').collect();
    let vectors =
        ["aes", "avx2", "avx512ifma", "sha_ni", "vaes"].into_iter().filter(|flag| flags.contains(flag));
    let processors = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let load = read("/proc/loadavg")?;
    let rustc = sh::read(&mut cmd("rustc", ["--version"]))?;
    let commit = sh::read(cmd("git", ["log", "-1", "--format=%h of %cs"]).current_dir(sh::root()))?;
    Ok(format!(
        "- {}, {processors} processors, with {}; Linux {}; {}; built over commit {}\n\
         - load of the machine at the end: {}; RSA runs in {}\n",
        field("model name").unwrap_or("an unknown processor"),
        vectors.collect::<Vec<_>>().join(", "),
        kernel.trim(),
        rustc.trim(),
        commit.trim(),
        load.split(' ').take(3).collect::<Vec<_>>().join(" "),
        sigillo_crypto::vectors().unwrap_or("plain code"),
    ))
}
