//! What the tests of bundles share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
use sigillo_keychain::MemoryKeychain;
use sigillo_store::{Algorithm, Secret};
use sigillo_vm::{
    Accelerator, AddTpm, Attach, Bundle, Create, Error, Firmware, Guest, Home, Interface, Keys, Start,
    add_tpm, start,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

pub struct Fixture {
    pub dir: tempfile::TempDir,
    pub home: Home,
    pub keychain: MemoryKeychain,
}

impl Fixture {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::find(Some(&dir.path().join("vms")));
        Self { dir, home, keychain: MemoryKeychain::new() }
    }

    pub fn create(&self, name: &str, firmware: Firmware) -> Result<Bundle, Error> {
        self.home.create(&Create {
            name: name.to_owned(),
            guest: Guest::Linux,
            firmware,
            memory_mib: 256,
            cpus: 1,
            accel: Accelerator::Tcg,
            disks: Vec::new(),
            new_disk_gib: None,
        })
    }

    pub fn with_tpm(&self) -> Bundle {
        let mut vm = self.create("vm", Firmware::Uefi).unwrap();
        add_tpm(&mut vm, &self.keychain, &options()).unwrap();
        vm
    }

    pub fn start(&self, vm: &Bundle) -> Error {
        let options = Start { attach: Attach::Background, program: PathBuf::from("/bin/false") };
        start(vm, &self.keychain, &options, &mut |_| {}).unwrap_err()
    }
}

pub fn options() -> AddTpm {
    let state = Secret::from_slice(b"a TPM");
    let algorithm = Algorithm::Aes128Gcm;
    AddTpm { interface: Interface::Crb, keys: Keys::Snakeoil, profile: None, algorithm, state }
}

pub fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}
