//! Anchors: an older state, or one of another history, is told from the newest one seen.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use sigillo_keychain::anchor::{AnchorFile, Anchored, Anchors, Seen, Verdict};
use sigillo_keychain::{KeyId, Secret};
use sigillo_store::{CreateOptions, Key, Store};

const VM: [u8; 16] = [7; 16];

struct Fixture {
    dir: tempfile::TempDir,
    anchors: Anchors,
    key: Key,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = Key::Password(Secret::random_text().unwrap());
        let options = CreateOptions::new(VM, key.clone(), KeyId::random().unwrap());
        Store::create(&dir.path().join("tpm"), &options).unwrap().commit(b"made").unwrap();
        let anchors = Anchors::at(&dir.path().join("keychain"));
        Fixture { dir, anchors, key }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("tpm")
    }

    fn open(&self) -> Store {
        Store::open(&self.path(), &self.key).unwrap()
    }

    /// Some commits of one opening; `seen`: then the host is told.
    fn live(&self, states: &[&str], seen: bool) {
        let mut store = self.open();
        if seen {
            self.anchors.accept(&VM, &store).unwrap();
        }
        for state in states {
            store.commit(state.as_bytes()).unwrap();
        }
        if seen {
            self.anchors.accept(&VM, &store).unwrap();
        }
    }

    fn seen(&self) -> Anchored {
        self.anchors.open(&VM, &self.open().info().file_uuid).unwrap().read().unwrap()
    }

    fn verdict(&self) -> Verdict {
        let store = self.open();
        self.seen_of(&store).verdict(&store)
    }

    fn seen_of(&self, store: &Store) -> Anchored {
        self.anchors.open(&VM, &store.info().file_uuid).unwrap().read().unwrap()
    }

    fn copy(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    fn put(&self, copy: &[u8]) {
        fs::write(self.path(), copy).unwrap();
    }
}

#[test]
fn a_store_is_first_then_the_same_then_newer() {
    let fixture = Fixture::new();
    assert_eq!(fixture.verdict(), Verdict::First);
    fixture.live(&["a", "b"], true);
    assert_eq!(fixture.verdict(), Verdict::Same);
    fixture.live(&["c"], false);
    assert_eq!(fixture.verdict(), Verdict::Newer { by: 1 });
}

#[test]
fn what_a_crash_left_the_anchor_behind_by_is_no_rollback() {
    let fixture = Fixture::new();
    let mut store = fixture.open();
    fixture.anchors.accept(&VM, &store).unwrap();
    for state in ["a", "b", "c", "d"] {
        store.commit(state.as_bytes()).unwrap();
    }
    drop(store);
    assert_eq!(fixture.verdict(), Verdict::Newer { by: 4 });
}

#[test]
fn an_older_copy_is_rolled_back_by_its_distance() {
    let fixture = Fixture::new();
    fixture.live(&["a"], true);
    let copy = fixture.copy();
    fixture.live(&["b", "c", "d"], true);
    let Anchored::State(seen) = fixture.seen() else { panic!() };
    fixture.put(&copy);
    assert_eq!(fixture.verdict(), Verdict::RolledBack { by: 3, seen_unix_s: seen.seen_unix_s });
    assert!(!fixture.verdict().is_in_order());
    // Accepted, it is the newest one.
    fixture.anchors.accept(&VM, &fixture.open()).unwrap();
    assert_eq!(fixture.verdict(), Verdict::Same);
}

#[test]
fn a_copy_that_went_on_by_itself_is_a_twin() {
    let fixture = Fixture::new();
    fixture.live(&["a"], true);
    let copy = fixture.copy();
    fixture.live(&["b", "c"], true);
    fixture.put(&copy);
    // As many commits as here, and one more.
    fixture.live(&["x", "y"], false);
    assert!(matches!(fixture.verdict(), Verdict::Twin { generation: 5, .. }), "{:?}", fixture.verdict());
    fixture.live(&["z"], false);
    assert!(matches!(fixture.verdict(), Verdict::Twin { generation: 6, .. }), "{:?}", fixture.verdict());
    // From here on it looks like a VM that ran on another host.
    fixture.live(&["zz"], false);
    assert_eq!(fixture.verdict(), Verdict::MovedOn { by: 2 });
}

#[test]
fn an_anchor_survives_a_torn_write_at_every_octet() {
    let fixture = Fixture::new();
    fixture.live(&["a"], true);
    let file_uuid = fixture.open().info().file_uuid;
    let Anchored::State(before) = fixture.seen() else { panic!() };
    let path =
        fs::read_dir(fixture.dir.path().join("keychain/anchors")).unwrap().next().unwrap().unwrap().path();
    let old = fs::read(&path).unwrap();
    fixture.live(&["b"], false);
    let after = Seen::of(&fixture.open());
    let mut anchor = fixture.anchors.open(&VM, &file_uuid).unwrap();
    anchor.read().unwrap();
    anchor.write(&after).unwrap();
    let new = fs::read(&path).unwrap();
    let differ: Vec<usize> = (0..new.len()).filter(|at| old.get(*at) != Some(&new[*at])).collect();
    for cut in 1..differ.len() {
        let mut torn = old.clone();
        torn.resize(new.len().max(old.len()), 0);
        for at in &differ[..cut] {
            torn[*at] = new[*at];
        }
        fs::write(&path, &torn).unwrap();
        match fixture.seen() {
            Anchored::State(seen) => assert!(seen == before || seen == after, "{cut}"),
            other => panic!("{cut}: {other:?}"),
        }
    }
}

#[test]
fn a_damaged_anchor_is_not_taken_for_a_new_one() {
    let fixture = Fixture::new();
    fixture.live(&["a", "b"], true);
    let path =
        fs::read_dir(fixture.dir.path().join("keychain/anchors")).unwrap().next().unwrap().unwrap().path();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for offset in [50, 4096 + 50] {
        file.write_all_at(b"x", offset).unwrap();
    }
    assert_eq!(fixture.seen(), Anchored::Damaged);
}

#[test]
fn of_two_copies_of_one_store_one_is_locked() {
    let fixture = Fixture::new();
    let file_uuid = fixture.open().info().file_uuid;
    let first = fixture.anchors.open(&VM, &file_uuid).unwrap();
    assert_eq!(first.lock().unwrap(), Ok(()));
    let second = fixture.anchors.open(&VM, &file_uuid).unwrap();
    assert_eq!(second.lock().unwrap(), Err(Some(std::process::id())));
    // A copy of the descriptor keeps the lock.
    let kept = AnchorFile::new(first.into_file().try_clone().unwrap());
    assert!(second.lock().unwrap().is_err());
    drop(kept);
    assert_eq!(second.lock().unwrap(), Ok(()));
}

#[test]
fn the_store_a_vm_runs_with_is_kept() {
    let fixture = Fixture::new();
    assert_eq!(fixture.anchors.current(&VM).unwrap(), None);
    for store in [[1; 16], [0; 16]] {
        fixture.anchors.set_current(&VM, &store).unwrap();
        assert_eq!(fixture.anchors.current(&VM).unwrap(), Some(store));
    }
}

#[test]
fn looking_makes_nothing_and_needs_no_lock() {
    let fixture = Fixture::new();
    let uuid = fixture.open().info().file_uuid;
    assert_eq!(fixture.anchors.look(&VM, &uuid).unwrap(), Anchored::Nothing);
    assert_eq!(fixture.anchors.current(&VM).unwrap(), None);
    assert!(!fixture.dir.path().join("keychain").exists());
    fixture.live(&["1"], true);
    let held = fixture.anchors.open(&VM, &uuid).unwrap();
    held.lock().unwrap().unwrap();
    assert_eq!(fixture.anchors.look(&VM, &uuid).unwrap(), fixture.seen());
    assert_eq!(fixture.anchors.look(&[8; 16], &uuid).unwrap(), Anchored::Nothing);
}
