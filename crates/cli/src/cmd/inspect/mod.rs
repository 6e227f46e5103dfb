//! `sigillo tpm inspect`: what a TPM at rest has. Its store is only read; secrets are not shown, with or without options.
pub(crate) mod facts;
mod tpm;
mod words;

use super::{Done, Failure, audit, keychain, output, secret::Unlock};
use facts::{Facts, is};
use sigillo_keychain::{
    Keychain, Record, RecordName,
    anchor::{Anchors, Verdict},
    audit::Act,
    date,
};
use sigillo_messages::{Words, text, words};
use sigillo_server::{
    blob::BlobKeys,
    key::KeyMaterial,
    machine::{self, RestoreError, inventory::Inventory},
    persist, sandbox,
};
use sigillo_store::{Key, KeyId, OpenError, OpenNotes, SlotInfo, Store, StoreInfo, files::Dir};
use sigillo_vm::{Bundle, Error, Home, snapshot_store};
use std::path::{Path, PathBuf};
use uuid::Uuid;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID; it must be off
    #[arg(required_unless_present = "store")]
    name: Option<String>,
    /// The TPM as a snapshot of the VM has it, by the snapshot's name or the beginning of its id; the VM may run
    #[arg(long, value_name = "NAME", requires = "name", conflicts_with = "store")]
    snapshot: Option<String>,
    /// A store's file instead: a backup, a copy, the store of `sigillo swtpm`
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    store: Option<PathBuf>,
    /// Also show what NV indices hold that everybody in the guest can read; what takes a secret to read is never shown
    #[arg(long)]
    show_nv_contents: bool,
    #[command(flatten)]
    key: KeyArgs,
}

/// What opens a store whose record is not on this host.
#[derive(clap::Args)]
pub(crate) struct KeyArgs {
    /// Open it with a recovery code instead of a record of this host's keychain
    #[arg(long)]
    recovery_code: bool,
    #[command(flatten)]
    unlock: Unlock,
}

impl KeyArgs {
    /// The code or passphrase, if one is to be used.
    pub(crate) fn ask(&self) -> Result<Option<Key>, Failure> {
        let wanted = self.recovery_code || self.unlock.is_given();
        wanted.then(|| self.unlock.key()).transpose()
    }
}

/// A store that was looked into.
pub(crate) struct Seen {
    path: PathBuf,
    info: StoreInfo,
    notes: OpenNotes,
    state_bytes: usize,
    opened_with: Option<KeyId>,
    /// The VM it was made for, as far as that is known.
    vm_uuid: Option<Uuid>,
    /// The VM that was asked for has another UUID.
    foreign: bool,
    inventory: Inventory,
    suspended: Suspended,
    verdict: Option<Verdict>,
    show_nv_contents: bool,
}

/// The state that a suspended TPM leaves beside its store.
enum Suspended {
    No,
    Read,
    /// It is there and could not be used, for this reason.
    Unread(String),
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let keychain = keychain::of_host()?;
    let key = args.key.ask()?;
    let seen = match (&args.store, &args.name) {
        (Some(path), _) => Seen::of_file(home, path, keychain.as_ref(), key.as_ref())?,
        (None, name) => {
            let vm = home.open(name.as_deref().unwrap_or_default())?;
            match &args.snapshot {
                Some(snapshot) => Seen::of_snapshot(home, &vm, snapshot, keychain.as_ref(), key.as_ref())?,
                None => Seen::of_vm(home, &vm, keychain.as_ref(), key.as_ref())?,
            }
        }
    };
    let seen = Seen { show_nv_contents: args.show_nv_contents, ..seen };
    let facts = Facts::Group(vec![("store", seen.store_facts()), ("tpm", seen.tpm_facts())]);
    output::report(
        || facts.json().unwrap_or_default(),
        || facts.lines().iter().for_each(|line| say!("{line}")),
    )
}

impl Seen {
    /// The TPM of a VM that is off.
    pub(crate) fn of_vm(
        home: &Home,
        vm: &Bundle,
        keychain: &dyn Keychain,
        key: Option<&Key>,
    ) -> Result<Self, Failure> {
        let path = vm
            .store_path()
            .ok_or_else(|| Failure::new("SIG_ERR_TPM_NONE", text!("inspect-no-tpm", name = ?vm.name())))?;
        if !vm.status()?.is_off() {
            let action = words!("doing-inspection");
            return Err(Error::Running { name: vm.name().to_owned(), action }.into());
        }
        Self::open(home, &path, Some(vm.config().uuid), keychain, key)
    }

    /// The TPM of a VM as it was at a snapshot.
    fn of_snapshot(
        home: &Home,
        vm: &Bundle,
        snapshot: &str,
        keychain: &dyn Keychain,
        key: Option<&Key>,
    ) -> Result<Self, Failure> {
        let path = snapshot_store(vm, snapshot)?.ok_or_else(|| {
            let words = text!("inspect-snapshot-no-tpm", ?snapshot, name = ?vm.name());
            Failure::new("SIG_ERR_TPM_NONE", words)
        })?;
        Self::open(home, &path, Some(vm.config().uuid), keychain, key)
    }

    /// Any store.
    pub(crate) fn of_file(
        home: &Home,
        path: &Path,
        keychain: &dyn Keychain,
        key: Option<&Key>,
    ) -> Result<Self, Failure> {
        Self::open(home, path, None, keychain, key)
    }

    fn open(
        home: &Home,
        path: &Path,
        asked: Option<Uuid>,
        keychain: &dyn Keychain,
        key: Option<&Key>,
    ) -> Result<Self, Failure> {
        // Best effort, as for every process with a key.
        let _ = sandbox::lock_memory();
        let failed = |code: &'static str, text: &str| {
            Failure::new(code, text!("inspect-only-read", path = path.display(), text))
        };
        let refused = |error: &OpenError| failed(error.code(), &error.to_string());
        let info = Store::peek(path).map_err(|error| refused(&error))?;
        let record = if key.is_none() { record_of(&info, keychain)? } else { None };
        let key = match (key, &record) {
            (Some(key), _) => key.clone(),
            (None, Some(record)) => Key::Password(record.secret.clone()),
            (None, None) => Key::None,
        };
        let store = Store::look(path, &key).map_err(|error| refused(&error))?;
        let vm_uuid = vm_of(home, &info, asked, record.as_ref());
        if store.state().is_empty() {
            return Err(failed("SIG_ERR_TPM_STORE", &text!("inspect-empty")));
        }
        let permanent = |error: RestoreError| failed("SIG_ERR_TPM_STATE", &text!("inspect-state", error));
        let (volatile, unread) = match volatile(path, &key) {
            Ok(volatile) => (volatile, None),
            Err(why) => (None, Some(why)),
        };
        let resumed = volatile.as_deref().map(|volatile| machine::look(store.state(), Some(volatile)));
        let (inventory, suspended) = match (resumed, unread) {
            (Some(Ok(inventory)), _) => (inventory, Suspended::Read),
            // What does not belong to the store is not used when the VM starts either.
            (Some(Err(why)), _) => {
                (machine::look(store.state(), None).map_err(permanent)?, Suspended::Unread(why.to_string()))
            }
            (None, why) => (
                machine::look(store.state(), None).map_err(permanent)?,
                why.map_or(Suspended::No, Suspended::Unread),
            ),
        };
        let verdict = vm_uuid.map(|uuid| verdict(&store, uuid)).transpose()?;
        Ok(Seen {
            path: path.to_owned(),
            foreign: asked.is_some() && vm_uuid != asked,
            // The store is free again: what it says of itself is kept, its state is not.
            info: store.info(),
            notes: store.notes().clone(),
            state_bytes: store.state().len(),
            opened_with: store.opened_with(),
            vm_uuid,
            inventory,
            suspended,
            verdict,
            show_nv_contents: false,
        })
    }

    /// What is known of the TPM itself.
    pub(crate) fn tpm_facts(&self) -> Facts {
        tpm::facts(&self.inventory, self.show_nv_contents)
    }

    /// One line about the store: for the head of a comparison.
    pub(crate) fn head(&self) -> String {
        let info = &self.info;
        text!(
            "inspect-head",
            path = self.path.display(),
            commit = info.generation.unwrap_or_default(),
            committed = info.committed_unix_s.map_or_else(|| "-".to_owned(), date)
        )
    }

    fn store_facts(&self) -> Facts {
        let (info, notes) = (&self.info, &self.notes);
        let mut amiss = Vec::new();
        if self.foreign {
            amiss.push(text!("amiss-foreign"));
        }
        if notes.header_repaired {
            amiss.push(text!("amiss-header"));
        }
        if let Some(slot) = notes.broken_slot {
            amiss.push(text!("amiss-slot", slot));
        }
        if notes.gap_in_history {
            amiss.push(text!("amiss-gap"));
        }
        if notes.open_to_others {
            amiss.push(text!("amiss-open"));
        }
        let suspended = match &self.suspended {
            Suspended::No => text!("no"),
            Suspended::Read => text!("yes"),
            Suspended::Unread(why) => text!("suspended-unread", why),
        };
        Facts::Group(vec![
            ("path", is(self.path.display().to_string())),
            ("vm", is(self.vm_uuid.map(|uuid| uuid.to_string()))),
            ("file", is(Uuid::from_bytes(info.file_uuid).to_string())),
            ("format", is(info.format)),
            ("cipher", is(info.algorithm.to_string())),
            ("file_bytes", is(info.file_len)),
            ("state_bytes", is(self.state_bytes)),
            ("created", is(date(info.created_unix_s))),
            ("committed", is(info.committed_unix_s.map(date))),
            ("generation", is(info.generation)),
            ("history", is(self.verdict.map_or(words!("history-unknown-vm"), |v| history(&v).0).to_string())),
            ("history_commits", is(self.verdict.and_then(|verdict| history(&verdict).1))),
            ("opened_with", is(self.opened_with.map(|key_id| key_id.to_string()))),
            ("suspended", is(suspended)),
            ("keys", keys(info)),
            ("amiss", is(amiss)),
        ])
    }
}

/// The VM a store was made for: the one that was asked for, the record's, or one that is on this host. The header has no more of the
/// UUID than what proves it.
fn vm_of(home: &Home, info: &StoreInfo, asked: Option<Uuid>, record: Option<&Record>) -> Option<Uuid> {
    let of_record = record.map(|record| Uuid::from_bytes(*record.name.vm_uuid()));
    let is_it = |uuid: &Uuid| info.is_for_vm(uuid.as_bytes());
    asked.into_iter().chain(of_record).find(is_it).or_else(|| {
        let vms = home.list().ok()?.into_iter().filter_map(|(_, vm)| vm.ok());
        vms.map(|vm| vm.config().uuid).find(is_it)
    })
}

/// The record that opens a store: by the names of its keys.
fn record_of(info: &StoreInfo, keychain: &dyn Keychain) -> Result<Option<Record>, Failure> {
    if info.is_unencrypted() {
        return Ok(None);
    }
    let found = keychain.list()?.into_iter().find(|record| info.key_ids.contains(&record.key_id));
    let Some(found) = found else { return Ok(None) };
    let name: RecordName = found.name;
    audit::log()?.record(
        Act::RecordRead,
        &name.to_string(),
        &format!("key {}, to look into its TPM", found.key_id),
    )?;
    Ok(Some(keychain.get(&name)?))
}

/// The volatile state beside a store; it is sealed under the store's password.
fn volatile(path: &Path, key: &Key) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, String> {
    let Ok(Some((dir, name))) = Dir::of(path) else { return Ok(None) };
    let state = match key {
        Key::Password(password) => Some(KeyMaterial::Random(password.clone())),
        Key::RecoveryCode(_) | Key::Passphrase(_) | Key::None => None,
    };
    persist::volatile_beside(&dir, &name, &BlobKeys { state, migration: None })
        .map_err(|error| error.to_string())
}

/// What the state is to the newest one this host has seen. The anchor is only looked at.
fn verdict(store: &Store, vm_uuid: Uuid) -> Result<Verdict, Failure> {
    let seen = Anchors::of_this_host()?.look(vm_uuid.as_bytes(), &store.info().file_uuid)?;
    Ok(seen.verdict(store))
}

/// A verdict in words, and the number of commits it is about.
fn history(verdict: &Verdict) -> (Words, Option<u64>) {
    match verdict {
        Verdict::First => (words!("history-first"), None),
        Verdict::Same => (words!("history-same"), None),
        Verdict::Newer { by } => (words!("history-newer"), Some(*by)),
        Verdict::MovedOn { by } => (words!("history-moved-on"), Some(*by)),
        Verdict::RolledBack { by, .. } => (words!("history-rolled-back"), Some(*by)),
        Verdict::Twin { .. } => (words!("history-twin"), None),
        Verdict::Unreadable => (words!("history-unreadable"), None),
        Verdict::InUse { .. } => (words!("history-in-use"), None),
    }
}

fn keys(info: &StoreInfo) -> Facts {
    let name =
        |slot: &SlotInfo| slot.key_id.as_ref().map_or_else(|| text!("of-later-version"), KeyId::to_string);
    let facts = |slot: &SlotInfo| {
        Facts::Group(vec![("kind", is(slot.kind.to_string())), ("added", is(slot.created_unix_s.map(date)))])
    };
    let items = info.slots.iter().map(|slot| (name(slot), facts(slot))).collect();
    Facts::List { by: "key_id", items }
}
