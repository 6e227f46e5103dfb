//! The devices of a VM: what is there, what can be added, adding and removing while it is off.
use crate::{
    availability,
    bundle::Bundle,
    config::{
        Bus, Cdrom, Disk, DiskFormat, Display, DisplayKind, MAX_CDROMS, MAX_DISKS, MAX_NETWORKS, Network,
    },
    copy::Progress,
    error::{Error, Result},
    files::{remove, sync_dir},
    host::Host,
    image,
    tpm::require_possible,
    upgrade::in_words,
};
use rustix::fs::RenameFlags;
use sigillo_messages::{Words, text, words};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where a new image is made before it has a name of its own.
const ADDING: &str = ".disk.adding";

/// The devices of a VM, and what more it could have.
#[derive(Clone, Debug)]
pub struct Hardware {
    /// What is there.
    pub present: Vec<Device>,
    /// What could be added, and what not and why.
    pub offers: Vec<Offer>,
}

/// A device that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// As [`remove_device`] takes it: `disk0`, `network0`, `cdrom0`, `display`, `tpm`.
    pub name: String,
    /// What it is, in words.
    pub what: String,
}

/// A kind of device that could be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// `disk`, `network`, `cdrom`, `display`, `tpm`.
    pub kind: &'static str,
    /// What adding it does, in words.
    pub what: Words,
    /// Why it cannot be added: a code, where there is one, and a line.
    pub refusal: Option<(Option<String>, String)>,
}

/// A device to add.
#[derive(Clone, Debug)]
pub enum NewDevice {
    /// A disk, and what it is attached to; `None` is the guest's default.
    Disk(NewDisk, Option<Bus>),
    /// A network card.
    Network(Network),
    /// A drive with an image in it.
    Cdrom(Cdrom),
    /// A screen, keyboard and pointer.
    Display(Display),
}

/// Where a new disk comes from.
#[derive(Clone, Debug)]
pub enum NewDisk {
    /// An empty one of so many GiB.
    Empty(u32),
    /// A copy of this image; a host's block device is used where it is.
    Image(PathBuf),
}

/// What removing a device did.
#[derive(Clone, Debug)]
pub struct RemovedDevice {
    /// What it was.
    pub device: Device,
    /// The file that was its disk and was kept.
    pub kept: Option<PathBuf>,
}

/// What a VM has, and what it could have.
#[must_use]
pub fn hardware(vm: &Bundle, host: &Host<'_>) -> Hardware {
    let config = vm.config();
    let full =
        |found: usize, most: usize| (found >= most).then(|| (None, text!("hardware-full", found, most)));
    let display = config.display.filter(|display| display.kind != DisplayKind::None);
    let offers = vec![
        Offer { kind: "disk", what: words!("hardware-disk"), refusal: full(config.disks.len(), MAX_DISKS) },
        Offer {
            kind: "network",
            what: words!("hardware-network"),
            refusal: full(config.networks.len(), MAX_NETWORKS),
        },
        Offer {
            kind: "cdrom",
            what: words!("hardware-cdrom"),
            refusal: full(config.cdroms.len(), MAX_CDROMS),
        },
        Offer {
            kind: "display",
            what: words!("hardware-display"),
            refusal: display.map(|_| (None, text!("hardware-has-one"))),
        },
        Offer { kind: "tpm", what: words!("hardware-tpm"), refusal: tpm_refusal(vm, host) },
    ];
    Hardware { present: present(vm), offers }
}

fn present(vm: &Bundle) -> Vec<Device> {
    let config = vm.config();
    let device = |name: String, what: String| Device { name, what };
    let mut all = Vec::new();
    for (index, disk) in config.disks.iter().enumerate() {
        let path = vm.disk_path(disk);
        let size = image::size(&path, disk.format).map_or_else(|_| text!("hardware-unreadable"), in_words);
        let [bus, format] = [config.bus_of(disk).as_str(), disk.format.as_str()];
        let what = if image::is_block_device(&path) {
            text!("device-host-disk", path = disk.path.display(), format, size, bus)
        } else {
            text!("device-disk", path = disk.path.display(), format, size, bus)
        };
        all.push(device(format!("disk{index}"), what));
    }
    for (index, cdrom) in config.cdroms.iter().enumerate() {
        let what = if cdrom.boot_first {
            text!("device-cdrom-before", path = cdrom.path.display())
        } else {
            text!("device-cdrom-after", path = cdrom.path.display())
        };
        all.push(device(format!("cdrom{index}"), what));
    }
    for (index, network) in config.networks.iter().enumerate() {
        let model = config.model_of(network).as_str();
        let mut what = vec![text!("device-network", model, mac = config.mac_of(index, network))];
        if network.restrict {
            what.push(text!("device-restricted"));
        }
        let forwards = network.forward.iter();
        what.extend(
            forwards.map(|forward| text!("device-forward", host = forward.host, guest = forward.guest)),
        );
        all.push(device(format!("network{index}"), what.join(", ")));
    }
    if let Some(display) = config.display.filter(|display| display.kind != DisplayKind::None) {
        all.push(device("display".to_owned(), text!("device-display", display)));
    }
    if let Some(tpm) = &config.tpm {
        let profile = tpm.profile.as_deref().map(|profile| format!(", {profile}")).unwrap_or_default();
        all.push(device("tpm".to_owned(), format!("TPM 2.0, {}{profile}", tpm.interface)));
    }
    all
}

/// Why a VM cannot get a TPM, in a line.
fn tpm_refusal(vm: &Bundle, host: &Host<'_>) -> Option<(Option<String>, String)> {
    let error = match require_possible(vm, host) {
        Ok(()) => {
            let why = availability::no_emulator().or_else(availability::no_secure_boot)?;
            Error::TpmUnavailable { name: vm.name().to_owned(), why }
        }
        Err(error) => error,
    };
    let line = match &error {
        Error::LegacyBios { .. } => {
            text!("hardware-bios")
        }
        Error::PhysicalDisk { disk, .. } => {
            text!("hardware-host-disk", disk = disk.display())
        }
        Error::TpmExists { .. } => text!("hardware-has-one"),
        Error::TpmPolicy { why, .. } => text!("policy-says", why),
        Error::TpmUnavailable { why, .. } => why.clone(),
        other => other.to_string(),
    };
    Some((Some(error.code().to_owned()), line))
}

/// Adds a device to a VM that is off. Answers its name.
///
/// # Errors
/// [`Error::Running`], [`Error::Hardware`], [`Error::PhysicalDisk`] for a host's disk in a VM with a TPM, or [`Error::Config`] if
/// there are too many of its kind.
pub fn add_device(vm: &mut Bundle, new: &NewDevice, progress: &mut Progress<'_>) -> Result<String> {
    let _lock = vm.lock()?;
    *vm = Bundle::load(vm.path())?;
    vm.require_off(words!("doing-hardware"))?;
    let fail = |why: String| Error::Hardware { name: vm.name().to_owned(), why };
    let mut config = vm.config().clone();
    let (name, made) = match new {
        NewDevice::Network(network) => {
            config.networks.push(network.clone());
            (format!("network{}", config.networks.len() - 1), None)
        }
        NewDevice::Cdrom(cdrom) => {
            let path = absolute(&cdrom.path)?;
            config.cdroms.push(Cdrom { path, ..cdrom.clone() });
            (format!("cdrom{}", config.cdroms.len() - 1), None)
        }
        NewDevice::Display(display) => {
            if config.display.is_some_and(|display| display.kind != DisplayKind::None) {
                return Err(fail(text!("hardware-has-display")));
            }
            config.display = Some(*display);
            ("display".to_owned(), None)
        }
        NewDevice::Disk(from, bus) => {
            let bus = Some(bus.unwrap_or(config.guest.defaults().bus));
            let from = match from {
                NewDisk::Image(path) => NewDisk::Image(absolute(path)?),
                NewDisk::Empty(gib) => NewDisk::Empty(*gib),
            };
            let (disk, made) = match from {
                NewDisk::Image(disk) if image::is_block_device(&disk) && config.tpm.is_some() => {
                    return Err(Error::PhysicalDisk { name: vm.name().to_owned(), disk });
                }
                NewDisk::Image(path) if image::is_block_device(&path) => {
                    (Disk { path, format: DiskFormat::Raw, bus }, None)
                }
                NewDisk::Image(_) | NewDisk::Empty(_) => {
                    let format = match &from {
                        NewDisk::Image(path) => image::format_of(path),
                        NewDisk::Empty(_) => DiskFormat::Raw,
                    };
                    let path = free_name(vm, format).ok_or_else(|| fail(text!("hardware-no-name")))?;
                    (Disk { path, format, bus }, Some(from))
                }
            };
            config.disks.push(disk.clone());
            (format!("disk{}", config.disks.len() - 1), made.map(|from| (disk, from)))
        }
    };
    // Before the image is made: what is not possible costs nothing.
    config.require_possible(&vm.path().join(crate::bundle::CONFIG))?;
    if let Some((disk, from)) = made {
        make_image(vm, &disk, &from, progress)?;
    }
    vm.set_config(config)?;
    Ok(name)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|e| Error::io(words!("do-find"), path, e))
}

/// A name in the bundle that neither a file nor `vm.toml` has.
fn free_name(vm: &Bundle, format: DiskFormat) -> Option<PathBuf> {
    let taken = |name: &PathBuf| {
        vm.config().disks.iter().any(|disk| disk.path == *name)
            || vm.path().join(name).symlink_metadata().is_ok()
    };
    (0..1000).map(|index| image::name_of(index, format)).find(|name| !taken(name))
}

/// Makes an empty disk in the bundle, for `vm.toml` to name.
pub(crate) fn empty_disk(vm: &Bundle, gib: u32) -> Result<Disk> {
    let no_name = || Error::Hardware { name: vm.name().to_owned(), why: text!("hardware-no-name") };
    let path = free_name(vm, DiskFormat::Raw).ok_or_else(no_name)?;
    let disk = Disk { path, format: DiskFormat::Raw, bus: Some(vm.config().guest.defaults().bus) };
    make_image(vm, &disk, &NewDisk::Empty(gib), &mut |_, _| {})?;
    Ok(disk)
}

/// A crash leaves a half image without a name, which the next call removes, or a whole one that no VM uses.
fn make_image(vm: &Bundle, disk: &Disk, from: &NewDisk, progress: &mut Progress<'_>) -> Result<()> {
    let building = vm.path().join(ADDING);
    remove(&building)?;
    let made = match from {
        NewDisk::Empty(gib) => image::make_empty(&building, u64::from(*gib) << 30),
        NewDisk::Image(from) => image::copy_image(from, &building, progress),
    };
    if let Err(error) = made {
        remove(&building)?;
        return Err(error);
    }
    let path = vm.disk_path(disk);
    rustix::fs::renameat_with(rustix::fs::CWD, &building, rustix::fs::CWD, &path, RenameFlags::NOREPLACE)
        .map_err(|e| Error::io(words!("do-make"), &path, e.into()))?;
    sync_dir(vm.path())
}

/// Removes a device from a VM that is off. A disk's file is kept. The TPM is not removed here: [`crate::remove_tpm`] does that.
///
/// # Errors
/// [`Error::Running`], or [`Error::Hardware`] if there is none of that name.
pub fn remove_device(vm: &mut Bundle, name: &str) -> Result<RemovedDevice> {
    let _lock = vm.lock()?;
    *vm = Bundle::load(vm.path())?;
    vm.require_off(words!("doing-hardware"))?;
    let all = present(vm);
    let Some(device) = all.iter().find(|device| device.name == name && name != "tpm").cloned() else {
        let names: Vec<&str> = all.iter().map(|device| device.name.as_str()).collect();
        let why = text!("hardware-no-device", ?name, names = names.join(", "));
        return Err(Error::Hardware { name: vm.name().to_owned(), why });
    };
    let mut config = vm.config().clone();
    let mut kept = None;
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    match (name.strip_suffix(digits).unwrap_or_default(), digits.parse::<usize>()) {
        ("disk", Ok(index)) if index < config.disks.len() => {
            kept = Some(vm.disk_path(&config.disks.remove(index)));
        }
        ("cdrom", Ok(index)) if index < config.cdroms.len() => drop(config.cdroms.remove(index)),
        ("network", Ok(index)) if index < config.networks.len() => {
            // The cards after it keep the address that followed from their number.
            let macs: Vec<String> =
                config.networks.iter().enumerate().map(|(n, card)| config.mac_of(n, card)).collect();
            for (card, mac) in config.networks.iter_mut().zip(macs).skip(index + 1) {
                card.mac = Some(mac);
            }
            config.networks.remove(index);
        }
        _ => config.display = None,
    }
    vm.set_config(config)?;
    Ok(RemovedDevice { device, kept })
}
