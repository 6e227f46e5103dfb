//! Bundles that were copied by halves, or put together of two VMs: each is told as what it is before anything works on it, with the
//! way out, and stays as it is. Needs Debian's `ovmf`.
mod place;

use place::Place;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// A VM with a disk of whole sectors and a TPM, and a QEMU that ends at once: a start that comes to it found the bundle whole.
fn with_disk() -> Place {
    let place = Place::empty();
    let bin = place.dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let qemu = bin.join("qemu-system-x86_64");
    fs::write(&qemu, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
    let image = place.dir.path().join("image");
    // It ends within a sector, which its copy in the bundle does not.
    fs::write(&image, [7; 64 * 512 - 100]).unwrap();
    place.ok(&["vm", "create", "demo", "--accel", "tcg", "--disk", image.to_str().unwrap()]);
    assert_eq!(fs::metadata(place.bundle().join("disk0.img")).unwrap().len(), 64 * 512);
    place
}

fn with_tpm() -> Place {
    let place = with_disk();
    fs::rename(place.dir.path().join("bin"), place.dir.path().join("nib")).unwrap();
    place.ok(&["tpm", "add", "demo"]);
    fs::rename(place.dir.path().join("nib"), place.dir.path().join("bin")).unwrap();
    place
}

/// What a command says to a bundle, which stays as it is.
#[track_caller]
fn refuses(place: &Place, args: &[&str], code: &str, words: &[&str]) {
    let before = place.picture();
    let said = place.refused(args, code);
    for word in words {
        assert!(said.contains(word), "{args:?}: {word}: {said}");
    }
    for word in ["os error", "entity not found", "pflash"] {
        assert!(!said.contains(word), "{args:?}: {said}");
    }
    assert_eq!(place.picture(), before, "{args:?}");
}

/// The words of the doctor's finding of this code.
#[track_caller]
fn doctor_finds(place: &Place, code: &str) -> String {
    let (status, said) = place.ends(&["doctor", "--json", "demo"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let mut found = report["findings"].as_array().unwrap().iter().filter(|finding| finding["code"] == code);
    let finding = found.next().unwrap_or_else(|| panic!("no {code}: {report:#}"));
    assert_eq!((finding["severity"].as_str(), status), (Some("error"), 1), "{finding:#}");
    ["what", "meaning", "remedy"].map(|part| finding[part].as_str().unwrap().to_owned()).join("; ")
}

#[test]
fn a_missing_file_is_named_and_neither_started_nor_kept_in_a_snapshot() {
    let place = with_disk();
    place.refused(&["vm", "start", "demo"], "SIG_ERR_VM_START");
    for name in ["firmware-vars.fd", "disk0.img"] {
        let (path, away) = (place.bundle().join(name), place.dir.path().join("away"));
        fs::rename(&path, &away).unwrap();
        let words = [name, "is not there", "Nothing was changed", "copy it anew"];
        refuses(&place, &["vm", "start", "demo"], "SIG_ERR_VM_NOT_WHOLE", &words);
        refuses(&place, &["vm", "snapshot", "create", "demo"], "SIG_ERR_VM_NOT_WHOLE", &words);
        let found = doctor_finds(&place, "SIG_ERR_BUNDLE_FILE");
        assert!(found.contains(name) && !found.contains("leads out"), "{found}");
        fs::rename(&away, &path).unwrap();
    }
    place.refused(&["vm", "start", "demo"], "SIG_ERR_VM_START");
    place.ok(&["vm", "snapshot", "create", "demo"]);
}

#[test]
fn a_drive_whose_image_is_gone_is_told_with_the_way_to_take_it_out() {
    let place = with_disk();
    let image = place.dir.path().join("setup.iso");
    fs::write(&image, [0; 2048]).unwrap();
    place.ok(&["vm", "hardware", "add", "cdrom", "demo", image.to_str().unwrap()]);
    fs::remove_file(&image).unwrap();
    let words = ["setup.iso", "is not there", "sigillo vm hardware remove"];
    refuses(&place, &["vm", "start", "demo"], "SIG_ERR_VM_NOT_WHOLE", &words);
    place.ok(&["vm", "snapshot", "create", "demo"]);
    place.ok(&["vm", "hardware", "remove", "demo", "cdrom0"]);
    place.refused(&["vm", "start", "demo"], "SIG_ERR_VM_START");
}

fn cut(path: &Path, bytes: u64) -> Vec<u8> {
    let whole = fs::read(path).unwrap();
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
    whole
}

#[test]
fn a_file_that_was_cut_is_told_before_qemu_is_started() {
    let place = with_disk();
    let vars: PathBuf = place.bundle().join("firmware-vars.fd");
    let whole = cut(&vars, 1024);
    let words =
        ["1024 bytes", "Nothing was changed", "copy of the bundle", "cp /usr/share/OVMF/OVMF_VARS_4M.fd"];
    refuses(&place, &["vm", "start", "demo"], "SIG_ERR_FIRMWARE_VARIABLES", &words);
    doctor_finds(&place, "SIG_ERR_FIRMWARE_VARIABLES");
    // Of the right length, and nothing that the firmware wrote.
    fs::write(&vars, vec![0; whole.len()]).unwrap();
    refuses(&place, &["vm", "start", "demo"], "SIG_ERR_FIRMWARE_VARIABLES", &["not a firmware volume"]);
    fs::write(&vars, whole).unwrap();

    let disk = place.bundle().join("disk0.img");
    let whole = cut(&disk, 1000);
    let words = ["disk0.img has 1000 bytes", "Nothing was changed", "copy it anew", "truncate -s %512"];
    refuses(&place, &["vm", "start", "demo"], "SIG_ERR_VM_NOT_WHOLE", &words);
    let found = doctor_finds(&place, "SIG_ERR_BUNDLE_FILE");
    assert!(found.contains("1000 bytes") && found.contains("does not start"), "{found}");
    cut(&disk, 0);
    refuses(&place, &["vm", "start", "demo"], "SIG_ERR_VM_NOT_WHOLE", &["disk0.img is an empty file"]);
    fs::write(&disk, whole).unwrap();
    place.refused(&["vm", "start", "demo"], "SIG_ERR_VM_START");
}

#[test]
fn the_store_of_another_vm_is_neither_started_nor_kept_in_a_snapshot() {
    let place = with_tpm();
    let other = with_tpm();
    let own = fs::read(place.store()).unwrap();
    fs::copy(other.store(), place.store()).unwrap();
    let words = [
        "belongs to another VM",
        "Nothing was changed",
        "own store back",
        "tpm restore-backup \"demo\" --list",
    ];
    refuses(&place, &["vm", "start", "demo"], "SIG_ERR_TPM_STORE", &words);
    refuses(&place, &["vm", "snapshot", "create", "demo"], "SIG_ERR_TPM_STORE", &words);
    fs::remove_file(place.store()).unwrap();
    let words = ["tpm.store", "is not there", "copy it anew"];
    refuses(&place, &["vm", "snapshot", "create", "demo"], "SIG_ERR_VM_NOT_WHOLE", &words);
    fs::write(place.store(), own).unwrap();
    place.ok(&["vm", "snapshot", "create", "demo"]);
}
