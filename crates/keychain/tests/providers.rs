//! Where the system keychain's key comes from, and how it changes hands.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Place, code};
use sigillo_keychain::{
    KeyFile, KeyProvider, Keychain, ProviderError, ProviderKind, Record, SealedKey, Sealer, Secret,
    SystemKeychain, SystemdCreds,
};

/// A host that can be there or not, and that knows its own seals by its name.
struct Host {
    name: &'static [u8],
    there: &'static AtomicBool,
}

impl Host {
    fn require_there(&self) -> Result<(), String> {
        if self.there.load(Ordering::SeqCst) { Ok(()) } else { Err("the host is not there".to_owned()) }
    }
}

impl Sealer for Host {
    fn kind(&self) -> ProviderKind {
        ProviderKind::HostTpm
    }

    fn probe(&self) -> Result<String, String> {
        self.require_there().map(|()| "would seal".to_owned())
    }

    fn seal(&self, key: &Secret) -> Result<Vec<u8>, String> {
        self.require_there()?;
        Ok([self.name, &key.expose().iter().map(|byte| !byte).collect::<Vec<u8>>()].concat())
    }

    fn open(&self, sealed: &[u8]) -> Result<Secret, String> {
        self.require_there()?;
        let sealed = sealed.strip_prefix(self.name).ok_or("sealed elsewhere")?;
        Ok(Secret::new(sealed.iter().map(|byte| !byte).collect()))
    }
}

static THERE: AtomicBool = AtomicBool::new(true);
static GONE: AtomicBool = AtomicBool::new(false);

impl Place {
    fn sealed(&self) -> PathBuf {
        self.dir().join("host-tpm.key")
    }

    fn keychain_on(&self, name: &'static [u8], there: &'static AtomicBool) -> SystemKeychain {
        let providers: Vec<Box<dyn KeyProvider>> = vec![
            Box::new(SealedKey::new(self.sealed(), Host { name, there })),
            Box::new(KeyFile::new(self.key_file())),
        ];
        SystemKeychain::with_providers(&self.dir(), providers)
    }

    fn keychain(&self) -> SystemKeychain {
        self.keychain_on(b"one", &THERE)
    }
}

fn record() -> Record {
    Record::generate(&[1; 16], "host", "comment").unwrap()
}

fn provider_of(keychain: &SystemKeychain) -> Option<ProviderKind> {
    keychain.status().unwrap().provider
}

#[test]
fn the_first_that_works_seals_a_new_keychain_and_one_that_does_not_is_passed_over() {
    let place = Place::new();
    place.keychain().insert_new(&record()).unwrap();
    assert_eq!(provider_of(&place.keychain()), Some(ProviderKind::HostTpm));
    assert!(place.sealed().exists() && !place.key_file().exists());
    assert_eq!(std::fs::metadata(place.sealed()).unwrap().permissions().mode() & 0o7777, 0o400);

    let other = Place::new();
    other.keychain_on(b"one", &GONE).insert_new(&record()).unwrap();
    assert_eq!(provider_of(&other.keychain()), Some(ProviderKind::KeyFile));
    assert!(!other.sealed().exists());

    let asked = Place::new();
    let keychain = asked.keychain().only_on_request(&[ProviderKind::HostTpm]);
    keychain.insert_new(&record()).unwrap();
    assert_eq!(provider_of(&keychain), Some(ProviderKind::KeyFile));
}

#[test]
fn a_sealed_key_opens_on_its_host_alone() {
    let place = Place::new();
    let record = record();
    place.keychain().insert_new(&record).unwrap();
    for elsewhere in [place.keychain_on(b"two", &THERE), place.keychain_on(b"one", &GONE)] {
        assert_eq!(code(elsewhere.get(&record.name)), "SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE");
        assert_eq!(code(elsewhere.delete(&record.name, record.key_id)), "SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE");
        assert!(!place.key_file().exists(), "no weaker key takes its place");
    }
    // Another host's file in place of a key that was never made is told, not replaced.
    let new = Place::new();
    std::fs::create_dir(new.dir()).unwrap();
    std::fs::set_permissions(new.dir(), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::copy(place.sealed(), new.sealed()).unwrap();
    let refused = new.keychain_on(b"two", &THERE).insert_new(&record);
    assert_eq!(code(refused), "SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE");
    assert!(!new.keychain().path().exists());
    assert_eq!(place.keychain().get(&record.name).unwrap(), record);
}

#[test]
fn the_key_changes_hands_and_the_old_one_is_gone() {
    let place = Place::new();
    let record = record();
    let keychain = place.keychain().only_on_request(&[ProviderKind::HostTpm]);
    keychain.insert_new(&record).unwrap();
    let change = keychain.set_provider(ProviderKind::HostTpm).unwrap();
    assert_eq!((change.before, change.left_behind), (Some(ProviderKind::KeyFile), None));
    assert!(place.sealed().exists() && !place.key_file().exists());
    assert_eq!(keychain.get(&record.name).unwrap(), record);
    // The same again changes nothing.
    let file = std::fs::read(keychain.path()).unwrap();
    keychain.set_provider(ProviderKind::HostTpm).unwrap();
    assert_eq!(std::fs::read(keychain.path()).unwrap(), file);
    // And back, under a new key.
    keychain.set_provider(ProviderKind::KeyFile).unwrap();
    assert!(!place.sealed().exists());
    assert_eq!(place.keychain_on(b"two", &GONE).get(&record.name).unwrap(), record);
    assert_eq!(keychain.status().unwrap().revision, 3);
}

#[test]
fn a_provider_that_does_not_work_or_is_not_there_changes_nothing() {
    let place = Place::new();
    let record = record();
    let keychain = place.keychain_on(b"one", &GONE);
    keychain.insert_new(&record).unwrap();
    let file = std::fs::read(keychain.path()).unwrap();
    for kind in [ProviderKind::HostTpm, ProviderKind::SystemdCredential] {
        assert_eq!(code(keychain.set_provider(kind)), "SIG_ERR_KEYCHAIN_KEY_UNAVAILABLE");
    }
    keychain.lock().unwrap();
    assert_eq!(code(place.keychain().set_provider(ProviderKind::HostTpm)), "SIG_ERR_KEYCHAIN_LOCKED");
    keychain.unlock().unwrap();
    assert_eq!(std::fs::read(keychain.path()).unwrap(), file);
    assert!(!place.sealed().exists());
    assert_eq!(keychain.get(&record.name).unwrap(), record);
}

#[test]
fn a_crash_in_the_middle_leaves_the_old_or_the_new_one_working() {
    let place = Place::new();
    let record = record();
    let keychain = place.keychain().only_on_request(&[ProviderKind::HostTpm]);
    keychain.insert_new(&record).unwrap();
    let (old_file, old_key) =
        (std::fs::read(keychain.path()).unwrap(), std::fs::read(place.key_file()).unwrap());
    keychain.set_provider(ProviderKind::HostTpm).unwrap();
    let new_file = std::fs::read(keychain.path()).unwrap();
    let restore_key = || {
        std::fs::write(place.key_file(), &old_key).unwrap();
        std::fs::set_permissions(place.key_file(), std::fs::Permissions::from_mode(0o400)).unwrap();
    };
    // After the new key, before the new keychain.
    restore_key();
    std::fs::write(keychain.path(), &old_file).unwrap();
    assert_eq!(keychain.get(&record.name).unwrap(), record);
    assert_eq!(provider_of(&keychain), Some(ProviderKind::KeyFile));
    // After the new keychain, before the old key went.
    std::fs::write(keychain.path(), &new_file).unwrap();
    assert_eq!(keychain.get(&record.name).unwrap(), record);
    assert_eq!(provider_of(&keychain), Some(ProviderKind::HostTpm));
    // From either the change can be made again.
    std::fs::write(keychain.path(), &old_file).unwrap();
    keychain.set_provider(ProviderKind::HostTpm).unwrap();
    assert_eq!(keychain.get(&record.name).unwrap(), record);
    assert!(!place.key_file().exists());
}

#[test]
fn a_keychain_can_be_made_for_a_provider_before_its_first_record() {
    let place = Place::new();
    let keychain = place.keychain().only_on_request(&[ProviderKind::HostTpm]);
    assert_eq!(keychain.set_provider(ProviderKind::HostTpm).unwrap().before, None);
    let record = record();
    keychain.insert_new(&record).unwrap();
    assert_eq!(provider_of(&keychain), Some(ProviderKind::HostTpm));
    assert_eq!(keychain.get(&record.name).unwrap(), record);
}

/// A program that takes systemd-creds' options and turns the key's bits.
fn stand_in(dir: &Path, end: &str) -> PathBuf {
    let path = dir.join("systemd-creds");
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in\n--version) echo 'systemd 252'; exit 0;;\nesac\n\
         case \"$*\" in *--name=sigillo-keychain*) ;; *) exit 9;; esac\n\
         /usr/bin/tr 'A-Za-z0-9' 'N-ZA-Mn-za-m5-90-4'\n{end}\n"
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn the_key_goes_through_systemd_creds_pipes_and_its_failure_is_told_in_its_words() {
    let place = Place::new();
    std::fs::create_dir(place.dir()).unwrap();
    std::fs::set_permissions(place.dir(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let sealed = place.dir().join("systemd-creds.key");
    let provider = SealedKey::new(sealed.clone(), SystemdCreds::program(&stand_in(place.root.path(), "")));
    if rustix::process::geteuid().is_root() {
        let key = provider.key_for_new_keychain().unwrap();
        assert_eq!(provider.key().unwrap(), key);
        assert!(std::fs::read(&sealed).unwrap() != key.expose());
        let failing = stand_in(place.root.path(), "echo 'no such credential' >&2; exit 1");
        let provider = SealedKey::new(sealed.clone(), SystemdCreds::program(&failing));
        assert!(
            matches!(provider.key(), Err(ProviderError::Refused(why)) if why.contains("no such credential"))
        );
    } else {
        assert!(
            matches!(provider.key_for_new_keychain(), Err(ProviderError::Absent(why)) if why.contains("root"))
        );
    }
    let none =
        SealedKey::new(place.dir().join("other.key"), SystemdCreds::program(Path::new("/nonexistent")));
    assert!(matches!(none.probe(), Err(ProviderError::Absent(_))));
    assert!(matches!(none.key_for_new_keychain(), Err(ProviderError::Absent(_))));
}
