//! The messages of both languages, as they lie in `locales/`: read when the first one is said.
use crate::Language;
use fluent_bundle::{FluentArgs, FluentResource, concurrent::FluentBundle};
use std::sync::OnceLock;
use unic_langid::LanguageIdentifier;

type Bundle = FluentBundle<FluentResource>;

/// The files of each language, one a theme.
macro_rules! themes {
    ($($theme:literal)*) => {
        const ENGLISH: &[&str] = &[$(include_str!(concat!("../locales/en/", $theme, ".ftl"))),*];
        const ITALIAN: &[&str] = &[$(include_str!(concat!("../locales/it/", $theme, ".ftl"))),*];
    };
}

themes![
    "cli-host" "cli-inspect" "cli-tpm" "cli-usage" "cli-vm" "common" "config" "doctor" "hardware" "identity" "keychain" "keys" "libvirt" "life"
    "server" "store" "vm"
];

/// What `--help` says, where that is not what the command line's declarations say.
const ITALIAN_HELP: &str = include_str!("../locales/it/help.ftl");

/// A message, if this language has it.
pub(crate) fn say(language: Language, id: &str, arguments: &FluentArgs<'_>) -> Option<String> {
    let bundle = bundle(language);
    let pattern = bundle.get_message(id)?.value()?;
    // What cannot be filled in stands in the message by its name; a test excludes it.
    Some(bundle.format_pattern(pattern, Some(arguments), &mut Vec::new()).into_owned())
}

fn bundle(language: Language) -> &'static Bundle {
    static BUNDLES: [OnceLock<Bundle>; 2] = [const { OnceLock::new() }; 2];
    let [english, italian] = &BUNDLES;
    match language {
        Language::English => english.get_or_init(|| read(language, ENGLISH.iter())),
        Language::Italian => italian.get_or_init(|| read(language, ITALIAN.iter().chain([&ITALIAN_HELP]))),
    }
}

fn read<'a>(language: Language, files: impl Iterator<Item = &'a &'a str>) -> Bundle {
    // The plurals of no language would be those of English.
    let plurals: LanguageIdentifier = language.tag().parse().unwrap_or_default();
    let mut bundle = Bundle::new_concurrent(vec![plurals]);
    // Marks of direction around what is filled in would be copied with a path or a command.
    bundle.set_use_isolating(false);
    for file in files {
        // A test excludes errors; a message that is not read is said in English or by its id.
        let resource = FluentResource::try_new((*file).to_owned()).unwrap_or_else(|(whole, _)| whole);
        let _ = bundle.add_resource(resource);
    }
    bundle
}
