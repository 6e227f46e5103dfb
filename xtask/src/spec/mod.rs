//! `cargo xtask spec`: the declarations in crates/types against the tables of Parts 2 and 3.
//!
//! Both sides become lists of facts; a fact that only one side has, or that differs, is a difference. Each difference is either a mistake or
//! stands in `explained.tsv` with its reason; a line there that explains nothing any more is a mistake too.

mod commands;
mod source;
mod structures;
mod tables;
mod values;

use crate::sh::Result;
use std::{collections::BTreeSet, process::ExitCode};

pub(crate) use tables::{CommandRow, commands as command_rows};

const EXPLAINED: &str = include_str!("explained.tsv");

/// What is not as the tables have it.
struct Difference {
    /// What it is about: `TPM2_Create.inPublic`, `TPM_ST.ATTEST_NV`.
    subject: String,
    /// `missing`, `extra`, or what differs: `value`, `type`, `role`.
    kind: &'static str,
    /// For people.
    detail: String,
}

/// How many facts were compared, and what differs.
#[derive(Default)]
struct Findings {
    compared: usize,
    differences: Vec<Difference>,
}

impl Findings {
    /// Notes a comparison, and a difference if the two are not equal.
    fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        subject: &str,
        kind: &'static str,
        ours: &T,
        table: &T,
    ) {
        self.compared += 1;
        if ours != table {
            self.add(subject, kind, format!("{ours:?} here, {table:?} in the table"));
        }
    }

    fn add(&mut self, subject: &str, kind: &'static str, detail: String) {
        self.differences.push(Difference { subject: subject.to_owned(), kind, detail });
    }
}

/// A line of `explained.tsv`.
struct Explanation {
    subject: &'static str,
    kind: &'static str,
    reason: &'static str,
}

impl Explanation {
    /// A subject that ends with `*` stands for all that begin so.
    fn covers(&self, difference: &Difference) -> bool {
        self.kind == difference.kind
            && match self.subject.strip_suffix('*') {
                Some(start) => difference.subject.starts_with(start),
                None => self.subject == difference.subject,
            }
    }
}

fn explanations() -> Result<Vec<Explanation>> {
    tables::lines(EXPLAINED)
        .map(|line| {
            let [subject, kind, reason] = tables::columns(line)?;
            Ok(Explanation { subject, kind, reason })
        })
        .collect()
}

/// Why a command of Part 3 has no declaration.
pub(crate) fn why_undeclared(command: &str) -> Result<Option<&'static str>> {
    Ok(explanations()?
        .into_iter()
        .find(|line| line.subject == command && line.kind == "missing")
        .map(|line| line.reason))
}

/// What a comparison gives: a line for the report, and what is wrong.
pub(crate) struct Verdict {
    pub(crate) summary: String,
    pub(crate) wrong: Vec<String>,
}

/// Compares everything.
pub(crate) fn verdict() -> Result<Verdict> {
    let source = source::read()?;
    let mut findings = Findings::default();
    commands::compare(&source, &mut findings)?;
    values::compare(&source, &mut findings)?;
    structures::compare(&source, &mut findings)?;

    let explanations = explanations()?;
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    for difference in &findings.differences {
        match explanations.iter().position(|explanation| explanation.covers(difference)) {
            Some(index) => {
                used.insert(index);
            }
            None => wrong.push(format!("{} {}: {}", difference.subject, difference.kind, difference.detail)),
        }
    }
    for (index, line) in explanations.iter().enumerate().filter(|(index, _)| !used.contains(index)) {
        wrong.push(format!("explained.tsv: entry {} ({}) explains nothing", index + 1, line.subject));
    }
    let summary = format!(
        "{} facts compared, {} differences explained by {} lines, {} not explained",
        findings.compared,
        findings.differences.len(),
        used.len(),
        wrong.len()
    );
    Ok(Verdict { summary, wrong })
}

pub(crate) fn run() -> Result<ExitCode> {
    let verdict = verdict()?;
    for line in &verdict.wrong {
        println!("{line}");
    }
    println!("{}", verdict.summary);
    Ok(if verdict.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
