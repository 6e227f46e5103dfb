//! Clones, names, places, deletion, export and import of VMs, with what can go wrong: the VM that was there stays as it was. Needs
//! Debian's `ovmf`, and `mount` in a user namespace for the full disk and the read-only file system.
mod common;

use common::{Fixture, files, options};
use sigillo_keychain::{Keychain, Record, RecordName};
use sigillo_store::{Key, RecoveryCode, Secret, Store};
use sigillo_vm::{
    Bundle, CloneTpm, CloneVm, Error, Firmware, Flaw, Home, HostPolicy, Manifest, Member, add_tpm, backups,
    check_export, clone_vm, delete_vm,
    doctor::{Patient, Records, examine},
    export_vm, forged_export, import_vm, move_vm, remove_tpm, rename_vm, restore_backup, undelete,
};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};
use uuid::Uuid;

fn quiet(_: u64, _: u64) {}

/// A VM with a TPM and a disk of 64 MiB, of which little is written.
fn with_disk(fixture: &Fixture) -> Bundle {
    let vm = fixture.with_tpm();
    let disk = fs::File::create(vm.path().join("disk0.img")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&disk, b"in the middle", 33 << 20).unwrap();
    disk.set_len(64 << 20).unwrap();
    let text = fs::read_to_string(vm.path().join("vm.toml")).unwrap();
    let at = text.find("[tpm]").unwrap();
    let (before, after) = text.split_at(at);
    let disk = "[[disks]]\npath = \"disk0.img\"\nformat = \"raw\"\n\n";
    fs::write(vm.path().join("vm.toml"), [before, disk, after].concat()).unwrap();
    fixture.home.open("vm").unwrap()
}

fn replace(name: &str) -> CloneVm {
    let state = Secret::from_slice(b"a new TPM");
    CloneVm {
        name: name.to_owned(),
        tpm: CloneTpm::Replace { state, profile: "pc-client".to_owned() },
        recovery_code: None,
    }
}

fn clone(fixture: &Fixture, options: &CloneVm) -> Result<Bundle, Error> {
    let mut vm = fixture.home.open("vm").unwrap();
    clone_vm(&fixture.home, &mut vm, &fixture.host(), options, &mut quiet).map(|done| done.vm)
}

fn record(fixture: &Fixture, vm: &Bundle) -> Record {
    fixture.keychain.get(&RecordName::for_vm(vm.config().uuid.as_bytes())).unwrap()
}

fn state(fixture: &Fixture, vm: &Bundle) -> Vec<u8> {
    let key = Key::Password(record(fixture, vm).secret);
    Store::open(&vm.store_path().unwrap(), &key).unwrap().state().to_vec()
}

fn disk(vm: &Bundle) -> PathBuf {
    vm.disk_path(&vm.config().disks[0])
}

#[test]
fn a_clone_gets_a_tpm_only_where_the_host_lets_its_guest_have_one() {
    let mut fixture = Fixture::new();
    let vm = with_disk(&fixture);
    let before = files(vm.path());
    fixture.policy = HostPolicy::parse("[tpm]\nguests = [\"windows-11\"]").unwrap();
    let error = clone(&fixture, &replace("twin")).unwrap_err();
    assert_eq!(error.code(), "SIG_ERR_TPM_POLICY");
    assert!(fixture.home.open("twin").is_err() && files(vm.path()) == before);
    let twin = clone(&fixture, &CloneVm { tpm: CloneTpm::None, ..replace("twin") }).unwrap();
    assert!(twin.config().tpm.is_none());
}

#[test]
fn a_clone_has_another_uuid_tpm_store_record_and_recovery_code() {
    let fixture = Fixture::new();
    let vm = with_disk(&fixture);
    let before = files(vm.path());
    let code = RecoveryCode::generate().unwrap();
    let twin = clone(&fixture, &CloneVm { recovery_code: Some(code.clone()), ..replace("twin") }).unwrap();
    assert_ne!(twin.config().uuid, vm.config().uuid);
    assert_eq!(state(&fixture, &twin), b"a new TPM");
    assert_ne!(record(&fixture, &twin).key_id, record(&fixture, &vm).key_id);
    let by_code = Store::open(&twin.store_path().unwrap(), &Key::RecoveryCode(code.clone())).unwrap();
    assert_eq!(by_code.state(), b"a new TPM");
    assert!(Store::open(&vm.store_path().unwrap(), &Key::RecoveryCode(code)).is_err());
    assert!(fs::read(disk(&twin)).unwrap() == fs::read(disk(&vm)).unwrap());
    let found = fs::metadata(disk(&twin)).unwrap();
    assert!(found.blocks() * 512 < 4 << 20, "the holes of a disk were written: {}", found.blocks());
    assert_eq!(found.mode() & 0o777, 0o600);
    assert_eq!(files(vm.path()), before);
    assert!(twin.config().secure_boot);
}

#[test]
fn a_copied_tpm_is_the_same_in_another_store_under_another_record_and_leaves_its_line() {
    let fixture = Fixture::new();
    let vm = with_disk(&fixture);
    let twin = clone(&fixture, &CloneVm { tpm: CloneTpm::Copy, ..replace("twin") }).unwrap();
    assert_eq!(state(&fixture, &twin), b"a TPM");
    assert_ne!(record(&fixture, &twin).secret, record(&fixture, &vm).secret);
    let id = |vm: &Bundle| Store::peek(&vm.store_path().unwrap()).unwrap().file_uuid;
    assert_ne!(id(&twin), id(&vm));
    assert!(fixture.acts().contains(&"store-copied".to_owned()));
    // Without its record it cannot be read.
    fixture.lose_record(&vm);
    let error = clone(&fixture, &CloneVm { tpm: CloneTpm::Copy, ..replace("third") }).unwrap_err();
    assert_eq!(error.code(), "SIG_ERR_TPM_RECORD_MISSING");
    assert!(fixture.home.open("third").is_err());
    clone(&fixture, &replace("third")).unwrap();
}

#[test]
fn a_clone_without_tpm_has_none_and_no_record() {
    let fixture = Fixture::new();
    with_disk(&fixture);
    let twin = clone(&fixture, &CloneVm { tpm: CloneTpm::None, ..replace("twin") }).unwrap();
    assert!(twin.config().tpm.is_none());
    assert!(!twin.path().join("tpm.store").exists());
    assert_eq!(fixture.keychain.list().unwrap().len(), 1);
    // It can have one of its own.
    add_tpm(&mut fixture.home.open("twin").unwrap(), &fixture.host(), &options()).unwrap();
}

#[test]
fn a_clone_that_is_refused_leaves_nothing() {
    let fixture = Fixture::new();
    let vm = with_disk(&fixture);
    fixture.create("taken", Firmware::Uefi).unwrap();
    let before = files(fixture.home.path());
    let refused = |name: &str, code: &str| {
        assert_eq!(clone(&fixture, &replace(name)).unwrap_err().code(), code, "{name}");
    };
    refused("taken", "SIG_ERR_VM_EXISTS");
    refused("../x", "SIG_ERR_VM_NAME");
    let suspended = vm.path().join("tpm.store.volatile");
    fs::write(&suspended, "x").unwrap();
    refused("twin", "SIG_ERR_VM_SUSPENDED");
    fs::remove_file(suspended).unwrap();
    // Half copied, or led astray.
    let away = fixture.dir.path().join("away");
    fs::rename(disk(&vm), &away).unwrap();
    refused("twin", "SIG_ERR_VM_NOT_WHOLE");
    symlink(&away, disk(&vm)).unwrap();
    refused("twin", "SIG_ERR_VM_NOT_WHOLE");
    fs::remove_file(disk(&vm)).unwrap();
    fs::rename(&away, disk(&vm)).unwrap();
    assert_eq!(files(fixture.home.path()), before);
    assert_eq!(fixture.keychain.list().unwrap().len(), 1);
    // Another command is at work on it.
    let dir = fs::File::open(vm.path()).unwrap();
    rustix::fs::flock(&dir, rustix::fs::FlockOperation::LockExclusive).unwrap();
    refused("twin", "SIG_ERR_VM_BUSY");
}

#[test]
fn a_disk_of_the_host_is_not_cloned() {
    use std::os::unix::fs::FileTypeExt;
    let is_disk = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device());
    let mut devices = fs::read_dir("/dev").unwrap().map(|entry| entry.unwrap().path());
    let device =
        devices.find(is_disk).expect("this test needs a block device in /dev to name; it opens none");
    let fixture = Fixture::new();
    let vm = with_disk(&fixture);
    let path = vm.path().join("vm.toml");
    let text = fs::read_to_string(&path).unwrap().replace("\"disk0.img\"", &format!("{device:?}"));
    fs::write(&path, text).unwrap();
    assert_eq!(clone(&fixture, &replace("twin")).unwrap_err().code(), "SIG_ERR_VM_HOST_DISK");
}

#[test]
fn a_renamed_vm_keeps_its_uuid_and_its_tpm() {
    let fixture = Fixture::new();
    let mut vm = with_disk(&fixture);
    let uuid = vm.config().uuid;
    fixture.create("taken", Firmware::Uefi).unwrap();
    assert_eq!(rename_vm(&fixture.home, &mut vm, "taken").unwrap_err().code(), "SIG_ERR_VM_EXISTS");
    rename_vm(&fixture.home, &mut vm, "new name").unwrap();
    let vm = fixture.home.open("new name").unwrap();
    assert_eq!((vm.name(), vm.config().uuid), ("new name", uuid));
    assert!(fs::read_to_string(vm.path().join("vm.toml")).unwrap().contains("\"new name\""));
    assert_eq!(state(&fixture, &vm), b"a TPM");
    assert_eq!(fixture.home.open("vm").unwrap_err().code(), "SIG_ERR_VM_NOT_FOUND");
    // As `mv` would.
    fs::rename(vm.path(), fixture.home.path().join("by hand.sigillo")).unwrap();
    assert_eq!(fixture.home.open("by hand").unwrap().name(), "by hand");
}

#[test]
fn a_moved_vm_is_known_by_its_name_its_uuid_and_its_path_and_says_when_it_is_away() {
    let fixture = Fixture::new();
    let mut vm = with_disk(&fixture);
    let uuid = vm.config().uuid.to_string();
    // Another file system.
    let there = tempfile::tempdir_in("/dev/shm").unwrap();
    let place = move_vm(&fixture.home, &mut vm, &fixture.host(), there.path(), &mut quiet).unwrap();
    assert_eq!(place, there.path().join("vm.sigillo"));
    assert!(fs::metadata(place.join("disk0.img")).unwrap().blocks() * 512 < 4 << 20);
    for name in ["vm", &uuid, place.to_str().unwrap()] {
        let vm = fixture.home.open(name).unwrap();
        assert_eq!(state(&fixture, &vm), b"a TPM");
        assert_eq!(vm.path(), fixture.home.path().join("vm.sigillo"));
    }
    // What is done with VMs is done with it.
    let mut vm = fixture.home.open("vm").unwrap();
    rename_vm(&fixture.home, &mut vm, "moved").unwrap();
    clone_vm(&fixture.home, &mut vm, &fixture.host(), &replace("twin"), &mut quiet).unwrap();
    let hidden = there.path().join("hidden");
    fs::rename(&place, &hidden).unwrap();
    let error = fixture.home.open("moved").unwrap_err();
    assert_eq!(error.code(), "SIG_ERR_VM_AWAY");
    assert!(error.to_string().contains(place.to_str().unwrap()), "{error}");
    assert!(fixture.home.list().unwrap().iter().any(|(name, vm)| name == "moved" && vm.is_err()));
    fs::rename(&hidden, &place).unwrap();
    // Not where others could change it.
    let open = there.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let mut refused = |to: &Path| {
        let error = move_vm(&fixture.home, &mut vm, &fixture.host(), to, &mut quiet).unwrap_err();
        assert_eq!(error.code(), "SIG_ERR_VM_PLACE", "{error}");
    };
    refused(&open);
    refused(&there.path().join("none"));
    refused(&place.join("run"));
    let back = move_vm(&fixture.home, &mut vm, &fixture.host(), fixture.home.path(), &mut quiet).unwrap();
    assert!(back.is_dir() && !back.is_symlink() && !place.exists());
    assert_eq!(state(&fixture, &fixture.home.open("moved").unwrap()), b"a TPM");
}

#[test]
fn a_vm_that_cannot_be_moved_is_where_it_was() {
    let fixture = Fixture::new();
    let mut vm = with_disk(&fixture);
    let there = tempfile::tempdir_in("/dev/shm").unwrap();
    symlink("/etc/passwd", vm.path().join("a link")).unwrap();
    let before = fs::read(vm.store_path().unwrap()).unwrap();
    let error = move_vm(&fixture.home, &mut vm, &fixture.host(), there.path(), &mut quiet).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert_eq!(fs::read_dir(there.path()).unwrap().count(), 0);
    assert_eq!(fs::read_dir(fixture.home.path()).unwrap().count(), 1);
    assert_eq!(fs::read(fixture.home.open("vm").unwrap().store_path().unwrap()).unwrap(), before);
}

#[test]
fn a_link_to_something_else_removes_nothing() {
    let fixture = Fixture::new();
    let there = tempfile::tempdir().unwrap();
    let victim = there.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("keep"), "keep").unwrap();
    fs::create_dir(fixture.home.path()).unwrap();
    let link = fixture.home.path().join(format!(".{}.gone", Uuid::new_v4()));
    symlink(&victim, &link).unwrap();
    let swept = fixture.home.sweep(&fixture.host());
    assert!(swept[0].to_string().contains("not the VM"), "{}", swept[0]);
    assert!(victim.join("keep").exists() && link.is_symlink());
}

#[test]
fn a_deleted_vm_keeps_its_tpm_for_when_it_comes_back() {
    let fixture = Fixture::new();
    let mut vm = with_disk(&fixture);
    let file = fixture.dir.path().join("vm.export");
    export_vm(&mut vm, &file, &mut quiet).unwrap();
    // The guest goes on after the export.
    let key = Key::Password(record(&fixture, &vm).secret);
    Store::open(&vm.store_path().unwrap(), &key).unwrap().commit(b"a later TPM").unwrap();
    let kept = delete_vm(&fixture.home, &mut vm, &fixture.host(), false).unwrap().kept.unwrap();
    assert!(kept.join("tpm.store").exists() && !kept.join("disk0.img").exists());
    assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o700);
    assert!(fixture.home.list().unwrap().is_empty());
    // An older state that is deleted does not take the place of the newer one.
    let mut older = import_vm(&fixture.home, &file, None, &mut quiet).unwrap();
    let second = delete_vm(&fixture.home, &mut older, &fixture.host(), false).unwrap().kept.unwrap();
    assert_ne!(second, kept);
    let mut second = fixture.home.open(second.to_str().unwrap()).unwrap();
    delete_vm(&fixture.home, &mut second, &fixture.host(), true).unwrap();
    let vm = import_vm(&fixture.home, &file, Some("again"), &mut quiet).unwrap();
    assert_eq!(state(&fixture, &vm), b"a TPM");
    let found = backups(&vm, &fixture.keychain).unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].record.is_some());
    restore_backup(&vm, &fixture.host(), None).unwrap();
    assert_eq!(state(&fixture, &vm), b"a later TPM");
    // What was kept is no more, since it is in use.
    assert!(!kept.exists());
    // Kept once more, and deleted for good by its path: the record goes with it.
    let mut other = fixture.create("other", Firmware::Uefi).unwrap();
    add_tpm(&mut other, &fixture.host(), &options()).unwrap();
    let kept = delete_vm(&fixture.home, &mut other, &fixture.host(), false).unwrap().kept.unwrap();
    let mut other = fixture.home.open(kept.to_str().unwrap()).unwrap();
    let done = delete_vm(&fixture.home, &mut other, &fixture.host(), true).unwrap();
    assert_eq!((kept.exists(), done.records.len(), fixture.keychain.list().unwrap().len()), (false, 1, 1));
    // Without a copy of the VM what was kept is one itself: the same TPM, UUID and variables, and no disk.
    let before = fs::read(vm.path().join("firmware-vars.fd")).unwrap();
    let uuid = vm.config().uuid;
    let mut vm = vm;
    let kept = delete_vm(&fixture.home, &mut vm, &fixture.host(), false).unwrap().kept.unwrap();
    for missing in ["nobody", "/nowhere"] {
        let error = undelete(&fixture.home, &fixture.host(), missing, None).unwrap_err();
        assert_eq!(error.code(), "SIG_ERR_VM_NOT_KEPT");
    }
    fixture.create("taken", Firmware::Uefi).unwrap();
    let error = undelete(&fixture.home, &fixture.host(), &uuid.to_string(), Some("taken")).unwrap_err();
    assert_eq!(error.code(), "SIG_ERR_VM_EXISTS");
    let error = undelete(&fixture.home, &fixture.host(), &uuid.to_string(), Some("../out")).unwrap_err();
    assert_eq!(error.code(), "SIG_ERR_VM_NAME");
    assert!(kept.exists());
    let vm = undelete(&fixture.home, &fixture.host(), "again", Some("back")).unwrap();
    assert_eq!((vm.name(), vm.config().uuid, vm.config().disks.len()), ("back", uuid, 0));
    assert_eq!(state(&fixture, &vm), b"a later TPM");
    assert_eq!(fs::read(vm.path().join("firmware-vars.fd")).unwrap(), before);
    assert!(!kept.exists() && fixture.home.open("back").unwrap().config().name == "back");
    // A VM of its UUID is here, so nothing else of it becomes one.
    let copy = fixture.home.path().join(".kept/copy.sigillo");
    fs::create_dir(&copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o700)).unwrap();
    for file in ["vm.toml", "tpm.store"] {
        fs::copy(vm.path().join(file), copy.join(file)).unwrap();
    }
    let error = undelete(&fixture.home, &fixture.host(), copy.to_str().unwrap(), Some("second")).unwrap_err();
    assert_eq!(error.code(), "SIG_ERR_VM_UUID_EXISTS");
    fs::remove_dir_all(&copy).unwrap();
    // With its TPM it goes for good, and so does the record.
    let mut vm = vm;
    let done = delete_vm(&fixture.home, &mut vm, &fixture.host(), true).unwrap();
    assert_eq!((done.kept, done.records.len()), (None, 1));
    assert!(fixture.keychain.list().unwrap().is_empty());
    fixture.acts();
}

#[test]
fn a_vm_goes_to_another_host_in_a_file_with_all_but_the_password() {
    let fixture = Fixture::new();
    let mut vm = with_disk(&fixture);
    let file = fixture.dir.path().join("vm.export");
    let done = export_vm(&mut vm, &file, &mut quiet).unwrap();
    assert_eq!(done.manifest.record, Some(record(&fixture, &vm).name.to_string()));
    assert!(fs::metadata(&file).unwrap().len() < 8 << 20);
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let bytes = fs::read(&file).unwrap();
    let secret = record(&fixture, &vm).secret;
    assert!(!bytes.windows(secret.len()).any(|window| window == secret.expose()));
    assert_eq!(export_vm(&mut vm, &file, &mut quiet).unwrap_err().code(), "SIG_ERR_VM_EXPORT_EXISTS");

    let other = Fixture::new();
    let here = import_vm(&other.home, &file, None, &mut quiet).unwrap();
    assert_eq!(here.config(), vm.config());
    assert!(fs::read(disk(&here)).unwrap() == fs::read(disk(&vm)).unwrap());
    assert!(fs::metadata(disk(&here)).unwrap().blocks() * 512 < 4 << 20);
    let error = other.start(&here);
    assert_eq!(error.code(), "SIG_ERR_TPM_RECORD_MISSING");
    for words in [
        record(&fixture, &vm).name.to_string().as_str(),
        "keychain copy",
        "restore-record",
        "tied to the host",
    ] {
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    other.keychain.insert_new(&record(&fixture, &vm)).unwrap();
    assert_eq!(state(&other, &here), b"a TPM");
    // Once.
    let error = import_vm(&other.home, &file, Some("second"), &mut quiet).unwrap_err();
    assert_eq!(error.code(), "SIG_ERR_VM_UUID_EXISTS");
    assert!(error.to_string().contains("vm clone"), "{error}");
    assert_eq!(import_vm(&other.home, &file, None, &mut quiet).unwrap_err().code(), "SIG_ERR_VM_UUID_EXISTS");
}

#[test]
fn a_bundle_with_another_vms_store_is_not_exported() {
    let fixture = Fixture::new();
    let mut vm = with_disk(&fixture);
    let mut other = fixture.create("other", Firmware::Uefi).unwrap();
    add_tpm(&mut other, &fixture.host(), &options()).unwrap();
    fs::copy(other.store_path().unwrap(), vm.store_path().unwrap()).unwrap();
    let file = fixture.dir.path().join("vm.export");
    assert_eq!(export_vm(&mut vm, &file, &mut quiet).unwrap_err().code(), "SIG_ERR_TPM_STORE");
    fs::remove_file(vm.store_path().unwrap()).unwrap();
    assert_eq!(export_vm(&mut vm, &file, &mut quiet).unwrap_err().code(), "SIG_ERR_VM_NOT_WHOLE");
    assert!(!file.exists());
    let mut entries = fs::read_dir(fixture.dir.path()).unwrap();
    assert!(entries.all(|entry| !entry.unwrap().file_name().to_string_lossy().contains("export")));
}

fn manifest(members: &[(&str, u64)]) -> Manifest {
    Manifest {
        made_by: "a test".to_owned(),
        made: "2026-11-25T00:00:00Z".to_owned(),
        host: "host".to_owned(),
        uuid: Uuid::from_u128(7),
        name: "vm".to_owned(),
        record: None,
        members: members.iter().map(|(name, len)| Member { name: (*name).to_owned(), len: *len }).collect(),
    }
}

#[test]
fn a_file_that_is_cut_changed_or_newer_makes_nothing() {
    let fixture = Fixture::new();
    let mut vm = with_disk(&fixture);
    let file = fixture.dir.path().join("vm.export");
    export_vm(&mut vm, &file, &mut quiet).unwrap();
    let whole = fs::read(&file).unwrap();
    check_export(&whole[..]).unwrap();
    let other = Fixture::new();
    let refused = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let error = import_vm(&other.home, &file, None, &mut quiet).unwrap_err();
        assert!(files(other.dir.path()).is_empty(), "{error}");
        assert!(!error.to_string().is_empty());
        error.code().to_owned()
    };
    let len = whole.len();
    for cut in [20, 60, 200, len / 3, len / 2, len - 33, len - 1] {
        assert_eq!(refused(&whole[..cut]), "SIG_ERR_VM_EXPORT_DAMAGED", "{cut}");
    }
    for at in [17, 30, 60, 700, len / 2, len - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        let code = refused(&changed);
        assert!(
            code == "SIG_ERR_VM_EXPORT_DAMAGED" || (at == 17 && code == "SIG_ERR_VM_EXPORT_TOO_NEW"),
            "{at}: {code}"
        );
    }
    assert_eq!(refused(&[&whole[..], b"x"].concat()), "SIG_ERR_VM_EXPORT_DAMAGED");
    let mut newer = whole.clone();
    newer[16] = 2;
    assert_eq!(refused(&newer), "SIG_ERR_VM_EXPORT_TOO_NEW");
    assert_eq!(refused(b""), "SIG_ERR_VM_EXPORT_FORMAT");
    assert_eq!(refused(&[0; 5000]), "SIG_ERR_VM_EXPORT_FORMAT");
}

#[test]
fn a_file_made_to_do_harm_is_refused_by_its_manifest_or_its_pieces() {
    let flaw = |manifest: &Manifest, rest: &[u8]| match check_export(
        &forged_export(&serde_json::to_vec(manifest).unwrap(), rest)[..],
    )
    .unwrap_err()
    {
        Flaw::Damaged(what) => what,
        other => panic!("{other:?}"),
    };
    let config = ("vm.toml", 100);
    for name in [
        "../vm.toml",
        "/etc/passwd",
        "a/b",
        "run",
        "disk16.img",
        "disk00.img",
        "tpm.store/x",
        "tpm.store.backup-../x",
        "",
    ] {
        assert!(flaw(&manifest(&[config, (name, 1)]), b"").contains("no part of a VM"), "{name}");
    }
    assert!(flaw(&manifest(&[config, ("disk0.img", 1), ("disk0.img", 1)]), b"").contains("twice"));
    assert!(flaw(&manifest(&[config, ("disk0.img", u64::MAX)]), b"").contains("too much"));
    assert!(flaw(&manifest(&[("vm.toml", 1 << 20)]), b"").contains("too much"));
    assert!(flaw(&manifest(&[("disk0.img", 1)]), b"").contains("configuration"));
    assert!(flaw(&manifest(&[]), b"").contains("configuration"));
    let piece = |at: u64, len: u32| [&at.to_le_bytes()[..], &len.to_le_bytes()].concat();
    let pieces = manifest(&[("vm.toml", 10_000)]);
    for (at, len) in [(1, 10), (0, 100), (0, 10_001), (0, u32::MAX), (4096 * 3, 1), (u64::MAX - 4095, 4096)] {
        assert!(flaw(&pieces, &piece(at, len)).contains("where none can be"), "{at} {len}");
    }
    assert!(flaw(&pieces, &piece(9_999, 0)).contains("and not at 10000"));
    let backwards = [&piece(4096, 4096)[..], &[1; 4096], &piece(0, 4096), &[1; 4096]].concat();
    assert!(flaw(&pieces, &backwards).contains("where none can be"));
    assert!(
        flaw(&manifest(&[("vm.toml", 0)]), &[&piece(0, 0)[..], &[0; 32]].concat())
            .contains("checksum of vm.toml")
    );
}

#[test]
fn a_full_disk_or_a_read_only_one_leaves_no_half_a_vm() {
    // As root of a user namespace, or as root where there is none; this program again, with the ignored test below.
    let unshare = || std::process::Command::new("unshare");
    let users = unshare().args(["-rm", "true"]).output().unwrap().status.success();
    let dir = tempfile::tempdir().unwrap();
    let output = unshare()
        .args([if users { "-rm" } else { "-m" }, "sh", "-ec"])
        .arg(
            "mkdir -p \"$1/small\" \"$1/read\"; mount -t tmpfs -o size=6m none \"$1/small\"; \
             mount -t tmpfs -o ro none \"$1/read\"; \
             SMALL=\"$1/small\" READ=\"$1/read\" exec \"$2\" --exact child_with_a_full_disk --ignored",
        )
        .arg("sh")
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "the child of a_full_disk_or_a_read_only_one_leaves_no_half_a_vm"]
fn child_with_a_full_disk() {
    let (Some(small), Some(read)) = (std::env::var_os("SMALL"), std::env::var_os("READ")) else { return };
    let (small, read) = (PathBuf::from(small), PathBuf::from(read));
    let fixture = Fixture::new();
    let mut vm = with_disk(&fixture);
    fs::write(disk(&vm), vec![1; 16 << 20]).unwrap();
    let before = files(fixture.dir.path());
    // The file system and a directory that people know, and not what the file is called while it is written.
    let system = |place: &Path, error: Error| {
        let code = if place == small { "SIG_ERR_DISK_FULL" } else { "SIG_ERR_READ_ONLY" };
        let said = error.to_string();
        assert_eq!(error.code(), code, "{said}");
        let mount = place.canonicalize().unwrap();
        for words in [&format!(", {},", mount.display()), "was not done", "is lost", "give the command again"]
        {
            assert!(said.contains(words), "{words}: {said}");
        }
        for words in ["os error", ".new", ".part", ".making"] {
            assert!(!said.contains(words), "{words}: {said}");
        }
    };
    for place in [&small, &read] {
        system(place, move_vm(&fixture.home, &mut vm, &fixture.host(), place, &mut quiet).unwrap_err());
        system(place, export_vm(&mut vm, &place.join("file"), &mut quiet).unwrap_err());
        assert_eq!(fs::read_dir(place).unwrap().count(), 0);
    }
    assert_eq!(files(fixture.dir.path()), before);
    let file = fixture.dir.path().join("file");
    export_vm(&mut vm, &file, &mut quiet).unwrap();
    for place in [&small, &read] {
        system(place, import_vm(&Home::find(Some(place)), &file, None, &mut quiet).unwrap_err());
    }
    let mut vm = fixture.home.open("vm").unwrap();
    let home = Home::find(Some(&small));
    system(&small, clone_vm(&home, &mut vm, &fixture.host(), &replace("twin"), &mut quiet).unwrap_err());
    assert_eq!(fs::read_dir(&small).unwrap().count(), 0);
    assert_eq!(fixture.keychain.list().unwrap().len(), 1);

    // The same VM where nothing can be written any more.
    let home = fixture.home.path();
    let mount = |args: &[&str]| {
        assert!(std::process::Command::new("mount").args(args).arg(home).status().unwrap().success());
    };
    mount(&["--bind", home.to_str().unwrap()]);
    mount(&["-o", "remount,bind,ro"]);
    let before = files(home);
    let refused = remove_tpm(&mut vm, &fixture.host()).unwrap_err();
    let (audit, anchors) = (&fixture.audit, &fixture.anchors);
    let patient =
        Patient { home: &fixture.home, records: Records::SecretService(&fixture.keychain), audit, anchors };
    let findings = examine(&patient, Some("vm")).unwrap();
    let after = files(home);
    assert!(std::process::Command::new("umount").arg(home).status().unwrap().success());
    assert_eq!(refused.code(), "SIG_ERR_READ_ONLY", "{refused}");
    let mount = format!("its file system, {},", home.canonicalize().unwrap().display());
    let said = refused.to_string();
    assert!(said.contains(&mount) && !said.contains(".new"), "{said}");
    assert_eq!(before, after);
    let found: Vec<_> = findings.iter().filter(|one| one.code == "SIG_ERR_READ_ONLY").collect();
    assert!(found.len() == 2 && found[0].vm.is_none() && found[1].vm.is_some(), "{found:#?}");
}

/// A file whose checksums are right, of members with one piece each.
fn file_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let lens: Vec<_> = members.iter().map(|(name, octets)| (*name, octets.len() as u64)).collect();
    let text = serde_json::to_vec(&manifest(&lens)).unwrap();
    let head = forged_export(&text, b"");
    let sum = head.last_chunk::<32>().unwrap();
    let mut rest = Vec::new();
    for (number, (_, octets)) in members.iter().enumerate() {
        let mut framed = Vec::new();
        for (at, part) in
            [(0, *octets), (octets.len() as u64, &b""[..])].into_iter().skip(usize::from(octets.is_empty()))
        {
            framed.extend(
                [&u64::to_le_bytes(at)[..], &u32::try_from(part.len()).unwrap().to_le_bytes(), part].concat(),
            );
        }
        let checksum = sigillo_store::seal::sha256(&[sum, &(number as u64).to_le_bytes(), &framed]);
        rest.extend(framed.into_iter().chain(checksum));
    }
    [head, rest].concat()
}

#[test]
fn a_whole_file_that_is_not_one_vm_makes_nothing() {
    let uuid = Uuid::from_u128(7);
    let config = |disks: &str, uuid: Uuid| {
        format!(
            "version = 1\nuuid = \"{uuid}\"\nname = \"vm\"\nguest = \"linux\"\nfirmware = \"bios\"\nmemory_mib = 64\ncpus = 1\n{disks}"
        )
    };
    let with = |path: &str, format: &str| {
        config(&format!("[[disks]]\npath = {path:?}\nformat = {format:?}\n"), uuid)
    };
    let fixture = Fixture::new();
    let file = fixture.dir.path().join("file");
    let import = |members: &[(&str, &[u8])]| {
        fs::write(&file, file_of(members)).unwrap();
        import_vm(&fixture.home, &file, None, &mut quiet)
    };
    let refused = |members: &[(&str, &[u8])], words: &str| {
        let error = import(members).unwrap_err();
        assert_eq!(error.code(), "SIG_ERR_VM_EXPORT_DAMAGED", "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(files(fixture.home.path()).is_empty());
    };
    let good = with("disk0.img", "raw");
    refused(&[("vm.toml", with("/etc/shadow", "raw").as_bytes())], "a file of this host");
    refused(&[("vm.toml", good.as_bytes())], "which is not in it");
    refused(&[("vm.toml", with("vm.toml", "raw").as_bytes())], "cannot be");
    refused(&[("vm.toml", config("", uuid).as_bytes()), ("disk0.img", b"x")], "does not name");
    refused(&[("vm.toml", config("", Uuid::from_u128(8)).as_bytes())], "is of VM");
    refused(&[("vm.toml", b"version = 2")], "line 1");
    refused(&[("vm.toml", config("turbo = true\n", uuid).as_bytes())], "turbo");
    let mut backed = vec![0; 512];
    backed[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    backed[14] = 1;
    refused(
        &[("vm.toml", with("disk0.qcow2", "qcow2").as_bytes()), ("disk0.qcow2", &backed)],
        "backing file",
    );
    let backup = "tpm.store.backup-2026-11-25T225318Z-18359fdfa133153430ba92c5b01bc199";
    refused(&[("vm.toml", config("", uuid).as_bytes()), (backup, &[7; 9000])], backup);
    let vm = import(&[("vm.toml", good.as_bytes()), ("disk0.img", b"a disk")]).unwrap();
    assert_eq!(fs::read(self::disk(&vm)).unwrap(), b"a disk");
}
