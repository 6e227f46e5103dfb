//! Commands as no driver sends them: the right shape on the whole, with anything in it.

use crate::Random;
use sigillo_types::{Marshal, command::CommandSpec, handles::rh};

/// A parameter area: mostly buffers where buffers belong, and elsewhere small numbers, identifiers and noise.
pub fn parameters(random: &mut Random, spec: &CommandSpec) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in spec.parameters {
        match random.below(12) {
            0 => bytes.extend_from_slice(&random.next_u64().to_be_bytes()),
            1 => {}
            2..9 if field.sized => {
                let size = random.pick(&[0_u8, 0, 0, 1, 8, 16, 20, 32, 32, 64]);
                bytes.extend_from_slice(&[0, size]);
                let octet = random.octet();
                bytes.extend((0..size).map(|_| octet));
            }
            2 | 3 => bytes.extend_from_slice(&random.pick(&ALGORITHMS).to_be_bytes()),
            4 | 5 => bytes.extend_from_slice(&random.pick(&HANDLES).to_be_bytes()),
            6 | 7 => bytes.extend_from_slice(&u32::to_be_bytes(random.pick(&[0, 0, 1, 2, 8]))),
            8 | 9 => bytes.extend_from_slice(&u16::to_be_bytes(random.pick(&[0, 0, 1, 2, 8]))),
            _ => bytes.push(random.pick(&[0, 1])),
        }
    }
    bytes
}

/// An entry of the authorization area: mostly an empty password.
fn session(random: &mut Random) -> Vec<u8> {
    let handle = random.pick(&[rh::PW, rh::PW, rh::PW, 0x0200_0000, 0x0300_0001, 0x0300_0002, 0x0200_0007]);
    let attributes = random.pick(&[0x01, 0x01, 0x01, 0x21, 0x41, 0x61, 0x81, 0xE1, 0x00, 0x85]);
    let mut bytes = handle.to_bytes();
    bytes.extend_from_slice(&[0, 0, attributes]);
    let proof = random.pick(&[0, 0, 0, 0, 0, 4, 32]);
    bytes.extend_from_slice(&u16::to_be_bytes(proof));
    bytes.extend((0..proof).map(|_| 7));
    bytes
}

/// A handle of a type, if one of `from` is after a few tries.
pub fn handle(random: &mut Random, check: fn(u32) -> Result<(), sigillo_types::Fmt1>, from: &[u32]) -> u32 {
    let tries: Vec<u32> = (0..12).map(|_| random.pick(from)).collect();
    tries.into_iter().find(|handle| check(*handle).is_ok()).unwrap_or(rh::NULL)
}

/// A whole command on some of `handles`.
pub fn command(random: &mut Random, spec: &CommandSpec, handles: &[u32]) -> Vec<u8> {
    let mut body = Vec::new();
    for field in spec.handles {
        body.extend_from_slice(&handle(random, field.check, handles).to_be_bytes());
    }
    let sessions = spec.authorizations() + usize::from(random.one_in(8));
    if sessions > 0 {
        let area: Vec<u8> = (0..sessions).flat_map(|_| session(random)).collect();
        let lie = u32::from(random.one_in(50));
        body.extend_from_slice(&(u32::try_from(area.len()).unwrap() + lie).to_be_bytes());
        body.extend_from_slice(&area);
    }
    body.extend_from_slice(&parameters(random, spec));
    frame(sessions > 0, spec.code, &body)
}

/// Damages a command a little, and mostly makes its size field right again.
pub fn damage(random: &mut Random, command: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(command.len());
        match random.below(4) {
            0 => command.truncate(at),
            1 => command.insert(at, random.octet()),
            2 => command[at] = random.pick(&[0, 1, 0x7F, 0x80, 0xFF, 0x10, 0x40]),
            _ => command[at] ^= 1 << random.below(8),
        }
        if command.is_empty() {
            return;
        }
    }
    let size = u32::try_from(command.len()).unwrap();
    if !random.one_in(8)
        && let Some(field) = command.get_mut(2..6)
    {
        field.copy_from_slice(&size.to_be_bytes());
    }
}

/// A command's header before what belongs behind it.
#[must_use]
pub fn frame(sessions: bool, code: u32, body: &[u8]) -> Vec<u8> {
    let tag = if sessions { 0x8002_u16 } else { 0x8001 };
    let size = u32::try_from(10 + body.len()).unwrap();
    [&tag.to_be_bytes(), size.to_be_bytes().as_slice(), &code.to_be_bytes(), body].concat()
}

/// Algorithms that parameters name.
const ALGORITHMS: [u16; 16] = [
    0x0001, 0x0004, 0x0005, 0x0006, 0x0008, 0x000A, 0x000B, 0x000C, 0x0010, 0x0014, 0x0016, 0x0018, 0x0023,
    0x0025, 0x0043, 0x0003,
];

/// Handles of all types, mostly of something that is often there.
pub const HANDLES: [u32; 16] = [
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
