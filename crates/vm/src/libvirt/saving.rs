//! Suspending a domain into its bundle, and going on from there.
//!
//! libvirt writes the guest into a file and ends QEMU in one go, so whoever asked may be gone before the saved state has its
//! name. What belongs to it is therefore written first; libvirt's file says itself whether it is whole; and the next command
//! on the VM finishes what is.
use super::{Libvirt, NAMESPACE, virsh, xml};
use crate::{
    bundle::{Bundle, CONFIG},
    config::Config,
    crash,
    error::{Error, Result},
    files::{is_own_dir, open_plain, read_plain, remove, replace_file},
    host::Starter,
    life::{LifeError, Watch},
    rundir::RunDir,
    saved::{self, Saved, Stamp},
    suspend::{Suspended, store_now},
};
use serde::{Deserialize, Serialize};
use sigillo_keychain::anchor::Anchors;
use sigillo_messages::{text, words};
use sigillo_store::now_unix_s;
use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

/// What libvirt's file begins with once it is whole (`qemu_saveimage.h`); until then it says that it is a part.
const WHOLE: &[u8; 16] = b"LibvirtQemudSave";
/// What the saved state will say, before there is one.
const PART: &str = "state.part";
const MAX_PART: u64 = 256 * 1024;
/// A guest of terabytes takes its time.
const SAVE: Duration = Duration::from_secs(24 * 3600);
const RESUME: Duration = Duration::from_secs(60);

/// All of a saved state that is known before the guest is saved.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    /// It is libvirt's.
    namespace: String,
    saved: Saved,
}

/// As `suspend` of the crate.
pub(crate) fn suspend(
    libvirt: &Libvirt,
    vm: &Bundle,
    anchors: &Anchors,
    progress: Watch<'_>,
) -> Result<Suspended> {
    let name = || vm.name().to_owned();
    let _lock = vm.lock()?;
    if libvirt.domain()?.is_off() {
        finish(vm)?;
        return Err(match vm.is_suspended() {
            true => LifeError::Suspended { name: name(), action: words!("doing-suspend-again") }.into(),
            false => Error::NotRunning { name: name() },
        });
    }
    libvirt.require_ours(vm)?;
    let run = vm.run_dir(false)?;
    saved::retire(vm)?;
    let building = saved::building(vm)?;
    let state = run.state();
    let accel = state.as_ref().map(|state| state.accel.clone());
    let begun = accel
        .ok_or_else(|| Error::Qmp(text!("start-was-cut")))
        .and_then(|accel| begin(libvirt, vm, anchors, &run, &building, accel));
    let memory = building.join(saved::MEMORY);
    let done = begun.and_then(|()| {
        crash::point();
        let args = ["save".as_ref(), libvirt.uuid.as_ref(), memory.as_os_str()];
        let watched = || {
            let bytes = fs::metadata(&memory).map_or(0, |found| found.len());
            progress(words!("step-saving-memory"), bytes, 0);
        };
        virsh::run(&libvirt.uri, &args, SAVE, watched).map_err(|why| Error::Qmp(format!("libvirt: {why}")))
    });
    crash::point();
    // What libvirt says counts: the guest is gone exactly where it was saved.
    if let Err(error) = done
        && !(libvirt.domain().is_ok_and(|domain| domain.is_off()) && is_whole(&memory))
    {
        let guest = match libvirt.domain() {
            Ok(super::Domain::Running) => {
                // The first failure is the one to tell; what stays is swept by the next command.
                let _ = saved::remove_tree(&building);
                words!("guest-runs-on")
            }
            // libvirt may be at it still, whatever became of who asked: then the next command finishes what it wrote.
            Ok(super::Domain::Paused) => words!("guest-held"),
            _ => words!("libvirt-guest-unknown"),
        };
        return Err(LifeError::NotSaved { name: name(), why: error.to_string(), guest }.into());
    }
    if let Some(state) = state {
        state.end_workers();
    }
    complete(vm)?;
    let mut saved = Saved::of(vm)?.ok_or_else(|| LifeError::NotSuspended { name: name() })?;
    saved.add_writer(vm, anchors)?;
    run.clear()?;
    Ok(Suspended { memory: vm.saved_dir().join(saved::MEMORY), bytes: saved.memory_bytes })
}

/// Writes what is known before.
fn begin(
    libvirt: &Libvirt,
    vm: &Bundle,
    anchors: &Anchors,
    run: &RunDir,
    building: &Path,
    accel: String,
) -> Result<()> {
    let store = store_now(vm, anchors)?;
    let text = libvirt.ask(&["dumpxml", &libvirt.uuid])?;
    let machine = xml::machine(&text).map_err(|why| libvirt.answer("dumpxml", why))?;
    vm.config().write(&building.join(CONFIG))?;
    Config::read(&run.started_as())?.write(&building.join(saved::MACHINE))?;
    let saved = Saved {
        version: 1,
        vm_uuid: vm.config().uuid,
        suspended_unix_s: now_unix_s(),
        machine,
        accel,
        memory_bytes: 0,
        memory_sha256: String::new(),
        files: Vec::new(),
        store,
    };
    let path = building.join(PART);
    let part = Part { namespace: NAMESPACE.to_owned(), saved };
    let bytes = serde_json::to_vec(&part).map_err(|e| Error::io(words!("do-write"), &path, e.into()))?;
    replace_file(&path, &bytes, 0o600)
}

/// Whether a guest was saved and its state has no name yet.
pub(crate) fn is_saved(vm: &Bundle) -> bool {
    let building = saved::building_dir(vm);
    is_own_dir(&building).unwrap_or(false)
        && building.join(PART).symlink_metadata().is_ok_and(|found| found.is_file())
        && is_whole(&building.join(saved::MEMORY))
}

fn is_whole(memory: &Path) -> bool {
    let mut magic = [0; WHOLE.len()];
    open_plain(memory).and_then(|mut file| file.read_exact(&mut magic)).is_ok_and(|()| magic == *WHOLE)
}

/// Gives a state its name that libvirt saved after the command was ended that asked for it. The domain is off.
pub(crate) fn finish(vm: &Bundle) -> Result<()> {
    if vm.is_suspended() || !is_saved(vm) {
        return Ok(());
    }
    if let Some(state) = vm.run_dir(false)?.state() {
        state.end_workers();
    }
    complete(vm)
}

/// From what was known before and what libvirt wrote.
fn complete(vm: &Bundle) -> Result<()> {
    let building = saved::building_dir(vm);
    let path = building.join(PART);
    let bytes = read_plain(&path, MAX_PART).map_err(|e| Error::io(words!("do-read"), &path, e))?;
    let part: Part =
        serde_json::from_slice(&bytes).map_err(|e| Error::io(words!("do-read"), &path, e.into()))?;
    let memory = building.join(saved::MEMORY);
    let failed = |e: io::Error| Error::io(words!("do-read"), &memory, e);
    let file = open_plain(&memory).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let (memory_bytes, memory_sha256) = saved::summed(file, |_, _| Ok(())).map_err(failed)?;
    let paths = saved::files_of(vm.config());
    let files = paths.iter().map(|path| Stamp::of(vm, path)).collect::<Result<Vec<_>>>()?;
    Saved { memory_bytes, memory_sha256, files, ..part.saved }.write(&building)?;
    remove(&path)?;
    crash::point();
    saved::publish(vm, &building)
}

/// Has libvirt read a saved state, takes it away, and lets the guest go on. Until then whatever breaks leaves it where it is: the
/// error is the outer one. The inner one is of a guest that is held and has no saved state any more.
pub(super) fn restore(
    libvirt: &Libvirt,
    vm: &Bundle,
    saved: &Saved,
    starter: &mut dyn Starter,
) -> Result<Result<()>> {
    let path = vm.saved_dir().join(saved::MEMORY);
    let damaged =
        |why: String| Error::from(LifeError::Damaged { name: vm.name().to_owned(), path: path.clone(), why });
    if !is_whole(&path) {
        return Err(damaged(text!("libvirt-memory-part")));
    }
    let file = open_plain(&path).map_err(|e| Error::io(words!("do-open"), &path, e))?;
    let found = saved::summed(file, |_, bytes| {
        starter.progress(words!("step-checking-memory"), bytes, saved.memory_bytes);
        Ok(())
    });
    if found.map_err(|e| Error::io(words!("do-read"), &path, e))?
        != (saved.memory_bytes, saved.memory_sha256.clone())
    {
        return Err(damaged(text!("memory-changed-since")));
    }
    let real: PathBuf = super::real(vm)?;
    let file = xml::within(vm, &real, path);
    let args = ["restore".as_ref(), file.as_os_str(), "--paused".as_ref()];
    let loading = || starter.progress(words!("step-loading-memory"), 0, 0);
    virsh::run(&libvirt.uri, &args, SAVE, loading).map_err(|why| {
        Error::from(LifeError::NotLoaded { name: vm.name().to_owned(), why: format!("libvirt: {why}") })
    })?;
    crash::point();
    saved::retire(vm)?;
    crash::point();
    Ok(libvirt.run(&["resume", &libvirt.uuid], RESUME).map(drop).map_err(|why| {
        let then = text!("libvirt-used-up");
        libvirt.refused(words!("libvirt-let-run"), why, then)
    }))
}
