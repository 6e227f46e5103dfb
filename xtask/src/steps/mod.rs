//! The steps of `cargo xtask test`, in the order they run: cheap ones that fail often come first. Each has a file of its
//! own; adding one is a file, a `mod` line and a line in [`ALL`].
mod aws_lc;
mod cargo_tests;
mod differential;
mod end_to_end;
mod fuzz;
mod keychain;
mod kill;
mod libvirt;
mod lint;
mod migrate;
mod secret_service;
mod sim;
mod tpm2_tools;

pub(crate) use libvirt::Daemon;

use crate::{
    conformance, demo,
    guest::{self, Guest},
    report::Report,
    sh::{self, Result},
};
use std::path::PathBuf;

/// One group of checks.
pub(crate) struct Step {
    /// For `--only`.
    pub(crate) name: &'static str,
    /// In a few words.
    pub(crate) about: &'static str,
    /// Adds its checks to the report; an error is one more failed check.
    pub(crate) run: fn(&mut Context, &mut Report) -> Result<()>,
}

/// Every step.
pub(crate) const ALL: &[Step] = &[
    Step { name: "fmt", about: "the sources are formatted", run: lint::fmt },
    Step { name: "clippy", about: "no lint warns", run: lint::clippy },
    Step { name: "doc", about: "the documentation builds without a warning", run: lint::doc },
    Step { name: "cargo", about: "unit, property, behaviour and command line tests", run: cargo_tests::run },
    Step { name: "aws-lc", about: "the cryptography's tests with AWS-LC below", run: aws_lc::run },
    Step { name: "deny", about: "licences and sources of every dependency", run: lint::deny },
    Step { name: "spec", about: "declarations against the tables of Parts 2 and 3", run: lint::spec },
    Step { name: "tidy", about: "the rules of the house that no compiler checks", run: lint::tidy },
    Step { name: "fuzz", about: "every fuzz target for a while", run: fuzz::run },
    Step { name: "sim", about: "random lives of a TPM for a minute", run: sim::run },
    Step {
        name: "differential",
        about: "the same random commands to sigillo and swtpm",
        run: differential::run,
    },
    Step { name: "tpm2-tools", about: "a scripted tpm2-tools session", run: tpm2_tools::run },
    Step { name: "conformance", about: "the quick suites of others against sigillo", run: conformance::step },
    Step {
        name: "keychain",
        about: "keychain files made here open in KeePassXC, and the other way round; systemd-creds",
        run: keychain::run,
    },
    Step {
        name: "secret-service",
        about: "records in the keyring of a desktop session",
        run: secret_service::run,
    },
    Step { name: "kill", about: "kill -9 of the TPM in the middle of writes", run: kill::run },
    Step { name: "e2e-crb", about: "a real guest under Secure Boot, TPM on CRB", run: end_to_end::crb },
    Step {
        name: "e2e-tis",
        about: "the same with the TPM on TIS, and the devices of a VM with Windows",
        run: end_to_end::tis,
    },
    Step { name: "libvirt", about: "the same guest as a domain of a real libvirtd", run: libvirt::run },
    Step {
        name: "tour",
        about: "docs/tour.md: two hosts, three boots, three things broken and mended",
        run: end_to_end::tour,
    },
    Step {
        name: "e2e-migrate",
        about: "a guest that keeps using its TPM: snapshot, migration, sleep",
        run: migrate::run,
    },
];

/// What several steps need and one of them builds.
#[derive(Default)]
pub(crate) struct Context {
    sigillo: Option<PathBuf>,
    guest: Option<Guest>,
}

impl Context {
    /// The command line, built.
    pub(crate) fn sigillo(&mut self) -> Result<PathBuf> {
        if let Some(path) = &self.sigillo {
            return Ok(path.clone());
        }
        Ok(self.sigillo.insert(demo::build_sigillo(&sh::ALL_FEATURES)?).clone())
    }

    /// The guest's disks, built.
    pub(crate) fn guest(&mut self) -> Result<&Guest> {
        let guest = match self.guest.take() {
            Some(guest) => guest,
            None => guest::build(&work_dir("guest")?)?,
        };
        Ok(self.guest.insert(guest))
    }
}

/// The number in an environment variable, which says otherwise than a step's default.
fn setting(variable: &str, default: u64) -> Result<u64> {
    match std::env::var(variable) {
        Ok(text) => text.parse().map_err(|_| format!("{variable}={text} is not a number")),
        Err(_) => Ok(default),
    }
}

/// A directory for a step's files, under cargo's target directory.
pub(crate) fn work_dir(name: &str) -> Result<PathBuf> {
    let dir = std::path::absolute(sh::target().join("xtask").join(name)).map_err(|e| e.to_string())?;
    sh::mkdir(&dir)?;
    Ok(dir)
}

/// The same, emptied.
pub(crate) fn fresh_dir(name: &str) -> Result<PathBuf> {
    let dir = work_dir(name)?;
    std::fs::remove_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    work_dir(name)
}
