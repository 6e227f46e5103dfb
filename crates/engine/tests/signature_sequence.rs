//! Signatures over messages in pieces and over digests, by a key's own scheme. Part 3, 17.5, 17.6, 20.3, 20.4, 20.6 and 20.7.

mod common;
mod support;

use common::{TestTpm, migrate, refused, started_with_everything};
use sigillo_client::{Auth, template};
use sigillo_crypto::{
    ecc::{self, EcPoint},
    hash::hash,
    hmac::hmac,
};
use sigillo_types::{
    EccCurve, HashAlg, Rc,
    attributes::TpmaObject,
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bMaxBuffer, Tpm2bName, Tpm2bSignatureCtx, Tpm2bSignatureHint},
    commands::{
        Commit, ContextLoad, ContextSave, EventSequenceComplete, Hash, HashSequenceStart, PolicyAuthValue,
        PolicyAuthorize, PolicyGetDigest, ReadPublic, SequenceComplete, SequenceUpdate, SignDigest,
        SignSequenceComplete, SignSequenceStart, VerifyDigestSignature, VerifySequenceComplete,
        VerifySequenceStart,
    },
    constants::{SessionType, TPM_GENERATED_VALUE},
    handles::{ContextHandle, Hierarchy, ObjectHandle, PolicySessionHandle},
    rc,
    structures::{
        EccScheme, PublicId, PublicParms, RsaScheme, TkVerifiedMeta, Tpm2bEccPoint, TpmtPublic,
        TpmtSignature, TpmtTkHashcheck, TpmtTkVerified,
    },
};
use support::{create_primary, external, flush, handle, primary, sensitive};

const SHA256: HashAlg = HashAlg::Sha256;

fn ecc(curve: EccCurve, scheme: EccScheme) -> TpmtPublic {
    template::ecc_signing(curve, Some(scheme), false)
}

fn ecdsa() -> TpmtPublic {
    ecc(EccCurve::NistP256, EccScheme::Ecdsa { hash_alg: SHA256 })
}

fn eddsa() -> TpmtPublic {
    ecc(EccCurve::Curve25519, EccScheme::Eddsa)
}

fn ecdaa() -> TpmtPublic {
    ecc(EccCurve::NistP256, EccScheme::Ecdaa { hash_alg: SHA256, count: 0 })
}

fn restricted(mut public: TpmtPublic) -> TpmtPublic {
    public.object_attributes |= TpmaObject::RESTRICTED;
    public
}

fn context(octets: &[u8]) -> Tpm2bSignatureCtx {
    Tpm2bSignatureCtx::new(octets).expect("short")
}

fn sign_start(key_handle: ObjectHandle, given: &[u8]) -> SignSequenceStart {
    SignSequenceStart { key_handle, auth: Tpm2bAuth::default(), context: context(given) }
}

fn verify_start(key_handle: ObjectHandle, hint: &[u8], given: &[u8]) -> VerifySequenceStart {
    let hint = Tpm2bSignatureHint::new(hint).expect("short");
    VerifySequenceStart { key_handle, auth: Tpm2bAuth::default(), hint, context: context(given) }
}

fn buffer(data: &[u8]) -> Tpm2bMaxBuffer {
    Tpm2bMaxBuffer::new(data).expect("a piece")
}

fn update(tpm: &mut TestTpm, sequence_handle: ObjectHandle, data: &[u8]) {
    tpm.call(&SequenceUpdate { sequence_handle, buffer: buffer(data) }).expect("it goes on");
}

fn sign_complete(
    sequence_handle: ObjectHandle,
    key_handle: ObjectHandle,
    data: &[u8],
) -> SignSequenceComplete {
    SignSequenceComplete { sequence_handle, key_handle, buffer: buffer(data) }
}

fn verify_complete(
    sequence_handle: ObjectHandle,
    key_handle: ObjectHandle,
    signature: &TpmtSignature,
) -> VerifySequenceComplete {
    VerifySequenceComplete { sequence_handle, key_handle, signature: signature.clone() }
}

#[track_caller]
fn starts_to_sign(tpm: &mut TestTpm, key: ObjectHandle, given: &[u8]) -> ObjectHandle {
    handle(tpm.call(&sign_start(key, given)).expect("it starts").sequence_handle)
}

#[track_caller]
fn starts_to_verify(tpm: &mut TestTpm, key: ObjectHandle, hint: &[u8], given: &[u8]) -> ObjectHandle {
    handle(tpm.call(&verify_start(key, hint, given)).expect("it starts").sequence_handle)
}

/// One piece, signed.
#[track_caller]
fn signature(tpm: &mut TestTpm, key: ObjectHandle, message: &[u8]) -> TpmtSignature {
    let sequence = starts_to_sign(tpm, key, b"");
    tpm.call(&sign_complete(sequence, key, message)).expect("signed").signature
}

fn hint(signature: &TpmtSignature) -> Vec<u8> {
    match signature {
        TpmtSignature::Eddsa(octets) => octets[..32].to_vec(),
        _ => Vec::new(),
    }
}

fn digest_of(alg: HashAlg, message: &[u8]) -> Tpm2bDigest {
    Tpm2bDigest::new(&hash(alg, &[message])).expect("a digest")
}

fn sign_digest(key_handle: ObjectHandle, digest: &[u8]) -> SignDigest {
    let digest = Tpm2bDigest::new(digest).expect("a digest");
    SignDigest { key_handle, context: context(b""), digest, validation: TpmtTkHashcheck::null() }
}

fn verify_digest(
    key_handle: ObjectHandle,
    digest: &[u8],
    signature: &TpmtSignature,
) -> VerifyDigestSignature {
    let digest = Tpm2bDigest::new(digest).expect("a digest");
    VerifyDigestSignature { key_handle, context: context(b""), digest, signature: signature.clone() }
}

/// Out of the TPM and in again, as a resource manager does.
fn swap(tpm: &mut TestTpm, sequence: ObjectHandle) -> ObjectHandle {
    let save_handle = ContextHandle::new(sequence.raw()).expect("transient");
    let saved = tpm.call(&ContextSave { save_handle }).expect("it is saved").context;
    flush(tpm, sequence);
    handle(tpm.call(&ContextLoad { context: saved }).expect("it is loaded").loaded_handle)
}

/// Keys of every scheme, each with a context it takes and the hash of the digest that it signs.
fn keys() -> Vec<(TpmtPublic, &'static [u8], Option<HashAlg>)> {
    let sha384 = HashAlg::Sha384;
    vec![
        (template::rsa_signing(Some(RsaScheme::Rsassa { hash_alg: SHA256 }), false), b"", Some(SHA256)),
        (template::rsa_signing(Some(RsaScheme::Rsapss { hash_alg: sha384 }), false), b"", Some(sha384)),
        (ecdsa(), b"", Some(SHA256)),
        (ecc(EccCurve::NistP384, EccScheme::Ecdsa { hash_alg: HashAlg::Sha512 }), b"", Some(HashAlg::Sha512)),
        (ecc(EccCurve::NistP256, EccScheme::EcSchnorr { hash_alg: sha384 }), b"", Some(sha384)),
        (ecc(EccCurve::Sm2P256, EccScheme::Sm2 { hash_alg: HashAlg::Sm3_256 }), b"1234567812345678", None),
        (ecc(EccCurve::Sm2P256, EccScheme::Sm2 { hash_alg: HashAlg::Sm3_256 }), b"", None),
        (ecc(EccCurve::Curve25519, EccScheme::HashEddsa), b"", Some(HashAlg::Sha512)),
        (eddsa(), b"", None),
        (template::hmac_key(sha384), b"", None),
    ]
}

#[test]
fn a_message_in_pieces_is_signed_and_verified_by_every_scheme() {
    let message: Vec<u8> = (0..3000u32).map(|n| (n % 251) as u8).collect();
    let mut tpm = started_with_everything();
    for (public, given, digest_hash) in keys() {
        let one_shot = public.parameters == eddsa().parameters;
        let message = if one_shot { &message[..1024] } else { &message[..] };
        let key = primary(&mut tpm, Hierarchy::Owner, public.clone());
        let name = tpm.name_of(key.raw()).expect("a Name");

        let mut sequence = starts_to_sign(&mut tpm, key, given);
        let (pieces, last) = message.split_at(if one_shot { 0 } else { 2900 });
        for piece in pieces.chunks(1000) {
            update(&mut tpm, sequence, piece);
            migrate(&mut tpm, 0);
            sequence = swap(&mut tpm, sequence);
        }
        let made = tpm.call(&sign_complete(sequence, key, last)).expect("signed").signature;
        assert_eq!(refused(&mut tpm, &sign_complete(sequence, key, last)), rc::REFERENCE_H0);
        if let Some(alg) = digest_hash {
            let digest = hash(alg, &[message]);
            let proof = tpm.call(&verify_digest(key, &digest, &made)).expect("it verifies").validation;
            assert_eq!(proof.metadata, TkVerifiedMeta::DigestVerified(alg));
            let of_digest = tpm.call(&sign_digest(key, &digest)).expect("signed").signature;
            tpm.call(&verify_digest(key, &digest, &of_digest)).expect("it verifies");
        }
        if let TpmtSignature::Hmac(mac) = &made {
            assert_eq!(mac.hash_alg(), HashAlg::Sha384);
        }

        let mut sequence = starts_to_verify(&mut tpm, key, &hint(&made), given);
        for piece in message.chunks(777) {
            update(&mut tpm, sequence, piece);
            migrate(&mut tpm, 0);
            sequence = swap(&mut tpm, sequence);
        }
        let proof = tpm.call(&verify_complete(sequence, key, &made)).expect("it verifies").validation;
        assert_eq!((proof.metadata, proof.hierarchy), (TkVerifiedMeta::MessageVerified, Hierarchy::Owner));
        assert_eq!(refused(&mut tpm, &verify_complete(sequence, key, &made)), rc::REFERENCE_H0);

        // Another message, and another context where there may be one.
        let at = VerifySequenceComplete::SIGNATURE;
        let sequence = starts_to_verify(&mut tpm, key, &hint(&made), given);
        message[1..].chunks(1000).for_each(|piece| update(&mut tpm, sequence, piece));
        let complete = verify_complete(sequence, key, &made);
        assert_eq!(refused(&mut tpm, &complete), rc::SIGNATURE.at(at), "{public:?}");
        flush(&mut tpm, sequence);
        if matches!(made, TpmtSignature::Sm2(_)) {
            let sequence = starts_to_verify(&mut tpm, key, b"", b"somebody else");
            message.chunks(1000).for_each(|piece| update(&mut tpm, sequence, piece));
            assert_eq!(refused(&mut tpm, &verify_complete(sequence, key, &made)), rc::SIGNATURE.at(at));
            flush(&mut tpm, sequence);
        }
        assert_eq!(tpm.name_of(key.raw()).expect("still there"), name);
        flush(&mut tpm, key);
    }
}

#[test]
fn an_hmac_key_signs_the_message_itself() {
    let mut tpm = started_with_everything();
    let mut public = template::hmac_key(SHA256);
    public.object_attributes.remove(TpmaObject::SENSITIVE_DATA_ORIGIN);
    let mut command = create_primary(Hierarchy::Owner, public);
    command.in_sensitive = sensitive(b"", b"key");
    let key = handle(tpm.call(&command).expect("made").object_handle);
    let TpmtSignature::Hmac(mac) = signature(&mut tpm, key, b"message") else { panic!("an HMAC") };
    assert_eq!(mac.digest(), &*hmac(SHA256, b"key", &[b"message"]));
}

#[test]
fn sm2_signs_whom_the_context_names() {
    let mut tpm = started_with_everything();
    let hash_alg = HashAlg::Sm3_256;
    let key = primary(&mut tpm, Hierarchy::Owner, ecc(EccCurve::Sm2P256, EccScheme::Sm2 { hash_alg }));
    let public = tpm.call(&ReadPublic { object_handle: key }).expect("loaded").out_public.public_area;
    let PublicId::Ecc(point) = public.unique else { panic!("an ECC key") };
    let public = EcPoint::new(EccCurve::Sm2P256, &point.x, &point.y).expect("a point");
    let sequence = starts_to_sign(&mut tpm, key, b"1234567812345678");
    let made = tpm.call(&sign_complete(sequence, key, b"message")).expect("signed").signature;
    let TpmtSignature::Sm2(of) = made else { panic!("SM2") };
    let z = ecc::sm2_identity(hash_alg, &public, b"1234567812345678").expect("short");
    let e = hash(hash_alg, &[&z, b"message"]);
    assert_eq!(ecc::verify_sm2(&public, &e, &of.signature_r, &of.signature_s), Ok(()));
    // A digest is e itself, and takes no context.
    let made = tpm.call(&sign_digest(key, &e)).expect("signed").signature;
    tpm.call(&verify_digest(key, &e, &made)).expect("it verifies");
    let with = SignDigest { context: context(b"1"), ..sign_digest(key, &e) };
    assert_eq!(refused(&mut tpm, &with), rc::SIZE.at(SignDigest::CONTEXT));
    let with = VerifyDigestSignature { context: context(b"1"), ..verify_digest(key, &e, &made) };
    assert_eq!(refused(&mut tpm, &with), rc::SIZE.at(VerifyDigestSignature::CONTEXT));
}

fn commit(tpm: &mut TestTpm, sign_handle: ObjectHandle) -> (u16, EcPoint) {
    let command =
        Commit { sign_handle, p1: Tpm2bEccPoint::default(), s2: Default::default(), y2: Default::default() };
    let made = tpm.call(&command).expect("a commitment");
    let point = EcPoint::new(EccCurve::NistP256, &made.e.point.x, &made.e.point.y).expect("a point");
    (made.counter, point)
}

#[test]
fn a_commitment_is_named_by_the_context_and_used_once() {
    let mut tpm = started_with_everything();
    let key = primary(&mut tpm, Hierarchy::Owner, ecdaa());
    let public = tpm.call(&ReadPublic { object_handle: key }).expect("loaded").out_public.public_area;
    let PublicId::Ecc(point) = public.unique else { panic!("an ECC key") };
    let public = EcPoint::new(EccCurve::NistP256, &point.x, &point.y).expect("a point");
    let digest = hash(SHA256, &[b"message"]);

    let (count, committed) = commit(&mut tpm, key);
    let sequence = starts_to_sign(&mut tpm, key, &count.to_be_bytes());
    update(&mut tpm, sequence, b"mess");
    let made = tpm.call(&sign_complete(sequence, key, b"age")).expect("signed").signature;
    let TpmtSignature::Ecdaa(of) = &made else { panic!("ECDAA") };
    let (k, s) = (&of.signature_r, &of.signature_s);
    assert_eq!(ecc::verify_ecdaa(&public, &committed, SHA256, &digest, k, s), Ok(()));
    let again = sign_start(key, &count.to_be_bytes());
    assert_eq!(refused(&mut tpm, &again), rc::VALUE.at(SignSequenceStart::CONTEXT));

    let (count, committed) = commit(&mut tpm, key);
    let sequence = starts_to_sign(&mut tpm, key, &count.to_be_bytes());
    let command = SignDigest { context: context(&count.to_be_bytes()), ..sign_digest(key, &digest) };
    let TpmtSignature::Ecdaa(of) = tpm.call(&command).expect("signed").signature else { panic!("ECDAA") };
    let (k, s) = (&of.signature_r, &of.signature_s);
    assert_eq!(ecc::verify_ecdaa(&public, &committed, SHA256, &digest, k, s), Ok(()));
    assert_eq!(refused(&mut tpm, &command), rc::VALUE.at(SignDigest::CONTEXT));
    // Used, while the sequence waited.
    let late = sign_complete(sequence, key, b"message");
    assert_eq!(refused(&mut tpm, &late), rc::VALUE.at(SignSequenceComplete::SEQUENCE_HANDLE));
    flush(&mut tpm, sequence);

    let unknown = context(&(count + 1).to_be_bytes());
    let command = SignDigest { context: unknown.clone(), ..command };
    assert_eq!(refused(&mut tpm, &command), rc::RANGE.at(SignDigest::CONTEXT));
    let command = SignSequenceStart { context: unknown, ..again };
    assert_eq!(refused(&mut tpm, &command), rc::RANGE.at(SignSequenceStart::CONTEXT));
    for wrong in [&b""[..], b"1", b"123"] {
        let command = sign_start(key, wrong);
        assert_eq!(refused(&mut tpm, &command), rc::SIZE.at(SignSequenceStart::CONTEXT));
        let command = verify_start(key, b"", wrong);
        assert_eq!(refused(&mut tpm, &command), rc::SIZE.at(VerifySequenceStart::CONTEXT));
    }
    // No TPM verifies it. Part 1, 44.3.3.1.
    let sequence = starts_to_verify(&mut tpm, key, b"", &count.to_be_bytes());
    update(&mut tpm, sequence, b"message");
    let scheme = rc::SCHEME.at(VerifySequenceComplete::SIGNATURE);
    assert_eq!(refused(&mut tpm, &verify_complete(sequence, key, &made)), scheme);
    let command = VerifyDigestSignature {
        context: context(&count.to_be_bytes()),
        ..verify_digest(key, &digest, &made)
    };
    assert_eq!(refused(&mut tpm, &command), rc::SCHEME.at(VerifyDigestSignature::SIGNATURE));
}

#[test]
fn eddsa_signs_only_what_comes_as_one() {
    let mut tpm = started_with_everything();
    let key = primary(&mut tpm, Hierarchy::Owner, eddsa());
    for piece in [&b"mess"[..], b""] {
        let sequence = starts_to_sign(&mut tpm, key, b"");
        update(&mut tpm, sequence, piece);
        let code = rc::ONE_SHOT_SIGNATURE.at(SignSequenceComplete::SEQUENCE_HANDLE);
        assert_eq!(refused(&mut tpm, &sign_complete(sequence, key, b"age")), code);
        flush(&mut tpm, sequence);
    }
    // What verifies takes pieces, if it knows the first half of the signature.
    let made = signature(&mut tpm, key, b"message");
    let sequence = starts_to_verify(&mut tpm, key, &[1; 32], b"");
    update(&mut tpm, sequence, b"message");
    let code = rc::SIGNATURE.at(VerifySequenceComplete::SIGNATURE);
    assert_eq!(refused(&mut tpm, &verify_complete(sequence, key, &made)), code);
}

#[test]
fn a_restricted_key_signs_nothing_that_could_be_the_tpms_own() {
    let mut tpm = started_with_everything();
    let generated = TPM_GENERATED_VALUE.to_be_bytes();
    let value = rc::VALUE.at(SignSequenceComplete::BUFFER);
    let prehashed = ecc(EccCurve::Curve25519, EccScheme::HashEddsa);
    for (public, alg) in [(ecdsa(), Some(SHA256)), (eddsa(), None), (prehashed, Some(HashAlg::Sha512))] {
        let in_pieces = public.parameters != eddsa().parameters;
        let key = primary(&mut tpm, Hierarchy::Owner, restricted(public.clone()));
        for forged in [&generated[..], &[&generated[..], b"and more"].concat(), b"abc", b""] {
            let sequence = starts_to_sign(&mut tpm, key, b"");
            assert_eq!(refused(&mut tpm, &sign_complete(sequence, key, forged)), value);
            if in_pieces {
                update(&mut tpm, sequence, forged);
                assert_eq!(refused(&mut tpm, &sign_complete(sequence, key, b"innocent")), value);
            }
            flush(&mut tpm, sequence);
        }
        let made = signature(&mut tpm, key, b"innocent");
        let sequence = starts_to_verify(&mut tpm, key, &hint(&made), b"");
        update(&mut tpm, sequence, b"innocent");
        tpm.call(&verify_complete(sequence, key, &made)).expect("it verifies");
        if in_pieces {
            let sequence = starts_to_sign(&mut tpm, key, b"");
            update(&mut tpm, sequence, b"innocent");
            tpm.call(&sign_complete(sequence, key, &generated)).expect("not in front");
        }
        // A digest needs the ticket of its hash.
        if let Some(hash_alg) = alg {
            let ticket = |tpm: &mut TestTpm, data: &[u8]| {
                let command = Hash { data: buffer(data), hash_alg, hierarchy: Hierarchy::Owner };
                tpm.call(&command).expect("hashed").validation
            };
            let command = sign_digest(key, &hash(hash_alg, &[b"innocent"]));
            assert_eq!(refused(&mut tpm, &command), rc::TICKET.at(SignDigest::VALIDATION));
            let other = ticket(&mut tpm, b"another message");
            let with = SignDigest { validation: other, ..command.clone() };
            assert_eq!(refused(&mut tpm, &with), rc::TICKET.at(SignDigest::VALIDATION));
            let validation = ticket(&mut tpm, b"innocent");
            let made = tpm.call(&SignDigest { validation, ..command.clone() }).expect("signed").signature;
            tpm.call(&verify_digest(key, &command.digest, &made)).expect("it verifies");
        }
        flush(&mut tpm, key);
        // The others may sign anything.
        let key = primary(&mut tpm, Hierarchy::Owner, public);
        signature(&mut tpm, key, &generated);
        flush(&mut tpm, key);
    }
    let key = primary(&mut tpm, Hierarchy::Owner, restricted(template::hmac_key(SHA256)));
    let code = rc::ATTRIBUTES.at(SignSequenceStart::KEY_HANDLE);
    assert_eq!(refused(&mut tpm, &sign_start(key, b"")), code);
    starts_to_verify(&mut tpm, key, b"", b"");
}

#[test]
fn sequences_start_with_a_signing_key_that_has_a_scheme() {
    let mut tpm = started_with_everything();
    let both = |tpm: &mut TestTpm, key, code: sigillo_types::Fmt1| {
        assert_eq!(refused(tpm, &sign_start(key, b"")), code.at(SignSequenceStart::KEY_HANDLE));
        assert_eq!(refused(tpm, &verify_start(key, b"", b"")), code.at(VerifySequenceStart::KEY_HANDLE));
    };
    let single = |tpm: &mut TestTpm, key, code: sigillo_types::Fmt1| {
        assert_eq!(refused(tpm, &sign_digest(key, &[7; 32])), code.at(SignDigest::KEY_HANDLE));
        let hash_alg = HashAlg::Sha256;
        let mac = sigillo_types::structures::TpmtHa::new(hash_alg, &[7; 32]).expect("an HMAC");
        let command = verify_digest(key, &[7; 32], &TpmtSignature::Hmac(mac));
        assert_eq!(refused(tpm, &command), code.at(VerifyDigestSignature::KEY_HANDLE));
    };
    let storage = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    both(&mut tpm, storage, rc::KEY);
    single(&mut tpm, storage, rc::KEY);
    flush(&mut tpm, storage);
    let start = HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg: Some(SHA256) };
    let sequence = handle(tpm.call(&start).expect("it starts").sequence_handle);
    both(&mut tpm, sequence, rc::KEY);
    single(&mut tpm, sequence, rc::TYPE);
    flush(&mut tpm, sequence);
    let undecided = template::ecc_signing(EccCurve::NistP256, None, false);
    let mut open_hmac = template::hmac_key(SHA256);
    if let PublicParms::KeyedHash(parms) = &mut open_hmac.parameters {
        parms.scheme = None;
    }
    for public in [undecided, template::rsa_signing(None, false), open_hmac] {
        let key = primary(&mut tpm, Hierarchy::Owner, public);
        both(&mut tpm, key, rc::SCHEME);
        single(&mut tpm, key, rc::SCHEME);
        flush(&mut tpm, key);
    }
    // What signs messages signs no digest.
    for public in [template::hmac_key(SHA256), eddsa()] {
        let key = primary(&mut tpm, Hierarchy::Owner, public);
        single(&mut tpm, key, rc::SCHEME);
        flush(&mut tpm, key);
    }
    // The public part of an HMAC key tells nothing of its HMACs.
    let mut public = template::hmac_key(SHA256);
    public.object_attributes = TpmaObject::USER_WITH_AUTH | TpmaObject::SIGN;
    public.unique = PublicId::KeyedHash([3; 32].into());
    let loaded = tpm.call(&external(public, None, Hierarchy::Owner)).expect("it loads");
    both(&mut tpm, handle(loaded.object_handle), rc::HANDLE);
}

#[test]
fn only_the_schemes_that_use_them_take_a_hint_and_a_context() {
    let mut tpm = started_with_everything();
    let size = |at| rc::SIZE.at(at);
    for (public, right, wrong) in
        [(ecdsa(), &b""[..], &[1; 32][..]), (eddsa(), &[1; 32], b""), (eddsa(), &[1; 32], &[1; 31])]
    {
        let key = primary(&mut tpm, Hierarchy::Owner, public);
        let command = verify_start(key, wrong, b"");
        assert_eq!(refused(&mut tpm, &command), size(VerifySequenceStart::HINT));
        let command = verify_start(key, right, b"1");
        assert_eq!(refused(&mut tpm, &command), size(VerifySequenceStart::CONTEXT));
        assert_eq!(refused(&mut tpm, &sign_start(key, b"1")), size(SignSequenceStart::CONTEXT));
        flush(&mut tpm, key);
    }
    let key = primary(&mut tpm, Hierarchy::Owner, ecc(EccCurve::Curve25519, EccScheme::HashEddsa));
    assert_eq!(refused(&mut tpm, &verify_start(key, &[1; 32], b"")), size(VerifySequenceStart::HINT));
    let command = SignDigest { context: context(b"1"), ..sign_digest(key, &[7; 64]) };
    assert_eq!(refused(&mut tpm, &command), size(SignDigest::CONTEXT));
}

#[test]
fn a_digest_has_the_size_of_the_schemes_hash() {
    let mut tpm = started_with_everything();
    for (public, size) in [(ecdsa(), 32), (ecc(EccCurve::Curve25519, EccScheme::HashEddsa), 64)] {
        let key = primary(&mut tpm, Hierarchy::Owner, public);
        let made = tpm.call(&sign_digest(key, &vec![7; size])).expect("signed").signature;
        for wrong in [0, 20, 48] {
            let command = sign_digest(key, &vec![7; wrong]);
            assert_eq!(refused(&mut tpm, &command), rc::SIZE.at(SignDigest::DIGEST));
            let command = verify_digest(key, &vec![7; wrong], &made);
            assert_eq!(refused(&mut tpm, &command), rc::SIZE.at(VerifyDigestSignature::DIGEST));
        }
        let command = verify_digest(key, &vec![8; size], &made);
        assert_eq!(refused(&mut tpm, &command), rc::SIGNATURE.at(VerifyDigestSignature::SIGNATURE));
        flush(&mut tpm, key);
    }
}

#[test]
fn a_signature_by_another_scheme_or_hash_is_not_looked_at() {
    let mut tpm = started_with_everything();
    let key = primary(&mut tpm, Hierarchy::Owner, ecdsa());
    let TpmtSignature::Ecdsa(made) = signature(&mut tpm, key, b"message") else { panic!("ECDSA") };
    let mut other_hash = made.clone();
    other_hash.hash = HashAlg::Sha3_256;
    let digest = hash(SHA256, &[b"message"]);
    let wrong = [
        TpmtSignature::Ecdsa(other_hash),
        TpmtSignature::EcSchnorr(made.clone()),
        TpmtSignature::Eddsa([7; 64].into()),
        TpmtSignature::HashEddsa([7; 64].into()),
    ];
    for wrong in wrong {
        let sequence = starts_to_verify(&mut tpm, key, b"", b"");
        update(&mut tpm, sequence, b"message");
        let code = rc::SCHEME.at(VerifySequenceComplete::SIGNATURE);
        assert_eq!(refused(&mut tpm, &verify_complete(sequence, key, &wrong)), code);
        tpm.call(&verify_complete(sequence, key, &TpmtSignature::Ecdsa(made.clone()))).expect("still there");
        let code = rc::SCHEME.at(VerifyDigestSignature::SIGNATURE);
        assert_eq!(refused(&mut tpm, &verify_digest(key, &digest, &wrong)), code);
    }
}

#[test]
fn a_sequence_ends_with_the_key_it_was_started_with() {
    let mut tpm = started_with_everything();
    let keys = [ecdsa(), ecc(EccCurve::NistP256, EccScheme::EcSchnorr { hash_alg: SHA256 })];
    let [key, other] = keys.map(|public| primary(&mut tpm, Hierarchy::Owner, public));
    let made = signature(&mut tpm, key, b"message");
    let wrong = |at| rc::SIGN_CONTEXT_KEY.at(at);
    let sequence = starts_to_sign(&mut tpm, key, b"");
    let command = sign_complete(sequence, other, b"message");
    assert_eq!(refused(&mut tpm, &command), wrong(SignSequenceComplete::KEY_HANDLE));
    let command = sign_complete(sequence, sequence, b"message");
    assert_eq!(refused(&mut tpm, &command), rc::TYPE.at(SignSequenceComplete::KEY_HANDLE));
    // The same key again, at another handle.
    flush(&mut tpm, key);
    let key = primary(&mut tpm, Hierarchy::Owner, ecdsa());
    tpm.call(&sign_complete(sequence, key, b"message")).expect("signed");
    let sequence = starts_to_verify(&mut tpm, key, b"", b"");
    update(&mut tpm, sequence, b"message");
    let command = verify_complete(sequence, other, &made);
    assert_eq!(refused(&mut tpm, &command), wrong(VerifySequenceComplete::KEY_HANDLE));
    let command = verify_complete(sequence, sequence, &made);
    assert_eq!(refused(&mut tpm, &command), rc::TYPE.at(VerifySequenceComplete::KEY_HANDLE));
    tpm.call(&verify_complete(sequence, key, &made)).expect("it verifies");
}

#[test]
fn an_hmac_key_without_a_name_cannot_be_exchanged_for_another() {
    let mut tpm = started_with_everything();
    let mut load = |bits: &[u8], auth: &[u8]| {
        let mut public = template::hmac_key(SHA256);
        public.name_alg = None;
        public.object_attributes = TpmaObject::USER_WITH_AUTH | TpmaObject::SIGN;
        let private = sigillo_types::structures::TpmtSensitive {
            auth_value: Tpm2bAuth::new(auth).expect("short"),
            seed_value: Default::default(),
            sensitive: sigillo_types::structures::SensitiveComposite::Bits(bits.try_into().expect("a key")),
        };
        let loaded = tpm.call(&external(public, Some(private), Hierarchy::Null)).expect("it loads");
        handle(loaded.object_handle)
    };
    let (secret, own) = (load(b"a key of somebody else", b"unknown"), load(b"my own key", b""));
    let sequence = starts_to_sign(&mut tpm, secret, b"");
    let code = rc::SIGN_CONTEXT_KEY.at(SignSequenceComplete::KEY_HANDLE);
    assert_eq!(refused(&mut tpm, &sign_complete(sequence, own, b"message")), code);
}

#[test]
fn each_end_takes_its_own_kind_of_sequence() {
    let mut tpm = started_with_everything();
    let key = primary(&mut tpm, Hierarchy::Owner, template::hmac_key(SHA256));
    let made = signature(&mut tpm, key, b"message");
    let start = HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg: Some(SHA256) };
    let hashing = handle(tpm.call(&start).expect("it starts").sequence_handle);
    let signs = |sequence| sign_complete(sequence, key, b"");
    let verifies = |sequence| verify_complete(sequence, key, &made);
    let ends = |sequence_handle| SequenceComplete {
        sequence_handle,
        buffer: buffer(b""),
        hierarchy: Hierarchy::Owner,
    };
    let events =
        |sequence_handle| EventSequenceComplete { pcr_handle: None, sequence_handle, buffer: buffer(b"") };
    for wrong in [hashing, key] {
        assert_eq!(refused(&mut tpm, &signs(wrong)), rc::MODE.at(SignSequenceComplete::SEQUENCE_HANDLE));
        assert_eq!(refused(&mut tpm, &verifies(wrong)), rc::MODE.at(VerifySequenceComplete::SEQUENCE_HANDLE));
    }
    // No authorization of the key was needed for these: nobody may have their HMAC.
    let signing = starts_to_sign(&mut tpm, key, b"");
    assert_eq!(refused(&mut tpm, &verifies(signing)), rc::MODE.at(VerifySequenceComplete::SEQUENCE_HANDLE));
    assert_eq!(refused(&mut tpm, &ends(signing)), rc::MODE.at(SequenceComplete::SEQUENCE_HANDLE));
    assert_eq!(refused(&mut tpm, &events(signing)), rc::MODE.at(EventSequenceComplete::SEQUENCE_HANDLE));
    flush(&mut tpm, signing);
    let verifying = starts_to_verify(&mut tpm, key, b"", b"");
    assert_eq!(refused(&mut tpm, &signs(verifying)), rc::MODE.at(SignSequenceComplete::SEQUENCE_HANDLE));
    assert_eq!(refused(&mut tpm, &ends(verifying)), rc::MODE.at(SequenceComplete::SEQUENCE_HANDLE));
    assert_eq!(refused(&mut tpm, &events(verifying)), rc::MODE.at(EventSequenceComplete::SEQUENCE_HANDLE));
    assert_eq!(refused(&mut tpm, &sign_start(key, b"")), rc::OBJECT_MEMORY);
    assert_eq!(refused(&mut tpm, &verify_start(key, b"", b"")), rc::OBJECT_MEMORY);
}

#[test]
fn a_key_for_certificates_signs_neither_messages_nor_digests() {
    let mut tpm = started_with_everything();
    let mut public = ecdsa();
    public.object_attributes |= TpmaObject::X509_SIGN;
    let key = primary(&mut tpm, Hierarchy::Owner, public);
    let command = sign_digest(key, &[7; 32]);
    assert_eq!(refused(&mut tpm, &command), rc::ATTRIBUTES.at(SignDigest::KEY_HANDLE));
    let sequence = starts_to_sign(&mut tpm, key, b"");
    let command = sign_complete(sequence, key, b"message");
    assert_eq!(refused(&mut tpm, &command), rc::ATTRIBUTES.at(SignSequenceComplete::KEY_HANDLE));
}

#[test]
fn the_sequence_and_the_key_are_both_authorized() {
    let mut tpm = started_with_everything();
    let mut command = create_primary(Hierarchy::Owner, ecdsa());
    command.in_sensitive = sensitive(b"key", b"");
    let key = handle(tpm.call(&command).expect("made").object_handle);
    let auth = Tpm2bAuth::new(b"sequence").expect("short");
    // The key is not used yet.
    let start = SignSequenceStart { auth: auth.clone(), ..sign_start(key, b"") };
    let sequence = handle(tpm.call(&start).expect("it starts").sequence_handle);
    let mut with =
        |command: &SignSequenceComplete, of_sequence: &[u8], of_key: &[u8]| -> Result<TpmtSignature, Rc> {
            let auths = &mut [Auth::password(of_sequence), Auth::password(of_key)];
            let answer = tpm.call_with(command, auths);
            answer.map(|answer| answer.signature).map_err(|error| error.rc().expect("the TPM must answer"))
        };
    let command = sign_complete(sequence, key, b"message");
    // A sequence has no dictionary attack protection, and neither has a key with noDA.
    for (of_sequence, of_key, at) in [(&b"no"[..], &b"key"[..], 1), (b"sequence", b"no", 2)] {
        let code = with(&command, of_sequence, of_key).expect_err("refused");
        let session = sigillo_types::Position::Session(at);
        assert!([rc::BAD_AUTH.at(session), rc::AUTH_FAIL.at(session)].contains(&code), "{code:?}");
    }
    let made = with(&command, b"sequence", b"key").expect("signed");
    let start = VerifySequenceStart { auth, ..verify_start(key, b"", b"") };
    let sequence_handle = handle(tpm.call(&start).expect("it starts").sequence_handle);
    let command = SequenceUpdate { sequence_handle, buffer: buffer(b"message") };
    assert!(tpm.call(&command).is_err(), "its authValue is not empty");
    tpm.call_with(&command, &mut [Auth::password(b"sequence")]).expect("it goes on");
    let command = verify_complete(sequence_handle, key, &made);
    tpm.call_with(&command, &mut [Auth::password(b"sequence")]).expect("it verifies");
}

/// Part 3, 23.16: what was verified can approve a policy.
#[test]
fn a_ticket_for_a_message_or_a_digest_approves_a_policy() {
    let mut tpm = started_with_everything();
    let hierarchy = Hierarchy::Owner;
    for public in
        [ecdsa(), eddsa(), ecc(EccCurve::Curve25519, EccScheme::HashEddsa), template::hmac_key(SHA256)]
    {
        let key = primary(&mut tpm, hierarchy, public);
        let key_sign = Tpm2bName::new(&tpm.name_of(key.raw()).expect("a Name")).expect("a Name");
        let session = |tpm: &mut TestTpm| {
            let options = sigillo_client::SessionOptions::new(SessionType::Policy, SHA256);
            let session = tpm.start_session(options).expect("it starts");
            let policy_session = PolicySessionHandle::new(session.handle).expect("a policy session");
            tpm.call(&PolicyAuthValue { policy_session }).expect("asserted");
            policy_session
        };
        let policy_session = session(&mut tpm);
        let approved_policy =
            tpm.call(&PolicyGetDigest { policy_session }).expect("its digest").policy_digest;
        let message = [&approved_policy[..], b"ref"].concat();
        let made = signature(&mut tpm, key, &message);
        let sequence = starts_to_verify(&mut tpm, key, &hint(&made), b"");
        update(&mut tpm, sequence, &message[..5]);
        update(&mut tpm, sequence, &message[5..]);
        let mut tickets =
            vec![tpm.call(&verify_complete(sequence, key, &made)).expect("verified").validation];
        let alg = match &made {
            TpmtSignature::Ecdsa(_) => Some(SHA256),
            TpmtSignature::HashEddsa(_) => Some(HashAlg::Sha512),
            _ => None,
        };
        if let Some(alg) = alg {
            let command = verify_digest(key, &digest_of(alg, &message), &made);
            tickets.push(tpm.call(&command).expect("verified").validation);
        }
        for check_ticket in tickets {
            let authorize = |policy_session, check_ticket| PolicyAuthorize {
                policy_session,
                approved_policy: approved_policy.clone(),
                policy_ref: (*b"ref").into(),
                key_sign: key_sign.clone(),
                check_ticket,
            };
            let other = TpmtTkVerified { metadata: TkVerifiedMeta::Verified, ..check_ticket.clone() };
            assert_eq!(refused(&mut tpm, &authorize(policy_session, other)), rc::POLICY);
            let fresh = session(&mut tpm);
            tpm.call(&authorize(fresh, check_ticket)).expect("approved");
            let flush_handle = ContextHandle::new(fresh.raw()).expect("a session");
            tpm.call(&sigillo_types::commands::FlushContext { flush_handle }).expect("flushed");
        }
        let flush_handle = ContextHandle::new(policy_session.raw()).expect("a session");
        tpm.call(&sigillo_types::commands::FlushContext { flush_handle }).expect("flushed");
        flush(&mut tpm, key);
    }
}

#[test]
fn a_key_of_the_null_hierarchy_gives_tickets_that_prove_nothing() {
    let mut tpm = started_with_everything();
    let key = primary(&mut tpm, Hierarchy::Null, ecdsa());
    let made = signature(&mut tpm, key, b"message");
    let sequence = starts_to_verify(&mut tpm, key, b"", b"");
    update(&mut tpm, sequence, b"message");
    let of_message = tpm.call(&verify_complete(sequence, key, &made)).expect("verified").validation;
    let command = verify_digest(key, &digest_of(SHA256, b"message"), &made);
    let of_digest = tpm.call(&command).expect("verified").validation;
    for ticket in [of_message, of_digest] {
        assert_eq!((ticket.hierarchy, ticket.hmac.len()), (Hierarchy::Null, 0));
    }
}
