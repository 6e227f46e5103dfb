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
use sigillo_messages::{printable, text, words};
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
    place: Place,
}

/// Where a viewer connects to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Place {
    /// A Unix socket.
    Socket(PathBuf),
    /// A port, and the file with its password.
    Port { port: u16, password: PathBuf },
    /// Where libvirt chose, in its words; absent where it did not say.
    Libvirt { uri: String, name: String, place: Option<String> },
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
        Ok(note.ok().map(|Note { kind, place }| match place {
            Place::Socket(path) => text!("display-socket", kind = kind.as_str(), path = path.display()),
            Place::Port { port, password } => {
                text!("display-port-password", kind = kind.as_str(), port, path = password.display())
            }
            Place::Libvirt { place: Some(place), .. } => {
                text!("libvirt-screen-at", kind = kind.as_str(), place)
            }
            Place::Libvirt { uri, name, place: None } => {
                text!("libvirt-screen-see", kind = kind.as_str(), uri, ?name)
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
    let place = match display.port {
        None => Place::Socket(run.display_socket()),
        Some(port) => {
            let path = run.display_password();
            let length = if display.kind == DisplayKind::Vnc { VNC_PASSWORD } else { SPICE_PASSWORD };
            let password =
                password(length).map_err(|e| Error::io(words!("do-make-a-password-for"), &path, e))?;
            fresh_file(&path, 0o600)?
                .write_all(&password)
                .map_err(|e| Error::io(words!("do-write"), &path, e))?;
            Place::Port { port, password: path }
        }
    };
    keep(run, &Note { kind: display.kind, place })
}

/// Where libvirt has put the screen; `place` is its own words, without control characters.
pub(crate) fn note_libvirts(
    run: &RunDir,
    kind: DisplayKind,
    uri: &str,
    name: &str,
    place: Option<&str>,
) -> Result<()> {
    let place = place.map(|place| printable(place.trim()));
    let place = Place::Libvirt { uri: uri.to_owned(), name: name.to_owned(), place };
    keep(run, &Note { kind, place })
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
