//! The host: hypervisor, firmware, disks, the keychain and what is kept beside it, the policy.
use super::{Findings, Patient, Records, Severity, quoted, quoted_path};
use crate::{accel, firmware, policy::HostPolicy, qemu, rundir::private_dir, variables};
use sigillo_keychain::{Keychain, ProviderKind, SystemKeychain};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Below this nothing may be left for the next commit of a store that has to grow. Bytes.
const TOO_LITTLE: u64 = 64 << 20;
/// Below this a guest that writes its disk will be stopped before long. Bytes.
const LITTLE: u64 = 1 << 30;

pub(super) fn examine(patient: &Patient<'_>, findings: &mut Findings) {
    findings.vm = None;
    hypervisor(findings);
    firmware_files(findings);
    if let Err(error) = private_dir() {
        findings.error(
            &error,
            "there is no place for the sockets of VMs whose bundles lie deep, so those do not start",
        );
    }
    space(patient.home.path(), "the VMs", findings);
    keychain(patient.records, findings);
    if let Err(error) = HostPolicy::of_this_host() {
        findings.error(&error, "no VM starts");
    }
    match patient.audit.verify() {
        Ok(verified) if verified.torn => findings.note(
            "SIG_NOTE_AUDIT",
            format!(
                "{} is whole; a crash left the beginning of one more line, which stands for nothing that was done",
                verified.path.display()
            ),
        ),
        Ok(verified) => {
            let lines = verified.lines;
            findings.note("SIG_NOTE_AUDIT", format!("the audit log is whole: {lines} lines"));
        }
        Err(error) => findings.said(
            error.code(),
            error.to_string(),
            "what was done to TPMs and their records on this host cannot be told for sure",
        ),
    }
}

fn hypervisor(findings: &mut Findings) {
    if !qemu::on_path(qemu::QEMU) {
        findings.with_command(
            Severity::Error,
            "SIG_ERR_HOST_PART_MISSING",
            format!("{} is not on the PATH", qemu::QEMU),
            "no VM starts",
            "install Debian's package qemu-system-x86",
            Some("apt-get install qemu-system-x86".to_owned()),
        );
        return;
    }
    let said = Command::new(qemu::QEMU).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    let version = said.ok().filter(|said| said.status.success()).and_then(|said| {
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        text.lines().next().map(str::to_owned)
    });
    match version {
        Some(version) => findings.note("SIG_NOTE_QEMU", version),
        None => findings.found(
            Severity::Error,
            "SIG_ERR_HOST_PART_MISSING",
            format!("{} does not tell its version", qemu::QEMU),
            "VMs do not start, or not as they should",
            "see what `qemu-system-x86_64 --version` says; install Debian's package qemu-system-x86 anew",
        ),
    }
    let backends = Command::new(qemu::QEMU).args(["-tpmdev", "help"]).stdin(Stdio::null()).output();
    let has = |said: &[u8]| String::from_utf8_lossy(said).contains("emulator");
    if backends.is_ok_and(|said| !has(&said.stdout) && !has(&said.stderr)) {
        findings.found(
            Severity::Error,
            "SIG_ERR_HOST_WITHOUT_TPM",
            "this host's QEMU was built without an emulated TPM".to_owned(),
            "VMs with a TPM do not start",
            "install Debian's package qemu-system-x86, or build QEMU with --enable-tpm",
        );
    }
    match accel::fault() {
        Ok(None) => findings.note("SIG_NOTE_KVM", "this host's KVM ran the firmware in a trial".to_owned()),
        Ok(Some(why)) => findings.found(
            Severity::Warning,
            "SIG_ERR_VM_NO_KVM",
            format!("this host's KVM does not do: {why}"),
            "VMs run under TCG, many times slower; one with accel = \"kvm\" does not start",
            "see that /dev/kvm is there, that this user may open it (group kvm), and that the processor's virtualization is on",
        ),
        Err(error) => findings.error(&error, "whether this host's KVM does cannot be told; such a VM does not start"),
    }
}

fn firmware_files(findings: &mut Findings) {
    for (found, what) in [
        (firmware::code(false).map(drop), "VMs with UEFI firmware do not start"),
        (firmware::code(true).map(drop), "VMs with Secure Boot, and so all with a TPM, do not start"),
        (firmware::plain_template().map(drop), "no VM with UEFI firmware can be made"),
    ] {
        if let Err(error) = found {
            findings.error(&error, what);
        }
    }
    match firmware::Keys::Microsoft.variables() {
        Err(error) => findings.error(&error, "a TPM cannot be added with Microsoft's Secure Boot keys"),
        Ok(bytes) => match variables::secure_boot(&bytes) {
            Some(state) if state.is_enforced() && state.trusts_windows => findings.note(
                "SIG_NOTE_OVMF",
                "OVMF is there, and its variable template has Microsoft's Secure Boot keys".to_owned(),
            ),
            _ => findings.found(
                Severity::Error,
                "SIG_ERR_SECURE_BOOT_KEYS",
                "OVMF's variable template for Microsoft's keys has not all of them enrolled".to_owned(),
                "a VM whose TPM is added with them has no Secure Boot, and Windows 11 does not count it as such",
                "install Debian's package ovmf anew, or give a variable store of your own with --secure-boot-keys",
            ),
        },
    }
}

/// Free space where a directory is or will be.
pub(super) fn space(path: &Path, whose: &str, findings: &mut Findings) {
    let Some(there) = path.ancestors().find(|path| path.exists()) else { return };
    let Ok(found) = rustix::fs::statvfs(there) else { return };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free >= LITTLE {
        return;
    }
    let severity = if free < TOO_LITTLE { Severity::Error } else { Severity::Warning };
    findings.found(
        severity,
        "SIG_ERR_DISK_SPACE",
        format!("{} MiB are free on the file system of {whose}, {}", free >> 20, there.display()),
        "a guest that writes gets errors from its disk; a TPM's store that has to grow cannot, and keeps its last state",
        "free space there",
    );
}

/// The keychain. Whatever is the matter with it also keeps a TPM from being added.
fn keychain(records: Records<'_>, findings: &mut Findings) {
    let (trouble, path) = match records {
        Records::System(keychain) => (trouble(keychain, findings), keychain.path()),
        Records::SecretService(keychain) => (answers(keychain, findings), PathBuf::new()),
    };
    let dir = path.parent().unwrap_or(&path);
    if let Records::System(_) = records {
        space(dir, "the keychain", findings);
    }
    if let Some((code, why)) = trouble {
        if code != "SIG_ERR_KEYCHAIN_LOCKED" {
            let command = (code == "SIG_ERR_KEYCHAIN_UNSAFE").then(|| {
                let dir = quoted_path(dir);
                format!("ls -la {dir}; chown -R \"$(id -u)\" {dir} && chmod -R u=rwX,go= {dir}")
            });
            findings.with_command(
                Severity::Error,
                code,
                why.clone(),
                "no VM with a TPM starts; this is not a missing record, and no TPM is lost by it",
                "as it says; docs/errors.md has more under the code",
                command,
            );
        }
        findings.found(
            Severity::Error,
            "SIG_ERR_TPM_SETUP_KEYCHAIN_FAILED",
            format!("`sigillo tpm add` would fail: the new password cannot be kept in the system keychain ({code})"),
            "no VM on this host can get a TPM; VMs are as they were",
            "mend the keychain first, as said above",
        );
    }
}

/// What is the matter with the sealed file, if something is.
fn trouble(keychain: &SystemKeychain, findings: &mut Findings) -> Option<(&'static str, String)> {
    match keychain.status() {
        Err(error) => Some((error.code(), error.to_string())),
        Ok(status) if status.locked => {
            findings.with_command(
                Severity::Warning,
                "SIG_ERR_KEYCHAIN_LOCKED",
                format!("{} is locked", status.path.display()),
                "no VM with a TPM starts, and no TPM can be added",
                "unlock it, if whoever locked it agrees",
                Some("sigillo keychain unlock".to_owned()),
            );
            Some(("SIG_ERR_KEYCHAIN_LOCKED", "it is locked".to_owned()))
        }
        Ok(status) => opens(keychain, status.provider, findings),
    }
}

/// Whether the Secret Service gives its records out.
fn answers(keychain: &dyn Keychain, findings: &mut Findings) -> Option<(&'static str, String)> {
    match keychain.list() {
        Err(error) => Some((error.code(), error.to_string())),
        Ok(records) => {
            let what = format!("the Secret Service of this session has the records: {}", records.len());
            findings.note("SIG_NOTE_KEYCHAIN", what);
            None
        }
    }
}

/// Whether the keychain's key is there and opens it.
fn opens(
    keychain: &SystemKeychain,
    provider: Option<ProviderKind>,
    findings: &mut Findings,
) -> Option<(&'static str, String)> {
    let records = match keychain.list() {
        Ok(records) => records,
        Err(error) => return Some((error.code(), error.to_string())),
    };
    match provider {
        None => findings.note(
            "SIG_NOTE_KEYCHAIN",
            "there is no system keychain yet: it is made with the first record".to_owned(),
        ),
        Some(kind) => {
            findings.note(
                "SIG_NOTE_KEYCHAIN",
                format!("the system keychain opens; its key is a {kind}; records: {}", records.len()),
            );
            let better = || {
                let others = keychain.providers().ok()?;
                others.into_iter().take_while(|other| other.kind != kind).find(|other| other.state.is_ok())
            };
            // A keychain in a place of somebody's own may be meant to travel.
            if kind == ProviderKind::KeyFile
                && keychain.path().parent() == Some(Path::new(SystemKeychain::SYSTEM_DIR))
                && let Some(better) = better()
            {
                findings.with_command(
                    Severity::Note,
                    "SIG_NOTE_KEYCHAIN_PROVIDER",
                    "the keychain's key lies in a file beside it".to_owned(),
                    "who copies the whole disk has the passwords of all stores",
                    "this host has a better place for the key",
                    Some(format!("sigillo keychain provider set {}", quoted(better.kind.word()))),
                );
            }
        }
    }
    // A directory that is not there is made with the first record.
    let path = keychain.path();
    let dir = path.parent()?.ancestors().find(|dir| dir.exists())?;
    let refused = rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).err()?;
    Some((
        "SIG_ERR_KEYCHAIN_IO",
        format!("{} cannot be written: {}", dir.display(), std::io::Error::from(refused)),
    ))
}
