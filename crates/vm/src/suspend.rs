//! Suspending a VM: QEMU migrates it into a file of the bundle, then all processes end.
//!
//! QEMU writes into a pipe, and this process from the pipe into the file. Whatever ends this process closes the pipe; the
//! migration then fails, and QEMU lets the guest run on by itself. Why it is done so: `docs/adr/0021-life.md`.
use crate::{
    bundle::{Bundle, CONFIG},
    config::Config,
    crash,
    error::{Error, Result},
    files::new_file,
    libvirt,
    life::{LifeError, Watch},
    qmp::Qmp,
    rundir::{RunBy, RunDir, RunState},
    saved::{self, Saved, SavedStore, Stamp},
};
use rustix::{
    fd::{AsFd, OwnedFd},
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
};
use serde_json::{Value, json};
use sigillo_keychain::anchor::Anchors;
use sigillo_messages::{Words, text, words};
use sigillo_store::{Store, now_unix_s};
use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

const ANSWER: Duration = Duration::from_secs(20);
const QUIT: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(100);
/// A migration that moves nothing for so long is given up.
const STALL: Duration = Duration::from_secs(120);
/// The most that QEMU takes (32 bits of ms are not enough for more): the guest is held as soon as may be.
const DOWNTIME_MS: u64 = 2_000_000;
/// Bytes a second; more than any disk.
const BANDWIDTH: u64 = 1 << 40;
pub(crate) const PIPE_BYTES: usize = 1 << 20;

/// What suspending did.
#[derive(Clone, Debug)]
pub struct Suspended {
    /// The file that holds the guest's memory.
    pub memory: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// Saves a running or paused VM into its bundle and ends its processes.
///
/// # Errors
/// [`Error::NotRunning`], [`LifeError::NotSaved`], or what the operating system says. The guest then goes on.
pub fn suspend(vm: &Bundle, anchors: &Anchors, progress: Watch<'_>) -> Result<Suspended> {
    if let RunBy::Libvirt(libvirt) = vm.run_by()? {
        return libvirt::suspend(&libvirt, vm, anchors, progress);
    }
    let name = || vm.name().to_owned();
    let _lock = vm.lock()?;
    let run = vm.run_dir(false)?;
    // Once more, now that nobody changes it.
    let Some(state) = vm.run_state()? else {
        return Err(match vm.is_suspended() {
            true => LifeError::Suspended { name: name(), action: words!("doing-suspend-again") }.into(),
            false => Error::NotRunning { name: name() },
        });
    };
    let mut qmp = Qmp::connect(&run.monitor(), ANSWER)?;
    let status = qmp.status()?;
    if vm.is_suspended() && status != "running" {
        // What was saved is whole, and the guest has not run since: only the end of the processes is missing.
        return finish(vm, anchors, &run, &state, &mut qmp);
    }
    saved::retire(vm)?;
    if status == "postmigrate" {
        // Saved by a command that was ended before it could give the file its name.
        qmp.execute("cont")?;
    }
    let building = saved::building(vm)?;
    let saved = save(vm, anchors, (&run, &state), &mut qmp, &building, progress).and_then(|()| {
        crash::point();
        saved::publish(vm, &building)
    });
    crash::point();
    let Err(error) = saved else { return finish(vm, anchors, &run, &state, &mut qmp) };
    // The first failure is the one to tell; what stays of the building is swept by the next command.
    let _ = saved::remove_tree(&building);
    // A guest that runs on must not find itself saved.
    let guest = match saved::retire(vm) {
        Ok(()) => goes_on(&mut qmp, &status),
        Err(_) => HELD,
    };
    Err(LifeError::NotSaved { name: name(), why: error.to_string(), guest }.into())
}

const HELD: Words = words!("guest-held");

/// Lets the guest run on after a failure, if it ran before.
fn goes_on(qmp: &mut Qmp, before: &str) -> Words {
    if before != "paused"
        && let Ok(now) = qmp.status()
        && matches!(now.as_str(), "postmigrate" | "paused" | "finish-migrate")
    {
        let _ = qmp.execute("cont");
    }
    match qmp.status().as_deref() {
        Ok("running") => words!("guest-runs-on"),
        Ok("suspended") => words!("guest-sleeps-on"),
        Ok(_) => HELD,
        Err(_) => words!("guest-unknown"),
    }
}

/// Writes all that is needed to go on into `building`.
fn save(
    vm: &Bundle,
    anchors: &Anchors,
    (run, state): (&RunDir, &RunState),
    qmp: &mut Qmp,
    building: &Path,
    progress: Watch<'_>,
) -> Result<()> {
    if state.accel == "unknown" {
        return Err(Error::Qmp(text!("start-was-cut")));
    }
    let store = store_now(vm, anchors)?;
    let machine = qmp.execute_with("qom-get", &json!({ "path": "/machine", "property": "type" }))?;
    let machine =
        machine.as_str().and_then(|name| name.strip_suffix("-machine")).unwrap_or_default().to_owned();
    let memory = building.join(saved::MEMORY);
    let (memory_bytes, memory_sha256) = migrate(qmp, &memory, progress)?;
    let paths = saved::files_of(vm.config());
    let files = paths.iter().map(|path| Stamp::of(vm, path)).collect::<Result<Vec<_>>>()?;
    vm.config().write(&building.join(CONFIG))?;
    Config::read(&run.started_as())?.write(&building.join(saved::MACHINE))?;
    Saved {
        version: 1,
        vm_uuid: vm.config().uuid,
        suspended_unix_s: now_unix_s(),
        machine,
        accel: state.accel.clone(),
        memory_bytes,
        memory_sha256,
        files,
        store,
    }
    .write(building)
}

/// The state of the store that its living process vouches for.
pub(crate) fn store_now(vm: &Bundle, anchors: &Anchors) -> Result<Option<SavedStore>> {
    let Some(path) = vm.store_path() else { return Ok(None) };
    let failed = |code, why: String| Error::Store { name: vm.name().to_owned(), code, why };
    let info = Store::peek(&path).map_err(|e| failed(e.code(), e.to_string()))?;
    let seen = saved::seen(anchors, vm, &info.file_uuid)?;
    let seen = seen.ok_or_else(|| Error::AnchorUnreadable { name: vm.name().to_owned() })?;
    Ok(Some(SavedStore::of(&seen)))
}

/// Has QEMU write the machine into a file. Its length and SHA-256.
fn migrate(qmp: &mut Qmp, path: &Path, progress: Watch<'_>) -> Result<(u64, String)> {
    let system = |e: rustix::io::Errno| Error::io(words!("do-write"), path, e.into());
    let mut file = new_file(path, 0o600)?;
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(system)?;
    // Only faster: a pipe of the usual size does as well.
    let _ = fcntl_setpipe_size(&write, PIPE_BYTES);
    let limits = json!({ "max-bandwidth": BANDWIDTH, "downtime-limit": DOWNTIME_MS });
    qmp.execute_with("migrate-set-parameters", &limits)?;
    qmp.give_fd("suspend", write.as_fd())?;
    drop(write);
    let done = AtomicU64::new(0);
    thread::scope(|scope| {
        let writer = scope.spawn(|| copy_out(read, &mut file, &done));
        let migrated = qmp
            .execute_with("migrate", &json!({ "uri": "fd:suspend" }))
            .map_err(cannot_move)
            .and_then(|_| wait_migrated(qmp, &done, || writer.is_finished(), progress));
        if migrated.is_err() {
            // QEMU then closes its end, if it has not yet, and the writer comes to its own.
            let _ = qmp.execute("migrate_cancel");
            let _ = qmp.execute_with("closefd", &json!({ "fdname": "suspend" }));
        }
        let written = writer.join().unwrap_or_else(|_| Err(io::Error::other(text!("writer-fell"))));
        // A disk that is full is the reason why the migration failed, and not the other way round.
        let sum = written.map_err(|e| Error::io(words!("do-write"), path, e))?;
        migrated.map(|()| sum)
    })
    .and_then(|(bytes, sum)| {
        file.sync_all().map_err(|e| Error::io(words!("do-write"), path, e))?;
        Ok((bytes, sum))
    })
}

/// QEMU's word for a device that it cannot save, with the way out.
fn cannot_move(error: Error) -> Error {
    match error {
        Error::Qmp(why) if why.contains("non-migratable") => Error::Qmp(text!("cannot-save-device", why)),
        other => other,
    }
}

/// From the pipe into the file, until QEMU closes it. An error closes the pipe, and QEMU's migration fails.
fn copy_out(pipe: OwnedFd, file: &mut File, done: &AtomicU64) -> io::Result<(u64, String)> {
    saved::summed(File::from(pipe), |part, bytes| {
        file.write_all(part)?;
        done.store(bytes, Ordering::Relaxed);
        Ok(())
    })
}

fn wait_migrated(
    qmp: &mut Qmp,
    done: &AtomicU64,
    writer_ended: impl Fn() -> bool,
    progress: Watch<'_>,
) -> Result<()> {
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        let answer = qmp.execute("query-migrate")?;
        let (bytes, now) = (done.load(Ordering::Relaxed), Instant::now());
        if bytes != last {
            (last, moved) = (bytes, now);
        }
        let field = |name: &str| answer.get("ram").and_then(|ram| ram.get(name)).and_then(Value::as_u64);
        progress(words!("step-saving-memory"), bytes, bytes.saturating_add(field("remaining").unwrap_or(0)));
        match answer.get("status").and_then(Value::as_str) {
            Some("completed") => return Ok(()),
            Some("failed" | "cancelled") => {
                let why = answer
                    .get("error-desc")
                    .and_then(Value::as_str)
                    .map_or_else(|| text!("qemu-no-reason"), str::to_owned);
                return Err(Error::Qmp(text!("qemu-no-save", why)));
            }
            _ if writer_ended() && now.duration_since(moved) > ANSWER => {
                return Err(Error::Qmp(text!("save-no-reader")));
            }
            _ if now.duration_since(moved) > STALL => {
                return Err(Error::Qmp(text!("save-stalls")));
            }
            _ => thread::sleep(PAUSE),
        }
    }
}

/// Ends the processes of a VM whose state is saved.
fn finish(
    vm: &Bundle,
    anchors: &Anchors,
    run: &RunDir,
    state: &RunState,
    qmp: &mut Qmp,
) -> Result<Suspended> {
    // The connection may be cut before the answer; the process says whether it worked.
    let _ = qmp.execute("quit");
    if let Some(qemu) = state.qemu
        && !qemu.wait_end(QUIT)
    {
        qemu.kill();
        qemu.wait_end(QUIT);
    }
    state.end_workers();
    let mut saved = Saved::of(vm)?.ok_or_else(|| LifeError::NotSuspended { name: vm.name().to_owned() })?;
    saved.add_writer(vm, anchors)?;
    run.clear()?;
    Ok(Suspended { memory: vm.saved_dir().join(saved::MEMORY), bytes: saved.memory_bytes })
}

/// Gives the saved state of a suspended VM up: to the guest that is as pulling the plug. The TPM has all it acknowledged.
///
/// # Errors
/// [`LifeError::NotSuspended`], [`Error::Running`].
pub fn discard(vm: &Bundle) -> Result<()> {
    let _lock = vm.lock()?;
    vm.require_ended(words!("doing-discard"))?;
    if !vm.saved_dir().symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return Err(LifeError::NotSuspended { name: vm.name().to_owned() }.into());
    }
    saved::sweep(vm)?;
    saved::retire(vm)
}

/// Holds the guest where it is, with all its processes.
///
/// # Errors
/// [`Error::NotRunning`], [`Error::Qmp`].
pub fn pause(vm: &Bundle) -> Result<()> {
    let _lock = vm.lock()?;
    match vm.run_by()? {
        RunBy::Libvirt(libvirt) => return libvirt.hold(vm, true),
        RunBy::Qemu(_) => {}
        RunBy::Nobody => return Err(Error::NotRunning { name: vm.name().to_owned() }),
    }
    Qmp::connect(&vm.run_dir(false)?.monitor(), ANSWER)?.execute("stop").map(drop)
}

/// Lets a guest go on that is held: by [`pause`], or by a command that was ended in the middle of suspending or resuming it.
///
/// # Errors
/// [`Error::NotRunning`], [`Error::Qmp`].
pub fn unpause(vm: &Bundle) -> Result<()> {
    let _lock = vm.lock()?;
    match vm.run_by()? {
        RunBy::Libvirt(libvirt) => {
            // First: nobody may go on from it a second time.
            saved::retire(vm)?;
            return libvirt.hold(vm, false);
        }
        RunBy::Qemu(_) => {}
        RunBy::Nobody => return Err(Error::NotRunning { name: vm.name().to_owned() }),
    }
    let mut qmp = Qmp::connect(&vm.run_dir(false)?.monitor(), ANSWER)?;
    if qmp.status()? == "inmigrate" {
        return Err(Error::Busy { name: vm.name().to_owned() });
    }
    // First: nobody may go on from it a second time.
    saved::retire(vm)?;
    qmp.execute("cont").map(drop)
}
