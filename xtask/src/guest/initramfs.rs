//! The initramfs: busybox, tpm2-tools with the libraries they load, the kernel modules the guest needs, and its `init`.
use super::{cpio::Archive, kernel::Kernel};
use crate::sh::{self, Result, cmd};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

/// Process 1 of the guest that the demo boots.
pub(crate) const INIT: &str = include_str!("init.sh");
/// Process 1 of the guest that hands the host's commands to its TPM.
pub(crate) const RELAY: &str = include_str!("relay.sh");
const MODULES: &[&str] =
    &["virtio_pci", "virtio_blk", "vfat", "nls_ascii", "nls_cp437", "efivarfs", "button", "evdev"];

/// What a guest has besides busybox and tpm2-tools.
#[derive(Default)]
pub(crate) struct More {
    /// Programs and libraries of the host, put where they are there, with all that they load.
    pub(crate) programs: Vec<PathBuf>,
    /// Other files: path in the guest without the first slash, and bytes.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Kernel modules.
    pub(crate) modules: &'static [&'static str],
}

/// Writes the compressed archive to `out`; `init` is its process 1.
pub(crate) fn build(out: &Path, kernel: &Kernel, init: &str, more: More) -> Result<()> {
    let mut files = more.files;
    let mut roots = vec![PathBuf::from("/usr/bin/tpm2"), find_library("libtss2-tcti-device.so.0")?];
    roots.extend(more.programs);
    for path in closure(&roots)? {
        let place = if path.starts_with("/usr") {
            path.clone()
        } else {
            Path::new("/usr").join(path.strip_prefix("/").unwrap_or(&path))
        };
        let name = place.to_string_lossy().trim_start_matches('/').to_owned();
        files.insert(name, sh::read_file(&path)?);
    }
    let modules = modules(kernel, more.modules)?;
    let mut order = String::new();
    for path in &modules {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        order.push_str(&name);
        order.push('\n');
        files.insert(format!("mods/{name}"), sh::read_file(path)?);
    }
    let archive = archive(&files, &order, init).map_err(|e| format!("initramfs: {e}"))?;
    let file = std::fs::File::create(out).map_err(|e| format!("{}: {e}", out.display()))?;
    let mut gzip = cmd("gzip", ["-6", "-n", "-c"])
        .stdin(Stdio::piped())
        .stdout(file)
        .spawn()
        .map_err(|e| format!("cannot run gzip: {e}"))?;
    let written = gzip.stdin.take().ok_or("gzip took no input")?.write_all(&archive);
    let status = gzip.wait().map_err(|e| e.to_string())?;
    written.map_err(|e| format!("gzip: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("gzip ended with {status}")) }
}

fn archive(files: &BTreeMap<String, Vec<u8>>, order: &str, init: &str) -> std::io::Result<Vec<u8>> {
    let mut archive = Archive::new(Vec::new());
    let mut directories: BTreeSet<String> = [
        "bin",
        "proc",
        "sys",
        "dev",
        "tmp",
        "run",
        "etc",
        "root",
        "data",
        "mods",
        "usr",
        "usr/bin",
        "usr/lib",
        "usr/lib64",
    ]
    .map(str::to_owned)
    .into();
    for name in files.keys() {
        let parents = name.match_indices('/').map(|(at, _)| name[..at].to_owned());
        directories.extend(parents);
    }
    for directory in &directories {
        archive.directory(directory)?;
    }
    archive.symlink("lib", "usr/lib")?;
    archive.symlink("lib64", "usr/lib64")?;
    archive.program("bin/busybox", &std::fs::read("/bin/busybox")?)?;
    archive.program("init", init.as_bytes())?;
    for (name, bytes) in files {
        archive.program(name, bytes)?;
    }
    archive.file("mods/order", order.as_bytes())?;
    archive.finish()
}

fn find_library(name: &str) -> Result<PathBuf> {
    let path = Path::new("/usr/lib/x86_64-linux-gnu");
    let mut found: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(|e| format!("{}: {e}", path.display()))?
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path())
        .filter(|p| p.file_name().unwrap_or_default().to_string_lossy().as_ref() == name)
        .collect();
    found.pop().ok_or_else(|| format!("{name} is not in {}", path.display()))
}

/// The files themselves and everything the loader would map for them.
fn closure(roots: &[PathBuf]) -> Result<BTreeSet<PathBuf>> {
    let mut all: BTreeSet<PathBuf> = roots.iter().cloned().collect();
    for root in roots {
        let listing = sh::read(&mut cmd("ldd", [root]))?;
        for line in listing.lines() {
            // "name => /path (addr)", or "/path (addr)" for the loader itself; linux-vdso has no path.
            let path = line.split("=>").last().and_then(|part| part.split_whitespace().next());
            if let Some(path) = path.filter(|p| p.starts_with('/')) {
                all.insert(PathBuf::from(path));
            }
        }
    }
    Ok(all)
}

/// The module files in the order they have to be loaded; built-in ones have none.
fn modules(kernel: &Kernel, more: &[&str]) -> Result<Vec<PathBuf>> {
    let mut order: Vec<PathBuf> = Vec::new();
    for module in MODULES.iter().chain(more) {
        let listing = sh::output(cmd("modprobe", ["-d"]).arg(&kernel.root).args([
            "-S",
            &kernel.version,
            "--show-depends",
            module,
        ]))?;
        for line in listing.stdout.lines() {
            if let Some(path) = line.trim().strip_prefix("insmod ") {
                let path = PathBuf::from(path.trim());
                if !order.contains(&path) {
                    order.push(path);
                }
            }
        }
    }
    for needed in ["virtio_blk", "vfat", "efivarfs"] {
        let name = format!("{needed}.ko");
        if !order.iter().any(|p| p.file_name().unwrap_or_default().to_string_lossy().starts_with(&name)) {
            return Err(format!("kernel {} has no module {needed}", kernel.version));
        }
    }
    Ok(order)
}
