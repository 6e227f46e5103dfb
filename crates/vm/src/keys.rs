//! The ways into the store of a VM's TPM, and the record in the keychain that has to go with them.
//!
//! Every change goes in steps of which each leaves the record opening the store, or, where there is no record, the recovery
//! code or passphrase that was given.
use crate::{
    bundle::{Bundle, Lock},
    crash,
    error::Error,
    guard::{note_moved_on, refusal},
    host::{Event, Host},
    life::LifeError,
    tpm::new_record,
};
use sigillo_keychain::{
    Keychain, KeychainError, Record, RecordName,
    anchor::{AnchorFile, Seen, Verdict},
    audit::{Act, AuditError, AuditLog},
};
use sigillo_messages::{text, words};
use sigillo_store::{
    Algorithm, CommitError, EntropyError, Key, KeyId, KeyKind, OpenError, RecoveryCode, Secret, SlotInfo,
    Store, StoreInfo,
};
use std::path::PathBuf;

/// A failure of a command on keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The VM is not in a state for it, or has no TPM.
    #[error(transparent)]
    Vm(#[from] Error),
    /// The store is for another VM.
    #[error("{}", text!("keys-foreign", store = store.display(), ?name))]
    Foreign {
        /// The VM.
        name: String,
        /// The file.
        store: PathBuf,
    },
    /// The record is not there.
    #[error("{}", text!("keys-record-missing", ?name, ?record))]
    RecordMissing {
        /// The VM.
        name: String,
        /// The record.
        record: String,
    },
    /// The record is for another store.
    #[error("{}", text!("keys-record-other", ?name, ?record, key_id))]
    RecordOther {
        /// The VM.
        name: String,
        /// The record.
        record: String,
        /// Its key id.
        key_id: KeyId,
    },
    /// There is nothing to restore.
    #[error("{}", text!("keys-record-there", ?record, ?name))]
    RecordThere {
        /// The VM.
        name: String,
        /// The record.
        record: String,
    },
    /// The TPM lies suspended beside its store, sealed under the password.
    #[error("{}", text!("keys-suspended", ?name, file = file.display()))]
    Suspended {
        /// The VM.
        name: String,
        /// The file beside the store.
        file: PathBuf,
    },
    /// The store is not the newest state that this host has seen, or that cannot be told.
    #[error("{}", text!("keys-not-newest", ?name))]
    NotNewest {
        /// The VM.
        name: String,
        /// What a start would be refused with.
        why: Box<Error>,
    },
    /// The key is the one that VM starts need.
    #[error("{}", text!("keys-in-use", key_id, ?name))]
    InUse {
        /// The VM.
        name: String,
        /// The key.
        key_id: KeyId,
    },
    /// The store does not open.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The store was not changed.
    #[error("{0}")]
    Store(#[from] CommitError),
    /// The keychain refused.
    #[error("{0}")]
    Keychain(#[from] KeychainError),
    /// The act could not be logged, and was not done.
    #[error("{0}")]
    Audit(#[from] AuditError),
    /// No random bytes.
    #[error("{0}")]
    Entropy(#[from] EntropyError),
}

impl KeysError {
    /// The stable name of this kind of failure, as in `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Vm(error) => error.code(),
            Self::Foreign { .. } => "SIG_ERR_TPM_STORE",
            Self::RecordMissing { .. } => "SIG_ERR_TPM_RECORD_MISSING",
            Self::RecordOther { .. } => "SIG_ERR_TPM_RECORD_OTHER",
            Self::RecordThere { .. } => "SIG_ERR_TPM_RECORD_THERE",
            Self::Suspended { .. } => "SIG_ERR_TPM_SUSPENDED",
            Self::NotNewest { why, .. } => why.code(),
            Self::InUse { .. } => "SIG_ERR_TPM_KEY_IN_USE",
            Self::Open(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Keychain(error) => error.code(),
            Self::Audit(error) => error.code(),
            Self::Entropy(error) => error.code(),
        }
    }
}

type Result<T> = std::result::Result<T, KeysError>;

/// The keychain's side of a VM's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// The record names a key of the store.
    Opens(KeyId),
    /// The record is the key of another store.
    Other(KeyId),
    /// There is none on this host.
    Missing,
}

/// What is known of a VM's keys without using one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyList {
    /// How the store is sealed.
    pub algorithm: Algorithm,
    /// The record's name.
    pub record_name: String,
    /// The record.
    pub record: RecordState,
    /// The store's keys, in the order of the file.
    pub slots: Vec<SlotInfo>,
}

impl KeyList {
    /// Passwords that no record of this host has beside the one that its record has: what an interrupted rotation or
    /// restoring left. The next rotation removes them.
    #[must_use]
    pub fn leftovers(&self) -> Vec<KeyId> {
        match self.record {
            RecordState::Opens(key_id) => passwords_but(&self.slots, key_id),
            RecordState::Other(_) | RecordState::Missing => Vec::new(),
        }
    }
}

fn passwords_but(slots: &[SlotInfo], record: KeyId) -> Vec<KeyId> {
    let others = slots.iter().filter(|slot| slot.kind == KeyKind::Password);
    others.filter_map(|slot| slot.key_id).filter(|key_id| *key_id != record).collect()
}

/// Lists the keys of a VM's TPM. The VM may run.
///
/// # Errors
/// See [`KeysError`].
pub fn list_keys(vm: &Bundle, keychain: &dyn Keychain) -> Result<KeyList> {
    let info = peek(vm)?;
    let name = record_name(vm);
    let found = keychain.list()?.into_iter().find(|record| record.name == name);
    let record = match found {
        Some(record) if info.key_ids.contains(&record.key_id) => RecordState::Opens(record.key_id),
        Some(record) => RecordState::Other(record.key_id),
        None => RecordState::Missing,
    };
    Ok(KeyList { algorithm: info.algorithm, record_name: name.to_string(), record, slots: info.slots })
}

/// Adds a way into the store of a VM that is off; its name.
///
/// # Errors
/// See [`KeysError`]. Whatever fails, the keys that were there open the store.
pub fn add_key(vm: &Bundle, keychain: &dyn Keychain, audit: &AuditLog, key: &Key) -> Result<KeyId> {
    let mut opened = Opened::with_record(vm, keychain)?;
    let key_id = KeyId::random()?;
    audit.record(Act::KeyAdded, &opened.subject(), &format!("key {key_id}"))?;
    opened.store.add_key(key, key_id)?;
    Ok(key_id)
}

/// Removes a way into the store of a VM that is off; never the last one, nor the one the record needs.
///
/// # Errors
/// See [`KeysError`].
pub fn remove_key(vm: &Bundle, keychain: &dyn Keychain, audit: &AuditLog, key_id: KeyId) -> Result<()> {
    let mut opened = Opened::with_record(vm, keychain)?;
    if opened.record.key_id == key_id {
        return Err(KeysError::InUse { name: vm.name().to_owned(), key_id });
    }
    audit.record(Act::KeyRemoved, &opened.subject(), &format!("key {key_id}"))?;
    Ok(opened.store.remove_key(key_id)?)
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The record's name.
    pub record: String,
    /// The password that holds no more.
    pub old: KeyId,
    /// The one that holds.
    pub new: KeyId,
    /// Passwords that an interrupted rotation had left, and that are gone now.
    pub leftovers: Vec<KeyId>,
}

/// Gives the store of a VM that is off a new password, and its record with it. In constant time: the state is not sealed
/// again. At any moment the record that the keychain holds opens the store.
///
/// # Errors
/// See [`KeysError`]. Interrupted, the next rotation clears up.
pub fn rotate(vm: &Bundle, keychain: &dyn Keychain, audit: &AuditLog) -> Result<Rotated> {
    let mut opened = Opened::with_record(vm, keychain)?;
    opened.require_awake()?;
    let leftovers = opened.remove_leftovers(audit)?;
    let old = opened.record.key_id;
    let new = Record { comment: opened.record.comment.clone(), ..new_record(vm)? };
    audit.record(Act::PasswordRotated, &opened.subject(), &format!("key {old} to {}", new.key_id))?;
    opened.store.add_key(&Key::Password(new.secret.clone()), new.key_id)?;
    put(&mut opened.store, new.key_id, || keychain.replace(old, &new))?;
    opened.store.remove_key(old)?;
    Ok(Rotated { record: new.name.to_string(), old, new: new.key_id, leftovers })
}

/// How a store is encrypted anew.
#[derive(Clone, Debug)]
pub struct Reencrypt {
    /// The algorithm; `None` keeps it.
    pub algorithm: Option<Algorithm>,
    /// A recovery code for the new file.
    pub recovery_code: Option<RecoveryCode>,
    /// A passphrase for the new file.
    pub passphrase: Option<Secret>,
}

/// What encrypting anew did.
#[derive(Debug)]
pub struct Reencrypted {
    /// How the store is sealed now.
    pub algorithm: Algorithm,
    /// The recovery code's name.
    pub recovery_code: Option<KeyId>,
    /// The passphrase's name.
    pub passphrase: Option<KeyId>,
    /// What the rotation did that followed, or why the record has its password still: the store is sealed anew all the same.
    pub rotated: Result<Rotated>,
    /// What the person should know besides.
    pub events: Vec<Event>,
}

/// Seals the store of a VM that is off under a new data key, and rotates its password after that. Only the record's password
/// and the keys given open the new file. From then on the host takes that for the newest state, so that a copy under the old keys is
/// one that was rolled back; a store that is not the newest itself is left alone.
///
/// # Errors
/// See [`KeysError`]. Interrupted, the store is the old or the new one, and the record opens it.
pub fn reencrypt(vm: &Bundle, host: &Host<'_>, options: Reencrypt) -> Result<Reencrypted> {
    let Host { keychain, audit, .. } = *host;
    let mut opened = Opened::with_record(vm, keychain)?;
    opened.require_awake()?;
    if vm.is_suspended() {
        // What is saved of the TPM is sealed under the data key that would be gone.
        let action = words!("doing-reencrypt");
        return Err(Error::from(LifeError::Suspended { name: vm.name().to_owned(), action }).into());
    }
    let mut anchor = Anchor::of(vm, host, &opened.store)?;
    let algorithm = options.algorithm.unwrap_or(opened.store.info().algorithm);
    // Under the password that the record holds: a new one would have to change in two places at one moment.
    let mut keys = vec![(Key::Password(opened.record.secret.clone()), opened.record.key_id)];
    let mut further = |key: Option<Key>| -> Result<Option<KeyId>> {
        let Some(key) = key else { return Ok(None) };
        let key_id = KeyId::random()?;
        keys.push((key, key_id));
        Ok(Some(key_id))
    };
    let recovery_code = further(options.recovery_code.map(Key::RecoveryCode))?;
    let passphrase = further(options.passphrase.map(Key::Passphrase))?;
    let detail =
        format!("a new data key, {algorithm}; other keys than key {} are gone", opened.record.key_id);
    audit.record(Act::PasswordRotated, &opened.subject(), &detail)?;
    let mut events = anchor.note(vm, audit)?;
    opened.store.reencrypt(algorithm, &keys)?;
    crash::point();
    events.extend(anchor.tell(vm, &opened.store));
    drop((opened, anchor));
    let rotated = rotate(vm, keychain, audit);
    Ok(Reencrypted { algorithm, recovery_code, passphrase, rotated, events })
}

/// The anchor of an open store that is the newest state seen, locked: no copy of the store runs meanwhile.
struct Anchor {
    file: AnchorFile,
    verdict: Verdict,
}

impl Anchor {
    fn of(vm: &Bundle, host: &Host<'_>, store: &Store) -> Result<Self> {
        let judged = host.anchors.judge(vm.config().uuid.as_bytes(), store);
        let (file, verdict) = judged.map_err(Error::from)?;
        if verdict.is_in_order() {
            return Ok(Self { file, verdict });
        }
        let (why, _) = refusal(vm, verdict);
        Err(KeysError::NotNewest { name: vm.name().to_owned(), why: Box::new(why) })
    }

    /// Once the new state is the newest, no start would tell that the one before it was written elsewhere.
    fn note(&self, vm: &Bundle, audit: &AuditLog) -> Result<Vec<Event>> {
        let Verdict::MovedOn { by } = self.verdict else { return Ok(Vec::new()) };
        note_moved_on(vm, audit, by)?;
        Ok(vec![Event::MovedOn { vm: vm.name().to_owned(), by }])
    }

    /// Remembers what the store is now. A failure undoes nothing: one commit behind is where a crash leaves an anchor as well.
    fn tell(&mut self, vm: &Bundle, store: &Store) -> Option<Event> {
        let why = self.file.write(&Seen::of(store)).err()?.to_string();
        Some(Event::NotRemembered { vm: vm.name().to_owned(), why })
    }
}

/// What restoring a record did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The record's name.
    pub record: String,
    /// Its key id.
    pub key_id: KeyId,
    /// The TPM was suspended under the password that is lost: it goes on as after a loss of power.
    pub suspended: bool,
}

/// Makes a new password and record for a VM that is off, whose record is lost. `key` is a recovery code or a passphrase of the
/// store. A record of the VM that is for another store is replaced only if `replace` says so.
///
/// # Errors
/// See [`KeysError`]. Interrupted, the store has a password that no record has; trying again is safe.
pub fn restore_record(
    vm: &Bundle,
    keychain: &dyn Keychain,
    audit: &AuditLog,
    key: &Key,
    replace: bool,
) -> Result<Restored> {
    let lock = vm.lock()?;
    vm.require_ended(words!("doing-new-record"))?;
    let info = peek(vm)?;
    let name = record_name(vm);
    let there = match keychain.get(&name) {
        Ok(record) if !replace && info.key_ids.contains(&record.key_id) => {
            return Err(KeysError::RecordThere { name: vm.name().to_owned(), record: name.to_string() });
        }
        Ok(record) if !replace => return Err(other(vm, &record)),
        Ok(record) => Some(record.key_id),
        Err(KeychainError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let mut store = Store::open(&path(vm)?, key)?;
    let record = new_record(vm)?;
    let detail = format!("key {}, with the {}", record.key_id, kind_of(&store));
    let act = if there.is_some() { Act::RecordReplaced } else { Act::RecordAdded };
    audit.record(act, &name.to_string(), &detail)?;
    store.add_key(&Key::Password(record.secret.clone()), record.key_id)?;
    put(&mut store, record.key_id, || match there {
        Some(key_id) => keychain.replace(key_id, &record),
        None => keychain.insert_new(&record),
    })?;
    drop(lock);
    Ok(Restored { record: name.to_string(), key_id: record.key_id, suspended: suspended(vm)?.is_some() })
}

fn kind_of(store: &Store) -> String {
    let opened_with = store.opened_with();
    let slot = store.info().slots.into_iter().find(|slot| slot.key_id == opened_with);
    slot.map_or_else(|| "key".to_owned(), |slot| slot.kind.to_string())
}

/// Puts a record whose password is in the store already into the keychain. Where the keychain surely did not take it, the
/// password leaves the store again; where that is not sure, it stays, and the next rotation clears up.
fn put(
    store: &mut Store,
    key_id: KeyId,
    put: impl FnOnce() -> std::result::Result<(), KeychainError>,
) -> Result<()> {
    match put() {
        Ok(()) => Ok(()),
        Err(error @ KeychainError::Unsure { .. }) => Err(error.into()),
        Err(error) => {
            // The keychain's refusal is what to report; a password that stays is harmless, and `key list` shows it.
            let _ = store.remove_key(key_id);
            Err(error.into())
        }
    }
}

/// The store of a VM that is off, opened with its record.
struct Opened<'a> {
    vm: &'a Bundle,
    store: Store,
    record: Record,
    // Last: the VM is free only when the store is closed.
    _lock: Lock,
}

impl<'a> Opened<'a> {
    fn with_record(vm: &'a Bundle, keychain: &dyn Keychain) -> Result<Self> {
        let lock = vm.lock()?;
        vm.require_ended(words!("doing-keys"))?;
        let info = peek(vm)?;
        let name = record_name(vm);
        let record = keychain.get(&name).map_err(|error| match error {
            KeychainError::NotFound(_) => {
                KeysError::RecordMissing { name: vm.name().to_owned(), record: name.to_string() }
            }
            error => error.into(),
        })?;
        if !info.is_unencrypted() && !info.key_ids.contains(&record.key_id) {
            return Err(other(vm, &record));
        }
        let store = Store::open(&path(vm)?, &Key::Password(record.secret.clone()))?;
        Ok(Opened { vm, store, record, _lock: lock })
    }

    /// What the audit log calls it.
    fn subject(&self) -> String {
        self.record.name.to_string()
    }

    /// A suspended TPM is sealed under the password, so that password has to stay.
    fn require_awake(&self) -> Result<()> {
        match suspended(self.vm)? {
            None => Ok(()),
            Some(file) => Err(KeysError::Suspended { name: self.vm.name().to_owned(), file }),
        }
    }

    fn remove_leftovers(&mut self, audit: &AuditLog) -> Result<Vec<KeyId>> {
        let leftovers = passwords_but(&self.store.info().slots, self.record.key_id);
        for key_id in &leftovers {
            audit.record(
                Act::KeyRemoved,
                &self.subject(),
                &format!("key {key_id}, left by an interrupted change"),
            )?;
            self.store.remove_key(*key_id)?;
        }
        Ok(leftovers)
    }
}

fn other(vm: &Bundle, record: &Record) -> KeysError {
    KeysError::RecordOther {
        name: vm.name().to_owned(),
        record: record.name.to_string(),
        key_id: record.key_id,
    }
}

fn record_name(vm: &Bundle) -> RecordName {
    RecordName::for_vm(vm.config().uuid.as_bytes())
}

fn path(vm: &Bundle) -> Result<PathBuf> {
    vm.store_path().ok_or_else(|| Error::NoTpm { name: vm.name().to_owned() }.into())
}

/// What the store's header says, which has to be for this VM.
fn peek(vm: &Bundle) -> Result<StoreInfo> {
    let store = path(vm)?;
    let info = Store::peek(&store)?;
    if info.is_for_vm(vm.config().uuid.as_bytes()) {
        Ok(info)
    } else {
        Err(KeysError::Foreign { name: vm.name().to_owned(), store })
    }
}

/// The file that a suspended TPM lies in beside its store.
fn suspended(vm: &Bundle) -> Result<Option<PathBuf>> {
    let file = crate::backup::volatile(&path(vm)?);
    Ok(file.symlink_metadata().is_ok().then_some(file))
}
