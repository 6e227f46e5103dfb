//! The command path and the decoders of saved state.

use crate::{
    orders,
    started::{bare, started},
};
use sigillo_engine::{EntropyUnavailable, Host, Tpm};
use sigillo_sample::{Random, rough};
use sigillo_types::cc;

/// A host whose entropy and clock repeat, so that a finding does too.
#[derive(Debug)]
pub(crate) struct FuzzHost {
    now_ms: u64,
    random: Random,
}

impl Default for FuzzHost {
    fn default() -> Self {
        Self { now_ms: 0, random: Random::new(0) }
    }
}

impl Host for FuzzHost {
    fn monotonic_ms(&mut self) -> u64 {
        self.now_ms += 1;
        self.now_ms
    }

    fn entropy(&mut self, out: &mut [u8]) -> Result<(), EntropyUnavailable> {
        self.random.fill(out);
        Ok(())
    }
}

pub(crate) fn run(tpm: &mut Tpm, host: &mut FuzzHost, locality: u8, command: &[u8]) -> Vec<u8> {
    let reply = tpm.execute(locality, command, host).stored();
    let size = reply.get(2..6).and_then(|field| field.first_chunk()).map(|field| u32::from_be_bytes(*field));
    assert!(
        reply.len() >= 10 && size.and_then(|size| usize::try_from(size).ok()) == Some(reply.len()),
        "a whole response"
    );
    reply
}

/// What an input does at one step: a locality octet and octets. With the octet's highest bit they order a command ([`orders`]); without it
/// they are one, and with its lowest bit its size field is corrected, so that mutations get past the header. Answers whether a key
/// was made.
fn step(tpm: &mut Tpm, host: &mut FuzzHost, first: u8, octets: &[u8]) -> bool {
    let command = if first & ORDERED != 0 {
        orders::command(octets)
    } else {
        let mut command = octets.to_vec();
        if first & 1 == 1 {
            correct_size(&mut command);
        }
        command
    };
    let reply = run(tpm, host, ((first & !ORDERED) >> 1) % 5, &command);
    let code =
        |bytes: &[u8]| bytes.get(6..10).and_then(<[u8]>::first_chunk).map(|code| u32::from_be_bytes(*code));
    let success = code(&reply) == Some(0);
    assert!(success || reply.len() == 10, "a refusal is a header");
    success && matches!(code(&command), Some(cc::CREATE | cc::CREATE_PRIMARY | cc::CREATE_LOADED))
}

const ORDERED: u8 = 0x80;

fn correct_size(command: &mut [u8]) {
    if let (Ok(size), Some(field)) = (u32::try_from(command.len()), command.get_mut(2..6)) {
        field.copy_from_slice(&size.to_be_bytes());
    }
}

/// What every TPM can do at any moment: be saved, and go on elsewhere as the same.
fn saved_and_restored(tpm: &Tpm, host: &mut FuzzHost) {
    let saved = (tpm.permanent_state(), tpm.volatile_state());
    match Tpm::resume(&saved.0, &saved.1, host) {
        Ok(restored) => assert!(
            *restored.permanent_state() == *saved.0 && *restored.volatile_state() == *saved.1,
            "a restored TPM is another one"
        ),
        Err(error) => panic!("a running TPM cannot be restored: {error}"),
    }
}

/// One command: a locality octet, a length that is passed over, and the rest as `step` reads it.
pub fn command(data: &[u8]) {
    let [first, _, _, command @ ..] = data else { return };
    let mut host = FuzzHost::default();
    let (permanent, volatile) = started();
    let Ok(mut tpm) = Tpm::resume(permanent, volatile, &mut host) else { return };
    step(&mut tpm, &mut host, *first, command);
    saved_and_restored(&tpm, &mut host);
}

/// A sequence of commands: for each a locality octet, a 16-bit length and that many bytes, as `step` reads it. After the last, the state must
/// survive being saved and restored.
pub fn commands(data: &[u8]) {
    let mut host = FuzzHost::default();
    let (permanent, volatile) = started();
    let Ok(mut tpm) = Tpm::resume(permanent, volatile, &mut host) else { return };
    let mut rest = data;
    let mut keys = 0;
    for _ in 0..16 {
        let [first, high, low, tail @ ..] = rest else { break };
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len()).min(4096);
        let (octets, after) = tail.split_at(length);
        rest = after;
        // RSA keys take their time, and a sequence of them finds no more than a few do.
        keys += u8::from(step(&mut tpm, &mut host, *first, octets));
        if keys == KEYS {
            break;
        }
    }
    saved_and_restored(&tpm, &mut host);
}

/// Keys after which a sequence ends.
const KEYS: u8 = 3;

/// The permanent state of a TPM: a whole one, or only the body behind its header.
pub fn permanent_state(data: &[u8]) {
    let mut host = FuzzHost::default();
    if let Ok(mut tpm) = Tpm::restore(&with_header(1, data), &mut host) {
        let _ = tpm.inventory();
        tpm.init(&mut host);
        exercise(&mut tpm, &mut host);
    }
}

/// The volatile state of a TPM, on its right permanent state: a whole one, or only the body behind its header.
pub fn volatile_state(data: &[u8]) {
    let mut host = FuzzHost::default();
    if let Ok(mut tpm) = Tpm::resume(&bare().0, &with_header(2, data), &mut host) {
        let _ = tpm.inventory();
        exercise(&mut tpm, &mut host);
    }
}

const STATE_MAGIC: &[u8; 8] = b"SIGILLO\0";
const STATE_HEADER: usize = 20;

/// The header holds the length of the body, which no mutation would keep right.
fn with_header(kind: u32, data: &[u8]) -> Vec<u8> {
    if data.starts_with(STATE_MAGIC) {
        return data.to_vec();
    }
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let numbers = [kind, 1, length].map(u32::to_be_bytes).concat();
    [STATE_MAGIC.as_slice(), &numbers, data].concat()
}

/// Whatever was accepted must be usable.
fn exercise(tpm: &mut Tpm, host: &mut FuzzHost) {
    for command in [
        [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 1].as_slice(),
        &[0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0],
        &[0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x81],
        &[0x80, 1, 0, 0, 0, 22, 0, 0, 1, 0x7A, 0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0x40],
        &[0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x73, 0x80, 0, 0, 0],
    ] {
        run(tpm, host, 0, command);
    }
    saved_and_restored(tpm, host);
}

/// One seed a command: its header with zeroed handles, an empty password for each authorization, and zeroed parameters.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = sigillo_engine::implemented()
        .map(|spec| {
            let mut body = Vec::new();
            for handle in spec.handles {
                // The first handle its type accepts.
                let fits = |raw: &&u32| (handle.check)(**raw).is_ok();
                let handle = rough::HANDLES.iter().find(fits).copied().unwrap_or(0x4000_0007);
                body.extend_from_slice(&handle.to_be_bytes());
            }
            let sessions = spec.authorizations();
            if sessions > 0 {
                body.extend_from_slice(&u32::try_from(sessions * 9).unwrap_or(0).to_be_bytes());
                for _ in 0..sessions {
                    body.extend_from_slice(&[0x40, 0, 0, 9, 0, 0, 1, 0, 0]);
                }
            }
            body.extend_from_slice(&[0; 24]);
            framed(&rough::frame(sessions > 0, spec.code, &body))
        })
        .collect();
    seeds.extend(ordered());
    seeds
}

/// Each command twice by order, with other octets.
fn ordered() -> Vec<Vec<u8>> {
    let mut random = Random::new(3);
    let mut seeds = Vec::new();
    for number in (0..=u8::MAX).take(orders::count()) {
        for length in [6, 40] {
            let octets = [&[number], random.octets(length).as_slice()].concat();
            let length = u16::try_from(octets.len()).unwrap_or(0).to_be_bytes();
            seeds.push([&[ORDERED], length.as_slice(), &octets].concat());
        }
    }
    seeds
}

fn framed(command: &[u8]) -> Vec<u8> {
    [&[1], u16::try_from(command.len()).unwrap_or(0).to_be_bytes().as_slice(), command].concat()
}

fn body(state: &[u8]) -> Vec<u8> {
    state.get(STATE_HEADER..).unwrap_or_default().to_vec()
}

pub(crate) fn permanent_seeds() -> Vec<Vec<u8>> {
    let golden = include_bytes!("../../../tests/golden/tpm-permanent-v1.cbor");
    vec![started().0.clone(), body(&started().0), body(&bare().0), body(golden)]
}

/// The golden volatile state belongs to another TPM than the target's.
pub(crate) fn volatile_seeds() -> Vec<Vec<u8>> {
    vec![bare().1.clone(), body(&bare().1)]
}
