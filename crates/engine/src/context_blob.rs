//! Saved contexts: what the TPM gives its driver to keep, and how it knows it again. Part 1, 27.3.

use crate::{Tpm, tpm::Failure};
use alloc::vec::Vec;
use minicbor::{Decode, Encode};
use sigillo_crypto::{
    Rng, ct_eq,
    hash::Digest,
    hmac::Hmac,
    kdf::kdfa,
    sym::{cfb_decrypt, cfb_encrypt},
};
use sigillo_types::{
    Fmt1, Marshal, Rc, Reader, Unmarshal,
    alg::{AesKeyBits, BlockCipher},
    buffers::{Tpm2bContextData, Tpm2bDigest},
    handles::{Hierarchy, SavedHandle},
    rc,
    structures::TpmsContext,
};
use zeroize::Zeroizing;

use crate::ticket::CONTEXT_HASH;

/// What encrypts contexts, whatever the profile: nobody else looks inside.
const CIPHER: BlockCipher = BlockCipher::Aes(AesKeyBits::Aes256);
/// Of the cipher.
const KEY_BITS: u32 = 256;
/// Octets of the IV, in front of what is encrypted.
const IV_SIZE: usize = 16;

/// What protects a context, besides the hierarchy's proof.
#[derive(Clone, Copy)]
pub(crate) struct Tag {
    pub(crate) sequence: u64,
    pub(crate) saved_handle: SavedHandle,
    pub(crate) hierarchy: Hierarchy,
}

impl Tag {
    fn is_session(self) -> bool {
        matches!(self.saved_handle, SavedHandle::Hmac(_) | SavedHandle::Policy(_))
    }
}

impl Tpm {
    /// `HMAC(proof, resetValue || {clearCount} || sequence || handle || encContext)`. Part 1, 27.3.2.
    ///
    /// Sessions are of the NULL hierarchy, whose proof outlives a change of the storage seed; since they must not (Part 2, 14.7.1), shProof
    /// goes in too.
    fn context_integrity(&self, tag: Tag, encrypted: &[u8]) -> Digest {
        let mut mac = Hmac::new(CONTEXT_HASH, self.proof(tag.hierarchy));
        mac.update(&self.state.persistent.total_reset_count.to_be_bytes());
        if tag.saved_handle == SavedHandle::StClearObject {
            mac.update(&self.state.reset.clear_count.to_be_bytes());
        }
        if tag.is_session() {
            mac.update(self.proof(Hierarchy::Owner));
        }
        mac.update(&tag.sequence.to_be_bytes());
        mac.update(&tag.saved_handle.raw().to_be_bytes());
        mac.update(encrypted);
        mac.finish()
    }

    /// The key. The sequence number in it comes again after a TPM Reset and when a snapshot is gone back to, so what makes an encryption
    /// new is the IV, which is drawn. Part 1, 27.3.1.
    fn context_key(&self, tag: Tag) -> Zeroizing<Vec<u8>> {
        let (sequence, handle) = (tag.sequence.to_be_bytes(), tag.saved_handle.raw().to_be_bytes());
        kdfa(CONTEXT_HASH, self.proof(tag.hierarchy), b"CONTEXT", &sequence, &handle, KEY_BITS)
    }

    /// Protects a context.
    ///
    /// # Errors
    /// `SIZE` if it would be larger than a context may be.
    pub(crate) fn protect_context<T: Encode<()>>(
        &mut self,
        tag: Tag,
        value: &T,
    ) -> Result<TpmsContext, Fmt1> {
        // A buffer that grew would leave copies behind.
        let mut data = Zeroizing::new(Vec::with_capacity(Tpm2bContextData::MAX));
        data.extend_from_slice(&tag.sequence.to_be_bytes());
        minicbor::encode(value, &mut *data).map_err(|_| rc::SIZE)?;
        let mut iv = [0; IV_SIZE];
        self.rng.fill(&mut iv);
        cfb_encrypt(CIPHER, &self.context_key(tag), &iv, &mut data).map_err(|_| rc::SIZE)?;
        let encrypted = [&iv[..], &data[..]].concat();
        let mut blob = Vec::with_capacity(2 + Tpm2bDigest::MAX + encrypted.len());
        Tpm2bDigest::new(&self.context_integrity(tag, &encrypted))?.marshal(&mut blob);
        blob.extend_from_slice(&encrypted);
        Ok(TpmsContext {
            sequence: tag.sequence,
            saved_handle: tag.saved_handle,
            hierarchy: tag.hierarchy,
            context_blob: Tpm2bContextData::try_from(blob)?,
        })
    }

    /// Recovers a context; nothing is decrypted unless its HMAC is right.
    ///
    /// # Errors
    /// - `INTEGRITY`: not one this TPM gave, or one it no longer knows.
    /// - `FAILURE`: it decrypts to another sequence number; the TPM is broken or under attack and goes into failure mode.
    /// - `BAD_CONTEXT`: it holds something else than it says.
    pub(crate) fn unprotect_context<T: for<'b> Decode<'b, ()>>(
        &mut self,
        context: &TpmsContext,
    ) -> Result<T, ContextError> {
        let tag = Tag {
            sequence: context.sequence,
            saved_handle: context.saved_handle,
            hierarchy: context.hierarchy,
        };
        let mut r = Reader::new(&context.context_blob);
        let integrity = Tpm2bDigest::unmarshal(&mut r).map_err(|_| ContextError::Integrity)?;
        if !ct_eq(&integrity, &self.context_integrity(tag, r.rest())) {
            return Err(ContextError::Integrity);
        }
        let mut data = Zeroizing::default();
        let decrypted = r.rest().split_first_chunk::<IV_SIZE>().is_some_and(|(iv, encrypted)| {
            data = Zeroizing::new(encrypted.to_vec());
            cfb_decrypt(CIPHER, &self.context_key(tag), iv, &mut data).is_ok()
        });
        let value = data
            .split_first_chunk()
            .filter(|(sequence, _)| decrypted && u64::from_be_bytes(**sequence) == tag.sequence);
        let Some((_, value)) = value else {
            self.enter_failure(Failure::Internal);
            return Err(ContextError::Other(rc::FAILURE));
        };
        minicbor::decode(value).map_err(|_| ContextError::Other(rc::BAD_CONTEXT))
    }
}

/// Why a context cannot be recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContextError {
    Integrity,
    Other(Rc),
}

impl ContextError {
    /// The response code, given where the context stands.
    pub(crate) fn at(self, position: sigillo_types::Position) -> Rc {
        match self {
            Self::Integrity => rc::INTEGRITY.at(position),
            Self::Other(code) => code,
        }
    }
}
