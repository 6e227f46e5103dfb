//! `sigillo tpm key` as people and scripts meet it. Needs Debian's `ovmf`.
mod exit;

use serde_json::Value;
use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

struct Cli {
    dir: tempfile::TempDir,
}

impl Cli {
    /// With a VM `demo` that has a TPM, and the recovery code that was printed.
    fn new() -> (Self, String) {
        let cli = Self { dir: tempfile::tempdir().unwrap() };
        cli.ok(&["vm", "create", "demo"]);
        let added = cli.json(&["tpm", "add", "demo", "--json"]);
        let code = added["recovery_code"].as_str().unwrap().to_owned();
        (cli, code)
    }

    fn run(&self, args: &[&str], stdin: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sigillo"))
            .args(args)
            .env("SIGILLO_HOME", self.dir.path().join("vms"))
            .env("SIGILLO_KEYCHAIN_DIR", self.dir.path().join("keychain"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have ended by now.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        self.ok_with(args, "")
    }

    fn ok_with(&self, args: &[&str], stdin: &str) -> String {
        let output = self.run(args, stdin);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    fn refused(&self, args: &[&str], stdin: &str, code: &str) -> String {
        let output = self.run(args, stdin);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), exit::status(code), "{args:?}: {said}");
        assert!(said.starts_with(&format!("sigillo: {code}: ")), "{args:?}: {said}");
        said
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("vms/demo.sigillo/tpm.store")
    }

    fn keys(&self) -> Value {
        self.json(&["tpm", "key", "list", "demo", "--json"])
    }

    fn kinds(&self) -> Vec<String> {
        let keys = self.keys();
        let kind = |key: &Value| key["kind"].as_str().unwrap().to_owned();
        keys["keys"].as_array().unwrap().iter().map(kind).collect()
    }

    fn lose_the_record(&self) {
        let record = self.keys()["record"].as_str().unwrap().to_owned();
        self.ok(&["keychain", "delete", &record, "--yes"]);
    }
}

#[test]
fn a_new_tpm_prints_its_recovery_code_once_unless_it_shall_have_none() {
    let (cli, code) = Cli::new();
    assert_eq!(code.len(), 39);
    assert_eq!(cli.kinds(), ["password", "recovery code"]);
    let keys = cli.keys();
    assert_eq!((&keys["cipher"], &keys["record_state"]), (&"AES-128-GCM".into(), &"opens".into()));
    cli.ok(&["vm", "create", "text"]);
    let said = cli.ok(&["vm", "tpm", "add", "text"]);
    assert!(said.contains("recovery code (key ") && said.contains("not shown again"), "{said}");
    cli.ok(&["vm", "create", "none"]);
    let said = cli.ok(&["tpm", "add", "none", "--no-recovery-code", "--cipher", "aes-256"]);
    assert!(!said.contains("recovery code"), "{said}");
    let keys = cli.json(&["tpm", "key", "list", "none", "--json"]);
    assert_eq!(keys["cipher"], "AES-256-GCM");
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    // Neither the store nor the keychain remembers the code.
    for file in [cli.store(), cli.dir.path().join("keychain/system.keychain")] {
        let bytes = fs::read(file).unwrap();
        for text in [code.clone(), code.replace('-', "")] {
            assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()));
        }
    }
}

#[test]
fn a_lost_record_is_made_anew_with_the_code_however_it_is_typed() {
    let (cli, code) = Cli::new();
    cli.lose_the_record();
    let said = cli.refused(&["vm", "start", "demo"], "", "SIG_ERR_TPM_RECORD_MISSING");
    assert!(said.contains("tpm key restore-record"), "{said}");
    assert!(cli.ok(&["tpm", "key", "list", "demo"]).contains("this host has no record"));
    let restore = ["tpm", "key", "restore-record", "demo", "--from-file", "-"];
    let before = fs::read(cli.store()).unwrap();
    // One letter is wrong: told before it is tried, with the group.
    let other = if code.ends_with('7') { "8" } else { "7" };
    let wrong = format!("{}{other}\n", &code[..code.len() - 1]);
    let said = cli.refused(&restore, &wrong, "SIG_ERR_RECOVERY_CODE");
    assert!(said.contains("mistyped, probably in group 8"), "{said}");
    cli.refused(&restore, "", "SIG_ERR_KEY_INPUT");
    cli.refused(&restore, &code[..20], "SIG_ERR_RECOVERY_CODE");
    // A code, but another store's.
    cli.refused(&restore, "0123-4567-89AB-CDEF-GHJK-MNPQ-RSG3-SCDK\n", "SIG_ERR_STORE_WRONG_KEY");
    assert_eq!(fs::read(cli.store()).unwrap(), before);
    let said = cli.ok_with(&restore, &format!("{}\r\n", code.to_lowercase().replace('-', " ")));
    assert!(said.contains("can start again"), "{said}");
    assert_eq!(cli.keys()["record_state"], "opens");
    cli.refused(&restore, &code, "SIG_ERR_TPM_RECORD_THERE");
    let said = cli.ok(&["tpm", "key", "list", "demo"]);
    assert!(said.contains("left by an interrupted change"), "{said}");
    let done = cli.json(&["tpm", "key", "rotate", "demo", "--json"]);
    assert_eq!(done["leftovers_removed"].as_array().unwrap().len(), 1);
    assert_eq!(cli.kinds().len(), 2);
}

#[test]
fn a_passphrase_comes_from_a_file_or_stdin_and_opens_the_way_back() {
    let (cli, _) = Cli::new();
    let add = ["tpm", "key", "add", "passphrase", "demo", "--from-file", "-"];
    let said = cli.refused(&add, "short\n", "SIG_ERR_STORE_KEYS");
    assert!(said.contains("12 characters"), "{said}");
    cli.ok_with(&add, "correct horse battery\n");
    assert_eq!(cli.kinds(), ["password", "recovery code", "passphrase"]);
    cli.lose_the_record();
    let words = cli.dir.path().join("words");
    fs::write(&words, "correct horse battery").unwrap();
    let restore =
        ["tpm", "key", "restore-record", "demo", "--passphrase", "--from-file", words.to_str().unwrap()];
    let done = cli.json(&[&restore[..], &["--json"]].concat());
    assert_eq!(done["key_id"], cli.keys()["record_key_id"]);
}

#[test]
fn keys_are_removed_by_the_beginning_of_their_id_and_never_the_records() {
    let (cli, _) = Cli::new();
    let keys = cli.keys();
    let id = |at: usize| keys["keys"][at]["key_id"].as_str().unwrap().to_owned();
    let (record, code) = (id(0), id(1));
    cli.refused(&["tpm", "key", "remove", "demo", &record], "", "SIG_ERR_TPM_KEY_IN_USE");
    cli.refused(&["tpm", "key", "remove", "demo", "zz"], "", "SIG_ERR_TPM_KEY_UNKNOWN");
    cli.refused(&["tpm", "key", "remove", "demo", ""], "", "SIG_ERR_TPM_KEY_UNKNOWN");
    cli.ok(&["tpm", "key", "remove", "demo", &code[..16].to_uppercase()]);
    assert_eq!(cli.kinds(), ["password"]);
    let said = cli.ok(&["tpm", "key", "add", "recovery-code", "demo"]);
    assert!(said.contains("write it down"), "{said}");
    assert_eq!(cli.kinds(), ["password", "recovery code"]);
}

#[test]
fn rotating_and_encrypting_anew_say_what_they_did() {
    let (cli, code) = Cli::new();
    let before = cli.keys();
    let done = cli.json(&["tpm", "key", "rotate", "demo", "--json"]);
    assert_eq!(done["old_key_id"], before["record_key_id"]);
    assert_eq!(done["new_key_id"], cli.keys()["record_key_id"]);
    cli.ok_with(
        &["tpm", "key", "add", "passphrase", "demo", "--passphrase-file", "-"],
        "correct horse battery",
    );
    let anew = ["tpm", "key", "reencrypt", "demo", "--cipher", "aes-256", "--json", "--passphrase-file", "-"];
    let done: Value = serde_json::from_str(&cli.ok_with(&anew, "another passphrase\n")).unwrap();
    assert_eq!(done["cipher"], "AES-256-GCM");
    let fresh = done["recovery_code"].as_str().unwrap();
    assert_ne!(fresh, code);
    assert_eq!(cli.kinds().len(), 3);
    cli.lose_the_record();
    let restore = ["tpm", "key", "restore-record", "demo", "--from-file", "-"];
    cli.refused(&restore, &code, "SIG_ERR_STORE_WRONG_KEY");
    cli.ok_with(&restore, fresh);
    let said = cli.ok(&["tpm", "key", "reencrypt", "demo", "--no-passphrase", "--no-recovery-code"]);
    assert!(said.contains("cannot be gone back to") && !said.contains("recovery code"), "{said}");
    assert_eq!(cli.kinds(), ["password"]);
    assert_eq!(cli.keys()["cipher"], "AES-256-GCM");
}

#[test]
fn a_vm_without_a_tpm_has_no_keys() {
    let (cli, _) = Cli::new();
    cli.ok(&["vm", "create", "none"]);
    cli.refused(&["tpm", "key", "list", "none"], "", "SIG_ERR_TPM_NONE");
    cli.refused(&["tpm", "key", "rotate", "none"], "", "SIG_ERR_TPM_NONE");
}

#[test]
fn a_damaged_store_is_salvaged_into_a_new_file_with_the_record_or_the_code() {
    let (cli, code) = Cli::new();
    let (store, new) = (cli.store(), cli.dir.path().join("new"));
    let mut bytes = fs::read(&store).unwrap();
    for copy in [0, 4096] {
        bytes[copy + 60] ^= 1;
    }
    fs::write(&store, &bytes).unwrap();
    cli.refused(&["tpm", "key", "rotate", "demo"], "", "SIG_ERR_STORE_DAMAGED");
    let salvage = ["tpm", "salvage", store.to_str().unwrap(), "--to", new.to_str().unwrap()];
    let said = cli.ok(&salvage);
    assert!(
        said.contains("header copy 0 was damaged") && said.contains("1 other key was left out"),
        "{said}"
    );
    assert_eq!(fs::read(&store).unwrap(), bytes);
    cli.refused(&salvage, "", "SIG_ERR_STORE_EXISTS");
    let damaged = cli.dir.path().join("damaged");
    fs::rename(&store, &damaged).unwrap();
    fs::rename(&new, &store).unwrap();
    // It is the VM's again: its record opens it.
    assert_eq!(cli.kinds(), ["password"]);
    cli.ok(&["tpm", "key", "rotate", "demo"]);
    // With the code alone. The record no longer knows the damaged file.
    let salvage = ["tpm", "salvage", damaged.to_str().unwrap(), "--to", new.to_str().unwrap()];
    cli.refused(&salvage, "", "SIG_ERR_STORE_NEEDS_KEY");
    let with_code = [&salvage[..], &["--recovery-code", "--from-file", "-", "--json"]].concat();
    let done: Value = serde_json::from_str(&cli.ok_with(&with_code, &code)).unwrap();
    assert!(done["lost"].as_array().unwrap().iter().any(|lost| lost.as_str().unwrap().contains("which VM")));
}
