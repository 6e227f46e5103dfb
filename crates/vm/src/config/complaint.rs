//! What a TOML file of ours says that it cannot: its line, and words of our own for what the parser found.
use sigillo_messages::{printable, text};

/// Longer values are not repeated whole. Characters.
const SHOWN: usize = 40;

/// A sentence for a person, with the line where there is one.
pub(crate) fn complaint(file: &str, error: &toml::de::Error) -> String {
    // Names and values are as the file has them.
    printable(&told(file, error))
}

fn told(file: &str, error: &toml::de::Error) -> String {
    let found = error.span().and_then(|span| file.get(span)).map(shown).filter(|found| !found.is_empty());
    let what = in_our_words(error.message(), found.as_deref()).unwrap_or_else(|| {
        let says = error.message().lines().collect::<Vec<_>>().join(", ");
        text!("config-parser-says", says)
    });
    match error.span() {
        Some(span) => {
            let line = file.bytes().take(span.start).filter(|b| *b == b'\n').count() + 1;
            text!("config-line", line, what)
        }
        None => what,
    }
}

/// The parser's errors are sentences alone, so these are told by how they begin; others are repeated as they are.
fn in_our_words(says: &str, found: Option<&str>) -> Option<String> {
    if let Some(rest) = says.strip_prefix("unknown field ") {
        return match names(rest).split_first() {
            Some((key, known)) if !known.is_empty() => {
                Some(text!("config-key-unknown", key, known = known.join(", ")))
            }
            _ => None,
        };
    }
    if let Some(rest) = says.strip_prefix("missing field ") {
        return names(rest).first().map(|key| text!("config-key-missing", key));
    }
    let found = found?;
    if says == "duplicate key" {
        return Some(text!("config-key-twice", key = found));
    }
    if says.starts_with("UUID parsing failed") {
        return Some(text!("config-wanted", found, wanted = text!("config-wants-uuid")));
    }
    if let Some(rest) = says.strip_prefix("unknown variant ") {
        let known = names(rest).get(1..)?.join(", ");
        return (!known.is_empty()).then(|| text!("config-value-unknown", found, known));
    }
    if says.starts_with("invalid type: ") || says.starts_with("invalid value: ") {
        let (_, wanted) = says.rsplit_once(", expected ")?;
        return Some(text!("config-wanted", found, wanted = wanted_in_words(wanted)?));
    }
    None
}

/// What is wanted, by what the parser calls it.
fn wanted_in_words(wanted: &str) -> Option<String> {
    let number = |most: u64| text!("config-wants-number", most);
    Some(match wanted {
        "u8" => number(u8::MAX.into()),
        "u16" => number(u16::MAX.into()),
        "u32" => number(u32::MAX.into()),
        "u64" => number(u64::MAX),
        "a boolean" => text!("config-wants-boolean"),
        "a string" | "path string" => text!("config-wants-text"),
        "a formatted UUID string" => text!("config-wants-uuid"),
        "a sequence" => text!("config-wants-list"),
        "a map" => text!("config-wants-table"),
        other if other.starts_with("struct ") => text!("config-wants-table"),
        _ => return None,
    })
}

/// What stands between backticks.
fn names(says: &str) -> Vec<&str> {
    says.split('`').skip(1).step_by(2).collect()
}

/// The beginning of a value as it stands in the file.
fn shown(value: &str) -> String {
    let line = value.lines().next().unwrap_or_default();
    let mut shown: String = line.chars().take(SHOWN).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use crate::{Config, HostPolicy};
    use sigillo_messages::{Language, speaking};

    const GOOD: &str = "version = 1\nuuid = \"a6a5e09e-3d1b-4c3c-9f0c-0e0f9a4a0001\"\nname = \"demo\"\nguest = \"linux\"\n\
        firmware = \"uefi\"\nsecure_boot = true\nmemory_mib = 512\ncpus = 1\n[[disks]]\npath = \"disk0.img\"\nformat = \"raw\"\n";

    #[test]
    fn what_the_parser_finds_is_told_in_our_words() {
        for (from, to, says) in [
            ("cpus = 1", "cpus = \"two\"", "line 8: \"two\" is not a whole number from 0 to 4294967295"),
            ("cpus = 1", "cpus = -1", "line 8: -1 is not a whole number from 0 to 4294967295"),
            ("cpus = 1", "cpus = 99999999999999999999", "line 8: 99999999999999999999 is not a whole number"),
            ("cpus = 1", "cpus = [1]", "line 8: [1] is not a whole number"),
            ("cpus = 1", "cpus = 1\ncpus = 2", "line 9: cpus is there twice"),
            ("cpus = 1\n", "", "line 1: the key cpus is missing"),
            ("cpus = 1", "cpus = 1\ncolour = 2", "line 9: there is no key colour; there are version, uuid,"),
            ("\"linux\"", "\"xp\"", "line 4: \"xp\" is none of windows-11, windows-10,"),
            ("\"demo\"", "3", "line 3: 3 is not a text in quotes"),
            ("\"disk0.img\"", "3", "line 10: 3 is not a text in quotes"),
            ("secure_boot = true", "secure_boot = 1", "line 6: 1 is not true or false"),
            ("[[disks]]", "[disks]", "line 9: [disks] is not a list"),
            ("a6a5e09e-", "zz-", "line 2: \"zz-3d1b-4c3c-9f0c-0e0f9a4a0001\" is not a UUID"),
            ("cpus = 1", "cpus", "line 8: the TOML parser says: "),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = Config::parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(error.starts_with(says), "{to}: {error}");
        }
    }

    #[test]
    fn a_value_that_is_long_or_has_lines_is_told_by_its_beginning() {
        let long = GOOD.replace("cpus = 1", &format!("cpus = \"{}\"", "ä".repeat(100)));
        let error = Config::parse(&long).unwrap_err();
        assert!(error.starts_with(&format!("line 8: \"{}… is not", "ä".repeat(39))), "{error}");
        let lines = GOOD.replace("cpus = 1", "cpus = [\n1,\n2]");
        assert!(Config::parse(&lines).unwrap_err().starts_with("line 8: [… is not a whole number"));
    }

    #[test]
    fn the_hosts_file_is_complained_about_in_the_same_words() {
        let said = |text: &str| HostPolicy::parse(text).unwrap_err();
        assert!(said("\nmay_add = 1").starts_with("line 2: there is no key may_add; there are tpm, "));
        assert!(said("[tpm]\nmay_add = 1").starts_with("line 2: 1 is not true or false"));
        assert!(said("[vms.x]\n").starts_with("line 1: x is not a UUID"), "{}", said("[vms.x]\n"));
        let italian = speaking(Language::Italian, || said("keychain = \"x\""));
        assert_eq!(italian, "riga 1: \"x\" non è fra i valori possibili: system, secret-service");
    }
}
