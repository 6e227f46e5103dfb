//! State: what INIT starts from, what is durable, what travels.

mod common;

use common::*;
use sigillo_server::Exit;
use sigillo_server::blob::BlobKeys;
use sigillo_server::key::KeyMaterial;
use sigillo_server::machine::Options;
use sigillo_server::persist::{MemoryPersist, Persist, PersistError};
use sigillo_store::Secret;
use zeroize::Zeroizing;

const NV_UNAVAILABLE: u32 = 0x923;

fn keyed(state: Option<u8>, migration: Option<u8>) -> Process {
    let key = |byte| KeyMaterial::Random(Secret::from_slice(&[byte; 16]));
    let keys = BlobKeys { state: state.map(key), migration: migration.map(key) };
    Process::with(Wanted { options: Options { keys, ..Options::default() }, ..Wanted::default() })
}

#[test]
fn a_saved_tpm_goes_on_in_another_process() {
    let source = Process::start();
    let mut control = source.control();
    let (mut data, _) = control.set_data_fd();
    control.reset();
    data.expect(STARTUP_CLEAR, SUCCESS);
    assert_eq!(data.code(EXTEND_16), 0);
    assert_eq!(data.code(CLEAR_CONTROL), 0);
    let pcr = data.run(READ_16);
    let flags = data.run(PERMANENT_FLAGS);
    let (permanent_flags, permanent) = control.blob(1);
    let (volatile_flags, volatile) = control.blob(2);
    control.expect("0000000c 00000001 00000003 00000000", "00000800 00000000 00000000 00000000");

    let target = Process::start();
    let mut control = target.control();
    let (mut data, _) = control.set_data_fd();
    // As loadvm does: an INIT, undone by the STOP before the blobs.
    control.reset();
    control.expect("0000000e", "00000000");
    assert_eq!(control.set_blob(1, permanent_flags, &permanent), [0; 4]);
    assert_eq!(control.set_blob(2, volatile_flags, &volatile), [0; 4]);
    control.expect("00000002 00000001", "00000000");
    assert_eq!(data.run(READ_16), pcr);
    assert_eq!(data.run(PERMANENT_FLAGS), flags);
    assert_eq!(data.code(STARTUP_CLEAR), 0x100);
    // What it was given is its own from now on.
    assert!(target.memory.state().commits >= 2);
    drop(data);
    let after = Process::with(Wanted { memory: target.memory.clone(), ..Wanted::default() });
    let mut control = after.control();
    let (mut data, _) = control.set_data_fd();
    control.reset();
    data.expect(STARTUP_CLEAR, SUCCESS);
    let flags_after = data.run(PERMANENT_FLAGS);
    assert_eq!(flags_after, flags);
}

#[test]
fn blobs_that_do_not_make_a_tpm_leave_the_old_one_as_it_was() {
    let process = Process::start();
    let mut control = process.control();
    let (mut data, _) = control.set_data_fd();
    control.reset();
    data.expect(STARTUP_CLEAR, SUCCESS);
    assert_eq!(data.code(CLEAR_CONTROL), 0);
    let flags = data.run(PERMANENT_FLAGS);
    let (_, permanent) = control.blob(1);
    let (_, volatile) = control.blob(2);
    // A well-formed blob with no TPM in it.
    let empty = BlobKeys::default();
    let hollow =
        sigillo_server::blob::pack(sigillo_server::control::BlobKind::Permanent, b"no TPM", &empty, true);
    control.expect("0000000e", "00000000");
    assert_eq!(control.set_blob(1, 0, &hollow.unwrap()), [0; 4]);
    control.expect("00000002 00000000", "00000101");
    control.expect("00000004", "0000000a");
    // The volatile state of a TPM with another permanent state.
    let stranger = Process::start();
    let mut other = stranger.control();
    other.reset();
    let (_, foreign) = other.blob(1);
    assert_eq!(control.set_blob(1, 0, &foreign), [0; 4]);
    assert_eq!(control.set_blob(2, 0, &volatile), [0; 4]);
    control.expect("00000002 00000001", "00000101");
    // Every cut of a blob is refused at once, and what was set before is not touched by it.
    assert_eq!(control.set_blob(1, 0, &permanent), [0; 4]);
    for len in (1..permanent.len()).step_by(1 + permanent.len() / 40) {
        assert_ne!(control.set_blob(1, 0, &permanent[..len]), [0; 4]);
    }
    // An empty one takes it back.
    assert_eq!(control.set_blob(1, 0, &[]), [0; 4]);
    control.expect("00000002 00000000", "00000000");
    data.expect(STARTUP_CLEAR, SUCCESS);
    assert_eq!(data.run(PERMANENT_FLAGS), flags);
}

#[test]
fn a_blob_is_read_in_parts_of_one_snapshot() {
    let process = Process::start();
    let mut control = process.control();
    let (mut data, _) = control.set_data_fd();
    control.reset();
    data.expect(STARTUP_CLEAR, SUCCESS);
    let (_, whole) = control.blob(2);
    assert_eq!(data.code(EXTEND_16), 0);
    let offset = u32::try_from(whole.len() - 10).unwrap();
    let mut request = hex("0000000c 00000001 00000002");
    request.extend(offset.to_be_bytes());
    control.send(&request);
    let head = control.reply(16);
    assert_eq!(head[8..12], u32::try_from(whole.len()).unwrap().to_be_bytes());
    assert_eq!(head[12..16], [0, 0, 0, 10]);
    assert_eq!(control.reply(10), whole[whole.len() - 10..]);
    control.expect("0000000c 00000001 00000002 00ffffff", "00000003 00000000 00000000 00000000");
}

#[test]
fn a_migration_key_seals_the_blobs_and_another_does_not_open_them() {
    let source = keyed(Some(1), Some(2));
    let mut control = source.control();
    control.expect("0000000f", "00000000 00000003");
    control.reset();
    let (flags, permanent) = control.blob(1);
    assert_eq!(flags, 2);
    let mut wrong = keyed(Some(1), Some(3)).control();
    assert_eq!(wrong.set_blob(1, flags, &permanent), hex("00000021"));
    let mut without = keyed(Some(1), None).control();
    assert_eq!(without.set_blob(1, flags, &permanent), hex("00000021"));
    let mut right = keyed(Some(9), Some(2)).control();
    assert_eq!(right.set_blob(1, flags, &permanent), [0; 4]);
    right.expect("00000002 00000000", "00000000");
}

#[test]
fn a_change_that_cannot_be_stored_is_undone_and_says_so() {
    let process = Process::start();
    let mut control = process.control();
    let (mut data, _) = control.set_data_fd();
    control.reset();
    data.expect(STARTUP_CLEAR, SUCCESS);
    let flags = data.run(PERMANENT_FLAGS);
    process.memory.state().broken = true;
    assert_eq!(data.code(CLEAR_CONTROL), NV_UNAVAILABLE);
    assert_eq!(data.run(PERMANENT_FLAGS), flags);
    control.expect("0000000a", "00000009");
    process.memory.state().broken = false;
    assert_eq!(data.code(CLEAR_CONTROL), 0);
    assert_ne!(data.run(PERMANENT_FLAGS), flags);
}

/// Storage with a bug: where another says that it is broken, this one panics.
struct Panicking(MemoryPersist);

impl Persist for Panicking {
    fn take(&mut self) -> Zeroizing<Vec<u8>> {
        self.0.take()
    }

    fn commit(&mut self, permanent: &[u8]) -> Result<(), PersistError> {
        let broken = self.0.state().broken;
        assert!(!broken, "a bug");
        self.0.commit(permanent)
    }

    fn volatile(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, PersistError> {
        self.0.volatile()
    }

    fn keep_volatile(&mut self, volatile: &[u8]) -> Result<(), PersistError> {
        self.0.keep_volatile(volatile)
    }

    fn forget_volatile(&mut self) -> Result<(), PersistError> {
        self.0.forget_volatile()
    }
}

#[test]
fn a_bug_of_ours_is_failure_mode_until_the_tpm_is_reset() {
    let memory = MemoryPersist::default();
    let persist: Box<dyn Persist> = Box::new(Panicking(memory.clone()));
    let process = Process::with(Wanted { persist: Some(persist), memory, ..Wanted::default() });
    let mut control = process.control();
    let (mut data, _) = control.set_data_fd();
    control.reset();
    data.expect(STARTUP_CLEAR, SUCCESS);
    let flags = data.run(PERMANENT_FLAGS);
    process.memory.state().broken = true;
    assert_eq!(data.code(CLEAR_CONTROL), 0x101);
    process.memory.state().broken = false;
    assert_eq!(data.code(GET_RANDOM_4), 0x101);
    control.reset();
    data.expect(STARTUP_CLEAR, SUCCESS);
    assert_eq!(data.run(PERMANENT_FLAGS), flags, "the command was undone");
    assert_eq!(data.code(CLEAR_CONTROL), 0);
}

#[test]
fn a_new_tpm_that_cannot_be_stored_does_not_start() {
    let memory = MemoryPersist::default();
    memory.state().broken = true;
    let process = Process::with(Wanted { memory, ..Wanted::default() });
    let mut control = process.control();
    control.expect("00000002 00000000", "00000009");
    process.memory.state().broken = false;
    control.expect("00000002 00000000", "00000000");
}

#[test]
fn a_tpm_stopped_without_shutdown_is_shut_down_for_its_driver() {
    for (auto_shutdown, resumes) in [(true, true), (false, false)] {
        let options = Options { auto_shutdown, ..Options::default() };
        let process = Process::with(Wanted { options, ..Wanted::default() });
        let mut control = process.control();
        let (mut data, _) = control.set_data_fd();
        control.reset();
        data.expect(STARTUP_CLEAR, SUCCESS);
        control.reset();
        assert_eq!(data.code(STARTUP_STATE) == 0, resumes);
    }
}

#[test]
fn a_shutdown_of_the_driver_is_not_followed_by_another() {
    let process = Process::start();
    let mut control = process.control();
    let (mut data, _) = control.set_data_fd();
    control.reset();
    data.expect(STARTUP_CLEAR, SUCCESS);
    data.expect("8001 0000000c 00000145 0000", SUCCESS);
    control.reset();
    // After Shutdown(CLEAR) there is no state to go on from.
    assert_ne!(data.code(STARTUP_STATE), 0);
}

#[test]
fn kept_volatile_state_is_gone_on_from_and_then_forgotten() {
    let process = Process::start();
    let mut control = process.control();
    let (mut data, _) = control.set_data_fd();
    control.reset();
    data.expect(STARTUP_CLEAR, SUCCESS);
    assert_eq!(data.code(EXTEND_16), 0);
    let pcr = data.run(READ_16);
    control.expect("0000000a", "00000000");
    let memory = process.memory.clone();
    assert_eq!(control.ask("00000003", 4), [0; 4]);
    assert_eq!(process.ended(), Exit::Shutdown);

    let process = Process::with(Wanted { memory, ..Wanted::default() });
    let mut control = process.control();
    let (mut data, _) = control.set_data_fd();
    control.expect("00000002 00000001", "00000000");
    assert_eq!(data.run(READ_16), pcr);
    assert!(process.memory.state().volatile.is_none());
    control.reset();
    data.expect(STARTUP_CLEAR, SUCCESS);
    assert_ne!(data.run(READ_16), pcr);
}

#[test]
fn kept_volatile_state_of_another_moment_is_left_aside() {
    let process = Process::start();
    let mut control = process.control();
    let (mut data, _) = control.set_data_fd();
    control.reset();
    data.expect(STARTUP_CLEAR, SUCCESS);
    let flags = data.run(PERMANENT_FLAGS);
    control.expect("0000000a", "00000000");
    assert_eq!(data.code(CLEAR_CONTROL), 0);
    control.reset();
    // It starts from what is permanent, and what the guest was told is so is so.
    data.expect(STARTUP_CLEAR, SUCCESS);
    assert_ne!(data.run(PERMANENT_FLAGS), flags);
}
