//! The file of an exported VM: everything but the password. To the byte: `docs/export-format.md`.
//!
//! It can hold the parts of one VM and nothing else: a member's name is one of a few, so there is no path in it, and there is no way
//! to write down a link, a device or an owner. Holes are left out, and data begin at multiples of 4096, so that what a file makes
//! on the disk is not larger than the file, whatever lengths it names.
use crate::copy::{ALIGN, PIECE};
use crate::{
    bundle::{CONFIG, STORE, VARS},
    config::MAX_CONFIG_BYTES,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sigillo_messages::text;
use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
};
use uuid::Uuid;

const MAGIC: [u8; 16] = *b"sigillo-vmex\r\n\x1a\n";
const VERSION: u32 = 1;
/// A longer manifest is refused unread. Bytes.
const MAX_MANIFEST: u32 = 256 * 1024;
const MAX_MEMBERS: usize = 256;
const MAX_VARS: u64 = 64 << 20;
const MAX_STORE: u64 = 1 << 30;
const MAX_DISK: u64 = 64 << 40;
const MAX_DISKS: usize = 16;

/// What a file holds, as its beginning says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The program that made it.
    pub made_by: String,
    /// When, as RFC 3339 writes it.
    pub made: String,
    /// On which host.
    pub host: String,
    /// The VM.
    pub uuid: Uuid,
    /// Its name there.
    pub name: String,
    /// The keychain record that its TPM needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// What follows, in this order.
    pub members: Vec<Member>,
}

/// One file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name in the bundle.
    pub name: String,
    /// Octets, holes included.
    pub len: u64,
}

/// Why a file is not imported.
#[derive(Debug)]
pub enum Flaw {
    /// It is something else.
    NotAnExport(String),
    /// A later release wrote it.
    TooNew(u32),
    /// It does not hold.
    Damaged(String),
    /// It cannot be read.
    Read(io::Error),
    /// What was read could not be put where it should go.
    Write(crate::Error),
}

fn damaged<T>(what: impl Into<String>) -> Result<T, Flaw> {
    Err(Flaw::Damaged(what.into()))
}

/// The most octets a member of this name can have; `None` if no VM has such a part.
fn most(name: &str) -> Option<u64> {
    if name == CONFIG {
        return Some(MAX_CONFIG_BYTES);
    }
    if name == VARS {
        return Some(MAX_VARS);
    }
    if let Some(rest) = name.strip_prefix(STORE) {
        let plain =
            |text: &str| text.len() <= 100 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let backup = rest.strip_prefix(crate::backup::BACKUP).is_some_and(plain);
        return (rest.is_empty() || backup).then_some(MAX_STORE);
    }
    let (number, _) = name
        .strip_prefix("disk")?
        .split_once('.')
        .filter(|(number, ending)| number.len() <= 2 && ["img", "qcow2"].contains(ending))?;
    let index: usize = number.parse().ok()?;
    (index < MAX_DISKS && index.to_string() == number).then_some(MAX_DISK)
}

impl Manifest {
    fn check(&self) -> Result<(), Flaw> {
        if self.members.len() > MAX_MEMBERS {
            return damaged(text!("export-many-parts"));
        }
        if self.members.first().is_none_or(|first| first.name != CONFIG) {
            return damaged(text!("export-no-config-first"));
        }
        let mut names = BTreeSet::new();
        for member in &self.members {
            let Some(most) = most(&member.name) else {
                return damaged(text!("export-strange-part", part = ?member.name));
            };
            if member.len > most {
                return damaged(text!("export-part-too-long", part = member.name, octets = member.len));
            }
            if !names.insert(&member.name) {
                return damaged(text!("export-part-twice", part = member.name));
            }
        }
        Ok(())
    }
}

/// Reads and counts into a checksum.
struct Summed<'a, R> {
    input: &'a mut R,
    sum: Sha256,
}

impl<R: Read> Summed<'_, R> {
    fn fill(&mut self, into: &mut [u8]) -> Result<(), Flaw> {
        read(self.input, into)?;
        self.sum.update(into);
        Ok(())
    }

    fn u32(&mut self) -> Result<u32, Flaw> {
        let mut octets = [0; 4];
        self.fill(&mut octets)?;
        Ok(u32::from_le_bytes(octets))
    }

    fn u64(&mut self) -> Result<u64, Flaw> {
        let mut octets = [0; 8];
        self.fill(&mut octets)?;
        Ok(u64::from_le_bytes(octets))
    }
}

fn read(input: &mut impl Read, into: &mut [u8]) -> Result<(), Flaw> {
    input.read_exact(into).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => Flaw::Damaged(text!("export-ends-early")),
        _ => Flaw::Read(e),
    })
}

/// Takes the parts of a VM as they are read. Nothing is proven before [`read_members`] returns.
pub(super) trait Sink {
    /// A member begins.
    fn begin(&mut self, member: &Member) -> crate::Result<()>;
    /// What it holds at an offset.
    fn piece(&mut self, at: u64, octets: &[u8]) -> crate::Result<()>;
    /// Octets of the file that were gone over.
    fn passed(&mut self, octets: u64);
    /// The member ends, and its checksum is right.
    fn end(&mut self) -> crate::Result<()>;
}

/// The beginning of a file, and its checksum.
pub(super) fn read_manifest(input: &mut impl Read) -> Result<(Manifest, [u8; 32]), Flaw> {
    let mut input = Summed { input, sum: Sha256::new() };
    let mut magic = [0; MAGIC.len()];
    match input.fill(&mut magic) {
        Ok(()) if magic == MAGIC => {}
        Ok(()) | Err(Flaw::Damaged(_)) => {
            return Err(Flaw::NotAnExport(text!("export-magic")));
        }
        Err(other) => return Err(other),
    }
    match input.u32()? {
        VERSION => {}
        0 => return damaged(text!("export-format-0")),
        newer => return Err(Flaw::TooNew(newer)),
    }
    let len = input.u32()?;
    if len > MAX_MANIFEST {
        return damaged(text!("export-manifest-too-long", len));
    }
    let mut text = vec![0; usize::try_from(len).unwrap_or_default()];
    input.fill(&mut text)?;
    let Summed { input, sum } = input;
    let sum: [u8; 32] = sum.finalize().into();
    let mut said = [0; 32];
    read(input, &mut said)?;
    if said != sum {
        return damaged(text!("export-manifest-checksum"));
    }
    let manifest: Manifest = match serde_json::from_slice(&text) {
        Ok(manifest) => manifest,
        Err(e) => return damaged(text!("export-manifest-unreadable", error = e)),
    };
    manifest.check()?;
    Ok((manifest, sum))
}

/// A member's checksum begins with that of the manifest and its number: no member of another file, or another member, has it.
fn member_sum(manifest: &[u8; 32], index: usize) -> Sha256 {
    let number = u64::try_from(index).unwrap_or(u64::MAX);
    Sha256::new().chain_update(manifest).chain_update(number.to_le_bytes())
}

/// The rest of a file, to its end.
pub(super) fn read_members(
    input: &mut impl Read,
    manifest: &Manifest,
    sum: &[u8; 32],
    sink: &mut impl Sink,
) -> Result<(), Flaw> {
    let mut buffer = vec![0; usize::try_from(PIECE).unwrap_or_default()];
    for (index, member) in manifest.members.iter().enumerate() {
        let name = &member.name;
        sink.begin(member).map_err(Flaw::Write)?;
        let mut framed = Summed { input: &mut *input, sum: member_sum(sum, index) };
        let mut next = 0;
        loop {
            let (at, len) = (framed.u64()?, u64::from(framed.u32()?));
            if len == 0 {
                if at != member.len {
                    return damaged(text!("export-part-end", part = name, at, wanted = member.len));
                }
                break;
            }
            let end = at.checked_add(len).filter(|end| *end <= member.len && len <= PIECE);
            let Some(end) =
                end.filter(|end| at >= next && at % ALIGN == 0 && (end % ALIGN == 0 || *end == member.len))
            else {
                return damaged(text!("export-part-piece", part = name, len, at));
            };
            let part = buffer.get_mut(..usize::try_from(len).unwrap_or_default()).unwrap_or_default();
            framed.fill(part)?;
            sink.piece(at, part).map_err(Flaw::Write)?;
            sink.passed(end - next);
            next = end;
        }
        sink.passed(member.len - next);
        let Summed { input, sum } = framed;
        let mut said = [0; 32];
        read(input, &mut said)?;
        if said != <[u8; 32]>::from(sum.finalize()) {
            return damaged(text!("export-part-checksum", part = name));
        }
        sink.end().map_err(Flaw::Write)?;
    }
    match input.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => damaged(text!("export-more-follows")),
        Err(e) => Err(Flaw::Read(e)),
    }
}

/// Writes a file.
pub(super) struct Writer<W> {
    output: W,
    manifest: [u8; 32],
    index: usize,
    sum: Sha256,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(mut output: W, manifest: &Manifest) -> io::Result<Self> {
        let text = serde_json::to_vec(manifest)?;
        let len = u32::try_from(text.len()).ok().filter(|len| *len <= MAX_MANIFEST);
        let len = len.ok_or_else(|| io::Error::other(text!("export-manifest-long")))?;
        let head = [&MAGIC[..], &VERSION.to_le_bytes(), &len.to_le_bytes(), &text].concat();
        let sum: [u8; 32] = Sha256::digest(&head).into();
        output.write_all(&head)?;
        output.write_all(&sum)?;
        Ok(Self { output, manifest: sum, index: 0, sum: member_sum(&sum, 0) })
    }

    pub(super) fn piece(&mut self, at: u64, octets: &[u8]) -> io::Result<()> {
        let len = u32::try_from(octets.len()).map_err(io::Error::other)?;
        for part in [&at.to_le_bytes()[..], &len.to_le_bytes(), octets] {
            self.output.write_all(part)?;
            self.sum.update(part);
        }
        Ok(())
    }

    pub(super) fn end_member(&mut self, len: u64) -> io::Result<()> {
        self.piece(len, &[])?;
        self.index += 1;
        let sum = std::mem::replace(&mut self.sum, member_sum(&self.manifest, self.index));
        self.output.write_all(&sum.finalize())
    }

    pub(super) fn finish(self) -> W {
        self.output
    }
}

/// Takes nothing.
pub(super) struct Nowhere;

impl Sink for Nowhere {
    fn begin(&mut self, _: &Member) -> crate::Result<()> {
        Ok(())
    }
    fn piece(&mut self, _: u64, _: &[u8]) -> crate::Result<()> {
        Ok(())
    }
    fn passed(&mut self, _: u64) {}
    fn end(&mut self) -> crate::Result<()> {
        Ok(())
    }
}

/// Reads a file to its end and checks it, without making anything of it.
///
/// # Errors
/// See [`Flaw`].
pub fn check_export(mut input: impl Read) -> Result<Manifest, Flaw> {
    let (manifest, sum) = read_manifest(&mut input)?;
    read_members(&mut input, &manifest, &sum, &mut Nowhere)?;
    Ok(manifest)
}

/// A file from a manifest's text and what shall follow it, with the right checksum between them: for tests of what lies behind it.
#[doc(hidden)]
#[must_use]
pub fn forged_export(manifest: &[u8], rest: &[u8]) -> Vec<u8> {
    let len = u32::try_from(manifest.len()).unwrap_or(u32::MAX);
    let head = [&MAGIC[..], &VERSION.to_le_bytes(), &len.to_le_bytes(), manifest].concat();
    [&head[..], &Sha256::digest(&head), rest].concat()
}
