//! `sigillo vm stop`.
use super::{Done, output, progress::Waiting, resume, usage::whole};
use serde_json::json;
use sigillo_messages::{text, words};
use sigillo_vm::{Home, LifeError, Status, Stop, Stopped, stop};
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    name: String,
    /// End it at once, as pulling the plug would; of a suspended VM, give the saved state up
    #[arg(long)]
    force: bool,
    /// Do not ask before the saved state of a suspended VM is given up
    #[arg(long, requires = "force")]
    yes: bool,
    /// How many seconds the guest may take to shut down before it is ended
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = whole(0..=u64::from(u32::MAX)))]
    timeout: u64,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let vm = home.open(&args.name)?;
    if vm.status()? == Status::Suspended {
        if args.force {
            return resume::give_up(&vm, args.yes);
        }
        let action = words!("doing-shutdown");
        return Err(
            sigillo_vm::Error::from(LifeError::Suspended { name: vm.name().to_owned(), action }).into()
        );
    }
    let (timeout, force) = (Duration::from_secs(args.timeout), args.force);
    let waiting = Waiting::show({
        let name = vm.name().to_owned();
        move |so_far| match timeout.saturating_sub(so_far).as_secs() {
            seconds @ 1.. if !force => text!("waiting-stop", name, seconds),
            _ => text!("waiting-end", name),
        }
    });
    let how = stop(&vm, Stop { force, timeout });
    drop(waiting);
    let how = how?;
    let name = vm.name();
    let word = match how {
        Stopped::ByGuest => "shut-down",
        Stopped::ByQuit => "ended",
        Stopped::ByKill => "killed",
    };
    output::report(
        || json!({ "vm": name, "status": Status::Stopped.as_str(), "how": word }),
        || match how {
            Stopped::ByGuest => say!("{}", text!("stopped-by-guest", name)),
            Stopped::ByQuit if args.force => say!("{}", text!("stopped", name)),
            Stopped::ByQuit => say!("{}", text!("stopped-after", name, seconds = args.timeout)),
            Stopped::ByKill => say!("{}", text!("stopped-by-kill", name)),
        },
    )
}
