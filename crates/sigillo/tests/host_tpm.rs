//! The system keychain's key sealed to a TPM: one of our own, on a socket, is the host's.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sigillo_keychain::{Keychain, Record, SystemKeychain};

/// A TPM that ends with its test.
struct Tpm {
    child: Child,
    socket: PathBuf,
}

impl Tpm {
    fn start(dir: &Path) -> Self {
        let state = dir.join("state");
        fs::create_dir_all(&state).unwrap();
        let socket = dir.join("s");
        let _ = fs::remove_file(&socket);
        let child = Command::new(env!("CARGO_BIN_EXE_sigillo"))
            .args(["swtpm", "socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--tpmstate"])
            .arg(format!("dir={}", state.display()))
            .args(["--server", &format!("type=unixio,path={}", socket.display())])
            .args(["--ctrl", &format!("type=unixio,path={}", dir.join("c").display())])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let tpm = Self { child, socket };
        let end = Instant::now() + Duration::from_secs(120);
        while !tpm.socket.exists() {
            assert!(Instant::now() < end, "the TPM does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        tpm
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, tpm: &Path, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sigillo"))
            .args(args)
            .env("SIGILLO_HOME", self.path("vms"))
            .env("SIGILLO_KEYCHAIN_DIR", self.path("keychain"))
            .env("SIGILLO_HOST_TPM", tpm)
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn ok(&self, tpm: &Path, args: &[&str]) -> String {
        let output = self.run(tpm, args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, tpm: &Path, args: &[&str]) -> String {
        let output = self.run(tpm, args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("sigillo: SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE: "), "{args:?}: {said}");
        said
    }
}

#[test]
fn a_keychain_sealed_to_a_tpm_opens_with_that_tpm_alone() {
    let host = Host { dir: tempfile::tempdir().unwrap() };
    let record = Record::generate(&[7; 16], "host", "demo").unwrap();
    SystemKeychain::at(&host.path("keychain")).insert_new(&record).unwrap();
    let tpm = Tpm::start(&host.path("one"));
    let told: serde_json::Value =
        serde_json::from_str(&host.ok(&tpm.socket, &["keychain", "provider", "--json"])).unwrap();
    let ours =
        told["providers"].as_array().unwrap().iter().find(|one| one["provider"] == "tpm").unwrap().clone();
    assert_eq!(ours["state"], "works", "{ours}");

    let said = host.ok(&tpm.socket, &["keychain", "provider", "set", "tpm"]);
    assert!(said.contains("sealed to the host's TPM") && said.contains("it had a key file"), "{said}");
    assert!(!host.path("keychain/host.key").exists());
    let sealed = fs::read(host.path("keychain/host-tpm.key")).unwrap();
    // As often as one likes: nothing stays loaded in the TPM.
    for _ in 0..8 {
        let listed = host.ok(&tpm.socket, &["keychain", "list", "--json"]);
        assert!(listed.contains(&record.key_id.to_string()), "{listed}");
    }

    let other = Tpm::start(&host.path("two"));
    let said = host.refused(&other.socket, &["keychain", "list"]);
    assert!(said.contains("not the TPM the key was sealed to"), "{said}");
    let said = host.refused(&host.path("none"), &["keychain", "list"]);
    assert!(said.contains("no TPM 2.0 at"), "{said}");
    drop(other);

    // Every byte of the sealed key counts. A few of them here, since each asks the TPM.
    for at in [0, 17, 40, 90, sealed.len() / 2, sealed.len() - 40, sealed.len() - 1] {
        let mut flipped = sealed.clone();
        flipped[at] ^= 1;
        write_private(&host.path("keychain/host-tpm.key"), &flipped);
        host.refused(&tpm.socket, &["keychain", "list"]);
    }
    write_private(&host.path("keychain/host-tpm.key"), &sealed);

    // The TPM goes off and on.
    drop(tpm);
    let tpm = Tpm::start(&host.path("one"));
    host.ok(&tpm.socket, &["keychain", "list"]);
    host.ok(&tpm.socket, &["keychain", "provider", "set", "key-file"]);
    drop(tpm);
    assert!(!host.path("keychain/host-tpm.key").exists());
    assert_eq!(SystemKeychain::at(&host.path("keychain")).get(&record.name).unwrap(), record);
}

#[test]
fn without_a_tpm_nothing_changes_hands() {
    let host = Host { dir: tempfile::tempdir().unwrap() };
    let record = Record::generate(&[7; 16], "host", "demo").unwrap();
    let keychain = SystemKeychain::at(&host.path("keychain"));
    keychain.insert_new(&record).unwrap();
    let before = fs::read(keychain.path()).unwrap();
    host.refused(&host.path("none"), &["keychain", "provider", "set", "tpm"]);
    assert_eq!(fs::read(keychain.path()).unwrap(), before);
    assert_eq!(keychain.get(&record.name).unwrap(), record);
}

fn write_private(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
}
