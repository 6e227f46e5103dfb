//! The project's own commands: `cargo xtask <command>`. One module a command; this file only hands over.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people and logs")]

mod apt;
mod bench;
mod conformance;
mod coverage;
mod demo;
mod differential;
mod fuzz;
mod guest;
mod machine;
mod report;
mod scenario;
mod sh;
mod sim;
mod spec;
mod steps;
mod test;
mod tidy;
mod tour;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// From nothing to a virtual machine that boots under Secure Boot with its own TPM.
    Demo(demo::Args),
    /// Writes docs/tour.md: what a person does with two hosts and a VM, by doing it. Needs root.
    Tour(tour::Args),
    /// Every check there is; ends with one line, `N passed, N failed`.
    Test(test::Args),
    /// The same, as continuous integration runs it.
    Ci(test::Args),
    /// The same commands against Debian's swtpm, with ratios.
    Bench(bench::Args),
    /// Writes docs/coverage.md: every command of Part 3 and whether it is there.
    Coverage(coverage::Args),
    /// The same random commands to sigillo and to Debian's swtpm: the answers must be the same.
    Differential(differential::Args),
    /// The declarations in crates/types against the tables of Parts 2 and 3.
    Spec,
    /// The suites of the TPM world against sigillo and Debian's swtpm, with a table.
    Conformance(conformance::Args),
    /// Every fuzz target for a bounded time, on the stable toolchain.
    Fuzz(fuzz::Args),
    /// Random lives of a TPM with power cuts, broken disks and snapshots, checked after every step.
    Sim(sim::Args),
    /// The rules of the house that no compiler checks.
    Tidy,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Test(args) | Command::Ci(args) => test::run(&args),
        Command::Tour(args) => tour::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Coverage(args) => coverage::run(&args),
        Command::Differential(args) => differential::run(&args),
        Command::Spec => spec::run(),
        Command::Conformance(args) => conformance::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Tidy => tidy::run().map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
