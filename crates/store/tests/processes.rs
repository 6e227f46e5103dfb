//! Several processes and one store: locks, and death in the middle of writing.
//!
//! The other process is this test program again, running one of the ignored tests below.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sigillo_store::{CreateOptions, Key, KeyId, OpenError, Secret, Store};

const PATH_VARIABLE: &str = "SIGILLO_TEST_STORE";
const KILLS_VARIABLE: &str = "SIGILLO_TEST_KILLS";

fn key() -> Key {
    Key::Password(Secret::from_slice(b"a password only this test uses"))
}

fn create(path: &Path) -> Store {
    Store::create(path, &CreateOptions::new([1; 16], key(), KeyId::from([1; 16]))).unwrap()
}

fn child(test: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(PATH_VARIABLE, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// `None` when someone runs the ignored tests by hand: they are no tests, only the other process.
fn path_from_parent() -> Option<PathBuf> {
    std::env::var_os(PATH_VARIABLE).map(PathBuf::from)
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    out.write_all(format!("\nACK {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The state of commit `number`: it names itself all through, and now and then has a length that needs a longer file.
fn state(number: u64) -> Vec<u8> {
    let length = match number % 40 {
        39 => 1000 * (number % 2000),
        _ => 200 + 300 * (number % 7),
    };
    number.to_le_bytes().repeat(usize::try_from(length / 8).unwrap())
}

fn number_of(state: &[u8]) -> u64 {
    let Some(first) = state.first_chunk::<8>() else { return 0 };
    assert!(state.chunks(8).all(|chunk| chunk == first), "a state of mixed commits");
    let number = u64::from_le_bytes(*first);
    assert!(state == self::state(number), "a state of another length than was committed");
    number
}

#[test]
#[ignore = "the child of killing_the_writer_loses_nothing_acknowledged"]
fn child_commits_until_it_is_killed() {
    let Some(path) = path_from_parent() else { return };
    let mut store = Store::open(&path, &key()).unwrap();
    for number in number_of(store.state()) + 1.. {
        store.commit(&state(number)).unwrap();
        say(&number.to_string());
    }
}

#[test]
#[ignore = "the child of a_second_opener_is_refused_and_told_who_holds_the_store"]
fn child_holds_the_store_until_it_is_told_to_end() {
    let Some(path) = path_from_parent() else { return };
    let mut store = Store::open(&path, &key()).unwrap();
    say("open");
    let mut lines = std::io::stdin().lines();
    lines.next();
    // The lock has to move to the new file.
    store.commit(&vec![1; 400_000]).unwrap();
    say("grown");
    lines.next();
}

fn next_ack(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Option<String> {
    lines.find_map(|line| line.unwrap().strip_prefix("ACK ").map(str::to_owned))
}

#[test]
fn killing_the_writer_loses_nothing_acknowledged() {
    let kills = std::env::var(KILLS_VARIABLE).map_or(40, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tpm.sigillo");
    drop(create(&path));
    let (mut last, mut total) = (0, 0);
    for round in 0..kills {
        let mut child = child("child_commits_until_it_is_killed", &path);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Let it begin, then kill it somewhere in the middle of something.
        let mut acknowledged = next_ack(&mut lines).unwrap().parse::<u64>().unwrap();
        std::thread::sleep(Duration::from_micros(round * 7919 % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        while let Some(line) = next_ack(&mut lines) {
            // A line cut short by the kill was not acknowledged; pipes write short lines whole.
            acknowledged = line.parse().unwrap();
        }
        let store = Store::open(&path, &key()).unwrap();
        let found = number_of(store.state());
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "round {round}: acknowledged {acknowledged}, found {found}"
        );
        assert!(found > last, "round {round}: nothing was committed");
        total += found - last;
        last = found;
    }
    assert!(total >= kills);
}

#[test]
fn a_second_opener_is_refused_and_told_who_holds_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tpm.sigillo");
    drop(create(&path));
    let mut child = child("child_holds_the_store_until_it_is_told_to_end", &path);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut input = child.stdin.take().unwrap();
    let refused = |what: &str| match Store::open(&path, &key()) {
        Err(OpenError::Locked { pid }) => assert_eq!(pid, Some(child.id()), "{what}"),
        other => panic!("{what}: {other:?}"),
    };
    assert_eq!(next_ack(&mut lines).as_deref(), Some("open"));
    refused("after opening");
    input.write_all(b"grow\n").unwrap();
    assert_eq!(next_ack(&mut lines).as_deref(), Some("grown"));
    refused("after growing");
    input.write_all(b"end\n").unwrap();
    child.wait().unwrap();
    assert_eq!(Store::open(&path, &key()).unwrap().state(), vec![1; 400_000]);
}

#[test]
fn a_store_that_is_dropped_is_free_though_a_copy_of_its_descriptor_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tpm.sigillo");
    drop(create(&path));
    let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    // As in a child between fork and exec.
    let copy = file.try_clone().unwrap();
    let store = Store::open_file(file.into(), None, &key()).unwrap();
    assert!(matches!(Store::open(&path, &key()), Err(OpenError::Locked { .. })));
    drop(store);
    Store::open(&path, &key()).unwrap();
    drop(copy);
}

#[test]
fn a_second_opener_in_the_same_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tpm.sigillo");
    let store = create(&path);
    let pid = Some(std::process::id());
    assert!(matches!(Store::open(&path, &key()), Err(OpenError::Locked { pid: found }) if found == pid));
    drop(store);
    Store::open(&path, &key()).unwrap();
}

fn open_when_free(path: &Path) -> Store {
    loop {
        match Store::open(path, &key()) {
            Ok(store) => return store,
            Err(OpenError::Locked { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn openers_racing_with_a_growing_store_never_hold_a_file_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tpm.sigillo");
    drop(create(&path));
    std::thread::scope(|scope| {
        for thread in 0..3_usize {
            let path = &path;
            scope.spawn(move || {
                for round in 0..20_usize {
                    let mut store = open_when_free(path);
                    // Growth at first, plain commits once the file is long enough.
                    store.commit(&vec![1; (round + 1) * 40_000 + thread]).unwrap();
                    let anchor = store.anchor();
                    drop(store);
                    assert!(open_when_free(path).anchor().generation >= anchor.generation);
                }
            });
        }
    });
    assert_eq!(Store::open(&path, &key()).unwrap().anchor().generation, 1 + 3 * 20);
}
