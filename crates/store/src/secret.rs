//! Bytes that must not leak.

use core::fmt;
use sigillo_messages::text;

use base64ct::{Base64UrlUnpadded, Encoding};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("{}", text!("entropy", error = .0))]
pub struct EntropyError(pub(crate) getrandom::Error);

impl EntropyError {
    /// The stable error code, as in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        "SIG_ERR_NO_ENTROPY"
    }
}

/// Fills `out` from the operating system's generator.
pub(crate) fn random(out: &mut [u8]) -> Result<(), EntropyError> {
    getrandom::fill(out).map_err(EntropyError)
}

/// A password or key: wiped when dropped, never printed, compared in constant time.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<SecretBytes>);

#[derive(Clone, Eq, Zeroize)]
struct SecretBytes(Vec<u8>);

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Secret {
    /// Takes the bytes over. The caller must not keep another copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Secret(Zeroizing::new(SecretBytes(bytes)))
    }

    /// Copies the bytes.
    pub fn from_slice(bytes: &[u8]) -> Self {
        Secret::new(bytes.to_vec())
    }

    /// A new secret of `len` random bytes.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub fn random(len: usize) -> Result<Self, EntropyError> {
        let mut secret = Secret::new(vec![0; len]);
        random(&mut secret.0.0)?;
        Ok(secret)
    }

    /// A new password: 256 random bits as 43 characters of base64url text, as keychain records hold it.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub fn random_text() -> Result<Self, EntropyError> {
        let mut raw = Zeroizing::new([0; 32]);
        random(raw.as_mut())?;
        Ok(Secret::new(Base64UrlUnpadded::encode_string(raw.as_ref()).into_bytes()))
    }

    /// The bytes themselves. Named so that a reviewer finds every use.
    pub fn expose(&self) -> &[u8] {
        &self.0.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.0.len()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::from_slice(b"hunter2");
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(format!("{:?}", Some(&secret)), "Some([secret])");
    }

    #[test]
    fn a_random_password_is_256_bits_of_url_safe_text() {
        let first = Secret::random_text().unwrap();
        let second = Secret::random_text().unwrap();
        assert_ne!(first, second);
        assert_eq!(first.len(), 43);
        assert!(
            first.expose().iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_')
        );
        let text = core::str::from_utf8(first.expose()).unwrap();
        assert_eq!(Base64UrlUnpadded::decode_vec(text).unwrap().len(), 32);
    }

    #[test]
    fn secrets_of_different_lengths_differ() {
        assert_ne!(Secret::from_slice(b"a"), Secret::from_slice(b"ab"));
        assert_eq!(Secret::from_slice(b"ab"), Secret::from_slice(b"ab"));
    }
}
