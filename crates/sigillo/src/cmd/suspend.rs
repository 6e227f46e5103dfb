//! `sigillo vm suspend`, `vm pause`, `vm unpause`.
use super::{Done, host::Kept, progress::Bar};
use serde_json::json;
use sigillo_vm::{Home, pause, suspend, unpause};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    name: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let vm = home.open(&args.name)?;
    let kept = Kept::find()?;
    let mut bar = Bar::new();
    let done = suspend(&vm, kept.host().anchors, &mut |step, done, all| bar.at(step, done, all));
    drop(bar);
    let done = done?;
    if args.json {
        println!("{}", json!({ "memory": done.memory.display().to_string(), "bytes": done.bytes }));
    } else {
        println!(
            "{} is suspended: {} MiB in {}; `sigillo vm resume {:?}` goes on from there",
            vm.name(),
            done.bytes >> 20,
            done.memory.display(),
            vm.name()
        );
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(clap::Args)]
pub(crate) struct HoldArgs {
    /// The VM's name or UUID
    name: String,
}

pub(crate) fn hold(home: &Home, args: &HoldArgs) -> Done {
    let vm = home.open(&args.name)?;
    pause(&vm)?;
    println!("{} is paused; `sigillo vm unpause {:?}` lets it run", vm.name(), vm.name());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn go_on(home: &Home, args: &HoldArgs) -> Done {
    let vm = home.open(&args.name)?;
    unpause(&vm)?;
    println!("{} runs", vm.name());
    Ok(ExitCode::SUCCESS)
}
