//! The command line as people and scripts meet it: output, errors with their code, exit status. Needs Debian's `ovmf`.
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

    /// The error, which has to be one line on stderr with its code, and nothing on stdout.
    fn refused(&self, args: &[&str], code: &str) -> String {
        let output = self.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.starts_with(&format!("sigillo: {code}: ")), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
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
    assert!(said.contains("Windows 11 needs a TPM") && said.contains("Secure Boot is on"), "{said}");
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

#[test]
fn a_start_without_the_record_is_refused_and_names_it() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    cli.ok(&["vm", "tpm", "add", "demo"]);
    let list = cli.ok(&["keychain", "list"]);
    let record = list.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    cli.ok(&["keychain", "delete", record]);
    let store = fs::read(cli.home().join("demo.sigillo/tpm.store")).unwrap();
    let said = cli.refused(&["vm", "start", "demo"], "SIG_ERR_TPM_RECORD_MISSING");
    assert!(said.contains(record), "{said}");
    assert_eq!(fs::read(cli.home().join("demo.sigillo/tpm.store")).unwrap(), store);
}

#[test]
fn errors_have_a_code_and_status_one_and_misuse_has_status_two() {
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
