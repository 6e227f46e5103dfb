//! A policy that asks for a secure channel, of which none ends in this TPM. Part 3, 23.25.

use super::{
    SHA256, ZERO, digest_of, extended, first, flush_session, owner_policy, start, trial, use_policy,
};
use crate::common::{refused, started};
use sigillo_crypto::hash::hash;
use sigillo_types::{
    Marshal,
    buffers::Tpm2bName,
    cc,
    commands::{PolicyRestart, PolicyTransportSpdm},
    constants::SessionType,
    handles::PolicySessionHandle,
    rc,
};

fn channel(policy_session: PolicySessionHandle, req: &[u8], tpm: &[u8]) -> PolicyTransportSpdm {
    let name = |octets| Tpm2bName::new(octets).unwrap();
    PolicyTransportSpdm { policy_session, req_key_name: name(req), tpm_key_name: name(tpm) }
}

/// A Name with a SHA-256 digest.
fn name(octet: u8) -> Vec<u8> {
    [&[0x00, 0x0B][..], &[octet; 32]].concat()
}

#[test]
fn the_digest_has_the_names_of_the_keys_with_their_sizes() {
    let mut tpm = started();
    for (req, own) in [(vec![], vec![]), (name(1), vec![]), (vec![], name(1)), (name(1), name(2))] {
        let keys = [Tpm2bName::new(&req).unwrap().to_bytes(), Tpm2bName::new(&own).unwrap().to_bytes()];
        let keys = hash(SHA256, &[&keys.concat()]);
        let part: &[u8] = if req.is_empty() && own.is_empty() { &[] } else { &keys };
        let digest = trial(&mut tpm, |tpm, s| {
            tpm.call(&channel(s, &req, &own)).unwrap();
        });
        assert_eq!(*digest, extended(&ZERO, cc::POLICY_TRANSPORT_SPDM, &[part]), "{req:?} {own:?}");
    }
}

#[test]
fn a_name_of_a_key_is_that_of_an_object() {
    let mut tpm = started();
    let (_, s) = start(&mut tpm, SessionType::Policy);
    let long = [name(1), vec![0]].concat();
    let wrong: [(&[u8], _); 7] = [
        (&[0x0B], rc::SIZE),
        (&[0x00, 0x0B], rc::SIZE),
        (&name(1)[..33], rc::SIZE),
        (&long, rc::SIZE),
        (&[0x00, 0x10], rc::HASH),
        (&[0x00, 0x12, 0x00], rc::HASH),
        (&[0x40, 0x00, 0x00, 0x01], rc::HASH),
    ];
    for (octets, code) in wrong {
        let req = refused(&mut tpm, &channel(s, octets, &name(1)));
        assert_eq!(req, code.at(PolicyTransportSpdm::REQ_KEY_NAME), "{octets:02x?}");
        let own = refused(&mut tpm, &channel(s, &name(1), octets));
        assert_eq!(own, code.at(PolicyTransportSpdm::TPM_KEY_NAME), "{octets:02x?}");
    }
    assert_eq!(digest_of(&mut tpm, s), ZERO, "a refused assertion leaves the policy");
}

#[test]
fn it_is_asserted_once() {
    let mut tpm = started();
    for kind in [SessionType::Policy, SessionType::Trial] {
        let (session, s) = start(&mut tpm, kind);
        tpm.call(&channel(s, &[], &[])).unwrap();
        assert_eq!(refused(&mut tpm, &channel(s, &[1], &[])), rc::VALUE.into());
        tpm.call(&PolicyRestart { session_handle: s }).unwrap();
        tpm.call(&channel(s, &[], &[])).unwrap();
        flush_session(&mut tpm, session.handle);
    }
}

#[test]
fn without_a_channel_the_policy_cannot_be_used() {
    let mut tpm = started();
    let policy = trial(&mut tpm, |tpm, s| {
        tpm.call(&channel(s, &name(1), &[])).unwrap();
    });
    owner_policy(&mut tpm, policy);
    let (mut session, s) = start(&mut tpm, SessionType::Policy);
    assert_eq!(use_policy(&mut tpm, &mut session), Err(first(rc::POLICY_FAIL)));
    tpm.call(&channel(s, &name(1), &[])).unwrap();
    assert_eq!(use_policy(&mut tpm, &mut session), Err(first(rc::CHANNEL)));
}
