//! Snapshots of VMs that are off: what they hold, what a revert does to the TPM, and which are refused. Needs Debian's `ovmf`.
mod common;

use common::{Fixture, Person, files};
use sigillo_keychain::{Keychain, Record, RecordName, anchor::Anchored, anchor::Verdict};
use sigillo_store::{Key, Store};
use sigillo_vm::{
    Bundle, Error, NewSnapshot, Snapshot, WhenRecordMissing, delete_snapshot, find_snapshot,
    require_deletable, revert, rotate, snapshot, snapshots,
};
use std::{fs, os::unix::fs::symlink};

fn named(name: &str) -> NewSnapshot {
    NewSnapshot { name: Some(name.to_owned()), description: "words".to_owned() }
}

fn make(vm: &Bundle, name: &str) -> Result<Snapshot, Error> {
    snapshot(vm, &named(name), &mut |_, _, _| {})
}

fn back(fixture: &Fixture, vm: &Bundle, name: &str) -> Result<sigillo_vm::Reverted, Error> {
    revert(vm, &fixture.host(), &find_snapshot(vm, name)?, false, &mut |_, _, _| {})
}

fn record(fixture: &Fixture, vm: &Bundle) -> Record {
    fixture.keychain.get(&RecordName::for_vm(vm.config().uuid.as_bytes())).unwrap()
}

fn open(fixture: &Fixture, vm: &Bundle) -> Store {
    Store::open(&vm.store_path().unwrap(), &Key::Password(record(fixture, vm).secret)).unwrap()
}

/// A commit that the host sees, as the TPM's process makes them.
fn live(fixture: &Fixture, vm: &Bundle, state: &[u8]) {
    let mut store = open(fixture, vm);
    store.commit(state).unwrap();
    fixture.anchors.accept(vm.config().uuid.as_bytes(), &store).unwrap();
}

/// What the host says of the store that is there.
fn verdict(fixture: &Fixture, vm: &Bundle) -> Verdict {
    let store = open(fixture, vm);
    let uuid = *vm.config().uuid.as_bytes();
    assert_eq!(fixture.anchors.current(&uuid).unwrap(), Some(store.info().file_uuid));
    match fixture.anchors.open(&uuid, &store.info().file_uuid).unwrap().read().unwrap() {
        Anchored::State(seen) => Verdict::of(&store, Some(&seen)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_revert_takes_back_the_tpm_and_the_host_knows_that_it_was_meant() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    live(&fixture, &vm, b"then");
    let made = make(&vm, "one").unwrap();
    assert!(made.tpm && !made.suspended && !made.automatic);
    live(&fixture, &vm, b"later");
    live(&fixture, &vm, b"later still");
    let done = back(&fixture, &vm, "one").unwrap();
    assert!(done.tpm && !done.suspended && !done.kept_for_tpm);
    assert_eq!(open(&fixture, &vm).state(), b"then");
    assert_eq!(verdict(&fixture, &vm), Verdict::Same);
    assert_eq!(fixture.acts().last().unwrap(), "snapshot-reverted");
    // And forth again, to what was kept.
    back(&fixture, &vm, &done.kept.unwrap()).unwrap();
    assert_eq!(open(&fixture, &vm).state(), b"later still");
    assert_eq!(verdict(&fixture, &vm), Verdict::Same);
}

#[test]
fn a_store_that_is_put_back_by_hand_is_still_a_rollback() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    let made = make(&vm, "one").unwrap();
    live(&fixture, &vm, b"later");
    let copy = vm.path().join("snapshots").join(made.id.to_string()).join("tpm.store");
    fs::copy(copy, vm.store_path().unwrap()).unwrap();
    assert!(matches!(verdict(&fixture, &vm), Verdict::RolledBack { by: 1, .. }));
}

#[test]
fn a_password_that_was_rotated_away_does_not_come_back_with_an_old_state() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    live(&fixture, &vm, b"then");
    make(&vm, "one").unwrap();
    let old = record(&fixture, &vm);
    rotate(&vm, &fixture.keychain, &fixture.audit).unwrap();
    live(&fixture, &vm, b"later");
    back(&fixture, &vm, "one").unwrap();
    assert_eq!(open(&fixture, &vm).state(), b"then");
    assert_eq!(verdict(&fixture, &vm), Verdict::Same);
    assert!(Store::open(&vm.store_path().unwrap(), &Key::Password(old.secret)).is_err());
}

#[test]
fn a_snapshot_of_a_tpm_whose_key_is_nowhere_is_refused_and_comes_back_with_the_record() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    live(&fixture, &vm, b"then");
    make(&vm, "one").unwrap();
    let (old, old_uuid) = (record(&fixture, &vm), open(&fixture, &vm).info().file_uuid);
    fixture.keychain.delete(&old.name, old.key_id).unwrap();
    fixture.start_as(&vm, Some(WhenRecordMissing::New), None, &mut Person::absent());
    assert_eq!(open(&fixture, &vm).state(), b"another TPM");
    // Sockets cannot be read.
    fs::remove_dir_all(vm.path().join("run")).unwrap();
    let (before, current) = (files(vm.path()), record(&fixture, &vm));
    let error = back(&fixture, &vm, "one").unwrap_err();
    assert_eq!(error.code(), "SIG_ERR_SNAPSHOT_KEY");
    assert!(error.to_string().contains(&old.key_id.to_string()), "{error}");
    assert_eq!(files(vm.path()), before, "a refused revert changes nothing");
    // The record turns up, under the store's own name.
    let parked = Record { name: RecordName::for_vm(&old_uuid), ..old.clone() };
    fixture.keychain.insert_new(&parked).unwrap();
    let one = find_snapshot(&vm, "one").unwrap();
    let done = revert(&vm, &fixture.host(), &one, true, &mut |_, _, _| {}).unwrap();
    assert!(done.kept_for_tpm, "the TPM in use is not in the snapshot, so it was not given up");
    assert_eq!(open(&fixture, &vm).state(), b"then");
    assert_eq!(verdict(&fixture, &vm), Verdict::Same);
    back(&fixture, &vm, &done.kept.unwrap()).unwrap();
    assert_eq!(open(&fixture, &vm).state(), b"another TPM");
    assert_eq!(record(&fixture, &vm).key_id, current.key_id);
}

#[test]
fn a_lost_store_comes_back_from_a_snapshot() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    live(&fixture, &vm, b"then");
    make(&vm, "one").unwrap();
    fs::remove_file(vm.store_path().unwrap()).unwrap();
    assert_eq!(make(&vm, "two").unwrap_err().code(), "SIG_ERR_VM_NOT_WHOLE");
    back(&fixture, &vm, "one").unwrap();
    assert_eq!(open(&fixture, &vm).state(), b"then");
    assert_eq!(verdict(&fixture, &vm), Verdict::Same);
}

#[test]
fn files_have_the_times_of_then_though_the_bundle_lost_them_on_its_way() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    let vars = vm.path().join("firmware-vars.fd");
    let then = fs::metadata(&vars).unwrap().modified().unwrap();
    let made = make(&vm, "one").unwrap();
    let copy = vm.path().join("snapshots").join(made.id.to_string()).join("firmware-vars.fd");
    assert_eq!(fs::metadata(&copy).unwrap().modified().unwrap(), then);
    fs::File::open(&copy).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    back(&fixture, &vm, "one").unwrap();
    assert_eq!(fs::metadata(&vars).unwrap().modified().unwrap(), then);
}

#[test]
fn names_are_unique_and_an_id_may_be_cut() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    let one = make(&vm, "one").unwrap();
    for name in ["one", "", " x", "-x", "a\nb", &"x".repeat(65)] {
        assert_eq!(make(&vm, name).unwrap_err().code(), "SIG_ERR_SNAPSHOT_NAME", "{name:?}");
    }
    snapshot(&vm, &NewSnapshot::default(), &mut |_, _, _| {}).unwrap();
    let all = snapshots(&vm).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(find_snapshot(&vm, "one").unwrap().description, "words");
    assert_eq!(find_snapshot(&vm, &one.id.to_string()[..8]).unwrap().id, one.id);
    assert_eq!(find_snapshot(&vm, "on").unwrap_err().code(), "SIG_ERR_SNAPSHOT_NOT_FOUND");
    assert_eq!(require_deletable(&vm, false).unwrap_err().code(), "SIG_ERR_VM_HOLDS_MORE");
    for one in all {
        delete_snapshot(&vm, one.id).unwrap();
        assert_eq!(delete_snapshot(&vm, one.id).unwrap_err().code(), "SIG_ERR_SNAPSHOT_NOT_FOUND");
    }
    require_deletable(&vm, false).unwrap();
}

#[test]
fn a_disk_outside_the_bundle_excludes_snapshots_link_or_not() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    let outside = fixture.dir.path().join("outside.img");
    fs::write(&outside, "disk").unwrap();
    let config = vm.path().join("vm.toml");
    let text = fs::read_to_string(&config).unwrap();
    symlink(&outside, vm.path().join("link.img")).unwrap();
    fs::create_dir(fixture.dir.path().join("far")).unwrap();
    symlink(fixture.dir.path().join("far"), vm.path().join("near")).unwrap();
    fs::write(fixture.dir.path().join("far/disk.img"), "disk").unwrap();
    for path in [outside.to_str().unwrap(), "link.img", "near/disk.img", "snapshots/x"] {
        fs::write(&config, format!("{text}[[disks]]\npath = {path:?}\nformat = \"raw\"\n")).unwrap();
        let vm = Bundle::load(vm.path()).unwrap();
        assert_eq!(make(&vm, "one").unwrap_err().code(), "SIG_ERR_SNAPSHOT_DISK", "{path}");
        assert!(snapshots(&vm).unwrap().is_empty());
    }
}

#[test]
fn a_snapshot_that_is_cut_changed_or_hostile_is_refused_and_nothing_is_touched() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    let made = make(&vm, "one").unwrap();
    live(&fixture, &vm, b"later");
    let dir = vm.path().join("snapshots").join(made.id.to_string());
    let refused = |code: &str, why: &str| {
        let before = files(vm.path());
        let error = back(&fixture, &vm, &made.id.to_string()).unwrap_err();
        assert_eq!(error.code(), code, "{why}: {error}");
        assert_eq!(files(vm.path()), before, "{why}");
    };
    for name in ["tpm.store", "firmware-vars.fd", "vm.toml"] {
        let path = dir.join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        refused("SIG_ERR_SNAPSHOT_DAMAGED", "cut");
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        fs::write(&path, changed).unwrap();
        refused("SIG_ERR_SNAPSHOT_DAMAGED", "changed");
        fs::remove_file(&path).unwrap();
        refused("SIG_ERR_SNAPSHOT_DAMAGED", "gone");
        symlink(vm.path().join("tpm.store"), &path).unwrap();
        refused("SIG_ERR_SNAPSHOT_DAMAGED", "a link");
        fs::remove_file(&path).unwrap();
        fs::write(&path, whole).unwrap();
    }
    let manifest = dir.join("snapshot.json");
    let text = fs::read_to_string(&manifest).unwrap();
    for (from, to) in [
        ("\"place\": \"firmware-vars.fd\"", "\"place\": \"../firmware-vars.fd\""),
        ("\"place\": \"firmware-vars.fd\"", "\"place\": \"/etc/passwd\""),
        ("\"place\": \"firmware-vars.fd\"", "\"place\": \"snapshots/x\""),
        ("\"place\": \"firmware-vars.fd\"", "\"place\": \"vm.toml\""),
        ("\"file\": \"firmware-vars.fd\"", "\"file\": \"../../firmware-vars.fd\""),
        ("\"version\": 1", "\"version\": 2"),
        ("\"name\": \"one\"", "\"name\": \"\\u001b[2J\""),
        ("\"parts\"", "\"pieces\""),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&manifest, text.replacen(from, to, 1)).unwrap();
        assert!(snapshots(&vm).unwrap()[0].damaged.is_some(), "{to}");
        refused("SIG_ERR_SNAPSHOT_DAMAGED", to);
    }
    fs::write(&manifest, &text).unwrap();
    back(&fixture, &vm, "one").unwrap();
}

#[test]
fn a_plan_that_leads_out_of_the_bundle_is_not_followed() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    let staging = vm.path().join(".revert");
    fs::create_dir_all(staging.join("new")).unwrap();
    fs::create_dir_all(staging.join("old")).unwrap();
    fs::write(staging.join("new/x"), "evil").unwrap();
    let part = r#"{"file": "x", "place": "../evil", "bytes": 4, "modified": [0, 0], "sha256": null}"#;
    fs::write(staging.join("plan.json"), format!(r#"{{"keep": null, "old": [], "new": [{part}]}}"#)).unwrap();
    assert_eq!(make(&vm, "one").unwrap_err().code(), "SIG_ERR_IO");
    assert!(!vm.path().parent().unwrap().join("evil").exists());
}

#[test]
fn a_link_in_place_of_our_directories_is_not_followed() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    let far = fixture.dir.path().join("far");
    let hidden = far.join(format!(".{}.new", uuid::Uuid::new_v4()));
    fs::create_dir_all(&hidden).unwrap();
    fs::write(far.join("plan.json"), "{}").unwrap();
    symlink(&far, vm.path().join(".revert")).unwrap();
    symlink(&far, vm.path().join("snapshots")).unwrap();
    assert_eq!(make(&vm, "one").unwrap_err().code(), "SIG_ERR_IO");
    assert!(snapshots(&vm).is_err());
    assert!(delete_snapshot(&vm, uuid::Uuid::new_v4()).is_err());
    assert!(hidden.exists() && far.join("plan.json").exists());
}

#[test]
fn a_store_that_lives_elsewhere_is_not_copied() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    let held = open(&fixture, &vm);
    assert_eq!(make(&vm, "one").unwrap_err().code(), "SIG_ERR_TPM_IN_USE");
    drop(held);
    make(&vm, "one").unwrap();
}
