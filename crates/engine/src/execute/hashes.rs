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
    key: &[u8],
    parameter_hash: &[u8],
    nonces: Nonces<'_>,
    attributes: TpmaSession,
) -> Digest {
    let mut mac = Hmac::new(alg, key);
    mac.update(parameter_hash);
    mac.update(nonces.newer);
    mac.update(nonces.older);
    mac.update(nonces.decrypt);
    mac.update(nonces.encrypt);
    mac.update(&[attributes.bits()]);
    mac.finish()
}
