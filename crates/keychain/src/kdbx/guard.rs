//! What is looked at in a KeePass file before the crate that opens it sees a byte: its shape, and what its header makes the
//! opener spend. The header is read before the password can be checked, so whoever wrote the file decides on memory and
//! time; and the crate takes some lengths on trust.

use core::fmt;
use sigillo_messages::{Words, text, words};

use sigillo_store::seal;

/// The longest file, in bytes.
pub const MAX_FILE_LEN: usize = 16 * 1024 * 1024;
/// The longest header, in bytes: ours have 253.
const MAX_HEADER_LEN: usize = 64 * 1024;
/// Argon2: the most memory, in bytes.
const MAX_MEMORY: u64 = 1024 * 1024 * 1024;
/// Argon2: the most passes over it.
const MAX_ITERATIONS: u64 = 100;
/// Argon2: the most memory times passes, in bytes: about half a minute.
const MAX_WORK: u64 = 32 * 1024 * 1024 * 1024;
/// Argon2: the most lanes, each a thread.
const MAX_PARALLELISM: u32 = 16;
/// AES-KDF: the most rounds.
const MAX_ROUNDS: u64 = 100_000_000;

const SIGNATURE_1: [u8; 4] = [0x03, 0xd9, 0xa2, 0x9a];
const SIGNATURE_2: [u8; 4] = [0x67, 0xfb, 0x4b, 0xb5];

const AES_256: [u8; 16] = 0x31c1_f2e6_bf71_4350_be58_0521_6afc_5aff_u128.to_be_bytes();
const TWOFISH: [u8; 16] = 0xad68_f29f_576f_4bb9_a36a_d47a_f965_346c_u128.to_be_bytes();
const CHACHA20: [u8; 16] = 0xd603_8a2b_8b6f_4cb5_a524_339a_31db_b59a_u128.to_be_bytes();
const AES_KDF_3: [u8; 16] = 0xc9d9_f39a_628a_4460_bf74_0d08_c18a_4fea_u128.to_be_bytes();
const AES_KDF_4: [u8; 16] = 0x7c02_bb82_79a7_4ac0_927d_114a_0064_8238_u128.to_be_bytes();
const ARGON2D: [u8; 16] = 0xef63_6ddf_8c29_444b_91f7_a9a4_03e3_0a0c_u128.to_be_bytes();
const ARGON2ID: [u8; 16] = 0x9e29_8b19_56db_4773_b23d_fc3e_c6f0_a1e6_u128.to_be_bytes();

/// Why a file is not given to the crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuardError {
    /// Another kind of file.
    NotADatabase,
    /// A KeePass file of a kind that is not opened.
    Unsupported(Words),
    /// What does not hold.
    Damaged(Words),
    /// What opening it would take.
    TooCostly(String),
}

/// Which format a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// KDBX 3.1: read only; its header is authenticated by a hash inside.
    Kdbx3,
    /// KDBX 4.
    Kdbx4,
}

/// How the key comes from the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kdf {
    /// AES-KDF.
    Aes {
        /// How often.
        rounds: u64,
    },
    /// Argon2d or Argon2id.
    Argon2 {
        /// Argon2id, which also resists what watches the cache.
        id: bool,
        /// Bytes.
        memory: u64,
        /// Passes.
        iterations: u64,
        /// Lanes.
        parallelism: u32,
    },
}

impl fmt::Display for Kdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kdf::Aes { rounds } => write!(f, "{}", text!("kdf-aes", #rounds)),
            Kdf::Argon2 { id, memory, iterations, parallelism } => {
                let letter = if *id { "id" } else { "d" };
                write!(f, "{}", text!("kdf-argon2", letter, memory = memory >> 20, iterations, parallelism))
            }
        }
    }
}

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The format.
    pub version: Version,
    /// How the key comes from the password.
    pub kdf: Kdf,
    /// Bytes of the header.
    pub header_len: usize,
}

const CUT: GuardError = GuardError::Damaged(words!("file-cut"));
const BAD_FIELD: GuardError = GuardError::Damaged(words!("kdbx-bad-field"));
const BAD_KDF: GuardError = GuardError::Damaged(words!("kdbx-bad-kdf"));

/// Checks a whole file without its password. Allocates nothing that grows with what the file says.
///
/// # Errors
/// See [`GuardError`].
pub fn check(bytes: &[u8]) -> Result<Outline, GuardError> {
    if bytes.len() > MAX_FILE_LEN {
        return Err(GuardError::TooCostly(text!("costly-file", limit = MAX_FILE_LEN >> 20)));
    }
    let mut reader = Reader(bytes);
    if reader.array() != Ok(SIGNATURE_1) {
        return Err(GuardError::NotADatabase);
    }
    if reader.array()? != SIGNATURE_2 {
        return Err(GuardError::Unsupported(words!("kdbx-old-format")));
    }
    let (minor, major) = (reader.u16()?, reader.u16()?);
    let fields = match (major, minor) {
        (3, _) => read_header::<2>(&mut reader)?,
        (4, 0 | 1) => read_header::<4>(&mut reader)?,
        (0..=2, _) => return Err(GuardError::Unsupported(words!("kdbx-before-3"))),
        _ => return Err(GuardError::Unsupported(words!("kdbx-after-4"))),
    };
    let header_len = bytes.len() - reader.0.len();
    if header_len > MAX_HEADER_LEN {
        return Err(GuardError::TooCostly(text!("costly-header", len = header_len)));
    }
    let cipher = fields.one(2)?.ok_or(BAD_FIELD)?;
    let iv_len = match <[u8; 16]>::try_from(cipher) {
        Ok(AES_256 | TWOFISH) => 16,
        Ok(CHACHA20) => 12,
        _ => return Err(GuardError::Unsupported(words!("kdbx-cipher"))),
    };
    fields.exactly(7, iv_len)?;
    fields.exactly(4, 32)?;
    let compression = fields.exactly(3, 4)?;
    if !matches!(compression, [0 | 1, 0, 0, 0]) {
        return Err(GuardError::Unsupported(words!("kdbx-compression")));
    }
    let (version, kdf) = if major == 3 {
        (Version::Kdbx3, kdbx3(&fields, reader.0)?)
    } else {
        (Version::Kdbx4, kdbx4(&fields, bytes, header_len, reader)?)
    };
    let outline = Outline { version, kdf, header_len };
    affordable(&outline.kdf)?;
    Ok(outline)
}

fn kdbx3(fields: &Fields<'_>, payload: &[u8]) -> Result<Kdf, GuardError> {
    fields.exactly(5, 32)?;
    fields.exactly(8, 32)?;
    fields.exactly(9, 32)?;
    if !matches!(fields.exactly(10, 4)?, [0 | 2 | 3, 0, 0, 0]) {
        return Err(GuardError::Unsupported(words!("kdbx-protection")));
    }
    let rounds = fields.exactly(6, 8)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    if payload.is_empty() {
        return Err(CUT);
    }
    Ok(Kdf::Aes { rounds: rounds.ok_or(BAD_FIELD)? })
}

fn kdbx4(
    fields: &Fields<'_>,
    bytes: &[u8],
    header_len: usize,
    mut rest: Reader<'_>,
) -> Result<Kdf, GuardError> {
    let kdf = read_kdf(fields.one(11)?.ok_or(BAD_KDF)?)?;
    if let Some(custom) = fields.one(12)? {
        Dictionary(custom).each(|_, _, _| Ok(()))?;
    }
    let header = bytes.get(..header_len).ok_or(CUT)?;
    if rest.array()? != seal::sha256(&[header]) {
        return Err(GuardError::Damaged(words!("kdbx-header-checksum")));
    }
    let _hmac: [u8; 32] = rest.array()?;
    // The last block is empty: without it, an end that was cut off at a block's edge would go unnoticed.
    loop {
        let _hmac: [u8; 32] = rest.array()?;
        let len = u32::from_le_bytes(rest.array()?);
        rest.take(usize::try_from(len).map_err(|_| CUT)?)?;
        if len == 0 {
            break;
        }
    }
    if !rest.0.is_empty() {
        return Err(GuardError::Damaged(words!("kdbx-something-added")));
    }
    Ok(kdf)
}

fn affordable(kdf: &Kdf) -> Result<(), GuardError> {
    let too_costly = |what: String| Err(GuardError::TooCostly(what));
    match *kdf {
        Kdf::Aes { rounds } if rounds > MAX_ROUNDS => too_costly(text!("costly-rounds", rounds)),
        Kdf::Aes { .. } => Ok(()),
        Kdf::Argon2 { memory, iterations, parallelism, .. } => {
            if memory > MAX_MEMORY {
                return too_costly(text!("costly-memory", memory = memory >> 20));
            }
            if iterations > MAX_ITERATIONS {
                return too_costly(text!("costly-passes", iterations));
            }
            if parallelism > MAX_PARALLELISM {
                return too_costly(text!("costly-lanes", parallelism));
            }
            if memory.saturating_mul(iterations) > MAX_WORK {
                return too_costly(text!("costly-work", iterations, memory = memory >> 20));
            }
            // Argon2 itself asks for these; a number below is a slip or a trick.
            if parallelism == 0 || iterations == 0 || memory < 8 * 1024 * u64::from(parallelism) {
                return Err(BAD_KDF);
            }
            Ok(())
        }
    }
}

fn read_kdf(bytes: &[u8]) -> Result<Kdf, GuardError> {
    let (mut id, mut salt) = (None, None);
    let (mut memory, mut iterations, mut parallelism, mut version, mut rounds) =
        (None, None, None, None, None);
    Dictionary(bytes).each(|name, kind, value| {
        // Each name once, each with the type that KeePass writes: the crate looks them up by name and type.
        let first = match (name, kind) {
            (b"$UUID", BYTES) => id.replace(<[u8; 16]>::try_from(value).map_err(|_| BAD_KDF)?).is_none(),
            (b"S", BYTES) => salt.replace(value.len()).is_none(),
            (b"M", U64) => memory.replace(number(value)?).is_none(),
            (b"I", U64) => iterations.replace(number(value)?).is_none(),
            (b"R", U64) => rounds.replace(number(value)?).is_none(),
            (b"P", U32) => parallelism.replace(small_number(value)?).is_none(),
            (b"V", U32) => version.replace(small_number(value)?).is_none(),
            (b"K" | b"A", _) => {
                return Err(GuardError::Unsupported(words!("kdbx-secret")));
            }
            _ => return Err(BAD_KDF),
        };
        if first { Ok(()) } else { Err(BAD_KDF) }
    })?;
    let salt = salt.ok_or(BAD_KDF)?;
    match id.ok_or(BAD_KDF)? {
        AES_KDF_3 | AES_KDF_4 if salt == 32 => Ok(Kdf::Aes { rounds: rounds.ok_or(BAD_KDF)? }),
        kind @ (ARGON2D | ARGON2ID) if (8..=64).contains(&salt) && matches!(version, Some(0x10 | 0x13)) => {
            Ok(Kdf::Argon2 {
                id: kind == ARGON2ID,
                memory: memory.ok_or(BAD_KDF)?,
                iterations: iterations.ok_or(BAD_KDF)?,
                parallelism: parallelism.ok_or(BAD_KDF)?,
            })
        }
        AES_KDF_3 | AES_KDF_4 | ARGON2D | ARGON2ID => Err(BAD_KDF),
        _ => Err(GuardError::Unsupported(words!("kdbx-kdf"))),
    }
}

fn number(value: &[u8]) -> Result<u64, GuardError> {
    value.try_into().map(u64::from_le_bytes).map_err(|_| BAD_KDF)
}

fn small_number(value: &[u8]) -> Result<u32, GuardError> {
    value.try_into().map(u32::from_le_bytes).map_err(|_| BAD_KDF)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], GuardError> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(CUT)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GuardError> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(CUT)?;
        self.0 = tail;
        Ok(*head)
    }

    fn u16(&mut self) -> Result<u16, GuardError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// A length, of 2 or 4 bytes.
    fn len<const N: usize>(&mut self) -> Result<usize, GuardError> {
        let mut wide = [0; 8];
        let bytes: [u8; N] = self.array()?;
        wide.get_mut(..N).ok_or(CUT)?.copy_from_slice(&bytes);
        usize::try_from(u64::from_le_bytes(wide)).map_err(|_| CUT)
    }
}

/// The header's fields by their number.
struct Fields<'a>([Option<&'a [u8]>; 13]);

impl<'a> Fields<'a> {
    fn one(&self, number: usize) -> Result<Option<&'a [u8]>, GuardError> {
        self.0.get(number).copied().ok_or(BAD_FIELD)
    }

    fn exactly(&self, number: usize, len: usize) -> Result<&'a [u8], GuardError> {
        self.one(number)?.filter(|value| value.len() == len).ok_or(BAD_FIELD)
    }
}

/// Reads the header with lengths of `N` bytes up to its end.
fn read_header<'a, const N: usize>(reader: &mut Reader<'a>) -> Result<Fields<'a>, GuardError> {
    let mut fields = Fields([None; 13]);
    loop {
        let [number] = reader.array()?;
        let len = reader.len::<N>()?;
        let value = reader.take(len)?;
        match number {
            0 => return Ok(fields),
            1 => {}
            number => {
                let place = fields
                    .0
                    .get_mut(usize::from(number))
                    .ok_or(GuardError::Unsupported(words!("kdbx-unknown-field")))?;
                // The crate takes the last of two; what was checked must be what is used.
                if place.replace(value).is_some() {
                    return Err(GuardError::Damaged(words!("kdbx-field-twice")));
                }
            }
        }
    }
}

const U32: u8 = 0x04;
const U64: u8 = 0x05;
const BYTES: u8 = 0x42;

/// KeePass's dictionary of typed values.
struct Dictionary<'a>(&'a [u8]);

impl<'a> Dictionary<'a> {
    fn each(
        self,
        mut entry: impl FnMut(&'a [u8], u8, &'a [u8]) -> Result<(), GuardError>,
    ) -> Result<(), GuardError> {
        let mut reader = Reader(self.0);
        if reader.u16()? != 0x0100 {
            return Err(BAD_KDF);
        }
        loop {
            let [kind] = reader.array()?;
            if kind == 0 {
                return if reader.0.is_empty() { Ok(()) } else { Err(BAD_KDF) };
            }
            let name_len = reader.len::<4>()?;
            let name = reader.take(name_len)?;
            let value_len = reader.len::<4>()?;
            let value = reader.take(value_len)?;
            let right = match kind {
                U32 | 0x0c => value_len == 4,
                U64 | 0x0d => value_len == 8,
                0x08 => value_len == 1,
                0x18 | BYTES => true,
                _ => false,
            };
            if !right {
                return Err(BAD_KDF);
            }
            entry(name, kind, value)?;
        }
    }
}
