//! A VM before it is made: what its `vm.toml` will say, and where its disks come from. It can be looked at and changed until
//! then, and making it is all or nothing.
use crate::{
    bundle::{Bundle, CONFIG, Create, Home, STORE, VARS},
    config::{self, Config, Disk, DiskFormat, Display, DisplayKind, Firmware, Network},
    copy::Progress,
    error::{Error, Result},
    files::replace_file,
    firmware::{self, Keys},
    identity::hidden::{Building, Kind},
    image::{self, Device},
};
use sigillo_messages::{text, words};
use std::{
    fs,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// A VM that is not made yet.
#[derive(Clone, Debug)]
pub struct Plan {
    config: Config,
    /// What lies in the bundle, by its name there.
    disks: Vec<(PathBuf, Source)>,
    /// Whose keys its Secure Boot trusts.
    keys: Keys,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A copy of this image.
    Image(PathBuf),
    /// So many zeros.
    Empty(u64),
    /// A copy of this disk of the host.
    Device(PathBuf),
}

impl Plan {
    /// What is wished for, and the guest's defaults for the rest.
    ///
    /// # Errors
    /// [`Error::Name`], or a disk that is not there.
    pub fn new(create: &Create) -> Result<Self> {
        config::check_name(&create.name).map_err(Error::Name)?;
        let defaults = create.guest.defaults();
        let mut plan = Self {
            config: Config {
                version: config::VERSION,
                uuid: Uuid::new_v4(),
                name: create.name.clone(),
                guest: create.guest,
                firmware: create.firmware,
                secure_boot: false,
                memory_mib: create.memory_mib,
                cpus: create.cpus,
                accel: create.accel,
                hypervisor: config::Hypervisor::Qemu,
                libvirt_uri: None,
                disks: Vec::new(),
                cdroms: Vec::new(),
                networks: vec![Network { model: Some(defaults.network), ..Network::default() }],
                display: Some(Display { kind: defaults.display, port: None })
                    .filter(|display| display.kind != DisplayKind::None),
                tpm: None,
                removed_tpm: None,
            },
            disks: Vec::new(),
            keys: Keys::Microsoft,
        };
        for source in &create.disks {
            let source = fs::canonicalize(source).map_err(|e| Error::io(words!("do-find"), source, e))?;
            if image::is_block_device(&source) {
                let bus = Some(defaults.bus);
                plan.config.disks.push(Disk { path: source, format: DiskFormat::Raw, bus });
            } else {
                plan.add_disk(image::format_of(&source), Source::Image(source));
            }
        }
        if let Some(gib) = create.new_disk_gib {
            plan.add_disk(DiskFormat::Raw, Source::Empty(u64::from(gib) << 30));
        }
        Ok(plan)
    }

    /// Adds a copy of a host's disk or partition. Answers whether UEFI firmware finds a system to start on it.
    ///
    /// # Errors
    /// [`Error::ImportDisk`] if it is none, or in use.
    pub fn import(&mut self, device: &Path) -> Result<bool> {
        let startable = Device::open(device)?.has_efi_system_partition();
        self.add_disk(DiskFormat::Raw, Source::Device(device.to_owned()));
        Ok(startable)
    }

    fn add_disk(&mut self, format: DiskFormat, source: Source) {
        let path = image::name_of(self.config.disks.len(), format);
        let bus = Some(self.config.guest.defaults().bus);
        self.config.disks.push(Disk { path: path.clone(), format, bus });
        self.disks.push((path, source));
    }

    /// What the plan says of a TPM that was added since, besides what it is.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn finish(&self, vm: &mut Bundle) -> Result<()> {
        let _lock = vm.lock()?;
        *vm = Bundle::load(vm.path())?;
        let mut config = vm.config().clone();
        if let (Some(tpm), Some(wanted)) = (&mut config.tpm, &self.config.tpm) {
            tpm.when_record_missing = wanted.when_record_missing;
            tpm.when_rolled_back = wanted.when_rolled_back;
        }
        if config == *vm.config() { Ok(()) } else { vm.set_config(config) }
    }

    /// What the VM's `vm.toml` will say.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The same, to change it. What cannot be is refused when the VM is made.
    pub fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// Whose keys Secure Boot trusts, where the VM has it on.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Says whose keys Secure Boot trusts, in place of Microsoft's.
    pub fn set_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// A disk of the host that the VM is to use where it is.
    pub(crate) fn physical_disk(&self) -> Option<PathBuf> {
        let paths = self.config.disks.iter().map(|disk| &disk.path);
        paths.filter(|path| path.is_absolute()).find(|path| image::is_block_device(path)).cloned()
    }

    /// The text of the `vm.toml`, for a person to change.
    ///
    /// # Errors
    /// [`Error::Draft`] if the plan cannot be.
    pub fn draft(&self) -> Result<String> {
        self.config.text().map_err(Error::Draft)
    }

    /// The text of a draft of another VM as one of this: its name and UUID stand where those of the other did. It need not be
    /// one that can be read as a `vm.toml`.
    #[must_use]
    pub fn renewed(&self, text: &str) -> String {
        let mut inside = false;
        let mut renewed = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            inside |= line.trim_start().starts_with('[');
            let key = line.split_once('=').map(|(key, _)| key.trim()).filter(|_| !inside);
            match key {
                Some("uuid") => renewed.push_str(&format!("uuid = \"{}\"\n", self.config.uuid)),
                Some("name") => renewed.push_str(&format!("name = \"{}\"\n", self.config.name)),
                _ => renewed.push_str(line),
            }
        }
        renewed
    }

    /// Takes over what a person made of [`Plan::draft`].
    ///
    /// # Errors
    /// A sentence that begins with the line where there is one; the plan is as it was.
    pub fn take_draft(&mut self, text: &str) -> std::result::Result<(), String> {
        let config = Config::parse(text)?;
        if config.uuid != self.config.uuid || config.name != self.config.name {
            return Err(text!("draft-identity", name = ?self.config.name, uuid = self.config.uuid));
        }
        if config.removed_tpm.is_some() {
            return Err(text!("draft-removed-tpm"));
        }
        if let Some(tpm) = &config.tpm
            && (tpm.store != STORE || !tpm.encrypted)
        {
            return Err(text!("draft-tpm", store = ?STORE));
        }
        for disk in config.disks.iter().filter(|disk| disk.path.is_relative()) {
            let planned = self.config.disks.iter().find(|planned| planned.path == disk.path);
            match planned {
                Some(planned) if planned.format == disk.format => {}
                Some(planned) => {
                    return Err(text!(
                        "draft-format", disk = disk.path.display(), format = ?planned.format.as_str()
                    ));
                }
                None => {
                    return Err(text!("draft-no-disk", disk = disk.path.display()));
                }
            }
        }
        if let Some(cdrom) = config.cdroms.iter().find(|cdrom| !cdrom.path.exists()) {
            return Err(text!("draft-no-cdrom", path = cdrom.path.display()));
        }
        self.disks.retain(|(path, _)| config.disks.iter().any(|disk| disk.path == *path));
        self.config = config;
        Ok(())
    }
}

impl Home {
    /// Requires that no VM of this home has the name; where its bundle would be.
    ///
    /// # Errors
    /// [`Error::Exists`].
    pub fn require_free(&self, name: &str) -> Result<PathBuf> {
        let path = self.bundle_path(name);
        if path.symlink_metadata().is_ok() { Err(Error::Exists { path }) } else { Ok(path) }
    }

    /// Makes the VM of a plan, whole or not at all. Its `[tpm]` is not made here: [`crate::add_tpm`] does that.
    ///
    /// # Errors
    /// A name that is taken, what no VM can be, a disk that cannot be read, firmware that is not installed;
    /// [`Error::LegacyBios`] and [`Error::PhysicalDisk`] for a VM that is to get a TPM and cannot.
    pub fn make(&self, plan: &Plan, progress: &mut Progress<'_>) -> Result<Bundle> {
        let config = &plan.config;
        let path = self.require_free(&config.name)?;
        if config.tpm.is_some() && config.firmware == Firmware::Bios {
            return Err(Error::LegacyBios { name: config.name.clone() });
        }
        if let Some(disk) = plan.physical_disk().filter(|_| config.tpm.is_some()) {
            return Err(Error::PhysicalDisk { name: config.name.clone(), disk });
        }
        if let Some(what) = config.impossible() {
            return Err(Error::Impossible(what));
        }
        let building = Building::new(self.path(), &config.uuid, Kind::New)?;
        fill(plan, building.path(), progress)?;
        // The rename decides between two creations of one name.
        building.publish(&path)?;
        Bundle::load(&path)
    }
}

fn fill(plan: &Plan, building: &Path, progress: &mut Progress<'_>) -> Result<()> {
    for (name, source) in &plan.disks {
        let to = building.join(name);
        match source {
            Source::Image(from) => image::copy_image(from, &to, progress)?,
            Source::Device(from) => Device::open(from)?.copy(from, &to, progress)?,
            Source::Empty(bytes) => image::make_empty(&to, *bytes)?,
        }
    }
    let mut config = plan.config.clone();
    let secure_boot = config.secure_boot && config.tpm.is_none();
    if config.firmware == Firmware::Uefi {
        let vars = building.join(VARS);
        if secure_boot {
            replace_file(&vars, &plan.keys.variables()?, 0o600)?;
        } else {
            firmware::plain_vars(&vars)?;
        }
    }
    config.secure_boot = secure_boot;
    config.tpm = None;
    config.write(&building.join(CONFIG))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Accelerator, Guest};

    fn plan(guest: Guest) -> Plan {
        let create = Create {
            name: "vm".to_owned(),
            guest,
            firmware: Firmware::Uefi,
            memory_mib: 4096,
            cpus: 2,
            accel: Accelerator::Auto,
            disks: Vec::new(),
            new_disk_gib: Some(1),
        };
        Plan::new(&create).unwrap()
    }

    #[test]
    fn a_draft_of_another_vm_becomes_one_of_this_whatever_else_is_in_it() {
        let (old, mut new) = (plan(Guest::Linux), plan(Guest::Linux));
        let text = new.renewed(&old.draft().unwrap().replace("name = \"vm\"", "name=\"older\""));
        assert_eq!(text, new.draft().unwrap());
        new.take_draft(&text).unwrap();
        assert_eq!(
            new.renewed("uuid = 7\n[disk\nname = x"),
            format!("uuid = \"{}\"\n[disk\nname = x", new.config.uuid)
        );
    }

    #[test]
    fn a_draft_can_be_changed_in_all_but_the_vms_identity() {
        let mut changed = plan(Guest::Windows11);
        let text = changed.draft().unwrap();
        changed.take_draft(&text.replace("cpus = 2", "cpus = 4").replace("\"sata\"", "\"nvme\"")).unwrap();
        assert_eq!(changed.config().cpus, 4);
        assert_eq!(changed.config().bus_of(&changed.config().disks[0]), crate::config::Bus::Nvme);
        for (from, to, says) in [
            ("name = \"vm\"", "name = \"other\"", "name and uuid"),
            ("\"disk0.img\"", "\"disk9.img\"", "no disk9.img"),
            ("\"raw\"", "\"qcow2\"", "format = \"raw\""),
            ("cpus = 2", "cpus = 0", "line "),
            ("[display]", "[[cdroms]]\npath = \"/none.iso\"\n[display]", "no /none.iso"),
            (
                "[display]",
                "[tpm]\ninterface = \"crb\"\nstore = \"x\"\nencrypted = true\n[display]",
                "tpm.store",
            ),
        ] {
            let mut refused = plan(Guest::Windows11);
            let text = refused.draft().unwrap();
            assert!(text.contains(from), "{text}");
            let why = refused.take_draft(&text.replacen(from, to, 1)).unwrap_err();
            assert!(why.contains(says), "{to}: {why}");
        }
    }
}
