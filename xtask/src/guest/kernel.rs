//! Debian's kernel package, downloaded and unpacked, never installed.
use crate::sh::{self, Result, cmd};
use std::path::{Path, PathBuf};

/// An unpacked kernel package.
pub(crate) struct Kernel {
    /// Where the package was unpacked.
    pub(crate) root: PathBuf,
    /// The version, as `uname -r` prints it.
    pub(crate) version: String,
}

impl Kernel {
    /// The compressed kernel image.
    pub(crate) fn image(&self) -> PathBuf {
        self.root.join("boot").join(format!("vmlinuz-{}", self.version))
    }
}

/// Downloads the release's cloud kernel into `dir` unless it is there.
pub(crate) fn fetch(dir: &Path) -> Result<Kernel> {
    let depends = sh::read(&mut cmd("apt-cache", ["depends", "linux-image-cloud-amd64"]))?;
    let package = depends
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: linux-image-"))
        .map(|rest| format!("linux-image-{rest}"))
        .ok_or("apt knows no linux-image-cloud-amd64")?;
    let version = package.trim_start_matches("linux-image-").to_owned();
    let kernel = Kernel { root: dir.join(&package), version };
    if kernel.image().exists() {
        return Ok(kernel);
    }
    println!("downloading {package}");
    sh::mkdir(&kernel.root)?;
    sh::read(cmd("apt-get", ["-q", "download", &package]).current_dir(dir))?;
    let file = std::fs::read_dir(dir)
        .map_err(|e| e.to_string())?
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&format!("{package}_")) && name.ends_with(".deb")
        })
        .ok_or("apt-get download left no package file")?;
    sh::read(cmd("dpkg", ["-x"]).arg(&file).arg(&kernel.root))?;
    sh::read(cmd("depmod", ["-b"]).arg(&kernel.root).arg(&kernel.version))?;
    if kernel.image().exists() {
        Ok(kernel)
    } else {
        Err(format!("{} holds no kernel image", file.display()))
    }
}
