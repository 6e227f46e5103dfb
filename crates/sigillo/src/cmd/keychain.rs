//! `sigillo keychain list | delete`: names, key ids and where records were made; never a password.
use super::{Done, Failure};
use sigillo_keychain::{Keychain, KeychainError, RecordName, SystemKeychain};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the records, without their passwords
    List,
    /// Delete a record: the TPM store that needs it cannot be opened any more
    Delete {
        /// The record's name
        name: RecordName,
    },
}

impl From<KeychainError> for Failure {
    fn from(error: KeychainError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// The keychain of this host.
pub(crate) fn system() -> Result<SystemKeychain, Failure> {
    Ok(SystemKeychain::of_this_host()?)
}

pub(crate) fn run(command: &Command) -> Done {
    let keychain = system()?;
    match command {
        Command::List => {
            println!("{:52}  {:32}  {:20}  COMMENT", "NAME", "KEY ID", "HOST");
            for record in keychain.list()? {
                let (name, key_id) = (record.name.to_string(), record.key_id.to_string());
                println!("{name:52}  {key_id:32}  {:20}  {}", record.host, record.comment);
            }
            // What the list is worth: a key file guards a copy of the keychain alone, not one of the whole disk.
            let status = keychain.status()?;
            if let Some(provider) = status.provider {
                eprintln!("{} is sealed; its key is a {provider}", status.path.display());
            }
        }
        Command::Delete { name } => {
            keychain.delete(name)?;
            println!("{name} is deleted");
        }
    }
    Ok(ExitCode::SUCCESS)
}
