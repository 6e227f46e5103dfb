//! The audit log: one line an act that matters to the safety of a TPM, each bound to the line before it.
//!
//! A line is the hash in hexadecimal, a space and a JSON object; the hash is SHA-256("sigillo-audit-1" 0A | hash of the
//! line before, 32 bytes, zero for the first | the object's bytes). Beside the log lies its head: how many lines and octets
//! it has and the last hash, so that lines missing at the end are found. A line is durable before the act is done: a line
//! may stand for an act that then failed, and never the other way round.
//!
//! What it cannot find: whoever may write both files may write both anew, from any line on. A copy of the head kept on
//! another host finds that too ([`AuditLog::verify`] tells it).

use sigillo_messages::{Words, text, words};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sigillo_store::files::{self, Dir, FileError};
use sigillo_store::now_unix_s;
use sigillo_store::seal::sha256;

use crate::lock::wait_for_lock;
use crate::provider::require_private;
use crate::record::date;
use crate::{KeychainError, SystemKeychain};

const LOG: &str = "audit.log";
const HEAD: &str = "audit.head";
/// The longest line, with its end. Bytes.
const MAX_LINE: usize = 4096;
/// What a crash can leave behind the head is one line; more is not ours.
const MAX_BEHIND_HEAD: u64 = 64 * 1024;
const MAX_SUBJECT: usize = 256;
const MAX_DETAIL: usize = 1024;
const HASH_DIGITS: usize = 64;

/// What was done. The words in the log never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// A record was read with its password, to open a store.
    RecordRead,
    /// A record's password was shown to a person.
    RecordShown,
    /// A record came into a keychain.
    RecordAdded,
    /// A record took another's place.
    RecordReplaced,
    /// A record was deleted.
    RecordDeleted,
    /// A record was copied out of a keychain.
    RecordCopied,
    /// A store got another password, or another key.
    PasswordRotated,
    /// A store got one more way to be opened.
    KeyAdded,
    /// A store lost a way to be opened.
    KeyRemoved,
    /// A store was made, with a new TPM in it.
    StoreCreated,
    /// A store was made, with a copy of another VM's TPM in it: two VMs of one identity.
    StoreCopied,
    /// A store was renamed as a backup.
    BackupMade,
    /// A backup became the VM's store again.
    BackupRestored,
    /// A VM was to have no TPM any more; its store becomes a backup.
    TpmRemoved,
    /// An older state than the newest seen was accepted.
    RollbackAccepted,
    /// An older state than the newest seen was refused.
    RollbackRefused,
    /// A state of another history than the one seen was met.
    TwinFound,
    /// A store was written where this host did not see it, as on another host.
    StoreMovedOn,
    /// A VM was taken back to a snapshot on purpose.
    SnapshotReverted,
    /// The system keychain was locked.
    KeychainLocked,
    /// The system keychain was unlocked.
    KeychainUnlocked,
    /// The system keychain's key got another provider.
    ProviderChanged,
    /// The log's head was missing, so that lines missing at the end before this line cannot be found.
    HeadLost,
}

impl Act {
    /// The word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Act::RecordRead => "record-read",
            Act::RecordShown => "record-shown",
            Act::RecordAdded => "record-added",
            Act::RecordReplaced => "record-replaced",
            Act::RecordDeleted => "record-deleted",
            Act::RecordCopied => "record-copied",
            Act::PasswordRotated => "password-rotated",
            Act::KeyAdded => "key-added",
            Act::KeyRemoved => "key-removed",
            Act::StoreCreated => "store-created",
            Act::StoreCopied => "store-copied",
            Act::BackupMade => "backup-made",
            Act::BackupRestored => "backup-restored",
            Act::TpmRemoved => "tpm-removed",
            Act::RollbackAccepted => "rollback-accepted",
            Act::RollbackRefused => "rollback-refused",
            Act::TwinFound => "twin-found",
            Act::StoreMovedOn => "store-moved-on",
            Act::SnapshotReverted => "snapshot-reverted",
            Act::KeychainLocked => "keychain-locked",
            Act::KeychainUnlocked => "keychain-unlocked",
            Act::ProviderChanged => "provider-changed",
            Act::HeadLost => "head-lost",
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts lines from 1.
    pub n: u64,
    /// When, in UTC, as RFC 3339 writes it.
    pub time: String,
    /// The user who ran the program.
    pub uid: u32,
    /// What was done: a word of [`Act`], or of a later version.
    pub act: String,
    /// To what: a record's name, a store's path.
    pub subject: String,
    /// More, for people. Never a secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What a whole log says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The log.
    pub path: PathBuf,
    /// Lines.
    pub lines: u64,
    /// The last line's hash, in hexadecimal: kept elsewhere, it finds a log that was written anew.
    pub last_hash: String,
    /// A crash left the beginning of a line that was never acknowledged.
    pub torn: bool,
}

/// Why the audit log was not written or does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// There is no place for it.
    #[error(transparent)]
    NoPlace(KeychainError),
    /// The line could not be made durable.
    #[error("{}", text!("audit-write", path = .path.display(), source))]
    Write {
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner could change it.
    #[error("{}", text!("audit-unsafe", path = .path.display(), why))]
    Unsafe {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The lines do not follow each other.
    #[error("{}", text!("audit-damaged", path = .path.display(), line, what))]
    Damaged {
        /// The log.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What does not hold.
        what: Words,
    },
    /// It cannot be read.
    #[error("{}", text!("audit-read", path = .path.display(), source))]
    Read {
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl AuditError {
    /// The stable error code, as in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            AuditError::NoPlace(error) => error.code(),
            AuditError::Write { .. } => "SIG_ERR_AUDIT_WRITE",
            AuditError::Unsafe { .. } => "SIG_ERR_AUDIT_UNSAFE",
            AuditError::Damaged { .. } => "SIG_ERR_AUDIT_DAMAGED",
            AuditError::Read { .. } => "SIG_ERR_AUDIT_READ",
        }
    }
}

/// The log `audit.log` of a directory, with its head beside it.
#[derive(Clone, Debug)]
pub struct AuditLog {
    dir: PathBuf,
}

/// How far the log is known to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    lines: u64,
    octets: u64,
    hash: [u8; 32],
}

const EMPTY: Head = Head { lines: 0, octets: 0, hash: [0; 32] };

impl AuditLog {
    /// The log in this directory, which is made with the first line.
    pub fn at(dir: &Path) -> Self {
        AuditLog { dir: dir.to_owned() }
    }

    /// The log of this host, or, for a user who is not root, of this user: in the system keychain's directory.
    ///
    /// # Errors
    /// [`AuditError::NoPlace`] for a user without a home.
    pub fn of_this_host() -> Result<Self, AuditError> {
        Ok(Self::at(&SystemKeychain::default_dir().map_err(AuditError::NoPlace)?))
    }

    /// The log's file.
    pub fn path(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    /// Adds a line. Durable on return; call it before the act. `subject` and `detail` are for people, are cut at 256 and 1024
    /// bytes, and must hold no secret.
    ///
    /// # Errors
    /// [`AuditError::Write`] or [`AuditError::Unsafe`]: then the act must not be done.
    pub fn record(&self, act: Act, subject: &str, detail: &str) -> Result<(), AuditError> {
        files::make_dirs(&self.dir, 0o700).map_err(|e| self.write(e))?;
        let dir = Dir::open(&self.dir).map_err(|e| self.write(e))?;
        self.require_private(&dir, &self.dir)?;
        let new = dir.identity(OsStr::new(LOG)).map_err(|e| self.write(e))?.is_none();
        let mut log = dir.open_or_create(OsStr::new(LOG), 0o600).map_err(|e| self.file(LOG, e))?;
        self.require_private(&log, &self.path())?;
        if new {
            dir.sync().map_err(|e| self.write(e))?;
        }
        self.lock(&log)?;
        let mut end = self.end(&dir, &mut log)?;
        if end.lost {
            self.append(&mut log, &mut end.head, Act::HeadLost, LOG, "")?;
        }
        self.append(&mut log, &mut end.head, act, subject, detail)?;
        self.write_head(&dir, &end.head)
    }

    fn append(
        &self,
        log: &mut File,
        head: &mut Head,
        act: Act,
        subject: &str,
        detail: &str,
    ) -> Result<(), AuditError> {
        let entry = Entry {
            n: head.lines.saturating_add(1),
            time: date(now_unix_s()),
            uid: rustix::process::getuid().as_raw(),
            act: act.as_str().to_owned(),
            subject: plain(subject, MAX_SUBJECT),
            detail: plain(detail, MAX_DETAIL),
        };
        let object = serde_json::to_string(&entry).map_err(|e| self.write(e.into()))?;
        let hash = link(&head.hash, object.as_bytes());
        let line = format!("{} {object}\n", hex(&hash));
        let mut add = || {
            let octets = log.seek(SeekFrom::End(0))?;
            log.write_all(line.as_bytes())?;
            log.sync_data()?;
            Ok(octets.saturating_add(line.len() as u64))
        };
        let octets = add().map_err(|e| self.write(e))?;
        *head = Head { lines: entry.n, octets, hash };
        Ok(())
    }

    /// Where the log ends and what the next line is bound to.
    fn end(&self, dir: &Dir, log: &mut File) -> Result<End, AuditError> {
        let octets = log.metadata().map_err(|e| self.write(e))?.len();
        let Some(head) = self.read_head(dir).map_err(|e| self.write(e))? else {
            // Without a head the log's own last line is believed, and that is said.
            let head = last_line(log, octets).map_err(|e| self.write(e))?;
            return Ok(End { head, lost: octets > 0 });
        };
        let held = octets >= head.octets && line_before(log, head.octets).is_ok_and(|hash| hash == head.hash);
        let rest = octets.saturating_sub(head.octets);
        if (held || head.octets == 0) && rest <= MAX_BEHIND_HEAD {
            return self.adopt(log, head).map_err(|e| self.write(e));
        }
        // Shortened or changed: the next line goes on from the head, so that the break stays for all to see.
        if octets > 0 && !ends_line(log, octets).map_err(|e| self.write(e))? {
            log.seek(SeekFrom::End(0)).and_then(|_| log.write_all(b"\n")).map_err(|e| self.write(e))?;
        }
        Ok(End { head, lost: false })
    }

    /// Takes over what a crash between a line and its head left: whole lines count, the beginning of one is cut off.
    fn adopt(&self, log: &mut File, mut head: Head) -> io::Result<End> {
        log.seek(SeekFrom::Start(head.octets))?;
        let mut rest = Vec::new();
        (&mut *log).take(MAX_BEHIND_HEAD).read_to_end(&mut rest)?;
        for line in rest.split_inclusive(|octet| *octet == b'\n') {
            match parse(line) {
                Some((hash, object)) if link(&head.hash, object) == hash => {
                    let octets = head.octets.saturating_add(line.len() as u64);
                    head = Head { lines: head.lines.saturating_add(1), octets, hash };
                }
                Some(_) => break,
                None if line.ends_with(b"\n") => break,
                None => log.set_len(head.octets)?,
            }
        }
        Ok(End { head, lost: false })
    }

    /// All lines that can be read, in order, without a look at their hashes. A log that is not there is empty.
    ///
    /// # Errors
    /// [`AuditError::Read`].
    pub fn entries(&self) -> Result<Vec<Entry>, AuditError> {
        let mut all = Vec::new();
        if let Some(log) = self.open_log()? {
            let mut lines = BufReader::new(log);
            let mut line = Vec::new();
            while next_line(&mut lines, &mut line).map_err(|e| self.read(e))? {
                all.extend(parse(&line).and_then(|(_, object)| serde_json::from_slice::<Entry>(object).ok()));
            }
        }
        Ok(all)
    }

    /// Checks every line against the one before it, and the end against the head.
    ///
    /// # Errors
    /// [`AuditError::Damaged`] with the first line that does not hold.
    pub fn verify(&self) -> Result<Verified, AuditError> {
        let damaged = |line, what| AuditError::Damaged { path: self.path(), line, what };
        let dir = match Dir::open(&self.dir) {
            Ok(dir) => Some(dir),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.read(error)),
        };
        // The head before the log: a line that is added meanwhile is behind the head, as after a crash.
        let head = dir.map(|dir| self.read_head(&dir)).transpose().map_err(|e| self.read(e))?.flatten();
        let mut seen = EMPTY;
        let mut at_head = head.is_some_and(|head| head == EMPTY);
        let mut torn = false;
        if let Some(log) = self.open_log()? {
            let mut lines = BufReader::new(log);
            let mut line = Vec::new();
            while next_line(&mut lines, &mut line).map_err(|e| self.read(e))? {
                let number = seen.lines.saturating_add(1);
                let Some((hash, object)) = parse(&line) else {
                    if !line.ends_with(b"\n") && line.len() < MAX_LINE {
                        torn = true;
                        break;
                    }
                    return Err(damaged(number, words!("audit-no-line")));
                };
                if link(&seen.hash, object) != hash {
                    return Err(damaged(number, words!("audit-changed")));
                }
                if serde_json::from_slice::<Entry>(object).map(|entry| entry.n).ok() != Some(number) {
                    return Err(damaged(number, words!("audit-number")));
                }
                let octets = seen.octets.saturating_add(line.len() as u64);
                seen = Head { lines: number, octets, hash };
                at_head |= head == Some(seen);
            }
        }
        match head {
            Some(_) if at_head => {}
            Some(head) if seen.lines < head.lines => {
                return Err(damaged(seen.lines.saturating_add(1), words!("audit-ends")));
            }
            Some(_) => return Err(damaged(seen.lines, words!("audit-other-head"))),
            None if seen.lines > 0 => {
                return Err(damaged(seen.lines, words!("audit-no-head")));
            }
            None => {}
        }
        Ok(Verified { path: self.path(), lines: seen.lines, last_hash: hex(&seen.hash), torn })
    }

    fn open_log(&self) -> Result<Option<File>, AuditError> {
        let dir = match Dir::open(&self.dir) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.read(error)),
        };
        match dir.open_file(OsStr::new(LOG), false) {
            Ok(log) => Ok(Some(log)),
            Err(FileError::NotFound) => Ok(None),
            Err(FileError::Unsafe(why)) => {
                Err(AuditError::Unsafe { path: self.path(), why: why.to_string() })
            }
            Err(FileError::Io(error)) => Err(self.read(error)),
        }
    }

    fn read_head(&self, dir: &Dir) -> io::Result<Option<Head>> {
        let file = match dir.open_file(OsStr::new(HEAD), false) {
            Ok(file) => file,
            Err(FileError::NotFound) => return Ok(None),
            Err(FileError::Unsafe(why)) => return Err(io::Error::new(io::ErrorKind::InvalidInput, why)),
            Err(FileError::Io(error)) => return Err(error),
        };
        let mut text = String::new();
        file.take(256).read_to_string(&mut text)?;
        let mut words = text.split_whitespace();
        let mut parse = || {
            let lines = words.next()?.parse().ok()?;
            let octets = words.next()?.parse().ok()?;
            let hash = unhex(words.next()?.as_bytes())?;
            words.next().is_none().then_some(Head { lines, octets, hash })
        };
        Ok(parse())
    }

    fn write_head(&self, dir: &Dir, head: &Head) -> Result<(), AuditError> {
        let text = format!("{} {} {}\n", head.lines, head.octets, hex(&head.hash));
        let written = dir.write_over(OsStr::new(HEAD), 0o600, text.as_bytes());
        written.map(drop).map_err(|error| self.write(error.into()))
    }

    fn lock(&self, log: &File) -> Result<(), AuditError> {
        if wait_for_lock(log).map_err(|e| self.write(e))? {
            return Ok(());
        }
        Err(self.write(io::Error::other(text!("audit-busy"))))
    }

    fn require_private(&self, fd: impl std::os::fd::AsFd, path: &Path) -> Result<(), AuditError> {
        require_private(fd).map_err(|why| AuditError::Unsafe { path: path.to_owned(), why })
    }

    fn file(&self, name: &str, error: FileError) -> AuditError {
        match error {
            FileError::NotFound => self.write(io::ErrorKind::NotFound.into()),
            FileError::Unsafe(why) => AuditError::Unsafe { path: self.dir.join(name), why: why.to_string() },
            FileError::Io(error) => self.write(error),
        }
    }

    fn write(&self, source: io::Error) -> AuditError {
        AuditError::Write { path: self.path(), source }
    }

    fn read(&self, source: io::Error) -> AuditError {
        AuditError::Read { path: self.path(), source }
    }
}

struct End {
    head: Head,
    /// There are lines and no head.
    lost: bool,
}

fn link(previous: &[u8; 32], object: &[u8]) -> [u8; 32] {
    sha256(&[b"sigillo-audit-1\n", previous, object])
}

/// The hash and the object of a whole line.
fn parse(line: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (digits, rest) = line.strip_suffix(b"\n")?.split_at_checked(HASH_DIGITS)?;
    Some((unhex(digits)?, rest.strip_prefix(b" ")?))
}

/// Reads a line with its end, or [`MAX_LINE`] of a longer one; `false` at the end.
fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(lines.take(MAX_LINE as u64).read_until(b'\n', line)? > 0)
}

/// The last `MAX_LINE` octets before `end`.
fn before(log: &mut File, end: u64) -> io::Result<Vec<u8>> {
    let start = end.saturating_sub(MAX_LINE as u64);
    log.seek(SeekFrom::Start(start))?;
    let mut octets = Vec::new();
    (&mut *log).take(end.saturating_sub(start)).read_to_end(&mut octets)?;
    Ok(octets)
}

fn ends_line(log: &mut File, end: u64) -> io::Result<bool> {
    Ok(before(log, end)?.ends_with(b"\n"))
}

/// The hash that the line ending at `end` carries.
fn line_before(log: &mut File, end: u64) -> io::Result<[u8; 32]> {
    let octets = before(log, end)?;
    let line = octets.split_inclusive(|octet| *octet == b'\n').next_back().unwrap_or_default();
    parse(line).map(|(hash, _)| hash).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The end of a log by its last whole line.
fn last_line(log: &mut File, octets: u64) -> io::Result<Head> {
    let tail = before(log, octets)?;
    let found = tail.split_inclusive(|octet| *octet == b'\n').rev().find_map(|line| {
        let (hash, object) = parse(line)?;
        let entry: Entry = serde_json::from_slice(object).ok()?;
        Some(Head { lines: entry.n, octets, hash })
    });
    if !tail.is_empty() && !tail.ends_with(b"\n") {
        log.seek(SeekFrom::End(0))?;
        log.write_all(b"\n")?;
    }
    Ok(found.unwrap_or(EMPTY))
}

/// Without control characters, and cut at a character.
fn plain(text: &str, limit: usize) -> String {
    let mut out: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if out.len() > limit {
        out.truncate((0..=limit).rev().find(|at| out.is_char_boundary(*at)).unwrap_or(0));
    }
    out
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::with_capacity(HASH_DIGITS), |mut text, octet| {
        // Writing to a String does not fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn unhex(digits: &[u8]) -> Option<[u8; 32]> {
    if digits.len() != HASH_DIGITS || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut out = [0; 32];
    for (octet, pair) in out.iter_mut().zip(digits.chunks(2)) {
        *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}
