//! What comes out of a damaged store: a state the TPM had, with what is lost said, or nothing; and the file is as it was.

use std::path::PathBuf;

use sigillo_store::salvage::{Lost, Salvaged, Wreck};
use sigillo_store::{CreateError, CreateOptions, Key, KeyId, OpenError, RecoveryCode, Secret, Store};

const HEADER_LEN: usize = 4096;
const SLOT_A: usize = 8192;
const SLOT_B: usize = 8192 + 131_072;
const BUCKET: usize = 16_384;
const VM: [u8; 16] = [9; 16];

struct Place {
    dir: tempfile::TempDir,
    code: Key,
    whole: Vec<u8>,
}

fn key() -> Key {
    Key::Password(Secret::from_slice(b"a password only this test uses"))
}

impl Place {
    /// A store with two commits, the newer in slot A, and a second key.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let code = Key::RecoveryCode(RecoveryCode::generate().unwrap());
        let path = dir.path().join("tpm.store");
        let mut store = Store::create(&path, &CreateOptions::new(VM, key(), KeyId::from([1; 16]))).unwrap();
        store.add_key(&code, KeyId::from([2; 16])).unwrap();
        store.commit(b"older").unwrap();
        store.commit(b"newer").unwrap();
        drop(store);
        let whole = std::fs::read(path).unwrap();
        Place { dir, code, whole }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("tpm.store")
    }

    fn new_path(&self) -> PathBuf {
        self.dir.path().join("new.store")
    }

    fn salvage(&self, bytes: &[u8], vm: Option<&[u8; 16]>) -> Result<Salvaged, OpenError> {
        std::fs::write(self.path(), bytes).unwrap();
        let salvaged = Wreck::read(&self.path())?.salvage(&key(), vm);
        assert!(std::fs::read(self.path()).unwrap() == bytes, "the damaged file was written to");
        salvaged
    }

    /// The state of the new file, and whether the recovery code opens it.
    fn written(&self, salvaged: &Salvaged) -> (Vec<u8>, bool) {
        let path = self.new_path();
        let _ = std::fs::remove_file(&path);
        salvaged.write_new(&path).unwrap();
        let store = Store::open(&path, &key()).unwrap();
        assert!(store.notes().is_clean(), "{:?}", store.notes());
        let state = store.state().to_vec();
        drop(store);
        (state, Store::open(&path, &self.code).is_ok())
    }
}

#[test]
fn a_whole_file_loses_nothing() {
    let place = Place::new();
    let salvaged = place.salvage(&place.whole, None).unwrap();
    assert_eq!(salvaged.lost, []);
    assert_eq!(place.written(&salvaged), (b"newer".to_vec(), true));
    let store = Store::open(&place.new_path(), &key()).unwrap();
    assert!(store.info().is_for_vm(&VM));
    assert_eq!(store.anchor().generation, salvaged.generation + 1);
    assert!(matches!(salvaged.write_new(&place.new_path()), Err(CreateError::Exists)));
    assert!(matches!(salvaged.write_new(&place.path()), Err(CreateError::Exists)));
}

#[test]
fn either_header_copy_and_either_slot_is_enough() {
    let place = Place::new();
    for copy in [0, HEADER_LEN] {
        let mut bytes = place.whole.clone();
        bytes[copy..copy + HEADER_LEN].fill(0xA5);
        let salvaged = place.salvage(&bytes, None).unwrap();
        assert!(matches!(salvaged.lost[..], [Lost::HeaderCopy(..)]), "{:?}", salvaged.lost);
        assert_eq!(place.written(&salvaged), (b"newer".to_vec(), true));
    }
    for (slot, state) in [(SLOT_A, &b"older"[..]), (SLOT_B, b"newer")] {
        let mut bytes = place.whole.clone();
        bytes[slot..slot + BUCKET].fill(0xA5);
        let salvaged = place.salvage(&bytes, None).unwrap();
        assert!(matches!(salvaged.lost[..], [Lost::Slot(_)]), "{:?}", salvaged.lost);
        assert_eq!(place.written(&salvaged), (state.to_vec(), true));
    }
}

#[test]
fn both_header_copies_may_be_damaged_in_different_places() {
    let place = Place::new();
    let mut bytes = place.whole.clone();
    // The UUID of one copy, the key slots of the other, the checksums of both, and the lengths.
    bytes[40] ^= 1;
    bytes[HEADER_LEN + 512 + 40] ^= 1;
    bytes[96] ^= 0xff;
    bytes[HEADER_LEN + 96] ^= 0xff;
    assert!(Store::open(&place.path(), &key()).is_ok());
    let salvaged = place.salvage(&bytes, Some(&VM)).unwrap();
    assert!(matches!(Store::open(&place.path(), &key()), Err(OpenError::Damaged(_))));
    assert!(salvaged.lost.iter().any(|lost| matches!(lost, Lost::OtherKeys(1))), "{:?}", salvaged.lost);
    // A key that was removed must not come back from a header that does not prove itself.
    assert_eq!(place.written(&salvaged), (b"newer".to_vec(), false));
    assert!(Store::peek(&place.new_path()).unwrap().is_for_vm(&VM));
    let unproved = place.salvage(&bytes, None).unwrap();
    assert!(unproved.lost.contains(&Lost::VmUnproved));
}

#[test]
fn a_file_cut_short_gives_what_is_before_the_cut() {
    let place = Place::new();
    for len in [place.whole.len() - 1, SLOT_B + 10, SLOT_A + BUCKET] {
        let salvaged = place.salvage(&place.whole[..len], None).unwrap();
        assert!(salvaged.lost.iter().any(|lost| matches!(lost, Lost::Length(_))), "{:?}", salvaged.lost);
        assert_eq!(place.written(&salvaged).0, b"newer");
    }
    for len in [SLOT_A + BUCKET - 1, HEADER_LEN, 600, 10] {
        place.salvage(&place.whole[..len], None).unwrap_err();
    }
}

#[test]
fn without_a_state_that_proves_itself_there_is_nothing() {
    let place = Place::new();
    let mut bytes = place.whole.clone();
    bytes[SLOT_A + 200] ^= 1;
    bytes[SLOT_B + 200] ^= 1;
    assert!(matches!(place.salvage(&bytes, None), Err(OpenError::Damaged(_))));
    let wreck = Wreck::read(&place.path()).unwrap();
    assert_eq!(wreck.key_ids(), [KeyId::from([1; 16])]);
    let wrong = Key::Password(Secret::from_slice(b"another password"));
    assert!(matches!(wreck.salvage(&wrong, None), Err(OpenError::WrongKey { .. })));
    assert!(matches!(wreck.salvage(&Key::None, None), Err(OpenError::NeedsKey { .. })));
    drop(wreck);
    for junk in [vec![0; 300_000], vec![0xA5; 300_000], b"[config]\n".to_vec(), Vec::new()] {
        place.salvage(&junk, None).unwrap_err();
    }
}

#[test]
fn the_empty_state_of_a_new_store_is_no_tpm_to_go_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let mut store = Store::create(&path, &CreateOptions::new(VM, key(), KeyId::from([1; 16]))).unwrap();
    store.commit(b"the first state").unwrap();
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..SLOT_B]).unwrap();
    let found = Wreck::read(&path).unwrap().salvage(&key(), None);
    assert!(matches!(found, Err(OpenError::Damaged(_))), "{found:?}");
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(Wreck::read(&path).unwrap().salvage(&key(), None).unwrap().generation, 2);
}

#[test]
fn every_damaged_octet_of_the_fronts_is_survived_with_a_true_state() {
    let place = Place::new();
    let fronts = (0..2 * HEADER_LEN).step_by(31).chain(SLOT_A..SLOT_A + 96).chain(SLOT_B..SLOT_B + 96);
    for at in fronts {
        let mut bytes = place.whole.clone();
        bytes[at] ^= 1 << (at % 8);
        let salvaged = place.salvage(&bytes, None).unwrap_or_else(|error| panic!("octet {at}: {error}"));
        let (state, _) = place.written(&salvaged);
        // Generation, salt and nonce of the newest slot cannot be guessed; all else of its front is known or looked for.
        let known = !(SLOT_A + 16..SLOT_A + 68).contains(&at);
        let expected: &[u8] = if known { b"newer" } else { b"older" };
        assert_eq!(state, expected, "octet {at}");
    }
}

#[test]
fn a_store_that_is_not_encrypted_is_salvaged_without_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let (path, new) = (dir.path().join("s"), dir.path().join("new"));
    let mut store = Store::create(&path, &CreateOptions::new(VM, Key::None, KeyId::from([1; 16]))).unwrap();
    store.commit(b"in the clear").unwrap();
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..HEADER_LEN].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    let wreck = Wreck::read(&path).unwrap();
    assert!(wreck.is_unencrypted());
    wreck.salvage(&Key::None, Some(&VM)).unwrap().write_new(&new).unwrap();
    assert_eq!(Store::open(&new, &Key::None).unwrap().state(), b"in the clear");
}

#[test]
fn a_store_in_use_is_not_read() {
    let place = Place::new();
    std::fs::write(place.path(), &place.whole).unwrap();
    let store = Store::open(&place.path(), &key()).unwrap();
    assert!(matches!(Wreck::read(&place.path()), Err(OpenError::Locked { .. })));
    drop(store);
    let link = place.dir.path().join("link");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    assert!(matches!(Wreck::read(&link), Err(OpenError::Unsafe(_))));
}
