//! `vm.toml`: what a virtual machine is made of, in a form a person can read and edit while it is off.
//!
//! ```toml
//! version = 1
//! uuid = "3f2b1c9a-0000-4000-8000-000000000000"
//! name = "demo"
//! guest = "linux"
//! firmware = "uefi"
//! secure_boot = true
//! memory_mib = 2048
//! cpus = 2
//!
//! [[disks]]
//! path = "disk0.img"
//! format = "raw"
//!
//! [[networks]]
//!
//! [display]
//! kind = "vnc"
//!
//! [tpm]
//! interface = "crb"
//! store = "tpm.store"
//! encrypted = true
//! ```
//! Every key, its values and defaults are in `docs/vm.md`.
mod complaint;
mod devices;
mod guest;

pub(crate) use complaint::complaint;
pub use devices::{
    Bus, Cdrom, Disk, DiskFormat, Display, DisplayKind, Forward, Network, NetworkMode, NetworkModel,
};
pub(crate) use devices::{MAX_CDROMS, MAX_DISKS, MAX_NETWORKS, VNC_PORT};
pub use guest::{Defaults, Guest};

use crate::{
    error::{Error, Result},
    files::read_plain,
    policy::{WhenRecordMissing, WhenRolledBack},
};
use serde::{Deserialize, Serialize};
use sigillo_messages::{text, words};
use std::{
    fmt,
    ops::RangeInclusive,
    path::{Component, Path},
};
use uuid::Uuid;

/// The schema version written and read.
pub(crate) const VERSION: u32 = 1;
/// How much memory a VM may have. MiB.
pub const MEMORY_MIB: RangeInclusive<u32> = 16..=4 * 1024 * 1024;
/// How many virtual processors a VM may have.
pub const CPUS: RangeInclusive<u32> = 1..=255;
/// A longer `vm.toml` is refused unread. Bytes.
pub const MAX_CONFIG_BYTES: u64 = 64 * 1024;

/// A virtual machine's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Of the schema: 1.
    pub version: u32,
    /// Identifies the VM for its whole life.
    pub uuid: Uuid,
    /// As the user calls it.
    pub name: String,
    /// What runs in it.
    pub guest: Guest,
    /// What starts it.
    pub firmware: Firmware,
    /// UEFI Secure Boot with enrolled keys.
    #[serde(default)]
    pub secure_boot: bool,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Virtual processors.
    pub cpus: u32,
    /// How the processors are run.
    #[serde(default)]
    pub accel: Accelerator,
    /// Who starts QEMU.
    #[serde(default, skip_serializing_if = "Hypervisor::is_default")]
    pub hypervisor: Hypervisor,
    /// Which of this host's libvirts; absent: `qemu:///system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libvirt_uri: Option<String>,
    /// In the order the guest sees them; the first is booted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
    /// Drives to install from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cdroms: Vec<Cdrom>,
    /// Network cards; none: no network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// The screen; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<Display>,
    /// The TPM, if the VM has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<Tpm>,
    /// What `[tpm]` said before the TPM was removed; restoring its backup brings it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_tpm: Option<Tpm>,
}

/// Which key of the file a complaint is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    /// One outside of tables; or a table itself.
    Key(&'static str),
    /// In the table of that name and number.
    In(&'static str, usize, &'static str),
}

/// What starts a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// OVMF.
    Uefi,
    /// SeaBIOS, the legacy BIOS.
    Bios,
}

/// How the virtual processors are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// KVM where the host's KVM can do all the VM needs, else TCG.
    #[default]
    Auto,
    /// KVM or nothing.
    Kvm,
    /// QEMU's translator; works everywhere, slower.
    Tcg,
}

/// Who starts QEMU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hypervisor {
    /// sigillo itself.
    #[default]
    Qemu,
    /// libvirt, as a domain of its own.
    Libvirt,
}

impl Hypervisor {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The TPM of a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tpm {
    /// How the guest reaches it.
    pub interface: Interface,
    /// The store's file name in the bundle.
    pub store: String,
    /// Whether the store is sealed under the VM's keychain record.
    pub encrypted: bool,
    /// What kind of TPM it is made as, by its profile's name; absent: the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What is done when the keychain has no record for the store; absent: as the host says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_record_missing: Option<WhenRecordMissing>,
    /// What is done when the store is older than one seen; absent: as the host says. It makes the host's word stricter only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_rolled_back: Option<WhenRolledBack>,
}

/// The PC Client interface a guest's driver speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    /// Command Response Buffer.
    #[default]
    Crb,
    /// TPM Interface Specification (FIFO).
    Tis,
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crb => "crb",
            Self::Tis => "tis",
        })
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uefi => "uefi",
            Self::Bios => "bios",
        })
    }
}

impl Config {
    /// Reads and checks a `vm.toml`.
    ///
    /// # Errors
    /// [`Error::Config`] with the line, when it is too long, not UTF-8, not TOML, has unknown keys or values out of range.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_plain(path, MAX_CONFIG_BYTES).map_err(|e| Error::io(words!("do-read"), path, e))?;
        let fail = |what: String| Error::Config { path: path.to_owned(), what };
        if u64::try_from(bytes.len()).is_ok_and(|len| len > MAX_CONFIG_BYTES) {
            return Err(fail(text!("config-too-long", limit = MAX_CONFIG_BYTES)));
        }
        let text = std::str::from_utf8(&bytes).map_err(|e| {
            let line =
                bytes.get(..e.valid_up_to()).unwrap_or_default().iter().filter(|b| **b == b'\n').count() + 1;
            fail(text!("config-not-text", line))
        })?;
        Self::parse(text).map_err(fail)
    }

    /// Parses and checks the text of a `vm.toml`. The error is a sentence that begins with the line where there is one.
    ///
    /// # Errors
    /// The sentence.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|e| complaint(text, &e))?;
        config.check().map_err(|(place, what)| match line_of(text, place) {
            Some(line) => text!("config-line", line, what),
            None => what,
        })?;
        Ok(config)
    }

    /// What no `vm.toml` could say of this, if there is something.
    pub(crate) fn impossible(&self) -> Option<String> {
        self.check().err().map(|(_, what)| what)
    }

    /// Requires that a `vm.toml` could say this.
    pub(crate) fn require_possible(&self, path: &Path) -> Result<()> {
        self.check().map_err(|(_, what)| Error::Config { path: path.to_owned(), what })
    }

    /// Writes the file anew, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = self.to_text().map_err(|what| Error::Config { path: path.to_owned(), what })?;
        crate::files::replace_file(path, text.as_bytes(), 0o644)
    }

    /// The file's text, checked. The error is a sentence.
    pub(crate) fn to_text(&self) -> std::result::Result<String, String> {
        self.check().map_err(|(_, what)| what)?;
        Ok(format!(
            "# A sigillo virtual machine. Edit only while it is off; `sigillo vm info` checks it.
{}",
            self.text()?
        ))
    }

    /// The keys and values, as in the file.
    ///
    /// # Errors
    /// A sentence.
    pub fn text(&self) -> std::result::Result<String, String> {
        toml::to_string_pretty(self).map_err(|e| e.to_string())
    }

    fn check(&self) -> std::result::Result<(), (Where, String)> {
        let wrong = |key: &'static str, what: String| Err((Where::Key(key), what));
        if self.version != VERSION {
            return wrong("version", text!("config-version", version = self.version, known = VERSION));
        }
        check_name(&self.name).map_err(|what| (Where::Key("name"), what))?;
        if !MEMORY_MIB.contains(&self.memory_mib) {
            return wrong("memory_mib", text!("config-memory", memory = self.memory_mib));
        }
        if !CPUS.contains(&self.cpus) {
            return wrong("cpus", text!("config-cpus", cpus = self.cpus));
        }
        if self.secure_boot && self.firmware == Firmware::Bios {
            return wrong("secure_boot", text!("config-secure-boot"));
        }
        if let Some(uri) = &self.libvirt_uri {
            if self.hypervisor != Hypervisor::Libvirt {
                return wrong("libvirt_uri", text!("config-libvirt-uri"));
            }
            crate::libvirt::check_uri(uri).map_err(|what| (Where::Key("libvirt_uri"), what))?;
        }
        self.check_devices()?;
        if self.tpm.is_some() && self.firmware == Firmware::Bios {
            return wrong("firmware", text!("config-bios-tpm"));
        }
        for (table, tpm) in [("tpm", &self.tpm), ("removed_tpm", &self.removed_tpm)] {
            if let Some(tpm) = tpm {
                tpm.check().map_err(|(key, what)| (Where::In(table, 0, key), what))?;
            }
        }
        Ok(())
    }
}

impl Tpm {
    fn check(&self) -> std::result::Result<(), (&'static str, String)> {
        let mut parts = Path::new(&self.store).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
            || self.store.contains(char::is_control)
        {
            return Err(("store", text!("config-store", store = ?self.store)));
        }
        match &self.profile {
            Some(profile) if !profile.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)) => {
                Err(("profile", text!("config-profile", ?profile)))
            }
            _ => Ok(()),
        }
    }
}

/// A VM's name is also a directory's: letters, digits, space and `._-`, at most 64, beginning with a letter or digit.
pub(crate) fn check_name(name: &str) -> std::result::Result<(), String> {
    let first = name.chars().next().is_some_and(char::is_alphanumeric);
    let rest = name.chars().all(|c| c.is_alphanumeric() || " ._-".contains(c));
    if first && rest && name.len() <= 64 && !name.ends_with(' ') {
        Ok(())
    } else {
        Err(text!("vm-name", ?name))
    }
}

/// The line of a key, from 1; that of its table where the key itself is not there.
fn line_of(text: &str, place: Where) -> Option<usize> {
    let is_key = |line: &str, key: &str| {
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let is_table = |line: &str, name: &str| {
        let line = line.split('#').next().unwrap_or_default().trim();
        line.strip_prefix('[')
            .and_then(|l| l.strip_suffix(']'))
            .is_some_and(|inner| inner.trim_start_matches('[').trim_end_matches(']').trim() == name)
    };
    let found = match place {
        Where::Key(key) => text.lines().position(|line| is_key(line, key) || is_table(line, key)),
        Where::In(table, number, key) => {
            let mut headers = text.lines().enumerate().filter(|(_, line)| is_table(line, table));
            match headers.nth(number) {
                Some((header, _)) => {
                    let inside = text.lines().enumerate().skip(header + 1);
                    inside
                        .take_while(|(_, line)| !line.trim_start().starts_with('['))
                        .find(|(_, line)| is_key(line, key))
                        .map(|(at, _)| at)
                        .or(Some(header))
                }
                None => text.lines().position(|line| is_key(line, table)),
            }
        }
    };
    found.map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    const GOOD: &str = "version = 1\nuuid = \"a6a5e09e-3d1b-4c3c-9f0c-0e0f9a4a0001\"\nname = \"demo\"\nguest = \"windows-11\"\n\
        firmware = \"uefi\"\nsecure_boot = true\nmemory_mib = 512\ncpus = 1\n\n[[disks]]\npath = \"disk0.img\"\nformat = \"raw\"\n\n\
        [tpm]\ninterface = \"crb\"\nstore = \"tpm.store\"\nencrypted = true\n";

    #[test]
    fn a_config_survives_writing_and_reading() {
        let config = Config::parse(GOOD).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vm.toml");
        config.write(&path).unwrap();
        assert_eq!(Config::read(&path).unwrap(), config);
        assert_eq!(config.accel, Accelerator::Auto);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let text = GOOD.replace("cpus = 1", "cpus = 1\nturbo = true");
        let error = Config::parse(&text).unwrap_err();
        assert!(error.starts_with("line 9: ") && error.contains("turbo"), "{error}");
    }

    #[test]
    fn values_out_of_range_are_refused_with_their_line() {
        for (from, to, line) in [
            ("cpus = 1", "cpus = 0", 8),
            ("cpus = 1", "cpus = -1", 8),
            ("memory_mib = 512", "memory_mib = 8", 7),
            ("version = 1", "version = 2", 1),
            ("name = \"demo\"", "name = \"../x\"", 3),
            ("\"tpm.store\"", "\"../tpm.store\"", 16),
            ("encrypted = true", "encrypted = true\nprofile = \"a b\"", 18),
            ("\"disk0.img\"", "\"../disk0.img\"", 11),
            ("firmware = \"uefi\"\nsecure_boot = true", "firmware = \"bios\"\nsecure_boot = false", 5),
            ("guest = \"windows-11\"", "guest = \"dos\"", 4),
        ] {
            let error = Config::parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.starts_with(&format!("line {line}: ")), "{to}: {error}");
        }
    }

    #[test]
    fn an_oversized_or_binary_file_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vm.toml");
        for bytes in [vec![b'#'; 65 * 1024], b"version = 1\n\xff\xfe".to_vec()] {
            fs::write(&path, &bytes).unwrap();
            let error = Config::read(&path).unwrap_err();
            assert_eq!(error.code(), "SIG_ERR_VM_CONFIG");
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,200}", at in 0usize..300, byte in any::<char>()) {
            let _ = Config::parse(&text);
            let mut lines: Vec<char> = GOOD.chars().collect();
            let at = at % lines.len();
            lines[at] = byte;
            let _ = Config::parse(&lines.into_iter().collect::<String>());
        }
    }
}
