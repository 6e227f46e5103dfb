//! FAT16 disks written with mtools, so that no loop device or privilege is needed. (OVMF could not read a small FAT32.)
use crate::sh::{self, Result, cmd};
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;

/// An EFI system partition that boots `image`.
pub(crate) fn esp(out: &Path, image: &Path) -> Result<()> {
    let size = std::fs::metadata(image).map_err(|e| format!("{}: {e}", image.display()))?.len();
    format(out, (size.div_ceil(MIB) + 8).max(40), "ESP")?;
    sh::read(cmd("mmd", ["-i"]).arg(out).args(["::/EFI", "::/EFI/BOOT"]))?;
    sh::read(cmd("mcopy", ["-i"]).arg(out).arg(image).arg("::/EFI/BOOT/BOOTX64.EFI")).map(|_| ())
}

fn format(out: &Path, mib: u64, label: &str) -> Result<()> {
    let named = |e: std::io::Error| format!("{}: {e}", out.display());
    let file = std::fs::File::create(out).map_err(named)?;
    file.set_len(mib * MIB).map_err(named)?;
    // A fixed volume number: the disk's bytes depend on nothing but its files.
    sh::read(cmd("mkfs.vfat", ["-F", "16", "-i", "51617110", "-n", label]).arg(out)).map(|_| ())
}

/// The disk over which host and guest exchange files.
pub(crate) struct DataDisk {
    path: PathBuf,
}

impl DataDisk {
    /// A new, empty one: nothing of an earlier boot is left on it.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        format(path, 16, "SIGILLODATA")?;
        Ok(Self { path: path.to_owned() })
    }

    /// Puts a file.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let from = self.path.with_extension("put");
        sh::write(&from, bytes)?;
        let copied =
            sh::read(cmd("mcopy", ["-o", "-i"]).arg(&self.path).arg(&from).arg(format!("::/{name}")));
        std::fs::remove_file(&from).map_err(|e| format!("{}: {e}", from.display()))?;
        copied.map(|_| ())
    }

    /// Takes a file out; an error when the guest left none.
    pub(crate) fn get(&self, name: &str) -> Result<Vec<u8>> {
        let to = self.path.with_extension("get");
        sh::read(cmd("mcopy", ["-n", "-o", "-i"]).arg(&self.path).arg(format!("::/{name}")).arg(&to))?;
        let bytes = sh::read_file(&to)?;
        std::fs::remove_file(&to).map_err(|e| format!("{}: {e}", to.display()))?;
        Ok(bytes)
    }
}
