//! A TPM in the same process behind the typed client, with a host whose clock and storage the test holds.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use sigillo_client::{Client, Error, Transport};
use sigillo_engine::{EntropyUnavailable, Host, Profile, Tpm};
use sigillo_types::{
    Rc,
    command::Command,
    commands::{Shutdown, Startup},
    constants::StartupType,
};
use std::convert::Infallible;

/// A host with entropy from the operating system, a clock set by hand, and a disk.
#[derive(Debug, Default)]
pub struct TestHost {
    pub now_ms: u64,
    pub out_of_entropy: bool,
    /// The driver asked to cancel.
    pub canceled: bool,
    /// Somebody is at the machine.
    pub physical_presence: bool,
}

impl Host for TestHost {
    fn monotonic_ms(&mut self) -> u64 {
        self.now_ms
    }

    fn entropy(&mut self, out: &mut [u8]) -> Result<(), EntropyUnavailable> {
        if self.out_of_entropy {
            return Err(EntropyUnavailable);
        }
        getrandom::fill(out).map_err(|_| EntropyUnavailable)
    }

    fn physical_presence(&self) -> bool {
        self.physical_presence
    }

    fn canceled(&self) -> bool {
        self.canceled
    }
}

/// A TPM and what its host stored of it.
#[derive(Debug)]
pub struct Local {
    pub tpm: Tpm,
    pub host: TestHost,
    pub locality: u8,
    /// The permanent state on disk.
    pub disk: Vec<u8>,
    /// Writes of permanent state so far.
    pub commits: usize,
    /// The next writes fail.
    pub disk_full: bool,
    /// The command that came last.
    pub last_command: Vec<u8>,
    /// What the TPM answered last.
    pub last_reply: Vec<u8>,
    /// Commands do not reach the TPM; the answer is TPM_RC_RETRY.
    pub discard: bool,
}

impl Transport for Local {
    type Error = Infallible;

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Infallible> {
        self.last_command = command.to_vec();
        if self.discard {
            return Ok(vec![0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x22]);
        }
        let pending = self.tpm.execute(self.locality, command, &mut self.host);
        if let Some(state) = pending.permanent() {
            if self.disk_full {
                return Ok(pending.not_stored());
            }
            self.disk = state.to_vec();
            self.commits += 1;
        }
        self.last_reply = pending.stored();
        Ok(self.last_reply.clone())
    }
}

/// A client of a TPM in this process.
pub type TestTpm = Client<Local>;

/// A fresh TPM of the default profile after _TPM_Init, before Startup.
pub fn powered() -> TestTpm {
    powered_as(Profile::pc_client())
}

/// A fresh TPM of a profile after _TPM_Init, before Startup.
pub fn powered_as(profile: Profile) -> TestTpm {
    let mut host = TestHost::default();
    let mut tpm = Tpm::manufacture(profile, &mut host).expect("the test host has entropy");
    let disk = tpm.permanent_state().to_vec();
    tpm.init(&mut host);
    Client::new(Local {
        tpm,
        host,
        locality: 0,
        disk,
        commits: 0,
        disk_full: false,
        last_command: Vec::new(),
        last_reply: Vec::new(),
        discard: false,
    })
}

/// A fresh TPM of the default profile after Startup(CLEAR).
pub fn started() -> TestTpm {
    started_as(Profile::pc_client())
}

/// A fresh TPM of a profile after Startup(CLEAR).
pub fn started_as(profile: Profile) -> TestTpm {
    let mut tpm = powered_as(profile);
    startup(&mut tpm, StartupType::Clear).expect("a fresh TPM starts");
    tpm
}

/// A fresh TPM with every algorithm after Startup(CLEAR).
pub fn started_with_everything() -> TestTpm {
    started_as(Profile::everything())
}

/// TPM2_Startup.
pub fn startup(tpm: &mut TestTpm, startup_type: StartupType) -> Result<(), Error<Infallible>> {
    tpm.call(&Startup { startup_type }).map(drop)
}

/// TPM2_Shutdown.
pub fn shutdown(tpm: &mut TestTpm, shutdown_type: StartupType) -> Result<(), Error<Infallible>> {
    tpm.call(&Shutdown { shutdown_type }).map(drop)
}

/// _TPM_Init without anything before it: a reset button.
pub fn reset_line(tpm: &mut TestTpm) {
    let local = tpm.transport();
    local.tpm.init(&mut local.host);
}

/// Power off, and a new process that restores the TPM from disk.
pub fn power_cycle(tpm: &mut TestTpm) {
    let local = tpm.transport();
    local.tpm = Tpm::restore(&local.disk, &mut local.host).expect("what a TPM stored can be restored");
    local.tpm.init(&mut local.host);
}

/// Suspends the TPM, and lets it go on in another process, `later_ms` on another host's clock.
pub fn migrate(tpm: &mut TestTpm, later_ms: u64) {
    let local = tpm.transport();
    let volatile = local.tpm.volatile_state();
    let mut host = TestHost { now_ms: later_ms, ..TestHost::default() };
    let moved = Tpm::resume(&local.disk, &volatile, &mut host).expect("what a TPM saved can be resumed");
    assert_eq!(*moved.volatile_state(), *volatile, "nothing is lost on the way");
    local.tpm = moved;
    local.host = host;
}

/// Lets time pass.
pub fn wait_ms(tpm: &mut TestTpm, ms: u64) {
    tpm.transport().host.now_ms += ms;
}

/// The response code of a command that must fail.
#[track_caller]
pub fn refused<C: Command>(tpm: &mut TestTpm, command: &C) -> Rc
where
    C::Response: std::fmt::Debug,
{
    tpm.call(command).expect_err("the command must be refused").rc().expect("the TPM must answer")
}
