//! The keychain file, to the byte, as pure functions of bytes. `docs/state-format.md` is the same in words.

use sigillo_messages::{Words, words};
use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use sigillo_store::seal;
use sigillo_store::{KeyId, Secret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::provider::ProviderKind;
use crate::record::{Record, RecordName};

/// First bytes of the file.
pub const MAGIC: [u8; 16] = *b"sigillo-keyc\r\n\x1a\n";
/// The only format so far.
pub const VERSION: u16 = 1;
/// Bytes of the header.
pub const HEADER_LEN: usize = 256;
/// The longest file that is read or written, in bytes.
pub const MAX_FILE_LEN: usize = 16 * 1024 * 1024;
/// The sealed part is padded to a multiple of this.
const BUCKET: usize = 4096;
const ALGORITHM_AES_256_GCM: u16 = 2;
const LENGTH_PREFIX: usize = 4;

/// Why bytes are not a keychain file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// Another kind of file.
    NotAKeychain,
    /// A later program wrote it.
    TooNew(u16),
    /// What does not hold.
    Damaged(Words),
}

/// The clear front of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// Where the key comes from.
    pub provider: ProviderKind,
    /// Random, made with the keychain, never changed.
    pub uuid: [u8; 16],
    /// Counts writes.
    pub revision: u64,
    /// Drawn for this write alone.
    pub salt: [u8; 32],
    /// Derived beside the sealing key: tells a wrong key from damage.
    pub check: [u8; 32],
    /// Bytes after the header.
    pub sealed_len: u32,
}

impl FileHeader {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&ALGORITHM_AES_256_GCM.to_le_bytes());
        out.extend_from_slice(&self.provider.number().to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.sealed_len.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.uuid);
        out.extend_from_slice(&self.revision.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.check);
        out.resize(HEADER_LEN - 32, 0);
        let checksum = seal::sha256(&[&out]);
        out.extend_from_slice(&checksum);
        out
    }

    fn keys(&self, host_key: &Secret) -> Result<(Secret, [u8; 32]), seal::SealError> {
        let derive = |label: &[u8]| seal::derive(host_key.expose(), &self.salt, &[label, &self.uuid], 32);
        let check = derive(b"sigillo-keychain-1 check")?;
        let check = check.expose().first_chunk::<32>().ok_or(seal::SealError)?;
        Ok((derive(b"sigillo-keychain-1 seal")?, *check))
    }
}

/// Parses and checks the file's front; answers it and the sealed part. Whether that is genuine only opening can say.
///
/// # Errors
/// See [`FormatError`].
pub fn parse_file(bytes: &[u8]) -> Result<(FileHeader, &[u8]), FormatError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(FormatError::NotAKeychain);
    }
    let (header, sealed) =
        bytes.split_first_chunk::<HEADER_LEN>().ok_or(FormatError::Damaged(words!("file-cut")))?;
    let (covered, checksum) =
        header.split_last_chunk::<32>().ok_or(FormatError::Damaged(words!("file-cut")))?;
    if seal::sha256(&[covered]) != *checksum {
        return Err(FormatError::Damaged(words!("store-header-checksum")));
    }
    let mut reader = Fields(covered.get(MAGIC.len()..).unwrap_or_default());
    let version = reader.u16().unwrap_or(0);
    if version > VERSION {
        return Err(FormatError::TooNew(version));
    }
    let header =
        parse_fields(version, &mut reader).ok_or(FormatError::Damaged(words!("keychain-header-value")))?;
    if usize::try_from(header.sealed_len) != Ok(sealed.len()) {
        return Err(FormatError::Damaged(words!("keychain-cut")));
    }
    Ok((header, sealed))
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn zeros<const N: usize>(&mut self) -> Option<()> {
        (self.array::<N>()? == [0; N]).then_some(())
    }
}

fn parse_fields(version: u16, reader: &mut Fields<'_>) -> Option<FileHeader> {
    if version != VERSION || reader.u16()? != ALGORITHM_AES_256_GCM {
        return None;
    }
    let provider = ProviderKind::from_number(reader.u16()?)?;
    reader.zeros::<2>()?;
    let sealed_len = u32::from_le_bytes(reader.array()?);
    reader.zeros::<4>()?;
    let uuid = reader.array()?;
    let revision = u64::from_le_bytes(reader.array()?);
    reader.zeros::<8>()?;
    let salt = reader.array()?;
    let check = reader.array()?;
    reader.zeros::<96>()?;
    Some(FileHeader { provider, uuid, revision, salt, check, sealed_len })
}

/// Why a file did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Sealed under another key.
    WrongKey,
    /// What does not hold.
    Damaged(Words),
}

/// Opens the sealed part.
///
/// # Errors
/// See [`OpenError`].
pub fn open(
    header: &FileHeader,
    sealed: &[u8],
    host_key: &Secret,
) -> Result<BTreeMap<RecordName, Record>, OpenError> {
    use subtle::ConstantTimeEq;
    let (key, check) = header.keys(host_key).map_err(|_| OpenError::WrongKey)?;
    if !bool::from(check.ct_eq(&header.check)) {
        return Err(OpenError::WrongKey);
    }
    let plain = seal::open(&key, [0; seal::NONCE_LEN], &header.to_bytes(), sealed)
        .map_err(|_| OpenError::Damaged(words!("keychain-records-unverified")))?;
    parse_records(&plain).ok_or(OpenError::Damaged(words!("keychain-records-no-sense")))
}

/// Seals records under a fresh salt; `None` if they are too many for a file.
///
/// # Errors
/// The operating system gave no random bytes.
pub fn seal_records(
    provider: ProviderKind,
    uuid: [u8; 16],
    revision: u64,
    host_key: &Secret,
    records: &BTreeMap<RecordName, Record>,
) -> Result<Option<Vec<u8>>, sigillo_store::EntropyError> {
    let mut header =
        FileHeader { provider, uuid, revision, salt: seal::fresh_salt()?, check: [0; 32], sealed_len: 0 };
    let mut build = || {
        let mut body = encode_records(records)?;
        let sealed_len = body.len().checked_add(seal::TAG_LEN)?;
        if sealed_len > MAX_FILE_LEN - HEADER_LEN {
            return None;
        }
        let (key, check) = header.keys(host_key).ok()?;
        header.check = check;
        header.sealed_len = u32::try_from(sealed_len).ok()?;
        let front = header.to_bytes();
        // The key comes from a salt drawn for this one sealing, so the nonce may be fixed.
        seal::seal(&key, [0; seal::NONCE_LEN], &front, &mut body).ok()?;
        let mut out = front;
        out.extend_from_slice(&body);
        Some(out)
    };
    Ok(build())
}

/// Numbers are never used again for something else; a missing text is empty.
#[derive(Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
struct StoredRecord {
    #[n(0)]
    name: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    key_id: [u8; 16],
    #[cbor(n(2), with = "minicbor::bytes")]
    secret: Vec<u8>,
    #[n(3)]
    created_unix_s: u64,
    #[n(4)]
    host: Option<String>,
    #[n(5)]
    comment: Option<String>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Body {
    #[n(0)]
    records: Vec<StoredRecord>,
}

fn encode_records(records: &BTreeMap<RecordName, Record>) -> Option<Zeroizing<Vec<u8>>> {
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let body = Body {
        records: records
            .values()
            .map(|record| StoredRecord {
                name: record.name.to_string(),
                key_id: *record.key_id.as_bytes(),
                secret: record.secret.expose().to_vec(),
                created_unix_s: record.created_unix_s,
                host: text(&record.host),
                comment: text(&record.comment),
            })
            .collect(),
    };
    // Room for the largest records, so that the buffer never moves and leaves passwords behind.
    let room = records.len().checked_mul(2048)?.checked_add(2 * BUCKET)?;
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    out.extend_from_slice(&[0; LENGTH_PREFIX]);
    minicbor::encode(&body, &mut *out).ok()?;
    let length = u32::try_from(out.len().checked_sub(LENGTH_PREFIX)?).ok()?;
    *out.first_chunk_mut::<LENGTH_PREFIX>()? = length.to_le_bytes();
    let padded = out.len().checked_next_multiple_of(BUCKET)?;
    out.resize(padded, 0);
    Some(out)
}

/// Parses the opened part of a keychain file: `None` if it is not our writing.
pub fn parse_records(plain: &[u8]) -> Option<BTreeMap<RecordName, Record>> {
    let (length, rest) = plain.split_first_chunk::<LENGTH_PREFIX>()?;
    let (encoded, padding) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    if padding.iter().any(|byte| *byte != 0) {
        return None;
    }
    let mut decoder = minicbor::Decoder::new(encoded);
    let body: Body = decoder.decode().ok()?;
    if decoder.position() != encoded.len() {
        return None;
    }
    let mut records = BTreeMap::new();
    for stored in body.records {
        let record = Record {
            name: stored.name.parse().ok()?,
            key_id: KeyId::from(stored.key_id),
            secret: Secret::from_slice(&stored.secret),
            created_unix_s: stored.created_unix_s,
            host: stored.host.clone().unwrap_or_default(),
            comment: stored.comment.clone().unwrap_or_default(),
        };
        record.validate().ok()?;
        if records.insert(record.name, record).is_some() {
            return None;
        }
    }
    Some(records)
}
