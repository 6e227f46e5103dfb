//! Records as entries of a KeePass database. No field holds a brace: KeePass and its kin take `{...}` for a reference and put
//! something else in its place.

use sigillo_messages::{Words, words};
use std::collections::BTreeMap;

use keepass::Database;
use keepass::db::{EntryId, EntryTrack, GroupId, fields};
use sigillo_store::{KeyId, Secret};

use crate::record::{MAX_COMMENT_LEN, MAX_HOST_LEN, Record, RecordName};

/// The title is this and the VM's UUID: the record's name without its braces.
const TITLE_PREFIX: &str = "Sigillo.vTPM.";
const USER_NAME: &str = "vTPM";
const KEY_ID: &str = "vtpm.key_id";
const CREATED: &str = "vtpm.created";
const HOST: &str = "vtpm.host";

/// The records of a database; whatever else is in it is the user's own and is left alone.
pub(super) fn records(database: &Database) -> Result<BTreeMap<RecordName, (EntryId, Record)>, Words> {
    let mut records: BTreeMap<RecordName, (EntryId, Record)> = BTreeMap::new();
    for entry in database.iter_all_entries() {
        let Some(name) = entry.get_title().and_then(name_of) else { continue };
        if thrown_away(database, entry.parent().id()) {
            continue;
        }
        let record = parse(name, |field| entry.get(field)).ok_or(words!("kdbx-no-record"))?;
        match records.get(&name) {
            None => drop(records.insert(name, (entry.id(), record))),
            // KeePass allows two entries of one title; which one is meant, only their owner knows.
            Some(_) => {
                return Err(words!("kdbx-two-entries"));
            }
        }
    }
    Ok(records)
}

/// Whether a group is KeePassXC's recycle bin or lies in it.
fn thrown_away(database: &Database, group: GroupId) -> bool {
    let Some(bin) = database.recycle_bin().map(|bin| bin.id()) else { return false };
    let mut at = Some(group);
    // As many steps as there are groups: a damaged tree could lead in a circle.
    for _ in 0..=database.num_groups() {
        match at {
            Some(id) if id == bin => return true,
            Some(id) => at = database.group(id).and_then(|group| group.parent().map(|parent| parent.id())),
            None => return false,
        }
    }
    false
}

fn name_of(title: &str) -> Option<RecordName> {
    let uuid = title.strip_prefix(TITLE_PREFIX)?;
    format!("{TITLE_PREFIX}{{{uuid}}}").parse().ok()
}

fn title_of(name: &RecordName) -> String {
    name.to_string().replace(['{', '}'], "")
}

fn parse<'a>(name: RecordName, field: impl Fn(&str) -> Option<&'a str>) -> Option<Record> {
    let record = Record {
        name,
        key_id: field(KEY_ID)?.trim().parse::<KeyId>().ok()?,
        secret: Secret::from_slice(field(fields::PASSWORD)?.as_bytes()),
        created_unix_s: field(CREATED)?.trim().parse().ok()?,
        host: line(field(HOST).unwrap_or_default(), MAX_HOST_LEN),
        comment: line(field(fields::NOTES).unwrap_or_default(), MAX_COMMENT_LEN),
    };
    record.validate().ok()?;
    Some(record)
}

pub(super) fn insert(database: &mut Database, record: &Record) {
    let mut root = database.root_mut();
    let mut entry = root.add_entry();
    entry.set_unprotected(fields::TITLE, title_of(&record.name));
    entry.set_unprotected(fields::USERNAME, USER_NAME);
    entry.set_unprotected(fields::URL, "");
    for (name, value) in changing(record) {
        entry.set_unprotected(name, value);
    }
    entry.set_protected(fields::PASSWORD, password(record));
}

/// The entry's password becomes part of its history: a mistaken replacement can be taken back in KeePassXC.
pub(super) fn replace(database: &mut Database, id: EntryId, record: &Record) {
    if let Some(mut entry) = database.entry_mut(id) {
        entry.edit_tracking(|entry: &mut EntryTrack<'_>| {
            for (name, value) in changing(record) {
                entry.set_unprotected(name, value);
            }
            entry.set_protected(fields::PASSWORD, password(record));
        });
    }
}

pub(super) fn delete(database: &mut Database, id: EntryId) {
    if let Some(mut entry) = database.entry_mut(id) {
        entry.track_changes().remove();
    }
}

fn changing(record: &Record) -> [(&'static str, String); 4] {
    [
        (fields::NOTES, encode(&record.comment)),
        (KEY_ID, record.key_id.to_string()),
        (CREATED, record.created_unix_s.to_string()),
        (HOST, encode(&record.host)),
    ]
}

/// A valid record's password is ASCII, so nothing is lost here.
fn password(record: &Record) -> String {
    String::from_utf8_lossy(record.secret.expose()).into_owned()
}

/// Text without what KeePass or XML would change: braces, the percent sign that stands for them, spaces at an end, and the two
/// characters that XML does not have.
fn encode(text: &str) -> String {
    let inner = text.trim_matches(' ');
    let begin = text.len() - text.trim_start_matches(' ').len();
    let mut out = "%20".repeat(begin);
    for character in inner.chars() {
        match character {
            '{' | '}' | '%' | '\u{fffe}' | '\u{ffff}' => {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    out.push_str(&format!("%{byte:02X}"));
                }
            }
            other => out.push(other),
        }
    }
    let end = text.len() - begin - inner.len();
    out.push_str(&"%20".repeat(end));
    out
}

/// The other way; a percent sign that stands for nothing, as somebody may type it in KeePassXC, is itself.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = match tail {
            [high, low, tail @ ..] if *first == b'%' => {
                hex(*high).zip(hex(*low)).map(|(h, l)| (h << 4 | l, tail))
            }
            _ => None,
        };
        let (byte, tail) = escaped.unwrap_or((*first, tail));
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// One line of at most `max` bytes: KeePassXC lets people write notes longer than a record's comment.
fn line(text: &str, max: usize) -> String {
    let mut line: String = decode(text).replace(char::is_control, " ");
    while line.len() > max {
        line.pop();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_and_holds_no_brace_on_the_way() {
        for text in ["", " ", "   ", "a {REF:P@I:1} b", "100 % {", " ends ", "ünï\u{ffff}code", "%7B"] {
            let encoded = encode(text);
            assert!(!encoded.contains(['{', '}', '\u{ffff}']), "{encoded}");
            assert_eq!(encoded, encoded.trim());
            assert_eq!(decode(&encoded), text);
        }
    }

    #[test]
    fn what_people_type_in_keepassxc_is_taken_as_one_line() {
        for typed in ["%", "%7", "%zz", "%+1", "100 %"] {
            assert_eq!(decode(typed), typed);
        }
        assert_eq!(line("two\nlines\r\n", 99), "two lines  ");
        assert_eq!(line("üü", 3), "ü");
    }

    #[test]
    fn a_title_is_the_name_without_braces() {
        let name = RecordName::for_vm(&[0xab; 16]);
        assert_eq!(title_of(&name), "Sigillo.vTPM.abababab-abab-abab-abab-abababababab");
        assert_eq!(name_of(&title_of(&name)), Some(name));
        for foreign in ["", "Sigillo.vTPM.", "Sigillo.vTPM.abababab-abab-abab-abab-abababababab - Clone"] {
            assert_eq!(name_of(foreign), None, "{foreign}");
        }
    }
}
