//! What a keychain record opens on this host, and so what stays closed without it.
use crate::{
    bundle::{Bundle, Home},
    error::Result,
    identity::{entries_of, stores_in},
    snapshot::snapshot_stores,
};
use sigillo_keychain::{RecordName, anchor::Anchors};
use sigillo_store::{KeyId, OpenError, Store, StoreInfo};
use std::path::PathBuf;

/// A TPM store that a record opens, by the store's header; or one whose header cannot be read, and which it may open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedStore {
    /// The VM it is of, or was: its name, or its directory's where the configuration cannot be read.
    pub vm: String,
    /// Its file.
    pub path: PathBuf,
    /// The VM starts with it, by this record; else it is a backup, a snapshot's, or kept of a deleted VM.
    pub in_use: bool,
    /// The keys of keychains that open it; none where its header cannot be read, and who salvages it needs the record.
    pub key_ids: Vec<KeyId>,
    /// A recovery code or a passphrase opens it as well.
    pub other_way: bool,
}

/// What a record opens, as far as can be seen from here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// The stores of one home that the record opens, those in use first, and those that it may open: what cannot be read may be this
    /// VM's, unless the bundle it lies in is another's.
    pub stores: Vec<OpenedStore>,
    /// The VM ran on this host with a store that is none of these: one in another home, on a disk that is not there now, or gone.
    pub elsewhere: bool,
}

/// What a record of this name and key opens. One home is looked at; of others only the host's anchors know, which remember each VM
/// that ran here wherever its bundle lay.
///
/// # Errors
/// The home cannot be read.
pub fn needed_by(home: &Home, anchors: &Anchors, name: &RecordName, key_id: &KeyId) -> Result<Needed> {
    // Its VM's record, or one that is kept under the name of the store.
    let opens = |info: &StoreInfo| {
        (info.is_for_vm(name.vm_uuid()) || info.file_uuid == *name.vm_uuid()) && info.key_ids.contains(key_id)
    };
    // What is remembered and cannot be read may be anything.
    let current = anchors.current(name.vm_uuid());
    let mut elsewhere = !matches!(current, Ok(None));
    let mut stores = Vec::new();
    let mut look = |vm: &std::result::Result<Bundle, String>, path: PathBuf, in_use: bool| {
        let (vm, is_other) = match vm {
            Ok(vm) => (vm.name(), vm.config().uuid.as_bytes() != name.vm_uuid()),
            Err(dir) => (dir.as_str(), false),
        };
        let info = Store::peek(&path);
        if let Ok(info) = &info
            && info.is_for_vm(name.vm_uuid())
            && current.as_ref().is_ok_and(|current| *current == Some(info.file_uuid))
        {
            elsewhere = false;
        }
        let (in_use, other_way, key_ids) = match info {
            Ok(info) if opens(&info) => {
                let other_way = info.slots.len() > info.key_ids.len();
                (in_use && info.is_for_vm(name.vm_uuid()), other_way, info.key_ids)
            }
            Ok(_) | Err(OpenError::NotFound) => return,
            Err(_) if is_other => return,
            Err(_) => (in_use, false, Vec::new()),
        };
        stores.push(OpenedStore { vm: vm.to_owned(), path, in_use, key_ids, other_way });
    };
    for (name, vm) in home.list()? {
        let dir = home.bundle_path(&name);
        let (own, snapshots) = match &vm {
            Ok(vm) => (vm.store_path(), snapshot_stores(vm)),
            Err(_) => (None, Vec::new()),
        };
        let vm = vm.map_err(|_| name);
        for path in stores_in(&dir).unwrap_or_default().into_iter().chain(snapshots) {
            let in_use = own.as_ref() == Some(&path);
            look(&vm, path, in_use);
        }
    }
    for dir in entries_of(home.path()) {
        let vm = Bundle::load(&dir).map_err(|_| dir.display().to_string());
        for path in stores_in(&dir).unwrap_or_default() {
            look(&vm, path, false);
        }
    }
    stores.sort_by_key(|store| !store.in_use);
    // One of those that cannot be read may be it, and is told already.
    elsewhere &= stores.iter().all(|store| !store.key_ids.is_empty());
    Ok(Needed { stores, elsewhere })
}
