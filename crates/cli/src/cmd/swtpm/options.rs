//! swtpm's command line: its options, and the comma-separated words inside them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

/// A software TPM 2.0 with swtpm's options
#[derive(Parser, Debug)]
#[command(name = "sigillo swtpm", version, disable_version_flag = true)]
pub(super) struct Args {
    /// `socket` for swtpm's channels, `mssim` for the TPM simulator's protocol on ports N and N+1
    pub(super) interface: String,
    /// TCP port of the data channel (with `mssim`: of the commands)
    #[arg(short, long)]
    pub(super) port: Option<u16>,
    /// A connected data channel's descriptor
    #[arg(short, long)]
    pub(super) fd: Option<i32>,
    /// End when the client leaves
    #[arg(short, long)]
    pub(super) terminate: bool,
    /// Go into the background once clients are served
    #[arg(short, long)]
    pub(super) daemon: bool,
    /// `type=tcp[,port=][,bindaddr=][,fd=][,disconnect] or type=unixio[,path=][,fd=][,mode=]`
    #[arg(long)]
    pub(super) server: Option<String>,
    /// `type=tcp,port=[,bindaddr=] or type=unixio[,path=][,fd=][,clientfd=][,mode=], [,terminate]`
    #[arg(long)]
    pub(super) ctrl: Option<String>,
    /// `dir=DIR or backend-uri=dir://DIR or backend-uri=file://FILE, [,mode=][,lock][,fsync]`
    #[arg(long, visible_alias = "tpm-state")]
    pub(super) tpmstate: Option<String>,
    /// A TPM 2.0, which is the only kind here
    #[arg(long)]
    pub(super) tpm2: bool,
    /// `file=FILE or fd=FD, [,level=N][,prefix=TEXT][,truncate]`
    #[arg(long)]
    pub(super) log: Option<String>,
    /// reject-locality-4 and allow-set-locality
    #[arg(long)]
    pub(super) locality: Option<String>,
    /// `file=|fd=[,format=hex|binary] or pwdfile=|pwdfd=, [,mode=][,remove]`
    #[arg(long)]
    pub(super) key: Option<String>,
    /// As --key; state blobs are sealed under it
    #[arg(long)]
    pub(super) migration_key: Option<String>,
    /// file=FILE or fd=FD
    #[arg(long)]
    pub(super) pid: Option<String>,
    /// action=kill|log|none
    #[arg(long)]
    pub(super) seccomp: Option<String>,
    /// not-need-init, startup-clear, startup-state, startup-none, disable-auto-shutdown
    #[arg(long)]
    pub(super) flags: Option<String>,
    /// Not supported
    #[arg(short, long)]
    pub(super) runas: Option<OsString>,
    /// Not supported
    #[arg(short = 'R', long)]
    pub(super) chroot: Option<OsString>,
    /// Not supported
    #[arg(long)]
    pub(super) migration: Option<OsString>,
    /// `NAME or name=NAME`: what a new TPM is
    #[arg(long)]
    pub(super) profile: Option<String>,
    /// Not supported
    #[arg(long)]
    pub(super) pcap: Option<OsString>,
    /// Print what this program can do as JSON
    #[arg(long)]
    pub(super) print_capabilities: bool,
    /// Print which state there is as JSON
    #[arg(long)]
    pub(super) print_states: bool,
    /// Print facts about the TPM as JSON: 1 specification, 2 attributes, 4 features
    #[arg(long, value_name = "MASK")]
    pub(super) print_info: Option<String>,
    /// Print the version
    #[arg(short, long)]
    pub(super) version: bool,
    /// Set by ourselves in the background process
    #[arg(long, hide = true)]
    pub(super) detached: bool,
}

/// The comma-separated words of one option.
#[derive(Debug)]
pub(super) struct Words {
    option: &'static str,
    words: Vec<(String, Option<String>)>,
}

impl Words {
    pub(super) fn new(option: &'static str, text: &str) -> Words {
        let words = text
            .split(',')
            .filter(|word| !word.is_empty())
            .map(|word| match word.split_once('=') {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (word.to_owned(), None),
            })
            .collect();
        Words { option, words }
    }

    /// `key=value`, taken out.
    pub(super) fn value(&mut self, key: &str) -> Result<Option<String>, String> {
        let Some(place) = self.words.iter().position(|(word, _)| word == key) else { return Ok(None) };
        match self.words.remove(place).1 {
            Some(value) if !value.is_empty() => Ok(Some(value)),
            _ => Err(format!("--{}: {key} needs a value", self.option)),
        }
    }

    /// A number, decimal or with 0x or, for modes, octal.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, key: &str, radix: u32) -> Result<Option<T>, String> {
        let Some(text) = self.value(key)? else { return Ok(None) };
        u64::from_str_radix(&text, radix)
            .ok()
            .and_then(|number| T::try_from(number).ok())
            .map(Some)
            .ok_or_else(|| format!("--{}: {key}={text} is not a number that fits", self.option))
    }

    pub(super) fn path(&mut self, key: &str) -> Result<Option<PathBuf>, String> {
        Ok(self.value(key)?.map(PathBuf::from))
    }

    /// A word without value, taken out.
    pub(super) fn flag(&mut self, key: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|(word, value)| word != key || value.is_some());
        self.words.len() < before
    }

    /// What is left is unknown.
    pub(super) fn end(self) -> Result<(), String> {
        match self.words.first() {
            None => Ok(()),
            Some((word, _)) => Err(format!("--{}: {word} is not known here", self.option)),
        }
    }

    pub(super) fn error(&self, what: &str) -> String {
        format!("--{}: {what}", self.option)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_out_once_and_the_rest_is_refused() {
        let mut words = Words::new("ctrl", "type=unixio,path=/run/a,mode=0600,terminate,odd");
        assert_eq!(words.value("type").unwrap().as_deref(), Some("unixio"));
        assert_eq!(words.path("path").unwrap(), Some(PathBuf::from("/run/a")));
        assert_eq!(words.number::<u32>("mode", 8).unwrap(), Some(0o600));
        assert!(words.flag("terminate"));
        assert!(!words.flag("terminate"));
        assert_eq!(words.end().unwrap_err(), "--ctrl: odd is not known here");
    }

    #[test]
    fn a_value_must_be_there_and_fit() {
        assert!(Words::new("log", "file=").value("file").is_err());
        assert!(Words::new("log", "file").value("file").is_err());
        assert!(Words::new("server", "port=70000").number::<u16>("port", 10).is_err());
        assert!(Words::new("server", "port=x").number::<u16>("port", 10).is_err());
    }
}
