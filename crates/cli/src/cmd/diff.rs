//! `sigillo tpm diff A B`: what two TPMs at rest do not have in common. Ends as diff(1) does: 0 they are the same, 1 they differ, 2 or more trouble.
use super::{
    Failure, exit,
    inspect::{KeyArgs, Seen, facts::Change},
    keychain,
    output::{self, complain},
};
use serde_json::{Value, json};
use sigillo_keychain::Keychain;
use sigillo_messages::text;
use sigillo_store::Key;
use sigillo_vm::Home;
use std::{path::Path, process::ExitCode};

const DIFFERENT: u8 = 1;
const TROUBLE: u8 = 2;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A VM that is off, by its name or UUID, or a store's file
    a: String,
    /// What it is compared with
    b: String,
    #[command(flatten)]
    key: KeyArgs,
}

pub(crate) fn run(home: &Home, args: &Args) -> ExitCode {
    match compare(home, args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(DIFFERENT),
        Err(failure) => {
            complain(&failure);
            ExitCode::from(exit::status(&failure.code).max(TROUBLE))
        }
    }
}

/// Whether they are the same.
fn compare(home: &Home, args: &Args) -> Result<bool, Failure> {
    let keychain = keychain::of_host()?;
    let key = args.key.ask()?;
    let a = look(home, &args.a, keychain.as_ref(), key.as_ref())?;
    let b = look(home, &args.b, keychain.as_ref(), key.as_ref())?;
    let changes = a.tpm_facts().changes(&b.tpm_facts());
    let another = changes.iter().any(|change| change.path == ["identity"]);
    if output::is_json() {
        let list: Vec<Value> = changes.iter().map(Change::json).collect();
        say!("{}", json!({ "a": a.head(), "b": b.head(), "same_tpm": !another, "changes": list }));
    } else if !changes.is_empty() {
        say!("--- {}", a.head());
        say!("+++ {}", b.head());
        if another {
            say!("{}", text!("two-tpms"));
        }
        changes.iter().for_each(|change| say!("{}", change.line()));
    }
    Ok(changes.is_empty())
}

/// A path is a store's file; anything else is a VM if there is one of that name.
fn look(home: &Home, what: &str, keychain: &dyn Keychain, key: Option<&Key>) -> Result<Seen, Failure> {
    let path = Path::new(what);
    if what.contains('/') {
        return Seen::of_file(home, path, keychain, key);
    }
    match home.open(what) {
        Ok(vm) => Seen::of_vm(home, &vm, keychain, key),
        Err(sigillo_vm::Error::NotFound { .. }) if path.is_file() => Seen::of_file(home, path, keychain, key),
        Err(error) => Err(error.into()),
    }
}
