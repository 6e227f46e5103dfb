//! The ways into a store: password, recovery code, passphrase; how they come and go, and what a stranger's header may cost.

use std::path::PathBuf;

use sigillo_store::{
    Algorithm, CommitError, CreateOptions, Key, KeyId, KeyKind, OpenError, RecoveryCode, Secret, Store,
};

const HEADER_LEN: usize = 4096;
const SLOT: usize = 512;
const SLOT_LEN: usize = 384;

struct Place {
    dir: tempfile::TempDir,
    record: (Key, KeyId),
}

impl Place {
    fn new() -> Self {
        Place { dir: tempfile::tempdir().unwrap(), record: password() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("tpm.sigillo")
    }

    /// A store with a state in it.
    fn create(&self) -> Store {
        let options = CreateOptions::new([9; 16], self.record.0.clone(), self.record.1);
        let mut store = Store::create(&self.path(), &options).unwrap();
        store.commit(b"state").unwrap();
        store
    }

    fn open(&self, key: &Key) -> Result<Store, OpenError> {
        Store::open(&self.path(), key)
    }

    fn opens(&self, key: &Key) {
        assert_eq!(self.open(key).unwrap().state(), b"state");
    }

    fn is_closed_to(&self, key: &Key) {
        assert!(matches!(self.open(key), Err(OpenError::WrongKey { .. })));
    }
}

fn id() -> KeyId {
    KeyId::random().unwrap()
}

fn password() -> (Key, KeyId) {
    (Key::Password(Secret::random_text().unwrap()), id())
}

fn code() -> (Key, KeyId) {
    (Key::RecoveryCode(RecoveryCode::generate().unwrap()), id())
}

fn passphrase(words: &str) -> (Key, KeyId) {
    (Key::Passphrase(Secret::from_slice(words.as_bytes())), id())
}

fn refused(result: Result<(), CommitError>) -> String {
    match result {
        Err(error @ CommitError::Keys(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Both header copies with a change, and their checksums made good, as anyone can do who can write the file.
fn forge(path: &std::path::Path, change: impl Fn(&mut [u8])) {
    let mut bytes = std::fs::read(path).unwrap();
    for copy in [0, HEADER_LEN] {
        change(&mut bytes[copy..copy + HEADER_LEN - 32]);
        let checksum = sigillo_store::seal::sha256(&[&bytes[copy..copy + HEADER_LEN - 32]]);
        bytes[copy + HEADER_LEN - 32..copy + HEADER_LEN].copy_from_slice(&checksum);
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn each_kind_of_key_opens_the_store_and_a_listing_needs_none() {
    let place = Place::new();
    let mut store = place.create();
    let (code, words) = (code(), passphrase("correct horse battery"));
    store.add_key(&code.0, code.1).unwrap();
    store.add_key(&words.0, words.1).unwrap();
    drop(store);
    for (key, key_id) in [&place.record, &code, &words] {
        let store = place.open(key).unwrap();
        assert_eq!((store.state(), store.opened_with()), (&b"state"[..], Some(*key_id)));
    }
    let info = Store::peek(&place.path()).unwrap();
    let listed: Vec<_> = info.slots.iter().map(|slot| (slot.kind, slot.key_id.unwrap())).collect();
    assert_eq!(
        listed,
        [
            (KeyKind::Password, place.record.1),
            (KeyKind::RecoveryCode, code.1),
            (KeyKind::Passphrase, words.1)
        ]
    );
    assert!(info.slots.iter().all(|slot| slot.created_unix_s.unwrap() > 1_700_000_000));
    // Only passwords are in keychain records.
    assert_eq!(info.key_ids, [place.record.1]);
}

#[test]
fn the_octets_of_one_kind_do_not_open_a_slot_of_another() {
    let place = Place::new();
    let mut store = place.create();
    let words = passphrase("a password, or a passphrase?");
    store.add_key(&words.0, words.1).unwrap();
    drop(store);
    let (Key::Passphrase(words), Key::Password(password)) = (&words.0, &place.record.0) else { panic!() };
    place.is_closed_to(&Key::Password(words.clone()));
    place.is_closed_to(&Key::Passphrase(password.clone()));
    let error = place.open(&code().0).unwrap_err().to_string();
    assert!(error.contains("has no recovery code") && error.contains("tpm key list"), "{error}");
}

#[test]
fn a_wrong_passphrase_and_another_stores_code_are_wrong_keys_and_not_damage() {
    let place = Place::new();
    let mut store = place.create();
    let (code, words) = (code(), passphrase("correct horse battery"));
    store.add_key(&code.0, code.1).unwrap();
    store.add_key(&words.0, words.1).unwrap();
    drop(store);
    for (wrong, kind, key_id) in [
        (passphrase("correct horse batterz").0, KeyKind::Passphrase, words.1),
        (self::code().0, KeyKind::RecoveryCode, code.1),
    ] {
        match place.open(&wrong) {
            Err(OpenError::WrongKey { given, key_ids }) => {
                assert_eq!((given, key_ids), (kind, vec![key_id]));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn keys_come_and_go_and_the_last_one_stays() {
    let place = Place::new();
    let mut store = place.create();
    let second = password();
    store.add_key(&second.0, second.1).unwrap();
    assert!(refused(store.add_key(&second.0, second.1)).contains("already has"));
    drop(store);
    place.opens(&place.record.0);
    let mut store = place.open(&second.0).unwrap();
    store.remove_key(place.record.1).unwrap();
    // Neither header copy remembers it, whichever of them holds.
    let whole = std::fs::read(place.path()).unwrap();
    for copy in [0, HEADER_LEN] {
        let elsewhere = place.dir.path().join(format!("damaged-{copy}"));
        let mut bytes = whole.clone();
        bytes[copy + 50] ^= 1;
        std::fs::write(&elsewhere, bytes).unwrap();
        assert!(matches!(Store::open(&elsewhere, &place.record.0), Err(OpenError::WrongKey { .. })));
    }
    assert!(refused(store.remove_key(second.1)).contains("last way"));
    assert!(refused(store.remove_key(place.record.1)).contains("no key"));
    let code = code();
    store.add_key(&code.0, code.1).unwrap();
    store.remove_key(second.1).unwrap();
    assert!(refused(store.remove_key(code.1)).contains("last way"));
    drop(store);
    place.is_closed_to(&place.record.0);
    place.is_closed_to(&second.0);
    // With either header copy gone, the other one knows the change as well.
    for copy in [0, HEADER_LEN] {
        let mut bytes = std::fs::read(place.path()).unwrap();
        bytes[copy + 50] ^= 1;
        std::fs::write(place.path(), bytes).unwrap();
        place.is_closed_to(&second.0);
        let store = place.open(&code.0).unwrap();
        assert!(store.notes().header_repaired);
        assert_eq!(store.state(), b"state");
    }
}

#[test]
fn there_are_eight_places() {
    let place = Place::new();
    let mut store = place.create();
    let added: Vec<_> = (0..7).map(|_| password()).collect();
    for (key, key_id) in &added {
        store.add_key(key, *key_id).unwrap();
    }
    let ninth = password();
    assert!(refused(store.add_key(&ninth.0, ninth.1)).contains("eight places"));
    store.remove_key(added[3].1).unwrap();
    store.add_key(&ninth.0, ninth.1).unwrap();
    drop(store);
    place.opens(&ninth.0);
    place.opens(&added[6].0);
    place.is_closed_to(&added[3].0);
}

#[test]
fn a_short_passphrase_is_refused() {
    let place = Place::new();
    let mut store = place.create();
    let (key, key_id) = passphrase("hunter2");
    assert!(refused(store.add_key(&key, key_id)).contains("12 characters"));
    assert!(refused(store.add_key(&Key::None, key_id)).contains("no key"));
}

#[test]
fn encrypting_anew_leaves_only_the_keys_given_and_none_of_the_old_bytes() {
    let place = Place::new();
    let mut store = place.create();
    let (lost, words) = (code(), passphrase("correct horse battery"));
    store.add_key(&lost.0, lost.1).unwrap();
    let before = store.anchor();
    let identity = store.info().file_uuid;
    let outside = store.outside_key(b"blob");
    drop(store);
    let old = std::fs::read(place.path()).unwrap();
    for (algorithm, fresh) in [(Algorithm::Aes256Gcm, password()), (Algorithm::Aes128Gcm, password())] {
        let mut store = Store::open(&place.path(), &place.record.0)
            .or_else(|_| Store::open(&place.path(), &words.0))
            .unwrap();
        store.reencrypt(algorithm, &[fresh.clone(), words.clone()]).unwrap();
        assert_eq!((store.state(), store.opened_with()), (&b"state"[..], Some(fresh.1)));
        let info = store.info();
        assert_eq!((info.algorithm, info.file_uuid), (algorithm, identity));
        assert!(info.is_for_vm(&[9; 16]));
        assert!(store.anchor().generation > before.generation);
        assert_ne!(store.outside_key(b"blob"), outside);
        drop(store);
        place.opens(&fresh.0);
        place.opens(&words.0);
        place.is_closed_to(&place.record.0);
        place.is_closed_to(&lost.0);
        let store = place.open(&words.0).unwrap();
        assert!(store.notes().is_clean(), "{:?}", store.notes());
    }
    let new = std::fs::read(place.path()).unwrap();
    // The slots of the keys, and the sealed state: nothing of what the old data key had sealed is there.
    for at in [SLOT + 32, SLOT + 100, SLOT + SLOT_LEN + 100, 2 * HEADER_LEN + 24, 2 * HEADER_LEN + 96] {
        assert!(!new.windows(32).any(|window| *window == old[at..at + 32]), "offset {at}");
    }
    let mut store = place.open(&words.0).unwrap();
    store.commit(b"and it goes on").unwrap();
    drop(store);
    assert_eq!(place.open(&words.0).unwrap().state(), b"and it goes on");
    assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), 1);
}

#[test]
fn encrypting_anew_for_nobody_or_twice_for_one_name_is_refused() {
    let place = Place::new();
    let mut store = place.create();
    let before = std::fs::read(place.path()).unwrap();
    let one = password();
    refused(store.reencrypt(Algorithm::Aes128Gcm, &[]));
    refused(store.reencrypt(Algorithm::Aes128Gcm, &[one.clone(), one.clone()]));
    refused(store.reencrypt(Algorithm::Aes128Gcm, &[(Key::None, one.1)]));
    refused(store.reencrypt(Algorithm::Unencrypted, std::slice::from_ref(&one)));
    let many: Vec<_> = (0..9).map(|_| password()).collect();
    refused(store.reencrypt(Algorithm::Aes128Gcm, &many));
    drop(store.take_state());
    refused(store.reencrypt(Algorithm::Aes128Gcm, &[one]));
    drop(store);
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
    place.opens(&place.record.0);
}

#[test]
fn the_cost_of_a_passphrase_in_a_strangers_header_is_bounded_before_it_is_paid() {
    let place = Place::new();
    let mut store = place.create();
    let words = passphrase("correct horse battery");
    store.add_key(&words.0, words.1).unwrap();
    drop(store);
    let whole = std::fs::read(place.path()).unwrap();
    let at = SLOT + SLOT_LEN + 4;
    assert_eq!(whole[at..at + 12], [0, 0, 1, 0, 3, 0, 0, 0, 4, 0, 0, 0]);
    // 4 TiB, four thousand million passes, as many lanes, and one above each bound.
    for (field, value) in
        [(0, u32::MAX), (4, u32::MAX), (8, u32::MAX), (0, 1 << 20 | 1), (4, 17), (8, 17), (0, 0)]
    {
        std::fs::write(place.path(), &whole).unwrap();
        forge(&place.path(), |copy| copy[at + field..at + field + 4].copy_from_slice(&value.to_le_bytes()));
        let error = place.open(&words.0).unwrap_err();
        assert_eq!(error.code(), "SIG_ERR_STORE_DAMAGED", "{error}");
        assert!(error.to_string().contains("passphrase cost"), "{error}");
    }
    // Within the bounds it is another passphrase's slot: the check value does not match.
    std::fs::write(place.path(), &whole).unwrap();
    forge(&place.path(), |copy| copy[at + 4] = 1);
    place.is_closed_to(&words.0);
}

#[test]
fn a_slot_of_a_kind_from_the_future_is_listed_kept_and_never_the_last_way_in() {
    let place = Place::new();
    let mut store = place.create();
    let second = password();
    store.add_key(&second.0, second.1).unwrap();
    drop(store);
    let before = std::fs::read(place.path()).unwrap();
    // The MAC would not hold for a change from outside, so only the listing of a forged header can be looked at.
    forge(&place.path(), |copy| copy[SLOT + SLOT_LEN] = 4);
    let info = Store::peek(&place.path()).unwrap();
    assert_eq!(info.slots.len(), 2);
    assert_eq!((info.slots[1].kind, info.slots[1].key_id), (KeyKind::Other(4), None));
    assert!(matches!(place.open(&place.record.0), Err(OpenError::Damaged(_))));
    std::fs::write(place.path(), before).unwrap();
    place.opens(&second.0);
}

#[test]
fn an_older_copy_opens_through_its_store_and_gets_the_keys_of_today() {
    let place = Place::new();
    let mut store = place.create();
    let copy = place.dir.path().join("copy");
    std::fs::copy(place.path(), &copy).unwrap();
    let new = password();
    store.commit(b"later").unwrap();
    store.add_key(&new.0, new.1).unwrap();
    store.remove_key(place.record.1).unwrap();
    let opened = store.open_copy(&copy).unwrap().unwrap();
    assert_eq!(opened.state(), b"state");
    drop(opened);
    assert!(matches!(Store::open(&copy, &place.record.0), Err(OpenError::WrongKey { .. })));
    assert_eq!(Store::open(&copy, &new.0).unwrap().state(), b"state");
    assert_eq!(store.state(), b"later");
}

#[test]
fn a_copy_from_before_a_new_data_key_and_another_store_are_left_as_they_are() {
    let place = Place::new();
    let mut store = place.create();
    let (copy, other) = (place.dir.path().join("copy"), place.dir.path().join("other"));
    std::fs::copy(place.path(), &copy).unwrap();
    store.reencrypt(Algorithm::Aes128Gcm, &[password()]).unwrap();
    let options = CreateOptions::new([9; 16], place.record.0.clone(), place.record.1);
    drop(Store::create(&other, &options).unwrap());
    for path in [copy, other] {
        let before = std::fs::read(&path).unwrap();
        assert!(store.open_copy(&path).unwrap().is_none());
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
