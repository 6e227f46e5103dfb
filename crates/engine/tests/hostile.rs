//! Commands that no driver sends: whatever comes, the TPM answers, stays well, and can be restored from what it stored.

mod common;
mod support;

use common::{TestTpm, migrate, power_cycle, started, startup};
use sigillo_client::template;
use sigillo_types::{
    Marshal,
    command::CommandSpec,
    commands::{GetTestResult, StartAuthSession},
    constants::{SessionType, StartupType},
    handles::{Hierarchy, rh},
    rc,
};
use support::primary;

/// A small generator, so that a failure can be repeated. Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A parameter area: mostly buffers where buffers belong, and elsewhere small numbers, identifiers and noise.
    fn parameters(&mut self, spec: &CommandSpec) -> Vec<u8> {
        let mut bytes = Vec::new();
        for field in spec.parameters {
            match self.below(12) {
                0 => bytes.extend_from_slice(&self.next().to_be_bytes()),
                1 => {}
                2..9 if field.sized => {
                    let size = self.pick(&[0_u8, 0, 0, 1, 8, 16, 20, 32, 32, 64]);
                    bytes.extend_from_slice(&[0, size]);
                    bytes.extend((0..size).map(|_| self.0 as u8));
                }
                2 | 3 => bytes.extend_from_slice(&self.pick(&ALGORITHMS).to_be_bytes()),
                4 | 5 => bytes.extend_from_slice(&self.pick(&HANDLES).to_be_bytes()),
                6 | 7 => bytes.extend_from_slice(&u32::to_be_bytes(self.pick(&[0, 0, 1, 2, 8]))),
                8 | 9 => bytes.extend_from_slice(&u16::to_be_bytes(self.pick(&[0, 0, 1, 2, 8]))),
                _ => bytes.push(self.pick(&[0, 1])),
            }
        }
        bytes
    }

    fn session(&mut self) -> Vec<u8> {
        let handle = self.pick(&[rh::PW, rh::PW, rh::PW, 0x0200_0000, 0x0300_0001, 0x0300_0002, 0x0200_0007]);
        let attributes = self.pick(&[0x01, 0x01, 0x01, 0x21, 0x41, 0x61, 0x81, 0xE1, 0x00, 0x85]);
        let mut bytes = handle.to_bytes();
        bytes.extend_from_slice(&[0, 0, attributes]);
        let proof = self.pick(&[0, 0, 0, 0, 0, 4, 32]);
        bytes.extend_from_slice(&u16::to_be_bytes(proof));
        bytes.extend((0..proof).map(|_| 7));
        bytes
    }

    fn command(&mut self, spec: &CommandSpec) -> Vec<u8> {
        let mut body = Vec::new();
        for field in spec.handles {
            let tries: Vec<u32> = (0..12).map(|_| self.pick(&HANDLES)).collect();
            let fitting = tries.iter().find(|handle| (field.check)(**handle).is_ok());
            body.extend_from_slice(&fitting.unwrap_or(&rh::NULL).to_be_bytes());
        }
        let sessions = spec.authorizations() + usize::from(self.below(8) == 0);
        if sessions > 0 {
            let area: Vec<u8> = (0..sessions).flat_map(|_| self.session()).collect();
            let lie = u32::from(self.below(50) == 0);
            body.extend_from_slice(&(u32::try_from(area.len()).unwrap() + lie).to_be_bytes());
            body.extend_from_slice(&area);
        }
        body.extend_from_slice(&self.parameters(spec));
        let mut command = if sessions > 0 { 0x8002_u16 } else { 0x8001 }.to_bytes();
        command.extend_from_slice(&u32::try_from(10 + body.len()).unwrap().to_be_bytes());
        command.extend_from_slice(&spec.code.to_be_bytes());
        command.extend_from_slice(&body);
        command
    }
}

const ALGORITHMS: [u16; 16] = [
    0x0001, 0x0004, 0x0005, 0x0006, 0x0008, 0x000A, 0x000B, 0x000C, 0x0010, 0x0014, 0x0016, 0x0018, 0x0023,
    0x0025, 0x0043, 0x0003,
];

const HANDLES: [u32; 16] = [
    rh::OWNER,
    rh::NULL,
    rh::ENDORSEMENT,
    rh::PLATFORM,
    rh::LOCKOUT,
    0x8000_0000,
    0x8000_0001,
    0x8000_0002,
    0x0200_0000,
    0x0300_0001,
    0x0300_0002,
    0x0150_0000,
    0x8100_0001,
    0x0000_0010,
    0x0000_0007,
    0xFFFF_FFFF,
];

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
    let mut random = Random(0x51_61_11_0B);
    let specs: Vec<_> = sigillo_engine::implemented().collect();
    let mut successes = 0;
    for round in 0..500 {
        let mut tpm = started();
        populate(&mut tpm);
        for _ in 0..400 {
            let spec = specs[random.below(specs.len())];
            let command = random.command(spec);
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
