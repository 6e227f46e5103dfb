//! Bundles from outside: what is refused, and that a refusal leaves everything as it was. Needs Debian's `ovmf`.
mod common;

use common::{Fixture, files, linux, options};
use sigillo_keychain::{Keychain, Record, RecordName};
use sigillo_store::{Key, Store};
use sigillo_vm::{Accelerator, Create, Firmware, Guest, Home, Interface, Status, add_tpm};
use std::{fs, path::PathBuf};

#[test]
fn a_vm_is_found_by_its_name_and_by_its_uuid_with_or_without_braces() {
    let fixture = Fixture::new();
    let vm = fixture.create("a vm", Firmware::Uefi).unwrap();
    let uuid = vm.config().uuid;
    for name in ["a vm".to_owned(), uuid.to_string(), format!("{{{uuid}}}"), uuid.to_string().to_uppercase()]
    {
        assert_eq!(fixture.home.open(&name).unwrap().config(), vm.config(), "{name}");
    }
    assert_eq!(fixture.home.open("other").unwrap_err().code(), "SIG_ERR_VM_NOT_FOUND");
    assert_eq!(fixture.home.open("../vms/a vm").unwrap_err().code(), "SIG_ERR_VM_NOT_FOUND");
    assert_eq!(vm.status().unwrap(), Status::Stopped);
}

#[test]
fn a_taken_name_or_an_impossible_one_is_refused_and_leaves_nothing() {
    let fixture = Fixture::new();
    fixture.create("vm", Firmware::Uefi).unwrap();
    let before = files(fixture.dir.path());
    assert_eq!(fixture.create("vm", Firmware::Uefi).unwrap_err().code(), "SIG_ERR_VM_EXISTS");
    for name in ["", "../x", ".hidden", "a/b", "a\nb", "-rf", &"x".repeat(65)] {
        assert_eq!(fixture.create(name, Firmware::Uefi).unwrap_err().code(), "SIG_ERR_VM_NAME", "{name:?}");
    }
    assert_eq!(files(fixture.dir.path()), before);
}

#[test]
fn a_missing_disk_image_leaves_no_half_made_vm() {
    let fixture = Fixture::new();
    let create = Create {
        name: "vm".to_owned(),
        guest: Guest::Linux,
        firmware: Firmware::Uefi,
        memory_mib: 256,
        cpus: 1,
        accel: Accelerator::Auto,
        disks: vec![fixture.dir.path().join("none.img")],
        new_disk_gib: None,
    };
    assert_eq!(fixture.home.create(&create).unwrap_err().code(), "SIG_ERR_IO");
    assert!(files(fixture.dir.path()).is_empty());
    assert!(fixture.home.list().unwrap().is_empty());
}

#[test]
fn a_disk_image_is_copied_byte_for_byte_with_its_holes() {
    let fixture = Fixture::new();
    let image = fixture.dir.path().join("image.raw");
    let mut bytes = vec![0u8; 3 << 20];
    bytes[(1 << 20) + 5] = 7;
    bytes.extend_from_slice(&[0; 100]);
    fs::write(&image, &bytes).unwrap();
    let create = Create {
        name: "vm".to_owned(),
        guest: Guest::Other,
        firmware: Firmware::Bios,
        memory_mib: 256,
        cpus: 1,
        accel: Accelerator::Auto,
        disks: vec![image],
        new_disk_gib: Some(1),
    };
    let vm = fixture.home.create(&create).unwrap();
    let disks = &vm.config().disks;
    // The image ended within a sector, the disk does not.
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    assert_eq!(fs::read(vm.disk_path(&disks[0])).unwrap(), bytes);
    assert_eq!(fs::metadata(vm.disk_path(&disks[1])).unwrap().len(), 1 << 30);
}

#[test]
fn adding_a_tpm_makes_an_encrypted_store_a_record_and_secure_boot() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    let config = fixture.home.open("vm").unwrap().config().clone();
    assert!(config.secure_boot);
    assert_eq!(config.tpm.as_ref().unwrap().interface, Interface::Crb);
    let record = fixture.keychain.get(&RecordName::for_vm(config.uuid.as_bytes())).unwrap();
    let info = Store::peek(&vm.store_path().unwrap()).unwrap();
    assert!(!info.is_unencrypted());
    assert_eq!(info.key_ids, [record.key_id]);
    assert!(info.is_for_vm(config.uuid.as_bytes()));
    let store = Store::open(&vm.store_path().unwrap(), &Key::Password(record.secret)).unwrap();
    assert_eq!(store.state(), b"a TPM");
    let vars = fs::read(vm.path().join("firmware-vars.fd")).unwrap();
    assert_eq!(vars, fs::read("/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd").unwrap());
}

#[test]
fn a_second_tpm_is_refused_and_touches_nothing() {
    let fixture = Fixture::new();
    let mut vm = fixture.with_tpm();
    let before = files(fixture.dir.path());
    assert_eq!(add_tpm(&mut vm, &fixture.host(), &options()).unwrap_err().code(), "SIG_ERR_TPM_EXISTS");
    assert_eq!(files(fixture.dir.path()), before);
    assert_eq!(fixture.keychain.list().unwrap().len(), 1);
}

#[test]
fn a_legacy_bios_vm_is_refused_the_tpm_with_reason_and_way_out() {
    let fixture = Fixture::new();
    let mut vm = fixture.create("old", Firmware::Bios).unwrap();
    let before = files(fixture.dir.path());
    let error = add_tpm(&mut vm, &fixture.host(), &options()).unwrap_err();
    assert_eq!(error.code(), "SIG_ERR_TPM_LEGACY_BIOS");
    assert!(error.to_string().contains("vm create NAME --firmware uefi"), "{error}");
    assert_eq!(files(fixture.dir.path()), before);
    assert!(fixture.keychain.list().unwrap().is_empty());
}

#[test]
fn a_vm_on_a_host_disk_is_refused_the_tpm() {
    use std::os::unix::fs::FileTypeExt;
    let is_disk = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device());
    let device = fs::read_dir("/dev").unwrap().map(|entry| entry.unwrap().path()).find(is_disk);
    let device = device.expect("this test needs a block device in /dev to name; it opens none");
    let fixture = Fixture::new();
    let vm = fixture.create("vm", Firmware::Uefi).unwrap();
    let path = vm.path().join("vm.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\n[[disks]]\npath = {device:?}\nformat = \"raw\"\n")).unwrap();
    let mut vm = fixture.home.open("vm").unwrap();
    let before = files(fixture.dir.path());
    let error = add_tpm(&mut vm, &fixture.host(), &options()).unwrap_err();
    assert_eq!(error.code(), "SIG_ERR_TPM_PHYSICAL_DISK");
    assert!(error.to_string().contains("Import the disk"), "{error}");
    assert_eq!(files(fixture.dir.path()), before);
}

#[test]
fn a_record_that_is_there_already_is_kept_and_opens_the_new_store() {
    let fixture = Fixture::new();
    let mut vm = fixture.create("vm", Firmware::Uefi).unwrap();
    let record = Record::generate(vm.config().uuid.as_bytes(), "elsewhere", "").unwrap();
    fixture.keychain.insert_new(&record).unwrap();
    add_tpm(&mut vm, &fixture.host(), &options()).unwrap();
    assert_eq!(fixture.keychain.get(&record.name).unwrap(), record);
    let store = Store::open(&vm.store_path().unwrap(), &Key::Password(record.secret)).unwrap();
    assert_eq!(store.state(), b"a TPM");
}

#[test]
fn a_failure_half_way_takes_back_record_and_store() {
    let fixture = Fixture::new();
    let mut vm = fixture.create("vm", Firmware::Uefi).unwrap();
    let vars = vm.path().join("firmware-vars.fd");
    fs::remove_file(&vars).unwrap();
    fs::create_dir(&vars).unwrap();
    assert_eq!(add_tpm(&mut vm, &fixture.host(), &options()).unwrap_err().code(), "SIG_ERR_IO");
    assert!(!vm.path().join("tpm.store").exists());
    assert!(fixture.keychain.list().unwrap().is_empty());
    assert!(fixture.home.open("vm").unwrap().config().tpm.is_none());
}

#[test]
fn without_its_record_a_vm_does_not_start_and_its_store_is_untouched() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    let name = RecordName::for_vm(vm.config().uuid.as_bytes());
    fixture.lose_record(&vm);
    let before = files(fixture.dir.path());
    let error = fixture.start(&vm);
    assert_eq!(error.code(), "SIG_ERR_TPM_RECORD_MISSING");
    assert!(error.to_string().contains(&name.to_string()), "{error}");
    let other = Record::generate(vm.config().uuid.as_bytes(), "", "").unwrap();
    fixture.keychain.insert_new(&other).unwrap();
    assert_eq!(fixture.start(&vm).code(), "SIG_ERR_TPM_RECORD_OTHER");
    assert_eq!(files(fixture.dir.path()), before);
}

#[test]
fn a_damaged_or_foreign_store_stops_the_start_and_is_left_alone() {
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    let path = vm.store_path().unwrap();
    let whole = fs::read(&path).unwrap();
    for bytes in [Vec::new(), b"garbage".to_vec(), vec![0; whole.len()]] {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(fixture.start(&vm).code(), "SIG_ERR_STORE_NOT_A_STORE");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    let mut other = fixture.create("other", Firmware::Uefi).unwrap();
    add_tpm(&mut other, &fixture.host(), &options()).unwrap();
    fs::write(other.store_path().unwrap(), &whole).unwrap();
    let error = fixture.start(&other);
    assert_eq!(error.code(), "SIG_ERR_TPM_STORE");
    assert!(error.to_string().contains("another VM"), "{error}");
}

#[test]
fn a_garbage_bundle_is_listed_with_the_reason_and_left_alone() {
    let fixture = Fixture::new();
    fixture.create("good", Firmware::Uefi).unwrap();
    let bad = fixture.home.path().join("bad.sigillo");
    fs::create_dir(&bad).unwrap();
    fs::write(bad.join("vm.toml"), "version = 1\nuuid = \"x\"\n").unwrap();
    let before = files(fixture.dir.path());
    let list = fixture.home.list().unwrap();
    assert_eq!(list.len(), 2);
    let error = list[0].1.as_ref().unwrap_err();
    assert_eq!(error.code(), "SIG_ERR_VM_CONFIG");
    assert!(error.to_string().contains("line 2: "), "{error}");
    assert!(list[1].1.is_ok());
    assert_eq!(files(fixture.dir.path()), before);
}

#[test]
fn a_state_file_of_a_dead_or_reused_process_means_stopped() {
    let fixture = Fixture::new();
    let vm = fixture.create("vm", Firmware::Uefi).unwrap();
    fs::create_dir_all(vm.path().join("run")).unwrap();
    for state in [
        format!(
            "{{\"qemu\":{{\"pid\":{},\"started\":1}},\"worker\":null,\"accel\":\"tcg\",\"accel_reason\":\"unknown\"}}",
            std::process::id()
        ),
        "{}".to_owned(),
        "garbage".to_owned(),
    ] {
        fs::write(vm.path().join("run/state.json"), state).unwrap();
        assert_eq!(vm.status().unwrap(), Status::Stopped);
    }
}

#[test]
fn a_bundle_too_deep_for_a_socket_path_has_its_run_directory_elsewhere() {
    let fixture = Fixture::new();
    let deep = fixture.dir.path().join("d".repeat(60)).join("e".repeat(60));
    let home = Home::find(Some(&deep));
    let vm = home.create(&linux("vm", Firmware::Uefi)).unwrap();
    let log = vm.serial_log().unwrap();
    assert!(!log.starts_with(&deep), "{}", log.display());
    assert!(log.as_os_str().len() < 108 - "monitor.sock".len(), "{}", log.display());
}
