//! What both TPMs hold, as the commands that succeeded have made it.

use super::sessions::Known;
use sigillo_types::{
    HashAlg,
    attributes::{TpmaNv, TpmaObject},
    handles::{HandleType, hc, rh},
};
use std::collections::BTreeMap;

/// Bytes of the two TPMs, ours first: a value that one of them made goes back to the same one.
pub(crate) type Both = [Vec<u8>; 2];

/// The same bytes for both.
pub(crate) fn same(bytes: &[u8]) -> Both {
    [bytes.to_vec(), bytes.to_vec()]
}

/// What a handle names.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A hierarchy or lockout.
    Permanent,
    /// A key or sealed data: type, attributes, scheme.
    Object { algorithm: u16, attributes: TpmaObject, sealed: bool, public_only: bool },
    /// A hash or HMAC sequence.
    Sequence,
    /// An NV index.
    Nv { attributes: TpmaNv, size: u16 },
    /// An authorization session; `known` if its key is.
    Session { hmac: bool, trial: bool, hash: u16, known: Option<Known> },
}

/// What a handle names, and what is needed to use it.
#[derive(Clone, Debug)]
pub(crate) struct Entity {
    pub(crate) kind: Kind,
    pub(crate) auth: Vec<u8>,
    /// The public area of an object; of a session, the TPM's last nonce.
    pub(crate) public: Both,
    /// Neither random nor of one TPM: what comes out of it must be equal.
    pub(crate) same: bool,
}

/// A command that succeeded, for those that take what it gave.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) command: &'static str,
    pub(crate) handles: Vec<u32>,
    /// Parameters of command and response by their names in the table.
    pub(crate) fields: BTreeMap<&'static str, Both>,
    /// The authValue given to what was made.
    pub(crate) auth: Vec<u8>,
    /// The public area of the first handle's object.
    pub(crate) public: Both,
    /// What the first handle named.
    pub(crate) entity: Option<Entity>,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) entities: BTreeMap<u32, Entity>,
    pub(crate) records: Vec<Record>,
    pub(crate) locality: u8,
    pub(crate) started: bool,
    /// Something under dictionary-attack protection was used since the last startup.
    pub(crate) da_used: bool,
    /// The same, and then power was lost.
    pub(crate) da_used_and_power_lost: bool,
    /// TPM2_Shutdown saved the state.
    pub(crate) state_saved: bool,
    /// TPM2_Shutdown succeeded since the last startup.
    pub(crate) shut_down: bool,
    /// After the last TPM2_Shutdown a command succeeded: it may have nullified that here, and not there. The next startup may be another one.
    pub(crate) used_since_shutdown: bool,
    /// It was so when the last startup came.
    pub(crate) shutdown_was_used: bool,
    /// Both did the last command, and it may have left them in different states.
    pub(crate) apart: bool,
    /// Indices that were written, and whether a write has reached all of one.
    pub(crate) written: BTreeMap<u32, bool>,
    /// Banks may be without PCR.
    pub(crate) pcr_allocated: bool,
    /// The next _TPM_Init will take PCR away or give them.
    pub(crate) allocation_pending: bool,
    /// An algorithm set was chosen since the last startup.
    pub(crate) algorithm_set: bool,
}

/// The most results kept.
const MAX_RECORDS: usize = 64;

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self::default();
        for handle in [rh::OWNER, rh::ENDORSEMENT, rh::PLATFORM, rh::LOCKOUT, rh::NULL] {
            world.entities.insert(handle, Entity::new(Kind::Permanent));
        }
        world
    }

    pub(crate) fn record(&mut self, record: Record) {
        if self.records.len() == MAX_RECORDS {
            self.records.remove(0);
        }
        self.records.push(record);
    }

    /// What _TPM_Init takes away.
    pub(crate) fn power_lost(&mut self) {
        self.started = false;
        self.allocation_pending = false;
        self.da_used_and_power_lost |= std::mem::take(&mut self.da_used);
        self.entities.retain(|handle, _| {
            !matches!(
                HandleType::of(*handle),
                Some(HandleType::Transient | HandleType::HmacSession | HandleType::PolicySession)
            )
        });
        if let Some(platform) = self.entities.get_mut(&rh::PLATFORM) {
            platform.auth.clear();
        }
    }

    pub(crate) fn transient(&self) -> usize {
        self.entities.range(hc::TRANSIENT..hc::PERSISTENT).count()
    }

    pub(crate) fn sessions(&self) -> usize {
        self.entities.range(hc::HMAC_SESSION..0x0400_0000).count()
    }

    /// Whether wrong tries of the authValue count.
    pub(crate) fn is_da_protected(&self, handle: u32) -> bool {
        match self.entities.get(&handle).map(|entity| &entity.kind) {
            Some(Kind::Object { attributes, .. }) => !attributes.contains(TpmaObject::NO_DA),
            Some(Kind::Nv { attributes, .. }) => !attributes.contains(TpmaNv::NO_DA),
            Some(Kind::Permanent) => handle == rh::LOCKOUT,
            Some(Kind::Sequence | Kind::Session { .. }) | None => false,
        }
    }

    /// Whether what these handles name is the same in both TPMs.
    pub(crate) fn same(&self, handles: &[u32]) -> bool {
        handles.iter().all(|handle| self.entities.get(handle).is_none_or(|entity| entity.same))
    }
}

impl Entity {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, auth: Vec::new(), public: Both::default(), same: true }
    }

    /// An object by its public area, the contents of a TPM2B_PUBLIC.
    pub(crate) fn object(public: Both, auth: Vec<u8>, same: bool) -> Self {
        let mine = &public[0];
        let algorithm = word(mine, 0).unwrap_or(0);
        let bits = mine
            .get(4..8)
            .and_then(|octets| octets.first_chunk())
            .map_or(0, |four| u32::from_be_bytes(*four));
        let attributes = TpmaObject::from_bits_truncate(bits);
        let sealed = algorithm == 0x0008 && !attributes.intersects(TpmaObject::SIGN | TpmaObject::DECRYPT);
        Self { kind: Kind::Object { algorithm, attributes, sealed, public_only: false }, auth, public, same }
    }

    pub(crate) fn is_object(&self, test: impl Fn(u16, TpmaObject, bool) -> bool) -> bool {
        match self.kind {
            Kind::Object { algorithm, attributes, sealed, .. } => test(algorithm, attributes, sealed),
            _ => false,
        }
    }
}

impl World {
    /// The Names that a handle has in the two TPMs; `None` if they are not known.
    pub(crate) fn names(&self, handle: u32) -> Option<Both> {
        match self.entities.get(&handle) {
            Some(Entity { kind: Kind::Object { .. }, public, .. }) => {
                Some(public.clone().map(|public| super::values::name_of(&public)))
            }
            Some(Entity { kind: Kind::Sequence, .. }) => Some(Both::default()),
            // It changes with the first write.
            Some(Entity { kind: Kind::Nv { .. }, .. }) => None,
            Some(Entity { kind: Kind::Permanent | Kind::Session { .. }, .. }) | None => {
                Some(same(&handle.to_be_bytes()))
            }
        }
    }
}

/// The 16-bit number at `at`.
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}

/// The 32-bit number at `at`.
pub(crate) fn long(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// The contents of the TPM2B at `at`.
pub(crate) fn sized_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let size = usize::from(word(bytes, at)?);
    bytes.get(at + 2..at + 2 + size)
}

/// Octets in a digest of an algorithm.
pub(crate) fn digest_size(algorithm: u16) -> usize {
    HashAlg::ALL.iter().find(|hash| hash.id() == algorithm).map_or(32, |hash| hash.digest_size())
}
