//! How far a long step has come, on stderr: nothing for what takes less than a second.
use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

const QUIET: Duration = Duration::from_secs(1);
const TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(10);

/// One line at a terminal, written over; a line now and then elsewhere.
pub(crate) struct Watched {
    began: Option<(&'static str, Instant)>,
    said: Option<Instant>,
    terminal: bool,
}

impl Watched {
    pub(crate) fn new() -> Self {
        Self { began: None, said: None, terminal: io::stderr().is_terminal() }
    }

    /// The step is at `done` of `all` bytes; zero where the end is not known.
    pub(crate) fn at(&mut self, step: &'static str, done: u64, all: u64) {
        let now = Instant::now();
        let began = match self.began {
            Some((current, began)) if current == step => began,
            _ => {
                self.end();
                self.began = Some((step, now));
                now
            }
        };
        let pause = if self.terminal { TERMINAL } else { ELSEWHERE };
        if now.duration_since(began) < QUIET || self.said.is_some_and(|said| now.duration_since(said) < pause)
        {
            return;
        }
        self.said = Some(now);
        let text = line(step, done, all);
        // Whoever closed stderr does not want to know.
        let _ = if self.terminal {
            write!(io::stderr(), "\r{text}\x1b[K")
        } else {
            writeln!(io::stderr(), "{text}")
        };
    }

    /// Ends the line.
    pub(crate) fn end(&mut self) {
        if self.terminal && self.said.is_some() {
            let _ = writeln!(io::stderr());
        }
        (self.began, self.said) = (None, None);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.end();
    }
}

fn line(step: &str, done: u64, all: u64) -> String {
    let mib = |bytes: u64| bytes >> 20;
    match done.saturating_mul(100).checked_div(all) {
        Some(percent) => {
            format!("{step}: {} of {} MiB, {}%", mib(done), mib(all.max(done)), percent.min(100))
        }
        None => format!("{step}: {} MiB", mib(done)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_and_never_more_than_all() {
        assert_eq!(line("copying", 512 << 20, 2048 << 20), "copying: 512 of 2048 MiB, 25%");
        assert_eq!(line("saving", 3 << 20, 1 << 20), "saving: 3 of 3 MiB, 100%");
        assert_eq!(line("saving", 3 << 20, 0), "saving: 3 MiB");
    }
}
