//! The order of the declarations, and the interface types of their handles against Part 3's tables in `data/part3.tsv`. What a declaration says in
//! words and numbers is compared by `cargo xtask spec`.

use sigillo_types::{
    command::{Command, CommandSpec},
    commands, rc,
};
use std::collections::BTreeMap;

const TABLES: &str = include_str!("data/part3.tsv");

/// A command's handles and their interface types.
type Handles = Vec<(&'static str, &'static str)>;

fn rows() -> BTreeMap<&'static str, Handles> {
    TABLES.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

fn row(line: &'static str) -> (&'static str, Handles) {
    let columns: Vec<&str> = line.split('\t').collect();
    let handles = columns[5].split_whitespace().filter(|entry| *entry != "-");
    (columns[0], handles.map(|entry| entry.split_once(':').unwrap()).map(handle).collect())
}

fn handle((name, rest): (&'static str, &'static str)) -> (&'static str, &'static str) {
    (name, rest.split_once(':').unwrap().0)
}

#[test]
fn commands_stand_in_the_order_of_part_3() {
    let clause = |spec: &&CommandSpec| {
        spec.clause.split('.').map(|number| number.parse::<u32>().unwrap()).collect::<Vec<_>>()
    };
    assert!(commands::ALL.is_sorted_by_key(clause));
}

#[test]
fn no_two_declarations_share_a_code_but_those_of_hmac_and_mac() {
    let mut codes: Vec<u32> = commands::ALL.iter().map(|spec| spec.code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), commands::ALL.len() - 2);
    assert_eq!(commands::Hmac::SPEC.code, commands::Mac::SPEC.code);
    assert_eq!(commands::HmacStart::SPEC.code, commands::MacStart::SPEC.code);
}

/// One handle of each kind, and its name in [`accepted`].
const HANDLES: [(u32, &str); 31] = [
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
    (0x1100_0000, "external"),
    (0x11FF_FFFF, "external"),
    (0x1200_0000, "permanent"),
    (0x12FF_FFFF, "permanent"),
    (0x4000_0001, "owner"),
    (0x4000_0007, "null"),
    (0x4000_0009, "-"),
    (0x4000_000A, "lockout"),
    (0x4000_000B, "endorsement"),
    (0x4000_000C, "platform"),
    (0x4000_000D, "-"),
    (0x4000_010F, "-"),
    (0x4000_0110, "act"),
    (0x4000_011F, "act"),
    (0x4000_0120, "-"),
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
        "TPMI_RH_HIERARCHY_AUTH" => "owner platform endorsement lockout",
        "TPMI_RH_HIERARCHY_POLICY" => "owner platform endorsement lockout act",
        "TPMI_RH_ACT" => "act",
        "TPMI_RH_BASE_HIERARCHY" => "owner platform endorsement",
        "TPMI_RH_PLATFORM" => "platform",
        "TPMI_RH_ENDORSEMENT" => "endorsement",
        "TPMI_RH_PROVISION" => "owner platform",
        "TPMI_RH_CLEAR" => "lockout platform",
        "TPMI_RH_NV_AUTH" => "platform owner nv",
        "TPMI_RH_LOCKOUT" => "lockout",
        "TPMI_RH_NV_INDEX" => "nv external permanent",
        "TPMI_RH_NV_DEFINED_INDEX" => "nv external",
        "TPMI_RH_NV_LEGACY_INDEX" => "nv",
        other => panic!("{other} is not in the test's list"),
    };
    let null = kind.ends_with('+').then_some("null");
    kinds.split(' ').chain(null).collect()
}

#[test]
fn a_handle_is_accepted_where_its_interface_type_has_it_and_is_value_elsewhere() {
    let rows = rows();
    for spec in commands::ALL {
        for (handle, (name, kind)) in spec.handles.iter().zip(&rows[spec.name]) {
            // The command's own table has the general type; Part 2, 9.25 and Part 3, table 244 have this one.
            let kind = if spec.name == "TPM2_NV_ReadPublic" { "TPMI_RH_NV_LEGACY_INDEX" } else { *kind };
            for (raw, what) in HANDLES {
                let expected = if accepted(kind).contains(&what) { Ok(()) } else { Err(rc::VALUE) };
                assert_eq!((handle.check)(raw), expected, "{} {name} {raw:#x}", spec.name);
            }
        }
    }
}
