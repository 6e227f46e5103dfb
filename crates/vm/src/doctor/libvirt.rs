//! A VM that libvirt runs: whether its daemon answers, offers an emulated TPM, and lets QEMU at the VM's files.
use super::{Findings, Severity, name_of, quoted};
use crate::{
    bundle::Bundle,
    error::Error,
    libvirt::{Libvirt, LibvirtError, Place, obstacle, opened_above},
};
use sigillo_messages::{text, words};
use std::{fs, path::PathBuf};

/// Where Debian and Ubuntu let an administrator add to what QEMU may do.
const APPARMOR: [&str; 2] =
    ["/etc/apparmor.d/local/abstractions/libvirt-qemu", "/etc/apparmor.d/abstractions/libvirt-qemu"];
const APPARMOR_DIR: &str = "/etc/apparmor.d/abstractions/libvirt-qemu.d";

pub(super) fn examine(vm: &Bundle, findings: &mut Findings) {
    let Some(libvirt) = Libvirt::of(vm.config()) else { return };
    let place = match libvirt.place() {
        Ok(place) => place,
        Err(error) => {
            findings.error(&error, words!("libvirt-vm-unknown"));
            return;
        }
    };
    match libvirt.require_ready(vm) {
        Ok(_) => {
            let user = match place.others() {
                Some((uid, _)) => text!("libvirt-qemu-user", uid),
                None => text!("libvirt-qemu-us"),
            };
            findings.note("SIG_NOTE_LIBVIRT", text!("libvirt-answers", uri = libvirt.uri(), user));
        }
        Err(error @ Error::Libvirt(LibvirtError::NoTpm { .. })) => findings.with_command(
            Severity::Error,
            error.code(),
            error.to_string(),
            words!("vm-does-not-start"),
            words!("libvirt-looks-for-swtpm"),
            Some("apt-get install swtpm-tools && systemctl restart libvirtd".to_owned()),
        ),
        Err(error) => findings.error(&error, words!("vm-does-not-start")),
    }
    way(vm, &place, findings);
    confinement(vm, &place, findings);
}

/// Whether QEMU's user can pass to the bundle.
fn way(vm: &Bundle, place: &Place, findings: &mut Findings) {
    let Some(ids) = place.others() else { return };
    let Ok(real) = fs::canonicalize(vm.path()) else { return };
    let opened =
        opened_above(vm).into_iter().filter_map(|dir| fs::canonicalize(dir).ok()).collect::<Vec<_>>();
    let above = real.ancestors().skip(1).find(|dir| !opened.iter().any(|opened| opened == dir));
    if let Some(dir) = above.and_then(|above| obstacle(above, ids)) {
        findings.with_command(
            Severity::Warning,
            "SIG_ERR_LIBVIRT_ACCESS",
            text!("libvirt-cannot-pass", uid = ids.0, dir = dir.display()),
            words!("libvirt-cannot-pass-means"),
            words!("libvirt-cannot-pass-do"),
            Some(format!("setfacl -m u:{}:x {}", ids.0, quoted(&dir.display().to_string()))),
        );
    }
}

/// Whether what confines QEMU lets it at the TPM's socket: libvirt labels disks and the firmware's variables, and no external TPM.
fn confinement(vm: &Bundle, place: &Place, findings: &mut Findings) {
    if vm.config().tpm.is_none() {
        return;
    }
    let has = |model: &str| place.models().iter().any(|found| found == model);
    let home = vm.path().parent().map(|home| fs::canonicalize(home).unwrap_or_else(|_| home.to_owned()));
    let home = home.unwrap_or_default().display().to_string();
    if has("apparmor") && !allowed(&rules(), &home) {
        let rule = format!("\"{home}/*.sigillo/run/tpm.sock\" rw,");
        findings.with_command(
            Severity::Warning,
            "SIG_ERR_LIBVIRT_APPARMOR",
            text!("libvirt-apparmor", home),
            words!("libvirt-apparmor-means"),
            words!("libvirt-apparmor-do"),
            Some(format!("echo {} >>{}", quoted(&rule), APPARMOR.first().unwrap_or(&""))),
        );
    }
    if has("selinux") {
        findings.found(
            Severity::Warning,
            "SIG_ERR_LIBVIRT_SELINUX",
            text!("libvirt-selinux"),
            words!("libvirt-selinux-means"),
            text!("libvirt-selinux-do", vm = name_of(vm)),
        );
    }
}

/// What AppArmor's files for libvirt's guests say.
fn rules() -> String {
    let more = fs::read_dir(APPARMOR_DIR).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = APPARMOR.iter().map(PathBuf::from).chain(more);
    files.filter_map(|path| fs::read_to_string(path).ok()).collect::<Vec<_>>().join("\n")
}

/// Whether a rule names the sockets below a home.
fn allowed(rules: &str, home: &str) -> bool {
    let active = |line: &&str| !line.trim_start().starts_with('#');
    rules.lines().filter(active).any(|line| line.contains(home) && line.contains("tpm.sock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_rule_that_is_in_force_and_names_the_home_counts() {
        let rule = "  \"/var/lib/sigillo/vms/*.sigillo/run/tpm.sock\" rw,\n";
        assert!(allowed(rule, "/var/lib/sigillo/vms"));
        assert!(!allowed(&format!("#{rule}"), "/var/lib/sigillo/vms"));
        assert!(!allowed(rule, "/home/a/vms"));
        assert!(!allowed("", "/home/a/vms"));
    }
}
