//! `sigillo tpm key list | add | remove | rotate | reencrypt | restore-record`: the ways into the store of a VM's TPM.
use super::{
    Done, Failure, audit,
    host::Kept,
    keychain, output,
    secret::{self, Unlock},
};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use sigillo_keychain::date;
use sigillo_messages::text;
use sigillo_server::sandbox;
use sigillo_store::{Algorithm, Key, KeyId, KeyKind, RecoveryCode, SlotInfo};
use sigillo_vm::{
    Bundle, Home, KeyList, KeysError, RecordState, Reencrypt, add_key, list_keys, reencrypt, remove_key,
    restore_record, rotate,
};
use std::{path::PathBuf, process::ExitCode};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List what opens a TPM's store; needs no key, and the VM may run
    List(Args),
    /// Add a way into the store
    #[command(subcommand)]
    Add(Add),
    /// Remove a way into the store; never the last one, nor the password of this host's record
    Remove {
        #[command(flatten)]
        args: Args,
        /// The key's id, or as much of its beginning as no other key has
        key_id: String,
    },
    /// Give the store a new password, and the keychain record with it
    Rotate(Args),
    /// Seal the store under a new data key, and rotate its password; other keys than those given here are gone
    Reencrypt(Anew),
    /// Make a new password and keychain record with the recovery code or a passphrase, when the record is lost
    RestoreRecord {
        #[command(flatten)]
        args: Args,
        #[command(flatten)]
        unlock: Unlock,
        /// Replace a record of the VM that is there and belongs to another store
        #[arg(long)]
        replace: bool,
    },
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    name: String,
}

#[derive(Subcommand)]
pub(crate) enum Add {
    /// A recovery code, printed this once: write it down
    RecoveryCode(Args),
    /// A passphrase, asked for on the terminal
    Passphrase {
        #[command(flatten)]
        args: Args,
        /// Read it from the first line of a file, - for standard input
        #[arg(long = "from-file", alias = "passphrase-file", value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
pub(crate) struct Anew {
    #[command(flatten)]
    args: Args,
    /// The cipher [default: as it is]
    #[arg(long, value_enum)]
    cipher: Option<Cipher>,
    /// Make no recovery code for the new file
    #[arg(long)]
    no_recovery_code: bool,
    /// Read the passphrase for the new file from the first line of a file, - for standard input [default: asked for, if the
    /// store has one]
    #[arg(long = "from-file", alias = "passphrase-file", value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Leave the passphrase out
    #[arg(long, conflicts_with = "passphrase_file")]
    no_passphrase: bool,
}

/// What seals a store.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Cipher {
    /// AES-128-GCM.
    #[default]
    #[value(name = "aes-128")]
    Aes128,
    /// AES-256-GCM.
    #[value(name = "aes-256")]
    Aes256,
}

impl From<Cipher> for Algorithm {
    fn from(cipher: Cipher) -> Algorithm {
        match cipher {
            Cipher::Aes128 => Algorithm::Aes128Gcm,
            Cipher::Aes256 => Algorithm::Aes256Gcm,
        }
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        Self::new(error.code().to_owned(), error.to_string())
    }
}

pub(crate) fn run(home: &Home, command: Command) -> Done {
    // Best effort, as for every process with a key: one that may not lock its memory works all the same.
    let _ = sandbox::lock_memory();
    match command {
        Command::List(args) => list(&home.open(&args.name)?),
        Command::Add(Add::RecoveryCode(args)) => {
            let vm = home.open(&args.name)?;
            let (code, key_id) = add_recovery_code(&vm)?;
            let text = code.reveal();
            output::report(
                || json!({ "key_id": key_id.to_string(), "recovery_code": text.as_str() }),
                || say_recovery_code(&code, key_id),
            )
        }
        Command::Add(Add::Passphrase { args, passphrase_file }) => {
            let vm = home.open(&args.name)?;
            let passphrase = Key::Passphrase(secret::new_passphrase(passphrase_file.as_deref())?);
            let key_id = add_key(&vm, keychain::of_host()?.as_ref(), &audit::log()?, &passphrase)?;
            output::report(
                || json!({ "key_id": key_id.to_string() }),
                || say!("{}", text!("passphrase-is-key", key_id, vm = vm.name())),
            )
        }
        Command::Remove { args, key_id } => {
            let vm = home.open(&args.name)?;
            let keychain = keychain::of_host()?;
            let key_id = find(&list_keys(&vm, keychain.as_ref())?, &key_id)?;
            remove_key(&vm, keychain.as_ref(), &audit::log()?, key_id)?;
            output::report(
                || json!({ "removed": key_id.to_string() }),
                || say!("{}", text!("key-opens-no-more", key_id, vm = vm.name())),
            )
        }
        Command::Rotate(args) => {
            let vm = home.open(&args.name)?;
            let done = rotate(&vm, keychain::of_host()?.as_ref(), &audit::log()?)?;
            output::report(|| rotated(&done), || say_rotated(&done))
        }
        Command::Reencrypt(anew) => run_reencrypt(home, &anew),
        Command::RestoreRecord { args, unlock, replace } => {
            let vm = home.open(&args.name)?;
            let keychain = keychain::of_host()?;
            let done = restore_record(&vm, keychain.as_ref(), &audit::log()?, &unlock.key()?, replace)?;
            let facts = json!({
                "record": done.record,
                "key_id": done.key_id.to_string(),
                "suspended_state_lost": done.suspended,
            });
            output::report(
                move || facts,
                || {
                    say!("{}", text!("record-restored", vm = vm.name(), record = done.record));
                    say!("  {}", text!("record-restored-key", key_id = done.key_id));
                    say!("  {}", text!("record-restored-rotate", vm = ?vm.name()));
                    if done.suspended {
                        say!("  {}", text!("record-restored-suspended"));
                    }
                },
            )
        }
    }
}

fn run_reencrypt(home: &Home, anew: &Anew) -> Done {
    let vm = home.open(&anew.args.name)?;
    let kept = Kept::find()?;
    let before = list_keys(&vm, kept.keychain.as_ref())?;
    let had_passphrase = before.slots.iter().any(|slot| slot.kind == KeyKind::Passphrase);
    let wants_passphrase = anew.passphrase_file.is_some() || had_passphrase && !anew.no_passphrase;
    let passphrase =
        wants_passphrase.then(|| secret::new_passphrase(anew.passphrase_file.as_deref())).transpose()?;
    let code = if anew.no_recovery_code { None } else { Some(new_code()?) };
    let options =
        Reencrypt { algorithm: anew.cipher.map(Algorithm::from), recovery_code: code.clone(), passphrase };
    let done = reencrypt(&vm, &kept.host(), options)?;
    for event in &done.events {
        note!("{event}");
    }
    let mut facts = done.rotated.as_ref().map_or_else(|_| json!({}), rotated);
    if let Value::Object(facts) = &mut facts {
        let id = |key_id: Option<KeyId>| json!(key_id.map(|key_id| key_id.to_string()));
        facts.insert("cipher".into(), json!(done.algorithm.to_string()));
        facts.insert("passphrase_key_id".into(), id(done.passphrase));
        facts.insert("recovery_key_id".into(), id(done.recovery_code));
        facts.insert("recovery_code".into(), json!(code.as_ref().map(|code| code.reveal().to_string())));
    }
    output::report(
        move || facts,
        || {
            say!("{}", text!("store-sealed-anew", vm = vm.name(), algorithm = done.algorithm));
            if let Ok(rotated) = &done.rotated {
                say_rotated(rotated);
            }
            if let Some(key_id) = done.passphrase {
                say!("  {}", text!("passphrase-key", key_id));
            }
            if let (Some(code), Some(key_id)) = (&code, done.recovery_code) {
                say_recovery_code(code, key_id);
            }
            say!("  {}", text!("store-sealed-anew-snapshots"));
        },
    )?;
    // The recovery code was shown this once, whatever became of the rest.
    done.rotated?;
    Ok(ExitCode::SUCCESS)
}

fn new_code() -> Result<RecoveryCode, Failure> {
    RecoveryCode::generate().map_err(|error| Failure::new(error.code(), error.to_string()))
}

/// Adds a recovery code to a VM's TPM.
pub(crate) fn add_recovery_code(vm: &Bundle) -> Result<(RecoveryCode, KeyId), Failure> {
    let code = new_code()?;
    let key_id =
        add_key(vm, keychain::of_host()?.as_ref(), &audit::log()?, &Key::RecoveryCode(code.clone()))?;
    Ok((code, key_id))
}

/// Shows a recovery code, this once.
pub(crate) fn say_recovery_code(code: &RecoveryCode, key_id: KeyId) {
    say!("  {}", text!("recovery-code-shown", key_id));
    say!();
    say!("    {}", code.reveal().as_str());
    say!();
    say!("  {}", text!("recovery-code-use"));
    say!("  {}", text!("recovery-code-once"));
}

fn list(vm: &Bundle) -> Done {
    let keys = list_keys(vm, keychain::of_host()?.as_ref())?;
    let leftovers = keys.leftovers();
    let note = |slot: &SlotInfo| match (&keys.record, slot.key_id) {
        (RecordState::Opens(record), Some(key_id)) if *record == key_id => text!("key-note-record"),
        (_, Some(key_id)) if leftovers.contains(&key_id) => text!("key-note-leftover"),
        (_, _) if slot.kind == KeyKind::Password => text!("key-note-elsewhere"),
        (_, None) => text!("of-later-version"),
        _ => String::new(),
    };
    if output::is_json() {
        say!("{}", as_value(vm, &keys, note));
        return Ok(ExitCode::SUCCESS);
    }
    let (id, kind, added) = (text!("head-key-id"), text!("head-kind"), text!("head-added"));
    let kinds = output::width(14, keys.slots.iter().map(|slot| slot.kind));
    say!("{id:32}  {kind:kinds$}  {added:20}  {}", text!("head-note"));
    for slot in &keys.slots {
        let key_id = slot.key_id.map_or_else(|| "-".to_owned(), |key_id| key_id.to_string());
        let added = slot.created_unix_s.map_or_else(|| "-".to_owned(), date);
        say!("{key_id:32}  {:kinds$}  {added:20}  {}", slot.kind.to_string(), note(slot));
    }
    let name = vm.name();
    match keys.record {
        RecordState::Opens(_) if leftovers.is_empty() => {}
        RecordState::Opens(_) => {
            say!("{}", text!("key-change-interrupted", ?name));
        }
        RecordState::Other(key_id) => {
            say!("{}", text!("key-record-other", record = keys.record_name, key_id, ?name));
        }
        RecordState::Missing => say!("{}", text!("key-record-missing", record = keys.record_name, ?name)),
    }
    Ok(ExitCode::SUCCESS)
}

fn as_value(vm: &Bundle, keys: &KeyList, note: impl Fn(&SlotInfo) -> String) -> Value {
    let (state, record) = match keys.record {
        RecordState::Opens(key_id) => ("opens", Some(key_id)),
        RecordState::Other(key_id) => ("other-store", Some(key_id)),
        RecordState::Missing => ("missing", None),
    };
    let slots: Vec<Value> = keys
        .slots
        .iter()
        .map(|slot| {
            json!({
                "key_id": slot.key_id.map(|key_id| key_id.to_string()),
                "kind": slot.kind.to_string(),
                "added": slot.created_unix_s.map(date),
                "note": note(slot),
            })
        })
        .collect();
    json!({
        "vm": vm.name(),
        "cipher": keys.algorithm.to_string(),
        "record": keys.record_name,
        "record_state": state,
        "record_key_id": record.map(|key_id| key_id.to_string()),
        "interrupted": !keys.leftovers().is_empty(),
        "keys": slots,
    })
}

/// The key whose id begins so.
fn find(keys: &KeyList, beginning: &str) -> Result<KeyId, Failure> {
    let wanted = beginning.to_lowercase();
    let mut found = keys
        .slots
        .iter()
        .filter_map(|slot| slot.key_id)
        .filter(|key_id| !wanted.is_empty() && key_id.to_string().starts_with(&wanted));
    match (found.next(), found.next()) {
        (Some(key_id), None) => Ok(key_id),
        (first, _) => {
            let found = u32::from(first.is_some());
            Err(Failure::new("SIG_ERR_TPM_KEY_UNKNOWN", text!("key-id-unknown", #found, ?beginning)))
        }
    }
}

fn rotated(done: &sigillo_vm::Rotated) -> Value {
    json!({
        "record": done.record,
        "old_key_id": done.old.to_string(),
        "new_key_id": done.new.to_string(),
        "leftovers_removed": done.leftovers.iter().map(KeyId::to_string).collect::<Vec<_>>(),
    })
}

fn say_rotated(done: &sigillo_vm::Rotated) {
    say!("{}", text!("rotated", record = done.record, key_id = done.new));
    say!("  {}", text!("rotated-old", key_id = done.old));
    for key_id in &done.leftovers {
        say!("  {}", text!("rotated-leftover", key_id));
    }
}
