//! What a durable commit costs: NV_Write on both peers, and on the same disk what any program has to pay that writes a file durably.
//!
//! swtpm does not sync, so its row is what a write costs that a loss of power may undo. Nothing here passes or fails.

use super::{
    Pair, Peer, rounds,
    table::{microseconds, percentiles},
    workload,
};
use crate::sh::{self, Result};
use std::{
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

/// What a store writes for a small state: one bucket.
const BUCKET: usize = 16 * 1024;
const ROUNDS: u32 = 1000;

type Action<'a> = Box<dyn FnMut() -> Result<()> + 'a>;

pub(crate) fn run(peers: &mut Pair<Peer>, effort: f64) -> Result<String> {
    let dir = sh::target().join("bench").join("disk");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).map_err(|e| e.to_string())?;
    }
    sh::mkdir(&dir)?;
    let [ours, theirs] = peers;
    let mut rows: Vec<(&str, Action<'_>, Vec<Duration>)> = Vec::new();
    for (name, peer) in [("sigillo NV_Write 64", ours), ("swtpm NV_Write 64 (no sync)", theirs)] {
        let mut action = workload::nv_write(&mut peer.client)?;
        rows.push((name, Box::new(move || action(&mut peer.client)), Vec::new()));
    }
    rows.push(("append 16 KiB + fdatasync", append(&dir)?, Vec::new()));
    rows.push(("16 KiB in place + fdatasync", in_place(&dir)?, Vec::new()));
    rows.push(("temp + fsync + rename + fsync", renamed(&dir)?, Vec::new()));
    let count = rounds(ROUNDS, effort);
    for round in 0..count + count / 10 + 1 {
        for (_, action, times) in &mut rows {
            let start = Instant::now();
            action()?;
            // The first rounds warm caches.
            if round > count / 10 {
                times.push(start.elapsed());
            }
        }
    }
    let mut text = String::from("durable commits, turn by turn on one disk, times in microseconds\n\n");
    let _ = writeln!(text, "{:<30} {:>8} {:>10} {:>10} {:>12}", "what", "rounds", "p50", "p99", "a second");
    let mut medians = Vec::new();
    for (name, _, times) in rows {
        let rounds = times.len();
        let total: Duration = times.iter().sum();
        let [median, p99] = percentiles(microseconds(times), [50, 99]);
        #[allow(clippy::cast_precision_loss, reason = "a small count")]
        let a_second = rounds as f64 / total.as_secs_f64();
        let _ = writeln!(text, "{name:<30} {rounds:>8} {median:>10.1} {p99:>10.1} {a_second:>12.0}");
        medians.push(median);
    }
    if let [ours, _, append, _, renamed] = medians[..] {
        let _ = writeln!(
            text,
            "sigillo's median by that of an append: {:.2}; by that of the renamed file: {:.2}",
            ours / append,
            ours / renamed
        );
    }
    Ok(text)
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("the disk under target/: {error}")
}

/// The least a program can do for data of its own to be durable.
fn append(dir: &Path) -> Result<Action<'static>> {
    let mut file = OpenOptions::new().append(true).create(true).open(dir.join("log")).map_err(failed)?;
    Ok(Box::new(move || {
        file.write_all(&[5; BUCKET]).map_err(failed)?;
        file.sync_data().map_err(failed)
    }))
}

/// What the store does, without a TPM, sealing or a socket.
fn in_place(dir: &Path) -> Result<Action<'static>> {
    use std::os::unix::fs::FileExt;
    let mut file = File::create(dir.join("slots")).map_err(failed)?;
    file.write_all(&vec![0; 2 * 128 * 1024]).and_then(|()| file.sync_all()).map_err(failed)?;
    let mut slot = 0;
    Ok(Box::new(move || {
        slot = 1 - slot;
        file.write_all_at(&[5; BUCKET], slot * 128 * 1024).map_err(failed)?;
        file.sync_data().map_err(failed)
    }))
}

/// How most programs replace a file.
fn renamed(dir: &Path) -> Result<Action<'static>> {
    let handle = File::open(dir).map_err(failed)?;
    let (temporary, path) = (dir.join(".state.new"), dir.join("state"));
    Ok(Box::new(move || {
        let mut file = File::create(&temporary).map_err(failed)?;
        file.write_all(&[5; BUCKET]).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&temporary, &path).map_err(failed)?;
        handle.sync_all().map_err(failed)
    }))
}
