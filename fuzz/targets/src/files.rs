//! Files: the store, the keychain, a VM's configuration, a firmware's event log.

use sigillo_store::{Key, Secret, faulty::FaultyDisk, format};
use sigillo_vm::eventlog::{Bank, EventLog};

/// A firmware's event log.
pub fn event_log(data: &[u8]) {
    if let Ok(log) = EventLog::parse(data) {
        for bank in [Bank::Sha1, Bank::Sha256] {
            let _ = log.replay(bank);
        }
    }
}

/// The system keychain's file, and an anchor beside it.
pub fn keychain_file(data: &[u8]) {
    let _ = sigillo_keychain::format::parse_file(data);
    let _ = sigillo_keychain::format::parse_records(data);
    let _ = sigillo_keychain::anchor::Seen::parse(data);
}

/// The store: its parts, and a whole file that is opened with the password of the golden one and, if it opens, written to.
pub fn store_file(data: &[u8]) {
    let _ = format::parse_header(data);
    let _ = format::parse_slot(data);
    let _ = format::parse_slot_body(data);
    for key in [Key::Password(Secret::from_slice(b"golden-password-of-store-version-1-0000001")), Key::None] {
        let disk = FaultyDisk::new(data.to_vec());
        if let Ok(mut store) = disk.open(&key) {
            assert!(store.commit(b"another state").is_ok(), "what opens can be written to");
            drop(store);
            assert!(disk.open(&key).is_ok_and(|store| store.state() == b"another state"), "and opens again");
        }
    }
}

/// A VM's configuration, and the host's.
pub fn vm_config(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = sigillo_vm::config::Config::parse(text);
        let _ = sigillo_vm::HostPolicy::parse(text);
    }
}

pub(crate) fn event_log_seeds() -> Vec<Vec<u8>> {
    let log = include_bytes!("../../../crates/vm/tests/fixtures/eventlogs/ovmf-uki-signed-snakeoil.evlog");
    vec![log.to_vec()]
}

pub(crate) fn keychain_seeds() -> Vec<Vec<u8>> {
    vec![b"SIGILLO-KEYCHAIN".to_vec(), include_bytes!("../../../tests/golden/keychain-v1.keychain").to_vec()]
}

pub(crate) fn store_seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../tests/golden/store-v1.sigillo").to_vec(),
        include_bytes!("../../../tests/golden/store-v1-keys.sigillo").to_vec(),
    ]
}

pub(crate) fn vm_config_seeds() -> Vec<Vec<u8>> {
    vec![b"version = 1\nname = \"a\"\n[tpm]\npresent = true\n".to_vec()]
}
