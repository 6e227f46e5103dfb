//! Anchors: the newest state of each store that this host has seen, kept where the store is not.
//!
//! A store put back from a copy is whole and opens; only somebody who remembers a newer state can tell. One file a store lies
//! in `anchors` beside the system keychain. The TPM's process inherits its descriptor, and holds its lock while it lives: of
//! two copies of one store only one runs on this host. Why it is so: `docs/adr/0015-anchors.md`; to the byte:
//! `docs/state-format.md`.

use sigillo_messages::text;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sigillo_store::files::{self, Dir, FileError};
use sigillo_store::{Store, now_unix_s, seal::sha256};

use crate::provider::require_private;
use crate::{KeychainError, SystemKeychain};

const DIRECTORY: &str = "anchors";
const MAGIC: [u8; 8] = *b"SGLANCH1";
/// Bytes of one copy, with its checksum.
const COPY_LEN: usize = 144;
const CHECKSUM_LEN: usize = 32;
/// The copies lie in pages of their own, so that a torn write of one leaves the other.
const COPY_OFFSETS: [u64; 2] = [0, 4096];

/// A state of a store, as an anchor names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The store's file, by the UUID that copies of it keep.
    pub file_uuid: [u8; 16],
    /// Commits up to this state.
    pub generation: u64,
    /// Different for each commit of any copy.
    pub hash: [u8; 32],
    /// Of the opening that writes from here on.
    pub session: [u8; 32],
    /// Seconds since 1970 when it was seen.
    pub seen_unix_s: u64,
}

impl Seen {
    /// The last commit of an open store, seen now.
    pub fn of(store: &Store) -> Self {
        let anchor = store.anchor();
        Seen {
            file_uuid: store.info().file_uuid,
            generation: anchor.generation,
            hash: anchor.hash,
            session: store.session(),
            seen_unix_s: now_unix_s(),
        }
    }

    fn to_bytes(self, sequence: u64) -> [u8; COPY_LEN] {
        let mut bytes = Vec::with_capacity(COPY_LEN);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&sequence.to_le_bytes());
        bytes.extend_from_slice(&self.file_uuid);
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.hash);
        bytes.extend_from_slice(&self.session);
        bytes.extend_from_slice(&self.seen_unix_s.to_le_bytes());
        let checksum = sha256(&[&bytes]);
        bytes.extend_from_slice(&checksum);
        let mut out = [0; COPY_LEN];
        for (to, from) in out.iter_mut().zip(bytes) {
            *to = from;
        }
        out
    }

    /// One copy in an anchor's file, and its number; `None` if it does not verify.
    #[doc(hidden)]
    pub fn parse(bytes: &[u8]) -> Option<(u64, Seen)> {
        let bytes = bytes.first_chunk::<COPY_LEN>()?;
        let (covered, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN>()?;
        if sha256(&[covered]) != *checksum {
            return None;
        }
        let rest = covered.strip_prefix(&MAGIC)?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (file_uuid, rest) = rest.split_first_chunk()?;
        let (generation, rest) = rest.split_first_chunk()?;
        let (hash, rest) = rest.split_first_chunk()?;
        let (session, rest) = rest.split_first_chunk()?;
        let seen_unix_s = u64::from_le_bytes(rest.try_into().ok()?);
        let seen = Seen {
            file_uuid: *file_uuid,
            generation: u64::from_le_bytes(*generation),
            hash: *hash,
            session: *session,
            seen_unix_s,
        };
        Some((u64::from_le_bytes(*sequence), seen))
    }
}

/// What a store's state is to the newest one seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", deny_unknown_fields)]
pub enum Verdict {
    /// This host sees the store for the first time.
    First,
    /// The same state.
    Same,
    /// It goes on from the newest seen: what a crash left the anchor behind by.
    Newer {
        /// Commits.
        by: u64,
    },
    /// It is newer and was written where this host did not see it. A copy that left the history more than one commit ago and
    /// went on elsewhere for longer looks the same.
    MovedOn {
        /// Commits.
        by: u64,
    },
    /// An older state was put back.
    RolledBack {
        /// Commits that are missing.
        by: u64,
        /// Seconds since 1970 when the newest one was seen.
        seen_unix_s: u64,
    },
    /// It left the history that this host saw: somebody else went on from an older state.
    Twin {
        /// The first commit that differs, or one after it.
        generation: u64,
        /// Seconds since 1970 when the newest one was seen.
        seen_unix_s: u64,
    },
    /// The anchor is damaged, or is of another store.
    Unreadable,
    /// Another process runs a copy of the store.
    InUse {
        /// It, where the system tells.
        pid: Option<u32>,
    },
}

impl Verdict {
    /// What an open store is to the newest state of it that was seen; `None` if there was none.
    pub fn of(store: &Store, seen: Option<&Seen>) -> Self {
        let Some(seen) = seen else { return Verdict::First };
        if seen.file_uuid != store.info().file_uuid {
            return Verdict::Unreadable;
        }
        let (now, lineage, seen_unix_s) = (store.anchor(), store.lineage(), seen.seen_unix_s);
        let twin = Verdict::Twin { generation: now.generation, seen_unix_s };
        match now.generation.checked_sub(seen.generation) {
            None => Verdict::RolledBack { by: seen.generation.abs_diff(now.generation), seen_unix_s },
            Some(0) if now.hash == seen.hash => Verdict::Same,
            Some(1) if lineage.previous_hash == seen.hash => Verdict::Newer { by: 1 },
            Some(0 | 1) => twin,
            Some(by) if lineage.session == seen.session => Verdict::Newer { by },
            Some(by) => Verdict::MovedOn { by },
        }
    }

    /// Whether the store may run without anybody's consent.
    pub fn is_in_order(self) -> bool {
        match self {
            Verdict::First | Verdict::Same | Verdict::Newer { .. } | Verdict::MovedOn { .. } => true,
            Verdict::RolledBack { .. }
            | Verdict::Twin { .. }
            | Verdict::Unreadable
            | Verdict::InUse { .. } => false,
        }
    }
}

/// What the TPM's process says to who started it when it does not run the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Why.
    pub verdict: Verdict,
    /// The state in question, as [`state_name`] names it: what may be accepted is this one and no other.
    pub state: String,
}

/// Names one state of a store for another process.
pub fn state_name(store: &Store) -> String {
    use std::fmt::Write as _;
    let anchor = store.anchor();
    anchor.hash.iter().fold(format!("{}:", anchor.generation), |mut name, octet| {
        // Writing to a String does not fail.
        let _ = write!(name, "{octet:02x}");
        name
    })
}

/// The anchor of one store.
#[derive(Debug)]
pub struct AnchorFile {
    file: File,
    /// Where the next copy goes, and its number.
    next: u64,
}

/// What an anchor's file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchored {
    /// Nothing yet.
    Nothing,
    /// The newest state seen.
    State(Seen),
    /// No copy verifies.
    Damaged,
}

impl Anchored {
    /// What an open store is to what its anchor holds.
    pub fn verdict(&self, store: &Store) -> Verdict {
        match self {
            Anchored::Nothing => Verdict::First,
            Anchored::State(seen) => Verdict::of(store, Some(seen)),
            Anchored::Damaged => Verdict::Unreadable,
        }
    }
}

impl AnchorFile {
    /// Takes an open file over, as the TPM's process inherits it.
    pub fn new(file: File) -> Self {
        AnchorFile { file, next: 0 }
    }

    /// Takes the file's lock for as long as this process, or one that inherits it, lives; otherwise says who has it.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn lock(&self) -> io::Result<Result<(), Option<u32>>> {
        Ok(if files::try_lock(&self.file)? { Ok(()) } else { Err(files::lock_holder(&self.file)) })
    }

    /// Takes the file's lock, as [`AnchorFile::lock`] does, and tells what an open store is to what is there.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn judge(&mut self, store: &Store) -> io::Result<Verdict> {
        match self.lock()? {
            Err(pid) => Ok(Verdict::InUse { pid }),
            Ok(()) => Ok(self.read()?.verdict(store)),
        }
    }

    /// Reads the newer copy that verifies.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn read(&mut self) -> io::Result<Anchored> {
        let len = self.file.metadata()?.len();
        let mut newest: Option<(u64, Seen)> = None;
        for offset in COPY_OFFSETS {
            let mut bytes = [0; COPY_LEN];
            match self.file.read_exact_at(&mut bytes, offset) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                Err(error) => return Err(error),
            }
            if let Some(found) = Seen::parse(&bytes)
                && newest.is_none_or(|(sequence, _)| sequence < found.0)
            {
                newest = Some(found);
            }
        }
        Ok(match newest {
            Some((sequence, seen)) => {
                self.next = sequence.saturating_add(1);
                Anchored::State(seen)
            }
            // Empty, or the very first write was torn: nothing was ever vouched for.
            None if len <= COPY_LEN as u64 => Anchored::Nothing,
            None => Anchored::Damaged,
        })
    }

    /// Keeps a state as the newest one. It must be durable in the store before. Durable on return.
    ///
    /// # Errors
    /// The operating system refused; the state kept before may still be there.
    pub fn write(&mut self, seen: &Seen) -> io::Result<()> {
        // The first time both copies are written: a file with one would leave damage to it untold.
        let copies = if self.next == 0 { 2 } else { 1 };
        for _ in 0..copies {
            let [even, odd] = COPY_OFFSETS;
            let offset = if self.next.is_multiple_of(2) { even } else { odd };
            self.file.write_all_at(&seen.to_bytes(self.next), offset)?;
            self.file.sync_data()?;
            self.next = self.next.saturating_add(1);
        }
        Ok(())
    }

    /// The file, to hand it to another process.
    pub fn into_file(self) -> File {
        self.file
    }
}

/// The anchors of this host.
#[derive(Clone, Debug)]
pub struct Anchors {
    dir: PathBuf,
}

/// Why an anchor could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// There is no place for it.
    #[error(transparent)]
    NoPlace(KeychainError),
    /// Others than the owner could change it.
    #[error("{}", text!("anchor-unsafe", path = .path.display(), why))]
    Unsafe {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The operating system refused.
    #[error("{}", text!("anchor-io", path = .path.display(), source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl AnchorError {
    /// The stable error code, as in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            AnchorError::NoPlace(error) => error.code(),
            AnchorError::Unsafe { .. } => "SIG_ERR_ANCHOR_UNSAFE",
            AnchorError::Io { .. } => "SIG_ERR_ANCHOR_IO",
        }
    }
}

impl Anchors {
    /// The anchors in the directory `anchors` of this one; it is made with the first.
    pub fn at(dir: &Path) -> Self {
        Anchors { dir: dir.join(DIRECTORY) }
    }

    /// The anchors of this host, or, for a user who is not root, of this user.
    ///
    /// # Errors
    /// [`AnchorError::NoPlace`] for a user without a home.
    pub fn of_this_host() -> Result<Self, AnchorError> {
        Ok(Self::at(&SystemKeychain::default_dir().map_err(AnchorError::NoPlace)?))
    }

    /// Opens the anchor of a VM's store, empty if there was none. It is not locked. By the VM as well: a store's header can name
    /// any file, and must not reach another VM's anchor.
    ///
    /// # Errors
    /// See [`AnchorError`].
    pub fn open(&self, vm_uuid: &[u8; 16], file_uuid: &[u8; 16]) -> Result<AnchorFile, AnchorError> {
        let dir = self.dir()?;
        let name = anchor_name(vm_uuid, file_uuid);
        let new = dir.identity(&name).map_err(|e| self.io(e))?.is_none();
        let file = dir.open_or_create(&name, 0o600).map_err(|e| self.file(&name, e))?;
        self.require_private(&file, &self.dir.join(&name))?;
        if new {
            dir.sync().map_err(|e| self.io(e))?;
        }
        Ok(AnchorFile::new(file))
    }

    /// Keeps the state of an open store as the newest one whatever was kept: for one just made, and before a VM is taken back
    /// on purpose to a state that is older.
    ///
    /// # Errors
    /// See [`AnchorError`].
    pub fn accept(&self, vm_uuid: &[u8; 16], store: &Store) -> Result<(), AnchorError> {
        let mut anchor = self.open(vm_uuid, &store.info().file_uuid)?;
        // For the number of the next copy; what is there is to be replaced.
        anchor.read().and_then(|_| anchor.write(&Seen::of(store))).map_err(|e| self.io(e))
    }

    /// Opens the anchor of a VM's open store, takes its lock for as long as it is held, and tells what the store is to it.
    ///
    /// # Errors
    /// See [`AnchorError`].
    pub fn judge(&self, vm_uuid: &[u8; 16], store: &Store) -> Result<(AnchorFile, Verdict), AnchorError> {
        let mut anchor = self.open(vm_uuid, &store.info().file_uuid)?;
        let verdict = anchor.judge(store).map_err(|e| self.io(e))?;
        Ok((anchor, verdict))
    }

    /// What is remembered of a VM's store. Nothing is made, locked or written.
    ///
    /// # Errors
    /// See [`AnchorError`].
    pub fn look(&self, vm_uuid: &[u8; 16], file_uuid: &[u8; 16]) -> Result<Anchored, AnchorError> {
        let Some(dir) = self.dir_if_there()? else { return Ok(Anchored::Nothing) };
        let name = anchor_name(vm_uuid, file_uuid);
        let file = match dir.open_file(&name, false) {
            Ok(file) => file,
            Err(FileError::NotFound) => return Ok(Anchored::Nothing),
            Err(error) => return Err(self.file(&name, error)),
        };
        self.require_private(&file, &self.dir.join(&name))?;
        AnchorFile::new(file).read().map_err(|e| self.io(e))
    }

    /// The store that a VM ran with last, by its file's UUID; `None` if it never ran here.
    ///
    /// # Errors
    /// See [`AnchorError`].
    pub fn current(&self, vm_uuid: &[u8; 16]) -> Result<Option<[u8; 16]>, AnchorError> {
        let Some(dir) = self.dir_if_there()? else { return Ok(None) };
        let name = current_name(vm_uuid);
        let file = match dir.open_file(&name, false) {
            Ok(file) => file,
            Err(FileError::NotFound) => return Ok(None),
            Err(error) => return Err(self.file(&name, error)),
        };
        self.require_private(&file, &self.dir.join(&name))?;
        let mut text = String::new();
        file.take(64).read_to_string(&mut text).map_err(|e| self.io(e))?;
        u128::from_str_radix(text.trim_end(), 16).map(|number| Some(number.to_be_bytes())).map_err(|_| {
            let source = io::Error::new(io::ErrorKind::InvalidData, text!("anchor-no-store"));
            AnchorError::Io { path: self.dir.join(&name), source }
        })
    }

    /// Keeps which store a VM runs with from now on. Durable on return.
    ///
    /// # Errors
    /// See [`AnchorError`].
    pub fn set_current(&self, vm_uuid: &[u8; 16], file_uuid: &[u8; 16]) -> Result<(), AnchorError> {
        if self.current(vm_uuid).is_ok_and(|current| current == Some(*file_uuid)) {
            return Ok(());
        }
        let text = format!("{}\n", hex(file_uuid));
        let written = self.dir()?.write_over(&current_name(vm_uuid), 0o600, text.as_bytes());
        written.map(drop).map_err(|error| self.io(error.into()))
    }

    fn dir(&self) -> Result<Dir, AnchorError> {
        files::make_dirs(&self.dir, 0o700).map_err(|e| self.io(e))?;
        self.dir_if_there()?.ok_or_else(|| self.io(io::ErrorKind::NotFound.into()))
    }

    fn dir_if_there(&self) -> Result<Option<Dir>, AnchorError> {
        match Dir::open(&self.dir) {
            Ok(dir) => {
                self.require_private(&dir, &self.dir)?;
                Ok(Some(dir))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.io(error)),
        }
    }

    fn require_private(&self, fd: impl std::os::fd::AsFd, path: &Path) -> Result<(), AnchorError> {
        require_private(fd).map_err(|why| AnchorError::Unsafe { path: path.to_owned(), why })
    }

    fn file(&self, name: &OsStr, error: FileError) -> AnchorError {
        match error {
            FileError::NotFound => self.io(io::ErrorKind::NotFound.into()),
            FileError::Unsafe(why) => AnchorError::Unsafe { path: self.dir.join(name), why: why.to_string() },
            FileError::Io(error) => self.io(error),
        }
    }

    fn io(&self, source: io::Error) -> AnchorError {
        AnchorError::Io { path: self.dir.clone(), source }
    }
}

fn anchor_name(vm_uuid: &[u8; 16], file_uuid: &[u8; 16]) -> OsString {
    OsString::from(format!("{}.{}.anchor", hex(vm_uuid), hex(file_uuid)))
}

fn current_name(vm_uuid: &[u8; 16]) -> OsString {
    OsString::from(format!("{}.current", hex(vm_uuid)))
}

fn hex(uuid: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*uuid))
}
