//! Saved state as data, read without the engine: the simulator must not ask the engine whether the engine is right.
//!
//! The field numbers are those of the engine's `saved` and `state` modules, which are never given away again.

use minicbor::{Decoder, data::Type};
use sigillo_types::{
    HashAlg, Unmarshal,
    attributes::{NvType, TpmaNv},
    buffers::Tpm2bNonce,
    constants::SessionType,
    structures::{SymDef, TpmsNvPublic, TpmtPublic, TpmtSensitive},
};
use std::{collections::BTreeMap, fmt};

/// The octets before the CBOR of a saved state.
const HEADER: usize = 20;

/// One CBOR item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Number(i128),
    Flag(bool),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Item>),
    Map(BTreeMap<u64, Item>),
    Nothing,
}

impl Item {
    /// The body of a saved state.
    pub(crate) fn of(saved: &[u8]) -> Result<Self, String> {
        let mut decoder = Decoder::new(saved.get(HEADER..).unwrap_or_default());
        let item = Self::read(&mut decoder).map_err(|e| format!("saved state is not CBOR: {e}"))?;
        if decoder.position() + HEADER == saved.len() {
            Ok(item)
        } else {
            Err("saved state goes on behind its end".into())
        }
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, minicbor::decode::Error> {
        let unknown = || minicbor::decode::Error::message("an item that no saved state has");
        Ok(match d.datatype()? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => Self::Number(d.u64()?.into()),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 => Self::Number(d.i64()?.into()),
            Type::Bool => Self::Flag(d.bool()?),
            Type::Bytes => Self::Bytes(d.bytes()?.to_vec()),
            Type::String => Self::Text(d.str()?.to_owned()),
            Type::Null => {
                d.null()?;
                Self::Nothing
            }
            Type::Array => {
                let count = d.array()?.ok_or_else(unknown)?;
                Self::List((0..count).map(|_| Self::read(d)).collect::<Result<_, _>>()?)
            }
            Type::Map => {
                let count = d.map()?.ok_or_else(unknown)?;
                let entries = (0..count).map(|_| Ok((d.u64()?, Self::read(d)?)));
                Self::Map(entries.collect::<Result<_, minicbor::decode::Error>>()?)
            }
            _ => return Err(unknown()),
        })
    }

    /// What lies at a path of map keys and list places.
    pub(crate) fn at(&self, path: &[u64]) -> &Item {
        let Some((first, rest)) = path.split_first() else { return self };
        let inner = match self {
            Self::Map(map) => map.get(first),
            Self::List(list) => usize::try_from(*first).ok().and_then(|at| list.get(at)),
            Self::Number(_) | Self::Flag(_) | Self::Bytes(_) | Self::Text(_) | Self::Nothing => None,
        };
        inner.map_or(&Self::Nothing, |inner| inner.at(rest))
    }

    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Number(number) => u64::try_from(*number).unwrap_or(0),
            _ => 0,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        *self == Self::Flag(true)
    }

    pub(crate) fn list(&self) -> &[Item] {
        match self {
            Self::List(list) => list,
            _ => &[],
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (u64, &Item)> {
        let map = match self {
            Self::Map(map) => Some(map),
            _ => None,
        };
        map.into_iter().flatten().map(|(key, item)| (*key, item))
    }

    /// The paths at which two items differ.
    pub(crate) fn differences(&self, other: &Self) -> Vec<Path> {
        let mut found = Vec::new();
        self.compare(other, &mut Path::default(), &mut found);
        found
    }

    fn compare(&self, other: &Self, path: &mut Path, found: &mut Vec<Path>) {
        match (self, other) {
            (Self::Map(a), Self::Map(b)) => {
                for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(key))) {
                    path.0.push(*key);
                    a.get(key).unwrap_or(&Self::Nothing).compare(
                        b.get(key).unwrap_or(&Self::Nothing),
                        path,
                        found,
                    );
                    path.0.pop();
                }
            }
            (Self::List(a), Self::List(b)) if a.len() == b.len() => {
                for (place, (a, b)) in (0..).zip(a.iter().zip(b)) {
                    path.0.push(place);
                    a.compare(b, path, found);
                    path.0.pop();
                }
            }
            (a, b) if a == b => {}
            _ => found.push(path.clone()),
        }
    }
}

/// Where an item lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<u64>);

impl Path {
    pub(crate) fn is_under(&self, prefix: &[u64]) -> bool {
        self.0.starts_with(prefix)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&keys.join("."))
    }
}

/// Paths into the permanent state.
pub(crate) mod permanent {
    pub(crate) const REVISION: &[u64] = &[2];
    pub(crate) const PERSISTENT: &[u64] = &[3];
    pub(crate) const SHUTDOWN: &[u64] = &[3, 14];
    /// TPM Resets since the last TPM2_Clear.
    pub(crate) const RESET_COUNT: &[u64] = &[3, 7];
    /// TPM Resets ever.
    pub(crate) const TOTAL_RESET_COUNT: &[u64] = &[3, 8];
    pub(crate) const AUDIT_COUNTER: &[u64] = &[3, 12];
    pub(crate) const MAX_COUNTER: &[u64] = &[3, 15];
    pub(crate) const DA: &[u64] = &[4];
    pub(crate) const ORDERLY: &[u64] = &[5];
    pub(crate) const CLOCK: &[u64] = &[5, 0];
    pub(crate) const ORDERLY_NV: &[u64] = &[5, 2];
    pub(crate) const INDICES: &[u64] = &[6];
    pub(crate) const EVICT: &[u64] = &[7];
    /// What Shutdown(STATE) saved.
    pub(crate) const STATE: &[u64] = &[8];
}

/// Paths into the volatile state.
pub(crate) mod volatile {
    pub(crate) const REVISION: &[u64] = &[1];
    pub(crate) const DA: &[u64] = &[2];
    pub(crate) const FAILED_TRIES: &[u64] = &[2, 0];
    pub(crate) const RECOVERY_TIME: &[u64] = &[2, 2];
    pub(crate) const CLOCK_SAFE: &[u64] = &[3, 1];
    pub(crate) const ORDERLY_NV: &[u64] = &[3, 2];
    pub(crate) const CLEAR: &[u64] = &[4];
    pub(crate) const RESET: &[u64] = &[5];
    pub(crate) const STARTED: &[u64] = &[8];
    pub(crate) const SLOTS: &[u64] = &[10];
    pub(crate) const SESSIONS: &[u64] = &[11];
    pub(crate) const HASH_SEQUENCE: &[u64] = &[16];
    pub(crate) const TIME: &[u64] = &[17];
    pub(crate) const CLOCK_OFFSET: &[u64] = &[18];
    pub(crate) const TESTED: &[u64] = &[24];
    pub(crate) const FAILURE: &[u64] = &[23];
}

/// An object in a slot or in NV.
#[derive(Clone, Debug)]
pub(crate) struct LiveObject {
    pub(crate) handle: u32,
    pub(crate) public: TpmtPublic,
    pub(crate) sensitive: Option<TpmtSensitive>,
}

/// A loaded session.
#[derive(Clone, Debug)]
pub(crate) struct LiveSession {
    pub(crate) handle: u32,
    pub(crate) kind: SessionType,
    pub(crate) auth_hash: HashAlg,
    pub(crate) symmetric: Option<SymDef>,
    pub(crate) key: Vec<u8>,
    pub(crate) nonce_tpm: Vec<u8>,
    pub(crate) bound: bool,
}

/// An NV index.
#[derive(Clone, Debug)]
pub(crate) struct LiveIndex {
    pub(crate) public: TpmsNvPublic,
    pub(crate) auth: Vec<u8>,
    /// As it would be read now.
    pub(crate) data: Vec<u8>,
}

impl LiveIndex {
    /// The value of a counter that was written.
    pub(crate) fn counter(&self) -> Option<u64> {
        let attributes = self.public.attributes;
        let counts = attributes.nt() == Some(NvType::Counter) && attributes.contains(TpmaNv::WRITTEN);
        counts.then(|| self.data.first_chunk().map_or(0, |data| u64::from_be_bytes(*data)))
    }
}

/// All that a TPM is at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) permanent: Item,
    pub(crate) volatile: Item,
}

fn buffer(bytes: &[u8]) -> Vec<u8> {
    bytes.get(2..).unwrap_or_default().to_vec()
}

impl Look {
    pub(crate) fn new(permanent: &[u8], volatile: &[u8]) -> Result<Self, String> {
        Ok(Self { permanent: Item::of(permanent)?, volatile: Item::of(volatile)? })
    }

    pub(crate) fn is_started(&self) -> bool {
        self.volatile.at(volatile::STARTED).is_true()
    }

    pub(crate) fn is_failed(&self) -> bool {
        *self.volatile.at(volatile::FAILURE) != Item::Nothing
    }

    pub(crate) fn failed_tries(&self) -> u64 {
        self.volatile.at(volatile::FAILED_TRIES).number()
    }

    /// Clock in ms; it means something once the TPM is started.
    pub(crate) fn clock(&self) -> u64 {
        let [time, offset] =
            [volatile::TIME, volatile::CLOCK_OFFSET].map(|path| self.volatile.at(path).number());
        time.wrapping_add(offset)
    }

    fn object(handle: u32, object: &Item) -> Option<LiveObject> {
        let public = TpmtPublic::from_bytes(object.at(&[0]).bytes()).ok()?;
        let sensitive = object.at(&[1]).bytes();
        Some(LiveObject { handle, public, sensitive: TpmtSensitive::from_bytes(sensitive).ok() })
    }

    /// Transient and persistent objects.
    pub(crate) fn objects(&self) -> Vec<LiveObject> {
        let slots = (0x8000_0000_u32..).zip(self.volatile.at(volatile::SLOTS).list());
        let transient = slots.filter(|(_, slot)| *slot.at(&[0]) == Item::Number(0));
        let evict = self.permanent.at(permanent::EVICT).list().iter();
        transient
            .filter_map(|(handle, slot)| Self::object(handle, slot.at(&[1, 0])))
            .chain(evict.filter_map(|saved| Self::object(saved.at(&[0]).number() as u32, saved.at(&[1]))))
            .collect()
    }

    /// Sequences with their authValues.
    pub(crate) fn sequences(&self) -> Vec<(u32, Vec<u8>)> {
        let slots = (0x8000_0000_u32..).zip(self.volatile.at(volatile::SLOTS).list());
        slots
            .filter(|(_, slot)| *slot.at(&[0]) == Item::Number(1))
            .map(|(handle, slot)| (handle, buffer(slot.at(&[1, 0, 0]).bytes())))
            .collect()
    }

    /// Loaded sessions.
    pub(crate) fn sessions(&self) -> Vec<LiveSession> {
        let slots = self.volatile.at(volatile::SESSIONS).entries();
        slots
            .filter(|(_, slot)| *slot.at(&[0]) == Item::Number(0))
            .filter_map(|(_, slot)| session(slot.at(&[1, 0])))
            .collect()
    }

    /// NV indices.
    pub(crate) fn indices(&self) -> Vec<LiveIndex> {
        let orderly = self.volatile.at(volatile::ORDERLY_NV);
        let saved = self.permanent.at(permanent::INDICES).list().iter();
        saved
            .filter_map(|index| {
                let public = TpmsNvPublic::from_bytes(index.at(&[0]).bytes()).ok()?;
                let handle = public.nv_index.raw().into();
                let data = match orderly.at(&[handle]) {
                    Item::Bytes(data) => data.clone(),
                    _ => index.at(&[2]).bytes().to_vec(),
                };
                Some(LiveIndex { public, auth: buffer(index.at(&[1]).bytes()), data })
            })
            .collect()
    }

    /// The authValues of the hierarchies, of lockout and of countdown timers, by their handles.
    pub(crate) fn hierarchy_auth(&self, handle: u32) -> Option<Vec<u8>> {
        use sigillo_types::handles::rh;
        let persistent = self.permanent.at(permanent::PERSISTENT);
        let bytes = match handle {
            rh::OWNER => persistent.at(&[0, 3]).bytes(),
            rh::ENDORSEMENT => persistent.at(&[1, 3]).bytes(),
            rh::LOCKOUT => persistent.at(&[3]).bytes(),
            rh::PLATFORM | rh::ACT_0..=rh::ACT_F => self.volatile.at(volatile::CLEAR).at(&[5]).bytes(),
            _ => return None,
        };
        Some(buffer(bytes))
    }

    /// The authValue of whatever a handle names; empty for what has none.
    pub(crate) fn auth_of(&self, handle: u32) -> Vec<u8> {
        self.hierarchy_auth(handle)
            .or_else(|| {
                let object = self.objects().into_iter().find(|object| object.handle == handle);
                object.and_then(|object| object.sensitive).map(|sensitive| sensitive.auth_value.to_vec())
            })
            .or_else(|| self.sequences().into_iter().find(|(raw, _)| *raw == handle).map(|(_, auth)| auth))
            .or_else(|| {
                let index = self.indices().into_iter().find(|index| index.public.nv_index.raw() == handle);
                index.map(|index| index.auth)
            })
            .unwrap_or_default()
    }

    /// The values of written counters.
    pub(crate) fn counters(&self) -> BTreeMap<u32, u64> {
        let indices = self.indices();
        indices.iter().filter_map(|index| Some((index.public.nv_index.raw(), index.counter()?))).collect()
    }

    /// Everything that must never be seen in a response, but for the few whose purpose it is.
    pub(crate) fn secrets(&self) -> Vec<Vec<u8>> {
        let mut secrets = Vec::new();
        for hierarchy in 0..3 {
            for field in [0, 1] {
                secrets.push(self.permanent.at(&[3, hierarchy, field]).bytes().to_vec());
            }
        }
        for field in [0, 1] {
            secrets.push(self.volatile.at(volatile::RESET).at(&[field]).bytes().to_vec());
        }
        // What the nonces of split operations come from, and the authValue of PCR.
        secrets.push(self.volatile.at(volatile::RESET).at(&[9, 1]).bytes().to_vec());
        secrets.push(buffer(self.volatile.at(volatile::CLEAR).at(&[8]).bytes()));
        use sigillo_types::handles::rh;
        secrets.extend(
            [rh::OWNER, rh::ENDORSEMENT, rh::LOCKOUT, rh::PLATFORM]
                .iter()
                .filter_map(|h| self.hierarchy_auth(*h)),
        );
        secrets.extend(self.sequences().into_iter().map(|(_, auth)| auth));
        secrets.extend(self.indices().into_iter().map(|index| index.auth));
        secrets.extend(self.sessions().into_iter().map(|session| session.key));
        for sensitive in self.objects().into_iter().filter_map(|object| object.sensitive) {
            use sigillo_types::structures::SensitiveComposite::{Bits, Ecc, Rsa, Sym};
            secrets.push(sensitive.auth_value.to_vec());
            secrets.push(sensitive.seed_value.to_vec());
            secrets.push(match &sensitive.sensitive {
                Rsa(prime) => prime.to_vec(),
                Ecc(scalar) => scalar.to_vec(),
                Bits(data) => data.to_vec(),
                Sym(key) => key.to_vec(),
            });
        }
        secrets
    }
}

fn session(item: &Item) -> Option<LiveSession> {
    let kind = match item.at(&[6, 0]).number() {
        0 => SessionType::Hmac,
        1 => SessionType::Policy,
        _ => SessionType::Trial,
    };
    Some(LiveSession {
        handle: u32::try_from(item.at(&[0]).number()).ok()?,
        kind,
        auth_hash: HashAlg::from_bytes(item.at(&[1]).bytes()).ok()?,
        symmetric: Option::<SymDef>::from_bytes(item.at(&[4]).bytes()).ok()?,
        key: item.at(&[2]).bytes().to_vec(),
        nonce_tpm: Tpm2bNonce::from_bytes(item.at(&[3]).bytes()).ok()?.to_vec(),
        bound: *item.at(&[5]) != Item::Nothing,
    })
}
