//! The audit log: what is written stays, and what is changed is found.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use sigillo_keychain::audit::{Act, AuditError, AuditLog};

struct Fixture {
    dir: tempfile::TempDir,
    log: AuditLog,
}

impl Fixture {
    fn new(lines: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = AuditLog::at(&dir.path().join("keychain"));
        for line in 0..lines {
            log.record(Act::RecordRead, &format!("record {line}"), "to start \"a VM\"").unwrap();
        }
        Fixture { dir, log }
    }

    fn head(&self) -> PathBuf {
        self.dir.path().join("keychain/audit.head")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        self.text().split_inclusive('\n').map(str::to_owned).collect()
    }

    fn write(&self, lines: &[String]) {
        fs::write(self.log.path(), lines.concat()).unwrap();
    }

    fn damaged_at(&self) -> u64 {
        match self.log.verify() {
            Err(AuditError::Damaged { line, .. }) => line,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn lines_are_there_in_order_private_and_verified() {
    let fixture = Fixture::new(3);
    let entries = fixture.log.entries().unwrap();
    assert_eq!(entries.iter().map(|entry| entry.n).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((entries[1].act.as_str(), entries[1].subject.as_str()), ("record-read", "record 1"));
    let verified = fixture.log.verify().unwrap();
    assert_eq!((verified.lines, verified.torn), (3, false));
    assert!(fixture.lines()[2].starts_with(&verified.last_hash));
    for path in [fixture.log.path(), fixture.head()] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_log_that_never_was_is_empty_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let log = AuditLog::at(&dir.path().join("none"));
    assert_eq!(log.verify().unwrap().lines, 0);
    assert_eq!(log.entries().unwrap(), []);
}

#[test]
fn every_changed_octet_is_found_and_at_its_line() {
    let fixture = Fixture::new(3);
    let whole = fs::read(fixture.log.path()).unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(fixture.log.path(), &changed).unwrap();
        let line = 1 + whole[..at].iter().filter(|octet| **octet == b'\n').count() as u64;
        assert_eq!(fixture.damaged_at(), line, "octet {at}");
    }
}

#[test]
fn lines_taken_out_in_the_middle_or_at_the_end_or_put_in_another_order_are_found() {
    let fixture = Fixture::new(4);
    let lines = fixture.lines();
    fixture.write(&[lines[0].clone(), lines[2].clone(), lines[3].clone()]);
    assert_eq!(fixture.damaged_at(), 2);
    fixture.write(&[lines[0].clone(), lines[2].clone(), lines[1].clone(), lines[3].clone()]);
    assert_eq!(fixture.damaged_at(), 2);
    fixture.write(&lines[..3]);
    assert_eq!(fixture.damaged_at(), 4);
    fs::remove_file(fixture.log.path()).unwrap();
    assert_eq!(fixture.damaged_at(), 1);
}

#[test]
fn a_missing_end_is_still_found_after_more_lines() {
    let fixture = Fixture::new(4);
    let lines = fixture.lines();
    fixture.write(&lines[..2]);
    fixture.log.record(Act::BackupMade, "later", "").unwrap();
    assert_eq!(fixture.damaged_at(), 3);
    assert_eq!(fixture.log.entries().unwrap().last().unwrap().n, 5);
}

#[test]
fn what_a_crash_left_behind_the_head_is_taken_over_or_cut_off() {
    let fixture = Fixture::new(2);
    let head = fs::read(fixture.head()).unwrap();
    fixture.log.record(Act::StoreCreated, "third", "").unwrap();
    // A crash after the line and before its head.
    fs::write(fixture.head(), &head).unwrap();
    assert_eq!(fixture.log.verify().unwrap().lines, 3);
    fixture.log.record(Act::StoreCreated, "fourth", "").unwrap();
    assert_eq!(fixture.log.verify().unwrap().lines, 4);
    // A crash in the middle of a line, at each octet.
    let (whole, head) = (fs::read(fixture.log.path()).unwrap(), fs::read(fixture.head()).unwrap());
    fixture.log.record(Act::StoreCreated, "fifth", "").unwrap();
    let longer = fs::read(fixture.log.path()).unwrap();
    for cut in whole.len() + 1..longer.len() {
        fs::write(fixture.log.path(), &longer[..cut]).unwrap();
        fs::write(fixture.head(), &head).unwrap();
        let verified = fixture.log.verify().unwrap();
        assert_eq!((verified.lines, verified.torn), (4, true));
        fixture.log.record(Act::StoreCreated, "instead", "").unwrap();
        assert_eq!(fixture.log.verify().unwrap().lines, 5);
    }
}

#[test]
fn a_lost_head_is_an_error_and_stays_on_record() {
    let fixture = Fixture::new(2);
    fs::remove_file(fixture.head()).unwrap();
    assert_eq!(fixture.damaged_at(), 2);
    fixture.log.record(Act::BackupMade, "later", "").unwrap();
    assert_eq!(fixture.log.verify().unwrap().lines, 4);
    assert_eq!(fixture.log.entries().unwrap()[2].act, "head-lost");
}

#[test]
fn lines_are_bounded_and_one_act_is_one_line() {
    let fixture = Fixture::new(0);
    let long = "\"\\\n\u{1b}ü".repeat(4000);
    fixture.log.record(Act::KeyAdded, &long, &long).unwrap();
    assert_eq!(fixture.lines().len(), 1);
    assert!(fixture.text().len() <= 4096, "{}", fixture.text().len());
    assert_eq!(fixture.log.verify().unwrap().lines, 1);
}

#[test]
fn a_line_of_any_length_is_read_without_holding_it() {
    let fixture = Fixture::new(1);
    let mut file = OpenOptions::new().append(true).open(fixture.log.path()).unwrap();
    file.write_all(&vec![b'x'; 3 << 20]).unwrap();
    assert_eq!(fixture.damaged_at(), 2);
    assert_eq!(fixture.log.entries().unwrap().len(), 1);
    fixture.log.record(Act::KeyAdded, "later", "").unwrap();
    assert_eq!(fixture.damaged_at(), 2);
}

#[test]
fn many_processes_at_once_make_one_chain() {
    let fixture = Fixture::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = fixture.log.clone();
            scope.spawn(move || {
                for _ in 0..5 {
                    log.record(Act::RecordRead, &thread.to_string(), "").unwrap();
                }
            });
        }
    });
    assert_eq!(fixture.log.verify().unwrap().lines, 40);
}

#[test]
fn a_log_that_others_could_write_or_that_is_a_link_is_refused() {
    let fixture = Fixture::new(1);
    fs::set_permissions(fixture.log.path(), fs::Permissions::from_mode(0o620)).unwrap();
    let error = fixture.log.record(Act::KeyAdded, "x", "").unwrap_err();
    assert_eq!(error.code(), "SIG_ERR_AUDIT_UNSAFE");
    let elsewhere = fixture.dir.path().join("elsewhere");
    fs::rename(fixture.log.path(), &elsewhere).unwrap();
    symlink(&elsewhere, fixture.log.path()).unwrap();
    assert_eq!(fixture.log.record(Act::KeyAdded, "x", "").unwrap_err().code(), "SIG_ERR_AUDIT_UNSAFE");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap().lines().count(), 1);
}
