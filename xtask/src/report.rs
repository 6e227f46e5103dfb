//! What was checked and how it came out.
use std::time::Instant;

struct Row {
    what: String,
    ok: bool,
    detail: String,
}

/// A list of checks, printed as they come and as a table at the end.
pub(crate) struct Report {
    rows: Vec<Row>,
    /// Checks that held and have no row: they would be hundreds.
    quiet: usize,
    started: Instant,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new(), quiet: 0, started: Instant::now() }
    }

    /// Records one check. Returns whether it held.
    pub(crate) fn check(&mut self, what: impl Into<String>, ok: bool, detail: impl Into<String>) -> bool {
        // One line a check, however much a program said.
        let detail: String =
            detail.into().lines().map(str::trim).collect::<Vec<_>>().join("; ").chars().take(400).collect();
        let row = Row { what: what.into(), ok, detail };
        println!(
            "  {:4} {}{}{}",
            word(ok),
            row.what,
            if row.detail.is_empty() { "" } else { ": " },
            row.detail
        );
        self.rows.push(row);
        ok
    }

    /// Counts a check that held without printing it.
    pub(crate) fn count_passed(&mut self) {
        self.quiet += 1;
    }

    /// Records a check that an operation succeeds.
    pub(crate) fn succeeds<T>(&mut self, what: &str, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => {
                self.check(what, true, "");
                Some(value)
            }
            Err(why) => {
                self.check(what, false, why);
                None
            }
        }
    }

    /// Takes over another report's checks, each named after its part.
    pub(crate) fn absorb(&mut self, part: &str, other: Self) {
        self.quiet += other.quiet;
        self.rows
            .extend(other.rows.into_iter().map(|row| Row { what: format!("{part}: {}", row.what), ..row }));
    }

    pub(crate) fn passed(&self) -> usize {
        self.rows.iter().filter(|row| row.ok).count() + self.quiet
    }

    pub(crate) fn failed(&self) -> usize {
        self.rows.iter().filter(|row| !row.ok).count()
    }

    /// The checks that did not hold, one a line.
    pub(crate) fn print_failures(&self) {
        for row in self.rows.iter().filter(|row| !row.ok) {
            println!("FAIL {}: {}", row.what, row.detail);
        }
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }
}

fn word(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAIL" }
}

/// The short table a person reads at the end.
pub(crate) struct Summary(Vec<(String, String)>);

impl Summary {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn row(&mut self, what: &str, ok: bool, seen: impl Into<String>) {
        let seen = seen.into();
        self.0.push((what.to_owned(), if ok { seen } else { format!("FAILED: {seen}") }));
    }

    pub(crate) fn print(&self) {
        let width = self.0.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        println!("\n| {:width$} | seen |", "what");
        println!("|-{}-|------|", "-".repeat(width));
        for (what, seen) in &self.0 {
            println!("| {what:width$} | {seen} |");
        }
    }
}

/// Octets for people and for programs that read digits.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
