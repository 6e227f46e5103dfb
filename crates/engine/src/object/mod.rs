//! Objects: what they are called, how they are made, and how they are protected outside the TPM. Part 1, 19 to 26.

pub(crate) mod create;
pub(crate) mod credential;
pub(crate) mod key;
pub(crate) mod load;
pub(crate) mod protect;
pub(crate) mod secret;
pub(crate) mod template;

use crate::{
    Tpm,
    state::{Object, Slot},
};
use alloc::{sync::Arc, vec::Vec};
use sigillo_crypto::hash::hash;
use sigillo_types::{
    Fmt1, HashAlg, Marshal, Rc,
    attributes::TpmaObject,
    buffers::{Tpm2bAuth, Tpm2bName},
    handles::{Hierarchy, TransientHandle},
    rc,
    structures::{PublicParms, SymDefObject, TpmtPublic},
};

/// `nameAlg || H(parts)`, the form of a Name. Part 1, 13.
fn digest_name(alg: HashAlg, parts: &[&[u8]]) -> Tpm2bName {
    let mut name = Vec::with_capacity(2 + alg.digest_size());
    alg.marshal(&mut name);
    name.extend_from_slice(&hash(alg, parts));
    // An identifier and a digest are what the buffer is made for.
    Tpm2bName::try_from(name).unwrap_or_default()
}

/// The Name of an object: empty without a nameAlg. Part 1, 13.
pub(crate) fn name(public: &TpmtPublic) -> Tpm2bName {
    public.name_alg.map_or_else(Tpm2bName::default, |alg| digest_name(alg, &[&public.to_bytes()]))
}

/// The Name of a permanent handle, and the Qualified Name of a hierarchy. Part 1, 23.5.
pub(crate) fn handle_name(handle: u32) -> Tpm2bName {
    Tpm2bName::from(handle.to_be_bytes())
}

/// The Qualified Name of an object below `parent`. Part 1, 23.5.
pub(crate) fn qualified_name(parent: &Tpm2bName, name_alg: Option<HashAlg>, name: &Tpm2bName) -> Tpm2bName {
    name_alg.map_or_else(Tpm2bName::default, |alg| digest_name(alg, &[parent, name]))
}

/// An authValue for an object of this nameAlg: without trailing zeros, which do not count. Part 1, 16.6.4.
///
/// # Errors
/// `SIZE` if it is longer than a digest of nameAlg.
pub(crate) fn trimmed_auth(auth: &Tpm2bAuth, name_alg: Option<HashAlg>) -> Result<Tpm2bAuth, Fmt1> {
    let len = auth.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    if len > name_alg.map_or(Tpm2bAuth::MAX, HashAlg::digest_size) {
        return Err(rc::SIZE);
    }
    Tpm2bAuth::new(auth.get(..len).unwrap_or_default())
}

/// What a parent brings to the protection of its children, and to the checks on them. Part 1, 20.2.
impl Object {
    /// The object of a public area without a nameAlg has none; a parent always has one.
    pub(crate) fn name_alg(&self) -> Option<HashAlg> {
        self.public.name_alg
    }

    /// The cipher that protects children; only a parent has one.
    pub(crate) fn symmetric(&self) -> Option<SymDefObject> {
        match self.public.parameters {
            PublicParms::Rsa(parms) => parms.symmetric,
            PublicParms::Ecc(parms) => parms.symmetric,
            PublicParms::SymCipher(parms) => Some(parms.sym),
            PublicParms::KeyedHash(_) => None,
        }
    }

    /// Whether it is a storage parent: not a derivation parent, which has no cipher. Part 1, 20.2 and 25.
    pub(crate) fn is_storage_parent(&self) -> bool {
        self.is_parent() && !matches!(self.public.parameters, PublicParms::KeyedHash(_))
    }

    /// Whether the public area is that of an asymmetric storage key: credentials and duplicates can be made for it. Part 3, 12.6.
    pub(crate) fn is_asymmetric_storage(&self) -> bool {
        matches!(self.public.parameters, PublicParms::Rsa(_) | PublicParms::Ecc(_))
            && self.attributes().contains(TpmaObject::RESTRICTED | TpmaObject::DECRYPT)
            && !self.attributes().contains(TpmaObject::SIGN)
    }

    /// Whether it may sign; in a symmetric cipher key the same attribute means that it encrypts. Part 2, 8.3.3.14.
    pub(crate) fn is_signing(&self) -> bool {
        self.attributes().contains(TpmaObject::SIGN)
            && !matches!(self.public.parameters, PublicParms::SymCipher(_))
    }
}

impl Tpm {
    /// Whether an object or sequence would find room.
    ///
    /// # Errors
    /// `OBJECT_MEMORY` if not.
    pub(crate) fn require_free_slot(&self) -> Result<(), Rc> {
        self.free_slot().map(|_| ()).ok_or(rc::OBJECT_MEMORY)
    }

    fn free_slot(&self) -> Option<usize> {
        let slots = &self.state.volatile.slots;
        (0..self.profile.transient_slots).find(|index| slots.get(*index).is_none_or(Option::is_none))
    }

    /// Puts an object or a sequence into a free slot.
    ///
    /// # Errors
    /// `OBJECT_MEMORY` if there is none.
    pub(crate) fn add_slot(&mut self, slot: Slot) -> Result<TransientHandle, Rc> {
        let index = self.free_slot().ok_or(rc::OBJECT_MEMORY)?;
        let handle = u32::try_from(index)
            .ok()
            .and_then(|index| TransientHandle::FIRST.checked_add(index))
            .and_then(|raw| TransientHandle::new(raw).ok())
            .ok_or(rc::OBJECT_MEMORY)?;
        let slots = &mut self.state.volatile_mut().slots;
        if slots.len() <= index {
            slots.resize_with(index + 1, || None);
        }
        if let Some(free) = slots.get_mut(index) {
            *free = Some(slot);
        }
        Ok(handle)
    }

    /// Loads an object.
    ///
    /// # Errors
    /// `OBJECT_MEMORY` if there is no free slot.
    pub(crate) fn add_object(&mut self, object: Object) -> Result<TransientHandle, Rc> {
        self.add_slot(Slot::Object(Arc::new(object)))
    }

    /// Empties a transient slot; what it held is wiped with its last owner.
    ///
    /// # Errors
    /// `HANDLE` if nothing is loaded there.
    pub(crate) fn flush_slot(&mut self, handle: TransientHandle) -> Result<(), Fmt1> {
        self.slot(handle.raw()).ok_or(rc::HANDLE)?;
        if let Some(slot) = self.state.volatile_mut().slots.get_mut(handle.index()) {
            *slot = None;
        }
        Ok(())
    }

    /// Flushes the transient objects of a hierarchy. Part 3, 24.2.
    pub(crate) fn flush_hierarchy(&mut self, hierarchy: Hierarchy) {
        for slot in &mut self.state.volatile_mut().slots {
            if matches!(slot, Some(Slot::Object(object)) if object.hierarchy == hierarchy) {
                *slot = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_zeros_of_an_auth_value_do_not_count() {
        let auth = Tpm2bAuth::from([1, 0, 2, 0, 0]);
        assert_eq!(trimmed_auth(&auth, Some(HashAlg::Sha1)), Ok(Tpm2bAuth::from([1, 0, 2])));
        assert_eq!(trimmed_auth(&Tpm2bAuth::from([0; 64]), Some(HashAlg::Sha1)), Ok(Tpm2bAuth::default()));
    }

    #[test]
    fn an_auth_value_longer_than_the_name_digest_is_refused() {
        assert_eq!(trimmed_auth(&Tpm2bAuth::from([7; 21]), Some(HashAlg::Sha1)), Err(rc::SIZE));
        assert!(trimmed_auth(&Tpm2bAuth::from([7; 21]), Some(HashAlg::Sha256)).is_ok());
    }
}
