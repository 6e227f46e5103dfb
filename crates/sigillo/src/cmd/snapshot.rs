//! `sigillo vm snapshot`: states of a VM, its TPM included, to go back to.
use super::{
    Done, confirm,
    host::Kept,
    output::{self, BAD, PLAIN, complain, paint},
    progress::Bar,
    start,
};
use clap::Subcommand;
use serde_json::{Value, json};
use sigillo_vm::{
    Bundle, Home, NewSnapshot, Snapshot, Status, delete_snapshot, find_snapshot, revert, snapshot, snapshots,
    suspend,
};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Keep a VM as it is: disks, firmware variables, configuration, TPM; of a suspended one the guest's memory too. A guest
    /// that runs is suspended for it and resumed
    Create {
        /// The VM's name or UUID
        name: String,
        /// The snapshot's name [default: the date]
        snapshot: Option<String>,
        /// What it is for
        #[arg(long, default_value = "", value_name = "TEXT")]
        description: String,
    },
    /// List a VM's snapshots, oldest first
    List {
        /// The VM's name or UUID
        name: String,
    },
    /// Take a VM that is off back to a snapshot, TPM included. Asks; what is there now is kept as a snapshot
    Revert {
        /// The VM's name or UUID
        name: String,
        /// The snapshot's name, or the beginning of its id
        snapshot: String,
        /// Do not keep what is there now
        #[arg(long)]
        discard_current: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Delete a snapshot. Asks
    Delete {
        /// The VM's name or UUID
        name: String,
        /// The snapshot's name, or the beginning of its id
        snapshot: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) fn run(home: &Home, command: Command) -> Done {
    match command {
        Command::Create { name, snapshot, description } => {
            create(home, &name, &NewSnapshot { name: snapshot, description })
        }
        Command::List { name } => list(&home.open(&name)?),
        Command::Revert { name, snapshot, discard_current, yes } => {
            take_back(&home.open(&name)?, &snapshot, discard_current, yes)
        }
        Command::Delete { name, snapshot, yes } => delete(&home.open(&name)?, &snapshot, yes),
    }
}

fn create(home: &Home, name: &str, new: &NewSnapshot) -> Done {
    let vm = home.open(name)?;
    let mut bar = Bar::new();
    let runs = !vm.status()?.is_off();
    if runs {
        note!("{}: the guest runs, so it is suspended, copied with its memory, and resumed", vm.name());
        let kept = Kept::find()?;
        suspend(&vm, kept.host().anchors, &mut |step, done, all| bar.at(step, done, all))?;
    }
    let made = snapshot(&vm, new, &mut |step, done, all| bar.at(step, done, all));
    drop(bar);
    if runs {
        // Also after a failure: the guest has to go on.
        let resumed = start::start_again(&vm);
        if let (Err(failed), Err(_)) = (&resumed, &made) {
            complain(failed);
        } else {
            resumed?;
        }
    }
    let made = made?;
    output::report(
        || object(&made),
        || {
            let with = if made.suspended { ", with the guest's memory" } else { "" };
            let (name, id, vm, mib) = (&made.name, short(&made), vm.name(), made.bytes >> 20);
            say!("snapshot {name} ({id}) of {vm}: {mib} MiB{with}");
        },
    )
}

fn short(snapshot: &Snapshot) -> String {
    snapshot.id.to_string().chars().take(8).collect()
}

fn object(snapshot: &Snapshot) -> Value {
    json!({
        "id": snapshot.id.to_string(),
        "name": snapshot.name,
        "description": snapshot.description,
        "created": sigillo_keychain::date(snapshot.created_unix_s),
        "automatic": snapshot.automatic,
        "suspended": snapshot.suspended,
        "tpm": snapshot.tpm,
        "bytes": snapshot.bytes,
        "damaged": snapshot.damaged,
    })
}

fn list(vm: &Bundle) -> Done {
    let all = snapshots(vm)?;
    if output::is_json() {
        say!("{}", Value::Array(all.iter().map(object).collect()));
        return Ok(ExitCode::SUCCESS);
    }
    say!("{:8}  {:20}  {:9}  {:9}  {:>9}  NAME", "ID", "CREATED", "STATE", "TPM", "MIB");
    for one in &all {
        let state = match (&one.damaged, one.suspended) {
            (Some(_), _) => paint(BAD, "damaged"),
            (None, true) => paint(PLAIN, "suspended"),
            (None, false) => paint(PLAIN, "off"),
        };
        let tpm = if one.tpm { "with TPM" } else { "none" };
        let created =
            if one.damaged.is_some() { "-".to_owned() } else { sigillo_keychain::date(one.created_unix_s) };
        say!("{:8}  {created:20}  {state:9}  {tpm:9}  {:>9}  {}", short(one), one.bytes >> 20, one.name);
        if let Some(why) = &one.damaged {
            say!("          {why}");
        }
        for line in one.description.lines() {
            say!("          {line}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn take_back(vm: &Bundle, which: &str, discard_current: bool, yes: bool) -> Done {
    let chosen = find_snapshot(vm, which)?;
    let name = vm.name();
    let kept = match (discard_current, vm.status()? == Status::Suspended) {
        (true, true) => "What is there now, the memory of its suspended guest included, will be gone.",
        (true, false) => "What is there now will be gone.",
        (false, _) => "What is there now is kept as a snapshot.",
    };
    let tpm = if chosen.tpm {
        "\nThe TPM goes back as well: its counters, its count of failed tries and its clock are those of then, and keys and NV \
         contents that were added since are not in it. Keys removed since are back. What the guest sealed since may not open."
    } else {
        ""
    };
    let question = format!(
        "VM {name:?} is taken back to {:?}: disks, firmware variables and configuration are those of then. {kept}{tpm}",
        chosen.name
    );
    confirm::require(yes, &format!("{question}\nTake it back?"))?;
    let here = Kept::find()?;
    let mut bar = Bar::new();
    let done =
        revert(vm, &here.host(), &chosen, discard_current, &mut |step, done, all| bar.at(step, done, all));
    drop(bar);
    let done = done?;
    output::report(
        || {
            json!({
                "vm": name,
                "snapshot": done.snapshot,
                "suspended": done.suspended,
                "tpm": done.tpm,
                "kept": done.kept,
                "kept_for_tpm": done.kept_for_tpm,
            })
        },
        || {
            let suspended = if done.suspended { "; it is suspended as it was then" } else { "" };
            say!("{name} is as it was at {}{suspended}", done.snapshot);
            if done.tpm {
                say!("its TPM went back with it: counters and failed tries since then are forgotten");
            }
            if done.kept_for_tpm {
                say!(
                    "its TPM is not in that snapshot, so what was there was kept in spite of --discard-current"
                );
            }
            if let Some(kept) = &done.kept {
                say!("what was there before is the snapshot {kept}");
            }
        },
    )
}

fn delete(vm: &Bundle, which: &str, yes: bool) -> Done {
    let chosen = find_snapshot(vm, which)?;
    let question =
        format!("The snapshot {:?} of VM {:?} will be gone for good. Delete it?", chosen.name, vm.name());
    confirm::require(yes, &question)?;
    delete_snapshot(vm, chosen.id)?;
    output::report(
        || json!({ "vm": vm.name(), "deleted": chosen.name, "id": chosen.id.to_string() }),
        || say!("snapshot {} is deleted", chosen.name),
    )
}
