//! What a host keeps for its VMs, and who is there when one starts.
use crate::{accel::Choice, policy::HostPolicy};
use sigillo_keychain::{Keychain, anchor::Anchors, audit::AuditLog};
use sigillo_messages::{Words, text};
use sigillo_store::Secret;
use std::{fmt, path::PathBuf};

/// What a host keeps for its VMs, outside of their bundles.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// The stores' passwords.
    pub keychain: &'a dyn Keychain,
    /// What was done to them.
    pub audit: &'a AuditLog,
    /// The newest states seen.
    pub anchors: &'a Anchors,
    /// What to do in doubt.
    pub policy: &'a HostPolicy,
}

/// Who starts a VM: is told what is done, and asked where the policy says so.
pub trait Starter {
    /// Which accelerator will run the VM, before anything runs.
    fn accel(&mut self, choice: &Choice);

    /// Whether there is a person who can answer.
    fn can_answer(&self) -> bool;

    /// Whether to go on.
    fn ask(&mut self, question: &Question) -> bool;

    /// Something was done that the guest will notice, or that the person should know.
    fn told(&mut self, event: &Event);

    /// How far a long step has come: its name, bytes done, bytes in all.
    fn progress(&mut self, _step: Words, _done: u64, _all: u64) {}

    /// The VM runs.
    fn runs(&mut self) {}

    /// Makes a TPM of this profile (`None`: the default) for a VM that lost its own, as its process stores it.
    ///
    /// # Errors
    /// A sentence.
    fn new_tpm(&mut self, profile: Option<&str>) -> Result<Secret, String>;
}

/// What is asked before a VM starts. Printed, it says what happened and what either answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Question {
    /// No record: make a new TPM?
    NewTpm {
        /// The VM.
        vm: String,
        /// The record's name.
        record: String,
    },
    /// The store is not the newest one seen, in these words: start it all the same?
    OlderState {
        /// What is the matter, as the error says it.
        why: String,
    },
}

/// What a guest that meets a new TPM loses.
#[must_use]
pub fn loss() -> String {
    text!("tpm-loss")
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Question::NewTpm { vm, record } => text!("new-tpm-question", ?vm, record, loss = loss()),
            Question::OlderState { why } => text!("older-state-question", why),
        })
    }
}

/// What was done on the way to a start, or to a store under another key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The VM has a new TPM.
    NewTpm {
        /// The VM.
        vm: String,
        /// The record's name.
        record: String,
        /// The store that was found.
        backup: PathBuf,
    },
    /// A change that a crash or an error had interrupted was brought to its end.
    Finished {
        /// The VM.
        vm: String,
    },
    /// The store was written where this host did not see it.
    MovedOn {
        /// The VM.
        vm: String,
        /// Commits.
        by: u64,
    },
    /// The host could not remember the newest state of a store.
    NotRemembered {
        /// The VM.
        vm: String,
        /// What the system said.
        why: String,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Event::NewTpm { vm, record, backup } => {
                text!("event-new-tpm", ?vm, record, loss = loss(), backup = backup.display())
            }
            Event::Finished { vm } => text!("event-finished", ?vm),
            Event::MovedOn { vm, by } => text!("event-moved-on", ?vm, #by),
            Event::NotRemembered { vm, why } => text!("event-not-remembered", ?vm, why),
        })
    }
}
