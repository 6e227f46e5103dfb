//! What has a handle: its Name, its authValue, its policy, and whether it is protected from guessing. Part 1, 13 and 16.

use crate::{
    Tpm, nv,
    state::{Object, Slot},
};
use alloc::sync::Arc;
use sigillo_types::{
    HashAlg,
    attributes::{TpmaNv, TpmaObject},
    buffers::{Tpm2bDigest, Tpm2bName},
    handles::{Hierarchy, rh},
};

/// A hierarchy or lockout: the permanent entities that have an authValue and a policy of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permanent {
    /// The platform's are clear data.
    Platform,
    Owner,
    Endorsement,
    Lockout,
}

impl Permanent {
    /// The entity of a permanent handle; `None` for TPM_RH_NULL and handles without an authValue.
    pub(crate) fn of(handle: u32) -> Option<Self> {
        match handle {
            rh::PLATFORM => Some(Self::Platform),
            rh::OWNER => Some(Self::Owner),
            rh::ENDORSEMENT => Some(Self::Endorsement),
            rh::LOCKOUT => Some(Self::Lockout),
            _ => None,
        }
    }
}

/// An entity that may be authorized, as far as authorization sees it.
pub(crate) enum Entity<'a> {
    /// A hierarchy or lockout.
    Permanent(Permanent),
    /// TPM_RH_NULL and most PCR: the authValue is empty and there is no policy.
    Open,
    /// A PCR of the group that has an authValue and a policy.
    Pcr,
    /// A countdown timer: platformAuth is its authValue, its policy is its own. Part 1, 40.2.
    Act(u32),
    /// A transient or persistent object.
    Object(&'a Arc<Object>),
    /// A sequence.
    Sequence(&'a [u8]),
    /// An NV index.
    Nv(&'a crate::state::NvIndex),
}

/// An authValue without the zeros at its end, which never count. Part 1, 16.6.4.3.
pub(crate) fn trimmed(auth: &[u8]) -> &[u8] {
    let end = auth.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    auth.get(..end).unwrap_or_default()
}

impl Tpm {
    /// The entity at a handle; `None` if there is none, or none that can be authorized.
    pub(crate) fn entity(&self, handle: u32) -> Option<Entity<'_>> {
        match handle >> 24 {
            0x00 if self.is_authorized_pcr(handle) => Some(Entity::Pcr),
            0x00 => Some(Entity::Open),
            0x01 | 0x11 => self.state.nv.indices.get(&handle).map(|index| Entity::Nv(index)),
            0x40 if handle == rh::NULL => Some(Entity::Open),
            0x40 if self.has_act(handle) == Some(true) => Some(Entity::Act(handle)),
            0x40 => Permanent::of(handle).map(Entity::Permanent),
            0x80 => match self.slot(handle)? {
                Slot::Object(object) => Some(Entity::Object(object)),
                Slot::Sequence(sequence) => Some(Entity::Sequence(&sequence.auth)),
            },
            0x81 => self.state.nv.evict.get(&handle).map(Entity::Object),
            _ => None,
        }
    }

    /// The Name of what a handle refers to: of an object its own, of an NV index computed, of a sequence the Empty Buffer, of everything
    /// else the handle. Part 1, 13.
    pub(crate) fn name_of(&self, handle: u32) -> Tpm2bName {
        match self.entity(handle) {
            Some(Entity::Object(object)) => object.name.clone(),
            Some(Entity::Sequence(_)) => Tpm2bName::default(),
            Some(Entity::Nv(index)) => nv::name(index),
            Some(Entity::Permanent(_) | Entity::Open | Entity::Pcr | Entity::Act(_)) | None => {
                Tpm2bName::from(handle.to_be_bytes())
            }
        }
    }

    /// The authValue of what a handle refers to; `None` if it has none or its sensitive area is not loaded.
    pub(crate) fn auth_value(&self, handle: u32) -> Option<&[u8]> {
        let auth = match self.entity(handle)? {
            Entity::Permanent(Permanent::Platform) | Entity::Act(_) => &self.state.clear.platform_auth,
            Entity::Permanent(Permanent::Owner) => &self.state.persistent.owner.auth,
            Entity::Permanent(Permanent::Endorsement) => &self.state.persistent.endorsement.auth,
            Entity::Permanent(Permanent::Lockout) => &self.state.persistent.lockout_auth,
            Entity::Open => return Some(&[]),
            Entity::Pcr => &self.state.clear.pcr_auth,
            Entity::Object(object) => &object.sensitive.as_ref()?.auth_value,
            Entity::Sequence(auth) => return Some(trimmed(auth)),
            Entity::Nv(index) => &index.auth,
        };
        Some(trimmed(auth))
    }

    /// The authPolicy of what a handle refers to, with its hash algorithm; `None` if it has no policy or the Empty Policy.
    pub(crate) fn auth_policy(&self, handle: u32) -> Option<(HashAlg, &Tpm2bDigest)> {
        let clear = &self.state.clear;
        let persistent = &self.state.persistent;
        let (alg, policy) = match self.entity(handle)? {
            Entity::Permanent(Permanent::Platform) => (clear.platform_alg, &clear.platform_policy),
            Entity::Permanent(Permanent::Owner) => (persistent.owner.policy_alg, &persistent.owner.policy),
            Entity::Permanent(Permanent::Endorsement) => {
                (persistent.endorsement.policy_alg, &persistent.endorsement.policy)
            }
            Entity::Permanent(Permanent::Lockout) => {
                (persistent.lockout_policy_alg, &persistent.lockout_policy)
            }
            Entity::Pcr => (persistent.pcr_policy_alg, &persistent.pcr_policy),
            Entity::Act(handle) => clear.acts.get(&handle).map(|act| (act.policy_alg, &act.policy))?,
            Entity::Open | Entity::Sequence(_) => return None,
            Entity::Object(object) => (object.public.name_alg, &object.public.auth_policy),
            Entity::Nv(index) => (Some(index.public.name_alg), &index.public.auth_policy),
        };
        alg.filter(|_| !policy.is_empty()).map(|alg| (alg, policy))
    }

    /// Whether wrong guesses of the authValue do not count as failed tries. Part 1, 16.8.1.
    pub(crate) fn is_da_exempt(&self, handle: u32) -> bool {
        match self.entity(handle) {
            Some(Entity::Permanent(permanent)) => permanent != Permanent::Lockout,
            Some(Entity::Object(object)) => object.attributes().contains(TpmaObject::NO_DA),
            Some(Entity::Nv(index)) => index.public.attributes.contains(TpmaNv::NO_DA),
            Some(Entity::Open | Entity::Pcr | Entity::Act(_) | Entity::Sequence(_)) | None => true,
        }
    }

    /// The hierarchy whose proof covers what a handle refers to. Part 3, 23.2.5.
    pub(crate) fn hierarchy_of(&self, handle: u32) -> Hierarchy {
        match self.entity(handle) {
            Some(Entity::Object(object)) => object.hierarchy,
            Some(Entity::Permanent(Permanent::Platform)) => Hierarchy::Platform,
            Some(Entity::Permanent(Permanent::Endorsement)) => Hierarchy::Endorsement,
            Some(Entity::Permanent(Permanent::Owner | Permanent::Lockout)) => Hierarchy::Owner,
            Some(Entity::Nv(index)) if index.public.attributes.contains(TpmaNv::PLATFORMCREATE) => {
                Hierarchy::Platform
            }
            Some(Entity::Nv(_)) => Hierarchy::Owner,
            Some(Entity::Open | Entity::Pcr | Entity::Act(_) | Entity::Sequence(_)) | None => Hierarchy::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_at_the_end_of_an_auth_value_do_not_count() {
        assert_eq!(trimmed(&[1, 0, 2, 0, 0]), &[1, 0, 2]);
        assert_eq!(trimmed(&[0, 0]), &[] as &[u8]);
        assert_eq!(trimmed(&[]), &[] as &[u8]);
    }
}
