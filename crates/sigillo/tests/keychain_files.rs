//! Custom keychain files on the command line: the way of a record from one host to another.
mod exit;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use sigillo_keychain::{Keychain, Record, SystemKeychain};

/// Two hosts: two system keychains that know nothing of each other.
struct Hosts {
    dir: tempfile::TempDir,
}

impl Hosts {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, host: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigillo"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("SIGILLO_HOME", self.path("vms"))
            .env("SIGILLO_KEYCHAIN_DIR", self.path(host))
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, host: &str, args: &[&str]) -> Output {
        self.command(host, args).output().unwrap()
    }

    fn ok(&self, host: &str, args: &[&str]) -> String {
        let output = self.run(host, args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, host: &str, args: &[&str], code: &str) -> String {
        let output = self.run(host, args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), exit::status(code), "{args:?}: {said}");
        assert!(said.starts_with(&format!("sigillo: {code}: ")), "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?}");
        said
    }

    fn keychain(&self, host: &str) -> SystemKeychain {
        SystemKeychain::at(&self.path(host))
    }

    /// A record in one host's keychain, and a file with a password beside it.
    fn with_a_record(&self) -> Record {
        let record = Record::generate(&[7; 16], "first", "demo").unwrap();
        self.keychain("first").insert_new(&record).unwrap();
        fs::write(self.path("password"), "a long password\n").unwrap();
        record
    }
}

#[test]
fn a_record_goes_from_one_host_to_another_in_a_file_under_a_password() {
    let hosts = Hosts::new();
    let record = hosts.with_a_record();
    let (name, secret) =
        (record.name.to_string(), String::from_utf8(record.secret.expose().to_vec()).unwrap());
    let with = ["--password-file", "password"];
    hosts.ok("first", &[&["keychain", "create", "carry.kdbx"][..], &with].concat());
    let said = hosts.ok(
        "first",
        &[&["keychain", "copy", &name, "--from", "system", "--to", "carry.kdbx"][..], &with].concat(),
    );
    assert!(said.contains(&record.key_id.to_string()) && !said.contains(&secret), "{said}");
    let listed = hosts.ok("first", &[&["keychain", "list", "carry.kdbx", "--json"][..], &with].concat());
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["host"]), (&name.as_str().into(), &"first".into()));
    assert!(!listed.to_string().contains(&secret));

    assert!(
        hosts
            .ok("second", &[&["keychain", "unlock", "carry.kdbx"][..], &with].concat())
            .contains("records: 1")
    );
    let uuid = "07070707-0707-0707-0707-070707070707";
    hosts.ok(
        "second",
        &[&["keychain", "copy", uuid, "--from", "carry.kdbx", "--to", "system"][..], &with].concat(),
    );
    assert_eq!(hosts.keychain("second").get(&record.name).unwrap(), record);
    assert_eq!(hosts.keychain("first").get(&record.name).unwrap(), record);
    for (host, act) in [("first", "record-copied"), ("second", "record-added")] {
        let audited = hosts.ok(host, &["audit", "show"]);
        assert!(audited.contains(act) && audited.contains(&name) && !audited.contains(&secret), "{audited}");
    }
}

#[test]
fn a_record_that_is_there_is_told_with_its_key_and_replaced_only_by_that_key() {
    let hosts = Hosts::new();
    let first = hosts.with_a_record();
    let name = first.name.to_string();
    let with = ["--password-file", "password"];
    let out = ["keychain", "copy", &name, "--from", "system", "--to", "carry.kdbx"];
    let back = ["keychain", "copy", &name, "--from", "carry.kdbx", "--to", "system"];
    hosts.ok("first", &[&["keychain", "create", "carry.kdbx"][..], &with].concat());
    hosts.ok("first", &[&out[..], &with].concat());
    let second = Record::generate(&[7; 16], "second", "demo").unwrap();
    hosts.keychain("second").insert_new(&second).unwrap();
    let said = hosts.refused("second", &[&back[..], &with].concat(), "SIG_ERR_KEYCHAIN_DUPLICATE");
    for told in [second.key_id.to_string(), second.info().created(), "--replace".to_owned()] {
        assert!(said.contains(&told), "{said}");
    }
    let (theirs, ours) = (first.key_id.to_string(), second.key_id.to_string());
    hosts.refused(
        "second",
        &[&back[..], &with, &["--replace", &theirs]].concat(),
        "SIG_ERR_KEYCHAIN_CONFLICT",
    );
    assert_eq!(hosts.keychain("second").get(&first.name).unwrap(), second);
    hosts.ok("second", &[&back[..], &with, &["--replace", &ours]].concat());
    assert_eq!(hosts.keychain("second").get(&first.name).unwrap(), first);
    // And the same the other way round.
    hosts.refused("first", &[&out[..], &with].concat(), "SIG_ERR_KEYCHAIN_DUPLICATE");
    hosts.ok("first", &[&out[..], &with, &["--replace", &theirs]].concat());
}

#[test]
fn the_password_comes_from_standard_input_or_a_descriptor_and_a_wrong_one_changes_nothing() {
    let hosts = Hosts::new();
    let record = hosts.with_a_record();
    let name = record.name.to_string();
    let mut child = hosts
        .command("first", &["keychain", "create", "carry.kdbx", "--password-file", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"from a pipe\n").unwrap();
    assert!(child.wait().unwrap().success());
    let before = fs::read(hosts.path("carry.kdbx")).unwrap();
    let copy = ["keychain", "copy", &name, "--from", "system", "--to", "carry.kdbx"];
    hosts.refused(
        "first",
        &[&copy[..], &["--password-file", "password"]].concat(),
        "SIG_ERR_KEYCHAIN_WRONG_PASSWORD",
    );
    assert_eq!(fs::read(hosts.path("carry.kdbx")).unwrap(), before);
    fs::write(hosts.path("password"), "from a pipe").unwrap();
    // Standard input by its number: the same as any other descriptor.
    let output = hosts
        .command("first", &[&copy[..], &["--password-fd", "0"]].concat())
        .stdin(fs::File::open(hosts.path("password")).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn misuse_is_told_before_anything_is_asked_or_made() {
    let hosts = Hosts::new();
    let name = hosts.with_a_record().name.to_string();
    let with = ["--password-file", "password"];
    let copy = |from: &str, to: &str, code: &str| {
        let args = ["keychain", "copy", &name, "--from", from, "--to", to];
        hosts.refused("first", &[&args[..], &with].concat(), code);
    };
    copy("system", "system", "SIG_ERR_KEYCHAIN_COPY");
    copy("a.kdbx", "b.kdbx", "SIG_ERR_KEYCHAIN_COPY");
    copy("system", "carry.kdbx", "SIG_ERR_KEYCHAIN_NO_FILE");
    hosts.refused("first", &["keychain", "unlock", "carry.kdbx"], "SIG_ERR_KEYCHAIN_NO_FILE");
    let create = ["keychain", "create", "carry.kdbx"];
    hosts.refused(
        "first",
        &[&create[..], &["--password-file", "none"]].concat(),
        "SIG_ERR_KEYCHAIN_NO_PASSWORD",
    );
    fs::write(hosts.path("empty"), "\n").unwrap();
    hosts.refused(
        "first",
        &[&create[..], &["--password-file", "empty"]].concat(),
        "SIG_ERR_KEYCHAIN_BAD_PASSWORD",
    );
    assert!(!hosts.path("carry.kdbx").exists());
    hosts.ok("first", &[&create[..], &with].concat());
    hosts.refused("first", &[&create[..], &with].concat(), "SIG_ERR_KEYCHAIN_FILE_EXISTS");
    copy("carry.kdbx", "system", "SIG_ERR_KEYCHAIN_NOT_FOUND");
    // A password on the command line is no option there is.
    assert_eq!(
        hosts.run("first", &["keychain", "unlock", "carry.kdbx", "--password", "x"]).status.code(),
        Some(2)
    );
}
