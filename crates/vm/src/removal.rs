//! Taking a TPM out of a VM. Nothing of it is deleted: the store becomes a backup, the record stays, and `vm.toml` keeps what its
//! `[tpm]` said, so that `tpm restore-backup` puts everything back.
//!
//! The change of `vm.toml` decides. A crash after it leaves a store under its own name in a VM without TPM, and the next command
//! that touches the VM's TPM sets it aside.
use crate::{
    backup::{set_aside, store_of},
    bundle::{Bundle, STORE},
    config::{Interface, Tpm},
    crash,
    error::{Error, Result},
    host::Host,
    tpm::record_name,
};
use sigillo_keychain::audit::Act;
use sigillo_messages::words;
use std::path::PathBuf;

/// What removing a TPM did, for the person who asked.
#[derive(Clone, Debug)]
pub struct TpmRemoved {
    /// The store, as a backup; `None` if it was not there any more.
    pub backup: Option<PathBuf>,
    /// The keychain record, which stays.
    pub record: String,
    /// Whether Secure Boot is on, as it was.
    pub secure_boot: bool,
}

/// Requires that a VM has a TPM that can be taken out now: what there is to know before a person is asked.
///
/// # Errors
/// As [`remove_tpm`].
pub fn require_removable(vm: &mut Bundle) -> Result<()> {
    let _lock = vm.lock_as_it_is()?;
    require(vm)
}

/// The same, for who has locked the VM.
fn require(vm: &Bundle) -> Result<()> {
    let config = vm.config();
    let interrupted = config.removed_tpm.is_some() && store_of(vm).symlink_metadata().is_ok();
    if config.tpm.is_none() && !interrupted {
        return Err(Error::NoTpm { name: vm.name().to_owned() });
    }
    vm.require_off(words!("doing-tpm-removal"))
}

/// Takes the TPM out of a VM that is off. Interrupted by a crash, the same command goes on.
///
/// # Errors
/// [`Error::NoTpm`], [`Error::Running`], or what the operating system says.
pub fn remove_tpm(vm: &mut Bundle, host: &Host<'_>) -> Result<TpmRemoved> {
    let _lock = vm.lock()?;
    *vm = Bundle::load(vm.path())?;
    require(vm)?;
    let store = store_of(vm);
    let mut config = vm.config().clone();
    let record = record_name(&config.uuid);
    if let Some(tpm) = config.tpm.take() {
        let detail = format!("of VM {:?}; its record {record} stays", vm.name());
        host.audit.record(Act::TpmRemoved, &store.display().to_string(), &detail)?;
        config.removed_tpm = Some(tpm);
        vm.set_config(config)?;
        crash::point();
    }
    let backup = finish(vm, host)?;
    Ok(TpmRemoved { backup, record, secure_boot: vm.config().secure_boot })
}

/// Sets the store of a VM without TPM aside, if it is still there.
pub(crate) fn finish(vm: &Bundle, host: &Host<'_>) -> Result<Option<PathBuf>> {
    let store = store_of(vm);
    if vm.config().tpm.is_none() && store.symlink_metadata().is_ok() {
        return set_aside(vm, host, &store).map(Some);
    }
    Ok(None)
}

/// Gives a VM its `[tpm]` again, for a store that is about to come back. Before the store: a crash in between leaves a VM that
/// says it misses its store, and has it as a backup.
pub(crate) fn undo(vm: &mut Bundle) -> Result<()> {
    let mut config = vm.config().clone();
    if config.tpm.is_some() {
        return Ok(());
    }
    config.tpm = Some(config.removed_tpm.take().unwrap_or_else(|| Tpm {
        interface: Interface::default(),
        store: STORE.to_owned(),
        encrypted: true,
        profile: None,
        when_record_missing: None,
        when_rolled_back: None,
    }));
    vm.set_config(config)?;
    crash::point();
    Ok(())
}
