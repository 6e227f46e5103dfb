//! `sigillo vm start`.
use super::{Done, Failure, keychain};
use sigillo_vm::{Attach, Home, Start, start};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    name: String,
    /// Stay until the VM ends
    #[arg(long)]
    foreground: bool,
    /// Stay, with the guest's serial console on this terminal
    #[arg(long)]
    serial: bool,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let vm = home.open(&args.name)?;
    let attach = match (args.serial, args.foreground) {
        (true, _) => Attach::Serial,
        (false, true) => Attach::Foreground,
        (false, false) => Attach::Background,
    };
    let program = std::env::current_exe()
        .map_err(|e| Failure::new("SIG_ERR_IO", format!("cannot find myself: {e}")))?;
    let options = Start { attach, program };
    let started = start(&vm, &keychain::system()?, &options, &mut |accel| {
        // On stderr: with --serial, stdout is the guest's.
        eprintln!("{}: accelerator {} ({})", vm.name(), accel.accel.as_str(), accel.reason);
    })?;
    match started.ended {
        None => {
            println!("{} is running; serial console in {}", vm.name(), vm.serial_log()?.display());
            Ok(ExitCode::SUCCESS)
        }
        Some(status) if status.success() => Ok(ExitCode::SUCCESS),
        Some(status) => Err(Failure::new("SIG_ERR_VM_ENDED", format!("QEMU ended with {status}"))),
    }
}
