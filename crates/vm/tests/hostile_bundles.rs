//! Bundles that were prepared to harm whoever starts them: links, pipes, directories of others.
mod common;

use common::{Fixture, options};
use sigillo_vm::{Firmware, Home, Status, add_tpm};
use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::mpsc::channel,
    time::Duration,
};

/// A file outside the bundle that no operation may touch.
fn victim(fixture: &Fixture) -> PathBuf {
    let path = fixture.dir.path().join("victim");
    fs::write(&path, "keep").unwrap();
    path
}

fn pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// What `run` answers; fails when it waits for somebody to write into a pipe.
fn in_time<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = channel();
    std::thread::spawn(move || done.send(run()));
    wait.recv_timeout(Duration::from_secs(20)).expect("it hangs")
}

#[test]
fn a_link_in_the_way_of_a_new_file_is_removed_and_not_followed() {
    let fixture = Fixture::new();
    let victim = victim(&fixture);
    let mut vm = fixture.create("vm", Firmware::Uefi).unwrap();
    for name in ["vm.toml.new", "firmware-vars.fd.new"] {
        symlink(&victim, vm.path().join(name)).unwrap();
    }
    add_tpm(&mut vm, &fixture.host(), &options()).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "keep");
    for name in ["vm.toml", "firmware-vars.fd"] {
        assert!(fs::symlink_metadata(vm.path().join(name)).unwrap().is_file(), "{name}");
    }
    assert!(fixture.home.open("vm").unwrap().config().tpm.is_some());
}

#[test]
fn a_run_directory_that_is_a_link_or_open_to_others_is_refused() {
    let fixture = Fixture::new();
    let vm = fixture.create("vm", Firmware::Uefi).unwrap();
    let elsewhere = fixture.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let run = vm.path().join("run");
    symlink(&elsewhere, &run).unwrap();
    assert_eq!(vm.status().unwrap_err().code(), "SIG_ERR_VM_RUN_DIRECTORY");
    assert_eq!(fixture.start(&vm).code(), "SIG_ERR_VM_RUN_DIRECTORY");
    fs::remove_file(&run).unwrap();
    fs::create_dir(&run).unwrap();
    fs::set_permissions(&run, Permissions::from_mode(0o777)).unwrap();
    assert_eq!(vm.status().unwrap_err().code(), "SIG_ERR_VM_RUN_DIRECTORY");
    assert_eq!(fixture.start(&vm).code(), "SIG_ERR_VM_RUN_DIRECTORY");
}

#[test]
fn a_link_in_place_of_the_firmware_variables_is_not_given_to_qemu() {
    let fixture = Fixture::new();
    let victim = victim(&fixture);
    let vm = fixture.create("vm", Firmware::Uefi).unwrap();
    let vars = vm.path().join("firmware-vars.fd");
    fs::remove_file(&vars).unwrap();
    symlink(&victim, &vars).unwrap();
    let error = fixture.start(&vm);
    assert_eq!(error.code(), "SIG_ERR_IO");
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "keep");
}

#[test]
fn a_link_or_pipe_in_place_of_a_disk_or_drive_is_not_given_to_qemu() {
    let fixture = Fixture::new();
    let victim = victim(&fixture);
    let vm = fixture.create("vm", Firmware::Uefi).unwrap();
    let config = vm.path().join("vm.toml");
    let text = fs::read_to_string(&config).unwrap();
    symlink(&victim, vm.path().join("link.img")).unwrap();
    pipe(&vm.path().join("pipe.img"));
    for image in ["link.img", "pipe.img"] {
        for table in ["[[disks]]\nformat = \"raw\"", "[[cdroms]]"] {
            fs::write(&config, format!("{text}\n{table}\npath = {image:?}\n")).unwrap();
            let vm = fixture.home.open("vm").unwrap();
            let error = fixture.start(&vm);
            assert!(
                error.code() == "SIG_ERR_IO" && error.to_string().contains("not a file"),
                "{table}: {error}"
            );
        }
    }
}

#[test]
fn pipes_in_place_of_files_hold_nobody_up() {
    let fixture = Fixture::new();
    let vm = fixture.create("vm", Firmware::Uefi).unwrap();
    let run = vm.path().join("run");
    fs::create_dir(&run).unwrap();
    pipe(&run.join("state.json"));
    assert_eq!(in_time(move || vm.status().unwrap()), Status::Stopped);

    let bad = fixture.home.path().join("bad.sigillo");
    fs::create_dir(&bad).unwrap();
    pipe(&bad.join("vm.toml"));
    let home: Home = fixture.home.clone();
    let list = in_time(move || home.list().unwrap());
    assert_eq!(list[0].1.as_ref().unwrap_err().code(), "SIG_ERR_IO");
    assert!(list[1].1.is_ok());
}

#[test]
fn an_open_store_does_not_take_the_place_of_an_encrypted_one() {
    use sigillo_store::{CreateOptions, Key, KeyId, Store};
    let fixture = Fixture::new();
    let vm = fixture.with_tpm();
    let path = vm.store_path().unwrap();
    fs::remove_file(&path).unwrap();
    let options = CreateOptions::new(*vm.config().uuid.as_bytes(), Key::None, KeyId::random().unwrap());
    drop(Store::create(&path, &options).unwrap());
    let open = fs::read(&path).unwrap();
    let config = vm.path().join("vm.toml");
    let text = fs::read_to_string(&config).unwrap();
    for text in [text.clone(), text.replace("encrypted = true", "encrypted = false")] {
        fs::write(&config, text).unwrap();
        let error = fixture.start(&fixture.home.open("vm").unwrap());
        assert_eq!(error.code(), "SIG_ERR_TPM_STORE");
        assert!(error.to_string().contains("not encrypted"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), open);
    }
}

/// A program that locks a file as QEMU locks its pid file.
const LOCKED: &str = r#"use Fcntl; open(F, "+>", $ARGV[0]) || die;
my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
fcntl(F, F_SETLK, $lock) || die; $| = 1; print "locked\n"; sleep 60"#;

/// Whoever starts a VM may be killed between QEMU's start and the note of it.
#[test]
fn a_qemu_that_nobody_noted_is_running_all_the_same() {
    use std::{io::Read, process::Stdio};
    let fixture = Fixture::new();
    let vm = fixture.create("vm", Firmware::Uefi).unwrap();
    let run = vm.path().join("run");
    fs::create_dir(&run).unwrap();
    let pid_file = run.join("qemu.pid");
    let mut qemu = std::process::Command::new("perl")
        .args(["-e", LOCKED])
        .arg(&pid_file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 7];
    qemu.stdout.take().unwrap().read_exact(&mut said).unwrap();
    let state = vm.run_state().unwrap();
    let code = fixture.start(&vm).code().to_owned();
    qemu.kill().unwrap();
    qemu.wait().unwrap();
    assert_eq!(state.unwrap().qemu.unwrap().pid, i32::try_from(qemu.id()).unwrap());
    assert_eq!(code, "SIG_ERR_VM_RUNNING");
    assert_eq!(vm.status().unwrap(), Status::Stopped);
}
