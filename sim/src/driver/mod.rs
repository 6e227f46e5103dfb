//! What happens next: commands mostly, and everything else that happens to a TPM.

mod sensible;

use crate::{
    saved::{LiveSession, Look},
    world::{Fault, Lost, Tally, World},
};
use sigillo_client::{Auth, Client, Error, Session};
use sigillo_sample::{Random, Source, commands::Shape, rough};
use sigillo_types::{
    attributes::TpmaSession,
    cc,
    command::{Command, CommandSpec},
    commands::{CreateResponse, Shutdown, Startup},
    constants::{SessionType, StartupType},
    structures::TpmsContext,
};

/// A command in its areas.
pub(crate) struct Order {
    spec: &'static CommandSpec,
    handles: Vec<u32>,
    parameters: Vec<u8>,
}

impl Order {
    fn of<C: Command>(command: &C) -> Self {
        let mut parameters = Vec::new();
        command.marshal_parameters(&mut parameters);
        Self { spec: C::SPEC, handles: command.handles(), parameters }
    }
}

/// Decides, and remembers what drivers remember.
pub(crate) struct Driver {
    client: Client<World>,
    random: Random,
    shapes: Vec<Shape>,
    /// Contexts that were saved.
    contexts: Vec<TpmsContext>,
    /// Objects that were made, with their parent's handle.
    made: Vec<(u32, CreateResponse)>,
}

/// Contexts and objects that are remembered.
const REMEMBERED: usize = 12;

impl Driver {
    pub(crate) fn new(seed: u64) -> Result<Self, String> {
        let known: Vec<u32> = sigillo_engine::implemented().map(|spec| spec.code).collect();
        let mut shapes = sigillo_sample::commands::shapes();
        shapes.retain(|shape| known.contains(&shape.spec.code));
        Ok(Self {
            client: Client::new(World::new(seed)?),
            // Another sequence than the world's.
            random: Random::new(!seed),
            shapes,
            contexts: Vec::new(),
            made: Vec::new(),
        })
    }

    pub(crate) fn tally(mut self) -> Tally {
        self.world().tally.clone()
    }

    fn world(&mut self) -> &mut World {
        self.client.transport()
    }

    /// One step.
    pub(crate) fn step(&mut self, history: &mut Vec<String>) -> Result<(), String> {
        let look = self.world().look()?;
        let line = match self.random.below(100) {
            _ if self.world().is_stuck() && self.random.one_in(5) => self.event("kill -9", World::kill),
            _ if !look.is_started() && !self.random.one_in(6) => self.start(),
            0..3 => self.time(),
            3..6 => self.event("another process goes on with it", World::migrate),
            6..7 => self.event("a snapshot is kept", World::keep_snapshot),
            7 if self.random.one_in(3) => self.event("back to the snapshot", World::revert),
            8 => self.event("power cut", World::power_cut),
            9 => self.event("kill -9", World::kill),
            10 => self.event("_TPM_Init", World::init),
            11 => self.event("power off and on", World::power_off),
            12..14 => self.restart(),
            14 => self.event("_TPM_Hash_*", World::hash_indications),
            15 => {
                let locality = self.random.pick(&[0, 0, 0, 1, 2, 3, 4]);
                self.world().locality = locality;
                format!("locality {locality}")
            }
            _ => self.command(&look),
        };
        history.push(line);
        match self.world().trouble.take() {
            None => Ok(()),
            Some(what) => {
                let (command, reply) = self.world().last.clone();
                Err(format!("{what}\n  last command {}\n  answer {}", hex(&command), hex(&reply)))
            }
        }
    }

    fn event(&mut self, name: &str, event: impl FnOnce(&mut World)) -> String {
        event(self.world());
        name.into()
    }

    fn time(&mut self) -> String {
        let ms = match self.random.below(6) {
            0 => self.random.below(20),
            1..4 => self.random.below(10_000),
            4 => self.random.below(5_000_000),
            _ => self.random.below(500_000_000),
        };
        if self.random.one_in(12) {
            // A host's clock that goes back counts nothing.
            let now = &mut self.world().host.now_ms;
            *now = now.saturating_sub(ms as u64);
            self.world().advance(0);
            return format!("the host's clock goes back {ms} ms");
        }
        self.world().advance(ms as u64);
        format!("{ms} ms pass")
    }

    fn start(&mut self) -> String {
        let startup_type = self.random.pick(&[StartupType::Clear, StartupType::Clear, StartupType::State]);
        self.fault();
        if !self.random.one_in(10) {
            self.world().locality = 0;
        }
        self.send(Order::of(&Startup { startup_type }), None)
    }

    /// An orderly end and a new beginning.
    fn restart(&mut self) -> String {
        let shutdown_type = self.random.pick(&[StartupType::Clear, StartupType::State]);
        let mut line = self.send(Order::of(&Shutdown { shutdown_type }), None);
        if self.random.one_in(2) {
            self.world().init();
            line += "; _TPM_Init";
        } else {
            self.world().power_cut();
            line += "; power cut";
        }
        line
    }

    /// Sometimes something goes wrong with the next command.
    fn fault(&mut self) {
        if self.random.one_in(16) {
            self.world().plan = match self.random.below(12) {
                0 | 1 => Fault::CutBeforeStore,
                2..5 => Fault::CutInStore,
                5 | 6 => Fault::CutBeforeReply,
                7 => Fault::DiskError,
                8 => Fault::DiskFull,
                9 => Fault::Canceled,
                _ => Fault::Damaged,
            };
        }
    }

    fn command(&mut self, look: &Look) -> String {
        self.fault();
        match self.random.below(20) {
            0..14 => {
                let order = self.sensible(look);
                match order {
                    Some(order) => self.send(order, Some(look)),
                    None => "nothing".into(),
                }
            }
            14..17 => {
                let order = self.well_formed(look);
                self.send(order, Some(look))
            }
            17 | 18 => {
                let shape = self.random.pick(&self.shapes);
                let handles = self.live_handles(look);
                let command = rough::command(&mut self.random, shape.spec, &handles);
                self.raw(shape.spec.name, &command)
            }
            _ => {
                let order = self.well_formed(look);
                self.world().plan = Fault::Damaged;
                self.send(order, Some(look))
            }
        }
    }

    /// A command whose parameters are any values of their types, on handles of what is there.
    fn well_formed(&mut self, look: &Look) -> Order {
        let shape = self.random.pick(&self.shapes);
        let octets = self.random.octets(160);
        let (sampled, parameters) = (shape.make)(&mut Source::new(&octets));
        let live = self.live_handles(look);
        let handles = shape.spec.handles.iter().zip(sampled).map(|(field, sampled)| {
            let fitting = rough::handle(&mut self.random, field.check, &live);
            if (field.check)(fitting).is_ok() { fitting } else { sampled }
        });
        Order { spec: shape.spec, handles: handles.collect(), parameters }
    }

    /// Handles that mean something now, and some that always do.
    fn live_handles(&mut self, look: &Look) -> Vec<u32> {
        let mut handles: Vec<u32> = look.objects().iter().map(|object| object.handle).collect();
        handles.extend(look.sequences().iter().map(|(handle, _)| *handle));
        handles.extend(look.sessions().iter().map(|session| session.handle));
        handles.extend(look.indices().iter().map(|index| index.public.nv_index.raw()));
        handles.extend(rough::HANDLES);
        handles
    }

    fn raw(&mut self, name: &str, command: &[u8]) -> String {
        match self.client.raw(command) {
            Ok(reply) => format!("rough {name}: {}", hex(reply.get(6..10).unwrap_or_default())),
            Err(Lost) => format!("rough {name}: no answer"),
        }
    }

    /// Sends a command with right authorizations, or now and then a wrong one.
    fn send(&mut self, order: Order, look: Option<&Look>) -> String {
        let wrong = self.random.one_in(24);
        let plan = self.world().plan;
        let auth_of = |handle: u32| look.map(|look| look.auth_of(handle)).unwrap_or_default();
        let needed = order.spec.handles.iter().zip(&order.handles).filter(|(field, _)| field.auth.is_some());
        let mut values: Vec<Vec<u8>> = needed.map(|(_, handle)| auth_of(*handle)).collect();
        if wrong && let Some(value) = values.first_mut() {
            value.push(b'!');
        }
        let mut sessions = self.sessions_for(&order, look, values.len());
        values.resize(sessions.len(), Vec::new());
        let mut auths: Vec<Auth<'_>> = sessions
            .iter_mut()
            .zip(&values)
            .map(|(session, value)| match session {
                None => Auth::password(value),
                Some((session, attributes)) => Auth::session_with(session, value, *attributes),
            })
            .collect();
        let with: String =
            auths.iter().map(|auth| if matches!(auth, Auth::Password(_)) { 'p' } else { 's' }).collect();
        let answer = self.client.call_parts(order.spec, &order.handles, order.parameters, &mut auths);
        drop(auths);
        let outcome = match &answer {
            Ok(_) => "success".to_owned(),
            Err(Error::Tpm(code)) => format!("{code}"),
            Err(Error::Transport(Lost)) => "no answer".into(),
            Err(Error::Malformed(_)) if plan == Fault::Damaged => "damaged".into(),
            Err(Error::ResponseHmac) if plan == Fault::Damaged => "damaged".into(),
            // The response comes under an authValue that was not there before.
            Err(Error::ResponseHmac) if changes_auth(order.spec.code) => {
                "success under a new authValue".into()
            }
            Err(error) => {
                let what = format!("{}: {error}", order.spec.name);
                self.world().note(Err(what));
                "broken".into()
            }
        };
        let handles: Vec<String> = order.handles.iter().map(|handle| format!("{handle:x}")).collect();
        let line = format!("{}({}) [{with}] {plan:?}: {outcome}", order.spec.name, handles.join(" "));
        if let Ok(parts) = answer {
            self.remember(order.spec, &order.handles, &parts);
        }
        line
    }

    /// One entry of the authorization area for each handle that needs one, and sometimes another session to encrypt or to audit with.
    fn sessions_for(
        &mut self,
        order: &Order,
        look: Option<&Look>,
        needed: usize,
    ) -> Vec<Option<(Session, TpmaSession)>> {
        let mut live: Vec<LiveSession> = look.map(Look::sessions).unwrap_or_default();
        live.retain(|session| session.kind == SessionType::Hmac && !session.bound);
        let mut entries: Vec<Option<(Session, TpmaSession)>> = Vec::new();
        let mut take = |random: &mut Random| {
            let at = random.below(live.len());
            let session = (!live.is_empty()).then(|| live.swap_remove(at))?;
            let mut attributes = TpmaSession::CONTINUE_SESSION;
            if session.symmetric.is_some() && random.one_in(3) && order.spec.can_decrypt() {
                attributes |= TpmaSession::DECRYPT;
            }
            if session.symmetric.is_some() && random.one_in(3) && order.spec.can_encrypt() {
                attributes |= TpmaSession::ENCRYPT;
            }
            if random.one_in(4) {
                attributes |= TpmaSession::AUDIT;
            }
            if random.one_in(12) {
                attributes.remove(TpmaSession::CONTINUE_SESSION);
            }
            let LiveSession { handle, kind, auth_hash, symmetric, key, nonce_tpm, .. } = session;
            Some((Session::known(handle, kind, auth_hash, symmetric, &key, &nonce_tpm), attributes))
        };
        for _ in 0..needed {
            let entry = if self.random.one_in(3) { take(&mut self.random) } else { None };
            entries.push(entry);
        }
        if !order.spec.no_sessions && entries.len() < 3 && self.random.one_in(8) {
            entries.extend(take(&mut self.random).map(Some));
        }
        entries
    }
}

/// Commands that change the authValue that they are authorized with.
fn changes_auth(code: u32) -> bool {
    matches!(
        code,
        cc::HIERARCHY_CHANGE_AUTH | cc::NV_CHANGE_AUTH | cc::CLEAR | cc::CHANGE_EPS | cc::CHANGE_PPS
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}
