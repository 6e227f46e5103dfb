//! Known answers: hashes, KDFs, the generator, AES-CFB and the derivation contract.

mod support;

use sigillo_crypto::drbg::Drbg;
use sigillo_crypto::hash::{Hasher, hash};
use sigillo_crypto::hmac::{Hmac, hmac};
use sigillo_crypto::kdf::{kdfa, kdfa_fill, kdfe};
use sigillo_crypto::rsa::{RsaPublic, pkcs1_verify};
use sigillo_crypto::{HashAlg, derive, sym};
use sigillo_types::alg::{BlockCipher, CipherMode};
use support::{hex, records};

/// The digest of the example message of FIPS 180-4, FIPS 202's examples and GB/T 32905, A.1, and a digest over the digests of the messages of 0 to 300 octets 0, 1, 2, ...
/// (modulo 251), computed with Python's hashlib.
const HASHES: [(HashAlg, &str, &str); 8] = [
    (HashAlg::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d", "6804e4ea9a6a8d4892d67a40ced19afe1455116c"),
    (
        HashAlg::Sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "b90e35153500e9a471591550ee25a954527c6b4448afff95f7949a2ca93300ce",
    ),
    (
        HashAlg::Sha384,
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        "80e3889f16595105b3522047c1e668b4e51531d98a660101516923ebdb1cf359b8a3bd514465820fa194d12fa7cc37f6",
    ),
    (
        HashAlg::Sha512,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "da20b3b598f77f25e2e2d1941e345bfe16543f32378fbc8447fbb64f038964cea0808c9d450e5e83ac095f5656c102b2ff15a8e0501c7553a7afe1e0256b5e09",
    ),
    (
        HashAlg::Sm3_256,
        "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
        "31420de15010565f06aced98cfd897c8bb0172bde45097d8fbfedb307c9ca43f",
    ),
    (
        HashAlg::Sha3_256,
        "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
        "d4daa4ebbd2c645f86ba95b6e1826396ad89974ff4cd6581c57e362b4464286a",
    ),
    (
        HashAlg::Sha3_384,
        "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
        "2e835ab5ddc0a40a779470230f52afb340416421486f769485c81ccd8c5a19f00af020ec059f49908b4e9a99a3fcb3e6",
    ),
    (
        HashAlg::Sha3_512,
        "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
        "896d0b00d5f8e862c70225dbf04329a0d67baa7b25fe8640a3fba8d0d20e964add60f2c33a2ecb2f8d02a124bb2afea240797c6590bc0957fac40058ef947100",
    ),
];

#[test]
fn hashes_of_every_short_length_are_those_of_another_implementation() {
    for (alg, abc, all) in HASHES {
        assert_eq!(hash(alg, &[b"a", b"", b"bc"]).to_vec(), hex(abc));
        let mut outer = Hasher::new(alg);
        for len in 0..=300usize {
            let message: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
            outer.update(&hash(alg, &[&message]));
        }
        assert_eq!(outer.finish().to_vec(), hex(all), "{alg:?}");
    }
}

#[test]
fn a_million_octets_hash_as_in_fips_180() {
    let message = vec![b'a'; 1_000_000];
    assert_eq!(hash(HashAlg::Sha1, &[&message]).to_vec(), hex("34aa973cd4c4daa4f61eeb2bdbad27316534016f"));
    assert_eq!(
        hash(HashAlg::Sha256, &[&message]).to_vec(),
        hex("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    );
}

#[test]
fn sm3_and_sha3_serve_hmac_kdfa_and_signatures() {
    let mut seen = [0; 3];
    for record in records(include_str!("vectors/hashes.txt")) {
        let (alg, message, out) = (record.hash(), record.hex("message"), record.hex("out"));
        match record.text("kind") {
            "hmac" => {
                assert_eq!(hmac(alg, &record.hex("key"), &[&message]).to_vec(), out, "{alg:?}");
                seen[0] += 1;
            }
            "kdfa" => {
                let (key, u, v) = (record.hex("key"), record.hex("u"), record.hex("v"));
                let bits = u32::try_from(out.len() * 8).unwrap();
                assert_eq!(kdfa(alg, &key, record.text("label").as_bytes(), &u, &v, bits).to_vec(), out);
                seen[1] += 1;
            }
            _ => {
                let key = RsaPublic::new(&record.hex("n"), 65537).unwrap();
                let digest = hash(alg, &[&message]);
                assert_eq!(pkcs1_verify(&key, Some(alg), &digest, &out), Ok(()), "{alg:?}");
                seen[2] += 1;
            }
        }
    }
    assert_eq!(seen, [24, 8, 4]);
}

#[test]
fn kdfs_give_what_another_implementation_gives() {
    for record in records(include_str!("vectors/kdf.txt")) {
        let (alg, label) = (record.hash(), record.text("label").as_bytes());
        let (key, u, v) = (record.hex("key"), record.hex("u"), record.hex("v"));
        let out = record.hex("out");
        let bits = u32::try_from(out.len() * 8).unwrap();
        let kdf = if record.text("kind") == "kdfa" { kdfa } else { kdfe };
        assert_eq!(kdf(alg, &key, label, &u, &v, bits).to_vec(), out);
        // A label that brings its zero gets no second one.
        let terminated = [label, b"\0"].concat();
        assert_eq!(kdf(alg, &key, &terminated, &u, &v, bits).to_vec(), out);
    }
}

#[test]
fn kdfs_clear_the_bits_they_were_not_asked_for() {
    for kdf in [kdfa, kdfe] {
        for bits in [0, 1, 7, 8, 9, 521] {
            let out = kdf(HashAlg::Sha256, b"key", b"LABEL", b"u", b"v", bits);
            assert_eq!(out.len(), bits.div_ceil(8) as usize);
            if !bits.is_multiple_of(8) {
                assert_eq!(out[0] >> (bits % 8), 0);
            }
        }
    }
    // KDFa binds the number of bits, KDFe only cuts and masks.
    let e521 = kdfe(HashAlg::Sha256, b"z", b"LABEL", b"u", b"v", 521);
    let e528 = kdfe(HashAlg::Sha256, b"z", b"LABEL", b"u", b"v", 528);
    assert_eq!(e521[1..], e528[1..]);
    assert_eq!(e521[0], e528[0] & 1);
    let a521 = kdfa(HashAlg::Sha256, b"z", b"LABEL", b"u", b"v", 521);
    let a528 = kdfa(HashAlg::Sha256, b"z", b"LABEL", b"u", b"v", 528);
    assert_ne!(a521[1..], a528[1..]);
}

#[test]
fn the_generator_gives_the_published_answers() {
    for record in records(include_str!("vectors/drbg.txt")) {
        let mut drbg =
            Drbg::instantiate(&record.hex("entropy"), &record.hex("nonce"), &record.hex("personalization"))
                .unwrap();
        let expected = record.hex("out");
        let mut out = vec![0; expected.len()];
        for (reseed, additional) in [("first", "additional1"), ("reseed", "additional2")] {
            if record.get(reseed).is_some() {
                drbg.reseed(&record.hex(reseed), &[]).unwrap();
            }
            drbg.generate(&mut out, &record.hex(additional)).unwrap();
        }
        assert_eq!(out, expected);
    }
}

/// SP 800-38A, F.3.13 to F.3.18: key, and the ciphertext of the four blocks of its example.
const CFB: [(&str, &str); 3] = [
    (
        "2b7e151628aed2a6abf7158809cf4f3c",
        "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6",
    ),
    (
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        "cdc80d6fddf18cab34c25909c99a417467ce7f7f81173621961a2b70171d3d7a2e1e8a1dd59b88b1c8e60fed1efac4c9c05f9f9ca9834fa042ae8fba584b09ff",
    ),
    (
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407bdf10132415e54b92a13ed0a8267ae2f975a385741ab9cef82031623d55b1e471",
    ),
];

#[test]
fn aes_cfb_gives_the_published_answers_at_every_length() {
    let plain = hex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
    );
    let iv: [u8; 16] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    for (key, cipher) in CFB {
        let (key, cipher) = (hex(key), hex(cipher));
        let aes = BlockCipher::ALL
            .into_iter()
            .find(|alg| matches!(alg, BlockCipher::Aes(_)) && alg.key_size() == key.len());
        let key = sym::Cipher::new(aes.unwrap(), &key).unwrap();
        for len in 0..=plain.len() {
            let mut data = plain[..len].to_vec();
            key.encrypt(CipherMode::Cfb, &mut iv.clone(), &mut data).unwrap();
            assert_eq!(data, cipher[..len]);
            key.decrypt(CipherMode::Cfb, &mut iv.clone(), &mut data).unwrap();
            assert_eq!(data, plain[..len]);
        }
    }
}

#[test]
fn xor_obfuscation_is_the_kdf_and_its_own_inverse() {
    for len in [0, 1, 32, 33, 100] {
        let mut data = vec![0; len];
        sym::xor_obfuscate(HashAlg::Sha256, b"key", b"newer", b"older", &mut data);
        let bits = u32::try_from(len * 8).unwrap();
        let mask = kdfa(HashAlg::Sha256, b"key", b"XOR", b"newer", b"older", bits);
        assert_eq!(data, mask[..]);
        sym::xor_obfuscate(HashAlg::Sha256, b"key", b"newer", b"older", &mut data);
        assert!(data.iter().all(|octet| *octet == 0));
    }
}

/// The frozen contract. If this fails, the code is wrong, never the file.
#[test]
fn seeds_give_the_keys_they_have_always_given() {
    let mut seen = 0;
    for record in records(include_str!("vectors/derive.txt")) {
        let label = record.text("label").as_bytes();
        let mut drbg = derive::seeded(&record.hex("seed"), label, &record.hex("context"));
        seen += 1;
        if let Some(curve) = record.curve() {
            let key = derive::ecc(&mut drbg, curve).unwrap();
            let public = key.public().unwrap();
            assert_eq!(key.d(), record.hex("d"));
            assert_eq!(public.x(), record.hex("x"));
            assert_eq!(public.y(), record.hex("y"));
        } else if record.text("kind") == "Ed25519" {
            let key = derive::eddsa(&mut drbg).unwrap();
            assert_eq!(key.seed().to_vec(), record.hex("d"));
            assert_eq!(key.public().encoded().to_vec(), record.hex("x"));
        } else if record.text("kind") == "rsa" {
            let e = record.text("e").parse().unwrap();
            let bits = record.text("bits").parse().unwrap();
            let key = derive::rsa(&mut drbg, bits, e).unwrap();
            let [p, q] = key.primes();
            assert_eq!(p.to_vec(), record.hex("p"));
            assert_eq!(q.to_vec(), record.hex("q"));
            // What is kept of a key is its modulus and one prime: both ways lead to the same key.
            let public = RsaPublic::new(key.public().n(), e).unwrap();
            let [p2, q2] = sigillo_crypto::rsa::RsaPrivate::from_prime(&public, &p).unwrap().primes();
            assert!(p2 == p && q2 == q);
        } else {
            let value = record.hex("value");
            assert_eq!(derive::octets(&mut drbg, value.len()).to_vec(), value);
        }
    }
    assert_eq!(seen, 38);
}

#[test]
fn a_key_in_parts_is_the_parts_joined() {
    let key: Vec<u8> = (0..200).collect();
    for alg in HashAlg::ALL {
        for (whole, middle) in [(0, 0), (1, 0), (20, 20), (64, 32), (65, 64), (128, 3), (129, 64), (200, 100)]
        {
            let key = &key[..whole];
            let (first, second) = key.split_at(middle);
            let mut joined = Hmac::of_parts(alg, &[first, second]);
            joined.update(b"message");
            assert_eq!(*joined.finish(), *hmac(alg, key, &[b"message"]));
            for size in [1, 32, 48, 200] {
                let mut out = vec![0; size];
                let keyed = Hmac::of_parts(alg, &[first, &[], second]);
                kdfa_fill(&keyed, b"LABEL", b"u", b"v", &mut out).unwrap();
                let bits = u32::try_from(size * 8).unwrap();
                assert_eq!(out, *kdfa(alg, key, b"LABEL", b"u", b"v", bits));
            }
        }
    }
}
