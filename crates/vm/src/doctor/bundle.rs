//! A bundle: whose it is, whether its files are there and its own, and whether something of a start that was cut short is left.
use super::{Findings, Severity, host::space, name_of, quoted_path};
use crate::{
    bundle::{Bundle, CONFIG},
    config::{DiskFormat, Firmware, Guest},
    files::{is_own_dir, require_one_file, require_plain},
};
use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

pub(super) fn examine(vm: &Bundle, findings: &mut Findings) {
    space(vm.path(), "the bundle", findings);
    match is_own_dir(vm.path()) {
        Ok(true) => {}
        Ok(false) => findings.with_command(
            Severity::Warning,
            "SIG_ERR_BUNDLE_UNSAFE",
            format!("{} is a link, somebody else's, or others can write in it", vm.path().display()),
            "they can put another disk, configuration or TPM store in the place of the VM's own",
            "make it yours alone, once it is clear that nobody wrote there",
            Some(format!("chmod go-w {}", quoted_path(vm.path()))),
        ),
        Err(error) => findings.said(
            "SIG_ERR_IO",
            format!("{} cannot be looked at: {error}", vm.path().display()),
            "the VM does not start",
        ),
    }
    own_file(&vm.path().join(CONFIG), 0o022, findings);
    if vm.config().firmware == Firmware::Bios {
        let severity = if vm.config().guest == Guest::Windows11 { Severity::Error } else { Severity::Note };
        findings.found(
            severity,
            "SIG_ERR_TPM_LEGACY_BIOS",
            "the VM starts from a legacy BIOS".to_owned(),
            "it cannot have a TPM or Secure Boot; Windows 11 cannot be installed in it, nor be upgraded to",
            "a guest installed for BIOS does not start under UEFI: make a new VM with `sigillo vm create NAME --firmware uefi` \
             and install the guest there",
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
                format!("the disk {} is not usable: {error}", path.display()),
                "the VM does not start",
                "put the file back, or take it out of vm.toml",
            );
            return;
        }
    };
    if found.file_type().is_block_device() {
        let severity = if vm.config().tpm.is_some() { Severity::Error } else { Severity::Warning };
        findings.found(
            severity,
            "SIG_ERR_TPM_PHYSICAL_DISK",
            format!("the VM uses the host's disk {}", path.display()),
            "the same system can be started outside the VM, where its TPM does not exist; such a VM gets no TPM",
            "import an image of the disk into an ordinary VM: `sigillo vm create NAME --disk FILE`",
        );
        return;
    }
    if !found.is_file() {
        findings.found(
            Severity::Error,
            "SIG_ERR_BUNDLE_FILE",
            format!("the disk {} is neither a file nor a block device", path.display()),
            "the VM does not start",
            "put the disk's image there",
        );
    } else if format == DiskFormat::Qcow2
        && let Err(error) = require_one_file(path)
    {
        findings.found(
            Severity::Error,
            "SIG_ERR_BUNDLE_FILE",
            format!("the disk {} is not used: {error}", path.display()),
            "the VM does not start: such an image can lead the guest to any file of the host",
            "as it says",
        );
    }
}

/// A file that has to be there, itself and not a link, and whose mode must not have these bits.
pub(super) fn own_file(path: &Path, forbidden: u32, findings: &mut Findings) {
    if let Err(error) = require_plain(path) {
        findings.found(
            Severity::Error,
            "SIG_ERR_BUNDLE_FILE",
            format!("{error}"),
            "the VM does not start: a link or a second name leads out of the bundle",
            "put the file itself there",
        );
        return;
    }
    let Ok(found) = fs::symlink_metadata(path) else { return };
    if found.mode() & forbidden != 0 {
        let bits = if forbidden & 0o044 == 0 { "go-w" } else { "go=" };
        findings.with_command(
            Severity::Warning,
            "SIG_ERR_BUNDLE_UNSAFE",
            format!("{} is open to others (mode {:o})", path.display(), found.mode() & 0o7777),
            "others on this host can read or change it",
            "take the rights away, once it is clear that nobody used them",
            Some(format!("chmod {bits} {}", quoted_path(path))),
        );
    }
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us {
        findings.found(
            Severity::Warning,
            "SIG_ERR_BUNDLE_UNSAFE",
            format!("{} belongs to user {}, and this is user {us}", path.display(), found.uid()),
            "its owner can change it at any time; or sigillo runs as another user than the one whose VM this is",
            "run sigillo as that user, or make the file yours",
        );
    }
}

/// What of the VM runs, and what is left of a run that was cut short.
fn running(vm: &Bundle, findings: &mut Findings) {
    let run = match vm.run_dir(false) {
        Ok(run) => run,
        Err(error) => {
            findings.error(&error, "the VM does not start");
            return;
        }
    };
    match vm.run_state() {
        Ok(Some(state)) => {
            let what = match state.qemu {
                Some(qemu) => format!("the VM runs: QEMU is process {}", qemu.pid),
                None => "the VM runs under libvirt".to_owned(),
            };
            findings.note("SIG_NOTE_VM_RUNS", what);
            if let Some(worker) = state.worker.filter(|worker| !worker.is_alive()) {
                findings.with_command(
                    Severity::Error,
                    "SIG_ERR_TPM_PROCESS_GONE",
                    format!("the VM runs and its TPM's process {} has ended", worker.pid),
                    "the guest's TPM does not answer; what it acknowledged is stored",
                    "shut the guest down and start the VM again; its log is tpm.log in the run directory",
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
                findings.note(
                    "SIG_NOTE_STALE_RUN",
                    format!(
                        "the VM is off, and a run that was cut short left {}; the next start clears them away",
                        left.join(", ")
                    ),
                );
            }
        }
        Err(error) => findings.error(&error, "whether the VM runs cannot be told"),
    }
}
