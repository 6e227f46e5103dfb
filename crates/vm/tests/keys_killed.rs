//! kill -9 of a process that changes the keys of a TPM, encrypts its store anew and makes it grow: whenever it ends, the record
//! that the keychain holds opens the store, and the store holds what was acknowledged. Needs Debian's `ovmf`.
//!
//! The other process is this test program again, running the ignored test below. `SIGILLO_TEST_KILLS` says how many kills,
//! `SIGILLO_TEST_SEED` which: the same seed makes the same changes and waits.
#![allow(clippy::print_stdout, reason = "the figures of a long run")]
mod common;

use common::{DIR, KILLS, Kept, SEED, linux, next, number, options};
use sigillo_store::{Algorithm, Store};
use sigillo_vm::{Bundle, Firmware, Home, RecordState, Reencrypt, add_tpm, list_keys, reencrypt, rotate};
use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

struct World {
    vm: Bundle,
    kept: Kept,
}

impl World {
    fn at(dir: &Path) -> Self {
        let vm = Home::find(Some(&dir.join("vms"))).open("vm").unwrap();
        World { vm, kept: Kept::at(&dir.join("keychain")) }
    }

    fn open(&self) -> Store {
        self.kept.store_of(&self.vm)
    }
}

/// The state with this number; every eighth is long, and now and then so long that the file has to grow.
fn state(number: u64) -> Vec<u8> {
    let words = if number % 8 == 7 { 2000 + number % 64 * 1500 } else { 8 };
    number.to_le_bytes().repeat(usize::try_from(words).unwrap())
}

fn number_of(found: &[u8]) -> u64 {
    let Some(first) = found.first_chunk() else { return 0 };
    let number = u64::from_le_bytes(*first);
    assert!(found == state(number), "a state that was never written");
    number
}

#[test]
#[ignore = "the child of the_record_opens_the_store_whenever_a_change_of_keys_is_killed"]
fn child_changes_keys_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let world = World::at(&dir);
    let mut random = number(SEED, 0);
    let mut written = number_of(world.open().state());
    let mut out = std::io::stdout();
    loop {
        match next(&mut random) % 6 {
            0 | 1 => drop(rotate(&world.vm, &world.kept.keychain, &world.kept.audit).unwrap()),
            2 => {
                let algorithm =
                    [Algorithm::Aes128Gcm, Algorithm::Aes256Gcm][(next(&mut random) % 2) as usize];
                let options = Reencrypt { algorithm: Some(algorithm), recovery_code: None, passphrase: None };
                reencrypt(&world.vm, &world.kept.host(), options).unwrap();
            }
            _ => {
                world.open().commit(&state(written + 1)).unwrap();
                written += 1;
            }
        }
        out.write_all(format!("\nACK {written}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn the_record_opens_the_store_whenever_a_change_of_keys_is_killed() {
    let (kills, seed) = (number(KILLS, 25), number(SEED, 1));
    let dir = tempfile::tempdir().unwrap();
    let home = Home::find(Some(&dir.path().join("vms")));
    let mut vm = home.create(&linux("vm", Firmware::Uefi)).unwrap();
    let mut options = options();
    options.state = sigillo_store::Secret::new(state(0));
    let kept = Kept::at(&dir.path().join("keychain"));
    add_tpm(&mut vm, &kept.host(), &options).unwrap();
    let mut random = seed;
    let (mut acknowledged, mut acts, mut interrupted, mut grown) = (0, 0_u64, 0_u64, 0_u64);
    let mut length = 0;
    for round in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_changes_keys_until_it_is_killed", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .env(SEED, next(&mut random).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut ack = || {
            let line = lines.find_map(|line| line.unwrap().strip_prefix("ACK ").map(str::to_owned));
            line.map(|line| line.parse::<u64>().unwrap())
        };
        // Let it begin, then kill it somewhere in the middle of something.
        acknowledged = ack().unwrap_or_else(|| panic!("round {round}: the child could not begin"));
        acts += 1;
        std::thread::sleep(Duration::from_micros(next(&mut random) % 40_000));
        child.kill().unwrap();
        child.wait().unwrap();
        while let Some(number) = ack() {
            (acknowledged, acts) = (number, acts + 1);
        }
        let world = World::at(dir.path());
        let keys = list_keys(&world.vm, &world.kept.keychain).unwrap();
        assert!(matches!(keys.record, RecordState::Opens(_)), "round {round}: {:?}", keys.record);
        interrupted += u64::from(!keys.leftovers().is_empty());
        let store = world.open();
        let found = number_of(store.state());
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "round {round}: acknowledged {acknowledged}, found {found}"
        );
        let now = store.info().file_len;
        grown += u64::from(now > length);
        length = now;
        drop(store);
        if round % 5 == 4 {
            rotate(&world.vm, &world.kept.keychain, &world.kept.audit).unwrap();
            assert_eq!(list_keys(&world.vm, &world.kept.keychain).unwrap().leftovers(), []);
        }
    }
    let world = World::at(dir.path());
    world.kept.audit.verify().unwrap();
    println!(
        "seed {seed}: {kills} kills, {acts} changes acknowledged, {acknowledged} states, {interrupted} rotations or \
         re-encryptions found interrupted, the file found longer {grown} times"
    );
    assert!(acts >= kills);
}
