//! `sigillo vm clone`.
use super::{Done, Failure, host::Kept, key, output, progress::Bar, tpm};
use clap::ValueEnum;
use serde_json::json;
use sigillo_messages::{text, words};
use sigillo_server::sandbox;
use sigillo_store::RecoveryCode;
use sigillo_vm::{CloneTpm, CloneVm, Home, clone_vm, loss};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    name: String,
    /// The new VM's name
    new: String,
    /// What becomes of the TPM: the clone gets a new one, a copy of the same one, or none
    #[arg(long, value_enum, default_value_t = TpmArg::Replace)]
    tpm: TpmArg,
    /// Make no recovery code for the new store: then only the clone's keychain record opens it
    #[arg(long)]
    no_recovery_code: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TpmArg {
    Replace,
    Copy,
    None,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    // Best effort, as for every process with a key.
    let _ = sandbox::lock_memory();
    let mut vm = home.open(&args.name)?;
    let kept = Kept::find()?;
    kept.sweep(home);
    let has_tpm = vm.config().tpm.clone();
    let tpm = match (args.tpm, &has_tpm) {
        (TpmArg::None, _) | (TpmArg::Replace, None) => CloneTpm::None,
        (TpmArg::Copy, _) => CloneTpm::Copy,
        (TpmArg::Replace, Some(tpm)) => {
            let (profile, state) = tpm::manufactured(tpm.profile.as_deref())?;
            CloneTpm::Replace { state, profile }
        }
    };
    let code = if has_tpm.is_some() && args.tpm != TpmArg::None && !args.no_recovery_code {
        Some(RecoveryCode::generate().map_err(|e| Failure::new(e.code(), e.to_string()))?)
    } else {
        None
    };
    let options = CloneVm { name: args.new.clone(), tpm, recovery_code: code.clone() };
    let mut bar = Bar::new();
    let done = clone_vm(home, &mut vm, &kept.host(), &options, &mut |done, total| {
        bar.at(words!("step-cloning"), done, total);
    })?;
    drop(bar);
    if output::is_json() {
        let report = json!({
            "name": done.vm.name(),
            "uuid": done.vm.config().uuid.to_string(),
            "bundle": done.vm.path().display().to_string(),
            "record": done.record,
            "left_out": done.left_out,
            "recovery_code": code.as_ref().filter(|_| done.recovery_key.is_some()).map(|code| code.reveal().to_string()),
            "recovery_key_id": done.recovery_key.map(|key_id| key_id.to_string()),
        });
        say!("{report}");
        return Ok(ExitCode::SUCCESS);
    }
    say!("{}", text!("cloned", clone = done.vm.name(), uuid = done.vm.config().uuid, vm = vm.name()));
    match (args.tpm, &done.record) {
        (_, None) if has_tpm.is_none() => say!("  {}", text!("cloned-without-tpm", vm = vm.name())),
        (TpmArg::None, _) | (_, None) => {
            say!("  {}", text!("cloned-no-tpm"));
            say!("  {}", text!("cloned-add-tpm", clone = ?done.vm.name()));
        }
        (TpmArg::Replace, Some(record)) => {
            say!("  {}", text!("cloned-new-tpm", vm = vm.name(), loss = loss()));
            say!("  {}", text!("cloned-record", record));
        }
        (TpmArg::Copy, Some(record)) => {
            say!("  {}", text!("cloned-same-tpm", vm = vm.name()));
            say!("    {}", text!("cloned-same-attestation"));
            say!("    {}", text!("cloned-same-counters"));
            say!("    {}", text!("cloned-same-advice"));
            say!("  {}", text!("cloned-record", record));
        }
    }
    if let (Some(code), Some(key_id)) = (&code, done.recovery_key) {
        key::say_recovery_code(code, key_id);
    }
    say_left_out(&done.left_out);
    Ok(ExitCode::SUCCESS)
}

/// What of a bundle did not come along.
pub(super) fn say_left_out(names: &[String]) {
    for name in names {
        say!("  {}", text!("not-taken-along", name));
    }
}
