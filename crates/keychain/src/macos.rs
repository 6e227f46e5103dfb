//! The System keychain of macOS, which root alone can change: one generic password a record. The secret is its data, so listing asks
//! for none; key id, date, host and comment are its comment, as JSON.
//!
//! Type-checked with `cargo check --target aarch64-apple-darwin`, and never run: there was no Mac where it was written. Before it
//! is relied on, `tests/conformance.rs` has to pass on one.

use core_foundation::data::CFData;
use security_framework::base::Error;
use security_framework::item::{
    ItemAddOptions, ItemAddValue, ItemClass, ItemSearchOptions, ItemUpdateOptions, ItemUpdateValue, Limit,
    Location, update_item,
};
use security_framework::os::macos::keychain::SecKeychain;
use security_framework::os::macos::passwords::find_generic_password;
use security_framework_sys::base::{errSecDuplicateItem, errSecItemNotFound};
use security_framework_sys::keychain::SecPreferencesDomain;
use serde::{Deserialize, Serialize};
use sigillo_messages::words;
use sigillo_store::files::Dir;
use sigillo_store::{KeyId, Secret};
use std::io;
use std::path::{Path, PathBuf};

use crate::kdbx::hold;
use crate::memory::require_expected;
use crate::record::{Record, RecordInfo, RecordName};
use crate::{Keychain, KeychainError};

const ACCOUNT: &str = "vTPM";
const DIRECTORY: &str = "/Library/Keychains";
const FILE: &str = "System.keychain";
/// How a dictionary of attributes names service, account and comment.
const SERVICE_KEY: &str = "svce";
const ACCOUNT_KEY: &str = "acct";
const COMMENT_KEY: &str = "icmt";

/// The System keychain of this Mac.
#[derive(Clone, Copy, Debug, Default)]
pub struct MacSystemKeychain;

/// What a record is besides its name and its password.
#[derive(Serialize, Deserialize)]
struct Attributes {
    key_id: String,
    created_unix_s: u64,
    #[serde(default)]
    host: String,
    #[serde(default)]
    comment: String,
}

impl Attributes {
    fn of(record: &Record) -> Result<String, KeychainError> {
        let attributes = Attributes {
            key_id: record.key_id.to_string(),
            created_unix_s: record.created_unix_s,
            host: record.host.clone(),
            comment: record.comment.clone(),
        };
        serde_json::to_string(&attributes).map_err(|error| failed(io::Error::other(error)))
    }

    fn info(text: &str, name: RecordName) -> Result<RecordInfo, KeychainError> {
        let damaged = || KeychainError::Damaged { path: path(), what: words!("macos-no-record") };
        let attributes: Attributes = serde_json::from_str(text).map_err(|_| damaged())?;
        Ok(RecordInfo {
            name,
            key_id: attributes.key_id.parse().map_err(|_| damaged())?,
            created_unix_s: attributes.created_unix_s,
            host: attributes.host,
            comment: attributes.comment,
        })
    }
}

fn path() -> PathBuf {
    Path::new(DIRECTORY).join(FILE)
}

fn failed(source: io::Error) -> KeychainError {
    KeychainError::Io { path: path(), source }
}

fn refused(error: Error) -> KeychainError {
    failed(io::Error::other(error))
}

fn keychain() -> Result<SecKeychain, KeychainError> {
    SecKeychain::default_for_domain(SecPreferencesDomain::System).map_err(refused)
}

fn search(keychain: &SecKeychain) -> ItemSearchOptions {
    let mut search = ItemSearchOptions::new();
    search.keychains(std::slice::from_ref(keychain)).class(ItemClass::generic_password()).account(ACCOUNT);
    search
}

/// The records that match, without their secrets.
fn found(search: &mut ItemSearchOptions) -> Result<Vec<RecordInfo>, KeychainError> {
    let results = match search.load_attributes(true).limit(Limit::All).search() {
        Ok(results) => results,
        Err(error) if error.code() == errSecItemNotFound => return Ok(Vec::new()),
        Err(error) => return Err(refused(error)),
    };
    let mut records = Vec::new();
    for attributes in results.iter().filter_map(|result| result.simplify_dict()) {
        let named = attributes.get(SERVICE_KEY).and_then(|service| service.parse::<RecordName>().ok());
        let ours = attributes.get(ACCOUNT_KEY).is_some_and(|account| account == ACCOUNT);
        if let Some(name) = named.filter(|_| ours) {
            let comment = attributes.get(COMMENT_KEY).map(String::as_str).unwrap_or_default();
            records.push(Attributes::info(comment, name)?);
        }
    }
    records.sort_by_key(|record| record.name);
    Ok(records)
}

fn one(keychain: &SecKeychain, name: &RecordName) -> Result<RecordInfo, KeychainError> {
    let all = found(search(keychain).service(&name.to_string()))?;
    all.into_iter().next().ok_or(KeychainError::NotFound(*name))
}

fn secret(keychain: &SecKeychain, name: &RecordName) -> Result<Secret, KeychainError> {
    match find_generic_password(Some(std::slice::from_ref(keychain)), &name.to_string(), ACCOUNT) {
        Ok((password, _)) => Ok(Secret::from_slice(password.as_ref())),
        Err(error) if error.code() == errSecItemNotFound => Err(KeychainError::NotFound(*name)),
        Err(error) => Err(refused(error)),
    }
}

fn record_of(info: RecordInfo, secret: Secret) -> Result<Record, KeychainError> {
    let RecordInfo { name, key_id, created_unix_s, host, comment } = info;
    let record = Record { name, key_id, secret, created_unix_s, host, comment };
    record.validate()?;
    Ok(record)
}

/// Looking and changing are two calls, so that what changes is kept from other processes of ours meanwhile.
fn locked() -> Result<Dir, KeychainError> {
    let dir = Dir::open(Path::new(DIRECTORY)).map_err(failed)?;
    hold(&dir, &path())?;
    Ok(dir)
}

impl Keychain for MacSystemKeychain {
    fn insert_new(&self, record: &Record) -> Result<(), KeychainError> {
        record.validate()?;
        let _held = locked()?;
        let keychain = keychain()?;
        let value = ItemAddValue::Data {
            class: ItemClass::generic_password(),
            data: CFData::from_buffer(record.secret.expose()),
        };
        let added = ItemAddOptions::new(value)
            .set_location(Location::FileKeychain(keychain.clone()))
            .set_service(record.name.to_string())
            .set_label(record.name.to_string())
            .set_account_name(ACCOUNT)
            .set_comment(Attributes::of(record)?)
            .add();
        match added {
            Ok(()) => Ok(()),
            Err(error) if error.code() == errSecDuplicateItem => {
                let there = one(&keychain, &record.name)?;
                Err(KeychainError::Duplicate {
                    name: there.name,
                    key_id: there.key_id,
                    created: there.created(),
                    host: there.host,
                })
            }
            Err(error) => Err(refused(error)),
        }
    }

    fn get(&self, name: &RecordName) -> Result<Record, KeychainError> {
        let keychain = keychain()?;
        record_of(one(&keychain, name)?, secret(&keychain, name)?)
    }

    fn list(&self) -> Result<Vec<RecordInfo>, KeychainError> {
        found(&mut search(&keychain()?))
    }

    fn replace(&self, expect: KeyId, record: &Record) -> Result<(), KeychainError> {
        record.validate()?;
        let _held = locked()?;
        let keychain = keychain()?;
        require_expected(&one(&keychain, &record.name)?, expect)?;
        let mut update = ItemUpdateOptions::new();
        update
            .set_value(ItemUpdateValue::Data(CFData::from_buffer(record.secret.expose())))
            .set_comment(Attributes::of(record)?);
        update_item(search(&keychain).service(&record.name.to_string()), &update).map_err(refused)
    }

    fn delete(&self, name: &RecordName, expect: KeyId) -> Result<(), KeychainError> {
        let _held = locked()?;
        let keychain = keychain()?;
        require_expected(&one(&keychain, name)?, expect)?;
        search(&keychain).service(&name.to_string()).delete().map_err(refused)
    }
}
