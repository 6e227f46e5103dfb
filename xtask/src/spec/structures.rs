//! Part 2: structures, field by field.

use super::{
    Findings,
    source::{Member, Source},
    tables::{self, Entry, plain},
};
use crate::sh::Result;
use std::collections::BTreeMap;

pub(crate) fn compare(source: &Source, findings: &mut Findings) -> Result<()> {
    let mut tables: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
    for entry in tables::part2()?.into_iter().filter(|entry| entry.sort == "field") {
        tables.entry(entry.table).or_default().push(entry);
    }
    for (name, fields) in &tables {
        let with_plus = format!("{name}+");
        let ours: Vec<_> = source
            .types
            .iter()
            .filter(|(_, names)| names.iter().any(|own| own == name || *own == with_plus))
            .map(|(own, _)| own)
            .collect();
        findings.compared += 1;
        if ours.is_empty() {
            findings.add(name, "missing", "no type here has this name".into());
        }
        for own in ours {
            // A buffer, a list, or a union with its selector: what is inside is the type's own matter.
            if let Some(members) = source.fields.get(own) {
                structure(name, fields, members, source, findings);
            }
        }
    }
    Ok(())
}

/// A field that another says: the size of an area, the selector of a union, a tag with one value.
fn is_implied(field: &Entry, fields: &[Entry]) -> bool {
    let (kind, constraint) = split(field);
    matches!(field.name, "size" | "count" | "sizeofSelect")
        || constraint.starts_with("{TPM_ST")
        || (kind == "TPM_ST" && constraint.is_empty())
        || fields.iter().any(|other| split(other).1 == field.name)
}

/// The type, and the selector or range.
fn split(field: &Entry) -> (&'static str, &'static str) {
    field.what.split_once(' ').unwrap_or((field.what, ""))
}

fn structure(name: &str, table: &[Entry], members: &[Member], source: &Source, findings: &mut Findings) {
    let own: Vec<String> = members.iter().map(|member| plain(&member.name)).collect();
    let wanted: Vec<&Entry> =
        table.iter().filter(|field| own.contains(&plain(field.name)) || !is_implied(field, table)).collect();
    let names: Vec<String> = wanted.iter().map(|field| plain(field.name)).collect();
    findings.compare(name, "fields", &own, &names);
    for field in wanted {
        let (kind, _) = split(field);
        let Some(member) = members.iter().find(|member| plain(&member.name) == plain(field.name)) else {
            continue;
        };
        findings.compared += 1;
        if kind != "BYTE" && !source.is(&member.kind, kind) {
            let subject = format!("{name}.{}", field.name);
            findings.add(&subject, "type", format!("{} here, {kind} in the table", member.kind));
        }
    }
}
