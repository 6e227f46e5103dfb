//! What is done when a VM's record is missing, or its TPM's store is not the one last seen: by the command line, the VM and the
//! host.
//!
//! The host's file is `/etc/sigillo/host.toml` for root and `~/.config/sigillo/host.toml` for others; `SIGILLO_CONFIG` names
//! another.
//!
//! ```toml
//! when_record_missing = "refuse"    # refuse | ask | new
//! when_rolled_back = "ask"          # refuse | ask | accept
//! keychain = "system"               # system | secret-service: where the records of this host are
//!
//! [vms.3f2b1c9a-0000-4000-8000-000000000000]
//! when_rolled_back = "accept"       # for this VM alone
//! ```
//! Where nothing is said, a person at a terminal is asked and everything else is refused.
use crate::{
    config::{Config, MAX_CONFIG_BYTES},
    error::{Error, Result},
    files::open_plain,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs::File, io::Read, os::unix::fs::MetadataExt, path::PathBuf};
use uuid::Uuid;

/// What is done when the keychain has no record for a VM's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenRecordMissing {
    /// The VM does not start.
    Refuse,
    /// Whoever starts the VM decides, if it is a person at a terminal; otherwise the VM does not start.
    Ask,
    /// The store becomes a backup, and the VM gets a new TPM.
    New,
}

/// What is done when a VM's store is older than one that was seen, or of another history. From the strictest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenRolledBack {
    /// The VM does not start.
    Refuse,
    /// Whoever starts the VM decides, if it is a person at a terminal; otherwise the VM does not start.
    Ask,
    /// The VM starts, and the audit log says so.
    Accept,
}

/// Where the records of a host are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeychainPlace {
    /// The sealed file of the system keychain.
    #[default]
    System,
    /// The Secret Service of the desktop session.
    SecretService,
}

/// The host's file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostPolicy {
    /// For VMs that say nothing of their own.
    when_record_missing: Option<WhenRecordMissing>,
    /// For all VMs but those named below.
    when_rolled_back: Option<WhenRolledBack>,
    /// Where the records are.
    #[serde(default)]
    keychain: KeychainPlace,
    /// By UUID.
    #[serde(default)]
    vms: BTreeMap<Uuid, VmPolicy>,
}

/// What the host's file says of one VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct VmPolicy {
    when_record_missing: Option<WhenRecordMissing>,
    when_rolled_back: Option<WhenRolledBack>,
}

impl HostPolicy {
    /// The policy of this host; one without a file says nothing.
    ///
    /// # Errors
    /// [`Error::HostConfig`] if the file cannot be used or others could have written it.
    pub fn of_this_host() -> Result<Self> {
        let env = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let path = match env("SIGILLO_CONFIG") {
            Some(path) => path,
            None if rustix::process::geteuid().is_root() => PathBuf::from("/etc/sigillo/host.toml"),
            None => {
                let base = env("XDG_CONFIG_HOME").or_else(|| env("HOME").map(|home| home.join(".config")));
                let Some(base) = base else { return Ok(Self::default()) };
                base.join("sigillo/host.toml")
            }
        };
        let fail = |what: String| Error::HostConfig { path: path.clone(), what };
        let file = match open_plain(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(fail(e.to_string())),
        };
        if !is_ours(&file).map_err(|e| fail(e.to_string()))? {
            return Err(fail("others than root and the user who runs sigillo can write it".to_owned()));
        }
        let mut text = String::new();
        file.take(MAX_CONFIG_BYTES).read_to_string(&mut text).map_err(|e| fail(e.to_string()))?;
        Self::parse(&text).map_err(fail)
    }

    /// Parses the text of a `host.toml`.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        toml::from_str(text).map_err(|e| e.to_string().trim_end().replace('\n', " "))
    }

    /// Where the records of this host are.
    #[must_use]
    pub fn keychain(&self) -> KeychainPlace {
        self.keychain
    }

    /// What to do without a record. A VM's own word counts: whoever can write its bundle can take its store away as well.
    pub(crate) fn when_record_missing(
        &self,
        asked: Option<WhenRecordMissing>,
        config: &Config,
    ) -> WhenRecordMissing {
        asked
            .or_else(|| self.vms.get(&config.uuid).and_then(|vm| vm.when_record_missing))
            .or_else(|| config.tpm.as_ref().and_then(|tpm| tpm.when_record_missing))
            .or(self.when_record_missing)
            .unwrap_or(WhenRecordMissing::Ask)
    }

    /// What to do with an older store. A VM's own word can only be stricter: whoever put the store back could have written it
    /// beside.
    pub(crate) fn when_rolled_back(&self, asked: Option<WhenRolledBack>, config: &Config) -> WhenRolledBack {
        let host = asked
            .or_else(|| self.vms.get(&config.uuid).and_then(|vm| vm.when_rolled_back))
            .or(self.when_rolled_back)
            .unwrap_or(WhenRolledBack::Ask);
        let own = config.tpm.as_ref().and_then(|tpm| tpm.when_rolled_back);
        own.map_or(host, |own| own.min(host))
    }
}

fn is_ours(file: &File) -> std::io::Result<bool> {
    let found = file.metadata()?;
    let us = rustix::process::geteuid().as_raw();
    Ok((found.uid() == 0 || found.uid() == us) && found.mode() & 0o022 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(tpm: &str) -> Config {
        Config::parse(&format!(
            "version = 1\nuuid = \"a6a5e09e-3d1b-4c3c-9f0c-0e0f9a4a0001\"\nname = \"demo\"\nguest = \"linux\"\n\
             firmware = \"uefi\"\nmemory_mib = 512\ncpus = 1\n[tpm]\ninterface = \"crb\"\nstore = \"tpm.store\"\n\
             encrypted = true\n{tpm}\n"
        ))
        .unwrap()
    }

    #[test]
    fn the_command_line_comes_before_the_vm_and_the_vm_before_the_host() {
        let host = HostPolicy::parse("when_record_missing = \"refuse\"").unwrap();
        let new = config("when_record_missing = \"new\"");
        assert_eq!(host.when_record_missing(None, &new), WhenRecordMissing::New);
        let ask = Some(WhenRecordMissing::Ask);
        assert_eq!(host.when_record_missing(ask, &new), WhenRecordMissing::Ask);
        assert_eq!(host.when_record_missing(None, &config("")), WhenRecordMissing::Refuse);
        assert_eq!(HostPolicy::default().when_record_missing(None, &config("")), WhenRecordMissing::Ask);
    }

    #[test]
    fn a_vm_cannot_allow_its_own_rollback_and_the_host_can() {
        let lax = config("when_rolled_back = \"accept\"");
        assert_eq!(HostPolicy::default().when_rolled_back(None, &lax), WhenRolledBack::Ask);
        let host = HostPolicy::parse(
            "when_rolled_back = \"refuse\"\n[vms.a6a5e09e-3d1b-4c3c-9f0c-0e0f9a4a0001]\nwhen_rolled_back = \"accept\"",
        )
        .unwrap();
        assert_eq!(host.when_rolled_back(None, &config("")), WhenRolledBack::Accept);
        let strict = config("when_rolled_back = \"refuse\"");
        assert_eq!(host.when_rolled_back(None, &strict), WhenRolledBack::Refuse);
        assert_eq!(host.when_rolled_back(Some(WhenRolledBack::Accept), &strict), WhenRolledBack::Refuse);
    }

    #[test]
    fn records_are_in_the_system_keychain_unless_the_host_says_otherwise() {
        assert_eq!(HostPolicy::default().keychain(), KeychainPlace::System);
        let host = HostPolicy::parse("keychain = \"secret-service\"").unwrap();
        assert_eq!(host.keychain(), KeychainPlace::SecretService);
    }

    #[test]
    fn a_word_that_is_none_is_an_error() {
        for text in [
            "keychain = \"file\"",
            "when_rolled_back = \"new\"",
            "when_rolled_bck = \"ask\"",
            "[vms.x]\n",
            "[",
        ] {
            assert!(HostPolicy::parse(text).is_err(), "{text}");
        }
    }
}
