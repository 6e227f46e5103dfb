//! `sigillo keychain provider`.
use super::{Done, Failure, audit};
use crate::cmd::output;
use serde_json::{Value, json};
use sigillo_keychain::audit::Act;
use sigillo_keychain::{ProviderError, ProviderKind, ProviderStatus, SystemKeychain};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    change: Option<Change>,
}

#[derive(clap::Subcommand)]
enum Change {
    /// Seal the system keychain under the key of another provider, and remove the key it had
    Set {
        /// systemd-credential, tpm, systemd-creds or key-file
        #[arg(value_name = "PROVIDER")]
        kind: ProviderKind,
    },
}

fn set(keychain: &SystemKeychain, kind: ProviderKind) -> Done {
    let path = keychain.path();
    audit::log()?.record(
        Act::ProviderChanged,
        &path.display().to_string(),
        &format!("to {}", kind.word()),
    )?;
    let change = keychain.set_provider(kind)?;
    if let Some(why) = change.left_behind {
        note!("the old key is of no use any more and could not be removed: {why}");
    }
    output::report(
        || {
            json!({
                "keychain": path.display().to_string(),
                "provider": kind.word(),
                "before": change.before.map(|before| before.word()),
            })
        },
        || match change.before {
            Some(before) if before == kind => say!("{} had a {kind} already", path.display()),
            Some(before) => say!("{} has a {kind} now; it had a {before}", path.display()),
            None => say!("{} is made; its key is a {kind}", path.display()),
        },
    )
}

pub(super) fn run(keychain: &SystemKeychain, args: &Args) -> Done {
    if let Some(Change::Set { kind }) = args.change {
        return set(keychain, kind);
    }
    let status = keychain.status()?;
    let providers = keychain.providers()?;
    if output::is_json() {
        let list: Vec<Value> = providers
            .iter()
            .map(|provider| {
                let (state, text) = told(provider);
                json!({
                    "provider": provider.kind.word(),
                    "in_use": provider.in_use,
                    "state": state,
                    "about": text,
                })
            })
            .collect();
        let all = json!({
            "keychain": status.path.display().to_string(),
            "provider": status.provider.map(|kind| kind.word()),
            "revision": status.revision,
            "locked": status.locked,
            "providers": list,
        });
        say!("{all}");
        return in_use_works(&providers);
    }
    match status.provider {
        Some(provider) => say!("{} is sealed; its key is a {provider}", status.path.display()),
        None => say!(
            "{} is not there yet; the first provider below that works will seal it",
            status.path.display()
        ),
    }
    if status.locked {
        say!("it is locked; `sigillo keychain unlock` ends that");
    }
    say!("{:3} {:20} {:12} ABOUT", "", "PROVIDER", "STATE");
    for provider in &providers {
        let mark = if provider.in_use { "*" } else { "" };
        let (state, text) = told(provider);
        say!("{mark:3} {:20} {state:12} {text}", provider.kind.word());
    }
    in_use_works(&providers)
}

/// A word and the reason.
fn told(provider: &ProviderStatus) -> (&'static str, String) {
    match &provider.state {
        Ok(text) => ("works", text.clone()),
        Err(error @ ProviderError::Absent(_)) => ("not here", error.to_string()),
        Err(error) => ("broken", error.to_string()),
    }
}

/// Scripts learn by the exit status that the keychain cannot be opened.
fn in_use_works(providers: &[ProviderStatus]) -> Done {
    match providers.iter().find(|provider| provider.in_use) {
        Some(ProviderStatus { kind, state: Err(error), .. }) => {
            let error = sigillo_keychain::KeychainError::KeyUnavailable {
                provider: *kind,
                reason: error.to_string(),
            };
            Err(Failure::from(error))
        }
        Some(_) | None => Ok(ExitCode::SUCCESS),
    }
}
