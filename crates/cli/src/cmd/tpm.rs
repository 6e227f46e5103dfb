//! `sigillo vm tpm add | remove | inspect | diff | key | salvage | restore-backup`, also as `sigillo tpm ...`.
use super::{Done, Failure, diff, host::Kept, inspect, key, output, salvage, tpm_remove};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use sigillo_messages::text;
use sigillo_server::machine;
use sigillo_store::{KeyId, RecoveryCode, Secret};
use sigillo_vm::{
    AddTpm, Backup, Bundle, Home, Host, Interface, Keys, Plan, TpmAdded, add_tpm, backups, kept_backups,
    restore_backup,
};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Give a VM that is off its TPM; turns Secure Boot on
    Add(Add),
    /// Take the TPM out of a VM that is off; its store is kept as a backup
    Remove(tpm_remove::Args),
    /// Show what a TPM at rest has: hierarchies, objects, NV indices, PCR, its store; never a secret. Changes nothing
    Inspect(inspect::Args),
    /// Compare two TPMs at rest; ends with 0 if they are the same, 1 if they differ, 2 or more if they cannot be compared
    Diff(diff::Args),
    /// What opens a TPM's store: password, recovery code, passphrase
    #[command(subcommand)]
    Key(key::Command),
    /// Recover what can be recovered from a damaged store into a new file; the damaged one is only read
    Salvage(salvage::Args),
    /// Make a TPM that was set aside the VM's own again, once its keychain record is here; the one in use becomes a backup
    RestoreBackup(RestoreBackup),
}

#[derive(clap::Args)]
pub(crate) struct RestoreBackup {
    /// The VM's name or UUID [default: list the backups of all VMs]
    name: Option<String>,
    /// Which: the beginning of its file name or of its key id [default: the only one that has its record here]
    backup: Option<String>,
    /// Only list the backups, and whether their records are here
    #[arg(long)]
    list: bool,
}

#[derive(clap::Args)]
pub(crate) struct Add {
    /// The VM's name or UUID
    name: String,
    /// How the guest reaches the TPM
    #[arg(long, value_enum, default_value_t = InterfaceArg::Crb)]
    tpm_interface: InterfaceArg,
    /// What kind of TPM it is: pc-client, ptp-1.07, libtpms or everything [default: as the host says, else pc-client]
    #[arg(long, value_name = "NAME", value_parser = profile)]
    tpm_profile: Option<String>,
    /// Whose keys Secure Boot trusts: microsoft, snakeoil (for tests: everybody has its private half), or a variable
    /// store with keys enrolled
    #[arg(long, default_value = "microsoft")]
    secure_boot_keys: Keys,
    #[command(flatten)]
    store: StoreArgs,
}

/// How a new TPM's store is made.
#[derive(clap::Args)]
pub(crate) struct StoreArgs {
    /// What seals the TPM's store [default: as the host says, else aes-128]
    #[arg(long, value_enum)]
    cipher: Option<key::Cipher>,
    /// Make no recovery code: then only the keychain record opens the TPM's store
    #[arg(long)]
    no_recovery_code: bool,
}

impl StoreArgs {
    /// Whether something is said of how it is to be sealed.
    pub(super) fn names_cipher(&self) -> bool {
        self.cipher.is_some()
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum InterfaceArg {
    Crb,
    Tis,
}

impl From<InterfaceArg> for Interface {
    fn from(interface: InterfaceArg) -> Self {
        match interface {
            InterfaceArg::Crb => Self::Crb,
            InterfaceArg::Tis => Self::Tis,
        }
    }
}

pub(crate) fn run(home: &Home, command: Command) -> Done {
    match command {
        Command::Add(args) => run_add(home, args),
        Command::Remove(args) => tpm_remove::run(home, &args),
        Command::Inspect(args) => inspect::run(home, &args),
        Command::Diff(args) => Ok(diff::run(home, &args)),
        Command::Key(command) => key::run(home, command),
        Command::Salvage(args) => salvage::run(&args),
        Command::RestoreBackup(args) => run_restore(home, &args),
    }
}

fn run_restore(home: &Home, args: &RestoreBackup) -> Done {
    let kept = Kept::find()?;
    let vm = args.name.as_deref().map(|name| home.open(name)).transpose()?;
    if let Some(vm) = vm.as_ref().filter(|_| !args.list) {
        let done = restore_backup(vm, &kept.host(), args.backup.as_deref())?;
        let aside = done.set_aside.map(|path| path.display().to_string());
        let store = done.store.display().to_string();
        return output::report(
            || json!({ "vm": vm.name(), "backup": done.backup, "store": store, "set_aside": aside }),
            || {
                say!("{}", text!("backup-restored", backup = done.backup, vm = vm.name(), store));
                if let Some(aside) = &aside {
                    say!("{}", text!("backup-put-aside", aside));
                }
            },
        );
    }
    let vms = match vm {
        Some(vm) => vec![vm],
        None => home.list()?.into_iter().filter_map(|(_, bundle)| bundle.ok()).collect(),
    };
    let mut rows = Vec::new();
    for vm in &vms {
        let own = backups(vm, kept.keychain.as_ref())?;
        rows.extend(own.into_iter().map(|backup| (vm.name().to_owned(), false, backup)));
    }
    if args.name.is_none() {
        let deleted = kept_backups(home, kept.keychain.as_ref())?;
        rows.extend(deleted.into_iter().map(|(name, backup)| (name, true, backup)));
    }
    let key_id =
        |backup: &Backup| backup.info.as_ref().and_then(|info| info.key_ids.first()).map(ToString::to_string);
    output::report(
        || {
            rows.iter()
                .map(|(name, deleted, backup)| {
                    json!({
                        "vm": name,
                        "vm_deleted": deleted,
                        "backup": backup.name,
                        "key_id": key_id(backup),
                        "record_here": backup.record.is_some(),
                    })
                })
                .collect()
        },
        || {
            let (id, record) = (text!("head-key-id"), text!("head-record"));
            say!("{:24}  {id:32}  {record:10}  {}", "VM", text!("head-backup"));
            for (name, deleted, backup) in &rows {
                let name = if *deleted { text!("vm-was-deleted", name) } else { name.clone() };
                let key = key_id(backup).unwrap_or_else(|| text!("not-readable"));
                let record = if backup.record.is_some() { text!("here") } else { text!("missing") };
                say!("{name:24}  {key:32}  {record:10}  {}", backup.name);
            }
        },
    )
}

pub(super) fn run_add(home: &Home, args: Add) -> Done {
    let mut vm = home.open(&args.name)?;
    let kept = Kept::find()?;
    let added = add(
        &mut vm,
        &kept.host(),
        args.tpm_interface.into(),
        args.secure_boot_keys,
        args.tpm_profile.as_deref(),
        &args.store,
    )?;
    output::report(|| added.json(vm.name()), || added.say(vm.name()))?;
    added.outcome(vm.name())
}

/// The name of a profile that there is.
pub(crate) fn profile(name: &str) -> Result<String, String> {
    machine::profile(name).map(|profile| profile.name().to_owned())
}

/// A TPM that was added, and the recovery code to its store.
pub(crate) struct Added {
    tpm: TpmAdded,
    code: Result<Option<(RecoveryCode, KeyId)>, Failure>,
}

/// Requires, before a VM is made, that it can get the TPM of its plan.
pub(super) fn require_addable(
    plan: &Plan,
    host: &Host<'_>,
    profile: Option<&str>,
    store: &StoreArgs,
) -> Result<(), Failure> {
    let profile = host.policy.profile(profile).map_or_else(default_profile, str::to_owned);
    let algorithm = host.policy.cipher(store.cipher.map(Into::into));
    Ok(sigillo_vm::require_addable(plan, host, Some(&profile), algorithm)?)
}

/// The profile that a new TPM has where nobody names one.
pub(super) fn default_profile() -> String {
    machine::Options::default().profile.name().to_owned()
}

/// A new TPM of this profile: the profile's name, and the state as a store holds it.
pub(crate) fn manufactured(profile: Option<&str>) -> Result<(String, Secret), Failure> {
    let made_as = match profile {
        Some(name) => machine::profile(name).map_err(|why| Failure::new("SIG_ERR_TPM_PROFILE", why))?,
        None => machine::Options::default().profile,
    };
    let name = made_as.name().to_owned();
    let state = machine::manufactured(made_as)
        .map_err(|error| Failure::new("SIG_ERR_NO_ENTROPY", error.to_string()))?;
    Ok((name, Secret::from_slice(&state)))
}

/// Makes a TPM and gives it to a VM.
pub(crate) fn add(
    vm: &mut Bundle,
    host: &Host<'_>,
    interface: Interface,
    keys: Keys,
    profile: Option<&str>,
    store: &StoreArgs,
) -> Result<Added, Failure> {
    // The bundle names what the TPM is, also where nobody asked: the default of a later version may be another.
    let (made_as, state) = manufactured(host.policy.profile(profile))?;
    let algorithm = host.policy.cipher(store.cipher.map(Into::into));
    let options = AddTpm { interface, keys, profile: Some(made_as), algorithm, state };
    let tpm = add_tpm(vm, host, &options)?;
    let code = if store.no_recovery_code { Ok(None) } else { key::add_recovery_code(vm).map(Some) };
    Ok(Added { tpm, code })
}

impl Added {
    /// For people.
    pub(crate) fn say(&self, name: &str) {
        say!("{}", text!("tpm-added", name));
        say!("  {}", text!("tpm-added-secure-boot", keys = self.tpm.keys));
        say!("  {}", text!("tpm-added-store", store = self.tpm.store.display()));
        say!("  {}", text!("tpm-added-record", record = self.tpm.record));
        if let Ok(Some((code, key_id))) = &self.code {
            key::say_recovery_code(code, *key_id);
        }
    }

    pub(super) fn json(&self, name: &str) -> Value {
        let code = self.code.as_ref().ok().and_then(Option::as_ref);
        json!({
            "vm": name,
            "store": self.tpm.store.display().to_string(),
            "record": self.tpm.record,
            "secure_boot_keys": self.tpm.keys.to_string(),
            "recovery_code": code.map(|(code, _)| code.reveal().to_string()),
            "recovery_key_id": code.map(|(_, key_id)| key_id.to_string()),
        })
    }

    /// The TPM is there in any case; a recovery code that was wanted and could not be made is a failure all the same.
    pub(crate) fn outcome(self, name: &str) -> Done {
        match self.code {
            Ok(_) => Ok(ExitCode::SUCCESS),
            Err(failure) => {
                Err(Failure::new(failure.code, text!("tpm-added-without-code", ?name, why = failure.text)))
            }
        }
    }
}
