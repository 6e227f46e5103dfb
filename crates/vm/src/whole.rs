//! Whether a bundle is one VM and all of it. A copy that was cut short, or parts of two VMs put together by hand, are told as what they
//! are before a start: QEMU would start with half a disk. Snapshots and exports look for missing files and another VM's store alone.
use crate::{
    bundle::{Bundle, VARS},
    config::{DiskFormat, Firmware},
    error::{Error, Result},
    files::{read_plain, require_plain},
    firmware,
    identity::IdentityError,
    image::in_whole_sectors,
};
use sigillo_messages::{text, words};
use sigillo_store::{OpenError, Store};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Requires that all is there which a start needs, of the lengths that it has. The TPM's store is looked for with its key.
pub(crate) fn require_startable(vm: &Bundle) -> Result<()> {
    require_there(vm)?;
    if vm.config().firmware == Firmware::Uefi {
        require_variables(vm, &vm.path().join(VARS))?;
    }
    for disk in vm.config().disks.iter().filter(|disk| disk.format == DiskFormat::Raw) {
        let path = vm.disk_path(disk);
        // A link in the bundle is refused for what it is, whatever it leads to.
        if (disk.path.is_absolute() || !path.is_symlink())
            && let Some(what) = cut(&path)
        {
            return Err(not_whole(vm, what));
        }
    }
    Ok(())
}

/// Requires that the TPM's store is there, and the VM's own.
pub(crate) fn require_own_store(vm: &Bundle) -> Result<()> {
    let Some(store) = vm.store_path() else { return Ok(()) };
    match Store::peek(&store) {
        Ok(info) if !info.is_for_vm(vm.config().uuid.as_bytes()) => {
            Err(IdentityError::ForeignStore { name: vm.name().to_owned(), store }.into())
        }
        Err(OpenError::NotFound) => Err(not_whole(vm, text!("export-store-missing", path = store.display()))),
        // A store that is damaged is copied as well: it may be the last that there is.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn require_there(vm: &Bundle) -> Result<()> {
    let config = vm.config();
    let images =
        config.disks.iter().map(|disk| &disk.path).chain(config.cdroms.iter().map(|cdrom| &cdrom.path));
    let mut parts: Vec<PathBuf> = images.map(|path| vm.path().join(path)).collect();
    if config.firmware == Firmware::Uefi {
        parts.push(vm.path().join(VARS));
    }
    parts.iter().find(|path| is_missing(path)).map_or(Ok(()), |path| Err(missing(vm, path)))
}

/// The refusal of a bundle without this part.
pub(crate) fn missing(vm: &Bundle, path: &Path) -> Error {
    let what = if path.starts_with(vm.path()) {
        text!("file-not-there", path = path.display())
    } else {
        text!("part-outside-not-there", path = path.display())
    };
    not_whole(vm, what)
}

fn not_whole(vm: &Bundle, what: String) -> Error {
    IdentityError::NotWhole { name: vm.name().to_owned(), what }.into()
}

/// Whether nothing has this name; what else may be wrong with it is for others to say.
pub(crate) fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
}

/// What is wrong with a raw image whose end is missing, as far as its length tells.
pub(crate) fn cut(image: &Path) -> Option<String> {
    let found = fs::metadata(image).ok().filter(fs::Metadata::is_file)?;
    let (path, bytes) = (image.display(), found.len());
    match bytes {
        0 => Some(text!("image-empty", path)),
        _ => (in_whole_sectors(bytes) != bytes).then(|| text!("image-cut", path, #bytes)),
    }
}

fn require_variables(vm: &Bundle, path: &Path) -> Result<()> {
    require_plain(path)?;
    let failed = |e: io::Error| Error::io(words!("do-use"), path, e);
    let size = path.symlink_metadata().map_err(failed)?.len();
    let bytes = read_plain(path, firmware::VARS_BYTES).map_err(failed)?;
    let Some(why) = firmware::flaw(size, &bytes) else { return Ok(()) };
    let template = firmware::template_for(vm.config().secure_boot);
    Err(Error::FirmwareVariables { name: vm.name().to_owned(), path: path.to_owned(), why, template })
}
