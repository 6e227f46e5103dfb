//! `sigillo vm create`.
use super::{
    Done, Failure, edit,
    hardware::{BusArg, display},
    host::Kept,
    output, progress, tpm,
    usage::{DISK_GIB, whole},
};
use clap::ValueEnum;
use serde_json::{Value, json};
use sigillo_messages::{text, words};
use sigillo_vm::{
    Accelerator, Bundle, CPUS, Cdrom, Create, Display, DisplayKind, Firmware, Guest, Home, Hypervisor,
    Interface, Keys, MEMORY_MIB, Plan, Tpm, check_uri, delete_vm,
};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How the VM is called
    name: String,
    /// What will run in it: decides memory, processors, disk, devices where nothing else is said; windows-11 gets its TPM at
    /// once
    #[arg(long, value_enum, default_value_t = GuestArg::Linux)]
    guest: GuestArg,
    /// What starts it; legacy BIOS excludes the TPM for good
    #[arg(long, value_enum, default_value_t = FirmwareArg::Uefi)]
    firmware: FirmwareArg,
    /// A disk image to copy in (raw, or qcow2 by its name), or a host disk to use where it is; may be repeated
    #[arg(long, value_name = "FILE")]
    disk: Vec<PathBuf>,
    /// A disk or partition of this host to copy into an image of the VM's own; it is only read
    #[arg(long, value_name = "DEVICE")]
    import_disk: Vec<PathBuf>,
    /// A new, empty disk of so many GiB [default: 64 for Windows without another disk, else none]
    #[arg(long, value_name = "GIB", value_parser = whole(DISK_GIB))]
    disk_size: Option<u32>,
    /// What disks are attached to [default: virtio for Linux, sata for others]
    #[arg(long, value_enum)]
    disk_bus: Option<BusArg>,
    /// An ISO image to install from; may be repeated
    #[arg(long, value_name = "FILE")]
    cdrom: Vec<PathBuf>,
    /// The screen: none, vnc, spice; vnc:5901 is a port of 127.0.0.1 [default: none for Linux, vnc for others]
    #[arg(long, value_name = "KIND", value_parser = display)]
    display: Option<Display>,
    /// Whether it has a network card
    #[arg(long, value_enum, default_value_t = NetworkArg::User)]
    network: NetworkArg,
    /// Memory in MiB [default: 4096 for Windows, 2048 for others]
    #[arg(long, value_parser = whole(MEMORY_MIB))]
    memory: Option<u32>,
    /// Virtual processors [default: 2]
    #[arg(long, value_parser = whole(CPUS))]
    cpus: Option<u32>,
    /// Customise before installing: open $VISUAL or $EDITOR on the VM's vm.toml before anything is made
    #[arg(long)]
    edit: bool,
    /// Make it of this vm.toml, as a draft that --edit kept; options with images for its disks are given as before
    #[arg(long, value_name = "FILE")]
    draft: Option<PathBuf>,
    /// What kind of TPM a windows-11 guest gets [default: as the host says, else pc-client]
    #[arg(long, value_name = "NAME", value_parser = tpm::profile)]
    tpm_profile: Option<String>,
    /// How a windows-11 guest reaches its TPM [default: crb]
    #[arg(long, value_enum)]
    tpm_interface: Option<tpm::InterfaceArg>,
    /// Whose keys a windows-11 guest's Secure Boot trusts: microsoft, snakeoil (for tests: everybody has its private half), or a
    /// variable store with keys enrolled [default: microsoft]
    #[arg(long)]
    secure_boot_keys: Option<Keys>,
    #[command(flatten)]
    tpm_store: tpm::StoreArgs,
    /// What runs the processors
    #[arg(long, value_enum, default_value_t = AccelArg::Auto)]
    accel: AccelArg,
    /// Who runs it: sigillo starts QEMU itself, or has libvirt do it
    #[arg(long, value_enum, default_value_t = HypervisorArg::Qemu)]
    hypervisor: HypervisorArg,
    /// With --hypervisor libvirt: which of this host's libvirts, qemu:///system or qemu:///session [default: qemu:///system]
    #[arg(long, value_name = "URI", value_parser = libvirt_uri)]
    libvirt_uri: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum HypervisorArg {
    Qemu,
    Libvirt,
}

#[derive(Clone, Copy, ValueEnum)]
enum GuestArg {
    #[value(name = "windows-11")]
    Windows11,
    #[value(name = "windows-10")]
    Windows10,
    #[value(name = "windows-server-2025")]
    WindowsServer2025,
    Linux,
    Other,
}

#[derive(Clone, Copy, ValueEnum)]
enum FirmwareArg {
    Uefi,
    Bios,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NetworkArg {
    /// The guest reaches what this host reaches, and nobody reaches the guest
    User,
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum AccelArg {
    Auto,
    Kvm,
    Tcg,
}

impl From<GuestArg> for Guest {
    fn from(guest: GuestArg) -> Self {
        match guest {
            GuestArg::Windows11 => Self::Windows11,
            GuestArg::Windows10 => Self::Windows10,
            GuestArg::WindowsServer2025 => Self::WindowsServer2025,
            GuestArg::Linux => Self::Linux,
            GuestArg::Other => Self::Other,
        }
    }
}

fn libvirt_uri(text: &str) -> Result<String, String> {
    check_uri(text).map(|()| text.to_owned())
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let guest = Guest::from(args.guest);
    if let Some((code, option)) = needless(guest, args) {
        return Err(Failure::new(code, text!("create-no-tpm-yet", option)));
    }
    if args.libvirt_uri.is_some() && !matches!(args.hypervisor, HypervisorArg::Libvirt) {
        return Err(Failure::new("SIG_ERR_USAGE", text!("usage-libvirt-uri")));
    }
    let mut plan = plan(guest, args)?;
    // Before a person's work on a draft, and before disks are copied.
    home.require_free(&plan.config().name)?;
    let draft = match &args.draft {
        Some(file) => Some(edit::take_up(home, &mut plan, file, args.edit)?),
        None if args.edit => Some(edit::draft(home, &mut plan)?),
        None => None,
    };
    let (mut vm, added) = match make(home, &plan, args) {
        Ok(made) => made,
        Err(failure) => {
            return Err(match draft {
                Some(draft) => draft.kept(failure),
                None => failure,
            });
        }
    };
    if let Some(draft) = draft {
        draft.used();
    }
    let Some(added) = added else {
        return output::report(|| facts(&vm, None), || say_made(&vm, None));
    };
    let finished = plan.finish(&mut vm);
    // The recovery code in it is shown this once, whatever becomes of the rest.
    output::report(|| facts(&vm, Some(&added)), || say_made(&vm, Some(&added)))?;
    finished?;
    added.outcome(vm.name())
}

/// An option for a TPM that the VM does not get, and the code under which it is refused.
fn needless(guest: Guest, args: &Args) -> Option<(&'static str, &'static str)> {
    if guest.defaults().tpm || args.edit || args.draft.is_some() {
        return None;
    }
    let given = [
        (args.tpm_profile.is_some(), "SIG_ERR_TPM_PROFILE", "--tpm-profile"),
        (args.tpm_interface.is_some(), "SIG_ERR_USAGE", "--tpm-interface"),
        (args.secure_boot_keys.is_some(), "SIG_ERR_USAGE", "--secure-boot-keys"),
        (args.tpm_store.names_cipher(), "SIG_ERR_USAGE", "--cipher"),
    ];
    given.into_iter().find_map(|(given, code, option)| given.then_some((code, option)))
}

/// Makes the VM with the TPM it is to have, or nothing. What can be known before is asked before: disks are copied for long.
fn make(home: &Home, plan: &Plan, args: &Args) -> Result<(Bundle, Option<tpm::Added>), Failure> {
    let make = || {
        let mut bar = progress::Bar::new();
        home.make(plan, &mut |done, total| bar.at(words!("step-copying-disks"), done, total))
    };
    let Some(wanted) = &plan.config().tpm else { return Ok((make()?, None)) };
    // A VM without the TPM that was wanted is not what was asked for.
    let not_made = |failure: Failure| Failure { text: text!("vm-draft", why = failure.text), ..failure };
    let kept = Kept::find().map_err(not_made)?;
    let profile = wanted.profile.as_deref().or(args.tpm_profile.as_deref());
    tpm::require_addable(plan, &kept.host(), profile, &args.tpm_store).map_err(not_made)?;
    let mut vm = make()?;
    let keys = plan.keys().clone();
    match tpm::add(&mut vm, &kept.host(), wanted.interface, keys, profile, &args.tpm_store) {
        Ok(added) => Ok((vm, Some(added))),
        Err(error) => match delete_vm(home, &mut vm, &kept.host(), true) {
            Ok(_) => Err(not_made(error)),
            Err(left) => Err(Failure { text: format!("{}\n{left}", error.text), ..error }),
        },
    }
}

fn facts(vm: &Bundle, added: Option<&tpm::Added>) -> Value {
    json!({
        "name": vm.name(),
        "uuid": vm.config().uuid.to_string(),
        "bundle": vm.path().display().to_string(),
        "tpm": added.map(|added| added.json(vm.name())),
        "lacks_for_windows_11": lacks_something(vm),
    })
}

/// What the options and the guest's defaults make of the VM.
fn plan(guest: Guest, args: &Args) -> Result<Plan, Failure> {
    let defaults = guest.defaults();
    let has_disk = !args.disk.is_empty() || !args.import_disk.is_empty();
    let create = Create {
        name: args.name.clone(),
        guest,
        firmware: match args.firmware {
            FirmwareArg::Uefi => Firmware::Uefi,
            FirmwareArg::Bios => Firmware::Bios,
        },
        memory_mib: args.memory.unwrap_or(defaults.memory_mib),
        cpus: args.cpus.unwrap_or(defaults.cpus),
        accel: match args.accel {
            AccelArg::Auto => Accelerator::Auto,
            AccelArg::Kvm => Accelerator::Kvm,
            AccelArg::Tcg => Accelerator::Tcg,
        },
        disks: args.disk.clone(),
        new_disk_gib: args.disk_size.or_else(|| defaults.disk_gib.filter(|_| !has_disk)),
    };
    let mut plan = Plan::new(&create)?;
    for device in &args.import_disk {
        if !plan.import(device)? && create.firmware == Firmware::Uefi {
            note!("{}", text!("import-no-esp", device = device.display()));
        }
    }
    let config = plan.config_mut();
    for disk in &mut config.disks {
        disk.bus = args.disk_bus.map(Into::into).or(disk.bus);
    }
    for path in &args.cdrom {
        let path = std::fs::canonicalize(path).map_err(|e| {
            Failure::new("SIG_ERR_IO", text!("cannot-find", path = path.display(), error = e))
        })?;
        config.cdroms.push(Cdrom { path, boot_first: false });
    }
    if let Some(display) = args.display {
        config.display = Some(display).filter(|display| display.kind != DisplayKind::None);
    }
    config.hypervisor = match args.hypervisor {
        HypervisorArg::Qemu => Hypervisor::Qemu,
        HypervisorArg::Libvirt => Hypervisor::Libvirt,
    };
    config.libvirt_uri.clone_from(&args.libvirt_uri);
    if args.network == NetworkArg::None {
        config.networks.clear();
    }
    if defaults.tpm {
        config.secure_boot = config.firmware == Firmware::Uefi;
        config.tpm = Some(Tpm {
            interface: args.tpm_interface.map_or(Interface::Crb, Into::into),
            store: "tpm.store".to_owned(),
            encrypted: true,
            profile: args.tpm_profile.clone(),
            when_record_missing: None,
            when_rolled_back: None,
        });
    }
    if let Some(keys) = &args.secure_boot_keys {
        plan.set_keys(keys.clone());
    }
    Ok(plan)
}

fn say_made(vm: &Bundle, added: Option<&tpm::Added>) {
    say!("{}", text!("created", name = vm.name(), uuid = vm.config().uuid, bundle = vm.path().display()));
    if let Some(added) = added {
        added.say(vm.name());
    }
    say_next(vm);
}

/// What the person will want to know or do next.
fn say_next(vm: &Bundle) {
    let config = vm.config();
    if lacks_something(vm) {
        say!("{}", text!("create-lacks", vm = ?vm.name()));
    }
    if let Some(display) = config.display.filter(|display| display.kind != DisplayKind::None) {
        say!("{}", text!("create-screen", kind = display.kind.as_str()));
    }
}

/// Whether a Windows 11 VM lacks what Windows 11 needs.
fn lacks_something(vm: &Bundle) -> bool {
    vm.config().guest == Guest::Windows11
        && sigillo_vm::windows_11(vm).is_ok_and(|all| all.iter().any(|one| !one.met))
}
