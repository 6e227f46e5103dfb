//! kill -9 of a process that makes, deletes and goes back to snapshots: whenever it ends, the next command finds a VM whose disk,
//! firmware variables and TPM are of one state, snapshots that are whole, and no state lost that was kept. Needs Debian's `ovmf`.
//!
//! The other process is this test program again, running the ignored test below. `SIGILLO_TEST_KILLS` says how many kills,
//! `SIGILLO_TEST_SEED` which: the same seed makes the same changes and waits.
#![allow(clippy::print_stdout, reason = "the figures of a long run")]
mod common;

use common::{DIR, KILLS, Kept, SEED, linux, next, number, options};
use sigillo_store::Store;
use sigillo_vm::{
    Bundle, Firmware, Home, NewSnapshot, add_tpm, delete_snapshot, revert, rotate, snapshot, snapshots,
};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// The child keeps the number of snapshots below it.
const MANY: usize = 6;

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

    /// The number that disk, variables and TPM have.
    fn state(&self) -> String {
        let (disk, vars) = (self.vm.path().join("disk0.img"), self.vm.path().join("firmware-vars.fd"));
        let state = fs::read_to_string(vars).unwrap();
        assert_eq!(fs::read_to_string(disk).unwrap(), state);
        assert_eq!(self.open().state(), state.as_bytes());
        state
    }

    /// As a guest would: all of them, with the VM off before and after.
    fn write(&self, state: &str) {
        fs::write(self.vm.path().join("disk0.img"), state).unwrap();
        fs::write(self.vm.path().join("firmware-vars.fd"), state).unwrap();
        self.open().commit(state.as_bytes()).unwrap();
    }

    fn take_back(&self, random: u64) {
        let all = snapshots(&self.vm).unwrap();
        let Some(one) = all.get(random as usize % all.len().max(1)) else { return };
        revert(&self.vm, &self.kept.host(), one, random & 1 << 40 != 0, &mut |_, _, _| {}).unwrap();
    }
}

#[test]
#[ignore = "the child of disk_firmware_and_tpm_are_of_one_state_whenever_a_snapshot_or_revert_is_killed"]
fn child_takes_snapshots_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let mut random = number(SEED, 0);
    let mut out = std::io::stdout();
    loop {
        let world = World::at(&dir);
        let all = snapshots(&world.vm).unwrap();
        match next(&mut random) % 8 {
            0 => drop(rotate(&world.vm, &world.kept.keychain, &world.kept.audit).unwrap()),
            1..=3 => drop(snapshot(&world.vm, &NewSnapshot::default(), &mut |_, _, _| {}).unwrap()),
            _ => world.take_back(next(&mut random)),
        }
        for one in all.iter().take(all.len().saturating_sub(MANY)) {
            delete_snapshot(&world.vm, one.id).unwrap();
        }
        out.write_all(b"\nACK\n").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn disk_firmware_and_tpm_are_of_one_state_whenever_a_snapshot_or_revert_is_killed() {
    let (kills, seed) = (number(KILLS, 25), number(SEED, 1));
    let dir = tempfile::tempdir().unwrap();
    let home = Home::find(Some(&dir.path().join("vms")));
    let disk = dir.path().join("disk.img");
    fs::write(&disk, "0").unwrap();
    let mut create = linux("vm", Firmware::Uefi);
    create.disks.push(disk);
    let mut vm = home.create(&create).unwrap();
    let kept = Kept::at(&dir.path().join("keychain"));
    add_tpm(&mut vm, &kept.host(), &options()).unwrap();
    World::at(dir.path()).write("0");
    let (mut random, mut acts, mut interrupted) = (seed, 0_u64, 0_u64);
    for round in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_takes_snapshots_until_it_is_killed", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .env(SEED, next(&mut random).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut ack = || lines.any(|line| line.unwrap() == "ACK");
        // Let it begin, then kill it somewhere in the middle of something.
        assert!(ack(), "round {round}: the child could not begin");
        acts += 1;
        std::thread::sleep(Duration::from_micros(next(&mut random) % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        while ack() {
            acts += 1;
        }
        let path = dir.path().join("vms/vm.sigillo");
        let left = |dir: &Path| {
            let names = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().file_name());
            names.filter(|name| name.to_string_lossy().starts_with('.')).count()
        };
        interrupted += u64::from(left(&path) + left(&path.join("snapshots")) > 0);

        // The next command, whichever it is, brings it to its end.
        let world = World::at(dir.path());
        let now = snapshot(&world.vm, &NewSnapshot::default(), &mut |_, _, _| {}).unwrap();
        assert_eq!(left(&path) + left(&path.join("snapshots")), 0, "round {round}");
        let state = World::at(dir.path()).state();
        let all = snapshots(&world.vm).unwrap();
        assert!(all.iter().all(|one| one.damaged.is_none()), "round {round}: {all:?}");
        // Every one of them can be gone back to, with its TPM, and from there to what was.
        let oldest = all.first().unwrap();
        revert(&world.vm, &world.kept.host(), oldest, true, &mut |_, _, _| {}).unwrap();
        let world = World::at(dir.path());
        world.state();
        revert(&world.vm, &world.kept.host(), &now, true, &mut |_, _, _| {}).unwrap();
        let world = World::at(dir.path());
        assert_eq!(world.state(), state, "round {round}");
        world.write(&format!("{}", round + 1));
        let ids: BTreeSet<_> = all.iter().map(|one| one.id).collect();
        assert_eq!(ids.len(), all.len());
        for one in all.iter().take(all.len().saturating_sub(MANY)) {
            delete_snapshot(&world.vm, one.id).unwrap();
        }
    }
    World::at(dir.path()).kept.audit.verify().unwrap();
    println!("seed {seed}: {kills} kills, {acts} acts acknowledged, {interrupted} found interrupted");
    assert!(acts >= kills);
}
