//! What opens a store, and how a store names it.

use core::fmt;
use core::str::FromStr;

use crate::secret::{EntropyError, Secret, random};

/// Names the password of a store without saying anything about it: 16 random bytes, kept in the store's header
/// and in the keychain record, so that a wrong record is recognised before it is tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// A new random id.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub fn random() -> Result<Self, EntropyError> {
        let mut bytes = [0; 16];
        random(&mut bytes)?;
        Ok(KeyId(bytes))
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for KeyId {
    fn from(bytes: [u8; 16]) -> Self {
        KeyId(bytes)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The text is not 32 hexadecimal digits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 32 hexadecimal digits")]
pub struct KeyIdParseError;

impl FromStr for KeyId {
    type Err = KeyIdParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(KeyIdParseError);
        }
        u128::from_str_radix(text, 16).map(|value| KeyId(value.to_be_bytes())).map_err(|_| KeyIdParseError)
    }
}

/// What opens a store.
#[derive(Clone, Debug)]
pub enum Key {
    /// A random password, at least 128 bits of entropy: it is not stretched.
    Password(Secret),
    /// No password: the store is not encrypted, only checked for damage.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_reads_back_from_its_text() {
        let id = KeyId::random().unwrap();
        assert_eq!(id.to_string().parse::<KeyId>(), Ok(id));
        assert_eq!("+123".parse::<KeyId>(), Err(KeyIdParseError));
        assert_eq!("+1234567890123456789012345678901".parse::<KeyId>(), Err(KeyIdParseError));
    }
}
