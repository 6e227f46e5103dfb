//! How a command talks: in lines for people, or with `--json` in one value for programs; in colours where they are wanted.
//!
//! What a command reports goes to stdout, everything else to stderr. Whether it is JSON is said once for the process, as colours are:
//! the parts that tell of what they do on the way have no command line to look at.
use super::{Done, Failure, exit, usage};
use anstyle::{AnsiColor, Style};
use clap::{ValueEnum, error::ErrorKind};
use serde_json::{Value, json};
use sigillo_messages::{Language, speak, text};
use std::{
    ffi::OsString,
    fmt::{self, Display},
    io::{self, Write},
    process::ExitCode,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// A line on stdout.
macro_rules! say {
    () => { $crate::cmd::output::line(format_args!("")) };
    ($($words:tt)*) => { $crate::cmd::output::line(format_args!($($words)*)) };
}

/// A line on stderr: what is worth knowing beside that which a command reports.
macro_rules! note {
    ($($words:tt)*) => { $crate::cmd::output::note(format_args!($($words)*)) };
}

static JSON: AtomicBool = AtomicBool::new(false);
/// Why stdout did not take what was said.
static UNWRITTEN: OnceLock<String> = OnceLock::new();

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Report as JSON: one object or array on stdout, and objects on stderr
    #[arg(long, global = true)]
    json: bool,
    /// Whether to use colours; auto is at a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    color: Color,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
enum Color {
    Auto,
    Always,
    Never,
}

impl Options {
    /// From here on the process talks so.
    pub(crate) fn apply(&self) {
        JSON.store(self.json, Ordering::Relaxed);
        let choice = match self.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }

    /// What a command line that cannot be understood asks for all the same.
    fn guess(args: impl Iterator<Item = OsString>) -> Self {
        let mut options = Self { json: false, color: Color::Auto };
        let mut before = OsString::new();
        for arg in args.take_while(|arg| arg != "--") {
            options.json |= arg == "--json";
            let word = match arg.to_str().and_then(|arg| arg.strip_prefix("--color=")) {
                Some(word) => Some(word),
                None if before == "--color" => arg.to_str(),
                None => None,
            };
            if let Some(color) = word.and_then(|word| Color::from_str(word, false).ok()) {
                options.color = color;
            }
            before = arg;
        }
        options
    }
}

/// The language of the person, from the environment; a program is told everything in English. Once, before anything is said: also
/// what stands between words on a command line is complained about in it.
pub(crate) fn choose_language() {
    let json = Options::guess(std::env::args_os()).json;
    speak(if json { Language::English } else { Language::of_environment() });
}

/// Whether the process talks to a program.
pub(crate) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// What a command did or found: the facts, or the same in lines for people.
pub(crate) fn report(facts: impl FnOnce() -> Value, text: impl FnOnce()) -> Done {
    if is_json() {
        say!("{}", facts());
    } else {
        text();
    }
    Ok(ExitCode::SUCCESS)
}

/// For [`say!`].
pub(crate) fn line(words: fmt::Arguments<'_>) {
    written(writeln!(anstream::stdout(), "{words}"));
}

/// How wide a column is, in characters: wide enough for English, and for what stands in it in another language.
pub(crate) fn width(least: usize, cells: impl Iterator<Item = impl Display>) -> usize {
    cells.map(|cell| cell.to_string().chars().count()).fold(least, usize::max)
}

/// A whole file on stdout.
pub(crate) fn text(octets: &[u8]) {
    let mut out = io::stdout().lock();
    written(out.write_all(octets).and_then(|()| out.flush()));
}

/// A reader who had enough, as `head` has, is no failure; a full disk is one, once the command is through.
pub(crate) fn written(result: io::Result<()>) {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            UNWRITTEN.get_or_init(|| error.to_string());
        }
        Ok(()) | Err(_) => {}
    }
}

/// For [`note!`].
pub(crate) fn note(words: fmt::Arguments<'_>) {
    if is_json() {
        to_stderr(json!({ "note": words.to_string() }));
    } else {
        to_stderr(words);
    }
}

/// Nobody can be told that stderr is gone.
fn to_stderr(line: impl Display) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Says what went wrong, under its code.
pub(crate) fn complain(failure: &Failure) {
    if is_json() {
        to_stderr(json!({ "error": { "code": failure.code, "message": failure.text } }));
    } else {
        // Lines of our own, and perhaps words of a QEMU that a guest has taken over.
        let text = failure.text.replace(|c: char| c.is_control() && c != '\n', "?");
        to_stderr(format_args!("sigillo: {}: {text}", paint(BAD, &failure.code)));
    }
}

/// Ends a command: with its status, or that of its failure.
pub(crate) fn end(done: Done) -> ExitCode {
    let failure = match (done, UNWRITTEN.get()) {
        (Ok(status), None) => return status,
        (Err(failure), _) => failure,
        (Ok(_), Some(why)) => {
            let text = text!("report-not-written", why);
            Failure::new("SIG_ERR_IO", text)
        }
    };
    complain(&failure);
    ExitCode::from(exit::status(&failure.code))
}

/// Ends a command line that was not understood, or that asked for help.
pub(crate) fn misused(error: &clap::Error) -> ExitCode {
    Options::guess(std::env::args_os()).apply();
    if !error.use_stderr() {
        written(write!(anstream::stdout(), "{}", usage::help(error)));
        return ExitCode::SUCCESS;
    }
    let text = usage::complaint(error);
    if is_json() {
        let text = anstream::adapter::strip_str(&text).to_string();
        complain(&Failure::new("SIG_ERR_USAGE", text.trim()));
    } else if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        to_stderr(text.trim_end());
    } else {
        to_stderr(format_args!("{} {text}", paint(BAD, text!("usage-error"))));
    }
    ExitCode::from(exit::USAGE)
}

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const AT_REST: Style = AnsiColor::Cyan.on_default();
pub(crate) const PLAIN: Style = Style::new();

/// In a colour, if there are any; a width is that of the text.
pub(crate) fn paint<T: Display>(style: Style, text: T) -> impl Display {
    struct Painted<T>(Style, T);

    impl<T: Display> Display for Painted<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}", self.0)?;
            self.1.fmt(f)?;
            write!(f, "{:#}", self.0)
        }
    }

    Painted(style, text)
}
