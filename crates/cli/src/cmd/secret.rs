//! Where a recovery code or passphrase comes from: the terminal without echo, a file, or standard input; never the command line or
//! the environment, which others can read.
use super::Failure;
use sigillo_messages::text;
use sigillo_server::fds;
use sigillo_store::{Key, RecoveryCode, Secret};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The first line of a file (`-` is standard input), or of what a person types.
fn line(file: Option<&Path>, prompt: &str) -> Result<Secret, Failure> {
    let Some(path) = file else {
        return ask(prompt).map_err(|error| no_input(&text!("no-terminal-for-secret", error)));
    };
    let read = open(path).and_then(first_line);
    read.map_err(|error| no_input(&text!("secret-unreadable", path = path.display(), error)))
}

/// A file, or standard input for `-`.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if path.as_os_str() == "-" {
        return Ok(rustix::io::dup(rustix::stdio::stdin())?.into());
    }
    File::open(path)
}

/// A secret as an editor or `echo` leaves it: without the end of the line.
pub(super) fn first_line(file: File) -> io::Result<Secret> {
    let secret = fds::read_secret(file)?;
    let line = secret.expose().split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Secret::from_slice(line.strip_suffix(b"\r").unwrap_or(line)))
}

/// Asks on the terminal, without echo.
pub(super) fn ask(prompt: &str) -> io::Result<Secret> {
    let answer = Zeroizing::new(rpassword::prompt_password(prompt)?);
    Ok(Secret::from_slice(answer.as_bytes()))
}

fn no_input(why: &str) -> Failure {
    Failure::new("SIG_ERR_KEY_INPUT", text!("and-nothing-changed", why))
}

/// A passphrase that is about to be set: asked for twice, as a mistyped one would lock its owner out.
pub(crate) fn new_passphrase(file: Option<&Path>) -> Result<Secret, Failure> {
    let first = line(file, &text!("ask-new-passphrase"))?;
    if file.is_none() && line(None, &text!("ask-again"))? != first {
        return Err(no_input(&text!("passphrases-differ")));
    }
    Ok(first)
}

/// A recovery code or passphrase that a store has.
#[derive(clap::Args)]
pub(crate) struct Unlock {
    /// Use a passphrase instead of the recovery code
    #[arg(long)]
    passphrase: bool,
    /// Read the code or passphrase from the first line of a file, - for standard input [default: ask on the terminal]
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
}

impl Unlock {
    /// Whether one is named on the command line.
    pub(crate) fn is_given(&self) -> bool {
        self.passphrase || self.from_file.is_some()
    }

    /// Asks or reads. A recovery code is checked here, before it is tried on anything.
    pub(crate) fn key(&self) -> Result<Key, Failure> {
        let file = self.from_file.as_deref();
        if self.passphrase {
            return Ok(Key::Passphrase(line(file, &text!("ask-passphrase"))?));
        }
        let text = line(file, &text!("ask-recovery-code"))?;
        let code =
            std::str::from_utf8(text.expose()).map_err(|_| no_input(&text!("recovery-code-not-text")))?;
        RecoveryCode::parse(code)
            .map(Key::RecoveryCode)
            .map_err(|why| Failure::new("SIG_ERR_RECOVERY_CODE", text!("recovery-code-not-tried", why)))
    }
}
