//! Tickets: the TPM's own proof that it saw something. Part 2, 10.6. A tag that does not fit is `TAG`.

use crate::{
    Fmt1, HashAlg,
    buffers::Tpm2bDigest,
    constants::st,
    derive::{Marshal, Unmarshal},
    handles::Hierarchy,
    marshal::{self, Bytes, Reader},
    rc,
};

/// A ticket whose tag can only be one.
macro_rules! ticket {
    ($(#[doc = $doc:literal])+ $name:ident, $tag:expr) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            /// The hierarchy whose proof made the ticket; NULL if there is none.
            pub hierarchy: Hierarchy,
            /// The HMAC; empty in a NULL ticket.
            pub digest: Tpm2bDigest,
        }

        impl $name {
            /// The structure's tag.
            pub const TAG: u16 = $tag;

            /// The ticket that proves nothing.
            #[must_use]
            pub fn null() -> Self {
                Self { hierarchy: Hierarchy::Null, digest: Tpm2bDigest::default() }
            }
        }

        impl marshal::Marshal for $name {
            fn marshal(&self, out: &mut Bytes) {
                Self::TAG.marshal(out);
                self.hierarchy.marshal(out);
                self.digest.marshal(out);
            }
        }

        impl marshal::Unmarshal for $name {
            fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
                if u16::unmarshal(r)? != Self::TAG {
                    return Err(rc::TAG);
                }
                Ok(Self { hierarchy: Hierarchy::unmarshal(r)?, digest: Tpm2bDigest::unmarshal(r)? })
            }
        }
    };
}

ticket! {
    /// TPMT_TK_CREATION: an object was created by this TPM. Part 2, 10.6.3.
    TpmtTkCreation, st::CREATION
}
ticket! {
    /// TPMT_TK_HASHCHECK: a digest was made by this TPM and does not begin as its own structures do. Part 2, 10.6.7.
    TpmtTkHashcheck, st::HASHCHECK
}

/// TPMU_TK_VERIFIED_META: what was verified, and the tag that says so. Part 2, 10.6.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(tag = u16, error = TAG)]
pub enum TkVerifiedMeta {
    /// A signature over a digest, by VerifySignature.
    #[tpm(tag = st::VERIFIED)]
    Verified,
    /// A signature over a message, by VerifySequenceComplete.
    #[tpm(tag = st::MESSAGE_VERIFIED)]
    MessageVerified,
    /// A signature over a digest of this algorithm, by VerifyDigestSignature.
    #[tpm(tag = st::DIGEST_VERIFIED)]
    DigestVerified(HashAlg),
}

/// TPMT_TK_VERIFIED: a signature was verified by this TPM. Part 2, 10.6.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmtTkVerified {
    /// The tag and what goes with it.
    pub metadata: TkVerifiedMeta,
    /// The hierarchy whose proof made the ticket; NULL if there is none.
    pub hierarchy: Hierarchy,
    /// The HMAC; empty in a NULL ticket.
    pub hmac: Tpm2bDigest,
}

impl TpmtTkVerified {
    /// The ticket that proves nothing.
    #[must_use]
    pub fn null() -> Self {
        Self { metadata: TkVerifiedMeta::Verified, hierarchy: Hierarchy::Null, hmac: Tpm2bDigest::default() }
    }
}

impl marshal::Marshal for TpmtTkVerified {
    fn marshal(&self, out: &mut Bytes) {
        use marshal::MarshalUnion;
        self.metadata.selector().marshal(out);
        self.hierarchy.marshal(out);
        self.metadata.marshal_body(out);
        self.hmac.marshal(out);
    }
}

impl marshal::Unmarshal for TpmtTkVerified {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        use marshal::UnmarshalUnion;
        let tag = u16::unmarshal(r)?;
        if ![st::VERIFIED, st::MESSAGE_VERIFIED, st::DIGEST_VERIFIED].contains(&tag) {
            return Err(rc::TAG);
        }
        let hierarchy = Hierarchy::unmarshal(r)?;
        Ok(Self {
            hierarchy,
            metadata: TkVerifiedMeta::unmarshal_body(tag, r)?,
            hmac: Tpm2bDigest::unmarshal(r)?,
        })
    }
}

/// The tag of a TPMT_TK_AUTH. Part 2, 10.6.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(repr = u16, error = TAG)]
#[repr(u16)]
pub enum TkAuthTag {
    /// TPM_ST_AUTH_SECRET: by PolicySecret.
    Secret = st::AUTH_SECRET,
    /// TPM_ST_AUTH_SIGNED: by PolicySigned.
    Signed = st::AUTH_SIGNED,
}

/// TPMT_TK_AUTH: an authorization that lasts longer than its session. Part 2, 10.6.6.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmtTkAuth {
    /// The command that gave it.
    pub tag: TkAuthTag,
    /// The hierarchy of the object that authorized; NULL if the authorization does not last.
    pub hierarchy: Hierarchy,
    /// The HMAC; empty in a NULL ticket.
    pub digest: Tpm2bDigest,
}

impl TpmtTkAuth {
    /// The ticket that proves nothing.
    #[must_use]
    pub fn null(tag: TkAuthTag) -> Self {
        Self { tag, hierarchy: Hierarchy::Null, digest: Tpm2bDigest::default() }
    }
}
