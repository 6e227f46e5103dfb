//! `sigillo doctor`: each thing that can be wrong is found under its code, and looking for it changes nothing. Needs Debian's `ovmf`.
mod place;

use place::Place;
use serde_json::Value;
use sigillo_keychain::anchor::Anchors;
use sigillo_store::{CreateOptions, Key, KeyId, Store};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

/// What the doctor finds, by code and severity; and that the bundle is as it was.
struct Found {
    status: i32,
    report: Value,
}

fn examined(place: &Place, args: &[&str]) -> Found {
    let before = place.bundle().exists().then(|| place.picture());
    let output = place.run(&[&["doctor", "--json"], args].concat());
    assert_eq!(place.bundle().exists().then(|| place.picture()), before, "the doctor changed the bundle");
    let text = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    Found { status: output.status.code().unwrap(), report }
}

impl Found {
    fn findings(&self) -> &Vec<Value> {
        self.report["findings"].as_array().unwrap()
    }

    /// The finding of a code, which has to be there once.
    #[track_caller]
    fn one(&self, code: &str) -> &Value {
        let mut found = self.findings().iter().filter(|finding| finding["code"] == code);
        let first = found.next().unwrap_or_else(|| panic!("no {code} in {:#}", self.report));
        assert!(found.next().is_none(), "more than one {code} in {:#}", self.report);
        first
    }

    /// An error of a VM or the host: with what it means and what to do, and the command ends with 1.
    #[track_caller]
    fn error(&self, code: &str) -> &Value {
        let found = self.one(code);
        assert_eq!((&found["severity"], self.status), (&"error".into(), 1), "{found:#}");
        for key in ["what", "meaning", "remedy"] {
            assert!(found[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {found:#}");
        }
        found
    }

    #[track_caller]
    fn warning(&self, code: &str) -> &Value {
        let found = self.one(code);
        assert_eq!(found["severity"], "warning", "{found:#}");
        found
    }

    fn of_severity(&self, severity: &str) -> Vec<&str> {
        let of = self.findings().iter().filter(|finding| finding["severity"] == severity);
        of.map(|finding| finding["code"].as_str().unwrap()).collect()
    }
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

fn vm_toml(place: &Place) -> std::path::PathBuf {
    place.bundle().join("vm.toml")
}

#[test]
fn a_vm_that_is_well_has_no_error_and_nothing_secret_in_its_report() {
    let place = Place::with_demo();
    let found = examined(&place, &["demo"]);
    assert_eq!((found.status, found.of_severity("error")), (0, vec![]), "{:#}", found.report);
    for code in ["SIG_NOTE_QEMU", "SIG_NOTE_OVMF", "SIG_NOTE_KEYCHAIN", "SIG_NOTE_AUDIT", "SIG_NOTE_TPM"] {
        found.one(code);
    }
    let password = place.record().secret;
    let password = std::str::from_utf8(password.expose()).unwrap().to_owned();
    let text = place.ok(&["doctor"]);
    assert!(text.contains("0 errors") && !text.contains(&password), "{text}");
    assert!(!found.report.to_string().contains(&password));
    assert!(place.ok(&["audit", "show"]).contains("to examine VM"));
    place.refused(&["doctor", "nobody"], "SIG_ERR_VM_NOT_FOUND");
    let quiet = place.ok(&["doctor", "--quiet"]);
    assert!(!quiet.contains("SIG_NOTE_"), "{quiet}");
}

#[test]
fn a_record_that_is_missing_or_another_ones_is_found_with_the_way_out() {
    let place = Place::with_demo();
    let record = place.record().name.to_string();
    place.ok(&["keychain", "delete", &record, "--yes"]);
    let found = examined(&place, &[]);
    let error = found.error("SIG_ERR_TPM_RECORD_MISSING");
    assert_eq!(
        (&error["vm"], &error["command"]),
        (&"demo".into(), &"sigillo tpm key restore-record demo".into())
    );

    let place = Place::with_demo();
    let mut bytes = fs::read(place.store()).unwrap();
    let options = CreateOptions::new(
        *place.record().name.vm_uuid(),
        Key::Password(sigillo_store::Secret::random_text().unwrap()),
        KeyId::random().unwrap(),
    );
    fs::remove_file(place.store()).unwrap();
    drop(Store::create(&place.store(), &options).unwrap());
    let found = examined(&place, &[]);
    found.error("SIG_ERR_TPM_RECORD_OTHER");
    found.error("SIG_ERR_TPM_OTHER_STORE");
    found.warning("SIG_ERR_TPM_NO_RECOVERY");
    // And the VM's own store, damaged in both header copies.
    for copy in [0, 4096] {
        bytes[copy + 60] ^= 1;
    }
    fs::write(place.store(), &bytes).unwrap();
    let found = examined(&place, &[]);
    let command = found.error("SIG_ERR_STORE_DAMAGED")["command"].as_str().unwrap().to_owned();
    assert!(command.starts_with("sigillo tpm salvage /") && command.contains(" --to /"), "{command}");
    fs::remove_file(place.store()).unwrap();
    let found = examined(&place, &[]);
    let what = found.error("SIG_ERR_STORE_NOT_FOUND")["what"].as_str().unwrap();
    assert!(what.contains("`sigillo tpm remove` and then `sigillo tpm add`"), "{what}");
    // Which is a way.
    place.refused(&["tpm", "add", "demo"], "SIG_ERR_TPM_EXISTS");
    place.ok(&["tpm", "remove", "demo", "--yes"]);
    place.ok(&["tpm", "add", "demo"]);
    examined(&place, &[]).one("SIG_NOTE_TPM");
}

#[test]
fn a_store_that_somebody_has_open_is_theirs_to_close() {
    let place = Place::with_demo();
    let store = Store::open(&place.store(), &Key::Password(place.record().secret)).unwrap();
    let found = examined(&place, &["demo"]);
    let error = found.error("SIG_ERR_STORE_LOCKED");
    let (what, remedy) = (error["what"].as_str().unwrap(), error["remedy"].as_str().unwrap());
    assert!(what.contains(&format!("process {}", std::process::id())), "{error:#}");
    assert!(remedy.contains("stop the VM") && !remedy.contains("put the store back"), "{error:#}");
    drop(store);
    assert_eq!(examined(&place, &["demo"]).status, 0);
}

#[test]
fn the_stores_of_a_tpm_that_was_removed_are_told() {
    let place = Place::with_demo();
    place.ok(&["tpm", "remove", "demo", "--yes"]);
    place.ok(&["tpm", "add", "demo"]);
    place.ok(&["tpm", "remove", "demo", "--yes"]);
    let found = examined(&place, &["demo"]);
    let what = found.one("SIG_NOTE_BACKUPS")["what"].as_str().unwrap();
    assert_eq!(what.matches("tpm.store.backup-").count(), 2, "{what}");
    assert_eq!(found.status, 0);
}

#[test]
fn an_older_store_is_found_before_somebody_starts_it() {
    let place = Place::with_demo();
    let old = fs::read(place.store()).unwrap();
    let record = place.record();
    place.commit(b"a later state");
    let store = Store::open(&place.store(), &Key::Password(record.secret)).unwrap();
    let anchors = Anchors::at(&place.kept());
    anchors.accept(record.name.vm_uuid(), &store).unwrap();
    drop(store);
    fs::write(place.store(), old).unwrap();
    let found = examined(&place, &["demo"]);
    let error = found.error("SIG_ERR_TPM_ROLLED_BACK");
    assert!(error["what"].as_str().unwrap().contains("by 1 commit,"), "{error:#}");
    // What the host remembers is as it was.
    assert!(place.ends(&["doctor", "demo"]).1.contains("SIG_ERR_TPM_ROLLED_BACK"));
    let anchor = fs::read_dir(place.kept().join("anchors")).unwrap().map(|entry| entry.unwrap().path());
    let anchor = anchor.filter(|path| path.extension().is_some_and(|e| e == "anchor")).max().unwrap();
    fs::write(&anchor, [0; 8192]).unwrap();
    examined(&place, &["demo"]).error("SIG_ERR_TPM_ANCHOR");
}

#[test]
fn a_keychain_that_cannot_be_used_is_why_no_tpm_can_be_added() {
    let place = Place::with_demo();
    place.ok(&["keychain", "lock"]);
    let found = examined(&place, &[]);
    assert_eq!(found.warning("SIG_ERR_KEYCHAIN_LOCKED")["command"], "sigillo keychain unlock");
    found.error("SIG_ERR_TPM_SETUP_KEYCHAIN_FAILED");
    place.ok(&["keychain", "unlock"]);

    let keychain = place.kept().join("system.keychain");
    let whole = fs::read(&keychain).unwrap();
    fs::write(&keychain, &whole[..whole.len() - 1]).unwrap();
    let found = examined(&place, &[]);
    found.error("SIG_ERR_KEYCHAIN_DAMAGED");
    found.error("SIG_ERR_TPM_SETUP_KEYCHAIN_FAILED");
    // It is not a record that is missing.
    assert!(found.findings().iter().all(|finding| finding["code"] != "SIG_ERR_TPM_RECORD_MISSING"));
    fs::write(&keychain, &whole).unwrap();

    fs::set_permissions(&keychain, fs::Permissions::from_mode(0o644)).unwrap();
    examined(&place, &[]).error("SIG_ERR_KEYCHAIN_UNSAFE");
    fs::set_permissions(&keychain, fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(place.kept().join("host.key")).unwrap();
    examined(&place, &[]).error("SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE");
}

#[test]
fn the_audit_log_and_the_hosts_policy_are_looked_at() {
    let place = Place::with_demo();
    edit(&place.kept().join("audit.log"), "store-created", "store-creatEd");
    examined(&place, &[]).error("SIG_ERR_AUDIT_DAMAGED");
    let place = Place::with_demo();
    fs::write(place.dir.path().join("host.toml"), "when_rolled_back = \"never\"\n").unwrap();
    examined(&place, &[]).error("SIG_ERR_HOST_CONFIG");
}

#[test]
fn a_bundle_with_missing_foreign_or_open_files_is_told_file_by_file() {
    let place = Place::with_demo();
    fs::set_permissions(place.store(), fs::Permissions::from_mode(0o644)).unwrap();
    let found = examined(&place, &[]);
    let command = found.warning("SIG_ERR_BUNDLE_UNSAFE")["command"].as_str().unwrap().to_owned();
    assert_eq!(command, format!("chmod go= {}", place.store().display()));
    fs::set_permissions(place.store(), fs::Permissions::from_mode(0o600)).unwrap();

    let vars = place.bundle().join("firmware-vars.fd");
    let away = place.dir.path().join("vars");
    fs::rename(&vars, &away).unwrap();
    symlink(&away, &vars).unwrap();
    examined(&place, &[]).error("SIG_ERR_BUNDLE_FILE");
    fs::remove_file(&vars).unwrap();
    examined(&place, &[]).error("SIG_ERR_BUNDLE_FILE");
    fs::write(&vars, [0; 540_672]).unwrap();
    fs::set_permissions(&vars, fs::Permissions::from_mode(0o600)).unwrap();
    examined(&place, &[]).error("SIG_ERR_FIRMWARE_VARIABLES");
    // Without keys Secure Boot is a word in vm.toml.
    fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", &vars).unwrap();
    fs::set_permissions(&vars, fs::Permissions::from_mode(0o600)).unwrap();
    examined(&place, &[]).warning("SIG_ERR_SECURE_BOOT_STATE");
    fs::remove_file(&vars).unwrap();
    fs::rename(&away, &vars).unwrap();
    edit(&vm_toml(&place), "secure_boot = true", "secure_boot = false");
    examined(&place, &[]).warning("SIG_ERR_SECURE_BOOT_OFF");

    edit(&vm_toml(&place), "[tpm]", "[[disks]]\npath = \"gone.img\"\nformat = \"raw\"\n\n[tpm]");
    examined(&place, &[]).error("SIG_ERR_BUNDLE_FILE");
    fs::write(place.bundle().join("gone.img"), b"").unwrap();
    edit(&vm_toml(&place), "format = \"raw\"", "format = \"qcow2\"");
    examined(&place, &[]).error("SIG_ERR_BUNDLE_FILE");
    fs::write(vm_toml(&place), "version = 1\nturbo = true\n").unwrap();
    let found = examined(&place, &[]);
    assert_eq!(found.error("SIG_ERR_VM_CONFIG")["vm"], "demo");
    // Also when it is asked for by its name.
    examined(&place, &["demo"]).error("SIG_ERR_VM_CONFIG");
}

#[test]
fn windows_is_told_what_it_lacks_and_what_it_will_find() {
    let place = Place::empty();
    place.ok(&["vm", "create", "demo", "--guest", "linux"]);
    edit(&vm_toml(&place), "guest = \"linux\"", "guest = \"windows-11\"");
    let found = examined(&place, &["demo"]);
    assert_eq!(found.error("SIG_ERR_WINDOWS_WITHOUT_TPM")["command"], "sigillo tpm add demo");
    place.ok(&["tpm", "add", "demo"]);
    let found = examined(&place, &["demo"]);
    assert!(
        found.one("SIG_NOTE_WINDOWS")["what"].as_str().unwrap().contains("2.0, on CRB, and Secure Boot on")
    );
    assert_eq!(found.status, 0);

    let place = Place::empty();
    place.ok(&["vm", "create", "demo", "--firmware", "bios"]);
    assert_eq!(examined(&place, &["demo"]).one("SIG_ERR_TPM_LEGACY_BIOS")["severity"], "note");
    edit(&vm_toml(&place), "guest = \"linux\"", "guest = \"windows-10\"");
    let found = examined(&place, &["demo", "--quiet"]);
    assert_eq!((found.warning("SIG_ERR_TPM_LEGACY_BIOS")["vm"].as_str(), found.status), (Some("demo"), 0));
    edit(&vm_toml(&place), "guest = \"windows-10\"", "guest = \"windows-11\"");
    examined(&place, &["demo"]).error("SIG_ERR_TPM_LEGACY_BIOS");

    let place = Place::empty();
    place.ok(&["vm", "create", "demo"]);
    place.ok(&["tpm", "add", "demo", "--secure-boot-keys", "snakeoil"]);
    edit(&vm_toml(&place), "guest = \"linux\"", "guest = \"windows-11\"");
    let found = examined(&place, &["demo"]);
    let keys = found.findings().iter().any(|finding| finding["code"] == "SIG_ERR_SECURE_BOOT_KEYS");
    let trusted = found.findings().iter().any(|finding| finding["code"] == "SIG_NOTE_WINDOWS");
    assert!(
        keys != trusted,
        "Debian's snakeoil variables have Microsoft's keys beside their own, or they do not: {:#}",
        found.report
    );
}

#[test]
fn what_commands_that_were_cut_short_left_is_listed_with_how_to_take_it_away() {
    let place = Place::with_demo();
    let home = place.dir.path().join("vms");
    fs::create_dir(home.join(".a6a5e09e-3d1b-4c3c-9f0c-0e0f9a4a0001.gone")).unwrap();
    for name in [".tpm.store.next", "vm.toml.new", ".tpm.store.grow"] {
        fs::write(place.bundle().join(name), b"half").unwrap();
    }
    fs::write(place.bundle().join("tpm.store.backup-\x1b[2J"), b"no store").unwrap();
    let text = place.ok(&["doctor"]);
    assert!(text.contains("tpm.store.backup-?[2J (unreadable)"), "{text}");
    fs::create_dir(place.bundle().join("run")).unwrap();
    fs::set_permissions(place.bundle().join("run"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(place.bundle().join("run/state.json"), b"{}").unwrap();
    let found = examined(&place, &[]);
    assert_eq!(found.status, 0, "{:#}", found.report);
    let left = found.warning("SIG_ERR_LEFTOVER");
    assert!(left["what"].as_str().unwrap().contains("a delete or a move is clearing away"), "{left:#}");
    found.one("SIG_NOTE_NEXT_STORE");
    found.one("SIG_NOTE_STALE_RUN");
    assert_eq!(found.of_severity("note").iter().filter(|code| **code == "SIG_NOTE_LEFTOVER").count(), 2);
    fs::set_permissions(place.bundle().join("run"), fs::Permissions::from_mode(0o777)).unwrap();
    examined(&place, &[]).error("SIG_ERR_VM_RUN_DIRECTORY");
}

#[test]
fn a_bundle_that_was_copied_by_hand_shares_its_uuid() {
    let place = Place::with_demo();
    let copy = place.dir.path().join("vms/copy.sigillo");
    fs::create_dir(&copy).unwrap();
    for name in ["vm.toml", "tpm.store", "firmware-vars.fd"] {
        fs::copy(place.bundle().join(name), copy.join(name)).unwrap();
    }
    let found = examined(&place, &[]);
    let twins = found.warning("SIG_ERR_VM_SAME_UUID");
    assert!(
        twins["vm"].is_null() && twins["what"].as_str().unwrap().starts_with("copy and demo have"),
        "{twins:#}"
    );
    // Commands for the copy are about the copy, although its vm.toml has the other's name.
    fs::set_permissions(copy.join("tpm.store"), fs::Permissions::from_mode(0o600)).unwrap();
    let record = place.record().name.to_string();
    place.ok(&["keychain", "delete", &record, "--yes"]);
    let found = examined(&place, &["copy"]);
    assert_eq!(found.error("SIG_ERR_TPM_RECORD_MISSING")["command"], "sigillo tpm key restore-record copy");
}

#[test]
fn a_vm_that_runs_without_its_tpms_process_is_an_error_and_is_not_looked_into() {
    let place = Place::with_demo();
    let run = place.bundle().join("run");
    fs::create_dir(&run).unwrap();
    fs::set_permissions(&run, fs::Permissions::from_mode(0o700)).unwrap();
    // This process takes QEMU's place.
    let pid = std::process::id();
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let started: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    let state = serde_json::json!({
        "qemu": { "pid": pid, "started": started },
        "worker": { "pid": pid, "started": started + 1 },
        "accel": "tcg",
        "accel_reason": "unknown",
    });
    fs::write(run.join("state.json"), state.to_string()).unwrap();
    let found = examined(&place, &["demo"]);
    found.one("SIG_NOTE_VM_RUNS");
    assert_eq!(found.error("SIG_ERR_TPM_PROCESS_GONE")["command"], "sigillo vm stop demo");
    assert!(found.findings().iter().all(|finding| finding["code"] != "SIG_NOTE_TPM"));
    let said = place.refused(&["tpm", "inspect", "demo"], "SIG_ERR_VM_RUNNING");
    assert!(said.contains("looking into its TPM"), "{said}");
}
