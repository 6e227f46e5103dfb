//! The actions of Part 3, one file a clause.
//!
//! A handler checks, changes, answers, in that order. It may change `tpm.state` and then fail: the pipeline undoes it.

mod asymmetric;
mod attestation;
mod audit;
mod context;
mod duplication;
mod object;
mod policy;
mod primary;
mod random;
mod sequence;
mod session;
mod signature;
mod symmetric;

use crate::dispatch::Entry;

/// The commands of each clause.
pub(crate) const CLAUSES: &[&[Entry]] = &[
    session::COMMANDS,
    object::COMMANDS,
    duplication::COMMANDS,
    asymmetric::COMMANDS,
    symmetric::COMMANDS,
    random::COMMANDS,
    sequence::COMMANDS,
    attestation::COMMANDS,
    signature::COMMANDS,
    audit::COMMANDS,
    policy::COMMANDS,
    primary::COMMANDS,
    context::COMMANDS,
];
