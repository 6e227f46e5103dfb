//! `sigillo tpm key list | add | remove | rotate | reencrypt | restore-record`: the ways into the store of a VM's TPM.
use super::{
    Done, Failure, audit, keychain, output,
    secret::{self, Unlock},
};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use sigillo_keychain::date;
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
        #[arg(long, value_name = "FILE")]
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
    #[arg(long, value_name = "FILE")]
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
                || say!("the passphrase is key {key_id} of {}", vm.name()),
            )
        }
        Command::Remove { args, key_id } => {
            let vm = home.open(&args.name)?;
            let keychain = keychain::of_host()?;
            let key_id = find(&list_keys(&vm, keychain.as_ref())?, &key_id)?;
            remove_key(&vm, keychain.as_ref(), &audit::log()?, key_id)?;
            output::report(
                || json!({ "removed": key_id.to_string() }),
                || say!("key {key_id} opens {} no more", vm.name()),
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
                    say!(
                        "{} can start again: the record {} is in this host's system keychain",
                        vm.name(),
                        done.record
                    );
                    say!(
                        "  it is key {}; the password before it opens the store still, in case it turns up",
                        done.key_id
                    );
                    say!("  to take that away: sigillo tpm key rotate {:?}", vm.name());
                    if done.suspended {
                        say!(
                            "  the TPM was suspended under the lost password: it goes on as after a loss of power"
                        );
                    }
                },
            )
        }
    }
}

fn run_reencrypt(home: &Home, anew: &Anew) -> Done {
    let vm = home.open(&anew.args.name)?;
    let keychain = keychain::of_host()?;
    let before = list_keys(&vm, keychain.as_ref())?;
    let had_passphrase = before.slots.iter().any(|slot| slot.kind == KeyKind::Passphrase);
    let wants_passphrase = anew.passphrase_file.is_some() || had_passphrase && !anew.no_passphrase;
    let passphrase =
        wants_passphrase.then(|| secret::new_passphrase(anew.passphrase_file.as_deref())).transpose()?;
    let code = if anew.no_recovery_code { None } else { Some(new_code()?) };
    let options =
        Reencrypt { algorithm: anew.cipher.map(Algorithm::from), recovery_code: code.clone(), passphrase };
    let done = reencrypt(&vm, keychain.as_ref(), &audit::log()?, options)?;
    let mut facts = rotated(&done.rotated);
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
            say!("the store of {} is sealed anew with {}", vm.name(), done.algorithm);
            say_rotated(&done.rotated);
            if let Some(key_id) = done.passphrase {
                say!("  the passphrase is key {key_id}");
            }
            if let (Some(code), Some(key_id)) = (&code, done.recovery_code) {
                say_recovery_code(code, key_id);
            }
            say!(
                "  snapshots and migration files made before hold the TPM under the old key: they cannot be gone back to"
            );
        },
    )
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
    say!("  recovery code (key {key_id}): write it down and keep it apart from this host");
    say!();
    say!("    {}", code.reveal().as_str());
    say!();
    say!(
        "  with it and the VM the TPM can be opened where its keychain record is lost: sigillo tpm key restore-record"
    );
    say!("  it is not shown again");
}

fn list(vm: &Bundle) -> Done {
    let keys = list_keys(vm, keychain::of_host()?.as_ref())?;
    let leftovers = keys.leftovers();
    let note = |slot: &SlotInfo| match (&keys.record, slot.key_id) {
        (RecordState::Opens(record), Some(key_id)) if *record == key_id => "the record on this host",
        (_, Some(key_id)) if leftovers.contains(&key_id) => "left by an interrupted change",
        (_, _) if slot.kind == KeyKind::Password => "its record is not on this host",
        (_, None) => "of a later version",
        _ => "",
    };
    if output::is_json() {
        say!("{}", as_value(vm, &keys, note));
        return Ok(ExitCode::SUCCESS);
    }
    say!("{:32}  {:14}  {:20}  NOTE", "KEY ID", "KIND", "ADDED");
    for slot in &keys.slots {
        let key_id = slot.key_id.map_or_else(|| "-".to_owned(), |key_id| key_id.to_string());
        let added = slot.created_unix_s.map_or_else(|| "-".to_owned(), date);
        say!("{key_id:32}  {:14}  {added:20}  {}", slot.kind.to_string(), note(slot));
    }
    let name = vm.name();
    match keys.record {
        RecordState::Opens(_) if leftovers.is_empty() => {}
        RecordState::Opens(_) => {
            say!("a change of the password was interrupted; `sigillo tpm key rotate {name:?}` clears up");
        }
        RecordState::Other(key_id) => say!(
            "the record {} on this host (key id {key_id}) is of another store; {name:?} does not start with it",
            keys.record_name
        ),
        RecordState::Missing => say!(
            "this host has no record {}; `sigillo tpm key restore-record {name:?}` makes one with the recovery code",
            keys.record_name
        ),
    }
    Ok(ExitCode::SUCCESS)
}

fn as_value<'a>(vm: &Bundle, keys: &KeyList, note: impl Fn(&SlotInfo) -> &'a str) -> Value {
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
            let how_many = if first.is_some() { "more than one key" } else { "no key" };
            Err(Failure::new(
                "SIG_ERR_TPM_KEY_UNKNOWN",
                format!(
                    "{how_many} of the store has an id that begins with {beginning:?}; nothing was removed; see `sigillo tpm key list`"
                ),
            ))
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
    say!("the record {} has a new password: key {}", done.record, done.new);
    say!("  key {} opens the store no more; other hosts that have the record need the new one", done.old);
    for key_id in &done.leftovers {
        say!("  key {key_id}, left by an interrupted change, is gone too");
    }
}
