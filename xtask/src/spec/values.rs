//! Part 2: constants, response codes, algorithm identifiers and attribute bits.

use super::{
    Findings,
    source::{Source, Value},
    tables::{self, Entry, number, plain},
};
use crate::sh::Result;
use sigillo_types::{
    attributes::{NvType, TpmaNv},
    handles::HandleType,
};
use std::collections::BTreeMap;

/// Where a table's values are declared: a module or a type, and what the table's names begin with.
const PLACES: &[(&str, &str, &str)] = &[
    ("st", "TPM_ST", "TPM_ST_"),
    ("pt", "TPM_PT", "TPM_PT_"),
    ("pt_pcr", "TPM_PT_PCR", "TPM_PT_PCR_"),
    ("ps", "TPM_PS", "TPM_PS_"),
    ("cc", "TPM_CC", "TPM_CC_"),
    ("rh", "TPM_RH", "TPM_RH_"),
    ("hc", "TPM_HC", "HR_"),
    ("id", "TPM_ALG_ID", "TPM_ALG_"),
    ("rc", "TPM_RC", "TPM_RC_"),
    ("HashAlg", "TPM_ALG_ID", "TPM_ALG_"),
    ("EccCurve", "TPM_ECC_CURVE", "TPM_ECC_"),
    ("StartupType", "TPM_SU", "TPM_SU_"),
    ("SessionType", "TPM_SE", "TPM_SE_"),
    ("Operation", "TPM_EO", "TPM_EO_"),
    ("ClockAdjust", "TPM_CLOCK_ADJUST", "TPM_CLOCK_"),
    ("Capability", "TPM_CAP", "TPM_CAP_"),
    ("constants", "TPM_CONSTANTS32", "TPM_"),
];

/// Numbers that a function gives; one number has two names where GetCapability reads it otherwise.
const HANDLE_TYPES: [(&str, HandleType); 11] = [
    ("PCR", HandleType::Pcr),
    ("NVINDEX", HandleType::NvIndex),
    ("HMACSESSION", HandleType::HmacSession),
    ("LOADEDSESSION", HandleType::HmacSession),
    ("POLICYSESSION", HandleType::PolicySession),
    ("SAVEDSESSION", HandleType::PolicySession),
    ("EXTERNALNV", HandleType::ExternalNv),
    ("PERMANENTNV", HandleType::PermanentNv),
    ("PERMANENT", HandleType::Permanent),
    ("TRANSIENT", HandleType::Transient),
    ("PERSISTENT", HandleType::Persistent),
];
const NV_TYPES: [(&str, NvType); 6] = [
    ("ORDINARY", NvType::Ordinary),
    ("COUNTER", NvType::Counter),
    ("BITS", NvType::Bits),
    ("EXTEND", NvType::Extend),
    ("PINFAIL", NvType::PinFail),
    ("PINPASS", NvType::PinPass),
];

/// Names of tables that say nothing about a value: ends of ranges and arithmetic of the other entries.
fn is_arithmetic(entry: &Entry) -> bool {
    entry.table == "TPM_RC" && entry.name.starts_with("RC_")
}

pub(crate) fn compare(source: &Source, findings: &mut Findings) -> Result<()> {
    let mut ours: BTreeMap<String, i64> = BTreeMap::new();
    for value in &source.values {
        if let Some(subject) = subject(value)
            && let Some(other) = ours.insert(subject.clone(), value.value)
        {
            findings.compare(&subject, "value", &value.value, &other);
        }
    }
    for (name, kind) in HANDLE_TYPES {
        ours.insert(format!("TPM_HT.{name}"), i64::from(kind.id()));
    }
    for (name, kind) in NV_TYPES {
        ours.insert(format!("TPM_NT.{name}"), i64::from(TpmaNv::empty().with_nt(kind).bits() >> 4));
    }
    let mut table = BTreeMap::new();
    for entry in tables::part2()?.iter().filter(|entry| !is_arithmetic(entry)) {
        let value = match entry.sort {
            "value" => number(entry.what),
            "bits" => bits(entry.what),
            _ => continue,
        };
        table.insert(table_subject(entry), value.ok_or_else(|| format!("no number: {}", entry.what))?);
    }
    for (subject, value) in &table {
        match ours.get(subject) {
            Some(declared) => findings.compare(subject, "value", declared, value),
            None => findings.add(subject, "missing", format!("{value:#x}")),
        }
    }
    for (subject, value) in ours.iter().filter(|(subject, _)| !table.contains_key(*subject)) {
        findings.add(subject, "extra", format!("{value:#x}"));
    }
    Ok(())
}

/// The mask of `3` or `7:3`.
fn bits(what: &str) -> Option<i64> {
    let (high, low) = what.split_once(':').unwrap_or((what, what));
    let (high, low) = (high.parse::<u32>().ok()?, low.parse::<u32>().ok()?);
    let width = high.checked_sub(low)? + 1;
    1_i64.checked_shl(width).map(|power| (power - 1) << low)
}

/// `TPM_ST.ATTESTNV` for a value here; `None` if it belongs to no table.
fn subject(value: &Value) -> Option<String> {
    if value.of.starts_with("Tpma") {
        return Some(format!("TPMA_{}.{}", snake(value.of.get(4..)?), plain(&value.name)));
    }
    let (_, table, start) = PLACES.iter().find(|(place, ..)| *place == value.of)?;
    // The documentation has the specification's spelling where Rust's differs from it.
    let word = value.doc.split([':', ' ']).next().unwrap_or_default();
    let word = word.trim_end_matches('.');
    let name = word
        .strip_prefix(start)
        .or_else(|| word.strip_prefix("TPM2_").filter(|_| *table == "TPM_CC"))
        .or_else(|| value.name.strip_prefix(start))
        .unwrap_or(&value.name);
    Some(format!("{table}.{}", plain(name)))
}

fn table_subject(entry: &Entry) -> String {
    let start = PLACES.iter().find(|(_, table, _)| *table == entry.table).map_or("", |(.., start)| *start);
    let own = format!("{}_", entry.table);
    let name = [start, &own, "TPM_LOC_", "TPM_RS_", "TPM_", "PT_"]
        .into_iter()
        .filter(|prefix| !prefix.is_empty())
        .find_map(|prefix| entry.name.strip_prefix(prefix))
        .filter(|name| !name.is_empty())
        .unwrap_or(entry.name);
    format!("{}.{}", entry.table, plain(name))
}

/// `STARTUP_CLEAR` of `StartupClear`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_uppercase());
    }
    snake
}
