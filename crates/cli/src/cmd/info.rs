//! `sigillo vm info`.
use super::{
    Done, keychain,
    list::{status_word, tpm_state},
    output,
};
use serde_json::{Value, json};
use sigillo_messages::text;
use sigillo_store::Store;
use sigillo_vm::{Bundle, Home, Hypervisor, RecordState, list_keys, record_name, snapshots};
use std::process::ExitCode;
use uuid::Uuid;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    name: String,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let vm = home.open(&args.name)?;
    let config = vm.config();
    let run = vm.run_state()?;
    let disks: Vec<String> =
        config.disks.iter().map(|disk| vm.disk_path(disk).display().to_string()).collect();
    let mut facts = vec![
        ("name", json!(vm.name())),
        ("uuid", json!(config.uuid.to_string())),
        ("status", json!(status_word(vm.status()?).to_string())),
        (
            "bundle",
            json!(vm.path().canonicalize().unwrap_or_else(|_| vm.path().to_owned()).display().to_string()),
        ),
        ("guest", json!(config.guest.to_string())),
        ("firmware", json!(config.firmware.to_string())),
        ("secure_boot", json!(config.secure_boot)),
        ("memory_mib", json!(config.memory_mib)),
        ("cpus", json!(config.cpus)),
        ("disks", json!(disks)),
        ("serial_log", json!(vm.serial_log()?.display().to_string())),
        ("tpm", json!(tpm_state(&vm).to_string())),
    ];
    let display = vm.display_address()?.or_else(|| config.display.map(|display| display.to_string()));
    facts.extend(display.map(|display| ("display", json!(display))));
    if config.hypervisor == Hypervisor::Libvirt {
        facts.push(("hypervisor", json!("libvirt")));
    }
    if let Some(tpm) = &config.tpm {
        facts.push(("tpm_interface", json!(tpm.interface.to_string())));
        facts.extend(tpm.profile.as_ref().map(|profile| ("tpm_profile", json!(profile))));
        facts.push(("tpm_store", json!(vm.store_path().map(|path| path.display().to_string()))));
        facts.push(("keychain_record", json!(record_name(&config.uuid))));
        facts.push(("record_state", json!(record_state(&vm))));
        if let Some(store) = vm.store_path().and_then(|path| Store::peek(&path).ok()) {
            // What tells this TPM from any other, copies of its store excepted.
            facts.push(("tpm_identity", json!(Uuid::from_bytes(store.file_uuid).to_string())));
            let ids: Vec<String> = store.key_ids.iter().map(ToString::to_string).collect();
            facts.push(("tpm_key_ids", json!(ids)));
        }
    }
    if let Some((since, bytes)) = vm.suspended_since() {
        facts.push(("suspended_since", json!(sigillo_keychain::date(since))));
        facts.push(("suspended_bytes", json!(bytes)));
    }
    let kept: Vec<String> = snapshots(&vm)?.into_iter().map(|snapshot| snapshot.name).collect();
    if !kept.is_empty() {
        facts.push(("snapshots", json!(kept)));
    }
    if let Some(run) = run {
        facts.push(("accel", json!(run.accel)));
        facts.push(("accel_reason", json!(run.accel_reason.to_string())));
        facts.push(("qemu_pid", json!(run.qemu.map(|qemu| qemu.pid))));
        facts.push(("tpm_pid", json!(run.worker.map(|worker| worker.pid))));
        facts.extend(run.serial_log.map(|process| ("serial_log_pid", json!(process.pid))));
    }
    if let Some(error) = vm.unanswered() {
        note!("{error}");
    }
    if output::is_json() {
        let all: serde_json::Map<String, Value> = facts.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        say!("{}", Value::Object(all));
        return Ok(ExitCode::SUCCESS);
    }
    for (key, value) in facts {
        match value {
            Value::String(text) => say!("{key:16} {text}"),
            Value::Array(items) => {
                for item in items {
                    say!("{key:16} {}", item.as_str().unwrap_or_default());
                }
            }
            other => say!("{key:16} {other}"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether this host has what the VM needs to start.
fn record_state(vm: &Bundle) -> String {
    let keys = match keychain::system() {
        Ok(keychain) => list_keys(vm, &keychain),
        Err(failure) => return failure.code.into_owned(),
    };
    match keys.map(|keys| keys.record) {
        Ok(RecordState::Opens(_)) => text!("here"),
        Ok(RecordState::Other(_)) => text!("record-of-other-store"),
        Ok(RecordState::Missing) => text!("record-state-missing"),
        Err(error) => error.code().to_owned(),
    }
}
