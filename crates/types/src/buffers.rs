//! TPM2B byte buffers: a 16-bit size and that many octets, each type with its own maximum. Part 2, 10.3 and following.
//!
//! A buffer that holds a secret is another type than one that does not: it is erased when dropped, prints as `[secret]` and compares in
//! constant time.

use crate::{
    Fmt1, limits,
    marshal::{Bytes, Marshal, Reader, Unmarshal, marshal_sized},
    rc,
};
use alloc::vec::Vec;
use core::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// What holds a buffer's octets.
trait Store: Deref<Target = [u8]> {
    /// Holds octets that are known to fit.
    fn hold(octets: &[u8]) -> Self;
}

impl Store for Vec<u8> {
    fn hold(octets: &[u8]) -> Self {
        octets.to_vec()
    }
}

/// Up to `MAX` octets in place: a command has many digests, nonces and Names, and none of them is worth an allocation.
///
/// Only for what is no secret: a move leaves a copy behind.
#[derive(Clone)]
struct Inline<const MAX: usize> {
    size: u8,
    octets: [u8; MAX],
}

impl<const MAX: usize> Store for Inline<MAX> {
    fn hold(octets: &[u8]) -> Self {
        const { assert!(MAX <= u8::MAX as usize) };
        let mut held = Self::default();
        if let (Some(place), Ok(size)) = (held.octets.get_mut(..octets.len()), u8::try_from(octets.len())) {
            place.copy_from_slice(octets);
            held.size = size;
        }
        held
    }
}

impl<const MAX: usize> Default for Inline<MAX> {
    fn default() -> Self {
        Self { size: 0, octets: [0; MAX] }
    }
}

impl<const MAX: usize> Deref for Inline<MAX> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.octets.get(..usize::from(self.size)).unwrap_or_default()
    }
}

impl<const MAX: usize> PartialEq for Inline<MAX> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<const MAX: usize> Eq for Inline<MAX> {}

impl<const MAX: usize> PartialOrd for Inline<MAX> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const MAX: usize> Ord for Inline<MAX> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl<const MAX: usize> Hash for Inline<MAX> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// What public and secret buffers have in common.
macro_rules! contents {
    ($name:ident, $max:expr) => {
        impl $name {
            /// The most octets it can hold.
            pub const MAX: usize = $max;

            /// A buffer with these octets.
            ///
            /// # Errors
            /// `SIZE` if there are more than [`Self::MAX`].
            pub fn new(octets: &[u8]) -> Result<Self, Fmt1> {
                if octets.len() > Self::MAX { Err(rc::SIZE) } else { Ok(Self(Store::hold(octets))) }
            }

            /// The octets.
            #[must_use]
            pub fn as_slice(&self) -> &[u8] {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = [u8];

            fn deref(&self) -> &[u8] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = Fmt1;

            fn try_from(octets: &[u8]) -> Result<Self, Fmt1> {
                Self::new(octets)
            }
        }

        /// An array too large for the type does not compile.
        impl<const N: usize> From<[u8; N]> for $name {
            fn from(octets: [u8; N]) -> Self {
                const { assert!(N <= Self::MAX) };
                Self(Store::hold(&octets))
            }
        }

        impl Marshal for $name {
            const SIZED: bool = true;

            fn marshal(&self, out: &mut Bytes) {
                marshal_sized(out, |out| out.extend_from_slice(&self.0));
            }
        }

        impl Unmarshal for $name {
            fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
                Ok(Self(Store::hold(r.sized(Self::MAX)?)))
            }
        }
    };
}

macro_rules! buffer {
    ($(#[doc = $doc:literal])+ $name:ident, $max:expr) => {
        public_buffer! { $(#[doc = $doc])+ $name, $max, Vec<u8> }

        impl TryFrom<Vec<u8>> for $name {
            type Error = Fmt1;

            fn try_from(octets: Vec<u8>) -> Result<Self, Fmt1> {
                if octets.len() > Self::MAX { Err(rc::SIZE) } else { Ok(Self(octets)) }
            }
        }
    };
}

macro_rules! short_buffer {
    ($(#[doc = $doc:literal])+ $name:ident, $max:expr) => {
        public_buffer! { $(#[doc = $doc])+ $name, $max, Inline<{ $max }> }

        impl TryFrom<Vec<u8>> for $name {
            type Error = Fmt1;

            fn try_from(octets: Vec<u8>) -> Result<Self, Fmt1> {
                Self::new(&octets)
            }
        }
    };
}

macro_rules! public_buffer {
    ($(#[doc = $doc:literal])+ $name:ident, $max:expr, $store:ty) => {
        $(#[doc = $doc])+
        #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($store);

        contents!($name, $max);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "("))?;
                self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
                f.write_str(")")
            }
        }
    };
}

macro_rules! secret_buffer {
    ($(#[doc = $doc:literal])+ $name:ident, $max:expr) => {
        $(#[doc = $doc])+
        #[derive(Clone, Default)]
        pub struct $name(Vec<u8>);

        contents!($name, $max);

        impl TryFrom<Vec<u8>> for $name {
            type Error = Fmt1;

            fn try_from(mut octets: Vec<u8>) -> Result<Self, Fmt1> {
                if octets.len() > Self::MAX {
                    octets.zeroize();
                    return Err(rc::SIZE);
                }
                Ok(Self(octets))
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.zeroize();
            }
        }

        impl zeroize::ZeroizeOnDrop for $name {}

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.ct_eq(&other.0).into()
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[secret]")
            }
        }
    };
}

short_buffer! {
    /// TPM2B_DIGEST. Part 2, 10.3.2.
    Tpm2bDigest, limits::MAX_DIGEST
}
short_buffer! {
    /// TPM2B_DATA: a digest with its algorithm, or anything that short. Part 2, 10.3.3.
    Tpm2bData, limits::MAX_TPMT_HA
}
secret_buffer! {
    /// TPM2B_DATA where it holds a secret: the key of a duplicate's inner wrapping. Part 2, 10.3.3.
    Tpm2bSecretData, limits::MAX_TPMT_HA
}
short_buffer! {
    /// TPM2B_NONCE. Part 2, 10.3.4.
    Tpm2bNonce, limits::MAX_DIGEST
}
secret_buffer! {
    /// TPM2B_AUTH: an authorization value or the HMAC that proves it. Part 2, 10.3.5.
    Tpm2bAuth, limits::MAX_DIGEST
}
secret_buffer! {
    /// TPM2B_DIGEST where it holds a secret: a seedValue, a credential, random octets. Part 2, 10.3.2.
    Tpm2bSecretDigest, limits::MAX_DIGEST
}
short_buffer! {
    /// TPM2B_OPERAND: one side of a comparison. Part 2, 10.3.6.
    Tpm2bOperand, limits::MAX_DIGEST
}
buffer! {
    /// TPM2B_EVENT: what PCR_Event measures. Part 2, 10.3.7.
    Tpm2bEvent, 1024
}
buffer! {
    /// TPM2B_MAX_BUFFER: a piece of a message. Part 2, 10.3.8.
    Tpm2bMaxBuffer, limits::MAX_2B_BUFFER_SIZE
}
secret_buffer! {
    /// TPM2B_MAX_BUFFER where it holds a secret: what is encrypted, or was decrypted. Part 2, 10.3.8.
    Tpm2bSecretBuffer, limits::MAX_2B_BUFFER_SIZE
}
buffer! {
    /// TPM2B_MAX_NV_BUFFER: what one NV command moves. Part 2, 10.3.9.
    Tpm2bMaxNvBuffer, limits::MAX_NV_BUFFER_SIZE
}
short_buffer! {
    /// TPM2B_TIMEOUT: when an authorization expires, in a form of the TPM's own. Part 2, 10.3.10.
    Tpm2bTimeout, 8
}
short_buffer! {
    /// TPM2B_IV. Part 2, 10.3.11.
    Tpm2bIv, limits::MAX_SYM_BLOCK_SIZE
}
short_buffer! {
    /// TPM2B_NAME: a digest with its algorithm, a handle or nothing. The maximum is a union's, with C alignment. Part 2, 10.4.3.
    Tpm2bName, limits::MAX_TPMT_HA + 2
}
buffer! {
    /// TPM2B_ATTEST: a marshalled [`TpmsAttest`](crate::structures::TpmsAttest), the octets that are signed. Part 2, 10.11.13.
    Tpm2bAttest, 4 + 2 + (2 + Tpm2bName::MAX) + (2 + Tpm2bData::MAX) + 17 + 8
        + (2 + Tpm2bName::MAX + 2 + 2 + Tpm2bMaxNvBuffer::MAX)
}
secret_buffer! {
    /// TPM2B_SYM_KEY: a symmetric key. Its maximum is the larger of the largest key and the largest digest. Part 2, 11.1.8.
    Tpm2bSymKey, limits::MAX_DIGEST
}
buffer! {
    /// TPM2B_LABEL: the label or context of a derived object. Part 2, 11.1.10.
    Tpm2bLabel, limits::LABEL_MAX_BUFFER
}
secret_buffer! {
    /// TPM2B_SENSITIVE_DATA: sealed data or an HMAC key. Part 2, 11.1.14.
    Tpm2bSensitiveData, limits::MAX_SYM_DATA
}
buffer! {
    /// TPM2B_PUBLIC_KEY_RSA: a modulus, or a block of its size. Part 2, 11.2.4.6.
    Tpm2bPublicKeyRsa, limits::MAX_RSA_KEY_BYTES
}
secret_buffer! {
    /// TPM2B_PUBLIC_KEY_RSA where it holds the plaintext of RSA_Encrypt and RSA_Decrypt. Part 2, 11.2.4.6.
    Tpm2bRsaMessage, limits::MAX_RSA_KEY_BYTES
}
secret_buffer! {
    /// TPM2B_PRIVATE_KEY_RSA: one prime of the modulus. Part 2, 11.2.4.8.
    Tpm2bPrivateKeyRsa, limits::MAX_RSA_KEY_BYTES / 2
}
buffer! {
    /// TPM2B_ECC_PARAMETER: a coordinate or a number modulo the order. Part 2, 11.2.5.1.
    Tpm2bEccParameter, limits::MAX_ECC_KEY_BYTES
}
secret_buffer! {
    /// TPM2B_ECC_PARAMETER where it holds a private key, or a coordinate of a shared secret. Part 2, 11.2.5.1.
    Tpm2bEccPrivate, limits::MAX_ECC_KEY_BYTES
}
buffer! {
    /// TPM2B_SIGNATURE_EDDSA: a signature in the form of RFC 8032. Part 2, 11.3.3.
    Tpm2bSignatureEddsa, 2 * limits::MAX_ECC_KEY_BYTES
}
buffer! {
    /// TPM2B_SIGNATURE_CTX: what a scheme signs by, besides key and message. Part 2, 11.3.8.
    Tpm2bSignatureCtx, limits::MAX_SIGNATURE_CTX
}
buffer! {
    /// TPM2B_SIGNATURE_HINT: what of a signature must be known before the message. Part 2, 11.3.9.
    Tpm2bSignatureHint, limits::MAX_SIGNATURE_HINT
}
buffer! {
    /// TPM2B_ENCRYPTED_SECRET: a seed or salt encrypted to a key; the largest is an RSA block. Part 2, 11.4.3.
    Tpm2bEncryptedSecret, limits::MAX_RSA_KEY_BYTES
}
buffer! {
    /// TPM2B_TEMPLATE: a marshalled public area whose `unique` may be a derivation's. Part 2, 12.2.6.
    Tpm2bTemplate, 2 + 2 + 4 + (2 + limits::MAX_DIGEST) + 18 + (2 + limits::MAX_RSA_KEY_BYTES)
}
buffer! {
    /// TPM2B_PRIVATE: a sensitive area, encrypted and protected. Room for both integrity values, an IV and the largest sensitive area,
    /// whose private key may be five numbers of half the modulus in blobs of other TPMs. Part 2, 12.3.7.
    Tpm2bPrivate, 2 * (2 + limits::MAX_DIGEST) + (2 + limits::MAX_SYM_BLOCK_SIZE)
        + 2 + 2 + 2 * (2 + limits::MAX_DIGEST) + 2 + limits::MAX_RSA_KEY_BYTES * 5 / 2
}
buffer! {
    /// TPM2B_ID_OBJECT: a protected credential. Part 2, 12.4.3.
    Tpm2bIdObject, 2 * (2 + limits::MAX_DIGEST)
}
buffer! {
    /// TPM2B_CONTEXT_DATA: the protected part of a saved context. Part 2, 14.4.
    Tpm2bContextData, limits::MAX_CONTEXT_DATA
}
