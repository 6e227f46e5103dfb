//! Each way in which a disk fails, at each operation of each change: the caller gets an error or a durable answer, the store
//! opens again, and what was acknowledged last is there.

use crate::faulty::{Fault, FaultyDisk};
use crate::format::{Algorithm, MIN_SLOT_LEN};
use crate::{CommitError, CreateOptions, Key, KeyId, OpenError, Secret, Store};

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

fn key(number: u8) -> (Key, KeyId) {
    (Key::Password(Secret::from_slice(&[b'a' + number; 43])), KeyId::from([number; 16]))
}

fn image() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (first, key_id) = key(0);
    let mut store = Store::create(&path, &CreateOptions::new([1; 16], first, key_id)).unwrap();
    store.commit(b"before").unwrap();
    drop(store);
    std::fs::read(path).unwrap()
}

fn grown() -> Vec<u8> {
    vec![7; MIN_SLOT_LEN]
}

/// The state and the numbers of the keys that open it.
type Held = (Vec<u8>, Vec<u8>);

/// One change, and what the store holds after it.
type Step = (fn(&mut Store) -> Result<(), CommitError>, Held);

/// Every kind of change there is, one after the other.
fn steps() -> Vec<Step> {
    vec![
        (|store| store.commit(b"one"), (b"one".to_vec(), vec![0])),
        (|store| store.add_key(&key(1).0, key(1).1), (b"one".to_vec(), vec![0, 1])),
        (|store| store.commit(&grown()), (grown(), vec![0, 1])),
        (|store| store.remove_key(key(0).1), (grown(), vec![1])),
        (|store| store.reencrypt(Algorithm::Aes256Gcm, &[key(2)]), (grown(), vec![2])),
        (|store| store.commit(b"last"), (b"last".to_vec(), vec![2])),
    ]
}

/// What a file opens with, and to what.
fn held(image: &[u8]) -> Held {
    let mut keys = Vec::new();
    let mut state = None;
    for number in 0..3 {
        match FaultyDisk::new(image.to_vec()).open(&key(number).0) {
            Ok(store) => {
                keys.push(number);
                state = Some(store.state().to_vec());
            }
            Err(OpenError::WrongKey { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    (state.unwrap(), keys)
}

struct Outcome {
    disk: FaultyDisk,
    store: Store,
    /// What was acknowledged last, and what was under way.
    allowed: Vec<Held>,
    /// What the step that failed said.
    error: Option<CommitError>,
}

fn run(image: &[u8], fault: Fault, at: usize) -> Outcome {
    let disk = FaultyDisk::new(image.to_vec());
    let mut store = disk.open(&key(0).0).unwrap();
    {
        let mut faults = disk.lock();
        faults.operations = 0;
        faults.fault = Some((at, fault));
    }
    let mut acknowledged = (b"before".to_vec(), vec![0]);
    for (change, after) in steps() {
        match change(&mut store) {
            Ok(()) => acknowledged = after,
            Err(error) => {
                return Outcome { disk, store, allowed: vec![acknowledged, after], error: Some(error) };
            }
        }
    }
    Outcome { disk, store, allowed: vec![acknowledged], error: None }
}

#[test]
fn every_fault_at_every_operation_gives_an_error_or_a_durable_answer() {
    let image = image();
    let write = |errno, done| Fault::Write { errno, done };
    let faults = [
        write(ENOSPC, 0),
        write(EIO, 0),
        // Short writes: nothing of the last sector, half of one, all but the last octet.
        write(ENOSPC, 512),
        write(EIO, 4000),
        write(EIO, usize::MAX),
        Fault::Sync { errno: EIO },
        Fault::Replace { errno: ENOSPC, lands: None },
        Fault::Replace { errno: EIO, lands: Some(false) },
        Fault::Replace { errno: EIO, lands: Some(true) },
    ];
    let whole = run(&image, Fault::Sync { errno: EIO }, usize::MAX);
    let operations = whole.disk.counts().0;
    assert!(whole.error.is_none() && operations > 12);
    let mut chance = 0x1234_5678_u64;
    let mut met = 0;
    for fault in faults {
        for at in 1..=operations {
            let Outcome { disk, mut store, allowed, error } = run(&image, fault, at);
            if disk.lock().fault.is_some() {
                // The operation at this place was of another kind.
                assert!(error.is_none());
                continue;
            }
            met += 1;
            let error = error.unwrap_or_else(|| panic!("{fault:?} at {at} was not told"));
            let stopped = matches!(error, CommitError::Io(_));
            let kept = matches!(error, CommitError::CannotGrow(_) | CommitError::CannotReencrypt(_));
            assert!(stopped || kept, "{fault:?} at {at}: {error}");
            let what = format!("{fault:?} at {at}");
            // The process ends and the host goes on: what the cache has is what the next one reads.
            let cached = disk.lock().cached.clone();
            assert!(allowed.contains(&held(&cached)), "{what}: in the cache");
            // The host ends: of what was not synced, any sectors are there, in any order.
            for round in 0..4 {
                let after = disk.lock().after_power_cut(&mut || {
                    chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    round > 0 && chance >> 63 == 1
                });
                assert!(allowed.contains(&held(&after)), "{what}: after a power cut");
            }
            // The disk says it is well again. A store that may have lost something does not believe it.
            match store.commit(b"more") {
                Ok(()) if kept => {
                    assert_eq!(held(&disk.lock().durable), (b"more".to_vec(), allowed[0].1.clone()));
                }
                Err(CommitError::Poisoned) if stopped => {
                    let error = CommitError::Poisoned.to_string();
                    assert!(error.contains("an earlier write"), "{error}");
                }
                other => panic!("{what}: {other:?}"),
            }
        }
    }
    // Writes: two a header change, one a commit; each with a sync; growth and encryption anew.
    assert!(met > 40, "{met}");
}

#[test]
fn a_bit_that_flips_while_it_is_read_is_no_wrong_state() {
    let disk = FaultyDisk::new(image());
    let mut store = disk.open(&key(0).0).unwrap();
    store.commit(b"newest").unwrap();
    drop(store);
    let whole = disk.lock().cached.clone();
    let len = whole.len();
    for at in (0..8192 + 200).step_by(3).chain((8192 + 200..len).step_by(997)) {
        disk.lock().flip_on_read = Some((at, 1 << (at % 8)));
        match disk.open(&key(0).0) {
            Ok(store) => {
                let notes = store.notes().clone();
                let older = store.state() == b"before" && notes.broken_slot.is_some();
                assert!(store.state() == b"newest" || older, "octet {at}");
            }
            Err(error) => panic!("octet {at}: {error}"),
        }
        // A header copy that was read wrongly is written anew, from the other one: the file is whole.
        disk.lock().flip_on_read = None;
        assert_eq!(disk.open(&key(0).0).unwrap().state(), b"newest", "octet {at}");
        *disk.lock() =
            crate::faulty::Faults { durable: whole.clone(), cached: whole.clone(), ..Default::default() };
    }
}
