//! The measurements themselves: commands turn by turn, starts, memory.

use super::{
    Pair,
    peer::{Kind, Peer},
    rounds,
    table::{Row, Summary},
    workload::{Action, Target, Workload},
};
use crate::sh::{self, Result, cmd};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Processor time is read once a part of a workload, not once a command: reading it takes longer than a small command.
pub(super) const PARTS: usize = 20;

/// Runs one workload on both peers in turn; who goes first changes every round.
pub(super) fn commands(workload: &Workload, peers: &mut Pair<Peer>, effort: f64) -> Result<Row> {
    let mut actions = Vec::new();
    for peer in peers.iter_mut() {
        actions.push((workload.prepare)(&mut peer.client).map_err(named(workload, peer.kind))?);
    }
    let count = rounds(workload.rounds, effort);
    // The first rounds warm caches.
    turns(workload, peers, &mut actions, count / 10 + 1)?;
    let mut times = [Vec::with_capacity(count), Vec::with_capacity(count)];
    let mut parts = [Vec::new(), Vec::new()];
    let part = count.div_ceil(PARTS);
    let mut done = 0;
    while done < count {
        let size = part.min(count - done);
        let before = processor(peers)?;
        for (all, more) in times.iter_mut().zip(turns(workload, peers, &mut actions, size)?) {
            all.extend(more);
        }
        let after = processor(peers)?;
        for (of, (before, after)) in parts.iter_mut().zip(before.into_iter().zip(after)) {
            of.push(Duration::from_nanos(after.saturating_sub(before)) / u32::try_from(size).unwrap_or(1));
        }
        done += size;
    }
    for peer in peers.iter_mut() {
        peer.flush_transient()?;
    }
    Ok(Row::new(workload.name, workload.target, times.map(Summary::of))
        .with_processor(parts.map(Summary::of)))
}

fn named(workload: &Workload, kind: Kind) -> impl Fn(String) -> String {
    let name = workload.name;
    move |error| format!("{name} on {}: {error}", kind.name())
}

fn turns(
    workload: &Workload,
    peers: &mut Pair<Peer>,
    actions: &mut [Action],
    count: usize,
) -> Result<Pair<Vec<Duration>>> {
    let mut times = [Vec::with_capacity(count), Vec::with_capacity(count)];
    for round in 0..count {
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for index in order {
            let peer = &mut peers[index];
            let start = Instant::now();
            actions[index](&mut peer.client).map_err(named(workload, peer.kind))?;
            times[index].push(start.elapsed());
        }
    }
    Ok(times)
}

fn processor(peers: &Pair<Peer>) -> Result<Pair<u64>> {
    Ok([peers[0].processor_ns()?, peers[1].processor_ns()?])
}

/// From the start of the process to its first answer.
pub(super) fn starts(peers: &mut Pair<Peer>, effort: f64, wanted: impl Fn(&str) -> bool) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    if wanted(NEW) {
        rows.push(started(NEW, effort, |index| {
            let kind = peers[index].kind;
            let (peer, time) = Peer::first_answer(kind, &format!("{}-new", kind.name()))?;
            Ok((time, peer.processor_ns()?))
        })?);
    }
    if wanted(EXISTING) {
        rows.push(started(EXISTING, effort, |index| {
            let peer = &mut peers[index];
            Ok((peer.restart()?, peer.processor_ns()?))
        })?);
    }
    Ok(rows)
}

/// `start` starts the peer of an index: how long until its first answer, and the processor time it took by then, in nanoseconds.
fn started(
    name: &'static str,
    effort: f64,
    mut start: impl FnMut(usize) -> Result<(Duration, u64)>,
) -> Result<Row> {
    let (mut times, mut processor) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..rounds(40, effort) {
        for index in [0, 1] {
            let (time, processor_ns) = start(index)?;
            times[index].push(time);
            processor[index].push(Duration::from_nanos(processor_ns));
        }
    }
    let row = Row::new(name, Target::AtMost(0.5), times.map(Summary::of));
    Ok(row.with_processor(processor.map(Summary::of)))
}

const NEW: &str = "start to first answer, new state";
const EXISTING: &str = "start to first answer, existing state";
pub(super) const IDLE: &str = "idle TPM, KiB of memory (PSS)";

/// The share of memory that each of a hundred TPMs has, all of one kind running at once, after an answer.
pub(super) fn idle(kinds: Pair<Kind>, effort: f64) -> Result<Row> {
    let mut shares = [Vec::new(), Vec::new()];
    for (kind, shares) in kinds.into_iter().zip(&mut shares) {
        let peers = (0..rounds(100, effort.min(1.0)))
            .map(|number| Peer::first_answer(kind, &format!("idle/{number}")))
            .collect::<Result<Vec<_>>>()?;
        for (peer, _) in &peers {
            #[allow(clippy::cast_precision_loss, reason = "far fewer")]
            shares.push(peer.pss_kib()? as f64);
        }
    }
    Ok(Row::new(IDLE, Target::AtMost(0.8), shares.map(Summary::of_numbers)))
}

/// The octets that the binary may have without its line tables. Issue 6; docs/adr/0031-size-and-sessions.md.
const BINARY: u64 = 8_000_000;

/// What else is said about size.
pub(super) fn memory(peers: &Pair<Peer>) -> Result<String> {
    let kib = [peers[0].pss_kib()?, peers[1].pss_kib()?];
    let octets = |path: &Path| std::fs::metadata(path).map(|file| file.len()).map_err(|e| e.to_string());
    let binary = sh::target().join("release/sigillo");
    let stripped = sh::target().join("bench/sigillo.stripped");
    sh::pass(cmd("strip", ["-o"]).arg(&stripped).arg(&binary))?;
    let size = octets(&stripped)?;
    let verdict = if size <= BINARY { "met" } else { "missed" };
    Ok(format!(
        "memory after all this (PSS): sigillo {} KiB, {} {} KiB\n\
         the sigillo binary, in octets: {size}, at most {BINARY}: {verdict}; with its line tables {}\n",
        kib[0],
        peers[1].kind.name(),
        kib[1],
        octets(&binary)?
    ))
}
