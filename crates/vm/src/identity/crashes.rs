//! Each verb, ended at each of its points as a crash would end it: the VM is there, whole, and the next command clears away the rest.
use super::{CloneTpm, CloneVm, Swept, clone_vm, delete_vm, export_vm, import_vm, move_vm, rename_vm};
use crate::{
    Bundle,
    bundle::VARS,
    config::{Disk, DiskFormat},
    crash::tests::{Fixture, crashed_at},
};
use sigillo_keychain::{Keychain, RecordName};
use sigillo_store::{Key, Secret, Store};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A VM with a TPM and a disk.
fn fixture() -> Fixture {
    let fixture = Fixture::with_tpm();
    let mut vm = fixture.vm();
    fs::write(vm.path().join("disk0.img"), disk()).unwrap();
    let mut config = vm.config().clone();
    config.disks.push(Disk { path: PathBuf::from("disk0.img"), format: DiskFormat::Raw, bus: None });
    vm.set_config(config).unwrap();
    fixture
}

fn disk() -> Vec<u8> {
    let mut disk = vec![0; 600_000];
    disk[300_000] = 7;
    disk[599_999] = 8;
    disk
}

fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whether a VM has its parts, and its record opens its TPM.
fn whole(fixture: &Fixture, vm: &Bundle, state: &[u8]) {
    assert_eq!(fs::read(vm.disk_path(&vm.config().disks[0])).unwrap(), disk());
    assert!(vm.path().join(VARS).exists());
    let record = fixture.keychain.get(&RecordName::for_vm(vm.config().uuid.as_bytes())).unwrap();
    let store = Store::open(&vm.store_path().unwrap(), &Key::Password(record.secret)).unwrap();
    assert_eq!(store.state(), state);
    assert!(store.info().is_for_vm(vm.config().uuid.as_bytes()));
}

fn swept(fixture: &Fixture) {
    for swept in fixture.home.sweep(&fixture.host()) {
        assert!(matches!(swept, Swept::Removed { .. }), "{swept}");
    }
}

fn quiet(_: u64, _: u64) {}

#[test]
fn a_clone_is_there_with_its_record_or_neither_is() {
    let mut points = 0;
    loop {
        let fixture = fixture();
        let options = CloneVm {
            name: "twin".to_owned(),
            tpm: CloneTpm::Replace {
                state: Secret::from_slice(b"a new TPM"),
                profile: "pc-client".to_owned(),
            },
            recovery_code: None,
        };
        let make = || clone_vm(&fixture.home, &mut fixture.vm(), &fixture.host(), &options, &mut quiet);
        let done = crashed_at(points, make);
        let finished = done.is_some();
        if let Some(done) = done {
            done.unwrap();
        }
        swept(&fixture);
        let there = fixture.home.open("twin");
        assert_eq!(
            fixture.keychain.list().unwrap().len(),
            if there.is_ok() { 2 } else { 1 },
            "point {points}"
        );
        assert_eq!(names(fixture.home.path()).len(), if there.is_ok() { 2 } else { 1 }, "point {points}");
        let twin = there.or_else(|_| make().map(|done| done.vm)).unwrap();
        whole(&fixture, &twin, b"a new TPM");
        whole(&fixture, &fixture.vm(), b"a TPM");
        fixture.audit.verify().unwrap();
        if finished {
            break;
        }
        points += 1;
    }
    assert!(points >= 5, "{points}");
}

#[test]
fn a_vm_has_one_name_at_any_moment() {
    for point in 0..3 {
        let fixture = fixture();
        let done = crashed_at(point, || rename_vm(&fixture.home, &mut fixture.vm(), "other"));
        assert_eq!(fixture.home.list().unwrap().len(), 1);
        let vm = fixture.home.open("other").unwrap();
        assert_eq!(vm.name(), "other");
        whole(&fixture, &vm, b"a TPM");
        if let Some(done) = done {
            done.unwrap();
            assert!(point >= 1);
            return;
        }
    }
    panic!("it has no end");
}

/// There and back, on one file system and between two.
#[test]
fn a_vm_that_is_moved_is_found_by_its_name_at_any_moment_and_is_in_one_place_in_the_end() {
    let here = tempfile::tempdir().unwrap();
    // Another file system on every Linux.
    let there = tempfile::tempdir_in("/dev/shm").unwrap();
    for (base, least) in [(here.path(), 1), (there.path(), 5)] {
        let mut points = 0;
        loop {
            let fixture = fixture();
            let target = base.join(points.to_string());
            fs::create_dir(&target).unwrap();
            let to = |target: &Path| {
                move_vm(&fixture.home, &mut fixture.vm(), &fixture.host(), target, &mut quiet)
            };
            let mut finished = true;
            for place in [target.as_path(), fixture.home.path()] {
                let done = crashed_at(points, || to(place));
                finished &= done.is_some();
                whole(&fixture, &fixture.vm(), b"a TPM");
                swept(&fixture);
                whole(&fixture, &fixture.vm(), b"a TPM");
                match done {
                    Some(done) => drop(done.unwrap()),
                    None => {
                        // Interrupted before or after the change of places.
                        if let Err(error) = to(place) {
                            assert!(error.to_string().contains("there already"), "{error}");
                        }
                    }
                }
                whole(&fixture, &fixture.vm(), b"a TPM");
                assert_eq!(fixture.vm().path().is_symlink(), place == target);
                assert_eq!(names(fixture.home.path()), ["vm.sigillo"], "point {points}");
            }
            assert!(fs::read_dir(&target).unwrap().all(|entry| entry.unwrap().path().is_symlink()));
            if finished {
                break;
            }
            points += 1;
        }
        assert!(points >= least, "{points}");
    }
}

#[test]
fn a_vm_that_is_deleted_is_there_or_its_tpm_is_kept_or_its_record_is_gone_with_it() {
    for with_tpm in [false, true] {
        let mut points = 0;
        loop {
            let fixture = fixture();
            let uuid = fixture.vm().config().uuid;
            let done =
                crashed_at(points, || delete_vm(&fixture.home, &mut fixture.vm(), &fixture.host(), with_tpm));
            swept(&fixture);
            let kept = fixture.home.path().join(format!(".kept/vm-{uuid}.sigillo"));
            if let Ok(mut vm) = fixture.home.open("vm") {
                whole(&fixture, &vm, b"a TPM");
                delete_vm(&fixture.home, &mut vm, &fixture.host(), with_tpm).unwrap();
            }
            assert_eq!(fixture.home.list().unwrap().len(), 0);
            assert_eq!(fixture.keychain.list().unwrap().len(), usize::from(!with_tpm), "point {points}");
            assert_eq!(kept.exists(), !with_tpm, "point {points}");
            if !with_tpm {
                let record = fixture.keychain.get(&RecordName::for_vm(uuid.as_bytes())).unwrap();
                let store = Store::open(&kept.join("tpm.store"), &Key::Password(record.secret)).unwrap();
                assert_eq!(store.state(), b"a TPM");
            }
            assert!(
                names(fixture.home.path()).iter().all(|name| name == ".kept"),
                "{:?}",
                names(fixture.home.path())
            );
            if let Some(done) = done {
                assert_eq!(done.unwrap().records.len(), usize::from(with_tpm));
                break;
            }
            points += 1;
        }
        assert!(points >= 3, "{points}");
    }
}

#[test]
fn an_exported_file_and_an_imported_vm_are_there_whole_or_not_at_all() {
    let mut points = 0;
    loop {
        let fixture = fixture();
        let file = fixture.dir.path().join("vm.export");
        let done = crashed_at(points, || export_vm(&mut fixture.vm(), &file, &mut quiet));
        let mut finished = done.is_some();
        if !file.exists() {
            export_vm(&mut fixture.vm(), &file, &mut quiet).unwrap();
        }
        assert_eq!(names(fixture.dir.path()).iter().filter(|name| name.contains("export")).count(), 1);
        // The record stays, as on a host that has it.
        let other = crate::Home::find(Some(&fixture.dir.path().join("other")));
        let done = crashed_at(points, || import_vm(&other, &file, None, &mut quiet));
        finished &= done.is_some();
        for swept in other.sweep(&fixture.host()) {
            assert!(matches!(&swept, Swept::Removed { records, .. } if records.is_empty()), "{swept}");
        }
        let vm = other.open("vm").or_else(|_| import_vm(&other, &file, None, &mut quiet)).unwrap();
        whole(&fixture, &vm, b"a TPM");
        assert_eq!(names(other.path()), ["vm.sigillo"]);
        if finished {
            break;
        }
        points += 1;
    }
    assert!(points >= 5, "{points}");
}
