//! The command line as people and scripts meet it: output, errors with their code, exit status. Needs Debian's `ovmf`.
mod exit;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

struct Cli {
    dir: tempfile::TempDir,
}

impl Cli {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sigillo"))
            .args(args)
            .env("SIGILLO_HOME", self.home())
            .env("SIGILLO_KEYCHAIN_DIR", self.dir.path().join("keychain"))
            .env_remove("CREDENTIALS_DIRECTORY")
            .output()
            .unwrap()
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("vms")
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The error, which has to be the only one on stderr, with its code, and nothing on stdout.
    fn refused(&self, args: &[&str], code: &str) -> String {
        let output = self.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), exit::status(code), "{args:?}: {said}");
        assert!(said.starts_with(&format!("sigillo: {code}: ")), "{args:?}: {said}");
        assert_eq!(said.matches("sigillo: ").count(), 1, "{said}");
        said
    }
}

#[test]
fn a_created_vm_is_in_the_list_of_all_and_not_in_that_of_the_running() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    let all = cli.ok(&["vm", "list", "-a"]);
    let lines: Vec<&str> = all.lines().collect();
    let heads: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(heads, ["UUID", "STATUS", "IP_ADDR", "NAME", "TPM"]);
    let row: Vec<&str> = lines[1].split_whitespace().collect();
    assert!(row[0].starts_with('{') && row[0].ends_with('}') && row[0].len() == 38, "{all}");
    assert_eq!(row[1..], ["stopped", "-", "demo", "none"]);
    assert_eq!(cli.ok(&["vm", "list"]).lines().count(), 1);
}

#[test]
fn tpm_add_says_that_secure_boot_is_on_and_names_the_record() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    let said = cli.ok(&["tpm", "add", "demo"]);
    assert!(
        said.contains("Secure Boot is on, with Microsoft's keys") && said.contains("Sigillo.vTPM.{"),
        "{said}"
    );
    assert!(cli.ok(&["vm", "list", "-a"]).contains(" encrypted"));
    cli.refused(&["vm", "tpm", "add", "demo"], "SIG_ERR_TPM_EXISTS");
}

#[test]
fn a_tpm_is_of_the_profile_asked_for_and_says_so() {
    let cli = Cli::new();
    for (name, options, profile) in
        [("plain", &[][..], "pc-client"), ("strict", &["--tpm-profile", "ptp-1.07"][..], "ptp-1.07")]
    {
        cli.ok(&["vm", "create", name]);
        cli.ok(&[&["vm", "tpm", "add", name], options].concat());
        let info: serde_json::Value = serde_json::from_str(&cli.ok(&["vm", "info", name, "--json"])).unwrap();
        assert_eq!(info["tpm_profile"], profile);
    }
    cli.ok(&["vm", "create", "none"]);
    let output = cli.run(&["vm", "tpm", "add", "none", "--tpm-profile", "best"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("ptp-1.07"), "the profiles are named");
    let info: serde_json::Value = serde_json::from_str(&cli.ok(&["vm", "info", "none", "--json"])).unwrap();
    assert_eq!(info["tpm"], "none");
}

#[test]
fn a_windows_11_vm_gets_its_tpm_by_itself() {
    let cli = Cli::new();
    let said = cli.ok(&["vm", "create", "win", "--guest", "windows-11", "--disk-size", "64"]);
    assert!(said.contains("win has a TPM 2.0 now") && said.contains("Secure Boot is on"), "{said}");
    let config = fs::read_to_string(cli.home().join("win.sigillo/vm.toml")).unwrap();
    assert!(config.contains("secure_boot = true") && config.contains("[tpm]"), "{config}");
}

#[test]
fn a_windows_11_vm_with_legacy_bios_is_refused_and_not_left_behind() {
    let cli = Cli::new();
    let output = cli.run(&["vm", "create", "win", "--guest", "windows-11", "--firmware", "bios"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("SIG_ERR_TPM_LEGACY_BIOS"));
    assert_eq!(cli.ok(&["vm", "list", "-a"]).lines().count(), 1);
}

#[test]
fn the_keychain_list_shows_names_and_key_ids_and_no_password() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    cli.ok(&["vm", "tpm", "add", "demo"]);
    let list = cli.ok(&["keychain", "list"]);
    let row: Vec<&str> = list.lines().nth(1).unwrap().split_whitespace().collect();
    assert!(row[0].starts_with("Sigillo.vTPM.{"), "{list}");
    assert!(row[1].len() == 32 && row[1].bytes().all(|b| b.is_ascii_hexdigit()), "{list}");
    // A password is 43 characters of base64url.
    assert!(!list.split_whitespace().any(|word| word.len() == 43), "{list}");
}

fn record(cli: &Cli) -> serde_json::Value {
    let list: serde_json::Value = serde_json::from_str(&cli.ok(&["keychain", "list", "--json"])).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
    list[0].clone()
}

#[test]
fn a_record_is_shown_with_its_vm_and_its_password_only_to_root_who_asks() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    cli.ok(&["vm", "tpm", "add", "demo"]);
    let listed = record(&cli);
    assert_eq!((&listed["vms"][0], &listed["comment"]), (&"demo".into(), &"demo".into()));
    let name = listed["name"].as_str().unwrap();
    let uuid = listed["vm_uuid"].as_str().unwrap();
    for given in ["demo", name, uuid] {
        let shown: serde_json::Value =
            serde_json::from_str(&cli.ok(&["keychain", "show", given, "--json"])).unwrap();
        assert_eq!(shown["key_id"], listed["key_id"]);
        assert_eq!(shown["stores"][0]["state"], "opened by this record");
        assert!(shown.get("password").is_none());
    }
    let text = cli.ok(&["keychain", "show", "demo"]);
    assert!(text.contains("opened by this record") && !text.contains("password"), "{text}");
    let asked = ["keychain", "show", "demo", "--json", "--password"];
    if std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap() == 0 {
        let shown: serde_json::Value = serde_json::from_str(&cli.ok(&asked)).unwrap();
        let password = shown["password"].as_str().unwrap();
        assert_eq!(password.len(), 43);
        assert!(cli.ok(&["keychain", "show", "demo", "--password"]).contains(password));
        let audited = cli.ok(&["audit", "show"]);
        assert_eq!(audited.matches("record-shown").count(), 2, "{audited}");
        assert!(!audited.contains(password));
    } else {
        cli.refused(&asked, "SIG_ERR_KEYCHAIN_NEEDS_ROOT");
    }
    cli.refused(&["keychain", "show", "00000000-0000-0000-0000-000000000001"], "SIG_ERR_KEYCHAIN_NOT_FOUND");
    cli.refused(&["keychain", "show", "nobody"], "SIG_ERR_VM_NOT_FOUND");
}

#[test]
fn a_locked_keychain_starts_no_tpm_and_an_unlocked_one_does_what_it_did() {
    let cli = Cli::new();
    assert!(cli.ok(&["keychain", "unlock"]).contains("not there yet"));
    cli.ok(&["vm", "create", "demo"]);
    cli.ok(&["vm", "tpm", "add", "demo"]);
    cli.ok(&["keychain", "lock"]);
    let said = cli.refused(&["vm", "start", "demo"], "SIG_ERR_KEYCHAIN");
    assert!(said.contains("keychain unlock"), "{said}");
    assert_eq!(record(&cli)["comment"], "demo");
    assert!(cli.ok(&["keychain", "unlock"]).contains("records: 1"));
}

#[test]
fn the_provider_of_the_key_is_told_and_the_others_with_their_reason() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    cli.ok(&["vm", "tpm", "add", "demo"]);
    let told: serde_json::Value = serde_json::from_str(&cli.ok(&["keychain", "provider", "--json"])).unwrap();
    assert_eq!((&told["provider"], &told["locked"]), (&"key-file".into(), &false.into()));
    let all = told["providers"].as_array().unwrap();
    let credential = all.iter().find(|one| one["provider"] == "systemd-credential").unwrap();
    assert_eq!((&credential["state"], &credential["in_use"]), (&"not here".into(), &false.into()));
    assert!(credential["about"].as_str().unwrap().contains("credentials"), "{credential}");
    // A key that is gone is told, and scripts learn it from the exit status.
    fs::remove_file(cli.dir.path().join("keychain/host.key")).unwrap();
    let output = cli.run(&["keychain", "provider"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("*   key-file"));
}

#[test]
fn a_start_without_the_record_is_refused_and_names_it() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    cli.ok(&["vm", "tpm", "add", "demo"]);
    let list = cli.ok(&["keychain", "list"]);
    let record = list.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    cli.ok(&["keychain", "delete", record, "--yes"]);
    let store = fs::read(cli.home().join("demo.sigillo/tpm.store")).unwrap();
    let said = cli.refused(&["vm", "start", "demo"], "SIG_ERR_TPM_RECORD_MISSING");
    assert!(said.contains(record), "{said}");
    assert_eq!(fs::read(cli.home().join("demo.sigillo/tpm.store")).unwrap(), store);
}

#[test]
fn a_vm_that_cannot_have_the_tpm_it_was_to_have_is_not_made() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    cli.ok(&["tpm", "add", "demo"]);
    let keychain = cli.dir.path().join("keychain/system.keychain");
    let good = fs::read(&keychain).unwrap();
    let mut bad = good.clone();
    bad[99] ^= 1;
    fs::write(&keychain, bad).unwrap();
    let create = ["vm", "create", "win", "--guest", "windows-11", "--disk-size", "64"];
    cli.refused(&create, "SIG_ERR_TPM_SETUP_KEYCHAIN_FAILED");
    let mut left: Vec<_> =
        fs::read_dir(cli.home()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["demo.sigillo"]);
    fs::write(&keychain, good).unwrap();
    cli.ok(&create);
    assert_eq!(cli.ok(&["keychain", "list"]).lines().count(), 3);
}

#[test]
fn errors_have_a_code_and_its_status_and_misuse_has_status_two() {
    let cli = Cli::new();
    cli.refused(&["vm", "start", "none"], "SIG_ERR_VM_NOT_FOUND");
    cli.ok(&["vm", "create", "demo"]);
    cli.refused(&["vm", "create", "demo"], "SIG_ERR_VM_EXISTS");
    cli.refused(&["vm", "stop", "demo"], "SIG_ERR_VM_NOT_RUNNING");
    cli.refused(&["vm", "create", "../demo"], "SIG_ERR_VM_NAME");
    assert_eq!(cli.run(&["vm", "create"]).status.code(), Some(2));
    assert_eq!(cli.run(&["vm", "create", "x", "--firmware", "none"]).status.code(), Some(2));
}

#[test]
fn a_garbage_config_is_reported_with_its_line_and_kept() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    let path = cli.home().join("demo.sigillo/vm.toml");
    let text = fs::read_to_string(&path).unwrap().replace("cpus = 2", "cpus = \"two\"");
    fs::write(&path, &text).unwrap();
    for args in [&["vm", "info", "demo"][..], &["vm", "start", "demo"], &["tpm", "add", "demo"]] {
        let said = cli.refused(args, "SIG_ERR_VM_CONFIG");
        assert!(said.contains("line 9: "), "{said}");
    }
    assert_eq!(cli.run(&["vm", "list", "-a"]).status.code(), Some(1));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn info_and_list_speak_json() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo", "--memory", "300"]);
    let info: serde_json::Value = serde_json::from_str(&cli.ok(&["vm", "info", "--json", "demo"])).unwrap();
    assert_eq!((&info["memory_mib"], &info["status"]), (&300.into(), &"stopped".into()));
    let list: serde_json::Value = serde_json::from_str(&cli.ok(&["vm", "list", "-a", "--json"])).unwrap();
    assert_eq!(list[0]["uuid"], info["uuid"]);
    assert_eq!(list[0]["tpm"], "none");
}
