//! One place for a wrapped data key, to the byte.

use crate::bytes::{Reader, pad_to};
use crate::format::Header;
use crate::key::{KeyId, KeyKind, SlotInfo};
use crate::seal::{SALT_LEN, Stretch, TAG_LEN};

/// Bytes of one place.
pub const KEY_SLOT_LEN: usize = 384;

const KIND_EMPTY: u16 = 0;
const KIND_PASSWORD: u16 = 1;
const KIND_RECOVERY_CODE: u16 = 2;
const KIND_PASSPHRASE: u16 = 3;
const KDF_HKDF_SHA256: u16 = 1;
const KDF_ARGON2ID: u16 = 2;
const WRAPPED_OFFSET: usize = 100;
const TIME_OFFSET: usize = 176;
const MAX_WRAPPED_LEN: usize = TIME_OFFSET - WRAPPED_OFFSET;

/// One place for a wrapped data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySlot {
    /// Free.
    Empty,
    /// In a way this program knows.
    Wrapped(WrappedKey),
    /// A kind a later program knows; kept as it is.
    Other(Box<[u8; KEY_SLOT_LEN]>),
}

/// What a slot is opened with, and how a key is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlocker {
    /// A random password, through HKDF.
    Password,
    /// A recovery code, through HKDF.
    RecoveryCode,
    /// A person's passphrase, through Argon2id and HKDF.
    Passphrase(Stretch),
}

impl Unlocker {
    /// The kind of it.
    pub fn kind(self) -> KeyKind {
        match self {
            Unlocker::Password => KeyKind::Password,
            Unlocker::RecoveryCode => KeyKind::RecoveryCode,
            Unlocker::Passphrase(_) => KeyKind::Passphrase,
        }
    }
}

/// A data key wrapped under a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// What opens it.
    pub unlocker: Unlocker,
    /// Names the secret.
    pub key_id: KeyId,
    /// Drawn for this wrapping alone.
    pub salt: [u8; SALT_LEN],
    /// Derived from the secret beside the wrapping key: tells a wrong secret from damage.
    pub check: [u8; 32],
    /// The sealed data key with its tag.
    pub wrapped: Vec<u8>,
    /// Seconds since 1970 when it was added.
    pub created_unix_s: u64,
}

impl KeySlot {
    /// What a listing shows of it; `None` of a free place.
    pub fn info(&self) -> Option<SlotInfo> {
        match self {
            KeySlot::Empty => None,
            KeySlot::Wrapped(slot) => Some(SlotInfo {
                kind: slot.unlocker.kind(),
                key_id: Some(slot.key_id),
                created_unix_s: Some(slot.created_unix_s),
            }),
            KeySlot::Other(bytes) => {
                let kind = Reader::new(bytes.as_slice()).u16().unwrap_or_default();
                Some(SlotInfo { kind: KeyKind::Other(kind), key_id: None, created_unix_s: None })
            }
        }
    }
}

impl WrappedKey {
    /// What the wrapping authenticates beside the data key: every field that names or derives the key.
    pub fn aad(&self, header: &Header) -> Vec<u8> {
        let mut aad = Vec::with_capacity(192);
        aad.extend_from_slice(b"sigillo-store-1 key slot");
        aad.extend_from_slice(&header.file_uuid);
        aad.extend_from_slice(&header.algorithm.number().to_le_bytes());
        self.write_front(&mut aad);
        aad
    }

    fn write_front(&self, out: &mut Vec<u8>) {
        let (kind, kdf, parameters) = match self.unlocker {
            Unlocker::Password => (KIND_PASSWORD, KDF_HKDF_SHA256, [0; 3]),
            Unlocker::RecoveryCode => (KIND_RECOVERY_CODE, KDF_HKDF_SHA256, [0; 3]),
            Unlocker::Passphrase(stretch) => (KIND_PASSPHRASE, KDF_ARGON2ID, stretch.numbers()),
        };
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&kdf.to_le_bytes());
        for parameter in parameters {
            out.extend_from_slice(&parameter.to_le_bytes());
        }
        out.extend_from_slice(self.key_id.as_bytes());
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.check);
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(KEY_SLOT_LEN);
        self.write_front(&mut out);
        // The data key is at most 32 bytes, so this is the true length; a longer one could not be read back.
        let wrapped_len = u16::try_from(self.wrapped.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&wrapped_len.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.wrapped);
        pad_to(&mut out, TIME_OFFSET);
        out.extend_from_slice(&self.created_unix_s.to_le_bytes());
        pad_to(&mut out, KEY_SLOT_LEN);
        out
    }
}

/// Parses one place.
///
/// # Errors
/// The field that has a value no store has. The cost of a passphrase is bounded here, before anything is allocated for it.
pub fn parse_key_slot(bytes: &[u8; KEY_SLOT_LEN], key_len: usize) -> Result<KeySlot, &'static str> {
    let mut reader = Reader::new(bytes);
    let kind = reader.u16().ok_or("key slot kind")?;
    if kind == KIND_EMPTY {
        return match reader.zeros(KEY_SLOT_LEN - 2) {
            Some(()) => Ok(KeySlot::Empty),
            None => Err("empty key slot"),
        };
    }
    let kdf = reader.u16().ok_or("key slot KDF")?;
    let mut numbers = [0; 3];
    for number in &mut numbers {
        *number = reader.u32().ok_or("key slot KDF")?;
    }
    let unlocker = match (kind, kdf) {
        (KIND_PASSWORD, KDF_HKDF_SHA256) if numbers == [0; 3] => Unlocker::Password,
        (KIND_RECOVERY_CODE, KDF_HKDF_SHA256) if numbers == [0; 3] => Unlocker::RecoveryCode,
        (KIND_PASSWORD | KIND_RECOVERY_CODE, KDF_HKDF_SHA256) => return Err("key slot parameters"),
        (KIND_PASSPHRASE, KDF_ARGON2ID) => {
            Unlocker::Passphrase(Stretch::from_numbers(numbers).ok_or("passphrase cost")?)
        }
        _ => return Ok(KeySlot::Other(Box::new(*bytes))),
    };
    let mut parse = || {
        let key_id = KeyId::from(reader.array::<16>()?);
        let salt = reader.array()?;
        let check = reader.array()?;
        let wrapped_len = usize::from(reader.u16()?);
        reader.zeros(2)?;
        if wrapped_len != key_len.checked_add(TAG_LEN)? || wrapped_len > MAX_WRAPPED_LEN {
            return None;
        }
        let wrapped = reader.take(wrapped_len)?.to_vec();
        reader.zeros(MAX_WRAPPED_LEN.checked_sub(wrapped_len)?)?;
        let created_unix_s = reader.u64()?;
        reader.zeros(KEY_SLOT_LEN - TIME_OFFSET - 8)?;
        Some(WrappedKey { unlocker, key_id, salt, check, wrapped, created_unix_s })
    };
    parse().map(KeySlot::Wrapped).ok_or("key slot")
}
