//! The screen of a VM: what a viewer connects to.
use crate::{
    bundle::Bundle,
    config::{Display, DisplayKind},
    error::{Error, Result},
    files::{fresh_file, read_plain, replace_file},
    qemu::QEMU,
    rundir::RunDir,
};
use std::{
    io::Write,
    process::{Command, Stdio},
};
use zeroize::Zeroizing;

/// Letters and digits that nobody takes for others; 32, so that a random octet's low bits choose evenly.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// VNC looks at no more of a password.
const VNC_PASSWORD: usize = 8;
const SPICE_PASSWORD: usize = 24;

impl Bundle {
    /// The same VM with another screen, for one start: the file is not changed.
    ///
    /// # Errors
    /// [`Error::Config`] if the display cannot be.
    pub fn with_display(&self, display: Display) -> Result<Self> {
        self.with_config(|config| config.display = Some(display))
    }

    /// Where a viewer finds the running VM's screen, in words; `None` without one.
    ///
    /// # Errors
    /// When there is no place for a run directory.
    pub fn display_address(&self) -> Result<Option<String>> {
        if self.run_state()?.is_none() {
            return Ok(None);
        }
        let bytes = read_plain(&self.run_dir(false)?.display_note(), 4096).ok();
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).filter(|text| !text.is_empty()))
    }
}

/// Makes what QEMU needs for the screen: a password for a port that every user of the host can connect to.
pub(crate) fn prepare(vm: &Bundle, run: &RunDir) -> Result<()> {
    let Some(display) = vm.config().display else { return Ok(()) };
    let name = display.kind.as_str();
    match display.kind {
        DisplayKind::None => return Ok(()),
        DisplayKind::Vnc => {}
        DisplayKind::Spice => require_spice(vm)?,
    }
    let note = match display.port {
        None => format!("{name} on the Unix socket {}", run.display_socket().display()),
        Some(port) => {
            let path = run.display_password();
            let length = if display.kind == DisplayKind::Vnc { VNC_PASSWORD } else { SPICE_PASSWORD };
            let password = password(length).map_err(|e| Error::io("make a password for", &path, e))?;
            fresh_file(&path, 0o600)?.write_all(&password).map_err(|e| Error::io("write", &path, e))?;
            format!("{name} on 127.0.0.1:{port}, with the password in {}", path.display())
        }
    };
    replace_file(&run.display_note(), note.as_bytes(), 0o600)
}

fn password(length: usize) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut octets = Zeroizing::new(vec![0; length]);
    getrandom::fill(&mut octets).map_err(std::io::Error::from)?;
    let letter = |octet: &u8| ALPHABET.get(usize::from(octet % 32)).copied().unwrap_or(b'a');
    Ok(Zeroizing::new(octets.iter().map(letter).collect()))
}

/// SPICE is a module that QEMU is installed with or without.
fn require_spice(vm: &Bundle) -> Result<()> {
    let mut command = Command::new(QEMU);
    command.args(["-machine", "none", "-display", "none", "-spice", "help"]);
    let said = command.stdin(Stdio::null()).output();
    // It ends with an error in either case, after it listed the options that it has.
    if said.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("disable-ticketing")) {
        return Ok(());
    }
    Err(Error::Display {
        name: vm.name().to_owned(),
        why: "the QEMU installed here has no SPICE. Nothing was changed; take `--display vnc`".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_as_long_as_asked_and_differ() {
        let [a, b] = [password(SPICE_PASSWORD).unwrap(), password(SPICE_PASSWORD).unwrap()];
        assert_eq!((a.len(), b.len()), (SPICE_PASSWORD, SPICE_PASSWORD));
        assert_ne!(a, b);
        assert!(a.iter().all(|letter| ALPHABET.contains(letter)));
    }
}
