//! `sigillo vm list`: UUID, STATUS, IP_ADDR and NAME in the columns that `prlctl list` has, then the TPM.
use super::{
    Done, Failure,
    output::{self, AT_REST, BAD, DOUBTFUL, GOOD, PLAIN, complain, paint},
};
use serde_json::{Value, json};
use sigillo_messages::{Words, text, words};
use sigillo_store::Store;
use sigillo_vm::{Bundle, Home, Status};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also those that are off
    #[arg(short, long)]
    all: bool,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let mut rows = Vec::new();
    let mut broken = Vec::new();
    for (name, bundle) in home.list()? {
        let looked_at = bundle.and_then(|bundle| bundle.status().map(|status| (bundle, status)));
        match looked_at {
            Ok((bundle, status)) if args.all || !status.is_off() => rows.push((bundle, status)),
            Ok(_) => {}
            Err(error) => broken.push((name, error)),
        }
    }
    if output::is_json() {
        let list: Vec<Value> = rows
            .iter()
            .map(|(vm, status)| {
                json!({
                    "uuid": vm.config().uuid.to_string(),
                    "status": status.as_str(),
                    "ip_addr": Value::Null,
                    "name": vm.name(),
                    "tpm": tpm_state(vm).to_string(),
                })
            })
            .collect();
        say!("{}", Value::Array(list));
    } else {
        let (status, ip, name) = (text!("head-status"), text!("head-ip"), text!("head-name"));
        let names = output::width(24, rows.iter().map(|(vm, _)| vm.name()));
        say!("{:38}  {status:9} {ip:15}  {name:names$} TPM", "UUID");
        for (vm, status) in &rows {
            let uuid = format!("{{{}}}", vm.config().uuid);
            let style = match status {
                Status::Running => GOOD,
                Status::Paused => DOUBTFUL,
                Status::Suspended => AT_REST,
                Status::Stopped => PLAIN,
                Status::Failed => BAD,
            };
            let status = paint(style, status_word(*status));
            say!("{uuid:38}  {status:9} {:15}  {:names$} {}", "-", vm.name(), tpm_state(vm));
        }
    }
    for error in rows.iter().filter_map(|(vm, _)| vm.unanswered()) {
        note!("{error}");
    }
    for (name, error) in &broken {
        complain(&Failure::new(error.code().to_owned(), format!("{name}: {error}")));
    }
    if broken.is_empty() {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Failure::new("SIG_ERR_VM_LIST", text!("list-unreadable", count = #broken.len())))
    }
}

/// A status as a person reads it; programs get that of the domain's own list.
pub(super) fn status_word(status: Status) -> Words {
    match status {
        Status::Running => words!("status-running"),
        Status::Paused => words!("status-paused"),
        Status::Suspended => words!("status-suspended"),
        Status::Stopped => words!("status-stopped"),
        Status::Failed => words!("status-failed"),
    }
}

/// By the store itself, not by what the configuration says of it.
pub(crate) fn tpm_state(vm: &Bundle) -> Words {
    let Some(path) = vm.store_path() else { return words!("none-there") };
    match Store::peek(&path) {
        Ok(info) if info.is_unencrypted() => words!("not-encrypted"),
        Ok(_) => words!("tpm-encrypted"),
        Err(_) => words!("not-readable"),
    }
}
