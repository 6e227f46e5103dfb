//! `docs/state-format.md` lists every field of the saved state with its number, as the sources declare it.
//!
//! `SIGILLO_BLESS=1 cargo test -p sigillo-engine --test state_format` writes the list anew; look at what changed: a number that is there
//! never gets another meaning.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The sources that declare saved structures, in the order of the page.
const SOURCES: &[&str] = &[
    "saved/permanent.rs",
    "saved/volatile.rs",
    "state/persistent.rs",
    "state/mod.rs",
    "state/act.rs",
    "state/commit.rs",
    "state/nv.rs",
    "state/object.rs",
    "state/session.rs",
    "tpm.rs",
];
const BEGIN: &str = "<!-- the fields, from the sources: begin -->\n";
const END: &str = "<!-- the fields, from the sources: end -->\n";

/// A structure or enumeration on its way through the parser.
#[derive(Default)]
struct Parser {
    out: String,
    doc: String,
    /// `#[derive(Encode)]` was seen for what comes next.
    is_saved: bool,
    is_transparent: bool,
    /// Inside a saved declaration; `true` for an enumeration.
    inside: Option<bool>,
    /// The variant whose fields come next.
    variant: Option<String>,
    /// Number and form of the field that comes next.
    field: Option<(u32, String)>,
}

impl Parser {
    fn line(&mut self, line: &str) {
        let text = line.trim();
        if let Some(words) = text.strip_prefix("///") {
            self.doc.push_str(words);
        } else if text.starts_with("#[derive(") {
            self.is_saved = text.contains("Encode");
        } else if text.starts_with("#[cbor(transparent)]") {
            self.is_transparent = true;
        } else if self.inside.is_none() {
            self.begin(text);
        } else if line == "}" {
            self.inside = None;
            self.out.push('\n');
        } else if text.starts_with("#[") {
            if let Some(number) = number(text) {
                self.field = Some((number, form(text)));
            }
        } else if let Some((number, form)) = self.field.take() {
            self.row(number, &form, text);
        }
    }

    /// Perhaps the head of a declaration.
    fn begin(&mut self, text: &str) {
        let mut words = text.split_whitespace().skip_while(|word| word.starts_with("pub"));
        let is_enum = match words.next() {
            Some("struct") => false,
            Some("enum") => true,
            _ if text.is_empty() || text.starts_with("#[") => return,
            _ => {
                self.forget();
                return;
            }
        };
        let name = words.next().unwrap_or_default();
        if self.is_saved && !self.is_transparent && text.ends_with('{') {
            let head = if is_enum { "| Number | Variant | Holds | |" } else { "| Number | Field | Form | |" };
            let what = first_sentence(&self.doc);
            write!(self.out, "### `{name}`\n\n{what}\n\n{head}\n|---|---|---|---|\n").unwrap();
            self.inside = Some(is_enum);
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.doc.clear();
        self.is_saved = false;
        self.is_transparent = false;
    }

    fn row(&mut self, number: u32, form: &str, text: &str) {
        let text = text.trim_start_matches("pub(super) ").trim_start_matches("pub(crate) ");
        let is_variant = self.inside == Some(true) && text.starts_with(char::is_uppercase);
        let (name, kind) = if is_variant {
            let name: String = text.chars().take_while(|c| c.is_alphanumeric()).collect();
            let holds =
                text.rsplit_once(")] ").or_else(|| text.rsplit_once(' ')).map_or("", |(_, kind)| kind);
            (name, holds.trim_end_matches(['{', ',', ')']).to_owned())
        } else {
            let (name, kind) = text.split_once(':').unwrap();
            (name.to_owned(), kind.trim().trim_end_matches(',').to_owned())
        };
        let name = match &self.variant {
            Some(variant) if self.inside == Some(true) && !is_variant => format!("{variant}: {name}"),
            _ => name,
        };
        if is_variant {
            self.variant = Some(name.clone());
        }
        let kind = plain(&kind);
        let kind = if kind.is_empty() { String::new() } else { format!("`{kind}`{form}") };
        let doc = first_sentence(&self.doc).replace('|', "\\|");
        writeln!(self.out, "| {number} | `{name}` | {kind} | {doc} |").unwrap();
        self.doc.clear();
    }
}

/// The field's number in `#[n(3)]` or `#[cbor(n(3), with = "...")]`.
fn number(text: &str) -> Option<u32> {
    text.split_once("n(")?.1.split_once(')')?.0.parse().ok()
}

/// How a field that is not simply CBOR of its type lies there.
fn form(text: &str) -> String {
    let with = text.split_once("with = \"").and_then(|(_, rest)| rest.split_once('"')).map(|(with, _)| with);
    match with {
        None | Some("cbor::shared") => "",
        Some("cbor::canonical" | "sensitive") => ", marshalled",
        Some("cbor::canonical_option") => ", marshalled, its NULL form for none",
        Some("cbor::maybe") => ", marshalled, or null",
        Some("minicbor::bytes") => ", one byte string",
        Some("cbor::byte_map") => ", byte strings by number",
        Some("cbor::hasher" | "cbor::hmac") => ", its state as one byte string",
        Some("cbor::hashers") => ", the state of each as a byte string",
        Some(other) => panic!("say in this test how a field with {other} lies there"),
    }
    .to_owned()
}

/// A type without what only the program sees of it.
fn plain(kind: &str) -> String {
    let mut kind = kind.to_owned();
    while let Some((before, rest)) = kind.split_once("Arc<") {
        let (inner, after) = rest.split_once('>').unwrap();
        kind = format!("{before}{inner}{after}");
    }
    kind
}

fn first_sentence(doc: &str) -> String {
    let doc = doc.trim().replace(['[', ']'], "");
    // A full stop, and not that of an ellipsis.
    let end = doc.match_indices(". ").find(|(at, _)| !doc.get(..*at).unwrap_or_default().ends_with('.'));
    end.map_or(doc.as_str(), |(at, _)| doc.get(..=at).unwrap_or_default()).to_owned()
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name)
}

/// Every source that declares a saved structure.
fn declaring(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            declaring(&path, into);
        } else if fs::read_to_string(&path).unwrap().contains("#[cbor(n(") {
            into.push(path);
        }
    }
}

#[test]
fn the_page_lists_the_fields_of_the_saved_state() {
    let mut declared = Vec::new();
    declaring(&source(""), &mut declared);
    for path in declared {
        assert!(SOURCES.iter().any(|name| source(name) == path), "add {} to SOURCES", path.display());
    }
    let mut parser = Parser::default();
    for name in SOURCES {
        fs::read_to_string(source(name)).unwrap().lines().for_each(|line| parser.line(line));
    }
    assert!(parser.out.matches("### ").count() > 15, "{}", parser.out);

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/state-format.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the page has a mark where the fields begin");
    let (listed, after) = rest.split_once(END).expect("and where they end");
    if std::env::var_os("SIGILLO_BLESS").is_some() {
        fs::write(&page, [before, BEGIN, &parser.out, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(
        listed, parser.out,
        "docs/state-format.md is behind the sources; SIGILLO_BLESS=1 cargo test -p sigillo-engine --test \
         state_format writes the list anew"
    );
}
