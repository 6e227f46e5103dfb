//! What a public area may say. Part 2, 8.3.3 and 12.2; Part 3, 12.1.
//!
//! Everything here answers a code about the public area.

use crate::{Profile, state::Object};
use sigillo_crypto::rsa;
use sigillo_types::{
    EccCurve, Fmt1, HashAlg,
    alg::{KdfAlg, SymMode},
    attributes::TpmaObject,
    rc,
    structures::{
        EccScheme, KeyedHashScheme, PublicParms, RsaScheme, SymDefObject, TpmsEccParms, TpmsRsaParms,
        TpmtPublic,
    },
};

/// Where a new object comes from.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// From a hierarchy's seed: `fixedTPM`, `restricted` and `decrypt` count as SET in the parent. Part 3, 24.1.
    Primary,
    /// From the random number generator, below a parent.
    Child(&'a Object),
}

impl<'a> Origin<'a> {
    fn parent(self) -> Option<&'a Object> {
        match self {
            Self::Primary => None,
            Self::Child(parent) => Some(parent),
        }
    }
}

/// What a creation template must satisfy. Part 3, 12.1.
///
/// # Errors
/// - `ATTRIBUTES`: the attributes contradict each other, the parent's, or what the caller gave as sensitive data.
/// - `VALUE`: keys of that size are not made.
/// - `RANGE`: keys with that exponent are not made.
/// - `SYMMETRIC`: a parent whose mode is not CFB.
/// - as [`attributes`].
pub(crate) fn creation(
    profile: &Profile,
    public: &TpmtPublic,
    origin: Origin<'_>,
    data_given: bool,
) -> Result<(), Fmt1> {
    let own = public.object_attributes;
    let tpm_makes_data = own.contains(TpmaObject::SENSITIVE_DATA_ORIGIN);
    let asymmetric = is_asymmetric(public);
    if !tpm_makes_data && (!data_given || asymmetric) {
        return Err(rc::ATTRIBUTES);
    }
    // Of an asymmetric primary key the data is not the key but makes it another one. Part 1, 24.3.3.
    if tpm_makes_data && data_given && !(asymmetric && matches!(origin, Origin::Primary)) {
        return Err(rc::ATTRIBUTES);
    }
    if is_data_object(public) && tpm_makes_data {
        return Err(rc::ATTRIBUTES);
    }
    // What cannot have come from elsewhere must not have a secret that did.
    if own.contains(TpmaObject::RESTRICTED)
        && !tpm_makes_data
        && own.intersects(TpmaObject::FIXED_TPM | TpmaObject::FIXED_PARENT)
    {
        return Err(rc::ATTRIBUTES);
    }
    hierarchy_limits(public, origin.parent())?;
    attributes(public, origin.parent())?;
    parent_mode(profile, public)?;
    if let PublicParms::Rsa(parms) = &public.parameters {
        rsa_generation(profile, parms)?;
    }
    Ok(())
}

/// What the template of a derived object must satisfy. The secret is neither the caller's nor the TPM's, so sensitiveDataOrigin is CLEAR; and
/// every TPM wants fixedParent SET, since nothing but its parent makes the object again. Part 1, 25.3; Part 3, 12.9.
///
/// # Errors
/// - `ATTRIBUTES`: sensitiveDataOrigin is SET or fixedParent is CLEAR.
/// - as [`attributes`], and for limits to a hierarchy and the mode of a parent as [`creation`].
pub(crate) fn derivation(profile: &Profile, public: &TpmtPublic, parent: &Object) -> Result<(), Fmt1> {
    let own = public.object_attributes;
    if own.contains(TpmaObject::SENSITIVE_DATA_ORIGIN) || !own.contains(TpmaObject::FIXED_PARENT) {
        return Err(rc::ATTRIBUTES);
    }
    hierarchy_limits(public, Some(parent))?;
    attributes(public, Some(parent))?;
    parent_mode(profile, public)
}

/// Children are protected in CFB mode whatever their parent's public area says, which therefore says that. A parent that another TPM made with
/// another mode can be loaded. Part 2, 11.1.7 and Part 3, 12.1.
fn parent_mode(profile: &Profile, public: &TpmtPublic) -> Result<(), Fmt1> {
    let cipher = match &public.parameters {
        PublicParms::SymCipher(parms) => Some(parms.sym),
        PublicParms::Rsa(parms) => parms.symmetric,
        PublicParms::Ecc(parms) => parms.symmetric,
        PublicParms::KeyedHash(_) => None,
    };
    let is_parent = public.object_attributes.contains(TpmaObject::RESTRICTED | TpmaObject::DECRYPT);
    match cipher {
        Some(cipher) if is_parent && !profile.any_parent_mode && cipher.mode() != Some(SymMode::Cfb) => {
            Err(rc::SYMMETRIC)
        }
        Some(_) | None => Ok(()),
    }
}

/// An object is bound to a firmware or its version only below a parent that is, and if it cannot leave the TPM. Part 2, 8.3.3.
fn hierarchy_limits(public: &TpmtPublic, parent: Option<&Object>) -> Result<(), Fmt1> {
    let own = public.object_attributes;
    let limits = TpmaObject::FIRMWARE_LIMITED | TpmaObject::SVN_LIMITED;
    let inherited = parent.map_or(TpmaObject::empty(), |parent| parent.attributes() & limits);
    if !inherited.contains(own & limits) || own.intersects(limits) && !own.contains(TpmaObject::FIXED_TPM) {
        return Err(rc::ATTRIBUTES);
    }
    Ok(())
}

fn rsa_generation(profile: &Profile, parms: &TpmsRsaParms) -> Result<(), Fmt1> {
    if !profile.generated_rsa_bits.contains(parms.key_bits.bits()) {
        return Err(rc::VALUE);
    }
    // An exponent below the default weakens the key, and one that is not prime spoils half of the candidates.
    if parms.exponent != 0 && (parms.exponent < rsa::DEFAULT_EXPONENT || !is_prime(parms.exponent)) {
        return Err(rc::RANGE);
    }
    Ok(())
}

fn is_prime(n: u32) -> bool {
    n > 2 && !n.is_multiple_of(2) && (3..=n.isqrt()).step_by(2).all(|d| !n.is_multiple_of(d))
}

/// The rules for the attributes of an object with a sensitive area, in creation, loading and import. Without a parent, one with
/// `fixedTPM` is assumed. Part 2, 8.3.3.
///
/// # Errors
/// - `HASH`: no nameAlg.
/// - `SIZE`: authPolicy is neither empty nor as long as a digest of nameAlg.
/// - `ATTRIBUTES`: the attributes contradict each other or the parent's.
/// - as [`scheme`].
pub(crate) fn attributes(public: &TpmtPublic, parent: Option<&Object>) -> Result<(), Fmt1> {
    let own = public.object_attributes;
    let has = |attribute| own.contains(attribute);
    if public.name_alg.is_none() {
        return Err(rc::HASH);
    }
    policy_size(public)?;
    let fixed_parent_tpm = parent.is_none_or(|parent| parent.attributes().contains(TpmaObject::FIXED_TPM));
    if fixed_parent_tpm {
        if has(TpmaObject::FIXED_TPM) != has(TpmaObject::FIXED_PARENT) {
            return Err(rc::ATTRIBUTES);
        }
    } else if has(TpmaObject::FIXED_TPM) {
        return Err(rc::ATTRIBUTES);
    }
    if has(TpmaObject::SIGN) == has(TpmaObject::DECRYPT) {
        let without_use = !has(TpmaObject::SIGN) && !matches!(public.parameters, PublicParms::KeyedHash(_));
        if has(TpmaObject::RESTRICTED) || without_use {
            return Err(rc::ATTRIBUTES);
        }
    }
    if has(TpmaObject::X509_SIGN) && !(has(TpmaObject::SIGN) && is_asymmetric(public)) {
        return Err(rc::ATTRIBUTES);
    }
    if has(TpmaObject::FIXED_TPM) && has(TpmaObject::ENCRYPTED_DUPLICATION) {
        return Err(rc::ATTRIBUTES);
    }
    let duplication = TpmaObject::ENCRYPTED_DUPLICATION;
    if !fixed_parent_tpm && parent.is_some_and(|parent| (parent.attributes() ^ own).contains(duplication)) {
        return Err(rc::ATTRIBUTES);
    }
    scheme(public, parent)
}

/// # Errors
/// `SIZE`: authPolicy is neither empty nor as long as a digest of nameAlg.
pub(crate) fn policy_size(public: &TpmtPublic) -> Result<(), Fmt1> {
    let size = public.name_alg.map_or(0, HashAlg::digest_size);
    if public.auth_policy.is_empty() || public.auth_policy.len() == size { Ok(()) } else { Err(rc::SIZE) }
}

/// The rules for parameters that depend on the attributes. Part 2, 12.2.3.
///
/// # Errors
/// - `SCHEME`: the scheme is not for the type, or not for what the key may do.
/// - `SYMMETRIC`: a parent without a cipher, another key with one, or a cipher other than the parent's where it must be the same.
/// - `HASH`: a nameAlg other than the parent's where it must be the same.
/// - `CURVE`: a storage key on curve 25519.
/// - `KDF`: a key derivation for an ECC key: none of those implemented can be used with one.
pub(crate) fn scheme(public: &TpmtPublic, parent: Option<&Object>) -> Result<(), Fmt1> {
    let own = public.object_attributes;
    let restricted = own.contains(TpmaObject::RESTRICTED);
    let sign = own.contains(TpmaObject::SIGN);
    let decrypt = own.contains(TpmaObject::DECRYPT);
    let storage = restricted && decrypt;
    let cipher = match &public.parameters {
        PublicParms::SymCipher(parms) => {
            // What decrypts must have a mode that does.
            if decrypt && parms.sym.mode() == Some(SymMode::Cmac) {
                return Err(rc::SCHEME);
            }
            Some(parms.sym)
        }
        PublicParms::KeyedHash(parms) => {
            return keyed_hash_scheme(parms.scheme, sign, decrypt, restricted);
        }
        PublicParms::Rsa(parms) => {
            asymmetric_scheme(rsa_use(parms), sign, decrypt, restricted)?;
            parents_cipher(parms.symmetric, storage)?
        }
        PublicParms::Ecc(parms) => {
            asymmetric_scheme(ecc_use(parms), sign, decrypt, restricted)?;
            curve_scheme(parms, storage)?;
            let cipher = parents_cipher(parms.symmetric, storage)?;
            if parms.kdf.is_some() {
                return Err(rc::KDF);
            }
            cipher
        }
    };
    if !storage {
        return Ok(());
    }
    let cipher = cipher.ok_or(rc::SYMMETRIC)?;
    if let Some(parent) = parent.filter(|_| own.contains(TpmaObject::FIXED_PARENT)) {
        if public.name_alg != parent.name_alg() {
            return Err(rc::HASH);
        }
        if parent.symmetric() != Some(cipher) {
            return Err(rc::SYMMETRIC);
        }
    }
    Ok(())
}

/// The cipher that an asymmetric key protects its children with; another key has none.
fn parents_cipher(cipher: Option<SymDefObject>, storage: bool) -> Result<Option<SymDefObject>, Fmt1> {
    if cipher.is_some() && !storage { Err(rc::SYMMETRIC) } else { Ok(cipher) }
}

/// What a key's scheme is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Nothing,
    Signing,
    Decrypting,
    /// One name for two schemes.
    Either,
}

fn rsa_use(parms: &TpmsRsaParms) -> Use {
    match parms.scheme {
        None => Use::Nothing,
        Some(RsaScheme::Rsassa { .. } | RsaScheme::Rsapss { .. }) => Use::Signing,
        Some(RsaScheme::Rsaes | RsaScheme::Oaep { .. }) => Use::Decrypting,
    }
}

fn ecc_use(parms: &TpmsEccParms) -> Use {
    match parms.scheme {
        None => Use::Nothing,
        Some(
            EccScheme::Ecdsa { .. }
            | EccScheme::Ecdaa { .. }
            | EccScheme::EcSchnorr { .. }
            | EccScheme::Eddsa
            | EccScheme::HashEddsa,
        ) => Use::Signing,
        Some(EccScheme::Ecdh { .. } | EccScheme::Ecmqv { .. }) => Use::Decrypting,
        Some(EccScheme::Sm2 { .. }) => Use::Either,
    }
}

/// EdDSA and curve 25519 are for each other alone, and a key says which EdDSA it signs by: it must never do both. Part 2, 12.2.3.5; Part 1,
/// 44.3.2.
///
/// # Errors
/// `SCHEME` for any other scheme of the curve, or none, and for EdDSA on another curve; `CURVE` for a storage key, which has no scheme: X25519
/// is not here.
fn curve_scheme(parms: &TpmsEccParms, storage: bool) -> Result<(), Fmt1> {
    let edwards = parms.curve_id == EccCurve::Curve25519;
    if edwards && storage {
        return Err(rc::CURVE);
    }
    let eddsa = matches!(parms.scheme, Some(EccScheme::Eddsa | EccScheme::HashEddsa));
    if eddsa == edwards { Ok(()) } else { Err(rc::SCHEME) }
}

fn asymmetric_scheme(scheme: Use, sign: bool, decrypt: bool, restricted: bool) -> Result<(), Fmt1> {
    let fits = match (sign, decrypt) {
        // One scheme cannot be for both.
        (true, true) | (false, false) => scheme == Use::Nothing,
        (true, false) => {
            matches!(scheme, Use::Signing | Use::Either) || scheme == Use::Nothing && !restricted
        }
        (false, true) => {
            scheme == Use::Nothing || matches!(scheme, Use::Decrypting | Use::Either) && !restricted
        }
    };
    if fits { Ok(()) } else { Err(rc::SCHEME) }
}

fn keyed_hash_scheme(
    scheme: Option<KeyedHashScheme>,
    sign: bool,
    decrypt: bool,
    restricted: bool,
) -> Result<(), Fmt1> {
    let fits = match (sign, decrypt) {
        (true, true) | (false, false) => scheme.is_none(),
        (true, false) => {
            matches!(scheme, Some(KeyedHashScheme::Hmac { .. })) || scheme.is_none() && !restricted
        }
        (false, true) => match scheme {
            // A derivation parent derives by the one KDF. Part 1, 25.
            Some(KeyedHashScheme::Xor { kdf, .. }) => !restricted || kdf == Some(KdfAlg::Kdf1Sp800108),
            Some(KeyedHashScheme::Hmac { .. }) | None => false,
        },
    };
    if fits { Ok(()) } else { Err(rc::SCHEME) }
}

fn is_asymmetric(public: &TpmtPublic) -> bool {
    matches!(public.parameters, PublicParms::Rsa(_) | PublicParms::Ecc(_))
}

/// Whether the object holds sealed data. Part 3, 12.7.
pub(crate) fn is_data_object(public: &TpmtPublic) -> bool {
    matches!(public.parameters, PublicParms::KeyedHash(_))
        && !public.object_attributes.intersects(TpmaObject::SIGN | TpmaObject::DECRYPT)
}

/// The longest key or data of a keyed hash object: no HMAC key is longer than a block of its hash. Part 1, 24.7.5.1.
pub(crate) fn keyed_hash_max(scheme: Option<KeyedHashScheme>) -> usize {
    let max = sigillo_types::limits::MAX_SYM_DATA;
    match scheme {
        Some(KeyedHashScheme::Hmac { hash_alg } | KeyedHashScheme::Xor { hash_alg, .. }) => {
            hash_alg.block_size().min(max)
        }
        None => max,
    }
}
