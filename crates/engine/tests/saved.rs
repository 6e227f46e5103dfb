//! State as bytes: suspended, moved, kept by an older version, or written by somebody else.

mod common;
mod support;

use common::{TestHost, TestTpm, migrate, powered, refused, shutdown, started, startup, wait_ms};
use sigillo_client::{Auth, SessionOptions, template};
use sigillo_crypto::hash::hash;
use sigillo_engine::{EntropyUnavailable, Host, Profile, RestoreError, Tpm};
use sigillo_types::{
    HashAlg,
    attributes::{NvType, TpmaNv, TpmaSession},
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bMaxBuffer, Tpm2bMaxNvBuffer},
    cc,
    commands::{
        ClockRateAdjust, ContextLoad, ContextSave, EvictControl, GetRandom, HashSequenceStart,
        HierarchyChangeAuth, HmacStart, NvDefineSpace, NvIncrement, NvRead, NvWrite, PcrExtend, PcrRead,
        PolicyGetDigest, PolicyPassword, ReadClock, ReadPublic, SequenceComplete, SequenceUpdate,
        SetPrimaryPolicy,
    },
    constants::{ClockAdjust, SessionType, StartupType},
    handles::{
        ContextHandle, Hierarchy, HierarchyAuthHandle, HierarchyPolicyHandle, NvAuthHandle, NvIndexHandle,
        NvLegacyIndexHandle, ObjectHandle, PcrHandle, PersistentHandle, PolicySessionHandle, ProvisionHandle,
    },
    rc,
    structures::{
        PcrSelect, Tpm2bNvPublic, TpmlDigestValues, TpmlPcrSelection, TpmsNvPublic, TpmsPcrSelection, TpmtHa,
    },
};
use support::{child, handle, primary};

const INDEX: u32 = 0x0150_0001;
const COUNTER: u32 = 0x0150_0002;

fn define(tpm: &mut TestTpm, raw: u32, nt: NvType, attributes: TpmaNv) {
    let nv_public = TpmsNvPublic {
        nv_index: NvLegacyIndexHandle::new(raw).unwrap(),
        name_alg: HashAlg::Sha256,
        attributes: (TpmaNv::AUTHREAD | TpmaNv::AUTHWRITE | attributes).with_nt(nt),
        auth_policy: Tpm2bDigest::default(),
        data_size: 8,
    };
    let define = NvDefineSpace {
        auth_handle: ProvisionHandle::Owner,
        auth: Tpm2bAuth::from(*b"index"),
        public_info: Tpm2bNvPublic { nv_public },
    };
    tpm.call(&define).unwrap();
}

fn write(tpm: &mut TestTpm, data: [u8; 8]) {
    let write = NvWrite {
        auth_handle: NvAuthHandle::new(INDEX).unwrap(),
        nv_index: NvIndexHandle::new(INDEX).unwrap(),
        data: Tpm2bMaxNvBuffer::from(data),
        offset: 0,
    };
    tpm.call_with(&write, &mut [Auth::password(b"index")]).unwrap();
}

fn increment(tpm: &mut TestTpm) {
    let (auth_handle, nv_index) = (NvAuthHandle::new(COUNTER).unwrap(), NvIndexHandle::new(COUNTER).unwrap());
    tpm.call_with(&NvIncrement { auth_handle, nv_index }, &mut [Auth::password(b"index")]).unwrap();
}

fn read(tpm: &mut TestTpm, raw: u32) -> Vec<u8> {
    let (auth_handle, nv_index) = (NvAuthHandle::new(raw).unwrap(), NvIndexHandle::new(raw).unwrap());
    let read = NvRead { auth_handle, nv_index, size: 8, offset: 0 };
    tpm.call_with(&read, &mut [Auth::password(b"index")]).unwrap().data.to_vec()
}

fn pcr(tpm: &mut TestTpm, number: u32) -> Vec<u8> {
    let pcr_select = PcrSelect::of([PcrHandle::new(number).unwrap()]);
    let selection = TpmsPcrSelection { hash: HashAlg::Sha256, pcr_select };
    let read =
        tpm.call(&PcrRead { pcr_selection_in: TpmlPcrSelection::new(vec![selection]).unwrap() }).unwrap();
    read.pcr_values.first().unwrap().to_vec()
}

fn extend(tpm: &mut TestTpm, number: u32) {
    let digests = TpmlDigestValues::new(vec![TpmtHa::Sha256([7; 32])]).unwrap();
    tpm.call(&PcrExtend { pcr_handle: Some(PcrHandle::new(number).unwrap()), digests }).unwrap();
}

fn name(tpm: &mut TestTpm, raw: u32) -> Vec<u8> {
    tpm.call(&ReadPublic { object_handle: handle(raw) }).unwrap().name.to_vec()
}

fn clock(tpm: &mut TestTpm) -> (u64, u64) {
    let time = tpm.call(&ReadClock {}).unwrap().current_time;
    (time.time, time.clock_info.clock)
}

fn hash_sequence(tpm: &mut TestTpm, data: &[u8]) -> u32 {
    let start = HashSequenceStart { auth: Tpm2bAuth::from(*b"sequence"), hash_alg: Some(HashAlg::Sha384) };
    let sequence = tpm.call(&start).unwrap().sequence_handle;
    update(tpm, sequence, b"sequence", data);
    sequence
}

fn update(tpm: &mut TestTpm, raw: u32, auth: &[u8], data: &[u8]) {
    let update = SequenceUpdate { sequence_handle: handle(raw), buffer: Tpm2bMaxBuffer::new(data).unwrap() };
    tpm.call_with(&update, &mut [Auth::password(auth)]).unwrap();
}

fn complete(tpm: &mut TestTpm, raw: u32, auth: &[u8], data: &[u8]) -> Vec<u8> {
    let complete = SequenceComplete {
        sequence_handle: handle(raw),
        buffer: Tpm2bMaxBuffer::new(data).unwrap(),
        hierarchy: Hierarchy::Null,
    };
    tpm.call_with(&complete, &mut [Auth::password(auth)]).unwrap().result.to_vec()
}

/// A client of a TPM that came from somewhere else.
fn client(tpm: Tpm, host: TestHost, disk: Vec<u8>) -> TestTpm {
    let mut client = powered();
    let local = client.transport();
    (local.tpm, local.host, local.disk) = (tpm, host, disk);
    client
}

#[test]
fn everything_goes_on_after_a_suspend() {
    let mut tpm = started();
    wait_ms(&mut tpm, 1_000);
    define(&mut tpm, INDEX, NvType::Ordinary, TpmaNv::ORDERLY);
    write(&mut tpm, *b"volatile");
    extend(&mut tpm, 7);
    let seven = pcr(&mut tpm, 7);
    let parent = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    let key = child(&mut tpm, parent, template::hmac_key(HashAlg::Sha256));
    let sequence = hash_sequence(&mut tpm, b"first ");
    let names = [name(&mut tpm, parent.raw()), name(&mut tpm, key.raw())];
    let mut hmac = tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).unwrap();
    let policy = tpm.start_session(SessionOptions::new(SessionType::Policy, HashAlg::Sha256)).unwrap();
    let policy_session = PolicySessionHandle::new(policy.handle).unwrap();
    tpm.call(&PolicyPassword { policy_session }).unwrap();
    let digest = tpm.call(&PolicyGetDigest { policy_session }).unwrap().policy_digest;

    migrate(&mut tpm, 5);

    assert_eq!(clock(&mut tpm), (1_000, 1_000), "the other host's clock is another one");
    wait_ms(&mut tpm, 20);
    assert_eq!(clock(&mut tpm), (1_020, 1_020));
    assert_eq!(read(&mut tpm, INDEX), b"volatile");
    assert_eq!(pcr(&mut tpm, 7), seven);
    assert_eq!([name(&mut tpm, parent.raw()), name(&mut tpm, key.raw())], names);
    assert_eq!(
        complete(&mut tpm, sequence, b"sequence", b"second"),
        *hash(HashAlg::Sha384, &[b"first second"])
    );
    assert_eq!(tpm.call(&PolicyGetDigest { policy_session }).unwrap().policy_digest, digest);
    let attributes = TpmaSession::CONTINUE_SESSION | TpmaSession::AUDIT;
    tpm.call_with(&GetRandom { bytes_requested: 8 }, &mut [Auth::session_with(&mut hmac, b"", attributes)])
        .unwrap();
    let other = child(&mut tpm, parent, template::hmac_key(HashAlg::Sha256));
    assert_ne!(name(&mut tpm, other.raw()), names[1]);
}

#[test]
fn hmac_and_event_sequences_and_saved_sessions_go_on_after_a_suspend() {
    let mut tpm = started();
    let key = primary(&mut tpm, Hierarchy::Null, template::hmac_key(HashAlg::Sha256));
    let hmac = |tpm: &mut TestTpm, suspended: bool| {
        let start = HmacStart { handle: key, auth: Tpm2bAuth::default(), hash_alg: Some(HashAlg::Sha256) };
        let sequence = tpm.call(&start).unwrap().sequence_handle;
        update(tpm, sequence, b"", b"first ");
        if suspended {
            migrate(tpm, 0);
        }
        complete(tpm, sequence, b"", b"second")
    };
    let expected = hmac(&mut tpm, false);
    assert_eq!(hmac(&mut tpm, true), expected);

    let session = tpm.start_session(SessionOptions::new(SessionType::Policy, HashAlg::Sha256)).unwrap();
    let save_handle = ContextHandle::new(session.handle).unwrap();
    let saved = tpm.call(&ContextSave { save_handle }).unwrap();
    migrate(&mut tpm, 0);
    assert_eq!(tpm.call(&ContextLoad { context: saved.context }).unwrap().loaded_handle, session.handle);
}

#[test]
fn a_suspend_before_startup_keeps_the_measurement() {
    let measured = |suspended: bool| {
        let mut tpm = powered();
        let local = tpm.transport();
        let _ = local.tpm.hash_start(&mut local.host).stored();
        let _ = local.tpm.hash_data(b"firm", &mut local.host).stored();
        if suspended {
            migrate(&mut tpm, 0);
        }
        let local = tpm.transport();
        let _ = local.tpm.hash_data(b"ware", &mut local.host).stored();
        let _ = local.tpm.hash_end(&mut local.host).stored();
        if suspended {
            migrate(&mut tpm, 0);
        }
        startup(&mut tpm, StartupType::Clear).unwrap();
        pcr(&mut tpm, 0)
    };
    assert_eq!(measured(true), measured(false));
}

#[test]
fn the_rate_of_time_and_the_buffer_size_go_along() {
    let mut tpm = started();
    tpm.transport().tpm.set_buffer_size(3968);
    tpm.call(&ClockRateAdjust { auth: ProvisionHandle::Owner, rate_adjust: ClockAdjust::CoarseFaster })
        .unwrap();
    migrate(&mut tpm, 77);
    assert_eq!(tpm.transport().tpm.set_buffer_size(0), 3968);
    wait_ms(&mut tpm, 1_000);
    assert_eq!(clock(&mut tpm), (1_010, 1_010));
}

#[test]
fn failure_mode_goes_along() {
    let mut tpm = powered();
    tpm.transport().host.out_of_entropy = true;
    let local = tpm.transport();
    local.tpm.init(&mut local.host);
    migrate(&mut tpm, 0);
    assert_eq!(refused(&mut tpm, &GetRandom { bytes_requested: 1 }), rc::FAILURE);
}

#[test]
fn two_copies_of_one_state_draw_different_numbers() {
    let mut tpm = started();
    let local = tpm.transport();
    let volatile = local.tpm.volatile_state();
    let mut draws = [(); 2].map(|()| {
        let mut host = TestHost::default();
        let tpm = Tpm::resume(&local.disk, &volatile, &mut host).unwrap();
        let disk = local.disk.clone();
        let mut copy = client(tpm, host, disk);
        copy.call(&GetRandom { bytes_requested: 32 }).unwrap().random_bytes.to_vec()
    });
    draws.sort();
    assert_ne!(draws[0], draws[1]);
}

#[test]
fn states_of_different_tpms_or_times_do_not_belong_together() {
    let (mut one, mut other) = (started(), started());
    let old = one.transport().disk.clone();
    let volatile = one.transport().tpm.volatile_state();
    define(&mut one, INDEX, NvType::Ordinary, TpmaNv::empty());
    let host = &mut TestHost::default();
    assert!(Tpm::resume(&old, &volatile, host).is_ok());
    let mismatch =
        |permanent: &[u8], host: &mut TestHost| Tpm::resume(permanent, &volatile, host).unwrap_err();
    assert_eq!(mismatch(&one.transport().disk, host), RestoreError::Mismatch, "a newer permanent state");
    assert_eq!(mismatch(&other.transport().disk, host), RestoreError::Mismatch, "another TPM's");
}

#[test]
fn bytes_that_are_no_state_say_what_they_are() {
    let mut tpm = started();
    let local = tpm.transport();
    let (permanent, volatile) = (local.disk.clone(), local.tpm.volatile_state().to_vec());
    let host = &mut local.host;
    let error = |bytes: &[u8], host: &mut TestHost| Tpm::restore(bytes, host).unwrap_err();
    assert_eq!(error(b"", host), RestoreError::NotTpmState);
    assert_eq!(error(b"SIGILLO", host), RestoreError::NotTpmState);
    assert_eq!(error(&volatile, host), RestoreError::NotTpmState, "another kind");
    assert_eq!(error(&permanent[..15], host), RestoreError::Damaged);
    assert_eq!(error(&permanent[..permanent.len() - 1], host), RestoreError::Damaged);
    assert_eq!(error(&[&permanent[..], b"x"].concat(), host), RestoreError::Damaged);
    let mut newer = permanent.clone();
    newer[15] = 2;
    assert_eq!(error(&newer, host), RestoreError::TooNew { format: 2 });
    assert_eq!(Tpm::resume(&permanent, &permanent, host).unwrap_err(), RestoreError::NotTpmState);
    host.out_of_entropy = true;
    assert_eq!(error(&permanent, host), RestoreError::EntropyUnavailable);
}

/// The blob with a body of ours.
fn blob(like: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&like[..16], &length, body].concat()
}

#[test]
fn fields_of_a_later_version_are_ignored() {
    let mut tpm = started();
    let local = tpm.transport();
    let permanent = local.disk.clone();
    let body = &permanent[20..];
    // A map of up to 22 entries has its count in the first octet; one more follows: 1000 => [1, "later"].
    assert_eq!(body[0] & 0xE0, 0xA0);
    let mut later = body.to_vec();
    later[0] += 1;
    later.extend_from_slice(&[0x19, 0x03, 0xE8, 0x82, 0x01, 0x65]);
    later.extend_from_slice(b"later");
    let restored = Tpm::restore(&blob(&permanent, &later), &mut local.host).unwrap();
    assert_eq!(*restored.permanent_state(), permanent);
}

#[test]
fn lengths_that_lie_allocate_nothing() {
    let mut tpm = started();
    let permanent = tpm.transport().disk.clone();
    let host = &mut TestHost::default();
    for huge in [&[0x9B][..], &[0xBB], &[0x5B], &[0x7B]] {
        for key in 0..10 {
            let mut body = vec![0xA1, key];
            body.extend_from_slice(huge);
            body.extend_from_slice(&[0xFF; 8]);
            assert_eq!(Tpm::restore(&blob(&permanent, &body), host).unwrap_err(), RestoreError::Damaged);
        }
    }
    let long = vec![0; 1024 * 1024 + 1];
    assert_eq!(Tpm::restore(&blob(&permanent, &long), host).unwrap_err(), RestoreError::Damaged);
}

/// A small generator, so that a failure can be repeated. Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// Changes a body in one of the ways in which storage, or somebody with access to it, may.
fn damage(random: &mut Random, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(body.len());
        match random.below(6) {
            0 => body[at] ^= 1 << random.below(8),
            1 => body[at] = random.below(256).to_le_bytes()[0],
            2 => body.truncate(at.max(1)),
            3 => body.insert(at, random.below(256).to_le_bytes()[0]),
            4 => drop(body.drain(at..(at + 1 + random.below(8)).min(body.len()))),
            _ => {
                let from = random.below(body.len());
                let piece = body[from..(from + random.below(64)).min(body.len())].to_vec();
                body.splice(at..at, piece);
            }
        }
        if body.is_empty() {
            body.push(0);
        }
    }
    body
}

/// What came back from damaged bytes is used like any TPM.
fn exercise(tpm: Tpm, host: TestHost) {
    let disk = tpm.permanent_state().to_vec();
    let mut tpm = client(tpm, host, disk);
    for startup_type in [StartupType::State, StartupType::Clear] {
        let _ = startup(&mut tpm, startup_type);
    }
    let _ = tpm.call(&PcrRead { pcr_selection_in: TpmlPcrSelection::default() });
    let _ = tpm.call(&ReadClock {});
    for raw in [0x8000_0000, 0x8000_0001, 0x8100_0001] {
        let object = ObjectHandle::new(raw).unwrap();
        let _ = tpm.call(&ReadPublic { object_handle: object });
        let buffer = Tpm2bMaxBuffer::from(*b"data");
        let _ = tpm.call(&SequenceUpdate { sequence_handle: object, buffer });
    }
    let _ = tpm.call_with(
        &NvRead {
            auth_handle: NvAuthHandle::new(INDEX).unwrap(),
            nv_index: NvIndexHandle::new(INDEX).unwrap(),
            size: 8,
            offset: 0,
        },
        &mut [Auth::password(b"index")],
    );
    let _ = shutdown(&mut tpm, StartupType::State);
    let local = tpm.transport();
    let volatile = local.tpm.volatile_state();
    Tpm::resume(&local.disk, &volatile, &mut local.host).expect("its own state is good again");
}

#[test]
fn damaged_state_is_refused_or_good() {
    let mut tpm = started();
    furnish(&mut tpm);
    let local = tpm.transport();
    let (permanent, volatile) = (local.disk.clone(), local.tpm.volatile_state().to_vec());
    let mut random = Random(0x5EED_0001);
    let (mut refused, mut accepted) = (0, 0);
    for _ in 0..4_000 {
        let body = damage(&mut random, &permanent[20..]);
        let mut host = TestHost::default();
        match Tpm::restore(&blob(&permanent, &body), &mut host) {
            Ok(mut tpm) => {
                accepted += 1;
                tpm.init(&mut host);
                exercise(tpm, host);
            }
            Err(_) => refused += 1,
        }
        let body = damage(&mut random, &volatile[20..]);
        let mut host = TestHost::default();
        match Tpm::resume(&permanent, &blob(&volatile, &body), &mut host) {
            Ok(tpm) => {
                accepted += 1;
                exercise(tpm, host);
            }
            Err(_) => refused += 1,
        }
    }
    // Octets of seeds, secrets and digests may be anything.
    assert!(refused > 1_000 && accepted > 100, "{refused} refused, {accepted} accepted");
}

/// Entropy that is the same each time, for files that are made once.
struct FixedHost {
    now_ms: u64,
    drawn: u64,
}

impl Host for FixedHost {
    fn monotonic_ms(&mut self) -> u64 {
        self.now_ms
    }

    fn entropy(&mut self, out: &mut [u8]) -> Result<(), EntropyUnavailable> {
        for chunk in out.chunks_mut(32) {
            self.drawn += 1;
            let block = hash(HashAlg::Sha256, &[b"golden", &self.drawn.to_be_bytes()]);
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

/// Gives a TPM something of everything that is saved.
fn furnish(tpm: &mut TestTpm) {
    wait_ms(tpm, 12_345);
    define(tpm, INDEX, NvType::Ordinary, TpmaNv::WRITE_STCLEAR);
    write(tpm, *b"contents");
    define(tpm, COUNTER, NvType::Counter, TpmaNv::ORDERLY);
    (0..3).for_each(|_| increment(tpm));
    let storage = primary(tpm, Hierarchy::Owner, template::ecc_storage());
    let persistent_handle = PersistentHandle::new(0x8100_0001).unwrap();
    tpm.call(&EvictControl { auth: ProvisionHandle::Owner, object_handle: storage, persistent_handle })
        .unwrap();
    let policy = SetPrimaryPolicy {
        auth_handle: HierarchyPolicyHandle::Endorsement,
        auth_policy: Tpm2bDigest::from([5; 32]),
        hash_alg: Some(HashAlg::Sha256),
    };
    tpm.call(&policy).unwrap();
    extend(tpm, 7);
    hash_sequence(tpm, b"first ");
    tpm.start_session(SessionOptions::new(SessionType::Hmac, HashAlg::Sha256)).unwrap();
    let session = tpm.start_session(SessionOptions::new(SessionType::Policy, HashAlg::Sha384)).unwrap();
    tpm.call(&PolicyPassword { policy_session: PolicySessionHandle::new(session.handle).unwrap() }).unwrap();
    let new_auth = Tpm2bAuth::from(*b"owner");
    tpm.call(&HierarchyChangeAuth { auth_handle: HierarchyAuthHandle::Owner, new_auth }).unwrap();
    shutdown(tpm, StartupType::State).unwrap();
}

/// No TPM counts so far; bytes may say that one has.
#[test]
fn the_last_revision_is_followed_by_another() {
    let mut host = TestHost::default();
    let fresh = Tpm::manufacture(Profile::pc_client(), &mut host).unwrap().permanent_state().to_vec();
    // Field 1, the identity of 16 octets; field 2, the revision, which is 0.
    let at = fresh.windows(2).position(|window| window == [1, 0x50]).unwrap() + 18;
    assert_eq!(fresh[at..at + 2], [2, 0]);
    let mut last = fresh[..=at].to_vec();
    last.extend([0x1B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
    last.extend(&fresh[at + 2..]);
    let length = u32::try_from(last.len() - 20).unwrap();
    last[16..20].copy_from_slice(&length.to_be_bytes());

    let mut tpm = Tpm::restore(&last, &mut host).unwrap();
    tpm.init(&mut host);
    let mut tpm = client(tpm, host, last);
    startup(&mut tpm, StartupType::Clear).unwrap();
    define(&mut tpm, INDEX, NvType::Ordinary, TpmaNv::empty());
    migrate(&mut tpm, 0);
    write(&mut tpm, *b"contents");
    assert_eq!(read(&mut tpm, INDEX), b"contents");
}

const PERMANENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/tpm-permanent-v1.cbor");
const VOLATILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/tpm-volatile-v1.cbor");
/// The Name of the storage primary key, which its seed must give for ever.
const STORAGE_NAME: &str = "000b50619d7ae3148c3380f3eedf6c90d859671ac01c6e0c2403863db63cfc098722";

#[test]
#[ignore = "makes the golden files; a format is written once"]
fn make_the_golden_files() {
    assert!(!std::path::Path::new(PERMANENT).exists(), "a golden file is never made anew");
    let mut fixed = FixedHost { now_ms: 0, drawn: 0 };
    let mut tpm = Tpm::manufacture(Profile::pc_client(), &mut fixed).unwrap();
    let disk = tpm.permanent_state().to_vec();
    tpm.init(&mut fixed);
    let host = TestHost::default();
    let mut tpm = client(tpm, host, disk);
    startup(&mut tpm, StartupType::Clear).unwrap();
    furnish(&mut tpm);
    let local = tpm.transport();
    std::fs::write(PERMANENT, &local.disk).unwrap();
    std::fs::write(VOLATILE, &*local.tpm.volatile_state()).unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn golden(tpm: Tpm) -> TestTpm {
    let disk = std::fs::read(PERMANENT).unwrap();
    let host = TestHost::default();
    client(tpm, host, disk)
}

/// What both golden TPMs hold.
fn check_golden(tpm: &mut TestTpm) {
    assert_eq!(read(tpm, INDEX), b"contents");
    assert_eq!(read(tpm, COUNTER), 3_u64.to_be_bytes());
    assert_eq!(hex(&name(tpm, 0x8100_0001)), STORAGE_NAME);
    assert_eq!(pcr(tpm, 7), *hash(HashAlg::Sha256, &[&[0; 32], &[7; 32]]));
    assert_eq!(clock(tpm).1, 12_345);
    let new_auth = Tpm2bAuth::default();
    let change = HierarchyChangeAuth { auth_handle: HierarchyAuthHandle::Owner, new_auth };
    tpm.call_with(&change, &mut [Auth::password(b"owner")]).unwrap();
    let storage = support::primary_response(tpm, Hierarchy::Owner, template::ecc_storage());
    assert_eq!(hex(&storage.name), STORAGE_NAME, "made from the seed again");
}

#[test]
fn the_permanent_state_of_format_1_opens() {
    let mut host = TestHost::default();
    let mut tpm = Tpm::restore(&std::fs::read(PERMANENT).unwrap(), &mut host).unwrap();
    tpm.init(&mut host);
    let mut tpm = golden(tpm);
    startup(&mut tpm, StartupType::State).unwrap();
    check_golden(&mut tpm);
}

#[test]
fn the_volatile_state_of_format_1_opens() {
    let mut host = TestHost::default();
    let (permanent, volatile) = (std::fs::read(PERMANENT).unwrap(), std::fs::read(VOLATILE).unwrap());
    let mut tpm = golden(Tpm::resume(&permanent, &volatile, &mut host).unwrap());
    assert_eq!(
        complete(&mut tpm, 0x8000_0001, b"sequence", b"second"),
        *hash(HashAlg::Sha384, &[b"first second"])
    );
    let policy_session = PolicySessionHandle::new(0x0300_0001).unwrap();
    // TPM2_PolicyPassword and TPM2_PolicyAuthValue make the same digest. Part 3, 23.18.
    let digest = hash(HashAlg::Sha384, &[&[0; 48], &cc::POLICY_AUTH_VALUE.to_be_bytes()]);
    assert_eq!(*tpm.call(&PolicyGetDigest { policy_session }).unwrap().policy_digest, *digest);
    check_golden(&mut tpm);
}
