//! What is done when a VM's record is missing, or its TPM's store is not the one last seen: by the command line, the VM and the
//! host. And which VMs may get a TPM, by the host alone.
//!
//! The host's file is `/etc/sigillo/host.toml` for root and `~/.config/sigillo/host.toml` for others; `SIGILLO_CONFIG` names
//! another.
//!
//! ```toml
//! when_record_missing = "refuse"    # refuse | ask | new
//! when_rolled_back = "ask"          # refuse | ask | accept
//! keychain = "system"               # system | secret-service: where the records of this host are
//!
//! [tpm]                             # who may get a TPM; absent: every guest that can have one
//! may_add = true
//! guests = ["windows-11", "linux"]  # these guest types only
//! hosts = ["desk-1", "desk-2"]      # on these hosts only, where one file is handed to many
//! cipher = "aes-256"                # what new stores are sealed with, at least: aes-128 | aes-256
//! profile = "pc-client"             # what kind of TPM they are made as
//!
//! [vms.3f2b1c9a-0000-4000-8000-000000000000]
//! when_rolled_back = "accept"       # for this VM alone
//! ```
//! Where nothing is said, a person at a terminal is asked and everything else is refused.
use crate::{
    config::{Config, Guest, MAX_CONFIG_BYTES, complaint},
    error::{Error, Result},
    files::open_plain,
    tpm::host_name,
};
use serde::{Deserialize, Serialize};
use sigillo_messages::text;
use sigillo_store::Algorithm;
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
    /// Where it was read from.
    #[serde(skip)]
    path: PathBuf,
    /// Who may get a TPM.
    #[serde(default)]
    tpm: TpmPolicy,
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

/// Who may get a TPM, and of what kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct TpmPolicy {
    may_add: Option<bool>,
    guests: Option<Vec<Guest>>,
    hosts: Option<Vec<String>>,
    cipher: Option<Cipher>,
    profile: Option<String>,
}

/// What seals a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Cipher {
    #[serde(rename = "aes-128")]
    Aes128,
    #[serde(rename = "aes-256")]
    Aes256,
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
            return Err(fail(text!("policy-writable")));
        }
        let mut text = String::new();
        file.take(MAX_CONFIG_BYTES).read_to_string(&mut text).map_err(|e| fail(e.to_string()))?;
        let policy = Self::parse(&text).map_err(fail)?;
        Ok(Self { path, ..policy })
    }

    /// Parses the text of a `host.toml`.
    ///
    /// # Errors
    /// A sentence that begins with the line where there is one.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        toml::from_str(text).map_err(|e| complaint(text, &e))
    }

    /// Where the records of this host are.
    #[must_use]
    pub fn keychain(&self) -> KeychainPlace {
        self.keychain
    }

    /// What a new store is sealed with: as asked, else as the host says, else the default.
    #[must_use]
    pub fn cipher(&self, asked: Option<Algorithm>) -> Algorithm {
        asked.unwrap_or(match self.tpm.cipher {
            Some(Cipher::Aes256) => Algorithm::Aes256Gcm,
            Some(Cipher::Aes128) | None => Algorithm::Aes128Gcm,
        })
    }

    /// The profile of a new TPM: as asked, else as the host says; `None` is the default of whoever makes the TPM.
    #[must_use]
    pub fn profile<'a>(&'a self, asked: Option<&'a str>) -> Option<&'a str> {
        asked.or(self.tpm.profile.as_deref())
    }

    /// Requires that the host's administrator lets a guest of this type have a TPM here.
    pub(crate) fn require_guest(&self, name: &str, guest: Guest) -> Result<()> {
        if let Some(why) = self.host_refusal() {
            return Err(self.refusal(name, why));
        }
        if let Some(guests) = &self.tpm.guests
            && !guests.contains(&guest)
        {
            let known: Vec<&str> = guests.iter().map(|guest| guest.as_str()).collect();
            let why = text!("policy-guests", guests = known.join(", "), guest);
            return Err(self.refusal(name, why));
        }
        Ok(())
    }

    /// Why no guest at all gets a TPM here, if it is so.
    pub(crate) fn host_refusal(&self) -> Option<String> {
        if self.tpm.may_add == Some(false) {
            return Some(text!("policy-nobody"));
        }
        let here = host_name();
        let excluded = self.tpm.hosts.as_ref().is_some_and(|hosts| !hosts.contains(&here));
        excluded.then(|| text!("policy-hosts", here))
    }

    /// Requires a TPM of the kind that the administrator wants.
    pub(crate) fn require_kind(&self, name: &str, profile: Option<&str>, cipher: Algorithm) -> Result<()> {
        if let (Some(wanted), Some(asked)) = (&self.tpm.profile, profile)
            && wanted != asked
        {
            return Err(self.refusal(name, text!("policy-profile", ?wanted, ?asked)));
        }
        if self.tpm.cipher == Some(Cipher::Aes256) && cipher != Algorithm::Aes256Gcm {
            let why = text!("policy-cipher");
            return Err(self.refusal(name, why));
        }
        Ok(())
    }

    fn refusal(&self, name: &str, why: String) -> Error {
        let file =
            if self.path.as_os_str().is_empty() { PathBuf::from("host.toml") } else { self.path.clone() };
        Error::TpmPolicy { name: name.to_owned(), file, why }
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
    fn the_host_says_which_guests_may_have_a_tpm_and_of_what_kind() {
        let code = |text: &str, guest| {
            HostPolicy::parse(text)
                .unwrap()
                .require_guest("vm", guest)
                .map_err(|error| error.code().to_owned())
        };
        let refused = Err("SIG_ERR_TPM_POLICY".to_owned());
        assert_eq!(code("", Guest::Other), Ok(()));
        assert_eq!(code("[tpm]\nmay_add = false", Guest::Linux), refused);
        assert_eq!(code("[tpm]\nguests = [\"windows-11\"]", Guest::Linux), refused);
        assert_eq!(code("[tpm]\nguests = [\"windows-11\"]", Guest::Windows11), Ok(()));
        assert_eq!(code("[tpm]\nhosts = [\"no such host\"]", Guest::Linux), refused);
        assert_eq!(code(&format!("[tpm]\nhosts = [{:?}]", host_name()), Guest::Linux), Ok(()));
        let policy = HostPolicy::parse("[tpm]\ncipher = \"aes-256\"\nprofile = \"ptp-1.07\"").unwrap();
        assert_eq!((policy.cipher(None), policy.profile(None)), (Algorithm::Aes256Gcm, Some("ptp-1.07")));
        assert!(policy.require_kind("vm", Some("ptp-1.07"), Algorithm::Aes256Gcm).is_ok());
        let weaker = policy.require_kind("vm", None, policy.cipher(Some(Algorithm::Aes128Gcm))).unwrap_err();
        assert!(weaker.to_string().contains("host.toml) wants its store sealed with aes-256"), "{weaker}");
        assert!(policy.require_kind("vm", Some("libtpms"), Algorithm::Aes256Gcm).is_err());
        let stronger = HostPolicy::parse("[tpm]\ncipher = \"aes-128\"").unwrap();
        assert!(stronger.require_kind("vm", None, Algorithm::Aes256Gcm).is_ok());
    }

    #[test]
    fn a_word_that_is_none_is_an_error() {
        for text in [
            "keychain = \"file\"",
            "[tpm]\nguests = [\"dos\"]",
            "[tpm]\ncipher = \"des\"",
            "[tpm]\nmay_ad = true",
            "when_rolled_back = \"new\"",
            "when_rolled_bck = \"ask\"",
            "[vms.x]\n",
            "[",
        ] {
            assert!(HostPolicy::parse(text).is_err(), "{text}");
        }
    }
}
