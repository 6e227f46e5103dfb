//! What TPM2_CertifyX509 reads of a partial certificate and adds to it. Part 3, 18.8; RFC 5280, 4.1 and 4.2.1.3; RFC 3279, 4055, 5480, 5758 and 8410.

use crate::{
    der::{self, NotDer, bit_string, element, tag, unsigned},
    object::key,
    state::Object,
};
use alloc::vec::Vec;
use sigillo_crypto::{HashAlg, hash::hash_oid};
use sigillo_types::{
    EccCurve, Fmt1, Marshal,
    attributes::TpmaObject,
    rc,
    structures::{EccScheme, PublicId, PublicParms, SigScheme},
};

/// Version 3.
const VERSION: [u8; 5] = [tag::explicit(0), 3, tag::INTEGER, 1, 2];

// Object identifiers, without tag and length.
const KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x0F];
/// tcg-tpmaObject: 2.23.133.10.1.1.1.
const TPMA_OBJECT: &[u8] = &[0x67, 0x81, 0x05, 0x0A, 0x01, 0x01, 0x01];
const RSA_ENCRYPTION: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
const RSA_PSS: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A];
const MGF1: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x08];
const EC_PUBLIC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
/// id-Ed25519. RFC 8410, 3.
const ED25519: &[u8] = &[0x2B, 0x65, 0x70];

// TPMA_X509_KEY_USAGE. Part 2, 8.11.
const DIGITAL_SIGNATURE: u32 = 1 << 31;
const NON_REPUDIATION: u32 = 1 << 30;
const KEY_ENCIPHERMENT: u32 = 1 << 29;
const DATA_ENCIPHERMENT: u32 = 1 << 28;
const KEY_AGREEMENT: u32 = 1 << 27;
const KEY_CERT_SIGN: u32 = 1 << 26;
const CRL_SIGN: u32 = 1 << 25;
const ENCIPHER_ONLY: u32 = 1 << 24;
const DECIPHER_ONLY: u32 = 1 << 23;
const RESERVED: u32 = DECIPHER_ONLY - 1;

/// The elements that the caller gives, each with its tag and length.
pub(crate) struct Partial<'a> {
    algorithm: Option<&'a [u8]>,
    issuer: &'a [u8],
    validity: &'a [u8],
    subject: &'a [u8],
    extensions: &'a [u8],
    /// What the public key is to be used for.
    key_usage: u32,
    /// The attributes it is said to have.
    tpma_object: Option<u32>,
}

/// What is in the SEQUENCE that a partial certificate is.
///
/// # Errors
/// `NotDer` if it is not one SEQUENCE and nothing else.
pub(crate) fn fields(bytes: &[u8]) -> Result<&[u8], NotDer> {
    der::only(bytes)?.expect(tag::SEQUENCE)
}

impl<'a> Partial<'a> {
    /// Takes the elements of a partial certificate apart.
    ///
    /// # Errors
    /// `NotDer` if they are not the four or five, or the extensions cannot be read, have no key usage, or two of one kind.
    pub(crate) fn read(fields: &'a [u8]) -> Result<Self, NotDer> {
        let fields = der::elements(fields).collect::<Result<Vec<_>, _>>()?;
        let (algorithm, [issuer, validity, subject, extensions]) = match *fields.as_slice() {
            [issuer, validity, subject, extensions] => (None, [issuer, validity, subject, extensions]),
            [algorithm, issuer, validity, subject, extensions] => {
                (Some(algorithm), [issuer, validity, subject, extensions])
            }
            _ => return Err(NotDer),
        };
        for sequence in algorithm.iter().chain([&issuer, &validity, &subject]) {
            sequence.expect(tag::SEQUENCE)?;
        }
        let list = der::only(extensions.expect(tag::explicit(3))?)?.expect(tag::SEQUENCE)?;
        let (mut key_usage, mut tpma_object) = (None, None);
        for extension in der::elements(list) {
            let (oid, value) = read_extension(extension?.expect(tag::SEQUENCE)?)?;
            let known = match oid {
                KEY_USAGE => &mut key_usage,
                TPMA_OBJECT => &mut tpma_object,
                _ => continue,
            };
            // The second could say something else to whoever reads the certificate.
            if known.replace(der::only(value)?.expect(tag::BIT_STRING)?).is_some() {
                return Err(NotDer);
            }
        }
        let key_usage = der::bits(key_usage.ok_or(NotDer)?)?;
        let tpma_object = tpma_object.map(attributes_word).transpose()?;
        if key_usage & RESERVED != 0 {
            return Err(NotDer);
        }
        let [issuer, validity, subject, extensions] =
            [issuer, validity, subject, extensions].map(|field| field.whole);
        let algorithm = algorithm.map(|field| field.whole);
        Ok(Self { algorithm, issuer, validity, subject, extensions, key_usage, tpma_object })
    }

    /// Whether the object may be used as the certificate will say.
    ///
    /// # Errors
    /// `ATTRIBUTES` if not.
    pub(crate) fn check(&self, object: &Object) -> Result<(), Fmt1> {
        let own = object.attributes();
        let asymmetric = matches!(object.public.parameters, PublicParms::Rsa(_) | PublicParms::Ecc(_));
        let parent = asymmetric && own.contains(TpmaObject::RESTRICTED | TpmaObject::DECRYPT);
        let rules = [
            (DIGITAL_SIGNATURE | KEY_CERT_SIGN | CRL_SIGN, own.contains(TpmaObject::SIGN)),
            (NON_REPUDIATION, own.contains(TpmaObject::FIXED_TPM)),
            (KEY_ENCIPHERMENT, parent),
            (
                DATA_ENCIPHERMENT | KEY_AGREEMENT | ENCIPHER_ONLY | DECIPHER_ONLY,
                own.contains(TpmaObject::DECRYPT),
            ),
        ];
        let usable = rules.iter().all(|(usage, allowed)| self.key_usage & usage == 0 || *allowed);
        let named = self.tpma_object.is_none_or(|attributes| attributes == own.bits());
        if usable && named { Ok(()) } else { Err(rc::ATTRIBUTES) }
    }

    /// The AlgorithmIdentifier to add: none if the caller gave one.
    ///
    /// # Errors
    /// `SCHEME` if the scheme has no identifier here.
    pub(crate) fn missing_algorithm(
        &self,
        signer: &Object,
        scheme: SigScheme,
    ) -> Result<Option<Vec<u8>>, Fmt1> {
        match self.algorithm {
            Some(_) => Ok(None),
            None => algorithm(signer, scheme).map(Some).ok_or(rc::SCHEME),
        }
    }

    /// The TBSCertificate.
    pub(crate) fn complete(&self, added: &Added) -> Vec<u8> {
        let algorithm = self.algorithm.or(added.algorithm.as_deref()).unwrap_or_default();
        let fields = [
            &VERSION,
            &added.serial[..],
            algorithm,
            self.issuer,
            self.validity,
            self.subject,
            &added.key,
            self.extensions,
        ];
        element(tag::SEQUENCE, &fields)
    }
}

/// The identifier and the value of an extension, critical or not.
fn read_extension(contents: &[u8]) -> Result<(&[u8], &[u8]), NotDer> {
    let fields = der::elements(contents).collect::<Result<Vec<_>, _>>()?;
    let (oid, value) = match *fields.as_slice() {
        [oid, value] => (oid, value),
        [oid, critical, value] => {
            critical.expect(tag::BOOLEAN)?;
            (oid, value)
        }
        _ => return Err(NotDer),
    };
    Ok((oid.expect(tag::OID)?, value.expect(tag::OCTET_STRING)?))
}

/// A BIT STRING of exactly 32 bits.
fn attributes_word(contents: &[u8]) -> Result<u32, NotDer> {
    match contents {
        [0, _, _, _, _] => der::bits(contents),
        _ => Err(NotDer),
    }
}

/// What the TPM adds to a certificate.
pub(crate) struct Added {
    /// The serial number, an INTEGER.
    pub(crate) serial: Vec<u8>,
    /// AlgorithmIdentifier, unless the caller gave it.
    pub(crate) algorithm: Option<Vec<u8>>,
    /// SubjectPublicKeyInfo.
    pub(crate) key: Vec<u8>,
}

impl Added {
    /// As the command answers it: a SEQUENCE in the order of the certificate.
    pub(crate) fn to_der(&self) -> Vec<u8> {
        let algorithm = self.algorithm.as_deref().unwrap_or_default();
        element(tag::SEQUENCE, &[&VERSION, &self.serial, algorithm, &self.key])
    }
}

fn oid(body: &[u8]) -> Vec<u8> {
    element(tag::OID, &[body])
}

const fn null() -> [u8; 2] {
    [tag::NULL, 0]
}

/// SubjectPublicKeyInfo.
///
/// # Errors
/// `ASYMMETRIC` for an object without a public key; `CURVE` for a curve without an identifier.
pub(crate) fn public_key(object: &Object) -> Result<Vec<u8>, Fmt1> {
    let (algorithm, key) = match (&object.public.parameters, &object.public.unique) {
        (PublicParms::Rsa(parms), PublicId::Rsa(modulus)) => {
            let exponent = key::exponent(parms.exponent).to_be_bytes();
            let numbers = element(tag::SEQUENCE, &[&unsigned(modulus), &unsigned(&exponent)]);
            (element(tag::SEQUENCE, &[&oid(RSA_ENCRYPTION), &null()]), bit_string(&[&numbers]))
        }
        // The identifier is that of the key and of its one use. RFC 8410.
        (PublicParms::Ecc(parms), PublicId::Ecc(_)) if parms.scheme == Some(EccScheme::Eddsa) => {
            let public = key::eddsa_public(&object.public)?;
            (element(tag::SEQUENCE, &[&oid(ED25519)]), bit_string(&[public.encoded()]))
        }
        (PublicParms::Ecc(parms), PublicId::Ecc(_)) => {
            let curve = oid(curve_oid(parms.curve_id).ok_or(rc::CURVE)?);
            let point = key::tpms_point(&key::ecc_public(&object.public)?)?;
            let algorithm = element(tag::SEQUENCE, &[&oid(EC_PUBLIC_KEY), &curve]);
            (algorithm, bit_string(&[&[4], &point.x, &point.y]))
        }
        _ => return Err(rc::ASYMMETRIC),
    };
    Ok(element(tag::SEQUENCE, &[&algorithm, &key]))
}

fn curve_oid(curve: EccCurve) -> Option<&'static [u8]> {
    Some(match curve {
        EccCurve::NistP192 => &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x01],
        EccCurve::NistP224 => &[0x2B, 0x81, 0x04, 0x00, 0x21],
        EccCurve::NistP256 => &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07],
        EccCurve::NistP384 => &[0x2B, 0x81, 0x04, 0x00, 0x22],
        EccCurve::NistP521 => &[0x2B, 0x81, 0x04, 0x00, 0x23],
        EccCurve::Sm2P256 => &[0x2A, 0x81, 0x1C, 0xCF, 0x55, 0x01, 0x82, 0x2D],
        EccCurve::BnP256 | EccCurve::Curve25519 => return None,
    })
}

/// AlgorithmIdentifier of a signature by `signer`; `None` if nobody has given it one.
fn algorithm(signer: &Object, scheme: SigScheme) -> Option<Vec<u8>> {
    match scheme {
        SigScheme::Rsassa { hash_alg } => {
            let (last, sha3) = match hash_alg {
                HashAlg::Sha1 => (0x05, false),
                HashAlg::Sha256 => (0x0B, false),
                HashAlg::Sha384 => (0x0C, false),
                HashAlg::Sha512 => (0x0D, false),
                HashAlg::Sha3_256 => (0x0E, true),
                HashAlg::Sha3_384 => (0x0F, true),
                HashAlg::Sha3_512 => (0x10, true),
                HashAlg::Sm3_256 => return None,
            };
            let body = if sha3 { nist_signature(last) } else { rsa_signature(last) };
            Some(element(tag::SEQUENCE, &[&oid(&body), &null()]))
        }
        SigScheme::Rsapss { hash_alg } => {
            let PublicParms::Rsa(parms) = signer.public.parameters else { return None };
            let size = hash_alg.digest_size();
            let salt = parms.key_bits.modulus_size().checked_sub(size + 2)?.min(size);
            let hash = element(tag::SEQUENCE, &[&oid(hash_oid(hash_alg)), &null()]);
            let mask = element(tag::SEQUENCE, &[&oid(MGF1), &hash]);
            let salt = unsigned(&u16::try_from(salt).ok()?.to_bytes());
            let parameters = element(
                tag::SEQUENCE,
                &[
                    &element(tag::explicit(0), &[&hash]),
                    &element(tag::explicit(1), &[&mask]),
                    &element(tag::explicit(2), &[&salt]),
                ],
            );
            Some(element(tag::SEQUENCE, &[&oid(RSA_PSS), &parameters]))
        }
        SigScheme::Ecdsa { hash_alg } => {
            let body: Vec<u8> = match hash_alg {
                HashAlg::Sha1 => [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x01].into(),
                HashAlg::Sha256 => [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02].into(),
                HashAlg::Sha384 => [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03].into(),
                HashAlg::Sha512 => [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x04].into(),
                HashAlg::Sha3_256 => nist_signature(0x0A),
                HashAlg::Sha3_384 => nist_signature(0x0B),
                HashAlg::Sha3_512 => nist_signature(0x0C),
                HashAlg::Sm3_256 => return None,
            };
            Some(element(tag::SEQUENCE, &[&oid(&body)]))
        }
        // The identifier of SM2 with SM3 stands for a digest that covers the signer's public key too; the TPM signs the certificate's alone.
        SigScheme::Sm2 { .. }
        | SigScheme::Ecdaa { .. }
        | SigScheme::EcSchnorr { .. }
        | SigScheme::Eddsa
        | SigScheme::HashEddsa
        | SigScheme::Hmac { .. } => None,
    }
}

/// 1.2.840.113549.1.1.x.
fn rsa_signature(last: u8) -> Vec<u8> {
    [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, last].into()
}

/// 2.16.840.1.101.3.4.3.x.
fn nist_signature(last: u8) -> Vec<u8> {
    [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, last].into()
}
