//! `sigillo vm resume`.
use super::{Done, Failure, confirm, output, start};
use serde_json::json;
use sigillo_messages::text;
use sigillo_vm::{Bundle, Home, LifeError, Status, discard, unpause};

#[derive(clap::Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    start: start::Args,
    /// Give the saved state up instead: to the guest as pulling the plug. Asks
    #[arg(long)]
    discard: bool,
    /// Do not ask
    #[arg(long, requires = "discard")]
    yes: bool,
}

pub(crate) fn run(home: &Home, args: &ResumeArgs) -> Done {
    let vm = home.open(&args.start.name)?;
    if args.discard {
        return give_up(&vm, args.yes);
    }
    match vm.status()? {
        Status::Stopped => Err(failure(LifeError::NotSuspended { name: vm.name().to_owned() })),
        // Held, or left so by a command that was ended in the middle.
        Status::Paused => {
            unpause(&vm)?;
            say_runs(&vm)
        }
        Status::Suspended | Status::Running | Status::Failed => start::run(home, &args.start),
    }
}

fn failure(error: LifeError) -> Failure {
    sigillo_vm::Error::from(error).into()
}

/// Throws the saved state of a VM away, if whoever asks for it means it.
pub(crate) fn give_up(vm: &Bundle, yes: bool) -> Done {
    let name = vm.name();
    if vm.status()? != Status::Suspended {
        return Err(failure(LifeError::NotSuspended { name: name.to_owned() }));
    }
    let question = text!("discard-question", ?name);
    confirm::require(yes, &question)?;
    discard(vm)?;
    output::report(
        || json!({ "vm": name, "status": Status::Stopped.as_str(), "discarded": true }),
        || say!("{}", text!("discarded", name)),
    )
}

/// After a guest was let go on.
pub(super) fn say_runs(vm: &Bundle) -> Done {
    output::report(
        || json!({ "vm": vm.name(), "status": Status::Running.as_str() }),
        || say!("{}", text!("runs", vm = vm.name())),
    )
}
