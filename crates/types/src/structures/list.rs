//! TPML: a 32-bit count and that many entries. Part 2, 10.8.

use super::{
    TpmsActData, TpmsAlgProperty, TpmsPcrSelection, TpmsTaggedPcrSelect, TpmsTaggedPolicy,
    TpmsTaggedProperty, TpmtHa,
};
use crate::{
    Fmt1,
    alg::AlgId,
    attributes::TpmaCc,
    buffers::Tpm2bDigest,
    handles::TpmHandle,
    limits,
    marshal::{Bytes, Marshal, Reader, Unmarshal},
    rc,
};
use alloc::vec::Vec;
use core::ops::Deref;

/// A list of `MIN` to `MAX` entries; any other count is `SIZE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T, const MIN: usize, const MAX: usize>(Vec<T>);

impl<T, const MIN: usize, const MAX: usize> List<T, MIN, MAX> {
    /// The most entries.
    pub const MAX: usize = MAX;

    /// A list of `entries`.
    ///
    /// # Errors
    /// `SIZE` if there are too few or too many.
    pub fn new(entries: Vec<T>) -> Result<Self, Fmt1> {
        if entries.len() < MIN || entries.len() > MAX { Err(rc::SIZE) } else { Ok(Self(entries)) }
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// `SIZE` if the list is full.
    pub fn push(&mut self, entry: T) -> Result<(), Fmt1> {
        if self.0.len() >= MAX {
            return Err(rc::SIZE);
        }
        self.0.push(entry);
        Ok(())
    }

    /// The entries.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, 0, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MIN: usize, const MAX: usize> Deref for List<T, MIN, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T, const MIN: usize, const MAX: usize> IntoIterator for &'a List<T, MIN, MAX> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T, const MIN: usize, const MAX: usize> IntoIterator for List<T, MIN, MAX> {
    type Item = T;
    type IntoIter = alloc::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: Marshal, const MIN: usize, const MAX: usize> Marshal for List<T, MIN, MAX> {
    fn marshal(&self, out: &mut Bytes) {
        const { assert!(MAX <= u32::MAX as usize) };
        u32::try_from(self.0.len()).unwrap_or(0).marshal(out);
        for entry in &self.0 {
            entry.marshal(out);
        }
    }
}

impl<T: Unmarshal, const MIN: usize, const MAX: usize> Unmarshal for List<T, MIN, MAX> {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        let count = usize::try_from(u32::unmarshal(r)?).map_err(|_| rc::SIZE)?;
        if count < MIN || count > MAX {
            return Err(rc::SIZE);
        }
        (0..count).map(|_| T::unmarshal(r)).collect::<Result<_, _>>().map(Self)
    }
}

/// TPML_CC. Part 2, 10.8.1.
pub type TpmlCc = List<u32, 0, { limits::MAX_CAP_DATA / 4 }>;
/// TPML_CCA. Part 2, 10.8.2.
pub type TpmlCca = List<TpmaCc, 0, { limits::MAX_CAP_DATA / 4 }>;
/// TPML_ALG: any identifiers, known or not. Part 2, 10.8.3.
pub type TpmlAlg = List<AlgId, 0, { limits::MAX_ALG_LIST_SIZE }>;
/// TPML_HANDLE. Part 2, 10.8.4.
pub type TpmlHandle = List<TpmHandle, 0, { limits::MAX_CAP_DATA / 4 }>;
/// TPML_DIGEST as an answer, where fewer than two digests are allowed. Part 2, 10.8.5.
pub type TpmlDigest = List<Tpm2bDigest, 0, 8>;
/// TPML_DIGEST as a parameter: the table asks for two digests at least. Part 2, 10.8.5.
pub type TpmlDigestMin2 = List<Tpm2bDigest, 2, 8>;
/// TPML_DIGEST_VALUES. Part 2, 10.8.6.
pub type TpmlDigestValues = List<TpmtHa, 0, { limits::HASH_COUNT }>;
/// TPML_PCR_SELECTION. Part 2, 10.8.7.
pub type TpmlPcrSelection = List<TpmsPcrSelection, 0, { limits::HASH_COUNT }>;
/// TPML_ALG_PROPERTY. Part 2, 10.8.8.
pub type TpmlAlgProperty = List<TpmsAlgProperty, 0, { limits::MAX_CAP_DATA / 6 }>;
/// TPML_TAGGED_TPM_PROPERTY. Part 2, 10.8.9.
pub type TpmlTaggedTpmProperty = List<TpmsTaggedProperty, 0, { limits::MAX_CAP_DATA / 8 }>;
/// TPML_TAGGED_PCR_PROPERTY. Part 2, 10.8.10.
pub type TpmlTaggedPcrProperty = List<TpmsTaggedPcrSelect, 0, { limits::MAX_CAP_DATA / 8 }>;
/// TPML_ECC_CURVE: any identifiers, known or not. Part 2, 10.8.11.
pub type TpmlEccCurve = List<u16, 0, { limits::MAX_CAP_DATA / 2 }>;
/// TPML_TAGGED_POLICY. Part 2, 10.8.12.
pub type TpmlTaggedPolicy = List<TpmsTaggedPolicy, 0, { limits::MAX_CAP_DATA / (4 + limits::MAX_TPMT_HA) }>;
/// TPML_ACT_DATA. Part 2, 10.8.13.
pub type TpmlActData = List<TpmsActData, 0, { limits::MAX_CAP_DATA / 12 }>;
