//! What opens a store, and how a store names it.

use core::fmt;
use core::str::FromStr;
use sigillo_messages::text;

use crate::recovery::RecoveryCode;
use crate::secret::{EntropyError, Secret, random};

/// Names one key of a store without saying anything about it: 16 random bytes, kept in the store's header
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
#[error("{}", text!("key-id-digits"))]
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
    /// A random password, at least 128 bits of entropy: it is not stretched. The keychain's records hold these.
    Password(Secret),
    /// A recovery code, as it was printed once.
    RecoveryCode(RecoveryCode),
    /// A passphrase that a person chose, in UTF-8 as it was typed; stretched with Argon2id.
    Passphrase(Secret),
    /// No key: the store is not encrypted, only checked for damage.
    None,
}

impl Key {
    /// Its kind and its octets; `None` where there is no key.
    pub(crate) fn parts(&self) -> Option<(KeyKind, &Secret)> {
        match self {
            Key::Password(secret) => Some((KeyKind::Password, secret)),
            Key::RecoveryCode(code) => Some((KeyKind::RecoveryCode, code.secret())),
            Key::Passphrase(secret) => Some((KeyKind::Passphrase, secret)),
            Key::None => None,
        }
    }
}

/// The kinds of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// [`Key::Password`].
    Password,
    /// [`Key::RecoveryCode`].
    RecoveryCode,
    /// [`Key::Passphrase`].
    Passphrase,
    /// One that a later program put there, by its number in the file.
    Other(u16),
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyKind::Password => f.write_str(&text!("key-kind-password")),
            KeyKind::RecoveryCode => f.write_str(&text!("key-kind-recovery-code")),
            KeyKind::Passphrase => f.write_str(&text!("key-kind-passphrase")),
            KeyKind::Other(number) => write!(f, "{}", text!("key-kind-other", number)),
        }
    }
}

/// One way into a store, as its header tells it without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotInfo {
    /// What opens it.
    pub kind: KeyKind,
    /// Names the key; unknown of kinds that a later program put there.
    pub key_id: Option<KeyId>,
    /// Seconds since 1970 when it was added; unknown as above.
    pub created_unix_s: Option<u64>,
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
