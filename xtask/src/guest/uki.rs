//! Unified kernel images: kernel, initramfs and command line in one EFI program, built with systemd's stub and signed with
//! the test key pair that Debian's OVMF package publishes (its password is printed in that package).
use super::kernel::Kernel;
use crate::sh::{self, Result, cmd};
use std::path::Path;

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const KEY: &str = "/usr/share/ovmf/PkKek-1-snakeoil.key";
const CERTIFICATE: &str = "/usr/share/ovmf/PkKek-1-snakeoil.pem";

/// Writes the unsigned image.
pub(crate) fn build(out: &Path, kernel: &Kernel, initrd: &Path, cmdline: &str) -> Result<()> {
    let text = out.with_extension("cmdline");
    let uname = out.with_extension("uname");
    sh::write(&text, cmdline)?;
    sh::write(&uname, &kernel.version)?;
    let image = kernel.image();
    let sections = [
        (".osrel", Path::new("/etc/os-release")),
        (".cmdline", text.as_path()),
        (".uname", uname.as_path()),
        (".linux", image.as_path()),
        (".initrd", initrd),
    ];
    let (mut at, align) = layout()?;
    let mut command = cmd("objcopy", [] as [&str; 0]);
    for (name, file) in sections {
        at = at.next_multiple_of(align);
        let size = std::fs::metadata(file).map_err(|e| format!("{}: {e}", file.display()))?.len();
        let mut add = std::ffi::OsString::from(format!("{name}="));
        add.push(file);
        command.arg("--add-section").arg(add).arg("--change-section-vma").arg(format!("{name}={at:#x}"));
        at += size;
    }
    sh::read(command.arg(STUB).arg(out)).map(|_| ())
}

/// Where the stub's own sections end, and the alignment of its sections.
fn layout() -> Result<(u64, u64)> {
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let private = sh::read(&mut cmd("objdump", ["-p", STUB]))?;
    let align = private
        .lines()
        .find_map(|line| line.strip_prefix("SectionAlignment").and_then(|rest| hex(rest.trim())))
        .ok_or("objdump shows no SectionAlignment for systemd's stub")?;
    let headers = sh::read(&mut cmd("objdump", ["-h", STUB]))?;
    let end = headers
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [index, _, size, vma, ..] = fields.as_slice() else { return None };
            index.parse::<u32>().ok()?;
            Some(hex(size)? + hex(vma)?)
        })
        .max()
        .ok_or("objdump shows no sections in systemd's stub")?;
    Ok((end, align))
}

/// Signs `image` into `out`.
pub(crate) fn sign(image: &Path, out: &Path) -> Result<()> {
    let key = out.with_extension("key");
    sh::read(cmd("openssl", ["rsa", "-in", KEY, "-passin", "pass:snakeoil", "-out"]).arg(&key))?;
    sh::read(cmd("sbsign", ["--key"]).arg(&key).args(["--cert", CERTIFICATE, "--output"]).arg(out).arg(image))
        .map(|_| ())
}
