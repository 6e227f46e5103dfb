//! What sessions compute over a command and its response. Part 1, 15.7, 15.8 and 16.6.5.

use sigillo_crypto::{
    hash::{Digest, Hasher},
    hmac::Hmac,
};
use sigillo_types::{HashAlg, attributes::TpmaSession, rc};

/// cpHash: over the command code, the Names of the handles, and the parameters.
pub(super) fn cp_hash<N: AsRef<[u8]>>(alg: HashAlg, code: u32, names: &[N], parameters: &[u8]) -> Digest {
    let mut hasher = Hasher::new(alg);
    hasher.update(&code.to_be_bytes());
    for name in names {
        hasher.update(name.as_ref());
    }
    hasher.update(parameters);
    hasher.finish()
}

/// rpHash: over the response code (which is success), the command code, and the parameters.
pub(super) fn rp_hash(alg: HashAlg, code: u32, parameters: &[u8]) -> Digest {
    let mut hasher = Hasher::new(alg);
    hasher.update(&rc::SUCCESS.raw().to_be_bytes());
    hasher.update(&code.to_be_bytes());
    hasher.update(parameters);
    hasher.finish()
}

/// nameHash: over the Names of the handles.
pub(super) fn name_hash<N: AsRef<[u8]>>(alg: HashAlg, names: &[N]) -> Digest {
    let mut hasher = Hasher::new(alg);
    for name in names {
        hasher.update(name.as_ref());
    }
    hasher.finish()
}

/// The nonces of an HMAC, in its order. Sizes are not included.
#[derive(Clone, Copy, Default)]
pub(super) struct Nonces<'a> {
    pub(super) newer: &'a [u8],
    pub(super) older: &'a [u8],
    /// nonceTPM of another session that decrypts, and of a third that encrypts; only in the first session of a command.
    pub(super) decrypt: &'a [u8],
    pub(super) encrypt: &'a [u8],
}

/// The HMAC of a command or response. The key is sessionKey and authValue.
pub(super) fn session_hmac(
    alg: HashAlg,
    key: [&[u8]; 2],
    parameter_hash: &[u8],
    nonces: Nonces<'_>,
    attributes: TpmaSession,
) -> Digest {
    let mut mac = Hmac::of_parts(alg, &key);
    mac.update(parameter_hash);
    mac.update(nonces.newer);
    mac.update(nonces.older);
    mac.update(nonces.decrypt);
    mac.update(nonces.encrypt);
    mac.update(&[attributes.bits()]);
    mac.finish()
}

/// The expected values were computed with Python's `hashlib` and `hmac`.
#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::String, vec::Vec};
    use sigillo_crypto::hash::hash;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// `000b` and `hashlib.sha256(b"object").digest()`.
    fn object_name() -> Vec<u8> {
        [&[0x00, 0x0B], &*hash(HashAlg::Sha256, &[b"object"])].concat()
    }

    #[test]
    fn a_command_hash_is_over_code_names_and_parameters() {
        // sha256(0000017b || 0010)
        assert_eq!(
            hex(&cp_hash::<&[u8]>(HashAlg::Sha256, 0x17B, &[], &[0, 16])),
            "3a936d6ea415e99156592175f59f848645d0b0c31d4878750e234d23dd5723fb"
        );
        // sha1(00000150 || name || 40000001 || 0004deadbeef)
        let names = [object_name(), alloc::vec![0x40, 0, 0, 1]];
        assert_eq!(
            hex(&cp_hash(HashAlg::Sha1, 0x150, &names, &[0, 4, 0xDE, 0xAD, 0xBE, 0xEF])),
            "82972a1bd3718d794d29e2b3940f4b657a301d7c"
        );
    }

    #[test]
    fn a_response_hash_is_over_codes_and_parameters() {
        // sha384(00000000 || 0000017b || 000401020304)
        assert_eq!(
            hex(&rp_hash(HashAlg::Sha384, 0x17B, &[0, 4, 1, 2, 3, 4])),
            "64f66d81c1cb4db42c824133c2ee780aafcf6fb92a39b24c23b42a96775ff12e8daadab2bb4400438ce3f190b85f0095"
        );
    }

    #[test]
    fn a_name_hash_is_over_the_names_alone() {
        assert_eq!(
            hex(&name_hash(HashAlg::Sha256, &[object_name(), alloc::vec![0x40, 0, 0, 1]])),
            "fa5c0a708e8bfea423d5f411e9ad4075e85b8b03544d9f3bfa2439bf770a7f61"
        );
    }

    #[test]
    fn a_session_hmac_has_its_nonces_in_order_and_the_attributes_last() {
        // hmac(bytes(range(32)) || b"secret", sha256(b"p") || 01*16 || 02*16 || 03*20 || 04*32 || 61)
        let key: Vec<u8> = (0..32).collect();
        let nonces = Nonces { newer: &[1; 16], older: &[2; 16], decrypt: &[3; 20], encrypt: &[4; 32] };
        let attributes = TpmaSession::CONTINUE_SESSION | TpmaSession::DECRYPT | TpmaSession::ENCRYPT;
        let parameters = hash(HashAlg::Sha256, &[b"p"]);
        assert_eq!(
            hex(&session_hmac(HashAlg::Sha256, [&key, b"secret"], &parameters, nonces, attributes)),
            "b9303b148a6e997390d38cbcbe1949df98ba4dab50ca86257692103d5354e451"
        );
    }

    #[test]
    fn a_session_hmac_with_an_empty_key_is_still_an_hmac() {
        // hmac(b"", sha1(b"p") || 01 || 01)
        let nonces = Nonces { newer: &[1], ..Nonces::default() };
        let parameters = hash(HashAlg::Sha1, &[b"p"]);
        assert_eq!(
            hex(&session_hmac(HashAlg::Sha1, [&[], &[]], &parameters, nonces, TpmaSession::CONTINUE_SESSION)),
            "3d80b8c55fc12e464ecab8ecb8a80d3d7f0018ff"
        );
    }
}
