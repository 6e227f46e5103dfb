//! What crates/types declares, read from its sources: named values, types with the specification's name for them, and fields.

use super::tables::number;
use crate::sh::{self, Result, root};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use syn::{Field, Item};

/// A constant, a variant or a bit.
pub(crate) struct Value {
    /// The module, enumeration or attribute word it stands in.
    pub(crate) of: String,
    pub(crate) name: String,
    /// The first line of its documentation.
    pub(crate) doc: String,
    pub(crate) value: i64,
}

/// A field and its type as written.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// `#[handle]`.
    pub(crate) handle: bool,
}

/// Everything that is compared.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) values: Vec<Value>,
    /// Rust's name of a type, and the specification's names that its documentation begins with.
    pub(crate) types: BTreeMap<String, BTreeSet<String>>,
    /// Structures with named fields.
    pub(crate) fields: BTreeMap<String, Vec<Member>>,
    /// A command's name, its structure and its response's.
    pub(crate) commands: BTreeMap<String, (String, String)>,
}

/// Reads every file of the crate.
pub(crate) fn read() -> Result<Source> {
    let mut source = Source::default();
    let mut files = Vec::new();
    collect(&root().join("crates/types/src"), &mut files)?;
    for file in files {
        let text = String::from_utf8_lossy(&sh::read_file(&file)?).into_owned();
        let tokens: TokenStream = text.parse().map_err(|e| format!("{}: {e}", file.display()))?;
        let module = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let mut named = BTreeMap::new();
        walk(tokens, &module, &mut source, &mut named);
        let parsed = syn::parse_file(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        structures(&parsed, &mut source);
    }
    Ok(source)
}

fn collect(directory: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(directory).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    // Values may be named in another file's value: the order must not depend on the file system.
    files.sort();
    Ok(())
}

/// Notes every documented name in `tokens`. Works on tokens, not on syntax, because macros declare as much as items do.
fn walk(tokens: TokenStream, of: &str, source: &mut Source, named: &mut BTreeMap<String, i64>) {
    let mut tokens = tokens.into_iter().peekable();
    let mut doc = String::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(group)) = tokens.peek()
                    && doc.is_empty()
                {
                    doc = documentation(&group.stream());
                }
                tokens.next();
            }
            TokenTree::Ident(word) => match word.to_string().as_str() {
                "pub" | "const" | "struct" | "enum" | "type" | "mod" => {}
                // What an implementation or a macro's definition says is said elsewhere already.
                "impl" | "fn" | "use" | "macro_rules" | "trait" => {
                    for skipped in tokens.by_ref() {
                        let end = match skipped {
                            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                            TokenTree::Punct(punct) => punct.as_char() == ';',
                            _ => false,
                        };
                        if end {
                            break;
                        }
                    }
                    doc.clear();
                }
                name if doc.is_empty() => {
                    // A macro's use: what is in it belongs to where it stands, but for the response codes.
                    if matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == '!') {
                        tokens.next();
                        if let Some(TokenTree::Group(group)) = tokens.next() {
                            walk(group.stream(), if name == "codes" { "rc" } else { of }, source, named);
                        }
                    }
                }
                name => {
                    let said = std::mem::take(&mut doc);
                    let mut assigned: Option<String> = None;
                    for next in tokens.by_ref() {
                        match next {
                            TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | ',') => break,
                            TokenTree::Punct(punct) if punct.as_char() == '=' && assigned.is_none() => {
                                assigned = Some(String::new());
                            }
                            TokenTree::Group(group)
                                if group.delimiter() == Delimiter::Brace && assigned.is_none() =>
                            {
                                walk(group.stream(), name, source, named);
                                break;
                            }
                            other => {
                                if let Some(text) = &mut assigned {
                                    text.push_str(&other.to_string());
                                }
                            }
                        }
                    }
                    let names = said.split(". ").next().map(spec_names).unwrap_or_default();
                    if !names.is_empty() && name.starts_with(|letter: char| letter.is_uppercase()) {
                        source.types.entry(name.to_owned()).or_insert(names);
                    }
                    if let Some(value) = assigned.and_then(|text| evaluate(&text, named)) {
                        named.insert(format!("{of}::{name}"), value);
                        source.values.push(Value {
                            of: of.to_owned(),
                            name: name.to_owned(),
                            doc: said,
                            value,
                        });
                    }
                }
            },
            TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// The text of a `doc` attribute; empty for any other.
fn documentation(attribute: &TokenStream) -> String {
    let mut tokens = attribute.clone().into_iter();
    match (tokens.next(), tokens.next(), tokens.next()) {
        (Some(TokenTree::Ident(word)), Some(_), Some(TokenTree::Literal(text))) if word == "doc" => {
            text.to_string().trim_matches('"').trim().to_owned()
        }
        _ => String::new(),
    }
}

/// The names of the specification in a sentence, such as `TPM2B_PUBLIC+` and `TPMI_ALG_SYM_MODE`.
fn spec_names(sentence: &str) -> BTreeSet<String> {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '+';
    sentence
        .split(|other: char| !letter(other))
        .filter(|word| word.starts_with("TPM") && word.contains('_'))
        .map(str::to_owned)
        .collect()
}

/// Numbers, `1<<3`, `-1` and the names of values before it.
fn evaluate(text: &str, named: &BTreeMap<String, i64>) -> Option<i64> {
    if let Some((one, places)) = text.split_once("<<") {
        return number(one)?.checked_shl(u32::try_from(number(places)?).ok()?);
    }
    number(text).or_else(|| named.get(text).copied())
}

fn structures(file: &syn::File, source: &mut Source) {
    for item in &file.items {
        let Item::Struct(item) = item else { continue };
        let name = item.ident.to_string();
        if !matches!(item.fields, syn::Fields::Named(_)) {
            continue;
        }
        source.fields.insert(name.clone(), item.fields.iter().map(member).collect());
        for attribute in item.attrs.iter().filter(|attribute| attribute.path().is_ident("command")) {
            let mut command = None;
            let mut response = None;
            // An option that is not read here has been checked by the derive.
            let _ = attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    command = Some(meta.value()?.parse::<syn::LitStr>()?.value());
                } else if meta.path.is_ident("response") {
                    response = meta.value()?.parse::<syn::Path>()?.get_ident().map(ToString::to_string);
                } else if let Ok(value) = meta.value() {
                    value.parse::<syn::Lit>()?;
                }
                Ok(())
            });
            if let (Some(command), Some(response)) = (command, response) {
                source.commands.insert(command, (name.clone(), response));
            }
        }
    }
}

fn member(field: &Field) -> Member {
    let kind = &field.ty;
    Member {
        name: field.ident.as_ref().map(ToString::to_string).unwrap_or_default(),
        kind: quote::quote!(#kind).to_string().replace(' ', ""),
        handle: field.attrs.iter().any(|attribute| attribute.path().is_ident("handle")),
    }
}

impl Source {
    /// Whether a field's type as written here is what a table says. A `+` behind the type allows TPM_ALG_NULL or TPM_RH_NULL, which is `Option` here
    /// unless the type has that value itself.
    pub(crate) fn is(&self, written: &str, table: &str) -> bool {
        let plain = table.trim_matches('+');
        let (inner, optional) = match written.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>'))
        {
            Some(inner) => (inner, true),
            None => (written, false),
        };
        let named = |name: &str| match inner {
            "u8" => matches!(name, "UINT8" | "BYTE"),
            "u16" => name == "UINT16",
            "u32" => name == "UINT32",
            "u64" => name == "UINT64",
            "i32" => name == "INT32",
            "Rc" => name == "TPM_RC",
            "bool" => name == "TPMI_YES_NO",
            other => self.types.get(other).is_some_and(|names| names.contains(name)),
        };
        named(table) || (named(plain) && table.contains('+') == optional)
    }
}
