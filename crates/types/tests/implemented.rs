//! What a TPM does not have is answered as what nobody knows, with the code of its type and where it stands.

use sigillo_types::{
    alg::*, command::Command, commands::*, implemented::KeySizes, marshal::Bytes, structures::*, *,
};

/// Everything but SHA-1, P-384, OAEP, RSAPSS, XOR, MGF1, OFB, RSA-1024 and AES-192.
fn some() -> Implemented {
    let algorithms: Vec<u16> = (0..256)
        .filter(|known| {
            ![id::SHA1, id::OAEP, id::RSAPSS, id::XOR, id::MGF1, id::OFB, id::ECDH].contains(known)
        })
        .collect();
    Implemented::NOTHING
        .with_algorithms(&algorithms)
        .with_curves(&[curve::NIST_P256])
        .with_rsa_bits(KeySizes::of(&[2048]))
        .with_aes_bits(KeySizes::of(&[128, 256]))
}

#[track_caller]
fn is_gated<T: Marshal + Unmarshal + PartialEq + core::fmt::Debug>(lacking: &T, code: Fmt1) {
    let octets = lacking.to_bytes();
    assert_eq!(T::unmarshal(&mut Reader::new(&octets)).as_ref(), Ok(lacking));
    assert_eq!(T::unmarshal(&mut Reader::within(&some(), &octets)), Err(code));
}

#[track_caller]
fn is_read<T: Marshal + Unmarshal + PartialEq + core::fmt::Debug>(there: &T) {
    assert_eq!(T::unmarshal(&mut Reader::within(&some(), &there.to_bytes())).as_ref(), Ok(there));
}

#[test]
fn each_type_refuses_what_is_not_there_with_its_own_code() {
    let hash_alg = HashAlg::Sha256;
    is_gated(&HashAlg::Sha1, rc::HASH);
    is_gated(&Some(HashAlg::Sha1), rc::HASH);
    is_gated(&EccCurve::NistP384, rc::CURVE);
    is_gated(&RsaKeyBits::Rsa1024, rc::VALUE);
    is_gated(&AesKeyBits::Aes192, rc::VALUE);
    is_gated(&Some(SymMode::Ofb), rc::MODE);
    is_gated(&Some(KdfAlg::Mgf1), rc::KDF);
    is_gated(&SymDef::Xor(hash_alg), rc::SYMMETRIC);
    is_gated(&KeyedHashScheme::Xor { hash_alg, kdf: None }, rc::VALUE);
    is_gated(&SigScheme::Rsapss { hash_alg }, rc::SCHEME);
    is_gated(&KdfScheme::Mgf1 { hash_alg }, rc::KDF);
    is_gated(&RsaScheme::Oaep { hash_alg }, rc::VALUE);
    is_gated(&RsaDecryptScheme::Oaep { hash_alg }, rc::VALUE);
    is_gated(&EccScheme::Ecdh { hash_alg }, rc::SCHEME);
    is_gated(&TpmtHa::Sha1([0; 20]), rc::HASH);
    is_gated(&Some(TpmtHa::Sha1([0; 20])), rc::HASH);
    is_gated(&TpmtSignature::Rsapss(TpmsSignatureRsa { hash: hash_alg, sig: [1].into() }), rc::SCHEME);
}

#[test]
fn what_is_there_and_the_null_value_are_read() {
    is_read(&HashAlg::Sha256);
    is_read(&None::<HashAlg>);
    is_read(&None::<EccCurve>);
    is_read(&None::<SymDef>);
    is_read(&RsaKeyBits::Rsa2048);
    is_read(&AesKeyBits::Aes256);
    is_read(&SymMode::Cfb);
}

#[test]
fn an_entry_of_a_list_and_a_part_of_a_part_are_refused_too() {
    is_gated(&TpmlDigestValues::new(vec![TpmtHa::Sha256([0; 32]), TpmtHa::Sha1([0; 20])]).unwrap(), rc::HASH);
    is_gated(&SigScheme::Rsassa { hash_alg: HashAlg::Sha1 }, rc::HASH);
    is_gated(&SymDef::Aes { key_bits: AesKeyBits::Aes128, mode: Some(SymMode::Ofb) }, rc::MODE);
}

#[test]
fn a_command_says_where_it_stands() {
    let command = HashSequenceStart { auth: [1, 2].into(), hash_alg: Some(HashAlg::Sha1) };
    let mut parameters = Bytes::new();
    command.marshal_parameters(&mut parameters);
    let read = |set| HashSequenceStart::from_parts(&[], Reader::within(set, &parameters));
    assert_eq!(read(&Implemented::EVERYTHING).as_ref(), Ok(&command));
    assert_eq!(read(&some()), Err(rc::HASH.at(HashSequenceStart::HASH_ALG)));
}
