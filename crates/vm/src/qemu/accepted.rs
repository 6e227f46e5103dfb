//! The real QEMU, started with each set of devices and held before the guest's first instruction: it takes what we give it. Needs
//! Debian's `qemu-system-x86` and `ovmf`.
use super::{QEMU, Serial, arguments, last_words, log_into};
use crate::{
    Bundle, Create, DisplayKind, Guest, Home,
    accel::{Accel, Choice},
    config::{Accelerator, Bus, Cdrom, Config, Display, Firmware, Forward, Network, NetworkModel},
    display,
    qmp::Qmp,
    worker::Inherited,
};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

struct Held {
    child: Child,
    vm: Bundle,
    qmp: Qmp,
    _dir: tempfile::TempDir,
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Held {
    /// A VM of that guest's defaults, changed.
    fn start(guest: Guest, firmware: Firmware, change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let create = Create {
            name: "vm".to_owned(),
            guest,
            firmware,
            memory_mib: 128,
            cpus: 2,
            accel: Accelerator::Tcg,
            disks: Vec::new(),
            new_disk_gib: Some(1),
        };
        let vm = Home::find(Some(dir.path())).create(&create).unwrap();
        fs::write(vm.path().join("a, b.iso"), [0; 4096]).unwrap();
        let vm = vm.with_config(change).unwrap();
        let run = vm.run_dir(true).unwrap();
        display::prepare(&vm, &run).unwrap();
        let choice = Choice { accel: Accel::Tcg, reason: crate::Reason::Configuration };
        let mut args = arguments(&vm, &run, &choice, Serial::Socket).unwrap();
        let mut inherited = Inherited::default();
        let log = fs::File::create(run.serial_log()).unwrap();
        log_into(&mut args, &inherited.give(log.into()).unwrap());
        let mut command = Command::new(QEMU);
        command.args(args).arg("-S").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(inherited);
        let end = Instant::now() + PATIENCE;
        let qmp = loop {
            if let Ok(qmp) = Qmp::connect(&run.monitor(), Duration::from_secs(5)) {
                break qmp;
            }
            let ended = child.try_wait().unwrap().is_some();
            if ended || Instant::now() > end {
                let _ = child.kill();
                let mut said = Vec::new();
                child.stderr.take().unwrap().read_to_end(&mut said).unwrap();
                panic!("QEMU did not take it: {}", last_words(&said));
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let mut held = Self { child, vm, qmp, _dir: dir };
        assert_eq!(held.qmp.status().unwrap(), "prelaunch");
        held
    }

    fn ask(&mut self, command: &str) -> Value {
        self.qmp.execute(command).unwrap()
    }

    /// The devices on the PCI buses, as vendor:device.
    fn pci(&mut self) -> Vec<String> {
        let buses = self.ask("query-pci");
        let devices =
            buses.as_array().unwrap().iter().flat_map(|bus| bus["devices"].as_array().unwrap().clone());
        devices
            .map(|device| {
                format!(
                    "{:04x}:{:04x}",
                    device["id"]["vendor"].as_u64().unwrap(),
                    device["id"]["device"].as_u64().unwrap()
                )
            })
            .collect()
    }
}

const VIRTIO_NET: &str = "1af4:1000";
const VIRTIO_BLK: &str = "1af4:1001";
const NVME: &str = "1b36:0010";
const E1000E: &str = "8086:10d3";
const VGA: &str = "1234:1111";
const XHCI: &str = "1b36:000d";

#[test]
fn qemu_takes_the_defaults_of_every_guest() {
    for (guest, here, absent) in [
        (Guest::Windows11, &[E1000E, VGA, XHCI][..], &[VIRTIO_NET, VIRTIO_BLK, NVME][..]),
        (Guest::Linux, &[VIRTIO_NET, VIRTIO_BLK], &[VGA, XHCI, NVME]),
        (Guest::Other, &[E1000E, VGA, XHCI], &[VIRTIO_BLK, NVME]),
    ] {
        let pci = Held::start(guest, Firmware::Uefi, |_| {}).pci();
        assert!(here.iter().all(|id| pci.iter().any(|found| found == id)), "{guest}: {pci:?}");
        assert!(!absent.iter().any(|id| pci.iter().any(|found| found == id)), "{guest}: {pci:?}");
    }
}

#[test]
fn qemu_takes_as_many_devices_of_each_kind_as_the_configuration_allows() {
    let mut held = Held::start(Guest::Linux, Firmware::Uefi, |config| {
        let disk = config.disks[0].clone();
        // Images of their own: QEMU locks each.
        for number in 1..16_usize {
            let path = std::env::temp_dir().join(format!("sigillo-accepted-{}-{number}", std::process::id()));
            fs::write(&path, [0; 512]).unwrap();
            let bus = [Bus::Virtio, Bus::Nvme, Bus::Sata][if number > 13 { 2 } else { number % 2 }];
            config.disks.push(crate::Disk { path, bus: Some(bus), ..disk.clone() });
        }
        let cdrom = Cdrom { path: "a, b.iso".into(), boot_first: true };
        config.cdroms = vec![cdrom; 4];
        let model =
            |number| Some(if number % 2 == 0 { NetworkModel::VirtioNet } else { NetworkModel::E1000e });
        config.networks =
            (0..8).map(|number| Network { model: model(number), ..Network::default() }).collect();
        config.display = Some(Display { kind: DisplayKind::Vnc, port: None });
    });
    let blocks = held.ask("query-block");
    let names: Vec<&str> =
        blocks.as_array().unwrap().iter().filter_map(|block| block["device"].as_str()).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("disk")).count(), 16, "{names:?}");
    assert_eq!(names.iter().filter(|name| name.starts_with("cdrom")).count(), 4, "{names:?}");
    let read_only = |block: &Value| block["inserted"]["ro"].as_bool();
    let cdroms = blocks
        .as_array()
        .unwrap()
        .iter()
        .filter(|block| block["device"].as_str().is_some_and(|name| name.starts_with("cdrom")));
    assert!(cdroms.map(read_only).all(|ro| ro == Some(true)), "{blocks}");
    let pci = held.pci();
    assert_eq!(pci.iter().filter(|id| *id == VIRTIO_NET || *id == E1000E).count(), 8, "{pci:?}");
    for disk in &held.vm.config().disks[1..] {
        fs::remove_file(&disk.path).unwrap();
    }
}

#[test]
fn qemu_takes_disks_drives_and_a_screen_with_legacy_bios() {
    for bus in [Bus::Virtio, Bus::Nvme, Bus::Sata] {
        Held::start(Guest::Windows10, Firmware::Bios, |config| config.disks[0].bus = Some(bus));
    }
}

#[test]
fn qemu_takes_the_secure_boot_firmware_with_a_windows_machine() {
    Held::start(Guest::Windows11, Firmware::Uefi, |config| config.secure_boot = true);
}

/// The first words of a VNC server, and the ways to authenticate that it offers.
fn vnc(mut stream: impl Read + Write) -> Vec<u8> {
    let mut version = [0; 12];
    stream.read_exact(&mut version).unwrap();
    assert_eq!(&version[..6], b"RFB 00");
    stream.write_all(b"RFB 003.008\n").unwrap();
    let mut count = [0];
    stream.read_exact(&mut count).unwrap();
    let mut ways = vec![0; usize::from(count[0])];
    stream.read_exact(&mut ways).unwrap();
    ways
}

#[test]
fn a_vnc_viewer_finds_the_screen_on_a_socket_that_others_cannot_reach() {
    let held = Held::start(Guest::Windows11, Firmware::Uefi, |_| {});
    let run = held.vm.path().join("run");
    assert_eq!(fs::metadata(&run).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(vnc(UnixStream::connect(run.join("display.sock")).unwrap()), [1], "no password on the socket");
    assert!(!run.join("display.key").exists());
}

fn free_port(from: u16) -> u16 {
    (from..from + 200).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

#[test]
fn a_port_has_a_password_that_no_command_line_shows() {
    let port = free_port(5950);
    let held = Held::start(Guest::Linux, Firmware::Uefi, |config| {
        config.display = Some(Display { kind: DisplayKind::Vnc, port: Some(port) });
    });
    // 2 is VNC's own authentication; 1 would be none.
    assert_eq!(vnc(TcpStream::connect(("127.0.0.1", port)).unwrap()), [2]);
    let key = held.vm.path().join("run/display.key");
    let password = fs::read_to_string(&key).unwrap();
    assert_eq!(password.len(), 8);
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let line = fs::read(format!("/proc/{}/cmdline", held.child.id())).unwrap();
    assert!(!String::from_utf8_lossy(&line).contains(&password));
}

#[test]
fn a_spice_viewer_finds_the_screen_on_a_socket_and_on_a_port() {
    let held = Held::start(Guest::Linux, Firmware::Uefi, |config| {
        config.display = Some(Display { kind: DisplayKind::Spice, port: None });
    });
    UnixStream::connect(held.vm.path().join("run/display.sock")).unwrap();
    let port = free_port(6150);
    let _held = Held::start(Guest::Linux, Firmware::Uefi, |config| {
        config.display = Some(Display { kind: DisplayKind::Spice, port: Some(port) });
    });
    TcpStream::connect(("127.0.0.1", port)).unwrap();
}

#[test]
fn a_forward_listens_on_the_loopback_address_alone() {
    let port = free_port(6350);
    let _held = Held::start(Guest::Linux, Firmware::Uefi, |config| {
        config.networks[0].restrict = true;
        config.networks[0].forward = vec![Forward { host: port, guest: 22 }];
    });
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    let listening = fs::read_to_string("/proc/net/tcp").unwrap();
    let ends = format!(":{port:04X}");
    let addresses: Vec<&str> = listening
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|local| local.ends_with(&ends))
        .collect();
    assert!(
        !addresses.is_empty() && addresses.iter().all(|local| local.starts_with("0100007F")),
        "{addresses:?}"
    );
}
