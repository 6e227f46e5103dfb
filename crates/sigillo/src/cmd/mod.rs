//! One module a command.
mod audit;
mod confirm;
mod create;
mod delete;
mod host;
mod info;
mod key;
mod keychain;
mod list;
mod resume;
mod salvage;
mod secret;
mod snapshot;
mod start;
mod stop;
mod suspend;
pub(crate) mod swtpm;
mod tpm;
mod watch;
pub(crate) mod worker;

use clap::{Parser, Subcommand};
use sigillo_vm::Home;
use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Virtual machines, each with its own TPM 2.0.
#[derive(Parser)]
#[command(name = "sigillo", version)]
struct Cli {
    /// The directory of the virtual machines [default: $SIGILLO_HOME, else /var/lib/sigillo/vms for root and
    /// ~/.local/share/sigillo/vms for others]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create, start, stop and list virtual machines
    #[command(subcommand)]
    Vm(Vm),
    /// The same as `vm tpm`
    #[command(subcommand)]
    Tpm(tpm::Command),
    /// The system keychain and its records
    #[command(subcommand)]
    Keychain(keychain::Command),
    /// What was done to TPMs and their records on this host
    #[command(subcommand)]
    Audit(audit::Command),
    /// Take swtpm's place: `sigillo swtpm socket --tpm2 ...`
    #[command(disable_help_flag = true)]
    Swtpm,
    /// One TPM behind inherited descriptors; started by `vm start`
    #[command(hide = true, disable_help_flag = true)]
    Worker,
}

#[derive(Subcommand)]
enum Vm {
    /// Make a virtual machine
    Create(create::Args),
    /// The TPM of a virtual machine
    #[command(subcommand)]
    Tpm(tpm::Command),
    /// Start a virtual machine
    Start(start::Args),
    /// Shut a virtual machine down
    Stop(stop::Args),
    /// Save a running virtual machine, its TPM included, and end its processes
    Suspend(suspend::Args),
    /// Go on from where a virtual machine was suspended, or paused
    Resume(resume::ResumeArgs),
    /// Hold a running virtual machine
    Pause(suspend::HoldArgs),
    /// Let a paused virtual machine run
    Unpause(suspend::HoldArgs),
    /// States of a virtual machine to go back to
    #[command(subcommand)]
    Snapshot(snapshot::Command),
    /// List virtual machines: those that run, with -a all
    List(list::Args),
    /// Show what a virtual machine is made of
    Info(info::Args),
    /// Delete a virtual machine with its disks and its TPM
    Delete(delete::Args),
}

/// A failure as it is printed: the code of `docs/errors.md` and a sentence.
pub(crate) struct Failure {
    code: Cow<'static, str>,
    text: String,
}

impl Failure {
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into() }
    }
}

impl From<sigillo_vm::Error> for Failure {
    fn from(error: sigillo_vm::Error) -> Self {
        Self::new(error.code().to_owned(), error.to_string())
    }
}

/// What a command returns.
type Done = Result<ExitCode, Failure>;

/// Parses the command line and runs what it says.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli.command, cli.home.as_deref()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("sigillo: {}: {}", failure.code, failure.text);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command, home: Option<&Path>) -> Done {
    let home = Home::find(home);
    match command {
        Command::Vm(Vm::Create(args)) => create::run(&home, args),
        Command::Vm(Vm::Start(args)) => start::run(&home, &args),
        Command::Vm(Vm::Stop(args)) => stop::run(&home, &args),
        Command::Vm(Vm::Suspend(args)) => suspend::run(&home, &args),
        Command::Vm(Vm::Resume(args)) => resume::run(&home, &args),
        Command::Vm(Vm::Pause(args)) => suspend::hold(&home, &args),
        Command::Vm(Vm::Unpause(args)) => suspend::go_on(&home, &args),
        Command::Vm(Vm::Snapshot(command)) => snapshot::run(&home, command),
        Command::Vm(Vm::List(args)) => list::run(&home, &args),
        Command::Vm(Vm::Info(args)) => info::run(&home, &args),
        Command::Vm(Vm::Delete(args)) => delete::run(&home, &args),
        Command::Vm(Vm::Tpm(tpm)) | Command::Tpm(tpm) => tpm::run(&home, tpm),
        Command::Keychain(command) => keychain::run(&home, &command),
        Command::Audit(command) => audit::run(&command),
        Command::Swtpm => Ok(swtpm::run(&[])),
        Command::Worker => Ok(worker::run(&[])),
    }
}
