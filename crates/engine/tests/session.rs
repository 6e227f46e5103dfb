//! Starting sessions and what they prove and protect. Part 3, 11 and Part 1, 16 to 18.

mod common;
mod support;

use common::{TestTpm, refused, started, started_with_everything};
use sigillo_client::{Auth, Session, SessionOptions, template};
use sigillo_types::{
    EccCurve, HashAlg, Marshal, Position, Rc,
    alg::{AesKeyBits, SymMode},
    attributes::{TpmaObject, TpmaSession},
    buffers::{
        Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bEncryptedSecret, Tpm2bMaxBuffer, Tpm2bNonce,
        Tpm2bSecretDigest, Tpm2bSensitiveData,
    },
    command::Command,
    commands::{
        ContextSave, FlushContext, GetRandom, Hash, HashSequenceStart, HierarchyChangeAuth, ObjectChangeAuth,
        PolicyAuthValue, PolicyGetDigest, PolicyRestart, ReadPublic, RsaEncrypt, SequenceComplete,
        SequenceUpdate, StartAuthSession, Unseal,
    },
    constants::SessionType,
    handles::{
        ContextHandle, EntityHandle, Hierarchy, HierarchyAuthHandle, ObjectHandle, PolicySessionHandle,
    },
    rc,
    structures::{PublicId, RsaDecryptScheme, SensitiveComposite, SymDef, TpmtSensitive},
};
use support::{create, handle, load, primary};

const STAY: TpmaSession = TpmaSession::CONTINUE_SESSION;

fn start(kind: SessionType) -> StartAuthSession {
    StartAuthSession {
        tpm_key: None,
        bind: None,
        nonce_caller: Tpm2bNonce::from([1; 16]),
        encrypted_salt: Tpm2bEncryptedSecret::default(),
        session_type: kind,
        symmetric: None,
        auth_hash: HashAlg::Sha256,
    }
}

fn hmac(tpm: &mut TestTpm, auth_hash: HashAlg, symmetric: Option<SymDef>) -> Session {
    tpm.start_session(SessionOptions { symmetric, ..SessionOptions::new(SessionType::Hmac, auth_hash) })
        .unwrap()
}

const fn aes(key_bits: AesKeyBits) -> Option<SymDef> {
    Some(SymDef::Aes { key_bits, mode: Some(SymMode::Cfb) })
}

fn owner_auth(new: &[u8]) -> HierarchyChangeAuth {
    HierarchyChangeAuth { auth_handle: HierarchyAuthHandle::Owner, new_auth: Tpm2bAuth::new(new).unwrap() }
}

#[track_caller]
fn code<T: std::fmt::Debug, E: std::fmt::Debug + std::fmt::Display>(
    result: Result<T, sigillo_client::Error<E>>,
) -> Rc {
    result.expect_err("the command must be refused").rc().expect("the TPM must answer")
}

fn flush_session(tpm: &mut TestTpm, handle: u32) {
    tpm.call(&FlushContext { flush_handle: ContextHandle::new(handle).unwrap() }).unwrap();
}

fn sealed(tpm: &mut TestTpm, auth: &[u8]) -> ObjectHandle {
    let parent = primary(tpm, Hierarchy::Owner, template::ecc_storage());
    let made = create(tpm, parent, template::sealed(Tpm2bDigest::default()), auth, b"secret");
    let item = load(tpm, parent, &made);
    support::flush(tpm, parent);
    item
}

#[test]
fn the_nonce_of_a_session_has_sixteen_octets_to_a_digest() {
    let mut tpm = started();
    for size in [0, 15, 33] {
        let nonce_caller = Tpm2bNonce::new(&vec![1; size]).unwrap();
        let at = StartAuthSession::NONCE_CALLER;
        assert_eq!(
            refused(&mut tpm, &StartAuthSession { nonce_caller, ..start(SessionType::Hmac) }),
            rc::SIZE.at(at)
        );
    }
    let nonce_caller = Tpm2bNonce::from([1; 20]);
    let answer = tpm.call(&StartAuthSession { nonce_caller, ..start(SessionType::Hmac) }).unwrap();
    assert_eq!(answer.nonce_tpm.len(), 20);
}

#[test]
fn the_handle_of_a_session_tells_its_type() {
    let mut tpm = started();
    assert_eq!(tpm.call(&start(SessionType::Hmac)).unwrap().session_handle, 0x0200_0000);
    assert_eq!(tpm.call(&start(SessionType::Policy)).unwrap().session_handle, 0x0300_0001);
    assert_eq!(tpm.call(&start(SessionType::Trial)).unwrap().session_handle, 0x0300_0002);
    assert_eq!(refused(&mut tpm, &start(SessionType::Hmac)), rc::SESSION_MEMORY);
}

#[test]
fn as_many_sessions_as_there_are_handles_can_be_active() {
    let mut tpm = started();
    for _ in 0..64 {
        let session = tpm.call(&start(SessionType::Hmac)).unwrap().session_handle;
        tpm.call(&ContextSave { save_handle: ContextHandle::new(session).unwrap() }).unwrap();
    }
    assert_eq!(refused(&mut tpm, &start(SessionType::Hmac)), rc::SESSION_HANDLES);
}

#[test]
fn a_salt_comes_with_a_key_that_can_decrypt_it() {
    let mut tpm = started();
    let salted = |tpm_key, salt: &[u8]| StartAuthSession {
        tpm_key,
        encrypted_salt: Tpm2bEncryptedSecret::new(salt).unwrap(),
        ..start(SessionType::Hmac)
    };
    let at_salt = rc::VALUE.at(StartAuthSession::ENCRYPTED_SALT);
    assert_eq!(refused(&mut tpm, &salted(None, &[1; 256])), at_salt);
    let signing = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    let at_key = StartAuthSession::TPM_KEY;
    assert_eq!(refused(&mut tpm, &salted(Some(signing), &[1; 68])), rc::ATTRIBUTES.at(at_key));
    let symmetric = primary(&mut tpm, Hierarchy::Owner, template::hmac_key(HashAlg::Sha256));
    assert_eq!(refused(&mut tpm, &salted(Some(symmetric), &[1; 68])), rc::KEY.at(at_key));
    support::flush(&mut tpm, signing);
    support::flush(&mut tpm, symmetric);
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    assert_eq!(refused(&mut tpm, &salted(Some(key), &[])), at_salt);
    assert_eq!(refused(&mut tpm, &salted(Some(key), &[1; 68])), at_salt);
    let public = tpm.call(&ReadPublic { object_handle: key }).unwrap().out_public.public_area;
    let external = tpm.call(&support::external(public, None, Hierarchy::Owner)).unwrap();
    let public_only = Some(handle(external.object_handle));
    assert_eq!(refused(&mut tpm, &salted(public_only, &[1; 68])), rc::HANDLE.at(at_key));
    let bound = StartAuthSession { bind: public_only.map(EntityHandle::Object), ..start(SessionType::Hmac) };
    assert_eq!(refused(&mut tpm, &bound), rc::HANDLE.at(StartAuthSession::BIND));
}

#[test]
fn an_object_without_a_name_can_be_bound_to() {
    let mut tpm = started();
    let mut public = template::sealed(Tpm2bDigest::default());
    (public.name_alg, public.object_attributes) = (None, TpmaObject::USER_WITH_AUTH);
    let private = TpmtSensitive {
        auth_value: Tpm2bAuth::new(b"pin").unwrap(),
        seed_value: Tpm2bSecretDigest::default(),
        sensitive: SensitiveComposite::Bits(Tpm2bSensitiveData::new(b"secret").unwrap()),
    };
    let loaded = tpm.call(&support::external(public, Some(private), Hierarchy::Null)).unwrap();
    assert!(loaded.name.is_empty());
    let item = handle(loaded.object_handle);
    let bind = Some((EntityHandle::Object(item), &b"pin"[..]));
    let options = SessionOptions { bind, ..SessionOptions::new(SessionType::Hmac, HashAlg::Sha256) };
    let mut session = tpm.start_session(options).unwrap();
    session.includes_auth = false;
    let mut auths = [Auth::session(&mut session, b"pin")];
    let unsealed = tpm.call_with(&Unseal { item_handle: item }, &mut auths).unwrap();
    assert_eq!(unsealed.out_data.as_slice(), b"secret");
}

#[test]
fn a_sequence_cannot_be_bound_to() {
    let mut tpm = started();
    let auth = Tpm2bAuth::new(b"known").unwrap();
    let sequence =
        tpm.call(&HashSequenceStart { auth, hash_alg: Some(HashAlg::Sha256) }).unwrap().sequence_handle;
    let bind = Some(EntityHandle::Object(handle(sequence)));
    let bound = StartAuthSession { bind, ..start(SessionType::Hmac) };
    assert_eq!(refused(&mut tpm, &bound), rc::HANDLE.at(StartAuthSession::BIND));
}

#[test]
fn a_block_cipher_encrypts_parameters_in_cfb_only() {
    let mut tpm = started();
    let symmetric = Some(SymDef::Aes { key_bits: AesKeyBits::Aes128, mode: Some(SymMode::Cbc) });
    let other = StartAuthSession { symmetric, ..start(SessionType::Hmac) };
    assert_eq!(refused(&mut tpm, &other), rc::MODE.at(StartAuthSession::SYMMETRIC));
}

#[test]
fn an_hmac_proves_the_auth_value_with_every_hash() {
    let mut tpm = started_with_everything();
    tpm.call(&owner_auth(b"owner")).unwrap();
    for alg in HashAlg::ALL {
        let mut session = hmac(&mut tpm, alg, None);
        // The client checks the HMAC of the response.
        tpm.call_with(&owner_auth(b"owner"), &mut [Auth::session(&mut session, b"owner")]).unwrap();
        tpm.call_with(&owner_auth(b"owner"), &mut [Auth::session(&mut session, b"owner\0")]).unwrap();
        let wrong = tpm.call_with(&owner_auth(b""), &mut [Auth::session(&mut session, b"guess")]);
        assert_eq!(code(wrong), rc::BAD_AUTH.at(Position::Session(1)));
        flush_session(&mut tpm, session.handle);
    }
}

#[test]
fn a_response_after_a_change_of_auth_is_proved_with_the_new_one() {
    let mut tpm = started();
    let mut session = hmac(&mut tpm, HashAlg::Sha256, None);
    let changed = tpm.call_with(&owner_auth(b"new"), &mut [Auth::session(&mut session, b"")]);
    assert!(
        matches!(changed, Err(sigillo_client::Error::ResponseHmac)),
        "the client checked with the old one"
    );
    tpm.call_with(&owner_auth(b"new"), &mut [Auth::session(&mut session, b"new")]).unwrap();
}

#[test]
fn a_command_cannot_be_replayed() {
    let mut tpm = started();
    tpm.call(&owner_auth(b"owner")).unwrap();
    let mut session = hmac(&mut tpm, HashAlg::Sha256, None);
    tpm.call_with(&owner_auth(b"owner"), &mut [Auth::session(&mut session, b"owner")]).unwrap();
    let command = tpm.transport().last_command.clone();
    let replayed = tpm.raw(&command).unwrap();
    assert_eq!(replayed[6..], rc::BAD_AUTH.at(Position::Session(1)).raw().to_be_bytes());
}

#[test]
fn a_session_that_is_not_continued_is_gone() {
    let mut tpm = started();
    let mut session = hmac(&mut tpm, HashAlg::Sha256, aes(AesKeyBits::Aes128));
    let once = TpmaSession::ENCRYPT;
    tpm.call_with(&GetRandom { bytes_requested: 8 }, &mut [Auth::session_with(&mut session, b"", once)])
        .unwrap();
    let again =
        tpm.call_with(&GetRandom { bytes_requested: 8 }, &mut [Auth::session_with(&mut session, b"", once)]);
    assert_eq!(code(again), rc::REFERENCE_S0);
}

#[test]
fn a_failed_command_keeps_its_session() {
    let mut tpm = started();
    tpm.call(&owner_auth(b"owner")).unwrap();
    let mut session = hmac(&mut tpm, HashAlg::Sha256, None);
    let once = TpmaSession::empty();
    let wrong = tpm.call_with(&owner_auth(b""), &mut [Auth::session_with(&mut session, b"guess", once)]);
    assert_eq!(code(wrong), rc::BAD_AUTH.at(Position::Session(1)));
    tpm.call_with(&owner_auth(b"owner"), &mut [Auth::session_with(&mut session, b"owner", STAY)]).unwrap();
}

#[test]
fn a_command_that_could_not_be_stored_leaves_its_session_as_it_was() {
    let mut tpm = started();
    tpm.call(&owner_auth(b"old")).unwrap();
    let mut session = hmac(&mut tpm, HashAlg::Sha256, None);
    tpm.transport().disk_full = true;
    let refused = tpm.call_with(&owner_auth(b"old"), &mut [Auth::session(&mut session, b"old")]);
    assert_eq!(code(refused), rc::NV_UNAVAILABLE);
    // The same once more, and nobody asks for the outcome; what comes next has no sessions.
    let local = tpm.transport();
    let command = local.last_command.clone();
    assert!(local.tpm.execute(0, &command, &mut local.host).permanent().is_some());
    let _ = local.tpm.hash_start(&mut local.host).stored();
    let _ = local.tpm.hash_end(&mut local.host).stored();
    local.disk_full = false;
    tpm.call_with(&owner_auth(b"old"), &mut [Auth::session(&mut session, b"old")]).unwrap();
}

#[test]
fn parameters_travel_encrypted_both_ways() {
    let mut tpm = started();
    let data = Tpm2bMaxBuffer::new(b"abc").unwrap();
    let command = Hash { data, hash_alg: HashAlg::Sha256, hierarchy: Hierarchy::Null };
    let plain = tpm.call(&command).unwrap().out_hash;
    for symmetric in [
        aes(AesKeyBits::Aes128),
        aes(AesKeyBits::Aes192),
        aes(AesKeyBits::Aes256),
        Some(SymDef::Xor(HashAlg::Sha1)),
        Some(SymDef::Xor(HashAlg::Sha256)),
    ] {
        let item = sealed(&mut tpm, b"pin");
        let bind = Some((EntityHandle::Object(item), &b"pin"[..]));
        let options =
            SessionOptions { symmetric, bind, ..SessionOptions::new(SessionType::Hmac, HashAlg::Sha256) };
        let mut session = tpm.start_session(options).unwrap();
        let both = STAY | TpmaSession::DECRYPT | TpmaSession::ENCRYPT;
        let hashed = tpm.call_with(&command, &mut [Auth::session_with(&mut session, b"", both)]).unwrap();
        assert_eq!(hashed.out_hash, plain, "{symmetric:?}");
        let sent = &tpm.transport().last_command;
        assert!(!sent.windows(3).any(|octets| octets == b"abc"), "the parameter was hidden");
        // The bound entity is authorized by the session key alone, and the authValue takes part in the encryption.
        session.includes_auth = false;
        let encrypt = STAY | TpmaSession::ENCRYPT;
        let mut auths = [Auth::session_with(&mut session, b"pin", encrypt)];
        assert_eq!(
            tpm.call_with(&Unseal { item_handle: item }, &mut auths).unwrap().out_data.as_slice(),
            b"secret"
        );
        flush_session(&mut tpm, session.handle);
        support::flush(&mut tpm, item);
    }
}

#[test]
fn a_session_behind_the_first_cannot_be_taken_away() {
    let mut tpm = started();
    tpm.call(&owner_auth(b"owner")).unwrap();
    let mut authorizing = hmac(&mut tpm, HashAlg::Sha256, None);
    let bind = Some((EntityHandle::Owner, &b"owner"[..]));
    let options = SessionOptions {
        bind,
        symmetric: aes(AesKeyBits::Aes128),
        ..SessionOptions::new(SessionType::Hmac, HashAlg::Sha384)
    };
    let mut encrypting = tpm.start_session(options).unwrap();
    let both = |tpm: &mut TestTpm, authorizing: &mut Session, encrypting: &mut Session| {
        let decrypt = STAY | TpmaSession::DECRYPT;
        let mut auths = [Auth::session(authorizing, b"owner"), Auth::session_with(encrypting, b"", decrypt)];
        tpm.call_with(&owner_auth(b"owner"), &mut auths)
    };
    both(&mut tpm, &mut authorizing, &mut encrypting).unwrap();

    // The same command with the second session cut off: its nonceTPM is missing from the first session's HMAC.
    tpm.transport().discard = true;
    assert!(both(&mut tpm, &mut authorizing, &mut encrypting).is_err());
    tpm.transport().discard = false;
    let mut command = tpm.transport().last_command.clone();
    let (area_at, first) = (14, 4 + 2 + 32 + 1 + 2 + 32);
    let area_size = u32::from_be_bytes(command[area_at..area_at + 4].try_into().unwrap()) as usize;
    command.drain(area_at + 4 + first..area_at + 4 + area_size);
    command[area_at..area_at + 4].copy_from_slice(&u32::try_from(first).unwrap().to_be_bytes());
    let size = u32::try_from(command.len()).unwrap();
    command[2..6].copy_from_slice(&size.to_be_bytes());
    let reply = tpm.raw(&command).unwrap();
    assert_eq!(reply[6..], rc::BAD_AUTH.at(Position::Session(1)).raw().to_be_bytes());
}

#[test]
fn a_bound_session_stops_being_bound_when_the_auth_value_changes() {
    let mut tpm = started();
    tpm.call(&owner_auth(b"old")).unwrap();
    let bind = Some((EntityHandle::Owner, &b"old"[..]));
    let options = SessionOptions { bind, ..SessionOptions::new(SessionType::Hmac, HashAlg::Sha256) };
    let mut session = tpm.start_session(options).unwrap();
    session.includes_auth = false;
    tpm.call_with(&owner_auth(b"old"), &mut [Auth::session(&mut session, b"old")]).unwrap();
    let password = &mut [Auth::password(b"old")];
    tpm.call_with(&owner_auth(b"new"), password).unwrap();
    let stale = tpm.call_with(&owner_auth(b""), &mut [Auth::session(&mut session, b"old")]);
    assert_eq!(code(stale), rc::BAD_AUTH.at(Position::Session(1)));
    session.includes_auth = true;
    tpm.call_with(&owner_auth(b"new"), &mut [Auth::session(&mut session, b"new")]).unwrap();
}

/// RSAES-OAEP to the key, with the label of a salt.
fn rsa_salt(tpm: &mut TestTpm, key_handle: ObjectHandle, salt: &[u8]) -> Tpm2bEncryptedSecret {
    let encrypt = RsaEncrypt {
        key_handle,
        message: salt.try_into().unwrap(),
        in_scheme: Some(RsaDecryptScheme::Oaep { hash_alg: HashAlg::Sha256 }),
        label: Tpm2bData::new(b"SECRET\0").unwrap(),
    };
    Tpm2bEncryptedSecret::new(&tpm.call(&encrypt).unwrap().out_data).unwrap()
}

/// An encrypted answer in a session with this salt, or its refusal.
fn random_in_a_salted_session(
    tpm: &mut TestTpm,
    key: ObjectHandle,
    salt: &[u8],
    encrypted: Tpm2bEncryptedSecret,
) -> Result<(), Rc> {
    let options = SessionOptions {
        symmetric: aes(AesKeyBits::Aes128),
        salt: Some((key, salt, encrypted)),
        ..SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)
    };
    let mut session = tpm.start_session(options).unwrap();
    let mut auths = [Auth::session_with(&mut session, b"", TpmaSession::ENCRYPT)];
    let answer = tpm.call_with(&GetRandom { bytes_requested: 8 }, &mut auths);
    answer.map(drop).map_err(|error| error.rc().expect("the TPM must answer"))
}

#[test]
fn a_salted_session_proves_that_its_salt_was_decrypted() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Owner, template::rsa_storage());
    let encrypted = rsa_salt(&mut tpm, key, &[7; 32]);
    for kind in [SessionType::Hmac, SessionType::Policy] {
        for bind in [None, Some((EntityHandle::Owner, &b""[..]))] {
            let salt = Some((key, &[7; 32][..], encrypted.clone()));
            let options = SessionOptions {
                symmetric: aes(AesKeyBits::Aes128),
                salt,
                bind,
                ..SessionOptions::new(kind, HashAlg::Sha256)
            };
            let mut session = tpm.start_session(options).unwrap();
            let encrypt = STAY | TpmaSession::ENCRYPT;
            let mut auths = [Auth::session_with(&mut session, b"", encrypt)];
            tpm.call_with(&GetRandom { bytes_requested: 8 }, &mut auths).unwrap();
            flush_session(&mut tpm, session.handle);
        }
    }
    let wrong = random_in_a_salted_session(&mut tpm, key, &[8; 32], encrypted);
    assert_eq!(wrong, Err(rc::BAD_AUTH.at(Position::Session(1))));
}

#[test]
fn an_ecc_salt_is_agreed_on_as_kdfe_says() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let public = tpm.call(&ReadPublic { object_handle: key }).unwrap().out_public.public_area;
    let PublicId::Ecc(theirs) = &public.unique else { panic!("an ECC key") };
    let ephemeral = sigillo_types::commands::EcdhKeyGen { key_handle: key };
    let agreed = tpm.call(&ephemeral).unwrap();
    let (z, ours) = (&agreed.z_point.point.x, &agreed.pub_point.point);
    // KDFe(nameAlg, Z, "SECRET", ephemeral x, static x, bits). Part 1, C.6.3.
    let salt = kdfe(z, &ours.x, &theirs.x);
    let encrypted = Tpm2bEncryptedSecret::new(&ours.to_bytes()).unwrap();
    random_in_a_salted_session(&mut tpm, key, &salt, encrypted).unwrap();
}

#[test]
fn a_salt_for_an_ecc_key_is_made_without_asking_the_tpm() {
    let mut tpm = started();
    for template in [template::ecc_storage(), template::ecc_decryption(EccCurve::NistP384)] {
        let key = primary(&mut tpm, Hierarchy::Owner, template);
        let public = tpm.call(&ReadPublic { object_handle: key }).unwrap().out_public.public_area;
        let (salt, encrypted) = sigillo_client::session::ecc_salt(tpm.transport(), &public).unwrap();
        random_in_a_salted_session(&mut tpm, key, &salt, encrypted).unwrap();
        support::flush(&mut tpm, key);
    }
}

/// One block of KDFe with SHA-256, put together by hand.
fn kdfe(z: &[u8], party_u: &[u8], party_v: &[u8]) -> Vec<u8> {
    let pad = |octets: &[u8]| [&vec![0; 32 - octets.len()], octets].concat();
    let parts: [&[u8]; 5] = [&1_u32.to_be_bytes(), &pad(z), b"SECRET\0", &pad(party_u), &pad(party_v)];
    sigillo_crypto::hash::hash(HashAlg::Sha256, &parts).to_vec()
}

#[test]
fn the_response_of_an_object_uses_its_auth_value_as_it_was() {
    let mut tpm = started();
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let made = create(&mut tpm, parent, template::sealed(Tpm2bDigest::default()), b"old", b"secret");
    let item = load(&mut tpm, parent, &made);
    let mut session = hmac(&mut tpm, HashAlg::Sha256, None);
    let change = ObjectChangeAuth {
        object_handle: item,
        parent_handle: parent,
        new_auth: Tpm2bAuth::new(b"new").unwrap(),
    };
    tpm.call_with(&change, &mut [Auth::session(&mut session, b"old")]).unwrap();
    // A sequence is gone when the response is made.
    let auth = Tpm2bAuth::new(b"sequence").unwrap();
    let sequence =
        tpm.call(&HashSequenceStart { auth, hash_alg: Some(HashAlg::Sha256) }).unwrap().sequence_handle;
    let sequence_handle = handle(sequence);
    let update = SequenceUpdate { sequence_handle, buffer: Tpm2bMaxBuffer::new(b"a").unwrap() };
    tpm.call_with(&update, &mut [Auth::session(&mut session, b"sequence")]).unwrap();
    let complete = SequenceComplete {
        sequence_handle,
        buffer: Tpm2bMaxBuffer::new(b"bc").unwrap(),
        hierarchy: Hierarchy::Null,
    };
    tpm.call_with(&complete, &mut [Auth::session(&mut session, b"sequence")]).unwrap();
}

/// Built here octet by octet, so that the client cannot be wrong in the same way.
#[test]
fn xor_obfuscation_takes_the_hash_of_the_session() {
    let mut tpm = started();
    let command =
        StartAuthSession { symmetric: Some(SymDef::Xor(HashAlg::Sha256)), ..start(SessionType::Hmac) };
    let answer = tpm.call(&StartAuthSession { auth_hash: HashAlg::Sha384, ..command }).unwrap();
    let nonce_caller = [7; 16];
    // KDFa(SHA-384, empty key, "XOR", nonceCaller, nonceTPM, 24 bits): three octets of one HMAC.
    let parts: [&[u8]; 5] =
        [&1_u32.to_be_bytes(), b"XOR\0", &nonce_caller, &answer.nonce_tpm, &24_u32.to_be_bytes()];
    let mask = sigillo_crypto::hmac::hmac(HashAlg::Sha384, b"", &parts);
    let hidden: Vec<u8> = b"abc".iter().zip(mask.iter()).map(|(octet, mask)| octet ^ mask).collect();
    let attributes = (STAY | TpmaSession::DECRYPT).bits();
    let session = [&answer.session_handle.to_be_bytes()[..], &[0, 16], &nonce_caller, &[attributes, 0, 0]];
    let session = session.concat();
    let size = u32::try_from(session.len()).unwrap().to_be_bytes();
    let rest = [&HashAlg::Sha256.to_bytes()[..], &Hierarchy::Null.to_bytes()].concat();
    let body = [&size[..], &session, &[0, 3], &hidden, &rest].concat();
    let whole = u32::try_from(10 + body.len()).unwrap().to_be_bytes();
    let reply = tpm.raw(&[&[0x80, 2], &whole[..], &Hash::SPEC.code.to_be_bytes(), &body].concat()).unwrap();
    let digest = sigillo_crypto::hash::hash(HashAlg::Sha256, &[b"abc"]);
    assert_eq!(reply.get(16..48), Some(&*digest), "{reply:02x?}");
}

#[test]
fn a_restarted_policy_keeps_its_nonce() {
    let mut tpm = started();
    let answer = tpm.call(&start(SessionType::Policy)).unwrap();
    let policy_session = PolicySessionHandle::new(answer.session_handle).unwrap();
    tpm.call(&PolicyAuthValue { policy_session }).unwrap();
    assert_ne!(tpm.call(&PolicyGetDigest { policy_session }).unwrap().policy_digest.as_slice(), [0; 32]);
    tpm.call(&PolicyRestart { session_handle: policy_session }).unwrap();
    assert_eq!(tpm.call(&PolicyGetDigest { policy_session }).unwrap().policy_digest.as_slice(), [0; 32]);
}
