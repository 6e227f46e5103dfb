//! Keys and passphrases as they come from the command line's descriptors.

use argon2::{Algorithm, Argon2, Params, Version};
use sigillo_messages::text;
use sigillo_store::Secret;

/// What seals a state: a key, or words a person chose.
#[derive(Clone, Debug)]
pub enum KeyMaterial {
    /// At least 128 bits of entropy; used as it is, below HKDF.
    Random(Secret),
    /// Perhaps guessable: stretched with Argon2id first.
    Passphrase(Secret),
}

/// A passphrase could not be stretched.
#[derive(Debug, thiserror::Error)]
#[error("{}", text!("passphrase-not-stretched"))]
pub struct StretchError;

impl KeyMaterial {
    /// The password to give a store or a blob that carries `salt`. Part of the file format: changing the cost
    /// here locks people out.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn password(&self, salt: &[u8]) -> Result<Secret, StretchError> {
        match self {
            KeyMaterial::Random(secret) => Ok(secret.clone()),
            KeyMaterial::Passphrase(secret) => {
                // 19 MiB, two passes: RFC 9106's shape at the smallest cost still recommended, since a VM's start
                // waits for it.
                let params = Params::new(19 * 1024, 2, 1, Some(32)).map_err(|_| StretchError)?;
                let mut out = zeroize::Zeroizing::new([0; 32]);
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(secret.expose(), salt, out.as_mut())
                    .map_err(|_| StretchError)?;
                Ok(Secret::from_slice(out.as_ref()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_depends_on_its_salt_and_a_key_does_not() {
        let words = KeyMaterial::Passphrase(Secret::from_slice(b"correct horse"));
        let one = words.password(&[1; 16]).unwrap();
        assert_eq!(one, words.password(&[1; 16]).unwrap());
        assert_ne!(one, words.password(&[2; 16]).unwrap());
        let key = KeyMaterial::Random(Secret::from_slice(&[7; 16]));
        assert_eq!(key.password(&[1; 16]).unwrap(), key.password(&[2; 16]).unwrap());
    }

    #[test]
    fn material_is_never_printed() {
        let words = KeyMaterial::Passphrase(Secret::from_slice(b"correct horse"));
        assert_eq!(format!("{words:?}"), "Passphrase([secret])");
    }
}
