//! The custom keychain: a KeePass file (KDBX 4) under a password that a person knows, to carry records between hosts. People
//! open the same file with KeePassXC.

mod entries;
#[doc(hidden)]
pub mod guard;

use sigillo_messages::{Words, text, words};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;

use base64ct::{Base64, Encoding};
use keepass::config::{DatabaseConfig, DatabaseVersion, InnerCipherConfig, KdfConfig};
use keepass::db::EntryId;
use keepass::error::{DatabaseKeyError, DatabaseOpenError};
use keepass::{Database, DatabaseKey};
use sigillo_store::files::{self, Dir, FileError, PublishError};
use sigillo_store::{KeyId, Secret};
use zeroize::Zeroizing;

use crate::lock::wait_for_lock;
use crate::memory;
use crate::record::{Record, RecordInfo, RecordName};
use crate::{Keychain, KeychainError};
use guard::{GuardError, MAX_FILE_LEN, Outline, Version};

/// Longer than any sane file nests; an endless nesting ends this thread's stack, not the caller's.
const STACK: usize = 64 * 1024 * 1024;
const MAX_PASSWORD_LEN: usize = 1024;

/// What it costs to try a password on a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Argon2id's memory in MiB.
    pub memory_mib: u32,
    /// Its passes.
    pub passes: u32,
    /// Its lanes.
    pub lanes: u32,
}

impl Default for Cost {
    /// RFC 9106's second choice: 64 MiB, 3 passes, 4 lanes.
    fn default() -> Self {
        Cost { memory_mib: 64, passes: 3, lanes: 4 }
    }
}

impl Cost {
    fn config(self) -> KdfConfig {
        KdfConfig::Argon2id {
            iterations: self.passes.into(),
            memory: u64::from(self.memory_mib) << 20,
            parallelism: self.lanes,
            version: Default::default(),
        }
    }
}

/// A KeePass file and its password.
pub struct CustomKeychain {
    path: PathBuf,
    password: Secret,
}

/// What there is to say about a file whose password was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomStatus {
    /// Its format and what its password costs to try.
    pub outline: Outline,
    /// Records in it.
    pub records: usize,
    /// Entries that are something else.
    pub other_entries: usize,
}

struct Opened {
    database: Database,
    outline: Outline,
    records: BTreeMap<RecordName, (EntryId, Record)>,
}

impl CustomKeychain {
    /// A new file, mode 0600. Durable on return.
    ///
    /// # Errors
    /// [`KeychainError::FileExists`] if there is one of this name, which is left alone; [`KeychainError::BadPassword`].
    pub fn create(path: &Path, password: Secret, cost: Cost) -> Result<Self, KeychainError> {
        let keychain = Self::of(path, password)?;
        let mut config = DatabaseConfig::default();
        config.kdf_config = cost.config();
        let mut database = Database::with_config(config);
        database.meta.generator = Some("sigillo".to_owned());
        database.meta.database_name = Some("sigillo".to_owned());
        database.root_mut().name = "sigillo".to_owned();
        let bytes = keychain.seal(&database)?;
        let (dir, name) = keychain.place()?;
        let temporary = files::temporary_name(&name).map_err(|error| keychain.io(error))?;
        dir.stage(temporary, 0o600, &bytes)
            .map_err(|error| keychain.io(error))?
            .publish_new(&name)
            .map_err(|error| keychain.publish_error(error))?;
        Ok(keychain)
    }

    /// An existing file; nothing is read yet.
    ///
    /// # Errors
    /// [`KeychainError::BadPassword`] if no file can have this password.
    pub fn of(path: &Path, password: Secret) -> Result<Self, KeychainError> {
        if password.is_empty() {
            return Err(KeychainError::BadPassword(words!("file-empty")));
        }
        if password.len() > MAX_PASSWORD_LEN {
            return Err(KeychainError::BadPassword(words!("password-too-long")));
        }
        if core::str::from_utf8(password.expose()).is_err() {
            return Err(KeychainError::BadPassword(words!("password-not-text")));
        }
        Ok(CustomKeychain { path: path.to_owned(), password })
    }

    /// Opens the file, which proves the password.
    ///
    /// # Errors
    /// See [`KeychainError`].
    pub fn unlock(&self) -> Result<CustomStatus, KeychainError> {
        let (opened, _) = self.open()?;
        let other_entries = opened.database.num_entries().saturating_sub(opened.records.len());
        Ok(CustomStatus { outline: opened.outline, records: opened.records.len(), other_entries })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn io(&self, source: io::Error) -> KeychainError {
        KeychainError::Io { path: self.path.clone(), source }
    }

    fn damaged(&self, what: Words) -> KeychainError {
        KeychainError::Damaged { path: self.path.clone(), what }
    }

    fn publish_error(&self, error: PublishError) -> KeychainError {
        match error {
            PublishError::Exists => KeychainError::FileExists(self.path.clone()),
            PublishError::Refused(source) => self.io(source),
            PublishError::Unsure(source) => KeychainError::Unsure { path: self.path.clone(), source },
        }
    }

    fn place(&self) -> Result<(Dir, OsString), KeychainError> {
        let place = Dir::of(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => KeychainError::NoFile(self.path.clone()),
            _ => self.io(error),
        })?;
        place.ok_or_else(|| KeychainError::NoFile(self.path.clone()))
    }

    fn read(&self) -> Result<(Vec<u8>, File), KeychainError> {
        let (dir, name) = self.place()?;
        let file = dir.open_file(&name, false).map_err(|error| match error {
            FileError::NotFound => KeychainError::NoFile(self.path.clone()),
            FileError::Unsafe(why) => KeychainError::UnsafeFile { path: self.path.clone(), why },
            FileError::Io(source) => self.io(source),
        })?;
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_FILE_LEN).unwrap_or(u64::MAX).saturating_add(1);
        (&file).take(limit).read_to_end(&mut bytes).map_err(|error| self.io(error))?;
        Ok((bytes, file))
    }

    fn key(&self) -> DatabaseKey {
        // Checked to be UTF-8 when the password came.
        DatabaseKey::new().with_password(core::str::from_utf8(self.password.expose()).unwrap_or_default())
    }

    fn open(&self) -> Result<(Opened, File), KeychainError> {
        let (bytes, file) = self.read()?;
        let outline = guard::check(&bytes).map_err(|error| {
            let path = self.path.clone();
            match error {
                GuardError::NotADatabase => KeychainError::NotAKeychain(path),
                GuardError::Unsupported(what) => KeychainError::Unsupported { path, what },
                GuardError::Damaged(what) => KeychainError::Damaged { path, what },
                GuardError::TooCostly(what) => KeychainError::TooCostly { path, what },
            }
        })?;
        let crashed = || self.damaged(words!("inside-no-sense"));
        let database = aside(|| self.parse(&bytes, outline)).ok_or_else(crashed)??;
        let records = entries::records(&database).map_err(|what| self.damaged(what))?;
        Ok((Opened { database, outline, records }, file))
    }

    fn parse(&self, bytes: &[u8], outline: Outline) -> Result<Database, KeychainError> {
        let told = |error: DatabaseOpenError| match error {
            DatabaseOpenError::Key(DatabaseKeyError::IncorrectKey) => {
                KeychainError::WrongPassword(self.path.clone())
            }
            // Of the old format a wrong password is seen by the padding of what it decrypts.
            DatabaseOpenError::Cryptography(_) if outline.version == Version::Kdbx3 => {
                KeychainError::WrongPassword(self.path.clone())
            }
            _ => self.damaged(words!("inside-unverified")),
        };
        if outline.version == Version::Kdbx3 {
            // Nothing else authenticates the old format's header, and the crate does not look at this.
            let xml = Database::get_xml(&mut &*bytes, self.key()).map(Zeroizing::new).map_err(told)?;
            let header = bytes.get(..outline.header_len).unwrap_or_default();
            if !has_header_hash(&xml, header) {
                return Err(self.damaged(words!("kdbx-other-header")));
            }
        }
        Database::parse(bytes, self.key()).map_err(told)
    }

    fn seal(&self, database: &Database) -> Result<Vec<u8>, KeychainError> {
        let key = self.key();
        let sealed = aside(|| {
            let mut bytes = Vec::new();
            database.save(&mut bytes, key).map(|()| bytes).map_err(io::Error::other)
        });
        let bytes = match sealed {
            Some(sealed) => sealed.map_err(|error| self.io(error))?,
            None => return Err(self.io(io::Error::other(text!("kdbx-not-put-together")))),
        };
        // What is written has to open again.
        if bytes.len() > MAX_FILE_LEN {
            return Err(KeychainError::Full(self.path.clone()));
        }
        guard::check(&bytes).map_err(|error| self.io(io::Error::other(format!("{error:?}"))))?;
        Ok(bytes)
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Opened) -> Result<(), KeychainError>,
    ) -> Result<(), KeychainError> {
        let (dir, name) = self.place()?;
        hold(&dir, &self.path)?;
        let (mut opened, old) = self.open()?;
        change(&mut opened)?;
        let config = &mut opened.database.config;
        if config.version != DatabaseVersion::KDB4(1) {
            config.version = DatabaseVersion::KDB4(1);
        }
        if opened.outline.version == Version::Kdbx3 {
            // The old format's derivation and stream cipher are why there is a new one.
            config.kdf_config = Cost::default().config();
            config.inner_cipher_config = InnerCipherConfig::ChaCha20;
        }
        let bytes = self.seal(&opened.database)?;
        let temporary = files::temporary_name(&name).map_err(|error| self.io(error))?;
        let staged = dir.stage(temporary, 0o600, &bytes).map_err(|error| self.io(error))?;
        if let Some(new) = staged.file() {
            files::copy_owner(&old, new).map_err(|error| self.io(error))?;
        }
        staged.publish_over(&name).map(drop).map_err(|error| self.publish_error(error))
    }
}

/// Locks a directory for as long as its handle is open: the keychain in it is replaced by every change, and a lock would stay with the
/// old one.
pub(crate) fn hold(dir: &Dir, keychain: &Path) -> Result<(), KeychainError> {
    let io = |source| KeychainError::Io { path: keychain.to_owned(), source };
    if wait_for_lock(dir).map_err(io)? { Ok(()) } else { Err(KeychainError::Busy(keychain.to_owned())) }
}

/// Runs the crate's code on a thread of its own, with room for its recursion: `None` if it panicked.
fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("keepass".to_owned()).stack_size(STACK);
        thread.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

/// Whether the document inside an old file carries this header's hash.
fn has_header_hash(xml: &[u8], header: &[u8]) -> bool {
    const BEGIN: &[u8] = b"<HeaderHash>";
    const END: &[u8] = b"</HeaderHash>";
    let find = |text: &[u8], what: &[u8]| text.windows(what.len()).position(|window| window == what);
    let Some(after) = find(xml, BEGIN).and_then(|at| xml.get(at + BEGIN.len()..)) else { return false };
    let Some(text) = find(after, END).and_then(|at| after.get(..at)) else { return false };
    Base64::encode_string(&sigillo_store::seal::sha256(&[header])).as_bytes() == text
}

impl Keychain for CustomKeychain {
    fn insert_new(&self, record: &Record) -> Result<(), KeychainError> {
        record.validate()?;
        self.change(|opened| {
            memory::require_new(opened.records.get(&record.name).map(|(_, there)| there))?;
            entries::insert(&mut opened.database, record);
            Ok(())
        })
    }

    fn get(&self, name: &RecordName) -> Result<Record, KeychainError> {
        let (mut opened, _) = self.open()?;
        opened.records.remove(name).map(|(_, record)| record).ok_or(KeychainError::NotFound(*name))
    }

    fn list(&self) -> Result<Vec<RecordInfo>, KeychainError> {
        Ok(self.open()?.0.records.values().map(|(_, record)| record.info()).collect())
    }

    fn replace(&self, expect: KeyId, record: &Record) -> Result<(), KeychainError> {
        record.validate()?;
        self.change(|opened| {
            let (id, there) = opened.records.get(&record.name).ok_or(KeychainError::NotFound(record.name))?;
            memory::require_expected(&there.info(), expect)?;
            entries::replace(&mut opened.database, *id, record);
            Ok(())
        })
    }

    fn delete(&self, name: &RecordName, expect: KeyId) -> Result<(), KeychainError> {
        self.change(|opened| {
            let (id, there) = opened.records.get(name).ok_or(KeychainError::NotFound(*name))?;
            memory::require_expected(&there.info(), expect)?;
            entries::delete(&mut opened.database, *id);
            Ok(())
        })
    }
}
