//! Ciphers and MACs of symmetric keys. Part 3, 15.2, 15.3, 15.6 and 17.3.

mod common;
mod support;

use common::{TestTpm, migrate, refused, started, started_with_everything};
use sigillo_client::{Auth, SessionOptions, template};
use sigillo_crypto::{cmac::Cmac, hash::hash, hmac::hmac, sym::Cipher};
use sigillo_types::{
    HashAlg, Marshal, Rc,
    alg::{
        AesKeyBits, BlockCipher, CamelliaKeyBits, CipherMode, MacScheme, Sm4KeyBits, SymMode, TdesKeyBits,
    },
    attributes::{TpmaObject, TpmaSession},
    buffers::{
        Tpm2bAuth, Tpm2bDigest, Tpm2bEncryptedSecret, Tpm2bIv, Tpm2bMaxBuffer, Tpm2bSecretBuffer,
        Tpm2bSecretData, Tpm2bSecretDigest, Tpm2bSymKey,
    },
    commands::{
        ContextLoad, ContextSave, CreatePrimary, EncryptDecrypt, EncryptDecrypt2, EventSequenceComplete,
        HashSequenceStart, Import, Load, LoadExternal, Mac, MacStart, SequenceComplete, SequenceUpdate,
    },
    constants::SessionType,
    handles::{ContextHandle, Hierarchy, ObjectHandle},
    rc,
    structures::{
        EccScheme, KeyedHashScheme, PublicId, PublicParms, SensitiveComposite, SymDef, SymDefObject,
        Tpm2bSensitive, TpmsSymcipherParms, TpmtPublic, TpmtSensitive, TpmtTkHashcheck,
    },
};
use support::{create, create_primary, external, flush, handle, load, primary, sensitive};

const BOTH: TpmaObject = TpmaObject::SIGN.union(TpmaObject::DECRYPT);

fn def(cipher: BlockCipher, mode: Option<SymMode>) -> SymDefObject {
    match cipher {
        BlockCipher::Tdes(key_bits) => SymDefObject::Tdes { key_bits, mode },
        BlockCipher::Aes(key_bits) => SymDefObject::Aes { key_bits, mode },
        BlockCipher::Sm4(key_bits) => SymDefObject::Sm4 { key_bits, mode },
        BlockCipher::Camellia(key_bits) => SymDefObject::Camellia { key_bits, mode },
    }
}

const AES: BlockCipher = BlockCipher::Aes(AesKeyBits::Aes128);

fn public(cipher: BlockCipher, mode: Option<SymMode>, attributes: TpmaObject) -> TpmtPublic {
    TpmtPublic {
        name_alg: Some(HashAlg::Sha256),
        object_attributes: TpmaObject::USER_WITH_AUTH | attributes,
        auth_policy: Tpm2bDigest::default(),
        parameters: PublicParms::SymCipher(TpmsSymcipherParms { sym: def(cipher, mode) }),
        unique: PublicId::SymCipher(Tpm2bDigest::default()),
    }
}

/// A primary key with octets that the test knows.
fn creation(
    cipher: BlockCipher,
    mode: Option<SymMode>,
    attributes: TpmaObject,
    octets: &[u8],
) -> CreatePrimary {
    let mut command = create_primary(Hierarchy::Owner, public(cipher, mode, attributes));
    command.in_sensitive = sensitive(b"", octets);
    command
}

/// Octets of a key for any cipher: the first ones of a strong TDES key too.
fn octets(cipher: BlockCipher) -> Vec<u8> {
    (1..).map(|n: u8| n.wrapping_mul(37)).take(cipher.key_size()).collect()
}

fn key(
    tpm: &mut TestTpm,
    cipher: BlockCipher,
    mode: Option<SymMode>,
    attributes: TpmaObject,
) -> ObjectHandle {
    let command = creation(cipher, mode, attributes, &octets(cipher));
    handle(tpm.call(&command).expect("made").object_handle)
}

fn buffer(data: &[u8]) -> Tpm2bMaxBuffer {
    Tpm2bMaxBuffer::new(data).expect("a piece of a message")
}

fn command(
    key_handle: ObjectHandle,
    decrypt: bool,
    mode: Option<CipherMode>,
    iv: &[u8],
    data: &[u8],
) -> EncryptDecrypt2 {
    let iv_in = Tpm2bIv::new(iv).expect("a block");
    let in_data = Tpm2bSecretBuffer::new(data).expect("a piece of a message");
    EncryptDecrypt2 { key_handle, in_data, decrypt, mode, iv_in }
}

#[test]
fn every_cipher_encrypts_in_every_mode_and_decrypts_again() {
    let mut tpm = started_with_everything();
    for cipher in BlockCipher::ALL {
        let handle = key(&mut tpm, cipher, None, BOTH);
        let own = Cipher::new(cipher, &octets(cipher)).unwrap();
        for mode in CipherMode::ALL {
            let iv = vec![5; if mode == CipherMode::Ecb { 0 } else { cipher.block_size() }];
            let plain = vec![9; 5 * cipher.block_size() + if mode.takes_whole_blocks() { 0 } else { 3 }];
            let (mut next, mut expected) = (iv.clone(), plain.clone());
            own.encrypt(mode, &mut next, &mut expected).unwrap();
            let done = tpm.call(&command(handle, false, Some(mode), &iv, &plain)).expect("encrypted");
            assert_eq!(
                (done.out_data.to_vec(), done.iv_out.to_vec()),
                (expected, next),
                "{cipher:?} {mode:?}"
            );
            let first = EncryptDecrypt {
                key_handle: handle,
                decrypt: true,
                mode: Some(mode),
                iv_in: Tpm2bIv::new(&iv).unwrap(),
                in_data: done.out_data,
            };
            let back = tpm.call(&first).expect("decrypted");
            assert_eq!((back.out_data.to_vec(), back.iv_out), (plain, done.iv_out), "{cipher:?} {mode:?}");
        }
        flush(&mut tpm, handle);
    }
}

#[test]
fn the_mode_comes_from_the_key_or_the_command() {
    let mut tpm = started();
    let mode = rc::MODE.at(EncryptDecrypt2::MODE);
    let open = key(&mut tpm, AES, None, BOTH);
    assert_eq!(refused(&mut tpm, &command(open, false, None, &[0; 16], b"")), mode);
    let fixed = key(&mut tpm, AES, Some(SymMode::Cbc), BOTH);
    assert_eq!(refused(&mut tpm, &command(fixed, false, Some(CipherMode::Ctr), &[0; 16], b"")), mode);
    for named in [None, Some(CipherMode::Cbc)] {
        tpm.call(&command(fixed, false, named, &[0; 16], &[0; 16])).expect("the key's own mode");
    }
    let mac = key(&mut tpm, AES, Some(SymMode::Cmac), TpmaObject::SIGN);
    let code = refused(&mut tpm, &command(mac, false, Some(CipherMode::Ctr), &[0; 16], b""));
    assert_eq!(code, rc::MODE.at(EncryptDecrypt2::KEY_HANDLE));
}

#[test]
fn sign_encrypts_and_decrypt_decrypts_and_neither_with_a_restricted_key() {
    let mut tpm = started();
    let attributes = rc::ATTRIBUTES.at(EncryptDecrypt2::KEY_HANDLE);
    let ctr = Some(CipherMode::Ctr);
    for (own, decrypt) in [(TpmaObject::SIGN, true), (TpmaObject::DECRYPT, false)] {
        let handle = key(&mut tpm, AES, None, own);
        assert_eq!(refused(&mut tpm, &command(handle, decrypt, ctr, &[0; 16], b"x")), attributes);
        tpm.call(&command(handle, !decrypt, ctr, &[0; 16], b"x")).expect("the other way");
        flush(&mut tpm, handle);
    }
    let storage = TpmaObject::RESTRICTED | TpmaObject::DECRYPT | TpmaObject::SENSITIVE_DATA_ORIGIN;
    let parent = primary(&mut tpm, Hierarchy::Owner, public(AES, Some(SymMode::Cfb), storage));
    assert_eq!(refused(&mut tpm, &command(parent, true, None, &[0; 16], b"x")), attributes);
}

#[test]
fn only_symmetric_keys_encrypt() {
    let mut tpm = started();
    let no_key = rc::KEY.at(EncryptDecrypt2::KEY_HANDLE);
    let ctr = Some(CipherMode::Ctr);
    let hmac_key = primary(&mut tpm, Hierarchy::Owner, template::hmac_key(HashAlg::Sha256));
    assert_eq!(refused(&mut tpm, &command(hmac_key, false, ctr, &[0; 16], b"x")), no_key);
    let start = HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg: Some(HashAlg::Sha256) };
    let sequence = handle(tpm.call(&start).expect("it starts").sequence_handle);
    assert_eq!(refused(&mut tpm, &command(sequence, false, ctr, &[0; 16], b"x")), no_key);
}

#[test]
fn sizes_are_those_of_the_mode() {
    let mut tpm = started();
    let handle = key(&mut tpm, AES, None, BOTH);
    let (iv, data) = (rc::SIZE.at(EncryptDecrypt2::IV_IN), rc::SIZE.at(EncryptDecrypt2::IN_DATA));
    for decrypt in [false, true] {
        let mut code =
            |mode, iv: &[u8], data: &[u8]| refused(&mut tpm, &command(handle, decrypt, Some(mode), iv, data));
        for mode in CipherMode::ALL {
            let wrong: &[u8] = if mode == CipherMode::Ecb { &[0; 16] } else { &[0; 15] };
            assert_eq!(code(mode, wrong, &[0; 16]), iv, "{mode:?}");
        }
        assert_eq!(code(CipherMode::Cbc, &[0; 16], &[0; 17]), data);
        assert_eq!(code(CipherMode::Ecb, &[], &[0; 15]), data);
        let nothing =
            tpm.call(&command(handle, decrypt, Some(CipherMode::Cfb), &[3; 16], b"")).expect("nothing to do");
        assert_eq!((nothing.out_data.len(), nothing.iv_out.to_vec()), (0, vec![3; 16]));
    }
}

#[test]
fn tdes_keys_have_odd_parity_and_none_is_weak() {
    let mut tpm = started_with_everything();
    let tdes = BlockCipher::Tdes(TdesKeyBits::Tdes128);
    let given = |data: &[u8]| creation(tdes, None, BOTH, data);
    let weak = [[1; 8], [0x23; 8]].concat();
    assert_eq!(refused(&mut tpm, &given(&weak)), rc::KEY.at(CreatePrimary::IN_SENSITIVE));
    assert_eq!(refused(&mut tpm, &given(&[0x23; 16])), rc::KEY.at(CreatePrimary::IN_SENSITIVE));
    assert_eq!(refused(&mut tpm, &given(&[0x23; 17])), rc::SIZE.at(CreatePrimary::IN_SENSITIVE));
    let made = public(tdes, None, BOTH | TpmaObject::SENSITIVE_DATA_ORIGIN);
    primary(&mut tpm, Hierarchy::Owner, made);
}

/// Such a key comes in through a duplicate or as an external object; the parity bits of its octets do not count. Part 1, 8.4.10.4.
#[test]
fn a_weak_tdes_key_is_not_loaded_from_elsewhere() {
    let mut tpm = started_with_everything();
    let root = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let weak = [
        [0x01_u8; 8],
        [0xFE; 8],
        [0xE0, 0xE0, 0xE0, 0xE0, 0xF1, 0xF1, 0xF1, 0xF1],
        [0x1F, 0x1F, 0x1F, 0x1F, 0x0E, 0x0E, 0x0E, 0x0E],
        [0x01, 0xFE, 0x01, 0xFE, 0x01, 0xFE, 0x01, 0xFE],
    ];
    let strong = [[0x23_u8; 8], [0x45; 8], [0x67; 8]];
    for key_bits in [TdesKeyBits::Tdes128, TdesKeyBits::Tdes192] {
        let cipher = BlockCipher::Tdes(key_bits);
        let keys = strong.get(..cipher.key_size() / 8).unwrap().concat();
        let bad = weak.iter().flat_map(|des| [*des, des.map(|octet| octet ^ 1)]).map(|des| {
            let mut key = keys.clone();
            key[8..16].copy_from_slice(&des);
            (key, false)
        });
        // The first two are one and undo each other.
        let twice = [[0x23_u8; 8], [0x22; 8], [0x67; 8]].concat();
        let twice = (twice[..cipher.key_size()].to_vec(), false);
        for (key, holds) in bad.chain([twice, (keys.clone(), true)]) {
            let seed = [9; 32];
            let mut public = public(cipher, None, BOTH);
            public.unique =
                PublicId::SymCipher(Tpm2bDigest::new(&hash(HashAlg::Sha256, &[&seed, &key])).unwrap());
            let sensitive = TpmtSensitive {
                auth_value: Tpm2bAuth::default(),
                seed_value: Tpm2bSecretDigest::from(seed),
                sensitive: SensitiveComposite::Sym(Tpm2bSymKey::new(&key).unwrap()),
            };
            let import = Import {
                parent_handle: root,
                encryption_key: Tpm2bSecretData::default(),
                object_public: public.clone().into(),
                duplicate: Tpm2bSensitive::from(sensitive.clone()).to_bytes().try_into().unwrap(),
                in_sym_seed: Tpm2bEncryptedSecret::default(),
                symmetric_alg: None,
            };
            let external = external(public.clone(), Some(sensitive), Hierarchy::Null);
            if holds {
                let loaded = tpm.call(&external).unwrap().object_handle;
                flush(&mut tpm, handle(loaded));
                let in_private = tpm.call(&import).unwrap().out_private;
                let load = Load { parent_handle: root, in_private, in_public: public.into() };
                let loaded = tpm.call(&load).unwrap().object_handle;
                flush(&mut tpm, handle(loaded));
            } else {
                assert_eq!(refused(&mut tpm, &import), rc::KEY.at(Import::DUPLICATE), "{key:02x?}");
                assert_eq!(refused(&mut tpm, &external), rc::KEY.at(LoadExternal::IN_PRIVATE), "{key:02x?}");
            }
        }
    }
}

#[test]
fn any_cipher_protects_children_and_parameters() {
    let mut tpm = started_with_everything();
    for cipher in BlockCipher::ALL {
        let storage = TpmaObject::RESTRICTED | TpmaObject::DECRYPT | TpmaObject::SENSITIVE_DATA_ORIGIN;
        let root = primary(&mut tpm, Hierarchy::Owner, public(cipher, Some(SymMode::Cfb), storage));
        let made = create(&mut tpm, root, public(AES, None, BOTH), b"", &octets(AES));
        let loaded = load(&mut tpm, root, &made);
        flush(&mut tpm, root);
        let symmetric = Some(match cipher {
            BlockCipher::Tdes(key_bits) => SymDef::Tdes { key_bits, mode: Some(SymMode::Cfb) },
            BlockCipher::Aes(key_bits) => SymDef::Aes { key_bits, mode: Some(SymMode::Cfb) },
            BlockCipher::Sm4(key_bits) => SymDef::Sm4 { key_bits, mode: Some(SymMode::Cfb) },
            BlockCipher::Camellia(key_bits) => SymDef::Camellia { key_bits, mode: Some(SymMode::Cfb) },
        });
        let options = SessionOptions { symmetric, ..SessionOptions::new(SessionType::Hmac, HashAlg::Sha256) };
        let mut session = tpm.start_session(options).expect("it starts");
        let attributes = TpmaSession::DECRYPT | TpmaSession::ENCRYPT;
        let asked = command(loaded, false, Some(CipherMode::Ctr), &[0; 16], b"a parameter that nobody sees");
        let auth = Auth::Session { session: &mut session, auth: b"", attributes };
        let answer = tpm.call_with(&asked, &mut [auth]).expect("encrypted in transit");
        let mut expected = b"a parameter that nobody sees".to_vec();
        Cipher::new(AES, &octets(AES))
            .unwrap()
            .encrypt(CipherMode::Ctr, &mut [0; 16], &mut expected)
            .unwrap();
        assert_eq!(answer.out_data.to_vec(), expected, "{cipher:?}");
        flush(&mut tpm, loaded);
    }
}

#[test]
fn a_key_that_decrypts_cannot_be_for_cmac() {
    let mut tpm = started();
    for attributes in [TpmaObject::DECRYPT, BOTH] {
        let command = creation(AES, Some(SymMode::Cmac), attributes, &octets(AES));
        assert_eq!(refused(&mut tpm, &command), rc::SCHEME.at(CreatePrimary::IN_PUBLIC));
    }
    key(&mut tpm, AES, Some(SymMode::Cmac), TpmaObject::SIGN);
}

fn cmac(cipher: BlockCipher, message: &[u8]) -> Vec<u8> {
    let mut mac = Cmac::new(cipher, &octets(cipher)).unwrap();
    mac.update(message).unwrap();
    mac.finish().unwrap().to_vec()
}

#[test]
fn a_cmac_is_the_same_in_one_piece_and_in_many_that_travel() {
    let mut tpm = started_with_everything();
    let message: Vec<u8> = (0..150u8).collect();
    for cipher in BlockCipher::ALL {
        let key = key(&mut tpm, cipher, Some(SymMode::Cmac), TpmaObject::SIGN);
        for in_scheme in [None, Some(MacScheme::Cmac)] {
            let whole =
                tpm.call(&Mac { handle: key, buffer: buffer(&message), in_scheme }).expect("computed");
            assert_eq!(whole.out_mac.to_vec(), cmac(cipher, &message), "{cipher:?}");
        }
        let start = MacStart { handle: key, auth: Tpm2bAuth::default(), in_scheme: None };
        let mut sequence = handle(tpm.call(&start).expect("it starts").sequence_handle);
        flush(&mut tpm, key);
        for piece in message[..120].chunks(17) {
            tpm.call(&SequenceUpdate { sequence_handle: sequence, buffer: buffer(piece) })
                .expect("it goes on");
            migrate(&mut tpm, 0);
            let save_handle = ContextHandle::new(sequence.raw()).unwrap();
            let context = tpm.call(&ContextSave { save_handle }).expect("saved").context;
            flush(&mut tpm, sequence);
            sequence = handle(tpm.call(&ContextLoad { context }).expect("loaded").loaded_handle);
        }
        let event =
            EventSequenceComplete { pcr_handle: None, sequence_handle: sequence, buffer: buffer(b"") };
        assert_eq!(refused(&mut tpm, &event), rc::MODE.at(EventSequenceComplete::SEQUENCE_HANDLE));
        let last = SequenceComplete {
            sequence_handle: sequence,
            buffer: buffer(&message[120..]),
            hierarchy: Hierarchy::Owner,
        };
        let done = tpm.call(&last).expect("it ends");
        assert_eq!(done.result.to_vec(), cmac(cipher, &message), "{cipher:?}");
        assert_eq!(done.validation, TpmtTkHashcheck::null());
    }
}

#[test]
fn the_type_of_the_key_decides_which_mac_it_is() {
    let mut tpm = started();
    let mac = |handle, in_scheme| Mac { handle, buffer: buffer(b"message"), in_scheme };
    let value = rc::VALUE.at(Mac::IN_SCHEME);
    let open = key(&mut tpm, AES, None, TpmaObject::SIGN);
    assert_eq!(refused(&mut tpm, &mac(open, None)), value);
    assert_eq!(refused(&mut tpm, &mac(open, Some(MacScheme::Hmac(HashAlg::Sha256)))), value);
    let named = tpm.call(&mac(open, Some(MacScheme::Cmac))).expect("named by the command");
    assert_eq!(named.out_mac.to_vec(), cmac(AES, b"message"));
    let start = MacStart { handle: open, auth: Tpm2bAuth::default(), in_scheme: None };
    assert_eq!(refused(&mut tpm, &start), rc::VALUE.at(MacStart::IN_SCHEME));
    let encrypting = key(&mut tpm, AES, Some(SymMode::Ctr), TpmaObject::SIGN);
    assert_eq!(refused(&mut tpm, &mac(encrypting, Some(MacScheme::Cmac))), value);
    assert_eq!(refused(&mut tpm, &mac(encrypting, None)), rc::SCHEME.at(Mac::IN_SCHEME));
    flush(&mut tpm, encrypting);
    let mut public = template::hmac_key(HashAlg::Sha256);
    public.object_attributes.remove(TpmaObject::SENSITIVE_DATA_ORIGIN);
    if let PublicParms::KeyedHash(parms) = &mut public.parameters {
        parms.scheme = Some(KeyedHashScheme::Hmac { hash_alg: HashAlg::Sha256 });
    }
    let mut made = create_primary(Hierarchy::Owner, public);
    made.in_sensitive = sensitive(b"", b"key");
    let hmac_key = handle(tpm.call(&made).expect("made").object_handle);
    assert_eq!(refused(&mut tpm, &mac(hmac_key, Some(MacScheme::Cmac))), value);
    let by_hash = tpm.call(&mac(hmac_key, None)).expect("computed");
    assert_eq!(by_hash.out_mac.to_vec(), hmac(HashAlg::Sha256, b"key", &[b"message"]).to_vec());
}

#[test]
fn only_unrestricted_symmetric_signing_keys_compute_macs() {
    let mut tpm = started();
    let code = |tpm: &mut TestTpm, handle| -> Rc {
        refused(tpm, &Mac { handle, buffer: buffer(b"x"), in_scheme: Some(MacScheme::Cmac) })
    };
    let decrypting = key(&mut tpm, AES, None, TpmaObject::DECRYPT);
    assert_eq!(code(&mut tpm, decrypting), rc::KEY.at(Mac::HANDLE));
    let without = Mac { handle: decrypting, buffer: buffer(b"x"), in_scheme: None };
    assert_eq!(refused(&mut tpm, &without), rc::VALUE.at(Mac::IN_SCHEME), "the scheme comes before sign");
    let attributes = TpmaObject::RESTRICTED | TpmaObject::SIGN | TpmaObject::SENSITIVE_DATA_ORIGIN;
    let restricted = primary(&mut tpm, Hierarchy::Owner, public(AES, Some(SymMode::Cmac), attributes));
    for in_scheme in [Some(MacScheme::Cmac), Some(MacScheme::Hmac(HashAlg::Sha256)), None] {
        let command = Mac { handle: restricted, buffer: buffer(b"x"), in_scheme };
        assert_eq!(refused(&mut tpm, &command), rc::ATTRIBUTES.at(Mac::HANDLE), "whatever the scheme");
    }
    flush(&mut tpm, restricted);
    let scheme = Some(EccScheme::Ecdsa { hash_alg: HashAlg::Sha256 });
    let ecc = template::ecc_signing(sigillo_types::EccCurve::NistP256, scheme, false);
    let ecc = primary(&mut tpm, Hierarchy::Owner, ecc);
    assert_eq!(code(&mut tpm, ecc), rc::TYPE.at(Mac::HANDLE));
    flush(&mut tpm, ecc);
    flush(&mut tpm, decrypting);
    let handle = key(&mut tpm, AES, None, TpmaObject::SIGN);
    let start = MacStart { handle, auth: Tpm2bAuth::default(), in_scheme: Some(MacScheme::Cmac) };
    for _ in 0..2 {
        tpm.call(&start).expect("it starts");
    }
    assert_eq!(refused(&mut tpm, &start), rc::OBJECT_MEMORY);
}

#[test]
fn a_tpm_without_a_cipher_says_so_where_the_cipher_stands() {
    let mut tpm = started();
    let lacking = [
        BlockCipher::Tdes(TdesKeyBits::Tdes128),
        BlockCipher::Sm4(Sm4KeyBits::Sm4_128),
        BlockCipher::Camellia(CamelliaKeyBits::Camellia128),
    ];
    for cipher in lacking {
        let command = creation(cipher, None, BOTH, &octets(cipher));
        assert_eq!(refused(&mut tpm, &command), rc::SYMMETRIC.at(CreatePrimary::IN_PUBLIC));
    }
}
