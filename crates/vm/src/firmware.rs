//! OVMF as Debian installs it: which build and which variables a VM gets.
use crate::{
    bundle::{Bundle, VARS},
    error::{Error, Result},
    files::read_plain,
    variables::{self, SecureBoot},
};
use sigillo_messages::{text, words};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

const DIRECTORY: &str = "/usr/share/OVMF";
const PLAIN: &str = "OVMF_VARS_4M.fd";
const MICROSOFT: &str = "OVMF_VARS_4M.ms.fd";
/// Firmware variables of Debian's 4 MiB builds, in bytes; a file of another size is no variable store for them.
pub(crate) const VARS_BYTES: u64 = 540_672;

/// Whose keys Secure Boot trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Microsoft's, which sign Windows and the shims of Linux distributions.
    Microsoft,
    /// A test key pair whose private half everybody has. For tests only.
    Snakeoil,
    /// A variable store prepared elsewhere.
    File(PathBuf),
}

impl FromStr for Keys {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "" => Err(text!("keys-choices")),
            "microsoft" => Ok(Self::Microsoft),
            "snakeoil" => Ok(Self::Snakeoil),
            path => Ok(Self::File(PathBuf::from(path))),
        }
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Microsoft => f.write_str(&text!("keys-microsoft")),
            Self::Snakeoil => f.write_str(&text!("keys-snakeoil")),
            Self::File(path) => write!(f, "{}", text!("keys-of-file", path = path.display())),
        }
    }
}

impl Keys {
    /// The enrolled variables, read and checked.
    pub(crate) fn variables(&self) -> Result<Vec<u8>> {
        let path = match self {
            Self::Microsoft => part(MICROSOFT)?,
            Self::Snakeoil => part("OVMF_VARS_4M.snakeoil.fd")?,
            Self::File(path) => path.clone(),
        };
        let wrong = |what: String| Error::SecureBootKeys(format!("{}: {what}", path.display()));
        let size = fs::metadata(&path).map_err(|e| wrong(e.to_string()))?.len();
        let bytes = read_plain(&path, VARS_BYTES).map_err(|e| wrong(e.to_string()))?;
        match flaw(size, &bytes) {
            None => Ok(bytes),
            Some(why) => Err(wrong(why)),
        }
    }
}

/// What is wrong with a variable store of this size, which begins so.
pub(crate) fn flaw(size: u64, bytes: &[u8]) -> Option<String> {
    if size != VARS_BYTES {
        return Some(text!("vars-size", size, wanted = VARS_BYTES));
    }
    // UEFI Platform Initialization: the firmware volume header has "_FVH" at offset 40.
    (bytes.get(40..44) != Some(b"_FVH")).then(|| text!("vars-no-volume"))
}

/// What a VM's firmware variables say of Secure Boot; `None` where they cannot be read, or are none of this firmware's.
pub(crate) fn secure_boot_of(vm: &Bundle) -> Option<SecureBoot> {
    let bytes = read_plain(&vm.path().join(VARS), VARS_BYTES).ok()?;
    variables::secure_boot(&bytes)
}

/// Where a fresh variable store comes from, for a person who has lost one.
pub(crate) fn template_for(secure_boot: bool) -> PathBuf {
    Path::new(DIRECTORY).join(if secure_boot { MICROSOFT } else { PLAIN })
}

/// The firmware image for a UEFI VM.
pub(crate) fn code(secure_boot: bool) -> Result<PathBuf> {
    part(if secure_boot { "OVMF_CODE_4M.secboot.fd" } else { "OVMF_CODE_4M.fd" })
}

/// The variable store without keys that a new VM gets.
pub(crate) fn plain_template() -> Result<PathBuf> {
    part(PLAIN)
}

/// Writes a variable store without keys.
pub(crate) fn plain_vars(to: &Path) -> Result<()> {
    let from = plain_template()?;
    let bytes = fs::read(&from).map_err(|e| Error::io(words!("do-read"), &from, e))?;
    crate::files::replace_file(to, &bytes, 0o600)
}

fn part(name: &str) -> Result<PathBuf> {
    let path = Path::new(DIRECTORY).join(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(Error::HostPart { what: words!("uefi-firmware"), path, package: "ovmf" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_that_is_no_variable_store_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vars.fd");
        for bytes in [Vec::new(), vec![0; 100], vec![0; 540_672]] {
            fs::write(&path, bytes).unwrap();
            let error = Keys::File(path.clone()).variables().unwrap_err();
            assert_eq!(error.code(), "SIG_ERR_SECURE_BOOT_KEYS");
        }
    }
}
