//! `cargo xtask demo`: the main job, on a fresh Debian 12 machine, in one command.
use crate::{
    apt, guest,
    report::{Report, Summary},
    scenario::{self, Setup},
    sh::{self, Result},
};
use std::{path::PathBuf, process::ExitCode};

/// The demo's options.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How the guest reaches its TPM
    #[arg(long, value_parser = ["crb", "tis"], default_value = "crb")]
    tpm_interface: String,
    /// Where the guest's images, the VM and its keychain go [default: `demo` in cargo's target directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Keep the VM of an earlier demo and make another one beside it
    #[arg(long)]
    keep: bool,
}

/// Runs the demo.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let dir = args.dir.clone().unwrap_or_else(|| sh::target().join("demo"));
    let dir = std::path::absolute(&dir).map_err(|e| e.to_string())?;
    apt::ensure(apt::GUEST)?;
    let sigillo = build_sigillo(&[])?;
    println!("building the guest in {}", dir.join("guest").display());
    let guest = guest::build(&dir.join("guest"))?;
    let mut setup =
        Setup { sigillo, dir: dir.clone(), name: "demo".to_owned(), interface: args.tpm_interface.clone() };
    make_room(&mut setup, args.keep)?;
    let mut report = Report::new();
    let mut summary = Summary::new();
    scenario::run(&setup, &guest, &mut report, &mut summary)?;
    setup.leave_for_the_user()?;
    summary.print();
    report.print_failures();
    println!("\n{} checks held, {} did not, in {} s", report.passed(), report.failed(), report.seconds());
    println!("\nThe VM is yours. A shell in it, with tpm2-tools, on this terminal:");
    println!(
        "  SIGILLO_HOME={} SIGILLO_KEYCHAIN_DIR={} {} vm start {} --serial",
        dir.join("vms").display(),
        dir.join("keychain").display(),
        setup.sigillo.display(),
        setup.name
    );
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the command line and returns where it is.
pub(crate) fn build_sigillo(features: &[&str]) -> Result<PathBuf> {
    println!("building sigillo");
    sh::pass(sh::cargo(["build", "--quiet", "--package", "sigillo"]).args(features))?;
    let path = std::path::absolute(sh::target().join("debug/sigillo")).map_err(|e| e.to_string())?;
    if path.exists() { Ok(path) } else { Err(format!("{} was not built", path.display())) }
}

/// Deletes the VM of an earlier run, or finds a free name beside it.
fn make_room(setup: &mut Setup, keep: bool) -> Result<()> {
    let mut number = 1;
    while setup.exists() {
        if keep {
            number += 1;
            setup.name = format!("demo-{number}");
        } else {
            setup.delete()?;
        }
    }
    Ok(())
}
