//! `sigillo vm stop`.
use super::Done;
use sigillo_vm::{Home, Stop, Stopped, stop};
use std::{process::ExitCode, time::Duration};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    name: String,
    /// End it at once, as pulling the plug would
    #[arg(long)]
    force: bool,
    /// How many seconds the guest may take to shut down before it is ended
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let vm = home.open(&args.name)?;
    let how = stop(&vm, Stop { force: args.force, timeout: Duration::from_secs(args.timeout) })?;
    let name = vm.name();
    match how {
        Stopped::ByGuest => println!("{name} has shut down"),
        Stopped::ByQuit if args.force => println!("{name} was ended"),
        Stopped::ByQuit => println!("{name} did not shut down within {} s and was ended", args.timeout),
        Stopped::ByKill => println!("{name} did not answer and was killed"),
    }
    Ok(ExitCode::SUCCESS)
}
