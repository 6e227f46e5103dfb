//! `vm.toml`: what a virtual machine is made of, in a form a person can read and edit while it is off.
//!
//! ```toml
//! version = 1                       # of this schema
//! uuid = "3f2b..."                  # never changes; names the keychain record
//! name = "demo"
//! guest = "linux"                   # linux | windows-11 | other
//! firmware = "uefi"                 # uefi | bios
//! secure_boot = true                # UEFI only
//! memory_mib = 2048
//! cpus = 2
//! accel = "auto"                    # auto | kvm | tcg
//!
//! [[disks]]
//! path = "disk0.img"                # in the bundle, or an absolute path
//! format = "raw"                    # raw | qcow2
//!
//! [tpm]                             # absent: no TPM
//! interface = "crb"                 # crb | tis
//! store = "tpm.store"               # in the bundle
//! encrypted = true
//! profile = "pc-client"             # what kind of TPM it is made as; absent: the default
//! when_record_missing = "refuse"    # refuse | ask | new; absent: as the host says
//! when_rolled_back = "refuse"       # refuse | ask | accept, but never laxer than the host; absent: as the host says
//! ```
use crate::{
    error::{Error, Result},
    files::read_plain,
    policy::{WhenRecordMissing, WhenRolledBack},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    path::{Component, Path, PathBuf},
};
use uuid::Uuid;

/// The schema version written and read.
pub(crate) const VERSION: u32 = 1;
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
    /// In the order the guest sees them; the first is booted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
    /// The TPM, if the VM has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<Tpm>,
}

/// What runs in a VM; decides what is added by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guest {
    /// Any Linux.
    Linux,
    /// Windows 11, which does not install without a TPM.
    #[serde(rename = "windows-11")]
    Windows11,
    /// Anything else.
    Other,
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

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Relative to the bundle, or absolute.
    pub path: PathBuf,
    /// How the bytes are laid out.
    pub format: DiskFormat,
}

/// A disk image's format. Never guessed by QEMU: a guest could write another format's header into a raw disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    /// The disk's bytes and nothing else.
    Raw,
    /// QEMU's copy-on-write format, version 2 or 3.
    Qcow2,
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

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linux => "linux",
            Self::Windows11 => "windows-11",
            Self::Other => "other",
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
        let bytes = read_plain(path, MAX_CONFIG_BYTES).map_err(|e| Error::io("read", path, e))?;
        let fail = |what: String| Error::Config { path: path.to_owned(), what };
        if u64::try_from(bytes.len()).is_ok_and(|len| len > MAX_CONFIG_BYTES) {
            return Err(fail(format!("the file is longer than {MAX_CONFIG_BYTES} bytes")));
        }
        let text = std::str::from_utf8(&bytes).map_err(|e| {
            let line =
                bytes.get(..e.valid_up_to()).unwrap_or_default().iter().filter(|b| **b == b'\n').count() + 1;
            fail(format!("line {line}: this is not UTF-8 text"))
        })?;
        Self::parse(text).map_err(fail)
    }

    /// Parses and checks the text of a `vm.toml`. The error is a sentence that begins with the line where there is one.
    ///
    /// # Errors
    /// The sentence.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|e| {
            let what = e.message().lines().collect::<Vec<_>>().join(", ");
            match e.span() {
                Some(span) => {
                    let line = text.bytes().take(span.start).filter(|b| *b == b'\n').count() + 1;
                    format!("line {line}: {what}")
                }
                None => what,
            }
        })?;
        config.check().map_err(|(key, what)| match line_of(text, key) {
            Some(line) => format!("line {line}: {what}"),
            None => what,
        })?;
        Ok(config)
    }

    /// Writes the file anew, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = self.to_text().map_err(|what| Error::Config { path: path.to_owned(), what })?;
        crate::files::replace_file(path, text.as_bytes(), 0o644)
    }

    /// The file's text, checked. The error is a sentence.
    pub(crate) fn to_text(&self) -> std::result::Result<String, String> {
        self.check().map_err(|(_, what)| what)?;
        let body = toml::to_string_pretty(self).map_err(|e| e.to_string())?;
        Ok(format!(
            "# A sigillo virtual machine. Edit only while it is off; `sigillo vm info` checks it.\n{body}"
        ))
    }

    fn check(&self) -> std::result::Result<(), (&'static str, String)> {
        let wrong = |key: &'static str, what: String| Err((key, what));
        if self.version != VERSION {
            return wrong(
                "version",
                format!("schema version {} is not known here (known: {VERSION})", self.version),
            );
        }
        check_name(&self.name).map_err(|what| ("name", what))?;
        if !(16..=4 * 1024 * 1024).contains(&self.memory_mib) {
            return wrong(
                "memory_mib",
                format!("memory_mib = {} is not between 16 and 4194304", self.memory_mib),
            );
        }
        if !(1..=255).contains(&self.cpus) {
            return wrong("cpus", format!("cpus = {} is not between 1 and 255", self.cpus));
        }
        if self.secure_boot && self.firmware == Firmware::Bios {
            return wrong("secure_boot", "secure_boot needs firmware = \"uefi\"".to_owned());
        }
        if self.disks.len() > 16 {
            return wrong("disks", format!("{} disks; 16 are possible", self.disks.len()));
        }
        for disk in &self.disks {
            let inside = disk.path.components().all(|part| matches!(part, Component::Normal(_)));
            let printable =
                disk.path.to_str().is_some_and(|p| !p.is_empty() && !p.contains(char::is_control));
            if !printable || !(inside || disk.path.is_absolute()) {
                return wrong(
                    "path",
                    format!("{:?} is neither a name in the bundle nor an absolute path", disk.path),
                );
            }
        }
        if let Some(tpm) = &self.tpm {
            if self.firmware == Firmware::Bios {
                return wrong("firmware", "a VM with legacy BIOS cannot have a [tpm]".to_owned());
            }
            let mut parts = Path::new(&tpm.store).components();
            if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
                || tpm.store.contains(char::is_control)
            {
                return wrong("store", format!("store = {:?} is not a file name", tpm.store));
            }
            if let Some(profile) = &tpm.profile
                && !profile.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
            {
                return wrong("profile", format!("profile = {profile:?} is not the name of a profile"));
            }
        }
        Ok(())
    }
}

/// A VM's name is also a directory's: letters, digits, space and `._-`, at most 64, beginning with a letter or digit.
pub(crate) fn check_name(name: &str) -> std::result::Result<(), String> {
    let first = name.chars().next().is_some_and(char::is_alphanumeric);
    let rest = name.chars().all(|c| c.is_alphanumeric() || " ._-".contains(c));
    if first && rest && name.len() <= 64 && !name.ends_with(' ') {
        Ok(())
    } else {
        Err(format!(
            "{name:?} cannot name a VM: up to 64 letters, digits, spaces and . _ - beginning with a letter or digit"
        ))
    }
}

fn line_of(text: &str, key: &str) -> Option<usize> {
    text.lines()
        .position(|line| {
            line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
        })
        .map(|index| index + 1)
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
