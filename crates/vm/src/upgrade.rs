//! What a VM lacks for Windows 11, and what of it can be given to it while it is off.
use crate::{
    bundle::{Bundle, VARS},
    config::Firmware,
    error::{Error, Result},
    files::{read_plain, remove, replace_file},
    firmware::{Keys, VARS_BYTES, secure_boot_of},
    hardware::empty_disk,
    image,
    tpm::physical_disk,
};
use sigillo_messages::{text, words};
use std::io;

/// Windows 11's minimums, as Microsoft publishes them.
const MEMORY_MIB: u32 = 4096;
const CPUS: u32 = 2;
const DISK_BYTES: u64 = 64_000_000_000;
/// What a disk that is too small grows to, and one that is not there gets.
const DISK_GIB: u32 = 64;

/// Where the firmware variables are kept that fresh ones took the place of.
const OLD_VARS: &str = "firmware-vars.fd.before";

/// One thing that Windows 11 needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// For scripts: `firmware`, `secure-boot`, `tpm`, `memory`, `cpus`, `disk`.
    pub what: &'static str,
    /// What is needed, in words.
    pub needs: String,
    /// What the VM has, in words.
    pub has: String,
    /// Whether that is enough.
    pub met: bool,
    /// Why it cannot be mended here and what to do instead, where that is so.
    pub cannot: Option<String>,
}

/// What Windows 11 needs, and what the VM has of it.
///
/// # Errors
/// A disk that cannot be measured.
pub fn windows_11(vm: &Bundle) -> Result<Vec<Requirement>> {
    let config = vm.config();
    let uefi = config.firmware == Firmware::Uefi;
    let bios = || (!uefi).then(|| Error::LegacyBios { name: vm.name().to_owned() }.to_string());
    let disk = config.disks.first();
    let bytes = disk.map(|disk| image::size(&vm.disk_path(disk), disk.format)).transpose()?;
    let cannot_tpm = bios().or_else(|| {
        physical_disk(vm).map(|disk| Error::PhysicalDisk { name: vm.name().to_owned(), disk }.to_string())
    });
    let on_host = disk.map(|disk| vm.disk_path(disk)).filter(|path| image::is_block_device(path));
    let cannot_grow = on_host.map(|path| text!("upgrade-host-disk", path = path.display()));
    let need = |what, needs, has, met, cannot: Option<String>| Requirement {
        what,
        needs,
        has,
        met,
        cannot: cannot.filter(|_| !met),
    };
    Ok(vec![
        need("firmware", "UEFI".to_owned(), config.firmware.to_string(), uefi, bios()),
        need("secure-boot", text!("on"), secure_boot_in_words(vm), has_secure_boot(vm), cannot_tpm.clone()),
        need(
            "tpm",
            "TPM 2.0".to_owned(),
            if config.tpm.is_some() { "TPM 2.0".to_owned() } else { text!("none-there") },
            config.tpm.is_some(),
            cannot_tpm,
        ),
        need(
            "memory",
            "4 GiB".to_owned(),
            format!("{} MiB", config.memory_mib),
            config.memory_mib >= MEMORY_MIB,
            None,
        ),
        need("cpus", "2".to_owned(), config.cpus.to_string(), config.cpus >= CPUS, None),
        need(
            "disk",
            "64 GB".to_owned(),
            bytes.map_or_else(|| text!("none-there"), in_words),
            bytes.is_some_and(|bytes| bytes >= DISK_BYTES),
            cannot_grow,
        ),
    ])
}

/// Whether the firmware starts Windows, and nothing that nobody signed. What `vm.toml` says is not enough: the keys are in the
/// firmware's variables.
fn has_secure_boot(vm: &Bundle) -> bool {
    vm.config().secure_boot && secure_boot_of(vm).is_some_and(|state| state.starts_windows())
}

fn secure_boot_in_words(vm: &Bundle) -> String {
    if !vm.config().secure_boot {
        return text!("off");
    }
    match secure_boot_of(vm) {
        None => text!("hardware-unreadable"),
        Some(state) if state.turned_off => text!("upgrade-turned-off"),
        Some(state) if !state.is_enforced() => text!("upgrade-no-keys"),
        Some(state) if !state.trusts_windows => text!("upgrade-other-keys"),
        Some(_) => text!("on"),
    }
}

/// Octets as people say them.
pub(crate) fn in_words(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => text!("size-bytes", #bytes),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 30) => format!("{} GiB", bytes >> 30),
        _ => text!("size-gib", whole = bytes >> 30, tenth = (bytes >> 20) % 1024 * 10 / 1024),
    }
}

/// Gives a VM that is off what it lacks of memory, processors, disk, and, if it has a TPM, Secure Boot with keys by which Windows
/// starts. Each is done whole or not at all, and what is done already is not done twice. The TPM itself is not added here.
///
/// # Errors
/// [`Error::LegacyBios`], before anything is changed; [`Error::Running`], [`Error::DiskSize`].
pub fn raise(vm: &mut Bundle) -> Result<()> {
    let _lock = vm.lock()?;
    *vm = Bundle::load(vm.path())?;
    vm.require_off(words!("doing-hardware"))?;
    if vm.config().firmware == Firmware::Bios {
        return Err(Error::LegacyBios { name: vm.name().to_owned() });
    }
    if let Some(disk) = vm.config().disks.first() {
        let path = vm.disk_path(disk);
        if image::size(&path, disk.format)? < DISK_BYTES {
            image::grow(disk, &path, u64::from(DISK_GIB) << 30)?;
        }
    }
    let mut config = vm.config().clone();
    config.memory_mib = config.memory_mib.max(MEMORY_MIB);
    config.cpus = config.cpus.max(CPUS);
    if config.tpm.is_some() && !has_secure_boot(vm) {
        // The keys first: firmware that knows Secure Boot without keys starts everything.
        let fresh = Keys::Microsoft.variables()?;
        keep_variables(vm)?;
        replace_file(&vm.path().join(VARS), &fresh, 0o600)?;
        config.secure_boot = true;
    }
    // Last: until vm.toml names it nobody does.
    let made = if config.disks.is_empty() { Some(empty_disk(vm, DISK_GIB)?) } else { None };
    config.disks.extend(made.clone());
    if config == *vm.config() {
        return Ok(());
    }
    vm.set_config(config).inspect_err(|_| {
        if let Some(disk) = &made {
            // It is empty; what counts is why the configuration was not written.
            let _ = remove(&vm.disk_path(disk));
        }
    })
}

/// A copy of firmware variables that are about to be replaced: boot entries, and keys of the owner's, are in no other place.
fn keep_variables(vm: &Bundle) -> Result<()> {
    let path = vm.path().join(VARS);
    match read_plain(&path, VARS_BYTES) {
        Ok(bytes) => replace_file(&vm.path().join(OLD_VARS), &bytes, 0o600),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::io(words!("do-read"), &path, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_as_people_say_them() {
        for (bytes, words) in [(5, "5 bytes"), (3 << 20, "3 MiB"), (64 << 30, "64 GiB"), (3 << 29, "1.5 GiB")]
        {
            assert_eq!(in_words(bytes), words);
        }
    }
}
