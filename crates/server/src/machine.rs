//! A TPM with its storage and its run state: what the channels act on.

use sigillo_messages::text;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sigillo_engine::{EntropyUnavailable, Inventory, Pending, Tpm};
pub use sigillo_engine::{Profile, RestoreError, inventory};
use sigillo_types::{Rc, cc, rc};
use zeroize::Zeroizing;

use crate::blob::{self, BlobError, BlobKeys};
use crate::bytes::{Reader, len_from_u32, len_to_u32};
use crate::control::{BlobKind, Fault, INIT_DELETE_VOLATILE, Reply, STATE_DECRYPTED, STATE_ENCRYPTED};
use crate::data;
use crate::host::SystemHost;
use crate::log::Log;
use crate::persist::Persist;

/// The smallest command buffer that may be asked for, in bytes.
pub const BUFFER_MIN: u32 = 0xb50;
/// The largest command buffer, in bytes, and the one in use until another is asked for.
pub const BUFFER_MAX: u32 = 0x1000;

/// TPM_ST_RSP_COMMAND.
const RSP_COMMAND: [u8; 2] = [0x00, 0xc4];
/// TPM_ST_NO_SESSIONS.
const NO_SESSIONS: [u8; 2] = [0x80, 0x01];

/// TPM_SU_CLEAR or TPM_SU_STATE, for Startup and Shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Su {
    /// Start or end without the saved state.
    Clear,
    /// Go on from the saved state, or save it.
    State,
}

/// How a machine differs from the default.
#[derive(Clone, Debug)]
pub struct Options {
    /// Send TPM2_Shutdown when the TPM is stopped without one.
    pub auto_shutdown: bool,
    /// Locality 4 is not for the data channel.
    pub reject_locality_4: bool,
    /// Keys for state blobs.
    pub keys: BlobKeys,
    /// What a fresh TPM is; one that has a state stays what it was made as.
    pub profile: Profile,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            auto_shutdown: true,
            reject_locality_4: false,
            keys: BlobKeys::default(),
            profile: Profile::pc_client(),
        }
    }
}

/// The profile of a name.
///
/// # Errors
/// Which names there are.
pub fn profile(name: &str) -> Result<Profile, String> {
    let names = || Profile::names().join(", ");
    Profile::named(name).ok_or_else(|| text!("profile-unknown", ?name, names = names()))
}

/// The permanent state of a new TPM that no machine has: for a store that is made together with its TPM.
///
/// # Errors
/// The operating system gave no entropy.
pub fn manufactured(profile: Profile) -> Result<Zeroizing<Vec<u8>>, EntropyUnavailable> {
    let mut host = SystemHost::new(Arc::default());
    Ok(Tpm::manufacture(profile, &mut host)?.permanent_state())
}

/// What a TPM at rest has, from its states as storage holds them. It is not powered on.
///
/// # Errors
/// What is wrong with a state, or the operating system gave no entropy.
pub fn look(permanent: &[u8], volatile: Option<&[u8]>) -> Result<Inventory, RestoreError> {
    let mut host = SystemHost::new(Arc::default());
    let tpm = match volatile {
        Some(volatile) => Tpm::resume(permanent, volatile, &mut host)?,
        None => Tpm::restore(permanent, &mut host)?,
    };
    Ok(tpm.inventory())
}

/// State blobs set for the next INIT.
#[derive(Default)]
struct Staged {
    permanent: Option<Zeroizing<Vec<u8>>>,
    volatile: Option<Zeroizing<Vec<u8>>>,
}

/// A blob that is being read in parts.
struct Outgoing {
    kind: BlobKind,
    decrypted: bool,
    bytes: Zeroizing<Vec<u8>>,
}

/// A TPM, its storage, and whether it runs.
pub struct Machine {
    /// `None` until the first INIT reads or makes it.
    tpm: Option<Tpm>,
    persist: Box<dyn Persist>,
    host: SystemHost,
    options: Options,
    log: Log,
    running: bool,
    locality: u8,
    buffer_size: u32,
    /// The TPM may lose power now without harm: it was told so, or its volatile state has just been kept.
    may_lose_power: bool,
    staged: Staged,
    outgoing: Option<Outgoing>,
}

impl Machine {
    /// A machine that is not running. Nothing is read or made before INIT.
    pub fn new(persist: Box<dyn Persist>, host: SystemHost, options: Options, log: Log) -> Self {
        Machine {
            tpm: None,
            persist,
            host,
            options,
            log,
            running: false,
            locality: 0,
            buffer_size: BUFFER_MAX,
            may_lose_power: true,
            staged: Staged::default(),
            outgoing: None,
        }
    }

    /// Whether INIT was the last of INIT and STOP.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// The locality of the commands that follow.
    pub fn locality(&self) -> u8 {
        self.locality
    }

    /// `_TPM_Init`: powers the TPM on, from the blobs set for it if there are any. A TPM that runs is reset.
    ///
    /// # Errors
    /// `Failure` if there is no state to start from that makes sense, `Fail` if it could not be stored. The TPM is
    /// then stopped, its state is what it was, and the blobs are forgotten.
    pub fn init(&mut self, flags: u32) -> Result<(), Fault> {
        if flags & !INIT_DELETE_VOLATILE != 0 {
            return Err(Fault::BadParameter);
        }
        self.stop();
        let staged = core::mem::take(&mut self.staged);
        let started = if staged.permanent.is_some() || staged.volatile.is_some() {
            self.start_from_blobs(staged)
        } else {
            self.start_from_storage(flags & INIT_DELETE_VOLATILE != 0)
        };
        if let Err(fault) = started {
            self.log.error(format_args!("the TPM was not started"));
            return Err(fault);
        }
        if let Some(tpm) = &mut self.tpm {
            tpm.set_buffer_size(self.buffer_size);
        }
        self.running = true;
        self.may_lose_power = false;
        Ok(())
    }

    fn start_from_storage(&mut self, delete_volatile: bool) -> Result<(), Fault> {
        if let Some(tpm) = self.resumed_from_storage()? {
            self.log.info(format_args!("the TPM goes on from the volatile state kept for it"));
            self.tpm = Some(tpm);
        } else {
            let mut tpm = match self.tpm.take() {
                Some(tpm) => tpm,
                None => self.read_or_make()?,
            };
            tpm.init(&mut self.host);
            self.tpm = Some(tpm);
        }
        if delete_volatile && let Err(error) = self.persist.forget_volatile() {
            self.log.error(format_args!("the volatile state was used and could not be removed: {error}"));
        }
        Ok(())
    }

    /// The TPM as its kept volatile state has it. State that belongs to another moment is left aside: the permanent
    /// state is what counts.
    fn resumed_from_storage(&mut self) -> Result<Option<Tpm>, Fault> {
        let volatile = match self.persist.volatile() {
            Ok(None) => return Ok(None),
            Ok(Some(volatile)) => volatile,
            Err(error) => {
                self.log.error(format_args!("the volatile state kept for the TPM is not used: {error}"));
                return Ok(None);
            }
        };
        let tpm = match self.tpm.take() {
            Some(tpm) => tpm,
            None => self.read_or_make()?,
        };
        let permanent = tpm.permanent_state();
        self.tpm = Some(tpm);
        match Tpm::resume(&permanent, &volatile, &mut self.host) {
            Ok(tpm) => Ok(Some(tpm)),
            Err(error) => {
                self.log.error(format_args!("the volatile state kept for the TPM is not used: {error}"));
                Ok(None)
            }
        }
    }

    fn read_or_make(&mut self) -> Result<Tpm, Fault> {
        let state = self.persist.take();
        if !state.is_empty() {
            let tpm = Tpm::restore(&state, &mut self.host).map_err(|error| self.refuse(error))?;
            let (made, asked) = (tpm.profile().name(), self.options.profile.name());
            if made != asked {
                self.log.info(format_args!("the TPM was made with the profile {made}, and keeps it"));
            }
            return Ok(tpm);
        }
        let tpm = Tpm::manufacture(self.options.profile.clone(), &mut self.host).map_err(|error| {
            self.log.error(format_args!("no new TPM could be made: {error}"));
            Fault::Fail
        })?;
        self.commit(&tpm)?;
        self.log.info(format_args!("a new TPM was made, with the profile {}", tpm.profile().name()));
        Ok(tpm)
    }

    fn start_from_blobs(&mut self, staged: Staged) -> Result<(), Fault> {
        let permanent = match staged.permanent {
            Some(permanent) => permanent,
            None => match self.tpm.take() {
                Some(tpm) => {
                    let permanent = tpm.permanent_state();
                    self.tpm = Some(tpm);
                    permanent
                }
                None => {
                    let tpm = self.read_or_make()?;
                    let permanent = tpm.permanent_state();
                    self.tpm = Some(tpm);
                    permanent
                }
            },
        };
        let tpm = match staged.volatile {
            Some(volatile) => Tpm::resume(&permanent, &volatile, &mut self.host),
            None => Tpm::restore(&permanent, &mut self.host).map(|mut tpm| {
                tpm.init(&mut self.host);
                tpm
            }),
        };
        let tpm = tpm.map_err(|error| self.refuse(error))?;
        self.commit(&tpm)?;
        // What was kept belongs to the TPM that was here before.
        if let Err(error) = self.persist.forget_volatile() {
            self.log
                .error(format_args!("the volatile state of the TPM before could not be removed: {error}"));
        }
        self.log.info(format_args!("the TPM goes on from the state it was given"));
        self.tpm = Some(tpm);
        Ok(())
    }

    fn commit(&mut self, tpm: &Tpm) -> Result<(), Fault> {
        self.persist.commit(&tpm.permanent_state()).map_err(|error| {
            self.log.error(format_args!("{error}"));
            Fault::Fail
        })
    }

    fn refuse(&self, error: RestoreError) -> Fault {
        self.log.error(format_args!("{error}"));
        Fault::Failure
    }

    /// Takes the TPM's power, after a TPM2_Shutdown if one is due. The process stays.
    pub fn stop(&mut self) {
        if !self.running {
            return;
        }
        self.auto_shutdown();
        if let Some(tpm) = &mut self.tpm {
            tpm.power_off();
        }
        self.anchor();
        self.running = false;
        self.locality = 0;
        self.outgoing = None;
    }

    /// Sends TPM2_Shutdown(STATE), and (CLEAR) where that is refused, so that the next Startup finds an orderly TPM.
    fn auto_shutdown(&mut self) {
        if self.may_lose_power || !self.options.auto_shutdown {
            return;
        }
        for su in [Su::State, Su::Clear] {
            if succeeded(&self.run(0, &startup_command(cc::SHUTDOWN, su))) {
                self.log.debug(format_args!("TPM2_Shutdown({su:?}) sent for the driver"));
                return;
            }
        }
    }

    /// TPM2_Startup on behalf of a driver that leaves it to us. Answers the response.
    pub fn startup(&mut self, su: Su) -> Vec<u8> {
        self.execute(&startup_command(cc::STARTUP, su))
    }

    /// Asserts physical presence, or ends it.
    pub fn set_physical_presence(&mut self, asserted: bool) {
        self.host.physical_presence = asserted;
    }

    /// Executes one command at the current locality. The response leaves only after what it changed is durable.
    pub fn execute(&mut self, command: &[u8]) -> Vec<u8> {
        if !self.running {
            return data::FAILURE.to_vec();
        }
        let locality = self.locality;
        let response = self.run(locality, command);
        self.may_lose_power = command_code(command) == Some(cc::SHUTDOWN) && succeeded(&response);
        self.log.debug(format_args!(
            "command {:#010x} at locality {locality}: {:#x}",
            command_code(command).unwrap_or_default(),
            command_code(&response).unwrap_or_default()
        ));
        response
    }

    /// Lets the TPM act, stores what changed, and gives the response; `None` without a TPM, or when it fell over a bug of
    /// ours. It is then in failure mode, as it was last stored, until it is reset.
    fn act(
        &mut self,
        act: impl for<'a> FnOnce(&'a mut Tpm, &mut SystemHost) -> Pending<'a>,
    ) -> Option<Vec<u8>> {
        let tpm = self.tpm.as_mut()?;
        let (host, persist, log) = (&mut self.host, self.persist.as_mut(), &self.log);
        let signaled: Vec<u32> = tpm.signaled_acts().collect();
        // Whatever the unwinding leaves half done is thrown away below.
        let outcome = catch_unwind(AssertUnwindSafe(|| settle(act(&mut *tpm, host), persist, log)));
        if outcome.is_err() {
            self.log.error(format_args!("a bug of sigillo's: the TPM is in failure mode until it is reset"));
            tpm.fail();
        }
        for act in tpm.signaled_acts().filter(|act| !signaled.contains(act)) {
            self.log.info(format_args!(
                "the countdown timer {act:#x} (TPM_RH_ACT) has run out; it does nothing to the VM, the guest sees it as signaled"
            ));
        }
        outcome.ok()
    }

    fn run(&mut self, locality: u8, command: &[u8]) -> Vec<u8> {
        let outcome = self.act(|tpm, host| tpm.execute(locality, command, host));
        let mut response = outcome.unwrap_or_else(|| data::FAILURE.to_vec());
        if is_worth_undoing(command, &response) {
            self.anchor();
        }
        // BAD_TAG comes under TPM_ST_RSP_COMMAND, the tag of a TPM 1.2 (Part 2, 6.9). OVMF probes a TIS with a TPM 1.2
        // command and takes that tag for a TPM 1.2 indeed, after which the guest has no TPM.
        if let Some(tag) = response.first_chunk_mut::<2>()
            && *tag == RSP_COMMAND
        {
            *tag = NO_SESSIONS;
        }
        response
    }

    /// Has the last commit remembered outside the storage. One that is not is durable and answered all the same: whoever
    /// could keep the host from remembering owns the host.
    fn anchor(&mut self) {
        if let Err(error) = self.persist.anchor() {
            self.log.error(format_args!("{error}"));
        }
    }

    /// Sets the locality of the commands that follow.
    ///
    /// # Errors
    /// `BadLocality`: it is above 4, or 4 and that is not allowed.
    pub fn set_locality(&mut self, locality: u8) -> Result<(), Fault> {
        if locality > 4 || (locality == 4 && self.options.reject_locality_4) {
            return Err(Fault::BadLocality);
        }
        self.locality = locality;
        Ok(())
    }

    /// `_TPM_Hash_Start`.
    ///
    /// # Errors
    /// `BadOrdinal` if the TPM does not run.
    pub fn hash_start(&mut self) -> Result<(), Fault> {
        running(self.running, &mut self.tpm)?;
        self.act(|tpm, host| tpm.hash_start(host));
        self.may_lose_power = false;
        Ok(())
    }

    /// `_TPM_Hash_Data`.
    ///
    /// # Errors
    /// `BadOrdinal` if the TPM does not run.
    pub fn hash_data(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        running(self.running, &mut self.tpm)?;
        self.act(|tpm, host| tpm.hash_data(bytes, host));
        Ok(())
    }

    /// `_TPM_Hash_End`.
    ///
    /// # Errors
    /// `BadOrdinal` if the TPM does not run.
    pub fn hash_end(&mut self) -> Result<(), Fault> {
        running(self.running, &mut self.tpm)?;
        self.act(|tpm, host| tpm.hash_end(host));
        self.may_lose_power = false;
        Ok(())
    }

    /// The `tpmEstablished` flag.
    ///
    /// # Errors
    /// `BadOrdinal` if the TPM does not run.
    pub fn established(&mut self) -> Result<bool, Fault> {
        Ok(running(self.running, &mut self.tpm)?.established())
    }

    /// Clears the `tpmEstablished` flag for a locality that may: 3 and 4.
    ///
    /// # Errors
    /// `BadOrdinal` if the TPM does not run, `BadLocality` for another locality.
    pub fn reset_established(&mut self, locality: u8) -> Result<(), Fault> {
        let tpm = running(self.running, &mut self.tpm)?;
        let pending = tpm.reset_established(locality).ok_or(Fault::BadLocality)?;
        settle(pending, self.persist.as_mut(), &self.log);
        Ok(())
    }

    /// Keeps the volatile state, so that the next INIT goes on from here even in another process.
    ///
    /// # Errors
    /// `BadOrdinal` if the TPM does not run, `Fail` if it was not stored.
    pub fn store_volatile(&mut self) -> Result<(), Fault> {
        let volatile = running(self.running, &mut self.tpm)?.volatile_state();
        self.persist.keep_volatile(&volatile).map_err(|error| {
            self.log.error(format_args!("the volatile state was not kept: {error}"));
            Fault::Fail
        })?;
        self.may_lose_power = true;
        Ok(())
    }

    /// A part of a state blob, from `offset` to its end. The blob is made when it is read from its start, and stays
    /// the same until it is read from its start again.
    pub fn state_blob(&mut self, flags: u32, kind: BlobKind, offset: u32) -> Reply {
        if !self.running {
            return Reply::Fault(Fault::BadOrdinal);
        }
        let decrypted = flags & STATE_DECRYPTED != 0;
        let same =
            self.outgoing.as_ref().is_some_and(|blob| blob.kind == kind && blob.decrypted == decrypted);
        if offset == 0 || !same {
            self.outgoing = match self.pack(kind, decrypted) {
                Ok(outgoing) => Some(outgoing),
                Err(fault) => return Reply::NoBlob(fault),
            };
        }
        let Some(outgoing) = &self.outgoing else { return Reply::NoBlob(Fault::Fail) };
        let Some(part) = outgoing.bytes.get(len_from_u32(offset)..) else {
            return Reply::NoBlob(Fault::BadParameter);
        };
        let sealed = self.options.keys.sealing(decrypted) != blob::Sealing::None;
        Reply::Blob {
            flags: if sealed { STATE_ENCRYPTED } else { 0 },
            total: len_to_u32(outgoing.bytes.len()),
            data: Zeroizing::new(part.to_vec()),
        }
    }

    fn pack(&mut self, kind: BlobKind, decrypted: bool) -> Result<Outgoing, Fault> {
        let tpm = running(self.running, &mut self.tpm)?;
        let state = match kind {
            BlobKind::Permanent => tpm.permanent_state(),
            BlobKind::Volatile => tpm.volatile_state(),
            // A TPM 2.0 has none, and QEMU goes on when it is told so.
            BlobKind::SaveState => return Err(Fault::NoBlob),
        };
        let bytes = blob::pack(kind, &state, &self.options.keys, decrypted).map_err(|error| {
            self.log.error(format_args!("{error}"));
            Fault::Fail
        })?;
        Ok(Outgoing { kind, decrypted, bytes })
    }

    /// Sets a blob for the next INIT; an empty one takes back what was set.
    ///
    /// # Errors
    /// `BadOrdinal` if the TPM runs; `BadParameter`, `BadVersion` or `Decrypt` if the blob is not whole, too new, or
    /// under another key. What was set before stays.
    pub fn set_state_blob(&mut self, kind: BlobKind, blob: &[u8]) -> Result<(), Fault> {
        if self.running {
            return Err(Fault::BadOrdinal);
        }
        let state = if blob.is_empty() {
            None
        } else {
            Some(blob::unpack(kind, blob, &self.options.keys).map_err(|error| {
                self.log.error(format_args!("{error}"));
                match error {
                    BlobError::Malformed => Fault::BadParameter,
                    BlobError::Version => Fault::BadVersion,
                    BlobError::Key | BlobError::NotSealed => Fault::Decrypt,
                    BlobError::Seal => Fault::Fail,
                }
            })?)
        };
        match kind {
            BlobKind::Permanent => self.staged.permanent = state,
            BlobKind::Volatile => self.staged.volatile = state,
            BlobKind::SaveState => {}
        }
        Ok(())
    }

    /// Sets the command buffer's size (clamped; zero only asks) and answers the size in use.
    ///
    /// # Errors
    /// `BadOrdinal` if the TPM runs and the size is not zero.
    pub fn set_buffer_size(&mut self, size: u32) -> Result<u32, Fault> {
        if size != 0 {
            if self.running {
                return Err(Fault::BadOrdinal);
            }
            self.buffer_size = size.clamp(BUFFER_MIN, BUFFER_MAX);
        }
        Ok(self.buffer_size)
    }

    /// The command buffer's size in use, in bytes.
    pub fn buffer_size(&self) -> u32 {
        self.buffer_size
    }

    /// The keys state blobs are sealed under.
    pub fn keys(&self) -> &BlobKeys {
        &self.options.keys
    }
}

impl core::fmt::Debug for Machine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Machine")
            .field("running", &self.running)
            .field("locality", &self.locality)
            .field("state", &"[secret]")
            .finish_non_exhaustive()
    }
}

fn running(running: bool, tpm: &mut Option<Tpm>) -> Result<&mut Tpm, Fault> {
    match tpm {
        Some(tpm) if running => Ok(tpm),
        _ => Err(Fault::BadOrdinal),
    }
}

/// Stores what a command changed, then lets its response go.
fn settle(pending: Pending<'_>, persist: &mut dyn Persist, log: &Log) -> Vec<u8> {
    let stored = match pending.permanent() {
        Some(permanent) => persist.commit(permanent),
        None => Ok(()),
    };
    match stored {
        Ok(()) => pending.stored(),
        Err(error) => {
            log.error(format_args!("{error}"));
            pending.not_stored()
        }
    }
}

fn startup_command(code: u32, su: Su) -> [u8; 12] {
    let [c0, c1, c2, c3] = code.to_be_bytes();
    let su = match su {
        Su::Clear => 0,
        Su::State => 1,
    };
    [0x80, 0x01, 0, 0, 0, 12, c0, c1, c2, c3, 0, su]
}

/// The code in a header: of a command or of a response.
fn command_code(bytes: &[u8]) -> Option<u32> {
    let mut reader = Reader::new(bytes);
    reader.take(6)?;
    reader.u32()
}

/// Whether somebody gains by putting the state before this command back: what it took away or counted, a try that failed.
fn is_worth_undoing(command: &[u8], response: &[u8]) -> bool {
    match command_code(response) {
        Some(0) => matches!(
            command_code(command),
            Some(cc::CHANGE_EPS | cc::CHANGE_PPS | cc::CLEAR | cc::NV_INCREMENT)
        ),
        Some(code) => matches!(Rc::from_raw(code).fmt1(), Some(rc::AUTH_FAIL | rc::BAD_AUTH)),
        None => false,
    }
}

fn succeeded(response: &[u8]) -> bool {
    command_code(response) == Some(0)
}
