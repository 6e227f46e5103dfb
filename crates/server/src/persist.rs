//! Where a TPM's state lies between its lives.

use sigillo_messages::text;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::time::{Duration, Instant};

use sigillo_store::files::{Dir, FileError, PublishError};
use sigillo_store::{CreateError, CreateOptions, Key, KeyId, OpenError, Store};
use zeroize::Zeroizing;

use crate::blob::{self, BlobKeys};
use crate::control::{BlobKind, MAX_BLOB};
use crate::key::KeyMaterial;

/// After so many commits the keeper of anchors is told, whatever else happens.
const COMMITS_PER_ANCHOR: u32 = 32;
/// So long after it was told last, the next commit tells it again.
const ANCHOR_AGE: Duration = Duration::from_secs(10);

/// State could not be read or stored. The text says why and what holds now.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct PersistError {
    reason: String,
    code: Option<&'static str>,
}

impl PersistError {
    /// With a reason for people.
    #[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
    pub fn new(reason: impl ToString) -> Self {
        PersistError { reason: reason.to_string(), code: None }
    }

    /// The stable error code of what the store says, as in `docs/errors.md`.
    pub fn code(&self) -> Option<&'static str> {
        self.code
    }
}

impl From<OpenError> for PersistError {
    fn from(error: OpenError) -> Self {
        PersistError { reason: error.to_string(), code: Some(error.code()) }
    }
}

/// Remembers the newest state of a store outside of it, so that an older one put back is recognised.
pub trait AnchorKeeper: Send + std::fmt::Debug {
    /// Remembers the store's last commit, which is durable. Durable on return.
    ///
    /// # Errors
    /// It remembers what it did before.
    fn keep(&mut self, store: &Store) -> std::io::Result<()>;
}

/// Storage of one TPM. What [`Persist::commit`] returned for is on the disk.
pub trait Persist: Send {
    /// The permanent state last committed, handed over once; empty if there never was one.
    fn take(&mut self) -> Zeroizing<Vec<u8>>;

    /// Makes the permanent state durable.
    ///
    /// # Errors
    /// It is not known to be durable.
    fn commit(&mut self, permanent: &[u8]) -> Result<(), PersistError>;

    /// Has whoever guards this storage against older states remember the last commit at once; otherwise that is done every
    /// few commits. Storage that nobody guards does nothing.
    ///
    /// # Errors
    /// It was not remembered, and what was committed is durable all the same.
    fn anchor(&mut self) -> Result<(), PersistError> {
        Ok(())
    }

    /// The volatile state kept beside it, if there is one.
    ///
    /// # Errors
    /// There is one and it cannot be read.
    fn volatile(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, PersistError>;

    /// Keeps a volatile state.
    ///
    /// # Errors
    /// It was not stored.
    fn keep_volatile(&mut self, volatile: &[u8]) -> Result<(), PersistError>;

    /// Forgets the volatile state; none is no error.
    ///
    /// # Errors
    /// It may still be there.
    fn forget_volatile(&mut self) -> Result<(), PersistError>;
}

/// A store file, and beside it a file `NAME.volatile` while volatile state is kept.
#[derive(Debug)]
pub struct StorePersist {
    store: Store,
    dir: Dir,
    volatile_name: OsString,
    keys: BlobKeys,
    guard: Option<Guard>,
}

/// Who is told of commits, and what it was not told yet.
#[derive(Debug)]
struct Guard {
    keeper: Box<dyn AnchorKeeper>,
    untold: u32,
    told_at: Instant,
}

/// What to do where there is no store yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Make an empty one for this VM.
    Create([u8; 16]),
    /// Fail.
    Refuse,
}

impl StorePersist {
    /// Opens the store `name` in `dir`, sealed under `key` or, without one, not encrypted.
    ///
    /// # Errors
    /// The store's own words.
    pub fn open(
        dir: &Dir,
        name: &OsStr,
        key: Option<KeyMaterial>,
        missing: Missing,
    ) -> Result<Self, PersistError> {
        let clone = || dir.try_clone().map_err(PersistError::new);
        let mut store = None;
        if let Missing::Create(vm_uuid) = missing
            && dir.identity(name).map_err(PersistError::new)?.is_none()
        {
            let key_id = KeyId::random().map_err(PersistError::new)?;
            let options = CreateOptions::new(vm_uuid, store_key(key.as_ref(), Some(key_id))?, key_id);
            store = match Store::create_at(clone()?, name, &options) {
                Ok(store) => Some(store),
                // Another process was faster; opening tells who has it.
                Err(CreateError::Exists) => None,
                Err(error) => return Err(PersistError::new(error)),
            };
        }
        let store = match store {
            Some(store) => store,
            None => {
                let key_id = match &key {
                    // Only a passphrase needs to know the store's key id, its salt, before it can open it.
                    Some(KeyMaterial::Passphrase(_)) => peek(dir, name)?.key_ids.first().copied(),
                    _ => None,
                };
                let key = store_key(key.as_ref(), key_id)?;
                Store::open_at(clone()?, name, &key)?
            }
        };
        let keys = BlobKeys { state: key, migration: None };
        Ok(StorePersist { store, dir: clone()?, volatile_name: volatile_name(name), keys, guard: None })
    }

    /// Tells a keeper of this state, and from now on of later ones.
    ///
    /// # Errors
    /// It does not remember this one.
    pub fn guard(&mut self, mut keeper: Box<dyn AnchorKeeper>) -> Result<(), PersistError> {
        keeper.keep(&self.store).map_err(PersistError::new)?;
        self.guard = Some(Guard { keeper, untold: 0, told_at: Instant::now() });
        Ok(())
    }

    /// The store, for what it says about itself.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

/// A store's header, read through the directory's handle.
///
/// # Errors
/// The store's own words.
pub fn peek(dir: &Dir, name: &OsStr) -> Result<sigillo_store::StoreInfo, PersistError> {
    use std::os::fd::{AsFd, AsRawFd};
    let path = std::path::Path::new("/proc/self/fd").join(dir.as_fd().as_raw_fd().to_string()).join(name);
    Ok(Store::peek(&path)?)
}

/// The length in bytes of the volatile state kept beside the store `name`, as it lies there; `None` if there is none.
pub fn volatile_len(dir: &Dir, name: &OsStr) -> Option<u64> {
    let file = dir.open_file(&volatile_name(name), false).ok()?;
    Some(file.metadata().ok()?.len())
}

/// The volatile state kept beside the store `name`, which is only read; `None` if there is none.
///
/// # Errors
/// There is one and it cannot be read, or is sealed under another key.
pub fn volatile_beside(
    dir: &Dir,
    name: &OsStr,
    keys: &BlobKeys,
) -> Result<Option<Zeroizing<Vec<u8>>>, PersistError> {
    read_volatile(dir, &volatile_name(name), keys)
}

fn read_volatile(
    dir: &Dir,
    name: &OsStr,
    keys: &BlobKeys,
) -> Result<Option<Zeroizing<Vec<u8>>>, PersistError> {
    let file = match dir.open_file(name, false) {
        Ok(file) => file,
        Err(FileError::NotFound) => return Ok(None),
        Err(FileError::Unsafe(why)) => {
            return Err(PersistError::new(text!("volatile-not-used", why)));
        }
        Err(FileError::Io(error)) => return Err(PersistError::new(error)),
    };
    let mut packed = Vec::new();
    let bound = u64::from(MAX_BLOB).saturating_add(1);
    file.take(bound).read_to_end(&mut packed).map_err(PersistError::new)?;
    blob::unpack(BlobKind::Volatile, &packed, keys).map(Some).map_err(PersistError::new)
}

fn volatile_name(name: &OsStr) -> OsString {
    let mut volatile = name.to_owned();
    volatile.push(".volatile");
    volatile
}

fn store_key(material: Option<&KeyMaterial>, key_id: Option<KeyId>) -> Result<Key, PersistError> {
    match material {
        None => Ok(Key::None),
        Some(material) => {
            // A store without key ids is not encrypted and will say so whatever the password.
            let salt = key_id.map_or([0; 16], |id| *id.as_bytes());
            material.password(&salt).map(Key::Password).map_err(PersistError::new)
        }
    }
}

impl Persist for StorePersist {
    fn take(&mut self) -> Zeroizing<Vec<u8>> {
        self.store.take_state()
    }

    fn commit(&mut self, permanent: &[u8]) -> Result<(), PersistError> {
        let before = self.store.anchor();
        self.store.commit(permanent).map_err(PersistError::new)?;
        if let Some(guard) = &mut self.guard
            && self.store.anchor() != before
        {
            guard.untold = guard.untold.saturating_add(1);
            if guard.untold >= COMMITS_PER_ANCHOR || guard.told_at.elapsed() >= ANCHOR_AGE {
                // The state is stored: a keeper that cannot follow is told again with the next commit.
                let _ = self.anchor();
            }
        }
        Ok(())
    }

    fn anchor(&mut self) -> Result<(), PersistError> {
        let Some(guard) = &mut self.guard else { return Ok(()) };
        if guard.untold == 0 {
            return Ok(());
        }
        guard.keeper.keep(&self.store).map_err(|error| {
            PersistError::new(format!(
                "the newest state of the TPM's store could not be remembered ({error}), so a rollback to the one before \
                 would not be noticed; check the disk of the system keychain"
            ))
        })?;
        (guard.untold, guard.told_at) = (0, Instant::now());
        Ok(())
    }

    fn volatile(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, PersistError> {
        read_volatile(&self.dir, &self.volatile_name, &self.keys)
    }

    fn keep_volatile(&mut self, volatile: &[u8]) -> Result<(), PersistError> {
        let packed =
            blob::pack(BlobKind::Volatile, volatile, &self.keys, false).map_err(PersistError::new)?;
        match self.dir.write_over(&self.volatile_name, 0o600, &packed) {
            Ok(_file) => Ok(()),
            Err(PublishError::Exists) => Err(PersistError::new("its name is taken")),
            Err(PublishError::Refused(error) | PublishError::Unsure(error)) => Err(PersistError::new(error)),
        }
    }

    fn forget_volatile(&mut self) -> Result<(), PersistError> {
        if self.dir.identity(&self.volatile_name).map_err(PersistError::new)?.is_none() {
            return Ok(());
        }
        self.dir.remove(&self.volatile_name).map_err(PersistError::new)?;
        self.dir.sync().map_err(PersistError::new)
    }
}

/// State kept in memory only, for tests and for TPMs that are meant to be forgotten.
#[derive(Clone, Debug, Default)]
pub struct MemoryPersist {
    shared: std::sync::Arc<std::sync::Mutex<MemoryState>>,
}

/// What a [`MemoryPersist`] holds.
#[derive(Debug, Default)]
pub struct MemoryState {
    /// The permanent state; empty where there was none.
    pub permanent: Zeroizing<Vec<u8>>,
    /// The volatile state.
    pub volatile: Option<Zeroizing<Vec<u8>>>,
    /// Commits so far.
    pub commits: u64,
    /// Every write fails.
    pub broken: bool,
}

impl MemoryPersist {
    /// What it holds. Another holder sees the same.
    pub fn state(&self) -> std::sync::MutexGuard<'_, MemoryState> {
        self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Persist for MemoryPersist {
    fn take(&mut self) -> Zeroizing<Vec<u8>> {
        self.state().permanent.clone()
    }

    fn commit(&mut self, permanent: &[u8]) -> Result<(), PersistError> {
        let mut state = self.state();
        if state.broken {
            return Err(PersistError::new("this memory was told to fail"));
        }
        state.permanent = Zeroizing::new(permanent.to_vec());
        state.commits = state.commits.saturating_add(1);
        Ok(())
    }

    fn volatile(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, PersistError> {
        Ok(self.state().volatile.clone())
    }

    fn keep_volatile(&mut self, volatile: &[u8]) -> Result<(), PersistError> {
        let mut state = self.state();
        if state.broken {
            return Err(PersistError::new("this memory was told to fail"));
        }
        state.volatile = Some(Zeroizing::new(volatile.to_vec()));
        Ok(())
    }

    fn forget_volatile(&mut self) -> Result<(), PersistError> {
        self.state().volatile = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigillo_store::Secret;
    use std::path::Path;

    fn open(path: &Path, key: Option<KeyMaterial>) -> Result<StorePersist, PersistError> {
        StorePersist::open(&Dir::open(path).unwrap(), OsStr::new("tpm"), key, Missing::Create([1; 16]))
    }

    #[test]
    fn a_passphrase_opens_what_it_made_and_another_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let words = |text: &[u8]| Some(KeyMaterial::Passphrase(Secret::from_slice(text)));
        open(dir.path(), words(b"open sesame")).unwrap().commit(b"state").unwrap();
        assert_eq!(**open(dir.path(), words(b"open sesame")).unwrap().take(), *b"state");
        assert!(open(dir.path(), words(b"open barley")).is_err());
        assert!(open(dir.path(), None).is_err());
    }

    #[test]
    fn volatile_state_is_sealed_with_the_store_and_forgotten_on_demand() {
        let dir = tempfile::tempdir().unwrap();
        let key = || Some(KeyMaterial::Random(Secret::from_slice(&[9; 16])));
        let mut persist = open(dir.path(), key()).unwrap();
        assert!(persist.volatile().unwrap().is_none());
        persist.keep_volatile(b"volatile secret").unwrap();
        let file = std::fs::read(dir.path().join("tpm.volatile")).unwrap();
        assert!(!file.windows(8).any(|window| window == b"volatile"));
        drop(persist);
        let mut persist = open(dir.path(), key()).unwrap();
        assert_eq!(**persist.volatile().unwrap().unwrap(), *b"volatile secret");
        persist.forget_volatile().unwrap();
        assert!(persist.volatile().unwrap().is_none());
    }

    #[derive(Debug)]
    struct Keeper(std::sync::Arc<std::sync::Mutex<Vec<u64>>>);

    impl AnchorKeeper for Keeper {
        fn keep(&mut self, store: &Store) -> std::io::Result<()> {
            self.0.lock().unwrap().push(store.anchor().generation);
            Ok(())
        }
    }

    #[test]
    fn the_keeper_of_anchors_is_told_at_once_when_asked_and_else_in_batches() {
        let dir = tempfile::tempdir().unwrap();
        let told = std::sync::Arc::default();
        let mut persist = open(dir.path(), None).unwrap();
        persist.guard(Box::new(Keeper(std::sync::Arc::clone(&told)))).unwrap();
        persist.commit(b"a").unwrap();
        assert_eq!(*told.lock().unwrap(), [1]);
        persist.anchor().unwrap();
        persist.anchor().unwrap();
        assert_eq!(*told.lock().unwrap(), [1, 2]);
        for number in 0..COMMITS_PER_ANCHOR {
            persist.commit(&number.to_le_bytes()).unwrap();
            // The same state is no commit.
            persist.commit(&number.to_le_bytes()).unwrap();
        }
        let told = told.lock().unwrap();
        assert_eq!(told.last(), Some(&(2 + u64::from(COMMITS_PER_ANCHOR))));
    }

    #[test]
    fn a_link_in_place_of_the_volatile_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let mut persist = open(dir.path(), None).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("tpm.volatile")).unwrap();
        assert!(persist.volatile().is_err());
    }
}
