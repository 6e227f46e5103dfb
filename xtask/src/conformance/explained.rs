//! The differences that docs/conformance.md explains: the rows of its one table whose first cell is a suite's name.
use crate::sh::{self, Result, root};

pub(super) struct Explained(Vec<(String, String)>);

impl Explained {
    pub(super) fn read() -> Result<Self> {
        let text = sh::read_file(&root().join("docs/conformance.md"))?;
        Self::parse(&String::from_utf8_lossy(&text))
    }

    /// `| suite | test | sigillo | swtpm | clause | why |`, under the heading `## Differences`.
    fn parse(text: &str) -> Result<Self> {
        let (_, section) = text
            .split_once("\n## Differences\n")
            .ok_or("docs/conformance.md has no section \"Differences\"")?;
        let section = section.split("\n## ").next().unwrap_or(section);
        let mut rows = Vec::new();
        // The first two lines are the table's head.
        for line in section.lines().filter(|line| line.starts_with('|')).skip(2) {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [suite, test, _, _, clause, why] = cells.as_slice() else {
                return Err(format!("docs/conformance.md: not a row of six cells: {line}"));
            };
            if clause.is_empty() || why.is_empty() {
                return Err(format!("docs/conformance.md: no clause or no reason: {line}"));
            }
            rows.push(((*suite).to_owned(), test.trim_matches('`').to_owned()));
        }
        Ok(Self(rows))
    }

    pub(super) fn contains(&self, suite: &str, test: &str) -> bool {
        self.of(suite).any(|known| known == test)
    }

    pub(super) fn of(&self, suite: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == suite).map(|(_, test)| test.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "\n## Differences\n\n| suite | test | sigillo | swtpm | clause | why |\n|---|---|---|---|---|---|\n";

    #[test]
    fn rows_name_a_suite_and_a_test() {
        let page =
            format!("{HEAD}| a | `t::x` | failed | passed | Part 3, 1.2 | because |\n\n## More\n| b | c |\n");
        let explained = Explained::parse(&page).unwrap();
        assert!(explained.contains("a", "t::x"));
        assert!(!explained.contains("b", "c"));
    }

    #[test]
    fn a_row_without_a_reason_is_refused() {
        assert!(Explained::parse(&format!("{HEAD}| a | t | failed | passed | Part 3, 1.2 |  |\n")).is_err());
    }

    #[test]
    fn the_page_itself_is_in_order() {
        Explained::read().unwrap();
    }
}
