//! What every keychain does, run on each of them.

use sigillo_keychain::{
    Cost, CustomKeychain, KeyFile, KeyId, Keychain, KeychainError, MemoryKeychain, Record, RecordName,
    Secret, SystemKeychain, SystemdCredential,
};

fn record(vm: u8) -> Record {
    Record::generate(&[vm; 16], "first-host", "a \"quoted\" comment, {braces} and ünïcode").unwrap()
}

/// Runs every rule, each on a fresh empty keychain.
fn conforms<K: Keychain>(fresh: impl Fn() -> K) {
    an_empty_keychain_lists_nothing_and_finds_nothing(&fresh());
    a_record_comes_back_as_it_went_in(&fresh());
    a_second_record_of_a_name_is_refused_and_the_first_stays(&fresh());
    replacing_needs_the_key_id_that_is_there(&fresh());
    deleting_takes_away_that_record_and_no_other(&fresh());
    deleting_needs_the_key_id_that_is_there(&fresh());
    of_racing_deletions_and_replacements_of_a_record_one_wins(&fresh());
    the_list_is_in_order_of_names(&fresh());
    an_invalid_record_is_refused(&fresh());
    insertions_from_many_threads_all_arrive(&fresh());
    of_many_racing_insertions_of_a_name_one_wins(&fresh());
}

fn an_empty_keychain_lists_nothing_and_finds_nothing(keychain: &dyn Keychain) {
    let record = record(1);
    assert_eq!(keychain.list().unwrap(), []);
    assert!(matches!(keychain.get(&record.name), Err(KeychainError::NotFound(name)) if name == record.name));
    assert!(matches!(keychain.delete(&record.name, record.key_id), Err(KeychainError::NotFound(_))));
    assert!(matches!(keychain.replace(record.key_id, &record), Err(KeychainError::NotFound(_))));
    assert_eq!(keychain.list().unwrap(), []);
}

fn a_record_comes_back_as_it_went_in(keychain: &dyn Keychain) {
    let record = record(1);
    keychain.insert_new(&record).unwrap();
    assert_eq!(keychain.get(&record.name).unwrap(), record);
    assert_eq!(keychain.list().unwrap(), [record.info()]);
}

fn a_second_record_of_a_name_is_refused_and_the_first_stays(keychain: &dyn Keychain) {
    let (first, second) = (record(1), record(1));
    keychain.insert_new(&first).unwrap();
    match keychain.insert_new(&second) {
        Err(KeychainError::Duplicate { name, key_id, host, created }) => {
            assert_eq!((name, key_id, host.as_str()), (first.name, first.key_id, "first-host"));
            assert_eq!(created, first.info().created());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(keychain.get(&first.name).unwrap(), first);
}

fn replacing_needs_the_key_id_that_is_there(keychain: &dyn Keychain) {
    let (first, second, third) = (record(1), record(1), record(1));
    keychain.insert_new(&first).unwrap();
    keychain.replace(first.key_id, &second).unwrap();
    match keychain.replace(first.key_id, &third) {
        Err(KeychainError::Conflict { expected, found, .. }) => {
            assert_eq!((expected, found), (first.key_id, second.key_id));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(keychain.get(&first.name).unwrap(), second);
}

fn deleting_takes_away_that_record_and_no_other(keychain: &dyn Keychain) {
    let (first, second) = (record(1), record(2));
    keychain.insert_new(&first).unwrap();
    keychain.insert_new(&second).unwrap();
    keychain.delete(&first.name, first.key_id).unwrap();
    assert!(matches!(keychain.get(&first.name), Err(KeychainError::NotFound(_))));
    assert_eq!(keychain.get(&second.name).unwrap(), second);
    keychain.insert_new(&first).unwrap();
}

fn deleting_needs_the_key_id_that_is_there(keychain: &dyn Keychain) {
    let (first, second) = (record(1), record(1));
    keychain.insert_new(&first).unwrap();
    keychain.replace(first.key_id, &second).unwrap();
    match keychain.delete(&first.name, first.key_id) {
        Err(KeychainError::Conflict { name, expected, found }) => {
            assert_eq!((name, expected, found), (first.name, first.key_id, second.key_id));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(keychain.get(&first.name).unwrap(), second);
    keychain.delete(&second.name, second.key_id).unwrap();
    assert_eq!(keychain.list().unwrap(), []);
}

/// What is asked about one record meets that one or none: never a deletion of what another has just put there.
fn of_racing_deletions_and_replacements_of_a_record_one_wins(keychain: &dyn Keychain) {
    let (first, second) = (record(1), record(1));
    keychain.insert_new(&first).unwrap();
    let (deleted, replaced) = std::thread::scope(|scope| {
        let deleters: Vec<_> =
            (0..4).map(|_| scope.spawn(|| keychain.delete(&first.name, first.key_id))).collect();
        let replaced = keychain.replace(first.key_id, &second);
        let deleted: Vec<_> = deleters.into_iter().map(|deleter| deleter.join().unwrap()).collect();
        (deleted, replaced)
    });
    let refused =
        |error: &KeychainError| matches!(error, KeychainError::NotFound(_) | KeychainError::Conflict { .. });
    let all = || deleted.iter().chain([&replaced]);
    assert_eq!(all().filter(|done| done.is_ok()).count(), 1, "{deleted:?}, {replaced:?}");
    assert!(all().filter_map(|done| done.as_ref().err()).all(refused), "{deleted:?}, {replaced:?}");
    let left = if replaced.is_ok() { vec![second.info()] } else { Vec::new() };
    assert_eq!(keychain.list().unwrap(), left);
}

fn the_list_is_in_order_of_names(keychain: &dyn Keychain) {
    for vm in [3, 1, 2] {
        keychain.insert_new(&record(vm)).unwrap();
    }
    let names: Vec<_> = keychain.list().unwrap().iter().map(|info| info.name).collect();
    assert_eq!(names, [1, 2, 3].map(|vm| RecordName::for_vm(&[vm; 16])));
}

fn an_invalid_record_is_refused(keychain: &dyn Keychain) {
    let mut wrong = record(1);
    wrong.secret = Secret::from_slice(b"with a space, so not base64url text at all");
    assert!(matches!(keychain.insert_new(&wrong), Err(KeychainError::InvalidRecord(_))));
    assert_eq!(keychain.list().unwrap(), []);
    let right = record(1);
    keychain.insert_new(&right).unwrap();
    assert!(matches!(keychain.replace(right.key_id, &wrong), Err(KeychainError::InvalidRecord(_))));
    assert_eq!(keychain.get(&right.name).unwrap(), right);
}

fn insertions_from_many_threads_all_arrive(keychain: &dyn Keychain) {
    std::thread::scope(|scope| {
        for vm in 0..8 {
            scope.spawn(move || keychain.insert_new(&record(vm)).unwrap());
        }
    });
    assert_eq!(keychain.list().unwrap().len(), 8);
}

fn of_many_racing_insertions_of_a_name_one_wins(keychain: &dyn Keychain) {
    let winners: Vec<KeyId> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(move || {
                    let record = record(1);
                    keychain.insert_new(&record).ok().map(|()| record.key_id)
                })
            })
            .collect();
        racers.into_iter().filter_map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(winners.len(), 1);
    assert_eq!(keychain.get(&RecordName::for_vm(&[1; 16])).unwrap().key_id, winners[0]);
}

#[test]
fn the_memory_keychain_conforms() {
    conforms(MemoryKeychain::new);
}

#[test]
fn the_system_keychain_with_a_key_file_conforms() {
    let root = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    conforms(|| {
        count.set(count.get() + 1);
        let dir = root.path().join(count.get().to_string());
        SystemKeychain::with_providers(&dir, vec![Box::new(KeyFile::new(dir.join("host.key")))])
    });
}

#[test]
fn the_system_keychain_with_a_systemd_credential_conforms() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("sigillo-keychain"), [7; 32]).unwrap();
    let count = std::cell::Cell::new(0);
    conforms(|| {
        count.set(count.get() + 1);
        let dir = root.path().join(count.get().to_string());
        SystemKeychain::with_providers(&dir, vec![Box::new(SystemdCredential::in_directory(root.path()))])
    });
}

#[test]
fn a_custom_keychain_file_conforms() {
    let root = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    let cheap = Cost { memory_mib: 1, passes: 1, lanes: 1 };
    conforms(|| {
        count.set(count.get() + 1);
        let path = root.path().join(format!("{}.kdbx", count.get()));
        CustomKeychain::create(&path, Secret::from_slice(b"a password"), cheap).unwrap()
    });
}

/// As root, on a Mac whose System keychain holds no record of ours.
#[cfg(target_os = "macos")]
#[test]
#[ignore = "changes the System keychain of the Mac it runs on"]
fn the_system_keychain_of_macos_conforms() {
    conforms(|| {
        let keychain = sigillo_keychain::MacSystemKeychain;
        for left in keychain.list().unwrap() {
            keychain.delete(&left.name, left.key_id).unwrap();
        }
        keychain
    });
}

/// In a session of its own, since it deletes what it finds: the step `keychain` of `cargo xtask test` makes one.
#[cfg(feature = "secret-service")]
#[test]
#[ignore = "changes the Secret Service of the session it runs in"]
fn the_secret_service_conforms() {
    let root = tempfile::tempdir().unwrap();
    conforms(|| {
        let keychain = sigillo_keychain::SecretServiceKeychain::locking_in(&root.path().join("keychain"));
        for left in keychain.list().unwrap() {
            keychain.delete(&left.name, left.key_id).unwrap();
        }
        keychain
    });
}
