//! Part 3: every command's table against its declaration.

use super::{
    Findings,
    source::{Member, Source},
    tables::{self, CommandRow, Parameter, plain},
};
use crate::sh::Result;
use sigillo_types::{
    command::{AuthRole, CommandSpec, FieldSpec},
    commands,
};

pub(crate) fn compare(source: &Source, findings: &mut Findings) -> Result<()> {
    let rows = tables::commands()?;
    for row in &rows {
        match commands::ALL.iter().find(|spec| spec.name == row.name) {
            Some(spec) => command(row, spec, source, findings),
            None => findings.add(row.name, "missing", format!("code {}, clause {}", row.code, row.clause)),
        }
    }
    for spec in commands::ALL.iter().filter(|spec| !rows.iter().any(|row| row.name == spec.name)) {
        findings.add(spec.name, "extra", "no such command in Part 3".into());
    }
    Ok(())
}

fn command(row: &CommandRow, spec: &CommandSpec, source: &Source, findings: &mut Findings) {
    let name = spec.name;
    findings.compare(name, "code", &Some(i64::from(spec.code)), &tables::number(row.code));
    findings.compare(name, "clause", &spec.clause, &row.clause);
    findings.compare(name, "sessions", &spec.no_sessions, &row.no_sessions);
    findings.compare(name, "attributes", &spec.attributes(), &row.attributes);
    let flags = [("NV", spec.nv), ("E", spec.extensive), ("F", spec.flushed)];
    let decorations: Vec<&str> = flags.iter().filter(|flag| flag.1).map(|flag| flag.0).collect();
    findings.compare(name, "decorations", &decorations, &row.decorations);
    findings.compare(
        name,
        "response handles",
        &usize::from(spec.response_handle),
        &row.response_handles.len(),
    );

    let roles: Vec<&str> = spec.handles.iter().map(|handle| role(handle.auth)).collect();
    let table: Vec<&str> = row.handles.iter().map(|handle| handle.role).collect();
    findings.compare(name, "roles", &roles, &table);
    sized(name, spec.parameters, &row.parameters, findings);
    sized(name, spec.response_parameters, &row.response_parameters, findings);

    let Some((declared, response)) = source.commands.get(name) else {
        findings.add(name, "source", "its declaration is not found in the sources".into());
        return;
    };
    let members = source.fields.get(declared).map_or(&[][..], Vec::as_slice);
    fields(name, members, true, &row.handles, source, findings);
    fields(name, members, false, &row.parameters, source, findings);
    let members = source.fields.get(response).map_or(&[][..], Vec::as_slice);
    fields(name, members, true, &row.response_handles, source, findings);
    fields(name, members, false, &row.response_parameters, source, findings);
}

fn role(role: Option<AuthRole>) -> &'static str {
    match role {
        Some(AuthRole::User) => "USER",
        Some(AuthRole::Admin) => "ADMIN",
        Some(AuthRole::Dup) => "DUP",
        None => "-",
    }
}

/// Only a TPM2B can be encrypted in a session: what the derive found must agree with the table's type.
fn sized(name: &str, ours: &[FieldSpec], table: &[Parameter], findings: &mut Findings) {
    let ours: Vec<bool> = ours.iter().map(|field| field.sized).collect();
    let table: Vec<bool> = table.iter().map(|field| field.kind.starts_with("TPM2B_")).collect();
    findings.compare(name, "sized parameters", &ours, &table);
}

fn fields(
    name: &str,
    members: &[Member],
    handles: bool,
    table: &[Parameter],
    source: &Source,
    findings: &mut Findings,
) {
    let ours: Vec<&Member> = members.iter().filter(|member| member.handle == handles).collect();
    let names: Vec<String> = ours.iter().map(|member| plain(&member.name)).collect();
    let wanted: Vec<String> = table.iter().map(|field| plain(field.name)).collect();
    findings.compare(name, if handles { "handles" } else { "parameters" }, &names, &wanted);
    for (member, field) in ours.iter().zip(table) {
        findings.compared += 1;
        if !source.is(&member.kind, field.kind) {
            let subject = format!("{name}.{}", field.name);
            findings.add(&subject, "type", format!("{} here, {} in the table", member.kind, field.kind));
        }
    }
}
