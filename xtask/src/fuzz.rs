//! `cargo xtask fuzz`: the fuzz targets on the stable toolchain: the inputs that are kept in fuzz/seeds and the seeds that the targets make
//! themselves, each as it is, then random mutations of both for a bounded time.
//!
//! Not guided by coverage (that is `cargo fuzz`, see docs/fuzzing.md), but it runs everywhere, and a finding comes with the input that
//! made it.

use crate::{report::hex, sh::Result};
use sigillo_fuzz_targets::Target;
use sigillo_sample::Random;
use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::Path,
    process::ExitCode,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only targets whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Repeats a run.
    #[arg(long)]
    seed: Option<u64>,
    /// Writes what the targets begin with to fuzz/corpus, where `cargo fuzz` looks for it, and ends.
    #[arg(long, conflicts_with_all = ["seconds", "seed"])]
    write_corpus: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.write_corpus {
        return write_corpus(args.only.as_deref()).map(|()| ExitCode::SUCCESS);
    }
    let findings = campaign(args.only.as_deref(), Duration::from_secs(args.seconds), args.seed)?;
    Ok(if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A target by its name, and what it begins with.
type Named = (&'static str, Target, Vec<Vec<u8>>);

/// The targets whose name contains `only`, with the kept inputs before their own seeds.
fn targets(only: Option<&str>) -> Result<Vec<Named>> {
    let named = sigillo_fuzz_targets::all()
        .into_iter()
        .filter(|(name, _)| only.is_none_or(|only| name.contains(only)));
    named
        .map(|(name, (target, seeds))| {
            let mut inputs =
                sigillo_fuzz_targets::kept(name).map_err(|e| format!("fuzz/seeds/{name}: {e}"))?;
            inputs.extend(seeds);
            Ok((name, target, inputs))
        })
        .collect()
}

fn write_corpus(only: Option<&str>) -> Result<()> {
    for (name, _, inputs) in targets(only)? {
        let directory = Path::new("fuzz/corpus").join(name);
        let said = |e: std::io::Error| format!("{}: {e}", directory.display());
        fs::create_dir_all(&directory).map_err(said)?;
        for (number, input) in inputs.iter().enumerate() {
            fs::write(directory.join(format!("seed-{number:04}")), input).map_err(said)?;
        }
        println!("  {}: {} inputs", directory.display(), inputs.len());
    }
    Ok(())
}

/// Runs the targets two at a time; the number of targets with a finding.
pub(crate) fn campaign(only: Option<&str>, time: Duration, seed: Option<u64>) -> Result<usize> {
    let seed = match seed {
        Some(seed) => seed,
        None => {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).map_err(|e| e.to_string())?;
            u64::from_le_bytes(bytes)
        }
    };
    println!("fuzzing for {} s a target, --seed {seed}", time.as_secs());
    let targets = targets(only)?;
    let queue: Mutex<Vec<_>> = Mutex::new(targets.iter().rev().collect());
    let findings = Mutex::new(0);
    // A finding is reported below with its input; the default message would only interleave.
    panic::set_hook(Box::new(|_| {}));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.pop());
                    let Some((name, target, seeds)) = next else { break };
                    match attack(*target, seeds, time, seed) {
                        Outcome::Survived { runs } => println!("  {name}: {runs} inputs, no finding"),
                        Outcome::Found { input, said } => {
                            println!("  {name}: FINDING: {said}\n    input {}", hex(&input));
                            if let Ok(mut findings) = findings.lock() {
                                *findings += 1;
                            }
                        }
                    }
                }
            });
        }
    });
    let _ = panic::take_hook();
    findings.into_inner().map_err(|e| e.to_string())
}

enum Outcome {
    Survived { runs: u64 },
    Found { input: Vec<u8>, said: String },
}

/// Longer than this for one input is a finding: no parser and no single command sequence needs it.
const SLOW: Duration = Duration::from_secs(20);

fn attack(target: Target, seeds: &[Vec<u8>], time: Duration, seed: u64) -> Outcome {
    let mut random = Random::new(seed);
    let end = Instant::now() + time;
    let mut runs = 0;
    // Each seed once, whatever the time, then what it is mutated to.
    let mut given = std::iter::once(&Vec::new()).chain(seeds).cloned().collect::<Vec<_>>().into_iter();
    loop {
        let next = given.next();
        if next.is_none() && Instant::now() >= end {
            break;
        }
        let input = next.unwrap_or_else(|| mutated(seeds, &mut random));
        let start = Instant::now();
        if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| target(&input))) {
            let said = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_else(|| "a panic".to_owned());
            return Outcome::Found { input, said };
        }
        if start.elapsed() > SLOW {
            return Outcome::Found { input, said: format!("took {} s", start.elapsed().as_secs()) };
        }
        runs += 1;
    }
    Outcome::Survived { runs }
}

/// Some seeds in a row with some damage.
fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..=random.below(3) {
        if let Some(seed) = seeds.get(random.below(seeds.len().max(1))) {
            input.extend_from_slice(seed);
        }
    }
    for _ in 0..random.below(8) {
        let length = input.len();
        let at = random.below(length.max(1));
        match random.below(7) {
            0 => input.truncate(at),
            1 => input.insert(at.min(length), random.octet()),
            2 => {
                let interesting = [0, 1, 0x7F, 0x80, 0xFF, 0x10, 0x40];
                if let (Some(octet), Some(value)) = (input.get_mut(at), interesting.get(random.below(7))) {
                    *octet = *value;
                }
            }
            3 => input.extend((0..random.below(64)).map(|_| random.octet()).collect::<Vec<_>>()),
            4 if at < length => {
                input.remove(at);
            }
            5 => {
                let end = (at + random.below(32)).min(length);
                let piece = input.get(at..end).unwrap_or_default().to_vec();
                let to = random.below(length + 1);
                input.splice(to..to, piece);
            }
            _ => {
                let bit = 1 << random.below(8);
                if let Some(octet) = input.get_mut(at) {
                    *octet ^= bit;
                }
            }
        }
    }
    input
}
