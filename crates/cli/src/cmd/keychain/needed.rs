//! Before a record goes: what needs it, and the question whether it goes all the same.
use super::{Failure, copy, place};
use crate::cmd::confirm;
use sigillo_keychain::{RecordInfo, anchor::Anchors};
use sigillo_messages::text;
use sigillo_store::KeyId;
use sigillo_vm::{Home, KeychainPlace, Needed, OpenedStore, needed_by};

/// Requires a yes, or `--yes` in its place, where stores of the home, or one that this host remembers, are opened by the record, and
/// not by the key that comes in its stead. `all` are the records of its keychain.
pub(super) fn require_given_up(
    home: &Home,
    all: &[RecordInfo],
    record: &RecordInfo,
    successor: Option<&KeyId>,
    yes: bool,
) -> Result<(), Failure> {
    let opens_still = |store: &OpenedStore| successor.is_some_and(|key| store.key_ids.contains(key));
    // The same password may be kept under the name of the store, which is enough for one that was set aside.
    let twin = all.iter().find(|other| other.key_id == record.key_id && other.name != record.name);
    let anchors = Anchors::of_this_host()?;
    let Needed { mut stores, elsewhere } = needed_by(home, &anchors, &record.name, &record.key_id)?;
    stores.retain(|store| !opens_still(store) && (store.in_use || twin.is_none()));
    let elsewhere = elsewhere && successor != Some(&record.key_id);
    if stores.is_empty() && !elsewhere {
        return Ok(());
    }
    for store in &stores {
        let vm = &store.vm;
        let path = store.path.display().to_string();
        if store.key_ids.is_empty() {
            note!("{}", text!("record-needed-unread", ?vm, ?path));
            continue;
        }
        let what = if store.in_use {
            text!("record-needed", ?vm)
        } else {
            text!("record-needed-set-aside", ?vm, ?path)
        };
        let then = match twin {
            Some(twin) => text!("record-needed-twin", twin = twin.name),
            None if store.other_way => text!("record-needed-other-way"),
            None => text!("record-needed-only-way"),
        };
        note!("{what} {then}");
    }
    if elsewhere {
        note!("{}", text!("record-needed-elsewhere", home = home.path().display()));
    }
    let from = match place()? {
        KeychainPlace::System => copy::SYSTEM,
        KeychainPlace::SecretService => copy::SECRET_SERVICE,
    };
    note!("{}", text!("record-keep-copy", name = record.name, from));
    confirm::require(yes, &text!("record-give-up", name = record.name))
}
