//! The main job, from outside: a VM made with the command line, booted under Secure Boot with its TPM, looked at from the
//! guest and from the host. The demo shows it; the tests run it on both interfaces.
mod clones;
mod libvirt;
mod life;

pub(crate) use libvirt::run as libvirt;

use crate::{
    guest::{DataDisk, Guest},
    report::{Report, Summary, hex},
    sh::{self, Result, cmd},
};
use sigillo_vm::eventlog::{Bank, EventLog, read_pcr_listing};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// Under TCG a boot takes 12 to 20 s on an idle machine, and two to three times that on a busy one.
const BOOT: Duration = Duration::from_secs(180);
const QUICK: Duration = Duration::from_secs(60);

const TPM_SIDE: &[&str] = &["secure_boot", "setup_mode_off", "tpm_driver", "pcr_read", "event_log"];
const FIRST: &[&str] = &[
    "getcap_fixed",
    "getcap_algorithms",
    "getcap_commands",
    "self_test",
    "get_random",
    "primary_ecc",
    "primary_rsa",
    "policy",
    "seal",
    "load",
    "persist",
    "unseal",
    "unseal_value",
    "create_ek",
    "create_ak",
    "persist_ak",
    "quote",
    "quote_evidence",
    "nv_define",
    "nv_write",
    "nv_read",
    "nv_value",
    "read_clock",
    "extend_16",
    "extend_7",
    "unseal_after_extend",
];
const SECOND: &[&str] = &["nv_read", "unseal", "quote", "quote_evidence"];
const CHANGED: &[&str] = &["nv_read", "unseal_refused"];

/// Where the scenario's things lie, and how its VM is made.
pub(crate) struct Setup {
    /// The command line under test.
    pub(crate) sigillo: PathBuf,
    /// A directory of the scenario's own: VMs, keychain.
    pub(crate) dir: PathBuf,
    /// The VM's name.
    pub(crate) name: String,
    /// `crb` or `tis`.
    pub(crate) interface: String,
}

type Pcrs = BTreeMap<(String, u32), Vec<u8>>;

impl Setup {
    /// The command line with the scenario's own homes.
    pub(crate) fn sigillo(&self, args: &[&str]) -> Command {
        let mut command = cmd(&self.sigillo, args);
        command.env("SIGILLO_HOME", self.dir.join("vms")).env("SIGILLO_KEYCHAIN_DIR", self.keychain());
        command
    }

    fn keychain(&self) -> PathBuf {
        self.dir.join("keychain")
    }

    fn bundle(&self) -> PathBuf {
        self.dir.join("vms").join(format!("{}.sigillo", self.name))
    }

    fn store(&self) -> Result<Vec<u8>> {
        sh::read_file(&self.bundle().join("tpm.store"))
    }

    fn info(&self) -> Result<serde_json::Value> {
        let text = sh::read(&mut self.sigillo(&["vm", "info", "--json", &self.name]))?;
        serde_json::from_str(&text).map_err(|e| format!("vm info: {e}"))
    }

    fn serial(&self) -> Result<String> {
        let info = self.info()?;
        let path = info["serial_log"].as_str().ok_or("vm info names no serial log")?;
        Ok(String::from_utf8_lossy(&sh::read_file(Path::new(path))?).replace('\r', ""))
    }

    fn put_boot_disk(&self, image: &Path) -> Result<()> {
        let disk = self.bundle().join("disk0.img");
        std::fs::copy(image, &disk).map(|_| ()).map_err(|e| format!("{}: {e}", disk.display()))
    }

    /// A fresh data disk for the next boot: nothing of an earlier one is on it.
    fn data_disk(&self, files: &[(&str, &[u8])]) -> Result<DataDisk> {
        let disk = DataDisk::create(&self.bundle().join("disk1.img"))?;
        for (name, bytes) in files {
            disk.put(name, bytes)?;
        }
        Ok(disk)
    }

    /// Starts in the foreground and waits until the guest has powered off. Returns its serial console.
    fn boot(&self) -> Result<String> {
        let started = Instant::now();
        let mut command = self.sigillo(&["vm", "start", "--foreground", &self.name]);
        let output = match sh::output_within(&mut command, BOOT) {
            Ok(output) => output,
            Err(e) => {
                self.force_off();
                return Err(format!("{e}\n{}", tail(&self.serial().unwrap_or_default())));
            }
        };
        if !output.status.success() {
            return Err(sh::failure(&command, &output));
        }
        println!("       {} ({} s)", output.stderr.trim(), started.elapsed().as_secs());
        self.serial()
    }

    /// Starts in the background.
    fn start(&self) -> Result<()> {
        sh::read(&mut self.sigillo(&["vm", "start", &self.name])).map(drop)
    }

    /// Starts in the background and waits until the console shows `text`.
    fn boot_until(&self, text: &str) -> Result<()> {
        self.start()?;
        self.console_shows(text)
    }

    fn console_shows(&self, text: &str) -> Result<()> {
        let end = Instant::now() + BOOT;
        while Instant::now() < end {
            if self.serial()?.contains(text) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(300));
        }
        Err(format!("the console never showed {text:?}:\n{}", tail(&self.serial()?)))
    }

    /// Waits until no process of it is left.
    fn wait_off(&self, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        while self.info()?["status"] != "stopped" {
            if Instant::now() > end {
                return Err(format!("the VM does not end:\n{}", tail(&self.serial()?)));
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Whether a VM of that name is there.
    pub(crate) fn exists(&self) -> bool {
        self.bundle().exists()
    }

    /// Deletes the VM, and the keychain record that goes with it.
    pub(crate) fn delete(&self) -> Result<()> {
        self.force_off();
        sh::read(&mut self.sigillo(&["vm", "delete", &self.name, "--yes", "--with-tpm", "--with-snapshots"]))
            .map(|_| ())
    }

    /// An empty data disk: the guest then gives a shell.
    pub(crate) fn leave_for_the_user(&self) -> Result<()> {
        self.data_disk(&[]).map(|_| ())
    }

    fn force_off(&self) {
        // Used after a failure that is reported already; a VM that is off is what is wanted.
        let _ = sh::output_within(&mut self.sigillo(&["vm", "stop", "--force", &self.name]), QUICK);
    }
}

/// What one boot left.
struct Boot {
    /// Every check in the guest held.
    ok: bool,
    disk: DataDisk,
    pcrs: Pcrs,
}

/// Runs the whole story. Every check goes to `report`, what a person wants to know to `summary`.
pub(crate) fn run(setup: &Setup, guest: &Guest, report: &mut Report, summary: &mut Summary) -> Result<()> {
    let result = story(setup, guest, report, summary);
    if result.is_err() {
        setup.force_off();
    }
    result
}

fn story(setup: &Setup, guest: &Guest, report: &mut Report, summary: &mut Summary) -> Result<()> {
    let interface = setup.interface.as_str();
    create(setup, guest, report, summary)?;
    let secret = random_text("secret")?;
    let nv = random_text("nv")?;

    println!("first boot");
    let nonce = random_text("nonce")?;
    let files = [("secret", &secret[..]), ("nv", &nv[..])];
    let first = boot(setup, report, "first", FIRST, &nonce, &files)?;
    summary.row(
        "guest",
        true,
        format!("Linux booted under Secure Boot: SecureBoot=1, driver tpm_{interface}"),
    );
    let replayed = replay(report, &first)?;
    summary.row("event log", replayed.is_ok(), replayed.unwrap_or_else(|why| why));
    let quoted = check_quote(setup, report, &first.disk, &nonce)?;
    summary.row("quote", quoted, "verified on the host with its nonce; refused with another");
    summary.row("secret sealed to PCRs 0-7", first.ok, "unseals; refused after an extend of PCR 7");

    let mut markers = vec![("the sealed secret", secret.clone()), ("the NV content", nv.clone())];
    markers.push(("the attestation key's modulus", modulus(setup, &first.disk)?));
    let clean = store_is_sealed(setup, report, &markers, &[&secret, &nv])?;
    summary.row("store file", clean, "none of secret, NV content, key modulus in it");

    let refused = without_record(setup, report)?;
    summary.row("start without keychain record", refused.0, refused.1);

    println!("second boot, after power-off");
    let nonce = random_text("nonce")?;
    let second = boot(setup, report, "second", SECOND, &nonce, &[])?;
    let unsealed =
        report.check("the second boot unseals the same secret", second.disk.get("unsealed")? == secret, "");
    summary.row("after power-off and second boot", unsealed && second.ok, "the same secret unseals");
    let kept = report.check("the NV index has its content", second.disk.get("nv.got")? == nv, "");
    summary.row("NV index", kept, "survived the power-off");
    check_quote(setup, report, &second.disk, &nonce)?;
    let differing = different(&first.pcrs, &second.pcrs);
    report.check(
        "PCRs 0-7 are those of the first boot",
        differing.is_empty(),
        format!("{differing:?} differ"),
    );

    if interface == "crb" {
        println!("two clones, beside each other");
        clones::run(setup, report, summary, &first, [&secret, &nv])?;
    }

    println!("third boot, with another kernel command line in the signed image");
    setup.put_boot_disk(&guest.boot_changed)?;
    let changed = boot(setup, report, "changed", CHANGED, &nonce, &[])?;
    let differing = different(&first.pcrs, &changed.pcrs);
    let only =
        report.check("the change shows in PCR 4 alone", differing == [4], format!("{differing:?} differ"));
    summary.row(
        "after a measured change",
        only && changed.ok,
        "PCR 4 differs; TPM2_Unseal refused, TPM_RC_POLICY_FAIL",
    );

    println!("fourth boot, with an unsigned image");
    setup.put_boot_disk(&guest.boot_unsigned)?;
    let denied = setup.boot_until("Access Denied");
    setup.force_off();
    let denied = report.succeeds("the firmware denies an unsigned image", denied).is_some();
    summary.row("unsigned image", denied, "Access Denied by the firmware");

    println!("fifth boot, the first image again, in the background");
    setup.put_boot_disk(&guest.boot)?;
    let stopped = idle(setup, report, summary, &secret)?;
    summary.row(
        "start, list, stop",
        stopped,
        "runs in the background; shut down by power button; no process left",
    );
    Ok(())
}

fn create(setup: &Setup, guest: &Guest, report: &mut Report, summary: &mut Summary) -> Result<()> {
    println!("making the VM");
    let boot = guest.boot.to_string_lossy().into_owned();
    let data = setup.dir.join("data.img");
    DataDisk::create(&data)?;
    let data = data.to_string_lossy().into_owned();
    let name = setup.name.as_str();
    // One of the two has what a VM with Windows has: Intel's network card, a screen, keyboard and tablet.
    let like = if setup.interface == "tis" { "windows-10" } else { "linux" };
    let mut args = vec!["vm", "create", name, "--guest", like, "--disk", &boot, "--disk", &data];
    args.extend(["--memory", "512", "--cpus", "1"]);
    if setup.interface == "tis" {
        // With which it cannot be suspended, and is told so.
        args.extend(["--disk-bus", "nvme"]);
    }
    let made = sh::read(&mut setup.sigillo(&args));
    report.succeeds("vm create", made.clone());
    made?;
    let args = ["tpm", "add", name, "--tpm-interface", &setup.interface, "--secure-boot-keys", "snakeoil"];
    let added = sh::read(&mut setup.sigillo(&args))?;
    print!("{added}");
    let first = setup.dir.join("tpm.store.first");
    sh::write(&first, setup.store()?)?;
    let said = added.contains("Secure Boot is on") && added.contains("Sigillo.vTPM.{");
    report.check("tpm add turns Secure Boot on and says so, and names the record", said, "");
    let again = sh::output(&mut setup.sigillo(&args))?;
    let refused = !again.status.success() && again.stderr.contains("SIG_ERR_TPM_EXISTS");
    report.check("a second tpm add is refused", refused, "");
    let listing = sh::read(&mut setup.sigillo(&["vm", "list", "-a"]))?;
    let row = listing.lines().find(|line| line.contains(&format!(" {name} "))).unwrap_or_default();
    let shown =
        row.starts_with('{') && row.contains("} ") && row.contains("stopped") && row.ends_with("encrypted");
    report.check("list -a shows it stopped, with an encrypted TPM", shown, row);
    summary.row("vm create, tpm add", said && shown, "TPM added, Secure Boot on, record in the keychain");
    Ok(())
}

/// One boot in which the guest does what `mode` says and powers off.
fn boot(
    setup: &Setup,
    report: &mut Report,
    mode: &str,
    expected: &[&str],
    nonce: &[u8],
    files: &[(&str, &[u8])],
) -> Result<Boot> {
    let hex = hex(nonce);
    let mut all: Vec<(&str, &[u8])> =
        vec![("mode", mode.as_bytes()), ("interface", setup.interface.as_bytes()), ("nonce", hex.as_bytes())];
    all.extend_from_slice(files);
    let disk = setup.data_disk(&all)?;
    let serial = setup.boot()?;
    let expected: Vec<&str> = TPM_SIDE.iter().chain(expected).copied().collect();
    let seen: Vec<(String, bool)> = serial.lines().filter_map(verdict).collect();
    for (name, ok) in &seen {
        if !report.check(format!("{mode} boot: {name}"), *ok, "") {
            println!("{}", tail(&serial));
        }
    }
    let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
    let done = serial.lines().any(|line| line.trim() == "G: done");
    let complete = report.check(
        format!("{mode} boot: the guest ran exactly its {} checks to the end", expected.len()),
        names == expected && done,
        if names == expected { String::new() } else { format!("{names:?}") },
    );
    if !complete {
        return Err(format!("the guest's console ended with:\n{}", tail(&serial)));
    }
    let pcrs = String::from_utf8_lossy(&disk.get("pcrs")?).into_owned();
    Ok(Boot { ok: seen.iter().all(|(_, ok)| *ok), disk, pcrs: read_pcr_listing(&pcrs) })
}

/// `T: name ok` or `T: name FAIL ...`.
fn verdict(line: &str) -> Option<(String, bool)> {
    let mut words = line.trim().strip_prefix("T: ")?.split(' ');
    Some((words.next()?.to_owned(), words.next() == Some("ok")))
}

/// Compares the guest's event log with the PCRs the TPM held, bank by bank, on the host. `Ok` and `Err` both carry what
/// the table shows.
fn replay(report: &mut Report, boot: &Boot) -> Result<std::result::Result<String, String>> {
    let log = match EventLog::parse(&boot.disk.get("eventlog")?) {
        Ok(log) => log,
        Err(e) => {
            report.check("the firmware's event log parses", false, e.to_string());
            return Ok(Err(e.to_string()));
        }
    };
    let mut shown = Vec::new();
    let mut all = true;
    for (id, _) in &log.algorithms {
        let Some(bank) = Bank::of(*id) else { continue };
        let held = |pcr: u32| boot.pcrs.get(&(bank.name().to_owned(), pcr));
        let replayed = log.replay(bank).unwrap_or_default();
        let wrong: Vec<u32> =
            replayed.iter().filter(|(pcr, value)| held(**pcr) != Some(*value)).map(|(p, _)| *p).collect();
        let covers = (0..=7).all(|pcr| replayed.contains_key(&pcr));
        let ok = report.check(
            format!("the event log replays to the {} PCRs the TPM holds", bank.name()),
            wrong.is_empty() && covers,
            format!("{} PCRs from {} events; different: {wrong:?}", replayed.len(), log.events.len()),
        );
        all &= ok;
        shown.push(format!("{} {}", replayed.len(), bank.name()));
    }
    all &=
        report.check("the SHA-256 bank was compared", shown.iter().any(|bank| bank.ends_with("sha256")), "");
    let text =
        format!("{} events replay on the host to the TPM's PCRs ({})", log.events.len(), shown.join(", "));
    Ok(if all { Ok(text) } else { Err(text) })
}

/// Verifies the guest's quote here, with the nonce that went in and with another one.
fn check_quote(setup: &Setup, report: &mut Report, disk: &DataDisk, nonce: &[u8]) -> Result<bool> {
    let dir = setup.dir.join("quote");
    sh::mkdir(&dir)?;
    for name in ["ak.pem", "q.msg", "q.sig", "q.pcrs"] {
        sh::write(&dir.join(name), disk.get(name)?)?;
    }
    let check = |nonce: &str| {
        let args = [
            "checkquote",
            "-u",
            "ak.pem",
            "-m",
            "q.msg",
            "-s",
            "q.sig",
            "-f",
            "q.pcrs",
            "-g",
            "sha256",
            "-q",
            nonce,
        ];
        sh::output(cmd("tpm2", args).current_dir(&dir))
    };
    let hex = hex(nonce);
    let right = check(&hex)?;
    let other = check(&hex.chars().rev().collect::<String>())?;
    let ok = report.check(
        "the quote verifies on the host, with its nonce",
        right.status.success(),
        right.stderr.trim(),
    );
    Ok(report.check("the quote does not verify with another nonce", !other.status.success(), "") && ok)
}

/// The public modulus of the attestation key: it lies in the TPM's state, so a store in plain would show it.
fn modulus(setup: &Setup, disk: &DataDisk) -> Result<Vec<u8>> {
    let pem = setup.dir.join("ak.pem");
    sh::write(&pem, disk.get("ak.pem")?)?;
    let text = sh::read(cmd("openssl", ["rsa", "-pubin", "-noout", "-modulus", "-in"]).arg(&pem))?;
    let hex = text.trim().strip_prefix("Modulus=").ok_or("openssl shows no modulus")?;
    (0..hex.len() / 2)
        .map(|i| {
            u8::from_str_radix(hex.get(2 * i..2 * i + 2).unwrap_or_default(), 16).map_err(|e| e.to_string())
        })
        .collect()
}

fn store_is_sealed(
    setup: &Setup,
    report: &mut Report,
    markers: &[(&str, Vec<u8>)],
    given: &[&[u8]],
) -> Result<bool> {
    let store = setup.store()?;
    let disk = sh::read_file(&setup.bundle().join("disk1.img"))?;
    // The same search has to find what lies in plain on the data disk, or its silence means nothing.
    let works = given.iter().all(|bytes| contains(&disk, bytes));
    report.check("the search finds the secrets where they do lie in plain", works, "on the data disk");
    let mut clean = works && store.len() > 4096;
    for (what, bytes) in markers {
        clean &= report.check(format!("the store file does not hold {what}"), !contains(&store, bytes), "");
    }
    Ok(clean)
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && all.windows(part.len()).any(|window| window == part)
}

/// Takes the keychain away, tries to start, puts it back.
fn without_record(setup: &Setup, report: &mut Report) -> Result<(bool, String)> {
    let (here, away) = (setup.keychain(), setup.dir.join("keychain.away"));
    let rename =
        |from: &Path, to: &Path| std::fs::rename(from, to).map_err(|e| format!("{}: {e}", from.display()));
    let before = setup.store()?;
    rename(&here, &away)?;
    let output = sh::output_within(&mut setup.sigillo(&["vm", "start", &setup.name]), QUICK);
    if here.exists() {
        std::fs::remove_dir_all(&here).map_err(|e| e.to_string())?;
    }
    rename(&away, &here)?;
    let output = output?;
    let said = output.stderr.trim().to_owned();
    let refused = !output.status.success()
        && said.contains("SIG_ERR_TPM_RECORD_MISSING")
        && said.contains("Sigillo.vTPM.{");
    let ok = report.check("without the keychain record the VM does not start and says why", refused, said);
    let same = report.check("the refused start left the store as it was", setup.store()? == before, "");
    Ok((ok && same, "refused with SIG_ERR_TPM_RECORD_MISSING; store untouched; record put back".to_owned()))
}

/// A VM in the background: listed as running, its chip fixed; suspended, resumed, taken to a snapshot and back; shut down by the
/// power button.
fn idle(setup: &Setup, report: &mut Report, summary: &mut Summary, secret: &[u8]) -> Result<bool> {
    setup.data_disk(&[("mode", b"idle")])?;
    setup.boot_until("G: idle")?;
    let info = setup.info()?;
    let mut ok =
        report.check("vm info says running", info["status"] == "running", info["accel_reason"].to_string());
    let pids: Vec<u64> = ["qemu_pid", "tpm_pid"].iter().filter_map(|key| info[*key].as_u64()).collect();
    ok &= report.check("QEMU and the TPM are two processes", pids.len() == 2, format!("{pids:?}"));
    let again = sh::output_within(&mut setup.sigillo(&["vm", "start", &setup.name]), QUICK)?;
    ok &= report.check("a second start is refused", again.stderr.contains("SIG_ERR_VM_RUNNING"), "");
    let gone = sh::output_within(&mut setup.sigillo(&["vm", "delete", &setup.name, "--yes"]), QUICK)?;
    ok &= report.check("deleting a running VM is refused", gone.stderr.contains("SIG_ERR_VM_RUNNING"), "");
    let pids = life::run(setup, report, summary, secret)?;
    let stop = sh::output_within(&mut setup.sigillo(&["vm", "stop", &setup.name, "--timeout", "150"]), BOOT)?;
    ok &= report.check(
        "vm stop shuts the guest down",
        stop.stdout.contains("has shut down"),
        stop.stdout.trim(),
    );
    let left: Vec<u64> = pids.into_iter().filter(|pid| alive(*pid)).collect();
    ok &= report.check("no process of the VM is left", left.is_empty(), format!("{left:?}"));
    ok &= report.check("vm info says stopped", setup.info()?["status"] == "stopped", "");
    Ok(ok)
}

/// Living and not merely waiting to be collected by its parent.
fn alive(pid: u64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

/// Which of PCRs 0-7 differ, in any bank both have.
fn different(a: &Pcrs, b: &Pcrs) -> Vec<u32> {
    let mut pcrs: Vec<u32> = a
        .iter()
        .filter(|((_, pcr), _)| *pcr < 8)
        .filter(|(key, value)| b.get(*key) != Some(*value))
        .map(|((_, pcr), _)| *pcr)
        .collect();
    pcrs.sort_unstable();
    pcrs.dedup();
    pcrs
}

fn random_text(what: &str) -> Result<Vec<u8>> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| format!("{what}: {e}"))?;
    // 32 characters: the size of the NV index.
    Ok(hex(&bytes).into_bytes())
}

fn tail(serial: &str) -> String {
    let lines: Vec<&str> = serial.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(25)).copied().collect::<Vec<_>>().join("\n")
}
