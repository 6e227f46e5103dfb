//! `sigillo vm snapshot` and what a suspended VM refuses, from the command line. Needs Debian's `ovmf`.
mod exit;
mod place;

use place::Place;
use std::fs;

/// With a VM `demo` that has a TPM and a small disk.
fn with_disk() -> Place {
    let cli = Place::empty();
    let disk = cli.dir.path().join("disk.img");
    fs::write(&disk, "first").unwrap();
    cli.ok(&["vm", "create", "demo", "--accel", "tcg", "--disk", disk.to_str().unwrap()]);
    cli.ok(&["tpm", "add", "demo", "--no-recovery-code"]);
    cli
}

/// The error, with which stderr begins.
fn fails(cli: &Place, args: &[&str], code: &str) -> String {
    let output = cli.run(args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), exit::status(code), "{args:?}: {said}");
    assert!(said.starts_with(&format!("sigillo: {code}: ")), "{args:?}: {said}");
    said
}

fn disk(cli: &Place) -> String {
    let octets = fs::read_to_string(cli.bundle().join("disk0.img")).unwrap();
    // An image that was copied into a bundle has whole sectors.
    octets.trim_end_matches('\0').to_owned()
}

#[test]
fn a_vm_is_taken_back_and_forth_and_nothing_is_done_unasked() {
    let cli = with_disk();
    let made = cli.json(&["vm", "snapshot", "create", "demo", "one", "--description", "words", "--json"]);
    assert_eq!(
        (&made["name"], &made["tpm"], &made["suspended"]),
        (&"one".into(), &true.into(), &false.into())
    );
    fs::write(cli.bundle().join("disk0.img"), "second").unwrap();
    fails(&cli, &["vm", "snapshot", "revert", "demo", "one"], "SIG_ERR_NOT_CONFIRMED");
    fails(&cli, &["vm", "snapshot", "delete", "demo", "one"], "SIG_ERR_NOT_CONFIRMED");
    fails(&cli, &["vm", "snapshot", "create", "demo", "one"], "SIG_ERR_SNAPSHOT_NAME");
    fails(&cli, &["vm", "snapshot", "revert", "demo", "two", "--yes"], "SIG_ERR_SNAPSHOT_NOT_FOUND");
    assert_eq!(disk(&cli), "second");

    let said = cli.ok(&["vm", "snapshot", "revert", "demo", "one", "--yes"]);
    assert!(said.contains("counters and failed tries") && said.contains("before-revert-"), "{said}");
    assert_eq!(disk(&cli), "first");
    let list = cli.json(&["vm", "snapshot", "list", "demo", "--json"]);
    let kept = list.as_array().unwrap().iter().find(|one| one["automatic"] == true).unwrap();
    let id = &kept["id"].as_str().unwrap()[..8];
    cli.ok(&["vm", "snapshot", "revert", "demo", id, "--yes", "--discard-current"]);
    assert_eq!(disk(&cli), "second");
    let text = cli.ok(&["vm", "snapshot", "list", "demo"]);
    assert!(text.contains("with TPM") && text.contains("words"), "{text}");
    let info = cli.json(&["vm", "info", "demo", "--json"]);
    assert_eq!(info["snapshots"].as_array().unwrap().len(), 2);

    let said = fails(&cli, &["vm", "delete", "demo"], "SIG_ERR_VM_HOLDS_MORE");
    assert!(said.contains("2 snapshots"), "{said}");
    for one in [id, "one"] {
        cli.ok(&["vm", "snapshot", "delete", "demo", one, "--yes"]);
    }
    cli.ok(&["vm", "delete", "demo", "--yes"]);
    assert!(!cli.bundle().exists());
}

#[test]
fn a_vm_that_is_off_is_neither_suspended_nor_resumed() {
    let cli = with_disk();
    fails(&cli, &["vm", "suspend", "demo"], "SIG_ERR_VM_NOT_RUNNING");
    fails(&cli, &["vm", "pause", "demo"], "SIG_ERR_VM_NOT_RUNNING");
    fails(&cli, &["vm", "unpause", "demo"], "SIG_ERR_VM_NOT_RUNNING");
    fails(&cli, &["vm", "resume", "demo"], "SIG_ERR_VM_NOT_SUSPENDED");
    fails(&cli, &["vm", "resume", "demo", "--discard", "--yes"], "SIG_ERR_VM_NOT_SUSPENDED");
}

#[test]
fn a_suspended_vm_that_is_not_whole_says_so_and_is_given_up_only_when_told() {
    let cli = with_disk();
    let saved = cli.bundle().join("suspended");
    fs::create_dir(&saved).unwrap();
    fs::write(saved.join("state.json"), "{").unwrap();
    assert!(cli.ok(&["vm", "list", "-a"]).contains("suspended"));
    for start in ["start", "resume"] {
        let said = fails(&cli, &["vm", start, "demo"], "SIG_ERR_VM_SAVED_DAMAGED");
        assert!(said.contains("--discard"), "{said}");
    }
    fails(&cli, &["tpm", "restore-backup", "demo"], "SIG_ERR_VM_SUSPENDED");
    fails(&cli, &["tpm", "key", "reencrypt", "demo"], "SIG_ERR_VM_SUSPENDED");
    fails(&cli, &["vm", "stop", "demo"], "SIG_ERR_VM_SUSPENDED");
    fails(&cli, &["vm", "stop", "demo", "--force"], "SIG_ERR_NOT_CONFIRMED");
    fails(&cli, &["vm", "delete", "demo"], "SIG_ERR_VM_HOLDS_MORE");
    cli.ok(&["vm", "stop", "demo", "--force", "--yes"]);
    assert!(!saved.exists());
    assert!(cli.ok(&["vm", "list", "-a"]).contains("stopped"));
}
