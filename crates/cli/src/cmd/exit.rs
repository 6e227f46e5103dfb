//! Exit statuses: those of `docs/cli.md`.
use sigillo_messages::text;
use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

pub(crate) const FAILED: u8 = 1;
/// The command line itself.
pub(crate) const USAGE: u8 = 2;

/// One status.
pub(crate) struct Status {
    pub(crate) number: u8,
    pub(crate) meaning: &'static str,
    /// The codes of `docs/errors.md` that end with it; those in none of the rows end with [`FAILED`].
    codes: &'static [&'static str],
}

/// All of them, for the manual as well.
pub(crate) const TABLE: &[Status] = &[
    Status { number: 0, meaning: "Done; nothing is amiss", codes: &[] },
    Status {
        number: FAILED,
        meaning: "Failed, or the answer is no: doctor found an error, check something that lacks, diff a difference",
        codes: &[],
    },
    Status {
        number: USAGE,
        meaning: "The command line cannot be understood, or asks for what cannot be; nothing was done",
        codes: &["SIG_ERR_USAGE", "SIG_ERR_KEYCHAIN_COPY", "SIG_ERR_TPM_PROFILE", "SIG_ERR_VM_NAME"],
    },
    Status {
        number: 3,
        meaning: "There is none: no such VM, snapshot, record, key, backup or file, or the VM has no TPM",
        codes: &[
            "SIG_ERR_KEYCHAIN_NOT_FOUND",
            "SIG_ERR_KEYCHAIN_NO_FILE",
            "SIG_ERR_SNAPSHOT_NOT_FOUND",
            "SIG_ERR_STORE_NOT_FOUND",
            "SIG_ERR_TPM_BACKUP",
            "SIG_ERR_TPM_KEY_UNKNOWN",
            "SIG_ERR_TPM_NONE",
            "SIG_ERR_VM_NOT_FOUND",
            "SIG_ERR_VM_NOT_KEPT",
        ],
    },
    Status {
        number: 4,
        meaning: "Not as things are: the VM runs, is off, suspended or busy, or what was to be made is there",
        codes: &[
            "SIG_ERR_KEYCHAIN_BUSY",
            "SIG_ERR_KEYCHAIN_DUPLICATE",
            "SIG_ERR_KEYCHAIN_FILE_EXISTS",
            "SIG_ERR_STORE_EXISTS",
            "SIG_ERR_STORE_LOCKED",
            "SIG_ERR_TPM_EXISTS",
            "SIG_ERR_TPM_IN_USE",
            "SIG_ERR_TPM_RECORD_THERE",
            "SIG_ERR_TPM_SUSPENDED",
            "SIG_ERR_VM_BUSY",
            "SIG_ERR_VM_CONSOLE",
            "SIG_ERR_VM_EXISTS",
            "SIG_ERR_VM_EXPORT_EXISTS",
            "SIG_ERR_VM_HOLDS_MORE",
            "SIG_ERR_VM_NOT_RUNNING",
            "SIG_ERR_VM_NOT_SUSPENDED",
            "SIG_ERR_VM_RUNNING",
            "SIG_ERR_VM_SUSPENDED",
            "SIG_ERR_VM_UUID_EXISTS",
        ],
    },
    Status { number: 5, meaning: "Nobody said yes; nothing was changed", codes: &["SIG_ERR_NOT_CONFIRMED"] },
    Status {
        number: 6,
        meaning: "Not allowed: by the host's policy, or to anybody but root",
        codes: &["SIG_ERR_KEYCHAIN_NEEDS_ROOT", "SIG_ERR_TPM_POLICY"],
    },
    Status {
        number: 130,
        meaning: "Ended by Ctrl-C, as the shell tells it (143: by SIGTERM); the next command clears away what was half done",
        codes: &[],
    },
];

/// How another program ended.
pub(crate) fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => text!("ended-status", code),
        (None, Some(signal)) => text!("ended-signal", signal),
        (None, None) => status.to_string(),
    }
}

/// What a failure under this code ends with.
pub(crate) fn status(code: &str) -> u8 {
    TABLE.iter().find(|status| status.codes.contains(&code)).map_or(FAILED, |status| status.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs, path::Path};

    fn docs(name: &str) -> String {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
        fs::read_to_string(docs).unwrap()
    }

    #[test]
    fn how_a_program_ended_is_told_in_words() {
        assert_eq!(in_words(ExitStatus::from_raw(3 << 8)), "status 3");
        assert_eq!(in_words(ExitStatus::from_raw(9)), "signal 9");
    }

    #[test]
    fn the_table_is_that_of_the_documentation() {
        let rows: Vec<String> = TABLE
            .iter()
            .map(|one| {
                let codes: Vec<String> = one.codes.iter().map(|code| format!("`{code}`")).collect();
                let codes = if codes.is_empty() { String::new() } else { format!("{} ", codes.join(", ")) };
                format!("| {} | {} | {codes}|", one.number, one.meaning)
            })
            .collect();
        let text = docs("cli.md");
        let told: Vec<&str> = text
            .lines()
            .filter(|line| {
                line.strip_prefix("| ").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            })
            .collect();
        assert_eq!(told, rows);
    }

    #[test]
    fn every_code_in_it_is_one_and_has_one_status() {
        let errors = docs("errors.md");
        let mut seen = BTreeSet::new();
        for code in TABLE.iter().flat_map(|one| one.codes) {
            assert!(errors.contains(&format!("| `{code}` |")), "{code}");
            assert!(seen.insert(code), "{code}");
        }
        assert_eq!((status("SIG_ERR_VM_NOT_FOUND"), status("SIG_ERR_VM_CONFIG")), (3, FAILED));
    }
}
