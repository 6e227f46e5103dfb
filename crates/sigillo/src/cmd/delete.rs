//! `sigillo vm delete`.
use super::Done;
use sigillo_vm::{Home, record_name, require_deletable};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    name: String,
    /// Also where snapshots or the memory of a suspended guest go with it
    #[arg(long)]
    with_snapshots: bool,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let vm = home.open(&args.name)?;
    let name = vm.name().to_owned();
    let record = vm.config().tpm.as_ref().map(|_| record_name(&vm.config().uuid));
    require_deletable(&vm, args.with_snapshots)?;
    vm.delete()?;
    println!("{name} is deleted");
    if let Some(record) = record {
        // A copy of the VM elsewhere, or a backup of it, can be opened with it and with nothing else.
        println!("its keychain record {record} was kept");
    }
    Ok(ExitCode::SUCCESS)
}
