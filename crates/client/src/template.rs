//! Public areas that callers use everywhere: storage roots, endorsement keys, signing keys, sealed data.

use sigillo_types::{
    EccCurve, HashAlg,
    alg::{AesKeyBits, RsaKeyBits, SymMode},
    attributes::TpmaObject,
    buffers::{Tpm2bDigest, Tpm2bEccParameter, Tpm2bPublicKeyRsa},
    structures::{
        EccScheme, KeyedHashScheme, PublicId, PublicParms, RsaScheme, SymDefObject, TpmsEccParms,
        TpmsEccPoint, TpmsKeyedhashParms, TpmsRsaParms, TpmtPublic,
    },
};

/// PolicySecret(TPM_RH_ENDORSEMENT) with SHA-256: the policy of endorsement keys. TCG EK Credential Profile, B.3.
pub const EK_POLICY: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd,
    0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];

const AES_128_CFB: SymDefObject =
    SymDefObject::Aes { key_bits: AesKeyBits::Aes128, mode: Some(SymMode::Cfb) };

const KEY: TpmaObject =
    TpmaObject::FIXED_TPM.union(TpmaObject::FIXED_PARENT).union(TpmaObject::SENSITIVE_DATA_ORIGIN);

const STORAGE: TpmaObject = KEY
    .union(TpmaObject::USER_WITH_AUTH)
    .union(TpmaObject::NO_DA)
    .union(TpmaObject::RESTRICTED)
    .union(TpmaObject::DECRYPT);

fn rsa(attributes: TpmaObject, symmetric: Option<SymDefObject>, scheme: Option<RsaScheme>) -> TpmtPublic {
    TpmtPublic {
        name_alg: Some(HashAlg::Sha256),
        object_attributes: attributes,
        auth_policy: Tpm2bDigest::default(),
        parameters: PublicParms::Rsa(TpmsRsaParms {
            symmetric,
            scheme,
            key_bits: RsaKeyBits::Rsa2048,
            exponent: 0,
        }),
        unique: PublicId::Rsa(Tpm2bPublicKeyRsa::default()),
    }
}

fn ecc(
    attributes: TpmaObject,
    curve: EccCurve,
    symmetric: Option<SymDefObject>,
    scheme: Option<EccScheme>,
) -> TpmtPublic {
    TpmtPublic {
        name_alg: Some(HashAlg::Sha256),
        object_attributes: attributes,
        auth_policy: Tpm2bDigest::default(),
        parameters: PublicParms::Ecc(TpmsEccParms { symmetric, scheme, curve_id: curve, kdf: None }),
        unique: PublicId::Ecc(TpmsEccPoint::default()),
    }
}

/// The RSA-2048 storage root key.
#[must_use]
pub fn rsa_storage() -> TpmtPublic {
    rsa(STORAGE, Some(AES_128_CFB), None)
}

/// The P-256 storage root key.
#[must_use]
pub fn ecc_storage() -> TpmtPublic {
    ecc(STORAGE, EccCurve::NistP256, Some(AES_128_CFB), None)
}

/// The RSA-2048 endorsement key, template L-1. TCG EK Credential Profile, B.3.3.
#[must_use]
pub fn rsa_endorsement() -> TpmtPublic {
    let mut public = rsa(ENDORSEMENT, Some(AES_128_CFB), None);
    public.auth_policy = EK_POLICY.into();
    public.unique = PublicId::Rsa([0; 256].into());
    public
}

/// The P-256 endorsement key, template L-2. TCG EK Credential Profile, B.3.4.
#[must_use]
pub fn ecc_endorsement() -> TpmtPublic {
    let mut public = ecc(ENDORSEMENT, EccCurve::NistP256, Some(AES_128_CFB), None);
    public.auth_policy = EK_POLICY.into();
    let zeros = || Tpm2bEccParameter::from([0; 32]);
    public.unique = PublicId::Ecc(TpmsEccPoint { x: zeros(), y: zeros() });
    public
}

const ENDORSEMENT: TpmaObject =
    KEY.union(TpmaObject::ADMIN_WITH_POLICY).union(TpmaObject::RESTRICTED).union(TpmaObject::DECRYPT);

/// An RSA-2048 signing key; `restricted` makes it an attestation key.
#[must_use]
pub fn rsa_signing(scheme: Option<RsaScheme>, restricted: bool) -> TpmtPublic {
    rsa(signing(restricted), None, scheme)
}

/// An ECC signing key; `restricted` makes it an attestation key.
#[must_use]
pub fn ecc_signing(curve: EccCurve, scheme: Option<EccScheme>, restricted: bool) -> TpmtPublic {
    ecc(signing(restricted), curve, None, scheme)
}

fn signing(restricted: bool) -> TpmaObject {
    let attributes = KEY | TpmaObject::USER_WITH_AUTH | TpmaObject::SIGN;
    if restricted { attributes | TpmaObject::RESTRICTED } else { attributes }
}

/// An RSA-2048 decryption key.
#[must_use]
pub fn rsa_decryption(scheme: Option<RsaScheme>) -> TpmtPublic {
    rsa(KEY | TpmaObject::USER_WITH_AUTH | TpmaObject::DECRYPT, None, scheme)
}

/// An ECC key for key agreement.
#[must_use]
pub fn ecc_decryption(curve: EccCurve) -> TpmtPublic {
    ecc(KEY | TpmaObject::USER_WITH_AUTH | TpmaObject::DECRYPT, curve, None, None)
}

/// An HMAC key.
#[must_use]
pub fn hmac_key(hash_alg: HashAlg) -> TpmtPublic {
    keyed_hash(KEY | TpmaObject::USER_WITH_AUTH | TpmaObject::SIGN, Some(KeyedHashScheme::Hmac { hash_alg }))
}

/// Sealed data with an authValue or, if `policy` is not empty, only that policy.
#[must_use]
pub fn sealed(policy: Tpm2bDigest) -> TpmtPublic {
    let attributes = TpmaObject::FIXED_TPM | TpmaObject::FIXED_PARENT;
    let attributes = if policy.is_empty() { attributes | TpmaObject::USER_WITH_AUTH } else { attributes };
    TpmtPublic { auth_policy: policy, ..keyed_hash(attributes, None) }
}

fn keyed_hash(attributes: TpmaObject, scheme: Option<KeyedHashScheme>) -> TpmtPublic {
    TpmtPublic {
        name_alg: Some(HashAlg::Sha256),
        object_attributes: attributes,
        auth_policy: Tpm2bDigest::default(),
        parameters: PublicParms::KeyedHash(TpmsKeyedhashParms { scheme }),
        unique: PublicId::KeyedHash(Tpm2bDigest::default()),
    }
}
