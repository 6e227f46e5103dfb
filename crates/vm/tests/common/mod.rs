//! What the tests of bundles share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
use sigillo_keychain::{
    Keychain, MemoryKeychain, RecordName, SystemKeychain, anchor::Anchors, audit::AuditLog,
};
use sigillo_store::{Algorithm, Key, Secret, Store};
use sigillo_vm::{
    Accelerator, AddTpm, Attach, Bundle, Choice, Create, Error, Event, Firmware, Guest, Home, Host,
    HostPolicy, Interface, Keys, Question, Start, Starter, WhenRecordMissing, WhenRolledBack, add_tpm, start,
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
    /// Not in `dir`, so that what is in it can be compared.
    kept: tempfile::TempDir,
    pub audit: AuditLog,
    pub anchors: Anchors,
    pub policy: HostPolicy,
}

impl Fixture {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::find(Some(&dir.path().join("vms")));
        let kept = tempfile::tempdir().unwrap();
        let place = kept.path().join("keychain");
        Self {
            dir,
            home,
            keychain: MemoryKeychain::new(),
            audit: AuditLog::at(&place),
            anchors: Anchors::at(&place),
            policy: HostPolicy::default(),
            kept,
        }
    }

    pub fn host(&self) -> Host<'_> {
        Host { keychain: &self.keychain, audit: &self.audit, anchors: &self.anchors, policy: &self.policy }
    }

    /// The acts in the audit log, which has to hold.
    pub fn acts(&self) -> Vec<String> {
        self.audit.verify().unwrap();
        self.audit.entries().unwrap().into_iter().map(|entry| entry.act).collect()
    }

    pub fn create(&self, name: &str, firmware: Firmware) -> Result<Bundle, Error> {
        self.home.create(&linux(name, firmware))
    }

    pub fn with_tpm(&self) -> Bundle {
        let mut vm = self.create("vm", Firmware::Uefi).unwrap();
        add_tpm(&mut vm, &self.host(), &options()).unwrap();
        vm
    }

    /// Deletes a VM's record, whatever its key.
    pub fn lose_record(&self, vm: &Bundle) {
        let record = self.keychain.get(&RecordName::for_vm(vm.config().uuid.as_bytes())).unwrap();
        self.keychain.delete(&record.name, record.key_id).unwrap();
    }

    /// Starts with a TPM process that ends at once, so that what comes before it can be seen.
    pub fn start(&self, vm: &Bundle) -> Error {
        self.start_as(vm, None, None, &mut Person::absent())
    }

    pub fn start_as(
        &self,
        vm: &Bundle,
        missing: Option<WhenRecordMissing>,
        rolled_back: Option<WhenRolledBack>,
        person: &mut Person,
    ) -> Error {
        let options = Start {
            attach: Attach::Background,
            program: PathBuf::from("/bin/false"),
            when_record_missing: missing,
            when_rolled_back: rolled_back,
        };
        start(vm, &self.host(), &options, person).unwrap_err()
    }
}

/// A small VM without a disk.
pub fn linux(name: &str, firmware: Firmware) -> Create {
    Create {
        name: name.to_owned(),
        guest: Guest::Linux,
        firmware,
        memory_mib: 256,
        cpus: 1,
        accel: Accelerator::Tcg,
        disks: Vec::new(),
        new_disk_gib: None,
    }
}

/// Who starts a VM.
pub struct Person {
    pub answer: Option<bool>,
    pub asked: Vec<Question>,
    pub told: Vec<Event>,
}

impl Person {
    pub fn absent() -> Self {
        Person { answer: None, asked: Vec::new(), told: Vec::new() }
    }

    pub fn who_says(answer: bool) -> Self {
        Person { answer: Some(answer), ..Person::absent() }
    }
}

impl Starter for Person {
    fn accel(&mut self, _: &Choice) {}

    fn can_answer(&self) -> bool {
        self.answer.is_some()
    }

    fn ask(&mut self, question: &Question) -> bool {
        self.asked.push(question.clone());
        self.answer.unwrap()
    }

    fn told(&mut self, event: &Event) {
        self.told.push(event.clone());
    }

    fn new_tpm(&mut self, _: Option<&str>) -> Result<Secret, String> {
        Ok(Secret::from_slice(b"another TPM"))
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

/// Where the child of a kill test works, and what makes such a test longer or another one.
pub const DIR: &str = "SIGILLO_TEST_DIR";
pub const KILLS: &str = "SIGILLO_TEST_KILLS";
pub const SEED: &str = "SIGILLO_TEST_SEED";

/// A number given in the environment.
pub fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// SplitMix64: its whole state is one number, so a seed says everything.
pub fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// What a host keeps, on disk, where the child of a kill test and the test itself find it.
pub struct Kept {
    pub keychain: SystemKeychain,
    pub audit: AuditLog,
    pub anchors: Anchors,
    policy: HostPolicy,
}

impl Kept {
    pub fn at(dir: &Path) -> Self {
        Kept {
            keychain: SystemKeychain::at(dir),
            audit: AuditLog::at(dir),
            anchors: Anchors::at(dir),
            policy: HostPolicy::default(),
        }
    }

    pub fn host(&self) -> Host<'_> {
        Host { keychain: &self.keychain, audit: &self.audit, anchors: &self.anchors, policy: &self.policy }
    }

    /// A VM's store, with what the keychain holds.
    pub fn store_of(&self, vm: &Bundle) -> Store {
        let name = RecordName::for_vm(vm.config().uuid.as_bytes());
        let record = self.keychain.get(&name).unwrap();
        Store::open(&vm.store_path().unwrap(), &Key::Password(record.secret)).unwrap()
    }
}
