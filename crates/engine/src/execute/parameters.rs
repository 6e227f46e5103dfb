//! Encryption of the first parameter. Part 3, 5.7 and Part 1, 18.

use super::{
    Request,
    authorization::session_value,
    sessions::{SessionUse, at},
};
use crate::{Tpm, state::Session};
use alloc::vec::Vec;
use core::ops::Deref;
use sigillo_crypto::{
    hmac::Hmac,
    kdf::kdfa_fill,
    sym::{self, MAX_BLOCK, MAX_KEY},
};
use sigillo_types::{Fmt1, Rc, attributes::TpmaSession, rc, structures::SymDef};
use zeroize::Zeroizing;

/// The parameter area as the command's handler reads it.
pub(super) enum Parameters<'a> {
    Plain(&'a [u8]),
    Decrypted(Zeroizing<Vec<u8>>),
}

impl Deref for Parameters<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Decrypted(bytes) => bytes,
        }
    }
}

/// Decrypts the first parameter if a session is there for it.
///
/// # Errors
/// At the session: `INSUFFICIENT` if the parameter has no size, `SIZE` if it is larger than what is there.
pub(super) fn decrypt<'a>(tpm: &Tpm, request: &Request<'a>) -> Result<Parameters<'a>, Rc> {
    let decrypting =
        request.sessions.iter().enumerate().find(|(_, session)| session.has(TpmaSession::DECRYPT));
    let Some((index, session)) = decrypting else { return Ok(Parameters::Plain(request.parameters)) };
    let loaded = tpm.session(session.handle).map_err(|_| rc::FAILURE)?;
    let mut parameters = Zeroizing::new(request.parameters.to_vec());
    let data = contents(&mut parameters).map_err(|code| at(code, index))?;
    let cipher = Cipher { newer: session.nonce_caller, older: &loaded.nonce_tpm, decrypts: true };
    cipher.apply(tpm, loaded, session, data).map_err(|code| at(code, index))?;
    Ok(Parameters::Decrypted(parameters))
}

/// Encrypts the first parameter of a response with a session that has its new nonceTPM.
pub(super) fn encrypt(
    tpm: &Tpm,
    session: &SessionUse<'_>,
    loaded: &Session,
    parameters: &mut [u8],
) -> Result<(), Fmt1> {
    let cipher = Cipher { newer: &session.nonce_tpm, older: session.nonce_caller, decrypts: false };
    cipher.apply(tpm, loaded, session, contents(parameters)?)
}

/// The data of a TPM2B at the front of a parameter area: all that is encrypted.
fn contents(parameters: &mut [u8]) -> Result<&mut [u8], Fmt1> {
    let (size, rest) = parameters.split_first_chunk_mut::<2>().ok_or(rc::INSUFFICIENT)?;
    rest.get_mut(..usize::from(u16::from_be_bytes(*size))).ok_or(rc::SIZE)
}

/// One use of a session's encryption.
struct Cipher<'a> {
    newer: &'a [u8],
    older: &'a [u8],
    decrypts: bool,
}

impl Cipher<'_> {
    fn apply(
        &self,
        tpm: &Tpm,
        loaded: &Session,
        session: &SessionUse<'_>,
        data: &mut [u8],
    ) -> Result<(), Fmt1> {
        let value = session_value(tpm, loaded, session);
        let symmetric = loaded.symmetric.ok_or(rc::SYMMETRIC)?;
        // The hash is the session's, whatever hash the XOR names. Part 1, 18.2.
        if matches!(symmetric, SymDef::Xor(_)) {
            let value = Zeroizing::new(value.concat());
            sym::xor_obfuscate(loaded.auth_hash, &value, self.newer, self.older, data);
            return Ok(());
        }
        let cipher = symmetric.block_cipher().ok_or(rc::SYMMETRIC)?.cipher();
        let mut material = Zeroizing::new([0; MAX_KEY + MAX_BLOCK]);
        let material = material.get_mut(..cipher.key_size() + cipher.block_size()).ok_or(rc::KEY_SIZE)?;
        let keyed = Hmac::of_parts(loaded.auth_hash, &value);
        kdfa_fill(&keyed, b"CFB", self.newer, self.older, material).map_err(|_| rc::KEY_SIZE)?;
        let (key, iv) = material.split_at_checked(cipher.key_size()).ok_or(rc::KEY_SIZE)?;
        let crypt = if self.decrypts { sym::cfb_decrypt } else { sym::cfb_encrypt };
        crypt(cipher, key, iv, data).map_err(|_| rc::KEY_SIZE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_area_too_short_for_a_size_is_refused() {
        assert_eq!(contents(&mut []).err(), Some(rc::INSUFFICIENT));
        assert_eq!(contents(&mut [0]).err(), Some(rc::INSUFFICIENT));
    }

    #[test]
    fn a_parameter_larger_than_the_area_is_refused() {
        assert_eq!(contents(&mut [0, 1]).err(), Some(rc::SIZE));
        assert_eq!(contents(&mut [0xFF, 0xFF, 1, 2, 3]).err(), Some(rc::SIZE));
    }

    #[test]
    fn what_comes_after_the_first_parameter_is_not_touched() {
        assert_eq!(contents(&mut [0, 2, 7, 8, 9]).map(|data| data.to_vec()), Ok(alloc::vec![7, 8]));
        assert_eq!(contents(&mut [0, 0, 9]).map(|data| data.len()), Ok(0));
    }
}
