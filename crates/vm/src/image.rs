//! Disk images: copied into a bundle, read from a host's disk, grown.
use crate::{
    config::{Disk, DiskFormat},
    copy::{Progress, Source, Tally},
    error::{Error, Result},
    files::{new_file, open_plain, read_plain, require_one_file},
};
use rustix::fs::{Mode, OFlags};
use sigillo_messages::{text, words};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// QEMU's program for images, which alone knows how to grow a qcow2.
const QEMU_IMG: &str = "qemu-img";
/// What the length of a raw image is a multiple of. Bytes.
const SECTOR: usize = 512;
/// The type of an EFI system partition, as it lies on the disk. UEFI 2.10, 5.3.3.
const ESP: [u8; 16] =
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];

/// Whether a path leads to a block device of this host.
pub(crate) fn is_block_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device())
}

/// A disk image's format, by its name.
pub(crate) fn format_of(path: &Path) -> DiskFormat {
    let qcow2 = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("qcow2"));
    if qcow2 { DiskFormat::Qcow2 } else { DiskFormat::Raw }
}

/// The name of an image in a bundle.
pub(crate) fn name_of(index: usize, format: DiskFormat) -> PathBuf {
    PathBuf::from(format!("disk{index}.{}", if format == DiskFormat::Qcow2 { "qcow2" } else { "img" }))
}

/// Copies a disk image, leaving holes where it is zero.
pub(crate) fn copy_image(from: &Path, to: &Path, progress: &mut Progress<'_>) -> Result<()> {
    if format_of(from) == DiskFormat::Qcow2 {
        require_one_file(from).map_err(|e| Error::io(words!("do-import"), from, e))?;
    }
    let source = open_plain(from).and_then(|file| Source::of(file, from.to_owned()));
    let source = source.map_err(|e| Error::io(words!("do-open"), from, e))?;
    let mut tally = Tally::new(source.len, progress);
    source.copy_to(to, &mut |octets| tally.add(octets))?;
    round_up(to)
}

/// The length of an image that has so many bytes, with all of its last sector.
pub(crate) fn in_whole_sectors(bytes: u64) -> u64 {
    bytes.next_multiple_of(SECTOR as u64)
}

/// Gives a raw image that ends within a sector the rest of it, as QEMU would: one that is cut shows itself by its length from then on.
fn round_up(image: &Path) -> Result<()> {
    let failed = |e: io::Error| Error::io(words!("do-size"), image, e);
    let bytes = fs::metadata(image).map_err(failed)?.len();
    if format_of(image) != DiskFormat::Raw || in_whole_sectors(bytes) == bytes {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(image).map_err(failed)?;
    file.set_len(in_whole_sectors(bytes)).and_then(|()| file.sync_all()).map_err(failed)
}

/// Makes an empty disk.
pub(crate) fn make_empty(path: &Path, bytes: u64) -> Result<()> {
    let file = new_file(path, 0o600)?;
    file.set_len(bytes).and_then(|()| file.sync_all()).map_err(|e| Error::io(words!("do-size"), path, e))
}

/// A host's disk or partition that nothing on the host uses.
#[derive(Debug)]
pub(crate) struct Device {
    file: File,
    bytes: u64,
}

impl Device {
    /// Opens it for reading, and keeps others from mounting it meanwhile.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let fail = |why: String| Error::ImportDisk { disk: path.to_owned(), why };
        let kind = fs::metadata(path).map_err(|e| fail(e.to_string()))?.file_type();
        if kind.is_file() {
            return Err(fail(text!("import-file")));
        }
        if !kind.is_block_device() {
            return Err(fail(text!("import-no-disk")));
        }
        let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC;
        let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::BUSY) => {
                let why = text!("import-in-use");
                return Err(fail(why.to_owned()));
            }
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => {
                return Err(fail(text!("import-only-root")));
            }
            Err(e) => return Err(fail(io::Error::from(e).to_string())),
        };
        let bytes = file.seek(SeekFrom::End(0)).map_err(|e| fail(e.to_string()))?;
        file.seek(SeekFrom::Start(0)).map_err(|e| fail(e.to_string()))?;
        if bytes == 0 {
            return Err(fail(text!("file-empty")));
        }
        Ok(Self { file, bytes })
    }

    /// Copies it into a raw image.
    pub(crate) fn copy(&mut self, from: &Path, to: &Path, progress: &mut Progress<'_>) -> Result<()> {
        let total = self.bytes;
        copy_sparse(&mut self.file, total, from, to, progress)
    }

    /// Whether it has what UEFI firmware starts a system from: an EFI system partition in a GPT.
    pub(crate) fn has_efi_system_partition(&mut self) -> bool {
        let found = efi_system_partition(&mut self.file).unwrap_or(false);
        // Copying begins at the start; a device that does not seek fails there with its own words.
        let _ = self.file.seek(SeekFrom::Start(0));
        found
    }
}

fn efi_system_partition(disk: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut header = [0; SECTOR];
    disk.seek(SeekFrom::Start(512))?;
    disk.read_exact(&mut header)?;
    let number = |from: usize, to: usize| {
        header
            .get(from..to)
            .unwrap_or_default()
            .iter()
            .rev()
            .fold(0_u64, |sum, octet| (sum << 8) | u64::from(*octet))
    };
    if header.get(..8) != Some(b"EFI PART") || number(84, 88) != 128 {
        return Ok(false);
    }
    let Some(table) = number(72, 80).checked_mul(512) else { return Ok(false) };
    disk.seek(SeekFrom::Start(table))?;
    for _ in 0..number(80, 84).min(128) {
        let mut entry = [0; 128];
        disk.read_exact(&mut entry)?;
        if entry.starts_with(&ESP) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn copy_sparse(
    source: &mut impl Read,
    total: u64,
    from: &Path,
    to: &Path,
    progress: &mut Progress<'_>,
) -> Result<()> {
    let mut target = new_file(to, 0o600)?;
    let mut block = vec![0u8; 1 << 20];
    let mut length = 0u64;
    loop {
        let got = source.read(&mut block).map_err(|e| Error::io(words!("do-read"), from, e))?;
        let Some(part) = block.get(..got).filter(|part| !part.is_empty()) else { break };
        let step = u64::try_from(got).map_err(|e| Error::io(words!("do-read"), from, io::Error::other(e)))?;
        if part.iter().any(|byte| *byte != 0) {
            target
                .seek(SeekFrom::Start(length))
                .and_then(|_| target.write_all(part))
                .map_err(|e| Error::io(words!("do-write"), to, e))?;
        }
        length += step;
        progress(length, total.max(length));
    }
    target.set_len(length).and_then(|()| target.sync_all()).map_err(|e| Error::io(words!("do-write"), to, e))
}

/// How large the guest sees a disk. Bytes.
pub(crate) fn size(path: &Path, format: DiskFormat) -> Result<u64> {
    let failed = |e: io::Error| Error::io(words!("do-measure"), path, e);
    match format {
        DiskFormat::Qcow2 => {
            require_one_file(path).map_err(failed)?;
            let header = read_plain(path, 32).map_err(failed)?;
            let size =
                header.get(24..32).and_then(<[u8]>::first_chunk).map(|field| u64::from_be_bytes(*field));
            size.ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))
        }
        DiskFormat::Raw if is_block_device(path) => {
            let mut file = File::open(path).map_err(failed)?;
            file.seek(SeekFrom::End(0)).map_err(failed)
        }
        DiskFormat::Raw => Ok(open_plain(path).map_err(failed)?.metadata().map_err(failed)?.len()),
    }
}

/// Makes a disk image larger; never smaller.
pub(crate) fn grow(disk: &Disk, path: &Path, bytes: u64) -> Result<()> {
    let fail = |why: String| Error::DiskSize { disk: path.to_owned(), why };
    if is_block_device(path) {
        return Err(fail(text!("disk-host-size")));
    }
    let now = size(path, disk.format)?;
    if now >= bytes {
        return Ok(());
    }
    match disk.format {
        DiskFormat::Raw => {
            // Not through a link: it would lead to a file of others.
            let found = fs::symlink_metadata(path).map_err(|e| Error::io(words!("do-look-at"), path, e))?;
            if !found.is_file() {
                return Err(fail(text!("not-a-file")));
            }
            let file = OpenOptions::new()
                .write(true)
                .open(path)
                .map_err(|e| Error::io(words!("do-open"), path, e))?;
            file.set_len(bytes)
                .and_then(|()| file.sync_all())
                .map_err(|e| Error::io(words!("do-grow"), path, e))
        }
        DiskFormat::Qcow2 => {
            let mut command = Command::new(QEMU_IMG);
            command.args(["resize", "-q", "-f", "qcow2", "--"]).arg(path).arg(bytes.to_string());
            let output = command.stdin(Stdio::null()).output().map_err(|e| match e.kind() {
                io::ErrorKind::NotFound => {
                    let path = PathBuf::from(QEMU_IMG);
                    Error::HostPart { what: words!("qcow2-program"), path, package: "qemu-utils" }
                }
                _ => Error::io(words!("do-run"), Path::new(QEMU_IMG), e),
            })?;
            if output.status.success() { Ok(()) } else { Err(fail(crate::qemu::last_words(&output.stderr))) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn gpt(kind: [u8; 16]) -> Vec<u8> {
        let mut disk = vec![0; 40 * SECTOR];
        disk[512..520].copy_from_slice(b"EFI PART");
        disk[512 + 72] = 2;
        disk[512 + 80] = 128;
        disk[512 + 84] = 128;
        disk[2 * SECTOR + 3 * 128..][..16].copy_from_slice(&kind);
        disk
    }

    #[test]
    fn an_efi_system_partition_is_found_and_nothing_else_is_taken_for_one() {
        assert!(efi_system_partition(&mut Cursor::new(gpt(ESP))).unwrap());
        assert!(!efi_system_partition(&mut Cursor::new(gpt([7; 16]))).unwrap());
        let mut far = gpt(ESP);
        far[512 + 79] = 0xFF;
        assert!(!efi_system_partition(&mut Cursor::new(far)).unwrap());
        assert!(efi_system_partition(&mut Cursor::new(vec![0; 100])).is_err());
    }

    #[test]
    fn a_copy_tells_how_far_it_is_and_leaves_holes() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = vec![0; 3 << 20];
        bytes[1] = 1;
        let to = dir.path().join("to");
        let mut told = Vec::new();
        let mut progress = |done: u64, total: u64| told.push((done, total));
        copy_sparse(&mut Cursor::new(&bytes), 3 << 20, Path::new("from"), &to, &mut progress).unwrap();
        assert_eq!(told, [1, 2, 3].map(|part: u64| (part << 20, 3 << 20)));
        assert_eq!(fs::read(&to).unwrap(), bytes);
        assert!(std::os::unix::fs::MetadataExt::blocks(&fs::metadata(&to).unwrap()) * 512 < 2 << 20);
    }

    #[test]
    fn disks_grow_and_never_shrink() {
        let dir = tempfile::tempdir().unwrap();
        let raw = dir.path().join("raw.img");
        make_empty(&raw, 1 << 20).unwrap();
        let disk = |path: &Path| Disk { path: path.to_owned(), format: format_of(path), bus: None };
        grow(&disk(&raw), &raw, 5 << 20).unwrap();
        grow(&disk(&raw), &raw, 2 << 20).unwrap();
        assert_eq!(size(&raw, DiskFormat::Raw).unwrap(), 5 << 20);
        let qcow2 = dir.path().join("a.qcow2");
        let made =
            Command::new(QEMU_IMG).args(["create", "-q", "-f", "qcow2"]).arg(&qcow2).arg("1M").status();
        assert!(made.unwrap().success());
        assert_eq!(size(&qcow2, DiskFormat::Qcow2).unwrap(), 1 << 20);
        grow(&disk(&qcow2), &qcow2, 64 << 30).unwrap();
        assert_eq!(size(&qcow2, DiskFormat::Qcow2).unwrap(), 64 << 30);
        let link = dir.path().join("link.img");
        std::os::unix::fs::symlink(&raw, &link).unwrap();
        assert_eq!(grow(&disk(&link), &link, 6 << 20).unwrap_err().code(), "SIG_ERR_VM_DISK_SIZE");
    }
}
