//! `sigillo vm rename` and `sigillo vm move`.
use super::{Done, host::Kept, output, progress::Bar};
use serde_json::json;
use sigillo_messages::{text, words};
use sigillo_vm::{Home, move_vm, rename_vm};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Rename {
    /// The VM's name or UUID
    name: String,
    /// Its new name
    new: String,
}

#[derive(clap::Args)]
pub(crate) struct Move {
    /// The VM's name or UUID
    name: String,
    /// The directory to put it in; the one that `--home` names brings it back
    path: PathBuf,
}

pub(crate) fn rename(home: &Home, args: &Rename) -> Done {
    let mut vm = home.open(&args.name)?;
    Kept::find()?.sweep(home);
    let old = vm.name().to_owned();
    rename_vm(home, &mut vm, &args.new)?;
    output::report(
        || json!({ "vm": vm.name(), "was": old, "uuid": vm.config().uuid.to_string() }),
        || say!("{}", text!("renamed", old, new = vm.name())),
    )
}

pub(crate) fn run_move(home: &Home, args: &Move) -> Done {
    let mut vm = home.open(&args.name)?;
    let kept = Kept::find()?;
    kept.sweep(home);
    let mut bar = Bar::new();
    let place = move_vm(home, &mut vm, &kept.host(), &args.path, &mut |done, total| {
        bar.at(words!("step-moving"), done, total);
    })?;
    drop(bar);
    output::report(
        || json!({ "vm": vm.name(), "bundle": place.display().to_string() }),
        || {
            let is_home = place.parent() == Some(home.path());
            let (vm, path) = (vm.name(), place.display());
            say!("{}", if is_home { text!("moved-home", vm, path) } else { text!("moved", vm, path) });
        },
    )
}
