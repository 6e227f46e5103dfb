//! Block ciphers, their modes, and CMAC: known answers, chaining, saved states, and keys that are refused.

mod support;

use proptest::prelude::*;
use sigillo_crypto::cmac::Cmac;
use sigillo_crypto::hash::HashState;
use sigillo_crypto::sym::{Cipher, is_strong_key};
use sigillo_crypto::{Error, derive};
use sigillo_types::alg::{AesKeyBits, BlockCipher, CipherMode, TdesKeyBits};
use support::{Record, drbg, hex, records};

const AES_128: BlockCipher = BlockCipher::Aes(AesKeyBits::Aes128);
const TDES: [BlockCipher; 2] =
    [BlockCipher::Tdes(TdesKeyBits::Tdes128), BlockCipher::Tdes(TdesKeyBits::Tdes192)];

fn cipher(record: &Record) -> BlockCipher {
    let of = |cipher: &BlockCipher| {
        format!("{cipher:?}").starts_with(record.text("cipher"))
            && cipher.key_bits().to_string() == record.text("bits")
    };
    BlockCipher::ALL.into_iter().find(of).unwrap()
}

fn mode(record: &Record) -> Option<CipherMode> {
    CipherMode::ALL.into_iter().find(|mode| format!("{mode:?}") == record.text("mode"))
}

#[test]
fn every_cipher_in_every_mode_gives_what_another_implementation_gives() {
    let mut seen = 0;
    for record in records(include_str!("vectors/ciphers.txt")) {
        let Some(mode) = mode(&record) else { continue };
        let key = Cipher::new(cipher(&record), &record.hex("key")).unwrap();
        let (mut iv, mut data) = (record.hex("iv"), record.hex("plain"));
        key.encrypt(mode, &mut iv, &mut data).unwrap();
        assert_eq!(data, record.hex("out"), "{:?} {mode:?}", cipher(&record));
        assert_eq!(iv, record.hex("end"), "{:?} {mode:?}", cipher(&record));
        iv = record.hex("iv");
        key.decrypt(mode, &mut iv, &mut data).unwrap();
        assert_eq!(data, record.hex("plain"), "{:?} {mode:?}", cipher(&record));
        assert_eq!(iv, record.hex("end"), "{:?} {mode:?}", cipher(&record));
        seen += 1;
    }
    assert_eq!(seen, 72);
}

#[test]
fn cmac_gives_what_another_implementation_gives_however_the_message_is_cut() {
    let mut seen = 0;
    for record in records(include_str!("vectors/ciphers.txt")).iter().filter(|record| mode(record).is_none())
    {
        let (cipher, key, message) = (cipher(record), record.hex("key"), record.hex("plain"));
        for cut in 1..=message.len().max(1) {
            let mut mac = Cmac::new(cipher, &key).unwrap();
            for piece in message.chunks(cut) {
                mac.update(piece).unwrap();
                let state = HashState::from_bytes(mac.export().as_bytes().to_vec());
                mac = Cmac::import(&state).unwrap();
            }
            assert_eq!(mac.finish().unwrap().to_vec(), record.hex("out"), "{cipher:?} {cut}");
        }
        seen += 1;
    }
    assert_eq!(seen, 63);
}

/// SP 800-38B, D.1: the subkeys of AES-128 have no other way to be seen.
#[test]
fn cmac_of_the_empty_message_is_the_published_one() {
    let mac = Cmac::new(AES_128, &hex("2b7e151628aed2a6abf7158809cf4f3c")).unwrap();
    assert_eq!(mac.finish().unwrap().to_vec(), hex("bb1d6929e95937287fa37d129b756746"));
}

#[test]
fn a_cmac_state_has_the_documented_bytes() {
    let key = hex("2b7e151628aed2a6abf7158809cf4f3c");
    let mut mac = Cmac::new(AES_128, &key).unwrap();
    mac.update(b"abc").unwrap();
    let expected = [&[1, 0, 6, 0, 128][..], &key, &[0; 16], b"abc"].concat();
    assert_eq!(mac.export().as_bytes(), expected);
    let import = |bytes: &[u8]| Cmac::import(&HashState::from_bytes(bytes.to_vec())).map(drop);
    for len in 0..expected.len() - 3 {
        assert_eq!(import(&expected[..len]), Err(Error::BadState), "{len}");
    }
    let with = |at: usize, value: u8| {
        let mut bytes = expected.clone();
        bytes[at] = value;
        bytes
    };
    let longer = [&expected[..], &[0; 14]].concat();
    let chained_to_nothing = with(30, 1)[..37].to_vec();
    for bad in [with(0, 2), with(2, 7), with(4, 129), longer, chained_to_nothing] {
        assert_eq!(import(&bad), Err(Error::BadState));
    }
}

#[test]
fn a_key_an_iv_or_data_of_another_size_is_refused_and_changes_nothing() {
    for cipher in BlockCipher::ALL {
        for len in (0..40).filter(|len| *len != cipher.key_size()) {
            assert_eq!(Cipher::new(cipher, &vec![1; len]).map(drop), Err(Error::BadSize));
            assert_eq!(Cmac::new(cipher, &vec![1; len]).map(drop), Err(Error::BadSize));
        }
        let key = Cipher::new(cipher, &vec![1; cipher.key_size()]).unwrap();
        for mode in CipherMode::ALL {
            let iv_size = if mode == CipherMode::Ecb { 0 } else { cipher.block_size() };
            for (iv_len, len) in [(iv_size + 1, 16), (iv_size.saturating_sub(1), 16), (iv_size, 17)] {
                if iv_len == iv_size && !mode.takes_whole_blocks() || iv_size == 0 && len == 16 && iv_len == 0
                {
                    continue;
                }
                let (mut iv, mut data) = (vec![7; iv_len], vec![7; len]);
                assert_eq!(key.encrypt(mode, &mut iv, &mut data), Err(Error::BadSize), "{mode:?}");
                assert_eq!(key.decrypt(mode, &mut iv, &mut data), Err(Error::BadSize), "{mode:?}");
                assert_eq!((iv, data), (vec![7; iv_len], vec![7; len]));
            }
        }
    }
}

/// FIPS 74 lists the weak and semi-weak keys; here with the parity bits cleared, which must not help.
#[test]
fn weak_tdes_keys_are_refused_whatever_their_parity() {
    let good = hex("0123456789abcdef23456789abcdef01456789abcdef0123");
    assert!(is_strong_key(TDES[0], &good[..16]) && is_strong_key(TDES[1], &good));
    for weak in
        ["0101010101010101", "fefefefefefefefe", "1f1f1f1f0e0e0e0e", "01fe01fe01fe01fe", "e0fee0fef1fef1fe"]
    {
        for parity in [0, 1] {
            let weak: Vec<u8> = hex(weak).iter().map(|octet| octet & 0xFE | parity).collect();
            for at in [0, 8, 16] {
                let mut key = good.clone();
                key[at..at + 8].copy_from_slice(&weak);
                assert!(!is_strong_key(TDES[1], &key));
                assert!(at == 16 || !is_strong_key(TDES[0], &key[..16]));
            }
        }
    }
    let mut repeated = good.clone();
    repeated.copy_within(8..16, 16);
    assert!(!is_strong_key(TDES[1], &repeated));
    repeated.copy_within(8..16, 0);
    repeated[7] ^= 1;
    assert!(!is_strong_key(TDES[0], &repeated[..16]));
    assert!(is_strong_key(AES_128, &[1; 16]));
}

#[test]
fn generated_keys_are_strong_and_those_of_tdes_have_odd_parity() {
    for cipher in BlockCipher::ALL {
        let key = derive::cipher_key(&mut drbg(5), cipher);
        assert_eq!(key.len(), cipher.key_size());
        assert!(is_strong_key(cipher, &key));
        if TDES.contains(&cipher) {
            assert!(key.iter().all(|octet| octet.count_ones() % 2 == 1));
        } else {
            // The frozen contract: the draw itself.
            assert_eq!(*key, *derive::octets(&mut drbg(5), cipher.key_size()));
        }
    }
}

#[test]
fn nothing_secret_is_printed() {
    let key = Cipher::new(AES_128, &[1; 16]).unwrap();
    let mac = Cmac::new(AES_128, &[1; 16]).unwrap();
    assert_eq!(format!("{key:?}"), "Cipher([secret])");
    assert!(format!("{mac:?}").contains("[secret]"));
}

proptest! {
    #[test]
    fn messages_cut_between_blocks_encrypt_as_in_one_piece(
        cipher in prop::sample::select(BlockCipher::ALL.to_vec()),
        mode in prop::sample::select(CipherMode::ALL.to_vec()),
        blocks in 1usize..40,
        cut in 1usize..20,
        tail in 0usize..16,
    ) {
        let size = cipher.block_size();
        let key = Cipher::new(cipher, &derive::cipher_key(&mut drbg(6), cipher)).unwrap();
        let first = vec![9; if mode == CipherMode::Ecb { 0 } else { size }];
        let len = blocks * size + if mode.takes_whole_blocks() { 0 } else { tail % size };
        let plain: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let (mut iv, mut whole) = (first.clone(), plain.clone());
        key.encrypt(mode, &mut iv, &mut whole).unwrap();
        let end = iv;
        let (mut iv, mut pieces) = (first.clone(), plain.clone());
        for piece in pieces.chunks_mut(cut * size) {
            key.encrypt(mode, &mut iv, piece).unwrap();
        }
        prop_assert_eq!((&pieces, &iv), (&whole, &end));
        iv = first;
        for piece in pieces.chunks_mut(cut * size) {
            key.decrypt(mode, &mut iv, piece).unwrap();
        }
        prop_assert_eq!((pieces, iv), (plain, end));
    }
}
