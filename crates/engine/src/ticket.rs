//! Tickets: how the TPM recognises what it has said before. Part 2, 10.6.

use crate::Tpm;
use alloc::vec::Vec;
use sigillo_crypto::{ct_eq, hmac::Hmac};
use sigillo_types::{
    HashAlg, MarshalUnion,
    buffers::{Tpm2bDigest, Tpm2bName},
    handles::Hierarchy,
    structures::{TkAuthTag, TkVerifiedMeta, TpmtTkAuth, TpmtTkCreation, TpmtTkHashcheck, TpmtTkVerified},
};

/// The hash of tickets and of context integrity: the strongest one there is. TPM_PT_CONTEXT_HASH.
pub(crate) const CONTEXT_HASH: HashAlg = HashAlg::Sha512;

/// `HMAC(proof, tag || parts)`. Part 2, 10.6.1.
fn digest(tpm: &Tpm, hierarchy: Hierarchy, tag: u16, parts: &[&[u8]]) -> Tpm2bDigest {
    let mut mac = Hmac::new(CONTEXT_HASH, tpm.proof(hierarchy));
    mac.update(&tag.to_be_bytes());
    for part in parts {
        mac.update(part);
    }
    // No digest is longer than the buffer.
    Tpm2bDigest::new(&mac.finish()).unwrap_or_default()
}

/// The ticket that an object was created here with this creation data. Part 2, 10.6.3.
pub(crate) fn creation(
    tpm: &Tpm,
    hierarchy: Hierarchy,
    name: &Tpm2bName,
    creation_hash: &Tpm2bDigest,
) -> TpmtTkCreation {
    let digest = digest(tpm, hierarchy, TpmtTkCreation::TAG, &[name, creation_hash]);
    TpmtTkCreation { hierarchy, digest }
}

/// Whether a creation ticket is one that [`creation`] makes.
pub(crate) fn is_creation(
    tpm: &Tpm,
    ticket: &TpmtTkCreation,
    name: &Tpm2bName,
    creation_hash: &Tpm2bDigest,
) -> bool {
    ct_eq(&ticket.digest, &creation(tpm, ticket.hierarchy, name, creation_hash).digest)
}

/// The ticket that a signature over `signed` by the key `key_name` was verified. In the NULL hierarchy, and for a key without a Name, it
/// proves nothing. Part 2, 10.6.5 and Part 3, 20.2.
pub(crate) fn verified(
    tpm: &Tpm,
    hierarchy: Hierarchy,
    metadata: TkVerifiedMeta,
    signed: &[u8],
    key_name: &Tpm2bName,
) -> TpmtTkVerified {
    if hierarchy == Hierarchy::Null || key_name.is_empty() {
        return TpmtTkVerified { metadata, ..TpmtTkVerified::null() };
    }
    let hmac = verified_hmac(tpm, hierarchy, metadata, signed, key_name);
    TpmtTkVerified { metadata, hierarchy, hmac }
}

fn verified_hmac(
    tpm: &Tpm,
    hierarchy: Hierarchy,
    metadata: TkVerifiedMeta,
    signed: &[u8],
    key_name: &Tpm2bName,
) -> Tpm2bDigest {
    let mut meta = Vec::new();
    metadata.marshal_body(&mut meta);
    digest(tpm, hierarchy, metadata.selector(), &[signed, key_name, &meta])
}

/// Begins the ticket that a signature over a message was verified: its HMAC takes the message, piece by piece. Part 2, 10.6.5.
pub(crate) fn begin_message_verified(tpm: &Tpm, hierarchy: Hierarchy) -> Hmac {
    let mut mac = Hmac::new(CONTEXT_HASH, tpm.proof(hierarchy));
    mac.update(&TkVerifiedMeta::MessageVerified.selector().to_be_bytes());
    mac
}

/// Ends it. As [`verified`], it proves nothing in the NULL hierarchy and for a key without a Name.
pub(crate) fn message_verified(hierarchy: Hierarchy, mut mac: Hmac, key_name: &Tpm2bName) -> TpmtTkVerified {
    let metadata = TkVerifiedMeta::MessageVerified;
    if hierarchy == Hierarchy::Null || key_name.is_empty() {
        return TpmtTkVerified { metadata, ..TpmtTkVerified::null() };
    }
    mac.update(key_name);
    // No digest is longer than the buffer.
    let hmac = Tpm2bDigest::new(&mac.finish()).unwrap_or_default();
    TpmtTkVerified { metadata, hierarchy, hmac }
}

/// Whether a ticket is one that [`verified`] or [`message_verified`] makes; a NULL ticket is not.
pub(crate) fn is_verified(tpm: &Tpm, ticket: &TpmtTkVerified, signed: &[u8], key_name: &Tpm2bName) -> bool {
    ct_eq(&ticket.hmac, &verified_hmac(tpm, ticket.hierarchy, ticket.metadata, signed, key_name))
}

/// The ticket of an authorization that outlasts its session; `parts` are what the authorization said, in the order of the formula.
/// Part 2, 10.6.6.
pub(crate) fn auth(tpm: &Tpm, tag: TkAuthTag, hierarchy: Hierarchy, parts: &[&[u8]]) -> TpmtTkAuth {
    let value = digest(tpm, hierarchy, tag as u16, parts);
    TpmtTkAuth { tag, hierarchy, digest: value }
}

/// Whether a ticket is one that [`auth`] makes of the same parts.
pub(crate) fn is_auth(tpm: &Tpm, ticket: &TpmtTkAuth, parts: &[&[u8]]) -> bool {
    ct_eq(&ticket.digest, &auth(tpm, ticket.tag, ticket.hierarchy, parts).digest)
}

/// The ticket that `hashed` is the digest of something that does not begin as the TPM's own structures do. In the NULL hierarchy, or if
/// the data was not `safe`, it proves nothing. Part 2, 10.6.7 and Part 3, 15.4.
pub(crate) fn hash_check(tpm: &Tpm, hierarchy: Hierarchy, hashed: &[u8], safe: bool) -> TpmtTkHashcheck {
    if hierarchy == Hierarchy::Null || !safe {
        return TpmtTkHashcheck::null();
    }
    TpmtTkHashcheck { hierarchy, digest: digest(tpm, hierarchy, TpmtTkHashcheck::TAG, &[hashed]) }
}

/// Whether a ticket is one that [`hash_check`] makes; a NULL ticket is not.
pub(crate) fn is_hash_check(tpm: &Tpm, ticket: &TpmtTkHashcheck, hashed: &[u8]) -> bool {
    ct_eq(&ticket.digest, &digest(tpm, ticket.hierarchy, TpmtTkHashcheck::TAG, &[hashed]))
}

/// Whether the TPM may vouch for data whose first piece is this: there are four octets, and they are not TPM_GENERATED_VALUE. Part 3, 17.7.
pub(crate) fn is_safe_to_sign(first: &[u8]) -> bool {
    first.len() >= 4 && !is_generated(first)
}

/// Whether data begins as what only the TPM makes does. Part 3, 15.4.
pub(crate) fn is_generated(data: &[u8]) -> bool {
    data.starts_with(&sigillo_types::constants::TPM_GENERATED_VALUE.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_begins_as_an_attestation_is_not_safe_to_sign() {
        assert!(!is_safe_to_sign(&[0xFF, 0x54, 0x43, 0x47, 0]));
        assert!(!is_safe_to_sign(&[1, 2, 3]));
        assert!(is_safe_to_sign(&[1, 2, 3, 4]));
    }
}
