//! `cargo xtask bench`: the same commands through the same kind of socket against Debian's swtpm, interleaved in one run.
//!
//! Absolute times on a shared machine say little; the ratio of two medians taken turn by turn says something. Nothing here passes or
//! fails.

mod commit;
pub(crate) mod peer;
mod workload;

use crate::{
    apt,
    sh::{self, Result},
};
use peer::{Kind, Peer};
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};
use workload::Workload;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only workloads whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Multiplies the number of rounds.
    #[arg(long, default_value_t = 1.0)]
    effort: f64,
}

/// Both peers, sigillo first.
type Pair<T> = [T; 2];
const KINDS: Pair<Kind> = [Kind::Sigillo, Kind::Swtpm];

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    apt::ensure(&["swtpm", "libtpms0"])?;
    sh::pass(&mut sh::cargo(["build", "--quiet", "--release", "-p", "sigillo"]))?;
    let mut peers = [Peer::start(KINDS[0])?, Peer::start(KINDS[1])?];
    println!(
        "sigillo against {}, {} rounds of effort, times in microseconds\n",
        peer::version()?,
        args.effort
    );
    println!(
        "{:<30} {:>8} {:>10} {:>10} {:>10} {:>10} {:>7}",
        "command", "rounds", "sigillo", "p95", "swtpm", "p95", "ratio"
    );
    for workload in workload::all() {
        if args.only.as_ref().is_some_and(|only| !workload.name.to_lowercase().contains(&only.to_lowercase()))
        {
            continue;
        }
        let times = measure(&workload, &mut peers, args.effort)?;
        row(workload.name, &times);
    }
    if args.only.as_ref().is_none_or(|only| "commit".contains(&only.to_lowercase())) {
        commit::run(&mut peers, args.effort)?;
    }
    if args.only.is_none() {
        let mut starts = [Vec::new(), Vec::new()];
        for _ in 0..rounds(15, args.effort) {
            for (peer, times) in peers.iter_mut().zip(&mut starts) {
                times.push(peer.restart()?);
            }
        }
        row("start to first answer", &starts);
        memory(&peers)?;
    }
    println!("\nratio: median of sigillo by median of swtpm; below 1 sigillo is faster");
    Ok(ExitCode::SUCCESS)
}

fn rounds(count: u32, effort: f64) -> usize {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive count")]
    let rounds = (f64::from(count) * effort).round().max(1.0) as usize;
    rounds
}

/// Runs one workload on both peers in turn; who goes first changes every round.
fn measure(workload: &Workload, peers: &mut Pair<Peer>, effort: f64) -> Result<Pair<Vec<Duration>>> {
    let named = |kind: Kind| move |e: String| format!("{} on {}: {e}", workload.name, kind.name());
    let mut actions = Vec::new();
    for peer in peers.iter_mut() {
        actions.push((workload.prepare)(&mut peer.client).map_err(named(peer.kind))?);
    }
    let count = rounds(workload.rounds, effort);
    let mut times = [Vec::with_capacity(count), Vec::with_capacity(count)];
    for round in 0..count + count / 10 + 1 {
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for index in order {
            let peer = &mut peers[index];
            let start = Instant::now();
            actions[index](&mut peer.client).map_err(named(peer.kind))?;
            let time = start.elapsed();
            // The first rounds warm caches.
            if round > count / 10 {
                times[index].push(time);
            }
        }
    }
    for peer in peers.iter_mut() {
        peer.flush_transient()?;
    }
    Ok(times)
}

fn row(name: &str, times: &Pair<Vec<Duration>>) {
    let [ours, theirs] = times.clone().map(Summary::of);
    println!(
        "{name:<30} {:>8} {:>10.1} {:>10.1} {:>10.1} {:>10.1} {:>7.2}",
        times[0].len(),
        ours.median_us,
        ours.p95_us,
        theirs.median_us,
        theirs.p95_us,
        ours.median_us / theirs.median_us
    );
}

struct Summary {
    median_us: f64,
    p95_us: f64,
}

impl Summary {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
        let us = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e6);
        Self { median_us: us(at(50)), p95_us: us(at(95)) }
    }
}

fn memory(peers: &Pair<Peer>) -> Result<()> {
    let kib = [peers[0].pss_kib()?, peers[1].pss_kib()?];
    println!("\nmemory after the run (PSS): sigillo {} KiB, swtpm {} KiB", kib[0], kib[1]);
    let binary = sh::target().join("release/sigillo");
    let size = std::fs::metadata(&binary).map_err(|e| e.to_string())?.len();
    println!("size of the sigillo binary: {} KiB", size / 1024);
    Ok(())
}
