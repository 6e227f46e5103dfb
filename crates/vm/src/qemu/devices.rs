//! Disks, drives, network cards and the screen on QEMU's command line.
use super::{Args, escaped};
use crate::{
    bundle::Bundle,
    config::{Bus, Config, DisplayKind, NetworkModel, VNC_PORT},
    rundir::RunDir,
};
use std::ffi::OsString;

/// Adds all devices that `vm.toml` lists.
pub(super) fn add(args: &mut Args, bundle: &Bundle, run: &RunDir) {
    let config = bundle.config();
    let mut sata = 0_usize;
    let order = BootOrder::of(config);
    for (index, disk) in config.disks.iter().enumerate() {
        let start = format!("if=none,id=disk{index},format={},file=", disk.format.as_str());
        args.path("-drive", &start, &bundle.disk_path(disk), "");
        let boot = order.disk(index);
        let device = match config.bus_of(disk) {
            Bus::Virtio => format!("virtio-blk-pci,drive=disk{index},bootindex={boot}"),
            Bus::Nvme => format!("nvme,drive=disk{index},serial=sigillo-disk{index},bootindex={boot}"),
            Bus::Sata => {
                format!("ide-hd,drive=disk{index},bus=ide.{},bootindex={boot}", port(&mut sata))
            }
        };
        args.pair("-device", device);
    }
    for (index, cdrom) in config.cdroms.iter().enumerate() {
        let start = format!("if=none,id=cdrom{index},media=cdrom,readonly=on,format=raw,file=");
        args.path("-drive", &start, &bundle.path().join(&cdrom.path), "");
        let boot = order.cdrom(index);
        args.pair(
            "-device",
            format!("ide-cd,drive=cdrom{index},bus=ide.{},bootindex={boot}", port(&mut sata)),
        );
    }
    networks(args, config);
    display(args, config, run);
    if config.guest.is_windows() {
        // Windows takes the clock's time for local time.
        args.pair("-rtc", "base=localtime");
    }
}

/// The next port of the SATA controller.
fn port(next: &mut usize) -> usize {
    let port = *next;
    *next += 1;
    port
}

fn networks(args: &mut Args, config: &Config) {
    for (index, network) in config.networks.iter().enumerate() {
        let mut netdev = format!("user,id=network{index}");
        if network.restrict {
            netdev.push_str(",restrict=on");
        }
        for forward in &network.forward {
            netdev.push_str(&format!(",hostfwd=tcp:127.0.0.1:{}-:{}", forward.host, forward.guest));
        }
        args.pair("-netdev", netdev);
        let model = match config.model_of(network) {
            NetworkModel::VirtioNet => "virtio-net-pci",
            NetworkModel::E1000e => "e1000e",
        };
        let mac = config.mac_of(index, network);
        // Without the card's boot ROM: it would be one more program that the guest's TPM measures.
        args.pair("-device", format!("{model},netdev=network{index},mac={mac},romfile="));
    }
}

fn display(args: &mut Args, config: &Config, run: &RunDir) {
    let Some(display) = config.display.filter(|display| display.kind != DisplayKind::None) else { return };
    // Q35's PS/2 pointer knows no place on the screen, so it would not follow the viewer's.
    args.pair("-device", "VGA");
    args.pair("-device", "qemu-xhci,id=usb").pair("-device", "usb-kbd,bus=usb.0");
    args.pair("-device", "usb-tablet,bus=usb.0");
    let password = display.port.is_some();
    if password {
        args.path("-object", "secret,id=display-password,file=", &run.display_password(), "");
    }
    let secret = if password { ",password-secret=display-password" } else { "" };
    match (display.kind, display.port) {
        (DisplayKind::None, _) => {}
        (DisplayKind::Vnc, Some(port)) => {
            args.pair("-vnc", format!("127.0.0.1:{}{secret}", port.saturating_sub(VNC_PORT)));
        }
        (DisplayKind::Vnc, None) => {
            args.path("-vnc", "unix:", &run.display_socket(), "");
        }
        (DisplayKind::Spice, Some(port)) => {
            args.pair("-spice", format!("addr=127.0.0.1,port={port}{secret}"));
        }
        (DisplayKind::Spice, None) => {
            let mut spice = OsString::from("unix=on,disable-ticketing=on,addr=");
            spice.push(escaped(&run.display_socket()));
            args.pair("-spice", spice);
        }
    }
}

/// Drives that come first, then disks, then the other drives: an empty disk lets an installer start, and a disk with a system
/// on it keeps it from starting again.
pub(crate) struct BootOrder<'a>(&'a Config);

impl<'a> BootOrder<'a> {
    pub(crate) fn of(config: &'a Config) -> Self {
        Self(config)
    }

    fn first(&self) -> usize {
        self.0.cdroms.iter().filter(|cdrom| cdrom.boot_first).count()
    }

    /// From 1, as QEMU's bootindex.
    pub(crate) fn disk(&self, index: usize) -> usize {
        self.first() + index + 1
    }

    pub(crate) fn cdrom(&self, index: usize) -> usize {
        let boot_first = self.0.cdroms.get(index).is_some_and(|cdrom| cdrom.boot_first);
        let before = self.0.cdroms.iter().take(index).filter(|cdrom| cdrom.boot_first == boot_first).count();
        if boot_first { before + 1 } else { self.first() + self.0.disks.len() + before + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_are_started_before_disks_only_where_asked() {
        let config = Config::parse(
            "version = 1\nuuid = \"a6a5e09e-3d1b-4c3c-9f0c-0e0f9a4a0001\"\nname = \"demo\"\nguest = \"linux\"\n\
             firmware = \"uefi\"\nmemory_mib = 512\ncpus = 1\n[[disks]]\npath = \"a\"\nformat = \"raw\"\n\
             [[disks]]\npath = \"b\"\nformat = \"raw\"\n[[cdroms]]\npath = \"/c.iso\"\n\
             [[cdroms]]\npath = \"/d.iso\"\nboot_first = true\n[[cdroms]]\npath = \"/e.iso\"\n",
        )
        .unwrap();
        let order = BootOrder::of(&config);
        assert_eq!([order.disk(0), order.disk(1)], [2, 3]);
        assert_eq!([0, 1, 2].map(|index| order.cdrom(index)), [4, 1, 5]);
    }
}
