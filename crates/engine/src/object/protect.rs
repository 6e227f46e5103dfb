//! Protected storage: sensitive areas outside the TPM, under a parent or on their way to another. Part 1, 19 and 20.3.

use crate::{secret::Secret, state::Object};
use alloc::vec::Vec;
use sigillo_crypto::{
    HashAlg, ct_eq,
    hash::hash,
    hmac::hmac,
    kdf::kdfa,
    sym::{MAX_BLOCK, cfb_decrypt, cfb_encrypt},
};
use sigillo_types::{
    Fmt1, Marshal, Reader, Unmarshal,
    alg::BlockCipher,
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bIv, Tpm2bName, Tpm2bPrivate},
    rc,
    structures::{Tpm2bSensitive, TpmtSensitive},
};
use zeroize::Zeroizing;

/// The IV of everything that is encrypted once with its key: as much of it as the cipher has in a block.
const NO_IV: [u8; MAX_BLOCK] = [0; MAX_BLOCK];

/// What a cipher with smaller blocks takes of an IV.
fn first_block(cipher: BlockCipher, iv: &[u8; MAX_BLOCK]) -> &[u8] {
    iv.get(..cipher.block_size()).unwrap_or(iv)
}

/// The two keys that a seed protects with: one is made from the Name too, one is not. Part 1, 19.4 and 19.5.
pub(crate) struct Protection<'a> {
    hash: HashAlg,
    cipher: BlockCipher,
    seed: &'a [u8],
    name: &'a Tpm2bName,
}

impl<'a> Protection<'a> {
    /// By the seed in a storage parent's sensitive area.
    ///
    /// # Errors
    /// `TYPE` if `parent` is no storage parent.
    pub(crate) fn of_child(parent: &'a Object, name: &'a Tpm2bName) -> Result<Self, Fmt1> {
        let seed = parent.sensitive.as_ref().filter(|_| parent.is_storage_parent()).ok_or(rc::TYPE)?;
        Self::by_seed(parent, &seed.seed_value, name)
    }

    /// By a seed that was exchanged with a storage key.
    ///
    /// # Errors
    /// `TYPE` if the key has no nameAlg or no cipher.
    pub(crate) fn by_seed(key: &Object, seed: &'a [u8], name: &'a Tpm2bName) -> Result<Self, Fmt1> {
        let hash = key.name_alg().ok_or(rc::TYPE)?;
        let cipher = key.symmetric().ok_or(rc::TYPE)?.cipher();
        Ok(Self { hash, cipher, seed, name })
    }

    fn key(&self) -> Zeroizing<Vec<u8>> {
        let bits = u32::from(self.cipher.key_bits());
        kdfa(self.hash, self.seed, b"STORAGE", self.name, &[], bits)
    }

    fn integrity(&self, data: &[u8]) -> sigillo_crypto::hash::Digest {
        // A digest has at most 512 bits.
        let bits = u32::try_from(self.hash.digest_size() * 8).unwrap_or(0);
        let key = kdfa(self.hash, self.seed, b"INTEGRITY", &[], &[], bits);
        hmac(self.hash, &key, &[data, self.name])
    }

    /// Encrypts `clear` with `iv` and puts the HMAC in front; an `iv` that is given goes between the two.
    ///
    /// # Errors
    /// None for the ciphers there are.
    pub(crate) fn protect(&self, clear: &[u8], iv: Option<[u8; MAX_BLOCK]>) -> Result<Vec<u8>, Fmt1> {
        let mut body = Vec::with_capacity(2 + Tpm2bIv::MAX + clear.len());
        if let Some(iv) = iv {
            Tpm2bIv::new(first_block(self.cipher, &iv))?.marshal(&mut body);
        }
        let start = body.len();
        body.extend_from_slice(clear);
        let encrypted = body.get_mut(start..).unwrap_or_default();
        let iv = iv.unwrap_or(NO_IV);
        cfb_encrypt(self.cipher, &self.key(), first_block(self.cipher, &iv), encrypted)
            .map_err(|_| rc::SYMMETRIC)?;
        let mut out = Vec::with_capacity(2 + Tpm2bDigest::MAX + body.len());
        Tpm2bDigest::new(&self.integrity(&body))?.marshal(&mut out);
        out.extend_from_slice(&body);
        Ok(out)
    }

    /// Undoes [`Protection::protect`]. Nothing is decrypted unless the HMAC is right.
    ///
    /// # Errors
    /// `INTEGRITY` if the HMAC is wrong; `SIZE` or `INSUFFICIENT` if there is none.
    pub(crate) fn unprotect(&self, protected: &[u8], has_iv: bool) -> Result<Zeroizing<Vec<u8>>, Fmt1> {
        let mut r = Reader::new(protected);
        let integrity = Tpm2bDigest::unmarshal(&mut r)?;
        if !ct_eq(&integrity, &self.integrity(r.rest())) {
            return Err(rc::INTEGRITY);
        }
        let iv = if has_iv {
            let iv = Tpm2bIv::unmarshal(&mut r).map_err(|_| rc::SIZE)?;
            if iv.len() != self.cipher.block_size() {
                return Err(rc::SIZE);
            }
            iv
        } else {
            Tpm2bIv::new(first_block(self.cipher, &NO_IV))?
        };
        let mut clear = Zeroizing::new(r.rest().to_vec());
        cfb_decrypt(self.cipher, &self.key(), &iv, &mut clear).map_err(|_| rc::SYMMETRIC)?;
        Ok(clear)
    }
}

/// The sensitive area as it leaves the TPM: a TPM2B with the authValue padded to the size of a Name's digest, so that its length does
/// not show. Part 1, 24.7.3.
fn sensitive_bytes(sensitive: &TpmtSensitive, name_alg: HashAlg) -> Result<Zeroizing<Vec<u8>>, Fmt1> {
    let mut auth = Zeroizing::new([0; Tpm2bAuth::MAX]);
    let size = sensitive.auth_value.len().max(name_alg.digest_size());
    for (octet, own) in auth.iter_mut().zip(sensitive.auth_value.iter()) {
        *octet = *own;
    }
    let auth_value = Tpm2bAuth::new(auth.get(..size).ok_or(rc::SIZE)?)?;
    let padded = TpmtSensitive { auth_value, ..sensitive.clone() };
    // A buffer that grew would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(Tpm2bPrivate::MAX));
    Tpm2bSensitive::from(padded).marshal(&mut bytes);
    Ok(bytes)
}

/// # Errors
/// `SENSITIVE` if it does not unmarshal.
fn read_sensitive(clear: &[u8]) -> Result<TpmtSensitive, PrivateError> {
    Tpm2bSensitive::from_bytes(clear)
        .map(|sensitive| sensitive.sensitive_area)
        .map_err(|_| PrivateError::NotSensitive)
}

/// What is wrong with a private area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrivateError {
    /// A code about the private area.
    Area(Fmt1),
    /// It decrypts to something else: TPM_RC_SENSITIVE.
    NotSensitive,
}

impl From<Fmt1> for PrivateError {
    fn from(code: Fmt1) -> Self {
        Self::Area(code)
    }
}

impl PrivateError {
    /// The response code, about the parameter at `position`.
    pub(crate) fn at(self, position: sigillo_types::Position) -> sigillo_types::Rc {
        match self {
            Self::Area(code) => code.at(position),
            Self::NotSensitive => rc::SENSITIVE,
        }
    }
}

/// A sensitive area under its storage parent: what TPM2_Load takes. Part 1, 19.4 and 19.5.
///
/// # Errors
/// `TYPE` if `parent` is no storage parent; `SIZE` if the result would be too large.
pub(crate) fn wrap(
    sensitive: &TpmtSensitive,
    name: &Tpm2bName,
    name_alg: HashAlg,
    parent: &Object,
    iv: [u8; MAX_BLOCK],
) -> Result<Tpm2bPrivate, Fmt1> {
    let clear = sensitive_bytes(sensitive, name_alg)?;
    Protection::of_child(parent, name)?.protect(&clear, Some(iv))?.try_into()
}

/// Undoes [`wrap`].
///
/// # Errors
/// As [`Protection::unprotect`]; `SENSITIVE` if what is decrypted is no sensitive area.
pub(crate) fn unwrap(
    private: &Tpm2bPrivate,
    name: &Tpm2bName,
    parent: &Object,
) -> Result<TpmtSensitive, PrivateError> {
    read_sensitive(&Protection::of_child(parent, name)?.unprotect(private, true)?)
}

/// The inner wrapper of a duplicate: a cipher and its key. Part 1, 20.3.2.2.
pub(crate) struct Inner<'a> {
    pub(crate) name_alg: HashAlg,
    pub(crate) cipher: BlockCipher,
    pub(crate) key: &'a [u8],
}

/// The outer wrapper of a duplicate: a seed exchanged with the new parent. Part 1, 20.3.2.3.
pub(crate) struct Outer<'a> {
    pub(crate) parent: &'a Object,
    pub(crate) seed: &'a Secret,
}

/// A sensitive area on its way to another parent. Part 1, 20.3.2.
///
/// # Errors
/// `SIZE` if a key or the result has a wrong size.
pub(crate) fn duplicate(
    sensitive: &TpmtSensitive,
    name: &Tpm2bName,
    name_alg: HashAlg,
    inner: Option<&Inner<'_>>,
    outer: Option<&Outer<'_>>,
) -> Result<Tpm2bPrivate, Fmt1> {
    let mut data = sensitive_bytes(sensitive, name_alg)?;
    if let Some(inner) = inner {
        let mut with_integrity = Zeroizing::new(Vec::with_capacity(2 + Tpm2bDigest::MAX + data.len()));
        Tpm2bDigest::new(&hash(inner.name_alg, &[&data, name]))?.marshal(&mut with_integrity);
        with_integrity.extend_from_slice(&data);
        cfb_encrypt(inner.cipher, inner.key, first_block(inner.cipher, &NO_IV), &mut with_integrity)
            .map_err(|_| rc::SIZE)?;
        data = with_integrity;
    }
    wrap_outer(&data, name, outer)
}

/// Undoes [`duplicate`].
///
/// # Errors
/// `INTEGRITY` if one of the integrity values is wrong, `SENSITIVE` if what is decrypted is no sensitive area.
pub(crate) fn read_duplicate(
    duplicate: &[u8],
    name: &Tpm2bName,
    inner: Option<&Inner<'_>>,
    outer: Option<&Outer<'_>>,
) -> Result<TpmtSensitive, PrivateError> {
    let mut data = unwrap_outer(duplicate, name, outer)?;
    if let Some(inner) = inner {
        cfb_decrypt(inner.cipher, inner.key, first_block(inner.cipher, &NO_IV), &mut data)
            .map_err(|_| rc::SIZE)?;
        let mut r = Reader::new(&data);
        let integrity = Tpm2bDigest::unmarshal(&mut r).map_err(|_| rc::INTEGRITY)?;
        if !ct_eq(&integrity, &hash(inner.name_alg, &[r.rest(), name])) {
            return Err(rc::INTEGRITY.into());
        }
        data = Zeroizing::new(r.rest().to_vec());
    }
    read_sensitive(&data)
}

/// Puts the outer wrapper, if any, around `data`. Part 1, 20.3.2.3.
///
/// # Errors
/// `SIZE` if the result would be too large.
pub(crate) fn wrap_outer(
    data: &[u8],
    name: &Tpm2bName,
    outer: Option<&Outer<'_>>,
) -> Result<Tpm2bPrivate, Fmt1> {
    match outer {
        Some(outer) => Protection::by_seed(outer.parent, outer.seed, name)?.protect(data, None)?.try_into(),
        None => Tpm2bPrivate::new(data),
    }
}

/// Takes the outer wrapper, if any, off.
///
/// # Errors
/// `INTEGRITY` or `SIZE` as [`Protection::unprotect`].
pub(crate) fn unwrap_outer(
    data: &[u8],
    name: &Tpm2bName,
    outer: Option<&Outer<'_>>,
) -> Result<Zeroizing<Vec<u8>>, Fmt1> {
    match outer {
        Some(outer) => Protection::by_seed(outer.parent, outer.seed, name)?.unprotect(data, false),
        None => Ok(Zeroizing::new(data.to_vec())),
    }
}
