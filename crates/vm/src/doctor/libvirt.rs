//! A VM that libvirt runs: whether its daemon answers, offers an emulated TPM, and lets QEMU at the VM's files.
use super::{Findings, Severity, apparmor, name_of, quoted};
use crate::{
    bundle::Bundle,
    error::Error,
    libvirt::{Libvirt, LibvirtError, Place, obstacle, opened_above},
};
use sigillo_messages::{text, words};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where Debian and Ubuntu let an administrator add to what QEMU may do.
const LOCAL: &str = "etc/apparmor.d/local/abstractions";
const APPARMOR: [&str; 2] =
    ["etc/apparmor.d/local/abstractions/libvirt-qemu", "etc/apparmor.d/abstractions/libvirt-qemu"];
const APPARMOR_DIR: &str = "etc/apparmor.d/abstractions/libvirt-qemu.d";
/// What AppArmor calls its look at Unix sockets: Linux since 6.17, and Ubuntu's kernels.
const MEDIATES: [&str; 2] = ["network_v9", "network"];
const FEATURES: &str = "sys/kernel/security/apparmor/features";
/// Where a distribution may have all profiles made for the features of an older kernel.
const PARSER: &str = "etc/apparmor/parser.conf";
/// "0" where SELinux only notes what it would refuse.
const ENFORCE: &str = "sys/fs/selinux/enforce";
/// Where policies keep their modules, by priority and name.
const POLICIES: &str = "var/lib/selinux";
/// The module that docs/libvirt.md has an administrator make.
const MODULE: &str = "sigillo";

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
    confinement(vm, place.models(), Path::new("/"), findings);
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
fn confinement(vm: &Bundle, models: &[String], root: &Path, findings: &mut Findings) {
    if vm.config().tpm.is_none() {
        return;
    }
    let has = |model: &str| models.iter().any(|found| found == model);
    let bundle = fs::canonicalize(vm.path()).unwrap_or_else(|_| vm.path().to_owned());
    let home = bundle.parent().unwrap_or(Path::new("/")).display().to_string();
    let socket = bundle.join("run/tpm.sock").display().to_string();
    if has("apparmor") && !apparmor::allow(&rules(root), &socket) {
        let rule = format!("\"{}/*.sigillo/run/tpm.sock\" rw,", apparmor::literal(&home));
        let (severity, meaning) = if mediates(root) {
            (Severity::Warning, words!("libvirt-apparmor-means"))
        } else {
            (Severity::Note, words!("libvirt-apparmor-means-later"))
        };
        findings.with_command(
            severity,
            "SIG_ERR_LIBVIRT_APPARMOR",
            text!("libvirt-apparmor", home),
            meaning,
            words!("libvirt-apparmor-do"),
            // Debian 13 reads the file and does not make its directory.
            Some(format!("mkdir -p /{LOCAL} && echo {} >>/{LOCAL}/libvirt-qemu", quoted(&rule))),
        );
    }
    if has("selinux") && !has_module(root) {
        // What is only noted refuses nothing, until somebody enforces it.
        let severity = if enforces(root) { Severity::Warning } else { Severity::Note };
        findings.found(
            severity,
            "SIG_ERR_LIBVIRT_SELINUX",
            text!("libvirt-selinux"),
            words!("libvirt-selinux-means"),
            text!("libvirt-selinux-do", vm = name_of(vm)),
        );
    }
}

/// Whether AppArmor asks its rules about Unix sockets here: the kernel can, and the profiles are made so.
fn mediates(root: &Path) -> bool {
    let kernel = |group: &&&str| root.join(FEATURES).join(group).join("af_unix").exists();
    let parser = fs::read_to_string(root.join(PARSER)).unwrap_or_default();
    let pinned = parser.lines().rev().find_map(|line| line.trim().strip_prefix("policy-features="));
    let pinned = pinned.and_then(|file| fs::read_to_string(root.join(file.trim_start_matches('/'))).ok());
    MEDIATES.iter().filter(kernel).any(|group| match &pinned {
        Some(features) => apparmor::has_feature(features, group, "af_unix"),
        // What the program that makes profiles falls back to knows Ubuntu's way alone.
        None => *group == "network",
    })
}

/// What AppArmor's files for libvirt's guests say.
fn rules(root: &Path) -> String {
    let files = APPARMOR.iter().map(|file| root.join(file)).chain(entries(&root.join(APPARMOR_DIR)));
    files.filter_map(|path| fs::read_to_string(path).ok()).collect::<Vec<_>>().join("\n")
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn enforces(root: &Path) -> bool {
    fs::read_to_string(root.join(ENFORCE)).map_or(true, |said| said.trim() != "0")
}

/// Whether the module is there that lets QEMU at the TPM's socket, and is not switched off.
fn has_module(root: &Path) -> bool {
    entries(&root.join(POLICIES)).map(|policy| policy.join("active/modules")).any(|modules| {
        // One that is switched off stays where it is, and is named here besides.
        !modules.join("disabled").join(MODULE).exists()
            && entries(&modules).any(|priority| priority.join(MODULE).exists())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host's files, and what is found on it for a VM with a TPM in a home of its own.
    struct Fake(tempfile::TempDir);

    impl Fake {
        fn put(&self, file: &str, text: &str) {
            let path = self.0.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn found(&self, model: &str) -> Vec<(String, Severity)> {
            let mut findings = Findings::default();
            let vm = self.vm();
            confinement(&vm, &[model.to_owned()], self.0.path(), &mut findings);
            for finding in &findings.all {
                assert!(!finding.meaning.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
            }
            findings.all.into_iter().map(|finding| (finding.code, finding.severity)).collect()
        }

        fn home(&self) -> PathBuf {
            self.0.path().join("vms")
        }

        fn vm(&self) -> Bundle {
            let path = self.home().join("demo.sigillo");
            fs::create_dir_all(&path).unwrap();
            let text = "version = 1\nname = \"demo\"\nuuid = \"4f83b81b-2fcf-4a5b-b334-7815ee860574\"\nguest = \"linux\"\n\
                        firmware = \"uefi\"\nsecure_boot = true\nmemory_mib = 512\ncpus = 1\n\n[tpm]\ninterface = \"crb\"\n\
                        store = \"tpm.store\"\nencrypted = true\n";
            fs::write(path.join("vm.toml"), text).unwrap();
            Bundle::load(&path).unwrap()
        }
    }

    #[test]
    fn apparmor_is_told_of_until_a_rule_lets_at_the_socket_and_less_loudly_where_it_does_not_look_at_sockets()
    {
        let host = Fake(tempfile::tempdir().unwrap());
        let told = |severity| [("SIG_ERR_LIBVIRT_APPARMOR".to_owned(), severity)];
        assert_eq!(host.found("apparmor"), told(Severity::Note));
        // Ubuntu's kernel, and one of Linux's own.
        host.put(&format!("{FEATURES}/network/af_unix"), "yes\n");
        assert_eq!(host.found("apparmor"), told(Severity::Warning));
        host.put(PARSER, "#policy-features=/x\npolicy-features=/usr/share/features\n");
        host.put("usr/share/features", "network_v8 {af_mask {unix\n}\n}\n");
        assert_eq!(host.found("apparmor"), told(Severity::Note));
        host.put(&format!("{FEATURES}/network_v9/af_unix"), "yes\n");
        assert_eq!(host.found("apparmor"), told(Severity::Note));
        host.put("usr/share/features", "network_v9 {af_mask {unix\n}\naf_unix {yes\n}\n}\n");
        assert_eq!(host.found("apparmor"), told(Severity::Warning));

        host.put(APPARMOR[1], "  /dev/kvm rw,\n");
        assert_eq!(host.found("apparmor"), told(Severity::Warning));
        let home = fs::canonicalize(host.home()).unwrap();
        host.put(APPARMOR[0], &format!("\"{}/other.sigillo/run/tpm.sock\" rw,\n", home.display()));
        assert_eq!(host.found("apparmor"), told(Severity::Warning));
        host.put(APPARMOR[0], &format!("\"{}/*.sigillo/run/tpm.sock\" rw,\n", home.display()));
        assert_eq!(host.found("apparmor"), []);
        host.put(APPARMOR[0], &format!("{}/** rwk,\n", home.display()));
        assert_eq!(host.found("apparmor"), []);
        host.put(&format!("{APPARMOR_DIR}/site"), &format!("deny {}/*/run/** w,\n", home.display()));
        assert_eq!(host.found("apparmor"), told(Severity::Warning));
        assert_eq!(host.found("none"), []);
    }

    #[test]
    fn selinux_is_told_of_until_the_module_is_there_and_less_loudly_where_it_only_notes() {
        let host = Fake(tempfile::tempdir().unwrap());
        let told = |severity| [("SIG_ERR_LIBVIRT_SELINUX".to_owned(), severity)];
        assert_eq!(host.found("selinux"), told(Severity::Warning));
        host.put(ENFORCE, "0");
        assert_eq!(host.found("selinux"), told(Severity::Note));
        host.put(ENFORCE, "1\n");
        host.put("var/lib/selinux/targeted/active/modules/400/other/cil", "");
        assert_eq!(host.found("selinux"), told(Severity::Warning));
        host.put("var/lib/selinux/targeted/active/modules/400/sigillo/cil", "");
        assert_eq!(host.found("selinux"), []);
        host.put("var/lib/selinux/targeted/active/modules/disabled/sigillo", "");
        assert_eq!(host.found("selinux"), told(Severity::Warning));
    }
}
