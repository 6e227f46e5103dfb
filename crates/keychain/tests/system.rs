//! The system keychain's file: who may touch it, and what is answered when it is not as it should be.

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Place, code};
use proptest::prelude::*;
use sigillo_keychain::format::{parse_file, parse_records, seal_records};
use sigillo_keychain::{
    KeyFile, Keychain, KeychainError, ProviderKind, Record, Secret, SystemKeychain, SystemdCredential,
};
use sigillo_messages::words;

impl Place {
    fn keychain(&self) -> SystemKeychain {
        SystemKeychain::with_providers(&self.dir(), vec![Box::new(KeyFile::new(self.key_file()))])
    }

    fn with_a_record(&self) -> (SystemKeychain, Record) {
        let keychain = self.keychain();
        let record = record(1);
        keychain.insert_new(&record).unwrap();
        (keychain, record)
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.keychain().path()).unwrap()
    }
}

fn record(vm: u8) -> Record {
    Record::generate(&[vm; 16], "host", "comment").unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn looking_makes_nothing_and_a_refused_change_makes_no_key() {
    let place = Place::new();
    let keychain = place.keychain();
    assert_eq!(keychain.list().unwrap(), []);
    assert_eq!(keychain.status().unwrap().provider, None);
    assert!(matches!(keychain.delete(&record(1).name, record(1).key_id), Err(KeychainError::NotFound(_))));
    assert!(!place.dir().exists());
    std::fs::create_dir(place.dir()).unwrap();
    set_mode(&place.dir(), 0o700);
    assert!(matches!(keychain.delete(&record(1).name, record(1).key_id), Err(KeychainError::NotFound(_))));
    assert!(!place.key_file().exists());
}

#[test]
fn files_are_private_and_the_password_is_in_none_of_them() {
    let place = Place::new();
    let (keychain, record) = place.with_a_record();
    assert_eq!(mode(&place.dir()), 0o700);
    assert_eq!(mode(&keychain.path()), 0o600);
    assert_eq!(mode(&place.key_file()), 0o400);
    let status = keychain.status().unwrap();
    assert_eq!((status.provider, status.revision), (Some(ProviderKind::KeyFile), 1));
    for entry in std::fs::read_dir(place.dir()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let name = record.name.to_string();
        for needle in [record.secret.expose(), name.as_bytes(), record.key_id.as_bytes()] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle));
        }
    }
}

#[test]
fn one_record_and_two_leave_files_of_one_length() {
    let place = Place::new();
    let (keychain, _) = place.with_a_record();
    let one = place.bytes().len();
    keychain.insert_new(&record(2)).unwrap();
    assert_eq!(place.bytes().len(), one);
}

#[test]
fn every_write_has_a_salt_of_its_own() {
    let place = Place::new();
    let (keychain, first) = place.with_a_record();
    let before = place.bytes();
    keychain.replace(first.key_id, &first).unwrap();
    let after = place.bytes();
    assert_ne!(before[64..96], after[64..96]);
    assert_ne!(before[256..], after[256..]);
}

#[test]
fn too_open_files_and_directories_are_refused() {
    let place = Place::new();
    let (keychain, record) = place.with_a_record();
    let tries: [(PathBuf, u32, u32, &str); 3] = [
        (place.dir(), 0o755, 0o700, "UNSAFE"),
        (keychain.path(), 0o640, 0o600, "UNSAFE"),
        (place.key_file(), 0o440, 0o400, "KEY_UNAVAILABLE"),
    ];
    for (path, open, private, expected) in tries {
        let before = place.bytes();
        set_mode(&path, open);
        assert_eq!(code(keychain.get(&record.name)), format!("SIG_ERR_KEYCHAIN_{expected}"));
        assert_eq!(code(keychain.insert_new(&self::record(2))), format!("SIG_ERR_KEYCHAIN_{expected}"));
        set_mode(&path, private);
        assert_eq!(place.bytes(), before);
    }
    assert_eq!(keychain.get(&record.name).unwrap(), record);
}

#[test]
fn files_of_another_user_are_refused() {
    let place = Place::new();
    let (keychain, record) = place.with_a_record();
    let Ok(()) = std::os::unix::fs::chown(keychain.path(), Some(12345), None) else {
        // Only root can make the case; everyone else meets it as a file he cannot open.
        return;
    };
    match keychain.get(&record.name) {
        Err(KeychainError::Unsafe { why, .. }) => assert!(why.contains("12345"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(code(keychain.insert_new(&self::record(2))), "SIG_ERR_KEYCHAIN_UNSAFE");
}

#[test]
fn links_and_pipes_are_refused() {
    let place = Place::new();
    let (keychain, record) = place.with_a_record();
    let aside = place.dir().join("aside");
    std::fs::rename(keychain.path(), &aside).unwrap();
    symlink(&aside, keychain.path()).unwrap();
    assert_eq!(code(keychain.get(&record.name)), "SIG_ERR_KEYCHAIN_UNSAFE");
    assert_eq!(code(keychain.insert_new(&self::record(2))), "SIG_ERR_KEYCHAIN_UNSAFE");
    std::fs::remove_file(keychain.path()).unwrap();
    assert!(Command::new("mkfifo").arg(keychain.path()).status().unwrap().success());
    assert_eq!(code(keychain.get(&record.name)), "SIG_ERR_KEYCHAIN_UNSAFE");
    std::fs::remove_file(keychain.path()).unwrap();
    std::fs::rename(&aside, keychain.path()).unwrap();
    assert_eq!(keychain.get(&record.name).unwrap(), record);
    let lock = place.dir().join("system.keychain.lock");
    std::fs::remove_file(&lock).unwrap();
    symlink(place.root.path().join("elsewhere"), &lock).unwrap();
    assert_eq!(code(keychain.insert_new(&self::record(2))), "SIG_ERR_KEYCHAIN_UNSAFE");
    assert!(!place.root.path().join("elsewhere").exists());
}

#[test]
fn a_missing_or_other_host_key_is_told_and_never_made_anew() {
    let place = Place::new();
    let (keychain, record) = place.with_a_record();
    let before = place.bytes();
    let aside = place.root.path().join("host.key.aside");
    std::fs::rename(place.key_file(), &aside).unwrap();
    assert_eq!(code(keychain.get(&record.name)), "SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE");
    assert_eq!(code(keychain.insert_new(&self::record(2))), "SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE");
    assert!(!place.key_file().exists());
    std::fs::write(place.key_file(), [b'x'; 43]).unwrap();
    set_mode(&place.key_file(), 0o400);
    assert_eq!(code(keychain.get(&record.name)), "SIG_ERR_KEYCHAIN_WRONG_KEY");
    assert_eq!(code(keychain.delete(&record.name, record.key_id)), "SIG_ERR_KEYCHAIN_WRONG_KEY");
    set_mode(&place.key_file(), 0o600);
    std::fs::write(place.key_file(), b"short").unwrap();
    assert_eq!(code(keychain.get(&record.name)), "SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE");
    assert_eq!(place.bytes(), before);
    std::fs::rename(&aside, place.key_file()).unwrap();
    assert_eq!(keychain.get(&record.name).unwrap(), record);
}

#[test]
fn a_locked_keychain_lists_and_does_nothing_else_until_it_is_unlocked() {
    let place = Place::new();
    let (keychain, record) = place.with_a_record();
    let before = place.bytes();
    keychain.lock().unwrap();
    // Another process sees it too, and locking twice is no error.
    let other = place.keychain();
    other.lock().unwrap();
    assert!(other.status().unwrap().locked);
    assert_eq!(other.list().unwrap(), [record.info()]);
    assert_eq!(code(other.get(&record.name)), "SIG_ERR_KEYCHAIN_LOCKED");
    assert_eq!(code(other.get(&self::record(2).name)), "SIG_ERR_KEYCHAIN_LOCKED");
    assert_eq!(code(other.insert_new(&self::record(2))), "SIG_ERR_KEYCHAIN_LOCKED");
    assert_eq!(code(other.replace(record.key_id, &self::record(1))), "SIG_ERR_KEYCHAIN_LOCKED");
    assert_eq!(code(other.delete(&record.name, record.key_id)), "SIG_ERR_KEYCHAIN_LOCKED");
    assert_eq!(place.bytes(), before);
    // One that does not open stays locked.
    let aside = place.root.path().join("host.key.aside");
    std::fs::rename(place.key_file(), &aside).unwrap();
    assert_eq!(code(keychain.unlock()), "SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE");
    assert!(other.status().unwrap().locked);
    std::fs::rename(&aside, place.key_file()).unwrap();
    assert_eq!(keychain.unlock().unwrap(), 1);
    assert_eq!(other.get(&record.name).unwrap(), record);
    assert_eq!(keychain.unlock().unwrap(), 1);
}

#[test]
fn providers_are_told_with_the_one_in_use_and_why_others_do_not_work() {
    let place = Place::new();
    let credentials = place.root.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let keychain = SystemKeychain::with_providers(
        &place.dir(),
        vec![
            Box::new(SystemdCredential::in_directory(&credentials)),
            Box::new(KeyFile::new(place.key_file())),
        ],
    );
    let seen = |keychain: &SystemKeychain| -> Vec<(ProviderKind, bool, bool)> {
        let all = keychain.providers().unwrap();
        all.iter().map(|provider| (provider.kind, provider.in_use, provider.state.is_ok())).collect()
    };
    use ProviderKind::{KeyFile as File, SystemdCredential as Credential};
    assert_eq!(seen(&keychain), [(Credential, false, false), (File, false, true)]);
    assert!(!place.dir().exists(), "looking makes nothing");
    keychain.insert_new(&record(1)).unwrap();
    assert_eq!(seen(&keychain), [(Credential, false, false), (File, true, true)]);
    set_mode(&place.key_file(), 0o444);
    assert_eq!(seen(&keychain), [(Credential, false, false), (File, true, false)]);
}

#[test]
fn the_credential_comes_first_and_the_header_remembers_who_sealed() {
    let place = Place::new();
    let credentials = place.root.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::write(credentials.join("sigillo-keychain"), [9; 32]).unwrap();
    let with_both = || {
        SystemKeychain::with_providers(
            &place.dir(),
            vec![
                Box::new(SystemdCredential::in_directory(&credentials)),
                Box::new(KeyFile::new(place.key_file())),
            ],
        )
    };
    let record = record(1);
    with_both().insert_new(&record).unwrap();
    assert_eq!(with_both().status().unwrap().provider, Some(ProviderKind::SystemdCredential));
    assert!(!place.key_file().exists());
    // Without the credential the weaker key is not tried.
    std::fs::remove_file(credentials.join("sigillo-keychain")).unwrap();
    assert_eq!(code(with_both().get(&record.name)), "SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE");
    assert_eq!(code(place.keychain().get(&record.name)), "SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE");

    // And a keychain made with a key file goes on with it when a credential turns up.
    let other = Place::new();
    let (_, made_before) = other.with_a_record();
    std::fs::write(credentials.join("sigillo-keychain"), [9; 32]).unwrap();
    let keychain = SystemKeychain::with_providers(
        &other.dir(),
        vec![
            Box::new(SystemdCredential::in_directory(&credentials)),
            Box::new(KeyFile::new(other.key_file())),
        ],
    );
    assert_eq!(keychain.get(&made_before.name).unwrap(), made_before);
    keychain.insert_new(&self::record(2)).unwrap();
    assert_eq!(keychain.status().unwrap().provider, Some(ProviderKind::KeyFile));
}

#[test]
fn every_flipped_byte_and_every_cut_is_refused_and_changes_nothing() {
    let place = Place::new();
    let (keychain, record) = place.with_a_record();
    let good = place.bytes();
    let refuse = |bytes: &[u8], what: &str| {
        std::fs::write(keychain.path(), bytes).unwrap();
        let error = keychain.get(&record.name).unwrap_err();
        let allowed = ["DAMAGED", "NOT_A_KEYCHAIN"].map(|end| format!("SIG_ERR_KEYCHAIN_{end}"));
        assert!(allowed.iter().any(|code| code == error.code()), "{what}: {error}");
        assert_eq!(keychain.insert_new(&self::record(2)).unwrap_err().code(), error.code(), "{what}");
        assert_eq!(place.bytes(), bytes, "{what}");
    };
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 8);
        refuse(&flipped, &format!("byte {at}"));
    }
    for length in (0..300).chain([good.len() / 2, good.len() - 1]) {
        refuse(&good[..length], &format!("cut to {length}"));
    }
    let mut longer = good.clone();
    longer.push(0);
    refuse(&longer, "longer");
    std::fs::write(keychain.path(), &good).unwrap();
    assert_eq!(keychain.get(&record.name).unwrap(), record);
}

#[test]
fn a_huge_file_is_refused_without_reading_it_all() {
    let place = Place::new();
    let (keychain, record) = place.with_a_record();
    std::fs::File::options().write(true).open(keychain.path()).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(code(keychain.get(&record.name)), "SIG_ERR_KEYCHAIN_NOT_A_KEYCHAIN");
}

#[test]
fn a_keychain_of_a_later_release_is_named_as_such() {
    let place = Place::new();
    let (keychain, record) = place.with_a_record();
    let mut bytes = place.bytes();
    bytes[16] = 2;
    let checksum = sigillo_store_sha256(&bytes[..224]);
    bytes[224..256].copy_from_slice(&checksum);
    std::fs::write(keychain.path(), &bytes).unwrap();
    assert!(matches!(keychain.get(&record.name), Err(KeychainError::TooNew { version: 2, .. })));
}

fn sigillo_store_sha256(bytes: &[u8]) -> [u8; 32] {
    sigillo_store::seal::sha256(&[bytes])
}

#[test]
fn a_write_left_half_done_by_a_crash_disturbs_nobody() {
    let place = Place::new();
    let (keychain, record) = place.with_a_record();
    std::fs::write(place.dir().join(".system.keychain.0123456789abcdef.new"), b"half").unwrap();
    assert_eq!(keychain.get(&record.name).unwrap(), record);
    keychain.insert_new(&self::record(2)).unwrap();
    assert_eq!(keychain.list().unwrap().len(), 2);
}

#[test]
fn the_golden_keychain_of_version_1_opens() {
    let bytes = include_bytes!("../../../tests/golden/keychain-v1.keychain");
    let (header, sealed) = parse_file(bytes).unwrap();
    assert_eq!((header.provider, header.uuid, header.revision), (ProviderKind::KeyFile, [0x33; 16], 5));
    let records = sigillo_keychain::format::open(&header, sealed, &golden_key()).unwrap();
    assert_eq!(records, golden_records());
}

/// As documented in `tests/golden/README.md`.
fn golden_key() -> Secret {
    Secret::from_slice(b"golden-host-key-of-keychain-version-1-00001")
}

fn golden_records() -> BTreeMap<sigillo_keychain::RecordName, Record> {
    let record = |vm: u8, host: &str, comment: &str| Record {
        name: sigillo_keychain::RecordName::for_vm(&[vm; 16]),
        key_id: [vm + 1; 16].into(),
        secret: Secret::from_slice(&[b'A' + vm; 43]),
        created_unix_s: 1_795_000_000,
        host: host.to_owned(),
        comment: comment.to_owned(),
    };
    [record(1, "first", "a comment"), record(2, "", "")].map(|record| (record.name, record)).into()
}

#[test]
fn every_code_is_in_the_table_and_every_message_says_what_to_do() {
    let place = Place::new();
    let (keychain, record) = place.with_a_record();
    let path = keychain.path();
    let errors = [
        keychain.insert_new(&record).unwrap_err(),
        keychain.get(&self::record(2).name).unwrap_err(),
        keychain.replace(self::record(3).key_id, &record).unwrap_err(),
        KeychainError::WrongKey { provider: ProviderKind::KeyFile, path: path.clone() },
        KeychainError::KeyUnavailable { provider: ProviderKind::KeyFile, reason: "it is gone".to_owned() },
        KeychainError::Damaged { path: path.clone(), what: words!("file-empty") },
        KeychainError::NotAKeychain(path.clone()),
        KeychainError::TooNew { path: path.clone(), version: 2 },
        KeychainError::Unsafe { path: path.clone(), why: "x".to_owned() },
        KeychainError::Busy(path.clone()),
        KeychainError::Full(path.clone()),
        KeychainError::Locked(path.clone()),
        KeychainError::NoPlace(words!("file-empty")),
        KeychainError::Io { path: path.clone(), source: std::io::Error::other("x") },
        KeychainError::Unsure { path, source: std::io::Error::other("x") },
    ];
    let table = include_str!("../../../docs/errors.md");
    for error in errors {
        let text = error.to_string();
        assert!(table.contains(&format!("| `{}` |", error.code())), "{}", error.code());
        assert!(text.contains("TPM") || text.contains("record"), "{text}");
        assert!(text.contains(';'), "{text}");
        assert!(!text.contains(core::str::from_utf8(record.secret.expose()).unwrap()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_parsers_take_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(parse_file(&bytes).is_err());
        let _ = parse_records(&bytes);
        let mut announced = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
        announced.extend_from_slice(&bytes);
        let _ = parse_records(&announced);
    }

    /// Genuine records with a few bytes changed, as only a bug of ours could seal them.
    #[test]
    fn changed_records_are_refused_or_are_valid_records(
        changes in proptest::collection::vec((4..200_usize, any::<u8>()), 1..4)
    ) {
        let mut plain = plain_records().clone();
        for (at, value) in changes {
            plain[at] = value;
        }
        if let Some(records) = parse_records(&plain) {
            prop_assert!(records.values().all(|record| record.validate().is_ok()));
        }
    }
}

fn plain_records() -> &'static Vec<u8> {
    static PLAIN: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    PLAIN.get_or_init(|| {
        let key = golden_key();
        let file =
            seal_records(ProviderKind::KeyFile, [0x33; 16], 1, &key, &golden_records()).unwrap().unwrap();
        let (header, sealed) = parse_file(&file).unwrap();
        let seal_key = sigillo_store::seal::derive(
            key.expose(),
            &header.salt,
            &[b"sigillo-keychain-1 seal", &header.uuid],
            32,
        );
        sigillo_store::seal::open(&seal_key.unwrap(), [0; 12], &file[..256], sealed).unwrap().to_vec()
    })
}
