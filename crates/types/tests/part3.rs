//! Every declaration against Part 3's tables, which are in `data/part3.tsv`.

use sigillo_types::{
    command::{AuthRole, CommandSpec, FieldSpec},
    commands, rc,
};
use std::collections::BTreeMap;

const TABLES: &str = include_str!("data/part3.tsv");

/// One line of the tables.
struct Row {
    name: &'static str,
    clause: &'static str,
    code: u32,
    no_sessions: bool,
    decorations: Vec<&'static str>,
    handles: Vec<(String, &'static str, &'static str)>,
    parameters: Vec<(String, &'static str)>,
    response_handles: usize,
    response_parameters: Vec<(String, &'static str)>,
    attributes: u32,
}

fn rows() -> BTreeMap<&'static str, Row> {
    TABLES.lines().filter(|line| !line.starts_with('#')).map(row).map(|row| (row.name, row)).collect()
}

fn row(line: &'static str) -> Row {
    let columns: Vec<&str> = line.split('\t').collect();
    let [name, clause, code, sessions, decorations, handles, parameters, response_handle, response, cc] =
        columns.try_into().unwrap();
    Row {
        name,
        clause,
        code: hex(code),
        no_sessions: sessions == "none",
        decorations: list(decorations),
        handles: list(handles).into_iter().map(|entry| handle(entry)).collect(),
        parameters: fields(parameters),
        response_handles: list(response_handle).len(),
        response_parameters: fields(response),
        attributes: hex(cc),
    }
}

fn hex(text: &str) -> u32 {
    u32::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

fn list(column: &'static str) -> Vec<&'static str> {
    column.split_whitespace().filter(|entry| *entry != "-").collect()
}

fn handle(entry: &'static str) -> (String, &'static str, &'static str) {
    let mut parts = entry.split(':');
    (snake_case(parts.next().unwrap()), parts.next().unwrap(), parts.next().unwrap())
}

fn fields(column: &'static str) -> Vec<(String, &'static str)> {
    list(column)
        .into_iter()
        .map(|entry| entry.split_once(':').unwrap())
        .map(|(name, kind)| (snake_case(name), kind))
        .collect()
}

/// The field name that a table's name becomes.
fn snake_case(name: &str) -> String {
    // The one name in which an abbreviation runs into a word.
    if name == "PCRselect" {
        return "pcr_select".into();
    }
    let mut snake = String::new();
    let mut before = ' ';
    for letter in name.chars() {
        if letter.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit()) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
        before = letter;
    }
    snake
}

/// Commands of v185 that have no declaration, each because it needs structures or algorithms that are not there.
const UNDECLARED: [&str; 25] = [
    // CMAC; their codes are those of TPM2_HMAC and TPM2_HMAC_Start.
    "TPM2_MAC",
    "TPM2_MAC_Start",
    // ECDAA, two-phase key exchange.
    "TPM2_Commit",
    "TPM2_EC_Ephemeral",
    "TPM2_ZGen_2Phase",
    // ML-KEM, ML-DSA and the signing sequences made for them.
    "TPM2_Encapsulate",
    "TPM2_Decapsulate",
    "TPM2_SignSequenceStart",
    "TPM2_SignSequenceComplete",
    "TPM2_VerifySequenceStart",
    "TPM2_VerifySequenceComplete",
    "TPM2_SignDigest",
    "TPM2_VerifyDigestSignature",
    // Field upgrade: the host replaces the program.
    "TPM2_FieldUpgradeStart",
    "TPM2_FieldUpgradeData",
    "TPM2_FirmwareRead",
    // External NV and settable capabilities.
    "TPM2_NV_DefineSpace2",
    "TPM2_NV_ReadPublic2",
    "TPM2_SetCapability",
    // Attached components, countdown timers, SPDM.
    "TPM2_AC_GetCapability",
    "TPM2_AC_Send",
    "TPM2_Policy_AC_SendSelect",
    "TPM2_ACT_SetTimeout",
    "TPM2_PolicyTransportSPDM",
    // A vendor's.
    "TPM2_Vendor_TCG_Test",
];

#[test]
fn every_command_of_part_3_is_declared_or_said_not_to_be() {
    let mut declared: Vec<&str> = commands::ALL.iter().map(|spec| spec.name).collect();
    declared.extend(UNDECLARED);
    declared.sort_unstable();
    assert_eq!(declared, rows().into_keys().collect::<Vec<_>>());
}

#[test]
fn commands_stand_in_the_order_of_part_3() {
    let clause = |spec: &&CommandSpec| {
        spec.clause.split('.').map(|number| number.parse::<u32>().unwrap()).collect::<Vec<_>>()
    };
    assert!(commands::ALL.is_sorted_by_key(clause));
}

#[test]
fn no_two_declarations_share_a_code() {
    let mut codes: Vec<u32> = commands::ALL.iter().map(|spec| spec.code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), commands::ALL.len());
}

#[test]
fn a_declaration_says_what_its_table_says() {
    let rows = rows();
    for spec in commands::ALL {
        let row = &rows[spec.name];
        assert_eq!(spec.code, row.code, "{}", spec.name);
        assert_eq!(spec.clause, row.clause, "{}", spec.name);
        assert_eq!(spec.no_sessions, row.no_sessions, "{}", spec.name);
        assert_eq!(spec.attributes(), row.attributes, "{}", spec.name);
        let flags = [("NV", spec.nv), ("E", spec.extensive), ("F", spec.flushed)];
        let declared: Vec<&str> = flags.iter().filter(|flag| flag.1).map(|flag| flag.0).collect();
        assert_eq!(declared, row.decorations, "{}", spec.name);
        assert_eq!(usize::from(spec.response_handle), row.response_handles, "{}", spec.name);
    }
}

#[test]
fn handles_have_the_names_and_roles_of_the_table() {
    let rows = rows();
    for spec in commands::ALL {
        let declared: Vec<(String, &str)> = spec
            .handles
            .iter()
            .map(|handle| {
                let role = match handle.auth {
                    Some(AuthRole::User) => "USER",
                    Some(AuthRole::Admin) => "ADMIN",
                    Some(AuthRole::Dup) => "DUP",
                    None => "-",
                };
                (handle.name.to_owned(), role)
            })
            .collect();
        let table: Vec<(String, &str)> =
            rows[spec.name].handles.iter().map(|(name, _, role)| (name.clone(), *role)).collect();
        assert_eq!(declared, table, "{}", spec.name);
    }
}

#[test]
fn parameters_have_the_names_of_the_table_and_only_a_tpm2b_is_sized() {
    fn declared(fields: &[FieldSpec]) -> Vec<(String, bool)> {
        fields.iter().map(|field| (field.name.to_owned(), field.sized)).collect()
    }
    fn table(fields: &[(String, &str)]) -> Vec<(String, bool)> {
        fields.iter().map(|(name, kind)| (name.clone(), kind.starts_with("TPM2B_"))).collect()
    }
    let rows = rows();
    for spec in commands::ALL {
        let row = &rows[spec.name];
        assert_eq!(declared(spec.parameters), table(&row.parameters), "{}", spec.name);
        assert_eq!(declared(spec.response_parameters), table(&row.response_parameters), "{}", spec.name);
    }
}

/// One handle of each kind, and its name in [`accepted`].
const HANDLES: [(u32, &str); 23] = [
    (0x0000_0000, "pcr"),
    (0x0000_0017, "pcr"),
    (0x0000_0018, "-"),
    (0x0100_0000, "nv"),
    (0x01FF_FFFF, "nv"),
    (0x0200_0000, "hmac"),
    (0x0200_003F, "hmac"),
    (0x0200_0040, "-"),
    (0x0300_0000, "policy"),
    (0x0300_003F, "policy"),
    (0x0300_0040, "-"),
    (0x4000_0001, "owner"),
    (0x4000_0007, "null"),
    (0x4000_0009, "-"),
    (0x4000_000A, "lockout"),
    (0x4000_000B, "endorsement"),
    (0x4000_000C, "platform"),
    (0x4000_000D, "-"),
    (0x8000_0000, "transient"),
    (0x8000_1000, "-"),
    (0x8100_0000, "persistent"),
    (0x81FF_FFFF, "persistent"),
    (0x9000_0000, "-"),
];

/// What Part 2, 9 puts into an interface type; a `+` adds the NULL handle.
fn accepted(kind: &str) -> Vec<&'static str> {
    let kinds = match kind.trim_end_matches('+') {
        "TPMI_DH_OBJECT" => "transient persistent",
        "TPMI_DH_PARENT" => "transient persistent owner platform endorsement null",
        "TPMI_DH_ENTITY" => "owner endorsement platform lockout transient persistent nv pcr",
        "TPMI_DH_PCR" => "pcr",
        "TPMI_SH_HMAC" => "hmac",
        "TPMI_SH_POLICY" => "policy",
        "TPMI_DH_CONTEXT" => "hmac policy transient",
        "TPMI_RH_HIERARCHY" => "owner platform endorsement null",
        "TPMI_RH_HIERARCHY_AUTH" | "TPMI_RH_HIERARCHY_POLICY" => "owner platform endorsement lockout",
        "TPMI_RH_BASE_HIERARCHY" => "owner platform endorsement",
        "TPMI_RH_PLATFORM" => "platform",
        "TPMI_RH_ENDORSEMENT" => "endorsement",
        "TPMI_RH_PROVISION" => "owner platform",
        "TPMI_RH_CLEAR" => "lockout platform",
        "TPMI_RH_NV_AUTH" => "platform owner nv",
        "TPMI_RH_LOCKOUT" => "lockout",
        "TPMI_RH_NV_INDEX" | "TPMI_RH_NV_DEFINED_INDEX" => "nv",
        other => panic!("{other} is not in the test's list"),
    };
    let null = kind.ends_with('+').then_some("null");
    kinds.split(' ').chain(null).collect()
}

#[test]
fn a_handle_is_accepted_where_its_interface_type_has_it_and_is_value_elsewhere() {
    let rows = rows();
    for spec in commands::ALL {
        for (handle, (name, kind, _)) in spec.handles.iter().zip(&rows[spec.name].handles) {
            for (raw, what) in HANDLES {
                let expected = if accepted(kind).contains(&what) { Ok(()) } else { Err(rc::VALUE) };
                assert_eq!((handle.check)(raw), expected, "{} {name} {raw:#x}", spec.name);
            }
        }
    }
}
