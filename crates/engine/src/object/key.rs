//! Keys in the form that the cryptography takes.

use crate::state::Object;
use alloc::sync::Arc;
use sigillo_crypto::{
    EccCurve, Error,
    ecc::{
        EcPoint, EcPrivate,
        eddsa::{EdPrivate, EdPublic},
    },
    rsa::{DEFAULT_EXPONENT, RsaPrivate, RsaPublic},
};
use sigillo_types::{
    Fmt1, Rc,
    buffers::Tpm2bEccParameter,
    rc,
    structures::{
        PublicId, PublicParms, SensitiveComposite, Tpm2bEccPoint, Tpm2bEccSecretPoint, TpmsEccPoint,
        TpmsEccSecretPoint, TpmtPublic, TpmtSensitive,
    },
};

/// The private part of an asymmetric key, ready for use: taking an RSA key apart costs as much as some operations with it.
#[derive(Clone, Debug)]
pub(crate) enum PrivateKey {
    Rsa(RsaPrivate),
    Ecc(EcPrivate),
    /// On curve 25519.
    Ed25519(EdPrivate),
}

/// Whether it is known that the two parts of a key are of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// An HMAC of this TPM over both says so, with a key that never left it: nobody else can have joined them. ADR 0028.
    Attested,
    /// They may come from anybody: the public key is computed from the private one and compared.
    Unknown,
}

/// The exponent of a public area: zero stands for the default. Part 2, 12.2.3.4.
pub(crate) fn exponent(raw: u32) -> u32 {
    if raw == 0 { DEFAULT_EXPONENT } else { raw }
}

/// The RSA public key of a public area.
///
/// # Errors
/// `KEY` if it is not RSA, or the modulus has not the size of `keyBits`; `VALUE` for an exponent that is even or 1.
pub(crate) fn rsa_public(public: &TpmtPublic) -> Result<RsaPublic, Fmt1> {
    let (PublicParms::Rsa(parms), PublicId::Rsa(modulus)) = (&public.parameters, &public.unique) else {
        return Err(rc::KEY);
    };
    let exponent = exponent(parms.exponent);
    if exponent < 3 || exponent.is_multiple_of(2) {
        return Err(rc::VALUE);
    }
    if modulus.len() != parms.key_bits.modulus_size() {
        return Err(rc::KEY);
    }
    RsaPublic::new(modulus, exponent).map_err(|_| rc::KEY)
}

/// The public point of a public area.
///
/// # Errors
/// `KEY` if it is not ECC, or of curve 25519, whose keys are other ones; `ECC_POINT` if the point is not on the curve.
pub(crate) fn ecc_public(public: &TpmtPublic) -> Result<EcPoint, Fmt1> {
    let (PublicParms::Ecc(parms), PublicId::Ecc(point)) = (&public.parameters, &public.unique) else {
        return Err(rc::KEY);
    };
    if parms.curve_id == EccCurve::Curve25519 {
        return Err(rc::KEY);
    }
    EcPoint::new(parms.curve_id, &point.x, &point.y).map_err(|_| rc::ECC_POINT)
}

/// The EdDSA key of a public area: x holds the point as RFC 8032 has it, y nothing. Part 1, 44.5.1.
///
/// # Errors
/// `KEY` if it is not of curve 25519, `ECC_POINT` if there is not one point of the curve.
pub(crate) fn eddsa_public(public: &TpmtPublic) -> Result<EdPublic, Fmt1> {
    match (&public.parameters, &public.unique) {
        (PublicParms::Ecc(parms), PublicId::Ecc(point)) if parms.curve_id == EccCurve::Curve25519 => {
            let key = EdPublic::new(&point.x).map_err(|_| rc::ECC_POINT)?;
            if point.y.is_empty() { Ok(key) } else { Err(rc::ECC_POINT) }
        }
        _ => Err(rc::KEY),
    }
}

/// The private key of a sensitive area; `None` for a type without one.
///
/// # Errors
/// `BINDING` if it is not the private key of `public`. Where `link` says that it is, an elliptic curve's point is not computed to see it.
pub(crate) fn private_key(
    public: &TpmtPublic,
    sensitive: &TpmtSensitive,
    link: Link,
) -> Result<Option<PrivateKey>, Fmt1> {
    match (&public.parameters, &sensitive.sensitive) {
        (PublicParms::Rsa(_), SensitiveComposite::Rsa(prime)) => {
            let public = rsa_public(public)?;
            let key = RsaPrivate::from_prime(&public, prime).map_err(|_| rc::BINDING)?;
            Ok(Some(PrivateKey::Rsa(key)))
        }
        (PublicParms::Ecc(parms), SensitiveComposite::Ecc(d)) if parms.curve_id == EccCurve::Curve25519 => {
            let key = EdPrivate::new(d).map_err(|_| rc::BINDING)?;
            if key.public() != eddsa_public(public)? {
                return Err(rc::BINDING);
            }
            Ok(Some(PrivateKey::Ed25519(key)))
        }
        (PublicParms::Ecc(parms), SensitiveComposite::Ecc(d)) => {
            let key = EcPrivate::new(parms.curve_id, d).map_err(|_| rc::BINDING)?;
            if link == Link::Unknown && key.public().map_err(|_| rc::BINDING)? != ecc_public(public)? {
                return Err(rc::BINDING);
            }
            Ok(Some(PrivateKey::Ecc(key)))
        }
        _ => Ok(None),
    }
}

/// A point as the TPM gives it: both coordinates in the curve's size. Part 1, 44.5.3.
pub(crate) fn tpms_point(point: &EcPoint) -> Result<TpmsEccPoint, Fmt1> {
    Ok(TpmsEccPoint { x: point.x().try_into()?, y: point.y().try_into()? })
}

/// The point of an EdDSA key. Part 1, 44.5.1.
pub(crate) fn eddsa_point(key: &EdPublic) -> TpmsEccPoint {
    TpmsEccPoint { x: (*key.encoded()).into(), y: Tpm2bEccParameter::default() }
}

/// The point as a parameter.
pub(crate) fn sized_point(point: &EcPoint) -> Result<Tpm2bEccPoint, Fmt1> {
    Ok(Tpm2bEccPoint { point: tpms_point(point)? })
}

/// A point that two sides share, as a parameter.
pub(crate) fn secret_point(point: &EcPoint) -> Result<Tpm2bEccSecretPoint, Fmt1> {
    let point = TpmsEccSecretPoint { x: point.x().try_into()?, y: point.y().try_into()? };
    Ok(Tpm2bEccSecretPoint { point })
}

/// The point of a parameter.
///
/// # Errors
/// `ECC_POINT` if it is not on the curve.
pub(crate) fn point(curve: EccCurve, given: &Tpm2bEccPoint) -> Result<EcPoint, Fmt1> {
    EcPoint::new(curve, &given.point.x, &given.point.y).map_err(|_| rc::ECC_POINT)
}

impl Object {
    /// The private key: as it was made ready when the object was loaded, or, after a restore, from the sensitive area.
    pub(crate) fn private(&self) -> Option<Arc<PrivateKey>> {
        if let Some(key) = &self.private {
            return Some(Arc::clone(key));
        }
        self.made_private(Link::Unknown)
    }

    fn made_private(&self, link: Link) -> Option<Arc<PrivateKey>> {
        private_key(&self.public, self.sensitive.as_ref()?, link).ok().flatten().map(Arc::new)
    }

    /// The same object with its private key ready for use.
    pub(crate) fn prepared(mut self, link: Link) -> Self {
        self.private = self.made_private(link);
        self
    }
}

/// What a failure of a private operation is: a fault is ours, everything else is the caller's `code`.
pub(crate) fn caller_or_fault(error: Error, code: Fmt1) -> Rc {
    match error {
        Error::Fault | Error::ReseedRequired | Error::BadState => rc::FAILURE,
        Error::BadSize
        | Error::BadValue
        | Error::BadPadding
        | Error::BadSignature
        | Error::BadPoint
        | Error::NoResult => code.into(),
    }
}
