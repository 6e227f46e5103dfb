//! `sigillo tpm salvage STORE --to NEW`: what can be had from a damaged store, in a new file.
use super::{Done, Failure, keychain, output, secret::Unlock};
use serde_json::json;
use sigillo_keychain::{RecordInfo, date};
use sigillo_messages::text;
use sigillo_server::sandbox;
use sigillo_store::{
    Key,
    salvage::{Lost, Wreck},
};
use std::{path::PathBuf, process::ExitCode};
use uuid::Uuid;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The damaged store, or a copy of it
    store: PathBuf,
    /// The new file, which must not be there
    #[arg(long, value_name = "NEW")]
    to: PathBuf,
    /// The VM the store is of [default: that of the keychain record that opens it]
    #[arg(long, value_name = "UUID")]
    vm: Option<Uuid>,
    /// Open it with a recovery code instead of a record of this host's keychain
    #[arg(long)]
    recovery_code: bool,
    #[command(flatten)]
    unlock: Unlock,
}

pub(crate) fn run(args: &Args) -> Done {
    // Best effort, as for every process with a key.
    let _ = sandbox::lock_memory();
    let failed = |code: &'static str, text: String| {
        Failure::new(code, text!("salvage-only-read", text, path = args.store.display()))
    };
    let wreck = Wreck::read(&args.store).map_err(|error| failed(error.code(), error.to_string()))?;
    let mut vm = args.vm.map(Uuid::into_bytes);
    let key = if args.recovery_code || args.unlock.is_given() {
        args.unlock.key()?
    } else if wreck.is_unencrypted() {
        Key::None
    } else {
        let keychain = keychain::of_host()?;
        let ids = wreck.key_ids();
        let record: Option<RecordInfo> =
            keychain.list()?.into_iter().find(|record| ids.contains(&record.key_id));
        match record {
            Some(record) => {
                vm = vm.or(Some(*record.name.vm_uuid()));
                Key::Password(keychain.get(&record.name)?.secret)
            }
            None => Key::None,
        }
    };
    let salvaged =
        wreck.salvage(&key, vm.as_ref()).map_err(|error| failed(error.code(), error.to_string()))?;
    salvaged.write_new(&args.to).map_err(|error| failed(error.code(), error.to_string()))?;
    let lost: Vec<String> = salvaged.lost.iter().map(Lost::to_string).collect();
    let committed = date(salvaged.committed_unix_s);
    if output::is_json() {
        say!(
            "{}",
            json!({
                "store": args.to.display().to_string(),
                "generation": salvaged.generation,
                "committed": committed,
                "state_bytes": salvaged.state_len,
                "key_id": salvaged.key_id.map(|key_id| key_id.to_string()),
                "lost": lost,
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    say!("{}", text!("salvaged", path = args.to.display(), commit = salvaged.generation, committed));
    if lost.is_empty() {
        say!("  {}", text!("salvaged-all"));
    }
    for line in &lost {
        say!("  {line}");
    }
    say!("  {}", text!("salvaged-keep", path = args.store.display()));
    Ok(ExitCode::SUCCESS)
}
