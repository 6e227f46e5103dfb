//! Where the password of a keychain file comes from: the terminal, a file, standard input or a descriptor; never the command line
//! or the environment, which others can read.
use super::Failure;
use crate::cmd::secret::{ask, first_line, open};
use sigillo_messages::text;
use sigillo_server::fds;
use sigillo_store::Secret;
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

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
            None => ask(&text!("ask-password", path = path.display())).map_err(no_terminal),
        }
    }

    /// The password of a file that is about to be made, asked for twice.
    pub(super) fn new_one(&self, path: &Path) -> Result<Secret, Failure> {
        if let Some(password) = self.given()? {
            return Ok(password);
        }
        let first = ask(&text!("ask-new-password", path = path.display())).map_err(no_terminal)?;
        if first != ask(&text!("ask-again")).map_err(no_terminal)? {
            return Err(failure(text!("passwords-differ")));
        }
        Ok(first)
    }

    fn given(&self) -> Result<Option<Secret>, Failure> {
        let opened = match (&self.password_file, self.password_fd) {
            (Some(path), _) => open(path),
            (None, Some(fd)) => fds::inherited(fd).map(File::from),
            (None, None) => return Ok(None),
        };
        opened.and_then(first_line).map(Some).map_err(failure)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it maps an error")]
fn no_terminal(error: io::Error) -> Failure {
    failure(text!("no-terminal-for-password", error))
}

fn failure(why: impl Display) -> Failure {
    let text = text!("keychain-no-password", why);
    Failure::new("SIG_ERR_KEYCHAIN_NO_PASSWORD", text)
}
