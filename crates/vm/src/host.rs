//! What a host keeps for its VMs, and who is there when one starts.
use crate::{accel::Choice, policy::HostPolicy};
use sigillo_keychain::{Keychain, anchor::Anchors, audit::AuditLog};
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
    fn progress(&mut self, _step: &'static str, _done: u64, _all: u64) {}

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
pub const LOSS: &str = "what the guest sealed to the old TPM stays closed: BitLocker asks for its recovery key, LUKS for its \
                    passphrase; keys, NV contents and counters in the TPM are not there; Windows Hello and certificates bound \
                    to it have to be set up anew; who attests the guest sees another endorsement key";

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Question::NewTpm { vm, record } => write!(
                f,
                "The system keychain of this host has no record {record}, which holds the password of the TPM store of VM \
                 {vm:?}.\nA new TPM can be made. Then {LOSS}.\nThe store found is kept as a backup, and `sigillo tpm \
                 restore-backup` brings it back once its record is here.\nMake a new TPM?"
            ),
            Question::OlderState { why } => write!(
                f,
                "{why}\nStarting it all the same gives the guest the older TPM: counters and failed tries since then are \
                 forgotten, and what was sealed since then may not open.\nStart it?"
            ),
        }
    }
}

/// What was done on the way to a start.
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
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::NewTpm { vm, record, backup } => write!(
                f,
                "VM {vm:?} has a NEW TPM, because the keychain had no record {record}: {LOSS}.\nThe store found is kept as {}.\n\
                 To undo it: bring the old record (`sigillo keychain copy`), then `sigillo tpm restore-backup {vm:?}`",
                backup.display()
            ),
            Event::Finished { vm } => {
                write!(
                    f,
                    "VM {vm:?}: a change of its TPM's store that was interrupted was brought to its end"
                )
            }
            Event::MovedOn { vm, by } => write!(
                f,
                "VM {vm:?}: its TPM has {by} commits that this host did not see, as after running on another host"
            ),
        }
    }
}
