//! What commands that were cut short left behind. None of it is in use; some of it the next command finishes or takes away.
use super::{Findings, Severity, quoted_path};
use crate::{
    backup::next_path,
    bundle::{Bundle, CONFIG, Home, STORE, VARS},
    identity::hidden::Kind,
};
use std::{fs, path::PathBuf};

/// In the directory of the VMs: one half made, one half deleted.
pub(super) fn of_home(home: &Home, findings: &mut Findings) {
    let Ok(entries) = fs::read_dir(home.path()) else { return };
    let mut left: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    left.sort();
    for path in left {
        let Some((_, kind)) = path.file_name().and_then(Kind::of) else { continue };
        let what = match kind {
            Kind::New | Kind::NewWithRecord => "a VM that is being made, or whose making was cut short",
            Kind::Gone | Kind::GoneWithRecord => {
                "a VM that is being deleted, or whose deletion was cut short"
            }
        };
        findings.found(
            Severity::Warning,
            "SIG_ERR_LEFTOVER",
            format!("{} is {what}", path.display()),
            "it takes space and is in no list",
            "nothing: the next `sigillo vm clone`, `rename`, `move`, `export`, `import` or `delete` clears it away if no command works on it",
        );
    }
}

/// In a bundle: files that were being written, and a store that was being made.
pub(super) fn of_bundle(vm: &Bundle, findings: &mut Findings) {
    let store = vm.store_path().unwrap_or_else(|| vm.path().join(STORE));
    let next = next_path(&store);
    if next.symlink_metadata().is_ok() {
        findings.note(
            "SIG_NOTE_NEXT_STORE",
            format!(
                "{} is a new store that was being made when a command was cut short; the same command, or the next start, finishes \
                 it or takes it away",
                next.display()
            ),
        );
    }
    if vm.config().tpm.is_none() && store.symlink_metadata().is_ok() {
        findings.note(
            "SIG_NOTE_STORE_UNUSED",
            format!(
                "{} is there, and vm.toml has no TPM; `sigillo tpm add` keeps it as a backup",
                store.display()
            ),
        );
    }
    let Ok(entries) = fs::read_dir(vm.path()) else { return };
    let is_left = |name: &str| {
        let replaced = [CONFIG, VARS].iter().any(|file| name == format!("{file}.new"));
        replaced || name.starts_with('.') && (name.ends_with(".new") || name.ends_with(".grow"))
    };
    let mut left: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    left.retain(|path| path.file_name().is_some_and(|name| is_left(&name.to_string_lossy())));
    left.sort();
    for path in left {
        findings.with_command(
            Severity::Note,
            "SIG_NOTE_LEFTOVER",
            format!("{} was being written when a command was cut short", path.display()),
            "the file it was to replace is whole; this one is used by nothing",
            "remove it while no command works on the VM",
            Some(format!("rm {}", quoted_path(&path))),
        );
    }
}
