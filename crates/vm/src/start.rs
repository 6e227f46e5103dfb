//! Starting a VM: the TPM's process first, then the serial log's, then QEMU, then a look that all are well.
use crate::{
    accel::{self, Choice},
    bundle::{Bundle, VARS},
    config::{DiskFormat, Firmware},
    display,
    error::{Error, Result},
    files::{fresh_file, require_one_file, require_plain},
    guard,
    host::{Host, Starter},
    libvirt::Libvirt,
    life::LifeError,
    open,
    policy::{WhenRecordMissing, WhenRolledBack},
    process::Process,
    qemu::{self, Serial},
    qmp::Qmp,
    resume::Load,
    rundir::{RunDir, RunState},
    saved::{self, Saved, SavedStore},
    serial_log::SerialLog,
    whole,
    worker::{Inherited, Worker},
};
use sigillo_messages::{text, words};
use std::{
    ffi::OsString,
    fs,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// How long QEMU may take until its monitor answers.
const READY: Duration = Duration::from_secs(30);
/// How long the TPM's process may take to end after QEMU.
pub(crate) const WORKER_END: Duration = Duration::from_secs(20);

/// Whether the caller stays with the VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// Return when the VM runs.
    Background,
    /// Return when it has ended.
    Foreground,
    /// The same, with the guest's serial console on this terminal.
    Serial,
}

/// How to start a VM.
#[derive(Clone, Debug)]
pub struct Start {
    /// Whether to stay.
    pub attach: Attach,
    /// The program that has the `worker` command; usually the one running.
    pub program: PathBuf,
    /// In place of what the VM and the host say.
    pub when_record_missing: Option<WhenRecordMissing>,
    /// In place of what the host says.
    pub when_rolled_back: Option<WhenRolledBack>,
}

/// What was started.
#[derive(Clone, Debug)]
pub struct Started {
    /// The accelerator and why.
    pub accel: Choice,
    /// How QEMU ended, where it was waited for.
    pub ended: Option<ExitStatus>,
}

/// Starts a VM that is off; one that is suspended goes on from its saved state.
///
/// # Errors
/// [`Error::KeychainRecordMissing`], and what speaks against the store, before anything is touched; otherwise whatever did not
/// come up, with everything that had come up ended again.
pub fn start(
    bundle: &Bundle,
    host: &Host<'_>,
    options: &Start,
    starter: &mut dyn Starter,
) -> Result<Started> {
    let name = bundle.name();
    let lock = bundle.lock()?;
    bundle.require_ended(words!("doing-start"))?;
    saved::sweep(bundle)?;
    let mut saved = Saved::of(bundle)?;
    let machine = match &saved {
        Some(saved) => {
            saved.require_fit(bundle)?;
            saved.machine(bundle)?
        }
        None => bundle.clone(),
    };
    whole::require_startable(bundle)?;
    require_own_files(bundle)?;
    let libvirt = match Libvirt::of(bundle.config()) {
        Some(libvirt) => Some((libvirt.require_ready(&machine)?, libvirt)),
        None => None,
    };
    let found = match &saved {
        Some(saved) => key_for_resume(bundle, host, options, saved, starter)?,
        None => open::key_for_start(bundle, host, options, starter)?,
    };
    if libvirt.is_none() && !qemu::on_path(qemu::QEMU) {
        let path = PathBuf::from(qemu::QEMU);
        return Err(Error::HostPart { what: words!("hypervisor"), path, package: "qemu-system-x86" });
    }
    let accel = match &saved {
        Some(saved) => saved.accel(bundle)?,
        None => accel::choose(bundle.config().accel, name)?,
    };
    starter.accel(&accel);
    let run = bundle.run_dir(true)?;
    if let Some(before) = run.state() {
        // The VM is off; a process that still writes its log would go on in the new one.
        before.end_workers();
    }
    run.clear()?;
    machine.config().write(&run.started_as())?;
    let goes_on = saved.as_ref().and_then(|saved| saved.store.as_ref()).map(SavedStore::goes_on);
    let goes_on = goes_on.unwrap_or_default();
    let worker = match found {
        Some(found) => Some(
            guard::spawn_guarded(bundle, host, &run, options, &found, &goes_on, starter).map_err(resumed)?,
        ),
        None => None,
    };
    let serial = if options.attach == Attach::Serial { Serial::Terminal } else { Serial::Socket };
    if let Some((place, libvirt)) = libvirt {
        let launched = match &mut saved {
            // As below.
            Some(saved) => saved.add_writer(bundle, host.anchors),
            None => Ok(()),
        };
        let launched = launched.and_then(|()| {
            let attach = options.attach;
            libvirt.launch(&machine, &run, &place, &accel, attach, worker.as_ref(), saved.as_ref(), starter)
        });
        drop(lock);
        if launched.is_ok() {
            starter.runs();
        }
        let ended = match (launched, options.attach) {
            (Ok(()), Attach::Background) => return Ok(Started { accel, ended: None }),
            (Ok(()), attach) => libvirt.stay(attach, worker.as_ref().map(Worker::process)),
            (Err(e), _) => Err(e),
        };
        return end(bundle, worker, None, accel, ended.map(Some));
    }
    let mut log = None;
    let mut prepare = || {
        display::prepare(&machine, &run)?;
        let args = qemu::arguments(&machine, &run, &accel, serial)?;
        let Some(saved) = &mut saved else { return Ok((args, None)) };
        // The TPM's process may write from here on without the guest: the next try has to know it.
        saved.add_writer(bundle, host.anchors)?;
        Ok((args, Some(saved.load(bundle)?)))
    };
    let result = prepare().and_then(|(args, load)| {
        let log = log.insert(SerialLog::start(bundle, &run, &options.program)?);
        launch(bundle, &run, args, options.attach, &accel, worker.as_ref(), log, load, starter)
    });
    // From here on the state file says that the VM runs; a foreground QEMU is watched without the lock.
    drop(lock);
    if result.is_ok() {
        starter.runs();
    }
    let result = match result {
        Ok(Some(mut child)) => {
            child.wait().map(Some).map_err(|e| Error::io(words!("do-wait-for"), &run.qemu_pid(), e))
        }
        Ok(None) => return Ok(Started { accel, ended: None }),
        Err(e) => Err(e),
    };
    end(bundle, worker, log, accel, result)
}

/// Ends what a VM that has ended leaves.
fn end(
    bundle: &Bundle,
    worker: Option<Worker>,
    log: Option<SerialLog>,
    accel: Choice,
    result: Result<Option<ExitStatus>>,
) -> Result<Started> {
    if let Some(log) = log {
        log.end(WORKER_END);
    }
    if let Some(worker) = worker {
        // A TPM that QEMU never reached waits for it; what it has stored is stored.
        worker.end(if result.is_ok() { WORKER_END } else { Duration::from_secs(2) });
    }
    bundle.tidy_up()?;
    result.map(|ended| Started { accel, ended })
}

/// The key of a suspended VM's store: never another TPM's.
fn key_for_resume(
    bundle: &Bundle,
    host: &Host<'_>,
    options: &Start,
    saved: &Saved,
    starter: &mut dyn Starter,
) -> Result<Option<open::Found>> {
    let options = Start { when_record_missing: Some(WhenRecordMissing::Refuse), ..options.clone() };
    let found = open::key_for_start(bundle, host, &options, starter).map_err(|error| match error {
        Error::KeychainRecordMissing { name, record } => LifeError::RecordMissing { name, record }.into(),
        other => other,
    })?;
    let store = saved.store.as_ref().map(|store| *store.file_uuid.as_bytes());
    if found.as_ref().map(|found| found.file_uuid) != store {
        return Err(LifeError::OtherStore { name: bundle.name().to_owned() }.into());
    }
    Ok(found)
}

/// What the TPM's process says to a saved state that does not belong to its store.
fn resumed(error: Error) -> Error {
    match error {
        Error::Worker { name, code, .. } if code == "SIG_ERR_VM_SAVED_STORE" => {
            LifeError::OtherStore { name }.into()
        }
        other => other,
    }
}

/// Requires that what QEMU writes is the bundle's own, and that no image leads it to a file that nobody named.
fn require_own_files(bundle: &Bundle) -> Result<()> {
    let config = bundle.config();
    if config.firmware == Firmware::Uefi {
        require_plain(&bundle.path().join(VARS))?;
    }
    for disk in config.disks.iter().filter(|disk| disk.format == DiskFormat::Qcow2) {
        let path = bundle.disk_path(disk);
        require_one_file(&path).map_err(|e| Error::io(words!("do-use"), &path, e))?;
    }
    // A link in the bundle would show the guest a file that its `vm.toml` does not name.
    let images =
        config.disks.iter().map(|disk| &disk.path).chain(config.cdroms.iter().map(|cdrom| &cdrom.path));
    for path in images.filter(|path| path.is_relative()).map(|path| bundle.path().join(path)) {
        let found = fs::symlink_metadata(&path).map_err(|e| Error::io(words!("do-use"), &path, e))?;
        if !found.is_file() {
            let why = text!("link-not-file");
            return Err(Error::io(
                words!("do-use"),
                &path,
                std::io::Error::new(std::io::ErrorKind::InvalidInput, why),
            ));
        }
    }
    Ok(())
}

/// Starts QEMU and waits until its monitor says the guest runs. In the foreground the child is returned.
#[expect(clippy::too_many_arguments, reason = "what a start has put together by then")]
fn launch(
    bundle: &Bundle,
    run: &RunDir,
    mut args: Vec<OsString>,
    attach: Attach,
    accel: &Choice,
    worker: Option<&Worker>,
    log: &mut SerialLog,
    mut load: Option<Load>,
    starter: &mut dyn Starter,
) -> Result<Option<std::process::Child>> {
    let failed = |why: String| Error::Qemu { name: bundle.name().to_owned(), why };
    args.push("-pidfile".into());
    args.push(run.qemu_pid().into_os_string());
    let mut inherited = Inherited::default();
    if let Some(load) = &mut load
        && let Some(input) = load.take_input()
    {
        load.adapt(&mut args, &inherited.give(input).map_err(|e| failed(e.to_string()))?);
    }
    if let Some(pipe) = log.take_pipe() {
        qemu::log_into(&mut args, &inherited.give(pipe).map_err(|e| failed(e.to_string()))?);
    }
    let log_path = run.qemu_log();
    let errors = fresh_file(&log_path, 0o600)?;
    let mut command = Command::new(qemu::QEMU);
    command.args(&args).current_dir("/");
    let words = || qemu::last_words(&fs::read(&log_path).unwrap_or_default());
    command.stdin(if attach == Attach::Serial { Stdio::inherit() } else { Stdio::null() }).stderr(errors);
    if attach == Attach::Background {
        // Not by QEMU's own daemonizing, which its sandbox does not survive. In a group of its own no Ctrl-C reaches it.
        command.stdout(Stdio::null()).process_group(0);
    }
    let child = command.spawn();
    drop(inherited);
    let mut child = child.map_err(|e| failed(e.to_string()))?;
    let Some(process) = i32::try_from(child.id()).ok().and_then(Process::of) else {
        child.wait().map_err(|e| failed(e.to_string()))?;
        return Err(failed(words()));
    };
    let state = RunState {
        qemu: Some(process),
        worker: worker.map(Worker::process),
        serial_log: Some(log.worker().process()),
        accel: accel.accel.as_str().to_owned(),
        accel_reason: accel.reason.clone(),
    };
    let well = run.write_state(&state).and_then(|()| wait_ready(run, process)).and_then(|()| match load {
        Some(load) => load.finish(bundle, run, process, |done, all| {
            starter.progress(words!("step-loading-memory"), done, all);
        }),
        None => Ok(()),
    });
    if let Err(e) = well {
        process.kill();
        child.wait().map_err(|e| failed(e.to_string()))?;
        return Err(match e {
            Error::Life(LifeError::NotLoaded { name, why }) => {
                LifeError::NotLoaded { name, why: text!("qemu-said", why, said = words()) }.into()
            }
            e @ Error::Life(_) => e,
            e => failed(format!("{e}; {}", words())),
        });
    }
    Ok((attach != Attach::Background).then_some(child))
}

fn wait_ready(run: &RunDir, process: Process) -> Result<()> {
    let end = Instant::now() + READY;
    loop {
        let status = Qmp::connect(&run.monitor(), Duration::from_secs(5)).and_then(|mut qmp| qmp.status());
        match status.as_deref() {
            Ok("internal-error" | "io-error") => {
                return Err(Error::Qmp(text!("guest-internal-error")));
            }
            Ok(_) => return Ok(()),
            // A guest that powers off within milliseconds has run.
            Err(_) if !process.is_alive() => {
                return Err(Error::Qmp(text!("qemu-ended-early")));
            }
            Err(_) if Instant::now() >= end => return status.map(|_| ()),
            Err(_) => std::thread::sleep(Duration::from_millis(30)),
        }
    }
}
