//! The facts of the specification, from the data files of crates/types/tests.

use crate::sh::Result;

const PART2: &str = include_str!("../../../crates/types/tests/data/part2.tsv");
const PART3: &str = include_str!("../../../crates/types/tests/data/part3.tsv");

/// A command's table.
pub(crate) struct CommandRow {
    pub(crate) name: &'static str,
    pub(crate) clause: &'static str,
    /// As it is printed.
    pub(crate) code: &'static str,
    pub(crate) no_sessions: bool,
    pub(crate) decorations: Vec<&'static str>,
    pub(crate) handles: Vec<Parameter>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) response_handles: Vec<Parameter>,
    pub(crate) response_parameters: Vec<Parameter>,
    pub(crate) attributes: u32,
}

/// A handle or parameter.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    /// `-` for none.
    pub(crate) role: &'static str,
}

/// A line of Part 2's tables.
pub(crate) struct Entry {
    /// `value`, `bits` or `field`.
    pub(crate) sort: &'static str,
    pub(crate) table: &'static str,
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
}

pub(crate) fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty())
}

pub(crate) fn columns<const N: usize>(line: &'static str) -> Result<[&'static str; N]> {
    line.split('\t').collect::<Vec<_>>().try_into().map_err(|_| format!("not {N} columns: {line}"))
}

fn list(column: &'static str) -> Vec<Parameter> {
    let entries = column.split_whitespace().filter(|entry| *entry != "-");
    entries
        .map(|entry| {
            let mut parts = entry.split(':');
            let mut next = || parts.next().unwrap_or("-");
            Parameter { name: next(), kind: next(), role: next() }
        })
        .collect()
}

/// Every command of Part 3, in its order.
pub(crate) fn commands() -> Result<Vec<CommandRow>> {
    lines(PART3).map(command).collect()
}

fn command(line: &'static str) -> Result<CommandRow> {
    let [
        name,
        clause,
        code,
        sessions,
        decorations,
        handles,
        parameters,
        response_handles,
        response,
        attributes,
    ] = columns(line)?;
    Ok(CommandRow {
        name,
        clause,
        code,
        no_sessions: sessions == "none",
        decorations: list(decorations).into_iter().map(|entry| entry.name).collect(),
        handles: list(handles),
        parameters: list(parameters),
        response_handles: list(response_handles),
        response_parameters: list(response),
        attributes: number(attributes)
            .and_then(|value| u32::try_from(value).ok())
            .ok_or_else(|| format!("no number: {attributes}"))?,
    })
}

/// Every line of Part 2's tables.
pub(crate) fn part2() -> Result<Vec<Entry>> {
    lines(PART2)
        .map(|line| {
            let [sort, table, name, what] = columns(line)?;
            Ok(Entry { sort, table, name, what })
        })
        .collect()
}

/// A decimal, hexadecimal or binary number, as Rust and the tables write it.
pub(crate) fn number(text: &str) -> Option<i64> {
    let plain: String = text.chars().filter(|letter| *letter != '_').collect();
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits.trim()),
        None => (false, plain.as_str()),
    };
    let value = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16)
    } else if let Some(bits) = digits.strip_prefix("0b") {
        i64::from_str_radix(bits, 2)
    } else {
        digits.parse()
    };
    value.ok().map(|value| if negative { -value } else { value })
}

/// A name without what differs between the specification's spelling and Rust's: case and underscores.
pub(crate) fn plain(name: &str) -> String {
    name.chars()
        .filter(|letter| letter.is_ascii_alphanumeric())
        .map(|letter| letter.to_ascii_uppercase())
        .collect()
}
