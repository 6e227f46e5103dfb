//! Debian packages: what is missing is installed, what cannot be is an error (a test that skips itself is no test).
use crate::sh::{self, Result, cmd};
use std::process::Command;

/// What the guest and the host side of a boot need.
pub(crate) const GUEST: &[&str] = &[
    "qemu-system-x86",
    "qemu-utils",
    "ovmf",
    "tpm2-tools",
    "libtss2-tcti-device0",
    "busybox-static",
    "kmod",
    "mtools",
    "dosfstools",
    "sbsigntool",
    "systemd-boot-efi",
    "binutils",
    "openssl",
];

/// What the scripted tpm2-tools session needs.
pub(crate) const TOOLS: &[&str] = &["tpm2-tools", "libtss2-tcti-swtpm0", "openssl"];

/// Shells that read our completions, and what sets the pages of the manual.
pub(crate) const SHELLS: &[&str] = &["zsh", "fish", "groff-base"];

/// A systemd to try the units under, and what speaks to a socket there.
pub(crate) const SERVICES: &[&str] = &["systemd", "procps", "socat"];

/// What opens and makes keychain files beside sigillo.
pub(crate) const KEEPASSXC: &[&str] = &["keepassxc", "ovmf"];

/// A desktop session's keyring, its bus, and another program that reads it. With the firmware of the VM that is made.
pub(crate) const SECRET_SERVICE: &[&str] =
    &["dbus-bin", "dbus-daemon", "gnome-keyring", "libsecret-tools", "ovmf"];

/// A libvirt with its QEMU driver and its logger, what makes it offer an emulated TPM, and what gives it a namespace of its own.
pub(crate) const LIBVIRT: &[&str] =
    &["libvirt-daemon-system", "libvirt-clients", "libvirt-daemon-driver-qemu", "swtpm-tools", "util-linux"];

/// Installs those of `packages` that are not there.
///
/// # Errors
/// When apt cannot; with what apt said.
pub(crate) fn ensure(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|p| !installed(p)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    let mut wanted: Vec<String> = missing.iter().map(|p| (*p).to_owned()).collect();
    // An image may carry qemu-utils from backports, newer than Debian's own qemu-system-x86 allows beside it: apt would
    // remove it without a word. Asking for the release's own one keeps it installed.
    if missing.contains(&"qemu-system-x86") && installed("qemu-utils") {
        wanted.push(format!("qemu-utils/{}", codename()?));
    }
    sh::read(apt().args(["update", "-q"]))?;
    sh::read(
        apt().args(["install", "-q", "-y", "--no-install-recommends", "--allow-downgrades"]).args(&wanted),
    )?;
    match packages.iter().find(|p| !installed(p)) {
        Some(package) => Err(format!("apt-get succeeded but {package} is not installed")),
        None => Ok(()),
    }
}

fn installed(package: &str) -> bool {
    sh::output(&mut cmd("dpkg-query", ["-W", "-f", "${db:Status-Status}", package]))
        .is_ok_and(|out| out.status.success() && out.stdout == "installed")
}

fn apt() -> Command {
    let root = rustix::process::geteuid().is_root();
    let mut command = if root { cmd("apt-get", [] as [&str; 0]) } else { cmd("sudo", ["apt-get"]) };
    command.args(["-o", "DPkg::Lock::Timeout=600"]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn codename() -> Result<String> {
    let text = std::fs::read_to_string("/etc/os-release").map_err(|e| format!("/etc/os-release: {e}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .ok_or_else(|| "/etc/os-release names no release".to_owned())
}
