//! `sigillo vm tpm add`, also as `sigillo tpm add`.
use super::{Done, Failure, keychain};
use clap::{Subcommand, ValueEnum};
use sigillo_keychain::SystemKeychain;
use sigillo_server::machine;
use sigillo_store::Secret;
use sigillo_vm::{AddTpm, Bundle, Home, Interface, Keys, TpmAdded, add_tpm};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Give a VM that is off its TPM; turns Secure Boot on
    Add(Add),
}

#[derive(clap::Args)]
pub(crate) struct Add {
    /// The VM's name or UUID
    name: String,
    /// How the guest reaches the TPM
    #[arg(long, value_enum, default_value_t = InterfaceArg::Crb)]
    tpm_interface: InterfaceArg,
    /// What kind of TPM it is: pc-client, ptp-1.07, libtpms or everything [default: pc-client]
    #[arg(long, value_name = "NAME", value_parser = profile)]
    tpm_profile: Option<String>,
    /// Whose keys Secure Boot trusts: microsoft, snakeoil (for tests: everybody has its private half), or a variable
    /// store with keys enrolled
    #[arg(long, default_value = "microsoft")]
    secure_boot_keys: Keys,
}

#[derive(Clone, Copy, ValueEnum)]
enum InterfaceArg {
    Crb,
    Tis,
}

pub(crate) fn run(home: &Home, command: Command) -> Done {
    let Command::Add(args) = command;
    let mut vm = home.open(&args.name)?;
    let interface = match args.tpm_interface {
        InterfaceArg::Crb => Interface::Crb,
        InterfaceArg::Tis => Interface::Tis,
    };
    let keychain = keychain::system()?;
    let added = add(&mut vm, &keychain, interface, args.secure_boot_keys, args.tpm_profile)?;
    say_added(vm.name(), &added);
    Ok(ExitCode::SUCCESS)
}

/// The name of a profile that there is.
pub(crate) fn profile(name: &str) -> Result<String, String> {
    machine::profile(name).map(|profile| profile.name().to_owned())
}

/// Makes a TPM and gives it to a VM.
pub(crate) fn add(
    vm: &mut Bundle,
    keychain: &SystemKeychain,
    interface: Interface,
    keys: Keys,
    profile: Option<String>,
) -> Result<TpmAdded, Failure> {
    let made_as = match profile {
        Some(name) => machine::profile(&name).map_err(|why| Failure::new("SIG_ERR_TPM_PROFILE", why))?,
        None => machine::Options::default().profile,
    };
    // The bundle names what the TPM is, also where nobody asked: the default of a later version may be another.
    let profile = Some(made_as.name().to_owned());
    let state = machine::manufactured(made_as)
        .map_err(|error| Failure::new("SIG_ERR_NO_ENTROPY", error.to_string()))?;
    let state = Secret::from_slice(&state);
    Ok(add_tpm(vm, keychain, &AddTpm { interface, keys, profile, state })?)
}

pub(crate) fn say_added(name: &str, added: &TpmAdded) {
    println!("{name} has a TPM 2.0 now");
    println!("  Secure Boot is on, with {}: the guest starts only what they signed", added.keys);
    println!("  its store is {}, encrypted", added.store.display());
    println!("  the store's password is record {} in this host's system keychain", added.record);
}
