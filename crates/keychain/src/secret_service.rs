//! The freedesktop Secret Service of a desktop session (GNOME Keyring, KDE Wallet, KeePassXC): one item a record in the default
//! collection, found by the record's name. Everything else of the record is in the item's secret, so one call replaces all of it
//! and nothing but the name lies where the service keeps things readable.

use sigillo_messages::text;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;

use futures_lite::future::block_on;
use oo7::dbus::{Collection, Error, Item, Service};
use serde::{Deserialize, Serialize};
use sigillo_store::files::{self, Dir};
use sigillo_store::{KeyId, Secret};
use zeroize::Zeroizing;

use crate::kdbx::hold;
use crate::memory::{require_expected, require_new};
use crate::record::{Record, RecordInfo, RecordName};
use crate::{Keychain, KeychainError};

const SCHEMA: (&str, &str) = ("xdg:schema", "org.sigillo.vTPM");
const NAME: &str = "record";
/// Longer than any record: names, host and comment have bounds of their own.
const MAX_SECRET_LEN: usize = 4096;

/// The records in the Secret Service of this session. A locked collection is asked to unlock, which on a desktop asks the person.
#[derive(Clone, Debug)]
pub struct SecretServiceKeychain {
    dir: PathBuf,
}

/// What an item's secret holds, as JSON. `password` has no character that JSON writes otherwise.
#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    key_id: KeyIdText,
    password: &'a str,
    created_unix_s: u64,
    #[serde(default)]
    host: String,
    #[serde(default)]
    comment: String,
}

/// A key id in hexadecimal.
struct KeyIdText(KeyId);

impl Serialize for KeyIdText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyIdText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(KeyIdText).map_err(|_| serde::de::Error::custom(text!("secret-service-no-key-id")))
    }
}

impl SecretServiceKeychain {
    /// The default collection of this session's service. `dir` is a private directory of the same user, made if it is not there: its
    /// lock keeps two processes of ours from changing one record at a time, as the service has no such call.
    pub fn locking_in(dir: &Path) -> Self {
        SecretServiceKeychain { dir: dir.to_owned() }
    }

    fn held(&self) -> Result<Dir, KeychainError> {
        let io = |source| KeychainError::Io { path: self.dir.clone(), source };
        files::make_dirs(&self.dir, 0o700).map_err(io)?;
        let dir = Dir::open(&self.dir).map_err(io)?;
        hold(&dir, &self.dir)?;
        Ok(dir)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it maps an error")]
fn unusable(why: impl ToString) -> KeychainError {
    KeychainError::SecretService(why.to_string())
}

fn failed(error: Error) -> KeychainError {
    match error {
        Error::Dismissed => unusable(text!("secret-service-unlock-refused")),
        Error::ZBus(why) => unusable(text!("secret-service-none", why)),
        other => unusable(other),
    }
}

/// Runs `work` with the default collection, unlocked; `None` if the service has none. On a thread of its own: a service that goes away
/// in the middle makes the crate panic.
fn with_collection<T: Send>(
    work: impl AsyncFnOnce(Option<Collection>) -> Result<T, KeychainError> + Send,
) -> Result<T, KeychainError> {
    let run = move || {
        block_on(async {
            let service = Service::encrypted().await.map_err(failed)?;
            let collection = service.with_alias(Service::DEFAULT_COLLECTION).await.map_err(failed)?;
            if let Some(collection) = &collection
                && collection.is_locked().await.map_err(failed)?
            {
                collection.unlock(None).await.map_err(failed)?;
                // Some services say that they have, and have not.
                if collection.is_locked().await.map_err(failed)? {
                    return Err(unusable(text!("secret-service-locked")));
                }
            }
            work(collection).await
        })
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("secret-service".to_owned()).spawn_scoped(scope, run);
        thread.map_err(unusable)?.join().map_err(|_| unusable(text!("secret-service-gone")))?
    })
}

/// The items of this name, or of all.
async fn items(collection: &Collection, name: Option<&RecordName>) -> Result<Vec<Item>, KeychainError> {
    let name = name.map(ToString::to_string);
    let mut attributes = vec![SCHEMA];
    if let Some(name) = &name {
        attributes.push((NAME, name));
    }
    collection.search_items(&attributes.as_slice()).await.map_err(failed)
}

async fn record_of(item: &Item) -> Result<Record, KeychainError> {
    let name: RecordName = item
        .attributes()
        .await
        .map_err(failed)?
        .get(NAME)
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| unusable(text!("secret-service-nameless")))?;
    let secret = item.secret().await.map_err(failed)?;
    let damaged = || unusable(text!("secret-service-foreign", name));
    let bytes = secret.as_bytes();
    if bytes.len() > MAX_SECRET_LEN {
        return Err(damaged());
    }
    let payload: Payload<'_> = serde_json::from_slice(bytes).map_err(|_| damaged())?;
    let record = Record {
        name,
        key_id: payload.key_id.0,
        secret: Secret::from_slice(payload.password.as_bytes()),
        created_unix_s: payload.created_unix_s,
        host: payload.host,
        comment: payload.comment,
    };
    record.validate().map_err(|_| damaged())?;
    Ok(record)
}

/// The one record of a name. The service may hold several, which is not for us to choose from.
async fn one(collection: &Collection, name: &RecordName) -> Result<Option<(Item, Record)>, KeychainError> {
    let mut found = items(collection, Some(name)).await?;
    let Some(item) = found.pop() else { return Ok(None) };
    if !found.is_empty() {
        return Err(unusable(text!("secret-service-several", name)));
    }
    let record = record_of(&item).await?;
    Ok(Some((item, record)))
}

fn payload(record: &Record) -> Result<oo7::Secret, KeychainError> {
    let unprintable = |_| unusable(text!("secret-service-not-text"));
    let payload = Payload {
        key_id: KeyIdText(record.key_id),
        password: core::str::from_utf8(record.secret.expose()).map_err(unprintable)?,
        created_unix_s: record.created_unix_s,
        host: record.host.clone(),
        comment: record.comment.clone(),
    };
    // Never grown, so that no copy of it is left behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_SECRET_LEN));
    serde_json::to_writer(Bounded(&mut text), &payload).map_err(unusable)?;
    Ok(oo7::Secret::text(core::str::from_utf8(&text).map_err(unusable)?))
}

/// Writes into what a buffer has room for.
struct Bounded<'a>(&'a mut Vec<u8>);

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > self.0.capacity() {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn write(collection: &Collection, record: &Record, replace: bool) -> Result<(), KeychainError> {
    let name = record.name.to_string();
    let attributes = [SCHEMA, (NAME, &name)];
    let secret = payload(record)?;
    collection.create_item(&name, &attributes.as_slice(), secret, replace, None).await.map_err(failed)?;
    // The service answers before it has written its file; that it gives back what it took is all that can be seen.
    match one(collection, &record.name).await? {
        Some((_, there)) if there == *record => Ok(()),
        _ => Err(unusable(text!("secret-service-other"))),
    }
}

impl Keychain for SecretServiceKeychain {
    fn insert_new(&self, record: &Record) -> Result<(), KeychainError> {
        record.validate()?;
        let _held = self.held()?;
        with_collection(async |collection| {
            let collection = collection.ok_or_else(|| unusable(text!("secret-service-no-collection")))?;
            let there = one(&collection, &record.name).await?;
            require_new(there.as_ref().map(|(_, record)| record))?;
            write(&collection, record, false).await
        })
    }

    fn get(&self, name: &RecordName) -> Result<Record, KeychainError> {
        with_collection(async |collection| {
            let found = match &collection {
                Some(collection) => one(collection, name).await?,
                None => None,
            };
            found.map(|(_, record)| record).ok_or(KeychainError::NotFound(*name))
        })
    }

    fn list(&self) -> Result<Vec<RecordInfo>, KeychainError> {
        with_collection(async |collection| {
            let Some(collection) = collection else { return Ok(Vec::new()) };
            let mut records = Vec::new();
            for item in items(&collection, None).await? {
                records.push(record_of(&item).await?.info());
            }
            records.sort_by_key(|record| record.name);
            Ok(records)
        })
    }

    fn replace(&self, expect: KeyId, record: &Record) -> Result<(), KeychainError> {
        record.validate()?;
        let _held = self.held()?;
        with_collection(async |collection| {
            let missing = || KeychainError::NotFound(record.name);
            let collection = collection.ok_or_else(missing)?;
            let (_, there) = one(&collection, &record.name).await?.ok_or_else(missing)?;
            require_expected(&there.info(), expect)?;
            write(&collection, record, true).await
        })
    }

    fn delete(&self, name: &RecordName, expect: KeyId) -> Result<(), KeychainError> {
        let _held = self.held()?;
        with_collection(async |collection| {
            let missing = || KeychainError::NotFound(*name);
            let collection = collection.ok_or_else(missing)?;
            let (item, there) = one(&collection, name).await?.ok_or_else(missing)?;
            require_expected(&there.info(), expect)?;
            item.delete(None).await.map_err(failed)
        })
    }
}
