//! TPM2_CreateLoaded: primary, ordinary and derived objects. Part 3, 12.9 and Part 1, 25.

mod common;
mod support;

use common::{TestTpm, refused, started};
use sigillo_client::template;
use sigillo_crypto::{hash::hash, hmac::hmac};
use sigillo_types::{
    EccCurve, HashAlg, Marshal, Position, Rc,
    alg::{AesKeyBits, KdfAlg},
    attributes::TpmaObject,
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bSecretDigest, Tpm2bSensitiveData, Tpm2bTemplate},
    commands::{
        CreateLoaded, CreateLoadedResponse, HashSequenceStart, Import, Load, ReadPublic, VerifySignature,
    },
    handles::{Hierarchy, ObjectHandle, ParentHandle},
    rc,
    structures::{
        KeyedHashScheme, PublicId, PublicParms, SensitiveComposite, SymDefObject, Tpm2bSensitive, TpmsDerive,
        TpmsKeyedhashParms, TpmsSymcipherParms, TpmtPublic, TpmtSensitive,
    },
};
use support::{flush, handle, load_command, primary, primary_response, sensitive};

const PUBLIC: Position = CreateLoaded::IN_PUBLIC;
const SENSITIVE: Position = CreateLoaded::IN_SENSITIVE;
const DERIVED: TpmaObject =
    TpmaObject::FIXED_TPM.union(TpmaObject::FIXED_PARENT).union(TpmaObject::USER_WITH_AUTH);

fn command(parent: ParentHandle, template: &[u8], auth: &[u8], data: &[u8]) -> CreateLoaded {
    CreateLoaded {
        parent_handle: parent,
        in_sensitive: sensitive(auth, data),
        in_public: Tpm2bTemplate::new(template).expect("a short template"),
    }
}

fn below(parent: ObjectHandle) -> ParentHandle {
    ParentHandle::Object(parent)
}

#[track_caller]
fn made(tpm: &mut TestTpm, command: &CreateLoaded) -> CreateLoadedResponse {
    tpm.call(command).expect("an object is made and loaded")
}

fn keyed_hash(attributes: TpmaObject, scheme: Option<KeyedHashScheme>) -> TpmtPublic {
    TpmtPublic {
        object_attributes: attributes,
        parameters: PublicParms::KeyedHash(TpmsKeyedhashParms { scheme }),
        ..template::hmac_key(HashAlg::Sha256)
    }
}

/// A derivation parent below the storage root.
fn derivation_parent(tpm: &mut TestTpm) -> ObjectHandle {
    let scheme = KeyedHashScheme::Xor { hash_alg: HashAlg::Sha256, kdf: Some(KdfAlg::Kdf1Sp800108) };
    let attributes = DERIVED
        | TpmaObject::SENSITIVE_DATA_ORIGIN
        | TpmaObject::NO_DA
        | TpmaObject::RESTRICTED
        | TpmaObject::DECRYPT;
    let public = keyed_hash(attributes, Some(scheme));
    let root = primary(tpm, Hierarchy::Owner, template::ecc_storage());
    let parent = made(tpm, &command(below(root), &public.to_bytes(), b"", b""));
    flush(tpm, root);
    handle(parent.object_handle)
}

fn cipher(attributes: TpmaObject) -> TpmtPublic {
    TpmtPublic {
        name_alg: Some(HashAlg::Sha256),
        object_attributes: attributes | TpmaObject::SIGN | TpmaObject::DECRYPT,
        auth_policy: Tpm2bDigest::default(),
        parameters: PublicParms::SymCipher(TpmsSymcipherParms {
            sym: SymDefObject::Aes { key_bits: AesKeyBits::Aes128, mode: None },
        }),
        unique: PublicId::SymCipher(Tpm2bDigest::default()),
    }
}

fn label_and_context(label: &[u8], context: &[u8]) -> Vec<u8> {
    TpmsDerive { label: label.try_into().unwrap(), context: context.try_into().unwrap() }.to_bytes()
}

/// The template with a label and a context in the place of `unique`.
fn derivation(public: &TpmtPublic, label: &[u8], context: &[u8]) -> Vec<u8> {
    let mut bytes = public.to_bytes();
    let unique = match &public.unique {
        PublicId::Ecc(point) => point.to_bytes().len(),
        PublicId::KeyedHash(digest) | PublicId::SymCipher(digest) => digest.to_bytes().len(),
        PublicId::Rsa(modulus) => modulus.to_bytes().len(),
    };
    bytes.truncate(bytes.len() - unique);
    [bytes, label_and_context(label, context)].concat()
}

#[test]
fn a_primary_object_is_the_one_that_create_primary_makes() {
    let mut tpm = started();
    for hierarchy in [Hierarchy::Owner, Hierarchy::Endorsement, Hierarchy::Platform, Hierarchy::Null] {
        let public = template::ecc_storage();
        let other = primary_response(&mut tpm, hierarchy, public.clone());
        let command = command(ParentHandle::Hierarchy(hierarchy), &public.to_bytes(), b"", b"");
        let answer = made(&mut tpm, &command);
        assert_eq!(answer.out_public.public_area, other.out_public.public_area);
        assert_eq!(answer.name, other.name);
        assert!(answer.out_private.is_empty());
        let read = |tpm: &mut TestTpm, raw| tpm.call(&ReadPublic { object_handle: handle(raw) }).unwrap();
        assert_eq!(read(&mut tpm, answer.object_handle), read(&mut tpm, other.object_handle));
        flush(&mut tpm, handle(answer.object_handle));
        flush(&mut tpm, handle(other.object_handle));
    }
}

#[test]
fn an_ordinary_object_is_loaded_and_can_be_loaded_again() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let public = template::ecc_signing(EccCurve::NistP256, None, false);
    let answer = made(&mut tpm, &command(below(parent), &public.to_bytes(), b"auth", b""));
    let load = Load {
        parent_handle: parent,
        in_private: answer.out_private.clone(),
        in_public: answer.out_public.clone(),
    };
    let again = tpm.call(&load).expect("what was made below a parent loads there");
    assert_eq!(again.name, answer.name);
    let read = |tpm: &mut TestTpm, raw| tpm.call(&ReadPublic { object_handle: handle(raw) }).unwrap();
    assert_eq!(read(&mut tpm, again.object_handle), read(&mut tpm, answer.object_handle));
}

#[test]
fn a_derived_object_comes_out_the_same_each_time_and_has_no_private_area() {
    let mut tpm = started();
    let parent = derivation_parent(&mut tpm);
    let template = derivation(&cipher(DERIVED), b"label", b"context");
    let first = made(&mut tpm, &command(below(parent), &template, b"one", b""));
    let second = made(&mut tpm, &command(below(parent), &template, b"two", b""));
    assert_eq!((&first.out_public, &first.name), (&second.out_public, &second.name));
    assert!(first.out_private.is_empty());
    flush(&mut tpm, handle(second.object_handle));
    let other = derivation(&cipher(DERIVED), b"label", b"other");
    let other = made(&mut tpm, &command(below(parent), &other, b"", b""));
    assert_ne!(first.name, other.name);
}

#[test]
fn label_and_context_come_from_the_template_or_else_from_the_sensitive_data() {
    let mut tpm = started();
    let parent = derivation_parent(&mut tpm);
    let mut name = |label: &[u8], context: &[u8], data: &[u8]| {
        let template = derivation(&cipher(DERIVED), label, context);
        let answer = made(&mut tpm, &command(below(parent), &template, b"", data));
        flush(&mut tpm, handle(answer.object_handle));
        answer.name
    };
    let both = name(b"label", b"context", b"");
    assert_eq!(name(b"", b"", &label_and_context(b"label", b"context")), both);
    assert_eq!(name(b"label", b"", &label_and_context(b"ignored", b"context")), both);
    assert_eq!(name(b"", b"context", &label_and_context(b"label", b"ignored")), both);
    let longer = [label_and_context(b"label", b"context"), vec![7]].concat();
    assert_eq!(name(b"", b"", &longer), both);
    assert_ne!(name(b"label", b"", b""), both);
}

#[test]
fn a_derived_signing_key_signs() {
    let mut tpm = started();
    let parent = derivation_parent(&mut tpm);
    let mut public = template::ecc_signing(EccCurve::NistP384, None, false);
    public.object_attributes.remove(TpmaObject::SENSITIVE_DATA_ORIGIN);
    let answer = made(&mut tpm, &command(below(parent), &derivation(&public, b"sign", b""), b"", b""));
    let key = handle(answer.object_handle);
    let digest = Tpm2bDigest::new(&hash(HashAlg::Sha384, &[b"message"])).unwrap();
    let sign = sigillo_types::commands::Sign {
        key_handle: key,
        digest: digest.clone(),
        in_scheme: Some(sigillo_types::structures::SigScheme::Ecdsa { hash_alg: HashAlg::Sha384 }),
        validation: sigillo_types::structures::TpmtTkHashcheck {
            hierarchy: Hierarchy::Null,
            digest: Tpm2bDigest::default(),
        },
    };
    let signature = tpm.call(&sign).unwrap().signature;
    tpm.call(&VerifySignature { key_handle: key, digest, signature }).expect("it verifies");
}

#[test]
fn a_wrong_template_of_a_derived_object_is_refused() {
    let mut tpm = started();
    let parent = derivation_parent(&mut tpm);
    let mut refusal = |public: TpmtPublic| {
        let template = derivation(&public, b"label", b"");
        refused(&mut tpm, &command(below(parent), &template, b"", b""))
    };
    let rsa =
        TpmtPublic { object_attributes: DERIVED | TpmaObject::SIGN, ..template::rsa_signing(None, false) };
    assert_eq!(refusal(rsa), rc::TYPE.at(PUBLIC));
    assert_eq!(refusal(cipher(DERIVED | TpmaObject::SENSITIVE_DATA_ORIGIN)), rc::ATTRIBUTES.at(PUBLIC));
    let loose = DERIVED - TpmaObject::FIXED_PARENT - TpmaObject::FIXED_TPM;
    assert_eq!(refusal(cipher(loose)), rc::ATTRIBUTES.at(PUBLIC));
    assert_eq!(refusal(cipher(DERIVED | TpmaObject::FIRMWARE_LIMITED)), rc::ATTRIBUTES.at(PUBLIC));
    // Its children would need the cipher of the parent, and a derivation parent has none.
    let mut storage = template::ecc_storage();
    storage.object_attributes.remove(TpmaObject::SENSITIVE_DATA_ORIGIN);
    assert_eq!(refusal(storage), rc::SYMMETRIC.at(PUBLIC));
    let long = Tpm2bDigest::new(&[0; 31]).unwrap();
    assert_eq!(refusal(TpmtPublic { auth_policy: long, ..cipher(DERIVED) }), rc::SIZE.at(PUBLIC));
}

#[test]
fn what_does_not_read_says_which_parameter() {
    let mut tpm = started();
    let parent = derivation_parent(&mut tpm);
    let template = derivation(&cipher(DERIVED), b"label", b"context");
    let mut refusal = |parent: ParentHandle, template: &[u8], auth: &[u8], data: &[u8]| -> Rc {
        refused(&mut tpm, &command(parent, template, auth, data))
    };
    assert_eq!(refusal(below(parent), b"", b"", b""), rc::INSUFFICIENT.at(PUBLIC));
    assert_eq!(
        refusal(below(parent), &template[..template.len() - 1], b"", b""),
        rc::INSUFFICIENT.at(PUBLIC)
    );
    assert_eq!(refusal(below(parent), &[&template[..], &[0]].concat(), b"", b""), rc::SIZE.at(PUBLIC));
    let unnamed = [&template[..2], &[0, 0x10], &template[4..]].concat();
    assert_eq!(refusal(below(parent), &unnamed, b"", b""), rc::HASH.at(PUBLIC));
    assert_eq!(refusal(below(parent), &template, b"", b"x"), rc::INSUFFICIENT.at(SENSITIVE));
    let long = label_and_context(&[1; 32], &[2; 32]);
    assert_eq!(
        refusal(below(parent), &template, b"", &[&[0, 33][..], &long].concat()),
        rc::SIZE.at(SENSITIVE)
    );
    assert_eq!(refusal(below(parent), &template, &[1; 33], b""), rc::SIZE.at(SENSITIVE));
    let origin = derivation(&cipher(DERIVED | TpmaObject::SENSITIVE_DATA_ORIGIN), b"", b"");
    assert_eq!(refusal(below(parent), &origin, &[1; 33], b""), rc::SIZE.at(SENSITIVE));
    let owner = ParentHandle::Hierarchy(Hierarchy::Owner);
    let root = template::ecc_storage().to_bytes();
    assert_eq!(refusal(owner, &[&root[..], &[0]].concat(), b"", b""), rc::SIZE.at(PUBLIC));
    assert_eq!(refusal(owner, &[&[0, 7], &root[2..]].concat(), b"", b""), rc::TYPE.at(PUBLIC));
}

#[test]
fn what_is_no_parent_is_refused_before_the_template_is_read() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    let at = CreateLoaded::PARENT_HANDLE;
    assert_eq!(refused(&mut tpm, &command(below(key), b"", b"", b"")), rc::TYPE.at(at));
    let start = HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg: Some(HashAlg::Sha256) };
    let sequence = handle(tpm.call(&start).unwrap().sequence_handle);
    assert_eq!(refused(&mut tpm, &command(below(sequence), b"", b"", b"")), rc::TYPE.at(at));
    while tpm.call(&start).is_ok() {}
    assert_eq!(
        refused(&mut tpm, &command(below(key), b"", b"", b"")),
        rc::TYPE.at(at),
        "before a slot is looked for"
    );
    let owner = ParentHandle::Hierarchy(Hierarchy::Owner);
    assert_eq!(refused(&mut tpm, &command(owner, b"", b"", b"")), rc::OBJECT_MEMORY);
}

#[test]
fn a_derivation_parent_is_no_storage_parent() {
    let mut tpm = started();
    let parent = derivation_parent(&mut tpm);
    let root = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let child = support::create(&mut tpm, root, template::sealed(Tpm2bDigest::default()), b"", b"x");
    assert_eq!(refused(&mut tpm, &load_command(parent, &child)), rc::TYPE.at(Load::PARENT_HANDLE));
}

/// As TPMs made from the reference code give them: `unique` is an HMAC with seedValue as the key.
#[test]
fn symmetric_parents_of_other_tpms_can_be_imported() {
    let mut tpm = started();
    let root = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let scheme = KeyedHashScheme::Xor { hash_alg: HashAlg::Sha256, kdf: Some(KdfAlg::Kdf1Sp800108) };
    let attributes = TpmaObject::USER_WITH_AUTH | TpmaObject::RESTRICTED | TpmaObject::DECRYPT;
    let (seed, key) = ([5; 32], [7; 32]);
    let sensitive = TpmtSensitive {
        auth_value: Tpm2bAuth::default(),
        seed_value: Tpm2bSecretDigest::from(seed),
        sensitive: SensitiveComposite::Bits(Tpm2bSensitiveData::from(key)),
    };
    let mut import = |attributes, scheme, unique: &[u8]| {
        let unique = PublicId::KeyedHash(Tpm2bDigest::new(unique).unwrap());
        let import = Import {
            parent_handle: root,
            encryption_key: sigillo_types::buffers::Tpm2bSecretData::default(),
            object_public: TpmtPublic { unique, ..keyed_hash(attributes, Some(scheme)) }.into(),
            duplicate: Tpm2bSensitive::from(sensitive.clone()).to_bytes().try_into().unwrap(),
            in_sym_seed: sigillo_types::buffers::Tpm2bEncryptedSecret::default(),
            symmetric_alg: None,
        };
        tpm.call(&import).map(drop).map_err(|error| error.rc().unwrap())
    };
    let ours = hash(HashAlg::Sha256, &[&seed, &key]);
    let theirs = hmac(HashAlg::Sha256, &seed, &[&key]);
    assert_eq!(import(attributes, scheme, &ours), Ok(()));
    assert_eq!(import(attributes, scheme, &theirs), Ok(()));
    assert_eq!(import(attributes, scheme, &[0; 32]), Err(rc::BINDING.into()));
    let signing = TpmaObject::USER_WITH_AUTH | TpmaObject::SIGN;
    let hmac_scheme = KeyedHashScheme::Hmac { hash_alg: HashAlg::Sha256 };
    assert_eq!(import(signing, hmac_scheme, &ours), Ok(()));
    assert_eq!(import(signing, hmac_scheme, &theirs), Err(rc::BINDING.into()));
}
