//! The kinds of guests, and what a new VM of each gets where nobody said otherwise.
use super::devices::{Bus, DisplayKind, NetworkModel};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What runs in a VM; decides what is added by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guest {
    /// Windows 11, which does not install without a TPM.
    #[serde(rename = "windows-11")]
    Windows11,
    /// Windows 10.
    #[serde(rename = "windows-10")]
    Windows10,
    /// Windows Server 2025.
    #[serde(rename = "windows-server-2025")]
    WindowsServer2025,
    /// Any Linux.
    Linux,
    /// Anything else.
    Other,
}

/// What a new VM gets where nobody said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Virtual processors.
    pub cpus: u32,
    /// A new, empty disk of so many GiB, where no disk is given.
    pub disk_gib: Option<u32>,
    /// How disks are attached.
    pub bus: Bus,
    /// The network card.
    pub network: NetworkModel,
    /// The screen.
    pub display: DisplayKind,
    /// Whether it gets a TPM at once.
    pub tpm: bool,
}

impl Guest {
    /// All kinds, in the order of listings.
    pub const ALL: [Self; 5] =
        [Self::Windows11, Self::Windows10, Self::WindowsServer2025, Self::Linux, Self::Other];

    /// As `vm.toml` and the command line call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Windows11 => "windows-11",
            Self::Windows10 => "windows-10",
            Self::WindowsServer2025 => "windows-server-2025",
            Self::Linux => "linux",
            Self::Other => "other",
        }
    }

    /// Whether it is a Windows.
    #[must_use]
    pub fn is_windows(self) -> bool {
        match self {
            Self::Windows11 | Self::Windows10 | Self::WindowsServer2025 => true,
            Self::Linux | Self::Other => false,
        }
    }

    /// What a new VM of this kind gets.
    ///
    /// An installer of Windows has drivers for SATA, NVMe and Intel's network cards and none for virtio, and needs a screen; QEMU cannot
    /// suspend a guest on NVMe. The images of Linux that people bring are made for virtio and a serial console, and bring their own disk.
    #[must_use]
    pub fn defaults(self) -> Defaults {
        match self {
            Self::Windows11 | Self::Windows10 | Self::WindowsServer2025 => Defaults {
                memory_mib: 4096,
                cpus: 2,
                disk_gib: Some(64),
                bus: Bus::Sata,
                network: NetworkModel::E1000e,
                display: DisplayKind::Vnc,
                tpm: self == Self::Windows11,
            },
            Self::Linux => Defaults {
                memory_mib: 2048,
                cpus: 2,
                disk_gib: None,
                bus: Bus::Virtio,
                network: NetworkModel::VirtioNet,
                display: DisplayKind::None,
                tpm: false,
            },
            Self::Other => Defaults {
                memory_mib: 2048,
                cpus: 2,
                disk_gib: None,
                bus: Bus::Sata,
                network: NetworkModel::E1000e,
                display: DisplayKind::Vnc,
                tpm: false,
            },
        }
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
