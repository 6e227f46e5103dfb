//! The algorithms this TPM implements and their self-tests with known answers. Part 3, 10.

mod ecc;
mod vectors;

use crate::{Profile, Tpm, tpm::Failure};
use alloc::vec::Vec;
use sigillo_crypto::{
    EccCurve, HashAlg, Rng,
    cmac::Cmac,
    ecc::{EcPoint, EcPrivate, verify},
    hash::hash,
    hmac::hmac,
    kdf,
    rsa::{self, RsaPrivate, RsaPublic},
    sym::{self, Cipher},
};
use sigillo_types::{
    Implemented, Rc,
    alg::{AesKeyBits, AlgId, BlockCipher, CamelliaKeyBits, CipherMode, Sm4KeyBits, TdesKeyBits, id},
    attributes::TpmaAlgorithm,
    cc, rc, rh,
};
use vectors as known;

/// An implemented algorithm.
pub(crate) struct Algorithm {
    pub(crate) id: AlgId,
    /// Part 2, 8.2 and Table 9 of 6.3.
    pub(crate) attributes: TpmaAlgorithm,
    /// Whether it gives the known answers.
    test: fn(&mut dyn Rng) -> Option<bool>,
}

const fn algorithm(
    id: AlgId,
    attributes: TpmaAlgorithm,
    test: fn(&mut dyn Rng) -> Option<bool>,
) -> Algorithm {
    Algorithm { id, attributes, test }
}

const ASYMMETRIC: TpmaAlgorithm = TpmaAlgorithm::ASYMMETRIC;
const SYMMETRIC: TpmaAlgorithm = TpmaAlgorithm::SYMMETRIC;
const HASH: TpmaAlgorithm = TpmaAlgorithm::HASH;
const OBJECT: TpmaAlgorithm = TpmaAlgorithm::OBJECT;
const SIGNING: TpmaAlgorithm = TpmaAlgorithm::SIGNING;
const ENCRYPTING: TpmaAlgorithm = TpmaAlgorithm::ENCRYPTING;
const METHOD: TpmaAlgorithm = TpmaAlgorithm::METHOD;

const AES: BlockCipher = BlockCipher::Aes(AesKeyBits::Aes128);
const TDES: BlockCipher = BlockCipher::Tdes(TdesKeyBits::Tdes192);
const SM4: BlockCipher = BlockCipher::Sm4(Sm4KeyBits::Sm4_128);
const CAMELLIA: BlockCipher = BlockCipher::Camellia(CamelliaKeyBits::Camellia128);

/// Every algorithm that a profile can have, in the order of the identifiers.
const ALGORITHMS: &[Algorithm] = &[
    algorithm(id::RSA, ASYMMETRIC.union(OBJECT), rsassa),
    algorithm(id::TDES, SYMMETRIC, |_| {
        block(TDES, &known::TDES_KEY, &known::TDES_PLAIN, &known::TDES_CIPHER)
    }),
    algorithm(id::SHA1, HASH, |_| Some(*hash(HashAlg::Sha1, &[b"abc"]) == known::SHA1_ABC)),
    algorithm(id::HMAC, HASH.union(SIGNING), hmac_sha256),
    algorithm(id::AES, SYMMETRIC, aes_cfb),
    algorithm(id::MGF1, HASH.union(METHOD), mgf1),
    algorithm(id::KEYEDHASH, HASH.union(OBJECT).union(SIGNING).union(ENCRYPTING), hmac_sha256),
    algorithm(id::XOR, HASH.union(SYMMETRIC), xor),
    algorithm(id::SHA256, HASH, |_| Some(*hash(HashAlg::Sha256, &[b"abc"]) == known::SHA256_ABC)),
    algorithm(id::SHA384, HASH, |_| Some(*hash(HashAlg::Sha384, &[b"abc"]) == known::SHA384_ABC)),
    algorithm(id::SHA512, HASH, |_| Some(*hash(HashAlg::Sha512, &[b"abc"]) == known::SHA512_ABC)),
    algorithm(id::SM3_256, HASH, |_| Some(*hash(HashAlg::Sm3_256, &[b"abc"]) == known::SM3_ABC)),
    algorithm(id::SM4, SYMMETRIC, |_| block(SM4, &known::BLOCK, &known::BLOCK, &known::SM4_CIPHER)),
    algorithm(id::RSASSA, ASYMMETRIC.union(SIGNING), rsassa),
    algorithm(id::RSAES, ASYMMETRIC.union(ENCRYPTING), rsaes),
    algorithm(id::RSAPSS, ASYMMETRIC.union(SIGNING), rsapss),
    algorithm(id::OAEP, ASYMMETRIC.union(ENCRYPTING), oaep),
    algorithm(id::ECDSA, ASYMMETRIC.union(SIGNING), ecdsa),
    algorithm(id::ECDH, ASYMMETRIC.union(METHOD), ecdh),
    algorithm(id::ECDAA, ASYMMETRIC.union(SIGNING), ecc::ecdaa),
    algorithm(id::SM2, ASYMMETRIC.union(SIGNING).union(METHOD), ecc::sm2),
    algorithm(id::ECSCHNORR, ASYMMETRIC.union(SIGNING), ecc::ec_schnorr),
    algorithm(id::ECMQV, ASYMMETRIC.union(METHOD), ecc::ecmqv),
    algorithm(id::KDF1_SP800_56A, HASH.union(METHOD), kdfe),
    algorithm(id::KDF2, HASH.union(METHOD), ecc::kdf2),
    algorithm(id::KDF1_SP800_108, HASH.union(METHOD), kdfa),
    algorithm(id::ECC, ASYMMETRIC.union(OBJECT), ecdh),
    algorithm(id::SYMCIPHER, SYMMETRIC.union(OBJECT), aes_cfb),
    algorithm(id::CAMELLIA, SYMMETRIC, |_| {
        block(CAMELLIA, &known::BLOCK, &known::BLOCK, &known::CAMELLIA_CIPHER)
    }),
    algorithm(id::SHA3_256, HASH, |_| Some(*hash(HashAlg::Sha3_256, &[b"abc"]) == known::SHA3_256_ABC)),
    algorithm(id::SHA3_384, HASH, |_| Some(*hash(HashAlg::Sha3_384, &[b"abc"]) == known::SHA3_384_ABC)),
    algorithm(id::SHA3_512, HASH, |_| Some(*hash(HashAlg::Sha3_512, &[b"abc"]) == known::SHA3_512_ABC)),
    algorithm(id::CMAC, SYMMETRIC.union(SIGNING), |_| cmac()),
    algorithm(id::CTR, SYMMETRIC.union(ENCRYPTING), |_| {
        mode(CipherMode::Ctr, &known::CTR_COUNTER, &known::CTR_CIPHER)
    }),
    algorithm(id::OFB, SYMMETRIC.union(ENCRYPTING), |_| {
        mode(CipherMode::Ofb, &known::CFB_IV, &known::OFB_CIPHER)
    }),
    algorithm(id::CBC, SYMMETRIC.union(ENCRYPTING), |_| {
        mode(CipherMode::Cbc, &known::CFB_IV, &known::CBC_CIPHER)
    }),
    algorithm(id::CFB, SYMMETRIC.union(ENCRYPTING), aes_cfb),
    algorithm(id::ECB, SYMMETRIC.union(ENCRYPTING), |_| mode(CipherMode::Ecb, &[], &known::ECB_CIPHER)),
    algorithm(id::EDDSA, ASYMMETRIC.union(SIGNING), ecc::eddsa),
    algorithm(id::HASH_EDDSA, ASYMMETRIC.union(SIGNING), ecc::hash_eddsa),
];

/// What the engine can do at all: a profile chooses from it. Key sizes and curves are those that the types can name.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses a wrong index")]
pub(crate) const IMPLEMENTED: Implemented = {
    let mut set = Implemented::KEY_SIZES;
    let mut at = 0;
    while at < ALGORITHMS.len() {
        set = set.with_algorithms(&[ALGORITHMS[at].id]);
        at += 1;
    }
    let mut at = 0;
    while at < EccCurve::ALL.len() {
        set = set.with_curves(&[EccCurve::ALL[at].id()]);
        at += 1;
    }
    set
};

/// Which algorithms wait for their test since _TPM_Init: bit n for the n-th of [`ALGORITHMS`]. Those the profile lacks never do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SelfTests {
    untested: u64,
    /// Which of all are asymmetric: most commands need none of these.
    asymmetric: u64,
}

impl SelfTests {
    /// Nothing was tested but `tested`.
    pub(crate) fn with(profile: &Profile, tested: &[AlgId]) -> Self {
        let waits = |id: AlgId| profile.implemented.algorithm(id) && !tested.contains(&id);
        let bits = |wanted: &dyn Fn(&Algorithm) -> bool| {
            let wanted = ALGORITHMS.iter().enumerate().filter(|(_, algorithm)| wanted(algorithm));
            wanted.fold(0, |bits, (bit, _)| bits | 1 << bit)
        };
        Self {
            untested: bits(&|algorithm| waits(algorithm.id)),
            asymmetric: bits(&|algorithm| algorithm.attributes.contains(ASYMMETRIC)),
        }
    }
}

/// Whether a command's answer may depend on an asymmetric algorithm.
fn uses_asymmetric(code: u32, handles: &[u32]) -> bool {
    match code {
        cc::CREATE_PRIMARY
        | cc::CREATE
        | cc::CREATE_LOADED
        | cc::LOAD
        | cc::LOAD_EXTERNAL
        | cc::IMPORT
        | cc::REWRAP
        | cc::DUPLICATE
        | cc::MAKE_CREDENTIAL
        | cc::ACTIVATE_CREDENTIAL
        | cc::RSA_ENCRYPT
        | cc::RSA_DECRYPT
        | cc::ECDH_KEYGEN
        | cc::ECDH_ZGEN
        | cc::ZGEN_2PHASE
        | cc::ECC_ENCRYPT
        | cc::ECC_DECRYPT
        | cc::COMMIT
        | cc::EC_EPHEMERAL
        | cc::VERIFY_SIGNATURE
        | cc::SIGN
        | cc::SIGN_DIGEST
        | cc::VERIFY_DIGEST_SIGNATURE
        | cc::SIGN_SEQUENCE_COMPLETE
        | cc::VERIFY_SEQUENCE_START
        | cc::VERIFY_SEQUENCE_COMPLETE
        | cc::POLICY_SIGNED
        | cc::CERTIFY
        | cc::CERTIFY_CREATION
        | cc::CERTIFY_X509
        | cc::QUOTE
        | cc::GET_TIME
        | cc::GET_SESSION_AUDIT_DIGEST
        | cc::GET_COMMAND_AUDIT_DIGEST
        | cc::NV_CERTIFY => true,
        // Only a salt is decrypted.
        cc::START_AUTH_SESSION => handles.first().is_some_and(|salt_key| *salt_key != rh::NULL),
        _ => false,
    }
}

/// Whether a command gives nothing that depends on an algorithm, or tests what it gives. Part 3, 10.1.
fn needs_no_test(code: u32) -> bool {
    matches!(
        code,
        cc::STARTUP
            | cc::SHUTDOWN
            | cc::SELF_TEST
            | cc::INCREMENTAL_SELF_TEST
            | cc::GET_TEST_RESULT
            | cc::GET_CAPABILITY
            | cc::PCR_EXTEND
    )
}

impl Tpm {
    /// Tests what a command's answer may depend on, if it was not tested since _TPM_Init. Part 3, 10.1.
    ///
    /// # Errors
    /// `FAILURE` if a test fails; the TPM is then in failure mode.
    pub(crate) fn require_tested(&mut self, code: u32, handles: &[u32]) -> Result<(), Rc> {
        let left_out = if uses_asymmetric(code, handles) { 0 } else { self.tests.asymmetric };
        if self.tests.untested & !left_out == 0 || needs_no_test(code) {
            return Ok(());
        }
        let is_left_out = |id: AlgId| {
            let place = ALGORITHMS.iter().position(|algorithm| algorithm.id == id);
            place.is_some_and(|bit| left_out & (1 << bit) != 0)
        };
        self.self_test(false, |id| !is_left_out(id));
        if self.failure.is_some() { Err(rc::FAILURE) } else { Ok(()) }
    }

    /// Tests the algorithms for which `wanted` holds, those already tested only if `again`. A wrong answer is failure mode. Part 3, 10.1.
    pub(crate) fn self_test(&mut self, again: bool, wanted: impl Fn(AlgId) -> bool) {
        for (bit, algorithm) in ALGORITHMS.iter().enumerate() {
            let untested = self.tests.untested & (1 << bit) != 0;
            let again = again && self.profile.implemented.algorithm(algorithm.id);
            if !wanted(algorithm.id) || !(untested || again) {
                continue;
            }
            if (algorithm.test)(&mut self.rng) == Some(true) {
                self.tests.untested &= !(1 << bit);
            } else {
                self.enter_failure(Failure::SelfTest);
                return;
            }
        }
    }

    /// The algorithms of the profile that were not tested yet, or those that were.
    pub(crate) fn algorithms_tested(&self, tested: bool) -> Vec<AlgId> {
        let algorithms = ALGORITHMS.iter().enumerate().filter(|(bit, algorithm)| {
            let untested = self.tests.untested & (1 << bit) != 0;
            self.profile.implemented.algorithm(algorithm.id) && untested != tested
        });
        algorithms.map(|(_, algorithm)| algorithm.id).collect()
    }

    /// The algorithms of the profile in the order of their identifiers.
    pub(crate) fn algorithms(&self) -> impl Iterator<Item = &'static Algorithm> {
        ALGORITHMS.iter().filter(|algorithm| self.profile.implemented.algorithm(algorithm.id))
    }
}

fn hmac_sha256(_: &mut dyn Rng) -> Option<bool> {
    Some(*hmac(HashAlg::Sha256, b"Jefe", &[b"what do ya want for nothing?"]) == known::HMAC_SHA256)
}

fn aes_cfb(_: &mut dyn Rng) -> Option<bool> {
    let mut data = known::CFB_PLAIN;
    sym::cfb_encrypt(AES, &known::CFB_KEY, &known::CFB_IV, &mut data).ok()?;
    let encrypted = data == known::CFB_CIPHER;
    sym::cfb_decrypt(AES, &known::CFB_KEY, &known::CFB_IV, &mut data).ok()?;
    Some(encrypted && data == known::CFB_PLAIN)
}

/// Whether a cipher makes one block of another, and back.
fn block(cipher: BlockCipher, key: &[u8], plain: &[u8], encrypted: &[u8]) -> Option<bool> {
    both_ways(&Cipher::new(cipher, key).ok()?, CipherMode::Ecb, &[], plain, encrypted)
}

/// The same of AES in a mode, over two blocks.
fn mode(mode: CipherMode, iv: &[u8], encrypted: &[u8]) -> Option<bool> {
    let key = Cipher::new(AES, &known::CFB_KEY).ok()?;
    both_ways(&key, mode, iv, &known::MODES_PLAIN, encrypted)
}

fn both_ways(key: &Cipher, mode: CipherMode, iv: &[u8], plain: &[u8], encrypted: &[u8]) -> Option<bool> {
    let mut data = plain.to_vec();
    key.encrypt(mode, &mut iv.to_vec(), &mut data).ok()?;
    let right = data == encrypted;
    key.decrypt(mode, &mut iv.to_vec(), &mut data).ok()?;
    Some(right && data == plain)
}

fn cmac() -> Option<bool> {
    let mut mac = Cmac::new(AES, &known::CFB_KEY).ok()?;
    mac.update(&known::CFB_PLAIN).ok()?;
    Some(*mac.finish().ok()? == known::CMAC)
}

fn mgf1(_: &mut dyn Rng) -> Option<bool> {
    let mut mask = [0; known::MGF1_SHA256_BAR.len()];
    kdf::mgf1_xor(HashAlg::Sha256, b"bar", &mut mask);
    Some(mask == known::MGF1_SHA256_BAR)
}

fn kdfa(_: &mut dyn Rng) -> Option<bool> {
    Some(*kdf::kdfa(HashAlg::Sha256, b"Jefe", b"SELF", b"u", b"vv", 320) == known::KDFA_SHA256)
}

fn kdfe(_: &mut dyn Rng) -> Option<bool> {
    Some(*kdf::kdfe(HashAlg::Sha256, b"zzzz", b"SELF", b"u", b"vv", 320) == known::KDFE_SHA256)
}

fn xor(_: &mut dyn Rng) -> Option<bool> {
    let mut data = *b"abc";
    sym::xor_obfuscate(HashAlg::Sha256, b"Jefe", b"u", b"vv", &mut data);
    Some(data == known::XOR_SHA256)
}

fn ecdsa(rng: &mut dyn Rng) -> Option<bool> {
    let public = EcPoint::new(EccCurve::NistP256, &known::ECDSA_X, &known::ECDSA_Y).ok()?;
    let digest = hash(HashAlg::Sha256, &[b"sample"]);
    let known = verify(&public, &digest, &known::ECDSA_R, &known::ECDSA_S).is_ok()
        && verify(&public, &known::SHA256_ABC, &known::ECDSA_R, &known::ECDSA_S).is_err();
    let private = EcPrivate::new(EccCurve::NistP256, &known::ECDSA_D).ok()?;
    let signature = private.sign(&digest, rng).ok()?;
    Some(known && verify(&public, &digest, signature.r(), signature.s()).is_ok())
}

fn ecdh(_: &mut dyn Rng) -> Option<bool> {
    let public = EcPoint::new(EccCurve::NistP256, &known::ECDH_X, &known::ECDH_Y).ok()?;
    let private = EcPrivate::new(EccCurve::NistP256, &known::ECDH_D).ok()?;
    Some(private.ecdh(&public).ok()?.x() == known::ECDH_Z)
}

fn rsa_key() -> Option<RsaPrivate> {
    let public = RsaPublic::new(&known::RSA_N, 65537).ok()?;
    RsaPrivate::from_prime(&public, &known::RSA_P).ok()
}

fn rsassa(rng: &mut dyn Rng) -> Option<bool> {
    let key = rsa_key()?;
    let signature = rsa::pkcs1_sign(&key, Some(HashAlg::Sha256), &known::SHA256_ABC, rng).ok()?;
    let verified =
        rsa::pkcs1_verify(key.public(), Some(HashAlg::Sha256), &known::SHA256_ABC, &known::RSASSA).is_ok();
    Some(verified && signature == known::RSASSA)
}

fn rsapss(rng: &mut dyn Rng) -> Option<bool> {
    let key = rsa_key()?;
    let verify =
        |signature: &[u8]| rsa::pss_verify(key.public(), HashAlg::Sha256, &known::SHA256_ABC, signature);
    let signature = rsa::pss_sign(&key, HashAlg::Sha256, &known::SHA256_ABC, rng).ok()?;
    Some(verify(&known::RSAPSS).is_ok() && verify(&signature).is_ok() && verify(&known::RSASSA).is_err())
}

fn rsaes(rng: &mut dyn Rng) -> Option<bool> {
    Some(**rsa::pkcs1_decrypt(&rsa_key()?, &known::RSAES, rng).ok()? == *b"abc")
}

fn oaep(rng: &mut dyn Rng) -> Option<bool> {
    let message =
        rsa::oaep_decrypt(&rsa_key()?, HashAlg::Sha256, HashAlg::Sha256, b"", &known::OAEP, rng).ok()?;
    Some(**message == *b"abc")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigillo_crypto::drbg::Drbg;

    #[test]
    fn every_algorithm_gives_its_known_answer() {
        let mut rng = Drbg::instantiate(&[7; 48], &[], &[]).unwrap();
        for algorithm in ALGORITHMS {
            assert_eq!((algorithm.test)(&mut rng), Some(true), "{:#06x}", algorithm.id);
        }
    }

    #[test]
    fn algorithms_are_in_the_order_of_their_identifiers() {
        assert!(ALGORITHMS.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert!(ALGORITHMS.len() < 64);
    }
}
