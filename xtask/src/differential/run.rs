//! One run: fresh TPMs, a seed, and steps that depend on it and on what came before.

use super::{
    explained,
    peers::{Ours, Peer, Theirs},
    request::{Proof, Request},
    response::{self, Reply},
    world::World,
};
use crate::{
    report::hex,
    sh::Result,
    spec::{self, CommandRow},
};
use sigillo_sample::Random;
use sigillo_types::{Rc, command::CommandSpec, commands, rc};
use std::{collections::BTreeSet, fmt::Write, sync::OnceLock};

/// A command that both TPMs have, and how often it is sent.
struct Choice {
    row: &'static CommandRow,
    spec: &'static CommandSpec,
    weight: usize,
}

static CHOICES: OnceLock<Vec<Choice>> = OnceLock::new();

/// The codes of the commands that swtpm has.
static THERE: OnceLock<BTreeSet<u32>> = OnceLock::new();

/// Whether swtpm has a command.
pub(crate) fn is_there(code: u32) -> bool {
    THERE.get().is_some_and(|codes| codes.contains(&code))
}

/// How often a command is sent, where 3 is not right: what makes things comes often, what takes everything away is rare.
fn weight(command: &str) -> usize {
    match command {
        "TPM2_LoadExternal" => 24,
        "TPM2_CreatePrimary" => 12,
        "TPM2_FlushContext" | "TPM2_StartAuthSession" | "TPM2_Create" | "TPM2_Load" => 10,
        "TPM2_NV_DefineSpace" | "TPM2_GetCapability" => 8,
        "TPM2_NV_Write"
        | "TPM2_NV_Read"
        | "TPM2_HashSequenceStart"
        | "TPM2_PCR_Extend"
        | "TPM2_ReadPublic" => 6,
        "TPM2_SelfTest" | "TPM2_IncrementalSelfTest" | "TPM2_Shutdown" | "TPM2_Startup" | "TPM2_Clear" => 1,
        "TPM2_ChangePPS" | "TPM2_ChangeEPS" | "TPM2_HierarchyControl" | "TPM2_ClearControl" => 1,
        "TPM2_SetPrimaryPolicy"
        | "TPM2_HierarchyChangeAuth"
        | "TPM2_NV_GlobalWriteLock"
        | "TPM2_PCR_Allocate" => 1,
        "TPM2_DictionaryAttackLockReset" | "TPM2_DictionaryAttackParameters" => 2,
        _ => 3,
    }
}

/// Answers that depend on the moment: not sent.
const LEFT_OUT: &[&str] = &["TPM2_ClockSet", "TPM2_PolicyCounterTimer"];

fn choices(theirs: &mut Theirs) -> Result<&'static [Choice]> {
    if let Some(known) = CHOICES.get() {
        return Ok(known);
    }
    let table = spec::command_rows()?;
    let rows: &'static [CommandRow] = Box::leak(table.into_boxed_slice());
    let there = implemented(theirs)?;
    let there = THERE.get_or_init(|| there);
    let ours: BTreeSet<u32> = sigillo_engine::implemented().map(|spec| spec.code).collect();
    let list = rows
        .iter()
        .filter(|row| !LEFT_OUT.contains(&row.name))
        .filter_map(|row| Some((row, *commands::ALL.iter().find(|spec| spec.name == row.name)?)))
        .filter(|(_, spec)| ours.contains(&spec.code) && there.contains(&spec.code))
        .map(|(row, spec)| Choice { row, spec, weight: weight(row.name) })
        .collect();
    Ok(CHOICES.get_or_init(|| list))
}

/// The command codes that a started TPM says it has.
fn implemented(tpm: &mut Theirs) -> Result<BTreeSet<u32>> {
    use sigillo_client::Transport as _;
    const QUERY: [u8; 22] = [0x80, 1, 0, 0, 0, 22, 0, 0, 1, 0x7A, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0xFE];
    let reply = tpm.transmit(&QUERY)?;
    let words = reply.get(19..).unwrap_or_default().as_chunks::<4>().0;
    Ok(words
        .iter()
        .map(|word| u32::from_be_bytes(*word))
        .map(|attributes| attributes & 0x2000_FFFF)
        .collect())
}

/// How a run ended, or what it found.
pub(crate) enum Event {
    /// They do not agree, and nothing explains it.
    Difference(Box<Difference>),
    /// A known difference, after which they are no longer in the same state.
    Apart,
    /// swtpm ended.
    Aborted,
}

pub(crate) struct Difference {
    pub(crate) step: u64,
    /// Command and codes: what makes two findings the same.
    pub(crate) signature: String,
    pub(crate) report: String,
    /// The TPMs are no longer in the same state.
    pub(crate) apart: bool,
}

/// The numbers of one step of one run: leaving a step out does not change those of the others.
fn random_of(seed: u64, step: u64) -> Random {
    Random::new(Random::new(seed).next_u64() ^ Random::new(!step).next_u64())
}

pub(crate) struct Run {
    seed: u64,
    world: World,
    ours: Ours,
    theirs: Theirs,
    choices: &'static [Choice],
    /// Commands sent, and how many of them succeeded.
    pub(crate) sent: usize,
    pub(crate) succeeded: usize,
    /// Lines of explained.tsv, and what each covered.
    pub(crate) explained: Vec<(usize, String)>,
    pub(crate) trace: bool,
}

const STARTUP: [u8; 12] = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0];

impl Run {
    /// Two TPMs as they leave the factory, started.
    pub(crate) fn new(seed: u64) -> Result<Self> {
        use sigillo_client::Transport as _;
        let (mut ours, mut theirs) = (Ours::new(seed)?, Theirs::new()?);
        ours.init()?;
        theirs.init()?;
        ours.transmit(&STARTUP)?;
        theirs.transmit(&STARTUP)?;
        let choices = choices(&mut theirs)?;
        let mut world = World::new();
        world.started = true;
        Ok(Self {
            seed,
            world,
            ours,
            theirs,
            choices,
            sent: 0,
            succeeded: 0,
            explained: Vec::new(),
            trace: false,
        })
    }

    /// Takes a step; `None` if the TPMs agree.
    pub(crate) fn step(&mut self, step: u64) -> Result<Option<Event>> {
        let mut r = random_of(self.seed, step);
        // Right after a shutdown it is most worth while.
        let shut_down = self.world.state_saved && !self.world.used_since_shutdown;
        match r.below(if shut_down { 2 } else { 200 }) {
            0 => {
                self.world.power_lost();
                self.ours.init()?;
                return Ok(self.theirs.init().is_err().then_some(Event::Aborted));
            }
            1..4 => {
                let locality =
                    if self.world.locality == 0 { u8::try_from(r.below(5)).unwrap_or(0) } else { 0 };
                self.world.locality = locality;
                self.ours.set_locality(locality)?;
                return Ok(self.theirs.set_locality(locality).is_err().then_some(Event::Aborted));
            }
            _ => {}
        }
        let Some(choice) = self.choose(&mut r) else { return Ok(None) };
        let request = Request::new(choice.row, choice.spec, &self.world, &mut r);
        self.exchange(step, &request)
    }

    fn choose(&self, r: &mut Random) -> Option<&'static Choice> {
        let named = |name: &str| self.choices.iter().find(|choice| choice.row.name == name);
        if !self.world.started && r.chance(85) {
            return named("TPM2_Startup");
        }
        if (self.world.transient() >= 3 || self.world.sessions() >= 3) && r.chance(25) {
            return named("TPM2_FlushContext");
        }
        let total: usize = self.choices.iter().map(|choice| choice.weight).sum();
        let mut at = r.below(total);
        self.choices.iter().find(|choice| {
            let here = at < choice.weight;
            at = at.saturating_sub(choice.weight);
            here
        })
    }

    fn exchange(&mut self, step: u64, request: &Request) -> Result<Option<Event>> {
        use sigillo_client::Transport as _;
        let bytes = [request.bytes(0), request.bytes(1)];
        let protected = request.sent_handles().iter().any(|handle| self.world.is_da_protected(*handle));
        self.world.da_used |= protected;
        // Even if it fails, libtpms writes down that it came.
        self.world.used_since_shutdown |= protected;
        let mine = self.ours.transmit(&bytes[0])?;
        let Ok(other) = self.theirs.transmit(&bytes[1]) else { return Ok(Some(Event::Aborted)) };
        self.sent += 1;
        if self.trace {
            println!("{step:5} {} {:?}", request.row.name, response::code(&mine).map(Rc::from_raw));
            println!("      {} -> {} here, {} there", hex(&bytes[0]), hex(&mine), hex(&other));
        }
        let codes = [&mine, &other].map(|reply| response::code(reply).unwrap_or(u32::MAX));
        if codes == [0, 0] && request.is_opaque() {
            self.succeeded += 1;
            // What they did with it, and what they said, is another thing in each.
            return Ok(Some(Event::Apart));
        }
        let what = if codes[0] != codes[1] {
            let [ours, theirs] = codes.map(explained::name);
            Some(format!("{ours} here, {theirs} there"))
        } else if codes[0] == 0 {
            self.succeeded += 1;
            match (response::parse(request, &mine, 0), response::parse(request, &other, 1)) {
                (Ok(mine), Ok(other)) => {
                    let replies: [Reply; 2] = [mine, other];
                    let different = response::difference(request, &self.world, &replies);
                    response::apply(request, &mut self.world, &replies);
                    different
                }
                (Err(wrong), Ok(_)) => Some(format!("{wrong} here")),
                (Ok(_), Err(wrong)) => Some(format!("{wrong} there")),
                (Err(wrong), Err(_)) => Some(format!("{wrong} here and there")),
            }
        } else {
            None
        };
        let Some(what) = what else { return Ok(self.world.apart.then_some(Event::Apart)) };
        let signature = format!("{}: {what}", request.row.name);
        // A wrong authorization is counted, whatever else.
        let counted = codes.map(|code| Rc::from_raw(code).fmt1() == Some(rc::AUTH_FAIL));
        let apart = ((codes[0] == 0) != (codes[1] == 0) && request.changes_state())
            || counted[0] != counted[1]
            || self.world.apart
            || what == response::OTHER_HANDLE;
        if let Some(line) = explained::covers(request, &self.world, codes, &what)? {
            self.explained.push((line.number, signature));
            return Ok(apart.then_some(Event::Apart));
        }
        if codes[1] == rc::FAILURE.raw() {
            return Ok(Some(Event::Aborted));
        }
        let report = self.report(step, request, &bytes, [&mine, &other], &what);
        Ok(Some(Event::Difference(Box::new(Difference { step, signature, report, apart }))))
    }

    fn report(
        &self,
        step: u64,
        request: &Request,
        bytes: &[Vec<u8>; 2],
        replies: [&[u8]; 2],
        what: &str,
    ) -> String {
        let mut text = format!("{} at --seed {} --steps {}: {what}\n", request.row.name, self.seed, step + 1);
        let handles = request.row.handles.iter().zip(&request.handles);
        for (declared, handle) in handles {
            let _ = writeln!(text, "    {:<18} {}", declared.name, response::describe(&self.world, *handle));
        }
        for entry in &request.authorizations {
            let _ = writeln!(
                text,
                "    authorization      {:#010x} attributes {:#04x} nonce {} hmac {}",
                entry.session,
                entry.attributes,
                hex(&entry.nonce),
                match &entry.hmac {
                    Proof::Octets(octets) => hex(octets),
                    Proof::Hmac(proof) => format!("of a session with authValue {}", hex(&proof.auth)),
                }
            );
        }
        for (declared, [mine, other]) in request.row.parameters.iter().zip(&request.parameters) {
            let _ = writeln!(text, "    {:<18} {}", declared.name, hex(mine));
            if mine != other {
                let _ = writeln!(text, "    {:<18} {}", "  there", hex(other));
            }
        }
        if let Some(damage) = request.damage {
            let _ = writeln!(text, "    spoiled            {damage:?}");
        }
        let _ = writeln!(text, "    locality           {}", self.world.locality);
        for (name, side) in ["sigillo", "swtpm"].into_iter().zip([0, 1]) {
            let (request, reply) = (bytes.get(side), replies.get(side));
            let _ = writeln!(text, "    {name:<8} command {}", hex(request.map_or(&[][..], Vec::as_slice)));
            let _ = writeln!(text, "    {name:<8} reply   {}", hex(reply.copied().unwrap_or_default()));
        }
        text
    }
}
