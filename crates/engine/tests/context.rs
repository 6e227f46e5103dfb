//! Contexts and persistent objects. Part 3, 28.

mod common;
mod support;

use common::{TestTpm, power_cycle, refused, reset_line, shutdown, started, startup};
use sigillo_client::{Auth, SessionOptions, template};
use sigillo_engine::Tpm;
use sigillo_types::{
    EccCurve, HashAlg, Marshal,
    attributes::TpmaObject,
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bMaxBuffer},
    cc,
    commands::{
        ContextLoad, ContextSave, EvictControl, FlushContext, HashSequenceStart, HierarchyControl, HmacStart,
        ReadPublic, SequenceComplete, SequenceUpdate,
    },
    constants::{SessionType, StartupType},
    handles::{
        BaseHierarchy, ContextHandle, EnablesHandle, Hierarchy, ObjectHandle, PersistentHandle,
        ProvisionHandle, SavedHandle,
    },
    rc,
    structures::{TpmsContext, TpmtTkHashcheck},
};
use support::{child, create, external, flush, handle, load, primary, primary_response};

#[track_caller]
fn save(tpm: &mut TestTpm, raw: u32) -> TpmsContext {
    let save_handle = ContextHandle::new(raw).expect("a context");
    tpm.call(&ContextSave { save_handle }).expect("it is saved").context
}

#[track_caller]
fn restore(tpm: &mut TestTpm, context: &TpmsContext) -> u32 {
    tpm.call(&ContextLoad { context: context.clone() }).expect("it is loaded").loaded_handle
}

fn refusal(tpm: &mut TestTpm, context: &TpmsContext) -> sigillo_types::Rc {
    refused(tpm, &ContextLoad { context: context.clone() })
}

fn flush_raw(tpm: &mut TestTpm, raw: u32) -> FlushContext {
    let _ = tpm;
    FlushContext { flush_handle: ContextHandle::new(raw).expect("a context") }
}

fn st_clear() -> sigillo_types::structures::TpmtPublic {
    let mut public = template::ecc_storage();
    public.object_attributes |= TpmaObject::ST_CLEAR;
    public
}

#[test]
fn an_object_comes_back_as_often_as_one_likes() {
    let mut tpm = started();
    let made = primary_response(&mut tpm, Hierarchy::Owner, template::rsa_storage());
    let saved = save(&mut tpm, made.object_handle);
    assert_eq!((saved.saved_handle, saved.hierarchy), (SavedHandle::Object, Hierarchy::Owner));
    let sealed =
        create(&mut tpm, handle(made.object_handle), template::sealed(Tpm2bDigest::default()), b"", b"x");
    flush(&mut tpm, handle(made.object_handle));
    for _ in 0..2 {
        let again = handle(restore(&mut tpm, &saved));
        let name = tpm.call(&ReadPublic { object_handle: again }).expect("readable").name;
        assert_eq!(name, made.name);
        let item = load(&mut tpm, again, &sealed);
        flush(&mut tpm, item);
    }
}

#[test]
fn a_context_that_was_changed_is_refused() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let saved = save(&mut tpm, key.raw());
    save(&mut tpm, key.raw());
    let integrity = rc::INTEGRITY.at(ContextLoad::CONTEXT);
    let value = rc::VALUE.at(ContextLoad::CONTEXT);
    let mut changed = saved.clone();
    changed.sequence += 1;
    assert_eq!(refusal(&mut tpm, &changed), integrity);
    changed.sequence += 1;
    assert_eq!(refusal(&mut tpm, &changed), value);
    let handled = TpmsContext { saved_handle: SavedHandle::StClearObject, ..saved.clone() };
    assert_eq!(refusal(&mut tpm, &handled), integrity);
    let elsewhere = TpmsContext { hierarchy: Hierarchy::Null, ..saved.clone() };
    assert_eq!(refusal(&mut tpm, &elsewhere), integrity);
    for place in [1, 2, 66, 67, saved.context_blob.len() - 1] {
        let mut octets = saved.context_blob.to_vec();
        octets[place] ^= 1;
        let changed =
            TpmsContext { context_blob: octets.try_into().expect("the same size"), ..saved.clone() };
        assert_eq!(refusal(&mut tpm, &changed), integrity, "octet {place}");
    }
    let empty = TpmsContext { context_blob: Default::default(), ..saved };
    assert_eq!(refusal(&mut tpm, &empty), integrity);
}

#[test]
fn no_context_shows_what_is_in_it() {
    let mut tpm = started();
    let made = primary_response(&mut tpm, Hierarchy::Owner, template::rsa_storage());
    let saved = save(&mut tpm, made.object_handle);
    let again = save(&mut tpm, made.object_handle);
    let name = &made.name[2..];
    assert!(!saved.context_blob.windows(name.len()).any(|window| window == name));
    assert_ne!(saved.context_blob[66..98], again.context_blob[66..98]);
}

/// Under the same key and IV two contexts would show where their contents differ, and one that is known would give the other away.
#[test]
fn a_sequence_number_that_comes_again_encrypts_anew() {
    let mut tpm = started();
    let mut encrypted = || {
        let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
        let saved = save(&mut tpm, key.raw());
        reset_line(&mut tpm);
        startup(&mut tpm, StartupType::Clear).expect("TPM Reset");
        assert_eq!(saved.sequence, 0);
        saved.context_blob[66..].to_vec()
    };
    let (before, after) = (encrypted(), encrypted());
    assert_eq!(before.len(), after.len());
    assert!(before.chunks(16).zip(after.chunks(16)).all(|(before, after)| before != after));
}

#[test]
fn contexts_survive_restart_and_resume_but_no_reset_and_st_clear_ones_no_restart() {
    let mut tpm = started();
    let plain = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let clear = primary(&mut tpm, Hierarchy::Owner, st_clear());
    let below = child(&mut tpm, clear, template::ecc_signing(EccCurve::NistP256, None, false));
    let saved = save(&mut tpm, plain.raw());
    let saved_clear = save(&mut tpm, clear.raw());
    let saved_below = save(&mut tpm, below.raw());
    assert_eq!(saved_clear.saved_handle, SavedHandle::StClearObject);
    assert_eq!(saved_below.saved_handle, SavedHandle::StClearObject);
    let integrity = rc::INTEGRITY.at(ContextLoad::CONTEXT);
    shutdown(&mut tpm, StartupType::State).expect("an orderly shutdown");
    reset_line(&mut tpm);
    startup(&mut tpm, StartupType::State).expect("TPM Resume");
    for context in [&saved, &saved_clear, &saved_below] {
        let loaded = restore(&mut tpm, context);
        flush(&mut tpm, handle(loaded));
    }
    shutdown(&mut tpm, StartupType::State).expect("an orderly shutdown");
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::Clear).expect("TPM Restart");
    restore(&mut tpm, &saved);
    assert_eq!(refusal(&mut tpm, &saved_clear), integrity);
    assert_eq!(refusal(&mut tpm, &saved_below), integrity);
    reset_line(&mut tpm);
    startup(&mut tpm, StartupType::Clear).expect("TPM Reset");
    let key = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    save(&mut tpm, key.raw());
    assert_eq!(refusal(&mut tpm, &saved), integrity);
}

#[test]
fn a_disabled_hierarchy_keeps_its_contexts_out() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Endorsement, template::ecc_storage());
    let saved = save(&mut tpm, key.raw());
    let control = |state| HierarchyControl {
        auth_handle: BaseHierarchy::Platform,
        enable: EnablesHandle::new(0x4000_000B).expect("the endorsement hierarchy"),
        state,
    };
    tpm.call(&control(false)).expect("the platform disables it");
    assert_eq!(refusal(&mut tpm, &saved), rc::HIERARCHY.at(ContextLoad::CONTEXT));
    assert!(tpm.call(&ReadPublic { object_handle: key }).is_err(), "flushed with its hierarchy");
    tpm.call(&control(true)).expect("and enables it");
    restore(&mut tpm, &saved);
}

#[test]
fn a_sequence_goes_on_where_it_was_saved() {
    let mut tpm = started();
    let auth = Tpm2bAuth::new(b"auth").expect("short");
    let started = tpm.call(&HashSequenceStart { auth, hash_alg: Some(HashAlg::Sha256) }).expect("it starts");
    let update = |tpm: &mut TestTpm, raw: u32, data: &[u8]| {
        let buffer = Tpm2bMaxBuffer::new(data).expect("short");
        let command = SequenceUpdate { sequence_handle: handle(raw), buffer };
        tpm.call_with(&command, &mut [Auth::password(b"auth")]).expect("it goes on");
    };
    update(&mut tpm, started.sequence_handle, b"abcd");
    let saved = save(&mut tpm, started.sequence_handle);
    assert_eq!((saved.saved_handle, saved.hierarchy), (SavedHandle::Sequence, Hierarchy::Null));
    update(&mut tpm, started.sequence_handle, b"lost");
    flush(&mut tpm, handle(started.sequence_handle));
    let again = restore(&mut tpm, &saved);
    let buffer = Tpm2bMaxBuffer::new(b"efgh").expect("short");
    let complete = SequenceComplete { sequence_handle: handle(again), buffer, hierarchy: Hierarchy::Owner };
    let done = tpm.call_with(&complete, &mut [Auth::password(b"auth")]).expect("it ends");
    let expected = sigillo_crypto::hash::hash(HashAlg::Sha256, &[b"abcdefgh"]);
    assert_eq!(done.result.to_vec(), expected.to_vec());
    assert_ne!(done.validation, TpmtTkHashcheck::null());
}

#[test]
fn an_hmac_sequence_keeps_its_key_in_its_context() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Owner, template::hmac_key(HashAlg::Sha256));
    let begin = HmacStart { handle: key, auth: Tpm2bAuth::default(), hash_alg: None };
    let first = tpm.call(&begin).expect("it starts").sequence_handle;
    let saved = save(&mut tpm, first);
    flush(&mut tpm, key);
    let finish = |tpm: &mut TestTpm, raw| {
        let buffer = Tpm2bMaxBuffer::new(b"message").expect("short");
        let command = SequenceComplete { sequence_handle: handle(raw), buffer, hierarchy: Hierarchy::Owner };
        tpm.call(&command).expect("it ends").result
    };
    let expected = finish(&mut tpm, first);
    let again = restore(&mut tpm, &saved);
    assert_eq!(finish(&mut tpm, again), expected);
}

#[test]
fn a_session_is_either_here_or_saved_and_loads_once() {
    let mut tpm = started();
    let mut session =
        tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).expect("it starts");
    let saved = save(&mut tpm, session.handle);
    assert_eq!(saved.saved_handle.raw(), session.handle);
    assert!(
        tpm.call(&ContextSave { save_handle: ContextHandle::new(session.handle).expect("a session") })
            .is_err()
    );
    assert_eq!(restore(&mut tpm, &saved), session.handle);
    let taken = rc::HANDLE.at(ContextLoad::CONTEXT);
    assert_eq!(refusal(&mut tpm, &saved), taken);
    let random = sigillo_types::commands::GetRandom { bytes_requested: 8 };
    let attributes = sigillo_types::attributes::TpmaSession::CONTINUE_SESSION
        | sigillo_types::attributes::TpmaSession::AUDIT;
    tpm.call_with(&random, &mut [Auth::session_with(&mut session, b"", attributes)]).expect("still usable");
    let newer = save(&mut tpm, session.handle);
    assert_eq!(refusal(&mut tpm, &saved), taken, "an older context of the session");
    restore(&mut tpm, &newer);
}

#[test]
fn a_flushed_session_does_not_come_back() {
    let mut tpm = started();
    let session =
        tpm.start_session(SessionOptions::new(SessionType::Policy, HashAlg::Sha256)).expect("it starts");
    let saved = save(&mut tpm, session.handle);
    // Of a session handle the type does not count.
    let command = flush_raw(&mut tpm, session.handle & 0x00FF_FFFF | 0x0200_0000);
    tpm.call(&command).expect("a saved session can be flushed");
    assert_eq!(refusal(&mut tpm, &saved), rc::HANDLE.at(ContextLoad::CONTEXT));
    assert_eq!(refused(&mut tpm, &command), rc::HANDLE.at(FlushContext::FLUSH_HANDLE));
}

#[test]
fn saved_sessions_survive_resume_and_restart() {
    let mut tpm = started();
    let session =
        tpm.start_session(SessionOptions::new(SessionType::Policy, HashAlg::Sha256)).expect("it starts");
    let mut saved = save(&mut tpm, session.handle);
    for (kind, next) in [("resume", StartupType::State), ("restart", StartupType::Clear)] {
        shutdown(&mut tpm, StartupType::State).expect("an orderly shutdown");
        power_cycle(&mut tpm);
        startup(&mut tpm, next).expect(kind);
        restore(&mut tpm, &saved);
        saved = save(&mut tpm, session.handle);
    }
    reset_line(&mut tpm);
    startup(&mut tpm, StartupType::Clear).expect("TPM Reset");
    assert!(tpm.call(&ContextLoad { context: saved }).is_err());
}

#[test]
fn loaded_sessions_are_bounded() {
    let mut tpm = started();
    let first =
        tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).expect("it starts");
    let saved = save(&mut tpm, first.handle);
    for _ in 0..3 {
        tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).expect("it starts");
    }
    assert_eq!(refusal(&mut tpm, &saved), rc::SESSION_MEMORY);
}

/// The TPM as it would be after tens of thousands of saved sessions: the count of contexts, whose form in the saved state is three octets
/// from 256 on, is put forward.
fn forward(tpm: &mut TestTpm, count: u16) {
    let field = |count: u16| [&[4, 0x19][..], &count.to_be_bytes(), &[5]].concat();
    let local = tpm.transport();
    let mut volatile = local.tpm.volatile_state().to_vec();
    let at: Vec<usize> =
        (0..volatile.len() - 5).filter(|at| volatile[*at..*at + 5] == field(count)).collect();
    assert_eq!(at.len(), 1, "ResetData::context_counter");
    volatile[at[0]..at[0] + 5].copy_from_slice(&field(u16::MAX));
    local.tpm = Tpm::resume(&local.disk, &volatile, &mut local.host).expect("resumed");
}

/// Part 1, 27.5: TPM_PT_CONTEXT_GAP_MAX is 0xFFFF.
#[test]
fn a_session_saved_long_ago_must_be_loaded_before_any_other() {
    let mut tpm = started();
    let hmac = || SessionOptions::new(SessionType::Hmac, HashAlg::Sha256);
    let first = tpm.start_session(hmac()).expect("it starts").handle;
    let oldest = save(&mut tpm, first);
    let second = tpm.start_session(hmac()).expect("it starts").handle;
    let mut saved = save(&mut tpm, second);
    for _ in 2..300 {
        restore(&mut tpm, &saved);
        saved = save(&mut tpm, second);
    }
    forward(&mut tpm, 300);
    let gap = tpm.start_session(hmac()).map(drop).expect_err("an old session waits").rc();
    assert_eq!(gap, Some(rc::CONTEXT_GAP));
    assert_eq!(refusal(&mut tpm, &saved), rc::CONTEXT_GAP);
    restore(&mut tpm, &oldest);
    restore(&mut tpm, &saved);
    tpm.start_session(hmac()).expect("it starts");
}

#[test]
fn an_object_needs_a_free_slot_to_come_back() {
    let mut tpm = started();
    let object = primary(&mut tpm, Hierarchy::Null, template::ecc_storage());
    let saved = save(&mut tpm, object.raw());
    restore(&mut tpm, &saved);
    restore(&mut tpm, &saved);
    assert_eq!(refusal(&mut tpm, &saved), rc::OBJECT_MEMORY);
    flush(&mut tpm, object);
    assert_eq!(restore(&mut tpm, &saved), object.raw(), "the first free one");
}

#[test]
fn only_what_is_loaded_can_be_saved() {
    let mut tpm = started();
    let session =
        tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).expect("it starts");
    save(&mut tpm, session.handle);
    for nothing in [0x8000_0000, 0x0200_0001, 0x0300_0002, session.handle] {
        let save_handle = ContextHandle::new(nothing).expect("a context");
        assert_eq!(refused(&mut tpm, &ContextSave { save_handle }), rc::REFERENCE_H0, "{nothing:#x}");
    }
}

/// What would happen to a session that is both handled and used? Part 3, 28.2.1.
#[test]
fn no_session_comes_with_a_command_about_contexts() {
    let mut tpm = started();
    let object = primary(&mut tpm, Hierarchy::Null, template::ecc_storage());
    let context = save(&mut tpm, object.raw());
    let handle = object.raw().to_be_bytes();
    for (code, handles, parameters) in [
        (cc::CONTEXT_SAVE, &handle[..], vec![]),
        (cc::CONTEXT_LOAD, &[], context.to_bytes()),
        (cc::FLUSH_CONTEXT, &[], handle.to_vec()),
    ] {
        // TPM_RS_PW without a password.
        let area = [0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0];
        let body = [handles, &area, &parameters].concat();
        let size = u32::try_from(10 + body.len()).expect("short");
        let command = [&[0x80, 0x02][..], &size.to_be_bytes(), &code.to_be_bytes(), &body].concat();
        let reply = tpm.raw(&command).expect("an answer");
        assert_eq!(reply[6..], rc::AUTH_CONTEXT.raw().to_be_bytes(), "{code:#x}");
    }
    tpm.call(&ReadPublic { object_handle: object }).expect("it is still there");
}

#[test]
fn flushing_nothing_is_an_error() {
    let mut tpm = started();
    // A persistent object is not flushed: it is no handle of the type.
    for raw in [0x8100_0000_u32, 0x4000_0001, 0x0100_0000, 0x0000_0000] {
        let flush = [&[0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x65][..], &raw.to_be_bytes()].concat();
        let reply = tpm.raw(&flush).expect("an answer");
        assert_eq!(reply[6..], rc::VALUE.at(FlushContext::FLUSH_HANDLE).raw().to_be_bytes(), "{raw:#x}");
    }
    let nothing = flush_raw(&mut tpm, 0x8000_0000);
    assert_eq!(refused(&mut tpm, &nothing), rc::HANDLE.at(FlushContext::FLUSH_HANDLE));
    let nothing = flush_raw(&mut tpm, 0x0300_0000);
    assert_eq!(refused(&mut tpm, &nothing), rc::HANDLE.at(FlushContext::FLUSH_HANDLE));
}

fn evict(auth: ProvisionHandle, object_handle: ObjectHandle, persistent: u32) -> EvictControl {
    let persistent_handle = PersistentHandle::new(persistent).expect("a persistent handle");
    EvictControl { auth, object_handle, persistent_handle }
}

#[test]
fn who_manages_a_persistent_object_is_a_matter_of_hierarchy_and_range() {
    let mut tpm = started();
    let owner = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let platform = primary(&mut tpm, Hierarchy::Platform, template::ecc_storage());
    let object = EvictControl::OBJECT_HANDLE;
    let persistent = EvictControl::PERSISTENT_HANDLE;
    for (command, code) in [
        (evict(ProvisionHandle::Owner, platform, 0x8100_0000), rc::HIERARCHY.at(object)),
        (evict(ProvisionHandle::Platform, owner, 0x8180_0000), rc::HIERARCHY.at(object)),
        (evict(ProvisionHandle::Owner, owner, 0x8180_0000), rc::RANGE.at(persistent)),
        (evict(ProvisionHandle::Platform, platform, 0x8100_0000), rc::RANGE.at(persistent)),
    ] {
        assert_eq!(refused(&mut tpm, &command), code);
    }
    tpm.call(&evict(ProvisionHandle::Owner, owner, 0x8100_0000)).expect("the owner's");
    tpm.call(&evict(ProvisionHandle::Platform, platform, 0x8180_0000)).expect("the platform's");
    assert_eq!(refused(&mut tpm, &evict(ProvisionHandle::Owner, owner, 0x8100_0000)), rc::NV_DEFINED);
    let other = evict(ProvisionHandle::Owner, handle(0x8100_0000), 0x8100_0001);
    assert_eq!(refused(&mut tpm, &other), rc::HANDLE.at(object));
    let out_of_range = evict(ProvisionHandle::Owner, handle(0x8180_0000), 0x8180_0000);
    assert_eq!(refused(&mut tpm, &out_of_range), rc::RANGE.at(object));
    tpm.call(&evict(ProvisionHandle::Platform, handle(0x8100_0000), 0x8100_0000)).expect("the platform may");
    assert!(tpm.call(&ReadPublic { object_handle: handle(0x8100_0000) }).is_err());
    tpm.call(&ReadPublic { object_handle: owner }).expect("the transient object is still there");
}

#[test]
fn what_does_not_last_does_not_become_persistent() {
    let mut tpm = started();
    let attributes = rc::ATTRIBUTES.at(EvictControl::OBJECT_HANDLE);
    let null = primary(&mut tpm, Hierarchy::Null, template::ecc_storage());
    assert_eq!(refused(&mut tpm, &evict(ProvisionHandle::Owner, null, 0x8100_0000)), attributes);
    let clear = primary(&mut tpm, Hierarchy::Owner, st_clear());
    assert_eq!(refused(&mut tpm, &evict(ProvisionHandle::Owner, clear, 0x8100_0000)), attributes);
    let sequence = HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg: None };
    let sequence = handle(tpm.call(&sequence).expect("it starts").sequence_handle);
    let code = refused(&mut tpm, &evict(ProvisionHandle::Owner, sequence, 0x8100_0000));
    assert_eq!(code, rc::TYPE.at(EvictControl::OBJECT_HANDLE));
}

#[test]
fn a_public_key_alone_can_be_persistent() {
    let mut tpm = started();
    let made =
        primary_response(&mut tpm, Hierarchy::Owner, template::ecc_signing(EccCurve::NistP256, None, false));
    flush(&mut tpm, handle(made.object_handle));
    let load = external(made.out_public.public_area, None, Hierarchy::Owner);
    let public = handle(tpm.call(&load).expect("it loads").object_handle);
    tpm.call(&evict(ProvisionHandle::Owner, public, 0x8100_0000)).expect("persistent");
    power_cycle(&mut tpm);
    startup(&mut tpm, StartupType::Clear).expect("it starts");
    let read = tpm.call(&ReadPublic { object_handle: handle(0x8100_0000) }).expect("readable");
    assert_eq!(read.name, made.name);
}
