//! A bar for what takes longer than a moment.
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// What is done in less time shows no bar.
const MOMENT: Duration = Duration::from_secs(1);

/// A bar on stderr, where that is a terminal.
pub(super) struct Bar {
    what: &'static str,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Bar {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, began: Instant::now(), bar: None }
    }

    /// So many octets of so many are done.
    pub(super) fn at(&mut self, done: u64, total: u64) {
        if self.bar.is_none() && self.began.elapsed() >= MOMENT {
            let bar = ProgressBar::new(total);
            let style = ProgressStyle::with_template(
                "{msg} [{bar:32}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
            );
            if let Ok(style) = style {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message(self.what);
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
