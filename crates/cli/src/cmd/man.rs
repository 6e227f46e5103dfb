//! `sigillo man [DIR]`: the manual, of the same words as `--help`.
use super::{Cli, Done, Failure, exit, output};
use clap::{Command, CommandFactory};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use serde_json::json;
use sigillo_messages::text;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write sigillo.1 and a page for every command into this directory [default: sigillo.1 to stdout]
    dir: Option<PathBuf>,
}

/// What the environment says, as the commands read it.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("SIGILLO_HOME", "The directory of the virtual machines, where --home is not given."),
    ("SIGILLO_KEYCHAIN_DIR", "The directory of the system keychain, its audit log and its anchors."),
    ("SIGILLO_CONFIG", "The host's policy, in place of /etc/sigillo/host.toml."),
    ("SIGILLO_HOST_TPM", "The host's TPM that seals the keychain's key, in place of /dev/tpmrm0."),
    ("VISUAL, EDITOR", "What vm create --edit opens."),
    (
        "NO_COLOR, CLICOLOR_FORCE",
        "No colours; colours also where there is no terminal. --color goes before both.",
    ),
];

pub(crate) fn run(args: &Args) -> Done {
    // Help has no page of its own, so no page names one.
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(dir) = &args.dir else {
        let mut text = Vec::new();
        page(&command, &mut text).map_err(|error| failed(Path::new("sigillo.1"), &error))?;
        output::text(&text);
        return Ok(ExitCode::SUCCESS);
    };
    fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
    let mut files = Vec::new();
    write_all(&command, dir, &mut files)?;
    output::report(
        || json!({ "files": files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>() }),
        || say!("{}", text!("man-pages", count = files.len(), dir = dir.display())),
    )
}

fn write_all(command: &Command, dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let path = dir.join(format!("{}.1", name(command)));
    let mut text = Vec::new();
    page(command, &mut text).map_err(|error| failed(&path, &error))?;
    fs::write(&path, text).map_err(|error| failed(&path, &error))?;
    files.push(path);
    let shown = |command: &&Command| !command.is_hide_set();
    command.get_subcommands().filter(shown).try_for_each(|command| write_all(command, dir, files))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new("SIG_ERR_IO", text!("man-not-written", path = path.display(), error))
}

/// As in `sigillo-vm-start`.
fn name(command: &Command) -> String {
    command.get_display_name().unwrap_or(command.get_name()).to_owned()
}

fn page(command: &Command, into: &mut Vec<u8>) -> io::Result<()> {
    let man =
        Man::new(command.clone()).manual("sigillo").source(format!("sigillo {}", env!("CARGO_PKG_VERSION")));
    man.render_title(into)?;
    man.render_name_section(into)?;
    man.render_synopsis_section(into)?;
    man.render_description_section(into)?;
    man.render_options_section(into)?;
    if command.has_subcommands() {
        man.render_subcommands_section(into)?;
    }
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for status in exit::TABLE {
        roff.control("TP", []).text([bold(status.number.to_string())]).text([roman(status.meaning)]);
    }
    roff.control("SH", ["ENVIRONMENT"]);
    for (variable, meaning) in ENVIRONMENT {
        roff.control("TP", []).text([bold(*variable)]).text([roman(*meaning)]);
    }
    roff.to_writer(into)
}
