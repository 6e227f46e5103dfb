//! Which header copy and which state slot of a file hold.

use sigillo_messages::words;
use zeroize::Zeroizing;

use crate::error::{Damage, OpenError};
use crate::format::{HEADER_LEN, Header, HeaderError, SLOTS_OFFSET, SlotIndex, parse_header};
use crate::medium::Medium;
use crate::secret::Secret;
use crate::store::OpenNotes;
use crate::vault::{self, OpenedSlot, SlotLook};

/// The two header copies, or as much of them as there is.
pub(crate) fn read_front(medium: &dyn Medium) -> Result<Vec<u8>, OpenError> {
    let len = medium.len().map_err(OpenError::Io)?;
    if len == 0 {
        return Err(OpenError::NotAStore(words!("file-empty")));
    }
    let mut front = vec![0; usize::try_from(len).unwrap_or(SLOTS_OFFSET).min(SLOTS_OFFSET)];
    medium.read_at(0, &mut front).map_err(OpenError::Io)?;
    Ok(front)
}

/// The header copy that holds.
pub(crate) struct ChosenHeader {
    pub(crate) header: Header,
    /// Where it lies: 0 or 1.
    pub(crate) copy: u64,
    /// The other copy is damaged or says something else.
    pub(crate) other_is_stale: bool,
}

/// Picks the valid copy with the higher sequence.
pub(crate) fn choose_header(front: &[u8]) -> Result<ChosenHeader, OpenError> {
    let (first, second) = front.split_at_checked(HEADER_LEN).unwrap_or((front, &[]));
    match (parse_header(first), parse_header(second)) {
        (Ok(first), Ok(second)) => {
            let mut other_is_stale = {
                let mut twin = first.clone();
                (twin.sequence, twin.mac) = (second.sequence, second.mac);
                twin != second
            };
            let copy = match first.sequence.cmp(&second.sequence) {
                core::cmp::Ordering::Less => 1,
                core::cmp::Ordering::Greater => 0,
                core::cmp::Ordering::Equal if first == second => {
                    other_is_stale = false;
                    0
                }
                core::cmp::Ordering::Equal => return Err(OpenError::Damaged(Damage::HeadersDiffer)),
            };
            let header = if copy == 0 { first } else { second };
            Ok(ChosenHeader { header, copy, other_is_stale })
        }
        (Err(HeaderError::TooNew(version)), _) | (_, Err(HeaderError::TooNew(version))) => {
            Err(OpenError::TooNew { version })
        }
        (Ok(header), Err(_)) => Ok(ChosenHeader { header, copy: 0, other_is_stale: true }),
        (Err(_), Ok(header)) => Ok(ChosenHeader { header, copy: 1, other_is_stale: true }),
        (Err(HeaderError::Magic | HeaderError::Short), Err(HeaderError::Magic | HeaderError::Short)) => {
            Err(OpenError::NotAStore(words!("store-not-a-store")))
        }
        (Err(first), Err(second)) => {
            Err(OpenError::Damaged(Damage::Headers(first.to_string(), second.to_string())))
        }
    }
}

/// Picks the slot that verifies and has the higher generation.
pub(crate) fn newest_slot(
    medium: &dyn Medium,
    header: &Header,
    data_key: Option<&Secret>,
) -> Result<(OpenedSlot, OpenNotes), OpenError> {
    let look = |index: SlotIndex| -> Result<SlotLook, OpenError> {
        let mut bytes = Zeroizing::new(vec![0; header.slot_bytes()]);
        medium.read_at(index.offset(header), &mut bytes).map_err(OpenError::Io)?;
        Ok(vault::open_slot(header, data_key, index, &bytes))
    };
    let mut notes = OpenNotes::default();
    let newest = match (look(SlotIndex::A)?, look(SlotIndex::B)?) {
        (SlotLook::Whole(a), SlotLook::Whole(b)) => {
            let (older, newer) = match a.generation.cmp(&b.generation) {
                core::cmp::Ordering::Less => (a, b),
                core::cmp::Ordering::Greater => (b, a),
                core::cmp::Ordering::Equal => {
                    return Err(OpenError::Damaged(Damage::Twins(a.generation)));
                }
            };
            notes.gap_in_history = newer.body()?.previous_hash != older.hash;
            newer
        }
        (SlotLook::Whole(a), SlotLook::Empty) => a,
        (SlotLook::Empty, SlotLook::Whole(b)) => b,
        (SlotLook::Whole(a), SlotLook::Broken) => {
            notes.broken_slot = Some(SlotIndex::B);
            a
        }
        (SlotLook::Broken, SlotLook::Whole(b)) => {
            notes.broken_slot = Some(SlotIndex::A);
            b
        }
        (SlotLook::Empty | SlotLook::Broken, SlotLook::Empty | SlotLook::Broken) => {
            return Err(OpenError::Damaged(Damage::Slots));
        }
    };
    Ok((newest, notes))
}
