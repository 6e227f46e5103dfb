//! What opening a file that is not as it should be answers, and that it changes nothing.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sigillo_messages::words;
use sigillo_store::files::Dir;
use sigillo_store::{
    Algorithm, CommitError, CreateError, CreateOptions, Damage, Key, KeyId, KeyKind, OpenError, Secret, Store,
};

const HEADER_LEN: usize = 4096;

struct Place {
    dir: tempfile::TempDir,
    key: Key,
    key_id: KeyId,
}

impl Place {
    fn new() -> Self {
        let key = Key::Password(Secret::random_text().unwrap());
        Place { dir: tempfile::tempdir().unwrap(), key, key_id: KeyId::random().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("tpm.sigillo")
    }

    fn create(&self) -> Store {
        let options = CreateOptions::new([9; 16], self.key.clone(), self.key_id);
        Store::create(&self.path(), &options).unwrap()
    }

    fn open(&self) -> Result<Store, OpenError> {
        Store::open(&self.path(), &self.key)
    }
}

fn other_password() -> Key {
    Key::Password(Secret::random_text().unwrap())
}

#[test]
fn a_committed_state_is_there_after_reopening() {
    let place = Place::new();
    let mut store = place.create();
    assert_eq!(store.state(), b"");
    store.commit(b"one").unwrap();
    store.commit(b"two").unwrap();
    let anchor = store.anchor();
    drop(store);
    let mut store = place.open().unwrap();
    assert_eq!(store.state(), b"two");
    assert_eq!(store.anchor(), anchor);
    assert!(store.notes().is_clean(), "{:?}", store.notes());
    assert_eq!(store.take_state().as_slice(), b"two");
    assert_eq!(store.state(), b"");
    store.commit(b"three").unwrap();
    assert_eq!(store.state(), b"");
    drop(store);
    assert_eq!(place.open().unwrap().state(), b"three");
}

#[test]
fn looking_repairs_nothing_waits_for_nobody_and_reads_what_an_opening_would() {
    let place = Place::new();
    let mut store = place.create();
    store.commit(b"one").unwrap();
    let anchor = store.anchor();
    match Store::look(&place.path(), &place.key) {
        Err(OpenError::Locked { pid }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(store);
    let mut bytes = std::fs::read(place.path()).unwrap();
    bytes[100] ^= 1;
    std::fs::write(place.path(), &bytes).unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let before = std::fs::metadata(place.path()).unwrap();
    let looked = Store::look(&place.path(), &place.key).unwrap();
    assert_eq!((looked.state(), looked.anchor()), (&b"one"[..], anchor));
    assert!(looked.notes().header_repaired && looked.notes().open_to_others);
    // Meanwhile nobody writes.
    assert!(matches!(place.open(), Err(OpenError::Locked { .. })));
    drop(looked);
    assert_eq!(std::fs::read(place.path()).unwrap(), bytes);
    let after = std::fs::metadata(place.path()).unwrap();
    assert_eq!((after.mtime(), after.mtime_nsec()), (before.mtime(), before.mtime_nsec()));
    assert!(matches!(Store::look(&place.path(), &other_password()), Err(OpenError::WrongKey { .. })));
    assert!(place.open().unwrap().notes().header_repaired);
}

#[test]
fn the_file_is_0600_whatever_the_umask_and_shows_neither_state_nor_password() {
    let place = Place::new();
    let mut store = place.create();
    let state = b"a seed that must not be seen".repeat(20);
    store.commit(&state).unwrap();
    assert_eq!(std::fs::metadata(place.path()).unwrap().mode() & 0o7777, 0o600);
    let bytes = std::fs::read(place.path()).unwrap();
    let Key::Password(password) = &place.key else { panic!() };
    for needle in [&state[..16], password.expose(), &[9; 16]] {
        assert!(!bytes.windows(needle.len()).any(|window| window == needle));
    }
}

#[test]
fn lengths_below_a_bucket_leave_the_same_traces() {
    let place = Place::new();
    let mut store = place.create();
    let mut written = |state: &[u8]| {
        let before = std::fs::read(place.path()).unwrap();
        store.commit(state).unwrap();
        let after = std::fs::read(place.path()).unwrap();
        let changed = || before.iter().zip(&after).enumerate().filter(|(_, (a, b))| a != b);
        (changed().next_back().unwrap().0 - changed().next().unwrap().0) / 1024
    };
    let (one, thousands) = (written(b"1"), written(&[2; 9000]));
    assert_eq!((one, thousands), (15, 15));
}

#[test]
fn a_wrong_password_is_told_from_damage_and_names_the_key_that_is_needed() {
    let place = Place::new();
    drop(place.create());
    match Store::open(&place.path(), &other_password()) {
        Err(OpenError::WrongKey { given: KeyKind::Password, key_ids }) => assert_eq!(key_ids, [place.key_id]),
        other => panic!("{other:?}"),
    }
    match Store::open(&place.path(), &Key::None) {
        Err(OpenError::NeedsKey { key_ids }) => assert_eq!(key_ids, [place.key_id]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unencrypted_store_says_so_and_does_not_pass_for_an_encrypted_one() {
    let place = Place::new();
    let options = CreateOptions::new([9; 16], Key::None, place.key_id);
    let mut store = Store::create(&place.path(), &options).unwrap();
    store.commit(b"in the clear").unwrap();
    drop(store);
    assert!(Store::peek(&place.path()).unwrap().is_unencrypted());
    assert!(matches!(place.open(), Err(OpenError::Unencrypted)));
    let mut store = Store::open(&place.path(), &Key::None).unwrap();
    assert!(store.info().is_unencrypted());
    assert_eq!(store.state(), b"in the clear");
    let refused = store.add_key(&other_password(), place.key_id);
    assert!(matches!(refused, Err(CommitError::Keys(_))));
}

#[test]
fn a_peek_needs_no_key_and_no_lock() {
    let place = Place::new();
    let store = place.create();
    let info = Store::peek(&place.path()).unwrap();
    assert_eq!(info.algorithm, Algorithm::Aes128Gcm);
    assert_eq!(info.key_ids, [place.key_id]);
    assert!(info.is_for_vm(&[9; 16]));
    assert!(!info.is_for_vm(&[8; 16]));
    assert_eq!(info.generation, None);
    assert_eq!(store.info().generation, Some(1));
    assert_eq!(info.file_uuid, store.info().file_uuid);
    assert_eq!(info.file_len, std::fs::metadata(place.path()).unwrap().len());
}

#[test]
fn creating_never_touches_a_file_that_is_there() {
    let place = Place::new();
    std::fs::write(place.path(), b"mine").unwrap();
    let options = CreateOptions::new([9; 16], place.key.clone(), place.key_id);
    assert!(matches!(Store::create(&place.path(), &options), Err(CreateError::Exists)));
    assert_eq!(std::fs::read(place.path()).unwrap(), b"mine");
    assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), 1);
    let nowhere = place.dir.path().join("no/such/place");
    assert!(matches!(Store::create(&nowhere, &options), Err(CreateError::Io(_))));
    assert!(matches!(Store::create(Path::new("/"), &options), Err(CreateError::BadPath)));
}

#[test]
fn files_that_are_no_stores_are_refused_and_left_as_they_are() {
    let place = Place::new();
    let mut real = place.create();
    real.commit(b"state").unwrap();
    drop(real);
    let real = std::fs::read(place.path()).unwrap();
    let mut longer = real.clone();
    longer.push(0);
    let mut newer = real.clone();
    for copy in [0, HEADER_LEN] {
        newer[copy + 16] = 2;
        let checksum = sha256(&newer[copy..copy + HEADER_LEN - 32]);
        newer[copy + HEADER_LEN - 32..copy + HEADER_LEN].copy_from_slice(&checksum);
    }
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("NOT_A_STORE", Vec::new()),
        ("NOT_A_STORE", b"[config]\n".to_vec()),
        ("NOT_A_STORE", vec![0; 300_000]),
        ("NOT_A_STORE", real[..15].to_vec()),
        ("NOT_A_STORE", real[..4095].to_vec()),
        ("DAMAGED", real[..4096].to_vec()),
        ("DAMAGED", real[..8192].to_vec()),
        ("DAMAGED", real[..real.len() - 1].to_vec()),
        ("DAMAGED", longer),
        ("TOO_NEW", newer),
    ];
    for (index, (code, bytes)) in cases.into_iter().enumerate() {
        std::fs::write(place.path(), &bytes).unwrap();
        let error = place.open().unwrap_err();
        assert_eq!(error.code(), format!("SIG_ERR_STORE_{code}"), "case {index}: {error}");
        assert_eq!(std::fs::read(place.path()).unwrap(), bytes, "case {index}");
        assert_eq!(Store::peek(&place.path()).unwrap_err().code(), error.code(), "case {index}");
    }
}

#[test]
fn a_hole_of_many_gigabytes_is_refused_without_reading_it() {
    let place = Place::new();
    drop(place.create());
    let file = std::fs::File::options().write(true).open(place.path()).unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(
        matches!(place.open(), Err(OpenError::Damaged(Damage::Length { actual, .. })) if actual == 1 << 40)
    );
}

#[test]
fn links_directories_and_pipes_are_refused() {
    let place = Place::new();
    drop(place.create());
    let link = place.dir.path().join("link");
    symlink(place.path(), &link).unwrap();
    assert!(matches!(Store::open(&link, &place.key), Err(OpenError::Unsafe(_))));
    assert!(matches!(Store::peek(&link), Err(OpenError::Unsafe(_))));
    assert!(matches!(Store::open(place.dir.path(), &place.key), Err(OpenError::Unsafe(_))));
    let pipe = place.dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(matches!(Store::open(&pipe, &place.key), Err(OpenError::Unsafe(_))));
    let second_name = place.dir.path().join("second");
    std::fs::hard_link(place.path(), &second_name).unwrap();
    assert!(matches!(place.open(), Err(OpenError::Unsafe(_))));
    std::fs::remove_file(second_name).unwrap();
    place.open().unwrap();
    let missing = place.dir.path().join("missing");
    assert!(matches!(Store::open(&missing, &place.key), Err(OpenError::NotFound)));
    let nowhere = place.dir.path().join("no/such/place");
    assert!(matches!(Store::open(&nowhere, &place.key), Err(OpenError::NotFound)));
}

#[test]
fn a_mode_that_lets_others_in_is_noted() {
    let place = Place::new();
    drop(place.create());
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(place.open().unwrap().notes().open_to_others);
}

#[test]
fn an_inherited_descriptor_opens_grows_with_its_directory_and_not_without() {
    let place = Place::new();
    drop(place.create());
    let descriptor = || -> std::os::fd::OwnedFd {
        std::fs::File::options().read(true).write(true).open(place.path()).unwrap().into()
    };
    let long = vec![5; 300_000];
    let mut alone = Store::open_file(descriptor(), None, &place.key).unwrap();
    assert!(matches!(alone.commit(&long), Err(CommitError::CannotGrow(_))));
    alone.commit(b"short").unwrap();
    drop(alone);
    let home = (Dir::open(place.dir.path()).unwrap(), "tpm.sigillo".into());
    let mut at_home = Store::open_file(descriptor(), Some(home), &place.key).unwrap();
    assert_eq!(at_home.state(), b"short");
    at_home.commit(&long).unwrap();
    drop(at_home);
    assert_eq!(place.open().unwrap().state(), long);
    let elsewhere = (Dir::open(place.dir.path()).unwrap(), "other".into());
    assert!(matches!(Store::open_file(descriptor(), Some(elsewhere), &place.key), Err(OpenError::Replaced)));
}

#[test]
fn who_waited_with_the_file_before_growth_does_not_get_it() {
    let place = Place::new();
    let mut store = place.create();
    let old = std::fs::File::options().read(true).write(true).open(place.path()).unwrap();
    store.commit(&vec![1; 300_000]).unwrap();
    drop(store);
    let home = (Dir::open(place.dir.path()).unwrap(), "tpm.sigillo".into());
    assert!(matches!(Store::open_file(old.into(), Some(home), &place.key), Err(OpenError::Replaced)));
}

#[test]
fn a_store_moved_away_does_not_come_back_by_growing() {
    let place = Place::new();
    let mut store = place.create();
    let moved = place.dir.path().join("backup");
    std::fs::rename(place.path(), &moved).unwrap();
    assert!(matches!(store.commit(&vec![1; 300_000]), Err(CommitError::CannotGrow(_))));
    assert!(!place.path().exists());
    assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), 1);
}

#[test]
fn an_empty_password_protects_nothing_and_is_refused() {
    let place = Place::new();
    let empty = Secret::from_slice(b"");
    let options = CreateOptions::new([9; 16], Key::Password(empty.clone()), place.key_id);
    assert!(matches!(Store::create(&place.path(), &options), Err(CreateError::EmptyPassword)));
    assert!(!place.path().exists());
    let mut store = place.create();
    let added = store.add_key(&Key::Password(empty), KeyId::random().unwrap());
    assert!(matches!(added, Err(CommitError::Keys(_))));
}

#[test]
fn a_state_longer_than_any_store_is_refused_and_the_longest_is_kept() {
    let place = Place::new();
    let mut store = place.create();
    let longest = vec![3; sigillo_store::MAX_STATE_LEN];
    store.commit(&longest).unwrap();
    let mut too_long = longest.clone();
    too_long.resize(sigillo_store::MAX_STATE_LEN + 64, 0);
    assert!(matches!(store.commit(&too_long), Err(CommitError::TooLarge { .. })));
    drop(store);
    assert!(place.open().unwrap().state() == longest);
}

#[test]
fn every_message_says_what_happened_what_it_means_and_what_to_do() {
    let io = || std::io::Error::other("disk");
    let key_ids = vec![KeyId::from([1; 16])];
    let open = [
        OpenError::NotFound,
        OpenError::Locked { pid: Some(7) },
        OpenError::WrongKey { given: KeyKind::Password, key_ids: key_ids.clone() },
        OpenError::Damaged(Damage::Slots),
        OpenError::NotAStore(words!("file-empty")),
        OpenError::TooNew { version: 9 },
        OpenError::NeedsKey { key_ids },
        OpenError::Unencrypted,
        OpenError::Unsafe(words!("file-directory")),
        OpenError::Replaced,
        OpenError::Io(io()),
    ];
    let commit = [
        CommitError::TooLarge { len: 1 },
        CommitError::CannotGrow(io()),
        CommitError::Io(io()),
        CommitError::Poisoned,
    ];
    let create =
        [CreateError::Exists, CreateError::BadPath, CreateError::EmptyPassword, CreateError::Io(io())];
    let table = include_str!("../../../docs/errors.md");
    let all = open.iter().map(|error| (error.code(), error.to_string()));
    let all = all.chain(commit.iter().map(|error| (error.code(), error.to_string())));
    let all = all.chain(create.iter().map(|error| (error.code(), error.to_string())));
    for (code, text) in all {
        assert!(text.contains("guest") || text.contains("TPM") || text.contains("change"), "{code}: {text}");
        assert!(text.matches(';').count() >= 2 || code.ends_with("POISONED"), "{code}: {text}");
        assert!(table.contains(&format!("| `{code}` |")), "{code} is not in docs/errors.md");
    }
    assert!(open[1].to_string().contains("process 7"));
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    sigillo_store::seal::sha256(&[bytes])
}
