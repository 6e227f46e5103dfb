//! The store's file.

use sigillo_store::{
    Key, Secret,
    faulty::FaultyDisk,
    format::{
        self, Algorithm, BUCKET, HEADER_LEN, Header, MIN_SLOT_LEN, ParsedSlot, SLOT_HEAD_LEN, SLOTS_OFFSET,
        SlotHead, SlotIndex,
    },
    key_slot::KeySlot,
    seal,
};
use std::sync::LazyLock;

/// Two stores sealed under [`password`]: with AES-128-GCM, and with AES-256-GCM and slots of the other kinds beside the password's.
const SEALED: [&[u8]; 2] = [
    include_bytes!("../../../tests/golden/store-v1.sigillo"),
    include_bytes!("../../../tests/golden/store-v1-keys.sigillo"),
];
const CHECKSUM: usize = 32;

fn password() -> Key {
    Key::Password(Secret::from_slice(b"golden-password-of-store-version-1-0000001"))
}

/// An unencrypted store whose two slots hold a state each.
static UNENCRYPTED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let header = |sequence| Header {
        algorithm: Algorithm::Unencrypted,
        file_uuid: [1; 16],
        vm_uuid_hash: [2; 32],
        sequence,
        slot_len: u32::try_from(MIN_SLOT_LEN).unwrap_or(0),
        created_unix_s: 3,
        key_slots: [const { KeySlot::Empty }; format::KEY_SLOTS],
        mac: [0; 32],
    };
    let mut file = [header(1).to_bytes(), header(2).to_bytes()].concat();
    for (index, generation) in [(SlotIndex::A, 1), (SlotIndex::B, 2)] {
        let sealed_len = u32::try_from(BUCKET - SLOT_HEAD_LEN).unwrap_or(0);
        let head = SlotHead { index, sealed_len, generation, session_salt: [0; 32], nonce: [0; 12] };
        let start = file.len();
        file.extend(head.to_bytes());
        file.extend([0; 40]);
        file.extend(7_u64.to_le_bytes());
        file.extend(b"a state");
        file.resize(start + MIN_SLOT_LEN, 0);
    }
    mend(&mut file);
    file
});

/// The store: its parts, and a whole file that is opened and, if it opens, written to. A store is long, and checksums cover all of it. So
/// an input that does not begin as a store does is a number of edits of one: its first octet says of which, whether what needs no key is made
/// right again (checksums), and whether something is cut off or added; each edit is a place, an offset, a length and octets. Passphrases
/// are not tried: what a slot may make one cost is bounded, and is still more than an input may take.
pub fn store_file(data: &[u8]) {
    let _ = format::parse_header(data);
    let _ = format::parse_slot(data);
    let _ = format::parse_slot_body(data);
    let file = if data.starts_with(&format::MAGIC) { data.to_vec() } else { edited(data) };
    for key in [password(), Key::None] {
        let disk = FaultyDisk::new(file.clone());
        if let Ok(mut store) = disk.open(&key) {
            assert!(store.commit(b"another state").is_ok(), "what opens can be written to");
            drop(store);
            assert!(disk.open(&key).is_ok_and(|store| store.state() == b"another state"), "and opens again");
        }
    }
}

fn edited(data: &[u8]) -> Vec<u8> {
    let Some((first, mut rest)) = data.split_first() else { return Vec::new() };
    let mut file = match first & 5 {
        0 | 4 => UNENCRYPTED.clone(),
        1 => SEALED[0].to_vec(),
        _ => SEALED[1].to_vec(),
    };
    while let [place, high, low, length, tail @ ..] = rest {
        let octets = tail.get(..usize::from(length & 63)).unwrap_or(tail);
        rest = tail.get(octets.len()..).unwrap_or_default();
        let slots = SLOTS_OFFSET + MIN_SLOT_LEN * usize::from(place & 1);
        let base = if place & 2 == 0 { HEADER_LEN * usize::from(place & 1) } else { slots };
        let at = base + usize::from(u16::from_be_bytes([*high, *low])) % HEADER_LEN;
        if let Some(target) = file.get_mut(at..at + octets.len()) {
            target.copy_from_slice(octets);
        }
        // The second copy and the second slot are mostly what the first is.
        if place & 4 != 0 {
            let other = if place & 2 == 0 { at ^ HEADER_LEN } else { at + MIN_SLOT_LEN };
            if let Some(target) = file.get_mut(other..other + octets.len()) {
                target.copy_from_slice(octets);
            }
        }
    }
    if first & 2 == 0 {
        mend(&mut file);
    }
    match first >> 6 {
        1 => file.truncate(SLOTS_OFFSET + MIN_SLOT_LEN),
        2 => file.truncate(usize::from(*first) * BUCKET / 16),
        3 => file.extend_from_slice(&[0; 512]),
        _ => {}
    }
    file
}

/// Makes right what anybody can: the checksums of both header copies and, under the header as it then is, of unencrypted slots.
fn mend(file: &mut [u8]) {
    for copy in [0, HEADER_LEN] {
        let Some(header) = file.get_mut(copy..copy + HEADER_LEN) else { return };
        let (covered, checksum) = header.split_at_mut(HEADER_LEN - CHECKSUM);
        checksum.copy_from_slice(&seal::sha256(&[covered]));
    }
    let copies = [0, HEADER_LEN].map(|at| file.get(at..).and_then(|copy| format::parse_header(copy).ok()));
    let Some(header) = copies.into_iter().flatten().max_by_key(|header| header.sequence) else { return };
    if header.algorithm != Algorithm::Unencrypted {
        return;
    }
    for slot in [SlotIndex::A, SlotIndex::B] {
        let start = usize::try_from(slot.offset(&header)).unwrap_or(usize::MAX);
        let Some(bytes) = file.get_mut(start..) else { return };
        let ParsedSlot::Written(head, sealed) = format::parse_slot(bytes) else { continue };
        let Some(plain) = sealed.len().checked_sub(CHECKSUM) else { continue };
        let checksum = seal::sha256(&[&head.aad(&header), &sealed[..plain]]);
        bytes[SLOT_HEAD_LEN + plain..][..CHECKSUM].copy_from_slice(&checksum);
    }
}

/// No edit of either store, and one of each place.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for first in [0, 1, 5, 2, 3, 0x40, 0x80, 0xC0] {
        seeds.push(vec![first]);
        for place in 0..4 {
            for offset in [16_u16, 18, 80, 96, 112, 512] {
                let [high, low] = offset.to_be_bytes();
                seeds.push(vec![first, place, high, low, 2, 1, 0]);
                seeds.push(vec![first, place | 4, high, low, 8, 1, 0, 0, 0, 0, 0, 0, 0]);
            }
        }
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_stores_open_unedited_and_a_mended_edit_is_seen_past_the_checksums() {
        for (first, key) in [(0, Key::None), (1, password()), (5, password())] {
            assert!(FaultyDisk::new(edited(&[first])).open(&key).is_ok());
        }
        // Slot A and slot B, from offset 144: the state's first octet.
        let edit = [4 | 2, 0, 144, 1, b'A'];
        let mended = FaultyDisk::new(edited(&[&[0], edit.as_slice()].concat())).open(&Key::None);
        assert_eq!(mended.unwrap().state(), b"A state");
        assert!(FaultyDisk::new(edited(&[&[2], edit.as_slice()].concat())).open(&Key::None).is_err());
    }
}
