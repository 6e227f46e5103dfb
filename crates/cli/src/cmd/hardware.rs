//! `sigillo vm hardware list | add | remove`.
use super::{
    Done, Failure,
    host::Kept,
    output, progress, tpm, tpm_remove,
    usage::{DISK_GIB, whole},
};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use sigillo_messages::{text, words};
use sigillo_vm::{
    Bus, Cdrom, Display, DisplayKind, Forward, Home, Network, NetworkModel, NewDevice, NewDisk, add_device,
    hardware, remove_device,
};
use std::{path::PathBuf, process::ExitCode};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List what is there and what can be added
    List {
        /// The VM's name or UUID
        name: String,
    },
    /// Add a device to a VM that is off
    #[command(subcommand)]
    Add(Add),
    /// Remove a device from a VM that is off; the file of a disk is kept
    Remove {
        /// The VM's name or UUID
        name: String,
        /// The device, as `list` calls it: disk1, network0, cdrom0, display, tpm
        device: String,
        /// Do not ask before the TPM is removed
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum Add {
    /// A disk: an empty one, or a copy of an image
    Disk {
        /// The VM's name or UUID
        name: String,
        /// An empty disk of so many GiB
        #[arg(long, value_name = "GIB", value_parser = whole(DISK_GIB), required_unless_present = "image")]
        size: Option<u32>,
        /// An image to copy in (raw, or qcow2 by its name), or a host disk to use where it is
        #[arg(long, value_name = "FILE", conflicts_with = "size")]
        image: Option<PathBuf>,
        /// What it is attached to [default: virtio for Linux, sata for others]
        #[arg(long, value_enum)]
        bus: Option<BusArg>,
    },
    /// A network card
    Network {
        /// The VM's name or UUID
        name: String,
        /// Which card [default: virtio-net for Linux, e1000e for others]
        #[arg(long, value_enum)]
        model: Option<ModelArg>,
        /// Its address [default: follows from the VM's UUID]
        #[arg(long)]
        mac: Option<String>,
        /// A TCP port of the host's 127.0.0.1 that leads to one of the guest, as in 2222:22; may be repeated
        #[arg(long, value_name = "HOST:GUEST", value_parser = forward)]
        forward: Vec<Forward>,
        /// The guest reaches nothing but what is forwarded
        #[arg(long)]
        restrict: bool,
    },
    /// A drive with an ISO image in it, to install from
    Cdrom {
        /// The VM's name or UUID
        name: String,
        /// The ISO image
        image: PathBuf,
        /// Start from it before the disks [default: after them, when no disk has a system yet]
        #[arg(long)]
        boot_first: bool,
    },
    /// A screen, keyboard and pointer
    Display {
        /// The VM's name or UUID
        name: String,
        /// vnc or spice on a Unix socket; vnc:5901 is a port of 127.0.0.1, with a password
        #[arg(value_parser = display)]
        kind: Display,
    },
    /// A TPM 2.0 chip; the same as `tpm add`
    Tpm(tpm::Add),
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum BusArg {
    Virtio,
    Nvme,
    Sata,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ModelArg {
    VirtioNet,
    #[value(name = "e1000e")]
    E1000e,
}

impl From<BusArg> for Bus {
    fn from(bus: BusArg) -> Self {
        match bus {
            BusArg::Virtio => Self::Virtio,
            BusArg::Nvme => Self::Nvme,
            BusArg::Sata => Self::Sata,
        }
    }
}

impl From<ModelArg> for NetworkModel {
    fn from(model: ModelArg) -> Self {
        match model {
            ModelArg::VirtioNet => Self::VirtioNet,
            ModelArg::E1000e => Self::E1000e,
        }
    }
}

/// A display as options name it: its kind, and a port after a colon.
pub(super) fn display(text: &str) -> Result<Display, String> {
    let (kind, port) = match text.split_once(':') {
        Some((kind, port)) => (kind, Some(port.parse::<u16>().map_err(|_| text!("display-choices"))?)),
        None => (text, None),
    };
    let kind = match kind {
        "none" if port.is_none() => DisplayKind::None,
        "vnc" => DisplayKind::Vnc,
        "spice" => DisplayKind::Spice,
        _ => return Err(text!("display-choices")),
    };
    let display = Display { kind, port };
    display.check().map(|()| display)
}

fn forward(text: &str) -> Result<Forward, String> {
    let ports =
        text.split_once(':').and_then(|(host, guest)| Some((host.parse().ok()?, guest.parse().ok()?)));
    let (host, guest) = ports.ok_or(text!("forward-example"))?;
    Ok(Forward { host, guest })
}

pub(crate) fn run(home: &Home, command: Command) -> Done {
    match command {
        Command::List { name } => list(home, &name),
        Command::Add(Add::Tpm(args)) => tpm::run_add(home, args),
        Command::Add(add) => run_add(home, add),
        Command::Remove { name, device, yes } if device == "tpm" => tpm_remove::remove(home, &name, yes),
        Command::Remove { name, device, .. } => {
            let mut vm = home.open(&name)?;
            let removed = remove_device(&mut vm, &device)?;
            let kept = removed.kept.map(|path| path.display().to_string());
            output::report(
                || {
                    json!({
                        "vm": vm.name(),
                        "removed": removed.device.name,
                        "what": removed.device.what,
                        "kept": kept,
                    })
                },
                || {
                    say!(
                        "{}",
                        text!(
                            "hardware-removed",
                            vm = vm.name(),
                            device = removed.device.name,
                            what = removed.device.what
                        )
                    );
                    if let Some(kept) = &kept {
                        say!("  {}", text!("hardware-file-kept", kept));
                    }
                },
            )
        }
    }
}

fn run_add(home: &Home, add: Add) -> Done {
    let (name, new) = match add {
        Add::Disk { name, size, image, bus } => {
            let disk = match (image, size) {
                (Some(path), _) => NewDisk::Image(path),
                (None, size) => NewDisk::Empty(size.unwrap_or(1)),
            };
            (name, NewDevice::Disk(disk, bus.map(Into::into)))
        }
        Add::Network { name, model, mac, forward, restrict } => {
            let model = model.map(Into::into);
            (name, NewDevice::Network(Network { model, mac, restrict, forward, ..Network::default() }))
        }
        Add::Cdrom { name, image, boot_first } => (name, NewDevice::Cdrom(Cdrom { path: image, boot_first })),
        Add::Display { name, kind } => {
            if kind.kind == DisplayKind::None {
                let text = text!("display-none");
                return Err(Failure::new("SIG_ERR_VM_HARDWARE", text));
            }
            (name, NewDevice::Display(kind))
        }
        Add::Tpm(args) => return tpm::run_add(home, args),
    };
    let mut vm = home.open(&name)?;
    let mut bar = progress::Bar::new();
    let device =
        add_device(&mut vm, &new, &mut |done, total| bar.at(words!("step-copying-the-disk"), done, total))?;
    drop(bar);
    output::report(
        || json!({ "vm": vm.name(), "added": device }),
        || say!("{}", text!("hardware-added", vm = vm.name(), device)),
    )
}

fn list(home: &Home, name: &str) -> Done {
    let vm = home.open(name)?;
    let kept = Kept::find()?;
    let found = hardware(&vm, &kept.host());
    let config = vm.config();
    if output::is_json() {
        let present: Vec<Value> = found
            .present
            .iter()
            .map(|device| json!({ "device": device.name, "what": device.what }))
            .collect();
        let offers: Vec<Value> = found
            .offers
            .iter()
            .map(|offer| {
                json!({
                    "device": offer.kind,
                    "what": offer.what.to_string(),
                    "can_be_added": offer.refusal.is_none(),
                    "code": offer.refusal.as_ref().and_then(|(code, _)| code.as_deref()),
                    "why_not": offer.refusal.as_ref().map(|(_, why)| why),
                })
            })
            .collect();
        let all = json!({
            "vm": vm.name(),
            "firmware": config.firmware.to_string(),
            "secure_boot": config.secure_boot,
            "memory_mib": config.memory_mib,
            "cpus": config.cpus,
            "present": present,
            "offers": offers,
        });
        say!("{all}");
        return Ok(ExitCode::SUCCESS);
    }
    say!("{:11}  {}", text!("head-device"), text!("head-what"));
    let state = if config.secure_boot { text!("on") } else { text!("off") };
    let firmware = text!("firmware-secure-boot", firmware = config.firmware, state);
    say!("{:11}  {firmware}", "firmware");
    say!("{:11}  {} MiB", "memory", config.memory_mib);
    say!("{:11}  {}", "cpus", config.cpus);
    for device in &found.present {
        say!("{:11}  {}", device.name, device.what);
    }
    let head = text!("head-to-add");
    let devices = output::width(11, [&head].into_iter());
    say!("\n{head:devices$}  {}", text!("head-what"));
    for offer in &found.offers {
        match &offer.refusal {
            None => say!("{:devices$}  {}", offer.kind, offer.what),
            Some((_, why)) => say!("{:devices$}  {}", offer.kind, text!("device-not-offered", why)),
        }
    }
    Ok(ExitCode::SUCCESS)
}
