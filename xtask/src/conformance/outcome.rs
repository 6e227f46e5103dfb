//! How each test of a suite came out.
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    iter::Sum,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Passed,
    Failed,
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        })
    }
}

/// Test names with their verdicts.
#[derive(Default)]
pub(super) struct Outcomes(BTreeMap<String, Verdict>);

impl Outcomes {
    pub(super) fn add(&mut self, test: impl Into<String>, verdict: Verdict) {
        self.0.insert(test.into(), verdict);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Verdict)> {
        self.0.iter().map(|(test, verdict)| (test.as_str(), *verdict))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn counts(&self) -> Counts {
        let of = |wanted| self.0.values().filter(|verdict| **verdict == wanted).count();
        Counts { passed: of(Verdict::Passed), failed: of(Verdict::Failed), skipped: of(Verdict::Skipped) }
    }
}

/// How many tests came out which way.
pub(super) struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self { passed: 0, failed: 0, skipped: 0 }, |sum, one| Self {
            passed: sum.passed + one.passed,
            failed: sum.failed + one.failed,
            skipped: sum.skipped + one.skipped,
        })
    }
}

/// Tests whose verdicts differ; one that did not run at all has failed.
pub(super) fn differences<'a>(
    ours: &'a Outcomes,
    theirs: &'a Outcomes,
) -> impl Iterator<Item = (&'a str, Verdict, Verdict)> {
    let names: BTreeSet<&str> = ours.iter().chain(theirs.iter()).map(|(test, _)| test).collect();
    names
        .into_iter()
        .map(|test| (test, verdict(ours, test), verdict(theirs, test)))
        .filter(|(_, our, their)| our != their)
}

/// Whether a test ran and came out the same.
pub(super) fn same(ours: &Outcomes, theirs: &Outcomes, test: &str) -> bool {
    ours.0.contains_key(test) && ours.0.get(test) == theirs.0.get(test)
}

fn verdict(outcomes: &Outcomes, test: &str) -> Verdict {
    outcomes.0.get(test).copied().unwrap_or(Verdict::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_did_not_run_differs_from_one_that_passed() {
        let mut ours = Outcomes::default();
        ours.add("a", Verdict::Passed);
        let mut theirs = Outcomes::default();
        theirs.add("a", Verdict::Passed);
        theirs.add("b", Verdict::Passed);
        let found: Vec<_> = differences(&ours, &theirs).collect();
        assert_eq!(found, [("b", Verdict::Failed, Verdict::Passed)]);
        assert!(same(&ours, &theirs, "a"));
        assert!(!same(&ours, &theirs, "b"));
    }
}
