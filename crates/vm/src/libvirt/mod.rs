//! A VM that libvirt runs, where its `vm.toml` says `hypervisor = "libvirt"`: the same verbs, on a domain of the VM's name and
//! UUID. The TPM is our process behind libvirt's `external` backend. libvirt is spoken to through its program `virsh`; why, and
//! what is whose: `docs/adr/0027-libvirt.md`.
mod access;
mod error;
mod life;
mod saving;
mod virsh;
mod xml;

pub(crate) use access::{obstacle, opened_above};
pub use error::LibvirtError;
pub(crate) use saving::{finish, is_saved, suspend};

use crate::{
    bundle::Bundle,
    config::{Bus, Config, Hypervisor},
    error::{Error, Result},
    process::qemu_of,
    qemu::on_path,
    rundir::Status,
};
use sigillo_messages::{Words, text, words};
use std::{ffi::OsStr, path::PathBuf, time::Duration};
use virsh::VIRSH;

/// Of our mark in a domain.
const NAMESPACE: &str = "https://sigillo.invalid/libvirt/1";
/// The connection where nothing else is said.
pub(crate) const DEFAULT_URI: &str = "qemu:///system";
const ANSWER: Duration = Duration::from_secs(30);

/// The libvirt that runs a VM.
#[derive(Clone, Debug)]
pub(crate) struct Libvirt {
    name: String,
    uuid: String,
    uri: String,
}

/// What libvirt says of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    /// There is none, or it is off.
    Off,
    /// Its guest runs, or sleeps.
    Running,
    /// Its guest is held.
    Paused,
    /// It could not go on.
    Failed,
}

impl Domain {
    pub(crate) fn is_off(self) -> bool {
        self == Self::Off
    }

    /// What listings call it; `None`: off.
    pub(crate) fn status(self) -> Option<Status> {
        match self {
            Self::Off => None,
            Self::Running => Some(Status::Running),
            Self::Paused => Some(Status::Paused),
            Self::Failed => Some(Status::Failed),
        }
    }

    fn parse(said: &str) -> Option<Self> {
        Some(match said.trim() {
            "shut off" | "no state" => Self::Off,
            "running" | "idle" | "in shutdown" | "pmsuspended" => Self::Running,
            "paused" => Self::Paused,
            "crashed" => Self::Failed,
            _ => return None,
        })
    }
}

/// A URI is of this host, and one of the two that QEMU's driver has; a socket may be named.
///
/// # Errors
/// A sentence.
pub fn check_uri(uri: &str) -> std::result::Result<(), String> {
    let rest = uri.strip_prefix("qemu:///").or_else(|| uri.strip_prefix("qemu+unix:///"));
    let (driver, query) = match rest {
        Some(rest) => rest.split_once('?').map_or((rest, None), |(driver, query)| (driver, Some(query))),
        None => ("", None),
    };
    let socket = |query: &str| {
        query.strip_prefix("socket=").is_some_and(|path| {
            path.starts_with('/') && path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
        })
    };
    if matches!(driver, "system" | "session") && query.is_none_or(socket) {
        return Ok(());
    }
    Err(text!("libvirt-uri", ?uri))
}

impl Libvirt {
    /// The libvirt that a VM is to be run by; `None` if QEMU runs it directly.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        (config.hypervisor == Hypervisor::Libvirt).then(|| Self {
            name: config.name.clone(),
            uuid: config.uuid.to_string(),
            uri: config.libvirt_uri.clone().unwrap_or_else(|| DEFAULT_URI.to_owned()),
        })
    }

    /// The connection.
    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    fn run<S: AsRef<OsStr>>(&self, args: &[S], limit: Duration) -> std::result::Result<String, String> {
        virsh::run(&self.uri, args, limit, || {})
    }

    /// Asks what does not fail while the daemon answers.
    fn ask(&self, args: &[&str]) -> Result<String> {
        self.require_virsh()?;
        self.run(args, ANSWER).map_err(|why| self.unreachable(why))
    }

    fn require_virsh(&self) -> Result<()> {
        if on_path(VIRSH) {
            return Ok(());
        }
        Err(Error::HostPart {
            what: words!("libvirts-program"),
            path: PathBuf::from(VIRSH),
            package: "libvirt-clients, and libvirt-daemon-system for the daemon",
        })
    }

    fn unreachable(&self, why: String) -> Error {
        let guest = match qemu_of(&self.uuid) {
            Ok(Some(qemu)) => text!("libvirt-qemu-lives", pid = qemu.pid),
            Ok(None) => text!("libvirt-qemu-none"),
            Err(_) => text!("libvirt-qemu-hidden"),
        };
        LibvirtError::Unreachable { name: self.name.clone(), uri: self.uri.clone(), why, guest }.into()
    }

    fn refused(&self, action: Words, why: String, then: impl Into<String>) -> Error {
        LibvirtError::Refused { name: self.name.clone(), action, why, then: then.into() }.into()
    }

    fn answer(&self, command: &str, why: String) -> Error {
        let (name, uri) = (self.name.clone(), self.uri.clone());
        LibvirtError::Answer { name, uri, command: command.to_owned(), why }.into()
    }

    /// Whether libvirt knows a domain of the VM's UUID.
    fn is_defined(&self) -> Result<bool> {
        Ok(self.ask(&["list", "--all", "--uuid"])?.lines().any(|line| line.trim() == self.uuid))
    }

    /// What the domain of the VM's UUID is doing.
    pub(crate) fn domain(&self) -> Result<Domain> {
        self.require_virsh()?;
        match self.run(&["domstate", &self.uuid], ANSWER) {
            Ok(said) => Domain::parse(&said)
                .ok_or_else(|| self.answer("domstate", text!("libvirt-no-state", state = ?said.trim()))),
            // Its words for a domain that is not there are not compared: only a daemon that answers can say that it has none.
            Err(_) if !self.is_defined()? => Ok(Domain::Off),
            Err(why) => Err(self.unreachable(why)),
        }
    }

    /// As [`Self::domain`]; while libvirt does not answer, by whether a QEMU of the domain lives, which outlives the daemon. A guest that
    /// is held then counts as running.
    pub(crate) fn domain_or_qemu(&self) -> Result<Domain> {
        let error = match self.domain() {
            Err(error @ (Error::Libvirt(LibvirtError::Unreachable { .. }) | Error::HostPart { .. })) => error,
            answered => return answered,
        };
        match qemu_of(&self.uuid) {
            Ok(Some(_)) => Ok(Domain::Running),
            Ok(None) => Ok(Domain::Off),
            Err(_) => Err(error),
        }
    }

    /// Requires that a domain of the VM's UUID, if there is one, was made of this bundle. Whether there is one.
    fn require_ours(&self, vm: &Bundle) -> Result<bool> {
        if !self.is_defined()? {
            return Ok(false);
        }
        let text = self.ask(&["dumpxml", "--inactive", &self.uuid])?;
        let foreign = |why: String| {
            let (name, uri) = (self.name.clone(), self.uri.clone());
            LibvirtError::Foreign { name, domain: self.uuid.clone(), uri, why }
        };
        match xml::owner(&text).map_err(|why| self.answer("dumpxml", why))? {
            xml::Owner::Other => Err(foreign(text!("libvirt-not-ours")).into()),
            xml::Owner::Bundle(other) if other != real(vm)? && is_same_vm(vm, &other) => {
                Err(foreign(text!("libvirt-of-other", path = ?other)).into())
            }
            xml::Owner::Bundle(_) => Ok(true),
        }
    }

    /// Takes the domain away; the firmware's variables are the bundle's and stay.
    fn undefine(&self, vm: &Bundle) -> Result<()> {
        if !self.require_ours(vm)? {
            return Ok(());
        }
        self.run(&["undefine", "--keep-nvram", &self.uuid], ANSWER).map(drop).map_err(|why| {
            self.refused(words!("libvirt-undefine"), why, text!("libvirt-untouched", uri = self.uri))
        })
    }

    /// Requires what no start would get past, before anything is touched.
    pub(crate) fn require_ready(&self, vm: &Bundle) -> Result<Place> {
        self.require_possible(vm)?;
        self.require_ours(vm)?;
        let place = self.place()?;
        if vm.config().tpm.is_some() {
            let found = self.tpm_backends()?;
            if !offers_tpm(&found) {
                return Err(
                    LibvirtError::NoTpm { name: self.name.clone(), uri: self.uri.clone(), found }.into()
                );
            }
        }
        let us = rustix::process::geteuid();
        match place.0.ids {
            Some((uid, _)) if uid != us.as_raw() && !us.is_root() => {
                Err(LibvirtError::NotRoot { name: self.name.clone(), uri: self.uri.clone(), uid }.into())
            }
            _ => Ok(place),
        }
    }

    /// How QEMU is run.
    pub(crate) fn place(&self) -> Result<Place> {
        let text = self.ask(&["capabilities"])?;
        xml::confinement(&text).map(Place).map_err(|why| self.answer("capabilities", why))
    }

    /// The TPM backends that libvirt offers.
    pub(crate) fn tpm_backends(&self) -> Result<Vec<String>> {
        let text = self.ask(&["domcapabilities", "--machine", "q35"])?;
        xml::tpm_backends(&text).map_err(|why| self.answer("domcapabilities", why))
    }

    /// Requires that the domain can have what the VM has.
    fn require_possible(&self, vm: &Bundle) -> Result<()> {
        let config = vm.config();
        let cannot =
            |what, way_out| Err(LibvirtError::Cannot { name: self.name.clone(), what, way_out }.into());
        if config.disks.iter().any(|disk| config.bus_of(disk) == Bus::Nvme) {
            return cannot(words!("libvirt-nvme"), words!("libvirt-nvme-way"));
        }
        if config.networks.iter().any(|network| network.restrict || !network.forward.is_empty()) {
            return cannot(words!("libvirt-network"), words!("libvirt-network-way"));
        }
        Ok(())
    }
}

/// `emulator` has been named since 4.5, `external` only since later than it is there: 9.0.
pub(crate) fn offers_tpm(backends: &[String]) -> bool {
    backends.iter().any(|backend| backend == "emulator" || backend == "external")
}

/// Where a domain's QEMU runs.
#[derive(Clone, Debug)]
pub(crate) struct Place(xml::Confinement);

impl Place {
    /// The user and group that QEMU runs as, if they are not this process's.
    pub(crate) fn others(&self) -> Option<(u32, u32)> {
        self.0.ids.filter(|(uid, _)| *uid != rustix::process::geteuid().as_raw())
    }

    /// `apparmor`, `selinux`.
    pub(crate) fn models(&self) -> &[String] {
        &self.0.models
    }
}

/// The bundle's directory without links.
fn real(vm: &Bundle) -> Result<PathBuf> {
    std::fs::canonicalize(vm.path()).map_err(|e| Error::io(words!("do-find"), vm.path(), e))
}

/// Whether a living bundle of the same UUID is there.
fn is_same_vm(vm: &Bundle, other: &std::path::Path) -> bool {
    Bundle::load(other).is_ok_and(|other| other.config().uuid == vm.config().uuid)
}

/// Takes away the domain of a VM that is renamed, moved or deleted; the next start makes it anew.
pub(crate) fn forget(vm: &Bundle) -> Result<()> {
    match Libvirt::of(vm.config()) {
        Some(libvirt) => libvirt.undefine(vm),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_connections_of_this_host_are_taken() {
        for uri in [
            "qemu:///system",
            "qemu:///session",
            "qemu:///system?socket=/run/x/libvirt-sock",
            "qemu+unix:///session",
        ] {
            assert_eq!(check_uri(uri), Ok(()), "{uri}");
        }
        for uri in [
            "",
            "system",
            "qemu+ssh://host/system",
            "qemu://host/system",
            "test:///default",
            "qemu:///system?command=/bin/sh",
            "qemu:///system?socket=relative",
            "qemu:///system?socket=/a&command=b",
        ] {
            assert!(check_uri(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn every_state_of_a_domain_is_one_that_listings_have() {
        for (said, domain) in [
            ("running\n", Domain::Running),
            ("idle", Domain::Running),
            ("in shutdown", Domain::Running),
            ("pmsuspended", Domain::Running),
            ("paused", Domain::Paused),
            ("crashed", Domain::Failed),
            ("shut off\n", Domain::Off),
        ] {
            assert_eq!(Domain::parse(said), Some(domain), "{said}");
        }
        assert_eq!(Domain::parse("acceso"), None);
    }
}
