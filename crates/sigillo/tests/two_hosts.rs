//! A VM goes from one host to another by hand, and what its guest sealed to its TPM opens there.
//!
//! The hosts are two roots in network namespaces of their own that share nothing but the two files that are carried over. The guest
//! is this program: it takes QEMU's place in the search path, so that `vm start` goes its whole way, from the keychain's record to the
//! TPM's process and its socket; it keeps what it sealed on the VM's disk. Needs Debian's `ovmf`, and `unshare` of util-linux.
mod exit;
mod tpm;

use sigillo_client::{Client, Transport, template};
use sigillo_keychain::{Keychain, Record, SystemKeychain};
use sigillo_types::{
    Marshal, Unmarshal,
    buffers::{Tpm2bData, Tpm2bDigest, Tpm2bPrivate, Tpm2bSensitiveData},
    commands::{Create, CreatePrimary, Load, Unseal},
    handles::{Hierarchy, ObjectHandle},
    structures::{Tpm2bPublic, Tpm2bSensitiveCreate, TpmlPcrSelection, TpmsSensitiveCreate},
};
use std::{
    fs,
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::LazyLock,
};
use tpm::{Control, Data};

const SECRET: &[u8] = b"the key of the guest's disk";
/// The start came as far as QEMU, which here is the guest and ends when it has done its work.
const AS_FAR_AS_QEMU: &str = "SIG_ERR_VM_START";
const BUNDLE: &str = "SIGILLO_TEST_BUNDLE";
const ANSWER: &str = "SIGILLO_TEST_ANSWER";

struct Wire(Data);

impl Transport for Wire {
    type Error = std::io::Error;

    fn transmit(&mut self, command: &[u8]) -> std::io::Result<Vec<u8>> {
        self.0.try_run(command)
    }
}

fn storage_key(tpm: &mut Client<Wire>) -> ObjectHandle {
    let made = tpm
        .call(&CreatePrimary {
            primary_handle: Hierarchy::Owner,
            in_sensitive: Tpm2bSensitiveCreate::default(),
            in_public: Tpm2bPublic { public_area: template::ecc_storage() },
            outside_info: Tpm2bData::default(),
            creation_pcr: TpmlPcrSelection::default(),
        })
        .unwrap();
    ObjectHandle::new(made.object_handle).unwrap()
}

fn seal(tpm: &mut Client<Wire>) -> Vec<u8> {
    let parent_handle = storage_key(tpm);
    let sensitive =
        TpmsSensitiveCreate { user_auth: Default::default(), data: Tpm2bSensitiveData::new(SECRET).unwrap() };
    let made = tpm
        .call(&Create {
            parent_handle,
            in_sensitive: Tpm2bSensitiveCreate { sensitive },
            in_public: Tpm2bPublic { public_area: template::sealed(Tpm2bDigest::default()) },
            outside_info: Tpm2bData::default(),
            creation_pcr: TpmlPcrSelection::default(),
        })
        .unwrap();
    let (public, private) = (made.out_public.to_bytes(), made.out_private.to_bytes());
    let lengths = [public.len(), private.len()].map(|len| u16::try_from(len).unwrap().to_be_bytes()).concat();
    [lengths, public, private].concat()
}

fn unseal(tpm: &mut Client<Wire>, sealed: &[u8]) -> Result<Vec<u8>, String> {
    let len = |at: usize| usize::from(u16::from_be_bytes(sealed[at..at + 2].try_into().unwrap()));
    let (public, private) = sealed[4..4 + len(0) + len(2)].split_at(len(0));
    let load = Load {
        parent_handle: storage_key(tpm),
        in_private: Tpm2bPrivate::from_bytes(private).unwrap(),
        in_public: Tpm2bPublic::from_bytes(public).unwrap(),
    };
    let loaded = tpm.call(&load).map_err(|e| e.to_string())?;
    let item_handle = ObjectHandle::new(loaded.object_handle).unwrap();
    tpm.call(&Unseal { item_handle }).map(|data| data.out_data.to_vec()).map_err(|e| e.to_string())
}

/// Where on the disk the guest keeps what it sealed.
const PLACE: u64 = 5 << 20;

#[test]
#[ignore = "the guest of the other tests, in QEMU's place"]
fn guest() {
    let Some(bundle) = std::env::var_os(BUNDLE).map(PathBuf::from) else { return };
    let mut control = Control::connect(&bundle.join("run/tpm.sock"));
    let mut tpm = Client::new(Wire(control.power_on()));
    let disk = fs::OpenOptions::new().read(true).write(true).open(bundle.join("disk0.img")).unwrap();
    let mut sealed = vec![0; 4096];
    disk.read_exact_at(&mut sealed, PLACE).unwrap();
    let answer = if sealed[..4] == [0; 4] {
        disk.write_all_at(&seal(&mut tpm), PLACE).unwrap();
        b"sealed".to_vec()
    } else {
        unseal(&mut tpm, &sealed).unwrap_or_else(String::into_bytes)
    };
    fs::write(std::env::var_os(ANSWER).unwrap(), answer).unwrap();
}

struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self { dir: tempfile::tempdir().unwrap() };
        let qemu = host.path("bin/qemu-system-x86_64");
        fs::create_dir(host.path("bin")).unwrap();
        let guest = std::env::current_exe().unwrap();
        let script =
            format!("#!/bin/sh\nexec '{}' --exact guest --ignored >/dev/null 2>&1\n", guest.display());
        fs::write(&qemu, script).unwrap();
        fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(host.path("pw"), "a long password\n").unwrap();
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// In a network namespace of its own, where the system gives one.
    fn run(&self, args: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap();
        static NAMESPACES: LazyLock<bool> = LazyLock::new(|| {
            Command::new("unshare").args(["-rn", "true"]).output().unwrap().status.success()
        });
        let namespaces = *NAMESPACES;
        let program = env!("CARGO_BIN_EXE_sigillo");
        let mut command = Command::new(if namespaces { "unshare" } else { program });
        command.args(namespaces.then_some(["-rn", program]).into_iter().flatten());
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("SIGILLO_HOME", self.path("vms"))
            .env("SIGILLO_KEYCHAIN_DIR", self.path("keychain"))
            .env("SIGILLO_CONFIG", self.path("host.toml"))
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env(BUNDLE, self.path("vms/demo.sigillo"))
            .env(ANSWER, self.path("answer"))
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, args: &[&str], code: &str) -> String {
        let output = self.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), exit::status(code), "{args:?}: {said}");
        assert!(said.lines().any(|line| line.starts_with(&format!("sigillo: {code}: "))), "{args:?}: {said}");
        said
    }

    /// Starts the VM; what its guest answered.
    fn boot(&self) -> String {
        let answer = self.path("answer");
        let _ = fs::remove_file(&answer);
        let said = self.refused(&["vm", "start", "demo"], AS_FAR_AS_QEMU);
        let answer = fs::read(&answer).unwrap_or_else(|e| panic!("the guest did not answer ({e}): {said}"));
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn keychain(&self) -> SystemKeychain {
        SystemKeychain::at(&self.path("keychain"))
    }

    fn record(&self) -> Record {
        let info: serde_json::Value =
            serde_json::from_str(&self.ok(&["vm", "info", "demo", "--json"])).unwrap();
        self.keychain().get(&info["keychain_record"].as_str().unwrap().parse().unwrap()).unwrap()
    }

    fn store(&self) -> Vec<u8> {
        fs::read(self.path("vms/demo.sigillo/tpm.store")).unwrap()
    }
}

/// A host with a VM whose guest has sealed a secret.
fn first() -> Host {
    let host = Host::new();
    let image = fs::File::create(host.path("image")).unwrap();
    image.set_len(16 << 20).unwrap();
    host.ok(&["vm", "create", "demo", "--accel", "tcg", "--disk", "image"]);
    host.ok(&["tpm", "add", "demo", "--no-recovery-code"]);
    assert_eq!(host.boot(), "sealed");
    assert_eq!(host.boot().as_bytes(), SECRET);
    host
}

/// Two files go from host to host.
fn carry(from: &Host, to: &Host, names: &[&str]) {
    for name in names {
        fs::copy(from.path(name), to.path(name)).unwrap();
    }
}

#[test]
fn a_secret_sealed_on_one_host_unseals_on_another_after_three_commands_on_each() {
    let (a, b) = (first(), Host::new());
    let name = a.record().name.to_string();
    a.ok(&["vm", "export", "demo", "demo.export"]);
    a.ok(&["keychain", "create", "carry.kdbx", "--password-file", "pw"]);
    a.ok(&["keychain", "copy", "demo", "--from", "system", "--to", "carry.kdbx", "--password-file", "pw"]);
    carry(&a, &b, &["demo.export", "carry.kdbx"]);

    let said = b.ok(&["vm", "import", "demo.export"]);
    assert!(said.contains(&name) && said.contains("keychain copy"), "{said}");
    // Without the record: the article's message.
    let store = b.store();
    let said = b.refused(&["vm", "start", "demo"], "SIG_ERR_TPM_RECORD_MISSING");
    for words in ["tied to the host", name.as_str(), "keychain copy", "restore-record"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let info = b.ok(&["vm", "info", "demo"]);
    assert!(info.contains("missing: the VM does not start on this host"), "{info}");
    b.ok(&["keychain", "copy", "demo", "--from", "carry.kdbx", "--to", "system", "--password-file", "pw"]);
    assert_eq!(b.store(), store);
    assert_eq!(b.boot().as_bytes(), SECRET);
    // "Already there".
    let again =
        ["keychain", "copy", "demo", "--from", "carry.kdbx", "--to", "system", "--password-file", "pw"];
    let said = b.refused(&again, "SIG_ERR_KEYCHAIN_DUPLICATE");
    assert!(said.contains("is already in this keychain") && said.contains("--replace"), "{said}");
    let said = b.refused(&["vm", "import", "demo.export", "--name", "other"], "SIG_ERR_VM_UUID_EXISTS");
    assert!(said.contains("vm clone"), "{said}");

    // And back again: the first host sees a TPM that went on elsewhere.
    b.ok(&["vm", "export", "demo", "back.export"]);
    carry(&b, &a, &["back.export"]);
    let said = a.ok(&["vm", "delete", "demo", "--yes"]);
    assert!(said.contains("its TPM is kept"), "{said}");
    let list = a.ok(&["tpm", "restore-backup", "--list"]);
    assert!(list.contains("demo (deleted)") && list.contains("here"), "{list}");
    let said = a.ok(&["vm", "import", "back.export"]);
    assert!(said.contains("its keychain record is here"), "{said}");
    assert_eq!(a.boot().as_bytes(), SECRET);
}

#[test]
fn a_wrong_record_does_not_open_the_tpm_and_the_right_one_takes_its_place_by_name() {
    let (a, b) = (first(), Host::new());
    a.ok(&["vm", "export", "demo", "demo.export"]);
    a.ok(&["keychain", "create", "carry.kdbx", "--password-file", "pw"]);
    a.ok(&["keychain", "copy", "demo", "--from", "system", "--to", "carry.kdbx", "--password-file", "pw"]);
    carry(&a, &b, &["demo.export", "carry.kdbx"]);
    // Of another store of this VM.
    let wrong = Record::generate(a.record().name.vm_uuid(), "elsewhere", "demo").unwrap();
    b.keychain().insert_new(&wrong).unwrap();
    let said = b.ok(&["vm", "import", "demo.export"]);
    assert!(said.contains("of another store") && said.contains(&wrong.key_id.to_string()), "{said}");
    let store = b.store();
    b.refused(&["vm", "start", "demo"], "SIG_ERR_TPM_RECORD_OTHER");
    assert_eq!(b.store(), store);
    let copy =
        ["keychain", "copy", "demo", "--from", "carry.kdbx", "--to", "system", "--password-file", "pw"];
    b.refused(&copy, "SIG_ERR_KEYCHAIN_DUPLICATE");
    b.ok(&["keychain", "create", "wrong.kdbx", "--password-file", "pw"]);
    b.ok(&["keychain", "copy", "demo", "--from", "system", "--to", "wrong.kdbx", "--password-file", "pw"]);
    b.ok(&[&copy[..], &["--replace", &wrong.key_id.to_string()]].concat());
    assert_eq!(b.boot().as_bytes(), SECRET);
    // Back only for who says that the TPM may be lost.
    let right = b.record().key_id.to_string();
    let back =
        ["keychain", "copy", "demo", "--from", "wrong.kdbx", "--to", "system", "--password-file", "pw"];
    let back = [&back[..], &["--replace", &right]].concat();
    let said = b.refused(&back, "SIG_ERR_NOT_CONFIRMED");
    assert!(said.contains("VM \"demo\" needs this record"), "{said}");
    assert_eq!(b.record().key_id.to_string(), right);
    b.ok(&[&back[..], &["--yes"]].concat());
    assert_eq!(b.record(), wrong);
}

#[test]
fn a_clone_with_a_new_tpm_does_not_unseal_and_one_with_a_copy_does_and_says_what_that_means() {
    let host = first();
    let said = host.ok(&["vm", "clone", "demo", "fresh"]);
    for words in ["new TPM", "BitLocker", "recovery code"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = host.ok(&["vm", "clone", "demo", "same", "--tpm", "copy", "--no-recovery-code"]);
    for words in ["WARNING", "two VMs of one identity", "attests", "counters"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = host.ok(&["vm", "clone", "demo", "none", "--tpm", "none"]);
    assert!(said.contains("BitLocker asks for its recovery key"), "{said}");
    host.ok(&["vm", "delete", "demo", "--yes", "--with-tpm"]);
    for (name, opens) in [("fresh", false), ("same", true)] {
        host.ok(&["vm", "rename", name, "demo"]);
        assert_eq!(host.boot().as_bytes() == SECRET, opens, "{name}");
        host.ok(&["vm", "rename", "demo", name]);
    }
    assert!(host.ok(&["audit", "show"]).contains("store-copied"));
    let list: serde_json::Value = serde_json::from_str(&host.ok(&["vm", "list", "-a", "--json"])).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 3);
    host.refused(&["vm", "delete", "none"], "SIG_ERR_NOT_CONFIRMED");
}

#[test]
fn a_moved_vm_starts_from_where_it_is() {
    let host = first();
    let there = tempfile::tempdir_in("/dev/shm").unwrap();
    host.ok(&["vm", "move", "demo", there.path().to_str().unwrap()]);
    assert_eq!(host.boot().as_bytes(), SECRET);
    let place = there.path().join("demo.sigillo");
    let info: serde_json::Value =
        serde_json::from_str(&host.ok(&["vm", "info", place.to_str().unwrap(), "--json"])).unwrap();
    assert_eq!(
        (info["name"].as_str(), Path::new(info["bundle"].as_str().unwrap())),
        (Some("demo"), place.as_path())
    );
    host.ok(&["vm", "move", "demo", "vms"]);
    assert!(!place.exists());
    assert_eq!(host.boot().as_bytes(), SECRET);
}
