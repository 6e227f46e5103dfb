//! `cargo xtask conformance`: the suites that the TPM world itself uses, against sigillo and against Debian's swtpm in the
//! same run. docs/conformance.md says how to repeat it and explains every difference.
mod esapi;
mod explained;
mod guest;
mod outcome;
mod peer;
mod pytss;
mod record;
mod script;
mod tools;

use crate::{
    apt,
    report::Report,
    sh::{self, Result},
    steps::{Context, work_dir},
};
use explained::Explained;
use outcome::{Counts, Outcomes, Verdict};
use peer::Peer;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

/// One body of tests that others wrote, or that we wrote for programs of others.
struct Suite {
    /// For `--only`, the table and docs/conformance.md.
    name: &'static str,
    /// In a few words.
    about: &'static str,
    /// Debian's packages that it needs.
    packages: &'static [&'static [&'static str]],
    /// Part of `cargo xtask test`.
    quick: bool,
    /// Runs every test against one TPM.
    run: fn(&Place, &Peer) -> Result<Outcomes>,
}

const SUITES: &[Suite] = &[
    pytss::SUITE,
    esapi::SUITE,
    script::OPENSSL,
    script::PKCS11,
    script::CLEVIS,
    script::TSS2,
    guest::KSELFTEST,
    guest::CRYPTENROLL,
    tools::SUITE,
];

/// Where a suite works.
struct Place {
    /// Kept from run to run: what was downloaded and built.
    dir: PathBuf,
    /// For the reports of this suite against this TPM; empty at the start.
    results: PathBuf,
    /// Upstream's sources, where the suite runs from those.
    checkout: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these suites, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "SUITE")]
    only: Vec<String>,
    /// Only this TPM, without a comparison
    #[arg(long, value_parser = ["sigillo", "swtpm"])]
    peer: Option<String>,
    /// An upstream checkout of tpm2-tools at tag 5.4, for the suite of that name
    #[arg(long, value_name = "DIR")]
    tpm2_tools: Option<PathBuf>,
    /// This sigillo instead of a release build
    #[arg(long, value_name = "PROGRAM")]
    sigillo: Option<PathBuf>,
    /// Name the suites and end
    #[arg(long)]
    list: bool,
}

/// What one suite made of each TPM, in the order of the peers; nothing where it did not run to its end.
struct Row {
    suite: &'static str,
    outcomes: Vec<Option<Outcomes>>,
}

/// Runs the suites asked for. Fails when sigillo fails what swtpm passes, when a difference is not explained, and when a
/// suite does not run.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.list {
        for suite in SUITES {
            println!("{:14} {}", suite.name, suite.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(name) = args.only.iter().find(|name| !SUITES.iter().any(|suite| suite.name == **name)) {
        return Err(format!("there is no suite {name:?}; --list names them"));
    }
    apt::ensure(&["swtpm"])?;
    let bins = work_dir("conformance/bin")?;
    let sigillo = match &args.sigillo {
        Some(program) => std::path::absolute(program).map_err(|e| e.to_string())?,
        None => build()?,
    };
    let mut peers = vec![Peer::sigillo(&sigillo, &bins)?, Peer::swtpm(&bins)?];
    if let Some(only) = &args.peer {
        peers.retain(|peer| peer.name == only);
    }
    let mut rows = Vec::new();
    let mut broken = Vec::new();
    let wanted = |suite: &&Suite| match args.only.as_slice() {
        // Nothing is asked of a user who has no checkout.
        [] => suite.name != tools::SUITE.name || args.tpm2_tools.is_some(),
        only => only.iter().any(|name| name == suite.name),
    };
    for suite in SUITES.iter().filter(wanted) {
        let outcomes = peers
            .iter()
            .map(|peer| {
                // The others are still worth their hour.
                run_suite(suite, peer, args.tpm2_tools.as_deref()).map_err(|why| broken.push(why)).ok()
            })
            .collect();
        rows.push(Row { suite: suite.name, outcomes });
    }
    print_table(&peers, &rows);
    let explained = Explained::read()?;
    let unexplained = if peers.len() == 2 { print_differences(&rows, &explained) } else { 0 };
    for why in &broken {
        println!("did not run to its end: {why}");
    }
    Ok(if unexplained == 0 && broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The step of `cargo xtask test`: the quick suites against sigillo alone, every failure of which has to be explained.
pub(crate) fn step(context: &mut Context, report: &mut Report) -> Result<()> {
    let sigillo = Peer::sigillo(&context.sigillo()?, &work_dir("conformance/bin")?)?;
    let explained = Explained::read()?;
    for suite in SUITES.iter().filter(|suite| suite.quick) {
        for (test, verdict) in run_suite(suite, &sigillo, None)?.iter() {
            match verdict {
                Verdict::Passed => report.count_passed(),
                Verdict::Failed if explained.contains(suite.name, test) => {}
                Verdict::Failed => {
                    report.check(format!("{} {test}", suite.name), false, "");
                }
                Verdict::Skipped => {}
            }
        }
    }
    Ok(())
}

fn run_suite(suite: &Suite, peer: &Peer, checkout: Option<&Path>) -> Result<Outcomes> {
    println!("== {} against {}", suite.name, peer.name);
    apt::ensure(&suite.packages.concat())?;
    let started = Instant::now();
    let dir = work_dir(&format!("conformance/{}", suite.name))?;
    let results = dir.join(format!("results-{}", peer.name));
    empty(&results)?;
    let outcomes = (suite.run)(
        &Place { dir, results: results.clone(), checkout: checkout.map(Path::to_path_buf) },
        peer,
    )
    .map_err(|why| format!("{} against {}: {why}", suite.name, peer.name))?;
    if outcomes.is_empty() {
        return Err(format!("{} ran no test against {}; see {}", suite.name, peer.name, results.display()));
    }
    let lines: String = outcomes.iter().map(|(test, verdict)| format!("{verdict} {test}\n")).collect();
    sh::write(&results.join("outcomes.txt"), lines)?;
    println!("   {} in {} s; {}", outcomes.counts(), started.elapsed().as_secs(), results.display());
    Ok(outcomes)
}

/// A release build: some suites measure their patience in seconds.
fn build() -> Result<PathBuf> {
    println!("building sigillo");
    sh::pass(&mut sh::cargo(["build", "--quiet", "--release", "--package", "sigillo"]))?;
    std::path::absolute(sh::target().join("release/sigillo")).map_err(|e| e.to_string())
}

fn empty(dir: &Path) -> Result<()> {
    if dir.exists() {
        std::fs::remove_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    sh::mkdir(dir)
}

fn print_table(peers: &[Peer], rows: &[Row]) {
    println!(
        "\n| suite | {} |",
        peers.iter().map(|peer| peer.version.as_str()).collect::<Vec<_>>().join(" | ")
    );
    println!("|---|{}", "---|".repeat(peers.len()));
    for row in rows {
        let cells: Vec<String> = row
            .outcomes
            .iter()
            .map(|one| one.as_ref().map_or_else(|| "did not run".to_owned(), |one| one.counts().to_string()))
            .collect();
        println!("| {} | {} |", row.suite, cells.join(" | "));
    }
    for (at, peer) in peers.iter().enumerate() {
        let all = rows
            .iter()
            .filter_map(|row| row.outcomes.get(at)?.as_ref())
            .map(Outcomes::counts)
            .sum::<Counts>();
        println!("{}: {all}", peer.name);
    }
}

/// Names every test that came out differently; returns how many of them docs/conformance.md does not explain.
fn print_differences(rows: &[Row], explained: &Explained) -> usize {
    let mut unexplained = 0;
    for row in rows {
        let [Some(ours), Some(theirs)] = row.outcomes.as_slice() else { continue };
        for (test, our, their) in outcome::differences(ours, theirs) {
            let known = explained.contains(row.suite, test);
            unexplained += usize::from(!known);
            let note = if known { "explained in docs/conformance.md" } else { "NOT EXPLAINED" };
            println!("{} {test}: sigillo {our}, swtpm {their}: {note}", row.suite);
        }
        for test in explained.of(row.suite).filter(|test| outcome::same(ours, theirs, test)) {
            println!("{} {test}: docs/conformance.md explains a difference that is not there", row.suite);
        }
    }
    println!("{unexplained} differences are not explained");
    unexplained
}
