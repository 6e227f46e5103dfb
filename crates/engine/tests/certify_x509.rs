//! TPM2_CertifyX509. Part 3, 18.8 and Part 2, 8.11.

mod common;
mod support;

use common::{TestTpm, refused, started, started_with_everything};
use sigillo_client::template;
use sigillo_crypto::hash::hash;
use sigillo_types::{
    EccCurve, HashAlg, Position, Rc,
    attributes::TpmaObject,
    buffers::{Tpm2bAuth, Tpm2bData, Tpm2bMaxBuffer},
    commands::{CertifyX509, CertifyX509Response, HashSequenceStart},
    handles::{Hierarchy, ObjectHandle},
    rc,
    structures::{RsaScheme, SigScheme, TpmtPublic, TpmtSignature},
};
use std::{fs, path::PathBuf, process::Command};
use support::{flush, handle, primary};

/// digitalSignature, keyCertSign and cRLSign.
const SIGNING: &[u8] = &[1, 0b1000_0110];
const PARTIAL: Position = CertifyX509::PARTIAL_CERTIFICATE;
const ECDSA: Option<SigScheme> = Some(SigScheme::Ecdsa { hash_alg: HashAlg::Sha256 });

/// An element of at most 65535 octets.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let [high, low] = u16::try_from(contents.len()).unwrap().to_be_bytes();
    let mut out = vec![tag];
    match (high, low) {
        (0, 0..=0x7F) => out.push(low),
        (0, _) => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    [out, contents].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    der(0x30, parts)
}

/// A Name with one common name.
fn name(common: &str) -> Vec<u8> {
    let attribute = sequence(&[&[6, 3, 0x55, 4, 3], &der(0x0C, &[common.as_bytes()])]);
    sequence(&[&der(0x31, &[&attribute])])
}

fn validity() -> Vec<u8> {
    sequence(&[&der(0x17, &[b"200101000000Z"]), &der(0x17, &[b"491231235959Z"])])
}

/// Key usage: the unused bits and the bits.
fn key_usage(bits: &[u8]) -> Vec<u8> {
    sequence(&[&[6, 3, 0x55, 0x1D, 0x0F], &[1, 1, 0xFF], &der(4, &[&der(3, &[bits])])])
}

fn tpma_object(attributes: u32) -> Vec<u8> {
    let bits = der(3, &[&[0], &attributes.to_be_bytes()]);
    sequence(&[&[6, 7, 0x67, 0x81, 5, 0x0A, 1, 1, 1], &der(4, &[&bits])])
}

/// Basic constraints of a certification authority.
fn authority() -> Vec<u8> {
    sequence(&[&[6, 3, 0x55, 0x1D, 0x13], &[1, 1, 0xFF], &der(4, &[&sequence(&[&[1, 1, 0xFF]])])])
}

fn extensions(all: &[&[u8]]) -> Vec<u8> {
    der(0xA3, &[&sequence(all)])
}

/// The fields of a certificate that the caller gives.
struct Fields {
    algorithm: Option<Vec<u8>>,
    issuer: Vec<u8>,
    validity: Vec<u8>,
    subject: Vec<u8>,
    extensions: Vec<u8>,
}

impl Fields {
    fn new(subject: &str, all: &[&[u8]]) -> Self {
        Self {
            algorithm: None,
            issuer: name("authority"),
            validity: validity(),
            subject: name(subject),
            extensions: extensions(all),
        }
    }

    fn partial(&self) -> Vec<u8> {
        let algorithm = self.algorithm.as_deref().unwrap_or_default();
        sequence(&[algorithm, &self.issuer, &self.validity, &self.subject, &self.extensions])
    }

    /// The TBSCertificate, from the fields and what the TPM added.
    fn complete(&self, added: &[u8]) -> Vec<u8> {
        let mut fields = elements(added).remove(0).1.to_vec();
        let mut next = || {
            let whole = elements(&fields).remove(0).0.to_vec();
            fields.drain(..whole.len());
            whole
        };
        let (version, serial) = (next(), next());
        let algorithm = self.algorithm.clone().unwrap_or_else(&mut next);
        let key = next();
        assert!(fields.is_empty(), "nothing else is added");
        let of_caller = [&self.issuer[..], &self.validity, &self.subject];
        sequence(&[&[&version[..], &serial, &algorithm][..], &of_caller, &[&key, &self.extensions]].concat())
    }

    fn algorithm_of(&self, added: &[u8]) -> Vec<u8> {
        let fields = elements(elements(added).remove(0).1);
        self.algorithm.clone().unwrap_or_else(|| fields[2].0.to_vec())
    }
}

/// Elements in a row, each whole and its contents.
fn elements(mut bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (start, length) = match bytes[1] {
            0x81 => (3, usize::from(bytes[2])),
            0x82 => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
            short => (2, usize::from(short)),
        };
        let (whole, rest) = bytes.split_at(start + length);
        all.push((whole, &whole[start..]));
        bytes = rest;
    }
    all
}

fn certify(
    object: ObjectHandle,
    signer: ObjectHandle,
    scheme: Option<SigScheme>,
    partial: &[u8],
) -> CertifyX509 {
    CertifyX509 {
        object_handle: object,
        sign_handle: signer,
        reserved: Tpm2bData::default(),
        in_scheme: scheme,
        partial_certificate: Tpm2bMaxBuffer::new(partial).expect("a short certificate"),
    }
}

/// The certificate as a file that openssl reads.
fn certificate(fields: &Fields, answer: &CertifyX509Response, to: &str) -> PathBuf {
    let tbs = fields.complete(&answer.added_to_certificate);
    let integer = |octets: &[u8]| {
        let sign: &[u8] = if octets[0] & 0x80 != 0 { &[0] } else { &[] };
        der(2, &[sign, octets])
    };
    let (digest, signature) = match &answer.signature {
        TpmtSignature::Rsassa(of) | TpmtSignature::Rsapss(of) => (hash(of.hash, &[&tbs]), of.sig.to_vec()),
        TpmtSignature::Ecdsa(of) => {
            let numbers = [&of.signature_r, &of.signature_s].map(|number| {
                let zeros = number.iter().take_while(|octet| **octet == 0).count();
                integer(&number[zeros..])
            });
            (hash(of.hash, &[&tbs]), sequence(&[&numbers[0], &numbers[1]]))
        }
        other => panic!("not a signature of a certificate: {other:?}"),
    };
    assert_eq!(answer.tbs_digest.to_vec(), digest.to_vec());
    let algorithm = fields.algorithm_of(&answer.added_to_certificate);
    let whole = sequence(&[&tbs, &algorithm, &der(3, &[&[0], &signature])]);
    let path = std::env::temp_dir().join(format!("sigillo-x509-{}-{to}.der", std::process::id()));
    fs::write(&path, whole).unwrap();
    path
}

/// What `openssl x509` makes of it.
fn pem(certificate: &PathBuf) -> PathBuf {
    let pem = certificate.with_extension("pem");
    let converted = Command::new("openssl")
        .args(["x509", "-inform", "DER", "-in"])
        .arg(certificate)
        .arg("-out")
        .arg(&pem)
        .output()
        .expect("openssl is installed");
    assert!(converted.status.success(), "{}", String::from_utf8_lossy(&converted.stderr));
    pem
}

/// Makes a certificate of a signing key by itself and one of a key by it, and lets openssl verify both.
fn verified_by_openssl(
    what: &str,
    signer: TpmtPublic,
    scheme: Option<SigScheme>,
    key: TpmtPublic,
    usage: &[u8],
) {
    let mut tpm = started();
    let signer = primary(&mut tpm, Hierarchy::Owner, signer);
    let root = Fields::new("authority", &[&authority(), &key_usage(SIGNING)]);
    let of_root = tpm.call(&certify(signer, signer, scheme, &root.partial())).unwrap();
    let attributes = key.object_attributes.bits();
    let object = primary(&mut tpm, Hierarchy::Owner, key);
    let leaf = Fields::new("key", &[&key_usage(usage), &tpma_object(attributes)]);
    let of_leaf = tpm.call(&certify(object, signer, scheme, &leaf.partial())).unwrap();
    let root = pem(&certificate(&root, &of_root, &format!("{what}-root")));
    let leaf = pem(&certificate(&leaf, &of_leaf, &format!("{what}-leaf")));
    let verify = Command::new("openssl").args(["verify", "-CAfile"]).args([&root, &leaf]).output().unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
    for file in [root, leaf] {
        let _ = fs::remove_file(file.with_extension("der"));
        let _ = fs::remove_file(file);
    }
}

#[test]
fn openssl_verifies_an_ecdsa_certificate_of_an_rsa_parent() {
    let signer = template::ecc_signing(EccCurve::NistP384, None, false);
    let scheme = SigScheme::Ecdsa { hash_alg: HashAlg::Sha384 };
    // keyEncipherment.
    verified_by_openssl("ecdsa", signer, Some(scheme), template::rsa_storage(), &[5, 0x20]);
}

#[test]
fn openssl_verifies_rsa_certificates_of_an_ecc_key() {
    let key = template::ecc_decryption(EccCurve::NistP256);
    // keyAgreement.
    let usage = &[3, 0x08];
    let signer = template::rsa_signing(None, false);
    let scheme = SigScheme::Rsassa { hash_alg: HashAlg::Sha256 };
    verified_by_openssl("rsassa", signer, Some(scheme), key.clone(), usage);
    let signer = template::rsa_signing(Some(RsaScheme::Rsapss { hash_alg: HashAlg::Sha512 }), true);
    verified_by_openssl("rsapss", signer, None, key, usage);
}

/// The registered identifier of SM2 is for another digest than the TPM signs: nobody could verify such a certificate.
#[test]
fn an_sm2_signer_needs_an_algorithm_from_the_caller() {
    let mut tpm = started_with_everything();
    let scheme = SigScheme::Sm2 { hash_alg: HashAlg::Sm3_256 };
    let signer = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::Sm2P256, None, false));
    let mut fields = Fields::new("key", &[&key_usage(SIGNING)]);
    let without = certify(signer, signer, Some(scheme), &fields.partial());
    assert_eq!(refused(&mut tpm, &without), rc::SCHEME.at(CertifyX509::IN_SCHEME));
    fields.algorithm = Some(sequence(&[&[6, 3, 0x2A, 3, 4]]));
    tpm.call(&certify(signer, signer, Some(scheme), &fields.partial())).expect("the caller knows what it is");
}

/// A signing key and a signing key to certify.
fn keys(tpm: &mut TestTpm) -> (ObjectHandle, ObjectHandle) {
    let key = || template::ecc_signing(EccCurve::NistP256, None, false);
    (primary(tpm, Hierarchy::Owner, key()), primary(tpm, Hierarchy::Platform, key()))
}

#[test]
fn no_two_certificates_have_the_same_serial_number() {
    let mut tpm = started();
    let (object, signer) = keys(&mut tpm);
    let command = certify(object, signer, ECDSA, &Fields::new("key", &[&key_usage(SIGNING)]).partial());
    let added = [(); 2].map(|()| tpm.call(&command).unwrap().added_to_certificate);
    let serials = added.each_ref().map(|added| elements(elements(added)[0].1)[1].1.to_vec());
    assert_ne!(serials[0], serials[1]);
    for serial in serials {
        assert!(serial.len() <= 20 && serial[0] & 0x80 == 0, "{serial:?}");
    }
}

#[test]
fn an_algorithm_that_the_caller_gives_is_used_and_not_added() {
    let mut tpm = started();
    let (object, signer) = keys(&mut tpm);
    let mut fields = Fields::new("key", &[&key_usage(SIGNING)]);
    fields.algorithm = Some(sequence(&[&[6, 3, 0x2A, 3, 4]]));
    let answer = tpm.call(&certify(object, signer, ECDSA, &fields.partial())).unwrap();
    let tbs = fields.complete(&answer.added_to_certificate);
    assert_eq!(answer.tbs_digest.to_vec(), hash(HashAlg::Sha256, &[&tbs]).to_vec());
}

#[test]
fn key_usage_must_be_what_the_attributes_allow() {
    let mut tpm = started();
    let signer = primary(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    let bits: [&[u8]; 9] =
        [&[7, 0x80], &[6, 0x40], &[5, 0x20], &[4, 0x10], &[3, 8], &[2, 4], &[1, 2], &[0, 1], &[7, 0, 0x80]];
    let mut loose = template::ecc_signing(EccCurve::NistP256, None, false);
    loose.object_attributes.remove(TpmaObject::FIXED_TPM | TpmaObject::FIXED_PARENT);
    let all = [
        (template::ecc_signing(EccCurve::NistP256, None, false), [1, 1, 0, 0, 0, 1, 1, 0, 0]),
        (template::ecc_decryption(EccCurve::NistP256), [0, 1, 0, 1, 1, 0, 0, 1, 1]),
        (template::ecc_storage(), [0, 1, 1, 1, 1, 0, 0, 1, 1]),
    ];
    for (public, allowed) in all {
        let object = primary(&mut tpm, Hierarchy::Owner, public);
        for (usage, allowed) in bits.iter().zip(allowed) {
            let fields = Fields::new("key", &[&key_usage(usage)]);
            let answer = tpm.call(&certify(object, signer, ECDSA, &fields.partial()));
            let expected = if allowed == 1 { None } else { Some(rc::ATTRIBUTES.at(PARTIAL)) };
            assert_eq!(answer.err().map(|error| error.rc().unwrap()), expected, "{usage:?}");
        }
        flush(&mut tpm, object);
    }
}

#[test]
fn attributes_that_are_named_must_be_those_of_the_object() {
    let mut tpm = started();
    let (object, signer) = keys(&mut tpm);
    let own = template::ecc_signing(EccCurve::NistP256, None, false).object_attributes.bits();
    let mut result = |extension: &[u8]| {
        let fields = Fields::new("key", &[&key_usage(SIGNING), extension]);
        tpm.call(&certify(object, signer, ECDSA, &fields.partial()))
            .map(drop)
            .map_err(|error| error.rc().unwrap())
    };
    assert_eq!(result(&tpma_object(own)), Ok(()));
    assert_eq!(result(&tpma_object(own | 1 << 16)), Err(rc::ATTRIBUTES.at(PARTIAL)));
    let short = sequence(&[&[6, 7, 0x67, 0x81, 5, 0x0A, 1, 1, 1], &der(4, &[&[3, 2, 0, 0]])]);
    assert_eq!(result(&short), Err(rc::VALUE.at(PARTIAL)));
}

#[test]
fn what_is_no_partial_certificate_is_refused() {
    let mut tpm = started();
    let (object, signer) = keys(&mut tpm);
    let mut refusal = |partial: &[u8]| -> Rc { refused(&mut tpm, &certify(object, signer, ECDSA, partial)) };
    let value = rc::VALUE.at(PARTIAL);
    let good = Fields::new("key", &[&key_usage(SIGNING)]);
    let whole = good.partial();
    let no_sequence = rc::SIZE.at(PARTIAL);
    for short in 0..whole.len() {
        assert_eq!(refusal(&whole[..short]), no_sequence, "{short}");
    }
    assert_eq!(refusal(&[&whole[..], &[0]].concat()), no_sequence);
    assert_eq!(refusal(&der(0x31, &[&whole])), no_sequence);
    let changed = |change: &dyn Fn(&mut Fields)| {
        let mut fields = Fields::new("key", &[&key_usage(SIGNING)]);
        change(&mut fields);
        fields.partial()
    };
    for wrong in [
        changed(&|fields| fields.issuer = Vec::new()),
        changed(&|fields| fields.issuer = der(0x31, &[])),
        changed(&|fields| fields.algorithm = Some([sequence(&[]), sequence(&[])].concat())),
        changed(&|fields| fields.algorithm = Some(der(2, &[&[1]]))),
        changed(&|fields| fields.extensions = sequence(&[&sequence(&[&key_usage(SIGNING)])])),
        changed(&|fields| fields.extensions = extensions(&[])),
        changed(&|fields| fields.extensions = extensions(&[&authority()])),
        changed(&|fields| fields.extensions = extensions(&[&key_usage(SIGNING), &key_usage(SIGNING)])),
        changed(&|fields| fields.extensions = extensions(&[&key_usage(&[0, 0, 0x40])])),
        changed(&|fields| fields.extensions = extensions(&[&key_usage(&[8, 0x80])])),
        changed(&|fields| fields.extensions = extensions(&[&key_usage(&[])])),
        changed(&|fields| fields.extensions = extensions(&[&sequence(&[&[6, 3, 0x55, 0x1D, 0x0F]])])),
    ] {
        assert_eq!(refusal(&wrong), value, "{wrong:02x?}");
    }
}

#[test]
fn octets_that_are_changed_at_random_do_no_harm() {
    let mut tpm = started();
    let (object, signer) = keys(&mut tpm);
    let whole = Fields::new("key", &[&key_usage(SIGNING), &tpma_object(0)]).partial();
    let mut known = 1_u32;
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        known = known.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        changed[at] ^= u8::try_from(known >> 24).unwrap() | 1;
        // Whatever it says: the TPM goes on.
        let _ = tpm.call(&certify(object, signer, ECDSA, &changed));
    }
    assert_eq!(
        refused(&mut tpm, &certify(object, signer, ECDSA, &whole)),
        rc::ATTRIBUTES.at(PARTIAL),
        "the attributes are not 0"
    );
}

#[test]
fn handles_scheme_and_the_reserved_parameter_are_checked() {
    let mut tpm = started();
    let (object, signer) = keys(&mut tpm);
    let partial = Fields::new("key", &[&key_usage(SIGNING)]).partial();
    let mut reserved = certify(object, signer, ECDSA, &partial);
    reserved.reserved = Tpm2bData::from([0]);
    assert_eq!(refused(&mut tpm, &reserved), rc::SIZE.at(CertifyX509::RESERVED));
    let none = certify(object, signer, None, &partial);
    assert_eq!(refused(&mut tpm, &none), rc::SCHEME.at(CertifyX509::IN_SCHEME));
    flush(&mut tpm, object);
    let storage = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let by_parent = certify(signer, storage, ECDSA, &partial);
    assert_eq!(refused(&mut tpm, &by_parent), rc::KEY.at(CertifyX509::SIGN_HANDLE));
    flush(&mut tpm, storage);
    let hmac = primary(&mut tpm, Hierarchy::Owner, template::hmac_key(HashAlg::Sha256));
    let of_hmac = certify(hmac, signer, ECDSA, &partial);
    assert_eq!(refused(&mut tpm, &of_hmac), rc::ASYMMETRIC.at(CertifyX509::OBJECT_HANDLE));
    let nothing_of_hmac = certify(hmac, signer, ECDSA, b"");
    assert_eq!(
        refused(&mut tpm, &nothing_of_hmac),
        rc::ASYMMETRIC.at(CertifyX509::OBJECT_HANDLE),
        "the key comes first"
    );
    let by_hmac = certify(signer, hmac, None, &partial);
    assert_eq!(refused(&mut tpm, &by_hmac), rc::SCHEME.at(CertifyX509::IN_SCHEME));
    let start = HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg: Some(HashAlg::Sha256) };
    let sequence = handle(tpm.call(&start).unwrap().sequence_handle);
    let of_sequence = certify(sequence, signer, ECDSA, &partial);
    assert_eq!(refused(&mut tpm, &of_sequence), rc::TYPE.at(CertifyX509::OBJECT_HANDLE));
    let by_sequence = certify(signer, sequence, ECDSA, &partial);
    assert_eq!(refused(&mut tpm, &by_sequence), rc::TYPE.at(CertifyX509::SIGN_HANDLE));
}
