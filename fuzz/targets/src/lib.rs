//! What is fuzzed: one function for the command path and one for every parser that reads a file or a socket.
//!
//! Each takes any bytes and must return: a panic, an endless loop or a broken invariant is a finding. `cargo fuzz run <name>` (in `fuzz/`) and
//! `cargo xtask fuzz` (stable toolchain, random mutations of the seeds) call the same functions.

mod commands;

pub use commands::{commands, permanent_state, volatile_state};

use std::collections::BTreeMap;

/// A target: takes any bytes.
pub type Target = fn(&[u8]);

/// Every target by name, with seeds that get past the first checks.
#[must_use]
pub fn all() -> BTreeMap<&'static str, (Target, Vec<Vec<u8>>)> {
    BTreeMap::from([
        ("commands", (commands as Target, commands::seeds())),
        ("control_channel", (control_channel as Target, control_seeds())),
        ("data_channel", (data_channel as Target, data_seeds())),
        (
            "event_log",
            (
                event_log as Target,
                vec![
                    include_bytes!(
                        "../../../crates/vm/tests/fixtures/eventlogs/ovmf-uki-signed-snakeoil.evlog"
                    )
                    .to_vec(),
                ],
            ),
        ),
        ("keychain_file", (keychain_file as Target, vec![b"SIGILLO-KEYCHAIN".to_vec()])),
        ("permanent_state", (permanent_state as Target, commands::permanent_seeds())),
        (
            "store_file",
            (store_file as Target, vec![include_bytes!("../../../tests/golden/store-v1.sigillo").to_vec()]),
        ),
        (
            "vm_config",
            (vm_config as Target, vec![b"version = 1\nname = \"a\"\n[tpm]\npresent = true\n".to_vec()]),
        ),
        ("volatile_state", (volatile_state as Target, commands::volatile_seeds())),
    ])
}

/// The control channel's requests, in one read and cut in two.
pub fn control_channel(data: &[u8]) {
    let mut rest = data;
    for _ in 0..64 {
        match sigillo_server::control::parse(rest) {
            sigillo_server::control::Parsed::Request { used, .. }
            | sigillo_server::control::Parsed::Unless { used, .. } => {
                assert!(used > 0 && used <= rest.len(), "a request takes bytes that are there");
                rest = &rest[used..];
            }
            sigillo_server::control::Parsed::More | sigillo_server::control::Parsed::Refused { .. } => break,
        }
    }
}

/// The data channel's framing.
pub fn data_channel(data: &[u8]) {
    let mut rest = data;
    for _ in 0..64 {
        match sigillo_server::data::parse(rest, 4096) {
            sigillo_server::data::Parsed::Command { command, used, .. } => {
                assert!(
                    used > 0 && used <= rest.len() && command.len() <= used,
                    "a command takes bytes that are there"
                );
                rest = &rest[used..];
            }
            sigillo_server::data::Parsed::More | sigillo_server::data::Parsed::BadSize { .. } => break,
        }
    }
}

/// A firmware's event log.
pub fn event_log(data: &[u8]) {
    if let Ok(log) = sigillo_vm::eventlog::EventLog::parse(data) {
        for bank in [sigillo_vm::eventlog::Bank::Sha1, sigillo_vm::eventlog::Bank::Sha256] {
            let _ = log.replay(bank);
        }
    }
}

/// The system keychain's file.
pub fn keychain_file(data: &[u8]) {
    let _ = sigillo_keychain::format::parse_file(data);
    let _ = sigillo_keychain::format::parse_records(data);
}

/// The store's headers and slots.
pub fn store_file(data: &[u8]) {
    let _ = sigillo_store::format::parse_header(data);
    let _ = sigillo_store::format::parse_slot(data);
    let _ = sigillo_store::format::parse_slot_body(data);
}

/// A VM's configuration.
pub fn vm_config(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = sigillo_vm::config::Config::parse(text);
    }
}

fn control_seeds() -> Vec<Vec<u8>> {
    (0_u32..0x15).map(|ordinal| [ordinal.to_be_bytes().as_slice(), &[0; 16]].concat()).collect()
}

fn data_seeds() -> Vec<Vec<u8>> {
    let command = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7B, 0, 8];
    let prefixed = [&[0, 0, 0, 8, 3, 0, 0, 0, 12], command.as_slice()].concat();
    vec![command.to_vec(), prefixed]
}
