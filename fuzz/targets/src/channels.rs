//! What comes off sockets: swtpm's control and data channel, the TPM simulator's ports, and state blobs.

use crate::started::bare;
use sigillo_server::{
    blob::{self, BlobKeys},
    control::{self, BlobKind},
    data,
    key::KeyMaterial,
    rig::{Channel, converse},
};
use sigillo_store::{Secret, seal};

/// The control channel's requests, in one read and cut in two.
pub fn control_channel(data: &[u8]) {
    let mut rest = data;
    for _ in 0..64 {
        match control::parse(rest) {
            control::Parsed::Request { used, .. } | control::Parsed::Unless { used, .. } => {
                assert!(used > 0 && used <= rest.len(), "a request takes bytes that are there");
                rest = rest.get(used..).unwrap_or_default();
            }
            control::Parsed::More | control::Parsed::Refused { .. } => break,
        }
    }
}

/// The data channel's framing.
pub fn data_channel(data: &[u8]) {
    let mut rest = data;
    for _ in 0..64 {
        match data::parse(rest, 4096) {
            data::Parsed::Command { command, used, .. } => {
                assert!(
                    used > 0 && used <= rest.len() && command.len() <= used,
                    "a command takes bytes that are there"
                );
                rest = rest.get(used..).unwrap_or_default();
            }
            data::Parsed::More | data::Parsed::BadSize { .. } => break,
        }
    }
}

/// A whole conversation with a TPM behind a channel; the lowest bit of the first octet says whether the TPM runs.
fn conversation(channel: Channel, data: &[u8]) {
    let Some((first, input)) = data.split_first() else { return };
    let answered = converse(channel, &bare().0, first & 1 == 1, input);
    assert!(answered.is_ok(), "the channel ends well: {answered:?}");
}

/// A client of the control channel.
pub fn control_session(data: &[u8]) {
    conversation(Channel::Control, data);
}

/// A client of the data channel.
pub fn data_session(data: &[u8]) {
    conversation(Channel::Data, data);
}

/// A client of the TPM simulator's command port.
pub fn mssim_commands(data: &[u8]) {
    conversation(Channel::SimulatorCommands, data);
}

/// A client of the TPM simulator's platform port.
pub fn mssim_platform(data: &[u8]) {
    conversation(Channel::SimulatorPlatform, data);
}

/// State blobs: the first octet says of which kind, which keys there are, and whether the checksum of an open one is still missing.
pub fn state_blob(data: &[u8]) {
    let Some((first, packed)) = data.split_first() else { return };
    let kind = kind(*first);
    let keys = keys(*first);
    let mut packed = packed.to_vec();
    if first & 32 != 0 {
        packed.extend_from_slice(&seal::sha256(&[&packed]));
    }
    if let Ok(state) = blob::unpack(kind, &packed, &keys) {
        let again = blob::pack(kind, &state, &keys, first & 8 != 0);
        let again = again.and_then(|again| blob::unpack(kind, &again, &keys));
        assert!(again.is_ok_and(|again| *again == *state), "what was unpacked can be packed");
    }
}

fn kind(first: u8) -> BlobKind {
    match first & 3 {
        0 | 3 => BlobKind::Permanent,
        1 => BlobKind::Volatile,
        _ => BlobKind::SaveState,
    }
}

fn keys(first: u8) -> BlobKeys {
    let material = |octet| KeyMaterial::Random(Secret::from_slice(&[octet; 16]));
    BlobKeys {
        state: (first & 4 != 0).then(|| material(1)),
        migration: (first & 16 != 0).then(|| material(2)),
    }
}

pub(crate) fn blob_seeds() -> Vec<Vec<u8>> {
    let variants = (0..32_u8).filter_map(|first| {
        let packed = blob::pack(kind(first), b"a state", &keys(first), first & 8 != 0).ok()?;
        Some([&[first], packed.as_slice()].concat())
    });
    let mut seeds: Vec<Vec<u8>> = variants.collect();
    // Open ones without their checksum.
    seeds.extend((0..3_u8).filter_map(|first| {
        let packed = blob::pack(kind(first), b"a state", &BlobKeys::default(), true).ok()?;
        let bare = packed.get(..packed.len().checked_sub(32)?)?;
        Some([&[first | 32], bare].concat())
    }));
    seeds
}

/// Each request with a zeroed body, and blobs that can be set.
pub(crate) fn control_seeds() -> Vec<Vec<u8>> {
    let requests = (0_u32..0x15).map(|ordinal| [ordinal.to_be_bytes().as_slice(), &[0; 16]].concat());
    let (permanent, volatile) = bare();
    let blobs = [(1_u32, BlobKind::Permanent, permanent), (2, BlobKind::Volatile, volatile)];
    let set = blobs.into_iter().filter_map(|(number, kind, state)| {
        let packed = blob::pack(kind, state, &BlobKeys::default(), true).ok()?;
        let length = u32::try_from(packed.len()).ok()?;
        let header = [0x0D, 0, number, length].map(u32::to_be_bytes).concat();
        Some([header.as_slice(), &packed].concat())
    });
    requests.chain(set).collect()
}

/// What a client of a channel sends, to a TPM that is off and to one that runs.
pub(crate) fn sessions(requests: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let one_by_one =
        requests.iter().flat_map(|request| [0, 1].map(|first| [&[first], request.as_slice()].concat()));
    let all = [0, 1].map(|first| [&[first], requests.concat().as_slice()].concat());
    one_by_one.chain(all).collect()
}

pub(crate) fn data_seeds() -> Vec<Vec<u8>> {
    let command = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7B, 0, 8];
    let prefixed = [&[0, 0, 0, 8, 3, 0, 0, 0, 12], command.as_slice()].concat();
    vec![command.to_vec(), prefixed]
}

pub(crate) fn mssim_command_seeds() -> Vec<Vec<u8>> {
    let startup = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0];
    let send = [&[0, 0, 0, 8, 0, 0, 0, 0, 12], startup.as_slice()].concat();
    let hash = [[0, 0, 0, 5].as_slice(), &[0, 0, 0, 6, 0, 0, 0, 3], b"abc", &[0, 0, 0, 7]].concat();
    let handshake = [0, 0, 0, 15, 0, 0, 0, 1].to_vec();
    sessions(&[send, hash, handshake])
}

pub(crate) fn mssim_platform_seeds() -> Vec<Vec<u8>> {
    let signals: Vec<Vec<u8>> =
        (0_u32..22).map(|signal| [signal.to_be_bytes(), 1_u32.to_be_bytes()].concat()).collect();
    sessions(&signals)
}
