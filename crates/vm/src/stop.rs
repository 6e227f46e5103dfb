//! Stopping a VM: the power button, patience, then the plug.
use crate::{
    bundle::Bundle,
    error::{Error, Result},
    qmp::Qmp,
    rundir::RunBy,
};
use std::time::Duration;

const ANSWER: Duration = Duration::from_secs(5);
const QUIT: Duration = Duration::from_secs(15);

/// How to stop a VM.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// Do not ask the guest.
    pub force: bool,
    /// How long the guest may take to shut down.
    pub timeout: Duration,
}

/// How a VM ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The guest shut itself down.
    ByGuest,
    /// QEMU was told to quit: the guest lost power. Its TPM saw an unorderly shutdown and kept all it had acknowledged.
    ByQuit,
    /// QEMU did not even answer and was killed.
    ByKill,
}

/// Stops a running VM and waits until its processes have ended.
///
/// # Errors
/// [`Error::NotRunning`]; [`Error::StopTimeout`] when not even killing helped.
pub fn stop(bundle: &Bundle, options: Stop) -> Result<Stopped> {
    let state = match bundle.run_by()? {
        RunBy::Libvirt(libvirt) => return libvirt.stop(bundle, options),
        RunBy::Qemu(state) => state,
        RunBy::Nobody => return Err(Error::NotRunning { name: bundle.name().to_owned() }),
    };
    let run = bundle.run_dir(false)?;
    let Some(qemu) = state.qemu else {
        return Err(Error::NotRunning { name: bundle.name().to_owned() });
    };
    let say = |command: &str| Qmp::connect(&run.monitor(), ANSWER).and_then(|mut qmp| qmp.execute(command));
    let mut how = Stopped::ByGuest;
    let asked = !options.force && say("system_powerdown").is_ok();
    if !(asked && qemu.wait_end(options.timeout)) {
        how = Stopped::ByQuit;
        // The connection may be cut before the answer; the process says whether it worked.
        let _ = say("quit");
        if !qemu.wait_end(QUIT) {
            how = Stopped::ByKill;
            qemu.kill();
        }
    }
    let gone = qemu.wait_end(QUIT);
    state.end_workers();
    if !gone {
        return Err(Error::StopTimeout { name: bundle.name().to_owned(), seconds: QUIT.as_secs() });
    }
    bundle.tidy_up()?;
    Ok(how)
}
