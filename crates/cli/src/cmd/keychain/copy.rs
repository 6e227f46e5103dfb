//! `sigillo keychain create`, `unlock` and `copy`: custom keychain files, which carry records between hosts.
use super::password::Source;
use super::{Done, Failure, audit, needed::require_given_up, record_name, system};
use crate::cmd::output;
use serde_json::json;
use sigillo_keychain::audit::Act;
use sigillo_keychain::{Cost, CustomKeychain, KeyId, Keychain, KeychainError};
use sigillo_messages::text;
use sigillo_vm::Home;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Create {
    /// The new file; KeePassXC opens it, and expects the ending .kdbx
    file: PathBuf,
    #[command(flatten)]
    password: Source,
}

#[derive(clap::Args)]
pub(crate) struct Copy {
    /// The record's name, or the VM's name or UUID
    record: String,
    /// Where it is: `system`, `secret-service`, or a keychain file
    #[arg(long, value_name = "KEYCHAIN")]
    from: PathBuf,
    /// Where it goes: `system`, `secret-service`, or a keychain file that there is
    #[arg(long, value_name = "KEYCHAIN")]
    to: PathBuf,
    /// Put it in place of the record with this key id, which is there; a store that needs that one cannot be opened any more
    #[arg(long, value_name = "KEY_ID")]
    replace: Option<KeyId>,
    /// Do not ask, where a store on this host needs the record that is replaced
    #[arg(long, requires = "replace")]
    yes: bool,
    #[command(flatten)]
    password: Source,
}

/// The words for keychains of this host; files of those names are `./system` and `./secret-service`.
pub(super) const SYSTEM: &str = "system";
pub(super) const SECRET_SERVICE: &str = "secret-service";

fn is_of_this_host(keychain: &Path) -> bool {
    [SYSTEM, SECRET_SERVICE].iter().any(|word| keychain.as_os_str() == *word)
}

fn keychain(named: &Path, password: &Source) -> Result<Box<dyn Keychain>, Failure> {
    Ok(match named.to_str() {
        Some(SYSTEM) => Box::new(system()?),
        Some(SECRET_SERVICE) => super::secret_service()?,
        _ => Box::new(file(named, password)?),
    })
}

/// Opens a keychain file, under a bound on this process's memory: inside a file, behind its password, may be something small
/// that unpacks to something huge.
pub(super) fn file(path: &Path, password: &Source) -> Result<CustomKeychain, Failure> {
    const MOST: u64 = 3 << 30;
    let limit = rustix::process::Rlimit { current: Some(MOST), maximum: Some(MOST) };
    // Where the bound is lower already, that one stays.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Data, limit);
    // Before anybody types a password.
    if !path.exists() {
        return Err(KeychainError::NoFile(path.to_owned()).into());
    }
    Ok(CustomKeychain::of(path, password.existing(path)?)?)
}

pub(super) fn create(args: &Create) -> Done {
    if args.file.symlink_metadata().is_ok() {
        return Err(KeychainError::FileExists(args.file.clone()).into());
    }
    let password = args.password.new_one(&args.file)?;
    CustomKeychain::create(&args.file, password, Cost::default())?;
    let file = args.file.display();
    output::report(
        || json!({ "keychain": file.to_string(), "records": 0 }),
        || say!("{}", text!("keychain-file-made", file)),
    )
}

pub(super) fn unlock(path: &Path, password: &Source) -> Done {
    let status = file(path, password)?.unlock()?;
    output::report(
        || {
            json!({
                "keychain": path.display().to_string(),
                "kdf": status.outline.kdf.to_string(),
                "records": status.records,
                "other_entries": status.other_entries,
            })
        },
        || {
            say!("{}", text!("keychain-file-opens", path = path.display(), kdf = status.outline.kdf));
            say!("{}", text!("keychain-file-holds", records = status.records, others = status.other_entries));
            say!("{}", text!("keychain-nothing-stays-open"));
        },
    )
}

pub(super) fn copy(home: &Home, args: &Copy) -> Done {
    let name = record_name(home, &args.record)?;
    let (to_host, from_host) = (is_of_this_host(&args.to), is_of_this_host(&args.from));
    if args.from == args.to || !to_host && !from_host {
        return Err(Failure::new("SIG_ERR_KEYCHAIN_COPY", text!("keychain-copy-which")));
    }
    let from = keychain(&args.from, &args.password)?;
    let to = keychain(&args.to, &args.password)?;
    let record = from.get(&name)?;
    if to_host && let Some(expect) = args.replace {
        // One of another key is refused by the replacing itself.
        let all = to.list()?;
        if let Some(there) = all.iter().find(|there| there.name == name && there.key_id == expect) {
            require_given_up(home, &all, there, Some(&record.key_id), args.yes)?;
        }
    }
    let (act, way, other) = match (to_host, args.replace) {
        (false, _) => (Act::RecordCopied, "to", &args.to),
        (true, None) => (Act::RecordAdded, "from", &args.from),
        (true, Some(_)) => (Act::RecordReplaced, "from", &args.from),
    };
    let detail = format!("key {} {way} {}", record.key_id, other.display());
    audit::log()?.record(act, &name.to_string(), &detail)?;
    match args.replace {
        Some(expect) => to.replace(expect, &record)?,
        None => to.insert_new(&record)?,
    }
    output::report(
        || {
            json!({
                "record": name.to_string(),
                "key_id": record.key_id.to_string(),
                "from": args.from.display().to_string(),
                "to": args.to.display().to_string(),
                "replaced": args.replace.map(|key_id| key_id.to_string()),
            })
        },
        || {
            say!(
                "{}",
                text!("keychain-copied", name, key_id = record.key_id, created = record.info().created())
            );
            if !to_host {
                say!(
                    "{}",
                    text!(
                        "keychain-copy-there",
                        name,
                        file = args.to.file_name().unwrap_or(args.to.as_os_str()).display()
                    )
                );
            } else {
                say!("{}", text!("keychain-copied-here"));
            }
        },
    )
}
