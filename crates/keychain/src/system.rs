//! The system keychain: one sealed file in a directory that only its owner can enter.

use sigillo_messages::{text, words};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sigillo_store::files::{self, Dir, FileError, PublishError};
use sigillo_store::{KeyId, Secret};

use crate::format::{self, FileHeader, FormatError, MAX_FILE_LEN};
use crate::lock::wait_for_lock;
use crate::memory;
use crate::provider::{
    KeyFile, KeyProvider, ProviderError, ProviderKind, SystemdCredential, require_private,
};
use crate::record::{Record, RecordInfo, RecordName};
use crate::{Keychain, KeychainError};

const FILE: &str = "system.keychain";
const LOCK: &str = "system.keychain.lock";
/// While a file of this name is there, the keychain is locked.
const LOCKED: &str = "system.keychain.locked";
const KEY: &str = "host.key";
const DIR_VARIABLE: &str = "SIGILLO_KEYCHAIN_DIR";

/// The sealed file, by default `/var/lib/sigillo/keychain/system.keychain`, and the providers of its key.
pub struct SystemKeychain {
    dir: PathBuf,
    providers: Vec<Box<dyn KeyProvider>>,
    on_request: Vec<ProviderKind>,
}

/// What there is to say about a system keychain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemStatus {
    /// The file.
    pub path: PathBuf,
    /// Where its key comes from; `None` while there is no file.
    pub provider: Option<ProviderKind>,
    /// How often it was written.
    pub revision: u64,
    /// Whether it gives no password out and takes no change until it is unlocked.
    pub locked: bool,
}

/// What [`SystemKeychain::set_provider`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderChange {
    /// Which provider had the key before; `None` if there was no keychain yet.
    pub before: Option<ProviderKind>,
    /// Why the key it had is still on the disk, if it is.
    pub left_behind: Option<String>,
}

/// One way to keep the keychain's key, as it stands on this host.
#[derive(Debug)]
pub struct ProviderStatus {
    /// Which.
    pub kind: ProviderKind,
    /// Whether it has the key of the keychain that is there.
    pub in_use: bool,
    /// What it would do here, or why it does not work.
    pub state: Result<String, ProviderError>,
}

type Records = BTreeMap<RecordName, Record>;

struct Opened {
    header: FileHeader,
    host_key: Secret,
    records: Records,
}

impl SystemKeychain {
    /// Where the keychain of a host lies.
    pub const SYSTEM_DIR: &str = "/var/lib/sigillo/keychain";

    /// The keychain in this directory, which is made on the first insertion. Its key comes from the systemd credential
    /// `sigillo-keychain` if this service has one, else from `host.key` in the same directory.
    pub fn at(dir: &Path) -> Self {
        let providers: Vec<Box<dyn KeyProvider>> =
            vec![Box::new(SystemdCredential::of_this_process()), Box::new(KeyFile::new(dir.join(KEY)))];
        Self::with_providers(dir, providers)
    }

    /// The keychain in this directory with other providers, best first.
    pub fn with_providers(dir: &Path, providers: Vec<Box<dyn KeyProvider>>) -> Self {
        SystemKeychain { dir: dir.to_owned(), providers, on_request: Vec::new() }
    }

    /// Leaves these providers out when a new keychain is made: they are for [`SystemKeychain::set_provider`] alone, and
    /// for a keychain that has its key from one of them.
    #[must_use]
    pub fn only_on_request(mut self, kinds: &[ProviderKind]) -> Self {
        self.on_request = kinds.to_vec();
        self
    }

    /// `$SIGILLO_KEYCHAIN_DIR`; else for root `/var/lib/sigillo/keychain`; else `$XDG_DATA_HOME/sigillo/keychain`.
    ///
    /// # Errors
    /// [`KeychainError::NoPlace`] for a user without a home.
    pub fn default_dir() -> Result<PathBuf, KeychainError> {
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        place(variable, rustix::process::geteuid().is_root())
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }

    /// What the file's header says. Needs no key, and nothing of it is authenticated.
    ///
    /// # Errors
    /// See [`KeychainError`].
    pub fn status(&self) -> Result<SystemStatus, KeychainError> {
        let (bytes, locked) = match self.dir_if_there()? {
            Some(dir) => (self.read(&dir)?, self.is_locked(&dir)?),
            None => (None, false),
        };
        let header = bytes.map(|bytes| self.parse(&bytes).map(|(header, _)| header)).transpose()?;
        Ok(SystemStatus {
            path: self.path(),
            provider: header.as_ref().map(|header| header.provider),
            revision: header.map_or(0, |header| header.revision),
            locked,
        })
    }

    /// Every provider, best first: which one has the key, what the others would do, or why they do not work here.
    ///
    /// # Errors
    /// See [`SystemKeychain::status`].
    pub fn providers(&self) -> Result<Vec<ProviderStatus>, KeychainError> {
        let used = self.status()?.provider;
        let status = |provider: &dyn KeyProvider| {
            let in_use = used == Some(provider.kind());
            // What a key file could make anew is not the key that is missed.
            let state = if in_use { provider.key().and_then(|_| provider.probe()) } else { provider.probe() };
            ProviderStatus { kind: provider.kind(), in_use, state }
        };
        Ok(self.providers.iter().map(|provider| status(provider.as_ref())).collect())
    }

    /// Locks the keychain, for every process and until [`SystemKeychain::unlock`]: [`Keychain::list`] still answers,
    /// everything else is refused. A rule that sigillo keeps, not a cipher: who may read the files can take it back.
    /// Durable on return.
    ///
    /// # Errors
    /// See [`KeychainError`].
    pub fn lock(&self) -> Result<(), KeychainError> {
        let dir = self.dir_made()?;
        let _held = self.hold(&dir)?;
        dir.open_or_create(OsStr::new(LOCKED), 0o600).map_err(|error| self.file_error(LOCKED, error))?;
        dir.sync().map_err(|error| self.io(error))
    }

    /// Opens the keychain with its key, which proves that it can be used, then takes the lock away if there is one.
    /// Answers the number of records. Durable on return.
    ///
    /// # Errors
    /// See [`KeychainError`]. A keychain that does not open stays locked.
    pub fn unlock(&self) -> Result<usize, KeychainError> {
        let Some(dir) = self.dir_if_there()? else { return Ok(0) };
        let _held = self.hold(&dir)?;
        let records = self.open(&dir)?.map_or(0, |opened| opened.records.len());
        dir.remove(OsStr::new(LOCKED)).and_then(|()| dir.sync()).map_err(|error| self.io(error))?;
        Ok(records)
    }

    /// Seals the keychain under the key of this provider, which makes one if it has none, and removes the key that had it
    /// until now. A keychain that is not there yet is made, without a record. Durable on return; a crash at any point
    /// leaves a keychain that the old provider opens, or one that the new one opens.
    ///
    /// # Errors
    /// [`KeychainError::KeyUnavailable`] if the provider does not work here; nothing has changed then.
    pub fn set_provider(&self, kind: ProviderKind) -> Result<ProviderChange, KeychainError> {
        let provider = self.provider(kind)?;
        let dir = self.dir_made()?;
        let _held = self.hold(&dir)?;
        self.require_unlocked(&dir)?;
        let opened = self.open(&dir)?;
        let before = opened.as_ref().map(|opened| opened.header.provider);
        if before == Some(kind) {
            return Ok(ProviderChange { before, left_behind: None });
        }
        let unavailable = |error| Self::unavailable(kind, error);
        let host_key = provider.key_for_new_keychain().map_err(unavailable)?;
        // What a later process will get, before the only copy is sealed with it.
        if provider.key().map_err(unavailable)? != host_key {
            let reason = text!("provider-two-keys");
            return Err(KeychainError::KeyUnavailable { provider: kind, reason });
        }
        let (uuid, revision, records) = match opened {
            Some(Opened { header, records, .. }) => (header.uuid, header.revision, records),
            None => (*KeyId::random()?.as_bytes(), 0, Records::new()),
        };
        self.write(&dir, kind, uuid, revision, &host_key, &records)?;
        let retired = match before {
            Some(before) => self.provider(before)?.retire(),
            None => Ok(()),
        };
        Ok(ProviderChange { before, left_behind: retired.err().map(|error| error.to_string()) })
    }

    fn provider(&self, kind: ProviderKind) -> Result<&dyn KeyProvider, KeychainError> {
        let found = self.providers.iter().find(|provider| provider.kind() == kind);
        found.map(AsRef::as_ref).ok_or_else(|| {
            let reason = text!("provider-not-told");
            KeychainError::KeyUnavailable { provider: kind, reason }
        })
    }

    fn unavailable(provider: ProviderKind, error: ProviderError) -> KeychainError {
        match error {
            ProviderError::Entropy(error) => error.into(),
            ProviderError::Absent(reason) | ProviderError::Refused(reason) => {
                KeychainError::KeyUnavailable { provider, reason }
            }
        }
    }

    fn is_locked(&self, dir: &Dir) -> Result<bool, KeychainError> {
        dir.identity(OsStr::new(LOCKED)).map(|found| found.is_some()).map_err(|error| self.io(error))
    }

    fn require_unlocked(&self, dir: &Dir) -> Result<(), KeychainError> {
        if self.is_locked(dir)? { Err(KeychainError::Locked(self.path())) } else { Ok(()) }
    }

    fn io(&self, source: io::Error) -> KeychainError {
        KeychainError::Io { path: self.path(), source }
    }

    fn require_private(&self, fd: impl std::os::fd::AsFd, path: PathBuf) -> Result<(), KeychainError> {
        require_private(fd).map_err(|why| KeychainError::Unsafe { path, why })
    }

    fn dir_if_there(&self) -> Result<Option<Dir>, KeychainError> {
        match Dir::open(&self.dir) {
            Ok(dir) => {
                self.require_private(&dir, self.dir.clone())?;
                Ok(Some(dir))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.io(error)),
        }
    }

    fn dir_made(&self) -> Result<Dir, KeychainError> {
        if let Some(dir) = self.dir_if_there()? {
            return Ok(dir);
        }
        files::make_dirs(&self.dir, 0o700).map_err(|error| self.io(error))?;
        self.dir_if_there()?.ok_or_else(|| self.io(io::Error::from(io::ErrorKind::NotFound)))
    }

    fn file_error(&self, name: &str, error: FileError) -> KeychainError {
        let path = self.dir.join(name);
        match error {
            FileError::NotFound => {
                KeychainError::Io { path, source: io::Error::from(io::ErrorKind::NotFound) }
            }
            FileError::Unsafe(why) => KeychainError::Unsafe { path, why: why.to_string() },
            FileError::Io(source) => KeychainError::Io { path, source },
        }
    }

    fn read(&self, dir: &Dir) -> Result<Option<Vec<u8>>, KeychainError> {
        let file = match dir.open_file(OsStr::new(FILE), false) {
            Ok(file) => file,
            Err(FileError::NotFound) => return Ok(None),
            Err(error) => return Err(self.file_error(FILE, error)),
        };
        self.require_private(&file, self.path())?;
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_FILE_LEN).unwrap_or(u64::MAX).saturating_add(1);
        file.take(limit).read_to_end(&mut bytes).map_err(|error| self.io(error))?;
        if bytes.len() > MAX_FILE_LEN {
            return Err(KeychainError::NotAKeychain(self.path()));
        }
        Ok(Some(bytes))
    }

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<(FileHeader, &'a [u8]), KeychainError> {
        format::parse_file(bytes).map_err(|error| match error {
            FormatError::NotAKeychain => KeychainError::NotAKeychain(self.path()),
            FormatError::TooNew(version) => KeychainError::TooNew { path: self.path(), version },
            FormatError::Damaged(what) => KeychainError::Damaged { path: self.path(), what },
        })
    }

    fn open(&self, dir: &Dir) -> Result<Option<Opened>, KeychainError> {
        let Some(bytes) = self.read(dir)? else { return Ok(None) };
        let (header, sealed) = self.parse(&bytes)?;
        let kind = header.provider;
        let host_key = self.provider(kind)?.key().map_err(|error| Self::unavailable(kind, error))?;
        let records = format::open(&header, sealed, &host_key).map_err(|error| match error {
            format::OpenError::WrongKey => KeychainError::WrongKey { provider: kind, path: self.path() },
            format::OpenError::Damaged(what) => KeychainError::Damaged { path: self.path(), what },
        })?;
        Ok(Some(Opened { header, host_key, records }))
    }

    /// The first provider that has a key seals a new keychain; one whose key must not be used stops the search, so that
    /// a broken strong provider is never quietly replaced by a weaker one.
    fn key_for_new(&self) -> Result<(ProviderKind, Secret), KeychainError> {
        let mut last = KeychainError::NoPlace(words!("provider-none"));
        for provider in &self.providers {
            let kind = provider.kind();
            if self.on_request.contains(&kind) {
                continue;
            }
            match provider.key_for_new_keychain() {
                Ok(key) => return Ok((kind, key)),
                Err(error @ ProviderError::Absent(_)) => last = Self::unavailable(kind, error),
                Err(error) => return Err(Self::unavailable(kind, error)),
            }
        }
        Err(last)
    }

    fn hold(&self, dir: &Dir) -> Result<File, KeychainError> {
        // A file of its own: the keychain itself is replaced by every change, and a lock would stay with the old one.
        let file =
            dir.open_or_create(OsStr::new(LOCK), 0o600).map_err(|error| self.file_error(LOCK, error))?;
        if wait_for_lock(&file).map_err(|error| self.io(error))? {
            return Ok(file);
        }
        Err(KeychainError::Busy(self.path()))
    }

    fn change(
        &self,
        dir: &Dir,
        change: impl FnOnce(&mut Records) -> Result<(), KeychainError>,
    ) -> Result<(), KeychainError> {
        let _held = self.hold(dir)?;
        self.require_unlocked(dir)?;
        let (sealed_with, mut records) = match self.open(dir)? {
            Some(Opened { header, host_key, records }) => (Some((header, host_key)), records),
            None => (None, Records::new()),
        };
        change(&mut records)?;
        // Only now, so that a refused change makes no key.
        let (provider, uuid, revision, host_key) = match sealed_with {
            Some((header, host_key)) => (header.provider, header.uuid, header.revision, host_key),
            None => {
                let (provider, host_key) = self.key_for_new()?;
                (provider, *KeyId::random()?.as_bytes(), 0, host_key)
            }
        };
        self.write(dir, provider, uuid, revision, &host_key, &records)
    }

    /// Puts a new file in place of the one that is there, in one step.
    fn write(
        &self,
        dir: &Dir,
        provider: ProviderKind,
        uuid: [u8; 16],
        revision: u64,
        host_key: &Secret,
        records: &Records,
    ) -> Result<(), KeychainError> {
        let bytes = format::seal_records(provider, uuid, revision.saturating_add(1), host_key, records)?
            .ok_or_else(|| KeychainError::Full(self.path()))?;
        dir.write_over(OsStr::new(FILE), 0o600, &bytes).map(drop).map_err(|error| match error {
            PublishError::Unsure(source) => KeychainError::Unsure { path: self.path(), source },
            error => self.io(error.into()),
        })
    }

    fn records(&self, dir: &Dir) -> Result<Records, KeychainError> {
        // A change is one rename, so a reader sees the keychain before or after it and needs no lock.
        Ok(self.open(dir)?.map(|opened| opened.records).unwrap_or_default())
    }
}

fn place(variable: impl Fn(&str) -> Option<PathBuf>, root: bool) -> Result<PathBuf, KeychainError> {
    if let Some(dir) = variable(DIR_VARIABLE) {
        return Ok(dir);
    }
    if root {
        return Ok(PathBuf::from(SystemKeychain::SYSTEM_DIR));
    }
    variable("XDG_DATA_HOME")
        .filter(|data| data.is_absolute())
        .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("sigillo/keychain"))
        .ok_or(KeychainError::NoPlace(words!("no-home")))
}

impl Keychain for SystemKeychain {
    fn insert_new(&self, record: &Record) -> Result<(), KeychainError> {
        record.validate()?;
        self.change(&self.dir_made()?, |records| memory::insert_new(records, record))
    }

    fn get(&self, name: &RecordName) -> Result<Record, KeychainError> {
        let Some(dir) = self.dir_if_there()? else { return Err(KeychainError::NotFound(*name)) };
        self.require_unlocked(&dir)?;
        self.records(&dir)?.remove(name).ok_or(KeychainError::NotFound(*name))
    }

    fn list(&self) -> Result<Vec<RecordInfo>, KeychainError> {
        let Some(dir) = self.dir_if_there()? else { return Ok(Vec::new()) };
        Ok(self.records(&dir)?.values().map(Record::info).collect())
    }

    fn replace(&self, expect: KeyId, record: &Record) -> Result<(), KeychainError> {
        record.validate()?;
        let Some(dir) = self.dir_if_there()? else { return Err(KeychainError::NotFound(record.name)) };
        self.change(&dir, |records| memory::replace(records, expect, record))
    }

    fn delete(&self, name: &RecordName, expect: KeyId) -> Result<(), KeychainError> {
        let Some(dir) = self.dir_if_there()? else { return Err(KeychainError::NotFound(*name)) };
        self.change(&dir, |records| memory::delete(records, name, expect))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of(variables: &[(&str, &str)], root: bool) -> Option<String> {
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| PathBuf::from(value))
        };
        place(find, root).ok().map(|path| path.display().to_string())
    }

    #[test]
    fn the_variable_comes_first_then_the_system_then_the_users_own_directory() {
        let own = (DIR_VARIABLE, "/own");
        let (xdg, home) = (("XDG_DATA_HOME", "/data"), ("HOME", "/home/u"));
        assert_eq!(place_of(&[own, xdg], true).as_deref(), Some("/own"));
        assert_eq!(place_of(&[xdg, home], true).as_deref(), Some("/var/lib/sigillo/keychain"));
        assert_eq!(place_of(&[xdg, home], false).as_deref(), Some("/data/sigillo/keychain"));
        assert_eq!(place_of(&[home], false).as_deref(), Some("/home/u/.local/share/sigillo/keychain"));
        assert_eq!(place_of(&[], false), None);
    }
}
