//! The command path and the decoders of saved state.

use sigillo_engine::{EntropyUnavailable, Host, Profile, Tpm};
use sigillo_sample::{Random, rough};
use std::sync::LazyLock;

/// A host whose entropy and clock repeat, so that a finding does too.
#[derive(Debug)]
struct FuzzHost {
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

fn run(tpm: &mut Tpm, host: &mut FuzzHost, locality: u8, command: &[u8]) -> Vec<u8> {
    let reply = tpm.execute(locality, command, host).stored();
    let size = reply.get(2..6).and_then(|field| field.first_chunk()).map(|field| u32::from_be_bytes(*field));
    assert!(
        reply.len() >= 10 && size.and_then(|size| usize::try_from(size).ok()) == Some(reply.len()),
        "a whole response"
    );
    reply
}

/// A started TPM, manufactured once; each input begins with a copy of it.
static STARTED: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let mut host = FuzzHost::default();
    let Ok(mut tpm) = Tpm::manufacture(Profile::pc_client(), &mut host) else {
        return (Vec::new(), Vec::new());
    };
    tpm.init(&mut host);
    let mut started = run(&mut tpm, &mut host, 0, &[0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0]);
    for seed in primaries() {
        started = run(&mut tpm, &mut host, 0, &seed);
    }
    drop(started);
    (tpm.permanent_state().to_vec(), tpm.volatile_state().to_vec())
});

/// The permanent and the volatile state of a started TPM with a few objects.
pub(crate) fn started() -> &'static (Vec<u8>, Vec<u8>) {
    &STARTED
}

/// One command: a locality octet, a length that is passed over, and the command up to the end. Odd localities have the size field corrected.
pub fn command(data: &[u8]) {
    let [first, _, _, command @ ..] = data else { return };
    let mut host = FuzzHost::default();
    let Ok(mut tpm) = Tpm::resume(&STARTED.0, &STARTED.1, &mut host) else { return };
    let mut command = command.to_vec();
    if first & 1 == 1 {
        correct_size(&mut command);
    }
    let reply = run(&mut tpm, &mut host, (first >> 1) % 5, &command);
    if reply.get(6..10) != Some(&[0; 4]) {
        assert_eq!(reply.len(), 10, "a refusal is a header");
    }
    let saved = (tpm.permanent_state(), tpm.volatile_state());
    let restored = Tpm::resume(&saved.0, &saved.1, &mut host);
    assert!(restored.is_ok(), "a running TPM can be saved and restored: {restored:?}");
}

fn correct_size(command: &mut [u8]) {
    if let (Ok(size), Some(field)) = (u32::try_from(command.len()), command.get_mut(2..6)) {
        field.copy_from_slice(&size.to_be_bytes());
    }
}

/// A sequence of commands: for each a locality octet, a 16-bit length and that many bytes. An odd locality octet has its command's size field
/// corrected, so that mutations get past the header. After the last, the state must survive being saved and restored.
pub fn commands(data: &[u8]) {
    let mut host = FuzzHost::default();
    let (permanent, volatile) = &*STARTED;
    let Ok(mut tpm) = Tpm::resume(permanent, volatile, &mut host) else { return };
    let mut rest = data;
    for _ in 0..16 {
        let [first, high, low, tail @ ..] = rest else { break };
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len()).min(4096);
        let (command, after) = tail.split_at(length);
        rest = after;
        let mut command = command.to_vec();
        if first & 1 == 1 {
            correct_size(&mut command);
        }
        run(&mut tpm, &mut host, (first >> 1) % 5, &command);
    }
    let saved = (tpm.permanent_state(), tpm.volatile_state());
    let restored = Tpm::resume(&saved.0, &saved.1, &mut host);
    assert!(restored.is_ok(), "a running TPM can be saved and restored: {restored:?}");
}

/// The permanent state of a TPM.
pub fn permanent_state(data: &[u8]) {
    let mut host = FuzzHost::default();
    if let Ok(mut tpm) = Tpm::restore(data, &mut host) {
        tpm.init(&mut host);
        exercise(&mut tpm, &mut host);
    }
}

/// The volatile state of a TPM, on its right permanent state.
pub fn volatile_state(data: &[u8]) {
    let mut host = FuzzHost::default();
    if let Ok(mut tpm) = Tpm::resume(&STARTED.0, data, &mut host) {
        exercise(&mut tpm, &mut host);
    }
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
    drop((tpm.permanent_state(), tpm.volatile_state()));
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
    seeds.extend(primaries().iter().map(|command| framed(command)));
    seeds
}

/// CreatePrimary of a storage key and of sealed-data-like keyed hashes, so that mutations have objects to work on.
fn primaries() -> Vec<Vec<u8>> {
    let ecc_storage = [
        0x00, 0x23, 0x00, 0x0B, 0x00, 0x03, 0x04, 0x72, 0x00, 0x00, 0x00, 0x06, 0x00, 0x80, 0x00, 0x43, 0x00,
        0x10, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00,
    ];
    let hmac_key =
        [0x00, 0x08, 0x00, 0x0B, 0x00, 0x04, 0x04, 0x72, 0x00, 0x00, 0x00, 0x05, 0x00, 0x0B, 0x00, 0x00];
    [ecc_storage.as_slice(), &hmac_key]
        .into_iter()
        .map(|public| {
            let mut body = vec![0x40, 0, 0, 1, 0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0];
            body.extend_from_slice(&u16::try_from(public.len()).unwrap_or(0).to_be_bytes());
            body.extend_from_slice(public);
            body.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
            rough::frame(true, 0x131, &body)
        })
        .collect()
}

fn framed(command: &[u8]) -> Vec<u8> {
    [&[1], u16::try_from(command.len()).unwrap_or(0).to_be_bytes().as_slice(), command].concat()
}

pub(crate) fn permanent_seeds() -> Vec<Vec<u8>> {
    vec![STARTED.0.clone()]
}

pub(crate) fn volatile_seeds() -> Vec<Vec<u8>> {
    vec![STARTED.1.clone()]
}
