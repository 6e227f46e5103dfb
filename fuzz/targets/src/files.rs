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

/// An EK certificate in an NV index.
pub fn certificate(data: &[u8]) {
    let _ = sigillo_vm::certificate::Certificate::parse(data);
}

/// A VM's firmware variables: as they are, or as the variables of a store that is whole.
pub fn firmware_variables(data: &[u8]) {
    let _ = sigillo_vm::variables::secure_boot(data);
    let mut volume = [variable_front(), data.to_vec()].concat();
    let size = u32::try_from(volume.len() - 72).unwrap_or(u32::MAX);
    volume[88..92].copy_from_slice(&size.to_le_bytes());
    let _ = sigillo_vm::variables::secure_boot(&volume);
}

/// The headers of a firmware volume and of the variable store in it.
fn variable_front() -> Vec<u8> {
    let mut front = vec![0; 100];
    front[40..44].copy_from_slice(b"_FVH");
    front[48] = 72;
    front[72..88].copy_from_slice(b"\x78\x2C\xF3\xAA\x7B\x94\x9A\x43\xA1\x80\x2E\x14\x4E\xC3\x77\x92");
    front
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
        if let Ok(config) = sigillo_vm::config::Config::parse(text) {
            let again = config.text().and_then(|text| sigillo_vm::config::Config::parse(&text));
            assert_eq!(again.as_ref(), Ok(&config), "what was read can be written");
        }
        let _ = sigillo_vm::HostPolicy::parse(text);
    }
}

/// The file of an exported VM. Its checksums stop any mutation, so an input is read once as it is and once as a manifest (up to the first
/// zero octet) and what follows it.
pub fn vm_export(data: &[u8]) {
    let read = |file: &[u8]| {
        if let Ok(manifest) = sigillo_vm::check_export(file) {
            assert!(
                manifest.members.first().is_some_and(|first| first.name == "vm.toml"),
                "a VM has a configuration"
            );
            // Each member has an end and a checksum.
            assert!(file.len() >= manifest.members.len() * 44, "the file is longer than what it says");
        }
    };
    read(data);
    let mut parts = data.splitn(2, |octet| *octet == 0);
    let (manifest, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    read(&sigillo_vm::forged_export(manifest, rest));
}

pub(crate) fn vm_export_seeds() -> Vec<Vec<u8>> {
    let manifest = br#"{"made_by":"s","made":"2026-11-26T00:00:00Z","host":"h","uuid":"bcd5622d-5dba-4e5b-a6be-bcb497dc167e","name":"demo","members":[{"name":"vm.toml","len":5},{"name":"disk0.img","len":8192}]}"#;
    let mut whole = manifest.to_vec();
    let head = sigillo_vm::forged_export(manifest, b"");
    let sum = head.last_chunk::<32>().copied().unwrap_or_default();
    let mut rest = Vec::new();
    for (number, pieces) in
        [(0_u64, vec![(0_u64, &b"abcde"[..]), (5, b"")]), (1, vec![(4096, &[7; 4096][..]), (8192, b"")])]
    {
        let mut framed = Vec::new();
        for (at, octets) in pieces {
            framed.extend_from_slice(&u64::to_le_bytes(at));
            framed.extend_from_slice(&u32::try_from(octets.len()).unwrap_or_default().to_le_bytes());
            framed.extend_from_slice(octets);
        }
        let checksum = seal::sha256(&[&sum, &number.to_le_bytes(), &framed]);
        rest.extend(framed.into_iter().chain(checksum));
    }
    whole.push(0);
    whole.extend_from_slice(&rest);
    vec![sigillo_vm::forged_export(manifest, &rest), whole]
}

pub(crate) fn event_log_seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../crates/vm/tests/fixtures/eventlogs/ovmf-directkernel.evlog").to_vec(),
        include_bytes!("../../../crates/vm/tests/fixtures/eventlogs/ovmf-uki-signed-snakeoil.evlog").to_vec(),
    ]
}

/// A certificate without an issuer or a subject, of version 1.
pub(crate) fn certificate_seeds() -> Vec<Vec<u8>> {
    let time = [&[0x17, 13][..], b"260101000000Z"].concat();
    let validity = [&[0x30, 30][..], &time, &time].concat();
    let tbs =
        [&[0x30, 43][..], &[2, 1, 1], &[0x30, 0], &[0x30, 0], &validity, &[0x30, 0], &[0x30, 0]].concat();
    vec![[&[0x30, 50][..], &tbs, &[0x30, 0], &[3, 1, 0]].concat()]
}

/// One variable, `PK`, that is enrolled.
pub(crate) fn variable_seeds() -> Vec<Vec<u8>> {
    let mut variable = vec![0; 60];
    variable[..3].copy_from_slice(&[0xAA, 0x55, 0x3F]);
    (variable[36], variable[40]) = (6, 3);
    variable.extend(b"P\0K\0\0\0key");
    vec![variable.clone(), [variable_front(), variable].concat()]
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
    vec![
        include_bytes!("vm.toml").to_vec(),
        include_bytes!("devices.toml").to_vec(),
        plan.into_bytes(),
        manifest.into_bytes(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_to_their_ends() {
        assert_eq!(sigillo_vm::check_export(&vm_export_seeds()[0][..]).unwrap().members.len(), 2);
        for seed in vm_config_seeds().into_iter().filter(|seed| !seed.starts_with(b"{")) {
            sigillo_vm::config::Config::parse(std::str::from_utf8(&seed).unwrap()).unwrap();
        }
        for seed in event_log_seeds() {
            EventLog::parse(&seed).unwrap().replay(Bank::Sha256).unwrap();
        }
        for seed in recovery_seeds() {
            RecoveryCode::parse(std::str::from_utf8(&seed).unwrap()).unwrap();
        }
        for seed in certificate_seeds() {
            assert!(sigillo_vm::certificate::Certificate::parse(&seed).is_some());
        }
        for seed in keychain_seeds() {
            sigillo_keychain::format::parse_file(&seed).unwrap();
        }
    }
}
