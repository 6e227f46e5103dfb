//! Stores of released formats open for ever.

use std::path::{Path, PathBuf};

use sigillo_store::{Algorithm, Key, KeyId, Secret, Store};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/store-v1.sigillo")
}

/// As documented in `tests/golden/README.md`.
fn key() -> Key {
    Key::Password(Secret::from_slice(b"golden-password-of-store-version-1-0000001"))
}

fn state() -> Vec<u8> {
    (0..5000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
fn the_golden_store_of_version_1_opens() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    std::fs::copy(golden(), &copy).unwrap();
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
