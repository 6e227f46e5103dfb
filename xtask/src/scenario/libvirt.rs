//! The main job under libvirt, in two boots: sealed, unsealed after a start; suspended and resumed in between; what is refused;
//! and what libvirt knows of the VM when it is gone.
use super::{BOOT, FIRST, QUICK, Setup, alive, boot, contains, life, random_text, tail, without_record};
use crate::{
    guest::{DataDisk, Guest},
    report::{Report, Summary},
    sh::{self, Result},
    steps::Daemon,
};
use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

/// Runs the whole story.
pub(crate) fn run(
    setup: &Setup,
    daemon: &Daemon,
    guest: &Guest,
    report: &mut Report,
    summary: &mut Summary,
) -> Result<()> {
    let result = story(setup, daemon, guest, report, summary);
    if result.is_err() {
        println!("{}", tail(&setup.serial().unwrap_or_default()));
        setup.force_off();
    }
    result
}

fn story(
    setup: &Setup,
    daemon: &Daemon,
    guest: &Guest,
    report: &mut Report,
    summary: &mut Summary,
) -> Result<()> {
    let uuid = create(setup, daemon, guest, report)?;
    let doctor = sh::output_within(&mut setup.sigillo(&["doctor", &setup.name, "--json"]), QUICK)?;
    let well = doctor.stdout.contains("SIG_NOTE_LIBVIRT") && !doctor.stdout.contains("SIG_ERR_LIBVIRT");
    report.check("doctor finds libvirt in order", well, doctor.stdout.trim());
    foreign(setup, daemon, &uuid, report)?;

    println!("first boot");
    let (secret, nv, nonce) = (random_text("secret")?, random_text("nv")?, random_text("nonce")?);
    let first = boot(setup, report, "first", FIRST, &nonce, &[("secret", &secret), ("nv", &nv)])?;
    let off = daemon.virsh(&["domstate", &uuid])? == "shut off" && setup.info()?["status"] == "stopped";
    let off = report.check("the guest has powered its domain off", off, "");
    summary.row("guest under libvirt", first.ok && off, "Secure Boot, its TPM behind the backend `external`");
    let refused = without_record(setup, report)?;
    let none = daemon.virsh(&["domstate", &uuid])? == "shut off";
    report.check("without the record libvirt was not asked", none, "");
    summary.row("start without keychain record", refused.0 && none, refused.1);

    println!("second boot, in the background");
    setup.data_disk(&[("mode", b"idle")])?;
    setup.boot_until("G: idle")?;
    let mut ok = life::said(setup, report, "before it is suspended", life::OPEN)?;
    ok &= running(setup, daemon, &uuid, report)?;
    ok &= suspended(setup, daemon, &uuid, report)?;
    println!("  the guest uses what it had open");
    let stop = sh::output_within(&mut setup.sigillo(&["vm", "stop", &setup.name, "--timeout", "150"]), BOOT)?;
    ok &= report.check(
        "vm stop shuts the guest down",
        stop.stdout.contains("has shut down"),
        stop.stderr.trim(),
    );
    ok &= life::said(setup, report, "after it was resumed", life::SAME)?;
    let disk = sh::read_file(&setup.bundle().join("disk1.img"))?;
    ok &= report.check("the secret of the first boot unseals in the second", contains(&disk, &secret), "");
    let left = worker(setup)?;
    ok &= report.check("no process of the TPM is left", left.is_none(), format!("{left:?}"));
    summary.row(
        "start, suspend, resume, stop",
        ok,
        "the secret of the first boot unseals; key, session and PCR as before",
    );

    let snapshot =
        sh::output_within(&mut setup.sigillo(&["vm", "snapshot", "create", &setup.name, "off"]), QUICK)?;
    report.check("a snapshot of the VM that is off", snapshot.status.success(), snapshot.stderr.trim());
    gone(setup, daemon, &uuid, report, summary)
}

fn create(setup: &Setup, daemon: &Daemon, guest: &Guest, report: &mut Report) -> Result<String> {
    println!("making the VM");
    let data = setup.dir.join("data.img");
    DataDisk::create(&data)?;
    let (boot, data) = (guest.boot.to_string_lossy().into_owned(), data.to_string_lossy().into_owned());
    let (name, uri) = (setup.name.as_str(), daemon.uri());
    let mut args = vec!["vm", "create", name, "--guest", "linux", "--disk", &boot, "--disk", &data];
    args.extend(["--memory", "512", "--cpus", "1", "--hypervisor", "libvirt", "--libvirt-uri", &uri]);
    sh::read(&mut setup.sigillo(&args))?;
    let args = ["tpm", "add", name, "--tpm-interface", &setup.interface, "--secure-boot-keys", "snakeoil"];
    print!("{}", sh::read(&mut setup.sigillo(&args))?);
    let info = setup.info()?;
    let off = info["status"] == "stopped" && info["hypervisor"] == "libvirt";
    report.check("vm info says that it is off, and whose it is", off, "");
    info["uuid"].as_str().map(str::to_owned).ok_or_else(|| "vm info names no UUID".to_owned())
}

/// A domain of the VM's UUID that somebody else made is left alone.
fn foreign(setup: &Setup, daemon: &Daemon, uuid: &str, report: &mut Report) -> Result<()> {
    let file = setup.dir.join("foreign.xml");
    let text = format!(
        "<domain type='qemu'><name>foreign</name><uuid>{uuid}</uuid><memory>65536</memory><os><type>hvm</type></os></domain>"
    );
    sh::write(&file, text)?;
    daemon.virsh(&["define", &file.to_string_lossy()])?;
    let before = daemon.virsh(&["dumpxml", uuid])?;
    let refused = sh::output_within(&mut setup.sigillo(&["vm", "start", &setup.name]), QUICK)?;
    let told = !refused.status.success() && refused.stderr.contains("SIG_ERR_LIBVIRT_DOMAIN");
    report.check("a domain that is not the VM's is not taken for it", told, refused.stderr.trim());
    report.check("nor changed", daemon.virsh(&["dumpxml", uuid])? == before, "");
    daemon.virsh(&["undefine", uuid]).map(drop)
}

/// The TPM's process, if it lives.
fn worker(setup: &Setup) -> Result<Option<u64>> {
    Ok(setup.info()?["tpm_pid"].as_u64().filter(|pid| alive(*pid)))
}

/// What a running VM is to sigillo, to libvirt and to other users.
fn running(setup: &Setup, daemon: &Daemon, uuid: &str, report: &mut Report) -> Result<bool> {
    let info = setup.info()?;
    let mut ok =
        report.check("vm info says running", info["status"] == "running", info["accel_reason"].to_string());
    let listed = sh::read(&mut setup.sigillo(&["vm", "list"]))?;
    ok &=
        report.check("vm list shows it", listed.contains("running") && listed.contains(&setup.name), listed);
    for (args, code) in [
        (vec!["vm", "start", &setup.name], "SIG_ERR_VM_RUNNING"),
        (vec!["vm", "delete", &setup.name, "--yes"], "SIG_ERR_VM_RUNNING"),
        (vec!["tpm", "remove", &setup.name, "--yes"], "SIG_ERR_VM_RUNNING"),
    ] {
        let said = sh::output_within(&mut setup.sigillo(&args), QUICK)?;
        ok &= report.check(
            format!("{} {} is refused", args[0], args[1]),
            said.stderr.contains(code),
            said.stderr.trim(),
        );
    }
    let domain = daemon.virsh(&["dumpxml", uuid])?;
    let external = domain.contains("<backend type='external'>");
    ok &= report.check("libvirt knows its TPM as an external one", external, "");
    let failed = |e: std::io::Error| e.to_string();
    let disk = std::fs::metadata(setup.bundle().join("disk0.img")).map_err(failed)?;
    let private = disk.uid() != 0 && disk.permissions().mode() & 0o077 == 0;
    ok &= report.check("its disk is QEMU's user's alone", private, format!("user {}", disk.uid()));
    for dir in [setup.bundle(), setup.bundle().join("run")] {
        let mode = std::fs::metadata(&dir).map_err(failed)?.permissions().mode() & 0o777;
        ok &= report.check(
            format!("{} can be passed, not listed", dir.display()),
            mode == 0o710,
            format!("{mode:o}"),
        );
    }
    let logged = daemon.logs_into(&setup.bundle().join("run/serial.log"));
    ok &= report.check("virtlogd writes the serial log", logged, "");
    let socket = setup.bundle().join("run/tpm.sock");
    ok &= report.check("no socket of the TPM is left for others", !socket.exists(), "");
    for (verb, status) in [("pause", "paused"), ("unpause", "running")] {
        let said = sh::output_within(&mut setup.sigillo(&["vm", verb, &setup.name]), QUICK)?;
        let now = setup.info()?["status"].clone();
        ok &= report.check(format!("vm {verb}"), said.status.success() && now == status, said.stderr.trim());
    }
    Ok(ok)
}

/// Suspended in the middle of which the command is killed, and once more in peace; then resumed.
fn suspended(setup: &Setup, daemon: &Daemon, uuid: &str, report: &mut Report) -> Result<bool> {
    let mut command = setup.sigillo(&["vm", "suspend", &setup.name]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|e| e.to_string())?;
    let memory = setup.bundle().join(".suspended.new/memory");
    let end = Instant::now() + QUICK;
    while !memory.exists() && Instant::now() < end && child.try_wait().map_err(|e| e.to_string())?.is_none() {
        thread::sleep(Duration::from_millis(5));
    }
    // It may be through already.
    let _ = child.kill();
    child.wait().map_err(|e| e.to_string())?;
    // libvirt goes on by itself, or has given up.
    while daemon.virsh(&["domstate", uuid])? == "paused" && Instant::now() < end {
        thread::sleep(Duration::from_millis(100));
    }
    let status = setup.info()?["status"].clone();
    let mut ok = report.check(
        "kill -9 of vm suspend: the VM is suspended or runs",
        status == "suspended" || status == "running",
        status.to_string(),
    );
    if status == "suspended" {
        life::start(setup, report, "what libvirt had saved by itself is gone on from", "resume")?;
    }
    let before = worker(setup)?;
    let suspend = sh::output_within(&mut setup.sigillo(&["vm", "suspend", &setup.name]), QUICK)?;
    ok &= report.check("vm suspend", suspend.status.success(), suspend.stderr.trim());
    let left = before.filter(|pid| alive(*pid));
    let off = daemon.virsh(&["domstate", uuid])? == "shut off" && before.is_some() && left.is_none();
    ok &= report.check("no process of the suspended VM is left", off, format!("{left:?}"));
    ok &= report.check("vm info says suspended", setup.info()?["status"] == "suspended", "");
    let mode = std::fs::metadata(setup.bundle().join("suspended/memory")).map_err(|e| e.to_string())?;
    let mode = mode.permissions().mode() & 0o777;
    ok &= report.check("the saved memory has mode 0600", mode == 0o600, format!("{mode:o}"));
    let missing = {
        let (here, away) = (setup.keychain(), setup.dir.join("keychain.away"));
        std::fs::rename(&here, &away).map_err(|e| e.to_string())?;
        let said = sh::output_within(&mut setup.sigillo(&["vm", "resume", &setup.name]), QUICK);
        if here.exists() {
            std::fs::remove_dir_all(&here).map_err(|e| e.to_string())?;
        }
        std::fs::rename(&away, &here).map_err(|e| e.to_string())?;
        said?
    };
    let told = missing.stderr.contains("SIG_ERR_TPM_RECORD_MISSING");
    ok &= report.check("without the record it is not resumed", told, missing.stderr.trim());
    life::start(setup, report, "vm resume goes on", "resume")?;
    Ok(ok)
}

/// Deleted, with all that libvirt knew of it.
fn gone(
    setup: &Setup,
    daemon: &Daemon,
    uuid: &str,
    report: &mut Report,
    summary: &mut Summary,
) -> Result<()> {
    let known = daemon.virsh(&["list", "--all", "--uuid"])?.contains(uuid);
    report.check("libvirt keeps the domain of a VM that is off", known, "");
    let name = setup.name.as_str();
    let renamed = sh::output_within(&mut setup.sigillo(&["vm", "rename", name, "other"]), QUICK)?;
    let forgotten = renamed.status.success() && !daemon.virsh(&["list", "--all", "--uuid"])?.contains(uuid);
    report.check("a VM that is renamed leaves no domain of the old name", forgotten, renamed.stderr.trim());
    sh::read(&mut setup.sigillo(&["vm", "rename", "other", name]))?;
    let start = sh::output_within(&mut setup.sigillo(&["vm", "start", name]), QUICK)?;
    let again = start.status.success() && daemon.virsh(&["domstate", uuid])? == "running";
    report.check("the next start makes it anew", again, start.stderr.trim());
    let stop = sh::output_within(&mut setup.sigillo(&["vm", "stop", "--force", name]), QUICK)?;
    report.check("vm stop --force ends it", stop.stdout.contains("was ended"), stop.stderr.trim());
    setup.delete()?;
    let left = daemon.virsh(&["list", "--all", "--uuid"])?;
    let gone = report.check("vm delete takes the domain away", left.is_empty() && !setup.exists(), left);
    summary.row("vm delete", gone, "no domain is left in libvirt");
    Ok(())
}
