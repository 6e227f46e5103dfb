//! What is known of a TPM as one tree, from which text, JSON and the difference of two come: what one of them leaves out, none
//! of them shows.
use serde_json::{Map, Value, json};
use sigillo_messages::{Words, text};
use sigillo_server::machine::inventory::Fingerprint;

/// A fact, or facts that belong together.
#[derive(Clone, Debug)]
pub(crate) enum Facts {
    /// Shown.
    Is(Value),
    /// Not to be known of this state, in these words; `null` in JSON.
    Unknown(Words),
    /// Compared and never shown.
    Hidden(Option<Fingerprint>),
    /// By name, in the order they are shown.
    Group(Vec<(&'static str, Facts)>),
    /// Things of one kind, each with facts of its own. The name of each is the value of `by`.
    List { by: &'static str, items: Vec<(String, Facts)> },
}

/// Something that two trees do not have in common.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// Where, from the root on.
    pub(crate) path: Vec<String>,
    /// What the first has; `None` if nothing, or nothing that is shown.
    before: Option<Value>,
    /// What the second has.
    after: Option<Value>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Added,
    Removed,
    Changed,
    /// It differs and is not shown.
    Hidden,
}

/// A fact from anything JSON has a form for.
pub(crate) fn is(value: impl Into<Value>) -> Facts {
    Facts::Is(value.into())
}

/// Octets in hexadecimal.
pub(crate) fn octets(octets: &[u8]) -> Facts {
    is(hex(octets))
}

/// Octets in hexadecimal.
pub(crate) fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        // Writing to a String does not fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

impl Facts {
    /// As JSON; `None` for what is not shown.
    pub(crate) fn json(&self) -> Option<Value> {
        Some(match self {
            Facts::Is(value) => value.clone(),
            Facts::Unknown(_) => Value::Null,
            Facts::Hidden(_) => return None,
            Facts::Group(facts) => Value::Object(object(facts)),
            Facts::List { by, items } => Value::Array(
                items
                    .iter()
                    .map(|(name, facts)| {
                        let mut all = Map::from_iter([((*by).to_owned(), json!(name))]);
                        if let Facts::Group(facts) = facts {
                            all.extend(object(facts));
                        }
                        Value::Object(all)
                    })
                    .collect(),
            ),
        })
    }

    /// As lines for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.write(0, &mut lines);
        lines
    }

    fn write(&self, depth: usize, lines: &mut Vec<String>) {
        let indent = "  ".repeat(depth);
        match self {
            Facts::Is(_) | Facts::Unknown(_) | Facts::Hidden(_) => {}
            Facts::Group(facts) => {
                for (name, fact) in facts {
                    let name = words(name);
                    match fact {
                        // What there is not takes no line.
                        Facts::Hidden(_) | Facts::Is(Value::Null) => {}
                        Facts::Unknown(why) => lines.push(format!("{indent}{name:24}  {why}")),
                        Facts::Is(value) => lines.push(format!("{indent}{name:24}  {}", plain(value))),
                        Facts::List { items, .. } if items.is_empty() => {
                            lines.push(format!("{indent}{name:24}  {}", text!("none-there")));
                        }
                        Facts::Group(_) | Facts::List { .. } => {
                            lines.push(format!("{indent}{name}"));
                            fact.write(depth + 1, lines);
                        }
                    }
                }
            }
            Facts::List { items, .. } => {
                for (name, facts) in items {
                    lines.push(format!("{indent}{name}"));
                    facts.write(depth + 1, lines);
                }
            }
        }
    }

    /// What the other has in another way.
    pub(crate) fn changes(&self, other: &Facts) -> Vec<Change> {
        let mut changes = Vec::new();
        compare(Some(self), Some(other), &mut Vec::new(), &mut changes);
        changes
    }

    /// The fact or facts of a name.
    fn get(&self, name: &str) -> Option<&Facts> {
        match self {
            Facts::Group(facts) => facts.iter().find(|(found, _)| *found == name).map(|(_, facts)| facts),
            Facts::List { items, .. } => {
                items.iter().find(|(found, _)| found == name).map(|(_, facts)| facts)
            }
            Facts::Is(_) | Facts::Unknown(_) | Facts::Hidden(_) => None,
        }
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Facts::Group(facts) => facts.iter().map(|(name, _)| *name).collect(),
            Facts::List { items, .. } => items.iter().map(|(name, _)| name.as_str()).collect(),
            Facts::Is(_) | Facts::Unknown(_) | Facts::Hidden(_) => Vec::new(),
        }
    }
}

fn object(facts: &[(&'static str, Facts)]) -> Map<String, Value> {
    facts.iter().filter_map(|(name, facts)| Some(((*name).to_owned(), facts.json()?))).collect()
}

fn compare(a: Option<&Facts>, b: Option<&Facts>, path: &mut Vec<String>, changes: &mut Vec<Change>) {
    let mut note = |before: Option<Value>, after: Option<Value>, kind| {
        changes.push(Change { path: path.clone(), before, after, kind });
    };
    match (a, b) {
        (Some(Facts::Is(a)), Some(Facts::Is(b))) => {
            if a != b {
                note(Some(a.clone()), Some(b.clone()), Kind::Changed);
            }
        }
        (Some(Facts::Hidden(a)), Some(Facts::Hidden(b))) => {
            if a != b {
                note(None, None, Kind::Hidden);
            }
        }
        (Some(Facts::Unknown(_)), Some(Facts::Unknown(_))) => {}
        (
            Some(a @ (Facts::Group(_) | Facts::List { .. })),
            Some(b @ (Facts::Group(_) | Facts::List { .. })),
        ) => {
            let more = b.names().into_iter().filter(|name| a.get(name).is_none());
            for name in a.names().into_iter().chain(more) {
                path.push(name.to_owned());
                compare(a.get(name), b.get(name), path, changes);
                path.pop();
            }
        }
        // Facts of two kinds: what the one can tell the other cannot.
        (Some(a), Some(b)) => note(a.json(), b.json(), Kind::Changed),
        (Some(a), None) => note(a.json(), None, Kind::Removed),
        (None, Some(b)) => note(None, b.json(), Kind::Added),
        (None, None) => {}
    }
}

impl Change {
    /// One line, beginning as those of diff(1) do: `+` only the second has it, `-` only the first, `~` they differ.
    pub(crate) fn line(&self) -> String {
        let path = self.path.iter().map(|name| words(name)).collect::<Vec<_>>().join(" / ");
        let of = |value: &Option<Value>| value.as_ref().map(brief).unwrap_or_default();
        match self.kind {
            Kind::Added => format!("+ {path}: {}", of(&self.after)),
            Kind::Removed => format!("- {path}: {}", of(&self.before)),
            Kind::Changed => format!("~ {path}: {} -> {}", of(&self.before), of(&self.after)),
            Kind::Hidden => text!("change-not-shown", path),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let kind = match self.kind {
            Kind::Added => "added",
            Kind::Removed => "removed",
            Kind::Changed => "changed",
            Kind::Hidden => "changed-not-shown",
        };
        json!({ "path": self.path, "change": kind, "before": self.before, "after": self.after })
    }
}

/// The name of a fact as people read it.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// A value as people read it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => text!("yes"),
        Value::Bool(false) => text!("no"),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => text!("none-there"),
        Value::Array(items) if items.iter().all(Value::is_object) => {
            text!("some-of-them", count = items.len())
        }
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// The same in one line, also of something with facts of its own.
fn brief(value: &Value) -> String {
    match value {
        Value::Object(facts) => {
            let all = facts.iter().filter(|(_, value)| !value.is_null());
            all.map(|(name, value)| format!("{} {}", words(name), brief(value)))
                .collect::<Vec<_>>()
                .join(", ")
        }
        value => plain(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(size: u64) -> (String, Facts) {
        ("0x01500001".to_owned(), Facts::Group(vec![("size", is(size)), ("auth", Facts::Hidden(None))]))
    }

    fn tree(items: Vec<(String, Facts)>, enabled: bool) -> Facts {
        Facts::Group(vec![("enabled", is(enabled)), ("nv_indices", Facts::List { by: "handle", items })])
    }

    #[test]
    fn equal_trees_have_no_difference_and_others_name_it_by_its_path() {
        assert!(tree(vec![index(8)], true).changes(&tree(vec![index(8)], true)).is_empty());
        let lines = |a: &Facts, b: &Facts| a.changes(b).iter().map(Change::line).collect::<Vec<_>>();
        let (none, one, other) =
            (tree(vec![], true), tree(vec![index(8)], true), tree(vec![index(9)], false));
        assert_eq!(lines(&none, &one), ["+ nv indices / 0x01500001: size 8"]);
        assert_eq!(lines(&one, &none), ["- nv indices / 0x01500001: size 8"]);
        assert_eq!(lines(&one, &other), ["~ enabled: yes -> no", "~ nv indices / 0x01500001 / size: 8 -> 9"]);
    }

    #[test]
    fn a_fact_that_only_one_of_two_can_tell_is_a_difference() {
        let group = |facts| Facts::Group(vec![("values", facts)]);
        let (known, unknown) = (
            group(tree(vec![index(8)], true)),
            group(Facts::Unknown(sigillo_messages::words!("not-without-power"))),
        );
        assert!(unknown.changes(&unknown).is_empty());
        assert_eq!(unknown.changes(&known).len(), 1);
        assert_eq!(known.changes(&unknown).len(), 1);
        assert_eq!(unknown.changes(&group(is(true)))[0].line(), "~ values: - -> yes");
        assert_eq!(unknown.lines(), [format!("{:24}  not kept without power", "values")]);
        assert_eq!(unknown.json().unwrap(), json!({ "values": null }));
    }

    #[test]
    fn what_is_hidden_is_in_neither_text_nor_json() {
        let tree = tree(vec![index(8)], true);
        assert_eq!(tree.json().unwrap()["nv_indices"][0], json!({ "handle": "0x01500001", "size": 8 }));
        assert!(!tree.lines().join("\n").contains("auth"));
    }
}
