//! The public area of an object. Part 2, 12.2.

use super::{EccScheme, KdfScheme, KeyedHashScheme, RsaScheme, SymDefObject};
use crate::{
    EccCurve, Fmt1, HashAlg,
    alg::{ObjectType, RsaKeyBits, id},
    attributes::TpmaObject,
    buffers::{Tpm2bDigest, Tpm2bEccParameter, Tpm2bLabel, Tpm2bPublicKeyRsa},
    derive::{Marshal, Unmarshal},
    marshal::{self, Bytes, MarshalUnion, Nullable, Reader, UnmarshalUnion, marshal_sized},
};

/// TPMS_KEYEDHASH_PARMS. Part 2, 12.2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsKeyedhashParms {
    /// What the key is for.
    pub scheme: Option<KeyedHashScheme>,
}

/// TPMS_SYMCIPHER_PARMS. Part 2, 11.1.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsSymcipherParms {
    /// The cipher.
    pub sym: SymDefObject,
}

/// TPMS_RSA_PARMS. Part 2, 12.2.3.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsRsaParms {
    /// For a parent, the cipher that protects its children.
    pub symmetric: Option<SymDefObject>,
    /// What the key is for.
    pub scheme: Option<RsaScheme>,
    /// Bits in the modulus.
    pub key_bits: RsaKeyBits,
    /// The public exponent; zero is the default of 65537.
    pub exponent: u32,
}

/// TPMS_ECC_PARMS. Part 2, 12.2.3.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsEccParms {
    /// For a parent, the cipher that protects its children.
    pub symmetric: Option<SymDefObject>,
    /// What the key is for.
    pub scheme: Option<EccScheme>,
    /// The curve.
    pub curve_id: EccCurve,
    /// A key derivation for keys agreed on.
    pub kdf: Option<KdfScheme>,
}

/// TPMU_PUBLIC_PARMS; with its selector in front, TPMT_PUBLIC_PARMS. Part 2, 12.2.3.9 and 12.2.3.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(tag = u16, error = TYPE, gate = algorithm)]
pub enum PublicParms {
    /// Of a keyed hash key or sealed data.
    #[tpm(tag = id::KEYEDHASH)]
    KeyedHash(TpmsKeyedhashParms),
    /// Of a symmetric cipher key.
    #[tpm(tag = id::SYMCIPHER)]
    SymCipher(TpmsSymcipherParms),
    /// Of an RSA key.
    #[tpm(tag = id::RSA)]
    Rsa(TpmsRsaParms),
    /// Of an ECC key.
    #[tpm(tag = id::ECC)]
    Ecc(TpmsEccParms),
}

impl PublicParms {
    /// The type of an object with these parameters.
    #[must_use]
    pub const fn object_type(&self) -> ObjectType {
        match self {
            Self::KeyedHash(_) => ObjectType::KeyedHash,
            Self::SymCipher(_) => ObjectType::SymCipher,
            Self::Rsa(_) => ObjectType::Rsa,
            Self::Ecc(_) => ObjectType::Ecc,
        }
    }
}

/// TPMS_ECC_POINT. Of curve 25519, x holds the point as RFC 8032 encodes it, little-endian, and y nothing. Part 2, 11.2.5.2; Part 1, 44.5.1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsEccPoint {
    /// X coordinate, big-endian.
    pub x: Tpm2bEccParameter,
    /// Y coordinate, big-endian.
    pub y: Tpm2bEccParameter,
}

/// TPM2B_ECC_POINT. Part 2, 11.2.5.3.
#[derive(Clone, Debug, Default, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(sized)]
pub struct Tpm2bEccPoint {
    /// The point.
    pub point: TpmsEccPoint,
}

/// TPMS_DERIVE: what a derived object is derived with. Part 2, 11.1.11.
#[derive(Clone, Debug, Default, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsDerive {
    /// The label.
    pub label: Tpm2bLabel,
    /// The context.
    pub context: Tpm2bLabel,
}

/// TPMU_PUBLIC_ID: what makes a public area unique. Part 2, 12.2.3.2.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(tag = u16, error = SELECTOR)]
pub enum PublicId {
    /// A digest that binds to the sensitive data.
    #[tpm(tag = id::KEYEDHASH)]
    KeyedHash(Tpm2bDigest),
    /// A digest that binds to the key.
    #[tpm(tag = id::SYMCIPHER)]
    SymCipher(Tpm2bDigest),
    /// The modulus.
    #[tpm(tag = id::RSA)]
    Rsa(Tpm2bPublicKeyRsa),
    /// The public point.
    #[tpm(tag = id::ECC)]
    Ecc(TpmsEccPoint),
}

impl PublicId {
    /// The empty value of a template.
    #[must_use]
    pub fn empty(object_type: ObjectType) -> Self {
        match object_type {
            ObjectType::KeyedHash => Self::KeyedHash(Tpm2bDigest::default()),
            ObjectType::SymCipher => Self::SymCipher(Tpm2bDigest::default()),
            ObjectType::Rsa => Self::Rsa(Tpm2bPublicKeyRsa::default()),
            ObjectType::Ecc => Self::Ecc(TpmsEccPoint::default()),
        }
    }
}

/// TPMT_PUBLIC. Its type is that of `parameters`; one that was read has a `unique` of the same type. Part 2, 12.2.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmtPublic {
    /// The hash of the Name; `None` is TPM_ALG_NULL, an object without a Name.
    pub name_alg: Option<HashAlg>,
    /// What may be done with the object.
    pub object_attributes: TpmaObject,
    /// The policy, or the Empty Buffer.
    pub auth_policy: Tpm2bDigest,
    /// The parameters of the type.
    pub parameters: PublicParms,
    /// The public key or what stands for it.
    pub unique: PublicId,
}

impl TpmtPublic {
    /// The type of the object.
    #[must_use]
    pub const fn object_type(&self) -> ObjectType {
        self.parameters.object_type()
    }

    /// Reads a public area that must have a nameAlg, without a size in front: what TPM2B_TEMPLATE holds. Part 2, 12.2.6.
    ///
    /// # Errors
    /// `HASH` without a nameAlg; those of the fields.
    pub fn unmarshal_template(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        Self::unmarshal_named(r, |r| <HashAlg as marshal::Unmarshal>::unmarshal(r).map(Some))
    }

    /// The same with a TPMS_DERIVE in the place of `unique`, which is left empty: what TPM2B_TEMPLATE holds below a derivation parent.
    ///
    /// # Errors
    /// As [`TpmtPublic::unmarshal_template`].
    pub fn unmarshal_derivation(r: &mut Reader<'_>) -> Result<(Self, TpmsDerive), Fmt1> {
        let name_alg = |r: &mut Reader<'_>| <HashAlg as marshal::Unmarshal>::unmarshal(r).map(Some);
        let public = Self::unmarshal_up_to_unique(r, name_alg)?;
        Ok((public, marshal::Unmarshal::unmarshal(r)?))
    }

    fn unmarshal_named(
        r: &mut Reader<'_>,
        name_alg: fn(&mut Reader<'_>) -> Result<Option<HashAlg>, Fmt1>,
    ) -> Result<Self, Fmt1> {
        let public = Self::unmarshal_up_to_unique(r, name_alg)?;
        let unique = PublicId::unmarshal_body(public.object_type().id(), r)?;
        Ok(Self { unique, ..public })
    }

    fn unmarshal_up_to_unique(
        r: &mut Reader<'_>,
        name_alg: fn(&mut Reader<'_>) -> Result<Option<HashAlg>, Fmt1>,
    ) -> Result<Self, Fmt1> {
        use marshal::Unmarshal;
        let object_type = ObjectType::unmarshal(r)?;
        Ok(Self {
            name_alg: name_alg(r)?,
            object_attributes: Unmarshal::unmarshal(r)?,
            auth_policy: Unmarshal::unmarshal(r)?,
            parameters: PublicParms::unmarshal_body(object_type.id(), r)?,
            unique: PublicId::empty(object_type),
        })
    }
}

impl marshal::Marshal for TpmtPublic {
    fn marshal(&self, out: &mut Bytes) {
        self.parameters.selector().marshal(out);
        self.name_alg.marshal(out);
        self.object_attributes.marshal(out);
        self.auth_policy.marshal(out);
        self.parameters.marshal_body(out);
        self.unique.marshal_body(out);
    }
}

impl marshal::Unmarshal for TpmtPublic {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        Self::unmarshal_named(r, HashAlg::unmarshal_nullable)
    }
}

/// TPM2B_PUBLIC: a public area that must have a nameAlg, else `HASH`. Part 2, 12.2.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tpm2bPublic {
    /// The public area.
    pub public_area: TpmtPublic,
}

/// `TPM2B_PUBLIC+`: a public area whose nameAlg may be TPM_ALG_NULL. Part 2, 12.2.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tpm2bPublicPlus {
    /// The public area.
    pub public_area: TpmtPublic,
}

impl From<TpmtPublic> for Tpm2bPublic {
    fn from(public_area: TpmtPublic) -> Self {
        Self { public_area }
    }
}

impl From<TpmtPublic> for Tpm2bPublicPlus {
    fn from(public_area: TpmtPublic) -> Self {
        Self { public_area }
    }
}

impl marshal::Marshal for Tpm2bPublic {
    const SIZED: bool = true;

    fn marshal(&self, out: &mut Bytes) {
        marshal_sized(out, |out| self.public_area.marshal(out));
    }
}

impl marshal::Marshal for Tpm2bPublicPlus {
    const SIZED: bool = true;

    fn marshal(&self, out: &mut Bytes) {
        marshal_sized(out, |out| self.public_area.marshal(out));
    }
}

impl marshal::Unmarshal for Tpm2bPublic {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        let public_area = r.sized_structure(TpmtPublic::unmarshal_template)?;
        Ok(Self { public_area })
    }
}

impl marshal::Unmarshal for Tpm2bPublicPlus {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        let public_area = r.sized_structure(<TpmtPublic as marshal::Unmarshal>::unmarshal)?;
        Ok(Self { public_area })
    }
}

/// TPMS_ALGORITHM_DETAIL_ECC: a curve. Part 2, 11.2.5.8.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsAlgorithmDetailEcc {
    /// The curve.
    pub curve_id: EccCurve,
    /// Bits in a private key.
    pub key_size: u16,
    /// The key derivation that keys of the curve must use, if one is fixed.
    pub kdf: Option<KdfScheme>,
    /// The scheme that keys of the curve must use, if one is fixed.
    pub sign: Option<EccScheme>,
    /// The prime of the field.
    pub p: Tpm2bEccParameter,
    /// The coefficient a.
    pub a: Tpm2bEccParameter,
    /// The coefficient b.
    pub b: Tpm2bEccParameter,
    /// X coordinate of the base point.
    pub g_x: Tpm2bEccParameter,
    /// Y coordinate of the base point.
    pub g_y: Tpm2bEccParameter,
    /// The order of the base point.
    pub n: Tpm2bEccParameter,
    /// The cofactor.
    pub h: Tpm2bEccParameter,
}
