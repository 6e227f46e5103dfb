//! What a crash, a failing disk or a flipped bit leaves behind, on a disk in memory.

use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::faulty::{FaultyDisk, SECTOR};
use crate::format::{
    Algorithm, BUCKET, HEADER_LEN, MIN_SLOT_LEN, ParsedSlot, SLOT_HEAD_LEN, SLOTS_OFFSET, parse_header,
    parse_slot,
};
use crate::seal::sha256;
use crate::{CommitError, CreateOptions, Damage, Key, KeyId, OpenError, Secret, Store};

fn password(number: u8) -> (Secret, KeyId) {
    (Secret::from_slice(&[b'a' + number; 43]), KeyId::from([number; 16]))
}

fn new_image(algorithm: Algorithm) -> (Vec<u8>, Key) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (secret, key_id) = password(0);
    let key = match algorithm {
        Algorithm::Unencrypted => Key::None,
        Algorithm::Aes128Gcm | Algorithm::Aes256Gcm => Key::Password(secret),
    };
    let options = CreateOptions { algorithm, ..CreateOptions::new([1; 16], key.clone(), key_id) };
    Store::create(&path, &options).unwrap();
    (std::fs::read(path).unwrap(), key)
}

fn rng(seed: u64) -> impl FnMut() -> u32 {
    use proptest::prelude::Rng;
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    move || rng.next_u32()
}

/// A disk with two commits behind it, the newer in slot A.
fn two_commits(algorithm: Algorithm) -> (FaultyDisk, Key) {
    let (image, key) = new_image(algorithm);
    let disk = FaultyDisk::new(image);
    let mut store = disk.open(&key).unwrap();
    store.commit(b"the older state").unwrap();
    store.commit(b"the newer state").unwrap();
    drop(store);
    (disk, key)
}

#[test]
fn every_flipped_byte_leaves_a_true_state() {
    for (algorithm, step) in
        [(Algorithm::Aes128Gcm, 1), (Algorithm::Aes256Gcm, 97), (Algorithm::Unencrypted, 13)]
    {
        let (disk, key) = two_commits(algorithm);
        let image = disk.lock().durable.clone();
        let newest = SLOTS_OFFSET..SLOTS_OFFSET + BUCKET;
        let older = SLOTS_OFFSET + MIN_SLOT_LEN..SLOTS_OFFSET + MIN_SLOT_LEN + BUCKET;
        let interesting = (0..newest.end).chain(older.clone()).step_by(step);
        for at in interesting.chain([newest.end, older.end, image.len() - 1]) {
            let mut flipped = image.clone();
            flipped[at] ^= 1 << (at % 8);
            let store = FaultyDisk::new(flipped).open(&key).unwrap_or_else(|error| panic!("{at}: {error}"));
            if newest.contains(&at) {
                assert_eq!(store.state(), b"the older state", "byte {at}");
                assert!(store.notes().broken_slot.is_some(), "byte {at}");
            } else {
                assert_eq!(store.state(), b"the newer state", "byte {at}");
                assert_eq!(store.notes().broken_slot.is_some(), older.contains(&at), "byte {at}");
            }
            assert_eq!(store.notes().header_repaired, at < SLOTS_OFFSET, "byte {at}");
        }
    }
}

#[test]
fn damage_to_both_copies_is_told_and_changes_nothing() {
    let (disk, key) = two_commits(Algorithm::Aes128Gcm);
    let image = disk.lock().durable.clone();
    let both_headers = [100, HEADER_LEN + 100];
    let both_slots = [SLOTS_OFFSET + 200, SLOTS_OFFSET + MIN_SLOT_LEN + 200];
    for (places, expected) in [(both_headers, "header"), (both_slots, "state")] {
        let mut damaged = image.clone();
        for place in places {
            damaged[place] ^= 0x40;
        }
        let disk = FaultyDisk::new(damaged.clone());
        match disk.open(&key) {
            Err(OpenError::Damaged(damage)) => assert!(damage.to_string().contains(expected), "{damage}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(disk.lock().cached, damaged);
    }
}

#[test]
fn a_header_forged_without_the_key_is_damage_not_a_wrong_password() {
    let (disk, key) = two_commits(Algorithm::Aes128Gcm);
    let mut image = disk.lock().durable.clone();
    for copy in [0, HEADER_LEN] {
        // The creation time, with the checksum made good again.
        image[copy + 104] ^= 1;
        let checksum = crate::seal::sha256(&[&image[copy..copy + HEADER_LEN - 32]]);
        image[copy + HEADER_LEN - 32..copy + HEADER_LEN].copy_from_slice(&checksum);
    }
    assert!(matches!(FaultyDisk::new(image).open(&key), Err(OpenError::Damaged(Damage::HeaderMac))));
}

#[test]
fn a_slot_copied_to_the_other_place_is_not_taken() {
    let (disk, key) = two_commits(Algorithm::Aes128Gcm);
    let mut image = disk.lock().durable.clone();
    let (a, b) = (SLOTS_OFFSET, SLOTS_OFFSET + MIN_SLOT_LEN);
    image.copy_within(a..a + MIN_SLOT_LEN, b);
    let store = FaultyDisk::new(image).open(&key).unwrap();
    assert_eq!(store.state(), b"the newer state");
    assert!(store.notes().broken_slot.is_some());
}

#[test]
fn slots_of_two_copies_do_not_pass_unnoticed() {
    let (disk, key) = two_commits(Algorithm::Aes128Gcm);
    let fork = FaultyDisk::new(disk.lock().durable.clone());
    let mut ours = disk.open(&key).unwrap();
    let mut theirs = fork.open(&key).unwrap();
    ours.commit(b"ours 1").unwrap();
    theirs.commit(b"theirs 1").unwrap();
    theirs.commit(b"theirs 2").unwrap();
    // Slot B with "ours 1" beside slot A with "theirs 2".
    let mut mixed = disk.lock().durable.clone();
    let slot_a = SLOTS_OFFSET..SLOTS_OFFSET + MIN_SLOT_LEN;
    mixed[slot_a.clone()].copy_from_slice(&fork.lock().durable[slot_a.clone()]);
    let store = FaultyDisk::new(mixed.clone()).open(&key).unwrap();
    assert_eq!(store.state(), b"theirs 2");
    assert!(store.notes().gap_in_history);
    assert!(!fork.open(&key).unwrap().notes().gap_in_history);
}

#[test]
fn a_power_cut_in_a_commit_leaves_the_state_before_or_after() {
    let (disk, key) = two_commits(Algorithm::Aes128Gcm);
    let mut store = disk.open(&key).unwrap();
    disk.lock().fails_after = Some(1);
    disk.lock().operations = 0;
    assert!(matches!(store.commit(b"the torn state"), Err(CommitError::Io(_))));
    let torn = disk.lock().clone();
    let sectors = torn.durable.chunks(SECTOR).zip(torn.cached.chunks(SECTOR)).filter(|(a, b)| a != b).count();
    assert_eq!(sectors, BUCKET / SECTOR);
    let check = |image: Vec<u8>, whole: bool| {
        let store = FaultyDisk::new(image).open(&key).unwrap();
        let expected: &[u8] = if whole { b"the torn state" } else { b"the newer state" };
        assert_eq!(store.state(), expected);
    };
    for kept in 0..=sectors {
        // The first ones reached the disk, or the last ones, or all but one.
        let mut seen = 0;
        let mut next = || {
            seen += 1;
            seen
        };
        check(torn.after_power_cut(&mut || next() <= kept), kept == sectors);
        seen = 0;
        let mut next = || {
            seen += 1;
            seen
        };
        check(torn.after_power_cut(&mut || next() > sectors - kept), kept == sectors);
        if kept < sectors {
            seen = 0;
            let mut next = || {
                seen += 1;
                seen
            };
            check(torn.after_power_cut(&mut || next() != kept + 1), false);
        }
    }
    let offset = SLOTS_OFFSET + MIN_SLOT_LEN;
    // Torn inside a sector, at each byte of the front and of the tag.
    for cut in (0..160).chain(BUCKET - 40..BUCKET) {
        let mut image = torn.durable.clone();
        image[offset..offset + cut].copy_from_slice(&torn.cached[offset..offset + cut]);
        check(image, false);
    }
}

/// One random piece of work and what may be found after a crash in the middle of it.
struct Model {
    states: Vec<Vec<u8>>,
    /// One of these sets of passwords opens the store.
    passwords: Vec<Vec<u8>>,
}

fn numbered(number: u8) -> (Key, KeyId) {
    let (secret, key_id) = password(number);
    (Key::Password(secret), key_id)
}

fn work(store: &mut Store, model: &mut Model, next: &mut impl FnMut() -> u32) -> Result<(), CommitError> {
    let unused = (0..20).find(|number| !model.passwords[0].contains(number)).unwrap();
    match next() % 9 {
        0 if model.passwords[0].len() < 4 => {
            let mut with = model.passwords[0].clone();
            with.push(unused);
            model.passwords.push(with);
            let (key, key_id) = numbered(unused);
            store.add_key(&key, key_id)?;
        }
        1 if model.passwords[0].len() > 1 => {
            let mut without = model.passwords[0].clone();
            let gone = without.pop().unwrap();
            model.passwords.push(without);
            store.remove_key(password(gone).1)?;
        }
        // Rotation: in between both open it.
        2 if model.passwords[0].len() < 4 => {
            let mut both = model.passwords[0].clone();
            let gone = both[0];
            both.insert(0, unused);
            let mut new = both.clone();
            new.retain(|number| *number != gone);
            model.passwords.extend([both, new]);
            let (key, key_id) = numbered(unused);
            store.add_key(&key, key_id)?;
            store.remove_key(password(gone).1)?;
        }
        3 => {
            model.passwords.push(vec![unused]);
            let algorithm = if next() & 1 == 0 { Algorithm::Aes128Gcm } else { Algorithm::Aes256Gcm };
            store.reencrypt(algorithm, &[numbered(unused)])?;
        }
        4 => {
            let state = vec![next() as u8; (next() % 400_000) as usize];
            model.states.push(state.clone());
            store.commit(&state)?;
        }
        _ => {
            let state = vec![next() as u8; (next() % 20_000) as usize];
            model.states.push(state.clone());
            store.commit(&state)?;
        }
    }
    model.states = vec![model.states.pop().unwrap()];
    model.passwords = vec![model.passwords.pop().unwrap()];
    Ok(())
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    for seed in 0..8 {
        let (image, key) = new_image(Algorithm::Aes128Gcm);
        for crash_at in 0.. {
            let mut next = rng(seed);
            let disk = FaultyDisk::new(image.clone());
            disk.lock().fails_after = Some(crash_at);
            let mut model = Model { states: vec![Vec::new()], passwords: vec![vec![0]] };
            let mut store = disk.open(&key).unwrap();
            let survived = (0..12).all(|_| work(&mut store, &mut model, &mut next).is_ok());
            if !survived {
                let refused = store.commit(b"more");
                assert!(matches!(refused, Err(CommitError::Poisoned)), "{refused:?}");
            }
            let mut chance = rng(seed * 1000 + crash_at as u64);
            for _ in 0..3 {
                let after = FaultyDisk::new(disk.lock().after_power_cut(&mut || chance() & 1 == 0));
                let opens: Vec<u8> = (0..20)
                    .filter(|number| after.open(&Key::Password(password(*number).0)).is_ok())
                    .collect();
                let allowed = model.passwords.iter().any(|set| {
                    let mut set = set.clone();
                    set.sort_unstable();
                    set == opens
                });
                assert!(allowed, "seed {seed}, crash {crash_at}: {opens:?} of {:?}", model.passwords);
                let store = after.open(&Key::Password(password(opens[0]).0)).unwrap();
                assert!(
                    model.states.iter().any(|state| state == store.state()),
                    "seed {seed}, crash {crash_at}: a state that was never committed or is too old"
                );
            }
            if survived {
                break;
            }
        }
    }
}

#[test]
fn after_a_failed_sync_the_store_takes_nothing_more() {
    let (disk, key) = two_commits(Algorithm::Aes128Gcm);
    let mut store = disk.open(&key).unwrap();
    disk.lock().fails_after = Some(0);
    disk.lock().operations = 0;
    assert!(matches!(store.commit(b"x"), Err(CommitError::Io(_))));
    // Even though the disk says it is well again: what it lost, it does not know.
    disk.lock().fails_after = None;
    let (second, key_id) = numbered(1);
    assert!(matches!(store.commit(b"y"), Err(CommitError::Poisoned)));
    assert!(matches!(store.add_key(&second, key_id), Err(CommitError::Poisoned)));
    let anew = store.reencrypt(Algorithm::Aes128Gcm, &[(second, key_id)]);
    assert!(matches!(anew, Err(CommitError::Poisoned)));
    assert_eq!(store.state(), b"the newer state");
}

#[test]
fn a_store_that_cannot_grow_keeps_its_state_and_goes_on() {
    let (disk, key) = two_commits(Algorithm::Aes128Gcm);
    let mut store = disk.open(&key).unwrap();
    disk.lock().refuse_replace = true;
    assert!(matches!(store.commit(&vec![1; MIN_SLOT_LEN]), Err(CommitError::CannotGrow(_))));
    assert_eq!(store.state(), b"the newer state");
    store.commit(b"a small one").unwrap();
    disk.lock().refuse_replace = false;
    store.commit(&vec![1; MIN_SLOT_LEN]).unwrap();
    drop(store);
    assert_eq!(disk.open(&key).unwrap().state(), vec![1; MIN_SLOT_LEN]);
}

#[test]
fn a_commit_is_one_write_and_one_sync_and_unchanged_data_none() {
    let (disk, key) = two_commits(Algorithm::Aes128Gcm);
    let mut store = disk.open(&key).unwrap();
    let before = disk.counts();
    store.commit(b"changed").unwrap();
    assert_eq!(disk.counts(), (before.0 + 2, before.1 + 1));
    store.commit(b"changed").unwrap();
    assert_eq!(disk.counts(), (before.0 + 2, before.1 + 1));
}

#[test]
fn no_session_salt_and_nonce_come_twice_though_old_copies_are_reopened() {
    let (image, key) = new_image(Algorithm::Aes128Gcm);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..5 {
        // Each round begins with the same old copy, as a snapshot or a clone would.
        let disk = FaultyDisk::new(image.clone());
        for _ in 0..3 {
            let mut store = disk.open(&key).unwrap();
            for commit in 0..3 {
                store.commit(&[commit; 10]).unwrap();
                let newest = store.anchor().generation;
                let offset = if newest % 2 == 1 { SLOTS_OFFSET } else { SLOTS_OFFSET + MIN_SLOT_LEN };
                // Session salt and nonce, bytes 24 to 68 of the slot.
                assert!(seen.insert(disk.lock().cached[offset + 24..offset + 68].to_vec()));
            }
        }
    }
    let salts: std::collections::HashSet<_> = seen.iter().map(|both| both[..32].to_vec()).collect();
    assert_eq!((seen.len(), salts.len()), (45, 15));
}

#[test]
fn a_count_that_was_forged_to_its_end_does_not_stop_the_store() {
    let (disk, key) = two_commits(Algorithm::Unencrypted);
    let mut image = disk.lock().durable.clone();
    let header = parse_header(&image).unwrap();
    let slot = image[SLOTS_OFFSET..].first_chunk_mut::<BUCKET>().unwrap();
    let before = *slot;
    let ParsedSlot::Written(mut head, sealed) = parse_slot(&before) else { panic!("the newer state") };
    head.generation = u64::MAX;
    let (plain, _) = sealed.split_last_chunk::<32>().unwrap();
    let checksum = sha256(&[&head.aad(&header), plain]);
    slot[..SLOT_HEAD_LEN].copy_from_slice(&head.to_bytes());
    slot[SLOT_HEAD_LEN + plain.len()..][..32].copy_from_slice(&checksum);

    let disk = FaultyDisk::new(image);
    let mut store = disk.open(&key).unwrap();
    assert_eq!(store.anchor().generation, u64::MAX);
    store.commit(b"one more").unwrap();
    store.commit(b"and another").unwrap();
    drop(store);
    let store = disk.open(&key).unwrap();
    assert_eq!((store.state(), store.anchor().generation), (b"and another".as_slice(), 2));
}
