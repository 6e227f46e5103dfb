//! A start that is ended at any moment leaves nothing that keeps the VM from being started again. Needs Debian's `ovmf`.

mod place;

use place::Place;
use rustix::process::{Pid, Signal, kill_process};
use sigillo_store::{Key, Store};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

/// Longer than any process takes to see that another has ended.
const PATIENCE: Duration = Duration::from_secs(20);

/// In QEMU's place: it never reaches its TPM, and says nothing.
const QEMU: &str = "#!/bin/sh\nexec sleep 1\n";

#[test]
fn a_start_that_is_ended_before_its_guest_runs_leaves_the_store_to_the_next() {
    let place = Place::with_demo();
    let qemu = place.dir.path().join("bin/qemu-system-x86_64");
    fs::create_dir(qemu.parent().unwrap()).unwrap();
    fs::write(&qemu, QEMU).unwrap();
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
    let key = Key::Password(place.record().secret);
    let listening = place.bundle().join("run/tpm.sock");
    for step in 0..12 {
        let mut program = place.with_its_own(env!("CARGO_BIN_EXE_sigillo"));
        let mut start = program
            .args(["vm", "start", "demo"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The TPM's process is about to be started; then it opens its store, says so, and waits for a QEMU that does not come.
        wait_until("the start comes to its TPM", || {
            listening.exists() || start.try_wait().unwrap().is_some()
        });
        sleep(Duration::from_millis(15 * step));
        let signal = if step % 2 == 0 { Signal::TERM } else { Signal::KILL };
        let _ = kill_process(Pid::from_child(&start), signal);
        start.wait().unwrap();
        wait_until("the store is free again", || Store::open(&place.store(), &key).is_ok());
        // QEMU without its TPM ends, as the program in its place does after a second.
        wait_until("the VM is off", || place.json(&["vm", "info", "demo", "--json"])["status"] == "stopped");
        // A start that failed by itself meanwhile has taken it away.
        let _ = fs::remove_file(&listening);
    }
    // And the next one comes as far as QEMU again.
    place.refused(&["vm", "start", "demo"], "SIG_ERR_VM_START");
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(5));
    }
}
