//! `sigillo vm check --windows-11`.
use super::{
    Done, Failure,
    host::Kept,
    output::{self, BAD, GOOD, paint},
    tpm,
};
use serde_json::{Value, json};
use sigillo_messages::{text, words};
use sigillo_vm::{Bundle, Home, Interface, Keys, Requirement, hardware, raise, windows_11};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    name: String,
    /// What it lacks to be upgraded to Windows 11
    #[arg(long, required = true)]
    windows_11: bool,
    /// Give it what it lacks, where that can be done with the VM off
    #[arg(long)]
    fix: bool,
    #[command(flatten)]
    tpm_store: tpm::StoreArgs,
}

/// Ends with success if the VM lacks nothing.
pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let mut vm = home.open(&args.name)?;
    let before = windows_11(&vm)?;
    let had_disk = !vm.config().disks.is_empty();
    let mut added = None;
    if args.fix && before.iter().any(|one| !one.met) {
        added = fix(&mut vm, &before, args)?;
    }
    let now = windows_11(&vm)?;
    if output::is_json() {
        let all: Vec<Value> = now
            .iter()
            .map(|one| {
                json!({
                    "what": one.what,
                    "needs": one.needs,
                    "has": one.has,
                    "met": one.met,
                    "fixed": one.met && before.iter().any(|was| was.what == one.what && !was.met),
                    "cannot_fix": one.cannot,
                })
            })
            .collect();
        let mut report = json!({ "vm": vm.name(), "ready": now.iter().all(|one| one.met), "checks": all });
        if let Some(added) = &added {
            report["tpm"] = added.json(vm.name());
        }
        say!("{report}");
    } else {
        say(&vm, &before, &now, had_disk, added.as_ref());
    }
    let ready = now.iter().all(|one| one.met);
    match added {
        Some(added) => added.outcome(vm.name()),
        None if ready => Ok(ExitCode::SUCCESS),
        None => Ok(ExitCode::FAILURE),
    }
}

/// Mends what can be. What cannot be mended at all stops it before anything is changed.
fn fix(vm: &mut Bundle, before: &[Requirement], args: &Args) -> Result<Option<tpm::Added>, Failure> {
    let hopeless = before.iter().find_map(|one| one.cannot.as_ref().map(|why| (one.what, why)));
    if let Some((what, why)) = hopeless {
        let text = text!("check-hopeless", vm = ?vm.name(), what, why);
        return Err(Failure::new("SIG_ERR_VM_CHECK", text));
    }
    let lacks_tpm = before.iter().any(|one| one.what == "tpm" && !one.met);
    let kept = if lacks_tpm { Some(Kept::find()?) } else { None };
    if let Some(kept) = &kept {
        let offers = hardware(vm, &kept.host()).offers;
        let refusal = offers.into_iter().find(|offer| offer.kind == "tpm").and_then(|offer| offer.refusal);
        if let Some((code, why)) = refusal {
            let text = text!("check-no-tpm", vm = ?vm.name(), why);
            return Err(Failure::new(code.unwrap_or_else(|| "SIG_ERR_VM_CHECK".to_owned()), text));
        }
    }
    raise(vm)?;
    let Some(kept) = kept else { return Ok(None) };
    tpm::add(vm, &kept.host(), Interface::Crb, Keys::Microsoft, None, &args.tpm_store).map(Some)
}

fn say(vm: &Bundle, before: &[Requirement], now: &[Requirement], had_disk: bool, added: Option<&tpm::Added>) {
    say!("{:12}  {:8}  {:12}  {:10}", text!("head-what"), text!("head-needs"), text!("head-has"), "");
    for one in now {
        let fixed = before.iter().any(|was| was.what == one.what && !was.met);
        let state = match (one.met, fixed) {
            (true, true) => paint(GOOD, words!("check-mended")),
            (true, false) => paint(GOOD, words!("check-ok")),
            (false, _) => paint(BAD, words!("check-lacks")),
        };
        say!("{:12}  {:8}  {:12}  {state}", one.what, one.needs, one.has);
    }
    let mended = |what: &str| {
        let met = |all: &[Requirement]| all.iter().any(|one| one.what == what && one.met);
        met(now) && !met(before)
    };
    if mended("disk") {
        say!("{}", if had_disk { words!("check-disk-grown") } else { words!("check-disk-made") });
    }
    if mended("secure-boot") && !mended("tpm") {
        say!("{}", text!("check-secure-boot"));
    }
    if let Some(added) = added {
        added.say(vm.name());
    }
    let lacking = || now.iter().filter(|one| !one.met);
    for one in lacking() {
        let Some(why) = &one.cannot else {
            say!("{}", text!("check-mends", what = one.what, vm = ?vm.name()));
            continue;
        };
        // One reason often stands against several: it is told with the first.
        let same: Vec<&str> =
            lacking().filter(|other| other.cannot == one.cannot).map(|other| other.what).collect();
        if same.first() == Some(&one.what) {
            say!("{}: {why}", same.join(", "));
        }
    }
    if now.iter().all(|one| one.met) {
        say!("{}", text!("check-ready", vm = vm.name()));
    }
}
