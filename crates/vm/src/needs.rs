//! What a keychain record opens on this host, and so what stays closed without it.
use crate::{
    bundle::{Bundle, Home},
    error::Result,
    identity::{kept_bundles, stores_in},
    snapshot::snapshot_stores,
};
use sigillo_keychain::RecordName;
use sigillo_store::{KeyId, Store, StoreInfo};
use std::path::PathBuf;

/// A TPM store that a record opens, by the store's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedStore {
    /// The VM it is of, or was.
    pub vm: String,
    /// Its file.
    pub path: PathBuf,
    /// The VM starts with it; else it is a backup, a snapshot's, or kept of a deleted VM.
    pub in_use: bool,
    /// A recovery code or a passphrase opens it as well.
    pub other_way: bool,
}

/// The stores that a record of this name and key opens, those in use first. VMs and stores that cannot be read are left out.
///
/// # Errors
/// The home cannot be read.
pub fn opened_stores(home: &Home, name: &RecordName, key_id: &KeyId) -> Result<Vec<OpenedStore>> {
    // Its VM's record, or one that is kept under the name of the store.
    let opens = |info: &StoreInfo| {
        (info.is_for_vm(name.vm_uuid()) || info.file_uuid == *name.vm_uuid()) && info.key_ids.contains(key_id)
    };
    let mut found = Vec::new();
    let mut look = |vm: &Bundle, path: PathBuf, in_use: bool| {
        if let Some(info) = Store::peek(&path).ok().filter(opens) {
            let other_way = info.slots.len() > info.key_ids.len();
            found.push(OpenedStore { vm: vm.name().to_owned(), path, in_use, other_way });
        }
    };
    for vm in home.list()?.into_iter().filter_map(|(_, vm)| vm.ok()) {
        let own = vm.store_path();
        for path in stores_in(vm.path()).unwrap_or_default().into_iter().chain(snapshot_stores(&vm)) {
            let in_use = own.as_ref() == Some(&path);
            look(&vm, path, in_use);
        }
    }
    for vm in kept_bundles(home) {
        for path in stores_in(vm.path()).unwrap_or_default() {
            look(&vm, path, false);
        }
    }
    found.sort_by_key(|store| !store.in_use);
    Ok(found)
}
