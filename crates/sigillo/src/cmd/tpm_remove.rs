//! `sigillo tpm remove`.
use super::{Done, confirm, host::Kept, output};
use serde_json::json;
use sigillo_vm::{Error, Home, remove_tpm};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    name: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// What a guest will ask for.
const WARNING: &str = "Without it Windows asks for the BitLocker recovery key at its next start (so read that key in the guest \
                       first: `manage-bde -protectors -get C:`), a Linux that unlocks LUKS with the TPM asks for its \
                       passphrase, and Windows Hello and certificates bound to the TPM have to be set up anew. Windows 11 gets \
                       no upgrades without a TPM.";

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    remove(home, &args.name, args.yes)
}

pub(super) fn remove(home: &Home, name: &str, yes: bool) -> Done {
    let mut vm = home.open(name)?;
    let config = vm.config();
    if config.tpm.is_none() && config.removed_tpm.is_none() {
        return Err(Error::NoTpm { name: vm.name().to_owned() }.into());
    }
    let kept = Kept::find()?;
    note!("The TPM of VM {:?} is to be removed. {WARNING}", vm.name());
    confirm::require(yes, "Its store is kept as a backup, and its record in the keychain. Remove it?")?;
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
    say!("{} has no TPM any more", vm.name());
    match removed.backup {
        Some(backup) => {
            say!("  its store is kept as {}", backup.display());
            say!("  `sigillo tpm restore-backup {:?}` brings it back as it was", vm.name());
        }
        None => say!("  its store was not there any more, so there is no backup of it"),
    }
    say!("  its password stays record {} in this host's system keychain", removed.record);
    say!("  Secure Boot stays {}", if removed.secure_boot { "on" } else { "off" });
    Ok(ExitCode::SUCCESS)
}
