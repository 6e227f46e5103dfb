//! `sigillo vm suspend`, `vm pause`, `vm unpause`.
use super::{Done, host::Kept, output, progress::Bar, resume};
use serde_json::json;
use sigillo_messages::text;
use sigillo_vm::{Home, Status, pause, suspend, unpause};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    name: String,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let vm = home.open(&args.name)?;
    let kept = Kept::find()?;
    let mut bar = Bar::new();
    let done = suspend(&vm, kept.host().anchors, &mut |step, done, all| bar.at(step, done, all));
    drop(bar);
    let done = done?;
    output::report(
        || {
            json!({
                "vm": vm.name(),
                "status": Status::Suspended.as_str(),
                "memory": done.memory.display().to_string(),
                "bytes": done.bytes,
            })
        },
        || {
            say!(
                "{}",
                text!(
                    "suspended", vm = vm.name(), mib = done.bytes >> 20, path = done.memory.display(), quoted = ?vm.name()
                )
            );
        },
    )
}

#[derive(clap::Args)]
pub(crate) struct HoldArgs {
    /// The VM's name or UUID
    name: String,
}

pub(crate) fn hold(home: &Home, args: &HoldArgs) -> Done {
    let vm = home.open(&args.name)?;
    pause(&vm)?;
    output::report(
        || json!({ "vm": vm.name(), "status": Status::Paused.as_str() }),
        || say!("{}", text!("paused", vm = vm.name(), quoted = ?vm.name())),
    )
}

pub(crate) fn go_on(home: &Home, args: &HoldArgs) -> Done {
    let vm = home.open(&args.name)?;
    unpause(&vm)?;
    resume::say_runs(&vm)
}
