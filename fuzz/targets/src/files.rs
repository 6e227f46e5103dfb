//! Files: the keychain, a VM's configuration, a firmware's event log. The store has its own file.

use sigillo_keychain::audit::{Act, AuditLog};
use sigillo_store::{RecoveryCode, seal};
use sigillo_vm::eventlog::{Bank, EventLog};
use std::{fs, os::unix::fs::PermissionsExt, sync::LazyLock};
use tempfile::TempDir;

/// A firmware's event log.
pub fn event_log(data: &[u8]) {
    if let Ok(log) = EventLog::parse(data) {
        for bank in [Bank::Sha1, Bank::Sha256, Bank::Sha384, Bank::Sha512] {
            let _ = log.replay(bank);
        }
    }
}

/// The system keychain's file: as it is, with the checksum of its front corrected, and what would lie sealed in it; and an anchor beside it.
pub fn keychain_file(data: &[u8]) {
    use sigillo_keychain::format::{HEADER_LEN, parse_file, parse_records};
    let _ = parse_file(data);
    if let Some((front, rest)) = data.split_at_checked(HEADER_LEN - 32) {
        let rest = rest.get(32..).unwrap_or_default();
        let _ = parse_file(&[front, &seal::sha256(&[front]), rest].concat());
    }
    let _ = parse_records(data);
    let _ = sigillo_keychain::anchor::Seen::parse(data);
}

/// The audit log, with no head beside it; the lowest bit of the first octet says whether a line is added.
pub fn audit_log(data: &[u8]) {
    static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| {
        tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"))
    });
    let Some((first, lines)) = data.split_first() else { return };
    // `cargo xtask fuzz` runs targets side by side, but none twice.
    let log = AuditLog::at(DIRECTORY.path());
    let written = fs::write(log.path(), lines)
        .and_then(|()| fs::set_permissions(log.path(), fs::Permissions::from_mode(0o600)));
    assert!(written.is_ok(), "{written:?}");
    let before = log.entries().map(|entries| entries.len());
    let _ = log.verify();
    if first & 1 == 1 {
        let added = log.record(Act::HeadLost, "a subject", "a detail");
        let after = log.entries().map(|entries| entries.len());
        assert!(
            matches!((&before, &after), (Ok(before), Ok(after)) if added.is_err() || after > before),
            "a line is added to what can be read: {added:?}, {before:?} then {after:?}"
        );
        let _ = fs::remove_file(DIRECTORY.path().join("audit.head"));
    }
}

/// A recovery code as a person types it.
pub fn recovery_code(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(code) = RecoveryCode::parse(text)
    {
        assert!(RecoveryCode::parse(&code.reveal()) == Ok(code), "what is printed is the same code");
    }
}

/// A VM's configuration, and the host's; and what a bundle says of a suspended guest and of snapshots.
pub fn vm_config(data: &[u8]) {
    assert!(sigillo_vm::life_files_stay_inside(data), "what a bundle says of its files stays in it");
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = sigillo_vm::config::Config::parse(text);
        let _ = sigillo_vm::HostPolicy::parse(text);
    }
}

pub(crate) fn event_log_seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../crates/vm/tests/fixtures/eventlogs/ovmf-directkernel.evlog").to_vec(),
        include_bytes!("../../../crates/vm/tests/fixtures/eventlogs/ovmf-uki-signed-snakeoil.evlog").to_vec(),
    ]
}

pub(crate) fn keychain_seeds() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../../tests/golden/keychain-v1.keychain").to_vec()]
}

pub(crate) fn audit_seeds() -> Vec<Vec<u8>> {
    let entry =
        r#"{"n":1,"time":"2026-01-01T00:00:00Z","uid":0,"act":"head-lost","subject":"s","detail":"d"}"#;
    let hash = seal::sha256(&[b"sigillo-audit-1\n", &[0; 32], entry.as_bytes()]);
    let digits: String = hash.iter().map(|octet| format!("{octet:02x}")).collect();
    let line = format!("{digits} {entry}\n");
    let whole = [0, 1].map(|first| [&[first], line.as_bytes()].concat());
    whole.into_iter().chain([[&[1], &line.as_bytes()[..90]].concat()]).collect()
}

pub(crate) fn recovery_seeds() -> Vec<Vec<u8>> {
    ["0123-4567-89AB-CDEF-GHJK-MNPQ-RSG3-SCDK", "o123 4567 89ab cdef ghjk mnpq rsg3 scdk"]
        .map(|code| code.as_bytes().to_vec())
        .to_vec()
}

pub(crate) fn vm_config_seeds() -> Vec<Vec<u8>> {
    let part = r#"{"file":"vm.toml","place":"vm.toml","bytes":1,"modified":[1,2],"sha256":null}"#;
    let plan = format!(r#"{{"keep":null,"old":[{part}],"new":[{part}]}}"#);
    let uuid = "bcd5622d-5dba-4e5b-a6be-bcb497dc167e";
    let manifest = format!(
        r#"{{"version":1,"id":"{uuid}","name":"n","description":"","created_unix_s":1,"automatic":false,"vm_uuid":"{uuid}","parts":[{part}]}}"#
    );
    vec![include_bytes!("vm.toml").to_vec(), plan.into_bytes(), manifest.into_bytes()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_to_their_ends() {
        for seed in vm_config_seeds().into_iter().filter(|seed| !seed.starts_with(b"{")) {
            sigillo_vm::config::Config::parse(std::str::from_utf8(&seed).unwrap()).unwrap();
        }
        for seed in event_log_seeds() {
            EventLog::parse(&seed).unwrap().replay(Bank::Sha256).unwrap();
        }
        for seed in recovery_seeds() {
            RecoveryCode::parse(std::str::from_utf8(&seed).unwrap()).unwrap();
        }
        for seed in keychain_seeds() {
            sigillo_keychain::format::parse_file(&seed).unwrap();
        }
    }
}
