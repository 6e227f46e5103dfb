//! `sigillo vm start`.
use super::{
    Done, Failure, confirm, exit,
    hardware::display,
    host::Kept,
    notify::Notify,
    output,
    progress::{Bar, Waiting},
    tpm,
};
use clap::ValueEnum;
use serde_json::json;
use sigillo_messages::{Words, text};
use sigillo_store::Secret;
use sigillo_vm::{
    Attach, Bundle, Choice, Display, Error, Event, Home, Question, Start, Starter, Status, WhenRecordMissing,
    WhenRolledBack, start,
};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID
    pub(crate) name: String,
    /// Stay until the VM ends; Ctrl-C ends it as pulling the plug would, `vm stop` from elsewhere shuts it down
    #[arg(long)]
    foreground: bool,
    /// Stay, with the guest's serial console on this terminal
    #[arg(long, conflicts_with = "json")]
    serial: bool,
    /// Another screen for this time: none, vnc, spice; vnc:5901 is a port of 127.0.0.1 [default: as vm.toml says]
    #[arg(long, value_name = "KIND", value_parser = display)]
    display: Option<Display>,
    /// What to do when the keychain has no record for the VM's TPM: refuse, ask, or keep its store as a backup and make a new
    /// TPM [default: as the VM or the host says, else ask at a terminal and refuse elsewhere]
    #[arg(long, value_name = "WHAT", value_enum)]
    when_record_missing: Option<Missing>,
    /// What to do when the TPM's store is older than one seen, or a twin of it [default: as the host says, else ask at a terminal
    /// and refuse elsewhere]
    #[arg(long, value_name = "WHAT", value_enum)]
    when_rolled_back: Option<RolledBack>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Missing {
    Refuse,
    Ask,
    New,
}

#[derive(Clone, Copy, ValueEnum)]
enum RolledBack {
    Refuse,
    Ask,
    Accept,
}

/// The person, or the program, that runs the command. All of it on stderr: with --serial, stdout is the guest's.
struct Caller {
    vm: String,
    bar: Bar,
    /// What shows that it goes on; not where the guest's console comes to this terminal.
    waiting: Option<Waiting>,
    quiet: bool,
    accel: Option<&'static str>,
}

impl Caller {
    fn of(vm: &Bundle, attach: Attach) -> Self {
        let vm = vm.name().to_owned();
        Caller { vm, bar: Bar::new(), waiting: None, quiet: attach == Attach::Serial, accel: None }
    }

    fn wait(&mut self) {
        if !self.quiet {
            let name = self.vm.clone();
            self.waiting =
                Some(Waiting::show(move |so_far| text!("waiting-start", name, seconds = so_far.as_secs())));
        }
    }

    /// Says something where the line of waiting stands.
    fn says<T>(&mut self, say: impl FnOnce() -> T) -> T {
        let waited = self.waiting.take().is_some();
        let said = say();
        if waited {
            self.wait();
        }
        said
    }
}

/// Resumes a VM that was suspended for a moment, in the background.
pub(crate) fn start_again(vm: &Bundle) -> Result<(), Failure> {
    let options = Start {
        attach: Attach::Background,
        program: myself()?,
        when_record_missing: Some(WhenRecordMissing::Refuse),
        when_rolled_back: Some(WhenRolledBack::Refuse),
    };
    start(vm, &Kept::find()?.host(), &options, &mut Caller::of(vm, Attach::Background))?;
    Ok(())
}

impl Starter for Caller {
    fn accel(&mut self, choice: &Choice) {
        self.accel = Some(choice.accel.as_str());
        note!(
            "{}",
            text!("start-accelerator", vm = self.vm, accel = choice.accel.as_str(), reason = choice.reason)
        );
        self.wait();
    }

    fn can_answer(&self) -> bool {
        confirm::can_answer()
    }

    fn ask(&mut self, question: &Question) -> bool {
        self.says(|| confirm::ask(&question.to_string()))
    }

    fn told(&mut self, event: &Event) {
        self.says(|| note!("{event}"));
    }

    fn progress(&mut self, step: Words, done: u64, all: u64) {
        // The bar stands in its place.
        self.waiting = None;
        self.bar.at(step, done, all);
    }

    fn runs(&mut self) {
        self.waiting = None;
        if let Some(manager) = Notify::of_this_process() {
            manager.ready();
        }
    }

    fn new_tpm(&mut self, profile: Option<&str>) -> Result<Secret, String> {
        tpm::manufactured(profile).map(|(_, state)| state).map_err(|failure| failure.text)
    }
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let mut vm = home.open(&args.name)?;
    if let Some(display) = args.display {
        vm = vm.with_display(display)?;
    }
    let attach = match (args.serial, args.foreground) {
        (true, _) => Attach::Serial,
        (false, true) => Attach::Foreground,
        (false, false) => Attach::Background,
    };
    let program = myself()?;
    let options = Start {
        attach,
        program,
        when_record_missing: args.when_record_missing.map(|word| match word {
            Missing::Refuse => WhenRecordMissing::Refuse,
            Missing::Ask => WhenRecordMissing::Ask,
            Missing::New => WhenRecordMissing::New,
        }),
        when_rolled_back: args.when_rolled_back.map(|word| match word {
            RolledBack::Refuse => WhenRolledBack::Refuse,
            RolledBack::Ask => WhenRolledBack::Ask,
            RolledBack::Accept => WhenRolledBack::Accept,
        }),
    };
    let kept = Kept::find()?;
    let mut caller = Caller::of(&vm, attach);
    let started = start(&vm, &kept.host(), &options, &mut caller);
    drop(caller.waiting.take());
    let started = started.map_err(|error| match &error {
        Error::Running { name, .. } => {
            let paused = vm.status().is_ok_and(|status| status == Status::Paused);
            let text = if paused { text!("start-paused", ?name) } else { text!("start-runs", ?name) };
            Failure::new(error.code().to_owned(), text)
        }
        _ => error.into(),
    })?;
    match started.ended {
        None => {
            let log = vm.serial_log()?.display().to_string();
            let screen = vm.display_address()?;
            output::report(
                || {
                    json!({
                        "vm": vm.name(),
                        "status": Status::Running.as_str(),
                        "accel": caller.accel,
                        "serial_log": log,
                        "display": screen,
                    })
                },
                || {
                    say!("{}", text!("started", vm = vm.name(), log));
                    if let Some(address) = &screen {
                        say!("{}", text!("its-screen", address));
                    }
                },
            )
        }
        // People saw it end.
        Some(status) if status.success() => output::report(
            || json!({ "vm": vm.name(), "status": Status::Stopped.as_str(), "accel": caller.accel }),
            || {},
        ),
        Some(status) => {
            Err(Failure::new("SIG_ERR_VM_ENDED", text!("qemu-ended", status = exit::in_words(status))))
        }
    }
}

/// The program that has the `worker` command.
fn myself() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|e| Failure::new("SIG_ERR_IO", text!("cannot-find-myself", error = e)))
}
