//! Asymmetric primitives. Part 3, 14.

mod common;
mod support;

use common::{TestTpm, refused, started, started_with_everything};
use sigillo_client::template;
use sigillo_crypto::ecc::EcPoint;
use sigillo_types::{
    EccCurve, HashAlg,
    buffers::{Tpm2bData, Tpm2bPublicKeyRsa, Tpm2bRsaMessage},
    commands::{EccParameters, EcdhKeyGen, EcdhZGen, RsaDecrypt, RsaEncrypt},
    handles::{Hierarchy, ObjectHandle},
    rc,
    structures::{EccScheme, PublicParms, RsaDecryptScheme, RsaScheme, Tpm2bEccPoint},
};
use support::{flush, primary};

const OAEP: RsaDecryptScheme = RsaDecryptScheme::Oaep { hash_alg: HashAlg::Sha256 };

fn encrypt(
    key_handle: ObjectHandle,
    message: &[u8],
    in_scheme: Option<RsaDecryptScheme>,
    label: &[u8],
) -> RsaEncrypt {
    RsaEncrypt {
        key_handle,
        message: Tpm2bRsaMessage::new(message).expect("short"),
        in_scheme,
        label: Tpm2bData::new(label).expect("short"),
    }
}

fn decrypt(key_handle: ObjectHandle, cipher_text: Tpm2bPublicKeyRsa, of: &RsaEncrypt) -> RsaDecrypt {
    RsaDecrypt { key_handle, cipher_text, in_scheme: of.in_scheme, label: of.label.clone() }
}

#[test]
fn what_is_encrypted_is_decrypted_under_every_padding() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Owner, template::rsa_decryption(None));
    for (scheme, label) in [
        (Some(RsaDecryptScheme::Rsaes), &b""[..]),
        (Some(OAEP), b""),
        (Some(OAEP), b"label\0"),
        (Some(RsaDecryptScheme::Oaep { hash_alg: HashAlg::Sha1 }), b""),
    ] {
        let command = encrypt(key, b"a message", scheme, label);
        let encrypted = tpm.call(&command).expect("encrypted").out_data;
        let answer = tpm.call(&decrypt(key, encrypted, &command)).expect("decrypted");
        assert_eq!(&*answer.message, b"a message");
    }
}

#[test]
fn raw_rsa_takes_a_number_and_gives_a_whole_block() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Owner, template::rsa_decryption(None));
    let command = encrypt(key, &[0, 0, 7], None, b"");
    let encrypted = tpm.call(&command).expect("encrypted").out_data;
    let answer = tpm.call(&decrypt(key, encrypted, &command)).expect("decrypted");
    assert_eq!(answer.message.len(), 256);
    assert_eq!(answer.message.last(), Some(&7));
    let too_large = encrypt(key, &[0xFF; 256], None, b"");
    assert_eq!(refused(&mut tpm, &too_large), rc::VALUE.at(RsaEncrypt::MESSAGE));
    let padded = encrypt(key, &[1; 246], Some(RsaDecryptScheme::Rsaes), b"");
    assert_eq!(refused(&mut tpm, &padded), rc::VALUE.at(RsaEncrypt::MESSAGE));
}

#[test]
fn every_way_a_block_can_be_wrong_has_one_answer() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Owner, template::rsa_decryption(None));
    let value = rc::VALUE.at(RsaDecrypt::CIPHER_TEXT);
    let raw = |tpm: &mut TestTpm, block: &[u8]| {
        tpm.call(&encrypt(key, block, None, b"")).expect("encrypted").out_data
    };
    for block in [[0; 256], [0x5A; 256], {
        let mut b = [1; 256];
        b[0] = 0;
        b
    }] {
        let encrypted = raw(&mut tpm, &block);
        for scheme in [Some(RsaDecryptScheme::Rsaes), Some(OAEP)] {
            let command = decrypt(key, encrypted.clone(), &encrypt(key, b"", scheme, b""));
            assert_eq!(refused(&mut tpm, &command), value);
        }
    }
    let command = encrypt(key, b"message", Some(OAEP), b"one\0");
    let encrypted = tpm.call(&command).expect("encrypted").out_data;
    let other_label = decrypt(key, encrypted, &encrypt(key, b"", Some(OAEP), b"two\0"));
    assert_eq!(refused(&mut tpm, &other_label), value);
    let short = decrypt(key, [1; 255].into(), &command);
    assert_eq!(refused(&mut tpm, &short), rc::SIZE.at(RsaDecrypt::CIPHER_TEXT));
}

#[test]
fn a_label_ends_in_zero() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Owner, template::rsa_decryption(None));
    let command = encrypt(key, b"message", Some(RsaDecryptScheme::Rsaes), b"label");
    assert_eq!(refused(&mut tpm, &command), rc::VALUE.at(RsaEncrypt::LABEL));
    let command = decrypt(key, [1; 256].into(), &command);
    assert_eq!(refused(&mut tpm, &command), rc::VALUE.at(RsaDecrypt::LABEL));
}

#[test]
fn the_key_decides_about_the_padding_if_it_has_one() {
    let mut tpm = started();
    let scheme = rc::SCHEME.at(RsaEncrypt::IN_SCHEME);
    let own = RsaScheme::Oaep { hash_alg: HashAlg::Sha256 };
    let key = primary(&mut tpm, Hierarchy::Owner, template::rsa_decryption(Some(own)));
    assert_eq!(refused(&mut tpm, &encrypt(key, b"m", Some(RsaDecryptScheme::Rsaes), b"")), scheme);
    let encrypted = tpm.call(&encrypt(key, b"m", None, b"")).expect("the key's own").out_data;
    let answer = tpm.call(&decrypt(key, encrypted, &encrypt(key, b"", Some(OAEP), b""))).expect("decrypted");
    assert_eq!(&*answer.message, b"m");
    let signing = RsaScheme::Rsassa { hash_alg: HashAlg::Sha256 };
    let signer = primary(&mut tpm, Hierarchy::Owner, template::rsa_signing(Some(signing), false));
    assert_eq!(refused(&mut tpm, &encrypt(signer, b"m", None, b"")), scheme);
}

#[test]
fn only_unrestricted_decryption_keys_of_the_type_decrypt() {
    let mut tpm = started();
    let empty = |key| encrypt(key, b"", None, b"");
    let storage = primary(&mut tpm, Hierarchy::Owner, template::rsa_storage());
    let command = decrypt(storage, [1; 256].into(), &empty(storage));
    assert_eq!(refused(&mut tpm, &command), rc::ATTRIBUTES.at(RsaDecrypt::KEY_HANDLE));
    let signer = primary(&mut tpm, Hierarchy::Owner, template::rsa_signing(None, false));
    let command = decrypt(signer, [1; 256].into(), &empty(signer));
    assert_eq!(refused(&mut tpm, &command), rc::ATTRIBUTES.at(RsaDecrypt::KEY_HANDLE));
    let ecc = primary(&mut tpm, Hierarchy::Owner, template::ecc_decryption(EccCurve::NistP256));
    let command = decrypt(ecc, [1; 256].into(), &empty(ecc));
    assert_eq!(refused(&mut tpm, &command), rc::KEY.at(RsaDecrypt::KEY_HANDLE));
    assert_eq!(refused(&mut tpm, &empty(ecc)), rc::KEY.at(RsaEncrypt::KEY_HANDLE));
}

#[test]
fn both_sides_of_ecdh_agree() {
    let mut tpm = started_with_everything();
    for curve in EccCurve::ALL {
        let key_handle = primary(&mut tpm, Hierarchy::Owner, template::ecc_decryption(curve));
        let made = tpm.call(&EcdhKeyGen { key_handle }).expect("an ephemeral key");
        let recovered = tpm.call(&EcdhZGen { key_handle, in_point: made.pub_point }).expect("its secret");
        assert_eq!(recovered.out_point, made.z_point);
        assert_eq!(made.z_point.point.x.len(), curve.coordinate_size());
        flush(&mut tpm, key_handle);
    }
}

#[test]
fn a_point_that_is_not_on_the_curve_is_refused() {
    let mut tpm = started();
    let key_handle = primary(&mut tpm, Hierarchy::Owner, template::ecc_decryption(EccCurve::NistP256));
    let mut in_point = tpm.call(&EcdhKeyGen { key_handle }).expect("an ephemeral key").pub_point;
    in_point.point.x = [1; 32].into();
    let point = rc::ECC_POINT.at(EcdhZGen::IN_POINT);
    assert_eq!(refused(&mut tpm, &EcdhZGen { key_handle, in_point }), point);
    let infinity = EcdhZGen { key_handle, in_point: Tpm2bEccPoint::default() };
    assert_eq!(refused(&mut tpm, &infinity), point);
}

#[test]
fn only_unrestricted_keys_for_ecdh_multiply_points() {
    let mut tpm = started();
    let storage = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let in_point = tpm.call(&EcdhKeyGen { key_handle: storage }).expect("public").pub_point;
    let command = EcdhZGen { key_handle: storage, in_point };
    assert_eq!(refused(&mut tpm, &command), rc::ATTRIBUTES.at(EcdhZGen::KEY_HANDLE));
    let rsa = primary(&mut tpm, Hierarchy::Owner, template::rsa_decryption(None));
    let command = EcdhZGen { key_handle: rsa, ..command };
    assert_eq!(refused(&mut tpm, &command), rc::KEY.at(EcdhZGen::KEY_HANDLE));
    assert_eq!(refused(&mut tpm, &EcdhKeyGen { key_handle: rsa }), rc::KEY.at(EcdhKeyGen::KEY_HANDLE));
    let mut public = template::ecc_decryption(EccCurve::NistP256);
    if let PublicParms::Ecc(parms) = &mut public.parameters {
        parms.scheme = Some(EccScheme::Ecdh { hash_alg: HashAlg::Sha256 });
    }
    let ecdh = primary(&mut tpm, Hierarchy::Owner, public);
    tpm.call(&EcdhZGen { key_handle: ecdh, ..command }).expect("its scheme is ECDH");
}

#[test]
fn the_parameters_of_a_curve_hold_its_generator() {
    let mut tpm = started_with_everything();
    for curve_id in EccCurve::ALL {
        let curve = tpm.call(&EccParameters { curve_id }).expect("known").parameters;
        assert!(EcPoint::new(curve_id, &curve.g_x, &curve.g_y).is_ok());
        assert_eq!(curve.p.len(), curve_id.coordinate_size());
        assert_eq!((curve.key_size, curve.curve_id), (curve_id.bits(), curve_id));
        assert_eq!((curve.h.to_vec(), curve.sign), (vec![1], None));
    }
}
