//! Everything sigillo says to a person, in English and Italian: one catalogue, chosen from by locale.
//!
//! The words are in `locales/en` and `locales/it`, one [Fluent](https://projectfluent.org) file a theme; code names a message and
//! gives it what only the code knows:
//!
//! ```
//! use sigillo_messages::{Language, speaking, text};
//!
//! let name = "demo";
//! assert_eq!(text!("vm-not-running", ?name), "VM \"demo\" is not running");
//! let italian = speaking(Language::Italian, || text!("vm-not-running", ?name));
//! assert_eq!(italian, "la VM \"demo\" non è in esecuzione");
//! ```
//!
//! A program chooses its language once, with [`speak`]. Who embeds the libraries and chooses none gets English.
#![forbid(unsafe_code)]

mod catalogue;
mod language;
mod words;

pub use language::{Language, VARIABLE, language, speak, speaking};
pub use words::Words;

use fluent_bundle::{FluentArgs, FluentValue};
use std::fmt::{Debug, Display};

/// The message of an id in the chosen language, as a `String`.
///
/// Arguments are named as the message's variables: `name = value` or `name` for how it displays, `name = ?value` or `?name` for
/// how it shows in quotes (`Debug`), `name = #value` or `#name` for a number, by which a message may choose between singular and
/// plural. A test compares ids and names with the catalogue, so an id is always written out.
#[macro_export]
macro_rules! text {
    ($id:literal $(,)?) => { $crate::say($id, &mut []) };
    ($id:literal, $($arguments:tt)+) => { $crate::text_with!($id, [] $($arguments)+) };
}

/// The inside of [`text!`]: takes one argument after the other.
#[doc(hidden)]
#[macro_export]
macro_rules! text_with {
    ($id:literal, [$($done:tt)*]) => { $crate::say($id, &mut [$($done)*]) };
    ($id:literal, [$($done:tt)*] $name:ident = ? $value:expr $(, $($rest:tt)*)?) => {
        $crate::text_with!($id, [$($done)* (stringify!($name), $crate::Argument::quoted(&$value)),] $($($rest)*)?)
    };
    ($id:literal, [$($done:tt)*] $name:ident = # $value:expr $(, $($rest:tt)*)?) => {
        $crate::text_with!($id, [$($done)* (stringify!($name), $crate::Argument::number(&$value)),] $($($rest)*)?)
    };
    ($id:literal, [$($done:tt)*] $name:ident = $value:expr $(, $($rest:tt)*)?) => {
        $crate::text_with!($id, [$($done)* (stringify!($name), $crate::Argument::shown(&$value)),] $($($rest)*)?)
    };
    ($id:literal, [$($done:tt)*] ? $name:ident $(, $($rest:tt)*)?) => {
        $crate::text_with!($id, [$($done)*] $name = ? $name $(, $($rest)*)?)
    };
    ($id:literal, [$($done:tt)*] # $name:ident $(, $($rest:tt)*)?) => {
        $crate::text_with!($id, [$($done)*] $name = # $name $(, $($rest)*)?)
    };
    ($id:literal, [$($done:tt)*] $name:ident $(, $($rest:tt)*)?) => {
        $crate::text_with!($id, [$($done)*] $name = $name $(, $($rest)*)?)
    };
}

/// A message without arguments as [`Words`]: a value that is put into words only when it is shown.
#[macro_export]
macro_rules! words {
    ($id:literal) => {
        $crate::Words::new($id)
    };
}

/// What is put into a message. Made by [`text!`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Argument(FluentValue<'static>);

/// Up to here every whole number is a Fluent number, which is a double.
const EXACT: u64 = 1 << 53;

impl Argument {
    #[doc(hidden)]
    pub fn shown(value: &(impl Display + ?Sized)) -> Self {
        Self(FluentValue::from(value.to_string()))
    }

    #[doc(hidden)]
    pub fn quoted(value: &(impl Debug + ?Sized)) -> Self {
        Self(FluentValue::from(format!("{value:?}")))
    }

    #[doc(hidden)]
    pub fn number(value: &(impl Count + Display)) -> Self {
        match value.count() {
            Some(exact) if exact <= EXACT => Self(FluentValue::from(exact)),
            // Its digits as they are; a message takes the plural for it, which is right.
            _ => Self::shown(value),
        }
    }
}

/// A number of things.
#[doc(hidden)]
pub trait Count {
    fn count(&self) -> Option<u64>;
}

macro_rules! counts {
    ($($number:ty)*) => {
        $(impl Count for $number {
            fn count(&self) -> Option<u64> {
                (*self).try_into().ok()
            }
        })*
    };
}

counts!(u16 u32 u64 u128 usize i32 i64);

impl<T: Count> Count for &T {
    fn count(&self) -> Option<u64> {
        (*self).count()
    }
}

/// The message that a table of data names: `availability.toml` does. A test compares these tables with the catalogue as well.
#[must_use]
pub fn of_table(id: &str) -> String {
    say(id, &mut [])
}

/// Others' words, as the name of a file or what a program says is, without what would move a terminal's cursor.
#[must_use]
pub fn printable(text: &str) -> String {
    text.replace(char::is_control, "?")
}

/// What `--help` says of a command, by `help-` and its path, where the language has words of its own for it.
#[must_use]
pub fn help(id: &str) -> Option<String> {
    catalogue::say(language(), id, &FluentArgs::new())
}

/// The message of an id. What has no message, which a test excludes, is told by its id.
#[doc(hidden)]
#[must_use]
pub fn say(id: &str, arguments: &mut [(&'static str, Argument)]) -> String {
    let mut given = FluentArgs::with_capacity(arguments.len());
    for (name, argument) in arguments {
        given.set(*name, std::mem::replace(&mut argument.0, FluentValue::None));
    }
    catalogue::say(language(), id, &given)
        .or_else(|| catalogue::say(Language::English, id, &given))
        .unwrap_or_else(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_chooses_the_plural_and_keeps_its_digits() {
        let snapshots = |count: u64| text!("hold-snapshots", #count);
        assert_eq!(snapshots(0), "0 snapshots");
        assert_eq!(snapshots(1), "a snapshot");
        assert_eq!(snapshots(1_234_567), "1234567 snapshots");
        assert_eq!(snapshots(u64::MAX), "18446744073709551615 snapshots");
    }

    #[test]
    fn an_argument_is_never_read_as_a_message() {
        let name = "{ $name } { vm-not-running }\n[one] *[other]";
        assert_eq!(text!("vm-not-running", name), format!("VM {name} is not running"));
    }

    #[test]
    fn others_words_do_not_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2J\n\u{9b}b è"), "a?[2J??b è");
    }

    #[test]
    fn words_are_found_when_they_are_shown() {
        let words = words!("unknown-host");
        assert_eq!(words.to_string(), "an unknown host");
        assert_eq!(speaking(Language::Italian, || words.to_string()), "un host sconosciuto");
    }
}
