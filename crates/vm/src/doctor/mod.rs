//! What is wrong with a host and its VMs, or will be when somebody starts one: findings, each with what it means and what to do. Nothing is
//! repaired here and no file of a bundle is written; where a repair is safe, its command is in the finding.
//!
//! Reading a VM's store takes its password, so the audit log gets the line of every reading of a record.
mod apparmor;
mod bundle;
mod firmware;
mod host;
mod leftovers;
mod libvirt;
mod tpm;

use crate::{
    bundle::{Bundle, Home},
    error::{Error, Result},
};
use serde::Serialize;
use sigillo_keychain::{Keychain, SystemKeychain, anchor::Anchors, audit::AuditLog};
use sigillo_messages::{Words, text, words};
use std::{collections::BTreeMap, fmt, path::Path};

/// What a finding asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// All is well; or something to know.
    Note,
    /// It works, and something should be done.
    Warning,
    /// Something does not work.
    Error,
}

impl Severity {
    /// As reports print it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A code of `docs/errors.md`.
    pub code: String,
    /// What it asks for.
    pub severity: Severity,
    /// The VM; `None`: the host.
    pub vm: Option<String>,
    /// What was found.
    pub what: String,
    /// What it means for the guest or the host.
    pub meaning: String,
    /// What to do; empty where nothing is to be done.
    pub remedy: String,
    /// A command that repairs it and loses nothing.
    pub command: Option<String>,
}

/// What a host keeps for its VMs. As [`crate::Host`], of which any part may be in disorder.
#[derive(Clone, Copy)]
pub struct Patient<'a> {
    /// Where the VMs are.
    pub home: &'a Home,
    /// The stores' passwords.
    pub records: Records<'a>,
    /// What was done to them.
    pub audit: &'a AuditLog,
    /// The newest states seen.
    pub anchors: &'a Anchors,
}

/// Where the host's records are.
#[derive(Clone, Copy)]
pub enum Records<'a> {
    /// In the sealed file, which has more to examine than its records.
    System(&'a SystemKeychain),
    /// In a desktop session's Secret Service.
    SecretService(&'a dyn Keychain),
}

impl<'a> Records<'a> {
    pub(crate) fn keychain(self) -> &'a dyn Keychain {
        match self {
            Self::System(keychain) => keychain,
            Self::SecretService(keychain) => keychain,
        }
    }
}

/// Examines the host and one VM, or all of them.
///
/// # Errors
/// [`Error::NotFound`] for a VM that is not there. Everything else is a finding.
pub fn examine(patient: &Patient<'_>, vm: Option<&str>) -> Result<Vec<Finding>> {
    let mut findings = Findings::default();
    let vms = match vm {
        Some(name) => vec![one(patient.home, name)?],
        None => match patient.home.list() {
            Ok(vms) => vms,
            Err(error) => {
                findings.error(&error, words!("home-unlisted-means"));
                Vec::new()
            }
        },
    };
    host::examine(patient, &mut findings);
    if vm.is_none() {
        leftovers::of_home(patient.home, &mut findings);
        twins(&vms, &mut findings);
    }
    for (name, bundle) in &vms {
        findings.vm = Some(name.clone());
        match bundle {
            Ok(bundle) => examine_vm(patient, bundle, &mut findings),
            Err(error) => {
                findings.error(error, words!("vm-unusable-means"));
            }
        }
    }
    Ok(findings.all)
}

/// A VM as listings have it: also one whose configuration cannot be used.
fn one(home: &Home, name: &str) -> Result<(String, Result<Bundle>)> {
    match home.open(name) {
        Err(error @ Error::NotFound { .. }) => {
            home.list()?.into_iter().find(|(found, _)| found == name).ok_or(error)
        }
        bundle => {
            let stem = |bundle: &Bundle| Some(bundle.path().file_stem()?.to_string_lossy().into_owned());
            let found = bundle.as_ref().ok().and_then(stem);
            Ok((found.unwrap_or_else(|| name.to_owned()), bundle))
        }
    }
}

fn examine_vm(patient: &Patient<'_>, vm: &Bundle, findings: &mut Findings) {
    bundle::examine(vm, findings);
    firmware::examine(vm, findings);
    libvirt::examine(vm, findings);
    tpm::examine(patient, vm, findings);
    leftovers::of_bundle(vm, findings);
}

/// VMs of one UUID: a bundle that was copied by hand.
fn twins(vms: &[(String, Result<Bundle>)], findings: &mut Findings) {
    let mut by_uuid: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for (name, bundle) in vms {
        if let Ok(bundle) = bundle {
            by_uuid.entry(bundle.config().uuid).or_default().push(name);
        }
    }
    for (uuid, names) in by_uuid.iter().filter(|(_, names)| names.len() > 1) {
        findings.found(
            Severity::Warning,
            "SIG_ERR_VM_SAME_UUID",
            text!(
                "same-uuid",
                names = names
                    .iter()
                    .map(ToString::to_string)
                    .reduce(|first, second| text!("and", first, second))
                    .unwrap_or_default(),
                uuid
            ),
            words!("same-uuid-means"),
            words!("same-uuid-do"),
        );
    }
}

/// What is being put together.
#[derive(Default)]
pub(crate) struct Findings {
    all: Vec<Finding>,
    /// Whose findings come next.
    vm: Option<String>,
}

impl Findings {
    fn found(
        &mut self,
        severity: Severity,
        code: &str,
        what: String,
        meaning: impl fmt::Display,
        remedy: impl fmt::Display,
    ) {
        self.with_command(severity, code, what, meaning, remedy, None);
    }

    /// With a command that repairs it and loses nothing.
    fn with_command(
        &mut self,
        severity: Severity,
        code: &str,
        what: String,
        meaning: impl fmt::Display,
        remedy: impl fmt::Display,
        command: Option<String>,
    ) {
        self.all.push(Finding {
            code: code.to_owned(),
            severity,
            vm: self.vm.clone(),
            what,
            meaning: meaning.to_string(),
            remedy: remedy.to_string(),
            command,
        });
    }

    /// What would be an error of a command: its words say what to do.
    fn error(&mut self, error: &Error, meaning: Words) {
        self.said(error.code(), error.to_string(), meaning);
    }

    /// An error of another crate.
    fn said(&mut self, code: &str, what: String, meaning: Words) {
        self.found(Severity::Error, code, what, meaning, words!("as-errors-md-says"));
    }

    fn note(&mut self, code: &str, what: String) {
        self.found(Severity::Note, code, what, "", "");
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// What a command calls a VM by: the name of its bundle, which decides, and not what a copied vm.toml says.
fn name_of(vm: &Bundle) -> String {
    quoted(&vm.path().file_stem().unwrap_or_default().to_string_lossy())
}

/// A path for a shell.
fn quoted_path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_add_words_to_a_command() {
        assert_eq!(quoted("demo"), "demo");
        assert_eq!(quoted("a b; rm -r /"), "'a b; rm -r /'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
