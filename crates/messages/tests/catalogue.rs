//! The catalogue and the code fit each other: every id that code says is in both languages with the same variables as the code
//! gives, and every message is said somewhere.
use fluent_syntax::{
    ast::{CallArguments, Entry, Expression, InlineExpression, Pattern, PatternElement},
    parser,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// What one language says by one id.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    variables: BTreeSet<String>,
    /// As it stands in the file.
    text: String,
    theme: String,
}

/// Where code says a message, and with which arguments.
#[derive(Debug)]
struct Use {
    id: String,
    arguments: BTreeSet<String>,
    place: String,
}

#[test]
fn both_languages_say_the_same_messages_with_the_same_variables() {
    let (english, italian) = (catalogue("en"), catalogue("it"));
    let mut breaches = Vec::new();
    for (id, message) in &english {
        match italian.get(id) {
            None => breaches.push(format!("{id}: not in Italian")),
            Some(other) => {
                if other.variables != message.variables {
                    breaches.push(format!(
                        "{id}: {:?} in English, {:?} in Italian",
                        message.variables, other.variables
                    ));
                }
                if other.theme != message.theme {
                    breaches.push(format!("{id}: in {} and in {}", message.theme, other.theme));
                }
            }
        }
    }
    breaches.extend(
        italian.keys().filter(|id| !english.contains_key(*id)).map(|id| format!("{id}: not in English")),
    );
    none(&breaches);
}

/// One sentence in English and two in Italian, which has genders (a deleted VM, a deleted record) and more words.
const TWO_IN_ITALIAN: [[&str; 2]; 3] =
    [["deleted", "record-deleted"], ["dir-unwritable", "man-not-written"], ["off", "snapshot-off"]];

#[test]
fn no_sentence_is_in_the_catalogue_twice() {
    let (english, italian) = (catalogue("en"), catalogue("it"));
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let mut twice = Vec::new();
    for (id, message) in &english {
        if let Some(other) = seen.insert(&message.text, id) {
            twice.push([other, id.as_str()]);
        }
    }
    twice.sort_unstable();
    assert_eq!(twice, TWO_IN_ITALIAN);
    let alike =
        |[one, other]: &[&str; 2]| italian.get(*one).unwrap().text == italian.get(*other).unwrap().text;
    assert!(!TWO_IN_ITALIAN.iter().any(alike), "one message is enough where both languages say the same");
}

#[test]
fn code_says_what_is_there_with_the_arguments_it_takes_and_all_of_it() {
    let english = catalogue("en");
    let mut breaches = Vec::new();
    let uses = uses();
    for said in &uses {
        match english.get(&said.id) {
            None => breaches.push(format!("{}: there is no message {:?}", said.place, said.id)),
            Some(message) if message.variables != said.arguments => breaches.push(format!(
                "{}: {} takes {:?} and is given {:?}",
                said.place, said.id, message.variables, said.arguments
            )),
            Some(_) => {}
        }
    }
    let said: BTreeSet<&str> = uses.iter().map(|said| said.id.as_str()).collect();
    breaches.extend(
        english.keys().filter(|id| !said.contains(id.as_str())).map(|id| format!("nothing says {id}")),
    );
    none(&breaches);
}

#[test]
fn every_theme_is_read_by_the_program() {
    let program = fs::read_to_string(crate_dir().join("src/catalogue.rs")).unwrap();
    let themes: Vec<&str> =
        program.split_once("themes![").unwrap().1.split_once(']').unwrap().0.split('"').collect();
    let read: BTreeSet<String> = themes.iter().skip(1).step_by(2).map(|&theme| theme.to_owned()).collect();
    for language in ["en", "it"] {
        let there = files(language).into_iter().map(|(theme, _)| theme).filter(|theme| theme != "help");
        assert_eq!(there.collect::<BTreeSet<_>>(), read, "{language}");
    }
}

fn none(breaches: &[String]) {
    assert!(breaches.is_empty(), "{} breaches:\n  {}", breaches.len(), breaches.join("\n  "));
}

fn crate_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Theme and text of a language's files.
fn files(language: &str) -> Vec<(String, String)> {
    let dir = crate_dir().join("locales").join(language);
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn catalogue(language: &str) -> BTreeMap<String, Message> {
    let mut messages = BTreeMap::new();
    // The English of the help is in the command line's declarations; a test there compares both.
    for (theme, file) in files(language).into_iter().filter(|(theme, _)| theme != "help") {
        let resource = parser::parse(file.as_str())
            .unwrap_or_else(|(_, errors)| panic!("{language}/{theme}.ftl does not parse: {errors:?}"));
        for entry in &resource.body {
            let message = match entry {
                Entry::Message(message) => message,
                Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_) => continue,
                other => panic!("{language}/{theme}.ftl has more than messages: {other:?}"),
            };
            let id = message.id.name.to_owned();
            assert!(message.attributes.is_empty(), "{language}/{theme}.ftl: {id} has attributes");
            let pattern = message.value.as_ref().unwrap_or_else(|| panic!("{id} says nothing"));
            let mut variables = BTreeSet::new();
            variables_of(pattern, &mut variables);
            let text = format!("{pattern:?}");
            let twice = messages.insert(id.clone(), Message { variables, text, theme: theme.clone() });
            assert!(twice.is_none(), "{language}/{theme}.ftl: {id} is there twice");
        }
    }
    messages
}

fn variables_of(pattern: &Pattern<&str>, variables: &mut BTreeSet<String>) {
    for element in &pattern.elements {
        if let PatternElement::Placeable { expression } = element {
            variables_in(expression, variables);
        }
    }
}

fn variables_in(expression: &Expression<&str>, variables: &mut BTreeSet<String>) {
    match expression {
        Expression::Inline(inline) => variable(inline, variables),
        Expression::Select { selector, variants } => {
            variable(selector, variables);
            for variant in variants {
                variables_of(&variant.value, variables);
            }
        }
    }
}

fn variable(inline: &InlineExpression<&str>, variables: &mut BTreeSet<String>) {
    match inline {
        InlineExpression::VariableReference { id } => {
            variables.insert(id.name.to_owned());
        }
        InlineExpression::StringLiteral { .. } | InlineExpression::NumberLiteral { .. } => {}
        InlineExpression::Placeable { expression } => variables_in(expression, variables),
        InlineExpression::FunctionReference { arguments: CallArguments { .. }, .. }
        | InlineExpression::MessageReference { .. }
        | InlineExpression::TermReference { .. } => panic!("a message of its own: {inline:?}"),
    }
}

/// Tables of data that name messages, and what stands before a message's id.
const TABLES: [(&str, &str); 1] = [("vm/src/availability.toml", "says = ")];

/// Everything that the workspace's code says.
fn uses() -> Vec<Use> {
    let mut sources = Vec::new();
    for krate in fs::read_dir(crate_dir().join("..")).unwrap() {
        let krate = krate.unwrap().path();
        // What the catalogue's own tests say, nobody else may say.
        if krate.file_name() != crate_dir().file_name() {
            rust_files(&krate.join("src"), &mut sources);
        }
    }
    let mut uses = Vec::new();
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        let tokens = tokens(&text);
        let at = |index: usize| tokens.get(index).map(|(token, _)| token);
        for (index, (token, line)) in tokens.iter().enumerate() {
            let Token::Word(word) = token else { continue };
            let called = at(index + 1) == Some(&Token::Sign('!')) && at(index + 2) == Some(&Token::Sign('('));
            if !(called && (word == "text" || word == "words")) {
                continue;
            }
            let place = format!("{}:{line}", path.display());
            let Some(Token::Text(id)) = at(index + 3) else { panic!("{place}: {word}! without an id") };
            let arguments = arguments(&tokens[index + 4..]);
            uses.push(Use { id: id.clone(), arguments, place });
        }
    }
    for (table, key) in TABLES {
        let text = fs::read_to_string(crate_dir().join("..").join(table)).unwrap();
        for (line, id) in text.lines().enumerate().filter_map(|(n, line)| Some((n, line.strip_prefix(key)?)))
        {
            let place = format!("{table}:{}", line + 1);
            uses.push(Use { id: id.trim_matches('"').to_owned(), arguments: BTreeSet::new(), place });
        }
    }
    assert!(uses.len() > 100, "the search finds the code");
    uses
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of `text!`'s arguments, from behind its id.
fn arguments(tokens: &[(Token, usize)]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut depth = 0_usize;
    let mut begins = false;
    for (token, _) in tokens {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')') if depth == 0 => break,
            Token::Sign(')' | ']' | '}') => depth -= 1,
            Token::Sign(',') if depth == 0 => {
                begins = true;
                continue;
            }
            Token::Sign('?' | '#') if begins => continue,
            Token::Word(name) if begins => {
                names.insert(name.clone());
            }
            _ => {}
        }
        begins = false;
    }
    names
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

/// A Rust source as words, string literals and signs, each with its line; comments are left out.
fn tokens(source: &str) -> Vec<(Token, usize)> {
    let chars: Vec<char> = source.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let (mut tokens, mut index, mut line) = (Vec::new(), 0, 1);
    while index < chars.len() {
        let start = index;
        match at(index) {
            '/' if at(index + 1) == '/' => {
                while index < chars.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            '/' if at(index + 1) == '*' => {
                index += 2;
                while index < chars.len() && !(at(index) == '*' && at(index + 1) == '/') {
                    index += 1;
                }
                index += 2;
            }
            'r' if at(index + 1) == '"' || (at(index + 1) == '#' && matches!(at(index + 2), '"' | '#')) => {
                index += 1;
                let hashes = chars[index..].iter().take_while(|&&c| c == '#').count();
                index += hashes + 1;
                let closes = |from: usize| at(from) == '"' && (1..=hashes).all(|n| at(from + n) == '#');
                let inside = index;
                while index < chars.len() && !closes(index) {
                    index += 1;
                }
                tokens.push((Token::Text(chars[inside..index].iter().collect()), line));
                index += hashes + 1;
            }
            '"' => {
                index += 1;
                while index < chars.len() && at(index) != '"' {
                    index += if at(index) == '\\' { 2 } else { 1 };
                }
                tokens.push((Token::Text(chars[start + 1..index].iter().collect()), line));
                index += 1;
            }
            // A character, or the name of a lifetime.
            '\'' if at(index + 1) == '\\' => {
                index += 3;
                while index < chars.len() && at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            '\'' if at(index + 2) == '\'' => index += 3,
            c if c.is_alphanumeric() || c == '_' => {
                while at(index).is_alphanumeric() || at(index) == '_' {
                    index += 1;
                }
                tokens.push((Token::Word(chars[start..index].iter().collect()), line));
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push((Token::Sign(c), line));
                }
                index += 1;
            }
        }
        line += chars[start..index.min(chars.len())].iter().filter(|&&c| c == '\n').count();
    }
    tokens
}

#[test]
fn the_search_reads_rust_as_it_is_written() {
    let source = r##"
        // text!("in-a-comment")
        let quoted = "text!(\"in-a-string\")"; let quote = '"'; let other = '\'';
        fn f<'a>(x: &'a str) -> String { text!("first", ?x, count = #x.len(), last = g(x, "y, z = 1")) }
        /* text!("nor-here") */ let w = words!("second"); let raw = r#"words!("no")"#;
    "##;
    let tokens = tokens(source);
    let ids: Vec<&str> = tokens
        .windows(4)
        .filter_map(|window| match window {
            [(Token::Word(_), _), (Token::Sign('!'), _), (Token::Sign('('), _), (Token::Text(id), _)] => {
                Some(id.as_str())
            }
            _ => None,
        })
        .collect();
    assert_eq!(ids, ["first", "second"]);
    let behind = tokens.iter().position(|(token, _)| *token == Token::Text("first".to_owned())).unwrap() + 1;
    let names: Vec<String> = arguments(&tokens[behind..]).into_iter().collect();
    assert_eq!(names, ["count", "last", "x"]);
}
