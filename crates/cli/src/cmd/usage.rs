//! A command line that was not understood, told in the language of the person: what clap found, in words of the catalogue. And what
//! options' values are read by where clap's own words would be English.
use super::output::{DOUBTFUL, GOOD, paint};
use clap::{
    Error,
    builder::Styles,
    error::{ContextKind, ContextValue, ErrorKind},
};
use sigillo_messages::{Language, language, printable, text};
use std::{error::Error as _, fmt::Display, ops::RangeInclusive, str::FromStr};

/// How large a new disk may be.
pub(super) const DISK_GIB: RangeInclusive<u32> = 1..=65536;

/// Reads a whole number of a range.
pub(super) fn whole<T: FromStr + PartialOrd + Display + Clone>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text: &str| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| text!("usage-whole", least = range.start(), most = range.end()))
    }
}

/// The help that was asked for: its headings are the person's, and with them what stands for words in its first line.
pub(super) fn help(error: &Error) -> String {
    headed(error.render().ansi().to_string())
}

/// What is wrong with a command line, and what would be right; without the word that says that this is an error.
pub(super) fn complaint(error: &Error) -> String {
    let Some(mut said) = sentence(error) else {
        // Help that nobody asked for, and what this program's options cannot do wrong.
        let whole = headed(error.render().ansi().to_string());
        let styles = Styles::default();
        let style = styles.get_error();
        return whole.strip_prefix(&format!("{style}error:{style:#} ")).unwrap_or(&whole).to_owned();
    };
    let similar = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    for there in similar.into_iter().filter_map(|kind| listed(error, kind)) {
        said += &format!("\n\n  {}", text!("usage-similar", there));
    }
    // These are whole sentences of clap's.
    if let Some(ContextValue::StyledStrs(tips)) = error.get(ContextKind::Suggested)
        && language() == Language::English
        && !tips.is_empty()
    {
        let tips: Vec<String> = tips.iter().map(|tip| format!("\n  tip: {}", tip.ansi())).collect();
        said += &format!("\n{}", tips.concat());
    }
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        said += &format!("\n\n{}", headed(usage.ansi().to_string()));
    }
    said + "\n\n" + &text!("usage-more")
}

/// What clap found, where it is something that this program's declarations can lead to.
fn sentence(error: &Error) -> Option<String> {
    let one = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(painted(word)),
        _ => None,
    };
    let arg = || one(ContextKind::InvalidArg);
    let value = || one(ContextKind::InvalidValue);
    Some(match error.kind() {
        ErrorKind::InvalidValue => {
            let none = matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if value.is_empty());
            let said = if none {
                text!("usage-no-value", arg = arg()?)
            } else {
                text!("usage-value", value = value()?, arg = arg()?)
            };
            match listed(error, ContextKind::ValidValue) {
                Some(values) => format!("{said}\n  {}", text!("usage-values", values)),
                None => said,
            }
        }
        ErrorKind::ValueValidation => {
            text!("usage-value-why", value = value()?, arg = arg()?, why = error.source()?)
        }
        ErrorKind::UnknownArgument => text!("usage-unknown-argument", arg = arg()?),
        ErrorKind::InvalidSubcommand => {
            text!("usage-unknown-command", command = one(ContextKind::InvalidSubcommand)?)
        }
        ErrorKind::MissingRequiredArgument => {
            let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
                return None;
            };
            let lines: Vec<String> = missing.iter().map(|arg| format!("\n  {}", paint(GOOD, arg))).collect();
            text!("usage-missing") + &lines.concat()
        }
        ErrorKind::ArgumentConflict => {
            let (arg, other) = (arg()?, listed(error, ContextKind::PriorArg)?);
            if other == arg { text!("usage-twice", arg) } else { text!("usage-conflict", arg, other) }
        }
        ErrorKind::TooManyValues => text!("usage-too-many", value = value()?, arg = arg()?),
        ErrorKind::InvalidUtf8 => text!("usage-not-text"),
        _ => return None,
    })
}

/// One word or several, between commas.
fn listed(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(word) => Some(painted(word)),
        ContextValue::Strings(words) if !words.is_empty() => {
            Some(words.iter().map(|word| painted(word)).collect::<Vec<_>>().join(", "))
        }
        _ => None,
    }
}

/// A person's own word, which may be anything.
fn painted(word: &str) -> String {
    paint(DOUBTFUL, printable(word)).to_string()
}

/// What clap puts above the parts of a help, and for words in the line of a usage, in the language of the person.
fn headed(text: String) -> String {
    if language() == Language::English {
        return text;
    }
    let styles = Styles::default();
    let heading = |text: String, english: &str, ours: String| {
        [styles.get_header(), styles.get_usage()].iter().fold(text, |text, style| {
            text.replace(&format!("{style}{english}:{style:#}"), &format!("{style}{ours}:{style:#}"))
        })
    };
    let text = heading(text, "Usage", text!("heading-usage"));
    let text = heading(text, "Commands", text!("heading-commands"));
    let text = heading(text, "Arguments", text!("heading-arguments"));
    let text = heading(text, "Options", text!("heading-options"));
    text.replace("Print this message or the help of the given subcommand(s)", &text!("heading-help"))
        .replace("[OPTIONS]", &text!("heading-some-options"))
        .replace("<COMMAND>", &text!("heading-a-command"))
        .replace("[COMMAND]", &text!("heading-some-command"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use sigillo_messages::speaking;

    fn found(line: &str) -> Error {
        super::super::Cli::command().try_get_matches_from(line.split(' ')).unwrap_err()
    }

    fn said(language: Language, line: &str) -> String {
        speaking(language, || anstream::adapter::strip_str(&complaint(&found(line))).to_string())
    }

    /// Command lines that are wrong in every way there is.
    const WRONG: &[&str] = &[
        "sigillo vm start",
        "sigillo vm strat demo",
        "sigillo vm start demo --seral",
        "sigillo vm start demo --color mauve",
        "sigillo vm start demo --color",
        "sigillo vm start demo --foreground=yes",
        "sigillo vm start demo --display gtk",
        "sigillo vm start demo --serial --json",
        "sigillo vm start demo --display vnc --display vnc",
        "sigillo vm create demo --memory 3",
        "sigillo vm stop demo --yes",
        "sigillo vm stop demo --timeout soon",
        "sigillo vm start one two",
    ];

    #[test]
    fn no_complaint_is_left_to_clap_or_mixes_languages() {
        for line in WRONG {
            assert!(sentence(&found(line)).is_some(), "{line}: {:?}", found(line).kind());
            let italian = said(Language::Italian, line);
            for english in
                ["Usage", "OPTIONS", "COMMAND", " the ", "value", "found", "For more", "similar", "tip"]
            {
                assert!(!italian.contains(english), "{line}: {english}: {italian}");
            }
        }
    }

    #[test]
    fn a_complaint_names_what_is_wrong_and_what_would_be_right() {
        let all = |line: &str, words: &[&str]| {
            for language in [Language::English, Language::Italian] {
                let said = said(language, line);
                assert!(words.iter().all(|word| said.contains(word)), "{said}");
            }
        };
        all("sigillo vm strat demo", &["'strat'", " start", "--help"]);
        all("sigillo vm start demo --seral", &["'--seral'", ": --serial\n"]);
        all("sigillo vm start demo --color mauve", &["'mauve'", "'--color <WHEN>'", "auto, always, never"]);
        all("sigillo vm create demo --memory 3", &["'3'", "'--memory <MEMORY>'", "16", "4194304"]);
        all("sigillo vm start", &["<NAME>", "sigillo vm start"]);
        all("sigillo vm start demo --serial --json", &["'--serial'", "'--json'"]);
    }

    #[test]
    fn what_a_person_wrote_does_not_move_the_cursor() {
        let error =
            super::super::Cli::command().try_get_matches_from(["sigillo", "a\u{1b}[2Jb"]).unwrap_err();
        assert!(!complaint(&error).contains("\u{1b}[2J"));
    }

    #[test]
    fn headings_of_a_help_are_in_the_language_of_the_person() {
        let help_of = |language| speaking(language, || help(&found("sigillo vm start --help")));
        let strip = |text: String| anstream::adapter::strip_str(&text).to_string();
        let (english, italian) = (strip(help_of(Language::English)), strip(help_of(Language::Italian)));
        assert!(
            english.contains("\nUsage: sigillo vm start [OPTIONS] <NAME>")
                && english.contains("\nOptions:\n")
        );
        assert!(italian.contains("\nUso: sigillo vm start [OPZIONI] <NAME>"), "{italian}");
        assert!(italian.contains("\nArgomenti:\n") && italian.contains("\nOpzioni:\n"), "{italian}");
        assert!(!italian.contains("Options:") && !italian.contains("Usage:"), "{italian}");
    }
}
