//! Saved states of hashes, HMACs and the generator: their bytes, and what is refused.

mod support;

use proptest::prelude::*;
use sigillo_crypto::drbg::{Drbg, MAX_REQUEST, MIN_ENTROPY};
use sigillo_crypto::hash::{HashState, Hasher, hash};
use sigillo_crypto::hmac::{Hmac, hmac};
use sigillo_crypto::{Error, HashAlg, Rng};
use support::{drbg, hex};

fn alg() -> impl Strategy<Value = HashAlg> {
    prop::sample::select(HashAlg::ALL.to_vec())
}

#[test]
fn a_fresh_hash_state_has_the_documented_bytes() {
    let mut hasher = Hasher::new(HashAlg::Sha256);
    hasher.update(b"abc");
    assert_eq!(
        hasher.export().as_bytes(),
        hex(concat!(
            "01000b0000000000000003",
            "6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19",
            "616263"
        ))
    );
    let mut hasher = Hasher::new(HashAlg::Sha1);
    hasher.update(b"abc");
    assert_eq!(
        hasher.export().as_bytes(),
        hex("010004000000000000000367452301efcdab8998badcfe10325476c3d2e1f0616263")
    );
    let mut hasher = Hasher::new(HashAlg::Sm3_256);
    hasher.update(b"abc");
    assert_eq!(
        hasher.export().as_bytes(),
        hex(concat!(
            "0100120000000000000003",
            "7380166f4914b2b9172442d7da8a0600a96f30bc163138aae38dee4db0fb0e4e",
            "616263"
        ))
    );
    let mut hasher = Hasher::new(HashAlg::Sha3_512);
    hasher.update(b"abc");
    let lanes = "00".repeat(200);
    assert_eq!(hasher.export().as_bytes(), hex(&format!("0100290000000000000003{lanes}616263")));
}

/// The chaining words after the padded block of "abc" begin with its digest, which FIPS 180-4, FIPS 202 and GB/T 32905 publish.
#[test]
fn a_hash_state_after_a_block_holds_the_published_words() {
    for alg in HashAlg::ALL {
        let sponge = matches!(alg, HashAlg::Sha3_256 | HashAlg::Sha3_384 | HashAlg::Sha3_512);
        let (first, last) = if sponge { (0x06, 0x80) } else { (0x80, 24) };
        let mut block = vec![0; alg.block_size()];
        block[..4].copy_from_slice(&[b'a', b'b', b'c', first]);
        *block.last_mut().unwrap() = last;
        let mut hasher = Hasher::new(alg);
        hasher.update(&block);
        let state = hasher.export();
        let mut expected = vec![1, 0, u8::try_from(alg.id()).unwrap()];
        expected.extend((alg.block_size() as u64).to_be_bytes());
        expected.extend(&*hash(alg, &[b"abc"]));
        assert_eq!(state.as_bytes()[..expected.len()], expected);
        let words = match alg {
            HashAlg::Sha384 => 64,
            _ if sponge => 200,
            _ => alg.digest_size(),
        };
        assert_eq!(state.as_bytes().len(), 11 + words);
    }
}

#[test]
fn hash_states_that_were_never_exported_are_refused() {
    let mut hasher = Hasher::new(HashAlg::Sha384);
    hasher.update(&[5; 130]);
    let good = hasher.export().as_bytes().to_vec();
    let import = |bytes: &[u8]| Hasher::import(&HashState::from_bytes(bytes.to_vec()));
    assert!(import(&good).is_ok());
    for len in 0..good.len() {
        assert_eq!(import(&good[..len]).unwrap_err(), Error::BadState, "{len}");
    }
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let longer = [&good[..], &[0]].concat();
    for bad in [with(0, 0), with(0, 2), with(2, 0x10), with(1, 1), with(10, 0x83), with(3, 0x20), longer] {
        assert_eq!(import(&bad).unwrap_err(), Error::BadState);
    }
}

#[test]
fn hmac_states_of_hashes_that_do_not_belong_together_are_refused() {
    let bytes = |alg: HashAlg, data: &[u8]| {
        let mut hasher = Hasher::new(alg);
        hasher.update(data);
        hasher.export().as_bytes().to_vec()
    };
    let join = |inner: &[u8], outer: &[u8]| {
        let len = u16::try_from(inner.len()).unwrap().to_be_bytes();
        Hmac::import(&HashState::from_bytes([&len[..], inner, outer].concat()))
    };
    let block = bytes(HashAlg::Sha256, &[1; 64]);
    assert!(join(&block, &block).is_ok());
    for (inner, outer) in [
        (&block, &bytes(HashAlg::Sha256, &[1; 65])),
        (&block, &bytes(HashAlg::Sha256, &[])),
        (&bytes(HashAlg::Sha256, &[1; 63]), &block),
        (&block, &bytes(HashAlg::Sha1, &[1; 64])),
        (&block, &Vec::new()),
    ] {
        assert_eq!(join(inner, outer).unwrap_err(), Error::BadState);
    }
}

#[test]
fn a_generator_state_has_the_documented_bytes() {
    let mut drbg = Drbg::instantiate(&[1; 32], b"nonce", b"personalization").unwrap();
    drbg.generate(&mut [0; 7], b"additional").unwrap();
    let state = drbg.export();
    assert_eq!(state.len(), 57);
    assert_eq!(state[0], 1);
    assert_eq!(state[49..], [0, 0, 0, 0, 0, 0, 0, 2]);
    let mut copy = Drbg::import(&state).unwrap();
    let (mut a, mut b) = ([0; 100], [0; 100]);
    drbg.fill(&mut a);
    copy.fill(&mut b);
    assert_eq!(a, b);
    assert_ne!(a, [0; 100]);
}

#[test]
fn generator_states_that_were_never_exported_are_refused() {
    let good = drbg(1).export();
    for len in 0..good.len() {
        assert_eq!(Drbg::import(&good[..len]).unwrap_err(), Error::BadState);
    }
    let longer = [&good[..], &[0]].concat();
    assert_eq!(Drbg::import(&longer).unwrap_err(), Error::BadState);
    for (at, value) in [(0, 2), (56, 0)] {
        let mut bad = good.to_vec();
        bad[at] = value;
        assert_eq!(Drbg::import(&bad).unwrap_err(), Error::BadState);
    }
}

#[test]
fn a_generator_asks_for_entropy_after_its_interval_and_takes_no_less_than_it_needs() {
    let mut worn = drbg(1).export();
    worn[49..].copy_from_slice(&(1u64 << 32).to_be_bytes());
    let mut drbg = Drbg::import(&worn).unwrap();
    assert!(!drbg.reseed_due());
    drbg.generate(&mut [0; 4], &[]).unwrap();
    assert!(drbg.reseed_due());
    let mut out = [9; 4];
    assert_eq!(drbg.generate(&mut out, &[]), Err(Error::ReseedRequired));
    assert_eq!(out, [9; 4]);
    assert_eq!(drbg.reseed(&[1; MIN_ENTROPY - 1], &[]), Err(Error::BadSize));
    drbg.reseed(&[1; MIN_ENTROPY], &[]).unwrap();
    drbg.generate(&mut out, &[]).unwrap();
    // The counter of a hostile state stops at its end instead of turning over.
    worn[49..].fill(0xFF);
    let mut drbg = Drbg::import(&worn).unwrap();
    drbg.fill(&mut out);
    assert!(drbg.reseed_due());
}

#[test]
fn requests_beyond_the_limit_are_refused_or_split() {
    let mut drbg = drbg(3);
    let mut twin = drbg.clone();
    let mut long = vec![0; MAX_REQUEST + 1];
    assert_eq!(drbg.generate(&mut long, &[]), Err(Error::BadSize));
    drbg.fill(&mut long);
    let (mut head, mut tail) = (vec![0; MAX_REQUEST], [0]);
    twin.generate(&mut head, &[]).unwrap();
    twin.generate(&mut tail, &[]).unwrap();
    assert_eq!(long, [&head[..], &tail].concat());
    assert_eq!(Drbg::instantiate(&[0; 31], &[0; 99], &[]).unwrap_err(), Error::BadSize);
}

#[test]
fn nothing_secret_is_printed() {
    let mut rng = drbg(4);
    let key = sigillo_crypto::derive::ecc(&mut rng, sigillo_crypto::EccCurve::NistP256).unwrap();
    for text in [
        format!("{:?}", hash(HashAlg::Sha1, &[])),
        format!("{:?}", Hasher::new(HashAlg::Sha1)),
        format!("{:?}", Hasher::new(HashAlg::Sha1).export()),
        format!("{:?}", Hmac::new(HashAlg::Sha1, b"k")),
        format!("{rng:?}"),
        format!("{key:?}"),
        format!("{:?}", key.public().unwrap()),
    ] {
        assert!(text.contains("[secret]"), "{text}");
    }
}

proptest! {
    #[test]
    fn a_digest_does_not_depend_on_how_its_message_was_cut(
        alg in alg(),
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
    ) {
        let whole = hash(alg, &[&parts.concat()]);
        let mut hasher = Hasher::new(alg);
        for part in &parts {
            hasher.update(part);
            let state = HashState::from_bytes(hasher.export().as_bytes().to_vec());
            hasher = Hasher::import(&state).unwrap();
        }
        prop_assert_eq!(hasher.total(), parts.concat().len() as u64);
        prop_assert_eq!(hasher.finish(), whole);
    }

    #[test]
    fn an_hmac_does_not_depend_on_how_its_message_was_cut(
        alg in alg(),
        key in prop::collection::vec(any::<u8>(), 0..200),
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6),
    ) {
        let whole = hmac(alg, &key, &[&parts.concat()]);
        let mut mac = Hmac::new(alg, &key);
        for part in &parts {
            mac.update(part);
            let state = HashState::from_bytes(mac.export().as_bytes().to_vec());
            mac = Hmac::import(&state).unwrap();
        }
        prop_assert_eq!(mac.finish(), whole);
    }

    #[test]
    fn hostile_states_are_refused_or_usable(bytes in prop::collection::vec(any::<u8>(), 0..360), id in 0u8..0x2A) {
        let mut bytes = bytes;
        for (at, value) in [(0, 1), (1, 0), (2, id)] {
            if let Some(octet) = bytes.get_mut(at) {
                *octet = value;
            }
        }
        let state = HashState::from_bytes(bytes.clone());
        if let Ok(mut hasher) = Hasher::import(&state) {
            hasher.update(&[1; 200]);
            let _ = hasher.finish();
        }
        if let Ok(mac) = Hmac::import(&state) {
            let _ = mac.finish();
        }
        if let Ok(mut drbg) = Drbg::import(&bytes) {
            drbg.fill(&mut [0; 40]);
        }
    }
}
