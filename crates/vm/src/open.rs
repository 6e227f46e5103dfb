//! Finding the password of a VM's store when it starts, and what is done when there is none. Only a record that is missing leads
//! to another TPM: never a wrong one, a keychain that cannot be read, or a store that is damaged.
use crate::{
    backup::{
        backups, find, keychain_error, make_next, next_of, next_path, park, parked_name, peek, publish_next,
        set_aside,
    },
    bundle::Bundle,
    crash,
    error::{Error, Result},
    files::remove,
    host::{Event, Host, Question, Starter},
    identity::IdentityError,
    policy::WhenRecordMissing,
    start::Start,
    tpm::new_record,
};
use sigillo_keychain::{Record, RecordName, audit::Act};
use sigillo_messages::text;
use sigillo_store::{Algorithm, Store, StoreInfo};
use std::path::Path;
use zeroize::Zeroizing;

/// What opens a store when its VM starts.
pub(crate) enum StoreKey {
    /// The record's password.
    Password(Zeroizing<Vec<u8>>),
    /// The store is not encrypted.
    Unencrypted,
}

/// A store that can be opened.
pub(crate) struct Found {
    pub(crate) key: StoreKey,
    /// The store, by what copies of it keep.
    pub(crate) file_uuid: [u8; 16],
}

/// The key of a VM's store; `None` when the VM has no TPM.
pub(crate) fn key_for_start(
    vm: &Bundle,
    host: &Host<'_>,
    options: &Start,
    starter: &mut dyn Starter,
) -> Result<Option<Found>> {
    let Some(path) = vm.store_path() else { return Ok(None) };
    let name = RecordName::for_vm(vm.config().uuid.as_bytes());
    let mut record = find(vm, host.keychain, &name);
    if let Ok(Some(record)) = &record {
        finish(vm, host, &path, record, starter)?;
    }
    let Some(mut info) = peek(vm, &path)? else { return Err(gone(vm, host, &path)) };
    let refused = |why: String| Error::Store { name: vm.name().to_owned(), code: "SIG_ERR_TPM_STORE", why };
    if !info.is_for_vm(vm.config().uuid.as_bytes()) {
        return Err(IdentityError::ForeignStore { name: vm.name().to_owned(), store: path }.into());
    }
    let encrypted = vm.config().tpm.as_ref().is_some_and(|tpm| tpm.encrypted);
    if info.is_unencrypted() {
        return match record {
            Ok(None) if !encrypted => {
                Ok(Some(Found { key: StoreKey::Unencrypted, file_uuid: info.file_uuid }))
            }
            // Another TPM would otherwise take the place of the one that the guest's keys are in.
            _ => Err(refused(text!("store-not-encrypted", path = path.display()))),
        };
    }
    if matches!(record, Ok(None)) {
        consent(vm, host, &name, options, starter)?;
        let made = new_tpm(vm, host, &path, info.algorithm, starter)?;
        (record, info) = (Ok(Some(made.0)), made.1);
    }
    let Some(record) = record? else { return Err(missing(vm, &name)) };
    if !info.key_ids.contains(&record.key_id) {
        return Err(other_record(vm, host, &record));
    }
    let detail = format!("key {}, to start VM {:?}", record.key_id, vm.name());
    host.audit.record(Act::RecordRead, &name.to_string(), &detail)?;
    let key = StoreKey::Password(Zeroizing::new(record.secret.expose().to_vec()));
    Ok(Some(Found { key, file_uuid: info.file_uuid }))
}

/// Asks the policy, and perhaps the person, whether the VM may get a new TPM.
fn consent(
    vm: &Bundle,
    host: &Host<'_>,
    name: &RecordName,
    options: &Start,
    starter: &mut dyn Starter,
) -> Result<()> {
    let question = Question::NewTpm { vm: vm.name().to_owned(), record: name.to_string() };
    let agreed = match host.policy.when_record_missing(options.when_record_missing, vm.config()) {
        WhenRecordMissing::New => true,
        WhenRecordMissing::Ask => starter.can_answer() && starter.ask(&question),
        WhenRecordMissing::Refuse => false,
    };
    if agreed { Ok(()) } else { Err(missing(vm, name)) }
}

fn missing(vm: &Bundle, name: &RecordName) -> Error {
    Error::KeychainRecordMissing { name: vm.name().to_owned(), record: name.to_string() }
}

/// Gives the VM a new TPM under a new record, and keeps the store found as a backup. Interrupted, [`finish`] or another run of
/// this goes on: see [`crate::backup`].
fn new_tpm(
    vm: &Bundle,
    host: &Host<'_>,
    path: &Path,
    algorithm: Algorithm,
    starter: &mut dyn Starter,
) -> Result<(Record, StoreInfo)> {
    let failed = |code, why: String| Error::Store { name: vm.name().to_owned(), code, why };
    let profile = vm.config().tpm.as_ref().and_then(|tpm| tpm.profile.as_deref());
    let state = starter.new_tpm(profile).map_err(|why| failed("SIG_ERR_TPM_STORE", why))?;
    let record = new_record(vm).map_err(|e| failed(e.code(), e.to_string()))?;
    forget_next(vm, host, path)?;
    host.audit.record(
        Act::StoreCreated,
        &path.display().to_string(),
        &format!("a new TPM for VM {:?}, whose record was missing; key {}", vm.name(), record.key_id),
    )?;
    let info = make_next(vm, host, &record, path, algorithm, &state)?;
    crash::point();
    park(vm, host, &record, &info)?;
    crash::point();
    host.audit.record(Act::RecordAdded, &record.name.to_string(), &format!("key {}", record.key_id))?;
    host.keychain.insert_new(&record).map_err(|error| keychain_error(vm, &error))?;
    crash::point();
    let backup = set_aside(vm, host, path)?;
    publish_next(vm, host, path, &info)?;
    starter.told(&Event::NewTpm { vm: vm.name().to_owned(), record: record.name.to_string(), backup });
    Ok((record, info))
}

/// Takes away what an interrupted [`new_tpm`] left before there was a record: no VM ever ran with it.
fn forget_next(vm: &Bundle, host: &Host<'_>, path: &Path) -> Result<()> {
    let next = next_path(path);
    if let Ok(info) = Store::peek(&next)
        && let Some(parked) = find(vm, host.keychain, &parked_name(&info))?
        && info.is_for_vm(vm.config().uuid.as_bytes())
        && info.key_ids.contains(&parked.key_id)
        && peek(vm, path)?.is_some_and(|store| store.file_uuid != info.file_uuid)
    {
        host.audit.record(
            Act::RecordDeleted,
            &parked.name.to_string(),
            "of a store that never was in use",
        )?;
        host.keychain.delete(&parked.name, parked.key_id).map_err(|error| keychain_error(vm, &error))?;
    }
    remove(&next)
}

/// Brings to its end what was interrupted after its record was kept: the store that this record opens lies there under the name
/// of the next one.
fn finish(
    vm: &Bundle,
    host: &Host<'_>,
    path: &Path,
    record: &Record,
    starter: &mut dyn Starter,
) -> Result<()> {
    let in_use = Store::peek(path);
    if in_use.as_ref().is_ok_and(|info| info.key_ids.contains(&record.key_id)) {
        return Ok(());
    }
    let Some(info) = next_of(vm, path, record) else { return Ok(()) };
    match in_use {
        Ok(_) => drop(set_aside(vm, host, path)?),
        Err(sigillo_store::OpenError::NotFound) => {}
        // What is there cannot be read: nothing is taken for granted.
        Err(_) => return Ok(()),
    }
    publish_next(vm, host, path, &info)?;
    starter.told(&Event::Finished { vm: vm.name().to_owned() });
    Ok(())
}

fn gone(vm: &Bundle, host: &Host<'_>, path: &Path) -> Error {
    let hint = match backups(vm, host.keychain) {
        Ok(all) if all.iter().any(|backup| backup.record.is_some()) => {
            text!("store-gone-backup-with-record")
        }
        Ok(all) if !all.is_empty() => {
            text!("store-gone-backup")
        }
        _ => {
            text!("store-gone")
        }
    };
    Error::StoreGone { name: vm.name().to_owned(), store: path.to_owned(), hint: hint.to_owned() }
}

fn other_record(vm: &Bundle, host: &Host<'_>, record: &Record) -> Error {
    let fits = |backup: &&crate::Backup| backup.record == Some(record.key_id);
    let hint = match backups(vm, host.keychain).ok().as_ref().and_then(|all| all.iter().find(fits)) {
        Some(backup) => text!("record-opens-backup", backup = backup.name, vm = ?vm.name()),
        None => text!("record-bring"),
    };
    Error::KeychainRecordOther {
        name: vm.name().to_owned(),
        record: record.name.to_string(),
        key_id: record.key_id.to_string(),
        hint,
    }
}
