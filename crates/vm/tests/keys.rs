//! The ways into the store of a VM's TPM: every step of a change leaves the record opening the store. Needs Debian's `ovmf`.
mod common;

use common::*;
use sigillo_keychain::{
    Keychain, KeychainError, Record, RecordInfo, RecordName,
    anchor::Verdict,
    audit::{Act, AuditLog},
};
use sigillo_store::{Algorithm, Key, KeyId, KeyKind, OpenError, RecoveryCode, Secret, Store};
use sigillo_vm::{
    Bundle, Event, Home, Host, KeysError, RecordState, Reencrypt, Reencrypted, add_key, list_keys, needed_by,
    reencrypt, remove_key, restore_record, rotate,
};
use std::path::Path;

/// As it is, under a new data key.
const KEEP: Reencrypt = Reencrypt { algorithm: None, recovery_code: None, passphrase: None };

struct World {
    fixture: Fixture,
    vm: Bundle,
    audit: AuditLog,
}

impl World {
    fn new() -> Self {
        let fixture = Fixture::new();
        let vm = fixture.with_tpm();
        let audit = AuditLog::at(&fixture.dir.path().join("keychain"));
        World { fixture, vm, audit }
    }

    fn name(&self) -> RecordName {
        RecordName::for_vm(self.vm.config().uuid.as_bytes())
    }

    fn record(&self) -> Record {
        self.fixture.keychain.get(&self.name()).unwrap()
    }

    fn rotate(&self) -> Result<sigillo_vm::Rotated, KeysError> {
        rotate(&self.vm, &self.fixture.keychain, &self.audit)
    }

    fn reencrypt(&self, options: Reencrypt) -> Result<Reencrypted, KeysError> {
        reencrypt(&self.vm, &Host { audit: &self.audit, ..self.fixture.host() }, options)
    }

    /// What the store is to the newest state that this host has seen.
    fn verdict(&self) -> Verdict {
        let store = self.open(&password(&self.record())).unwrap();
        let seen = self.fixture.anchors.look(self.vm.config().uuid.as_bytes(), &store.info().file_uuid);
        seen.unwrap().verdict(&store)
    }

    /// Commits so many states; the anchor knows of the opening, or of nothing.
    fn commit(&self, states: u8, opening_seen: bool) {
        let mut store = self.open(&password(&self.record())).unwrap();
        if opening_seen {
            self.fixture.anchors.accept(self.vm.config().uuid.as_bytes(), &store).unwrap();
        }
        (0..states).for_each(|state| store.commit(&[state]).unwrap());
    }

    fn add(&self, key: &Key) -> KeyId {
        add_key(&self.vm, &self.fixture.keychain, &self.audit, key).unwrap()
    }

    fn leftovers(&self) -> Vec<KeyId> {
        list_keys(&self.vm, &self.fixture.keychain).unwrap().leftovers()
    }

    fn open(&self, key: &Key) -> Result<Store, OpenError> {
        Store::open(&self.vm.store_path().unwrap(), key)
    }

    fn opens(&self, key: &Key) {
        assert_eq!(self.open(key).unwrap().state(), b"a TPM");
    }

    fn is_closed_to(&self, key: &Key) {
        assert!(matches!(self.open(key), Err(OpenError::WrongKey { .. })));
    }

    fn restore(&self, key: &Key, replace: bool) -> Result<sigillo_vm::Restored, KeysError> {
        restore_record(&self.vm, &self.fixture.keychain, &self.audit, key, replace)
    }

    fn acts(&self) -> Vec<String> {
        self.audit.entries().unwrap().into_iter().map(|entry| entry.act).collect()
    }
}

fn password(record: &Record) -> Key {
    Key::Password(record.secret.clone())
}

fn code() -> Key {
    Key::RecoveryCode(RecoveryCode::generate().unwrap())
}

fn passphrase() -> Key {
    Key::Passphrase(Secret::from_slice(b"correct horse battery"))
}

/// A keychain that answers a replacement so.
struct Stubborn<'a>(&'a dyn Keychain, fn(&dyn Keychain, KeyId, &Record) -> Result<(), KeychainError>);

impl Keychain for Stubborn<'_> {
    fn insert_new(&self, record: &Record) -> Result<(), KeychainError> {
        self.0.insert_new(record)
    }
    fn get(&self, name: &RecordName) -> Result<Record, KeychainError> {
        self.0.get(name)
    }
    fn list(&self) -> Result<Vec<RecordInfo>, KeychainError> {
        self.0.list()
    }
    fn replace(&self, expect: KeyId, record: &Record) -> Result<(), KeychainError> {
        self.1(self.0, expect, record)
    }
    fn delete(&self, name: &RecordName, expect: KeyId) -> Result<(), KeychainError> {
        self.0.delete(name, expect)
    }
}

fn unsure() -> KeychainError {
    KeychainError::Unsure { path: Path::new("k").to_owned(), source: std::io::ErrorKind::Other.into() }
}

#[test]
fn a_rotation_leaves_the_new_password_alone_and_the_other_keys_as_they_are() {
    let world = World::new();
    let (code, words) = (code(), passphrase());
    world.add(&code);
    world.add(&words);
    let before = world.record();
    let done = world.rotate().unwrap();
    let after = world.record();
    assert_eq!((done.old, done.new), (before.key_id, after.key_id));
    assert_eq!(done.leftovers, []);
    assert_ne!(before.secret, after.secret);
    world.is_closed_to(&password(&before));
    for key in [&password(&after), &code, &words] {
        world.opens(key);
    }
    let keys = list_keys(&world.vm, &world.fixture.keychain).unwrap();
    assert_eq!(keys.record, RecordState::Opens(after.key_id));
    assert_eq!(world.acts(), [Act::KeyAdded, Act::KeyAdded, Act::PasswordRotated].map(Act::as_str));
}

#[test]
fn what_an_interrupted_rotation_leaves_is_listed_and_gone_after_the_next() {
    let world = World::new();
    let first = world.record();
    // Killed after the slot was written and before the record was replaced.
    let lost = Record::generate(world.vm.config().uuid.as_bytes(), "host", "").unwrap();
    world.open(&password(&first)).unwrap().add_key(&password(&lost), lost.key_id).unwrap();
    assert_eq!(world.leftovers(), [lost.key_id]);
    let done = world.rotate().unwrap();
    assert_eq!((done.old, done.leftovers), (first.key_id, vec![lost.key_id]));
    world.is_closed_to(&password(&lost));
    // Killed after the record was replaced and before the old slot was removed.
    let second = world.record();
    let third = Record::generate(world.vm.config().uuid.as_bytes(), "host", "").unwrap();
    world.open(&password(&second)).unwrap().add_key(&password(&third), third.key_id).unwrap();
    world.fixture.keychain.replace(second.key_id, &third).unwrap();
    assert_eq!(world.leftovers(), [second.key_id]);
    let done = world.rotate().unwrap();
    assert_eq!((done.old, done.leftovers), (third.key_id, vec![second.key_id]));
    for gone in [&first, &lost, &second, &third] {
        world.is_closed_to(&password(gone));
    }
    world.opens(&password(&world.record()));
    assert_eq!(world.leftovers(), []);
}

#[test]
fn a_keychain_that_refuses_leaves_the_store_with_the_old_password_alone() {
    let world = World::new();
    let before = world.record();
    let refusing =
        Stubborn(&world.fixture.keychain, |_, _, record| Err(KeychainError::NotFound(record.name)));
    let refused = rotate(&world.vm, &refusing, &world.audit).unwrap_err();
    assert_eq!(refused.code(), "SIG_ERR_KEYCHAIN_NOT_FOUND");
    assert_eq!(world.leftovers(), []);
    world.opens(&password(&before));
}

#[test]
fn a_keychain_that_is_not_sure_leaves_both_passwords_whichever_record_it_has() {
    let world = World::new();
    let kept = world.record();
    let unsure_kept = Stubborn(&world.fixture.keychain, |_, _, _| Err(unsure()));
    let refused = rotate(&world.vm, &unsure_kept, &world.audit).unwrap_err();
    assert_eq!(refused.code(), "SIG_ERR_KEYCHAIN_UNSURE");
    world.opens(&password(&kept));
    assert_eq!(world.leftovers().len(), 1);
    let unsure_replaced = Stubborn(&world.fixture.keychain, |keychain, expect, record| {
        keychain.replace(expect, record)?;
        Err(unsure())
    });
    rotate(&world.vm, &unsure_replaced, &world.audit).unwrap_err();
    let replaced = world.record();
    assert_ne!(replaced.key_id, kept.key_id);
    world.opens(&password(&replaced));
    assert_eq!(world.leftovers(), [kept.key_id]);
    world.rotate().unwrap();
    assert_eq!(world.leftovers(), []);
}

#[test]
fn the_records_own_key_is_not_removed_and_others_are() {
    let world = World::new();
    let code = code();
    let code_id = world.add(&code);
    let record = world.record();
    let remove = |key_id| remove_key(&world.vm, &world.fixture.keychain, &world.audit, key_id);
    let refused = remove(record.key_id).unwrap_err();
    assert_eq!(refused.code(), "SIG_ERR_TPM_KEY_IN_USE");
    assert!(refused.to_string().contains("tpm key rotate"), "{refused}");
    assert_eq!(remove(KeyId::from([1; 16])).unwrap_err().code(), "SIG_ERR_STORE_KEYS");
    remove(code_id).unwrap();
    world.is_closed_to(&code);
    world.opens(&password(&record));
}

#[test]
fn a_lost_record_comes_back_with_the_recovery_code_or_a_passphrase() {
    let world = World::new();
    let (code, words) = (code(), passphrase());
    world.add(&code);
    world.add(&words);
    for key in [&code, &words] {
        let lost = world.record();
        assert_eq!(world.restore(key, false).unwrap_err().code(), "SIG_ERR_TPM_RECORD_THERE");
        world.fixture.keychain.delete(&lost.name, lost.key_id).unwrap();
        assert_eq!(list_keys(&world.vm, &world.fixture.keychain).unwrap().record, RecordState::Missing);
        assert_eq!(world.rotate().unwrap_err().code(), "SIG_ERR_TPM_RECORD_MISSING");
        assert_eq!(world.fixture.start(&world.vm).code(), "SIG_ERR_TPM_RECORD_MISSING");
        assert_eq!(world.restore(&self::code(), false).unwrap_err().code(), "SIG_ERR_STORE_WRONG_KEY");
        let done = world.restore(key, false).unwrap();
        assert_eq!(done.key_id, world.record().key_id);
        assert!(!done.suspended);
        world.opens(&password(&world.record()));
        // The lost one may still turn up, until a rotation takes it away.
        world.opens(&password(&lost));
        world.rotate().unwrap();
        world.is_closed_to(&password(&lost));
        // It gets as far as the start of the TPM's process, which is /bin/false here.
        assert_eq!(world.fixture.start(&world.vm).code(), "SIG_ERR_TPM_START");
    }
}

#[test]
fn a_record_of_another_store_is_replaced_only_where_that_is_said() {
    let world = World::new();
    let code = code();
    world.add(&code);
    let other = Record::generate(world.vm.config().uuid.as_bytes(), "host", "").unwrap();
    world.fixture.keychain.replace(world.record().key_id, &other).unwrap();
    let keys = list_keys(&world.vm, &world.fixture.keychain).unwrap();
    assert_eq!(keys.record, RecordState::Other(other.key_id));
    assert_eq!(world.rotate().unwrap_err().code(), "SIG_ERR_TPM_RECORD_OTHER");
    let refused = world.restore(&code, false).unwrap_err();
    assert_eq!(refused.code(), "SIG_ERR_TPM_RECORD_OTHER");
    assert!(refused.to_string().contains("--replace"), "{refused}");
    assert_eq!(world.record(), other);
    world.restore(&code, true).unwrap();
    world.opens(&password(&world.record()));
}

#[test]
fn a_store_encrypted_anew_opens_with_the_record_and_the_keys_given() {
    let world = World::new();
    let (old_code, old_words) = (code(), passphrase());
    world.add(&old_code);
    world.add(&old_words);
    let before = world.record();
    let fresh = RecoveryCode::generate().unwrap();
    let words = Secret::from_slice(b"another, longer passphrase");
    let options = Reencrypt {
        algorithm: Some(Algorithm::Aes256Gcm),
        recovery_code: Some(fresh.clone()),
        passphrase: Some(words.clone()),
    };
    let done = world.reencrypt(options).unwrap();
    assert_eq!(done.algorithm, Algorithm::Aes256Gcm);
    for gone in [&password(&before), &old_code, &old_words] {
        world.is_closed_to(gone);
    }
    for key in [&password(&world.record()), &Key::RecoveryCode(fresh), &Key::Passphrase(words)] {
        world.opens(key);
    }
    let keys = list_keys(&world.vm, &world.fixture.keychain).unwrap();
    assert_eq!((keys.algorithm, keys.leftovers()), (Algorithm::Aes256Gcm, vec![]));
    let kinds: Vec<_> = keys.slots.iter().map(|slot| slot.kind).collect();
    assert_eq!(kinds.len(), 3);
    assert!(kinds.contains(&KeyKind::RecoveryCode) && kinds.contains(&KeyKind::Passphrase));
    let done = world.reencrypt(KEEP).unwrap();
    assert_eq!((done.algorithm, done.recovery_code, done.passphrase), (Algorithm::Aes256Gcm, None, None));
    world.opens(&password(&world.record()));
    world.audit.verify().unwrap();
}

#[test]
fn a_store_encrypted_anew_is_the_newest_seen_and_a_copy_under_the_old_keys_is_rolled_back() {
    let world = World::new();
    let path = world.vm.store_path().unwrap();
    let (old, old_record) = (std::fs::read(&path).unwrap(), world.record());
    for _ in 0..2 {
        assert_eq!(world.reencrypt(KEEP).unwrap().events, []);
        assert_eq!(world.verdict(), Verdict::Same);
    }
    assert!(!world.acts().contains(&"store-moved-on".to_owned()), "{:?}", world.acts());

    std::fs::write(&path, &old).unwrap();
    world.fixture.keychain.replace(world.record().key_id, &old_record).unwrap();
    assert!(matches!(world.verdict(), Verdict::RolledBack { by: 2, .. }), "{:?}", world.verdict());
    // It would pass for one that moved on, made new often enough.
    let refused = world.reencrypt(KEEP).unwrap_err();
    assert_eq!(refused.code(), "SIG_ERR_TPM_ROLLED_BACK");
    assert!(refused.to_string().contains("sigillo vm start"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), old);
    assert!(matches!(world.verdict(), Verdict::RolledBack { by: 2, .. }), "{:?}", world.verdict());
    assert_eq!(world.record(), old_record);
}

#[test]
fn what_the_anchor_was_behind_by_is_told_before_a_store_is_encrypted_anew_and_no_more_after_it() {
    let world = World::new();
    // A crash: the opening is the one that was seen.
    world.commit(4, true);
    assert_eq!(world.verdict(), Verdict::Newer { by: 4 });
    assert_eq!(world.reencrypt(KEEP).unwrap().events, []);
    assert_eq!(world.verdict(), Verdict::Same);
    // Another host.
    world.commit(3, false);
    assert_eq!(world.verdict(), Verdict::MovedOn { by: 3 });
    let done = world.reencrypt(KEEP).unwrap();
    assert_eq!(done.events, [Event::MovedOn { vm: "vm".to_owned(), by: 3 }]);
    assert_eq!(world.verdict(), Verdict::Same);
    assert_eq!(world.acts().iter().filter(|act| *act == "store-moved-on").count(), 1, "{:?}", world.acts());
}

#[test]
fn a_store_is_not_encrypted_anew_while_a_copy_of_it_is_alive() {
    let world = World::new();
    let path = world.vm.store_path().unwrap();
    let (before, info) = (std::fs::read(&path).unwrap(), Store::peek(&path).unwrap());
    let alive = world.fixture.anchors.open(world.vm.config().uuid.as_bytes(), &info.file_uuid).unwrap();
    alive.lock().unwrap().unwrap();
    assert_eq!(world.reencrypt(KEEP).unwrap_err().code(), "SIG_ERR_TPM_IN_USE");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    drop(alive);
    world.reencrypt(KEEP).unwrap();
}

#[test]
fn a_record_of_a_vm_that_ran_from_elsewhere_is_known_to_be_needed() {
    let world = World::new();
    let (home, record) = (&world.fixture.home, world.record());
    let needed = |home: &Home, name: &RecordName| {
        let needed = needed_by(home, &world.fixture.anchors, name, &record.key_id).unwrap();
        (needed.stores.len(), needed.elsewhere)
    };
    assert_eq!(needed(home, &record.name), (1, false));
    let other = Home::find(Some(&world.fixture.dir.path().join("other")));
    assert_eq!(needed(&other, &record.name), (0, true));
    assert_eq!(needed(&other, &RecordName::for_vm(&[7; 16])), (0, false), "of a VM that never was here");
    // One that cannot be read is the one that is meant, for all that can be seen.
    let path = world.vm.store_path().unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..100]).unwrap();
    assert_eq!(needed(home, &record.name), (1, false));
    std::fs::write(&path, &whole).unwrap();
    // A store that the record does not open is not the one it is asked about, and is not elsewhere either.
    world.rotate().unwrap();
    assert_eq!(needed(home, &record.name), (0, false));
    // As a link to a disk that is not mounted.
    let away = world.fixture.dir.path().join("away");
    std::fs::rename(world.vm.path(), &away).unwrap();
    std::os::unix::fs::symlink(&away, world.vm.path()).unwrap();
    assert_eq!(needed(home, &record.name), (0, false));
    std::fs::rename(&away, away.with_extension("unmounted")).unwrap();
    assert_eq!(needed(home, &record.name), (0, true));
}

#[test]
fn a_suspended_tpm_keeps_its_password() {
    let world = World::new();
    let before = world.record();
    let mut volatile = world.vm.store_path().unwrap().into_os_string();
    volatile.push(".volatile");
    std::fs::write(&volatile, b"sealed").unwrap();
    assert_eq!(world.rotate().unwrap_err().code(), "SIG_ERR_TPM_SUSPENDED");
    let refused = world.reencrypt(KEEP).unwrap_err();
    assert_eq!(refused.code(), "SIG_ERR_TPM_SUSPENDED");
    assert_eq!(world.record(), before);
    world.opens(&password(&before));
    std::fs::remove_file(volatile).unwrap();
    world.rotate().unwrap();
}

#[test]
fn a_store_in_use_or_of_another_vm_is_not_touched() {
    let world = World::new();
    let path = world.vm.store_path().unwrap();
    let store = world.open(&password(&world.record())).unwrap();
    assert_eq!(world.rotate().unwrap_err().code(), "SIG_ERR_STORE_LOCKED");
    drop(store);
    let other = world.fixture.create("other", sigillo_vm::Firmware::Uefi).unwrap();
    let list = |vm| list_keys(vm, &world.fixture.keychain).unwrap_err().code().to_owned();
    assert_eq!(list(&other), "SIG_ERR_TPM_NONE");
    let foreign = world.fixture.dir.path().join("foreign");
    let options =
        sigillo_store::CreateOptions::new([7; 16], password(&world.record()), world.record().key_id);
    drop(Store::create(&foreign, &options).unwrap());
    std::fs::rename(&path, world.fixture.dir.path().join("own")).unwrap();
    std::fs::copy(&foreign, &path).unwrap();
    assert_eq!(list(&world.vm), "SIG_ERR_TPM_STORE");
    assert_eq!(world.rotate().unwrap_err().code(), "SIG_ERR_TPM_STORE");
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&foreign).unwrap());
}
