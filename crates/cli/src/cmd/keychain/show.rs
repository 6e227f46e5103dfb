//! `sigillo keychain list` and `sigillo keychain show`.
use super::password::Source;
use super::{Done, Failure, audit, record_name};
use crate::cmd::output;
use serde_json::{Value, json};
use sigillo_keychain::audit::Act;
use sigillo_keychain::{Keychain, RecordInfo};
use sigillo_messages::{Words, text, words};
use sigillo_store::Store;
use sigillo_vm::{Bundle, Home, KeychainPlace};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use uuid::Uuid;

#[derive(clap::Args)]
pub(crate) struct List {
    /// A keychain file [default: this host's keychain]
    file: Option<PathBuf>,
    #[command(flatten)]
    password: Source,
}

#[derive(clap::Args)]
pub(crate) struct Show {
    /// The record's name, or the VM's name or UUID
    record: String,
    /// Also the password, for root alone: whoever has it opens every copy of the VM's TPM
    #[arg(long)]
    password: bool,
}

/// The VMs of this host that a record is for: more than one if somebody copied a bundle.
fn vms(bundles: &[Bundle], record: &RecordInfo) -> Vec<String> {
    let of_record = |vm: &&Bundle| vm.config().uuid.as_bytes() == record.name.vm_uuid();
    bundles.iter().filter(of_record).map(|vm| vm.name().to_owned()).collect()
}

/// Those that can be read; `vm list` tells of the others.
fn bundles(home: &Home) -> Result<Vec<Bundle>, Failure> {
    Ok(home.list()?.into_iter().filter_map(|(_, bundle)| bundle.ok()).collect())
}

fn facts(record: &RecordInfo, vms: &[String]) -> serde_json::Map<String, Value> {
    [
        ("name", json!(record.name.to_string())),
        ("vm_uuid", json!(Uuid::from_bytes(*record.name.vm_uuid()).to_string())),
        ("vms", json!(vms)),
        ("key_id", json!(record.key_id.to_string())),
        ("created", json!(record.created())),
        ("created_unix_s", json!(record.created_unix_s)),
        ("host", json!(record.host)),
        ("comment", json!(record.comment)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into_iter()
    .collect()
}

/// A table, or an array of objects: the same for every kind of keychain.
fn print_records(home: &Home, records: &[RecordInfo]) -> Result<(), Failure> {
    let bundles = bundles(home)?;
    if output::is_json() {
        let all: Vec<Value> =
            records.iter().map(|record| Value::Object(facts(record, &vms(&bundles, record)))).collect();
        say!("{}", Value::Array(all));
        return Ok(());
    }
    let (name, key_id, created) = (text!("head-name"), text!("head-key-id"), text!("head-created"));
    let (host, comment) = (text!("head-host"), text!("head-comment"));
    say!("{name:51}  {key_id:32}  {created:20}  {host:20}  {:16}  {comment}", "VM");
    for record in records {
        let (name, key_id, created) = (record.name.to_string(), record.key_id.to_string(), record.created());
        let vm = match vms(&bundles, record) {
            names if names.is_empty() => "-".to_owned(),
            names => names.join(", "),
        };
        say!("{name:51}  {key_id:32}  {created:20}  {:20}  {vm:16}  {}", record.host, record.comment);
    }
    Ok(())
}

pub(super) fn list(home: &Home, args: &List) -> Done {
    if let Some(path) = &args.file {
        print_records(home, &super::copy::file(path, &args.password)?.list()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if super::place()? == KeychainPlace::SecretService {
        print_records(home, &super::secret_service()?.list()?)?;
        note!("{}", text!("records-in-secret-service"));
        return Ok(ExitCode::SUCCESS);
    }
    let keychain = super::system()?;
    print_records(home, &keychain.list()?)?;
    // What the list is worth: a key file guards a copy of the keychain alone, not one of the whole disk.
    let status = keychain.status()?;
    if let Some(provider) = status.provider {
        let path = status.path.display();
        if status.locked {
            note!("{}", text!("keychain-sealed-by-locked", path, provider));
        } else {
            note!("{}", text!("keychain-sealed-by", path, provider));
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn show(home: &Home, keychain: &dyn Keychain, args: &Show) -> Done {
    let name = record_name(home, &args.record)?;
    if args.password && !rustix::process::geteuid().is_root() {
        return Err(Failure::new("SIG_ERR_KEYCHAIN_NEEDS_ROOT", text!("password-for-root", name)));
    }
    let found = keychain.list()?.into_iter().find(|record| record.name == name);
    let Some(record) = found else { return Err(sigillo_keychain::KeychainError::NotFound(name).into()) };
    let bundles = bundles(home)?;
    let names = vms(&bundles, &record);
    let mut facts = facts(&record, &names);
    let stores: Vec<(String, Words)> = bundles
        .iter()
        .filter(|vm| names.iter().any(|name| name == vm.name()))
        .filter_map(|vm| vm.store_path())
        .map(|path| (path.display().to_string(), store_state(&path, &record)))
        .collect();
    let list: Vec<Value> =
        stores.iter().map(|(path, state)| json!({ "path": path, "state": state.to_string() })).collect();
    facts.insert("stores".to_owned(), json!(list));
    // Read last: what cannot be told in full is told without the secret.
    let secret = if args.password {
        audit::log()?.record(Act::RecordShown, &name.to_string(), &format!("key {}", record.key_id))?;
        Some(keychain.get(&name)?.secret)
    } else {
        None
    };
    if output::is_json() {
        // The password goes out by itself, never through the JSON library, which leaves copies behind.
        let text = Value::Object(facts).to_string();
        match &secret {
            Some(secret) => {
                let open = text.strip_suffix('}').unwrap_or(&text);
                write_secret(format!("{open},\"password\":\"").as_bytes(), secret.expose(), b"\"}\n")?;
            }
            None => say!("{text}"),
        }
        return Ok(ExitCode::SUCCESS);
    }
    say!("{:16} {}", "name", record.name);
    say!("{:16} {}", "vm_uuid", Uuid::from_bytes(*record.name.vm_uuid()));
    for name in &names {
        say!("{:16} {name}", "vm");
    }
    for (path, state) in &stores {
        say!("{:16} {path} ({state})", "store");
    }
    say!("{:16} {}", "key_id", record.key_id);
    say!("{:16} {}", "created", record.created());
    say!("{:16} {}", "host", record.host);
    say!("{:16} {}", "comment", record.comment);
    if let Some(secret) = &secret {
        write_secret(format!("{:16} ", "password").as_bytes(), secret.expose(), b"\n")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the record is to the store, by the store's header.
fn store_state(path: &Path, record: &RecordInfo) -> Words {
    match Store::peek(path) {
        Ok(info) if info.is_unencrypted() => words!("store-needs-no-record"),
        Ok(info) if info.key_ids.contains(&record.key_id) => words!("store-opened-by-record"),
        Ok(_) => words!("store-under-other-password"),
        Err(_) => words!("not-readable"),
    }
}

/// Writes straight to standard output, whose buffer in the library would keep the password.
fn write_secret(before: &[u8], secret: &[u8], after: &[u8]) -> Result<(), Failure> {
    let written = std::io::stdout().flush().and_then(|()| {
        let mut out = std::fs::File::from(rustix::io::dup(rustix::stdio::stdout())?);
        out.write_all(before)?;
        out.write_all(secret)?;
        out.write_all(after)
    });
    written.map_err(|error| Failure::new("SIG_ERR_IO", text!("record-not-printed", error)))
}
