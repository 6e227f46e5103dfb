//! Devices, defaults, the way to Windows 11, and the administrator's word, as people and scripts meet them. Needs Debian's `ovmf`,
//! `qemu-system-x86` and `qemu-utils`.
mod exit;

use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Output},
};

struct Cli {
    dir: tempfile::TempDir,
}

impl Cli {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigillo"));
        command
            .args(args)
            .env("SIGILLO_HOME", self.home())
            .env("SIGILLO_KEYCHAIN_DIR", self.dir.path().join("keychain"))
            .env("SIGILLO_CONFIG", self.dir.path().join("host.toml"))
            .env("EDITOR", "false")
            .env_remove("VISUAL")
            .env_remove("CREDENTIALS_DIRECTORY");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("vms")
    }

    fn bundle(&self, name: &str) -> PathBuf {
        self.home().join(format!("{name}.sigillo"))
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_slice(&self.run(&[args, &["--json"]].concat()).stdout).unwrap()
    }

    /// The last line on stderr, which has to be the error with its code.
    fn refused(&self, args: &[&str], code: &str) -> String {
        said(&self.run(args), code)
    }

    fn config(&self, name: &str) -> String {
        fs::read_to_string(self.bundle(name).join("vm.toml")).unwrap()
    }

    fn host(&self, text: &str) {
        fs::write(self.dir.path().join("host.toml"), text).unwrap();
    }

    /// `vm create --edit` with an editor that is a line of shell; the draft is `$1`.
    fn edit(&self, name: &str, more: &[&str], editor: &str) -> Output {
        let script = self.dir.path().join("editor");
        fs::write(&script, format!("#!/bin/sh\n{editor}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        self.command(&[&["vm", "create", name, "--edit"], more].concat())
            .env("VISUAL", &script)
            .output()
            .unwrap()
    }

    fn hidden(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.home()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with('.')).collect()
    }
}

/// All that a refusal says, of which its code is the beginning.
fn refused(output: &Output, code: &str) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), exit::status(code), "{said}");
    assert!(said.starts_with(&format!("sigillo: {code}: ")), "{said}");
    said
}

fn said(output: &Output, code: &str) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), exit::status(code), "{said}");
    let last = said.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with(&format!("sigillo: {code}: ")), "{said}");
    last
}

#[test]
fn a_new_vm_has_what_its_guest_needs() {
    let cli = Cli::new();
    for (guest, memory, disk, card, screen) in [
        ("windows-11", 4096, Some("sata"), "e1000e", true),
        ("windows-10", 4096, Some("sata"), "e1000e", true),
        ("windows-server-2025", 4096, Some("sata"), "e1000e", true),
        ("linux", 2048, None, "virtio-net", false),
        ("other", 2048, None, "e1000e", true),
    ] {
        cli.ok(&["vm", "create", guest, "--guest", guest, "--no-recovery-code"]);
        let info = cli.json(&["vm", "info", guest]);
        assert_eq!(
            (&info["guest"], &info["memory_mib"], &info["cpus"]),
            (&guest.into(), &memory.into(), &2.into())
        );
        let config = cli.config(guest);
        assert_eq!(config.contains("[tpm]"), guest == "windows-11", "{config}");
        assert_eq!(config.contains("[display]"), screen, "{config}");
        assert!(config.contains(&format!("model = \"{card}\"")), "{config}");
        match disk {
            Some(bus) => {
                assert!(config.contains(&format!("bus = \"{bus}\"")), "{config}");
                assert_eq!(fs::metadata(cli.bundle(guest).join("disk0.img")).unwrap().len(), 64 << 30);
            }
            None => assert!(!config.contains("[[disks]]"), "{config}"),
        }
    }
    // What is said counts.
    let options = [
        "--network",
        "none",
        "--display",
        "none",
        "--disk-size",
        "1",
        "--disk-bus",
        "sata",
        "--memory",
        "512",
    ];
    cli.ok(&[&["vm", "create", "bare", "--guest", "windows-10"], &options[..]].concat());
    let config = cli.config("bare");
    assert!(!config.contains("[[networks]]") && !config.contains("[display]"), "{config}");
    assert!(config.contains("bus = \"sata\"") && config.contains("memory_mib = 512"), "{config}");
}

#[test]
fn what_a_person_edits_is_what_is_made() {
    let cli = Cli::new();
    let output = cli.edit("demo", &[], "sed -i 's/^cpus = 2/cpus = 3/' \"$1\"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(cli.config("demo").contains("cpus = 3"));
    assert!(cli.hidden().is_empty(), "{:?}", cli.hidden());
}

#[test]
fn a_chip_is_added_in_the_draft_and_taken_out_of_it() {
    let cli = Cli::new();
    let chip = "printf '[tpm]\\ninterface = \"tis\"\\nstore = \"tpm.store\"\\nencrypted = true\\nprofile = \"ptp-1.07\"\\n\
                when_record_missing = \"refuse\"\\n' >> \"$1\"";
    let output = cli.edit("demo", &["--no-recovery-code"], chip);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let config = cli.config("demo");
    for words in [
        "secure_boot = true",
        "interface = \"tis\"",
        "profile = \"ptp-1.07\"",
        "when_record_missing = \"refuse\"",
    ] {
        assert!(config.contains(words), "{config}");
    }
    assert!(cli.ok(&["vm", "list", "-a"]).contains(" encrypted"));
    // Until the next table, or the end.
    let output = cli.edit("win", &["--guest", "windows-11"], "sed -i '/^\\[tpm\\]/,$d' \"$1\"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let config = cli.config("win");
    assert!(!config.contains("[tpm]") && config.contains("secure_boot = true"), "{config}");
    let vars = fs::read(cli.bundle("win").join("firmware-vars.fd")).unwrap();
    assert_eq!(vars, fs::read("/usr/share/OVMF/OVMF_VARS_4M.ms.fd").unwrap(), "with Microsoft's keys");
}

#[test]
fn a_draft_that_cannot_be_makes_nothing_and_is_kept() {
    let cli = Cli::new();
    let kept = |output: &Output, says: &str| {
        let error = refused(output, "SIG_ERR_VM_DRAFT");
        assert!(error.contains(says), "{error}");
        let path = error.trim().rsplit(' ').next().map(PathBuf::from).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("name = "), "{error}");
        fs::remove_file(path).unwrap();
    };
    kept(&cli.edit("demo", &[], "sed -i 's/^cpus = 2/cpus = 0/' \"$1\""), "line 15: cpus = 0");
    kept(&cli.edit("demo", &[], "sed -i 's/^name = .*/name = \"other\"/' \"$1\""), "name and uuid");
    kept(&cli.edit("demo", &[], "echo 'turbo = true' >> \"$1\""), "turbo");
    for (editor, says) in [
        (": > \"$1\"", "emptied"),
        ("exit 3", "ended with"),
        ("rm \"$1\"; mkdir \"$1\"; true", "cannot be read"),
    ] {
        let output = cli.edit("demo", &[], editor);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(says), "{editor}: {error}");
    }
    assert!(!cli.bundle("demo").exists());
}

#[test]
fn a_vm_that_cannot_get_its_tpm_is_not_made_nor_said_to_be_and_its_draft_is_kept() {
    let cli = Cli::new();
    let edited = "sed -i 's/^cpus = 2/cpus = 3/' \"$1\"";
    let disk = cli.dir.path().join("whole.img");
    fs::write(&disk, vec![1; 1 << 20]).unwrap();
    let kept = |code: &str, says: &str| {
        let options = ["--guest", "windows-11", "--disk", disk.to_str().unwrap()];
        let output = cli.edit("win", &options, edited);
        let error = refused(&output, code);
        assert!(output.stdout.is_empty() && error.contains(says), "{output:?}");
        assert!(error.contains("no VM was made: "), "{error}");
        let path = error.trim().rsplit(' ').next().map(PathBuf::from).unwrap();
        assert_eq!(cli.hidden(), std::slice::from_ref(&path), "{error}");
        assert!(fs::read_to_string(&path).unwrap().contains("cpus = 3"), "{error}");
        fs::remove_file(path).unwrap();
        // Nothing a person wrote: nothing to keep.
        let output = cli.edit("win", &["--guest", "windows-11"], "true");
        assert!(!refused(&output, code).contains("What you wrote"), "{output:?}");
        assert!(cli.hidden().is_empty() && !cli.bundle("win").exists(), "{:?}", cli.hidden());
    };
    cli.host("[tpm]\nmay_add = false\n");
    kept("SIG_ERR_TPM_POLICY", "may_add = false");
    cli.host("[tpm]\nprofile = \"ptp-1.07\"\n");
    kept("SIG_ERR_TPM_POLICY", "ptp-1.07");
    cli.host("");
    let keychain = cli.dir.path().join("keychain");
    fs::create_dir_all(&keychain).unwrap();
    fs::set_permissions(&keychain, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(keychain.join("system.keychain"), "no keychain").unwrap();
    kept("SIG_ERR_TPM_SETUP_KEYCHAIN_FAILED", "Mend the keychain");
}

#[test]
fn whose_keys_and_which_interface_a_windows_11_guest_gets_is_said_at_once() {
    let cli = Cli::new();
    let own = cli.dir.path().join("own.fd");
    fs::copy("/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd", &own).unwrap();
    let options =
        ["--no-recovery-code", "--tpm-interface", "tis", "--secure-boot-keys", own.to_str().unwrap()];
    cli.ok(&[&["vm", "create", "win", "--guest", "windows-11"], &options[..]].concat());
    assert!(cli.config("win").contains("interface = \"tis\""), "{}", cli.config("win"));
    let vars = fs::read(cli.bundle("win").join("firmware-vars.fd")).unwrap();
    assert_eq!(vars, fs::read(&own).unwrap());
    // Also of a VM that has Secure Boot and no TPM.
    let without = "sed -i '/^\\[tpm\\]/,$d' \"$1\"";
    let output = cli.edit("bare", &["--guest", "windows-11", "--secure-boot-keys", "snakeoil"], without);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read(cli.bundle("bare").join("firmware-vars.fd")).unwrap(), vars);
    // Before the disks are copied.
    fs::write(&own, "too short").unwrap();
    let output = cli.run(&[&["vm", "create", "other", "--guest", "windows-11"], &options[..]].concat());
    let error = refused(&output, "SIG_ERR_SECURE_BOOT_KEYS");
    assert!(error.contains("no VM was made") && !cli.bundle("other").exists(), "{error}");
    for option in [["--tpm-interface", "crb"], ["--secure-boot-keys", "snakeoil"]] {
        let error = refused(&cli.run(&[&["vm", "create", "lin"], &option[..]].concat()), "SIG_ERR_USAGE");
        assert!(error.contains(option[0]) && !cli.bundle("lin").exists(), "{error}");
    }
}

#[test]
fn a_kept_draft_is_gone_on_from_and_a_persons_own_file_stays() {
    let cli = Cli::new();
    let output = cli.edit("demo", &["--disk-size", "1"], "sed -i 's/^cpus = 2/cpus = 0/' \"$1\"");
    let error = refused(&output, "SIG_ERR_VM_DRAFT");
    let path = error.trim().rsplit(' ').next().unwrap().to_owned();
    let create = ["vm", "create", "demo", "--disk-size", "1", "--draft"];
    // It is no better by itself, and not lost for it.
    let error = refused(&cli.run(&[&create[..], &[&path]].concat()), "SIG_ERR_VM_DRAFT");
    assert!(error.contains("cpus = 0") && error.trim().ends_with(&path), "{error}");
    let output =
        cli.edit("demo", &["--disk-size", "1", "--draft", &path], "sed -i 's/^cpus = 0/cpus = 3/' \"$1\"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(cli.config("demo").contains("cpus = 3") && cli.hidden().is_empty(), "{:?}", cli.hidden());
    let own = cli.dir.path().join("own.toml");
    fs::copy(cli.bundle("demo").join("vm.toml"), &own).unwrap();
    let create = ["vm", "create", "second", "--disk-size", "1", "--draft", own.to_str().unwrap()];
    cli.ok(&create);
    assert!(own.exists() && cli.config("second").contains("cpus = 3"), "{}", cli.config("second"));
    let uuid = |name| cli.json(&["vm", "info", name])["uuid"].clone();
    assert_ne!(uuid("demo"), uuid("second"));
}

/// The checks that are not met.
fn lacks(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().filter(|one| one["met"] == false).map(|one| one["what"].as_str().unwrap()).collect()
}

#[test]
fn what_a_vm_lacks_for_windows_11_is_listed_and_mended() {
    let cli = Cli::new();
    let small = ["--memory", "1024", "--cpus", "1", "--disk-size", "1"];
    cli.ok(&[&["vm", "create", "old", "--guest", "windows-10"], &small[..]].concat());
    let check = ["vm", "check", "old", "--windows-11"];
    let report = cli.json(&check);
    assert_eq!(lacks(&report), ["secure-boot", "tpm", "memory", "cpus", "disk"]);
    let output = cli.run(&check);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("tpm           TPM 2.0   none          lacks") && text.contains("--fix"), "{text}");
    let before = cli.config("old");
    cli.run(&check);
    assert_eq!(cli.config("old"), before, "looking changes nothing");

    let text = cli.ok(&[&check[..], &["--fix"]].concat());
    assert!(
        text.contains("mended") && text.contains("recovery code") && text.contains("partition larger"),
        "{text}"
    );
    let report = cli.json(&check);
    assert!(report["ready"] == true && lacks(&report).is_empty(), "{report}");
    assert_eq!(fs::metadata(cli.bundle("old").join("disk0.img")).unwrap().len(), 64 << 30);
    assert!(cli.config("old").contains("memory_mib = 4096"));
    assert!(cli.ok(&[&check[..], &["--fix"]].concat()).contains("has what Windows 11 needs"));
}

/// A variable store of Debian's, as a VM's own.
fn put_variables(cli: &Cli, vm: &str, bytes: &[u8]) {
    fs::write(cli.bundle(vm).join("firmware-vars.fd"), bytes).unwrap();
}

#[test]
fn secure_boot_is_what_the_firmwares_variables_say_and_a_missing_disk_is_given() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "vm", "--guest", "windows-11", "--no-recovery-code"]);
    let check = ["vm", "check", "vm", "--windows-11"];
    assert_eq!(cli.json(&check)["ready"], true);
    let keys = fs::read("/usr/share/OVMF/OVMF_VARS_4M.ms.fd").unwrap();
    let mut others = keys.clone();
    for name in [&b"Microsoft Windows Production PCA 2011"[..], b"Windows UEFI CA 2023"] {
        while let Some(at) = others.windows(name.len()).position(|window| window == name) {
            others[at] = b'X';
        }
    }
    let none = fs::read("/usr/share/OVMF/OVMF_VARS_4M.fd").unwrap();
    for (variables, has) in [(none, "no keys"), (others, "other keys"), (b"none".to_vec(), "not readable")] {
        put_variables(&cli, "vm", &variables);
        let report = cli.json(&check);
        assert_eq!((lacks(&report), &report["checks"][1]["has"]), (vec!["secure-boot"], &has.into()));
        let text = cli.ok(&[&check[..], &["--fix"]].concat());
        assert!(
            text.contains("mended") && text.contains("boot entries") && text.contains("recovery key"),
            "{text}"
        );
        assert_eq!(fs::read(cli.bundle("vm").join("firmware-vars.fd")).unwrap(), keys);
        assert_eq!(fs::read(cli.bundle("vm").join("firmware-vars.fd.before")).unwrap(), variables);
        assert_eq!(cli.json(&check)["ready"], true);
    }

    cli.ok(&["vm", "create", "bare", "--guest", "linux"]);
    let check = ["vm", "check", "bare", "--windows-11"];
    let report = cli.json(&check);
    assert_eq!(lacks(&report), ["secure-boot", "tpm", "memory", "disk"]);
    assert!(report["checks"].as_array().unwrap().iter().all(|one| one["cannot_fix"].is_null()), "{report}");
    let text = cli.ok(&[&check[..], &["--fix", "--no-recovery-code"]].concat());
    assert!(text.contains("it has an empty disk now"), "{text}");
    assert_eq!(cli.json(&check)["ready"], true);
    assert_eq!(fs::metadata(cli.bundle("bare").join("disk0.img")).unwrap().len(), 64 << 30);
}

#[test]
fn a_qcow2_disk_is_grown_and_a_vm_with_more_keeps_what_it_has() {
    let cli = Cli::new();
    let image = cli.dir.path().join("a.qcow2");
    let made = Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&image).arg("2G").status();
    assert!(made.unwrap().success());
    let image = image.to_str().unwrap();
    cli.ok(&[
        "vm",
        "create",
        "big",
        "--guest",
        "windows-10",
        "--disk",
        image,
        "--memory",
        "8192",
        "--cpus",
        "4",
    ]);
    cli.ok(&["vm", "check", "big", "--windows-11", "--fix", "--no-recovery-code"]);
    let config = cli.config("big");
    assert!(config.contains("memory_mib = 8192") && config.contains("cpus = 4"), "{config}");
    assert!(cli.ok(&["vm", "hardware", "list", "big"]).contains("disk0.qcow2, qcow2, 64 GiB, sata"));
}

#[test]
fn a_legacy_bios_cannot_be_mended_and_nothing_is_changed() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "old", "--guest", "windows-10", "--firmware", "bios", "--memory", "1024"]);
    let before = cli.config("old");
    let error = cli.refused(&["vm", "check", "old", "--windows-11", "--fix"], "SIG_ERR_VM_CHECK");
    assert!(error.contains("sigillo vm create NAME --firmware uefi"), "{error}");
    assert_eq!(cli.config("old"), before);
    let report = cli.json(&["vm", "check", "old", "--windows-11"]);
    assert!(report["checks"][0]["cannot_fix"].as_str().unwrap().contains("legacy BIOS"), "{report}");
}

#[test]
fn devices_are_listed_added_and_removed() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    let iso = cli.dir.path().join("install.iso");
    fs::write(&iso, [0; 2048]).unwrap();
    let add = |rest: &[&str]| cli.ok(&[&["vm", "hardware", "add"], rest].concat());
    assert_eq!(add(&["disk", "demo", "--size", "3"]), "demo has disk0 now\n");
    add(&["disk", "demo", "--image", iso.to_str().unwrap(), "--bus", "sata"]);
    add(&["cdrom", "demo", iso.to_str().unwrap(), "--boot-first"]);
    add(&["network", "demo", "--model", "e1000e", "--forward", "2222:22", "--restrict"]);
    add(&["display", "demo", "vnc:5905"]);
    let list = cli.json(&["vm", "hardware", "list", "demo"]);
    let names: Vec<&str> =
        list["present"].as_array().unwrap().iter().map(|one| one["device"].as_str().unwrap()).collect();
    assert_eq!(names, ["disk0", "disk1", "cdrom0", "network0", "network1", "display"]);
    let text = cli.ok(&["vm", "hardware", "list", "demo"]);
    for words in [
        "disk0.img, raw, 3 GiB, virtio",
        "disk1.img, raw, 2048 bytes, sata",
        "started before",
        "restricted, 127.0.0.1:2222 to 22",
        "vnc on 127.0.0.1:5905",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let card = |text: &str| {
        text.lines().find(|line| line.contains("e1000e")).unwrap().split(", ").nth(2).unwrap().to_owned()
    };
    let address = card(&text);
    cli.refused(&["vm", "hardware", "add", "display", "demo", "spice"], "SIG_ERR_VM_HARDWARE");
    let before = cli.config("demo");
    let error = cli.refused(&["vm", "hardware", "remove", "demo", "disk7"], "SIG_ERR_VM_HARDWARE");
    assert!(error.contains("disk0, disk1, cdrom0"), "{error}");
    for odd in ["disk", "disk00", "0", "", "tmp", "firmware"] {
        cli.refused(&["vm", "hardware", "remove", "demo", odd], "SIG_ERR_VM_HARDWARE");
    }
    assert_eq!(cli.config("demo"), before);
    let said = cli.ok(&["vm", "hardware", "remove", "demo", "disk0"]);
    assert!(said.contains("its file was kept") && cli.bundle("demo").join("disk0.img").exists(), "{said}");
    cli.ok(&["vm", "hardware", "remove", "demo", "network0"]);
    assert_eq!(
        card(&cli.ok(&["vm", "hardware", "list", "demo"])),
        address,
        "the card that stays keeps its address"
    );
    cli.ok(&["vm", "hardware", "remove", "demo", "display"]);
    assert_eq!(add(&["disk", "demo", "--size", "1"]), "demo has disk1 now\n");
    assert!(
        cli.config("demo").contains("disk2.img"),
        "no file of an earlier disk is taken: {}",
        cli.config("demo")
    );
}

#[test]
fn too_many_devices_are_refused_and_cost_nothing() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    for _ in 0..6 {
        cli.ok(&["vm", "hardware", "add", "disk", "demo", "--size", "1", "--bus", "sata"]);
    }
    let before = cli.config("demo");
    let error = cli.refused(
        &["vm", "hardware", "add", "disk", "demo", "--size", "1", "--bus", "sata"],
        "SIG_ERR_VM_CONFIG",
    );
    assert!(error.contains("6 SATA ports"), "{error}");
    assert!(!cli.bundle("demo").join("disk6.img").exists() && cli.config("demo") == before);
}

/// The offer of the chip.
fn offer(cli: &Cli, name: &str) -> Value {
    let list = cli.json(&["vm", "hardware", "list", name]);
    list["offers"].as_array().unwrap().iter().find(|offer| offer["device"] == "tpm").unwrap().clone()
}

#[test]
fn the_chip_is_offered_where_it_can_be_had_and_else_the_reason_is_a_line() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "new"]);
    cli.ok(&["vm", "create", "old", "--firmware", "bios"]);
    assert_eq!(offer(&cli, "new")["can_be_added"], true);
    let refused = offer(&cli, "old");
    assert_eq!(
        (&refused["can_be_added"], &refused["code"]),
        (&false.into(), &"SIG_ERR_TPM_LEGACY_BIOS".into())
    );
    let text = cli.ok(&["vm", "hardware", "list", "old"]);
    assert!(text.contains("tpm          not: it starts from a legacy BIOS"), "{text}");
    cli.ok(&["vm", "hardware", "add", "tpm", "new"]);
    assert_eq!(offer(&cli, "new")["code"], "SIG_ERR_TPM_EXISTS");
    assert!(cli.ok(&["vm", "hardware", "list", "new"]).contains("TPM 2.0, crb, pc-client"));
}

#[test]
fn the_administrators_policy_decides_who_gets_a_chip_and_of_what_kind() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    cli.host("[tpm]\nguests = [\"windows-11\"]\ncipher = \"aes-256\"\nprofile = \"ptp-1.07\"\n");
    let error = cli.refused(&["tpm", "add", "demo"], "SIG_ERR_TPM_POLICY");
    assert!(error.contains("lets only these guest types have one: windows-11; this is linux"), "{error}");
    assert!(error.contains("host.toml"), "{error}");
    let refused = offer(&cli, "demo");
    assert_eq!(refused["code"], "SIG_ERR_TPM_POLICY");
    assert!(cli.json(&["keychain", "list"]).as_array().unwrap().is_empty());
    cli.ok(&["vm", "create", "win", "--guest", "windows-11", "--no-recovery-code"]);
    assert!(cli.config("win").contains("profile = \"ptp-1.07\""));
    assert_eq!(cli.json(&["tpm", "key", "list", "win"])["cipher"], "AES-256-GCM");
    for weaker in [["--cipher", "aes-128"], ["--tpm-profile", "libtpms"]] {
        let output = cli.run(&[&["vm", "create", "weak", "--guest", "windows-11"], &weaker[..]].concat());
        assert!(String::from_utf8_lossy(&output.stderr).contains("SIG_ERR_TPM_POLICY"), "{output:?}");
        assert!(!cli.bundle("weak").exists());
    }
    cli.host("[tpm]\nmay_add = false\n");
    assert!(!cli.run(&["availability"]).status.success());
    cli.refused(&["vm", "hardware", "add", "tpm", "demo"], "SIG_ERR_TPM_POLICY");
    cli.host("[tpm]\nhosts = [\"somewhere else\"]\n");
    cli.refused(&["tpm", "add", "demo"], "SIG_ERR_TPM_POLICY");
    cli.host("[tpm]\nguests = [\"dos\"]\n");
    cli.refused(&["tpm", "add", "demo"], "SIG_ERR_HOST_CONFIG");
    assert!(!cli.config("demo").contains("[tpm]"));
}

#[test]
fn a_host_whose_qemu_has_no_tpm_is_told_so_before_a_chip_is_made() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    let bin = cli.dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let qemu = bin.join("qemu-system-x86_64");
    fs::write(&qemu, "#!/bin/sh\necho 'There are no TPM backend types'\n").unwrap();
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let run = |args: &[&str]| cli.command(args).env("PATH", &path).output().unwrap();
    let error = said(&run(&["tpm", "add", "demo"]), "SIG_ERR_TPM_UNAVAILABLE");
    assert!(
        error.contains("built without TPM emulator") && error.contains("sigillo availability"),
        "{error}"
    );
    assert!(!cli.config("demo").contains("[tpm]"));
    let output = run(&["availability", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let needs = report["host"].as_array().unwrap();
    assert!(needs.iter().any(|need| need["what"] == "tpm-emulator" && need["met"] == false), "{report}");
    assert_eq!((output.status.code(), &report["tpm"]), (Some(1), &false.into()));
}

#[test]
fn availability_tells_of_this_host_and_of_the_articles_product() {
    let cli = Cli::new();
    let text = cli.ok(&["availability"]);
    for words in ["tpm-emulator    here", "keychain        here", "virtual TPM 2.0", "by hand"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let product = |version, edition, chip| {
        ["availability", "--product-version", version, "--edition", edition, "--chip", chip]
    };
    let text = cli.ok(&product("17.1.0", "standard", "apple-m1"));
    assert!(text.contains("yes        from version 17 on every edition"), "{text}");
    let output = cli.run(&product("16.5.2", "standard", "intel"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("upgrade to 17"));
    let report = cli.json(&product("1.7.0", "app-store", "intel"));
    let by_hand =
        report["features"].as_array().unwrap().iter().find(|one| one["feature"] == "move-by-hand").unwrap();
    assert_eq!((&report["tpm"], &by_hand["available"]), (&true.into(), &false.into()));
    assert_eq!(cli.run(&["availability", "--chip", "intel"]).status.code(), Some(2));
    assert_eq!(cli.run(&product("seventeen", "standard", "intel")).status.code(), Some(2));
}

#[test]
fn a_removed_chip_leaves_a_backup_and_its_record_and_comes_back() {
    let cli = Cli::new();
    cli.ok(&["vm", "create", "demo"]);
    cli.refused(&["tpm", "remove", "demo", "--yes"], "SIG_ERR_TPM_NONE");
    cli.ok(&["tpm", "add", "demo", "--tpm-interface", "tis"]);
    let store = cli.bundle("demo").join("tpm.store");
    let bytes = fs::read(&store).unwrap();
    let before = cli.config("demo");
    let output = cli.run(&["tpm", "remove", "demo"]);
    let warned = String::from_utf8_lossy(&output.stderr).into_owned();
    said(&output, "SIG_ERR_NOT_CONFIRMED");
    assert!(warned.contains("BitLocker") && warned.contains("LUKS"), "{warned}");
    assert!(cli.config("demo") == before && store.exists());

    let said = cli.ok(&["tpm", "remove", "demo", "--yes"]);
    for words in ["no TPM any more", "restore-backup", "Sigillo.vTPM.{", "Secure Boot stays on"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!store.exists() && cli.json(&["vm", "info", "demo"])["tpm"] == "none");
    assert_eq!(cli.json(&["keychain", "list"]).as_array().unwrap().len(), 1);
    let audited = cli.ok(&["audit", "show"]);
    assert!(audited.contains("tpm-removed") && audited.contains("backup-made"), "{audited}");
    cli.ok(&["audit", "verify"]);
    assert!(cli.ok(&["tpm", "restore-backup", "demo", "--list"]).contains("here"));
    cli.ok(&["tpm", "restore-backup", "demo"]);
    assert_eq!(fs::read(&store).unwrap(), bytes);
    assert_eq!(cli.config("demo"), before);

    // And out of the list of hardware, with another chip in its place.
    let report = cli.run(&["vm", "hardware", "remove", "demo", "tpm"]);
    assert_eq!(report.status.code(), exit::status("SIG_ERR_NOT_CONFIRMED"));
    cli.ok(&["vm", "hardware", "remove", "demo", "tpm", "--yes"]);
    cli.ok(&["tpm", "add", "demo"]);
    assert_ne!(fs::read(&store).unwrap(), bytes);
    cli.ok(&["tpm", "restore-backup", "demo"]);
    assert_eq!(fs::read(&store).unwrap(), bytes);
}

/// A loop device on a file, where this user may make one.
struct Loop(String);

impl Loop {
    /// `None` where the system gives none, as in many containers.
    fn on(file: &Path) -> Option<Self> {
        let output =
            Command::new("losetup").args(["--find", "--show", "--read-only"]).arg(file).output().unwrap();
        let name = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        output.status.success().then_some(Self(name))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}

#[test]
fn a_file_is_no_disk_to_import() {
    let cli = Cli::new();
    let image = cli.dir.path().join("image");
    fs::write(&image, "x").unwrap();
    for (path, says) in [
        (image.to_str().unwrap(), "`--disk` takes image files"),
        ("/dev/null", "not a disk"),
        ("/none", "No such file"),
    ] {
        let error = cli.refused(&["vm", "create", "demo", "--import-disk", path], "SIG_ERR_VM_IMPORT_DISK");
        assert!(error.contains(says), "{error}");
    }
    assert!(!cli.bundle("demo").exists());
}

#[test]
fn a_disk_of_the_host_is_refused_the_chip_and_imported_into_an_ordinary_vm() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        // Only root makes block devices; the tests of CI run as root.
        return;
    }
    let cli = Cli::new();
    let image = cli.dir.path().join("disk");
    let mut bytes = vec![0; 3 << 20];
    bytes[..4].copy_from_slice(b"boot");
    bytes[(2 << 20) + 1] = 9;
    fs::write(&image, &bytes).unwrap();
    // A block device by another name is not to be had.
    let Some(device) = Loop::on(&image) else { return };
    cli.ok(&["vm", "create", "bootcamp", "--disk", &device.0]);
    let error = cli.refused(&["tpm", "add", "bootcamp"], "SIG_ERR_TPM_PHYSICAL_DISK");
    let offered = format!("sigillo vm create NAME --import-disk {}", device.0);
    assert!(error.contains(&offered), "{error}");
    assert_eq!(offer(&cli, "bootcamp")["code"], "SIG_ERR_TPM_PHYSICAL_DISK");
    let report = cli.json(&["vm", "check", "bootcamp", "--windows-11"]);
    assert!(report["checks"][2]["cannot_fix"].as_str().unwrap().contains("--import-disk"), "{report}");
    cli.refused(&["vm", "check", "bootcamp", "--windows-11", "--fix"], "SIG_ERR_VM_CHECK");
    let error = cli.refused(&["vm", "import", &device.0], "SIG_ERR_VM_IMPORT_DISK");
    assert!(error.contains(&offered) && !error.contains("not a file"), "{error}");
    let text = String::from_utf8(cli.run(&["doctor", "bootcamp"]).stdout).unwrap();
    assert!(text.contains(&offered), "{text}");
    let options = ["--guest", "windows-10", "--import-disk", device.0.as_str()];
    let output = cli.run(&[&["vm", "create", "ordinary"], &options[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no EFI system partition"));
    assert_eq!(fs::read(cli.bundle("ordinary").join("disk0.img")).unwrap(), bytes);
    cli.ok(&["tpm", "add", "ordinary", "--no-recovery-code"]);
    // The other way round: a disk of the host does not come to a VM that has its chip.
    let add = ["vm", "hardware", "add", "disk", "ordinary", "--image", device.0.as_str()];
    cli.refused(&add, "SIG_ERR_TPM_PHYSICAL_DISK");
    // Windows 11 on the host's disk is not made at all.
    cli.refused(
        &["vm", "create", "eleven", "--guest", "windows-11", "--disk", &device.0],
        "SIG_ERR_TPM_PHYSICAL_DISK",
    );
    assert!(!cli.bundle("eleven").exists());
}
