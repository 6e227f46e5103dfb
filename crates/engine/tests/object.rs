//! Object commands and TPM2_CreatePrimary. Part 3, 12 and 24.1.

mod common;
mod support;

use common::{TestTpm, refused, started, started_as};
use sigillo_client::{Auth, template};
use sigillo_crypto::hash::hash;
use sigillo_engine::Profile;
use sigillo_types::{
    EccCurve, HashAlg, Marshal, Position, Rc,
    alg::{AesKeyBits, KdfAlg, SymMode},
    attributes::TpmaObject,
    buffers::{
        Tpm2bAuth, Tpm2bDigest, Tpm2bEncryptedSecret, Tpm2bIdObject, Tpm2bPrivate, Tpm2bSecretData,
        Tpm2bSecretDigest, Tpm2bSensitiveData, Tpm2bSymKey,
    },
    commands::{
        ActivateCredential, Create, CreatePrimary, EvictControl, HashSequenceStart, Import, Load,
        LoadExternal, MakeCredential, ObjectChangeAuth, ReadPublic, Unseal,
    },
    handles::{Hierarchy, ObjectHandle, PersistentHandle, ProvisionHandle},
    rc,
    structures::{
        EccScheme, KdfScheme, KeyedHashScheme, PublicId, PublicParms, RsaScheme, SensitiveComposite,
        SymDefObject, Tpm2bSensitive, TpmsKeyedhashParms, TpmsSymcipherParms, TpmtPublic, TpmtSensitive,
    },
};
use support::{
    child, create, create_command, create_primary, external, flush, handle, load, load_command, primary,
    primary_response, sensitive,
};

const CHILD: TpmaObject =
    TpmaObject::FIXED_TPM.union(TpmaObject::FIXED_PARENT).union(TpmaObject::USER_WITH_AUTH);

fn sealed() -> TpmtPublic {
    template::sealed(Tpm2bDigest::default())
}

fn symmetric_key(attributes: TpmaObject, mode: Option<SymMode>) -> TpmtPublic {
    TpmtPublic {
        name_alg: Some(HashAlg::Sha256),
        object_attributes: attributes,
        auth_policy: Tpm2bDigest::default(),
        parameters: PublicParms::SymCipher(TpmsSymcipherParms {
            sym: SymDefObject::Aes { key_bits: AesKeyBits::Aes128, mode },
        }),
        unique: PublicId::SymCipher(Tpm2bDigest::default()),
    }
}

fn duplicable(mut public: TpmtPublic) -> TpmtPublic {
    public.object_attributes.remove(TpmaObject::FIXED_TPM | TpmaObject::FIXED_PARENT);
    public
}

fn unseal(tpm: &mut TestTpm, item_handle: ObjectHandle, auth: &[u8]) -> Result<Vec<u8>, Rc> {
    tpm.call_with(&Unseal { item_handle }, &mut [Auth::password(auth)])
        .map(|answer| answer.out_data.to_vec())
        .map_err(|error| error.rc().expect("an answer"))
}

/// What creating `public` below the storage root answers.
fn refusal(change: impl FnOnce(&mut TpmtPublic), public: TpmtPublic, data: &[u8]) -> Rc {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let mut public = public;
    change(&mut public);
    refused(&mut tpm, &create_command(parent, public, b"", data))
}

const PUBLIC: Position = Create::IN_PUBLIC;
const SENSITIVE: Position = Create::IN_SENSITIVE;

#[test]
fn sealed_data_comes_back_with_its_auth_value_only() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::rsa_storage());
    let mut public = sealed();
    public.object_attributes.insert(TpmaObject::NO_DA);
    let made = create(&mut tpm, parent, public, b"open\0\0", b"the secret");
    let item = load(&mut tpm, parent, &made);
    assert_eq!(unseal(&mut tpm, item, b"open"), Ok(b"the secret".to_vec()));
    assert_eq!(unseal(&mut tpm, item, b"shut"), Err(rc::BAD_AUTH.at(Position::Session(1))));
}

#[test]
fn the_name_is_the_digest_of_the_public_area_and_the_qualified_name_that_of_the_way_to_it() {
    let mut tpm = started();
    let parent = primary_response(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let made = create(&mut tpm, handle(parent.object_handle), sealed(), b"", b"x");
    let item = load(&mut tpm, handle(parent.object_handle), &made);
    let read = tpm.call(&ReadPublic { object_handle: item }).expect("readable");
    let name = |parts: &[&[u8]]| [&[0, 0x0B], &hash(HashAlg::Sha256, parts)[..]].concat();
    assert_eq!(read.name.to_vec(), name(&[&made.out_public.public_area.to_bytes()]));
    let of_parent = name(&[&0x4000_0001_u32.to_be_bytes(), &parent.name]);
    assert_eq!(read.qualified_name.to_vec(), name(&[&of_parent, &read.name]));
    assert_eq!(read.out_public.public_area, made.out_public.public_area);
}

#[test]
fn creation_data_tell_of_the_parent_and_are_hashed_with_the_name_algorithm() {
    let mut tpm = started();
    let parent = primary_response(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let mut command = create_command(handle(parent.object_handle), sealed(), b"", b"x");
    command.outside_info = b"from outside".as_slice().try_into().expect("short");
    let made = tpm.call(&command).expect("made");
    let data = &made.creation_data.creation_data;
    assert_eq!(data.parent_name, parent.name);
    assert_eq!(data.parent_name_alg, 0x000B);
    assert_eq!(data.outside_info.to_vec(), b"from outside");
    assert_eq!(data.locality.bits(), 1);
    assert_eq!(data.pcr_digest.to_vec(), hash(HashAlg::Sha256, &[]).to_vec());
    assert_eq!(made.creation_hash.to_vec(), hash(HashAlg::Sha256, &[&data.to_bytes()]).to_vec());
    let of_primary = &parent.creation_data.creation_data;
    assert_eq!(of_primary.parent_name_alg, 0x0010);
    assert_eq!(of_primary.parent_name.to_vec(), 0x4000_0001_u32.to_be_bytes());
    assert_eq!(of_primary.parent_qualified_name.to_vec(), 0x4000_0001_u32.to_be_bytes());
}

#[test]
fn every_type_of_child_can_be_created_and_loaded() {
    let mut tpm = started();
    let origin = CHILD | TpmaObject::SENSITIVE_DATA_ORIGIN;
    let storage = origin | TpmaObject::RESTRICTED | TpmaObject::DECRYPT;
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    for public in [
        template::ecc_storage(),
        template::rsa_storage(),
        template::ecc_signing(EccCurve::NistP384, None, false),
        template::rsa_signing(Some(RsaScheme::Rsapss { hash_alg: HashAlg::Sha384 }), true),
        template::rsa_decryption(None),
        template::ecc_decryption(EccCurve::NistP256),
        template::hmac_key(HashAlg::Sha512),
        symmetric_key(origin | TpmaObject::DECRYPT | TpmaObject::SIGN, None),
        symmetric_key(storage, Some(SymMode::Cfb)),
    ] {
        let loaded = child(&mut tpm, parent, public);
        flush(&mut tpm, loaded);
    }
}

#[test]
fn a_symmetric_key_can_be_a_parent() {
    let mut tpm = started();
    let storage = CHILD | TpmaObject::SENSITIVE_DATA_ORIGIN | TpmaObject::RESTRICTED | TpmaObject::DECRYPT;
    let root = primary(&mut tpm, Hierarchy::Owner, symmetric_key(storage, Some(SymMode::Cfb)));
    let made = create(&mut tpm, root, sealed(), b"", b"below a symmetric key");
    let item = load(&mut tpm, root, &made);
    assert_eq!(unseal(&mut tpm, item, b""), Ok(b"below a symmetric key".to_vec()));
}

#[test]
fn sensitive_data_origin_must_say_who_made_the_data() {
    let attributes = rc::ATTRIBUTES.at(PUBLIC);
    assert_eq!(refusal(|_| {}, sealed(), b""), attributes);
    assert_eq!(
        refusal(|p| p.object_attributes |= TpmaObject::SENSITIVE_DATA_ORIGIN, sealed(), b""),
        attributes
    );
    assert_eq!(
        refusal(|p| p.object_attributes |= TpmaObject::SENSITIVE_DATA_ORIGIN, sealed(), b"x"),
        attributes
    );
    let without_origin = |p: &mut TpmtPublic| p.object_attributes.remove(TpmaObject::SENSITIVE_DATA_ORIGIN);
    assert_eq!(refusal(without_origin, template::ecc_storage(), b""), attributes);
    assert_eq!(refusal(|_| {}, template::ecc_storage(), b"x"), attributes);
}

#[test]
fn contradicting_attributes_are_refused() {
    let attributes = rc::ATTRIBUTES.at(PUBLIC);
    let set = |bits: TpmaObject| move |p: &mut TpmtPublic| p.object_attributes |= bits;
    let clear = |bits: TpmaObject| move |p: &mut TpmtPublic| p.object_attributes.remove(bits);
    let key = || template::ecc_signing(EccCurve::NistP256, None, false);
    assert_eq!(refusal(clear(TpmaObject::FIXED_TPM), key(), b""), attributes);
    assert_eq!(refusal(clear(TpmaObject::FIXED_PARENT), key(), b""), attributes);
    assert_eq!(refusal(clear(TpmaObject::SIGN), key(), b""), attributes);
    assert_eq!(refusal(set(TpmaObject::ENCRYPTED_DUPLICATION), key(), b""), attributes);
    assert_eq!(refusal(set(TpmaObject::FIRMWARE_LIMITED), key(), b""), attributes);
    assert_eq!(refusal(set(TpmaObject::SVN_LIMITED), key(), b""), attributes);
    assert_eq!(refusal(set(TpmaObject::SIGN), template::ecc_storage(), b""), attributes);
    assert_eq!(refusal(set(TpmaObject::RESTRICTED), sealed(), b"x"), attributes);
    assert_eq!(refusal(set(TpmaObject::X509_SIGN), template::hmac_key(HashAlg::Sha256), b""), attributes);
    assert_eq!(
        refusal(set(TpmaObject::X509_SIGN), template::ecc_decryption(EccCurve::NistP256), b""),
        attributes
    );
}

#[test]
fn a_policy_must_be_a_digest_of_the_name_algorithm() {
    let short = |p: &mut TpmtPublic| p.auth_policy = [1; 20].into();
    assert_eq!(refusal(short, sealed(), b"x"), rc::SIZE.at(PUBLIC));
}

#[test]
fn a_scheme_must_fit_what_the_key_may_do() {
    let scheme = rc::SCHEME.at(PUBLIC);
    let ecc = |scheme| {
        move |p: &mut TpmtPublic| {
            if let PublicParms::Ecc(parms) = &mut p.parameters {
                parms.scheme = scheme;
            }
        }
    };
    let keyed = |scheme| {
        move |p: &mut TpmtPublic| p.parameters = PublicParms::KeyedHash(TpmsKeyedhashParms { scheme })
    };
    let ecdsa = Some(EccScheme::Ecdsa { hash_alg: HashAlg::Sha256 });
    let ecdh = Some(EccScheme::Ecdh { hash_alg: HashAlg::Sha256 });
    let hmac = Some(KeyedHashScheme::Hmac { hash_alg: HashAlg::Sha256 });
    let xor = Some(KeyedHashScheme::Xor { hash_alg: HashAlg::Sha256, kdf: Some(KdfAlg::Kdf1Sp800108) });
    assert_eq!(refusal(ecc(ecdsa), template::ecc_decryption(EccCurve::NistP256), b""), scheme);
    assert_eq!(refusal(ecc(ecdh), template::ecc_storage(), b""), scheme);
    assert_eq!(refusal(ecc(ecdh), template::ecc_signing(EccCurve::NistP256, None, false), b""), scheme);
    assert_eq!(refusal(|_| {}, template::ecc_signing(EccCurve::NistP256, None, true), b""), scheme);
    assert_eq!(refusal(keyed(hmac), sealed(), b"x"), scheme);
    assert_eq!(refusal(keyed(xor), template::hmac_key(HashAlg::Sha256), b""), scheme);
    let kdf = |p: &mut TpmtPublic| {
        if let PublicParms::Ecc(parms) = &mut p.parameters {
            parms.kdf = Some(KdfScheme::Kdf1Sp80056a { hash_alg: HashAlg::Sha256 });
        }
    };
    assert_eq!(refusal(kdf, template::ecc_decryption(EccCurve::NistP256), b""), rc::KDF.at(PUBLIC));
    let both = |p: &mut TpmtPublic| {
        kdf(p);
        p.object_attributes.remove(TpmaObject::RESTRICTED);
    };
    assert_eq!(
        refusal(both, template::ecc_storage(), b""),
        rc::SYMMETRIC.at(PUBLIC),
        "the cipher comes first"
    );
}

#[test]
fn a_child_that_stores_must_store_as_its_parent_does() {
    let cipher = |symmetric| {
        move |p: &mut TpmtPublic| {
            if let PublicParms::Ecc(parms) = &mut p.parameters {
                parms.symmetric = symmetric;
            }
        }
    };
    let aes = |key_bits, mode| Some(SymDefObject::Aes { key_bits, mode });
    let other_name = |p: &mut TpmtPublic| p.name_alg = Some(HashAlg::Sha384);
    assert_eq!(refusal(other_name, template::ecc_storage(), b""), rc::HASH.at(PUBLIC));
    let larger = cipher(aes(AesKeyBits::Aes256, Some(SymMode::Cfb)));
    assert_eq!(refusal(larger, template::ecc_storage(), b""), rc::SYMMETRIC.at(PUBLIC));
    assert_eq!(refusal(cipher(None), template::ecc_storage(), b""), rc::SYMMETRIC.at(PUBLIC));
    let modeless = cipher(aes(AesKeyBits::Aes128, None));
    assert_eq!(refusal(modeless, template::ecc_storage(), b""), rc::SYMMETRIC.at(PUBLIC));
    let unused = cipher(aes(AesKeyBits::Aes128, Some(SymMode::Cfb)));
    assert_eq!(refusal(unused, template::ecc_decryption(EccCurve::NistP256), b""), rc::SYMMETRIC.at(PUBLIC));
}

/// Whether as a primary key or below a parent: a storage key says the mode that protects its children. Part 2, 11.1.7.
#[test]
fn a_key_that_stores_is_made_for_cfb_mode() {
    let storage = TpmaObject::SENSITIVE_DATA_ORIGIN | TpmaObject::RESTRICTED | TpmaObject::DECRYPT;
    let every = [SymMode::Ctr, SymMode::Ofb, SymMode::Cbc, SymMode::Cfb, SymMode::Ecb].map(Some);
    for mode in every.into_iter().chain([None]) {
        let symmetric = symmetric_key(CHILD | storage, mode);
        let (mut ecc, mut rsa) = (template::ecc_storage(), template::rsa_storage());
        let cipher = SymDefObject::Aes { key_bits: AesKeyBits::Aes128, mode };
        if let (PublicParms::Ecc(ecc), PublicParms::Rsa(rsa)) = (&mut ecc.parameters, &mut rsa.parameters) {
            (ecc.symmetric, rsa.symmetric) = (Some(cipher), Some(cipher));
        }
        let mut libtpms = started_as(Profile::libtpms());
        let mut pc_client = started();
        let parent = primary(&mut pc_client, Hierarchy::Owner, template::ecc_storage());
        for public in [symmetric, ecc, rsa] {
            // Making RSA keys takes long: here they are only refused.
            let is_rsa = matches!(public.parameters, PublicParms::Rsa(_));
            if !is_rsa {
                let made = primary(&mut libtpms, Hierarchy::Owner, public.clone());
                flush(&mut libtpms, made);
            } else if mode == Some(SymMode::Cfb) {
                continue;
            }
            let mut public = duplicable(public);
            let command = create_command(parent, public.clone(), b"", b"");
            public.object_attributes |= TpmaObject::FIXED_TPM | TpmaObject::FIXED_PARENT;
            let of_primary = create_primary(Hierarchy::Owner, public);
            if mode == Some(SymMode::Cfb) {
                pc_client.call(&command).expect("a child");
                let made = pc_client.call(&of_primary).expect("made").object_handle;
                flush(&mut pc_client, handle(made));
            } else {
                assert_eq!(refused(&mut pc_client, &command), rc::SYMMETRIC.at(PUBLIC), "{mode:?}");
                let code = refused(&mut pc_client, &of_primary);
                assert_eq!(code, rc::SYMMETRIC.at(CreatePrimary::IN_PUBLIC), "{mode:?}");
            }
        }
    }
}

/// It protects what it stores in CFB mode all the same. Part 3, 12.1.
#[test]
fn a_key_that_another_tpm_made_for_another_mode_still_stores() {
    let mut tpm = started();
    let root = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let (seed, key) = ([5; 32], [7; 16]);
    let storage = TpmaObject::USER_WITH_AUTH | TpmaObject::RESTRICTED | TpmaObject::DECRYPT;
    let mut public = symmetric_key(storage, Some(SymMode::Ctr));
    public.unique = PublicId::SymCipher(Tpm2bDigest::new(&hash(HashAlg::Sha256, &[&seed, &key])).unwrap());
    let sensitive = TpmtSensitive {
        auth_value: Tpm2bAuth::default(),
        seed_value: Tpm2bSecretDigest::from(seed),
        sensitive: SensitiveComposite::Sym(Tpm2bSymKey::from(key)),
    };
    let import = Import {
        parent_handle: root,
        encryption_key: Tpm2bSecretData::default(),
        object_public: public.clone().into(),
        duplicate: Tpm2bSensitive::from(sensitive).to_bytes().try_into().unwrap(),
        in_sym_seed: Tpm2bEncryptedSecret::default(),
        symmetric_alg: None,
    };
    let in_private = tpm.call(&import).expect("imported").out_private;
    let load_parent = Load { parent_handle: root, in_private, in_public: public.into() };
    let parent = handle(tpm.call(&load_parent).expect("it loads").object_handle);
    let made = create(&mut tpm, parent, duplicable(sealed()), b"", b"below");
    let item = load(&mut tpm, parent, &made);
    assert_eq!(unseal(&mut tpm, item, b""), Ok(b"below".to_vec()));
}

#[test]
fn rsa_keys_with_weak_numbers_are_not_made() {
    let exponent = |exponent| {
        move |p: &mut TpmtPublic| {
            if let PublicParms::Rsa(parms) = &mut p.parameters {
                parms.exponent = exponent;
            }
        }
    };
    for weak in [1, 2, 3, 17, 65536, 65539 * 3] {
        assert_eq!(refusal(exponent(weak), template::rsa_storage(), b""), rc::RANGE.at(PUBLIC), "{weak}");
    }
    let small = |p: &mut TpmtPublic| {
        if let PublicParms::Rsa(parms) = &mut p.parameters {
            parms.key_bits = sigillo_types::alg::RsaKeyBits::Rsa1024;
        }
    };
    assert_eq!(refusal(small, template::rsa_storage(), b""), rc::VALUE.at(PUBLIC));
}

#[test]
fn a_given_secret_must_have_a_size_that_fits() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let key = || symmetric_key(CHILD | TpmaObject::DECRYPT, Some(SymMode::Cfb));
    let size = |tpm: &mut TestTpm, data: &[u8]| refused(tpm, &create_command(parent, key(), b"", data));
    assert_eq!(size(&mut tpm, &[1; 17]), rc::SIZE.at(SENSITIVE));
    assert_eq!(size(&mut tpm, &[1; 15]), rc::KEY_SIZE.at(SENSITIVE));
    create(&mut tpm, parent, key(), b"", &[1; 16]);
    let mut hmac = template::hmac_key(HashAlg::Sha256);
    hmac.object_attributes.remove(TpmaObject::SENSITIVE_DATA_ORIGIN);
    assert_eq!(
        refused(&mut tpm, &create_command(parent, hmac.clone(), b"", &[1; 65])),
        rc::SIZE.at(SENSITIVE)
    );
    create(&mut tpm, parent, hmac, b"", &[1; 64]);
    assert_eq!(refused(&mut tpm, &create_command(parent, sealed(), &[1; 33], b"x")), rc::SIZE.at(SENSITIVE));
}

#[test]
fn only_a_storage_key_is_a_parent() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    let parent_type = rc::TYPE.at(Create::PARENT_HANDLE);
    assert_eq!(refused(&mut tpm, &create_command(key, sealed(), b"", b"x")), parent_type);
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let made = create(&mut tpm, parent, sealed(), b"", b"x");
    assert_eq!(refused(&mut tpm, &load_command(key, &made)), parent_type);
}

#[test]
fn a_private_area_that_was_changed_does_not_load() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let made = create(&mut tpm, parent, sealed(), b"", b"x");
    let integrity = rc::INTEGRITY.at(Load::IN_PRIVATE);
    for place in [2, 40, made.out_private.len() - 1] {
        let mut changed = made.clone();
        let mut octets = made.out_private.to_vec();
        octets[place] ^= 1;
        changed.out_private = octets.try_into().expect("the same size");
        assert_eq!(refused(&mut tpm, &load_command(parent, &changed)), integrity);
    }
    let mut other = made.clone();
    other.out_public.public_area.object_attributes ^= TpmaObject::NO_DA;
    assert_eq!(refused(&mut tpm, &load_command(parent, &other)), integrity);
    let mut empty = made;
    empty.out_private = Tpm2bPrivate::default();
    assert_eq!(refused(&mut tpm, &load_command(parent, &empty)), rc::SIZE.at(Load::IN_PRIVATE));
}

#[test]
fn a_full_object_memory_says_so() {
    let mut tpm = started();
    for _ in 0..3 {
        primary(&mut tpm, Hierarchy::Null, template::ecc_storage());
    }
    let fourth = create_primary(Hierarchy::Null, template::ecc_storage());
    assert_eq!(refused(&mut tpm, &fourth), rc::OBJECT_MEMORY);
}

#[test]
fn a_primary_object_depends_on_template_unique_data_and_hierarchy_but_not_on_its_auth_value() {
    let mut tpm = started();
    let unique = |tpm: &mut TestTpm, command: &CreatePrimary| {
        let made = tpm.call(command).expect("made");
        flush(tpm, handle(made.object_handle));
        made.out_public.public_area.unique
    };
    let command = create_primary(Hierarchy::Owner, template::ecc_storage());
    let first = unique(&mut tpm, &command);
    assert_eq!(unique(&mut tpm, &command), first);
    let with_auth = CreatePrimary { in_sensitive: sensitive(b"auth", b""), ..command.clone() };
    assert_eq!(unique(&mut tpm, &with_auth), first);
    let with_data = CreatePrimary { in_sensitive: sensitive(b"", b"data"), ..command.clone() };
    assert_ne!(unique(&mut tpm, &with_data), first);
    let elsewhere = CreatePrimary { primary_handle: Hierarchy::Endorsement, ..command.clone() };
    assert_ne!(unique(&mut tpm, &elsewhere), first);
    let mut other = command.clone();
    other.in_public.public_area.object_attributes ^= TpmaObject::NO_DA;
    assert_ne!(unique(&mut tpm, &other), first);
    let mut seeded = command;
    if let PublicId::Ecc(point) = &mut seeded.in_public.public_area.unique {
        point.x = [7; 32].into();
    }
    assert_ne!(unique(&mut tpm, &seeded), first);
}

fn hmac_object(name_alg: Option<HashAlg>) -> (TpmtPublic, TpmtSensitive) {
    let (seed, bits) = ([9; 32], [5; 32]);
    let unique = name_alg.map(|alg| Tpm2bDigest::new(&hash(alg, &[&seed, &bits])).expect("a digest"));
    let mut public = template::hmac_key(HashAlg::Sha256);
    public.object_attributes = TpmaObject::USER_WITH_AUTH | TpmaObject::SIGN;
    public.name_alg = name_alg;
    public.unique = PublicId::KeyedHash(unique.unwrap_or_default());
    let sensitive = TpmtSensitive {
        auth_value: Tpm2bAuth::default(),
        seed_value: Tpm2bSecretDigest::from(seed),
        sensitive: SensitiveComposite::Bits(Tpm2bSensitiveData::from(bits)),
    };
    (public, sensitive)
}

#[test]
fn an_external_object_with_its_secret_belongs_to_no_hierarchy() {
    let mut tpm = started();
    let (public, private) = hmac_object(Some(HashAlg::Sha256));
    let owner = external(public.clone(), Some(private.clone()), Hierarchy::Owner);
    assert_eq!(refused(&mut tpm, &owner), rc::HIERARCHY.at(LoadExternal::HIERARCHY));
    let loaded =
        tpm.call(&external(public.clone(), Some(private.clone()), Hierarchy::Null)).expect("it loads");
    let read = tpm.call(&ReadPublic { object_handle: handle(loaded.object_handle) }).expect("readable");
    assert_eq!(read.qualified_name, read.name);
    for bit in [TpmaObject::FIXED_TPM, TpmaObject::FIXED_PARENT, TpmaObject::RESTRICTED] {
        let mut bound = public.clone();
        bound.object_attributes |= bit;
        let command = external(bound, Some(private.clone()), Hierarchy::Null);
        assert_eq!(refused(&mut tpm, &command), rc::ATTRIBUTES.at(LoadExternal::IN_PUBLIC));
    }
}

#[test]
fn an_external_object_must_be_bound_to_its_public_area() {
    let mut tpm = started();
    let (public, mut private) = hmac_object(Some(HashAlg::Sha256));
    private.sensitive = SensitiveComposite::Bits(Tpm2bSensitiveData::from([6; 32]));
    let unbound = external(public.clone(), Some(private.clone()), Hierarchy::Null);
    assert_eq!(refused(&mut tpm, &unbound), Rc::from(rc::BINDING));
    let other_type =
        TpmtSensitive { sensitive: SensitiveComposite::Sym(Tpm2bSymKey::from([6; 16])), ..private.clone() };
    let mixed = external(public, Some(other_type), Hierarchy::Null);
    assert_eq!(refused(&mut tpm, &mixed), rc::TYPE.at(LoadExternal::IN_PRIVATE));
    let (nameless, _) = hmac_object(None);
    let loaded = tpm.call(&external(nameless, Some(private), Hierarchy::Null)).expect("no Name, no binding");
    assert!(loaded.name.is_empty());
}

#[test]
fn an_external_public_key_must_be_a_key() {
    let mut tpm = started();
    let made =
        primary_response(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    let public = made.out_public.public_area;
    let loaded = tpm.call(&external(public.clone(), None, Hierarchy::Owner)).expect("it loads");
    assert_eq!(loaded.name, made.name);
    let mut off_curve = public.clone();
    off_curve.unique = PublicId::Ecc(Default::default());
    let command = external(off_curve, None, Hierarchy::Null);
    assert_eq!(refused(&mut tpm, &command), rc::ECC_POINT.at(LoadExternal::IN_PUBLIC));
    let command = external(template::rsa_signing(None, false), None, Hierarchy::Null);
    assert_eq!(refused(&mut tpm, &command), rc::KEY.at(LoadExternal::IN_PUBLIC));
    let mut policy = public;
    policy.auth_policy = [1; 20].into();
    let command = external(policy, None, Hierarchy::Null);
    assert_eq!(refused(&mut tpm, &command), rc::SIZE.at(LoadExternal::IN_PUBLIC));
}

#[test]
fn a_sequence_has_no_public_area() {
    let mut tpm = started();
    let started =
        tpm.call(&HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg: None }).expect("it starts");
    let read = ReadPublic { object_handle: handle(started.sequence_handle) };
    assert_eq!(refused(&mut tpm, &read), rc::SEQUENCE);
}

fn credential(
    tpm: &mut TestTpm,
    key: ObjectHandle,
    object: ObjectHandle,
) -> (Tpm2bIdObject, Tpm2bEncryptedSecret) {
    let object_name = tpm.call(&ReadPublic { object_handle: object }).expect("readable").name;
    let credential = Tpm2bSecretDigest::new(b"only for you").expect("short");
    let made =
        tpm.call(&MakeCredential { handle: key, credential, object_name }).expect("a credential is made");
    (made.credential_blob, made.secret)
}

#[test]
fn a_credential_opens_for_its_object_only() {
    let mut tpm = started();
    for storage in [template::rsa_storage(), template::ecc_storage()] {
        let key = primary(&mut tpm, Hierarchy::Endorsement, storage);
        let object =
            primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
        let (credential_blob, secret) = credential(&mut tpm, key, object);
        let activate =
            ActivateCredential { activate_handle: object, key_handle: key, credential_blob, secret };
        let opened = tpm.call(&activate).expect("it opens");
        assert_eq!(&*opened.cert_info, b"only for you");
        let other = ActivateCredential { activate_handle: key, ..activate.clone() };
        assert_eq!(refused(&mut tpm, &other), rc::INTEGRITY.at(ActivateCredential::CREDENTIAL_BLOB));
        let signer = ActivateCredential { key_handle: object, ..activate.clone() };
        assert_eq!(refused(&mut tpm, &signer), rc::TYPE.at(ActivateCredential::KEY_HANDLE));
        let cut = ActivateCredential {
            secret: activate.secret[1..].try_into().expect("short"),
            ..activate.clone()
        };
        assert!(tpm.call(&cut).is_err());
        flush(&mut tpm, key);
        flush(&mut tpm, object);
    }
}

#[test]
fn a_credential_longer_than_a_name_digest_is_refused() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Endorsement, template::ecc_storage());
    let credential = Tpm2bSecretDigest::from([1; 33]);
    let command = MakeCredential { handle: key, credential, object_name: [0; 34].into() };
    assert_eq!(refused(&mut tpm, &command), rc::SIZE.at(MakeCredential::CREDENTIAL));
    let signer = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    let command = MakeCredential { handle: signer, credential: [1; 16].into(), object_name: [0; 34].into() };
    assert_eq!(refused(&mut tpm, &command), rc::TYPE.at(MakeCredential::HANDLE));
}

#[test]
fn only_sealed_data_unseals() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Owner, template::hmac_key(HashAlg::Sha256));
    assert_eq!(refused(&mut tpm, &Unseal { item_handle: key }), rc::ATTRIBUTES.at(Unseal::ITEM_HANDLE));
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    assert_eq!(refused(&mut tpm, &Unseal { item_handle: key }), rc::TYPE.at(Unseal::ITEM_HANDLE));
}

#[test]
fn a_changed_auth_value_is_that_of_the_object_loaded_next() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let mut public = sealed();
    public.object_attributes.insert(TpmaObject::NO_DA);
    let mut made = create(&mut tpm, parent, public, b"old", b"x");
    let object = load(&mut tpm, parent, &made);
    let change = |new_auth: &[u8], parent_handle| ObjectChangeAuth {
        object_handle: object,
        parent_handle,
        new_auth: Tpm2bAuth::new(new_auth).expect("short"),
    };
    let mut auth = [Auth::password(b"old")];
    made.out_private = tpm.call_with(&change(b"new", parent), &mut auth).expect("it changes").out_private;
    let again = load(&mut tpm, parent, &made);
    assert_eq!(unseal(&mut tpm, object, b"old"), Ok(b"x".to_vec()));
    assert_eq!(unseal(&mut tpm, again, b"new"), Ok(b"x".to_vec()));
    let long = tpm.call_with(&change(&[1; 33], parent), &mut [Auth::password(b"old")]);
    assert_eq!(long.expect_err("too long").rc(), Some(rc::SIZE.at(ObjectChangeAuth::NEW_AUTH)));
    let stranger = tpm.call_with(&change(b"new", again), &mut [Auth::password(b"old")]);
    assert_eq!(stranger.expect_err("no parent").rc(), Some(rc::TYPE.at(ObjectChangeAuth::PARENT_HANDLE)));
}

#[test]
fn duplicable_objects_keep_the_attributes_of_their_group() {
    let mut tpm = started();
    let root = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let group = child(&mut tpm, root, duplicable(template::ecc_storage()));
    let attributes = rc::ATTRIBUTES.at(PUBLIC);
    assert_eq!(refused(&mut tpm, &create_command(group, sealed(), b"", b"x")), attributes);
    let mut encrypted = duplicable(sealed());
    encrypted.object_attributes |= TpmaObject::ENCRYPTED_DUPLICATION;
    assert_eq!(refused(&mut tpm, &create_command(group, encrypted.clone(), b"", b"x")), attributes);
    create(&mut tpm, root, encrypted, b"", b"x");
    let mut fixed_parent = duplicable(sealed());
    fixed_parent.object_attributes |= TpmaObject::FIXED_PARENT;
    create(&mut tpm, group, fixed_parent, b"", b"x");
}

#[test]
fn a_persistent_object_is_used_like_a_transient_one() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::rsa_storage());
    let persistent = PersistentHandle::new(0x8100_0001).expect("an owner's handle");
    let evict =
        EvictControl { auth: ProvisionHandle::Owner, object_handle: parent, persistent_handle: persistent };
    tpm.call(&evict).expect("it becomes persistent");
    let made = create(&mut tpm, parent, sealed(), b"", b"kept");
    common::power_cycle(&mut tpm);
    common::startup(&mut tpm, sigillo_types::constants::StartupType::Clear).expect("it starts");
    let item = load(&mut tpm, handle(0x8100_0001), &made);
    assert_eq!(unseal(&mut tpm, item, b""), Ok(b"kept".to_vec()));
}
