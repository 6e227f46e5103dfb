//! The domain that a `vm.toml` makes, as libvirt's XML; and the little that is read of libvirt's own. Every value is escaped by
//! the writer, so none can add an element; what is read is taken as text and compared.
use super::{LibvirtError, NAMESPACE};
use crate::{
    accel::{Accel, Choice},
    bundle::{Bundle, VARS},
    config::{Bus, Cdrom, Disk, DisplayKind, Firmware, NetworkModel},
    error::{Error, Result},
    firmware,
    image::is_block_device,
    qemu::BootOrder,
    rundir::RunDir,
};
use quick_xml::{
    NsReader, Writer, XmlVersion,
    events::{BytesEnd, BytesStart, BytesText, Event},
    name::ResolveResult,
};
use sigillo_messages::{text, words};
use std::{
    io,
    path::{Path, PathBuf},
};

/// What a domain is made of.
pub(super) struct Parts<'a> {
    pub(super) vm: &'a Bundle,
    pub(super) run: &'a RunDir,
    pub(super) accel: &'a Choice,
    /// The bundle without links in its path.
    pub(super) real: &'a Path,
    /// Of a screen on a port.
    pub(super) password: Option<&'a str>,
}

/// The text of the domain.
pub(super) fn domain(parts: &Parts<'_>) -> Result<Vec<u8>> {
    let code = match parts.vm.config().firmware {
        Firmware::Uefi => Some(text(&firmware::code(parts.vm.config().secure_boot)?)?),
        Firmware::Bios => None,
    };
    let paths = Paths::of(parts)?;
    let mut xml = Xml(Writer::new_with_indent(Vec::new(), b' ', 2));
    write(&mut xml, parts, &paths, code.as_deref())
        .map_err(|e| Error::io(words!("do-describe"), parts.vm.path(), e))?;
    Ok(xml.0.into_inner())
}

/// Every path as text; libvirt's XML holds no others.
struct Paths {
    bundle: String,
    vars: String,
    disks: Vec<(String, bool)>,
    cdroms: Vec<(String, bool)>,
    serial: String,
    tpm: String,
}

impl Paths {
    fn of(parts: &Parts<'_>) -> Result<Self> {
        let Parts { vm, run, real, .. } = parts;
        let image = |path: &Path| {
            let path = real.join(path);
            Ok((text(&path)?, is_block_device(&path)))
        };
        Ok(Self {
            bundle: text(real)?,
            vars: text(&real.join(VARS))?,
            disks: vm.config().disks.iter().map(|disk| image(&disk.path)).collect::<Result<_>>()?,
            cdroms: vm.config().cdroms.iter().map(|cdrom| image(&cdrom.path)).collect::<Result<_>>()?,
            serial: text(&within(vm, real, run.serial_log()))?,
            tpm: text(&within(vm, real, run.tpm_socket()))?,
        })
    }
}

/// A path in the bundle, without links in what leads to the bundle.
pub(super) fn within(vm: &Bundle, real: &Path, path: PathBuf) -> PathBuf {
    match path.strip_prefix(vm.path()) {
        Ok(rest) => real.join(rest),
        Err(_) => path,
    }
}

fn text(path: &Path) -> Result<String> {
    match path.to_str() {
        Some(text) if !text.contains(char::is_control) => Ok(text.to_owned()),
        _ => Err(LibvirtError::Path { path: path.to_owned() }.into()),
    }
}

fn write(xml: &mut Xml, parts: &Parts<'_>, paths: &Paths, code: Option<&str>) -> io::Result<()> {
    let config = parts.vm.config();
    let yes = |yes| if yes { "yes" } else { "no" };
    let on = |on| if on { "on" } else { "off" };
    let (kind, cpu) = match parts.accel.accel {
        Accel::Kvm => ("kvm", "host-passthrough"),
        Accel::Tcg => ("qemu", "maximum"),
    };
    xml.open("domain", &[("type", kind)])?;
    xml.text("name", &[], &config.name)?;
    xml.text("uuid", &[], &config.uuid.to_string())?;
    xml.open("metadata", &[])?;
    xml.empty("sigillo:vm", &[("xmlns:sigillo", NAMESPACE), ("bundle", &paths.bundle)])?;
    xml.close("metadata")?;
    xml.text("memory", &[("unit", "MiB")], &config.memory_mib.to_string())?;
    xml.text("vcpu", &[], &config.cpus.to_string())?;
    xml.open("os", &[])?;
    xml.text("type", &[("arch", "x86_64"), ("machine", "q35")], "hvm")?;
    if let Some(code) = code {
        let secure = yes(config.secure_boot);
        xml.text("loader", &[("readonly", "yes"), ("secure", secure), ("type", "pflash")], code)?;
        xml.text("nvram", &[], &paths.vars)?;
    }
    xml.close("os")?;
    xml.open("features", &[])?;
    xml.empty("acpi", &[])?;
    xml.empty("apic", &[])?;
    // Only System Management Mode may write the variables, or the guest could enrol keys of its own.
    xml.empty("smm", &[("state", on(config.secure_boot))])?;
    xml.close("features")?;
    xml.empty("cpu", &[("mode", cpu)])?;
    // Windows takes the clock's time for local time.
    xml.empty("clock", &[("offset", if config.guest.is_windows() { "localtime" } else { "utc" })])?;
    xml.text("on_poweroff", &[], "destroy")?;
    xml.text("on_reboot", &[], "restart")?;
    xml.text("on_crash", &[], "destroy")?;
    xml.open("devices", &[])?;
    disks(xml, parts, paths)?;
    networks(xml, parts)?;
    display(xml, parts)?;
    xml.open("serial", &[("type", "pty")])?;
    xml.empty("log", &[("file", &paths.serial), ("append", "off")])?;
    xml.close("serial")?;
    if let Some(tpm) = &config.tpm {
        xml.open("tpm", &[("model", &format!("tpm-{}", tpm.interface))])?;
        xml.open("backend", &[("type", "external")])?;
        xml.empty("source", &[("type", "unix"), ("mode", "connect"), ("path", &paths.tpm)])?;
        xml.close("backend")?;
        xml.close("tpm")?;
    }
    xml.open("rng", &[("model", "virtio")])?;
    xml.text("backend", &[("model", "random")], "/dev/urandom")?;
    xml.close("rng")?;
    xml.empty("memballoon", &[("model", "none")])?;
    xml.close("devices")?;
    xml.close("domain")
}

fn disks(xml: &mut Xml, parts: &Parts<'_>, paths: &Paths) -> io::Result<()> {
    let config = parts.vm.config();
    let order = BootOrder::of(config);
    let (mut virtio, mut sata) = (Letters::new("vd"), Letters::new("sd"));
    let both = config.disks.iter().zip(&paths.disks).enumerate();
    for (index, (disk, (path, device))) in both {
        let Disk { format, .. } = disk;
        let (bus, target) = match config.bus_of(disk) {
            // What NVMe is to libvirt was refused before.
            Bus::Virtio | Bus::Nvme => ("virtio", virtio.next()),
            Bus::Sata => ("sata", sata.next()),
        };
        open_disk(xml, "disk", format.as_str(), path, *device)?;
        xml.empty("target", &[("dev", &target), ("bus", bus)])?;
        xml.empty("boot", &[("order", &order.disk(index).to_string())])?;
        xml.close("disk")?;
    }
    for (index, (Cdrom { .. }, (path, device))) in config.cdroms.iter().zip(&paths.cdroms).enumerate() {
        open_disk(xml, "cdrom", "raw", path, *device)?;
        xml.empty("target", &[("dev", &sata.next()), ("bus", "sata")])?;
        xml.empty("readonly", &[])?;
        xml.empty("boot", &[("order", &order.cdrom(index).to_string())])?;
        xml.close("disk")?;
    }
    Ok(())
}

fn open_disk(xml: &mut Xml, kind: &str, format: &str, path: &str, device: bool) -> io::Result<()> {
    let (source, attribute) = if device { ("block", "dev") } else { ("file", "file") };
    xml.open("disk", &[("type", source), ("device", kind)])?;
    xml.empty("driver", &[("name", "qemu"), ("type", format)])?;
    xml.empty("source", &[(attribute, path)])
}

/// Names of disks: `vda`, `vdb`; there are at most 20 of them.
struct Letters(&'static str, char);

impl Letters {
    fn new(prefix: &'static str) -> Self {
        Self(prefix, 'a')
    }

    fn next(&mut self) -> String {
        let name = format!("{}{}", self.0, self.1);
        self.1 = char::from_u32(u32::from(self.1).saturating_add(1)).unwrap_or('z');
        name
    }
}

fn networks(xml: &mut Xml, parts: &Parts<'_>) -> io::Result<()> {
    let config = parts.vm.config();
    for (index, network) in config.networks.iter().enumerate() {
        xml.open("interface", &[("type", "user")])?;
        xml.empty("mac", &[("address", &config.mac_of(index, network))])?;
        let model = match config.model_of(network) {
            NetworkModel::VirtioNet => "virtio",
            NetworkModel::E1000e => "e1000e",
        };
        xml.empty("model", &[("type", model)])?;
        // Without the card's boot ROM: it would be one more program that the guest's TPM measures.
        xml.empty("rom", &[("enabled", "no")])?;
        xml.close("interface")?;
    }
    Ok(())
}

fn display(xml: &mut Xml, parts: &Parts<'_>) -> io::Result<()> {
    let display = parts.vm.config().display.filter(|display| display.kind != DisplayKind::None);
    let Some(display) = display else {
        xml.empty("controller", &[("type", "usb"), ("model", "none")])?;
        xml.open("video", &[])?;
        xml.empty("model", &[("type", "none")])?;
        return xml.close("video");
    };
    // Q35's PS/2 pointer knows no place on the screen, so it would not follow the viewer's.
    xml.empty("controller", &[("type", "usb"), ("model", "qemu-xhci")])?;
    xml.empty("input", &[("type", "keyboard"), ("bus", "usb")])?;
    xml.empty("input", &[("type", "tablet"), ("bus", "usb")])?;
    let kind = display.kind.as_str();
    match display.port {
        Some(port) => {
            let port = port.to_string();
            let mut all = vec![("type", kind), ("autoport", "no"), ("port", &port), ("listen", "127.0.0.1")];
            all.extend(parts.password.map(|password| ("passwd", password)));
            xml.empty("graphics", &all)?;
        }
        None => {
            xml.open("graphics", &[("type", kind)])?;
            xml.empty("listen", &[("type", "socket")])?;
            xml.close("graphics")?;
        }
    }
    xml.open("video", &[])?;
    xml.empty("model", &[("type", "vga")])?;
    xml.close("video")
}

struct Xml(Writer<Vec<u8>>);

impl Xml {
    fn start<'a>(name: &'a str, attributes: &[(&str, &str)]) -> BytesStart<'a> {
        let mut start = BytesStart::new(name);
        for attribute in attributes {
            start.push_attribute(*attribute);
        }
        start
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        self.0.write_event(Event::Start(Self::start(name, attributes)))
    }

    fn close(&mut self, name: &str) -> io::Result<()> {
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        self.0.write_event(Event::Empty(Self::start(name, attributes)))
    }

    fn text(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) -> io::Result<()> {
        self.open(name, attributes)?;
        self.0.write_event(Event::Text(BytesText::new(text)))?;
        self.close(name)
    }
}

/// An element that was found.
struct Found {
    /// Its name and those of the elements around it, from outside in, without prefixes.
    path: Vec<String>,
    namespace: Option<String>,
    attributes: Vec<(String, String)>,
    text: String,
}

impl Found {
    fn is(&self, path: &[&str]) -> bool {
        self.namespace.is_none() && self.path.iter().map(String::as_str).eq(path.iter().copied())
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// More is in none of libvirt's answers that are looked at.
const MAX_DEPTH: usize = 32;
const MAX_ELEMENTS: usize = 50_000;

/// All elements of an XML text; each ends before the next of its parent. The error is a sentence.
fn elements(text: &str) -> std::result::Result<Vec<Found>, String> {
    let mut reader = NsReader::from_str(text);
    let mut all: Vec<Found> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    loop {
        let (resolved, event) = reader.read_resolved_event().map_err(|e| e.to_string())?;
        let namespace = match resolved {
            ResolveResult::Bound(namespace) => Some(namespace.as_ref().to_owned()),
            _ => None,
        };
        match event {
            Event::Start(ref start) | Event::Empty(ref start) => {
                if open.len() >= MAX_DEPTH || all.len() >= MAX_ELEMENTS {
                    return Err(text!("libvirt-too-deep"));
                }
                let mut path: Vec<String> = open
                    .last()
                    .and_then(|at| all.get(*at))
                    .map(|found| found.path.clone())
                    .unwrap_or_default();
                path.push(start.local_name().as_ref().to_owned());
                let mut attributes = Vec::new();
                for attribute in start.attributes() {
                    let attribute = attribute.map_err(|e| e.to_string())?;
                    let value =
                        attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|e| e.to_string())?;
                    let key = attribute.key.as_ref().to_owned();
                    attributes.push((key, value.into_owned()));
                }
                all.push(Found { path, namespace, attributes, text: String::new() });
                if matches!(event, Event::Start(_)) {
                    open.push(all.len().saturating_sub(1));
                }
            }
            Event::End(_) => {
                open.pop();
            }
            Event::Text(part) => {
                if let Some(found) = open.last().and_then(|at| all.get_mut(*at)) {
                    found.text.push_str(part.as_ref());
                }
            }
            Event::Eof => return Ok(all),
            _ => {}
        }
    }
}

/// Whose a domain is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The bundle that it was made of.
    Bundle(PathBuf),
    /// Somebody else made it.
    Other,
}

/// Reads from a domain's XML which bundle it was made of.
pub(super) fn owner(text: &str) -> std::result::Result<Owner, String> {
    let all = elements(text)?;
    let mark = all.iter().find(|found| {
        found.namespace.as_deref() == Some(NAMESPACE)
            && found.path.iter().map(String::as_str).eq(["domain", "metadata", "vm"])
    });
    Ok(match mark.and_then(|mark| mark.attribute("bundle")) {
        Some(bundle) => Owner::Bundle(PathBuf::from(bundle)),
        None => Owner::Other,
    })
}

/// The machine type with its version, as it runs.
pub(super) fn machine(text: &str) -> std::result::Result<String, String> {
    let all = elements(text)?;
    let found = all.iter().find(|found| found.is(&["domain", "os", "type"]));
    Ok(found.and_then(|found| found.attribute("machine")).unwrap_or_default().to_owned())
}

/// The TPM backends that libvirt offers.
pub(super) fn tpm_backends(text: &str) -> std::result::Result<Vec<String>, String> {
    let mut inside = false;
    let mut backends = Vec::new();
    for found in elements(text)? {
        if found.is(&["domainCapabilities", "devices", "tpm", "enum"]) {
            inside = found.attribute("name") == Some("backendModel");
        } else if found.is(&["domainCapabilities", "devices", "tpm", "enum", "value"]) && inside {
            backends.push(found.text.trim().to_owned());
        }
    }
    Ok(backends)
}

/// What confines QEMU on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Confinement {
    /// The user and the group that QEMU runs as; absent: this process's own.
    pub(super) ids: Option<(u32, u32)>,
    /// `apparmor`, `selinux`.
    pub(super) models: Vec<String>,
}

/// Reads it from the host's capabilities.
pub(super) fn confinement(text: &str) -> std::result::Result<Confinement, String> {
    let mut confinement = Confinement::default();
    let mut model = String::new();
    for found in elements(text)? {
        if found.is(&["capabilities", "host", "secmodel", "model"]) {
            found.text.trim().clone_into(&mut model);
            if model != "dac" && model != "none" {
                confinement.models.push(model.clone());
            }
        } else if found.is(&["capabilities", "host", "secmodel", "baselabel"]) && model == "dac" {
            let ids = found.text.trim().trim_start_matches('+').split_once(":+");
            let ids = ids.and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
            confinement.ids = Some(ids.ok_or("it names no user for QEMU")?);
        }
    }
    Ok(confinement)
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
