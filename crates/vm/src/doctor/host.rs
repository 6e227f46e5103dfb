//! The host: hypervisor, firmware, disks, the keychain and what is kept beside it, the policy.
use super::{Findings, Patient, Records, Severity, quoted, quoted_path};
use crate::{
    accel, file_system::mount_of, firmware, policy::HostPolicy, qemu, rundir::private_dir, variables,
};
use sigillo_keychain::{Keychain, ProviderKind, SystemKeychain};
use sigillo_messages::{Words, text, words};
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
        findings.error(&error, words!("no-socket-place"));
    }
    space(patient.home.path(), words!("the-vms"), findings);
    writable(patient.home.path(), findings);
    keychain(patient.records, findings);
    if let Err(error) = HostPolicy::of_this_host() {
        findings.error(&error, words!("no-vm-starts"));
    }
    match patient.audit.verify() {
        Ok(verified) if verified.torn => {
            findings.note("SIG_NOTE_AUDIT", text!("audit-torn", path = verified.path.display()));
        }
        Ok(verified) => {
            let lines = verified.lines;
            findings.note("SIG_NOTE_AUDIT", text!("audit-whole", #lines));
        }
        Err(error) => findings.said(error.code(), error.to_string(), words!("audit-damaged-means")),
    }
}

fn hypervisor(findings: &mut Findings) {
    if !qemu::on_path(qemu::QEMU) {
        findings.with_command(
            Severity::Error,
            "SIG_ERR_HOST_PART_MISSING",
            text!("qemu-not-on-path", program = qemu::QEMU),
            words!("no-vm-starts"),
            words!("install-qemu"),
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
            text!("qemu-no-version", program = qemu::QEMU),
            words!("qemu-no-version-means"),
            words!("qemu-no-version-do"),
        ),
    }
    let backends = Command::new(qemu::QEMU).args(["-tpmdev", "help"]).stdin(Stdio::null()).output();
    let has = |said: &[u8]| String::from_utf8_lossy(said).contains("emulator");
    if backends.is_ok_and(|said| !has(&said.stdout) && !has(&said.stderr)) {
        findings.found(
            Severity::Error,
            "SIG_ERR_HOST_WITHOUT_TPM",
            text!("qemu-without-tpm"),
            words!("qemu-without-tpm-means"),
            words!("qemu-without-tpm-do"),
        );
    }
    match accel::fault() {
        Ok(None) => findings.note("SIG_NOTE_KVM", text!("accel-trial")),
        Ok(Some(why)) => findings.found(
            Severity::Warning,
            "SIG_ERR_VM_NO_KVM",
            text!("accel-no-kvm", why),
            words!("no-kvm-means"),
            words!("no-kvm-do"),
        ),
        Err(error) => findings.error(&error, words!("kvm-unknown")),
    }
}

fn firmware_files(findings: &mut Findings) {
    for (found, what) in [
        (firmware::code(false).map(drop), words!("no-uefi-means")),
        (firmware::code(true).map(drop), words!("no-secure-boot-means")),
        (firmware::plain_template().map(drop), words!("no-template-means")),
    ] {
        if let Err(error) = found {
            findings.error(&error, what);
        }
    }
    match firmware::Keys::Microsoft.variables() {
        Err(error) => findings.error(&error, words!("no-microsoft-keys-means")),
        Ok(bytes) => match variables::secure_boot(&bytes) {
            Some(state) if state.starts_windows() => {
                findings.note("SIG_NOTE_OVMF", text!("ovmf-found"));
            }
            _ => findings.found(
                Severity::Error,
                "SIG_ERR_SECURE_BOOT_KEYS",
                text!("ovmf-keys"),
                words!("ovmf-keys-means"),
                words!("ovmf-keys-do"),
            ),
        },
    }
}

/// Free space where a directory is or will be.
pub(super) fn space(path: &Path, whose: Words, findings: &mut Findings) {
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
        text!("disk-space", free = free >> 20, whose, path = there.display()),
        words!("disk-space-means"),
        words!("disk-space-do"),
    );
}

/// Whether something can be written where a directory is or will be. A home that is not there yet is made in another one.
pub(super) fn writable(path: &Path, findings: &mut Findings) {
    let Some(there) = path.ancestors().find(|path| path.exists()) else { return };
    match rustix::fs::access(there, rustix::fs::Access::WRITE_OK) {
        Ok(()) => {}
        Err(rustix::io::Errno::ROFS) => findings.found(
            Severity::Error,
            "SIG_ERR_READ_ONLY",
            text!("mount-read-only", mount = mount_of(there).display(), path = path.display()),
            words!("mount-read-only-means"),
            words!("mount-read-only-do"),
        ),
        Err(error) => findings.said(
            "SIG_ERR_IO",
            text!("dir-unwritable", path = there.display(), error = std::io::Error::from(error)),
            words!("mount-read-only-means"),
        ),
    }
}

/// The keychain. Whatever is the matter with it also keeps a TPM from being added.
fn keychain(records: Records<'_>, findings: &mut Findings) {
    let (trouble, path) = match records {
        Records::System(keychain) => (trouble(keychain, findings), keychain.path()),
        Records::SecretService(keychain) => (answers(keychain, findings), PathBuf::new()),
    };
    let dir = path.parent().unwrap_or(&path);
    if let Records::System(_) = records {
        space(dir, words!("the-keychain"), findings);
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
                words!("keychain-trouble-means"),
                words!("as-errors-md-says"),
                command,
            );
        }
        findings.found(
            Severity::Error,
            "SIG_ERR_TPM_SETUP_KEYCHAIN_FAILED",
            text!("keychain-setup-would-fail", code),
            words!("keychain-setup-means"),
            words!("keychain-setup-do"),
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
                text!("keychain-is-locked", path = status.path.display()),
                words!("keychain-is-locked-means"),
                words!("keychain-is-locked-do"),
                Some("sigillo keychain unlock".to_owned()),
            );
            Some(("SIG_ERR_KEYCHAIN_LOCKED", text!("it-is-locked")))
        }
        Ok(status) => opens(keychain, status.provider, findings),
    }
}

/// Whether the Secret Service gives its records out.
fn answers(keychain: &dyn Keychain, findings: &mut Findings) -> Option<(&'static str, String)> {
    match keychain.list() {
        Err(error) => Some((error.code(), error.to_string())),
        Ok(records) => {
            let what = text!("secret-service-answers", count = records.len());
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
        None => findings.note("SIG_NOTE_KEYCHAIN", text!("keychain-not-yet")),
        Some(kind) => {
            findings.note("SIG_NOTE_KEYCHAIN", text!("keychain-opens", kind, count = records.len()));
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
                    text!("keychain-key-beside"),
                    words!("keychain-key-beside-means"),
                    words!("keychain-key-beside-do"),
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
        text!("dir-unwritable", path = dir.display(), error = std::io::Error::from(refused)),
    ))
}
