//! `sigillo vm create`.
use super::{Done, Failure, host::Kept, tpm};
use clap::ValueEnum;
use sigillo_vm::{Accelerator, Create, Firmware, Guest, Home, Interface, Keys};
use std::{path::PathBuf, process::ExitCode};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How the VM is called
    name: String,
    /// What will run in it; windows-11 gets its TPM at once
    #[arg(long, value_enum, default_value_t = GuestArg::Linux)]
    guest: GuestArg,
    /// What starts it; legacy BIOS excludes the TPM for good
    #[arg(long, value_enum, default_value_t = FirmwareArg::Uefi)]
    firmware: FirmwareArg,
    /// A disk image to copy in (raw, or qcow2 by its name), or a host disk to use where it is; may be repeated
    #[arg(long, value_name = "FILE")]
    disk: Vec<PathBuf>,
    /// A new, empty disk of so many GiB
    #[arg(long, value_name = "GIB", value_parser = clap::value_parser!(u32).range(1..=65536))]
    disk_size: Option<u32>,
    /// Memory in MiB
    #[arg(long, default_value_t = 2048)]
    memory: u32,
    /// Virtual processors
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// What kind of TPM a windows-11 guest gets [default: pc-client]
    #[arg(long, value_name = "NAME", value_parser = tpm::profile)]
    tpm_profile: Option<String>,
    #[command(flatten)]
    tpm_store: tpm::StoreArgs,
    /// What runs the processors
    #[arg(long, value_enum, default_value_t = AccelArg::Auto)]
    accel: AccelArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum GuestArg {
    Linux,
    #[value(name = "windows-11")]
    Windows11,
    Other,
}

#[derive(Clone, Copy, ValueEnum)]
enum FirmwareArg {
    Uefi,
    Bios,
}

#[derive(Clone, Copy, ValueEnum)]
enum AccelArg {
    Auto,
    Kvm,
    Tcg,
}

pub(crate) fn run(home: &Home, args: Args) -> Done {
    let guest = match args.guest {
        GuestArg::Linux => Guest::Linux,
        GuestArg::Windows11 => Guest::Windows11,
        GuestArg::Other => Guest::Other,
    };
    if args.tpm_profile.is_some() && guest != Guest::Windows11 {
        return Err(Failure::new(
            "SIG_ERR_TPM_PROFILE",
            "this VM gets no TPM yet; give --tpm-profile to `sigillo vm tpm add`; nothing was made",
        ));
    }
    let create = Create {
        name: args.name,
        guest,
        firmware: match args.firmware {
            FirmwareArg::Uefi => Firmware::Uefi,
            FirmwareArg::Bios => Firmware::Bios,
        },
        memory_mib: args.memory,
        cpus: args.cpus,
        accel: match args.accel {
            AccelArg::Auto => Accelerator::Auto,
            AccelArg::Kvm => Accelerator::Kvm,
            AccelArg::Tcg => Accelerator::Tcg,
        },
        disks: args.disk,
        new_disk_gib: args.disk_size,
    };
    // Found before anything is made: where there is no keychain there is no Windows 11 VM.
    let kept = if guest == Guest::Windows11 { Some(Kept::find()?) } else { None };
    let mut vm = home.create(&create)?;
    println!("created {} {{{}}} in {}", vm.name(), vm.config().uuid, vm.path().display());
    if let Some(kept) = kept {
        println!("Windows 11 needs a TPM: adding it");
        let profile = args.tpm_profile.as_deref();
        match tpm::add(&mut vm, &kept.host(), Interface::Crb, Keys::Microsoft, profile, &args.tpm_store) {
            Ok(added) => {
                added.say(vm.name());
                return added.outcome(vm.name());
            }
            Err(error) => {
                // A Windows 11 VM without its TPM is not what was asked for.
                vm.delete()?;
                return Err(error);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
