//! The actions of Part 3, one file a clause.
//!
//! A handler checks, changes, answers, in that order. It may change `tpm.state` and then fail: the pipeline undoes it.

#![allow(clippy::needless_pass_by_value)] // a handler is given its command, whatever it needs of it

mod act;
mod asymmetric;
mod attestation;
mod audit;
mod capability;
mod clock;
mod context;
mod dictionary_attack;
mod duplication;
mod ephemeral;
mod hierarchy;
mod management;
mod nv;
mod object;
mod pcr;
mod policy;
mod primary;
mod random;
mod sequence;
mod session;
mod signature;
mod startup;
mod symmetric;
mod testing;

use crate::dispatch::Entry;

/// The commands of each clause.
pub(crate) const CLAUSES: &[&[Entry]] = &[
    startup::COMMANDS,
    testing::COMMANDS,
    session::COMMANDS,
    object::COMMANDS,
    duplication::COMMANDS,
    asymmetric::COMMANDS,
    symmetric::COMMANDS,
    random::COMMANDS,
    sequence::COMMANDS,
    attestation::COMMANDS,
    ephemeral::COMMANDS,
    signature::COMMANDS,
    audit::COMMANDS,
    pcr::COMMANDS,
    policy::COMMANDS,
    primary::COMMANDS,
    hierarchy::COMMANDS,
    dictionary_attack::COMMANDS,
    management::COMMANDS,
    context::COMMANDS,
    clock::COMMANDS,
    capability::COMMANDS,
    nv::COMMANDS,
    act::COMMANDS,
];
