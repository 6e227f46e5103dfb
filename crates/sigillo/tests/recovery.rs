//! A record that is lost, a store that is put back from a copy or damaged: what a person is told, and the way out of each. Needs
//! Debian's `ovmf`. A program that fails takes QEMU's place: a start that comes as far as it has passed all of this.
mod exit;

use sigillo_keychain::{Keychain, Record, SystemKeychain, anchor::Anchors};
use sigillo_store::{CreateOptions, Key, KeyId, Secret, Store};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// The start came as far as QEMU: the TPM's process ran.
const AS_FAR_AS_QEMU: &str = "SIG_ERR_VM_START";

struct Cli {
    dir: tempfile::TempDir,
}

impl Cli {
    /// With a VM `demo` that has a TPM.
    fn new() -> Self {
        let cli = Self { dir: tempfile::tempdir().unwrap() };
        let qemu = cli.dir.path().join("bin/qemu-system-x86_64");
        fs::create_dir(qemu.parent().unwrap()).unwrap();
        fs::write(&qemu, "#!/bin/sh\nexit 1\n").unwrap();
        fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
        cli.ok(&["vm", "create", "demo", "--accel", "tcg"]);
        cli.ok(&["tpm", "add", "demo"]);
        cli
    }

    fn run(&self, args: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap();
        Command::new(env!("CARGO_BIN_EXE_sigillo"))
            .args(args)
            .env("SIGILLO_HOME", self.dir.path().join("vms"))
            .env("SIGILLO_KEYCHAIN_DIR", self.kept())
            .env("SIGILLO_CONFIG", self.dir.path().join("host.toml"))
            .env("PATH", format!("{}:{path}", self.dir.path().join("bin").display()))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn kept(&self) -> PathBuf {
        self.dir.path().join("keychain")
    }

    fn bundle(&self) -> PathBuf {
        self.dir.path().join("vms/demo.sigillo")
    }

    fn store(&self) -> PathBuf {
        self.bundle().join("tpm.store")
    }

    fn keychain(&self) -> SystemKeychain {
        SystemKeychain::at(&self.kept())
    }

    fn record(&self) -> Record {
        let name = self.uuid_name();
        self.keychain().get(&name).unwrap()
    }

    fn uuid_name(&self) -> sigillo_keychain::RecordName {
        let info: serde_json::Value =
            serde_json::from_str(&self.ok(&["vm", "info", "demo", "--json"])).unwrap();
        info["keychain_record"].as_str().unwrap().parse().unwrap()
    }

    fn open(&self) -> Store {
        Store::open(&self.store(), &Key::Password(self.record().secret)).unwrap()
    }

    /// Commits, as a guest's commands make them.
    fn live(&self, commits: &[&str]) {
        let mut store = self.open();
        for state in commits {
            store.commit(state.as_bytes()).unwrap();
        }
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Everything on stderr; its last line begins with the code.
    fn fails(&self, args: &[&str], code: &str) -> String {
        let output = self.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), exit::status(code), "{args:?}: {said}");
        let last = said.lines().next_back().unwrap();
        assert!(
            said.lines().any(|line| line.starts_with(&format!("sigillo: {code}: "))),
            "{args:?}: {last}: {said}"
        );
        said
    }

    fn start(&self, more: &[&str], code: &str) -> String {
        self.fails(&[&["vm", "start", "demo"], more].concat(), code)
    }

    fn acts(&self) -> Vec<String> {
        self.ok(&["audit", "verify"]);
        let lines: Vec<serde_json::Value> =
            serde_json::from_str(&self.ok(&["audit", "show", "--json"])).unwrap();
        lines.iter().map(|line| line["act"].as_str().unwrap().to_owned()).collect()
    }

    fn policy(&self, text: &str) {
        fs::write(self.dir.path().join("host.toml"), text).unwrap();
    }

    fn backup(&self) -> PathBuf {
        let entries = fs::read_dir(self.bundle()).unwrap().map(|entry| entry.unwrap().path());
        let mut found = entries.filter(|path| path.to_string_lossy().contains(".backup-"));
        let backup = found.next().unwrap();
        assert!(found.next().is_none());
        backup
    }
}

#[test]
fn a_record_that_a_store_may_need_is_not_given_up_unasked() {
    let cli = Cli::new();
    let name = cli.record().name.to_string();
    let asks = |whose: &str| {
        let out = cli.run(&["keychain", "delete", &name]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(said.contains("SIG_ERR_NOT_CONFIRMED") && said.contains(whose), "{said}");
        assert!(cli.keychain().get(&name.parse().unwrap()).is_ok());
    };
    asks("without it the guest loses its TPM");

    // A store that nothing but a salvage can read, whose key this is.
    let whole = fs::read(cli.store()).unwrap();
    fs::write(cli.store(), &whole[..whole.len() - 1]).unwrap();
    asks("may need this record");

    // A configuration that nobody can read: whose VM it is is not known.
    let config = cli.bundle().join("vm.toml");
    let text = fs::read(&config).unwrap();
    fs::write(&config, "version = ").unwrap();
    asks("may need this record");
    fs::write(cli.store(), &whole).unwrap();
    asks("kept of VM");

    // A TPM that was taken out, whose store had a name of its own.
    fs::write(&config, String::from_utf8(text).unwrap().replace("tpm.store", "chip.store")).unwrap();
    fs::rename(cli.store(), cli.bundle().join("chip.store")).unwrap();
    asks("without it the guest loses its TPM");
    cli.ok(&["tpm", "remove", "demo", "--yes"]);
    asks("kept of VM");

    // A VM that ran here, and whose bundle lies elsewhere now.
    fs::rename(cli.bundle(), cli.dir.path().join("away")).unwrap();
    asks("nowhere else was looked");
}

#[test]
fn a_lost_record_leads_to_a_new_tpm_only_where_asked_and_the_old_one_comes_back_with_it() {
    let cli = Cli::new();
    let (old_record, old) = (cli.record(), fs::read(cli.store()).unwrap());
    cli.ok(&["keychain", "delete", &old_record.name.to_string(), "--yes"]);
    let said = cli.start(&[], "SIG_ERR_TPM_RECORD_MISSING");
    assert!(said.contains("--when-record-missing new"), "{said}");
    // Nobody is at a terminal.
    cli.start(&["--when-record-missing", "ask"], "SIG_ERR_TPM_RECORD_MISSING");
    assert_eq!(fs::read(cli.store()).unwrap(), old);

    let said = cli.start(&["--when-record-missing", "new"], AS_FAR_AS_QEMU);
    for words in ["NEW TPM", "BitLocker", "LUKS", "restore-backup"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let backup = cli.backup();
    assert!(backup.to_string_lossy().ends_with(&old_record.key_id.to_string()), "{}", backup.display());
    assert_eq!(fs::read(&backup).unwrap(), old);
    let new = fs::read(cli.store()).unwrap();
    let list = cli.ok(&["tpm", "restore-backup", "--list"]);
    assert!(list.contains("missing") && list.contains(&old_record.key_id.to_string()), "{list}");
    let said = cli.fails(&["tpm", "restore-backup", "demo"], "SIG_ERR_TPM_BACKUP_RECORD");
    assert!(said.contains(&old_record.key_id.to_string()), "{said}");

    // The old record turns up.
    cli.keychain().replace(cli.record().key_id, &old_record).unwrap();
    assert!(cli.ok(&["tpm", "restore-backup", "demo", "--list"]).contains("here"));
    let said = cli.start(&[], "SIG_ERR_TPM_RECORD_OTHER");
    assert!(said.contains("sigillo tpm restore-backup"), "{said}");
    cli.ok(&["tpm", "restore-backup", "demo"]);
    assert_eq!(fs::read(cli.store()).unwrap(), old);
    assert_eq!(fs::read(cli.backup()).unwrap(), new);
    cli.start(&[], AS_FAR_AS_QEMU);
    // And the other way round: its record was kept.
    cli.ok(&["tpm", "restore-backup", "demo"]);
    cli.start(&[], AS_FAR_AS_QEMU);
    let acts = cli.acts();
    for act in
        ["store-created", "record-added", "record-read", "backup-made", "backup-restored", "record-replaced"]
    {
        assert!(acts.iter().any(|found| found == act), "{act}: {acts:?}");
    }
}

#[test]
fn the_vm_or_the_host_may_say_that_a_lost_record_means_a_new_tpm() {
    for host in [true, false] {
        let cli = Cli::new();
        if host {
            cli.policy("when_record_missing = \"new\"\n");
        } else {
            let path = cli.bundle().join("vm.toml");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("[tpm]\n", "[tpm]\nwhen_record_missing = \"new\"\n")).unwrap();
        }
        cli.ok(&["keychain", "delete", &cli.record().name.to_string(), "--yes"]);
        assert!(cli.start(&[], AS_FAR_AS_QEMU).contains("NEW TPM"));
        cli.backup();
    }
}

#[test]
fn a_wrong_password_or_a_damaged_keychain_is_never_a_missing_record() {
    let cli = Cli::new();
    cli.policy("when_record_missing = \"new\"\n");
    let (record, whole) = (cli.record(), fs::read(cli.store()).unwrap());
    // The right name and key id with another password.
    let wrong = Record { secret: Secret::random_text().unwrap(), ..record.clone() };
    cli.keychain().replace(record.key_id, &wrong).unwrap();
    cli.start(&[], "SIG_ERR_STORE_WRONG_KEY");
    let sealed = cli.kept().join("system.keychain");
    let mut bytes = fs::read(&sealed).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&sealed, bytes).unwrap();
    let said = cli.start(&[], "SIG_ERR_KEYCHAIN");
    assert!(said.contains("SIG_ERR_KEYCHAIN_DAMAGED"), "{said}");
    assert_eq!(fs::read(cli.store()).unwrap(), whole);
}

#[test]
fn a_damaged_store_is_never_a_missing_record_and_stays_as_it_is() {
    let cli = Cli::new();
    cli.policy("when_record_missing = \"new\"\n");
    let whole = fs::read(cli.store()).unwrap();
    let mut flipped = whole.clone();
    for slot in 0..2 {
        let len = (whole.len() - 8192) / 2;
        flipped[8192 + slot * len + 200] ^= 1;
    }
    for (bytes, code) in [
        (whole[..whole.len() - 1].to_vec(), "SIG_ERR_STORE_DAMAGED"),
        (vec![0; whole.len()], "SIG_ERR_STORE_NOT_A_STORE"),
        (flipped, "SIG_ERR_STORE_DAMAGED"),
    ] {
        fs::write(cli.store(), &bytes).unwrap();
        cli.start(&[], code);
        assert_eq!(fs::read(cli.store()).unwrap(), bytes);
    }
    // A copy helps, and says that it is one.
    fs::write(cli.store(), &whole).unwrap();
    cli.start(&[], AS_FAR_AS_QEMU);
    fs::rename(cli.store(), cli.bundle().join("elsewhere")).unwrap();
    let said = cli.start(&[], "SIG_ERR_STORE_NOT_FOUND");
    assert!(said.contains("no other TPM was made"), "{said}");
}

#[test]
fn a_store_put_back_from_a_copy_is_refused_with_its_distance_and_accepted_where_the_host_says_so() {
    let cli = Cli::new();
    cli.start(&[], AS_FAR_AS_QEMU);
    let old = fs::read(cli.store()).unwrap();
    cli.live(&["one", "two"]);
    cli.start(&[], AS_FAR_AS_QEMU);
    fs::write(cli.store(), &old).unwrap();
    let said = cli.start(&[], "SIG_ERR_TPM_ROLLED_BACK");
    assert!(said.contains("rolled back by 2 commits, last seen 20"), "{said}");
    // Whoever put the store back could have written this beside it.
    let path = cli.bundle().join("vm.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("[tpm]\n", "[tpm]\nwhen_rolled_back = \"accept\"\n")).unwrap();
    cli.start(&[], "SIG_ERR_TPM_ROLLED_BACK");
    assert_eq!(fs::read(cli.store()).unwrap(), old);
    cli.start(&["--when-rolled-back", "accept"], AS_FAR_AS_QEMU);
    // From then on it is the newest one.
    cli.start(&[], AS_FAR_AS_QEMU);
    let acts = cli.acts();
    assert_eq!(acts.iter().filter(|act| *act == "rollback-refused").count(), 2, "{acts:?}");
    assert_eq!(acts.iter().filter(|act| *act == "rollback-accepted").count(), 1, "{acts:?}");
}

#[test]
fn a_copy_that_went_on_elsewhere_is_a_twin_and_one_that_came_back_is_not() {
    let cli = Cli::new();
    cli.start(&[], AS_FAR_AS_QEMU);
    let copy = fs::read(cli.store()).unwrap();
    cli.live(&["here"]);
    cli.start(&[], AS_FAR_AS_QEMU);
    fs::write(cli.store(), &copy).unwrap();
    cli.live(&["elsewhere"]);
    let said = cli.start(&[], "SIG_ERR_TPM_TWIN");
    assert!(said.contains("went on by itself"), "{said}");
    cli.policy(&format!(
        "[vms.{}]\nwhen_rolled_back = \"accept\"\n",
        uuid::Uuid::from_bytes(*cli.uuid_name().vm_uuid())
    ));
    cli.start(&[], AS_FAR_AS_QEMU);
    // As after running on another host.
    cli.live(&["a", "b", "c"]);
    let said = cli.start(&[], AS_FAR_AS_QEMU);
    assert!(said.contains("3 commits that this host did not see"), "{said}");
    assert!(cli.acts().iter().any(|act| act == "store-moved-on"));
}

#[test]
fn another_store_of_the_same_vm_is_refused() {
    let cli = Cli::new();
    cli.start(&[], AS_FAR_AS_QEMU);
    let record = cli.record();
    fs::rename(cli.store(), cli.bundle().join("away")).unwrap();
    let options = CreateOptions::new(*record.name.vm_uuid(), Key::Password(record.secret), record.key_id);
    Store::create(&cli.store(), &options).unwrap().commit(b"another TPM").unwrap();
    let said = cli.start(&[], "SIG_ERR_TPM_OTHER_STORE");
    assert!(said.contains("another TPM to the guest"), "{said}");
}

#[test]
fn of_two_live_copies_of_a_store_the_second_is_refused_with_who_holds_it() {
    let cli = Cli::new();
    let held =
        Anchors::at(&cli.kept()).open(cli.record().name.vm_uuid(), &cli.open().info().file_uuid).unwrap();
    held.lock().unwrap().unwrap();
    let said = cli.start(&["--when-rolled-back", "accept"], "SIG_ERR_TPM_IN_USE");
    assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
    assert_eq!(cli.acts().last().unwrap(), "twin-found");
}

#[test]
fn a_damaged_anchor_is_told_and_can_be_begun_anew() {
    let cli = Cli::new();
    let mut names = fs::read_dir(cli.kept().join("anchors")).unwrap().map(|entry| entry.unwrap().path());
    let anchor = names.find(|path| path.extension().is_some_and(|e| e == "anchor")).unwrap();
    let len = fs::read(&anchor).unwrap().len();
    fs::write(&anchor, vec![1; len]).unwrap();
    cli.start(&[], "SIG_ERR_TPM_ANCHOR");
    cli.start(&["--when-rolled-back", "accept"], AS_FAR_AS_QEMU);
    cli.start(&[], AS_FAR_AS_QEMU);
}

#[test]
fn a_host_file_that_cannot_be_used_stops_the_start() {
    let cli = Cli::new();
    cli.policy("when_rolled_back = \"new\"\n");
    cli.start(&[], "SIG_ERR_HOST_CONFIG");
    cli.policy("");
    let file = cli.dir.path().join("host.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let said = cli.start(&[], "SIG_ERR_HOST_CONFIG");
    assert!(said.contains("can write it"), "{said}");
}

#[test]
fn an_act_that_cannot_be_logged_is_not_done() {
    let cli = Cli::new();
    let log = cli.kept().join("audit.log");
    let acts = cli.acts().len();
    fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).unwrap();
    cli.start(&[], "SIG_ERR_AUDIT_UNSAFE");
    fs::set_permissions(&log, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(cli.acts().len(), acts);
    edit(&log, 3);
    cli.fails(&["audit", "verify"], "SIG_ERR_AUDIT_DAMAGED");
    cli.fails(&["audit", "show"], "SIG_ERR_AUDIT_DAMAGED");
}

/// Changes one octet.
fn edit(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_key_id_is_a_way_to_name_a_backup() {
    let cli = Cli::new();
    let record = cli.record();
    cli.ok(&["keychain", "delete", &record.name.to_string(), "--yes"]);
    cli.start(&["--when-record-missing", "new"], AS_FAR_AS_QEMU);
    let key = record.key_id.to_string();
    cli.fails(&["tpm", "restore-backup", "demo", &key[..8]], "SIG_ERR_TPM_BACKUP_RECORD");
    let none = KeyId::random().unwrap().to_string();
    cli.fails(&["tpm", "restore-backup", "demo", &none], "SIG_ERR_TPM_BACKUP");
    cli.keychain().replace(cli.record().key_id, &record).unwrap();
    cli.ok(&["tpm", "restore-backup", "demo", &key[..8]]);
}
