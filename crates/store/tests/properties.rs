//! Properties of any sequence of states, and of the parsers on any bytes.

use proptest::prelude::*;
use sigillo_store::format::{Header, ParsedSlot, parse_header, parse_slot, parse_slot_body};
use sigillo_store::{Algorithm, CreateOptions, Key, KeyId, OpenError, Secret, Store};

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever lengths follow each other, the last state is there, with the same identity and passwords.
    #[test]
    fn any_growth_keeps_everything(
        lengths in proptest::collection::vec(prop_oneof![0..40_000_usize, 0..900_000_usize], 1..8),
        algorithm in prop_oneof![Just(Algorithm::Aes128Gcm), Just(Algorithm::Aes256Gcm), Just(Algorithm::Unencrypted)],
        reopen in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let key = match algorithm {
            Algorithm::Unencrypted => Key::None,
            Algorithm::Aes128Gcm | Algorithm::Aes256Gcm => Key::Password(Secret::random_text().unwrap()),
        };
        let options = CreateOptions { algorithm, ..CreateOptions::new([1; 16], key.clone(), KeyId::from([2; 16])) };
        let mut store = Store::create(&path, &options).unwrap();
        let before = store.info();
        for (number, length) in lengths.iter().enumerate() {
            let state = vec![u8::try_from(number + 1).unwrap(); *length];
            store.commit(&state).unwrap();
            if reopen {
                drop(store);
                store = Store::open(&path, &key).unwrap();
                prop_assert!(store.notes().is_clean());
            }
            prop_assert!(store.state() == state);
        }
        drop(store);
        let store = Store::open(&path, &key).unwrap();
        let after = store.info();
        prop_assert!(store.notes().is_clean());
        prop_assert_eq!(store.state().len(), *lengths.last().unwrap());
        prop_assert_eq!(
            (after.file_uuid, after.vm_uuid_hash, after.key_ids, after.created_unix_s, after.algorithm),
            (before.file_uuid, before.vm_uuid_hash, before.key_ids, before.created_unix_s, before.algorithm)
        );
        prop_assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

/// A real header, as bytes.
fn header_bytes() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let key = Key::Password(Secret::random_text().unwrap());
    Store::create(&path, &CreateOptions::new([1; 16], key, KeyId::from([2; 16]))).unwrap();
    std::fs::read(path).unwrap()[..4096].to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_parsers_take_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..6000)) {
        prop_assert!(parse_header(&bytes).is_err());
        prop_assert!(!matches!(parse_slot(&bytes), ParsedSlot::Written(..)));
        let _ = parse_slot_body(&bytes);
    }

    /// With the checksum made good, a changed header is refused or says exactly what its bytes say.
    #[test]
    fn a_header_with_a_good_checksum_parses_to_its_own_bytes_or_not_at_all(
        changes in proptest::collection::vec((16..4064_usize, any::<u8>()), 1..5)
    ) {
        let mut bytes = header_bytes_once().clone();
        for (at, value) in changes {
            bytes[at] = value;
        }
        let checksum = sigillo_store::seal::sha256(&[&bytes[..4064]]);
        bytes[4064..].copy_from_slice(&checksum);
        if let Ok(header) = parse_header(&bytes) {
            prop_assert_eq!(Header::to_bytes(&header), bytes);
        }
    }

    #[test]
    fn a_slot_front_that_lies_about_its_length_is_broken(sealed_len in any::<u32>(), given in 0..200_usize) {
        let mut bytes = vec![0; 96 + given];
        bytes[..8].copy_from_slice(b"SGLSLOT1");
        bytes[12..16].copy_from_slice(&sealed_len.to_le_bytes());
        let fits = usize::try_from(sealed_len).unwrap() <= given;
        prop_assert_eq!(matches!(parse_slot(&bytes), ParsedSlot::Written(..)), fits);
    }
}

fn header_bytes_once() -> &'static Vec<u8> {
    static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    BYTES.get_or_init(header_bytes)
}

#[test]
fn a_kind_of_key_slot_from_the_future_is_kept_as_it_is() {
    let mut bytes = header_bytes();
    let second = 512 + 384;
    bytes[second] = 9;
    bytes[second + 100..second + 110].copy_from_slice(b"from 2030.");
    let checksum = sigillo_store::seal::sha256(&[&bytes[..4064]]);
    bytes[4064..].copy_from_slice(&checksum);
    let header = parse_header(&bytes).unwrap();
    assert_eq!(header.to_bytes(), bytes);
    assert_eq!(header.key_ids(), [KeyId::from([2; 16])]);
}

#[test]
fn random_files_with_a_stores_magic_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let mut bytes = vec![0xA5; 300_000];
    for at in [0, 4096] {
        bytes[at..at + 16].copy_from_slice(b"sigillo-store\r\n\x1a");
    }
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(Store::open(&path, &Key::None), Err(OpenError::Damaged(_))));
}
