//! Hashes, HMACs, random numbers and sequences. Part 3, 15 to 17.

mod common;
mod support;

use common::{TestTpm, migrate, refused, started, started_with_everything};
use sigillo_client::template;
use sigillo_crypto::{hash::hash, hmac::hmac};
use sigillo_types::{
    HashAlg,
    attributes::TpmaObject,
    buffers::{Tpm2bAuth, Tpm2bMaxBuffer, Tpm2bSensitiveData},
    commands::{
        EventSequenceComplete, EvictControl, GetRandom, Hash, HashSequenceStart, Hmac, HmacStart, PcrRead,
        SequenceComplete, SequenceUpdate, StirRandom,
    },
    handles::{Hierarchy, ObjectHandle, PcrHandle, PersistentHandle, ProvisionHandle},
    rc,
    structures::{
        KeyedHashScheme, PcrSelect, PublicParms, TpmlPcrSelection, TpmsPcrSelection, TpmtTkHashcheck,
    },
};
use support::{create_primary, flush, handle, primary, sensitive};

fn buffer(data: &[u8]) -> Tpm2bMaxBuffer {
    Tpm2bMaxBuffer::new(data).expect("a piece of a message")
}

fn start(tpm: &mut TestTpm, hash_alg: Option<HashAlg>) -> ObjectHandle {
    let command = HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg };
    handle(tpm.call(&command).expect("it starts").sequence_handle)
}

fn update(tpm: &mut TestTpm, sequence_handle: ObjectHandle, data: &[u8]) {
    tpm.call(&SequenceUpdate { sequence_handle, buffer: buffer(data) }).expect("it goes on");
}

fn complete(sequence_handle: ObjectHandle, data: &[u8]) -> SequenceComplete {
    SequenceComplete { sequence_handle, buffer: buffer(data), hierarchy: Hierarchy::Owner }
}

fn pcr(tpm: &mut TestTpm, bank: HashAlg, pcr: PcrHandle) -> Vec<u8> {
    let selection = TpmsPcrSelection { hash: bank, pcr_select: PcrSelect::of([pcr]) };
    let selection = TpmlPcrSelection::new(vec![selection]).expect("one bank");
    let answer = tpm.call(&PcrRead { pcr_selection_in: selection }).expect("readable");
    answer.pcr_values.first().expect("one value").to_vec()
}

fn event(pcr_handle: Option<PcrHandle>, sequence_handle: ObjectHandle, data: &[u8]) -> EventSequenceComplete {
    EventSequenceComplete { pcr_handle, sequence_handle, buffer: buffer(data) }
}

#[test]
fn a_hash_is_the_same_in_one_piece_and_in_many() {
    let mut tpm = started_with_everything();
    let message: Vec<u8> = (0..3000u32).map(|n| (n % 251) as u8).collect();
    for hash_alg in HashAlg::ALL {
        let sequence = start(&mut tpm, Some(hash_alg));
        for piece in message[..2900].chunks(1000) {
            update(&mut tpm, sequence, piece);
        }
        let done = tpm.call(&complete(sequence, &message[2900..])).expect("it ends");
        assert_eq!(done.result.to_vec(), hash(hash_alg, &[&message]).to_vec());
        let data = buffer(&message[..1024]);
        let whole = tpm.call(&Hash { data, hash_alg, hierarchy: Hierarchy::Owner }).expect("hashed");
        assert_eq!(whole.out_hash.to_vec(), hash(hash_alg, &[&message[..1024]]).to_vec());
    }
}

#[test]
fn a_sequence_is_gone_once_it_is_complete() {
    let mut tpm = started();
    let sequence = start(&mut tpm, Some(HashAlg::Sha256));
    tpm.call(&complete(sequence, b"")).expect("it ends");
    assert_eq!(refused(&mut tpm, &complete(sequence, b"")), rc::REFERENCE_H0);
}

fn hmac_key(tpm: &mut TestTpm, scheme: Option<KeyedHashScheme>, attributes: TpmaObject) -> ObjectHandle {
    let mut public = template::hmac_key(HashAlg::Sha256);
    public.object_attributes.remove(TpmaObject::SENSITIVE_DATA_ORIGIN);
    public.object_attributes |= attributes;
    if let PublicParms::KeyedHash(parms) = &mut public.parameters {
        parms.scheme = scheme;
    }
    let mut command = create_primary(Hierarchy::Owner, public);
    command.in_sensitive = sensitive(b"", b"key");
    handle(tpm.call(&command).expect("made").object_handle)
}

#[test]
fn an_hmac_is_the_same_in_one_piece_and_in_many() {
    let mut tpm = started();
    let scheme = Some(KeyedHashScheme::Hmac { hash_alg: HashAlg::Sha384 });
    let key = hmac_key(&mut tpm, scheme, TpmaObject::empty());
    let expected = hmac(HashAlg::Sha384, b"key", &[b"what do ya want for nothing?"]);
    let command = Hmac { handle: key, buffer: buffer(b"what do ya want for nothing?"), hash_alg: None };
    assert_eq!(tpm.call(&command).expect("computed").out_hmac.to_vec(), expected.to_vec());
    let begin = HmacStart { handle: key, auth: Tpm2bAuth::default(), hash_alg: Some(HashAlg::Sha384) };
    let sequence = handle(tpm.call(&begin).expect("it starts").sequence_handle);
    flush(&mut tpm, key);
    update(&mut tpm, sequence, b"what do ya want ");
    let done = tpm.call(&complete(sequence, b"for nothing?")).expect("it ends");
    assert_eq!(done.result.to_vec(), expected.to_vec());
    assert_eq!(done.validation, TpmtTkHashcheck::null());
}

#[test]
fn sequences_with_every_hash_go_on_after_a_migration() {
    let mut tpm = started_with_everything();
    for hash_alg in HashAlg::ALL {
        let key = hmac_key(&mut tpm, Some(KeyedHashScheme::Hmac { hash_alg }), TpmaObject::empty());
        let begin = HmacStart { handle: key, auth: Tpm2bAuth::default(), hash_alg: None };
        let keyed = handle(tpm.call(&begin).expect("it starts").sequence_handle);
        flush(&mut tpm, key);
        let plain = start(&mut tpm, Some(hash_alg));
        let message: Vec<u8> = (0..700u32).map(|n| (n % 251) as u8).collect();
        for piece in message[..500].chunks(171) {
            for sequence in [keyed, plain] {
                update(&mut tpm, sequence, piece);
            }
            migrate(&mut tpm, 0);
        }
        let mut end =
            |sequence| tpm.call(&complete(sequence, &message[500..])).expect("it ends").result.to_vec();
        assert_eq!(end(keyed), hmac(hash_alg, b"key", &[&message]).to_vec());
        assert_eq!(end(plain), hash(hash_alg, &[&message]).to_vec());
    }
}

#[test]
fn the_hash_of_an_hmac_comes_from_the_key_or_the_command() {
    let mut tpm = started();
    let command = |handle, hash_alg| Hmac { handle, buffer: buffer(b"x"), hash_alg };
    let value = rc::VALUE.at(Hmac::HASH_ALG);
    let open = hmac_key(&mut tpm, None, TpmaObject::DECRYPT);
    assert_eq!(refused(&mut tpm, &command(open, None)), value);
    tpm.call(&command(open, Some(HashAlg::Sha1))).expect("named by the command");
    let scheme = Some(KeyedHashScheme::Hmac { hash_alg: HashAlg::Sha256 });
    let fixed = hmac_key(&mut tpm, scheme, TpmaObject::empty());
    assert_eq!(refused(&mut tpm, &command(fixed, Some(HashAlg::Sha1))), value);
    let start = HmacStart { handle: fixed, auth: Tpm2bAuth::default(), hash_alg: Some(HashAlg::Sha1) };
    assert_eq!(refused(&mut tpm, &start), rc::VALUE.at(HmacStart::HASH_ALG));
}

#[test]
fn only_unrestricted_hmac_keys_compute_hmacs() {
    let mut tpm = started();
    let command = |handle| Hmac { handle, buffer: buffer(b"x"), hash_alg: Some(HashAlg::Sha256) };
    let storage = primary(&mut tpm, Hierarchy::Owner, template::ecc_storage());
    assert_eq!(refused(&mut tpm, &command(storage)), rc::TYPE.at(Hmac::HANDLE));
    let mut public = template::hmac_key(HashAlg::Sha256);
    public.object_attributes |= TpmaObject::RESTRICTED;
    let restricted = primary(&mut tpm, Hierarchy::Owner, public);
    assert_eq!(refused(&mut tpm, &command(restricted)), rc::ATTRIBUTES.at(Hmac::HANDLE));
    let mut data = create_primary(Hierarchy::Owner, template::sealed(Default::default()));
    data.in_sensitive = sensitive(b"", b"sealed");
    let data = handle(tpm.call(&data).expect("made").object_handle);
    assert_eq!(refused(&mut tpm, &command(data)), rc::KEY.at(Hmac::HANDLE));
}

#[test]
fn an_event_extends_its_pcr_in_every_bank() {
    let mut tpm = started();
    let sequence = start(&mut tpm, None);
    update(&mut tpm, sequence, b"an ");
    let index = PcrHandle::new(16).expect("a PCR");
    let done = tpm.call(&event(Some(index), sequence, b"event")).expect("it ends");
    assert_eq!(done.results.len(), 3);
    for digest in &done.results {
        let bank = digest.hash_alg();
        let expected = hash(bank, &[b"an event"]);
        assert_eq!(digest.digest(), &*expected);
        let extended = hash(bank, &[&vec![0; bank.digest_size()], &expected]);
        assert_eq!(pcr(&mut tpm, bank, index), extended.to_vec());
    }
}

#[test]
fn an_event_without_a_pcr_extends_none() {
    let mut tpm = started();
    let sequence = start(&mut tpm, None);
    let done = tpm.call(&event(None, sequence, b"event")).expect("it ends");
    assert_eq!(done.results.len(), 3);
    assert_eq!(pcr(&mut tpm, HashAlg::Sha256, PcrHandle::new(16).expect("a PCR")), [0; 32]);
}

#[test]
fn an_event_keeps_to_the_localities_of_its_pcr() {
    let mut tpm = started();
    let sequence = start(&mut tpm, None);
    let drtm = event(Some(PcrHandle::new(17).expect("a PCR")), sequence, b"event");
    assert_eq!(refused(&mut tpm, &drtm), rc::LOCALITY);
    tpm.call(&event(None, sequence, b"event")).expect("the sequence is still there");
}

#[test]
fn each_kind_of_sequence_has_its_own_end() {
    let mut tpm = started();
    let hashing = start(&mut tpm, Some(HashAlg::Sha256));
    let events = start(&mut tpm, None);
    let code = refused(&mut tpm, &event(None, hashing, b""));
    assert_eq!(code, rc::MODE.at(EventSequenceComplete::SEQUENCE_HANDLE));
    assert_eq!(refused(&mut tpm, &complete(events, b"")), rc::MODE.at(SequenceComplete::SEQUENCE_HANDLE));
    let key = primary(&mut tpm, Hierarchy::Owner, template::hmac_key(HashAlg::Sha256));
    assert_eq!(refused(&mut tpm, &complete(key, b"")), rc::MODE.at(SequenceComplete::SEQUENCE_HANDLE));
    let persistent_handle = PersistentHandle::new(0x8100_0000).expect("persistent");
    let auth = ProvisionHandle::Owner;
    tpm.call(&EvictControl { auth, object_handle: key, persistent_handle }).expect("it persists");
    let persistent = handle(0x8100_0000);
    assert_eq!(refused(&mut tpm, &complete(persistent, b"")), rc::MODE.at(SequenceComplete::SEQUENCE_HANDLE));
    let command = SequenceUpdate { sequence_handle: key, buffer: buffer(b"") };
    assert_eq!(refused(&mut tpm, &command), rc::MODE.at(SequenceUpdate::SEQUENCE_HANDLE));
    let fourth = HashSequenceStart { auth: Tpm2bAuth::default(), hash_alg: None };
    assert_eq!(refused(&mut tpm, &fourth), rc::OBJECT_MEMORY);
}

#[test]
fn a_failed_command_leaves_the_sequence_as_it_was() {
    let mut tpm = started();
    let sequence = start(&mut tpm, Some(HashAlg::Sha256));
    update(&mut tpm, sequence, b"abc");
    assert!(tpm.call(&event(None, sequence, b"d")).is_err());
    let done = tpm.call(&complete(sequence, b"")).expect("it ends");
    assert_eq!(done.result.to_vec(), hash(HashAlg::Sha256, &[b"abc"]).to_vec());
}

#[test]
fn random_octets_are_as_many_as_asked_for_up_to_a_digest() {
    let mut tpm = started();
    for (asked, given) in [(0, 0), (1, 1), (64, 64), (65, 64), (u16::MAX, 64)] {
        let random = tpm.call(&GetRandom { bytes_requested: asked }).expect("random octets").random_bytes;
        assert_eq!(random.len(), given);
    }
    let in_data = Tpm2bSensitiveData::new(&[7; 128]).expect("short");
    tpm.call(&StirRandom { in_data }).expect("stirred");
    let random =
        |tpm: &mut TestTpm| tpm.call(&GetRandom { bytes_requested: 32 }).expect("random octets").random_bytes;
    assert_ne!(random(&mut tpm), random(&mut tpm));
}
