//! The machine a simulated TPM lives in: its clock, its entropy, its disk, and all that goes wrong with them.

use crate::{
    check,
    saved::{Look, volatile},
};
use sigillo_client::Transport;
use sigillo_engine::{EntropyUnavailable, Host, Pending, Profile, Tpm};
use sigillo_sample::{Random, rough};
use sigillo_store::{CommitError, CreateOptions, Key, KeyId, Secret, Store, faulty::FaultyDisk};
use sigillo_types::{cc, rc};
use std::{fmt, mem, sync::LazyLock};

/// An empty store as it lies on the disk of a new TPM, made once.
static EMPTY: LazyLock<Result<Vec<u8>, String>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let path = dir.path().join("tpm");
    let options = CreateOptions::new([1; 16], key(), KeyId::from([1; 16]));
    Store::create(&path, &options).map_err(|e| e.to_string())?;
    std::fs::read(path).map_err(|e| e.to_string())
});

fn key() -> Key {
    Key::Password(Secret::from_slice(&[b'k'; 43]))
}

/// The host of the TPM: everything it gives follows from the seed.
#[derive(Clone, Debug)]
pub(crate) struct SimHost {
    pub(crate) now_ms: u64,
    random: Random,
    pub(crate) out_of_entropy: bool,
    canceled: bool,
}

impl Host for SimHost {
    fn monotonic_ms(&mut self) -> u64 {
        self.now_ms
    }

    fn entropy(&mut self, out: &mut [u8]) -> Result<(), EntropyUnavailable> {
        if self.out_of_entropy {
            return Err(EntropyUnavailable);
        }
        self.random.fill(out);
        Ok(())
    }

    fn canceled(&self) -> bool {
        self.canceled
    }
}

/// What goes wrong with the next command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Power goes after the command ran and before anything is written.
    CutBeforeStore,
    /// Power goes in the middle of the write.
    CutInStore,
    /// Power goes when all is written and nothing answered.
    CutBeforeReply,
    /// The disk gives an error; what it wrote is not known.
    DiskError,
    /// The disk has no room for a larger file.
    DiskFull,
    /// The driver cancels the command.
    Canceled,
    /// The command's octets are damaged on the way.
    Damaged,
}

/// The command was not answered: power is gone, or the simulation has found something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the command was not answered")
    }
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Commands sent.
    pub commands: u64,
    /// Commands that succeeded.
    pub successes: u64,
    /// Codes of the commands that succeeded.
    pub kinds: std::collections::BTreeSet<u32>,
    /// Times that power went.
    pub power_cuts: u64,
    /// States written to the disk.
    pub commits: u64,
    /// Times the disk failed.
    pub disk_errors: u64,
    /// Times the TPM went on in another process from its saved state.
    pub resumes: u64,
    /// Commands whose answer was compared with a restored twin's.
    pub twins: u64,
    /// Powered on, for whatever reason.
    pub inits: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.commands += other.commands;
        self.successes += other.successes;
        self.kinds.extend(other.kinds);
        self.power_cuts += other.power_cuts;
        self.commits += other.commits;
        self.disk_errors += other.disk_errors;
        self.resumes += other.resumes;
        self.twins += other.twins;
        self.inits += other.inits;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} commands, {} succeeded of {} kinds; {} commits, {} power cuts, {} disk errors, {} inits, {} resumes, {} twins",
            self.commands,
            self.successes,
            self.kinds.len(),
            self.commits,
            self.power_cuts,
            self.disk_errors,
            self.inits,
            self.resumes,
            self.twins
        )
    }
}

/// A TPM and its surroundings.
#[derive(Debug)]
pub(crate) struct World {
    random: Random,
    pub(crate) host: SimHost,
    disk: FaultyDisk,
    store: Store,
    pub(crate) tpm: Tpm,
    pub(crate) locality: u8,
    /// The permanent state that a commit returned for last.
    acknowledged: Vec<u8>,
    /// States that were being written when the disk failed: each may be there or not.
    attempted: Vec<Vec<u8>>,
    /// A state as a hypervisor's snapshot keeps it.
    snapshot: Option<(Vec<u8>, Vec<u8>)>,
    /// What goes wrong with the next command.
    pub(crate) plan: Fault,
    floors: check::Floors,
    /// What was found to be wrong.
    pub(crate) trouble: Option<String>,
    pub(crate) tally: Tally,
    /// The last command and its answer, for the report.
    pub(crate) last: (Vec<u8>, Vec<u8>),
}

impl World {
    /// A new TPM in a new machine, powered on.
    pub(crate) fn new(seed: u64) -> Result<Self, String> {
        let mut random = Random::new(seed);
        let disk = FaultyDisk::new(EMPTY.clone()?);
        let mut store = disk.open(&key()).map_err(|e| e.to_string())?;
        let mut host = SimHost {
            now_ms: random.next_u64() % 1_000_000,
            random: Random::new(random.next_u64()),
            out_of_entropy: false,
            canceled: false,
        };
        let mut tpm = Tpm::manufacture(Profile::pc_client(), &mut host).map_err(|e| e.to_string())?;
        let acknowledged = tpm.permanent_state().to_vec();
        store.commit(&acknowledged).map_err(|e| e.to_string())?;
        tpm.init(&mut host);
        Ok(Self {
            random,
            host,
            disk,
            store,
            tpm,
            locality: 0,
            acknowledged,
            attempted: Vec::new(),
            snapshot: None,
            plan: Fault::None,
            floors: check::Floors::default(),
            trouble: None,
            tally: Tally::default(),
            last: Default::default(),
        })
    }

    /// What the TPM is now.
    pub(crate) fn look(&self) -> Result<Look, String> {
        Look::new(&self.acknowledged, &self.tpm.volatile_state())
    }

    fn fail(&mut self, what: String) {
        self.trouble.get_or_insert(what);
    }

    /// Notes what is wrong, if anything is.
    pub(crate) fn note(&mut self, checked: Result<(), String>) {
        if let Err(what) = checked {
            self.fail(what);
        }
    }

    /// Lets time pass. What that writes is written.
    pub(crate) fn advance(&mut self, ms: u64) {
        self.host.now_ms = self.host.now_ms.saturating_add(ms);
        self.settle();
    }

    /// A command that does nothing: what the passing of time changes has changed after it.
    fn settle(&mut self) {
        let pending = self.tpm.execute(self.locality, &rough::frame(false, 0, &[]), &mut self.host);
        let (state, _) = store(pending, &mut self.store);
        self.stored(state);
    }

    fn stored(&mut self, outcome: Stored) {
        match outcome {
            Stored::Nothing | Stored::Refused => {}
            Stored::Yes(state) => {
                self.tally.commits += 1;
                self.acknowledged = state;
            }
            Stored::Perhaps(state) => self.attempted.push(state),
        }
    }

    /// Nothing is stored any more until the process is started again.
    pub(crate) fn is_stuck(&self) -> bool {
        !self.attempted.is_empty()
    }

    /// Power goes: what the disk had not made durable is there or not, sector by sector.
    pub(crate) fn power_cut(&mut self) {
        let random = &mut self.random;
        let image = self.disk.lock().after_power_cut(&mut || random.one_in(2));
        self.tally.power_cuts += 1;
        self.start_process(image);
    }

    /// The process ends, the machine goes on: all that was written is there.
    pub(crate) fn kill(&mut self) {
        let image = self.disk.lock().cached.clone();
        self.start_process(image);
    }

    /// A new process on what the disk holds.
    fn start_process(&mut self, image: Vec<u8>) {
        let started = self.try_start(image);
        self.note(started);
    }

    fn try_start(&mut self, image: Vec<u8>) -> Result<(), String> {
        let disk = FaultyDisk::new(image);
        let store = disk.open(&key()).map_err(|e| format!("the store does not open after a crash: {e}"))?;
        let state = store.state().to_vec();
        if state != self.acknowledged && !self.attempted.contains(&state) {
            return Err(
                "after a crash the store holds neither what was acknowledged nor what was being written"
                    .into(),
            );
        }
        if state != self.acknowledged {
            // It may hold a TPM2_Clear.
            self.floors.clock_may_begin_anew();
        }
        let before = Look::new(&self.acknowledged, &self.tpm.volatile_state())?;
        // Another host, another clock, with the same entropy going on.
        self.host.now_ms = self.random.next_u64() % 1_000_000_000;
        self.tpm = Tpm::restore(&state, &mut self.host)
            .map_err(|e| format!("what was stored is not restored: {e}"))?;
        if *self.tpm.permanent_state() != state {
            return Err("a restored TPM has another permanent state than the one it was restored from".into());
        }
        (self.disk, self.store, self.acknowledged) = (disk, store, state);
        self.attempted.clear();
        self.locality = 0;
        self.init();
        check::after_crash(&before, &self.look()?, &self.floors)
    }

    /// _TPM_Init.
    pub(crate) fn init(&mut self) {
        self.tally.inits += 1;
        self.host.out_of_entropy = self.random.one_in(60);
        self.tpm.init(&mut self.host);
        self.host.out_of_entropy = false;
        self.settle();
    }

    /// Power off and on without a new process.
    pub(crate) fn power_off(&mut self) {
        self.tpm.power_off();
        self.init();
    }

    /// Another process, perhaps on another host, takes over from the saved state.
    pub(crate) fn migrate(&mut self) {
        let moved = self.resumed(self.random.clone().next_u64() % 1_000_000_000);
        match moved {
            Ok((tpm, host)) => {
                self.tally.resumes += 1;
                (self.tpm, self.host) = (tpm, host);
            }
            Err(what) => self.fail(what),
        }
    }

    /// A TPM made of this one's saved state, which is the same to the last octet.
    fn resumed(&self, now_ms: u64) -> Result<(Tpm, SimHost), String> {
        let (permanent, volatile) = (self.tpm.permanent_state(), self.tpm.volatile_state());
        let mut host = SimHost { now_ms, ..self.host.clone() };
        let tpm = Tpm::resume(&permanent, &volatile, &mut host)
            .map_err(|e| format!("a running TPM cannot be resumed from its state: {e}"))?;
        if *tpm.volatile_state() != *volatile || *tpm.permanent_state() != *permanent {
            let differences = Look::new(&permanent, &volatile)?
                .volatile
                .differences(&Look::new(&tpm.permanent_state(), &tpm.volatile_state())?.volatile);
            return Err(format!("a resumed TPM is another one: {}", check::list(&differences)));
        }
        Ok((tpm, host))
    }

    /// Keeps a snapshot, as a hypervisor's `savevm` does.
    pub(crate) fn keep_snapshot(&mut self) {
        if *self.tpm.permanent_state() == self.acknowledged {
            self.snapshot = Some((self.acknowledged.clone(), self.tpm.volatile_state().to_vec()));
        }
    }

    /// Goes back to the snapshot, as `loadvm` does. Only this turns anything back.
    pub(crate) fn revert(&mut self) {
        let Some((permanent, volatile)) = self.snapshot.clone() else { return };
        if self.store.commit(&permanent).is_err() {
            return;
        }
        match Tpm::resume(&permanent, &volatile, &mut self.host) {
            Ok(tpm) => {
                self.tally.resumes += 1;
                (self.tpm, self.acknowledged) = (tpm, permanent);
                self.attempted.clear();
                self.floors = check::Floors::default();
                self.settle();
            }
            Err(error) => self.fail(format!("a snapshot cannot be gone back to: {error}")),
        }
    }

    /// `_TPM_Hash_Start`, `_TPM_Hash_Data` with some octets and `_TPM_Hash_End`, or a part of that.
    pub(crate) fn hash_indications(&mut self) {
        for indication in 0..3 {
            if self.random.one_in(4) {
                continue;
            }
            let pending = match indication {
                0 => self.tpm.hash_start(&mut self.host),
                1 => self.tpm.hash_data(b"measured", &mut self.host),
                _ => self.tpm.hash_end(&mut self.host),
            };
            let (outcome, _) = store(pending, &mut self.store);
            self.stored(outcome);
        }
    }

    fn execute(&mut self, command: &[u8]) -> Result<Vec<u8>, Lost> {
        let fault = mem::take(&mut self.plan);
        let run = self.run(fault, command);
        match run {
            Ok(reply) => reply,
            Err(what) => {
                self.fail(what);
                Err(Lost)
            }
        }
    }

    /// One command with one fault, and everything that must hold afterwards.
    fn run(&mut self, fault: Fault, command: &[u8]) -> Result<Result<Vec<u8>, Lost>, String> {
        self.tally.commands += 1;
        let before = self.look()?;
        let twin = if fault == Fault::None && self.random.one_in(6) {
            Some(self.resumed(self.host.now_ms)?)
        } else {
            None
        };
        self.host.canceled = fault == Fault::Canceled;
        self.disk.lock().refuse_replace = fault == Fault::DiskFull;
        if matches!(fault, Fault::CutInStore | Fault::DiskError) {
            let more = self.random.below(2);
            let mut disk = self.disk.lock();
            disk.fails_after = Some(disk.operations + more);
            self.tally.disk_errors += 1;
        }
        let pending = self.tpm.execute(self.locality, command, &mut self.host);
        self.host.canceled = false;
        if fault == Fault::CutBeforeStore {
            drop(pending);
            self.power_cut();
            return Ok(Err(Lost));
        }
        let (outcome, reply) = store(pending, &mut self.store);
        self.disk.lock().fails_after = None;
        let acknowledged = matches!(outcome, Stored::Nothing | Stored::Yes(_));
        self.stored(outcome);
        let lost = matches!(fault, Fault::CutInStore | Fault::CutBeforeReply);
        if lost {
            if check::command_code(command) == Some(cc::CLEAR) {
                self.floors.clock_may_begin_anew();
            }
            self.power_cut();
            return Ok(Err(Lost));
        }
        self.last = (command.to_vec(), reply.clone());
        let after = self.look()?;
        let code = check::reply(&reply)?;
        if code == 0 {
            self.tally.successes += 1;
            self.tally.kinds.extend(check::command_code(command));
        }
        if !acknowledged && code != rc::NV_UNAVAILABLE.raw() {
            return Err(format!("what could not be stored is answered with {code:#x}"));
        }
        if fault == Fault::Canceled && code == 0 {
            return Err("a canceled command succeeded".into());
        }
        check::step(&before, &after, command, code)?;
        self.floors.raise(&before, &after)?;
        if acknowledged {
            self.floors.answered(&after, command, code)?;
        }
        check::no_secret(&after, &before, command, &reply)?;
        // A twin has a disk that works.
        if let Some((tpm, host)) = twin.filter(|_| acknowledged) {
            self.tally.twins += 1;
            self.compare(tpm, host, command, &reply)?;
        }
        if code == 0 && check::command_code(command) == Some(cc::STARTUP) {
            // The time before TPM2_Startup heals with the first tick after it.
            self.settle();
        } else if self.random.one_in(4) {
            self.everything_is_stored(&after)?;
        }
        Ok(Ok(reply))
    }

    /// A twin that was made before a command answers it in the same way, and is the same afterwards.
    fn compare(&self, mut twin: Tpm, mut host: SimHost, command: &[u8], reply: &[u8]) -> Result<(), String> {
        let answer = twin.execute(self.locality, command, &mut host).stored();
        let code = check::reply(reply)?;
        if check::reply(&answer)? != code {
            return Err(format!("a restored twin answers {:#x} and not {code:#x}", check::reply(&answer)?));
        }
        if code == 0 && !check::is_deterministic(command) {
            return Ok(());
        }
        if answer != reply {
            return Err("a restored twin gives another answer".into());
        }
        let (ours, theirs) = (self.look()?, Look::new(&twin.permanent_state(), &twin.volatile_state())?);
        let mut differences = ours.permanent.differences(&theirs.permanent);
        differences.extend(ours.volatile.differences(&theirs.volatile));
        if differences.is_empty() {
            Ok(())
        } else {
            Err(format!("a restored twin has another state after the command: {}", check::list(&differences)))
        }
    }

    /// What the TPM would write now is what it has written: a Shutdown that is undone again shows it.
    fn everything_is_stored(&mut self, now: &Look) -> Result<(), String> {
        let abandons = *now.volatile.at(volatile::HASH_SEQUENCE) != crate::saved::Item::Nothing;
        if !now.is_started() || now.is_failed() || abandons {
            return Ok(());
        }
        let shutdown = rough::frame(false, cc::SHUTDOWN, &[0, 0]);
        let pending = self.tpm.execute(self.locality, &shutdown, &mut self.host);
        let Some(state) = pending.permanent().map(<[u8]>::to_vec) else { return Ok(()) };
        drop(pending);
        // The tick before the probe forgives all tries where nothing protects.
        let ahead = self.is_stuck() || now.volatile.at(volatile::RECOVERY_TIME).number() == 0;
        check::is_stored(&now.permanent, &crate::saved::Item::of(&state)?, ahead)
    }
}

/// What became of a state that had to be stored.
#[derive(Debug)]
pub(crate) enum Stored {
    /// There was none.
    Nothing,
    Yes(Vec<u8>),
    /// It was not written.
    Refused,
    /// The disk failed in the middle.
    Perhaps(Vec<u8>),
}

/// Stores what changed, then answers, as the server does.
fn store(pending: Pending<'_>, store: &mut Store) -> (Stored, Vec<u8>) {
    let Some(state) = pending.permanent().map(<[u8]>::to_vec) else {
        return (Stored::Nothing, pending.stored());
    };
    match store.commit(&state) {
        Ok(()) => (Stored::Yes(state), pending.stored()),
        Err(CommitError::Io(_)) => (Stored::Perhaps(state), pending.not_stored()),
        Err(_) => (Stored::Refused, pending.not_stored()),
    }
}

impl Transport for World {
    type Error = Lost;

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Lost> {
        if self.trouble.is_some() {
            return Err(Lost);
        }
        if self.plan == Fault::Damaged {
            self.plan = Fault::None;
            let mut damaged = command.to_vec();
            rough::damage(&mut self.random, &mut damaged);
            return self.execute(&damaged);
        }
        self.execute(command)
    }

    fn entropy(&mut self, out: &mut [u8]) -> Result<(), getrandom::Error> {
        self.random.fill(out);
        Ok(())
    }
}
