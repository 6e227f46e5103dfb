//! `sigillo completions SHELL`.
use super::{Cli, Done, output};
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Done {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "sigillo", &mut script);
    output::text(&script);
    Ok(ExitCode::SUCCESS)
}
