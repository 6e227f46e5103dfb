//! `sigillo vm export` and `sigillo vm import`.
use super::{Done, Failure, clone::say_left_out, host::Kept, output, progress::Bar};
use serde_json::json;
use sigillo_messages::{text, words};
use sigillo_vm::{Error, Home, RecordState, export_vm, import_vm, list_keys, record_name};
use std::{path::PathBuf, process::ExitCode};

#[derive(clap::Args)]
pub(crate) struct Export {
    /// The VM's name or UUID
    name: String,
    /// The new file
    file: PathBuf,
}

#[derive(clap::Args)]
pub(crate) struct Import {
    /// What `vm export` wrote
    file: PathBuf,
    /// How the VM is called here [default: as it was]
    #[arg(long)]
    name: Option<String>,
}

pub(crate) fn export(home: &Home, args: &Export) -> Done {
    let mut vm = home.open(&args.name)?;
    Kept::find()?.sweep(home);
    let mut bar = Bar::new();
    let done =
        export_vm(&mut vm, &args.file, &mut |done, total| bar.at(words!("step-exporting"), done, total))?;
    drop(bar);
    if output::is_json() {
        say!(
            "{}",
            json!({ "file": args.file.display().to_string(), "manifest": done.manifest, "left_out": done.left_out })
        );
        return Ok(ExitCode::SUCCESS);
    }
    say!("{}", text!("exported", vm = vm.name(), file = args.file.display()));
    say_left_out(&done.left_out);
    if let Some(record) = &done.manifest.record {
        say!("  {}", text!("exported-record", record));
        say!("  {}", text!("exported-bring"));
        say!("               sigillo keychain copy '{record}' --from system --to carry.kdbx");
    }
    // A TPM, or a backup of one.
    if done.manifest.members.iter().any(|member| member.name.starts_with("tpm.store")) {
        say!("  {}", text!("exported-once"));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn import(home: &Home, args: &Import) -> Done {
    let kept = Kept::find()?;
    kept.sweep(home);
    let mut bar = Bar::new();
    let vm = import_vm(home, &args.file, args.name.as_deref(), &mut |done, total| {
        bar.at(words!("step-importing"), done, total);
    });
    drop(bar);
    let vm = vm.map_err(|error| match &error {
        Error::Exists { path } => {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let text = text!("import-name-taken", name = ?name, path = path.display());
            Failure::new(error.code().to_owned(), text)
        }
        _ => error.into(),
    })?;
    let name = vm.name();
    let encrypted = vm.config().tpm.as_ref().is_some_and(|tpm| tpm.encrypted);
    // That the keychain cannot be read is told when the VM starts; it is imported all the same.
    let state =
        if encrypted { list_keys(&vm, kept.keychain.as_ref()).map(|keys| keys.record).ok() } else { None };
    let word = match &state {
        Some(RecordState::Opens(_)) => "here",
        Some(RecordState::Other(_)) => "of another store",
        Some(RecordState::Missing) => "missing",
        None => "unknown",
    };
    let record = record_name(&vm.config().uuid);
    if output::is_json() {
        let record = encrypted.then(|| json!({ "name": record, "state": word }));
        say!(
            "{}",
            json!({
                "name": name,
                "uuid": vm.config().uuid.to_string(),
                "bundle": vm.path().display().to_string(),
                "record": record,
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    say!("{}", text!("imported", name, uuid = vm.config().uuid, path = vm.path().display()));
    if !encrypted {
        return Ok(ExitCode::SUCCESS);
    }
    match state {
        Some(RecordState::Opens(key_id)) => {
            say!("  {}", text!("imported-record-here", key_id, quoted = ?name));
        }
        Some(RecordState::Other(key_id)) => {
            say!("  {}", text!("imported-record-other", record, key_id));
            say!("  {}", text!("imported-replace", key_id));
        }
        Some(RecordState::Missing) | None => {
            say!("  {}", text!("imported-record-missing", record));
            say!("  sigillo keychain copy '{record}' --from carry.kdbx --to system");
        }
    }
    Ok(ExitCode::SUCCESS)
}
