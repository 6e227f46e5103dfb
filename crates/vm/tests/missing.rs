//! A record that is missing, and a VM that is taken back on purpose: who is asked, and what stays. Needs Debian's `ovmf`.
mod common;

use common::{Fixture, Person, files};
use sigillo_keychain::{
    Keychain, RecordName,
    anchor::{Anchored, Verdict},
};
use sigillo_store::{Key, Store};
use sigillo_vm::{Bundle, Event, HostPolicy, Question, WhenRecordMissing, announce_revert, backups};
use std::fs;

/// Far as the TPM's process, which is `/bin/false` here.
const AS_FAR_AS_THE_TPM: &str = "SIG_ERR_TPM_START";

fn without_record() -> (Fixture, Bundle) {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    fixture.lose_record(&vm);
    (fixture, vm)
}

#[test]
fn a_person_is_asked_once_and_a_no_changes_nothing() {
    let (fixture, vm) = without_record();
    let before = files(fixture.dir.path());
    let mut person = Person::who_says(false);
    assert_eq!(fixture.start_as(&vm, None, None, &mut person).code(), "SIG_ERR_TPM_RECORD_MISSING");
    let [question @ Question::NewTpm { vm: name, .. }] = &person.asked[..] else {
        panic!("{:?}", person.asked)
    };
    assert_eq!(name, "vm");
    for words in ["BitLocker", "LUKS", "kept as a backup", "restore-backup"] {
        assert!(question.to_string().contains(words), "{question}");
    }
    assert_eq!(files(fixture.dir.path()), before);
    assert!(fixture.keychain.list().unwrap().is_empty());
}

#[test]
fn a_yes_keeps_the_store_and_makes_a_tpm_store_and_record() {
    let (fixture, vm) = without_record();
    let old = fs::read(vm.store_path().unwrap()).unwrap();
    let mut person = Person::who_says(true);
    assert_eq!(fixture.start_as(&vm, None, None, &mut person).code(), AS_FAR_AS_THE_TPM);
    let [Event::NewTpm { backup, .. }] = &person.told[..] else { panic!("{:?}", person.told) };
    assert_eq!(fs::read(backup).unwrap(), old);
    let record = fixture.keychain.get(&RecordName::for_vm(vm.config().uuid.as_bytes())).unwrap();
    let store = Store::open(&vm.store_path().unwrap(), &Key::Password(record.secret)).unwrap();
    assert_eq!(store.state(), b"another TPM");
    let [only] = &backups(&vm, &fixture.keychain).unwrap()[..] else { panic!("one backup") };
    assert_eq!((&only.path, only.record), (backup, None));
    let acts = fixture.acts();
    assert!(acts.ends_with(&["record-added", "backup-made", "record-read"].map(str::to_owned)), "{acts:?}");
}

#[test]
fn where_nobody_can_answer_or_the_host_refuses_nobody_is_asked() {
    let (mut fixture, vm) = without_record();
    let mut nobody = Person::absent();
    let ask = Some(WhenRecordMissing::Ask);
    assert_eq!(fixture.start_as(&vm, ask, None, &mut nobody).code(), "SIG_ERR_TPM_RECORD_MISSING");
    fixture.policy = HostPolicy::parse("when_record_missing = \"refuse\"").unwrap();
    let mut person = Person::who_says(true);
    assert_eq!(fixture.start_as(&vm, None, None, &mut person).code(), "SIG_ERR_TPM_RECORD_MISSING");
    assert!(person.asked.is_empty());
}

#[test]
fn a_vm_that_is_taken_back_on_purpose_is_no_rollback_once_that_was_told() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    let record = fixture.keychain.get(&RecordName::for_vm(vm.config().uuid.as_bytes())).unwrap();
    let key = Key::Password(record.secret);
    let path = vm.store_path().unwrap();
    let snapshot = fixture.dir.path().join("snapshot");
    fs::copy(&path, &snapshot).unwrap();
    let mut store = Store::open(&path, &key).unwrap();
    store.commit(b"later").unwrap();
    fixture.anchors.accept(vm.config().uuid.as_bytes(), &store).unwrap();
    drop(store);
    let verdict = || {
        let store = Store::open(&snapshot, &key).unwrap();
        match fixture
            .anchors
            .open(vm.config().uuid.as_bytes(), &store.info().file_uuid)
            .unwrap()
            .read()
            .unwrap()
        {
            Anchored::State(seen) => Verdict::of(&store, Some(&seen)),
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(verdict(), Verdict::RolledBack { by: 1, .. }));
    announce_revert(&vm, &fixture.host(), &snapshot, "snapshot \"clean\"").unwrap();
    assert_eq!(verdict(), Verdict::Same);
    assert_eq!(fixture.acts().last().unwrap(), "snapshot-reverted");
    let other = fixture.create("other", sigillo_vm::Firmware::Uefi).unwrap();
    assert_eq!(
        announce_revert(&other, &fixture.host(), &snapshot, "").unwrap_err().code(),
        "SIG_ERR_TPM_STORE"
    );
}
