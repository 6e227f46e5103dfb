//! What is fuzzed: one function for the command path and one for every parser that reads a file or a socket.
//!
//! Each takes any bytes and must return: a panic, an endless loop or a broken invariant is a finding. `cargo fuzz run <name>` (in `fuzz/`) and
//! `cargo xtask fuzz` (stable toolchain, random mutations of the seeds) call the same functions.

mod channels;
mod commands;
mod files;
mod kdbx;
mod orders;
mod started;
mod store;
mod types;

pub use channels::{
    control_channel, control_session, data_channel, data_session, mssim_commands, mssim_platform, state_blob,
};
pub use commands::{command, commands, permanent_state, volatile_state};
pub use files::{
    audit_log, certificate, event_log, firmware_variables, keychain_file, recovery_code, vm_config, vm_export,
};
pub use kdbx::kdbx_file;
pub use store::store_file;
pub use types::{areas, structures};

use std::{collections::BTreeMap, fs, io, path::Path};

/// Makes what the targets share, so that their first input is not slow.
pub fn prepare() {
    started::started();
    started::bare();
}

/// The inputs in `fuzz/seeds/NAME`, in the order of their names: those that reach most, and every one that was a finding once.
///
/// # Errors
/// They cannot be read. A target may have none.
pub fn kept(name: &str) -> io::Result<Vec<Vec<u8>>> {
    let directory = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../seeds")).join(name);
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let mut files = fs::read_dir(directory)?.map(|file| Ok(file?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    files.iter().map(fs::read).collect()
}

/// A target: takes any bytes.
pub type Target = fn(&[u8]);

/// Every target by name, with seeds that get past the first checks.
#[must_use]
pub fn all() -> BTreeMap<&'static str, (Target, Vec<Vec<u8>>)> {
    BTreeMap::from([
        ("areas", (areas as Target, types::area_seeds())),
        ("audit_log", (audit_log as Target, files::audit_seeds())),
        ("certificate", (certificate as Target, files::certificate_seeds())),
        ("command", (command as Target, commands::seeds())),
        ("commands", (commands as Target, commands::seeds())),
        ("control_channel", (control_channel as Target, channels::control_seeds())),
        ("control_session", (control_session as Target, channels::sessions(&channels::control_seeds()))),
        ("data_channel", (data_channel as Target, channels::data_seeds())),
        ("data_session", (data_session as Target, channels::sessions(&channels::data_seeds()))),
        ("event_log", (event_log as Target, files::event_log_seeds())),
        ("firmware_variables", (firmware_variables as Target, files::variable_seeds())),
        ("kdbx_file", (kdbx_file as Target, kdbx::seeds())),
        ("keychain_file", (keychain_file as Target, files::keychain_seeds())),
        ("mssim_commands", (mssim_commands as Target, channels::mssim_command_seeds())),
        ("mssim_platform", (mssim_platform as Target, channels::mssim_platform_seeds())),
        ("permanent_state", (permanent_state as Target, commands::permanent_seeds())),
        ("recovery_code", (recovery_code as Target, files::recovery_seeds())),
        ("state_blob", (state_blob as Target, channels::blob_seeds())),
        ("store_file", (store_file as Target, store::seeds())),
        ("structures", (structures as Target, types::structure_seeds())),
        ("vm_config", (vm_config as Target, files::vm_config_seeds())),
        ("vm_export", (vm_export as Target, files::vm_export_seeds())),
        ("volatile_state", (volatile_state as Target, commands::volatile_seeds())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kept_input_passes_and_belongs_to_a_target() {
        let targets = all();
        for directory in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../seeds")).unwrap() {
            let name = directory.unwrap().file_name().into_string().unwrap();
            let (target, _) = targets[name.as_str()];
            kept(&name).unwrap().iter().for_each(|input| target(input));
        }
    }
}
