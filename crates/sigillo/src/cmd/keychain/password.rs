//! Where the password of a keychain file comes from: the terminal, a file, standard input or a descriptor; never the command line
//! or the environment, which others can read.
use super::Failure;
use sigillo_server::fds;
use sigillo_store::Secret;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

#[derive(clap::Args)]
pub(crate) struct Source {
    /// Read the keychain file's password from the first line of this file, `-` for standard input [default: ask]
    #[arg(long, value_name = "FILE", conflicts_with = "password_fd")]
    password_file: Option<PathBuf>,
    /// Read it from this inherited descriptor
    #[arg(long, value_name = "FD")]
    password_fd: Option<i32>,
}

impl Source {
    /// The password of a file that there is.
    pub(super) fn existing(&self, path: &Path) -> Result<Secret, Failure> {
        match self.given()? {
            Some(password) => Ok(password),
            None => ask(&format!("Password of {}: ", path.display())),
        }
    }

    /// The password of a file that is about to be made, asked for twice.
    pub(super) fn new_one(&self, path: &Path) -> Result<Secret, Failure> {
        if let Some(password) = self.given()? {
            return Ok(password);
        }
        let first = ask(&format!("New password for {}: ", path.display()))?;
        if first != ask("The same again: ")? {
            return Err(failure("the two passwords differ"));
        }
        Ok(first)
    }

    fn given(&self) -> Result<Option<Secret>, Failure> {
        let opened = match (&self.password_file, self.password_fd) {
            (Some(path), _) if path.as_os_str() == "-" => {
                rustix::io::dup(rustix::stdio::stdin()).map(File::from).map_err(io::Error::from)
            }
            (Some(path), _) => File::open(path),
            (None, Some(fd)) => fds::inherited(fd).map(File::from),
            (None, None) => return Ok(None),
        };
        let secret = opened.and_then(fds::read_secret).map_err(failure)?;
        Ok(Some(first_line(&secret)))
    }
}

/// As an editor or `echo` leaves it: without the end of the line.
fn first_line(secret: &Secret) -> Secret {
    let line = secret.expose().split(|byte| *byte == b'\n').next().unwrap_or_default();
    Secret::from_slice(line.strip_suffix(b"\r").unwrap_or(line))
}

fn ask(prompt: &str) -> Result<Secret, Failure> {
    let answer = rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| {
        failure(format!("there is no terminal to ask on ({error}); give --password-file or --password-fd"))
    })?;
    Ok(Secret::from_slice(answer.as_bytes()))
}

fn failure(why: impl std::fmt::Display) -> Failure {
    let text = format!("no password for the keychain file: {why}; no record was read or copied; try again");
    Failure::new("SIG_ERR_KEYCHAIN_NO_PASSWORD", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_line_is_no_part_of_a_password() {
        for (given, password) in
            [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\nb\n", "a"), ("\n", ""), ("a\r", "a")]
        {
            assert_eq!(first_line(&Secret::from_slice(given.as_bytes())).expose(), password.as_bytes());
        }
    }
}
