//! The program `systemd-creds`, which seals to the host's own key in `/var/lib/systemd`, and to its TPM 2.0 as well where systemd
//! was built for it and there is one.

use sigillo_messages::text;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sigillo_store::Secret;
use zeroize::Zeroizing;

use super::{ProviderKind, Sealer};

/// Never by `PATH`: what is started here sees the key.
const PROGRAM: &str = "/usr/bin/systemd-creds";
/// The name is sealed in: the credential opens under no other.
const NAME: &str = "--name=sigillo-keychain";

/// Seals with `systemd-creds encrypt --with-key=auto`.
#[derive(Clone, Debug)]
pub struct SystemdCreds {
    program: PathBuf,
}

impl SystemdCreds {
    /// The program of this host.
    pub fn of_this_host() -> Self {
        SystemdCreds { program: PathBuf::from(PROGRAM) }
    }

    /// Another program with its options.
    pub fn program(path: &Path) -> Self {
        SystemdCreds { program: path.to_owned() }
    }

    fn run(&self, args: &[&str], input: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
        let told = |error: io::Error| text!("provider-cannot-run", program = self.program.display(), error);
        let Output { status, stdout, stderr } = self.output(args, input).map_err(told)?;
        let stdout = Zeroizing::new(stdout);
        if !status.success() {
            let said = String::from_utf8_lossy(&stderr);
            let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            return Err(text!(
                "provider-ended",
                program = self.program.display(),
                status,
                said = said.join("; ")
            ));
        }
        Ok(stdout)
    }

    fn output(&self, args: &[&str], input: &[u8]) -> io::Result<Output> {
        let mut child = Command::new(&self.program)
            .args(args)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends without reading says on its own why.
            let _ = stdin.write_all(input);
        }
        child.wait_with_output()
    }
}

impl Sealer for SystemdCreds {
    fn kind(&self) -> ProviderKind {
        ProviderKind::SystemdCreds
    }

    fn probe(&self) -> Result<String, String> {
        let version = self.run(&["--version"], b"")?;
        if !rustix::process::geteuid().is_root() {
            return Err(text!("provider-host-key-of-root"));
        }
        let version = String::from_utf8_lossy(&version);
        Ok(text!("provider-would-seal", version = version.lines().next().unwrap_or_default()))
    }

    fn seal(&self, key: &Secret) -> Result<Vec<u8>, String> {
        self.probe()?;
        self.run(&["encrypt", "--with-key=auto", NAME, "-", "-"], key.expose()).map(|sealed| sealed.to_vec())
    }

    fn open(&self, sealed: &[u8]) -> Result<Secret, String> {
        self.run(&["decrypt", NAME, "-", "-"], sealed).map(|key| Secret::from_slice(&key))
    }
}
