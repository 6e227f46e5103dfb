//! `cargo xtask bench`: the same commands through the same kind of socket against Debian's swtpm, interleaved in one run.
//!
//! Absolute times on a shared machine say little; the ratio of two medians taken turn by turn says something. What a server itself takes is
//! in its processor time, which stands beside. Nothing here passes or fails; a row short of its target is printed as missed.

mod commit;
mod constant_time;
mod instructions;
mod measure;
pub(crate) mod peer;
mod table;
mod workload;

use crate::{
    apt,
    sh::{self, Result},
};
use peer::{Kind, Peer};
use std::{path::PathBuf, process::ExitCode};
use table::Table;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only workloads whose name contains this. docs/performance.md is then left as it is.
    #[arg(long)]
    only: Option<String>,
    /// Another sigillo's program in swtpm's place, to compare two builds. docs/performance.md is then left as it is.
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["instructions", "constant_time"])]
    against: Option<PathBuf>,
    /// Multiplies the number of rounds.
    #[arg(long, default_value_t = 1.0)]
    effort: f64,
    /// Counts the instructions of some commands and compares with those kept in instructions.tsv; fails where one grew.
    #[arg(long, conflicts_with = "only")]
    instructions: bool,
    /// Keeps the counts.
    #[arg(long, requires = "instructions")]
    update: bool,
    /// Looks for secrets in the time that operations take, and writes docs/side-channels.md.
    #[arg(long, conflicts_with_all = ["only", "instructions"])]
    constant_time: bool,
}

/// Both peers, sigillo first.
type Pair<T> = [T; 2];

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.instructions {
        return instructions::run(args.update);
    }
    if args.constant_time {
        return constant_time::run(args.effort);
    }
    let other = match &args.against {
        // As long as this program runs, so that a kind stays a plain value.
        Some(path) => Kind::Other(Box::leak::<'static>(path.clone().into_boxed_path())),
        None => {
            apt::ensure(&["swtpm", "libtpms0"])?;
            Kind::Swtpm
        }
    };
    sh::pass(&mut sh::cargo(["build", "--quiet", "--release", "-p", "sigillo"]))?;
    compare(args, [Kind::Sigillo, other])?;
    Ok(ExitCode::SUCCESS)
}

fn compare(args: &Args, kinds: Pair<Kind>) -> Result<()> {
    let wanted =
        |name: &str| args.only.as_ref().is_none_or(|only| name.to_lowercase().contains(&only.to_lowercase()));
    stay_on_one_processor()?;
    let mut peers = [Peer::start(kinds[0])?, Peer::start(kinds[1])?];
    let versions = match kinds[1] {
        Kind::Other(program) => program.display().to_string(),
        Kind::Sigillo | Kind::Swtpm => peer::version()?,
    };
    let mut table = Table::begin(&format!("sigillo against {versions}"), kinds[1].name());
    for workload in workload::all() {
        if wanted(workload.name) {
            table.add(measure::commands(&workload, &mut peers, args.effort)?);
        }
    }
    for row in measure::starts(&mut peers, args.effort, wanted)? {
        table.add(row);
    }
    if wanted(measure::IDLE) {
        table.add(measure::idle(kinds, args.effort)?);
    }
    if wanted("commit") && args.against.is_none() {
        table.say(&commit::run(&mut peers, args.effort)?);
    }
    if args.only.is_none() {
        table.say(&measure::memory(&peers)?);
        if args.against.is_none() {
            table.end()?;
        }
    }
    Ok(())
}

/// Client and servers run on the last processor that we may use. They wait for each other, so that more would gain nothing; but a server that is
/// woken on another processor takes three times as long to answer a small command, and which of the two is, the scheduler decides by chance.
fn stay_on_one_processor() -> Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let failed = |e| format!("the processors that xtask may run on: {e}");
    let allowed = sched_getaffinity(None).map_err(failed)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu));
    let mut one = CpuSet::new();
    one.set(last.unwrap_or_default());
    sched_setaffinity(None, &one).map_err(failed)
}

fn rounds(count: u32, effort: f64) -> usize {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive count")]
    let rounds = (f64::from(count) * effort).round().max(1.0) as usize;
    rounds
}
