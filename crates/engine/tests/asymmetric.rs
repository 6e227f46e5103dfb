//! Asymmetric primitives. Part 3, 14.

mod common;
mod support;

use common::{TestTpm, refused, started, started_with_everything};
use sigillo_client::template;
use sigillo_crypto::{
    drbg::Drbg,
    ecc::{self, EcPoint, EcPrivate, KeyPair, eddsa::EdPublic},
};
use sigillo_types::{
    EccCurve, HashAlg,
    alg::EccKeyExchange,
    buffers::{
        Tpm2bData, Tpm2bDigest, Tpm2bMaxBuffer, Tpm2bPublicKeyRsa, Tpm2bRsaMessage, Tpm2bSecretBuffer,
    },
    commands::{
        EcEphemeral, EccDecrypt, EccEncrypt, EccEncryptResponse, EccParameters, EcdhKeyGen, EcdhZGen,
        ReadPublic, RsaDecrypt, RsaEncrypt, ZGen2Phase,
    },
    handles::{Hierarchy, ObjectHandle},
    rc,
    structures::{
        EccScheme, KdfScheme, PublicId, PublicParms, RsaDecryptScheme, RsaScheme, Tpm2bEccPoint,
        Tpm2bEccSecretPoint, TpmsEccPoint, TpmsEccSecretPoint, TpmtPublic,
    },
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
    for curve in EccCurve::WEIERSTRASS {
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
    for curve_id in EccCurve::WEIERSTRASS {
        let curve = tpm.call(&EccParameters { curve_id }).expect("known").parameters;
        assert!(EcPoint::new(curve_id, &curve.g_x, &curve.g_y).is_ok());
        assert_eq!(curve.p.len(), curve_id.coordinate_size());
        assert_eq!((curve.key_size, curve.curve_id), (curve_id.bits(), curve_id));
        assert_eq!((curve.h.to_vec(), curve.sign), (vec![1], None));
    }
    let curve = tpm.call(&EccParameters { curve_id: EccCurve::Curve25519 }).expect("known").parameters;
    // y, with the lowest bit of x on top, is what keys are written as.
    let mut encoded: [u8; 32] = curve.g_y.to_vec().try_into().expect("a coordinate");
    encoded[0] |= (curve.g_x[31] & 1) << 7;
    encoded.reverse();
    assert!(EdPublic::new(&encoded).is_ok());
    assert_eq!((curve.key_size, curve.h.to_vec(), curve.sign, curve.kdf), (256, vec![8], None, None));
}

/// The other side of an agreement: keys outside of the TPM.
struct OtherSide {
    static_key: EcPrivate,
    ephemeral: EcPrivate,
}

impl OtherSide {
    fn new(curve: EccCurve, static_key: &[u8], ephemeral: &[u8]) -> Self {
        let [static_key, ephemeral] =
            [static_key, ephemeral].map(|d| EcPrivate::new(curve, d).expect("a private key"));
        Self { static_key, ephemeral }
    }

    fn points(&self) -> [Tpm2bEccPoint; 2] {
        [&self.static_key, &self.ephemeral].map(|key| sized(&key.public().expect("a point")))
    }

    /// What it computes of the TPM's public keys.
    fn agree(
        &self,
        scheme: EccKeyExchange,
        static_a: &EcPoint,
        ephemeral_a: &EcPoint,
    ) -> [Tpm2bEccSecretPoint; 2] {
        let own = KeyPair { static_key: &self.static_key, ephemeral: &self.ephemeral };
        let other = KeyPair { static_key: static_a, ephemeral: ephemeral_a };
        let one = |z: Result<EcPoint, _>| [secret(&z.expect("a point")), Tpm2bEccSecretPoint::default()];
        match scheme {
            EccKeyExchange::Ecdh => [(&self.static_key, static_a), (&self.ephemeral, ephemeral_a)]
                .map(|(key, point)| secret(&key.ecdh(point).expect("a point"))),
            EccKeyExchange::Sm2 => one(ecc::sm2_exchange(&own, &other)),
            EccKeyExchange::Ecmqv => one(ecc::mqv(&own, &other)),
        }
    }
}

fn sized(point: &EcPoint) -> Tpm2bEccPoint {
    let [x, y] = [point.x(), point.y()].map(|octets| octets.try_into().expect("a coordinate"));
    Tpm2bEccPoint { point: TpmsEccPoint { x, y } }
}

fn secret(point: &EcPoint) -> Tpm2bEccSecretPoint {
    let [x, y] = [point.x(), point.y()].map(|octets| octets.try_into().expect("a coordinate"));
    Tpm2bEccSecretPoint { point: TpmsEccSecretPoint { x, y } }
}

fn point(curve: EccCurve, point: &TpmsEccPoint) -> EcPoint {
    EcPoint::new(curve, &point.x, &point.y).expect("on the curve")
}

fn public_point(tpm: &mut TestTpm, object_handle: ObjectHandle, curve: EccCurve) -> EcPoint {
    let public = tpm.call(&ReadPublic { object_handle }).expect("loaded").out_public.public_area;
    let PublicId::Ecc(unique) = public.unique else { panic!("an ECC key") };
    point(curve, &unique)
}

const EXCHANGES: [EccKeyExchange; 3] = [EccKeyExchange::Ecdh, EccKeyExchange::Sm2, EccKeyExchange::Ecmqv];

#[test]
fn both_sides_of_a_two_phase_agreement_agree() {
    let mut tpm = started_with_everything();
    for curve_id in EccCurve::WEIERSTRASS {
        let key_a = primary(&mut tpm, Hierarchy::Owner, template::ecc_decryption(curve_id));
        let static_a = public_point(&mut tpm, key_a, curve_id);
        let other = OtherSide::new(curve_id, &[0x11; 20], &[0x22; 20]);
        for in_scheme in EXCHANGES {
            let made = tpm.call(&EcEphemeral { curve_id }).expect("an ephemeral key");
            let [in_qs_b, in_qe_b] = other.points();
            let command = ZGen2Phase { key_a, in_qs_b, in_qe_b, in_scheme, counter: made.counter };
            let agreed = tpm.call(&command).expect("agreed");
            let expected = other.agree(in_scheme, &static_a, &point(curve_id, &made.q.point));
            assert_eq!([agreed.out_z1, agreed.out_z2], expected, "{curve_id:?} {in_scheme:?}");
            assert_eq!(refused(&mut tpm, &command), rc::VALUE.at(ZGen2Phase::COUNTER), "it was used");
        }
        flush(&mut tpm, key_a);
    }
}

#[test]
fn a_two_phase_agreement_wants_a_key_points_and_a_count_for_it() {
    let mut tpm = started_with_everything();
    let curve_id = EccCurve::NistP256;
    let counter = tpm.call(&EcEphemeral { curve_id }).expect("an ephemeral key").counter;
    let [in_qs_b, in_qe_b] = OtherSide::new(curve_id, &[1], &[2]).points();
    let command = |key_a| {
        let (in_qs_b, in_qe_b) = (in_qs_b.clone(), in_qe_b.clone());
        ZGen2Phase { key_a, in_qs_b, in_qe_b, in_scheme: EccKeyExchange::Ecdh, counter }
    };
    for (public, code) in [
        (template::rsa_decryption(None), rc::KEY),
        (template::ecc_storage(), rc::ATTRIBUTES),
        (template::ecc_signing(curve_id, None, false), rc::ATTRIBUTES),
    ] {
        let key = primary(&mut tpm, Hierarchy::Owner, public);
        assert_eq!(refused(&mut tpm, &command(key)), code.at(ZGen2Phase::KEY_A));
        flush(&mut tpm, key);
    }
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_decryption(curve_id));
    let off = Tpm2bEccPoint { point: TpmsEccPoint { x: [1; 32].into(), y: [1; 32].into() } };
    let wrong = ZGen2Phase { in_qs_b: off.clone(), ..command(key) };
    assert_eq!(refused(&mut tpm, &wrong), rc::ECC_POINT.at(ZGen2Phase::IN_QS_B));
    let wrong = ZGen2Phase { in_qe_b: off, ..command(key) };
    assert_eq!(refused(&mut tpm, &wrong), rc::ECC_POINT.at(ZGen2Phase::IN_QE_B));
    let never = ZGen2Phase { counter: counter + 1, ..command(key) };
    assert_eq!(refused(&mut tpm, &never), rc::RANGE.at(ZGen2Phase::COUNTER));
    tpm.call(&command(key)).expect("nothing that failed used it");
}

#[test]
fn the_key_decides_about_the_exchange_if_it_has_a_scheme() {
    let mut tpm = started_with_everything();
    let (curve_id, hash_alg) = (EccCurve::Sm2P256, HashAlg::Sha256);
    let [in_qs_b, in_qe_b] = OtherSide::new(curve_id, &[1], &[2]).points();
    for (scheme, own) in [
        (EccScheme::Ecdh { hash_alg }, EccKeyExchange::Ecdh),
        (EccScheme::Sm2 { hash_alg }, EccKeyExchange::Sm2),
        (EccScheme::Ecmqv { hash_alg }, EccKeyExchange::Ecmqv),
    ] {
        let key_a = primary(&mut tpm, Hierarchy::Owner, decryption_with(curve_id, scheme));
        for in_scheme in EXCHANGES {
            let counter = tpm.call(&EcEphemeral { curve_id }).expect("an ephemeral key").counter;
            let (in_qs_b, in_qe_b) = (in_qs_b.clone(), in_qe_b.clone());
            let command = ZGen2Phase { key_a, in_qs_b, in_qe_b, in_scheme, counter };
            if in_scheme == own {
                tpm.call(&command).expect("its own");
            } else {
                assert_eq!(refused(&mut tpm, &command), rc::SCHEME.at(ZGen2Phase::IN_SCHEME));
            }
        }
        if own != EccKeyExchange::Ecdh {
            let command = EcdhZGen { key_handle: key_a, in_point: in_qs_b.clone() };
            assert_eq!(refused(&mut tpm, &command), rc::SCHEME.at(EcdhZGen::KEY_HANDLE));
        }
        flush(&mut tpm, key_a);
    }
}

fn decryption_with(curve: EccCurve, scheme: EccScheme) -> TpmtPublic {
    let mut public = template::ecc_decryption(curve);
    if let PublicParms::Ecc(parms) = &mut public.parameters {
        parms.scheme = Some(scheme);
    }
    public
}

fn kdf2(hash_alg: HashAlg) -> Option<KdfScheme> {
    Some(KdfScheme::Kdf2 { hash_alg })
}

fn ecc_encrypt(key_handle: ObjectHandle, message: &[u8], in_scheme: Option<KdfScheme>) -> EccEncrypt {
    EccEncrypt { key_handle, plain_text: Tpm2bSecretBuffer::new(message).expect("short"), in_scheme }
}

#[test]
fn what_is_encrypted_to_a_curve_is_decrypted() {
    let mut tpm = started_with_everything();
    for curve in EccCurve::WEIERSTRASS {
        let key_handle = primary(&mut tpm, Hierarchy::Owner, template::ecc_decryption(curve));
        let public = public_point(&mut tpm, key_handle, curve);
        for (message, hash_alg) in
            [(&b""[..], HashAlg::Sha1), (b"m", HashAlg::Sha256), (&[7; 1024], HashAlg::Sha512)]
        {
            let in_scheme = kdf2(hash_alg);
            let made = tpm.call(&ecc_encrypt(key_handle, message, in_scheme)).expect("encrypted");
            assert_eq!((made.c2.len(), made.c3.len()), (message.len(), hash_alg.digest_size()));
            let command = EccDecrypt { key_handle, c1: made.c1, c2: made.c2, c3: made.c3, in_scheme };
            assert_eq!(*tpm.call(&command).expect("decrypted").plain_text, *message);
        }
        let mut rng = Drbg::instantiate(&[7; 48], &[], &[]).expect("a generator");
        let outside = ecc::encrypt(&public, HashAlg::Sha256, b"from outside", &mut rng).expect("encrypted");
        let command = EccDecrypt {
            key_handle,
            c1: sized(&outside.ephemeral),
            c2: Tpm2bMaxBuffer::new(&outside.data).expect("short"),
            c3: Tpm2bDigest::new(&outside.integrity).expect("a digest"),
            in_scheme: kdf2(HashAlg::Sha256),
        };
        assert_eq!(*tpm.call(&command).expect("decrypted").plain_text, *b"from outside");
        flush(&mut tpm, key_handle);
    }
}

#[test]
fn only_kdf2_encrypts() {
    let mut tpm = started_with_everything();
    let key_handle = primary(&mut tpm, Hierarchy::Owner, template::ecc_decryption(EccCurve::NistP256));
    let hash_alg = HashAlg::Sha256;
    let made = tpm.call(&ecc_encrypt(key_handle, b"m", kdf2(hash_alg))).expect("encrypted");
    for in_scheme in [
        None,
        Some(KdfScheme::Mgf1 { hash_alg }),
        Some(KdfScheme::Kdf1Sp80056a { hash_alg }),
        Some(KdfScheme::Kdf1Sp800108 { hash_alg }),
    ] {
        let command = ecc_encrypt(key_handle, b"m", in_scheme);
        assert_eq!(refused(&mut tpm, &command), rc::SCHEME.at(EccEncrypt::IN_SCHEME));
        let EccEncryptResponse { c1, c2, c3 } = made.clone();
        let command = EccDecrypt { key_handle, c1, c2, c3, in_scheme };
        assert_eq!(refused(&mut tpm, &command), rc::SCHEME.at(EccDecrypt::IN_SCHEME));
    }
}

#[test]
fn a_changed_ciphertext_is_not_decrypted() {
    let mut tpm = started_with_everything();
    let key_handle = primary(&mut tpm, Hierarchy::Owner, template::ecc_decryption(EccCurve::NistP256));
    let in_scheme = kdf2(HashAlg::Sha256);
    let made = tpm.call(&ecc_encrypt(key_handle, b"message", in_scheme)).expect("encrypted");
    let whole = EccDecrypt { key_handle, c1: made.c1, c2: made.c2, c3: made.c3, in_scheme };
    let integrity = rc::VALUE.at(EccDecrypt::C3);
    let changed = EccDecrypt { c2: Tpm2bMaxBuffer::from(*b"another"), ..whole.clone() };
    assert_eq!(refused(&mut tpm, &changed), integrity);
    let changed = EccDecrypt { c3: Tpm2bDigest::default(), ..whole.clone() };
    assert_eq!(refused(&mut tpm, &changed), integrity);
    let changed = EccDecrypt { in_scheme: kdf2(HashAlg::Sha1), ..whole.clone() };
    assert_eq!(refused(&mut tpm, &changed), integrity);
    let changed = EccDecrypt { c1: Tpm2bEccPoint::default(), ..whole };
    assert_eq!(refused(&mut tpm, &changed), rc::ECC_POINT.at(EccDecrypt::C1));
}

#[test]
fn ecc_encryption_wants_an_ecc_key_and_decryption_an_unrestricted_one() {
    let mut tpm = started_with_everything();
    let in_scheme = kdf2(HashAlg::Sha256);
    let rsa = primary(&mut tpm, Hierarchy::Owner, template::rsa_decryption(None));
    assert_eq!(refused(&mut tpm, &ecc_encrypt(rsa, b"m", in_scheme)), rc::KEY.at(EccEncrypt::KEY_HANDLE));
    let storage = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let made = tpm.call(&ecc_encrypt(storage, b"m", in_scheme)).expect("its attributes are of no account");
    let decrypt = |key_handle| {
        let EccEncryptResponse { c1, c2, c3 } = made.clone();
        EccDecrypt { key_handle, c1, c2, c3, in_scheme }
    };
    assert_eq!(refused(&mut tpm, &decrypt(rsa)), rc::KEY.at(EccDecrypt::KEY_HANDLE));
    assert_eq!(refused(&mut tpm, &decrypt(storage)), rc::ATTRIBUTES.at(EccDecrypt::KEY_HANDLE));
}
