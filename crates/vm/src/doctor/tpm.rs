//! A VM's TPM: its store, the ways into it, its record, what the host remembers of it, and its backups.
use super::{Findings, Patient, Severity, bundle::own_file, name_of, quoted_path};
use crate::{
    backup::{Backup, backups},
    bundle::Bundle,
    error::Error,
    guard::refusal,
    keys::{KeyList, RecordState, list_keys},
};
use sigillo_keychain::{RecordName, anchor::Verdict, audit::Act};
use sigillo_messages::{Words, text, words};
use sigillo_store::{Key, KeyId, KeyKind, Looked, OpenError, Store, StoreInfo};
use std::path::Path;

const NO_START: Words = words!("vm-does-not-start");

pub(super) fn examine(patient: &Patient<'_>, vm: &Bundle, findings: &mut Findings) {
    let Some(path) = vm.store_path() else {
        // What a TPM that was removed left can come back.
        told_of_backups(patient, vm, findings);
        return;
    };
    let info = match Store::peek(&path) {
        Ok(info) => info,
        Err(error) => {
            unreadable(vm, &path, &error, findings);
            told_of_backups(patient, vm, findings);
            return;
        }
    };
    own_file(&path, 0o077, findings);
    let uuid = vm.config().uuid;
    if !info.is_for_vm(uuid.as_bytes()) {
        findings.found(
            Severity::Error,
            "SIG_ERR_TPM_STORE",
            text!("made-for-other-vm", path = path.display()),
            NO_START,
            words!("made-for-other-vm-do"),
        );
        return;
    }
    let encrypted = vm.config().tpm.as_ref().is_some_and(|tpm| tpm.encrypted);
    if info.is_unencrypted() {
        let (severity, meaning) = if encrypted {
            (Severity::Error, words!("unencrypted-other-means"))
        } else {
            (Severity::Warning, words!("unencrypted-means"))
        };
        findings.found(
            severity,
            "SIG_ERR_STORE_UNENCRYPTED",
            text!("is-not-encrypted", path = path.display()),
            meaning,
            words!("unencrypted-do"),
        );
    }
    current(patient, vm, &info, findings);
    if let Ok(keys) = list_keys(vm, patient.records.keychain()) {
        ways_in(vm, &keys, findings);
        if vm.status().is_ok_and(crate::rundir::Status::is_off) {
            inside(patient, vm, &path, &info, &keys, findings);
        }
    }
    told_of_backups(patient, vm, findings);
}

/// A store whose header cannot be read, or that is not there.
fn unreadable(vm: &Bundle, path: &Path, error: &OpenError, findings: &mut Findings) {
    let what = format!("{}: {error}", path.display());
    if matches!(error, OpenError::Damaged(_)) {
        findings.with_command(
            Severity::Error,
            error.code(),
            what,
            words!("store-damaged-means"),
            words!("store-damaged-do"),
            Some(salvage(path)),
        );
        return;
    }
    let remedy = match error {
        OpenError::NotFound | OpenError::NotAStore(_) => text!("store-gone-do", vm = name_of(vm)),
        OpenError::Locked { .. } => text!("store-locked-do"),
        _ => text!("as-it-says"),
    };
    findings.found(Severity::Error, error.code(), what, NO_START, &remedy);
}

fn salvage(path: &Path) -> String {
    let mut new = path.as_os_str().to_owned();
    new.push(".salvaged");
    format!("sigillo tpm salvage {} --to {}", quoted_path(path), quoted_path(Path::new(&new)))
}

/// Whether it is the store that the VM ran with last.
fn current(patient: &Patient<'_>, vm: &Bundle, info: &StoreInfo, findings: &mut Findings) {
    match patient.anchors.current(vm.config().uuid.as_bytes()) {
        Ok(Some(current)) if current != info.file_uuid => {
            findings.error(&Error::OtherStore { name: vm.name().to_owned() }, words!("other-tpm-means"));
        }
        Ok(_) => {}
        Err(error) => findings.said(error.code(), error.to_string(), NO_START),
    }
}

/// Record, recovery code, leftovers.
fn ways_in(vm: &Bundle, keys: &KeyList, findings: &mut Findings) {
    let name = name_of(vm);
    let has = |kind| keys.slots.iter().any(|slot| slot.kind == kind);
    let has_other = has(KeyKind::RecoveryCode) || has(KeyKind::Passphrase);
    let encrypted = !keys.slots.is_empty();
    match &keys.record {
        RecordState::Opens(_) => {}
        RecordState::Missing if !encrypted => {}
        RecordState::Missing => findings.with_command(
            Severity::Error,
            "SIG_ERR_TPM_RECORD_MISSING",
            text!("record-missing", record = keys.record_name),
            words!("record-missing-means"),
            words!("record-missing-do"),
            has_other.then(|| format!("sigillo tpm key restore-record {name}")),
        ),
        RecordState::Other(key_id) => findings.found(
            Severity::Error,
            "SIG_ERR_TPM_RECORD_OTHER",
            text!("record-other", record = keys.record_name, key_id),
            NO_START,
            text!("record-other-do", name),
        ),
    }
    let leftovers: Vec<String> = keys.leftovers().iter().map(KeyId::to_string).collect();
    if !leftovers.is_empty() {
        findings.with_command(
            Severity::Warning,
            "SIG_ERR_TPM_KEY_LEFTOVER",
            text!("key-leftover", keys = leftovers.join(", ")),
            words!("key-leftover-means"),
            words!("key-leftover-do"),
            Some(format!("sigillo tpm key rotate {name}")),
        );
    }
    if encrypted && !has_other {
        findings.with_command(
            Severity::Warning,
            "SIG_ERR_TPM_NO_RECOVERY",
            text!("no-recovery"),
            words!("no-recovery-means"),
            words!("no-recovery-do"),
            Some(format!("sigillo tpm key add recovery-code {name}")),
        );
    }
}

/// What only an open store tells.
fn inside(
    patient: &Patient<'_>,
    vm: &Bundle,
    path: &Path,
    info: &StoreInfo,
    keys: &KeyList,
    findings: &mut Findings,
) {
    let key = match (&keys.record, info.is_unencrypted()) {
        (_, true) => Key::None,
        (RecordState::Opens(key_id), false) => {
            let name = RecordName::for_vm(vm.config().uuid.as_bytes());
            let detail = format!("key {key_id}, to examine VM {:?}", vm.name());
            // A record is not read where that leaves no line; what is wrong with the log is a finding of the host's.
            if patient.audit.record(Act::RecordRead, &name.to_string(), &detail).is_err() {
                return;
            }
            match patient.records.keychain().get(&name) {
                Ok(record) => Key::Password(record.secret),
                // The keychain's own findings say why.
                Err(_) => return,
            }
        }
        (RecordState::Other(_) | RecordState::Missing, false) => return,
    };
    let store = match Store::look(path, &key) {
        Ok(store) => store,
        Err(error) => {
            unreadable(vm, path, &error, findings);
            return;
        }
    };
    notes(&store, path, findings);
    if store.state().is_empty() {
        findings.found(
            Severity::Error,
            "SIG_ERR_TPM_STORE",
            text!("store-holds-no-tpm", path = path.display()),
            words!("store-empty-means"),
            words!("store-put-back"),
        );
        return;
    }
    let verdict = match patient.anchors.look(vm.config().uuid.as_bytes(), &info.file_uuid) {
        Ok(seen) => seen.verdict(&store),
        Err(error) => {
            findings.said(error.code(), error.to_string(), NO_START);
            return;
        }
    };
    let commits = store.anchor().generation;
    match verdict {
        Verdict::First | Verdict::Same | Verdict::Newer { .. } => {
            let algorithm = info.algorithm;
            findings.note("SIG_NOTE_TPM", text!("store-opens", algorithm, commits));
        }
        Verdict::MovedOn { by } => findings.note("SIG_NOTE_TPM_MOVED_ON", text!("store-moved-on", #by)),
        Verdict::RolledBack { .. } | Verdict::Twin { .. } | Verdict::Unreadable | Verdict::InUse { .. } => {
            let (error, _) = refusal(vm, verdict);
            let meaning = words!("older-store-means");
            findings.error(&error, meaning);
        }
    }
}

/// What an opening noticed.
fn notes(store: &Looked, path: &Path, findings: &mut Findings) {
    let notes = store.notes();
    if notes.header_repaired {
        findings.note("SIG_NOTE_STORE_REPAIR", text!("header-repair", path = path.display()));
    }
    if let Some(slot) = notes.broken_slot {
        findings.found(
            Severity::Warning,
            "SIG_ERR_STORE_SLOT",
            text!("slot-broken", slot, path = path.display()),
            words!("slot-broken-means"),
            words!("slot-broken-do"),
        );
    }
    if notes.gap_in_history {
        findings.found(
            Severity::Warning,
            "SIG_ERR_STORE_GAP",
            text!("history-gap", path = path.display()),
            words!("history-gap-means"),
            words!("history-gap-do"),
        );
    }
}

fn told_of_backups(patient: &Patient<'_>, vm: &Bundle, findings: &mut Findings) {
    let Ok(all) = backups(vm, patient.records.keychain()) else { return };
    if all.is_empty() {
        return;
    }
    let say = |backup: &Backup| {
        let record = match (&backup.info, backup.record) {
            (None, _) => words!("not-readable"),
            (Some(_), Some(_)) => words!("record-is-here"),
            (Some(_), None) => words!("record-is-missing"),
        };
        format!("{} ({record})", backup.name)
    };
    let listed = all.iter().map(say).collect::<Vec<_>>().join(", ");
    findings.note("SIG_NOTE_BACKUPS", text!("stores-set-aside", listed));
}
