//! Selections of PCR. Part 2, 10.5.

use crate::{
    Fmt1, HashAlg,
    derive::{Marshal, Unmarshal},
    handles::PcrHandle,
    limits,
    marshal::{self, Bytes, Reader},
    rc,
};

/// TPMS_PCR_SELECT: a set of PCR. Its bitmap always has [`limits::PCR_SELECT`] octets; another size is `VALUE`. Part 2, 10.5.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PcrSelect(u32);

impl PcrSelect {
    /// No PCR.
    pub const NONE: Self = Self(0);
    /// Every PCR.
    pub const ALL: Self = Self((1 << limits::IMPLEMENTATION_PCR) - 1);

    /// The set of some PCR.
    #[must_use]
    pub fn of(pcrs: impl IntoIterator<Item = PcrHandle>) -> Self {
        let mut select = Self::NONE;
        for pcr in pcrs {
            select.insert(pcr);
        }
        select
    }

    /// Whether `pcr` is selected.
    #[must_use]
    pub const fn contains(self, pcr: PcrHandle) -> bool {
        self.0 & (1 << pcr.raw()) != 0
    }

    /// Selects `pcr`.
    pub const fn insert(&mut self, pcr: PcrHandle) {
        self.0 |= 1 << pcr.raw();
    }

    /// Deselects `pcr`.
    pub const fn remove(&mut self, pcr: PcrHandle) {
        self.0 &= !(1 << pcr.raw());
    }

    /// Whether nothing is selected.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many PCR are selected.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// What both select.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The selected PCR, ascending.
    pub fn iter(self) -> impl Iterator<Item = PcrHandle> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let lowest = (rest != 0).then(|| rest.trailing_zeros())?;
            rest &= rest - 1;
            // The set has no other bits than those of PCR handles.
            PcrHandle::new(PcrHandle::FIRST + lowest).ok()
        })
    }
}

impl marshal::Marshal for PcrSelect {
    fn marshal(&self, out: &mut Bytes) {
        let [first, second, third, _] = self.0.to_le_bytes();
        out.push(3);
        out.extend_from_slice(&[first, second, third]);
    }
}

impl marshal::Unmarshal for PcrSelect {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        const { assert!(limits::PCR_SELECT == 3 && limits::IMPLEMENTATION_PCR == 24) };
        if usize::from(u8::unmarshal(r)?) != limits::PCR_SELECT {
            return Err(rc::VALUE);
        }
        let [first, second, third] = r.array()?;
        Ok(Self(u32::from_le_bytes([first, second, third, 0])))
    }
}

/// TPMS_PCR_SELECTION: PCR of one bank. Part 2, 10.5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Marshal, Unmarshal)]
pub struct TpmsPcrSelection {
    /// The bank.
    pub hash: HashAlg,
    /// `sizeofSelect` and `pcrSelect`.
    pub pcr_select: PcrSelect,
}
