//! Whether the two parts of an object belong together, and the object that they make. Part 1, 26; Part 3, 12.2 and 12.3.

use super::{
    key::{self, Link},
    name, qualified_name, template, trimmed_auth,
};
use crate::state::Object;
use alloc::sync::Arc;
use sigillo_crypto::{
    EccCurve, HashAlg, ct_eq, ecc::eddsa::KEY_SIZE, hash::hash, hmac::hmac, sym::is_strong_key,
};
use sigillo_types::{
    Fmt1, Position, Rc,
    attributes::TpmaObject,
    buffers::Tpm2bDigest,
    handles::Hierarchy,
    rc,
    structures::{PublicId, PublicParms, SensitiveComposite, TpmtPublic, TpmtSensitive},
};

/// Which part of an object is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    Public(Fmt1),
    Sensitive(Fmt1),
    /// Each may be right, but not with the other.
    Both(Fmt1),
}

impl Flaw {
    /// The response code, given where the parts stand.
    pub(crate) fn at(self, public: Position, sensitive: Position) -> Rc {
        match self {
            Self::Public(code) => code.at(public),
            Self::Sensitive(code) => code.at(sensitive),
            Self::Both(code) => code.into(),
        }
    }
}

/// Below what an object is loaded.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// A parent, by TPM2_Load.
    Under(&'a Object),
    /// No parent, by TPM2_LoadExternal.
    External(Hierarchy),
}

/// Checks the parts of an object and makes it.
///
/// # Errors
/// As [`consistent`] and [`template::attributes`].
pub(crate) fn object(
    public: TpmtPublic,
    sensitive: Option<TpmtSensitive>,
    place: Place<'_>,
) -> Result<Object, Flaw> {
    let parent = match place {
        Place::Under(parent) => Some(parent),
        Place::External(_) => None,
    };
    // Without a sensitive area, or without a Name to bind it to, the attributes may be anything. Part 3, 12.3.
    if let (Some(sensitive), Some(alg)) = (&sensitive, public.name_alg) {
        if sensitive.seed_value.len() > alg.digest_size() {
            return Err(Flaw::Sensitive(rc::KEY_SIZE));
        }
        template::attributes(&public, parent).map_err(Flaw::Public)?;
    } else {
        template::policy_size(&public).map_err(Flaw::Public)?;
        template::scheme(&public, None).map_err(Flaw::Public)?;
    }
    let private = consistent(&public, sensitive.as_ref(), link(&public, parent))?;
    let sensitive = match sensitive {
        Some(mut sensitive) => {
            sensitive.auth_value =
                trimmed_auth(&sensitive.auth_value, public.name_alg).map_err(Flaw::Sensitive)?;
            Some(sensitive)
        }
        None => None,
    };
    let name = name(&public);
    let own_st_clear = public.object_attributes.contains(TpmaObject::ST_CLEAR);
    Ok(Object {
        qualified_name: parent.map_or_else(
            || name.clone(),
            |parent| qualified_name(&parent.qualified_name, public.name_alg, &name),
        ),
        hierarchy: match place {
            Place::Under(parent) => parent.hierarchy,
            Place::External(hierarchy) => hierarchy,
        },
        external: parent.is_none(),
        primary: false,
        st_clear: own_st_clear || parent.is_some_and(|parent| parent.st_clear),
        public,
        sensitive,
        name,
        private: private.map(Arc::new),
    })
}

/// Whether what makes an object says itself that its parts belong together.
///
/// Below a parent that is fixed to this TPM, the HMAC over the private area and the Name is made with a seed that this TPM drew and never gave
/// away. What it covers came out of TPM2_Create, TPM2_CreateLoaded, TPM2_ObjectChangeAuth or TPM2_Import; and no object that is fixed to this TPM
/// comes by the last, which is the only one that takes both parts from outside. Part 1, 26.2.
fn link(public: &TpmtPublic, parent: Option<&Object>) -> Link {
    let is_fixed = |attributes: TpmaObject| attributes.contains(TpmaObject::FIXED_TPM);
    match parent {
        Some(parent)
            if public.name_alg.is_some()
                && is_fixed(public.object_attributes)
                && is_fixed(parent.attributes())
                && parent.attributes().contains(TpmaObject::SENSITIVE_DATA_ORIGIN)
                && !parent.external =>
        {
            Link::Attested
        }
        Some(_) | None => Link::Unknown,
    }
}

/// Checks that the public area is one of a key, and that the sensitive area, if given, is that key's. Gives the private key, if the type
/// has one.
///
/// # Errors
/// - `TYPE`: the areas are of different types.
/// - `SIZE`: authValue or seedValue has a wrong size.
/// - `KEY`: the public area holds no key of its type and size; `VALUE`: an exponent no key can have.
/// - `KEY` about the sensitive area: a symmetric key that is weak.
/// - `KEY_SIZE`: the private key has not the size that the public area says.
/// - `ECC_POINT`: the point is not on the curve.
/// - `BINDING`: the areas are not of one key, and `link` does not say that they are.
pub(crate) fn consistent(
    public: &TpmtPublic,
    sensitive: Option<&TpmtSensitive>,
    link: Link,
) -> Result<Option<key::PrivateKey>, Flaw> {
    let digest_size = public.name_alg.map(HashAlg::digest_size);
    if let Some(sensitive) = sensitive {
        if sensitive.object_type() != public.object_type() {
            return Err(Flaw::Sensitive(rc::TYPE));
        }
        if digest_size.is_some_and(|size| sensitive.auth_value.len() > size) {
            return Err(Flaw::Sensitive(rc::SIZE));
        }
    }
    public_key(public)?;
    let Some(sensitive) = sensitive else { return Ok(None) };
    private_size(public, sensitive).map_err(Flaw::Sensitive)?;
    if let Some(size) = digest_size {
        seed_size(public, sensitive, size).map_err(Flaw::Sensitive)?;
    }
    if let (Some(alg), Some(unique)) = (public.name_alg, symmetric_unique(public)) {
        let expected = unique_of(alg, sensitive).map_err(Flaw::Sensitive)?;
        let as_a_parent = || is_parent(public) && is_parent_unique(unique, alg, sensitive);
        if !ct_eq(unique, &expected) && !as_a_parent() {
            return Err(Flaw::Both(rc::BINDING));
        }
    }
    key::private_key(public, sensitive, link).map_err(Flaw::Both)
}

fn public_key(public: &TpmtPublic) -> Result<(), Flaw> {
    match &public.parameters {
        PublicParms::Rsa(_) => key::rsa_public(public).map(|_| ()),
        PublicParms::Ecc(parms) if parms.curve_id == EccCurve::Curve25519 => {
            key::eddsa_public(public).map(|_| ())
        }
        PublicParms::Ecc(_) => key::ecc_public(public).map(|_| ()),
        PublicParms::KeyedHash(_) | PublicParms::SymCipher(_) => {
            let size = public.name_alg.map_or(0, HashAlg::digest_size);
            let fits = symmetric_unique(public).is_some_and(|unique| unique.len() == size);
            if fits || public.name_alg.is_none() { Ok(()) } else { Err(rc::KEY) }
        }
    }
    .map_err(Flaw::Public)
}

fn private_size(public: &TpmtPublic, sensitive: &TpmtSensitive) -> Result<(), Fmt1> {
    let fits = match (&public.parameters, &sensitive.sensitive) {
        (PublicParms::Rsa(parms), SensitiveComposite::Rsa(prime)) => {
            let top = prime.first().is_some_and(|octet| octet & 0x80 != 0);
            prime.len() * 2 == parms.key_bits.modulus_size() && top
        }
        // Octets, and no number that could be written in fewer.
        (PublicParms::Ecc(parms), SensitiveComposite::Ecc(d)) if parms.curve_id == EccCurve::Curve25519 => {
            d.len() == KEY_SIZE
        }
        (PublicParms::Ecc(parms), SensitiveComposite::Ecc(d)) => d.len() <= parms.curve_id.coordinate_size(),
        (PublicParms::SymCipher(parms), SensitiveComposite::Sym(key)) => {
            let cipher = parms.sym.cipher();
            if key.len() == cipher.key_size() && !is_strong_key(cipher, key) {
                return Err(rc::KEY);
            }
            key.len() == cipher.key_size()
        }
        (PublicParms::KeyedHash(parms), SensitiveComposite::Bits(bits)) => {
            bits.len() <= template::keyed_hash_max(parms.scheme)
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(rc::KEY_SIZE) }
}

/// Part 1, 24.7.4.
fn seed_size(public: &TpmtPublic, sensitive: &TpmtSensitive, digest_size: usize) -> Result<(), Fmt1> {
    let size = sensitive.seed_value.len();
    let storage = public.object_attributes.contains(TpmaObject::RESTRICTED | TpmaObject::DECRYPT);
    if symmetric_unique(public).is_some() {
        if size == digest_size { Ok(()) } else { Err(rc::KEY_SIZE) }
    } else if storage && size < digest_size / 2 {
        Err(rc::SIZE)
    } else {
        Ok(())
    }
}

/// `unique` where it is a digest and not a public key.
fn symmetric_unique(public: &TpmtPublic) -> Option<&Tpm2bDigest> {
    match &public.unique {
        PublicId::KeyedHash(unique) | PublicId::SymCipher(unique) => Some(unique),
        PublicId::Rsa(_) | PublicId::Ecc(_) => None,
    }
}

fn is_parent(public: &TpmtPublic) -> bool {
    public.object_attributes.contains(TpmaObject::RESTRICTED | TpmaObject::DECRYPT)
}

/// `HMAC(seedValue, sensitive)`: what TPMs made from the reference code give a symmetric parent as `unique`. It binds as well, and what was
/// duplicated from such a TPM has it.
fn is_parent_unique(unique: &Tpm2bDigest, alg: HashAlg, sensitive: &TpmtSensitive) -> bool {
    symmetric_secret(sensitive)
        .is_ok_and(|secret| ct_eq(unique, &hmac(alg, &sensitive.seed_value, &[secret])))
}

/// The key or data of a symmetric object.
///
/// # Errors
/// `TYPE` for an asymmetric key.
fn symmetric_secret(sensitive: &TpmtSensitive) -> Result<&[u8], Fmt1> {
    match &sensitive.sensitive {
        SensitiveComposite::Bits(bits) => Ok(bits),
        SensitiveComposite::Sym(key) => Ok(key),
        SensitiveComposite::Rsa(_) | SensitiveComposite::Ecc(_) => Err(rc::TYPE),
    }
}

/// `H(seedValue || sensitive)`: what a symmetric object's `unique` must be. Part 1, 24.5.3.2.
///
/// # Errors
/// `TYPE` for an asymmetric key.
pub(crate) fn unique_of(alg: HashAlg, sensitive: &TpmtSensitive) -> Result<Tpm2bDigest, Fmt1> {
    Tpm2bDigest::new(&hash(alg, &[&sensitive.seed_value, symmetric_secret(sensitive)?]))
}
