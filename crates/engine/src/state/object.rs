//! Transient and persistent objects, and sequences. Part 1, 23 and 29.

use super::cbor;
use crate::object::key::PrivateKey;
use alloc::{sync::Arc, vec::Vec};
use minicbor::{Decode, Encode};
use sigillo_crypto::{cmac::Cmac, hash::Hasher, hmac::Hmac};
use sigillo_types::{
    attributes::TpmaObject,
    buffers::{Tpm2bAuth, Tpm2bName, Tpm2bSignatureHint},
    handles::Hierarchy,
    structures::{TpmtPublic, TpmtSensitive},
};

/// What a transient handle names. A handle of one kind can never be used as the other.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum Slot {
    /// A loaded object.
    #[n(0)]
    Object(#[cbor(n(0), with = "cbor::shared")] Arc<Object>),
    /// A hash, HMAC, event or signature sequence.
    #[n(1)]
    Sequence(#[cbor(n(0), with = "cbor::shared")] Arc<Sequence>),
}

/// A loaded object. Part 1, 23.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Object {
    #[cbor(n(0), with = "cbor::canonical")]
    pub(crate) public: TpmtPublic,
    /// `None`: only the public area is loaded.
    #[cbor(n(1), with = "sensitive")]
    pub(crate) sensitive: Option<TpmtSensitive>,
    #[cbor(n(2), with = "cbor::canonical")]
    pub(crate) name: Tpm2bName,
    #[cbor(n(3), with = "cbor::canonical")]
    pub(crate) qualified_name: Tpm2bName,
    #[cbor(n(4), with = "cbor::canonical")]
    pub(crate) hierarchy: Hierarchy,
    /// Loaded with TPM2_LoadExternal.
    #[n(5)]
    pub(crate) external: bool,
    /// Made by TPM2_CreatePrimary (or a derivation from a seed).
    #[n(6)]
    pub(crate) primary: bool,
    /// stClear holds for it or an ancestor: it does not survive TPM Restart.
    #[n(7)]
    pub(crate) st_clear: bool,
    /// The private key ready for use; made again from the sensitive area where it is missing.
    #[cbor(skip)]
    pub(crate) private: Option<Arc<PrivateKey>>,
}

impl Object {
    /// The attributes of the public area.
    pub(crate) fn attributes(&self) -> TpmaObject {
        self.public.object_attributes
    }

    /// Whether it can protect children: a restricted decryption key whose sensitive area is here. Part 1, 23.3.
    pub(crate) fn is_parent(&self) -> bool {
        let attributes = self.attributes();
        self.sensitive.is_some()
            && attributes.contains(TpmaObject::RESTRICTED | TpmaObject::DECRYPT)
            && !attributes.contains(TpmaObject::SIGN)
    }
}

/// A sequence in the middle of its data. Part 1, 29.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Sequence {
    #[cbor(n(0), with = "cbor::canonical")]
    pub(crate) auth: Tpm2bAuth,
    #[n(1)]
    pub(crate) kind: SequenceKind,
}

/// What a sequence computes.
#[derive(Clone, Debug, Encode, Decode)]
#[expect(clippy::large_enum_variant, reason = "there are a few slots, and each value lies behind an `Arc`")]
pub(crate) enum SequenceKind {
    /// TPM2_HashSequenceStart with an algorithm. `safe` is `None` until the first piece of data says whether a ticket may be made: data
    /// that begins with TPM_GENERATED_VALUE never gets one. Part 3, 17.7.
    #[n(0)]
    Hash {
        #[cbor(n(0), with = "cbor::hasher")]
        hasher: Hasher,
        #[n(1)]
        safe: Option<bool>,
    },
    /// TPM2_HMAC_Start.
    #[n(1)]
    Hmac(#[cbor(n(0), with = "cbor::hmac")] Hmac),
    /// TPM2_HashSequenceStart with TPM_ALG_NULL: one hasher a bank.
    #[n(2)]
    Event(#[cbor(n(0), with = "cbor::hashers")] Vec<Hasher>),
    /// TPM2_MAC_Start with a symmetric cipher key.
    #[n(3)]
    Cmac(#[cbor(n(0), with = "cbor::cmac")] Cmac),
    /// TPM2_SignSequenceStart. `safe` is as that of a hash: whether a restricted key may sign.
    #[n(4)]
    Sign {
        #[n(0)]
        message: SignedMessage,
        #[n(1)]
        safe: Option<bool>,
        /// The commitment that the context names, of a key of ECDAA.
        #[n(2)]
        count: Option<u16>,
    },
    /// TPM2_VerifySequenceStart.
    #[n(5)]
    Verify {
        #[n(0)]
        message: SignedMessage,
        /// The HMAC of the ticket, which covers the message.
        #[cbor(n(1), with = "cbor::hmac")]
        ticket: Hmac,
        /// The first half of the signature, where it must be known first.
        #[cbor(n(2), with = "cbor::canonical")]
        hint: Tpm2bSignatureHint,
    },
}

/// The message of a signature, in the middle. Part 1, 29.4.5.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct SignedMessage {
    /// What tells the key that the sequence was started with from all others.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) key: Vec<u8>,
    #[n(1)]
    pub(crate) digest: MessageDigest,
}

/// What is kept of a message that will be signed or was.
#[derive(Clone, Debug, Encode, Decode)]
#[expect(clippy::large_enum_variant, reason = "it lies where a sequence does")]
pub(crate) enum MessageDigest {
    /// The hash that the scheme signs, or that it verifies by.
    #[n(0)]
    Hash(#[cbor(n(0), with = "cbor::hasher")] Hasher),
    /// The HMAC by the key itself.
    #[n(1)]
    Hmac(#[cbor(n(0), with = "cbor::hmac")] Hmac),
    /// Nothing: EdDSA reads a message twice to sign it, so it must come as one.
    #[n(2)]
    Whole,
}

/// The optional sensitive area inside saved state: a byte string, empty for none.
mod sensitive {
    use minicbor::{
        Decoder, Encoder, decode::Error as DecodeError, encode::Error as EncodeError, encode::Write,
    };
    use sigillo_types::{Marshal, Unmarshal, structures::TpmtSensitive};
    use zeroize::Zeroizing;

    pub(super) fn encode<C, W: Write>(
        value: &Option<TpmtSensitive>,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&Zeroizing::new(value.as_ref().map(Marshal::to_bytes).unwrap_or_default()))?;
        Ok(())
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Option<TpmtSensitive>, DecodeError> {
        match d.bytes()? {
            [] => Ok(None),
            bytes => TpmtSensitive::from_bytes(bytes)
                .map(Some)
                .map_err(|_| DecodeError::message("not a canonical structure")),
        }
    }
}
