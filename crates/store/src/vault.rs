//! Keys of a store and what they seal.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::bytes::pad_to;
use crate::error::{Damage, OpenError};
use crate::format::{
    Algorithm, Header, ParsedSlot, SLOT_HEAD_LEN, SLOT_PREFIX_LEN, SlotBody, SlotHead, SlotIndex, parse_slot,
    parse_slot_body, slot_len_for,
};
use crate::key::{KeyId, KeyKind};
use crate::key_slot::{KeySlot, Unlocker, WrappedKey};
use crate::seal::{self, NONCE_LEN, SALT_LEN, SealError};
use crate::secret::{EntropyError, Secret};

/// After this many commits a session draws a new salt, so that no key seals more than GCM is good for.
const COMMITS_PER_SALT: u64 = 1 << 20;

/// Sealing failed.
#[derive(Debug)]
pub(crate) enum VaultError {
    Entropy(EntropyError),
    Seal,
}

impl From<EntropyError> for VaultError {
    fn from(error: EntropyError) -> Self {
        VaultError::Entropy(error)
    }
}

impl From<SealError> for VaultError {
    fn from(SealError: SealError) -> Self {
        VaultError::Seal
    }
}

/// The wrapping key and the check value of a secret.
fn slot_keys(
    header: &Header,
    secret: &Secret,
    unlocker: Unlocker,
    key_id: KeyId,
    salt: &[u8; SALT_LEN],
) -> Result<(Secret, [u8; 32]), SealError> {
    let stretched = match unlocker {
        Unlocker::Password | Unlocker::RecoveryCode => None,
        Unlocker::Passphrase(cost) => Some(seal::stretch(secret, salt, cost)?),
    };
    let secret = stretched.as_ref().unwrap_or(secret).expose();
    let fields: [&[u8]; 2] = [&header.file_uuid, key_id.as_bytes()];
    let [uuid, id] = fields;
    let kek = seal::derive(secret, salt, &[b"sigillo-store-1 kek", uuid, id], header.algorithm.key_len())?;
    let check = seal::derive(secret, salt, &[b"sigillo-store-1 check", uuid, id], 32)?;
    Ok((kek, *check.expose().first_chunk::<32>().ok_or(SealError)?))
}

/// Wraps the data key under a secret.
pub(crate) fn wrap(
    header: &Header,
    data_key: &Secret,
    secret: &Secret,
    unlocker: Unlocker,
    key_id: KeyId,
    created_unix_s: u64,
) -> Result<KeySlot, VaultError> {
    let salt = seal::fresh_salt()?;
    let (kek, check) = slot_keys(header, secret, unlocker, key_id, &salt)?;
    let mut slot = WrappedKey { unlocker, key_id, salt, check, wrapped: Vec::new(), created_unix_s };
    let mut wrapped = Vec::with_capacity(data_key.len().saturating_add(seal::TAG_LEN));
    wrapped.extend_from_slice(data_key.expose());
    // The wrapping key comes from a salt drawn for this one sealing, so the nonce may be fixed.
    seal::seal(&kek, [0; NONCE_LEN], &slot.aad(header), &mut wrapped)?;
    slot.wrapped = wrapped;
    Ok(KeySlot::Wrapped(slot))
}

/// Finds the slot this secret opens, and the data key in it.
pub(crate) fn unlock(header: &Header, kind: KeyKind, secret: &Secret) -> Result<(Secret, KeyId), OpenError> {
    let slots = || header.wrapped().filter(|slot| slot.unlocker.kind() == kind);
    for slot in slots() {
        let (kek, check) = slot_keys(header, secret, slot.unlocker, slot.key_id, &slot.salt)
            .map_err(|SealError| OpenError::Io(std::io::ErrorKind::OutOfMemory.into()))?;
        if !bool::from(check.ct_eq(&slot.check)) {
            continue;
        }
        let data_key = seal::open(&kek, [0; NONCE_LEN], &slot.aad(header), &slot.wrapped)
            .map_err(|SealError| OpenError::Damaged(Damage::KeySlot(slot.key_id)))?;
        return Ok((Secret::from_slice(&data_key), slot.key_id));
    }
    Err(OpenError::WrongKey { given: kind, key_ids: slots().map(|slot| slot.key_id).collect() })
}

fn header_mac_key(header: &Header, data_key: &Secret) -> Result<Secret, SealError> {
    seal::derive(data_key.expose(), &header.file_uuid, &[b"sigillo-store-1 header"], 32)
}

/// Puts the MAC into a header whose other fields are final.
pub(crate) fn authenticate(header: &mut Header, data_key: Option<&Secret>) -> Result<(), SealError> {
    if let Some(data_key) = data_key {
        header.mac = seal::mac(&header_mac_key(header, data_key)?, &header.covered())?;
    }
    Ok(())
}

/// Whether the header was written by one who knew the data key.
pub(crate) fn is_authentic(header: &Header, data_key: &Secret) -> bool {
    header_mac_key(header, data_key)
        .and_then(|key| seal::verify_mac(&key, &header.covered(), &header.mac))
        .is_ok()
}

/// A key for something outside the file that belongs to it. It stays when passwords change.
pub(crate) fn outside_key(header: &Header, data_key: &Secret, label: &[u8]) -> Result<Secret, SealError> {
    seal::derive(data_key.expose(), &header.file_uuid, &[b"sigillo-store-1 outside ", label], 32)
}

fn session_key(header: &Header, data_key: &Secret, salt: &[u8; SALT_LEN]) -> Result<Secret, SealError> {
    seal::derive(
        data_key.expose(),
        salt,
        &[b"sigillo-store-1 session", &header.file_uuid, &header.algorithm.number().to_le_bytes()],
        header.algorithm.key_len(),
    )
}

/// Seals the states of one opening. Its salt is fresh, so a copied or rolled-back file never sees a nonce twice.
pub(crate) struct Session {
    key: Option<Secret>,
    salt: [u8; SALT_LEN],
    counter: u64,
}

/// A slot ready to be written.
pub(crate) struct SealedSlot {
    pub(crate) bytes: Vec<u8>,
    pub(crate) hash: [u8; 32],
}

impl Session {
    pub(crate) fn new(header: &Header, data_key: Option<&Secret>) -> Result<Self, VaultError> {
        let salt = seal::fresh_salt()?;
        let key = data_key.map(|data_key| session_key(header, data_key, &salt)).transpose()?;
        Ok(Session { key, salt, counter: 0 })
    }

    /// What this session's commits carry in clear.
    pub(crate) fn salt(&self) -> [u8; SALT_LEN] {
        self.salt
    }

    /// Seals a state. `body.state` must fit, see [`slot_len_for`].
    pub(crate) fn seal(
        &mut self,
        header: &Header,
        data_key: Option<&Secret>,
        index: SlotIndex,
        generation: u64,
        body: &SlotBody<'_>,
    ) -> Result<SealedSlot, VaultError> {
        if self.counter >= COMMITS_PER_SALT {
            *self = Session::new(header, data_key)?;
        }
        let tag_len = header.algorithm.tag_len();
        let slot_len = slot_len_for(body.state.len(), header.algorithm).ok_or(VaultError::Seal)?;
        let sealed_len = slot_len.checked_sub(SLOT_HEAD_LEN).ok_or(VaultError::Seal)?;
        let plain_len = sealed_len.checked_sub(tag_len).ok_or(VaultError::Seal)?;
        let mut nonce = [0; NONCE_LEN];
        if let Some(low) = nonce.first_chunk_mut() {
            *low = self.counter.to_le_bytes();
        }
        // Spent before it is used: whatever fails from here on, this number does not come back.
        self.counter = self.counter.checked_add(1).ok_or(VaultError::Seal)?;
        let head = SlotHead {
            index,
            sealed_len: u32::try_from(sealed_len).map_err(|_| VaultError::Seal)?,
            generation,
            session_salt: self.salt,
            nonce,
        };
        let mut plain = Zeroizing::new(Vec::with_capacity(sealed_len));
        plain.extend_from_slice(&body.committed_unix_s.to_le_bytes());
        plain.extend_from_slice(&body.previous_hash);
        plain.extend_from_slice(&(body.state.len() as u64).to_le_bytes());
        plain.extend_from_slice(body.state);
        pad_to(&mut plain, plain_len);
        let aad = head.aad(header);
        match &self.key {
            Some(key) => seal::seal(key, nonce, &aad, &mut plain)?,
            None => {
                let checksum = seal::sha256(&[&aad, &plain]);
                plain.extend_from_slice(&checksum);
            }
        }
        let mut bytes = Vec::with_capacity(slot_len);
        bytes.extend_from_slice(&head.to_bytes());
        bytes.extend_from_slice(&plain);
        Ok(SealedSlot { hash: slot_hash(&head, &plain, tag_len), bytes })
    }
}

/// Names a commit: the front with its fresh salt and counter, and the tag over the rest.
fn slot_hash(head: &SlotHead, sealed: &[u8], tag_len: usize) -> [u8; 32] {
    let tag = sealed.len().checked_sub(tag_len).and_then(|at| sealed.get(at..)).unwrap_or(sealed);
    seal::sha256(&[&head.to_bytes(), tag])
}

/// A state slot that verified.
pub(crate) struct OpenedSlot {
    pub(crate) index: SlotIndex,
    pub(crate) generation: u64,
    pub(crate) hash: [u8; 32],
    pub(crate) session_salt: [u8; SALT_LEN],
    plain: Zeroizing<Vec<u8>>,
}

impl OpenedSlot {
    pub(crate) fn body(&self) -> Result<SlotBody<'_>, OpenError> {
        parse_slot_body(&self.plain).ok_or(OpenError::Damaged(Damage::Contents(self.index)))
    }
}

/// What a look at one state slot found.
pub(crate) enum SlotLook {
    Empty,
    Broken,
    Whole(OpenedSlot),
}

/// Opens one state slot.
pub(crate) fn open_slot(
    header: &Header,
    data_key: Option<&Secret>,
    index: SlotIndex,
    bytes: &[u8],
) -> SlotLook {
    let (head, sealed) = match parse_slot(bytes) {
        ParsedSlot::Empty => return SlotLook::Empty,
        ParsedSlot::Broken => return SlotLook::Broken,
        ParsedSlot::Written(head, sealed) => (head, sealed),
    };
    if head.index != index {
        return SlotLook::Broken;
    }
    let aad = head.aad(header);
    let opened = match (header.algorithm, data_key) {
        (Algorithm::Unencrypted, _) => open_checked(&aad, sealed),
        (Algorithm::Aes128Gcm | Algorithm::Aes256Gcm, Some(data_key)) => {
            session_key(header, data_key, &head.session_salt)
                .and_then(|key| seal::open(&key, head.nonce, &aad, sealed))
        }
        (Algorithm::Aes128Gcm | Algorithm::Aes256Gcm, None) => Err(SealError),
    };
    match opened {
        Ok(plain) => SlotLook::Whole(OpenedSlot {
            index,
            generation: head.generation,
            hash: slot_hash(&head, sealed, header.algorithm.tag_len()),
            session_salt: head.session_salt,
            plain,
        }),
        Err(SealError) => SlotLook::Broken,
    }
}

fn open_checked(aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (plain, checksum) = sealed.split_last_chunk::<32>().ok_or(SealError)?;
    if seal::sha256(&[aad, plain]) != *checksum || plain.len() < SLOT_PREFIX_LEN {
        return Err(SealError);
    }
    Ok(Zeroizing::new(plain.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{KEY_SLOTS, MIN_SLOT_LEN};

    #[test]
    fn a_session_changes_its_salt_before_its_key_has_sealed_too_much() {
        let header = Header {
            algorithm: Algorithm::Aes128Gcm,
            file_uuid: [1; 16],
            vm_uuid_hash: [2; 32],
            sequence: 1,
            slot_len: MIN_SLOT_LEN as u32,
            created_unix_s: 0,
            key_slots: [const { KeySlot::Empty }; KEY_SLOTS],
            mac: [0; 32],
        };
        let data_key = Secret::from_slice(&[3; 16]);
        let mut session = Session::new(&header, Some(&data_key)).unwrap();
        session.counter = COMMITS_PER_SALT - 1;
        let before = session.salt;
        let mut seal = || {
            let body = SlotBody { committed_unix_s: 0, previous_hash: [0; 32], state: b"state" };
            let sealed = session.seal(&header, Some(&data_key), SlotIndex::A, 1, &body).unwrap();
            match parse_slot(&sealed.bytes) {
                ParsedSlot::Written(head, _) => (head, sealed.bytes.clone()),
                other => panic!("{other:?}"),
            }
        };
        let (last, _) = seal();
        assert_eq!((last.session_salt, last.nonce[..4].to_vec()), (before, vec![0xff, 0xff, 0x0f, 0]));
        let (first, bytes) = seal();
        assert_ne!(first.session_salt, before);
        assert_eq!(first.nonce, [0; NONCE_LEN]);
        assert!(matches!(open_slot(&header, Some(&data_key), SlotIndex::A, &bytes), SlotLook::Whole(_)));
    }
}
