//! Hierarchies: who is enabled, and whose seed and proof counts. Part 1, 12.

use crate::{Tpm, secret::Secret, state::HierarchyRecord};
use sigillo_types::{Fmt1, handles::Hierarchy, rc};

impl Tpm {
    /// Whether objects of the hierarchy may be used. Part 3, 24.2.
    pub(crate) fn is_enabled(&self, hierarchy: Hierarchy) -> bool {
        match hierarchy {
            Hierarchy::Owner => self.state.clear.sh_enable,
            Hierarchy::Endorsement => self.state.clear.eh_enable,
            Hierarchy::Platform => self.state.volatile.ph_enable,
            Hierarchy::Null => true,
        }
    }

    /// Checks that the hierarchy is enabled.
    pub(crate) fn require_enabled(&self, hierarchy: Hierarchy) -> Result<(), Fmt1> {
        if self.is_enabled(hierarchy) { Ok(()) } else { Err(rc::HIERARCHY) }
    }

    /// The persistent record of a hierarchy; the NULL hierarchy has none.
    pub(crate) fn hierarchy(&self, hierarchy: Hierarchy) -> Option<&HierarchyRecord> {
        match hierarchy {
            Hierarchy::Owner => Some(&self.state.persistent.owner),
            Hierarchy::Endorsement => Some(&self.state.persistent.endorsement),
            Hierarchy::Platform => Some(&self.state.persistent.platform),
            Hierarchy::Null => None,
        }
    }

    /// The primary seed. Part 1, 12.
    pub(crate) fn seed(&self, hierarchy: Hierarchy) -> &Secret {
        self.hierarchy(hierarchy).map_or(&self.state.reset.null_seed, |record| &record.seed)
    }

    /// The proof value. Part 1, 12.
    pub(crate) fn proof(&self, hierarchy: Hierarchy) -> &Secret {
        self.hierarchy(hierarchy).map_or(&self.state.reset.null_proof, |record| &record.proof)
    }
}
