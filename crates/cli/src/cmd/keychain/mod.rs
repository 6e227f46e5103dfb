//! `sigillo keychain ...`: the system keychain and its records. Passwords are shown by `show --password` and by nothing else.
mod copy;
mod needed;
mod password;
mod provider;
mod show;

use super::{Done, Failure, audit, output};
use crate::host_tpm::HostTpm;
use serde_json::json;
use sigillo_keychain::audit::Act;
use sigillo_keychain::{
    KeyFile, KeyProvider, Keychain, KeychainError, ProviderKind, RecordName, SealedKey, SystemKeychain,
    SystemdCredential, SystemdCreds,
};
use sigillo_messages::text;
use sigillo_vm::{Home, HostPolicy, KeychainPlace};
use std::path::{Path, PathBuf};
use uuid::Uuid;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the records, without their passwords
    List(show::List),
    /// Show a record: its key, its dates, and the VM whose store needs it
    Show(show::Show),
    /// Delete a record: the TPM store that needs it cannot be opened any more
    Delete {
        /// The record's name, or the VM's name or UUID
        #[arg(value_name = "RECORD")]
        record: String,
        /// Do not ask, where a store on this host needs it
        #[arg(long)]
        yes: bool,
    },
    /// Let the system keychain give out no password and take no change, until it is unlocked
    Lock,
    /// Open a keychain to prove that it can be used; of the system keychain, end what `lock` began
    Unlock {
        /// A keychain file [default: the system keychain]
        file: Option<PathBuf>,
        #[command(flatten)]
        password: password::Source,
    },
    /// Make a keychain file under a password, to carry records to another host
    Create(copy::Create),
    /// Copy a record from the system keychain to a keychain file or back
    Copy(copy::Copy),
    /// Tell which provider keeps the system keychain's key, and why others do not work here; or choose another
    Provider(provider::Args),
}

impl From<KeychainError> for Failure {
    fn from(error: KeychainError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// The keychain of this host. Its key comes from the best provider that works, but for a keychain that somebody put in a place of
/// his own: that one may travel, so it is bound to this host only if it is asked for.
pub(crate) fn system() -> Result<SystemKeychain, Failure> {
    let dir = SystemKeychain::default_dir()?;
    let providers: Vec<Box<dyn KeyProvider>> = vec![
        Box::new(SystemdCredential::of_this_process()),
        Box::new(SealedKey::new(dir.join("host-tpm.key"), HostTpm::of_this_host())),
        Box::new(SealedKey::new(dir.join("systemd-creds.key"), SystemdCreds::of_this_host())),
        Box::new(KeyFile::new(dir.join("host.key"))),
    ];
    let keychain = SystemKeychain::with_providers(&dir, providers);
    if dir == Path::new(SystemKeychain::SYSTEM_DIR) {
        return Ok(keychain);
    }
    Ok(keychain.only_on_request(&[ProviderKind::HostTpm, ProviderKind::SystemdCreds]))
}

/// Where this host keeps its records.
fn place() -> Result<KeychainPlace, Failure> {
    Ok(HostPolicy::of_this_host()?.keychain())
}

/// The keychain that has the records of this host.
pub(crate) fn of_host() -> Result<Box<dyn Keychain>, Failure> {
    at(place()?)
}

/// The same, for who has read the policy.
pub(crate) fn at(place: KeychainPlace) -> Result<Box<dyn Keychain>, Failure> {
    match place {
        KeychainPlace::System => Ok(Box::new(system()?)),
        KeychainPlace::SecretService => secret_service(),
    }
}

/// The keychain that has them, if it is not the sealed file. A policy that cannot be read names no other.
pub(crate) fn elsewhere() -> Result<Option<Box<dyn Keychain>>, Failure> {
    match place() {
        Ok(KeychainPlace::SecretService) => secret_service().map(Some),
        Ok(KeychainPlace::System) | Err(_) => Ok(None),
    }
}

#[cfg(feature = "secret-service")]
fn secret_service() -> Result<Box<dyn Keychain>, Failure> {
    let dir = SystemKeychain::default_dir()?;
    Ok(Box::new(sigillo_keychain::SecretServiceKeychain::locking_in(&dir)))
}

#[cfg(not(feature = "secret-service"))]
fn secret_service() -> Result<Box<dyn Keychain>, Failure> {
    let why = text!("secret-service-not-built");
    Err(KeychainError::SecretService(why).into())
}

/// The sealed file, for what only that has; refused where the records are not in it.
fn sealed() -> Result<SystemKeychain, Failure> {
    if place()? == KeychainPlace::System {
        return system();
    }
    Err(Failure::new("SIG_ERR_KEYCHAIN_NOT_SEALED", text!("keychain-not-sealed")))
}

pub(crate) fn run(home: &Home, command: &Command) -> Done {
    match command {
        Command::List(args) => show::list(home, args),
        Command::Show(args) => show::show(home, of_host()?.as_ref(), args),
        Command::Delete { record, yes } => {
            let name = record_name(home, record)?;
            let keychain = of_host()?;
            // What is not there leaves no line.
            let all = keychain.list()?;
            let found = all.iter().find(|info| info.name == name).ok_or(KeychainError::NotFound(name))?;
            needed::require_given_up(home, &all, found, None, *yes)?;
            audit::log()?.record(Act::RecordDeleted, &name.to_string(), &format!("key {}", found.key_id))?;
            // The question may have stood for long, and the key have been rotated in the meantime.
            keychain.delete(&name, found.key_id)?;
            output::report(
                || json!({ "deleted": name.to_string() }),
                || say!("{}", text!("record-deleted", name)),
            )
        }
        Command::Lock => {
            let keychain = sealed()?;
            audit::log()?.record(Act::KeychainLocked, &keychain.path().display().to_string(), "")?;
            keychain.lock()?;
            let path = keychain.path().display().to_string();
            output::report(
                || json!({ "keychain": path, "locked": true }),
                || say!("{}", text!("keychain-now-locked", path)),
            )
        }
        Command::Create(args) => copy::create(args),
        Command::Copy(args) => copy::copy(home, args),
        Command::Unlock { file: Some(file), password } => copy::unlock(file, password),
        Command::Unlock { file: None, .. } => {
            let keychain = sealed()?;
            if keychain.status()?.locked {
                audit::log()?.record(Act::KeychainUnlocked, &keychain.path().display().to_string(), "")?;
            }
            let records = keychain.unlock()?;
            let path = keychain.path().display().to_string();
            let provider = keychain.status()?.provider;
            output::report(
                || {
                    json!({
                        "keychain": path,
                        "locked": false,
                        "provider": provider.map(|kind| kind.word()),
                        "records": records,
                    })
                },
                || match provider {
                    Some(provider) => {
                        say!("{}", text!("keychain-now-unlocked", path, provider, records));
                    }
                    None => say!("{}", text!("keychain-not-there-yet", path)),
                },
            )
        }
        Command::Provider(args) => provider::run(&sealed()?, args),
    }
}

/// The record that is meant: by its own name, or by the VM's UUID or name.
fn record_name(home: &Home, given: &str) -> Result<RecordName, Failure> {
    if let Ok(name) = given.parse::<RecordName>() {
        return Ok(name);
    }
    // Also of a VM that is not on this host.
    if let Ok(uuid) = Uuid::parse_str(given) {
        return Ok(RecordName::for_vm(uuid.as_bytes()));
    }
    Ok(RecordName::for_vm(home.open(given)?.config().uuid.as_bytes()))
}
