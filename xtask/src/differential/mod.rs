//! `cargo xtask differential`: sigillo and Debian's swtpm get the same commands; what they answer must be the same.
//!
//! Commands are made from the tables of Part 3 and from what both TPMs hold: objects, sessions, indices, results of earlier commands. What
//! one TPM made goes back to that one. A run is a seed; a step depends on the seed, its number and what came before, so `--seed S --steps K`
//! repeats a finding and leaving steps out makes it small.

mod explained;
mod peers;
mod request;
mod response;
mod run;
mod sessions;
mod values;
mod world;

use crate::{apt, bench, sh::Result};
use run::{Difference, Event, Run};
use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, Instant},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The first run's seed; the runs after it count up.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long to go on.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// So many runs, however long they take.
    #[arg(long, conflicts_with = "seconds")]
    runs: Option<u64>,
    /// Only the run of `--seed`, and only so many steps.
    #[arg(long)]
    steps: Option<u64>,
    /// With `--steps`: only these, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<u64>,
    /// Print each step.
    #[arg(long)]
    trace: bool,
    /// Leave out what a finding does not need, which takes a minute.
    #[arg(long)]
    shrink: bool,
    /// Print which known differences each line of explained.tsv covered, and how often.
    #[arg(long)]
    lines: bool,
    /// Fail if a line of explained.tsv that is not rare covered nothing: for a run of an hour.
    #[arg(long)]
    strict: bool,
}

/// How far a campaign goes.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// This many runs.
    Runs(u64),
    /// This long, and to the end of the run.
    Time(Duration),
}

/// Steps of one run, if `--steps` does not say.
const STEPS: u64 = 150;

/// What a campaign did.
#[derive(Default)]
pub(crate) struct Outcome {
    runs: usize,
    pub(crate) sent: usize,
    pub(crate) succeeded: usize,
    /// What each line of explained.tsv covered, by the line's number: command and codes, and how often.
    explained: BTreeMap<usize, BTreeMap<String, usize>>,
    aborted: usize,
    /// The first finding of each kind, and how often it came.
    pub(crate) findings: BTreeMap<String, (Difference, u64, usize)>,
}

impl Outcome {
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} runs, {} commands to each TPM, {} succeeded, {} explained differences, {} not explained, swtpm ended {} times",
            self.runs,
            self.sent,
            self.succeeded,
            self.explained.values().flat_map(BTreeMap::values).sum::<usize>(),
            self.findings.values().map(|(.., times)| times).sum::<usize>(),
            self.aborted
        )
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    prepare()?;
    println!("sigillo against {}", bench::peer::version()?);
    let outcome = match args.steps {
        Some(steps) => {
            let all: Vec<u64> =
                (0..steps).filter(|step| args.only.is_empty() || args.only.contains(step)).collect();
            let mut outcome = Outcome::default();
            episode(args.seed, &all, args.trace, &mut outcome)?;
            outcome
        }
        None => {
            let until = args.runs.map_or(Until::Time(Duration::from_secs(args.seconds)), Until::Runs);
            campaign(args.seed, until, args.trace)?
        }
    };
    for (difference, seed, times) in outcome.findings.values() {
        println!("\n{times} x {}", difference.report);
        if args.shrink {
            println!(
                "    needs --seed {seed} --steps {} --only {}",
                difference.step + 1,
                shrunk(*seed, difference)?
            );
        }
    }
    let mut stale = 0;
    for line in explained::lines()? {
        let covered = outcome.explained.get(&line.number);
        if covered.is_none() && !line.rare && (args.strict || outcome.sent >= MANY) {
            stale += 1;
            println!("nothing needed explained.tsv:{}: {}", line.number, line.text);
        }
        if args.lines {
            for (what, times) in covered.into_iter().flatten() {
                println!("{:4} {times:6} x {what}", line.number);
            }
        }
    }
    println!("{}", outcome.summary());
    let clean = outcome.findings.is_empty() && (stale == 0 || !args.strict);
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Commands after which it is worth saying which known differences did not come.
const MANY: usize = 100_000;

/// Installs what is compared with.
pub(crate) fn prepare() -> Result<()> {
    apt::ensure(&["swtpm", "libtpms0"])
}

/// Runs from a first seed on.
pub(crate) fn campaign(first: u64, until: Until, trace: bool) -> Result<Outcome> {
    let began = Instant::now();
    let mut outcome = Outcome::default();
    let steps: Vec<u64> = (0..STEPS).collect();
    for number in 0.. {
        let over = match until {
            Until::Runs(runs) => number >= runs,
            Until::Time(time) => began.elapsed() >= time,
        };
        if over {
            break;
        }
        episode(first.wrapping_add(number), &steps, trace, &mut outcome)?;
    }
    Ok(outcome)
}

fn episode(seed: u64, steps: &[u64], trace: bool, outcome: &mut Outcome) -> Result<()> {
    let mut run = Run::new(seed)?;
    run.trace = trace;
    outcome.runs += 1;
    for step in steps {
        match run.step(*step)? {
            None => {}
            Some(Event::Apart) => break,
            Some(Event::Aborted) => {
                outcome.aborted += 1;
                break;
            }
            Some(Event::Difference(difference)) => {
                let apart = difference.apart;
                let known = outcome.findings.entry(difference.signature.clone());
                known.or_insert((*difference, seed, 0)).2 += 1;
                if apart {
                    break;
                }
            }
        }
    }
    outcome.sent += run.sent;
    outcome.succeeded += run.succeeded;
    for (line, what) in run.explained {
        *outcome.explained.entry(line).or_default().entry(what).or_default() += 1;
    }
    Ok(())
}

/// The steps that are needed for a finding, as `--only` takes them.
fn shrunk(seed: u64, difference: &Difference) -> Result<String> {
    let finds = |steps: &[u64]| -> Result<bool> {
        let mut outcome = Outcome::default();
        episode(seed, steps, false, &mut outcome)?;
        Ok(outcome.findings.contains_key(&difference.signature))
    };
    let mut steps: Vec<u64> = (0..=difference.step).collect();
    let mut piece = steps.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + piece).min(steps.len()));
            if fewer.contains(&difference.step) && finds(&fewer)? {
                steps = fewer;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    Ok(steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}
