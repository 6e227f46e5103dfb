//! Starting, stopping and holding a domain.
use super::{Domain, Libvirt, LibvirtError, Place, access, real, saving, virsh, xml};
use crate::{
    accel::Choice,
    bundle::Bundle,
    config::DisplayKind,
    display,
    error::{Error, Result},
    files::{fresh_file, read_plain, remove},
    host::Starter,
    process::{Process, qemu_of},
    rundir::{RunDir, RunState},
    saved::Saved,
    serial_log,
    start::Attach,
    stop::{Stop, Stopped},
    worker::Worker,
};
use sigillo_messages::{text, words};
use std::{
    io::{IsTerminal, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::ExitStatus,
    time::{Duration, Instant},
};

/// How long libvirt may take to start QEMU, or to end it.
const START: Duration = Duration::from_secs(120);
const QUIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(300);
/// So long a look at a domain is good for.
const LOOK: Duration = Duration::from_secs(10);
/// So many are taken in short order once the TPM's process has ended.
const QUICK_LOOKS: u32 = 30;

impl Libvirt {
    /// Makes or updates the domain, starts it, and answers when its guest runs. `saved`: it goes on from there. What had come up
    /// is ended again if that fails; the TPM's process is the caller's.
    #[expect(clippy::too_many_arguments, reason = "what a start has put together by then")]
    pub(crate) fn launch(
        &self,
        vm: &Bundle,
        run: &RunDir,
        place: &Place,
        accel: &Choice,
        attach: Attach,
        worker: Option<&Worker>,
        saved: Option<&Saved>,
        starter: &mut dyn Starter,
    ) -> Result<()> {
        if attach == Attach::Serial && !std::io::stdin().is_terminal() {
            return Err(self.refused(
                words!("libvirt-open-console"),
                text!("no-terminal"),
                text!("libvirt-no-terminal"),
            ));
        }
        let real = real(vm)?;
        if let Some(ids) = place.others() {
            if !run.path().starts_with(vm.path()) {
                return Err(LibvirtError::Cannot {
                    name: self.name.clone(),
                    what: words!("libvirt-path-too-long"),
                    way_out: words!("libvirt-move"),
                }
                .into());
            }
            access::let_in(vm, &real, run, ids)?;
            if worker.is_some() {
                access::give_socket(&run.tpm_socket(), ids)?;
            }
        }
        self.define(vm, run, accel, &real)?;
        let state = RunState {
            qemu: None,
            worker: worker.map(Worker::process),
            serial_log: None,
            accel: accel.accel.as_str().to_owned(),
            accel_reason: accel.reason.clone(),
        };
        run.write_state(&state)?;
        let started = match saved {
            Some(saved) => saving::restore(self, vm, saved, starter),
            None => self.run(&["start", &self.uuid], START).map(|_| Ok(())).map_err(|why| {
                self.refused(words!("libvirt-start-domain"), why, self.why_not(vm, &real, place))
            }),
        };
        let goes_on = match started {
            Ok(goes_on) => goes_on,
            Err(error) => {
                // Half a start is none; that it fails says only that there is nothing to end.
                let _ = self.run(&["destroy", &self.uuid], QUIT);
                return Err(error);
            }
        };
        // QEMU is connected: nobody else has to find the socket any more. The guest runs, and is not ended for what fails here.
        let _ = remove(&run.tpm_socket());
        let _ = self.note_screen(vm, run);
        goes_on
    }

    /// Tells libvirt what the VM is made of by now.
    fn define(&self, vm: &Bundle, run: &RunDir, accel: &Choice, real: &Path) -> Result<()> {
        display::prepare(vm, run)?;
        let with_password = vm
            .config()
            .display
            .is_some_and(|display| display.kind != DisplayKind::None && display.port.is_some());
        let password = if with_password {
            let path = run.display_password();
            let bytes = read_plain(&path, 64).map_err(|e| Error::io(words!("do-read"), &path, e))?;
            Some(zeroize::Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
        } else {
            None
        };
        let parts =
            xml::Parts { vm, run, accel, real, password: password.as_ref().map(|text| text.as_str()) };
        let text = zeroize::Zeroizing::new(xml::domain(&parts)?);
        // libvirt's logger would follow what it finds under the name.
        serial_log::begin(run)?;
        let path = run.domain();
        fresh_file(&path, 0o600)?.write_all(&text).map_err(|e| Error::io(words!("do-write"), &path, e))?;
        let defined = self.run(&["define".as_ref(), path.as_os_str()], START);
        // It may hold the screen's password, and libvirt has it now.
        remove(&path)?;
        defined.map(drop).map_err(|why| {
            let then = text!("libvirt-name-taken", name = ?self.name, uri = self.uri);
            self.refused(words!("libvirt-take-domain"), why, then)
        })
    }

    /// Where the screen is that libvirt chose the place of.
    fn note_screen(&self, vm: &Bundle, run: &RunDir) -> Result<()> {
        let chosen =
            vm.config().display.filter(|display| display.kind != DisplayKind::None && display.port.is_none());
        let Some(display) = chosen else { return Ok(()) };
        let place = self.run(&["domdisplay", &self.uuid], QUIT).ok();
        display::note_libvirts(run, display.kind, &self.uri, &self.name, place.as_deref())
    }

    /// What may stand behind a failure of libvirt's, and what to do.
    pub(super) fn why_not(&self, vm: &Bundle, real: &Path, place: &Place) -> String {
        let way = place.others().and_then(|ids| access::obstacle(real, ids).map(|dir| (dir, ids)));
        let mut said = match way {
            Some((dir, (uid, _))) => text!("libvirt-no-way", uid, dir = dir.display()),
            None => text!("libvirt-not-started"),
        };
        if let Some(model) = place.models().first() {
            said.push_str(". ");
            said.push_str(&text!("libvirt-confined", model, name = ?vm.name()));
        }
        said
    }

    /// Stays until the guest has ended: with its console, or silently. A daemon that does not answer is waited for as long as the
    /// TPM's process lives, which ends when QEMU does, or QEMU itself.
    pub(crate) fn stay(&self, attach: Attach, worker: Option<Process>) -> Result<ExitStatus> {
        if attach == Attach::Serial {
            // A console that does not open is no reason to leave the guest.
            let _ = virsh::virsh(&self.uri).args(["console", &self.uuid]).status();
        }
        let mut quick = QUICK_LOOKS;
        loop {
            match self.domain() {
                Ok(Domain::Off) => break,
                Ok(_) => {}
                Err(_) if worker.is_some_and(Process::is_alive) => {}
                Err(_) if qemu_of(&self.uuid).is_ok_and(|qemu| qemu.is_some()) => {}
                Err(error) => return Err(error),
            }
            match worker {
                Some(worker) if worker.is_alive() => {
                    // It ends with QEMU. An event may come between two looks and be missed.
                    let end = Instant::now() + LOOK;
                    while worker.is_alive() && Instant::now() < end {
                        std::thread::sleep(PAUSE);
                    }
                }
                // libvirt is about to see that QEMU has ended; or something has ended the TPM's process alone.
                Some(_) if quick > 0 => {
                    quick = quick.saturating_sub(1);
                    std::thread::sleep(PAUSE);
                }
                _ => self.wait_for_event(),
            }
        }
        let reason = self.run(&["domstate", "--reason", &self.uuid], QUIT).unwrap_or_default();
        let crashed = reason.contains("(crashed)") || reason.contains("(failed)");
        Ok(ExitStatus::from_raw(if crashed { 1 << 8 } else { 0 }))
    }

    /// Until something happens to the domain, or a while has passed.
    fn wait_for_event(&self) {
        let seconds = LOOK.as_secs().to_string();
        let args = ["event", &self.uuid, "--event", "lifecycle", "--timeout", &seconds];
        let begun = Instant::now();
        // It only makes the next look come at the right time; a domain that is gone has no events.
        if self.run(&args, START).is_err() || begun.elapsed() < PAUSE {
            std::thread::sleep(PAUSE);
        }
    }

    /// Until the domain is off; false when the time passes first.
    pub(super) fn wait_off(&self, limit: Duration) -> Result<bool> {
        let end = Instant::now() + limit;
        while !self.domain()?.is_off() {
            if Instant::now() >= end {
                return Ok(false);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(true)
    }

    /// As `stop` of the crate.
    pub(crate) fn stop(&self, vm: &Bundle, options: Stop) -> Result<Stopped> {
        if self.domain()?.is_off() {
            return Err(Error::NotRunning { name: self.name.clone() });
        }
        self.require_ours(vm)?;
        let state = vm.run_dir(false)?.state();
        let mut how = Stopped::ByGuest;
        let asked = !options.force && self.run(&["shutdown", &self.uuid, "--mode", "acpi"], QUIT).is_ok();
        if !(asked && self.wait_off(options.timeout)?) {
            how = Stopped::ByQuit;
            // It may have ended by itself in the meantime; what counts is asked below.
            let _ = self.run(&["destroy", &self.uuid], QUIT);
            if !self.wait_off(QUIT)? {
                return Err(Error::StopTimeout { name: self.name.clone(), seconds: QUIT.as_secs() });
            }
        }
        if let Some(state) = state {
            state.end_workers();
        }
        vm.tidy_up()?;
        Ok(how)
    }

    /// Holds the guest, or lets it go on.
    pub(crate) fn hold(&self, vm: &Bundle, hold: bool) -> Result<()> {
        if self.domain()?.is_off() {
            return Err(Error::NotRunning { name: self.name.clone() });
        }
        self.require_ours(vm)?;
        let (verb, action) =
            if hold { ("suspend", words!("libvirt-hold")) } else { ("resume", words!("libvirt-let-run")) };
        self.run(&[verb, &self.uuid], QUIT)
            .map(drop)
            .map_err(|why| self.refused(action, why, text!("libvirt-info-shows", name = ?self.name)))
    }
}
