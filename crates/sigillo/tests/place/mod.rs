//! A home, a keychain and a policy of their own for the program, and what changed in them.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use sigillo_keychain::{Keychain, Record, RecordName, SystemKeychain};
use sigillo_store::{Key, Store};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

pub struct Place {
    pub dir: tempfile::TempDir,
}

impl Place {
    /// With a VM `demo` that has a TPM and a recovery code.
    pub fn with_demo() -> Self {
        let place = Self::empty();
        place.ok(&["vm", "create", "demo", "--accel", "tcg"]);
        place.ok(&["tpm", "add", "demo"]);
        place
    }

    pub fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A program that finds this place.
    pub fn with_its_own(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("PATH", self.path())
            .env("SIGILLO_HOME", self.dir.path().join("vms"))
            .env("SIGILLO_KEYCHAIN_DIR", self.kept())
            .env("SIGILLO_CONFIG", self.dir.path().join("host.toml"))
            .env("XDG_RUNTIME_DIR", self.dir.path())
            .env_remove("CREDENTIALS_DIRECTORY");
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = self.with_its_own(env!("CARGO_BIN_EXE_sigillo"));
        command.args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Somebody deletes the record of the TPM's password.
    pub fn lose_record(&self) {
        self.ok(&["keychain", "delete", "demo", "--yes"]);
    }

    /// What is put into `bin` is found before the system's.
    fn path(&self) -> String {
        let system = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
        format!("{}:{system}", self.dir.path().join("bin").display())
    }

    /// The code a command ends with, and what it says.
    pub fn ends(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    pub fn refused(&self, args: &[&str], code: &str) -> String {
        let (status, said) = self.ends(args);
        assert_ne!(status, 0, "{args:?}: {said}");
        assert!(said.contains(&format!("sigillo: {code}: ")), "{args:?}: {said}");
        said
    }

    pub fn kept(&self) -> PathBuf {
        self.dir.path().join("keychain")
    }

    pub fn bundle(&self) -> PathBuf {
        self.dir.path().join("vms/demo.sigillo")
    }

    pub fn store(&self) -> PathBuf {
        self.bundle().join("tpm.store")
    }

    pub fn record(&self) -> Record {
        let keychain = SystemKeychain::at(&self.kept());
        let name: RecordName = self.json(&["vm", "info", "demo", "--json"])["keychain_record"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        keychain.get(&name).unwrap()
    }

    /// A commit, as a guest's command makes it.
    pub fn commit(&self, state: &[u8]) {
        let key = Key::Password(self.record().secret);
        Store::open(&self.store(), &key).unwrap().commit(state).unwrap();
    }

    /// Every file and directory of the bundle: its octets, and when and how it was written.
    pub fn picture(&self) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64, u32, u64)> {
        let mut all = BTreeMap::new();
        picture(&self.bundle(), &mut all);
        all
    }
}

fn picture(path: &Path, all: &mut BTreeMap<PathBuf, (Vec<u8>, i64, i64, u32, u64)>) {
    let found = fs::symlink_metadata(path).unwrap();
    let mut octets = Vec::new();
    if found.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            picture(&entry.unwrap().path(), all);
        }
    } else if found.is_file() {
        octets = fs::read(path).unwrap();
    }
    all.insert(path.to_owned(), (octets, found.mtime(), found.mtime_nsec(), found.mode(), found.ino()));
}
