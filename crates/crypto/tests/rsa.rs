//! RSA: round trips of every scheme, and what is refused.

mod support;

use std::sync::LazyLock;

use proptest::prelude::*;
use sigillo_crypto::hash::hash;
use sigillo_crypto::rsa::{self, RsaPrivate, RsaPublic};
use sigillo_crypto::{Error, HashAlg, Rng, derive};
use support::{drbg, hex, records};

/// The first RSA-2048 key of the derivation vectors.
static KEY: LazyLock<RsaPrivate> = LazyLock::new(|| key(2048));

fn key(bits: u32) -> RsaPrivate {
    let bits = bits.to_string();
    let all = records(include_str!("vectors/derive.txt"));
    let mut found = all.iter().filter(|record| record.get("bits") == Some(&bits));
    let record = found.next().unwrap();
    let (p, q) = (record.hex("p"), record.hex("q"));
    let public = RsaPublic::new(&product(&p, &q), rsa::DEFAULT_EXPONENT).unwrap();
    RsaPrivate::from_prime(&public, &p).unwrap()
}

/// Schoolbook multiplication, octet by octet.
fn product(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut out = vec![0u8; a.len() + b.len()];
    for (i, x) in a.iter().rev().enumerate() {
        let mut carry = 0u32;
        for (j, y) in b.iter().rev().enumerate() {
            let at = out.len() - 1 - i - j;
            carry += u32::from(out[at]) + u32::from(*x) * u32::from(*y);
            out[at] = (carry & 0xFF) as u8;
            carry >>= 8;
        }
        let at = out.len() - 1 - i - b.len();
        out[at] = u8::try_from(carry).unwrap();
    }
    out
}

/// Gives what it was told, then zeros.
struct Fixed(Vec<u8>);

impl Rng for Fixed {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(0);
        for octet in out {
            if !self.0.is_empty() {
                *octet = self.0.remove(0);
            }
        }
    }
}

#[test]
fn private_and_public_operations_undo_each_other_at_every_size() {
    let mut rng = drbg(1);
    for bits in [2048, 3072, 4096] {
        let key = key(bits);
        let size = key.public().size();
        let mut blocks = vec![vec![0; size], vec![0; size], vec![0; size]];
        blocks[1][size - 1] = 1;
        rng.fill(&mut blocks[2][1..]);
        // n - 1 is its own square root of one.
        let mut last = key.public().n().to_vec();
        last[size - 1] -= 1;
        blocks.push(last);
        for block in blocks {
            let signed = key.raw(&block, &mut rng).unwrap();
            assert_eq!(key.public().raw(&signed).unwrap(), block);
            let sealed = key.public().raw(&block).unwrap();
            assert_eq!(key.raw(&sealed, &mut rng).unwrap()[..], block);
        }
    }
}

#[test]
fn blinding_does_not_show_in_the_result() {
    let block = [&[0][..], &[0x5A; 255]].concat();
    let first = KEY.raw(&block, &mut drbg(1)).unwrap();
    assert_eq!(KEY.raw(&block, &mut drbg(2)).unwrap(), first);
}

#[test]
fn a_dead_generator_is_a_fault_and_no_result() {
    let block = [0; 256];
    assert_eq!(KEY.raw(&block, &mut Fixed(vec![])).unwrap_err(), Error::Fault);
    assert_eq!(rsa::pkcs1_encrypt(KEY.public(), b"m", &mut Fixed(vec![])).unwrap_err(), Error::Fault);
}

#[test]
fn blocks_out_of_range_are_refused() {
    let mut rng = drbg(1);
    let n = KEY.public().n().to_vec();
    for (block, error) in [
        (n.clone(), Error::BadValue),
        (vec![0xFF; 256], Error::BadValue),
        (vec![0; 255], Error::BadSize),
        (vec![0; 257], Error::BadSize),
        (vec![], Error::BadSize),
    ] {
        assert_eq!(KEY.raw(&block, &mut rng).unwrap_err(), error);
        assert_eq!(KEY.public().raw(&block).unwrap_err(), error);
        assert!(rsa::pkcs1_decrypt(&KEY, &block, &mut rng).is_err());
    }
}

#[test]
fn public_keys_that_are_none_are_refused() {
    let n = KEY.public().n();
    for (n, e, error) in [
        (n[1..].to_vec(), 65537, Error::BadSize),
        (vec![], 65537, Error::BadSize),
        (vec![0xFF; 1024], 65537, Error::BadSize),
        ([&[0x7F], &n[1..]].concat(), 65537, Error::BadValue),
        ([&n[..255], &[0]].concat(), 65537, Error::BadValue),
        (n.to_vec(), 0, Error::BadValue),
        (n.to_vec(), 1, Error::BadValue),
        (n.to_vec(), 65536, Error::BadValue),
    ] {
        assert_eq!(RsaPublic::new(&n, e).unwrap_err(), error);
    }
}

#[test]
fn primes_that_do_not_belong_are_refused() {
    let public = KEY.public();
    let [p, q] = KEY.primes();
    let load = |prime: &[u8]| RsaPrivate::from_prime(public, prime).map(|_| ());
    assert_eq!(load(&p), Ok(()));
    assert_eq!(load(&q), Ok(()));
    let mut even = p.to_vec();
    even[127] ^= 1;
    let mut other = p.to_vec();
    other[127] ^= 2;
    let mut one = vec![0; 128];
    one[127] = 1;
    for bad in [even, other, one, vec![0; 128], vec![0xFF; 128]] {
        assert_eq!(load(&bad), Err(Error::BadValue));
    }
    for len in [0, 127, 129, 256] {
        assert_eq!(load(&vec![0xC1; len]), Err(Error::BadSize));
    }
}

#[test]
fn moduli_of_unsuitable_factors_are_refused() {
    let [p, q] = KEY.primes();
    let load = |a: &[u8], b: &[u8], e: u32| {
        let public = RsaPublic::new(&product(a, b), e)?;
        RsaPrivate::from_prime(&public, a).map(|_| ())
    };
    assert_eq!(load(&p, &q, 65537), Ok(()));
    // A square has no second prime.
    assert_eq!(load(&p, &p, 65537), Err(Error::BadValue));
    // An exponent that divides p - 1 has no inverse.
    let rest = |e| p.iter().fold(0, |rest, octet| (rest * 256 + u32::from(*octet)) % e);
    let divisor = (3..100_000).step_by(2).find(|e| rest(*e) == 1).unwrap();
    assert_eq!(load(&p, &q, divisor), Err(Error::BadValue));
    // A factor that is too small for its half, with one that is too large for the other.
    let mut small = vec![0; 128];
    small[0] = 0x80;
    small[127] = 1;
    let large = vec![0xFF; 128];
    assert_eq!(load(&small, &large, 65537), Err(Error::BadValue));
    assert_eq!(load(&large, &small, 65537), Err(Error::BadValue));
}

#[test]
fn keys_are_made_only_in_the_supported_sizes_and_exponents() {
    let mut rng = drbg(1);
    for bits in [0, 512, 2047, 2056, 8192] {
        assert_eq!(derive::rsa(&mut rng, bits, 65537).unwrap_err(), Error::BadSize);
    }
    for e in [0, 3, 65535, 65536, 65538] {
        assert_eq!(derive::rsa(&mut rng, 2048, e).unwrap_err(), Error::BadValue);
    }
}

#[test]
fn signatures_verify_and_nothing_else_does() {
    let mut rng = drbg(1);
    for alg in HashAlg::ALL {
        let digest = hash(alg, &[b"message"]);
        let other = hash(alg, &[b"another"]);
        let key = &*KEY;
        let pkcs1 = rsa::pkcs1_sign(key, Some(alg), &digest, &mut rng).unwrap();
        let pss = rsa::pss_sign(key, alg, &digest, &mut rng).unwrap();
        rsa::pkcs1_verify(key.public(), Some(alg), &digest, &pkcs1).unwrap();
        rsa::pss_verify(key.public(), alg, &digest, &pss).unwrap();
        let bad = Err(Error::BadSignature);
        assert_eq!(rsa::pkcs1_verify(key.public(), Some(alg), &other, &pkcs1), bad);
        assert_eq!(rsa::pss_verify(key.public(), alg, &other, &pss), bad);
        assert_eq!(rsa::pkcs1_verify(key.public(), Some(alg), &digest, &pss), bad);
        assert_eq!(rsa::pss_verify(key.public(), alg, &digest, &pkcs1), bad);
        assert_eq!(rsa::pss_verify(key.public(), alg, &digest, &pss[1..]), bad);
        assert_eq!(rsa::pss_verify(key.public(), alg, &digest, key.public().n()), bad);
        // Without a DigestInfo the same octets are another message.
        assert_eq!(rsa::pkcs1_verify(key.public(), None, &digest, &pkcs1), bad);
        let short = Err(Error::BadSize);
        assert_eq!(rsa::pss_verify(key.public(), alg, &digest[1..], &pss), short);
        assert_eq!(rsa::pkcs1_verify(key.public(), Some(alg), &digest[1..], &pkcs1), short);
        assert!(rsa::pss_sign(key, alg, &digest[1..], &mut rng).is_err());
    }
}

#[test]
fn a_null_scheme_signs_octets_as_they_are_until_they_do_not_fit() {
    let mut rng = drbg(1);
    for len in [0, 36, 245] {
        let message = vec![3; len];
        let signature = rsa::pkcs1_sign(&KEY, None, &message, &mut rng).unwrap();
        rsa::pkcs1_verify(KEY.public(), None, &message, &signature).unwrap();
    }
    let long = [3; 246];
    assert_eq!(rsa::pkcs1_sign(&KEY, None, &long, &mut rng), Err(Error::BadSize));
}

#[test]
fn a_pss_salt_is_as_long_as_the_digest_or_as_fits() {
    // RSA-1024 (modulus from the Wycheproof file rsa_oaep_misc) leaves 62 octets for SHA-512.
    let p = hex(
        "e882d12d5f0be26a80359f13c08210bdcbf759dfee695313efa8886919659b064e3c656a267af6275ed1af89a5dfe9e25b31a02bafbd59445b7507a22989a681",
    );
    let q = hex(
        "e5a65cfa668bd857d59135a78c18c8adb7c222368e9d74abad8e83299f7ac3c2ad7aa44ddb05deea6d9b20dbaf09a8615284a17c72d3723240334685ea7e2559",
    );
    let public = RsaPublic::new(&product(&p, &q), 65537).unwrap();
    let key = RsaPrivate::from_prime(&public, &p).unwrap();
    let digest = hash(HashAlg::Sha512, &[b"m"]);
    let signature = rsa::pss_sign(&key, HashAlg::Sha512, &digest, &mut drbg(1)).unwrap();
    rsa::pss_verify(&public, HashAlg::Sha512, &digest, &signature).unwrap();
    // With the same salt, the padded block starts with the one that ends the padding: no zeros before it.
    let block = public.raw(&signature).unwrap();
    let mut data = block[..63].to_vec();
    sigillo_crypto::kdf::mgf1_xor(HashAlg::Sha512, &block[63..127], &mut data);
    assert_eq!(data[0] & 0x7F, 1);
    let digest = hash(HashAlg::Sha1, &[b"m"]);
    let signature = rsa::pss_sign(&key, HashAlg::Sha1, &digest, &mut drbg(1)).unwrap();
    let block = public.raw(&signature).unwrap();
    let mut data = block[..107].to_vec();
    sigillo_crypto::kdf::mgf1_xor(HashAlg::Sha1, &block[107..127], &mut data);
    assert_eq!(data[107 - 21], 1);
    assert!(data[1..107 - 21].iter().all(|octet| *octet == 0));
}

#[test]
fn oaep_takes_messages_up_to_its_limit_and_binds_label_and_hashes() {
    let mut rng = drbg(1);
    let (sha1, sha256) = (HashAlg::Sha1, HashAlg::Sha256);
    for len in [0, 1, 32, 190] {
        let message = vec![0; len];
        let public = KEY.public();
        let block = rsa::oaep_encrypt(public, sha256, sha256, b"L\0", &message, &mut rng).unwrap();
        let mut open = |alg, mgf, label: &[u8]| rsa::oaep_decrypt(&KEY, alg, mgf, label, &block, &mut rng);
        assert_eq!(open(sha256, sha256, b"L\0").unwrap()[..], message);
        assert_eq!(open(sha256, sha256, b"L").unwrap_err(), Error::BadPadding);
        assert_eq!(open(sha1, sha256, b"L\0").unwrap_err(), Error::BadPadding);
        assert_eq!(open(sha256, sha1, b"L\0").unwrap_err(), Error::BadPadding);
    }
    let long = [0; 191];
    assert_eq!(rsa::oaep_encrypt(KEY.public(), sha256, sha256, b"", &long, &mut rng), Err(Error::BadSize));
}

/// Seals a block as it is, to see what decryption makes of its form.
fn open_pkcs1(block: &[u8]) -> Result<Vec<u8>, Error> {
    let sealed = KEY.public().raw(block).unwrap();
    rsa::pkcs1_decrypt(&KEY, &sealed, &mut drbg(9)).map(|plain| plain.to_vec())
}

#[test]
fn pkcs1_blocks_need_eight_octets_of_padding_and_an_end() {
    let block = |padding: usize, message: &[u8]| {
        let mut block = vec![0, 2];
        block.extend(std::iter::repeat_n(7, padding));
        block.push(0);
        block.extend(message);
        block.resize(256, 7);
        block
    };
    assert_eq!(open_pkcs1(&block(8, b"m")).unwrap()[..1], *b"m");
    assert_eq!(open_pkcs1(&block(253, b"")).unwrap(), b"");
    assert_eq!(open_pkcs1(&block(7, b"m")), Err(Error::BadPadding));
    assert_eq!(open_pkcs1(&block(0, b"m")), Err(Error::BadPadding));
    let mut endless = block(253, b"");
    endless[255] = 7;
    assert_eq!(open_pkcs1(&endless), Err(Error::BadPadding));
    for (at, value) in [(0, 1), (1, 1), (1, 0)] {
        let mut wrong = block(8, b"m");
        wrong[at] = value;
        assert_eq!(open_pkcs1(&wrong), Err(Error::BadPadding));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pkcs1_encryption_comes_back(message in prop::collection::vec(any::<u8>(), 0..=245)) {
        let mut rng = drbg(5);
        let block = rsa::pkcs1_encrypt(KEY.public(), &message, &mut rng).unwrap();
        prop_assert_eq!(&rsa::pkcs1_decrypt(&KEY, &block, &mut rng).unwrap()[..], &message);
    }

    #[test]
    fn hostile_keys_are_refused(
        n in prop::collection::vec(any::<u8>(), 256),
        prime in prop::collection::vec(any::<u8>(), 128),
        e in any::<u32>(),
    ) {
        if let Ok(public) = RsaPublic::new(&n, e) {
            prop_assert!(RsaPrivate::from_prime(&public, &prime).is_err());
            prop_assert!(public.raw(&[&[0], &n[1..]].concat()).is_ok());
        }
    }
}
