//! `sigillo vm delete`.
use super::{Done, confirm, host::Kept, output, progress::Waiting};
use serde_json::json;
use sigillo_messages::text;
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
            (None, _) => text!("delete-no-tpm"),
            (Some(_), false) => text!("delete-keeps-tpm"),
            (Some(_), true) => {
                text!("delete-with-tpm")
            }
        };
        let question = text!("delete-question", ?name, path = vm.path().display(), tpm);
        confirm::require(false, &question)?;
    }
    let kept = Kept::find()?;
    kept.sweep(home);
    let waiting = Waiting::show({
        let name = name.clone();
        move |so_far| text!("waiting-delete", name, seconds = so_far.as_secs())
    });
    let done = delete_vm(home, &mut vm, &kept.host(), args.with_tpm);
    drop(waiting);
    let done = done?;
    if output::is_json() {
        let place = done.kept.as_ref().map(|path| path.display().to_string());
        say!("{}", json!({ "deleted": name, "kept": place, "records_deleted": done.records }));
        return Ok(ExitCode::SUCCESS);
    }
    say!("{}", text!("deleted", name));
    if let Some(path) = &done.kept {
        say!("  {}", text!("deleted-tpm-kept", path = path.display()));
        say!("  {}", text!("deleted-tpm-back"));
        say!("  {}", text!("deleted-for-good", path = ?path.display().to_string()));
    }
    if args.with_tpm && done.records.is_empty() && vm.config().tpm.is_some() {
        say!("  {}", text!("deleted-record-kept"));
    }
    for record in &done.records {
        say!("  {}", text!("deleted-record", record));
    }
    Ok(ExitCode::SUCCESS)
}
