//! `sigillo keychain provider`.
use super::{Done, Failure, audit};
use crate::cmd::output;
use serde_json::{Value, json};
use sigillo_keychain::audit::Act;
use sigillo_keychain::{ProviderError, ProviderKind, ProviderStatus, SystemKeychain};
use sigillo_messages::{Words, text, words};
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
        note!("{}", text!("old-key-left", why));
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
            Some(before) if before == kind => {
                say!("{}", text!("provider-had-it", path = path.display(), kind));
            }
            Some(before) => say!("{}", text!("provider-has-now", path = path.display(), kind, before)),
            None => say!("{}", text!("provider-made", path = path.display(), kind)),
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
                    "state": state.to_string(),
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
        Some(provider) => say!("{}", text!("keychain-sealed-by", path = status.path.display(), provider)),
        None => say!("{}", text!("keychain-first-provider", path = status.path.display())),
    }
    if status.locked {
        say!("{}", text!("keychain-how-to-unlock"));
    }
    let (provider, state) = (text!("head-provider"), text!("head-state"));
    say!("{:3} {provider:20} {state:12} {}", "", text!("head-about"));
    for provider in &providers {
        let mark = if provider.in_use { "*" } else { "" };
        let (state, text) = told(provider);
        say!("{mark:3} {:20} {state:12} {text}", provider.kind.word());
    }
    in_use_works(&providers)
}

/// A word and the reason.
fn told(provider: &ProviderStatus) -> (Words, String) {
    match &provider.state {
        Ok(text) => (words!("provider-state-works"), text.clone()),
        Err(error @ ProviderError::Absent(_)) => (words!("provider-state-absent"), error.to_string()),
        Err(error) => (words!("provider-state-broken"), error.to_string()),
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
