//! kill -9 of a process that clones, renames, moves, deletes, exports and imports VMs: whenever it ends, each VM that is there is whole
//! in one place, its record opens its TPM, and after the next command nothing is left over. Needs Debian's `ovmf` and `/dev/shm`.
//!
//! The other process is this test program again, running the ignored test below. `SIGILLO_TEST_KILLS` says how many kills,
//! `SIGILLO_TEST_SEED` which.
#![allow(clippy::print_stdout, reason = "the figures of a long run")]
mod common;

use common::{DIR, KILLS, Kept, SEED, linux, next, number, options};
use sigillo_keychain::Keychain;
use sigillo_store::Secret;
use sigillo_vm::{
    Bundle, CloneTpm, CloneVm, Firmware, Home, add_tpm, clone_vm, delete_vm, export_vm, import_vm, move_vm,
    rename_vm,
};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

const AWAY: &str = "SIGILLO_TEST_AWAY";
const DISK: usize = 3 << 20;

struct World {
    dir: PathBuf,
    away: PathBuf,
    home: Home,
    kept: Kept,
}

fn quiet(_: u64, _: u64) {}

impl World {
    fn at(dir: &Path, away: &Path) -> Self {
        World {
            dir: dir.to_owned(),
            away: away.to_owned(),
            home: Home::find(Some(&dir.join("vms"))),
            kept: Kept::at(&dir.join("keychain")),
        }
    }

    /// What begins each command.
    fn sweep(&self) {
        for swept in self.home.sweep(&self.kept.host()) {
            assert!(swept.to_string().starts_with("removed"), "{swept}");
        }
    }

    fn vm(&self) -> Bundle {
        self.home
            .list()
            .unwrap()
            .into_iter()
            .map(|(_, vm)| vm.unwrap())
            .find(|vm| vm.name() != "twin")
            .unwrap()
    }

    fn act(&self, which: u64) {
        self.sweep();
        let mut vm = self.vm();
        match which {
            0 => {
                let state = Secret::from_slice(b"a new TPM");
                let tpm = CloneTpm::Replace { state, profile: "pc-client".to_owned() };
                let options = CloneVm { name: "twin".to_owned(), tpm, recovery_code: None };
                if let Ok(mut twin) = self.home.open("twin") {
                    delete_vm(&self.home, &mut twin, &self.kept.host(), true).unwrap();
                }
                clone_vm(&self.home, &mut vm, &self.kept.host(), &options, &mut quiet).unwrap();
            }
            1 => {
                let name = if vm.name() == "vm" { "other" } else { "vm" };
                rename_vm(&self.home, &mut vm, name).unwrap();
            }
            2 => {
                let to = if vm.path().is_symlink() { self.home.path() } else { &self.away };
                move_vm(&self.home, &mut vm, &self.kept.host(), to, &mut quiet).unwrap();
            }
            _ => {
                // From one host to the next, and no way back.
                let file = self.dir.join("vm.export");
                let _ = fs::remove_file(&file);
                export_vm(&mut vm, &file, &mut quiet).unwrap();
                let next = self.dir.join("next");
                let _ = fs::remove_dir_all(&next);
                import_vm(&Home::find(Some(&next)), &file, None, &mut quiet).unwrap();
            }
        }
    }

    /// A VM has its disk, and its record opens its TPM.
    fn whole(&self, vm: &Bundle, state: &[u8]) {
        let disk = fs::read(vm.disk_path(&vm.config().disks[0])).unwrap();
        assert!(disk.len() == DISK && disk.iter().all(|octet| *octet == 7));
        assert_eq!(self.kept.store_of(vm).state(), state);
    }

    fn check(&self) {
        let before = self.vm().config().uuid;
        self.whole(&self.vm(), b"a TPM");
        self.sweep();
        self.whole(&self.vm(), b"a TPM");
        assert_eq!(self.vm().config().uuid, before);
        if let Ok(twin) = self.home.open("twin") {
            self.whole(&twin, b"a new TPM");
        }
        let vms = self.home.list().unwrap();
        assert_eq!(
            self.kept.keychain.list().unwrap().len(),
            vms.len(),
            "a record that nobody needs, or a VM without"
        );
        let names: BTreeSet<_> =
            fs::read_dir(self.home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), vms.len(), "{names:?}");
        let away =
            fs::read_dir(&self.away).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
        assert_eq!(away, usize::from(self.vm().path().is_symlink()), "copies in the other place");
        self.kept.audit.verify().unwrap();
    }
}

#[test]
#[ignore = "the child of every_vm_is_whole_whenever_a_command_is_killed"]
fn child_moves_vms_until_it_is_killed() {
    let (Some(dir), Some(away)) = (std::env::var_os(DIR), std::env::var_os(AWAY)) else { return };
    let world = World::at(Path::new(&dir), Path::new(&away));
    let mut random = number(SEED, 0);
    let mut out = std::io::stdout();
    loop {
        out.write_all(b"\nACT\n").unwrap();
        out.flush().unwrap();
        world.act(next(&mut random) % 4);
    }
}

#[test]
fn every_vm_is_whole_whenever_a_command_is_killed() {
    let (kills, seed) = (number(KILLS, 20), number(SEED, 1));
    let (dir, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
    let world = World::at(dir.path(), away.path());
    let disk = dir.path().join("disk");
    fs::write(&disk, vec![7; DISK]).unwrap();
    let mut create = linux("vm", Firmware::Uefi);
    create.disks.push(disk);
    let mut vm = world.home.create(&create).unwrap();
    add_tpm(&mut vm, &world.kept.host(), &options()).unwrap();
    let (mut random, mut acts) = (seed, 0);
    for round in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_moves_vms_until_it_is_killed", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .env(AWAY, away.path())
            .env(SEED, next(&mut random).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line == "ACT"), "round {round}: the child could not begin");
        std::thread::sleep(Duration::from_micros(next(&mut random) % 150_000));
        child.kill().unwrap();
        assert!(child.wait().unwrap().code().is_none(), "round {round}: it ended by itself");
        acts += 1 + lines.filter(|line| line == "ACT").count();
        world.check();
    }
    println!("seed {seed}: {kills} kills in {acts} commands");
}
