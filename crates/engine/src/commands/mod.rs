//! The actions of Part 3, one file a clause.
//!
//! A handler checks, changes, answers, in that order. It may change `tpm.state` and then fail: the pipeline undoes it.

use crate::dispatch::Entry;

/// The commands of each clause.
pub(crate) const CLAUSES: &[&[Entry]] = &[];
