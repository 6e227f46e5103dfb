//! New objects: a template becomes a public and a sensitive area. Part 1, 24; Part 3, 12.1.
//!
//! # Primary objects
//!
//! A primary object is made anew from its seed each time, so what it is made from may never change. With level 16 of
//! `sigillo_crypto::derive` the generator is
//!
//! ```text
//! seeded(seed, "PRIMARY OBJECT", TPM_HANDLE(hierarchy) || TPM2B_PUBLIC(template) || TPM2B_SENSITIVE_DATA(inSensitive.data))
//! ```
//!
//! where the template is in its canonical form as it came, `unique` included; the authValue takes no part. From it are drawn, in this
//! order: the private key (`derive::rsa`, `derive::ecc`, `derive::eddsa`, or the octets of a symmetric or HMAC key, none if the caller gave
//! them); then, in the endorsement hierarchy, it is reseeded with shProof as entropy and ehProof as additional input; then seedValue, one
//! digest of nameAlg. `tests/vectors/primary.txt` holds what comes out, as another implementation computed it.
//!
//! # Derived objects
//!
//! A derived object is made anew from its derivation parent's key, and by every TPM in the same way (Part 1, 25.5):
//!
//! ```text
//! stream = KDFa(hashAlg, sensitive, label, context, empty, 8192)
//! ```
//!
//! where `sensitive` is the parent's key and `hashAlg` that of its XOR scheme, as Part 1, 24.6.1 says and TPMs do; 25.4.1 names nameAlg
//! instead, which makes a difference only for a parent whose two algorithms are not the same (ADR 0011).
//! Label and context each come from the template's `unique`, or if it is empty there, from inSensitive.data. The octets are used one after
//! the other, none skipped: first the private key (of an ECC key eight octets more than the order has, modulo n - 1, plus 1; of an EdDSA key
//! its 32; of a symmetric key its size; of a keyed hash object a digest of its nameAlg), then seedValue, a digest of nameAlg. Template and
//! authValue take no part. RSA keys are not derived. `tests/vectors/derived.txt` holds what comes out, as another implementation computed it.

use super::{handle_name, key, load, name, protect, qualified_name, template, trimmed_auth};
use crate::{Profile, Tpm, state::Object};
use alloc::{sync::Arc, vec::Vec};
use sigillo_crypto::{
    EccCurve, HashAlg, Rng,
    derive::{self, LEVEL, seeded},
    drbg::Drbg,
    hash::hash,
    kdf::KdfaStream,
    sym::is_strong_key,
};
use sigillo_types::{
    Fmt1, Marshal, Rc, Reader, Unmarshal,
    alg::{ObjectType, id},
    attributes::{TpmaLocality, TpmaObject},
    buffers::{
        Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bName, Tpm2bPrivate, Tpm2bSecretDigest, Tpm2bSensitiveData,
    },
    handles::Hierarchy,
    rc,
    structures::{
        KeyedHashScheme, PublicId, PublicParms, SensitiveComposite, Tpm2bCreationData, Tpm2bPublic,
        TpmlPcrSelection, TpmsCreationData, TpmsDerive, TpmsSensitiveCreate, TpmtPublic, TpmtSensitive,
        TpmtTkCreation,
    },
};
use zeroize::Zeroizing;

/// The label of the derivation of primary objects.
const PRIMARY: &[u8] = b"PRIMARY OBJECT";

/// A new object's two parts.
pub(crate) struct Created {
    pub(crate) public: TpmtPublic,
    pub(crate) sensitive: TpmtSensitive,
    private: Option<key::PrivateKey>,
}

/// Which of the two creation parameters is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Sensitive(Fmt1),
    Public(Fmt1),
    /// Not the caller's mistake.
    Failure(Rc),
}

/// The seed and template of a primary object. Part 1, 24.6.3.
fn primary_generator(
    seed: &[u8],
    hierarchy: Hierarchy,
    template: &TpmtPublic,
    data: &Tpm2bSensitiveData,
) -> Drbg {
    // The data is secret, and a buffer that grew would leave copies behind.
    let mut context = Zeroizing::new(Vec::with_capacity(2048));
    hierarchy.marshal(&mut context);
    Tpm2bPublic::from(template.clone()).marshal(&mut context);
    data.marshal(&mut context);
    seeded(seed, PRIMARY, &context)
}

impl Tpm {
    /// Makes a child's parts from the random number generator.
    ///
    /// # Errors
    /// What is wrong with the template, as [`template::creation`], or with the sensitive data: `SIZE`, `KEY_SIZE`.
    pub(crate) fn create_child(
        &mut self,
        parent: &Object,
        template: TpmtPublic,
        given: &TpmsSensitiveCreate,
    ) -> Result<Created, Refused> {
        template::creation(&self.profile, &template, template::Origin::Child(parent), !given.data.is_empty())
            .map_err(Refused::Public)?;
        make(template, given, &mut self.rng, |_| Ok(()))
    }

    /// Makes a primary object from the seed of its hierarchy.
    ///
    /// # Errors
    /// As [`Tpm::create_child`]; `NO_RESULT` if the seed is to be derived from by rules that are not there.
    pub(crate) fn create_primary(
        &mut self,
        hierarchy: Hierarchy,
        template: TpmtPublic,
        given: &TpmsSensitiveCreate,
    ) -> Result<Object, Refused> {
        template::creation(&self.profile, &template, template::Origin::Primary, !given.data.is_empty())
            .map_err(Refused::Public)?;
        if self.hierarchy(hierarchy).is_some_and(|record| record.derivation_level != LEVEL) {
            return Err(Refused::Failure(rc::NO_RESULT));
        }
        let proofs: [&[u8]; 2] = [self.proof(Hierarchy::Owner), self.proof(Hierarchy::Endorsement)];
        make_primary(self.seed(hierarchy), proofs, hierarchy, template, given)
            .map(|created| created.into_object(&CreationParent::Hierarchy(hierarchy)))
    }

    /// Makes a child's parts, its protected private area and the object that they load as.
    ///
    /// # Errors
    /// As [`Tpm::create_child`].
    pub(crate) fn create_loaded_child(
        &mut self,
        parent: &Object,
        template: TpmtPublic,
        given: &TpmsSensitiveCreate,
    ) -> Result<(Object, Tpm2bPrivate), Refused> {
        let created = self.create_child(parent, template, given)?;
        let private = self.wrap_child(&created, parent).map_err(Refused::Failure)?;
        Ok((created.into_object(&CreationParent::Object(parent)), private))
    }

    /// The private area of a new child, for TPM2_Load.
    pub(crate) fn wrap_child(&mut self, created: &Created, parent: &Object) -> Result<Tpm2bPrivate, Rc> {
        let iv = self.fresh_iv();
        let alg = created.public.name_alg.ok_or(rc::HASH)?;
        Ok(protect::wrap(&created.sensitive, &created.name(), alg, parent, iv)?)
    }

    /// What is recorded of a creation, and the ticket that it was so. Part 1, 24.8.
    pub(crate) fn creation_record(
        &self,
        object: &TpmtPublic,
        parent: &CreationParent<'_>,
        outside_info: Tpm2bData,
        selection: &TpmlPcrSelection,
    ) -> Result<CreationRecord, Fmt1> {
        let alg = object.name_alg.ok_or(rc::HASH)?;
        let pcr_select = self.pcr_selection(selection);
        let pcr_digest = self.pcr_digest(selection, alg);
        let (parent_name_alg, parent_name, parent_qualified_name) = match parent {
            CreationParent::Hierarchy(hierarchy) => {
                (id::NULL, handle_name(hierarchy.raw()), handle_name(hierarchy.raw()))
            }
            CreationParent::Object(parent) => (
                parent.name_alg().map_or(id::NULL, HashAlg::id),
                parent.name.clone(),
                parent.qualified_name.clone(),
            ),
        };
        let creation_data = Tpm2bCreationData {
            creation_data: TpmsCreationData {
                pcr_select,
                pcr_digest: Tpm2bDigest::new(&pcr_digest)?,
                locality: TpmaLocality::of(self.call.locality).unwrap_or_default(),
                parent_name_alg,
                parent_name,
                parent_qualified_name,
                outside_info,
            },
        };
        let hierarchy = match parent {
            CreationParent::Hierarchy(hierarchy) => *hierarchy,
            CreationParent::Object(parent) => parent.hierarchy,
        };
        let digest = Tpm2bDigest::new(&hash(alg, &[&creation_data.creation_data.to_bytes()]))?;
        let ticket = crate::ticket::creation(self, hierarchy, &name(object), &digest);
        Ok(CreationRecord { data: creation_data, hash: digest, ticket })
    }
}

/// Under what an object is created.
pub(crate) enum CreationParent<'a> {
    Hierarchy(Hierarchy),
    Object(&'a Object),
}

/// What both creation commands answer besides the object.
pub(crate) struct CreationRecord {
    pub(crate) data: Tpm2bCreationData,
    pub(crate) hash: Tpm2bDigest,
    pub(crate) ticket: TpmtTkCreation,
}

/// Fills a checked template from a seed; `proofs` are shProof and ehProof.
fn make_primary(
    seed: &[u8],
    proofs: [&[u8]; 2],
    hierarchy: Hierarchy,
    template: TpmtPublic,
    given: &TpmsSensitiveCreate,
) -> Result<Created, Refused> {
    let mut generator = primary_generator(seed, hierarchy, &template, &given.data);
    make(template, given, &mut generator, |generator| {
        // Children of endorsement keys must not outlive the owner they were made under. Part 1, 24.7.4.
        if hierarchy == Hierarchy::Endorsement {
            let [storage, endorsement] = proofs;
            generator.reseed(storage, endorsement).map_err(|_| Refused::Failure(rc::FAILURE))?;
        }
        Ok(())
    })
}

/// Reads a TPM2B_TEMPLATE: below a derivation parent `unique` is a TPMS_DERIVE and the public area's own is left empty. Part 2, 12.2.6.
///
/// # Errors
/// Those of TPMT_PUBLIC with a nameAlg; `SIZE` if octets are left over.
pub(crate) fn read_template(mut r: Reader<'_>, derivation: bool) -> Result<(TpmtPublic, TpmsDerive), Fmt1> {
    let read = if derivation {
        TpmtPublic::unmarshal_derivation(&mut r)?
    } else {
        (TpmtPublic::unmarshal_template(&mut r)?, TpmsDerive::default())
    };
    r.finish()?;
    Ok(read)
}

/// A derived object from its template, whose `unique` is in `template_derive`. Part 1, 25.
///
/// # Errors
/// - `TYPE` (template): an RSA key; the parent is no derivation parent.
/// - as [`template::derivation`].
/// - `SIZE`, `INSUFFICIENT` (sensitive): the data are neither empty nor a label and a context, or userAuth is longer than a Name's digest.
pub(crate) fn derive(
    profile: &Profile,
    parent: &Object,
    template: TpmtPublic,
    template_derive: TpmsDerive,
    given: &TpmsSensitiveCreate,
) -> Result<Object, Refused> {
    if template.object_type() == ObjectType::Rsa {
        return Err(Refused::Public(rc::TYPE));
    }
    template::derivation(profile, &template, parent).map_err(Refused::Public)?;
    let TpmsDerive { mut label, mut context } = template_derive;
    if !given.data.is_empty() {
        // What comes behind them is ignored, as by every TPM.
        let other = TpmsDerive::unmarshal(&mut Reader::new(&given.data)).map_err(Refused::Sensitive)?;
        label = if label.is_empty() { other.label } else { label };
        context = if context.is_empty() { other.context } else { context };
    }
    let mut stream = derivation_stream(parent, &label, &context).ok_or(Refused::Public(rc::TYPE))?;
    let given =
        TpmsSensitiveCreate { user_auth: given.user_auth.clone(), data: Tpm2bSensitiveData::default() };
    make(template, &given, &mut stream, |_| Ok(()))
        .map(|created| created.into_object(&CreationParent::Object(parent)))
}

/// What a derivation parent derives from; `None` if it is none.
fn derivation_stream(parent: &Object, label: &[u8], context: &[u8]) -> Option<KdfaStream> {
    match (&parent.public.parameters, &parent.sensitive.as_ref()?.sensitive) {
        (PublicParms::KeyedHash(parms), SensitiveComposite::Bits(key)) if parent.is_parent() => {
            match parms.scheme {
                Some(KeyedHashScheme::Xor { hash_alg, .. }) => {
                    Some(KdfaStream::new(hash_alg, key, label, context))
                }
                Some(KeyedHashScheme::Hmac { .. }) | None => None,
            }
        }
        _ => None,
    }
}

/// Fills a checked template. `stir` runs between the private key and seedValue.
fn make<R: Rng + Clone>(
    mut public: TpmtPublic,
    given: &TpmsSensitiveCreate,
    generator: &mut R,
    stir: impl FnOnce(&mut R) -> Result<(), Refused>,
) -> Result<Created, Refused> {
    let alg = public.name_alg.ok_or(Refused::Public(rc::HASH))?;
    let auth_value: Tpm2bAuth =
        trimmed_auth(&given.user_auth, public.name_alg).map_err(Refused::Sensitive)?;
    let (sensitive, private) = secret_part(&public, given, alg, generator)?;
    stir(generator)?;
    let seed_value: Tpm2bSecretDigest =
        derive::octets(generator, alg.digest_size()).as_slice().try_into().map_err(Refused::Sensitive)?;
    let mut sensitive = TpmtSensitive { auth_value, seed_value, sensitive };
    public.unique = match &private {
        Some(private) => public_part(private)?,
        None => {
            let digest = load::unique_of(alg, &sensitive).map_err(Refused::Public)?;
            match public.parameters {
                PublicParms::SymCipher(_) => PublicId::SymCipher(digest),
                PublicParms::KeyedHash(_) | PublicParms::Rsa(_) | PublicParms::Ecc(_) => {
                    PublicId::KeyedHash(digest)
                }
            }
        }
    };
    let storage = public.object_attributes.contains(TpmaObject::RESTRICTED | TpmaObject::DECRYPT);
    if private.is_some() && !storage {
        sensitive.seed_value = Tpm2bSecretDigest::default();
    }
    Ok(Created { public, sensitive, private })
}

fn failure(error: sigillo_crypto::Error) -> Refused {
    Refused::Failure(key::caller_or_fault(error, rc::VALUE))
}

/// The private part, and the asymmetric key in it.
fn secret_part<R: Rng + Clone>(
    public: &TpmtPublic,
    given: &TpmsSensitiveCreate,
    alg: HashAlg,
    generator: &mut R,
) -> Result<(SensitiveComposite, Option<key::PrivateKey>), Refused> {
    match &public.parameters {
        PublicParms::Rsa(parms) => {
            let exponent = key::exponent(parms.exponent);
            let key = derive::rsa(generator, parms.key_bits.bits().into(), exponent).map_err(failure)?;
            let [p, _] = key.primes();
            let prime = p.as_slice().try_into().map_err(Refused::Public)?;
            Ok((SensitiveComposite::Rsa(prime), Some(key::PrivateKey::Rsa(key))))
        }
        PublicParms::Ecc(parms) if parms.curve_id == EccCurve::Curve25519 => {
            let key = derive::eddsa(generator).map_err(failure)?;
            Ok((SensitiveComposite::Ecc((*key.seed()).into()), Some(key::PrivateKey::Ed25519(key))))
        }
        PublicParms::Ecc(parms) => {
            let key = derive::ecc(generator, parms.curve_id).map_err(failure)?;
            let d = key.d().try_into().map_err(Refused::Public)?;
            Ok((SensitiveComposite::Ecc(d), Some(key::PrivateKey::Ecc(key))))
        }
        PublicParms::SymCipher(parms) => {
            let cipher = parms.sym.cipher();
            let size = cipher.key_size();
            let key = if given.data.is_empty() {
                derive::cipher_key(generator, cipher).as_slice().try_into()
            } else if given.data.len() > size {
                Err(rc::SIZE)
            } else if given.data.len() < size {
                // It could be created but never loaded. Part 1, 24.7.5.1.
                Err(rc::KEY_SIZE)
            } else if !is_strong_key(cipher, &given.data) {
                Err(rc::KEY)
            } else {
                given.data.as_slice().try_into()
            };
            Ok((SensitiveComposite::Sym(key.map_err(Refused::Sensitive)?), None))
        }
        PublicParms::KeyedHash(parms) => {
            let bits = if given.data.is_empty() {
                derive::octets(generator, alg.digest_size()).as_slice().try_into()
            } else if given.data.len() > template::keyed_hash_max(parms.scheme) {
                Err(rc::SIZE)
            } else {
                Ok(given.data.clone())
            };
            Ok((SensitiveComposite::Bits(bits.map_err(Refused::Sensitive)?), None))
        }
    }
}

fn public_part(private: &key::PrivateKey) -> Result<PublicId, Refused> {
    match private {
        key::PrivateKey::Rsa(key) => key.public().n().try_into().map(PublicId::Rsa),
        key::PrivateKey::Ecc(key) => key::tpms_point(&key.public().map_err(failure)?).map(PublicId::Ecc),
        key::PrivateKey::Ed25519(key) => Ok(PublicId::Ecc(key::eddsa_point(&key.public()))),
    }
    .map_err(Refused::Public)
}

impl Created {
    /// The Name.
    pub(crate) fn name(&self) -> Tpm2bName {
        name(&self.public)
    }

    fn st_clear(&self) -> bool {
        self.public.object_attributes.contains(TpmaObject::ST_CLEAR)
    }

    /// The object as it is loaded: below a parent as TPM2_Load would.
    fn into_object(self, under: &CreationParent<'_>) -> Object {
        let name = self.name();
        let (hierarchy, parent_name, primary, st_clear) = match under {
            CreationParent::Hierarchy(hierarchy) => (*hierarchy, handle_name(hierarchy.raw()), true, false),
            CreationParent::Object(parent) => {
                (parent.hierarchy, parent.qualified_name.clone(), false, parent.st_clear)
            }
        };
        Object {
            qualified_name: qualified_name(&parent_name, self.public.name_alg, &name),
            hierarchy,
            external: false,
            primary,
            st_clear: st_clear || self.st_clear(),
            public: self.public,
            sensitive: Some(self.sensitive),
            name,
            private: self.private.map(Arc::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use sigillo_types::Unmarshal;

    /// Blocks of `name = hex` lines, apart by an empty line.
    fn blocks(file: &'static str) -> Vec<BTreeMap<&'static str, Vec<u8>>> {
        let octets = |text: &str| {
            let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
            digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>()
        };
        file.split("\n\n")
            .skip(1)
            .map(|block| block.lines().map(|line| line.split_once(" = ").unwrap()))
            .map(|lines| lines.map(|(name, value)| (name, octets(value.trim()))).collect())
            .collect()
    }

    #[test]
    fn primary_objects_are_those_of_the_frozen_vectors() {
        let blocks = blocks(include_str!("../../tests/vectors/primary.txt"));
        let (seeds, objects) = blocks.split_first().unwrap();
        let proofs: [&[u8]; 2] = [&seeds["sh_proof"], &seeds["eh_proof"]];
        assert_eq!(objects.len(), 14);
        for object in objects {
            let hierarchy = Hierarchy::from_bytes(&object["hierarchy"]).unwrap();
            let template = TpmtPublic::from_bytes(&object["template"]).unwrap();
            let given = TpmsSensitiveCreate {
                user_auth: Tpm2bAuth::default(),
                data: Tpm2bSensitiveData::new(&object["data"]).unwrap(),
            };
            let created = make_primary(&seeds["seed"], proofs, hierarchy, template.clone(), &given).unwrap();
            assert_eq!(created.public.to_bytes(), object["public"], "{template:?}");
            let seed_value = &created.sensitive.seed_value;
            assert!(seed_value.is_empty() || **seed_value == *object["seed_value"], "{template:?}");
        }
    }

    #[test]
    fn derived_objects_are_those_of_the_frozen_vectors() {
        let blocks = blocks(include_str!("../../tests/vectors/derived.txt"));
        assert_eq!(blocks.len(), 10);
        for object in blocks {
            let public = TpmtPublic::from_bytes(&object["parent"]).unwrap();
            let sensitive = TpmtSensitive::from_bytes(&object["parent_sensitive"]).unwrap();
            let parent =
                load::object(public, Some(sensitive), load::Place::External(Hierarchy::Null)).unwrap();
            let (template, derive_with) = read_template(Reader::new(&object["template"]), true).unwrap();
            let given = TpmsSensitiveCreate {
                user_auth: Tpm2bAuth::default(),
                data: Tpm2bSensitiveData::new(&object["data"]).unwrap(),
            };
            let derived =
                derive(&crate::profile::Profile::everything(), &parent, template, derive_with, &given)
                    .unwrap();
            assert_eq!(derived.public.to_bytes(), object["public"], "{derived:?}");
            assert_eq!(derived.sensitive.unwrap().to_bytes(), object["sensitive"]);
        }
    }
}
