//! `sigillo vm snapshot`: states of a VM, its TPM included, to go back to.
use super::{
    Done, confirm,
    host::Kept,
    output::{self, BAD, PLAIN, complain, paint},
    progress::{Bar, Waiting},
    start,
};
use clap::Subcommand;
use serde_json::{Value, json};
use sigillo_messages::{text, words};
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
        note!("{}", text!("snapshot-suspends", vm = vm.name()));
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
            let (name, id, vm, mib) = (&made.name, short(&made), vm.name(), made.bytes >> 20);
            if made.suspended {
                say!("{}", text!("snapshot-made-memory", name, id, vm, mib));
            } else {
                say!("{}", text!("snapshot-made", name, id, vm, mib));
            }
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
    let (created, state, name) = (text!("head-created"), text!("head-state"), text!("head-name"));
    say!("{:8}  {created:20}  {state:9}  {:9}  {:>9}  {name}", "ID", "TPM", "MIB");
    for one in &all {
        let state = match (&one.damaged, one.suspended) {
            (Some(_), _) => paint(BAD, words!("snapshot-damaged-word")),
            (None, true) => paint(PLAIN, words!("status-suspended")),
            (None, false) => paint(PLAIN, words!("snapshot-off")),
        };
        let tpm = if one.tpm { words!("snapshot-with-tpm") } else { words!("none-there") };
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
        (true, true) => text!("revert-loses-memory"),
        (true, false) => text!("revert-loses"),
        (false, _) => text!("revert-keeps"),
    };
    let mut question = text!("revert-question", ?name, snapshot = ?chosen.name, kept);
    if chosen.tpm {
        question = format!("{question}\n{}", text!("revert-tpm"));
    }
    confirm::require(yes, &format!("{question}\n{}", text!("revert-confirm")))?;
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
            if done.suspended {
                say!("{}", text!("reverted-suspended", name, snapshot = done.snapshot));
            } else {
                say!("{}", text!("reverted", name, snapshot = done.snapshot));
            }
            if done.tpm {
                say!("{}", text!("reverted-tpm"));
            }
            if done.kept_for_tpm {
                say!("{}", text!("reverted-kept-for-tpm"));
            }
            if let Some(kept) = &done.kept {
                say!("{}", text!("reverted-kept", kept));
            }
        },
    )
}

fn delete(vm: &Bundle, which: &str, yes: bool) -> Done {
    let chosen = find_snapshot(vm, which)?;
    let question = text!("snapshot-delete-question", snapshot = ?chosen.name, vm = ?vm.name());
    confirm::require(yes, &question)?;
    let waiting = Waiting::show({
        let name = chosen.name.clone();
        move |so_far| text!("waiting-snapshot-delete", name, seconds = so_far.as_secs())
    });
    let deleted = delete_snapshot(vm, chosen.id);
    drop(waiting);
    deleted?;
    output::report(
        || json!({ "vm": vm.name(), "deleted": chosen.name, "id": chosen.id.to_string() }),
        || say!("{}", text!("snapshot-deleted", snapshot = chosen.name)),
    )
}
