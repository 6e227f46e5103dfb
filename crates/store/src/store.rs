//! The store itself.

use core::fmt;
use sigillo_messages::{text, words};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::{CommitError, CreateError, Damage, OpenError};
use crate::files::{self, Dir, FileError, Identity, PublishError};
use crate::format::{
    Algorithm, HEADER_LEN, Header, KEY_SLOTS, MIN_SLOT_LEN, SlotBody, SlotIndex, VERSION, slot_len_for,
    vm_uuid_hash,
};
use crate::key::{Key, KeyId, SlotInfo};
use crate::key_slot::KeySlot;
use crate::keys;
use crate::medium::{FileMedium, Medium, ReplaceError};
use crate::open::{choose_header, newest_slot, read_front};
use crate::seal;
use crate::secret::{Secret, random};
use crate::vault::{self, Session, VaultError};

/// How often an opening is tried again when the file is replaced under it.
const OPEN_TRIES: usize = 16;

/// What a new store is made of.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// The VM the store belongs to.
    pub vm_uuid: [u8; 16],
    /// What will open it. [`Key::None`] makes a store that is not encrypted.
    pub key: Key,
    /// Names the key; unused without one.
    pub key_id: KeyId,
    /// How it is sealed; ignored without a key.
    pub algorithm: Algorithm,
}

impl CreateOptions {
    /// AES-128-GCM where there is a key.
    pub fn new(vm_uuid: [u8; 16], key: Key, key_id: KeyId) -> Self {
        CreateOptions { vm_uuid, key, key_id, algorithm: Algorithm::Aes128Gcm }
    }
}

/// What is known of a store without opening it, and a little more with it open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreInfo {
    /// Format number.
    pub format: u16,
    /// How the state is protected; [`Algorithm::Unencrypted`] belongs in every listing.
    pub algorithm: Algorithm,
    /// Random identity of the file, kept by copies.
    pub file_uuid: [u8; 16],
    /// Binds the store to its VM; see [`StoreInfo::is_for_vm`].
    pub vm_uuid_hash: [u8; 32],
    /// The passwords that open it, by the names that keychain records have too.
    pub key_ids: Vec<KeyId>,
    /// All ways into it.
    pub slots: Vec<SlotInfo>,
    /// Seconds since 1970 when it was made.
    pub created_unix_s: u64,
    /// Bytes of the file.
    pub file_len: u64,
    /// Commits so far; only an open store knows.
    pub generation: Option<u64>,
    /// Seconds since 1970 at the last commit; only an open store knows.
    pub committed_unix_s: Option<u64>,
}

impl StoreInfo {
    fn of(header: &Header) -> Self {
        StoreInfo {
            format: VERSION,
            algorithm: header.algorithm,
            file_uuid: header.file_uuid,
            vm_uuid_hash: header.vm_uuid_hash,
            key_ids: header.key_ids(),
            slots: header.key_slots.iter().filter_map(KeySlot::info).collect(),
            created_unix_s: header.created_unix_s,
            file_len: header.file_len(),
            generation: None,
            committed_unix_s: None,
        }
    }

    /// Whether the store was made for this VM.
    pub fn is_for_vm(&self, vm_uuid: &[u8; 16]) -> bool {
        self.vm_uuid_hash == vm_uuid_hash(&self.file_uuid, vm_uuid)
    }

    /// Whether the state can be read without a password.
    pub fn is_unencrypted(&self) -> bool {
        self.algorithm == Algorithm::Unencrypted
    }
}

/// What was not as it should be in a store that opened all the same. For the log and for `doctor`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenNotes {
    /// One header copy was damaged or out of date and was written anew.
    pub header_repaired: bool,
    /// This slot does not verify. After a crash that is the write it interrupted, which was never acknowledged;
    /// without a crash the newest state was damaged and the one before it is in use.
    pub broken_slot: Option<SlotIndex>,
    /// The two slots do not follow each other: the disk lost a write, or slots of two copies were mixed.
    pub gap_in_history: bool,
    /// Others than the owner may read or write the file.
    pub open_to_others: bool,
}

impl OpenNotes {
    /// Whether there is nothing to report.
    pub fn is_clean(&self) -> bool {
        *self == OpenNotes::default()
    }
}

/// Names one commit, to recognise an older copy of the store later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Commits up to it, from 1.
    pub generation: u64,
    /// Different for each commit of any copy.
    pub hash: [u8; 32],
}

/// What the last commit says of its history, to tell a state that goes on from the one an [`Anchor`] names from one that left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The hash of the commit before; zero for the first.
    pub previous_hash: [u8; 32],
    /// Drawn by the opening that wrote it: no other opening has it.
    pub session: [u8; 32],
}

/// An open store. It holds the file's lock until dropped.
pub struct Store {
    pub(crate) medium: Box<dyn Medium>,
    pub(crate) header: Header,
    /// Where the newest header copy lies: 0 or 1.
    pub(crate) header_copy: u64,
    pub(crate) data_key: Option<Secret>,
    pub(crate) opened_with: Option<KeyId>,
    pub(crate) session: Session,
    pub(crate) active: SlotIndex,
    pub(crate) anchor: Anchor,
    pub(crate) lineage: Lineage,
    pub(crate) committed_unix_s: u64,
    pub(crate) state: Option<Zeroizing<Vec<u8>>>,
    pub(crate) state_digest: Zeroizing<[u8; 32]>,
    pub(crate) notes: OpenNotes,
    pub(crate) poisoned: bool,
}

/// A store that was opened to be looked at, by [`Store::look`]: it lends itself for reading alone, and its descriptor could not
/// write. [`OpenNotes::header_repaired`] means here that an opening would repair a header copy.
#[derive(Debug)]
pub struct Looked(Store);

impl core::ops::Deref for Looked {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("info", &self.info())
            .field("state", &"[secret]")
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Makes a store with an empty state, which stands for a TPM not yet manufactured. The file has mode 0600
    /// whatever the umask, and is there whole or not at all.
    ///
    /// # Errors
    /// See [`CreateError`]; a file already there is never touched.
    pub fn create(path: &Path, options: &CreateOptions) -> Result<Self, CreateError> {
        let (dir, name) = Dir::of(path).map_err(CreateError::Io)?.ok_or(CreateError::BadPath)?;
        Self::create_at(dir, &name, options)
    }

    /// As [`Store::create`], in a directory given by its handle.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn create_at(dir: Dir, name: &OsStr, options: &CreateOptions) -> Result<Self, CreateError> {
        if dir.identity(name).map_err(CreateError::Io)?.is_some() {
            return Err(CreateError::Exists);
        }
        let now = now_unix_s();
        let mut file_uuid = [0; 16];
        random(&mut file_uuid)?;
        let mut header = Header {
            algorithm: Algorithm::Unencrypted,
            file_uuid,
            vm_uuid_hash: vm_uuid_hash(&file_uuid, &options.vm_uuid),
            sequence: 1,
            slot_len: MIN_SLOT_LEN as u32,
            created_unix_s: now,
            key_slots: [const { KeySlot::Empty }; KEY_SLOTS],
            mac: [0; 32],
        };
        let data_key = match options.key.parts() {
            None => None,
            Some((_, secret)) if secret.is_empty() => return Err(CreateError::EmptyPassword),
            Some(_) => {
                header.algorithm = match options.algorithm {
                    Algorithm::Unencrypted => Algorithm::Aes128Gcm,
                    sealed @ (Algorithm::Aes128Gcm | Algorithm::Aes256Gcm) => sealed,
                };
                let data_key = Secret::random(header.algorithm.key_len())?;
                let wrapped = keys::wrapped(&header, &data_key, &options.key, options.key_id, now)?;
                if let (Some(first), Some(wrapped)) = (header.key_slots.first_mut(), wrapped) {
                    *first = wrapped;
                }
                Some(data_key)
            }
        };
        let opened_with = data_key.as_ref().map(|_| options.key_id);
        let mut session = Session::new(&header, data_key.as_ref())?;
        let body = SlotBody { committed_unix_s: now, previous_hash: [0; 32], state: &[] };
        let image = build_image(&mut header, &mut session, data_key.as_ref(), 1, &body)?;
        let temporary = files::temporary_name(name).map_err(CreateError::Io)?;
        let file =
            dir.stage(temporary, 0o600, &image.bytes).map_err(CreateError::Io)?.publish_new(name).map_err(
                |error| match error {
                    PublishError::Exists => CreateError::Exists,
                    PublishError::Refused(error) | PublishError::Unsure(error) => CreateError::Io(error),
                },
            )?;
        let lineage = Lineage { previous_hash: [0; 32], session: session.salt() };
        Ok(Store {
            lineage,
            medium: Box::new(FileMedium::new(file, Some((dir, name.to_owned())))),
            header,
            header_copy: 1,
            data_key,
            opened_with,
            session,
            active: SlotIndex::A,
            anchor: Anchor { generation: 1, hash: image.hash },
            committed_unix_s: now,
            state: Some(Zeroizing::default()),
            state_digest: Zeroizing::new(seal::sha256(&[])),
            notes: OpenNotes::default(),
            poisoned: false,
        })
    }

    /// Opens a store and takes its lock.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing on the disk is changed by an opening that fails.
    pub fn open(path: &Path, key: &Key) -> Result<Self, OpenError> {
        let (dir, name) = dir_of(path)?;
        Self::open_at(dir, &name, key)
    }

    /// As [`Store::open`], in a directory given by its handle.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_at(dir: Dir, name: &OsStr, key: &Key) -> Result<Self, OpenError> {
        for _ in 0..OPEN_TRIES {
            let file = dir.open_file(name, true).map_err(file_error)?;
            if lock(&file, Some((&dir, name)))? {
                return Self::open_locked(file, Some((dir, name.to_owned())), key);
            }
        }
        Err(OpenError::Replaced)
    }

    /// Opens a store from a descriptor, as a sandboxed process inherits it. `home` is its directory (a descriptor open
    /// for reading) and name there; without it the store cannot grow. The lock may already be held through the same
    /// open file description.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_file(file: OwnedFd, home: Option<(Dir, OsString)>, key: &Key) -> Result<Self, OpenError> {
        let file = std::fs::File::from(file);
        files::require_plain(&file).map_err(file_error)?;
        if !lock(&file, home.as_ref().map(|(dir, name)| (dir, name.as_os_str())))? {
            return Err(OpenError::Replaced);
        }
        Self::open_locked(file, home, key)
    }

    fn open_locked(file: std::fs::File, home: Option<(Dir, OsString)>, key: &Key) -> Result<Self, OpenError> {
        let (_, mode) = files::owner_and_mode(&file).map_err(OpenError::Io)?;
        let mut store = Self::open_medium(Box::new(FileMedium::new(file, home)), key)?;
        store.notes.open_to_others = mode & 0o077 != 0;
        Ok(store)
    }

    pub(crate) fn open_medium(medium: Box<dyn Medium>, key: &Key) -> Result<Self, OpenError> {
        Self::examine(medium, key)?.repaired()
    }

    /// Writes what an opening has found to be stale.
    fn repaired(mut self) -> Result<Self, OpenError> {
        if self.notes.header_repaired {
            // Otherwise an old copy could come back to life (with an old password) when this one is damaged.
            let header = self.header.clone();
            self.write_header_copy(header).map_err(|error| match error {
                CommitError::Io(error) => OpenError::Io(error),
                other => OpenError::Io(io::Error::other(other)),
            })?;
        }
        Ok(self)
    }

    /// Everything of an opening but the repair: nothing is written.
    fn examine(medium: Box<dyn Medium>, key: &Key) -> Result<Self, OpenError> {
        Self::examine_unlocked(medium, |header| match (header.algorithm, key.parts()) {
            (Algorithm::Unencrypted, None) => Ok((None, None)),
            (Algorithm::Unencrypted, Some(_)) => Err(OpenError::Unencrypted),
            (Algorithm::Aes128Gcm | Algorithm::Aes256Gcm, None) => {
                Err(OpenError::NeedsKey { key_ids: header.key_ids() })
            }
            (Algorithm::Aes128Gcm | Algorithm::Aes256Gcm, Some((kind, secret))) => {
                let (data_key, key_id) = vault::unlock(header, kind, secret)?;
                if !vault::is_authentic(header, &data_key) {
                    return Err(OpenError::Damaged(Damage::HeaderMac));
                }
                Ok((Some(data_key), Some(key_id)))
            }
        })
    }

    /// The same of a medium whose data key, and its name among the keys, `unlock` finds by the header.
    fn examine_unlocked(
        medium: Box<dyn Medium>,
        unlock: impl FnOnce(&Header) -> Result<(Option<Secret>, Option<KeyId>), OpenError>,
    ) -> Result<Self, OpenError> {
        let front = read_front(medium.as_ref())?;
        let chosen = choose_header(&front)?;
        let header = chosen.header;
        let actual = medium.len().map_err(OpenError::Io)?;
        if actual != header.file_len() {
            return Err(OpenError::Damaged(Damage::Length { expected: header.file_len(), actual }));
        }
        let (data_key, opened_with) = unlock(&header)?;
        let (newest, mut notes) = newest_slot(medium.as_ref(), &header, data_key.as_ref())?;
        let body = newest.body()?;
        notes.header_repaired = chosen.other_is_stale;
        Ok(Store {
            session: Session::new(&header, data_key.as_ref()).map_err(open_vault)?,
            medium,
            header_copy: chosen.copy,
            data_key,
            opened_with,
            active: newest.index,
            anchor: Anchor { generation: newest.generation, hash: newest.hash },
            lineage: Lineage { previous_hash: body.previous_hash, session: newest.session_salt },
            committed_unix_s: body.committed_unix_s,
            state: Some(Zeroizing::new(body.state.to_vec())),
            state_digest: Zeroizing::new(seal::sha256(&[body.state])),
            notes,
            poisoned: false,
            header,
        })
    }

    /// Opens a store to look at it: nothing is written, not even what an opening repairs. It holds the file's lock, so that nobody
    /// writes meanwhile.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn look(path: &Path, key: &Key) -> Result<Looked, OpenError> {
        let (dir, name) = dir_of(path)?;
        for _ in 0..OPEN_TRIES {
            let file = dir.open_file(&name, false).map_err(file_error)?;
            if lock(&file, Some((&dir, &name)))? {
                let (_, mode) = files::owner_and_mode(&file).map_err(OpenError::Io)?;
                let mut store = Self::examine(Box::new(FileMedium::new(file, None)), key)?;
                store.notes.open_to_others = mode & 0o077 != 0;
                return Ok(Looked(store));
            }
        }
        Err(OpenError::Replaced)
    }

    /// Opens an older copy of this store, as a snapshot keeps one, and gives it the keys that this one has now: who had an
    /// old password, and has it no more, does not get it back with the old state. `None` where the file is no copy of this
    /// store or has another data key ([`Store::reencrypt`]); it was then left as it is.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_copy(&self, path: &Path) -> Result<Option<Self>, OpenError> {
        let info = Self::peek(path)?;
        if info.file_uuid != self.header.file_uuid || info.algorithm != self.header.algorithm {
            return Ok(None);
        }
        let (dir, name) = dir_of(path)?;
        let file = dir.open_file(&name, true).map_err(file_error)?;
        if !lock(&file, Some((&dir, &name)))? {
            return Err(OpenError::Replaced);
        }
        let medium = Box::new(FileMedium::new(file, Some((dir, name))));
        let found = Self::examine_unlocked(medium, |header| {
            let data_key = self.data_key.clone();
            match &data_key {
                Some(key) if !vault::is_authentic(header, key) => Err(OpenError::Damaged(Damage::HeaderMac)),
                _ => Ok((data_key, self.opened_with)),
            }
        });
        let mut copy = match found {
            // By its MAC alone a header under another data key cannot be told from a forged one.
            Err(OpenError::Damaged(Damage::HeaderMac)) => return Ok(None),
            found => found?.repaired()?,
        };
        if copy.header.key_slots != self.header.key_slots {
            let mut header = copy.header.clone();
            header.key_slots = self.header.key_slots.clone();
            copy.write_header(header).map_err(|error| match error {
                CommitError::Io(error) => OpenError::Io(error),
                other => OpenError::Io(io::Error::other(other)),
            })?;
        }
        Ok(Some(copy))
    }

    /// What a store's header says, read without key and without lock. Nothing of it is authenticated.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn peek(path: &Path) -> Result<StoreInfo, OpenError> {
        let (dir, name) = dir_of(path)?;
        let file = dir.open_file(&name, false).map_err(file_error)?;
        let medium = FileMedium::new(file, None);
        let header = choose_header(&read_front(&medium)?)?.header;
        let actual = medium.len().map_err(OpenError::Io)?;
        if actual != header.file_len() {
            return Err(OpenError::Damaged(Damage::Length { expected: header.file_len(), actual }));
        }
        Ok(StoreInfo::of(&header))
    }

    /// What the store is.
    pub fn info(&self) -> StoreInfo {
        StoreInfo {
            generation: Some(self.anchor.generation),
            committed_unix_s: Some(self.committed_unix_s),
            ..StoreInfo::of(&self.header)
        }
    }

    /// What was found amiss while opening.
    pub fn notes(&self) -> &OpenNotes {
        &self.notes
    }

    /// A key for what belongs to the store and lies elsewhere, the same in every copy of the store and whatever happens
    /// to its passwords; `None` if the store is not encrypted. `label` names the use.
    pub fn outside_key(&self, label: &[u8]) -> Option<Secret> {
        vault::outside_key(&self.header, self.data_key.as_ref()?, label).ok()
    }

    /// The key it was opened with, by name; `None` if it is not encrypted.
    pub fn opened_with(&self) -> Option<KeyId> {
        self.opened_with
    }

    /// Names the last commit.
    pub fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// The last commit's history.
    pub fn lineage(&self) -> Lineage {
        self.lineage
    }

    /// What the commits of this opening carry as their [`Lineage::session`], until it is drawn anew after a million of them.
    pub fn session(&self) -> [u8; 32] {
        self.session.salt()
    }

    /// The last committed state; empty in a new store and after [`Store::take_state`].
    pub fn state(&self) -> &[u8] {
        self.state.as_ref().map_or(&[], |state| state.as_slice())
    }

    /// Hands the state over, so that only the caller keeps it. Later commits are not kept in memory either.
    pub fn take_state(&mut self) -> Zeroizing<Vec<u8>> {
        self.state.take().unwrap_or_default()
    }

    /// Makes a state durable. On `Ok` it is on the disk; on an error the state before is what a next opening finds
    /// (after [`CommitError::Io`] it may be either). A state equal to the last one costs no write.
    ///
    /// # Errors
    /// See [`CommitError`]. After [`CommitError::Io`] the store takes nothing more.
    pub fn commit(&mut self, state: &[u8]) -> Result<(), CommitError> {
        if self.poisoned {
            return Err(CommitError::Poisoned);
        }
        let needed = slot_len_for(state.len(), self.header.algorithm)
            .ok_or(CommitError::TooLarge { len: state.len() })?;
        let digest = Zeroizing::new(seal::sha256(&[state]));
        if bool::from(digest.ct_eq(self.state_digest.as_ref())) {
            return Ok(());
        }
        // No store counts to the end; a forged one may be there. A new file begins at 1 again.
        let next = self.anchor.generation.checked_add(1);
        let generation = next.unwrap_or(1);
        let body = SlotBody { committed_unix_s: now_unix_s(), previous_hash: self.anchor.hash, state };
        let hash = if needed > self.header.slot_bytes() {
            self.replace(needed.saturating_mul(2), generation, &body)?
        } else if next.is_none() {
            self.replace(self.header.slot_bytes(), generation, &body)?
        } else {
            self.write_slot(generation, &body)?
        };
        self.lineage = Lineage { previous_hash: self.anchor.hash, session: self.session.salt() };
        self.anchor = Anchor { generation, hash };
        self.committed_unix_s = body.committed_unix_s;
        self.state_digest = digest;
        if let Some(kept) = &mut self.state {
            *kept = Zeroizing::new(state.to_vec());
        }
        Ok(())
    }

    fn write_slot(&mut self, generation: u64, body: &SlotBody<'_>) -> Result<[u8; 32], CommitError> {
        let target = self.active.other();
        let sealed = self.session.seal(&self.header, self.data_key.as_ref(), target, generation, body)?;
        self.poisoned = true;
        self.medium.write_at(target.offset(&self.header), &sealed.bytes).map_err(CommitError::Io)?;
        self.medium.sync().map_err(CommitError::Io)?;
        self.poisoned = false;
        self.active = target;
        Ok(sealed.hash)
    }

    /// Moves to another file, a longer one with room to spare, so that growing stays rare.
    fn replace(
        &mut self,
        slot_len: usize,
        generation: u64,
        body: &SlotBody<'_>,
    ) -> Result<[u8; 32], CommitError> {
        let slot_len = slot_len.min(crate::format::MAX_SLOT_LEN);
        let mut header = self.header.clone();
        header.slot_len =
            u32::try_from(slot_len).map_err(|_| CommitError::TooLarge { len: body.state.len() })?;
        header.sequence = header.sequence.saturating_add(1);
        let image = build_image(&mut header, &mut self.session, self.data_key.as_ref(), generation, body)?;
        match self.medium.replace(&image.bytes) {
            Ok(()) => {
                self.header = header;
                self.header_copy = 1;
                self.active = SlotIndex::A;
                Ok(image.hash)
            }
            Err(ReplaceError::Kept(error)) => Err(CommitError::CannotGrow(error)),
            Err(ReplaceError::Unsure(error)) => {
                self.poisoned = true;
                Err(CommitError::Io(error))
            }
        }
    }

    /// Writes both header copies, the older one first.
    pub(crate) fn write_header(&mut self, header: Header) -> Result<(), CommitError> {
        self.write_header_copy(header.clone())?;
        self.write_header_copy(header)
    }

    fn write_header_copy(&mut self, mut header: Header) -> Result<(), CommitError> {
        if self.poisoned {
            return Err(CommitError::Poisoned);
        }
        header.sequence = self.header.sequence.saturating_add(1);
        vault::authenticate(&mut header, self.data_key.as_ref()).map_err(VaultError::from)?;
        let copy = 1 - self.header_copy;
        self.poisoned = true;
        self.medium.write_at(copy * HEADER_LEN as u64, &header.to_bytes()).map_err(CommitError::Io)?;
        self.medium.sync().map_err(CommitError::Io)?;
        self.poisoned = false;
        self.header = header;
        self.header_copy = copy;
        Ok(())
    }
}

pub(crate) struct Image {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) hash: [u8; 32],
}

/// A whole file: both header copies, the state in slot A, slot B empty. `header` becomes the second copy.
pub(crate) fn build_image(
    header: &mut Header,
    session: &mut Session,
    data_key: Option<&Secret>,
    generation: u64,
    body: &SlotBody<'_>,
) -> Result<Image, VaultError> {
    let file_len = usize::try_from(header.file_len()).map_err(|_| VaultError::Seal)?;
    // Wiped, as the state of an unencrypted store passes through it.
    let mut bytes = Zeroizing::new(Vec::with_capacity(file_len));
    vault::authenticate(header, data_key)?;
    bytes.extend_from_slice(&header.to_bytes());
    header.sequence = header.sequence.saturating_add(1);
    vault::authenticate(header, data_key)?;
    bytes.extend_from_slice(&header.to_bytes());
    let sealed = session.seal(header, data_key, SlotIndex::A, generation, body)?;
    bytes.extend_from_slice(&sealed.bytes);
    bytes.resize(file_len, 0);
    Ok(Image { bytes, hash: sealed.hash })
}

/// Takes the lock of a file. `false` if its name leads to another one by now: the lock is of the file, not of the name,
/// and a store that grew has a new file under the old name.
fn lock(file: &std::fs::File, home: Option<(&Dir, &OsStr)>) -> Result<bool, OpenError> {
    if !files::try_lock(file).map_err(OpenError::Io)? {
        return Err(OpenError::Locked { pid: files::lock_holder(file) });
    }
    let Some((dir, name)) = home else { return Ok(true) };
    let locked = Identity::of_file(file).map_err(OpenError::Io)?;
    Ok(dir.identity(name).map_err(OpenError::Io)? == Some(locked))
}

pub(crate) fn dir_of(path: &Path) -> Result<(Dir, OsString), OpenError> {
    match Dir::of(path) {
        Ok(Some(home)) => Ok(home),
        Ok(None) => Err(OpenError::Unsafe(words!("store-path-no-file"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::NotFound),
        Err(error) => Err(OpenError::Io(error)),
    }
}

pub(crate) fn file_error(error: FileError) -> OpenError {
    match error {
        FileError::NotFound => OpenError::NotFound,
        FileError::Unsafe(what) => OpenError::Unsafe(what),
        FileError::Io(error) => OpenError::Io(error),
    }
}

fn open_vault(error: VaultError) -> OpenError {
    match error {
        VaultError::Entropy(error) => OpenError::Entropy(error),
        VaultError::Seal => OpenError::Io(sealing_failed()),
    }
}

impl From<VaultError> for CommitError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Entropy(error) => CommitError::Entropy(error),
            VaultError::Seal => CommitError::Io(sealing_failed()),
        }
    }
}

impl From<VaultError> for CreateError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Entropy(error) => CreateError::Entropy(error),
            VaultError::Seal => CreateError::Io(sealing_failed()),
        }
    }
}

fn sealing_failed() -> io::Error {
    io::Error::other(text!("store-sealing-failed"))
}

/// Seconds since 1970; zero on a host whose clock stands before that.
pub fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
