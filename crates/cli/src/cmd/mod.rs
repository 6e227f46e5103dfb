//! One module a command.
#[macro_use]
mod output;

mod audit;
mod availability;
mod check;
mod clone;
mod completions;
mod confirm;
mod console;
mod create;
mod delete;
mod diff;
mod doctor;
mod edit;
mod exit;
mod hardware;
mod help;
mod host;
mod info;
mod inspect;
mod key;
mod keychain;
mod list;
mod man;
mod notify;
mod place;
mod progress;
mod resume;
mod salvage;
mod secret;
pub(crate) mod serial_log;
mod snapshot;
mod start;
mod stop;
mod suspend;
pub(crate) mod swtpm;
mod tpm;
mod tpm_remove;
mod transfer;
mod undelete;
mod usage;
pub(crate) mod worker;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
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
    #[command(flatten)]
    output: output::Options,
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
    /// Where a virtual TPM can be had: on this host, or in a version of Parallels Desktop
    Availability(availability::Args),
    /// Tell what is wrong with this host and its virtual machines, and what to do; ends with 1 if there is an error
    Doctor(doctor::Args),
    /// Print the completions for a shell, for its own directory of them
    Completions(completions::Args),
    /// Print the manual, or write a page for every command
    Man(man::Args),
    /// Take swtpm's place: `sigillo swtpm socket --tpm2 ...`
    #[command(disable_help_flag = true)]
    Swtpm,
    /// One TPM behind inherited descriptors; started by `vm start`
    #[command(hide = true, disable_help_flag = true)]
    Worker,
    /// The serial log of one VM; started by `vm start`
    #[command(hide = true, disable_help_flag = true)]
    SerialLog,
}

#[derive(Subcommand)]
enum Vm {
    /// Make a virtual machine
    Create(Box<create::Args>),
    /// What a virtual machine lacks for Windows 11, and giving it that
    Check(check::Args),
    /// The devices of a virtual machine
    #[command(subcommand)]
    Hardware(hardware::Command),
    /// The TPM of a virtual machine
    #[command(subcommand)]
    Tpm(tpm::Command),
    /// Start a virtual machine
    Start(start::Args),
    /// The serial console of a running virtual machine, on this terminal
    Console(console::Args),
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
    /// Make a second virtual machine like one there is, with a TPM of its own
    Clone(clone::Args),
    /// Give a virtual machine another name
    Rename(place::Rename),
    /// Put a virtual machine into another directory, also on another file system
    Move(place::Move),
    /// Write a virtual machine to one file, for another host: all but the password of its TPM
    Export(transfer::Export),
    /// Make a virtual machine of a file that `vm export` wrote
    Import(transfer::Import),
    /// Delete a virtual machine with its disks; its TPM is kept, unless --with-tpm is given
    Delete(delete::Args),
    /// Make a VM of what was kept of a deleted one: its TPM, firmware variables and configuration, without disks
    Undelete(undelete::Args),
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
    output::choose_language();
    let read =
        help::described(Cli::command()).try_get_matches().and_then(|found| Cli::from_arg_matches(&found));
    match read {
        Ok(cli) => {
            cli.output.apply();
            output::end(dispatch(cli.command, cli.home.as_deref()))
        }
        Err(error) => output::misused(&error),
    }
}

fn dispatch(command: Command, home: Option<&Path>) -> Done {
    let home = Home::find(home);
    match command {
        Command::Vm(Vm::Create(args)) => create::run(&home, &args),
        Command::Vm(Vm::Check(args)) => check::run(&home, &args),
        Command::Vm(Vm::Hardware(command)) => hardware::run(&home, command),
        Command::Vm(Vm::Start(args)) => start::run(&home, &args),
        Command::Vm(Vm::Console(args)) => console::run(&home, &args),
        Command::Vm(Vm::Stop(args)) => stop::run(&home, &args),
        Command::Vm(Vm::Suspend(args)) => suspend::run(&home, &args),
        Command::Vm(Vm::Resume(args)) => resume::run(&home, &args),
        Command::Vm(Vm::Pause(args)) => suspend::hold(&home, &args),
        Command::Vm(Vm::Unpause(args)) => suspend::go_on(&home, &args),
        Command::Vm(Vm::Snapshot(command)) => snapshot::run(&home, command),
        Command::Vm(Vm::List(args)) => list::run(&home, &args),
        Command::Vm(Vm::Info(args)) => info::run(&home, &args),
        Command::Vm(Vm::Clone(args)) => clone::run(&home, &args),
        Command::Vm(Vm::Rename(args)) => place::rename(&home, &args),
        Command::Vm(Vm::Move(args)) => place::run_move(&home, &args),
        Command::Vm(Vm::Export(args)) => transfer::export(&home, &args),
        Command::Vm(Vm::Import(args)) => transfer::import(&home, &args),
        Command::Vm(Vm::Delete(args)) => delete::run(&home, &args),
        Command::Vm(Vm::Undelete(args)) => undelete::run(&home, &args),
        Command::Vm(Vm::Tpm(tpm)) | Command::Tpm(tpm) => tpm::run(&home, tpm),
        Command::Keychain(command) => keychain::run(&home, &command),
        Command::Audit(command) => audit::run(&command),
        Command::Availability(args) => availability::run(&args),
        Command::Doctor(args) => doctor::run(&home, &args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Swtpm => Ok(swtpm::run(&[])),
        Command::Worker => Ok(worker::run(&[])),
        Command::SerialLog => Ok(serial_log::run(&[])),
    }
}
