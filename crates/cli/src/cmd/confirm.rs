//! Asking the person at the terminal.
use super::{Failure, output};
use sigillo_messages::text;
use std::io::{self, BufRead, IsTerminal};

/// Whether there is a person who can answer. Who wants JSON is none.
pub(super) fn can_answer() -> bool {
    !output::is_json() && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether the person says yes. Without a terminal there is nobody to say it.
pub(super) fn ask(question: &str) -> bool {
    if !can_answer() {
        return false;
    }
    eprint!("{} ", text!("confirm", question));
    let mut answer = String::new();
    // Anything else is no, and so is a terminal that went away. English is understood by every sigillo.
    let said = io::stdin().lock().read_line(&mut answer).is_ok().then(|| answer.trim().to_lowercase());
    said.is_some_and(|said| {
        ["yes", "y"].contains(&said.as_str()) || text!("confirm-answers").split(' ').any(|yes| said == yes)
    })
}

/// Requires a yes, or `--yes` in its place.
pub(super) fn require(yes: bool, question: &str) -> Result<(), Failure> {
    if yes || ask(question) {
        return Ok(());
    }
    Err(Failure::new("SIG_ERR_NOT_CONFIRMED", text!("not-confirmed")))
}
