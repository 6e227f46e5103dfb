//! A guest that keeps using its TPM while it is snapshot, taken back, migrated through a file and put to sleep. What is open
//! in the TPM at each moment (a key, a session, a hash in the middle, contexts kept outside) is used by the host through the
//! guest's driver; beside it the guest extends and counts by itself, so that a command is under way at any moment.
use super::{Context, fresh_dir, work_dir};
use crate::{
    apt, guest,
    machine::{self, Machine, Setup, Wire},
    report::{Report, hex},
    sh::{self, Result, cmd},
};
use sigillo_client::{Auth, Client, Error, Session, SessionOptions, Transport, UnixTransport, template};
use sigillo_crypto::hash::hash;
use sigillo_types::{
    HashAlg, Rc,
    attributes::{NvType, TpmaNv},
    buffers::{Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bMaxBuffer, Tpm2bSensitiveData},
    command::Command,
    commands::{
        ContextLoad, ContextSave, Create, CreatePrimary, FlushContext, HashSequenceStart, NvDefineSpace,
        NvRead, PcrExtend, PcrRead, ReadPublic, SequenceComplete, SequenceUpdate,
    },
    constants::SessionType,
    handles::{
        ContextHandle, EntityHandle, Hierarchy, NvAuthHandle, NvLegacyIndexHandle, ObjectHandle, PcrHandle,
        ProvisionHandle,
    },
    structures::{
        PcrSelect, Tpm2bNvPublic, Tpm2bPublic, Tpm2bSensitiveCreate, TpmlDigestValues, TpmlPcrSelection,
        TpmsContext, TpmsNvPublic, TpmsPcrSelection, TpmsSensitiveCreate, TpmtHa,
    },
};
use std::{path::Path, thread, time::Duration};

/// The counter that the guest increments; `guest/relay.sh` has it too.
const COUNTER: u32 = 0x0150_0020;
/// A PCR that no firmware extends and that sleep keeps.
const PCR: u32 = 14;
/// What the guest extends PCR 23 with.
const ONES: [u8; 32] = [1; 32];

type Guest = Client<Wire>;

/// Runs a command with an empty password for each authorization.
fn plain<T: Transport, C: Command>(client: &mut Client<T>, command: &C) -> Result<C::Response> {
    client.call(command).map_err(|e| e.to_string())
}

pub(crate) fn run(context: &mut Context, report: &mut Report) -> Result<()> {
    apt::ensure(apt::GUEST)?;
    apt::ensure(&["qemu-utils"])?;
    let sigillo = context.sigillo()?;
    let guest = guest::build_relay(&work_dir("guest")?)?;
    let dir = fresh_dir("e2e-migrate")?;
    let (key, migration_key) = (dir.join("key"), dir.join("migration-key"));
    for path in [&key, &migration_key] {
        sh::write(path, random_key()?)?;
    }
    let disk = dir.join("disk.qcow2");
    sh::read(cmd("qemu-img", ["create", "-q", "-f", "qcow2"]).arg(&disk).arg("64M"))?;
    let (file, state) = (dir.join("machine.migration"), dir.join("state"));
    let setup = |name: &str| Setup {
        sigillo: &sigillo,
        guest: &guest,
        dir: dir.join(name),
        state: &state,
        keys: [&key, &migration_key],
        disk: &disk,
        incoming: None,
    };
    let (first, second, elsewhere, alone) = (setup("first"), setup("second"), setup("third"), setup("alone"));
    let other_state = dir.join("other-state");
    Story { report, file: &file }.tell(
        &first,
        &Setup { incoming: Some(&file), ..second },
        &Setup { incoming: Some(&file), state: &other_state, ..elsewhere },
        &alone,
    )
}

fn random_key() -> Result<String> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).map_err(|e| e.to_string())?;
    Ok(hex(&octets))
}

/// What is open in the TPM, and what outside belongs to it.
#[derive(Clone)]
struct Open {
    parent: ObjectHandle,
    name: Vec<u8>,
    /// Bound to the parent, so that its key is a secret.
    session: Session,
    /// A hash in the middle of its data, and the data so far.
    sequence: ObjectHandle,
    hashed: Vec<u8>,
    /// Saved contexts: of the parent, and of a session that is nowhere else.
    object_context: TpmsContext,
    session_context: TpmsContext,
    saved_session: Session,
}

impl Open {
    fn new(client: &mut Guest) -> Result<Self> {
        let made = plain(
            client,
            &CreatePrimary {
                primary_handle: Hierarchy::Owner,
                in_sensitive: Tpm2bSensitiveCreate::default(),
                in_public: Tpm2bPublic { public_area: template::ecc_storage() },
                outside_info: Tpm2bData::default(),
                creation_pcr: TpmlPcrSelection::default(),
            },
        )?;
        let parent = object(made.object_handle)?;
        let session = bound(client, parent)?;
        let saved_session = bound(client, parent)?;
        let start = HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg: Some(HashAlg::Sha256) };
        let sequence = object(plain(client, &start)?.sequence_handle)?;
        let mut save = |handle: u32| -> Result<TpmsContext> {
            let save_handle = ContextHandle::new(handle).map_err(|e| format!("{e:?}"))?;
            Ok(plain(client, &ContextSave { save_handle })?.context)
        };
        Ok(Self {
            object_context: save(parent.raw())?,
            session_context: save(saved_session.handle)?,
            parent,
            name: made.name.to_vec(),
            session,
            sequence,
            hashed: Vec::new(),
            saved_session,
        })
    }

    /// Uses the key under the session, and goes on with the hash. The client checks the response's HMAC.
    fn work(&mut self, client: &mut Guest) -> Result<()> {
        seal_under(client, self.parent, &mut self.session)?;
        let piece = format!("{} octets so far; ", self.hashed.len());
        let buffer = Tpm2bMaxBuffer::new(piece.as_bytes()).map_err(|e| format!("{e:?}"))?;
        plain(client, &SequenceUpdate { sequence_handle: self.sequence, buffer })?;
        self.hashed.extend_from_slice(piece.as_bytes());
        Ok(())
    }

    /// Ends the hash; whether it is that of all its data.
    fn hash_is_right(&self, client: &mut Guest) -> Result<bool> {
        let complete = SequenceComplete {
            sequence_handle: self.sequence,
            buffer: Tpm2bMaxBuffer::default(),
            hierarchy: Hierarchy::Null,
        };
        let result = plain(client, &complete)?.result;
        Ok(result.to_vec() == hash(HashAlg::Sha256, &[&self.hashed]).to_vec())
    }

    /// Loads both contexts and uses what comes back, then flushes it.
    fn contexts_load(&mut self, client: &mut Guest) -> Result<()> {
        let again = plain(client, &ContextLoad { context: self.object_context.clone() })?.loaded_handle;
        let again = object(again)?;
        if plain(client, &ReadPublic { object_handle: again })?.name.to_vec() != self.name {
            return Err("the object's context came back as another object".to_owned());
        }
        let loaded = plain(client, &ContextLoad { context: self.session_context.clone() })?.loaded_handle;
        if loaded != self.saved_session.handle {
            return Err(format!("the session's context came back as {loaded:#x}"));
        }
        seal_under(client, again, &mut self.saved_session)?;
        flush(client, again.raw())?;
        flush(client, loaded)
    }
}

fn object(raw: u32) -> Result<ObjectHandle> {
    ObjectHandle::new(raw).map_err(|e| format!("{raw:#x}: {e:?}"))
}

fn bound(client: &mut Guest, parent: ObjectHandle) -> Result<Session> {
    let entity = EntityHandle::new(parent.raw()).map_err(|e| format!("{e:?}"))?;
    let options = SessionOptions {
        bind: Some((entity, b"")),
        ..SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)
    };
    client.start_session(options).map_err(|e| e.to_string())
}

/// Seals something under `parent`, which `session` authorizes.
fn seal_under(client: &mut Guest, parent: ObjectHandle, session: &mut Session) -> Result<()> {
    try_seal(client, parent, session)?.map_or(Ok(()), |rc| Err(format!("the TPM answered {rc}")))
}

/// The same; the code it is refused with, if it is.
fn try_seal(client: &mut Guest, parent: ObjectHandle, session: &mut Session) -> Result<Option<Rc>> {
    let data = Tpm2bSensitiveData::new(b"sealed").map_err(|e| format!("{e:?}"))?;
    let create = Create {
        parent_handle: parent,
        in_sensitive: Tpm2bSensitiveCreate {
            sensitive: TpmsSensitiveCreate { user_auth: Tpm2bAuth::default(), data },
        },
        in_public: Tpm2bPublic { public_area: template::sealed(Tpm2bDigest::default()) },
        outside_info: Tpm2bData::default(),
        creation_pcr: TpmlPcrSelection::default(),
    };
    match client.call_with(&create, &mut [Auth::session(session, b"")]) {
        Ok(_) => Ok(None),
        Err(Error::Tpm(rc)) => Ok(Some(rc)),
        Err(error) => Err(error.to_string()),
    }
}

fn flush(client: &mut Guest, raw: u32) -> Result<()> {
    let flush_handle = ContextHandle::new(raw).map_err(|e| format!("{raw:#x}: {e:?}"))?;
    plain(client, &FlushContext { flush_handle }).map(drop)
}

fn extend(client: &mut Guest) -> Result<()> {
    let pcr_handle = Some(PcrHandle::new(PCR).map_err(|e| format!("{e:?}"))?);
    let digests = TpmlDigestValues::new(vec![TpmtHa::Sha256(ONES)]).map_err(|e| format!("{e:?}"))?;
    plain(client, &PcrExtend { pcr_handle, digests }).map(drop)
}

fn pcr<T: Transport>(client: &mut Client<T>) -> Result<Vec<u8>> {
    let pcr_select = PcrSelect::of([PcrHandle::new(PCR).map_err(|e| format!("{e:?}"))?]);
    let selection = TpmlPcrSelection::new(vec![TpmsPcrSelection { hash: HashAlg::Sha256, pcr_select }]);
    let read = PcrRead { pcr_selection_in: selection.map_err(|e| format!("{e:?}"))? };
    let values = plain(client, &read)?.pcr_values;
    values.first().map(|value| value.to_vec()).ok_or_else(|| "no PCR was read".to_owned())
}

fn nv_handles() -> Result<(NvAuthHandle, NvLegacyIndexHandle)> {
    let owner = NvAuthHandle::new(Hierarchy::Owner.raw()).map_err(|e| format!("{e:?}"))?;
    Ok((owner, NvLegacyIndexHandle::new(COUNTER).map_err(|e| format!("{e:?}"))?))
}

fn define_counter(client: &mut Guest) -> Result<()> {
    let nv_public = TpmsNvPublic {
        nv_index: NvLegacyIndexHandle::new(COUNTER).map_err(|e| format!("{e:?}"))?,
        name_alg: HashAlg::Sha256,
        attributes: (TpmaNv::OWNERREAD | TpmaNv::OWNERWRITE | TpmaNv::NO_DA).with_nt(NvType::Counter),
        auth_policy: Tpm2bDigest::default(),
        data_size: 8,
    };
    let define = NvDefineSpace {
        auth_handle: ProvisionHandle::Owner,
        auth: Tpm2bAuth::default(),
        public_info: Tpm2bNvPublic { nv_public },
    };
    plain(client, &define).map(drop)
}

fn counter<T: Transport>(client: &mut Client<T>) -> Result<u64> {
    let (auth_handle, nv_index) = nv_handles()?;
    let data = plain(client, &NvRead { auth_handle, nv_index: nv_index.into(), size: 8, offset: 0 })?.data;
    let octets = data.to_vec().try_into().map_err(|_| "a counter has eight octets".to_owned())?;
    Ok(u64::from_be_bytes(octets))
}

/// The ticks of a console: their numbers and PCR 23 after each. A line that is not complete is not there yet.
fn ticks(console: &str) -> Vec<(u64, Vec<u8>)> {
    let complete = console.rfind('\n').and_then(|end| console.get(..end)).unwrap_or_default();
    let tick = |line: &str| {
        let (number, value) = line.trim().strip_prefix("G: tick ")?.split_once(' ')?;
        let octet = |at: usize| u8::from_str_radix(value.get(at..at + 2)?, 16).ok();
        let octets: Option<Vec<u8>> = (0..value.len()).step_by(2).map(octet).collect();
        Some((number.parse().ok()?, octets.filter(|octets| octets.len() == 32)?))
    };
    complete.lines().filter_map(tick).collect()
}

/// PCR 23 after so many extends.
fn chain(ticks: u64) -> Vec<u8> {
    (0..ticks).fold(vec![0; 32], |value, _| hash(HashAlg::Sha256, &[&value, &ONES]).to_vec())
}

struct Story<'a> {
    report: &'a mut Report,
    file: &'a Path,
}

impl Story<'_> {
    fn tell(
        mut self,
        first: &Setup<'_>,
        second: &Setup<'_>,
        elsewhere: &Setup<'_>,
        alone: &Setup<'_>,
    ) -> Result<()> {
        let (mut machine, wire) = Machine::start(first)?;
        machine.wait_for("the guest", 0, |console| console.contains("G: ready").then_some(()))?;
        let mut client = Client::new(wire);
        define_counter(&mut client)?;
        let mut open = Open::new(&mut client)?;
        open.work(&mut client)?;
        expect("ticking", &client.transport().say("TICK")?)?;
        self.more_ticks(&mut machine, 0, "the guest uses its TPM by itself")?;
        open = self.snapshot(&mut machine, &mut client, open)?;
        self.any_moment(&mut machine, &mut client, &mut open)?;
        let before = ticks(&machine.console()).last().map_or(0, |(number, _)| *number);
        let held = pcr(&mut client)?;
        machine.migrate_to(self.file)?;
        let last = ticks(&machine.console()).last().map_or(0, |(number, _)| *number);
        self.report.check("the machine is migrated into a file", last >= before, format!("tick {last}"));
        self.clean_console(&machine, "before the migration");
        machine.quit()?;

        println!("  the file on the same host, over the store that the first machine left");
        let (mut machine, wire) = Machine::start(second)?;
        let mut client = Client::new(wire);
        self.goes_on(&mut machine, &mut client, &mut open.clone(), last, &held)?;
        self.sleep(&mut machine, &mut client)?;
        self.clean_console(&machine, "after the migration");
        let counted = counter(&mut client)?;
        expect("off", &client.transport().say("OFF")?)?;
        // QEMU does not always see the power button's end of a guest that has slept; what counts is what the guest did.
        machine.wait_for("the power-off", 0, |console| console.contains("Power down").then_some(()))?;
        machine.quit()?;
        self.store_agrees(alone, counted)?;

        println!("  the same file on a host without a store");
        let (mut machine, wire) = Machine::start(elsewhere)?;
        let mut client = Client::new(wire);
        self.goes_on(&mut machine, &mut client, &mut open, last, &held)?;
        machine.quit()?;
        for setup in [first, second, elsewhere, alone] {
            self.clean_log(&setup.dir)?;
        }
        Ok(())
    }

    /// Two more ticks from the byte `from` of the console on, each in its place in the chain of extends. The first of them.
    fn more_ticks(&mut self, machine: &mut Machine, from: usize, what: &str) -> Result<u64> {
        let found = machine.wait_for("two more ticks", from, |console| {
            let all = ticks(console);
            (all.len() >= 2).then_some(all)
        })?;
        let right = found.iter().all(|(number, value)| *value == chain(*number));
        let numbers: Vec<u64> = found.iter().map(|(number, _)| *number).collect();
        self.report.check(what, right, format!("ticks {numbers:?}, PCR 23 as computed: {right}"));
        numbers.first().copied().ok_or_else(|| "no tick".to_owned())
    }

    /// Saves, goes on, goes back. What is open is then what it was when it was saved.
    fn snapshot(&mut self, machine: &mut Machine, client: &mut Guest, mut open: Open) -> Result<Open> {
        extend(client)?;
        let (held, counted) = (pcr(client)?, counter(client)?);
        machine.human("savevm one")?;
        let mut saved = open.clone();
        self.report.check("a snapshot is taken", true, format!("counter {counted}"));

        for _ in 0..2 {
            open.work(client)?;
        }
        extend(client)?;
        flush(client, open.parent.raw())?;
        let from = machine.console().len();
        self.more_ticks(machine, from, "the guest goes on after it")?;
        let counted_later = counter(client)?;

        let from = machine.console().len();
        machine.human("loadvm one")?;
        self.report.check("PCR are those of the snapshot", pcr(client)? == held, "");
        let again = counter(client)?;
        self.report.check(
            "NV is that of the snapshot",
            (counted..counted_later).contains(&again),
            format!("counter {again}; {counted_later} before going back"),
        );
        // Before its own session, whose nonce it must not change.
        let refused = try_seal(client, saved.parent, &mut open.session)?;
        self.report.check("a session as it was later is refused", refused.is_some(), format!("{refused:?}"));
        let worked = saved.work(client);
        self.report.succeeds("key, session and hash of the snapshot go on", worked);
        let first = self.more_ticks(machine, from, "the guest goes on from the snapshot")?;
        self.report.check("its ticks are done again", first <= counted_later, format!("tick {first}"));
        Ok(saved)
    }

    /// Saves and goes back at once, again and again: the guest's own commands are cut at any point.
    fn any_moment(&mut self, machine: &mut Machine, client: &mut Guest, open: &mut Open) -> Result<()> {
        const ROUNDS: u64 = 10;
        let from = machine.console().len();
        let mut kept = 0;
        for round in 0..ROUNDS {
            // Different every round.
            thread::sleep(Duration::from_millis(round * 67 % 301));
            machine.human("savevm two")?;
            machine.human("loadvm two")?;
            kept += u64::from(open.work(client).is_ok());
        }
        self.report.check(
            "ten more times at any moment",
            kept == ROUNDS,
            format!("{kept} of {ROUNDS} went on"),
        );
        self.more_ticks(machine, from, "and the guest goes on").map(drop)
    }

    /// A machine that was migrated: everything is as it was, and goes on.
    fn goes_on(
        &mut self,
        machine: &mut Machine,
        client: &mut Guest,
        open: &mut Open,
        last: u64,
        held: &[u8],
    ) -> Result<()> {
        machine.wait_status("running")?;
        let first = self.more_ticks(machine, 0, "the guest goes on")?;
        self.report.check(
            "no tick is lost or done twice",
            (last + 1..=last + 2).contains(&first),
            format!("tick {last}, then {first}"),
        );
        self.report.check("PCR are as they were", pcr(client)? == held, "");
        let worked = open.work(client).and_then(|()| open.work(client));
        self.report.succeeds("key and session go on", worked);
        let right = open.hash_is_right(client)?;
        self.report.check("a hash over the snapshot and the migration is right", right, "");
        let loaded = open.contexts_load(client);
        self.report.succeeds("contexts saved before load", loaded);
        flush(client, open.parent.raw())?;
        flush(client, open.session.handle)
    }

    /// Suspend to memory: Shutdown(STATE), power off, Startup(STATE).
    fn sleep(&mut self, machine: &mut Machine, client: &mut Guest) -> Result<()> {
        let mut open = Open::new(client)?;
        let (held, counted) = (pcr(client)?, counter(client)?);
        client.transport().send("SLEEP")?;
        machine.wait_status("suspended")?;
        // The guest has no power; a moment of it.
        thread::sleep(Duration::from_millis(500));
        let from = machine.console().len();
        machine.run("system_wakeup", serde_json::Value::Null)?;
        expect("awake", &client.transport().hear()?)?;
        self.report.check("the guest slept and woke", machine.status()? == "running", "");
        self.report.check("PCR that sleep keeps are kept", pcr(client)? == held, "");
        let again = counter(client)?;
        self.report.check("NV is kept", again >= counted, format!("counter {counted}, then {again}"));
        let gone = try_seal(client, open.parent, &mut open.session)?;
        self.report.check("what was loaded is gone", gone.is_some(), format!("{gone:?}"));
        let loaded = open.contexts_load(client);
        self.report.succeeds("contexts saved before it load", loaded);
        machine.wait_for("ticks after sleep", from, |console| (ticks(console).len() >= 2).then_some(()))
    }

    /// The store without the machine: what the guest last saw.
    fn store_agrees(&mut self, setup: &Setup<'_>, counted: u64) -> Result<()> {
        sh::mkdir(&setup.dir)?;
        let socket = setup.dir.join("data");
        let server = format!("type=unixio,path={}", socket.display());
        let flags = "not-need-init,startup-clear";
        let mut tpm = machine::start_tpm(setup, &["--server", &server, "--flags", flags])?;
        let now = UnixTransport::connect(&socket)
            .map_err(|e| e.to_string())
            .and_then(|transport| counter(&mut Client::new(transport)));
        tpm.kill().and_then(|()| tpm.wait()).map_err(|e| e.to_string())?;
        let now = now?;
        self.report.check(
            "the store holds what the guest counted",
            (counted..=counted + 1).contains(&now),
            format!("the guest read {counted}, the store has {now}"),
        );
        Ok(())
    }

    fn clean_console(&mut self, machine: &Machine, when: &str) {
        let console = machine.console();
        let bad: Vec<&str> = console
            .lines()
            .filter(|line| {
                let line = line.to_lowercase();
                line.contains("fail") || (line.contains("tpm") && line.contains("error"))
            })
            .collect();
        self.report.check(format!("the guest saw nothing break {when}"), bad.is_empty(), bad.join("; "));
    }

    fn clean_log(&mut self, dir: &Path) -> Result<()> {
        let log = String::from_utf8_lossy(&sh::read_file(&dir.join("tpm.log"))?).into_owned();
        let bad: Vec<&str> = log.lines().filter(|line| line.contains("error: ")).collect();
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        self.report.check(
            format!("the TPM of machine {name} reported no error"),
            bad.is_empty(),
            bad.join("; "),
        );
        Ok(())
    }
}

fn expect(wanted: &str, said: &str) -> Result<()> {
    if wanted == said { Ok(()) } else { Err(format!("the guest said {said:?} and not {wanted:?}")) }
}
