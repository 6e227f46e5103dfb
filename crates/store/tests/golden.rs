//! Stores of released formats open for ever.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sigillo_store::{Algorithm, CreateOptions, Key, KeyId, KeyKind, RecoveryCode, Secret, Store};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)
}

/// A copy to work on.
fn copy(name: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    std::fs::copy(golden(name), &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600)).unwrap();
    (dir, copy)
}

// As documented in `tests/golden/README.md`.
fn key() -> Key {
    Key::Password(Secret::from_slice(b"golden-password-of-store-version-1-0000001"))
}

fn recovery_code() -> Key {
    Key::RecoveryCode(RecoveryCode::parse("0123-4567-89AB-CDEF-GHJK-MNPQ-RSG3-SCDK").unwrap())
}

fn passphrase() -> Key {
    Key::Passphrase(Secret::from_slice("golden passphrase – più lunga".as_bytes()))
}

fn state() -> Vec<u8> {
    (0..5000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
fn the_golden_store_of_version_1_opens() {
    let (_dir, copy) = copy("store-v1.sigillo");
    let mut store = Store::open(&copy, &key()).unwrap();
    assert!(store.state() == state());
    let info = store.info();
    assert_eq!(info.algorithm, Algorithm::Aes128Gcm);
    assert_eq!(info.key_ids, [KeyId::from([0x11; 16])]);
    assert!(info.is_for_vm(&[0x22; 16]));
    assert_eq!(info.generation, Some(3));
    store.commit(b"and it goes on").unwrap();
    drop(store);
    assert_eq!(Store::open(&copy, &key()).unwrap().state(), b"and it goes on");
}

#[test]
fn every_key_of_the_golden_store_with_all_kinds_opens_it() {
    let (_dir, copy) = copy("store-v1-keys.sigillo");
    for (key, number, kind) in [
        (key(), 0x11, KeyKind::Password),
        (recovery_code(), 0x44, KeyKind::RecoveryCode),
        (passphrase(), 0x55, KeyKind::Passphrase),
    ] {
        let store = Store::open(&copy, &key).unwrap();
        assert!(store.state() == state(), "{kind}");
        assert!(store.notes().is_clean());
        assert_eq!(store.opened_with(), Some(KeyId::from([number; 16])));
        let info = store.info();
        assert_eq!(info.algorithm, Algorithm::Aes256Gcm);
        assert!(info.slots.iter().any(|slot| slot.kind == kind && slot.key_id == store.opened_with()));
        assert_eq!((info.slots.len(), info.generation), (3, Some(2)));
    }
}

#[test]
#[ignore = "makes tests/golden/store-v1-keys.sigillo where there is none: a golden file is never made anew"]
fn make_the_golden_store_with_all_kinds() {
    let options = CreateOptions {
        algorithm: Algorithm::Aes256Gcm,
        ..CreateOptions::new([0x22; 16], key(), KeyId::from([0x11; 16]))
    };
    let mut store = Store::create(&golden("store-v1-keys.sigillo"), &options).unwrap();
    store.add_key(&recovery_code(), KeyId::from([0x44; 16])).unwrap();
    store.add_key(&passphrase(), KeyId::from([0x55; 16])).unwrap();
    store.commit(&state()).unwrap();
}
