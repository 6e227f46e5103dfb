//! A small Linux guest made from Debian's own packages: kernel, busybox and tpm2-tools as a signed unified kernel image.
mod cpio;
mod disk;
mod initramfs;
mod kernel;
mod uki;

pub(crate) use disk::DataDisk;
pub(crate) use initramfs::More;

use crate::sh::{self, Result};
use std::path::{Path, PathBuf};

/// The command line of a kernel that QEMU loads itself. On a busy host an emulated timer comes late, and the kernel's check
/// of it would panic.
pub(crate) const DIRECT_CMDLINE: &str = "console=ttyS0 panic=-1 quiet no_timer_check";
/// The command line of the guest's kernel. It is part of the signed image and so of PCR 4.
pub(crate) const CMDLINE: &str = "console=ttyS0 panic=-1 quiet no_timer_check sigillo.build=a";
/// Another command line: a measured change, signed by the same key.
pub(crate) const CMDLINE_CHANGED: &str = "console=ttyS0 panic=-1 quiet no_timer_check sigillo.build=b";

/// The built guest: boot disks, each a FAT16 EFI system partition without a partition table.
pub(crate) struct Guest {
    /// Signed; the image that secrets are sealed to.
    pub(crate) boot: PathBuf,
    /// Signed by the same key, with another command line.
    pub(crate) boot_changed: PathBuf,
    /// The same image as `boot`, not signed.
    pub(crate) boot_unsigned: PathBuf,
}

/// Builds the guest into `dir`; the downloaded kernel stays there for the next time.
pub(crate) fn build(dir: &Path) -> Result<Guest> {
    sh::mkdir(dir)?;
    let kernel = kernel::fetch(&dir.join("kernel"))?;
    let initrd = dir.join("initrd.gz");
    initramfs::build(&initrd, &kernel, initramfs::INIT, More::default())?;
    let guest = Guest {
        boot: dir.join("boot.img"),
        boot_changed: dir.join("boot-changed.img"),
        boot_unsigned: dir.join("boot-unsigned.img"),
    };
    let plain = dir.join("plain.efi");
    let signed = dir.join("signed.efi");
    uki::build(&plain, &kernel, &initrd, CMDLINE)?;
    disk::esp(&guest.boot_unsigned, &plain)?;
    uki::sign(&plain, &signed)?;
    disk::esp(&guest.boot, &signed)?;
    uki::build(&plain, &kernel, &initrd, CMDLINE_CHANGED)?;
    uki::sign(&plain, &signed)?;
    disk::esp(&guest.boot_changed, &signed)?;
    Ok(guest)
}

/// A kernel that is booted without firmware of its own.
pub(crate) struct Direct {
    /// The kernel image.
    pub(crate) kernel: PathBuf,
    /// Its initramfs.
    pub(crate) initrd: PathBuf,
}

/// Builds the guest that hands the host's commands to its TPM into `dir`, with the kernel that [`build`] leaves there.
pub(crate) fn build_relay(dir: &Path) -> Result<Direct> {
    build_direct(dir, "relay", initramfs::RELAY, More::default())
}

/// Builds a guest of this name whose process 1 is `init`.
pub(crate) fn build_direct(dir: &Path, name: &str, init: &str, more: More) -> Result<Direct> {
    sh::mkdir(dir)?;
    let kernel = kernel::fetch(&dir.join("kernel"))?;
    let initrd = dir.join(format!("{name}.gz"));
    initramfs::build(&initrd, &kernel, init, more)?;
    Ok(Direct { kernel: kernel.image(), initrd })
}
