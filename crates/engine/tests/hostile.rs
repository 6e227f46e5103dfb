//! Commands that no driver sends: whatever comes, the TPM answers, stays well, and can be restored from what it stored.

mod common;
mod support;

use common::{TestTpm, migrate, power_cycle, started, startup};
use sigillo_client::template;
use sigillo_sample::{Random, rough};
use sigillo_types::{
    commands::{GetTestResult, StartAuthSession},
    constants::{SessionType, StartupType},
    handles::Hierarchy,
    rc,
};
use support::primary;

/// Things to be named: a key of each kind, a session of each kind.
fn populate(tpm: &mut TestTpm) {
    primary(tpm, Hierarchy::Owner, template::ecc_storage());
    primary(tpm, Hierarchy::Owner, template::hmac_key(sigillo_types::HashAlg::Sha256));
    for session_type in [SessionType::Hmac, SessionType::Policy, SessionType::Trial] {
        let start = StartAuthSession {
            tpm_key: None,
            bind: None,
            nonce_caller: [1; 16].into(),
            encrypted_salt: Default::default(),
            session_type,
            symmetric: None,
            auth_hash: sigillo_types::HashAlg::Sha256,
        };
        tpm.call(&start).unwrap();
    }
}

/// Sends bytes and checks that the answer is one.
fn send(tpm: &mut TestTpm, command: &[u8]) -> u32 {
    let reply = tpm.raw(command).unwrap();
    let size = u32::from_be_bytes(reply[2..6].try_into().unwrap());
    assert_eq!(usize::try_from(size), Ok(reply.len()), "{command:02x?}");
    let code = u32::from_be_bytes(reply[6..10].try_into().unwrap());
    assert_ne!(code, rc::FAILURE.raw(), "{command:02x?}");
    code
}

#[test]
fn random_commands_are_answered_and_leave_a_tpm_that_works() {
    let mut random = Random::new(0x51_61_11_0B);
    let specs: Vec<_> = sigillo_engine::implemented().collect();
    let mut successes = 0;
    for round in 0..500 {
        let mut tpm = started();
        populate(&mut tpm);
        for _ in 0..400 {
            let spec = specs[random.below(specs.len())];
            let command = rough::command(&mut random, spec, &rough::HANDLES);
            successes += usize::from(send(&mut tpm, &command) == 0);
            if random.below(8) == 0 {
                migrate(&mut tpm, 0);
            }
        }
        assert!(tpm.call(&GetTestResult {}).is_ok(), "round {round}");
        power_cycle(&mut tpm);
        startup(&mut tpm, StartupType::Clear).unwrap();
    }
    assert!(successes > 10_000, "the commands are not all nonsense: {successes}");
}

#[test]
fn every_truncation_and_every_flip_of_a_command_is_answered() {
    let mut tpm = started();
    populate(&mut tpm);
    let command = support::create_primary(Hierarchy::Null, template::ecc_storage());
    tpm.call(&command).unwrap();
    let sent = tpm.transport().last_command.clone();
    tpm.transport().tpm.set_buffer_size(4096);
    for end in 0..sent.len() {
        let mut cut = sent[..end].to_vec();
        assert_ne!(send(&mut tpm, &cut), 0, "cut at {end}");
        if let Some(size) = cut.get_mut(2..6) {
            size.copy_from_slice(&u32::try_from(end).unwrap().to_be_bytes());
        }
        assert_ne!(send(&mut tpm, &cut), 0, "cut at {end} with the right size");
    }
    for at in 0..sent.len() {
        for flip in [0x01, 0x80, 0xFF] {
            let mut flipped = sent.clone();
            flipped[at] ^= flip;
            send(&mut tpm, &flipped);
        }
    }
    assert!(tpm.call(&GetTestResult {}).is_ok());
}
