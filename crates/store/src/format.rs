//! The store file, to the byte, as pure functions of bytes. `docs/state-format.md` is the same in words.

use core::fmt;
use sigillo_messages::text;

use crate::bytes::{Reader, pad_to, round_up};
use crate::key::KeyId;
use crate::key_slot::{KEY_SLOT_LEN, KeySlot, Unlocker, WrappedKey, parse_key_slot};
use crate::seal::{NONCE_LEN, SALT_LEN, TAG_LEN, sha256};

/// First bytes of each header copy. The line ends show a file that went through a text-mode copy.
pub const MAGIC: [u8; 16] = *b"sigillo-store\r\n\x1a";
/// The only format so far.
pub const VERSION: u16 = 1;
/// Bytes of one header copy.
pub const HEADER_LEN: usize = 4096;
/// Where slot A begins.
pub const SLOTS_OFFSET: usize = 2 * HEADER_LEN;
/// Places for wrapped keys in a header.
pub const KEY_SLOTS: usize = 8;
/// A state slot is a multiple of this, and so is what is written to it: all an observer learns of a state's length.
pub const BUCKET: usize = 16 * 1024;
/// The smallest state slot.
pub const MIN_SLOT_LEN: usize = 128 * 1024;
/// The largest state slot; bounds what opening a hostile file may allocate.
pub const MAX_SLOT_LEN: usize = 16 * 1024 * 1024;
/// Bytes before the sealed part of a state slot.
pub const SLOT_HEAD_LEN: usize = 96;
/// Bytes before the state inside the sealed part.
pub const SLOT_PREFIX_LEN: usize = 48;
/// The longest state a store takes, in bytes.
pub const MAX_STATE_LEN: usize = MAX_SLOT_LEN - SLOT_HEAD_LEN - SLOT_PREFIX_LEN - CHECKSUM_LEN;

const SLOT_MAGIC: [u8; 8] = *b"SGLSLOT1";
const CHECKSUM_LEN: usize = 32;
const KEY_SLOTS_OFFSET: usize = 512;
const MAC_OFFSET: usize = HEADER_LEN - 64;
const CHECKSUM_OFFSET: usize = HEADER_LEN - 32;

/// How the state is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Not encrypted; a SHA-256 checksum finds damage, nothing stops a reader or a forger.
    Unencrypted,
    /// AES-128-GCM, the default.
    Aes128Gcm,
    /// AES-256-GCM.
    Aes256Gcm,
}

impl Algorithm {
    /// The number in the file.
    pub fn number(self) -> u16 {
        match self {
            Algorithm::Unencrypted => 0,
            Algorithm::Aes128Gcm => 1,
            Algorithm::Aes256Gcm => 2,
        }
    }

    fn from_number(number: u16) -> Option<Self> {
        match number {
            0 => Some(Algorithm::Unencrypted),
            1 => Some(Algorithm::Aes128Gcm),
            2 => Some(Algorithm::Aes256Gcm),
            _ => None,
        }
    }

    /// Bytes of the data key; zero where there is none.
    pub fn key_len(self) -> usize {
        match self {
            Algorithm::Unencrypted => 0,
            Algorithm::Aes128Gcm => 16,
            Algorithm::Aes256Gcm => 32,
        }
    }

    /// Bytes at the end of a sealed part that prove it whole.
    pub fn tag_len(self) -> usize {
        match self {
            Algorithm::Unencrypted => CHECKSUM_LEN,
            Algorithm::Aes128Gcm | Algorithm::Aes256Gcm => TAG_LEN,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Algorithm::Unencrypted => "unencrypted",
            Algorithm::Aes128Gcm => "AES-128-GCM",
            Algorithm::Aes256Gcm => "AES-256-GCM",
        })
    }
}

/// Why bytes are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Fewer than 4096 bytes.
    #[error("{}", text!("store-header-short"))]
    Short,
    /// Another kind of file.
    #[error("{}", text!("store-header-magic"))]
    Magic,
    /// The bytes changed since they were written.
    #[error("{}", text!("store-header-checksum"))]
    Checksum,
    /// A later program wrote it.
    #[error("{}", text!("store-header-too-new", version = .0))]
    TooNew(u16),
    /// The checksum is good and a field is not: not our writing.
    #[error("{}", text!("store-header-field", field = .0))]
    Field(&'static str),
}

/// One header copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// How state and keys are sealed.
    pub algorithm: Algorithm,
    /// Random, made at creation, never changed: a copy of the file keeps it.
    pub file_uuid: [u8; 16],
    /// [`vm_uuid_hash`] of the VM the store was made for.
    pub vm_uuid_hash: [u8; 32],
    /// Counts header writes; the valid copy with the higher one holds.
    pub sequence: u64,
    /// Bytes of each state slot.
    pub slot_len: u32,
    /// Seconds since 1970 when the store was made.
    pub created_unix_s: u64,
    /// Wrapped data keys.
    pub key_slots: [KeySlot; KEY_SLOTS],
    /// HMAC over all before it, keyed from the data key; zero when unencrypted.
    pub mac: [u8; 32],
}

/// Parses and checks one header copy. Whether it is genuine only its MAC can say.
///
/// # Errors
/// See [`HeaderError`]. Magic, checksum and version are looked at in this order: all three stay where they are in
/// every later format.
pub fn parse_header(bytes: &[u8]) -> Result<Header, HeaderError> {
    let magic = bytes.first_chunk::<16>().ok_or(HeaderError::Short)?;
    if *magic != MAGIC {
        return Err(HeaderError::Magic);
    }
    let bytes = bytes.first_chunk::<HEADER_LEN>().ok_or(HeaderError::Short)?;
    let (covered, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN>().ok_or(HeaderError::Short)?;
    if sha256(&[covered]) != *checksum {
        return Err(HeaderError::Checksum);
    }
    let mut reader = Reader::new(bytes);
    reader.take(MAGIC.len()).ok_or(HeaderError::Short)?;
    let version = reader.u16().ok_or(HeaderError::Short)?;
    if version > VERSION {
        return Err(HeaderError::TooNew(version));
    }
    if version == 0 {
        return Err(HeaderError::Field("format version"));
    }
    parse_fields(&mut reader).map_err(HeaderError::Field)
}

/// As much of a header copy as can be read, without its magic, checksum, format and reserved fields, for salvage: fields that make no
/// sense take the least value they can have, key slots are left out. Nothing of it is to be believed. `None` of a block of zeros.
pub(crate) fn parse_front(bytes: &[u8; HEADER_LEN]) -> Option<Header> {
    if bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    let at = |offset: usize| Reader::new(bytes.get(offset..).unwrap_or_default());
    let slot_len = at(96).u32()?;
    let usable = usize::try_from(slot_len)
        .is_ok_and(|len| (MIN_SLOT_LEN..=MAX_SLOT_LEN).contains(&len) && len % BUCKET == 0);
    let algorithm = at(18).u16().and_then(Algorithm::from_number).unwrap_or(Algorithm::Aes128Gcm);
    let mut key_slots = [const { KeySlot::Empty }; KEY_SLOTS];
    for (index, slot) in key_slots.iter_mut().enumerate() {
        let bytes = at(KEY_SLOTS_OFFSET + index * KEY_SLOT_LEN).array()?;
        // The algorithm may be what is damaged: a slot's own length says how long its key is.
        let key_len = if bytes.get(96) == Some(&48) { 32 } else { 16 };
        *slot = parse_key_slot(&bytes, key_len).unwrap_or(KeySlot::Empty);
    }
    Some(Header {
        algorithm,
        file_uuid: at(32).array()?,
        vm_uuid_hash: at(48).array()?,
        sequence: at(80).u64()?,
        slot_len: if usable { slot_len } else { 131_072 },
        created_unix_s: at(104).u64()?,
        key_slots,
        mac: at(MAC_OFFSET).array()?,
    })
}

fn parse_fields(reader: &mut Reader<'_>) -> Result<Header, &'static str> {
    let algorithm = reader.u16().and_then(Algorithm::from_number).ok_or("algorithm")?;
    reader.zeros(4).ok_or("features")?;
    if reader.u32().and_then(|len| usize::try_from(len).ok()) != Some(HEADER_LEN) {
        return Err("header length");
    }
    reader.zeros(4).ok_or("reserved")?;
    let file_uuid = reader.array().ok_or("file uuid")?;
    let vm_uuid_hash = reader.array().ok_or("VM uuid hash")?;
    let sequence = reader.u64().ok_or("sequence")?;
    if reader.u64() != Some(SLOTS_OFFSET as u64) {
        return Err("slot offset");
    }
    let slot_len = reader.u32().ok_or("slot length")?;
    let slot_bytes = usize::try_from(slot_len).map_err(|_| "slot length")?;
    if !(MIN_SLOT_LEN..=MAX_SLOT_LEN).contains(&slot_bytes) || slot_bytes % BUCKET != 0 {
        return Err("slot length");
    }
    reader.zeros(4).ok_or("reserved")?;
    let created_unix_s = reader.u64().ok_or("creation time")?;
    reader.zeros(KEY_SLOTS_OFFSET - 112).ok_or("reserved")?;
    let mut key_slots = [const { KeySlot::Empty }; KEY_SLOTS];
    for slot in &mut key_slots {
        let bytes = reader.array::<KEY_SLOT_LEN>().ok_or("key slots")?;
        *slot = parse_key_slot(&bytes, algorithm.key_len())?;
    }
    if algorithm == Algorithm::Unencrypted && key_slots.iter().any(|slot| *slot != KeySlot::Empty) {
        return Err("key slots of an unencrypted store");
    }
    reader.zeros(MAC_OFFSET - KEY_SLOTS_OFFSET - KEY_SLOTS * KEY_SLOT_LEN).ok_or("reserved")?;
    let mac = reader.array().ok_or("MAC")?;
    Ok(Header { algorithm, file_uuid, vm_uuid_hash, sequence, slot_len, created_unix_s, key_slots, mac })
}

impl Header {
    /// The bytes the MAC covers.
    pub fn covered(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.algorithm.number().to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&4096_u32.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.file_uuid);
        out.extend_from_slice(&self.vm_uuid_hash);
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&(SLOTS_OFFSET as u64).to_le_bytes());
        out.extend_from_slice(&self.slot_len.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.created_unix_s.to_le_bytes());
        pad_to(&mut out, KEY_SLOTS_OFFSET);
        for (index, slot) in self.key_slots.iter().enumerate() {
            match slot {
                KeySlot::Empty => {}
                KeySlot::Wrapped(slot) => out.extend_from_slice(&slot.to_bytes()),
                KeySlot::Other(bytes) => out.extend_from_slice(bytes.as_slice()),
            }
            pad_to(&mut out, KEY_SLOTS_OFFSET + (index + 1) * KEY_SLOT_LEN);
        }
        pad_to(&mut out, MAC_OFFSET);
        out
    }

    /// All 4096 bytes, with the MAC as it stands and a fresh checksum.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.covered();
        out.extend_from_slice(&self.mac);
        debug_assert_eq!(out.len(), CHECKSUM_OFFSET);
        let checksum = sha256(&[&out]);
        out.extend_from_slice(&checksum);
        out
    }

    /// Bytes of each state slot.
    pub fn slot_bytes(&self) -> usize {
        usize::try_from(self.slot_len).unwrap_or(MAX_SLOT_LEN)
    }

    /// Bytes of the whole file.
    pub fn file_len(&self) -> u64 {
        SLOTS_OFFSET as u64 + 2 * u64::from(self.slot_len)
    }

    /// The passwords that open the store, by name.
    pub fn key_ids(&self) -> Vec<KeyId> {
        self.wrapped().filter(|slot| slot.unlocker == Unlocker::Password).map(|slot| slot.key_id).collect()
    }

    /// The data key as often as it is wrapped in a way this program knows.
    pub fn wrapped(&self) -> impl Iterator<Item = &WrappedKey> {
        self.key_slots.iter().filter_map(|slot| match slot {
            KeySlot::Wrapped(slot) => Some(slot),
            KeySlot::Empty | KeySlot::Other(_) => None,
        })
    }
}

/// Binds a store to its VM without naming it: the hash is salted with the file's own uuid.
pub fn vm_uuid_hash(file_uuid: &[u8; 16], vm_uuid: &[u8; 16]) -> [u8; 32] {
    sha256(&[b"sigillo-store-1 vm", file_uuid, vm_uuid])
}

/// One of the two places for a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotIndex {
    /// The first.
    A,
    /// The second.
    B,
}

impl SlotIndex {
    /// The place the next state goes to.
    pub fn other(self) -> Self {
        match self {
            SlotIndex::A => SlotIndex::B,
            SlotIndex::B => SlotIndex::A,
        }
    }

    pub(crate) fn number(self) -> u16 {
        match self {
            SlotIndex::A => 0,
            SlotIndex::B => 1,
        }
    }

    /// Where the slot begins in the file.
    pub fn offset(self, header: &Header) -> u64 {
        SLOTS_OFFSET as u64 + u64::from(self.number()) * u64::from(header.slot_len)
    }
}

impl fmt::Display for SlotIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SlotIndex::A => "A",
            SlotIndex::B => "B",
        })
    }
}

/// The clear front of a state slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotHead {
    /// Which slot it was written for.
    pub index: SlotIndex,
    /// Bytes of the sealed part.
    pub sealed_len: u32,
    /// Counts commits from 1.
    pub generation: u64,
    /// Drawn when the writing program opened the store.
    pub session_salt: [u8; SALT_LEN],
    /// Counts what was sealed under that salt.
    pub nonce: [u8; NONCE_LEN],
}

/// What a state slot's front says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParsedSlot<'a> {
    /// Never written: zeros.
    Empty,
    /// A front that makes sense, and the sealed part it announces. Whether it is whole only opening it can say.
    Written(SlotHead, &'a [u8]),
    /// Anything else.
    Broken,
}

/// Parses a state slot of any length.
pub fn parse_slot(bytes: &[u8]) -> ParsedSlot<'_> {
    let Some(head) = bytes.first_chunk::<SLOT_HEAD_LEN>() else { return ParsedSlot::Broken };
    if head.iter().all(|byte| *byte == 0) {
        return ParsedSlot::Empty;
    }
    let parse = || {
        let mut reader = Reader::new(bytes);
        if reader.array()? != SLOT_MAGIC {
            return None;
        }
        let index = match reader.u16()? {
            0 => SlotIndex::A,
            1 => SlotIndex::B,
            _ => return None,
        };
        reader.zeros(2)?;
        let sealed_len = reader.u32()?;
        let generation = reader.u64()?;
        let session_salt = reader.array()?;
        let nonce = reader.array()?;
        reader.zeros(28)?;
        let sealed = reader.take(usize::try_from(sealed_len).ok()?)?;
        Some(ParsedSlot::Written(SlotHead { index, sealed_len, generation, session_salt, nonce }, sealed))
    };
    parse().unwrap_or(ParsedSlot::Broken)
}

impl SlotHead {
    /// The 96 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SLOT_HEAD_LEN);
        out.extend_from_slice(&SLOT_MAGIC);
        out.extend_from_slice(&self.index.number().to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.sealed_len.to_le_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.session_salt);
        out.extend_from_slice(&self.nonce);
        pad_to(&mut out, SLOT_HEAD_LEN);
        out
    }

    /// What the sealing authenticates beside the state: the store, the slot, the generation.
    pub fn aad(&self, header: &Header) -> Vec<u8> {
        let mut aad = Vec::with_capacity(160);
        aad.extend_from_slice(b"sigillo-store-1 state");
        aad.extend_from_slice(&header.file_uuid);
        aad.extend_from_slice(&header.algorithm.number().to_le_bytes());
        aad.extend_from_slice(&self.to_bytes());
        aad
    }
}

/// What a sealed part holds.
#[derive(Debug, PartialEq, Eq)]
pub struct SlotBody<'a> {
    /// Seconds since 1970 at the commit.
    pub committed_unix_s: u64,
    /// Hash of the generation before; zero for the first.
    pub previous_hash: [u8; 32],
    /// The state.
    pub state: &'a [u8],
}

/// Parses the opened part of a slot: `None` if it is not our writing.
pub fn parse_slot_body(plain: &[u8]) -> Option<SlotBody<'_>> {
    let mut reader = Reader::new(plain);
    let committed_unix_s = reader.u64()?;
    let previous_hash = reader.array()?;
    let state_len = usize::try_from(reader.u64()?).ok()?;
    let state = reader.take(state_len)?;
    let padding = plain.len().checked_sub(SLOT_PREFIX_LEN)?.checked_sub(state_len)?;
    reader.zeros(padding)?;
    Some(SlotBody { committed_unix_s, previous_hash, state })
}

/// Bytes a slot needs for a state of this length, in whole buckets; `None` above [`MAX_STATE_LEN`].
pub fn slot_len_for(state_len: usize, algorithm: Algorithm) -> Option<usize> {
    let bare = SLOT_HEAD_LEN.checked_add(SLOT_PREFIX_LEN)?.checked_add(algorithm.tag_len())?;
    round_up(bare.checked_add(state_len)?, BUCKET).filter(|len| *len <= MAX_SLOT_LEN)
}
