//! A bundle: whose it is, whether its files are there and its own, and whether something of a start that was cut short is left.
use super::{
    Findings, Severity,
    host::{space, writable},
    name_of, quoted_path,
};
use crate::{
    bundle::{Bundle, CONFIG},
    config::{DiskFormat, Firmware, Guest},
    files::{is_own_dir, require_one_file, require_plain},
    whole,
};
use sigillo_messages::{text, words};
use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

pub(super) fn examine(vm: &Bundle, findings: &mut Findings) {
    space(vm.path(), words!("the-bundle"), findings);
    writable(vm.path(), findings);
    match is_own_dir(vm.path()) {
        Ok(true) => {}
        Ok(false) => findings.with_command(
            Severity::Warning,
            "SIG_ERR_BUNDLE_UNSAFE",
            text!("bundle-unsafe", path = vm.path().display()),
            words!("bundle-unsafe-means"),
            words!("bundle-unsafe-do"),
            Some(format!("chmod go-w {}", quoted_path(vm.path()))),
        ),
        Err(error) => findings.said(
            "SIG_ERR_IO",
            text!("bundle-unseen", path = vm.path().display(), error),
            words!("vm-does-not-start"),
        ),
    }
    own_file(&vm.path().join(CONFIG), 0o022, findings);
    if vm.config().firmware == Firmware::Bios {
        let severity = match vm.config().guest {
            Guest::Windows11 => Severity::Error,
            // It will be upgraded, or look for the chip that it finds in other VMs.
            Guest::Windows10 | Guest::WindowsServer2025 => Severity::Warning,
            Guest::Linux | Guest::Other => Severity::Note,
        };
        findings.found(
            severity,
            "SIG_ERR_TPM_LEGACY_BIOS",
            text!("bios-found"),
            words!("bios-means"),
            words!("bios-do"),
        );
    }
    for disk in &vm.config().disks {
        examine_disk(vm, &vm.disk_path(disk), disk.format, findings);
    }
    running(vm, findings);
}

fn examine_disk(vm: &Bundle, path: &Path, format: DiskFormat, findings: &mut Findings) {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => {
            findings.found(
                Severity::Error,
                "SIG_ERR_BUNDLE_FILE",
                text!("disk-unusable", path = path.display(), error),
                words!("vm-does-not-start"),
                words!("disk-unusable-do"),
            );
            return;
        }
    };
    if found.file_type().is_block_device() {
        let severity = if vm.config().tpm.is_some() { Severity::Error } else { Severity::Warning };
        findings.found(
            severity,
            "SIG_ERR_TPM_PHYSICAL_DISK",
            text!("disk-of-host", path = path.display()),
            words!("disk-of-host-means"),
            text!("disk-of-host-do", path = quoted_path(path)),
        );
        return;
    }
    if !found.is_file() {
        findings.found(
            Severity::Error,
            "SIG_ERR_BUNDLE_FILE",
            text!("disk-strange", path = path.display()),
            words!("vm-does-not-start"),
            words!("disk-strange-do"),
        );
    } else if format == DiskFormat::Qcow2
        && let Err(error) = require_one_file(path)
    {
        findings.found(
            Severity::Error,
            "SIG_ERR_BUNDLE_FILE",
            text!("disk-refused", path = path.display(), error),
            words!("disk-refused-means"),
            words!("as-it-says"),
        );
    } else if format == DiskFormat::Raw
        && let Some(what) = whole::cut(path)
    {
        findings.found(
            Severity::Error,
            "SIG_ERR_BUNDLE_FILE",
            what,
            words!("vm-does-not-start"),
            words!("part-not-there-do"),
        );
    }
}

/// A file that has to be there, itself and not a link, and whose mode must not have these bits.
pub(super) fn own_file(path: &Path, forbidden: u32, findings: &mut Findings) {
    if whole::is_missing(path) {
        findings.found(
            Severity::Error,
            "SIG_ERR_BUNDLE_FILE",
            text!("file-not-there", path = path.display()),
            words!("vm-does-not-start"),
            words!("part-not-there-do"),
        );
        return;
    }
    if let Err(error) = require_plain(path) {
        findings.found(
            Severity::Error,
            "SIG_ERR_BUNDLE_FILE",
            format!("{error}"),
            words!("own-file-means"),
            words!("own-file-do"),
        );
        return;
    }
    let Ok(found) = fs::symlink_metadata(path) else { return };
    if found.mode() & forbidden != 0 {
        let bits = if forbidden & 0o044 == 0 { "go-w" } else { "go=" };
        findings.with_command(
            Severity::Warning,
            "SIG_ERR_BUNDLE_UNSAFE",
            text!("file-is-open", path = path.display(), mode = format_args!("{:o}", found.mode() & 0o7777)),
            words!("file-open-means"),
            words!("file-open-do"),
            Some(format!("chmod {bits} {}", quoted_path(path))),
        );
    }
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us {
        findings.found(
            Severity::Warning,
            "SIG_ERR_BUNDLE_UNSAFE",
            text!("file-foreign", path = path.display(), owner = found.uid(), us),
            words!("file-foreign-means"),
            words!("file-foreign-do"),
        );
    }
}

/// What of the VM runs, and what is left of a run that was cut short.
fn running(vm: &Bundle, findings: &mut Findings) {
    let run = match vm.run_dir(false) {
        Ok(run) => run,
        Err(error) => {
            findings.error(&error, words!("vm-does-not-start"));
            return;
        }
    };
    match vm.run_state() {
        Ok(Some(state)) => {
            let what = match state.qemu {
                Some(qemu) => text!("vm-runs", pid = qemu.pid),
                None => text!("vm-runs-libvirt"),
            };
            findings.note("SIG_NOTE_VM_RUNS", what);
            if let Some(worker) = state.worker.filter(|worker| !worker.is_alive()) {
                findings.with_command(
                    Severity::Error,
                    "SIG_ERR_TPM_PROCESS_GONE",
                    text!("tpm-process-gone", pid = worker.pid),
                    words!("tpm-process-gone-means"),
                    words!("tpm-process-gone-do"),
                    Some(format!("sigillo vm stop {}", name_of(vm))),
                );
            }
        }
        Ok(None) => {
            let left: Vec<String> = run
                .of_a_run()
                .iter()
                .filter(|path| path.symlink_metadata().is_ok())
                .map(|path| path.display().to_string())
                .collect();
            if !left.is_empty() {
                findings.note("SIG_NOTE_STALE_RUN", text!("stale-run", left = left.join(", ")));
            }
        }
        Err(error) => findings.error(&error, words!("unknown-if-runs")),
    }
}
