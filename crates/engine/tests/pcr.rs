//! PCR and the indications that measure into them. Part 3, 22.

mod common;

use common::{TestTpm, power_cycle, powered, refused, shutdown, started, startup};
use sigillo_client::Auth;
use sigillo_types::{
    HashAlg, Rc,
    buffers::{Tpm2bAuth, Tpm2bDigest, Tpm2bEvent},
    cc,
    commands::{
        PcrAllocate, PcrEvent, PcrExtend, PcrRead, PcrReadResponse, PcrReset, PcrSetAuthPolicy,
        PcrSetAuthValue, ReadClock,
    },
    constants::StartupType::{Clear, State},
    handles::{PcrHandle, PlatformHandle},
    rc,
    structures::{PcrSelect, TpmlDigestValues, TpmlPcrSelection, TpmsPcrSelection, TpmtHa},
};

fn pcr(number: u32) -> PcrHandle {
    PcrHandle::new(number).unwrap()
}

fn select(hash: HashAlg, numbers: &[u32]) -> TpmsPcrSelection {
    TpmsPcrSelection { hash, pcr_select: PcrSelect::of(numbers.iter().map(|number| pcr(*number))) }
}

fn read(tpm: &mut TestTpm, selections: Vec<TpmsPcrSelection>) -> PcrReadResponse {
    tpm.call(&PcrRead { pcr_selection_in: TpmlPcrSelection::new(selections).unwrap() }).unwrap()
}

fn value(tpm: &mut TestTpm, hash: HashAlg, number: u32) -> Vec<u8> {
    read(tpm, vec![select(hash, &[number])]).pcr_values.first().unwrap().to_vec()
}

fn counter(tpm: &mut TestTpm) -> u32 {
    read(tpm, Vec::new()).pcr_update_counter
}

fn hash(alg: HashAlg, parts: &[&[u8]]) -> Vec<u8> {
    sigillo_crypto::hash::hash(alg, parts).to_vec()
}

fn extend(tpm: &mut TestTpm, number: u32, digests: Vec<TpmtHa>) -> Result<(), Rc> {
    let extend =
        PcrExtend { pcr_handle: Some(pcr(number)), digests: TpmlDigestValues::new(digests).unwrap() };
    tpm.call(&extend).map(drop).map_err(|error| error.rc().unwrap())
}

fn at(tpm: &mut TestTpm, locality: u8) {
    tpm.transport().locality = locality;
}

/// The three indications of a measurement.
fn measure(tpm: &mut TestTpm, data: &[&[u8]]) {
    let local = tpm.transport();
    assert_eq!(local.tpm.hash_start(&mut local.host).stored(), b"");
    for data in data {
        assert_eq!(local.tpm.hash_data(data, &mut local.host).stored(), b"");
    }
    let pending = local.tpm.hash_end(&mut local.host);
    if let Some(state) = pending.permanent() {
        local.disk = state.to_vec();
    }
    assert_eq!(pending.stored(), b"");
}

#[test]
fn extend_changes_the_bank_of_each_digest_and_no_other() {
    let mut tpm = started();
    extend(&mut tpm, 4, vec![TpmtHa::Sha1([1; 20]), TpmtHa::Sha256([2; 32])]).unwrap();
    assert_eq!(value(&mut tpm, HashAlg::Sha1, 4), hash(HashAlg::Sha1, &[&[0; 20], &[1; 20]]));
    assert_eq!(value(&mut tpm, HashAlg::Sha256, 4), hash(HashAlg::Sha256, &[&[0; 32], &[2; 32]]));
    assert_eq!(value(&mut tpm, HashAlg::Sha384, 4), [0; 48]);
    assert_eq!(counter(&mut tpm), 2, "one for each bank");
}

#[test]
fn two_digests_of_one_bank_extend_twice() {
    let mut tpm = started();
    extend(&mut tpm, 1, vec![TpmtHa::Sha256([1; 32]), TpmtHa::Sha256([2; 32])]).unwrap();
    let first = hash(HashAlg::Sha256, &[&[0; 32], &[1; 32]]);
    assert_eq!(value(&mut tpm, HashAlg::Sha256, 1), hash(HashAlg::Sha256, &[&first, &[2; 32]]));
}

#[test]
fn a_digest_of_a_bank_that_is_not_there_is_not_used() {
    let mut tpm = started();
    extend(&mut tpm, 1, vec![TpmtHa::Sha512([1; 64])]).unwrap();
    assert_eq!(counter(&mut tpm), 0);
}

#[test]
fn extend_of_null_changes_no_pcr() {
    let mut tpm = started();
    let digests = TpmlDigestValues::new(vec![TpmtHa::Sha256([1; 32])]).unwrap();
    tpm.call(&PcrExtend { pcr_handle: None, digests }).unwrap();
    assert_eq!(counter(&mut tpm), 0);
}

#[test]
fn localities_extend_what_the_profile_lets_them() {
    // PCR, and the localities that may extend it.
    for (number, allowed) in [
        (0, [true, true, true, true, true]),
        (16, [true, true, true, true, true]),
        (17, [false, false, true, true, true]),
        (19, [false, false, true, true, false]),
        (20, [false, true, true, true, false]),
        (21, [false, false, true, false, false]),
        (23, [true, true, true, true, true]),
    ] {
        let mut tpm = started();
        for (locality, allowed) in (0..).zip(allowed) {
            at(&mut tpm, locality);
            let expected = if allowed { Ok(()) } else { Err(rc::LOCALITY) };
            assert_eq!(
                extend(&mut tpm, number, vec![TpmtHa::Sha1([1; 20])]),
                expected,
                "PCR {number} from {locality}"
            );
        }
        at(&mut tpm, 32);
        assert_eq!(extend(&mut tpm, number, Vec::new()), Err(rc::LOCALITY), "an extended locality");
    }
}

#[test]
fn localities_reset_what_the_profile_lets_them() {
    for (number, allowed) in [
        (0, [false, false, false, false, false]),
        (15, [false, false, false, false, false]),
        (16, [true, true, true, true, false]),
        (17, [false, false, false, false, true]),
        (20, [false, false, true, true, true]),
        (22, [false, false, true, true, true]),
        (23, [true, true, true, true, false]),
    ] {
        let mut tpm = started();
        for (locality, allowed) in (0..).zip(allowed) {
            at(&mut tpm, locality);
            let reset = tpm
                .call(&PcrReset { pcr_handle: pcr(number) })
                .map(drop)
                .map_err(|error| error.rc().unwrap());
            let expected = if allowed { Ok(()) } else { Err(rc::LOCALITY) };
            assert_eq!(reset, expected, "PCR {number} from {locality}");
        }
    }
}

#[test]
fn reset_sets_every_bank_to_zero_and_counts_once() {
    let mut tpm = started();
    at(&mut tpm, 2);
    tpm.call(&PcrReset { pcr_handle: pcr(20) }).unwrap();
    assert_eq!(value(&mut tpm, HashAlg::Sha1, 20), [0; 20]);
    assert_eq!(value(&mut tpm, HashAlg::Sha256, 20), [0; 32]);
    assert_eq!(value(&mut tpm, HashAlg::Sha384, 20), [0; 48]);
    assert_eq!(counter(&mut tpm), 1);
}

#[test]
fn changes_of_application_pcr_do_not_count() {
    let mut tpm = started();
    for number in [16, 23] {
        extend(&mut tpm, number, vec![TpmtHa::Sha256([1; 32])]).unwrap();
        tpm.call(&PcrReset { pcr_handle: pcr(number) }).unwrap();
    }
    assert_eq!(counter(&mut tpm), 0);
}

#[test]
fn an_event_is_hashed_for_each_bank() {
    let mut tpm = started();
    let event_data = Tpm2bEvent::from(*b"event");
    let answer = tpm.call(&PcrEvent { pcr_handle: Some(pcr(9)), event_data: event_data.clone() }).unwrap();
    for (digest, alg) in answer.digests.iter().zip([HashAlg::Sha1, HashAlg::Sha256, HashAlg::Sha384]) {
        assert_eq!(digest.digest(), hash(alg, &[b"event"]));
        let zero = vec![0; alg.digest_size()];
        assert_eq!(value(&mut tpm, alg, 9), hash(alg, &[&zero, digest.digest()]));
    }
    let null = tpm.call(&PcrEvent { pcr_handle: None, event_data }).unwrap();
    assert_eq!(null.digests, answer.digests);
    assert_eq!(counter(&mut tpm), 3);
    let empty = PcrEvent { pcr_handle: Some(pcr(17)), event_data: Tpm2bEvent::default() };
    assert_eq!(refused(&mut tpm, &empty), rc::LOCALITY);
}

#[test]
fn an_event_has_up_to_1024_octets() {
    let mut tpm = started();
    for size in [0, 1, 1023, 1024] {
        let data = vec![0xA5; size];
        let before = value(&mut tpm, HashAlg::Sha256, 9);
        let event_data = Tpm2bEvent::new(&data).unwrap();
        tpm.call(&PcrEvent { pcr_handle: Some(pcr(9)), event_data }).unwrap();
        let digest = hash(HashAlg::Sha256, &[&data]);
        assert_eq!(value(&mut tpm, HashAlg::Sha256, 9), hash(HashAlg::Sha256, &[&before, &digest]));
    }
    // TPM_RS_PW without a password, and one octet too many.
    let area = [&[0, 0, 0, 9][..], &[0x40, 0, 0, 9, 0, 0, 0, 0, 0], &[0x04, 0x01], &[0; 1025]].concat();
    let size = u32::try_from(10 + 4 + area.len()).unwrap();
    let head = [&[0x80, 0x02][..], &size.to_be_bytes(), &cc::PCR_EVENT.to_be_bytes(), &[0, 0, 0, 9]];
    let reply = tpm.raw(&[&head.concat()[..], &area].concat()).unwrap();
    assert_eq!(reply[6..], rc::SIZE.at(PcrEvent::EVENT_DATA).raw().to_be_bytes());
}

#[test]
fn a_digest_of_an_algorithm_that_the_tpm_does_not_have_is_hash() {
    let mut tpm = started();
    for handle in [Some(pcr(9)), None] {
        let digests = TpmlDigestValues::new(vec![TpmtHa::Sha256([1; 32]), TpmtHa::Sm3_256([1; 32])]).unwrap();
        let extend = PcrExtend { pcr_handle: handle, digests };
        assert_eq!(refused(&mut tpm, &extend), rc::HASH.at(PcrExtend::DIGESTS));
    }
    assert_eq!(value(&mut tpm, HashAlg::Sha256, 9), [0; 32]);
}

#[test]
fn every_locality_reads_every_pcr() {
    let mut tpm = started();
    for locality in [0, 1, 2, 3, 4, 32, 255] {
        at(&mut tpm, locality);
        for number in 0..24 {
            let answer = read(&mut tpm, vec![select(HashAlg::Sha256, &[number])]);
            assert_eq!(*answer.pcr_selection_out, [select(HashAlg::Sha256, &[number])]);
        }
    }
}

#[test]
fn one_answer_holds_eight_digests_and_says_which() {
    let mut tpm = started();
    let numbers: Vec<u32> = (0..6).collect();
    let answer = read(&mut tpm, vec![select(HashAlg::Sha256, &numbers), select(HashAlg::Sha1, &numbers)]);
    assert_eq!(answer.pcr_values.len(), 8);
    assert_eq!(
        *answer.pcr_selection_out,
        [select(HashAlg::Sha256, &numbers), select(HashAlg::Sha1, &[0, 1])]
    );
    assert_eq!(answer.pcr_values.last().unwrap().len(), 20);
}

#[test]
fn a_bank_that_is_not_there_is_read_as_nothing() {
    let mut tpm = started();
    let answer = read(&mut tpm, vec![select(HashAlg::Sha512, &[0]), select(HashAlg::Sha1, &[0])]);
    assert_eq!(*answer.pcr_selection_out, [select(HashAlg::Sha512, &[]), select(HashAlg::Sha1, &[0])]);
    assert_eq!(answer.pcr_values.len(), 1);
}

fn allocate(selections: Vec<TpmsPcrSelection>) -> PcrAllocate {
    let pcr_allocation = TpmlPcrSelection::new(selections).unwrap();
    PcrAllocate { auth_handle: PlatformHandle::Platform, pcr_allocation }
}

#[test]
fn an_allocation_takes_effect_at_the_next_init() {
    let mut tpm = started();
    let all: Vec<u32> = (0..24).collect();
    let answer =
        tpm.call(&allocate(vec![select(HashAlg::Sha1, &[]), select(HashAlg::Sha384, &[0, 17])])).unwrap();
    assert!(answer.allocation_success);
    assert_eq!(
        (answer.max_pcr, answer.size_needed, answer.size_available),
        (24, 24 * 32 + 2 * 48, 24 * (20 + 32 + 48))
    );
    assert_eq!(read(&mut tpm, vec![select(HashAlg::Sha1, &[0])]).pcr_values.len(), 1, "not yet");
    power_cycle(&mut tpm);
    startup(&mut tpm, Clear).unwrap();
    let answer = read(&mut tpm, vec![select(HashAlg::Sha1, &all), select(HashAlg::Sha384, &all)]);
    assert_eq!(*answer.pcr_selection_out, [select(HashAlg::Sha1, &[]), select(HashAlg::Sha384, &[0, 17])]);
    assert_eq!(value(&mut tpm, HashAlg::Sha256, 23), [0; 32], "a bank that was not named stays");
}

#[test]
fn the_last_of_two_allocations_of_a_bank_counts() {
    let mut tpm = started();
    tpm.call(&allocate(vec![select(HashAlg::Sha1, &[1]), select(HashAlg::Sha1, &[2])])).unwrap();
    power_cycle(&mut tpm);
    startup(&mut tpm, Clear).unwrap();
    let answer = read(&mut tpm, vec![select(HashAlg::Sha1, &[1, 2])]);
    assert_eq!(*answer.pcr_selection_out, [select(HashAlg::Sha1, &[2])]);
}

#[test]
fn the_last_of_two_allocations_before_an_init_replaces_the_first() {
    let mut tpm = started();
    tpm.call(&allocate(vec![select(HashAlg::Sha1, &[3]), select(HashAlg::Sha384, &[0])])).unwrap();
    tpm.call(&allocate(vec![select(HashAlg::Sha1, &[4])])).unwrap();
    power_cycle(&mut tpm);
    startup(&mut tpm, Clear).unwrap();
    let answer = read(&mut tpm, vec![select(HashAlg::Sha1, &[3, 4]), select(HashAlg::Sha384, &[0, 1])]);
    assert_eq!(*answer.pcr_selection_out, [select(HashAlg::Sha1, &[4]), select(HashAlg::Sha384, &[0, 1])]);
    // SHA-1 has neither PCR 0 nor 17 now, whatever is stored for the next _TPM_Init.
    tpm.call(&allocate(vec![select(HashAlg::Sha1, &[0, 17])])).unwrap();
    let neither = allocate(vec![select(HashAlg::Sha256, &[]), select(HashAlg::Sha384, &[])]);
    assert_eq!(refused(&mut tpm, &neither), rc::PCR);
}

#[test]
fn an_allocation_without_the_measured_pcr_is_refused() {
    let mut tpm = started();
    let nothing = [HashAlg::Sha1, HashAlg::Sha256, HashAlg::Sha384].map(|hash| select(hash, &[]));
    assert_eq!(refused(&mut tpm, &allocate(nothing.to_vec())), rc::PCR);
    for kept in [0, 17] {
        let mut banks = nothing.to_vec();
        banks[1] = select(HashAlg::Sha256, &[kept]);
        assert_eq!(refused(&mut tpm, &allocate(banks)), rc::PCR, "only PCR {kept}");
    }
    let unknown = allocate(vec![select(HashAlg::Sha512, &[0])]);
    assert_eq!(refused(&mut tpm, &unknown), rc::HASH.at(PcrAllocate::PCR_ALLOCATION));
    tpm.call(&allocate(vec![select(HashAlg::Sha512, &[])])).unwrap();
}

#[test]
fn no_pcr_takes_a_policy_or_an_auth_value() {
    let mut tpm = started();
    let policy = |auth_policy: Tpm2bDigest, hash_alg| PcrSetAuthPolicy {
        auth_handle: PlatformHandle::Platform,
        auth_policy,
        hash_alg,
        pcr_num: pcr(20),
    };
    let short = policy(Tpm2bDigest::from([1; 31]), Some(HashAlg::Sha256));
    assert_eq!(refused(&mut tpm, &short), rc::SIZE.at(PcrSetAuthPolicy::AUTH_POLICY));
    let right = policy(Tpm2bDigest::from([1; 32]), Some(HashAlg::Sha256));
    assert_eq!(refused(&mut tpm, &right), rc::VALUE.at(PcrSetAuthPolicy::PCR_NUM));
    let auth = PcrSetAuthValue { pcr_handle: pcr(20), auth: Tpm2bAuth::default() };
    assert_eq!(refused(&mut tpm, &auth), rc::VALUE.into());
}

#[test]
fn a_pcr_has_an_empty_auth_value() {
    let mut tpm = started();
    let extend = PcrExtend { pcr_handle: Some(pcr(0)), digests: TpmlDigestValues::default() };
    let wrong = tpm.call_with(&extend, &mut [Auth::password(b"x")]).unwrap_err().rc().unwrap();
    assert_eq!(wrong.fmt1(), Some(rc::BAD_AUTH));
}

#[test]
fn a_measurement_before_startup_is_that_of_the_h_crtm() {
    let mut tpm = powered();
    measure(&mut tpm, &[b"firm", b"ware"]);
    startup(&mut tpm, Clear).unwrap();
    let mut four = vec![0; 32];
    four[31] = 4;
    let firmware = hash(HashAlg::Sha256, &[b"firmware"]);
    assert_eq!(value(&mut tpm, HashAlg::Sha256, 0), hash(HashAlg::Sha256, &[&four, &firmware]));
    assert_eq!(value(&mut tpm, HashAlg::Sha256, 17), [0xFF; 32]);
    assert!(!tpm.transport().tpm.established());
}

#[test]
fn the_last_measurement_before_startup_counts() {
    let mut twice = powered();
    measure(&mut twice, &[b"first"]);
    measure(&mut twice, &[b"second"]);
    startup(&mut twice, Clear).unwrap();
    let mut once = powered();
    measure(&mut once, &[b"second"]);
    startup(&mut once, Clear).unwrap();
    assert_eq!(value(&mut twice, HashAlg::Sha1, 0), value(&mut once, HashAlg::Sha1, 0));
}

#[test]
fn resume_needs_an_h_crtm_if_there_was_one_and_none_if_not() {
    for (first, second) in [(true, false), (false, true), (true, true)] {
        let mut tpm = powered();
        if first {
            measure(&mut tpm, &[b"firmware"]);
        }
        startup(&mut tpm, Clear).unwrap();
        let before = value(&mut tpm, HashAlg::Sha256, 0);
        shutdown(&mut tpm, State).unwrap();
        power_cycle(&mut tpm);
        if second {
            measure(&mut tpm, &[b"other firmware"]);
        }
        let resumed = startup(&mut tpm, State).map_err(|error| error.rc().unwrap());
        if first == second {
            assert_eq!(resumed, Ok(()));
            assert_eq!(value(&mut tpm, HashAlg::Sha256, 0), before, "restored, not measured anew");
        } else {
            assert_eq!(resumed, Err(rc::LOCALITY));
        }
    }
}

#[test]
fn a_measurement_after_startup_is_that_of_the_d_rtm() {
    let mut tpm = started();
    let restarts = |tpm: &mut TestTpm| tpm.call(&ReadClock {}).unwrap().current_time.clock_info.restart_count;
    let (restarts_before, counter_before) = (restarts(&mut tpm), counter(&mut tpm));
    measure(&mut tpm, &[b"loader"]);
    let loader = hash(HashAlg::Sha384, &[b"loader"]);
    assert_eq!(value(&mut tpm, HashAlg::Sha384, 17), hash(HashAlg::Sha384, &[&[0; 48], &loader]));
    for number in 18..=22 {
        assert_eq!(value(&mut tpm, HashAlg::Sha256, number), [0; 32], "PCR {number}");
    }
    assert_eq!(restarts(&mut tpm), restarts_before + 1);
    assert_eq!(counter(&mut tpm), counter_before + 1);
    assert!(tpm.transport().tpm.established());
}

#[test]
fn the_established_bit_outlives_power_and_is_reset_from_locality_3_or_4() {
    let mut tpm = started();
    measure(&mut tpm, &[]);
    power_cycle(&mut tpm);
    assert!(tpm.transport().tpm.established());
    for locality in [0, 1, 2] {
        assert!(tpm.transport().tpm.reset_established(locality).is_none());
    }
    let pending = tpm.transport().tpm.reset_established(3).unwrap();
    assert!(pending.permanent().is_some());
    drop(pending);
    assert!(tpm.transport().tpm.established(), "not stored, so it did not happen");
    let _ = tpm.transport().tpm.reset_established(3).unwrap().stored();
    assert!(!tpm.transport().tpm.established());
}

#[test]
fn a_command_abandons_a_measurement() {
    let mut tpm = started();
    let local = tpm.transport();
    let _ = local.tpm.hash_start(&mut local.host).stored();
    counter(&mut tpm);
    let local = tpm.transport();
    let _ = local.tpm.hash_end(&mut local.host).stored();
    assert_eq!(value(&mut tpm, HashAlg::Sha256, 17), [0xFF; 32]);
}

#[test]
fn data_and_end_without_a_start_do_nothing() {
    let mut tpm = started();
    let local = tpm.transport();
    let _ = local.tpm.hash_data(b"data", &mut local.host).stored();
    let pending = local.tpm.hash_end(&mut local.host);
    assert_eq!(pending.permanent(), None);
    let _ = pending.stored();
    assert_eq!(value(&mut tpm, HashAlg::Sha256, 17), [0xFF; 32]);
}

#[test]
fn a_measurement_that_cannot_be_stored_did_not_happen() {
    let mut tpm = started();
    let local = tpm.transport();
    let _ = local.tpm.hash_start(&mut local.host).stored();
    let _ = local.tpm.hash_end(&mut local.host).not_stored();
    assert!(!local.tpm.established());
    assert_eq!(value(&mut tpm, HashAlg::Sha256, 17), [0xFF; 32]);
}

#[test]
fn a_measurement_nullifies_a_shutdown() {
    let mut tpm = started();
    shutdown(&mut tpm, State).unwrap();
    measure(&mut tpm, &[b"loader"]);
    power_cycle(&mut tpm);
    assert!(startup(&mut tpm, State).is_err());
}
