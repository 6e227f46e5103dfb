//! `sigillo tpm remove`.
use super::{Done, confirm, host::Kept, output};
use serde_json::json;
use sigillo_messages::text;
use sigillo_vm::{Home, remove_tpm, require_removable};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    name: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    remove(home, &args.name, args.yes)
}

pub(super) fn remove(home: &Home, name: &str, yes: bool) -> Done {
    let mut vm = home.open(name)?;
    require_removable(&mut vm)?;
    let kept = Kept::find()?;
    note!("{}", text!("tpm-remove-warning", name = ?vm.name()));
    confirm::require(yes, &text!("tpm-remove-question"))?;
    let removed = remove_tpm(&mut vm, &kept.host())?;
    if output::is_json() {
        let all = json!({
            "vm": vm.name(),
            "backup": removed.backup.map(|path| path.display().to_string()),
            "record": removed.record,
            "secure_boot": removed.secure_boot,
        });
        say!("{all}");
        return Ok(ExitCode::SUCCESS);
    }
    say!("{}", text!("tpm-removed", name = vm.name()));
    match removed.backup {
        Some(backup) => {
            say!("  {}", text!("tpm-removed-backup", backup = backup.display()));
            say!("  {}", text!("tpm-removed-undo", name = ?vm.name()));
        }
        None => say!("  {}", text!("tpm-removed-no-backup")),
    }
    say!("  {}", text!("tpm-removed-record", record = removed.record));
    let state = if removed.secure_boot { text!("on") } else { text!("off") };
    say!("  {}", text!("tpm-removed-secure-boot", state));
    Ok(ExitCode::SUCCESS)
}
