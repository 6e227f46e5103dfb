//! `cargo xtask test` and `cargo xtask ci`: every check there is, one line at the end.
use crate::{
    report::Report,
    sh::Result,
    steps::{self, Context, Step},
};
use std::{process::ExitCode, time::Instant};

/// The options of both commands.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these steps, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "STEP")]
    only: Vec<String>,
    /// Not these steps
    #[arg(long, value_delimiter = ',', value_name = "STEP")]
    skip: Vec<String>,
    /// Name the steps and end
    #[arg(long)]
    list: bool,
}

/// Runs the steps asked for. A step that cannot run has failed; nothing is skipped by itself.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let all = steps::ALL;
    if args.list {
        for step in all {
            println!("{:12} {}", step.name, step.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    for name in args.only.iter().chain(&args.skip) {
        if !all.iter().any(|step| step.name == name) {
            return Err(format!("there is no step {name:?}; --list names them"));
        }
    }
    let chosen = |step: &&Step| {
        let named = |list: &[String]| list.iter().any(|name| name == step.name);
        (args.only.is_empty() || named(&args.only)) && !named(&args.skip)
    };
    let mut context = Context::default();
    let mut total = Report::new();
    let mut times = Vec::new();
    for step in all.iter().filter(chosen) {
        println!("\n== {}: {}", step.name, step.about);
        let started = Instant::now();
        let mut report = Report::new();
        if let Err(why) = (step.run)(&mut context, &mut report) {
            report.check("the step ran to its end", false, why);
        }
        times.push((step.name, report.passed(), report.failed(), started.elapsed().as_secs()));
        total.absorb(step.name, report);
    }
    println!();
    for (name, passed, failed, seconds) in times {
        println!("{name:12} {passed:5} passed {failed:3} failed {seconds:5} s");
    }
    total.print_failures();
    println!("{} passed, {} failed", total.passed(), total.failed());
    Ok(if total.failed() == 0 && total.passed() > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
