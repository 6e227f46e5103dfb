//! State blobs: a TPM's state on its way to another process, and back.
//!
//! ```text
//! offset  bytes  meaning (integers big-endian)
//! 0       8      "SIGSTATE"
//! 8       2      version, 1
//! 10      1      what: 1 permanent, 2 volatile
//! 11      1      sealed under: 0 nothing, 1 the state's own key, 2 the migration key
//! 12      4      length of the state, in bytes
//! 16      32     salt; zero where nothing is sealed
//! 48      n      the state, or its AES-128-GCM ciphertext; the header is authenticated with it
//! 48+n    32/16  SHA-256 of all before, or the GCM tag
//! ```

use sigillo_messages::text;
use sigillo_store::Secret;
use sigillo_store::seal;
use zeroize::Zeroizing;

use crate::bytes::{Reader, len_from_u32, len_to_u32};
use crate::control::BlobKind;
use crate::key::KeyMaterial;

const MAGIC: &[u8; 8] = b"SIGSTATE";
const VERSION: u16 = 1;
const DIGEST_LEN: usize = 32;

/// Which key a blob is sealed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// None: it is readable by whoever sees it.
    None,
    /// The key of the state itself.
    StateKey,
    /// The key both ends of a migration were given.
    MigrationKey,
}

impl Sealing {
    fn number(self) -> u8 {
        match self {
            Sealing::None => 0,
            Sealing::StateKey => 1,
            Sealing::MigrationKey => 2,
        }
    }
}

/// Why a blob is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// Not a blob of ours, or cut, or changed.
    #[error("{}", text!("blob-not-whole"))]
    Malformed,
    /// A later release made it.
    #[error("{}", text!("blob-version"))]
    Version,
    /// Sealed under a key that was not given, or is another.
    #[error("{}", text!("blob-other-key"))]
    Key,
    /// Not sealed although a migration key was given.
    #[error("{}", text!("blob-not-sealed"))]
    NotSealed,
    /// The host had no entropy or memory to seal with.
    #[error("{}", text!("blob-sealing-failed"))]
    Seal,
}

/// The keys blobs may be sealed under.
#[derive(Clone, Debug, Default)]
pub struct BlobKeys {
    /// The key of the state itself.
    pub state: Option<KeyMaterial>,
    /// The key both ends of a migration share. Where there is one, only blobs sealed under it are taken.
    pub migration: Option<KeyMaterial>,
}

impl BlobKeys {
    /// How a blob leaves: under the migration key if there is one, else under the state's own key unless the
    /// caller wants it open.
    pub fn sealing(&self, decrypted: bool) -> Sealing {
        match (&self.migration, &self.state) {
            (Some(_), _) => Sealing::MigrationKey,
            (None, Some(_)) if !decrypted => Sealing::StateKey,
            (None, _) => Sealing::None,
        }
    }

    fn material(&self, sealing: Sealing) -> Option<&KeyMaterial> {
        match sealing {
            Sealing::None => None,
            Sealing::StateKey => self.state.as_ref(),
            Sealing::MigrationKey => self.migration.as_ref(),
        }
    }
}

fn kind_number(kind: BlobKind) -> u8 {
    match kind {
        BlobKind::Permanent => 1,
        BlobKind::Volatile => 2,
        BlobKind::SaveState => 3,
    }
}

fn key(material: &KeyMaterial, salt: &[u8]) -> Result<Secret, BlobError> {
    let password = material.password(salt).map_err(|_| BlobError::Seal)?;
    seal::derive(password.expose(), salt, &[b"sigillo state blob 1"], 16).map_err(|_| BlobError::Seal)
}

/// Makes a blob of a state.
///
/// # Errors
/// [`BlobError::Seal`].
pub fn pack(
    kind: BlobKind,
    state: &[u8],
    keys: &BlobKeys,
    decrypted: bool,
) -> Result<Zeroizing<Vec<u8>>, BlobError> {
    let sealing = keys.sealing(decrypted);
    let material = keys.material(sealing);
    let salt = match material {
        Some(_) => seal::fresh_salt().map_err(|_| BlobError::Seal)?,
        None => [0; seal::SALT_LEN],
    };
    let mut header = Vec::with_capacity(48);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_be_bytes());
    header.extend_from_slice(&[kind_number(kind), sealing.number()]);
    header.extend_from_slice(&len_to_u32(state.len()).to_be_bytes());
    header.extend_from_slice(&salt);

    let mut out = Zeroizing::new(Vec::with_capacity(state.len().saturating_add(96)));
    out.extend_from_slice(&header);
    match material {
        Some(material) => {
            let mut body = Zeroizing::new(Vec::with_capacity(state.len().saturating_add(seal::TAG_LEN)));
            body.extend_from_slice(state);
            // The key is of this blob alone, so its only nonce may be zero.
            seal::seal(&key(material, &salt)?, [0; seal::NONCE_LEN], &header, &mut body)
                .map_err(|_| BlobError::Seal)?;
            out.extend_from_slice(&body);
        }
        None => {
            out.extend_from_slice(state);
            out.extend_from_slice(&seal::sha256(&[&header, state]));
        }
    }
    Ok(out)
}

/// The state a blob holds.
///
/// # Errors
/// See [`BlobError`].
pub fn unpack(kind: BlobKind, blob: &[u8], keys: &BlobKeys) -> Result<Zeroizing<Vec<u8>>, BlobError> {
    let mut reader = Reader::new(blob);
    if reader.array::<8>().as_ref() != Some(MAGIC) {
        return Err(BlobError::Malformed);
    }
    if reader.u16().ok_or(BlobError::Malformed)? != VERSION {
        return Err(BlobError::Version);
    }
    if reader.u8() != Some(kind_number(kind)) {
        return Err(BlobError::Malformed);
    }
    let sealing = match reader.u8() {
        Some(0) => Sealing::None,
        Some(1) => Sealing::StateKey,
        Some(2) => Sealing::MigrationKey,
        _ => return Err(BlobError::Malformed),
    };
    let len = len_from_u32(reader.u32().ok_or(BlobError::Malformed)?);
    let salt = reader.array::<{ seal::SALT_LEN }>().ok_or(BlobError::Malformed)?;
    let body = reader.rest();
    let header = blob.get(..blob.len().saturating_sub(body.len())).ok_or(BlobError::Malformed)?;
    if keys.migration.is_some() && sealing != Sealing::MigrationKey {
        return Err(if sealing == Sealing::None { BlobError::NotSealed } else { BlobError::Key });
    }
    if sealing == Sealing::None {
        let (state, digest) = body.split_at_checked(len).ok_or(BlobError::Malformed)?;
        let whole = digest.len() == DIGEST_LEN && digest == seal::sha256(&[header, state]);
        return if whole { Ok(Zeroizing::new(state.to_vec())) } else { Err(BlobError::Malformed) };
    }
    if body.len() != len.saturating_add(seal::TAG_LEN) {
        return Err(BlobError::Malformed);
    }
    let material = keys.material(sealing).ok_or(BlobError::Key)?;
    seal::open(&key(material, &salt)?, [0; seal::NONCE_LEN], header, body).map_err(|_| BlobError::Key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(state: Option<u8>, migration: Option<u8>) -> BlobKeys {
        let material = |byte| KeyMaterial::Random(Secret::from_slice(&[byte; 16]));
        BlobKeys { state: state.map(material), migration: migration.map(material) }
    }

    #[test]
    fn a_blob_unpacks_under_every_sealing() {
        for (keys, decrypted) in [
            (keys(None, None), true),
            (keys(Some(1), None), true),
            (keys(Some(1), None), false),
            (keys(Some(1), Some(2)), true),
        ] {
            let blob = pack(BlobKind::Volatile, b"the state", &keys, decrypted).unwrap();
            assert_eq!(**unpack(BlobKind::Volatile, &blob, &keys).as_ref().unwrap(), b"the state");
            let open = blob.windows(9).any(|window| window == b"the state");
            assert_eq!(open, keys.sealing(decrypted) == Sealing::None);
        }
    }

    #[test]
    fn every_length_and_every_flipped_bit_is_refused() {
        for keys in [keys(None, None), keys(Some(1), None)] {
            let blob = pack(BlobKind::Permanent, b"state", &keys, false).unwrap();
            for len in 0..blob.len() {
                assert!(unpack(BlobKind::Permanent, &blob[..len], &keys).is_err());
            }
            let mut longer = blob.to_vec();
            longer.push(0);
            assert!(unpack(BlobKind::Permanent, &longer, &keys).is_err());
            for bit in 0..blob.len() * 8 {
                let mut bad = blob.to_vec();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(unpack(BlobKind::Permanent, &bad, &keys).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_permanent_blob_is_not_taken_for_a_volatile_one() {
        let blob = pack(BlobKind::Permanent, b"state", &BlobKeys::default(), true).unwrap();
        assert_eq!(unpack(BlobKind::Volatile, &blob, &BlobKeys::default()), Err(BlobError::Malformed));
    }

    #[test]
    fn with_a_migration_key_an_open_blob_is_not_taken() {
        let open = pack(BlobKind::Permanent, b"state", &keys(None, None), true).unwrap();
        assert_eq!(unpack(BlobKind::Permanent, &open, &keys(None, Some(3))), Err(BlobError::NotSealed));
        let other = pack(BlobKind::Permanent, b"state", &keys(None, Some(4)), true).unwrap();
        assert_eq!(unpack(BlobKind::Permanent, &other, &keys(None, Some(3))), Err(BlobError::Key));
    }
}
