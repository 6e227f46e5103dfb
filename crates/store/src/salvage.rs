//! What can be had from a file that does not open: read only, and written to a new one.
//!
//! Nothing is believed that does not prove itself. The wrapped data key is bound to the file's UUID, the algorithm and its
//! slot; a state is bound to those and to its own front. So whatever else of the file is gone, what is recovered is a state that
//! this TPM had, or nothing.

use core::fmt;
use sigillo_messages::{text, words};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{CreateError, Damage, OpenError};
use crate::files::{self, Dir, PublishError};
use crate::format::{
    Algorithm, BUCKET, HEADER_LEN, Header, KEY_SLOTS, MAX_SLOT_LEN, MIN_SLOT_LEN, SLOT_HEAD_LEN,
    SLOTS_OFFSET, SlotBody, SlotIndex, parse_front, parse_header, slot_len_for, vm_uuid_hash,
};
use crate::key::{Key, KeyId};
use crate::key_slot::{KeySlot, WrappedKey};
use crate::keys;
use crate::secret::Secret;
use crate::store::{build_image, dir_of, file_error, now_unix_s};
use crate::vault::{self, OpenedSlot, Session, SlotLook};

/// Lengths of the sealed part are tried one by one in slots up to this length.
const MAX_GUESSED_SLOT: usize = 1024 * 1024;

/// Something of the file that is not in the new one, or may not be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// A header copy, 0 or 1, and what is wrong with it.
    HeaderCopy(u8, String),
    /// No header proves itself: only the key given opens the new file, other keys have to be added again.
    OtherKeys(usize),
    /// The header's word for which VM the store is of cannot be proved, and was taken over.
    VmUnproved,
    /// A state slot does not verify. If it was the newer one, the last commit is lost.
    Slot(SlotIndex),
    /// Both slots hold a state of one generation; the one that was committed later was taken.
    Twins,
    /// The file's length in octets is not what its header says.
    Length(u64),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::HeaderCopy(copy, why) => write!(f, "{}", text!("salvage-header-copy", copy, why)),
            Lost::OtherKeys(count) => write!(f, "{}", text!("salvage-other-keys", #count)),
            Lost::VmUnproved => f.write_str(&text!("salvage-vm-unproved")),
            Lost::Slot(index) => write!(f, "{}", text!("salvage-slot", index)),
            Lost::Twins => f.write_str(&text!("salvage-twins")),
            Lost::Length(len) => write!(f, "{}", text!("salvage-length", len)),
        }
    }
}

/// A file that does not open, in memory.
pub struct Wreck {
    bytes: Zeroizing<Vec<u8>>,
    /// Each header copy as far as it can be read, and what is wrong with it.
    fronts: Vec<(Header, Option<String>)>,
    lost: Vec<Lost>,
    // Held, so that no process writes to what is being read.
    _lock: std::fs::File,
}

impl fmt::Debug for Wreck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wreck").field("lost", &self.lost).finish_non_exhaustive()
    }
}

/// A state that proved itself, and the new file for it.
pub struct Salvaged {
    image: Zeroizing<Vec<u8>>,
    /// Which commit it was.
    pub generation: u64,
    /// Seconds since 1970 when it was committed.
    pub committed_unix_s: u64,
    /// Octets of state.
    pub state_len: usize,
    /// The key that opened the file.
    pub key_id: Option<KeyId>,
    /// What is not in the new file, or may not be.
    pub lost: Vec<Lost>,
}

impl fmt::Debug for Salvaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Salvaged")
            .field("generation", &self.generation)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

impl Wreck {
    /// Reads a file. It is never written to.
    ///
    /// # Errors
    /// It is not there, not a plain file, in use, empty, or longer than any store.
    pub fn read(path: &Path) -> Result<Self, OpenError> {
        let (dir, name) = dir_of(path)?;
        let file = dir.open_file(&name, false).map_err(file_error)?;
        if !files::try_lock(&file).map_err(OpenError::Io)? {
            return Err(OpenError::Locked { pid: files::lock_holder(&file) });
        }
        let most = SLOTS_OFFSET + 2 * MAX_SLOT_LEN;
        let len = file.metadata().map_err(OpenError::Io)?.len();
        if len == 0 {
            return Err(OpenError::NotAStore(words!("file-empty")));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        // A file that grew is read as far as a store can reach.
        (&file).take(most as u64).read_to_end(&mut bytes).map_err(OpenError::Io)?;
        let mut fronts = Vec::new();
        let mut lost = Vec::new();
        for copy in 0..2_u8 {
            let start = usize::from(copy) * HEADER_LEN;
            let mut block = [0; HEADER_LEN];
            for (to, from) in block.iter_mut().zip(bytes.iter().skip(start)) {
                *to = *from;
            }
            let whole = parse_header(&block);
            if let Ok(header) = &whole
                && header.file_len() != len
            {
                lost.push(Lost::Length(len));
            }
            let why = whole.err().map(|error| error.to_string());
            lost.extend(why.clone().map(|why| Lost::HeaderCopy(copy, why)));
            if let Some(header) = parse_front(&block) {
                fronts.push((header, why));
            }
        }
        lost.dedup();
        Ok(Wreck { bytes, fronts, lost, _lock: file })
    }

    /// The keys that may open it, by the names that keychain records have too.
    pub fn key_ids(&self) -> Vec<KeyId> {
        let mut ids: Vec<KeyId> = self.fronts.iter().flat_map(|(header, _)| header.key_ids()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Whether it seems not to be encrypted.
    pub fn is_unencrypted(&self) -> bool {
        self.fronts.iter().any(|(header, _)| header.algorithm == Algorithm::Unencrypted)
    }

    /// Finds the newest state that proves itself. `vm_uuid` is the VM the store is known to be of.
    ///
    /// # Errors
    /// [`OpenError::WrongKey`] or [`OpenError::NeedsKey`]: nothing can be said without the right key. [`OpenError::Damaged`]:
    /// no state proves itself.
    pub fn salvage(&self, key: &Key, vm_uuid: Option<&[u8; 16]>) -> Result<Salvaged, OpenError> {
        let mut lost = self.lost.clone();
        let (trial, data_key, key_id) = self.unlock(key)?;
        let newest = self.newest(&trial, data_key.as_ref(), &mut lost)?;
        let body = newest.body()?;
        // A header that proves itself keeps all its keys; from one that does not, a removed one might come back.
        let proved = self.fronts.iter().map(|(header, _)| header).filter(|header| {
            header.file_uuid == trial.file_uuid
                && header.algorithm == trial.algorithm
                && data_key.as_ref().is_some_and(|data_key| vault::is_authentic(header, data_key))
        });
        let mut header = match proved.max_by_key(|header| header.sequence) {
            Some(header) => header.clone(),
            None => {
                let mut header = trial.clone();
                if let (Some(data_key), Some(key_id)) = (&data_key, key_id) {
                    let others = self.fronts.iter().map(|(header, _)| header.wrapped().count()).max();
                    lost.push(Lost::OtherKeys(others.unwrap_or(1).saturating_sub(1)));
                    header.key_slots = [const { KeySlot::Empty }; KEY_SLOTS];
                    let slot = keys::wrapped(&header, data_key, key, key_id, now_unix_s());
                    if let (Some(first), Some(slot)) =
                        (header.key_slots.first_mut(), slot.map_err(|_| no_memory())?)
                    {
                        *first = slot;
                    }
                }
                match vm_uuid {
                    Some(vm_uuid) => header.vm_uuid_hash = vm_uuid_hash(&header.file_uuid, vm_uuid),
                    None => lost.push(Lost::VmUnproved),
                }
                header
            }
        };
        let needed = slot_len_for(body.state.len(), header.algorithm)
            .ok_or(OpenError::Damaged(Damage::Contents(newest.index)))?;
        if needed > header.slot_bytes() {
            header.slot_len = u32::try_from(needed).unwrap_or(header.slot_len);
        }
        header.sequence = header.sequence.saturating_add(1);
        let next = SlotBody {
            committed_unix_s: body.committed_unix_s,
            previous_hash: newest.hash,
            state: body.state,
        };
        let generation = newest.generation.saturating_add(1);
        let image = Session::new(&header, data_key.as_ref())
            .and_then(|mut session| {
                build_image(&mut header, &mut session, data_key.as_ref(), generation, &next)
            })
            .map_err(|_| no_memory())?;
        Ok(Salvaged {
            image: image.bytes,
            generation: newest.generation,
            committed_unix_s: body.committed_unix_s,
            state_len: body.state.len(),
            key_id,
            lost,
        })
    }

    /// The data key, with the UUID and the algorithm that proved themselves with it. A UUID may be whole in one copy and a
    /// key slot in the other.
    fn unlock(&self, key: &Key) -> Result<(Header, Option<Secret>, Option<KeyId>), OpenError> {
        let Some((kind, secret)) = key.parts() else {
            let mut fronts = self.fronts.iter().map(|(header, _)| header);
            let open = fronts.find(|header| header.algorithm == Algorithm::Unencrypted);
            let needs = || OpenError::NeedsKey { key_ids: self.key_ids() };
            return open.map(|header| (header.clone(), None, None)).ok_or_else(needs);
        };
        let mut tried: Vec<(Header, WrappedKey)> = Vec::new();
        for (front, _) in &self.fronts {
            for (slots, _) in &self.fronts {
                for slot in slots.wrapped() {
                    for algorithm in [Algorithm::Aes128Gcm, Algorithm::Aes256Gcm] {
                        if slot.wrapped.len() != algorithm.key_len().saturating_add(crate::seal::TAG_LEN) {
                            continue;
                        }
                        let mut trial = front.clone();
                        trial.algorithm = algorithm;
                        trial.key_slots = [const { KeySlot::Empty }; KEY_SLOTS];
                        if let Some(first) = trial.key_slots.first_mut() {
                            *first = KeySlot::Wrapped(slot.clone());
                        }
                        let same = |other: &Header| {
                            (other.file_uuid, other.algorithm) == (trial.file_uuid, algorithm)
                        };
                        if tried.iter().any(|(other, with)| same(other) && with == slot) {
                            continue;
                        }
                        if let Ok((data_key, key_id)) = vault::unlock(&trial, kind, secret) {
                            return Ok((trial, Some(data_key), Some(key_id)));
                        }
                        tried.push((trial, slot.clone()));
                    }
                }
            }
        }
        Err(OpenError::WrongKey { given: kind, key_ids: self.key_ids() })
    }

    /// The newest state in the file, wherever it lies.
    fn newest(
        &self,
        trial: &Header,
        data_key: Option<&Secret>,
        lost: &mut Vec<Lost>,
    ) -> Result<OpenedSlot, OpenError> {
        let mut found: Vec<OpenedSlot> = Vec::new();
        let second = self.second_slots();
        let places = core::iter::once((SlotIndex::A, SLOTS_OFFSET))
            .chain(second.iter().map(|offset| (SlotIndex::B, *offset)));
        for (index, offset) in places {
            if found.iter().any(|slot| slot.index == index) {
                continue;
            }
            let bytes = self.bytes.get(offset..).unwrap_or_default();
            let bytes = bytes.get(..bytes.len().min(MAX_SLOT_LEN)).unwrap_or_default();
            found.extend(open_leniently(trial, data_key, index, bytes));
        }
        for index in [SlotIndex::A, SlotIndex::B] {
            let offset = if index == SlotIndex::A { Some(SLOTS_OFFSET) } else { second.first().copied() };
            let front = offset.and_then(|offset| self.bytes.get(offset..)?.get(..SLOT_HEAD_LEN));
            // A slot that was never written is not lost.
            let never = front.is_some_and(|front| front.iter().all(|byte| *byte == 0));
            if !never && found.iter().all(|slot| slot.index != index) {
                lost.push(Lost::Slot(index));
            }
        }
        let committed = |slot: &OpenedSlot| slot.body().map_or(0, |body| body.committed_unix_s);
        // An empty state stands for a TPM that was not made yet: it is nothing to go on with.
        found.retain(|slot| slot.body().is_ok_and(|body| !body.state.is_empty()));
        found.sort_by_key(|slot| (slot.generation, committed(slot)));
        if let [.., before, newest] = found.as_slice()
            && before.generation == newest.generation
        {
            lost.push(Lost::Twins);
        }
        found.pop().ok_or(OpenError::Damaged(Damage::Slots))
    }

    /// Where slot B may begin: as the headers say, as the file's length says, and wherever a slot's magic is.
    fn second_slots(&self) -> Vec<usize> {
        let said = self.fronts.iter().filter(|(_, why)| why.is_none()).map(|(header, _)| header.slot_bytes());
        let half = self.bytes.len().saturating_sub(SLOTS_OFFSET) / 2;
        let lengths =
            said.chain(core::iter::once(half)).filter(|len| *len >= MIN_SLOT_LEN && len % BUCKET == 0);
        let mut offsets: Vec<usize> = lengths.map(|len| SLOTS_OFFSET.saturating_add(len)).collect();
        let magic =
            |offset: &usize| self.bytes.get(*offset..).is_some_and(|rest| rest.starts_with(b"SGLSLOT1"));
        offsets.extend((SLOTS_OFFSET + MIN_SLOT_LEN..self.bytes.len()).step_by(BUCKET).filter(magic));
        let mut seen = Vec::new();
        offsets.retain(|offset| {
            let new = !seen.contains(offset);
            seen.push(*offset);
            new
        });
        offsets
    }
}

/// Opens a slot whose place is known: what is the same in the front of every slot is put right first, and a length that makes no
/// sense is looked for.
fn open_leniently(
    header: &Header,
    data_key: Option<&Secret>,
    index: SlotIndex,
    bytes: &[u8],
) -> Option<OpenedSlot> {
    let look = |bytes: &[u8]| match vault::open_slot(header, data_key, index, bytes) {
        SlotLook::Whole(slot) => Some(slot),
        SlotLook::Empty | SlotLook::Broken => None,
    };
    if let Some(slot) = look(bytes) {
        return Some(slot);
    }
    let front = bytes.first_chunk::<SLOT_HEAD_LEN>()?;
    if front.iter().all(|byte| *byte == 0) {
        return None;
    }
    let mut mended = Zeroizing::new(bytes.get(..bytes.len().min(MAX_GUESSED_SLOT))?.to_vec());
    let put = |mended: &mut [u8], at: usize, field: &[u8]| {
        for (to, from) in mended.iter_mut().skip(at).zip(field) {
            *to = *from;
        }
    };
    put(&mut mended, 0, b"SGLSLOT1");
    put(&mut mended, 8, &index.number().to_le_bytes());
    put(&mut mended, 10, &[0; 2]);
    put(&mut mended, 68, &[0; 28]);
    // The length as it is, then every other.
    if let Some(slot) = look(&mended) {
        return Some(slot);
    }
    (1..=mended.len() / BUCKET).find_map(|buckets| {
        let sealed = u32::try_from(buckets * BUCKET - SLOT_HEAD_LEN).ok()?;
        put(&mut mended, 12, &sealed.to_le_bytes());
        look(&mended)
    })
}

fn no_memory() -> OpenError {
    OpenError::Io(io::ErrorKind::OutOfMemory.into())
}

impl Salvaged {
    /// Writes the new file, with mode 0600. Nothing that is there is replaced.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn write_new(&self, path: &Path) -> Result<(), CreateError> {
        let (dir, name) = Dir::of(path).map_err(CreateError::Io)?.ok_or(CreateError::BadPath)?;
        let temporary = files::temporary_name(&name).map_err(CreateError::Io)?;
        let staged = dir.stage(temporary, 0o600, &self.image).map_err(CreateError::Io)?;
        staged.publish_new(&name).map(drop).map_err(|error| match error {
            PublishError::Exists => CreateError::Exists,
            PublishError::Refused(error) | PublishError::Unsure(error) => CreateError::Io(error),
        })
    }
}
