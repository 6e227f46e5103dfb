//! The devices of a VM as `vm.toml` names them, and which of them can be.
use super::{Config, Where};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sigillo_messages::text;
use std::{
    collections::BTreeSet,
    fmt,
    path::{Component, Path, PathBuf},
};
use uuid::Uuid;

/// The most disks a VM can have.
pub(crate) const MAX_DISKS: usize = 16;
/// The most network cards.
pub(crate) const MAX_NETWORKS: usize = 8;
/// The most CD-ROM drives.
pub(crate) const MAX_CDROMS: usize = 4;
/// The ports of a Q35 machine's SATA controller; CD-ROM drives take some.
pub(crate) const SATA_PORTS: usize = 6;
/// The most port forwards of one network card.
const MAX_FORWARDS: usize = 64;
/// VNC's display 0 is this port; QEMU counts from it.
pub(crate) const VNC_PORT: u16 = 5900;

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Relative to the bundle, or absolute.
    pub path: PathBuf,
    /// How the bytes are laid out.
    pub format: DiskFormat,
    /// What it is attached to; absent: virtio, as all disks were before there was this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<Bus>,
}

/// A disk image's format. Never guessed by QEMU: a guest could write another format's header into a raw disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    /// The disk's bytes and nothing else.
    Raw,
    /// QEMU's copy-on-write format, version 2 or 3.
    Qcow2,
}

impl DiskFormat {
    /// As `vm.toml` and QEMU call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// What a disk is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    /// The fastest; needs a driver that Windows does not bring.
    Virtio,
    /// Every system of the last ten years has the driver.
    Nvme,
    /// AHCI; every system of the last twenty years has the driver.
    Sata,
}

impl Bus {
    /// As `vm.toml` calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Virtio => "virtio",
            Self::Nvme => "nvme",
            Self::Sata => "sata",
        }
    }
}

/// One network card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// What is at the other end.
    #[serde(default)]
    pub mode: NetworkMode,
    /// Which card the guest sees; absent: e1000e for Windows and others, virtio-net for Linux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<NetworkModel>,
    /// Its address; absent: one that follows from the VM's UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Whether the guest reaches nothing but the forwards below.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restrict: bool,
    /// Ports of the host's 127.0.0.1 that lead to the guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forward: Vec<Forward>,
}

/// What a network card is connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// QEMU's own network: the guest reaches what QEMU's user reaches, and nobody reaches the guest.
    #[default]
    User,
}

/// A network card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkModel {
    /// The fastest; needs a driver that Windows does not bring.
    VirtioNet,
    /// Intel's 82574L.
    E1000e,
}

impl NetworkModel {
    /// As `vm.toml` calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VirtioNet => "virtio-net",
            Self::E1000e => "e1000e",
        }
    }
}

/// A TCP port of the host's 127.0.0.1 that leads to one of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// On the host.
    pub host: u16,
    /// In the guest.
    pub guest: u16,
}

/// The screen, with a keyboard and a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Display {
    /// What shows it.
    pub kind: DisplayKind,
    /// A TCP port of 127.0.0.1, guarded by a password made at each start; absent: a Unix socket in the run directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// What shows a VM's screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DisplayKind {
    /// Nothing: no graphics card, no keyboard.
    None,
    /// A VNC viewer.
    Vnc,
    /// A SPICE viewer, where the installed QEMU has it.
    Spice,
}

impl DisplayKind {
    /// As `vm.toml` calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Vnc => "vnc",
            Self::Spice => "spice",
        }
    }
}

impl Display {
    /// Requires that there can be such a screen.
    ///
    /// # Errors
    /// A sentence: the port is too low.
    pub fn check(self) -> Result<(), String> {
        let lowest = if self.kind == DisplayKind::Vnc { VNC_PORT } else { 1024 };
        match self.port {
            Some(port) if port < lowest => Err(text!("config-display-port", port, vnc = VNC_PORT)),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}", text!("display-port", kind = self.kind.as_str(), port)),
            None => f.write_str(self.kind.as_str()),
        }
    }
}

/// A drive with an image, or a host's drive, to install from. The guest cannot write to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cdrom {
    /// Relative to the bundle, or absolute.
    pub path: PathBuf,
    /// Started before the disks; absent: after them, when no disk has a system yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub boot_first: bool,
}

impl Config {
    /// What a disk is attached to.
    #[must_use]
    pub fn bus_of(&self, disk: &Disk) -> Bus {
        disk.bus.unwrap_or(Bus::Virtio)
    }

    /// Which card a network has.
    #[must_use]
    pub fn model_of(&self, network: &Network) -> NetworkModel {
        network.model.unwrap_or(self.guest.defaults().network)
    }

    /// The address of the network card of that number.
    #[must_use]
    pub fn mac_of(&self, index: usize, network: &Network) -> String {
        network.mac.clone().unwrap_or_else(|| derived_mac(&self.uuid, index))
    }

    pub(super) fn check_devices(&self) -> Result<(), (Where, String)> {
        let count = |key, found: usize, most: usize| {
            if found > most {
                Err((Where::Key(key), text!("config-too-many", found, key, most)))
            } else {
                Ok(())
            }
        };
        count("disks", self.disks.len(), MAX_DISKS)?;
        count("networks", self.networks.len(), MAX_NETWORKS)?;
        count("cdroms", self.cdroms.len(), MAX_CDROMS)?;
        for (index, disk) in self.disks.iter().enumerate() {
            check_path(&disk.path).map_err(|what| (Where::In("disks", index, "path"), what))?;
        }
        for (index, cdrom) in self.cdroms.iter().enumerate() {
            check_path(&cdrom.path).map_err(|what| (Where::In("cdroms", index, "path"), what))?;
        }
        let sata = self.disks.iter().filter(|disk| self.bus_of(disk) == Bus::Sata).count();
        if sata + self.cdroms.len() > SATA_PORTS {
            let what = text!("config-sata", sata, drives = self.cdroms.len(), ports = SATA_PORTS);
            return Err((Where::Key("disks"), what));
        }
        self.check_networks()?;
        self.display.map_or(Ok(()), Display::check).map_err(|what| (Where::In("display", 0, "port"), what))
    }

    fn check_networks(&self) -> Result<(), (Where, String)> {
        let mut ports = BTreeSet::new();
        let mut macs = BTreeSet::new();
        for (index, network) in self.networks.iter().enumerate() {
            let at = |key| Where::In("networks", index, key);
            let mac = self.mac_of(index, network);
            check_mac(&mac).map_err(|what| (at("mac"), what))?;
            if !macs.insert(mac.to_ascii_lowercase()) {
                return Err((at("mac"), text!("config-mac-twice", ?mac)));
            }
            if network.forward.len() > MAX_FORWARDS {
                let what = text!("config-forwards", found = network.forward.len(), most = MAX_FORWARDS);
                return Err((at("forward"), what));
            }
            for forward in &network.forward {
                if forward.host == 0 || forward.guest == 0 {
                    return Err((at("forward"), text!("config-port-0")));
                }
                if !ports.insert(forward.host) {
                    return Err((at("forward"), text!("config-port-twice", port = forward.host)));
                }
            }
        }
        Ok(())
    }
}

/// A path is a name in the bundle, or absolute.
fn check_path(path: &Path) -> Result<(), String> {
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    let printable = path.to_str().is_some_and(|p| !p.is_empty() && !p.contains(char::is_control));
    if printable && (inside || path.is_absolute()) { Ok(()) } else { Err(text!("config-path", ?path)) }
}

/// Six octets in hexadecimal; not a group's address.
fn check_mac(mac: &str) -> Result<(), String> {
    let octets: Option<Vec<u8>> = mac
        .split(':')
        .map(|part| Some(part).filter(|p| p.len() == 2).and_then(|p| u8::from_str_radix(p, 16).ok()))
        .collect();
    match octets.as_deref() {
        Some([first, _, _, _, _, _])
            if first & 1 == 0 && mac.bytes().all(|b| b == b':' || b.is_ascii_hexdigit()) =>
        {
            Ok(())
        }
        _ => Err(text!("config-mac", ?mac)),
    }
}

/// QEMU's prefix, and three octets that no other VM is likely to have.
fn derived_mac(uuid: &Uuid, index: usize) -> String {
    let mut hash = Sha256::new();
    hash.update(b"sigillo network card\n");
    hash.update(uuid.as_bytes());
    hash.update(index.to_string());
    let digest = hash.finalize();
    let last: Vec<String> = digest.iter().take(3).map(|octet| format!("{octet:02x}")).collect();
    format!("52:54:00:{}", last.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_differ_between_cards_and_vms_and_stay() {
        let [a, b] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let all = BTreeSet::from([derived_mac(&a, 0), derived_mac(&a, 1), derived_mac(&b, 0)]);
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|mac| check_mac(mac).is_ok()), "{all:?}");
        assert_eq!(derived_mac(&a, 0), derived_mac(&a, 0));
    }

    #[test]
    fn what_is_no_address_of_a_card_is_refused() {
        for mac in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:5g",
            "01:00:5e:00:00:01",
            "52-54-00-12-34-56",
            "+2:54:00:12:34:56",
        ] {
            assert!(check_mac(mac).is_err(), "{mac}");
        }
    }

    const HEAD: &str = "version = 1\nuuid = \"a6a5e09e-3d1b-4c3c-9f0c-0e0f9a4a0001\"\nname = \"demo\"\nguest = \"windows-10\"\n\
        firmware = \"uefi\"\nmemory_mib = 512\ncpus = 1\n";

    #[test]
    fn devices_that_cannot_be_are_refused_with_the_line_of_their_own_table() {
        let disk = "[[disks]]\npath = \"a\"\nformat = \"raw\"\nbus = \"sata\"\n";
        let network = "[[networks]]\n";
        for (text, line, says) in [
            (format!("{disk}[[disks]]\npath = \"../b\"\nformat = \"raw\"\n"), 13, "neither a name"),
            (format!("{disk}[[disks]]\npath = \"b\"\nformat = \"raw\"\nbus = \"ide\"\n"), 15, "ide"),
            (format!("{disk}[[cdroms]]\npath = \"/a\\u0000b\"\n"), 13, "neither a name"),
            (format!("{disk}[[cdroms]]\npath = \"\"\n"), 13, "neither a name"),
            ("[[cdroms]]\npath = \"/a\"\nboot = 1\n".to_owned(), 10, "boot"),
            (disk.repeat(7), 8, "7 SATA disks"),
            ("[[cdroms]]\npath = \"/a\"\n".repeat(5), 8, "5 cdroms"),
            (disk.replace("sata", "nvme").repeat(17), 8, "17 disks"),
            (network.repeat(9), 8, "9 networks"),
            (format!("{network}{network}mac = \"52:54:00:00:00\"\n"), 10, "52:54:00:00:00"),
            (format!("{network}mac = \"52:54:00:00:00:01,id=x\"\n"), 9, "not the address"),
            ("[[networks]]\nmac = \"52:54:00:00:00:01\"\n".repeat(2), 11, "another network card's"),
            (format!("{network}mode = \"bridge\"\n"), 9, "bridge"),
            (format!("{network}model = \"virtio-net,x=1\"\n"), 9, "virtio-net,x=1"),
            (format!("{network}forward = [{{ host = 0, guest = 22 }}]\n"), 9, "0 is not a port"),
            (format!("{network}forward = [{{ host = 65536, guest = 22 }}]\n"), 9, "65536"),
            (
                format!(
                    "{network}{network}forward = [{{ host = 2, guest = 2 }}, {{ host = 2, guest = 3 }}]\n"
                ),
                10,
                "twice",
            ),
            ("[display]\nkind = \"vnc\"\nport = 80\n".to_owned(), 10, "too low"),
            ("[display]\nkind = \"gtk\"\n".to_owned(), 9, "gtk"),
            ("[display]\nport = 5900\n".to_owned(), 8, "kind"),
            ("[display]\nkind = \"vnc\"\nlisten = \"0.0.0.0\"\n".to_owned(), 10, "listen"),
            (
                "[removed_tpm]\ninterface = \"crb\"\nencrypted = true\nstore = \"a/b\"\n".to_owned(),
                11,
                "file name",
            ),
        ] {
            let error = Config::parse(&format!("{HEAD}{text}")).unwrap_err();
            assert!(error.starts_with(&format!("line {line}: ")) && error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_from_before_the_keys_means_what_it_meant() {
        let disk = "[[disks]]\npath = \"a\"\nformat = \"raw\"\n";
        let old = Config::parse(&format!("{}{disk}", HEAD.replace("windows-10", "linux"))).unwrap();
        assert_eq!(old.bus_of(&old.disks[0]), Bus::Virtio);
        assert!(old.networks.is_empty() && old.cdroms.is_empty() && old.display.is_none());
        assert_eq!(Config::parse(&old.text().unwrap()).unwrap(), old);
        let windows = Config::parse(&format!("{}{disk}", HEAD.replace("windows-10", "windows-11"))).unwrap();
        assert_eq!(windows.bus_of(&windows.disks[0]), Bus::Virtio);
    }

    #[test]
    fn every_device_survives_writing_and_reading() {
        let text = include_str!("../../../../fuzz/targets/src/devices.toml");
        let config = Config::parse(text).unwrap();
        assert_eq!(config.networks[0].forward, [Forward { host: 2222, guest: 22 }]);
        assert_eq!(Config::parse(&config.text().unwrap()).unwrap(), config);
    }
}
