//! The screen of a VM: what a viewer connects to.
use crate::{
    bundle::Bundle,
    config::{Display, DisplayKind},
    error::{Error, Result},
    files::{fresh_file, read_plain, replace_file},
    qemu::QEMU,
    rundir::RunDir,
};
use serde::{Deserialize, Serialize};
use sigillo_messages::{text, words};
use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};
use zeroize::Zeroizing;

/// Letters and digits that nobody takes for others; 32, so that a random octet's low bits choose evenly.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// VNC looks at no more of a password.
const VNC_PASSWORD: usize = 8;
const SPICE_PASSWORD: usize = 24;

/// What is kept of the screen while the VM runs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    kind: DisplayKind,
    /// Absent where it is a Unix socket.
    port: Option<u16>,
    /// The socket, or the file with the port's password.
    path: PathBuf,
    /// Where libvirt has it, if libvirt chose the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    libvirt: Option<Libvirts>,
}

/// A screen whose place libvirt chose.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Libvirts {
    uri: String,
    name: String,
    /// As it says; absent where it did not.
    place: Option<String>,
}

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
        let bytes = read_plain(&self.run_dir(false)?.display_note(), 4096).unwrap_or_default();
        let note = serde_json::from_slice::<Note>(&bytes);
        Ok(note.ok().map(|Note { kind, port, path, libvirt }| match (libvirt, port) {
            (Some(Libvirts { place: Some(place), .. }), _) => {
                text!("libvirt-screen-at", kind = kind.as_str(), place)
            }
            (Some(Libvirts { uri, name, place: None }), _) => {
                text!("libvirt-screen-see", kind = kind.as_str(), uri, ?name)
            }
            (None, None) => text!("display-socket", kind = kind.as_str(), path = path.display()),
            (None, Some(port)) => {
                text!("display-port-password", kind = kind.as_str(), port, path = path.display())
            }
        }))
    }
}

/// Makes what QEMU needs for the screen: a password for a port that every user of the host can connect to.
pub(crate) fn prepare(vm: &Bundle, run: &RunDir) -> Result<()> {
    let Some(display) = vm.config().display else { return Ok(()) };
    match display.kind {
        DisplayKind::None => return Ok(()),
        DisplayKind::Vnc => {}
        DisplayKind::Spice => require_spice(vm)?,
    }
    let note = match display.port {
        None => Note { kind: display.kind, port: None, path: run.display_socket(), libvirt: None },
        Some(port) => {
            let path = run.display_password();
            let length = if display.kind == DisplayKind::Vnc { VNC_PASSWORD } else { SPICE_PASSWORD };
            let password =
                password(length).map_err(|e| Error::io(words!("do-make-a-password-for"), &path, e))?;
            fresh_file(&path, 0o600)?
                .write_all(&password)
                .map_err(|e| Error::io(words!("do-write"), &path, e))?;
            Note { kind: display.kind, port: Some(port), path, libvirt: None }
        }
    };
    keep(run, &note)
}

/// Where libvirt has put the screen; `place` is its own words, without control characters.
pub(crate) fn note_libvirts(
    run: &RunDir,
    kind: DisplayKind,
    uri: &str,
    name: &str,
    place: Option<&str>,
) -> Result<()> {
    let place = place.map(|place| place.trim().replace(char::is_control, "?"));
    let libvirt = Libvirts { uri: uri.to_owned(), name: name.to_owned(), place };
    keep(run, &Note { kind, port: None, path: run.display_socket(), libvirt: Some(libvirt) })
}

fn keep(run: &RunDir, note: &Note) -> Result<()> {
    let text =
        serde_json::to_vec(note).map_err(|e| Error::io(words!("do-write"), &run.display_note(), e.into()))?;
    replace_file(&run.display_note(), &text, 0o600)
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
    Err(Error::Display { name: vm.name().to_owned(), why: text!("no-spice") })
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
