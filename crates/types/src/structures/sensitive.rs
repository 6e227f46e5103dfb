//! The sensitive area of an object. Part 2, 11.1.15 and 12.3. Every field is erased when dropped.

use crate::{
    Fmt1,
    alg::{ObjectType, id},
    buffers::{
        Tpm2bAuth, Tpm2bEccPrivate, Tpm2bPrivateKeyRsa, Tpm2bSecretDigest, Tpm2bSensitiveData, Tpm2bSymKey,
    },
    derive::{Marshal, Unmarshal},
    marshal::{self, Bytes, MarshalUnion, Nullable, Reader, UnmarshalUnion},
};

/// TPMS_SENSITIVE_CREATE: what the caller puts into a new object. Part 2, 11.1.15.
#[derive(Clone, Debug, Default, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsSensitiveCreate {
    /// The authValue.
    pub user_auth: Tpm2bAuth,
    /// The data to seal, the key, or what to derive with; empty if the TPM makes the key.
    pub data: Tpm2bSensitiveData,
}

/// TPM2B_SENSITIVE_CREATE. Part 2, 11.1.16.
#[derive(Clone, Debug, Default, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(sized)]
pub struct Tpm2bSensitiveCreate {
    /// The sensitive data.
    pub sensitive: TpmsSensitiveCreate,
}

/// TPMS_ECC_POINT where it is a secret that two sides share. Part 2, 11.2.5.2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsEccSecretPoint {
    /// X coordinate, big-endian.
    pub x: Tpm2bEccPrivate,
    /// Y coordinate, big-endian.
    pub y: Tpm2bEccPrivate,
}

/// TPM2B_ECC_POINT where it is such a secret. Part 2, 11.2.5.3.
#[derive(Clone, Debug, Default, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(sized)]
pub struct Tpm2bEccSecretPoint {
    /// The point.
    pub point: TpmsEccSecretPoint,
}

/// TPMU_SENSITIVE_COMPOSITE. Part 2, 12.3.2.3.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(tag = u16, error = SELECTOR)]
pub enum SensitiveComposite {
    /// One prime of the modulus.
    #[tpm(tag = id::RSA)]
    Rsa(Tpm2bPrivateKeyRsa),
    /// The private key.
    #[tpm(tag = id::ECC)]
    Ecc(Tpm2bEccPrivate),
    /// Sealed data or an HMAC key.
    #[tpm(tag = id::KEYEDHASH)]
    Bits(Tpm2bSensitiveData),
    /// A symmetric key.
    #[tpm(tag = id::SYMCIPHER)]
    Sym(Tpm2bSymKey),
}

impl SensitiveComposite {
    /// The type of an object with this private part.
    #[must_use]
    pub const fn object_type(&self) -> ObjectType {
        match self {
            Self::Rsa(_) => ObjectType::Rsa,
            Self::Ecc(_) => ObjectType::Ecc,
            Self::Bits(_) => ObjectType::KeyedHash,
            Self::Sym(_) => ObjectType::SymCipher,
        }
    }
}

/// TPMT_SENSITIVE; `sensitiveType` is that of `sensitive`. Part 2, 12.3.2.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmtSensitive {
    /// The authValue.
    pub auth_value: Tpm2bAuth,
    /// For a parent the seed of its children's protection; otherwise what makes `unique` unguessable; or empty.
    pub seed_value: Tpm2bSecretDigest,
    /// The private part of the type.
    pub sensitive: SensitiveComposite,
}

impl TpmtSensitive {
    /// `sensitiveType`.
    #[must_use]
    pub const fn object_type(&self) -> ObjectType {
        self.sensitive.object_type()
    }
}

impl marshal::Marshal for TpmtSensitive {
    fn marshal(&self, out: &mut Bytes) {
        self.sensitive.selector().marshal(out);
        self.auth_value.marshal(out);
        self.seed_value.marshal(out);
        self.sensitive.marshal_body(out);
    }
}

impl marshal::Unmarshal for TpmtSensitive {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        use marshal::Unmarshal;
        let selector = ObjectType::unmarshal(r)?.id();
        Ok(Self {
            auth_value: Unmarshal::unmarshal(r)?,
            seed_value: Unmarshal::unmarshal(r)?,
            sensitive: SensitiveComposite::unmarshal_body(selector, r)?,
        })
    }
}

/// TPM2B_SENSITIVE. `None` is the Empty Buffer, where the sensitive area may be left out. Part 2, 12.3.3.
#[derive(Clone, Debug, PartialEq, Eq, Marshal, Unmarshal)]
#[tpm(sized)]
pub struct Tpm2bSensitive {
    /// The sensitive area.
    pub sensitive_area: TpmtSensitive,
}

impl From<TpmtSensitive> for Tpm2bSensitive {
    fn from(sensitive_area: TpmtSensitive) -> Self {
        Self { sensitive_area }
    }
}

impl Nullable for Tpm2bSensitive {
    fn unmarshal_nullable(r: &mut Reader<'_>) -> Result<Option<Self>, Fmt1> {
        let mut ahead = r.clone();
        if <u16 as marshal::Unmarshal>::unmarshal(&mut ahead)? == 0 {
            *r = ahead;
            return Ok(None);
        }
        <Self as marshal::Unmarshal>::unmarshal(r).map(Some)
    }

    fn marshal_null(out: &mut Bytes) {
        marshal::Marshal::marshal(&0u16, out);
    }
}
