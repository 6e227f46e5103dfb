//! A VM's TPM: its store, the ways into it, its record, what the host remembers of it, and its backups.
use super::{Findings, Patient, Severity, bundle::own_file, name_of, quoted_path};
use crate::{
    backup::{Backup, backups},
    bundle::Bundle,
    error::Error,
    guard::refusal,
    keys::{KeyList, RecordState, list_keys},
};
use sigillo_keychain::{
    RecordName,
    anchor::{Anchored, Verdict},
    audit::Act,
};
use sigillo_store::{Key, KeyId, KeyKind, Looked, OpenError, Store, StoreInfo};
use std::path::Path;

const NO_START: &str = "the VM does not start";

pub(super) fn examine(patient: &Patient<'_>, vm: &Bundle, findings: &mut Findings) {
    let Some(path) = vm.store_path() else { return };
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
            format!("{} was made for another VM", path.display()),
            NO_START,
            "put the VM's own store back; this one belongs to the VM it came from",
        );
        return;
    }
    let encrypted = vm.config().tpm.as_ref().is_some_and(|tpm| tpm.encrypted);
    if info.is_unencrypted() {
        let (severity, meaning) = if encrypted {
            (Severity::Error, "it is not the store the VM had, which was encrypted; the VM does not start")
        } else {
            (Severity::Warning, "who can read the file has the guest's TPM")
        };
        findings.found(
            severity,
            "SIG_ERR_STORE_UNENCRYPTED",
            format!("{} is not encrypted", path.display()),
            meaning,
            "put the VM's own store back if it is another one",
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
            "the VM does not start, and the guest gets no other TPM; the file was only read",
            "recover what can be recovered into a new file, or restore a copy of the bundle",
            Some(salvage(path)),
        );
    } else {
        let remedy = format!(
            "put the store back from where it was moved or copied to; `sigillo tpm restore-backup {} --list` shows the \
             backups there are",
            name_of(vm)
        );
        findings.found(Severity::Error, error.code(), what, NO_START, &remedy);
    }
}

fn salvage(path: &Path) -> String {
    let mut new = path.as_os_str().to_owned();
    new.push(".salvaged");
    format!("sigillo tpm salvage {} --to {}", quoted_path(path), quoted_path(Path::new(&new)))
}

/// Whether it is the store that the VM ran with last.
fn current(patient: &Patient<'_>, vm: &Bundle, info: &StoreInfo, findings: &mut Findings) {
    match patient.anchors.current(vm.config().uuid.as_bytes()) {
        Ok(Some(current)) if current != info.file_uuid => findings.error(
            &Error::OtherStore { name: vm.name().to_owned() },
            "the guest would meet another TPM than it sealed to",
        ),
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
            format!("the system keychain has no record {}", keys.record_name),
            "the VM does not start: the VM was moved here without its record, or the record was deleted; the store is whole",
            "bring the record from the host the VM came from (`sigillo keychain copy`), or make a new one with the recovery code",
            has_other.then(|| format!("sigillo tpm key restore-record {name}")),
        ),
        RecordState::Other(key_id) => findings.found(
            Severity::Error,
            "SIG_ERR_TPM_RECORD_OTHER",
            format!("the record {} (key {key_id}) is for another store of this VM", keys.record_name),
            NO_START,
            &format!(
                "bring the record from the host where the VM ran last; if it opens a backup, `sigillo tpm restore-backup {name}`"
            ),
        ),
    }
    let leftovers: Vec<String> = keys.leftovers().iter().map(KeyId::to_string).collect();
    if !leftovers.is_empty() {
        findings.with_command(
            Severity::Warning,
            "SIG_ERR_TPM_KEY_LEFTOVER",
            format!("the store has passwords that no record has: {}", leftovers.join(", ")),
            "a change of the password was interrupted; the old password opens the store still",
            "rotate the password: that removes them",
            Some(format!("sigillo tpm key rotate {name}")),
        );
    }
    if encrypted && !has_other {
        findings.with_command(
            Severity::Warning,
            "SIG_ERR_TPM_NO_RECOVERY",
            "nothing but the keychain record opens the TPM's store".to_owned(),
            "if the record is lost, so is the TPM, and with it what the guest sealed",
            "make a recovery code and keep it apart from this host",
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
            format!("{} holds no TPM", path.display()),
            "the VM does not start: it is a copy from before its TPM was made",
            "put the VM's own store back",
        );
        return;
    }
    let verdict = match patient.anchors.look(vm.config().uuid.as_bytes(), &info.file_uuid) {
        Ok(Anchored::Nothing) => Verdict::First,
        Ok(Anchored::State(seen)) => Verdict::of(&store, Some(&seen)),
        Ok(Anchored::Damaged) => Verdict::Unreadable,
        Err(error) => {
            findings.said(error.code(), error.to_string(), NO_START);
            return;
        }
    };
    let commits = store.anchor().generation;
    match verdict {
        Verdict::First | Verdict::Same | Verdict::Newer { .. } => {
            let algorithm = info.algorithm;
            findings.note("SIG_NOTE_TPM", format!("the TPM's store opens ({algorithm}), at commit {commits}"));
        }
        Verdict::MovedOn { by } => findings.note(
            "SIG_NOTE_TPM_MOVED_ON",
            format!("the TPM's store has {by} commits that this host did not see, as after running on another host"),
        ),
        Verdict::RolledBack { .. } | Verdict::Twin { .. } | Verdict::Unreadable | Verdict::InUse { .. } => {
            let (error, _) = refusal(vm, verdict);
            let meaning = "the VM does not start, unless the host's policy accepts it: an older TPM forgets failed tries and counters";
            findings.error(&error, meaning);
        }
    }
}

/// What an opening noticed.
fn notes(store: &Looked, path: &Path, findings: &mut Findings) {
    let notes = store.notes();
    if notes.header_repaired {
        findings.note(
            "SIG_NOTE_STORE_REPAIR",
            format!(
                "one header copy of {} is damaged or out of date; the next start writes it anew",
                path.display()
            ),
        );
    }
    if let Some(slot) = notes.broken_slot {
        findings.found(
            Severity::Warning,
            "SIG_ERR_STORE_SLOT",
            format!("state slot {slot} of {} does not verify", path.display()),
            "a crash cut a write short that nobody was told of; or the file was damaged, and what remains is one commit old",
            "the next commit writes it anew; if there was no crash, check the disk",
        );
    }
    if notes.gap_in_history {
        findings.found(
            Severity::Warning,
            "SIG_ERR_STORE_GAP",
            format!("the two states in {} do not follow each other", path.display()),
            "the disk lost a write, or parts of two copies were mixed",
            "check the disk; see what restored or copied the file",
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
            (None, _) => "unreadable",
            (Some(_), Some(_)) => "its record is here",
            (Some(_), None) => "its record is missing",
        };
        format!("{} ({record})", backup.name)
    };
    let listed = all.iter().map(say).collect::<Vec<_>>().join(", ");
    findings
        .note("SIG_NOTE_BACKUPS", format!("stores that were set aside, never deleted by sigillo: {listed}"));
}
