//! Duplication. Part 3, 13.

mod common;
mod support;

use common::{TestTpm, refused, started, started_with_everything};
use sigillo_client::{Auth, Session, SessionOptions, template};
use sigillo_crypto::{ecc::EcPrivate, hash::hash, hmac::hmac, kdf::kdfa, sym::cfb_encrypt};
use sigillo_types::{
    EccCurve, HashAlg, Marshal,
    alg::{AesKeyBits, BlockCipher, SymMode},
    attributes::TpmaObject,
    buffers::{
        Tpm2bAuth, Tpm2bDigest, Tpm2bEncryptedSecret, Tpm2bPrivate, Tpm2bSecretData, Tpm2bSecretDigest,
    },
    commands::{
        Duplicate, DuplicateResponse, Import, Load, PolicyCommandCode, PolicyGetDigest, Rewrap, Unseal,
    },
    constants::SessionType,
    handles::{Hierarchy, ObjectHandle, PolicySessionHandle},
    rc,
    structures::{
        PublicId, PublicParms, SensitiveComposite, SymDefObject, Tpm2bPublic, Tpm2bSensitive, TpmsEccPoint,
        TpmtPublic, TpmtSensitive,
    },
};
use support::{create, flush, handle, load, primary};

const AES: SymDefObject = SymDefObject::Aes { key_bits: AesKeyBits::Aes128, mode: Some(SymMode::Cfb) };
const DUPLICATE: u32 = 0x014B;

fn session(tpm: &mut TestTpm, kind: SessionType) -> Session {
    let session = tpm.start_session(SessionOptions::new(kind, HashAlg::Sha256)).expect("it starts");
    let policy_session = PolicySessionHandle::new(session.handle).expect("a policy session");
    tpm.call(&PolicyCommandCode { policy_session, code: DUPLICATE }).expect("a policy");
    session
}

/// The policy that allows duplication and nothing else.
fn policy(tpm: &mut TestTpm) -> Tpm2bDigest {
    let session = session(tpm, SessionType::Trial);
    let policy_session = PolicySessionHandle::new(session.handle).expect("a policy session");
    let digest = tpm.call(&PolicyGetDigest { policy_session }).expect("its digest").policy_digest;
    let flush_handle = sigillo_types::handles::ContextHandle::new(session.handle).expect("a session");
    tpm.call(&sigillo_types::commands::FlushContext { flush_handle }).expect("flushed");
    digest
}

/// Sealed data that may be duplicated, loaded below `parent`.
fn duplicable(tpm: &mut TestTpm, parent: ObjectHandle, attributes: TpmaObject) -> (ObjectHandle, TpmtPublic) {
    let mut public = template::sealed(policy(tpm));
    public.object_attributes = TpmaObject::USER_WITH_AUTH | attributes;
    let made = create(tpm, parent, public, b"", b"travels");
    (load(tpm, parent, &made), made.out_public.public_area)
}

fn command(
    object_handle: ObjectHandle,
    new_parent_handle: Option<ObjectHandle>,
    inner: Option<&[u8]>,
) -> Duplicate {
    Duplicate {
        object_handle,
        new_parent_handle,
        encryption_key_in: Tpm2bSecretData::new(inner.unwrap_or_default()).expect("short"),
        symmetric_alg: inner.map(|_| AES),
    }
}

#[track_caller]
fn duplicate(tpm: &mut TestTpm, command: &Duplicate) -> DuplicateResponse {
    let mut session = session(tpm, SessionType::Policy);
    tpm.call_with(command, &mut [Auth::session_with(&mut session, b"", Default::default())])
        .expect("duplicated")
}

fn refused_duplicate(tpm: &mut TestTpm, command: &Duplicate) -> sigillo_types::Rc {
    let mut session = session(tpm, SessionType::Policy);
    let attributes = sigillo_types::attributes::TpmaSession::empty();
    let answer = tpm.call_with(command, &mut [Auth::session_with(&mut session, b"", attributes)]);
    let flush_handle = sigillo_types::handles::ContextHandle::new(session.handle).expect("a session");
    tpm.call(&sigillo_types::commands::FlushContext { flush_handle }).expect("flushed");
    answer.expect_err("it must be refused").rc().expect("an answer")
}

fn import(
    parent_handle: ObjectHandle,
    public_area: &TpmtPublic,
    from: &DuplicateResponse,
    key: &[u8],
) -> Import {
    Import {
        parent_handle,
        encryption_key: Tpm2bSecretData::new(key).expect("short"),
        object_public: Tpm2bPublic { public_area: public_area.clone() },
        duplicate: from.duplicate.clone(),
        in_sym_seed: from.out_sym_seed.clone(),
        symmetric_alg: (!key.is_empty()).then_some(AES),
    }
}

#[track_caller]
fn arrives(
    tpm: &mut TestTpm,
    parent: ObjectHandle,
    public: &TpmtPublic,
    from: &DuplicateResponse,
    key: &[u8],
) {
    arrives_with(tpm, parent, public, from, key, AES);
}

/// The same with another cipher as the inner wrapping.
#[track_caller]
fn arrives_with(
    tpm: &mut TestTpm,
    parent: ObjectHandle,
    public: &TpmtPublic,
    from: &DuplicateResponse,
    key: &[u8],
    cipher: SymDefObject,
) {
    let symmetric_alg = (!key.is_empty()).then_some(cipher);
    let import = Import { symmetric_alg, ..import(parent, public, from, key) };
    let in_private = tpm.call(&import).expect("imported").out_private;
    let load =
        Load { parent_handle: parent, in_private, in_public: Tpm2bPublic { public_area: public.clone() } };
    let item_handle = handle(tpm.call(&load).expect("it loads").object_handle);
    let data = tpm.call(&Unseal { item_handle }).expect("it unseals").out_data;
    assert_eq!(&*data, b"travels");
    support::flush(tpm, item_handle);
}

#[test]
fn a_duplicate_arrives_whole_through_every_wrapping() {
    for storage in [template::rsa_storage(), template::ecc_storage()] {
        let mut tpm = started();
        let parent = primary(&mut tpm, Hierarchy::Owner, storage);
        let (object, public) = duplicable(&mut tpm, parent, TpmaObject::empty());
        for (outer, inner) in
            [(false, None), (true, None), (false, Some(&[7; 16][..])), (true, Some(&[7; 16]))]
        {
            let sent = duplicate(&mut tpm, &command(object, outer.then_some(parent), inner));
            assert!(sent.encryption_key_out.is_empty());
            assert_eq!(sent.out_sym_seed.is_empty(), !outer);
            arrives(&mut tpm, parent, &public, &sent, inner.unwrap_or_default());
        }
        let made_key = duplicate(&mut tpm, &command(object, Some(parent), Some(b"")));
        let key = made_key.encryption_key_out.to_vec();
        assert_eq!(key.len(), 16);
        arrives(&mut tpm, parent, &public, &made_key, &key);
    }
}

#[test]
fn a_duplicate_moves_to_another_tpm() {
    let mut source = started();
    let mut target = started();
    let away = primary(&mut target, Hierarchy::Owner, template::ecc_storage());
    let public = target.call(&sigillo_types::commands::ReadPublic { object_handle: away }).expect("readable");
    let parent = primary(&mut source, Hierarchy::Owner, template::rsa_storage());
    let load = support::external(public.out_public.public_area, None, Hierarchy::Null);
    let new_parent = handle(source.call(&load).expect("it loads").object_handle);
    let (object, public) = duplicable(&mut source, parent, TpmaObject::ENCRYPTED_DUPLICATION);
    let sent = duplicate(&mut source, &command(object, Some(new_parent), Some(&[9; 16])));
    arrives(&mut target, away, &public, &sent, &[9; 16]);
    let integrity = rc::INTEGRITY.at(Import::DUPLICATE);
    let wrong_key = import(away, &public, &sent, &[8; 16]);
    assert_eq!(refused(&mut target, &wrong_key), integrity);
    let mut changed = import(away, &public, &sent, &[9; 16]);
    let mut octets = sent.duplicate.to_vec();
    octets[40] ^= 1;
    changed.duplicate = octets.try_into().expect("the same size");
    assert_eq!(refused(&mut target, &changed), integrity);
    let mut stranger = import(away, &public, &sent, &[9; 16]);
    stranger.object_public.public_area.object_attributes |= TpmaObject::NO_DA;
    assert_eq!(refused(&mut target, &stranger), integrity);
}

#[test]
fn encrypted_duplication_needs_both_wrappings() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let (object, public) = duplicable(&mut tpm, parent, TpmaObject::ENCRYPTED_DUPLICATION);
    let code = refused_duplicate(&mut tpm, &command(object, Some(parent), None));
    assert_eq!(code, rc::SYMMETRIC.at(Duplicate::SYMMETRIC_ALG));
    let code = refused_duplicate(&mut tpm, &command(object, None, Some(&[1; 16])));
    assert_eq!(code, rc::HIERARCHY.at(Duplicate::NEW_PARENT_HANDLE));
    let sent = duplicate(&mut tpm, &command(object, Some(parent), Some(&[1; 16])));
    let without_inner = import(parent, &public, &sent, b"");
    assert_eq!(refused(&mut tpm, &without_inner), rc::ATTRIBUTES.at(Import::ENCRYPTION_KEY));
    let mut without_outer = import(parent, &public, &sent, &[1; 16]);
    without_outer.in_sym_seed = Tpm2bEncryptedSecret::default();
    assert_eq!(refused(&mut tpm, &without_outer), rc::ATTRIBUTES.at(Import::IN_SYM_SEED));
}

#[test]
fn keys_of_the_inner_wrapping_have_the_size_of_their_cipher() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let (object, public) = duplicable(&mut tpm, parent, TpmaObject::empty());
    let code = refused_duplicate(&mut tpm, &command(object, Some(parent), Some(&[1; 15])));
    assert_eq!(code, rc::SIZE.at(Duplicate::ENCRYPTION_KEY_IN));
    let mut without_cipher = command(object, Some(parent), Some(&[1; 16]));
    without_cipher.symmetric_alg = None;
    assert_eq!(refused_duplicate(&mut tpm, &without_cipher), rc::SIZE.at(Duplicate::ENCRYPTION_KEY_IN));
    let sent = duplicate(&mut tpm, &command(object, Some(parent), None));
    let short = import(parent, &public, &sent, &[1; 15]);
    assert_eq!(refused(&mut tpm, &short), rc::SIZE.at(Import::ENCRYPTION_KEY));
}

#[test]
fn only_a_storage_key_takes_a_duplicate() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let (object, public) = duplicable(&mut tpm, parent, TpmaObject::empty());
    let signer = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    let code = refused_duplicate(&mut tpm, &command(object, Some(signer), None));
    assert_eq!(code, rc::TYPE.at(Duplicate::NEW_PARENT_HANDLE));
    let sent = duplicate(&mut tpm, &command(object, None, None));
    assert_eq!(refused(&mut tpm, &import(signer, &public, &sent, b"")), rc::TYPE.at(Import::PARENT_HANDLE));
    let mut fixed = public;
    fixed.object_attributes |= TpmaObject::FIXED_PARENT;
    assert_eq!(
        refused(&mut tpm, &import(parent, &fixed, &sent, b"")),
        rc::ATTRIBUTES.at(Import::OBJECT_PUBLIC)
    );
}

#[test]
fn an_import_that_is_not_bound_is_refused() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let (object, mut public) = duplicable(&mut tpm, parent, TpmaObject::empty());
    let sent = duplicate(&mut tpm, &command(object, None, None));
    if let sigillo_types::structures::PublicId::KeyedHash(unique) = &mut public.unique {
        *unique = [1; 32].into();
    }
    assert_eq!(refused(&mut tpm, &import(parent, &public, &sent, b"")), sigillo_types::Rc::from(rc::BINDING));
}

#[test]
fn a_rewrapped_duplicate_arrives_at_the_next_parent() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let (object, public) = duplicable(&mut tpm, parent, TpmaObject::empty());
    let sent = duplicate(&mut tpm, &command(object, Some(parent), Some(&[3; 16])));
    let name =
        tpm.call(&sigillo_types::commands::ReadPublic { object_handle: object }).expect("readable").name;
    support::flush(&mut tpm, object);
    let next = primary(&mut tpm, Hierarchy::Owner, template::rsa_storage());
    let rewrap = Rewrap {
        old_parent: Some(parent),
        new_parent: Some(next),
        in_duplicate: sent.duplicate.clone(),
        name,
        in_sym_seed: sent.out_sym_seed.clone(),
    };
    let wrapped = tpm.call(&rewrap).expect("rewrapped");
    let sent =
        DuplicateResponse { duplicate: wrapped.out_duplicate, out_sym_seed: wrapped.out_sym_seed, ..sent };
    arrives(&mut tpm, next, &public, &sent, &[3; 16]);
    let other = Rewrap { name: [0; 34].into(), ..rewrap.clone() };
    assert_eq!(refused(&mut tpm, &other), rc::INTEGRITY.at(Rewrap::IN_DUPLICATE));
    for seed in [&[0; 7][..], &[[0, 32].as_slice(), &[1; 32], &[0, 32], &[2; 32]].concat()] {
        let foreign = Rewrap { in_sym_seed: seed.try_into().expect("it fits"), ..rewrap.clone() };
        assert_eq!(refused(&mut tpm, &foreign), rc::VALUE.at(Rewrap::IN_SYM_SEED), "{seed:?}");
    }
    let seedless = Rewrap { in_sym_seed: Tpm2bEncryptedSecret::default(), ..rewrap };
    assert_eq!(refused(&mut tpm, &seedless), rc::HANDLE.at(Rewrap::OLD_PARENT));
}

/// A storage key for a cipher.
fn storage(symmetric: SymDefObject) -> TpmtPublic {
    let mut public = template::ecc_storage();
    if let PublicParms::Ecc(parms) = &mut public.parameters {
        parms.symmetric = Some(symmetric);
    }
    public
}

/// Every cipher as the inner and as the outer wrapping, and from one to the next. Part 1, 23.3.
#[test]
fn a_duplicate_arrives_through_wrappings_of_every_cipher() {
    let mut tpm = started_with_everything();
    let with_mode = |cipher| {
        let mode = Some(SymMode::Cfb);
        match cipher {
            BlockCipher::Tdes(key_bits) => SymDefObject::Tdes { key_bits, mode },
            BlockCipher::Aes(key_bits) => SymDefObject::Aes { key_bits, mode },
            BlockCipher::Sm4(key_bits) => SymDefObject::Sm4 { key_bits, mode },
            BlockCipher::Camellia(key_bits) => SymDefObject::Camellia { key_bits, mode },
        }
    };
    let root = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let (object, public) = duplicable(&mut tpm, root, TpmaObject::ENCRYPTED_DUPLICATION);
    let name =
        tpm.call(&sigillo_types::commands::ReadPublic { object_handle: object }).expect("readable").name;
    // Room for two parents.
    support::flush(&mut tpm, root);
    for (cipher, next) in BlockCipher::ALL.into_iter().zip(BlockCipher::ALL.into_iter().cycle().skip(1)) {
        let parent = primary(&mut tpm, Hierarchy::Owner, storage(with_mode(cipher)));
        let given: Vec<u8> = (1..=cipher.key_size()).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
        let with_key = |cipher, key: &[u8]| Duplicate {
            symmetric_alg: Some(with_mode(cipher)),
            ..command(object, Some(parent), Some(key))
        };
        let sent = duplicate(&mut tpm, &with_key(cipher, &given));
        assert!(sent.encryption_key_out.is_empty());
        arrives_with(&mut tpm, parent, &public, &sent, &given, with_mode(cipher));
        let sent = duplicate(&mut tpm, &with_key(next, b""));
        let key = sent.encryption_key_out.to_vec();
        assert_eq!(key.len(), next.key_size());
        let new_parent = primary(&mut tpm, Hierarchy::Owner, storage(with_mode(next)));
        let rewrap = Rewrap {
            old_parent: Some(parent),
            new_parent: Some(new_parent),
            in_duplicate: sent.duplicate.clone(),
            name: name.clone(),
            in_sym_seed: sent.out_sym_seed.clone(),
        };
        let wrapped = tpm.call(&rewrap).expect("rewrapped");
        support::flush(&mut tpm, parent);
        let sent = DuplicateResponse {
            duplicate: wrapped.out_duplicate,
            out_sym_seed: wrapped.out_sym_seed,
            ..sent
        };
        arrives_with(&mut tpm, new_parent, &public, &sent, &key, with_mode(next));
        support::flush(&mut tpm, new_parent);
    }
}

/// A storage key whose seed its maker knows, below `parent`: not fixed to this TPM, so what it protects can come from anybody.
fn known_parent(tpm: &mut TestTpm, parent: ObjectHandle, seed: &[u8]) -> ObjectHandle {
    let mut public = template::ecc_storage();
    public.object_attributes -=
        TpmaObject::FIXED_TPM | TpmaObject::FIXED_PARENT | TpmaObject::SENSITIVE_DATA_ORIGIN;
    let key = EcPrivate::new(EccCurve::NistP256, &[5]).unwrap();
    public.unique = point_of(&key);
    let sensitive = sensitive_of(&key, seed);
    let duplicate = Tpm2bPrivate::new(&Tpm2bSensitive::from(sensitive).to_bytes()).unwrap();
    let imported = tpm
        .call(&Import {
            parent_handle: parent,
            encryption_key: Tpm2bSecretData::default(),
            object_public: Tpm2bPublic { public_area: public.clone() },
            duplicate,
            in_sym_seed: Tpm2bEncryptedSecret::default(),
            symmetric_alg: None,
        })
        .expect("a storage key is imported");
    let load = Load { parent_handle: parent, in_private: imported.out_private, in_public: public.into() };
    handle(tpm.call(&load).expect("and loaded").object_handle)
}

fn point_of(key: &EcPrivate) -> PublicId {
    let point = key.public().unwrap();
    PublicId::Ecc(TpmsEccPoint { x: point.x().try_into().unwrap(), y: point.y().try_into().unwrap() })
}

fn sensitive_of(key: &EcPrivate, seed: &[u8]) -> TpmtSensitive {
    TpmtSensitive {
        auth_value: Tpm2bAuth::default(),
        seed_value: Tpm2bSecretDigest::new(seed).unwrap(),
        sensitive: SensitiveComposite::Ecc(key.d().try_into().unwrap()),
    }
}

/// The private area that a parent with this seed takes for its own. Part 1, 19.
fn protected(seed: &[u8], public: &TpmtPublic, sensitive: TpmtSensitive) -> Tpm2bPrivate {
    let alg = HashAlg::Sha256;
    let name = [&alg.id().to_be_bytes()[..], &hash(alg, &[&public.to_bytes()])].concat();
    let mut encrypted = Tpm2bSensitive::from(sensitive).to_bytes();
    let key = kdfa(alg, seed, b"STORAGE", &name, &[], 128);
    cfb_encrypt(BlockCipher::Aes(AesKeyBits::Aes128), &key, &[9; 16], &mut encrypted).unwrap();
    let body = [&[0, 16][..], &[9; 16], &encrypted].concat();
    let integrity = hmac(alg, &kdfa(alg, seed, b"INTEGRITY", &[], &[], 256), &[&body, &name]);
    Tpm2bPrivate::new(&[&[0, 32][..], &integrity, &body].concat()).unwrap()
}

#[test]
fn who_knows_a_parents_seed_joins_no_sensitive_area_to_anothers_public_key() {
    let mut tpm = started();
    let seed = [3; 32];
    let root = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let parent_handle = known_parent(&mut tpm, root, &seed);
    let [theirs, own] = [11, 12].map(|d| EcPrivate::new(EccCurve::NistP256, &[d]).unwrap());
    let mut public = template::ecc_signing(EccCurve::NistP256, None, false);
    public.object_attributes = TpmaObject::USER_WITH_AUTH | TpmaObject::SIGN;
    public.unique = point_of(&theirs);
    let loading = |key: &EcPrivate| Load {
        parent_handle,
        in_private: protected(&seed, &public, sensitive_of(key, &[])),
        in_public: public.clone().into(),
    };
    assert_eq!(refused(&mut tpm, &loading(&own)), sigillo_types::Rc::from(rc::BINDING));
    let loaded = tpm.call(&loading(&theirs)).expect("the same with the key that belongs to it");
    flush(&mut tpm, handle(loaded.object_handle));
    // To say that this TPM made it does not help.
    let mut fixed = public.clone();
    fixed.object_attributes |= TpmaObject::FIXED_TPM | TpmaObject::FIXED_PARENT;
    let claimed = Load {
        parent_handle,
        in_private: protected(&seed, &fixed, sensitive_of(&own, &[])),
        in_public: fixed.into(),
    };
    assert_eq!(refused(&mut tpm, &claimed), rc::ATTRIBUTES.at(Load::IN_PUBLIC));
}
