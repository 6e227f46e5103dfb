//! A bar or a line on stderr for what takes longer than a moment; nothing where that is no terminal, or a program listens.
use super::output;
use indicatif::{ProgressBar, ProgressStyle};
use sigillo_messages::{Words, text};
use std::{
    io::{self, IsTerminal},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// What is done in less time shows no bar.
const MOMENT: Duration = Duration::from_secs(1);

/// The bar of one command, which may have several steps.
#[derive(Default)]
pub(super) struct Bar {
    step: Option<(Words, Instant)>,
    bar: Option<ProgressBar>,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// The step is at `done` of `all` octets; zero where the end is not known.
    pub(super) fn at(&mut self, step: Words, done: u64, all: u64) {
        let now = Instant::now();
        let began = match self.step {
            Some((current, began)) if current == step => began,
            _ => {
                self.end();
                self.step = Some((step, now));
                now
            }
        };
        if self.bar.is_none() && !output::is_json() && now.duration_since(began) >= MOMENT {
            let bar = ProgressBar::new(all);
            let known = text!("progress-known");
            let unknown = "{msg} {bytes}, {bytes_per_sec}".to_owned();
            if let Ok(style) = ProgressStyle::with_template(&if all == 0 { unknown } else { known }) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message(step.to_string());
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_length(all.max(done));
            bar.set_position(done);
        }
    }

    /// Takes it away.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.step = None;
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.end();
    }
}

/// How often a line of waiting is written anew.
const BEAT: Duration = Duration::from_millis(200);

/// A line for what does not say how far it is. It goes when this is dropped.
pub(super) struct Waiting(Option<(Sender<()>, JoinHandle<()>)>);

impl Waiting {
    /// Shows what `says` makes of the time so far, once a moment has gone by.
    pub(super) fn show(says: impl Fn(Duration) -> String + Send + 'static) -> Self {
        if output::is_json() || !io::stderr().is_terminal() {
            return Self(None);
        }
        let (shown, end) = channel();
        let began = Instant::now();
        let line = move || {
            let goes_on = |time| end.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
            if !goes_on(MOMENT) {
                return;
            }
            let bar = ProgressBar::new_spinner();
            loop {
                bar.set_message(says(began.elapsed()));
                bar.tick();
                if !goes_on(BEAT) {
                    return bar.finish_and_clear();
                }
            }
        };
        // Without a thread there is no line, and all else goes on.
        Self(thread::Builder::new().spawn(line).ok().map(|line| (shown, line)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((shown, line)) = self.0.take() {
            drop(shown);
            // It says nothing more once it has ended, however that was.
            let _ = line.join();
        }
    }
}
