//! The ways into a store: adding and removing them, and making all of it anew.

use crate::CommitError;
use crate::format::{Algorithm, Header, KEY_SLOTS, SlotBody, SlotIndex, slot_len_for};
use crate::key::{Key, KeyId, KeyKind};
use crate::key_slot::{KeySlot, Unlocker};
use crate::medium::ReplaceError;
use crate::seal::Stretch;
use crate::secret::Secret;
use crate::store::{Anchor, Lineage, Store, build_image, now_unix_s};
use crate::vault::{self, Session, VaultError};
use sigillo_messages::words;

/// A passphrase has to have as many octets.
pub const MIN_PASSPHRASE_LEN: usize = 12;

/// A slot for this key; `None` for [`Key::None`].
pub(crate) fn wrapped(
    header: &Header,
    data_key: &Secret,
    key: &Key,
    key_id: KeyId,
    now_unix_s: u64,
) -> Result<Option<KeySlot>, VaultError> {
    let Some((kind, secret)) = key.parts() else { return Ok(None) };
    let unlocker = match kind {
        KeyKind::Password => Unlocker::Password,
        KeyKind::RecoveryCode => Unlocker::RecoveryCode,
        KeyKind::Passphrase => Unlocker::Passphrase(Stretch::DEFAULT),
        KeyKind::Other(_) => return Ok(None),
    };
    vault::wrap(header, data_key, secret, unlocker, key_id, now_unix_s).map(Some)
}

/// Refuses keys that protect nothing.
fn require_strong(key: &Key) -> Result<(), CommitError> {
    match key {
        Key::None => Err(CommitError::Keys(words!("store-keys-none-given"))),
        Key::Password(secret) if secret.is_empty() => {
            Err(CommitError::Keys(words!("store-keys-empty-password")))
        }
        Key::Passphrase(secret) if secret.len() < MIN_PASSPHRASE_LEN => {
            Err(CommitError::Keys(words!("store-keys-short-passphrase")))
        }
        Key::Password(_) | Key::Passphrase(_) | Key::RecoveryCode(_) => Ok(()),
    }
}

impl Store {
    /// Adds another way in. The cost does not depend on the state's length.
    ///
    /// # Errors
    /// See [`CommitError`]. A crash in the middle leaves a store that every old key opens.
    pub fn add_key(&mut self, key: &Key, key_id: KeyId) -> Result<(), CommitError> {
        let Some(data_key) = &self.data_key else {
            return Err(CommitError::Keys(words!("store-keys-unencrypted")));
        };
        require_strong(key)?;
        if self.header.wrapped().any(|slot| slot.key_id == key_id) {
            return Err(CommitError::Keys(words!("store-keys-same-id")));
        }
        let mut header = self.header.clone();
        let free = header.key_slots.iter_mut().find(|slot| **slot == KeySlot::Empty);
        let free = free.ok_or(CommitError::Keys(words!("store-keys-full")))?;
        if let Some(wrapped) = wrapped(&self.header, data_key, key, key_id, now_unix_s())? {
            *free = wrapped;
        }
        self.write_header(header)
    }

    /// Takes a way in away, unless it is the last one this program knows. On `Ok` nothing of it is left in the file.
    ///
    /// # Errors
    /// See [`CommitError`]. A crash in the middle leaves a store that the other keys open.
    pub fn remove_key(&mut self, key_id: KeyId) -> Result<(), CommitError> {
        let mut header = self.header.clone();
        let found = header
            .key_slots
            .iter_mut()
            .find(|slot| matches!(slot, KeySlot::Wrapped(slot) if slot.key_id == key_id));
        let found = found.ok_or(CommitError::Keys(words!("store-keys-unknown")))?;
        if self.header.wrapped().count() < 2 {
            return Err(CommitError::Keys(words!("store-keys-last")));
        }
        *found = KeySlot::Empty;
        self.write_header(header)
    }

    /// Draws a new data key, seals the state under it with this algorithm, and puts the new file in place of the old
    /// one. Only the keys given open it: what opened the old file and is not among them, kinds of a later program
    /// included, is gone. What was sealed outside under the old data key (see [`Store::outside_key`]) stays closed.
    ///
    /// # Errors
    /// See [`CommitError`]. A crash in the middle leaves the old file, under its old keys, or the new one.
    pub fn reencrypt(&mut self, algorithm: Algorithm, keys: &[(Key, KeyId)]) -> Result<(), CommitError> {
        if self.poisoned {
            return Err(CommitError::Poisoned);
        }
        if self.data_key.is_none() || algorithm == Algorithm::Unencrypted {
            return Err(CommitError::Keys(words!("store-keys-none-in-unencrypted")));
        }
        if keys.is_empty() || keys.len() > KEY_SLOTS {
            return Err(CommitError::Keys(words!("store-keys-count")));
        }
        let Some(state) = &self.state else {
            return Err(CommitError::Keys(words!("store-handed-over")));
        };
        let now = now_unix_s();
        let data_key = Secret::random(algorithm.key_len())?;
        let mut header = self.header.clone();
        header.algorithm = algorithm;
        header.key_slots = [const { KeySlot::Empty }; KEY_SLOTS];
        header.sequence = header.sequence.saturating_add(1);
        for (index, (key, key_id)) in keys.iter().enumerate() {
            require_strong(key)?;
            if keys.iter().take(index).any(|(_, earlier)| earlier == key_id) {
                return Err(CommitError::Keys(words!("store-keys-twice")));
            }
            let slot = wrapped(&header, &data_key, key, *key_id, now)?;
            if let (Some(place), Some(slot)) = (header.key_slots.get_mut(index), slot) {
                *place = slot;
            }
        }
        let too_large = || CommitError::TooLarge { len: state.len() };
        let needed = slot_len_for(state.len(), algorithm).ok_or_else(too_large)?;
        if needed > header.slot_bytes() {
            header.slot_len = u32::try_from(needed).map_err(|_| too_large())?;
        }
        let generation = self.anchor.generation.checked_add(1).ok_or_else(too_large)?;
        let mut session = Session::new(&header, Some(&data_key))?;
        let body = SlotBody { committed_unix_s: now, previous_hash: self.anchor.hash, state };
        let image = build_image(&mut header, &mut session, Some(&data_key), generation, &body)?;
        match self.medium.replace(&image.bytes) {
            Ok(()) => {}
            Err(ReplaceError::Kept(error)) => return Err(CommitError::CannotReencrypt(error)),
            Err(ReplaceError::Unsure(error)) => {
                self.poisoned = true;
                return Err(CommitError::Io(error));
            }
        }
        self.opened_with = keys.first().map(|(_, key_id)| *key_id);
        (self.header, self.header_copy, self.data_key) = (header, 1, Some(data_key));
        (self.session, self.active) = (session, SlotIndex::A);
        self.lineage = Lineage { previous_hash: self.anchor.hash, session: self.session.salt() };
        self.anchor = Anchor { generation, hash: image.hash };
        self.committed_unix_s = now;
        Ok(())
    }
}
