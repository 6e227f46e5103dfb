//! `sigillo vm delete`.
use super::{Done, confirm, host::Kept, output};
use serde_json::json;
use sigillo_vm::{Home, delete_vm, require_deletable};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    name: String,
    /// Delete its TPM and its keychain record as well; without this they are kept
    #[arg(long)]
    with_tpm: bool,
    /// Also where snapshots or the memory of a suspended guest go with it
    #[arg(long)]
    with_snapshots: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let mut vm = home.open(&args.name)?;
    let name = vm.name().to_owned();
    require_deletable(&vm, args.with_snapshots)?;
    if !args.yes {
        let tpm = match (&vm.config().tpm, args.with_tpm) {
            (None, _) => "It has no TPM.",
            (Some(_), false) => "Its TPM is kept, and can be brought back.",
            (Some(_), true) => {
                "Its TPM and its keychain record go as well: what a guest sealed to it, here or in a copy elsewhere, can be \
                 opened with recovery keys only."
            }
        };
        let question =
            format!("This deletes VM {name:?} in {} with its disks. {tpm}\nDelete it?", vm.path().display());
        confirm::require(false, &question)?;
    }
    let kept = Kept::find()?;
    kept.sweep(home);
    let done = delete_vm(home, &mut vm, &kept.host(), args.with_tpm)?;
    if output::is_json() {
        let place = done.kept.as_ref().map(|path| path.display().to_string());
        say!("{}", json!({ "deleted": name, "kept": place, "records_deleted": done.records }));
        return Ok(ExitCode::SUCCESS);
    }
    say!("{name} is deleted");
    if let Some(path) = &done.kept {
        say!("  its TPM is kept in {}, and its keychain record where it was", path.display());
        say!(
            "  when a VM of its UUID is here again, by `sigillo vm import`, `sigillo tpm restore-backup NAME` gives it this TPM"
        );
        say!("  to delete it for good: sigillo vm delete --with-tpm {:?}", path.display().to_string());
    }
    if args.with_tpm && done.records.is_empty() && vm.config().tpm.is_some() {
        say!("  its keychain record was kept: it opens no store of this VM, or another VM here needs it");
    }
    for record in &done.records {
        say!("  its keychain record {record} is deleted");
    }
    Ok(ExitCode::SUCCESS)
}
