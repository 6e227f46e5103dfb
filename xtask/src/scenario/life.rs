//! A guest with a session begun, a key loaded and a PCR extended: suspended, resumed; changed; taken back to when it was suspended,
//! and resumed once more.
use super::{BOOT, QUICK, Setup, alive, tail, verdict};
use crate::{
    report::{Report, Summary},
    sh::{self, Result},
};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

pub(super) const OPEN: &[&str] = &["open_key", "open_session", "open_pcr", "open_counter"];
pub(super) const SAME: &[&str] =
    &["same_key", "same_pcr", "same_counter", "disk_then", "same_session", "change"];
const SNAPSHOT: &str = "suspended";

/// Runs the story on a guest that idles. It is resumed and idles again when this returns; its processes.
pub(super) fn run(
    setup: &Setup,
    report: &mut Report,
    summary: &mut Summary,
    secret: &[u8],
) -> Result<Vec<u64>> {
    let name = setup.name.as_str();
    said(setup, report, "before", OPEN)?;
    let machine = String::from_utf8_lossy(&sh::read_file(&setup.bundle().join("vm.toml"))?).into_owned();
    if machine.contains("bus = \"nvme\"") {
        return immovable(setup, report, summary);
    }
    killed(setup, report)?;
    full(setup, report)?;

    let before = pids(setup)?;
    let suspend = sh::output_within(&mut setup.sigillo(&["vm", "suspend", name]), QUICK)?;
    let mut ok = report.check("vm suspend", suspend.status.success(), suspend.stderr.trim());
    let left: Vec<u64> = before.into_iter().filter(|pid| alive(*pid)).collect();
    ok &= report.check("no process of the suspended VM is left", left.is_empty(), format!("{left:?}"));
    ok &= report.check("vm info says suspended", setup.info()?["status"] == "suspended", "");
    ok &= private(setup, report, secret)?;
    ok &= refused(setup, report)?;
    ok &= killed_resuming(setup, report)?;

    let made = sh::output_within(&mut setup.sigillo(&["vm", "snapshot", "create", name, SNAPSHOT]), QUICK)?;
    let held = report.check("a snapshot of the suspended VM", made.status.success(), made.stderr.trim());
    start(setup, report, "vm resume goes on", "resume")?;
    println!("  the guest uses what it had open, then changes disk and TPM");
    off(setup)?;
    ok &= said(setup, report, "after it was resumed", SAME)?;
    summary.row("suspend, resume", ok, "all processes gone; key, session and PCR as they were after it");

    println!("  back to the snapshot");
    let disk = setup.bundle().join("disk1.img");
    let changed = contains_name(&sh::read_file(&disk)?);
    let mut back = held & report.check("the guest's change is on its disk", changed, "");
    let unsealed = sh::read_file(&disk)?.windows(secret.len()).any(|window| window == secret);
    back &= report.check("the session begun before unsealed the secret", unsealed, "");
    let args = ["vm", "snapshot", "revert", name, SNAPSHOT, "--yes"];
    let reverted = sh::output_within(&mut setup.sigillo(&args), QUICK)?;
    let told = reverted.status.success() && reverted.stdout.contains("counters and failed tries");
    back &=
        report.check("vm snapshot revert, which says what it does to the TPM", told, reverted.stderr.trim());
    back &= report.check("the disk is that of the snapshot", !contains_name(&sh::read_file(&disk)?), "");
    let list = sh::read(&mut setup.sigillo(&["vm", "snapshot", "list", name]))?;
    back &= report.check("what was there before is kept", list.contains("before-revert-"), "");
    // No flag: the host was told.
    start(setup, report, "the start policy agrees, and the guest goes on once more", "start")?;
    off(setup)?;
    back &= said(setup, report, "after the revert", SAME)?;
    summary.row(
        "snapshot, change, revert",
        back,
        "disk, NV counter, PCR, key and session are those of the snapshot",
    );

    println!("  and once more, to be shut down by the power button");
    let reverted = sh::output_within(&mut setup.sigillo(&args), QUICK)?;
    report.check(
        "a snapshot is good for more than one revert",
        reverted.status.success(),
        reverted.stderr.trim(),
    );
    start(setup, report, "the guest goes on a third time", "resume")?;
    pids(setup)
}

/// A machine with a device that QEMU cannot save: it says so, and runs on.
fn immovable(setup: &Setup, report: &mut Report, summary: &mut Summary) -> Result<Vec<u64>> {
    let said = sh::output_within(&mut setup.sigillo(&["vm", "suspend", &setup.name]), QUICK)?;
    let told = said.stderr.contains("SIG_ERR_VM_SUSPEND") && said.stderr.contains("on NVMe cannot");
    let ok = report.check("a guest on NVMe is not suspended, and told why", told, said.stderr.trim());
    let runs = report.check("it runs on", setup.info()?["status"] == "running", "");
    summary.row(
        "suspend",
        ok && runs,
        "refused for disks on NVMe, which QEMU cannot save; the guest runs on",
    );
    pids(setup)
}

/// Ends `vm suspend` or `vm resume` with kill -9 after a while; what the VM does then.
fn kill_in(setup: &Setup, verb: &str, wait_ms: u64) -> Result<String> {
    let mut command = setup.sigillo(&["vm", verb, &setup.name]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|e| e.to_string())?;
    thread::sleep(Duration::from_millis(wait_ms));
    // It may be through already.
    let _ = child.kill();
    child.wait().map_err(|e| e.to_string())?;
    // QEMU sees the end of the pipe with the next byte that it wants to move; on a busy machine that takes a while, and then the
    // TPM's process ends after it.
    let end = Instant::now() + QUICK;
    loop {
        thread::sleep(Duration::from_secs(2));
        let status = setup.info()?["status"].as_str().unwrap_or_default().to_owned();
        if status != "suspended" || !is_open(&setup.bundle().join("tpm.store")) || Instant::now() >= end {
            return Ok(status);
        }
    }
}

/// Whether some process has the file open.
fn is_open(file: &Path) -> bool {
    let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut open =
        entries(Path::new("/proc")).flat_map(|process| entries(&process.join("fd")).collect::<Vec<_>>());
    open.any(|fd| fs::read_link(fd).is_ok_and(|target| target == file))
}

/// kill -9 in the middle of suspending: the guest runs on, is held, or is suspended.
fn killed(setup: &Setup, report: &mut Report) -> Result<()> {
    for wait_ms in [60, 300, 700, 1200] {
        let status = kill_in(setup, "suspend", wait_ms)?;
        let again = match status.as_str() {
            "running" => Ok(String::new()),
            _ => sh::read(&mut setup.sigillo(&["vm", "resume", &setup.name])),
        };
        let runs = again.is_ok() && setup.info()?["status"] == "running";
        report.check(
            format!("kill -9 of vm suspend after {wait_ms} ms loses nothing"),
            runs,
            format!("{status}; {}", again.err().unwrap_or_default()),
        );
    }
    Ok(())
}

/// kill -9 in the middle of resuming: the VM is suspended as before, held, or runs. It is suspended when this returns.
fn killed_resuming(setup: &Setup, report: &mut Report) -> Result<bool> {
    let mut all = true;
    for wait_ms in [100, 400, 900, 1500] {
        let status = kill_in(setup, "resume", wait_ms)?;
        let again = match status.as_str() {
            "suspended" => Ok(String::new()),
            _ => sh::read(&mut setup.sigillo(&["vm", "suspend", &setup.name])),
        };
        let saved = again.is_ok() && setup.info()?["status"] == "suspended";
        all &= report.check(
            format!("kill -9 of vm resume after {wait_ms} ms loses nothing"),
            saved,
            format!("{status}; {}", again.err().unwrap_or_default()),
        );
    }
    Ok(all)
}

/// A disk that takes no more: the guest runs on.
fn full(setup: &Setup, report: &mut Report) -> Result<()> {
    let mut command = setup.sigillo(&["vm", "suspend", &setup.name]);
    let mut limited = Command::new("sh");
    // Files end at 4 MiB, as where the disk is full.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\""]).arg(&setup.sigillo);
    limited.args(command.get_args());
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    command = limited;
    let said = sh::output_within(&mut command, QUICK)?;
    let told = said.stderr.contains("SIG_ERR_VM_SUSPEND") && said.stderr.contains("The guest runs on");
    let runs = told && setup.info()?["status"] == "running";
    report.check("a full disk: the guest is not suspended and runs on", runs, said.stderr.trim());
    let left = setup.bundle().join(".suspended.new").exists() || setup.bundle().join("suspended").exists();
    report.check("nothing of it is left", !left, "");
    Ok(())
}

/// The saved state is for its owner alone and holds nothing of the TPM in plain.
fn private(setup: &Setup, report: &mut Report, secret: &[u8]) -> Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    let path = setup.bundle().join("suspended/memory");
    let mode = std::fs::metadata(&path).map_err(|e| e.to_string())?.permissions().mode() & 0o777;
    let ok = report.check("the saved memory has mode 0600", mode == 0o600, format!("{mode:o}"));
    // This guest has not unsealed it since it was started, so it could be there from the TPM alone.
    let found = sh::read_file(&path)?.windows(secret.len()).any(|window| window == secret);
    Ok(report.check("the sealed secret is not in it", !found, "") && ok)
}

/// A disk that was changed behind the suspended guest's back, and a store that is another one.
fn refused(setup: &Setup, report: &mut Report) -> Result<bool> {
    let failed = |e: std::io::Error| e.to_string();
    let disk = setup.bundle().join("disk1.img");
    let file = std::fs::OpenOptions::new().write(true).open(&disk).map_err(failed)?;
    let modified = file.metadata().and_then(|found| found.modified()).map_err(failed)?;
    file.set_modified(modified + Duration::from_secs(1)).map_err(failed)?;
    let resume = |code: &str| -> Result<bool> {
        let said = sh::output_within(&mut setup.sigillo(&["vm", "resume", &setup.name]), QUICK)?;
        Ok(!said.status.success() && said.stderr.contains(code) && said.stderr.contains("--discard"))
    };
    let mut ok = report.check("a changed disk is refused", resume("SIG_ERR_VM_SAVED_DISK")?, "");
    file.set_modified(modified).map_err(failed)?;
    let store = setup.bundle().join("tpm.store");
    let away = setup.dir.join("tpm.store.away");
    std::fs::rename(&store, &away).map_err(failed)?;
    // The store as it was when the TPM was added: older than any that the guest knows.
    std::fs::copy(setup.dir.join("tpm.store.first"), &store).map_err(failed)?;
    ok &= report.check("an older store is refused", resume("SIG_ERR_VM_SAVED_STORE")?, "");
    std::fs::rename(&away, &store).map_err(failed)?;
    Ok(ok)
}

fn pids(setup: &Setup) -> Result<Vec<u64>> {
    let info = setup.info()?;
    Ok(["qemu_pid", "tpm_pid"].iter().filter_map(|key| info[*key].as_u64()).collect())
}

pub(super) fn start(setup: &Setup, report: &mut Report, what: &str, verb: &str) -> Result<()> {
    let output = sh::output_within(&mut setup.sigillo(&["vm", verb, &setup.name]), QUICK)?;
    let runs = output.status.success() && setup.info()?["status"] == "running";
    if report.check(what, runs, output.stderr.trim()) { Ok(()) } else { Err(output.stderr) }
}

/// Presses the power button, on which the guest does its part, and waits for the end.
fn off(setup: &Setup) -> Result<()> {
    let args = ["vm", "stop", &setup.name, "--timeout", "150"];
    sh::output_within(&mut setup.sigillo(&args), BOOT)?;
    setup.wait_off(QUICK)
}

/// The guest's checks on its console: these, and all of them well.
pub(super) fn said(setup: &Setup, report: &mut Report, when: &str, expected: &[&str]) -> Result<bool> {
    let serial = setup.serial()?;
    let seen: Vec<(String, bool)> = serial.lines().filter_map(verdict).collect();
    let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
    let right = names == expected && seen.iter().all(|(_, ok)| *ok);
    if !right {
        println!("{}", tail(&serial));
    }
    Ok(report.check(format!("the guest's checks {when}"), right, format!("{seen:?}")))
}

/// A FAT directory's entry of the file that the guest makes, which it has in no older disk.
fn contains_name(disk: &[u8]) -> bool {
    disk.windows(11).any(|window| window == b"CHANGED    ")
}
