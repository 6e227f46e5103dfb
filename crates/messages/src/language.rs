//! Which language is spoken.
use std::{cell::Cell, sync::OnceLock};

/// A language there is a catalogue of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English, the language of everybody who asks for none that is here.
    English,
    /// Italian.
    Italian,
}

static CHOSEN: OnceLock<Language> = OnceLock::new();

thread_local! {
    static HERE: Cell<Option<Language>> = const { Cell::new(None) };
}

/// The variable of sigillo's own, before the system's: for a terminal in one language and messages in another.
pub const VARIABLE: &str = "SIGILLO_LANG";

impl Language {
    /// What the environment asks for: the first of `SIGILLO_LANG`, `LC_ALL`, `LC_MESSAGES` and `LANG` that says anything.
    #[must_use]
    pub fn of_environment() -> Self {
        Self::asked_for(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn asked_for(variable: impl Fn(&str) -> Option<String>) -> Self {
        [VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(variable)
            .find(|value| !value.is_empty())
            .map_or(Self::English, |locale| Self::of_locale(&locale))
    }

    /// The language of a locale's name: `it`, `it_IT.UTF-8`, `it_CH`, `it-IT`, `it@euro` are Italian; `C`, `POSIX` and what is not
    /// known are English.
    #[must_use]
    pub fn of_locale(locale: &str) -> Self {
        let language = locale.split(['_', '-', '.', '@']).next().unwrap_or_default();
        if language.eq_ignore_ascii_case("it") { Self::Italian } else { Self::English }
    }

    /// Its two letters, as in a locale's name.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Italian => "it",
        }
    }
}

/// Chooses the language of this process, once, before it says anything. A second call changes nothing.
pub fn speak(language: Language) {
    // Whoever was first has decided: a message half in one language would be worse.
    let _ = CHOSEN.set(language);
}

/// The language spoken here.
#[must_use]
pub fn language() -> Language {
    HERE.get().or_else(|| CHOSEN.get().copied()).unwrap_or(Language::English)
}

/// Does something with this thread speaking another language: logs and `--json` are in English whatever the person reads.
pub fn speaking<T>(language: Language, something: impl FnOnce() -> T) -> T {
    struct Before(Option<Language>);
    impl Drop for Before {
        fn drop(&mut self) {
            HERE.set(self.0);
        }
    }
    let _before = Before(HERE.replace(Some(language)));
    something()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)]) -> Language {
        Language::asked_for(|name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_first_variable_that_says_anything_decides() {
        use Language::{English, Italian};
        assert_eq!(chosen(&[]), English);
        assert_eq!(chosen(&[("LANG", "it_IT.UTF-8")]), Italian);
        assert_eq!(chosen(&[("LANG", "it_IT.UTF-8"), ("LC_MESSAGES", "en_GB.UTF-8")]), English);
        assert_eq!(chosen(&[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "it_CH")]), Italian);
        assert_eq!(chosen(&[("LC_MESSAGES", "it_IT"), ("LC_ALL", "C")]), English);
        assert_eq!(chosen(&[("LANG", "it_IT"), ("LC_ALL", "")]), Italian);
        assert_eq!(chosen(&[("LC_ALL", "it_IT"), ("SIGILLO_LANG", "en")]), English);
        assert_eq!(chosen(&[("LC_ALL", "C"), ("SIGILLO_LANG", "it")]), Italian);
    }

    #[test]
    fn a_locale_that_is_not_known_is_english() {
        for italian in ["it", "IT", "it_IT", "it_IT.UTF-8", "it_CH.utf8", "it-IT", "it@euro"] {
            assert_eq!(Language::of_locale(italian), Language::Italian, "{italian}");
        }
        for other in ["", "C", "C.UTF-8", "POSIX", "en_US.UTF-8", "de_DE", "ita", "i", "_it", "italian-wine"]
        {
            assert_eq!(Language::of_locale(other), Language::English, "{other}");
        }
    }

    #[test]
    fn another_language_is_spoken_only_as_long_as_asked_for() {
        assert_eq!(language(), Language::English);
        let inner = speaking(Language::Italian, || (language(), speaking(Language::English, language)));
        assert_eq!(inner, (Language::Italian, Language::English));
        let _ = std::panic::catch_unwind(|| speaking(Language::Italian, || panic!("on purpose")));
        assert_eq!(language(), Language::English);
    }
}
