//! What commands that were cut short left behind. None of it is in use; some of it the next command finishes or takes away.
use super::{Findings, Severity, quoted_path};
use crate::{
    backup::next_path,
    bundle::{Bundle, CONFIG, Home, STORE, VARS},
    identity::hidden::Kind,
};
use sigillo_messages::{text, words};
use std::{fs, path::PathBuf};

/// In the directory of the VMs: one half made, one half deleted.
pub(super) fn of_home(home: &Home, findings: &mut Findings) {
    let Ok(entries) = fs::read_dir(home.path()) else { return };
    let mut left: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    left.sort();
    for path in left {
        let Some((_, kind)) = path.file_name().and_then(Kind::of) else { continue };
        let what = match kind {
            Kind::New | Kind::NewWithRecord => text!("leftover-vm-new", path = path.display()),
            Kind::Gone | Kind::GoneWithRecord => text!("leftover-vm-gone", path = path.display()),
        };
        findings.found(
            Severity::Warning,
            "SIG_ERR_LEFTOVER",
            what,
            words!("leftover-vm-means"),
            words!("leftover-vm-do"),
        );
    }
}

/// In a bundle: files that were being written, and a store that was being made.
pub(super) fn of_bundle(vm: &Bundle, findings: &mut Findings) {
    let store = vm.store_path().unwrap_or_else(|| vm.path().join(STORE));
    let next = next_path(&store);
    if next.symlink_metadata().is_ok() {
        findings.note("SIG_NOTE_NEXT_STORE", text!("next-store", path = next.display()));
    }
    if vm.config().tpm.is_none() && store.symlink_metadata().is_ok() {
        findings.note("SIG_NOTE_STORE_UNUSED", text!("store-unused", path = store.display()));
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
            text!("leftover-file", path = path.display()),
            words!("leftover-file-means"),
            words!("leftover-file-do"),
            Some(format!("rm {}", quoted_path(&path))),
        );
    }
}
