//! What every attestation command has in common: who signs, by which scheme, over what. Part 3, 18.1 and 31.16.

mod common;
mod support;

use common::{TestTpm, started};
use sigillo_client::{Auth, SessionOptions, template};
use sigillo_types::{
    EccCurve, HashAlg, Position, Rc, Unmarshal,
    attributes::{TpmaNv, TpmaSession},
    buffers::{Tpm2bAttest, Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bMaxNvBuffer},
    command::Command,
    commands::{
        Certify, CertifyCreation, CertifyX509, CreatePrimaryResponse, GetCommandAuditDigest, GetRandom,
        GetSessionAuditDigest, GetTime, HashSequenceStart, NvCertify, NvDefineSpace, NvWrite, Quote,
        ReadPublic, VerifySignature,
    },
    constants::SessionType,
    handles::{
        EndorsementHandle, Hierarchy, HmacSessionHandle, NvAuthHandle, NvIndexHandle, NvLegacyIndexHandle,
        ObjectHandle, ProvisionHandle,
    },
    rc, rh,
    structures::{
        EccScheme, SigScheme, Tpm2bNvPublic, TpmlPcrSelection, TpmsAttest, TpmsNvPublic, TpmtSignature,
    },
};
use support::{external, flush, handle, primary, primary_response};

/// What there is to attest.
struct Things {
    /// The object with its creation data and ticket.
    object: ObjectHandle,
    made: CreatePrimaryResponse,
    audit_session: HmacSessionHandle,
}

type Answer = Result<(Tpm2bAttest, Option<TpmtSignature>), Rc>;
/// An attestation command with a signer and a scheme.
type Run = fn(&mut TestTpm, &Things, Option<ObjectHandle>, Option<SigScheme>) -> Answer;

const INDEX: u32 = 0x0150_0001;

fn answer<C: Command>(tpm: &mut TestTpm, command: &C) -> Result<C::Response, Rc> {
    tpm.call(command).map_err(|error| error.rc().expect("an answer"))
}

fn data() -> Tpm2bData {
    Tpm2bData::from(*b"qualifying")
}

/// Each command with the places of its signer and of its scheme.
const COMMANDS: [(&str, Position, Position, Run); 7] = [
    ("Certify", Certify::SIGN_HANDLE, Certify::IN_SCHEME, |tpm, things, sign_handle, in_scheme| {
        let command =
            Certify { object_handle: things.object, sign_handle, qualifying_data: data(), in_scheme };
        answer(tpm, &command).map(|done| (done.certify_info, done.signature))
    }),
    (
        "CertifyCreation",
        CertifyCreation::SIGN_HANDLE,
        CertifyCreation::IN_SCHEME,
        |tpm, things, sign_handle, in_scheme| {
            let command = CertifyCreation {
                sign_handle,
                object_handle: things.object,
                qualifying_data: data(),
                creation_hash: things.made.creation_hash.clone(),
                in_scheme,
                creation_ticket: things.made.creation_ticket.clone(),
            };
            answer(tpm, &command).map(|done| (done.certify_info, done.signature))
        },
    ),
    ("Quote", Quote::SIGN_HANDLE, Quote::IN_SCHEME, |tpm, _, sign_handle, in_scheme| {
        let pcr_select = TpmlPcrSelection::default();
        let command = Quote { sign_handle, qualifying_data: data(), in_scheme, pcr_select };
        answer(tpm, &command).map(|done| (done.quoted, done.signature))
    }),
    (
        "GetSessionAuditDigest",
        GetSessionAuditDigest::SIGN_HANDLE,
        GetSessionAuditDigest::IN_SCHEME,
        |tpm, things, sign_handle, in_scheme| {
            let command = GetSessionAuditDigest {
                privacy_admin_handle: EndorsementHandle::Endorsement,
                sign_handle,
                session_handle: things.audit_session,
                qualifying_data: data(),
                in_scheme,
            };
            answer(tpm, &command).map(|done| (done.audit_info, done.signature))
        },
    ),
    (
        "GetCommandAuditDigest",
        GetCommandAuditDigest::SIGN_HANDLE,
        GetCommandAuditDigest::IN_SCHEME,
        |tpm, _, sign_handle, in_scheme| {
            let privacy_handle = EndorsementHandle::Endorsement;
            let command =
                GetCommandAuditDigest { privacy_handle, sign_handle, qualifying_data: data(), in_scheme };
            answer(tpm, &command).map(|done| (done.audit_info, done.signature))
        },
    ),
    ("GetTime", GetTime::SIGN_HANDLE, GetTime::IN_SCHEME, |tpm, _, sign_handle, in_scheme| {
        let privacy_admin_handle = EndorsementHandle::Endorsement;
        let command = GetTime { privacy_admin_handle, sign_handle, qualifying_data: data(), in_scheme };
        answer(tpm, &command).map(|done| (done.time_info, done.signature))
    }),
    ("NV_Certify", NvCertify::SIGN_HANDLE, NvCertify::IN_SCHEME, |tpm, _, sign_handle, in_scheme| {
        let command = NvCertify {
            sign_handle,
            auth_handle: NvAuthHandle::Owner,
            nv_index: NvIndexHandle::new(INDEX).expect("an index"),
            qualifying_data: data(),
            in_scheme,
            size: 4,
            offset: 0,
        };
        answer(tpm, &command).map(|done| (done.certify_info, done.signature))
    }),
];

/// A TPM with something for every command to attest; one slot is taken.
fn furnished() -> (TestTpm, Things) {
    let mut tpm = started();
    let nv_public = TpmsNvPublic {
        nv_index: NvLegacyIndexHandle::new(INDEX).expect("an index"),
        name_alg: HashAlg::Sha256,
        attributes: TpmaNv::OWNERREAD | TpmaNv::OWNERWRITE,
        auth_policy: Tpm2bDigest::default(),
        data_size: 4,
    };
    let define = NvDefineSpace {
        auth_handle: ProvisionHandle::Owner,
        auth: Tpm2bAuth::default(),
        public_info: Tpm2bNvPublic { nv_public },
    };
    tpm.call(&define).expect("defined");
    let nv_index = NvIndexHandle::new(INDEX).expect("an index");
    let data = Tpm2bMaxNvBuffer::from([1, 2, 3, 4]);
    tpm.call(&NvWrite { auth_handle: NvAuthHandle::Owner, nv_index, data, offset: 0 }).expect("written");
    let mut session =
        tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).expect("it starts");
    let audit = TpmaSession::AUDIT | TpmaSession::CONTINUE_SESSION;
    tpm.call_with(&GetRandom { bytes_requested: 1 }, &mut [Auth::session_with(&mut session, b"", audit)])
        .expect("audited");
    let made = primary_response(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let things = Things {
        object: handle(made.object_handle),
        made,
        audit_session: HmacSessionHandle::new(session.handle).expect("an HMAC session"),
    };
    (tpm, things)
}

fn signer(tpm: &mut TestTpm, scheme: Option<EccScheme>, restricted: bool) -> ObjectHandle {
    primary(tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, scheme, restricted))
}

fn ecdsa(hash_alg: HashAlg) -> Option<SigScheme> {
    Some(SigScheme::Ecdsa { hash_alg })
}

#[test]
fn the_scheme_is_that_of_the_key_or_else_that_of_the_command() {
    let (mut tpm, things) = furnished();
    let restricted = signer(&mut tpm, Some(EccScheme::Ecdsa { hash_alg: HashAlg::Sha256 }), true);
    let free = signer(&mut tpm, None, false);
    let rsassa = Some(SigScheme::Rsassa { hash_alg: HashAlg::Sha256 });
    for (name, _, scheme_at, run) in COMMANDS {
        for (key, asked, hash_alg) in [
            (restricted, None, Some(HashAlg::Sha256)),
            (restricted, ecdsa(HashAlg::Sha256), Some(HashAlg::Sha256)),
            (restricted, ecdsa(HashAlg::Sha384), None),
            (restricted, rsassa, None),
            (free, None, None),
            (free, ecdsa(HashAlg::Sha384), Some(HashAlg::Sha384)),
            (free, rsassa, None),
        ] {
            let answer = run(&mut tpm, &things, Some(key), asked);
            let Some(hash_alg) = hash_alg else {
                assert_eq!(answer.map(drop), Err(rc::SCHEME.at(scheme_at)), "{name} {asked:?}");
                continue;
            };
            let (attest, signature) = answer.expect(name);
            let read = TpmsAttest::from_bytes(&attest).expect(name);
            let public = tpm.call(&ReadPublic { object_handle: key }).expect("readable");
            assert_eq!((read.qualified_signer, read.extra_data), (public.qualified_name, data()), "{name}");
            let digest = sigillo_crypto::hash::hash(hash_alg, &[&attest]);
            let verify = VerifySignature {
                key_handle: key,
                digest: Tpm2bDigest::new(&digest).expect("a digest"),
                signature: signature.expect(name),
            };
            tpm.call(&verify).expect(name);
        }
    }
}

#[test]
fn without_a_key_everything_is_done_and_nothing_signed() {
    let (mut tpm, things) = furnished();
    for (name, _, scheme_at, run) in COMMANDS {
        for asked in [None, ecdsa(HashAlg::Sha256), Some(SigScheme::Hmac { hash_alg: HashAlg::Sha256 })] {
            let answer = run(&mut tpm, &things, None, asked);
            if name == "Quote" && asked.is_none() {
                // The scheme's hash makes the digest of the PCR.
                assert_eq!(answer.map(drop), Err(rc::SCHEME.at(scheme_at)));
                continue;
            }
            let (attest, signature) = answer.expect(name);
            let read = TpmsAttest::from_bytes(&attest).expect(name);
            assert_eq!(read.qualified_signer.to_vec(), rh::NULL.to_be_bytes(), "{name}");
            assert_eq!((read.extra_data, signature), (data(), None), "{name}");
        }
    }
}

#[test]
fn only_a_key_that_signs_signs() {
    let (mut tpm, things) = furnished();
    let start = HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg: Some(HashAlg::Sha256) };
    let sequence = handle(tpm.call(&start).expect("it starts").sequence_handle);
    let decrypts = primary(&mut tpm, Hierarchy::Owner, template::ecc_decryption(EccCurve::NistP256));
    for (name, handle_at, _, run) in COMMANDS {
        for (key, code) in [(things.object, rc::KEY), (decrypts, rc::KEY), (sequence, rc::TYPE)] {
            let answer = run(&mut tpm, &things, Some(key), ecdsa(HashAlg::Sha256));
            assert_eq!(answer.map(drop), Err(code.at(handle_at)), "{name}");
        }
    }
}

/// A public area alone may be anybody's: nothing shows that its secret exists.
#[test]
fn an_object_without_its_secret_is_not_certified() {
    let (mut tpm, things) = furnished();
    let public = things.made.out_public.public_area.clone();
    flush(&mut tpm, things.object);
    let key = signer(&mut tpm, None, false);
    let load = external(public, None, Hierarchy::Owner);
    let object_handle = handle(tpm.call(&load).expect("it loads").object_handle);
    let in_scheme = ecdsa(HashAlg::Sha256);
    let certify = Certify { object_handle, sign_handle: Some(key), qualifying_data: data(), in_scheme };
    assert_eq!(answer(&mut tpm, &certify).map(drop), Err(rc::AUTH_UNAVAILABLE));
    let certify = CertifyX509 {
        object_handle,
        sign_handle: key,
        reserved: Tpm2bData::default(),
        in_scheme,
        partial_certificate: Default::default(),
    };
    assert_eq!(answer(&mut tpm, &certify).map(drop), Err(rc::AUTH_UNAVAILABLE));
}

#[test]
fn a_signed_session_log_goes_on() {
    let (mut tpm, things) = furnished();
    let key = signer(&mut tpm, None, false);
    let (_, _, _, run) = COMMANDS[3];
    let attested = |tpm: &mut TestTpm| {
        let (attest, _) = run(tpm, &things, Some(key), ecdsa(HashAlg::Sha256)).expect("attested");
        TpmsAttest::from_bytes(&attest).expect("an attestation").attested
    };
    assert_eq!(attested(&mut tpm), attested(&mut tpm), "neither closed nor begun anew");
}
