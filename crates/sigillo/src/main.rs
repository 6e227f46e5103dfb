//! The program. Nothing stands here but its start: the linker's optimiser takes its measure from this crate, and the command line is for size.
//! docs/adr/0031-size-and-sessions.md

use std::process::ExitCode;

fn main() -> ExitCode {
    sigillo_cli::main()
}
