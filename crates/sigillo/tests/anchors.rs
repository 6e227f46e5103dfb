//! What a TPM process tells the file that remembers the newest state of its store, killed at the worst moment.

mod tpm;

use sigillo_keychain::anchor::{AnchorFile, Anchored, Seen, Verdict, state_name};
use sigillo_store::{CreateOptions, Key, KeyId, Secret, Store};
use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tpm::*;

const UUID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
const INDEX: &str = "01500020";
const COUNTER: &str = "01500021";
/// Session areas: an empty password, and a wrong one.
const PASSWORD: &str = "00000009 40000009 0000 00 0000";
const WRONG: &str = "0000000b 40000009 0000 00 0002 6e6f";

struct Fixture {
    dir: tempfile::TempDir,
    password: Secret,
}

impl Fixture {
    fn new() -> Self {
        let (dir, password) = (tempfile::tempdir().unwrap(), Secret::random_text().unwrap());
        let uuid = uuid::Uuid::parse_str(UUID).unwrap();
        let key = Key::Password(password.clone());
        furnished(
            &dir.path().join("tpm.store"),
            &CreateOptions::new(*uuid.as_bytes(), key, KeyId::random().unwrap()),
        );
        Fixture { dir, password }
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("tpm.store")
    }

    fn open(&self) -> Store {
        Store::open(&self.store(), &Key::Password(self.password.clone())).unwrap()
    }

    fn anchor_file(&self) -> File {
        let path = self.dir.path().join("anchor");
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap()
    }

    fn seen(&self) -> Seen {
        match AnchorFile::new(self.anchor_file()).read().unwrap() {
            Anchored::State(seen) => seen,
            other => panic!("{other:?}"),
        }
    }

    fn worker(&self, more: &[&str]) -> Worker {
        // Another test's worker, started while the anchor is inheritable, would hold its lock as well.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let anchor: OwnedFd = self.anchor_file().into();
        let number = give(&anchor);
        let mut args = vec!["--anchor-fd", &number];
        args.extend(more);
        worker_alone(self.dir.path(), UUID, Some(self.password.expose()), &args)
    }

    fn power_on(&self) -> (Worker, Control, Data) {
        let worker = self.worker(&[]);
        assert_eq!(worker.said, "ready\n");
        let mut control = Control::connect(&self.dir.path().join("sock"));
        let data = control.power_on();
        (worker, control, data)
    }
}

fn command(code: &str, handles: &str, area: &str, parameters: &str) -> Vec<u8> {
    let body = hex(&format!("{code} {handles} {area} {parameters}"));
    let size = u32::try_from(6 + body.len()).unwrap();
    [&[0x80, 0x02][..], &size.to_be_bytes(), &body].concat()
}

/// NV_DefineSpace by the owner, of 8 octets.
fn define(index: &str, attributes: &str, auth: &str) -> Vec<u8> {
    let public = format!("{index} 000b {attributes} 0000 0008");
    command("0000012a", "40000001", PASSWORD, &format!("{auth} 000e {public}"))
}

fn write(value: u64) -> Vec<u8> {
    command("00000137", &format!("{INDEX} {INDEX}"), PASSWORD, &format!("0008 {value:016x} 0000"))
}

fn kill(mut worker: Worker) {
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
}

#[test]
fn what_is_worth_undoing_is_remembered_before_it_is_answered() {
    let fixture = Fixture::new();
    let clear = command("00000126", "4000000a", PASSWORD, "");
    let increment = command("00000134", &format!("{COUNTER} {COUNTER}"), PASSWORD, "");
    let wrong = command("00000137", &format!("{INDEX} {INDEX}"), WRONG, "0008 0000000000000001 0000");
    for (what, prepare, act, code) in [
        ("NV_Increment", define(COUNTER, "02040014", "0000"), increment, 0),
        // With dictionary attack protection and the password "pw".
        ("a wrong password", define(INDEX, "00040004", "0002 7077"), wrong, 0x98e),
        ("Clear", write(0), clear, 0),
    ] {
        let (worker, _control, mut data) = fixture.power_on();
        data.run(&prepare);
        assert_eq!(data.code(&act), code, "{what}");
        kill(worker);
        let store = fixture.open();
        assert_eq!(Verdict::of(&store, Some(&fixture.seen())), Verdict::Same, "{what}");
    }
}

#[test]
fn ordinary_writes_are_remembered_in_batches_and_a_crash_is_no_rollback() {
    let fixture = Fixture::new();
    let (worker, _control, mut data) = fixture.power_on();
    assert_eq!(data.code(&define(INDEX, "02040004", "0000")), 0);
    for value in 1..=100 {
        assert_eq!(data.code(&write(value)), 0);
    }
    kill(worker);
    let store = fixture.open();
    let behind = store.anchor().generation - fixture.seen().generation;
    assert!(behind < 32, "{behind}");
    assert!(Verdict::of(&store, Some(&fixture.seen())).is_in_order());
}

#[test]
fn at_the_end_of_a_process_everything_is_remembered() {
    let fixture = Fixture::new();
    let (mut worker, control, mut data) = fixture.power_on();
    assert_eq!(data.code(&define(INDEX, "02040004", "0000")), 0);
    assert_eq!(data.code(&write(7)), 0);
    drop((control, data));
    assert!(wait(&mut worker.child).success());
    assert_eq!(Verdict::of(&fixture.open(), Some(&fixture.seen())), Verdict::Same);
}

fn copied(from: &Path) -> Vec<u8> {
    std::fs::read(from).unwrap()
}

#[test]
fn an_older_store_is_held_and_runs_only_as_the_state_that_was_accepted() {
    let fixture = Fixture::new();
    let (worker, _control, mut data) = fixture.power_on();
    assert_eq!(data.code(&define(COUNTER, "02040014", "0000")), 0);
    kill(worker);
    let old = copied(&fixture.store());
    let (worker, _control, mut data) = fixture.power_on();
    for _ in 0..3 {
        assert_eq!(data.code(&command("00000134", &format!("{COUNTER} {COUNTER}"), PASSWORD, "")), 0);
    }
    kill(worker);
    std::fs::write(fixture.store(), &old).unwrap();
    let name = state_name(&fixture.open());
    let seen = fixture.seen();

    let mut held = fixture.worker(&[]);
    assert!(!wait(&mut held.child).success());
    let said: serde_json::Value = serde_json::from_str(held.said.strip_prefix("held ").unwrap()).unwrap();
    assert_eq!(said["verdict"]["is"], "rolled-back");
    assert_eq!(said["state"], name);
    assert_eq!(fixture.seen(), seen, "what is refused is not remembered");
    assert_eq!(copied(&fixture.store()), old);

    let mut other = fixture.worker(&["--accept", "1:00"]);
    assert!(other.said.starts_with("held "), "{}", other.said);
    wait(&mut other.child);
    let accepted = fixture.worker(&["--accept", &name]);
    assert_eq!(accepted.said, "ready\n");
    kill(accepted);
    let again = fixture.worker(&[]);
    assert_eq!(again.said, "ready\n");
    kill(again);
}

#[test]
fn a_second_live_copy_of_a_store_is_held_and_names_the_first() {
    let fixture = Fixture::new();
    let (worker, _control, _data) = fixture.power_on();
    // Another file, so that the store's own lock is free.
    let copy = fixture.dir.path().join("copy");
    std::fs::copy(fixture.store(), &copy).unwrap();
    std::fs::rename(&copy, fixture.store()).unwrap();
    let mut second = fixture.worker(&[]);
    wait(&mut second.child);
    let said: serde_json::Value = serde_json::from_str(second.said.strip_prefix("held ").unwrap()).unwrap();
    assert_eq!(said["verdict"]["is"], "in-use");
    assert_eq!(said["verdict"]["pid"], worker.child.id());
    kill(worker);
}
